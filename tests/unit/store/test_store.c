/* The store as the daemon uses it: what is told comes back as it was, money and checkpoints are safe, tables hold what was said, bounds hold. */
#include "tests/unit/store/disk.h"

struct expected { struct record *all; size_t len, at; };

static int compare_next(void *arg, const struct record *record)
{
    struct expected *e = arg;
    assert_true(e->at < e->len);
    assert_same_record(&e->all[e->at++], record);
    return 0;
}

static void test_what_was_told_comes_back(void **state)
{
    struct disk *d = *state;
    struct expected e = {.len = 5000};
    e.all = alloc_zero(e.len, sizeof *e.all);
    disk_open(d);
    assert_true(d->opened.made);
    assert_int_equal(d->opened.last, 0);
    for (size_t i = 0; i < e.len; i++) {
        if (disk_below(d, 4)) /* else at the same time */
            d->t += (usec_t)disk_below(d, 100000);
        e.all[i] = random_record(d, d->t);
        store_record(d->store, &e.all[i]);
    }
    usec_t last = d->t;
    disk_close(d);
    disk_check(d);
    disk_open(d);
    assert_false(d->opened.made);
    assert_true(d->opened.last >= last && d->opened.last < last + 5000);
    assert_int_equal(store_each(d->store, 0, 0, compare_next, &e), 0);
    assert_int_equal(e.at, e.len);
    /* From a number on, and from a time on. */
    int64_t middle = disk_ask(d, "SELECT id FROM told ORDER BY id LIMIT 1 OFFSET 2499");
    e.at = 2500;
    assert_int_equal(store_each(d->store, middle, 0, compare_next, &e), 0);
    assert_int_equal(e.at, e.len);
    e.at = 2500;
    assert_int_equal(store_each(d->store, 0, middle + 1, compare_next, &e), 0);
    assert_int_equal(e.at, e.len);
    free(e.all);
}

static int stop_at_third(void *arg, const struct record *record)
{
    (void)record;
    return ++*(int *)arg == 3 ? -ECANCELED : 0;
}

static void test_telling_again_can_be_stopped(void **state)
{
    struct disk *d = *state;
    int n = 0;
    disk_open(d);
    for (int i = 0; i < 10; i++) {
        struct record r = random_record(d, d->t++);
        store_record(d->store, &r);
    }
    disk_close(d);
    disk_open(d);
    assert_int_equal(store_each(d->store, 0, 0, stop_at_third, &n), -ECANCELED);
    assert_int_equal(n, 3);
}

/* --- checkpoints --- */

static void tell_checkpoint(struct disk *d, char fill, size_t len)
{
    struct buf data = BUF_INIT;
    for (size_t i = 0; i < len; i++)
        buf_add_char(&data, fill);
    store_checkpoint(d->store, d->t, &data);
    assert_null(data.data);
}

static bool two_checkpoints(struct disk *d) { return disk_ask(d, "SELECT count(*) FROM checkpoint WHERE substr(data, 1, 1) = x'63'") == 1; }
static bool first_checkpoint(struct disk *d) { return disk_ask(d, "SELECT count(*) FROM checkpoint WHERE substr(data, 1, 1) = x'62'") == 1; }
static bool zeroth_checkpoint(struct disk *d) { return disk_ask(d, "SELECT count(*) FROM checkpoint WHERE substr(data, 1, 1) = x'61'") == 1; }

