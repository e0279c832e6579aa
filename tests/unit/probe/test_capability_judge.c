/* Answers to tries of capabilities: real-like and hostile ones, and what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probed/probe/capability_try.h"
#include "shared/text.h"

#define YES CAPABILITY_YES
#define NO CAPABILITY_NO
#define UNCLEAR CAPABILITY_UNCLEAR

struct case_ {
    enum capability_state want;
    int status;
    const char *body;
    const char *evidence; /* a part of it; NULL = any */
};

static struct capability_finding judge(enum capability capability, enum dialect_id dialect, const char *model, int status, const char *body, size_t len)
{
    const struct capability_try t = {.capability = capability, .dialect = dialect, .nonce = "5b1e09af", .colour = PICTURE_BLUE};
    const struct capability_answer answer = {
        .stage = STAGE_DONE, .transport = OUTCOME_OK, .status = status, .content_type = "application/json", .body = body, .len = len};
    struct capability_finding f;
    capability_judge(&t, model, &answer, &f);
    return f;
}

static void check(enum capability capability, enum dialect_id dialect, const struct case_ *cases, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        struct capability_finding f = judge(capability, dialect, "gpt-4o", cases[i].status, cases[i].body, strlen(cases[i].body));
        if (f.state != cases[i].want || (cases[i].evidence && !strstr(f.evidence, cases[i].evidence)))
            fail_msg("%s, case %zu: %s, \"%s\", for %d %.200s", capability_name(capability), i, capability_state_name(f.state), f.evidence, cases[i].status,
                     cases[i].body);
        assert_true(f.evidence[0] != '\0' && text_is_utf8(f.evidence, strlen(f.evidence)));
    }
}
#define CHECK(capability, dialect, cases) check(capability, dialect, cases, ARRAY_LEN(cases))

#define CHOICE(message, reason)                                                                                                             \
    "{\"id\":\"x\",\"object\":\"chat.completion\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"message\":" message ",\"finish_reason\":\"" reason \
    "\"}],\"usage\":{\"prompt_tokens\":81,\"completion_tokens\":17,\"total_tokens\":98}}"
#define SAYS(text, reason) CHOICE("{\"role\":\"assistant\",\"content\":" text "}", reason)
#define CALLS(name, arguments)                                                                                                              \
    CHOICE("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"" name  \
           "\",\"arguments\":" arguments "}}]}",                                                                                              \
           "tool_calls")
#define ERROR(message) "{\"error\":{\"message\":\"" message "\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}"

