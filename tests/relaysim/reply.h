/* What is said in one completion, in pieces, and its form as one body. */
#ifndef RELAYSIM_REPLY_H
#define RELAYSIM_REPLY_H

#include "shared/buf.h"
#include "tests/relaysim/dialect.h"
#include "tests/relaysim/relay.h"

struct piece { /* one delta */
    bool reasoning;
    size_t at, len; /* in `text` */
};

struct reply {
    struct relay *relay;
    const struct behaviour *b;
    enum fault_id fault; /* of PLACE_STREAM, or FAULT_NONE */
    enum dialect dialect;
    bool stream, want_usage;
    bool no_usage, zero_usage; /* it cannot tell usage, or tells nothing but zeros */
    unsigned burn;             /* tokens of thinking that are not sent */
    bool burst;                /* all in one write */
    bool length;               /* cut short by max_tokens */
    const char *model;         /* as it is echoed */
    const char *asked_model;
    const char *tool; /* the function that is called with `text` as its arguments; NULL = plain text */
    uint64_t number;
    char id[64];
    int64_t created; /* Unix seconds */
    struct buf text;
    struct piece *pieces;
    size_t len, size;
    unsigned prompt_tokens, reasoning_tokens, completion_tokens; /* completion includes reasoning */
    unsigned thoughts;                                           /* pieces that are thinking */
    unsigned told_prompt, told_reasoning, told_completion, cached;
    double advertised, charged;
};

void reply_done(struct reply *r);
/* What is said, in pieces, and what it costs. `said`: this, and not what the model has to say; NULL = that. max_tokens <= 0: no limit. */
void reply_prepare(struct reply *r, const char *prompt, const char *said, int64_t max_tokens);
/* Takes the money, and writes into the account what was said. */
void reply_charge(struct reply *r);
/* How long the whole answer takes to come about, drawn now. */
usec_t reply_duration(const struct reply *r);
/* The whole answer as one JSON body. */
void reply_write_whole(const struct reply *r, struct buf *ret);

/* --- for the dialects --- */

/* The first members of a chunk or body, from its brace on; the usage object (OpenAI dialect), when so many pieces are out. */
void reply_add_head(const struct reply *r, const char *object, struct buf *ret);
void reply_add_usage(const struct reply *r, size_t pieces, struct buf *ret);
struct told { /* what usage says */
    unsigned prompt, completion, reasoning, cached;
};
struct told reply_told(const struct reply *r, size_t pieces);
bool reply_tells_usage(const struct reply *r); /* at all */
void reply_join(const struct reply *r, bool reasoning, struct buf *ret);

#endif
