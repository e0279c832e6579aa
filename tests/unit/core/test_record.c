/* Lines of history: what each member means, and what is refused, in which words. */
#include "tests/unit/core/field.h"

#include <errno.h>

#include "probed/core/record_words.h"

#define CHAT "{\"t\":1732370000.25,\"platform\":\"p1\",\"model\":\"m1\",\"kind\":\"chat\",\"source\":\"probe\""

static struct record parse(const char *line)
{
    struct record r;
    struct err err = {""};

    memset(&r, 0xa5, sizeof(r)); /* nothing may depend on what was there */
    if (record_parse(line, strlen(line), &r, &err) < 0)
        fail_msg("%s: %s", line, err.text);
    return r;
}

/* A chat with these further members. */
static struct record chat(const char *more)
{
    char line[1024];

    snprintf(line, sizeof(line), CHAT "%s%s}", more[0] ? "," : "", more);
    return parse(line);
}

static void refuse_n(const char *line, size_t len, const char *words)
{
    struct record r;
    struct err err = {""};

    assert_int_equal(record_parse(line, len, &r, &err), -EINVAL);
    if (!strstr(err.text, words))
        fail_msg("%s: should say \"%s\", but says \"%s\"", line, words, err.text);
    assert_int_equal(record_parse(line, len, &r, NULL), -EINVAL);
}

static void refuse(const char *line, const char *words)
{
    refuse_n(line, strlen(line), words);
}

static void refuse_chat(const char *more, const char *words)
{
    char line[1024];

    snprintf(line, sizeof(line), CHAT ",%s}", more);
    refuse(line, words);
}

static void test_every_member_of_a_chat(void **state)
{
    (void)state;
    struct record r =
        chat("\"ok\":true,\"status\":200,\"error\":\"\",\"queue_ms\":1,\"dns_ms\":2.5,\"connect_ms\":31.0,\"tls_ms\":42.001,"
             "\"wait_ms\":300,\"ttft_ms\":510.0,\"content_ms\":511,\"total_ms\":1320.0,\"gap_max_ms\":80,\"tokens_per_s\":61.5,"
             "\"prompt_tokens\":100,\"output_tokens\":20,\"reasoning_tokens\":7,\"cost_usd\":0.000123,\"in_flight\":3,"
             "\"interval_s\":15,\"reporter\":\"gw1\",\"retry_after_s\":2,\"flags\":\"challenge_passed no_usage\",\"text\":\"好\"");

    assert_int_equal(r.t, 1732370000250000);
    assert_int_equal(r.kind, RECORD_CHAT);
    assert_string_equal(r.platform, "p1");
    assert_string_equal(r.model, "m1");
    assert_string_equal(r.reporter, "gw1");
    assert_int_equal(r.o.at, r.t);
    assert_int_equal(r.o.probe, PROBE_CHAT);
    assert_int_equal(r.o.source, SOURCE_PROBE);
    assert_int_equal(r.o.outcome.kind, OUTCOME_OK);
    assert_int_equal(r.o.outcome.stage, STAGE_DONE);
    assert_int_equal(r.o.outcome.fault, FAULT_NONE);
    assert_int_equal(r.o.outcome.http_status, 200);
    assert_int_equal(r.o.queue, 1000);
    assert_int_equal(r.o.dns, 2500);
    assert_int_equal(r.o.connect, 31000);
    assert_int_equal(r.o.tls, 42001);
    assert_int_equal(r.o.wait, 300000);
    assert_int_equal(r.o.ttft, 510000);
    assert_int_equal(r.o.content, 511000);
    assert_int_equal(r.o.total, 1320000);
    assert_int_equal(r.o.gap_max, 80000);
    assert_true(r.o.tokens_per_s == 61.5);
    assert_int_equal(r.o.prompt_tokens, 100);
    assert_int_equal(r.o.output_tokens, 20);
    assert_int_equal(r.o.reasoning_tokens, 7);
    assert_int_equal(r.o.cost_pico, 123000000);
    assert_int_equal(r.o.in_flight, 3);
    assert_int_equal(r.o.interval, 15 * SEC);
    assert_int_equal(r.o.retry_after, 2 * SEC);
    assert_int_equal(r.o.flags, OBSERVED_CHALLENGE_PASSED | OBSERVED_NO_USAGE);
    assert_string_equal(r.o.detail, "好");
}

