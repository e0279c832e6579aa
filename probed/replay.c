/* A co-process with virtual time: one record a line in, one table a line out whenever it is asked for.
 *
 * It holds what the daemon's world holds but for the prober: configuration, ranker, overrides. The clock is the records'; it never goes
 * back. What passes by time alone (overrides that expire, maintenance windows) is caught up with before each record. When models are ranked
 * is the ranker's own affair, so the tables are those that the daemon had.
 *
 * Input is read in blocks; answers leave before it would wait for more input: whoever asks for a table and waits gets it. Times below a
 * day would look like "never" to statistics that know no sign, so that histories which begin near zero are shifted by SHIFT inside. */
#include "probed/replay.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probed/core/record.h"
#include "probed/overrides.h"
#include "probed/replay_told.h"
#include "probed/roster.h"
#include "probed/sys/loop.h"
#include "shared/alloc.h"
#include "shared/buf.h"
#include "shared/json.h"

#define SHIFT              (1000000000LL * USEC_PER_SEC) /* whole rounds: ticks stay where they are */
#define OPEN_ROUTES_MAX    20000
#define OPEN_PLATFORMS_MAX 20000
#define BLOCK              65536

struct replay {
    struct config *config;
    struct ranker *ranker;
    struct overrides overrides;
    const struct replay_options *options;
    FILE *messages;
    int to;
    bool begun;
    usec_t shift, now;   /* now: inside */
    struct loop *clock;  /* for a pace; else NULL */
    usec_t began, first; /* for a pace: real and virtual */
    usec_t calendar;     /* next look at it */
    bool *maintenance;   /* a platform of the configuration: as last told */
    struct told told;
    size_t appeared; /* platforms that the configuration does not name */
    unsigned long line, skipped;
    struct buf out, table; /* table: of `revision`, from its generation on */
    uint64_t revision;
    bool has_table;
    bool broken; /* nobody reads the answers */
    bool cut;    /* what comes is the rest of a line that was too long */
};

/* --- who is meant --- */

static int no_such(const char *what, const char *name, struct err *err)
{
    return err_set(err, -ENOENT, "%s \"%.100s\" is not in the configuration (\"replay: {open: true}\" adds what appears)", what, name);
}

static int want_platform(struct replay *r, const char *name, struct err *err)
{
    int platform = ranker_find_platform(r->ranker, name);
    if (platform >= 0)
        return platform;
    if (!r->config->replay_open)
        return no_such("platform", name, err);
    if (r->appeared >= OPEN_PLATFORMS_MAX)
        return err_set(err, -E2BIG, "more than %d platforms have appeared", OPEN_PLATFORMS_MAX);
    r->appeared++;
    return ranker_add_platform(r->ranker, name, NULL, NULL, 0);
}

static int want_route(struct replay *r, const char *platform_name, const char *model, struct err *err)
{
    int route = ranker_find(r->ranker, platform_name, model);
    if (route >= 0)
        return route;
    if (r->config->replay_open && ranker_routes(r->ranker) >= OPEN_ROUTES_MAX)
        return err_set(err, -E2BIG, "more than %d routes have appeared", OPEN_ROUTES_MAX);
    int platform = want_platform(r, platform_name, err);
    if (platform < 0)
        return platform;
    if (!r->config->replay_open)
        return no_such("model", model, err);
    struct ranker_route_setup setup = {
        .platform = platform, .model = model, .dialect = "openai", .endpoint = "", .price = {.source = "history"}};
    ranker_advance(r->ranker, r->now);
    route = ranker_add_route(r->ranker, &setup);
    const struct api_override *word = overrides_find(&r->overrides, platform_name, model);
    if (word)
        ranker_set_override(r->ranker, route, word->action, r->now);
    return route;
}

/* --- what passes by time alone --- */

static void check_calendar(struct replay *r)
{
    for (size_t i = 0; i < r->config->platforms_len; i++) {
        const struct config_platform *c = &r->config->platforms[i];
        bool on = c->windows_len > 0 && config_platform_maintenance(c, r->now - r->shift) != NULL;
        if (on == r->maintenance[i])
            continue;
        r->maintenance[i] = on;
        ranker_set_maintenance(r->ranker, ranker_find_platform(r->ranker, c->name), on, r->now);
    }
    r->calendar = (r->now / USEC_PER_SEC + 1) * USEC_PER_SEC;
}

