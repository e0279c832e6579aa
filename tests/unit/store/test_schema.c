/* Versions of the tables: made, refused, brought forward with a copy, and left alone when a step fails. */
#include "tests/unit/store/disk.h"

#include "probed/store/schema.h"

static const char *const steps[] = {
    "CREATE TABLE thing (a INTEGER); INSERT INTO thing VALUES (1), (2)",
    "ALTER TABLE thing ADD COLUMN b TEXT; UPDATE thing SET b = 'two'",
    "CREATE TABLE other AS SELECT a * 10 AS a FROM thing",
};
static const char *const bad_steps[] = {
    "CREATE TABLE thing (a INTEGER); INSERT INTO thing VALUES (1), (2)",
    "ALTER TABLE thing ADD COLUMN b TEXT; UPDATE thing SET nothing = 1",
};

static int migrate(const struct disk *d, const char *const *with, int version, char *backup, struct err *err)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(d->file, &db), SQLITE_OK);
    int r = schema_migrate(db, d->file, with, version, backup, 180, err);
    assert_true(sqlite3_get_autocommit(db));
    sqlite3_close(db);
    return r;
}

static void test_forward(void **state)
{
    struct disk *d = *state;
    char backup[180];
    struct err err = {""};
    assert_int_equal(migrate(d, steps, 1, backup, &err), 0);
    assert_string_equal(backup, "");
    assert_int_equal(migrate(d, steps, 1, backup, &err), 0);
    assert_int_equal(migrate(d, steps, 3, backup, &err), 0);
    assert_string_equal(strrchr(backup, '/'), "/history.db.v1");
    assert_int_equal(disk_ask(d, "SELECT sum(a) FROM other"), 30);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM thing WHERE b = 'two'"), 2);
    assert_int_equal(disk_ask(d, "PRAGMA user_version"), 3);
    assert_int_equal(disk_ask_file(backup, "PRAGMA user_version"), 1);
    assert_int_equal(disk_ask_file(backup, "SELECT sum(a) FROM thing"), 3);
    assert_int_equal(disk_ask_file(backup, "PRAGMA application_id"), SCHEMA_APPLICATION);
    assert_false(disk_has(d, "history.db.v1.new"));
}

static void test_an_older_copy_is_kept(void **state)
{
    struct disk *d = *state;
    char backup[180], first[180];
    struct err err = {""};
    assert_int_equal(migrate(d, steps, 1, backup, &err), 0);
    assert_int_equal(migrate(d, steps, 2, first, &err), 0);
    unlink(d->file);
    assert_int_equal(migrate(d, steps, 1, backup, &err), 0);
    assert_int_equal(migrate(d, steps, 3, backup, &err), 0);
    assert_string_equal(strrchr(backup, '/'), "/history.db.v1.2");
    assert_int_equal(disk_ask_file(first, "SELECT sum(a) FROM thing"), 3);
}

static void test_a_step_that_fails(void **state)
{
    struct disk *d = *state;
    char backup[180];
    struct err err = {""};
    assert_int_equal(migrate(d, bad_steps, 1, backup, &err), 0);
    assert_int_equal(migrate(d, bad_steps, 2, backup, &err), -EIO);
    assert_non_null(strstr(err.text, "nothing"));
    assert_int_equal(disk_ask(d, "PRAGMA user_version"), 1);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM pragma_table_info('thing')"), 1);
    assert_int_equal(migrate(d, steps, 3, backup, &err), 0);
}

static char *read_whole(const char *file, size_t *len)
{
    int fd = open(file, O_RDONLY);
    struct stat st;
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    char *data = alloc_zero(1, (size_t)st.st_size + 1);
    assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
    close(fd);
    *len = (size_t)st.st_size;
    return data;
}

static void refused(struct disk *d, const char *sql, const char *word)
{
    struct store_setup setup = {.directory = d->dir, .wall = T0};
    struct store_opened opened;
    struct err err = {""};
    int error = 0;
    size_t before_len, after_len;
    disk_ask(d, sql);
    char *before = read_whole(d->file, &before_len);
    assert_null(store_open(&setup, &opened, &error, &err));
    assert_int_equal(error, -EPROTONOSUPPORT);
    assert_non_null(strstr(err.text, word));
    assert_non_null(strstr(err.text, d->file));
    char *after = read_whole(d->file, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    free(before);
    free(after);
    assert_false(disk_has(d, "history.db.bad"));
}

static void test_a_newer_one_is_refused(void **state)
{
    struct disk *d = *state;
    disk_open(d);
    disk_close(d);
    refused(d, "PRAGMA user_version = 2", "newer");
    struct store_import import = {.lines = 0};
    struct store_setup setup = {.directory = d->dir, .wall = T0};
    struct err err = {""};
    int fd = open("/dev/null", O_RDONLY);
    assert_int_equal(store_import(&setup, fd, &import, &err), -EPROTONOSUPPORT);
    close(fd);
    disk_ask(d, "PRAGMA user_version = 1");
    disk_open(d);
}

static void test_another_programs_is_refused(void **state)
{
    struct disk *d = *state;
    disk_ask(d, "CREATE TABLE cookies (a)");
    disk_ask(d, "INSERT INTO cookies VALUES (1)");
    refused(d, "PRAGMA user_version = 1", "another program");
}

static void test_a_log_is_not_written_into_it(void **state)
{
    struct disk *d = *state;
    sqlite3 *db = NULL;
    disk_open(d);
    disk_close(d);
    assert_int_equal(sqlite3_open(d->file, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 7", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_true(disk_has(d, "history.db-wal"));
    struct store_setup setup = {.directory = d->dir, .wall = T0};
    struct store_opened opened;
    struct err err = {""};
    int error = 0;
    size_t a_len, b_len;
    char *a = read_whole(d->file, &a_len);
    assert_null(store_open(&setup, &opened, &error, &err));
    assert_int_equal(error, -EPROTONOSUPPORT);
    char *b = read_whole(d->file, &b_len);
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a, b, a_len);
    assert_true(disk_has(d, "history.db-wal"));
    free(a);
    free(b);
    assert_int_equal(disk_ask(d, "PRAGMA user_version"), 7);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, disk_setup_cmocka, disk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_forward), T(test_an_older_copy_is_kept), T(test_a_step_that_fails), T(test_a_newer_one_is_refused), T(test_another_programs_is_refused),
        T(test_a_log_is_not_written_into_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
