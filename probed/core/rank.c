/* Ordering and the hysteresis of the first place.
 *
 * Evidence is kept as the logarithm of the product, one number a route, always against the present incumbent; it never falls below that of "no
 * evidence", so that a long time behind does not have to be paid back. It moves only when the challenger or the incumbent was
 * observed; a burst of observations counts by the time that it spans, not by its number. */
#include "probed/core/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVIDENCE_MOST (2 * RANK_EVIDENCE)

static bool before(const struct rank_route *a, const struct rank_route *b)
{
    bool a_pinned = a->pinned && a->rank_class < RANK_DOWN, b_pinned = b->pinned && b->rank_class < RANK_DOWN;

    if (a_pinned != b_pinned)
        return a_pinned;
    if (a->rank_class != b->rank_class)
        return a->rank_class < b->rank_class;
    if (a->loss != b->loss)
        return a->loss < b->loss;
    return a->tie < b->tie;
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct rank_route *routes = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    if (before(&routes[x], &routes[y]))
        return -1;
    return before(&routes[y], &routes[x]);
}

static void sort(const struct rank_route *routes, size_t len, uint32_t *order)
{
    for (size_t i = 0; i < len; i++)
        order[i] = (uint32_t)i;
    if (len > 48) {
        /* glibc's qsort_r is not qualified const. */
        struct rank_route *borrowed = (struct rank_route *)(uintptr_t)routes;

        qsort_r(order, len, sizeof(order[0]), compare, borrowed);
        return;
    }
    for (size_t i = 1; i < len; i++) {
        size_t at = i;

        for (; at > 0 && before(&routes[i], &routes[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = (uint32_t)i;
    }
}

static double ratio(int64_t challenger, int64_t incumbent, int64_t softness)
{
    return log(((double)incumbent + (double)softness) / (((double)challenger + (double)softness) * RANK_HANDICAP));
}

bool rank_gains(int64_t challenger, int64_t incumbent, int64_t softness)
{
    return ratio(challenger, incumbent, softness) > 0;
}

static usec_t evidence_apart(const struct rank_route *r)
{
    return r->interval > 0 && r->interval / 2 < RANK_EVIDENCE_APART ? r->interval / 2 : RANK_EVIDENCE_APART;
}

/* Evidence of everyone in the incumbent's class; returns who has enough and the least loss, or -1. */
static int gather(const struct rank_route *routes, size_t len, int incumbent, struct rank_evidence *evidence, int64_t softness, usec_t now)
{
    const struct rank_route *in = &routes[incumbent];
    int winner = -1;

    for (size_t i = 0; i < len; i++) {
        struct rank_evidence *e = &evidence[i];

        if ((int)i == incumbent || routes[i].rank_class != in->rank_class) {
            *e = (struct rank_evidence){0, now};
            continue;
        }
        if (routes[i].fresh || in->fresh) {
            double weight = fmin(1, (double)(now - e->at) / (double)evidence_apart(in));
            double next = (double)e->product + weight * ratio(routes[i].loss, in->loss, softness);

            e->product = (float)fmin(fmax(next, 0), log(EVIDENCE_MOST));
            e->at = now;
        }
        if ((double)e->product < log(RANK_EVIDENCE) || routes[i].loss >= in->loss)
            continue;
        if (winner < 0 || before(&routes[i], &routes[winner]))
            winner = (int)i;
    }
    return winner;
}

static void bring_forward(uint32_t *order, size_t len, size_t to, uint32_t index)
{
    size_t at = to;

    while (at < len && order[at] != index)
        at++;
    if (at == len)
        return;
    memmove(&order[to + 1], &order[to], (at - to) * sizeof(order[0]));
    order[to] = index;
}

/* The fallback should not fall with the first, when that costs little. */
static void choose_second(const struct rank_route *routes, size_t len, rank_extra_fn extra, const void *arg, uint32_t *order)
{
    size_t best = len;
    int64_t least = INT64_MAX;

    for (size_t k = 1; k < len && routes[order[k]].rank_class == routes[order[1]].rank_class; k++) {
        const struct rank_route *r = &routes[order[k]];

        if (r->loss >= least)
            break; /* the extra is never negative */
        int64_t loss = r->loss + extra(arg, order[0], order[k]);

        if (loss < least) {
            least = loss;
            best = k;
        }
    }
    if (best < len)
        bring_forward(order, len, 1, order[best]);
}

struct rank_result rank_order(const struct rank_route *routes, size_t len, int incumbent, struct rank_evidence *evidence, int64_t softness,
                              rank_extra_fn second_extra, const void *arg, usec_t now, uint32_t *order)
{
    struct rank_result result = {.first = -1, .challenger = -1, .best = RANK_EXCLUDED};

    if (len == 0)
        return result;
    sort(routes, len, order);
    const struct rank_route *best = &routes[order[0]];
    bool pinned = best->pinned && best->rank_class < RANK_DOWN;

    result.best = best->rank_class;
    if (result.best == RANK_EXCLUDED)
        return result;
    result.first = (int)order[0];
    /* Among the dead nobody has a place to defend. */
    if (incumbent >= 0 && !pinned && routes[incumbent].rank_class == best->rank_class && best->rank_class != RANK_DOWN) {
        int winner = gather(routes, len, incumbent, evidence, softness, now);

        result.by_evidence = winner >= 0;
        result.first = winner >= 0 ? winner : incumbent;
    }
    if (result.first != incumbent) {
        for (size_t i = 0; i < len; i++)
            evidence[i] = (struct rank_evidence){0, now};
    }
    if (result.first != (int)order[0] && routes[order[0]].loss < routes[result.first].loss)
        result.challenger = (int)order[0];
    bring_forward(order, len, 0, (uint32_t)result.first);
    if (second_extra && len > 2)
        choose_second(routes, len, second_extra, arg, order);
    return result;
}
