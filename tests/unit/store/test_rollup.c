/* Sums of minutes, hours and days against plain counting, whatever interrupts them; and what goes when it is too old or too much. */
#include "tests/unit/store/disk.h"

#include <math.h>

#define TOLD_MOST 20000

struct rolled {
    struct disk *d;
    struct writer w;
    struct record *all;
    size_t len;
};

static void rolled_open(struct rolled *r, struct disk *d)
{
    struct file_opened opened;
    r->d = d;
    assert_int_equal(writer_open(&r->w, d->file, 0, &opened), SQLITE_OK);
}

static void tell(struct rolled *r)
{
    struct record *record = &r->all[r->len++];
    *record = random_record(r->d, r->d->t);
    if (disk_below(r->d, 3)) {
        record->kind = RECORD_CHAT;
        snprintf(record->platform, sizeof record->platform, "p%u", (unsigned)disk_below(r->d, 3));
        strcpy(record->model, "m");
        random_observation(r->d, record);
    }
    struct item item = {.kind = ITEM_RECORD, .t = record->t, .record = record};
    writer_put(&r->w, &item);
}

/* What a span of a platform's model must hold. */
static void check_row(const struct rolled *r, sqlite3_stmt *s, usec_t rolled)
{
    int64_t span = sqlite3_column_int64(s, 0), begin = sqlite3_column_int64(s, 3);
    const char *platform = (const char *)sqlite3_column_text(s, 1), *model = (const char *)sqlite3_column_text(s, 2);
    struct tally sum = {.n = 0};
    for (size_t i = 0; i < r->len; i++) {
        const struct record *c = &r->all[i];
        if (c->kind == RECORD_CHAT && strcmp(c->platform, platform) == 0 && strcmp(c->model, model) == 0 && c->t >= begin && c->t < begin + span * USEC_PER_SEC &&
            c->t < rolled)
            rollup_record(&sum, &c->o);
    }
    assert_int_equal(sqlite3_column_int64(s, 4), sum.n);
    assert_int_equal(sqlite3_column_int64(s, 5), sum.ok);
    assert_int_equal(sqlite3_column_int64(s, 6), sum.failed);
    assert_int_equal(sqlite3_column_int64(s, 7), sum.limited);
    assert_int_equal(sqlite3_column_int64(s, 8), sum.ours);
    assert_true(fabs(sqlite3_column_double(s, 9) - sum.speed_sum) < 1e-6 * (1 + sum.speed_sum));
    assert_int_equal(sqlite3_column_int64(s, 10), sum.speed_n);
    assert_int_equal(sqlite3_column_int64(s, 11), sum.cost);
    assert_int_equal(sqlite3_column_int64(s, 12), sum.prompt_tokens);
    assert_int_equal(sqlite3_column_int64(s, 13), sum.output_tokens);
    struct buf b = BUF_INIT;
    histogram_write(&sum.ttft, &b);
    assert_int_equal(sqlite3_column_bytes(s, 14), b.len);
    assert_memory_equal(sqlite3_column_bytes(s, 14) ? sqlite3_column_blob(s, 14) : "", buf_str(&b), b.len);
    buf_clear(&b);
    rollup_load_write(sum.load, &b);
    assert_int_equal(sqlite3_column_bytes(s, 16), b.len);
    assert_memory_equal(sqlite3_column_bytes(s, 16) ? sqlite3_column_blob(s, 16) : "", buf_str(&b), b.len);
    buf_done(&b);
    tally_done(&sum);
}

/* Each row is right, and no chat before the mark is missing. */
static void check_rows(struct rolled *r)
{
    sqlite3_stmt *s = NULL;
    usec_t rolled = rollup_mark(&r->w), up = rollup_mark_up(&r->w);
    int64_t n[3] = {0, 0, 0}, expected[3] = {0, 0, 0};
    assert_int_equal(sqlite3_prepare_v2(r->w.db,
                                        "SELECT span, platform, model, t, n, ok, failed, limited, ours, speed_sum, speed_n, cost, prompt_tokens, output_tokens, ttft, total, "
                                        "flight FROM rollup JOIN route ON route.id = route", -1, &s, NULL),
                     SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW) {
        int64_t span = sqlite3_column_int64(s, 0);
        check_row(r, s, span == 60 ? rolled : up);
        n[span == 60 ? 0 : span == 3600 ? 1 : 2] += sqlite3_column_int64(s, 4);
    }
    sqlite3_finalize(s);
    for (size_t i = 0; i < r->len; i++) {
        bool chat = r->all[i].kind == RECORD_CHAT;
        expected[0] += chat && r->all[i].t < rolled;
        expected[1] += chat && r->all[i].t < up;
    }
    assert_int_equal(n[0], expected[0]);
    assert_int_equal(n[1], expected[1]);
    assert_int_equal(n[2], expected[1]);
}

