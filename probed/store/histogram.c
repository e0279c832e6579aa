/* Counts in the logarithmic buckets of core/sketch.h, kept sorted and sparse.
 *
 * A span of a minute holds a handful of buckets, one of a year some hundreds, never more than SKETCH_KEY_MAX + 1. Merging is one pass from the back over
 * both sorted lists, in place. Counts are whole numbers, so the order of merging never shows. A count that would pass 32 bits stays at the most there is:
 * only a damaged or a hostile file gets there.
 *
 * A blob is checked whole before anything of it is added. It never holds a zero count, a bucket twice or a bucket that does not exist. */
#include "probed/store/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/sketch.h"
#include "shared/alloc.h"

#define KEYS (SKETCH_KEY_MAX + 1)

void histogram_done(struct histogram *h)
{
    free(h->entries);
    *h = (struct histogram){.n = 0};
}

void histogram_clear(struct histogram *h)
{
    h->n = 0;
    h->len = 0;
}

static void reserve(struct histogram *h, size_t len)
{
    if (len <= h->size)
        return;
    size_t size = h->size > 0 ? h->size : 16;

    while (size < len)
        size *= 2;
    h->entries = alloc_resize(h->entries, size, sizeof h->entries[0]);
    h->size = size;
}

/* The counts' sum, at most what a count can say; the total grows by as much. */
static uint32_t plus(struct histogram *h, uint32_t a, uint32_t b)
{
    uint32_t added = b < UINT32_MAX - a ? b : UINT32_MAX - a;

    h->n += added;
    return a + added;
}

void histogram_add(struct histogram *h, usec_t value)
{
    uint16_t key = sketch_key(value);
    size_t low = 0, high = h->len;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (h->entries[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == h->len || h->entries[low].key != key) {
        reserve(h, h->len + 1);
        memmove(&h->entries[low + 1], &h->entries[low], (h->len - low) * sizeof h->entries[0]);
        h->entries[low].key = key;
        h->entries[low].n = 0;
        h->len++;
    }
    h->entries[low].n = plus(h, h->entries[low].n, 1);
}

/* Adds `len` counts in ascending keys. */
static void merge(struct histogram *h, const uint16_t *keys, const uint32_t *counts, size_t len)
{
    size_t more = 0;

    for (size_t i = 0, j = 0; j < len; j++) {
        while (i < h->len && h->entries[i].key < keys[j])
            i++;
        more += i == h->len || h->entries[i].key != keys[j];
    }
    reserve(h, h->len + more);
    size_t i = h->len, j = len, to = h->len + more;

    h->len = to;
    while (j > 0) {
        if (i > 0 && h->entries[i - 1].key > keys[j - 1]) {
            h->entries[--to] = h->entries[--i];
            continue;
        }
        uint32_t had = i > 0 && h->entries[i - 1].key == keys[j - 1] ? h->entries[--i].n : 0;

        j--;
        to--;
        h->entries[to].key = keys[j];
        h->entries[to].n = plus(h, had, counts[j]);
    }
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    uint16_t keys[KEYS];
    uint32_t counts[KEYS];

    for (size_t i = 0; i < from->len; i++) {
        keys[i] = from->entries[i].key;
        counts[i] = from->entries[i].n;
    }
    merge(h, keys, counts, from->len);
}

usec_t histogram_quantile(const struct histogram *h, double q)
{
    if (h->len == 0)
        return -1;
    /* A hair below, so that rounding of the product does not push an exact boundary into the next bucket. */
    double wanted = q * (double)h->n * (1 - 1e-9), passed = 0;
    size_t i = 0;

    while (i < h->len - 1 && passed + h->entries[i].n < wanted)
        passed += h->entries[i++].n;
    return (usec_t)llround(sketch_value(h->entries[i].key));
}

/* --- as bytes --- */

static void write_number(struct buf *to, uint32_t value)
{
    while (value >= 0x80) {
        buf_add_char(to, (char)(value | 0x80));
        value >>= 7;
    }
    buf_add_char(to, (char)value);
}

/* One number, seven bits a byte, the lowest first; the last byte has no high bit. False: cut off, or more than 32 bits. */
static bool read_number(const uint8_t **at, const uint8_t *end, uint32_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; *at < end && shift < 35; shift += 7) {
        uint8_t byte = *(*at)++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = (uint32_t)value;
            return value <= UINT32_MAX;
        }
    }
    return false;
}

void histogram_write(const struct histogram *h, struct buf *to)
{
    int before = -1;

    for (size_t i = 0; i < h->len; i++) {
        write_number(to, (uint32_t)(h->entries[i].key - before - 1));
        write_number(to, h->entries[i].n);
        before = h->entries[i].key;
    }
}

int histogram_read(struct histogram *h, const void *data, size_t len)
{
    const uint8_t *at = data, *end = at + len;
    uint16_t keys[KEYS];
    uint32_t counts[KEYS];
    size_t found = 0;
    int64_t key = -1;

    if (len == 0)
        return 0;
    while (at < end) {
        uint32_t step = 0, n = 0;

        if (!read_number(&at, end, &step) || !read_number(&at, end, &n) || n == 0)
            return -EINVAL;
        key += (int64_t)step + 1;
        if (key > SKETCH_KEY_MAX)
            return -EINVAL;
        keys[found] = (uint16_t)key;
        counts[found++] = n;
    }
    merge(h, keys, counts, found);
    return 0;
}
