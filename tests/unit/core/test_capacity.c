/* What a route can take, learnt from its 429s. Most of it is played: a route that takes so many requests a second and refuses the rest,
 * clients that follow the cap. Bounds are wide: they say what must hold, not how well it is tuned. */
#include "tests/unit/core/field.h"

#include "probed/core/capacity.h"

struct play {
    struct capacity c;
    struct rate demand;
    usec_t now;
    uint64_t random;
    double limit; /* requests a second that it takes; a bucket of two seconds' worth, or of one */
    double bucket;
    double want; /* share that it would get without a cap */
};

struct result {
    double tries, refused, accepted, seconds;
};

static struct play start(double limit)
{
    struct play p = {.now = NOW0, .random = field_seed(), .limit = limit, .bucket = fmax(1, 2 * limit), .want = 1};

    capacity_init(&p.c, p.now);
    return p;
}

static void tell(struct play *p, enum source source, enum outcome_kind kind)
{
    struct observation o = kind == OUTCOME_OK ? field_ok(p->now, SEC) : field_fail(p->now, kind);

    o.source = source;
    capacity_observe(&p->c, &o, p->now);
}

static double slots(const struct play *p)
{
    double n = capacity_slots(&p->c, &p->demand, p->now);

    assert_true(n >= 1 && n <= TABLE_SLOTS);
    return n;
}

/* Clients ask `from` requests a second of the model in the beginning and `to` in the end. */
static struct result ask_between(struct play *p, double seconds, double from, double to)
{
    struct result r = {.seconds = seconds};
    usec_t begin = p->now, end = p->now + (usec_t)(seconds * 1e6);

    while (p->now < end) {
        double passed = (double)(p->now - begin) / 1e6, rate = from + (to - from) * passed / seconds;
        double wait = fmin(-log(field_random(&p->random) + 1e-18) / rate, 60);

        p->now += (usec_t)(wait * 1e6) + 1;
        p->bucket = fmin(fmax(1, 2 * p->limit), p->bucket + wait * p->limit);
        rate_add(&p->demand, 1, p->now);
        if (field_random(&p->random) * TABLE_SLOTS >= fmin(slots(p), p->want * TABLE_SLOTS))
            continue;
        bool takes = p->bucket >= 1;

        p->bucket -= takes;
        r.tries++;
        r.refused += !takes;
        r.accepted += takes;
        tell(p, SOURCE_TRAFFIC, takes ? OUTCOME_OK : OUTCOME_RATE_LIMITED);
    }
    return r;
}

static struct result ask(struct play *p, double seconds, double rate)
{
    return ask_between(p, seconds, rate, rate);
}

static void expect(const char *what, struct result r, double refused_most, double accepted_least)
{
    double refused = r.refused / fmax(r.tries, 1), accepted = r.accepted / r.seconds;

    print_message("%s: %.0f tries, %.1f %% refused, %.2f a second accepted\n", what, r.tries, 100 * refused, accepted);
    assert_true(refused <= refused_most);
    assert_true(accepted >= accepted_least);
}

static void test_rates(void **state)
{
    (void)state;
    struct rate r = {0};
    usec_t now = NOW0;

    assert_true(rate_at(&r, now) == 0);
    rate_add(&r, 1, now); /* one event is not many a second */
    assert_true(rate_at(&r, now) <= 1);
    for (int i = 0; i < 600; i++)
        rate_add(&r, 1, now += SEC / 5);
    assert_true(fabs(rate_at(&r, now) - 5) < 0.7);
    /* A jump is seen in seconds, silence as well. */
    for (int i = 0; i < 1000; i++)
        rate_add(&r, 1, now += SEC / 50);
    assert_true(rate_at(&r, now) > 30 && rate_at(&r, now) < 60);
    assert_true(rate_at(&r, now + 30 * SEC) < 20);
    assert_true(rate_at(&r, now + USEC_PER_HOUR) < 0.01);
    /* A clock that stands still is no division by nothing. */
    struct rate still = {0};

    for (int i = 0; i < 1000; i++)
        rate_add(&still, 1, NOW0);
    assert_true(isfinite(rate_at(&still, NOW0)));
}

static void test_never_refused_is_not_capped(void **state)
{
    (void)state;
    struct play p = start(1e9);

    assert_true(slots(&p) == TABLE_SLOTS);
    struct result r = ask(&p, 120, 20);

    assert_true(r.refused == 0 && slots(&p) == TABLE_SLOTS);
}

