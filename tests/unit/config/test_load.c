/* Loading: the shipped files, defaults, what everything means once it is loaded, and that the dump loads as the same. */
#include "tests/unit/config/scratch.h"

static struct config *load_good(const char *text)
{
    int errors = -1;
    struct config *c = scratch_load_text(text, &errors);
    if (!c)
        fail_msg("%d errors:\n%s", errors, scratch_messages);
    return c;
}

/* The numbers themselves: two dumps could be equally wrong. */
static void assert_same_numbers(const struct config *a, const struct config *b)
{
    assert_memory_equal(&a->budget, &b->budget, sizeof a->budget);
    assert_memory_equal(&a->health, &b->health, sizeof a->health);
    assert_int_equal(a->lease, b->lease);
    assert_int_equal(a->max_body, b->max_body);
    assert_int_equal(a->socket_mode, b->socket_mode);
    assert_int_equal(a->policies_len, b->policies_len);
    for (size_t i = 0; i < a->policies_len; i++) {
        const struct policy *p = &a->policies[i], *q = &b->policies[i];
        assert_true(p->second == q->second && p->money == q->money && p->failure_pico == q->failure_pico);
        assert_true(p->stability == q->stability && p->capacity == q->capacity && p->honesty == q->honesty);
        assert_true(p->latency == q->latency && p->input_tokens == q->input_tokens && p->output_tokens == q->output_tokens);
    }
    assert_int_equal(a->platforms_len, b->platforms_len);
    for (size_t i = 0; i < a->platforms_len; i++) {
        const struct config_platform *p = &a->platforms[i], *q = &b->platforms[i];
        assert_memory_equal(p->probes, q->probes, sizeof p->probes);
        assert_true(p->budget == q->budget && p->level == q->level && p->key_required == q->key_required && p->key_bearer == q->key_bearer);
        assert_int_equal(p->windows_len, q->windows_len);
        for (size_t j = 0; j < p->windows_len; j++)
            assert_true(p->windows[j].from == q->windows[j].from && p->windows[j].to == q->windows[j].to);
        assert_int_equal(p->routes_len, q->routes_len);
        for (size_t j = 0; j < p->routes_len; j++) {
            assert_memory_equal(&p->routes[j].price, &q->routes[j].price, sizeof p->routes[j].price);
            assert_int_equal(p->routes[j].max_probe_cost, q->routes[j].max_probe_cost);
        }
    }
}

static void assert_dump_is_stable(const struct config *c)
{
    char *once = scratch_dump(c);
    int errors = 0;
    struct config *again = scratch_load(scratch_write("dump.yaml", once), &errors);
    if (!again)
        fail_msg("the dump does not load:\n%s\n%s", scratch_messages, once);
    char *twice = scratch_dump(again);
    assert_string_equal(once, twice);
    assert_same_numbers(c, again);
    free(once);
    free(twice);
    config_unref(again);
}

