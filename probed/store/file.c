/* Opening the file, and what a failure means.
 *
 * A file that is no database, or one whose pages do not fit together, is set aside with its log and a new one begun; nothing is ever deleted. What is only not possible
 * now (a lock, a full disk, rights, a disk that fails) leaves the file alone: it is tried again later. A small file is checked whole when it is opened; of a large
 * one the parts that a start needs, the rest shows when it is used. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probed/store/replace.h"
#include "probed/store/schema.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define BUSY_MS 2000
#define WHOLE_CHECK_MOST (32LL * 1024 * 1024)

enum store_state file_judge(int rc, int system_errno)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return STORE_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return STORE_LOCKED;
    case SQLITE_FULL: return STORE_FULL;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN: return STORE_READ_ONLY;
    case SQLITE_IOERR:
        if (system_errno == ENOSPC || system_errno == EDQUOT)
            return STORE_FULL;
        if (system_errno == EROFS || system_errno == EACCES)
            return STORE_READ_ONLY;
        return STORE_BROKEN;
    default: return STORE_BROKEN;
    }
}

bool file_is_other(const struct writer *w)
{
    struct stat st;
    return stat(w->file, &st) < 0 ? errno == ENOENT : st.st_dev != w->device || st.st_ino != w->inode;
}

bool file_disk_works(const char *file)
{
    static const char pattern[4096] = "whether this can be written and read";
    char back[sizeof pattern];
    CLEANUP(alloc_freep) char *name = alloc_printf("%s.try", file);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool works = true;
    for (int i = 0; works && i < 64; i++)
        works = pwrite(fd, pattern, sizeof pattern, i * (off_t)sizeof pattern) == (ssize_t)sizeof pattern;
    works = works && fsync(fd) == 0 && pread(fd, back, sizeof back, 8 * (off_t)sizeof back) == (ssize_t)sizeof back &&
            memcmp(back, pattern, sizeof back) == 0;
    close(fd);
    (void)unlink(name);
    return works;
}

bool file_is_damage(int rc) { return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB || rc == SQLITE_IOERR_SHORT_READ; }

int64_t file_size(const char *file)
{
    CLEANUP(alloc_freep) char *log = alloc_printf("%s-wal", file);
    struct stat a, b;
    int64_t size = 0;
    if (stat(file, &a) == 0)
        size += a.st_size;
    if (stat(log, &b) == 0)
        size += b.st_size;
    return size;
}

int file_set_aside(const char *file, char *ret, size_t size)
{
    CLEANUP(alloc_freep) char *aside = NULL;
    int r = rename_aside(file, &aside);
    if (r < 0)
        return r;
    CLEANUP(alloc_freep) char *log = alloc_printf("%s-wal", file), *shared = alloc_printf("%s-shm", file);
    CLEANUP(alloc_freep) char *aside_log = alloc_printf("%s-wal", aside);
    (void)renameat2(AT_FDCWD, log, AT_FDCWD, aside_log, RENAME_NOREPLACE); /* there may be none */
    (void)unlink(shared);                                                  /* made anew from the log */
    snprintf(ret, size, "%s", aside);
    return 0;
}

/* One process records: another probed with the same state directory would write beside it. */
static int take_lock(struct writer *w, struct file_opened *ret)
{
    CLEANUP(alloc_freep) char *name = alloc_printf("%s.lock", w->file);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        ret->state = errno == ENOSPC || errno == EDQUOT ? STORE_FULL : STORE_READ_ONLY;
        snprintf(ret->why, sizeof ret->why, "%.140s: %s", name, strerror(errno));
        return SQLITE_CANTOPEN;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        char pid[16] = "";
        (void)!read(fd, pid, sizeof pid - 1);
        pid[strspn(pid, "0123456789")] = '\0';
        close(fd);
        ret->state = STORE_LOCKED;
        ret->other = true;
        snprintf(ret->why, sizeof ret->why, "another probed%s%s%s records into %.150s", pid[0] ? " (pid " : "", pid, pid[0] ? ")" : "", w->file);
        return SQLITE_BUSY;
    }
    (void)!ftruncate(fd, 0);
    dprintf(fd, "%d\n", (int)getpid()); /* for people; on a full disk it is not there */
    w->lock_fd = fd;
    return SQLITE_OK;
}

static int answer(sqlite3 *db, const char *sql, char *ret, size_t size)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW && ret && sqlite3_column_text(s, 0))
        snprintf(ret, size, "%s", (const char *)sqlite3_column_text(s, 0));
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(s);
    rc = rc == SQLITE_DONE ? SQLITE_OK : sqlite3_extended_errcode(db);
    sqlite3_finalize(s);
    return rc;
}

static int check_pages(struct writer *w)
{
    char word[64] = "";
    int rc = SQLITE_OK;
    if (file_size(w->file) <= WHOLE_CHECK_MOST)
        rc = answer(w->db, "PRAGMA quick_check(1)", word, sizeof word);
    if (rc == SQLITE_OK && word[0] && strcmp(word, "ok") != 0)
        rc = SQLITE_CORRUPT;
    if (rc == SQLITE_OK)
        rc = answer(w->db, "SELECT id, detail FROM told ORDER BY id DESC LIMIT 200", NULL, 0);
    if (rc == SQLITE_OK)
        rc = answer(w->db, "SELECT length(data) FROM checkpoint", NULL, 0);
    return rc;
}

