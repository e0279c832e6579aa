/* The prober: targets and their lives.
 *
 * A target waits for its time (IDLE, timer set), waits for a place (QUEUED), runs (RUNNING), and is then planned again; exactly one of the three holds
 * at any time, and target_finish is the only way from RUNNING back. Levels: a platform that may only be reached has no models request, a route that may not
 * be chatted with is asked again at each turn whether it may now (money comes back as the window rolls on), without sending anything.
 *
 * A reload makes a new prober from the new configuration and hands it the old one: targets of the same name are moved over as they are, with
 * schedule, endpoint health, learnt sizes, kept connection and even the request in flight; only what has another address or another key is begun
 * anew. What is left in the old prober is no longer configured and dies with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/prober_parts.h"
#include "shared/alloc.h"

#define BUSY_FOR (2 * USEC_PER_SEC)
#define STARTUP_REACH (2 * USEC_PER_SEC)
#define STARTUP_MODELS (5 * USEC_PER_SEC)
#define STARTUP_CHAT (10 * USEC_PER_SEC)
#define GOVERN_EVERY (15 * USEC_PER_SEC)
/* Fast (transition, provisional) probing of paid routes only while less than this share of the day's budget is gone. */
#define FAST_SHARE 0.25

const struct config_probe *target_probe(const struct target *t) { return &t->p->platforms[t->platform].config->probes[t->kind]; }

const struct config_route *target_route(const struct target *t) { return &t->p->platforms[t->platform].config->routes[t->index]; }

bool platform_lacks_key(const struct platform *pf) { return pf->config->key_required && !pf->key; }

size_t platform_headers(const struct platform *pf, struct http_header *ret)
{
    size_t n = 0;
    if (pf->config->user_agent)
        ret[n++] = (struct http_header){"User-Agent", pf->config->user_agent};
    for (size_t i = 0; i < pf->config->headers_len && n < PROBE_HEADERS_MAX; i++)
        ret[n++] = (struct http_header){pf->config->headers[i].name, pf->config->headers[i].value};
    return n;
}

bool platform_auth(const struct platform *pf, enum dialect_id dialect, struct http_header *ret, struct buf *value)
{
    if (!pf->key)
        return false;
    const struct dialect *d = dialect_get(dialect);
    buf_add_str(value, d->key_bearer && pf->config->key_bearer ? "Bearer " : "");
    buf_add_str(value, secret_reveal(pf->key));
    *ret = (struct http_header){d->key_header, buf_str(value)};
    return true;
}

void secret_value_done(struct buf *value)
{
    if (value->data)
        explicit_bzero(value->data, value->len);
    buf_done(value);
}

/* --- when ------------------------------------------------------------------------------------------------------------ */

/* The rule as it is now: a paid chat's intervals are stretched by the governor, and it is not hurried once a good part of the money is gone. */
struct schedule_rule target_rule(const struct target *t)
{
    const struct prober *p = t->p;
    struct schedule_rule rule = target_probe(t)->rule;
    if (t->kind != PROBE_CHAT || p->stretch <= 1 || money_expected(t) <= 0)
        return rule;
    rule.interval = (usec_t)((double)rule.interval * p->stretch);
    rule.fast = (usec_t)((double)rule.fast * p->stretch);
    if (rule.fast > rule.interval)
        rule.fast = rule.interval;
    if (rule.slow < rule.interval)
        rule.slow = rule.interval;
    if ((double)budget_spent(p->budget, loop_now(p->loop)) > FAST_SHARE * (double)p->config->budget.all)
        rule.fast = rule.interval;
    return rule;
}

static enum pace target_pace(const struct target *t)
{
    const struct prober *p = t->p;
    switch (t->kind) {
    case PROBE_CHAT: return p->owner.pace(p->owner.arg, t->platform, t->index);
    case PROBE_REACH: return endpoints_pace(t, &p->config->health);
    default: return t->fails > 0 && t->fails <= 4 * p->config->health.fall ? PACE_FAST : PACE_STEADY;
    }
}

bool route_is_busy(const struct prober *p, size_t platform, size_t route, const struct target *but)
{
    const struct platform *pf = &p->platforms[platform];
    const struct target *paid[] = {pf->routes[route], pf->trial, p->burst};
    for (size_t i = 0; i < ARRAY_LEN(paid); i++)
        if (paid[i] && paid[i] != but && paid[i]->phase != TARGET_IDLE && paid[i]->platform == platform && paid[i]->index == route)
            return true;
    return false;
}