static void test_shipped(void **state)
{
    (void)state;
    static const char *const platforms[] = {"poloapi",  "openrouter", "siliconflow", "dmxapi",  "4sapi",
                                            "aihubmix", "apiyi",      "whatai",      "explinks"};
    static const char *const policies[] = {"production", "agent",    "high-qps", "multimodal", "enterprise",
                                           "quickstart", "learning", "budget",   "internal"};
    int errors = -1;
    struct config *c = scratch_load("etc/probed.yaml", &errors);
    if (!c || scratch_messages[0])
        fail_msg("etc/probed.yaml: %s", scratch_messages);
    assert_int_equal(c->platforms_len, 9);
    for (size_t i = 0; i < 9; i++) {
        const struct config_platform *p = config_find_platform(c, platforms[i]);
        assert_non_null(p);
        assert_true(p->key.env != NULL && p->key.credential != NULL);
        /* Where there is no price no paid probe may be sent by a mere guess. */
        for (size_t j = 0; j < p->routes_len; j++)
            assert_true(p->level < LEVEL_CHAT || p->routes[j].price.known);
    }
    assert_int_equal(config_find_platform(c, "explinks")->level, LEVEL_OFF);
    assert_int_equal(c->policies_len, 9);
    for (size_t i = 0; i < 9; i++) {
        assert_string_equal(c->policies[i].name, policies[i]);
        assert_true(strlen(c->policies[i].about) > 20);
    }
    assert_int_equal(c->budget.all, PICO_PER_UNIT);
    assert_string_equal(c->socket_path, "/run/probed/probed.sock");
    assert_string_equal(c->state_dir, "/var/lib/probed");
    assert_dump_is_stable(c);
    config_unref(c);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *c = load_good(SCRATCH_REST);
    assert_int_equal(c->budget.all, PICO_PER_UNIT);
    assert_int_equal(c->budget.platform, BUDGET_UNLIMITED);
    assert_int_equal(c->concurrency, 64);
    assert_int_equal(c->platform_concurrency, 8);
    assert_int_equal(c->dns_concurrency, 16);
    assert_int_equal(c->lease, 30 * USEC_PER_SEC);
    assert_int_equal(c->max_body, 4 << 20);
    assert_int_equal(c->socket_mode, 0660);
    assert_int_equal(c->log_level, 6);
    assert_string_equal(c->default_policy, "production");
    assert_non_null(c->vantage);
    const struct config_platform *p = &c->platforms[0];
    const struct config_probe *chat = &p->probes[PROBE_CHAT], *reach = &p->probes[PROBE_REACH];
    assert_int_equal(chat->rule.interval, 300 * USEC_PER_SEC);
    assert_int_equal(chat->rule.fast, 30 * USEC_PER_SEC);
    assert_int_equal(chat->rule.slow, 900 * USEC_PER_SEC);
    assert_true(chat->rule.jitter == 0.05);
    assert_int_equal(chat->timeouts.first, 20 * USEC_PER_SEC);
    assert_int_equal(chat->timeouts.stall, 15 * USEC_PER_SEC);
    assert_int_equal(chat->timeouts.total, 45 * USEC_PER_SEC);
    assert_int_equal(reach->rule.interval, 30 * USEC_PER_SEC);
    assert_int_equal(reach->timeouts.total, 10 * USEC_PER_SEC);
    assert_int_equal(p->probes[PROBE_MODELS].timeouts.total, 20 * USEC_PER_SEC);
    assert_string_equal(p->title, "p1");
    assert_false(p->key_required);
    assert_int_equal(p->level, LEVEL_CHAT);
    assert_int_equal(p->routes[0].max_probe_cost, -1);
    assert_false(p->routes[0].price.known);
    assert_int_equal(c->policies[0].input_tokens, 1000);
    assert_int_equal(c->policies[0].output_tokens, 300);
    assert_dump_is_stable(c);
    config_unref(c);
}

static void test_what_follows(void **state)
{
    (void)state;
    struct config *c = load_good("probes: {chat: {interval: 200ms, timeouts: {total: 100ms}}}\n" SCRATCH_REST);
    const struct config_probe *chat = &c->platforms[0].probes[PROBE_CHAT];
    assert_int_equal(chat->rule.fast, 200 * USEC_PER_MSEC);
    assert_int_equal(chat->timeouts.first, 100 * USEC_PER_MSEC);
    assert_int_equal(chat->timeouts.connect, 100 * USEC_PER_MSEC);
    config_unref(c);
    c = load_good("probes: {chat: {interval: 2h}}\n" SCRATCH_REST);
    assert_int_equal(c->platforms[0].probes[PROBE_CHAT].rule.slow, 2 * USEC_PER_HOUR);
    config_unref(c);
}

static const char whole[] = "currency: CNY\n"
                            "rates: {USD: 7.1 CNY}\n"
                            "budget: {all: 2 USD/day, platform: 3 CNY/day, route: unlimited}\n"
                            "default_policy: second\n"
                            "roles: {admin: {users: [root, 1234], groups: [0]}, key-reader: {groups: 77}}\n"
                            "self_check: [https://one.example/x, 'http://two.example']\n"
                            "socket_mode: 0600\n"
                            "models:\n  m1: {reasoning: true, capabilities: [vision, tools]}\n  \"m 2\": {}\n";
