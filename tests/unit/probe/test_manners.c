/* What a route's refusals teach: recognised in the words of many relays, learnt once, never for something that was not sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probed/probe/challenge.h"
#include "probed/probe/classify.h"
#include "probed/probe/manners.h"

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum chat_parameter refused;
    } rows[] = {
        {400,
         "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
         "instead.\",\"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":\"unsupported_parameter\"}}",
         PARAMETER_MAX_TOKENS},
        {400,
         "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
         "instead.\","
         "\"code\":\"invalid_request_body\"}}",
         PARAMETER_MAX_TOKENS},
        {400,
         "{\"error\":{\"message\":\"Unrecognized request argument supplied: "
         "max_completion_tokens\",\"type\":\"invalid_request_error\",\"param\":null,"
         "\"code\":null}}",
         PARAMETER_MAX_COMPLETION_TOKENS},
        {422,
         "{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"max_completion_tokens\"],\"msg\":\"Extra inputs are not "
         "permitted\",\"input\":24}]}",
         PARAMETER_MAX_COMPLETION_TOKENS},
        {400,
         "{\"error\":{\"message\":\"max_tokens is too large: 8192. This model supports at most 4096 completion tokens, whereas you "
         "provided 8192.\","
         "\"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":\"invalid_value\"}}",
         PARAMETER_SIZE},
        {400, "{\"code\":20015,\"message\":\"max_tokens (4096) exceeds the model's maximum output length\",\"data\":null}", PARAMETER_SIZE},
        {400, "{\"error\":{\"message\":\"max_tokens must be at least 1\",\"param\":\"max_tokens\"}}", PARAMETER_NONE},
        {400,
         "{\"error\":{\"message\":\"Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is "
         "supported.\","
         "\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":\"unsupported_value\"}}",
         PARAMETER_TEMPERATURE},
        {400,
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"`temperature` may only be set to 1 when thinking "
         "is enabled.\"}}",
         PARAMETER_TEMPERATURE},
        {400,
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"temperature: Extra inputs are not permitted\"}}",
         PARAMETER_TEMPERATURE},
        {400,
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"`temperature` is deprecated for this model.\"}}",
         PARAMETER_TEMPERATURE},
        {400, "{\"error\":{\"message\":\"`temperature` must be strictly positive\"}}", PARAMETER_TEMPERATURE},
        {400,
         "{\"error\":{\"message\":\"Unknown parameter: 'stream_options'.\",\"param\":\"stream_options\",\"code\":\"unknown_parameter\"}}",
         PARAMETER_STREAM_OPTIONS},
        {400, "{\"error\":{\"message\":\"stream_options.include_usage: unrecognized key\"}}", PARAMETER_STREAM_OPTIONS},
        {400,
         "{\"error\":{\"message\":\"Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. Supported values "
         "are: 'low', 'medium', "
         "and 'high'.\",\"type\":\"invalid_request_error\",\"param\":\"reasoning_effort\",\"code\":\"unsupported_value\"}}",
         PARAMETER_EFFORT},
        {400,
         "{\"error\":{\"message\":\"Unsupported parameter: 'reasoning.effort' is not supported with this "
         "model.\",\"param\":\"reasoning.effort\"}}",
         PARAMETER_EFFORT},
        {400, "{\"error\":\"Unrecognized request argument supplied: reasoning_effort\"}", PARAMETER_EFFORT},
        {400,
         "{\"error\":{\"code\":\"invalid_parameter_error\",\"param\":null,\"message\":\"The value of the enable_thinking parameter is "
         "restricted to "
         "True.\",\"type\":\"invalid_request_error\"}}",
         PARAMETER_ENABLE_THINKING},
        {400,
         "{\"code\":20015,\"message\":\"Value error, current model does not support parameter `enable_thinking`. Please check it "
         "carefully.\",\"data\":null}",
         PARAMETER_ENABLE_THINKING},
        {400, "{\"error\":{\"message\":\"该模型不支持参数 enable_thinking\"}}", PARAMETER_ENABLE_THINKING},
        {400,
         "{\"error\":{\"code\":400,\"message\":\"Budget 0 is invalid. This model only works in thinking "
         "mode.\",\"status\":\"INVALID_ARGUMENT\"}}",
         PARAMETER_THINKING_CONFIG},
        {400,
         "{\"error\":{\"code\":400,\"message\":\"The model does not support setting thinking_budget to "
         "0.\",\"status\":\"INVALID_ARGUMENT\"}}",
         PARAMETER_THINKING_CONFIG},
        {400,
         "{\"error\":{\"code\":400,\"message\":\"Unable to submit request because Thinking can't be disabled for this model. Remove "
         "'thinking_config.thinking_budget' from your request.\",\"status\":\"INVALID_ARGUMENT\"}}",
         PARAMETER_THINKING_CONFIG},
        {400,
         "{\"error\":{\"code\":400,\"message\":\"Invalid JSON payload received. Unknown name \\\"thinkingConfig\\\" at "
         "'generation_config': Cannot find "
         "field.\",\"status\":\"INVALID_ARGUMENT\"}}",
         PARAMETER_THINKING_CONFIG},
        {400, "{\"error\":{\"message\":\"Unknown parameter: 'store'.\",\"param\":\"store\"}}", PARAMETER_STORE},
        {500,
         "{\"error\":{\"message\":\"Unsupported parameter: 'temperature' is not supported with this model. (request id: 2025)\",\"type\":"
         "\"invalid_request_error\"}}",
         PARAMETER_TEMPERATURE}, /* a relay that remaps the status */
        /* About none of them. */
        {400, "{\"error\":{\"message\":\"messages: at least one message is required\"}}", PARAMETER_NONE},
        {400, "{\"error\":{\"message\":\"The value could not be restored\"}}", PARAMETER_NONE},
        {400, "{\"error\":{\"message\":\"invalid temperatures\"}}", PARAMETER_NONE},
        {400, "temperature", PARAMETER_NONE},
        {401, "{\"error\":{\"message\":\"Incorrect API key: unsupported parameter temperature\"}}", PARAMETER_NONE},
        {429, "{\"error\":{\"message\":\"Rate limit: max_tokens is not supported\",\"param\":\"max_tokens\"}}", PARAMETER_NONE},
        {503, "{\"error\":{\"message\":\"temperature of the server is too high\",\"param\":\"temperature\"}}", PARAMETER_NONE},
        {400,
         "{\"error\":{\"message\":\"Could not finish the message because max_tokens or model output limit was reached. Please try again "
         "with higher "
         "max_tokens.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}",
         PARAMETER_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct classification c = classify_answer(rows[i].status, "application/json", rows[i].body, strlen(rows[i].body));
        if (c.refused != rows[i].refused)
            fail_msg("%s: %s, %s", rows[i].body, parameter_name(c.refused), outcome_name(c.outcome.kind));
        if (c.refused != PARAMETER_NONE && (c.outcome.kind != OUTCOME_BAD_REQUEST || c.outcome.fault != FAULT_OURS))
            fail_msg("%s: %s", rows[i].body, outcome_name(c.outcome.kind));
    }
    struct classification unfinished = classify_answer(400, "", rows[ARRAY_LEN(rows) - 1].body, strlen(rows[ARRAY_LEN(rows) - 1].body));
    assert_int_equal(unfinished.outcome.kind, OUTCOME_UNFINISHED);
    assert_int_equal(unfinished.outcome.fault, FAULT_OURS);
}

