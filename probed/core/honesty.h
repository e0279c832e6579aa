/* What speaks for and against a route's answers being what was asked for: soft signals, each with how often, how lately and on what
 * evidence.
 *
 * None is a verdict. A signal that weighs goes into `dishonesty`, which policies may weigh; the others are shown and no more, since honest
 * relays cause them too. Pure. */
#ifndef PROBED_CORE_HONESTY_H
#define PROBED_CORE_HONESTY_H

#include "probed/core/decay.h"
#include "probed/core/observation.h"

#define HONESTY_EVIDENCE_MAX   64
#define HONESTY_HALF_LIFE      (24 * USEC_PER_HOUR)
#define HONESTY_RARE_HALF_LIFE (7 * USEC_PER_DAY) /* of what is tested once a week */
#define HONESTY_UNSCORABLE     5                  /* challenges failed with none passed: the model cannot do them */

/* X(ID, name, flag, weight of one answer that has it, half-life, what it is) */
#define HONESTY_TABLE(X)                                                                                                                   \
    X(MODEL_DIFFERS, "model_differs", OBSERVED_MODEL_DIFFERS, 1.0, HONESTY_HALF_LIFE,                                                      \
      "the answer names another model than the one asked for")                                                                             \
    X(CHALLENGE_FAILED, "challenge_failed", OBSERVED_CHALLENGE_FAILED, 1.0, HONESTY_HALF_LIFE,                                             \
      "a question on a short passage was not answered from it")                                                                            \
    X(CACHED, "cached", OBSERVED_CACHED, 1.0, HONESTY_HALF_LIFE, "the answer came from a cache, though the prompt was new")                \
    X(SAME_ANSWER, "same_answer", OBSERVED_SAME_ANSWER, 1.0, HONESTY_RARE_HALF_LIFE,                                                       \
      "the answer is word for word what another model answered on the same platform")                                                      \
    X(USAGE_IMPOSSIBLE, "usage_impossible", OBSERVED_USAGE_IMPOSSIBLE, 0.5, HONESTY_HALF_LIFE,                                             \
      "the token counts told cannot be those of the prompt or of the text")                                                                \
    X(ID_ODD, "id_odd", OBSERVED_ID_ODD, 0.1, HONESTY_HALF_LIFE,                                                                           \
      "the answer's id is of another vendor's kind, or not of the route's usual")                                                          \
    X(ONE_BURST, "one_burst", OBSERVED_ONE_BURST, 0.0, HONESTY_HALF_LIFE, "the whole answer came at once, though a stream was asked for")  \
    X(CUMULATIVE, "cumulative", OBSERVED_CUMULATIVE, 0.0, HONESTY_HALF_LIFE, "each piece of the stream repeats the text before it")

enum honesty_id {
#define X(id, name, flag, weight, half_life, text) HONESTY_##id,
    HONESTY_TABLE(X)
#undef X
        HONESTY_SIGNALS
};

struct honesty_signal {
    usec_t last;                         /* seen; 0 = never */
    uint32_t count, of;                  /* seen, of so many answers that could have shown it */
    float seen, weight;                  /* the same, decayed, as of honesty.at */
    char evidence[HONESTY_EVIDENCE_MAX]; /* of the last one, valid UTF-8: HOSTILE */
};
struct honesty { /* zero = nothing is known */
    usec_t at;
    struct decay_moment fooled; /* the weight of what was wrong with an answer; 0 = nothing was */
    struct honesty_signal signal[HONESTY_SIGNALS];
};

const char *honesty_name(enum honesty_id id);
const char *honesty_text(enum honesty_id id);
bool honesty_weighs(enum honesty_id id);
/* A good answer. */
void honesty_observe(struct honesty *h, const struct observation *o, usec_t now);
/* The model passes no challenge, which is then no sign of anything else. */
bool honesty_unscorable(const struct honesty *h);
uint32_t honesty_challenges_passed(const struct honesty *h);
double honesty_share(const struct honesty *h, enum honesty_id id, usec_t now); /* of answers lately; 0 = none */
double honesty_samples(const struct honesty *h, usec_t now);                   /* behind the dishonesty, decayed */
/* 0..1: the share of answers that were not what was asked for, at the doubt that is left by so many samples: 1 while nothing is known. */
double honesty_dishonesty(const struct honesty *h, usec_t now);

#endif
