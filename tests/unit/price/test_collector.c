/* The collector in virtual time: what is asked when, what is kept when it fails, what goes over a reload, and that no key is ever told. */
#include "tests/unit/price/relay.h"

#include <unistd.h>

#include "probed/price/collector.h"

#define KEY       "sk-secret-key-4711"
#define OTHER_KEY "manage-token-0815"
#define MINUTE    USEC_PER_MINUTE
#define INTERVAL  (10 * MINUTE)

#define NEWAPI_ROW(ratio)                                                                                                                  \
    "{\"success\":true,\"data\":[{\"model_name\":\"m\",\"quota_type\":0,\"model_ratio\":" ratio                                            \
    ",\"model_price\":0,\"completion_ratio\":4,\"enable_groups\":[\"default\"]}],\"group_ratio\":{\"default\":1}}"
#define STATUS(members) "{\"success\":true,\"data\":{\"version\":\"v1\",\"start_time\":1" members "}}"

/* --- a world ------------------------------------------------------------------------------------------------------------- */

static struct world {
    struct loop *loop;
    struct http *http;
    struct config config;
    struct config_platform platforms[9];
    struct config_endpoint endpoints[9];
    struct config_route routes[3];
    struct collector *collector;

    struct buf told; /* all that the owner ever heard */
    int priced, same, first, balances, charges, references, rates;
    struct balance balance;
    struct collector_charge charge;
    size_t charge_route;
    int64_t cny;
} w;

static void on_priced(void *arg, size_t platform, const struct price_list *list, const struct price_list *before)
{
    (void)arg;
    w.priced++;
    w.first += !before;
    w.same += list == before;
    buf_printf(&w.told, "priced %zu %s", platform, list->currency);
    for (size_t i = 0; i < list->len; i++)
        buf_printf(&w.told, " %s/%s=%lld,%lld", list->rows[i].model, list->rows[i].provider, (long long)list->rows[i].price.input,
                   (long long)list->rows[i].price.output);
    buf_add_str(&w.told, "\n");
    struct collector_report r;
    collector_report(w.collector, platform, COLLECT_PRICE, &r);
    assert_ptr_equal(r.list, list);
    assert_int_equal(r.fetched_at, loop_now(w.loop));
    if (before && before != list)
        assert_true(before->revision != list->revision);
}

static void on_balance(void *arg, size_t platform, const struct balance *balance)
{
    (void)arg;
    w.balances++;
    w.balance = *balance;
    buf_printf(&w.told, "balance %zu %s %lld\n", platform, balance->currency, (long long)balance->left);
}

static void on_feed(void *arg, size_t platform, enum collector_kind kind, enum collector_state state, const char *why)
{
    (void)arg;
    if (platform == COLLECTOR_NO_PLATFORM)
        platform = 99;
    buf_printf(&w.told, "feed %zu %s %s (%s)\n", platform, collector_kind_name(kind), collector_state_name(state), why);
}

static void on_charged(void *arg, size_t platform, size_t route, const struct collector_charge *charge)
{
    (void)arg, (void)platform;
    w.charges++;
    w.charge = *charge;
    w.charge.id = NULL;
    w.charge_route = route;
    buf_printf(&w.told, "charged %s %lld\n", charge->id, (long long)charge->pico);
}

static void on_reference(void *arg, const struct price_list *list)
{
    (void)arg;
    w.references++;
    buf_printf(&w.told, "reference %zu\n", list->len);
}

static void on_rates(void *arg, const struct rates *rates)
{
    (void)arg;
    w.rates++;
    w.cny = rates_find(rates, "CNY");
}

static const struct collector_owner owner = {
    .priced = on_priced, .balance = on_balance, .feed = on_feed, .charged = on_charged, .reference = on_reference, .rates = on_rates};

static char *text(const char *s)
{
    static char kept[64][128];
    static size_t n;
    char *ret = kept[n++ % 64];
    snprintf(ret, sizeof kept[0], "%s", s);
    return ret;
}

/* Platform i at http://r{i}/v1. */
static struct config_platform *platform(size_t i, const char *price, const char *balance)
{
    char name[32];
    struct config_platform *p = &w.platforms[i];
    snprintf(name, sizeof name, "http://r%zu/v1", i);
    w.endpoints[i] = (struct config_endpoint){.url = text(name), .dialect = DIALECT_OPENAI};
    snprintf(name, sizeof name, "p%zu", i);
    *p = (struct config_platform){.name = text(name),
                                  .endpoints = &w.endpoints[i],
                                  .endpoints_len = 1,
                                  .key = {.env = text("COLLECTOR_TEST_KEY")},
                                  .level = LEVEL_CHAT,
                                  .price_feed = {.source = price ? text(price) : NULL, .scale = 1},
                                  .balance_feed = {.source = balance ? text(balance) : NULL, .scale = 1}};
    const struct config_probe probe = {
        .rule = {.interval = INTERVAL, .fast = MINUTE, .slow = 80 * MINUTE, .jitter = 0.05},
        .timeouts = {.connect = USEC_PER_SEC, .headers = USEC_PER_SEC, .total = 10 * USEC_PER_SEC},
    };
    p->probes[PROBE_PRICE] = p->probes[PROBE_BALANCE] = probe;
    if (w.config.platforms_len <= i)
        w.config.platforms_len = i + 1;
    return p;
}

static void start(void)
{
    w.collector = collector_new(w.loop, w.http, &w.config, &owner, NULL, 42);
    collector_start(w.collector);
}

static void reload(struct config *config)
{
    struct collector *old = w.collector;
    w.collector = collector_new(w.loop, w.http, config, &owner, old, 1);
    collector_start(w.collector);
    collector_free(old);
}

static void run(usec_t duration)
{
    sim_loop_run_until(w.loop, loop_now(w.loop) + duration);
}

/* One callback. */
static void step(void)
{
    struct loop_timer *t = w.loop->len > 0 ? w.loop->heap[1] : NULL;
    if (!t)
        return;
    w.loop->now = t->at > w.loop->now ? t->at : w.loop->now;
    loop_timer_stop(t);
    t->fn(t->arg);
}

static int setup(void **state)
{
    (void)state;
    relay = (struct relay){.len = 0};
    w = (struct world){.loop = loop_new()};
    w.http = fake_http(w.loop);
    w.config.refs = 1000; /* nobody frees it */
    strcpy(w.config.currency, "USD");
    w.config.platforms = w.platforms;
    setenv("COLLECTOR_TEST_KEY", KEY, 1);
    setenv("COLLECTOR_TEST_OTHER", OTHER_KEY, 1);
    return 0;
}

