/* The thread that writes: all that waits once a second, and at once when there is a reservation in it.
 *
 * A batch is one transaction. When it fails it is rolled back and put in front of the queue again, but for its reservations, whose callers hear that they failed; the
 * state says why, and the next try comes later and later. A file that turns out to be damaged is set aside, what can still be read of it is put into a new one,
 * and that goes on at once. A disk that fails is given some time; when it then takes other files but not this one, this one is set aside as well. A file
 * that somebody moved away is let go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "probed/store/reader.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"

#define BATCH_EVERY USEC_PER_SEC
#define RETRY_FIRST USEC_PER_SEC
#define RETRY_MOST (10 * USEC_PER_SEC)
#define IO_FAILURES_MOST 7 /* about 40 s */

/* --- trouble --- */

static void note_aside(struct store *s, const char *aside)
{
    pthread_mutex_lock(&s->lock);
    if (aside[0])
        snprintf(s->report.aside, sizeof s->report.aside, "%s", aside);
    if (s->reader)
        reader_reopen(s->reader);
    pthread_mutex_unlock(&s->lock);
}

static void later(struct store *s)
{
    usec_t most = s->retry_most > 0 ? s->retry_most : RETRY_MOST, next = s->retry == 0 ? RETRY_FIRST : s->retry * 2;
    s->retry = next > most ? most : next;
    s->retry_at = store_monotonic() + s->retry;
}

static void set_aside_now(struct store *s, const char *why)
{
    char aside[STORE_ASIDE_MAX] = "";
    writer_close(&s->writer);
    int r = file_set_aside(s->file, aside, sizeof aside);
    if (r == 0 || r == -ENOENT) {
        s->retry = s->retry_at = 0;
        s->io_failures = 0;
        store_set_state(s, STORE_BROKEN, why);
    } else {
        char more[200];
        snprintf(more, sizeof more, "%.100s; and it cannot be set aside: %s", why, strerror(-r));
        store_set_state(s, STORE_BROKEN, more);
        later(s);
    }
    if (r == 0) {
        snprintf(s->salvage, sizeof s->salvage, "%s", aside);
        note_aside(s, aside);
    }
}

/* What it means that something failed, and what to do. */
static void judge(struct store *s, int rc, enum store_state state, const char *why)
{
    s->io_failures = (rc & 0xff) == SQLITE_IOERR && state == STORE_BROKEN ? s->io_failures + 1 : 0;
    if (file_is_damage(rc) || (s->io_failures >= IO_FAILURES_MOST && file_disk_works(s->file))) {
        set_aside_now(s, why);
        return;
    }
    store_set_state(s, state, why);
    if (s->writer.db && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_FULL)
        writer_close(&s->writer); /* what it remembers may be wrong */
    later(s);
}

static void judge_batch(struct store *s)
{
    int rc = s->writer.rc, system_errno = s->writer.system_errno;
    char why[200];
    snprintf(why, sizeof why, "%s%s%s", sqlite3_errstr(rc), system_errno ? ": " : "", system_errno ? strerror(system_errno) : "");
    judge(s, rc, file_judge(rc, system_errno), why);
}

static usec_t newest_of(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    usec_t newest = s->newest;
    pthread_mutex_unlock(&s->lock);
    return newest;
}

static bool open_again(struct store *s)
{
    struct file_opened opened;
    if (s->writer.db && !file_is_other(&s->writer))
        return true;
    bool moved = s->writer.db != NULL;
    writer_close(&s->writer);
    int rc = writer_open(&s->writer, s->file, newest_of(s), &opened);
    if (rc != SQLITE_OK) {
        judge(s, rc, opened.state, opened.why);
        return false;
    }
    if (s->salvage[0])
        salvage(&s->writer, s->salvage, newest_of(s));
    s->salvage[0] = '\0';
    if (moved || opened.made || opened.aside[0])
        note_aside(s, opened.aside);
    return true;
}

/* --- a batch --- */

/* Tells the callers of its reservations, which are not in it any more when they failed. */
static void answer_reservations(struct store *s, struct queue *batch, int error)
{
    struct done_list due = STAILQ_HEAD_INITIALIZER(due);
    struct item *following;
    for (struct item *item = STAILQ_FIRST(&batch->items); item; item = following) {
        following = STAILQ_NEXT(item, next);
        if (item->kind != ITEM_RESERVE)
            continue;
        struct done *done = alloc_zero(1, sizeof *done);
        *done = (struct done){.fn = item->money.done, .arg = item->money.arg, .ticket = item->money.ticket, .error = error};
        STAILQ_INSERT_TAIL(&due, done, next);
        if (error < 0)
            queue_remove(batch, item);
    }
    if (STAILQ_EMPTY(&due))
        return;
    pthread_mutex_lock(&s->lock);
    STAILQ_CONCAT(&s->done, &due);
    pthread_mutex_unlock(&s->lock);
    store_ring(s);
}

