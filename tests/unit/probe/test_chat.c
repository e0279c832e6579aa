/* What a chat comes to: the failing 200s, the ends of a stream, its times, thinking, bursts, usage, the model echoed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "probed/probe/model_name.h"
#include "tests/unit/probe/chat_try.h"

#define CHUNK(text)                                                                                                                        \
    "data: "                                                                                                                               \
    "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"       \
    "\"" text "\"},\"finish_reason\":null}]}\n\n"
#define THOUGHT(text) "data: {\"choices\":[{\"delta\":{\"content\":null,\"reasoning_content\":\"" text "\"}}]}\n\n"
#define ROLE          "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
#define FINISH(why)   "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}]}\n\n"
#define USAGE(p, c)   "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":" #p ",\"completion_tokens\":" #c ",\"total_tokens\":1}}\n\n"
#define USAGE_R(p, c, r)                                                                                                                   \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":" #p ",\"completion_tokens\":" #c                                                  \
    ",\"completion_tokens_details\":{\"reasoning_tokens\":" #r "}}}\n\n"
#define DONE "data: [DONE]\n\n"

static const struct try_setup plain = {.dialect = DIALECT_OPENAI};

static void test_times(void **state)
{
    (void)state;
    static const struct piece stream[] = {
        {5 * MS, ": PING\n\n"},     {20 * MS, ROLE},
        {30 * MS, CHUNK("")},       {40 * MS, "data: {\"choices\":[],\"usage\":null}\n\n"},
        {200 * MS, CHUNK("O")},     {220 * MS, CHUNK("m")},
        {320 * MS, CHUNK("a")},     {330 * MS, CHUNK("r.")},
        {340 * MS, FINISH("stop")}, {350 * MS, USAGE(60, 5)},
        {360 * MS, DONE},           END,
    };
    for (size_t step = 0; step < 40; step++) {
        struct observation o = try_step(&plain, stream, step);
        assert_outcome(o, OUTCOME_OK, STAGE_DONE);
        assert_int_equal(o.ttft, 200 * MS);
        assert_int_equal(o.content, 200 * MS);
        assert_int_equal(o.wait, 5 * MS);
        assert_int_equal(o.total, 370 * MS);
        assert_int_equal(o.gap_max, 100 * MS);
        assert_int_equal(o.chunks, 4);
        assert_int_equal(o.stalls, 0);
        assert_int_equal(o.prompt_tokens, 60);
        assert_int_equal(o.output_tokens, 5);
        assert_int_equal(o.reasoning_tokens, -1);
        assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED);
        assert_true(fabs(o.tokens_per_s - 4 / 0.13) < 0.001); /* 5 tokens, 4/5 of the text after the first chunk, in 130 ms */
        assert_int_equal(o.at, SENT + 360 * MS);
        assert_true(o.reused && o.http_version == 11 && o.dns == OBSERVATION_UNKNOWN);
        assert_string_equal(o.detail, "");
    }
}

static void test_gaps_and_stalls(void **state)
{
    (void)state;
    static const struct piece stream[] = {
        {100 * MS, CHUNK("Om")}, {2100 * MS, CHUNK("a")},     {4101 * MS, CHUNK("r")},
        {9000 * MS, CHUNK("!")}, {9000 * MS, FINISH("stop")}, END,
    };
    struct observation o = try_chat(&plain, stream);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE); /* a finish_reason is an end without [DONE] */
    assert_int_equal(o.gap_max, 4899 * MS);
    assert_int_equal(o.stalls, 2); /* 2.000 s is none */
    assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED | OBSERVED_NO_USAGE);
}

struct row {
    const char *what;
    struct piece pieces[4];
    enum outcome_kind kind;
    enum stage stage;
    enum fault fault;
};