static void test_checkpoints(void **state)
{
    struct disk *d = *state;
    bool (*const there[])(struct disk *) = {zeroth_checkpoint, first_checkpoint, two_checkpoints};
    int64_t told[3];
    disk_open(d);
    for (int i = 0; i < 3; i++) {
        struct record r = random_record(d, ++d->t);
        store_record(d->store, &r);
        told[i] = d->t++;
        tell_checkpoint(d, (char)('a' + i), 100000 + (size_t)i);
        r.t = ++d->t;
        store_record(d->store, &r);
        assert_true(disk_wait(d, there[i], 10));
    }
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM checkpoint"), 2);
    struct buf data = BUF_INIT;
    usec_t t = 0;
    int64_t number = 0;
    disk_open(d);
    assert_int_equal(store_last_checkpoint(d->store, &data, &t, &number), 0);
    assert_int_equal(data.len, 100002);
    assert_int_equal(data.data[50000], 'c');
    assert_int_equal(number, told[2]);
    disk_ask(d, "UPDATE checkpoint SET data = CAST('x' || substr(data, 2) AS BLOB) WHERE id = (SELECT max(id) FROM checkpoint)");
    assert_int_equal(store_last_checkpoint(d->store, &data, &t, &number), 0);
    assert_int_equal(data.len, 100001);
    assert_int_equal(number, told[1]);
    disk_ask(d, "UPDATE checkpoint SET sum = sum + 1");
    assert_int_equal(store_last_checkpoint(d->store, &data, &t, &number), -ENOENT);
    buf_done(&data);
}

static void test_a_newer_checkpoint_replaces_one_that_waits(void **state)
{
    struct disk *d = *state;
    disk_open(d);
    for (int i = 0; i < 200; i++)
        tell_checkpoint(d, 'x', 200000);
    assert_true(disk_report(d).queued <= 2);
    disk_close(d);
}

/* --- money --- */

struct sums { int64_t pico[4]; bool tripped[4]; };

static void add_money(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    struct sums *sums = arg;
    int n = atoi(platform + 1);
    assert_true(n >= 0 && n < 4);
    (void)model;
    (void)hour;
    sums->pico[n] += pico;
    sums->tripped[n] = sums->tripped[n] || tripped;
}

static bool all_came_back(struct disk *d) { return d->good + d->bad >= 4; }

static void test_money(void **state)
{
    struct disk *d = *state;
    struct sums sums = {{0}, {false}};
    disk_open(d);
    usec_t began = store_monotonic();
    for (unsigned i = 0; i < 4; i++) {
        char platform[8] = {'p', (char)('0' + i), '\0'};
        assert_int_equal(store_reserve(d->store, platform, "m", 1000, d->t, i, disk_reserved, d), 0);
    }
    assert_int_equal(d->good, 0);
    assert_true(disk_wait(d, all_came_back, 10));
    assert_true(store_monotonic() - began < USEC_PER_SEC); /* not only once a second */
    assert_int_equal(d->good, 4);
    store_settle(d->store, "p0", "m", 1000, d->t, 300, false);
    store_settle(d->store, "p1", "m", 1000, d->t, -1, false);
    store_settle(d->store, "p2", "m", 1000, d->t, 5000, true);
    store_settle(d->store, "p3", "m", 1000, d->t, 0, true);
    store_breaker_reset(d->store, "p3", "m");
    disk_close(d);
    disk_open(d);
    assert_true(d->opened.last <= d->t && d->opened.last > d->t - USEC_PER_HOUR);
    assert_int_equal(store_money(d->store, d->t, add_money, &sums), 0);
    assert_int_equal(sums.pico[0], 300);
    assert_int_equal(sums.pico[1], 1000);
    assert_int_equal(sums.pico[2], 5000);
    assert_int_equal(sums.pico[3], 0);
    assert_true(!sums.tripped[0] && !sums.tripped[1] && sums.tripped[2] && !sums.tripped[3]);
    /* Two days later it is over, but not the breaker. */
    memset(&sums, 0, sizeof sums);
    assert_int_equal(store_money(d->store, d->t + 26 * USEC_PER_HOUR, add_money, &sums), 0);
    assert_int_equal(sums.pico[1] + sums.pico[2], 0);
    assert_true(sums.tripped[2]);
    d->t += 3 * USEC_PER_DAY;
    struct record r = random_record(d, d->t);
    store_record(d->store, &r);
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM money"), 0);
}

/* --- tables of their own --- */

