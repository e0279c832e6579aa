/* What the number of requests in flight does to a route, from reports that tell it.
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
    } bucket[LOAD_BUCKETS];
};

void load_count(struct load *l, unsigned in_flight, double ok, double failed, double limited, usec_t now);
/* ln_ratio: of the first token to the route's level as it was known before. */
void load_time(struct load *l, unsigned in_flight, double ln_ratio, usec_t now);
struct load_counts load_at(const struct load *l, unsigned bucket, usec_t now);

/* What load adds; all zero = nothing. Never less in a higher bucket. */
struct load_effect {
    float fails;   /* the part of the tries that would succeed and fail for the load */
    float slower;  /* first token: times 1 + slower */
    float refused; /* part of the tries answered 429 */
};
/* chance: the route's chance of failure by itself. ret[0] is always zero: there the route's own values are the answer. */
void load_effects(const struct load *l, double chance, usec_t now, struct load_effect ret[LOAD_BUCKETS]);

#endif
