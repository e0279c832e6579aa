/* What the routes of a model that fail at the same time say about its others.
 *
 * One route that fails may do so for reasons of its own. A second one that begins to fail within two minutes of it is a witness of a common
 * cause (an upstream, a network, a region), and whoever was not seen to work since is doubted: before its own failures are many enough for a
 * verdict, and before any of its own where those it is known to fail with are failing. Whoever works after it began speaks against it for
 * all. A success ends the doubt of a route at once; so do two minutes, after which its own record says what there is to say.
 *
 * What one named reporter alone tells against the probes' word (reporters.h) is no witness: it would take all routes but its own away from everybody,
 * with two words on each.
 *
 * The doubt lives in the inputs of the loss alone, and is made anew at each ranking: no state, no verdict, nothing remembered. */
#include <math.h>

#include "probed/core/ranker_inside.h"

#define FRESH (2 * USEC_PER_MINUTE)
#define ONCE 0.25           /* of a witness: who failed once */
#define BY_ITSELF 1.0       /* of the first: it would have failed alone */
#define SPARED_BEFORE 2.0   /* routes that a common cause is taken to spare before any was seen to be */
#define FAILS_WITHOUT 0.05  /* chance of a failure for other reasons while some are failing */
#define FAILS_WITH 0.98
#define DOWN_ABOVE 0.6

static const struct route *route_of(const struct ranker *r, const struct ranked_model *m, size_t i)
{
    return &r->routes[m->routes[i]]->stats;
}

static bool is_long_known(const struct route *route, usec_t now)
{
    return route->health.failing_since > 0 && now - route->health.failing_since > FRESH;
}

static bool fails(const struct route *route, usec_t now)
{
    return route->health.failing_since > 0 && !reports_one_alone(&route->reports, now);
}

static bool fails_freshly(const struct route *route, usec_t now)
{
    return fails(route, now) && !is_long_known(route, now);
}

/* How much the failures of `other` say about h: nothing where h was seen to work since, even if it failed later. */
static double witness(const struct health *other, const struct health *h)
{
    if (h->ok_at >= other->failing_since)
        return 0;
    return health_failing_run(other) > 1 || other->verdict == VERDICT_DOWN ? 1 : ONCE;
}

struct common { /* what fails now, in one model */
    usec_t began;
    size_t failing;
    double spared; /* routes that work since */
};

/* Fills eligible_room with who is failing freshly: each of the others is compared with those, and with nobody else. */
static struct common look(const struct ranker *r, const struct ranked_model *m, usec_t now)
{
    struct common c = {.began = USEC_INFINITY};

    for (size_t i = 0; i < m->len; i++) {
        const struct route *route = route_of(r, m, i);

        r->eligible_room[i] = fails_freshly(route, now);
        if (!r->eligible_room[i])
            continue;
        c.failing++;
        c.began = route->health.failing_since < c.began ? route->health.failing_since : c.began;
    }
    for (size_t i = 0; c.failing > 0 && i < m->len; i++) {
        const struct health *h = &route_of(r, m, i)->health;

        c.spared += h->failing_since == 0 && h->ok_at > c.began ? 1 : 0;
    }
    return c;
}

/* The chance that what fails with the others is j too, before its own failures are looked at. */
static double prior(const struct ranker *r, const struct ranked_model *m, const struct common *c, size_t j)
{
    const struct ranker_pairs pairs = {r, m, m->inputs};
    const struct health *h = &route_of(r, m, j)->health;
    double witnesses = -BY_ITSELF, related = 0, spared = c->spared - (h->failing_since == 0 && h->ok_at > c->began ? 1 : 0);

    for (size_t i = 0; i < m->len; i++) {
        if (i == j || !r->eligible_room[i])
            continue;
        double says = witness(&route_of(r, m, i)->health, h);

        witnesses += says;
        if (says > related)
            related = fmax(related, says * ranker_together(&pairs, i, j));
    }
    return fmax(related, witnesses > 0 ? witnesses / (witnesses + spared + SPARED_BEFORE) : 0);
}

void ranker_doubt(const struct ranker *r, struct ranked_model *m, usec_t now)
{
    const struct common c = look(r, m, now);

    for (size_t j = 0; j < m->len; j++) {
        const struct route *route = route_of(r, m, j);
        struct loss_input *in = &m->inputs[j];

        in->chance = in->own_chance;
        in->estimate = in->own_estimate;
        if (c.failing == 0 || is_long_known(route, now))
            continue;
        double p = prior(r, m, &c, j), without = fails(route, now) ? pow(FAILS_WITHOUT, health_failing_run(&route->health)) : 1;
        double common = p / (p + (1 - p) * without);

        in->chance += common * fmax(0, FAILS_WITH - in->chance);
        in->estimate += common * fmax(0, FAILS_WITH - in->estimate);
    }
}

bool ranker_falls_too(const struct ranker *r, const struct ranked_model *m, size_t i, usec_t now)
{
    const struct loss_input *in = &m->inputs[i];

    return fails(route_of(r, m, i), now) && in->chance > in->own_chance && in->chance >= DOWN_ABOVE;
}
