/* What bursts do to a route's load buckets. */
#include "tests/unit/core/field.h"

#define HOUR USEC_PER_HOUR

static void burst(struct load *l, unsigned n, unsigned failed, unsigned limited, double slower, usec_t now)
{
    for (unsigned i = 0; i < n; i++) {
        load_burst(l, n, i < failed ? BURST_FAILED : i < failed + limited ? BURST_LIMITED : BURST_OK, now);
        if (i >= failed + limited && slower > 0)
            load_burst_time(l, n, log(slower), now);
    }
}

/* Two bursts of eight with clear failures are seen, in their own bucket and above, not below; and they fade. */
static void test_two_bursts(void **state)
{
    (void)state;
    struct load l = {.counted_at = 0};
    struct load_effect e[LOAD_BUCKETS];

    burst(&l, 8, 6, 0, 0, NOW0);
    load_effects(&l, 0.01, NOW0, e);
    double one = (double)e[2].fails;

    burst(&l, 8, 6, 0, 0, NOW0 + 6 * HOUR);
    load_effects(&l, 0.01, NOW0 + 6 * HOUR, e);
    print_message("fails: one burst %.3f, two %.3f\n", one, (double)e[2].fails);
    assert_true((double)e[2].fails > one && one > 0.2 && (double)e[2].fails > 0.4 && e[2].fails < 0.75F);
    assert_true(e[0].fails == 0 && e[1].fails == 0 && e[3].fails >= e[2].fails && e[2].refused == 0);
    double two = (double)e[2].fails;

    load_effects(&l, 0.01, NOW0 + 54 * HOUR, e);
    assert_true((double)e[2].fails < two * 0.62);
    load_effects(&l, 0.01, NOW0 + 10 * 24 * HOUR, e);
    assert_true(e[2].fails < 0.01F);
    /* Bursts that go well make it better sooner. */
    for (int i = 2; i < 12; i++)
        burst(&l, 8, 0, 0, 0, NOW0 + i * 6 * HOUR);
    load_effects(&l, 0.01, NOW0 + 66 * HOUR, e);
    assert_true(e[2].fails < 0.12F);
}

static void test_refused(void **state)
{
    (void)state;
    struct load l = {.counted_at = 0};
    struct load_effect e[LOAD_BUCKETS];

    burst(&l, 8, 0, 8, 0, NOW0);
    burst(&l, 8, 0, 8, 0, NOW0 + HOUR);
    load_effects(&l, 0.01, NOW0 + HOUR, e);
    assert_true(e[2].refused > 0.5F && e[2].fails == 0 && e[1].refused == 0);
}

/* A burst of 64 is one moment, not 64. */
static void test_one_moment(void **state)
{
    (void)state;
    struct load l = {.counted_at = 0}, small = {.counted_at = 0};

    burst(&l, 64, 64, 0, 0, NOW0);
    struct load_counts n = load_at(&l, load_bucket(64), NOW0);

    assert_true(fabs((double)n.failed - BURST_WORTH) < 1e-3);
    burst(&small, 3, 3, 0, 0, NOW0);
    assert_true(fabs((double)load_at(&small, load_bucket(3), NOW0).failed - 3) < 1e-3);
}

/* First tokens: a ratio with the memory of bursts, beside that of traffic. */
static void test_times(void **state)
{
    (void)state;
    struct load l = {.counted_at = 0};
    struct load_effect e[LOAD_BUCKETS];

    for (int i = 0; i < 6; i++)
        burst(&l, 8, 0, 0, 3, NOW0 + i * 6 * HOUR);
    load_effects(&l, 0.01, NOW0 + 36 * HOUR, e);
    print_message("slower after six bursts, 6 h later: %.2f\n", (double)e[2].slower);
    assert_true(e[2].slower > 0.9F && e[2].slower < 2.0F && e[0].slower == 0 && e[1].slower == 0);
    /* Much traffic that shows it to be as fast as ever. */
    for (int i = 0; i < 400; i++)
        load_time(&l, 8, 0, NOW0 + 36 * HOUR + i * SEC);
    load_effects(&l, 0.01, NOW0 + 37 * HOUR, e);
    assert_true(e[2].slower < 0.1F);
    /* Wild numbers stay numbers. */
    load_burst_time(&l, 8, 1e9, NOW0 + 38 * HOUR);
    load_burst_time(&l, 0, -1e9, NOW0 + 38 * HOUR);
    load_burst(&l, 0, BURST_FAILED, NOW0 + 38 * HOUR);
    load_burst(&l, 65535, BURST_FAILED, NOW0); /* a clock that went back */
    load_effects(&l, 0.01, NOW0 + 38 * HOUR, e);
    for (int i = 0; i < LOAD_BUCKETS; i++)
        assert_true(isfinite(e[i].slower) && e[i].fails >= 0 && e[i].fails <= 1);
}

/* Without any traffic, a policy's own number in flight decides. */
static void test_policy(void **state)
{
    (void)state;
    static const struct policy policies[] = {
        {.name = "one", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .concurrency = 1},
        {.name = "many", .latency = LATENCY_P95, .second = 0.0375, .money = 0.05, .capacity = 0.2, .input_tokens = 1000, .output_tokens = 300,
         .concurrency = 10},
    };
    const struct ranker_setup setup = {.policies = policies, .policies_len = 2, .currency = "USD", .vantage = "here"};
    struct ranker *r = ranker_new(&setup);
    int narrow = field_add(r, "narrow", "m", 1), wide = field_add(r, "wide", "m", 1);
    usec_t now = NOW0;

    for (int i = 0; i < 400; i++, now += 60 * SEC) {
        field_observe(r, narrow, field_ok(now, 400 * MSEC), now);
        field_observe(r, wide, field_ok(now, 600 * MSEC), now);
        for (int n = 0; n < 8 && i % 120 == 119; n++) {
            struct observation o = n < 5 ? field_fail(now, OUTCOME_UPSTREAM_FULL) : field_ok(now, 1600 * MSEC);

            o.probe = PROBE_BURST;
            o.in_flight = 8;
            field_observe(r, narrow, o, now);
            o = field_ok(now, 650 * MSEC);
            o.probe = PROBE_BURST;
            o.in_flight = 8;
            field_observe(r, wide, o, now);
        }
        ranker_refresh(r, now, 0, false);
    }
    struct explanation one, many;

    assert_int_equal(ranker_explain(r, narrow, "one", now, &one), 0);
    assert_int_equal(ranker_explain(r, narrow, "many", now, &many), 0);
    assert_int_equal(one.row.rank, 1);
    assert_int_equal(many.row.rank, 2);
    assert_true(many.loss_nano > one.loss_nano);
    assert_int_equal(one.row.state, ROUTE_UP);
    assert_in_range(one.row.ttft_p50, 390 * MSEC, 410 * MSEC); /* the chats' own, without the bursts' */
    ranker_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_bursts), cmocka_unit_test(test_refused), cmocka_unit_test(test_one_moment),
        cmocka_unit_test(test_times),      cmocka_unit_test(test_policy),
    };
    return cmocka_run_group_tests_name("bursts in the load buckets", tests, NULL, NULL);
}
