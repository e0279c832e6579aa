/* The daemon's side of the store. See history.h.
 *
 * Ranks are told when they change: of a table, only rankings that are other objects than in the last one are looked at; a change of slots alone is told once a
 * minute, and the last one a minute later at most. A checkpoint is made on the loop (some microseconds a route), in pieces of a millisecond or so; the more it all takes, the later the next one
 * comes, so that checkpoints never take more than a thousandth of the time. */
#include "probed/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/alert/journal.h"
#include "probed/core/pickle.h"
#include "probed/daemon_parts.h"
#include "probed/roster.h"
#include "probed/store/store.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define CHECKPOINT_EVERY USEC_PER_MINUTE
#define CHECKPOINT_COST 1000
#define CHECKPOINT_PIECE 40 /* routes */
#define BESIDE_MAGIC 0x70726f6265647331 /* at the end of a checkpoint that holds more than the ranker's memory */
#define BESIDE_TRAILER ((size_t)24)
#define AWAY_MOST (26 * USEC_PER_HOUR)   /* a longer time away counts as so long */
#define RETELL_MOST (26 * USEC_PER_HOUR) /* without a checkpoint; the longest half-life is a day */
#define CLOCK_STEP (500 * USEC_PER_MSEC)
#define SLOTS_EVERY USEC_PER_MINUTE
#define STOP_PATIENCE (5 * USEC_PER_SEC)
#define UNKNOWN_FROM (5 * USEC_PER_SEC) /* a longer time without probed is a time of which nothing is known */

struct told_rank { /* as last told of a route in a policy */
    uint32_t rank;
    uint16_t slots;
    usec_t at;
};

struct history {
    struct daemon *d;
    struct store *store;
    struct loop_io *io;
    struct loop_timer *checkpoint;
    struct buf saving;   /* a checkpoint that is being made; */
    struct buf beside;   /* what stands in it behind the ranker's memory, of the same moment */
    usec_t saving_t;     /* of that time; 0 = none */
    usec_t saving_took;
    usec_t offset; /* of the wall clock, as last told */
    usec_t last;   /* what the last run knew of last; 0 = nothing */
    bool told;     /* anything since the last checkpoint */
    bool begun;
    enum store_state state;
    struct told_rank *ranks; /* [policy][route] of the world in force */
    size_t policies, routes;
    usec_t *slots_due;   /* [policy]: slots that were not told wait until then; 0 = none do */
    struct table *table; /* the one that ranks were told of */
};

static void say_opened(const struct history *h, const struct store_opened *opened)
{
    struct store_report report;
    store_report(h->store, &report);
    if (opened->note[0])
        log_warning("%s", opened->note);
    if (report.state != STORE_OK)
        log_warning("the history is not recorded now (%s): %s", store_state_text(report.state), report.why);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    struct history *h = arg;
    (void)fd;
    (void)events;
    store_dispatch(h->store);
}

static void on_checkpoint(void *arg);

/* The steady clock goes on after the last thing that is known, also when the wall clock went back; and when that is far ahead, because nobody was there for long or
 * because it is wrong, by no more than all memory needs to fade: else one start with a wrong clock would make all of the past too old to be kept. How far the two are
 * apart is told to the store. */
static void begin_clock(struct loop *loop, usec_t last)
{
    usec_t wall = loop_now(loop);
    if (last == 0)
        return;
    loop_begin(loop, wall <= last ? last + 1 : wall - last > AWAY_MOST ? last + AWAY_MOST : wall);
}

static struct store_limits limits_of(const struct config *config)
{
    return (struct store_limits){
        .raw = config->store.raw,
        .minutes = config->store.minutes,
        .hours = config->store.hours,
        .size = config->store.size > INT64_MAX ? INT64_MAX : (int64_t)config->store.size,
    };
}

