/* Where a route stands before any policy is asked: its state, whether it may have traffic at all, its class, and its input to the loss.
 *
 * Functions of the ranker's memory and `now`; nothing here changes anything. */
#include <math.h>

#include "probed/core/ranker_inside.h"

#define FAILS_WHEN_LOWERED 0.98
#define LATENCY_DOUBT 0.3 /* ln: what is allowed for a statistic from one sample; shrinks with the root of their number */
#define WASTE_BEFORE 2.0 /* failures that the long memory is worth beside those of the last minutes */
#define WASTE_USUAL 1.0  /* failures of the present run that all before it are worth */
#define DOUBT_SAMPLES 3.0 /* soft terms start at their worst with this weight */

/* The check that speaks against all of the platform's routes, or NULL. */
static const struct platform_check *lowered(const struct ranker *r, const struct ranked_route *route)
{
    const struct ranked_platform *platform = &r->platforms[route->platform];

    for (int i = 0; i < 2; i++) {
        const struct platform_check *check = &platform->check[i];

        if (check->run >= (unsigned)r->rules.fall && (route->stats.health.ok_at == 0 || route->stats.health.ok_at < check->began))
            return check;
    }
    return NULL;
}

enum route_reason ranker_exclusion(const struct ranker *r, const struct ranked_route *route)
{
    const struct ranked_platform *platform = &r->platforms[route->platform];

    if (route->override == OVERRIDE_DRAIN)
        return REASON_DRAINED;
    /* "enable" is the operator's word against the plan. */
    if (platform->maintenance && route->override != OVERRIDE_ENABLE)
        return REASON_MAINTENANCE;
    if (!platform->usable || platform->key_refused || route->stats.health.unusable)
        return REASON_UNUSABLE;
    if (route->listing == LISTING_ABSENT || health_missing(&route->stats.health))
        return REASON_MISSING;
    return REASON_FIRST;
}

enum route_state ranker_state_of(const struct ranker *r, const struct ranked_route *route, usec_t now, const char **ret_why)
{
    const struct ranked_platform *platform = &r->platforms[route->platform];
    const struct health *h = &route->stats.health;
    const struct platform_check *check = lowered(r, route);

    *ret_why = h->why;
    switch (ranker_exclusion(r, route)) {
    case REASON_DRAINED:
        *ret_why = "drained by an operator";
        return ROUTE_DRAINED;
    case REASON_UNUSABLE:
        if (!platform->usable || platform->key_refused)
            *ret_why = platform->why;
        return ROUTE_UNUSABLE;
    case REASON_MISSING:
        if (!health_missing(h))
            *ret_why = "the platform's list of models does not hold it";
        return ROUTE_MISSING;
    default:
        break;
    }
    if (check)
        *ret_why = check->why;
    if (check || h->verdict == VERDICT_DOWN)
        return ROUTE_DOWN;
    if (health_limited(h, now))
        return ROUTE_LIMITED;
    if (h->verdict == VERDICT_NEW)
        return ROUTE_NEW;
    return h->verdict == VERDICT_PARTIAL ? ROUTE_DEGRADED : ROUTE_UP;
}

enum rank_class ranker_class(const struct ranker *r, const struct ranked_route *route, usec_t now)
{
    const struct health *h = &route->stats.health;

    if (ranker_exclusion(r, route) != REASON_FIRST)
        return RANK_EXCLUDED;
    if (h->verdict == VERDICT_DOWN || lowered(r, route))
        return RANK_DOWN;
    if (health_refused(h, now))
        return RANK_REFUSED;
    if (health_flapping(h, now) && route->override != OVERRIDE_ENABLE)
        return RANK_FLAPPING;
    /* Never before those that something is known of, however cheap it says it is. */
    return h->verdict == VERDICT_NEW ? RANK_UNSEEN : RANK_USABLE;
}

unsigned ranker_cap(const struct ranker *r, const struct ranked_route *route, usec_t now)
{
    unsigned cap = (unsigned)capacity_slots(&route->stats.capacity, &r->models[route->model].demand, now);
    unsigned probation = health_probation_slots(&route->stats.health);

    if (route->override != OVERRIDE_ENABLE && probation < cap)
        cap = probation;
    return cap < 1 ? 1 : cap;
}