static void no_key_in(const char *text_)
{
    static const char *const pieces[] = {"sk-secret", "cret-key", "key-4711", "manage-t", "token-08", "ken-0815"};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        if (strstr(text_, pieces[i]))
            fail_msg("%s is in: %s", pieces[i], text_);
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; w.collector && i < w.config.platforms_len; i++)
        for (int kind = COLLECT_PRICE; kind <= COLLECT_BALANCE; kind++) {
            struct collector_report r;
            collector_report(w.collector, i, (enum collector_kind)kind, &r);
            no_key_in(r.why);
        }
    no_key_in(buf_str(&w.told));
    w.collector = collector_free(w.collector);
    assert_int_equal(w.http->targets, 0);
    assert_int_equal(w.loop->len, 0); /* no timer is left */
    assert_int_equal(relay.running, 0);
    free(w.http);
    loop_free(w.loop);
    buf_done(&w.told);
    buf_done(&relay.log);
    return 0;
}

static struct collector_report report(size_t i, enum collector_kind kind)
{
    struct collector_report r;
    collector_report(w.collector, i, kind, &r);
    return r;
}

#define assert_state(i, kind, state_) assert_string_equal(collector_state_name(report(i, kind).state), state_)
#define assert_told(words)                                                                                                                 \
    do {                                                                                                                                   \
        if (!strstr(buf_str(&w.told), words))                                                                                              \
            fail_msg("\"%s\" is not in: %s", words, buf_str(&w.told));                                                                     \
    } while (0)

static int count(const char *in, const char *words)
{
    int n = 0;
    for (; (in = strstr(in, words)); in++)
        n++;
    return n;
}

/* --- prices -------------------------------------------------------------------------------------------------------------- */

static void test_a_list_and_its_etag(void **state)
{
    (void)state;
    platform(0, "newapi", NULL);
    page_put("http://r0/api/status", STATUS(",\"quota_per_unit\":500000,\"price\":7.3"));
    struct page *list = page_put("http://r0/api/pricing", NEWAPI_ROW("0.075"));
    list->etag = "\"one\"";
    start();
    assert_state(0, COLLECT_PRICE, "pending");
    run(MINUTE);
    /* 0.075 points a token / 500,000 x 7.3 CNY = 1.095 CNY a million; four times that out. */
    assert_string_equal(buf_str(&w.told), "feed 0 price ok ()\npriced 0 CNY m/=1095000,4380000\n");
    assert_int_equal(w.first, 1);
    struct collector_report r = report(0, COLLECT_PRICE);
    usec_t fetched = r.fetched_at;
    assert_int_equal(r.changed_at, fetched);
    assert_true(r.next_at > loop_now(w.loop) && r.next_at <= fetched + INTERVAL + MINUTE);
    assert_string_equal(r.source, "newapi");
    assert_string_equal(r.shape, "newapi");
    assert_null(strstr(list->headers, "Authorization"));
    assert_null(strstr(list->headers, "If-None-Match"));
    run(INTERVAL + MINUTE);
    assert_int_equal(list->unmodified, 1);
    assert_non_null(strstr(list->headers, "If-None-Match: \"one\""));
    assert_int_equal(w.same, 1);
    r = report(0, COLLECT_PRICE);
    assert_true(r.fetched_at > fetched && r.changed_at == fetched);
    /* What a point is worth has changed: the same list is asked for whole, and gives other prices. */
    page_put("http://r0/api/status", STATUS(",\"quota_per_unit\":500000,\"price\":1"));
    run(INTERVAL);
    assert_int_equal(list->unmodified, 1);
    assert_told("priced 0 CNY m/=150000,600000\n");
    /* That it cannot be told what a point is worth changes nothing. */
    page_put("http://r0/api/status", "")->status = 502;
    run(2 * INTERVAL);
    page_put("http://r0/api/status", "")->status = 404;
    run(2 * INTERVAL);
    assert_int_equal(list->unmodified, 5);
    assert_int_equal(w.priced, 7);
    assert_int_equal(w.same, 5);
    assert_int_equal(count(buf_str(&w.told), "m/=150000,600000"), 5);
    /* The list itself changes. */
    list = page_put("http://r0/api/pricing", NEWAPI_ROW("0.15"));
    list->etag = "\"two\"";
    run(INTERVAL);
    assert_told("priced 0 CNY m/=300000,1200000\n");
    assert_int_equal(count(buf_str(&w.told), "feed"), 1);
}

