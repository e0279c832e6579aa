/* Reports of named reporters: bounded by rate, and never deciding alone against the probes; honest ones lose nothing that matters. */
#include "tests/unit/core/field.h"

#include "probed/core/route.h"

static const struct health_rules usual = {.fall = 3, .window = 5, .rise = 2, .samples = 30, .alike = 0.02};

static struct observation told(struct observation o, unsigned reporter)
{
    o.source = SOURCE_TRAFFIC;
    o.reporter = (uint8_t)reporter;
    return o;
}

static struct observation tells_ok(unsigned reporter, usec_t now)
{
    return told(field_ok(now, 300 * MSEC), reporter);
}

static struct observation tells_failure(unsigned reporter, usec_t now)
{
    return told(field_fail(now, OUTCOME_SERVER_ERROR), reporter);
}

static bool report(struct route *r, struct reporter_rate *rate, const struct observation *o, usec_t now)
{
    return route_report(r, &usual, rate, o, false, now).counts;
}

static void probe(struct route *r, bool ok, usec_t now)
{
    const struct observation o = ok ? field_ok(now, 300 * MSEC) : field_fail(now, OUTCOME_TIMEOUT);

    assert_true(report(r, NULL, &o, now));
}

static struct route *fresh_route(void)
{
    struct route *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    route_init(r, NOW0);
    return r;
}

/* n good probes, 15 s apart. */
static usec_t warm(struct route *r, int n, usec_t now)
{
    for (int i = 0; i < n; i++, now += 15 * SEC)
        probe(r, true, now);
    return now;
}

static void test_five_a_second_once_in_the_counts(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    struct reporter_rate rate = {0};
    int counted = 0;

    for (int i = 0; i < 200; i++) {
        struct observation o = tells_ok(1, NOW0 + i * MSEC);

        counted += report(r, &rate, &o, o.at);
    }
    usec_t now = NOW0 + SEC / 2;

    assert_int_equal(counted, REPORTS_A_ROUTE);
    assert_float_equal(route_samples(r, now), 1, 1e-3);
    assert_float_equal(latency_weight(&r->ttft, now), REPORTS_A_ROUTE, 1e-2);
    assert_int_equal(r->last_len, REPORTS_A_ROUTE);
    assert_int_equal(r->reports.over_rate, 195);
    /* All of it is demand. */
    assert_true(rate_at(&r->capacity.tries, now) > 100);
    /* The next second is a new one. */
    struct observation o = tells_ok(1, NOW0 + SEC);

    assert_true(report(r, &rate, &o, o.at));
    assert_float_equal(route_samples(r, o.at), 2, 1e-3);
    free(r);
}

static void test_reporters_do_not_share_their_allowance(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    int counted[21] = {0}, all = 0;

    for (int round = 0; round < 10; round++) {
        for (unsigned reporter = 1; reporter <= 20; reporter++) {
            struct observation o = tells_ok(reporter, NOW0);
            bool counts = report(r, NULL, &o, NOW0);

            counted[reporter] += counts;
            all += counts;
        }
    }
    for (int reporter = 1; reporter < REPORTS_APART; reporter++)
        assert_int_equal(counted[reporter], REPORTS_A_ROUTE);
    /* Whoever comes when all places are taken shares the last one. */
    assert_int_equal(all, REPORTS_A_ROUTE * REPORTS_APART);
    free(r);
}

static void test_two_hundred_a_second_in_all(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int ids[100], samples = 0;

    for (int i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        ids[i] = field_add(r, name, "m", 1);
    }
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 100; i++) {
            struct observation o = tells_ok(ranker_reporter(r, "gateway"), NOW0);

            assert_int_equal(ranker_observe(r, ids[i], &o, NOW0), 0);
        }
    }
    for (int i = 0; i < 100; i++) {
        struct explanation e;

        assert_int_equal(ranker_explain(r, ids[i], NULL, NOW0, &e), 0);
        samples += (int)e.last_len;
    }
    assert_int_equal(samples, REPORTS_IN_ALL);
    ranker_free(r);
}

