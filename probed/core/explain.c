/* Why a route stands where it stands: everything that `routectl explain` prints, as values.
 *
 * Made from the same inputs that the ranking was made from, so that the terms add up to the loss that the ranking used, to the nano. Nothing is
 * changed by asking, except that a model that was never ranked is ranked first. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probed/core/ranker_inside.h"
#include "shared/text.h"

static double ms(double seconds)
{
    return seconds * 1000;
}

static const char *platform_of(const struct ranker *r, const struct ranked_model *m, int place)
{
    return place < 0 ? NULL : r->routes[m->routes[place]]->facts->platform;
}

struct explaining {
    const struct ranker *ranker;
    const struct ranked_route *route;
    const struct policy *policy;
    const struct loss_input *in;
    const struct loss *loss;
    const struct loss_field *field;
    const char *retry; /* platform or NULL */
    usec_t now;
};

static void how_failure(const struct explaining *e, char *how, size_t size)
{
    const struct loss *l = e->loss;

    if (!e->retry)
        snprintf(how, size, "p %.4f, nothing to retry on", l->chance);
    else
        snprintf(how, size, "p %.4f x q %.4f (retry on %.60s)", l->chance, l->together, e->retry);
}

static void how_waiting(const struct explaining *e, char *how, size_t size)
{
    const struct loss *l = e->loss;
    double latency = loss_latency(e->policy, e->in);
    bool known = latency >= 0;

    snprintf(how, size, "s %.4g x (T %.0f ms + p x %.0f ms); %s %.0f ms%s, a failure wastes %.1f s", e->policy->second, ms(l->wait),
             ms(l->wait_retry), latency_statistic_name(e->policy->latency),
             ms(known ? latency : e->field->latency_unknown), known ? "" : " (not known: the worst of the model)",
             e->in->waste);
}

static void how_money(const struct explaining *e, char *how, size_t size)
{
    char price[40], retry[40];

    if (e->field->reference <= 0) {
        snprintf(how, size, "no price of this model is known");
        return;
    }
    units_format_money(price, sizeof(price), (int64_t)llround(fmin(e->loss->cost, 1e18)), e->ranker->currency);
    units_format_money(retry, sizeof(retry), (int64_t)llround(fmin(e->loss->cost_retry, 1e18)), e->ranker->currency);
    if (e->policy->failure_pico > 0)
        snprintf(how, size, "(%s + p x %s) / worth of a failed request%s", price, retry, e->in->price_known ? "" : "; not known: twice the dearest");
    else
        snprintf(how, size, "m %.4g x (%s + p x %s) / the model's %s price%s", e->policy->money, price, retry,
                 e->policy->reference == REFERENCE_MEAN ? "mean" : "median",
                 e->in->price_known ? "" : "; not known: twice the dearest");
}

static void how_soft(const struct explaining *e, enum loss_term term, char *how, size_t size)
{
    const struct health *h = &e->route->stats.health;

    if (term == LOSS_STABILITY)
        snprintf(how, size, "%.4g x %.3f unstable (jitter, outages, flap penalty %.0f)", e->policy->stability, e->in->instability,
                 health_flap(h, e->now));
    else if (term == LOSS_CAPACITY)
        snprintf(how, size, "%.4g x %.3f of the full share taken away by 429", e->policy->capacity, e->in->incapacity);
    else
        snprintf(how, size, "%.4g x %.3f of the answers not what was asked for, by their signals", e->policy->honesty, e->in->dishonesty);
}

static double term_samples(const struct explaining *e, enum loss_term term)
{
    const struct route *stats = &e->route->stats;

    switch (term) {
    case LOSS_WAITING:
        return latency_weight(&stats->ttft, e->now);
    case LOSS_MONEY:
        return e->in->price_known ? 1 : 0;
    case LOSS_HONESTY:
        return honesty_samples(&stats->honesty, e->now);
    default:
        return route_samples(stats, e->now);
    }
}

/* The times and counts that weigh most in the chance of failure as it stands. */
static void failure_window(const struct explaining *e, char *ret, size_t size)
{
    const struct health *h = &e->route->stats.health;
    struct route_chance chance = route_chance_at(&e->route->stats, e->now);
    struct decay_pair day = decay_counts_at(&e->route->stats.good, DECAY_24H, e->now);

    if (h->verdict == VERDICT_DOWN || chance.belief[BELIEF_DOWN] > 0.5)
        snprintf(ret, size, "last %d", e->ranker->rules.window);
    else if (chance.belief[BELIEF_PARTIAL] > 0.5)
        snprintf(ret, size, "%s", decay_window_name(DECAY_10M));
    else
        snprintf(ret, size, "%s", decay_window_name(chance.good > chance_upper(day.ok, day.failed) ? DECAY_2H : DECAY_24H));
}