struct history *history_open(struct daemon *d, bool *fatal, struct err *err)
{
    const struct config *config = d->world->config;
    struct store_setup setup = {.directory = config->state_dir, .limits = limits_of(config), .wall = loop_wall(d->loop)};
    struct store_opened opened = {.last = 0};
    int error = 0;
    *fatal = false;
    struct store *store = store_open(&setup, &opened, &error, err);
    if (!store) {
        *fatal = true;
        return NULL;
    }
    struct history *h = alloc_zero(1, sizeof *h);
    h->d = d;
    h->store = store;
    h->last = opened.last;
    begin_clock(d->loop, opened.last);
    say_opened(h, &opened);
    struct store_report report;
    store_report(store, &report);
    h->state = report.state;
    h->io = loop_io_new(d->loop, "history", store_fd(store), on_readable, h);
    loop_io_set(h->io, LOOP_READ);
    h->checkpoint = loop_timer_new(d->loop, "checkpoint", on_checkpoint, h);
    return h;
}

/* --- taking up --- */

static int retell(void *arg, const struct record *record)
{
    struct history *h = arg;
    const struct world *w = h->d->world;
    size_t platform, route;
    int r = roster_tell(w->ranker, w->config, record, record->t);
    (void)r; /* what the configuration does not know any more is passed over */
    if ((record->kind == RECORD_CHAT || record->kind == RECORD_BURST || record->kind == RECORD_TRIAL) && world_find(w, record->platform, record->model, &platform, &route) == 0 && route != SIZE_MAX) {
        struct observation o = record->o;
        o.cost_pico = config_convert(w->config, o.cost_pico, "USD");
        purse_observed(h->d->purse, platform, route, &o);
    }
    return 0;
}

/* A ranker without memory, after one was half restored. */
static void forget_half(struct world *w)
{
    ranker_free(w->ranker);
    w->ranker = roster_ranker(w->config, w->platform_id, w->route_id);
}

/* What stands behind the ranker's memory is taken up and cut off. */
static void restore_beside(struct history *h, struct buf *data)
{
    struct pickle k = {.latest = INT64_MAX / 2};
    uint64_t sizes[2] = {0, 0}, magic = 0;
    if (data->len < BESIDE_TRAILER)
        return;
    k.at = (const uint8_t *)data->data + data->len - BESIDE_TRAILER;
    k.end = k.at + BESIDE_TRAILER;
    PICKLE(&k, &sizes[0]);
    PICKLE(&k, &sizes[1]);
    PICKLE(&k, &magic);
    size_t room = data->len - BESIDE_TRAILER;
    if (magic != BESIDE_MAGIC || sizes[0] > room || sizes[1] > room - sizes[0])
        return;
    data->len = room - sizes[0] - sizes[1];
    const char *money = data->data + data->len, *prices = money + sizes[0];
    if (purse_restore(h->d->purse, money, sizes[0]) < 0)
        log_info("what was known of money is of another version or damaged; it is learnt anew");
    if (pricing_restore(h->d->pricing, prices, sizes[1]) < 0)
        log_info("the last prices are of another version or damaged; they are read anew");
}

void history_restore(struct history *h)
{
    struct world *w = h->d->world;
    CLEANUP(buf_done) struct buf data = BUF_INIT;
    usec_t t = 0, since = h->last - RETELL_MOST;
    int64_t told = 0;
    if (h->last == 0)
        return;
    int r = store_last_checkpoint(h->store, &data, &t, &told);
    if (r == 0) {
        restore_beside(h, &data);
        r = ranker_restore(w->ranker, data.data, data.len);
        if (r < 0) {
            log_info("the last checkpoint is %s; what was told is told again", r == -EPROTO ? "of another version" : "damaged");
            forget_half(w);
        }
    }
    if (r < 0)
        told = 0;
    else
        since = 0;
    if (store_each(h->store, told, since > 0 ? since : 0, retell, h) < 0)
        log_warning("a part of what was told last could not be read again, ignoring");
    ranker_advance(w->ranker, h->last);
    ranker_set_restored(w->ranker, ranker_now(w->ranker) > 0);
}

/* --- telling --- */

static void tell_clock(struct history *h)
{
    usec_t offset = daemon_wall_offset(h->d);
    if (h->begun && llabs(offset - h->offset) < CLOCK_STEP)
        return;
    if (h->begun)
        log_warning("the wall clock has stepped by %.1f s, ignoring: time in here goes on evenly", (double)(offset - h->offset) / 1e6);
    h->offset = offset;
    store_clock(h->store, loop_now(h->d->loop), offset);
}

