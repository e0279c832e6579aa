/* What requests in flight do to a route, and that a policy is answered for its own number of them. */
#include "tests/unit/core/field.h"

#include "probed/core/load.h"
#include "probed/core/loss.h"

static const struct policy policies[] = {
    {.name = "one", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .concurrency = 1},
    {.name = "many", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .capacity = 0.2,
     .concurrency = 32},
    {.name = "most", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .concurrency = 1000},
};

static struct ranker *ranker_of_policies(void)
{
    const struct ranker_setup setup = {.policies = policies, .policies_len = ARRAY_LEN(policies), .currency = "USD", .vantage = "here"};

    return ranker_new(&setup);
}

static struct observation in_flight(struct observation o, unsigned n)
{
    o.source = SOURCE_TRAFFIC;
    o.in_flight = (uint16_t)n;
    return o;
}

static void test_buckets(void **state)
{
    (void)state;
    static const struct {
        unsigned in_flight, bucket;
    } cases[] = {{0, 0}, {1, 0}, {2, 1}, {4, 1}, {5, 2}, {16, 2}, {17, 3}, {64, 3}, {65, 4}, {65535, 4}, {UINT32_MAX, 4}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(load_bucket(cases[i].in_flight), cases[i].bucket);
    assert_string_equal(load_bucket_name(0), "1");
    assert_string_equal(load_bucket_name(LOAD_BUCKETS - 1), "65+");
    assert_string_equal(load_bucket_name(LOAD_BUCKETS), "?");
}

static void test_little_evidence_changes_little(void **state)
{
    (void)state;
    struct load l = {0};
    struct load_effect e[LOAD_BUCKETS];

    load_effects(&l, 0.05, NOW0, e);
    for (int i = 0; i < LOAD_BUCKETS; i++)
        assert_true(e[i].fails == 0 && e[i].slower == 0 && e[i].refused == 0);
    load_count(&l, 32, 0, 1, 0, NOW0);
    load_time(&l, 32, log(8), NOW0);
    load_effects(&l, 0.05, NOW0, e);
    assert_true(e[2].fails == 0 && e[2].slower == 0);
    /* One of eleven parts. */
    assert_float_equal((0.05 + 0.95 * (double)e[3].fails), ((1 + 10 * 0.05) / 11), 1e-6);
    assert_float_equal((log1p((double)e[3].slower)), (log(8) / 11), 1e-6);
    for (int i = 0; i < 1000; i++) {
        load_count(&l, 32, 0, 1, 0, NOW0);
        load_time(&l, 32, log(8), NOW0);
    }
    load_effects(&l, 0.05, NOW0, e);
    assert_float_equal((0.05 + 0.95 * (double)e[3].fails), 1, 0.02);
    assert_float_equal((1 + (double)e[3].slower), 8, 0.2);
    /* What is not known of more in flight is what is known of fewer. */
    assert_true(e[4].fails == e[3].fails && e[4].slower == e[3].slower);
    /* It is forgotten. */
    load_effects(&l, 0.05, NOW0 + 30 * USEC_PER_DAY, e);
    assert_true(e[3].fails < 1e-4F && e[3].slower < 1e-4F);
}

static void test_effects_are_monotone_and_bounded(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 500; round++) {
        struct load l = {0};
        usec_t now = NOW0;

        for (int i = 0; i < 200; i++, now += (usec_t)(field_random(&random) * 6e8)) {
            unsigned n = (unsigned)exp(field_random(&random) * 6);
            double dice = field_random(&random);

            load_count(&l, n, dice < 0.6, dice >= 0.6 && dice < 0.8, dice >= 0.8, now);
            if (dice < 0.6)
                load_time(&l, n, 20 * field_normal(&random), now);
        }
        double chance = round % 10 == 0 ? 1 : field_random(&random);
        struct load_effect e[LOAD_BUCKETS];

        load_effects(&l, chance, now, e);
        assert_true(e[0].fails == 0 && e[0].slower == 0 && e[0].refused == 0);
        for (int i = 1; i < LOAD_BUCKETS; i++) {
            assert_true(e[i].fails >= e[i - 1].fails && e[i].slower >= e[i - 1].slower && e[i].refused >= e[i - 1].refused);
            assert_true(e[i].fails <= 1 && e[i].refused <= 1 && isfinite(e[i].slower));
        }
    }
}

