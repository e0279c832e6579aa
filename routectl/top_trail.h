/* What is known of each route's first-token times over the last while: told by the daemon's history, and seen in the tables since. */
#ifndef ROUTECTL_TOP_TRAIL_H
#define ROUTECTL_TOP_TRAIL_H

#include "routectl/top_spark.h"
#include "shared/table.h"
#include "shared/units.h"

#define TOP_TRAIL_TOLD_MAX 192
#define TOP_TRAIL_SEEN_MAX 96
#define TOP_TRAILS_MAX     32768

struct top_trail {
    char *platform, *model;
    struct top_point *told; /* by the history, by time; NULL = nothing yet */
    size_t told_len;
    double told_until; /* what was seen later counts beside it */
    struct top_point *seen;
    size_t seen_len;
    usec_t sampled_at; /* of the newest point seen */
};

struct top_trails {
    struct top_trail *items; /* by platform, then model */
    size_t len, size;
    double oldest; /* time of the oldest point there ever was; 0 = none. Kept when points go: older ones can be asked for again */
};
void top_trails_done(struct top_trails *trails);

/* Takes each route's median, where a sample is newer than the one taken last. */
void top_trails_see(struct top_trails *trails, const struct table *table, usec_t now);
/* Replaces what the history said; points by time, copied. */
void top_trails_tell(struct top_trails *trails, const char *platform, const char *model, const struct top_point *points, size_t len,
                     double until);
void top_trails_forget_told(struct top_trails *trails);
const struct top_trail *top_trails_find(const struct top_trails *trails, const char *platform, const char *model);

/* Both together, by time; returns how many. ret has room for TOP_TRAIL_TOLD_MAX + TOP_TRAIL_SEEN_MAX. */
size_t top_trail_points(const struct top_trail *trail, struct top_point *ret);
#endif
