/* probed/net/http.h against a world of simulated relays: no sockets, only times and bytes, all from the scenario's seed.
 *
 * A request is judged when it starts (what the relay is like then is what it gets) and played by one timer: connected, headers, each delta, end. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/net/http.h"
#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/sim/sim.h"

enum play { PLAY_BREAK, PLAY_HEADERS, PLAY_TOKEN };

struct http {
    struct loop *loop;
    struct http_stats stats;
};

struct http_target {
    struct http *http;
    struct loop_timer *timer, *deadline;
    struct http_request request;
    struct http_result result;
    struct sim_relay *relay;
    enum play next;
    bool busy, chat, kept;
    char *url, *body, *answer;
    char word[32], model[128];
    bool crowded;   /* more chats than the relay can do were in flight when it came */
    char open[256]; /* the question, where it is none of the challenge's; "" = it is */
    bool whole;     /* no stream was asked for */
    double slower;
    int token;
    size_t given;
    struct sim_paid paid;
};

static void play(void *arg);
static void on_deadline(void *arg);

struct http *http_new(struct loop *loop, const struct http_setup *setup, struct err *err)
{
    struct http *http = alloc_zero(1, sizeof *http);
    (void)setup, (void)err;
    http->loop = loop;
    return http;
}

void http_free(struct http *http) { free(http); }

struct http_target *http_target_new(struct http *http, const char *ca_file)
{
    struct http_target *t = alloc_zero(1, sizeof *t);
    (void)ca_file;
    t->http = http;
    t->timer = loop_timer_new(http->loop, "sim", play, t);
    t->deadline = loop_timer_new(http->loop, "sim", on_deadline, t);
    return t;
}

static void over(struct http_target *t)
{
    if (t->busy) {
        t->http->stats.running--;
        t->relay->in_flight--;
        t->relay->chats_now -= t->chat;
    }
    t->busy = false;
    loop_timer_stop(t->timer);
    loop_timer_stop(t->deadline);
    free(t->url);
    free(t->body);
    free(t->answer);
    t->url = t->body = t->answer = NULL;
}

struct http_target *http_target_free(struct http_target *t)
{
    if (!t)
        return NULL;
    over(t);
    loop_timer_free(t->timer);
    loop_timer_free(t->deadline);
    free(t);
    return NULL;
}

/* False: whoever asked is dead, and hears of nothing any more. */
static bool counted(struct http_target *t, enum sim_moment moment)
{
    if (!t->chat || !t->relay->till)
        return true;
    t->paid.relay = t->relay;
    t->paid.url = t->url;
    t->paid.body = t->body ? t->body : "";
    t->paid.told = t->paid.told && moment == SIM_OVER;
    if (t->relay->till(&t->paid, moment))
        return true;
    loop_timer_stop(t->timer);
    loop_timer_stop(t->deadline);
    return false;
}

/* The usage that the till wants told, in place of the one that stands there; "" = none. */
static void tell_usage(struct sim_paid *paid, char *ret, size_t size)
{
    char thinking[80] = "";
    ret[0] = '\0';
    paid->told = paid->prompt_tokens >= 0;
    if (paid->reasoning_tokens >= 0)
        snprintf(thinking, sizeof thinking, ",\"completion_tokens_details\":{\"reasoning_tokens\":%d}", paid->reasoning_tokens);
    if (paid->prompt_tokens >= 0)
        snprintf(ret, size, "\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%lld%s}", paid->prompt_tokens,
                 paid->output_tokens, (long long)paid->prompt_tokens + paid->output_tokens, thinking);
}

static void done(struct http_target *t, enum stage stage, enum outcome_kind kind)
{
    if (!counted(t, SIM_OVER))
        return;
    struct http_result result = t->result;
    void (*fn)(void *arg, const struct http_result *result) = t->request.on_done;
    void *arg = t->request.arg;
    result.stage = stage;
    result.kind = kind;
    result.ended = loop_now(t->http->loop);
    t->kept = kind == OUTCOME_OK && !t->request.fresh;
    over(t);
    fn(arg, &result);
}