static void test_what_is_not_told_is_not_known(void **state)
{
    (void)state;
    struct record r = chat("\"ok\":true");
    const struct observation *o = &r.o;

    const usec_t spans[] = {o->queue, o->dns, o->connect, o->tls, o->wait, o->ttft, o->content, o->total, o->gap_max};

    for (size_t i = 0; i < ARRAY_LEN(spans); i++)
        assert_int_equal(spans[i], OBSERVATION_UNKNOWN);
    assert_int_equal(o->outcome.http_status, 0);
    assert_true(o->tokens_per_s == 0);
    assert_int_equal(o->prompt_tokens, -1);
    assert_int_equal(o->output_tokens, -1);
    assert_int_equal(o->reasoning_tokens, -1);
    assert_int_equal(o->cost_pico, -1);
    assert_int_equal(o->in_flight, 0);
    assert_int_equal(o->flags, 0);
    assert_int_equal(o->interval, 0);
    assert_int_equal(o->retry_after, 0);
    assert_string_equal(o->detail, "");
    assert_string_equal(r.reporter, "");
    /* null is the same as nothing, for every member but those that are needed. */
    r = chat(
        "\"ok\":true,\"status\":null,\"error\":null,\"ttft_ms\":null,\"cost_usd\":null,\"reporter\":null,\"fault\":null,\"flags\":null");
    assert_int_equal(r.o.ttft, OBSERVATION_UNKNOWN);
    assert_int_equal(r.o.cost_pico, -1);
    refuse("{\"t\":null,\"kind\":\"table\"}", "\"t\" is missing");
    refuse("{\"t\":1,\"kind\":null}", "\"kind\" is \"\"");
    refuse("{\"t\":1,\"kind\":\"chat\",\"platform\":null,\"model\":\"m\",\"ok\":true}", "\"platform\" is missing");
}

static void test_source(void **state)
{
    (void)state;
    assert_int_equal(chat("\"ok\":true,\"source\":\"traffic\"").o.source, SOURCE_TRAFFIC);
    assert_int_equal(parse("{\"t\":1,\"platform\":\"p\",\"model\":\"m\",\"kind\":\"chat\",\"ok\":true}").o.source, SOURCE_PROBE);
    refuse_chat("\"ok\":true,\"source\":\"rumour\"", "it should be probe or traffic");
    refuse_chat("\"ok\":true,\"source\":\"\"", "it should be probe or traffic");
}

static void test_error_words(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum outcome_kind kind;
        enum fault fault;
    } words[] = {
        {"timeout", OUTCOME_TIMEOUT, FAULT_RELAY},
        {"refused", OUTCOME_REFUSED, FAULT_RELAY},
        {"reset", OUTCOME_RESET, FAULT_RELAY},
        {"dns", OUTCOME_RESOLVE, FAULT_RELAY},
        {"tls", OUTCOME_TLS, FAULT_RELAY},
        {"http_5xx", OUTCOME_SERVER_ERROR, FAULT_RELAY},
        {"rate_limited", OUTCOME_RATE_LIMITED, FAULT_NONE},
        {"auth", OUTCOME_AUTH, FAULT_OURS},
        {"no_credit", OUTCOME_NO_CREDIT, FAULT_OURS},
        {"model_missing", OUTCOME_MODEL_MISSING, FAULT_RELAY},
        {"bad_body", OUTCOME_MALFORMED, FAULT_RELAY},
        {"stall", OUTCOME_STALLED, FAULT_RELAY},
    };
    char more[128];

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        snprintf(more, sizeof(more), "\"ok\":false,\"status\":0,\"error\":\"%s\"", words[i].word);
        struct record r = chat(more);

        assert_int_equal(r.o.outcome.kind, words[i].kind);
        assert_int_equal(r.o.outcome.fault, words[i].fault);
        assert_int_equal(r.o.outcome.stage, STAGE_HEADERS);
        assert_non_null(strstr(record_error_names(), words[i].word));
        assert_string_equal(record_error_name(words[i].kind), words[i].word);
    }
    /* The daemon's own names for outcomes are words as well. */
    for (int kind = 0; kind < OUTCOME_COUNT; kind++) {
        assert_int_equal(record_error_find(kind == OUTCOME_OK ? "ok" : record_error_name((enum outcome_kind)kind)), kind);
        snprintf(more, sizeof(more), "\"ok\":false,\"error\":\"%s\"", outcome_name((enum outcome_kind)kind));
        if (kind != OUTCOME_OK)
            assert_int_equal(chat(more).o.outcome.kind, kind);
    }
    refuse_chat("\"ok\":false,\"error\":\"weird\"", "\"error\" is \"weird\"; it should be one of timeout, refused");
    refuse_chat("\"ok\":false,\"error\":\"ok\"", "\"ok\" is false and \"error\" is \"ok\"");
    refuse_chat("\"error\":\"timeout\"", "\"ok\" is missing");
    /* What succeeded did not fail, whatever else is said. */
    assert_int_equal(chat("\"ok\":true,\"error\":\"timeout\"").o.outcome.kind, OUTCOME_OK);
}

