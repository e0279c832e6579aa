/* Honesty signals: each on and off, what they weigh, their evidence, how they fade, and that a ranker keeps them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probed/core/honesty.h"
#include "probed/core/ranker.h"
#include "probed/core/record_words.h"

#define START (1000 * USEC_PER_SEC)

static struct observation answer(unsigned flags, const char *detail)
{
    struct observation o = observation_make(PROBE_CHAT, START, outcome_make(STAGE_DONE, OUTCOME_OK, 200));
    o.flags = (uint16_t)flags;
    o.ttft = 1500 * USEC_PER_MSEC;
    o.chunks = 9;
    snprintf(o.detail, sizeof o.detail, "%s", detail);
    return o;
}

static const struct {
    unsigned flag;
    enum honesty_id id;
    const char *name;
    bool weighs;
} rows[] = {
    {OBSERVED_MODEL_DIFFERS, HONESTY_MODEL_DIFFERS, "model_differs", true},
    {OBSERVED_CHALLENGE_FAILED, HONESTY_CHALLENGE_FAILED, "challenge_failed", true},
    {OBSERVED_CACHED, HONESTY_CACHED, "cached", true},
    {OBSERVED_SAME_ANSWER, HONESTY_SAME_ANSWER, "same_answer", true},
    {OBSERVED_USAGE_IMPOSSIBLE, HONESTY_USAGE_IMPOSSIBLE, "usage_impossible", true},
    {OBSERVED_ID_ODD, HONESTY_ID_ODD, "id_odd", true},
    {OBSERVED_ONE_BURST, HONESTY_ONE_BURST, "one_burst", false},
    {OBSERVED_CUMULATIVE, HONESTY_CUMULATIVE, "cumulative", false},
};

/* A hundred good answers, then ten with one signal: it is counted, and nothing else is. */
static void test_each(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LEN(rows), HONESTY_SIGNALS);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct honesty h = {0}, good = {0};
        usec_t now = START;
        for (int n = 0; n < 110; n++) {
            unsigned passed = rows[i].id == HONESTY_CHALLENGE_FAILED && n >= 100 ? 0 : OBSERVED_CHALLENGE_PASSED;
            struct observation o = answer(passed | (n >= 100 ? rows[i].flag : 0), ""), fine = answer(OBSERVED_CHALLENGE_PASSED, "");
            if (rows[i].id == HONESTY_SAME_ANSWER && n >= 100)
                o.probe = PROBE_CAPABILITIES;
            honesty_observe(&h, &o, now);
            honesty_observe(&good, &fine, now);
            now += USEC_PER_SEC;
        }
        assert_string_equal(honesty_name(rows[i].id), rows[i].name);
        assert_true(honesty_text(rows[i].id)[0]);
        assert_int_equal(honesty_weighs(rows[i].id), rows[i].weighs);
        for (int s = 0; s < HONESTY_SIGNALS; s++) {
            bool its = (enum honesty_id)s == rows[i].id;
            assert_int_equal(h.signal[s].count, its ? 10 : 0);
            assert_int_equal(good.signal[s].count, 0);
            assert_int_equal(h.signal[s].last > 0, its);
        }
        bool same = rows[i].id == HONESTY_SAME_ANSWER;
        assert_int_equal(h.signal[rows[i].id].of, same ? 10 : 110);
        assert_true(fabs(honesty_share(&h, rows[i].id, now) - (same ? 1.0 : 10.0 / 110)) < 0.001);
        double more = honesty_dishonesty(&h, now) - honesty_dishonesty(&good, now);
        if ((more > 0.001) != rows[i].weighs)
            fail_msg("%s adds %f", rows[i].name, more);
        if (rows[i].id == HONESTY_ID_ODD)
            assert_true(more < 0.02); /* little */
        if (rows[i].id == HONESTY_MODEL_DIFFERS)
            assert_true(fabs(more - 10.0 / 111) < 0.01);
    }
}

