/* One of several platforms, by weight or by value. */
#ifndef TESTS_SIM_RANKING_PICK_H
#define TESTS_SIM_RANKING_PICK_H

#include "tests/sim/ranking/strategy.h"

static inline bool pick_is_tried(uint32_t tried, int platform)
{
    return tried >> platform & 1;
}

/* Of `len` platforms: the largest value that is not -INFINITY, the first of equals; -1 = none. */
int pick_best(const double *values, int len);
/* With chances in proportion to the weights; those <= 0 are never picked; -1 = none has any. */
int pick_weighted(uint64_t *dice, const double *weights, int len);

#endif
