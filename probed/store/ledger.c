/* The ledger's file: what probing has cost, written before it is spent.
 *
 * At open the file is added up (ledger_lines.c), the budget gets the sum, and the file is written anew from it, small. From then on it is appended to: every
 * reservation and settlement is one write(2) with O_APPEND, and once that is back kill -9 cannot undo it. A write that came out short is followed by a
 * line end before the next record, so that one torn line stays one. Nothing is buffered; only the rewritten file is fsync'ed: a power cut may lose the last seconds.
 *
 * When it has grown by LEDGER_COMPACT it is rewritten by a thread, so that the loop never waits for a disk: the thread adds up the file as it stood when it
 * was started, keeping reservations apart whose settlement is still to come, and writes the temporary file beside it. With the first record after the
 * thread is done, what was appended meanwhile is copied behind it and the new file is renamed into place. The thread sees only the file's
 * name and how far to read; nothing is shared while it runs. At any moment, killed or not, the name stands for a whole file that adds up to the same.
 *
 * The directory is locked (flock) as long as the ledger is open: two daemons on one budget would each spend it. */
#include "probed/store/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "probed/store/ledger_parts.h"
#include "probed/store/replace.h"
#include "shared/alloc.h"
#include "shared/buf.h"

#define READ_SIZE (64 * 1024)
/* What a rewritten file may hold: 100,000 accounts for 25 hours. */
#define REWRITE_MAX (256u * 1024 * 1024)

struct rewriting {
    pthread_t thread;
    char *file, *temporary;
    int64_t upto;    /* bytes of the file that the thread reads */
    usec_t now;
    atomic_bool done;
    int fd;          /* the new file, or -errno */
    int64_t size;    /* its bytes */
};

struct ledger {
    char *file;
    int fd, dir;
    int64_t size, rewrite_at; /* bytes */
    bool torn;                /* the last write came out short */
    unsigned skipped;
    usec_t newest;            /* time of the newest record */
    struct rewriting *rewriting; /* NULL = none */
};

/* --- reading and rewriting -------------------------------------------------------------------------------------------- */

/* Adds up at most `upto` bytes of file. 0, -EBADMSG: not a ledger, or -errno. */
static int add_up(const char *file, int64_t upto, struct ledger_sum *sum, unsigned *ret_skipped)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    CLEANUP(alloc_freep) char *chunk = alloc_zero(1, READ_SIZE);
    struct ledger_reading reading;
    ledger_reading_init(&reading, sum);
    int r = 0;
    while (r == 0 && upto > 0) {
        ssize_t n = read(fd, chunk, upto < READ_SIZE ? (size_t)upto : READ_SIZE);
        if (n == 0)
            break;
        if (n > 0) {
            ledger_reading_feed(&reading, chunk, (size_t)n);
            upto -= n;
        } else if (errno != EINTR) {
            r = -errno;
        }
    }
    ledger_reading_end(&reading);
    close(fd);
    if (r == 0 && reading.not_ours)
        r = -EBADMSG;
    *ret_skipped = reading.skipped;
    return r;
}

/* Writes what sum says as a new file. Its descriptor, or -errno. */
static int write_sum(const struct ledger_sum *sum, bool open, const char *temporary, int64_t *ret_size)
{
    struct buf text = BUF_CAP(REWRITE_MAX);
    ledger_sum_write(sum, open, &text);
    int fd = text.full ? -EFBIG : write_temporary(temporary, buf_str(&text), text.len, O_APPEND);
    *ret_size = (int64_t)text.len;
    buf_done(&text);
    return fd;
}

static void *rewrite_thread(void *arg)
{
    struct rewriting *w = arg;
    unsigned skipped;
    struct ledger_sum *sum = ledger_sum_new(w->now);
    int r = add_up(w->file, w->upto, sum, &skipped);
    w->fd = r < 0 ? r : write_sum(sum, true, w->temporary, &w->size);
    ledger_sum_free(sum);
    atomic_store(&w->done, true);
    return NULL;
}

static void start_rewriting(struct ledger *l)
{
    struct rewriting *w = alloc_zero(1, sizeof(*w));
    w->file = alloc_string(l->file);
    w->temporary = alloc_printf("%s.new", l->file);
    w->upto = l->size;
    w->now = l->newest;
    l->rewrite_at = l->size + LEDGER_COMPACT; /* whether or not it works */
    if (pthread_create(&w->thread, NULL, rewrite_thread, w) == 0) {
        l->rewriting = w;
        return;
    }
    alloc_freep(&w->file);
    alloc_freep(&w->temporary);
    alloc_freep(&w);
}

/* Copies what was appended behind `from` meanwhile. */
static int copy_tail(const char *file, int64_t from, int to, int64_t *size)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char chunk[8192];
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = pread(fd, chunk, sizeof(chunk), from)) != 0) {
        if (n < 0) {
            r = errno == EINTR ? 0 : -errno;
            continue;
        }
        r = write_all(to, chunk, (size_t)n);
        from += n;
        *size += n;
    }
    close(fd);
    return r;
}