static void test_settles_where_few_are_refused(void **state)
{
    (void)state;
    struct play p = start(3);

    ask(&p, 60, 10);
    expect("after a minute", ask(&p, 60, 10), 0.15, 1.5);
    expect("and later", ask(&p, 300, 10), 0.08, 1.8);
    assert_true(slots(&p) < 0.45 * TABLE_SLOTS);
}

static void test_demand_grows(void **state)
{
    (void)state;
    struct play p = start(3);

    ask(&p, 180, 6);
    double before = slots(&p);

    /* What is known is a rate, so its part of a larger demand is smaller without another 429. */
    expect("growing", ask_between(&p, 300, 6, 40), 0.12, 1.5);
    expect("grown", ask(&p, 120, 40), 0.12, 1.5);
    assert_true(slots(&p) < before / 3);
    /* And of a smaller one larger. */
    ask(&p, 180, 2);
    assert_true(slots(&p) > 0.7 * TABLE_SLOTS);
}

static void test_limit_doubles(void **state)
{
    (void)state;
    struct play p = start(3);

    ask(&p, 300, 12);
    p.limit = 6;
    ask(&p, 300, 12);
    expect("after five minutes", ask(&p, 120, 12), 0.12, 3.6);
    p.limit = 1.5; /* and falls to a quarter */
    ask(&p, 90, 12);
    expect("fallen", ask(&p, 120, 12), 0.35, 0.5);
}

static void test_neighbours_die(void **state)
{
    (void)state;
    struct play p = start(4);

    ask(&p, 240, 12);
    p.want = 0.1; /* others are better for a while */
    expect("a small share", ask(&p, 180, 12), 0.02, 0.6);
    p.want = 1; /* they are dead: all comes here again */
    expect("the first half minute", ask(&p, 30, 12), 0.25, 1.5);
    expect("and the next minutes", ask(&p, 120, 12), 0.12, 2);
}

static void test_a_flood_does_not_bury_it(void **state)
{
    (void)state;
    struct play p = start(10);

    p.want = 1;
    ask(&p, 120, 200);
    expect("flooded", ask(&p, 120, 200), 0.2, 4);
}

static void test_slow_traffic(void **state)
{
    (void)state;
    struct play p = start(0.1); /* one each ten seconds */

    ask(&p, 1200, 0.5);
    expect("slow", ask(&p, 3600, 0.5), 0.6, 0.01);
}

/* --- without reports --- */

static void probe(struct play *p, enum outcome_kind kind, usec_t after)
{
    p->now += after;
    tell(p, SOURCE_PROBE, kind);
}

static void test_probes_halve_it(void **state)
{
    (void)state;
    struct play p = start(1);
    double last = TABLE_SLOTS;

    for (int i = 0; i < 12; i++, last = slots(&p)) {
        probe(&p, OUTCOME_RATE_LIMITED, 30 * SEC);
        assert_true(slots(&p) == fmax(1, floor(last / 2)));
        probe(&p, OUTCOME_RATE_LIMITED, SEC / 2); /* the same refusal once more */
        assert_true(slots(&p) == fmax(1, floor(last / 2)));
    }
    assert_true(slots(&p) == 1);
    /* An idle probe that succeeds proves nothing. */
    for (int i = 0; i < 10; i++)
        probe(&p, OUTCOME_OK, 30 * SEC);
    assert_true(slots(&p) == 1);
}

static void test_idle_time_gives_it_back(void **state)
{
    (void)state;
    struct play p = start(1);

    for (int i = 0; i < 4; i++)
        probe(&p, OUTCOME_RATE_LIMITED, 10 * SEC);
    usec_t cut = p.now;

    assert_true(slots(&p) == 16);
    p.now = cut + 10 * USEC_PER_MINUTE;
    assert_true(slots(&p) == 16);
    for (int minutes = 1; minutes <= 60; minutes++) {
        p.now = cut + (10 + minutes) * USEC_PER_MINUTE;
        if (minutes % 7 == 0)
            probe(&p, OUTCOME_OK, 0);
        assert_true(fabs(slots(&p) - (16 + 2 * minutes)) < 0.01);
    }
    /* What came back is halved again, not what it was. */
    probe(&p, OUTCOME_RATE_LIMITED, 0);
    assert_true(slots(&p) == 68);
    p.now += 24 * USEC_PER_HOUR;
    assert_true(slots(&p) == TABLE_SLOTS);
}