static void on_event(void *arg, const struct log_entry *entry)
{
    struct history *h = arg;
    const char *name = message_name(entry->message_id);
    if (name)
        store_event(h->store, loop_now(h->d->loop), name, entry);
}

/* At the start, and after a reload: the prices in force. */
static void tell_prices(struct history *h)
{
    const struct config *config = h->d->world->config;
    const struct ranker *ranker = h->d->world->ranker;
    for (size_t i = 0; i < ranker_routes(ranker); i++) {
        const struct table_facts *facts = ranker_facts(ranker, (int)i);
        const struct price *price = ranker_price(ranker, (int)i);
        struct record record = {.t = loop_now(h->d->loop), .kind = RECORD_PRICE};
        text_copy(record.platform, sizeof record.platform, facts->platform, strlen(facts->platform));
        text_copy(record.model, sizeof record.model, facts->model, strlen(facts->model));
        record.price.input = exchange_known(&h->d->exchange, config, price->input, config->currency, "USD");
        record.price.output = exchange_known(&h->d->exchange, config, price->output, config->currency, "USD");
        record.price.call = exchange_known(&h->d->exchange, config, price->call, config->currency, "USD");
        if (price->known && record.price.input >= 0)
            store_record(h->store, &record);
    }
}

/* And what is known of each route's state; nothing of those that the configuration does not have any more. */
static void tell_states(struct history *h)
{
    const struct ranker *ranker = h->d->world->ranker;
    usec_t now = loop_now(h->d->loop);
    bool unknown = h->last > 0 && !h->begun && now - h->last > UNKNOWN_FROM;
    store_states_end(h->store, unknown ? h->last + 1 : now);
    for (size_t i = 0; i < ranker_routes(ranker); i++) {
        const struct table_facts *facts = ranker_facts(ranker, (int)i);
        store_state_of(h->store, now, facts->platform, facts->model, route_state_name(ranker_state(ranker, (int)i)));
    }
}

static void make_ranks(struct history *h)
{
    h->policies = h->d->world->config->policies_len;
    h->routes = ranker_routes(h->d->world->ranker);
    free(h->ranks);
    h->ranks = alloc_zero(h->policies * h->routes + 1, sizeof *h->ranks);
    free(h->slots_due);
    h->slots_due = alloc_zero(h->policies + 1, sizeof *h->slots_due);
    table_unref(h->table);
    h->table = NULL;
}

void history_begin(struct history *h)
{
    if (!h)
        return;
    tell_clock(h);
    log_set_tap(on_event, h);
    tell_prices(h);
    tell_states(h);
    make_ranks(h);
    h->begun = true;
    loop_timer_set(h->checkpoint, loop_now(h->d->loop) + CHECKPOINT_EVERY / 6);
}

void history_told(struct history *h, const struct record *record)
{
    if (!h)
        return;
    struct record copy = *record;
    enum probe_kind probe;
    if (record_observes(copy.kind, &probe)) /* a record's money is in USD, everybody's is in the reference currency */
        copy.o.cost_pico = config_convert_to(h->d->world->config, copy.o.cost_pico, "USD");
    h->told = true;
    store_record(h->store, &copy);
}

void history_state(struct history *h, const char *platform, const char *model, const char *state)
{
    if (h)
        store_state_of(h->store, loop_now(h->d->loop), platform, model, state);
}

static void tell_row(struct history *h, size_t policy, const char *name, const struct table_row *row, usec_t now)
{
    int route = ranker_find(h->d->world->ranker, row->facts->platform, row->facts->model);
    if (route < 0 || (size_t)route >= h->routes)
        return;
    struct told_rank *was = &h->ranks[policy * h->routes + (size_t)route];
    if (was->rank == row->rank && was->slots == row->slots)
        return;
    if (was->rank == row->rank && now - was->at < SLOTS_EVERY) {
        if (h->slots_due[policy] == 0)
            h->slots_due[policy] = now + SLOTS_EVERY;
        return;
    }
    *was = (struct told_rank){.rank = row->rank, .slots = row->slots, .at = now};
    struct store_rank rank = {
        .policy = name, .platform = row->facts->platform, .model = row->facts->model, .rank = row->rank, .slots = row->slots};
    store_rank(h->store, now, &rank);
}

