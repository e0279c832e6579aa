/* What a route can do, as it was tried out: a state for each capability, and what a policy's requirements make of it.
 *
 * What is declared (tags) is somebody's word; what was measured beats it. A measured yes is as good as a declared tag, a measured no takes a
 * declared one away, and what is unclear or was never tried changes nothing. One refusal is no `no` where the opposite is declared: it takes two, of
 * separate tries. */
#ifndef PROBED_CORE_CAPABILITY_H
#define PROBED_CORE_CAPABILITY_H

#include "probed/core/policy.h"
#include "shared/units.h"

/* X(ID, name, what a yes means). The name is that of the tag too. */
#define CAPABILITY_TABLE(X)                                                                    \
    X(STREAM, "stream", "an answer comes in pieces, as it is made")                            \
    X(USAGE, "usage", "a stream ends with the tokens it took")                                 \
    X(TOOLS, "tools", "a function is called, with arguments that are valid JSON")              \
    X(JSON, "json", "with response_format json_object the answer is JSON and nothing else")    \
    X(VISION, "vision", "the colour of a picture is told")                                     \
    X(EMBEDDINGS, "embeddings", "a vector of numbers comes back for a text")

enum capability {
#define X(id, name, text) CAPABILITY_##id,
    CAPABILITY_TABLE(X)
#undef X
        CAPABILITY_COUNT
};
const char *capability_name(enum capability capability);
const char *capability_text(enum capability capability);
int capability_from_name(const char *name); /* -1 = none */

enum capability_state { CAPABILITY_UNTESTED, CAPABILITY_YES, CAPABILITY_NO, CAPABILITY_UNCLEAR, CAPABILITY_STATES };
const char *capability_state_name(enum capability_state state); /* "untested", "yes", "no", "unclear" */

#define CAPABILITY_EVIDENCE_MAX 70
#define CAPABILITY_REFUSALS 2 /* tries that must fail for it before a declared capability counts as missing */

struct capability_known {
    uint8_t state;    /* enum capability_state */
    uint8_t refusals; /* tries in a row in which it was refused; saturating */
    usec_t at;        /* of the last try, steady clock; 0 = never tried */
    char evidence[CAPABILITY_EVIDENCE_MAX]; /* may hold a relay's words: valid UTF-8, HOSTILE */
};
struct capabilities {
    struct capability_known of[CAPABILITY_COUNT];
};

/* One try found `found` (YES, NO or UNCLEAR). A NO against what is declared is UNCLEAR until it has come CAPABILITY_REFUSALS times; an UNCLEAR after a
 * clear word leaves that word standing. True if the state changed. */
bool capability_learn(struct capability_known *k, enum capability_state found, bool declared, const char *evidence, usec_t now);
/* The latest time that any was tried; 0 = never. */
usec_t capabilities_tried(const struct capabilities *c);
bool capability_declared(enum capability capability, const struct tag *model, size_t model_len, const struct tag *platform, size_t platform_len);

/* As policy_unmet, with what was measured (NULL = nothing was). */
const struct tag *capability_unmet(const struct policy *policy, const struct capabilities *measured, const struct tag *model, size_t model_len,
                                   const struct tag *platform, size_t platform_len);

#endif
