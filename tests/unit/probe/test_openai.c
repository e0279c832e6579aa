/* The OpenAI dialect: what is asked for which model, and each form in which a delta brings its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/probe/chat_try.h"

static cJSON *request(const char *model, const char *prompt, bool reasoning)
{
    struct chat_request chat;
    struct chat_ask ask = {.model = model, .prompt = prompt, .max_tokens = 16, .reasoning = reasoning};
    dialect_get(DIALECT_OPENAI)->request(&chat, &ask);
    assert_string_equal(buf_str(&chat.path), "/chat/completions");
    assert_string_equal(dialect_openai.key_header, "Authorization");
    assert_true(dialect_openai.key_bearer);
    assert_int_equal(chat.headers_len, 2);
    cJSON *json = json_parse(buf_str(&chat.body), chat.body.len, NULL);
    chat_request_done(&chat);
    assert_non_null(json);
    assert_string_equal(json_string(json, "model"), model);
    assert_string_equal(json_string(json, "messages.0.role"), "user");
    assert_string_equal(json_string(json, "messages.0.content"), prompt);
    assert_null(json_at(json, "messages.1"));
    bool stream = false, usage = false;
    assert_true(json_bool(json, "stream", &stream) && stream);
    assert_true(json_bool(json, "stream_options.include_usage", &usage) && usage);
    return json;
}

static void test_request(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        bool reasoning, newer, temperature, effort;
    } rows[] = {
        {"gpt-4o-mini", false, false, true, false},
        {"openai/gpt-4o", false, false, true, false},
        {"gpt-5-mini", true, true, false, true},
        {"openai/gpt-5", true, true, false, true},
        {"gpt-5.1", true, true, false, true},
        {"gpt-5-chat-latest", true, true, false, false},
        {"gpt-5-mini", false, true, false, false},
        {"o1", true, true, false, true},
        {"o1-mini", true, true, false, false},
        {"o3", true, true, false, true},
        {"o4-mini", true, true, false, true},
        {"openai/o3-mini", true, true, false, true},
        {"gpt-oss-120b", true, false, false, true},
        {"google/gemini-2.5-flash", true, false, false, true},
        {"deepseek-r1", true, false, false, false},
        {"Qwen/Qwen3-235B-A22B", true, false, false, false},
        {"claude-sonnet-4-5", false, false, true, false},
        {"openchat", false, false, true, false},
        {"grok-4", true, false, false, false},
        {"gpt-4.1", false, false, true, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cJSON *json = request(rows[i].model, "hello", rows[i].reasoning);
        int64_t max = 0;
        assert_true(json_int(json, rows[i].newer ? "max_completion_tokens" : "max_tokens", &max));
        assert_int_equal(max, 16);
        assert_null(json_at(json, rows[i].newer ? "max_tokens" : "max_completion_tokens"));
        if ((json_at(json, "temperature") != NULL) != rows[i].temperature || (json_at(json, "reasoning_effort") != NULL) != rows[i].effort)
            fail_msg("%s: temperature or effort", rows[i].model);
        cJSON_Delete(json);
    }
    cJSON_Delete(request("we\"ird\\模型", "a \"quoted\"\nline", false));
}

/* What a route refused is sent no more, or otherwise. */
static void test_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        bool reasoning;
        unsigned left_out;
        const char *there, *gone;
    } rows[] = {
        {"gpt-4o", false, 0, "\"max_tokens\":24", "completion"},
        {"gpt-4o", false, PARAMETER_BIT(PARAMETER_MAX_TOKENS), "\"max_completion_tokens\":24", "max_tokens"},
        {"gpt-5", true, PARAMETER_BIT(PARAMETER_MAX_COMPLETION_TOKENS), "\"max_tokens\":24", "completion"},
        {"gpt-4o", false, PARAMETER_BIT(PARAMETER_MAX_TOKENS) | PARAMETER_BIT(PARAMETER_MAX_COMPLETION_TOKENS), "\"max_tokens\":24",
         "completion"},
        {"gpt-4o", false, PARAMETER_BIT(PARAMETER_TEMPERATURE), "stream_options", "temperature"},
        {"gpt-4o", false, PARAMETER_BIT(PARAMETER_STREAM_OPTIONS), "\"stream\":true", "stream_options"},
        {"openai/gpt-5-mini", true, 0, "\"reasoning_effort\":\"minimal\"", "temperature"},
        {"gpt-5-2025-08-07", true, 0, "\"reasoning_effort\":\"minimal\"", "temperature"},
        {"gpt-5-codex", true, 0, "\"reasoning_effort\":\"low\"", "minimal"},
        {"gpt-5.1", true, 0, "\"reasoning_effort\":\"low\"", "minimal"},
        {"gpt-5-mini", true, PARAMETER_BIT(PARAMETER_LEAST_EFFORT), "\"reasoning_effort\":\"low\"", "minimal"},
        {"gpt-5-mini", true, PARAMETER_BIT(PARAMETER_LEAST_EFFORT) | PARAMETER_BIT(PARAMETER_EFFORT), "\"stream\":true", "effort"},
        {"Qwen/Qwen3-8B", true, 0, "\"enable_thinking\":false", "temperature"},
        {"Qwen/Qwen3-8B", false, 0, "\"temperature\":0", "enable_thinking"},
        {"Qwen/Qwen3-8B", true, PARAMETER_BIT(PARAMETER_ENABLE_THINKING), "max_tokens", "enable_thinking"},
        {"Qwen/Qwen3-30B-A3B-Thinking-2507", true, 0, "max_tokens", "enable_thinking"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chat_request chat;
        struct chat_ask ask = {rows[i].model, "hello", 24, rows[i].reasoning, rows[i].left_out};
        dialect_openai.request(&chat, &ask);
        if (!strstr(buf_str(&chat.body), rows[i].there) || strstr(buf_str(&chat.body), rows[i].gone))
            fail_msg("%zu: %s", i, buf_str(&chat.body));
        for (int p = 0; p < PARAMETER_COUNT; p++) { /* what counts as sent is in it, and nothing else */
            char name[64];
            snprintf(name, sizeof name, "\"%s\"", parameter_name((enum chat_parameter)p));
            bool there = strstr(buf_str(&chat.body), name) != NULL;
            if (p != PARAMETER_LEAST_EFFORT && there != ((chat.sent & PARAMETER_BIT(p)) != 0))
                fail_msg("%zu: %s in %s", i, name, buf_str(&chat.body));
        }
        chat_request_done(&chat);
    }
}

