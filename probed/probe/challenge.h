/* A question on a short passage, whose answer must be found in it, with a nonce against caches (challenge.c has its exact form). Pure. */
#ifndef PROBED_PROBE_CHALLENGE_H
#define PROBED_PROBE_CHALLENGE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/compiler.h"

struct challenge {
    char prompt[512];
    char answer[16];    /* lower case: the word that must be in the reply */
    char others[4][16]; /* lower case: its neighbours in the passage, which only an echo or a wrong answer holds */
    char nonce[12];
    /* How many tokens an honest count of the prompt can be, and of what follows the nonce in it; 0 = not known. */
    int tokens_low, tokens_high, after_nonce_low;
};
/* All of *ret from the state, which moves on. */
void challenge_make(struct challenge *ret, uint64_t *random) ATTR_NONNULL(1, 2);
/* `cut`: max_tokens ended the reply. A cut reply that holds neither the answer nor a foreign word says nothing yet. */
enum challenge_verdict { CHALLENGE_OPEN, CHALLENGE_PASSED, CHALLENGE_FAILED };
enum challenge_verdict challenge_judge(const struct challenge *c, const char *reply, bool cut) ATTR_NONNULL(1, 2);
/* The same with what the model's vendor puts around a prompt (a template, a line of its own): 0 and 0 where that is not known. */
void challenge_known(const struct challenge *c, const char *model, int *low, int *high) ATTR_NONNULL(1, 2, 3, 4);
/* Whether a word stands in the text, in any case, a plural s allowed. */
bool challenge_holds(const char *text, const char *word) ATTR_NONNULL(1, 2);
bool challenge_passed(const struct challenge *c, const char *reply) ATTR_NONNULL(1, 2);

#endif
