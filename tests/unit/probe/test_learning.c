/* The prober against relays that refuse what it sends: it finds the request that they take, soon and for good, over reloads too; no
 * refusal is an outage; and all dialects are asked at their own paths with their own keys.
 *
 * The network and the clock are stand-ins, in this file: a request is answered at once by a function of the test, time jumps to the next
 * timer. */
#include "tests/unit/config/scratch.h"

#include <errno.h>

#include "probed/probe/prober.h"
#include "shared/alloc.h"
#include "shared/json.h"

/* --- time -------------------------------------------------------------------------------------------------------------- */

struct loop_timer {
    void (*fn)(void *arg);
    void *arg;
    usec_t at; /* 0 = not set */
    struct loop_timer *next;
};
static struct {
    usec_t now;
    struct loop_timer *timers;
} time_;

usec_t loop_now(const struct loop *loop)
{
    (void)loop;
    return time_.now;
}

usec_t loop_now_fresh(struct loop *loop)
{
    return loop_now(loop);
}

usec_t loop_wall(const struct loop *loop)
{
    return loop_now(loop);
}

struct loop_timer *loop_timer_new(struct loop *loop, const char *what, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *t = alloc_zero(1, sizeof *t);
    (void)loop, (void)what;
    *t = (struct loop_timer){.fn = fn, .arg = arg, .next = time_.timers};
    time_.timers = t;
    return t;
}

void loop_timer_set(struct loop_timer *timer, usec_t at)
{
    timer->at = at > 0 ? at : 1;
}
void loop_timer_stop(struct loop_timer *timer)
{
    timer->at = 0;
}
bool loop_timer_active(const struct loop_timer *timer)
{
    return timer->at > 0;
}

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
    for (struct loop_timer **p = &time_.timers; timer && *p; p = &(*p)->next)
        if (*p == timer) {
            *p = timer->next;
            free(timer);
            break;
        }
    return NULL;
}

static void run_until(usec_t end)
{
    for (;;) {
        struct loop_timer *first = NULL;
        for (struct loop_timer *t = time_.timers; t; t = t->next)
            if (t->at > 0 && (!first || t->at < first->at))
                first = t;
        if (!first || first->at > end)
            break;
        if (first->at > time_.now)
            time_.now = first->at;
        first->at = 0;
        first->fn(first->arg);
    }
    time_.now = end;
}

/* --- network ----------------------------------------------------------------------------------------------------------- */

struct http_target {
    struct http_request request;
    struct loop_timer *timer;
    char *url, *body;
    int status;
    bool busy;
};

/* What a relay answers to a chat; the status. */
typedef int relay_fn(const char *url, const cJSON *request, struct buf *ret);
static struct {
    relay_fn *relay;
    int chats, refused;
    char url[256], key[128], last_body[2048], lists[8][160];
    int lists_len;
} net;

static void answer(void *arg)
{
    struct http_target *t = arg;
    struct http_request request = t->request;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    t->status = 200;
    if (strcmp(request.method, "POST") == 0) {
        CLEANUP(json_deletep) cJSON *json = json_parse(t->body, strlen(t->body), NULL);
        assert_non_null(json);
        net.chats++;
        t->status = net.relay(t->url, json, &body);
        net.refused += t->status != 200;
    } else {
        buf_add_str(&body, "{\"data\":[{\"id\":\"m\"},{\"id\":\"gemini-2.5-flash\"}]}");
    }
    struct http_result result = {
        .stage = STAGE_DONE,
        .kind = OUTCOME_OK,
        .status = t->status,
        .started = time_.now - 50000,
        .sent = time_.now - 40000,
        .headers = time_.now - 10000,
        .ended = time_.now,
        .dns = -1,
        .connect = -1,
        .tls = -1,
        .http_version = 11,
    };
    if (request.on_data)
        request.on_data(request.arg, buf_str(&body), body.len, time_.now);
    t->busy = false;
    request.on_done(request.arg, &result);
}

