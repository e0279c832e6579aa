/* The bench: which worlds, preferences and strategies, and the scores of all of them. */
#ifndef TESTS_SIM_RANKING_BENCH_H
#define TESTS_SIM_RANKING_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/err.h"
#include "tests/sim/ranking/measure.h"
#include "tests/sim/ranking/strategy.h"
#include "tests/sim/ranking/truth.h"

#define BENCH_SEEDS_MAX      1000
#define BENCH_FAMILIES_MAX   64
#define BENCH_STRATEGIES_MAX 32
#define BENCH_JOBS_MAX       64

struct bench {
    uint64_t seeds[BENCH_SEEDS_MAX];
    int seeds_len;
    const struct family *families[BENCH_FAMILIES_MAX];
    int families_len;
    const struct preference *preferences[PREFERENCES];
    int preferences_len;
    const struct strategy *strategies[BENCH_STRATEGIES_MAX]; /* the oracle is the last */
    int strategies_len;
    struct truth_size size;
    double probe_interval; /* s */
    int tries, jobs;
    const char *program, *config;
    bool json, detail;
    struct score *scores; /* shared with the workers; NULL before bench_run */
};

/* Plays everything. 0, or a negative errno with err said. Progress goes to stderr when that is a terminal. */
int bench_run(struct bench *bench, struct err *err);
void bench_done(struct bench *bench);
const struct score *bench_score(const struct bench *bench, int preference, int family, int seed, int strategy);
int bench_find_strategy(const struct bench *bench, const char *name); /* -1 = does not play */

/* Means over worlds: each counts the same, however many requests it had. */
struct summary {
    double regret, regret_error; /* x 1000, a request */
    double first_failed, failed; /* share */
    double wait_s, wait_p95_s, cost;
    double changes;            /* an hour and model */
    double detect_s, return_s; /* < 0 = there was nothing to detect */
};
/* family -1 = all of them. */
struct summary summary_make(const struct bench *bench, int preference, int family, int strategy);

void report_text(const struct bench *bench);
void report_json(const struct bench *bench);

/* Plays a fixed set and prints TAP. The exit code. */
int check_run(struct bench *bench);

#endif
