/* The event loop: the only user of libev. Timers, descriptors, signals, one clock, and a meter for stalls.
 *
 * The simulation links tests/sim/loop_sim.c in its place, with virtual time; so nobody above this asks the system for the time.
 * loop_now is a steady clock: microseconds since the Unix epoch as it stood when the loop was made, moved on by CLOCK_MONOTONIC; it never
 * steps. loop_wall is CLOCK_REALTIME, for the edges (what other processes compare with their own clocks).
 * Both are read once a wake-up; loop_now_fresh asks again (for timestamps inside a long callback).
 * What has arrived on descriptors is handed on before timers that came due meanwhile. Callbacks may free the watcher they are called for. Nothing
 * here is safe from other threads. */
#ifndef PROBED_SYS_LOOP_H
#define PROBED_SYS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/units.h"

struct loop;
struct loop_timer;
struct loop_io;
struct loop_signal;

enum loop_event { LOOP_READ = 1 << 0, LOOP_WRITE = 1 << 1 };

struct loop *loop_new(void);
void loop_free(struct loop *loop); /* after every watcher is freed */
void loop_run(struct loop *loop);  /* until loop_stop */
void loop_stop(struct loop *loop);

usec_t loop_now(const struct loop *loop);
usec_t loop_now_fresh(struct loop *loop);
usec_t loop_wall(const struct loop *loop);
/* Before loop_run and before any timer is set: the steady clock begins at `at`, so that it goes on from where it was in the last run, whatever became of the wall
 * clock meanwhile. */
void loop_begin(struct loop *loop, usec_t at);

struct loop_timer *loop_timer_new(struct loop *loop, const char *what, void (*fn)(void *arg), void *arg);
/* Once, at that steady time (past = as soon as possible). Setting again moves it. */
void loop_timer_set(struct loop_timer *timer, usec_t at);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);
struct loop_timer *loop_timer_free(struct loop_timer *timer); /* NULL is fine; returns NULL */

/* `what` names the callback's owner in the stall meter; static string. events: enum loop_event; 0 = paused. */
struct loop_io *loop_io_new(struct loop *loop, const char *what, int fd, void (*fn)(void *arg, int fd, unsigned events), void *arg);
void loop_io_set(struct loop_io *io, unsigned events);
struct loop_io *loop_io_free(struct loop_io *io); /* does not close fd */

struct loop_signal *loop_signal_new(struct loop *loop, int signo, void (*fn)(void *arg, int signo), void *arg);
struct loop_signal *loop_signal_free(struct loop_signal *signal);

struct loop_stats {
    uint64_t callbacks;
    uint64_t stalls;      /* callbacks of more than 10 ms */
    usec_t worst;         /* the longest callback since start */
    const char *worst_of; /* its `what` */
    usec_t lag_worst;     /* the longest that a timer fired late */
};
struct loop_stats loop_stats(const struct loop *loop);
void loop_stats_reset_worst(struct loop *loop);

#endif