static void waiting_window(const struct explaining *e, char *ret, size_t size)
{
    const struct latency *ttft = &e->route->stats.ttft;

    /* Little has left the fast window since the level jumped: the few that told of the jump are what the statistic stands on. */
    if (ttft->jumped_at > 0 && ttft->weight <= LATENCY_RECENT)
        snprintf(ret, size, "last %d", (int)ttft->weight + ttft->recent_len);
    else
        snprintf(ret, size, "%s", decay_window_name(DECAY_2H));
}

static void term_window(const struct explaining *e, enum loss_term term, char *ret, size_t size)
{
    if (term == LOSS_FAILURE)
        failure_window(e, ret, size);
    else if (term == LOSS_WAITING)
        waiting_window(e, ret, size);
    else if (term == LOSS_MONEY)
        snprintf(ret, size, "latest");
    else if (term == LOSS_CAPACITY)
        snprintf(ret, size, e->route->stats.capacity.limit > 0 ? "1m" : "10m");
    else
        snprintf(ret, size, "%s", decay_window_name(DECAY_24H));
}

static usec_t term_age(const struct explaining *e, enum loss_term term)
{
    const struct route *stats = &e->route->stats;
    usec_t at = stats->sampled_at;

    if (term == LOSS_MONEY)
        at = e->route->price.at;
    else if (term == LOSS_WAITING)
        at = stats->ttft.sketch.at;
    else if (term == LOSS_HONESTY)
        at = stats->honesty.fooled.at;
    return at > 0 ? e->now - at : -1;
}

static void explain_terms(const struct explaining *e, struct explanation *ret)
{
    for (int t = 0; t < LOSS_TERMS; t++) {
        struct explain_term *term = &ret->terms[ret->terms_len];

        /* What the policy gives no weight is not part of its loss. */
        if (t >= LOSS_STABILITY && e->loss->term[t] == 0)
            continue;
        term->name = loss_term_name((enum loss_term)t);
        term->nano = e->loss->term[t];
        if (t == LOSS_FAILURE)
            how_failure(e, term->how, sizeof(term->how));
        else if (t == LOSS_WAITING)
            how_waiting(e, term->how, sizeof(term->how));
        else if (t == LOSS_MONEY)
            how_money(e, term->how, sizeof(term->how));
        else
            how_soft(e, (enum loss_term)t, term->how, sizeof(term->how));
        term_window(e, (enum loss_term)t, term->window, sizeof(term->window));
        term->samples = term_samples(e, (enum loss_term)t);
        term->age = term_age(e, (enum loss_term)t);
        ret->terms_len++;
    }
    ret->loss_nano = e->loss->nano;
}

static void explain_windows(const struct ranker *r, const struct route *stats, usec_t now, struct explanation *ret)
{
    const struct health *h = &stats->health;
    unsigned last = h->ring_len < r->rules.window ? h->ring_len : (unsigned)r->rules.window, failed = health_failures(h, last);
    struct explain_window *w = &ret->windows[ret->windows_len++];

    *w = (struct explain_window){.name = "last", .ok = last - failed, .failed = failed};
    for (int i = 0; i < DECAY_WINDOWS; i++) {
        struct decay_pair n = decay_counts_at(&stats->all, (enum decay_window)i, now);

        ret->windows[ret->windows_len++] =
            (struct explain_window){.name = decay_window_name((enum decay_window)i), .ok = n.ok, .failed = n.failed};
    }
    for (size_t i = 0; i < ret->windows_len; i++) {
        w = &ret->windows[i];
        w->estimate = w->ok + w->failed > 0 ? w->ok / (w->ok + w->failed) : NAN;
        w->low = fmin(1 - chance_upper(w->ok, w->failed), w->ok + w->failed > 0 ? w->estimate : 1);
    }
}

static void add_timed(const char *name, const struct latency *l, usec_t now, struct explanation *ret)
{
    double weight = latency_weight(l, now);

    if (weight <= 0)
        return;
    ret->segments[ret->segments_len++] = (struct explain_segment){
        .name = name,
        .samples = weight,
        .mean = latency_statistic(l, LATENCY_MEAN),
        .p50 = latency_statistic(l, LATENCY_P50),
        .p90 = latency_statistic(l, LATENCY_P90),
        .p95 = latency_statistic(l, LATENCY_P95),
    };
}

