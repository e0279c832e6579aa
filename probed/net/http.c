/* The HTTP client: libcurl's multi handles driven by the loop.
 *
 * libcurl says which sockets it waits for (one loop_io each) and when it wants to be called next (one loop_timer a multi handle); every event becomes one
 * curl_multi_socket_action. While that runs, libcurl calls back into transfer.c and from there into the caller's on_data, where no handle may be added or
 * removed: starts and cancels are put down in the pool and done by settle() as soon as libcurl is back. on_done is called from settle, outside of
 * libcurl, so that it may start, cancel and free whatever it likes.
 *
 * A pool is a multi handle for one CA file. Pools appear with their first target and go with their last; connections are kept in them.
 * Proxy settings, .netrc, cookies and HSTS are never taken from the environment: what is measured is the relay, by the route that was configured. */
#include "probed/net/http_parts.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "shared/alloc.h"

#define CA_FILE_DEFAULT "/etc/ssl/certs/ca-certificates.crt"
#define CONNECTIONS_DEFAULT 1000
/* At some 150 us each this stays well below 10 ms. */
#define BEGIN_PER_TURN 16

/* Rounded up, and not through a float: a time cut to 0 ms would be no limit at all, or a timer that spins. */
long http_msec(usec_t duration)
{
    if (duration <= USEC_PER_MSEC)
        return 1;
    usec_t msec = duration / USEC_PER_MSEC + (duration % USEC_PER_MSEC != 0);
    return msec < INT_MAX ? (long)msec : INT_MAX;
}

static struct transfer *transfer_of(CURL *easy)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    return (struct transfer *)(void *)private;
}

/* libcurl is back: do what its callbacks put off, then tell who is done, then start who waits for a look-up slot. */
static void settle(struct pool *p)
{
    struct transfer *orphan;
    struct http_target *t;
    CURLMsg *message;
    int left;
    while ((orphan = TAILQ_FIRST(&p->orphans)) != NULL) {
        TAILQ_REMOVE(&p->orphans, orphan, entry);
        transfer_free(orphan);
    }
    while ((message = curl_multi_info_read(p->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        target_over(transfer_of(message->easy_handle), message->data.result);
    }
    while ((t = TAILQ_FIRST(&p->starting)) != NULL) {
        target_unqueue(t);
        target_begin(t);
    }
    lookups_pump(&p->http->lookups);
}

static void act(struct pool *p, curl_socket_t fd, int events)
{
    int running;
    p->refs++; /* on_done may free the pool's last target */
    p->inside = true;
    /* What it returns is about a socket that it does not know any more; each request has its own result and, at worst, its deadline. */
    curl_multi_socket_action(p->multi, fd, events, &running);
    p->inside = false;
    settle(p);
    pool_unref(p);
}

static void on_socket(void *arg, int fd, unsigned events)
{
    act(arg, fd, ((events & LOOP_READ) ? CURL_CSELECT_IN : 0) | ((events & LOOP_WRITE) ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg) { act(arg, CURL_SOCKET_TIMEOUT, 0); }

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
    struct pool *p = arg;
    struct loop_io *io = of_socket;
    struct transfer *x = easy != NULL ? transfer_of(easy) : NULL; /* a connection that is closed late has none of ours */
    if (x != NULL)
        transfer_waits(x);
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(p->multi, fd, NULL);
        loop_io_free(io);
        return 0;
    }
    if (io == NULL) {
        io = loop_io_new(p->http->loop, "http socket", fd, on_socket, p);
        curl_multi_assign(p->multi, fd, io);
    }
    loop_io_set(io, ((what & CURL_POLL_IN) ? LOOP_READ : 0u) | ((what & CURL_POLL_OUT) ? LOOP_WRITE : 0u));
    return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct pool *p = arg;
    if (timeout_ms < 0)
        loop_timer_stop(p->timer);
    else /* from this moment: the loop's own time is as old as this turn */
        loop_timer_set(p->timer, loop_now_fresh(p->http->loop) + timeout_ms * USEC_PER_MSEC);
    return 0;
}

bool http_has_turn(struct http *http)
{
    usec_t now = loop_now(http->loop);
    if (now != http->turn) {
        http->turn = now;
        http->begun = 0;
    }
    if (http->begun >= BEGIN_PER_TURN) {
        loop_timer_set(http->next_turn, 0);
        return false;
    }
    http->begun++;
    return true;
}

static void on_next_turn(void *arg)
{
    struct http *http = arg;
    for (int i = 0; i < BEGIN_PER_TURN && !TAILQ_EMPTY(&http->crowd); i++) {
        struct http_target *t = TAILQ_FIRST(&http->crowd);
        target_unqueue(t);
        target_begin(t);
    }
    if (!TAILQ_EMPTY(&http->crowd))
        loop_timer_set(http->next_turn, 0);
}

static struct pool *pool_new(struct http *http, const char *ca_file)
{
    struct pool *p = alloc_zero(1, sizeof(*p));
    *p = (struct pool){.http = http, .ca_file = alloc_string(ca_file)};
    TAILQ_INIT(&p->starting);
    TAILQ_INIT(&p->orphans);
    p->timer = loop_timer_new(http->loop, "http timer", on_timer, p);
    p->multi = curl_multi_init();
    if (p->multi != NULL) {
        curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
        curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
        curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, want_timer);
        curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
        curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)http->setup.connections);
        /* One request a connection at a time, over HTTP/2 too: two on one would be measured through each other. */
        curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    }
    TAILQ_INSERT_TAIL(&http->pools, p, entry);
    return p;
}

