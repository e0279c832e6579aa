/* `probed replay` as a child process.
 *
 * Three pipes, none of which ever blocks us: two children are fed with the same history at their own pace, and whoever waited for one of
 * them would soon be waited for by the other. What they have not taken yet is held in a buffer, whose length tells the caller when to stop
 * reading. Its messages are read line by line: those about records that it left out are counted, all others are its own words to the user
 * (errors in a configuration file above all) and go to standard error. It ends when its input ends, also when we die. */
#include "routectl/replay_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/text.h"

#define PIECE        (256 * 1024)
#define PIPE_SIZE    (1024 * 1024) /* fewer switches between the processes */
#define MESSAGE_MOST (16 * 1024)

extern char **environ;

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* The first of PATH. */
static bool find_in_path(char *buf, size_t size)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        if (len > 0 && snprintf(buf, size, "%.*s/probed", (int)len, path) < (int)size && is_program(buf))
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

const char *replay_child_find(char *buf, size_t size)
{
    static const char *const beside[] = {"probed", "../sbin/probed"};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash && i < ARRAY_LEN(beside); i++)
        if (snprintf(buf, size, "%.*s/%s", (int)(slash - self), self, beside[i]) < (int)size && is_program(buf))
            return buf;
    return find_in_path(buf, size) ? buf : NULL;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

struct pipes {
    int in[2], out[2], errors[2];
};

static void close_pipes(struct pipes *p)
{
    for (int i = 0; i < 2; i++) {
        close_fd(&p->in[i]);
        close_fd(&p->out[i]);
        close_fd(&p->errors[i]);
    }
}

static int spawn(struct pipes *p, const char *program, const char *config, pid_t *ret)
{
    /* posix_spawn takes what it does not change as changeable. */
    char *arguments[] = {
        strdup("probed"), strdup("replay"), strdup("--brief"), strdup("--skip-bad"), strdup("--config"), strdup(config), NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;

    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, p->in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, p->out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, p->errors[1], STDERR_FILENO);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int e = -posix_spawn(ret, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (size_t i = 0; arguments[i]; i++)
        free(arguments[i]);
    return e;
}

int replay_child_start(struct replay_child *c, const char *program, const char *config, struct err *err)
{
    struct pipes p = {{-1, -1}, {-1, -1}, {-1, -1}};
    *c = (struct replay_child){.in = -1, .out = -1, .errors = -1};
    int e = pipe2(p.in, O_CLOEXEC) < 0 || pipe2(p.out, O_CLOEXEC) < 0 || pipe2(p.errors, O_CLOEXEC) < 0 ? -errno : 0;
    if (e == 0)
        e = spawn(&p, program, config, &c->pid);
    if (e < 0) {
        close_pipes(&p);
        return err_set(err, e, "%s could not be run: %s", program, strerror(-e));
    }
    c->in = p.in[1];
    c->out = p.out[0];
    c->errors = p.errors[0];
    p.in[1] = p.out[0] = p.errors[0] = -1;
    close_pipes(&p);
    int fds[] = {c->in, c->out, c->errors};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        fcntl(fds[i], F_SETPIPE_SZ, PIPE_SIZE); /* a wish */
    }
    return 0;
}

size_t replay_child_waiting(const struct replay_child *c)
{
    return c->to_send.len - c->sent;
}

void replay_child_send(struct replay_child *c, const char *data, size_t len)
{
    if (c->in < 0)
        return;
    if (c->sent > PIECE) {
        buf_consume(&c->to_send, c->sent);
        c->sent = 0;
    }
    buf_add(&c->to_send, data, len);
}

static void close_if_sent(struct replay_child *c)
{
    if (c->closing && replay_child_waiting(c) == 0)
        close_fd(&c->in);
}

void replay_child_finish(struct replay_child *c)
{
    c->closing = true;
    close_if_sent(c);
}

