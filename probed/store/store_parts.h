/* What the files of the writing side share; nobody else includes it.
 *
 * store.c      life, and the store's state
 * tell.c       what the loop says: copies into the queue
 * queue.c      what was told and is not written yet
 * recorder.c   the thread: batches, trouble, trying again
 * schema.c     the tables and how older files become newer ones
 * file.c       opening a file, judging it, setting a damaged one aside
 * writer.c     one connection that writes: names to numbers, each sort of thing into its table
 * told.c       a record as a row and back
 * rollup.c     sums of minutes, hours and days
 * retain.c     what is too old, or too much, goes
 * money.c      reservations and settlements
 * restore.c    what is read again at a start: the checkpoint, what was told after it, what stands of the budget
 * salvage.c    what can still be read of a damaged file
 * import.c     a dump into a file
 * (reader.h: the other side) */
#ifndef PROBED_STORE_STORE_PARTS_H
#define PROBED_STORE_STORE_PARTS_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "probed/store/queue.h"
#include "probed/store/store.h"
#include "probed/store/tally.h"

#define TOLD_COLUMNS 35
/* For told_read. */
#define TOLD_SELECT "SELECT told.*, route.platform, route.model FROM told LEFT JOIN route ON route.id = told.route"

struct done; /* a callback that is due: tell.c and store.c */
STAILQ_HEAD(done_list, done);
struct done {
    STAILQ_ENTRY(done) next;
    store_reserved_fn fn;
    void *arg;
    uint64_t ticket;
    int error;
};

#define SLOW_AFTER (5 * USEC_PER_SEC)

/* X(ID, statement): prepared once a connection. */
#define WRITER_SQL(X)                                                                                                                      \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                                            \
    X(COMMIT, "COMMIT")                                                                                                                    \
    X(ROLLBACK, "ROLLBACK")                                                                                                                \
    X(ROUTE_FIND, "SELECT id FROM route WHERE platform = ?1 AND model = ?2")                                                               \
    X(ROUTE_ADD, "INSERT INTO route (platform, model) VALUES (?1, ?2)")                                                                    \
    X(POLICY_FIND, "SELECT id FROM policy WHERE name = ?1")                                                                                \
    X(POLICY_ADD, "INSERT INTO policy (name) VALUES (?1)")                                                                                 \
    X(TOLD_ADD, "INSERT INTO told VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26," \
                "?27,?28,?29,?30,?31,?32,?33,?34,?35)")                                                                                    \
    X(CLOCK_ADD, "INSERT OR REPLACE INTO clock VALUES (?1, ?2)")                                                                           \
    X(EVENT_ADD, "INSERT INTO event (t, level, name, platform, model, policy, was, becomes, reason, generation, text)"                     \
                 " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")                                                                           \
    X(STATE_LAST, "SELECT state FROM state WHERE route = ?1 ORDER BY t DESC LIMIT 1")                                                      \
    X(STATE_ADD, "INSERT OR REPLACE INTO state VALUES (?1, ?2, ?3)")                                                                       \
    X(STATES_END, "INSERT OR REPLACE INTO state SELECT r.id, ?1, '' FROM route r WHERE"                                                     \
                  " (SELECT s.state FROM state s WHERE s.route = r.id ORDER BY s.t DESC LIMIT 1) <> ''")                                   \
    X(RANK_ADD, "INSERT OR REPLACE INTO rank VALUES (?1, ?2, ?3, ?4, ?5)")                                                                 \
    X(RANK_LAST, "SELECT rank, slots FROM rank WHERE route = ?1 AND policy = ?2 ORDER BY t DESC LIMIT 1")                                  \
    X(PRICE_LAST, "SELECT input, output, call FROM price WHERE route = ?1 AND t <= ?2 ORDER BY t DESC LIMIT 1")                            \
    X(PRICE_ADD, "INSERT OR REPLACE INTO price VALUES (?1, ?2, ?3, ?4, ?5)")                                                               \
    X(BALANCE_ADD, "INSERT OR REPLACE INTO balance VALUES (?1, ?2, ?3)")                                                                   \
    X(OVERRIDE_ADD, "INSERT INTO override (t, route, action, until, reason, by_whom) VALUES (?1,?2,?3,?4,?5,?6)")                          \
    X(MONEY_ADD, "INSERT INTO money VALUES (?1, ?2, ?3) ON CONFLICT (route, hour) DO UPDATE SET pico = pico + excluded.pico")              \
    X(BREAKER_ADD, "INSERT OR IGNORE INTO breaker VALUES (?1)")                                                                            \
    X(BREAKER_REMOVE, "DELETE FROM breaker WHERE route = ?1")                                                                              \
    X(CHECKPOINT_ADD, "INSERT INTO checkpoint (t, told, data, sum) VALUES (?1, ?2, ?3, ?4)")                                               \
    X(CHECKPOINT_PRUNE, "DELETE FROM checkpoint WHERE id <= (SELECT max(id) FROM checkpoint) - 2")                                         \
    X(META_GET, "SELECT value FROM meta WHERE key = ?1")                                                                                   \
    X(META_SET, "INSERT OR REPLACE INTO meta VALUES (?1, ?2)")                                                                             \
    X(CHECKPOINT_TOLD, "SELECT max(told) FROM checkpoint")                                                                                 \
    X(PAGES, "SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count),"                      \
             " (SELECT page_size FROM pragma_page_size)")                                                                                  \
    X(TOLD_AT, TOLD_SELECT " WHERE told.id = ?1")                                                                                          \
    X(ROLLUP_SPAN, "SELECT n, ok, failed, limited, ours, speed_sum, speed_n, cost, prompt_tokens, output_tokens, ttft, total, flight"      \
                   " FROM rollup WHERE span = ?1 AND route = ?2 AND t >= ?3 AND t < ?4")                                                   \
    X(META_PRUNE, "DELETE FROM meta WHERE value > ?1 OR typeof(value) <> 'integer'")                                                       \
    X(ROLLUP_NEXT, "SELECT min((SELECT t FROM rollup WHERE span = 60 AND rollup.route = route.id AND t >= ?1 AND t < ?2 ORDER BY t LIMIT 1))" \
                   " FROM route")                                                                                                          \
    X(TOLD_FIRST, "SELECT min(id) FROM told")                                                                                              \
    X(TOLD_LAST, "SELECT max(id) FROM told")                                                                                               \
    X(ROLL_READ, "SELECT id, late, route, outcome, fault, ttft, total, tokens_per_s, cost, prompt_tokens, output_tokens, in_flight"        \
                 " FROM told WHERE id >= ?1 AND id < ?2 AND kind = ?3 ORDER BY id")                                                        \
    X(ROLLUP_GET, "SELECT n, ok, failed, limited, ours, speed_sum, speed_n, cost, prompt_tokens, output_tokens, ttft, total, flight"       \
                  " FROM rollup WHERE span = ?1 AND route = ?2 AND t = ?3")                                                                \
    X(ROLLUP_SET, "INSERT OR REPLACE INTO rollup VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)")                          \
    X(TOLD_PRUNE, "DELETE FROM told WHERE id IN (SELECT id FROM told WHERE id < ?1 ORDER BY id LIMIT ?2)")                                 \
    X(ROLLUP_PRUNE, "DELETE FROM rollup WHERE span = ?1 AND route = ?2 AND t < ?3")                                                        \
    /* The one that holds at the time stays. */                                                                                            \
    X(RANK_PRUNE, "DELETE FROM rank WHERE route = ?1 AND t < (SELECT max(t) FROM rank r WHERE r.route = ?1 AND r.policy = rank.policy"     \
                  " AND r.t <= ?2)")                                                                                                       \
    X(ROUTE_AFTER, "SELECT id FROM route WHERE id > ?1 ORDER BY id LIMIT 1")                                                               \
    X(EVENT_PRUNE, "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE t < ?1 ORDER BY t LIMIT ?2)")                                \
    X(MONEY_PRUNE, "DELETE FROM money WHERE hour < ?1")                                                                                    \
    X(EVENT_PRUNE_ALL, "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT ?1)")                                        \
    X(VACUUM, "PRAGMA incremental_vacuum(500)")

