/* HTTP/1.1 requests out of a connection's bytes. */
#ifndef RELAYSIM_HTTP_H
#define RELAYSIM_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/buf.h"

#define HTTP_HEAD_MAX (64 * 1024)
#define HTTP_BODY_MAX (16 * 1024 * 1024)

struct request {
    char method[16];
    char target[1024];              /* path, without the query */
    char query[1024];               /* behind the '?', "" = none; one that is too long is cut off */
    char host[256];                 /* without the port, lower case */
    char key[512];                  /* of Authorization (Bearer or bare), x-api-key or x-goog-api-key; "" = none */
    bool bearer;                    /* it came as "Bearer KEY" */
    bool gzip;                      /* is accepted */
    char matches[128];              /* If-None-Match; "" = none */
    char user[64], user_header[32]; /* New-Api-User and its fork names, lower case; "" = none */
    bool close;                     /* the client wants it closed afterwards */
    bool expect_continue;
    bool chunked;
    size_t head_len; /* bytes of the head, blank line included */
    size_t body_len; /* announced (without chunked) */
    struct buf body; /* whole */
    size_t used;     /* bytes of the input that were this request */
};

void request_done(struct request *r);
/* Tries to read one request from the start of data. 1 = whole; 0 = more is needed (head_len > 0 once the head is whole); -EINVAL = no HTTP,
 * -E2BIG. */
int request_parse(struct request *r, const char *data, size_t len);
/* The value of NAME in the query, unescaped and cut to size; false (and "") when it is not there. */
bool request_query(const struct request *r, const char *name, char *ret, size_t size);
/* %41 -> A, cut to size; what is no escape stays. */
void http_unescape(const char *text, size_t len, char *ret, size_t size);

#endif
