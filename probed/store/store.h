/* The history: one SQLite file in the state directory, written by a thread of its own and read by another, so that the loop never waits for a disk.
 *
 * What is told to the ranker is written in the order of telling, once a second in one transaction; from it come rollups (a minute, an hour, a day) with
 * histograms that merge, so that the quantiles of any window are right. States, ranks, prices, balances, overrides and events stand beside it, and
 * so do the checkpoints of the core and the reservations of the probe budget.
 *
 * Nothing in here ever fails its caller: a disk that is full, read-only, slow, locked or broken makes the store's state, which status and journal show; what
 * comes meanwhile waits in a bounded queue, the oldest is dropped and counted when that is full, and recording resumes by itself. A file that is no
 * database any more is set aside (renamed), never deleted.
 *
 * Times are the caller's steady clock (probed/sys/loop.h), which never goes back: not within a run, nor from one run to the next (the first of a run is
 * later than store_opened.last). What the wall clock was beside it is kept in the table `clock`; whoever asks for times of the wall is
 * answered in those.
 *
 * Threads: everything here is for one thread, the loop's. Callbacks are run by store_dispatch, on that thread. */
#ifndef PROBED_STORE_STORE_H
#define PROBED_STORE_STORE_H

#include "probed/core/history.h"
#include "probed/core/record.h"
#include "shared/buf.h"
#include "shared/err.h"
#include "shared/json.h"
#include "shared/log.h"

#define STORE_FILE "history.db"
#define STORE_ASIDE_MAX 1024 /* bytes of a path */

struct store;

/* Ages and the size at which the oldest goes; 0 = the default in brackets. */
struct store_limits {
    usec_t raw;     /* what was told, one by one [7 days] */
    usec_t minutes; /* rollups of a minute [48 h] */
    usec_t hours;   /* rollups of an hour, and events [365 days]; those of a day stay for ever */
    int64_t size;   /* bytes of the file [4 GiB] */
};

/* X(ID, name, what it means) */
#define STORE_STATE_TABLE(X)                                                                                                               \
    X(OK, "ok", "recording")                                                                                                               \
    X(SLOW, "slow", "the disk is slow: what was told waits")                                                                               \
    X(FULL, "full", "no space on the disk")                                                                                                \
    X(READ_ONLY, "read_only", "the file or its directory cannot be written")                                                               \
    X(LOCKED, "locked", "another process holds the file")                                                                                  \
    X(BROKEN, "broken", "the file is damaged or the disk fails")                                                                           \
    X(NEWER, "newer", "the file is of a newer version of probed")

enum store_state {
#define X(id, name, text) STORE_##id,
    STORE_STATE_TABLE(X)
#undef X
        STORE_STATE_COUNT
};
const char *store_state_name(enum store_state state);
const char *store_state_text(enum store_state state);

struct store_setup {
    const char *directory; /* exists */
    struct store_limits limits;
    usec_t wall;           /* now */
    bool read_only;        /* for tools: nothing is written, no thread is started */
};

/* What was found by opening. */
struct store_opened {
    usec_t last;      /* steady time of the newest thing in it; 0 = it is empty or could not be read */
    bool made;        /* it was not there, or was set aside */
    char note[256];   /* what the operator should know: migrated, set aside as ...; "" = nothing */
};

/* Opens or makes the file, migrates it (with a copy beside it) and starts the threads. Waits at most some seconds, for a lock. Never NULL but for a file
 * of a newer version (-EPROTONOSUPPORT in *error, err said), or one that another probed records into (-EBUSY). Other trouble is a state. */
struct store *store_open(const struct store_setup *setup, struct store_opened *ret, int *error, struct err *err);
/* Writes what is queued (waits at most `patience`), ends the threads. Callbacks that have not run are not called. Returns NULL. */
struct store *store_close(struct store *s, usec_t patience);
void store_set_limits(struct store *s, const struct store_limits *limits);

/* --- what is told, from the loop; each is a copy into the queue --- */