static void test_failing_200(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"nothing", {END}, OUTCOME_EMPTY, STAGE_FIRST, FAULT_RELAY},
        {"blanks", {{1, "\r\n\r\n"}, END}, OUTCOME_EMPTY, STAGE_FIRST, FAULT_RELAY},
        {"a page", {{1, "<!DOCTYPE html><html><title>x</title>"}, END}, OUTCOME_NOT_API, STAGE_FIRST, FAULT_RELAY},
        {"text", {{1, "OK"}, END}, OUTCOME_MALFORMED, STAGE_FIRST, FAULT_RELAY},
        {"text like a field", {{1, "error code: 502"}, END}, OUTCOME_MALFORMED, STAGE_FIRST, FAULT_RELAY},
        {"error body",
         {{1, "{\"error\":{\"message\":\"boom\",\"type\":\"new_api_error\"}}"}, END},
         OUTCOME_ERROR_IN_200,
         STAGE_FIRST,
         FAULT_RELAY},
        {"error event",
         {{1, "data: {\"error\":{\"message\":\"boom\"}}\n\n"}, {2, DONE}, END},
         OUTCOME_ERROR_IN_200,
         STAGE_FIRST,
         FAULT_RELAY},
        {"error after pings",
         {{1, ": PING\n\n: PING\n\n"}, {2, "data: {\"error\":{\"message\":\"用户额度不足\"}}\n\n"}, END},
         OUTCOME_NO_CREDIT,
         STAGE_FIRST,
         FAULT_OURS},
        {"error in mid-stream",
         {{1, CHUNK("Om")},
          {2,
           "data: "
           "{\"error\":{\"code\":502,\"message\":\"gone\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n"},
          END},
         OUTCOME_ERROR_IN_200,
         STAGE_STREAM,
         FAULT_RELAY},
        {"error after the text",
         {{1, CHUNK("Omar")}, {2, FINISH("stop")}, {3, "data: {\"error\":{\"message\":\"late\"}}\n\n"}, END},
         OUTCOME_ERROR_IN_200,
         STAGE_STREAM,
         FAULT_RELAY},
        {"insufficient quota in mid-stream",
         {{1, CHUNK("Om")}, {2, "data: {\"error\":{\"message\":\"insufficient quota\"}}\n\n"}, END},
         OUTCOME_NO_CREDIT,
         STAGE_STREAM,
         FAULT_OURS},
        {"429 in mid-stream",
         {{1, CHUNK("Om")}, {2, "data: {\"error\":{\"code\":429,\"message\":\"x\"}}\n\n"}, END},
         OUTCOME_RATE_LIMITED,
         STAGE_STREAM,
         FAULT_NONE},
        {"named error event",
         {{1, "event: error\ndata: {\"message\":\"invalid api key\"}\n\n"}, END},
         OUTCOME_AUTH,
         STAGE_FIRST,
         FAULT_OURS},
        {"named error event, nothing known",
         {{1, CHUNK("Om")}, {2, "event: error\ndata: {\"message\":\"boom\"}\n\n"}, END},
         OUTCOME_ERROR_IN_200,
         STAGE_STREAM,
         FAULT_RELAY},
        {"object error",
         {{1, "data: {\"object\":\"error\",\"message\":\"boom\"}\n\n"}, END},
         OUTCOME_ERROR_IN_200,
         STAGE_FIRST,
         FAULT_RELAY},
        {"finish_reason error", {{1, CHUNK("Om")}, {2, FINISH("error")}, {3, DONE}, END}, OUTCOME_ERROR_IN_200, STAGE_STREAM, FAULT_RELAY},
        {"DeepSeek out of resources",
         {{1, FINISH("insufficient_system_resource")}, {3, DONE}, END},
         OUTCOME_UPSTREAM_FULL,
         STAGE_FIRST,
         FAULT_RELAY},
        {"native_finish_reason",
         {{1, ROLE},
          {2, "data: "
              "{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\",\"native_finish_reason\":\"network_error\"}]}\n\n"},
          {3, DONE},
          END},
         OUTCOME_ERROR_IN_200,
         STAGE_FIRST,
         FAULT_RELAY},
        {"choices absent", {{1, "data: {\"id\":\"x\"}\n\n"}, {2, DONE}, END}, OUTCOME_EMPTY, STAGE_FIRST, FAULT_RELAY},
        {"choices absent, no end", {{1, "data: {\"id\":\"x\"}\n\n"}, END}, OUTCOME_MALFORMED, STAGE_FIRST, FAULT_RELAY},
        {"choices absent in a body", {{1, "{\"id\":\"x\"}"}, END}, OUTCOME_MALFORMED, STAGE_FIRST, FAULT_RELAY},
        {"a body cut", {{1, "{\"choices\":[{\"message\""}, END}, OUTCOME_MALFORMED, STAGE_FIRST, FAULT_RELAY},
        {"empty", {{1, ROLE}, {2, FINISH("stop")}, {3, DONE}, END}, OUTCOME_EMPTY, STAGE_FIRST, FAULT_RELAY},
        {"blank text", {{1, CHUNK("\\n ")}, {2, FINISH("stop")}, {3, DONE}, END}, OUTCOME_EMPTY, STAGE_FIRST, FAULT_RELAY},
        {"only [DONE]", {{3, DONE}, END}, OUTCOME_EMPTY, STAGE_FIRST, FAULT_RELAY},
        {"length and nothing", {{2, FINISH("length")}, {3, DONE}, END}, OUTCOME_EMPTY, STAGE_FIRST, FAULT_RELAY},
        {"length, tokens and no text", {{2, FINISH("length")}, {3, USAGE(60, 16) DONE}, END}, OUTCOME_UNFINISHED, STAGE_FIRST, FAULT_OURS},
        {"filtered", {{2, FINISH("content_filter")}, {3, DONE}, END}, OUTCOME_MODERATED, STAGE_FIRST, FAULT_OURS},
        {"truncated", {{1, CHUNK("Om")}, {2, CHUNK("ar")}, END}, OUTCOME_TRUNCATED, STAGE_STREAM, FAULT_RELAY},
        {"truncated in a line", {{1, CHUNK("Om")}, {2, "data: {\"choices\":[{\"del"}, END}, OUTCOME_TRUNCATED, STAGE_STREAM, FAULT_RELAY},
        {"truncated before a token", {{1, ROLE}, END}, OUTCOME_TRUNCATED, STAGE_FIRST, FAULT_RELAY},
        {"only comments", {{1, ": PING\n\n"}, END}, OUTCOME_TRUNCATED, STAGE_FIRST, FAULT_RELAY},
        {"a bare error line at the end",
         {{1, CHUNK("Om")}, {2, "{\"error\":{\"message\":\"overloaded\"}}\n"}, END},
         OUTCOME_UPSTREAM_FULL,
         STAGE_STREAM,
         FAULT_RELAY},
        {"no JSON in an event", {{1, CHUNK("Om")}, {2, "data: oops\n\n"}, {3, DONE}, END}, OUTCOME_MALFORMED, STAGE_STREAM, FAULT_RELAY},
        {"bad UTF-8", {{1, CHUNK("\xff")}, {3, DONE}, END}, OUTCOME_MALFORMED, STAGE_FIRST, FAULT_RELAY},
        {"a list for an event", {{1, "data: [1,2]\n\n"}, {3, DONE}, END}, OUTCOME_MALFORMED, STAGE_FIRST, FAULT_RELAY},
        {"the other dialect",
         {{1, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n"}, END},
         OUTCOME_MALFORMED,
         STAGE_FIRST,
         FAULT_RELAY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t step = 0; step < 30; step += 7) {
            struct observation o = try_step(&plain, rows[i].pieces, step);
            if (o.outcome.kind != rows[i].kind || o.outcome.stage != rows[i].stage || o.outcome.fault != rows[i].fault)
                fail_msg("%s (reads of %zu): %s at %s, fault %s (\"%s\")", rows[i].what, step, outcome_name(o.outcome.kind),
                         stage_name(o.outcome.stage), fault_name(o.outcome.fault), o.detail);
            assert_int_equal(o.flags & (OBSERVED_CHALLENGE_PASSED | OBSERVED_CHALLENGE_FAILED), 0);
        }
    }
}

