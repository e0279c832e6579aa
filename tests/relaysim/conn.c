/* One connection.
 *
 *     DELAYED --accept_delay--> HANDSHAKE (TLS) --> OPEN <--> playing a script --> LINGER --> closed
 *                                                   HUNG: nothing is read or said any more, until the client leaves
 *
 * A connection has at most one exchange at a time; what a client pipelines waits in `in`. The script of the exchange is played step by
 * step: a step that is due is given to send() whole, and its times are taken right before the send() that carries its last byte. When the
 * client leaves in the middle, the exchange ends as "left". The connection frees itself; functions that may have freed it return false when
 * they have. */
#include "tests/relaysim/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "tests/relaysim/answer.h"
#include "tests/relaysim/control.h"
#include "tests/relaysim/server.h"

#define INPUT_AHEAD_MAX   (1024 * 1024) /* pipelined bytes that are read while an answer is being sent */
#define STEPS_AT_ONCE     64
#define LINGER_TIME       (2 * USEC_PER_SEC)
#define FROM_TIMER(timer) ((struct conn *)((char *)(timer)-offsetof(struct conn, timer)))

enum phase { PHASE_DELAYED, PHASE_HANDSHAKE, PHASE_OPEN, PHASE_HUNG, PHASE_LINGER };

struct conn {
    struct watch watch; /* first: a watch is its connection */
    struct timer timer;
    struct sim *sim;
    struct listener *listener;
    struct conn *next, *prev;
    SSL *ssl;
    enum phase phase;
    bool blocked, continued;
    uint64_t number;
    uint32_t nth; /* requests so far */
    struct instant accepted, handshaked, first_byte;
    struct buf in;
    struct request request;
    struct exchange x;
};

/* --- coming and going --------------------------------------------------------------------------------------------- */

static void end_exchange(struct conn *c, const char *how)
{
    if (!c->x.active)
        return;
    exchange_end(&c->x, how);
    control_notice(c->sim);
}

static void conn_free(struct conn *c, const char *how)
{
    struct sim *sim = c->sim;
    end_exchange(c, how);
    reactor_timer_cancel(&sim->reactor, &c->timer);
    reactor_remove(&sim->reactor, &c->watch);
    SSL_free(c->ssl);
    close(c->watch.fd);
    if (c->prev)
        c->prev->next = c->next;
    else
        sim->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    sim->conns_len--;
    request_done(&c->request);
    buf_done(&c->in);
    free(c);
    ERR_clear_error();
}

static void conn_reset(struct conn *c, const char *how)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    conn_free(c, how);
}

/* FIN, and what still comes is read away, so that the kernel does not make an RST of it. */
static void conn_finish(struct conn *c, bool rude)
{
    if (c->ssl && !rude && SSL_is_init_finished(c->ssl))
        SSL_shutdown(c->ssl);
    ERR_clear_error();
    shutdown(c->watch.fd, SHUT_WR);
    end_exchange(c, NULL);
    c->phase = PHASE_LINGER;
    reactor_change(&c->sim->reactor, &c->watch, EPOLLIN);
    reactor_timer_set(&c->sim->reactor, &c->timer, steady_now() + LINGER_TIME);
}

static void conn_hang(struct conn *c)
{
    c->phase = PHASE_HUNG;
    reactor_change(&c->sim->reactor, &c->watch, EPOLLRDHUP);
}

