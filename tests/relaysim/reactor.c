/* The event loop of relaysim.
 *
 * One thread, level-triggered epoll, and a binary heap of timers. A watch or a timer belongs to whoever embeds it: the reactor holds only
 * pointers, and forgets one in the call that removes it, so its owner may be freed in any callback, its own included.
 * Timers are absolute steady times and never fire early. After the process was stopped for a while (SIGSTOP) all that is due fires
 * at once, in order of its due time; nothing is made up for.
 * It never blocks anywhere but in epoll, and never allocates once its heap has grown to the number of timers. */
#include "tests/relaysim/reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "shared/alloc.h"

static usec_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

usec_t steady_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

struct instant instant_now(void)
{
    struct instant now = {.real = read_clock(CLOCK_REALTIME)};
    now.steady = read_clock(CLOCK_MONOTONIC);
    return now;
}

int reactor_init(struct reactor *r)
{
    *r = (struct reactor){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return r->epoll < 0 ? -errno : 0;
}

void reactor_done(struct reactor *r)
{
    if (r->epoll >= 0)
        close(r->epoll);
    free(r->heap);
    *r = (struct reactor){.epoll = -1};
}

void reactor_stop(struct reactor *r)
{
    r->stopping = true;
}

int reactor_add(struct reactor *r, struct watch *watch)
{
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};
    return epoll_ctl(r->epoll, EPOLL_CTL_ADD, watch->fd, &event) < 0 ? -errno : 0;
}

void reactor_change(struct reactor *r, struct watch *watch, uint32_t events)
{
    if (watch->fd < 0 || watch->events == events)
        return;
    watch->events = events;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    epoll_ctl(r->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void reactor_remove(struct reactor *r, struct watch *watch)
{
    if (watch->fd < 0)
        return;
    epoll_ctl(r->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = r->batch_at; i < r->batch_len; i++)
        if (r->batch[i].data.ptr == watch)
            r->batch[i].data.ptr = NULL;
}

/* --- the heap ----------------------------------------------------------------------------------------------------- */

static void heap_put(struct reactor *r, size_t i, struct timer *timer)
{
    r->heap[i] = timer;
    timer->slot = i + 1;
}

static void heap_up(struct reactor *r, size_t i)
{
    struct timer *timer = r->heap[i];
    for (size_t parent; i > 0 && r->heap[parent = (i - 1) / 2]->due > timer->due; i = parent)
        heap_put(r, i, r->heap[parent]);
    heap_put(r, i, timer);
}

static void heap_down(struct reactor *r, size_t i)
{
    struct timer *timer = r->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= r->heap_len)
            break;
        if (child + 1 < r->heap_len && r->heap[child + 1]->due < r->heap[child]->due)
            child++;
        if (r->heap[child]->due >= timer->due)
            break;
        heap_put(r, i, r->heap[child]);
        i = child;
    }
    heap_put(r, i, timer);
}

void reactor_timer_cancel(struct reactor *r, struct timer *timer)
{
    if (!timer->slot)
        return;
    size_t i = timer->slot - 1;
    timer->slot = 0;
    struct timer *last = r->heap[--r->heap_len];
    if (last == timer)
        return;
    heap_put(r, i, last);
    heap_up(r, i);
    heap_down(r, last->slot - 1);
}

void reactor_timer_set(struct reactor *r, struct timer *timer, usec_t due)
{
    reactor_timer_cancel(r, timer);
    if (r->heap_len == r->heap_size) {
        r->heap_size = r->heap_size ? r->heap_size * 2 : 64;
        r->heap = alloc_resize(r->heap, r->heap_size, sizeof *r->heap);
    }
    timer->due = due;
    heap_put(r, r->heap_len++, timer);
    heap_up(r, r->heap_len - 1);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void fire_timers(struct reactor *r)
{
    /* One reading of the clock a round: a timer that re-arms itself for "now" must not keep the sockets waiting. */
    usec_t now = steady_now();
    while (r->heap_len && r->heap[0]->due <= now && !r->stopping) {
        struct timer *timer = r->heap[0];
        reactor_timer_cancel(r, timer);
        timer->fire(timer);
    }
}

static int wait_events(struct reactor *r)
{
    usec_t left = r->heap_len ? r->heap[0]->due - steady_now() : -1;
    if (r->heap_len && left < 0)
        left = 0;
    if (!r->coarse) {
        struct timespec ts = {.tv_sec = left / USEC_PER_SEC, .tv_nsec = left % USEC_PER_SEC * 1000};
        int n = epoll_pwait2(r->epoll, r->batch, REACTOR_BATCH, left < 0 ? NULL : &ts, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        r->coarse = true;
    }
    usec_t ms = (left + 999) / 1000;
    return epoll_wait(r->epoll, r->batch, REACTOR_BATCH, left < 0 ? -1 : ms > 60000 ? 60000 : (int)ms);
}

int reactor_run(struct reactor *r)
{
    while (!r->stopping) {
        fire_timers(r);
        if (r->stopping)
            break;
        r->batch_at = r->batch_len = 0;
        int n = wait_events(r);
        if (n < 0 && errno != EINTR)
            return -errno;
        r->batch_len = n < 0 ? 0 : n;
        while (r->batch_at < r->batch_len && !r->stopping) {
            struct epoll_event event = r->batch[r->batch_at++];
            struct watch *watch = event.data.ptr;
            if (watch)
                watch->ready(watch, event.events);
        }
    }
    return 0;
}
