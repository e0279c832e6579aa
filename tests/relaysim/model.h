/* The simulated model: what it replies to a prompt. */
#ifndef RELAYSIM_MODEL_H
#define RELAYSIM_MODEL_H

#include "shared/buf.h"
#include "tests/relaysim/behaviour.h"

/* The reply to `prompt` as the behaviour's `answer` says; `chance` chooses the words where there is a choice. */
void model_reply(const struct behaviour *b, const char *prompt, uint64_t chance, struct buf *ret);
uint64_t model_hash(const char *text);
/* The next piece of text as a tokenizer might cut it: at most max_chars characters, a space going with the word behind it. Its length in
 * bytes; 0 at the end. */
size_t model_piece(const char *text, int max_chars);
/* The i-th filler word, with a leading space. */
const char *model_filler(unsigned i);
unsigned model_count_tokens(const char *text);

#endif