/* Two routes: "narrow" is faster, and breaks with many in flight; "wide" does not. Each sees the same mix of loads. */
static usec_t run(struct ranker *r, int narrow, int wide, enum outcome_kind breaks, int rounds, usec_t now)
{
    for (int i = 0; i < rounds; i++, now += SEC) {
        unsigned n = i % 4 == 0 ? 40 : 1;

        if (n > 1 && i % 8 == 0)
            field_observe(r, narrow, in_flight(field_fail(now, breaks), n), now);
        else
            field_observe(r, narrow, in_flight(field_ok(now, 400 * MSEC), n), now);
        field_observe(r, wide, in_flight(field_ok(now, 700 * MSEC), n), now);
        ranker_refresh(r, now, 0, false);
    }
    return now;
}

static void test_a_policy_is_answered_at_its_own_concurrency(void **state)
{
    (void)state;
    struct ranker *r = ranker_of_policies();
    int narrow = field_add(r, "narrow", "m", 1), wide = field_add(r, "wide", "m", 1);
    usec_t now = run(r, narrow, wide, OUTCOME_UPSTREAM_FULL, 1200, NOW0);
    struct explanation one, many, most;

    ranker_refresh(r, now, 0, true);
    assert_int_equal(ranker_explain(r, narrow, "one", now, &one), 0);
    assert_int_equal(ranker_explain(r, narrow, "many", now, &many), 0);
    assert_int_equal(ranker_explain(r, narrow, "most", now, &most), 0);
    /* An eighth fails in all, half of those under load. */
    assert_true(many.loss_nano > one.loss_nano && most.loss_nano >= many.loss_nano - many.terms[many.terms_len - 1].nano);
    double p_one = 0, p_many = 0;

    assert_int_equal(sscanf(one.terms[0].how, "p %lf", &p_one), 1);
    assert_int_equal(sscanf(many.terms[0].how, "p %lf", &p_many), 1);
    print_message("chance of failure: one in flight %.3f, 32 in flight %.3f\n", p_one, p_many);
    assert_true(p_one < 0.35 && p_many > 0.4 && p_many < 0.75);
    assert_int_equal(many.load_len, 2);
    assert_string_equal(many.load[0].in_flight, "1");
    assert_string_equal(many.load[1].in_flight, "17-64");
    assert_true(many.load[1].fails > 0.2 && many.load[0].fails == 0);
    assert_int_equal(many.concurrency, 32);
    assert_int_equal(ranker_explain(r, wide, "many", now, &many), 0);
    assert_true(many.load[1].fails < 0.02);
    ranker_free(r);
}

static void test_429_is_not_a_failure_but_a_lack_of_capacity(void **state)
{
    (void)state;
    struct ranker *r = ranker_of_policies();
    int narrow = field_add(r, "narrow", "m", 1), wide = field_add(r, "wide", "m", 1);
    usec_t now = run(r, narrow, wide, OUTCOME_RATE_LIMITED, 1200, NOW0);
    struct explanation many;

    ranker_refresh(r, now, 0, true);
    assert_int_equal(ranker_explain(r, narrow, "many", now, &many), 0);
    assert_int_equal(many.load_len, 2);
    assert_true(many.load[1].failed == 0 && many.load[1].limited > 100 && many.load[1].fails < 0.02);
    assert_true(many.load[1].refused > 0.4 && many.load[1].refused < 0.6);
    assert_string_equal(many.terms[many.terms_len - 1].name, "capacity");
    assert_true(many.terms[many.terms_len - 1].nano > 80000000); /* 0.2 x what is refused, and more */
    int64_t sum = 0;

    for (size_t t = 0; t < many.terms_len; t++)
        sum += many.terms[t].nano;
    assert_true(sum == many.loss_nano);
    ranker_free(r);
}

