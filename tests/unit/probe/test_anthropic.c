/* The Anthropic dialect: the request, the typed events, their usage, and its errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/probe/chat_try.h"

#define EVENT(name, members) "event: " name "\ndata: {\"type\":\"" name "\"" members "}\n\n"
#define START                                                                                                                              \
    EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5-"     \
                           "20250929\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":50,\"cache_read_input_tokens\":12," \
                           "\"cache_creation_input_tokens\":0,\"output_tokens\":1}}")
#define PING           EVENT("ping", "")
#define OPEN           EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
#define TEXT(text)     EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" text "\"}")
#define THINKING(text) EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"" text "\"}")
#define SIGNATURE      EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"EqQB\"}")
#define CLOSE          EVENT("content_block_stop", ",\"index\":0")
#define DELTA(why)     EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" why "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":4}")
#define STOP           EVENT("message_stop", "")

static const struct try_setup plain = {.dialect = DIALECT_ANTHROPIC, .model = "claude-sonnet-4-5"};

static void test_request(void **state)
{
    (void)state;
    for (int reasoning = 0; reasoning < 2; reasoning++) {
        struct chat_request chat;
        int64_t max = 0;
        bool stream = false;
        struct chat_ask ask = {.model = "claude-\"x\"", .prompt = "line\n二", .max_tokens = 24, .reasoning = reasoning};
        dialect_get(DIALECT_ANTHROPIC)->request(&chat, &ask);
        assert_string_equal(buf_str(&chat.path), "/v1/messages");
        assert_string_equal(dialect_anthropic.key_header, "x-api-key");
        assert_false(dialect_anthropic.key_bearer);
        assert_int_equal(chat.sent, reasoning ? 0 : PARAMETER_BIT(PARAMETER_TEMPERATURE));
        assert_int_equal(chat.headers_len, 3);
        assert_string_equal(chat.headers[2].name, "anthropic-version");
        cJSON *json = json_parse(buf_str(&chat.body), chat.body.len, NULL);
        assert_non_null(json);
        assert_string_equal(json_string(json, "model"), "claude-\"x\"");
        assert_string_equal(json_string(json, "messages.0.content"), "line\n二");
        assert_true(json_int(json, "max_tokens", &max) && max == 24);
        assert_true(json_bool(json, "stream", &stream) && stream);
        assert_int_equal(json_at(json, "temperature") == NULL, reasoning);
        assert_null(json_at(json, "thinking"));
        cJSON_Delete(json);
        chat_request_done(&chat);

        ask.left_out = PARAMETER_BIT(PARAMETER_TEMPERATURE);
        dialect_get(DIALECT_ANTHROPIC)->request(&chat, &ask);
        assert_null(strstr(buf_str(&chat.body), "temperature"));
        assert_int_equal(chat.sent, 0);
        chat_request_done(&chat);
    }
}

static void test_stream(void **state)
{
    (void)state;
    static const struct piece stream[] = {
        {20 * MS, START},
        {30 * MS, PING},
        {40 * MS, OPEN},
        {50 * MS, TEXT("")},
        {200 * MS, TEXT("Om")},
        {210 * MS, PING},
        {260 * MS, TEXT("ar")},
        {270 * MS, CLOSE DELTA("end_turn") STOP},
        END,
    };
    for (size_t step = 0; step < 30; step++) {
        struct observation o = try_step(&plain, stream, step);
        assert_outcome(o, OUTCOME_OK, STAGE_DONE);
        assert_int_equal(o.ttft, 200 * MS);
        assert_int_equal(o.content, 200 * MS);
        assert_int_equal(o.gap_max, 60 * MS);
        assert_int_equal(o.chunks, 2);
        assert_int_equal(o.prompt_tokens, 62); /* cached ones were sent as well */
        assert_int_equal(o.output_tokens, 4);
        assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED);
    }
}

static void test_thinking(void **state)
{
    (void)state;
    static const struct piece stream[] = {
        {20 * MS, START},
        {100 * MS, THINKING("It is")},
        {150 * MS, THINKING(" Omar")},
        {160 * MS, SIGNATURE},
        {300 * MS, TEXT("Omar")},
        {301 * MS, DELTA("end_turn") STOP},
        END,
    };
    struct observation o = try_chat(&plain, stream);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_int_equal(o.ttft, 100 * MS);
    assert_int_equal(o.content, 300 * MS);
    assert_int_equal(o.chunks, 3); /* a signature is no token */
    static const struct piece swallowed[] = {{20 * MS, START THINKING("It")}, {30 * MS, DELTA("max_tokens") STOP}, END};
    o = try_chat(&plain, swallowed);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_true(o.flags & OBSERVED_THINKING_ONLY);
}

struct row {
    const char *what;
    struct piece pieces[4];
    enum outcome_kind kind;
    enum stage stage;
    enum fault fault;
};

