/* The loop: order and exactness of timers, watchers that free themselves, descriptors, signals, the clocks and the stall meter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "probed/sys/loop.h"
#include "shared/alloc.h"

#define MSEC USEC_PER_MSEC

static usec_t system_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static void hold(usec_t usec)
{
    usec_t until = system_clock(CLOCK_MONOTONIC) + usec;
    while (system_clock(CLOCK_MONOTONIC) < until) {
    }
}

static void stop(void *arg) { loop_stop(arg); }

static void run_for(struct loop *loop, usec_t usec)
{
    struct loop_timer *end = loop_timer_new(loop, "end", stop, loop);
    loop_timer_set(end, loop_now_fresh(loop) + usec);
    loop_run(loop);
    loop_timer_free(end);
}

/* --- clocks ----------------------------------------------------------------------------------------------------------- */

struct clocks {
    struct loop *loop;
    struct loop_timer *timer;
    usec_t last;
    int turns;
};

static void see_clocks(void *arg)
{
    struct clocks *c = arg;
    usec_t now = loop_now(c->loop), fresh = loop_now_fresh(c->loop);
    assert_true(now > c->last && fresh >= now);
    assert_in_range(fresh - now, 0, 500 * MSEC);
    /* Steady and wall began together, and the wall is the system's. */
    assert_true(llabs((long long)(loop_wall(c->loop) - now)) < 500 * MSEC);
    assert_true(llabs((long long)(loop_wall(c->loop) - system_clock(CLOCK_REALTIME))) < 500 * MSEC);
    hold(3 * MSEC);
    assert_int_equal(loop_now(c->loop), now); /* one time a wake-up */
    assert_true(loop_now_fresh(c->loop) >= now + 3 * MSEC);
    c->last = now;
    if (++c->turns == 10)
        loop_stop(c->loop);
    loop_timer_set(c->timer, now + 1000);
}

static void test_clocks(void **state)
{
    (void)state;
    struct clocks c = {.loop = loop_new()};
    c.timer = loop_timer_new(c.loop, "clocks", see_clocks, &c);
    loop_timer_set(c.timer, 0);
    loop_run(c.loop);
    assert_int_equal(c.turns, 10);
    loop_timer_free(c.timer);
    loop_free(c.loop);
}

/* --- timers ----------------------------------------------------------------------------------------------------------- */

#define MANY 20000

struct many {
    struct loop *loop;
    struct one {
        struct many *all;
        struct loop_timer *timer;
        usec_t at;
        bool fired, must_not;
    } one[MANY];
    int fired, early, wanted;
    usec_t late;
};

static void on_one(void *arg)
{
    struct one *o = arg;
    struct many *m = o->all;
    usec_t now = loop_now(m->loop);
    assert_false(o->must_not || o->fired);
    o->fired = true;
    m->early += now < o->at;
    if (now - o->at > m->late)
        m->late = now - o->at;
    if (++m->fired == m->wanted)
        loop_stop(m->loop);
}

/* A clock that goes on from an earlier run. */
static void test_begin(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    usec_t now = loop_now(loop), wall = loop_wall(loop);
    loop_begin(loop, now - 5 * USEC_PER_SEC);
    assert_true(loop_now(loop) == now - 5 * USEC_PER_SEC);
    loop_begin(loop, now + 100 * USEC_PER_SEC);
    assert_true(loop_now(loop) == now + 100 * USEC_PER_SEC);
    assert_true(loop_wall(loop) == wall);
    run_for(loop, 20 * MSEC);
    assert_in_range(loop_now(loop) - now, 100 * USEC_PER_SEC + 20 * MSEC, 110 * USEC_PER_SEC);
    loop_free(loop);
}

