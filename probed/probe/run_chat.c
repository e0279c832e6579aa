/* chat: one streamed completion of the route, paid, with a challenge in it. This file is the I/O around probe/chat.h: endpoint, money, request, deadlines.
 *
 * Two deadlines of our own beside http's: the first token counts from the request being sent, a stall from the last token. Both are kept by one timer that is
 * set lazily: it fires at the earliest time that one of them could be due, looks, and is set anew, so that a token costs no timer call.
 * Money is reserved and written down before anything is sent; whatever then happens, money_settle is called exactly once, from chat_over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probed/probe/prober_parts.h"

#define AGAIN_AFTER USEC_PER_SEC

static int on_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct target *t = arg;
    return chat_reading_data(t->reading, http_status(t->http), http_content_type(t->http), data, len, now);
}

struct chat_ask chat_ask_of(const struct target *t, const char *prompt)
{
    return (struct chat_ask){
        .model = target_route(t)->upstream,
        .prompt = prompt,
        .max_tokens = money_max_tokens(t),
        .reasoning = money_reasoning(t),
        .left_out = t->manners.left_out,
    };
}

/* What a good answer says beside its own content: its id, and whether it was made for this prompt. */
static void look_at_answer(struct target *t, struct observation *o)
{
    const struct config_route *route = target_route(t);
    const char *id = chat_reading_id(t->reading);
    char why[64];
    if (reply_id_odd(&t->manners.ids, route->dialect, route->upstream, id, why, sizeof why))
        chat_add_signal(o, OBSERVED_ID_ODD, "id_odd", why);
    if (manners_stale(&t->manners, &t->challenge, chat_reading_reply(t->reading), o->flags))
        chat_add_signal(o, OBSERVED_CACHED, "cached", "the answer to an earlier question");
    if (id[0] && t->p->owner.replied)
        t->p->owner.replied(t->p->owner.arg, t->platform, t->index, id);
}

/* A refused parameter is learnt from; true if the next request will do without. */
static bool learn_refusal(struct target *t, struct observation *o)
{
    enum chat_parameter refused = chat_reading_refused(t->reading);
    char words[80], detail[OBSERVATION_DETAIL_MAX];
    if (refused == PARAMETER_SIZE) {
        if (!money_too_large(t))
            return false;
        snprintf(words, sizeof words, "the limit is at most %d from now on", money_max_tokens(t));
    } else if (!manners_refused(&t->manners, refused, t->sent, words, sizeof words)) {
        return false;
    }
    int n = snprintf(detail, sizeof detail, "%s: %s", words, o->detail);
    text_copy(o->detail, sizeof o->detail, detail, n < (int)sizeof detail ? (size_t)n : sizeof detail - 1);
    return true;
}

/* What every chat comes to, by its own end or by our deadline. */
static void chat_over(struct target *t, const struct http_result *result)
{
    struct observation o;
    bool again = false;
    loop_timer_stop(t->deadline);
    chat_reading_finish(t->reading, result, t->timeout_stage, &o);
    if (outcome_ok(o.outcome))
        look_at_answer(t, &o);
    else
        again = learn_refusal(t, &o);
    t->reading = chat_reading_free(t->reading);
    observation_from_http(&o, t, result);
    o.in_flight = 1;
    money_settle(t, &o);
    if (o.outcome.fault == FAULT_RELAY && o.outcome.stage <= STAGE_TLS)
        endpoints_suspect(&t->p->platforms[t->platform], t->p, t->endpoint);
    target_finish(t, &o);
    if (again) { /* no route waits a whole interval for the request that it wants; each time there is one parameter less */
        t->due = loop_now(t->p->loop) + AGAIN_AFTER;
        loop_timer_set(t->timer, t->due);
    }
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
    const struct config_timeouts *timeouts = &target_probe(t)->timeouts;
    struct chat_ask ask = chat_ask_of(t, t->challenge.prompt);
    struct chat_request chat;
    dialect_get(route->dialect)->request(&chat, &ask);
    chat_reading_asked(t->reading, &ask);
    t->sent = chat.sent;
    struct http_request request = {
        .connect_timeout = timeouts->connect,
        .headers_timeout = timeouts->headers,
        .total_timeout = timeouts->total,
        .max_body = t->p->config->max_body,
        .on_data = on_data,
        .on_done = on_done,
        .arg = t,
    };
    int r = send_post(t, t->http, &chat, true, &request);
    chat_request_done(&chat);
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
