/* The Gemini dialect: what is asked for, and each form in which an answer comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/probe/chat_try.h"

/* As a stream gives them. */
#define CHUNK(members, usage)                                                                                                              \
    "data: {\"candidates\":[{\"content\":{\"parts\":[" members "],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{" usage             \
    "},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"Il0taoSYJ5Cez7\"}\r\n\r\n"
#define LAST(members, why, usage)                                                                                                          \
    "data: {\"candidates\":[{\"content\":{\"parts\":[" members "],\"role\":\"model\"},\"finishReason\":\"" why                             \
    "\",\"index\":0}],\"usageMetadata\":{" usage "},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"Il0taoSYJ5Cez7\"}\r\n\r\n"
#define TEXT(text)    "{\"text\":\"" text "\"}"
#define THOUGHT(text) "{\"text\":\"" text "\",\"thought\":true}"
#define SIGNATURE     "{\"text\":\"\",\"thoughtSignature\":\"EjQKMgEM\"}"
#define PROMPT        "\"promptTokenCount\":61,\"totalTokenCount\":61"
#define FULL                                                                                                                               \
    "\"promptTokenCount\":61,\"candidatesTokenCount\":2,\"totalTokenCount\":183,\"thoughtsTokenCount\":120,\"cachedContentTokenCount\":7"

static const struct try_setup plain = {.dialect = DIALECT_GEMINI, .model = "gemini-2.5-flash"};

