/* The store's life, its state, and what comes back from its threads.
 *
 * What the loop says goes into a queue (tell.c); the recorder's thread writes it (recorder.c); what it has to say comes back through an eventfd and is told by
 * store_dispatch. The lock is held for a few pointers, never over a call to SQLite or to the system. When the disk does not come back in time at the end, the
 * thread is left behind, and frees what it holds when it has ended. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "probed/store/reader.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"

#define MINUTES_LEAST (3 * USEC_PER_HOUR) /* hours are made of them */
#define HOURS_LEAST (3 * USEC_PER_DAY)

static const char *const state_names[] = {
#define X(id, name, text) name,
    STORE_STATE_TABLE(X)
#undef X
};
static const char *const state_texts[] = {
#define X(id, name, text) text,
    STORE_STATE_TABLE(X)
#undef X
};
const char *store_state_name(enum store_state state) { return state_names[state]; }
const char *store_state_text(enum store_state state) { return state_texts[state]; }

usec_t store_monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

void store_ring(void *store)
{
    struct store *s = store;
    uint64_t one = 1;
    (void)!write(s->event_fd, &one, sizeof one); /* full is as good as rung */
}

void store_set_state(struct store *s, enum store_state state, const char *why)
{
    pthread_mutex_lock(&s->lock);
    if (s->report.state != state)
        s->report.since = s->newest;
    s->report.state = state;
    snprintf(s->report.why, sizeof s->report.why, "%s", state == STORE_OK ? "" : why);
    pthread_mutex_unlock(&s->lock);
}

/* --- life --- */

static struct store_limits limits_filled(const struct store_limits *limits)
{
    struct store_limits l = *limits;
    l.raw = l.raw > 0 ? l.raw : 7 * USEC_PER_DAY;
    l.minutes = l.minutes > 0 ? l.minutes : 48 * USEC_PER_HOUR;
    l.minutes = l.minutes < MINUTES_LEAST ? MINUTES_LEAST : l.minutes;
    l.hours = l.hours > 0 ? l.hours : 365 * USEC_PER_DAY;
    l.hours = l.hours < HOURS_LEAST ? HOURS_LEAST : l.hours;
    l.size = l.size > 0 ? l.size : 4LL << 30;
    return l;
}

static struct store *new_store(const struct store_setup *setup)
{
    struct store *s = alloc_zero(1, sizeof *s);
    pthread_condattr_t attributes;
    s->file = alloc_printf("%s/" STORE_FILE, setup->directory);
    s->limits = limits_filled(&setup->limits);
    s->newest = setup->wall;
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->writer.lock_fd = -1;
    queue_init(&s->queue);
    STAILQ_INIT(&s->done);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return s;
}

void store_free(struct store *s)
{
    struct done *done;
    while ((done = STAILQ_FIRST(&s->done))) {
        STAILQ_REMOVE_HEAD(&s->done, next);
        free(done);
    }
    writer_close(&s->writer);
    queue_done(&s->queue);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    if (s->event_fd >= 0)
        close(s->event_fd);
    free(s->file);
    free(s);
}

/* 0; or what makes it useless to go on: a file of a newer version, or another probed that records into it. Everything else is a state. */
static int open_writer(struct store *s, struct store_opened *ret, struct err *err)
{
    struct file_opened opened;
    int rc = writer_open(&s->writer, s->file, s->newest, &opened);
    ret->made = opened.made;
    snprintf(ret->note, sizeof ret->note, "%s", opened.note);
    snprintf(s->report.aside, sizeof s->report.aside, "%s", opened.aside);
    if (rc == SQLITE_OK)
        return 0;
    if (opened.state == STORE_NEWER)
        return err_set(err, -EPROTONOSUPPORT, "%s", opened.why);
    if (opened.other)
        return err_set(err, -EBUSY, "%s", opened.why);
    store_set_state(s, opened.state, opened.why);
    return 0;
}

