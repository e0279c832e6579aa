/* What the tests of the API share: a real api on a socket in a directory of its own, a fake owner with a table made by hand, and a client that speaks
 * bytes. All of it on one thread: talk() runs the loop until the answer is there, so nothing races and nothing sleeps. */
#ifndef TESTS_UNIT_SERVE_FIXTURE_H
#define TESTS_UNIT_SERVE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "probed/serve/api_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

/* No test program needs all of this. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define PATIENCE (20 * USEC_PER_SEC)

struct world {
    char dir[64], path[96];
    struct loop *loop;
    struct loop_timer *tick;
    struct config config;
    struct config_platform platforms[3];
    struct config_route routes[3][2];
    struct table *table;
    struct ranking *kept[2][2];
    usec_t valid_until;
    struct api_owner owner;
    struct api *api;
    struct api_override last_override;
    int overrides_asked, probes_asked, kind_asked, reloads_asked, refuse; /* refuse: what the owner answers to writes */
    bool publish_in_override;
    /* Questions to the history that wait for an answer, in the order of asking. */
    struct question_asked {
        struct history_query query;
        history_answer_fn fn;
        void *arg;
    } questions[64];
    size_t questions_len;
    int ask_error, forgotten; /* what the owner answers; questions taken back */
    bool answer_at_once;
    /* What was last asked about money and conduct, with copies of its names ("" = not given), and what is answered. */
    struct topic_asked {
        enum api_topic topic;
        struct api_topic_query query;
        char platform[64], model[API_NAME_MAX + 1], policy[API_NAME_MAX + 1], currency[16];
    } topic;
    int topics_asked, tell_error;
    const char *key;
    /* What the running loop waits for. */
    bool (*done)(void *arg);
    void *done_arg;
    usec_t give_up;
    bool gave_up;
};

static const char *const world_platforms[3] = {"dmxapi", "openrouter", "siliconflow"};
static const char *const world_models[2] = {"gpt-4o-mini", "qwen3"};

/* --- the owner --- */

