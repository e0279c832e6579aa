/* Random short worlds for the invariants of the ranker: a list of things told to it, in time order, and a player that tells them in different ways.
 *
 * A story holds all outcomes, 429 with and without Retry-After, probes and reported traffic, prices, listings, overrides, keys, maintenance, platform
 * checks, our own network failing, and platforms that join later. Many of its times are equal, and many are whole seconds, where rankings
 * happen. Included by tests only. */
#ifndef TESTS_UNIT_CORE_STORY_H
#define TESTS_UNIT_CORE_STORY_H

#include "tests/unit/core/field.h"

#define STORY_EVENTS 240
#define STORY_PLATFORMS 6
#define STORY_MODELS 3
#define STORY_ROUTES (STORY_PLATFORMS * STORY_MODELS)

enum event_kind {
    EVENT_JOIN,
    EVENT_CHAT,
    EVENT_PLATFORM,
    EVENT_PRICE,
    EVENT_LISTING,
    EVENT_OVERRIDE,
    EVENT_USABLE,
    EVENT_MAINTENANCE,
    EVENT_LOCAL,
    EVENT_INTERVAL,
};

struct event {
    usec_t t;
    enum event_kind kind;
    int route; /* platform * STORY_MODELS + model */
    int value;
    int64_t price;
    struct observation o;
};

struct story {
    size_t len;
    usec_t end;
    bool joined[STORY_ROUTES];
    struct event events[STORY_EVENTS + 2 * STORY_ROUTES];
};

static const struct tag story_vision = {"vision", ""};

/* The fourth user pays in absolute money; the fifth sees only some of the routes. */
static const struct policy story_policies[] = {
    {.name = "production", .about = "", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300,
     .stability = 0.05, .capacity = 0.05, .honesty = 0.05, .concurrency = 1},
    {.name = "latency", .about = "", .latency = LATENCY_P95, .second = 0.2, .money = 0.01, .input_tokens = 1000, .output_tokens = 300, .concurrency = 1},
    {.name = "cost", .about = "", .latency = LATENCY_MEAN, .second = 0.0125, .money = 0.3, .reference = REFERENCE_MEAN, .input_tokens = 1000,
     .output_tokens = 300, .concurrency = 1},
    {.name = "outright", .about = "", .latency = LATENCY_P90, .second = 0.05, .failure_pico = 1LL << 34, .input_tokens = 1000,
     .output_tokens = 300, .concurrency = 1},
    {.name = "seeing", .about = "", .latency = LATENCY_MEAN, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300,
     .require = &story_vision, .require_len = 1, .concurrency = 1},
};
#define STORY_POLICIES (sizeof(story_policies) / sizeof(story_policies[0]))

/* --- making one --- */

static inline int story_dice(uint64_t *random, int n)
{
    return (int)(field_random(random) * n);
}

static inline struct observation story_chat(uint64_t *random, int route, double quality)
{
    static const struct outcome_bad {
        enum outcome_kind kind;
    } bad[] = {
#define X(id, name, fault, text) {OUTCOME_##id},
        OUTCOME_TABLE(X)
#undef X
    };
    double dice = field_random(random);
    struct observation o = field_ok(0, (usec_t)(2e5 * (1 + route % 5) * exp(0.5 * field_normal(random))));

    if (dice > quality)
        o = field_fail(0, dice > 0.5 + quality / 2 ? OUTCOME_SERVER_ERROR : bad[story_dice(random, OUTCOME_COUNT)].kind);
    else if (dice < 0.06)
        o = field_fail(0, OUTCOME_RATE_LIMITED);
    if (o.outcome.kind == OUTCOME_RATE_LIMITED && field_random(random) < 0.5)
        o.retry_after = (usec_t)(field_random(random) * 90) * SEC;
    o.total = (usec_t)(field_random(random) * 2e7);
    o.source = field_random(random) < 0.5 ? SOURCE_TRAFFIC : SOURCE_PROBE;
    if (field_random(random) < 0.3)
        o.cost_pico = (int64_t)(1e9 * field_random(random)) * 64;
    if (field_random(random) < 0.3)
        o.reporter = (uint8_t)(1 + story_dice(random, 3)); /* told by name when it is played */
    if (field_random(random) < 0.3)
        o.in_flight = (uint16_t)story_dice(random, 50);
    if (field_random(random) < 0.1)
        o.flags = (uint16_t)(1 << story_dice(random, 8));
    return o;
}

