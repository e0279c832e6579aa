/* Quantiles in fixed memory: a sparse histogram over logarithmic buckets, after the DDSketch idea.
 *
 * A bucket is 2 % wide, so that the value it stands for is within 1 % of every value in it. Weights decay; buckets that hold
 * next to nothing are dropped. Should more than SKETCH_ENTRIES buckets hold weight, the lightest is joined to its nearest neighbour:
 * the error then grows there and nowhere else. Values are durations in microseconds (0 counts as 1). All zero = empty. */
#ifndef PROBED_CORE_SKETCH_H
#define PROBED_CORE_SKETCH_H

#include <stdint.h>

#include "shared/units.h"

#define SKETCH_ENTRIES 160
#define SKETCH_ERROR 0.01
#define SKETCH_KEY_MAX 2000 /* far beyond 10 years in us */

struct sketch {
    usec_t at;
    double weight; /* of all entries, at `at` */
    uint16_t len;
    uint16_t keys[SKETCH_ENTRIES]; /* ascending */
    float weights[SKETCH_ENTRIES];
};

/* The bucket of a value, 0..SKETCH_KEY_MAX, and what a bucket stands for: for whoever counts in the same buckets without decay. */
uint16_t sketch_key(usec_t value);
double sketch_value(uint16_t key);

void sketch_add(struct sketch *s, usec_t value, usec_t half_life, usec_t now);
/* Adds everything in `from`; both as they stand at `now`. */
void sketch_merge(struct sketch *s, const struct sketch *from, usec_t half_life, usec_t now);
/* The value below which the share q of the weight lies; -1 when empty. Time does not move it. */
usec_t sketch_quantile(const struct sketch *s, double q);
/* Several at once in one walk; qs ascending. */
void sketch_quantiles(const struct sketch *s, const double *qs, usec_t *ret, int len);
usec_t sketch_mean(const struct sketch *s); /* -1 when empty */
double sketch_weight(const struct sketch *s, usec_t half_life, usec_t now);
/* Everything is `ratio` times what it was, and counts for no more than `weight`: what a change of level leaves of old knowledge,
 * which is its shape. */
void sketch_shift(struct sketch *s, double ratio, double weight);

#endif
