/* How large a chat probe is: what the configuration says, what was learnt, and what it may cost. A target without a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probed/probe/prober_parts.h"

struct world {
    struct config_route route;
    struct config_platform config;
    struct price price;
    struct platform platform;
    struct prober prober;
    struct target target;
};

static void world_init(struct world *w, bool reasoning, int max_tokens)
{
    static char name[] = "m";
    memset(w, 0, sizeof *w);
    w->route =
        (struct config_route){.model = name, .upstream = name, .reasoning = reasoning, .max_tokens = max_tokens, .max_probe_cost = -1};
    w->config = (struct config_platform){.routes = &w->route, .routes_len = 1};
    w->price = (struct price){.known = true, .input = 0, .output = 1}; /* a pico a token: costs read as tokens */
    w->platform = (struct platform){.config = &w->config, .prices = &w->price};
    w->prober = (struct prober){.platforms = &w->platform, .platforms_len = 1};
    w->target = (struct target){.p = &w->prober, .kind = PROBE_CHAT};
}

static void answer(struct world *w, enum outcome_kind kind, int output, int reasoning, unsigned flags)
{
    struct observation o = observation_make(PROBE_CHAT, 1, outcome_make(STAGE_DONE, kind, 200));
    o.prompt_tokens = 60;
    o.output_tokens = output;
    o.reasoning_tokens = reasoning;
    o.flags = (uint16_t)flags;
    money_learn(&w->target, &o);
}

static void test_declared(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, false, 0);
    assert_int_equal(money_max_tokens(&w.target), 24);
    assert_int_equal(money_worst(&w.target), 24 + 1); /* rounded up */
    world_init(&w, true, 0);
    assert_int_equal(money_max_tokens(&w.target), 512);
    assert_int_equal(money_worst(&w.target), 5120 + 1); /* nothing is known of it yet */
    world_init(&w, true, 100);
    assert_int_equal(money_max_tokens(&w.target), 100);
    answer(&w, OUTCOME_OK, 100, 100, OBSERVED_THINKING_ONLY);
    assert_int_equal(money_max_tokens(&w.target), 100); /* the operator's word */
}

/* Nobody said that it thinks: it shows it, and has the room from then on. */
static void test_shown(void **state)
{
    (void)state;
    static const struct {
        enum outcome_kind kind;
        int output, reasoning;
        unsigned flags;
        bool bounded;
    } rows[] = {
        {OUTCOME_OK, 24, 24, OBSERVED_THINKING_ONLY, true},
        {OUTCOME_OK, 24, -1, OBSERVED_THINKING_ONLY, true},
        {OUTCOME_UNFINISHED, -1, -1, 0, false}, /* a 400 of OpenAI's */
        {OUTCOME_UNFINISHED, 24, -1, 0, true},
        {OUTCOME_OK, 90, 64, OBSERVED_CHALLENGE_PASSED, false}, /* its limit does not bound its thinking */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        world_init(&w, false, 0);
        for (int n = 0; n < 8; n++)
            answer(&w, OUTCOME_OK, 4, -1, OBSERVED_CHALLENGE_PASSED);
        assert_false(money_reasoning(&w.target));
        answer(&w, rows[i].kind, rows[i].output, rows[i].reasoning, rows[i].flags);
        assert_true(money_reasoning(&w.target));
        assert_int_equal(money_max_tokens(&w.target), 512);
        assert_int_equal(w.target.manners.bounded, rows[i].bounded);
        /* What it may cost now is no surprise to the breaker (five times what was expected). */
        int64_t most = rows[i].bounded ? 512 : 5120;
        if (rows[i].kind == OUTCOME_UNFINISHED || (rows[i].flags & OBSERVED_THINKING_ONLY))
            assert_true(money_expected(&w.target) * 5 >= most);
        assert_true(money_worst(&w.target) >= 512);
    }
}

static void test_grows_and_shrinks(void **state)
{
    (void)state;
    struct world w;
    int sizes[] = {1024, 2048, 4096, 4096};
    world_init(&w, true, 0);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        int before = money_max_tokens(&w.target);
        answer(&w, OUTCOME_OK, before, before, OBSERVED_THINKING_ONLY);
        assert_int_equal(money_max_tokens(&w.target), sizes[i]);
        assert_true(money_expected(&w.target) * 5 >= money_max_tokens(&w.target)); /* filling it trips no breaker */
        assert_true(money_worst(&w.target) >= money_max_tokens(&w.target));
    }
    /* Far less is used: slowly back, never below where it began, nor near what it lately used. */
    int last = money_max_tokens(&w.target), steps = 0;
    for (int i = 0; i < 300; i++) {
        answer(&w, OUTCOME_OK, 80, 60, OBSERVED_CHALLENGE_PASSED);
        int now = money_max_tokens(&w.target);
        assert_true(now <= last && now >= last - last / 16 - 1);
        steps += now < last;
        last = now;
    }
    assert_int_equal(last, 512);
    assert_true(steps > 10);
    answer(&w, OUTCOME_OK, 512, 512, OBSERVED_THINKING_ONLY);
    for (int i = 0; i < 3; i++)
        answer(&w, OUTCOME_OK, 90, 70, OBSERVED_CHALLENGE_PASSED);
    assert_true(money_max_tokens(&w.target) >= 512 * 3 / 2); /* it needed so much a moment ago */
    /* A failure says nothing about the size. */
    last = money_max_tokens(&w.target);
    answer(&w, OUTCOME_SERVER_ERROR, 2, -1, 0);
    answer(&w, OUTCOME_BAD_REQUEST, -1, -1, 0);
    assert_int_equal(money_max_tokens(&w.target), last);
}

/* A relay that takes no limit so large: half of it, and never more again. */
static void test_too_large(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, true, 0);
    for (int i = 0; i < 3; i++)
        answer(&w, OUTCOME_OK, money_max_tokens(&w.target), 100, OBSERVED_THINKING_ONLY);
    assert_int_equal(money_max_tokens(&w.target), 4096);
    assert_true(money_too_large(&w.target));
    assert_int_equal(money_max_tokens(&w.target), 2048);
    answer(&w, OUTCOME_OK, 2048, 2048, OBSERVED_THINKING_ONLY);
    assert_int_equal(money_max_tokens(&w.target), 2048);
    int times = 0;
    while (money_too_large(&w.target))
        assert_true(times++ < 20);
    assert_true(money_max_tokens(&w.target) >= 24);
    world_init(&w, true, 4096);
    assert_false(money_too_large(&w.target)); /* the operator's word */
}

/* As the route wants to be asked. */
static void test_ask(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, false, 0);
    w.target.manners.left_out = PARAMETER_BIT(PARAMETER_TEMPERATURE);
    w.target.manners.reasons = true;
    struct chat_ask ask = chat_ask_of(&w.target, "hello");
    assert_string_equal(ask.model, "m");
    assert_string_equal(ask.prompt, "hello");
    assert_int_equal(ask.max_tokens, 512);
    assert_true(ask.reasoning && ask.left_out == PARAMETER_BIT(PARAMETER_TEMPERATURE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declared),  cmocka_unit_test(test_shown), cmocka_unit_test(test_grows_and_shrinks),
        cmocka_unit_test(test_too_large), cmocka_unit_test(test_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
