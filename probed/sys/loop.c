/* The event loop over libev: timers, descriptors, signals, one clock, and a meter for stalls.
 *
 * Clock. The steady clock is CLOCK_MONOTONIC moved onto the Unix epoch once, when the loop is made, so it reads like a wall clock and never steps. It is
 * sampled with CLOCK_REALTIME once a wake-up, by a check watcher of the highest priority: libev runs it after every poll and before any callback. All
 * callbacks of one wake-up thus see one time, and libev's own idea of "now" was taken at the same moment, which is what makes the next point true.
 *
 * Timers. The caller names a point of the steady clock; libev wants a delay from the time of its last poll. The delay is reckoned from our sample of that
 * same poll, so a long callback in between shifts nothing. A timer never fires early: should libev's sample be a hair older than ours, the rest is slept.
 * Moving a timer to a later time only notes the new time; it wakes at the old one and goes back to sleep. That makes a deadline that moves with every
 * chunk of a stream free, at the price of one empty wake-up. Timers live in libev's 4-ary heap: tens of thousands cost log n each.
 *
 * Order. Descriptors have priority over timers: after a pause (SIGSTOP, a stall) what has arrived is read before any deadline is enforced.
 *
 * Lifetimes. A callback may free its own watcher: everything that is needed after it is copied before, and libev does not look at a watcher after invoking
 * it. A freed watcher that is still pending is taken out of libev's queue by its stop call. loop_free insists that every watcher is gone.
 *
 * It never sleeps outside the poll, never reads the environment (LIBEV_FLAGS) and never logs. */
#include "probed/sys/loop.h"

#include <assert.h>
#include <ev.h>
#include <time.h>

#include "shared/alloc.h"

#define STALL (10 * USEC_PER_MSEC)

#define IO_PRIORITY 1

struct loop {
    struct ev_loop *ev;
    ev_check sample;      /* takes the time after each poll; keeps the loop alive while nothing else does */
    usec_t to_epoch;      /* what is added to CLOCK_MONOTONIC */
    usec_t now, wall;     /* of this wake-up */
    unsigned watchers;    /* alive; must be 0 at the end */
    bool stopped;
    struct loop_stats stats;
};

struct loop_timer {
    ev_timer ev;
    struct loop *loop;
    const char *what;
    void (*fn)(void *arg);
    void *arg;
    usec_t at;     /* when it shall fire */
    usec_t armed;  /* when libev will wake it: at most `at` */
    usec_t asked;  /* when it was set, so that a time in the past is not counted as lateness */
};

struct loop_io {
    ev_io ev;
    struct loop *loop;
    const char *what;
    void (*fn)(void *arg, int fd, unsigned events);
    void *arg;
    unsigned events; /* enum loop_event */
};

struct loop_signal {
    ev_signal ev;
    struct loop *loop;
    void (*fn)(void *arg, int signo);
    void *arg;
};

static usec_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static void sample_time(struct loop *loop)
{
    loop->now = read_clock(CLOCK_MONOTONIC) + loop->to_epoch;
    loop->wall = read_clock(CLOCK_REALTIME);
}

static void on_wake(struct ev_loop *ev, ev_check *w, int revents)
{
    (void)ev, (void)revents;
    sample_time(w->data);
}

struct loop *loop_new(void)
{
    struct loop *loop = alloc_zero(1, sizeof(*loop));
    loop->ev = ev_loop_new(EVFLAG_NOENV);
    if (loop->ev == NULL) {
        alloc_freep(&loop);
        return NULL;
    }
    loop->to_epoch = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
    ev_now_update(loop->ev);
    sample_time(loop);
    ev_check_init(&loop->sample, on_wake);
    ev_set_priority(&loop->sample, EV_MAXPRI);
    loop->sample.data = loop;
    ev_check_start(loop->ev, &loop->sample);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    assert(loop->watchers == 0);
    ev_check_stop(loop->ev, &loop->sample);
    ev_loop_destroy(loop->ev);
    alloc_freep(&loop);
}

void loop_run(struct loop *loop)
{
    /* What was done before (loading, restoring) took time: both clocks move on together. */
    ev_now_update(loop->ev);
    sample_time(loop);
    while (!loop->stopped)
        ev_run(loop->ev, 0);
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    ev_break(loop->ev, EVBREAK_ALL);
}

usec_t loop_now(const struct loop *loop) { return loop->now; }
usec_t loop_now_fresh(struct loop *loop) { return read_clock(CLOCK_MONOTONIC) + loop->to_epoch; }
usec_t loop_wall(const struct loop *loop) { return loop->wall; }

void loop_begin(struct loop *loop, usec_t at)
{
    loop->to_epoch += at - loop->now;
    loop->now = at;
}

/* After a callback: how long it held the loop. `what` was copied before, the watcher may be gone. */
static void meter(struct loop *loop, usec_t began, const char *what)
{
    usec_t took = loop_now_fresh(loop) - began;
    loop->stats.callbacks++;
    if (took > STALL)
        loop->stats.stalls++;
    if (took > loop->stats.worst) {
        loop->stats.worst = took;
        loop->stats.worst_of = what;
    }
}

/* --- timers ----------------------------------------------------------------------------------------------------------- */