static const char whole_rest[] =
    "policies:\n"
    "  first: {second: 0.1, money: 0.25, about: 'with: \"quotes\"'}\n"
    "  second: {failure: 0.05 USD, second: 0.004 USD, latency: p95, require: {region: cn, vision: true}, request: {input: 7, output: 8}, "
    "concurrency: 4}\n"
    "platforms:\n"
    "  p1:\n"
    "    title: 神马 \"x\"\n"
    "    insecure_http: true\n"
    "    endpoints: [{url: 'http://a.example/v1/', dialect: openai}, {url: 'https://[::1]:8443', dialect: anthropic}]\n"
    "    key: {env: SOME_KEY, file: keys/p1, required: false, bearer: false}\n"
    "    level: models\n"
    "    budget: 0.5 USD/day\n"
    "    concurrency: 3\n"
    "    user_agent: me/1\n"
    "    headers: {X-Title: hello, HTTP-Referer: 'https://x.example'}\n"
    "    ca_file: ca.pem\n"
    "    chat_path: /chat\n"
    "    tags: {region: cn, invoice: true, gone: false}\n"
    "    price_source: newapi\n"
    "    maintenance:\n"
    "      - 2026-12-01T02:00Z..2026-12-01T04:00+08:00\n"
    "      - {daily: '23:00-01:30 +08:00', reason: nightly}\n"
    "      - {from: '2026-12-24T00:00Z', to: '2026-12-26T00:00Z', reason: 'x, y'}\n"
    "    probes: {chat: {interval: 90s, fast: 10s, timeouts: {total: 30s}}}\n"
    "    models:\n"
    "      m1: {upstream: 'a/b:free', dialect: anthropic, level: reach, price: {input: 0.00000123 USD/1M, output: 2 USD/1M, call: 0.01 "
    "USD},\n"
    "           reasoning: false, max_tokens: 32, max_probe_cost: 0.001 USD, capabilities: {audio: true}}\n";

static void test_everything(void **state)
{
    (void)state;
    int errors = 0;
    char text[8192];
    snprintf(text, sizeof text, "%s%s", whole, whole_rest);
    /* A model's name may not hold a blank, and 04:00+08:00 is before 02:00Z. */
    assert_null(scratch_load_text(text, &errors));
    assert_int_equal(errors, 2);
    assert_non_null(strstr(scratch_messages, "is no name for a model"));
    assert_non_null(strstr(scratch_messages, "this window ends before it begins"));
    char *bad = strstr(text, "  \"m 2\": {}\n");
    memset(bad, ' ', strlen("  \"m 2\": {}"));
    memcpy(strstr(text, "2026-12-01T04:00+08:00"), "2026-12-01T14:00+08:00", 22);
    memcpy(strstr(text, "0.00000123"), "0.00012300", 10);
    struct config *c = load_good(text);
    const struct config_platform *p = &c->platforms[0];
    const struct config_route *r = &p->routes[0];
    assert_int_equal(c->budget.all, 14200000000000);
    assert_int_equal(c->budget.platform, 3 * PICO_PER_UNIT);
    assert_string_equal(c->policies[0].name, "second"); /* the default comes first */
    assert_true(c->policies[0].second == 0.08);
    assert_int_equal(c->policies[0].failure_pico, 355000000000);
    assert_int_equal(c->policies[0].require_len, 2);
    assert_int_equal(c->roles_len, 2);
    assert_int_equal(c->roles[0].role, ROLE_KEY_READER);
    assert_int_equal(c->roles[0].groups[0], 77);
    assert_int_equal(c->roles[1].users[1], 1234);
    assert_string_equal(p->endpoints[0].url, "http://a.example/v1");
    assert_int_equal(p->endpoints[1].dialect, DIALECT_ANTHROPIC);
    assert_string_equal(p->key.file, scratch_path("keys/p1"));
    assert_string_equal(p->ca_file, scratch_path("ca.pem"));
    assert_false(p->key_bearer);
    assert_false(p->key_required);
    assert_int_equal(p->tags_len, 2);
    assert_string_equal(p->tags[1].name, "invoice");
    assert_string_equal(p->tags[1].value, "");
    assert_int_equal(p->budget, 3550000000000);
    assert_int_equal(r->price.input, 123);
    assert_int_equal(r->price.call, 10000000000);
    assert_string_equal(r->price.currency, "USD");
    assert_int_equal(r->max_probe_cost, 7100000000);
    assert_false(r->reasoning);
    assert_int_equal(r->tags_len, 1);
    assert_string_equal(r->tags[0].name, "audio");
    assert_int_equal(p->probes[PROBE_CHAT].timeouts.stall, 15 * USEC_PER_SEC);
    assert_int_equal(config_convert(c, PICO_PER_UNIT, "USD"), 7100000000000);
    assert_int_equal(config_convert(c, 5, "EUR"), -1);
    assert_dump_is_stable(c);
    config_unref(c);
}

