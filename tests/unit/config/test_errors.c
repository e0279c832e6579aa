/* What is wrong is said with its place, underlined, all of it in one run, and a pasted key is never shown. */
#include "tests/unit/config/scratch.h"

struct wrong {
    const char *text;     /* put before SCRATCH_REST unless it has platforms of its own */
    const char *expected; /* "LINE:COL: error: WORDS", as it must be in the messages */
};

#define P(inside) "models: {m1: {}}\n" SCRATCH_POLICY "platforms:\n  p1:\n    endpoints: https://a.example/v1\n    models: {m1: x}\n" inside
#define ROUTE(inside)                                                                                                                      \
    "models: {m1: {}}\n" SCRATCH_POLICY "platforms:\n  p1:\n    endpoints: https://a.example/v1\n    models:\n      m1: {" inside "}\n"
#define POLICY(inside) "models: {m1: {}}\n" SCRATCH_PLATFORM "policies:\n  x: {" inside "}\n"

static const struct wrong wrongs[] = {
    {"lease: 30\n" SCRATCH_REST, "1:8: error: \"30\" is no duration"},
    {"lease: 30m 5\n" SCRATCH_REST, "1:8: error: "},
    {"lease: 2h\n" SCRATCH_REST, "1:8: error: out of range: 1s to 1h"},
    {"lease: [1s]\n" SCRATCH_REST, "1:8: error: this should be a duration"},
    {"lease:\n" SCRATCH_REST, "1:1: error: \"lease\" has no value"},
    {"curency: USD\n" SCRATCH_REST, "1:1: error: unknown key \"curency\" in the top level, did you mean \"currency\"?"},
    {"lease: 30s\nlease: 31s\n" SCRATCH_REST, "2:1: error: \"lease\" is given twice"},
    {"max_body: 4M\n" SCRATCH_REST, "1:11: error: \"4M\" is no size"},
    {"concurrency: 0\n" SCRATCH_REST, "1:14: error: out of range: 1 to 10000"},
    {"concurrency: 5s\n" SCRATCH_REST, "1:14: error: this should be a whole number"},
    {"concurrency: -1\n" SCRATCH_REST, "1:14: error: this should be a whole number"},
    {"pick_keys: maybe\n" SCRATCH_REST, "1:12: error: this should be true or false"},
    {"socket_mode: 999\n" SCRATCH_REST, "1:14: error: this should be an octal mode"},
    {"log_level: loud\n" SCRATCH_REST, "1:12: error: \"loud\" is none of err, warning"},
    {"budget: 1 USD\n" SCRATCH_REST, "1:9: error: \"1 USD\" is no sum a day"},
    {"budget: 1 EUR/day\n" SCRATCH_REST, "1:9: error: no rate for EUR"},
    {"rates: {CNY: 7 CNY}\n" SCRATCH_REST, "1:14: error: a rate says"},
    {"rates: {cny: 0.14 USD}\n" SCRATCH_REST, "1:9: error: \"cny\" is no currency"},
    {"rates: {USD: 1 USD}\n" SCRATCH_REST, "1:9: error: USD is the reference currency itself"},
    {"self_check: ftp://x\n" SCRATCH_REST, "1:13: error: this should be a URL"},
    {"include: nothing-*.yaml\n" SCRATCH_REST, "1:10: error: no file matches"},
    {"include: main.yaml\n" SCRATCH_REST, "1:10: error: "},
    {"roles: {admin: {users: no-such-user-at-all}}\n" SCRATCH_REST, "1:24: error: there is no user"},
    {"roles: {root: {}}\n" SCRATCH_REST, "1:9: error: unknown key \"root\" in roles"},
    {"default_policy: productoin\n" SCRATCH_REST, "1:17: error: unknown policy \"productoin\", did you mean \"production\"?"},
    {"health: {fall: 6}\n" SCRATCH_REST, "1:9: error: health: fall (6) must not be more than window (5)"},
    {"probes: {chat: {jitter: 0.05}}\n" SCRATCH_REST, "1:25: error: \"0.05\" is no percentage"},
    {"probes: {chat: {jitter: 60%}}\n" SCRATCH_REST, "1:25: error: out of range: 0% to 50%"},
    {"probes: {chat: {timeouts: {total: 6m}}}\n" SCRATCH_REST,
     "1:35: error: probes.chat: timeouts.total (6m) must be less than interval (5m)"},
    {"probes: {chat: {interval: 45s}}\n" SCRATCH_REST, "1:27: error: probes.chat: timeouts.total (45s) must be less than interval (45s)"},
    {"probes: {chat: {interval: 1m, fast: 2m}}\n" SCRATCH_REST, "1:37: error: fast (2m) must not be more than interval (1m)"},
    {"probes: {reach: {timeouts: {first: 1s}}}\n" SCRATCH_REST, "1:29: error: unknown key \"first\""},
    {"probes: {chatt: {}}\n" SCRATCH_REST, "1:10: error: unknown key \"chatt\" in probes, did you mean \"chat\"?"},
    {"a: &x 1\nlease: *x\n" SCRATCH_REST, "2:9: error: aliases (*name) are not read here"},
    {"lease: [1s\n" SCRATCH_REST, ": error: "},
    {"- a\n- b\n", "1:1: error: the file should be a mapping"},
    {SCRATCH_REST "---\na: b\n", "a second document"},
    {"vantage: \"a\\0b\"\n" SCRATCH_REST, "1:11: error: this holds a character"},
    {"vantage: a\x1b[31mb\n" SCRATCH_REST, "1:11: error: a character that must not be here (U+001B)"},
    {"lease: 30s\nvantage: \xff\n" SCRATCH_REST, "2:10: error: this is not UTF-8 (byte 0xff)"},
    {"models: {m1: {}, m2: {}}\n" SCRATCH_POLICY SCRATCH_PLATFORM, "1:18: error: model \"m2\" has no route"},
    {"models: {m1: {}}\n" SCRATCH_PLATFORM, "there is no policy"},
    {"models: {m1: {}}\n" SCRATCH_POLICY "platforms:\n  p1: {endpoints: https://a.example, models: {m1: x, m2: y}}\n",
     "5:54: error: unknown model \"m2\", did you mean \"m1\"?"},
    {SCRATCH_REST "  p1: {endpoints: https://b.example}\n", "6:3: error: platform \"p1\" is defined twice, first in "},
    {SCRATCH_REST "  p/2: {endpoints: https://b.example}\n", "6:3: error: \"p/2\" is no name for a platform"},
    {SCRATCH_REST "  p2: {level: reach}\n", "6:3: error: platform \"p2\" has no endpoint"},
    {SCRATCH_REST "  p2: {endpoints: []}\n", "6:19: error: platform \"p2\" has no endpoint"},
    {SCRATCH_REST "  p2: {endpoints: a.example}\n", "6:19: error: this should be a URL"},
    {SCRATCH_REST "  p2: {endpoints: http://b.example}\n", "6:19: error: http:// would send the key in clear text"},
    {SCRATCH_REST "  p2: {endpoints: http://11.0.0.1}\n", "6:19: error: http:// would send the key in clear text"},
    {SCRATCH_REST "  p2: {endpoints: 'https://u:p@b.example'}\n", "6:20: error: a user or password in a URL"},
    {SCRATCH_REST "  p2: {endpoints: 'https://b.example/v1?x=1'}\n", "6:20: error: a base URL has no"},
    {SCRATCH_REST "  p2: {endpoints: 'https://b.example:99999'}\n", "6:20: error: the port should be"},
    {SCRATCH_REST "  p2: {endpoints: [https://b.example, https://b.example/]}\n", "6:39: error: this endpoint is given twice"},
    {P("    price_source: openruter\n"), "8:19: error: \"openruter\" is none of"},
    {P("    maintenance: 02:00\n"), "8:18: error: this is no maintenance window"},
    {P("    maintenance: 2026-02-29T00:00Z..2026-03-01T00:00Z\n"), "8:18: error: this is no maintenance window"},
    {P("    maintenance: 2026-03-02T00:00Z..2026-03-01T00:00Z\n"), "8:18: error: this window ends before it begins"},
    {P("    maintenance: {from: '2026-03-02T00:00Z'}\n"), "8:18: error: a window needs"},
    {P("    headers: {X-Api-Key: abc}\n"), "8:15: error: keys do not belong in this file"},
    {P("    headers: {Host: abc}\n"), "8:15: error: probed sets this header itself"},
    {P("    chat_path: chat\n"), "8:16: error: this should be a path that begins with"},
    {P("    tags: [a, b, a]\n"), "8:18: error: \"a\" is given twice"},
    {P("    key: {}\n"), "8:10: error: where does the key come from?"},
    {ROUTE("price: {input: 1 USD/1M}"), "8:19: error: a price needs"},
    {ROUTE("price: {input: 1 USD/1M, output: 2 CNY/1M}"), "8:45: error: no rate for CNY"},
    {ROUTE("price: {input: 1 USD, output: 2 USD/1M}"), "8:27: error: \"1 USD\" is no price of tokens"},
    {ROUTE("dialect: anthropic"), "8:21: error: platform \"p1\" has no endpoint that speaks anthropic"},
    {ROUTE("max_tokens: 1k"), "8:24: error: this should be a whole number"},
    {ROUTE("levle: chat"), "8:12: error: unknown key \"levle\" in platforms.*.models.*, did you mean \"level\"?"},
    {POLICY("second: 0.1"), "5:3: error: policy \"x\" does not say what money is worth"},
    {POLICY("money: 0.1"), "5:3: error: policy \"x\" does not say what a second"},
    {POLICY("second: 0.1 USD, money: 0.1"), "5:15: error: a second in money needs"},
    {POLICY("second: 0.1, money: 0.1, failure: 1 USD"), "5:27: error: either \"failure:\""},
    {POLICY("second: 0, money: 0.1"), "5:15: error: a second of waiting must be worth something"},
    {POLICY("second: 0.1, money: 0.1, latency: p99"), "5:41: error: \"p99\" is none of mean, p50, p90, p95"},
    {POLICY("second: 0.1, money: 0.1, require: {vision: false}"), "5:50: error: a policy can require"},
    {POLICY("second: 0.1, money: 0.1, request: {input: 0, output: 0}"), "5:41: error: a request of no tokens"},
};

