/* A burst's size, its sums and its quantiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probed/probe/burst.h"

static void test_size(void **state)
{
    (void)state;
    char why[96];
    assert_int_equal(burst_size(8, 8, 64, why, sizeof why), 8);
    assert_string_equal(why, "");
    assert_int_equal(burst_size(8, 5, 64, why, sizeof why), 5);
    assert_string_equal(why, "8 were asked for; the platform's concurrency allows 5 probes at once");
    assert_int_equal(burst_size(64, 100, 20, why, sizeof why), 20);
    assert_string_equal(why, "64 were asked for; the concurrency allows 20 probes at once");
    assert_int_equal(burst_size(1000, 1000, 1000, why, sizeof why), BURST_MOST);
    assert_int_equal(burst_size(8, 1, 64, why, sizeof why), 0);
    assert_int_equal(burst_size(0, 8, 8, why, sizeof why), 0);
    assert_int_equal(burst_size(-5, 8, 8, why, sizeof why), 0);
}

static struct observation chat(enum outcome_kind kind, usec_t ttft)
{
    struct observation o = observation_make(PROBE_BURST, 1, outcome_make(STAGE_DONE, kind, 0));
    o.ttft = ttft;
    return o;
}

static void test_sums(void **state)
{
    (void)state;
    struct burst_tally t;
    burst_tally_init(&t, 10, "x");
    for (int i = 0; i < 5; i++) {
        struct observation o = chat(OUTCOME_OK, (5 - i) * 100000);
        burst_tally_add(&t, &o);
    }
    static const enum outcome_kind rest[] = {OUTCOME_RATE_LIMITED, OUTCOME_TIMEOUT, OUTCOME_UPSTREAM_FULL, OUTCOME_AUTH, OUTCOME_LOCAL};
    for (size_t i = 0; i < ARRAY_LEN(rest); i++) {
        struct observation o = chat(rest[i], 1); /* what failed has no first token here */
        burst_tally_add(&t, &o);
    }
    struct burst_result r = burst_tally_result(&t, 77);
    assert_int_equal(r.n, 10);
    assert_int_equal(r.ok, 5);
    assert_int_equal(r.failed, 2);
    assert_int_equal(r.limited, 1);
    assert_int_equal(r.at, 77);
    assert_int_equal(r.ttft_p50, 300000);
    assert_int_equal(r.ttft_p95, 500000);
    assert_string_equal(r.why, "x");
}

static void test_edges(void **state)
{
    (void)state;
    struct burst_tally t;
    burst_tally_init(&t, 64, "");
    struct burst_result r = burst_tally_result(&t, 1);
    assert_true(r.ttft_p50 == -1 && r.ttft_p95 == -1);
    for (int i = 0; i < 200; i++) { /* more than there can be */
        struct observation o = chat(OUTCOME_OK, i + 1);
        burst_tally_add(&t, &o);
    }
    r = burst_tally_result(&t, 1);
    assert_int_equal(r.ttft_p50, 32);
    assert_int_equal(r.ttft_p95, 61);
    burst_tally_init(&t, 2, "");
    struct observation o = chat(OUTCOME_OK, 5);
    burst_tally_add(&t, &o);
    r = burst_tally_result(&t, 1);
    assert_true(r.ttft_p50 == 5 && r.ttft_p95 == 5);
    o = chat(OUTCOME_OK, OBSERVATION_UNKNOWN);
    burst_tally_add(&t, &o);
    assert_int_equal(burst_tally_result(&t, 1).ttft_p50, 5);
    /* A long reason is cut. */
    char why[300];
    memset(why, 'w', sizeof why);
    why[299] = '\0';
    burst_tally_init(&t, 2, why);
    assert_true(strlen(t.result.why) == sizeof t.result.why - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_size), cmocka_unit_test(test_sums), cmocka_unit_test(test_edges)};
    return cmocka_run_group_tests_name("bursts", tests, NULL, NULL);
}