static void explain(struct writer *w, int rc, struct file_opened *ret)
{
    int system_errno = w->db ? sqlite3_system_errno(w->db) : 0;
    ret->state = file_judge(rc, system_errno);
    if (!ret->why[0])
        snprintf(ret->why, sizeof ret->why, "%.100s: %.40s%s%.50s", w->file, w->db ? sqlite3_errmsg(w->db) : sqlite3_errstr(rc), system_errno ? ": " : "",
                 system_errno ? strerror(system_errno) : "");
}

static int set_up(sqlite3 *db)
{
    static const char *const pragmas[] = {
        "PRAGMA auto_vacuum = INCREMENTAL",      "PRAGMA journal_mode = WAL",    "PRAGMA synchronous = NORMAL",
        "PRAGMA journal_size_limit = 33554432", "PRAGMA cache_size = -16384",
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; i < ARRAY_LEN(pragmas) && rc == SQLITE_OK; i++)
        rc = answer(db, pragmas[i], NULL, 0);
    return rc;
}

/* Not ours to touch: not even its log is written back into it. */
static int refuse(struct writer *w, const struct err *err, struct file_opened *ret)
{
    sqlite3_db_config(w->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    ret->state = STORE_NEWER;
    snprintf(ret->why, sizeof ret->why, "%s", err->text);
    return SQLITE_NOTICE;
}

static int connect_file(struct writer *w, struct file_opened *ret)
{
    struct err err = {""};
    struct stat st;
    char backup[STORE_ASIDE_MAX + 8];
    bool made = access(w->file, F_OK) < 0;
    int rc = sqlite3_open_v2(w->file, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (rc != SQLITE_OK)
        return sqlite3_extended_errcode(w->db);
    sqlite3_extended_result_codes(w->db, 1);
    sqlite3_busy_timeout(w->db, BUSY_MS);
    if (made)
        (void)chmod(w->file, 0640);
    int r = schema_check(w->db, w->file, &err);
    if (r == -EPROTONOSUPPORT)
        return refuse(w, &err, ret);
    if (r == -EBADMSG)
        return SQLITE_CORRUPT;
    rc = set_up(w->db);
    if (rc != SQLITE_OK)
        return rc;
    if (schema_prepare(w->db, w->file, backup, sizeof backup, &err) < 0) {
        snprintf(ret->why, sizeof ret->why, "%s", err.text);
        rc = sqlite3_extended_errcode(w->db) & 0xff;
        return rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_ERROR : sqlite3_extended_errcode(w->db);
    }
    if (backup[0])
        snprintf(ret->note, sizeof ret->note, "the history was brought to a newer version; the old file is kept as %.120s", backup);
    ret->made = made;
    if (stat(w->file, &st) < 0)
        return SQLITE_CANTOPEN;
    w->device = st.st_dev;
    w->inode = st.st_ino;
    return check_pages(w);
}

static void disconnect(struct writer *w)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(w->statements[i]);
        w->statements[i] = NULL;
    }
    sqlite3_close(w->db);
    w->db = NULL;
}

void writer_close(struct writer *w)
{
    disconnect(w);
    if (w->lock_fd >= 0)
        close(w->lock_fd);
    free(w->file);
    free(w->routes);
    *w = (struct writer){.lock_fd = -1};
}

static int try_open(struct writer *w, usec_t latest, struct file_opened *ret)
{
    int rc = connect_file(w, ret);
    if (!file_is_damage(rc))
        return rc;
    disconnect(w);
    int r = file_set_aside(w->file, ret->aside, sizeof ret->aside);
    if (r < 0) {
        snprintf(ret->why, sizeof ret->why, "%.100s is damaged and cannot be set aside: %s", w->file, strerror(-r));
        ret->state = STORE_BROKEN;
        return rc;
    }
    snprintf(ret->note, sizeof ret->note, "%.100s was damaged; it was set aside as %.80s; what could be read of it was kept", w->file, ret->aside);
    rc = connect_file(w, ret);
    ret->made = true;
    if (rc == SQLITE_OK)
        salvage(w, ret->aside, latest);
    return rc;
}

int writer_open(struct writer *w, const char *file, usec_t latest, struct file_opened *ret)
{
    *ret = (struct file_opened){.state = STORE_OK};
    *w = (struct writer){.lock_fd = -1, .file = alloc_string(file)};
    int rc = take_lock(w, ret);
    if (rc != SQLITE_OK) {
        writer_close(w);
        return rc;
    }
    rc = try_open(w, latest, ret);
    if (rc == SQLITE_OK) {
        sqlite3_stmt *s = writer_sql(w, SQL_TOLD_LAST);
        if (writer_step(w, s))
            w->last_told = sqlite3_column_int64(s, 0);
        if (s)
            sqlite3_reset(s);
        int64_t checkpoint = 0; /* what was told before it is not told again: later numbers are larger */
        s = writer_sql(w, SQL_CHECKPOINT_TOLD);
        if (writer_step(w, s))
            checkpoint = sqlite3_column_int64(s, 0);
        if (s)
            sqlite3_reset(s);
        w->last_told = checkpoint > w->last_told ? checkpoint : w->last_told;
        rc = w->rc;
    }
    if (rc == SQLITE_OK)
        return rc;
    if (ret->state == STORE_OK)
        explain(w, rc, ret);
    writer_close(w);
    return rc;
}
