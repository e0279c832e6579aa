/* The store's life: what the loop says goes into a queue, the thread writes it once a second (a reservation at once), and what the thread has to say comes back
 * through an eventfd. The lock is held for a few pointers, never over a call to SQLite.
 *
 * A batch is one transaction. When it fails it is rolled back and put in front of the queue again, but for its reservations, whose callers hear that they failed; the
 * state says why, and the next try comes later and later. A file that turns out to be damaged is set aside and a new one begun at once. When the disk does not
 * come back in time at the end, the thread is left behind with what it holds. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "probed/store/reader.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define BATCH_EVERY USEC_PER_SEC
#define RETRY_FIRST USEC_PER_SEC
#define RETRY_MOST (10 * USEC_PER_SEC)
#define SLOW_AFTER (5 * USEC_PER_SEC)

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

struct done {
    STAILQ_ENTRY(done) next;
    store_reserved_fn fn;
    void *arg;
    uint64_t ticket;
    int error;
};
STAILQ_HEAD(done_list, done);

struct store {
    char *file;
    int event_fd;
    struct reader *reader; /* NULL: no questions */
    pthread_t thread;
    bool running;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Guarded by lock. */
    struct queue queue;
    struct store_limits limits;
    bool urgent, stopping;
    struct done_list done;
    struct store_report report; /* but for what store_report works out */
    usec_t waits_since;         /* the first thing that waits came then; 0 = nothing waits */
    usec_t writes_since;        /* a batch is being written since then; 0 = none */

    /* The thread's own. */
    struct writer writer;
    usec_t retry, retry_at;
};

static usec_t monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

static void ring(void *arg)
{
    struct store *s = arg;
    uint64_t one = 1;
    (void)!write(s->event_fd, &one, sizeof one); /* full is as good as rung */
}

/* --- the thread --- */

static void set_state(struct store *s, enum store_state state, const char *why)
{
    pthread_mutex_lock(&s->lock);
    if (s->report.state != state)
        s->report.since = s->writer.last_told;
    s->report.state = state;
    snprintf(s->report.why, sizeof s->report.why, "%s", state == STORE_OK ? "" : why);
    pthread_mutex_unlock(&s->lock);
}

static void note_aside(struct store *s, const char *aside)
{
    pthread_mutex_lock(&s->lock);
    if (aside[0])
        snprintf(s->report.aside, sizeof s->report.aside, "%s", aside);
    pthread_mutex_unlock(&s->lock);
    if (s->reader)
        reader_reopen(s->reader);
}

static void later(struct store *s)
{
    s->retry = s->retry == 0 ? RETRY_FIRST : s->retry * 2 > RETRY_MOST ? RETRY_MOST : s->retry * 2;
    s->retry_at = monotonic() + s->retry;
}

static bool open_again(struct store *s)
{
    struct file_opened opened;
    if (s->writer.db)
        return true;
    int rc = writer_open(&s->writer, s->file, &opened);
    if (rc != SQLITE_OK) {
        set_state(s, opened.state, opened.why);
        later(s);
        return false;
    }
    note_aside(s, opened.aside);
    return true;
}

/* Takes the reservations of a batch out of it, for their callers to hear. */
static void answer_reservations(struct store *s, struct queue *batch, int error)
{
    struct item *item;
    bool any = false;
    pthread_mutex_lock(&s->lock);
    STAILQ_FOREACH(item, &batch->items, next)
    {
        if (item->kind != ITEM_RESERVE || !item->money.done)
            continue;
        struct done *done = alloc_zero(1, sizeof *done);
        *done = (struct done){.fn = item->money.done, .arg = item->money.arg, .ticket = item->money.ticket, .error = error};
        STAILQ_INSERT_TAIL(&s->done, done, next);
        item->money.done = NULL;
        if (error < 0)
            item->money.pico = 0; /* it is not reserved */
        any = true;
    }
    pthread_mutex_unlock(&s->lock);
    if (any)
        ring(s);
}

