/* Listening ports.
 *
 * One shared HTTP port and one shared HTTPS port carry any number of relays. A relay may have a port of its own; only there can faults
 * below HTTP be shown: a refused connection (the port stays bound by a second socket that never listens, so nobody else can take it
 * meanwhile), a connection that never comes about (the accept queue is kept full, so the kernel drops the SYNs), and certificates. On the
 * shared HTTPS port the server name NAME.test chooses the certificate. Everything is on 127.0.0.1 and nowhere else. */
#include "tests/relaysim/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/relaysim/conn.h"

#define BACKLOG         8192
#define ACCEPTS_AT_ONCE 64
#define PAUSE           (100 * USEC_PER_MSEC)

static void listener_ready(struct watch *watch, uint32_t events);
static void pause_over(struct timer *timer);

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A bound socket; *port 0 becomes the one that was given. `beside`: the port is ours already and this is to stand beside it.
 * SO_REUSEADDR only for a port that was asked for (others may linger in TIME_WAIT there): with it, port 0 may give one that somebody has
 * bound. */
static int bind_port(int *port, bool beside)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (*port && !beside)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (beside)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    struct sockaddr_in addr = loopback(*port);
    socklen_t len = sizeof addr;
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
        int e = -errno;
        close(fd);
        return e;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on); /* only now, so that two of these never share a port by chance */
    *port = ntohs(addr.sin_port);
    return fd;
}

static int start_listening(struct listener *l, int backlog)
{
    if (listen(l->watch.fd, backlog) < 0)
        return -errno;
    l->watch.events = EPOLLIN;
    return reactor_add(&l->sim->reactor, &l->watch);
}

static void listener_close(struct listener *l)
{
    reactor_timer_cancel(&l->sim->reactor, &l->pause);
    reactor_remove(&l->sim->reactor, &l->watch);
    if (l->watch.fd >= 0)
        close(l->watch.fd);
    if (l->holder >= 0)
        close(l->holder);
    for (int i = 0; i < FILLERS; i++)
        if (l->fillers[i] >= 0)
            close(l->fillers[i]);
}

static void listener_free(struct listener *l)
{
    struct listener **at = &l->sim->listeners;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    listener_close(l);
    free(l);
}

static struct listener *listener_new(struct sim *sim, struct relay *relay, bool tls, int port, struct err *err)
{
    int fd = bind_port(&port, false);
    if (fd < 0) {
        err_set(err, fd, "port %d: %s", port, strerror(-fd));
        return NULL;
    }
    struct listener *l = alloc_zero(1, sizeof *l);
    *l = (struct listener){.watch = {.fd = fd, .ready = listener_ready},
                           .pause = {.fire = pause_over},
                           .sim = sim,
                           .next = sim->listeners,
                           .relay = relay,
                           .tls = tls,
                           .port = port,
                           .holder = -1};
    for (int i = 0; i < FILLERS; i++)
        l->fillers[i] = -1;
    sim->listeners = l;
    int e = start_listening(l, BACKLOG);
    if (e < 0) {
        err_set(err, e, "port %d: %s", port, strerror(-e));
        listener_free(l);
        return NULL;
    }
    return l;
}

/* --- accepting ---------------------------------------------------------------------------------------------------- */