static void test_what_was_known_stays(void **state)
{
    (void)state;
    platform(0, "newapi", NULL)->price_feed.quota_per_unit = 500000;
    strcpy(w.platforms[0].price_feed.currency, "USD");
    page_put("http://r0/api/pricing", NEWAPI_ROW("1"));
    start();
    run(MINUTE);
    assert_int_equal(page_hits("http://r0/api/status"), 0); /* all that it could say is configured */
    usec_t fetched = report(0, COLLECT_PRICE).fetched_at;
    page_put("http://r0/api/pricing", "{\"error\":{\"message\":\"no (request id: 1)\"}}")->status = 500;
    run(INTERVAL - 25 * USEC_PER_SEC);
    assert_state(0, COLLECT_PRICE, "ok"); /* once is no state */
    assert_string_equal(report(0, COLLECT_PRICE).why, "HTTP 500: no (request id: 1)");
    run(2 * MINUTE);
    assert_state(0, COLLECT_PRICE, "failed");
    assert_told("feed 0 price failed (HTTP 500: no (request id: 1))");
    page_put("http://r0/api/pricing", "{\"error\":{\"message\":\"no (request id: 2)\"}}")->status = 500;
    run(30 * MINUTE);
    assert_int_equal(count(buf_str(&w.told), "failed"), 1); /* a number that is new each time is no news */
    struct collector_report r = report(0, COLLECT_PRICE);
    assert_int_equal(r.fetched_at, fetched);
    assert_int_equal(r.list->rows[0].price.input, 2000000);
    run(30 * MINUTE);
    assert_state(0, COLLECT_PRICE, "stale");
    assert_told("feed 0 price stale (HTTP 500: no (request id: 2))");
    assert_non_null(report(0, COLLECT_PRICE).list);
    /* It backs off, up to `slow`. */
    int hits = page_hits("http://r0/api/pricing");
    run(24 * USEC_PER_HOUR);
    assert_in_range(page_hits("http://r0/api/pricing") - hits, 17, 21);
    page_put("http://r0/api/pricing", NEWAPI_ROW("1"));
    run(90 * MINUTE);
    assert_state(0, COLLECT_PRICE, "ok");
    assert_true(w.same > 0 && w.same == w.priced - 1);
    /* Lists that are none, each in its own words. */
    static const struct {
        const char *body, *type, *why;
    } bad[] = {{"<html>", "text/html", "a web page"},
               {"{\"success\":false,\"message\":\"closed\"}", NULL, "closed"},
               {"", NULL, "empty"},
               {"{\"data\":[", NULL, "JSON"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        page_put("http://r0/api/pricing", bad[i].body)->type = bad[i].type;
        collector_kick(w.collector, 0);
        run(10 * USEC_PER_SEC);
        if (!strstr(report(0, COLLECT_PRICE).why, bad[i].why))
            fail_msg("%s", report(0, COLLECT_PRICE).why);
        assert_non_null(report(0, COLLECT_PRICE).list);
    }
}

static void test_limits_are_kept(void **state)
{
    (void)state;
    platform(0, "aihubmix", NULL);
    struct page *list = page_put("http://r0/api/v1/models", "");
    list->status = 429;
    list->retry_after = 45 * MINUTE;
    start();
    run(10 * USEC_PER_SEC);
    assert_int_equal(list->hits, 1);
    assert_state(0, COLLECT_PRICE, "failed");
    assert_string_equal(report(0, COLLECT_PRICE).why, "HTTP 429");
    assert_true(report(0, COLLECT_PRICE).next_at >= loop_now(w.loop) + 44 * MINUTE);
    run(44 * MINUTE);
    assert_int_equal(list->hits, 1);
    list->status = 200;
    list->body = "{\"data\":[{\"model_id\":\"gpt-5\",\"pricing\":{\"input\":1.25,\"output\":10}}],\"success\":true}";
    run(5 * MINUTE);
    assert_int_equal(list->hits, 2);
    assert_told("priced 0 USD gpt-5/=1250000,10000000\n");
    /* More than may be read. */
    char *large = alloc_zero(PRICE_BODY_MAX + 2, 1);
    memset(large, ' ', PRICE_BODY_MAX + 1);
    list->body = large;
    run(INTERVAL);
    assert_non_null(strstr(report(0, COLLECT_PRICE).why, "size cap"));
    free(large);
    list->body = "{}";
}

static void test_auto_finds_it(void **state)
{
    (void)state;
    platform(0, "auto", NULL);
    page_put("http://r0/api/pricing", "{\"success\":false,\"message\":\"log in\"}")->status = 403;
    page_put("http://r0/v1/models", "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}"); /* a list, but of no prices */
    page_put("http://r0/api/user_group_map", "{\"data\":{\"default\":{\"ratio\":0.5}}}");
    page_put("http://r0/api/available_model",
             "{\"data\":{\"m\":{\"price\":{\"type\":\"tokens\",\"input\":1,\"output\":3},\"groups\":[\"default\"]}}}");
    start();
    run(MINUTE);
    /* 1 point x 0.5 / 500,000 = 1 USD a million. */
    assert_told("priced 0 USD m/=1000000,3000000\n");
    assert_string_equal(report(0, COLLECT_PRICE).source, "auto");
    assert_string_equal(report(0, COLLECT_PRICE).shape, "onehub");
    int strays = relay.strays;
    run(INTERVAL);
    assert_int_equal(page_hits("http://r0/api/available_model"), 2);
    assert_int_equal(page_hits("http://r0/api/pricing"), 2); /* without a key, with it, and then it is remembered where it was */
    assert_null(strstr(page_find("http://r0/api/available_model")->headers, "Authorization"));
    assert_in_range(relay.strays, strays, strays + 1); /* /api/status, which it does not have */
    /* It moved: after some failures it is looked for again. */
    page_put("http://r0/api/available_model", "")->status = 404;
    page_put("http://r0/api/pricing", NEWAPI_ROW("1"));
    run(2 * USEC_PER_HOUR);
    assert_told("priced 0 USD m/=2000000,8000000\n");
    assert_string_equal(report(0, COLLECT_PRICE).shape, "newapi");
}

/* 503 with Retry-After, not 429. */
static void test_wait_that_was_asked_for(void **state)
{
    (void)state;
    platform(0, "newapi", "newapi");
    struct page *list = page_put("http://r0/api/pricing", ""), *token = page_put("http://r0/api/usage/token/", "");
    list->status = token->status = 503;
    list->retry_after = token->retry_after = 30 * MINUTE;
    start();
    run(29 * MINUTE);
    assert_int_equal(list->hits, 1);
    assert_int_equal(token->hits, 1);
    list->retry_after = token->retry_after = 1000 * USEC_PER_DAY; /* but not that long */
    run(5 * MINUTE);
    assert_int_equal(list->hits, 2);
    run(2 * USEC_PER_HOUR);
    assert_true(list->hits > 2);
}

static void test_auto_finds_nothing(void **state)
{
    (void)state;
    platform(0, "auto", NULL);
    start();
    run(MINUTE);
    assert_state(0, COLLECT_PRICE, "failed");
    assert_string_equal(report(0, COLLECT_PRICE).why, "no list of prices at any of the usual places: a web page instead of an answer");
    int asked = relay.strays;
    assert_in_range(asked, 6, 9); /* each place once an interval */
    run(9 * MINUTE);
    assert_int_equal(relay.strays, asked);
    assert_null(report(0, COLLECT_PRICE).shape);
    page_put("http://r0/api/v1/models", "{\"message\":\"out of order\"}")->status = 500;
    run(11 * MINUTE);
    assert_string_equal(report(0, COLLECT_PRICE).why, "no list of prices at any of the usual places: HTTP 500: out of order");
}

static void test_key_only_when_it_is_wanted(void **state)
{
    (void)state;
    platform(0, "openrouter", NULL);
    struct page *list = page_put("http://r0/v1/models", "{\"error\":{\"message\":\"who is " KEY "?\"}}");
    list->status = 401;
    start();
    run(MINUTE);
    assert_int_equal(list->hits, 2);
    assert_non_null(strstr(list->headers, "Authorization: Bearer " KEY "\n"));
    assert_string_equal(report(0, COLLECT_PRICE).why, "HTTP 401: who is ***?");
    list->status = 0;
    list->body = "{\"data\":[{\"id\":\"a/" KEY "\",\"pricing\":{\"prompt\":\"0.000001\",\"completion\":\"0.000002\"}}]}";
    run(USEC_PER_HOUR);
    /* Without a key it is given now, and then it may hold what it likes: we never said it. */
    assert_state(0, COLLECT_PRICE, "ok");
    buf_clear(&w.told);
    list->status = 401;
    run(USEC_PER_HOUR);
    assert_non_null(strstr(list->headers, "Bearer"));
}

static void test_key_in_a_name(void **state)
{
    (void)state;
    platform(0, "openrouter", NULL);
    struct page *list = page_put("http://r0/v1/models", "");
    list->status = 401;
    list->delay = USEC_PER_SEC;
    start();
    /* The second of the two requests, which has the key, is the one that is answered. */
    for (int i = 0; i < 100000 && list->hits < 2; i++)
        run(USEC_PER_MSEC);
    list->status = 0;
    list->body = "{\"data\":[{\"id\":\"a/" KEY "\",\"pricing\":{\"prompt\":\"0.000001\",\"completion\":\"0.000002\"}}]}";
    run(2 * USEC_PER_SEC);
    assert_int_equal(list->hits, 2);
    assert_int_equal(w.priced, 0);
    assert_string_equal(report(0, COLLECT_PRICE).why, "the list has our key in a name");
}

static void test_url_elsewhere(void **state)
{
    (void)state;
    platform(0, "newapi", NULL)->price_feed.url = text("https://mirror.example/prices.json");
    w.platforms[0].price_feed.scale = 1.5;
    struct page *list = page_put("https://mirror.example/prices.json", "");
    list->status = 403;
    platform(1, "newapi", NULL)->price_feed.url = text("/prices/all");
    struct page *path = page_put("http://r1/prices/all", NEWAPI_ROW("1"));
    start();
    run(MINUTE);
    assert_int_equal(list->hits, 1); /* no key goes there */
    assert_null(strstr(list->headers, "Authorization"));
    list->status = 0;
    list->body = NEWAPI_ROW("1");
    run(USEC_PER_HOUR);
    assert_told("priced 0 USD m/=3000000,12000000\n"); /* 2 x 1.5 */
    assert_true(path->hits > 1);
    assert_told("priced 1 USD m/=2000000,8000000\n");
}

static void test_endpoints_of_each_model(void **state)
{
    (void)state;
    struct config_platform *p = platform(0, "openrouter-endpoints", NULL);
    w.routes[0] = (struct config_route){.model = text("one"), .upstream = text("z/one:free")};
    w.routes[1] = (struct config_route){.model = text("two"), .upstream = text("a/two")};
    w.routes[2] = (struct config_route){.model = text("three"), .upstream = text("z/one:free")};
    p->routes = w.routes;
    p->routes_len = 3;
    page_put("http://r0/v1/models/z/one:free/endpoints",
             "{\"data\":{\"id\":\"z/one\",\"endpoints\":[{\"tag\":\"y\",\"pricing\":{\"prompt\":\"0.000003\",\"completion\":\"0.000004\"}},"
             "{\"tag\":\"b\",\"pricing\":{\"prompt\":\"0.000001\",\"completion\":\"0.000002\"}}]}}");
    struct page *two = page_put("http://r0/v1/models/a/two/endpoints", "");
    two->status = 404;
    start();
    run(MINUTE);
    assert_told("priced 0 USD z/one:free/b=1000000,2000000 z/one:free/y=3000000,4000000\n");
    assert_int_equal(page_hits("http://r0/v1/models/z/one:free/endpoints"), 1);
    two->status = 200;
    two->body = "{\"data\":{\"id\":\"a/two\",\"endpoints\":[{\"tag\":\"c\",\"pricing\":{\"prompt\":\"0\",\"completion\":\"0\"}}]}}";
    run(INTERVAL);
    assert_told("priced 0 USD a/two/c=0,0 z/one:free/b=1000000,2000000 z/one:free/y=3000000,4000000\n");
    two->status = 500;
    run(INTERVAL);
    assert_int_equal(report(0, COLLECT_PRICE).list->len, 3); /* half a list is none */
    assert_string_equal(report(0, COLLECT_PRICE).shape, "openrouter-endpoints");
}

/* --- balances ------------------------------------------------------------------------------------------------------------ */

static const char usage_token[] = "{\"code\":true,\"data\":{\"total_granted\":5000000,\"total_used\":1000000,\"total_available\":4000000}}";

static void test_balances_of_all_sorts(void **state)
{
    (void)state;
    platform(0, NULL, "newapi");
    struct page *token = page_put("http://r0/api/usage/token/", usage_token);
    platform(1, NULL, "oneapi");
    page_put("http://r1/api/status", STATUS(",\"quota_display_type\":\"CNY\",\"price\":1,\"usd_exchange_rate\":7.3"));
    struct page *sub = page_put("http://r1/v1/dashboard/billing/subscription", "{\"hard_limit_usd\":73}");
    page_put("http://r1/v1/dashboard/billing/usage", "{\"total_usage\":730}");
    platform(2, NULL, "newapi-user")->balance_feed.key.env = text("COLLECTOR_TEST_OTHER");
    w.platforms[2].balance_feed.user = text("123");
    struct page *self = page_put("http://r2/api/user/self", "{\"success\":true,\"data\":{\"quota\":500000,\"used_quota\":0}}");
    platform(3, NULL, "newapi-user")->balance_feed.user = text("7");
    w.platforms[3].balance_feed.user_header = text("Veloera-User");
    struct page *fork = page_put("http://r3/api/user/self", "{\"success\":true,\"data\":{\"quota\":1,\"used_quota\":0}}");
    platform(4, NULL, "apiyi")->balance_feed.key.env = text("COLLECTOR_TEST_OTHER");
    struct page *bare = page_put("http://r4/api/user/self", "{\"success\":true,\"data\":{\"quota\":1000000,\"used_quota\":0}}");
    platform(5, NULL, "siliconflow");
    page_put("http://r5/v1/user/info", "{\"code\":20000,\"data\":{\"totalBalance\":\"8.50\"}}");
    platform(6, "config", "none");
    platform(7, NULL, "newapi")->level = LEVEL_OFF;
    start();
    run(MINUTE);
    assert_told("balance 0 USD 8000000000000\n");
    assert_non_null(strstr(token->headers, "Authorization: Bearer " KEY "\n"));
    assert_told("balance 1 CNY 9000000000000\n");
    assert_non_null(strstr(sub->headers, "Bearer " KEY));
    assert_told("balance 2 USD 1000000000000\n");
    assert_non_null(strstr(self->headers, "Authorization: Bearer " OTHER_KEY "\n"));
    static const char *const names[] = {"New-Api-User: 123\n", "Veloera-User: 123\n", "voapi-user: 123\n", "Rix-Api-User: 123\n",
                                        "Dmx-Api-User: 123\n"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_non_null(strstr(self->headers, names[i]));
    assert_non_null(strstr(fork->headers, "Veloera-User: 7\n"));
    assert_null(strstr(fork->headers, "New-Api-User"));
    assert_non_null(strstr(bare->headers, "Authorization: " OTHER_KEY "\n"));
    assert_told("balance 5 CNY 8500000000000\n");
    assert_state(6, COLLECT_PRICE, "config");
    assert_state(6, COLLECT_BALANCE, "none");
    assert_state(7, COLLECT_BALANCE, "none");
    assert_null(strstr(buf_str(&relay.log), "http://r7"));
    assert_int_equal(w.balances, 6);
    assert_non_null(report(0, COLLECT_BALANCE).balance);
    assert_null(report(0, COLLECT_BALANCE).list);
}

static void test_openrouter_credits(void **state)
{
    (void)state;
    platform(0, "openrouter", "openrouter")->balance_feed.key.env = text("COLLECTOR_TEST_OTHER");
    struct page *key = page_put("http://r0/v1/key", "{\"data\":{\"usage\":2,\"limit\":null,\"limit_remaining\":null}}");
    struct page *credits = page_put("http://r0/v1/credits", "{\"error\":{\"code\":403,\"message\":\"Only management keys\"}}");
    credits->status = 403;
    start();
    run(MINUTE);
    assert_state(0, COLLECT_BALANCE, "ok"); /* that is no failure */
    assert_int_equal(w.balance.left, BALANCE_UNKNOWN);
    assert_int_equal(w.balance.key_used, 2 * PICO_PER_UNIT);
    assert_non_null(strstr(key->headers, "Bearer " KEY "\n"));
    assert_non_null(strstr(credits->headers, "Bearer " OTHER_KEY "\n"));
    run(10 * INTERVAL);
    assert_int_equal(credits->hits, 1); /* it will not be allowed in ten minutes either */
    credits->status = 0;
    credits->body = "{\"data\":{\"total_credits\":10,\"total_usage\":4}}";
    run(25 * USEC_PER_HOUR);
    assert_int_equal(w.balance.left, 6 * PICO_PER_UNIT);
    assert_int_equal(w.balance.scope, BALANCE_ACCOUNT);
    credits->status = 500;
    run(INTERVAL);
    assert_int_equal(w.balance.scope, BALANCE_ACCOUNT); /* half an answer would be another balance */
    assert_string_equal(report(0, COLLECT_BALANCE).why, "HTTP 500");
}

static void test_key_in_the_url(void **state)
{
    (void)state;
    platform(0, NULL, "dmxapi");
    struct page *good = page_put("http://r0/api/token/key/" KEY, "{\"success\":true,\"data\":{\"remain_quota\":500000,\"used_quota\":0}}");
    platform(1, NULL, "dmxapi");
    page_put("http://r1/api/token/key/" KEY, "{\"error\":{\"message\":\"Invalid URL (GET /api/token/key/" KEY ")\"}}")->status = 500;
    platform(2, NULL, "dmxapi");
    page_put("http://r2/api/token/key/" KEY, "{\"success\":false,\"message\":\"no token " KEY " here, nor cret-key-47 \"}");
    platform(3, NULL, "dmxapi")->balance_feed.key.env = text("COLLECTOR_TEST_OTHER");
    w.platforms[3].balance_feed.user = text("9");
    struct page *token = page_put("http://r3/api/token/key/" KEY, "{\"success\":false,\"message\":\"" OTHER_KEY "\"}");
    platform(4, NULL, "dmxapi")->key.env = text("COLLECTOR_TEST_ODD");
    setenv("COLLECTOR_TEST_ODD", "sk/odd?key%", 1);
    page_put("http://r4/api/token/key/sk%2Fodd%3Fkey%25", "{\"success\":true,\"data\":{\"remain_quota\":1,\"used_quota\":0}}");
    platform(5, NULL, "dmxapi")->key.env = text("COLLECTOR_TEST_NONE");
    start();
    run(MINUTE);
    assert_told("balance 0 CNY 1000000000000\n");
    assert_null(strstr(good->headers, "Authorization"));
    assert_string_equal(report(1, COLLECT_BALANCE).why, "HTTP 500: Invalid URL (GET /api/token/key/***)");
    assert_string_equal(report(2, COLLECT_BALANCE).why, "the relay answers with an error: no token *** here, nor *** ");
    assert_string_equal(report(3, COLLECT_BALANCE).why, "the relay answers with an error: ***");
    assert_non_null(strstr(token->headers, "Authorization: Bearer " OTHER_KEY "\n"));
    assert_non_null(strstr(token->headers, "Rix-Api-User: 9\n"));
    assert_told("balance 4 CNY 2000000\n");
    assert_non_null(strstr(report(5, COLLECT_BALANCE).why, "COLLECTOR_TEST_NONE"));
    assert_state(5, COLLECT_BALANCE, "none");
    assert_null(strstr(buf_str(&relay.log), "http://r5"));
}

static void test_use_of_another_key(void **state)
{
    (void)state;
    platform(0, NULL, "newapi")->balance_feed.key.env = text("COLLECTOR_TEST_OTHER");
    page_put("http://r0/api/usage/token/", usage_token);
    start();
    run(MINUTE);
    assert_int_equal(w.balance.used, 2 * PICO_PER_UNIT);
    assert_int_equal(w.balance.key_used, BALANCE_UNKNOWN);
}

static void test_own_key_that_is_not_there(void **state)
{
    (void)state;
    platform(0, NULL, "aihubmix")->balance_feed.key.env = text("COLLECTOR_TEST_NONE");
    start();
    run(MINUTE);
    assert_state(0, COLLECT_BALANCE, "none");
    assert_non_null(strstr(report(0, COLLECT_BALANCE).why, "COLLECTOR_TEST_NONE"));
    assert_int_equal(relay.log.len, 0); /* and not with the platform's instead */
}

static void test_status_that_was_never_told(void **state)
{
    (void)state;
    platform(0, "newapi", "newapi");
    page_put("http://r0/api/pricing", NEWAPI_ROW("1"));
    page_put("http://r0/api/usage/token/", usage_token);
    struct page *status = page_put("http://r0/api/status", "");
    status->breaks = OUTCOME_TIMEOUT;
    start();
    run(USEC_PER_HOUR);
    assert_int_equal(w.priced + w.balances, 0); /* USD would be a guess */
    assert_string_equal(report(0, COLLECT_PRICE).why, "/api/status: it broke");
    status->breaks = OUTCOME_OK;
    status->body = STATUS(",\"price\":7");
    run(3 * USEC_PER_HOUR);
    assert_told("priced 0 CNY m/=14000000,56000000\n");
    assert_told("balance 0 CNY 56000000000000\n");
}

/* What is no status and no plain "there is none": whoever cannot tell what a point is worth must not take it for USD. */
static const struct no_status {
    const char *body, *type, *why;
    int status;
} no_statuses[] = {
    {"", "", "/api/status: HTTP 401", 401},
    {"{\"message\":\"no\"}", "", "/api/status: HTTP 403", 403},
    {"", "", "/api/status: HTTP 302, which is not followed", 302},
    {"", "", "/api/status: HTTP 410", 410},
    {"{\"success\":true,\"data\":{\"quota_per", "", "/api/status is no JSON", 0},
    {"", "", "/api/status is no JSON", 0},
    {"{\"success\":false,\"message\":\"maintenance\"}", "", "/api/status: no answer", 0},
};

static struct page *status_put(const struct no_status *no)
{
    struct page *page = page_put("http://r0/api/status", no->body);
    page->status = no->status;
    page->type = no->type[0] ? no->type : NULL;
    return page;
}

static void test_garbage_is_no_status(void **state)
{
    (void)state;
    platform(0, "newapi", "newapi");
    page_put("http://r0/api/pricing", NEWAPI_ROW("1"));
    page_put("http://r0/api/usage/token/", usage_token);
    start();
    for (size_t i = 0; i < ARRAY_LEN(no_statuses); i++) {
        status_put(&no_statuses[i]);
        run(3 * USEC_PER_HOUR);
        assert_int_equal(w.priced + w.balances, 0);
        assert_non_null(strstr(report(0, COLLECT_PRICE).why, no_statuses[i].why));
        assert_non_null(strstr(report(0, COLLECT_BALANCE).why, no_statuses[i].why));
    }
    page_put("http://r0/api/status", STATUS(",\"price\":7"));
    run(3 * USEC_PER_HOUR);
    assert_told("priced 0 CNY m/=14000000,56000000\n");
    /* Once it was told, it holds. */
    for (size_t i = 0; i < ARRAY_LEN(no_statuses); i++) {
        status_put(&no_statuses[i]);
        run(USEC_PER_HOUR);
    }
    assert_state(0, COLLECT_PRICE, "ok");
    assert_int_equal(w.priced, w.same + 1);
    assert_int_equal(count(buf_str(&w.told), " USD "), 0);
}

/* A list that is sought may turn out to be none of the family; then it does not matter. */
static void test_garbage_where_it_does_not_matter(void **state)
{
    (void)state;
    platform(0, "auto", NULL);
    page_put("http://r0/api/status", "")->status = 403;
    page_put("http://r0/api/pricing", "")->status = 404;
    page_put("http://r0/api/v1/models", "{\"data\":[{\"model_id\":\"m\",\"pricing\":{\"input\":1,\"output\":1}}]}");
    platform(1, "auto", NULL);
    page_put("http://r1/api/status", "")->status = 403;
    page_put("http://r1/api/pricing", NEWAPI_ROW("1"));
    start();
    run(MINUTE);
    assert_told("priced 0 USD m/=1000000,1000000\n");
    assert_int_equal(w.priced, 1);
    assert_string_equal(report(1, COLLECT_PRICE).why, "/api/status: HTTP 403");
}

static void expected_status(int code, const char *type)
{
    platform(0, "newapi", "newapi");
    page_put("http://r0/api/pricing", NEWAPI_ROW("1"));
    page_put("http://r0/api/usage/token/", usage_token);
    struct page *status = page_put("http://r0/api/status", "<html></html>");
    status->status = code;
    status->type = type;
}

static void test_status_that_is_expected(void **state)
{
    (void)state;
    expected_status(404, NULL);
    w.collector = collector_new(w.loop, w.http, &w.config, &owner, NULL, 42);
    collector_expect_status(w.collector, 0);
    collector_expect_status(w.collector, 4711);
    collector_start(w.collector);
    run(12 * USEC_PER_HOUR);
    static struct config same;
    same = w.config;
    reload(&same); /* is no restart: it goes on */
    run(11 * USEC_PER_HOUR);
    assert_int_equal(w.priced + w.balances, 0);
    assert_string_equal(report(0, COLLECT_PRICE).why, "/api/status, which it once had: HTTP 404");
    assert_state(0, COLLECT_BALANCE, "failed");
    run(4 * USEC_PER_HOUR);
    assert_told("priced 0 USD m/=2000000,8000000\n");
    assert_state(0, COLLECT_PRICE, "ok");
    assert_non_null(strstr(report(0, COLLECT_PRICE).why, "no /api/status any more"));
    assert_non_null(strstr(report(0, COLLECT_BALANCE).why, "no /api/status any more"));
    page_put("http://r0/api/status", STATUS(",\"price\":7"));
    run(3 * USEC_PER_HOUR);
    assert_told("priced 0 CNY m/=14000000,56000000\n");
    assert_string_equal(report(0, COLLECT_PRICE).why, "");
}

static void test_status_that_comes_back(void **state)
{
    (void)state;
    expected_status(0, "text/html");
    w.collector = collector_new(w.loop, w.http, &w.config, &owner, NULL, 42);
    collector_expect_status(w.collector, 0);
    collector_start(w.collector);
    run(USEC_PER_HOUR);
    assert_string_equal(report(0, COLLECT_PRICE).why, "/api/status, which it once had: a web page instead of an answer");
    struct page *status = page_put("http://r0/api/status", STATUS(",\"price\":7"));
    status->type = NULL;
    run(3 * USEC_PER_HOUR);
    assert_told("priced 0 CNY m/=14000000,56000000\n");
    assert_int_equal(count(buf_str(&w.told), " USD "), 0);
}

static void test_web_page_of_a_site_without_status(void **state)
{
    (void)state;
    expected_status(0, "text/html");
    start();
    run(MINUTE);
    assert_told("priced 0 USD m/=2000000,8000000\n");
    assert_string_equal(report(0, COLLECT_PRICE).why, "");
}

/* --- who may run --------------------------------------------------------------------------------------------------------- */

static void test_few_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        char url[64];
        platform(i, "aihubmix", "siliconflow");
        snprintf(url, sizeof url, "http://r%zu/api/v1/models", i);
        page_put(url, "{\"data\":[{\"model_id\":\"m\",\"pricing\":{\"input\":1,\"output\":1}}]}")->delay = 5 * USEC_PER_SEC;
        snprintf(url, sizeof url, "http://r%zu/v1/user/info", i);
        page_put(url, "{\"code\":20000,\"data\":{\"totalBalance\":\"8.50\"}}")->delay = 5 * USEC_PER_SEC;
    }
    start();
    run(USEC_PER_SEC);
    collector_kick(w.collector, COLLECTOR_NO_PLATFORM);
    collector_kick(w.collector, 3);
    run(10 * USEC_PER_SEC);
    struct collector_stats stats = collector_stats(w.collector);
    assert_int_equal(stats.running, 4);
    assert_true(stats.waiting > 0);
    run(MINUTE);
    assert_int_equal(relay.most, 4);
    assert_int_equal(relay.most_at_host, 1);
    assert_int_equal(w.priced, 9);
    assert_int_equal(w.balances, 9);
    stats = collector_stats(w.collector);
    assert_int_equal(stats.sent[COLLECT_PRICE], 9);
    assert_int_equal(stats.sent[COLLECT_BALANCE], 9);
    assert_true(stats.running == 0 && stats.waiting == 0);
}

