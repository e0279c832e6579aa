/* Counts of durations in logarithmic buckets, the buckets of core/sketch.h (a value is told to within 1 %), without decay and without a bound but that of the buckets
 * there are: so that those of many spans add up exactly, and a quantile of any window is the quantile of all that was in it. */
#ifndef PROBED_STORE_HISTOGRAM_H
#define PROBED_STORE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/units.h"

struct histogram { /* all zero = empty */
    uint64_t n;
    size_t len, size;
    struct { uint16_t key; uint32_t n; } *entries; /* ascending keys */
};
void histogram_done(struct histogram *h);
void histogram_clear(struct histogram *h); /* keeps its memory */
void histogram_add(struct histogram *h, usec_t value);
void histogram_merge(struct histogram *h, const struct histogram *from);
usec_t histogram_quantile(const struct histogram *h, double q); /* -1 when empty */
/* As a blob: differences of keys and counts as base-128 numbers. An empty one has no bytes. */
void histogram_write(const struct histogram *h, struct buf *to);
/* Adds what a blob holds; -EINVAL (damaged): nothing was added. */
int histogram_read(struct histogram *h, const void *data, size_t len) ATTR_UNUSED_RESULT;

#endif
