/* The state filter: verdicts by count, whose fault counts, flapping, probation, 429, and the route's statistics around it. */
#include "tests/unit/core/field.h"

#include "probed/core/health.h"
#include "probed/core/route.h"

static struct health_rules rules(void)
{
    return health_rules_filled(&(struct health_rules){0});
}

static void feed(struct health *h, const char *outcomes, usec_t *now, usec_t every)
{
    const struct health_rules r = rules();

    for (; *outcomes; outcomes++, *now += every) {
        enum outcome_kind kind = *outcomes == '+'   ? OUTCOME_OK
                                 : *outcomes == '-' ? OUTCOME_TIMEOUT
                                 : *outcomes == 'o' ? OUTCOME_BAD_REQUEST
                                 : *outcomes == 'l' ? OUTCOME_LOCAL
                                 : *outcomes == '4' ? OUTCOME_RATE_LIMITED
                                 : *outcomes == 'm' ? OUTCOME_MODEL_MISSING
                                                    : OUTCOME_AUTH;
        struct observation o = kind == OUTCOME_OK ? field_ok(*now, SEC) : field_fail(*now, kind);

        health_observe(h, &r, &o, *now);
    }
}

static enum verdict after(const char *outcomes)
{
    struct health h;
    usec_t now = NOW0;

    health_init(&h, now);
    feed(&h, outcomes, &now, 15 * SEC);
    return (enum verdict)h.verdict;
}

static void test_n_of_m(void **state)
{
    (void)state;
    assert_int_equal(after(""), VERDICT_NEW);
    assert_int_equal(after("+"), VERDICT_GOOD);
    assert_int_equal(after("--"), VERDICT_PARTIAL);
    assert_int_equal(after("---"), VERDICT_DOWN);
    assert_int_equal(after("++++++++++---"), VERDICT_DOWN);
    assert_int_equal(after("++++++++++-+-+-"), VERDICT_PARTIAL); /* partly failing is not down */
    assert_int_equal(after("++++++++++-++-+"), after("++++++++++-++-+"));
    assert_int_not_equal(after("++++++++++-++-++-"), VERDICT_DOWN);
    assert_int_equal(after("---+"), VERDICT_DOWN);
    assert_int_equal(after("---++"), VERDICT_PARTIAL);
    assert_int_equal(after("---+-++"), VERDICT_PARTIAL);
    assert_int_equal(after("---++-"), VERDICT_PARTIAL); /* what ended does not pull it down again */
    assert_int_equal(after("---++++++++++++++++"), VERDICT_GOOD);
    assert_int_equal(after("++++++++++++++++++++++++-"), VERDICT_GOOD); /* one failure is one failure */
}

static void test_other_faults_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(after("oooollll"), VERDICT_NEW);
    assert_int_equal(after("+ooooollllll44444"), VERDICT_GOOD);
    assert_int_equal(after("-o-l-"), VERDICT_DOWN);
}

static void test_beliefs_are_probabilities(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    struct health h;
    usec_t now = NOW0;
    double b[BELIEFS], c[BELIEFS];

    health_init(&h, now);
    for (int i = 0; i < 5000; i++) {
        feed(&h, field_random(&random) < 0.3 ? "-" : "+", &now, (usec_t)exp(25 * field_random(&random)));
        health_beliefs(&h, now, b);
        double sum = b[0] + b[1] + b[2];

        assert_true(fabs(sum - 1) < 1e-9 && b[0] >= 0 && b[1] >= 0 && b[2] >= 0);
        health_beliefs(&h, h.belief_at, c);
        for (int k = 0; k < BELIEFS; k++)
            assert_true(fabs(c[k] - h.belief[k] / (h.belief[0] + h.belief[1] + h.belief[2])) < 1e-9);
    }
    /* Mixing is the same in one step or in two. */
    health_beliefs(&h, h.belief_at + USEC_PER_HOUR, b);
    struct health half = h;

    health_beliefs(&h, h.belief_at + USEC_PER_HOUR / 2, half.belief);
    half.belief_at = h.belief_at + USEC_PER_HOUR / 2;
    health_beliefs(&half, h.belief_at + USEC_PER_HOUR, c);
    for (int k = 0; k < BELIEFS; k++)
        assert_true(fabs(b[k] - c[k]) < 1e-9);
}

