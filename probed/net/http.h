/* HTTP client on the loop: the only user of libcurl. Probes, price feeds and webhooks all go through it.
 *
 * The simulation links tests/sim/http_sim.c in its place.
 * A target keeps what belongs to one destination (TLS session, kept connection, an easy handle) and runs one request at a time.
 * Redirects are not followed, TLS is always verified (1.2 at least), nothing is ever sent twice: a kept connection that dies under a request ends it as RESET,
 * with `reused` set. Every answer has a cap. Proxies, .netrc and cookies are never taken from the environment: what is measured is the relay by the
 * configured route. HTTP/2 where TLS offers it, one request a connection at a time. At most 16 requests begin in one turn of the loop. SIGPIPE must be ignored. */
#ifndef PROBED_NET_HTTP_H
#define PROBED_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "probed/core/outcome.h"
#include "probed/sys/loop.h"

struct http;
struct http_target;

struct http_setup {
    int connections;       /* kept at most, >= the number of targets that keep one */
    int dns_concurrency;   /* look-ups at once; more wait (counted as queue time by the caller) */
    const char *ca_file;   /* NULL = /etc/ssl/certs/ca-certificates.crt */
    const char *user_agent;
};

struct http *http_new(struct loop *loop, const struct http_setup *setup, struct err *err);
void http_free(struct http *http); /* cancels what runs; targets must be freed before */

struct http_target *http_target_new(struct http *http, const char *ca_file /* NULL = the client's */);
struct http_target *http_target_free(struct http_target *target); /* cancels; on_done is not called; returns NULL */

struct http_header {
    const char *name, *value;
};

/* What an answer was like. Times in us, each from the start of the request (cumulative), -1 = did not get there / kept connection. */
struct http_result {
    enum stage stage;            /* where it ended; DONE if the answer is complete. After the head it is STREAM, never FIRST: tokens are for who reads the body.
                                    QUEUE (kind LOCAL): no look-up slot came free within total_timeout; started is `ended` then */
    enum outcome_kind kind;      /* OK = a complete HTTP answer, whatever its status (redirects too); else TIMEOUT, RESOLVE, REFUSED, ... */
    int status;                  /* 0 = none; of the final answer, 1xx are skipped */
    usec_t started;              /* steady clock; waiting for a look-up slot comes before it */
    usec_t dns, connect, tls;    /* segments (not cumulative); -1 on a reused connection */
    usec_t sent;                 /* steady clock: request about to be sent (curl's pretransfer) */
    usec_t headers;              /* steady clock: status line of the answer */
    usec_t ended;                /* steady clock */
    usec_t retry_after;          /* from Retry-After (seconds or HTTP date) or retry-after-ms; 0 = none; a year at most: cap it */
    bool reused;
    int http_version;            /* 10, 11, 20 */
    size_t received;             /* body bytes, decoded */
    char content_type[96];       /* lower case, without parameters; "" = none */
    char etag[128];              /* as it came, quotes and W/ included; "" = none, or none that could be sent back */
    char detail[160];            /* curl's words, without URLs or secrets */
    char address[64];            /* peer address */
};

struct http_request {
    const char *method;          /* "GET", "POST" */
    const char *url;
    const struct http_header *headers;
    size_t headers_len;
    const void *body;            /* POST; copied */
    size_t body_len;
    bool fresh;                  /* on a new connection with a whole TLS handshake (a resumed session skips the certificate), closed afterwards */
    /* Look-up, TCP and TLS together from `started`; the whole head from `sent`; all of it from `started`. 0 = no cap of its own; a total is a must. */
    usec_t connect_timeout, headers_timeout, total_timeout;
    size_t max_body;             /* bytes after unpacking; more ends it with TOO_LARGE */
    size_t max_headers;          /* [64 KiB] */
    /* Body bytes as they come, with the steady time of their arrival. May be NULL. Non-zero ends the request (kind CANCELED). */
    int (*on_data)(void *arg, const char *data, size_t len, usec_t now);
    /* Called once, on every path but cancel and target_free; the target is idle again and may be started or freed from inside. */
    void (*on_done)(void *arg, const struct http_result *result);
    void *arg;
};

/* 0, or -EBUSY (one is running), -EINVAL (not an http(s) URL, a header with a control character). on_done is never called from inside. */
int http_start(struct http_target *target, const struct http_request *request, struct err *err) ATTR_UNUSED_RESULT;
/* Ends what runs at once; fills *ret (may be NULL) with what is known so far (kind CANCELED, stage where it stood); on_done is not called. */
void http_cancel(struct http_target *target, struct http_result *ret);
bool http_busy(const struct http_target *target);
/* The answer so far, from inside on_data: status and content type are known there. */
int http_status(const struct http_target *target);
const char *http_content_type(const struct http_target *target);
usec_t http_sent(const struct http_target *target); /* steady clock, -1 = not yet */

struct http_stats { int running, resolving; uint64_t started, connections; };
struct http_stats http_stats(const struct http *http);

#endif