void replay_child_poll(const struct replay_child *c, struct pollfd fds[REPLAY_CHILD_FDS])
{
    fds[0] = (struct pollfd){.fd = replay_child_waiting(c) > 0 ? c->in : -1, .events = POLLOUT};
    fds[1] = (struct pollfd){.fd = c->out, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = c->errors, .events = POLLIN};
}

/* Whoever does not take its input any more has said why, or will by its status. */
static void send_some(struct replay_child *c)
{
    ssize_t n = write(c->in, c->to_send.data + c->sent, replay_child_waiting(c));
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        close_fd(&c->in);
        buf_clear(&c->to_send);
        c->sent = 0;
        return;
    }
    c->sent += n > 0 ? (size_t)n : 0;
    if (replay_child_waiting(c) == 0) {
        buf_clear(&c->to_send);
        c->sent = 0;
    }
    close_if_sent(c);
}

/* Appends what can be read; closes at the end. */
static void read_some(int *fd, struct buf *to)
{
    char piece[PIECE];
    ssize_t n = read(*fd, piece, sizeof piece);
    if (n > 0)
        buf_add(to, piece, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_fd(fd);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void pass_on(const char *line)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    text_escape_terminal(&text, line, strlen(line), 4096);
    buf_add_char(&text, '\n');
    /* If standard error is gone there is nobody to tell. */
    ssize_t ignored = write(STDERR_FILENO, text.data, text.len);
    (void)ignored;
}

static int take_message(void *arg, const char *line, size_t len)
{
    struct replay_child *c = arg;
    (void)len;
    if (ends_with(line, "bad line skipped") || ends_with(line, "bad lines skipped"))
        return 0;
    if (!ends_with(line, "; skipped")) {
        pass_on(line);
    } else if (strstr(line, "is not in the configuration")) {
        c->left_out++;
    } else if (c->bad++ == 0) {
        const char *why = strstr(line, ": line "); /* the numbers are those of its own input */
        why = why ? strchr(why + 7, ':') : NULL;
        why = why ? why + 2 : line;
        text_copy(c->why, sizeof c->why, why, strlen(why) - strlen("; skipped"));
    }
    return 0;
}

/* Hands out the whole lines; at the end of the stream also the last one without its newline. */
static int take_lines(struct buf *from, bool end, replay_child_fn fn, void *arg)
{
    size_t used = 0;
    int e = 0;
    if (end && from->len > 0 && from->data[from->len - 1] != '\n')
        buf_add_char(from, '\n');
    for (char *stop; e == 0 && from->len > used && (stop = memchr(from->data + used, '\n', from->len - used));) {
        *stop = '\0';
        e = fn(arg, from->data + used, (size_t)(stop - from->data) - used);
        used = (size_t)(stop - from->data) + 1;
    }
    buf_consume(from, used);
    return e;
}

int replay_child_work(struct replay_child *c, const struct pollfd fds[REPLAY_CHILD_FDS], replay_child_fn fn, void *arg)
{
    int e = 0;
    if (fds[0].fd >= 0 && fds[0].revents)
        send_some(c);
    if (fds[2].fd >= 0 && fds[2].revents) {
        read_some(&c->errors, &c->messages);
        take_lines(&c->messages, c->errors < 0 || c->messages.len > MESSAGE_MOST, take_message, c);
    }
    if (fds[1].fd >= 0 && fds[1].revents) {
        read_some(&c->out, &c->lines);
        e = c->lines.full ? -E2BIG : take_lines(&c->lines, c->out < 0, fn, arg);
    }
    return e;
}

bool replay_child_ended(const struct replay_child *c)
{
    return c->out < 0 && c->errors < 0;
}

bool replay_child_collect(struct replay_child *c)
{
    while (c->pid > 0 && waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
    return WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
}

void replay_child_stop(struct replay_child *c)
{
    close_fd(&c->in);
    close_fd(&c->out);
    close_fd(&c->errors);
    if (c->pid > 0) {
        kill(c->pid, SIGTERM);
        replay_child_collect(c);
    }
    buf_done(&c->to_send);
    buf_done(&c->lines);
    buf_done(&c->messages);
}
