/* A request, understood, and the ways to put an answer to it; between answer.c and the files that answer one kind of request each. */
#ifndef RELAYSIM_ASKED_H
#define RELAYSIM_ASKED_H

#include <time.h>

#include "tests/relaysim/answer.h"
#include "tests/relaysim/dialect.h"

enum resource {
    RESOURCE_NONE,
    RESOURCE_ROOT,
    RESOURCE_MODELS,
    RESOURCE_CHAT,
    RESOURCE_EMBEDDINGS,
    RESOURCE_FEED,    /* prices, and what belongs to them; `feed` says which */
    RESOURCE_BALANCE, /* `balance` says which */
};

struct asked {
    const struct request *request;
    struct exchange *x;
    struct relay *relay;
    const struct behaviour *b;
    const char *path; /* behind the relay's name */
    enum resource resource;
    int on, feed, balance; /* enum target_bit, feed_id, balance_id */
    enum dialect dialect;
    bool head, stream, want_usage, close, keyless;
    cJSON *json; /* of a chat, NULL = no JSON */
    const char *model;
    char path_model[128]; /* of Gemini's and OpenRouter's paths */
    int64_t max_tokens;   /* <= 0: not said */
    uint64_t number;
    enum fault_id fault; /* that strikes this one */
    enum error_id error;
};

/* The path without "/api" or "/gemini" in front of /v1 is "/v1" and then `rest`. */
bool asked_path_is(const struct asked *a, const char *rest);

/* length < 0: chunked, or until close by the behaviour's framing. `more`: further header lines. */
void put_head(struct asked *a, int status, const char *content_type, int64_t length, const char *more);
/* A whole answer: head and body in one write. */
void put_whole(struct asked *a, int status, const char *content_type, const struct buf *body, const char *more);
/* `switched`: status, body and words of the behaviour hold for it, not only the family's. */
void put_error(struct asked *a, enum error_id error, bool switched);
/* The same with words, status and code of its own, in the dialect's shape. param NULL = none. */
void put_refusal(struct asked *a, int status, const char *param, const char *code, const char *message);
void asked_set_how(struct asked *a, const char *how);

/* chat.c */
void chat_read(struct asked *a);
void chat_answer(struct asked *a);
/* Takes its share for a chat that failed before anything was said. */
void chat_charge_failed(struct asked *a);
/* embeddings.c */
void embeddings_answer(struct asked *a);

#endif