static void test_probes_and_unnamed_traffic_are_not_bounded(void **state)
{
    (void)state;
    struct route *r = fresh_route();

    for (int i = 0; i < 300; i++) {
        struct observation o = told(field_ok(NOW0, 300 * MSEC), 0);

        assert_true(report(r, NULL, &o, NOW0));
        probe(r, true, NOW0);
    }
    assert_float_equal(route_samples(r, NOW0), 600, 1e-6);
    /* And an unnamed report of failure needs no witness. */
    for (int i = 0; i < 8; i++) {
        struct observation o = tells_failure(0, NOW0 + SEC);

        assert_true(report(r, NULL, &o, NOW0 + SEC));
    }
    assert_int_equal(r->health.verdict, VERDICT_DOWN);
    free(r);
}

/* The probes find it good; one reporter tells of nothing but failures, as fast as it can. */
static usec_t slander(struct route *r, struct reporter_rate *rate, unsigned reporter, usec_t now)
{
    for (int second = 0; second < 120; second++, now += SEC) {
        for (int i = 0; i < 200; i++) {
            struct observation o = tells_failure(reporter, now);

            (void)report(r, rate, &o, now);
        }
        if (second % 15 == 14)
            probe(r, true, now);
        assert_int_not_equal(r->health.verdict, VERDICT_DOWN);
    }
    return now;
}

static void test_one_reporter_degrades_and_does_not_kill(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    struct reporter_rate rate = {0};
    usec_t now = slander(r, &rate, 7, warm(r, 40, NOW0));

    assert_true(r->health.verdict == VERDICT_PARTIAL);
    assert_true(r->reports.unconfirmed > 100 && r->reports.held_by == 7);
    /* Not half of what is counted can be its failures. */
    struct decay_pair lately = decay_counts_at(&r->all, DECAY_10M, now);

    assert_true(lately.failed < 0.5 * (lately.ok + lately.failed));
    /* When it stops, the route is as good as before. */
    now = warm(r, 20, now);
    assert_int_equal(r->health.verdict, VERDICT_GOOD);
    free(r);
}

static void test_any_second_witness_acts_at_once(void **state)
{
    (void)state;
    enum { BY_PROBE, BY_UNNAMED, BY_ANOTHER, WITNESSES };

    for (int witness = 0; witness < WITNESSES; witness++) {
        struct route *r = fresh_route();
        usec_t now = warm(r, 40, NOW0);

        for (int i = 0; i < 10; i++) {
            struct observation o = tells_failure(7, now);

            (void)report(r, NULL, &o, now);
        }
        assert_int_not_equal(r->health.verdict, VERDICT_DOWN);
        struct observation o = witness == BY_PROBE ? field_fail(now, OUTCOME_TIMEOUT) : tells_failure(witness == BY_ANOTHER ? 8 : 0, now);

        assert_true(report(r, NULL, &o, now));
        assert_int_equal(r->health.verdict, VERDICT_DOWN);
        free(r);
    }
    /* The other way round too: a probe has failed once, and two honest reports complete it. */
    struct route *r = fresh_route();
    usec_t now = warm(r, 40, NOW0);

    probe(r, false, now);
    for (int i = 0; i < 2; i++) {
        struct observation o = tells_failure(7, now + SEC);

        assert_true(report(r, NULL, &o, now + SEC));
    }
    assert_int_equal(r->health.verdict, VERDICT_DOWN);
    free(r);
}

static void test_praise_does_not_hold_a_dead_route_up(void **state)
{
    (void)state;
    for (int fall = 1; fall <= 5; fall++) {
        const struct health_rules rules = {.fall = fall, .window = fall > 5 ? fall : 5, .rise = 2, .samples = 30, .alike = 0.02};
        struct route *r = fresh_route();
        struct reporter_rate rate = {0};
        usec_t now = warm(r, 40, NOW0);

        for (int second = 0; second < 600; second++, now += SEC) {
            for (int i = 0; i < 200; i++) {
                struct observation o = tells_ok(7, now);

                (void)route_report(r, &rules, &rate, &o, false, now);
            }
            if (second % 15 == 14) {
                struct observation o = field_fail(now, OUTCOME_TIMEOUT);

                (void)route_report(r, &rules, NULL, &o, false, now);
            }
            if (second >= 15 * fall)
                assert_int_equal(r->health.verdict, VERDICT_DOWN);
        }
        /* Where one failure is enough, the first probe needs no such rule. */
        if (fall > 1)
            assert_non_null(strstr(r->health.why, "in a row failed, whatever one reporter tells"));
        assert_true(r->reports.contradicted > 1000);
        /* The probes have the word on its return as well. */
        for (int i = 0; i < 2; i++, now += 15 * SEC) {
            struct observation o = field_ok(now, 300 * MSEC);

            (void)route_report(r, &rules, NULL, &o, false, now);
        }
        assert_int_not_equal(r->health.verdict, VERDICT_DOWN);
        free(r);
    }
}

