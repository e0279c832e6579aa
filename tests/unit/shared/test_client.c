/* The client against a server on a real Unix socket, in a process of its own: good answers, rubbish, drips, hangs, refusals, no daemon at
 * all. Each case forks a server that plays a script for one connection and leaves; nothing here waits longer than a deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shared/client.h"
#include "shared/json.h"
#include "tests/unit/shared/test_random.h"

static char dir[64], path[80];

static usec_t now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

struct script {
    const char *text; /* what is answered */
    size_t len;       /* 0 = strlen */
    unsigned drip_ms; /* a byte each so many ms */
    bool drip_again;  /* from the start, for ever */
    bool hang;        /* keep the connection open afterwards */
    bool deaf;        /* do not even read the request */
    bool abrupt;      /* close without reading the request's body */
    bool echo;        /* answer with the request itself as body */
};

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            _exit(0);
        data += n;
        len -= (size_t)n;
    }
}

static size_t read_request(int fd, char *text, size_t size)
{
    size_t at = 0;
    for (;;) {
        ssize_t n = recv(fd, text + at, size - 1 - at, 0);
        if (n <= 0)
            break;
        at += (size_t)n;
        text[at] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (end && at >= (size_t)(end + 4 - text) + (length ? strtoul(length + 16, NULL, 10) : 0))
            break;
    }
    text[at] = '\0';
    return at;
}

static void serve(int listener, const struct script *s)
{
    alarm(20); /* whatever happens, this process ends */
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        _exit(0);
    static char request[1 << 16];
    if (s->deaf)
        pause();
    if (s->abrupt)
        (void)!recv(fd, request, 10, 0);
    else
        read_request(fd, request, sizeof(request));
    if (s->echo) {
        char head[100];
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(request));
        write_all(fd, head, strlen(head));
        write_all(fd, request, strlen(request));
    } else if (s->drip_ms) {
        size_t len = strlen(s->text);
        for (size_t i = 0; i < len || s->drip_again; i++) {
            write_all(fd, s->text + i % len, 1);
            poll(NULL, 0, (int)s->drip_ms);
        }
    } else {
        write_all(fd, s->text, s->len ? s->len : strlen(s->text));
    }
    if (s->hang)
        pause();
    _exit(0);
}

