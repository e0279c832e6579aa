/* The daemon's stream of tables, kept up: reconnects with a bounded back-off and holds the newest table for whoever looks.
 *
 * A thread reads, because the client library blocks and the caller has a terminal, signals and a clock to watch. It keeps only the newest
 * table: a slow reader misses tables and never lags behind. */
#ifndef ROUTECTL_STREAM_H
#define ROUTECTL_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/err.h"
#include "shared/units.h"

struct stream;

/* target: "/v1/watch?...". lease: as known already, 0 = not. Its thread has signals blocked. NULL with err said. */
struct stream *stream_open(const char *socket_path, const char *target, usec_t lease, struct err *err);
struct stream *stream_close(struct stream *stream); /* ends the thread; NULL is fine; returns NULL */
/* Readable when there is news; stream_take makes it unreadable again. */
int stream_fd(const struct stream *stream);

struct stream_news {
    char *table;  /* JSON text, NULL = no new one; caller frees */
    usec_t lease; /* end of the lease as last told, wall clock; 0 = not told */
    bool connected;
    usec_t retry_at;        /* not connected: when it tries again, wall clock */
    int error;              /* and why it is not: -errno ... */
    char why[ERR_TEXT_MAX]; /* ... and words */
};
void stream_take(struct stream *stream, struct stream_news *ret);

/* How long to wait before the attempt after `failures` failures in a row (>= 1): doubling, bounded. */
usec_t stream_backoff(unsigned failures);

#endif