static void test_two_who_praise_are_believed(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    usec_t now = warm(r, 40, NOW0);

    for (int i = 0; i < 4; i++, now += 15 * SEC)
        probe(r, false, now);
    assert_int_equal(r->health.verdict, VERDICT_DOWN);
    struct observation one = tells_ok(7, now), other = tells_ok(8, now);

    assert_false(report(r, NULL, &one, now));
    assert_true(report(r, NULL, &other, now));
    assert_true(report(r, NULL, &one, now));
    assert_int_not_equal(r->health.verdict, VERDICT_DOWN);
    free(r);
}

static void test_slander_does_not_stand_in_the_way_of_return(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    usec_t now = warm(r, 40, NOW0);

    for (int i = 0; i < 3; i++, now += 15 * SEC)
        probe(r, false, now);
    assert_int_equal(r->health.verdict, VERDICT_DOWN);
    for (int i = 0; i < 12; i++, now += 15 * SEC) {
        probe(r, true, now);
        for (int k = 0; k < 10; k++) {
            struct observation o = tells_failure(7, now + k * SEC);

            (void)report(r, NULL, &o, o.at);
        }
    }
    assert_int_not_equal(r->health.verdict, VERDICT_DOWN);
    assert_int_equal(health_probation_slots(&r->health), TABLE_SLOTS);
    free(r);
}

static void test_the_probes_word_grows_old(void **state)
{
    (void)state;
    /* Where nobody probes, the reporter is all there is. */
    struct route *r = fresh_route();

    for (int i = 0; i < 5; i++) {
        struct observation o = tells_ok(7, NOW0 + i * SEC);

        assert_true(report(r, NULL, &o, o.at));
    }
    for (int i = 0; i < 8; i++) {
        struct observation o = tells_failure(7, NOW0 + (20 + i) * SEC);

        assert_true(report(r, NULL, &o, o.at));
    }
    assert_int_equal(r->health.verdict, VERDICT_DOWN);
    route_init(r, NOW0);
    usec_t now = warm(r, 40, NOW0) + REPORTS_PROBES_SPEAK;

    for (int i = 0; i < 8; i++, now += SEC) {
        struct observation o = tells_failure(7, now);

        assert_true(report(r, NULL, &o, now));
    }
    assert_int_equal(r->health.verdict, VERDICT_DOWN);
    free(r);
}

static void test_missing_and_unusable_need_a_witness(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    usec_t now = warm(r, 40, NOW0);

    for (int i = 0; i < 5; i++, now += SEC) {
        struct observation missing = told(field_fail(now, OUTCOME_MODEL_MISSING), 7), key = told(field_fail(now, OUTCOME_AUTH), 7);

        (void)report(r, NULL, &missing, now);
        assert_false(report(r, NULL, &key, now));
    }
    assert_false(health_missing(&r->health));
    assert_false(r->health.unusable);
    struct observation missing = field_fail(now, OUTCOME_MODEL_MISSING), key = told(field_fail(now, OUTCOME_AUTH), 8);

    assert_true(report(r, NULL, &missing, now));
    assert_true(report(r, NULL, &key, now));
    assert_true(health_missing(&r->health));
    assert_true(r->health.unusable);
    free(r);
}

