/* `probed replay`: recorded observations through the same core as the daemon's, in virtual time. See probed(8). */
#ifndef PROBED_REPLAY_H
#define PROBED_REPLAY_H

#include <stdbool.h>
#include <stdio.h>

#include "probed/config/config.h"

struct replay_options {
    bool skip_bad; /* a bad line is told and skipped */
    bool brief;    /* of tables only what may get requests; rows are [platform, slots, cost of the policy's request in 1e-12 of the currency or null] */
    double speed;  /* virtual seconds a second; 0 = as fast as it goes */
};

/* Reads records from `from`, answers on `to`, tells what is wrong to `messages`. Takes config over. 0, or -1 when it ended at a bad line or
 * at an I/O error. */
int replay_run(struct config *config, const struct replay_options *options, int from, int to, FILE *messages);

#endif
