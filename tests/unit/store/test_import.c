/* Dumps into files: all or nothing, what is known is passed over, sums are those of plain counting however the dump was cut into pieces, and a daemon goes on from there. */
#include "tests/unit/store/disk.h"

#define DAYS 12
#define NOW (T0 + DAYS * USEC_PER_DAY)

struct dump { struct record *all; size_t len; };

static struct dump make_dump(struct disk *d, size_t len)
{
    struct dump dump = {alloc_zero(len, sizeof *dump.all), len};
    usec_t t = T0;
    for (size_t i = 0; i < len; i++) {
        dump.all[i] = random_record(d, t);
        if (dump.all[i].kind > RECORD_MODELS) /* of which two could be the same */
            dump.all[i].t = ++t;
        if (disk_below(d, 5))
            t += (usec_t)disk_below(d, (uint64_t)(2 * (DAYS * USEC_PER_DAY - USEC_PER_MINUTE) / (usec_t)len));
        t = t < NOW - 60 ? t : NOW - 60;
    }
    return dump;
}

/* A file of the records of [from, to), and `more` at its end. */
static int put_lines(struct disk *d, const struct dump *dump, size_t from, size_t to, const char *more)
{
    char name[120];
    struct buf b = BUF_CAP((size_t)1 << 30);
    snprintf(name, sizeof name, "%s/dump", d->dir);
    for (size_t i = from; i < to; i++)
        record_print(&dump->all[i], &b);
    buf_add_str(&b, more);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, buf_str(&b), b.len), (ssize_t)b.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    buf_done(&b);
    return fd;
}

static int import_at(struct disk *d, usec_t wall, int fd, struct store_import *import, struct err *err)
{
    struct store_setup setup = {.directory = d->dir, .wall = wall};
    int r = store_import(&setup, fd, import, err);
    close(fd);
    return r;
}