static void test_what_does_not_count(void **state)
{
    (void)state;
    struct play p = start(1);
    struct observation upstream = field_fail(NOW0, OUTCOME_RATE_LIMITED);

    for (int kind = 0; kind < OUTCOME_COUNT; kind++)
        for (int i = 0; i < 5 && kind != OUTCOME_RATE_LIMITED; i++)
            probe(&p, (enum outcome_kind)kind, 5 * SEC);
    upstream.outcome.fault = FAULT_RELAY; /* its own upstream is full: that is its failure */
    capacity_observe(&p.c, &upstream, p.now);
    assert_true(slots(&p) == TABLE_SLOTS);
    /* Traffic knows better than a probe's luck. */
    p.limit = 1e9;
    ask(&p, 30, 10);
    probe(&p, OUTCOME_RATE_LIMITED, SEC / 10);
    assert_true(slots(&p) == TABLE_SLOTS);
}

static void test_anything_stays_in_bounds(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 100; round++) {
        struct play p = {.now = NOW0};

        capacity_init(&p.c, p.now);
        for (int i = 0; i < 2000; i++) {
            p.now += (usec_t)exp(25 * field_random(&random)) * (field_random(&random) < 0.7);
            if (field_random(&random) < 0.5)
                rate_add(&p.demand, field_random(&random) < 0.1 ? 1000 : 1, p.now);
            struct observation o = field_fail(p.now, field_random(&random) < 0.6 ? OUTCOME_RATE_LIMITED : OUTCOME_OK);

            o.source = field_random(&random) < 0.7 ? SOURCE_TRAFFIC : SOURCE_PROBE;
            capacity_observe(&p.c, &o, p.now);
            slots(&p);
            p.now += field_random(&random) < 0.01 ? USEC_PER_HOUR : 0;
            slots(&p);
        }
    }
}

/* --- the limit itself: nobody follows it, all that is asked comes --- */

enum gate_kind { BUCKET, WINDOW, IN_FLIGHT, GATES };

#define WORLDS 15

static const char *const gate_names[] = {"bucket", "window", "in flight"};

/* What a relay may limit: a bucket of two seconds' worth, so many in ten seconds by the clock, or so many in flight that are served in two
 * seconds. */
struct gated {
    struct capacity c;
    enum gate_kind kind;
    double limit; /* requests a second */
    double level;
    usec_t now, at, ends[64];
    uint64_t random;
};

static struct gated gated(enum gate_kind kind, double limit, uint64_t random)
{
    struct gated g = {.kind = kind, .limit = limit, .level = kind == BUCKET ? 2 * limit : 0, .now = NOW0, .at = NOW0, .random = random};

    capacity_init(&g.c, g.now);
    return g;
}

static bool gate_serves(struct gated *g)
{
    for (int i = 0; i < (int)(2 * g->limit + 0.5); i++) {
        if (g->ends[i] > g->now)
            continue;
        g->ends[i] = g->now + (usec_t)(2e6 * exp(0.5 * field_normal(&g->random) - 0.125));
        return true;
    }
    return false;
}

static bool gate_takes(struct gated *g)
{
    if (g->kind == IN_FLIGHT)
        return gate_serves(g);
    if (g->kind == BUCKET)
        g->level = fmin(2 * g->limit, g->level + g->limit * (double)(g->now - g->at) / 1e6);
    else if (g->now / (10 * SEC) != g->at / (10 * SEC))
        g->level = 10 * g->limit;
    g->at = g->now;
    if (g->level < 1)
        return false;
    g->level--;
    return true;
}

