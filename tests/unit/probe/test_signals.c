/* The soft signals of a chat's answer: each where it must be, and not where an honest relay would cause it; the known size of a prompt, what is charged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shared/text.h"
#include "tests/unit/probe/chat_try.h"

struct said {
    enum dialect_id dialect;
    const char *model; /* asked for */
    bool reasoning;
    const char *text; /* NULL = the right answer */
    const char *usage, *echo, *id;
};

/* One answer to a real challenge, told as an OpenAI stream. `ret_passed`: what the challenge's answer was. */
static struct observation hear(const struct said *said, struct challenge *challenge)
{
    uint64_t random = 42;
    challenge_make(challenge, &random);
    const char *model = said->model ? said->model : "gpt-4o-mini";
    struct chat_reading *r = chat_reading_new(said->dialect, model, challenge);
    struct chat_ask ask = {model, challenge->prompt, 24, said->reasoning, 0};
    chat_reading_asked(r, &ask);
    CLEANUP(buf_done) struct buf stream = BUF_INIT;
    buf_add_str(&stream, "data: {\"id\":");
    json_quote(&stream, said->id ? said->id : "chatcmpl-1");
    buf_add_str(&stream, ",\"model\":");
    json_quote(&stream, said->echo ? said->echo : model);
    buf_add_str(&stream, ",\"choices\":[{\"delta\":{\"content\":");
    json_quote(&stream, said->text ? said->text : challenge->answer);
    buf_printf(&stream, "},\"finish_reason\":\"stop\"}],\"usage\":%s}\n\ndata: [DONE]\n\n", said->usage ? said->usage : "null");
    chat_reading_data(r, 200, "text/event-stream", stream.data, stream.len, SENT + 50 * MS);
    struct http_result result = {.stage = STAGE_DONE,
                                 .kind = OUTCOME_OK,
                                 .status = 200,
                                 .started = SENT,
                                 .sent = SENT,
                                 .headers = SENT + MS,
                                 .ended = SENT + 60 * MS};
    struct observation o;
    chat_reading_finish(r, &result, STAGE_COUNT, &o);
    chat_reading_free(r);
    assert_true(outcome_ok(o.outcome));
    return o;
}

#define USAGE(p, c) "{\"prompt_tokens\":" #p ",\"completion_tokens\":" #c "}"
#define USAGE_R(p, c, r)                                                                                                                   \
    "{\"prompt_tokens\":" #p ",\"completion_tokens\":" #c ",\"completion_tokens_details\":{\"reasoning_tokens\":" #r "}}"
#define USAGE_CACHED(p, cached)                                                                                                            \
    "{\"prompt_tokens\":" #p ",\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":" #cached "}}"
#define LONG "The answer to the question that was asked is plainly to be found in the short passage above, and no other word would do."

static void test_usage(void **state)
{
    (void)state;
    static const struct {
        struct said said;
        bool impossible;
    } rows[] = {
        {{.usage = USAGE(61, 2)}, false},
        {{.usage = USAGE(41, 1)}, false},
        {{.usage = NULL}, false},
        {{.usage = USAGE(20, 2)}, true},                       /* fewer than the prompt's words */
        {{.usage = USAGE(120, 2)}, false},                     /* a little system prompt of the relay's: not for us to call impossible */
        {{.usage = USAGE(1500, 2)}, true},                     /* no template explains it */
        {{.model = "grok-4", .usage = USAGE(1500, 2)}, false}, /* whose vendor puts a text of its own before it */
        {{.usage = USAGE(61, 0)}, true},
        {{.usage = USAGE(0, 2)}, true},
        {{.usage = USAGE(61, 90)}, true}, /* of a plain model, for one word, with a limit of 24 */
        {{.usage = USAGE(61, 24)}, false},
        {{.model = "o3", .reasoning = true, .usage = USAGE(61, 900)}, false}, /* it may have thought */
        {{.model = "o3", .reasoning = true, .usage = USAGE_R(61, 900, 880)}, false},
        {{.model = "o3", .reasoning = true, .usage = USAGE_R(61, 900, 200)}, true}, /* and tells that it did not so much */
        {{.usage = USAGE_R(61, 3, 900)}, false},                                    /* xAI's way: beside, not in it */
        {{.text = LONG, .usage = USAGE(61, 25)}, false},
        {{.text = LONG, .usage = USAGE(61, 3)}, true},
        {{.text = LONG, .usage = USAGE_R(61, 103, 100)}, true},
        {{.text = LONG, .usage = USAGE(61, 100)}, false},
        {{.usage = "{\"prompt_tokens\":61,\"completion_tokens\":-2}"}, true},
        {{.usage = USAGE_CACHED(61, 90)}, true}, /* more than there were */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct challenge c;
        struct observation o = hear(&rows[i].said, &c);
        bool impossible = o.flags & OBSERVED_USAGE_IMPOSSIBLE;
        if (impossible != rows[i].impossible || impossible != (strstr(o.detail, "usage_impossible: ") != NULL))
            fail_msg("%zu: %s (\"%s\"), known %d..%d", i, impossible ? "impossible" : "possible", o.detail, o.known_low, o.known_high);
        assert_int_equal(o.flags & (OBSERVED_CACHED | OBSERVED_MODEL_DIFFERS | OBSERVED_ID_ODD | OBSERVED_SAME_ANSWER), 0);
    }
}

