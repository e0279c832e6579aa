/* Inside shared/client (and its tests): an HTTP/1.1 answer and an event stream, read a piece at a time from any bytes. No I/O, no clock. */
#ifndef SHARED_CLIENT_PARSE_H
#define SHARED_CLIENT_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/client.h"
#include "shared/err.h"

#define CLIENT_LINE_MAX    (8 * 1024)
#define CLIENT_HEAD_MAX    (64 * 1024) /* the head, and the trailers and chunk extensions, each */
#define CLIENT_INTERIM_MAX 8           /* 1xx answers before the real one */

/* Takes body bytes. 0 = go on; anything else stops the parser, which returns it. */
typedef int (*client_body_fn)(void *arg, const char *data, size_t len, struct err *err);

enum client_parse_state {
    CLIENT_STATUS_LINE,
    CLIENT_HEADERS,
    CLIENT_BODY_LENGTH,
    CLIENT_BODY_UNTIL_CLOSE,
    CLIENT_CHUNK_SIZE,
    CLIENT_CHUNK_DATA,
    CLIENT_CHUNK_END,
    CLIENT_TRAILERS,
    CLIENT_WHOLE,
};

struct client_parser {
    struct client_answer *answer; /* borrowed; status and headers go here */
    client_body_fn body;
    void *arg;
    enum client_parse_state state;
    struct buf line;
    size_t head_bytes;
    unsigned interim;
    bool chunked, has_length, http_1_0;
    uint64_t left; /* of the body or of the chunk */
};

void client_parser_init(struct client_parser *p, struct client_answer *answer, client_body_fn body, void *arg);
void client_parser_done(struct client_parser *p);
/* 0, -EPROTO, or what the body function returned. Bytes after a whole answer are passed over. */
int client_parser_feed(struct client_parser *p, const char *data, size_t len, struct err *err) ATTR_UNUSED_RESULT;
/* The connection was closed: 0 if the answer is whole by that, else -EPROTO. */
int client_parser_end(struct client_parser *p, struct err *err) ATTR_UNUSED_RESULT;
bool client_parser_whole(const struct client_parser *p);

struct client_events {
    client_event_fn fn;
    void *arg;
    struct buf line, data;
    char event[64], id[128];
    bool has_data;  /* a data field came, even an empty one */
    bool after_cr;  /* the last line ended with CR: an LF right now belongs to it */
    bool after_bom; /* the stream's first line was looked at */
    uint64_t told;  /* events and comments handed out */
};

void client_events_init(struct client_events *e, client_event_fn fn, void *arg);
void client_events_done(struct client_events *e);
/* 0, -EPROTO, or what the function returned. */
int client_events_feed(struct client_events *e, const char *data, size_t len, struct err *err) ATTR_UNUSED_RESULT;

#endif
