/* probed/sys/loop.h in virtual time: a heap of timers and a clock that jumps from one to the next. Descriptors and signals never fire. */
#include <stdlib.h>

#include "probed/sys/loop.h"
#include "shared/alloc.h"
#include "tests/sim/sim.h"

struct loop_timer {
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    usec_t at;
    uint64_t order; /* of equal times, the one set first */
    size_t place;   /* in the heap, 1..; 0 = not set */
};

struct loop {
    usec_t now;
    struct loop_timer **heap; /* [1..len] */
    size_t len, size;
    uint64_t order;
    bool stopped;
    struct loop_stats stats;
};

struct loop_io {
    int fd;
};
struct loop_signal {
    int signo;
};

struct loop *loop_new(void)
{
    struct loop *loop = alloc_zero(1, sizeof *loop);
    loop->now = SIM_START;
    return loop;
}

void loop_free(struct loop *loop)
{
    free(loop->heap);
    free(loop);
}

static bool before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct loop *loop, size_t place, struct loop_timer *t)
{
    loop->heap[place] = t;
    t->place = place;
}

static void sift_up(struct loop *loop, size_t place)
{
    struct loop_timer *t = loop->heap[place];
    for (; place > 1 && before(t, loop->heap[place / 2]); place /= 2)
        put(loop, place, loop->heap[place / 2]);
    put(loop, place, t);
}

static void sift_down(struct loop *loop, size_t place)
{
    struct loop_timer *t = loop->heap[place];
    for (size_t child; (child = place * 2) <= loop->len; place = child) {
        if (child < loop->len && before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!before(loop->heap[child], t))
            break;
        put(loop, place, loop->heap[child]);
    }
    put(loop, place, t);
}

struct loop_timer *loop_timer_new(struct loop *loop, const char *what, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *t = alloc_zero(1, sizeof *t);
    (void)what;
    t->loop = loop;
    t->fn = fn;
    t->arg = arg;
    return t;
}

void loop_timer_stop(struct loop_timer *t)
{
    struct loop *loop = t->loop;
    size_t place = t->place;
    if (place == 0)
        return;
    t->place = 0;
    struct loop_timer *last = loop->heap[loop->len--];
    if (last == t)
        return;
    put(loop, place, last);
    sift_up(loop, place);
    sift_down(loop, last->place);
}

void loop_timer_set(struct loop_timer *t, usec_t at)
{
    struct loop *loop = t->loop;
    loop_timer_stop(t);
    t->at = at > loop->now ? at : loop->now;
    t->order = ++loop->order;
    if (loop->len + 2 > loop->size) {
        loop->size = loop->size ? loop->size * 2 : 64;
        loop->heap = alloc_resize(loop->heap, loop->size, sizeof *loop->heap);
    }
    loop->len++;
    put(loop, loop->len, t);
    sift_up(loop, loop->len);
}

bool loop_timer_active(const struct loop_timer *t) { return t->place != 0; }

struct loop_timer *loop_timer_free(struct loop_timer *t)
{
    if (t)
        loop_timer_stop(t);
    free(t);
    return NULL;
}

void sim_loop_run_until(struct loop *loop, usec_t at)
{
    while (!loop->stopped && loop->len > 0 && loop->heap[1]->at <= at) {
        struct loop_timer *t = loop->heap[1];
        if (t->at > loop->now)
            loop->now = t->at;
        loop_timer_stop(t);
        loop->stats.callbacks++;
        t->fn(t->arg);
    }
    if (at > loop->now)
        loop->now = at;
}

void sim_loop_skip(struct loop *loop, usec_t duration) { loop->now += duration; }

void loop_run(struct loop *loop) { sim_loop_run_until(loop, USEC_INFINITY); }
void loop_stop(struct loop *loop) { loop->stopped = true; }
usec_t loop_now(const struct loop *loop) { return loop->now; }
usec_t loop_now_fresh(struct loop *loop) { return loop->now; }
usec_t loop_wall(const struct loop *loop) { return loop->now; }
void loop_begin(struct loop *loop, usec_t at) { loop->now = at; }
struct loop_stats loop_stats(const struct loop *loop) { return loop->stats; }
void loop_stats_reset_worst(struct loop *loop) { loop->stats.worst = 0; }

struct loop_io *loop_io_new(struct loop *loop, const char *what, int fd, void (*fn)(void *arg, int fd, unsigned events), void *arg)
{
    struct loop_io *io = alloc_zero(1, sizeof *io);
    (void)loop, (void)what, (void)fn, (void)arg;
    io->fd = fd;
    return io;
}
void loop_io_set(struct loop_io *io, unsigned events) { (void)io, (void)events; }
struct loop_io *loop_io_free(struct loop_io *io)
{
    free(io);
    return NULL;
}

struct loop_signal *loop_signal_new(struct loop *loop, int signo, void (*fn)(void *arg, int signo), void *arg)
{
    struct loop_signal *s = alloc_zero(1, sizeof *s);
    (void)loop, (void)fn, (void)arg;
    s->signo = signo;
    return s;
}
struct loop_signal *loop_signal_free(struct loop_signal *s)
{
    free(s);
    return NULL;
}
