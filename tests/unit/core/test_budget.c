/* Money and time: the rolling budget and the schedule. */
#include "tests/unit/core/field.h"

#include "probed/core/budget.h"

#define LIMIT 1000000

static void test_scopes(void **state)
{
    (void)state;
    struct budget *b = budget_new(&(struct budget_limits){.all = 100, .platform = 60, .route = 40});
    int one = budget_route(b, "p", "m1"), two = budget_route(b, "p", "m2"), other = budget_route(b, "q", "m1");

    assert_int_equal(budget_route(b, "p", "m1"), one);
    assert_int_equal(budget_reserve(b, one, 40, NOW0), BUDGET_GRANTED);
    assert_int_equal(budget_reserve(b, one, 1, NOW0), BUDGET_ROUTE_SPENT);
    assert_int_equal(budget_reserve(b, two, 21, NOW0), BUDGET_PLATFORM_SPENT);
    assert_int_equal(budget_reserve(b, two, 20, NOW0), BUDGET_GRANTED);
    assert_int_equal(budget_reserve(b, other, 40, NOW0), BUDGET_GRANTED);
    assert_int_equal(budget_check(b, budget_route(b, "z", "m"), 1, NOW0), BUDGET_ALL_SPENT);
    assert_int_equal(budget_spent(b, NOW0), 100);
    assert_int_equal(budget_spent_platform(b, "p", NOW0), 60);
    assert_int_equal(budget_spent_platform(b, NULL, NOW0), 100);
    assert_int_equal(budget_spent_route(b, other, NOW0), 40);
    assert_int_equal(budget_spent_route(b, -1, NOW0), 100);
    assert_false(budget_settle(b, one, 40, NOW0, 10, 10));
    assert_int_equal(budget_spent(b, NOW0), 70);
    assert_false(budget_settle(b, two, 20, NOW0, -1, 10)); /* not known: it stands */
    assert_int_equal(budget_spent(b, NOW0), 70);
    /* Never before 24 h, always after 25. */
    assert_int_equal(budget_spent(b, NOW0 + USEC_PER_DAY), 70);
    assert_int_equal(budget_spent(b, NOW0 + USEC_PER_DAY + USEC_PER_HOUR), 0);
    assert_int_equal(budget_check(b, one, -5, NOW0), BUDGET_ALL_SPENT);
    assert_int_equal(budget_check(b, one, INT64_MAX, NOW0), BUDGET_ALL_SPENT);
    budget_free(b);
}

static void test_breaker(void **state)
{
    (void)state;
    struct budget *b = budget_new(&(struct budget_limits){BUDGET_UNLIMITED, BUDGET_UNLIMITED, BUDGET_UNLIMITED});
    int route = budget_route(b, "p", "m");

    assert_int_equal(budget_reserve(b, route, 100, NOW0), BUDGET_GRANTED);
    assert_false(budget_settle(b, route, 100, NOW0, 50, 10)); /* 5 times is not over 5 times */
    assert_int_equal(budget_reserve(b, route, 100, NOW0), BUDGET_GRANTED);
    assert_true(budget_settle(b, route, 100, NOW0, 51, 10));
    assert_true(budget_tripped(b, route));
    assert_int_equal(budget_reserve(b, route, 1, NOW0), BUDGET_TRIPPED);
    budget_reset(b, route);
    assert_int_equal(budget_reserve(b, route, 1, NOW0), BUDGET_GRANTED);
    budget_free(b);
}

static void copy_bucket(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    budget_restore(arg, platform, model, hour, pico, tripped);
}

/* Any order of reserve, settle, save and restore: what is reserved and spent in any 24 hours never passes a limit, but for what probes cost
 * more than they reserved. */
static void test_never_exceeded(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 30; round++) {
        const struct budget_limits limits = {LIMIT, LIMIT / 2, LIMIT / 3};
        struct budget *b = budget_new(&limits);
        struct {
            int route;
            int64_t pico;
            usec_t at;
        } open[64], log[4000];
        size_t opened = 0, logged = 0;
        usec_t now = NOW0 + (usec_t)(field_random(&random) * 1e10);
        const char *platforms[] = {"a", "b", "c"}, *models[] = {"x", "y"};

        for (int step = 0; step < 4000; step++, now += (usec_t)(field_random(&random) * 1.2e8)) {
            int pick = (int)(field_random(&random) * 6), route = budget_route(b, platforms[pick / 2], models[pick % 2]);
            int64_t pico = (int64_t)(field_random(&random) * 20000);

            if (field_random(&random) < 0.01) {
                struct budget *again = budget_new(&limits);
                int64_t before = budget_spent(b, now);

                for (int k = 0; k < 6; k++)
                    budget_route(again, platforms[k / 2], models[k % 2]);
                budget_each(b, now, copy_bucket, again);
                assert_int_equal(budget_spent(again, now), before);
                for (size_t k = 0; k < opened; k++)
                    open[k].route = -1; /* a crash: nobody settles them */
                opened = 0;
                budget_free(b);
                b = again;
                continue;
            }
            if (opened < 64 && budget_reserve(b, route, pico, now) == BUDGET_GRANTED) {
                open[opened].route = route;
                open[opened].pico = pico;
                open[opened++].at = now;
                log[logged].route = pick;
                log[logged].pico = pico;
                log[logged++].at = now;
            }
            if (opened > 0 && field_random(&random) < 0.6) {
                opened--;
                int64_t actual = (int64_t)((double)open[opened].pico * field_random(&random));

                budget_settle(b, open[opened].route, open[opened].pico, open[opened].at, actual, open[opened].pico);
                for (size_t k = logged; k-- > 0;) {
                    if (log[k].at == open[opened].at && log[k].pico == open[opened].pico) {
                        log[k].pico = actual;
                        break;
                    }
                }
            }
            int64_t all = 0, one = 0;

            for (size_t k = 0; k < logged; k++) {
                if (now - log[k].at >= USEC_PER_DAY)
                    continue;
                all += log[k].pico;
                one += log[k].route == pick ? log[k].pico : 0;
            }
            assert_true(all <= LIMIT && one <= LIMIT / 3);
            assert_true(budget_spent(b, now) <= LIMIT && budget_spent(b, now) >= all);
        }
        budget_free(b);
    }
}