static const struct table *owner_table(void *arg) { return ((struct world *)arg)->table; }
static usec_t owner_valid_until(void *arg) { return ((struct world *)arg)->valid_until; }
static const struct config *owner_config(void *arg) { return &((struct world *)arg)->config; }
static const char *owner_key(void *arg, const char *platform)
{
    return strcmp(platform, "openrouter") == 0 || strcmp(platform, "siliconflow") == 0 ? ((struct world *)arg)->key : NULL;
}
static cJSON *owner_status(void *arg)
{
    (void)arg;
    cJSON *json = json_new_object();
    json_add_string(json, "version", "test");
    return json;
}
static int owner_explain(void *arg, const char *platform, const char *model, const char *policy, struct explanation *ret, cJSON **extra)
{
    struct world *w = arg;
    const struct ranking *ranking = table_policy_find(table_find_policy(w->table, policy), model);
    for (size_t i = 0; i < ranking->len; i++)
        if (strcmp(ranking->rows[i].facts->platform, platform) == 0) {
            *ret = (struct explanation){.row = ranking->rows[i], .policy = policy, .loss_nano = 30, .retry_on = "dmxapi", .terms_len = 2};
            ret->terms[0] = (struct explain_term){.name = "failure", .nano = 10, .how = "p x q", .window = "24h", .samples = 4, .age = USEC_PER_SEC};
            ret->terms[1] = (struct explain_term){.name = "money", .nano = 20, .how = "m x C", .age = -1};
            ret->state_since = 1700000000 * USEC_PER_SEC;
            snprintf(ret->state_why, sizeof ret->state_why, "said \"no\"\x1b[31m");
            ret->last[0] = observation_make(PROBE_CHAT, 1700000001 * USEC_PER_SEC, outcome_make(STAGE_DONE, OUTCOME_OK, 200));
            ret->last[0].flags = OBSERVED_MODEL_DIFFERS | OBSERVED_ONE_BURST;
            ret->last[0].ttft = 250 * USEC_PER_MSEC;
            ret->last_len = 1;
            ret->segments[0] = (struct explain_segment){.name = "ttft", .samples = 4, .mean = -1, .p50 = 1500, .p90 = -1, .p95 = -1};
            ret->segments_len = 1;
            ret->windows[0] = (struct explain_window){.name = "10m", .ok = 3, .failed = 1, .estimate = 0.75, .low = NAN};
            ret->windows_len = 1;
            ret->last_reporter[0] = "gateway";
            ret->load[0] = (struct explain_load){.in_flight = "5-16", .ok = 8, .failed = 2, .fails = 0.1, .slower = 0.5};
            ret->load_len = 1;
            ret->group[0] = (struct explain_partner){"dmxapi", 0.8};
            ret->group_len = 1;
            ret->reports = (struct explain_reports){.over_rate = 7, .last_by = "gateway", .age = USEC_PER_SEC};
            ret->price = (struct price){.known = true, .source = "config"};
            if (strcmp(policy, "budget") == 0) { /* the other one's routes had no answer yet, and no burst */
                strcpy(ret->reason_why, "measured: no vision");
                ret->signals[0] = (struct explain_signal){.name = "id_odd", .text = "odd", .count = 2, .of = 8, .share = 0.25, .weighs = true,
                                                          .at = 1700000002 * USEC_PER_SEC, .evidence = "said \"x\"\x1b"};
                ret->dishonesty = 0.125;
                ret->honesty_samples = 7.5;
                ret->burst = (struct explain_burst){.n = 8, .ok = 5, .failed = 1, .limited = 2, .ttft_p50 = 1500, .ttft_p95 = -1, .age = 2 * USEC_PER_SEC};
            }
            ret->signals[1] = (struct explain_signal){.name = "cached", .text = "cached"};
            ret->signals_len = 2;
            *extra = json_new_object();
            json_add_string(*extra, "level", "models");
            json_add_string(*extra, "level_why", "budget");
            return 0;
        }
    return -ENOENT;
}
static int owner_override(void *arg, const struct api_override *override, struct err *err)
{
    struct world *w = arg;
    w->overrides_asked++;
    w->last_override = *override;
    if (w->publish_in_override) {
        api_publish(w->api);
        api_renew(w->api);
    }
    return w->refuse < 0 ? err_set(err, w->refuse, "the owner says no") : 0;
}
static size_t owner_overrides(void *arg, const struct api_override **ret)
{
    (void)arg;
    *ret = NULL;
    return 0;
}
static int owner_reload(void *arg, struct buf *messages)
{
    struct world *w = arg;
    w->reloads_asked++;
    if (w->refuse < 0)
        buf_add_str(messages, "probed.yaml:3:1: error: no\n");
    return w->refuse;
}
static int owner_probe(void *arg, const char *platform, const char *model, int kind, struct err *err)
{
    struct world *w = arg;
    (void)platform, (void)model;
    w->kind_asked = kind;
    w->probes_asked++;
    return w->refuse < 0 ? err_set(err, w->refuse, "the owner says no") : 0;
}

static int owner_ask(void *arg, const struct history_query *query, history_answer_fn fn, void *fn_arg, struct err *err)
{
    struct world *w = arg;
    if (w->ask_error < 0)
        return err_set(err, w->ask_error, "the owner cannot ask");
    if (w->answer_at_once) {
        struct history_answer answer = {.status = 200};
        buf_add_str(&answer.body, "{}\n");
        fn(fn_arg, &answer);
        return 0;
    }
    assert_true(w->questions_len < ARRAY_LEN(w->questions));
    w->questions[w->questions_len++] = (struct question_asked){*query, fn, fn_arg};
    return 0;
}
static void world_question_gone(struct world *w, size_t at)
{
    memmove(&w->questions[at], &w->questions[at + 1], (w->questions_len - at - 1) * sizeof w->questions[0]);
    w->questions_len--;
}
static void owner_forget(void *arg, void *fn_arg)
{
    struct world *w = arg;
    for (size_t i = w->questions_len; i-- > 0;)
        if (w->questions[i].arg == fn_arg) {
            world_question_gone(w, i);
            w->forgotten++;
        }
}
static void copy_name(char *ret, size_t size, const char *name) { snprintf(ret, size, "%s", name != NULL ? name : ""); }
static int owner_tell(void *arg, enum api_topic topic, const struct api_topic_query *query, cJSON **ret, struct err *err)
{
    struct world *w = arg;
    w->topics_asked++;
    w->topic = (struct topic_asked){.topic = topic, .query = *query};
    copy_name(w->topic.platform, sizeof w->topic.platform, query->platform);
    copy_name(w->topic.model, sizeof w->topic.model, query->model);
    copy_name(w->topic.policy, sizeof w->topic.policy, query->policy);
    copy_name(w->topic.currency, sizeof w->topic.currency, query->currency);
    if (w->tell_error < 0)
        return err_set(err, w->tell_error, "the owner cannot tell \"%s\"", w->topic.currency);
    *ret = json_new_object();
    json_add_int(*ret, "topic", topic);
    json_add_string(*ret, "currency", query->currency);
    return 0;
}
/* Answers the question at that place, as the loop would have it called. */
static void world_answer(struct world *w, size_t at, struct history_answer answer, const char *body)
{
    struct question_asked asked = w->questions[at];
    assert_true(at < w->questions_len);
    world_question_gone(w, at);
    buf_add_str(&answer.body, body);
    asked.fn(asked.arg, &answer);
    buf_done(&answer.body);
}