static int make_listener(int backlog)
{
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static pid_t start(const struct script *s)
{
    int listener = make_listener(4);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        serve(listener, s);
    close(listener);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    unlink(path);
}

/* One GET; returns the error, checks that it did not take longer than it should. */
static int get(const struct script *s, usec_t timeout, struct client_answer *answer, struct err *err)
{
    pid_t pid = start(s);
    usec_t before = now();
    err->text[0] = '\0';
    int e = client_request(path, "GET", "/v1/routes?model=a", NULL, timeout, answer, err);
    assert_true(now() - before < timeout + 5 * USEC_PER_SEC);
    assert_true(e == 0 || err->text[0]);
    stop(pid);
    return e;
}

static void good_answers(void **state)
{
    (void)state;
    struct client_answer a;
    struct err err;
    assert_int_equal(
        get(&(struct script){.text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"1\"\r\nContent-Length: 3\r\n\r\n{}\n",
                             .hang = true},
            10 * USEC_PER_SEC, &a, &err),
        0);
    assert_int_equal(a.status, 200);
    assert_string_equal(buf_str(&a.body), "{}\n");
    assert_string_equal(a.etag, "\"1\"");
    client_answer_done(&a);
    assert_int_equal(get(&(struct script){.text = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                                          .drip_ms = 1,
                                          .hang = true},
                         10 * USEC_PER_SEC, &a, &err),
                     0);
    assert_int_equal(a.status, 503);
    assert_string_equal(buf_str(&a.body), "hello");
    client_answer_done(&a);
    assert_int_equal(get(&(struct script){.text = "HTTP/1.1 200 OK\r\n\r\nuntil close"}, 10 * USEC_PER_SEC, &a, &err), 0);
    assert_string_equal(buf_str(&a.body), "until close");
    client_answer_done(&a);
}

static void what_is_sent(void **state)
{
    (void)state;
    struct client_answer a;
    struct err err;
    pid_t pid = start(&(struct script){.echo = true});
    assert_int_equal(client_request(path, "POST", "/v1/override", "{\"a\":1}", 10 * USEC_PER_SEC, &a, &err), 0);
    stop(pid);
    assert_string_equal(buf_str(&a.body),
                        "POST /v1/override HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                        "Content-Length: 7\r\n\r\n{\"a\":1}");
    client_answer_done(&a);
    static const char *const targets[] = {"", "v1", "/a b", "/a\r\nX: y", "/\xC3\xA9", "/\x7F"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        assert_int_equal(client_request("/nowhere", "GET", targets[i], NULL, USEC_PER_SEC, &a, &err), -EINVAL);
    assert_int_equal(client_request("/nowhere", "GE T", "/", NULL, USEC_PER_SEC, &a, &err), -EINVAL);
    assert_int_equal(client_request("/nowhere", "", "/", NULL, USEC_PER_SEC, &a, &err), -EINVAL);
}

static void an_answer_before_the_request_is_read(void **state)
{
    (void)state;
    /* The server refuses and closes while megabytes are still to be sent. */
    static char body[4 << 20];
    memset(body, ' ', sizeof(body) - 1);
    pid_t pid = start(&(struct script){.text = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", .abrupt = true});
    struct client_answer a;
    struct err err = {.text = ""};
    int e = client_request(path, "POST", "/v1/observations", body, 10 * USEC_PER_SEC, &a, &err);
    stop(pid);
    if (e != 0)
        fail_msg("%s", err.text);
    assert_int_equal(a.status, 413);
    assert_string_equal(buf_str(&a.body), "no");
    client_answer_done(&a);
}

static void bad_servers(void **state)
{
    (void)state;
    static const struct {
        struct script script;
        usec_t timeout;
        int error;
        const char *why;
    } cases[] = {
        {{.text = ""}, 10 * USEC_PER_SEC, -EPROTO, "without an answer"},
        {{.text = "\x16\x03\x01rubbish\n"}, 10 * USEC_PER_SEC, -EPROTO, "control character"},
        {{.text = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"}, 10 * USEC_PER_SEC, -EPROTO, "in the middle"},
        {{.text = "", .hang = true}, 200 * USEC_PER_MSEC, -ETIMEDOUT, "did not answer in time"},
        {{.text = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", .hang = true},
         200 * USEC_PER_MSEC,
         -ETIMEDOUT,
         "did not end in time"},
        {{.text = "HTTP/1.1 200 OK\r\nX: y\r\n", .drip_ms = 10, .drip_again = true}, 300 * USEC_PER_MSEC, -ETIMEDOUT, "in time"},
        {{.text = "x", .drip_ms = 10, .drip_again = true}, 300 * USEC_PER_MSEC, -ETIMEDOUT, "did not answer in time"},
        {{.deaf = true}, 200 * USEC_PER_MSEC, -ETIMEDOUT, "did not answer in time"},
        {{.text = ""}, 0, -ETIMEDOUT, "in time"},
        {{.text = ""}, -5, -ETIMEDOUT, "in time"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client_answer a;
        struct err err;
        int e = get(&cases[i].script, cases[i].timeout, &a, &err);
        if (e != cases[i].error || !strstr(err.text, cases[i].why))
            fail_msg("case %zu: %d %s", i, e, err.text);
        assert_int_equal(a.status, 0);
        assert_int_equal(a.body.len, 0);
        client_answer_done(&a);
    }
}

static void a_deaf_server_does_not_block_the_sender(void **state)
{
    (void)state;
    static char body[4 << 20];
    memset(body, ' ', sizeof(body) - 1);
    pid_t pid = start(&(struct script){.deaf = true});
    struct client_answer a;
    struct err err = {.text = ""};
    assert_int_equal(client_request(path, "POST", "/", body, 200 * USEC_PER_MSEC, &a, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "did not take the request"));
    stop(pid);
}

static void too_large_an_answer(void **state)
{
    (void)state;
    size_t len = CLIENT_ANSWER_MAX + 100;
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'x', len);
    text[len] = '\0';
    memcpy(text, "HTTP/1.1 200 OK\r\n\r\n", 19);
    struct client_answer a;
    struct err err;
    assert_int_equal(get(&(struct script){.text = text}, 20 * USEC_PER_SEC, &a, &err), -EPROTO);
    assert_non_null(strstr(err.text, "larger than"));
    assert_int_equal(a.body.size, 0);
    free(text);
}

static void no_daemon(void **state)
{
    (void)state;
    struct client_answer a;
    struct err err;
    unlink(path);
    assert_int_equal(client_request(path, "GET", "/", NULL, USEC_PER_SEC, &a, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    close(make_listener(1)); /* a socket that nobody listens on any more */
    assert_int_equal(client_request(path, "GET", "/", NULL, USEC_PER_SEC, &a, &err), -ECONNREFUSED);
    if (geteuid() != 0) {
        chmod(path, 0);
        assert_int_equal(client_request(path, "GET", "/", NULL, USEC_PER_SEC, &a, &err), -EACCES);
    }
    unlink(path);
    char deep[200];
    memset(deep, 'x', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    assert_int_equal(client_request(deep, "GET", "/", NULL, USEC_PER_SEC, &a, &err), -ENAMETOOLONG);
    assert_int_equal(client_request("", "GET", "/", NULL, USEC_PER_SEC, &a, &err), -ENAMETOOLONG);
}

/* Nobody accepts: connect itself has to keep to the deadline. */
static void a_full_backlog(void **state)
{
    (void)state;
    int listener = make_listener(0), waiting[8];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    bool full = false;
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(waiting[i], (struct sockaddr *)&address, sizeof(address)) < 0 && errno == EAGAIN)
            full = true;
    }
    assert_true(full);
    struct client_answer a;
    struct err err;
    usec_t before = now();
    assert_int_equal(client_request(path, "GET", "/", NULL, 200 * USEC_PER_MSEC, &a, &err), -ETIMEDOUT);
    assert_true(now() - before < 5 * USEC_PER_SEC);
    assert_non_null(strstr(err.text, "no connection"));
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        close(waiting[i]);
    close(listener);
    unlink(path);
}

/* --- watching --------------------------------------------------------------------------------------------------------- */

struct seen {
    struct buf text;
    int stop_at, count;
};

static int see(void *arg, const char *event, const char *id, const char *data, size_t len)
{
    (void)len;
    struct seen *seen = arg;
    if (event)
        buf_printf(&seen->text, "[%s %s %s]", event, id, data);
    else
        buf_printf(&seen->text, "<%s>", data);
    return ++seen->count == seen->stop_at ? 9 : 0;
}

static int watch(const struct script *s, usec_t idle, struct seen *seen, struct err *err)
{
    pid_t pid = start(s);
    usec_t before = now();
    err->text[0] = '\0';
    int e = client_watch(path, "/v1/watch", "5-6", idle, see, seen, err);
    assert_true(now() - before < idle + 5 * USEC_PER_SEC);
    stop(pid);
    return e;
}

#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"

static void watching(void **state)
{
    (void)state;
    struct err err;
    struct seen seen = {.stop_at = 0};
    assert_int_equal(
        watch(&(struct script){.text = STREAM "\r\nid: 1-2\nevent: table\ndata: {}\n\n: lease 9\n"}, 10 * USEC_PER_SEC, &seen, &err), 0);
    assert_string_equal(buf_str(&seen.text), "[table 1-2 {}]<lease 9>");
    buf_done(&seen.text);

    seen = (struct seen){.stop_at = 2};
    const char *chunked = STREAM "Transfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n1\r\n\n\r\n9\r\ndata: 2\n\n\r\n9\r\ndata: 3\n\n\r\n";
    assert_int_equal(watch(&(struct script){.text = chunked, .hang = true}, 10 * USEC_PER_SEC, &seen, &err), 9);
    assert_string_equal(buf_str(&seen.text), "[message  1][message  2]");
    buf_done(&seen.text);

    /* A stream in chunks that is cut is not one that ended. */
    seen = (struct seen){.stop_at = 0};
    assert_int_equal(watch(&(struct script){.text = chunked}, 10 * USEC_PER_SEC, &seen, &err), -EPROTO);
    assert_int_equal(seen.count, 3);
    buf_done(&seen.text);
}

static void what_a_watcher_sends(void **state)
{
    (void)state;
    struct seen seen = {.stop_at = 0};
    struct err err;
    assert_int_equal(client_watch("/nowhere", "/v1/watch", "1\r\nX: y", USEC_PER_SEC, see, &seen, &err), -EINVAL);
    assert_int_equal(client_watch("/nowhere", "v1", NULL, USEC_PER_SEC, see, &seen, &err), -EINVAL);
    unlink(path);
    assert_int_equal(client_watch(path, "/v1/watch", NULL, USEC_PER_SEC, see, &seen, &err), -ENOENT);
    assert_int_equal(watch(&(struct script){.echo = true}, 10 * USEC_PER_SEC, &seen, &err), -EPROTO);
    assert_non_null(strstr(err.text, "not an event stream"));
}

static void silence(void **state)
{
    (void)state;
    struct err err;
    struct seen seen = {.stop_at = 0};
    assert_int_equal(watch(&(struct script){.text = STREAM "\r\n: hello\n", .hang = true}, 200 * USEC_PER_MSEC, &seen, &err), -ETIMEDOUT);
    assert_string_equal(buf_str(&seen.text), "<hello>");
    assert_non_null(strstr(err.text, "said nothing for 200ms"));
    buf_done(&seen.text);
    /* Bytes that never make an event are silence. */
    seen = (struct seen){.stop_at = 0};
    assert_int_equal(
        watch(&(struct script){.text = STREAM "\r\ndata: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                               .drip_ms = 5,
                               .drip_again = true},
              300 * USEC_PER_MSEC, &seen, &err),
        -ETIMEDOUT);
    buf_done(&seen.text);
    /* Comments are life signs: they carry it far beyond the longest silence. */
    seen = (struct seen){.stop_at = 60};
    assert_int_equal(watch(&(struct script){.text = STREAM "\r\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:"
                                                           "\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n"
                                                           ":\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n",
                                            .drip_ms = 5},
                           500 * USEC_PER_MSEC, &seen, &err),
                     9);
    buf_done(&seen.text);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        const char *why;
    } cases[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: 27\r\n\r\n{\"detail\":\"no such model\"}\n",
         -EINVAL, "(404): no such model"},
        {"HTTP/1.1 503 Busy\r\n\r\n{\"title\":\"too many\\nwatchers\"}", -EBUSY, "(503): too many\\nwatchers"},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n<html>", -EPROTO, "(500): without"},
        {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", -EINVAL, "(403): without"},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\ndata: 1\n\n", -EPROTO, "text/html"},
        {"HTTP/1.1 204 None\r\nContent-Type: text/event-stream\r\n\r\n", -EPROTO, "(204)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen = {.stop_at = 0};
        struct err err;
        int e = watch(&(struct script){.text = cases[i].text}, 10 * USEC_PER_SEC, &seen, &err);
        if (e != cases[i].error || !strstr(err.text, cases[i].why) || seen.count != 0)
            fail_msg("case %zu: %d %s", i, e, err.text);
    }
}

static void on_signal(int number)
{
    (void)number;
}

static void a_signal_stops_a_watch(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigaction(SIGUSR1, &action, &before);
    pid_t server = start(&(struct script){.text = STREAM "\r\n: hello\n", .hang = true}), parent = getpid();
    pid_t sender = fork();
    if (sender == 0) {
        /* Until it took effect: the first one may come before the watch waits. */
        for (int i = 0; i < 200 && kill(parent, SIGUSR1) == 0; i++)
            poll(NULL, 0, 20);
        _exit(0);
    }
    struct seen seen = {.stop_at = 0};
    struct err err;
    int e = client_watch(path, "/v1/watch", NULL, 10 * USEC_PER_SEC, see, &seen, &err);
    kill(sender, SIGKILL);
    assert_int_equal(waitpid(sender, NULL, 0), sender);
    stop(server);
    buf_done(&seen.text);
    sigaction(SIGUSR1, &before, NULL);
    assert_int_equal(e, -EINTR);
}

static void encoding(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    client_encode(&b, "gpt-4o_mini.~/a b&c=\xE4\xB8\xAD%\n");
    assert_string_equal(buf_str(&b), "gpt-4o_mini.~%2Fa%20b%26c%3D%E4%B8%AD%25%0A");
    buf_clear(&b);
    client_encode(&b, "");
    assert_string_equal(buf_str(&b), "");
    buf_done(&b);
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test-client-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/s", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    test_random_begin("test_client");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_answers),
        cmocka_unit_test(what_is_sent),
        cmocka_unit_test(bad_servers),
        cmocka_unit_test(an_answer_before_the_request_is_read),
        cmocka_unit_test(too_large_an_answer),
        cmocka_unit_test(a_deaf_server_does_not_block_the_sender),
        cmocka_unit_test(no_daemon),
        cmocka_unit_test(a_full_backlog),
        cmocka_unit_test(watching),
        cmocka_unit_test(what_a_watcher_sends),
        cmocka_unit_test(silence),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_signal_stops_a_watch),
        cmocka_unit_test(encoding),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