/* --- reload -------------------------------------------------------------------------------------------------------------- */

static void test_reload_keeps(void **state)
{
    (void)state;
    platform(0, "newapi", NULL);
    platform(1, "newapi", "newapi");
    platform(2, "aihubmix", NULL);
    page_put("http://r0/api/pricing", NEWAPI_ROW("1"))->etag = "\"e\"";
    page_put("http://r1/api/pricing", NEWAPI_ROW("2"));
    page_put("http://r1/api/usage/token/", usage_token);
    page_put("http://r2/api/v1/models", "{\"data\":[{\"model_id\":\"m\",\"pricing\":{\"input\":1,\"output\":1}}]}");
    start();
    run(MINUTE);
    assert_int_equal(w.priced, 3);
    assert_int_equal(w.balances, 1);
    struct collector_report before = report(0, COLLECT_PRICE);
    usec_t fetched = before.fetched_at, next = before.next_at;
    uint64_t sent = collector_stats(w.collector).sent[COLLECT_PRICE];
    /* In another order, and one of them with another source; one has gone. */
    static struct config_platform platforms[2];
    static struct config config;
    platforms[0] = w.platforms[1];
    platforms[1] = w.platforms[0];
    platforms[0].price_feed.source = text("auto");
    config = w.config;
    config.platforms = platforms;
    config.platforms_len = 2;
    buf_clear(&w.told);
    reload(&config);
    w.config.platforms_len = 2;
    struct collector_report r = report(1, COLLECT_PRICE);
    assert_int_equal(r.fetched_at, fetched);
    assert_int_equal(r.next_at, next);
    assert_string_equal(collector_state_name(r.state), "ok");
    assert_int_equal(r.list->len, 1);
    assert_state(0, COLLECT_PRICE, "pending");
    assert_state(0, COLLECT_BALANCE, "ok");
    assert_int_equal(collector_stats(w.collector).sent[COLLECT_PRICE], sent);
    run(INTERVAL);
    assert_int_equal(page_find("http://r0/api/pricing")->unmodified, 1); /* the ETag went over as well */
    assert_told("priced 1 USD m/=2000000,8000000\n");
    assert_told("priced 0 USD m/=4000000,16000000\n");
    assert_int_equal(count(buf_str(&w.told), "feed 1"), 0);
    assert_int_equal(page_hits("http://r2/api/v1/models"), 1);
    /* Another key: everything anew. */
    setenv("COLLECTOR_TEST_KEY", KEY "-2", 1);
    static struct config again;
    again = config;
    reload(&again);
    assert_state(1, COLLECT_PRICE, "pending");
    assert_state(0, COLLECT_BALANCE, "pending");
    run(MINUTE);
    assert_state(1, COLLECT_PRICE, "ok");
}

