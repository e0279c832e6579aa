/* `probed replay` as a child process: records go in, answers come out, and nothing of it ever waits. */
#ifndef ROUTECTL_REPLAY_CHILD_H
#define ROUTECTL_REPLAY_CHILD_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shared/buf.h"
#include "shared/err.h"

#define REPLAY_CHILD_FDS 3

struct replay_child {
    pid_t pid;           /* 0 = ended and collected */
    int in, out, errors; /* our ends; -1 = closed */
    bool closing;        /* `in` is closed when everything has been sent */
    struct buf to_send;
    size_t sent; /* of it */
    struct buf lines, messages;
    uint64_t left_out; /* records of routes that its configuration does not have */
    uint64_t bad;      /* records that it would not take for another reason */
    char why[200];     /* the first of those */
    int status;        /* of its end; as waitpid gives it */
};

/* Where `probed` is: beside this program, where it is installed beside it, or in PATH. buf is for the answer. NULL = nowhere. */
const char *replay_child_find(char *buf, size_t size);

/* Runs `probed replay --brief --skip-bad --config FILE`. */
int replay_child_start(struct replay_child *c, const char *program, const char *config, struct err *err) ATTR_UNUSED_RESULT;
void replay_child_send(struct replay_child *c, const char *data, size_t len);
/* Nothing more is to be sent. */
void replay_child_finish(struct replay_child *c);
/* What is still to be sent. */
size_t replay_child_waiting(const struct replay_child *c);

/* Fills in what is to be waited for (fd -1 = nothing), and after poll() does what can be done. Each answer goes to fn, NUL-terminated,
 * until it returns non-zero, which is returned. */
typedef int (*replay_child_fn)(void *arg, const char *line, size_t len);
void replay_child_poll(const struct replay_child *c, struct pollfd fds[REPLAY_CHILD_FDS]);
int replay_child_work(struct replay_child *c, const struct pollfd fds[REPLAY_CHILD_FDS], replay_child_fn fn, void *arg);
/* It has said all that it will ever say. */
bool replay_child_ended(const struct replay_child *c);
/* Collects it: true if it ended as it should. */
bool replay_child_collect(struct replay_child *c);
/* Ends it if it still runs; may be called at any time, and twice. */
void replay_child_stop(struct replay_child *c);

#endif