static void test_flapping(void **state)
{
    (void)state;
    struct health h;
    usec_t now = NOW0;

    health_init(&h, now);
    feed(&h, "++++", &now, 15 * SEC);
    for (int i = 0; i < 3; i++)
        feed(&h, "---++++++", &now, 15 * SEC);
    assert_false(health_flapping(&h, now));
    feed(&h, "---++++++", &now, 15 * SEC);
    assert_true(health_flapping(&h, now));
    assert_true(health_flap(&h, now) > FLAP_REUSE);
    assert_true(health_flapping(&h, now + 15 * USEC_PER_MINUTE));
    assert_false(health_flapping(&h, now + 60 * USEC_PER_MINUTE));
    /* At most 60 minutes, however long it went on. */
    for (int i = 0; i < 500; i++)
        feed(&h, "---+++++++", &now, 15 * SEC);
    assert_true(health_flapping(&h, now));
    assert_false(health_flapping(&h, now + 61 * USEC_PER_MINUTE));
    /* Failing from the start is no flapping. */
    health_init(&h, now);
    feed(&h, "---------", &now, SEC);
    assert_true(health_flap(&h, now) == 0);
}

static void test_probation(void **state)
{
    (void)state;
    struct health h;
    usec_t now = NOW0;
    unsigned last = 0;

    health_init(&h, now);
    feed(&h, "++++---++", &now, 15 * SEC);
    assert_int_equal(health_probation_slots(&h), PROBATION_FIRST);
    for (int i = 0; i < 6; i++) {
        feed(&h, "+", &now, 15 * SEC);
        assert_true(health_probation_slots(&h) >= last);
        last = health_probation_slots(&h);
    }
    assert_int_equal(last, TABLE_SLOTS);
    feed(&h, "---++", &now, 15 * SEC);
    /* A burst of successes within a second is one piece of evidence. */
    feed(&h, "++++++++++++++++++", &now, MSEC);
    assert_in_range(health_probation_slots(&h), PROBATION_FIRST, 2 * PROBATION_FIRST);
}

static void test_limited_unusable_missing(void **state)
{
    (void)state;
    const struct health_rules r = rules();
    struct health h;
    usec_t now = NOW0;

    health_init(&h, now);
    feed(&h, "+4", &now, SEC);
    assert_true(health_limited(&h, now));
    assert_false(health_refused(&h, now));
    feed(&h, "+", &now, SEC);
    assert_false(health_limited(&h, now));
    feed(&h, "444", &now, SEC);
    assert_true(health_refused(&h, now));
    struct observation o = field_fail(now, OUTCOME_RATE_LIMITED);

    o.retry_after = USEC_PER_HOUR;
    health_observe(&h, &r, &o, now);
    assert_true(health_limited(&h, now + 10 * USEC_PER_MINUTE - 1));
    assert_false(health_limited(&h, now + 10 * USEC_PER_MINUTE));
    feed(&h, "a", &now, SEC);
    assert_true(h.unusable);
    feed(&h, "+", &now, SEC);
    assert_false(h.unusable);
    feed(&h, "m", &now, SEC);
    assert_false(health_missing(&h));
    feed(&h, "m", &now, SEC);
    assert_true(health_missing(&h));
    feed(&h, "+", &now, SEC);
    assert_false(health_missing(&h));
}

