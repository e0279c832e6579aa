/* One completion written out: as a stream of tokens in either dialect, or whole. */
#ifndef RELAYSIM_STREAM_H
#define RELAYSIM_STREAM_H

#include "tests/relaysim/relay.h"
#include "tests/relaysim/script.h"

struct piece { /* one delta */
    bool reasoning;
    size_t at, len; /* in `text` */
};

struct reply {
    struct relay *relay;
    const struct behaviour *b;
    enum fault_id fault; /* of PLACE_STREAM, or FAULT_NONE */
    bool anthropic, want_usage;
    bool length; /* cut short by max_tokens */
    const char *model; /* as it is echoed */
    uint64_t number;
    char id[40];
    int64_t created; /* Unix seconds */
    struct buf text;
    struct piece *pieces;
    size_t len, size;
    unsigned prompt_tokens, reasoning_tokens, completion_tokens; /* completion includes reasoning */
    double cost;
};

void reply_done(struct reply *r);
/* What is said, in pieces, and what it costs. max_tokens <= 0: no limit. */
void reply_prepare(struct reply *r, const char *prompt, int64_t max_tokens);
/* The stream after its headers, with its end. */
void stream_write(const struct reply *r, struct script *s);
/* The whole answer as one JSON body. */
void stream_write_whole(const struct reply *r, struct buf *ret);
/* How long the whole answer takes to come about, drawn now. */
usec_t reply_duration(const struct reply *r);

#endif
