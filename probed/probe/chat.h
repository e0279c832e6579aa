/* One streamed chat completion as a probe: the request in the route's dialect, the stream read by the rules that chat.c has at its head,
 * the challenge checked, the outcome and every time measured. Pure of I/O: bytes and times go in (from the prober's http callbacks, or a
 * test), an observation comes out. */
#ifndef PROBED_PROBE_CHAT_H
#define PROBED_PROBE_CHAT_H

#include "probed/core/observation.h"
#include "probed/probe/challenge.h"
#include "probed/probe/dialect.h"

/* A pause between tokens longer than this counts as a stall in the observation. */
#define CHAT_STALL (2 * USEC_PER_SEC)

struct chat_reading; /* what has been read so far */

/* Copies model and challenge. */
struct chat_reading *chat_reading_new(enum dialect_id dialect, const char *model, const struct challenge *challenge);
struct chat_reading *chat_reading_free(struct chat_reading *r); /* NULL is fine; returns NULL */
/* Bytes of the answer's body as they come. `status` and content type as known by then. Non-zero: nothing more is needed, whatever comes is
 * an overflow; the outcome stands. */
int chat_reading_data(struct chat_reading *r, int status, const char *content_type, const char *data, size_t len, usec_t now);
bool chat_reading_has_token(const struct chat_reading *r);
usec_t chat_reading_last(const struct chat_reading *r); /* steady time of the newest token, -1 = none: for the stall timer */
/* How it was asked, for what its usage can be; without it nothing is concluded from the output's size. Before the end. */
void chat_reading_asked(struct chat_reading *r, const struct chat_ask *ask);
/* The end, however it came; fills the whole observation but queue, in_flight, interval, endpoint and cost. `timeout_stage`: FIRST or STREAM
 * where the caller's own timer ended it (kind TIMEOUT or STALLED), else STAGE_COUNT. Once a reading. */
void chat_reading_finish(struct chat_reading *r, const struct http_result *result, enum stage timeout_stage, struct observation *ret);

/* After the end. */
const char *chat_reading_id(const struct chat_reading *r);               /* the answer's, clean (reply_id.h); "" = none */
enum chat_parameter chat_reading_refused(const struct chat_reading *r);  /* what of the request was refused */
const char *chat_reading_reply(const struct chat_reading *r);            /* the answer's text without thinking: HOSTILE, capped */
/* Adds a flag to a good answer's observation, and why: "; name: why" in the detail, as far as there is room. */
void chat_add_signal(struct observation *o, enum observation_flag flag, const char *name, const char *why);

#endif
