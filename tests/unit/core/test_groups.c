/* Routes that fail together: named with how often, kept out of each other's fallback; and the window that each term of a loss is from. */
#include "tests/unit/core/field.h"

#include "probed/core/loss.h"

struct fleet {
    struct ranker *r;
    int ids[4];
    usec_t now;
};

/* One upstream stands behind "a", "b" and "c"; "d" has its own. `shared` outages of the first two, of which "c" sees all but the first
 * `apart`; "d" fails as often, at other times. */
static struct fleet run(const usec_t ttft[4], int shared, int apart)
{
    static const char *const names[4] = {"a", "b", "c", "d"};
    struct fleet f = {.r = field_ranker(), .now = NOW0};

    for (int i = 0; i < 4; i++)
        f.ids[i] = field_add(f.r, names[i], "m", 1);
    for (int outage = 0; outage < shared; outage++) {
        for (int probe = 0; probe < 240; probe++, f.now += 15 * SEC) {
            const int begins[4] = {100, 101, outage < apart ? 20 : 102, 180};

            for (int i = 0; i < 4; i++) {
                bool fails = probe == begins[i] || probe == begins[i] + 1;

                field_observe(f.r, f.ids[i], fails ? field_fail(f.now, OUTCOME_UPSTREAM_FULL) : field_ok(f.now, ttft[i]), f.now);
            }
            ranker_refresh(f.r, f.now, 0, false);
        }
    }
    ranker_refresh(f.r, f.now, 0, true);
    return f;
}

static void test_named_with_how_often(void **state)
{
    (void)state;
    struct fleet f = run((const usec_t[4]){300 * MSEC, 310 * MSEC, 320 * MSEC, 330 * MSEC}, 7, 2);
    struct explanation e;

    assert_int_equal(ranker_explain(f.r, f.ids[0], NULL, f.now, &e), 0);
    assert_int_equal(e.group_len, 2);
    assert_string_equal(e.group[0].platform, "b");
    assert_float_equal(e.group[0].together, 7 / 8.0, 1e-6);
    assert_string_equal(e.group[1].platform, "c");
    assert_float_equal(e.group[1].together, 5 / 8.0, 1e-6);
    /* The same both ways. */
    assert_int_equal(ranker_explain(f.r, f.ids[2], NULL, f.now, &e), 0);
    assert_int_equal(e.group_len, 2);
    assert_string_equal(e.group[0].platform, "a");
    assert_string_equal(e.group[1].platform, "b");
    assert_int_equal(ranker_explain(f.r, f.ids[3], NULL, f.now, &e), 0);
    assert_int_equal(e.group_len, 0);
    ranker_free(f.r);
}

static void test_chance_meetings_are_no_group(void **state)
{
    (void)state;
    struct fleet f = run((const usec_t[4]){300 * MSEC, 310 * MSEC, 320 * MSEC, 330 * MSEC}, 1, 0);
    struct explanation e;

    for (int i = 0; i < 4; i++) {
        assert_int_equal(ranker_explain(f.r, f.ids[i], NULL, f.now, &e), 0);
        assert_int_equal(e.group_len, 0);
    }
    ranker_free(f.r);
}

