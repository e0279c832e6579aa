/* The Anthropic messages dialect. */
#ifndef RELAYSIM_ANTHROPIC_H
#define RELAYSIM_ANTHROPIC_H

#include "tests/relaysim/reply.h"

struct stream_form;
extern const struct stream_form anthropic_form;
void anthropic_write_whole(const struct reply *r, const char *thought, const char *said, struct buf *ret);

#endif
