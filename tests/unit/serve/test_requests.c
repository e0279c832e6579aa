/* Requests against the table of endpoints: what is refused and in which words, caps, roles, kept connections, slow clients. */
#include "tests/unit/serve/fixture.h"

#include <grp.h>

static void test_good_answers_carry_the_stamp(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/status");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_get(&a, "X-Probed-Generation"), "1700000000-1");
    assert_int_equal(strtoll(answer_get(&a, "X-Probed-Valid-Until"), NULL, 10), w->valid_until / USEC_PER_SEC);
    assert_string_equal(answer_get(&a, "Cache-Control"), "no-store");
    assert_string_equal(answer_get(&a, "Content-Type"), "application/json");
    assert_int_equal(a.body.data[a.body.len - 1], '\n');
    cJSON *json = answer_json_of(&a);
    int64_t n = -1;
    assert_string_equal(json_string(json, "version"), "test");
    assert_true(json_int(json, "clients", &n));
    assert_int_equal(n, 1);
    assert_true(json_int(json, "watchers", &n));
    assert_int_equal(n, 0);
    cJSON_Delete(json);
    answer_done(&a);
}

static void test_health_follows_the_lease(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/healthz");
    assert_int_equal(a.status, 200);
    assert_string_equal(buf_str(&a.body), "ok\n");
    answer_done(&a);
    w->valid_until = loop_wall(w->loop) - 1;
    a = get(w, "/healthz");
    assert_int_equal(a.status, 503);
    assert_string_equal(buf_str(&a.body), "stale\n");
    assert_string_not_equal(answer_get(&a, "Retry-After"), "");
    answer_done(&a);
}

static void test_wrong_paths_and_methods(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/rotues");
    assert_problem(&a, 404, "\"nearest\":[\"/v1/routes\"");
    a = get(w, "/");
    assert_problem(&a, 404, "endpoints");
    a = ask(w, "DELETE", "/v1/routes", NULL, NULL);
    assert_string_equal(answer_get(&a, "Allow"), "GET, HEAD");
    assert_problem(&a, 405, "GET");
    a = get(w, "/v1/override");
    assert_string_equal(answer_get(&a, "Allow"), "POST");
    assert_problem(&a, 405, "POST");
}

static void test_head_is_get_without_the_body(void **state)
{
    struct world *w = *state;
    static const char *const targets[] = {"/v1/status", "/v1/routes", "/v1/routes?model=qwen3", "/v1/routes.txt", "/healthz",
                                          "/v1/best?model=qwen3", "/v1/watch", "/v1/explain?platform=openrouter&model=qwen3"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct talk t = talk_open(w);
        char text[256];
        int len = snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", targets[i]);
        talk_send(&t, text, (size_t)len);
        struct answer a = talk_answer(w, &t, true);
        assert_int_equal(a.status, 200);
        answer_done(&a);
        /* What follows is the next answer, or the end: there was no body. */
        a = talk_answer(w, &t, false);
        if (a.status == 0) {
            assert_true(t.closed);
            assert_int_equal(t.in.len, 0);
        } else if (strcmp(buf_str(&a.body), "ok\n") != 0)
            fail_msg("after HEAD %s: %s%s", targets[i], a.head, buf_str(&t.in));
        answer_done(&a);
        talk_close(&t);
    }
    assert_int_equal(api_stats(w->api).watchers, 0);
}

