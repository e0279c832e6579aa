/* One completion written out as a stream of events, in either dialect. */
#ifndef RELAYSIM_STREAM_H
#define RELAYSIM_STREAM_H

#include "tests/relaysim/reply.h"
#include "tests/relaysim/script.h"

/* The stream after its headers, with its end. */
void stream_write(const struct reply *r, struct script *s);

#endif
