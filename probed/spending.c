/* See spending.h. One file at most is moved over at a time: its sums are reserved in the store one after the other, and it is removed when the last of them is
 * written; a crash in between leaves the file, and what was moved already counts twice: too much is the safe side, and gone after a day. */
#include "probed/spending.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probed/daemon_parts.h"
#include "probed/store/store.h"
#include "shared/alloc.h"

#define LEDGER_NAME "ledger"
#define LEDGER_LEAST (5 * USEC_PER_SEC) /* once begun it is used so long */
#define PATIENCE USEC_PER_SEC /* so long a probe waits for its reservation to be written */

struct waiting { /* a reservation that the store is writing */
    char platform[64], model[128];
    int64_t pico;
    usec_t at;
    uint64_t ticket;
    bool moved; /* it is in the ledger instead, or given up: it is taken back from the store when that has it after all */
};

struct spending {
    struct daemon *d;
    struct ledger *ledger; /* in use; NULL */
    usec_t ledger_since;   /* what was reserved from then on stands in it */
    char *file;            /* its name, in use or not */
    struct waiting *waiting;
    size_t waiting_len, waiting_size;
    /* Moving a ledger over. */
    size_t moving;    /* sums that are not written yet */
    bool move_failed;
    char *moved_file; /* to be removed then; NULL = nothing is being moved */
};

static struct store *store_of(const struct spending *s) { return history_store(s->d->history); }

static void on_bucket(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    struct daemon *d = arg;
    budget_restore(d->budget, platform, model, hour, daemon_money(d, hour, pico), tripped);
}

/* --- moving a ledger into the store --- */

static void on_moved(void *arg, uint64_t ticket, int error)
{
    struct spending *s = arg;
    (void)ticket;
    s->move_failed = s->move_failed || error < 0;
    if (--s->moving > 0)
        return;
    if (!s->move_failed && unlink(s->moved_file) < 0 && errno != ENOENT)
        log_warning("%s could not be removed: %s, ignoring: what it holds counts twice after a restart", s->moved_file, strerror(errno));
    free(s->moved_file);
    s->moved_file = NULL;
}

static void move_bucket(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    struct spending *s = arg;
    s->moving++;
    if (store_reserve(store_of(s), platform, model, pico, hour * USEC_PER_HOUR, 0, on_moved, s) < 0) {
        s->moving--;
        s->move_failed = true;
    }
    if (tripped) /* as a settlement that changes nothing but that */
        store_settle(store_of(s), platform, model, 0, hour * USEC_PER_HOUR, 0, true);
}

/* The sums of the file go to the store; with `count` also to the budget, which does not know them yet. */
static void move(struct spending *s, const char *file, bool count)
{
    usec_t now = loop_now(s->d->loop);
    struct budget_limits none = {BUDGET_UNLIMITED, BUDGET_UNLIMITED, BUDGET_UNLIMITED};
    struct err err = {""};
    if (s->moved_file || access(file, F_OK) < 0)
        return;
    struct budget *sums = budget_new(&none);
    struct ledger *ledger = ledger_open(file, sums, now, &err);
    if (ledger) {
        ledger_close(ledger);
        s->moved_file = alloc_string(file);
        s->move_failed = false;
        s->moving = 1;
        if (count)
            budget_each(sums, now, on_bucket, s->d);
        budget_each(sums, now, move_bucket, s);
        on_moved(s, 0, 0);
    } else {
        log_warning("%s, ignoring: what it holds of the probes' spending is not known", err.text);
    }
    budget_free(sums);
}

/* --- the ledger, while the store cannot write --- */

static int use_ledger(struct spending *s)
{
    struct err err = {""};
    if (s->ledger)
        return 0;
    if (!s->file || s->moved_file)
        return -EIO;
    struct budget_limits none = {BUDGET_UNLIMITED, BUDGET_UNLIMITED, BUDGET_UNLIMITED};
    struct budget *known = budget_new(&none); /* what it holds was counted when it was found */
    s->ledger = ledger_open(s->file, known, loop_now(s->d->loop), &err);
    budget_free(known);
    if (!s->ledger)
        return -EIO;
    s->ledger_since = loop_now(s->d->loop);
    log_notice("reservations of the probe budget are written to %s until the history can be written again", s->file);
    return 0;
}

static char *beside_socket(const struct daemon *d)
{
    const char *path = d->world->config->socket_path, *slash = strrchr(path, '/');
    return slash && slash > path ? alloc_printf("%.*s/%s", (int)(slash - path), path, LEDGER_NAME) : NULL;
}

static struct spending *open_without_store(struct spending *s, struct err *err)
{
    s->file = alloc_printf("%s/%s", s->d->world->config->state_dir, LEDGER_NAME);
    s->ledger = ledger_open(s->file, s->d->budget, loop_now(s->d->loop), err);
    if (!s->ledger)
        return spending_close(s);
    if (ledger_skipped(s->ledger) > 0)
        log_warning("%s: %u damaged lines skipped, ignoring", s->file, ledger_skipped(s->ledger));
    return s;
}

struct spending *spending_open(struct daemon *d, struct err *err)
{
    struct spending *s = alloc_zero(1, sizeof *s);
    s->d = d;
    if (!store_of(s))
        return open_without_store(s, err);
    s->file = beside_socket(d);
    if (store_money(store_of(s), loop_now(d->loop), on_bucket, d) == 0) {
        CLEANUP(alloc_freep) char *former = alloc_printf("%s/%s", d->world->config->state_dir, LEDGER_NAME);
        move(s, access(former, F_OK) == 0 ? former : s->file ? s->file : former, true);
    } else if (s->file && access(s->file, F_OK) == 0) {
        s->ledger = ledger_open(s->file, d->budget, loop_now(d->loop), err);
    }
    return s;
}

