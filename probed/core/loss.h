/* The expected loss of one request, in failed requests, for every route of one model under one policy (DESIGN.md section 4):
 *
 *     L(i) = p_i q_ij  +  s (T_i + p_i T_j)  +  m (C_i + p_i C_j)  +  soft terms
 *
 * with the retry j that makes it least; alone: q = 1 and nothing is added. Terms are whole nano-failures, and the loss is their sum. */
#ifndef PROBED_CORE_LOSS_H
#define PROBED_CORE_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probed/core/latency.h"
#include "probed/core/load.h"
#include "probed/core/policy.h"

#define LOSS_NANO 1e9
/* What a failure is taken to waste (s) before any was seen, and how many failures of its own weigh as much as all others' together. */
#define LOSS_WASTE_UNKNOWN 4.0
#define LOSS_CHARGED_UNKNOWN 1.0
#define LOSS_POOL 6.0
/* What waiting is taken to be where no route of the model has ever been timed. */
#define LOSS_LATENCY_UNKNOWN 30.0
#define LOSS_RETRIES 6 /* the best so many retries are looked at, for correlation */

enum loss_term { LOSS_FAILURE, LOSS_WAITING, LOSS_MONEY, LOSS_STABILITY, LOSS_CAPACITY, LOSS_HONESTY, LOSS_TERMS };
const char *loss_term_name(enum loss_term term);

/* What is known of a route, whatever the policy. */
struct loss_input {
    double chance;                      /* p, pessimistic; by ranker_doubt */
    double estimate;                    /* p without the pessimism, <= chance; for people; by ranker_doubt */
    double own_chance, own_estimate;    /* the same from what is known of the route alone */
    double latency[LATENCY_STATISTICS]; /* s, pessimistic, as enum latency_statistic; < 0 = unknown */
    double latency_doubt;               /* the part of each latency that is pessimism, 0..1 */
    struct loss_learnt {                /* what failed tries have shown, one route's own */
        double value, weight;
    } own_waste, own_charged;
    double waste;                       /* s that a failed try wastes; by loss_pool */
    double charged;                     /* share of the price that a failed try costs, 0..1; by loss_pool */
    double instability, incapacity, dishonesty; /* 0..1 */
    bool price_known;
    int64_t price_input, price_output, price_call; /* pico */
    bool candidate;                     /* may be a retry: not one that only answers 429 */
    struct load_effect load[LOAD_BUCKETS]; /* what a policy's requests in flight add to chance and latency */
};

/* How i and j fail together: the chance that j fails given that i just has, 0 = not known to be related. */
typedef double (*loss_together_fn)(const void *arg, size_t i, size_t j);

/* Fills waste and charged: each route's own, shrunk to what all of them have shown, and that to the pessimistic value for nothing known.
 * Else a route that never failed would have to pay for that nobody knows how it fails. */
void loss_pool(struct loss_input *inputs, size_t len);

/* Facts of the model under the policy. */
struct loss_field {
    double reference;  /* pico that one unit of `money` stands for; 0 = none: the money term is 0 */
    double exchange;   /* m: failed requests a pico */
    double cost_unknown, latency_unknown;
};
void loss_field_init(struct loss_field *f, const struct policy *policy, const struct loss_input *inputs, size_t len);

struct loss {
    int64_t term[LOSS_TERMS], nano;
    int retry;               /* index, -1 = alone */
    double chance, together; /* p_i and q_ij, at the policy's concurrency */
    double wait, wait_retry; /* T, s */
    double cost, cost_retry; /* C, pico */
};

/* The policy's statistic at its concurrency, s; < 0 = unknown. */
double loss_latency(const struct policy *policy, const struct loss_input *in);
/* The policy's request at the route's price, pico; -1 = unknown. */
int64_t loss_request_cost(const struct policy *policy, const struct loss_input *in);
/* How far off a route's loss may be for want of observations: failed requests. */
double loss_doubt(const struct policy *policy, const struct loss_input *in);
/* Losses of all routes. eligible may be NULL (all are). together may be NULL. */
void loss_compute(const struct policy *policy, const struct loss_field *f, const struct loss_input *inputs, const bool *eligible, size_t len,
                  loss_together_fn together, const void *arg, struct loss *ret);

#endif
