/* capabilities: what a route can do, tried out by a short sequence of requests (capability_request.c), one at a time, each paid for by itself.
 *
 * A trial is the sequence for one route. Each of its requests is admitted like any probe: it queues for a place, reserves its money, is sent, and gives its place
 * back; between two of them others get theirs. It ends when all were made, or at the first that tells that the rest would tell nothing: no money, no
 * network, 429, a key or credit that does not work. What was not tried by then stays as it was, and the route's turn comes again (rare.c).
 *
 *   (nothing) -- trial_due: a route's turn --> [ queued --> RESERVING --> RUNNING --> pause ] for each --> (nothing)
 *
 * STREAM is an ordinary streamed chat, read by chat.h with its two deadlines; the others are answers read whole. Whether two models of the platform answer
 * alike is looked at with it (capability_same.h): a first coincidence brings both routes' turns forward, with the same next question; a second one is told for both. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/capability_try.h"
#include "probed/probe/prober_parts.h"
#include "shared/alloc.h"

#define PAUSE (2 * USEC_PER_SEC)
#define BUSY_FOR (2 * USEC_PER_SEC)
#define LEARNT_ENOUGH 5 /* of the route's chats: their thinking is known */
#define SURPRISE 10     /* times the limit that a model may think which nothing is known of */
#define THINKING 512

struct trial {
    unsigned left; /* bit a capability: still to be tried */
    struct capability_try now;
    struct chat_reading *reading; /* of STREAM */
    enum stage timeout_stage;
    struct buf body; /* of the others */
    bool unpaid;     /* it ended for want of money */
    bool asked_again; /* its answer was another model's: the next question comes soon */
};

static struct platform *platform_of(const struct target *t) { return &t->p->platforms[t->platform]; }
static struct rare *rare_of(const struct target *t) { return &platform_of(t)->rare[t->index]; }
static const struct target *chat_of(const struct target *t) { return platform_of(t)->routes[t->index]; }

static void trial_free(struct target *t)
{
    if (!t->trial)
        return;
    chat_reading_free(t->trial->reading);
    buf_done(&t->trial->body);
    free(t->trial);
    t->trial = NULL;
    t->http = http_target_free(t->http);
}

static void trial_end(struct target *t)
{
    bool unpaid = t->trial->unpaid, again = t->trial->asked_again;
    trial_free(t);
    rare_trial_over(t->p, t->platform, t->index);
    if (unpaid)
        rare_trial_unpaid(t->p, t->platform, t->index, t->why);
    if (again)
        rare_trial_again(t->p, t->platform, t->index, 1u << CAPABILITY_STREAM);
    rare_trial_plan(t->p, t->platform);
}

void trial_plan(struct target *t)
{
    if (t->trial->left == 0) {
        trial_end(t);
        return;
    }
    t->due = loop_now(t->p->loop) + PAUSE;
    loop_timer_set(t->timer, t->due);
}

/* --- what was found --------------------------------------------------------------------------------------------------------------- */

static void learn(struct target *t, enum capability capability, const struct capability_finding *finding)
{
    struct rare *rare = rare_of(t);
    const struct config_platform *c = platform_of(t)->config;
    const struct config_route *route = target_route(t);
    if (!rare->known)
        rare->known = alloc_zero(1, sizeof *rare->known);
    struct capability_known *known = &rare->known->of[capability];
    bool declared = capability_declared(capability, route->tags, route->tags_len, c->tags, c->tags_len);
    capability_learn(known, finding->state, declared, finding->evidence, loop_now(t->p->loop));
    if (t->p->owner.capability)
        t->p->owner.capability(t->p->owner.arg, t->platform, t->index, capability, known);
}

/* The rest would fail alike, or cost what is not there. */
static bool tells_of_the_rest(const struct observation *o)
{
    switch (o->outcome.kind) {
    case OUTCOME_RATE_LIMITED:
    case OUTCOME_AUTH:
    case OUTCOME_NO_CREDIT: return true;
    default: return !outcome_ok(o->outcome) && o->outcome.stage <= STAGE_TLS;
    }
}

/* --- the same answer from different models -------------------------------------------------------------------------------------------- */