/* An honest gateway with much traffic through a relay that fails in part: what is learnt is what is so. */
static void test_an_honest_reporter_is_useful(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    const double fails[] = {0.02, 0.1, 0.2};

    for (int k = 0; k < 3; k++) {
        struct route *r = fresh_route();
        struct reporter_rate rate = {0};
        usec_t now = NOW0;

        for (int i = 0; i < 108000; i++, now += SEC / 10) {
            bool ok = field_random(&random) >= fails[k];
            struct observation o = ok ? tells_ok(1, now) : tells_failure(1, now);

            if (i % 150 == 0)
                probe(r, field_random(&random) >= fails[k], now);
            else
                (void)report(r, &rate, &o, now);
        }
        struct decay_pair n = decay_counts_at(&r->all, DECAY_24H, now);
        double learnt = n.failed / (n.ok + n.failed);

        print_message("fails %.2f: learnt %.3f from %.0f\n", fails[k], learnt, n.ok + n.failed);
        assert_true(learnt > 0.6 * fails[k] && learnt < 1.4 * fails[k]);
        free(r);
    }
}

static void test_explained(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1), b = field_add(r, "b", "m", 3);
    uint8_t liar = ranker_reporter(r, "liar");
    usec_t now = NOW0;
    struct explanation e;

    for (int i = 0; i < 40; i++, now += 15 * SEC) {
        field_observe(r, a, field_ok(now, 300 * MSEC), now);
        field_observe(r, b, field_ok(now, 900 * MSEC), now);
    }
    for (int i = 0; i < 50; i++)
        field_observe(r, a, tells_failure(liar, now), now);
    ranker_refresh(r, now, 0, true);
    assert_int_equal(ranker_explain(r, a, NULL, now, &e), 0);
    assert_true(e.row.state == ROUTE_UP || e.row.state == ROUTE_DEGRADED);
    assert_int_equal(e.reports.over_rate, 45);
    assert_int_equal(e.reports.unconfirmed, 3);
    assert_string_equal(e.reports.last_by, "liar");
    assert_true(e.reports.age == 0);
    assert_string_equal(e.last_reporter[0], "liar");
    assert_null(e.last_reporter[2]);
    assert_int_equal(ranker_explain(r, b, NULL, now, &e), 0);
    assert_null(e.reports.last_by);
    assert_true(e.reports.age == -1);
    /* The probe that sees it too, and it is down at once. */
    field_observe(r, a, field_fail(now, OUTCOME_TIMEOUT), now);
    ranker_refresh(r, now, 0, false);
    assert_int_equal(ranker_state(r, a), ROUTE_DOWN);
    ranker_free(r);
}

/* Whatever one liar says, between probes that all succeed (or all fail), the verdict is the probes'. */
static void test_the_verdict_is_the_probes(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 200; round++) {
        struct route *r = fresh_route();
        struct reporter_rate rate = {0};
        bool good = round % 2;
        usec_t now = warm(r, good ? 10 : 0, NOW0), probed = now;
        int probes = 0;

        for (int i = 0; i < 3000; i++, now += (usec_t)(field_random(&random) * 4e5)) {
            struct observation o = field_random(&random) < 0.5 ? tells_ok(3, now) : tells_failure(3, now);

            if (now - probed >= 15 * SEC) {
                probe(r, good, now);
                probed = now;
                probes++;
            } else if (good || probes > 0) {
                (void)report(r, &rate, &o, now);
            }
            if (good)
                assert_int_not_equal(r->health.verdict, VERDICT_DOWN);
            else if (probes >= 3)
                assert_int_equal(r->health.verdict, VERDICT_DOWN);
        }
        free(r);
    }
}

/* --- what they say of load --- */

/* Clients of one model behind several gateways, which all use the same account at one route: it takes so many requests a second and refuses the rest.
 * What has no slots there goes elsewhere. Some tell of 429s that never were. */
struct gateway {
    double asks, lies; /* a second */
    struct reporter_rate rate;
};

struct load_world {
    struct route *r;
    struct rate demand;
    usec_t now;
    uint64_t random;
    double takes, bucket;
    bool named;
    struct gateway gateways[8];
    size_t len;
    double tries, refused, least; /* tries of the clients, those refused; the fewest slots */
    usec_t probed;
};

static struct load_world load_world(double takes, bool named)
{
    return (struct load_world){.r = fresh_route(), .now = NOW0, .random = field_seed(), .takes = takes, .bucket = 1, .named = named};
}

static void load_tell(struct load_world *w, size_t gateway, bool ok)
{
    const struct observation o = told(ok ? field_ok(w->now, SEC) : field_fail(w->now, OUTCOME_RATE_LIMITED), w->named ? (unsigned)gateway + 1 : 0);
    struct reporter_rate *rate = w->named ? &w->gateways[gateway].rate : NULL;

    if (route_report(w->r, &usual, rate, &o, false, w->now).load)
        rate_add(&w->demand, 1, w->now);
}