/* --- the table --- */

static struct ranking *world_ranking(const char *model, int seed, const uint16_t slots[3])
{
    struct ranking *ranking = ranking_new(model, 3);
    for (size_t i = 0; i < 3; i++) {
        static const int order[3] = {1, 2, 0}; /* openrouter, siliconflow, dmxapi */
        char endpoint[96], upstream[96], platform[64], title[] = "平台", dialect[] = "openai", level[] = "chat", key[] = "OPENROUTER_API_KEY";
        char *named = alloc_string(model);
        snprintf(platform, sizeof platform, "%s", world_platforms[order[i]]);
        snprintf(endpoint, sizeof endpoint, "https://api.%s.example%s/v1", platform, i == 1 ? ":8443" : "");
        snprintf(upstream, sizeof upstream, "vendor/%s", model);
        struct table_facts facts = {.platform = platform, .title = title, .model = named, .upstream_model = upstream, .endpoint = endpoint,
                                    .dialect = dialect, .level = level, .key_env = i == 0 ? key : NULL};
        ranking->rows[i] = (struct table_row){
            .facts = table_facts_new(&facts), .rank = (uint32_t)i + 1, .slots = slots[i],
            .state = i == 2 ? ROUTE_DOWN : ROUTE_UP, .reason = i == 2 ? REASON_DOWN : REASON_FIRST, .loss_nano = 1000 * (int64_t)(i + 1) + seed,
            .score = 0.9, .availability = i == 2 ? (double)NAN : 0.99, .availability_low = 0.9, .ttft_p50 = i == 2 ? -1 : 412300, .ttft_p95 = 900000,
            .total_p50 = -1, .price_input = 150000, .price_output = i == 1 ? -1 : 600000, .price_call = -1, .cost_pico = -1, .samples = 31,
            .sampled_at = 1700000000 * USEC_PER_SEC,
        };
        free(named);
    }
    if (slots[0] + slots[1] + slots[2] == 0)
        ranking->flags = RANKING_NO_ELIGIBLE_ROUTE;
    return ranking;
}

static struct table *world_build_table(struct world *w, uint64_t generation)
{
    static const char *const names[2] = {"production", "budget"};
    struct table *table = alloc_zero(1, sizeof *table);
    *table = (struct table){.refs = 1, .epoch = 1700000000, .generation = generation, .published_at = 1700000000 * USEC_PER_SEC, .len = 2};
    strcpy(table->currency, "USD");
    table->vantage = alloc_string("here");
    table->policies = alloc_zero(2, sizeof *table->policies);
    for (size_t p = 0; p < 2; p++) {
        table->policies[p] = (struct table_policy){.name = alloc_string(names[p]), .about = alloc_string("a policy"), .len = 2};
        table->policies[p].rankings = alloc_zero(2, sizeof *table->policies[p].rankings);
        for (size_t m = 0; m < 2; m++)
            table->policies[p].rankings[m] = ranking_ref(w->kept[p][m]);
    }
    return table;
}

static void world_set_ranking(struct world *w, size_t policy, size_t model, int seed, const uint16_t slots[3])
{
    if (w->kept[policy][model] != NULL)
        ranking_unref(w->kept[policy][model]);
    w->kept[policy][model] = world_ranking(world_models[model], seed, slots);
}

static void world_publish(struct world *w, uint64_t generation)
{
    struct table *old = w->table;
    w->table = world_build_table(w, generation);
    if (w->api != NULL)
        api_publish(w->api);
    if (old != NULL)
        table_unref(old);
}

/* --- the loop --- */