struct http_target *http_target_new(struct http *http, const char *ca_file)
{
    struct http_target *t = alloc_zero(1, sizeof *t);
    (void)http, (void)ca_file;
    t->timer = loop_timer_new(NULL, "", answer, t);
    return t;
}

struct http_target *http_target_free(struct http_target *t)
{
    if (t) {
        loop_timer_free(t->timer);
        free(t->url);
        free(t->body);
        free(t);
    }
    return NULL;
}

int http_start(struct http_target *t, const struct http_request *request, struct err *err)
{
    (void)err;
    free(t->url);
    free(t->body);
    t->request = *request;
    t->url = alloc_string(request->url);
    t->body = alloc_zero(request->body_len + 1, 1);
    if (request->body_len > 0)
        memcpy(t->body, request->body, request->body_len);
    if (strcmp(request->method, "POST") == 0) {
        snprintf(net.url, sizeof net.url, "%s", t->url);
        snprintf(net.last_body, sizeof net.last_body, "%s", t->body);
        for (size_t i = 0; i < request->headers_len; i++)
            if (strstr(request->headers[i].value, "sk-secret"))
                snprintf(net.key, sizeof net.key, "%s: %s", request->headers[i].name, request->headers[i].value);
    } else if (strstr(t->url, "/models") && net.lists_len < 8) {
        snprintf(net.lists[net.lists_len++], sizeof net.lists[0], "%s", t->url);
    }
    t->busy = true;
    loop_timer_set(t->timer, time_.now + 50000);
    return 0;
}

void http_cancel(struct http_target *t, struct http_result *ret)
{
    t->busy = false;
    loop_timer_stop(t->timer);
    if (ret)
        *ret = (struct http_result){.kind = OUTCOME_CANCELED, .sent = -1, .headers = -1, .started = time_.now, .ended = time_.now};
}

bool http_busy(const struct http_target *t)
{
    return t->busy;
}
int http_status(const struct http_target *t)
{
    return t->status;
}
const char *http_content_type(const struct http_target *t)
{
    (void)t;
    return "text/event-stream";
}
usec_t http_sent(const struct http_target *t)
{
    (void)t;
    return time_.now;
}

/* --- the owner --------------------------------------------------------------------------------------------------------- */

static struct {
    struct observation first, last;
    int good, bad, breaker;
    char id[80], details[4096];
} seen;

static void observed(void *arg, size_t platform, size_t route, const struct observation *o)
{
    (void)arg, (void)platform, (void)route;
    if (seen.good + seen.bad == 0)
        seen.first = *o;
    seen.last = *o;
    outcome_ok(o->outcome) ? seen.good++ : seen.bad++;
    if (strlen(seen.details) + strlen(o->detail) + 2 < sizeof seen.details)
        strcat(strcat(seen.details, o->detail), "\n");
}
static void observed_platform(void *arg, size_t platform, const struct observation *o)
{
    (void)arg, (void)platform, (void)o;
}
static void listed(void *arg, size_t platform, size_t route, enum listing listing)
{
    (void)arg, (void)platform, (void)route, (void)listing;
}
static void endpoint(void *arg, size_t platform, enum dialect_id dialect, const char *url)
{
    (void)arg, (void)platform, (void)dialect, (void)url;
}
static void level(void *arg, size_t platform, size_t route, enum probe_level l, const char *why, usec_t interval)
{
    (void)arg, (void)platform, (void)route, (void)l, (void)why, (void)interval;
}
static void breaker(void *arg, size_t platform, size_t route, int64_t cost, int64_t expected)
{
    (void)arg, (void)platform, (void)route, (void)cost, (void)expected;
    seen.breaker++;
}
static void local(void *arg, bool on)
{
    (void)arg, (void)on;
}
static enum pace pace(void *arg, size_t platform, size_t route)
{
    (void)arg, (void)platform, (void)route;
    return PACE_STEADY;
}
static int reserve(void *arg, size_t platform, size_t route, int64_t pico, usec_t now, uint64_t ticket)
{
    (void)arg, (void)platform, (void)route, (void)pico, (void)now, (void)ticket;
    return 0;
}
static void settle(void *arg, size_t platform, size_t route, int64_t reserved, usec_t at, int64_t actual, bool tripped)
{
    (void)arg, (void)platform, (void)route, (void)reserved, (void)at, (void)actual, (void)tripped;
}
static void replied(void *arg, size_t platform, size_t route, const char *id)
{
    (void)arg, (void)platform, (void)route;
    snprintf(seen.id, sizeof seen.id, "%s", id);
}

