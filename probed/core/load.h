/* What the number of requests in flight does to a route, from reports that tell it and from bursts of probes.
 *
 * A few buckets of in-flight requests, each with decayed counts of its outcomes and the mean ratio of its first tokens to the route's own level.
 * A policy with more than one request in flight asks what its own number adds to the route's values; one with a single request takes those
 * as they are. */
#ifndef PROBED_CORE_LOAD_H
#define PROBED_CORE_LOAD_H

#include "shared/units.h"

#define LOAD_BUCKETS 5     /* 1, 2-4, 5-16, 17-64, more */
#define LOAD_PRIOR 10.0    /* observations that "load changes nothing" is worth */
unsigned load_bucket(unsigned in_flight); /* 0 is taken as 1 */
const char *load_bucket_name(unsigned bucket);

struct load {
    usec_t counted_at, timed_at; /* 0 = never */
    struct load_counts {
        float ok, failed, limited; /* half-life 24 h, as the chance of failure; limited: 429 */
        float timed, slower;       /* half-life 2 h, as the latency: weight and mean of ln(first token / level) */
        float tried, tried_slower; /* the same of bursts, half-life 24 h: they are rare */
    } bucket[LOAD_BUCKETS];
};

void load_count(struct load *l, unsigned in_flight, double ok, double failed, double limited, usec_t now);
/* ln_ratio: of the first token to the route's level as it was known before. */
void load_time(struct load *l, unsigned in_flight, double ln_ratio, usec_t now);
/* One chat of a burst of n. All of them together count for BURST_WORTH observations at most: they were one moment, and share its luck. */
#define BURST_WORTH 8.0
enum burst_outcome { BURST_OK, BURST_FAILED, BURST_LIMITED };
void load_burst(struct load *l, unsigned n, enum burst_outcome outcome, usec_t now);
void load_burst_time(struct load *l, unsigned n, double ln_ratio, usec_t now);
struct load_counts load_at(const struct load *l, unsigned bucket, usec_t now);

/* What load adds; all zero = nothing. Never less in a higher bucket. */
struct load_effect {
    float fails;   /* the part of the tries that would succeed and fail for the load */
    float slower;  /* first token: times 1 + slower */
    float refused; /* part of the tries answered 429 */
};
/* chance: the route's chance of failure by itself. ret[0] is always zero: there the route's own values are the answer. */
void load_effects(const struct load *l, double chance, usec_t now, struct load_effect ret[LOAD_BUCKETS]);

/* What a burst came to, for people: the last one of a route is kept. */
struct burst_result {
    usec_t at;                        /* when its last chat ended; 0 = there was none */
    uint16_t n, ok, failed, limited;  /* chats at once; the rest of them ended for a reason of ours, and tells nothing */
    usec_t ttft_p50, ttft_p95;        /* of those that came; -1 = none */
    char why[96];                     /* why not as asked for; "" = it was */
};

#endif