static bool write_batch(struct store *s, struct queue *batch, bool whole)
{
    struct writer *w = &s->writer;
    int64_t last_told = w->last_told;
    struct item *item;
    struct store_limits limits;
    if (!writer_begin(w))
        return false;
    STAILQ_FOREACH(item, &batch->items, next)
    {
        writer_put(w, item);
        if (w->rc != SQLITE_OK)
            break;
    }
    if (whole) {
        pthread_mutex_lock(&s->lock);
        limits = s->limits;
        pthread_mutex_unlock(&s->lock);
        rollup_work(w);
        retain_work(w, &limits, file_size(s->file));
    }
    if (w->rc != SQLITE_OK)
        writer_rollback(w);
    if (w->rc != SQLITE_OK || !writer_commit(w)) {
        w->last_told = last_told;
        return false;
    }
    return true;
}

/* A batch failed: what it means. */
static void judge(struct store *s)
{
    struct writer *w = &s->writer;
    int rc = w->rc;
    char why[200];
    snprintf(why, sizeof why, "%s%s%s", sqlite3_errstr(rc), w->system_errno ? ": " : "", w->system_errno ? strerror(w->system_errno) : "");
    if (file_is_damage(rc)) {
        char aside[160] = "";
        writer_close(w);
        int r = file_set_aside(s->file, aside, sizeof aside);
        if (r == 0)
            note_aside(s, aside);
        set_state(s, STORE_BROKEN, r == 0 ? why : strerror(-r));
        s->retry = 0;
        s->retry_at = r == 0 ? 0 : monotonic() + RETRY_MOST;
        return;
    }
    set_state(s, file_judge(rc, w->system_errno), why);
    if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_FULL)
        writer_close(w); /* what it remembers may be wrong */
    later(s);
}

static void work(struct store *s, struct queue *batch, bool whole)
{
    usec_t began = monotonic();
    if (began < s->retry_at || !open_again(s) || !write_batch(s, batch, whole)) {
        bool tried = began >= s->retry_at && s->writer.db;
        answer_reservations(s, batch, -EIO);
        if (tried)
            judge(s);
        pthread_mutex_lock(&s->lock);
        queue_push_back(&s->queue, batch);
        pthread_mutex_unlock(&s->lock);
        return;
    }
    usec_t took = monotonic() - began;
    answer_reservations(s, batch, 0);
    s->retry = 0;
    set_state(s, STORE_OK, "");
    pthread_mutex_lock(&s->lock);
    struct item *item;
    STAILQ_FOREACH(item, &batch->items, next)
    s->report.written += item->kind == ITEM_RECORD;
    s->report.commit_last = took;
    s->report.commit_worst = took > s->report.commit_worst ? took : s->report.commit_worst;
    pthread_mutex_unlock(&s->lock);
    queue_done(batch);
}

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

static void *run(void *arg)
{
    struct store *s = arg;
    struct queue batch;
    usec_t next = monotonic() + BATCH_EVERY;
    bool stopping = false;
    queue_init(&batch);
    while (!stopping) {
        pthread_mutex_lock(&s->lock);
        while (!s->stopping && !s->urgent && monotonic() < next)
            wait_until(s, next);
        stopping = s->stopping;
        s->urgent = false;
        queue_swap(&s->queue, &batch);
        s->queue.dropped = batch.dropped;
        s->waits_since = 0;
        s->writes_since = monotonic();
        pthread_mutex_unlock(&s->lock);
        bool whole = stopping || monotonic() >= next;
        if (stopping)
            s->retry_at = 0; /* one more try */
        if (whole || !STAILQ_EMPTY(&batch.items))
            work(s, &batch, whole);
        usec_t oldest = whole ? oldest_told(&s->writer) : 0;
        int64_t size = whole ? file_size(s->file) : 0;
        pthread_mutex_lock(&s->lock);
        s->writes_since = 0;
        if (whole) {
            s->report.oldest = oldest;
            s->report.size = size;
        }
        pthread_mutex_unlock(&s->lock);
        if (whole)
            next = monotonic() + BATCH_EVERY;
    }
    queue_done(&batch);
    writer_close(&s->writer);
    return NULL;
}

