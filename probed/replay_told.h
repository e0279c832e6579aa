/* What a history says that no configuration does: prices of routes and whether a platform has a key. Kept by a replay. */
#ifndef PROBED_REPLAY_TOLD_H
#define PROBED_REPLAY_TOLD_H

#include "probed/config/config.h"
#include "probed/core/record.h"

struct told {
    struct told_price *prices; /* by route */
    size_t prices_len;
    struct told_platform *platforms; /* those of which something was told */
    size_t platforms_len;
};

void told_done(struct told *told);
/* A record of a price, of that route of the ranker. -EINVAL: there is no rate for USD. */
int told_price(struct told *told, struct ranker *ranker, const struct config *config, int route, const struct record *record, usec_t now,
               struct err *err) ATTR_UNUSED_RESULT;
void told_usable(struct told *told, struct ranker *ranker, const struct record *record, usec_t now);
/* All of it to a new ranker, whose routes have other numbers than those of `old`. */
void told_again(struct told *told, struct ranker *ranker, const struct config *config, const struct ranker *old, usec_t now);

#endif
