/* What a route has taught us about how it wants to be asked and how it usually answers; kept as long as the route's target, over reloads. Pure. */
#ifndef PROBED_PROBE_MANNERS_H
#define PROBED_PROBE_MANNERS_H

#include "probed/core/observation.h"
#include "probed/probe/dialect.h"
#include "probed/probe/reply_id.h"

#define MANNERS_ANSWERS 8

struct challenge;

struct manners {
    unsigned left_out; /* PARAMETER_BIT of what it refused */
    bool reasons;      /* it thinks, whatever the configuration says */
    bool bounded;      /* it was seen to stop at the limit while it thought: the limit bounds its thinking too */
    int most_tokens;   /* a larger limit was refused; 0 = none was */
    struct reply_ids ids;
    char answers[MANNERS_ANSWERS][16]; /* right answers to its last challenges */
    uint8_t answers_next;
};

/* A refusal of `refused` by a request that had `sent`: true if the next one will be different. `words`: what is done from now on, for people. */
bool manners_refused(struct manners *m, enum chat_parameter refused, unsigned sent, char *words, size_t size);
/* True if the observation shows for the first time that the model thinks. */
bool manners_reasons(struct manners *m, const struct observation *o);
/* Whether the reply is the answer to an earlier challenge of the route's and nothing in the present one could have led to it: such an
 * answer came from a cache. Remembers this challenge's answer if it was given. */
bool manners_stale(struct manners *m, const struct challenge *c, const char *reply, unsigned flags);
/* What is left out or done otherwise, for people: "temperature, max_tokens as max_completion_tokens"; "" = nothing. */
void manners_describe(const struct manners *m, char *ret, size_t size);

#endif
