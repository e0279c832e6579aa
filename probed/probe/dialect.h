/* How a chat is asked for and read in one dialect of the relays: one struct dialect a dialect, nothing else differs between them. Pure. */
#ifndef PROBED_PROBE_DIALECT_H
#define PROBED_PROBE_DIALECT_H

#include "probed/config/config.h"
#include "probed/net/http.h"
#include "probed/probe/sse.h"
#include "shared/buf.h"
#include "shared/json.h"

struct chat_reading;

struct chat_request {              /* of one dialect */
    const char *path;              /* appended to the endpoint's base URL */
    struct http_header headers[8]; /* static; the key's header is added by the caller */
    size_t headers_len;
    const char *key_header, *key_prefix; /* "Authorization", "Bearer " / "x-api-key", "" */
    struct buf body;                     /* the caller's to free */
};

struct dialect {
    enum dialect_id id;
    /* Both are appended to the base. An OpenAI base ends in the version ("https://host/v1"), an Anthropic one is the root ("https://host"),
     * as each vendor's own libraries take it. */
    const char *chat_path, *models_path;
    /* Fills the whole of *ret. */
    void (*request)(struct chat_request *ret, const char *model, const char *prompt, int max_tokens, bool reasoning);
    /* One event of the stream into the reading. 0, or non-zero when nothing more is of interest. */
    int (*event)(struct chat_reading *reading, const struct sse_event *event, usec_t now);
    /* A whole body that is no stream (a relay that ignored stream:true). */
    void (*body)(struct chat_reading *reading, const cJSON *json, usec_t now);
};

extern const struct dialect dialect_openai, dialect_anthropic;
const struct dialect *dialect_get(enum dialect_id id);

#endif