static inline void story_fill(uint64_t *random, struct event *e)
{
    double dice = field_random(random), quality = e->route % 4 == 0 ? 0.55 : 0.93;

    e->value = story_dice(random, 4);
    if (dice < 0.70) {
        e->kind = EVENT_CHAT;
        e->o = story_chat(random, e->route, quality);
    } else if (dice < 0.76) {
        e->kind = EVENT_PRICE;
        e->price = field_random(random) < 0.1 ? -1 : (int64_t)(1e4 * field_random(random)) * 64;
    } else if (dice < 0.84) {
        static const enum outcome_kind kinds[] = {OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_REFUSED, OUTCOME_AUTH, OUTCOME_NO_CREDIT, OUTCOME_LOCAL};
        enum outcome_kind kind = kinds[story_dice(random, 6)];

        e->kind = EVENT_PLATFORM;
        e->o = observation_make(field_random(random) < 0.5 ? PROBE_REACH : PROBE_MODELS, 0,
                                outcome_make(kind == OUTCOME_OK ? STAGE_DONE : STAGE_CONNECT, kind, kind == OUTCOME_AUTH ? 401 : 0));
    } else {
        static const enum event_kind rest[] = {EVENT_LISTING, EVENT_LISTING, EVENT_OVERRIDE, EVENT_OVERRIDE, EVENT_OVERRIDE, EVENT_OVERRIDE,
                                               EVENT_USABLE,  EVENT_MAINTENANCE, EVENT_LOCAL, EVENT_INTERVAL};
        e->kind = rest[story_dice(random, 10)];
        /* What takes routes away is taken back more often than it is said. */
        if (e->kind != EVENT_OVERRIDE && e->kind != EVENT_LISTING && e->kind != EVENT_INTERVAL)
            e->value = e->kind == EVENT_USABLE ? e->value > 0 : e->value == 0;
    }
}

static inline usec_t story_pause(uint64_t *random, usec_t now)
{
    switch (story_dice(random, 8)) {
    case 0:
    case 1:
    case 2:
        return now;
    case 3:
    case 4: /* a whole second, where rankings happen */
        return (now / SEC + 1 + story_dice(random, 4)) * SEC;
    case 5:
        return now + 1 + story_dice(random, 999999);
    case 6:
        return now + (usec_t)(field_random(random) * 2e7);
    default:
        return now + (usec_t)(field_random(random) * (story_dice(random, 12) == 0 ? 4e9 : 4e6));
    }
}

static inline void story_add_join(struct story *s, uint64_t *random, int route, usec_t now)
{
    struct event *join = &s->events[s->len++], *price = &s->events[s->len++];

    *join = (struct event){.t = now, .kind = EVENT_JOIN, .route = route};
    *price = (struct event){.t = now, .kind = EVENT_PRICE, .route = route, .price = (int64_t)(1e4 * (1 + field_random(random))) * 64};
    s->joined[route] = true;
}

static inline void story_make(struct story *s, uint64_t seed)
{
    uint64_t random = seed;
    usec_t now = NOW0 + (story_dice(&random, 2) ? 0 : story_dice(&random, 1000000));

    memset(s, 0, sizeof(*s));
    for (int i = 0; i < STORY_ROUTES; i++) {
        if (field_random(&random) < 0.5)
            story_add_join(s, &random, i, now);
    }
    for (int n = 0; n < STORY_EVENTS; n++) {
        int route = story_dice(&random, STORY_ROUTES);

        now = story_pause(&random, now);
        if (!s->joined[route]) {
            if (field_random(&random) < 0.2)
                story_add_join(s, &random, route, now);
            continue;
        }
        struct event *e = &s->events[s->len++];

        *e = (struct event){.t = now, .route = route};
        story_fill(&random, e);
    }
    s->end = now + 1 + story_dice(&random, 30000000);
}

/* --- playing it --- */

enum story_refresh { REFRESH_CHECKPOINTS, REFRESH_INSTANTS, REFRESH_RANDOM, REFRESH_EVENTS };