static void pass_time(struct replay *r)
{
    for (usec_t expiry; (expiry = overrides_next_expiry(&r->overrides)) <= r->now;) {
        overrides_expire(&r->overrides, expiry);
        overrides_apply(&r->overrides, r->ranker, expiry);
    }
    if (r->now >= r->calendar)
        check_calendar(r);
}

static int send_answers(struct replay *r);

/* Waits until the record is due. What was asked for before it is not kept back for so long. */
static void keep_pace(struct replay *r)
{
    double due = (double)(r->now - r->first) / r->options->speed, passed = (double)(loop_now_fresh(r->clock) - r->began);
    if (due <= passed || send_answers(r) < 0)
        return;
    usec_t left = (usec_t)(due - passed);
    struct timespec wait = {.tv_sec = left / USEC_PER_SEC, .tv_nsec = left % USEC_PER_SEC * 1000};
    while (nanosleep(&wait, &wait) < 0 && errno == EINTR)
        ;
}

/* --- configuration --- */

/* What had appeared stays, if the new configuration is open as well. */
static void keep_appeared(struct replay *r, const struct ranker *old)
{
    struct err err;
    for (size_t i = 0; r->config->replay_open && i < ranker_routes(old); i++)
        if (want_route(r, ranker_facts(old, (int)i)->platform, ranker_facts(old, (int)i)->model, &err) < 0)
            return;
}

static void use_config(struct replay *r, struct config *config)
{
    struct ranker *old = r->ranker;
    struct config *old_config = r->config;
    r->config = config;
    r->ranker = roster_ranker(config, NULL, NULL);
    r->appeared = 0;
    if (old) {
        keep_appeared(r, old);
        told_again(&r->told, r->ranker, config, old, r->now);
        ranker_adopt(r->ranker, old);
    }
    ranker_free(old);
    config_unref(old_config);
    free(r->maintenance);
    r->maintenance = alloc_zero(config->platforms_len + 1, sizeof *r->maintenance);
    for (size_t i = 0; i < config->platforms_len; i++)
        if (config->platforms[i].level == LEVEL_OFF)
            ranker_set_usable(r->ranker, ranker_find_platform(r->ranker, config->platforms[i].name), false, "switched off (level: off)",
                              r->now);
    r->calendar = 0;
    r->has_table = false;
}

static int load_config(struct replay *r, const char *file, struct err *err)
{
    int errors = 0;
    struct config *config = config_load(file, r->messages, false, &errors);
    if (!config)
        return err_set(err, -EINVAL, "%s: %d error%s", file, errors, errors == 1 ? "" : "s");
    use_config(r, config);
    overrides_apply(&r->overrides, r->ranker, r->now);
    return 0;
}

/* --- records --- */

static int take_observation(struct replay *r, const struct record *record, struct err *err)
{
    const struct observation *o = &record->o;
    bool chat = o->probe == PROBE_CHAT, of_route = o->probe != PROBE_REACH && o->probe != PROBE_MODELS;
    int id = of_route ? want_route(r, record->platform, record->model, err) : want_platform(r, record->platform, err);
    if (id < 0)
        return id;
    if (chat && o->interval > 0 && o->source == SOURCE_PROBE)
        ranker_set_interval(r->ranker, id, o->interval, r->now);
    int got = roster_tell(r->ranker, r->config, record, r->now);
    return got < 0 ? err_set(err, got, "the core refused it: %s", strerror(-got)) : 0;
}

static int take_override(struct replay *r, const struct record *record, struct err *err)
{
    if (!r->config->replay_open && ranker_find_platform(r->ranker, record->platform) < 0)
        return no_such("platform", record->platform, err);
    if (!r->config->replay_open && record->model[0] && ranker_find(r->ranker, record->platform, record->model) < 0)
        return no_such("model", record->model, err);
    struct api_override word = {.action = record->action == OVERRIDE_NONE ? OVERRIDE_ENABLE : record->action, .made_at = r->now};
    snprintf(word.platform, sizeof word.platform, "%s", record->platform);
    snprintf(word.model, sizeof word.model, "%s", record->model);
    word.expires_at = record->lasts > 0 ? r->now + record->lasts : 0;
    int got = overrides_add(&r->overrides, &word, err);
    if (got == 0)
        overrides_apply(&r->overrides, r->ranker, r->now);
    return got;
}

