/* The tables of the history, their version, and how an older file becomes a newer one.
 *
 * `t` is the steady clock in microseconds (store.h), `route` an id in `route`; a platform as a whole is the route with model ''. Money is in pico-USD.
 * Columns that are 0 or NULL take no room. The file is a public thing in so far as people look into it with sqlite3(1); what is written is
 * documented here and nowhere else. */
#ifndef PROBED_STORE_SCHEMA_H
#define PROBED_STORE_SCHEMA_H

#include <sqlite3.h>

#include "shared/err.h"
#include "shared/units.h"

#define SCHEMA_APPLICATION 0x70726264 /* "prbd" */
#define SCHEMA_VERSION 1

/* told.id is the steady time at which it was told, moved on by a microsecond where two would be the same (t = id - late): so that ranges of time are ranges of ids.
 *
 * rollup.span is 60, 3600 or 86400 s, t the begin of the span. ttft and total: histograms (histogram.h). flight: a histogram by load bucket of requests and
 * failures (rollup.h). It counts chat records, probes and traffic together. */
#define SCHEMA_SQL                                                                                                                         \
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"                                                                       \
    "CREATE TABLE route (id INTEGER PRIMARY KEY, platform TEXT NOT NULL, model TEXT NOT NULL, UNIQUE (platform, model));"                  \
    "CREATE TABLE clock (t INTEGER PRIMARY KEY, offset INTEGER NOT NULL);"                                                                 \
    "CREATE TABLE told (id INTEGER PRIMARY KEY, late INTEGER, kind INTEGER NOT NULL, route INTEGER, source INTEGER, stage INTEGER,"        \
    " outcome INTEGER, fault INTEGER, status INTEGER, retry_after INTEGER, queue INTEGER, dns INTEGER, connect INTEGER, tls INTEGER,"      \
    " wait INTEGER, ttft INTEGER, content INTEGER, total INTEGER, gap_max INTEGER, stalls INTEGER, chunks INTEGER, tokens_per_s REAL,"     \
    " prompt_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER, cost INTEGER, in_flight INTEGER, flags INTEGER,"             \
    " interval INTEGER, endpoint INTEGER, reused INTEGER, http_version INTEGER, reporter TEXT, detail TEXT, more TEXT);"                   \
    "CREATE TABLE rollup (span INTEGER, route INTEGER, t INTEGER, n INTEGER, ok INTEGER, failed INTEGER, limited INTEGER, ours INTEGER,"   \
    " speed_sum REAL, speed_n INTEGER, cost INTEGER, prompt_tokens INTEGER, output_tokens INTEGER, ttft BLOB, total BLOB, flight BLOB,"    \
    " PRIMARY KEY (span, route, t)) WITHOUT ROWID;"                                                                                        \
    "CREATE TABLE state (route INTEGER, t INTEGER, state TEXT NOT NULL, PRIMARY KEY (route, t)) WITHOUT ROWID;"                            \
    "CREATE TABLE policy (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"                                                             \
    "CREATE TABLE rank (route INTEGER, policy INTEGER, t INTEGER, rank INTEGER, slots INTEGER, PRIMARY KEY (route, policy, t)) WITHOUT ROWID;" \
    "CREATE TABLE price (route INTEGER, t INTEGER, input INTEGER, output INTEGER, call INTEGER, PRIMARY KEY (route, t)) WITHOUT ROWID;"    \
    "CREATE TABLE balance (route INTEGER, t INTEGER, pico INTEGER, PRIMARY KEY (route, t)) WITHOUT ROWID;"                                 \
    "CREATE TABLE override (id INTEGER PRIMARY KEY, t INTEGER NOT NULL, route INTEGER NOT NULL, action TEXT NOT NULL, until INTEGER, reason TEXT, by_whom TEXT);" \
    "CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, level INTEGER, name TEXT NOT NULL, platform TEXT, model TEXT," \
    " policy TEXT, was TEXT, becomes TEXT, reason TEXT, generation INTEGER, text TEXT);"                                                   \
    "CREATE INDEX event_t ON event (t);"                                                                                                   \
    "CREATE TABLE money (route INTEGER, hour INTEGER, pico INTEGER NOT NULL, PRIMARY KEY (route, hour)) WITHOUT ROWID;"                    \
    "CREATE TABLE breaker (route INTEGER PRIMARY KEY);"                                                                                    \
    "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, t INTEGER NOT NULL, told INTEGER NOT NULL, data BLOB NOT NULL, sum INTEGER NOT NULL);"

/* Whether this program may use an open file: 0 (an empty one too), -EPROTONOSUPPORT (newer than ours, or another program's), -EBADMSG (ours,
 * with a damaged head), or -EIO. Writes nothing. */
int schema_check(sqlite3 *db, const char *file, struct err *err) ATTR_UNUSED_RESULT;
/* Brings an open file to SCHEMA_VERSION: makes the tables of an empty one; an older one is copied to FILE.vN (or FILE.vN.2 ...) first. *ret_backup: the copy's
 * name, "" = none was needed. 0, -EPROTONOSUPPORT as above, or -EIO with err said: then the file is as it was. */
int schema_prepare(sqlite3 *db, const char *file, char *ret_backup, size_t size, struct err *err) ATTR_UNUSED_RESULT;
/* The same with other steps: steps[n] makes version n + 1 of version n. For tests; schema_prepare uses its own. */
int schema_migrate(sqlite3 *db, const char *file, const char *const *steps, int version, char *ret_backup, size_t size, struct err *err) ATTR_UNUSED_RESULT;

#endif