/* A configuration of its own memory, as a reload makes one: nobody may use it when its collector is gone. */
struct copy {
    struct config config;
    struct config_platform platforms[9];
    struct config_endpoint endpoints[9];
    char *strings[9];
};

static struct copy *copy_config(void)
{
    struct copy *copy = alloc_zero(1, sizeof *copy);
    copy->config = w.config;
    memcpy(copy->platforms, w.platforms, sizeof copy->platforms);
    memcpy(copy->endpoints, w.endpoints, sizeof copy->endpoints);
    copy->config.platforms = copy->platforms;
    for (size_t i = 0; i < 9; i++) {
        copy->strings[i] = alloc_string("default");
        copy->platforms[i].price_feed.group = copy->strings[i];
        copy->platforms[i].endpoints = &copy->endpoints[i];
    }
    return copy;
}

static void copy_free(struct copy *copy)
{
    for (size_t i = 0; copy && i < 9; i++)
        free(copy->strings[i]);
    free(copy);
}

/* What runs and what waits goes over as it is, at every moment. */
static void test_reload_in_the_middle(void **state)
{
    (void)state;
    struct copy *now = NULL;
    platform(0, "onehub", "oneapi");
    page_put("http://r0/api/user_group_map", "{\"data\":{\"default\":{\"ratio\":1}}}");
    page_put("http://r0/api/available_model",
             "{\"data\":{\"m\":{\"price\":{\"type\":\"tokens\",\"input\":1,\"output\":3},\"groups\":[\"default\"]}}}");
    page_put("http://r0/api/status", STATUS(",\"price\":7"));
    page_put("http://r0/v1/dashboard/billing/subscription", "{\"hard_limit_usd\":73}");
    page_put("http://r0/v1/dashboard/billing/usage", "{\"total_usage\":730}");
    for (size_t i = 1; i < 9; i++)
        platform(i, "aihubmix", NULL);
    for (size_t i = 0; i < 9; i++)
        w.platforms[i].price_feed.group = text("default");
    start();
    run(5 * USEC_PER_SEC);
    collector_kick(w.collector, COLLECTOR_NO_PLATFORM);
    for (size_t i = 0; i < 400; i++) {
        struct copy *before = now;
        now = copy_config();
        reload(&now->config);
        copy_free(before);
        if (i % 5 == 0)
            run(7 * USEC_PER_MSEC);
        for (size_t steps = i % 5; steps > 0; steps--)
            step(); /* the first is the pump, which a reload wakes */
        if (i % 61 == 0)
            collector_kick(w.collector, COLLECTOR_NO_PLATFORM);
    }
    assert_true(w.priced >= 1 && w.balances >= 1);
    assert_int_equal(w.first, 1);
    assert_in_range(relay.most, 1, 4);
    assert_int_equal(relay.most_at_host, 1);
    run(MINUTE);
    struct collector_stats stats = collector_stats(w.collector);
    assert_true(stats.running == 0 && stats.waiting == 0);
    /* Switched off while it runs. */
    collector_kick(w.collector, 0);
    run(30 * USEC_PER_MSEC);
    assert_true(collector_stats(w.collector).running > 0);
    static struct config off;
    static struct config_platform one;
    one = w.platforms[0];
    one.level = LEVEL_OFF;
    off = w.config;
    off.platforms = &one;
    off.platforms_len = 1;
    reload(&off);
    copy_free(now);
    w.config.platforms_len = 1;
    int log = count(buf_str(&relay.log), "GET");
    run(3 * INTERVAL);
    assert_int_equal(count(buf_str(&relay.log), "GET"), log);
    assert_state(0, COLLECT_PRICE, "none");
    assert_int_equal(collector_stats(w.collector).running, 0);
}

