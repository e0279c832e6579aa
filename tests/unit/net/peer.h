/* The other side of the HTTP client's tests: a server on 127.0.0.1 whose answers are C functions, one thread a connection; and a small harness that runs
 * one request to its end. With PEER_TLS defined before it is included, servers speak TLS with certificates of a made-up CA.
 *
 * Everything here has a deadline. The threads of a server are joined by peer_stop, so nothing outlives a test. */
#ifndef TESTS_UNIT_NET_PEER_H
#define TESTS_UNIT_NET_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef PEER_TLS
#include <openssl/ssl.h>
#endif

#include "probed/net/http.h"
#include "shared/alloc.h"
#include "shared/buf.h"

#define MSEC USEC_PER_MSEC
#define PEER_LINES 1200
#define PEER_PATIENCE (60 * USEC_PER_SEC)
/* A deadline that passed was kept if it ended by now, on the slowest machine and under valgrind too. */
#define PEER_SLOW (8 * USEC_PER_SEC)

static inline usec_t test_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static inline void test_sleep(usec_t usec)
{
    struct timespec ts = {.tv_sec = usec / USEC_PER_SEC, .tv_nsec = usec % USEC_PER_SEC * 1000};
    nanosleep(&ts, NULL);
}

/* Polls until *value >= least. */
static inline void test_await(atomic_int *value, int least)
{
    usec_t until = test_clock() + PEER_PATIENCE;
    while (atomic_load(value) < least && test_clock() < until)
        test_sleep(1000);
    assert_true(atomic_load(value) >= least);
}

/* --- the server ------------------------------------------------------------------------------------------------------- */

struct peer;
struct line { /* an accepted connection */
    struct peer *peer;
    pthread_t thread;
    int fd;
    int number;   /* 1..: which connection of this server */
    int requests; /* on this connection */
    void *ssl;
};

struct peer {
    void (*serve)(struct line *l);
    void *tls; /* SSL_CTX or NULL */
    int fd, port;
    pthread_t thread;
    atomic_bool stopping;
    atomic_int connections, requests, resumed, ended, failed_handshakes;
    _Atomic usec_t request_at; /* test_clock when the newest request was whole */
    char request[16384];       /* the newest one */
    pthread_mutex_t lock;
    struct line *lines[PEER_LINES];
};

static inline ssize_t line_read(struct line *l, void *to, size_t size)
{
#ifdef PEER_TLS
    if (l->ssl != NULL)
        return SSL_read(l->ssl, to, (int)size);
#endif
    return recv(l->fd, to, size, 0);
}

