/* Shares: 256 slots over the routes of one (policy, model), from their losses, caps and last shares. */
#ifndef PROBED_CORE_SLOTS_H
#define PROBED_CORE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/table.h"

struct slots_route {
    double loss;    /* failed requests */
    uint16_t cap;   /* most slots that it should have, 1..256 */
    uint16_t last;  /* what it has in the last table */
    bool takes;     /* may have slots at all in this table */
    bool pinned;    /* all it can take */
};

/* Times `alike`: beyond this the first has to give its share away at once, though it stays first until evidence is enough. */
#define SLOTS_GIVE_UP 10.0

/* in: in rank order, at most the first 256 that take are given any. alike: losses nearer than this share the load.
 * move: how many slots may change hands for soft reasons; a route that takes no more, or less than it has, gives at once. Negative:
 * no limit. ret: sums to 256, or to 0 when none takes. Returns how many were moved for soft reasons. */
int slots_share(const struct slots_route *in, size_t len, double alike, int move, uint16_t *ret);

#endif