/* First of all, and whenever the wall clock has stepped: the wall is `offset` later than the steady clock. */
void store_clock(struct store *s, usec_t t, usec_t offset);
/* Anything that the ranker was told. PRICE, OVERRIDE and BALANCE are put in tables of their own as well. */
void store_record(struct store *s, const struct record *record);
/* A log entry with a message id: all that the journal is told, for `routectl events`. name: its kind there ("state", "first", "price" ...; static). */
void store_event(struct store *s, usec_t t, const char *name, const struct log_entry *entry);
/* A route's state from now on. */
void store_state_of(struct store *s, usec_t t, const char *platform, const char *model, const char *state);
/* Of no route is a state known from now on, unless it is told after this. */
void store_states_end(struct store *s, usec_t t);
/* A route's place in a policy's table from now on; rank 0 = it has none. */
struct store_rank {
    const char *policy, *platform, *model;
    unsigned rank, slots;
};
void store_rank(struct store *s, usec_t t, const struct store_rank *rank);
/* The memory of the core when everything told so far had been told to it: data is taken over. t = its clock. Where it is made in pieces, "so far" is when
 * store_checkpoint_begin was called with the same t. */
void store_checkpoint_begin(struct store *s, usec_t t);
void store_checkpoint(struct store *s, usec_t t, struct buf *data);

/* --- the budget --- */

/* Written before anything else, at once. done is called with 0 when it cannot be lost any more (kill -9; not a power cut), or with -errno when it was
 * not written: then nothing is reserved. -EAGAIN: the store cannot write now; done is not called. */
typedef void (*store_reserved_fn)(void *arg, uint64_t ticket, int error);
int store_reserve(struct store *s, const char *platform, const char *model, int64_t pico, usec_t t, uint64_t ticket, store_reserved_fn done,
                  void *arg) ATTR_UNUSED_RESULT;
/* What it cost; -1 = not known, the reservation stands. */
void store_settle(struct store *s, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped);
void store_breaker_reset(struct store *s, const char *platform, const char *model);
/* What stands, by hour of the steady clock: for budget_restore. Synchronous: at start only. -errno: it could not be read. */
typedef void (*store_money_fn)(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped);
int store_money(struct store *s, usec_t now, store_money_fn fn, void *arg) ATTR_UNUSED_RESULT;

/* --- coming back, synchronous: at start only --- */

/* The newest whole checkpoint (its checksum holds): 0 and data, its clock, and the number of the last thing told before it. -ENOENT: none. */
int store_last_checkpoint(struct store *s, struct buf *data, usec_t *t, int64_t *told) ATTR_UNUSED_RESULT;
/* Everything told after number `told` and not before steady time `since`, in order, until fn returns non-zero, which is returned. */
typedef int (*store_record_fn)(void *arg, const struct record *record);
int store_each(struct store *s, int64_t told, usec_t since, store_record_fn fn, void *arg) ATTR_UNUSED_RESULT;

/* --- questions, answered by the reader thread --- */

/* fn is called once, from store_dispatch, unless the store is closed before. -EBUSY: too many questions wait. */
int store_ask(struct store *s, const struct history_query *query, history_answer_fn fn, void *arg) ATTR_UNUSED_RESULT;
/* fn(arg) will not be called any more for questions that were asked with this arg. */
void store_forget(struct store *s, void *arg);

/* --- running --- */

int store_fd(const struct store *s); /* readable when store_dispatch has something to do */
void store_dispatch(struct store *s);

struct store_report {
    enum store_state state;
    char why[200];       /* of a state that is not OK: what SQLite or the system said */
    usec_t since;        /* steady; of the state; 0 = since the start */
    uint64_t written, dropped; /* things told, since the start */
    size_t queued;
    usec_t commit_last, commit_worst; /* how long a transaction took */
    int64_t size;        /* bytes of the file and its log */
    usec_t oldest;       /* steady; of the oldest single record; 0 = none */
    char aside[STORE_ASIDE_MAX]; /* the last file that was set aside */
};
void store_report(const struct store *s, struct store_report *ret);

/* --- import --- */

/* Reads NDJSON as `routectl dump` writes it into a store that no daemon has open. Times in it are the wall's. Lines that are there already are skipped. 0, or
 * -errno with err said (the line's number): then nothing of it was taken. */
struct store_import {
    bool skip_bad;
    void (*progress)(void *arg, uint64_t lines); /* each 100,000; NULL */
    void *arg;
    uint64_t lines, added, known, bad; /* out */
};
int store_import(const struct store_setup *setup, int fd, struct store_import *import, struct err *err) ATTR_UNUSED_RESULT;

#endif
