/* One streamed chat completion as a probe: the request in the route's dialect, the stream read by the rules of PLATFORMS.md section 13, the challenge
 * checked, the outcome and every time measured. Pure of I/O: bytes and times go in (from the prober's http callbacks, or a test), an observation comes out. */
#ifndef PROBED_PROBE_CHAT_H
#define PROBED_PROBE_CHAT_H

#include "probed/config/config.h"
#include "probed/core/observation.h"
#include "probed/net/http.h"
#include "probed/probe/sse.h"
#include "shared/buf.h"

/* A question whose answer must be found in a passage, with a nonce against caches (ANCHORS.md 0.5). */
struct challenge {
    char prompt[1024];
    char answer[32];  /* lower case word(s) that must be in the reply */
    char echo[32];    /* a word of the passage which an echo, and no right answer, holds */
};
void challenge_make(struct challenge *ret, uint64_t *random);
bool challenge_passed(const struct challenge *c, const char *reply);

struct chat_reading; /* what has been read so far; see chat.c */

struct chat_request { /* of one dialect */
    const char *path;          /* appended to the endpoint's base */
    struct http_header headers[8]; /* static names; the key's header is added by the caller */
    size_t headers_len;
    const char *key_header, *key_prefix; /* "Authorization", "Bearer " / "x-api-key", "" */
    struct buf body;
};

struct dialect {
    enum dialect_id id;
    const char *models_path; /* with base */
    void (*request)(struct chat_request *ret, const char *model, const char *prompt, int max_tokens, bool reasoning);
    /* One event of the stream into the reading. 0, or non-zero when nothing more is of interest. */
    int (*event)(struct chat_reading *reading, const struct sse_event *event, usec_t now);
    /* A whole body that is no stream (a relay that ignored stream:true). */
    void (*body)(struct chat_reading *reading, const cJSON *json, usec_t now);
};
const struct dialect *dialect_get(enum dialect_id id);

struct chat_reading *chat_reading_new(enum dialect_id dialect, const char *model, const struct challenge *challenge);
struct chat_reading *chat_reading_free(struct chat_reading *r);
/* Bytes of the answer's body as they come. `status` and content type as known by then. Non-zero: nothing more is needed. */
int chat_reading_data(struct chat_reading *r, int status, const char *content_type, const char *data, size_t len, usec_t now);
bool chat_reading_has_token(const struct chat_reading *r);
usec_t chat_reading_last(const struct chat_reading *r); /* steady time of the newest token, -1 = none: for the stall timer */
/* The end, however it came; fills the whole observation but queue, in_flight, interval, endpoint and cost. `timeout_stage`: FIRST or STREAM where the caller's own
 * timer ended it (kind TIMEOUT or STALLED), else STAGE_COUNT. */
void chat_reading_finish(struct chat_reading *r, const struct http_result *result, enum stage timeout_stage, struct observation *ret);

#endif