struct telling {
    enum story_refresh refresh;
    uint64_t shuffle;      /* other orders of adding and of what is told at the same time; 0 = as it is */
    int64_t scale;         /* of all money; 0 = 1 */
    size_t stop_at;        /* the telling ends just before this event, with all ranked as of then; 0 = never */
    bool adopt;            /* and a new ranker takes over first */
    bool restart;          /* now and then the memory goes through bytes into a new ranker; flags of a restart are not told */
    bool slow_saves;       /* the memory is written in pieces while all goes on */
    bool backwards;        /* each time tries to go back as well */
    bool ask;              /* tables and explanations are asked for at each refresh */
    bool only_end;         /* checkpoints are left out */
    bool full;             /* all that a table shows, not only what a ranking decides; statistics are as of when it was asked for */
    bool no_loss;          /* not even the losses */
    bool revision;         /* the revision as well: it is the same as long as no tables were made in between */
};

struct player {
    const struct story *story;
    const struct telling *how;
    struct policy policies[STORY_POLICIES];
    struct ranker *r;
    int ids[STORY_ROUTES];
    bool usable[STORY_PLATFORMS], maintenance[STORY_PLATFORMS], local;
    struct price prices[STORY_ROUTES];
    usec_t intervals[STORY_ROUTES];
    uint64_t random;
    struct buf out;
    struct buf asked; /* what a table was at that revision */
    uint64_t asked_revision;
    char states[STORY_ROUTES][16], firsts[STORY_POLICIES][STORY_MODELS][16]; /* as last announced */
    struct buf whole, pieces; /* of a save in pieces */
    size_t saves;             /* it is under way; so long is its head */
};

static inline const char *story_name(char letter, int i)
{
    static char names[16][16];
    static unsigned next;
    char *name = names[next++ % 16];

    snprintf(name, sizeof(names[0]), "%c%d", letter, i);
    return name;
}

/* What is announced goes on from what was announced before, whatever was ranked in between. */
static inline void story_heard(void *arg, const struct ranker_event *event)
{
    struct player *p = arg;
    int model = event->model[1] - '0', policy = 0;
    char *said;

    while (event->type == RANKER_FIRST && strcmp(story_policies[policy].name, event->policy) != 0)
        policy++;
    said = event->type == RANKER_STATE ? p->states[(event->platform[1] - '0') * STORY_MODELS + model] : p->firsts[policy][model];
    assert_string_equal(event->from, said[0] || event->type == RANKER_FIRST ? said : "new");
    assert_string_not_equal(event->from, event->to);
    snprintf(said, sizeof(p->states[0]), "%s", event->to);
}

static inline struct ranker *story_ranker(struct player *p)
{
    const struct ranker_setup setup = {.policies = p->policies, .policies_len = STORY_POLICIES, .currency = "USD", .vantage = "here"};
    struct ranker *r = ranker_new(&setup);

    ranker_set_events(r, story_heard, p);
    return r;
}

static inline int story_join(struct ranker *r, const struct player *p, int route)
{
    const char *platform = story_name('p', route / STORY_MODELS);
    int id = ranker_find_platform(r, platform);
    struct ranker_route_setup setup = {
        .platform = id >= 0 ? id : ranker_add_platform(r, platform, NULL, NULL, 0),
        .model = story_name('m', route % STORY_MODELS),
        .dialect = "openai",
        .endpoint = "",
        .tags = &story_vision,
        .tags_len = route % 5 < 2,
        .price = p->prices[route],
        .interval = p->intervals[route],
    };

    return ranker_add_route(r, &setup);
}

/* A table must be in order at any time. */
static inline void story_check_table(const struct table *table)
{
    for (size_t p = 0; p < table->len; p++) {
        for (size_t m = 0; m < table->policies[p].len; m++) {
            const struct ranking *k = table->policies[p].rankings[m];
            int sum = 0, last = -1;

            for (size_t i = 0; i < k->len; i++) {
                const struct table_row *row = &k->rows[i];

                sum += row->slots;
                assert_int_equal(row->rank, i + 1);
                assert_true(row->score >= 0 && row->score <= 1);
                assert_true(row->availability_low >= 0 && row->availability_low <= 1);
                assert_true(isnan(row->availability) || (row->availability >= row->availability_low - 1e-12 && row->availability <= 1));
                assert_true(row->loss_nano >= 0);
                assert_true(last != 0 || row->slots == 0);
                assert_true(route_reason_eligible(row->reason) || row->slots == 0);
                last = row->slots;
            }
            assert_int_equal(sum, k->flags & RANKING_NO_ELIGIBLE_ROUTE ? 0 : TABLE_SLOTS);
        }
    }
}

