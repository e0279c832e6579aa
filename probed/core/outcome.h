/* What became of one request: how far it came (stage), what happened there (kind) and whose fault that is.
 *
 * A bool would lose what the score needs. The tables below are the only place where names and sentences for these live; API, journal
 * and man page use them. Fault: only RELAY counts against a relay. A bad key, no credit or a bad request of ours is OURS;
 * a plain 429 is NONE (it lowers capacity, not availability). LOCAL is our own network. */
#ifndef PROBED_CORE_OUTCOME_H
#define PROBED_CORE_OUTCOME_H

#include <stdbool.h>

#include "shared/compiler.h"

/* X(ID, name, what was going on when it ended) */
#define STAGE_TABLE(X)                                       \
    X(QUEUE, "queue", "waiting for its turn in probed")      \
    X(DNS, "dns", "looking up the name")                     \
    X(CONNECT, "connect", "opening the TCP connection")      \
    X(TLS, "tls", "TLS handshake")                           \
    X(SEND, "send", "sending the request")                   \
    X(HEADERS, "headers", "waiting for the answer's status") \
    X(FIRST, "first", "waiting for the first token")         \
    X(STREAM, "stream", "receiving the answer")              \
    X(DONE, "done", "the answer was complete")

enum stage {
#define X(id, name, text) STAGE_##id,
    STAGE_TABLE(X)
#undef X
        STAGE_COUNT
};

enum fault { FAULT_NONE, FAULT_RELAY, FAULT_OURS, FAULT_LOCAL };

/* X(ID, name, default fault, what happened) */
#define OUTCOME_TABLE(X)                                                                                     \
    X(OK, "ok", NONE, "a complete, well-formed answer")                                                      \
    X(TIMEOUT, "timeout", RELAY, "nothing came in the time allowed")                                         \
    X(RESOLVE, "resolve", RELAY, "the host name could not be looked up")                                     \
    X(REFUSED, "refused", RELAY, "the connection was refused")                                               \
    X(UNREACHABLE, "unreachable", RELAY, "no route to the host")                                             \
    X(RESET, "reset", RELAY, "the connection was closed or reset before the answer was complete")            \
    X(TLS, "tls", RELAY, "the TLS handshake or the certificate was not acceptable")                          \
    X(PROTOCOL, "protocol", RELAY, "the answer was not valid HTTP")                                          \
    X(TOO_LARGE, "too_large", RELAY, "the answer passed the size cap")                                       \
    X(REDIRECT, "redirect", RELAY, "a redirect, which is not followed with a key")                           \
    X(HTTP_ERROR, "http_error", RELAY, "an HTTP status of 400 or more with no better explanation")           \
    X(SERVER_ERROR, "server_error", RELAY, "an HTTP status of 500 or more")                                  \
    X(UPSTREAM_FULL, "upstream_full", RELAY, "the relay says that its own upstream is full or gone")         \
    X(RATE_LIMITED, "rate_limited", NONE, "too many requests from us")                                       \
    X(AUTH, "auth", OURS, "our key is wrong, expired or disabled")                                           \
    X(FORBIDDEN, "forbidden", OURS, "our key may not do this")                                               \
    X(NO_CREDIT, "no_credit", OURS, "our credit is used up")                                                 \
    X(BAD_REQUEST, "bad_request", OURS, "the relay refused our request as malformed")                        \
    X(MODERATED, "moderated", OURS, "the relay refused the text of our request")                             \
    X(UNFINISHED, "unfinished", OURS, "max_tokens was too small for this model to answer")                   \
    X(MODEL_MISSING, "model_missing", RELAY, "the relay does not have this model")                           \
    X(ERROR_IN_200, "error_in_200", RELAY, "an error body or event under HTTP 200")                          \
    X(EMPTY, "empty", RELAY, "a complete answer with no text in it")                                         \
    X(TRUNCATED, "truncated", RELAY, "the stream ended without finish_reason or [DONE]")                     \
    X(STALLED, "stalled", RELAY, "the stream stopped in the middle")                                         \
    X(NOT_API, "not_api", RELAY, "a web page instead of an API answer")                                      \
    X(MALFORMED, "malformed", RELAY, "the answer is not the JSON or event stream that was promised")         \
    X(LOCAL, "local", LOCAL, "a failure on our own side of the network")                                     \
    X(CANCELED, "canceled", LOCAL, "given up by probed itself")

enum outcome_kind {
#define X(id, name, fault, text) OUTCOME_##id,
    OUTCOME_TABLE(X)
#undef X
        OUTCOME_COUNT
};

struct outcome {
    enum stage stage;
    enum outcome_kind kind;
    enum fault fault;
    int http_status; /* 0 = no status came */
};

const char *stage_name(enum stage stage);
const char *stage_text(enum stage stage);
const char *outcome_name(enum outcome_kind kind);
const char *outcome_text(enum outcome_kind kind);
const char *fault_name(enum fault fault); /* "none", "relay", "ours", "local" */
/* -1 if there is no such name. */
int outcome_kind_from_name(const char *name);
int stage_from_name(const char *name);
int fault_from_name(const char *name);

/* An outcome with its kind's usual fault. */
struct outcome outcome_make(enum stage stage, enum outcome_kind kind, int http_status);
static inline bool outcome_ok(struct outcome o) { return o.kind == OUTCOME_OK; }

#endif
