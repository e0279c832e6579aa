/* `probed import`: a history from elsewhere into the state directory, while no daemon runs. See probed(8). */
#ifndef PROBED_IMPORT_H
#define PROBED_IMPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "probed/config/config.h"

struct import_options {
    const char *state_dir; /* NULL = the configuration's */
    const char *file;      /* NULL or "-" = standard input */
    bool skip_bad;         /* lines that are no records are counted and passed over */
};

/* Reads it, tells what became of it on `answer` and what is wrong, or how far it is on a terminal, on standard error. config: for the
 * directory and the limits; borrowed; NULL = the usual limits, and state_dir is given. 0, or -1 when nothing was taken. */
int import_run(const struct config *config, const struct import_options *options, FILE *answer);

#endif
