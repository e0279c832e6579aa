/* The table's readers: routes in both forms, entity tags, best, pick, explain; and that what is cached never outlives its table. */
#include "tests/unit/serve/fixture.h"

#include <time.h>

static void test_routes_read_back(void **state)
{
    struct world *w = *state;
    struct err err = {.text = ""};
    static const char *const targets[] = {"/v1/routes", "/v1/routes?model=qwen3", "/v1/routes?policy=budget", "/v1/routes?policy=budget&model=qwen3"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct answer a = get(w, targets[i]);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_get(&a, "Content-Type"), "application/json");
        assert_string_equal(answer_get(&a, "Cache-Control"), "no-cache");
        assert_int_equal(a.body.data[a.body.len - 1], '\n');
        assert_null(memchr(a.body.data, '\n', a.body.len - 1));
        if (strstr(targets[i], "model") != NULL) /* short ones have a length */
            assert_int_equal(strtoul(answer_get(&a, "Content-Length"), NULL, 10), a.body.len);
        cJSON *json = answer_json_of(&a);
        struct table *table = table_from_json(json, &err);
        if (table == NULL)
            fail_msg("%s", err.text);
        assert_int_equal(table->generation, 1);
        assert_string_equal(table->policies[0].name, i < 2 ? "production" : "budget");
        assert_int_equal(table->policies[0].len, i % 2 == 0 ? 2 : 1);
        const struct ranking *ranking = table_policy_find(&table->policies[0], "qwen3");
        assert_int_equal(ranking->len, 3);
        assert_int_equal(ranking->rows[0].slots, 192);
        assert_string_equal(ranking->rows[0].facts->title, "平台");
        table_unref(table);
        cJSON_Delete(json);
        answer_done(&a);
    }
}

static void test_routes_as_lines(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/routes.txt?model=qwen3");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_get(&a, "Content-Type"), "text/plain; charset=utf-8");
    assert_string_equal(buf_str(&a.body),
                        "# policy\tmodel\trank\tplatform\tweight\tstate\tscore\tttft_ms\tavailability\tprice_in\tprice_out\tendpoint\tupstream_model\n"
                        "production\tqwen3\t1\topenrouter\t0.75\tup\t0.900000\t412.3\t0.990000\t0.15\t0.6\thttps://api.openrouter.example/v1\tvendor/qwen3\n"
                        "production\tqwen3\t2\tsiliconflow\t0.25\tup\t0.900000\t412.3\t0.990000\t0.15\t-\thttps://api.siliconflow.example:8443/v1\tvendor/qwen3\n"
                        "production\tqwen3\t3\tdmxapi\t0\tdown\t0.900000\t-\t-\t0.15\t0.6\thttps://api.dmxapi.example/v1\tvendor/qwen3\n");
    answer_done(&a);
    a = get(w, "/v1/routes.txt?policy=budget");
    int lines = 0;
    for (size_t i = 0; i < a.body.len; i++)
        lines += a.body.data[i] == '\n';
    assert_int_equal(lines, 7);
    answer_done(&a);
}

static struct answer get_if(struct world *w, const char *target, const char *tags)
{
    char header[512];
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", tags);
    return ask(w, "GET", target, header, NULL);
}

