/* What clients do with a table, told from their reports: clients of each kind are played, and what is believed of them must be so. */
#include "tests/unit/core/field.h"

#include "probed/core/ranker_inside.h"

#define ROUTES 4

enum habit { SHARES_THEN_ORDER, SHARES_THEN_SHARES, ORDER_ONLY };

struct crowd_of_clients {
    struct follow follow;
    usec_t now;
    uint64_t random;
    enum habit habit;
    double share[ROUTES], fails[ROUTES];
};

static void report(struct crowd_of_clients *c, int route, bool ok)
{
    struct observation o = ok ? field_ok(c->now, SEC) : field_fail(c->now, OUTCOME_RATE_LIMITED);

    o.source = SOURCE_TRAFFIC;
    o.total = SEC / 10;
    follow_observe(&c->follow, route, &o, c->now);
}

static int by_share(struct crowd_of_clients *c, int not_this)
{
    double at = field_random(&c->random) * (1 - (not_this >= 0 ? c->share[not_this] : 0));
    int last = -1;

    for (int i = 0; i < ROUTES; i++) {
        if (i == not_this || c->share[i] <= 0)
            continue;
        last = i;
        at -= c->share[i];
        if (at < 0)
            break;
    }
    return last;
}

static void ask(struct crowd_of_clients *c)
{
    int first = c->habit == ORDER_ONLY ? 0 : by_share(c, -1);
    bool ok = field_random(&c->random) >= c->fails[first];

    report(c, first, ok);
    if (ok)
        return;
    int next = c->habit == SHARES_THEN_SHARES ? by_share(c, first) : first == 0 ? 1 : 0;

    report(c, next, field_random(&c->random) >= c->fails[next]);
}

static void play(struct crowd_of_clients *c, int requests)
{
    for (int i = 0; i < requests; i++) {
        c->now += SEC / 10;
        ask(c);
    }
}

static struct crowd_of_clients clients(enum habit habit, double fails, uint64_t random)
{
    struct crowd_of_clients c = {
        .now = NOW0, .random = random, .habit = habit, .share = {0.3, 0.4, 0.2, 0.1}, .fails = {0.02, fails, fails, fails}};

    follow_lead(&c.follow, 0, (unsigned)(c.share[0] * TABLE_SLOTS), c.now);
    c.now += 5 * SEC;
    return c;
}

static void test_where_they_try_again(void **state)
{
    (void)state;
    uint64_t seed = field_seed();

    for (uint64_t i = 0; i < 100; i++) {
        struct crowd_of_clients order = clients(SHARES_THEN_ORDER, 0.2, seed + i), shares = clients(SHARES_THEN_SHARES, 0.2, seed + i);

        play(&order, 3000);
        play(&shares, 3000);
        assert_false(follow_spreads(&order.follow));
        assert_false(follow_alone(&order.follow, order.now));
        assert_true(follow_spreads(&shares.follow));
        assert_false(follow_alone(&shares.follow, shares.now));
    }
}

static void test_they_change_their_habit(void **state)
{
    (void)state;
    struct crowd_of_clients c = clients(SHARES_THEN_SHARES, 0.2, field_seed());

    play(&c, 3000);
    assert_true(follow_spreads(&c.follow));
    c.habit = SHARES_THEN_ORDER;
    play(&c, 6000);
    assert_false(follow_spreads(&c.follow));
}

static void test_without_failures_nothing_is_told(void **state)
{
    (void)state;
    struct crowd_of_clients c = clients(SHARES_THEN_SHARES, 0, field_seed());

    c.fails[0] = 0;
    play(&c, 3000);
    assert_false(follow_spreads(&c.follow));
}

static void test_clients_of_rank_1_only(void **state)
{
    (void)state;
    struct crowd_of_clients c = clients(ORDER_ONLY, 0.1, field_seed());

    play(&c, 600);
    assert_true(follow_alone(&c.follow, c.now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_they_try_again),
        cmocka_unit_test(test_they_change_their_habit),
        cmocka_unit_test(test_without_failures_nothing_is_told),
        cmocka_unit_test(test_clients_of_rank_1_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