static const struct try_setup plain = {.dialect = DIALECT_OPENAI};

/* One event, then the finish. */
static struct observation delta(const char *members)
{
    char event[2048];
    snprintf(event, sizeof event, "data: {\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":null}]}\n\n", members);
    return try_chat(&plain, (const struct piece[]){
                                {10 * MS, event}, {90 * MS, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"}, END});
}

static void expect_text(const char *members, bool content, bool passed)
{
    struct observation o = delta(members);
    if (!outcome_ok(o.outcome) || o.ttft != 10 * MS || (o.content != OBSERVATION_UNKNOWN) != content)
        fail_msg("%s: %s, ttft %ld, content %ld", members, outcome_name(o.outcome.kind), (long)o.ttft, (long)o.content);
    assert_int_equal((o.flags & OBSERVED_CHALLENGE_PASSED) != 0, passed);
}

static void test_deltas_with_text(void **state)
{
    (void)state;
    expect_text("\"content\":\"Omar\"", true, true);
    expect_text("\"content\":[{\"type\":\"text\",\"text\":\"Omar\"}]", true, true);
    expect_text("\"reasoning_content\":\"Omar\"", false, false);
    expect_text("\"content\":null,\"reasoning\":\"Omar\"", false, false);
    expect_text("\"content\":\"\",\"reasoning\":null,\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hm\"}]", false, false);
    expect_text("\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"xx\"}]", false, false);
    expect_text("\"content\":\"Omar\",\"reasoning_content\":\"hm\"", true, true);
    expect_text("\"refusal\":\"I can not\"", true, false);
    expect_text("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]", true, false);
    expect_text("\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}", true, false);
    assert_int_equal(delta("\"content\":\"Omar\",\"reasoning_content\":\"hm\"").chunks, 2);
    assert_int_equal(delta("\"reasoning\":\"hm\",\"reasoning_content\":\"hm\",\"reasoning_details\":[{\"text\":\"hm\"}]").chunks,
                     1); /* the same thing thrice */
}

static void test_deltas_without_text(void **state)
{
    (void)state;
    static const char *const members[] = {
        "",
        "\"role\":\"assistant\"",
        "\"role\":\"assistant\",\"content\":\"\"",
        "\"content\":null",
        "\"content\":[]",
        "\"content\":[{\"type\":\"text\"}]",
        "\"content\":{}",
        "\"content\":7",
        "\"reasoning_content\":\"\"",
        "\"reasoning\":null",
        "\"reasoning_details\":[]",
        "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"\"}]",
        "\"tool_calls\":[]",
        "\"tool_calls\":null",
        "\"refusal\":null",
    };
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        struct observation o = delta(members[i]);
        if (o.outcome.kind != OUTCOME_EMPTY || o.ttft != OBSERVATION_UNKNOWN)
            fail_msg("%s: %s", members[i], outcome_name(o.outcome.kind));
    }
}

/* Shapes that a stranger may send: no crash, and no success. */
static void test_strange_shapes(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"choices\":{}}",
        "{\"choices\":[null]}",
        "{\"choices\":[[]]}",
        "{\"choices\":[7]}",
        "{\"choices\":[{\"delta\":[]}]}",
        "{\"choices\":[{\"delta\":\"x\"}]}",
        "{\"choices\":[{}]}",
        "{\"choices\":[{\"finish_reason\":7}]}",
        "{\"choices\":[{\"finish_reason\":\"\"}]}",
        "{\"choices\":[{\"finish_reason\":\"null\"}]}",
        "{\"model\":7,\"usage\":7}",
        "{\"usage\":{\"prompt_tokens\":{}}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        char event[256];
        snprintf(event, sizeof event, "data: %s\n\n", events[i]);
        struct observation o = try_chat(&plain, (const struct piece[]){{10 * MS, event}, END});
        assert_int_equal(o.outcome.fault, FAULT_RELAY);
    }
}

/* A relay that ends its stream with the whole message again, and one that sends messages where deltas ought to be. */
static void test_message_in_stream(void **state)
{
    (void)state;
    static const struct piece twice[] = {
        {10 * MS, "data: {\"choices\":[{\"delta\":{\"content\":\"Omar\"}}]}\n\n"},
        {20 * MS, "data: {\"choices\":[{\"message\":{\"content\":\"Omar\"},\"finish_reason\":\"stop\"}]}\n\n"},
        END,
    };
    static const struct piece only[] = {
        {10 * MS, "data: {\"choices\":[{\"message\":{\"content\":\"Omar\"},\"finish_reason\":\"stop\"}]}\n\n"}, END};
    struct observation o = try_chat(&plain, twice);
    assert_int_equal(o.chunks, 1);
    assert_true(outcome_ok(o.outcome));
    assert_true(outcome_ok(try_chat(&plain, only).outcome));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),        cmocka_unit_test(test_deltas_with_text),  cmocka_unit_test(test_deltas_without_text),
        cmocka_unit_test(test_strange_shapes), cmocka_unit_test(test_message_in_stream), cmocka_unit_test(test_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