static void test_evidence(void **state)
{
    (void)state;
    struct honesty h = {0};
    struct observation o =
        answer(OBSERVED_MODEL_DIFFERS | OBSERVED_USAGE_IMPOSSIBLE | OBSERVED_CACHED | OBSERVED_ONE_BURST | OBSERVED_CUMULATIVE,
               "model_differs: gpt-3.5, cached: x; usage_impossible: 3 tokens for 400 bytes; cached: 60 of 61 tokens");
    honesty_observe(&h, &o, START);
    assert_string_equal(h.signal[HONESTY_MODEL_DIFFERS].evidence, "gpt-3.5, cached: x");
    assert_string_equal(h.signal[HONESTY_USAGE_IMPOSSIBLE].evidence, "3 tokens for 400 bytes");
    assert_string_equal(h.signal[HONESTY_CACHED].evidence, "60 of 61 tokens");
    assert_string_equal(h.signal[HONESTY_ONE_BURST].evidence, "9 pieces at once after 1.5 s");
    assert_string_equal(h.signal[HONESTY_CUMULATIVE].evidence, "9 pieces");
    o = answer(OBSERVED_MODEL_DIFFERS, "gpt-3.5-turbo"); /* as others write it */
    honesty_observe(&h, &o, START);
    assert_string_equal(h.signal[HONESTY_MODEL_DIFFERS].evidence, "gpt-3.5-turbo");
    /* Long and cut in the middle of a letter. */
    char words[OBSERVATION_DETAIL_MAX] = "id_odd: ";
    for (int i = 0; i < 40; i++)
        strcat(words, "二");
    o = answer(OBSERVED_ID_ODD, words);
    honesty_observe(&h, &o, START);
    assert_true(strlen(h.signal[HONESTY_ID_ODD].evidence) <= 63 && strlen(h.signal[HONESTY_ID_ODD].evidence) >= 60);
    assert_int_equal(strlen(h.signal[HONESTY_ID_ODD].evidence) % 3, 0);
}

static void test_unknown_is_not_perfect(void **state)
{
    (void)state;
    struct honesty h = {0};
    assert_true(honesty_dishonesty(&h, START) == 1);
    struct observation good = answer(OBSERVED_CHALLENGE_PASSED, "");
    honesty_observe(&h, &good, START);
    assert_true(fabs(honesty_dishonesty(&h, START) - 0.5) < 0.001);
    /* Days without an answer: what was known fades. */
    assert_true(honesty_dishonesty(&h, START + 30 * USEC_PER_DAY) > 0.99);
}

/* A model that never passes shows nothing by failing; one that passes once does. */
static void test_unscorable(void **state)
{
    (void)state;
    struct honesty h = {0};
    struct observation failed = answer(OBSERVED_CHALLENGE_FAILED, "challenge_failed: no"), passed = answer(OBSERVED_CHALLENGE_PASSED, "");
    for (int i = 0; i < 4; i++)
        honesty_observe(&h, &failed, START);
    assert_false(honesty_unscorable(&h));
    honesty_observe(&h, &failed, START);
    assert_true(honesty_unscorable(&h));
    double before = h.fooled.weight;
    honesty_observe(&h, &failed, START);
    assert_true(h.fooled.weight == before);
    honesty_observe(&h, &passed, START);
    assert_false(honesty_unscorable(&h));
    assert_int_equal(honesty_challenges_passed(&h), 1);
    struct honesty other = {0};
    struct observation differs = answer(OBSERVED_MODEL_DIFFERS | OBSERVED_CHALLENGE_FAILED, "x");
    for (int i = 0; i < 20; i++)
        honesty_observe(&other, &differs, START);
    assert_true(honesty_dishonesty(&other, START) > 0.9); /* that it names another model counts all the same */
}