/* More partners than there is room for: the nearest are named, in the same order whatever order they were added in. */
static void test_the_nearest_are_named(void **state)
{
    (void)state;
    for (int reversed = 0; reversed < 2; reversed++) {
        struct ranker *r = field_ranker();
        int ids[14];
        usec_t now = NOW0;
        struct explanation e;

        for (int k = 0; k < 14; k++) {
            int i = reversed ? 13 - k : k;
            char name[8];

            snprintf(name, sizeof(name), "p%02d", i);
            ids[i] = field_add(r, name, "m", 1);
        }
        for (int outage = 0; outage < 8; outage++, now += USEC_PER_HOUR) {
            for (int i = 0; i < 14; i++)
                field_observe(r, ids[i], field_ok(now, 300 * MSEC), now);
            for (int i = 0; i < 14; i++) {
                /* The later ones miss some. */
                for (int k = 0; k < 2 && (i <= 6 || outage > 0); k++)
                    field_observe(r, ids[i], field_fail(now + SEC, OUTCOME_TIMEOUT), now + SEC);
            }
        }
        ranker_refresh(r, now, 0, true);
        assert_int_equal(ranker_explain(r, ids[0], NULL, now, &e), 0);
        assert_int_equal(e.group_len, EXPLAIN_GROUP_MAX);
        for (size_t k = 0; k < e.group_len; k++) {
            char name[8];

            snprintf(name, sizeof(name), "p%02d", (int)k + 1);
            assert_string_equal(e.group[k].platform, name);
            assert_true(k == 0 || e.group[k].together <= e.group[k - 1].together);
        }
        ranker_free(r);
    }
}

/* "a" has all the load; its fallback is the one that stands on its own, though "b" and "c" are a little faster. */
static void test_the_fallback_is_of_another_group(void **state)
{
    (void)state;
    struct fleet f = run((const usec_t[4]){300 * MSEC, 1300 * MSEC, 1310 * MSEC, 1330 * MSEC}, 8, 0);
    struct table *table = ranker_table(f.r, 1, 1, f.now, 0);
    const struct ranking *k = field_ranking(table, NULL, "m");

    for (size_t i = 0; i < k->len; i++)
        print_message("  %u %s %u slots, loss %.5f\n", k->rows[i].rank, k->rows[i].facts->platform, k->rows[i].slots, (double)k->rows[i].loss_nano / 1e9);
    assert_string_equal(k->rows[0].facts->platform, "a");
    assert_string_equal(k->rows[1].facts->platform, "d");
    table_unref(table);
    ranker_free(f.r);
}

static const struct explain_term *term_of(const struct explanation *e, const char *name)
{
    for (size_t i = 0; i < e->terms_len; i++) {
        if (strcmp(e->terms[i].name, name) == 0)
            return &e->terms[i];
    }
    fail_msg("no term %s", name);
    return NULL;
}

static void test_terms_name_their_window(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1);
    usec_t now = field_warm(r, a, 300 * MSEC, 200, 15 * SEC, NOW0);
    struct explanation e;

    ranker_refresh(r, now, 0, true);
    assert_int_equal(ranker_explain(r, a, NULL, now, &e), 0);
    for (size_t i = 0; i < e.terms_len; i++)
        assert_true(e.terms[i].window[0] != '\0');
    assert_string_equal(term_of(&e, "failure")->window, "24h");
    assert_string_equal(term_of(&e, "waiting")->window, "2h");
    assert_string_equal(term_of(&e, "money")->window, "latest");
    assert_string_equal(term_of(&e, "stability")->window, "24h");
    assert_true(term_of(&e, "failure")->age == 15 * SEC);
    /* A new level: the few that showed it. */
    for (int i = 0; i < 4; i++, now += 15 * SEC)
        field_observe(r, a, field_ok(now, 3000 * MSEC), now);
    ranker_refresh(r, now, 0, true);
    assert_int_equal(ranker_explain(r, a, NULL, now, &e), 0);
    assert_memory_equal(term_of(&e, "waiting")->window, "last ", 5);
    for (int i = 0; i < 3; i++, now += 15 * SEC)
        field_observe(r, a, field_fail(now, OUTCOME_TIMEOUT), now);
    ranker_refresh(r, now, 0, true);
    assert_int_equal(ranker_explain(r, a, NULL, now, &e), 0);
    assert_string_equal(term_of(&e, "failure")->window, "last 5");
    ranker_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named_with_how_often),
        cmocka_unit_test(test_chance_meetings_are_no_group),
        cmocka_unit_test(test_the_nearest_are_named),
        cmocka_unit_test(test_the_fallback_is_of_another_group),
        cmocka_unit_test(test_terms_name_their_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
