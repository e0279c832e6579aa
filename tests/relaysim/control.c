/* The control socket.
 *
 * A Unix stream socket, mode 0600. Each client sends JSON objects, a line each, and gets one line back for each, in order: {"ok":true,...}
 * or
 * {"ok":false,"error":"..."}, with the request's "id" if it had one. "wait" alone is answered later: when as many requests as asked for are
 * in the log, or at its time limit; what the client sends after it waits as well, so the order holds. Lines and answers have caps; a client
 * that does not read is dropped. */
#include "tests/relaysim/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/relaysim/command.h"

#define LINE_MAX_BYTES   (32 * 1024 * 1024)
#define ANSWER_MAX_BYTES (256 * 1024 * 1024)
#define WAIT_DEFAULT_MS  10000
#define FROM_TIMER(t)    ((struct client *)(void *)((char *)(t)-offsetof(struct client, timer)))

struct waiting {
    bool on, ended;
    const struct relay *relay; /* NULL = any */
    int kind;
    uint64_t since;
    size_t count;
    cJSON *id; /* owned; NULL = none */
};

struct client {
    struct watch watch; /* first */
    struct timer timer; /* of the wait */
    struct control *control;
    struct client *next, *prev;
    struct buf in, out;
    struct waiting waiting;
};

struct control {
    struct watch watch; /* first */
    struct sim *sim;
    struct client *clients;
    char *path;
    int waits; /* clients that wait */
};

static void client_done(struct client *c)
{
    struct control *control = c->control;
    reactor_timer_cancel(&control->sim->reactor, &c->timer);
    reactor_remove(&control->sim->reactor, &c->watch);
    close(c->watch.fd);
    if (c->waiting.on)
        control->waits--;
    cJSON_Delete(c->waiting.id);
    if (c->prev)
        c->prev->next = c->next;
    else
        control->clients = c->next;
    if (c->next)
        c->next->prev = c->prev;
    buf_done(&c->in);
    buf_done(&c->out);
    free(c);
}

/* False: the client is to be dropped. */
static bool flush(struct client *c)
{
    while (c->out.len) {
        ssize_t n = send(c->watch.fd, c->out.data, c->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n <= 0)
            break;
        buf_consume(&c->out, (size_t)n);
    }
    reactor_change(&c->control->sim->reactor, &c->watch, (uint32_t)EPOLLIN | (c->out.len ? (uint32_t)EPOLLOUT : 0));
    return !c->out.full;
}

/* Takes `answer` and `id`. */
static void reply(struct client *c, cJSON *answer, cJSON *id)
{
    if (id)
        cJSON_AddItemToObject(answer, "id", id);
    json_print(answer, false, &c->out);
    buf_add_char(&c->out, '\n');
    cJSON_Delete(answer);
}

static void fail(struct client *c, cJSON *answer, cJSON *id, const struct err *err)
{
    cJSON_Delete(answer);
    answer = cJSON_CreateObject();
    json_add_bool(answer, "ok", false);
    json_add_string(answer, "error", err->text);
    reply(c, answer, id);
}

/* --- wait --------------------------------------------------------------------------------------------------------- */

static size_t count_waited(const struct client *c)
{
    const struct waiting *w = &c->waiting;
    return records_count(&c->control->sim->records, w->relay, w->kind, w->since, w->ended);
}

static void finish_wait(struct client *c, size_t count)
{
    cJSON *answer = cJSON_CreateObject(), *id = c->waiting.id;
    json_add_bool(answer, "ok", true);
    json_add_bool(answer, "reached", count >= c->waiting.count);
    json_add_int(answer, "count", (int64_t)count);
    json_add_int(answer, "seq", (int64_t)c->control->sim->records.seq);
    reactor_timer_cancel(&c->control->sim->reactor, &c->timer);
    c->waiting = (struct waiting){.on = false};
    c->control->waits--;
    reply(c, answer, id);
}

