/* Where log entries go. A datagram socket of our own stands in journald's place, in a mount namespace of its own (needs root; skipped without), so
 * that what is really sent can be read, and so that a journald that does not read can be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probed/alert/journal.h"

#define SOCKET "/run/systemd/journal/socket"

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int journald(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)(void *)&a, sizeof(a)) < 0)
        _exit(90);
    return fd;
}

/* Runs fn in a child whose /run is its own and empty. Its exit code; 77 = not allowed here. */
static int in_own_run(int (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") < 0 || mount("none", "/run", "tmpfs", 0, "") < 0 ||
            mkdir("/run/systemd", 0755) < 0 || mkdir("/run/systemd/journal", 0755) < 0)
            _exit(77);
        alarm(30);
        _exit(fn());
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void assert_own_run(int (*fn)(void))
{
    int r = in_own_run(fn);
    if (r == 77) {
        print_message("skipped: no mount namespace to be had\n");
        skip();
    }
    assert_int_equal(r, 0);
}

#define EXPECT(n, condition)                                                                                                           \
    do {                                                                                                                               \
        if (!(condition))                                                                                                              \
            return n;                                                                                                                  \
    } while (0)

static const char *receive(int fd)
{
    static char text[65536];
    ssize_t n = recv(fd, text + 1, sizeof(text) - 2, MSG_DONTWAIT);
    text[0] = '\n';
    text[n > 0 ? n + 1 : 0] = '\0';
    for (ssize_t i = 1; i < n; i++) /* binary lengths */
        if (text[i] == '\0')
            text[i] = '.';
    return n > 0 ? text : NULL;
}

static int entries(void)
{
    int fd = journald();
    setenv("PROBED_LOG", "journal", 1);
    journal_open();
    struct log_field fields[] = {{"PROBED_PLATFORM", "dmxapi"}, {"PROBED_MODEL", NULL}, {"PROBED_REASON", "two\nlines"}, {NULL, "x"}};
    log_event(LOG_LEVEL_WARNING, MESSAGE_STATE, fields, 4, "dmxapi/%s: %s", "m", "up -> down");
    const char *text = receive(fd);
    EXPECT(1, text != NULL);
    EXPECT(2, strstr(text, "\nPRIORITY=4\n") != NULL);
    EXPECT(3, strstr(text, "\nMESSAGE=dmxapi/m: up -> down\n") != NULL);
    EXPECT(4, strstr(text, "\nMESSAGE_ID=" MESSAGE_STATE "\n") != NULL);
    EXPECT(5, strstr(text, "\nPROBED_PLATFORM=dmxapi\n") != NULL);
    EXPECT(6, strstr(text, "PROBED_MODEL") == NULL && strstr(text, "CODE_FILE") == NULL);
    EXPECT(7, strstr(text, "\nPROBED_REASON\n") != NULL && strstr(text, "two\nlines\n") != NULL); /* its length stands before it */
    log_debug("not wanted");
    EXPECT(8, receive(fd) == NULL);
    errno = EBADF;
    log_info("plain");
    EXPECT(10, errno == EBADF);
    EXPECT(9, (text = receive(fd)) != NULL && strstr(text, "\nPRIORITY=6\n") != NULL && strstr(text, "MESSAGE_ID") == NULL);
    return 0;
}

static void test_entries(void **state)
{
    (void)state;
    assert_own_run(entries);
}

/* It does not read: nobody waits, the entries are counted, and told when it reads again. */
static int stuck(void)
{
    int fd = journald();
    setenv("PROBED_LOG", "journal", 1);
    journal_open();
    double began = seconds();
    for (int i = 0; i < 3000; i++)
        log_info("entry %d", i);
    EXPECT(1, seconds() - began < 10);
    int got = 0, lost = 0;
    const char *text;
    while (receive(fd) != NULL)
        got++;
    EXPECT(2, got > 0 && got < 3000);
    log_info("after");
    EXPECT(3, (text = receive(fd)) != NULL && strstr(text, "\nPRIORITY=4\n") != NULL);
    EXPECT(4, sscanf(strstr(text, "\nMESSAGE="), "\nMESSAGE=%d log entries were lost", &lost) == 1);
    EXPECT(5, got + lost == 3000);
    EXPECT(6, (text = receive(fd)) != NULL && strstr(text, "MESSAGE=after\n") != NULL);
    /* Started anew under the same name. */
    close(fd);
    unlink(SOCKET);
    fd = journald();
    log_info("again");
    EXPECT(7, (text = receive(fd)) != NULL && strstr(text, "MESSAGE=again\n") != NULL);
    return 0;
}

static void test_stuck_journal(void **state)
{
    (void)state;
    assert_own_run(stuck);
}

/* What fn writes to a stderr that is a pipe. */
static const char *stderr_of(int (*fn)(void), int *ret)
{
    static char text[65536];
    int out[2];
    assert_int_equal(pipe(out), 0);
    int saved = dup(2);
    dup2(out[1], 2);
    close(out[1]);
    *ret = in_own_run(fn);
    dup2(saved, 2);
    close(saved);
    size_t len = 0;
    ssize_t n;
    while (len < sizeof(text) - 1 && (n = read(out[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    close(out[0]);
    text[len] = '\0';
    return text;
}

static int no_journal(void)
{
    setenv("PROBED_LOG", "journal", 1);
    journal_open();
    log_warning("nobody home");
    return 0;
}

static int plain_stderr(void)
{
    unsetenv("PROBED_LOG");
    setenv("JOURNAL_STREAM", "1:1", 1); /* somebody else's */
    journal_open();
    struct log_field field = {"PROBED_PLATFORM", "dmxapi"};
    log_event(LOG_LEVEL_NOTICE, MESSAGE_STATE, &field, 1, "to stderr");
    return 0;
}

/* More than a pipe holds, and nobody reads: it comes back, and the parent's end of the pipe is still a blocking one. */
static int full_pipe(void)
{
    unsetenv("PROBED_LOG");
    unsetenv("JOURNAL_STREAM");
    int shared = dup(2);
    journal_open();
    for (int i = 0; i < 5000; i++)
        log_info("line %d, which is long enough to fill the pipe before its time", i);
    return (fcntl(shared, F_GETFL) & O_NONBLOCK) != 0;
}

static void test_stderr(void **state)
{
    (void)state;
    int r;
    const char *text = stderr_of(no_journal, &r);
    if (r == 77) {
        print_message("skipped: no mount namespace to be had\n");
        skip();
    }
    assert_int_equal(r, 0);
    assert_string_equal(text, "<4>nobody home\n");
    text = stderr_of(plain_stderr, &r);
    assert_int_equal(r, 0);
    assert_string_equal(text, "<5>to stderr PROBED_PLATFORM=dmxapi\n");
    text = stderr_of(full_pipe, &r);
    assert_int_equal(r, 0);
    assert_int_equal(strncmp(text, "<6>line 0,", 10), 0);
}

/* stderr is the journal's own stream, as under systemd: its device and inode are in JOURNAL_STREAM. */
static int stream(void)
{
    int fd = journald(), pair[2];
    struct stat st;
    char id[64];
    EXPECT(1, socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    dup2(pair[0], 2);
    fstat(2, &st);
    snprintf(id, sizeof(id), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", id, 1);
    unsetenv("PROBED_LOG");
    journal_open();
    log_info("by the stream");
    const char *text = receive(fd);
    EXPECT(2, text != NULL && strstr(text, "MESSAGE=by the stream\n") != NULL);
    return 0;
}

static void test_stream(void **state)
{
    (void)state;
    assert_own_run(stream);
}

/* Every MESSAGE_ID is explained in the catalog, and every explanation has its ID. */
static void test_catalog(void **state)
{
    (void)state;
    static const char *const ids[] = {
#define X(id, name) id,
        MESSAGE_TABLE(X)
#undef X
    };
    FILE *f = fopen("etc/journald/probed.catalog", "r");
    if (f == NULL) {
        print_message("skipped: not run from the top of the tree\n");
        skip();
    }
    bool seen[ARRAY_LEN(ids)] = {false};
    char line[1024];
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "-- ", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        size_t i = 0;
        while (i < ARRAY_LEN(ids) && strcmp(ids[i], line + 3) != 0)
            i++;
        assert_true(i < ARRAY_LEN(ids) && !seen[i]);
        seen[i] = true;
    }
    fclose(f);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_true(seen[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries), cmocka_unit_test(test_stuck_journal), cmocka_unit_test(test_stderr),
        cmocka_unit_test(test_stream),  cmocka_unit_test(test_catalog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
