/* What the load that is put on a route does to its first token.
 *
 *     ln first token = level + slope x rate^2        rate: requests a second that are sent there
 *
 * by least squares that forget. Queues are convex in their load, hence the square. */
#ifndef PROBED_CORE_CONGESTION_H
#define PROBED_CORE_CONGESTION_H

#include "shared/units.h"

struct congestion {
    usec_t at;
    float weight;                 /* decayed number of first tokens */
    float load, time;             /* means of rate^2 and of ln first token */
    float loads, times, together; /* sums of squares and products about the means */
};

/* rate: requests a second just then. */
void congestion_add(struct congestion *c, double rate, usec_t ttft, usec_t now);
/* Of the formula, >= 0: what is not sure by its own error is not believed, and nobody gets faster by load. 0 = none is known. */
double congestion_slope(const struct congestion *c);
/* What one request more costs in waiting at that rate, in first tokens of the route as its level was learnt: that it waits longer itself, and that
 * all the others there do. d (rate x T(rate)) / d rate over T, less 1. */
double congestion_waits(const struct congestion *c, double slope, double rate);

#endif
