/* A growable byte buffer with a cap. Always NUL-terminated after its content once anything was written. Running out of memory
 * aborts (what comes from outside is capped first); passing the cap sets `full` and drops the whole write, never half of it, and every
 * write after it until buf_clear, buf_take or buf_done: the content never has a hole. */
#ifndef SHARED_BUF_H
#define SHARED_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "shared/compiler.h"

struct buf {
    char *data; /* owned; NULL while nothing was written */
    size_t len; /* bytes, without the NUL */
    size_t size;
    size_t cap; /* most bytes that len may reach; 0 = 64 MiB */
    bool full;  /* a write was refused since the last buf_clear, buf_take or buf_done */
};

#define BUF_INIT { .data = NULL }
#define BUF_CAP(n) { .cap = (n) }

void buf_done(struct buf *b); /* frees; the buffer may be used again */
void buf_clear(struct buf *b);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) ATTR_PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) ATTR_PRINTF(2, 0);
/* Removes the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* The content, "" when empty; borrowed. */
const char *buf_str(const struct buf *b);
/* Gives the content away (caller frees) and empties the buffer. Never NULL. */
char *buf_take(struct buf *b);

#endif