static void test_first_tokens_under_load(void **state)
{
    (void)state;
    struct ranker *r = ranker_of_policies();
    int a = field_add(r, "a", "m", 1);
    usec_t now = NOW0;
    struct explanation one, many;

    field_add(r, "b", "m", 1);
    for (int i = 0; i < 3600; i++, now += SEC) {
        bool loaded = i % 10 == 0;

        field_observe(r, a, in_flight(field_ok(now, loaded ? 1500 * MSEC : 500 * MSEC), loaded ? 20 : 1), now);
    }
    ranker_refresh(r, now, 0, true);
    assert_int_equal(ranker_explain(r, a, "one", now, &one), 0);
    assert_int_equal(ranker_explain(r, a, "many", now, &many), 0);
    print_message("%s\n%s\n", one.terms[1].how, many.terms[1].how);
    assert_true(many.load[1].slower > 1.7 && many.load[1].slower < 2.1);
    assert_true(many.terms[1].nano > 2 * one.terms[1].nano);
    assert_string_equal(many.terms[1].name, "waiting");
    assert_string_equal(many.terms[1].window, "2h");
    ranker_free(r);
}

/* Probes, one in flight, say nothing about load: every policy takes them alike. */
static void test_probes_say_nothing_about_load(void **state)
{
    (void)state;
    struct ranker *with = ranker_of_policies(), *without = ranker_of_policies();
    uint64_t random = field_seed();
    usec_t now = NOW0;
    int ids[2][2];

    for (int i = 0; i < 2; i++) {
        ids[0][i] = field_add(with, i ? "b" : "a", "m", 1);
        ids[1][i] = field_add(without, i ? "b" : "a", "m", 1);
    }
    for (int i = 0; i < 400; i++, now += 15 * SEC) {
        struct observation o = field_random(&random) < 0.1 ? field_fail(now, OUTCOME_TIMEOUT)
                                                           : field_ok(now, (usec_t)(5e5 * exp(field_normal(&random))));

        field_observe(without, ids[1][i % 2], o, now);
        o.in_flight = 1;
        field_observe(with, ids[0][i % 2], o, now);
    }
    struct table *one = field_table(with, now), *two = field_table(without, now);
    char *x = field_json(one), *y = field_json(two);

    assert_string_equal(x, y);
    free(x);
    free(y);
    table_unref(one);
    table_unref(two);
    ranker_free(with);
    ranker_free(without);
}

/* A route that always runs under load is no worse for it than its own record. */
static void test_a_mixture_is_not_counted_twice(void **state)
{
    (void)state;
    struct ranker *r = ranker_of_policies();
    int a = field_add(r, "a", "m", 1);
    uint64_t random = field_seed();
    usec_t now = NOW0;
    struct explanation e;

    for (int i = 0; i < 7200; i++, now += SEC)
        field_observe(r, a,
                      in_flight(field_random(&random) < 0.05 ? field_fail(now, OUTCOME_RESET)
                                                             : field_ok(now, (usec_t)(8e5 * exp(0.3 * field_normal(&random)))),
                                30),
                      now);
    ranker_refresh(r, now, 0, true);
    assert_int_equal(ranker_explain(r, a, "many", now, &e), 0);
    assert_int_equal(e.load_len, 1);
    assert_true(e.load[0].fails < 0.02 && e.load[0].slower < 0.05);
    ranker_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_little_evidence_changes_little),
        cmocka_unit_test(test_effects_are_monotone_and_bounded),
        cmocka_unit_test(test_a_policy_is_answered_at_its_own_concurrency),
        cmocka_unit_test(test_429_is_not_a_failure_but_a_lack_of_capacity),
        cmocka_unit_test(test_first_tokens_under_load),
        cmocka_unit_test(test_probes_say_nothing_about_load),
        cmocka_unit_test(test_a_mixture_is_not_counted_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