/* 20,000 timers, some moved to and fro, some stopped: each fires once, none early, all of them. */
static void test_many_timers(void **state)
{
    (void)state;
    unsigned seed = (unsigned)system_clock(CLOCK_MONOTONIC);
    print_message("seed %u\n", seed);
    srandom(seed);
    struct many *m = alloc_zero(1, sizeof(*m));
    m->loop = loop_new();
    usec_t base = loop_now(m->loop);
    for (int i = 0; i < MANY; i++) {
        struct one *o = &m->one[i];
        o->all = m;
        o->timer = loop_timer_new(m->loop, "one", on_one, o);
        for (int k = 0; k <= random() % 3; k++) {
            o->at = base + random() % 300000;
            loop_timer_set(o->timer, o->at);
        }
        assert_true(loop_timer_active(o->timer));
        o->must_not = random() % 10 == 0;
        if (o->must_not) {
            loop_timer_stop(o->timer);
            assert_false(loop_timer_active(o->timer));
        }
        m->wanted += !o->must_not;
    }
    loop_run(m->loop);
    run_for(m->loop, 20 * MSEC);
    assert_int_equal(m->fired, m->wanted);
    assert_int_equal(m->early, 0);
    print_message("worst lateness %ld us\n", (long)m->late);
    for (int i = 0; i < MANY; i++) {
        assert_false(loop_timer_active(m->one[i].timer));
        loop_timer_free(m->one[i].timer);
    }
    loop_free(m->loop);
    alloc_freep(&m);
}

struct deadline {
    struct loop *loop;
    struct loop_timer *timer, *mover;
    int moved, fired;
    usec_t at;
};

static void on_deadline(void *arg)
{
    struct deadline *d = arg;
    d->fired++;
    assert_true(loop_now(d->loop) >= d->at);
    loop_stop(d->loop);
}

static void move_it(void *arg)
{
    struct deadline *d = arg;
    d->at = loop_now(d->loop) + 30 * MSEC;
    loop_timer_set(d->timer, d->at);
    if (++d->moved < 20)
        loop_timer_set(d->mover, loop_now(d->loop) + 5 * MSEC);
}

/* A deadline that is pushed on fires once, after the last push; pulled in, it fires sooner. */
static void test_moved_timer(void **state)
{
    (void)state;
    struct deadline d = {.loop = loop_new()};
    d.timer = loop_timer_new(d.loop, "deadline", on_deadline, &d);
    d.mover = loop_timer_new(d.loop, "mover", move_it, &d);
    loop_timer_set(d.mover, 0);
    loop_run(d.loop);
    assert_int_equal(d.moved, 20);
    assert_int_equal(d.fired, 1);
    d.at = loop_now_fresh(d.loop) + 20 * MSEC;
    loop_timer_set(d.timer, loop_now_fresh(d.loop) + 600 * USEC_PER_SEC);
    loop_timer_set(d.timer, d.at);
    loop_run(d.loop);
    assert_int_equal(d.fired, 2);
    assert_true(loop_now(d.loop) < d.at + 10 * USEC_PER_SEC);
    /* Never, and long ago. */
    loop_timer_set(d.timer, USEC_INFINITY);
    run_for(d.loop, 10 * MSEC);
    assert_int_equal(d.fired, 2);
    d.at = 0;
    loop_timer_set(d.timer, -5);
    loop_run(d.loop);
    assert_int_equal(d.fired, 3);
    loop_timer_free(d.timer);
    loop_timer_free(d.mover);
    loop_free(d.loop);
}

/* A timer that is set after long work in the callback counts from the point that was named, not from libev's old idea of now. */
static void hold_then_set(void *arg)
{
    struct deadline *d = arg;
    hold(40 * MSEC);
    d->at = loop_now_fresh(d->loop) + 30 * MSEC;
    loop_timer_set(d->timer, d->at);
}

static void test_timer_set_after_work(void **state)
{
    (void)state;
    struct deadline d = {.loop = loop_new()};
    d.timer = loop_timer_new(d.loop, "deadline", on_deadline, &d);
    d.mover = loop_timer_new(d.loop, "mover", hold_then_set, &d);
    loop_timer_set(d.mover, 0);
    loop_run(d.loop);
    assert_int_equal(d.fired, 1);
    /* Before the loop runs as well. */
    hold(40 * MSEC);
    d.at = loop_now_fresh(d.loop) + 30 * MSEC;
    loop_timer_set(d.timer, d.at);
    loop_run(d.loop);
    assert_int_equal(d.fired, 2);
    assert_true(loop_now(d.loop) - d.at < 5 * USEC_PER_SEC);
    loop_timer_free(d.timer);
    loop_timer_free(d.mover);
    loop_free(d.loop);
}