void history_published(struct history *h, const struct table *table)
{
    if (!h || !h->begun || table->len != h->policies)
        return;
    usec_t now = loop_now(h->d->loop);
    for (size_t p = 0; p < table->len; p++) {
        const struct table_policy *policy = &table->policies[p];
        const struct table_policy *was = h->table && h->table->policies[p].len == policy->len ? &h->table->policies[p] : NULL;
        for (size_t m = 0; m < policy->len; m++) {
            if (was && was->rankings[m] == policy->rankings[m])
                continue;
            for (size_t i = 0; i < policy->rankings[m]->len; i++)
                tell_row(h, p, policy->name, &policy->rankings[m]->rows[i], now);
        }
    }
    table_unref(h->table);
    h->table = table_ref((struct table *)(uintptr_t)table);
}

/* Slots that changed too soon to be told, and perhaps never again. */
static void tell_slots(struct history *h)
{
    usec_t now = loop_now(h->d->loop);
    for (size_t p = 0; h->table && p < h->policies; p++) {
        const struct table_policy *policy = &h->table->policies[p];
        if (h->slots_due[p] == 0 || h->slots_due[p] > now)
            continue;
        h->slots_due[p] = 0;
        for (size_t m = 0; m < policy->len; m++)
            for (size_t i = 0; i < policy->rankings[m]->len; i++)
                tell_row(h, p, policy->name, &policy->rankings[m]->rows[i], now);
    }
}

void history_reloaded(struct history *h)
{
    if (!h)
        return;
    buf_done(&h->saving); /* the ranker that it was of is gone */
    if (h->saving_t > 0)
        loop_timer_set(h->checkpoint, loop_now(h->d->loop) + CHECKPOINT_EVERY / 6);
    h->saving_t = 0;
    struct store_limits limits = limits_of(h->d->world->config);
    struct record record = {.t = loop_now(h->d->loop), .kind = RECORD_CONFIG};
    store_set_limits(h->store, &limits);
    store_record(h->store, &record);
    tell_prices(h);
    tell_states(h);
    make_ranks(h);
    h->told = true;
}

/* --- checkpoints --- */

static void give_up_checkpoint(struct history *h)
{
    if (h->saving_t > 0)
        ranker_save_end(h->d->world->ranker);
    buf_done(&h->saving);
    buf_done(&h->beside);
    h->saving_t = 0;
}

/* Money's memory and prices, each with its size; at the very end how much that is in all. */
static void save_beside(struct history *h)
{
    struct pickle k = {.to = &h->beside};
    uint64_t sizes[2], magic = BESIDE_MAGIC;
    size_t at = h->beside.len;
    purse_save(h->d->purse, &h->beside);
    sizes[0] = h->beside.len - at;
    at = h->beside.len;
    pricing_save(h->d->pricing, &h->beside);
    sizes[1] = h->beside.len - at;
    PICKLE(&k, &sizes[0]);
    PICKLE(&k, &sizes[1]);
    PICKLE(&k, &magic);
}

static void begin_checkpoint(struct history *h)
{
    struct ranker *ranker = h->d->world->ranker;
    h->saving = (struct buf)BUF_CAP((size_t)1 << 30);
    h->saving_t = ranker_now(ranker);
    h->saving_took = 0;
    h->told = false;
    store_checkpoint_begin(h->store, h->saving_t);
    ranker_save_begin(ranker, &h->saving);
    buf_done(&h->beside);
    h->beside = (struct buf)BUF_CAP((size_t)1 << 30);
    save_beside(h);
}

/* True: there is more to do. */
static bool go_on_checkpoint(struct history *h, size_t routes)
{
    if (ranker_save_some(h->d->world->ranker, routes))
        return true;
    buf_add(&h->saving, h->beside.data, h->beside.len);
    if (!h->saving.full && !h->beside.full)
        store_checkpoint(h->store, h->saving_t, &h->saving);
    buf_done(&h->saving);
    buf_done(&h->beside);
    h->saving_t = 0;
    return false;
}