static void test_parameters_are_held_to_the_table(void **state)
{
    struct world *w = *state;
    char target[1024], longest[256];
    struct answer a = get(w, "/v1/routes?polcy=x");
    assert_problem(&a, 400, "\"parameter\":\"polcy\",\"parameters\":[\"policy\",\"model\"]");
    a = get(w, "/v1/status?x=1");
    assert_problem(&a, 400, "\"x\"");
    a = get(w, "/v1/routes?model=qwen3&model=qwen3");
    assert_problem(&a, 400, "more than once");
    a = get(w, "/v1/routes?model=");
    assert_problem(&a, 400, "has no value");
    a = get(w, "/v1/routes?model");
    assert_problem(&a, 400, "has no value");
    a = get(w, "/v1/routes?model=a%00b");
    assert_problem(&a, 400, "UTF-8");
    a = get(w, "/v1/routes?model=%ff%fe");
    assert_problem(&a, 400, "UTF-8");
    a = get(w, "/v1/best");
    assert_problem(&a, 400, "needs the parameter \\\"model\\\"");
    memset(longest, 'm', sizeof longest);
    snprintf(target, sizeof target, "/v1/routes?model=%.*s", API_NAME_MAX + 1, longest);
    a = get(w, target);
    assert_problem(&a, 400, "longer than 128 bytes");
    snprintf(target, sizeof target, "/v1/routes?model=%.*s", API_NAME_MAX, longest);
    a = get(w, target);
    assert_problem(&a, 404, "there is no model");
    a = get(w, "/v1/routes?model=gpt%2D4o-mini&policy=budget");
    assert_int_equal(a.status, 200);
    answer_done(&a);
}

static void test_unknown_names_bring_near_ones(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/best?model=gpt-4o-mni");
    assert_problem(&a, 404, "\"nearest\":[\"gpt-4o-mini\"]");
    a = get(w, "/v1/best?model=gpt");
    assert_problem(&a, 404, "\"nearest\":[\"gpt-4o-mini\"]");
    a = get(w, "/v1/routes?policy=producton");
    assert_problem(&a, 404, "\"nearest\":[\"production\"]");
    a = get(w, "/v1/explain?platform=openruter&model=qwen3");
    assert_problem(&a, 404, "\"nearest\":[\"openrouter\"]");
    a = get(w, "/v1/explain?platform=dmxapi&model=qwen3");
    assert_problem(&a, 404, "\"offered_by\":[\"openrouter\",\"siliconflow\"]");
}

static void test_long_urls_and_headers(void **state)
{
    struct world *w = *state;
    struct buf text = BUF_INIT;
    buf_add_str(&text, "/v1/routes?model=");
    while (text.len <= API_URL_MAX)
        buf_add_char(&text, 'a');
    struct answer a = get(w, buf_str(&text));
    assert_problem(&a, 414, "8192");
    buf_clear(&text);
    for (int i = 0; text.len <= API_HEADERS_MAX; i++)
        buf_printf(&text, "X-%d: %0200d\r\n", i, i);
    a = ask(w, "GET", "/v1/status", buf_str(&text), NULL);
    assert_problem(&a, 431, "16384");
    /* Beyond MHD's own memory: its own words, but an end, and the daemon lives. */
    buf_clear(&text);
    while (text.len < 200000)
        buf_add_str(&text, "X-A: abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\r\n");
    a = ask(w, "GET", "/v1/status", buf_str(&text), NULL);
    assert_true(a.status == 431 || a.status == 0);
    answer_done(&a);
    buf_done(&text);
    a = get(w, "/healthz");
    assert_int_equal(a.status, 200);
    answer_done(&a);
}