static void input_latency(const struct route *stats, usec_t now, struct loss_input *in)
{
    double weight = latency_weight(&stats->ttft, now), doubt = exp(LATENCY_DOUBT / sqrt(fmax(weight, 0.05)));

    in->latency_doubt = 1 - 1 / doubt;
    for (int i = 0; i < LATENCY_STATISTICS; i++) {
        usec_t statistic = latency_statistic(&stats->ttft, (enum latency_statistic)i);

        in->latency[i] = statistic < 0 ? -1 : (double)statistic / (double)USEC_PER_SEC * doubt;
    }
}

static double instability(const struct route *stats, const struct loss_input *in, usec_t now)
{
    struct decay_pair all = decay_counts_at(&stats->all, DECAY_24H, now), working = decay_counts_at(&stats->working, DECAY_24H, now);
    double n = all.ok + all.failed, outage = n > 0 ? fmax(0, 1 - (working.ok + working.failed) / n) : 0;
    double flap = fmin(1, health_flap(&stats->health, now) / FLAP_SUPPRESS), jitter = 0;

    if (in->latency[LATENCY_P50] > 0)
        jitter = fmin(1, fmax(0, (in->latency[LATENCY_P95] / in->latency[LATENCY_P50] - 1) / 9));
    double seen = 1 - (1 - flap) * (1 - outage) * (1 - jitter);

    return (n * seen + DOUBT_SAMPLES) / (n + DOUBT_SAMPLES);
}

static struct loss_learnt charged_share(const struct route *stats, usec_t now)
{
    double weight = decay_moment_weight(&stats->cost_failed, ROUTE_HALF_LIFE, now);

    if (stats->cost_ok.mean <= 0 || weight <= 0)
        return (struct loss_learnt){0, 0};
    return (struct loss_learnt){fmin(1, fmax(0, stats->cost_failed.mean / stats->cost_ok.mean)), weight};
}

/* Its last failures, and what they were like before as far as those are few. */
static struct loss_learnt learnt_waste(const struct route *stats, usec_t now)
{
    double lately = decay_moment_weight(&stats->waste_lately, ROUTE_LATELY, now);
    double before = decay_moment_weight(&stats->waste, ROUTE_HALF_LIFE, now), counts = fmin(before, WASTE_BEFORE);

    if (lately + counts <= 0)
        return (struct loss_learnt){0, 0};
    double value = (lately * stats->waste_lately.mean + counts * stats->waste.mean) / (lately + counts);
    /* While it fails its next failure is one of those it is in the middle of, not one of those that happen now and then. */
    double present = stats->health.failing_timed, share = present / (present + WASTE_USUAL);

    return (struct loss_learnt){value + share * (stats->health.failing_waste - value), before + present * LOSS_POOL};
}

void ranker_make_input(const struct ranker *r, const struct ranked_route *route, usec_t now, struct loss_input *ret)
{
    const struct route *stats = &route->stats;
    struct route_chance chance = route_chance_at(stats, now);

    ret->own_chance = chance.bound;
    ret->own_estimate = chance.estimate;
    if (lowered(r, route))
        ret->own_chance = ret->own_estimate = fmax(ret->own_chance, FAILS_WHEN_LOWERED);
    input_latency(stats, now, ret);
    ret->own_waste = learnt_waste(stats, now);
    ret->own_charged = charged_share(stats, now);
    ret->instability = instability(stats, ret, now);
    ret->incapacity = 1 - capacity_slots(&stats->capacity, &r->models[route->model].demand, now) / TABLE_SLOTS;
    ret->dishonesty = honesty_dishonesty(&stats->honesty, now);
    ret->price_known = route->price.known;
    ret->price_input = route->price.input;
    ret->price_output = route->price.output;
    ret->price_call = route->price.call;
    ret->candidate = !health_refused(&stats->health, now);
    load_effects(&stats->load, ret->own_chance, now, ret->load);
}
