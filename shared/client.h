/* A small HTTP/1.1 client over the daemon's Unix socket, for routectl and for programs that ask for routes.
 *
 * Blocking with a deadline. Answers with Content-Length, chunked, or until close; caps on all of it. */
#ifndef SHARED_CLIENT_H
#define SHARED_CLIENT_H

#include "shared/buf.h"
#include "shared/err.h"
#include "shared/units.h"

#define CLIENT_SOCKET_DEFAULT "/run/probed/probed.sock"
#define CLIENT_ANSWER_MAX (64 * 1024 * 1024)

struct client_answer {
    int status;
    struct buf body;
    char content_type[96];
    char etag[128];
    usec_t valid_until; /* X-Probed-Valid-Until, wall clock; 0 = not told */
    int64_t next;       /* X-Probed-Next: where the next page begins, 0 = that was all; only if has_next */
    bool has_next;
};
void client_answer_done(struct client_answer *answer);

/* method "GET"/"POST"; target is path and query, already encoded (client_encode); body NULL = none, else JSON. 0 whatever the status;
 * -ECONNREFUSED/-ENOENT/-EACCES: no daemon there; -ETIMEDOUT: not whole within `timeout` (USEC_INFINITY = no limit); -EPROTO: rubbish, cut short
 * or too large; -EINVAL: our own request is none. On failure *ret is empty (status 0); client_answer_done is fine either way. */
int client_request(const char *socket_path, const char *method, const char *target, const char *body, usec_t timeout,
                   struct client_answer *ret, struct err *err) ATTR_UNUSED_RESULT;
/* A stream of server-sent events: fn is called for each event and each comment (event NULL, id NULL, data without its leading blank) until it
 * returns non-zero (which is then returned), the stream ends (0) or fails (<0). data is NUL-terminated; all is borrowed for the call.
 * idle: the longest wait for the connection, the first and each further whole event or comment; bytes that make none are silence.
 * Failures as above, and: the daemon refused, with its own words in err: -EINVAL (4xx), -EBUSY (429, 503), -EPROTO (else); -EINTR: a signal handler
 * ran, so that a program can stop watching by one. */
typedef int (*client_event_fn)(void *arg, const char *event, const char *id, const char *data, size_t len);
int client_watch(const char *socket_path, const char *target, const char *last_event_id, usec_t idle, client_event_fn fn, void *arg,
                 struct err *err) ATTR_UNUSED_RESULT;
/* Appends text percent-encoded for a query value. */
void client_encode(struct buf *ret, const char *text);

#endif
