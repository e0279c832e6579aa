/* What is read again at a start, on a connection of its own that only reads: the file may be one that cannot be written now. */
#include <errno.h>
#include <string.h>

#include "probed/store/store_parts.h"

uint64_t checkpoint_sum(const void *data, size_t len)
{
    const uint8_t *at = data;
    uint64_t h = 14695981039346656037ULL; /* FNV-1a, 64 bits */
    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 1099511628211ULL;
    return h;
}

/* NULL when nothing can be read from it. */
static sqlite3 *open_one(const char *file, int flags, const char *pragma)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(file, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    sqlite3_busy_timeout(db, 2000);
    if (rc == SQLITE_OK && pragma)
        rc = sqlite3_exec(db, pragma, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "SELECT count(*) FROM meta", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return db;
    sqlite3_close(db);
    return NULL;
}

sqlite3 *restore_open(const char *file)
{
    sqlite3 *db = open_one(file, SQLITE_OPEN_READONLY, NULL);
    /* On a full disk the shared index of the log cannot be made anew after a crash; whoever has the file for himself keeps it in memory. */
    return db ?: open_one(file, SQLITE_OPEN_READWRITE, "PRAGMA locking_mode = EXCLUSIVE");
}

usec_t restore_last(const char *file)
{
    static const char sql[] = "SELECT max(coalesce((SELECT max(id) FROM told), 0), coalesce((SELECT max(t) FROM event), 0),"
                              " coalesce((SELECT max(t) FROM clock), 0), coalesce((SELECT max(t) FROM checkpoint), 0),"
                              " coalesce((SELECT max(hour) FROM money) * 3600000000, 0))";
    sqlite3 *db = restore_open(file);
    sqlite3_stmt *s = NULL;
    usec_t last = 0;
    if (db && sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        last = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return last > 0 && last < (usec_t)RECORD_TIME_MAX * USEC_PER_SEC ? last : 0;
}
