/* One route's statistics: what an observation does to them and what they say.
 *
 * The chance of failure is a mixture over the filter's three states. While good: learnt over 24 h, at its upper bound, and over 2 h shrunk to
 * that. While partly failing: the same over 10 min. While down: nearly one. Each window's prior is the longer window, so that a short one with
 * few samples says little instead of "bad". Failures in a time that was already known as down teach nothing about the times between.
 *
 * Failures have no latency here; what they cost is their wasted time and their charged share.
 * What a named reporter says passes reporters.h first, which may leave it nothing but its say about capacity, or not even that. */
#include "probed/core/route.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shared/text.h"

_Static_assert(sizeof(struct route) <= 6800, "most of what the ranker has of a route");

#define FAILS_WHEN_DOWN 0.98
#define FAILS_WHEN_PARTIAL 0.20 /* at least */
/* What is known of a relay before it is seen: it fails once in 100, on the word of 15 requests, and half a deviation is added for doubt. */
#define PRIOR_FAILED 0.15
#define PRIOR_OK 14.85
#define MARGIN 0.5
#define TRAFFIC_LASTS USEC_PER_MINUTE
#define LATEST 16
#define GOOD_SAMPLES 30.0
#define LATEST_PRIOR 4.0 /* observations that the minutes are worth beside the last few */
#define PRIOR_STRENGTH 8.0      /* observations that the longer window is worth to the shorter */

void route_init(struct route *r, usec_t now)
{
    *r = (struct route){.sampled_at = 0};
    capacity_init(&r->capacity, now);
    health_init(&r->health, now);
}

static uint32_t squeeze(usec_t t)
{
    return t < 0 ? UINT32_MAX : t >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)t;
}

static usec_t expand(uint32_t t)
{
    return t == UINT32_MAX ? OBSERVATION_UNKNOWN : (usec_t)t;
}

/* The relay's words are kept for the last few that had any; whose slot is used again loses them. */
static uint8_t keep_detail(struct route *r, const char *detail)
{
    uint8_t slot = r->detail_next;

    if (detail[0] == '\0')
        return 0;
    r->detail_next = (uint8_t)((slot + 1) % ROUTE_DETAILS);
    for (int i = 0; i < ROUTE_LAST; i++) {
        if (r->last[i].detail == slot + 1)
            r->last[i].detail = 0;
    }
    text_copy(r->details[slot], sizeof(r->details[slot]), detail, strnlen(detail, OBSERVATION_DETAIL_MAX));
    return (uint8_t)(slot + 1);
}

static void keep_last(struct route *r, const struct observation *o)
{
    uint8_t detail = keep_detail(r, o->detail);

    r->last[r->last_next] = (struct route_last){
        .at = o->at,
        .retry_after = o->retry_after,
        .interval = o->interval,
        .cost_pico = o->cost_pico,
        .tokens_per_s = (float)o->tokens_per_s,
        .prompt_tokens = o->prompt_tokens,
        .output_tokens = o->output_tokens,
        .reasoning_tokens = o->reasoning_tokens,
        .queue = squeeze(o->queue),
        .dns = squeeze(o->dns),
        .connect = squeeze(o->connect),
        .tls = squeeze(o->tls),
        .wait = squeeze(o->wait),
        .ttft = squeeze(o->ttft),
        .content = squeeze(o->content),
        .total = squeeze(o->total),
        .gap_max = squeeze(o->gap_max),
        .http_status = (uint16_t)o->outcome.http_status,
        .in_flight = o->in_flight,
        .flags = o->flags,
        .stalls = o->stalls,
        .chunks = o->chunks,
        .probe = (uint8_t)o->probe,
        .source = (uint8_t)o->source,
        .stage = (uint8_t)o->outcome.stage,
        .kind = (uint8_t)o->outcome.kind,
        .fault = (uint8_t)o->outcome.fault,
        .endpoint = o->endpoint,
        .reused = o->reused,
        .http_version = o->http_version,
        .reporter = o->reporter,
        .detail = detail,
    };
    r->last_next = (uint8_t)((r->last_next + 1) % ROUTE_LAST);
    if (r->last_len < ROUTE_LAST)
        r->last_len++;
}

bool route_last(const struct route *r, unsigned i, struct observation *ret)
{
    if (i >= r->last_len)
        return false;
    const struct route_last *k = &r->last[(r->last_next + ROUTE_LAST - 1 - i) % ROUTE_LAST];

    *ret = (struct observation){
        .at = k->at,
        .probe = (enum probe_kind)k->probe,
        .source = (enum source)k->source,
        .outcome = {.stage = (enum stage)k->stage,
                    .kind = (enum outcome_kind)k->kind,
                    .fault = (enum fault)k->fault,
                    .http_status = k->http_status},
        .retry_after = k->retry_after,
        .queue = expand(k->queue),
        .dns = expand(k->dns),
        .connect = expand(k->connect),
        .tls = expand(k->tls),
        .wait = expand(k->wait),
        .ttft = expand(k->ttft),
        .content = expand(k->content),
        .total = expand(k->total),
        .gap_max = expand(k->gap_max),
        .stalls = k->stalls,
        .chunks = k->chunks,
        .tokens_per_s = (double)k->tokens_per_s,
        .prompt_tokens = k->prompt_tokens,
        .output_tokens = k->output_tokens,
        .reasoning_tokens = k->reasoning_tokens,
        .cost_pico = k->cost_pico,
        .in_flight = k->in_flight,
        .flags = k->flags,
        .interval = k->interval,
        .endpoint = k->endpoint,
        .reused = k->reused,
        .http_version = k->http_version,
        .reporter = k->reporter,
    };
    if (k->detail > 0)
        memcpy(ret->detail, r->details[k->detail - 1], sizeof(ret->detail));
    return true;
}