/* --- charges ------------------------------------------------------------------------------------------------------------- */

static void test_charges(void **state)
{
    (void)state;
    struct config_platform *p = platform(0, NULL, "openrouter");
    w.routes[0] = (struct config_route){.model = text("one"), .upstream = text("one")};
    w.routes[1] = (struct config_route){.model = text("two"), .upstream = text("two")};
    p->routes = w.routes;
    p->routes_len = 2;
    platform(1, NULL, "newapi");
    page_put("http://r0/v1/key", "{\"data\":{\"usage\":2}}");
    struct page *late = page_put("http://r0/v1/generation?id=gen-1", "{\"error\":{\"code\":404}}");
    late->status = 404;
    page_put("http://r0/v1/generation?id=gen-2", "{\"data\":{\"id\":\"gen-2\",\"total_cost\":0.00125,\"native_tokens_prompt\":10,\"native_"
                                                 "tokens_completion\":25,\"tokens_prompt\":9}}");
    start();
    run(MINUTE);
    assert_false(collector_check_charge(w.collector, 1, 0, "gen-1")); /* has no such thing */
    static const char *const bad[] = {"", "gen 1", "gen/../key", "a&b", "a\nb", "%41"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(collector_check_charge(w.collector, 0, 0, bad[i]));
    char long_one[200];
    memset(long_one, 'x', sizeof long_one);
    long_one[sizeof long_one - 1] = '\0';
    assert_false(collector_check_charge(w.collector, 0, 0, long_one));
    assert_true(collector_check_charge(w.collector, 0, 0, "gen-1"));
    assert_false(collector_check_charge(w.collector, 0, 0, "gen-2")); /* one a route */
    assert_true(collector_check_charge(w.collector, 0, 1, "gen-2"));
    run(4 * USEC_PER_SEC);
    assert_int_equal(late->hits, 0);
    run(30 * USEC_PER_SEC);
    assert_int_equal(late->hits, 1);
    assert_non_null(strstr(late->headers, "Bearer " KEY "\n"));
    assert_int_equal(page_hits("http://r0/v1/generation?id=gen-2"), 0); /* one a minute */
    run(MINUTE);
    assert_int_equal(w.charges, 1);
    assert_int_equal(w.charge.pico, 1250000000);
    assert_int_equal(w.charge.prompt_tokens, 10);
    assert_int_equal(w.charge.output_tokens, 25);
    assert_int_equal(w.charge_route, 1);
    /* It posts late. The route has another place by then. */
    static struct config config;
    static struct config_platform platforms[2];
    static struct config_route routes[2];
    routes[0] = w.routes[1];
    routes[1] = w.routes[0];
    memcpy(platforms, w.platforms, sizeof platforms);
    platforms[0].routes = routes;
    config = w.config;
    config.platforms = platforms;
    reload(&config);
    late->status = 200;
    late->body = "{\"data\":{\"total_cost\":1e-05}}";
    run(3 * MINUTE);
    assert_int_equal(w.charges, 2);
    assert_int_equal(w.charge.pico, 10000000);
    assert_int_equal(w.charge.prompt_tokens, -1);
    assert_int_equal(w.charge_route, 1);
    /* It never posts: a few times, then never again. */
    assert_true(collector_check_charge(w.collector, 0, 0, "gen-3"));
    run(USEC_PER_HOUR);
    assert_int_equal(count(buf_str(&relay.log), "gen-3"), 4);
    assert_true(collector_check_charge(w.collector, 0, 0, "gen-4"));
    struct page *odd = page_put("http://r0/v1/generation?id=gen-4", "{\"data\":{\"total_cost\":-1}}");
    run(USEC_PER_HOUR);
    assert_int_equal(odd->hits, 1);
    assert_int_equal(w.charges, 2);
}

/* --- for all ------------------------------------------------------------------------------------------------------------- */

static void test_reference_and_rates(void **state)
{
    (void)state;
    w.config.price_reference = (struct config_fetch){.url = text("https://prices.example/map.json"), .interval = USEC_PER_DAY};
    w.config.rate_source = (struct config_fetch){.url = text("https://rates.example/latest"), .interval = USEC_PER_DAY};
    struct page *map =
        page_put("https://prices.example/map.json",
                 "{\"m\":{\"litellm_provider\":\"x\",\"mode\":\"chat\",\"input_cost_per_token\":1e-06,\"output_cost_per_token\":2e-06}}");
    map->etag = "\"m\"";
    struct page *rates = page_put("https://rates.example/latest", "{\"base\":\"USD\",\"rates\":{\"CNY\":8}}");
    start();
    run(MINUTE);
    assert_int_equal(w.references, 1);
    assert_int_equal(report(COLLECTOR_NO_PLATFORM, COLLECT_REFERENCE).list->len, 1);
    assert_int_equal(w.cny, 125000000000);
    run(25 * USEC_PER_HOUR);
    assert_int_equal(w.references, 1);
    assert_int_equal(map->unmodified, 1);
    assert_int_equal(w.rates, 2);
    rates->body = "{\"base\":\"USD\",\"rates\":{\"CNY\":0}}";
    run(25 * USEC_PER_HOUR);
    assert_int_equal(w.rates, 2);
    assert_told("feed 99 rates failed (the rate of CNY is no number above 0)");
    static struct config same;
    same = w.config;
    reload(&same);
    assert_state(COLLECTOR_NO_PLATFORM, COLLECT_REFERENCE, "ok");
    assert_non_null(report(COLLECTOR_NO_PLATFORM, COLLECT_REFERENCE).list);
    static struct config other;
    other = w.config;
    strcpy(other.currency, "CNY");
    reload(&other); /* rates of another reference currency are other rates */
    assert_state(COLLECTOR_NO_PLATFORM, COLLECT_RATES, "pending");
    rates->body = "{\"base\":\"USD\",\"rates\":{\"CNY\":8}}";
    run(MINUTE);
    assert_int_equal(w.rates, 3);
}

static void test_reference_from_a_file(void **state)
{
    (void)state;
    char name[] = "/tmp/collector-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    const char map[] =
        "{\"m\":{\"litellm_provider\":\"x\",\"mode\":\"chat\",\"input_cost_per_token\":1e-06,\"output_cost_per_token\":2e-06}}";
    assert_int_equal(write(fd, map, strlen(map)), strlen(map));
    w.config.price_reference = (struct config_fetch){.file = name, .interval = USEC_PER_HOUR};
    start();
    run(MINUTE);
    assert_int_equal(w.references, 1);
    run(3 * USEC_PER_HOUR);
    assert_int_equal(w.references, 1); /* it is as it was */
    assert_true(loop_now(w.loop) - report(COLLECTOR_NO_PLATFORM, COLLECT_REFERENCE).fetched_at < 2 * USEC_PER_HOUR);
    assert_int_equal(write(fd, " ", 1), 1);
    run(2 * USEC_PER_HOUR);
    assert_int_equal(w.references, 2);
    unlink(name);
    close(fd);
    run(2 * USEC_PER_HOUR);
    assert_int_equal(w.references, 2);
    assert_non_null(strstr(report(COLLECTOR_NO_PLATFORM, COLLECT_REFERENCE).why, "No such file"));
    w.config.price_reference.file = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_list_and_its_etag),
        TEST(test_what_was_known_stays),
        TEST(test_limits_are_kept),
        TEST(test_wait_that_was_asked_for),
        TEST(test_auto_finds_it),
        TEST(test_auto_finds_nothing),
        TEST(test_key_only_when_it_is_wanted),
        TEST(test_key_in_a_name),
        TEST(test_url_elsewhere),
        TEST(test_endpoints_of_each_model),
        TEST(test_balances_of_all_sorts),
        TEST(test_openrouter_credits),
        TEST(test_key_in_the_url),
        TEST(test_use_of_another_key),
        TEST(test_own_key_that_is_not_there),
        TEST(test_status_that_was_never_told),
        TEST(test_garbage_is_no_status),
        TEST(test_garbage_where_it_does_not_matter),
        TEST(test_status_that_is_expected),
        TEST(test_status_that_comes_back),
        TEST(test_web_page_of_a_site_without_status),
        TEST(test_few_at_once),
        TEST(test_reload_keeps),
        TEST(test_reload_in_the_middle),
        TEST(test_charges),
        TEST(test_reference_and_rates),
        TEST(test_reference_from_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