/* --- life --- */

static struct store_limits limits_filled(const struct store_limits *limits)
{
    struct store_limits l = *limits;
    l.raw = l.raw > 0 ? l.raw : 7 * USEC_PER_DAY;
    l.minutes = l.minutes > 0 ? l.minutes : 48 * USEC_PER_HOUR;
    l.hours = l.hours > 0 ? l.hours : 365 * USEC_PER_DAY;
    l.size = l.size > 0 ? l.size : 4LL << 30;
    return l;
}

static void free_store(struct store *s)
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

struct store *store_open(const struct store_setup *setup, struct store_opened *ret, int *error, struct err *err)
{
    struct store *s = alloc_zero(1, sizeof *s);
    struct file_opened opened;
    pthread_condattr_t attributes;
    *ret = (struct store_opened){.last = 0};
    s->file = alloc_printf("%s/" STORE_FILE, setup->directory);
    s->limits = limits_filled(&setup->limits);
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->writer.lock_fd = -1;
    queue_init(&s->queue);
    STAILQ_INIT(&s->done);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!setup->read_only && writer_open(&s->writer, s->file, &opened) != SQLITE_OK) {
        if (opened.state == STORE_NEWER) {
            err_set(err, -EPROTONOSUPPORT, "%s", opened.why);
            *error = -EPROTONOSUPPORT;
            free_store(s);
            return NULL;
        }
        set_state(s, opened.state, opened.why);
        later(s);
    }
    if (!setup->read_only) {
        ret->made = opened.made;
        snprintf(ret->note, sizeof ret->note, "%s", opened.note);
        snprintf(s->report.aside, sizeof s->report.aside, "%s", opened.aside);
    }
    ret->last = restore_last(s->file);
    int problem = 0;
    s->reader = reader_start(s->file, ring, s, &problem);
    if (!setup->read_only)
        s->running = pthread_create(&s->thread, NULL, run, s) == 0;
    if (!setup->read_only && !s->running)
        set_state(s, STORE_BROKEN, "no thread could be started");
    return s;
}

struct store *store_close(struct store *s, usec_t patience)
{
    if (!s)
        return NULL;
    if (s->reader)
        s->reader = reader_stop(s->reader);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->running) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_sec += patience / USEC_PER_SEC;
        if (pthread_timedjoin_np(s->thread, NULL, &t) != 0) {
            pthread_detach(s->thread);
            return NULL; /* it still uses all this */
        }
    }
    free_store(s);
    return NULL;
}

void store_set_limits(struct store *s, const struct store_limits *limits)
{
    pthread_mutex_lock(&s->lock);
    s->limits = limits_filled(limits);
    pthread_mutex_unlock(&s->lock);
}

/* --- what the loop says --- */

static void push(struct store *s, struct item *item, bool urgent)
{
    pthread_mutex_lock(&s->lock);
    queue_push(&s->queue, item);
    if (s->waits_since == 0)
        s->waits_since = monotonic();
    if (urgent && !s->urgent) {
        s->urgent = true;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
}

static char *copy_text(struct item *item, const char *text)
{
    if (!text)
        return NULL;
    item->size += strlen(text) + 17;
    return alloc_string(text);
}

void store_clock(struct store *s, usec_t t, usec_t offset)
{
    struct item *item = item_new(ITEM_CLOCK, t);
    item->offset = offset;
    push(s, item, false);
}

void store_record(struct store *s, const struct record *record)
{
    struct item *item = item_new(ITEM_RECORD, record->t);
    item->record = alloc_zero(1, sizeof *item->record);
    *item->record = *record;
    item->size += sizeof *record;
    push(s, item, false);
}

static const char *field(const struct log_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->fields_len; i++)
        if (entry->fields[i].name && strcmp(entry->fields[i].name, name) == 0)
            return entry->fields[i].value;
    return NULL;
}