static void observe_load_time(struct route *r, const struct observation *o, usec_t now)
{
    usec_t level = latency_statistic(&r->ttft, LATENCY_P50);

    if (o->in_flight > 0 && level > 0 && o->ttft > 0)
        load_time(&r->load, o->in_flight, log((double)o->ttft / (double)level), now);
}

static void observe_success(struct route *r, const struct observation *o, usec_t now)
{
    const usec_t segments[SEGMENTS] = {o->queue, o->dns, o->connect, o->tls, o->wait, o->content, o->gap_max};

    for (int i = 0; i < SEGMENTS; i++) {
        if (segments[i] >= 0)
            decay_moment_add(&r->segment[i], (double)segments[i], LATENCY_HALF_LIFE, now);
    }
    /* An answer that came in one piece has no first token of its own: its time is an upper bound and is taken as one. */
    if (o->ttft >= 0) {
        observe_load_time(r, o, now);
        if (r->capacity.tries.began > 0 && now - r->capacity.tries.at < TRAFFIC_LASTS)
            congestion_add(&r->congestion, rate_at(&r->capacity.tries, now), o->ttft, now);
        latency_add(&r->ttft, o->ttft, now);
    }
    if (o->total >= 0)
        latency_add(&r->total, o->total, now);
    if (o->tokens_per_s > 0 && !(o->flags & OBSERVED_ONE_BURST))
        decay_moment_add(&r->speed, o->tokens_per_s, LATENCY_HALF_LIFE, now);
    if (o->cost_pico >= 0)
        decay_moment_add(&r->cost_ok, (double)o->cost_pico, ROUTE_HALF_LIFE, now);
    honesty_observe(&r->honesty, o, now);
}

static void observe_failure(struct route *r, const struct observation *o, usec_t now)
{
    if (o->total >= 0) {
        decay_moment_add(&r->waste, (double)o->total / (double)USEC_PER_SEC, ROUTE_HALF_LIFE, now);
        decay_moment_add(&r->waste_lately, (double)o->total / (double)USEC_PER_SEC, ROUTE_LATELY, now);
    }
    if (o->cost_pico >= 0)
        decay_moment_add(&r->cost_failed, (double)o->cost_pico, ROUTE_HALF_LIFE, now);
}

/* True if it is evidence about how the route works while it works. */
static bool observe_health(struct route *r, const struct health_rules *rules, const struct observation *o, enum report report, bool shortage,
                           usec_t now)
{
    struct health_rules strict = *rules;
    bool was_down = r->health.verdict == VERDICT_DOWN;

    if (report == REPORT_DECIDES)
        strict.fall = 1;
    if (shortage)
        strict.rise = 1;
    bool working = health_observe(&r->health, &strict, o, now);

    if (report == REPORT_DECIDES && !was_down)
        snprintf(r->health.why, sizeof(r->health.why), "%u probes in a row failed, whatever one reporter tells: %s", r->reports.probe_fails,
                 outcome_text(o->outcome.kind));
    return working;
}

/* A success or a relay fault in the counts. */
static void observe_counts(struct route *r, const struct observation *o, bool working, usec_t now)
{
    bool ok = outcome_ok(o->outcome);

    decay_counts_add(&r->all, ok, !ok, now);
    if (!working)
        return;
    /* Of few samples all count: what a bad hour is shows only beside good ones. */
    double share = decay_counts_at(&r->good, DECAY_24H, now).ok < GOOD_SAMPLES ? 1 : r->health.good_before;

    decay_counts_add(&r->good, ok ? share : 0, ok ? 0 : share, now);
    decay_counts_add(&r->working, ok, !ok, now);
    if (o->in_flight > 0)
        load_count(&r->load, o->in_flight, ok, !ok, 0, now);
}

/* What made it go down has ended: the short memory starts anew, the long ones keep it. */
static void forget_outage(struct route *r)
{
    r->working.window[DECAY_10M] = (struct decay_pair){.ok = r->health.ok_run - 1.0};
}