static void test_failure_by_status(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum outcome_kind kind;
    } by[] = {
        {0, OUTCOME_RESET},          {200, OUTCOME_MALFORMED},    {301, OUTCOME_MALFORMED},  {401, OUTCOME_AUTH},
        {402, OUTCOME_NO_CREDIT},    {403, OUTCOME_FORBIDDEN},    {404, OUTCOME_HTTP_ERROR}, {429, OUTCOME_RATE_LIMITED},
        {500, OUTCOME_SERVER_ERROR}, {999, OUTCOME_SERVER_ERROR},
    };
    char more[64];

    for (size_t i = 0; i < ARRAY_LEN(by); i++) {
        for (int empty = 0; empty < 2; empty++) {
            snprintf(more, sizeof(more), "\"ok\":false,\"status\":%d%s", by[i].status, empty ? ",\"error\":\"\"" : "");
            struct record r = chat(more);

            assert_int_equal(r.o.outcome.kind, by[i].kind);
            assert_int_equal(r.o.outcome.http_status, by[i].status);
        }
    }
    assert_int_equal(chat("\"ok\":false").o.outcome.kind, OUTCOME_RESET);
}

static void test_fault_and_stage(void **state)
{
    (void)state;
    struct record r = chat("\"ok\":false,\"status\":500,\"error\":\"http_5xx\",\"fault\":\"local\",\"stage\":\"stream\"");

    assert_int_equal(r.o.outcome.fault, FAULT_LOCAL);
    assert_int_equal(r.o.outcome.stage, STAGE_STREAM);
    assert_int_equal(chat("\"ok\":false,\"error\":\"rate_limited\",\"fault\":\"relay\"").o.outcome.fault, FAULT_RELAY);
    assert_int_equal(chat("\"ok\":false,\"error\":\"timeout\",\"fault\":\"\",\"stage\":\"\"").o.outcome.fault, FAULT_RELAY);
    refuse_chat("\"ok\":false,\"fault\":\"mine\"", "it should be none, relay, ours or local");
    refuse_chat("\"ok\":false,\"stage\":\"later\"", "\"stage\" is \"later\", which is none");
    refuse_chat("\"ok\":true,\"flags\":\"challenge_passed rich\"", "\"flags\" holds a word that is none");
    assert_int_equal(chat("\"ok\":true,\"flags\":\"  one_burst  \"").o.flags, OBSERVED_ONE_BURST);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *member;
        double most;
    } members[] = {
        {"status", 999},           {"retry_after_s", 1e9}, {"interval_s", 1e9},   {"queue_ms", 1e9},      {"dns_ms", 1e9},
        {"connect_ms", 1e9},       {"tls_ms", 1e9},        {"wait_ms", 1e9},      {"ttft_ms", 1e9},       {"content_ms", 1e9},
        {"total_ms", 1e9},         {"gap_max_ms", 1e9},    {"tokens_per_s", 1e7}, {"prompt_tokens", 1e9}, {"output_tokens", 1e9},
        {"reasoning_tokens", 1e9}, {"cost_usd", 1e3},      {"in_flight", 1e6},
    };
    char more[128], words[64];

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        snprintf(more, sizeof(more), "\"ok\":true,\"%s\":%.0f", members[i].member, members[i].most);
        chat(more);
        snprintf(words, sizeof(words), "\"%s\" is", members[i].member);
        snprintf(more, sizeof(more), "\"ok\":true,\"%s\":%.0f.5", members[i].member, members[i].most);
        refuse_chat(more, words);
        snprintf(more, sizeof(more), "\"ok\":true,\"%s\":-1e-9", members[i].member);
        refuse_chat(more, words);
    }
    refuse("{\"t\":-1,\"kind\":\"table\"}", "\"t\" is -1; it should be 0 to");
    refuse("{\"t\":1732370000250,\"kind\":\"table\"}", "\"t\" is 1.73237e+12"); /* milliseconds */
    assert_int_equal(parse("{\"t\":0,\"kind\":\"table\"}").t, 0);
    assert_int_equal(parse("{\"t\":4e9,\"kind\":\"table\"}").t, (usec_t)4000000000 * SEC);
    /* Counts that do not fit are the most that fit. */
    assert_int_equal(chat("\"ok\":true,\"in_flight\":1000000").o.in_flight, UINT16_MAX);
}

