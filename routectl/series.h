/* A measured quantity over time, as pictures show it: values only, for plot.h and svg.h. */
#ifndef ROUTECTL_SERIES_H
#define ROUTECTL_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#define SERIES_MAX 12

enum series_unit { SERIES_MSEC, SERIES_RATIO, SERIES_SPEED, SERIES_MONEY, SERIES_RANK };

struct series_point {
    double t;         /* Unix seconds: the middle of its step */
    double value;     /* NAN = unknown: as if the point were not there */
    double low, high; /* NAN = none */
};

struct series {
    const char *name;                  /* may be hostile; borrowed, as the points are */
    const struct series_point *points; /* by time */
    size_t len;
    double reach; /* s: two points farther apart than this have a gap between them; series_reach */
};

/* The longest distance that is no gap: a step and a half of the axis, or thrice what usually lies between two points of this series, which
 * is more where fewer were measured than the picture has room for. */
double series_reach(const struct series_point *points, size_t len, double step);

/* What the axis of values has to hold. */
struct series_range {
    bool any; /* else there is nothing to show, and the rest is made up */
    double least, most;
    bool log;      /* orders of magnitude lie between them */
    size_t beyond; /* points above `most`: so few and so far away that they would make the rest flat */
};
/* highs: room for most of the upper ends of the bands, too. */
void series_range(struct series_range *ret, enum series_unit unit, const struct series *series, size_t len, bool highs);

struct series_sum {
    size_t len; /* known values */
    double last, least, most;
};
struct series_sum series_sum(const struct series *series);

/* A value for people ("510 ms", "99.87%"); buf has SERIES_SHOWN_MAX bytes. */
#define SERIES_SHOWN_MAX 64
char *series_shown(char *buf, enum series_unit unit, double value);

#endif