enum writer_statement {
#define X(id, sql) SQL_##id,
    WRITER_SQL(X)
#undef X
        SQL_COUNT
};

struct writer_route { char platform[64], model[128]; int64_t id; };

/* A connection that writes. Not thread-safe: the thread's, or the importer's. */
struct writer {
    sqlite3 *db;
    int lock_fd;      /* -1 */
    char *file;
    dev_t device;     /* of the file that is open */
    ino_t inode;
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
    int rc;           /* the first trouble of the transaction; SQLITE_OK */
    int system_errno; /* of it */
    int64_t last_told; /* the largest number given */
    usec_t mark;       /* a checkpoint of this time is being made; 0 = none; */
    int64_t mark_told; /* it holds everything up to this number */
    struct writer_route *routes; /* open hash of names */
    size_t routes_len, routes_size;
    /* rollup.c */
    int64_t rolled;    /* what is before has been added up in minutes; 0 = not known yet */
    int64_t rolled_up; /* and in hours and days; a whole hour; 0 = not known yet */
    /* retain.c */
    int64_t retain_route; /* whose sums are looked at next */
};

struct store {
    char *file;
    int event_fd;
    pthread_t thread;
    bool running; /* there is a thread */

    pthread_mutex_t lock;
    pthread_cond_t wake; /* of the thread; and of store_close, when it has ended */
    /* Guarded by lock. */
    struct reader *reader; /* NULL: no questions */
    struct queue queue;
    size_t writing; /* so many are being written */
    struct store_limits limits;
    bool urgent, stopping, ended;
    bool abandoned; /* nobody waits for the thread any more */
    struct done_list done;
    struct store_report report; /* but for what store_report works out */
    usec_t newest;              /* the latest time that was told */
    usec_t waits_since;         /* the first thing that waits came then; 0 = nothing waits */
    usec_t writes_since;        /* a batch is being written since then; 0 = none */