static void listener_ready(struct watch *watch, uint32_t events)
{
    struct listener *l = (struct listener *)watch;
    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_begin(l->sim, l, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            reactor_change(&l->sim->reactor, watch, 0);
            reactor_timer_set(&l->sim->reactor, &l->pause, steady_now() + PAUSE);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void pause_over(struct timer *timer)
{
    struct listener *l = (struct listener *)(void *)((char *)timer - offsetof(struct listener, pause));
    reactor_change(&l->sim->reactor, &l->watch, EPOLLIN);
}

/* --- what a port can do besides accepting ------------------------------------------------------------------------- */

static int begin_refusing(struct listener *l)
{
    int port = l->port, holder = bind_port(&port, true);
    if (holder < 0)
        return holder;
    l->holder = holder;
    reactor_remove(&l->sim->reactor, &l->watch);
    close(l->watch.fd);
    l->watch.fd = -1;
    conn_reset_all(l->sim, l); /* the process behind the port has died */
    return 0;
}

static int end_refusing(struct listener *l)
{
    l->watch.fd = l->holder;
    l->holder = -1;
    return start_listening(l, BACKLOG);
}

/* One connection fits into a queue of 0; SYNs that come when it is there are dropped. */
static int begin_hanging(struct listener *l)
{
    reactor_remove(&l->sim->reactor, &l->watch);
    listener_ready(&l->watch, EPOLLIN); /* who waits already is served */
    if (listen(l->watch.fd, 0) < 0)
        return -errno;
    struct sockaddr_in addr = loopback(l->port);
    for (int i = 0; i < FILLERS; i++) {
        l->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (l->fillers[i] >= 0)
            (void)!connect(l->fillers[i], (struct sockaddr *)&addr, sizeof addr);
    }
    return 0;
}

static int end_hanging(struct listener *l)
{
    for (int i = 0; i < FILLERS; i++) {
        if (l->fillers[i] >= 0)
            close(l->fillers[i]);
        l->fillers[i] = -1;
    }
    for (int fd; (fd = accept4(l->watch.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) /* the fillers' ends */
        close(fd);
    return start_listening(l, BACKLOG);
}

static int change_state(struct listener *l, enum listener_state wanted)
{
    int e = 0;
    if (l->state == wanted)
        return 0;
    if (l->state == LISTENER_REFUSING)
        e = end_refusing(l);
    else if (l->state == LISTENER_HANGING)
        e = end_hanging(l);
    l->state = LISTENER_OPEN;
    if (e == 0 && wanted == LISTENER_REFUSING)
        e = begin_refusing(l);
    else if (e == 0 && wanted == LISTENER_HANGING)
        e = begin_hanging(l);
    if (e == 0)
        l->state = wanted;
    return e;
}

int server_apply(struct sim *sim, struct relay *relay, struct err *err)
{
    (void)sim;
    if (!relay->listener)
        return 0;
    int fault = relay->behaviour->fault;
    int e = change_state(relay->listener, fault == FAULT_REFUSE         ? LISTENER_REFUSING
                                          : fault == FAULT_CONNECT_HANG ? LISTENER_HANGING
                                                                        : LISTENER_OPEN);
    return e < 0 ? err_set(err, e, "relay \"%s\": port %d: %s", relay->name, relay->listener->port, strerror(-e)) : 0;
}

/* --- certificates ------------------------------------------------------------------------------------------------- */

enum tls_show server_tls_show(enum fault_id fault)
{
    switch (fault) {
    case FAULT_TLS_EXPIRED:
        return TLS_SHOW_EXPIRED;
    case FAULT_TLS_SELF_SIGNED:
        return TLS_SHOW_SELF_SIGNED;
    case FAULT_TLS_WRONG_NAME:
        return TLS_SHOW_WRONG_NAME;
    case FAULT_TLS_UNTRUSTED:
        return TLS_SHOW_UNTRUSTED;
    default:
        return TLS_SHOW_GOOD;
    }
}

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    struct sim *sim = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    if (!name)
        return SSL_TLSEXT_ERR_OK;
    const struct relay *relay = relays_find(&sim->relays, name, strcspn(name, "."));
    if (SSL_get_SSL_CTX(ssl) == sim->tls.contexts[TLS_SHOW_GOOD]) /* not where the port has decided otherwise */
        tls_show(&sim->tls, ssl, relay ? server_tls_show((enum fault_id)relay->behaviour->fault) : TLS_SHOW_GOOD, name);
    return SSL_TLSEXT_ERR_OK;
}

/* --- relays ------------------------------------------------------------------------------------------------------- */

struct relay *server_add_relay(struct sim *sim, const cJSON *json, struct err *err)
{
    int64_t port = 0;
    bool own = json_int(json, "port", &port), tls = false;
    json_bool(json, "tls", &tls);
    if (port < 0 || port > 65535) {
        err_set(err, -EINVAL, "port: a number between 0 and 65535 is wanted");
        return NULL;
    }
    struct relay *relay = relays_add(&sim->relays, json, err);
    if (!relay)
        return NULL;
    relay->tls = tls;
    if (own)
        relay->listener = listener_new(sim, relay, tls, (int)port, err);
    if ((own && !relay->listener) || server_apply(sim, relay, err) < 0) {
        server_remove_relay(sim, relay);
        return NULL;
    }
    return relay;
}

void server_remove_relay(struct sim *sim, struct relay *relay)
{
    relay_remove(relay);
    if (!relay->listener)
        return;
    conn_close_all(sim, relay->listener);
    listener_free(relay->listener);
    relay->listener = NULL;
}

void server_url(const struct sim *sim, const struct relay *relay, struct buf *ret)
{
    const struct listener *l = relay->listener ? relay->listener : relay->tls ? sim->shared_tls : sim->shared;
    buf_printf(ret, "%s://127.0.0.1:%d", l->tls ? "https" : "http", l->port);
    if (!relay->listener)
        buf_printf(ret, "/%s", relay->name);
}

int server_init(struct sim *sim, int port, int tls_port, struct err *err)
{
    SSL_CTX_set_tlsext_servername_callback(sim->tls.contexts[TLS_SHOW_GOOD], choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(sim->tls.contexts[TLS_SHOW_GOOD], sim);
    sim->shared = listener_new(sim, NULL, false, port, err);
    sim->shared_tls = sim->shared ? listener_new(sim, NULL, true, tls_port, err) : NULL;
    return sim->shared_tls ? 0 : -EADDRINUSE;
}

void server_done(struct sim *sim)
{
    conn_close_all(sim, NULL);
    while (sim->listeners)
        listener_free(sim->listeners);
}