static void test_transport(void **state)
{
    (void)state;
    static const struct piece none[] = {END}, half[] = {{50 * MS, CHUNK("Om")}, END};
    static const struct piece whole[] = {{50 * MS, CHUNK("Omar") FINISH("stop")}, {60 * MS, DONE}, END};
    struct try_setup reset = plain, timer = plain;
    reset.kind = OUTCOME_RESET;
    timer.timed_out = true;
    timer.ended = 5000 * MS;
    assert_outcome(try_chat(&reset, none), OUTCOME_RESET, STAGE_FIRST);
    assert_outcome(try_chat(&reset, half), OUTCOME_RESET, STAGE_STREAM);
    assert_outcome(try_chat(&reset, whole), OUTCOME_OK, STAGE_DONE); /* the answer was complete */
    assert_outcome(try_chat(&timer, none), OUTCOME_TIMEOUT, STAGE_FIRST);
    struct observation o = try_chat(&timer, half);
    assert_outcome(o, OUTCOME_STALLED, STAGE_STREAM);
    assert_int_equal(o.ttft, 50 * MS);
    assert_int_equal(o.total, 5010 * MS); /* the time that it wasted */
    o = try_chat(&timer, whole);          /* complete, but the relay never closed its stream */
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_int_equal(o.total, 70 * MS);

    struct challenge challenge = try_challenge();
    struct chat_reading *r = chat_reading_new(DIALECT_OPENAI, "m", &challenge);
    struct http_result refused = {
        .stage = STAGE_CONNECT, .kind = OUTCOME_REFUSED, .started = 1, .sent = -1, .headers = -1, .ended = 500, .detail = "words"};
    chat_reading_finish(r, &refused, STAGE_COUNT, &o);
    assert_outcome(o, OUTCOME_REFUSED, STAGE_CONNECT);
    assert_int_equal(o.ttft, OBSERVATION_UNKNOWN);
    assert_int_equal(o.wait, OBSERVATION_UNKNOWN);
    assert_int_equal(o.total, 499);
    assert_int_equal(o.outcome.http_status, 0);
    assert_string_equal(o.detail, "words");
    chat_reading_free(r);
}