static int begin_wait(struct client *c, const cJSON *request, struct err *err)
{
    struct relay *relay;
    struct waiting w = {.on = true, .ended = true, .kind = -1};
    int64_t since = 0, count = 1, timeout = WAIT_DEFAULT_MS;
    int e = command_one_relay(c->control->sim, request, &relay, err);
    if (e < 0)
        return e;
    const char *kind = json_string(request, "kind");
    if (kind && (w.kind = record_kind_from_name(kind)) < 0)
        return err_set(err, -EINVAL, "kind: chat, models, reach, embeddings, price, balance or other is wanted");
    json_int(request, "since", &since);
    json_int(request, "count", &count);
    json_int(request, "timeout_ms", &timeout);
    json_bool(request, "ended", &w.ended);
    if (since < 0 || count < 0 || timeout < 0 || timeout > 3600000)
        return err_set(err, -EINVAL, "since, count, timeout_ms: 0 or more is wanted");
    w.relay = relay;
    w.since = (uint64_t)since;
    w.count = (size_t)count;
    c->waiting = w;
    c->control->waits++;
    reactor_timer_set(&c->control->sim->reactor, &c->timer, steady_now() + timeout * USEC_PER_MSEC);
    return 0;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void run_line(struct client *c, const char *line, size_t len)
{
    struct err err = {.text = ""};
    cJSON *answer = cJSON_CreateObject(), *request = json_parse(line, len, &err);
    cJSON *id = cJSON_DetachItemFromObjectCaseSensitive(request, "id");
    const char *name = json_string(request, "cmd");
    json_add_bool(answer, "ok", true);
    if (!request) {
        fail(c, answer, id, &err);
    } else if (name && strcmp(name, "wait") == 0) {
        if (begin_wait(c, request, &err) < 0) {
            fail(c, answer, id, &err);
        } else {
            c->waiting.id = id;
            cJSON_Delete(answer);
        }
    } else if (command_run(c->control->sim, request, answer, &err) < 0) {
        fail(c, answer, id, &err);
    } else {
        reply(c, answer, id);
    }
    cJSON_Delete(request);
}

/* Runs the lines that are whole, up to a wait that is not over. False: drop the client. */
static bool run_lines(struct client *c)
{
    size_t used = 0;
    for (;;) {
        if (c->waiting.on) {
            size_t count = count_waited(c);
            if (count < c->waiting.count && c->timer.slot)
                break;
            finish_wait(c, count);
        }
        char *line = c->in.data + used, *nl = c->in.len > used ? memchr(line, '\n', c->in.len - used) : NULL;
        if (!nl)
            break;
        used += (size_t)(nl - line) + 1;
        if (nl > line)
            run_line(c, line, (size_t)(nl - line));
    }
    if (used)
        buf_consume(&c->in, used);
    return flush(c) && c->in.len < LINE_MAX_BYTES;
}

static void client_ready(struct watch *watch, uint32_t events)
{
    struct client *c = (struct client *)watch;
    char chunk[65536];
    if (events & EPOLLIN || events & (EPOLLERR | EPOLLHUP)) {
        ssize_t n = recv(watch->fd, chunk, sizeof chunk, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            client_done(c);
            return;
        }
        if (n > 0)
            buf_add(&c->in, chunk, (size_t)n);
    }
    if (!run_lines(c))
        client_done(c);
}

static void client_timer(struct timer *timer)
{
    struct client *c = FROM_TIMER(timer);
    if (!run_lines(c)) /* the timer is off: the wait is over */
        client_done(c);
}

void control_notice(struct sim *sim)
{
    struct control *control = sim->control;
    if (!control || !control->waits)
        return;
    /* Only the timer is set: whoever calls this stands in the middle of a connection. A timer that is due answers the wait. */
    for (struct client *c = control->clients; c; c = c->next)
        if (c->waiting.on && count_waited(c) >= c->waiting.count)
            reactor_timer_set(&sim->reactor, &c->timer, 0);
}

static void control_ready(struct watch *watch, uint32_t events)
{
    struct control *control = (struct control *)watch;
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct client *c = alloc_zero(1, sizeof *c);
    *c = (struct client){.watch = {.fd = fd, .events = EPOLLIN, .ready = client_ready},
                         .timer = {.fire = client_timer},
                         .control = control,
                         .next = control->clients,
                         .in = BUF_CAP(LINE_MAX_BYTES + 65536),
                         .out = BUF_CAP(ANSWER_MAX_BYTES)};
    if (c->next)
        c->next->prev = c;
    control->clients = c;
    if (reactor_add(&control->sim->reactor, &c->watch) < 0)
        client_done(c);
}

int control_init(struct sim *sim, const char *path, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return err_set(err, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes", path, sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, -errno, "socket: %s", strerror(errno));
    unlink(path); /* of a run that was killed */
    mode_t old = umask(0177);
    int e = bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, 64) < 0 ? -errno : 0;
    umask(old);
    struct control *control = alloc_zero(1, sizeof *control);
    *control = (struct control){.watch = {.fd = fd, .events = EPOLLIN, .ready = control_ready}, .sim = sim, .path = alloc_string(path)};
    sim->control = control;
    if (e == 0)
        e = reactor_add(&sim->reactor, &control->watch);
    return e < 0 ? err_set(err, e, "%s: %s", path, strerror(-e)) : 0;
}

void control_done(struct sim *sim)
{
    struct control *control = sim->control;
    if (!control)
        return;
    for (struct client *c = control->clients; c; c = control->clients) {
        flush(c);
        client_done(c);
    }
    reactor_remove(&sim->reactor, &control->watch);
    close(control->watch.fd);
    unlink(control->path);
    free(control->path);
    free(control);
    sim->control = NULL;
}