static void explain_segments(const struct route *stats, usec_t now, struct explanation *ret)
{
    static const char *const names[SEGMENTS] = {"queue", "dns", "connect", "tls", "wait", "content", "gap"};

    for (int i = 0; i < SEGMENTS; i++) {
        double weight = decay_moment_weight(&stats->segment[i], LATENCY_HALF_LIFE, now);

        if (i == SEGMENT_CONTENT)
            add_timed("ttft", &stats->ttft, now, ret);
        if (weight > 0)
            ret->segments[ret->segments_len++] =
                (struct explain_segment){names[i], weight, (usec_t)llround(stats->segment[i].mean), -1, -1, -1};
    }
    add_timed("total", &stats->total, now, ret);
}

static void explain_load(const struct route *stats, const struct policy *policy, const struct loss_input *in, usec_t now,
                         struct explanation *ret)
{
    ret->concurrency = policy->concurrency;
    for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
        struct load_counts n = load_at(&stats->load, i, now);

        if (n.ok + n.failed + n.limited + n.timed < 0.05F)
            continue;
        ret->load[ret->load_len++] = (struct explain_load){
            .in_flight = load_bucket_name(i),
            .ok = (double)n.ok,
            .failed = (double)n.failed,
            .limited = (double)n.limited,
            .fails = (double)in->load[i].fails,
            .slower = (double)in->load[i].slower,
            .refused = (double)in->load[i].refused,
        };
    }
}
_Static_assert(LOAD_BUCKETS == ARRAY_LEN(((struct explanation *)0)->load), "one for each bucket");

static void explain_burst(const struct burst_result *burst, usec_t now, struct explanation *ret)
{
    ret->burst = (struct explain_burst){.ttft_p50 = -1, .ttft_p95 = -1, .age = -1, .why = ""};
    if (burst->at > 0)
        ret->burst = (struct explain_burst){
            .n = burst->n,
            .ok = burst->ok,
            .failed = burst->failed,
            .limited = burst->limited,
            .ttft_p50 = burst->ttft_p50,
            .ttft_p95 = burst->ttft_p95,
            .age = now - burst->at,
            .why = burst->why,
        };
}

static bool before(const struct explain_partner *a, const struct explain_partner *b)
{
    return a->together != b->together ? a->together > b->together : strcmp(a->platform, b->platform) < 0;
}

/* Who fails when this route does: likely the same upstream. */
static void explain_group(const struct ranker *r, const struct ranked_model *m, size_t place, struct explanation *ret)
{
    const struct ranker_pairs pairs = {r, m, m->inputs};

    for (size_t i = 0; i < m->len; i++) {
        struct explain_partner partner = {platform_of(r, m, (int)i), i == place ? 0 : ranker_together(&pairs, place, i)};
        size_t at = ret->group_len;

        if (partner.together < EXPLAIN_TOGETHER)
            continue;
        for (; at > 0 && before(&partner, &ret->group[at - 1]); at--) {
            if (at < EXPLAIN_GROUP_MAX)
                ret->group[at] = ret->group[at - 1];
        }
        if (at < EXPLAIN_GROUP_MAX)
            ret->group[at] = partner;
        if (ret->group_len < EXPLAIN_GROUP_MAX)
            ret->group_len++;
    }
}

static const char *reporter_name(const struct ranker *r, uint8_t reporter)
{
    return reporter > 0 && reporter <= r->reporters_len ? r->reporters[reporter - 1] : NULL;
}

static void explain_reports(const struct ranker *r, const struct reports *w, usec_t now, struct explanation *ret)
{
    ret->reports = (struct explain_reports){
        .over_rate = w->over_rate,
        .unconfirmed = w->unconfirmed,
        .contradicted = w->contradicted,
        .last_by = reporter_name(r, w->held_by),
        .age = w->held_at > 0 ? now - w->held_at : -1,
    };
    for (size_t i = 0; i < ret->last_len; i++)
        ret->last_reporter[i] = reporter_name(r, ret->last[i].reporter);
}

