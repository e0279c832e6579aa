/* What is said in one completion, in pieces, and its form as one body. */
#ifndef RELAYSIM_REPLY_H
#define RELAYSIM_REPLY_H

#include "shared/buf.h"
#include "tests/relaysim/relay.h"

struct piece { /* one delta */
    bool reasoning;
    size_t at, len; /* in `text` */
};

struct reply {
    struct relay *relay;
    const struct behaviour *b;
    enum fault_id fault; /* of PLACE_STREAM, or FAULT_NONE */
    bool anthropic, want_usage;
    bool length;       /* cut short by max_tokens */
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
/* How long the whole answer takes to come about, drawn now. */
usec_t reply_duration(const struct reply *r);
/* The whole answer as one JSON body. */
void reply_write_whole(const struct reply *r, struct buf *ret);
/* The first members of a chunk or body, from its brace on; the usage object (OpenAI dialect), with so many completion tokens. */
void reply_add_head(const struct reply *r, const char *object, struct buf *ret);
void reply_add_usage(const struct reply *r, unsigned completion, struct buf *ret);

#endif
