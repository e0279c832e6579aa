/* The faults that other routers had for years, each as a test that we do not have it. */
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

        if (strcmp(k->rows[0].facts->platform, "seen") != 0)
            fail_msg("%s: first is %s", field_policies[p].name, k->rows[0].facts->platform);
        assert_true(field_row(k, "unseen")->flags & ROW_PROVISIONAL);
        assert_true(isnan(field_row(k, "unseen")->availability));
        assert_true(field_row(k, "unseen")->availability_low < field_row(k, "seen")->availability_low - 0.05);
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

/* Two routes that answered well for an hour; "a" is the better one. */
static struct ranker *well(int *a, int *b, usec_t *now)
{
    struct ranker *r = field_ranker();

    *now = NOW0;
    *a = field_add(r, "a", "m", 1);
    *b = field_add(r, "b", "m", 1);
    for (int i = 0; i < 240; i++, *now += 15 * SEC) {
        field_observe(r, *a, field_ok(*now, 300 * MSEC), *now);
        field_observe(r, *b, field_ok(*now, 900 * MSEC), *now);
    }
    return r;
}

static const struct table_row *now_of(struct ranker *r, const char *platform, usec_t now, struct table **table)
{
    *table = field_table(r, now);
    return field_row(field_ranking(*table, NULL, "m"), platform);
}

/* There: one sporadic error disables a channel. */
static void test_one_error_disables_nothing(void **state)
{
    (void)state;
    int a, b;
    usec_t now;
    struct ranker *r = well(&a, &b, &now);
    struct table *table;

    field_observe(r, a, field_fail(now, OUTCOME_SERVER_ERROR), now);
    const struct table_row *row = now_of(r, "a", now, &table);

    assert_int_equal(row->state, ROUTE_UP);
    assert_int_equal(row->rank, 1);
    assert_true(row->slots > TABLE_SLOTS / 2);
    table_unref(table);
    ranker_free(r);
}

/* There: a count of failures that lives shorter than the time between two probes never adds up. */
static void test_rare_probes_find_a_dead_route(void **state)
{
    (void)state;
    int a, b;
    usec_t now;
    struct ranker *r = well(&a, &b, &now);
    struct table *table;

    for (int i = 0; i < 3; i++, now += 15 * USEC_PER_MINUTE) {
        field_observe(r, a, field_fail(now, OUTCOME_SERVER_ERROR), now);
        field_observe(r, b, field_ok(now, 900 * MSEC), now);
    }
    assert_int_equal(now_of(r, "a", now, &table)->slots, 0);
    assert_string_equal(field_first(table, NULL, "m"), "b");
    table_unref(table);
    ranker_free(r);
}

/* There: a channel whose credit is used up keeps winning, since it fails so fast; and availability pays for what is our own fault. */
static void test_no_credit_does_not_win(void **state)
{
    (void)state;
    static const enum outcome_kind kinds[] = {OUTCOME_NO_CREDIT, OUTCOME_AUTH, OUTCOME_FORBIDDEN};

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        int a, b;
        usec_t now;
        struct ranker *r = well(&a, &b, &now);
        struct table *table;
        struct observation o = field_fail(now, kinds[k]);

        o.total = 20 * MSEC;
        field_observe(r, a, o, now);
        const struct table_row *row = now_of(r, "a", now, &table);

        assert_int_equal(row->state, ROUTE_UNUSABLE);
        assert_int_equal(row->slots, 0);
        assert_true(row->availability > 0.98);
        assert_string_equal(field_first(table, NULL, "m"), "b");
        table_unref(table);
        ranker_free(r);
    }
}

/* There: whoever sends bad requests could have channels disabled. */
static void test_bad_requests_disable_nothing(void **state)
{
    (void)state;
    int a, b;
    usec_t now;
    struct ranker *r = well(&a, &b, &now);
    struct table *table;

    for (int i = 0; i < 200; i++, now += SEC / 10) {
        struct observation o = field_fail(now, i % 2 ? OUTCOME_BAD_REQUEST : OUTCOME_MODERATED);

        o.source = SOURCE_TRAFFIC;
        field_observe(r, a, o, now);
    }
    const struct table_row *row = now_of(r, "a", now, &table);

    assert_int_equal(row->state, ROUTE_UP);
    assert_int_equal(row->rank, 1);
    assert_true(row->availability > 0.98);
    table_unref(table);
    ranker_free(r);
}

/* There: "no deployments available" when all are in cooldown for a 429. */
static void test_all_limited_is_not_nobody(void **state)
{
    (void)state;
    int a, b;
    usec_t now;
    struct ranker *r = well(&a, &b, &now);

    for (int i = 0; i < 10; i++, now += SEC) {
        struct observation o = field_fail(now, OUTCOME_RATE_LIMITED);

        o.retry_after = 60 * SEC;
        field_observe(r, a, o, now);
        field_observe(r, b, o, now);
    }
    struct table *table = field_table(r, now);
    const struct ranking *k = field_ranking(table, NULL, "m");

    assert_int_equal(k->rows[0].slots + k->rows[1].slots, TABLE_SLOTS);
    assert_int_equal(k->flags & RANKING_NO_ELIGIBLE_ROUTE, 0);
    assert_int_equal(k->rows[0].state, ROUTE_LIMITED);
    assert_true(k->rows[0].availability > 0.98);
    table_unref(table);
    ranker_free(r);
}

