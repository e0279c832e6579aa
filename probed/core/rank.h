/* The order of the routes of one (policy, model), and who is first.
 *
 * Classes come before losses. The first place is sticky: a challenger whose loss is smaller gathers evidence (the product of the ratios
 * of the two losses with a handicap, after chrony's rule) and takes it when that passes RANK_EVIDENCE. When the incumbent leaves its class
 * the best takes over at once. Equal losses are ordered by a hash of names, so that no list order favours anybody. */
#ifndef PROBED_CORE_RANK_H
#define PROBED_CORE_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/units.h"

#define RANK_EVIDENCE 10.0
#define RANK_HANDICAP 1.02
/* Observations nearer than this count for less than one: a burst of traffic is no more evidence than a probe. Where probes themselves come faster, half of
 * their interval. */
#define RANK_EVIDENCE_APART (4 * USEC_PER_SEC)

/* From best to worst. */
enum rank_class { RANK_USABLE, RANK_UNSEEN, RANK_FLAPPING, RANK_REFUSED, RANK_DOWN, RANK_EXCLUDED };

struct rank_route {
    int64_t loss; /* nano-failures */
    uint64_t tie;
    enum rank_class rank_class;
    bool pinned;
    bool fresh; /* observed since the last time */
    usec_t interval; /* between its probes as planned; 0 = none */
};

struct rank_evidence { /* kept between two orders; all zero = none */
    float product;     /* natural logarithm of it, >= 0 */
    usec_t at;
};

struct rank_result {
    int first, challenger; /* index; -1 = none */
    enum rank_class best;  /* class of the first; RANK_EXCLUDED = nothing eligible */
    bool by_evidence;      /* the first place changed, and softly */
};

/* incumbent: index or -1. softness: nano-failures that are added to both losses before they are compared, so that ratios of tiny losses don't count.
 * second_extra(arg, first, i): nano-failures that i costs as the fallback of the first because they fail together; may be NULL.
 * order: len indices, best first. */
typedef int64_t (*rank_extra_fn)(const void *arg, size_t first, size_t i);
struct rank_result rank_order(const struct rank_route *routes, size_t len, int incumbent, struct rank_evidence *evidence, int64_t softness,
                              rank_extra_fn second_extra, const void *arg, usec_t now, uint32_t *order);
/* Would a challenger of this loss gain evidence against that incumbent? */
bool rank_gains(int64_t challenger, int64_t incumbent, int64_t softness);

#endif
