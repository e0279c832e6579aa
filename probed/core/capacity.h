/* How much traffic a route takes, learnt from its 429s (DESIGN: shares).
 *
 * Where traffic is reported it is a rate: of `rate` requests a second that are offered, the part
 *
 *     B(rate) = 1 - (1 + (rate / limit)^n)^(-1/n)
 *
 * is refused: none far below the limit, all but `limit` a second far above, and in between the softer the smaller n is. A token bucket with
 * much room has a large n, a few requests in flight or a limit that other models of the platform share have a small one; which it is, is
 * learnt too. Only real load tells it. Where nothing is reported, a 429 of a probe halves a share in slots, which comes back by 2 slots a
 * minute after 10 quiet minutes. */
#ifndef PROBED_CORE_CAPACITY_H
#define PROBED_CORE_CAPACITY_H

#include "probed/core/observation.h"

/* A rate of events, a second: decayed counts of about the last 3 s, 10 s and minute. */
struct rate {
    usec_t at, began;
    double burst, quick, calm;
};
void rate_add(struct rate *r, double n, usec_t now);
/* Over the last minute, or the last 10 s when those are clearly different. */
double rate_at(const struct rate *r, usec_t now);
/* The same, followed as fast as chance allows: what it is just now, for telling a burst from a limit. */
double rate_lately(const struct rate *r, usec_t now);

#define CAPACITY_GUESSES 3
#define CAPACITY_LEAST   0.02 /* requests a second: no limit is lower */

struct capacity {
    struct rate tries, refused; /* reported traffic */
    double limit;               /* requests a second that it takes; 0 = never refused under load */
    double proven;              /* the most a second that it was seen to take */
    double slots;               /* without reports: 1..256 */
    struct capacity_guess {
        float rate;   /* the limit, if n is this guess's */
        float doubt;  /* variance of its logarithm */
        float belief; /* ln of how likely it made what was seen lately */
    } guess[CAPACITY_GUESSES];
    usec_t cut_at, learnt_at; /* last halving of slots; last report */
    usec_t reported_at;       /* last 429 or traffic report */
};

void capacity_init(struct capacity *c, usec_t now);
/* A chat; only 429s and traffic count. */
void capacity_observe(struct capacity *c, const struct observation *o, usec_t now);
/* The share that it holds with few refused, 1..256 slots. demand: all that is asked of the model. */
double capacity_slots(const struct capacity *c, const struct rate *demand, usec_t now);

/* The part of `rate` requests a second that it would refuse, 0..1. */
double capacity_refuses(const struct capacity *c, double rate);
/* The same of the last one of them: d x B(x) / dx, as odds b / (1 - b), at the rates from, from + step, ... Of a route that was never
 * refused: small odds that more than it has proven is too much. */
void capacity_odds(const struct capacity *c, double from, double step, size_t len, double *ret);
/* The rate at which the part `marginal` (0..1) of the last request would be refused; INFINITY if it was never refused. */
double capacity_takes(const struct capacity *c, double marginal);

#endif
