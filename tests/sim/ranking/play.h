/* One world, one strategy, one preference, in virtual time. */
#ifndef TESTS_SIM_RANKING_PLAY_H
#define TESTS_SIM_RANKING_PLAY_H

#include "tests/sim/ranking/measure.h"
#include "tests/sim/ranking/strategy.h"
#include "tests/sim/ranking/truth.h"

#define PLAY_TRIES_MAX 4

struct play {
    struct truth *truth;
    const struct strategy *strategy;
    const struct preference *preference;
    const struct reference *reference; /* of the oracle's play in the same world; NULL = this is it */
    const char *program, *config;
    double probe_interval; /* s, of each route */
    int tries;             /* of one request, 1 to PLAY_TRIES_MAX */
};

/* The world is reset first. ret_reference: NULL, or where the oracle's shares go. */
void play_world(const struct play *play, struct score *ret, struct reference *ret_reference);

#endif