static void test_request(void **state)
{
    (void)state;
    static const struct {
        const char *model, *path, *thinking;
        bool reasoning;
        unsigned left_out;
    } rows[] = {
        {"gemini-2.0-flash", "/models/gemini-2.0-flash:streamGenerateContent?alt=sse", NULL, false, 0},
        {"gemini-2.5-flash", "/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "{\"thinkingBudget\":0}", true, 0},
        {"models/gemini-2.5-pro", "/models/gemini-2.5-pro:streamGenerateContent?alt=sse", "{\"thinkingBudget\":128}", true, 0},
        {"gemini-3-pro-preview", "/models/gemini-3-pro-preview:streamGenerateContent?alt=sse", "{\"thinkingLevel\":\"low\"}", true, 0},
        {"gemini-2.5-flash", "/models/gemini-2.5-flash:streamGenerateContent?alt=sse", NULL, true,
         PARAMETER_BIT(PARAMETER_THINKING_CONFIG)},
        {"google/g?x=1&y#/..", "/models/google%2Fg%3Fx%3D1%26y%23%2F..:streamGenerateContent?alt=sse", NULL, false, 0},
        {"模型 %", "/models/%E6%A8%A1%E5%9E%8B%20%25:streamGenerateContent?alt=sse", NULL, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chat_request chat;
        struct chat_ask ask = {rows[i].model, "a \"quoted\"\nline 二", 24, rows[i].reasoning, rows[i].left_out};
        int64_t max = 0;
        dialect_get(DIALECT_GEMINI)->request(&chat, &ask);
        assert_string_equal(buf_str(&chat.path), rows[i].path);
        cJSON *json = json_parse(buf_str(&chat.body), chat.body.len, NULL);
        assert_non_null(json);
        assert_string_equal(json_string(json, "contents.0.parts.0.text"), ask.prompt);
        assert_string_equal(json_string(json, "contents.0.role"), "user");
        assert_true(json_int(json, "generationConfig.maxOutputTokens", &max) && max == 24);
        assert_int_equal(json_at(json, "generationConfig.temperature") == NULL, rows[i].reasoning);
        const cJSON *thinking = json_at(json, "generationConfig.thinkingConfig");
        if ((thinking != NULL) != (rows[i].thinking != NULL))
            fail_msg("%s", buf_str(&chat.body));
        if (thinking) {
            char *text = cJSON_PrintUnformatted(thinking);
            assert_string_equal(text, rows[i].thinking);
            cJSON_free(text);
            assert_true(chat.sent & PARAMETER_BIT(PARAMETER_THINKING_CONFIG));
        }
        cJSON_Delete(json);
        chat_request_done(&chat);
    }
    assert_string_equal(dialect_gemini.key_header, "x-goog-api-key");
    assert_false(dialect_gemini.key_bearer);
}

static const struct piece stream[] = {
    {5 * MS, ": ping\r\n\r\n"},
    {20 * MS, CHUNK("", PROMPT)},
    {100 * MS, CHUNK(THOUGHT("The drum was found by"), PROMPT)},
    {200 * MS, CHUNK(TEXT("Om"), PROMPT)},
    {260 * MS, CHUNK(TEXT("ar"), PROMPT)},
    {270 * MS, LAST(SIGNATURE, "STOP", FULL)},
    END,
};

/* Every way of cutting it: in reads of n bytes, and in two at each place. */
static void test_stream(void **state)
{
    (void)state;
    for (size_t step = 0; step < 40; step++) {
        struct observation o = try_step(&plain, stream, step);
        assert_outcome(o, OUTCOME_OK, STAGE_DONE);
        assert_int_equal(o.ttft, 100 * MS);
        assert_int_equal(o.content, 200 * MS);
        assert_int_equal(o.chunks, 3);
        assert_int_equal(o.prompt_tokens, 61);
        assert_int_equal(o.output_tokens, 122);
        assert_int_equal(o.reasoning_tokens, 120);
        assert_int_equal(o.cached_tokens, 7);
        assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED);
        assert_string_equal(o.detail, "");
    }
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    static const char whole[] = CHUNK(THOUGHT("hm 二"), PROMPT) CHUNK(TEXT("Omar"), PROMPT) LAST(SIGNATURE, "STOP", FULL);
    for (size_t at = 1; at + 1 < sizeof whole; at++) {
        char head[sizeof whole];
        memcpy(head, whole, at);
        head[at] = '\0';
        struct observation o = try_chat(&plain, (const struct piece[]){{10 * MS, head}, {20 * MS, whole + at}, END});
        if (!outcome_ok(o.outcome) || o.output_tokens != 122 || !(o.flags & OBSERVED_CHALLENGE_PASSED))
            fail_msg("cut at %zu: %s (%s)", at, outcome_name(o.outcome.kind), o.detail);
    }
}

struct row {
    const char *what, *bytes;
    enum outcome_kind kind;
    enum stage stage;
    unsigned flags;
};

static void test_ends(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"cut by the limit", LAST(TEXT("Omar is"), "MAX_TOKENS", FULL), OUTCOME_OK, STAGE_DONE, OBSERVED_CHALLENGE_PASSED},
        {"thinking only", LAST("", "MAX_TOKENS", "\"promptTokenCount\":61,\"thoughtsTokenCount\":24,\"totalTokenCount\":85"), OUTCOME_OK,
         STAGE_DONE, OBSERVED_THINKING_ONLY},
        {"thinking only, no content",
         "data: {\"candidates\":[{\"finishReason\":\"MAX_TOKENS\",\"index\":0}],\"usageMetadata\":{\"thoughtsTokenCount\":9}}\n\n",
         OUTCOME_OK, STAGE_DONE, OBSERVED_THINKING_ONLY},
        {"empty", LAST("", "STOP", PROMPT), OUTCOME_EMPTY, STAGE_FIRST, 0},
        {"safety", LAST("", "SAFETY", PROMPT), OUTCOME_MODERATED, STAGE_FIRST, 0},
        {"other", LAST("", "OTHER", PROMPT), OUTCOME_EMPTY, STAGE_FIRST, 0},
        {"blocked prompt",
         "data: {\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},\"usageMetadata\":{\"promptTokenCount\":61}}\n\n",
         OUTCOME_MODERATED, STAGE_FIRST, 0},
        {"truncated", CHUNK(TEXT("Omar"), PROMPT), OUTCOME_TRUNCATED, STAGE_STREAM, 0},
        {"unspecified is no end",
         "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Omar\"}]},\"finishReason\":\"FINISH_REASON_UNSPECIFIED\"}]}\n\n",
         OUTCOME_TRUNCATED, STAGE_STREAM, 0},
        {"error in mid-stream",
         CHUNK(TEXT("Om"),
               PROMPT) "data: {\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}\n\n",
         OUTCOME_UPSTREAM_FULL, STAGE_STREAM, 0},
        {"a call", LAST("{\"functionCall\":{\"name\":\"f\",\"args\":{}}}", "STOP", FULL), OUTCOME_OK, STAGE_DONE, 0},
        {"another dialect", "data: {\"choices\":[{\"delta\":{\"content\":\"Omar\"},\"finish_reason\":\"stop\"}]}\n\n", OUTCOME_MALFORMED,
         STAGE_FIRST, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 0; step < 20; step += 3) {
            struct observation o = try_step(&plain, (const struct piece[]){{10 * MS, rows[i].bytes}, END}, step);
            if (o.outcome.kind != rows[i].kind || o.outcome.stage != rows[i].stage || (o.flags & rows[i].flags) != rows[i].flags)
                fail_msg("%s: %s at %s, flags %x (%s)", rows[i].what, outcome_name(o.outcome.kind), stage_name(o.outcome.stage), o.flags,
                         o.detail);
        }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum outcome_kind kind;
    } rows[] = {
        {400, "{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\",\"status\":\"INVALID_ARGUMENT\"}}",
         OUTCOME_AUTH},
        {404, "{\"error\":{\"code\":404,\"message\":\"models/gemini-9 is not found for API version v1beta\",\"status\":\"NOT_FOUND\"}}",
         OUTCOME_MODEL_MISSING},
        {429, "[{\"error\":{\"code\":429,\"message\":\"Quota exceeded for metric: x\",\"status\":\"RESOURCE_EXHAUSTED\"}}]",
         OUTCOME_RATE_LIMITED},
        {403, "{\"error\":{\"code\":403,\"message\":\"no\",\"status\":\"PERMISSION_DENIED\"}}", OUTCOME_FORBIDDEN},
        {500, "{\"error\":{\"code\":500,\"message\":\"An internal error has occurred.\",\"status\":\"INTERNAL\"}}", OUTCOME_SERVER_ERROR},
        {503, "{\"error\":{\"code\":503,\"message\":\"The model is overloaded. Please try again later.\",\"status\":\"UNAVAILABLE\"}}",
         OUTCOME_UPSTREAM_FULL},
        {400,
         "{\"error\":{\"code\":400,\"message\":\"Budget 0 is invalid. This model only works in thinking "
         "mode.\",\"status\":\"INVALID_ARGUMENT\"}}",
         OUTCOME_BAD_REQUEST},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct try_setup setup = {.dialect = DIALECT_GEMINI, .status = rows[i].status, .content_type = "application/json"};
        struct observation o = try_step(&setup, (const struct piece[]){{10 * MS, rows[i].body}, END}, 7);
        if (o.outcome.kind != rows[i].kind)
            fail_msg("%zu: %s (%s)", i, outcome_name(o.outcome.kind), o.detail);
    }
}

