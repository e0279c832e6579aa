/* How a chat is asked for and read in one dialect of the relays: one struct dialect a dialect, nothing else differs between them. Pure. */
#ifndef PROBED_PROBE_DIALECT_H
#define PROBED_PROBE_DIALECT_H

#include "probed/config/config.h"
#include "probed/net/http.h"
#include "probed/probe/parameters.h"
#include "probed/probe/sse.h"
#include "shared/buf.h"
#include "shared/json.h"

struct chat_reading;

/* One user message to be answered. */
struct chat_ask {
    const char *model, *prompt;
    int max_tokens;
    bool reasoning;    /* the model thinks: declared so, or seen */
    unsigned left_out; /* PARAMETER_BIT of those that the route does not take */
};

struct chat_request {              /* of one dialect */
    struct buf path;               /* appended to the endpoint's base URL; holds the model where the dialect has it there, escaped */
    struct http_header headers[8]; /* static; the key's header is added by the caller */
    size_t headers_len;
    struct buf body;
    unsigned sent; /* PARAMETER_BIT of those in the body that it could do without */
};
void chat_request_done(struct chat_request *request);

struct dialect {
    enum dialect_id id;
    /* Appended to the base. An OpenAI, Responses or Gemini base ends in the version ("https://host/v1", "https://host/v1beta"), an
     * Anthropic one is the root ("https://host"), as each vendor's own libraries take it. "{model}" stands for the model's name. */
    const char *chat_path, *models_path;
    const char *key_header;           /* "Authorization", "x-api-key", "x-goog-api-key" */
    bool key_bearer;                  /* "Bearer " before the key */
    struct http_header models_header; /* that a list of models needs beside the key; name NULL = none */
    /* Fills the whole of *ret; chat_request_done frees what it holds. */
    void (*request)(struct chat_request *ret, const struct chat_ask *ask);
    /* One event of the stream into the reading. 0, or non-zero when nothing more is of interest. */
    int (*event)(struct chat_reading *reading, const struct sse_event *event, usec_t now);
    /* A whole body that is no stream (a relay that ignored that a stream was asked for). */
    void (*body)(struct chat_reading *reading, const cJSON *json, usec_t now);
};

extern const struct dialect dialect_openai, dialect_anthropic, dialect_gemini, dialect_responses;
const struct dialect *dialect_get(enum dialect_id id);
/* A path template with the model's name in it, as one segment of a path: whatever is no unreserved character is escaped. */
void dialect_add_path(struct buf *ret, const char *path, const char *model);

/* For the dialects: whether the route takes the parameter; then it counts as sent. */
bool dialect_takes(struct chat_request *request, const struct chat_ask *ask, enum chat_parameter parameter);
/* The least reasoning effort that may be asked for, and counts as sent; NULL = the parameter is left out. */
const char *dialect_effort(struct chat_request *request, const struct chat_ask *ask);

#endif
