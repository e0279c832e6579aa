/* burst: n chats to one route at once, to see what that many in flight do to it. Paid, rare, off unless configured.
 *
 *   (nothing) -- burst_due: somebody's turn --> WAITING for the platform to be quiet --> RESERVING --> RUNNING --> [ VERIFYING ] --> (nothing)
 *
 * Waiting: a burst takes n of its platform's places, and takes them when nobody else is there: that keeps others from waiting for it, and their requests out of
 * what it measures. A platform that is never quiet gives them up when they are merely free after RELAX, and not at all after PATIENCE. Money for all n is
 * reserved as one sum; what does not fit is not sent. Then n connections of their own, as a client with n users would have, each chat with its own
 * challenge, each its own observation with in_flight = n. A chat's place is given back when it ends. Where failures look like our own network's the anchors speak first,
 * so the result may come after the last chat.
 *
 * Afterwards: if some were refused or failed, the route's next plain chat tells whether that was the burst or the route. After a 429 it waits the minute that most
 * limits are counted in (or as long as was told), since a refusal in that minute is of our own making; else it comes at once. Failures are told
 * only when it has answered: if it fails too, the route does so by itself, and they say nothing about load.
 *
 * A reload takes a burst along in any state but waiting, if its route still is what it was; else it is given up like a chat in flight: what was
 * reserved stands, since the relay may well charge for it. The target's phase is RUNNING while it has places; it is never in a queue. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/burst.h"
#include "probed/probe/prober_parts.h"
#include "shared/alloc.h"

#define LOOK_EVERY USEC_PER_SEC
#define RELAX (10 * USEC_PER_MINUTE)
#define PATIENCE (20 * USEC_PER_MINUTE)
#define VERIFIED_WITHIN (2 * USEC_PER_MINUTE) /* of when the chat is due */
#define CALM USEC_PER_MINUTE
#define CALM_MOST (10 * USEC_PER_MINUTE)

struct member {
    struct target *target;
    struct http_target *http;
    struct chat_reading *reading; /* NULL = it is over, or was not sent */
    enum stage timeout_stage;
};

struct burst {
    bool waiting, verifying, verified;
    bool by_itself; /* the route fails without a burst, too */
    struct observation *held; /* of the chats that are over */
    usec_t since;
    unsigned n, places, running, sent, told;
    int64_t each;  /* what one chat may cost at worst */
    int64_t cost;  /* of those that are over: as told, or that */
    usec_t calm;   /* how long the relay wants to be left alone */
    struct burst_tally tally;
    struct member member[BURST_MOST];
};

static struct platform *platform_of(const struct target *t) { return &t->p->platforms[t->platform]; }

/* Gives it up or ends it: whatever it still has is freed, and the next is planned. */
static void burst_free(struct target *t)
{
    struct burst *b = t->burst;
    for (unsigned i = 0; b && i < b->n; i++) {
        http_target_free(b->member[i].http);
        chat_reading_free(b->member[i].reading);
    }
    if (t->deadline)
        loop_timer_stop(t->deadline);
    if (b && b->places > 0)
        admit_burst_done(t->p, t->platform, (int)b->places);
    t->phase = TARGET_IDLE;
    if (b)
        free(b->held);
    free(b);
    t->burst = NULL;
}

static void give_up(struct target *t, const char *why)
{
    burst_free(t);
    rare_burst_over(t->p, t->platform, t->index, why);
    rare_burst_plan(t->p);
}

/* --- the end ---------------------------------------------------------------------------------------------------------------- */

/* The route's next plain chat: at once, or when the relay has calmed down. When it will be. */
static usec_t chat_afterwards(struct target *t)
{
    const struct burst *b = t->burst;
    struct target *chat = platform_of(t)->routes[t->index];
    bool limited = b->tally.result.limited > 0;
    usec_t now = loop_now(t->p->loop), at = now;
    if (limited)
        at = now + (b->calm > CALM ? b->calm < CALM_MOST ? b->calm : CALM_MOST : CALM);
    if (chat->phase != TARGET_IDLE || !loop_timer_active(chat->timer) || (limited && chat->due >= at))
        return at;
    chat->kicked = true; /* its lateness is no overload of ours */
    chat->due = at;
    loop_timer_set(chat->timer, at);
    return at;
}