static void test_tools(void **state)
{
    (void)state;
    static const struct case_ cases[] = {
        {YES, 200, CALLS("record_code", "\"{\\\"code\\\":\\\"5b1e09af\\\"}\""), "called the function"},
        {YES, 200, CALLS("record_code", "\"{\\\"code\\\": \\\"5b1e09af\\\", \\\"more\\\": 1}\""), NULL},
        {NO, 200, CALLS("record_code", "\"{\\\"code\\\":\\\"5b1e09ae\\\"}\""), "not with the code: 5b1e09ae"},
        {NO, 200, CALLS("record_code", "\"{\\\"code\\\":5}\""), "not with the code: (none)"},
        {NO, 200, CALLS("record_code", "\"{\\\"code\\\":\\\"5b1e09af\\\"\""), "no JSON object"},
        {NO, 200, CALLS("record_code", "\"code=5b1e09af\""), "no JSON object"},
        {NO, 200, CALLS("record_code", "{\"code\":\"5b1e09af\"}"), "no JSON object"}, /* clients parse a text */
        {NO, 200, CALLS("get_weather", "\"{}\""), "another function: get_weather"},
        {NO, 200, SAYS("\"I have recorded the code 5b1e09af.\"", "stop"), "no call, but text: I have"},
        {NO, 200, SAYS("\"<tool_call>{\\\"name\\\":\\\"record_code\\\"}</tool_call>\"", "stop"), "no call, but text"},
        {UNCLEAR, 200, SAYS("\"I will now\"", "length"), "cut by its limit"},
        {UNCLEAR, 200, SAYS("\"\"", "stop"), "empty"},
        {UNCLEAR, 200, SAYS("null", "stop"), "empty"},
        {UNCLEAR, 200, SAYS("\"\"", "content_filter"), "filter"},
        {UNCLEAR, 200, CHOICE("[]", "stop"), "without a message"},
        {UNCLEAR, 200, "{\"choices\":[]}", NULL},
        {UNCLEAR, 200, "[]", "no JSON answer"},
        {UNCLEAR, 200, "", NULL},
        {UNCLEAR, 200, "<html><title>Sign in</title></html>", NULL},
        {UNCLEAR, 200, "data: {\"choices\":[]}\n\n", NULL},
        {NO, 400, ERROR("this model does not support function calling"), "refused, 400: "},
        {NO, 400, ERROR("`tools` is not supported in this model."), NULL},
        {NO, 404, ERROR("No endpoints found that support tool use. Try disabling \\\"record_code\\\"."), NULL},
        {NO, 422, "{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"tools\"],\"msg\":\"tools: extra inputs are not permitted\"}]}", NULL},
        {NO, 400, "{\"code\":20015,\"message\":\"当前模型不支持工具调用\",\"data\":null}", NULL},
        {NO, 200, ERROR("tool calls are not supported"), NULL}, /* an error in 200 */
        {UNCLEAR, 400, ERROR("max_tokens is too large"), NULL},
        {UNCLEAR, 400, ERROR("Unsupported parameter: 'temperature'"), NULL},
        {UNCLEAR, 404, ERROR("The model `gpt-4o` does not exist"), NULL},
        {UNCLEAR, 500, ERROR("this model does not support tools"), "500"},
        {UNCLEAR, 502, "<html><body>tool</body></html>", NULL},
        {UNCLEAR, 503, ERROR("no available channel for tools"), NULL},
        {UNCLEAR, 429, ERROR("too many tool requests"), "429"},
        {UNCLEAR, 401, ERROR("invalid api key, function disabled"), NULL},
        {UNCLEAR, 402, ERROR("insufficient credit for tools"), NULL},
        {UNCLEAR, 200, ERROR("upstream error"), NULL},
    };
    CHECK(CAPABILITY_TOOLS, DIALECT_OPENAI, cases);
    static const struct case_ anthropic[] = {
        {YES, 200,
         "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"Sure.\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"record_code\",\"input\":"
         "{\"code\":\"5b1e09af\"}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":400,\"output_tokens\":40}}",
         NULL},
        {NO, 200, "{\"content\":[{\"type\":\"tool_use\",\"name\":\"record_code\",\"input\":\"5b1e09af\"}],\"stop_reason\":\"tool_use\"}", "no JSON object"},
        {NO, 200, "{\"content\":[{\"type\":\"text\",\"text\":\"recorded\"}],\"stop_reason\":\"end_turn\"}", "no call, but text: recorded"},
        {UNCLEAR, 200, "{\"content\":[],\"stop_reason\":\"max_tokens\"}", "cut"},
        {UNCLEAR, 200, "{\"content\":{\"type\":\"tool_use\"}}", "without a message"},
        {NO, 400, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"tools: not supported\"}}", NULL},
        {UNCLEAR, 529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", NULL},
    };
    CHECK(CAPABILITY_TOOLS, DIALECT_ANTHROPIC, anthropic);
}

static void test_json(void **state)
{
    (void)state;
    static const struct case_ cases[] = {
        {YES, 200, SAYS("\"{\\\"code\\\": \\\"5b1e09af\\\"}\"", "stop"), "the object that was asked for"},
        {YES, 200, SAYS("\"\\n  {\\n \\\"code\\\": \\\"5b1e09af\\\"\\n}\\n\"", "stop"), NULL},
        {YES, 200, CHOICE("{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"code\\\":\\\"5b1e09af\\\"}\"}]}", "stop"), NULL},
        {NO, 200, SAYS("\"```json\\n{\\\"code\\\": \\\"5b1e09af\\\"}\\n```\"", "stop"), "no JSON: ```json"},
        {NO, 200, SAYS("\"Here it is: {\\\"code\\\": \\\"5b1e09af\\\"}\"", "stop"), "no JSON: Here"},
        {NO, 200, SAYS("\"{\\\"code\\\": \\\"00000000\\\"}\"", "stop"), "JSON without the code"},
        {NO, 200, SAYS("\"{\\\"Code\\\": \\\"5b1e09af\\\"}\"", "stop"), "JSON without the code"},
        {NO, 200, SAYS("\"\\\"5b1e09af\\\"\"", "stop"), "no JSON"}, /* a text, no object */
        {UNCLEAR, 200, SAYS("\"{\\\"code\\\": \"", "length"), "cut"},
        {UNCLEAR, 200, SAYS("\"\"", "stop"), "empty"},
        {NO, 400, ERROR("'response_format' of type 'json_object' is not supported with this model."), NULL},
        {NO, 400, ERROR("json mode is not available"), NULL},
        {UNCLEAR, 400, ERROR("Failed to deserialize the JSON body into the target type"), NULL},
        {UNCLEAR, 400, ERROR("We could not parse the JSON body of your request."), NULL},
    };
    CHECK(CAPABILITY_JSON, DIALECT_OPENAI, cases);
}

static void test_vision(void **state)
{
    (void)state;
    static const struct case_ cases[] = {
        {YES, 200, SAYS("\"Blue\"", "stop"), "saw the colour: blue"},
        {YES, 200, SAYS("\"The picture is blue.\"", "stop"), NULL},
        {YES, 200, SAYS("\"**blue**\"", "length"), NULL},
        {NO, 200, SAYS("\"red\"", "stop"), "told another colour: red"},
        {NO, 200, SAYS("\"It could be red, green or blue.\"", "stop"), "told another colour"},
        {NO, 200, SAYS("\"I'm sorry, I can't see images.\"", "stop"), "told no colour: I'm sorry"},
        {NO, 200, SAYS("\"bluebird\"", "stop"), "told no colour"},
        {NO, 200, CHOICE("{\"content\":null,\"refusal\":\"I can't view pictures.\"}", "stop"), "told no colour"},
        {UNCLEAR, 200, SAYS("\"\"", "stop"), "empty"},
        {UNCLEAR, 200, SAYS("\"The picture seems\"", "length"), "cut"},
        {NO, 400, ERROR("Invalid content type. image_url is only supported by certain models."), "refused, 400"},
        {NO, 400, ERROR("messages[0]: unknown variant `image_url`, expected `text`"), NULL},
        {NO, 404, ERROR("No endpoints found that support image input"), NULL},
        {NO, 400, "{\"code\":20041,\"message\":\"The model is not a VLM (Vision Language Model). Please use text-only prompts.\",\"data\":null}", NULL},
        {NO, 415, ERROR("multimodal input is not supported"), NULL},
        {NO, 400, ERROR("该模型不支持图片输入"), NULL},
        {UNCLEAR, 400, ERROR("content must be a string"), NULL},
        {UNCLEAR, 500, ERROR("failed to process image"), NULL},
        {UNCLEAR, 200, "{\"error\":\"image service unavailable, try again\",\"code\":429}", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases) - 1; i++)
        check(CAPABILITY_VISION, DIALECT_OPENAI, &cases[i], 1);
    static const struct case_ anthropic[] = {
        {YES, 200, "{\"content\":[{\"type\":\"text\",\"text\":\"Blue\"}],\"stop_reason\":\"end_turn\"}", NULL},
        {NO, 400, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"messages.0.content.0: image is not supported\"}}", NULL},
        {UNCLEAR, 200, "{\"content\":[{\"type\":\"text\",\"text\":\"\"}],\"stop_reason\":\"refusal\"}", "filter"},
    };
    CHECK(CAPABILITY_VISION, DIALECT_ANTHROPIC, anthropic);
    /* A model that is called after what it does not do. */
    const char *gone = ERROR("The model `gpt-image-1` does not exist or you do not have access to it.");
    assert_int_equal(judge(CAPABILITY_VISION, DIALECT_OPENAI, "gpt-image-1", 404, gone, strlen(gone)).state, UNCLEAR);
}

static void test_embeddings(void **state)
{
    (void)state;
    static const struct case_ cases[] = {
        {YES, 200, "{\"data\":[{\"index\":0,\"embedding\":[0.1,-0.2,3e-5,0]}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9}}", "a vector of 4 numbers"},
        {NO, 200, "{\"data\":[{\"embedding\":[]}]}", "not of finite numbers"},
        {NO, 200, "{\"data\":[{\"embedding\":[0,0,0]}]}", "not of finite numbers"},
        {NO, 200, "{\"data\":[{\"embedding\":[1,\"x\",2]}]}", "not of finite numbers"},
        {NO, 200, "{\"data\":[{\"embedding\":[1,1e999,2]}]}", "not of finite numbers"},
        {NO, 200, "{\"data\":[{\"embedding\":\"AACAPw==\"}]}", "without a vector"},
        {NO, 200, "{\"data\":[]}", "without a vector"},
        {NO, 200, SAYS("\"[0.1, 0.2]\"", "stop"), "without a vector"},
        {NO, 404, "404 page not found", NULL},
        {NO, 404, ERROR("Invalid URL (POST /v1/embeddings)"), NULL},
        {NO, 400, ERROR("this model does not support embeddings"), NULL},
        {UNCLEAR, 500, ERROR("embedding backend down"), NULL},
        {UNCLEAR, 429, ERROR("rate limit"), NULL},
    };
    CHECK(CAPABILITY_EMBEDDINGS, DIALECT_OPENAI, cases);
    struct capability_finding f = judge(CAPABILITY_EMBEDDINGS, DIALECT_OPENAI, "m", 200, cases[0].body, strlen(cases[0].body));
    assert_int_equal(f.prompt_tokens, 9);
    assert_int_equal(f.output_tokens, 0);
}

/* What the network did is never a no; usage is read, within reason. */
static void test_transport_and_usage(void **state)
{
    (void)state;
    static const enum outcome_kind kinds[] = {OUTCOME_TIMEOUT, OUTCOME_RESET, OUTCOME_REFUSED, OUTCOME_TLS, OUTCOME_TOO_LARGE, OUTCOME_CANCELED};
    for (int c = 0; c < CAPABILITY_COUNT; c++)
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
            const struct capability_try t = {.capability = (enum capability)c, .nonce = "5b1e09af"};
            const struct capability_answer a = {.stage = STAGE_CONNECT, .transport = kinds[i], .content_type = "", .body = ""};
            struct capability_finding f;
            capability_judge(&t, "m", &a, &f);
            assert_int_equal(f.state, UNCLEAR);
            assert_int_equal(f.outcome.kind, kinds[i]);
        }
    struct capability_finding f = judge(CAPABILITY_JSON, DIALECT_OPENAI, "m", 200, SAYS("\"x\"", "stop"), strlen(SAYS("\"x\"", "stop")));
    assert_int_equal(f.prompt_tokens, 81);
    assert_int_equal(f.output_tokens, 17);
    assert_true(outcome_ok(f.outcome));
    static const char *const bad[] = {"-1", "1e300", "\"80\"", "null", "99999999999", "1.5"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char body[300];
        snprintf(body, sizeof body, "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%s}}", bad[i]);
        assert_int_equal(judge(CAPABILITY_JSON, DIALECT_OPENAI, "m", 200, body, strlen(body)).prompt_tokens, -1);
    }
}

