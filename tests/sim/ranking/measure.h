/* What is counted while a world is played, and what comes of it. */
#ifndef TESTS_SIM_RANKING_MEASURE_H
#define TESTS_SIM_RANKING_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/ranking/truth.h"

#define WAIT_BUCKETS 160 /* log buckets of first-token times, 5 % wide, from 50 ms: to two minutes */

/* Sums, so that scores of several worlds add up. */
struct score {
    double requests, first_failed, failed;
    double utility;
    double wait_s; /* until the first token, of those that got one */
    double cost;   /* in mean costs */
    double changes, model_hours;
    double detect_s, detects, return_s, returns;
    uint32_t waits[WAIT_BUCKETS];
};
void score_add(struct score *sum, const struct score *score);
double score_wait_p95(const struct score *score); /* s; 0 when nothing succeeded */

/* Shares of first tries that the oracle gave to the route of each incident. */
struct reference {
    double before[TRUTH_INCIDENTS_MAX], after[TRUTH_INCIDENTS_MAX];
};

/* One incident as one strategy met it. */
struct witness {
    double before_all, before_hits, after_all, after_hits;
    double last_hit; /* after the begin; < 0 = none */
    int without;     /* first tries in a row that went elsewhere */
    bool left;
    uint32_t recent; /* the last first tries after the end, a bit each: did it go there */
    double back_at;  /* < 0 = not yet */
};

struct measure {
    const struct truth *truth;
    const struct reference *reference; /* NULL = the oracle itself plays */
    struct score score;
    struct witness witnesses[TRUTH_INCIDENTS_MAX];
};

void measure_init(struct measure *measure, const struct truth *truth, const struct reference *reference);
void measure_first_try(struct measure *measure, double t, int model, int platform);
/* The end of a request. waited_s: all of its tries together. */
void measure_request(struct measure *measure, const struct preference *preference, bool ok, bool first_ok, double waited_s, double cost);
void measure_done(struct measure *measure, struct reference *ret_reference); /* ret: NULL, or the oracle's shares */

#endif
