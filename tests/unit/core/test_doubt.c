/* Routes that fail at the same time: whoever was not seen to work since is doubted, whoever was is not, one that fails alone says nothing of
 * the others; what a failure wastes while a route is failing is what it wastes now. */
#include "tests/unit/core/field.h"

#include "probed/core/health.h"
#include "probed/core/loss.h"

enum { ROUTES = 6 };

struct fleet {
    struct ranker *r;
    int ids[ROUTES];
    usec_t now;
};

/* "a" is the fastest, "f" the slowest; all have worked for an hour. */
static struct fleet working(void)
{
    struct fleet f = {.r = field_ranker(), .now = NOW0};

    for (int i = 0; i < ROUTES; i++)
        f.ids[i] = field_add(f.r, (const char[2]){(char)('a' + i), '\0'}, "m", 1);
    for (int probe = 0; probe < 240; probe++, f.now += 15 * SEC) {
        for (int i = 0; i < ROUTES; i++)
            field_observe(f.r, f.ids[i], field_ok(f.now, (300 + 40 * i) * MSEC), f.now);
    }
    return f;
}

static void fails(struct fleet *f, int i, usec_t total)
{
    struct observation o = field_fail(f->now, OUTCOME_TIMEOUT);

    o.total = total;
    field_observe(f->r, f->ids[i], o, f->now);
}

static void works(struct fleet *f, int i)
{
    field_observe(f->r, f->ids[i], field_ok(f->now, (300 + 40 * i) * MSEC), f->now);
}

/* How likely it is to fail, as the table tells it. */
static double doubt(struct fleet *f, const char *platform)
{
    struct table *table = field_table(f->r, f->now);
    double chance = 1 - field_row(field_ranking(table, "production", "m"), platform)->availability_low;

    table_unref(table);
    return chance;
}

static void assert_first(struct fleet *f, const char *policy, const char *platform)
{
    struct table *table = field_table(f->r, f->now);

    assert_string_equal(field_first(table, policy, "m"), platform);
    table_unref(table);
}

static void test_one_alone_says_nothing(void **state)
{
    (void)state;
    struct fleet f = working();
    double before = doubt(&f, "e");

    for (int k = 0; k < 3; k++, f.now += SEC)
        fails(&f, 0, 100 * MSEC);
    assert_true(doubt(&f, "a") > 0.8);
    assert_true(doubt(&f, "e") < before + 0.01);
    ranker_free(f.r);
}

static void test_together_they_speak_against_who_was_not_seen_since(void **state)
{
    (void)state;
    struct fleet f = working();
    double before = doubt(&f, "e"), few, many;

    for (int k = 0; k < 2; k++, f.now += SEC) {
        fails(&f, 0, 100 * MSEC);
        fails(&f, 1, 100 * MSEC);
    }
    few = doubt(&f, "e");
    assert_true(few > before + 0.1);
    fails(&f, 2, 100 * MSEC);
    fails(&f, 2, 100 * MSEC);
    many = doubt(&f, "e");
    assert_true(many > few + 0.05);
    /* One that works since speaks for the others a little, and for itself all there is to say. */
    works(&f, 3);
    assert_true(doubt(&f, "e") < many - 0.02);
    assert_true(doubt(&f, "d") < before + 0.01);
    works(&f, 4);
    assert_true(doubt(&f, "e") < before + 0.01);
    /* In two minutes there is nothing new in it. */
    f.now += 3 * USEC_PER_MINUTE;
    assert_true(doubt(&f, "f") < before + 0.02);
    ranker_free(f.r);
}