static void tell(struct target *t)
{
    struct burst *b = t->burst;
    struct prober *p = t->p;
    struct burst_result result = burst_tally_result(&b->tally, loop_now(p->loop));
    if (b->by_itself)
        snprintf(result.why, sizeof result.why, "the route fails by itself too: its failures say nothing about load");
    for (unsigned i = 0; i < b->told; i++)
        if (!b->by_itself || b->held[i].outcome.fault != FAULT_RELAY)
            p->owner.observed(p->owner.arg, t->platform, t->index, &b->held[i]);
    if (result.ok + result.failed + result.limited > 0 && p->owner.burst)
        p->owner.burst(p->owner.arg, t->platform, t->index, &result);
    give_up(t, result.why);
}

/* All chats are over and known: are their failures to be believed? */
static void conclude(struct target *t)
{
    struct burst *b = t->burst;
    if (b->running > 0 || b->told < b->sent || b->verifying)
        return;
    bool failed = b->tally.result.failed > 0, limited = b->tally.result.limited > 0;
    usec_t at = !b->verified && (failed || limited) ? chat_afterwards(t) : 0;
    if (b->verified || !failed) {
        tell(t);
        return;
    }
    b->verifying = true;
    loop_timer_set(t->timer, at + VERIFIED_WITHIN);
}

void burst_told(struct target *t, const struct observation *o)
{
    struct burst *b = t->burst;
    if (!b || b->told >= b->sent)
        return;
    b->held[b->told++] = *o;
    burst_tally_add(&b->tally, o);
    conclude(t);
}

void burst_chat_seen(struct prober *p, const struct target *chat, const struct observation *o)
{
    struct target *t = p->burst;
    struct burst *b = t ? t->burst : NULL;
    if (!b || !b->verifying || t->platform != chat->platform || t->index != chat->index)
        return;
    b->verifying = false;
    b->verified = true;
    b->by_itself = o->outcome.fault == FAULT_RELAY || o->outcome.fault == FAULT_LOCAL;
    conclude(t);
}

/* One chat is over. Its place is given back before anybody hears of it; the money is settled with the last. */
static void member_over(struct member *m, const struct http_result *result)
{
    struct target *t = m->target;
    struct burst *b = t->burst;
    struct prober *p = t->p;
    struct observation o;
    chat_reading_finish(m->reading, result, m->timeout_stage, &o);
    m->reading = chat_reading_free(m->reading);
    o.probe = PROBE_BURST;
    observation_from_http(&o, t, result);
    m->http = http_target_free(m->http); /* and with it what `result` points to */
    o.in_flight = (uint16_t)b->n;
    o.interval = target_probe(t)->rule.interval;
    money_cost(t, &o);
    b->cost += o.cost_pico >= 0 ? o.cost_pico : b->each;
    b->calm = o.retry_after > b->calm ? o.retry_after : b->calm;
    if (!outcome_ok(o.outcome))
        p->stats.failed[PROBE_BURST]++;
    b->running--;
    b->places--;
    admit_burst_done(p, t->platform, 1);
    if (b->running == 0) {
        t->phase = TARGET_IDLE;
        loop_timer_stop(t->deadline);
        money_settle_sum(t, b->cost);
    }
    if (!anchors_hold(p->anchors, t, &o))
        burst_told(t, &o);
}

static int on_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct member *m = arg;
    return chat_reading_data(m->reading, http_status(m->http), http_content_type(m->http), data, len, now);
}

static void on_done(void *arg, const struct http_result *result) { member_over(arg, result); }

/* When the chat's own time is up, and at what stage. */
static usec_t member_due(const struct member *m, usec_t now, enum stage *ret)
{
    const struct config_timeouts *timeouts = rare_timeouts(m->target);
    usec_t sent = http_sent(m->http);
    *ret = chat_reading_has_token(m->reading) ? STAGE_STREAM : STAGE_FIRST;
    if (*ret == STAGE_STREAM)
        return chat_reading_last(m->reading) + timeouts->stall;
    return (sent >= 0 ? sent : now) + timeouts->first;
}

