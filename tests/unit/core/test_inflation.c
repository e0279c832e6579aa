/* Token counts told against known ones. */
#include "tests/unit/core/till.h"

struct teller {
    struct accounts *a;
    int route;
    usec_t now;
    uint64_t random;
    int jumps, on, off;
    int32_t by;
};

static void note(void *arg, const struct account_event *e)
{
    struct teller *t = arg;

    if (e->type == ACCOUNT_EVENT_JUMP) {
        t->jumps++;
        t->by = e->tokens;
    }
    t->on += e->type == ACCOUNT_EVENT_INFLATED && e->on;
    t->off += e->type == ACCOUNT_EVENT_INFLATED && !e->on;
}

static void start(struct teller *t, uint64_t seed)
{
    *t = (struct teller){.a = accounts_new(), .now = NOW0, .random = seed};
    t->route = accounts_route(t->a, accounts_platform(t->a, "p"), "m");
    accounts_set_events(t->a, note, t);
}

/* A prompt that honest tokenizers count `size`, give or take a tenth; told: times and more. */
static void probe(struct teller *t, int size, double times, int more)
{
    struct observation o = observation_make(PROBE_CHAT, t->now, outcome_make(STAGE_DONE, OUTCOME_OK, 200));

    o.known_low = (int16_t)(size * 0.9);
    o.known_high = (int16_t)(size * 1.1);
    o.prompt_tokens = (int32_t)(size * (0.97 + 0.06 * field_random(&t->random)) * times) + more;
    o.output_tokens = 5;
    accounts_observe(t->a, t->route, &o, -1, t->now);
    t->now += 5 * USEC_PER_MINUTE;
}

static struct account_inflation state_of(struct teller *t)
{
    struct account_inflation is;

    accounts_inflation(t->a, t->route, t->now, &is);
    return is;
}

/* Honest, with prompts of any length: as known, and no event, whatever the seed. */
static void test_honest(void **state)
{
    (void)state;
    uint64_t seed = field_seed();
    struct teller t;

    for (int world = 0; world < 100; world++) {
        start(&t, schedule_random(&seed));
        double times = 0.93 + 0.14 * field_random(&t.random); /* tokenizers differ */

        for (int i = 0; i < 300; i++)
            probe(&t, 20 + (int)(field_random(&t.random) * (i > 150 ? 900 : 60)), times, 0);
        assert_int_equal(t.jumps + t.on + t.off, 0);
        assert_int_equal(state_of(&t).state, ACCOUNT_TOKENS_AS_KNOWN);
        accounts_free(t.a);
    }
}

/* All counts too high from the start. */
static void test_inflated(void **state)
{
    (void)state;
    struct teller t;

    start(&t, 1);
    for (int i = 0; i < 7; i++)
        probe(&t, 60, 1.5, 0);
    assert_int_equal(state_of(&t).state, ACCOUNT_TOKENS_INSUFFICIENT);
    for (int i = 0; i < 10; i++)
        probe(&t, 60 + i * 20, 1.5, 0);
    struct account_inflation is = state_of(&t);

    assert_int_equal(is.state, ACCOUNT_TOKENS_INFLATED);
    assert_true(is.ratio > 1.3 && is.ratio < 1.5 && is.low > 1.1 && is.high < 1.6 && is.extra > 20);
    assert_int_equal(t.on, 1);
    assert_int_equal(t.jumps, 0);
    accounts_free(t.a);
}

/* A hidden prompt is added one day: seen in the third probe with it; and when it is taken away again. */
static void test_jump(void **state)
{
    (void)state;
    uint64_t seed = field_seed();
    struct teller t;

    for (int world = 0; world < 50; world++) {
        int hidden = 50 + (int)(field_random(&seed) * 500), longest = world % 2 ? 60 : 250;

        start(&t, schedule_random(&seed));
        for (int i = 0; i < 40; i++)
            probe(&t, 30 + (int)(field_random(&t.random) * longest), 1, 0);
        assert_int_equal(t.jumps, 0);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(t.jumps, 0);
            probe(&t, 30 + (int)(field_random(&t.random) * longest), 1, hidden);
        }
        if (hidden >= 80) {
            assert_int_equal(t.jumps, 1);
            assert_true(abs(t.by - hidden) <= 30);
        }
        for (int i = 0; i < 17; i++)
            probe(&t, 30 + (int)(field_random(&t.random) * longest), 1, hidden);
        assert_int_equal(t.jumps, 1);
        /* Among prompts of 30 to 280 tokens a few dozen more may lie within what an honest count can be. */
        bool clear = hidden >= 100 || longest == 60;
        if (clear) {
            assert_int_equal(t.on, 1);
            assert_int_equal(state_of(&t).state, ACCOUNT_TOKENS_INFLATED);
        }
        for (int i = 0; i < 40; i++)
            probe(&t, 30 + (int)(field_random(&t.random) * longest), 1, 0);
        assert_int_equal(t.off, t.on);
        assert_int_equal(state_of(&t).state, ACCOUNT_TOKENS_AS_KNOWN);
        accounts_free(t.a);
    }
}

/* Within the known range a count may move as it likes; and where counts always scatter, three in a row far off are no news. */
static void test_no_jump(void **state)
{
    (void)state;
    uint64_t seed = field_seed();
    struct teller t;

    start(&t, 1);
    for (int i = 0; i < 60; i++)
        probe(&t, 600, i < 30 ? 0.94 : 1.06, 0);
    assert_int_equal(t.jumps + t.on, 0);
    accounts_free(t.a);
    start(&t, 2);
    for (int i = 0; i < 2000; i++)
        probe(&t, 600, 1.3 + 0.6 * field_random(&seed), 0);
    assert_true(t.jumps <= 1); /* one in some hundred thousand samples may look like one */
    assert_int_equal(t.on, 1);
    accounts_free(t.a);
}

/* Nonsense is not taken in. */
static void test_nonsense(void **state)
{
    (void)state;
    struct teller t;

    start(&t, 1);
    for (int i = 0; i < 40; i++) {
        struct observation o = observation_make(PROBE_CHAT, t.now, outcome_make(STAGE_DONE, OUTCOME_OK, 200));

        o.known_low = (int16_t)(i % 3 == 0 ? -5 : 100);
        o.known_high = (int16_t)(i % 3 == 1 ? 50 : 110);
        o.prompt_tokens = i % 3 == 2 ? INT32_MAX : 100;
        accounts_observe(t.a, t.route, &o, -1, t.now);
    }
    assert_int_equal(state_of(&t).samples, 0);
    assert_true(state_of(&t).ratio < 0);
    accounts_free(t.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest),  cmocka_unit_test(test_inflated), cmocka_unit_test(test_jump),
        cmocka_unit_test(test_no_jump), cmocka_unit_test(test_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
