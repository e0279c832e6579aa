/* Whether two models answer a question in the very same words. Pure.
 *
 * All routes of a platform are asked the same few open questions, at temperature 0. Two models of different families never answer such a question with the
 * same two sentences; one model under two names does. One coincidence is nothing: it takes two questions. */
#ifndef PROBED_PROBE_CAPABILITY_SAME_H
#define PROBED_PROBE_CAPABILITY_SAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAME_QUESTIONS 4
#define SAME_LEAST 80 /* characters of an answer that tell anything */
#define SAME_FAMILY_MAX 24

const char *same_question(unsigned number);
/* Of the answer without its case, blanks and punctuation; 0 = too short to tell. Never 0 otherwise. */
uint64_t same_hash(const char *reply);
/* Whose model it is by its name: "gpt" of "openai/gpt-4o-2024-08-06" and of "o3-mini"; "" = cannot be told. */
void same_family(const char *model, char ret[SAME_FAMILY_MAX]);
/* Both are known, and different. */
bool same_differ(const char *model, const char *other);

#endif