void store_event(struct store *s, usec_t t, const char *name, const struct log_entry *entry)
{
    struct item *item = item_new(ITEM_EVENT, t);
    const char *generation = field(entry, "PROBED_GENERATION");
    item->event.level = (int)entry->level;
    item->event.name = name;
    item->event.platform = copy_text(item, field(entry, "PROBED_PLATFORM"));
    item->event.model = copy_text(item, field(entry, "PROBED_MODEL"));
    item->event.policy = copy_text(item, field(entry, "PROBED_POLICY"));
    item->event.was = copy_text(item, field(entry, "PROBED_FROM"));
    item->event.becomes = copy_text(item, field(entry, "PROBED_TO"));
    item->event.reason = copy_text(item, field(entry, "PROBED_REASON"));
    item->event.text = copy_text(item, entry->message);
    item->event.generation = generation ? strtoll(generation, NULL, 10) : 0;
    push(s, item, false);
}

void store_state_of(struct store *s, usec_t t, const char *platform, const char *model, const char *state)
{
    struct item *item = item_new(ITEM_STATE, t);
    item->state.platform = copy_text(item, platform);
    item->state.model = copy_text(item, model);
    item->state.state = copy_text(item, state);
    push(s, item, false);
}

void store_rank(struct store *s, usec_t t, const struct store_rank *rank)
{
    struct item *item = item_new(ITEM_RANK, t);
    item->rank.policy = copy_text(item, rank->policy);
    item->rank.platform = copy_text(item, rank->platform);
    item->rank.model = copy_text(item, rank->model);
    item->rank.rank = rank->rank;
    item->rank.slots = rank->slots;
    push(s, item, false);
}

void store_checkpoint(struct store *s, usec_t t, struct buf *data)
{
    struct item *item = item_new(ITEM_CHECKPOINT, t);
    item->checkpoint = *data;
    item->size += data->len;
    *data = (struct buf)BUF_INIT;
    push(s, item, false);
}

/* --- money --- */

static struct item *money_item(enum item_kind kind, const char *platform, const char *model, int64_t pico, usec_t hour_of)
{
    struct item *item = item_new(kind, hour_of);
    item->money.platform = copy_text(item, platform);
    item->money.model = copy_text(item, model);
    item->money.pico = pico;
    item->money.hour_of = hour_of;
    return item;
}

int store_reserve(struct store *s, const char *platform, const char *model, int64_t pico, usec_t t, uint64_t ticket, store_reserved_fn done, void *arg)
{
    pthread_mutex_lock(&s->lock);
    bool can = s->running && s->report.state == STORE_OK && !(s->writes_since > 0 && monotonic() - s->writes_since > SLOW_AFTER);
    pthread_mutex_unlock(&s->lock);
    if (!can)
        return -EAGAIN;
    struct item *item = money_item(ITEM_RESERVE, platform, model, pico, t);
    item->money.ticket = ticket;
    item->money.done = done;
    item->money.arg = arg;
    push(s, item, true);
    return 0;
}

void store_settle(struct store *s, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped)
{
    struct item *item = money_item(ITEM_SETTLE, platform, model, actual < 0 ? 0 : actual - reserved, reserved_at);
    item->money.tripped = tripped;
    push(s, item, tripped);
}

void store_breaker_reset(struct store *s, const char *platform, const char *model)
{
    push(s, money_item(ITEM_RESET, platform, model, 0, 0), true);
}