/* Where all others fail, one failure is enough: the next try goes to where it is over at once, not to where it takes half a minute. */
static void test_among_the_dying_the_quick(void **state)
{
    (void)state;
    struct fleet f = working();

    for (int k = 0; k < 4; k++, f.now += SEC) {
        for (int i = 0; i < ROUTES; i++) {
            if (i != 3 && i != 1)
                fails(&f, i, i == 4 ? 100 * MSEC : 2 * SEC);
        }
    }
    fails(&f, 1, 27 * SEC);
    fails(&f, 3, 27 * SEC);
    f.now += SEC;
    assert_true(doubt(&f, "b") > 0.8 && doubt(&f, "d") > 0.8);
    assert_first(&f, "production", "e");
    assert_first(&f, "latency", "e");
    /* The first that answers has it all. */
    works(&f, 1);
    f.now += SEC;
    works(&f, 1);
    f.now += SEC;
    assert_first(&f, "production", "b");
    ranker_free(f.r);
}

/* "a" has always failed at once and "b" late; now it is the other way round. */
static void test_how_it_fails_now_is_what_counts(void **state)
{
    (void)state;
    struct fleet f = working();

    for (int k = 0; k < 8; k++, f.now += 30 * SEC) {
        for (int i = 0; i < ROUTES; i++) {
            if (k % 2 == 0 && i < 2)
                fails(&f, i, i == 0 ? 100 * MSEC : 27 * SEC);
            else
                works(&f, i);
        }
    }
    for (int k = 0; k < 2; k++, f.now += SEC) {
        for (int i = 0; i < ROUTES; i++)
            fails(&f, i, i == 1 ? 100 * MSEC : 27 * SEC);
    }
    assert_first(&f, "latency", "b");
    ranker_free(f.r);
}

static void tells(struct fleet *f, int i, unsigned reporter)
{
    struct observation o = field_fail(f->now, OUTCOME_SERVER_ERROR);

    o.source = SOURCE_TRAFFIC;
    o.reporter = (uint8_t)reporter;
    field_observe(f->r, f->ids[i], o, f->now);
}

static unsigned slots(struct fleet *f, const char *platform)
{
    struct table *table = field_table(f->r, f->now);
    unsigned slots = field_row(field_ranking(table, "production", "m"), platform)->slots;

    table_unref(table);
    return slots;
}

static bool ranked_down(struct fleet *f, const char *platform)
{
    struct table *table = field_table(f->r, f->now);
    bool down = field_row(field_ranking(table, "production", "m"), platform)->reason == REASON_DOWN;

    table_unref(table);
    return down;
}

/* What it says of each degrades, and would not be a verdict: no more is it one when it says so of many. */
static void test_one_reporter_alone_is_no_outage(void **state)
{
    (void)state;
    struct fleet f = working();
    const unsigned reporter = ranker_reporter(f.r, "somebody");
    double f_before = doubt(&f, "f");

    for (int k = 0; k < 12; k++, f.now += SEC) {
        for (int i = 0; i < ROUTES - 1; i++)
            tells(&f, i, reporter);
        assert_false(ranked_down(&f, "a"));
    }
    assert_true(doubt(&f, "f") < f_before + 0.01);
    /* Two whom it is told by are enough. */
    for (int i = 0; i < ROUTES - 1; i++)
        tells(&f, i, ranker_reporter(f.r, "somebody else"));
    assert_int_equal(slots(&f, "a"), 0);
    assert_true(doubt(&f, "f") > f_before + 0.3);
    ranker_free(f.r);
}

/* "a" and "b" were seen to go down together: where "a" fails again, "b" is no place to go before it is seen to work. */
static void test_a_known_group(void **state)
{
    (void)state;
    struct fleet f = working();

    for (int outage = 0; outage < 5; outage++) {
        for (int probe = 0; probe < 240; probe++, f.now += 15 * SEC) {
            for (int i = 0; i < ROUTES; i++) {
                if (i < 2 && probe < 2)
                    fails(&f, i, 100 * MSEC);
                else
                    works(&f, i);
            }
        }
    }
    double b = doubt(&f, "b"), c = doubt(&f, "c");

    for (int k = 0; k < 2; k++, f.now += SEC)
        fails(&f, 0, 100 * MSEC);
    assert_true(doubt(&f, "b") > b + 0.5);
    assert_true(doubt(&f, "c") < c + 0.01);
    works(&f, 1);
    assert_true(doubt(&f, "b") < b + 0.01);
    ranker_free(f.r);
}