static unsigned coincidences(const struct answers *a, const struct answers *b)
{
    unsigned n = 0;
    for (int q = 0; a && b && q < SAME_QUESTIONS; q++)
        n += a->hash[q] != 0 && a->hash[q] == b->hash[q];
    return n;
}

static void signal_same(struct observation *o, const char *model)
{
    char why[96];
    snprintf(why, sizeof why, "to the letter what %.60s answers", model);
    chat_add_signal(o, OBSERVED_SAME_ANSWER, "same_answer", why);
}

/* The other of the two was not asked just now: it hears of it by an observation of its own. */
static void tell_other(struct target *t, size_t other)
{
    struct observation o = observation_make(PROBE_CAPABILITIES, loop_now(t->p->loop), outcome_make(STAGE_DONE, OUTCOME_OK, 200));
    signal_same(&o, target_route(t)->upstream);
    t->p->owner.observed(t->p->owner.arg, t->platform, other, &o);
}

static void compare_answers(struct target *t, const char *reply, struct observation *o)
{
    struct platform *pf = platform_of(t);
    struct rare *rare = rare_of(t);
    unsigned question = t->trial->now.question % SAME_QUESTIONS;
    if (!rare->answers)
        rare->answers = alloc_zero(1, sizeof *rare->answers);
    rare->answers->hash[question] = same_hash(reply);
    rare->answers->next = (uint8_t)((question + 1) % SAME_QUESTIONS);
    for (size_t j = 0; j < pf->config->routes_len && rare->answers->hash[question] != 0; j++) {
        struct answers *other = pf->rare[j].answers;
        const char *model = pf->config->routes[j].upstream;
        if (j == t->index || !other || other->hash[question] != rare->answers->hash[question] || !same_differ(target_route(t)->upstream, model))
            continue;
        if (coincidences(rare->answers, other) >= 2) {
            signal_same(o, model);
            tell_other(t, j);
        } else { /* chance, or not: both are asked the next question soon */
            other->next = rare->answers->next;
            rare_trial_again(t->p, t->platform, j, 1u << CAPABILITY_STREAM);
            t->trial->asked_again = true;
        }
    }
}

/* --- the end of a request ---------------------------------------------------------------------------------------------------------------- */

/* An answer that was read whole. */
static void judge_answer(struct target *t, const struct http_result *result, struct observation *o)
{
    struct trial *trial = t->trial;
    struct capability_finding finding;
    const struct capability_answer answer = {
        .stage = result->stage,
        .transport = result->kind,
        .status = result->status,
        .content_type = result->content_type,
        .body = buf_str(&trial->body),
        .len = trial->body.len,
    };
    capability_judge(&trial->now, target_route(t)->upstream, &answer, &finding);
    *o = observation_make(PROBE_CAPABILITIES, result->ended, finding.outcome);
    o->prompt_tokens = finding.prompt_tokens;
    o->output_tokens = finding.output_tokens;
    text_copy(o->detail, sizeof o->detail, finding.detail, strlen(finding.detail));
    learn(t, trial->now.capability, &finding);
}

static void judge_stream(struct target *t, const struct http_result *result, struct observation *o)
{
    struct trial *trial = t->trial;
    struct capability_finding stream, usage;
    chat_reading_finish(trial->reading, result, trial->timeout_stage, o);
    o->probe = PROBE_CAPABILITIES;
    o->flags &= (uint16_t)~(OBSERVED_CHALLENGE_PASSED | OBSERVED_CHALLENGE_FAILED); /* there was none */
    capability_judge_stream(o, &stream, &usage);
    learn(t, CAPABILITY_STREAM, &stream);
    learn(t, CAPABILITY_USAGE, &usage);
    if (outcome_ok(o->outcome))
        compare_answers(t, chat_reading_reply(trial->reading), o);
    trial->reading = chat_reading_free(trial->reading);
}