static void test_learning(void **state)
{
    (void)state;
    struct manners m = {0};
    char words[80];
    unsigned sent = PARAMETER_BIT(PARAMETER_MAX_TOKENS) | PARAMETER_BIT(PARAMETER_TEMPERATURE) | PARAMETER_BIT(PARAMETER_EFFORT) |
                    PARAMETER_BIT(PARAMETER_LEAST_EFFORT);
    assert_false(manners_refused(&m, PARAMETER_NONE, sent, words, sizeof words));
    assert_false(manners_refused(&m, PARAMETER_ENABLE_THINKING, sent, words, sizeof words)); /* was not sent */
    assert_int_equal(m.left_out, 0);
    assert_true(manners_refused(&m, PARAMETER_TEMPERATURE, sent, words, sizeof words));
    assert_string_equal(words, "temperature is left out from now on");
    assert_false(manners_refused(&m, PARAMETER_TEMPERATURE, sent, words, sizeof words)); /* known */
    /* The least effort first, then any. */
    assert_true(manners_refused(&m, PARAMETER_EFFORT, sent, words, sizeof words));
    assert_int_equal(m.left_out & PARAMETER_BIT(PARAMETER_EFFORT), 0);
    sent &= ~PARAMETER_BIT(PARAMETER_LEAST_EFFORT);
    assert_true(manners_refused(&m, PARAMETER_EFFORT, sent, words, sizeof words));
    assert_true(m.left_out & PARAMETER_BIT(PARAMETER_EFFORT));
    /* The limit goes by its other name, and never goes. */
    assert_true(manners_refused(&m, PARAMETER_MAX_TOKENS, sent, words, sizeof words));
    assert_string_equal(words, "max_tokens is sent as max_completion_tokens from now on");
    sent = PARAMETER_BIT(PARAMETER_MAX_COMPLETION_TOKENS);
    assert_false(manners_refused(&m, PARAMETER_MAX_COMPLETION_TOKENS, sent, words, sizeof words));
    char all[128], few[12];
    manners_describe(&m, all, sizeof all);
    assert_string_equal(all, "max_tokens as max_completion_tokens, temperature, reasoning_effort minimal, reasoning_effort");
    manners_describe(&m, few, sizeof few);
    assert_true(strlen(few) < sizeof few);
}

