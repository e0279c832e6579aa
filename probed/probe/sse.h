/* Server-sent events, incrementally (WHATWG HTML, section 9.2 "Server-sent events"): bytes as they come in, whole events out.
 *
 * Takes CR LF, LF and CR, a BOM, several data lines an event, comments, `data:` with and without the space, characters split across reads;
 * an event over the cap ends the stream with -E2BIG. Bytes are not checked for UTF-8 here. Never reads past what it is given. */
#ifndef PROBED_PROBE_SSE_H
#define PROBED_PROBE_SSE_H

#include <stdbool.h>

#include "shared/buf.h"

#define SSE_EVENT_MAX (1024 * 1024)

struct sse_event {
    const char *event; /* "message" unless named */
    const char *data;  /* lines joined by \n; NUL-terminated; "" possible */
    size_t data_len;
    const char *id; /* the last id seen, "" = none */
};

struct sse {
    struct buf line, data, event, id;
    struct buf stray; /* the first line that is a bare "{..." where "data: {..." ought to be: some relays end a stream with their error like
                         that */
    bool started, skip_lf, has_data;
    unsigned long comments, events; /* seen so far */
};

void sse_init(struct sse *s);
void sse_done(struct sse *s);
/* Feeds bytes; calls fn for each event. fn non-zero stops and is returned (the rest of these bytes is lost). 0, or -E2BIG. */
int sse_feed(struct sse *s, const char *data, size_t len, int (*fn)(void *arg, const struct sse_event *event), void *arg);
/* The stream is over: an event without its blank line still counts (relays end without one). */
int sse_end(struct sse *s, int (*fn)(void *arg, const struct sse_event *event), void *arg);

#endif