static const struct prober_owner owner = {
    .observed = observed,
    .observed_platform = observed_platform,
    .listed = listed,
    .endpoint = endpoint,
    .level = level,
    .breaker = breaker,
    .local = local,
    .pace = pace,
    .reserve = reserve,
    .settle = settle,
    .replied = replied,
};

/* --- worlds ------------------------------------------------------------------------------------------------------------ */

struct world {
    struct config *config;
    struct budget *budget;
    struct prober *prober;
};

static struct config *load(const char *platform)
{
    char text[2048];
    int errors = 0;
    snprintf(text, sizeof text,
             "models: {m: {}}\npolicies: {balanced: {second: 0.0375, money: 0.05}}\nplatforms:\n  p:\n    key: {file: %s}\n"
             "    probes: {reach: {interval: 1h}, models: {interval: 1h}, chat: {interval: 10m}, burst: {interval: 0}, capabilities: "
             "{interval: 0}}\n%s",
             scratch_path("key"), platform);
    scratch_write("key", "sk-secret-0123456789\n");
    struct config *config = scratch_load_text(text, &errors);
    if (!config)
        fail_msg("%s", scratch_messages);
    return config;
}

static void begin(struct world *w, const char *platform, relay_fn *relay)
{
    memset(&seen, 0, sizeof seen);
    memset(&net, 0, sizeof net);
    net.relay = relay;
    time_.now = 1767225600 * USEC_PER_SEC;
    w->config = load(platform);
    w->budget = budget_new(&w->config->budget);
    w->prober = prober_new(NULL, NULL, w->config, w->budget, &owner, NULL, 7);
    prober_start(w->prober);
}

static void reload(struct world *w, const char *platform)
{
    struct config *config = load(platform);
    struct prober *next = prober_new(NULL, NULL, config, w->budget, &owner, w->prober, 7);
    prober_free(w->prober);
    config_unref(w->config);
    w->config = config;
    w->prober = next;
    prober_start(next);
}

static void end(struct world *w)
{
    prober_free(w->prober);
    budget_free(w->budget);
    config_unref(w->config);
    assert_null(time_.timers); /* all were given back */
}

static void run(usec_t duration)
{
    run_until(time_.now + duration);
}

#define OPENAI(rest)                                                                                                                       \
    "    endpoints: [{url: 'https://p.test/v1'}]\n    models: {m: {price: {input: 0.1 USD/1M, output: 0.4 USD/1M}" rest "}}\n"

static const cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

static int refuse(struct buf *ret, const char *param, const char *message)
{
    buf_printf(ret,
               "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\",\"param\":\"%s\",\"code\":\"unsupported_parameter\"}}",
               message, param);
    return 400;
}

/* The right answer to the challenge in the prompt: the thing or name of the clause that the question asks for. */
static void solve(const char *prompt, char ret[32])
{
    char what[32] = "", who[32] = "";
    const char *question = strrchr(strstr(prompt, ". ") + 2, '?') ? strstr(prompt, ". ") + 2 : "";
    ret[0] = '\0';
    if (sscanf(question, "Who %*s the %31[a-z]", what) == 1) {
        for (const char *p = strstr(prompt, what); p && !ret[0]; p = NULL) {
            const char *at = p;
            while (at > prompt && !(*at >= 'A' && *at <= 'Z'))
                at--;
            sscanf(at, "%31[A-Za-z]", ret);
        }
    } else if (sscanf(question, "What did %31[A-Za-z]", who) == 1) {
        const char *at = strstr(prompt, who), *the = at ? strstr(at, " the ") : NULL;
        if (the)
            sscanf(the, " the %31[a-z]", ret);
    }
}