/* There: who is told to wait again keeps the shorter deadline. */
static void test_the_later_deadline_holds(void **state)
{
    (void)state;
    int a, b;
    usec_t now;
    struct ranker *r = well(&a, &b, &now);
    struct table *table;

    now += 30 * SEC;
    for (int i = 0; i < 4; i++, now += SEC) {
        struct observation o = field_fail(now, OUTCOME_RATE_LIMITED);

        o.retry_after = (i < 3 ? 6 : 60) * SEC;
        field_observe(r, a, o, now);
    }
    assert_int_equal(now_of(r, "a", now + 30 * SEC, &table)->state, ROUTE_LIMITED);
    table_unref(table);
    assert_int_equal(now_of(r, "a", now + 61 * SEC, &table)->state, ROUTE_UP);
    table_unref(table);
    ranker_free(r);
}

/* There: a probe that gets a 429 closes the breaker; the relay is alive, after all. */
static void test_429_does_not_revive(void **state)
{
    (void)state;
    int a, b;
    usec_t now;
    struct ranker *r = well(&a, &b, &now);
    struct table *table;

    for (int i = 0; i < 5; i++, now += 15 * SEC)
        field_observe(r, a, field_fail(now, OUTCOME_TIMEOUT), now);
    for (int i = 0; i < 5; i++, now += 15 * SEC)
        field_observe(r, a, field_fail(now, OUTCOME_RATE_LIMITED), now);
    assert_int_equal(now_of(r, "a", now, &table)->state, ROUTE_DOWN);
    assert_string_equal(field_first(table, NULL, "m"), "b");
    table_unref(table);
    ranker_free(r);
}

/* There: what is disabled never comes back by itself; and what an operator took out does. */
static void test_recovery_and_the_operators_word(void **state)
{
    (void)state;
    int a, b;
    usec_t now;
    struct ranker *r = well(&a, &b, &now);
    struct table *table;

    for (int i = 0; i < 40; i++, now += 15 * SEC)
        field_observe(r, a, field_fail(now, OUTCOME_TIMEOUT), now);
    assert_int_equal(now_of(r, "a", now, &table)->state, ROUTE_DOWN);
    table_unref(table);
    for (int i = 0; i < 120; i++, now += 15 * SEC) {
        field_observe(r, a, field_ok(now, 300 * MSEC), now);
        field_observe(r, b, field_ok(now, 900 * MSEC), now);
    }
    const struct table_row *row = now_of(r, "a", now, &table);

    assert_int_equal(row->state, ROUTE_UP);
    assert_true(row->slots > 0);
    table_unref(table);
    ranker_set_override(r, a, OVERRIDE_DRAIN, now);
    for (int i = 0; i < 120; i++, now += 15 * SEC)
        field_observe(r, a, field_ok(now, 300 * MSEC), now);
    assert_int_equal(now_of(r, "a", now, &table)->state, ROUTE_DRAINED);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->slots, 0);
    table_unref(table);
    ranker_free(r);
}

/* There: a request in the middle of its retries sees another list when a channel leaves it. */
static void test_a_table_in_hand_does_not_change(void **state)
{
    (void)state;
    int a, b;
    usec_t now;
    struct ranker *r = well(&a, &b, &now);
    struct table *table = field_table(r, now);
    char *before = field_json(table);

    ranker_set_override(r, a, OVERRIDE_DRAIN, now);
    for (int i = 0; i < 5; i++, now += SEC)
        field_observe(r, b, field_fail(now, OUTCOME_TIMEOUT), now);
    table_unref(field_table(r, now));
    ranker_free(r);
    char *after = field_json(table);

    assert_string_equal(before, after);
    free(before);
    free(after);
    table_unref(table);
}

/* There: failed tries are taken to be free. Of two that fail equally often the one that charges for it is dearer. */
static void test_charged_failures_cost(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int charging = field_add(r, "charging", "m", 1), fair = field_add(r, "fair", "m", 1);
    usec_t now = NOW0;

    for (int i = 0; i < 400; i++, now += 15 * SEC) {
        struct observation o = i % 6 == 5 ? field_fail(now, OUTCOME_TRUNCATED) : field_ok(now, 300 * MSEC);

        o.cost_pico = 1000000000;
        field_observe(r, charging, o, now);
        o.cost_pico = i % 6 == 5 ? 0 : 1000000000;
        field_observe(r, fair, o, now);
    }
    struct table *table = field_table(r, now);

    assert_true(field_row(field_ranking(table, "cost", "m"), "charging")->loss_nano > field_row(field_ranking(table, "cost", "m"), "fair")->loss_nano);
    table_unref(table);
    ranker_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_answers_do_not_hide_a_slow_start),
        cmocka_unit_test(test_old_values_give_way),
        cmocka_unit_test(test_unseen_does_not_win),
        cmocka_unit_test(test_fast_failures_cost),
        cmocka_unit_test(test_one_error_disables_nothing),
        cmocka_unit_test(test_rare_probes_find_a_dead_route),
        cmocka_unit_test(test_no_credit_does_not_win),
        cmocka_unit_test(test_bad_requests_disable_nothing),
        cmocka_unit_test(test_all_limited_is_not_nobody),
        cmocka_unit_test(test_the_later_deadline_holds),
        cmocka_unit_test(test_429_does_not_revive),
        cmocka_unit_test(test_recovery_and_the_operators_word),
        cmocka_unit_test(test_a_table_in_hand_does_not_change),
        cmocka_unit_test(test_charged_failures_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
