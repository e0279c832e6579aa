/* The axes of a picture: where they begin and end, and ticks at round numbers and round times. */
#ifndef ROUTECTL_AXIS_H
#define ROUTECTL_AXIS_H

#include "routectl/series.h"

#define AXIS_TICKS_MAX 32
#define AXIS_LABEL_MAX 24

struct axis_tick {
    double at;
    char label[AXIS_LABEL_MAX];
};

struct axis {
    double least, most; /* least < most */
    bool log;
    bool down;                              /* the least is on top: ranks */
    struct axis_tick ticks[AXIS_TICKS_MAX]; /* ascending */
    size_t len;
};

/* An axis that holds the range, with about `wanted` ticks (2 at least), never more than one and a half times as many. */
void axis_values(struct axis *ret, enum series_unit unit, const struct series_range *range, size_t wanted);
/* From since to until (Unix seconds) with at most `wanted` ticks at round local times. Reads the time zone, nothing else. */
void axis_times(struct axis *ret, double since, double until, size_t wanted);
/* Where a value stands, 0 = least, 1 = most; beyond both if it does. */
double axis_place(const struct axis *axis, double value);

#endif