static void on_deadline(void *arg)
{
    struct target *t = arg;
    usec_t now = loop_now(t->p->loop), next = USEC_INFINITY;
    for (unsigned i = 0; t->burst && i < t->burst->n; i++) {
        struct member *m = &t->burst->member[i];
        enum stage stage;
        if (!m->reading)
            continue;
        usec_t due = member_due(m, now, &stage);
        if (due > now) {
            next = due < next ? due : next;
            continue;
        }
        struct http_result result;
        http_cancel(m->http, &result);
        m->timeout_stage = stage;
        member_over(m, &result);
    }
    if (t->burst && t->burst->running > 0)
        loop_timer_set(t->deadline, next);
}

/* --- the beginning ------------------------------------------------------------------------------------------------------------ */

static bool member_send(struct target *t, struct member *m)
{
    const struct config_route *route = target_route(t);
    const struct platform *pf = platform_of(t);
    const struct config_timeouts *timeouts = rare_timeouts(t);
    struct challenge challenge;
    struct chat_request chat;
    challenge_make(&challenge, &t->p->random);
    struct chat_ask ask = chat_ask_of(pf->routes[t->index], challenge.prompt);
    dialect_get(route->dialect)->request(&chat, &ask);
    *m = (struct member){.target = t, .timeout_stage = STAGE_COUNT};
    m->reading = chat_reading_new(route->dialect, route->upstream, &challenge);
    chat_reading_asked(m->reading, &ask);
    m->http = http_target_new(t->p->http, pf->config->ca_file);
    struct http_request request = {
        .fresh = true, /* a connection of its own, whose end nobody waits for */
        .connect_timeout = timeouts->connect,
        .headers_timeout = timeouts->headers,
        .total_timeout = timeouts->total,
        .max_body = t->p->config->max_body,
        .on_data = on_data,
        .on_done = on_done,
        .arg = m,
    };
    int r = send_post(t, m->http, &chat, true, &request);
    chat_request_done(&chat);
    if (r < 0) {
        m->reading = chat_reading_free(m->reading);
        m->http = http_target_free(m->http);
    }
    return r == 0;
}

/* The money is there, and that is written down. */
static void burst_send(struct target *t)
{
    struct burst *b = t->burst;
    const struct config_timeouts *timeouts = rare_timeouts(t);
    usec_t now = loop_now(t->p->loop);
    t->due = t->started = now;
    for (unsigned i = 0; i < b->n; i++)
        b->sent += member_send(t, &b->member[i]);
    b->running = b->sent;
    b->held = alloc_zero(b->sent + 1, sizeof *b->held);
    t->p->stats.sent[PROBE_BURST] += b->sent;
    if (b->sent < b->n) {
        admit_burst_done(t->p, t->platform, (int)(b->n - b->sent));
        b->places = b->sent;
    }
    if (b->sent == 0) {
        money_settle_sum(t, 0);
        give_up(t, "the requests could not be sent");
        return;
    }
    if (!t->deadline)
        t->deadline = loop_timer_new(t->p->loop, "burst deadline", on_deadline, t);
    loop_timer_set(t->deadline, now + (timeouts->first < timeouts->stall ? timeouts->first : timeouts->stall));
}

/* n places are taken. */
static void burst_start(struct target *t)
{
    struct burst *b = t->burst;
    const struct target *chat = platform_of(t)->routes[t->index];
    b->waiting = false;
    b->places = b->n;
    t->phase = TARGET_RUNNING;
    t->account = chat->account;
    b->each = money_worst(chat);
    int64_t expected = money_expected(chat), n = b->n;
    bool sane = b->each <= INT64_MAX / BURST_MOST && expected <= INT64_MAX / BURST_MOST;
    int r = sane ? money_reserve_sum(t, b->each * n, expected * n, loop_now(t->p->loop)) : -ENOSPC;
    if (r == 0) {
        burst_send(t);
    } else if (r != -EINPROGRESS) {
        char why[160];
        snprintf(why, sizeof why, "%u chats at once were not paid for: %.100s", b->n, sane && b->each >= 0 ? t->why : "no price is known");
        give_up(t, why);
    }
}

