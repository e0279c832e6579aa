/* The budget and the ledger's file in many random worlds: see tests/unit/core/spender.h. A life ends as kill -9 ends it: what was written stands, nothing else. */
#include "tests/unit/core/spender.h"

#include <unistd.h>

#include "probed/store/ledger.h"

struct place {
    char dir[64], file[96];
    struct ledger *ledger;
};

static void on_wipe(void *arg)
{
    struct place *p = arg;
    unlink(p->file);
}

static struct budget *on_start(void *arg, const struct budget_limits *limits, usec_t now)
{
    struct place *p = arg;
    struct err err = {""};
    struct budget *b = budget_new(limits);
    p->ledger = ledger_open(p->file, b, now, &err);
    if (!p->ledger)
        fail_msg("%s", err.text);
    assert_int_equal(ledger_skipped(p->ledger), 0);
    return b;
}

static void on_reserve(void *arg, const char *platform, const char *model, int64_t pico, usec_t now)
{
    struct place *p = arg;
    assert_int_equal(ledger_reserve(p->ledger, platform, model, pico, now), 0);
}

static void on_settle(void *arg, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped)
{
    struct place *p = arg;
    assert_int_equal(ledger_settle(p->ledger, platform, model, reserved, reserved_at, actual, tripped), 0);
}

static void on_reset(void *arg, const char *platform, const char *model)
{
    struct place *p = arg;
    assert_int_equal(ledger_reset(p->ledger, platform, model), 0);
}

/* Closing writes nothing (and ends a rewriting thread as death would). */
static void on_end(void *arg)
{
    struct place *p = arg;
    p->ledger = ledger_close(p->ledger);
}

static void test_many_worlds(void **state)
{
    (void)state;
    struct place place = {.dir = "/tmp/probed-spender-XXXXXX"};
    assert_non_null(mkdtemp(place.dir));
    snprintf(place.file, sizeof place.file, "%s/ledger", place.dir);
    const struct spender_disk disk = {&place, on_wipe, on_start, on_reserve, on_settle, on_reset, on_end};
    spender_worlds(&disk, 100);
    unlink(place.file);
    assert_int_equal(rmdir(place.dir), 0);
}

/* A probe that cost more than any could: the file must keep the sum and the breaker as the budget does. */
static void test_absurd_cost(void **state)
{
    (void)state;
    char dir[] = "/tmp/probed-spender-XXXXXX", file[64];
    struct err err = {""};
    const struct budget_limits limits = {INT64_MAX / 8, BUDGET_UNLIMITED, BUDGET_UNLIMITED};
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/ledger", dir);
    struct budget *b = budget_new(&limits);
    struct ledger *l = ledger_open(file, b, NOW0, &err);
    assert_non_null(l);
    int route = budget_route(b, "p", "m");
    for (int i = 0; i < 3; i++) { /* 2 million units, 4 billion, and saturated */
        static const int64_t costs[] = {2000000 * PICO_PER_UNIT, INT64_MAX / 4, INT64_MAX / 2};
        usec_t at = NOW0 + i * USEC_PER_MINUTE;
        assert_int_equal(budget_reserve(b, route, 1000, at), BUDGET_GRANTED);
        assert_int_equal(ledger_reserve(l, "p", "m", 1000, at), 0);
        bool tripped = budget_settle(b, route, 1000, at, costs[i], 1000);
        assert_true(tripped);
        assert_int_equal(ledger_settle(l, "p", "m", 1000, at, costs[i], tripped), 0);
        int64_t spent = budget_spent(b, at);
        ledger_close(l);
        budget_free(b);
        b = budget_new(&limits);
        l = ledger_open(file, b, at, &err);
        assert_non_null(l);
        assert_int_equal(ledger_skipped(l), 0);
        route = budget_route(b, "p", "m");
        assert_true(budget_tripped(b, route));
        assert_int_equal(budget_spent(b, at), spent);
        ledger_close(l);
        budget_free(b);
        unlink(file);
        b = budget_new(&limits);
        l = ledger_open(file, b, at, &err);
        assert_non_null(l);
        route = budget_route(b, "p", "m");
    }
    ledger_close(l);
    budget_free(b);
    unlink(file);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_worlds), cmocka_unit_test(test_absurd_cost)};
    return cmocka_run_group_tests_name("the ledger keeps the budget", tests, NULL, NULL);
}
