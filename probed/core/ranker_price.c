/* How much of the load each route should take, when routes refuse or slow down under it.
 *
 * With little load all goes to the best. With much, one request more on a route costs its loss, what it makes all the others there wait
 * (congestion.c), and what the chance is that it is refused and tried again elsewhere (capacity.c):
 *
 *     M(x) = L + s T waits(x) + refusal x odds(x)
 *
 * which rises with x. The load is spread best where M is the same everywhere, as else some of it would be better off elsewhere: so there is
 * one price, the cost of one more request anywhere, and each route's share is the x at which M reaches it. Good routes are thereby used
 * beyond the point where nothing is refused, the farther the worse the others are, and where all refuse, all refuse alike. What a refusal
 * costs depends on the leader, where it is tried again; of the leader itself it is dear, since what is tried there for the second time has
 * no other chance.
 *
 * A route that was never refused may have a limit beyond what it has proven; that is a small part of its M, so that a sudden load begins on
 * several good routes instead of falling upon one.
 *
 * Probation gives way to the price: a route that has just come back is a risk, but a small one against a request that is refused
 * everywhere. */
#include <math.h>

#include "probed/core/ranker_inside.h"
#include "shared/alloc.h"

#define LEVELS          PRICE_LEVELS
#define ROUTES_MOST     64  /* of a model with more, none is priced: with so many there is room */
#define DEMAND_LEAST    2.0 /* requests a second: below it only those are priced that have refused */
#define LAST_REFUSAL    0.5 /* at least, of one that is tried for the second time */
#define STEPS           24  /* halvings between the cheapest and a little, or far, beyond the dearest */
#define BEYOND          0.5
#define FAR_BEYOND      100.0
#define PROBATION_WORTH 0.05 /* loss: price by which the slots of a probation double */
#define SHORT_OF        0.95
#define NEARLY          0.9
#define PARTS_MOST      1e3 /* of the demand */
#define REPORTS_LAST    (2 * USEC_PER_MINUTE)

bool ranker_is_reported(const struct ranked_model *m, usec_t now)
{
    return m->demand.began > 0 && now - m->demand.at <= REPORTS_LAST;
}

double ranker_demand(const struct ranked_model *m)
{
    return rate_at(&m->demand, m->demand.at);
}

static bool rises(const struct route *stats, double demand)
{
    return stats->capacity.limit > 0 || demand >= DEMAND_LEAST;
}

/* One route's curves over its share; extra: requests a second that come on top of it. */
static void draw(const struct route *stats, double demand, double extra, struct crowd *ret)
{
    double slope = congestion_slope(&stats->congestion);

    capacity_odds(&stats->capacity, extra, demand / LEVELS, LEVELS + 1, ret->odds);
    for (int level = 0; level <= LEVELS; level++)
        ret->waits[level] = congestion_waits(&stats->congestion, slope, demand * level / LEVELS + extra);
}

void ranker_draw_crowds(struct ranker *r, size_t model, usec_t now)
{
    const struct ranked_model *m = &r->models[model];
    double demand = ranker_demand(m);

    r->crowded = false;
    if (m->len > ROUTES_MOST || !ranker_is_reported(m, now) || demand <= 0)
        return;
    if (!r->crowd_room)
        r->crowd_room = alloc_zero(ROUTES_MOST, sizeof(r->crowd_room[0]));
    for (size_t i = 0; i < m->len; i++) {
        const struct route *stats = &r->routes[m->routes[i]]->stats;

        r->crowd_room[i].rises = r->prepared_room[i].rank_class < RANK_DOWN && rises(stats, demand);
        if (!r->crowd_room[i].rises)
            continue;
        draw(stats, demand, 0, &r->crowd_room[i]);
        r->crowded = true;
    }
}

/* What a route takes of the demand; one that was never refused: all of it, many times over, once it is past its probation. */
static double takes_part(const struct route *stats, unsigned probation, double demand)
{
    double part = (double)probation / TABLE_SLOTS;

    if (stats->capacity.limit > 0)
        return stats->capacity.limit * part / demand;
    return probation == TABLE_SLOTS ? PARTS_MOST : part;
}

void ranker_see_shortage(const struct ranker *r, struct ranked_model *m, usec_t now)
{
    double demand = ranker_demand(m), lost = rate_at(&m->lost, m->demand.at);
    int64_t millionths = 0; /* whole ones, so that they don't depend on the order of the routes */

    m->shortage = false;
    if (demand <= 0 || !ranker_is_reported(m, now))
        return;
    for (size_t i = 0; i < m->len; i++)
        if (r->prepared_room[i].rank_class <= RANK_FLAPPING)
            millionths +=
                llround(1e6 * fmin(PARTS_MOST, takes_part(&r->routes[m->routes[i]]->stats, r->prepared_room[i].probation, demand)));
    double takes = (double)millionths / 1e6;

    /* What is taken comes near all that could be, or less could than half of what is asked, of which the other half is tried again. */
    m->shortage = takes * NEARLY < 1 - lost / demand || takes < SHORT_OF / 2;
}

struct curve { /* M, over the share */
    double loss;
    double cost[LEVELS + 1];
    double most, probation; /* slots */
    bool rises;
    double slots; /* at the price */
};

/* The part of what is sent to the leader that it refuses. */
static double leader_refuses(const struct ranker *r, const struct ranked_model *m, const struct standing *s)
{
    if (s->leader < 0)
        return 0;
    const struct capacity *c = &r->routes[m->routes[s->leader]]->stats.capacity;
    double tries = rate_at(&c->tries, m->demand.at);

    return tries > 0 ? fmin(1, rate_at(&c->refused, m->demand.at) / tries) : 0;
}

