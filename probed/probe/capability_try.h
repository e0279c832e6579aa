/* One try of one capability: the request, and what its answer says. Pure: chance and bytes go in, a finding comes out.
 *
 * A `no` is said only where the relay or the model said it, by a refusal that names the thing or by an answer without it; whatever else went wrong (network, 5xx,
 * 429, a cut answer, an error about something else) is unclear. */
#ifndef PROBED_PROBE_CAPABILITY_TRY_H
#define PROBED_PROBE_CAPABILITY_TRY_H

#include "probed/core/capability.h"
#include "probed/core/observation.h"
#include "probed/probe/dialect.h"

#define CAPABILITY_BODY_MAX ((size_t)512 * 1024) /* of an answer: 16,000 numbers of an embedding */

enum picture_colour { PICTURE_RED, PICTURE_GREEN, PICTURE_BLUE, PICTURE_COLOURS };
const char *picture_colour_name(enum picture_colour colour);
/* A PNG of one plain colour, PICTURE_SIDE pixels wide and high; appended. */
#define PICTURE_SIDE 64
void picture_make(enum picture_colour colour, struct buf *ret);
void picture_add_base64(struct buf *ret, const void *data, size_t len);

struct capability_try {
    enum capability capability; /* STREAM is USAGE's too: one request tells of both */
    enum dialect_id dialect;
    char nonce[12];
    enum picture_colour colour;
    unsigned question; /* of STREAM (capability_same.h) */
};
/* Whether there is a request for it in that dialect. */
bool capability_has_try(enum capability capability, enum dialect_id dialect);
void capability_try_make(struct capability_try *ret, enum capability capability, enum dialect_id dialect, unsigned question, uint64_t *random);
/* What a try takes at worst, without any thinking: tokens of the prompt, and the limit of the answer. */
void capability_tokens(enum capability capability, int *ret_prompt, int *ret_output);
/* Model, limit and what the route does not take are the ask's; its prompt is not used. chat_request_done frees what *ret holds. */
void capability_request(const struct capability_try *t, const struct chat_ask *ask, struct chat_request *ret);

struct capability_answer {
    enum stage stage;            /* as http says: where it ended, */
    enum outcome_kind transport; /* and OK = it is complete, whatever its status */
    int status;
    const char *content_type, *body;
    size_t len;
};
struct capability_finding {
    enum capability_state state; /* YES, NO, UNCLEAR */
    char evidence[CAPABILITY_EVIDENCE_MAX]; /* HOSTILE */
    struct outcome outcome;
    char detail[OBSERVATION_DETAIL_MAX]; /* of a failure, in the relay's words: HOSTILE */
    int32_t prompt_tokens, output_tokens; /* -1 = not told */
};
/* Not of STREAM. `model`: as it was asked for. */
void capability_judge(const struct capability_try *t, const char *model, const struct capability_answer *answer, struct capability_finding *ret);
/* STREAM and USAGE, from a chat's observation. */
void capability_judge_stream(const struct observation *o, struct capability_finding *ret_stream, struct capability_finding *ret_usage);

#endif