static void timer_arm(struct loop_timer *timer)
{
    struct loop *loop = timer->loop;
    usec_t delay = timer->at - loop->now;
    timer->armed = timer->at;
    ev_timer_set(&timer->ev, delay > 0 ? (double)delay / (double)USEC_PER_SEC : 0., 0.);
    ev_timer_start(loop->ev, &timer->ev);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev, (void)revents;
    struct loop_timer *timer = w->data;
    struct loop *loop = timer->loop;
    if (loop->now < timer->at) { /* it was moved, or libev's clock is a hair ahead of ours */
        timer_arm(timer);
        return;
    }
    usec_t lag = loop->now - (timer->at > timer->asked ? timer->at : timer->asked);
    if (lag > loop->stats.lag_worst)
        loop->stats.lag_worst = lag;
    const char *what = timer->what;
    usec_t began = loop_now_fresh(loop);
    timer->fn(timer->arg);
    meter(loop, began, what);
}

struct loop_timer *loop_timer_new(struct loop *loop, const char *what, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = alloc_zero(1, sizeof(*timer));
    *timer = (struct loop_timer){.loop = loop, .what = what, .fn = fn, .arg = arg};
    ev_timer_init(&timer->ev, on_timer, 0., 0.);
    timer->ev.data = timer;
    loop->watchers++;
    return timer;
}

void loop_timer_set(struct loop_timer *timer, usec_t at)
{
    if (at > USEC_INFINITY / 2) /* "never": far enough off, and the subtraction cannot overflow */
        at = USEC_INFINITY / 2;
    timer->at = at > 0 ? at : 0;
    timer->asked = timer->loop->now;
    if (ev_is_active(&timer->ev)) {
        if (timer->at >= timer->armed)
            return;
        ev_timer_stop(timer->loop->ev, &timer->ev);
    } else if (ev_is_pending(&timer->ev)) {
        ev_clear_pending(timer->loop->ev, &timer->ev);
    }
    timer_arm(timer);
}

void loop_timer_stop(struct loop_timer *timer) { ev_timer_stop(timer->loop->ev, &timer->ev); }

/* A timer whose turn has come but whose callback has not run yet is still active for its owner. */
bool loop_timer_active(const struct loop_timer *timer) { return timer->ev.active != 0 || timer->ev.pending != 0; }

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
    if (timer != NULL) {
        loop_timer_stop(timer);
        timer->loop->watchers--;
        alloc_freep(&timer);
    }
    return NULL;
}

/* --- descriptors ------------------------------------------------------------------------------------------------------ */

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    (void)ev;
    struct loop_io *io = w->data;
    struct loop *loop = io->loop;
    /* A descriptor that libev gave up (EV_ERROR: closed under us) is reported as ready: reading it tells its owner. */
    unsigned events = ((revents & (EV_READ | EV_ERROR)) ? LOOP_READ : 0u) | ((revents & EV_WRITE) ? LOOP_WRITE : 0u);
    const char *what = io->what;
    usec_t began = loop_now_fresh(loop);
    io->fn(io->arg, w->fd, events);
    meter(loop, began, what);
}

struct loop_io *loop_io_new(struct loop *loop, const char *what, int fd, void (*fn)(void *arg, int fd, unsigned events), void *arg)
{
    struct loop_io *io = alloc_zero(1, sizeof(*io));
    *io = (struct loop_io){.loop = loop, .what = what, .fn = fn, .arg = arg};
    ev_io_init(&io->ev, on_io, fd, 0);
    ev_set_priority(&io->ev, IO_PRIORITY);
    io->ev.data = io;
    loop->watchers++;
    return io;
}

void loop_io_set(struct loop_io *io, unsigned events)
{
    if (events == io->events)
        return;
    io->events = events;
    ev_io_stop(io->loop->ev, &io->ev);
    if (events == 0)
        return;
    ev_io_set(&io->ev, io->ev.fd, ((events & LOOP_READ) ? EV_READ : 0) | ((events & LOOP_WRITE) ? EV_WRITE : 0));
    ev_io_start(io->loop->ev, &io->ev);
}

struct loop_io *loop_io_free(struct loop_io *io)
{
    if (io != NULL) {
        ev_io_stop(io->loop->ev, &io->ev);
        io->loop->watchers--;
        alloc_freep(&io);
    }
    return NULL;
}

/* --- signals ---------------------------------------------------------------------------------------------------------- */

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
    (void)ev, (void)revents;
    struct loop_signal *sig = w->data;
    struct loop *loop = sig->loop;
    usec_t began = loop_now_fresh(loop);
    sig->fn(sig->arg, w->signum);
    meter(loop, began, "signal");
}

struct loop_signal *loop_signal_new(struct loop *loop, int signo, void (*fn)(void *arg, int signo), void *arg)
{
    struct loop_signal *sig = alloc_zero(1, sizeof(*sig));
    *sig = (struct loop_signal){.loop = loop, .fn = fn, .arg = arg};
    ev_signal_init(&sig->ev, on_signal, signo);
    sig->ev.data = sig;
    ev_signal_start(loop->ev, &sig->ev);
    loop->watchers++;
    return sig;
}

struct loop_signal *loop_signal_free(struct loop_signal *sig)
{
    if (sig != NULL) {
        ev_signal_stop(sig->loop->ev, &sig->ev);
        sig->loop->watchers--;
        alloc_freep(&sig);
    }
    return NULL;
}

struct loop_stats loop_stats(const struct loop *loop) { return loop->stats; }

void loop_stats_reset_worst(struct loop *loop)
{
    loop->stats.worst = 0;
    loop->stats.worst_of = NULL;
    loop->stats.lag_worst = 0;
}