static void load_ask(struct load_world *w, size_t gateway, double slots)
{
    if (field_random(&w->random) * TABLE_SLOTS >= slots)
        rate_add(&w->demand, 1, w->now); /* it is served elsewhere, and told */
    else {
        bool takes = w->bucket >= 1;

        w->bucket -= takes;
        w->tries++;
        w->refused += !takes;
        load_tell(w, gateway, takes);
    }
}

static void load_probe(struct load_world *w)
{
    bool takes = w->bucket >= 1;
    const struct observation o = takes ? field_ok(w->now, SEC) : field_fail(w->now, OUTCOME_RATE_LIMITED);

    if (w->now - w->probed < 15 * SEC)
        return;
    w->probed = w->now;
    w->bucket -= takes;
    (void)route_report(w->r, &usual, NULL, &o, false, w->now);
}

/* The mean share over the time. */
static double load_run(struct load_world *w, double seconds)
{
    usec_t end = w->now + (usec_t)(seconds * 1e6);
    double all = 0, n = 0, sum = 0;

    for (size_t i = 0; i < w->len; i++)
        all += w->gateways[i].asks + w->gateways[i].lies;
    w->tries = w->refused = 0;
    w->least = TABLE_SLOTS;
    while (w->now < end) {
        double wait = -log(field_random(&w->random) + 1e-18) / all, dice = field_random(&w->random) * all;
        double slots = health_refused(&w->r->health, w->now) ? 0 : capacity_slots(&w->r->capacity, &w->demand, w->now);
        size_t g = 0;

        w->now += (usec_t)(wait * 1e6) + 1;
        w->bucket = fmin(fmax(1, 2 * w->takes), w->bucket + wait * w->takes);
        load_probe(w);
        for (; g + 1 < w->len && dice >= w->gateways[g].asks + w->gateways[g].lies; g++)
            dice -= w->gateways[g].asks + w->gateways[g].lies;
        if (dice < w->gateways[g].asks)
            load_ask(w, g, slots);
        else
            load_tell(w, g, false);
        w->least = fmin(w->least, slots);
        sum += slots;
        n++;
    }
    return sum / n;
}

static void test_lies_of_429_take_nothing_away(void **state)
{
    (void)state;
    const double lies[] = {1, 20, 400, 5000};

    for (int k = 0; k < 4; k++) {
        struct load_world w = load_world(1e9, true);

        w.gateways[0].asks = 5;
        w.len = 1;
        load_run(&w, 120);
        w.gateways[1].lies = lies[k];
        w.len = 2;
        load_run(&w, k == 3 ? 60 : 600);
        print_message("%.0f lies a second: %.0f slots at least, %.1f a second asked\n", lies[k], w.least, rate_at(&w.demand, w.now));
        assert_true(w.least == TABLE_SLOTS);
        assert_true(rate_at(&w.demand, w.now) < 10);
        assert_true(w.r->reports.unconfirmed > 10);
        free(w.r);
    }
}

/* Where the route is limited in truth, and where the liar is served itself, they take a part of its share (a quarter to three), not all of it. */
static void test_lies_beside_the_truth_do_not_bury_it(void **state)
{
    (void)state;
    double share[3], refused[3];

    for (int k = 0; k < 3; k++) {
        struct load_world w = load_world(5, true);

        w.gateways[0].asks = 10;
        w.gateways[1] = (struct gateway){.asks = k == 2 ? 1 : 0, .lies = k > 0 ? 100 : 0};
        w.len = 2;
        load_run(&w, 300);
        share[k] = load_run(&w, 900);
        refused[k] = w.refused / w.tries;
        print_message("%s: %.0f slots, %.1f %% refused\n", k == 0 ? "no lies" : "lies", share[k], 100 * refused[k]);
        free(w.r);
    }
    assert_true(share[1] > 10 && share[2] > 10);
}