static void test_bodies_are_capped(void **state)
{
    struct world *w = *state;
    struct buf body = BUF_INIT;
    while (body.len <= API_BODY_MAX)
        buf_add_str(&body, "          ");
    /* Announced: refused unread. */
    struct talk t = talk_open(w);
    char text[128];
    int len = snprintf(text, sizeof text, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", body.len);
    talk_send(&t, text, (size_t)len);
    struct answer a = talk_answer(w, &t, false);
    assert_problem(&a, 413, "65536");
    talk_close(&t);
    /* Not announced: read to its end, kept up to the cap. */
    t = talk_open(w);
    len = snprintf(text, sizeof text, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", body.len);
    talk_send(&t, text, (size_t)len);
    for (size_t sent = 0; sent < body.len;) {
        ssize_t n = send(t.fd, body.data + sent, body.len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        struct world *drive = w; /* the server has to read for the rest to fit */
        if (sent < body.len)
            api_run(drive->api);
    }
    talk_send(&t, "\r\n0\r\n\r\n", 7);
    a = talk_answer(w, &t, false);
    assert_problem(&a, 413, "65536");
    talk_close(&t);
    assert_int_equal(w->reloads_asked, 0);
    buf_done(&body);
}

static void test_garbage_ends_the_connection_not_the_daemon(void **state)
{
    struct world *w = *state;
    static const char *const garbage[] = {"\x16\x03\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "hello\r\n\r\n",
                                          "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                                          "POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                          "GET /v1/routes?%zz&&=&= HTTP/1.1\r\nHost: x\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        struct talk t = talk_open(w);
        talk_send(&t, garbage[i], strlen(garbage[i]));
        shutdown(t.fd, SHUT_WR);
        assert_true(world_run(w, expect_closed, &t, PATIENCE));
        talk_close(&t);
    }
    struct answer a = get(w, "/healthz");
    assert_int_equal(a.status, 200);
    answer_done(&a);
}

static void test_connections_are_kept_and_pipelined(void **state)
{
    struct world *w = *state;
    struct talk t = talk_open(w);
    struct buf many = BUF_INIT;
    for (int i = 0; i < 50; i++)
        buf_add_str(&many, i % 3 == 0 ? "GET /v1/pick?model=qwen3 HTTP/1.1\r\nHost: x\r\n\r\n"
                           : i % 3 == 1 ? "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
                                        : "GET /v1/routes HTTP/1.1\r\nHost: x\r\n\r\n");
    talk_send(&t, many.data, many.len);
    for (int i = 0; i < 50; i++) {
        struct answer a = talk_answer(w, &t, false);
        assert_int_equal(a.status, i % 3 == 0 ? 204 : i % 3 == 1 ? 404 : 200);
        answer_done(&a);
    }
    assert_false(t.closed);
    assert_int_equal(api_stats(w->api).clients, 1);
    assert_int_equal(api_stats(w->api).requests, 50);
    talk_close(&t);
    buf_done(&many);
    /* HTTP/1.0 gets an answer and the end. */
    t = talk_open(w);
    talk_send(&t, "GET /v1/routes HTTP/1.0\r\n\r\n", 27);
    assert_true(world_run(w, expect_closed, &t, PATIENCE));
    assert_non_null(strstr(buf_str(&t.in), "\"models\":["));
    talk_close(&t);
}

struct count {
    struct world *w;
    int clients;
};

static bool expect_clients(void *arg)
{
    struct count *c = arg;
    return api_stats(c->w->api).clients == c->clients;
}

static void wait_clients(struct world *w, int clients)
{
    struct count c = {.w = w, .clients = clients};
    assert_true(world_run(w, expect_clients, &c, PATIENCE));
}

/* Connects as somebody else: the kernel notes the effective ids at connect. */
static struct talk talk_open_as(const struct world *w, uid_t uid, gid_t gid)
{
    assert_int_equal(chmod(w->dir, 0755), 0);
    assert_int_equal(chmod(w->path, 0666), 0);
    gid_t before[64];
    int before_len = getgroups(64, before);
    assert_int_equal(setgroups(1, &gid), 0);
    assert_int_equal(setegid(gid), 0);
    assert_int_equal(seteuid(uid), 0);
    struct talk t = talk_open(w);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
    assert_int_equal(setgroups((size_t)(before_len > 0 ? before_len : 0), before), 0);
    return t;
}

static struct answer ask_as(struct world *w, uid_t uid, gid_t gid, const char *request)
{
    struct talk t = talk_open_as(w, uid, gid);
    talk_send(&t, request, strlen(request));
    struct answer a = talk_answer(w, &t, false);
    talk_close(&t);
    return a;
}

#define DRAIN                                                                                                                              \
    "POST /v1/override HTTP/1.1\r\nHost: x\r\nContent-Length: 76\r\n\r\n"                                                                \
    "{\"action\":\"drain\",\"platform\":\"openrouter\",\"for_s\":60,\"reason\":\"because why\"}"
#define STATUS "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_roles(void **state)
{
    struct world *w = *state;
    if (geteuid() != 0)
        skip();
    struct answer a = ask_as(w, 4242, 4242, DRAIN);
    assert_problem(&a, 403, "\"role\":\"admin\"");
    a = ask_as(w, 4242, 4242, STATUS); /* nobody named readers: who may connect may read */
    assert_int_equal(a.status, 200);
    answer_done(&a);
    a = ask_as(w, 4242, 4242, "POST /v1/probe HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    assert_problem(&a, 403, "reporter or admin");

    uid_t users[] = {4242};
    gid_t groups[] = {4300};
    struct config_role roles[] = {{.role = ROLE_ADMIN, .users = users, .users_len = 1}, {.role = ROLE_READER, .groups = groups, .groups_len = 1}};
    w->config.roles = roles;
    w->config.roles_len = 2;
    a = ask_as(w, 4242, 4242, DRAIN);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    assert_string_equal(w->last_override.by, "uid 4242");
    a = ask_as(w, 4243, 4300, STATUS); /* by its group */
    assert_int_equal(a.status, 200);
    answer_done(&a);
    a = ask_as(w, 4243, 4301, STATUS); /* readers are named now */
    assert_problem(&a, 403, "\"role\":\"reader\"");
    a = ask_as(w, 4243, 4301, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(a.status, 200);
    answer_done(&a);
    a = get(w, "/v1/status"); /* root, whatever the rules */
    assert_int_equal(a.status, 200);
    answer_done(&a);
    w->config.roles_len = 0;
}

static void test_clients_are_capped(void **state)
{
    struct world *w = *state;
    struct talk idle[4], more[64];
    size_t n = 0;
    if (geteuid() != 0)
        skip();
    w->config.clients = 4;
    w->config.watchers = 2;
    for (int i = 0; i < 4; i++)
        idle[i] = talk_open_as(w, 4242, 4242);
    wait_clients(w, 4);
    struct answer a = ask_as(w, 4242, 4242, STATUS);
    assert_string_not_equal(answer_get(&a, "Retry-After"), "");
    assert_problem(&a, 503, "too many clients");
    a = get(w, "/v1/status"); /* an admin is not locked out */
    assert_int_equal(a.status, 200);
    answer_done(&a);
    assert_true(api_stats(w->api).refused >= 1);
    /* Those that were there first are served. */
    talk_send(&idle[0], STATUS, strlen(STATUS));
    a = talk_answer(w, &idle[0], false);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    /* Far beyond: closed as they come, not left waiting. */
    for (n = 0; n < ARRAY_LEN(more); n++)
        more[n] = talk_open(w);
    assert_true(world_run(w, expect_closed, &more[n - 1], PATIENCE));
    assert_true(api_stats(w->api).clients <= 4 + 2 + API_RESERVE);
    for (size_t i = 0; i < n; i++)
        talk_close(&more[i]);
    for (int i = 0; i < 4; i++)
        talk_close(&idle[i]);
    wait_clients(w, 0);
    a = get(w, "/v1/status");
    assert_int_equal(a.status, 200);
    answer_done(&a);
}

static void test_slow_clients_are_cut(void **state)
{
    struct world *w = *state;
    w->api->times.request = 100 * USEC_PER_MSEC;
    w->api->times.idle = 300 * USEC_PER_MSEC;
    w->api->times.answer = 100 * USEC_PER_MSEC;
    struct talk silent = talk_open(w), half = talk_open(w), body = talk_open(w), kept = talk_open(w);
    talk_send(&half, "GET /v1/status HTTP/1.1\r\nHo", 27);
    talk_send(&body, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{", 58);
    talk_send(&kept, STATUS, strlen(STATUS));
    struct answer a = talk_answer(w, &kept, false);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    usec_t start = loop_now_fresh(w->loop);
    assert_true(world_run(w, expect_closed, &silent, PATIENCE));
    assert_true(world_run(w, expect_closed, &half, PATIENCE));
    assert_true(world_run(w, expect_closed, &body, PATIENCE));
    assert_false(kept.closed);
    assert_true(world_run(w, expect_closed, &kept, PATIENCE));
    assert_true(loop_now_fresh(w->loop) - start >= 150 * USEC_PER_MSEC);
    wait_clients(w, 0);
    talk_close(&silent);
    talk_close(&half);
    talk_close(&body);
    talk_close(&kept);
}

static void test_writes_reach_the_owner(void **state)
{
    struct world *w = *state;
    const char *drain = "{\"action\":\"drain\",\"platform\":\"openrouter\",\"model\":null,\"for_s\":7200,\"reason\":\"中文 \\u001b\"}";
    w->publish_in_override = true; /* the owner may publish and renew from within */
    struct answer a = ask(w, "POST", "/v1/override", NULL, drain);
    assert_int_equal(a.status, 200);
    cJSON *json = answer_json_of(&a);
    double made = 0, expires = 0;
    assert_true(json_number(json, "made_at", &made) && json_number(json, "expires_at", &expires));
    assert_true(fabs(expires - made - 7200) < 0.01);
    assert_string_equal(json_string(json, "action"), "drain");
    assert_true(cJSON_IsNull(json_at(json, "model")));
    cJSON_Delete(json);
    answer_done(&a);
    assert_int_equal(w->last_override.action, OVERRIDE_DRAIN);
    assert_string_equal(w->last_override.platform, "openrouter");
    assert_string_not_equal(w->last_override.by, "");
    a = ask(w, "POST", "/v1/override", NULL, "{\"action\":\"drain\",\"platform\":\"openruter\"}");
    assert_problem(&a, 404, "\"nearest\":[\"openrouter\"]");
    a = ask(w, "POST", "/v1/override", NULL, "{\"action\":\"drain\",\"platform\":\"openrouter\",\"fors\":1}");
    assert_problem(&a, 400, "fors");
    a = ask(w, "POST", "/v1/override", NULL, NULL);
    assert_problem(&a, 400, "JSON");
    assert_int_equal(w->overrides_asked, 1);

    a = ask(w, "POST", "/v1/reload", NULL, "{}");
    assert_int_equal(a.status, 200);
    assert_string_equal(buf_str(&a.body), "{\"ok\":true}\n");
    answer_done(&a);
    a = ask(w, "POST", "/v1/reload", NULL, "{\"x\":1}");
    assert_problem(&a, 400, "{} or nothing");
    a = ask(w, "POST", "/v1/probe", NULL, "{\"platform\":\"openrouter\",\"model\":\"qwen3\"}");
    assert_int_equal(a.status, 202);
    answer_done(&a);
    w->refuse = -EINVAL;
    a = ask(w, "POST", "/v1/reload", NULL, NULL);
    assert_problem(&a, 422, "probed.yaml:3:1");
    a = ask(w, "POST", "/v1/override", NULL, drain);
    assert_problem(&a, 400, "the owner says no");
    w->refuse = -EBUSY;
    a = ask(w, "POST", "/v1/probe", NULL, "{\"platform\":\"openrouter\"}");
    assert_problem(&a, 503, "the owner says no");
    w->refuse = -ENOENT;
    a = ask(w, "POST", "/v1/override", NULL, drain);
    assert_problem(&a, 404, "the owner says no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        T(test_good_answers_carry_the_stamp),
        T(test_health_follows_the_lease),
        T(test_wrong_paths_and_methods),
        T(test_head_is_get_without_the_body),
        T(test_parameters_are_held_to_the_table),
        T(test_unknown_names_bring_near_ones),
        T(test_long_urls_and_headers),
        T(test_bodies_are_capped),
        T(test_garbage_ends_the_connection_not_the_daemon),
        T(test_connections_are_kept_and_pipelined),
        T(test_roles),
        T(test_clients_are_capped),
        T(test_slow_clients_are_cut),
        T(test_writes_reach_the_owner),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