static struct store_import import_part(struct disk *d, const struct dump *dump, size_t from, size_t to)
{
    struct store_import import = {.lines = 0};
    struct err err = {""};
    if (import_at(d, NOW, put_lines(d, dump, from, to, ""), &import, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(import.lines, to - from);
    return import;
}

static int64_t count_chats(const struct dump *dump, usec_t before)
{
    int64_t n = 0;
    for (size_t i = 0; i < dump->len; i++)
        n += dump->all[i].kind == RECORD_CHAT && dump->all[i].t < before;
    return n;
}

/* A number that differs when any row of the sums does. */
static int64_t sums_of(const struct disk *d)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    struct buf b = BUF_CAP((size_t)1 << 30);
    assert_int_equal(sqlite3_open(d->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT span, platform, model, t, n, ok, failed, limited, ours, round(speed_sum, 6), speed_n, cost, prompt_tokens, output_tokens, "
                                        "hex(ttft), hex(total), hex(flight) FROM rollup JOIN route ON route.id = route ORDER BY span, platform, model, t", -1, &s, NULL),
                     SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(s); i++)
            buf_printf(&b, "%s,", (const char *)sqlite3_column_text(s, i));
    sqlite3_finalize(s);
    sqlite3_close(db);
    int64_t sum = (int64_t)checkpoint_sum(b.data, b.len);
    assert_true(b.len > 10000);
    buf_done(&b);
    return sum;
}

/* The place of the first record of the hour that record `at` is in. */
static size_t begin_of_hour(const struct dump *dump, size_t at)
{
    usec_t hour = dump->all[at].t / USEC_PER_HOUR;
    while (at > 0 && dump->all[at - 1].t / USEC_PER_HOUR == hour)
        at--;
    return at;
}

struct expected { const struct dump *dump; size_t at; };

/* A dump does not hold all that a record does: what it holds is compared. */
static bool same_line(const struct record *x, const struct record *y)
{
    struct buf a = BUF_INIT, b = BUF_INIT;
    record_print(x, &a);
    record_print(y, &b);
    bool same = strcmp(a.data, b.data) == 0;
    buf_done(&a);
    buf_done(&b);
    return same;
}

static int compare_next(void *arg, const struct record *record)
{
    struct expected *e = arg;
    assert_true(e->at < e->dump->len);
    assert_true(same_line(&e->dump->all[e->at], record));
    e->at++;
    return 0;
}

static void test_whole_and_again(void **state)
{
    struct disk *d = *state;
    struct dump dump = make_dump(d, 6000);
    struct store_import first = import_part(d, &dump, 0, dump.len);
    assert_int_equal(first.bad + first.known, 0);
    disk_check(d);
    assert_int_equal(disk_ask(d, "SELECT sum(n) FROM rollup WHERE span = 86400"), count_chats(&dump, NOW - NOW % USEC_PER_HOUR));
    assert_int_equal(disk_ask(d, "SELECT sum(n) FROM rollup WHERE span = 3600"), count_chats(&dump, NOW - NOW % USEC_PER_HOUR));
    int64_t sums = sums_of(d), told = disk_ask(d, "SELECT count(*) FROM told");
    struct store_import second = import_part(d, &dump, 0, dump.len);
    assert_true(second.known > second.added);
    assert_int_equal(sums_of(d), sums);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM told"), told);
    /* Single records are those of the last seven days, as they were told. */
    struct expected e = {&dump, 0};
    while (dump.all[e.at].t < NOW - 7 * USEC_PER_DAY)
        e.at++;
    d->t = NOW;
    disk_open(d);
    assert_int_equal(store_each(d->store, 0, 0, compare_next, &e), 0);
    assert_int_equal(e.at, dump.len);
    free(dump.all);
}

static void test_in_pieces(void **state)
{
    struct disk *d = *state;
    struct dump dump = make_dump(d, 5000);
    import_part(d, &dump, 0, dump.len);
    int64_t sums = sums_of(d), told = disk_ask(d, "SELECT count(*) FROM told"), prices = disk_ask(d, "SELECT count(*) FROM balance");
    for (int round = 0; round < 4; round++) {
        unlink(d->file);
        for (int n = 0; n < 8; n++) {
            size_t from = begin_of_hour(&dump, (size_t)disk_below(d, dump.len)), to = begin_of_hour(&dump, (size_t)disk_below(d, dump.len));
            if (from < to)
                import_part(d, &dump, from, to);
        }
        import_part(d, &dump, 0, dump.len); /* what is missing still */
        assert_int_equal(sums_of(d), sums);
        assert_int_equal(disk_ask(d, "SELECT count(*) FROM told"), told);
        assert_int_equal(disk_ask(d, "SELECT count(*) FROM balance"), prices);
    }
    free(dump.all);
}

/* Not sorted: a wall clock that was set back. */
static void test_in_disorder(void **state)
{
    struct disk *d = *state;
    struct dump dump = make_dump(d, 3000);
    import_part(d, &dump, 0, dump.len);
    int64_t sums = sums_of(d);
    unlink(d->file);
    for (int i = 0; i < 200; i++) {
        size_t a = (size_t)disk_below(d, dump.len - 50), b = a + (size_t)disk_below(d, 50);
        struct record swap = dump.all[a];
        dump.all[a] = dump.all[b];
        dump.all[b] = swap;
    }
    import_part(d, &dump, 0, dump.len);
    assert_int_equal(sums_of(d), sums);
    free(dump.all);
}

static void test_a_bad_line(void **state)
{
    struct disk *d = *state;
    struct dump dump = make_dump(d, 1000);
    struct store_import import = {.lines = 0};
    struct err err = {""};
    import_part(d, &dump, 0, 200);
    int64_t sums = disk_ask(d, "SELECT sum(n) FROM rollup"), told = disk_ask(d, "SELECT count(*) FROM told"), routes = disk_ask(d, "SELECT count(*) FROM route");
    assert_int_equal(import_at(d, NOW, put_lines(d, &dump, 0, dump.len, "{\"t\":1,\"kind\":\"chat\"}\n"), &import, &err), -EINVAL);
    assert_non_null(strstr(err.text, "line 1001"));
    assert_int_equal(disk_ask(d, "SELECT sum(n) FROM rollup"), sums);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM told"), told);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM route"), routes);
    disk_check(d);
    import.skip_bad = true;
    assert_int_equal(import_at(d, NOW, put_lines(d, &dump, 0, dump.len, "{\"t\":1,\"kind\":\"chat\"}\nnot json\n\n"), &import, &err), 0);
    assert_int_equal(import.bad, 2);
    assert_int_equal(import.lines, 1003);
    import.skip_bad = false;
    assert_int_equal(import_at(d, T0 - USEC_PER_DAY, put_lines(d, &dump, 0, dump.len, ""), &import, &err), -EINVAL);
    assert_non_null(strstr(err.text, "line 1: "));
    assert_non_null(strstr(err.text, "future"));
    char *endless = alloc_zero(1, 3 * RECORD_LINE_MAX);
    memset(endless, 'x', 3 * RECORD_LINE_MAX - 1);
    assert_int_equal(import_at(d, NOW, put_lines(d, &dump, 0, 10, endless), &import, &err), -E2BIG);
    free(endless);
    assert_int_equal(import_at(d, NOW, open("/", O_RDONLY), &import, &err), -EISDIR);
    free(dump.all);
}