struct pool *pool_get(struct http *http, const char *ca_file)
{
    struct pool *p;
    TAILQ_FOREACH(p, &http->pools, entry)
        if (strcmp(p->ca_file, ca_file) == 0)
            break;
    if (p == NULL)
        p = pool_new(http, ca_file);
    p->refs++;
    return p;
}

void pool_unref(struct pool *p)
{
    if (--p->refs > 0)
        return;
    TAILQ_REMOVE(&p->http->pools, p, entry);
    if (p->multi != NULL)
        curl_multi_cleanup(p->multi); /* closes the kept connections; their sockets' watchers go with them */
    loop_timer_free(p->timer);
    alloc_freep(&p->ca_file);
    alloc_freep(&p);
}

struct http *http_new(struct loop *loop, const struct http_setup *setup, struct err *err)
{
    const char *ca_file = setup->ca_file != NULL ? setup->ca_file : CA_FILE_DEFAULT;
    /* Without the system's CA file plain HTTP still works, and each TLS request says what is wrong; a file that was asked for must be there. */
    if (setup->ca_file != NULL && access(ca_file, R_OK) < 0) {
        err_set(err, -errno, "CA file %s: %s", ca_file, strerror(errno));
        return NULL;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        err_set(err, -ENOTSUP, "libcurl cannot be initialised");
        return NULL;
    }
    struct http *http = alloc_zero(1, sizeof(*http));
    http->loop = loop;
    http->setup = (struct http_setup){
        .connections = setup->connections > 0 ? setup->connections : CONNECTIONS_DEFAULT,
        .ca_file = alloc_string(ca_file),
        .user_agent = alloc_string(setup->user_agent != NULL ? setup->user_agent : "probed/" PROBED_VERSION),
    };
    TAILQ_INIT(&http->pools);
    TAILQ_INIT(&http->crowd);
    http->next_turn = loop_timer_new(loop, "http next turn", on_next_turn, http);
    lookups_init(&http->lookups, loop, setup->dns_concurrency);
    return http;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    assert(TAILQ_EMPTY(&http->pools)); /* a target outlived its client */
    lookups_done(&http->lookups);
    loop_timer_free(http->next_turn);
    alloc_freep(&http->setup.ca_file);
    alloc_freep(&http->setup.user_agent);
    alloc_freep(&http);
    curl_global_cleanup();
}

struct http_stats http_stats(const struct http *http)
{
    struct http_stats stats = http->stats;
    stats.resolving = http->lookups.taken;
    return stats;
}