static void world_tick(void *arg)
{
    struct world *w = arg;
    if (w->done(w->done_arg)) {
        loop_stop(w->loop);
    } else if (loop_now_fresh(w->loop) > w->give_up) {
        w->gave_up = true;
        loop_stop(w->loop);
    } else
        loop_timer_set(w->tick, loop_now(w->loop) + 200);
}

/* Runs the loop until done says so; false when patience ends. */
static bool world_run(struct world *w, bool (*done)(void *arg), void *arg, usec_t patience)
{
    w->done = done;
    w->done_arg = arg;
    w->gave_up = false;
    w->give_up = loop_now_fresh(w->loop) + patience;
    loop_timer_set(w->tick, loop_now(w->loop));
    loop_run(w->loop);
    loop_timer_stop(w->tick);
    return !w->gave_up;
}

static void world_make_config(struct world *w)
{
    w->config = (struct config){.refs = 1, .socket_path = w->path, .socket_mode = 0660, .clients = 64, .watchers = 32,
                                .platforms = w->platforms, .platforms_len = 3, .lease = 30 * USEC_PER_SEC};
    for (size_t i = 0; i < 3; i++) {
        w->platforms[i].name = (char *)(uintptr_t)world_platforms[i];
        w->platforms[i].routes = w->routes[i];
        w->platforms[i].routes_len = i == 0 ? 1 : 2; /* dmxapi lacks qwen3 */
        for (size_t m = 0; m < 2; m++)
            w->routes[i][m].model = (char *)(uintptr_t)world_models[m];
    }
}

static struct world *world_new(bool with_api)
{
    struct world *w = alloc_zero(1, sizeof *w);
    struct err err = {.text = ""};
    signal(SIGPIPE, SIG_IGN);
    strcpy(w->dir, "/tmp/probed-api-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/s", w->dir);
    w->loop = loop_new();
    w->tick = loop_timer_new(w->loop, "tick", world_tick, w);
    world_make_config(w);
    for (size_t p = 0; p < 2; p++)
        for (size_t m = 0; m < 2; m++)
            world_set_ranking(w, p, m, 0, (const uint16_t[]){192, 64, 0});
    w->valid_until = loop_wall(w->loop) + 1000 * USEC_PER_SEC;
    world_publish(w, 1);
    w->owner = (struct api_owner){.arg = w, .table = owner_table, .valid_until = owner_valid_until, .config = owner_config, .status = owner_status,
                                  .explain = owner_explain, .override = owner_override, .overrides = owner_overrides, .reload = owner_reload,
                                  .probe = owner_probe, .key = owner_key, .tell = owner_tell, .ask = owner_ask,
                                  .forget = owner_forget};
    if (with_api) {
        w->api = api_new(w->loop, &w->owner, -1, &err);
        if (w->api == NULL)
            fail_msg("%s", err.text);
    }
    return w;
}

static void world_free(struct world *w)
{
    char lock[128];
    api_free(w->api);
    for (size_t p = 0; p < 2; p++)
        for (size_t m = 0; m < 2; m++)
            ranking_unref(w->kept[p][m]);
    assert_int_equal(w->table->refs, 1);
    table_unref(w->table);
    loop_timer_free(w->tick);
    loop_free(w->loop);
    snprintf(lock, sizeof lock, "%s.lock", w->path);
    unlink(lock);
    unlink(w->path);
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
}

/* --- a client that speaks bytes --- */

struct talk {
    int fd;
    struct buf in;
    bool closed; /* the other end */
};