static inline void story_check_explanation(const struct explanation *e)
{
    int64_t sum = 0;

    for (size_t t = 0; t < e->terms_len; t++) {
        assert_true(e->terms[t].nano >= 0);
        sum += e->terms[t].nano;
    }
    assert_true(sum == e->loss_nano);
    assert_true(e->share_cap > 0 && e->share_cap <= 1);
    for (size_t w = 0; w < e->windows_len; w++) {
        assert_true(isnan(e->windows[w].estimate) || (e->windows[w].estimate >= 0 && e->windows[w].estimate <= 1));
        assert_true(isnan(e->windows[w].low) || (e->windows[w].low >= 0 && e->windows[w].low <= 1));
    }
}

#define STORY_FLAGS (~(unsigned)ROW_RESTORED)
static inline void story_print_brief(const struct table *table, bool losses, struct buf *to)
{
    for (size_t p = 0; p < table->len; p++) {
        for (size_t m = 0; m < table->policies[p].len; m++) {
            const struct ranking *k = table->policies[p].rankings[m];

            buf_printf(to, "%s %s %u: ", table->policies[p].name, k->model, k->flags);
            for (size_t i = 0; i < k->len; i++)
                buf_printf(to, "%s %u %s %s %u %lld; ", k->rows[i].facts->platform, k->rows[i].slots, route_state_name(k->rows[i].state),
                           route_reason_name(k->rows[i].reason), k->rows[i].flags & STORY_FLAGS, losses ? (long long)k->rows[i].loss_nano : 0);
            buf_add_str(to, "\n");
        }
    }
}

static inline void story_print(struct player *p, usec_t now)
{
    ranker_refresh(p->r, now, 0, false);
    struct table *table = ranker_table(p->r, 1, 1, now, 0);

    story_check_table(table);
    buf_printf(&p->out, "at %lld\n", (long long)(now - NOW0));
    if (p->how->revision)
        buf_printf(&p->out, "revision %llu\n", (unsigned long long)ranker_revision(p->r));
    if (!p->how->full) {
        story_print_brief(table, !p->how->no_loss, &p->out);
    } else {
        char *json = field_json(table);

        for (char *c = json; *c; c++)
            buf_printf(&p->out, *c == '{' ? "\n{" : "%c", *c);
        free(json);
        buf_add_str(&p->out, "\n");
    }
    table_unref(table);
}

static inline void story_ask(struct player *p, usec_t now)
{
    struct table *table = ranker_table(p->r, 1, 1, now, 0);
    struct buf brief = BUF_INIT;

    story_check_table(table);
    story_print_brief(table, true, &brief);
    table_unref(table);
    if (p->asked.len > 0 && p->asked_revision == ranker_revision(p->r))
        assert_string_equal(buf_str(&p->asked), buf_str(&brief));
    buf_done(&p->asked);
    p->asked = brief;
    p->asked_revision = ranker_revision(p->r);
    for (int i = 0; i < STORY_ROUTES; i++) {
        struct explanation e;

        if (p->ids[i] < 0 || story_dice(&p->random, 4) > 0)
            continue;
        assert_int_equal(ranker_explain(p->r, p->ids[i], story_policies[story_dice(&p->random, STORY_POLICIES)].name, now, &e), 0);
        story_check_explanation(&e);
    }
}