struct spending *spending_close(struct spending *s)
{
    if (!s)
        return NULL;
    ledger_close(s->ledger);
    free(s->file);
    free(s->moved_file);
    free(s->waiting);
    free(s);
    return NULL;
}

/* --- what the prober says --- */

static void on_written(void *arg, uint64_t ticket, int error)
{
    struct spending *s = arg;
    for (size_t i = 0; i < s->waiting_len; i++) {
        if (s->waiting[i].ticket != ticket)
            continue;
        struct waiting w = s->waiting[i];
        s->waiting[i] = s->waiting[--s->waiting_len];
        if (w.moved) {
            if (error == 0)
                store_settle(store_of(s), w.platform, w.model, w.pico, w.at, 0, false);
            return;
        }
        if (error < 0 && use_ledger(s) == 0)
            error = ledger_reserve(s->ledger, w.platform, w.model, w.pico, w.at);
        prober_reserved(s->d->world->prober, ticket, error);
        return;
    }
}

static void remember(struct spending *s, const char *platform, const char *model, int64_t pico, usec_t now, uint64_t ticket)
{
    if (s->waiting_len == s->waiting_size) {
        s->waiting_size = s->waiting_size ? 2 * s->waiting_size : 16;
        s->waiting = alloc_resize(s->waiting, s->waiting_size, sizeof *s->waiting);
    }
    struct waiting *w = &s->waiting[s->waiting_len++];
    *w = (struct waiting){.pico = pico, .at = now, .ticket = ticket};
    snprintf(w->platform, sizeof w->platform, "%s", platform);
    snprintf(w->model, sizeof w->model, "%s", model);
}

int spending_reserve(struct spending *s, const char *platform, const char *model, int64_t pico, usec_t now, uint64_t ticket)
{
    if (store_of(s) && !s->ledger && store_reserve(store_of(s), platform, model, pico, now, ticket, on_written, s) == 0) {
        remember(s, platform, model, pico, now, ticket);
        return -EINPROGRESS;
    }
    int r = use_ledger(s);
    return r < 0 ? r : ledger_reserve(s->ledger, platform, model, pico, now);
}

/* Given up before it was written: whether it will be is not known yet, so it is taken back if it is. */
static bool take_back_waiting(struct spending *s, const char *platform, const char *model, usec_t reserved_at)
{
    for (size_t i = 0; i < s->waiting_len; i++) {
        struct waiting *w = &s->waiting[i];
        if (w->moved || w->at != reserved_at || strcmp(w->platform, platform) != 0 || strcmp(w->model, model) != 0)
            continue;
        w->moved = true;
        return true;
    }
    return false;
}

void spending_settle(struct spending *s, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped)
{
    if (actual == 0 && take_back_waiting(s, platform, model, reserved_at))
        return;
    if (store_of(s) && (!s->ledger || reserved_at < s->ledger_since))
        store_settle(store_of(s), platform, model, reserved, reserved_at, actual, tripped);
    else if (s->ledger && ledger_settle(s->ledger, platform, model, reserved, reserved_at, actual, tripped) < 0)
        log_warning("the settlement of a probe of %s/%s could not be written down; its reservation stands, ignoring", platform, model);
}

void spending_reset(struct spending *s, const char *platform, const char *model)
{
    if (store_of(s))
        store_breaker_reset(store_of(s), platform, model);
    if (s->ledger && ledger_reset(s->ledger, platform, model) < 0)
        log_warning("that the breaker of %s/%s was reset could not be written down, ignoring: it would be open again after a restart", platform,
                    model);
}

/* A disk that is slow must not hold up the probes: what waits too long is written to the ledger, and so is what comes after it. Where there is none, it is refused. */
static void hurry(struct spending *s)
{
    usec_t now = loop_now(s->d->loop);
    bool late = false;
    for (size_t i = 0; i < s->waiting_len; i++)
        late = late || (!s->waiting[i].moved && now - s->waiting[i].at > PATIENCE);
    if (!late)
        return;
    bool ledger = use_ledger(s) == 0;
    for (size_t i = 0; i < s->waiting_len; i++) {
        struct waiting *w = &s->waiting[i];
        if (w->moved || (!ledger && now - w->at <= PATIENCE))
            continue;
        w->moved = true;
        if (ledger && w->at < s->ledger_since)
            s->ledger_since = w->at;
        uint64_t ticket = w->ticket;
        int r = ledger ? ledger_reserve(s->ledger, w->platform, w->model, w->pico, w->at) : -EIO;
        prober_reserved(s->d->world->prober, ticket, r);
    }
}

void spending_second(struct spending *s)
{
    struct store_report report;
    if (!store_of(s))
        return;
    hurry(s);
    if (!s->ledger)
        return;
    store_report(store_of(s), &report);
    /* It writes, it writes quickly, and all that it was told is written. */
    if (report.state != STORE_OK || report.commit_last >= PATIENCE || s->waiting_len > 0 || loop_now(s->d->loop) - s->ledger_since < LEDGER_LEAST)
        return;
    s->ledger = ledger_close(s->ledger);
    move(s, s->file, false);
}