static void print_row(const struct table_row *row, struct buf *to)
{
    char number[32];
    buf_add_str(to, "{\"platform\":");
    json_quote(to, row->facts->platform);
    buf_printf(to, ",\"rank\":%u,\"weight\":%s", row->rank, json_format_number(number, sizeof number, row->slots / (double)TABLE_SLOTS));
    buf_printf(to, ",\"state\":\"%s\",\"score\":%s", route_state_name(row->state),
               json_format_number(number, sizeof number, round(row->score * 1e6) / 1e6));
    buf_printf(to, ",\"provisional\":%s,\"reason\":\"%s\"}", row->flags & ROW_PROVISIONAL ? "true" : "false",
               route_reason_name(row->reason));
}

/* All that is needed by one who only follows the table, in a fifth of the bytes. */
static void print_brief_row(const struct table_row *row, struct buf *to)
{
    buf_add_char(to, '[');
    json_quote(to, row->facts->platform);
    if (row->cost_pico < 0)
        buf_printf(to, ",%u,null]", (unsigned)row->slots);
    else
        buf_printf(to, ",%u,%lld]", (unsigned)row->slots, (long long)row->cost_pico);
}

static void print_table(const struct table *table, bool brief, struct buf *to)
{
    buf_printf(to, ",\"generation\":%llu,\"flags\":[%s]", (unsigned long long)table->generation,
               table->flags & TABLE_LOCAL ? "\"local\"" : "");
    if (brief) {
        buf_add_str(to, ",\"currency\":");
        json_quote(to, table->currency);
    }
    buf_add_str(to, ",\"policies\":{");
    for (size_t p = 0; p < table->len; p++) {
        buf_add_str(to, p ? "," : "");
        json_quote(to, table->policies[p].name);
        buf_add_str(to, ":{");
        for (size_t m = 0; m < table->policies[p].len; m++) {
            const struct ranking *ranking = table->policies[p].rankings[m];
            buf_add_str(to, m ? "," : "");
            json_quote(to, ranking->model);
            buf_add_str(to, ":[");
            for (size_t i = 0; i < ranking->len; i++) {
                if (brief && !route_reason_eligible(ranking->rows[i].reason))
                    break; /* those stand last */
                buf_add_str(to, i ? "," : "");
                (brief ? print_brief_row : print_row)(&ranking->rows[i], to);
            }
            buf_add_str(to, "]");
        }
        buf_add_str(to, "}");
    }
    buf_add_str(to, "}}\n");
}

static void answer_table(struct replay *r)
{
    char number[32];
    ranker_refresh(r->ranker, r->now, 0, false);
    uint64_t revision = ranker_revision(r->ranker);
    if (!r->has_table || revision != r->revision) {
        struct table *table = ranker_table(r->ranker, 1, revision, r->now, -r->shift);
        buf_clear(&r->table);
        print_table(table, r->options->brief, &r->table);
        table_unref(table);
        r->revision = revision;
        r->has_table = true;
    }
    buf_printf(&r->out, "{\"t\":%s", json_format_number(number, sizeof number, (double)(r->now - r->shift) / 1e6));
    buf_add(&r->out, r->table.data, r->table.len);
}

static void begin(struct replay *r, usec_t t)
{
    r->begun = true;
    r->shift = t < SHIFT ? SHIFT : 0;
    r->first = t + r->shift;
    ranker_refresh(r->ranker, r->first, 0, false); /* who appears first is no older than those after it */
    if (r->options->speed > 0) {
        r->clock = loop_new();
        r->began = loop_now_fresh(r->clock);
    }
}

static int take_record(struct replay *r, struct record *record, struct err *err)
{
    if (!r->begun)
        begin(r, record->t);
    if (record->t + r->shift < r->now)
        return err_set(err, -EINVAL, "time goes backwards: %.6f after %.6f", (double)record->t / 1e6, (double)(r->now - r->shift) / 1e6);
    r->now = record->t + r->shift;
    if (r->options->speed > 0)
        keep_pace(r);
    pass_time(r);
    switch (record->kind) {
    case RECORD_CHAT:
    case RECORD_REACH:
    case RECORD_MODELS:
    case RECORD_BURST:
    case RECORD_TRIAL:
        return take_observation(r, record, err);
    case RECORD_PRICE: {
        int route = want_route(r, record->platform, record->model, err);
        return route < 0 ? route : told_price(&r->told, r->ranker, r->config, route, record, r->now, err);
    }
    case RECORD_LISTING: {
        int route = want_route(r, record->platform, record->model, err);
        return route < 0 ? route : roster_tell(r->ranker, r->config, record, r->now);
    }
    case RECORD_USABLE: {
        int platform = want_platform(r, record->platform, err);
        if (platform >= 0)
            told_usable(&r->told, r->ranker, record, r->now);
        return platform < 0 ? platform : 0;
    }
    case RECORD_OVERRIDE:
        return take_override(r, record, err);
    case RECORD_SELF_CHECK:
        return roster_tell(r->ranker, r->config, record, r->now);
    case RECORD_CONFIG:
        return record->text[0] ? load_config(r, record->text, err) : 0;
    case RECORD_BALANCE:
        return 0;
    case RECORD_TABLE:
        answer_table(r);
        return 0;
    case RECORD_KIND_COUNT:
        break;
    }
    return 0;
}