/* Returns the part that was refused. */
static double load(struct gated *g, double seconds, double rate)
{
    usec_t end = g->now + (usec_t)(seconds * 1e6);
    double tries = 0, refused = 0;

    for (;;) {
        g->now += (usec_t)(-log(field_random(&g->random) + 1e-18) / rate * 1e6) + 1;
        if (g->now >= end)
            break;
        bool takes = gate_takes(g);
        struct observation o = takes ? field_ok(g->now, SEC) : field_fail(g->now, OUTCOME_RATE_LIMITED);

        o.source = SOURCE_TRAFFIC;
        capacity_observe(&g->c, &o, g->now);
        tries++;
        refused += !takes;
    }
    g->now = end;
    return refused / fmax(tries, 1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *of)
{
    qsort(of, WORLDS, sizeof(of[0]), compare);
    return of[WORLDS / 2];
}

/* What it foretells at half, full and twice the limit, against what is refused then. */
static void foretell(const struct gated *g, double ret[3])
{
    for (int i = 0; i < 3; i++) {
        struct gated later = *g;
        double rate = later.limit * (i == 0 ? 0.5 : i), told = capacity_refuses(&g->c, rate);

        load(&later, 30, rate);
        ret[i] = told - load(&later, 240, rate);
    }
}

static void learnt_at(enum gate_kind kind, double part, uint64_t *random)
{
    double limits[WORLDS], wrong[3][WORLDS], one[3], limit;

    for (int i = 0; i < WORLDS; i++) {
        struct gated g = gated(kind, 5, schedule_random(random));

        load(&g, 180, 5 * 1.3); /* what was never refused has no limit */
        load(&g, 300, 5 * part);
        limits[i] = g.c.limit / 5;
        assert_true(limits[i] > 0.4 && limits[i] < 3.5);
        foretell(&g, one);
        for (int k = 0; k < 3; k++)
            wrong[k][i] = one[k];
    }
    limit = median(limits);
    print_message("%s at %.0f %%: limit %.2f (%.2f to %.2f), refused foretold less seen %+.3f %+.3f %+.3f\n", gate_names[kind], 100 * part,
                  limit, limits[0], limits[WORLDS - 1], median(wrong[0]), median(wrong[1]), median(wrong[2]));
    /* So many in flight refuse a few far below their limit, which then looks like a lower and softer one. */
    assert_true(fabs(limit - 1) < (kind == IN_FLIGHT && part < 0.9 ? 0.45 : 0.25));
    assert_true(fabs(median(wrong[0])) < 0.04);
    assert_true(fabs(median(wrong[1])) < (kind == BUCKET ? 0.1 : 0.2) && fabs(median(wrong[2])) < (kind == IN_FLIGHT ? 0.2 : 0.14));
}

static void test_limit_is_learnt(void **state)
{
    (void)state;
    static const double parts[] = {0.6, 0.95, 1.3, 1.65, 2};
    uint64_t random = field_seed();

    for (int kind = 0; kind < GATES; kind++)
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
            learnt_at((enum gate_kind)kind, parts[i], &random);
}

static void test_limit_is_followed(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int kind = 0; kind < GATES; kind++) {
        struct gated g = gated((enum gate_kind)kind, 5, schedule_random(&random));

        load(&g, 300, 7);
        double before = g.c.limit;

        g.limit = 10;
        load(&g, 180, 14);
        double doubled = g.c.limit;

        g.limit = 5;
        load(&g, 180, 14);
        print_message("%s: 5 as %.2f, 10 as %.2f, 5 as %.2f\n", gate_names[kind], before, doubled, g.c.limit);
        assert_true(doubled > 7.5 && doubled < 13);
        assert_true(g.c.limit > 3.5 && g.c.limit < 6.5);
    }
}

/* A burst tells of the burst: what it was known to take it takes again. */
static void test_burst_after_a_quiet_hour(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int i = 0; i < 2 * WORLDS; i++) {
        struct gated g = gated(BUCKET, 5, schedule_random(&random));

        load(&g, 300, 7);
        if (i % 2)
            load(&g, 3600, 0.2);
        else
            g.now += USEC_PER_HOUR;
        double before = g.c.limit;

        load(&g, 30, 12);
        assert_true(g.c.limit > before * 2 / 3 && g.c.limit < before * 1.7);
    }
}

/* --- any state --- */

static const double bounds[] = {0, 1e-9, 0.02, 1, 50, 1e18};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

static double pick(uint64_t *random)
{
    return bounds[schedule_random(random) % BOUNDS];
}

/* As it may have been learnt, or read from a file. */
static struct capacity any_state(uint64_t *random)
{
    struct capacity c;

    capacity_init(&c, NOW0);
    c.limit = pick(random);
    c.proven = pick(random);
    for (int i = 0; i < CAPACITY_GUESSES; i++) {
        c.guess[i].rate = (float)fmax(CAPACITY_LEAST / 2, pick(random));
        c.guess[i].doubt = (float)fmin(pick(random), 1);
        c.guess[i].belief = (float)-pick(random);
    }
    return c;
}

