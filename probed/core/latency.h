/* How long a route takes, at three speeds.
 *
 * Slow: a decayed sketch, which gives the statistic that a policy asks for. Fast: the last few times, exact. When the fast ones say that the
 * level has changed (a test on their logarithms, the most extreme left out, so that one spike owns nothing), the sketch is moved to
 * the new level and keeps its shape: a brownout shows within three or four observations, in both directions. Between the two: a mean over the last
 * minutes. What it says beyond its own noise is added to the statistic, so that a slow drift is followed before it becomes a jump. */
#ifndef PROBED_CORE_LATENCY_H
#define PROBED_CORE_LATENCY_H

#include "probed/core/decay.h"
#include "probed/core/policy.h"
#include "probed/core/sketch.h"

#define LATENCY_RECENT 8
#define LATENCY_HALF_LIFE (2 * USEC_PER_HOUR)
#define LATENCY_MINUTES (4 * USEC_PER_MINUTE)
#define LATENCY_STATISTICS 4

struct latency {
    struct sketch sketch;
    float recent[LATENCY_RECENT]; /* ln us, newest first; since the last change of level */
    uint8_t recent_len;
    double level, spread;         /* of ln us: slow mean and mean square about it, of what has left `recent` */
    double weight;                /* behind level and spread, capped */
    struct decay_moment minutes, hours; /* of ln us, spikes clipped: half-lives LATENCY_MINUTES, LATENCY_HALF_LIFE */
    usec_t jumped_at;             /* last change of level; 0 = none */
    double jump;                  /* its ratio */
    usec_t statistic[LATENCY_STATISTICS]; /* of the sketch, made anew with each value; time does not move them */
};

void latency_add(struct latency *l, usec_t value, usec_t now);
double latency_weight(const struct latency *l, usec_t now);
/* In us; -1 = unknown. */
usec_t latency_statistic(const struct latency *l, enum latency_statistic statistic);

#endif
