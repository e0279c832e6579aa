/* A policy: what a user requires of a route, and what failure, waiting and money are worth to that user (DESIGN.md section 4).
 *
 * Everything is in units of one failed request. `second` is how many failed requests one second of waiting is worth;
 * money either outright (failure_pico: what one failed request costs in the reference currency) or relative (money: how
 * many failed requests one reference price is worth, the reference being the median or the mean of the model's known prices). */
#ifndef PROBED_CORE_POLICY_H
#define PROBED_CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/units.h"

enum latency_statistic { LATENCY_MEAN, LATENCY_P50, LATENCY_P90, LATENCY_P95 };
const char *latency_statistic_name(enum latency_statistic statistic); /* "mean", "p50", ... */

/* A declared tag of a platform or a capability of a model: "region" = "cn", "vision" = "" (no value). */
struct tag {
    const char *name;
    const char *value; /* "" = a plain flag */
};

/* What one reference price is: the median or the mean of what the policy's request costs at the model's known prices. */
enum cost_reference { REFERENCE_MEDIAN, REFERENCE_MEAN };

struct policy {
    const char *name;
    const char *about; /* one sentence: whom it serves */
    enum latency_statistic latency;
    double second;        /* failed requests a second of waiting; > 0 */
    int64_t failure_pico; /* outright: pico-units of the reference currency that a failed request is worth; 0 = relative */
    double money;         /* relative: failed requests a reference price; >= 0 */
    enum cost_reference reference;
    int64_t input_tokens, output_tokens; /* the policy's request */
    /* Soft terms: failed requests at the worst value of each (1.0 = fully unstable, no capacity, dishonest). >= 0. */
    double stability, capacity, honesty;
    const struct tag *require; /* a route must carry all of these: same name, and same value where one is given */
    size_t require_len;
    int concurrency; /* requests in flight that this user has; 1 by default */
};

/* The first requirement that neither the model's nor the platform's tags meet; NULL = all are met. */
const struct tag *policy_unmet(const struct policy *policy, const struct tag *model, size_t model_len, const struct tag *platform,
                               size_t platform_len);

#endif