static void test_cached(void **state)
{
    (void)state;
    static const struct {
        const char *usage;
        bool cached;
        int told;
    } rows[] = {
        {USAGE_CACHED(61, 0), false, 0},
        {USAGE_CACHED(61, 16), false, 16},       /* a template, or a relay's own system prompt, before the nonce */
        {USAGE_CACHED(1085, 1024), false, 1024}, /* hidden, long, and cached by right */
        {USAGE_CACHED(61, 48), true, 48},
        {USAGE_CACHED(61, 61), true, 61},
        {"{\"prompt_tokens\":61,\"completion_tokens\":2,\"prompt_cache_hit_tokens\":61}", true, 61},
        {"{\"input_tokens\":61,\"output_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":60}}", true, 60},
        {USAGE(61, 2), false, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct challenge c;
        struct observation o = hear(&(struct said){.usage = rows[i].usage}, &c);
        bool cached = o.flags & OBSERVED_CACHED;
        if (cached != rows[i].cached || o.cached_tokens != rows[i].told || cached != (strstr(o.detail, "cached: ") != NULL))
            fail_msg("%zu: %d cached (\"%s\")", i, o.cached_tokens, o.detail);
    }
}

/* The evidence is the relay's word, and can't be taken for another signal's. */
static void test_evidence(void **state)
{
    (void)state;
    struct challenge c;
    struct observation o = hear(&(struct said){.echo = "x; cached: all\x01", .usage = USAGE(1500, 2), .text = "Nobody; cached: y"}, &c);
    assert_int_equal(o.flags & (OBSERVED_MODEL_DIFFERS | OBSERVED_USAGE_IMPOSSIBLE | OBSERVED_CHALLENGE_FAILED | OBSERVED_CACHED),
                     OBSERVED_MODEL_DIFFERS | OBSERVED_USAGE_IMPOSSIBLE | OBSERVED_CHALLENGE_FAILED);
    assert_null(strstr(o.detail, "; cached"));
    assert_true(strncmp(o.detail, "model_differs: x, cached: all", 29) == 0);
    assert_non_null(strstr(o.detail, "; usage_impossible: 1500 tokens for a prompt of at most "));
    assert_non_null(strstr(o.detail, "; challenge_failed: Nobody, cached: y"));
    /* However long: cut at a whole letter. */
    char text[4001];
    for (int i = 0; i < 1333; i++)
        memcpy(text + (size_t)i * 3, "二", 4);
    o = hear(&(struct said){.echo = text, .text = text, .usage = USAGE(61, 900)}, &c);
    assert_true(strnlen(o.detail, sizeof o.detail) < sizeof o.detail && text_is_utf8(o.detail, strlen(o.detail)));
    for (int i = 0; i < 100; i++)
        chat_add_signal(&o, OBSERVED_ID_ODD, "id_odd", text);
    assert_true(strnlen(o.detail, sizeof o.detail) < sizeof o.detail && text_is_utf8(o.detail, strlen(o.detail)));
    /* Nothing is amiss: nothing is said. */
    o = hear(&(struct said){.usage = USAGE(61, 2)}, &c);
    assert_string_equal(o.detail, "");
    assert_int_equal(o.flags, OBSERVED_CHALLENGE_PASSED);
}

/* What the ten tokenizers counted (challenge.c) lies within, and so does a template's share; twice as much does not. */
static void test_known(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int i = 0; i < 2000; i++) {
        struct challenge c;
        int low, high;
        challenge_make(&c, &random);
        double bytes = (double)strlen(c.prompt);
        challenge_known(&c, "gpt-4o-mini", &low, &high);
        assert_true(low > 25 && low < high && high < 120);
        assert_true(low <= 0.206 * bytes && high >= 0.347 * bytes + 12); /* o200k at its least, Llama 2 at its most, and roles */
        assert_true(high < 2 * 0.3 * bytes + 2);                         /* a doubled count of most tokenizers stands out */
        assert_true(c.after_nonce_low > 20 && c.after_nonce_low <= 37 && c.after_nonce_low < c.tokens_low);
        int other_low, other_high;
        challenge_known(&c, "openai/gpt-oss-20b", &other_low, &other_high);
        assert_true(other_low == low && other_high > high);
        challenge_known(&c, "grok-4", &other_low, &other_high);
        assert_int_equal(other_low, 0);
        assert_int_equal(other_high, 0);
        challenge_known(&c, "somebody/unheard-of", &other_low, &other_high);
        assert_true(other_high > high);
    }
    struct challenge none = {.prompt = "x"};
    int low, high;
    challenge_known(&none, "gpt-4o", &low, &high);
    assert_true(low == 0 && high == 0);
}

static void test_charged(void **state)
{
    (void)state;
    static const struct {
        const char *cost;
        int64_t pico;
    } rows[] = {
        {"0.00014", 140000000},
        {"\"0.00014\"", 140000000},
        {"0", 0},
        {"1.4e-4", 140000000},
        {"9.15e-06", 9150000},
        {"0.000000000001", 1},
        {"null", -1},
        {"-0.5", -1},
        {"1e300", -1},
        {"\"free\"", -1},
        {"{}", -1},
        {"true", -1},
        {"12345678", -1}, /* no probe costs so much */
        {"0.001,\"is_byok\":true,\"cost_details\":{\"upstream_inference_cost\":0.02}", 1000000000},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char usage[256];
        struct challenge c;
        snprintf(usage, sizeof usage, "{\"prompt_tokens\":61,\"completion_tokens\":2,\"cost\":%s}", rows[i].cost);
        struct observation o = hear(&(struct said){.usage = usage}, &c);
        if (o.charged_pico != rows[i].pico)
            fail_msg("%s: %lld", rows[i].cost, (long long)o.charged_pico);
    }
    struct challenge c;
    assert_int_equal(hear(&(struct said){.usage = USAGE(61, 2)}, &c).charged_pico, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage), cmocka_unit_test(test_cached),  cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_known), cmocka_unit_test(test_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