static struct talk talk_open(const struct world *w)
{
    struct talk t = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, w->path);
    assert_int_equal(connect(t.fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(t.fd, F_SETFL, O_NONBLOCK);
    return t;
}

static void talk_close(struct talk *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    buf_done(&t->in);
}

static void talk_pull(struct talk *t)
{
    char data[65536];
    ssize_t n = 0;
    while (!t->closed && (n = recv(t->fd, data, sizeof data, 0)) > 0)
        buf_add(&t->in, data, (size_t)n);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        t->closed = true;
}

static void talk_send(struct talk *t, const char *data, size_t len)
{
    assert_int_equal(send(t->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

struct answer {
    int status;
    char head[8192];
    struct buf body;
};

static void answer_done(struct answer *a)
{
    buf_done(&a->body);
}

/* A header's value, "" if it is not there. */
static const char *answer_get(const struct answer *a, const char *name)
{
    static char value[4200];
    size_t len = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line != NULL && line[2] != '\0'; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            const char *from = line + 3 + len;
            from += strspn(from, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r\n"), from);
            return value;
        }
    return "";
}

/* Takes one whole answer off the front of t->in. `bodiless`: it answers HEAD. */
static bool answer_take(struct talk *t, bool bodiless, struct answer *ret)
{
    const char *text = buf_str(&t->in), *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return false;
    struct answer a = {.status = 0};
    size_t head = (size_t)(end - text) + 4, used = head;
    assert_true(head < sizeof a.head);
    memcpy(a.head, text, head);
    sscanf(a.head, "HTTP/1.%*c %d", &a.status);
    if (bodiless || a.status == 204 || a.status == 304) {
    } else if (strcasecmp(answer_get(&a, "Transfer-Encoding"), "chunked") == 0) {
        for (;;) {
            const char *line = strstr(text + used, "\r\n");
            if (line == NULL)
                goto more;
            size_t len = strtoul(text + used, NULL, 16);
            used = (size_t)(line - text) + 2;
            if (t->in.len < used + len + 2)
                goto more;
            buf_add(&a.body, text + used, len);
            used += len + 2;
            if (len == 0)
                break;
        }
    } else {
        size_t len = strtoul(answer_get(&a, "Content-Length"), NULL, 10);
        if (t->in.len < used + len)
            goto more;
        buf_add(&a.body, text + used, len);
        used += len;
    }
    buf_consume(&t->in, used);
    *ret = a;
    return true;
more:
    buf_done(&a.body);
    return false;
}

struct expect {
    struct talk *t;
    struct answer *a;
    bool bodiless, got;
};

static bool expect_answer(void *arg)
{
    struct expect *e = arg;
    talk_pull(e->t);
    e->got = answer_take(e->t, e->bodiless, e->a);
    return e->got || e->t->closed;
}

static bool expect_closed(void *arg)
{
    struct talk *t = arg;
    talk_pull(t);
    return t->closed;
}

/* Waits for the next answer on a connection; status 0 if it was closed instead. */
static struct answer talk_answer(struct world *w, struct talk *t, bool bodiless)
{
    struct answer a = {.status = 0};
    struct expect e = {.t = t, .a = &a, .bodiless = bodiless};
    assert_true(world_run(w, expect_answer, &e, PATIENCE));
    return a;
}

/* One request on a connection of its own. `headers` are whole lines, NULL = none. */
static struct answer ask(struct world *w, const char *method, const char *target, const char *headers, const char *body)
{
    struct talk t = talk_open(w);
    struct buf request = BUF_INIT;
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: probed\r\n%s", method, target, headers != NULL ? headers : "");
    if (body != NULL)
        buf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
    buf_printf(&request, "\r\n%s", body != NULL ? body : "");
    talk_send(&t, request.data, request.len);
    struct answer a = talk_answer(w, &t, strcmp(method, "HEAD") == 0);
    buf_done(&request);
    talk_close(&t);
    return a;
}

static struct answer get(struct world *w, const char *target) { return ask(w, "GET", target, NULL, NULL); }

static cJSON *answer_json_of(const struct answer *a)
{
    struct err err = {.text = ""};
    cJSON *json = json_parse(buf_str(&a->body), a->body.len, &err);
    if (json == NULL)
        fail_msg("%s in %s", err.text, buf_str(&a->body));
    return json;
}

/* The status is as expected, and if it is an error the body is a problem that says so and contains `word`. */
static void assert_problem(struct answer *a, int status, const char *word)
{
    if (a->status != status || strcmp(answer_get(a, "Content-Type"), "application/problem+json") != 0)
        fail_msg("not a problem %d: %s%s", status, a->head, buf_str(&a->body));
    assert_string_equal(answer_get(a, "Cache-Control"), "no-store");
    assert_string_not_equal(answer_get(a, "X-Probed-Generation"), "");
    cJSON *json = answer_json_of(a);
    int64_t said = 0;
    assert_true(json_int(json, "status", &said));
    assert_int_equal(said, status);
    assert_string_equal(json_string(json, "type"), "about:blank");
    if (strstr(buf_str(&a->body), word) == NULL)
        fail_msg("no %s in %s", word, buf_str(&a->body));
    cJSON_Delete(json);
    answer_done(a);
}

static int world_setup(void **state)
{
    *state = world_new(true);
    return 0;
}

static int world_teardown(void **state)
{
    world_free(*state);
    return 0;
}

#endif