static void test_error_status(void **state)
{
    (void)state;
    static const struct piece body[] = {
        {10 * MS, "{\"error\":{\"message\":\"无效的令牌\","}, {11 * MS, "\"type\":\"new_api_error\"}}"}, END};
    struct try_setup setup = {.dialect = DIALECT_OPENAI, .status = 401, .content_type = "application/json"};
    struct observation o = try_step(&setup, body, 5);
    assert_outcome(o, OUTCOME_AUTH, STAGE_HEADERS);
    assert_int_equal(o.outcome.http_status, 401);
    assert_string_equal(o.detail, "new_api_error: 无效的令牌");
    setup.status = 429;
    o = try_chat(&setup, (const struct piece[]){END});
    assert_outcome(o, OUTCOME_RATE_LIMITED, STAGE_HEADERS);
    assert_int_equal(o.outcome.fault, FAULT_NONE);
}

static void test_too_large(void **state)
{
    (void)state;
    size_t len = 3 * 1024 * 1024;
    char *bytes = malloc(len + 1);
    memset(bytes, 'x', len);
    bytes[len] = '\0';
    const struct piece body[] = {{1, "{\"a\":\""}, {2, bytes}, END}, event[] = {{1, "data: "}, {2, bytes}, END}, page[] = {{1, bytes}, END};
    assert_outcome(try_step(&plain, body, 16384), OUTCOME_TOO_LARGE, STAGE_FIRST);
    assert_outcome(try_step(&plain, event, 16384), OUTCOME_TOO_LARGE, STAGE_FIRST);
    struct try_setup failing = {.dialect = DIALECT_OPENAI, .status = 500};
    assert_outcome(try_step(&failing, page, 16384), OUTCOME_SERVER_ERROR, STAGE_HEADERS);
    free(bytes);
}

static void test_reasoning(void **state)
{
    (void)state;
    static const struct piece stream[] = {
        {50 * MS, ROLE},
        {100 * MS, THOUGHT("Let me see")},
        {300 * MS, THOUGHT(": Omar")},
        {900 * MS, CHUNK("Omar")},
        {901 * MS, FINISH("stop") USAGE_R(60, 40, 38)},
        END,
    };
    struct observation o = try_chat(&plain, stream);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_int_equal(o.ttft, 100 * MS);
    assert_int_equal(o.content, 900 * MS);
    assert_int_equal(o.reasoning_tokens, 38);
    assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED);

    static const struct piece swallowed[] = {{100 * MS, THOUGHT("Let me")}, {200 * MS, FINISH("length") USAGE_R(60, 16, 16) DONE}, END};
    o = try_chat(&plain, swallowed);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_int_equal(o.flags, OBSERVED_THINKING_ONLY);
    assert_int_equal(o.content, OBSERVATION_UNKNOWN);
    assert_int_equal(o.ttft, 100 * MS);

    static const struct piece hidden[] = {{200 * MS, ROLE FINISH("length") USAGE_R(60, 16, 16) DONE},
                                          END}; /* reasoning that is never shown */
    o = try_chat(&plain, hidden);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_int_equal(o.flags, OBSERVED_THINKING_ONLY);
    assert_int_equal(o.ttft, OBSERVATION_UNKNOWN);
}

