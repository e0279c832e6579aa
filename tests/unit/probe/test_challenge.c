/* The challenge: it can be solved by reading it, and by nothing less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "probed/probe/challenge.h"

static uint64_t seed(void)
{
    uint64_t s = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)s);
    return s;
}

/* Reads the prompt by the form that challenge.c gives, and answers. */
static void solve(const char *prompt, char *ret, size_t size)
{
    char nonce[16], who[5][32], past[5][32], what[5][32], w1[32], w2[32], w3[32], w4[32];
    int n = 0;
    assert_int_equal(
        sscanf(prompt,
               "Note %15[0-9a-f]: %31s %31s the %31[a-z], %31s %31s the %31[a-z], %31s %31s the %31[a-z], %31s %31s the %31[a-z] and "
               "%31s %31s the %31[a-z]. %n",
               nonce, who[0], past[0], what[0], who[1], past[1], what[1], who[2], past[2], what[2], who[3], past[3], what[3], who[4],
               past[4], what[4], &n),
        16);
    assert_int_equal(strlen(nonce), 8);
    assert_int_not_equal(n, 0);
    for (int i = 1; i < 5; i++)
        assert_string_equal(past[i], past[0]);
    ret[0] = '\0';
    if (sscanf(prompt + n, "Who %31s the %31[a-z]?", w1, w2) == 2) {
        assert_string_equal(w1, past[0]);
        for (int i = 0; i < 5; i++)
            if (strcmp(what[i], w2) == 0)
                snprintf(ret, size, "%.31s", who[i]);
    } else {
        assert_int_equal(sscanf(prompt + n, "What did %31s %31[a-z]?", w3, w4), 2);
        for (int i = 0; i < 5; i++)
            if (strcmp(who[i], w3) == 0)
                snprintf(ret, size, "%.31s", what[i]);
    }
    assert_non_null(strstr(prompt + n, "? Answer with one word only."));
    assert_int_not_equal(ret[0], '\0');
}

static void test_solvable(void **state)
{
    (void)state;
    uint64_t random = seed();
    for (int i = 0; i < 5000; i++) {
        struct challenge c;
        char answer[32], reply[128];
        challenge_make(&c, &random);
        assert_true(strlen(c.prompt) < 330);
        solve(c.prompt, answer, sizeof answer);
        assert_true(strcasecmp(answer, c.answer) == 0);
        assert_true(challenge_passed(&c, answer));
        snprintf(reply, sizeof reply, "**%s**.", answer);
        assert_true(challenge_passed(&c, reply));
        snprintf(reply, sizeof reply, "\n答案是%s。", answer);
        assert_true(challenge_passed(&c, reply));
        snprintf(reply, sizeof reply, "It was the %ss!", answer);
        assert_true(challenge_passed(&c, reply));
        snprintf(reply, sizeof reply, "x%s %sx", answer, answer); /* not a word of its own */
        assert_false(challenge_passed(&c, reply));
        for (int j = 0; j < 4; j++) {
            assert_false(challenge_passed(&c, c.others[j]));
            assert_true(strcasestr(c.prompt, c.others[j]) != NULL);
            snprintf(reply, sizeof reply, "%s or %s", answer, c.others[j]);
            assert_false(challenge_passed(&c, reply));
        }
    }
}

/* An echo, whole or cut at either end, and what a constant or cached answer would be. */
static void test_echo_fails(void **state)
{
    (void)state;
    uint64_t random = seed();
    for (int i = 0; i < 300; i++) {
        struct challenge c, next;
        char cut[sizeof c.prompt];
        challenge_make(&c, &random);
        size_t len = strlen(c.prompt);
        for (size_t at = 0; at <= len; at++) {
            assert_false(challenge_passed(&c, c.prompt + at));
            memcpy(cut, c.prompt, at);
            cut[at] = '\0';
            assert_false(challenge_passed(&c, cut));
        }
        assert_false(challenge_passed(&c, ""));
        assert_false(challenge_passed(&c, "pong"));
        challenge_make(&next, &random);
        assert_string_not_equal(next.prompt, c.prompt);
        assert_string_not_equal(next.nonce, c.nonce);
    }
}

static void test_same_state_same_challenge(void **state)
{
    (void)state;
    uint64_t one = 5, two = 5;
    struct challenge a, b;
    challenge_make(&a, &one);
    challenge_make(&b, &two);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(one == two && one != 5);
}

static void test_cut_reply_is_open(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct challenge c;
    challenge_make(&c, &random);
    assert_int_equal(challenge_judge(&c, "According to the note, the one who", true), CHALLENGE_OPEN);
    assert_int_equal(challenge_judge(&c, "According to the note, the one who", false), CHALLENGE_FAILED);
    assert_int_equal(challenge_judge(&c, c.answer, true), CHALLENGE_PASSED);
    assert_int_equal(challenge_judge(&c, c.others[0], true), CHALLENGE_FAILED);
    c.prompt[60] = '\0';
    assert_int_equal(challenge_judge(&c, c.prompt, true), CHALLENGE_FAILED); /* a cut echo */
}

/* A relay that guesses one of the five by its place must not do better than by chance. */
static void test_places_and_sorts_are_spread(void **state)
{
    (void)state;
    uint64_t random = seed();
    int places[3] = {0}, names = 0, rounds = 3000;
    for (int i = 0; i < rounds; i++) {
        struct challenge c;
        challenge_make(&c, &random);
        const char *at = strcasestr(c.prompt, c.answer);
        int commas = 0;
        for (const char *p = c.prompt; p < at; p++)
            commas += *p == ',';
        assert_in_range(commas, 1, 3);
        places[commas - 1]++;
        names += strstr(c.prompt, ". Who ") != NULL;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(places[i], rounds / 4, rounds / 2);
    assert_in_range(names, rounds * 2 / 5, rounds * 3 / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_solvable),
        cmocka_unit_test(test_echo_fails),
        cmocka_unit_test(test_same_state_same_challenge),
        cmocka_unit_test(test_cut_reply_is_open),
        cmocka_unit_test(test_places_and_sorts_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