static void test_clock_set_back(void **state)
{
    (void)state;
    struct budget *b = budget_new(&(struct budget_limits){100, BUDGET_UNLIMITED, BUDGET_UNLIMITED});
    int route = budget_route(b, "p", "m");

    assert_int_equal(budget_reserve(b, route, 50, NOW0), BUDGET_GRANTED);
    assert_int_equal(budget_reserve(b, route, 50, NOW0 - 10 * USEC_PER_DAY), BUDGET_GRANTED);
    assert_int_equal(budget_reserve(b, route, 1, NOW0 - 10 * USEC_PER_DAY), BUDGET_ALL_SPENT);
    assert_int_equal(budget_reserve(b, route, 1, NOW0), BUDGET_ALL_SPENT);
    budget_restore(b, "p", "m", NOW0 / USEC_PER_HOUR - 30, 1000, true);
    assert_int_equal(budget_spent(b, NOW0), 100);
    assert_true(budget_tripped(b, route));
    budget_free(b);
}

static const struct schedule_rule rule = {.interval = 60 * SEC, .fast = 10 * SEC, .slow = 900 * SEC, .jitter = 0.05};

static void test_schedule_moves_on(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 300; round++) {
        struct schedule s;
        char name[32];
        usec_t now = NOW0 + (usec_t)(field_random(&random) * 1e10);

        snprintf(name, sizeof(name), "p%d/m", round);
        schedule_init(&s, name);
        usec_t next = schedule_first(&s, &rule, 0, now);

        assert_true(next > now && next <= now + rule.interval + 1);
        for (int i = 0; i < 200; i++) {
            now = next + (usec_t)(field_random(&random) * (i % 40 == 0 ? 1e9 : 1e6));
            usec_t retry = field_random(&random) < 0.05 ? (usec_t)(field_random(&random) * 5e9) : 0;
            enum pace pace = (enum pace)(field_random(&random) * 3);

            next = schedule_next(&s, &rule, pace, retry, now, &random);
            assert_true(next > now);
            assert_true(next <= now + 2 * rule.slow + 10 * USEC_PER_MINUTE);
            if (retry > 0)
                assert_true(next >= now + (retry < 10 * USEC_PER_MINUTE ? retry : 10 * USEC_PER_MINUTE));
        }
    }
}

static void test_schedule_rate(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    struct schedule s;

    schedule_init(&s, "p/m");
    usec_t start = schedule_first(&s, &rule, 0, NOW0), now = start;

    for (int i = 0; i < 1000; i++)
        now = schedule_next(&s, &rule, PACE_STEADY, 0, now + 100 * MSEC, &random);
    assert_true(fabs((double)(now - start) / 1000 / (double)rule.interval - 1) < 0.01);
    /* Long dead: doubling up to `slow`. */
    usec_t last = now;

    for (int i = 0; i < 12; i++)
        last = now, now = schedule_next(&s, &rule, PACE_SLOW, 0, now, &random);
    assert_true(now - last > rule.slow / 2 && now - last < rule.slow * 3 / 2);
}

/* A thousand targets, stopped for minutes: what follows is spread, not a herd. */
static void test_schedule_no_herd(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    static struct schedule s[1000];
    int seconds[61] = {0};
    usec_t paused = NOW0 + 300 * SEC, woke = paused + 200 * SEC;

    for (int i = 0; i < 1000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "platform%d/model", i);
        schedule_init(&s[i], name);
        usec_t next = schedule_first(&s[i], &rule, 0, NOW0);

        while (next < paused)
            next = schedule_next(&s[i], &rule, PACE_STEADY, 0, next, &random);
        /* Everything that was due in the pause comes to an end at the same moment. */
        next = schedule_next(&s[i], &rule, PACE_STEADY, 0, woke, &random);
        assert_true(next > woke);
        usec_t second = (next - woke) / SEC;

        seconds[second > 60 ? 60 : second]++;
    }
    for (int i = 0; i < 60; i++)
        assert_true(seconds[i] < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_never_exceeded),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_schedule_moves_on),
        cmocka_unit_test(test_schedule_rate),
        cmocka_unit_test(test_schedule_no_herd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
