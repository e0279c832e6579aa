/* The faults that another router's latency routing had for years, each as a test that we do not have it. */
#include "tests/unit/core/field.h"

#include "probed/core/latency.h"

/* There: first-token time divided by completion tokens, so that long answers made a slow starter look fast. */
static void test_long_answers_do_not_hide_a_slow_start(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int slow = field_add(r, "slow", "m", 1), fast = field_add(r, "fast", "m", 1);
    usec_t now = NOW0;

    for (int i = 0; i < 60; i++, now += 15 * SEC) {
        struct observation long_answer = field_ok(now, 2000 * MSEC), short_answer = field_ok(now, 500 * MSEC);

        long_answer.output_tokens = 4000;
        long_answer.total = 20 * SEC;
        short_answer.output_tokens = 5;
        field_observe(r, slow, long_answer, now);
        field_observe(r, fast, short_answer, now);
    }
    struct table *table = field_table(r, now);

    for (int p = 0; p < 3; p++)
        assert_string_equal(field_first(table, field_policies[p].name, "m"), "fast");
    assert_true(field_row(field_ranking(table, NULL, "m"), "slow")->ttft_p50 > 1900 * MSEC);
    table_unref(table);
    ranker_free(r);
}

/* There: a list of ten that kept its oldest nine and only overwrote the last. */
static void test_old_values_give_way(void **state)
{
    (void)state;
    struct latency l = {0};
    usec_t now = NOW0;

    for (int i = 0; i < 9; i++, now += 15 * SEC)
        latency_add(&l, 5 * SEC, now);
    for (int i = 0; i < 12; i++, now += 15 * SEC)
        latency_add(&l, 300 * MSEC, now);
    assert_true(latency_statistic(&l, LATENCY_P50) < 400 * MSEC);
    /* And where nothing jumps: what is old weighs less. */
    struct latency slow = {0};

    for (int i = 0; i < 100; i++)
        latency_add(&slow, SEC, NOW0);
    for (int i = 0; i < 100; i++)
        latency_add(&slow, 1300 * MSEC, NOW0 + 12 * USEC_PER_HOUR);
    assert_true(latency_statistic(&slow, LATENCY_P50) > 1250 * MSEC);
}

/* There: what was never seen has latency 0 and wins. */
static void test_unseen_does_not_win(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int seen = field_add(r, "seen", "m", 5);

    field_add(r, "unseen", "m", 1);
    field_add(r, "unpriced", "m", -1);
    usec_t now = field_warm(r, seen, 3 * SEC, 40, 15 * SEC, NOW0);
    struct table *table = field_table(r, now);

    for (int p = 0; p < 3; p++) {
        const struct ranking *k = field_ranking(table, field_policies[p].name, "m");

        assert_string_equal(k->rows[0].facts->platform, "seen");
        assert_true(field_row(k, "unseen")->flags & ROW_PROVISIONAL);
        assert_true(isnan(field_row(k, "unseen")->availability));
        assert_true(field_row(k, "unseen")->availability_low < 0.5);
        assert_true(field_row(k, "unpriced")->flags & ROW_PRICE_UNKNOWN);
        assert_int_equal(field_row(k, "seen")->slots, TABLE_SLOTS);
    }
    table_unref(table);
    ranker_free(r);
}

/* There: a failure that comes fast costs nothing; only a timeout did. Here a route that answers just as soon, but fails at once a quarter of the
 * time, is behind for every user, though the retry saves most of its requests. */
static void test_fast_failures_cost(void **state)
{
    (void)state;
    const enum outcome_kind kinds[] = {OUTCOME_SERVER_ERROR, OUTCOME_RESET, OUTCOME_EMPTY, OUTCOME_ERROR_IN_200, OUTCOME_TRUNCATED,
                                       OUTCOME_NOT_API, OUTCOME_REFUSED, OUTCOME_UPSTREAM_FULL};

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        struct ranker *r = field_ranker();
        int failing = field_add(r, "failing", "m", 1), good = field_add(r, "good", "m", 1);
        usec_t now = NOW0;

        for (int i = 0; i < 80; i++, now += 15 * SEC) {
            struct observation fast = field_fail(now, kinds[k]);

            fast.total = 5 * MSEC;
            field_observe(r, failing, i % 4 == 3 ? fast : field_ok(now, 300 * MSEC), now);
            field_observe(r, good, field_ok(now, 300 * MSEC), now);
            ranker_refresh(r, now, 0, false);
        }
        struct table *table = field_table(r, now);

        for (int p = 0; p < 3; p++) {
            const struct ranking *ranking = field_ranking(table, field_policies[p].name, "m");

            assert_string_equal(ranking->rows[0].facts->platform, "good");
            assert_true(ranking->rows[0].slots >= 192);
        }
        assert_true(field_row(field_ranking(table, NULL, "m"), "failing")->availability < 0.9);
        table_unref(table);
        ranker_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_answers_do_not_hide_a_slow_start),
        cmocka_unit_test(test_old_values_give_way),
        cmocka_unit_test(test_unseen_does_not_win),
        cmocka_unit_test(test_fast_failures_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
