/* A small HTTP/1.1 client over the daemon's Unix socket.
 *
 * A call is one connection: connect, send, read the answer, close. Everything waits in poll() against one deadline (a request) or against
 * the time since the last whole event (a watch), so that a server that hangs, drips or sends rubbish ends in a sentence and not in a
 * hanging shell. SIGPIPE is never raised. The parsing is in client_parse.c and client_events.c; nothing is kept between calls, and
 * nothing here retries: whether asking again is right is the caller's to say. */
#include "shared/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include "shared/client_parse.h"
#include "shared/json.h"
#include "shared/text.h"

#define READ_SIZE (64 * 1024)
/* Of an answer that refuses a watch only a sentence is wanted. */
#define REFUSAL_MAX (64 * 1024)

static usec_t steady_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static usec_t deadline_after(usec_t timeout)
{
    usec_t now = steady_now();
    if (timeout < 0)
        timeout = 0;
    return timeout > USEC_INFINITY - now ? USEC_INFINITY : now + timeout;
}

static void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* --- the connection --------------------------------------------------------------------------------------------------- */

/* Waits for the event. -EINTR is the caller's to judge. */
static int wait_for(int fd, short events, usec_t deadline)
{
    for (;;) {
        int wait_ms = -1;
        if (deadline != USEC_INFINITY) {
            usec_t left = deadline - steady_now();
            if (left <= 0)
                return -ETIMEDOUT;
            /* Rounded up: waking early would spin. */
            usec_t ms = (left + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
            wait_ms = ms > 60000 ? 60000 : (int)ms;
        }
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, wait_ms);
        if (n > 0)
            return 0;
        if (n < 0)
            return -errno;
    }
}

/* A full backlog makes connect wait; on a Unix socket only the send timeout bounds that, poll does not. */
static int connect_within(int fd, const struct sockaddr_un *address, usec_t deadline)
{
    for (;;) {
        if (deadline != USEC_INFINITY) {
            usec_t left = deadline - steady_now();
            if (left <= 0)
                return -ETIMEDOUT;
            struct timeval tv = {.tv_sec = (time_t)(left / USEC_PER_SEC), .tv_usec = (suseconds_t)(left % USEC_PER_SEC)};
            if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
                return -errno;
        }
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
            return 0;
        if (errno == EAGAIN)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int open_socket(const char *path, usec_t deadline, int *ret_fd, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(address.sun_path))
        return err_set(err, -ENAMETOOLONG, "a socket path has 1 to %zu bytes: \"%.60s\"", sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, len + 1);
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, -errno, "no socket: %s", strerror(errno));
    int e = connect_within(fd, &address, deadline);
    if (e == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        e = -errno;
    if (e == -ETIMEDOUT)
        return err_set(err, e, "no connection to %s in time", path);
    if (e < 0)
        return err_set(err, e, "no daemon at %s: %s", path, strerror(-e));
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* A server that answers before it has read all may close its side: what it said is then worth more than the failed write. */
static int send_all(int fd, const struct buf *request, usec_t deadline, struct err *err)
{
    size_t at = 0;
    while (at < request->len) {
        ssize_t n = send(fd, request->data + at, request->len - at, MSG_NOSIGNAL);
        if (n >= 0) {
            at += (size_t)n;
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return err_set(err, -errno, "the request could not be sent: %s", strerror(errno));
        int e = wait_for(fd, POLLOUT, deadline);
        if (e == -ETIMEDOUT)
            return err_set(err, e, "the daemon did not take the request in time");
        if (e < 0 && e != -EINTR)
            return err_set(err, e, "the request could not be sent: %s", strerror(-e));
    }
    return 0;
}

static bool is_header_safe(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7F)
            return false;
    return true;
}

/* The caller encodes; what is not encoded must not become a second request. */
static int check_target(const char *method, const char *target, struct err *err)
{
    size_t letters = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    bool good = letters > 0 && method[letters] == '\0' && *target == '/';
    for (const char *s = target; *s && good; s++)
        good = (unsigned char)*s > 0x20 && (unsigned char)*s < 0x7F;
    return good ? 0 : err_set(err, -EINVAL, "not a request: \"%.20s %.60s\"", method, target);
}

/* Reads once. 0 = something was read and fed or the stream ended (*ret_end). */
static int read_some(int fd, struct client_parser *p, char *piece, bool *ret_end, struct err *err)
{
    ssize_t n = recv(fd, piece, READ_SIZE, 0);
    if (n > 0)
        return client_parser_feed(p, piece, (size_t)n, err);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0 && errno != ECONNRESET && errno != EPIPE)
        return err_set(err, -EPROTO, "the connection failed: %s", strerror(errno));
    *ret_end = true;
    return client_parser_end(p, err);
}

/* --- one request ------------------------------------------------------------------------------------------------------ */

void client_answer_done(struct client_answer *answer)
{
    buf_done(&answer->body);
}

static int take_body(void *arg, const char *data, size_t len, struct err *err)
{
    struct client_answer *answer = arg;
    buf_add(&answer->body, data, len);
    return answer->body.full ? err_set(err, -EPROTO, "an answer that is larger than %d bytes", CLIENT_ANSWER_MAX) : 0;
}

static int read_answer(int fd, struct client_parser *p, usec_t deadline, struct err *err)
{
    char piece[READ_SIZE];
    bool end = false;
    while (!end && !client_parser_whole(p)) {
        int e = wait_for(fd, POLLIN, deadline);
        if (e == -ETIMEDOUT)
            return err_set(err, e,
                           p->state <= CLIENT_HEADERS ? "the daemon did not answer in time" : "the daemon's answer did not end in time");
        if (e < 0 && e != -EINTR)
            return err_set(err, e, "the connection failed: %s", strerror(-e));
        e = read_some(fd, p, piece, &end, err);
        if (e < 0)
            return e;
    }
    return 0;
}

int client_request(const char *socket_path, const char *method, const char *target, const char *body, usec_t timeout,
                   struct client_answer *ret, struct err *err)
{
    memset(ret, 0, sizeof(*ret));
    ret->body.cap = CLIENT_ANSWER_MAX;
    usec_t deadline = deadline_after(timeout);
    int e = check_target(method, target, err);
    if (e < 0)
        return e;
    CLEANUP(closep) int fd = -1;
    e = open_socket(socket_path, deadline, &fd, err);
    if (e < 0)
        return e;

    CLEANUP(buf_done) struct buf request = BUF_INIT;
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method, target);
    if (body)
        buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    buf_add_str(&request, "\r\n");
    if (body)
        buf_add_str(&request, body);
    if (request.full)
        return err_set(err, -E2BIG, "the request is too large");
    e = send_all(fd, &request, deadline, err);
    if (e < 0)
        return e;

    struct client_parser parser;
    client_parser_init(&parser, ret, take_body, ret);
    e = read_answer(fd, &parser, deadline, err);
    client_parser_done(&parser);
    if (e < 0) {
        /* Half an answer must not be taken for one. */
        client_answer_done(ret);
        ret->status = 0;
    }
    return e;
}

