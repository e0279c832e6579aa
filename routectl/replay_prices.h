/* The prices that were in force when a stretch of the daemon's history begins, as records: their own may be older than it. */
#ifndef ROUTECTL_REPLAY_PRICES_H
#define ROUTECTL_REPLAY_PRICES_H

#include "routectl/verb.h"
#include "shared/buf.h"

/* Appends a line for each route that has one. A daemon that does not tell is no failure; one that is not reached is, and the complaint has
 * been made. */
enum exit_code replay_prices(const struct command *command, usec_t since, usec_t until, struct buf *ret) ATTR_UNUSED_RESULT;

#endif