/* Reads and drops. */
static void linger(struct conn *c)
{
    char junk[16384];
    ssize_t n = recv(c->watch.fd, junk, sizeof junk, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        conn_free(c, NULL);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

/* > 0 bytes; 0 = not now; -1 = the connection is over. */
static ssize_t conn_write(struct conn *c, const char *data, size_t len)
{
    if (!c->ssl) {
        ssize_t n = send(c->watch.fd, data, len, MSG_NOSIGNAL);
        return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    int n = SSL_write(c->ssl, data, (int)(len < INT32_MAX ? len : INT32_MAX));
    if (n > 0)
        return n;
    int e = SSL_get_error(c->ssl, n);
    return e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ ? 0 : -1;
}

static ssize_t conn_read(struct conn *c, char *data, size_t len)
{
    if (!c->ssl) {
        ssize_t n = recv(c->watch.fd, data, len, 0);
        return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    int n = SSL_read(c->ssl, data, (int)len);
    if (n > 0)
        return n;
    int e = SSL_get_error(c->ssl, n);
    return e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void update_watch(struct conn *c)
{
    bool full = c->x.active && c->in.len >= INPUT_AHEAD_MAX;
    reactor_change(&c->sim->reactor, &c->watch, (full ? (uint32_t)EPOLLRDHUP : (uint32_t)EPOLLIN) | (c->blocked ? (uint32_t)EPOLLOUT : 0));
}

/* --- playing a script --------------------------------------------------------------------------------------------- */

static void note_step(struct record *record, const struct step *step, struct instant now)
{
    static const struct {
        unsigned mark;
        size_t offset;
    } firsts[] = {{MARK_HEADERS, offsetof(struct record, headers)}, {MARK_COMMENT, offsetof(struct record, comment)},
                  {MARK_DATA, offsetof(struct record, data)},       {MARK_REASONING, offsetof(struct record, reasoning)},
                  {MARK_CONTENT, offsetof(struct record, content)}, {MARK_DONE, offsetof(struct record, done)}};
    for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
        struct instant *at = (struct instant *)(void *)((char *)record + firsts[i].offset);
        if (step->marks & firsts[i].mark && !at->real)
            *at = now;
    }
    if (step->marks & MARK_CONTENT)
        record->content_last = now;
    for (unsigned i = 0; i < step->tokens; i++)
        record_token(record, now.steady);
}

static usec_t step_due(const struct conn *c, const struct step *step)
{
    usec_t after = c->x.before + step->after, at = c->x.t0 + step->at;
    return after > at ? after : at;
}

enum played { PLAYED_GONE, PLAYED_WAIT, PLAYED_ON };

/* Sends (the rest of) the step that is due. */
static enum played play_step(struct conn *c, const struct step *step)
{
    struct exchange *x = &c->x;
    size_t len = step->end - x->sent;
    bool drip = x->script.drip > 0 && len > 1;
    if (drip)
        len = 1;
    struct instant now = instant_now();
    ssize_t n = conn_write(c, x->script.bytes.data + x->sent, len);
    if (n < 0) {
        conn_free(c, "left");
        return PLAYED_GONE;
    }
    x->sent += (size_t)n;
    x->record->sent += (uint64_t)n;
    c->blocked = (size_t)n < len;
    if (c->blocked)
        return PLAYED_WAIT;
    if (drip) {
        reactor_timer_set(&c->sim->reactor, &c->timer, now.steady + x->script.drip);
        return PLAYED_WAIT;
    }
    note_step(x->record, step, now);
    x->before = now.steady;
    x->step++;
    return PLAYED_ON;
}

/* The script is out. False: the connection is gone. */
static bool play_end(struct conn *c)
{
    struct exchange *x = &c->x;
    switch (x->script.end) {
    case SCRIPT_KEEP: {
        double idle = x->behaviour ? x->behaviour->close_idle : -1;
        end_exchange(c, NULL);
        update_watch(c);
        if (idle >= 0)
            reactor_timer_set(&c->sim->reactor, &c->timer, steady_now() + (usec_t)(idle * 1000));
        return true;
    }
    case SCRIPT_CLOSE:
        conn_finish(c, x->script.rude);
        return true;
    case SCRIPT_RESET:
        conn_reset(c, NULL);
        return false;
    default:
        update_watch(c);
        return true;
    }
}

static void loop_last_step(struct exchange *x)
{
    x->step = x->script.len - 1;
    x->sent = x->step ? x->script.steps[x->step - 1].end : 0;
}

/* Goes on with the script as far as time and socket allow. False: the connection is gone. */
static bool play(struct conn *c)
{
    struct exchange *x = &c->x;
    struct script *s = &x->script;
    for (int steps = 0; x->step < s->len; steps++) {
        const struct step *step = &s->steps[x->step];
        usec_t due = step_due(c, step), now = steady_now();
        if (due > now || steps >= STEPS_AT_ONCE) {
            reactor_timer_set(&c->sim->reactor, &c->timer, due > now ? due : now);
            break;
        }
        enum played played = play_step(c, step);
        if (played == PLAYED_GONE)
            return false;
        if (played == PLAYED_WAIT)
            break;
        if (x->step == s->len && s->end == SCRIPT_LOOP)
            loop_last_step(x);
    }
    if (x->step < s->len) {
        update_watch(c);
        return true;
    }
    if (steady_now() < x->t0 + s->end_at) {
        reactor_timer_set(&c->sim->reactor, &c->timer, x->t0 + s->end_at);
        return true;
    }
    return play_end(c);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void begin_exchange(struct conn *c, bool valid)
{
    struct exchange *x = &c->x;
    reactor_timer_cancel(&c->sim->reactor, &c->timer); /* of close_idle */
    c->nth++;
    x->active = true;
    x->record = records_begin(&c->sim->records);
    struct record *record = x->record;
    record->relay = c->listener->relay;
    record->connection = c->number;
    record->nth = c->nth;
    record->tls = c->ssl != NULL;
    record->accepted = c->accepted;
    record->handshaked = c->handshaked;
    record->first_byte = c->first_byte;
    record->complete = instant_now();
    x->t0 = x->before = record->complete.steady;
    c->first_byte = (struct instant){.steady = 0};
    if (valid)
        answer_request(c->sim, &c->request, c->listener->relay, c->nth, x);
    else
        answer_bad_request(x);
    control_notice(c->sim);
}

/* Begins the next request that is whole, answers it, and so on. False: the connection is gone. */
static bool process_input(struct conn *c)
{
    while (c->phase == PHASE_OPEN && !c->x.active && c->in.len) {
        int e = request_parse(&c->request, c->in.data, c->in.len);
        if (e == 0) {
            if (c->request.head_len && c->request.expect_continue && !c->continued) {
                static const char words[] = "HTTP/1.1 100 Continue\r\n\r\n";
                c->continued = true;
                if (conn_write(c, words, sizeof words - 1) < 0) {
                    conn_free(c, NULL);
                    return false;
                }
            }
            return true;
        }
        begin_exchange(c, e > 0);
        buf_consume(&c->in, e > 0 ? c->request.used : c->in.len);
        request_done(&c->request);
        c->continued = false;
        if (c->in.len)
            c->first_byte = c->x.record->complete;
        if (!play(c))
            return false;
    }
    return true;
}

/* How an exchange ends when the client goes: a hang keeps its name, since that is what it was left for. */
static const char *how_left(const struct conn *c)
{
    return c->x.script.end == SCRIPT_HANG && c->x.step == c->x.script.len ? NULL : "left";
}

static void read_input(struct conn *c)
{
    char chunk[16384];
    while (c->phase == PHASE_OPEN) {
        if (c->x.active && c->in.len >= INPUT_AHEAD_MAX) {
            update_watch(c);
            return;
        }
        ssize_t n = conn_read(c, chunk, sizeof chunk);
        if (n < 0)
            conn_free(c, how_left(c));
        if (n <= 0)
            return;
        if (!c->first_byte.real)
            c->first_byte = instant_now();
        buf_add(&c->in, chunk, (size_t)n);
        if (!process_input(c) || ((size_t)n < sizeof chunk && !c->ssl))
            return;
    }
}

static void go_on(struct conn *c)
{
    if (play(c) && process_input(c) && c->phase == PHASE_OPEN && c->ssl && SSL_has_pending(c->ssl))
        read_input(c); /* epoll does not tell of what OpenSSL has read already */
}

/* --- what the loop tells ------------------------------------------------------------------------------------------ */

static bool handshake(struct conn *c)
{
    const struct behaviour *b = c->listener->relay ? c->listener->relay->behaviour : NULL;
    if (b && b->fault == FAULT_TLS_CLOSE) { /* the client has said hello */
        conn_finish(c, true);
        return false;
    }
    int n = SSL_accept(c->ssl);
    if (n == 1) {
        c->phase = PHASE_OPEN;
        c->handshaked = instant_now();
        reactor_change(&c->sim->reactor, &c->watch, EPOLLIN);
        return true;
    }
    int e = SSL_get_error(c->ssl, n);
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
        reactor_change(&c->sim->reactor, &c->watch, e == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
        return false;
    }
    if (c->listener->relay)
        c->listener->relay->handshakes_failed++;
    conn_free(c, NULL);
    return false;
}

static void conn_ready(struct watch *watch, uint32_t events)
{
    struct conn *c = (struct conn *)watch;
    ERR_clear_error();
    if (c->phase == PHASE_LINGER) {
        linger(c);
        return;
    }
    if (c->phase == PHASE_HUNG || events & (EPOLLERR | EPOLLHUP) || (events & EPOLLRDHUP && !(events & EPOLLIN))) {
        conn_free(c, how_left(c));
        return;
    }
    if (c->phase == PHASE_HANDSHAKE && !handshake(c))
        return;
    if (events & EPOLLOUT && c->x.active && c->blocked) {
        c->blocked = false;
        go_on(c); /* input that has come as well is told of again */
    } else {
        read_input(c);
    }
}

static void serve(struct conn *c)
{
    const struct relay *relay = c->listener->relay;
    enum fault_id fault = relay ? (enum fault_id)relay->behaviour->fault : FAULT_NONE;
    bool tls = c->listener->tls;
    c->phase = tls ? PHASE_HANDSHAKE : PHASE_OPEN;
    if (fault == FAULT_ACCEPT_RESET) {
        conn_reset(c, NULL);
    } else if (fault == FAULT_ACCEPT_CLOSE) {
        conn_finish(c, true);
    } else if (fault == FAULT_ACCEPT_HANG || (fault == FAULT_TLS_HANG && tls)) {
        conn_hang(c);
    } else if (fault == FAULT_TLS_GARBAGE && tls) {
        static const char page[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThis port speaks no TLS.\n";
        (void)!send(c->watch.fd, page, sizeof page - 1, MSG_NOSIGNAL);
        conn_finish(c, true);
    } else {
        if (tls) {
            c->ssl = SSL_new(c->sim->tls.contexts[server_tls_show(fault)]);
            if (!c->ssl || SSL_set_fd(c->ssl, c->watch.fd) != 1) {
                conn_free(c, NULL);
                return;
            }
        }
        reactor_change(&c->sim->reactor, &c->watch, EPOLLIN);
    }
}

static void conn_timer(struct timer *timer)
{
    struct conn *c = FROM_TIMER(timer);
    ERR_clear_error();
    if (c->phase == PHASE_LINGER)
        conn_free(c, NULL);
    else if (c->phase == PHASE_DELAYED)
        serve(c);
    else if (!c->x.active)
        conn_finish(c, false);
    else if (!c->blocked)
        go_on(c);
}

void conn_begin(struct sim *sim, struct listener *listener, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *c = alloc_zero(1, sizeof *c);
    c->watch = (struct watch){.fd = fd, .events = EPOLLRDHUP, .ready = conn_ready};
    c->timer.fire = conn_timer;
    c->sim = sim;
    c->listener = listener;
    c->number = ++sim->conns_seen;
    c->accepted = instant_now();
    c->next = sim->conns;
    if (c->next)
        c->next->prev = c;
    sim->conns = c;
    sim->conns_len++;
    if (reactor_add(&sim->reactor, &c->watch) < 0) {
        conn_free(c, NULL);
        return;
    }
    usec_t delay = 0;
    if (listener->relay) {
        listener->relay->connections++;
        delay = spread_draw(&listener->relay->behaviour->accept_delay, &listener->relay->random);
    }
    if (delay > 0)
        reactor_timer_set(&sim->reactor, &c->timer, steady_now() + delay);
    else
        serve(c);
}

void conn_reset_all(struct sim *sim, const struct listener *listener)
{
    for (struct conn *c = sim->conns, *next; c; c = next) {
        next = c->next;
        if (!listener || c->listener == listener)
            conn_reset(c, "refuse");
    }
}

void conn_close_all(struct sim *sim, const struct listener *listener)
{
    for (struct conn *c = sim->conns, *next; c; c = next) {
        next = c->next;
        if (!listener || c->listener == listener)
            conn_free(c, "closed");
    }
}