/* Single failures come now and then everywhere, and coincide: they are no outages that routes could share. */
static void test_single_failures_are_no_onsets(void **state)
{
    (void)state;
    const struct health_rules rules = health_rules_filled(&(struct health_rules){0});
    struct health h;
    usec_t now = NOW0;

    health_init(&h, now);
    for (int k = 0; k < 40; k++, now += 100 * SEC) {
        struct observation o = k % 4 == 3 ? field_fail(now, OUTCOME_SERVER_ERROR) : field_ok(now, SEC);

        health_observe(&h, &rules, &o, now);
    }
    assert_int_equal(h.onsets_len, 0);
    for (int k = 0; k < 2; k++, now += SEC) {
        struct observation o = field_fail(now, OUTCOME_SERVER_ERROR);

        health_observe(&h, &rules, &o, now);
    }
    assert_int_equal(h.onsets_len, 1);
}

/* A success now and then in a long outage is no return: only what came back can flap. */
static void test_falling_back_is_no_flap(void **state)
{
    (void)state;
    const struct health_rules rules = health_rules_filled(&(struct health_rules){0});
    double flap[2];

    for (int up = 0; up < 2; up++) {
        struct health h;
        usec_t now = NOW0;

        health_init(&h, now);
        for (int k = 0; k < 100; k++, now += 15 * SEC) {
            /* Up for two probes of eight, or for six of twelve. */
            bool ok = k < 20 || (up ? k % 12 < 6 : k % 8 < 2);
            struct observation o = ok ? field_ok(now, SEC) : field_fail(now, OUTCOME_SERVER_ERROR);

            health_observe(&h, &rules, &o, now);
        }
        flap[up] = health_flap(&h, now);
    }
    assert_true(flap[0] < FLAP_PENALTY);
    assert_true(flap[1] > FLAP_SUPPRESS);
}

static void test_waste_is_what_it_wastes_now(void **state)
{
    (void)state;
    const struct health_rules rules = health_rules_filled(&(struct health_rules){0});
    struct health h;
    usec_t now = NOW0;

    health_init(&h, now);
    for (int k = 0; k < 3; k++, now += SEC) {
        struct observation o = field_fail(now, OUTCOME_TIMEOUT);

        o.total = (k + 1) * 10 * SEC;
        health_observe(&h, &rules, &o, now);
    }
    assert_int_equal(h.failing_since, NOW0 - 10 * SEC);
    assert_int_equal(h.failing_timed, 3);
    assert_float_equal(h.failing_waste, 20, 1e-9);
    health_observe(&h, &rules, &(struct observation){.outcome = outcome_make(STAGE_DONE, OUTCOME_OK, 200), .total = SEC}, now);
    assert_int_equal(h.failing_since, 0);
    assert_int_equal(h.failing_timed, 0);
}

/* Who fails a thousand times says no more about how another one fails than who fails a few times. */
static void test_the_pool_is_of_routes(void **state)
{
    (void)state;
    struct loss_input in[3] = {{.own_waste = {27, 1000}}, {.own_waste = {1, 6}}, {.own_waste = {0, 0}}};

    loss_pool(in, 3);
    assert_float_equal(in[2].waste, 14, 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_alone_says_nothing),
        cmocka_unit_test(test_together_they_speak_against_who_was_not_seen_since),
        cmocka_unit_test(test_among_the_dying_the_quick),
        cmocka_unit_test(test_how_it_fails_now_is_what_counts),
        cmocka_unit_test(test_one_reporter_alone_is_no_outage),
        cmocka_unit_test(test_a_known_group),
        cmocka_unit_test(test_single_failures_are_no_onsets),
        cmocka_unit_test(test_falling_back_is_no_flap),
        cmocka_unit_test(test_waste_is_what_it_wastes_now),
        cmocka_unit_test(test_the_pool_is_of_routes),
    };

    return cmocka_run_group_tests_name("doubt", tests, NULL, NULL);
}