static void request_over(struct target *t, const struct http_result *result)
{
    struct prober *p = t->p;
    struct observation o;
    if (t->deadline)
        loop_timer_stop(t->deadline);
    if (t->trial->now.capability == CAPABILITY_STREAM)
        judge_stream(t, result, &o);
    else
        judge_answer(t, result, &o);
    buf_done(&t->trial->body);
    observation_from_http(&o, t, result);
    o.in_flight = 1;
    o.interval = target_probe(t)->rule.interval;
    money_cost(t, &o);
    money_settle_sum(t, o.cost_pico);
    if (!outcome_ok(o.outcome))
        p->stats.failed[PROBE_CAPABILITIES]++;
    if (tells_of_the_rest(&o))
        t->trial->left = 0;
    admit_done(t);
    p->owner.observed(p->owner.arg, t->platform, t->index, &o);
    trial_plan(t);
}

static int on_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct target *t = arg;
    if (t->trial->reading)
        return chat_reading_data(t->trial->reading, http_status(t->http), http_content_type(t->http), data, len, now);
    buf_add(&t->trial->body, data, len);
    return t->trial->body.full;
}

static void on_done(void *arg, const struct http_result *result) { request_over(arg, result); }

static void on_deadline(void *arg)
{
    struct target *t = arg;
    const struct config_timeouts *timeouts = rare_timeouts(t);
    usec_t now = loop_now(t->p->loop), sent = http_sent(t->http);
    enum stage stage = chat_reading_has_token(t->trial->reading) ? STAGE_STREAM : STAGE_FIRST;
    usec_t due = stage == STAGE_STREAM ? chat_reading_last(t->trial->reading) + timeouts->stall : (sent >= 0 ? sent : now) + timeouts->first;
    if (now < due) {
        loop_timer_set(t->deadline, due);
        return;
    }
    struct http_result result;
    http_cancel(t->http, &result);
    t->trial->timeout_stage = stage;
    request_over(t, &result);
}

/* --- a request --------------------------------------------------------------------------------------------------------------------------- */

/* The limit of the answer, and the most that it may come to with thinking. */
static int limits(const struct target *t, enum capability capability, int *ret_prompt, double *ret_most)
{
    const struct target *chat = chat_of(t);
    int output;
    capability_tokens(capability, ret_prompt, &output);
    *ret_most = output;
    if (output == 0 || !money_reasoning(chat))
        return output;
    int usual = money_max_tokens(chat);
    output += usual > THINKING ? usual : THINKING;
    *ret_most = chat->learnt >= LEARNT_ENOUGH || chat->manners.bounded ? output : (double)output * SURPRISE;
    if (chat->most_output * 1.5 > *ret_most)
        *ret_most = chat->most_output * 1.5;
    return output;
}

static int send_request(struct target *t)
{
    struct trial *trial = t->trial;
    const struct platform *pf = platform_of(t);
    const struct config_route *route = target_route(t);
    const struct config_timeouts *timeouts = rare_timeouts(t);
    const struct challenge none = {.prompt = ""};
    struct chat_ask ask = chat_ask_of(chat_of(t), "");
    struct chat_request chat;
    double most;
    int prompt;
    ask.max_tokens = limits(t, trial->now.capability, &prompt, &most);
    if (chat_of(t)->manners.most_tokens > 0 && ask.max_tokens > chat_of(t)->manners.most_tokens)
        ask.max_tokens = chat_of(t)->manners.most_tokens;
    capability_request(&trial->now, &ask, &chat);
    bool stream = trial->now.capability == CAPABILITY_STREAM;
    trial->timeout_stage = STAGE_COUNT;
    trial->body = (struct buf)BUF_CAP(CAPABILITY_BODY_MAX);
    if (stream) {
        trial->reading = chat_reading_new(route->dialect, route->upstream, &none);
        chat_reading_asked(trial->reading, &ask);
    }
    if (!t->http)
        t->http = http_target_new(t->p->http, pf->config->ca_file);
    struct http_request request = {
        .connect_timeout = timeouts->connect,
        .headers_timeout = stream ? timeouts->headers : timeouts->total, /* whole answers come when they are made */
        .total_timeout = timeouts->total,
        .max_body = stream || t->p->config->max_body < CAPABILITY_BODY_MAX ? t->p->config->max_body : CAPABILITY_BODY_MAX,
        .on_data = on_data,
        .on_done = on_done,
        .arg = t,
    };
    int r = send_post(t, t->http, &chat, trial->now.capability != CAPABILITY_EMBEDDINGS, &request);
    chat_request_done(&chat);
    if (r < 0) {
        trial->reading = chat_reading_free(trial->reading);
        return r;
    }
    if (stream) {
        if (!t->deadline)
            t->deadline = loop_timer_new(t->p->loop, "trial deadline", on_deadline, t);
        loop_timer_set(t->deadline, loop_now(t->p->loop) + (timeouts->first < timeouts->stall ? timeouts->first : timeouts->stall));
    }
    return 0;
}

