/* The Responses dialect: what is asked for, and each form in which an answer comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/probe/chat_try.h"

#define EVENT(type, members) "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":1" members "}\n\n"
#define RESPONSE(status, members)                                                                                                          \
    ",\"response\":{\"id\":\"resp_0a1b\",\"object\":\"response\",\"created_at\":1754000000,\"status\":\"" status                           \
    "\",\"error\":null,\"model\":\"gpt-5-mini-2025-08-07\"" members "}"
#define CREATED  EVENT("response.created", RESPONSE("in_progress", ",\"incomplete_details\":null,\"output\":[],\"usage\":null"))
#define PROGRESS EVENT("response.in_progress", RESPONSE("in_progress", ",\"output\":[]"))
#define ITEM     EVENT("response.output_item.added", ",\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[]}")
#define TEXT(t)                                                                                                                            \
    EVENT("response.output_text.delta", ",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"" t "\",\"logprobs\":[" \
                                                                                                                       "]")
#define SUMMARY(t)   EVENT("response.reasoning_summary_text.delta", ",\"item_id\":\"rs_1\",\"summary_index\":0,\"delta\":\"" t "\"")
#define THOUGHT(t)   EVENT("response.reasoning_text.delta", ",\"item_id\":\"rs_1\",\"content_index\":0,\"delta\":\"" t "\"")
#define TEXT_DONE(t) EVENT("response.output_text.done", ",\"item_id\":\"msg_1\",\"text\":\"" t "\"")
#define MESSAGE(t)                                                                                                                         \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","       \
    "\"text\":\"" t "\",\"annotations\":[]}]}"
#define ITEM_DONE(t) EVENT("response.output_item.done", ",\"output_index\":0,\"item\":" MESSAGE(t))
#define USAGE                                                                                                                              \
    ",\"usage\":{\"input_tokens\":61,\"input_tokens_details\":{\"cached_tokens\":5},\"output_tokens\":70,\"output_tokens_details\":{"      \
    "\"reasoning_tokens\":64},\"total_tokens\":131,\"cost\":0.00014}"
#define COMPLETED(output) EVENT("response.completed", RESPONSE("completed", ",\"incomplete_details\":null,\"output\":[" output "]" USAGE))
#define INCOMPLETE(why)                                                                                                                    \
    EVENT("response.incomplete", RESPONSE("incomplete", ",\"incomplete_details\":{\"reason\":\"" why "\"},\"output\":[]" USAGE))

static const struct try_setup plain = {.dialect = DIALECT_RESPONSES, .model = "gpt-5-mini"};

static void test_request(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        bool reasoning;
        unsigned left_out;
        const char *effort;
        bool temperature, store;
    } rows[] = {
        {"gpt-4o-mini", false, 0, NULL, true, true},
        {"openai/gpt-5-mini", true, 0, "minimal", false, true},
        {"gpt-5-mini", true, PARAMETER_BIT(PARAMETER_LEAST_EFFORT), "low", false, true},
        {"gpt-5-mini", true, PARAMETER_BIT(PARAMETER_EFFORT), NULL, false, true},
        {"o3", true, 0, "low", false, true},
        {"gpt-5-chat-latest", true, 0, NULL, false, true},
        {"gpt-5", false, 0, NULL, false, true},
        {"gpt-4o-mini", false, PARAMETER_BIT(PARAMETER_TEMPERATURE) | PARAMETER_BIT(PARAMETER_STORE), NULL, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chat_request chat;
        struct chat_ask ask = {rows[i].model, "a \"quoted\"\nline", i % 2 ? 24 : 3, rows[i].reasoning, rows[i].left_out};
        int64_t max = 0;
        bool stream = false;
        dialect_get(DIALECT_RESPONSES)->request(&chat, &ask);
        assert_string_equal(buf_str(&chat.path), "/responses");
        cJSON *json = json_parse(buf_str(&chat.body), chat.body.len, NULL);
        assert_non_null(json);
        assert_string_equal(json_string(json, "model"), rows[i].model);
        assert_string_equal(json_string(json, "input.0.content.0.text"), ask.prompt);
        assert_true(json_int(json, "max_output_tokens", &max) && max == (i % 2 ? 24 : 16));
        assert_true(json_bool(json, "stream", &stream) && stream);
        const char *effort = json_string(json, "reasoning.effort");
        if ((effort == NULL) != (rows[i].effort == NULL) || (effort && strcmp(effort, rows[i].effort) != 0) ||
            (json_at(json, "temperature") != NULL) != rows[i].temperature || (json_at(json, "store") != NULL) != rows[i].store)
            fail_msg("%zu: %s", i, buf_str(&chat.body));
        assert_int_equal((chat.sent & PARAMETER_BIT(PARAMETER_EFFORT)) != 0, effort != NULL);
        cJSON_Delete(json);
        chat_request_done(&chat);
    }
    assert_string_equal(dialect_responses.key_header, "Authorization");
    assert_true(dialect_responses.key_bearer);
}

static void test_stream(void **state)
{
    (void)state;
    static const struct piece stream[] = {
        {20 * MS, CREATED PROGRESS},
        {30 * MS, ITEM},
        {40 * MS, TEXT("")},
        {100 * MS, SUMMARY("**Looking**")},
        {200 * MS, TEXT("Om")},
        {260 * MS, TEXT("ar")},
        {270 * MS, TEXT_DONE("Omar") ITEM_DONE("Omar")},
        {280 * MS, COMPLETED(MESSAGE("Omar"))},
        END,
    };
    for (size_t step = 0; step < 40; step++) {
        struct observation o = try_step(&plain, stream, step);
        assert_outcome(o, OUTCOME_OK, STAGE_DONE);
        assert_int_equal(o.ttft, 100 * MS);
        assert_int_equal(o.content, 200 * MS);
        assert_int_equal(o.chunks, 3); /* nothing is taken twice */
        assert_int_equal(o.prompt_tokens, 61);
        assert_int_equal(o.output_tokens, 70);
        assert_int_equal(o.reasoning_tokens, 64);
        assert_int_equal(o.cached_tokens, 5);
        assert_int_equal(o.charged_pico, 140000000);
        assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED);
    }
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    static const char whole[] = CREATED THOUGHT("hm 二") TEXT("Omar") COMPLETED(MESSAGE("Omar"));
    for (size_t at = 1; at + 1 < sizeof whole; at++) {
        char head[sizeof whole];
        memcpy(head, whole, at);
        head[at] = '\0';
        struct observation o = try_chat(&plain, (const struct piece[]){{10 * MS, head}, {20 * MS, whole + at}, END});
        if (!outcome_ok(o.outcome) || o.output_tokens != 70 || !(o.flags & OBSERVED_CHALLENGE_PASSED))
            fail_msg("cut at %zu: %s (%s)", at, outcome_name(o.outcome.kind), o.detail);
    }
}

