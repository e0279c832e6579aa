/* A route's recent first-token times as one line of blocks, scaled for itself. Values only. */
#ifndef ROUTECTL_TOP_SPARK_H
#define ROUTECTL_TOP_SPARK_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/buf.h"

#define TOP_SPARK_MAX    48
#define TOP_SPARK_LEVELS 8

struct top_point {
    double t;     /* Unix seconds */
    double value; /* NAN = unknown */
};

/* The mean of the points of each of n equal parts of [from, until); NAN = a gap. now: <= until, where knowledge ends. Points by time. A
 * part without a point of its own is no gap if the points on both its sides are no further apart than points usually are here: then it goes
 * on with the one before. */
void top_spark_bins(double *ret, size_t n, const struct top_point *points, size_t len, double from, double until, double now);

struct top_spark_scale {
    bool any;
    double low, high; /* what lies above `high` is an outlier: shown as such, so that it does not flatten the rest */
};
struct top_spark_scale top_spark_scale(const double *bins, size_t n);

enum { TOP_SPARK_GAP = -1, TOP_SPARK_ABOVE = TOP_SPARK_LEVELS };
int top_spark_level(const struct top_spark_scale *scale, double value);
/* Appends n columns. ascii: for terminals without block characters. */
void top_spark_draw(struct buf *ret, const double *bins, size_t n, bool ascii);

#endif