static void test_inline_think(void **state)
{
    (void)state;
    static const struct piece stream[] = {
        {100 * MS, CHUNK("\\n<")}, {200 * MS, CHUNK("thi")},   {300 * MS, CHUNK("nk>it is nora, no <")},
        {400 * MS, CHUNK("</th")}, {500 * MS, CHUNK("ink>")},  {600 * MS, CHUNK("\\n\\n")},
        {700 * MS, CHUNK("Omar")}, {800 * MS, FINISH("stop")}, END,
    };
    struct observation o = try_step(&plain, stream, 11);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_int_equal(o.ttft, 100 * MS);
    assert_int_equal(o.content, 700 * MS);
    assert_true(o.flags & OBSERVED_CHALLENGE_PASSED); /* what was thought does not count */

    static const struct piece one[] = {{100 * MS, CHUNK("<think>petra?</think>Omar")}, {200 * MS, FINISH("stop")}, END};
    o = try_chat(&plain, one);
    assert_int_equal(o.content, 100 * MS);
    assert_true(o.flags & OBSERVED_CHALLENGE_PASSED);

    static const struct piece open[] = {{100 * MS, CHUNK("<think>Omar, I think")}, {200 * MS, FINISH("length")}, END};
    o = try_chat(&plain, open);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_true(o.flags & OBSERVED_THINKING_ONLY);
    assert_int_equal(o.content, OBSERVATION_UNKNOWN);

    static const struct piece no_tag[] = {{100 * MS, CHUNK("<th")}, {200 * MS, CHUNK("at is Omar>")}, {300 * MS, FINISH("stop")}, END};
    o = try_chat(&plain, no_tag);
    assert_int_equal(o.content, 100 * MS); /* held back, but it was content when it came */
    assert_true(o.flags & OBSERVED_CHALLENGE_PASSED);

    static const struct piece held[] = {{100 * MS, CHUNK("<")}, {300 * MS, FINISH("stop")}, END};
    o = try_chat(&plain, held);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_int_equal(o.content, 100 * MS);
}

static void test_one_burst(void **state)
{
    (void)state;
    static const struct piece burst[] = {
        {800 * MS, ROLE CHUNK("I") CHUNK(" say") CHUNK(" it") CHUNK(" is") CHUNK(" Omar") FINISH("stop") USAGE(60, 5) DONE},
        END,
    };
    struct observation o = try_chat(&plain, burst);
    assert_outcome(o, OUTCOME_OK, STAGE_DONE);
    assert_true(o.flags & OBSERVED_ONE_BURST);
    assert_int_equal(o.ttft, 800 * MS); /* all that its reader had to wait */
    assert_true(o.tokens_per_s == 0);   /* not thousands a second */

    static const struct piece spread[] = {
        {800 * MS, CHUNK("I") CHUNK(" say")},
        {801 * MS, CHUNK(" it")},
        {801 * MS + 100, CHUNK(" is") CHUNK(" Omar") FINISH("stop")},
        END,
    };
    o = try_chat(&plain, spread);
    assert_true(o.flags & OBSERVED_ONE_BURST); /* five chunks in 1.1 ms after 800 */

    static const struct piece quick[] = {
        {20 * MS, CHUNK("I")}, {21 * MS, CHUNK(" say")}, {22 * MS, CHUNK(" it")}, {23 * MS, CHUNK(" is") FINISH("stop")}, END,
    };
    o = try_chat(&plain, quick);
    assert_false(o.flags & OBSERVED_ONE_BURST); /* a thousand a second is fast, but a stream */
    assert_true(fabs(o.tokens_per_s - 1000 * 4 * 10 / 11.0 / 3) < 1);

    static const struct piece word[] = {{300 * MS, CHUNK("Om") CHUNK("ar") FINISH("stop")}, END};
    o = try_chat(&plain, word);
    assert_false(o.flags & OBSERVED_ONE_BURST); /* an honest short answer looks the same */
    assert_true(o.tokens_per_s == 0);

    char text[1024] = "";
    for (int i = 0; i < 30; i++)
        strcat(text, "lorem ipsum ");
    char event[2048];
    snprintf(event, sizeof event, "data: {\"choices\":[{\"delta\":{\"content\":\"%s Omar\"},\"finish_reason\":\"stop\"}]}\n\n", text);
    o = try_chat(&plain, (const struct piece[]){{900 * MS, event}, END});
    assert_true(o.flags & OBSERVED_ONE_BURST); /* one chunk, but a long one */
}