static void test_entity_tags(void **state)
{
    struct world *w = *state;
    char tag[128], other[128], list[300];
    struct answer a = get(w, "/v1/routes?model=qwen3");
    snprintf(tag, sizeof tag, "%s", answer_get(&a, "ETag"));
    answer_done(&a);
    assert_memory_equal(tag, "\"1700000000-1-", 14);
    a = get(w, "/v1/routes?model=gpt-4o-mini");
    snprintf(other, sizeof other, "%s", answer_get(&a, "ETag"));
    assert_string_not_equal(tag, other);
    answer_done(&a);
    a = get(w, "/v1/routes.txt?model=qwen3");
    assert_string_not_equal(tag, answer_get(&a, "ETag"));
    answer_done(&a);
    a = get(w, "/v1/routes?model=qwen3&policy=production"); /* the default by its name is the same query */
    assert_string_equal(tag, answer_get(&a, "ETag"));
    answer_done(&a);

    const struct {
        const char *format;
        int status;
    } cases[] = {{"%s", 304}, {"W/%s", 304}, {"\"x\", %s", 304}, {"\"a,b\",W/\"x\" ,  W/%s", 304}, {"*", 304}, {"\"x\"", 200}, {"x", 200}, {"\"", 200}, {"W/", 200}, {",,,", 200}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *mark = strstr(cases[i].format, "%s");
        snprintf(list, sizeof list, "%.*s%s", mark != NULL ? (int)(mark - cases[i].format) : 300, cases[i].format, mark != NULL ? tag : "");
        a = get_if(w, "/v1/routes?model=qwen3", list);
        if (a.status != cases[i].status)
            fail_msg("%s gives %d", list, a.status);
        assert_string_equal(answer_get(&a, "ETag"), tag);
        assert_int_equal(a.status == 304, a.body.len == 0);
        answer_done(&a);
    }
    a = get_if(w, "/v1/routes?model=qwen3", other);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    world_publish(w, 2);
    a = get_if(w, "/v1/routes?model=qwen3", tag);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_get(&a, "X-Probed-Generation"), "1700000000-2");
    answer_done(&a);
}

static void test_cache_keeps_what_did_not_change(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/routes");
    answer_done(&a);
    assert_int_equal(cache_len(w->api->cache), 2);
    struct blob *before = cache_json(w->api->cache, w->kept[0][0]);
    for (int i = 0; i < 100; i++) {
        world_set_ranking(w, 0, 1, i, (const uint16_t[]){(uint16_t)i, (uint16_t)(256 - i), 0});
        world_publish(w, 2 + (uint64_t)i);
        a = get(w, "/v1/routes");
        assert_non_null(strstr(buf_str(&a.body), i == 0 ? "\"slots\":256" : "\"slots\":"));
        answer_done(&a);
        a = get(w, "/v1/pick?model=qwen3");
        assert_int_equal(a.status, 204);
        answer_done(&a);
        assert_int_equal(cache_len(w->api->cache), 2);
    }
    assert_ptr_equal(before, cache_json(w->api->cache, w->kept[0][0]));
}