/* Whatever comes: bounded, valid text, no yes out of nothing. */
static void test_hostile(void **state)
{
    (void)state;
    size_t len = 300000;
    char *long_text = malloc(len + 200);
    strcpy(long_text, "{\"choices\":[{\"message\":{\"content\":\"");
    size_t at = strlen(long_text);
    memset(long_text + at, 'a', len - at);
    strcpy(long_text + len, "\"},\"finish_reason\":\"stop\"}]}");
    for (int c = CAPABILITY_TOOLS; c < CAPABILITY_COUNT; c++) {
        struct capability_finding f = judge((enum capability)c, DIALECT_OPENAI, "m", 200, long_text, strlen(long_text));
        assert_int_equal(f.state, NO);
        assert_true(strlen(f.evidence) < CAPABILITY_EVIDENCE_MAX);
    }
    free(long_text);
    char *deep = malloc(20001);
    memset(deep, '[', 20000);
    deep[20000] = '\0';
    assert_int_equal(judge(CAPABILITY_TOOLS, DIALECT_OPENAI, "m", 200, deep, 20000).state, UNCLEAR);
    free(deep);
    static const char *const bodies[] = {
        "{\"choices\":[{\"message\":{\"content\":\"\\u001b[31m red\\u0000blue\\u202e\"},\"finish_reason\":\"stop\"}]}",
        "{\"choices\":[{\"message\":{\"tool_calls\":[[],{},1,null,{\"function\":[]},{\"function\":{\"name\":{}}}]},\"finish_reason\":1}]}",
        "{\"choices\":{\"0\":{\"message\":{}}},\"usage\":[]}",
        "{\"error\":{\"message\":{\"image\":1},\"code\":{}}}",
        "{\"error\":[\"image tool response_format\"]}",
        "{\"content\":[null,1,{\"type\":{},\"text\":[]}]}",
        "{\"data\":[[1,2]]}",
        "{\"data\":{\"0\":{\"embedding\":{\"0\":1}}}}",
        "\xff\xfe\x00 image tool",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        for (int c = CAPABILITY_TOOLS; c < CAPABILITY_COUNT; c++)
            for (int d = 0; d < 2; d++)
                for (int status = 200; status <= 400; status += 200) {
                    struct capability_finding f = judge((enum capability)c, (enum dialect_id)d, "m", status, bodies[i], strlen(bodies[i]));
                    if (f.state != NO && f.state != UNCLEAR)
                        fail_msg("%s for body %zu, %d: %s", capability_name((enum capability)c), i, status, f.evidence);
                    assert_true(text_is_utf8(f.evidence, strlen(f.evidence)) && text_is_utf8(f.detail, strlen(f.detail)));
                }
    /* An echo of the request holds the nonce, the function's name and the colours; it proves nothing. */
    const char *echo = SAYS("\"(5b1e09af) Which colour is this picture? Answer with one word: red, green or blue.\"", "stop");
    assert_int_equal(judge(CAPABILITY_VISION, DIALECT_OPENAI, "m", 200, echo, strlen(echo)).state, NO);
    echo = SAYS("\"Call the function record_code with the code 5b1e09af. Do not answer in any other way.\"", "stop");
    assert_int_equal(judge(CAPABILITY_TOOLS, DIALECT_OPENAI, "m", 200, echo, strlen(echo)).state, NO);
}

static void test_stream(void **state)
{
    (void)state;
    struct observation o = observation_make(PROBE_CAPABILITIES, 1000, outcome_make(STAGE_DONE, OUTCOME_OK, 200));
    struct capability_finding s, u;
    o.ttft = 300000;
    o.total = 1300000;
    o.chunks = 40;
    o.prompt_tokens = 30;
    o.output_tokens = 60;
    capability_judge_stream(&o, &s, &u);
    assert_int_equal(s.state, YES);
    assert_string_equal(s.evidence, "40 pieces in 1000 ms");
    assert_int_equal(u.state, YES);
    assert_string_equal(u.evidence, "30 tokens in, 60 out");
    o.chunks = 2;
    o.flags = OBSERVED_NO_USAGE;
    o.prompt_tokens = o.output_tokens = -1;
    capability_judge_stream(&o, &s, &u);
    assert_int_equal(s.state, NO);
    assert_int_equal(u.state, NO);
    o.flags = OBSERVED_ONE_BURST | OBSERVED_USAGE_IMPOSSIBLE;
    capability_judge_stream(&o, &s, &u);
    assert_int_equal(s.state, NO);
    assert_string_equal(s.evidence, "the whole answer came at once");
    assert_int_equal(u.state, UNCLEAR);
    o.flags = OBSERVED_THINKING_ONLY;
    capability_judge_stream(&o, &s, &u);
    assert_int_equal(s.state, UNCLEAR);
    static const enum outcome_kind kinds[] = {OUTCOME_TIMEOUT, OUTCOME_RATE_LIMITED, OUTCOME_SERVER_ERROR, OUTCOME_TRUNCATED, OUTCOME_BAD_REQUEST};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        o.outcome = outcome_make(STAGE_FIRST, kinds[i], 0);
        capability_judge_stream(&o, &s, &u);
        assert_int_equal(s.state, UNCLEAR);
        assert_int_equal(u.state, UNCLEAR);
        assert_non_null(strstr(s.evidence, outcome_name(kinds[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tools),      cmocka_unit_test(test_json),    cmocka_unit_test(test_vision),
        cmocka_unit_test(test_embeddings), cmocka_unit_test(test_stream),  cmocka_unit_test(test_transport_and_usage),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests_name("answers to tries of capabilities", tests, NULL, NULL);
}