static void test_prices(void **state)
{
    (void)state;
#define PRICE "{\"t\":1,\"platform\":\"p\",\"model\":\"m\",\"kind\":\"price\""
    struct record r = parse(PRICE ",\"input_usd_per_mtok\":0.15,\"output_usd_per_mtok\":0.6}");

    assert_int_equal(r.price.input, 150000);
    assert_int_equal(r.price.output, 600000);
    assert_int_equal(r.price.call, -1);
    r = parse(PRICE ",\"call_usd\":0.002}");
    assert_int_equal(r.price.input, -1);
    assert_int_equal(r.price.output, -1);
    assert_int_equal(r.price.call, 2000000000);
    r = parse(PRICE ",\"input_usd_per_mtok\":0,\"output_usd_per_mtok\":1e9,\"call_usd\":1000}");
    assert_int_equal(r.price.input, 0);
    assert_int_equal(r.price.output, 1000000000000000);
    assert_int_equal(r.price.call, 1000000000000000);
    refuse(PRICE "}", "a price without any");
    refuse(PRICE ",\"input_usd_per_mtok\":null,\"call_usd\":null}", "a price without any");
    refuse(PRICE ",\"input_usd_per_mtok\":1}", "go together");
    refuse(PRICE ",\"output_usd_per_mtok\":1,\"call_usd\":1}", "go together");
    refuse(PRICE ",\"input_usd_per_mtok\":-1,\"output_usd_per_mtok\":1}", "\"input_usd_per_mtok\" is -1");
    refuse(PRICE ",\"input_usd_per_mtok\":1,\"output_usd_per_mtok\":2e9}", "\"output_usd_per_mtok\" is 2e+09");
    refuse(PRICE ",\"call_usd\":1001}", "\"call_usd\" is 1001");
    refuse("{\"t\":1,\"platform\":\"p\",\"kind\":\"price\",\"call_usd\":1}", "\"model\" is missing");
}

