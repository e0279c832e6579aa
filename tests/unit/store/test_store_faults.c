/* A disk that fails: a layer between SQLite and the system that says ENOSPC or EIO or takes its time, and files that are cut or overwritten at random places. Nothing
 * of it may reach the one who tells, and recording goes on by itself when the disk does. */
#include "tests/unit/store/disk.h"

#include <stdatomic.h>
#include <sys/file.h>

/* --- the layer --- */

enum { FAULT_NOTHING, FAULT_FULL_DISK, FAULT_WRITES, FAULT_SYNCS, FAULT_READS, FAULT_SLOWLY };
static _Atomic int fault;
static _Atomic unsigned calls;

struct layer_file { sqlite3_file base; sqlite3_file *real; };
static sqlite3_vfs *under;
static _Thread_local int last_error;

static int strike(int rc, int error)
{
    last_error = error;
    return rc;
}

#define REAL(f) (((struct layer_file *)(f))->real)
#define PASS(name, args, call) static int layer_##name args { return REAL(f)->pMethods->name call; }

static int writes(void)
{
    calls++;
    if (fault == FAULT_SLOWLY)
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    return fault == FAULT_FULL_DISK ? strike(SQLITE_FULL, ENOSPC) : fault == FAULT_WRITES ? strike(SQLITE_IOERR_WRITE, EIO) : SQLITE_OK;
}

static int layer_xClose(sqlite3_file *f) { return REAL(f)->pMethods->xClose(REAL(f)); }
static int layer_xRead(sqlite3_file *f, void *data, int n, sqlite3_int64 at)
{
    return fault == FAULT_READS ? strike(SQLITE_IOERR_READ, EIO) : REAL(f)->pMethods->xRead(REAL(f), data, n, at);
}
static int layer_xWrite(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
    int rc = writes();
    return rc != SQLITE_OK ? rc : REAL(f)->pMethods->xWrite(REAL(f), data, n, at);
}
static int layer_xTruncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = writes();
    return rc != SQLITE_OK ? rc : REAL(f)->pMethods->xTruncate(REAL(f), size);
}
static int layer_xSync(sqlite3_file *f, int flags)
{
    calls++;
    return fault == FAULT_SYNCS ? strike(SQLITE_IOERR_FSYNC, EIO) : REAL(f)->pMethods->xSync(REAL(f), flags);
}
PASS(xFileSize, (sqlite3_file * f, sqlite3_int64 *size), (REAL(f), size))
PASS(xLock, (sqlite3_file * f, int level), (REAL(f), level))
PASS(xUnlock, (sqlite3_file * f, int level), (REAL(f), level))
PASS(xCheckReservedLock, (sqlite3_file * f, int *ret), (REAL(f), ret))
PASS(xFileControl, (sqlite3_file * f, int op, void *arg), (REAL(f), op, arg))
PASS(xSectorSize, (sqlite3_file * f), (REAL(f)))
PASS(xDeviceCharacteristics, (sqlite3_file * f), (REAL(f)))
PASS(xShmMap, (sqlite3_file * f, int page, int size, int extend, void volatile **ret), (REAL(f), page, size, extend, ret))
PASS(xShmLock, (sqlite3_file * f, int offset, int n, int flags), (REAL(f), offset, n, flags))
static void layer_xShmBarrier(sqlite3_file *f) { REAL(f)->pMethods->xShmBarrier(REAL(f)); }
PASS(xShmUnmap, (sqlite3_file * f, int del), (REAL(f), del))

static const sqlite3_io_methods methods = {
    2,           layer_xClose,  layer_xRead, layer_xWrite,  layer_xTruncate,           layer_xSync,        layer_xFileSize, layer_xLock, layer_xUnlock, layer_xCheckReservedLock,
    layer_xFileControl, layer_xSectorSize, layer_xDeviceCharacteristics, layer_xShmMap, layer_xShmLock, layer_xShmBarrier, layer_xShmUnmap, NULL, NULL};

static int layer_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    struct layer_file *file = (struct layer_file *)f;
    (void)vfs;
    file->real = (sqlite3_file *)(file + 1);
    file->base.pMethods = NULL;
    int rc = under->xOpen(under, name, file->real, flags, ret_flags);
    if (rc == SQLITE_OK)
        file->base.pMethods = &methods;
    return rc;
}

static int layer_error(sqlite3_vfs *vfs, int len, char *text)
{
    (void)vfs, (void)len, (void)text;
    return last_error;
}

