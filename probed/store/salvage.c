/* A damaged file is set aside and kept; this takes over into its successor what can still be read of it: names, the clock, what the probes have cost, the memory of the
 * core, states, ranks, prices, events and sums. Single records are left: they are most of the file, and in it for whoever needs them (sqlite3 .recover).
 *
 * Each table is read from its begin, and if that ends at a damaged page from its end as well. All that is read may be rubbish: what breaks a rule of the tables is
 * passed over, what lies in the future too, and the time that it may take is bounded. */
#include <stdio.h>
#include <string.h>

#include "probed/store/store_parts.h"

#define PATIENCE (5 * USEC_PER_SEC)

/* Those that others refer to first. `time`: its column with a time; NULL = none. `key`: by which it is read from its end. */
static const struct {
    const char *name, *time, *key;
    int columns;
} tables[] = {
    {"route", NULL, "id", 3},
    {"policy", NULL, "id", 2},
    {"clock", "t", "t", 2},
    {"money", "hour * 3600000000", "route DESC, hour", 3},
    {"breaker", NULL, "route", 1},
    {"checkpoint", "t", "id", 5},
    {"price", "t", "route DESC, t", 5},
    {"balance", "t", "route DESC, t", 3},
    {"override", "t", "id", 7},
    {"state", "t", "route DESC, t", 3},
    {"event", "t", "id", 12},
    {"rollup", "t", "span DESC, route DESC, t", 16},
    {"rank", "t", "route DESC, policy DESC, t", 5},
    {"meta", NULL, "key", 2},
};

static sqlite3_stmt *make_insert(struct writer *w, size_t table)
{
    char sql[160];
    sqlite3_stmt *s = NULL;
    int n = snprintf(sql, sizeof sql, "INSERT OR IGNORE INTO %s VALUES (?1", tables[table].name);
    for (int i = 2; i <= tables[table].columns; i++)
        n += snprintf(sql + n, sizeof sql - (size_t)n, ",?%d", i);
    snprintf(sql + n, sizeof sql - (size_t)n, ")");
    return sqlite3_prepare_v2(w->db, sql, -1, &s, NULL) == SQLITE_OK ? s : NULL;
}

/* True: all of it was read. */
static bool copy_rows(sqlite3 *from, sqlite3_stmt *insert, size_t table, usec_t latest, bool backwards, usec_t until)
{
    char sql[200];
    sqlite3_stmt *s = NULL;
    const char *time = tables[table].time;
    snprintf(sql, sizeof sql, "SELECT * FROM %s%s%s%s%s%s", tables[table].name, time ? " WHERE " : "", time ? time : "", time ? " BETWEEN 0 AND ?1" : "",
             backwards ? " ORDER BY " : "", backwards ? tables[table].key : "");
    if (backwards)
        strncat(sql, " DESC", sizeof sql - strlen(sql) - 1);
    int rc = sqlite3_prepare_v2(from, sql, -1, &s, NULL);
    if (rc == SQLITE_OK && time)
        sqlite3_bind_int64(s, 1, latest);
    if (rc == SQLITE_OK && sqlite3_column_count(s) != tables[table].columns)
        rc = SQLITE_CORRUPT;
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        for (int i = 0; i < tables[table].columns; i++)
            sqlite3_bind_value(insert, i + 1, sqlite3_column_value(s, i));
        rc = sqlite3_step(insert);
        sqlite3_reset(insert);
        rc = rc == SQLITE_DONE || (rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH ? SQLITE_OK : rc;
        if (store_monotonic() > until)
            rc = SQLITE_INTERRUPT;
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE;
}

void salvage(struct writer *w, const char *damaged, usec_t latest)
{
    usec_t until = store_monotonic() + PATIENCE;
    sqlite3 *from = NULL;
    latest = latest > 0 ? latest + USEC_PER_DAY : (usec_t)RECORD_TIME_MAX * USEC_PER_SEC;
    if (sqlite3_open_v2(damaged, &from, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL) == SQLITE_OK && writer_begin(w)) {
        sqlite3_db_config(from, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL); /* it stays as it is */
        sqlite3_exec(from, "PRAGMA writable_schema = ON", NULL, NULL, NULL);       /* else one that is cut short is not read at all */
        for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
            sqlite3_stmt *insert = make_insert(w, i);
            if (insert && !copy_rows(from, insert, i, latest, false, until))
                copy_rows(from, insert, i, latest, true, until);
            sqlite3_finalize(insert);
        }
        sqlite3_stmt *s = writer_sql(w, SQL_META_PRUNE);
        writer_int(s, 1, latest);
        writer_run(w, s);
        if (!writer_commit(w))
            w->rc = SQLITE_OK; /* then the new one begins empty; whatever is wrong shows at once */
    }
    sqlite3_close(from);
}
