/* The OpenAI responses dialect. */
#ifndef RELAYSIM_RESPONSES_H
#define RELAYSIM_RESPONSES_H

#include "tests/relaysim/reply.h"

struct stream_form;
extern const struct stream_form responses_form;
void responses_write_whole(const struct reply *r, const char *thought, const char *said, struct buf *ret);

#endif