/* The money is there, and that is written down. */
static int trial_send(struct target *t)
{
    int r = send_request(t);
    if (r < 0) {
        money_settle_sum(t, 0);
        t->trial->left = 0;
    }
    return r;
}

static enum capability next_of(unsigned left)
{
    for (int c = 0; c < CAPABILITY_COUNT; c++)
        if (left & 1u << c)
            return c == CAPABILITY_USAGE ? CAPABILITY_STREAM : (enum capability)c;
    return CAPABILITY_STREAM;
}

int trial_start(struct target *t)
{
    struct trial *trial = t->trial;
    const struct rare *rare = rare_of(t);
    enum capability capability = next_of(trial->left);
    double most;
    int prompt, output = limits(t, capability, &prompt, &most);
    trial->left &= ~(1u << capability);
    if (capability == CAPABILITY_STREAM)
        trial->left &= ~(1u << CAPABILITY_USAGE);
    capability_try_make(&trial->now, capability, target_route(t)->dialect, rare->answers ? rare->answers->next : 0, &t->p->random);
    t->account = chat_of(t)->account;
    int r = money_reserve_sum(t, money_price(t, prompt, most), money_price(t, prompt, output), loop_now(t->p->loop));
    if (r == -EINPROGRESS)
        return 0;
    if (r == 0)
        return trial_send(t);
    trial->left = 0;
    trial->unpaid = true;
    return r;
}

void trial_reserved(struct target *t, int error)
{
    TAILQ_REMOVE(&t->p->reserving, t, reserving);
    t->ticket = 0;
    t->started = loop_now(t->p->loop);
    if (error < 0) {
        money_unreserve(t);
        t->trial->left = 0;
        t->trial->unpaid = true;
    }
    if (error < 0 || trial_send(t) < 0) {
        admit_done(t);
        trial_plan(t);
    }
}

/* --- a trial ----------------------------------------------------------------------------------------------------------------------------- */

static void begin(struct target *t, size_t route)
{
    const struct rare *rare;
    t->index = route;
    rare = rare_of(t);
    t->trial = alloc_zero(1, sizeof *t->trial);
    for (int c = 0; c < CAPABILITY_COUNT; c++)
        if ((rare->wanted == 0 || rare->wanted & 1u << c) && rare_applies(t->p, t->platform, route, (enum capability)c))
            t->trial->left |= 1u << c;
    platform_of(t)->trial_at = loop_now(t->p->loop);
}

void trial_due(struct target *t)
{
    const char *why;
    size_t route;
    if (!t->trial) {
        if (!rare_trial_choose(t->p, t->platform, &route)) {
            rare_trial_plan(t->p, t->platform);
            return;
        }
        begin(t, route);
        if (t->trial->left == 0) { /* there is nothing to try in its dialect */
            trial_end(t);
            return;
        }
    } else if (rare_barred(t->p, PROBE_CAPABILITIES, t->platform, t->index, &why) > 0) {
        trial_end(t);
        return;
    }
    t->due = loop_now(t->p->loop);
    if (route_is_busy(t->p, t->platform, t->index, t))
        loop_timer_set(t->timer, t->due + BUSY_FOR);
    else
        admit_queue(t);
}

void trial_abandon(struct target *t)
{
    if (t->ticket > 0) { /* nothing was sent yet */
        TAILQ_REMOVE(&t->p->reserving, t, reserving);
        t->ticket = 0;
        money_settle_sum(t, 0);
    }
    if (t->deadline)
        loop_timer_stop(t->deadline);
    trial_free(t);
}