static void test_sums(void **state)
{
    struct rolled r = {.all = alloc_zero(TOLD_MOST, sizeof *r.all)};
    struct disk *d = *state;
    rolled_open(&r, d);
    while (r.len < 4000) {
        size_t before = r.len;
        assert_true(writer_begin(&r.w));
        for (unsigned n = (unsigned)disk_below(d, 60); n > 0; n--) {
            d->t += disk_below(d, 200) ? (usec_t)disk_below(d, 60 * USEC_PER_SEC) + 1 : (usec_t)disk_below(d, 5 * USEC_PER_HOUR) + 1;
            tell(&r);
        }
        rollup_work(&r.w);
        int64_t last = r.w.last_told;
        switch (disk_below(d, 6)) {
        case 0: /* as if the disk had failed */
            writer_rollback(&r.w);
            r.len = before;
            r.w.last_told = 0;
            sqlite3_stmt *s = writer_sql(&r.w, SQL_TOLD_LAST);
            if (writer_step(&r.w, s))
                r.w.last_told = sqlite3_column_int64(s, 0);
            sqlite3_reset(s);
            break;
        case 1: /* as if it had been killed before the end of the transaction */
            writer_close(&r.w);
            r.len = before;
            rolled_open(&r, d);
            break;
        case 2:
            assert_true(writer_commit(&r.w));
            writer_close(&r.w);
            rolled_open(&r, d);
            assert_int_equal(r.w.last_told, last);
            break;
        default: assert_true(writer_commit(&r.w));
        }
    }
    check_rows(&r);
    for (int i = 0; i < 3000; i++) { /* the rest of what is over */
        assert_true(writer_begin(&r.w));
        rollup_work(&r.w);
        assert_true(writer_commit(&r.w));
    }
    assert_int_equal(rollup_mark(&r.w), d->t - d->t % USEC_PER_MINUTE > r.w.last_told ? rollup_mark(&r.w) : r.w.last_told - r.w.last_told % USEC_PER_MINUTE);
    assert_int_equal(rollup_mark_up(&r.w), r.w.last_told - r.w.last_told % USEC_PER_HOUR);
    check_rows(&r);
    /* All of it, as for an import, and on from there. */
    assert_true(writer_begin(&r.w));
    rollup_all(&r.w, r.w.last_told - r.w.last_told % USEC_PER_HOUR);
    assert_true(writer_commit(&r.w));
    check_rows(&r);
    assert_true(writer_begin(&r.w));
    d->t = r.w.last_told;
    for (int i = 0; i < 300; i++) {
        d->t += (usec_t)disk_below(d, 40 * USEC_PER_SEC) + 1;
        tell(&r);
        rollup_work(&r.w);
    }
    assert_true(writer_commit(&r.w));
    check_rows(&r);
    writer_close(&r.w);
    free(r.all);
    disk_check(d);
}

static void test_load_blob(void **state)
{
    struct disk *d = *state;
    for (int round = 0; round < 2000; round++) {
        struct tally_load load[LOAD_BUCKETS] = {{0}}, back[LOAD_BUCKETS] = {{0}};
        struct buf b = BUF_INIT;
        for (int i = 0; i < LOAD_BUCKETS; i++)
            load[i] = (struct tally_load){(int64_t)(disk_random(d) >> (9 + disk_below(d, 55))), (int64_t)disk_below(d, 300), (int64_t)disk_below(d, 3)};
        load[1].n += 1;
        rollup_load_write(load, &b);
        assert_int_equal(rollup_load_read(back, b.data, b.len), 0);
        assert_memory_equal(load, back, sizeof load);
        assert_int_equal(rollup_load_read(back, b.data, b.len - 1), -EINVAL);
        assert_memory_equal(load, back, sizeof load); /* nothing of it was added */
        for (int i = 0; i < 20; i++) {
            b.data[disk_below(d, b.len)] = (char)disk_random(d);
            (void)!rollup_load_read(back, b.data, b.len);
        }
        buf_done(&b);
    }
}

/* --- retention --- */

