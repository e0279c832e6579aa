/* The control socket: one JSON object a line in, one a line out. */
#ifndef RELAYSIM_CONTROL_H
#define RELAYSIM_CONTROL_H

#include "shared/err.h"
#include "tests/relaysim/sim.h"

int control_init(struct sim *sim, const char *path, struct err *err) ATTR_UNUSED_RESULT;
void control_done(struct sim *sim);
/* A request came or ended: what waits for it is looked at. */
void control_notice(struct sim *sim);

#endif