static bool start_thread(struct store *s)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&s->thread, NULL, recorder_run, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

struct store *store_open(const struct store_setup *setup, struct store_opened *ret, int *error, struct err *err)
{
    struct store *s = new_store(setup);
    int problem = 0;
    *ret = (struct store_opened){.last = 0};
    *error = setup->read_only ? 0 : open_writer(s, ret, err);
    if (*error < 0) {
        store_free(s);
        return NULL;
    }
    ret->last = restore_last(s->file);
    s->newest = ret->last;
    s->report.since = 0;
    s->reader = reader_start(s->file, store_ring, s, &problem);
    if (setup->read_only)
        return s;
    s->running = start_thread(s);
    if (!s->running) {
        writer_close(&s->writer);
        store_set_state(s, STORE_BROKEN, "no thread could be started");
    }
    return s;
}

/* False: it is still busy, and frees all this when it is not. */
static bool stop_thread(struct store *s, usec_t patience)
{
    usec_t until = store_monotonic() + patience;
    struct timespec t = {.tv_sec = until / USEC_PER_SEC, .tv_nsec = until % USEC_PER_SEC * 1000};
    int r = 0;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    while (!s->ended && r == 0)
        r = pthread_cond_timedwait(&s->wake, &s->lock, &t);
    pthread_t thread = s->thread;
    bool ended = s->ended;
    s->abandoned = !ended;
    pthread_mutex_unlock(&s->lock);
    if (ended)
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
    return ended;
}

struct store *store_close(struct store *s, usec_t patience)
{
    if (!s)
        return NULL;
    pthread_mutex_lock(&s->lock);
    struct reader *reader = s->reader;
    s->reader = NULL;
    pthread_mutex_unlock(&s->lock);
    if (reader)
        reader_stop(reader);
    if (!s->running || stop_thread(s, patience))
        store_free(s);
    return NULL;
}

void store_set_limits(struct store *s, const struct store_limits *limits)
{
    pthread_mutex_lock(&s->lock);
    s->limits = limits_filled(limits);
    pthread_mutex_unlock(&s->lock);
}

/* --- questions --- */

int store_ask(struct store *s, const struct history_query *query, history_answer_fn fn, void *arg)
{
    return s->reader ? reader_ask(s->reader, query, fn, arg) : -EBUSY;
}

void store_forget(struct store *s, void *arg)
{
    if (s->reader)
        reader_forget(s->reader, arg);
}

/* --- what comes back --- */

int store_fd(const struct store *s) { return s->event_fd; }

void store_dispatch(struct store *s)
{
    struct done_list due = STAILQ_HEAD_INITIALIZER(due);
    struct done *d;
    uint64_t count;
    (void)!read(s->event_fd, &count, sizeof count);
    pthread_mutex_lock(&s->lock);
    STAILQ_CONCAT(&due, &s->done);
    pthread_mutex_unlock(&s->lock);
    while ((d = STAILQ_FIRST(&due))) {
        STAILQ_REMOVE_HEAD(&due, next);
        d->fn(d->arg, d->ticket, d->error);
        free(d);
    }
    if (s->reader)
        reader_dispatch(s->reader);
}

void store_report(const struct store *store, struct store_report *ret)
{
    struct store *s = (struct store *)(uintptr_t)store; /* for its lock */
    pthread_mutex_lock(&s->lock);
    *ret = s->report;
    ret->queued = s->queue.len + s->writing;
    ret->dropped = s->queue.dropped;
    usec_t now = store_monotonic();
    bool slow = (s->writes_since > 0 && now - s->writes_since > SLOW_AFTER) || (s->waits_since > 0 && now - s->waits_since > SLOW_AFTER);
    pthread_mutex_unlock(&s->lock);
    if (ret->state == STORE_OK && slow) {
        ret->state = STORE_SLOW;
        snprintf(ret->why, sizeof ret->why, "nothing was written for more than %d s", (int)(SLOW_AFTER / USEC_PER_SEC));
    }
}