void target_plan(struct target *t, usec_t retry_after)
{
    if (t->kind == PROBE_CAPABILITIES) {
        trial_plan(t);
        return;
    }
    struct schedule_rule rule = target_rule(t);
    t->due = schedule_next(&t->schedule, &rule, target_pace(t), retry_after, loop_now(t->p->loop), &t->p->random);
    loop_timer_set(t->timer, t->due);
}

static void target_due(void *arg)
{
    struct target *t = arg;
    struct prober *p = t->p;
    if (t->kind == PROBE_BURST) {
        burst_due(t);
        return;
    }
    if (t->kind == PROBE_CAPABILITIES) {
        trial_due(t);
        return;
    }
    if (t->kind == PROBE_CHAT) {
        if (route_is_busy(p, t->platform, t->index, t)) { /* one paid probe of a route at a time */
            t->due = loop_now(p->loop) + BUSY_FOR;
            loop_timer_set(t->timer, t->due);
            return;
        }
        char why[sizeof t->why];
        enum probe_level level = money_level(t, loop_now(p->loop), why, sizeof why);
        money_level_changed(t, level, why);
        if (level < LEVEL_CHAT) {
            target_plan(t, 0);
            return;
        }
    }
    admit_queue(t);
}

/* --- the end of a probe ------------------------------------------------------------------------------------------------ */

void observation_from_http(struct observation *o, const struct target *t, const struct http_result *result)
{
    usec_t asked = t->due < t->started ? t->due : t->started;
    o->at = result->ended;
    o->queue = result->started > asked ? result->started - asked : 0;
    o->dns = result->dns;
    o->connect = result->connect;
    o->tls = result->tls;
    o->wait = result->headers >= 0 && result->sent >= 0 ? result->headers - result->sent : OBSERVATION_UNKNOWN;
    o->total = result->ended - result->started;
    o->retry_after = result->retry_after;
    o->reused = result->reused;
    o->http_version = (uint8_t)result->http_version;
    o->endpoint = t->endpoint;
    if (o->detail[0] == '\0' && !outcome_ok(o->outcome))
        text_copy(o->detail, sizeof o->detail, result->detail, strlen(result->detail));
}

void prober_deliver(struct prober *p, struct target *t, struct observation *o)
{
    switch (t->kind) {
    case PROBE_REACH: endpoints_seen(t, o); break;
    case PROBE_MODELS:
        t->fails = outcome_ok(o->outcome) ? 0 : t->fails + 1;
        t->last = *o;
        p->owner.observed_platform(p->owner.arg, t->platform, o);
        break;
    case PROBE_BURST: burst_told(t, o); break;
    default:
        p->owner.observed(p->owner.arg, t->platform, t->index, o);
        burst_chat_seen(p, t, o);
        break;
    }
}

void target_finish(struct target *t, struct observation *o)
{
    struct prober *p = t->p;
    o->interval = t->schedule.interval;
    if (!outcome_ok(o->outcome))
        p->stats.failed[t->kind]++;
    admit_done(t);
    if (!anchors_hold(p->anchors, t, o))
        prober_deliver(p, t, o);
    target_plan(t, o->retry_after); /* after delivery: it may have changed the pace */
}

/* --- targets are made, moved, freed ------------------------------------------------------------------------------------ */

static void target_name(const struct target *t, struct buf *ret)
{
    const struct config_platform *pf = t->p->platforms[t->platform].config;
    switch (t->kind) {
    case PROBE_REACH: buf_printf(ret, "reach %s %s", pf->name, pf->endpoints[t->index].url); break;
    case PROBE_MODELS: buf_printf(ret, "models %s", pf->name); break;
    case PROBE_BURST: buf_add_str(ret, "burst"); break;
    case PROBE_CAPABILITIES: buf_printf(ret, "capabilities %s", pf->name); break;
    default: buf_printf(ret, "chat %s/%s", pf->name, pf->routes[t->index].model); break;
    }
}

static struct target *target_free(struct target *t)
{
    if (!t)
        return NULL;
    admit_withdraw(t);
    if (t->kind == PROBE_CHAT)
        chat_abandon(t);
    else if (t->kind == PROBE_CAPABILITIES)
        trial_abandon(t);
    else if (t->kind == PROBE_BURST)
        burst_abandon(t);
    anchors_forget(t->p->anchors, t);
    if (t->phase == TARGET_RUNNING)
        admit_done(t);
    http_target_free(t->http);
    loop_timer_free(t->timer);
    loop_timer_free(t->deadline);
    buf_done(&t->body);
    free(t);
    return NULL;
}