static void test_best(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/best?model=qwen3");
    assert_int_equal(a.status, 200);
    cJSON *json = answer_json_of(&a);
    assert_string_equal(json_string(json, "platform"), "openrouter");
    assert_string_equal(json_string(json, "key_env"), "OPENROUTER_API_KEY");
    assert_string_equal(json_string(json, "upstream_model"), "vendor/qwen3");
    assert_string_equal(json_string(json, "model"), "qwen3");
    static const char *const names[] = {"epoch", "generation", "policy", "title", "endpoint", "dialect", "weight", "rank", "state", "score", "flags", "valid_until"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_non_null(json_at(json, names[i]));
    cJSON_Delete(json);
    answer_done(&a);
    world_set_ranking(w, 0, 1, 1, (const uint16_t[]){0, 0, 0});
    world_publish(w, 2);
    a = get(w, "/v1/best?model=qwen3");
    assert_string_equal(answer_get(&a, "Retry-After"), "1");
    assert_problem(&a, 503, "\"platform\":\"dmxapi\",\"state\":\"down\",\"reason\":\"down\"");
}

#define PICK "GET /v1/pick?model=qwen3 HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_pick_spreads_as_the_slots_do(void **state)
{
    struct world *w = *state;
    const int tries = 8000;
    int first = 0;
    struct talk t = talk_open(w);
    w->api->random = 42;
    print_message("seed 42\n");
    for (int i = 0; i < tries; i++) {
        talk_send(&t, PICK, strlen(PICK));
        struct answer a = talk_answer(w, &t, false);
        assert_int_equal(a.status, 204);
        const char *platform = answer_get(&a, "X-Probed-Platform");
        if (strcmp(platform, "openrouter") == 0)
            first++;
        else
            assert_string_equal(platform, "siliconflow");
        if (i == 0) {
            assert_string_equal(answer_get(&a, "Content-Length"), "");
            assert_string_equal(answer_get(&a, "X-Probed-Dialect"), "openai");
            assert_string_equal(answer_get(&a, "X-Probed-Model"), "vendor/qwen3");
            assert_string_equal(answer_get(&a, "X-Probed-Key"), "");
            assert_string_equal(answer_get(&a, "X-Probed-Generation"), "1700000000-1");
        }
        if (strcmp(answer_get(&a, "X-Probed-Platform"), "siliconflow") == 0) {
            assert_string_equal(answer_get(&a, "X-Probed-Upstream"), "api.siliconflow.example:8443");
            assert_string_equal(answer_get(&a, "X-Probed-Base-URL"), "https://api.siliconflow.example:8443/v1");
        }
        else
            assert_string_equal(answer_get(&a, "X-Probed-Upstream"), "api.openrouter.example:443");
        answer_done(&a);
    }
    talk_close(&t);
    /* 0.75 +- 5 standard deviations */
    assert_true(fabs((double)first / tries - 0.75) < 5 * sqrt(0.75 * 0.25 / tries));
}

static void pick_platform(struct world *w, struct talk *t, int text, char ret[64])
{
    char request[128];
    int len = snprintf(request, sizeof request, "GET /v1/pick?model=qwen3&affinity=session-%d HTTP/1.1\r\nHost: x\r\n\r\n", text);
    talk_send(t, request, (size_t)len);
    struct answer a = talk_answer(w, t, false);
    assert_int_equal(a.status, 204);
    snprintf(ret, 64, "%s", answer_get(&a, "X-Probed-Platform"));
    answer_done(&a);
}

static int pick_moves(struct world *w, struct talk *t, char before[][64], int len)
{
    char now[64];
    int moved = 0;
    for (int i = 0; i < len; i++) {
        pick_platform(w, t, i, now);
        moved += strcmp(before[i], now) != 0;
    }
    return moved;
}

static void test_affinity_is_stable(void **state)
{
    struct world *w = *state;
    enum { TEXTS = 2000 };
    static char before[TEXTS][64];
    char now[64];
    int first = 0, moved = 0;
    struct talk t = talk_open(w);
    for (int i = 0; i < TEXTS; i++) {
        pick_platform(w, &t, i, before[i]);
        first += strcmp(before[i], "openrouter") == 0;
        pick_platform(w, &t, i, now);
        assert_string_equal(before[i], now);
    }
    assert_true(fabs((double)first / TEXTS - 0.75) < 5 * sqrt(0.75 * 0.25 / TEXTS));
    /* Ranks alone move nothing. */
    struct ranking *swapped = world_ranking("qwen3", 3, (const uint16_t[]){192, 64, 0});
    struct table_row row = swapped->rows[0];
    swapped->rows[0] = swapped->rows[1];
    swapped->rows[1] = row;
    ranking_unref(w->kept[0][1]);
    w->kept[0][1] = swapped;
    world_publish(w, 2);
    assert_int_equal(pick_moves(w, &t, before, TEXTS), 0);
    /* A third route gets 48 slots of the first one's: not many more texts move than have to. */
    world_set_ranking(w, 0, 1, 7, (const uint16_t[]){144, 64, 48});
    world_publish(w, 3);
    moved = pick_moves(w, &t, before, TEXTS);
    print_message("%d of %d texts moved, %d would have to\n", moved, TEXTS, TEXTS * 48 / 256);
    assert_true(moved < TEXTS * 48 / 256 * 3 / 2);
    /* It drops out, the others keep their proportion: its own texts move, and no more than rounding makes of the others. */
    for (int i = 0; i < TEXTS; i++)
        pick_platform(w, &t, i, before[i]);
    int third = 0;
    for (int i = 0; i < TEXTS; i++)
        third += strcmp(before[i], "dmxapi") == 0;
    world_set_ranking(w, 0, 1, 8, (const uint16_t[]){177, 79, 0});
    world_publish(w, 4);
    moved = pick_moves(w, &t, before, TEXTS);
    assert_true(moved >= third && moved < third + TEXTS / 200);
    talk_close(&t);
}

static void test_pick_follows_table_and_lease(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/pick?model=qwen3");
    answer_done(&a);
    w->valid_until += 100 * USEC_PER_SEC;
    a = get(w, "/v1/pick?model=qwen3");
    assert_int_equal(strtoll(answer_get(&a, "X-Probed-Valid-Until"), NULL, 10), w->valid_until / USEC_PER_SEC);
    answer_done(&a);
    world_publish(w, 2); /* the same rankings under a new number */
    a = get(w, "/v1/pick?model=qwen3");
    assert_string_equal(answer_get(&a, "X-Probed-Generation"), "1700000000-2");
    answer_done(&a);
    world_set_ranking(w, 0, 1, 1, (const uint16_t[]){0, 0, 0});
    world_publish(w, 3);
    a = get(w, "/v1/pick?model=qwen3");
    assert_string_equal(answer_get(&a, "Retry-After"), "1");
    assert_problem(&a, 503, "eligible");
}

static void test_keys_go_to_key_readers_only(void **state)
{
    struct world *w = *state;
    uid_t users[] = {geteuid()};
    struct config_role roles[] = {{.role = ROLE_KEY_READER, .users = users, .users_len = 1}};
    w->key = "sk-first";
    struct answer a = get(w, "/v1/pick?model=qwen3");
    assert_string_equal(answer_get(&a, "X-Probed-Key"), "");
    answer_done(&a);
    w->config.pick_keys = true; /* on, but nobody is named: not even for root */
    a = get(w, "/v1/pick?model=qwen3");
    assert_string_equal(answer_get(&a, "X-Probed-Key"), "");
    answer_done(&a);
    w->config.roles = roles;
    w->config.roles_len = 1;
    a = get(w, "/v1/pick?model=qwen3");
    assert_string_equal(answer_get(&a, "X-Probed-Key"), "sk-first");
    answer_done(&a);
    w->key = "sk-second"; /* a reload brought another one */
    for (int i = 0; i < 20; i++) {
        a = get(w, "/v1/pick?model=qwen3");
        assert_string_equal(answer_get(&a, "X-Probed-Key"), "sk-second");
        answer_done(&a);
    }
    w->config.pick_keys = false;
    a = get(w, "/v1/pick?model=qwen3");
    assert_string_equal(answer_get(&a, "X-Probed-Key"), "");
    answer_done(&a);
    w->config.roles_len = 0;
}

static void test_explain(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/explain?platform=siliconflow&model=qwen3&policy=budget");
    assert_int_equal(a.status, 200);
    cJSON *json = answer_json_of(&a);
    int64_t loss = 0, sum = 0, nano = 0;
    double since = 0, at = 0, p50 = 0;
    assert_true(json_int(json, "loss_nano", &loss));
    for (int i = 0; i < 2; i++) {
        char path[32];
        snprintf(path, sizeof path, "terms.%d.nano", i);
        assert_true(json_int(json, path, &nano));
        sum += nano;
    }
    assert_int_equal(sum, loss);
    assert_string_equal(json_string(json, "policy"), "budget");
    assert_string_equal(json_string(json, "platform"), "siliconflow");
    assert_string_equal(json_string(json, "model"), "qwen3");
    assert_string_equal(json_string(json, "level"), "models"); /* the daemon's word */
    assert_string_equal(json_string(json, "level_why"), "budget");
    assert_string_equal(json_string(json, "last.0.outcome"), "ok");
    assert_string_equal(json_string(json, "last.0.flags.0"), "model_differs");
    assert_true(json_number(json, "state_since", &since) && fabs(since - 1700000000) < 1e-3);
    assert_true(json_number(json, "last.0.at", &at) && fabs(at - 1700000001) < 1e-3);
    assert_true(json_number(json, "segments.0.p50_ms", &p50) && fabs(p50 - 1.5) < 1e-9);
    assert_true(cJSON_IsNull(json_at(json, "windows.0.low")));
    assert_true(cJSON_IsNull(json_at(json, "terms.1.age_s")));
    assert_string_equal(json_string(json, "terms.0.window"), "24h");
    assert_string_equal(json_string(json, "last.0.reporter"), "gateway");
    assert_string_equal(json_string(json, "load.0.in_flight"), "5-16");
    assert_string_equal(json_string(json, "group.0.platform"), "dmxapi");
    assert_string_equal(json_string(json, "reports.last_by"), "gateway");
    assert_true(json_number(json, "group.0.together", &p50) && fabs(p50 - 0.8) < 1e-9);
    static const char *const names[] = {"epoch", "generation", "title", "upstream_model", "endpoint", "dialect", "rank", "slots", "weight", "state",
                                        "state_text", "state_why", "reason", "reason_text", "flags", "score", "loss", "retry_on", "incumbent", "challenger",
                                        "evidence", "evidence_needed", "share_cap", "flap.penalty", "counterfactual", "price.source", "price.age_s",
                                        "waste_s", "honesty.bursts", "terms.0.window", "concurrency", "load.0.limited", "load.0.refused",
                                        "reports.unconfirmed", "reports.contradicted"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_at(json, names[i]) == NULL)
            fail_msg("no %s", names[i]);
    cJSON_Delete(json);
    answer_done(&a);
}

static void assert_number(const cJSON *json, const char *path, double wanted)
{
    double n = 0;
    if (!json_number(json, path, &n) || fabs(n - wanted) > 1e-9)
        fail_msg("%s is %g, not %g", path, n, wanted);
}

static void test_explain_conduct(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/explain?platform=siliconflow&model=qwen3&policy=budget");
    cJSON *json = answer_json_of(&a);
    bool weighs = false;
    assert_string_equal(json_string(json, "reason_why"), "measured: no vision");
    assert_number(json, "honesty.dishonesty", 0.125);
    assert_number(json, "honesty.samples", 7.5);
    assert_string_equal(json_string(json, "honesty.signals.0.signal"), "id_odd");
    assert_string_equal(json_string(json, "honesty.signals.0.text"), "odd");
    assert_number(json, "honesty.signals.0.count", 2);
    assert_number(json, "honesty.signals.0.of", 8);
    assert_number(json, "honesty.signals.0.share", 0.25);
    assert_true(json_bool(json, "honesty.signals.0.weighs", &weighs) && weighs);
    assert_number(json, "honesty.signals.0.at", 1700000002);
    assert_string_equal(json_string(json, "honesty.signals.0.evidence"), "said \"x\"\x1b");
    assert_true(json_bool(json, "honesty.signals.1.weighs", &weighs) && !weighs);
    assert_number(json, "honesty.signals.1.count", 0);
    assert_true(cJSON_IsNull(json_at(json, "honesty.signals.1.share"))); /* of none: not known */
    assert_true(cJSON_IsNull(json_at(json, "honesty.signals.1.at")));
    assert_true(cJSON_IsNull(json_at(json, "honesty.signals.1.evidence")));
    assert_number(json, "burst.n", 8);
    assert_number(json, "burst.ok", 5);
    assert_number(json, "burst.failed", 1);
    assert_number(json, "burst.limited", 2);
    assert_number(json, "burst.ttft_p50_ms", 1.5);
    assert_true(cJSON_IsNull(json_at(json, "burst.ttft_p95_ms")));
    assert_number(json, "burst.age_s", 2);
    assert_true(cJSON_IsNull(json_at(json, "burst.why")));
    cJSON_Delete(json);
    if (memchr(a.body.data, 0x1b, a.body.len) != NULL)
        fail_msg("an escape character as it is");
    answer_done(&a);

    a = get(w, "/v1/explain?platform=siliconflow&model=qwen3");
    json = answer_json_of(&a);
    assert_true(cJSON_IsNull(json_at(json, "reason_why")));
    assert_true(cJSON_IsNull(json_at(json, "honesty.dishonesty")));
    assert_number(json, "honesty.samples", 0);
    assert_true(cJSON_IsNull(json_at(json, "burst")));
    cJSON_Delete(json);
    answer_done(&a);
}

struct poll {
    struct talk *t;
    size_t want;
};

static bool expect_bytes(void *arg)
{
    struct poll *p = arg;
    talk_pull(p->t);
    return p->t->in.len >= p->want || p->t->closed;
}

/* A reading that goes on over a new table gives one generation to its end, and the old table is gone after it. */
static void test_a_long_answer_is_of_one_table(void **state)
{
    struct world *w = *state;
    struct talk t = talk_open(w);
    int small = 4096;
    assert_int_equal(setsockopt(t.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    /* Longer than what the kernel holds for a reader that takes nothing. */
    struct buf many = BUF_INIT;
    for (int i = 0; i < 400; i++)
        buf_add_str(&many, "GET /v1/routes HTTP/1.1\r\nHost: x\r\n\r\n");
    talk_send(&t, many.data, many.len);
    for (int i = 0; i < 50; i++)
        api_run(w->api);
    for (int i = 0; i < 10; i++) {
        world_set_ranking(w, 0, 0, 100 + i, (const uint16_t[]){128, 128, 0});
        world_set_ranking(w, 0, 1, 100 + i, (const uint16_t[]){128, 128, 0});
        world_publish(w, 2 + (uint64_t)i);
        for (int j = 0; j < 5; j++)
            api_run(w->api);
    }
    for (int i = 0; i < 400; i++) {
        struct answer a = talk_answer(w, &t, false);
        assert_int_equal(a.status, 200);
        cJSON *json = answer_json_of(&a);
        int64_t generation = 0;
        char said[64];
        assert_true(json_int(json, "generation", &generation));
        snprintf(said, sizeof said, "1700000000-%d", (int)generation);
        assert_string_equal(answer_get(&a, "X-Probed-Generation"), said);
        assert_string_equal(json_string(json, "models.0.model"), "gpt-4o-mini");
        assert_string_equal(json_string(json, "models.1.model"), "qwen3");
        const char *slots = strstr(buf_str(&a.body), "\"slots\":");
        assert_int_equal(strtol(slots + 8, NULL, 10), generation == 1 ? 192 : 128);
        cJSON_Delete(json);
        answer_done(&a);
    }
    talk_close(&t);
    buf_done(&many);
}

/* Somebody who asks for much and takes nothing is cut, and holds no table then. */
static void test_a_reader_that_takes_nothing_is_cut(void **state)
{
    struct world *w = *state;
    w->api->times.answer = 150 * USEC_PER_MSEC;
    struct talk t = talk_open(w);
    struct buf many = BUF_INIT;
    for (int i = 0; i < 900; i++)
        buf_add_str(&many, "GET /v1/routes HTTP/1.1\r\nHost: x\r\n\r\n");
    talk_send(&t, many.data, many.len);
    struct poll p = {.t = &t, .want = 1};
    assert_true(world_run(w, expect_bytes, &p, PATIENCE));
    usec_t until = loop_now_fresh(w->loop) + PATIENCE;
    while (api_stats(w->api).clients > 0 && loop_now_fresh(w->loop) < until) {
        struct timespec moment = {.tv_nsec = 1000000};
        nanosleep(&moment, NULL);
        struct poll none = {.t = &(struct talk){.fd = -1, .closed = true}, .want = 0};
        assert_true(world_run(w, expect_bytes, &none, PATIENCE));
    }
    assert_int_equal(api_stats(w->api).clients, 0);
    talk_close(&t);
    buf_done(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        T(test_routes_read_back),
        T(test_routes_as_lines),
        T(test_entity_tags),
        T(test_cache_keeps_what_did_not_change),
        T(test_best),
        T(test_pick_spreads_as_the_slots_do),
        T(test_affinity_is_stable),
        T(test_pick_follows_table_and_lease),
        T(test_keys_go_to_key_readers_only),
        T(test_explain),
        T(test_explain_conduct),
        T(test_a_long_answer_is_of_one_table),
        T(test_a_reader_that_takes_nothing_is_cut),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