int store_money(struct store *s, usec_t now, store_money_fn fn, void *arg)
{
    static const char sql[] = "SELECT platform, model, hour, pico, breaker.route IS NOT NULL FROM money JOIN route ON route.id = money.route"
                              " LEFT JOIN breaker ON breaker.route = money.route WHERE hour > ?1"
                              " UNION ALL SELECT platform, model, ?2, 0, 1 FROM breaker JOIN route ON route.id = breaker.route";
    sqlite3 *db = restore_open(s->file);
    sqlite3_stmt *q = NULL;
    if (!db)
        return -EIO;
    int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(q, 1, now / USEC_PER_HOUR - 25);
        sqlite3_bind_int64(q, 2, now / USEC_PER_HOUR);
    }
    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        const char *platform = (const char *)sqlite3_column_text(q, 0), *model = (const char *)sqlite3_column_text(q, 1);
        int64_t pico = sqlite3_column_int64(q, 3);
        if (platform && model)
            fn(arg, platform, model, sqlite3_column_int64(q, 2), pico > 0 ? pico : 0, sqlite3_column_int(q, 4) != 0);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return rc == SQLITE_DONE ? 0 : -EIO;
}

/* --- coming back --- */

int store_last_checkpoint(struct store *s, struct buf *data, usec_t *t, int64_t *told)
{
    sqlite3 *db = restore_open(s->file);
    sqlite3_stmt *q = NULL;
    int r = -ENOENT;
    if (db && sqlite3_prepare_v2(db, "SELECT t, told, data, sum FROM checkpoint ORDER BY id DESC", -1, &q, NULL) == SQLITE_OK)
        while (r < 0 && sqlite3_step(q) == SQLITE_ROW) {
            const void *blob = sqlite3_column_blob(q, 2);
            size_t len = (size_t)sqlite3_column_bytes(q, 2);
            if (!blob || (uint64_t)sqlite3_column_int64(q, 3) != checkpoint_sum(blob, len))
                continue;
            data->cap = len > data->cap ? len : data->cap;
            buf_clear(data);
            buf_add(data, blob, len);
            *t = sqlite3_column_int64(q, 0);
            *told = sqlite3_column_int64(q, 1);
            r = 0;
        }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return r;
}

int store_each(struct store *s, int64_t told, usec_t since, store_record_fn fn, void *arg)
{
    sqlite3 *db = restore_open(s->file);
    sqlite3_stmt *q = NULL;
    int rc = SQLITE_CANTOPEN, r = 0;
    if (db)
        rc = sqlite3_prepare_v2(db, TOLD_SELECT " WHERE told.id > ?1 AND told.id >= ?2 ORDER BY told.id", -1, &q, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(q, 1, told);
        sqlite3_bind_int64(q, 2, since);
    }
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct record record;
        rc = SQLITE_OK;
        if (told_read(q, &record))
            r = fn(arg, &record);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return r != 0 ? r : rc == SQLITE_DONE || rc == SQLITE_OK ? 0 : -EIO;
}

/* --- questions, and the rest --- */

int store_ask(struct store *s, const struct history_query *query, history_answer_fn fn, void *arg)
{
    return s->reader ? reader_ask(s->reader, query, fn, arg) : -EBUSY;
}

void store_forget(struct store *s, void *arg)
{
    if (s->reader)
        reader_forget(s->reader, arg);
}

int store_fd(const struct store *s) { return s->event_fd; }

void store_dispatch(struct store *s)
{
    struct done_list done = STAILQ_HEAD_INITIALIZER(done);
    struct done *d;
    uint64_t count;
    (void)!read(s->event_fd, &count, sizeof count);
    pthread_mutex_lock(&s->lock);
    STAILQ_CONCAT(&done, &s->done);
    pthread_mutex_unlock(&s->lock);
    while ((d = STAILQ_FIRST(&done))) {
        STAILQ_REMOVE_HEAD(&done, next);
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
    ret->queued = s->queue.len;
    ret->dropped = s->queue.dropped;
    usec_t now = monotonic();
    bool slow = (s->writes_since > 0 && now - s->writes_since > SLOW_AFTER) || (s->waits_since > 0 && now - s->waits_since > SLOW_AFTER);
    pthread_mutex_unlock(&s->lock);
    if (ret->state == STORE_OK && slow) {
        ret->state = STORE_SLOW;
        snprintf(ret->why, sizeof ret->why, "nothing was written for more than %d s", (int)(SLOW_AFTER / USEC_PER_SEC));
    }
}
