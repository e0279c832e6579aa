/* What the chats of one burst come to. Pure. */
#ifndef PROBED_PROBE_BURST_H
#define PROBED_PROBE_BURST_H

#include "probed/core/load.h"
#include "probed/core/observation.h"

#define BURST_MOST 64
#define BURST_LEAST 2

struct burst_tally {
    struct burst_result result;
    usec_t ttft[BURST_MOST];
    unsigned timed;
};
void burst_tally_init(struct burst_tally *t, unsigned n, const char *why);
void burst_tally_add(struct burst_tally *t, const struct observation *o);
/* The result with its quantiles (nearest rank). */
struct burst_result burst_tally_result(struct burst_tally *t, usec_t now);
/* How many chats at once where `asked` are wanted, and why fewer ("" = they are as wanted); 0 = too few to be a burst. */
unsigned burst_size(int asked, int platform_cap, int cap, char *why, size_t size);

#endif