/* Honest gateways, however many, busy and unlike, are believed as if nobody's name were known. */
static void test_honest_gateways_are_heard(void **state)
{
    (void)state;
    static const struct { double takes, asks[8]; size_t len; } worlds[] = {
        {100, {300}, 1},
        {100, {300, 1}, 2},
        {20, {30, 30}, 2},
        {20, {10, 10, 10, 10, 10, 10, 10}, 7},
        {4, {30, 0.2}, 2},
        {1, {8, 4, 0.5}, 3},
    };

    for (size_t k = 0; k < sizeof(worlds) / sizeof(worlds[0]); k++) {
        double share[2], refused[2], soon[2];

        for (int named = 0; named < 2; named++) {
            struct load_world w = load_world(1e9, named);

            for (size_t i = 0; i < worlds[k].len; i++)
                w.gateways[i].asks = worlds[k].asks[i];
            w.len = worlds[k].len;
            load_run(&w, 200); /* all are served: then a limit comes */
            w.takes = worlds[k].takes;
            w.bucket = 1;
            load_run(&w, 30);
            soon[named] = w.refused / w.tries;
            load_run(&w, 90);
            share[named] = load_run(&w, 300);
            refused[named] = w.refused / w.tries;
            free(w.r);
        }
        print_message("%zu gateways, %.0f a second: %.0f slots named, %.0f unnamed; refused %.1f %% and %.1f %%, in the first 30 s %.0f %% and %.0f %%\n",
                      worlds[k].len, worlds[k].takes, share[1], share[0], 100 * refused[1], 100 * refused[0], 100 * soon[1], 100 * soon[0]);
        assert_true(share[1] > 0.7 * share[0] && share[1] < 1.4 * share[0] + 2);
        assert_true(refused[1] < 1.5 * refused[0] + 0.02);
        assert_true(soon[1] < 1.5 * soon[0] + 0.1);
    }
}

/* One that comes in bursts is refused more often than its even neighbour, in truth; it is not believed in all of that, but in enough to get a cap. */
static void test_a_bursty_gateway_is_heard(void **state)
{
    (void)state;
    double refused[2], share[2];

    for (int named = 0; named < 2; named++) {
        struct load_world w = load_world(4, named);
        double tries = 0, refusals = 0;

        w.gateways[1].asks = 1;
        w.len = 2;
        for (int minute = 0; minute < 40; minute++) {
            w.gateways[0].asks = 20;
            share[named] = load_run(&w, 10);
            tries += w.tries;
            refusals += w.refused;
            w.gateways[0].asks = 0.5;
            load_run(&w, 50);
            tries += w.tries;
            refusals += w.refused;
        }
        refused[named] = refusals / tries;
        free(w.r);
    }
    print_message("refused %.1f %% named, %.1f %% unnamed; %.0f and %.0f slots\n", 100 * refused[1], 100 * refused[0], share[1], share[0]);
    assert_true(refused[1] < 2 * refused[0] + 0.02);
}

static void test_demand_is_bounded_by_rate(void **state)
{
    (void)state;
    struct route *routes[2] = {fresh_route(), fresh_route()};
    struct reporter_rate flood = {0}, honest = {0};
    int heard[2] = {0}, told_of[2] = {0};

    /* Three seconds of 3000 requests a second, and one gateway that tells of 100. */
    for (int i = 0; i < 9300; i++) {
        usec_t now = NOW0 + (usec_t)i * 3 * SEC / 9300;
        bool is_honest = i % 31 == 0;
        struct observation o = tells_ok(is_honest ? 2 : 1, now);

        told_of[is_honest]++;
        heard[is_honest] += route_report(routes[i % 2], &usual, is_honest ? &honest : &flood, &o, false, now).load;
    }
    assert_int_equal(heard[0], 3 * REPORTS_OF_LOAD);
    assert_int_equal(heard[1], told_of[1]);
    /* What is heard of two routes is in proportion. */
    double a = rate_at(&routes[0]->capacity.tries, NOW0 + 3 * SEC), b = rate_at(&routes[1]->capacity.tries, NOW0 + 3 * SEC);

    assert_true(a > 0.8 * b && a < 1.25 * b);
    free(routes[0]);
    free(routes[1]);
}