/* Whatever is refused, in whatever order: a route is asked in a new way at most once a parameter, and always with a limit. */
static void test_ends(void **state)
{
    (void)state;
    static const char *const models[] = {"gpt-4o", "gpt-5-mini", "Qwen/Qwen3-8B", "gemini-2.5-flash", "claude-sonnet-4-5"};
    for (int d = 0; d < DIALECT_COUNT; d++)
        for (size_t i = 0; i < ARRAY_LEN(models); i++)
            for (int reasoning = 0; reasoning < 2; reasoning++)
                for (int first = 0; first < PARAMETER_COUNT; first++) {
                    struct manners m = {0};
                    int learnt = 0;
                    bool more = true;
                    while (more) {
                        struct chat_request chat;
                        struct chat_ask ask = {models[i], "hello", 24, reasoning, m.left_out};
                        char words[80];
                        dialect_get((enum dialect_id)d)->request(&chat, &ask);
                        assert_non_null(strstr(buf_str(&chat.body), "24"));
                        more = false;
                        for (int p = 0; p < PARAMETER_COUNT && !more; p++)
                            more =
                                manners_refused(&m, (enum chat_parameter)((first + p) % PARAMETER_COUNT), chat.sent, words, sizeof words);
                        chat_request_done(&chat);
                        assert_true(learnt++ <= PARAMETER_COUNT);
                    }
                }
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        enum outcome_kind kind;
        int reasoning;
        unsigned flags;
        bool shows;
    } rows[] = {
        {OUTCOME_OK, -1, 0, false},        {OUTCOME_OK, 0, OBSERVED_CHALLENGE_PASSED, false},
        {OUTCOME_OK, 12, 0, true},         {OUTCOME_OK, -1, OBSERVED_THINKING_ONLY, true},
        {OUTCOME_UNFINISHED, -1, 0, true}, {OUTCOME_BAD_REQUEST, -1, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct manners m = {0};
        struct observation o = observation_make(PROBE_CHAT, 1, outcome_make(STAGE_DONE, rows[i].kind, 200));
        o.reasoning_tokens = rows[i].reasoning;
        o.flags = (uint16_t)rows[i].flags;
        if (manners_reasons(&m, &o) != rows[i].shows || m.reasons != rows[i].shows)
            fail_msg("%zu", i);
        assert_false(manners_reasons(&m, &o)); /* only once */
    }
}

/* Each id is another one, with a number at its end. */
static const char *id_of(struct reply_ids *ids, enum dialect_id dialect, const char *model, const char *id)
{
    static char why[64];
    static int number;
    char numbered[128], clean[REPLY_ID_MAX];
    if (id[0])
        snprintf(numbered, sizeof numbered, "%s%d", id, number++);
    else
        numbered[0] = 0;
    reply_id_clean(clean, numbered);
    return reply_id_odd(ids, dialect, model, clean, why, sizeof why) ? why : "";
}