/* --- watchers that free themselves and each other --------------------------------------------------------------------- */

struct family {
    struct loop *loop;
    struct loop_timer *timer[3];
    struct loop_io *io;
    int fired;
};

static void free_all_timers(void *arg)
{
    struct family *f = arg;
    f->fired++;
    for (int i = 0; i < 3; i++)
        f->timer[i] = loop_timer_free(f->timer[i]); /* the one that we are called for, and those that are due as well */
    loop_stop(f->loop);
}

static void free_io(void *arg, int fd, unsigned events)
{
    struct family *f = arg;
    (void)fd;
    assert_int_equal(events, LOOP_READ);
    f->fired++;
    f->io = loop_io_free(f->io);
    loop_stop(f->loop);
}

static void test_freed_from_inside(void **state)
{
    (void)state;
    struct family f = {.loop = loop_new()};
    int fd[2];
    for (int i = 0; i < 3; i++) {
        f.timer[i] = loop_timer_new(f.loop, "family", free_all_timers, &f);
        loop_timer_set(f.timer[i], 0);
    }
    loop_run(f.loop);
    run_for(f.loop, 5 * MSEC);
    assert_int_equal(f.fired, 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    f.io = loop_io_new(f.loop, "family", fd[0], free_io, &f);
    loop_io_set(f.io, LOOP_READ);
    assert_int_equal(write(fd[1], "x", 1), 1);
    loop_run(f.loop);
    run_for(f.loop, 5 * MSEC);
    assert_int_equal(f.fired, 2);
    assert_null(loop_timer_free(NULL));
    assert_null(loop_io_free(NULL));
    assert_null(loop_signal_free(NULL));
    close(fd[0]);
    close(fd[1]);
    loop_free(f.loop);
    loop_free(NULL);
}

/* --- descriptors ------------------------------------------------------------------------------------------------------ */

struct ready {
    struct loop *loop;
    struct loop_io *io;
    unsigned seen;
    int calls;
};

static void on_ready(void *arg, int fd, unsigned events)
{
    struct ready *r = arg;
    (void)fd;
    r->seen |= events;
    r->calls++;
    loop_stop(r->loop);
}

static void test_descriptors(void **state)
{
    (void)state;
    struct ready r = {.loop = loop_new()};
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    r.io = loop_io_new(r.loop, "ready", fd[0], on_ready, &r);
    run_for(r.loop, 5 * MSEC);
    assert_int_equal(r.calls, 0); /* begins paused */
    loop_io_set(r.io, LOOP_WRITE);
    loop_run(r.loop);
    assert_int_equal(r.seen, LOOP_WRITE);
    loop_io_set(r.io, LOOP_READ);
    r.seen = 0;
    run_for(r.loop, 5 * MSEC);
    assert_int_equal(r.seen, 0);
    assert_int_equal(write(fd[1], "x", 1), 1);
    loop_run(r.loop);
    assert_int_equal(r.seen, LOOP_READ);
    loop_io_set(r.io, LOOP_READ | LOOP_WRITE);
    r.seen = 0;
    loop_run(r.loop);
    assert_int_equal(r.seen, LOOP_READ | LOOP_WRITE);
    loop_io_set(r.io, 0);
    int calls = r.calls;
    run_for(r.loop, 5 * MSEC);
    assert_int_equal(r.calls, calls);
    /* The number is used again for another descriptor, as libcurl does it all the time. */
    loop_io_free(r.io);
    close(fd[0]);
    int again = dup(fd[1]);
    r.io = loop_io_new(r.loop, "ready", again, on_ready, &r);
    loop_io_set(r.io, LOOP_READ);
    loop_run(r.loop); /* the other end is gone: readable */
    assert_int_equal(r.calls, calls + 1);
    loop_io_free(r.io);
    close(again);
    close(fd[1]);
    loop_free(r.loop);
}

/* What has arrived comes before what is due. */
struct order {
    struct loop *loop;
    struct loop_timer *timer, *holder;
    struct loop_io *io;
    int peer;
    char seen[4];
};

static void order_timer(void *arg)
{
    struct order *o = arg;
    strcat(o->seen, "t");
    loop_stop(o->loop);
}

static void order_io(void *arg, int fd, unsigned events)
{
    struct order *o = arg;
    (void)fd, (void)events;
    strcat(o->seen, "i");
    loop_io_set(o->io, 0);
}

/* Stands still; when it is over, both have come due. */
static void order_hold(void *arg)
{
    struct order *o = arg;
    loop_timer_set(o->timer, loop_now_fresh(o->loop) + 10 * MSEC);
    hold(20 * MSEC);
    assert_int_equal(write(o->peer, "x", 1), 1);
}

static void test_arrivals_before_deadlines(void **state)
{
    (void)state;
    struct order o = {.loop = loop_new()};
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    o.timer = loop_timer_new(o.loop, "t", order_timer, &o);
    o.holder = loop_timer_new(o.loop, "h", order_hold, &o);
    o.io = loop_io_new(o.loop, "i", fd[0], order_io, &o);
    o.peer = fd[1];
    loop_timer_set(o.holder, 0);
    loop_io_set(o.io, LOOP_READ);
    loop_run(o.loop);
    assert_string_equal(o.seen, "it");
    loop_timer_free(o.timer);
    loop_timer_free(o.holder);
    loop_io_free(o.io);
    close(fd[0]);
    close(fd[1]);
    loop_free(o.loop);
}

/* --- signals ---------------------------------------------------------------------------------------------------------- */

static void on_signal(void *arg, int signo)
{
    struct ready *r = arg;
    r->seen |= 1u << signo;
    r->calls++;
    loop_stop(r->loop);
}

static void test_signals(void **state)
{
    (void)state;
    struct ready r = {.loop = loop_new()};
    struct loop_signal *hup = loop_signal_new(r.loop, SIGHUP, on_signal, &r);
    struct loop_signal *usr = loop_signal_new(r.loop, SIGUSR1, on_signal, &r);
    raise(SIGHUP);
    loop_run(r.loop);
    assert_int_equal(r.seen, 1u << SIGHUP);
    raise(SIGUSR1);
    loop_run(r.loop);
    assert_int_equal(r.seen, 1u << SIGHUP | 1u << SIGUSR1);
    loop_signal_free(hup);
    loop_signal_free(usr);
    loop_free(r.loop);
}

/* --- the meter -------------------------------------------------------------------------------------------------------- */

struct stall {
    struct loop *loop;
    struct loop_timer *late;
};

static void block(void *arg)
{
    struct stall *s = arg;
    loop_timer_set(s->late, loop_now_fresh(s->loop) + MSEC);
    hold(25 * MSEC);
}

static void test_stall_meter(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct stall stall = {.loop = loop};
    struct loop_timer *slow = loop_timer_new(loop, "a slow one", block, &stall);
    struct loop_timer *late = stall.late = loop_timer_new(loop, "a late one", stop, loop);
    loop_timer_set(slow, 0);
    loop_run(loop);
    struct loop_stats s = loop_stats(loop);
    assert_true(s.stalls >= 1 && s.callbacks >= 1);
    assert_true(s.worst >= 25 * MSEC);
    assert_string_equal(s.worst_of, "a slow one");
    assert_true(loop_stats(loop).lag_worst >= 20 * MSEC);
    assert_true(loop_stats(loop).callbacks >= 2);
    loop_stats_reset_worst(loop);
    assert_int_equal(loop_stats(loop).worst, 0);
    assert_int_equal(loop_stats(loop).lag_worst, 0);
    /* A time long past is no lateness of the loop's. */
    loop_timer_set(late, 0);
    loop_run(loop);
    assert_true(loop_stats(loop).lag_worst < 5 * USEC_PER_SEC);
    loop_timer_free(slow);
    loop_timer_free(late);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_many_timers),
        cmocka_unit_test(test_moved_timer),
        cmocka_unit_test(test_timer_set_after_work),
        cmocka_unit_test(test_freed_from_inside),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_arrivals_before_deadlines),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_stall_meter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
