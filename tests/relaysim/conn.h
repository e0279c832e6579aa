/* One connection: TLS, requests in, scripts played out. */
#ifndef RELAYSIM_CONN_H
#define RELAYSIM_CONN_H

#include "tests/relaysim/sim.h"

/* Takes a connected socket that came in on `listener`. */
void conn_begin(struct sim *sim, struct listener *listener, int fd);
/* Resets (RST) every connection that came in on this listener (NULL = on any), as when the process dies. */
void conn_reset_all(struct sim *sim, const struct listener *listener);
/* The listener is gone: its connections are closed, too. */
void conn_close_all(struct sim *sim, const struct listener *listener);

#endif