static const usec_t december = 1796083200 * USEC_PER_SEC; /* 2026-12-01T00:00Z */

static void test_maintenance(void **state)
{
    (void)state;
    struct config *c = load_good("models: {m1: {}}\n" SCRATCH_POLICY
                                 "platforms:\n  p1:\n    endpoints: https://a.example\n    models: {m1: x}\n    maintenance:\n"
                                 "      - 2026-12-01T02:00Z..2026-12-01T14:00+08:00\n"
                                 "      - {daily: '07:00-09:00 +08:00', reason: nightly}\n");
    const struct config_platform *p = &c->platforms[0];
    const usec_t h = USEC_PER_HOUR;
    assert_ptr_equal(config_platform_maintenance(p, december + 2 * h), &p->windows[0]);
    assert_ptr_equal(config_platform_maintenance(p, december + 6 * h - 1), &p->windows[0]);
    assert_null(config_platform_maintenance(p, december + 6 * h));
    assert_null(config_platform_maintenance(p, december + 2 * h - 1));
    /* 23:00 to 01:00 UTC, any day. */
    assert_ptr_equal(config_platform_maintenance(p, december + 47 * h), &p->windows[1]);
    assert_ptr_equal(config_platform_maintenance(p, december + 49 * h - 1), &p->windows[1]);
    assert_null(config_platform_maintenance(p, december + 49 * h));
    assert_null(config_platform_maintenance(p, december + 47 * h - 1));
    assert_string_equal(p->windows[1].reason, "nightly");
    config_unref(c);
}

static void test_includes(void **state)
{
    (void)state;
    int errors = 0;
    assert_int_equal(mkdir(scratch_path("d"), 0700), 0);
    scratch_write("d/b.yaml", "platforms:\n  b: {endpoints: https://b.example, models: {m1: x}}\n");
    scratch_write("d/a.yaml", "include: ../rest.yaml\nplatforms:\n  a: {endpoints: https://a.example, ca_file: x.pem}\n");
    scratch_write("rest.yaml", "models: {m1: {}}\n" SCRATCH_POLICY);
    struct config *c = scratch_load_text("include: [d/*.yaml]\n", &errors);
    if (!c)
        fail_msg("%s", scratch_messages);
    assert_string_equal(c->platforms[0].name, "a");
    assert_string_equal(c->platforms[0].ca_file, scratch_path("d/x.pem"));
    assert_string_equal(c->platforms[1].name, "b");
    assert_string_equal(c->platforms[1].file, scratch_path("d/b.yaml"));
    config_unref(c);
    /* The same file by two ways, and a loop. */
    assert_null(scratch_load_text("include: [d/*.yaml, rest.yaml]\n", &errors));
    assert_non_null(strstr(scratch_messages, "is included twice"));
    scratch_write("rest.yaml", "include: main.yaml\nmodels: {m1: {}}\n" SCRATCH_POLICY);
    assert_null(scratch_load_text("include: [d/*.yaml]\n", &errors));
    assert_int_equal(errors, 1);
    assert_non_null(strstr(scratch_messages, "includes itself"));
}

static void test_counted(void **state)
{
    (void)state;
    struct config *c = load_good(SCRATCH_REST);
    assert_ptr_equal(config_ref(c), c);
    config_unref(c);
    assert_string_equal(c->default_policy, "production");
    config_unref(c);
    config_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shipped, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_defaults, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_what_follows, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_everything, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_maintenance, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_includes, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_counted, scratch_begin, scratch_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