/* Waits for the thread (done, unless the ledger is being closed) and puts its file in the place of ours, or drops it. */
static void end_rewriting(struct ledger *l, bool use)
{
    struct rewriting *w = l->rewriting;
    l->rewriting = NULL;
    pthread_join(w->thread, NULL);
    if (w->fd >= 0 && use && copy_tail(w->file, w->upto, w->fd, &w->size) == 0 && rename(w->temporary, w->file) == 0) {
        close(l->fd);
        l->fd = w->fd;
        l->size = w->size;
        l->rewrite_at = l->size + LEDGER_COMPACT;
    } else if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temporary);
    }
    alloc_freep(&w->file);
    alloc_freep(&w->temporary);
    alloc_freep(&w);
}

/* --- opening and closing ---------------------------------------------------------------------------------------------- */

static int lock_directory(struct ledger *l, struct err *err)
{
    l->dir = directory_of(l->file, err);
    if (l->dir < 0)
        return l->dir;
    if (flock(l->dir, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, -EBUSY, "%s: in use by another probed", l->file);
    return err_set(err, -errno, "%s: cannot lock its directory: %s", l->file, strerror(errno));
}

static void restore(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    budget_restore(arg, platform, model, hour, pico, tripped);
}

/* Adds the file up, gives the sum to the budget and writes the file anew. */
static int load(struct ledger *l, struct budget *budget, struct err *err)
{
    struct ledger_sum *sum = ledger_sum_new(l->newest);
    CLEANUP(alloc_freep) char *temporary = alloc_printf("%s.new", l->file);
    int r = add_up(l->file, INT64_MAX, sum, &l->skipped);
    if (r == -EBADMSG) {
        l->skipped = 1;
        r = set_aside(l->file, err);
        if (r < 0)
            goto out;
    } else if (r < 0 && r != -ENOENT) {
        err_set(err, r, "%s: %s", l->file, strerror(-r));
        goto out;
    }
    /* Reservations of a process that is gone stand for good: they are not kept apart. */
    l->fd = write_sum(sum, false, temporary, &l->size);
    r = l->fd < 0 ? l->fd : rename_into_place(temporary, l->file, l->dir);
    if (r < 0)
        err_set(err, r, "%s: cannot be written: %s", l->file, strerror(-r));
    else
        ledger_sum_each(sum, restore, budget);
    l->rewrite_at = l->size + LEDGER_COMPACT;
out:
    ledger_sum_free(sum);
    return r;
}

struct ledger *ledger_open(const char *file, struct budget *budget, usec_t now, struct err *err)
{
    struct ledger *l = alloc_zero(1, sizeof(*l));
    l->file = alloc_string(file);
    l->newest = now;
    l->fd = l->dir = -1;
    if (lock_directory(l, err) < 0 || load(l, budget, err) < 0)
        return ledger_close(l);
    return l;
}

struct ledger *ledger_close(struct ledger *l)
{
    if (l != NULL) {
        if (l->rewriting != NULL)
            end_rewriting(l, false);
        if (l->fd >= 0)
            close(l->fd);
        if (l->dir >= 0)
            close(l->dir);
        alloc_freep(&l->file);
        alloc_freep(&l);
    }
    return NULL;
}

/* --- appending -------------------------------------------------------------------------------------------------------- */

static int append(struct ledger *l, const struct ledger_line *line)
{
    struct buf text = BUF_INIT;
    if (l->torn)
        buf_add_char(&text, '\n');
    int r = ledger_line_write(&text, line) ? 0 : -ENAMETOOLONG;
    ssize_t n = -1;
    if (r == 0) {
        do
            n = write(l->fd, text.data, text.len);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            r = -errno;
        else if ((size_t)n < text.len)
            r = -ENOSPC;
    }
    if (n > 0) {
        l->size += n;
        l->torn = r < 0;
    }
    buf_done(&text);
    if (l->rewriting != NULL && atomic_load(&l->rewriting->done))
        end_rewriting(l, true);
    else if (l->rewriting == NULL && l->size >= l->rewrite_at && !l->torn)
        start_rewriting(l);
    return r;
}

static int name_line(struct ledger_line *line, const char *platform, const char *model)
{
    if (strlen(platform) >= sizeof(line->platform) || strlen(model) >= sizeof(line->model))
        return -ENAMETOOLONG;
    strcpy(line->platform, platform);
    strcpy(line->model, model);
    return 0;
}

int ledger_reserve(struct ledger *l, const char *platform, const char *model, int64_t pico, usec_t now)
{
    struct ledger_line line = {.kind = LEDGER_RESERVE, .at = now, .pico = pico};
    l->newest = now > l->newest ? now : l->newest;
    int r = name_line(&line, platform, model);
    return r < 0 ? r : append(l, &line);
}

int ledger_settle(struct ledger *l, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual,
                  bool tripped)
{
    int64_t cost = actual < 0 ? -1 : actual < LEDGER_PICO_MAX ? actual : LEDGER_PICO_MAX;
    struct ledger_line line = {.kind = LEDGER_SETTLE, .at = reserved_at, .pico = reserved, .actual = cost, .tripped = tripped};
    int r = name_line(&line, platform, model);
    return r < 0 ? r : append(l, &line);
}

int ledger_reset(struct ledger *l, const char *platform, const char *model)
{
    struct ledger_line line = {.kind = LEDGER_RESET};
    int r = name_line(&line, platform, model);
    return r < 0 ? r : append(l, &line);
}

unsigned ledger_skipped(const struct ledger *l) { return l->skipped; }
