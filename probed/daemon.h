/* The daemon: the one place where the parts meet. It owns configuration, routes, table and reload.
 *
 * Configuration -> prober (what to ask) -> ranker (what it means) -> table -> api (who asks), with overrides, budget and journal on the side. Everything runs on
 * one loop; nothing in here blocks but small files at start, at reload and when an operator speaks. */
#ifndef PROBED_DAEMON_H
#define PROBED_DAEMON_H

#include <stdbool.h>

#include "probed/config/config.h"
#include "probed/sys/loop.h"

struct daemon;

struct daemon_options {
    const char *config_file;
    const char *socket_path; /* instead of the configuration's; NULL */
    const char *state_dir;   /* instead of the configuration's; NULL */
    bool debug;              /* the command line's log level wins over the configuration's, also after a reload */
    bool no_api;             /* no socket at all: simulations */
    bool no_store;           /* no history: simulations */
    int listen_fd;           /* activated socket, or -1 */
    uint64_t seed;
};

/* Takes over the caller's reference to config, also on failure. NULL with err said. */
struct daemon *daemon_new(struct loop *loop, const struct daemon_options *options, struct config *config, struct err *err);
struct daemon *daemon_free(struct daemon *d); /* cancels what is in flight; returns NULL */
void daemon_start(struct daemon *d);

/* 0, or -EINVAL: the new configuration is not acceptable, messages (may be NULL) says why, the old one stays in force. */
int daemon_reload(struct daemon *d, struct buf *messages);

/* Whoever keeps a history: told of each thing that the ranker is told by the prober, as it is told, at the daemon's steady time. What operators and
 * configuration say is theirs to keep. One at a time; NULL ends it. */
struct record;
typedef void (*daemon_record_fn)(void *arg, const struct record *record);
void daemon_set_recorder(struct daemon *d, daemon_record_fn fn, void *arg);

/* For simulations and tests. */
const struct table *daemon_table(const struct daemon *d);
struct ranker *daemon_ranker(struct daemon *d);

#endif
