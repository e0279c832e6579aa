/* How much of the traffic a route can take, learnt from its 429s (DESIGN: shares).
 *
 * Where traffic is reported, the cap is a rate: the requests a second at which few are refused. In slots it is that rate's part
 * of all that is asked of the model, so that a growing demand, or a dead neighbour's load, does not have to be paid for with 429s again. It
 * grows while the load presses against it: fast up to where it was refused before, slowly beyond. Only real load raises it.
 * Where nothing is reported, a 429 of a probe halves a share in slots, which comes back by 2 slots a minute after 10 quiet minutes. */
#ifndef PROBED_CORE_CAPACITY_H
#define PROBED_CORE_CAPACITY_H

#include "probed/core/observation.h"

/* A rate of events, a second, over about the last minute, or the last 10 s when those are clearly different. */
struct rate {
    usec_t at, began;
    double quick, calm; /* decayed counts */
};
void rate_add(struct rate *r, double n, usec_t now);
double rate_at(const struct rate *r, usec_t now);

struct capacity {
    struct rate tries, refused; /* reported traffic */
    double limit;       /* requests a second that it takes; 0 = never refused under load */
    double most;        /* what it was when the last cut began: known ground */
    double run;         /* tries since the last refused one */
    double slots;       /* without reports: 1..256 */
    usec_t cut_at, held_at, grown_at; /* last halving of slots; last refusal under load; last accepted try */
    usec_t reported_at; /* last 429 or traffic report */
};

void capacity_init(struct capacity *c, usec_t now);
/* A chat; only 429s and traffic count. tolerated: the part of the tries that may be refused (CAPACITY_TOLERATED; more while the demand is more than
 * all caps of the model together). */
#define CAPACITY_TOLERATED 0.015
void capacity_observe(struct capacity *c, const struct observation *o, double tolerated, usec_t now);
/* The most slots that it should have, 1..256. demand: all that is asked of the model. */
#define CAPACITY_HEADROOM 0.75 /* part of a cap that is given away as shares: the rest is for retries and bursts */
double capacity_slots(const struct capacity *c, const struct rate *demand, usec_t now);

#endif
