/* The memory of one route, to bytes and back: every struct that struct route is made of. */
#ifndef PROBED_CORE_ROUTE_PICKLE_H
#define PROBED_CORE_ROUTE_PICKLE_H

#include "probed/core/pickle.h"
#include "probed/core/route.h"

void route_pickle(struct pickle *p, struct route *r);
void rate_pickle(struct pickle *p, struct rate *r);

#endif
