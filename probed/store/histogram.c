/* Counts in the logarithmic buckets of core/sketch.h, kept sorted and sparse.
 *
 * A span of a minute holds a handful of buckets, one of a year some hundreds, never more than SKETCH_KEY_MAX + 1. What is added is nearly
 * always a bucket that is there already, so that is looked for, from the place of the one before it on, and only a new one moves others.
 * Counts are whole numbers, so the order of merging never shows. A count that would pass 32 bits stays at the most there is: only a damaged
 * or a hostile file gets there.
 *
 * A blob is checked whole before anything of it is added. It never holds a zero count, a bucket twice or a bucket that does not exist. */
#include "probed/store/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/sketch.h"
#include "shared/alloc.h"

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

/* Where the key is, or would be; not before `low`, and mostly not far behind it. */
static size_t find(const struct histogram *h, size_t low, uint16_t key)
{
    size_t high = low;

    for (size_t step = 1; high < h->len && h->entries[high].key < key; step *= 2) {
        low = high + 1;
        high += step;
    }
    if (high > h->len)
        high = h->len;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (h->entries[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds to the key's count, which is not before `from`; where it is. */
static size_t add(struct histogram *h, size_t from, uint16_t key, uint32_t n)
{
    size_t at = find(h, from, key);

    if (at == h->len || h->entries[at].key != key) {
        if (h->len == h->size) {
            h->size = h->size > 0 ? 2 * h->size : 16;
            h->entries = alloc_resize(h->entries, h->size, sizeof h->entries[0]);
        }
        memmove(&h->entries[at + 1], &h->entries[at], (h->len - at) * sizeof h->entries[0]);
        h->entries[at].key = key;
        h->entries[at].n = 0;
        h->len++;
    }
    uint32_t room = UINT32_MAX - h->entries[at].n, added = n < room ? n : room;

    h->entries[at].n += added;
    h->n += added;
    return at;
}

void histogram_add(struct histogram *h, usec_t value)
{
    add(h, 0, sketch_key(value), 1);
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    for (size_t i = 0, at = 0; i < from->len; i++)
        at = add(h, at, from->entries[i].key, from->entries[i].n);
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

/* The next bucket of a blob after *key (-1 = the first is next). 1, 0 at its end, -EINVAL. */
static int read_bucket(const uint8_t **at, const uint8_t *end, int64_t *key, uint32_t *ret_n)
{
    uint32_t step = 0;

    if (*at == end)
        return 0;
    if (!read_number(at, end, &step) || !read_number(at, end, ret_n) || *ret_n == 0)
        return -EINVAL;
    *key += (int64_t)step + 1;
    return *key <= SKETCH_KEY_MAX ? 1 : -EINVAL;
}

int histogram_read(struct histogram *h, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    const uint8_t *at = data, *end = at + len;
    int64_t key = -1;
    uint32_t n = 0;
    int more = 0;

    while ((more = read_bucket(&at, end, &key, &n)) > 0)
        ;
    if (more < 0)
        return more;
    size_t place = 0;

    for (at = data, key = -1; read_bucket(&at, end, &key, &n) > 0;)
        place = add(h, place, (uint16_t)key, n);
    return 0;
}