static void test_body_instead_of_stream(void **state)
{
    (void)state;
    static const struct piece body[] = {
        {500 * MS,
         " {\"id\":\"c\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"},
        {501 * MS, "\"Omar\",\"refusal\":null},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":2,"
                   "\"total_tokens\":62},\"error\":null}"},
        END,
    };
    struct try_setup setup = {.dialect = DIALECT_OPENAI, .content_type = "application/json"};
    for (size_t step = 0; step < 20; step++) {
        struct observation o = try_step(&setup, body, step);
        assert_outcome(o, OUTCOME_OK, STAGE_DONE);
        assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED | OBSERVED_ONE_BURST);
        assert_int_equal(o.ttft, 501 * MS);
        assert_int_equal(o.output_tokens, 2);
        assert_true(o.tokens_per_s == 0);
    }
    static const struct piece empty[] = {{1, "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}"}, END};
    static const struct piece none[] = {{1, "{\"choices\":[]}"}, END};
    static const struct piece failed[] = {
        {1, "{\"choices\":[{\"error\":{\"code\":502,\"message\":\"x\"},\"message\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}"},
        END};
    assert_outcome(try_chat(&setup, empty), OUTCOME_EMPTY, STAGE_FIRST);
    assert_outcome(try_chat(&setup, none), OUTCOME_EMPTY, STAGE_FIRST);
    assert_outcome(try_chat(&setup, failed), OUTCOME_ERROR_IN_200, STAGE_FIRST);
}

static void test_cumulative(void **state)
{
    (void)state;
    static const struct piece grows[] = {
        {100 * MS, CHUNK("It")}, {200 * MS, CHUNK("It is")}, {300 * MS, CHUNK("It is Omar")}, {400 * MS, FINISH("stop")}, END};
    static const struct piece same[] = {{100 * MS, CHUNK("It is Omar")}, {200 * MS, CHUNK("It is Omar")}, {400 * MS, FINISH("stop")}, END};
    static const struct piece honest[] = {{100 * MS, CHUNK("ha")},    {200 * MS, CHUNK("ha")},    {300 * MS, CHUNK("ha")},
                                          {350 * MS, CHUNK(" Omar")}, {400 * MS, FINISH("stop")}, END};
    static const struct piece laugh[] = {
        {100 * MS, CHUNK("ha")}, {200 * MS, CHUNK("ha")}, {300 * MS, CHUNK("ha")}, {400 * MS, FINISH("stop")}, END};
    static const struct piece word[] = {
        {100 * MS, CHUNK("Om")}, {200 * MS, CHUNK("Oma")}, {300 * MS, CHUNK("Omar")}, {400 * MS, FINISH("stop")}, END};
    struct observation o = try_chat(&plain, word);
    assert_true(o.flags & OBSERVED_CUMULATIVE);
    assert_true(o.flags & OBSERVED_CHALLENGE_PASSED); /* the newest delta is the reply, not "OmOmaOmar" */
    o = try_chat(&plain, grows);
    assert_true(o.flags & OBSERVED_CUMULATIVE);
    assert_true(o.flags & OBSERVED_CHALLENGE_PASSED);
    assert_true(try_chat(&plain, same).flags & OBSERVED_CUMULATIVE);
    assert_false(try_chat(&plain, honest).flags & OBSERVED_CUMULATIVE);
    assert_false(try_chat(&plain, laugh).flags & OBSERVED_CUMULATIVE);
}

static unsigned usage_flags(const char *usage, struct observation *ret)
{
    char event[512];
    snprintf(event, sizeof event, "data: {\"choices\":[],\"usage\":%s}\n\n", usage);
    *ret = try_chat(&plain, (const struct piece[]){{1, CHUNK("Omar") FINISH("stop")}, {2, event}, {3, DONE}, END});
    assert_outcome(*ret, OUTCOME_OK, STAGE_DONE);
    return ret->flags & (OBSERVED_NO_USAGE | OBSERVED_USAGE_IMPOSSIBLE);
}

