/* Versions of the tables. Version 1 is the first that was ever released; each later one has a step here that makes it from the one before, and steps are run one after
 * the other in one transaction, after the file was copied. The copy is made under another name first: what has its name is whole. */
#include "probed/store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/compiler.h"

#define COPIES_MOST 100

/* steps[n] makes version n + 1 of version n; [0] makes an empty file version 1. */
static const char *const own_steps[] = {SCHEMA_SQL};
_Static_assert(sizeof(own_steps) / sizeof(own_steps[0]) == SCHEMA_VERSION, "a step is missing");

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

static int copy_to(sqlite3 *db, const char *to, struct err *err)
{
    sqlite3 *copy = NULL;
    (void)unlink(to); /* of a try that was interrupted */
    int rc = sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL);
    sqlite3_backup *backup = rc == SQLITE_OK ? sqlite3_backup_init(copy, "main", db, "main") : NULL;
    if (backup) {
        sqlite3_backup_step(backup, -1);
        rc = sqlite3_backup_finish(backup);
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_errcode(copy);
    }
    sqlite3_close(copy);
    if (rc == SQLITE_OK)
        return 0;
    (void)unlink(to);
    return err_set(err, -EIO, "%s cannot be written: %s; the history stays as it is", to, sqlite3_errstr(rc));
}

static int copy_file(sqlite3 *db, const char *file, int64_t version, char *ret, size_t size, struct err *err)
{
    CLEANUP(alloc_freep) char *new = alloc_printf("%s.v%lld.new", file, (long long)version);
    if (copy_to(db, new, err) < 0)
        return -EIO;
    int error = EEXIST;
    for (int n = 1; n <= COPIES_MOST && error == EEXIST; n++) {
        snprintf(ret, size, n == 1 ? "%s.v%lld" : "%s.v%lld.%d", file, (long long)version, n);
        error = renameat2(AT_FDCWD, new, AT_FDCWD, ret, RENAME_NOREPLACE) == 0 ? 0 : errno;
    }
    if (error == 0)
        return 0;
    err_set(err, -EIO, "%s cannot be renamed to %s: %s; the history stays as it is", new, ret, strerror(error));
    (void)unlink(new);
    ret[0] = '\0';
    return -EIO;
}

static int apply(sqlite3 *db, const char *const *steps, int64_t from, int version, struct err *err)
{
    char sql[96];
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int64_t v = from; v < version && rc == SQLITE_OK; v++)
        rc = sqlite3_exec(db, steps[v], NULL, NULL, NULL);
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", SCHEMA_APPLICATION, version);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    err_set(err, -EIO, "%s", sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return -EIO;
}

#define VERSION_MOST 1000000 /* no version will ever be larger: such a number is damage */

static int check(sqlite3 *db, const char *file, int known, int64_t *ret_version, int64_t *ret_tables, struct err *err)
{
    int64_t application = 0, ours = 0;
    *ret_version = *ret_tables = 0;
    if (number(db, "PRAGMA user_version", ret_version) != SQLITE_OK || number(db, "PRAGMA application_id", &application) != SQLITE_OK ||
        number(db, "SELECT count(*) FROM sqlite_schema", ret_tables) != SQLITE_OK)
        return err_set(err, -EIO, "%s", sqlite3_errmsg(db));
    if (*ret_tables > 0 && application != SCHEMA_APPLICATION &&
        number(db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('told', 'rollup', 'money', 'checkpoint')", &ours) != SQLITE_OK)
        return err_set(err, -EIO, "%s", sqlite3_errmsg(db));
    if (ours == 4 || *ret_version < 0 || *ret_version > VERSION_MOST)
        return err_set(err, -EBADMSG, "the head of %s is damaged", file);
    if (*ret_tables > 0 && application != SCHEMA_APPLICATION)
        return err_set(err, -EPROTONOSUPPORT, "%s is another program's database; move it away, or choose another state_dir", file);
    if (*ret_version > known)
        return err_set(err, -EPROTONOSUPPORT,
                       "%s is of a newer version of probed (tables %lld, this one knows %d); use that version, or move the file away", file,
                       (long long)*ret_version, known);
    return 0;
}

int schema_check(sqlite3 *db, const char *file, struct err *err)
{
    int64_t version, tables;
    return check(db, file, SCHEMA_VERSION, &version, &tables, err);
}

int schema_migrate(sqlite3 *db, const char *file, const char *const *steps, int version, char *ret_backup, size_t size, struct err *err)
{
    int64_t from, tables;
    ret_backup[0] = '\0';
    int r = check(db, file, version, &from, &tables, err);
    if (r < 0 || from == version)
        return r;
    if (tables > 0 && copy_file(db, file, from, ret_backup, size, err) < 0)
        return -EIO;
    return apply(db, steps, tables > 0 ? from : 0, version, err);
}

int schema_prepare(sqlite3 *db, const char *file, char *ret_backup, size_t size, struct err *err)
{
    return schema_migrate(db, file, own_steps, SCHEMA_VERSION, ret_backup, size, err);
}
