/* The cap of one route.
 *
 * Cutting. Once in CUT_APART, if more than TOLERATED of the tries were refused: to what was accepted, a little less, and never below a third of
 * what it was, since a short count is a bad witness. A few 429s are the price of knowing where the edge is.
 * Growing. Per accepted try, by the time that passed, and only if the load is near the cap: a route that is offered little proves nothing. Below the
 * last known ground fast; near it slowly, then faster the longer no 429 came (as congestion control does it, RFC 9438 in its idea). */
#include "probed/core/capacity.h"

#include <math.h>

#include "shared/table.h"

#define QUICK (10 * USEC_PER_SEC)
#define CALM (60 * USEC_PER_SEC)
#define ENOUGH 20.0 /* events in the quick window that make it good enough alone */
#define CUT_APART (2 * USEC_PER_SEC)
#define TOLERATED 0.02
#define MARGIN 0.97
#define CUT_MOST 0.33
#define PRESSED 0.7      /* of the cap: a load that tests it */
#define GROW_KNOWN 0.08  /* a second */
#define GROW_NEAR 0.004
#define GROW_MOST 0.05
#define GROW_DOUBLES (30 * USEC_PER_SEC)
#define QUIET (4 * USEC_PER_SEC)
#define LEAST 0.02 /* requests a second */
#define SLOTS_APART (3 * USEC_PER_SEC)
#define SLOTS_PER_SECOND 0.5
#define IDLE_AFTER (10 * USEC_PER_MINUTE)
#define IDLE_PER_MINUTE 2.0
#define TRAFFIC_LASTS (2 * USEC_PER_MINUTE)

static double keep(usec_t elapsed, usec_t constant)
{
    return elapsed <= 0 ? 1 : exp(-(double)elapsed / (double)constant);
}

void rate_add(struct rate *r, double n, usec_t now)
{
    if (r->began == 0)
        r->began = r->at = now;
    if (now > r->at) {
        r->quick *= keep(now - r->at, QUICK);
        r->calm *= keep(now - r->at, CALM);
        r->at = now;
    }
    r->quick += n;
    r->calm += n;
}

/* A count that began lately has not seen a whole window. */
static double per_second(double count, usec_t constant, usec_t age)
{
    double seconds = (double)constant / (double)USEC_PER_SEC, seen = seconds * (1 - keep(age, constant));

    return count / fmax(seen, fmin(1, seconds));
}

double rate_at(const struct rate *r, usec_t now)
{
    if (r->began == 0)
        return 0;
    double quick = r->quick * keep(now - r->at, QUICK), calm = r->calm * keep(now - r->at, CALM);

    return quick >= ENOUGH ? per_second(quick, QUICK, now - r->began) : per_second(calm, CALM, now - r->began);
}

void capacity_init(struct capacity *c, usec_t now)
{
    *c = (struct capacity){.slots = TABLE_SLOTS, .cut_at = -USEC_PER_HOUR, .reported_at = now, .grown_at = now};
}

static void cut(struct capacity *c, usec_t now)
{
    double tries = rate_at(&c->tries, now), refused = rate_at(&c->refused, now), was = c->limit > 0 ? c->limit : tries;

    if (now - c->cut_at < CUT_APART || refused <= TOLERATED * tries)
        return;
    if (now - c->cut_at > GROW_DOUBLES || was > c->most)
        c->most = was;
    c->limit = fmax(fmax(fmin((tries - refused) * MARGIN, was * MARGIN), was * CUT_MOST), LEAST);
    /* What was taken for known ground was beyond the edge. */
    c->most = fmin(c->most, fmax(c->limit, (tries - refused) / MARGIN));
    c->cut_at = c->grown_at = now;
}

static void grow(struct capacity *c, usec_t now)
{
    double seconds = fmin(2, (double)(now - c->grown_at) / (double)USEC_PER_SEC), quiet = (double)(now - c->cut_at);
    double accepted = rate_at(&c->tries, now) - rate_at(&c->refused, now);

    c->grown_at = now;
    if (now - c->cut_at < QUIET || accepted < PRESSED * c->limit)
        return;
    double near = fmin(GROW_MOST, GROW_NEAR * exp2(quiet / (double)GROW_DOUBLES - 1));

    c->limit *= exp(seconds * (c->limit < 0.9 * c->most ? GROW_KNOWN : near));
}

static void observe_traffic(struct capacity *c, bool refused, bool accepted, usec_t now)
{
    rate_add(&c->tries, 1, now);
    rate_add(&c->refused, refused ? 1 : 0, now);
    if (refused)
        cut(c, now);
    else if (accepted && c->limit > 0)
        grow(c, now);
    if (accepted && c->slots < TABLE_SLOTS) {
        double seconds = fmin(1, (double)(now - c->reported_at) / (double)USEC_PER_SEC);

        c->slots = fmin(TABLE_SLOTS, c->slots + SLOTS_PER_SECOND * seconds);
    }
    c->reported_at = now;
}

static double idle_slots(const struct capacity *c, usec_t now)
{
    usec_t idle = now - c->reported_at - IDLE_AFTER;

    return idle <= 0 ? c->slots : fmin(TABLE_SLOTS, c->slots + IDLE_PER_MINUTE * (double)idle / (double)USEC_PER_MINUTE);
}

void capacity_observe(struct capacity *c, const struct observation *o, usec_t now)
{
    bool refused = o->outcome.kind == OUTCOME_RATE_LIMITED && o->outcome.fault == FAULT_NONE;

    if (o->source == SOURCE_TRAFFIC) {
        observe_traffic(c, refused, outcome_ok(o->outcome), now);
    } else if (refused && (c->tries.began == 0 || now - c->tries.at > TRAFFIC_LASTS)) {
        /* Under traffic a probe's luck says nothing that the traffic does not. */
        if (now - c->cut_at >= SLOTS_APART) {
            c->slots = fmax(1, floor(idle_slots(c, now) / 2));
            c->cut_at = now;
        }
        c->reported_at = now;
    }
}

double capacity_slots(const struct capacity *c, const struct rate *demand, usec_t now)
{
    double slots = idle_slots(c, now), asked = rate_at(demand, now);

    if (c->limit > 0 && asked > 0) {
        usec_t idle = now - c->reported_at - IDLE_AFTER;
        double more = idle > 0 ? IDLE_PER_MINUTE * (double)idle / (double)USEC_PER_MINUTE : 0;

        slots = fmin(slots, c->limit / asked * TABLE_SLOTS + more);
    }
    return fmin(fmax(slots, 1), TABLE_SLOTS);
}