static void test_each(void **state)
{
    (void)state;
    size_t missed = 0;
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        int errors = 0;
        struct config *c = scratch_load_text(wrongs[i].text, &errors);
        if (!c && errors > 0 && strstr(scratch_messages, wrongs[i].expected))
            continue;
        print_message("for:\n%s\nno \"%s\" in:\n%s\n", wrongs[i].text, wrongs[i].expected, scratch_messages);
        config_unref(c);
        missed++;
    }
    assert_int_equal(missed, 0);
}

/* Each of those alone; together they are all told in one run, over two files. */
static void test_all_at_once(void **state)
{
    (void)state;
    int errors = 0;
    scratch_write("other.yaml", "platforms:\n  p2: {endpoints: nowhere, levle: chat}\n");
    assert_null(scratch_load_text("include: other.yaml\nlease: 5\nconcurrency: x\nunknown: 1\nprobes: {chat: {interval: 1}}\n" SCRATCH_REST,
                                  &errors));
    assert_int_equal(errors, 6);
    static const char *const places[] = {"main.yaml:2:8: error",  "main.yaml:3:14: error",  "main.yaml:4:1: error",
                                         "main.yaml:5:27: error", "other.yaml:2:19: error", "other.yaml:2:28: error"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (!strstr(scratch_messages, places[i]))
            fail_msg("no %s in:\n%s", places[i], scratch_messages);
}

static void test_underlined(void **state)
{
    (void)state;
    int errors = 0;
    assert_null(scratch_load_text("lease: 30 minutes\n" SCRATCH_REST, &errors));
    assert_non_null(strstr(scratch_messages, "\nlease: 30 minutes\n       ^~~~~~~~~~\n"));
}

static void test_warning(void **state)
{
    (void)state;
    int errors = -1;
    struct config *c =
        scratch_load_text("models: {m1: {}}\n" SCRATCH_PLATFORM "policies:\n  x: {second: 1, money: 1, require: [audio]}\n", &errors);
    assert_non_null(c);
    assert_int_equal(errors, 0);
    assert_non_null(strstr(scratch_messages, "5:3: warning: policy \"x\" requires \"audio\", which no platform and no model has"));
    config_unref(c);
}

#define KEY "abcdefgh12345678ZYXW"
static void test_keys_are_not_shown(void **state)
{
    (void)state;
    static const char *const texts[] = {
        P("    key: sk-" KEY "\n"),
        P("    key: {env: sk-" KEY "}\n"),
        P("    key: {file: sk-" KEY "}\n"),
        P("    key: {env: 'not-a-variable-" KEY "'}\n"),
        P("    key: {value: " KEY "}\n"),
        P("    key: " KEY "\n"),
        P("    api_key: " KEY "\n"),
        P("    headers: {Authorization: Bearer " KEY "}\n"),
        P("    headers: {X-Api-Key: " KEY "}\n"),
        P("    headers: {X-Other: Bearer " KEY "}\n"),
        P("    key: sk-" KEY ": x\n"),
        P("    key: [sk-" KEY "\n"),
        P("    key: &a sk-" KEY "\n    title: *a\n"),
        P("    sk-" KEY ": x\n"),
        P("    ? {a: sk-" KEY "}\n"),
        /* libfyaml shows a window of a long line, which can begin or end in the middle of a key. */
        P("    probes: {chat: {}, x: 1, y: 1, aaaaaaaaaaaaaaaaaaaaaaaaaaa: 1, b: 1}\n    headers: {X-Api-Key: " KEY
          ", Xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: "
          "1, Host: y, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: 1, Cookie: " KEY "}\n"),
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int errors = 0;
        assert_null(scratch_load_text(texts[i], &errors));
        assert_true(errors > 0);
        for (size_t from = 0; from + 6 <= strlen(KEY); from++) {
            char part[7];
            memcpy(part, &KEY[from], 6);
            part[6] = '\0';
            if (strstr(scratch_messages, part))
                fail_msg("\"%s\" of the key is shown for:\n%s\n%s", part, texts[i], scratch_messages);
        }
    }
}

/* What only looks a little like a key is none. */
static void test_no_keys(void **state)
{
    (void)state;
    int errors = -1;
    struct config *c = scratch_load_text(
        P("    title: task-management and disk-1234567\n    key: {file: /etc/keys/sk-prod, credential: task-sk-1}\n"), &errors);
    if (!c)
        fail_msg("%s", scratch_messages);
    assert_string_equal(c->platforms[0].key.file, "/etc/keys/sk-prod");
    config_unref(c);
}

static void test_no_file(void **state)
{
    (void)state;
    int errors = 0;
    assert_null(scratch_load(scratch_path("none.yaml"), &errors));
    assert_true(errors > 0);
    assert_non_null(strstr(scratch_messages, "No such file"));
    assert_null(scratch_load(scratch_dir, &errors));
    assert_non_null(strstr(scratch_messages, "not a regular file"));
    assert_null(scratch_load("/dev/zero", &errors));
    assert_non_null(strstr(scratch_messages, "not a regular file"));
}

/* Hostile sizes: deep nesting, a flood of errors, a chain of includes. */
static void test_caps(void **state)
{
    (void)state;
    int errors = 0;
    static char text[400000];
    memset(text, '[', 100000);
    text[100000] = '\0';
    assert_null(scratch_load_text(text, &errors));
    assert_true(errors > 0);
    size_t at = 0;
    for (int i = 0; i < 20000; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "k%d: x\n", i);
    assert_null(scratch_load_text(text, &errors));
    assert_true(errors >= 20000);
    assert_non_null(strstr(scratch_messages, "only the first 1000 messages are shown"));
    for (int i = 0; i < 12; i++) {
        char name[32], inside[64];
        snprintf(name, sizeof name, "f%d.yaml", i);
        snprintf(inside, sizeof inside, "include: f%d.yaml\n", i + 1);
        scratch_write(name, i < 11 ? inside : SCRATCH_REST);
    }
    assert_null(scratch_load(scratch_path("f0.yaml"), &errors));
    assert_non_null(strstr(scratch_messages, "too deeply"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_all_at_once, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_underlined, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_warning, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_keys_are_not_shown, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_no_keys, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_no_file, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_caps, scratch_begin, scratch_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