static void test_kinds(void **state)
{
    (void)state;
    for (int kind = 0; kind < RECORD_KIND_COUNT; kind++) {
        assert_int_equal(record_kind_find(record_kind_name((enum record_kind)kind)), kind);
        assert_non_null(strstr(record_kind_names(), record_kind_name((enum record_kind)kind)));
    }
    assert_string_equal(record_kind_name(RECORD_KIND_COUNT), "?");
    assert_int_equal(parse("{\"t\":1,\"kind\":\"reach\",\"platform\":\"p\",\"ok\":true}").o.probe, PROBE_REACH);
    assert_int_equal(parse("{\"t\":1,\"kind\":\"models\",\"platform\":\"p\",\"ok\":false,\"status\":500}").o.probe, PROBE_MODELS);
    assert_false(parse("{\"t\":1,\"kind\":\"listing\",\"platform\":\"p\",\"model\":\"m\",\"ok\":false}").ok);
    assert_true(parse("{\"t\":1,\"kind\":\"usable\",\"platform\":\"p\",\"ok\":true}").ok);
    assert_false(parse("{\"t\":1,\"kind\":\"self_check\",\"ok\":false}").ok);
    assert_int_equal(parse("{\"t\":1,\"kind\":\"config\"}").kind, RECORD_CONFIG);
    assert_string_equal(parse("{\"t\":1,\"kind\":\"config\",\"text\":\"/etc/x.yaml\"}").text, "/etc/x.yaml");
    assert_int_equal(parse("{\"kind\":\"table\",\"t\":2}").kind, RECORD_TABLE);

    struct record r = parse("{\"t\":1,\"kind\":\"override\",\"platform\":\"p\",\"action\":\"drain\",\"for_s\":90,\"text\":\"invoice\"}");

    assert_int_equal(r.action, OVERRIDE_DRAIN);
    assert_int_equal(r.lasts, 90 * SEC);
    assert_string_equal(r.text, "invoice");
    assert_string_equal(r.model, "");
    assert_int_equal(parse("{\"t\":1,\"kind\":\"override\",\"platform\":\"p\",\"model\":\"m\",\"action\":\"pin\"}").lasts, 0);
    refuse("{\"t\":1,\"kind\":\"override\",\"platform\":\"p\",\"action\":\"kick\"}", "it should be drain, pin, enable or none");
    refuse("{\"t\":1,\"kind\":\"override\",\"platform\":\"p\"}", "\"action\" is \"\"");
    refuse("{\"t\":1,\"kind\":\"override\",\"action\":\"drain\"}", "\"platform\" is missing");
    refuse("{\"t\":1,\"kind\":\"override\",\"platform\":\"p\",\"action\":\"drain\",\"for_s\":-1}", "\"for_s\" is -1");
    refuse("{\"t\":1,\"kind\":\"self_check\"}", "\"ok\" is missing");
    refuse("{\"t\":1,\"kind\":\"usable\",\"platform\":\"p\"}", "\"ok\" is missing");
    refuse("{\"t\":1,\"kind\":\"listing\",\"platform\":\"p\",\"ok\":true}", "\"model\" is missing");
    refuse("{\"t\":1,\"kind\":\"reach\",\"ok\":true}", "\"platform\" is missing");
    refuse("{\"t\":1,\"kind\":\"frob\"}", "\"kind\" is \"frob\"; it should be one of chat, ");
    refuse("{\"t\":1}", "\"kind\" is \"\"");
    refuse("{\"kind\":\"table\"}", "\"t\" is missing");
    refuse("{\"t\":1,\"kind\":\"chat\",\"platform\":\"\",\"model\":\"m\",\"ok\":true}", "\"platform\" is missing");
}

static void test_types(void **state)
{
    (void)state;
    refuse("{\"t\":\"1\",\"kind\":\"table\"}", "\"t\" should be a number");
    refuse("{\"t\":true,\"kind\":\"table\"}", "\"t\" should be a number");
    refuse("{\"t\":[1],\"kind\":\"table\"}", "\"t\" should be a number");
    refuse("{\"t\":1,\"kind\":3}", "\"kind\" should be a string");
    refuse("{\"t\":1,\"kind\":{}}", "\"kind\" should be a string");
    refuse_chat("\"ok\":1", "\"ok\" should be true or false");
    refuse_chat("\"ok\":\"yes\"", "\"ok\" should be true or false");
    refuse_chat("\"ok\":true,\"platform\":3", "\"platform\" should be a string");
}

static void test_numbers_by_grammar(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "0.0", "7", "10", "1.5", "1e2", "1E2", "1e+2", "1.25e-2", "0e0", "0.10"};
    static const char *const bad[] = {"",    "-",   "+1",  "01",  "00",  "-01", ".5",  "1.",       "1.e5",  "1e",        "1e+", "1e1.5",
                                      "0x1", "1,5", "1_0", "NaN", "nan", "Inf", "inf", "infinity", "1e999", "-Infinity", "1 2", "--1"};
    char line[256];

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(line, sizeof(line), "{\"t\":%s,\"kind\":\"table\",\"unknown\":%s}", good[i], good[i]);
        assert_int_equal(parse(line).t, (usec_t)llround(strtod(good[i], NULL) * 1e6));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(line, sizeof(line), "{\"t\":%s,\"kind\":\"table\"}", bad[i]);
        refuse(line, "");
        snprintf(line, sizeof(line), "{\"kind\":\"table\",\"t\":%s}", bad[i]);
        refuse(line, "");
        snprintf(line, sizeof(line), "{\"t\":1,\"kind\":\"table\",\"unknown\":%s}", bad[i]);
        if (strcmp(bad[i], "1e999") != 0) /* by the grammar it is one, and nobody asks what it is */
            refuse(line, "");
    }
    /* As many digits as a double can have, and far more. */
    assert_int_equal(parse("{\"t\":1732370000.2500000000000000000000000000000000000001,\"kind\":\"table\"}").t, 1732370000250000);
    snprintf(line, sizeof(line), "{\"t\":1.%0100d,\"kind\":\"table\"}", 0);
    refuse(line, "\"t\" is longer than 64 bytes");
    assert_int_equal(parse("{\"t\":3999999999.999999,\"kind\":\"table\"}").t, 3999999999999999);
}

