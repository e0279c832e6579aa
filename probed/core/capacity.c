/* The cap of one route.
 *
 * Each reported try moves it a little: a refused one down by CUT, an accepted one up by what is tolerated of that, so that it comes to rest where that part
 * of the tries is refused, whatever the refusals depend on (a rate, requests in flight, luck). A few 429s are the price of knowing where the
 * edge is. It never falls below what was accepted lately, so that a flood of refusals does not bury it; it grows only under a load that
 * comes near it, since a route that is offered little proves nothing, and faster where it is known to have held more, takes more already,
 * or has not refused for long. */
#include "probed/core/capacity.h"

#include <math.h>

#include "shared/table.h"

#define QUICK (10 * USEC_PER_SEC)
#define CALM (60 * USEC_PER_SEC)
#define CHANGED 3.0 /* deviations between the two windows that say that the rate is a new one */
#define CUT 0.05           /* ln of the cap, a refused try */
#define BURIED 0.9         /* of what is accepted */
#define PRESSED 0.5        /* of the cap: a load that tests it */
#define KNOWN 0.9          /* of what it was when the last cut began */
#define GROW_FASTER 4.0
#define GROW_DOUBLES 100.0 /* accepted tries with no refused one between */
#define GROW_MOST 4.0
#define GROW_SECOND 0.002   /* ln of the cap, where tries are rare and none was refused for RESTS */
#define RESTS (60 * USEC_PER_SEC)
#define FEW 2.5            /* refused tries within a minute that may be chance */
#define CUTS_APART (30 * USEC_PER_SEC) /* a refusal after so long a rest begins a new cut */
#define LEAST 0.02 /* requests a second */
#define SLOTS_APART (3 * USEC_PER_SEC)
#define SLOTS_GROW 1.15 /* an accepted try */
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
    double quickly = per_second(quick, QUICK, now - r->began), calmly = per_second(calm, CALM, now - r->began);
    double deviation = sqrt(fmax(quick, 1) / 2) / ((double)QUICK / (double)USEC_PER_SEC); /* of a Poisson count in an exponential window */

    return fabs(quickly - calmly) > CHANGED * deviation ? quickly : calmly;
}

void capacity_init(struct capacity *c, usec_t now)
{
    *c = (struct capacity){.slots = TABLE_SLOTS, .cut_at = -USEC_PER_HOUR, .reported_at = now};
}

static void cut(struct capacity *c, double accepted, double tries, usec_t now)
{
    c->run = 0;
    if (c->limit <= 0 && c->refused.calm < FEW)
        return; /* anybody says 429 once */
    if (c->limit <= 0)
        c->limit = c->most = fmax(accepted, tries / 2);
    if (now - c->held_at > CUTS_APART)
        c->most = c->limit;
    c->held_at = now;
    c->limit = fmax(fmin(c->limit, fmax(c->limit * exp(-CUT), accepted * BURIED)), LEAST);
}

static void grow(struct capacity *c, double accepted, double tolerated, usec_t now)
{
    double seconds = fmin(5, (double)(now - c->grown_at) / (double)USEC_PER_SEC);
    double faster = fmin(GROW_MOST, exp2(c->run / GROW_DOUBLES));

    c->run++;
    c->grown_at = now;
    c->limit = fmax(c->limit, accepted * BURIED);
    if (accepted < PRESSED * c->limit)
        return;
    if (c->limit < KNOWN * c->most || accepted > c->limit)
        faster = fmax(faster, GROW_FASTER);
    c->limit *= exp(fmin(CUT, fmax(CUT * tolerated, now - c->held_at > RESTS ? GROW_SECOND * seconds : 0) * faster));
}

static void observe_traffic(struct capacity *c, bool refused, bool accepted, double tolerated, usec_t now)
{
    rate_add(&c->tries, 1, now);
    rate_add(&c->refused, refused ? 1 : 0, now);
    double tries = rate_at(&c->tries, now), taken = tries - rate_at(&c->refused, now);

    if (refused)
        cut(c, taken, tries, now);
    else if (c->limit > 0)
        grow(c, taken, tolerated, now);
    /* Real load tells more than the probes that halved it. */
    if (accepted)
        c->slots = c->limit > 0 ? TABLE_SLOTS : fmin(TABLE_SLOTS, c->slots * SLOTS_GROW);
    c->reported_at = now;
}

static double idle_slots(const struct capacity *c, usec_t now)
{
    usec_t idle = now - c->reported_at - IDLE_AFTER;

    return idle <= 0 ? c->slots : fmin(TABLE_SLOTS, c->slots + IDLE_PER_MINUTE * (double)idle / (double)USEC_PER_MINUTE);
}

void capacity_observe(struct capacity *c, const struct observation *o, double tolerated, usec_t now)
{
    bool refused = o->outcome.kind == OUTCOME_RATE_LIMITED && o->outcome.fault == FAULT_NONE;

    if (o->source == SOURCE_TRAFFIC) {
        observe_traffic(c, refused, outcome_ok(o->outcome), tolerated, now);
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
    double slots = idle_slots(c, now), asked = rate_at(demand, demand->at); /* as it last was: silence is no small demand */

    if (c->limit > 0 && asked > 0) {
        usec_t idle = now - c->reported_at - IDLE_AFTER;
        double more = idle > 0 ? IDLE_PER_MINUTE * (double)idle / (double)USEC_PER_MINUTE : 0;

        slots = fmin(slots, CAPACITY_HEADROOM * c->limit / asked * TABLE_SLOTS + more);
    }
    return fmin(fmax(slots, 1), TABLE_SLOTS);
}
