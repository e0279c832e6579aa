/* The event loop of relaysim: file descriptors by epoll, timers to the microsecond, one thread. */
#ifndef RELAYSIM_REACTOR_H
#define RELAYSIM_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "shared/units.h"

#define REACTOR_BATCH 256

/* One moment on both clocks: steady to compare within the machine, real to compare with what others wrote down. 0 = did not happen. */
struct instant {
    usec_t steady; /* CLOCK_MONOTONIC */
    usec_t real;   /* CLOCK_REALTIME */
};
struct instant instant_now(void);
usec_t steady_now(void);

struct watch {
    int fd; /* -1 = not watched */
    uint32_t events;
    void (*ready)(struct watch *watch, uint32_t events);
};

struct timer {
    usec_t due;
    size_t slot; /* place in the heap + 1; 0 = not running */
    void (*fire)(struct timer *timer);
};

struct reactor {
    int epoll;
    bool stopping, coarse; /* coarse: no epoll_pwait2 here, whole milliseconds */
    struct timer **heap;
    size_t heap_len, heap_size;
    struct epoll_event batch[REACTOR_BATCH];
    int batch_at, batch_len; /* what of the batch is still to be told */
};

int reactor_init(struct reactor *r) __attribute__((warn_unused_result));
void reactor_done(struct reactor *r);
/* Runs until reactor_stop. 0 or -errno of epoll itself. */
int reactor_run(struct reactor *r);
void reactor_stop(struct reactor *r);

/* The caller fills fd, events and ready. */
int reactor_add(struct reactor *r, struct watch *watch) __attribute__((warn_unused_result));
void reactor_change(struct reactor *r, struct watch *watch, uint32_t events);
/* After this, ready is not called any more, not even for what was seen already. Does not close. Safe when fd is -1. */
void reactor_remove(struct reactor *r, struct watch *watch);

void reactor_timer_set(struct reactor *r, struct timer *timer, usec_t due);
void reactor_timer_cancel(struct reactor *r, struct timer *timer);

#endif
