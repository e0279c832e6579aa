/* Values to bytes and back. Everything goes through raw(), which alone knows the direction. */
#include "probed/core/pickle.h"

#include <endian.h>
#include <math.h>
#include <string.h>

#include "shared/text.h"

#define TIME_LEAST (-30 * USEC_PER_DAY)
#define TIME_MOST (4102444800LL * USEC_PER_SEC)

/* False: nothing was read, and *p is bad. */
static bool raw(struct pickle *p, void *v, size_t size)
{
    if (p->to) {
        struct buf *to = p->to;

        if (!to->full && to->len + size < to->size) { /* the rule: room for it and the NUL */
            memcpy(to->data + to->len, v, size);
            to->len += size;
            to->data[to->len] = '\0';
        } else {
            buf_add(to, v, size);
            p->bad = p->bad || to->full;
        }
        return false;
    }
    if (p->bad || (size_t)(p->end - p->at) < size) {
        p->bad = true;
        return false;
    }
    memcpy(v, p->at, size);
    p->at += size;
    return true;
}

void pickle_u8(struct pickle *p, uint8_t *v)
{
    raw(p, v, sizeof(*v));
}

void pickle_u16(struct pickle *p, uint16_t *v)
{
    uint16_t x = htole16(*v);

    if (raw(p, &x, sizeof(x)))
        *v = le16toh(x);
}

void pickle_u32(struct pickle *p, uint32_t *v)
{
    uint32_t x = htole32(*v);

    if (raw(p, &x, sizeof(x)))
        *v = le32toh(x);
}

void pickle_u64(struct pickle *p, uint64_t *v)
{
    uint64_t x = htole64(*v);

    if (raw(p, &x, sizeof(x)))
        *v = le64toh(x);
}

void pickle_i32(struct pickle *p, int32_t *v)
{
    uint32_t x = (uint32_t)*v;

    pickle_u32(p, &x);
    *v = (int32_t)x;
}

void pickle_i64(struct pickle *p, int64_t *v)
{
    uint64_t x = (uint64_t)*v;

    pickle_u64(p, &x);
    if (pickle_reads(p) && ((int64_t)x > 9000000000000000000LL || (int64_t)x < -9000000000000000000LL))
        p->bad = true;
    else
        *v = (int64_t)x;
}

void pickle_bool(struct pickle *p, bool *v)
{
    uint8_t x = *v;

    pickle_below(p, &x, 2);
    *v = x;
}

void pickle_double(struct pickle *p, double *v)
{
    pickle_part(p, v, -PICKLE_MOST, PICKLE_MOST);
}

void pickle_float(struct pickle *p, float *v)
{
    double x = (double)*v;

    pickle_double(p, &x);
    *v = (float)x;
}

void pickle_part(struct pickle *p, double *v, double least, double most)
{
    uint64_t bits;
    double x;

    memcpy(&bits, v, sizeof(bits));
    pickle_u64(p, &bits);
    if (!pickle_reads(p) || p->bad)
        return;
    memcpy(&x, &bits, sizeof(x));
    if (x >= least && x <= most) /* false for what is no number */
        *v = x;
    else
        p->bad = true;
}

void pickle_below(struct pickle *p, uint8_t *v, unsigned limit)
{
    uint8_t x = *v;

    pickle_u8(p, &x);
    if (x < limit)
        *v = x;
    else
        p->bad = true;
}

void pickle_time(struct pickle *p, usec_t *v)
{
    int64_t x = *v;

    pickle_i64(p, &x);
    if (x >= TIME_LEAST && x <= (p->latest > 0 ? p->latest : TIME_MOST))
        *v = x;
    else
        p->bad = true;
}

void pickle_text(struct pickle *p, char *v, size_t size)
{
    size_t len = pickle_reads(p) ? 0 : strnlen(v, size - 1);

    pickle_count(p, &len, size - 1);
    if (p->to) {
        buf_add(p->to, v, len);
        return;
    }
    if (p->bad || (size_t)(p->end - p->at) < len || memchr(p->at, '\0', len)) {
        p->bad = true;
        return;
    }
    const char *from = (const char *)p->at;

    p->at += len;
    while (len > 0 && !text_is_utf8(from, len)) /* cut in the middle of a character, most likely */
        len--;
    memcpy(v, from, len);
    v[len] = '\0';
}

void pickle_count(struct pickle *p, size_t *v, size_t most)
{
    uint32_t x = (uint32_t)*v;

    pickle_u32(p, &x);
    if (!p->bad && x <= most) {
        *v = x;
    } else {
        p->bad = true;
        *v = 0;
    }
}

size_t pickle_begin(struct pickle *p, const uint8_t **end)
{
    uint32_t size = 0;

    pickle_u32(p, &size);
    if (!pickle_reads(p))
        return p->to->len;
    if (!p->bad && (size_t)(p->end - p->at) < size)
        p->bad = true;
    *end = p->bad ? NULL : p->at + size;
    return 0;
}

void pickle_end(struct pickle *p, size_t begun, const uint8_t *end)
{
    if (pickle_reads(p)) {
        if (!p->bad && end && p->at <= end)
            p->at = end;
        else
            p->bad = true;
        return;
    }
    uint32_t size = htole32((uint32_t)(p->to->len - begun));

    if (!p->to->full)
        memcpy(p->to->data + begun - sizeof(size), &size, sizeof(size));
}