static void test_states_ranks_events(void **state)
{
    struct disk *d = *state;
    struct store_rank rank = {.policy = "quick", .platform = "p1", .model = "m", .rank = 1, .slots = 200};
    struct log_field fields[] = {{"PROBED_PLATFORM", "p1"}, {"PROBED_MODEL", "m"}, {"PROBED_FROM", "up"}, {"PROBED_TO", "down"}, {"PROBED_GENERATION", "77"}};
    struct log_entry entry = {.level = LOG_LEVEL_WARNING, .message = "p1/m is down", .fields = fields, .fields_len = ARRAY_LEN(fields)};
    disk_open(d);
    store_clock(d->store, d->t, 12345);
    store_state_of(d->store, ++d->t, "p1", "m", "up");
    store_state_of(d->store, ++d->t, "p1", "m", "up");
    store_state_of(d->store, ++d->t, "p1", "m", "down");
    store_rank(d->store, ++d->t, &rank);
    store_rank(d->store, ++d->t, &rank);
    rank.slots = 100;
    store_rank(d->store, ++d->t, &rank);
    rank.rank = 0;
    store_rank(d->store, ++d->t, &rank);
    store_event(d->store, ++d->t, "state", &entry);
    store_state_of(d->store, ++d->t, "p1", "n", "");
    usec_t last = d->t;
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM state"), 3);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM rank"), 3);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM event WHERE name = 'state' AND platform = 'p1' AND was = 'up' AND becomes = 'down' AND generation = 77 AND "
                                 "text = 'p1/m is down' AND policy IS NULL"), 1);
    assert_int_equal(disk_ask(d, "SELECT offset FROM clock"), 12345);
    disk_open(d);
    assert_int_equal(d->opened.last, last); /* a state was the last thing */
    store_states_end(d->store, ++d->t); /* n has none already, m has another one at once */
    store_state_of(d->store, d->t, "p1", "m", "up");
    store_states_end(d->store, ++d->t);
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM state"), 5);
    assert_int_equal(disk_ask(d, "SELECT state = '' FROM state ORDER BY t DESC LIMIT 1"), 1);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM state WHERE state = 'up'"), 2);
    disk_open(d);
}

static void test_prices_balances_overrides(void **state)
{
    struct disk *d = *state;
    disk_open(d);
    struct record price = {.kind = RECORD_PRICE, .platform = "p", .model = "m", .price = {1, 2, -1}};
    for (int i = 0; i < 5; i++) {
        price.t = ++d->t;
        price.price.input = i < 3 ? 1 : 7;
        store_record(d->store, &price);
    }
    struct record balance = {.kind = RECORD_BALANCE, .platform = "p", .balance = -5, .t = ++d->t};
    store_record(d->store, &balance);
    struct record drain = {.kind = RECORD_OVERRIDE, .platform = "p", .action = OVERRIDE_DRAIN, .lasts = USEC_PER_HOUR, .text = "why", .reporter = "anna", .t = ++d->t};
    store_record(d->store, &drain);
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM price"), 2);
    assert_int_equal(disk_ask(d, "SELECT pico FROM balance JOIN route ON route.id = route WHERE model = ''"), -5);
    assert_int_equal(disk_ask(d, "SELECT until - t FROM override WHERE reason = 'why' AND by_whom = 'anna' AND action = 'drain'"), USEC_PER_HOUR);
}

/* --- bounds --- */

static void test_the_queue_is_bounded(void **state)
{
    struct disk *d = *state;
    struct queue q;
    queue_init(&q);
    struct item *clock = item_new(ITEM_CLOCK, 1), *money = item_new(ITEM_RESERVE, 1);
    queue_push(&q, clock);
    queue_push(&q, money);
    for (unsigned i = 0; i < QUEUE_ITEMS_MAX + 1000; i++)
        queue_push(&q, item_new(ITEM_STATE, (usec_t)i));
    assert_int_equal(q.len, QUEUE_ITEMS_MAX);
    assert_int_equal(q.dropped, 1002);
    assert_ptr_equal(STAILQ_FIRST(&q.items), clock);
    assert_ptr_equal(STAILQ_NEXT(clock, next), money);
    assert_int_equal(STAILQ_NEXT(money, next)->t, 1002); /* the oldest went */
    struct queue front;
    queue_init(&front);
    queue_swap(&q, &front);
    assert_int_equal(q.len, 0);
    queue_push(&q, item_new(ITEM_STATE, 5));
    queue_push(&q, item_new(ITEM_STATE, 6));
    assert_int_equal(queue_trim(&front, q.len, q.bytes), 2);
    q.dropped = 10;
    queue_push_back(&q, &front);
    assert_int_equal(q.len, QUEUE_ITEMS_MAX);
    assert_int_equal(q.dropped, 10);
    assert_ptr_equal(STAILQ_FIRST(&q.items), clock);
    assert_int_equal(front.len, 0);
    queue_push_back(&q, &front);
    assert_int_equal(q.len, QUEUE_ITEMS_MAX);
    queue_done(&q);
    assert_int_equal(q.bytes, 0);
    for (unsigned i = 0; i < 40; i++) { /* and in bytes */
        struct item *item = item_new(ITEM_STATE, (usec_t)i);
        item->size = 4 * 1024 * 1024;
        queue_push(&q, item);
    }
    assert_int_equal(q.len, 16);
    queue_done(&q);
    (void)d;
}

