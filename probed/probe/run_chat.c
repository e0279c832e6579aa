/* chat: one streamed completion of the route, paid, with a challenge in it. This file is the I/O around probe/chat.h: endpoint, money, request, deadlines.
 *
 * Two deadlines of our own beside http's: the first token counts from the request being sent, a stall from the last token. Both are kept by one timer that is
 * set lazily: it fires at the earliest time that one of them could be due, looks, and is set anew, so that a token costs no timer call.
 * Money is reserved and written down before anything is sent; whatever then happens, money_settle is called exactly once, from chat_over. */
#include <errno.h>
#include <string.h>

#include "probed/probe/prober_parts.h"

static int on_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct target *t = arg;
    return chat_reading_data(t->reading, http_status(t->http), http_content_type(t->http), data, len, now);
}

/* What every chat comes to, by its own end or by our deadline. */
static void chat_over(struct target *t, const struct http_result *result)
{
    struct observation o;
    loop_timer_stop(t->deadline);
    chat_reading_finish(t->reading, result, t->timeout_stage, &o);
    t->reading = chat_reading_free(t->reading);
    observation_from_http(&o, t, result);
    o.in_flight = 1;
    money_settle(t, &o);
    if (o.outcome.fault == FAULT_RELAY && o.outcome.stage <= STAGE_TLS)
        endpoints_suspect(&t->p->platforms[t->platform], t->p, t->endpoint);
    target_finish(t, &o);
}

static void on_done(void *arg, const struct http_result *result) { chat_over(arg, result); }

static void on_deadline(void *arg)
{
    struct target *t = arg;
    const struct config_timeouts *timeouts = &target_probe(t)->timeouts;
    usec_t now = loop_now(t->p->loop), sent = http_sent(t->http), last = chat_reading_last(t->reading), due;
    enum stage stage;
    if (chat_reading_has_token(t->reading)) {
        due = last + timeouts->stall;
        stage = STAGE_STREAM;
    } else { /* before it was sent, connect_timeout is http's business */
        due = (sent >= 0 ? sent : now) + timeouts->first;
        stage = STAGE_FIRST;
    }
    if (now < due) {
        loop_timer_set(t->deadline, due);
        return;
    }
    struct http_result result;
    http_cancel(t->http, &result);
    t->timeout_stage = stage;
    chat_over(t, &result);
}

/* Nothing was sent, nothing will be charged. */
static void settle_nothing(struct target *t)
{
    struct observation none = observation_make(PROBE_CHAT, loop_now(t->p->loop), outcome_make(STAGE_QUEUE, OUTCOME_CANCELED, 0));
    none.cost_pico = 0;
    money_settle(t, &none);
}

static void take_back(struct target *t)
{
    TAILQ_REMOVE(&t->p->reserving, t, reserving);
    t->ticket = 0;
    settle_nothing(t);
}

/* Ends a chat in flight without an observation (reload, shutdown). The reservation stands: the relay may well charge for it. */
void chat_abandon(struct target *t)
{
    if (t->ticket > 0)
        take_back(t); /* nothing was sent yet */
    if (t->deadline)
        loop_timer_stop(t->deadline);
    http_cancel(t->http, NULL);
    t->reading = chat_reading_free(t->reading);
}

static int send_request(struct target *t, const struct config_route *route)
{
    struct platform *pf = &t->p->platforms[t->platform];
    const struct config_timeouts *timeouts = &target_probe(t)->timeouts;
    struct chat_request chat = {.path = NULL};
    dialect_get(route->dialect)->request(&chat, route->upstream, t->challenge.prompt, money_max_tokens(t), route->reasoning);

    struct http_header headers[PROBE_HEADERS_MAX + ARRAY_LEN(chat.headers) + 1];
    size_t n = platform_headers(pf, headers);
    for (size_t i = 0; i < chat.headers_len; i++)
        headers[n++] = chat.headers[i];
    CLEANUP(secret_value_done) struct buf auth = BUF_INIT;
    if (platform_auth(pf, route->dialect, &headers[n], &auth))
        n++;

    CLEANUP(buf_done) struct buf url = BUF_INIT;
    buf_add_str(&url, pf->config->endpoints[t->endpoint].url);
    buf_add_str(&url, pf->config->chat_path ? pf->config->chat_path : chat.path);
    struct http_request request = {
        .method = "POST",
        .url = buf_str(&url),
        .headers = headers,
        .headers_len = n,
        .body = chat.body.data,
        .body_len = chat.body.len,
        .connect_timeout = timeouts->connect,
        .headers_timeout = timeouts->headers,
        .total_timeout = timeouts->total,
        .max_body = t->p->config->max_body,
        .on_data = on_data,
        .on_done = on_done,
        .arg = t,
    };
    int r = http_start(t->http, &request, NULL);
    buf_done(&chat.body);
    return r;
}

/* The money is there, and that is written down. */
static int chat_send(struct target *t)
{
    struct platform *pf = &t->p->platforms[t->platform];
    const struct config_route *route = target_route(t);
    const struct config_timeouts *timeouts = &target_probe(t)->timeouts;
    usec_t now = loop_now(t->p->loop);
    if (pf->in_use[route->dialect] == UINT8_MAX) {
        settle_nothing(t);
        return -ENOENT;
    }
    t->endpoint = pf->in_use[route->dialect];
    t->timeout_stage = STAGE_COUNT;
    challenge_make(&t->challenge, &t->p->random);
    t->reading = chat_reading_new(route->dialect, route->upstream, &t->challenge);
    int r = send_request(t, route);
    if (r < 0) {
        t->reading = chat_reading_free(t->reading);
        settle_nothing(t);
        return r;
    }
    if (!t->deadline)
        t->deadline = loop_timer_new(t->p->loop, "chat deadline", on_deadline, t);
    loop_timer_set(t->deadline, now + (timeouts->first < timeouts->stall ? timeouts->first : timeouts->stall));
    return 0;
}

int chat_start(struct target *t)
{
    if (t->p->platforms[t->platform].in_use[target_route(t)->dialect] == UINT8_MAX)
        return -ENOENT;
    int r = money_reserve(t, loop_now(t->p->loop));
    if (r == -EINPROGRESS)
        return 0; /* it has its place already */
    return r < 0 ? r : chat_send(t);
}

void chat_reserved(struct target *t, int error)
{
    TAILQ_REMOVE(&t->p->reserving, t, reserving);
    t->ticket = 0;
    t->started = loop_now(t->p->loop);
    if (error < 0)
        money_unreserve(t);
    if (error < 0 || chat_send(t) < 0) {
        admit_done(t);
        target_plan(t, 0);
    }
}