static int tell_bad(struct replay *r, const char *what)
{
    fprintf(r->messages, "probed replay: line %lu: %s%s\n", r->line, what, r->options->skip_bad ? "; skipped" : "");
    r->skipped++;
    return r->options->skip_bad ? 0 : -1;
}

static int take_line(struct replay *r, const char *line, size_t len)
{
    struct record record;
    struct err err = {""};
    r->line++;
    if (len <= RECORD_LINE_MAX && strspn(line, " \t\r") >= len)
        return 0;
    if (record_parse(line, len, &record, &err) == 0 && take_record(r, &record, &err) == 0)
        return 0;
    return tell_bad(r, err.text);
}

static int send_answers(struct replay *r)
{
    size_t sent = 0;
    while (sent < r->out.len && !r->broken) {
        ssize_t n = write(r->to, r->out.data + sent, r->out.len - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fprintf(r->messages, "probed replay: the answer could not be written: %s\n", strerror(errno));
            r->broken = true;
            break;
        }
        sent += (size_t)n;
    }
    buf_clear(&r->out);
    return r->broken ? -1 : 0;
}

/* All whole lines in the buffer; *used: how much of it they take. */
static int take_lines(struct replay *r, const char *data, size_t len, size_t *used)
{
    const char *end;
    *used = 0;
    while ((end = memchr(data + *used, '\n', len - *used))) {
        if (take_line(r, data + *used, (size_t)(end - data) - *used) < 0)
            return -1;
        *used = (size_t)(end - data) + 1;
        if (r->out.len > BLOCK && send_answers(r) < 0)
            return -1;
    }
    return 0;
}

/* Takes the whole lines of what has been read, and moves the beginning of the next one to the front. */
static int take_block(struct replay *r, char *block, size_t *len)
{
    struct err err = {""};
    size_t used = 0;
    if (r->cut) {
        const char *end = memchr(block, '\n', *len);
        used = end ? (size_t)(end - block) + 1 : *len;
        r->cut = !end;
        memmove(block, block + used, *len - used);
        *len -= used;
    }
    block[*len] = '\0';
    if (take_lines(r, block, *len, &used) < 0 || send_answers(r) < 0)
        return -1;
    memmove(block, block + used, *len - used);
    *len -= used;
    if (*len <= RECORD_LINE_MAX)
        return 0;
    err_set(&err, -E2BIG, "longer than %d bytes", RECORD_LINE_MAX);
    r->line++;
    r->cut = true;
    *len = 0;
    return tell_bad(r, err.text);
}

static int read_all(struct replay *r, int from, char *block, size_t size)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = read(from, block + len, size - len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fprintf(r->messages, "probed replay: the input could not be read: %s\n", strerror(errno));
            return -1;
        }
        if (n == 0)
            break;
        len += (size_t)n;
        if (take_block(r, block, &len) < 0)
            return -1;
    }
    block[len] = '\0';
    return take_line(r, block, len); /* the last may lack its newline */
}

int replay_run(struct config *config, const struct replay_options *options, int from, int to, FILE *messages)
{
    struct replay r = {.options = options, .to = to, .messages = messages};
    char *block = alloc_zero(1, RECORD_LINE_MAX + BLOCK + 2);
    use_config(&r, config);
    int result = read_all(&r, from, block, RECORD_LINE_MAX + BLOCK + 2);
    if (send_answers(&r) < 0)
        result = -1;
    if (r.skipped > 0 && options->skip_bad)
        fprintf(messages, "probed replay: %lu bad line%s skipped\n", r.skipped, r.skipped == 1 ? "" : "s");
    ranker_free(r.ranker);
    config_unref(r.config);
    overrides_done(&r.overrides);
    free(r.maintenance);
    told_done(&r.told);
    if (r.clock)
        loop_free(r.clock);
    buf_done(&r.out);
    buf_done(&r.table);
    free(block);
    return result;
}