/* A new ranker with the routes of the old one, in another order. */
static inline void story_anew(struct player *p)
{
    int order[STORY_ROUTES];

    p->r = story_ranker(p);
    for (int i = 0; i < STORY_ROUTES; i++)
        order[i] = i;
    for (int i = STORY_ROUTES - 1; i > 0; i--) {
        int j = story_dice(&p->random, i + 1), kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
    for (int k = 0; k < STORY_ROUTES; k++) {
        if (p->ids[order[k]] >= 0)
            p->ids[order[k]] = story_join(p->r, p, order[k]);
    }
}

static inline void story_restart(struct player *p)
{
    struct ranker *old = p->r;
    struct buf data = BUF_INIT;

    ranker_save(old, &data);
    story_anew(p);
    assert_int_equal(ranker_restore(p->r, data.data, data.len), 0);
    assert_true(ranker_now(p->r) == ranker_now(old));
    ranker_free(old);
    buf_done(&data);
}

struct story_frame {
    const char *data;
    uint32_t len;
};

static inline int story_compare_frames(const void *a, const void *b)
{
    const struct story_frame *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* The models of a save, in the order of their bytes: their order in it has no meaning. */
static inline void story_sort_models(struct buf *save, size_t head)
{
    struct story_frame frames[STORY_MODELS];
    struct buf sorted = BUF_INIT;
    size_t n = 0;

    for (size_t at = head; at < save->len; n++) {
        assert_true(n < STORY_MODELS);
        memcpy(&frames[n].len, save->data + at, sizeof(uint32_t));
        frames[n].data = save->data + at + sizeof(uint32_t);
        at += sizeof(uint32_t) + frames[n].len;
        assert_true(at <= save->len);
    }
    qsort(frames, n, sizeof(frames[0]), story_compare_frames);
    buf_add(&sorted, save->data, head);
    for (size_t i = 0; i < n; i++)
        buf_add(&sorted, frames[i].data, frames[i].len);
    buf_done(save);
    *save = sorted;
}

/* A save in pieces goes on while more is told; in the end it is what a save at its begin was. */
static inline void story_save_slowly(struct player *p)
{
    if (!p->saves) {
        ranker_save(p->r, &p->whole);
        ranker_save_begin(p->r, &p->pieces);
        p->saves = p->pieces.len;
    } else if (!ranker_save_some(p->r, 1)) {
        story_sort_models(&p->whole, p->saves);
        story_sort_models(&p->pieces, p->saves);
        assert_int_equal(p->whole.len, p->pieces.len);
        assert_memory_equal(p->whole.data, p->pieces.data, p->whole.len);
        buf_done(&p->whole);
        buf_done(&p->pieces);
        p->saves = 0;
    }
}

static inline void story_save_given_up(struct player *p)
{
    ranker_save_end(p->r);
    buf_done(&p->whole);
    buf_done(&p->pieces);
    p->saves = 0;
}

static inline void story_adopt(struct player *p, usec_t now)
{
    struct ranker *old = p->r;

    ranker_advance(old, now); /* as whoever reloads does */
    story_anew(p);
    ranker_adopt(p->r, old);
    ranker_free(old);
    for (int i = 0; i < STORY_PLATFORMS; i++) {
        int id = ranker_find_platform(p->r, story_name('p', i));

        if (id < 0)
            continue;
        ranker_set_usable(p->r, id, p->usable[i], "no key", now);
        ranker_set_maintenance(p->r, id, p->maintenance[i], now);
    }
}

static inline void story_tell_chat(struct player *p, const struct event *e)
{
    struct observation o = e->o;

    o.at = e->t;
    if (o.cost_pico > 0 && p->how->scale > 0)
        o.cost_pico *= p->how->scale;
    if (o.reporter > 0)
        o.reporter = ranker_reporter(p->r, story_name('r', o.reporter));
    assert_int_equal(ranker_observe(p->r, p->ids[e->route], &o, e->t), 0);
}

static inline void story_tell(struct player *p, const struct event *e)
{
    int route = p->ids[e->route], platform = e->route / STORY_MODELS, id = ranker_find_platform(p->r, story_name('p', platform));
    struct observation o = e->o;

    o.at = e->t;
    switch (e->kind) {
    case EVENT_JOIN:
        story_save_given_up(p);
        ranker_advance(p->r, e->t);
        p->ids[e->route] = story_join(p->r, p, e->route);
        break;
    case EVENT_CHAT:
        story_tell_chat(p, e);
        break;
    case EVENT_PLATFORM:
        assert_int_equal(ranker_observe_platform(p->r, id, &o, e->t), 0);
        break;
    case EVENT_PRICE: {
        int64_t price = e->price < 0 ? 0 : e->price * (p->how->scale > 0 ? p->how->scale : 1);

        p->prices[e->route] = (struct price){.known = e->price >= 0, .input = price, .output = 4 * price, .at = e->t, .source = "told"};
        ranker_set_price(p->r, route, &p->prices[e->route], e->t);
        break;
    }
    case EVENT_LISTING:
        ranker_set_listing(p->r, route, e->value == 0 ? LISTING_ABSENT : LISTING_PRESENT, e->t);
        break;
    case EVENT_OVERRIDE:
        ranker_set_override(p->r, route, (enum override_action)e->value, e->t);
        break;
    case EVENT_USABLE:
        ranker_set_usable(p->r, id, p->usable[platform] = e->value, "no key", e->t);
        break;
    case EVENT_MAINTENANCE:
        ranker_set_maintenance(p->r, id, p->maintenance[platform] = e->value, e->t);
        break;
    case EVENT_LOCAL:
        ranker_set_local(p->r, p->local = e->value, e->t);
        break;
    case EVENT_INTERVAL:
        ranker_set_interval(p->r, route, p->intervals[e->route] = (5 + 25 * e->value) * SEC, e->t);
        break;
    }
}

/* The order in which events of one instant are told. What is said of one platform stays in its order, and our own network's state is told
 * where it is told: there the order means something. */
static inline void story_order(struct player *p, size_t from, size_t to, size_t *order)
{
    const struct event *events = p->story->events;

    for (size_t i = from; i < to; i++)
        order[i - from] = i;
    for (size_t round = 0; p->how->shuffle && round < 4 * (to - from); round++) {
        size_t k = (size_t)story_dice(&p->random, (int)(to - from));
        const struct event *a, *b;

        if (k + 1 >= to - from)
            continue;
        a = &events[order[k]];
        b = &events[order[k + 1]];
        if (a->route / STORY_MODELS == b->route / STORY_MODELS || a->kind == EVENT_LOCAL || b->kind == EVENT_LOCAL)
            continue;
        size_t kept = order[k];

        order[k] = order[k + 1];
        order[k + 1] = kept;
    }
}

static inline void story_refresh(struct player *p, usec_t now)
{
    ranker_refresh(p->r, now, 0, false);
    if (p->how->ask)
        story_ask(p, now);
}

static inline void story_go_back(struct player *p, const struct event *e)
{
    struct observation o = e->o;

    if (p->ids[e->route] < 0)
        return;
    o.probe = PROBE_CHAT;
    assert_int_equal(ranker_observe(p->r, p->ids[e->route], &o, e->t - 1), -22);
    o.probe = PROBE_REACH;
    assert_int_equal(ranker_observe_platform(p->r, 0, &o, e->t - 1), -22);
}

static inline void story_instant(struct player *p, size_t from, size_t to)
{
    size_t order[STORY_EVENTS + 2 * STORY_ROUTES];

    story_order(p, from, to, order);
    for (size_t k = 0; k < to - from; k++) {
        const struct event *e = &p->story->events[order[k]];

        story_tell(p, e);
        if (p->how->restart && story_dice(&p->random, 8) == 0) {
            story_save_given_up(p);
            story_restart(p);
        }
        if (p->how->slow_saves && story_dice(&p->random, 3) == 0)
            story_save_slowly(p);
        if (p->how->backwards && e->kind == EVENT_CHAT)
            story_go_back(p, e);
        if (p->how->refresh == REFRESH_EVENTS)
            story_refresh(p, e->t);
    }
}

/* What a telling leaves behind: tables at the checkpoints and at the end. Free it. */
static inline char *story_play(const struct story *story, const struct telling *how)
{
    struct player p = {.story = story, .how = how, .out = BUF_INIT, .random = how->shuffle + 1};

    memcpy(p.policies, story_policies, sizeof(story_policies));
    for (size_t i = 0; how->scale > 0 && i < STORY_POLICIES; i++)
        p.policies[i].failure_pico *= how->scale;
    for (int i = 0; i < STORY_ROUTES; i++) {
        p.ids[i] = -1;
        p.intervals[i] = 30 * SEC;
        p.usable[i / STORY_MODELS] = true;
    }
    p.r = story_ranker(&p);
    for (size_t from = 0, to; from < story->len; from = to) {
        for (to = from; to < story->len && story->events[to].t == story->events[from].t; to++)
            ;
        usec_t now = story->events[from].t, next = to < story->len ? story->events[to].t : story->end;

        if (how->stop_at > 0 && how->stop_at < to) {
            if (how->refresh == REFRESH_EVENTS)
                story_refresh(&p, now);
            if (how->adopt)
                story_adopt(&p, now);
            ranker_refresh(p.r, now, 0, true);
            story_print(&p, now);
            break;
        }
        story_instant(&p, from, to);
        if (how->refresh == REFRESH_INSTANTS || (how->refresh == REFRESH_RANDOM && story_dice(&p.random, 3) == 0))
            story_refresh(&p, now);
        if (how->refresh == REFRESH_RANDOM && next > now + 1)
            story_refresh(&p, now + 1 + (usec_t)(field_random(&p.random) * (double)(next - now - 1)));
        if (!how->only_end && (to / 60 != from / 60))
            story_print(&p, now);
    }
    if (how->stop_at == 0)
        story_print(&p, story->end);
    story_save_given_up(&p);
    ranker_free(p.r);
    buf_done(&p.asked);
    return buf_take(&p.out);
}

#endif