static inline bool line_write(struct line *l, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n;
#ifdef PEER_TLS
        if (l->ssl != NULL)
            n = SSL_write(l->ssl, at, (int)len);
        else
#endif
            n = send(l->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static inline bool line_say(struct line *l, const char *text) { return line_write(l, text, strlen(text)); }

/* A whole request with its body. False: the client has gone. */
static inline bool line_request(struct line *l)
{
    struct peer *p = l->peer;
    char text[sizeof(p->request)];
    size_t len = 0, want = 0;
    while (want == 0 || len < want) {
        ssize_t n = line_read(l, text + len, sizeof(text) - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        char *end = strstr(text, "\r\n\r\n");
        if (end != NULL && want == 0) {
            const char *length = strcasestr(text, "content-length:");
            want = (size_t)(end - text) + 4 + (length != NULL ? (size_t)atol(length + 15) : 0);
        }
    }
    pthread_mutex_lock(&p->lock);
    memcpy(p->request, text, len + 1);
    pthread_mutex_unlock(&p->lock);
    atomic_store(&p->request_at, test_clock());
    l->requests++;
    atomic_fetch_add(&p->requests, 1);
    return true;
}

/* Ends the connection with a RST. */
static inline void line_reset(struct line *l)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    int null = socket(AF_INET, SOCK_STREAM, 0); /* the number stays taken until the thread closes it */
    dup2(null, l->fd);
    close(null);
}

/* Waits until the client closes, or the server is stopped. */
static inline void line_hold(struct line *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    char drop[256];
    while (!atomic_load(&l->peer->stopping))
        if (poll(&p, 1, 20) > 0 && line_read(l, drop, sizeof(drop)) <= 0)
            return;
}

static inline void *line_run(void *arg)
{
    struct line *l = arg;
#ifdef PEER_TLS
    if (l->peer->tls != NULL) {
        l->ssl = SSL_new(l->peer->tls);
        SSL_set_fd(l->ssl, l->fd);
        if (SSL_accept(l->ssl) != 1) {
            atomic_fetch_add(&l->peer->failed_handshakes, 1);
            goto out;
        }
        if (SSL_session_reused(l->ssl))
            atomic_fetch_add(&l->peer->resumed, 1);
    }
#endif
    l->peer->serve(l);
#ifdef PEER_TLS
out:
    SSL_free(l->ssl);
#endif
    shutdown(l->fd, SHUT_RDWR);
    close(l->fd);
    pthread_mutex_lock(&l->peer->lock);
    l->fd = -1;
    pthread_mutex_unlock(&l->peer->lock);
    atomic_fetch_add(&l->peer->ended, 1);
    return NULL;
}

static inline void *peer_accept(void *arg)
{
    struct peer *p = arg;
    for (int n = 0; n < PEER_LINES;) {
        int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
        struct line *l = alloc_zero(1, sizeof(*l));
        *l = (struct line){.peer = p, .fd = fd, .number = n + 1};
        pthread_mutex_lock(&p->lock);
        p->lines[n++] = l;
        pthread_mutex_unlock(&p->lock);
        atomic_fetch_add(&p->connections, 1);
        pthread_attr_t small;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 256 * 1024);
        pthread_create(&l->thread, &small, line_run, l);
        pthread_attr_destroy(&small);
    }
    return NULL;
}

/* Listens on a free port; with serve NULL it never accepts. */
static inline struct peer *peer_start(void (*serve)(struct line *l), void *tls)
{
    struct peer *p = alloc_zero(1, sizeof(*p));
    p->serve = serve;
    p->tls = tls;
    pthread_mutex_init(&p->lock, NULL);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    assert_int_equal(bind(p->fd, (struct sockaddr *)(void *)&a, sizeof(a)), 0);
    assert_int_equal(listen(p->fd, 1024), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)(void *)&a, &len), 0);
    p->port = ntohs(a.sin_port);
    if (serve != NULL)
        assert_int_equal(pthread_create(&p->thread, NULL, peer_accept, p), 0);
    return p;
}

static inline struct peer *peer_stop(struct peer *p)
{
    atomic_store(&p->stopping, true);
    shutdown(p->fd, SHUT_RDWR);
    if (p->serve != NULL)
        pthread_join(p->thread, NULL);
    close(p->fd);
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < PEER_LINES && p->lines[i] != NULL; i++)
        if (p->lines[i]->fd >= 0)
            shutdown(p->lines[i]->fd, SHUT_RDWR);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < PEER_LINES && p->lines[i] != NULL; i++) {
        pthread_join(p->lines[i]->thread, NULL);
        alloc_freep(&p->lines[i]);
    }
    pthread_mutex_destroy(&p->lock);
    alloc_freep(&p);
    return NULL;
}