static int say(struct buf *ret, const char *prompt, const char *id, int output, int reasoning)
{
    char word[32];
    solve(prompt, word);
    buf_printf(ret,
               "data: "
               "{\"id\":\"%s-%d\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"%s\"},\"finish_reason\":\"stop\"}],\"usage\":{"
               "\"prompt_tokens\":60,"
               "\"completion_tokens\":%d,\"completion_tokens_details\":{\"reasoning_tokens\":%d}}}\n\ndata: [DONE]\n\n",
               id, net.chats, word, output, reasoning);
    return 200;
}

/* Takes nothing that it need not: one complaint at a time, in the order of its own. */
static int strict(const char *url, const cJSON *request, struct buf *ret)
{
    (void)url;
    if (member(request, "temperature"))
        return refuse(ret, "temperature",
                      "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.");
    if (member(request, "stream_options"))
        return refuse(ret, "stream_options", "Unknown parameter: 'stream_options'.");
    if (member(request, "max_tokens"))
        return refuse(ret, "max_tokens",
                      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.");
    assert_non_null(member(request, "max_completion_tokens"));
    return say(ret, json_string(request, "messages.0.content"), "chatcmpl-abc", 2, 0);
}

static void test_parameters(void **state)
{
    (void)state;
    struct world w;
    struct prober_route_report report;
    begin(&w, OPENAI(""), strict);
    run(2 * USEC_PER_MINUTE);
    /* Three refusals, then good: within seconds of each other, not an interval each. */
    assert_int_equal(net.refused, 3);
    assert_int_equal(seen.bad, 3);
    assert_int_equal(seen.first.outcome.kind, OUTCOME_BAD_REQUEST);
    assert_int_equal(seen.first.outcome.fault, FAULT_OURS);
    assert_true(seen.good >= 1);
    assert_true(seen.last.flags & OBSERVED_CHALLENGE_PASSED);
    assert_non_null(strstr(seen.details, "temperature is left out from now on: "));
    assert_non_null(strstr(seen.details, "stream_options is left out from now on: "));
    assert_non_null(strstr(seen.details, "max_tokens is sent as max_completion_tokens from now on: "));
    assert_true(strncmp(seen.id, "chatcmpl-abc-", 13) == 0);
    prober_report_route(w.prober, 0, 0, &report);
    assert_string_equal(report.left_out, "max_tokens as max_completion_tokens, temperature, stream_options");
    assert_false(report.reasoning);
    /* Remembered: for hours, over a reload, and where only what was learnt of the model is kept. */
    run(2 * USEC_PER_HOUR);
    assert_int_equal(net.refused, 3);
    reload(&w, OPENAI(", max_probe_cost: 1 USD"));
    run(USEC_PER_HOUR);
    reload(&w, "    endpoints: [{url: 'https://other.test/v1'}]\n    models: {m: {price: {input: 0.1 USD/1M, output: 0.4 USD/1M}}}\n");
    int good = seen.good;
    run(USEC_PER_HOUR);
    assert_int_equal(net.refused, 3);
    assert_true(seen.good > good);
    assert_non_null(strstr(net.url, "https://other.test/v1/chat/completions"));
    end(&w);
}

/* Refuses everything for ever: asked again at the interval, not in a loop. */
static int stubborn(const char *url, const cJSON *request, struct buf *ret)
{
    (void)url, (void)request;
    return refuse(ret, "max_tokens", "Unsupported parameter: 'max_tokens', 'max_completion_tokens', 'temperature' are not supported");
}

static void test_stubborn(void **state)
{
    (void)state;
    struct world w;
    begin(&w, OPENAI(""), stubborn);
    run(USEC_PER_HOUR);
    assert_true(net.chats >= 6 && net.chats <= 10);
    assert_int_equal(seen.good, 0);
    assert_int_equal(seen.last.outcome.fault, FAULT_OURS);
    end(&w);
}

/* Thinks, though nobody said so; needs 700 tokens for it. */
static int thinker(const char *url, const cJSON *request, struct buf *ret)
{
    int64_t limit = 0;
    (void)url;
    assert_true(json_int(request, "max_tokens", &limit));
    if (limit >= 700)
        return say(ret, json_string(request, "messages.0.content"), "chatcmpl-x", 700, 690);
    buf_printf(ret,
               "data: "
               "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":60,"
               "\"completion_tokens\":"
               "%d,\"completion_tokens_details\":{\"reasoning_tokens\":%d}}}\n\ndata: [DONE]\n\n",
               (int)limit, (int)limit);
    return 200;
}

static void test_thinker(void **state)
{
    (void)state;
    struct world w;
    struct prober_route_report report;
    begin(&w, OPENAI(""), thinker);
    run(USEC_PER_HOUR);
    prober_report_route(w.prober, 0, 0, &report);
    assert_true(report.reasoning);
    assert_int_equal(report.max_tokens, 1024);
    assert_int_equal(seen.bad, 0);
    assert_int_equal(seen.breaker, 0);
    assert_true(seen.last.flags & OBSERVED_CHALLENGE_PASSED);
    end(&w);
}

/* OpenAI's 400: neither an outage nor a success. */
static int unfinished(const char *url, const cJSON *request, struct buf *ret)
{
    int64_t limit = 0;
    (void)url;
    assert_true(json_int(request, "max_completion_tokens", &limit));
    if (limit >= 1000)
        return say(ret, json_string(request, "messages.0.content"), "chatcmpl-x", 900, 890);
    buf_add_str(ret, "{\"error\":{\"message\":\"Could not finish the message because max_tokens or model output limit was reached. Please "
                     "try again with higher "
                     "max_tokens.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}");
    return 400;
}

static void test_unfinished(void **state)
{
    (void)state;
    struct world w;
    begin(&w, OPENAI(", upstream: gpt-5.1"), unfinished);
    run(USEC_PER_HOUR);
    assert_int_equal(seen.first.outcome.kind, OUTCOME_UNFINISHED);
    assert_int_equal(seen.first.outcome.fault, FAULT_OURS);
    assert_int_equal(seen.bad, 2); /* 24, 512 */
    assert_true(seen.good >= 3);
    assert_non_null(strstr(net.last_body, "\"reasoning_effort\":\"low\""));
    assert_int_equal(seen.breaker, 0);
    end(&w);
}

/* The limit was doubled beyond what the model has. */
static int narrow(const char *url, const cJSON *request, struct buf *ret)
{
    int64_t limit = 0;
    (void)url;
    assert_true(json_int(request, "max_tokens", &limit));
    if (limit > 1500)
        return refuse(ret, "max_tokens", "max_tokens is too large: this model supports at most 1500 completion tokens");
    buf_printf(ret,
               "data: "
               "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":60,"
               "\"completion_tokens\":"
               "%d}}\n\ndata: [DONE]\n\n",
               (int)limit);
    return 200;
}

static void test_narrow(void **state)
{
    (void)state;
    struct world w;
    begin(&w, OPENAI(", reasoning: true"), narrow);
    run(2 * USEC_PER_HOUR);
    assert_int_equal(net.refused, 1);
    assert_non_null(strstr(seen.details, "the limit is at most 1024 from now on"));
    assert_true(outcome_ok(seen.last.outcome));
    end(&w);
}

/* Answers everybody what it answered the first. */
static char cached_answer[1024];
static int cache(const char *url, const cJSON *request, struct buf *ret)
{
    (void)url;
    if (net.chats > 1 && net.chats % 3 == 0) {
        buf_add_str(ret, cached_answer);
        return 200;
    }
    int status = say(ret, json_string(request, "messages.0.content"), "chatcmpl-abcdef", 2, 0);
    if (net.chats == 1)
        snprintf(cached_answer, sizeof cached_answer, "%s", buf_str(ret));
    return status;
}

static void test_cache(void **state)
{
    (void)state;
    struct world w;
    begin(&w, OPENAI(""), cache);
    run(6 * USEC_PER_HOUR);
    assert_non_null(strstr(seen.details, "cached: the answer to an earlier question"));
    assert_non_null(strstr(seen.details, "id_odd: the id of an earlier answer"));
    end(&w);
}

static int any_dialect(const char *url, const cJSON *request, struct buf *ret)
{
    if (strstr(url, "GenerateContent")) {
        char word[32];
        solve(json_string(request, "contents.0.parts.0.text"), word);
        buf_printf(
            ret,
            "data: "
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"%s\"}]},\"finishReason\":\"STOP\"}],\"responseId\":\"Il0ta%d\"}\n\n",
            word, net.chats);
    } else if (strstr(url, "/responses")) {
        char word[32];
        solve(json_string(request, "input.0.content.0.text"), word);
        buf_printf(ret,
                   "data: {\"type\":\"response.output_text.delta\",\"delta\":\"%s\"}\n\ndata: "
                   "{\"type\":\"response.completed\",\"response\":{\"id\":\"resp_%d\"}}\n\n",
                   word, net.chats);
    } else {
        char word[32];
        solve(json_string(request, "messages.0.content"), word);
        buf_printf(ret, "{\"id\":\"msg_%d\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":\"end_turn\"}", net.chats,
                   word);
    }
    return 200;
}

static void test_dialects(void **state)
{
    (void)state;
    static const struct {
        const char *platform, *url, *key, *list, *id;
    } rows[] = {
        {"    endpoints: [{url: 'https://p.test/v1beta', dialect: gemini}]\n    models: {m: {upstream: 'google/gemini 2', price: {input: "
         "0.1 USD/1M, output: 0.4 USD/1M}}}\n",
         "https://p.test/v1beta/models/google%2Fgemini%202:streamGenerateContent?alt=sse", "x-goog-api-key: sk-secret-0123456789",
         "https://p.test/v1beta/models?pageSize=1000", "Il0ta"},
        {"    endpoints: [{url: 'https://p.test/v1', dialect: responses}]\n    models: {m: {price: {input: 0.1 USD/1M, output: 0.4 "
         "USD/1M}}}\n",
         "https://p.test/v1/responses", "Authorization: Bearer sk-secret-0123456789", "https://p.test/v1/models", "resp_"},
        {"    endpoints: [{url: 'https://p.test', dialect: anthropic}]\n    models: {m: {price: {input: 0.1 USD/1M, output: 0.4 "
         "USD/1M}}}\n",
         "https://p.test/v1/messages", "x-api-key: sk-secret-0123456789", "https://p.test/v1/models?limit=1000", "msg_"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        struct prober_platform_report report;
        begin(&w, rows[i].platform, any_dialect);
        run(5 * USEC_PER_MINUTE);
        assert_string_equal(net.url, rows[i].url);
        assert_string_equal(net.key, rows[i].key);
        assert_int_equal(net.lists_len, 1);
        assert_string_equal(net.lists[0], rows[i].list);
        if (seen.good == 0 || seen.bad > 0 || !(seen.last.flags & OBSERVED_CHALLENGE_PASSED))
            fail_msg("%zu: %d good, %d bad: %s %s", i, seen.good, seen.bad, outcome_name(seen.last.outcome.kind), seen.last.detail);
        assert_true(strncmp(seen.id, rows[i].id, strlen(rows[i].id)) == 0);
        prober_report_platform(w.prober, 0, &report);
        assert_non_null(report.endpoint);
        assert_true(report.endpoints[0].in_use);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_stubborn), cmocka_unit_test(test_thinker),
        cmocka_unit_test(test_unfinished), cmocka_unit_test(test_narrow),   cmocka_unit_test(test_cache),
        cmocka_unit_test(test_dialects),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
