/* The Gemini dialect: generateContent and streamGenerateContent. */
#ifndef RELAYSIM_GEMINI_H
#define RELAYSIM_GEMINI_H

#include "tests/relaysim/reply.h"

struct stream_form;
extern const struct stream_form gemini_form;
void gemini_write_whole(const struct reply *r, const char *thought, const char *said, struct buf *ret);

#endif
