/* What the service manager hears and gives, with a socket of our own in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probed/sys/notify.h"
#include "shared/text.h"

static int manager; /* its end */
static char path[64];

static int setup(void **state)
{
    (void)state;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(path, sizeof(path), "/tmp/probed-notify-%d", (int)getpid());
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    unlink(path);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(manager, (struct sockaddr *)(void *)&a, sizeof(a)) < 0)
        return -1;
    return setenv("NOTIFY_SOCKET", path, 1);
}

static int teardown(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    close(manager);
    return unlink(path);
}

static const char *heard(void)
{
    static char text[4096];
    ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_words(void **state)
{
    (void)state;
    notify_ready("%d platforms", 9);
    assert_string_equal(heard(), "READY=1\nSTATUS=9 platforms");
    notify_status("%s", "one\nREADY=1\x1b[0m\xff");
    assert_string_equal(heard(), "STATUS=one READY=1 [0m\xef\xbf\xbd");
    notify_reloading(NULL);
    const char *text = heard();
    assert_int_equal(strncmp(text, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    assert_true(atoll(text + 27) > 0);
    notify_stopping();
    assert_string_equal(heard(), "STOPPING=1");
    char longer[3000]; /* cut, and not in the middle of a character */
    for (size_t i = 0; i + 3 < sizeof(longer); i += 3)
        memcpy(longer + i, "\xe4\xb8\xad", 4);
    notify_status("%s", longer);
    text = heard();
    assert_in_range(strlen(text), 400, 600);
    assert_true(text_is_utf8(text, strlen(text)));
}

static void test_nobody_there(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    notify_ready("x");
    notify_status("x");
    notify_stopping();
    assert_string_equal(heard(), "");
    assert_int_equal(notify_listen_fd(NULL), -1);
    struct loop *loop = loop_new();
    assert_null(notify_watchdog_new(loop));
    assert_null(notify_watchdog_free(NULL));
    loop_free(loop);
}

static void stop(void *arg) { loop_stop(arg); }

static void test_watchdog(void **state)
{
    (void)state;
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "40000", 1);
    struct loop *loop = loop_new();
    struct notify_watchdog *w = notify_watchdog_new(loop);
    assert_non_null(w);
    struct loop_timer *end = loop_timer_new(loop, "end", stop, loop);
    loop_timer_set(end, loop_now_fresh(loop) + 200 * USEC_PER_MSEC);
    loop_run(loop);
    int fed = 0;
    while (strcmp(heard(), "WATCHDOG=1") == 0)
        fed++;
    assert_in_range(fed, 3, 12); /* at once, then every 20 ms */
    loop_timer_free(end);
    notify_watchdog_free(w);
    loop_free(loop);
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
}

/* In a child, since sockets are passed at number 3: what notify_listen_fd makes of the given ones. Its exit code: 0 = a good socket, 1 = none,
 * 2 = refused with a sentence. */
static int listen_in_child(const int *fds, int n)
{
    pid_t pid = fork();
    if (pid == 0) {
        char text[16];
        struct err err = {""};
        for (int i = 0; i < n; i++)
            dup2(fds[i], 100 + i);
        for (int i = 0; i < n; i++)
            dup2(100 + i, 3 + i);
        snprintf(text, sizeof(text), "%d", (int)getpid());
        setenv("LISTEN_PID", text, 1);
        snprintf(text, sizeof(text), "%d", n);
        if (n > 0) /* systemd never says 0 */
            setenv("LISTEN_FDS", text, 1);
        int fd = notify_listen_fd(&err);
        bool as_it_should = fd == 3 && (fcntl(3, F_GETFD) & FD_CLOEXEC) && (fcntl(3, F_GETFL) & O_NONBLOCK) && getenv("LISTEN_FDS") == NULL;
        _exit(as_it_should ? 0 : fd == -1 ? 1 : fd == -EINVAL && err.text[0] != '\0' ? 2 : 3);
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void test_activation(void **state)
{
    (void)state;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/probed-activated-%d", (int)getpid());
    int good = socket(AF_UNIX, SOCK_STREAM, 0), idle = socket(AF_UNIX, SOCK_STREAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(good, (struct sockaddr *)(void *)&a, sizeof(a)), 0);
    assert_int_equal(listen(good, 5), 0);
    assert_int_equal(listen(tcp, 5), 0);
    int none[1] = {0}, pair[2] = {good, good};
    assert_int_equal(listen_in_child(&good, 1), 0);
    assert_int_equal(listen_in_child(none, 0), 1);
    assert_int_equal(listen_in_child(&idle, 1), 2);
    assert_int_equal(listen_in_child(&tcp, 1), 2);
    assert_int_equal(listen_in_child(&manager, 1), 2);
    assert_int_equal(listen_in_child(pair, 2), 2);
    unlink(a.sun_path);
    close(good);
    close(idle);
    close(tcp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watchdog, setup, teardown),
        cmocka_unit_test_setup_teardown(test_activation, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