static enum stage stage_now(const struct http_target *t)
{
    if (t->result.sent < 0)
        return STAGE_CONNECT;
    return t->result.headers < 0 ? STAGE_HEADERS : STAGE_STREAM;
}

static void on_deadline(void *arg)
{
    struct http_target *t = arg;
    done(t, stage_now(t), OUTCOME_TIMEOUT);
}

static int give(struct http_target *t, const char *data)
{
    t->result.received += strlen(data);
    return t->request.on_data ? t->request.on_data(t->request.arg, data, strlen(data), loop_now(t->http->loop)) : 0;
}

/* The answer to the challenge whose form is at the head of probed/probe/challenge.c. */
static void solve(const char *prompt, char *word, size_t size)
{
    const char *question = strstr(prompt, ". Wh"), *end = prompt ? strchr(prompt, '?') : NULL, *clause = strchr(prompt, ':');
    char asked[32];
    snprintf(word, size, "unknown");
    if (!question || !end || !clause)
        return;
    bool who = strncmp(question, ". Who ", 6) == 0;
    const char *from = end;
    if (!who) { /* "What did NAME VERB?": the NAME */
        while (from > question && from[-1] != ' ')
            from--;
        end = from - 1;
        from = end;
    }
    while (from > question && from[-1] != ' ')
        from--;
    snprintf(asked, sizeof asked, "%.*s", (int)(end - from), from);
    const char *at = strstr(clause, asked);
    if (!at || at > question)
        return;
    if (who) { /* the first word of the clause: back to the separator */
        const char *begin = at;
        while (begin > clause + 1 && begin[-1] != ',' && strncmp(begin - 4, "and ", 4) != 0)
            begin--;
        while (*begin == ' ')
            begin++;
        snprintf(word, size, "%.*s", (int)strcspn(begin, " "), begin);
    } else {
        const char *the = strstr(at, " the ");
        if (the)
            snprintf(word, size, "%.*s", (int)strcspn(the + 5, " ,."), the + 5);
    }
}

static void read_request(struct http_target *t)
{
    CLEANUP(json_deletep) cJSON *json = json_parse(t->body ? t->body : "", t->body ? strlen(t->body) : 0, NULL);
    const cJSON *messages = json_at(json, "messages");
    const char *prompt = json_string(cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1), "content");
    const char *model = json_string(json, "model");
    snprintf(t->model, sizeof t->model, "%s", model ? model : "");
    solve(prompt ? prompt : "", t->word, sizeof t->word);
    snprintf(t->open, sizeof t->open, "%s", prompt && strncmp(prompt, "Note ", 5) != 0 ? prompt : "");
}

static bool happens(double share) { return share <= 0 || sim_uniform(sim_current()) < share; }

static usec_t after(struct http_target *t, double msec) { return loop_now(t->http->loop) + (usec_t)(msec * 1000) + 1; }