/* Who is refused by all that it asks, where others are served, does not make the route limited; together with another it does. */
static void test_limited_needs_a_witness_too(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    usec_t now = NOW0;
    int counted = 0;

    for (int i = 0; i < 100; i++, now += SEC / 2) {
        struct observation served = tells_ok(1, now), refused = told(field_fail(now, OUTCOME_RATE_LIMITED), 2);

        refused.retry_after = 60 * SEC;
        assert_true(report(r, NULL, &served, now));
        if (i >= 20)
            counted += report(r, NULL, &refused, now);
    }
    print_message("%d of 80 counted\n", counted);
    assert_true(counted <= 3);
    /* It stops for the other one as well: nobody is served any more, and all that both are told counts. */
    for (int i = 0; i < 60; i++, now += SEC / 2) {
        struct observation one = told(field_fail(now, OUTCOME_RATE_LIMITED), 1), other = told(field_fail(now, OUTCOME_RATE_LIMITED), 2);

        (void)report(r, NULL, &one, now);
        bool counts = report(r, NULL, &other, now);

        if (i > 50)
            assert_true(counts);
    }
    assert_true(health_refused(&r->health, now));
    free(r);
}

/* One alone says that a route is limited, for as long as it may say; probes are served there all the time. */
static void test_probes_deny_a_limit_that_one_tells(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    usec_t now = warm(r, 20, NOW0);
    int refused = 0;

    for (int second = 0; second < 3600; second++, now += SEC) {
        struct observation o = told(field_fail(now, OUTCOME_RATE_LIMITED), 7);

        o.retry_after = second % 2 ? 0 : LIMITED_MOST;
        (void)report(r, NULL, &o, now);
        refused += health_refused(&r->health, now);
        if (second % 15 == 14)
            probe(r, true, now);
    }
    print_message("refused for %d of 3600 s\n", refused);
    assert_true(refused > 0 && refused < 180);
    /* A probe that is refused too, and it is so at once. */
    struct observation o = field_fail(now, OUTCOME_RATE_LIMITED), more = told(field_fail(now, OUTCOME_RATE_LIMITED), 7);

    more.retry_after = 60 * SEC;
    (void)report(r, NULL, &o, now);
    assert_true(report(r, NULL, &more, now + SEC));
    assert_true(health_refused(&r->health, now + SEC));
    free(r);
}

/* Before any probe was served meanwhile a wait that is told is kept, as ever. */
static void test_a_wait_is_kept_where_nobody_denies_it(void **state)
{
    (void)state;
    struct route *r = fresh_route();
    usec_t now = warm(r, 20, NOW0);
    struct observation o = told(field_fail(now, OUTCOME_RATE_LIMITED), 7);

    o.retry_after = 60 * SEC;
    assert_true(report(r, NULL, &o, now));
    assert_true(health_refused(&r->health, now + 59 * SEC));
    assert_false(health_refused(&r->health, now + 60 * SEC));
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_five_a_second_once_in_the_counts),
        cmocka_unit_test(test_reporters_do_not_share_their_allowance),
        cmocka_unit_test(test_two_hundred_a_second_in_all),
        cmocka_unit_test(test_probes_and_unnamed_traffic_are_not_bounded),
        cmocka_unit_test(test_one_reporter_degrades_and_does_not_kill),
        cmocka_unit_test(test_any_second_witness_acts_at_once),
        cmocka_unit_test(test_praise_does_not_hold_a_dead_route_up),
        cmocka_unit_test(test_two_who_praise_are_believed),
        cmocka_unit_test(test_slander_does_not_stand_in_the_way_of_return),
        cmocka_unit_test(test_the_probes_word_grows_old),
        cmocka_unit_test(test_missing_and_unusable_need_a_witness),
        cmocka_unit_test(test_an_honest_reporter_is_useful),
        cmocka_unit_test(test_explained),
        cmocka_unit_test(test_the_verdict_is_the_probes),
        cmocka_unit_test(test_lies_of_429_take_nothing_away),
        cmocka_unit_test(test_lies_beside_the_truth_do_not_bury_it),
        cmocka_unit_test(test_honest_gateways_are_heard),
        cmocka_unit_test(test_a_bursty_gateway_is_heard),
        cmocka_unit_test(test_demand_is_bounded_by_rate),
        cmocka_unit_test(test_limited_needs_a_witness_too),
        cmocka_unit_test(test_probes_deny_a_limit_that_one_tells),
        cmocka_unit_test(test_a_wait_is_kept_where_nobody_denies_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