/* --- a stream of events ----------------------------------------------------------------------------------------------- */

struct watch {
    struct client_answer answer; /* its body holds a refusal */
    struct client_events events;
};

static bool is_stream(const struct client_answer *answer)
{
    static const char type[] = "text/event-stream";
    return answer->status == 200 && strncasecmp(answer->content_type, type, sizeof(type) - 1) == 0;
}

static int take_events(void *arg, const char *data, size_t len, struct err *err)
{
    struct watch *w = arg;
    if (is_stream(&w->answer))
        return client_events_feed(&w->events, data, len, err);
    size_t room = REFUSAL_MAX - w->answer.body.len;
    buf_add(&w->answer.body, data, len < room ? len : room);
    return 0;
}

/* The daemon's own words for why there is no stream. */
static int refused(const struct client_answer *answer, struct err *err)
{
    if (answer->status == 200)
        return err_set(err, -EPROTO, "not an event stream but \"%s\"", answer->content_type);
    CLEANUP(json_deletep) cJSON *problem = json_parse(buf_str(&answer->body), answer->body.len, NULL);
    const char *why = json_string(problem, "detail");
    if (!why)
        why = json_string(problem, "title");
    int code = answer->status == 503 || answer->status == 429 ? -EBUSY : answer->status >= 400 && answer->status < 500 ? -EINVAL : -EPROTO;
    return err_set(err, code, "the daemon refused (%d): %s", answer->status, why ? why : "without a reason");
}

static int watch_loop(int fd, struct client_parser *p, struct watch *w, usec_t idle, struct err *err)
{
    char piece[READ_SIZE];
    uint64_t told = 0;
    usec_t deadline = deadline_after(idle);
    bool end = false;
    while (!end && !client_parser_whole(p)) {
        int e = wait_for(fd, POLLIN, deadline);
        if (e == -ETIMEDOUT) {
            char text[32];
            return err_set(err, e, "the daemon said nothing for %s", units_format_duration(text, sizeof(text), idle));
        }
        if (e < 0)
            return err_set(err, e, e == -EINTR ? "interrupted" : "the connection failed: %s", strerror(-e));
        e = read_some(fd, p, piece, &end, err);
        if (e != 0)
            return e;
        /* Bytes that never make an event are silence too. */
        if (w->events.told != told) {
            told = w->events.told;
            deadline = deadline_after(idle);
        }
    }
    return is_stream(&w->answer) ? 0 : refused(&w->answer, err);
}

int client_watch(const char *socket_path, const char *target, const char *last_event_id, usec_t idle, client_event_fn fn, void *arg,
                 struct err *err)
{
    int e = check_target("GET", target, err);
    if (e < 0)
        return e;
    if (last_event_id && !is_header_safe(last_event_id))
        return err_set(err, -EINVAL, "not an event id: \"%.60s\"", last_event_id);
    CLEANUP(closep) int fd = -1;
    usec_t deadline = deadline_after(idle);
    e = open_socket(socket_path, deadline, &fd, err);
    if (e < 0)
        return e;
    CLEANUP(buf_done) struct buf request = BUF_INIT;
    buf_printf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n", target);
    if (last_event_id && *last_event_id)
        buf_printf(&request, "Last-Event-ID: %s\r\n", last_event_id);
    buf_add_str(&request, "\r\n");
    e = send_all(fd, &request, deadline, err);
    if (e < 0)
        return e;

    struct watch w = {.answer.body.cap = REFUSAL_MAX};
    struct client_parser parser;
    client_events_init(&w.events, fn, arg);
    client_parser_init(&parser, &w.answer, take_events, &w);
    e = watch_loop(fd, &parser, &w, idle, err);
    client_parser_done(&parser);
    client_events_done(&w.events);
    client_answer_done(&w.answer);
    return e;
}

void client_encode(struct buf *ret, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
        if (plain) {
            buf_add_char(ret, (char)c);
        } else {
            const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
            buf_add(ret, escape, sizeof(escape));
        }
    }
}