/* A daemon has told it all already; and goes on after the import. */
static void test_into_a_daemons_file(void **state)
{
    struct disk *d = *state;
    struct dump dump = make_dump(d, 3000);
    struct err err = {""};
    struct store_import import = {.lines = 0};
    size_t from = begin_of_hour(&dump, 2000); /* an hour that has a sum is known as a whole */
    d->t = NOW;
    disk_open(d);
    for (size_t i = from; i < dump.len; i++)
        store_record(d->store, &dump.all[i]);
    assert_int_equal(import_at(d, NOW, put_lines(d, &dump, 0, 10, ""), &import, &err), -EBUSY);
    assert_non_null(strstr(err.text, "stop it first"));
    disk_close(d);
    import = import_part(d, &dump, from, dump.len);
    assert_int_equal(import.known, dump.len - from);
    import = import_part(d, &dump, 0, dump.len);
    assert_true(import.known >= dump.len - from);
    assert_int_equal(disk_ask(d, "SELECT sum(n) FROM rollup WHERE span = 86400"), count_chats(&dump, NOW - NOW % USEC_PER_HOUR));
    disk_open(d);
    int more = 0;
    for (int i = 0; i < 400; i++, more++) {
        struct record r = random_record(d, d->t += 2 * USEC_PER_SEC);
        r.kind = RECORD_CHAT;
        strcpy(r.platform, "p");
        strcpy(r.model, "m");
        random_observation(d, &r);
        store_record(d->store, &r);
        if (i % 133 == 132)
            assert_true(disk_wait(d, disk_is_ok, 10));
    }
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT (SELECT sum(n) FROM rollup JOIN route ON route.id = route WHERE span = 60 AND platform = 'p') + (SELECT count(*) FROM told JOIN route "
                                 "ON route.id = route WHERE platform = 'p' AND told.id >= (SELECT value FROM meta WHERE key = 'rolled'))"),
                     more);
    disk_check(d);
    free(dump.all);
}

/* What is too old for single records and lies after the file's last minute is in the sums all the same. */
static void test_after_a_long_gap(void **state)
{
    struct disk *d = *state;
    struct dump dump = make_dump(d, 2000);
    size_t end = begin_of_hour(&dump, 300); /* where only sums are kept, a part of an hour would count as all of it */
    import_part(d, &dump, 0, end);
    struct store_import import = {.lines = 0};
    struct err err = {""};
    assert_int_equal(import_at(d, NOW + 30 * USEC_PER_DAY, put_lines(d, &dump, begin_of_hour(&dump, end - 1), dump.len, ""), &import, &err), 0);
    assert_int_equal(disk_ask(d, "SELECT sum(n) FROM rollup WHERE span = 86400"), count_chats(&dump, NOW));
    free(dump.all);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, disk_setup_cmocka, disk_teardown)
    const struct CMUnitTest tests[] = {T(test_whole_and_again), T(test_in_pieces), T(test_in_disorder), T(test_a_bad_line), T(test_into_a_daemons_file),
                                       T(test_after_a_long_gap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