/* Without alt=sse: one array, or one object. */
static void test_whole_body(void **state)
{
    (void)state;
#define ANSWER "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Omar\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{" FULL "}}"
    static const char *const bodies[] = {
        ANSWER,
        "[" ANSWER "]",
        "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Om\"}]}}]}\r\n,\r\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
        "\"ar\"}]},"
        "\"finishReason\":\"STOP\"}],\"usageMetadata\":{" FULL "}}\r\n]",
    };
    struct try_setup setup = {.dialect = DIALECT_GEMINI, .content_type = "application/json"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct observation o = try_step(&setup, (const struct piece[]){{10 * MS, bodies[i]}, END}, 5);
        assert_outcome(o, OUTCOME_OK, STAGE_DONE);
        assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED | OBSERVED_ONE_BURST);
        assert_int_equal(o.output_tokens, 122);
    }
    struct observation late = try_chat(
        &setup,
        (const struct piece[]){
            {10 * MS, "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Om\"}]}}]},{\"error\":{\"code\":500,\"message\":\"x\"}}]"},
            END});
    assert_outcome(late, OUTCOME_ERROR_IN_200, STAGE_STREAM);
}

/* Shapes that a stranger may send: no crash, and no success. */
static void test_strange_shapes(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"candidates\":{}}",
        "{\"candidates\":[]}",
        "{\"candidates\":[null]}",
        "{\"candidates\":[{\"content\":[]}]}",
        "{\"candidates\":[{\"content\":{\"parts\":{}}}]}",
        "{\"candidates\":[{\"content\":{\"parts\":[null,7,[],{\"text\":7}]}}]}",
        "{\"candidates\":[{\"finishReason\":7}]}",
        "{\"usageMetadata\":[]}",
        "{\"usageMetadata\":{\"promptTokenCount\":\"x\",\"thoughtsTokenCount\":1e300}}",
        "{\"promptFeedback\":7}",
        "{\"promptFeedback\":{\"blockReason\":\"\"}}",
        "{\"modelVersion\":{},\"responseId\":[]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        char event[256], body[256];
        snprintf(event, sizeof event, "data: %s\n\n", events[i]);
        snprintf(body, sizeof body, "[%s]", events[i]);
        assert_int_equal(try_chat(&plain, (const struct piece[]){{10 * MS, event}, END}).outcome.fault, FAULT_RELAY);
        assert_int_equal(try_chat(&plain, (const struct piece[]){{10 * MS, body}, END}).outcome.fault, FAULT_RELAY);
    }
}

/* Counts that leave the thoughts out, and such that hold them. */
static void test_usage(void **state)
{
    (void)state;
    static const struct {
        const char *usage;
        int output, thoughts;
    } rows[] = {
        {"\"promptTokenCount\":61,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":100,\"totalTokenCount\":163", 102, 100},
        {"\"promptTokenCount\":61,\"candidatesTokenCount\":102,\"thoughtsTokenCount\":100,\"totalTokenCount\":163", 102, 100},
        {"\"promptTokenCount\":61,\"candidatesTokenCount\":2", 2, -1},
        {"\"promptTokenCount\":61,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":100", 102, 100},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char event[512];
        snprintf(
            event, sizeof event,
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Omar\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{%s}}\n\n",
            rows[i].usage);
        struct observation o = try_chat(&plain, (const struct piece[]){{10 * MS, event}, END});
        assert_int_equal(o.output_tokens, rows[i].output);
        assert_int_equal(o.reasoning_tokens, rows[i].thoughts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request), cmocka_unit_test(test_stream),         cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_ends),    cmocka_unit_test(test_errors),         cmocka_unit_test(test_whole_body),
        cmocka_unit_test(test_usage),   cmocka_unit_test(test_strange_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