/* What the route is like, from an observation that counts. */
static void observe_works(struct route *r, const struct health_rules *rules, const struct observation *o, enum report report, bool shortage,
                          usec_t now)
{
    bool was_down = r->health.verdict == VERDICT_DOWN, working = observe_health(r, rules, o, report, shortage, now);

    keep_last(r, o);
    if (o->in_flight > 0 && o->outcome.kind == OUTCOME_RATE_LIMITED && o->outcome.fault == FAULT_NONE)
        load_count(&r->load, o->in_flight, 0, 0, 1, now);
    if (!outcome_ok(o->outcome) && o->outcome.fault != FAULT_RELAY)
        return;
    r->sampled_at = now;
    if (was_down && r->health.verdict != VERDICT_DOWN)
        forget_outage(r);
    if (report != REPORT_COUNTS_LIGHTLY)
        observe_counts(r, o, working, now);
    if (outcome_ok(o->outcome))
        observe_success(r, o, now);
    else
        observe_failure(r, o, now);
}

struct route_heard route_report(struct route *r, const struct health_rules *rules, struct reporter_rate *rate, const struct observation *o,
                                bool shortage, usec_t now)
{
    struct route_heard heard = {.load = false};
    enum report report = reports_weigh(&r->reports, rate, &r->health, rules, o, now, &heard.load);

    heard.counts = report_counts(report);
    if (heard.load)
        capacity_observe(&r->capacity, o, now);
    if (heard.counts)
        observe_works(r, rules, o, report, shortage, now);
    return heard;
}

void route_observe(struct route *r, const struct health_rules *rules, const struct observation *o, bool shortage, usec_t now)
{
    (void)route_report(r, rules, NULL, o, shortage, now);
}

void route_observe_burst(struct route *r, const struct observation *o, usec_t now)
{
    usec_t level = latency_statistic(&r->ttft, LATENCY_P50);

    if (outcome_ok(o->outcome))
        load_burst(&r->load, o->in_flight, BURST_OK, now);
    else if (o->outcome.fault == FAULT_RELAY && r->health.verdict != VERDICT_DOWN)
        load_burst(&r->load, o->in_flight, BURST_FAILED, now);
    else if (o->outcome.kind == OUTCOME_RATE_LIMITED && o->outcome.fault == FAULT_NONE)
        load_burst(&r->load, o->in_flight, BURST_LIMITED, now);
    if (outcome_ok(o->outcome) && level > 0 && o->ttft > 0)
        load_burst_time(&r->load, o->in_flight, log((double)o->ttft / (double)level), now);
}

void route_observe_capabilities(struct route *r, const struct observation *o, usec_t now)
{
    /* Only what came as a stream was the answer to a question that others are asked too. */
    if (outcome_ok(o->outcome) && (o->chunks > 0 || o->flags & OBSERVED_SAME_ANSWER))
        honesty_observe(&r->honesty, o, now);
}

double route_samples(const struct route *r, usec_t now)
{
    struct decay_pair n = decay_counts_at(&r->all, DECAY_24H, now);

    return n.ok + n.failed;
}

bool route_unscorable(const struct route *r)
{
    return honesty_unscorable(&r->honesty);
}

double chance_upper(double ok, double failed)
{
    double a = failed + PRIOR_FAILED, b = ok + PRIOR_OK, n = a + b, mean = a / n;

    return fmin(1, mean + MARGIN * sqrt(mean * (1 - mean) / (n + 1)));
}

/* A short window's mean with the longer window's as its prior. */
static double shrunk(struct decay_pair n, double prior)
{
    return (n.failed + PRIOR_STRENGTH * prior) / (n.ok + n.failed + PRIOR_STRENGTH);
}

/* While it partly fails, minutes are too long a memory: what came before it began would be most of it. */
static double latest(const struct health *h, double prior)
{
    unsigned n = h->ring_len < LATEST ? h->ring_len : LATEST;

    return (health_failures(h, n) + LATEST_PRIOR * prior) / (n + LATEST_PRIOR);
}

struct route_chance route_chance_at(const struct route *r, usec_t now)
{
    struct route_chance c;
    struct decay_pair day = decay_counts_at(&r->good, DECAY_24H, now);
    struct decay_pair hours = decay_counts_at(&r->good, DECAY_2H, now);
    struct decay_pair minutes = decay_counts_at(&r->working, DECAY_10M, now);
    double mean = (day.failed + PRIOR_FAILED) / (day.ok + day.failed + PRIOR_FAILED + PRIOR_OK), middle = shrunk(hours, mean), recent = shrunk(minutes, middle);
    double longer = fmax(mean, middle);

    health_beliefs(&r->health, now, c.belief);
    c.good = fmax(chance_upper(day.ok, day.failed), middle);
    c.partial = fmax(fmax(c.good, fmax(recent, latest(&r->health, recent))), FAILS_WHEN_PARTIAL);
    double down = fmax(c.partial, FAILS_WHEN_DOWN), rest = c.belief[BELIEF_PARTIAL] * c.partial + c.belief[BELIEF_DOWN] * down;

    c.bound = c.belief[BELIEF_GOOD] * c.good + rest;
    c.estimate = c.belief[BELIEF_GOOD] * fmin(longer, c.good) + rest;
    if (r->health.verdict == VERDICT_DOWN)
        c.bound = c.estimate = fmax(c.bound, 0.9);
    c.bound = fmin(c.bound, 1);
    c.estimate = fmin(c.estimate, c.bound);
    return c;
}
