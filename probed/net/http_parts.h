/* What the files of the HTTP client share: http.c (client, libcurl's sockets and timers), lookup.c (how many names are looked up at once), target.c (one
 * request's life), transfer.c (libcurl's handle and its callbacks), answer.c (header lines), result.c (how it ended, and when what happened). */
#ifndef PROBED_NET_HTTP_PARTS_H
#define PROBED_NET_HTTP_PARTS_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "probed/net/http.h"

TAILQ_HEAD(http_queue, http_target);

/* One multi handle a CA file: libcurl 7.88 keeps one parsed CA store a multi handle, so that two files in one would be read again at every handshake. */
struct pool {
    struct http *http;
    unsigned refs; /* targets, and whoever is working through it */
    char *ca_file;
    CURLM *multi;
    struct loop_timer *timer;
    bool inside; /* libcurl is running: no handle may be added or removed until it is back */
    struct http_queue starting; /* wanted to start meanwhile */
    TAILQ_HEAD(orphan_queue, transfer) orphans; /* cancelled meanwhile */
    TAILQ_ENTRY(pool) entry;
};

struct lookups {
    struct loop *loop;
    int cap, taken;
    struct http_queue waiting;
    TAILQ_HEAD(lingering_queue, lingering) lingering; /* given up, but their threads may still run */
    struct loop_timer *timer;
};

struct http {
    struct loop *loop;
    struct http_setup setup; /* strings owned */
    TAILQ_HEAD(pool_queue, pool) pools;
    struct lookups lookups;
    /* libcurl opens all new connections of one turn of the loop in one call: so many, and the rest in the next turn. */
    usec_t turn;
    int begun;
    struct http_queue crowd;
    struct loop_timer *next_turn;
    struct http_stats stats;
};

/* What the answer's head said; answer.c. */
struct answer {
    size_t bytes;   /* of all header lines, trailers and 1xx included */
    int status;     /* of the final answer; 0 = not yet */
    bool head_done; /* its blank line came */
    bool closes;    /* "Connection: close" or HTTP/1.0 */
    usec_t first;   /* steady time of its status line, -1 = not yet */
    usec_t retry_after;
    char content_type[96];
    char etag[128];
};

/* A libcurl handle and what it carries. It belongs to a target and is used again for each of its requests, until the target is freed or
 * cancels while libcurl is running: then it is an orphan, whose callbacks refuse everything, and the target makes a new one. */
struct transfer {
    struct http_target *target; /* NULL = orphan */
    struct pool *pool;
    CURL *easy;
    bool attached; /* to the multi handle */
    bool url_set;
    TAILQ_ENTRY(transfer) entry; /* in pool.orphans */
    char error[CURL_ERROR_SIZE];

    /* The request's own. */
    struct curl_slist *headers;
    char *body;
    size_t body_len, body_off;

    /* How far it came; cleared at each start. */
    bool slot;      /* holds a look-up slot */
    bool looking;   /* libcurl has begun to look the name up */
    bool opened;    /* a new connection was begun */
    bool postponed; /* needed a look-up after all and there was no slot: nothing was sent, it waits and starts again */
    bool died;      /* libcurl was about to send it a second time */
    bool gave_up;   /* on_data did not want more */
    bool too_large;
    int local_errno; /* of a socket() that failed for our own reasons */
    usec_t connected; /* steady: the TCP connection was seen to stand (at its first wait after that); -1 = not yet */
    usec_t sent;     /* steady; -1 = not yet */
    size_t received;
    struct answer answer;
};

enum phase { PHASE_IDLE, PHASE_WAITING, PHASE_RUNNING };

struct http_target {
    struct http *http;
    struct pool *pool;
    struct transfer *transfer; /* NULL until the first request */
    enum phase phase;
    struct http_queue *list; /* the queue that it waits in */
    TAILQ_ENTRY(http_target) entry;
    struct loop_timer *deadline;
    char *url;       /* of the newest request; what follows is read from it */
    bool https, literal; /* literal: the host is an IP address */
    bool kept;       /* the last connection was probably kept: no look-up is expected */
    usec_t kept_at;
    struct http_request request; /* callbacks and limits only; pointers to the caller's strings are cleared */
    usec_t asked, started; /* steady; started -1 = not yet */
};

/* http.c */
/* May one more request begin in this turn of the loop? */
bool http_has_turn(struct http *http);
struct pool *pool_get(struct http *http, const char *ca_file);
void pool_unref(struct pool *pool);
/* The milliseconds that hold a duration, at least 1, for libcurl's options. */
long http_msec(usec_t duration);

/* lookup.c */
void lookups_init(struct lookups *l, struct loop *loop, int cap);
void lookups_done(struct lookups *l);
bool lookups_take(struct lookups *l);
void lookups_give_back(struct lookups *l);
/* The look-up that held the slot was given up: its thread runs on for a while, and so long it counts. */
void lookups_abandon(struct lookups *l);
/* Starts those that wait, as far as slots go. Never from inside libcurl. */
void lookups_pump(struct lookups *l);

/* target.c */
/* Starts a target that has its slot or needs none; queues it if it cannot start now. */
void target_begin(struct http_target *t);
void target_queue(struct http_target *t, struct http_queue *queue);
void target_unqueue(struct http_target *t);
void target_arm(struct http_target *t);
/* libcurl says that it is over. */
void target_over(struct transfer *x, CURLcode code);

/* transfer.c */
struct transfer *transfer_new(struct http_target *t);
struct transfer *transfer_free(struct transfer *x);
int transfer_prepare(struct transfer *x, const struct http_request *request, struct err *err);
void transfer_attach(struct transfer *x); /* clears what was noted; x->attached says whether libcurl took it */
void transfer_detach(struct transfer *x);
bool transfer_connected(const struct transfer *x);
void transfer_waits(struct transfer *x); /* libcurl waits for something else than before */
void transfer_drop(struct transfer *x); /* forgets the request: headers (wiped) and body */

/* answer.c */
void answer_reset(struct answer *a);
/* One header line, with its line end. `wall` is for a Retry-After that names a date. */
void answer_line(struct answer *a, const char *line, size_t len, usec_t now, usec_t wall);
usec_t answer_retry_after(const char *value, size_t len, usec_t wall);

/* result.c */
enum stage result_stage(const struct http_target *t);
/* Everything but stage, kind and detail. */
void result_facts(const struct http_target *t, usec_t now, struct http_result *ret);
void result_from_curl(const struct http_target *t, CURLcode code, struct http_result *ret);
/* Is this errno a failure of our own host? */
bool result_is_local(long error);
/* Our own deadline ended it. */
void result_timeout(const struct http_target *t, usec_t now, struct http_result *ret);

#endif