static sqlite3_vfs layer;
static void put_layer(void)
{
    under = sqlite3_vfs_find(NULL);
    layer = *under;
    layer.zName = "faults";
    layer.szOsFile = (int)sizeof(struct layer_file) + under->szOsFile;
    layer.xOpen = layer_open;
    layer.xGetLastError = layer_error;
    layer.pNext = NULL;
    assert_int_equal(sqlite3_vfs_register(&layer, 1), SQLITE_OK);
}

static int setup(void **state)
{
    fault = FAULT_NOTHING;
    return disk_setup_cmocka(state);
}

static int teardown(void **state)
{
    fault = FAULT_NOTHING;
    return disk_teardown(state);
}

static void tell_some(struct disk *d, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct record r = random_record(d, ++d->t);
        store_record(d->store, &r);
    }
}

static int64_t told(const struct disk *d) { return disk_ask(d, "SELECT count(*) FROM told"); }

/* --- the disk --- */

static void fails_and_comes_back(struct disk *d, int what, bool (*seen)(struct disk *), const char *word)
{
    disk_open(d);
    tell_some(d, 100);
    assert_true(disk_wait(d, disk_is_ok, 10));
    fault = what;
    tell_some(d, 100);
    assert_int_equal(store_reserve(d->store, "p", "m", 5, d->t, 1, disk_reserved, d), 0);
    assert_true(disk_wait(d, seen, 20));
    for (int i = 0; i < 100 && d->bad == 0; i++) {
        struct pollfd p = {.fd = store_fd(d->store), .events = POLLIN};
        poll(&p, 1, 50);
        store_dispatch(d->store);
    }
    assert_int_equal(d->bad, 1);
    assert_int_equal(d->good, 0);
    struct store_report report = disk_report(d);
    if (!strstr(report.why, word))
        fail_msg("\"%s\" does not say \"%s\"", report.why, word);
    assert_int_equal(store_reserve(d->store, "p", "m", 5, d->t, 2, disk_reserved, d), -EAGAIN);
    tell_some(d, 100);
    fault = FAULT_NOTHING;
    assert_true(disk_wait(d, disk_is_ok, 40));
    assert_int_equal(disk_report(d).dropped, 0);
    assert_int_equal(store_reserve(d->store, "p", "m", 7, d->t, 3, disk_reserved, d), 0);
    disk_close(d);
    disk_check(d);
    assert_int_equal(told(d), 300);
    assert_int_equal(disk_ask(d, "SELECT pico FROM money"), 7); /* the one that failed is not in it */
    assert_false(disk_has(d, "history.db.bad"));
}

static void test_full(void **state) { fails_and_comes_back(*state, FAULT_FULL_DISK, disk_is_full, "full"); }
static void test_writes_fail(void **state) { fails_and_comes_back(*state, FAULT_WRITES, disk_is_broken, "I/O error"); }