static void test_usage(void **state)
{
    (void)state;
    struct observation o;
    assert_int_equal(usage_flags("{\"prompt_tokens\":61,\"completion_tokens\":3,\"total_tokens\":64}", &o), 0);
    assert_int_equal(o.prompt_tokens, 61);
    assert_int_equal(usage_flags("null", &o), OBSERVED_NO_USAGE);
    assert_int_equal(usage_flags("{}", &o), OBSERVED_NO_USAGE);
    assert_int_equal(usage_flags("{\"input_tokens\":61,\"output_tokens\":3.0}", &o), 0);
    assert_int_equal(o.output_tokens, 3);
    assert_int_equal(usage_flags("{\"prompt_tokens\":0,\"completion_tokens\":0}", &o), OBSERVED_USAGE_IMPOSSIBLE);
    assert_int_equal(o.prompt_tokens, -1); /* unknown, so nobody takes it for free */
    assert_int_equal(o.output_tokens, -1);
    assert_int_equal(usage_flags("{\"prompt_tokens\":-5,\"completion_tokens\":3}", &o), OBSERVED_USAGE_IMPOSSIBLE);
    assert_int_equal(o.output_tokens, 3);
    assert_int_equal(usage_flags("{\"prompt_tokens\":1e300,\"completion_tokens\":9007199254740993}", &o), OBSERVED_USAGE_IMPOSSIBLE);
    assert_int_equal(o.prompt_tokens, -1);
    assert_int_equal(usage_flags("{\"prompt_tokens\":\"many\",\"completion_tokens\":2.5}", &o), OBSERVED_USAGE_IMPOSSIBLE);
    assert_int_equal(
        usage_flags(
            "{\"prompt_tokens\":10,\"completion_tokens\":2,\"total_tokens\":112,\"completion_tokens_details\":{\"reasoning_tokens\":100}}",
            &o),
        0);
    assert_int_equal(o.output_tokens, 102); /* a vendor that counts its reasoning beside the completion */
    static const struct piece running[] = {
        {1, "data: {\"choices\":[{\"delta\":{\"content\":\"Omar\"}}],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":1}}\n\n"},
        {2, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":7}}\n\n"},
        {3, "data: {\"choices\":[],\"usage\":null}\n\n" DONE},
        END,
    };
    o = try_chat(&plain, running);
    assert_int_equal(o.output_tokens, 7); /* the last that is not null */
}

static void test_challenge(void **state)
{
    (void)state;
    static const struct piece echo[] = {{1, CHUNK("Note 5b1e09af: Nora found the kettle, Omar found the drum")}, {2, FINISH("stop")}, END};
    static const struct piece wrong[] = {{1, CHUNK("Petra")}, {2, FINISH("stop")}, END};
    static const struct piece cut[] = {{1, CHUNK("According to the")}, {2, FINISH("length")}, END};
    static const struct piece cut_echo[] = {{1, CHUNK("Note 5b1e09af: Nora")}, {2, FINISH("length")}, END};
    const unsigned both = OBSERVED_CHALLENGE_PASSED | OBSERVED_CHALLENGE_FAILED;
    assert_int_equal(try_chat(&plain, echo).flags & both, OBSERVED_CHALLENGE_FAILED);
    assert_int_equal(try_chat(&plain, wrong).flags & both, OBSERVED_CHALLENGE_FAILED);
    assert_int_equal(try_chat(&plain, cut).flags & both, 0);
    assert_int_equal(try_chat(&plain, cut_echo).flags & both, OBSERVED_CHALLENGE_FAILED);
    assert_true(outcome_ok(try_chat(&plain, wrong).outcome)); /* honesty, not availability */
}