static struct target *target_new(struct prober *p, enum probe_kind kind, size_t platform, size_t index)
{
    struct target *t = alloc_zero(1, sizeof *t);
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    t->p = p;
    t->kind = kind;
    t->platform = platform;
    t->index = index;
    t->up = true;
    t->last = observation_make(kind, 0, outcome_make(STAGE_QUEUE, OUTCOME_OK, 0));
    t->timeout_stage = STAGE_COUNT;
    t->account = -1;
    t->timer = loop_timer_new(p->loop, probe_kind_name(kind), target_due, t);
    if (kind <= PROBE_CHAT) /* the rare kinds make theirs when they need them */
        t->http = http_target_new(p->http, p->platforms[platform].config->ca_file);
    if (kind != PROBE_BURST) /* that belongs to no platform */
        target_name(t, &name);
    schedule_init(&t->schedule, buf_str(&name));
    return t;
}

/* Puts a target that came from the old prober where it now belongs. */
static void target_move(struct target *t, struct prober *p, size_t platform, size_t index)
{
    bool queued = t->phase == TARGET_QUEUED, running = t->phase == TARGET_RUNNING;
    struct prober *from = t->p;
    anchors_forget(t->p->anchors, t);
    if (queued)
        admit_withdraw(t);
    if (running) {
        t->p->in_flight--;
        t->p->platforms[t->platform].in_flight--;
        p->in_flight++;
        p->platforms[platform].in_flight++;
    }
    t->p = p;
    t->platform = platform;
    t->index = index;
    if (t->ticket > 0) {
        TAILQ_REMOVE(&from->reserving, t, reserving);
        TAILQ_INSERT_TAIL(&p->reserving, t, reserving);
    }
    if (running && t->kind == PROBE_CHAT && money_expected(t) > t->expected)
        t->expected = money_expected(t); /* it will be settled at the dearer of both prices, which must not look like a surprise */
    if (queued)
        admit_queue(t);
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

/* May what `old` has (connections, a request in flight) go on under `new`? Same addresses, key and certificate authority. */
static bool same_destination(const struct platform *old, const struct platform *new)
{
    if (old->config->endpoints_len != new->config->endpoints_len || !secret_equal(old->key, new->key) ||
        !same_text(old->config->ca_file, new->config->ca_file))
        return false;
    for (size_t i = 0; i < old->config->endpoints_len; i++)
        if (strcmp(old->config->endpoints[i].url, new->config->endpoints[i].url) != 0 ||
            old->config->endpoints[i].dialect != new->config->endpoints[i].dialect)
            return false;
    return true;
}

static bool same_route(const struct config_route *a, const struct config_route *b)
{
    return strcmp(a->model, b->model) == 0 && strcmp(a->upstream, b->upstream) == 0 && a->dialect == b->dialect &&
           a->max_tokens == b->max_tokens && a->reasoning == b->reasoning;
}

static struct target *adopt(struct target **from, struct prober *p, size_t platform, size_t index)
{
    struct target *t = *from;
    *from = NULL;
    target_move(t, p, platform, index);
    return t;
}

static struct target *adopt_endpoint(struct platform *old, const char *url, struct prober *p, size_t platform, size_t index)
{
    for (size_t i = 0; i < old->config->endpoints_len; i++)
        if (old->endpoints[i] && strcmp(old->config->endpoints[i].url, url) == 0 &&
            same_text(old->config->ca_file, p->platforms[platform].config->ca_file))
            return adopt(&old->endpoints[i], p, platform, index);
    return NULL;
}

static struct target *adopt_route(struct platform *old, const struct config_route *route, struct prober *p, size_t platform, size_t index)
{
    for (size_t i = 0; i < old->config->routes_len; i++) {
        if (!old->routes[i] || !same_route(&old->config->routes[i], route))
            continue;
        if (same_destination(old, &p->platforms[platform]))
            return adopt(&old->routes[i], p, platform, index);
        struct target *t = target_new(p, PROBE_CHAT, platform, index); /* only what was learnt of the model */
        t->schedule = old->routes[i]->schedule;
        t->max_tokens = old->routes[i]->max_tokens;
        t->learnt = old->routes[i]->learnt;
        t->learnt_prompt = old->routes[i]->learnt_prompt;
        t->learnt_output = old->routes[i]->learnt_output;
        t->most_output = old->routes[i]->most_output;
        t->manners = old->routes[i]->manners;
        return t;
    }
    return NULL;
}

/* One that is under way goes on, if its route still is what it was. */
static struct target *adopt_trial(struct platform *old, struct prober *p, size_t platform)
{
    const struct config_platform *c = p->platforms[platform].config;
    if (!old->trial || !old->trial->trial || !same_destination(old, &p->platforms[platform]))
        return NULL;
    for (size_t i = 0; i < c->routes_len; i++)
        if (same_route(&old->config->routes[old->trial->index], &c->routes[i])) {
            struct target *t = adopt(&old->trial, p, platform, i);
            t->account = p->platforms[platform].routes[i]->account;
            return t;
        }
    return NULL;
}

static struct platform *find_platform(struct prober *old, const char *name)
{
    for (size_t i = 0; old && i < old->platforms_len; i++)
        if (strcmp(old->platforms[i].config->name, name) == 0)
            return &old->platforms[i];
    return NULL;
}

static void platform_init(struct prober *p, size_t index, struct prober *old)
{
    struct platform *pf = &p->platforms[index], *before = find_platform(old, pf->config->name);
    const struct config_platform *c = pf->config;
    pf->endpoints = alloc_zero(c->endpoints_len, sizeof *pf->endpoints);
    pf->routes = alloc_zero(c->routes_len, sizeof *pf->routes);
    pf->prices = alloc_zero(c->routes_len + 1, sizeof *pf->prices);
    for (size_t i = 0; i < c->routes_len; i++)
        pf->prices[i] = config_price_in_reference(p->config, &c->routes[i].price);
    for (size_t i = 0; i < c->endpoints_len; i++) {
        pf->endpoints[i] = before ? adopt_endpoint(before, c->endpoints[i].url, p, index, i) : NULL;
        if (!pf->endpoints[i])
            pf->endpoints[i] = target_new(p, PROBE_REACH, index, i);
    }
    if (before && before->models && same_destination(before, pf))
        pf->models = adopt(&before->models, p, index, 0);
    else
        pf->models = target_new(p, PROBE_MODELS, index, 0);
    for (size_t i = 0; i < c->routes_len; i++) {
        pf->routes[i] = before ? adopt_route(before, &c->routes[i], p, index, i) : NULL;
        if (!pf->routes[i])
            pf->routes[i] = target_new(p, PROBE_CHAT, index, i);
        pf->routes[i]->account = budget_route(p->budget, c->name, c->routes[i].model);
    }
    endpoints_init(pf);
    rare_init(pf, before, p, index);
    pf->trial = before ? adopt_trial(before, p, index) : NULL;
    if (!pf->trial)
        pf->trial = target_new(p, PROBE_CAPABILITIES, index, 0);
}

static void burst_init(struct prober *p, struct prober *old)
{
    struct target *t = old ? old->burst : NULL;
    const struct platform *was = t && burst_under_way(t) ? &old->platforms[t->platform] : NULL;
    for (size_t i = 0; was && i < p->platforms_len; i++) {
        const struct platform *pf = &p->platforms[i];
        if (strcmp(pf->config->name, was->config->name) != 0 || !same_destination(was, pf))
            continue;
        for (size_t j = 0; j < pf->config->routes_len; j++)
            if (same_route(&was->config->routes[t->index], &pf->config->routes[j])) {
                anchors_forget(old->anchors, t);
                burst_move(t, p, i, j);
                p->burst = t;
                old->burst = NULL;
                return;
            }
    }
    p->burst = target_new(p, PROBE_BURST, 0, 0);
}

static void platform_key(struct platform *pf)
{
    struct err err = {""};
    int r = secret_load(&pf->config->key, &pf->key, &err);
    if (r < 0)
        text_copy(pf->key_why, sizeof pf->key_why, err.text, strlen(err.text));
}

static void on_pump(void *arg) { admit_pump(arg); }

static void on_govern(void *arg)
{
    struct prober *p = arg;
    money_govern(p);
    loop_timer_set(p->governor, loop_now(p->loop) + GOVERN_EVERY);
}

struct prober *prober_new(struct loop *loop, struct http *http, struct config *config, struct budget *budget,
                          const struct prober_owner *owner, struct prober *old, uint64_t seed)
{
    struct prober *p = alloc_zero(1, sizeof *p);
    p->loop = loop;
    p->http = http;
    p->config = config_ref(config);
    p->budget = budget;
    p->owner = *owner;
    p->random = old ? old->random : seed;
    p->stretch = old ? old->stretch : 1;
    TAILQ_INIT(&p->ready);
    TAILQ_INIT(&p->reserving);
    p->tickets = old ? old->tickets : 0;
    p->pump = loop_timer_new(loop, "probe queue", on_pump, p);
    p->governor = loop_timer_new(loop, "budget governor", on_govern, p);
    p->platforms_len = config->platforms_len;
    p->platforms = alloc_zero(p->platforms_len, sizeof *p->platforms);
    for (size_t i = 0; i < p->platforms_len; i++) {
        struct platform *pf = &p->platforms[i];
        pf->config = &config->platforms[i];
        pf->cap = pf->config->concurrency > 0 ? pf->config->concurrency : config->platform_concurrency;
        TAILQ_INIT(&pf->waiting);
        platform_key(pf);
    }
    if (old)
        p->stats = old->stats;
    for (size_t i = 0; i < p->platforms_len; i++)
        platform_init(p, i, old);
    burst_init(p, old);
    p->anchors = anchors_new(p);
    return p;
}

struct prober *prober_free(struct prober *p)
{
    if (!p)
        return NULL;
    target_free(p->burst);
    p->burst = NULL;
    for (size_t i = 0; i < p->platforms_len; i++) {
        struct platform *pf = &p->platforms[i];
        for (size_t j = 0; pf->endpoints && j < pf->config->endpoints_len; j++)
            target_free(pf->endpoints[j]);
        for (size_t j = 0; pf->routes && j < pf->config->routes_len; j++)
            target_free(pf->routes[j]);
        target_free(pf->models);
        target_free(pf->trial);
        rare_free(pf);
        free(pf->endpoints);
        free(pf->routes);
        free(pf->prices);
        secret_free(pf->key);
    }
    anchors_free(p->anchors);
    loop_timer_free(p->pump);
    loop_timer_free(p->governor);
    free(p->platforms);
    config_unref(p->config);
    free(p);
    return NULL;
}

/* A target that was never planned gets its first time; one that was taken over keeps its own. */
static void target_start(struct target *t, usec_t spread)
{
    if (t->phase != TARGET_IDLE || loop_timer_active(t->timer))
        return;
    struct schedule_rule rule = target_rule(t);
    if (rule.fast < spread && t->kind == PROBE_CHAT)
        spread = rule.fast;
    t->due = schedule_first(&t->schedule, &rule, spread, loop_now(t->p->loop));
    loop_timer_set(t->timer, t->due);
}

void prober_start(struct prober *p)
{
    usec_t now = loop_now(p->loop);
    for (size_t i = 0; i < p->platforms_len; i++) {
        struct platform *pf = &p->platforms[i];
        if (pf->config->level == LEVEL_OFF)
            continue;
        for (size_t j = 0; j < pf->config->endpoints_len; j++)
            target_start(pf->endpoints[j], STARTUP_REACH);
        if (pf->config->level >= LEVEL_MODELS && !platform_lacks_key(pf))
            target_start(pf->models, STARTUP_MODELS);
        for (size_t j = 0; j < pf->config->routes_len; j++) {
            struct target *t = pf->routes[j];
            char why[sizeof t->why];
            enum probe_level level = money_level(t, now, why, sizeof why);
            t->level = LEVEL_OFF; /* so that the owner, who may be new, hears of it */
            money_level_changed(t, level, why);
            if (pf->config->routes[j].level >= LEVEL_CHAT && pf->config->level >= LEVEL_CHAT && !platform_lacks_key(pf))
                target_start(t, STARTUP_CHAT);
        }
    }
    on_govern(p);
    anchors_start(p->anchors);
    rare_start(p);
    admit_pump(p);
}

void prober_reserved(struct prober *p, uint64_t ticket, int error)
{
    struct target *t;
    TAILQ_FOREACH(t, &p->reserving, reserving)
    {
        if (t->ticket == ticket) {
            if (t->kind == PROBE_BURST)
                burst_reserved(t, error);
            else if (t->kind == PROBE_CAPABILITIES)
                trial_reserved(t, error);
            else
                chat_reserved(t, error);
            return;
        }
    }
}

/* --- reports ----------------------------------------------------------------------------------------------------------- */

void prober_report_platform(const struct prober *p, size_t platform, struct prober_platform_report *ret)
{
    const struct platform *pf = &p->platforms[platform];
    const struct config_platform *c = pf->config;
    *ret = (struct prober_platform_report){.level = c->level, .has_key = pf->key != NULL};
    if (platform_lacks_key(pf) && c->level > LEVEL_REACH) {
        ret->level = LEVEL_REACH;
        snprintf(ret->why, sizeof ret->why, "%.150s", pf->key_why);
    }
    enum dialect_id d = endpoints_dialect(pf);
    if (pf->in_use[d] != UINT8_MAX)
        ret->endpoint = c->endpoints[pf->in_use[d]].url;
    for (size_t i = 0; i < c->endpoints_len && i < CONFIG_ENDPOINTS_MAX; i++)
        ret->endpoints[ret->endpoints_len++] = (struct prober_endpoint_report){
            .url = c->endpoints[i].url,
            .dialect = c->endpoints[i].dialect,
            .in_use = pf->in_use[c->endpoints[i].dialect] == i,
            .up = pf->endpoints[i]->up,
            .last = pf->endpoints[i]->last,
        };
}

void prober_report_route(const struct prober *p, size_t platform, size_t route, struct prober_route_report *ret)
{
    const struct target *t = p->platforms[platform].routes[route];
    *ret = (struct prober_route_report){
        .level = t->level,
        .expected_pico = money_expected(t),
        .reserve_pico = money_worst(t),
        .spent_pico = budget_spent_route(p->budget, t->account, loop_now(p->loop)),
        .max_tokens = money_max_tokens(t),
        .next = t->phase == TARGET_IDLE ? t->due : loop_now(p->loop),
    };
    snprintf(ret->why, sizeof ret->why, "%s", t->why);
    ret->reasoning = money_reasoning(t);
    manners_describe(&t->manners, ret->left_out, sizeof ret->left_out);
}

struct prober_stats prober_stats(const struct prober *p)
{
    struct prober_stats stats = p->stats;
    stats.in_flight = p->in_flight;
    stats.queued = p->queued;
    return stats;
}

double prober_stretch(const struct prober *p) { return p->stretch; }

static void kick(struct target *t)
{
    if (!t || t->phase != TARGET_IDLE || !loop_timer_active(t->timer))
        return;
    t->kicked = true;
    t->due = loop_now(t->p->loop);
    loop_timer_set(t->timer, t->due);
}

void prober_kick(struct prober *p, size_t platform, size_t route)
{
    struct platform *pf = &p->platforms[platform];
    if (route != SIZE_MAX) {
        kick(pf->routes[route]);
        return;
    }
    for (size_t i = 0; i < pf->config->endpoints_len; i++)
        kick(pf->endpoints[i]);
    kick(pf->models);
    for (size_t i = 0; i < pf->config->routes_len; i++)
        kick(pf->routes[i]);
}

void prober_kick_kind(struct prober *p, size_t platform, size_t route, enum probe_kind kind)
{
    const struct platform *pf = &p->platforms[platform];
    for (size_t i = 0; i < pf->config->routes_len; i++) {
        if (route != SIZE_MAX && route != i)
            continue;
        if (kind == PROBE_CHAT)
            kick(pf->routes[i]);
        else if (kind == PROBE_BURST || kind == PROBE_CAPABILITIES)
            rare_kick(p, platform, i, kind);
    }
    for (size_t i = 0; kind == PROBE_REACH && i < pf->config->endpoints_len; i++)
        kick(pf->endpoints[i]);
    if (kind == PROBE_MODELS)
        kick(pf->models);
}

/* A probe under way was reserved at the old price and is settled at the new one if that is dearer, which must not look like a surprise. */
static void expect_anew(struct target *t, size_t platform, size_t route, double factor)
{
    if (t && t->phase == TARGET_RUNNING && t->platform == platform && t->index == route && factor > 1)
        t->expected = (double)t->expected * factor >= 9e18 ? INT64_MAX / 2 : (int64_t)((double)t->expected * factor);
}

void prober_set_price(struct prober *p, size_t platform, size_t route, const struct price *price)
{
    struct platform *pf = &p->platforms[platform];
    const struct price was = pf->prices[route];
    pf->prices[route] = *price;
    double before = (double)was.input + (double)was.output + (double)was.call, now = (double)price->input + (double)price->output + (double)price->call;
    double factor = was.known && price->known && before > 0 ? now / before : 1;
    expect_anew(pf->routes[route], platform, route, factor);
    expect_anew(pf->trial, platform, route, factor);
    expect_anew(p->burst, platform, route, factor);
}

const struct secret *prober_key(const struct prober *p, size_t platform) { return p->platforms[platform].key; }