int http_start(struct http_target *t, const struct http_request *request, struct err *err)
{
    char host[64];
    (void)err;
    if (t->busy)
        return -EBUSY;
    if (sscanf(request->url, "%*[a-z]://%63[^/:]", host) != 1)
        return -EINVAL;
    usec_t now = loop_now(t->http->loop);
    t->request = *request;
    t->relay = sim_relay(sim_current(), host);
    t->busy = true;
    t->http->stats.running++;
    t->http->stats.started++;
    t->url = alloc_string(request->url);
    t->body = request->body ? alloc_string_n(request->body, request->body_len) : NULL;
    t->chat = strcmp(request->method, "POST") == 0;
    t->whole = t->chat && (!t->body || !strstr(t->body, "\"stream\":true"));
    t->token = 0;
    t->result = (struct http_result){.started = now, .dns = -1, .connect = -1, .tls = -1, .sent = -1, .headers = -1, .http_version = 11};
    t->result.reused = t->kept && !request->fresh;
    *(t->chat ? &t->relay->chats : strstr(request->url, "/models") ? &t->relay->lists : &t->relay->reaches) += 1;
    t->relay->in_flight++;
    if (t->relay->in_flight > t->relay->in_flight_most)
        t->relay->in_flight_most = t->relay->in_flight;
    t->relay->chats_now += t->chat;
    t->relay->connections += t->chat && !t->result.reused;
    t->relay->tries += t->whole || (t->chat && !strstr(t->body, "Note "));
    if (t->relay->chats_now > t->relay->chats_most)
        t->relay->chats_most = t->relay->chats_now;
    t->crowded = t->chat && t->relay->busy_above > 0 && t->relay->chats_now > (unsigned long)t->relay->busy_above;
    t->slower = t->crowded && t->relay->busy_slower > 0 ? t->relay->busy_slower : 1;
    loop_timer_set(t->deadline, now + request->total_timeout);
    bool broken = t->relay->break_with != OUTCOME_OK && happens(t->relay->break_share);
    if (broken && t->relay->break_with == OUTCOME_TIMEOUT) {
        loop_timer_set(t->deadline, now + request->connect_timeout);
        counted(t, SIM_STARTED);
        return 0;
    }
    t->next = broken ? PLAY_BREAK : PLAY_HEADERS;
    loop_timer_set(t->timer, after(t, t->result.reused ? 0 : t->relay->connect_ms));
    counted(t, SIM_STARTED);
    return 0;
}

/* More chats are in flight than the relay can do. */
static void play_busy(struct http_target *t)
{
    t->result.status = t->relay->busy_status;
    give(t, t->result.status == 429 ? "{\"error\":{\"message\":\"Rate limit reached\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\"}}"
                                    : "{\"error\":{\"message\":\"internal error\",\"type\":\"server_error\",\"code\":null}}");
    done(t, STAGE_DONE, OUTCOME_OK);
}

/* An answer that is no stream. */
static void play_whole(struct http_target *t)
{
    CLEANUP(buf_done) struct buf answer = BUF_INIT;
    t->result.status = sim_model_answer(t->relay, t->url, t->body ? t->body : "", &answer);
    const char *usage = strstr(buf_str(&answer), ",\"usage\":");
    if (t->relay->till && usage) {
        char told[200];
        tell_usage(&t->paid, told, sizeof told);
        answer.len = (size_t)(usage - answer.data);
        buf_printf(&answer, "%s%s}", told[0] ? "," : "", told);
    }
    snprintf(t->result.content_type, sizeof t->result.content_type, "application/json");
    give(t, buf_str(&answer));
    done(t, STAGE_DONE, OUTCOME_OK);
}

static void play_headers(struct http_target *t)
{
    struct sim_relay *relay = t->relay;
    usec_t now = loop_now(t->http->loop);
    if (t->result.sent < 0) { /* connected: now the request goes out and the relay thinks */
        if (!t->result.reused) {
            t->result.dns = 200;
            t->result.connect = now - t->result.started;
        }
        t->result.sent = now;
        if (!counted(t, SIM_ARRIVED))
            return;
        loop_timer_set(t->timer, after(t, t->chat ? t->slower * sim_lognormal(sim_current(), relay->ttft_ms, relay->sigma) : 20));
        return;
    }
    t->result.headers = now;
    bool failing = relay->status >= 300 && t->request.on_data && strstr(t->url, "/v1/") && happens(relay->status_share);
    t->result.status = failing ? relay->status : 200;
    snprintf(t->result.content_type, sizeof t->result.content_type, "%s", failing || !t->chat ? "application/json" : "text/event-stream");
    if (t->crowded && relay->busy_status > 0) {
        play_busy(t);
        return;
    }
    if (failing) {
        t->result.retry_after = relay->retry_after;
        give(t, relay->body ? relay->body : "{\"error\":{\"message\":\"simulated\",\"type\":\"server_error\",\"code\":null}}");
        done(t, STAGE_DONE, OUTCOME_OK);
        return;
    }
    if (!t->chat) {
        if (strstr(t->url, "/models") && relay->listing) {
            give(t, relay->listing);
        } else if (strstr(t->url, "/models")) {
            static const char *const known[] = {"m1", "m2", "m3", "m4"};
            CLEANUP(buf_done) struct buf list = BUF_INIT;
            buf_add_str(&list, "{\"object\":\"list\",\"data\":[");
            for (size_t i = 0, n = 0; i < ARRAY_LEN(known); i++)
                if (!relay->missing || strcmp(relay->missing, known[i]) != 0)
                    buf_printf(&list, "%s{\"id\":\"%s\",\"object\":\"model\"}", n++ ? "," : "", known[i]);
            buf_add_str(&list, "]}");
            give(t, buf_str(&list));
        } else if (give(t, "<html></html>") != 0) {
            done(t, STAGE_STREAM, OUTCOME_CANCELED);
            return;
        }
        done(t, STAGE_DONE, OUTCOME_OK);
        return;
    }
    read_request(t);
    if (relay->missing && strcmp(relay->missing, t->model) == 0) {
        t->result.status = 404;
        give(t, "{\"error\":{\"message\":\"The model does not exist\",\"type\":\"invalid_request_error\",\"code\":\"model_not_found\"}}");
        done(t, STAGE_DONE, OUTCOME_OK);
        return;
    }
    if (t->whole) {
        play_whole(t);
        return;
    }
    t->next = PLAY_TOKEN;
    play(t);
}