static void test_model_echo(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"gpt-4o-mini", "gpt-4o-mini"},
        {"openai/gpt-4o-mini", "gpt-4o-mini"},
        {"gpt-4o-mini", "gpt-4o-mini-2024-07-18"},
        {"gpt-4o-mini-2024-07-18", "gpt-4o-mini"},
        {"anthropic/claude-sonnet-4.5", "claude-sonnet-4-5-20250929"},
        {"Pro/deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V3"},
        {"deepseek/deepseek-r1:free", "deepseek/deepseek-r1"},
        {"gpt-4", "gpt-4-0613"},
        {"gemini-2.0-flash", "gemini-2.0-flash-001"},
        {"claude-sonnet-4-5-thinking", "claude-sonnet-4-5-20250929"},
        {"claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {"gpt-4o-2024-05-13", "gpt-4o-2024-08-06"},
        {"gpt-4o-ssvip", "gpt-4o"},
        {"deepseek-v3", "DeepSeek-V3-0324"},
    };
    static const char *const different[][2] = {
        {"gpt-4o", "gpt-4o-mini"},
        {"gpt-4o-mini", "gpt-4o"},
        {"gpt-4o", "gpt-3.5-turbo-0125"},
        {"claude-3", "claude-3-5"},
        {"claude-sonnet-4-5", "claude-haiku-4-5-20251001"},
        {"gpt-4o", "gpt-4o-thinking"},
        {"qwen3-235b-a22b", "qwen3-8b"},
        {"deepseek-r1", "deepseek-v3"},
        {"gpt-5", "gpt-5-nano-2025-08-07"},
        {"o1", "o3"},
        {"llama-3.1-405b", "llama-3.1-70b"},
        {"a", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (!model_name_same(same[i][0], same[i][1]))
            fail_msg("%s and %s", same[i][0], same[i][1]);
    for (size_t i = 0; i < ARRAY_LEN(different); i++)
        if (model_name_same(different[i][0], different[i][1]))
            fail_msg("%s is not %s", different[i][0], different[i][1]);

    struct try_setup setup = {.dialect = DIALECT_OPENAI, .model = "gpt-5"};
    static const struct piece stream[] = {{1, CHUNK("Omar")}, {2, FINISH("stop")}, END};
    struct observation o = try_chat(&setup, stream);
    assert_true(outcome_ok(o.outcome));
    assert_true(o.flags & OBSERVED_MODEL_DIFFERS);
    assert_string_equal(o.detail, "model_differs: gpt-4o-mini");
}

/* Streams recorded elsewhere, if a folder of them is at hand: each must come to its known end. */
static void test_recorded(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum dialect_id dialect;
        enum outcome_kind kind;
        unsigned flags;
    } files[] = {
        {"chat-inline-think.sse", DIALECT_OPENAI, OUTCOME_OK, OBSERVED_MODEL_DIFFERS},
        {"chat-missing-finish.sse", DIALECT_OPENAI, OUTCOME_TRUNCATED, 0},
        {"messages-cumulative-text.sse", DIALECT_ANTHROPIC, OUTCOME_OK, OBSERVED_CUMULATIVE},
        {"responses-failed-sparse.sse", DIALECT_OPENAI, OUTCOME_ERROR_IN_200, 0},
        {"responses-failed-sparse.sse", DIALECT_RESPONSES, OUTCOME_ERROR_IN_200, 0},
        {"responses-native-sparse.sse", DIALECT_RESPONSES, OUTCOME_OK, OBSERVED_MODEL_DIFFERS},
    };
    const char *folder = getenv("PROBED_TEST_STREAMS");
    if (!folder) {
        print_message("skipped: PROBED_TEST_STREAMS names no folder of recorded streams\n");
        skip();
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[512], bytes[8192];
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        bytes[fread(bytes, 1, sizeof bytes - 1, f)] = '\0';
        fclose(f);
        struct try_setup setup = {.dialect = files[i].dialect};
        struct observation o = try_step(&setup, (const struct piece[]){{10 * MS, bytes}, END}, 13);
        if (o.outcome.kind != files[i].kind || (o.flags & files[i].flags) != files[i].flags)
            fail_msg("%s: %s, flags %x (\"%s\")", files[i].name, outcome_name(o.outcome.kind), o.flags, o.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),        cmocka_unit_test(test_gaps_and_stalls),
        cmocka_unit_test(test_failing_200),  cmocka_unit_test(test_transport),
        cmocka_unit_test(test_error_status), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_reasoning),    cmocka_unit_test(test_inline_think),
        cmocka_unit_test(test_one_burst),    cmocka_unit_test(test_body_instead_of_stream),
        cmocka_unit_test(test_cumulative),   cmocka_unit_test(test_usage),
        cmocka_unit_test(test_challenge),    cmocka_unit_test(test_model_echo),
        cmocka_unit_test(test_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