/* Relays that translate leave events out. */
static void test_sparse(void **state)
{
    (void)state;
    static const char *const streams[] = {
        TEXT("Omar") COMPLETED(""),
        TEXT_DONE("Omar") COMPLETED(""),
        ITEM_DONE("Omar") COMPLETED(""),
        COMPLETED(MESSAGE("Omar")),
        "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Omar\"}\n\ndata: "
        "{\"type\":\"response.completed\",\"response\":{}}\n\ndata: [DONE]\n\n",
        "event: response.output_text.delta\ndata: {\"delta\":\"Omar\"}\n\nevent: response.completed\ndata: "
        "{\"response\":{\"status\":\"completed\"}}\n\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct observation o = try_step(&plain, (const struct piece[]){{10 * MS, streams[i]}, END}, 11);
        if (!outcome_ok(o.outcome) || !(o.flags & OBSERVED_CHALLENGE_PASSED) || o.chunks != 1)
            fail_msg("%zu: %s, %d chunks (%s)", i, outcome_name(o.outcome.kind), o.chunks, o.detail);
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
        {"cut by the limit", TEXT("Omar is") INCOMPLETE("max_output_tokens"), OUTCOME_OK, STAGE_DONE, OBSERVED_CHALLENGE_PASSED},
        {"thinking only", CREATED INCOMPLETE("max_output_tokens"), OUTCOME_OK, STAGE_DONE, OBSERVED_THINKING_ONLY},
        {"filtered", CREATED INCOMPLETE("content_filter"), OUTCOME_MODERATED, STAGE_FIRST, 0},
        {"empty", CREATED COMPLETED(""), OUTCOME_EMPTY, STAGE_FIRST, 0},
        {"refusal", EVENT("response.refusal.delta", ",\"delta\":\"I can not\"") COMPLETED(""), OUTCOME_OK, STAGE_DONE,
         OBSERVED_CHALLENGE_FAILED},
        {"a call", EVENT("response.function_call_arguments.delta", ",\"delta\":\"{}\"") COMPLETED(""), OUTCOME_OK, STAGE_DONE, 0},
        {"truncated", CREATED TEXT("Omar"), OUTCOME_TRUNCATED, STAGE_STREAM, 0},
        {"truncated before", CREATED PROGRESS, OUTCOME_TRUNCATED, STAGE_FIRST, 0},
        {"failed",
         CREATED EVENT(
             "response.failed",
             ",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"boom\"}}"),
         OUTCOME_ERROR_IN_200, STAGE_FIRST, 0},
        {"failed without a word", TEXT("Om") EVENT("response.failed", ",\"response\":{\"status\":\"failed\",\"error\":null}"),
         OUTCOME_ERROR_IN_200, STAGE_STREAM, 0},
        {"failed by a limit",
         CREATED EVENT(
             "response.failed",
             ",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"Rate limit reached\"}}"),
         OUTCOME_RATE_LIMITED, STAGE_FIRST, 0},
        {"error event", CREATED EVENT("error", ",\"code\":\"insufficient_quota\",\"message\":\"x\",\"param\":null"), OUTCOME_NO_CREDIT,
         STAGE_FIRST, 0},
        {"cancelled", CREATED EVENT("response.completed", ",\"response\":{\"status\":\"cancelled\"}"), OUTCOME_ERROR_IN_200, STAGE_FIRST,
         0},
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

static void test_whole_body(void **state)
{
    (void)state;
#define BODY(status, details, output)                                                                                                      \
    "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"" status "\",\"error\":null,\"incomplete_details\":" details                  \
    ",\"model\":\"gpt-5-mini\",\"output\":[" output "]" USAGE "}"
#define REASONING "{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"hm\"}]},"
    static const struct {
        const char *body;
        enum outcome_kind kind;
        unsigned flags;
    } rows[] = {
        {BODY("completed", "null", REASONING MESSAGE("Omar")), OUTCOME_OK, OBSERVED_CHALLENGE_PASSED | OBSERVED_ONE_BURST},
        {BODY("incomplete", "{\"reason\":\"max_output_tokens\"}", ""), OUTCOME_OK, OBSERVED_THINKING_ONLY},
        {BODY("failed", "null", ""), OUTCOME_ERROR_IN_200, 0},
        {"{\"object\":\"response\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"},\"output\":[]}",
         OUTCOME_ERROR_IN_200, 0},
        {"{\"object\":\"response\"}", OUTCOME_MALFORMED, 0},
        {BODY("in_progress", "null", ""), OUTCOME_TRUNCATED, 0},
    };
    struct try_setup setup = {.dialect = DIALECT_RESPONSES, .model = "gpt-5-mini", .content_type = "application/json"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct observation o = try_step(&setup, (const struct piece[]){{10 * MS, rows[i].body}, END}, 5);
        if (o.outcome.kind != rows[i].kind || (o.flags & rows[i].flags) != rows[i].flags)
            fail_msg("%zu: %s, flags %x (%s)", i, outcome_name(o.outcome.kind), o.flags, o.detail);
    }
}

/* Shapes that a stranger may send: no crash, and no success. */
static void test_strange_shapes(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"type\":7}",
        "{\"type\":\"response.output_text.delta\"}",
        "{\"type\":\"response.output_text.delta\",\"delta\":{}}",
        "{\"type\":\"response.output_text.delta\",\"delta\":\"\"}",
        "{\"type\":\"response.output_item.done\",\"item\":[]}",
        "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"message\",\"content\":{}}}",
        "{\"type\":\"response.output_item.done\",\"item\":{\"content\":[null,7,{\"text\":7}]}}",
        "{\"type\":\"response.completed\",\"response\":[]}",
        "{\"type\":\"response.completed\",\"response\":{\"output\":[null],\"usage\":[],\"status\":7}}",
        "{\"type\":\"response.incomplete\",\"response\":{\"incomplete_details\":7}}",
        "{\"type\":\"response.created\",\"response\":{\"id\":7,\"model\":{}}}",
        "{\"type\":\"response.\"}",
        "{\"type\":\".delta\",\"delta\":\"x\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        char event[256];
        snprintf(event, sizeof event, "data: %s\n\n", events[i]);
        struct observation o = try_chat(&plain, (const struct piece[]){{10 * MS, event}, END});
        if (o.outcome.fault != FAULT_RELAY)
            fail_msg("%s: %s", events[i], outcome_name(o.outcome.kind));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),        cmocka_unit_test(test_stream), cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_sparse),         cmocka_unit_test(test_ends),   cmocka_unit_test(test_whole_body),
        cmocka_unit_test(test_strange_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
