/* What is counted of requests: the figures of a span, of a step, of a model, of a day. Tallies add up in any order. */
#ifndef PROBED_STORE_TALLY_H
#define PROBED_STORE_TALLY_H

#include <stdbool.h>

#include "probed/core/load.h"
#include "probed/store/histogram.h"

struct tally {
    int64_t n, ok, failed, limited, ours;
    double speed_sum; /* tokens/s */
    int64_t speed_n;
    int64_t cost; /* pico-USD */
    int64_t prompt_tokens, output_tokens;
    struct histogram ttft, total;
    struct tally_load {
        int64_t n, failed, limited;
    } load[LOAD_BUCKETS];
};
void tally_done(struct tally *t);
void tally_merge(struct tally *t, const struct tally *from);
/* ok / (ok + failed); NAN = there was neither. */
double tally_availability(const struct tally *t);

#endif
