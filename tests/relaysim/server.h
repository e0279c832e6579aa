/* Listening ports: the two shared ones, and those of relays that have a port of their own. */
#ifndef RELAYSIM_SERVER_H
#define RELAYSIM_SERVER_H

#include "shared/buf.h"
#include "shared/err.h"
#include "tests/relaysim/sim.h"

#define FILLERS 4

enum listener_state { LISTENER_OPEN, LISTENER_REFUSING, LISTENER_HANGING };

struct listener {
    struct watch watch; /* first */
    struct timer pause; /* after running out of descriptors */
    struct sim *sim;
    struct listener *next;
    struct relay *relay; /* NULL = shared */
    bool tls;
    int port;
    enum listener_state state;
    int holder;           /* keeps the port bound while refusing; -1 */
    int fillers[FILLERS]; /* connections that fill the queue while hanging; -1 */
};

/* Opens the shared ports (0 = any). */
int server_init(struct sim *sim, int port, int tls_port, struct err *err) ATTR_UNUSED_RESULT;
void server_done(struct sim *sim);
/* A relay with its port, if it asks for one: {"port":N|0} (its own), {"tls":bool}. */
struct relay *server_add_relay(struct sim *sim, const cJSON *json, struct err *err) ATTR_UNUSED_RESULT;
void server_remove_relay(struct sim *sim, struct relay *relay);
/* Makes the relay's own port do what its behaviour says now. */
int server_apply(struct sim *sim, struct relay *relay, struct err *err) ATTR_UNUSED_RESULT;
/* "http://127.0.0.1:PORT[/NAME]", without /v1. */
void server_url(const struct sim *sim, const struct relay *relay, struct buf *ret);
enum tls_show server_tls_show(enum fault_id fault);

#endif
