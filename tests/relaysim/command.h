/* What can be asked for on the control socket; one function a command. */
#ifndef RELAYSIM_COMMAND_H
#define RELAYSIM_COMMAND_H

#include "shared/err.h"
#include "tests/relaysim/sim.h"

/* Runs {"cmd":...}; what is to be answered goes into `answer`. -errno with err said when it cannot be. "wait" is control.c's. */
int command_run(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err) ATTR_UNUSED_RESULT;
/* The relay of "relay"; *ret NULL when it is "*" or not there. */
int command_one_relay(struct sim *sim, const cJSON *request, struct relay **ret, struct err *err) ATTR_UNUSED_RESULT;

#endif
