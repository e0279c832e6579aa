/* What the files of the writing side share; nobody else includes it.
 *
 * store.c      life, the thread, what the loop says (queue.h), the store's state
 * queue.c      what was told and is not written yet
 * schema.c     the tables and how older files become newer ones
 * file.c       opening a file, judging it, setting a damaged one aside
 * writer.c     one connection that writes: names to numbers, each sort of thing into its table
 * told.c       a record as a row and back
 * rollup.c     sums of minutes, hours and days
 * retain.c     what is too old, or too much, goes
 * money.c      reservations and settlements
 * restore.c    what is read again at a start: the checkpoint, what was told after it
 * import.c     a dump into a file
 * (reader.h: the other side) */
#ifndef PROBED_STORE_STORE_PARTS_H
#define PROBED_STORE_STORE_PARTS_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "probed/store/queue.h"
#include "probed/store/store.h"
#include "probed/store/tally.h"

#define TOLD_COLUMNS 35

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
    X(RANK_ADD, "INSERT OR REPLACE INTO rank VALUES (?1, ?2, ?3, ?4, ?5)")                                                                 \
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
    X(TOLD_FIRST, "SELECT min(id) FROM told")                                                                                              \
    X(TOLD_LAST, "SELECT max(id) FROM told")                                                                                               \
    X(ROLL_READ, "SELECT id, late, route, outcome, fault, ttft, total, tokens_per_s, cost, prompt_tokens, output_tokens, in_flight"        \
                 " FROM told WHERE id >= ?1 AND id < ?2 AND kind = ?3 ORDER BY id")                                                        \
    X(ROLLUP_GET, "SELECT n, ok, failed, limited, ours, speed_sum, speed_n, cost, prompt_tokens, output_tokens, ttft, total, flight"       \
                  " FROM rollup WHERE span = ?1 AND route = ?2 AND t = ?3")                                                                \
    X(ROLLUP_SET, "INSERT OR REPLACE INTO rollup VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)")                          \
    X(TOLD_PRUNE, "DELETE FROM told WHERE id IN (SELECT id FROM told WHERE id < ?1 ORDER BY id LIMIT ?2)")                                 \
    X(ROLLUP_PRUNE, "DELETE FROM rollup WHERE span = ?1 AND route = ?2 AND t < ?3")                                                        \
    X(RANK_PRUNE, "DELETE FROM rank WHERE route = ?1 AND t < ?2")                                                                          \
    X(ROUTE_AFTER, "SELECT id FROM route WHERE id > ?1 ORDER BY id LIMIT 1")                                                               \
    X(EVENT_PRUNE, "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE t < ?1 ORDER BY t LIMIT ?2)")                                \
    X(MONEY_PRUNE, "DELETE FROM money WHERE hour < ?1")                                                                                    \
    X(VACUUM, "PRAGMA incremental_vacuum(200)")

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
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
    int rc;           /* the first trouble of the transaction; SQLITE_OK */
    int system_errno; /* of it */
    int64_t last_told; /* the largest number given */
    struct writer_route *routes; /* open hash of names */
    size_t routes_len, routes_size;
    /* rollup.c */
    int64_t rolled;   /* what is before has been added up; a whole minute; 0 = not known yet */
    /* retain.c */
    int64_t retain_route; /* whose sums are looked at next */
    usec_t retain_at;
};

/* file.c. 0, or an SQLITE_ code with *state and why said. May set a damaged file aside (then *aside is its new name) and begin a new one. */
struct file_opened {
    enum store_state state;
    bool made;
    char note[256], why[200], aside[160];
};
int writer_open(struct writer *w, const char *file, struct file_opened *ret);
void writer_close(struct writer *w);
/* What a failure means. */
enum store_state file_judge(int rc, int system_errno);
int64_t file_size(const char *file); /* with its log */
bool file_is_damage(int rc);
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
void writer_put_record(struct writer *w, const struct record *record, int64_t id);
void writer_put_told(struct writer *w, const struct record *record, int64_t route); /* what it says, in a table of its own, if it has one */
int64_t writer_meta(struct writer *w, const char *key, int64_t otherwise);
void writer_set_meta(struct writer *w, const char *key, int64_t value);

/* told.c */
void told_bind(sqlite3_stmt *s, int64_t id, int64_t route, const struct record *record);
/* From "SELECT told.*, platform, model"; false: damaged, to be passed over. */
#define TOLD_SELECT "SELECT told.*, route.platform, route.model FROM told LEFT JOIN route ON route.id = told.route"
bool told_read(sqlite3_stmt *s, struct record *ret);

/* rollup.c */
void rollup_count(struct tally *t, sqlite3_stmt *row);  /* adds a row of ROLL_READ */
void rollup_record(struct tally *t, const struct observation *o);
/* Adds it to the sums of the span (60, 3600, 86400 s) that t is in. */
void rollup_add(struct writer *w, int64_t span, int64_t route, usec_t t, const struct tally *tally);
bool rollup_has(struct writer *w, int64_t span, int64_t route, usec_t t);
int64_t rollup_mark(struct writer *w); /* what is before has been added up; 0 = nothing was told yet */
void rollup_set_mark(struct writer *w, int64_t t);
/* Adds up what was told in minutes that are over; at most a bounded number at a time. */
void rollup_work(struct writer *w);
void rollup_load_write(const struct tally_load load[LOAD_BUCKETS], struct buf *to);
int rollup_load_read(struct tally_load load[LOAD_BUCKETS], const void *data, size_t len); /* adds; -EINVAL */

/* retain.c: a small step of it. */
void retain_work(struct writer *w, const struct store_limits *limits, int64_t size);

/* money.c */
void money_put(struct writer *w, const struct item *item);

/* restore.c */
sqlite3 *restore_open(const char *file); /* to read; NULL = cannot */
usec_t restore_last(const char *file);   /* the latest time in it; 0 = none */
/* A sum that tells a damaged checkpoint. */
uint64_t checkpoint_sum(const void *data, size_t len);

#endif