static void test_odds_of_any_state(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int i = 0; i < 20000; i++) {
        struct capacity c = any_state(&random);
        double odds[25], last = -1, from = pick(&random), step = pick(&random), refuses = capacity_refuses(&c, from);

        capacity_odds(&c, from, step, 25, odds);
        for (int k = 0; k < 25; k++) {
            assert_true(isfinite(odds[k]) && odds[k] >= -1e-12 && odds[k] >= last - 1e-9 * fmax(1, last));
            last = odds[k];
        }
        assert_true(refuses >= 0 && refuses <= 1);
        assert_true(capacity_refuses(&c, from + step) >= refuses - 1e-9);
        double takes = capacity_takes(&c, field_random(&random));

        assert_true(c.limit > 0 ? isfinite(takes) && takes >= 0 : isinf(takes));
        /* It goes on learning from there. */
        struct observation o = i % 2 ? field_ok(NOW0 + SEC, SEC) : field_fail(NOW0 + SEC, OUTCOME_RATE_LIMITED);

        o.source = SOURCE_TRAFFIC;
        capacity_observe(&c, &o, NOW0 + SEC);
        assert_true(isfinite(c.limit) && c.limit >= 0);
    }
}

/* Of one guess exactly; of a mixture of guesses that agree about the limit nearly. */
static void test_takes_is_the_inverse(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int i = 0; i < 3000; i++) {
        struct capacity c;
        double limit = exp(6 * field_random(&random) - 2), marginal = 0.02 + 0.93 * field_random(&random), odds;

        capacity_init(&c, NOW0);
        c.limit = limit;
        for (int k = 0; k < CAPACITY_GUESSES; k++)
            c.guess[k] = (struct capacity_guess){.rate = (float)limit, .belief = k == i % 3 ? 0 : -100};
        capacity_odds(&c, capacity_takes(&c, marginal), 0, 1, &odds);
        assert_true(fabs(odds / (marginal / (1 - marginal)) - 1) < 1e-4);
    }
    for (int i = 0; i < GATES; i++) {
        struct gated g = gated((enum gate_kind)i, 5, schedule_random(&random));

        load(&g, 600, 6.5);
        double last = 0;

        for (double marginal = 0.05; marginal < 0.96; marginal += 0.05) {
            double takes = capacity_takes(&g.c, marginal), odds;

            capacity_odds(&g.c, takes, 0, 1, &odds);
            assert_true(takes > last);
            last = takes;
            assert_true(fabs(odds / (1 + odds) - marginal) < 0.15);
        }
    }
}

/* Never refused: no odds where it has been, small ones where it has not, and no limit. */
static void test_unproven(void **state)
{
    (void)state;
    struct gated g = gated(BUCKET, 1e6, field_seed());
    double before[3], after[3];

    capacity_odds(&g.c, 0, 10, 3, before);
    load(&g, 120, 20);
    capacity_odds(&g.c, 0, 10, 3, after);
    assert_true(before[0] == 0 && before[1] > 0.05 && before[2] > before[1]);
    assert_true(after[0] == 0 && after[1] < 0.01 && after[2] < 0.03 && after[2] < before[2] / 10);
    assert_true(g.c.limit == 0 && capacity_refuses(&g.c, 1e6) == 0 && isinf(capacity_takes(&g.c, 0.5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_never_refused_is_not_capped),
        cmocka_unit_test(test_settles_where_few_are_refused),
        cmocka_unit_test(test_demand_grows),
        cmocka_unit_test(test_limit_doubles),
        cmocka_unit_test(test_neighbours_die),
        cmocka_unit_test(test_a_flood_does_not_bury_it),
        cmocka_unit_test(test_slow_traffic),
        cmocka_unit_test(test_probes_halve_it),
        cmocka_unit_test(test_idle_time_gives_it_back),
        cmocka_unit_test(test_what_does_not_count),
        cmocka_unit_test(test_anything_stays_in_bounds),
        cmocka_unit_test(test_limit_is_learnt),
        cmocka_unit_test(test_limit_is_followed),
        cmocka_unit_test(test_burst_after_a_quiet_hour),
        cmocka_unit_test(test_odds_of_any_state),
        cmocka_unit_test(test_takes_is_the_inverse),
        cmocka_unit_test(test_unproven),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