/* Answers every request on every connection with "hello". */
static inline void serve_hello(struct line *l)
{
    while (line_request(l))
        if (!line_say(l, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"))
            return;
}

/* --- the client's harness --------------------------------------------------------------------------------------------- */

struct world {
    struct loop *loop;
    struct http *http;
    struct http_target *target;
    struct loop_timer *guard;
    struct buf body;
    int done, pieces;
    usec_t last; /* arrival of the newest piece */
    struct http_result result;
    bool overdue;
};

static inline void world_overdue(void *arg)
{
    struct world *w = arg;
    w->overdue = true;
    loop_stop(w->loop);
}

static inline void world_open_with(struct world *w, const struct http_setup *setup)
{
    struct err err = {""};
    *w = (struct world){.loop = loop_new()};
    w->http = http_new(w->loop, setup, &err);
    if (w->http == NULL)
        fail_msg("http_new: %s", err.text);
    w->target = http_target_new(w->http, NULL);
    w->guard = loop_timer_new(w->loop, "guard", world_overdue, w);
}

static inline void world_open(struct world *w) { world_open_with(w, &(struct http_setup){.connections = 1000, .dns_concurrency = 8}); }

static inline void world_close(struct world *w)
{
    struct http_stats stats = http_stats(w->http);
    assert_int_equal(stats.running, 0);
    w->target = http_target_free(w->target);
    http_free(w->http);
    loop_timer_free(w->guard);
    loop_free(w->loop);
    buf_done(&w->body);
}

static inline int world_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct world *w = arg;
    buf_add(&w->body, data, len);
    w->pieces++;
    assert_true(now >= w->last);
    w->last = now;
    return 0;
}

static inline void world_done(void *arg, const struct http_result *result)
{
    struct world *w = arg;
    w->done++;
    w->result = *result;
    loop_stop(w->loop);
}

/* Runs the loop until somebody stops it; a test that hangs fails here. */
static inline void world_run(struct world *w)
{
    w->overdue = false;
    loop_timer_set(w->guard, loop_now_fresh(w->loop) + PEER_PATIENCE);
    loop_run(w->loop);
    loop_timer_stop(w->guard);
    assert_false(w->overdue);
}

static inline const char *peer_url(const struct peer *p, const char *host)
{
    static char url[8][128];
    static unsigned n;
    char *ret = url[n++ % 8];
    snprintf(ret, sizeof(url[0]), "%s://%s:%d/v1/x", p->tls != NULL ? "https" : "http", host, p->port);
    return ret;
}

static inline struct http_request world_request(struct world *w, const char *url)
{
    return (struct http_request){
        .method = "GET",
        .url = url,
        .connect_timeout = 30 * USEC_PER_SEC,
        .headers_timeout = 30 * USEC_PER_SEC,
        .total_timeout = 50 * USEC_PER_SEC,
        .max_body = 1024 * 1024,
        .on_data = world_data,
        .on_done = world_done,
        .arg = w,
    };
}

/* Starts it and runs to its end. What holds of every result is checked here. */
static inline const struct http_result *world_ask(struct world *w, const struct http_request *request)
{
    struct err err = {""};
    int before = w->done;
    usec_t began = loop_now_fresh(w->loop);
    buf_clear(&w->body);
    w->pieces = 0;
    w->last = 0;
    if (http_start(w->target, request, &err) < 0)
        fail_msg("http_start: %s", err.text);
    assert_true(http_busy(w->target));
    assert_int_equal(w->done, before); /* never from inside */
    world_run(w);
    assert_int_equal(w->done, before + 1);
    assert_false(http_busy(w->target));
    const struct http_result *r = &w->result;
    assert_true(r->started >= began && r->ended >= r->started);
    assert_true(r->sent == -1 || (r->sent >= r->started && r->sent <= r->ended));
    assert_true(r->headers == -1 || (r->headers >= r->sent && r->headers <= r->ended));
    assert_true((r->kind == OUTCOME_OK) == (r->stage == STAGE_DONE));
    assert_true(r->dns >= -1 && r->connect >= -1 && r->tls >= -1);
    if (r->reused)
        assert_true(r->dns == -1 && r->connect == -1 && r->tls == -1);
    if (r->kind != OUTCOME_OK)
        assert_true(r->detail[0] != '\0');
    assert_null(strstr(r->detail, "://"));
    return r;
}

static inline const struct http_result *world_get(struct world *w, const char *url)
{
    struct http_request request = world_request(w, url);
    return world_ask(w, &request);
}

#define assert_outcome(result_, stage_, kind_)                                                                          \
    do {                                                                                                                \
        const struct http_result *got_ = (result_);                                                                     \
        if (got_->stage != (stage_) || got_->kind != (kind_))                                                           \
            fail_msg("%s/%s (%s) instead of %s/%s", stage_name(got_->stage), outcome_name(got_->kind), got_->detail,    \
                     stage_name(stage_), outcome_name(kind_));                                                          \
    } while (0)

#endif