/* Only a checkpoint of SQLite's log syncs: what fails there is found later and harms nothing. */
static void test_syncs_fail(void **state)
{
    struct disk *d = *state;
    disk_open(d);
    tell_some(d, 100);
    fault = FAULT_SYNCS;
    for (int i = 0; i < 3; i++) {
        struct buf data = BUF_INIT;
        for (int k = 0; k < 300000; k++)
            buf_add(&data, "0123456789abcdef", 16);
        store_checkpoint(d->store, d->t, &data);
        tell_some(d, 100);
        usec_t end = store_monotonic() + 2500000;
        while (store_monotonic() < end)
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    fault = FAULT_NOTHING;
    assert_true(disk_wait(d, disk_is_ok, 40));
    disk_close(d);
    disk_check(d);
    assert_int_equal(told(d), 400);
}

static void test_reads_fail_at_the_start(void **state)
{
    struct disk *d = *state;
    disk_open(d);
    tell_some(d, 100);
    disk_close(d);
    fault = FAULT_READS;
    disk_open(d);
    assert_true(disk_is_broken(d));
    assert_false(disk_has(d, "history.db.bad")); /* it may be the disk */
    tell_some(d, 50);
    fault = FAULT_NOTHING;
    assert_true(disk_wait(d, disk_is_ok, 40));
    disk_close(d);
    assert_int_equal(told(d), 150);
}

/* Other files can be written, this one never again: after some tries it is set aside. */
static void test_a_file_that_stays_broken(void **state)
{
    struct disk *d = *state;
    disk_open(d);
    d->store->retry_most = 200 * USEC_PER_MSEC;
    tell_some(d, 100);
    assert_true(disk_wait(d, disk_is_ok, 10));
    fault = FAULT_WRITES;
    tell_some(d, 50);
    usec_t end = store_monotonic() + 90 * USEC_PER_SEC;
    while (!disk_has(d, "history.db.bad") && store_monotonic() < end)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    fault = FAULT_NOTHING;
    assert_true(disk_has(d, "history.db.bad"));
    assert_true(disk_wait(d, disk_is_set_aside, 40));
    disk_close(d);
    disk_check(d);
    assert_int_equal(told(d), 50);
}

static void test_slow(void **state)
{
    struct disk *d = *state;
    disk_open(d);
    tell_some(d, 100);
    assert_true(disk_wait(d, disk_is_ok, 10));
    fault = FAULT_SLOWLY;
    usec_t worst = 0;
    for (int i = 0; i < 30; i++) {
        usec_t began = store_monotonic();
        tell_some(d, 100);
        struct store_report report = disk_report(d);
        (void)!store_reserve(d->store, "p", "m", 1, d->t, 1, disk_reserved, d);
        store_dispatch(d->store);
        usec_t took = store_monotonic() - began;
        worst = took > worst ? took : worst;
        assert_int_equal(report.dropped, 0);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    fprintf(stderr, "the loop waited %.1f ms at most, with writes of 200 ms\n", (double)worst / 1000);
    assert_true(worst < 150 * USEC_PER_MSEC); /* never for a write */
    assert_true(disk_wait(d, disk_is_slow, 40));
    assert_int_equal(store_reserve(d->store, "p", "m", 1, d->t, 1, disk_reserved, d), -EAGAIN);
    fault = FAULT_NOTHING;
    assert_true(disk_wait(d, disk_is_ok, 40));
    disk_close(d);
    disk_check(d);
    assert_int_equal(told(d), 100 + 30 * 100);
}

static bool flock_is_held(const struct disk *d)
{
    char name[120];
    snprintf(name, sizeof name, "%s.lock", d->file);
    int fd = open(name, O_RDWR);
    bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
    close(fd);
    return held;
}

static void test_a_disk_that_is_gone_does_not_hold_up_the_end(void **state)
{
    struct disk *d = *state;
    disk_open(d);
    fault = FAULT_SLOWLY;
    tell_some(d, 3000);
    usec_t began = store_monotonic();
    d->store = store_close(d->store, USEC_PER_SEC / 2);
    assert_true(store_monotonic() - began < 5 * USEC_PER_SEC);
    fault = FAULT_NOTHING;
    while (flock_is_held(d)) /* until the one left behind has ended */
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* --- damage --- */

static void fill(struct disk *d)
{
    struct writer w;
    struct file_opened opened;
    assert_int_equal(writer_open(&w, d->file, 0, &opened), SQLITE_OK);
    for (int batch = 0; batch < 30; batch++) {
        assert_true(writer_begin(&w));
        for (int i = 0; i < 60; i++) {
            struct record r = random_record(d, d->t += 1000000);
            struct item item = {.kind = ITEM_RECORD, .t = d->t, .record = &r};
            writer_put(&w, &item);
        }
        struct item reserve = {.kind = ITEM_RESERVE, .t = d->t, .money = {.platform = (char[]){"p1"}, .model = (char[]){"model-1"}, .pico = 10, .hour_of = d->t}};
        writer_put(&w, &reserve);
        struct item clock = {.kind = ITEM_CLOCK, .t = d->t, .offset = 77};
        writer_put(&w, &clock);
        struct item checkpoint = {.kind = ITEM_CHECKPOINT, .t = d->t};
        buf_printf(&checkpoint.checkpoint.data, "%06000d", batch);
        writer_put(&w, &checkpoint);
        buf_done(&checkpoint.checkpoint.data);
        rollup_work(&w);
        assert_true(writer_commit(&w));
    }
    writer_close(&w);
}

static void copy(const char *from, const char *to)
{
    char block[65536];
    int a = open(from, O_RDONLY), b = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n;
    assert_true(a >= 0 && b >= 0);
    while ((n = read(a, block, sizeof block)) > 0)
        assert_int_equal(write(b, block, (size_t)n), n);
    close(a);
    close(b);
}

static void damage(struct disk *d, off_t size)
{
    uint8_t rubbish[8192];
    int fd = open(d->file, O_WRONLY);
    size_t len = 1 + (size_t)disk_below(d, sizeof rubbish);
    off_t at = (off_t)disk_below(d, (uint64_t)size);
    switch (disk_below(d, 4)) {
    case 0: assert_int_equal(ftruncate(fd, at), 0); break;
    case 1:
        for (size_t i = 0; i < len; i++)
            rubbish[i] = (uint8_t)disk_random(d);
        assert_int_equal(pwrite(fd, rubbish, len, at), (ssize_t)len);
        break;
    case 2:
        memset(rubbish, 0, sizeof rubbish);
        assert_int_equal(pwrite(fd, rubbish, 4096, at & ~(off_t)4095), 4096);
        break;
    default:
        rubbish[0] = (uint8_t)disk_random(d);
        for (int i = 0; i < 20; i++)
            assert_int_equal(pwrite(fd, rubbish, 1, (off_t)disk_below(d, (uint64_t)size)), 1);
    }
    close(fd);
}

static int any_record(void *arg, const struct record *record)
{
    *(unsigned *)arg += 1;
    assert_true(record->kind < RECORD_KIND_COUNT && memchr(record->o.detail, 0, sizeof record->o.detail));
    return 0;
}

static void any_money(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    (void)platform, (void)model, (void)hour, (void)tripped;
    *(int64_t *)arg += pico;
}

/* Whatever stands in the file: it is opened, or set aside with a copy of what can be read; then recording goes on into a file that is whole. */
static void test_damaged_files(void **state)
{
    struct disk *d = *state;
    char whole[120];
    unsigned rounds = disk_rounds(60), aside = 0, kept_clock = 0, kept_money = 0, kept_checkpoint = 0;
    struct stat st;
    fill(d);
    snprintf(whole, sizeof whole, "%s/whole", d->dir);
    assert_int_equal(rename(d->file, whole), 0);
    assert_int_equal(stat(whole, &st), 0);
    for (unsigned round = 0; round < rounds; round++) {
        struct writer w;
        struct file_opened opened;
        copy(whole, d->file);
        damage(d, st.st_size);
        int rc = writer_open(&w, d->file, d->t, &opened);
        if (rc != SQLITE_OK)
            fail_msg("round %u: %s: %s", round, sqlite3_errstr(rc), opened.why);
        if (opened.aside[0]) {
            aside++;
            assert_non_null(strstr(opened.note, opened.aside));
            assert_int_equal(access(opened.aside, F_OK), 0);
            kept_clock += disk_ask(d, "SELECT max(offset) FROM clock") == 77;
            kept_money += disk_ask(d, "SELECT sum(pico) FROM money") == 300;
            kept_checkpoint += disk_ask(d, "SELECT count(*) FROM checkpoint") > 0;
        }
        writer_close(&w);
        struct store store = {.file = d->file};
        struct buf data = BUF_INIT;
        usec_t t;
        int64_t number, money = 0;
        unsigned records = 0;
        (void)!store_last_checkpoint(&store, &data, &t, &number);
        assert_true(data.len == 0 || data.len == 6000);
        (void)!store_each(&store, 0, 0, any_record, &records);
        (void)!store_money(&store, d->t, any_money, &money);
        buf_done(&data);
        if (opened.aside[0])
            disk_check(d);
        unlink(d->file);
        char name[140];
        snprintf(name, sizeof name, "%s-wal", d->file), unlink(name);
        snprintf(name, sizeof name, "%s-shm", d->file), unlink(name);
    }
    fprintf(stderr, "%u rounds: %u set aside; of those the clock was kept in %u, all money in %u, a checkpoint in %u\n", rounds, aside, kept_clock, kept_money,
            kept_checkpoint);
    assert_true(aside > rounds / 3);
    assert_true(kept_clock > aside / 4);
}

/* It is whole when it is opened, and damaged while it is used. */
static void test_damaged_in_use(void **state)
{
    struct disk *d = *state;
    fill(d);
    disk_open(d);
    tell_some(d, 100);
    assert_true(disk_wait(d, disk_is_ok, 10));
    assert_int_equal(disk_ask(d, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    int fd = open(d->file, O_WRONLY);
    struct stat st;
    char rubbish[4096];
    memset(rubbish, 0xa5, sizeof rubbish);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 4096; at < st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, at), (ssize_t)sizeof rubbish);
    close(fd);
    for (int i = 0; i < 200 && disk_report(d).aside[0] == '\0'; i++) {
        tell_some(d, 20);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    assert_true(disk_wait(d, disk_is_set_aside, 20));
    tell_some(d, 10);
    disk_close(d);
    disk_check(d);
    assert_true(told(d) >= 10);
    assert_true(disk_has(d, "history.db.bad"));
}

int main(void)
{
    put_layer();
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_full), T(test_writes_fail), T(test_syncs_fail), T(test_reads_fail_at_the_start), T(test_slow),
        T(test_a_disk_that_is_gone_does_not_hold_up_the_end), T(test_damaged_files), T(test_damaged_in_use), T(test_a_file_that_stays_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
