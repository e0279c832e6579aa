/* Numbers that forget: counts and means whose weight halves every half-life.
 *
 * State changes only when something is added; reading is a function of the state and `now` and changes nothing, so that how often a
 * table is asked for never changes what is in it. Time must not go backwards (an older `now` counts as the last one). */
#ifndef PROBED_CORE_DECAY_H
#define PROBED_CORE_DECAY_H

#include "shared/units.h"

/* 2^(-elapsed / half_life); 1 for elapsed <= 0. */
double decay_factor(usec_t elapsed, usec_t half_life);

enum decay_window { DECAY_10M, DECAY_2H, DECAY_24H, DECAY_WINDOWS };
const char *decay_window_name(enum decay_window window); /* "10m", ... */

struct decay_pair {
    double ok, failed;
};
struct decay_counts {
    usec_t at;
    struct decay_pair window[DECAY_WINDOWS];
};
void decay_counts_add(struct decay_counts *c, double ok, double failed, usec_t now);
struct decay_pair decay_counts_at(const struct decay_counts *c, enum decay_window window, usec_t now);

/* Mean and variance by Welford's update, which does not cancel as sums of squares do. */
struct decay_moment {
    usec_t at;
    double weight, mean, square;
};
void decay_moment_add(struct decay_moment *m, double value, usec_t half_life, usec_t now);
double decay_moment_weight(const struct decay_moment *m, usec_t half_life, usec_t now);
double decay_moment_deviation(const struct decay_moment *m); /* 0 below two samples */

#endif