static void look_after(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    struct store_limits limits = s->limits;
    pthread_mutex_unlock(&s->lock);
    rollup_work(&s->writer);
    retain_work(&s->writer, &limits);
}

static bool write_batch(struct store *s, struct queue *batch, bool whole)
{
    struct writer *w = &s->writer;
    int64_t last_told = w->last_told;
    struct item *item;
    if (!writer_begin(w))
        return false;
    STAILQ_FOREACH(item, &batch->items, next)
    {
        writer_put(w, item);
        if (w->rc != SQLITE_OK)
            break;
    }
    if (whole && w->rc == SQLITE_OK)
        look_after(s);
    if (w->rc != SQLITE_OK)
        writer_rollback(w);
    if (w->rc != SQLITE_OK || !writer_commit(w)) {
        w->last_told = last_told;
        return false;
    }
    return true;
}

static void put_back(struct store *s, struct queue *batch)
{
    pthread_mutex_lock(&s->lock);
    size_t len = s->queue.len, bytes = s->queue.bytes;
    pthread_mutex_unlock(&s->lock);
    uint64_t dropped = queue_trim(batch, len, bytes); /* here, where nobody waits for it */
    pthread_mutex_lock(&s->lock);
    s->queue.dropped += dropped;
    s->writing = 0;
    queue_push_back(&s->queue, batch);
    pthread_mutex_unlock(&s->lock);
}

static void work(struct store *s, struct queue *batch, bool whole)
{
    usec_t began = store_monotonic();
    bool opened = began >= s->retry_at && open_again(s);
    if (!opened || !write_batch(s, batch, whole)) {
        answer_reservations(s, batch, -EIO);
        if (opened)
            judge_batch(s);
        put_back(s, batch);
        return;
    }
    usec_t took = store_monotonic() - began;
    answer_reservations(s, batch, 0);
    s->retry = 0;
    s->io_failures = 0;
    store_set_state(s, STORE_OK, "");
    uint64_t written = 0;
    struct item *item;
    STAILQ_FOREACH(item, &batch->items, next)
    written += item->kind == ITEM_RECORD;
    pthread_mutex_lock(&s->lock);
    s->report.written += written;
    s->report.commit_last = took;
    s->report.commit_worst = took > s->report.commit_worst ? took : s->report.commit_worst;
    pthread_mutex_unlock(&s->lock);
    queue_done(batch);
}

/* --- the thread --- */

static usec_t oldest_told(struct writer *w)
{
    sqlite3_stmt *s = w->db ? writer_sql(w, SQL_TOLD_FIRST) : NULL;
    usec_t oldest = writer_step(w, s) ? sqlite3_column_int64(s, 0) : 0;
    if (s)
        sqlite3_reset(s);
    return oldest;
}

static void wait_until(struct store *s, usec_t at)
{
    struct timespec t = {.tv_sec = at / USEC_PER_SEC, .tv_nsec = at % USEC_PER_SEC * 1000};
    pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

/* What is to be written: true when it is to stop. */
static bool take_batch(struct store *s, struct queue *batch, usec_t next)
{
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !s->urgent && store_monotonic() < next)
        wait_until(s, next);
    bool stopping = s->stopping;
    s->urgent = false;
    queue_swap(&s->queue, batch);
    s->writing = batch->len;
    s->queue.dropped = batch->dropped;
    s->waits_since = 0;
    s->writes_since = store_monotonic();
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

static void note_file(struct store *s, bool whole)
{
    usec_t oldest = whole ? oldest_told(&s->writer) : 0;
    int64_t size = whole ? file_size(s->file) : 0;
    pthread_mutex_lock(&s->lock);
    s->writing = 0;
    s->writes_since = 0;
    if (whole) {
        s->report.oldest = oldest;
        s->report.size = size;
    }
    pthread_mutex_unlock(&s->lock);
}

void *recorder_run(void *arg)
{
    struct store *s = arg;
    struct queue batch;
    usec_t next = store_monotonic() + BATCH_EVERY;
    bool stopping = false;
    queue_init(&batch);
    if (!s->writer.db)
        later(s);
    while (!stopping) {
        stopping = take_batch(s, &batch, next);
        bool whole = stopping || store_monotonic() >= next;
        if (stopping)
            s->retry_at = 0; /* one more try */
        if (whole || !STAILQ_EMPTY(&batch.items))
            work(s, &batch, whole);
        note_file(s, whole);
        if (whole)
            next = store_monotonic() + BATCH_EVERY;
    }
    queue_done(&batch);
    writer_close(&s->writer);
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    bool abandoned = s->abandoned;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (abandoned)
        store_free(s);
    return NULL;
}