static void play_token(struct http_target *t)
{
    const struct sim_relay *relay = t->relay;
    char chunk[600];
    int n = relay->empty ? 0 : relay->tokens;
    const char *piece = t->open[0] ? sim_model_piece(relay, t->model, t->open, t->token) : t->token == 0 ? t->word : ".";
    if (t->open[0] && !relay->empty)
        n = piece ? t->token + 1 : t->token;
    if (t->token < n) {
        snprintf(chunk, sizeof chunk, "data: {\"id\":\"c\",\"model\":\"%s\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"finish_reason\":null}]}\n\n",
                 t->model, piece);
        t->token++;
        if (give(t, chunk) != 0) {
            done(t, STAGE_STREAM, OUTCOME_CANCELED);
            return;
        }
        if (!relay->stall)
            loop_timer_set(t->timer, after(t, relay->gap_ms));
        return;
    }
    if (!relay->truncated) {
        int output = relay->output_tokens > 0 ? relay->output_tokens : n;
        char told[200];
        if (relay->till)
            tell_usage(&t->paid, told, sizeof told);
        else
            snprintf(told, sizeof told, "\"usage\":{\"prompt_tokens\":80,\"completion_tokens\":%d,\"total_tokens\":%d}", output, 80 + output);
        snprintf(chunk, sizeof chunk,
                 "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                 "%s%s%s"
                 "data: [DONE]\n\n",
                 told[0] ? "data: {\"id\":\"c\",\"choices\":[]," : "", told, told[0] ? "}\n\n" : "");
        give(t, chunk);
    }
    done(t, STAGE_DONE, OUTCOME_OK);
}

static void play(void *arg)
{
    struct http_target *t = arg;
    switch (t->next) {
    case PLAY_BREAK: done(t, t->relay->break_with == OUTCOME_TLS ? STAGE_TLS : t->relay->break_with == OUTCOME_RESOLVE ? STAGE_DNS : STAGE_CONNECT,
                          t->relay->break_with);
        break;
    case PLAY_HEADERS: play_headers(t); break;
    case PLAY_TOKEN: play_token(t); break;
    }
}

void http_cancel(struct http_target *t, struct http_result *ret)
{
    if (ret) {
        *ret = t->result;
        ret->stage = stage_now(t);
        ret->kind = OUTCOME_CANCELED;
        ret->ended = loop_now(t->http->loop);
    }
    t->kept = false;
    over(t);
}

bool http_busy(const struct http_target *t) { return t->busy; }
int http_status(const struct http_target *t) { return t->result.status; }
const char *http_content_type(const struct http_target *t) { return t->result.content_type; }
usec_t http_sent(const struct http_target *t) { return t->result.sent; }
struct http_stats http_stats(const struct http *http) { return http->stats; }
