/* The platforms, routes and policies of a configuration, as a ranker. The daemon and a replay both begin with it. */
#ifndef PROBED_ROSTER_H
#define PROBED_ROSTER_H

#include "probed/config/config.h"
#include "probed/core/record.h"

/* Borrows config for the ranker's life. platform_id: room for one id a platform; route_id: for each platform room for one id a route; either may be
 * NULL. */
struct ranker *roster_ranker(const struct config *config, int *platform_id, int **route_id);

/* What a record says of a platform or route that the ranker has: an observation, a list, our own network. -ENOENT: it has none such; -EINVAL: the core refuses it (its
 * time goes back), or it is of another kind. */
int roster_tell(struct ranker *ranker, const struct config *config, const struct record *record, usec_t now);

#endif