static void test_two_stores_in_one_directory(void **state)
{
    struct disk *d = *state;
    struct store_setup setup = {.directory = d->dir, .wall = d->t};
    struct store_opened opened;
    struct err err = {""};
    int error = 0;
    disk_open(d);
    assert_null(store_open(&setup, &opened, &error, &err));
    assert_int_equal(error, -EBUSY);
    assert_non_null(strstr(err.text, d->file));
    char pid[32];
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    struct record r = random_record(d, d->t);
    store_record(d->store, &r);
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM told"), 1);
    disk_open(d); /* it was let go */
    assert_int_equal(disk_report(d).state, STORE_OK);
}

static void test_a_lock_of_somebody_else(void **state)
{
    struct disk *d = *state;
    sqlite3 *db = NULL;
    disk_open(d);
    assert_int_equal(sqlite3_open(d->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct record r = random_record(d, d->t);
    store_record(d->store, &r);
    assert_int_equal(store_reserve(d->store, "p", "m", 1, d->t, 1, disk_reserved, d), 0);
    assert_true(disk_wait(d, disk_is_locked, 20));
    store_dispatch(d->store);
    assert_int_equal(d->bad, 1); /* who reserves hears of it */
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_true(disk_wait(d, disk_is_ok, 30));
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM told"), 1);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM money"), 0);
}

static void test_the_file_is_moved_away(void **state)
{
    struct disk *d = *state;
    char moved[120];
    disk_open(d);
    struct record r = random_record(d, d->t);
    store_record(d->store, &r);
    assert_true(disk_wait(d, disk_is_ok, 10));
    snprintf(moved, sizeof moved, "%s.mine", d->file);
    assert_int_equal(rename(d->file, moved), 0);
    for (int i = 0; i < 3; i++) {
        r.t = ++d->t;
        store_record(d->store, &r);
    }
    assert_true(disk_wait(d, disk_is_ok, 20));
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM told"), 3);
    disk_check(d);
}

static void test_no_directory(void **state)
{
    struct disk *d = *state;
    assert_int_equal(rmdir(d->dir), 0);
    disk_open(d);
    assert_int_equal(disk_report(d).state, STORE_READ_ONLY);
    struct record r = random_record(d, d->t);
    store_record(d->store, &r);
    struct buf data = BUF_INIT;
    usec_t t;
    int64_t told;
    struct sums sums;
    assert_int_equal(store_last_checkpoint(d->store, &data, &t, &told), -ENOENT);
    assert_int_equal(store_money(d->store, d->t, add_money, &sums), -EIO);
    assert_int_equal(mkdir(d->dir, 0700), 0);
    assert_true(disk_wait(d, disk_is_ok, 30));
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT count(*) FROM told"), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, disk_setup_cmocka, disk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_what_was_told_comes_back), T(test_telling_again_can_be_stopped), T(test_checkpoints), T(test_a_newer_checkpoint_replaces_one_that_waits),
        T(test_money), T(test_states_ranks_events), T(test_prices_balances_overrides), T(test_the_queue_is_bounded), T(test_two_stores_in_one_directory),
        T(test_a_lock_of_somebody_else), T(test_the_file_is_moved_away), T(test_no_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
