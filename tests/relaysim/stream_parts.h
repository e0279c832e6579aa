/* What the dialects write a stream with; between stream.c and them. */
#ifndef RELAYSIM_STREAM_PARTS_H
#define RELAYSIM_STREAM_PARTS_H

#include "tests/relaysim/reply.h"
#include "tests/relaysim/script.h"

struct writer {
    const struct reply *r;
    struct script *s;
    const char *eol;
    bool started;
    size_t pieces_out; /* for cumulative usage */
    unsigned events;   /* numbered, where the dialect numbers them */
    struct buf event, json;
    struct buf said, thought; /* so far, for cumulative deltas */
};

/* One event; name NULL = none. `last`: the stream's last one. */
void stream_put_event(struct writer *w, const char *name, const char *json, bool last);
/* The end of one write, unless everything is to come in one. */
void stream_end_step(struct writer *w);
/* The text of piece i as its delta carries it. */
const char *stream_piece_text(struct writer *w, size_t i);
/* The error that strikes in the middle of a stream, and the HTTP status that it would have had before. */
enum error_id stream_error(const struct reply *r, int *status);

/* What a dialect does at each point of a stream. */
struct stream_form {
    void (*start)(struct writer *w); /* all that comes before the first token */
    void (*piece)(struct writer *w, size_t i);
    void (*end)(struct writer *w);
    void (*error)(struct writer *w);
    const char *broken_name, *broken;                /* an event that is half a JSON */
    void (*text)(struct writer *w, const char *raw); /* a content delta of bytes that are put in as they are */
};

#endif