static void test_ids(void **state)
{
    (void)state;
    char clean[REPLY_ID_MAX], longest[80];
    memset(longest, 'a', sizeof longest);
    longest[64] = '\0';
    reply_id_clean(clean, longest);
    assert_int_equal(strlen(clean), 64);
    static const char *const bad[] = {"", "a b", "a/b", "a\nb", "é", "<x>", "a\"b", "a%20"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        reply_id_clean(clean, bad[i]);
        assert_string_equal(clean, "");
    }
    longest[64] = 'a', longest[65] = '\0';
    reply_id_clean(clean, longest);
    assert_string_equal(clean, "");

    static const struct {
        enum dialect_id dialect;
        const char *model, *id;
        bool odd;
    } rows[] = {
        {DIALECT_OPENAI, "gpt-4o", "chatcmpl-abc", false},
        {DIALECT_OPENAI, "gpt-4o", "gen-123", false},
        {DIALECT_OPENAI, "gpt-4o", "msg_01abc", true},
        {DIALECT_OPENAI, "claude-sonnet-4", "msg_01abc", false},
        {DIALECT_OPENAI, "deepseek-v3", "02fcf9c8", false},
        {DIALECT_OPENAI, "gpt-4o", "", false},
        {DIALECT_ANTHROPIC, "claude-3", "msg_01abc", false},
        {DIALECT_ANTHROPIC, "claude-3", "chatcmpl-abc", true},
        {DIALECT_ANTHROPIC, "claude-3", "resp_abc", true},
        {DIALECT_ANTHROPIC, "claude-3", "gen-1", false},
        {DIALECT_GEMINI, "gemini-2.5-pro", "Il0taoSYJ", false},
        {DIALECT_GEMINI, "gemini-2.5-pro", "chatcmpl-9", true},
        {DIALECT_RESPONSES, "gpt-5", "resp_abc", false},
        {DIALECT_RESPONSES, "gpt-5", "chatcmpl-9", true},
        {DIALECT_RESPONSES, "gpt-5", "msg_1", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reply_ids ids = {0};
        const char *why = id_of(&ids, rows[i].dialect, rows[i].model, rows[i].id);
        if ((why[0] != '\0') != rows[i].odd)
            fail_msg("%s of %s: %s", rows[i].id, rows[i].model, why);
    }

    /* A usual prefix is learnt, and a change is told until it has become the usual one. */
    struct reply_ids ids = {0};
    for (int i = 0; i < 8; i++)
        assert_string_equal(id_of(&ids, DIALECT_OPENAI, "gpt-4o", "chatcmpl-1"), "");
    assert_string_equal(id_of(&ids, DIALECT_OPENAI, "gpt-4o", "gen-1"), "gen- after chatcmpl- each time");
    assert_string_equal(id_of(&ids, DIALECT_OPENAI, "gpt-4o", "chatcmpl-2"), "");
    int told = 0;
    for (int i = 0; i < 20; i++)
        told += id_of(&ids, DIALECT_OPENAI, "gpt-4o", "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d")[0] != '\0';
    assert_int_equal(told, 8);
    /* uuids that begin with letters have no prefix. */
    assert_string_equal(id_of(&ids, DIALECT_OPENAI, "gpt-4o", "abcdefab-3b7d-4bad-9bdd-2b0d7b3dcb6d"), "");
    /* A route that mixes its upstreams has no usual one. */
    struct reply_ids mixed = {0};
    for (int i = 0; i < 50; i++)
        assert_string_equal(id_of(&mixed, DIALECT_OPENAI, "gpt-4o", i % 3 ? "chatcmpl-1" : "gen-1"), "");
}

static void test_same_id(void **state)
{
    (void)state;
    struct reply_ids ids = {0};
    char why[64];
    assert_false(reply_id_odd(&ids, DIALECT_OPENAI, "m", "chatcmpl-aaaa", why, sizeof why));
    assert_false(reply_id_odd(&ids, DIALECT_OPENAI, "m", "chatcmpl-bbbb", why, sizeof why));
    assert_true(reply_id_odd(&ids, DIALECT_OPENAI, "m", "chatcmpl-aaaa", why, sizeof why));
    assert_string_equal(why, "the id of an earlier answer");
    for (int i = 0; i < 3; i++)
        assert_false(reply_id_odd(&ids, DIALECT_OPENAI, "m", "c", why, sizeof why)); /* never meant to be one */
}

/* The answer to an earlier challenge, and nothing else, is stale. */
static void test_stale(void **state)
{
    (void)state;
    struct manners m = {0};
    struct challenge first = {
        .prompt = "Note 1: Nora found the kettle and Omar found the drum. Who found the drum?", .answer = "omar", .others = {"nora"}};
    struct challenge second = {
        .prompt = "Note 2: Petra sold the lamp and Felix sold the rope. Who sold the rope?", .answer = "felix", .others = {"petra"}};
    struct challenge third = {
        .prompt = "Note 3: Omar sold the lamp and Rosa sold the rope. Who sold the rope?", .answer = "rosa", .others = {"omar"}};
    assert_false(manners_stale(&m, &second, "Omar", OBSERVED_CHALLENGE_FAILED)); /* nothing came before */
    assert_false(manners_stale(&m, &first, "Omar", OBSERVED_CHALLENGE_PASSED));
    assert_true(manners_stale(&m, &second, "Omar.", OBSERVED_CHALLENGE_FAILED));
    assert_false(manners_stale(&m, &second, "Nora.", OBSERVED_CHALLENGE_FAILED));         /* was never right */
    assert_false(manners_stale(&m, &second, "Petra or Omar", OBSERVED_CHALLENGE_FAILED)); /* it has read the prompt */
    assert_false(manners_stale(&m, &third, "Omar", OBSERVED_CHALLENGE_FAILED));           /* wrong, but from this passage */
    assert_false(manners_stale(&m, &second, "Omar", 0));                                  /* cut: not judged */
    for (int i = 0; i < MANNERS_ANSWERS; i++)
        manners_stale(&m, &second, "Felix", OBSERVED_CHALLENGE_PASSED);
    assert_false(manners_stale(&m, &second, "Omar", OBSERVED_CHALLENGE_FAILED)); /* forgotten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_learning), cmocka_unit_test(test_ends),    cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_ids),      cmocka_unit_test(test_stale),    cmocka_unit_test(test_same_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