static void test_strings(void **state)
{
    (void)state;
    assert_string_equal(chat("\"ok\":true,\"model\":\"\\u6a21\\u578b/\\u03b1\"").model, "模型/α");
    assert_string_equal(chat("\"ok\":true,\"model\":\"模型/α\"").model, "模型/α");
    assert_string_equal(chat("\"ok\":true,\"model\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"").model, "\"\\/\b\f\n\r\t");
    assert_string_equal(chat("\"ok\":true,\"model\":\"\\ud83d\\ude00\"").model, "😀");
    /* Half a pair, a pair the wrong way round, and NUL: none can be kept. */
    assert_string_equal(chat("\"ok\":true,\"model\":\"\\ud83dx\"").model, "\xef\xbf\xbdx");
    assert_string_equal(chat("\"ok\":true,\"model\":\"\\ud83d\\u0041\"").model, "\xef\xbf\xbd"
                                                                                "A");
    assert_string_equal(chat("\"ok\":true,\"model\":\"\\ude00\\ud83d\"").model, "\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(chat("\"ok\":true,\"model\":\"a\\u0000b\"").model, "a\xef\xbf\xbd"
                                                                           "b");
    refuse_chat("\"ok\":true,\"model\":\"\\x41\"", "\"model\" should be a string");
    refuse_chat("\"ok\":true,\"model\":\"\\u12g4\"", "\"model\" should be a string");
    refuse_chat("\"ok\":true,\"model\":\"\\u12\"", "\"model\" should be a string");
    refuse_chat("\"ok\":true,\"model\":\"a\tb\"", "\"model\" should be a string");
    refuse_chat("\"ok\":true,\"model\":\"\xff\xfe\"", "\"model\" is not valid UTF-8");
    refuse_chat("\"ok\":true,\"model\":\"\xed\xa0\x80\"", "\"model\" is not valid UTF-8");
    refuse_chat("\"ok\":true,\"model\":\"\xc0\x80\"", "\"model\" is not valid UTF-8");
    refuse("{\"t\":1,\"kind\":\"table", "\"kind\" should be a string");
    refuse("{\"t\":1,\"kind\":\"table\\", "\"kind\" should be a string");
    refuse_n("{\"t\":1,\"kind\":\"table\0\"}", 26, "\"kind\" should be a string");
}

/* A text of n bytes fits where n + 1 do, whatever it is made of. */
static void test_caps_of_texts(void **state)
{
    (void)state;
    static const struct {
        const char *member;
        size_t most;
    } texts[] = {{"platform", 63}, {"model", 127}, {"reporter", 63}, {"text", 255}, {"flags", 255}};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (int wide = 0; wide < 2; wide++) {
            char value[512] = "", more[700], words[64];

            for (size_t n = 0; n < texts[i].most; n++)
                value[n] = strcmp(texts[i].member, "flags") == 0 ? ' ' : 'x';
            snprintf(more, sizeof(more), "\"ok\":true,\"%s\":\"%s\"", texts[i].member, value);
            chat(more);
            /* A character that is cut in the middle is no bad UTF-8. */
            snprintf(more, sizeof(more), "\"ok\":true,\"%s\":\"%s%s\"", texts[i].member, value + wide, wide ? "平" : "x");
            snprintf(words, sizeof(words), "\"%s\" is longer than %zu bytes", texts[i].member, texts[i].most);
            refuse_chat(more, words);
        }
    }
    refuse("{\"t\":1,\"kind\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "\"kind\" is longer than 23 bytes");
    /* A relay's words are cut, at a whole character. */
    char more[400] = "\"ok\":false,\"error\":\"timeout\",\"text\":\"x";

    for (int i = 0; i < 80; i++)
        strcat(more, "平");
    strcat(more, "\"");
    assert_int_equal(strlen(chat(more).o.detail), 1 + 3 * ((OBSERVATION_DETAIL_MAX - 2) / 3));
}

