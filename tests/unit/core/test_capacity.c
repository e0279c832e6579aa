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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