/* Traffic says nothing of this unless it shows something; capability tries are no chats. */
static void test_who_says(void **state)
{
    (void)state;
    struct honesty h = {0};
    struct observation o = answer(0, "");
    o.source = SOURCE_TRAFFIC;
    honesty_observe(&h, &o, START);
    assert_int_equal(h.signal[HONESTY_MODEL_DIFFERS].of, 0);
    o = answer(0, "");
    o.probe = PROBE_CAPABILITIES;
    honesty_observe(&h, &o, START);
    assert_int_equal(h.signal[HONESTY_MODEL_DIFFERS].of, 0);
    assert_int_equal(h.signal[HONESTY_SAME_ANSWER].of, 1);
    o.ttft = OBSERVATION_UNKNOWN; /* a try of tools, say */
    honesty_observe(&h, &o, START);
    assert_int_equal(h.signal[HONESTY_SAME_ANSWER].of, 1);
    /* One such answer among many chats is seen, and fades over weeks. */
    for (int i = 0; i < 1000; i++) {
        struct observation good = answer(OBSERVED_CHALLENGE_PASSED, "");
        honesty_observe(&h, &good, START);
    }
    struct observation same = answer(OBSERVED_SAME_ANSWER, "same_answer: as gpt-4o");
    same.probe = PROBE_CAPABILITIES;
    assert_true(honesty_dishonesty(&h, START) < 0.01);
    honesty_observe(&h, &same, START);
    double now = honesty_dishonesty(&h, START);
    assert_true(now > 0.3 && now < 0.7);
    for (int i = 0; i < 1000; i++) { /* a month of good chats */
        struct observation good = answer(OBSERVED_CHALLENGE_PASSED, "");
        honesty_observe(&h, &good, START + i * USEC_PER_HOUR);
    }
    assert_true(honesty_dishonesty(&h, START + 1000 * USEC_PER_HOUR) < 0.1);
    assert_string_equal(h.signal[HONESTY_SAME_ANSWER].evidence, "as gpt-4o");
}

/* Every flag has its name in records. */
static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = BUF_INIT;
        uint16_t flags = 0;
        record_flags_print((uint16_t)rows[i].flag, &text);
        assert_string_equal(buf_str(&text), rows[i].name);
        assert_int_equal(record_flags_parse(buf_str(&text), &flags), 0);
        assert_int_equal(flags, rows[i].flag);
        buf_done(&text);
    }
}

/* What a ranker explains is what was observed, also after a restart. */
static void test_ranker(void **state)
{
    (void)state;
    static const struct policy policies[] = {{.name = "balanced", .honesty = 1}};
    struct ranker_setup setup = {.policies = policies, .policies_len = 1, .currency = "USD", .vantage = "here"};
    struct ranker *r[2];
    for (int i = 0; i < 2; i++) {
        r[i] = ranker_new(&setup);
        struct ranker_route_setup route = {.platform = ranker_add_platform(r[i], "a", "A", NULL, 0),
                                           .model = "m",
                                           .upstream_model = "m",
                                           .dialect = "openai",
                                           .endpoint = "http://x",
                                           .interval = USEC_PER_MINUTE};
        assert_int_equal(ranker_add_route(r[i], &route), 0);
    }
    for (int i = 0; i < 20; i++) {
        struct observation o =
            answer(OBSERVED_CHALLENGE_PASSED | (i % 2 ? OBSERVED_MODEL_DIFFERS : 0), i % 2 ? "model_differs: m-mini" : "");
        o.at = START + i * USEC_PER_SEC;
        assert_int_equal(ranker_observe(r[0], 0, &o, o.at), 0);
    }
    struct buf memory = BUF_INIT;
    ranker_save(r[0], &memory);
    assert_int_equal(ranker_restore(r[1], memory.data, memory.len), 0);
    buf_done(&memory);
    static struct explanation e[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ranker_explain(r[i], 0, NULL, START + 30 * USEC_PER_SEC, &e[i]), 0);
        assert_int_equal(e[i].signals_len, HONESTY_SIGNALS);
        const struct explain_signal *s = &e[i].signals[HONESTY_MODEL_DIFFERS];
        assert_string_equal(s->name, "model_differs");
        assert_int_equal(s->count, 10);
        assert_int_equal(s->of, 20);
        assert_true(s->weighs && fabs(s->share - 0.5) < 0.01);
        assert_string_equal(s->evidence, "m-mini");
        assert_int_equal(s->at, START + 19 * USEC_PER_SEC);
        assert_int_equal(e[i].model_differs, 10);
        assert_int_equal(e[i].challenges_passed, 20);
        assert_true(e[i].dishonesty > 0.45 && e[i].dishonesty < 0.6);
        ranker_free(r[i]);
    }
    assert_true(e[0].dishonesty == e[1].dishonesty && e[0].loss_nano == e[1].loss_nano);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),       cmocka_unit_test(test_evidence), cmocka_unit_test(test_unknown_is_not_perfect),
        cmocka_unit_test(test_unscorable), cmocka_unit_test(test_who_says), cmocka_unit_test(test_words),
        cmocka_unit_test(test_ranker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
