/* The platforms, routes and policies of a configuration, as a ranker. The daemon and a replay both begin with it. */
#ifndef PROBED_ROSTER_H
#define PROBED_ROSTER_H

#include "probed/config/config.h"

/* Borrows config for the ranker's life. platform_id: room for one id a platform; route_id: for each platform room for one id a route; either may be
 * NULL. */
struct ranker *roster_ranker(const struct config *config, int *platform_id, int **route_id);

#endif
