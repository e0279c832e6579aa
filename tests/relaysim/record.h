/* What became of each request, with the relay's own times: the truth that measurements are compared with. */
#ifndef RELAYSIM_RECORD_H
#define RELAYSIM_RECORD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/relaysim/dialect.h"
#include "tests/relaysim/reactor.h"
#include "tests/relaysim/relay.h"

#define RECORD_TOKENS_MAX 2048
#define RECORDS_DEFAULT   16384

enum record_kind { RECORD_OTHER, RECORD_REACH, RECORD_MODELS, RECORD_CHAT, RECORD_EMBEDDINGS, RECORD_PRICE, RECORD_BALANCE };

struct record { /* of one request; counted: by the log and by the exchange */
    unsigned refs;
    uint64_t seq;              /* 1.., over all relays */
    const struct relay *relay; /* NULL = no relay was found */
    uint64_t connection;       /* its number */
    uint32_t nth;              /* request on that connection, 1.. */
    uint8_t kind;              /* enum record_kind */
    uint8_t dialect;           /* enum dialect */
    bool stream, tls, ended;
    uint16_t status; /* sent; 0 = none */
    char model[64];
    char how[24];          /* "answered", "error", a fault's name, "left", "closed", "removed" */
    char error[24];        /* the error's name, or "" */
    uint64_t body_hash[4]; /* SHA-256 of the body */
    size_t body_len;
    uint32_t seen; /* how many requests with this very body the relay has had, this one included */
    uint32_t prompt_tokens, completion_tokens, reasoning_tokens; /* what it was */
    uint32_t told_prompt_tokens, told_completion_tokens;         /* what usage says */
    double advertised, charged;                                  /* what is told at the listed prices; what is taken */
    struct instant accepted, handshaked, first_byte, complete;   /* of the connection; received */
    struct instant headers, comment, data, reasoning, content, content_last, done,
        end;       /* each taken right before the send() with its last byte */
    uint64_t sent; /* bytes */
    uint32_t tokens_len, tokens_size;
    usec_t *tokens;       /* steady time of each reasoning and content delta that was sent; at most RECORD_TOKENS_MAX */
    uint32_t tokens_sent; /* all of them */
};

struct seen; /* how often each body came */

struct records {
    struct record **ring;
    size_t size, next; /* next place to be written */
    uint64_t seq;
    struct seen *seen;
    size_t seen_len, seen_size;
    bool seen_full; /* duplicates are not told any more */
};

void records_init(struct records *r, size_t size);
void records_done(struct records *r);
void records_clear(struct records *r);
/* A new one in the log, referenced for the caller too. */
struct record *records_begin(struct records *r);
void record_unref(struct record *record);
/* Hashes the body and counts how often this relay had it. */
void records_body(struct records *r, struct record *record, const struct relay *relay, const char *body, size_t len);
void record_token(struct record *record, usec_t at);
cJSON *record_to_json(const struct record *record);

/* The last `last` records of `relay` (NULL = all) after seq `since`, oldest first; kind < 0 = all; only ended ones if so wished. */
cJSON *records_log(const struct records *r, const struct relay *relay, int kind, uint64_t since, size_t last, bool only_ended,
                   bool only_duplicates);
size_t records_count(const struct records *r, const struct relay *relay, int kind, uint64_t since, bool only_ended);
int record_kind_from_name(const char *name); /* -1 = none */

#endif
