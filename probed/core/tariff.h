/* What a model is said to cost, and what a request of so many tokens then costs.
 *
 * Money: pico-units of one currency, a token or (call) a request. What is not known is -1, never 0: a cost that cannot be worked out is not
 * known either. Where the figures leave room (a cached prompt, thinking that may or may not be counted as output) a cost is a range.
 * Amounts saturate at TARIFF_MOST. */
#ifndef PROBED_CORE_TARIFF_H
#define PROBED_CORE_TARIFF_H

#include <stdbool.h>
#include <stdint.h>

#define TARIFF_UNKNOWN     ((int64_t)-1)
#define TARIFF_TIERS       4
#define TARIFF_MOST        (INT64_MAX / 4)
#define TARIFF_CACHED_FROM 1024 /* no relay caches shorter prompts */

struct tariff_figures {
    int64_t input, output, cache_read, cache_write, call;
};

struct tariff {
    struct tariff_figures price;
    struct tariff_tier { /* from so many input tokens on, this instead */
        int64_t from_tokens;
        struct tariff_figures price;
    } tiers[TARIFF_TIERS]; /* rising */
    uint8_t tiers_len;
};

struct tariff tariff_make(void); /* nothing known */
/* Is what a request costs known: by input and output tokens, or by the request? */
bool tariff_known(const struct tariff *t);
bool tariff_same(const struct tariff *a, const struct tariff *b);
/* The figures for a prompt of that length. */
const struct tariff_figures *tariff_at(const struct tariff *t, int64_t input);

struct tariff_cost {
    int64_t low, high;
};
/* Tokens; -1 = not told. Reasoning is part of output already unless there is more of it; cached is part of input. */
struct tariff_usage {
    int64_t input, output, reasoning, cached;
};
/* False: not known. */
bool tariff_cost(const struct tariff *t, const struct tariff_usage *usage, struct tariff_cost *ret);

#endif