static void test_together(void **state)
{
    (void)state;
    struct health a, b, c;
    usec_t now = NOW0;

    health_init(&a, now);
    health_init(&b, now);
    health_init(&c, now);
    for (int i = 0; i < 5; i++, now += USEC_PER_HOUR) {
        usec_t then = now, later = now + 30 * USEC_PER_MINUTE, also = now + 20 * SEC;

        feed(&a, "---++", &then, SEC);
        feed(&b, "---++", &also, SEC);
        feed(&c, "---++", &later, SEC);
    }
    assert_true(health_together(&a, &b) > 0.6);
    assert_true(health_together(&a, &c) == 0);
}

/* One outage of the one is not two of the other's, whichever way it is asked. */
static void test_together_is_mutual(void **state)
{
    (void)state;
    static const int begins[2][3] = {{8, 176, -1}, {0, 144, 264}};
    struct health h[2];

    for (int k = 0; k < 2; k++) {
        health_init(&h[k], NOW0);
        for (int i = 0; i < 3 && begins[k][i] >= 0; i++) {
            usec_t then = NOW0 + begins[k][i] * SEC;

            feed(&h[k], "--++", &then, SEC);
        }
    }
    assert_int_equal(h[1].onsets_len, 3);
    assert_float_equal(health_together(&h[0], &h[1]), 0.5, 1e-9);
    assert_float_equal(health_together(&h[1], &h[0]), 0.5, 1e-9);
}

static void test_route_memory(void **state)
{
    (void)state;
    static struct route r;
    const struct health_rules filled = rules();
    struct observation back;

    print_message("statistics of a route: %zu bytes\n", sizeof(r));
    route_init(&r, NOW0);
    assert_false(route_last(&r, 0, &back));
    for (int i = 0; i < 50; i++) {
        struct observation o = i % 2 ? field_ok(NOW0 + i, 100 + i) : field_fail(NOW0 + i, OUTCOME_ERROR_IN_200);

        if (i % 2 == 0)
            snprintf(o.detail, sizeof(o.detail), "words %d", i);
        route_observe(&r, &filled, &o, 0, NOW0 + i);
    }
    assert_true(route_last(&r, 0, &back));
    assert_int_equal(back.at, NOW0 + 49);
    assert_int_equal(back.ttft, 149);
    assert_int_equal(back.dns, OBSERVATION_UNKNOWN);
    assert_true(route_last(&r, 1, &back));
    assert_string_equal(back.detail, "words 48");
    assert_true(route_last(&r, 15, &back));
    assert_string_equal(back.detail, "");
    assert_false(route_last(&r, 16, &back));
}

static void test_chance_bounds(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    const struct health_rules filled = rules();
    static struct route r;
    usec_t now = NOW0;
    double last = 1;

    route_init(&r, now);
    assert_true(route_chance_at(&r, now).bound > 0.15); /* unknown is not perfect */
    for (int i = 0; i < 300; i++, now += 15 * SEC) {
        struct observation o = field_ok(now, SEC);

        route_observe(&r, &filled, &o, 0, now);
        assert_true(route_chance_at(&r, now).bound < last);
        last = route_chance_at(&r, now).bound + 1e-4;
    }
    assert_true(route_chance_at(&r, now).bound < 0.02);
    for (int i = 0; i < 5000; i++, now += (usec_t)(3e8 * field_random(&random))) {
        struct observation o = field_random(&random) < 0.3 ? field_fail(now, OUTCOME_RESET) : field_ok(now, SEC);

        route_observe(&r, &filled, &o, 0, now);
        struct route_chance c = route_chance_at(&r, now);

        assert_true(c.bound >= 0 && c.bound <= 1 && c.estimate <= c.bound && c.good >= 0 && c.partial >= c.good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_n_of_m),
        cmocka_unit_test(test_other_faults_do_not_count),
        cmocka_unit_test(test_beliefs_are_probabilities),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_probation),
        cmocka_unit_test(test_limited_unusable_missing),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_together_is_mutual),
        cmocka_unit_test(test_route_memory),
        cmocka_unit_test(test_chance_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