static void explain_honesty(const struct honesty *h, usec_t now, struct explanation *ret)
{
    for (int i = 0; i < HONESTY_SIGNALS; i++) {
        const struct honesty_signal *s = &h->signal[i];
        struct explain_signal *signal = &ret->signals[ret->signals_len++];

        *signal = (struct explain_signal){
            .name = honesty_name((enum honesty_id)i),
            .text = honesty_text((enum honesty_id)i),
            .count = s->count,
            .of = s->of,
            .share = honesty_share(h, (enum honesty_id)i, now),
            .weighs = honesty_weighs((enum honesty_id)i),
            .at = s->last,
        };
        memcpy(signal->evidence, s->evidence, sizeof(signal->evidence));
    }
    ret->dishonesty = honesty_dishonesty(h, now);
    ret->honesty_samples = honesty_samples(h, now);
    ret->challenges_passed = honesty_challenges_passed(h);
    ret->challenges_failed = h->signal[HONESTY_CHALLENGE_FAILED].count;
    ret->model_differs = h->signal[HONESTY_MODEL_DIFFERS].count;
    ret->bursts = h->signal[HONESTY_ONE_BURST].count;
}
_Static_assert(HONESTY_SIGNALS <= EXPLAIN_SIGNALS_MAX && HONESTY_EVIDENCE_MAX == EXPLAIN_EVIDENCE_MAX, "room for every signal");

static void explain_state(const struct ranker *r, const struct ranked_route *route, usec_t now, struct explanation *ret)
{
    const struct route *stats = &route->stats;
    const char *why;

    ranker_state_of(r, route, now, &why);
    text_copy(ret->state_why, sizeof(ret->state_why), why, strlen(why));
    ret->state_since = route->state_since;
    ret->share_cap = (double)ranker_cap(r, route, now) / TABLE_SLOTS;
    ret->flap_penalty = health_flap(&stats->health, now);
    ret->flap_suppress = FLAP_SUPPRESS;
    ret->flap_reuse = FLAP_REUSE;
    ret->price = route->price;
    while (ret->last_len < EXPLAIN_LAST_MAX && route_last(stats, (unsigned)ret->last_len, &ret->last[ret->last_len]))
        ret->last_len++;
}

/* How near the route is to first place, or, for the first, how near its challenger is. */
static void explain_standing(const struct ranker *r, const struct ranked_model *m, const struct standing *s, size_t place, struct explanation *ret)
{
    int challenger = s->first == (int)place ? s->challenger : (int)place;

    ret->incumbent = platform_of(r, m, s->first);
    ret->challenger = platform_of(r, m, s->challenger);
    ret->evidence_needed = RANK_EVIDENCE;
    ret->evidence = challenger < 0 || challenger == s->first ? 0 : exp((double)s->places[challenger].evidence.product);
}

int ranker_explain(struct ranker *r, int id, const char *policy_name, usec_t now, struct explanation *ret)
{
    int policy = ranker_find_policy(r, policy_name);

    if (id < 0 || (size_t)id >= r->routes_len || policy < 0)
        return -ENOENT;
    const struct ranked_route *route = r->routes[id];
    struct ranked_model *m = &r->models[route->model];
    const struct standing *s = &m->standings[policy];

    now = ranker_clock(r, now);
    if (!m->ranked)
        ranker_rank_model(r, (size_t)route->model, now);
    *ret = (struct explanation){.policy = r->policies[policy].name};
    ranker_prepare(r, (size_t)route->model, now);
    struct loss_field field = ranker_losses(r, (size_t)route->model, (size_t)policy, m->inputs);
    struct loss loss = r->loss_room[route->place];
    const struct explaining e = {
        .ranker = r,
        .route = route,
        .policy = &r->policies[policy],
        .in = &m->inputs[route->place],
        .loss = &loss,
        .field = &field,
        .retry = platform_of(r, m, loss.retry),
        .now = now,
    };

    ranker_fill_row(route, e.in, e.policy, &s->places[route->place], now, 0, &ret->row);
    ret->row.loss_nano = loss.nano;
    ret->row.score = fmin(1, fmax(0, 1 - (double)loss.nano / LOSS_NANO));
    ret->retry_on = e.retry;
    ret->waste_s = e.in->waste;
    explain_terms(&e, ret);
    explain_windows(r, &route->stats, now, ret);
    explain_segments(&route->stats, now, ret);
    explain_state(r, route, now, ret);
    explain_honesty(&route->stats.honesty, now, ret);
    explain_load(&route->stats, e.policy, e.in, now, ret);
    explain_burst(&route->burst, now, ret);
    if (ret->row.reason == REASON_REQUIREMENT)
        ranker_say_unmet(r, route, (size_t)policy, ret->reason_why, sizeof(ret->reason_why));
    explain_group(r, m, route->place, ret);
    explain_reports(r, &route->stats.reports, now, ret);
    explain_standing(r, m, s, route->place, ret);
    ret->counterfactual_len = ranker_counterfactual(r, route, (size_t)policy, now, ret->counterfactual);
    return 0;
}