static void on_checkpoint(void *arg)
{
    struct history *h = arg;
    usec_t began = loop_now_fresh(h->d->loop), now = loop_now(h->d->loop);
    if (h->saving_t == 0 && (!h->told || h->state != STORE_OK)) { /* one that cannot be written would only take room in the queue */
        loop_timer_set(h->checkpoint, now + (h->told ? CHECKPOINT_EVERY / 6 : CHECKPOINT_EVERY));
        return;
    }
    if (h->saving_t == 0)
        begin_checkpoint(h);
    bool more = go_on_checkpoint(h, CHECKPOINT_PIECE);
    h->saving_took += loop_now_fresh(h->d->loop) - began;
    usec_t apart = h->saving_took * CHECKPOINT_COST;
    loop_timer_set(h->checkpoint, more ? now : now + (apart > CHECKPOINT_EVERY ? apart : CHECKPOINT_EVERY));
}

void history_end(struct history *h)
{
    if (!h || !h->begun)
        return;
    give_up_checkpoint(h);
    if (h->told) {
        begin_checkpoint(h);
        go_on_checkpoint(h, SIZE_MAX);
    }
    log_set_tap(NULL, NULL);
    h->begun = false;
}

struct history *history_close(struct history *h)
{
    if (!h)
        return NULL;
    loop_io_free(h->io);
    loop_timer_free(h->checkpoint);
    store_close(h->store, STOP_PATIENCE);
    table_unref(h->table);
    free(h->ranks);
    free(h->slots_due);
    free(h);
    return NULL;
}

/* --- its own state --- */

static void say_state(struct history *h, const struct store_report *report)
{
    CLEANUP(buf_done) struct buf why = BUF_INIT;
    text_escape_terminal(&why, report->why, strlen(report->why), 200);
    const char *reason = report->state == STORE_OK ? "recording goes on" : why.len ? buf_str(&why) : store_state_text(report->state);
    struct log_field fields[] = {
        {"PROBED_FROM", store_state_name(h->state)}, {"PROBED_TO", store_state_name(report->state)}, {"PROBED_REASON", reason}};
    if (report->state == STORE_OK)
        log_event(LOG_LEVEL_NOTICE, MESSAGE_STORE, fields, ARRAY_LEN(fields), "the history is recorded again (it was %s)",
                  store_state_name(h->state));
    else
        log_event(LOG_LEVEL_WARNING, MESSAGE_STORE, fields, ARRAY_LEN(fields), "the history is not recorded, %s: %s; probing goes on",
                  store_state_text(report->state), reason);
    h->state = report->state;
}

void history_second(struct history *h)
{
    struct store_report report;
    if (!h)
        return;
    tell_clock(h);
    tell_slots(h);
    store_report(h->store, &report);
    if (report.state != h->state)
        say_state(h, &report);
}

struct store *history_store(struct history *h) { return h ? h->store : NULL; }

int history_ask(struct history *h, const struct history_query *query, history_answer_fn fn, void *arg, struct err *err)
{
    if (!h)
        return err_set(err, -ENODEV, "no history is recorded");
    int r = store_ask(h->store, query, fn, arg);
    return r < 0 ? err_set(err, r, "too many questions wait for an answer") : 0;
}

void history_forget(struct history *h, void *arg)
{
    if (h)
        store_forget(h->store, arg);
}

void history_to_json(const struct history *h, cJSON *status)
{
    struct store_report report;
    if (!h) {
        json_add_null(status, "store");
        return;
    }
    cJSON *json = json_add_object(status, "store");
    usec_t offset = daemon_wall_offset(h->d);
    store_report(h->store, &report);
    json_add_string(json, "state", store_state_name(report.state));
    json_add_string(json, "text", store_state_text(report.state));
    json_add_string(json, "why", report.why[0] ? report.why : NULL);
    json_add_time(json, "since", report.since > 0 ? report.since + offset : h->d->started_at);
    json_add_int(json, "written", (int64_t)report.written);
    json_add_int(json, "dropped", (int64_t)report.dropped);
    json_add_int(json, "queued", (int64_t)report.queued);
    json_add_msec(json, "commit_ms", report.commit_last);
    json_add_msec(json, "commit_worst_ms", report.commit_worst);
    json_add_int(json, "bytes", report.size);
    json_add_time(json, "oldest_at", report.oldest > 0 ? report.oldest + offset : -1);
    json_add_string(json, "aside", report.aside[0] ? report.aside : NULL);
}
