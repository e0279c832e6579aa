/* What is read again at a start, on a connection of its own that only reads: the file may be one that cannot be written now. */
#include <errno.h>

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

static sqlite3 *open_file(const char *file)
{
    sqlite3 *db = open_one(file, SQLITE_OPEN_READONLY, NULL);
    /* On a full disk the shared index of the log cannot be made anew after a crash; whoever has the file for himself keeps it in memory. */
    return db ?: open_one(file, SQLITE_OPEN_READWRITE, "PRAGMA locking_mode = EXCLUSIVE");
}

usec_t restore_last(const char *file)
{
    static const char sql[] = "SELECT max(coalesce((SELECT max(id) FROM told), 0), coalesce((SELECT max(t) FROM event), 0),"
                              " coalesce((SELECT max(t) FROM clock), 0), coalesce((SELECT max(t) FROM checkpoint), 0),"
                              " coalesce((SELECT max(hour) FROM money) * 3600000000, 0),"
                              " coalesce((SELECT max((SELECT max(t) FROM state WHERE state.route = route.id)) FROM route), 0),"
                              " coalesce((SELECT max((SELECT max(t) FROM rank WHERE rank.route = route.id AND rank.policy = policy.id)) FROM route, policy), 0))";
    sqlite3 *db = open_file(file);
    sqlite3_stmt *s = NULL;
    usec_t last = 0;
    if (db && sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        last = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return last > 0 && last < (usec_t)RECORD_TIME_MAX * USEC_PER_SEC ? last : 0;
}

int store_money(struct store *s, usec_t now, store_money_fn fn, void *arg)
{
    static const char sql[] = "SELECT platform, model, hour, pico, breaker.route IS NOT NULL FROM money JOIN route ON route.id = money.route"
                              " LEFT JOIN breaker ON breaker.route = money.route WHERE hour > ?1"
                              " UNION ALL SELECT platform, model, ?2, 0, 1 FROM breaker JOIN route ON route.id = breaker.route";
    sqlite3 *db = open_file(s->file);
    sqlite3_stmt *q = NULL;
    if (!db)
        return -EIO;
    int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(q, 1, now / USEC_PER_HOUR - 26); /* the budget's window is a little longer than 25 hours */
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

int store_last_checkpoint(struct store *s, struct buf *data, usec_t *t, int64_t *told)
{
    sqlite3 *db = open_file(s->file);
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
    sqlite3 *db = open_file(s->file);
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