static void batches(struct rolled *r, unsigned n, unsigned each, usec_t apart, const struct store_limits *limits)
{
    for (unsigned i = 0; i < n; i++) {
        assert_true(writer_begin(&r->w));
        for (unsigned k = 0; k < each; k++) {
            r->d->t += apart;
            r->len = 0;
            tell(r);
        }
        struct item event = {.kind = ITEM_EVENT, .t = r->d->t, .event = {.name = "state", .text = (char[]){"text"}}};
        writer_put(&r->w, &event);
        rollup_work(&r->w);
        retain_work(&r->w, limits);
        assert_true(writer_commit(&r->w));
    }
}

static void test_by_age(void **state)
{
    struct disk *d = *state;
    struct rolled r = {.all = alloc_zero(4, sizeof *r.all)};
    struct store_limits limits = {.raw = USEC_PER_DAY, .minutes = 6 * USEC_PER_HOUR, .hours = 4 * USEC_PER_DAY, .size = 1LL << 40};
    rolled_open(&r, d);
    batches(&r, 1500, 10, 60 * USEC_PER_SEC, &limits); /* ten days */
    usec_t now = r.w.last_told;
    char sql[200];
    const struct { const char *table, *time; usec_t limit, slack; } kept[] = {
        {"told", "id", limits.raw, 0},
        {"rollup WHERE span = 60", "t", limits.minutes, 3 * USEC_PER_HOUR},
        {"rollup WHERE span = 3600", "t", limits.hours, 3 * USEC_PER_HOUR},
        {"event", "t", limits.hours, 11 * 60 * USEC_PER_SEC},
    };
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        snprintf(sql, sizeof sql, "SELECT min(%s) FROM %s", kept[i].time, kept[i].table);
        int64_t oldest = disk_ask(d, sql);
        if (oldest < now - kept[i].limit - kept[i].slack || oldest > now - kept[i].limit + USEC_PER_HOUR)
            fail_msg("%s: the oldest is %.2f h old", kept[i].table, (double)(now - oldest) / 3.6e9);
    }
    assert_true(disk_ask(d, "SELECT count(DISTINCT t) FROM rollup WHERE span = 86400") >= 10); /* for ever */
    writer_close(&r.w);
    free(r.all);
    disk_check(d);
}

static void test_by_size(void **state)
{
    struct disk *d = *state;
    struct rolled r = {.all = alloc_zero(4, sizeof *r.all)};
    struct store_limits limits = {.raw = 400 * USEC_PER_DAY, .minutes = 400 * USEC_PER_DAY, .hours = 400 * USEC_PER_DAY, .size = 3 << 20};
    rolled_open(&r, d);
    batches(&r, 400, 200, USEC_PER_SEC, &limits);
    int64_t first = disk_ask(d, "SELECT min(id) FROM told"), n = disk_ask(d, "SELECT count(*) FROM told");
    assert_true(first > T0 + USEC_PER_HOUR && n > 100);
    struct stat st;
    writer_close(&r.w);
    assert_int_equal(stat(d->file, &st), 0);
    assert_true(st.st_size < limits.size * 5 / 4);
    rolled_open(&r, d);
    limits.size = 1 << 20; /* made smaller: room is given back */
    batches(&r, 60, 5, USEC_PER_SEC, &limits);
    writer_close(&r.w);
    assert_int_equal(stat(d->file, &st), 0);
    assert_true(st.st_size < limits.size * 3 / 2);
    free(r.all);
    disk_check(d);
}

/* What a start needs stays: nothing that is later than the last checkpoint goes for its size. */
static void test_what_a_start_needs_stays(void **state)
{
    struct disk *d = *state;
    struct rolled r = {.all = alloc_zero(4, sizeof *r.all)};
    struct store_limits limits = {.raw = 400 * USEC_PER_DAY, .minutes = USEC_PER_DAY, .hours = 400 * USEC_PER_DAY, .size = 1};
    rolled_open(&r, d);
    assert_true(writer_begin(&r.w));
    r.len = 0;
    tell(&r);
    struct item checkpoint = {.kind = ITEM_CHECKPOINT, .t = d->t};
    buf_add_str(&checkpoint.checkpoint.data, "memory");
    writer_put(&r.w, &checkpoint);
    buf_done(&checkpoint.checkpoint.data);
    assert_true(writer_commit(&r.w));
    batches(&r, 100, 10, 10 * USEC_PER_SEC, &limits);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM told"), 1000);
    writer_close(&r.w);
    free(r.all);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, disk_setup_cmocka, disk_teardown)
    const struct CMUnitTest tests[] = {T(test_sums), T(test_load_blob), T(test_by_age), T(test_by_size), T(test_what_a_start_needs_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
