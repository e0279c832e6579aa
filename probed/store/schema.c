/* Versions of the tables. Version 1 is the first that was ever released; each later one has a step here that makes it from the one before, and steps are run one after the
 * other in one transaction, after the file was copied. */
#include "probed/store/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/compiler.h"

/* steps[n] makes version n + 1 of version n; [0] makes an empty file version 1. */
static const char *const steps[] = {SCHEMA_SQL};
_Static_assert(sizeof(steps) / sizeof(steps[0]) == SCHEMA_VERSION, "a step is missing");

static int number(sqlite3 *db, const char *pragma, int64_t *ret)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, pragma, -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int copy_file(sqlite3 *db, const char *to, struct err *err)
{
    sqlite3 *copy = NULL;
    int rc = sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    sqlite3_backup *backup = rc == SQLITE_OK ? sqlite3_backup_init(copy, "main", db, "main") : NULL;
    if (backup) {
        sqlite3_backup_step(backup, -1);
        rc = sqlite3_backup_finish(backup);
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_errcode(copy);
    }
    if (rc != SQLITE_OK)
        err_set(err, -EIO, "%s cannot be written: %s; the history stays as it is", to, sqlite3_errstr(rc));
    sqlite3_close(copy);
    return rc == SQLITE_OK ? 0 : -EIO;
}

static int apply(sqlite3 *db, int64_t from, struct err *err)
{
    char sql[96];
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int64_t v = from; v < SCHEMA_VERSION && rc == SQLITE_OK; v++)
        rc = sqlite3_exec(db, steps[v], NULL, NULL, NULL);
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", SCHEMA_APPLICATION, SCHEMA_VERSION);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    err_set(err, -EIO, "%s", sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return -EIO;
}

int schema_prepare(sqlite3 *db, const char *file, char *ret_backup, size_t size, struct err *err)
{
    int64_t version = 0, application = 0, tables = 0;
    ret_backup[0] = '\0';
    if (number(db, "PRAGMA user_version", &version) != SQLITE_OK || number(db, "PRAGMA application_id", &application) != SQLITE_OK ||
        number(db, "SELECT count(*) FROM sqlite_schema", &tables) != SQLITE_OK)
        return err_set(err, -EIO, "%s", sqlite3_errmsg(db));
    if (tables > 0 && application != SCHEMA_APPLICATION)
        return err_set(err, -EPROTONOSUPPORT, "%s is another program's database; move it away, or choose another state_dir", file);
    if (version > SCHEMA_VERSION)
        return err_set(err, -EPROTONOSUPPORT,
                       "%s is of a newer version of probed (tables %lld, this one knows %d); use that version, or move the file away", file,
                       (long long)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return 0;
    if (tables > 0) {
        snprintf(ret_backup, size, "%s.v%lld", file, (long long)version);
        if (copy_file(db, ret_backup, err) < 0)
            return -EIO;
    }
    return apply(db, tables > 0 ? version : 0, err);
}