    usec_t marked; /* the loop's own: store_checkpoint_begin was called for this time; 0 = not */

    /* The thread's own. */
    struct writer writer;
    usec_t retry, retry_at;
    usec_t retry_most; /* for tests, that have no 40 s; 0 = as usual */
    unsigned io_failures; /* one after the other */
    char salvage[STORE_ASIDE_MAX];    /* what can be read of it is to be put into the next file; "" = nothing */
};

/* store.c */
usec_t store_monotonic(void);
void store_ring(void *store); /* store_dispatch has something to do */
void store_free(struct store *s);
void store_set_state(struct store *s, enum store_state state, const char *why);

/* recorder.c */
void *recorder_run(void *store);

/* file.c. 0, or an SQLITE_ code with *state and why said. May set a damaged file aside (then *aside is its new name) and begin a new one. */
struct file_opened {
    enum store_state state;
    bool made;
    bool other; /* LOCKED: by another probed */
    char note[256], why[200], aside[STORE_ASIDE_MAX];
};
int writer_open(struct writer *w, const char *file, usec_t latest, struct file_opened *ret); /* latest: no thing in it is later */
void writer_close(struct writer *w);
/* What a failure means. */
enum store_state file_judge(int rc, int system_errno);
int64_t file_size(const char *file); /* with its log */
bool file_is_damage(int rc);
bool file_is_other(const struct writer *w); /* somebody moved or removed it: what is written goes nowhere */
bool file_disk_works(const char *file); /* something can be written and read beside it */
int file_set_aside(const char *file, char *ret, size_t size); /* with its log */

/* writer.c. After trouble (w->rc) all of these do nothing until the next begin. */
sqlite3_stmt *writer_sql(struct writer *w, enum writer_statement id); /* reset and without values; NULL after trouble */
void writer_int(sqlite3_stmt *s, int at, int64_t value);
void writer_text(sqlite3_stmt *s, int at, const char *text); /* "" and NULL are NULL; borrowed until the statement has run */
bool writer_step(struct writer *w, sqlite3_stmt *s);         /* true: a row */
void writer_run(struct writer *w, sqlite3_stmt *s);          /* to its end */
bool writer_begin(struct writer *w);
bool writer_commit(struct writer *w); /* false: rolled back, w->rc says why */
void writer_rollback(struct writer *w);
int64_t writer_route(struct writer *w, const char *platform, const char *model);
void writer_put(struct writer *w, const struct item *item);
void writer_put_told(struct writer *w, const struct record *record, int64_t route); /* what it says, in a table of its own, if it has one */
int64_t writer_meta(struct writer *w, const char *key, int64_t otherwise);
void writer_set_meta(struct writer *w, const char *key, int64_t value);

/* told.c */
void told_bind(sqlite3_stmt *s, int64_t id, int64_t route, const struct record *record);
/* A row of TOLD_SELECT; false: damaged, to be passed over. */
bool told_read(sqlite3_stmt *s, struct record *ret);

/* rollup.c */
void rollup_count(struct tally *t, sqlite3_stmt *row);  /* adds a row of ROLL_READ */
void rollup_record(struct tally *t, const struct observation *o);
/* Adds it to the sums of the span (60, 3600, 86400 s) that t is in. */
void rollup_add(struct writer *w, int64_t span, int64_t route, usec_t t, const struct tally *tally);
bool rollup_has(struct writer *w, int64_t span, int64_t route, usec_t t);
int64_t rollup_mark(struct writer *w); /* what is before has been added up; 0 = nothing was told yet */
void rollup_set_mark(struct writer *w, int64_t t);
int64_t rollup_mark_up(struct writer *w); /* and is in hours and days */
/* Adds up what was told in minutes that are over, and minutes to hours and days; at most a bounded number at a time. */
void rollup_work(struct writer *w);
/* For an import: adds up everything, also what is not over, and hours before `hours_to`, a whole hour. */
void rollup_all(struct writer *w, usec_t hours_to);
void rollup_load_write(const struct tally_load load[LOAD_BUCKETS], struct buf *to);
int rollup_load_read(struct tally_load load[LOAD_BUCKETS], const void *data, size_t len); /* adds; -EINVAL */

/* retain.c: a small step of it. */
void retain_work(struct writer *w, const struct store_limits *limits);

/* salvage.c: puts into the file that is open what can be read of a damaged one, but for single records; nothing that is later than `latest`. */
void salvage(struct writer *w, const char *damaged, usec_t latest);

/* money.c */
void money_put(struct writer *w, const struct item *item);

/* restore.c */
usec_t restore_last(const char *file);   /* the latest time in it; 0 = none */
/* A sum that tells a damaged checkpoint. */
uint64_t checkpoint_sum(const void *data, size_t len);

#endif