static void test_ends(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"no message_stop", {{1, START TEXT("Omar")}, {2, DELTA("end_turn")}, END}, OUTCOME_OK, STAGE_DONE, FAULT_NONE},
        {"no stop_reason", {{1, START TEXT("Omar")}, {2, STOP}, END}, OUTCOME_OK, STAGE_DONE, FAULT_NONE},
        {"[DONE]", {{1, START TEXT("Omar")}, {2, "data: [DONE]\n\n"}, END}, OUTCOME_OK, STAGE_DONE, FAULT_NONE},
        {"text in the block's start",
         {{1, START EVENT("content_block_start", ",\"content_block\":{\"type\":\"text\",\"text\":\"Omar\"}")}, {2, STOP}, END},
         OUTCOME_OK,
         STAGE_DONE,
         FAULT_NONE},
        {"no type in the JSON",
         {{1, "event: content_block_delta\ndata: {\"delta\":{\"type\":\"text_delta\",\"text\":\"Omar\"}}\n\nevent: message_stop\ndata: "
              "{}\n\n"},
          END},
         OUTCOME_OK,
         STAGE_DONE,
         FAULT_NONE},
        {"no event names",
         {{1, "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Omar\"}}\n\n"},
          {2, "data: {\"type\":\"message_stop\"}\n\n"},
          END},
         OUTCOME_OK,
         STAGE_DONE,
         FAULT_NONE},
        {"a tool call",
         {{1, START EVENT("content_block_delta", ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}")},
          {2, DELTA("tool_use") STOP},
          END},
         OUTCOME_OK,
         STAGE_DONE,
         FAULT_NONE},
        {"cut", {{1, START TEXT("Om")}, END}, OUTCOME_TRUNCATED, STAGE_STREAM, FAULT_RELAY},
        {"cut at the start", {{1, START PING}, END}, OUTCOME_TRUNCATED, STAGE_FIRST, FAULT_RELAY},
        {"only pings", {{1, PING PING}, END}, OUTCOME_MALFORMED, STAGE_FIRST, FAULT_RELAY},
        {"empty", {{1, START OPEN}, {2, CLOSE DELTA("end_turn") STOP}, END}, OUTCOME_EMPTY, STAGE_FIRST, FAULT_RELAY},
        {"refused", {{1, START}, {2, DELTA("refusal") STOP}, END}, OUTCOME_MODERATED, STAGE_FIRST, FAULT_OURS},
        {"overloaded",
         {{1, START TEXT("Om")},
          {2, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"},
          END},
         OUTCOME_UPSTREAM_FULL,
         STAGE_STREAM,
         FAULT_RELAY},
        {"rate limit",
         {{1, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\"}}\n\n"}, END},
         OUTCOME_RATE_LIMITED,
         STAGE_FIRST,
         FAULT_NONE},
        {"api_error",
         {{1, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}\n\n"}, END},
         OUTCOME_ERROR_IN_200,
         STAGE_FIRST,
         FAULT_RELAY},
        {"OpenAI's dialect",
         {{1, "data: {\"choices\":[{\"delta\":{\"content\":\"Omar\"},\"finish_reason\":\"stop\"}]}\n\n"}, END},
         OUTCOME_MALFORMED,
         STAGE_FIRST,
         FAULT_RELAY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct observation o = try_step(&plain, rows[i].pieces, 17);
        if (o.outcome.kind != rows[i].kind || o.outcome.stage != rows[i].stage || o.outcome.fault != rows[i].fault)
            fail_msg("%s: %s at %s (\"%s\")", rows[i].what, outcome_name(o.outcome.kind), stage_name(o.outcome.stage), o.detail);
    }
}

static void test_body_instead_of_stream(void **state)
{
    (void)state;
    static const struct piece body[] = {
        {500 * MS, "{\"type\":\"message\",\"model\":\"claude-haiku-4-5\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{"
                   "\"type\":\"text\",\"text\":\"Omar\"}],"
                   "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":50,\"output_tokens\":4}}"},
        END,
    };
    struct observation o = try_step(&plain, body, 9);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED | OBSERVED_ONE_BURST | OBSERVED_MODEL_DIFFERS);
    assert_int_equal(o.ttft, 500 * MS);
    assert_int_equal(o.prompt_tokens, 50);
}

/* Relays that translate: input tokens first told as 0, or told once and then as 0. */
static void test_usage(void **state)
{
    (void)state;
    static const struct piece late[] = {
        {1, EVENT("message_start", ",\"message\":{\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}") TEXT("Omar")},
        {2, EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":55,\"output_tokens\":3}") STOP},
        END,
    };
    static const struct piece early[] = {
        {1, START TEXT("Omar")},
        {2, EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":0,\"output_tokens\":3}") STOP},
        END,
    };
    static const struct piece huge[] = {
        {1, EVENT("message_start", ",\"message\":{\"usage\":{\"input_tokens\":9223372036854775807,\"cache_read_input_tokens\":"
                                   "9223372036854775807,\"output_tokens\":-1}}") TEXT("Omar") STOP},
        END,
    };
    struct observation o = try_chat(&plain, late);
    assert_int_equal(o.prompt_tokens, 55);
    assert_int_equal(o.flags & OBSERVED_USAGE_IMPOSSIBLE, 0);
    o = try_chat(&plain, early);
    assert_int_equal(o.prompt_tokens, 62);
    o = try_chat(&plain, huge);
    assert_int_equal(o.prompt_tokens, -1);
    assert_int_equal(o.output_tokens, -1);
    assert_true(o.flags & OBSERVED_USAGE_IMPOSSIBLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_thinking),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_body_instead_of_stream),
        cmocka_unit_test(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