/* The part of all tries that is refused. */
static double all_refuse(const struct ranker *r, const struct ranked_model *m, const struct standing *s)
{
    double refused = 0, demand = ranker_demand(m);

    /* In the order of ranks: that of the routes has no say. */
    for (size_t k = 0; k < m->len; k++)
        refused += rate_at(&r->routes[m->routes[s->order[k]]]->stats.capacity.refused, m->demand.at);
    return demand > 0 ? fmin(1, refused / demand) : 0;
}

static void set_curve(const struct ranker *r, const struct ranked_model *m, const struct standing *s, const struct policy *policy, size_t k,
                      double refusal, double retries, struct curve *ret)
{
    uint32_t i = s->order[k];
    const struct slots_route *in = &r->slots_room[k];
    const struct loss_input *input = &m->inputs[i];
    const struct route *stats = &r->routes[m->routes[i]]->stats;
    const struct crowd *crowd = &r->crowd_room[i];
    struct crowd own;
    double demand = ranker_demand(m), second = policy->second * fmax(0, loss_latency(policy, input)) * (1 - input->chance);

    *ret = (struct curve){.loss = in->loss, .most = in->cap, .probation = TABLE_SLOTS, .rises = crowd->rises};
    if (!crowd->rises)
        return;
    if (stats->capacity.limit > 0) {
        ret->most = TABLE_SLOTS;
        ret->probation = r->prepared_room[i].probation;
    }
    if (retries > 0) {
        draw(stats, demand, retries, &own);
        crowd = &own;
    }
    for (int level = 0; level <= LEVELS; level++) {
        double first = demand * level / LEVELS, refused = refusal;

        if (retries > 0)
            refused = (first * refusal + retries * fmax(refusal, LAST_REFUSAL)) / (first + retries);
        ret->cost[level] = in->loss + second * crowd->waits[level] + refused * crowd->odds[level];
        if (level > 0)
            ret->cost[level] = fmax(ret->cost[level], ret->cost[level - 1] + 1e-9);
    }
}

static double slots_at(const struct curve *c, double price)
{
    int level = 0;

    if (!c->rises)
        return c->loss <= price ? c->most : 0;
    if (price < c->cost[0])
        return 0;
    while (level < LEVELS && c->cost[level + 1] <= price)
        level++;
    double part = level == LEVELS ? 1 : (level + (price - c->cost[level]) / (c->cost[level + 1] - c->cost[level])) / LEVELS;
    double probation = c->probation < TABLE_SLOTS ? c->probation * (1 + fmax(0, price - c->loss) / PROBATION_WORTH) : TABLE_SLOTS;

    return fmin(fmin(probation, c->most), part * TABLE_SLOTS);
}

static double slots_taken(struct curve *curves, size_t len, double price)
{
    double sum = 0;

    for (size_t c = 0; c < len; c++)
        sum += curves[c].slots = slots_at(&curves[c], price);
    return sum;
}

/* The price at which all slots are taken. */
static double find_price(struct curve *curves, size_t len)
{
    double low = INFINITY, high = 0;

    for (size_t c = 0; c < len; c++) {
        low = fmin(low, curves[c].loss - BEYOND);
        high = fmax(high, curves[c].loss + BEYOND);
    }
    if (slots_taken(curves, len, high) < TABLE_SLOTS)
        high += FAR_BEYOND;
    for (int step = 0; step < STEPS; step++) {
        double price = (low + high) / 2;

        if (slots_taken(curves, len, price) >= TABLE_SLOTS)
            high = price;
        else
            low = price;
    }
    (void)slots_taken(curves, len, high);
    return high;
}

/* The first counts as the best unless it is far from it: it stays first until a better one has shown it. */
static void forgive_first(struct ranker *r, size_t len)
{
    double least = r->slots_room[0].loss;

    for (size_t k = 1; k < len; k++)
        least = r->slots_room[k].takes ? fmin(least, r->slots_room[k].loss) : least;
    if (r->slots_room[0].loss - least < SLOTS_GIVE_UP * r->rules.alike)
        r->slots_room[0].loss = least;
}

void ranker_price_load(struct ranker *r, const struct ranked_model *m, const struct standing *s, const struct policy *policy, usec_t now)
{
    struct curve curves[ROUTES_MOST];
    size_t at[ROUTES_MOST], len = 0;
    bool spread = follow_spreads(&s->follow), any = false;
    double refusal = PRICE_REFUSAL + (spread ? all_refuse(r, m, s) : leader_refuses(r, m, s));
    double retries = spread || follow_alone(&s->follow, now) ? 0 : ranker_leader_retries(m);

    r->price = 0;
    /* A pinned one has all that it takes, whatever it costs. */
    if (!r->crowded || r->slots_room[0].pinned)
        return;
    forgive_first(r, m->len);
    for (size_t k = 0; k < m->len; k++) {
        if (!r->slots_room[k].takes || isinf(r->slots_room[k].loss))
            continue;
        set_curve(r, m, s, policy, k, refusal, (int)s->order[k] == s->leader ? retries : 0, &curves[len]);
        any = any || curves[len].rises;
        at[len++] = k;
    }
    if (!any)
        return;
    r->price = find_price(curves, len);
    for (size_t c = 0; c < len; c++)
        if (curves[c].rises)
            r->slots_room[at[c]].cap = (uint16_t)fmin(TABLE_SLOTS, fmax(1, curves[c].slots));
}
