/* A growable byte buffer with a cap.
 *
 * States: empty (data NULL), holding bytes, full (a write would have passed the cap). Once full, every further write is dropped until
 * buf_clear or buf_take, so that the content is always a whole prefix of what was written and never has a hole in it. The memory is the
 * buffer's own until buf_take gives it away or buf_done frees it. The buffer never shrinks on its own and never keeps a pointer into
 * what it was given. */
#include "shared/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define CAP_DEFAULT ((size_t)64 * 1024 * 1024)
#define SIZE_FIRST  64

static size_t cap_of(const struct buf *b)
{
    return b->cap ? b->cap : CAP_DEFAULT;
}

/* Makes room for `more` bytes and the NUL; false (and full) if that would pass the cap. */
static bool reserve(struct buf *b, size_t more)
{
    size_t cap = cap_of(b);
    if (b->full || b->len > cap || more > cap - b->len) {
        b->full = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need <= b->size)
        return true;
    size_t size = b->size ? b->size : SIZE_FIRST;
    while (size < need)
        size *= 2;
    /* Doubling may go beyond what can ever be used. */
    if (size > cap + 1)
        size = cap + 1;
    b->data = alloc_resize(b->data, size, 1);
    b->size = size;
    return true;
}

void buf_done(struct buf *b)
{
    if (!b)
        return;
    free(b->data);
    b->data = NULL;
    b->len = b->size = 0;
    b->full = false;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->full = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_char(struct buf *b, char c)
{
    if (b->full || b->len + 1 >= b->size) {
        buf_add(b, &c, 1);
        return;
    }
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    char small[256];
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    if (n < 0) {
        /* Only a conversion that cannot be done gets here; half a line would mislead. */
        b->full = true;
    } else if ((size_t)n < sizeof(small)) {
        buf_add(b, small, (size_t)n);
    } else if (reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    if (n > b->len)
        n = b->len;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
    char *data = b->data ? b->data : alloc_string("");
    b->data = NULL;
    b->len = b->size = 0;
    b->full = false;
    return data;
}