void burst_reserved(struct target *t, int error)
{
    TAILQ_REMOVE(&t->p->reserving, t, reserving);
    t->ticket = 0;
    if (error == 0) {
        burst_send(t);
        return;
    }
    money_unreserve(t);
    give_up(t, "the reservation could not be written down");
}

void burst_look(struct target *t)
{
    struct burst *b = t->burst;
    struct prober *p = t->p;
    usec_t now = loop_now(p->loop);
    const char *why;
    usec_t wait = rare_barred(p, PROBE_BURST, t->platform, t->index, &why);
    if (wait > 0) { /* it was fine when its turn came */
        burst_free(t);
        p->platforms[t->platform].rare[t->index].burst_due = now + wait;
        rare_burst_plan(p);
        return;
    }
    bool quiet = admit_quiet(platform_of(t)) || now - b->since >= RELAX;
    if (quiet && !route_is_busy(p, t->platform, t->index, t) && admit_burst(t, (int)b->n)) {
        loop_timer_stop(t->timer);
        burst_start(t);
        return;
    }
    if (now - b->since >= PATIENCE)
        give_up(t, "the platform was never quiet enough");
    else
        loop_timer_set(t->timer, now + LOOK_EVERY);
}

void burst_due(struct target *t)
{
    struct prober *p = t->p;
    size_t platform, route;
    char why[sizeof ((struct burst_result *)0)->why];
    if (t->burst) {
        if (t->burst->waiting) {
            burst_look(t);
        } else if (t->phase == TARGET_IDLE) { /* nobody could tell whether to believe it, or a reload came in between */
            t->burst->verified = true;
            t->burst->verifying = false;
            conclude(t);
        }
        return;
    }
    if (!rare_burst_choose(p, &platform, &route)) {
        rare_burst_plan(p);
        return;
    }
    t->platform = platform;
    t->index = route;
    unsigned n = burst_size(target_probe(t)->size, platform_of(t)->cap, p->config->concurrency, why, sizeof why);
    if (n == 0) {
        give_up(t, "the concurrency allows one probe at a time");
        return;
    }
    t->burst = alloc_zero(1, sizeof *t->burst);
    t->burst->waiting = true;
    t->burst->since = loop_now(p->loop);
    t->burst->n = n;
    burst_tally_init(&t->burst->tally, n, why);
    burst_look(t);
}

/* --- reload, shutdown ----------------------------------------------------------------------------------------------------------- */

void burst_abandon(struct target *t)
{
    if (t->ticket > 0) { /* nothing was sent yet */
        TAILQ_REMOVE(&t->p->reserving, t, reserving);
        t->ticket = 0;
        money_settle_sum(t, 0);
    }
    burst_free(t);
}

bool burst_waits(const struct target *t) { return t->burst && t->burst->waiting; }

bool burst_under_way(const struct target *t) { return t->burst && !t->burst->waiting; }

void burst_move(struct target *t, struct prober *p, size_t platform, size_t index)
{
    struct burst *b = t->burst;
    struct prober *from = t->p;
    int places = (int)b->places;
    b->sent -= b->sent - b->running - b->told; /* what still waits for the anchors' word is never told */
    if (b->sent == b->told && b->running == 0 && !b->verifying && t->ticket == 0)
        loop_timer_set(t->timer, loop_now(p->loop)); /* it was the last that did */
    from->in_flight -= places;
    from->platforms[t->platform].in_flight -= places;
    p->in_flight += places;
    p->platforms[platform].in_flight += places;
    if (t->ticket > 0) {
        TAILQ_REMOVE(&from->reserving, t, reserving);
        TAILQ_INSERT_TAIL(&p->reserving, t, reserving);
    }
    t->p = p;
    t->platform = platform;
    t->index = index;
    t->account = p->platforms[platform].routes[index]->account;
}