static void test_lines(void **state)
{
    (void)state;
    char *line = malloc(RECORD_LINE_MAX + 2);
    struct record r;

    memset(line, ' ', RECORD_LINE_MAX + 1);
    memcpy(line, "{\"t\":1,\"kind\":\"table\"}", 22);
    assert_int_equal(record_parse(line, RECORD_LINE_MAX, &r, NULL), 0);
    refuse_n(line, RECORD_LINE_MAX + 1, "longer than 65536 bytes");
    free(line);
    refuse("", "not a JSON object");
    refuse("hello", "not a JSON object");
    refuse("[1,2]", "not a JSON object");
    refuse("42", "not a JSON object");
    refuse("null", "not a JSON object");
    refuse("{", "a name in quotes and a colon are missing");
    refuse("{}", "\"t\" is missing");
    refuse("{t:1}", "a name in quotes and a colon are missing");
    refuse("{\"t\" 1}", "a name in quotes and a colon are missing");
    refuse("{\"t\":1,}", "a name in quotes and a colon are missing");
    refuse("{\"t\":1,\"kind\":\"table\"", "the object does not end");
    refuse("{\"t\":1 \"kind\":\"table\"}", "the object does not end");
    refuse("{\"t\":1,\"kind\":\"table\"}{}", "something follows the object");
    refuse("{\"t\":1,\"kind\":\"table\"} x", "something follows the object");
    parse(" \t{ \"t\" : 1 , \"kind\" : \"table\" } \r");
}

static void test_unknown_members(void **state)
{
    (void)state;
    static const char *const good[] = {"null",
                                       "true",
                                       "false",
                                       "\"x\\\"y\"",
                                       "{}",
                                       "[]",
                                       "[1,[2,{\"t\":5}],\"]\"]",
                                       "{\"kind\":\"chat\",\"a\":{\"b\":[]}}",
                                       "[ 1 , 2 ]",
                                       "{ \"a\" : null }"};
    static const char *const bad[] = {"[}",  "{]", "[1 2]", "[,]",      "[1,]", "{,}", "{\"a\"}", "{\"a\":}", "{1:2}",      "tru",
                                      "nul", "x",  "[",     "{\"a\":1", "\"",   "[:]", "]",       "}",        "{\"a\":1,}", "'x'"};
    char line[256], deep[300] = "{\"t\":7,\"kind\":\"table\",\"x\":";

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(line, sizeof(line), "{\"t\":7,\"frob\":%s,\"kind\":\"table\",\"ttft_ms_\":%s}", good[i], good[i]);
        struct record r = parse(line);

        assert_true(r.t == 7 * SEC && r.kind == RECORD_TABLE);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(line, sizeof(line), "{\"t\":7,\"frob\":%s,\"kind\":\"table\"}", bad[i]);
        refuse(line, "not valid JSON");
    }
    for (int i = 0; i < 32; i++)
        strcat(deep, "[");
    for (int i = 0; i < 32; i++)
        strcat(deep, "]");
    strcat(deep, "}");
    parse(deep);
    refuse("{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", "not valid JSON after \"x\"");
    /* A name that is too long to be one of ours, cut inside a character. */
    parse("{\"t\":1,\"平平平平平平平平平平平平平平平平平平平平平平平平平平平平\":1,\"kind\":\"table\"}");
}

static void test_duplicates(void **state)
{
    (void)state;
    struct record r = parse("{\"t\":1,\"kind\":\"chat\",\"t\":2,\"kind\":\"table\",\"t\":null}");

    assert_int_equal(r.kind, RECORD_TABLE);
    assert_int_equal(r.t, 2 * SEC);
    r = chat("\"ok\":true,\"ok\":false,\"error\":\"dns\",\"error\":\"tls\",\"platform\":\"a\",\"platform\":\"b\"");
    assert_int_equal(r.o.outcome.kind, OUTCOME_TLS);
    assert_string_equal(r.platform, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_member_of_a_chat),
        cmocka_unit_test(test_what_is_not_told_is_not_known),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_error_words),
        cmocka_unit_test(test_failure_by_status),
        cmocka_unit_test(test_fault_and_stage),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_numbers_by_grammar),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_caps_of_texts),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_unknown_members),
        cmocka_unit_test(test_duplicates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
