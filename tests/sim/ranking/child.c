/* The child: three descriptors and a process.
 *
 * Its stderr goes to a file in memory, so that it can never block on it and its last words can be shown when it dies. It only writes when
 * it is asked and every answer is read before more is sent, so that the two never wait for each other with both pipes full. A dead child is
 * the end of the whole play: half a play would be no measurement. */
#include "tests/sim/ranking/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/alloc.h"

#define SEND_AT        60000 /* bytes: about a pipe */
#define LINE_MAX_BYTES (16 * 1024 * 1024)
#define SILENCE_MS     60000
#define LAST_WORDS     4000

extern char **environ;

struct child {
    pid_t pid;
    int in, out, err; /* its stdin, stdout; stderr is a file */
    const char *name;
    struct buf pending, got;
    size_t consumed; /* of got: the last answer */
};

static void give_up(const char *what)
{
    fprintf(stderr, "ranking: %s: %s\n", what, strerror(errno));
    exit(3);
}

static void die_with_words(struct child *child, const char *what)
{
    char words[LAST_WORDS + 1];
    off_t end = lseek(child->err, 0, SEEK_END);
    ssize_t n = pread(child->err, words, LAST_WORDS, end > LAST_WORDS ? end - LAST_WORDS : 0);

    int status = 0;

    words[n > 0 ? n : 0] = '\0';
    kill(child->pid, SIGKILL); /* changes nothing for one that has ended */
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    fprintf(stderr, "ranking: %s %s (%s %d)%s\n%s", child->name, what, WIFSIGNALED(status) ? "signal" : "exit code",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), n > 0 ? "; it said:" : " and said nothing", words);
    exit(3);
}

struct child *child_start(const char *const argv[])
{
    struct child *child = alloc_zero(1, sizeof(*child));
    posix_spawn_file_actions_t actions;
    int to[2], from[2];

    child->name = argv[0];
    child->got.cap = LINE_MAX_BYTES;
    child->err = memfd_create("stderr", MFD_CLOEXEC);
    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0 || child->err < 0)
        give_up("cannot make a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child->err, STDERR_FILENO);
    /* posix_spawn wants strings that may be written to, and writes to none. */
    union {
        const char *const *given;
        char *const *wanted;
    } args = {.given = argv};

    errno = posix_spawnp(&child->pid, argv[0], &actions, NULL, args.wanted, environ);
    if (errno != 0)
        give_up(argv[0]);
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    child->in = to[1];
    child->out = from[0];
    return child;
}

void child_stop(struct child *child)
{
    int status = 0;

    child_send(child);
    close(child->in);
    close(child->out);
    /* Looked at only: whoever complains wants to know how it ended. */
    siginfo_t info;

    while (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        ;
    if (info.si_code != CLD_EXITED || info.si_status != 0)
        die_with_words(child, "ended badly");
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(child->err);
    buf_done(&child->pending);
    buf_done(&child->got);
    free(child);
}

struct buf *child_out(struct child *child)
{
    if (child->pending.len > SEND_AT)
        child_send(child);
    return &child->pending;
}

void child_send(struct child *child)
{
    size_t sent = 0;

    while (sent < child->pending.len) {
        ssize_t n = write(child->in, child->pending.data + sent, child->pending.len - sent);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die_with_words(child, "does not read on");
        sent += (size_t)n;
    }
    buf_clear(&child->pending);
}

const char *child_ask(struct child *child)
{
    size_t searched = 0;

    child_send(child);
    buf_consume(&child->got, child->consumed);
    child->consumed = 0;
    for (;;) {
        char *end = child->got.len > searched ? memchr(child->got.data + searched, '\n', child->got.len - searched) : NULL;

        if (end) {
            *end = '\0';
            child->consumed = (size_t)(end - child->got.data) + 1;
            return child->got.data;
        }
        searched = child->got.len;
        struct pollfd fd = {.fd = child->out, .events = POLLIN};
        char block[65536];

        if (poll(&fd, 1, SILENCE_MS) == 0)
            die_with_words(child, "is silent");
        ssize_t n = read(child->out, block, sizeof(block));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die_with_words(child, "ended");
        buf_add(&child->got, block, (size_t)n);
        if (child->got.full)
            die_with_words(child, "answers without an end");
    }
}
