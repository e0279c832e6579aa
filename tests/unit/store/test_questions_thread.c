/* The reader's thread: order, bounds, forgetting, patience, a file that is not there, is another one, is no database or is locked, and an end in the midst of it all. */
#include "tests/unit/store/past.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "probed/store/reader.h"

#define PATIENCE_MS 20000

struct desk {
    struct past *p;
    struct reader *reader;
    int wake[2];
    struct got { int arg; int status; char problem[200], start[32]; } got[128];
    size_t got_len;
    int ask_again; /* in the callback */
    int forget_in; /* the question that the callback of 0 forgets; -1 */
    bool asked_again;
};

struct ticket { struct desk *d; int number; };
static struct ticket tickets[128];

static usec_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

static void wake(void *arg)
{
    struct desk *d = arg;

    assert_int_equal(write(d->wake[1], "w", 1), 1);
}

static int desk_ask(struct desk *d, int number, int kind);

static void answered(void *arg, struct history_answer *answer)
{
    struct ticket *t = arg;
    struct desk *d = t->d;
    struct got *got = &d->got[d->got_len++];

    got->arg = t->number;
    got->status = answer->status;
    strcpy(got->problem, answer->problem);
    snprintf(got->start, sizeof got->start, "%s", buf_str(&answer->body));
    if (d->ask_again > 0 && !d->asked_again) {
        d->asked_again = true;
        assert_int_equal(desk_ask(d, d->ask_again, HISTORY_EVENTS), 0);
    }
    if (t->number == 0 && d->forget_in >= 0)
        reader_forget(d->reader, &tickets[d->forget_in]);
}

static int desk_ask(struct desk *d, int number, int kind)
{
    struct history_query q = past_query(d->p, kind, T0, 0);

    q.now = T0 + 30 * USEC_PER_DAY;
    if (kind == HISTORY_SERIES)
        query_of(&q, "p1", "m1");
    tickets[number] = (struct ticket){d, number};
    return reader_ask(d->reader, &q, answered, &tickets[number]);
}

/* Dispatches until so many answers came. */
static void desk_wait(struct desk *d, size_t wanted)
{
    usec_t give_up = now() + PATIENCE_MS * USEC_PER_MSEC;
    char bytes[64];

    while (d->got_len < wanted) {
        struct pollfd p = {.fd = d->wake[0], .events = POLLIN};

        assert_true(now() < give_up);
        if (poll(&p, 1, 100) == 1)
            assert_true(read(d->wake[0], bytes, sizeof bytes) > 0);
        reader_dispatch(d->reader);
    }
}

static struct desk *desk_new(void)
{
    struct desk *d = alloc_zero(1, sizeof *d);
    int error = 0;

    d->p = past_new(1);
    d->forget_in = -1;
    assert_int_equal(pipe(d->wake), 0);
    d->reader = reader_start(d->p->file, wake, d, &error);
    assert_non_null(d->reader);
    return d;
}

static void desk_free(struct desk *d)
{
    reader_stop(d->reader);
    close(d->wake[0]);
    close(d->wake[1]);
    past_free(d->p);
    free(d);
}

/* Enough records that are in no sum yet for a question to take its time. */
static void make_slow(struct desk *d)
{
    past_route(d->p, "p1", "m1");
    past_sql(d->p, "INSERT INTO told (id, kind, route, ttft, total, cost, tokens_per_s) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80000)"
                   " SELECT %lld + i * 1000000, 0, 1, 100000 + i, 200000 + i, 5, 30.5 FROM n", (long long)T0);
}

static void test_order_and_bound(void **state)
{
    struct desk *d = desk_new();
    int asked = 0;

    (void)state;
    make_slow(d);
    /* Whatever the thread has done meanwhile, nothing is handed over before the dispatch: 64 questions is all. */
    while (asked < 100 && desk_ask(d, asked, asked % 4) == 0)
        asked++;
    assert_int_equal(asked, READER_WAITING_MAX);
    assert_int_equal(desk_ask(d, 100, HISTORY_EVENTS), -EBUSY);
    d->ask_again = 101;
    desk_wait(d, READER_WAITING_MAX + 1);
    for (int i = 0; i < asked; i++) {
        assert_int_equal(d->got[i].arg, i);
        assert_int_equal(d->got[i].status, 200);
    }
    assert_int_equal(d->got[asked].arg, 101);
    assert_int_equal(strncmp(d->got[0].start, "{\"metric\"", 9), 0);
    assert_int_equal(strncmp(d->got[1].start, "{\"events\"", 9), 0);
    desk_free(d);
}

static void test_forget(void **state)
{
    struct desk *d = desk_new();

    (void)state;
    make_slow(d);
    for (int i = 0; i < 6; i++)
        assert_int_equal(desk_ask(d, i, HISTORY_REPORT), 0);
    usleep(1000); /* under way, maybe */
    reader_forget(d->reader, &tickets[1]);
    reader_forget(d->reader, &tickets[3]);
    d->forget_in = 5; /* by a callback */
    desk_wait(d, 3);
    reader_dispatch(d->reader);
    assert_int_equal(d->got[0].arg, 0);
    assert_int_equal(d->got[1].arg, 2);
    assert_int_equal(d->got[2].arg, 4);
    assert_int_equal(d->got[2].status, 200);
    assert_int_equal(desk_ask(d, 7, HISTORY_REPORT), 0);
    desk_wait(d, 4);
    assert_int_equal(d->got[3].arg, 7);
    assert_int_equal(d->got_len, 4);
    desk_free(d);
}

/* One that is under way is interrupted when it is forgotten, and the next one is not. */
static void test_forget_under_way(void **state)
{
    struct desk *d = desk_new();

    (void)state;
    make_slow(d);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(desk_ask(d, 0, HISTORY_REPORT), 0);
        assert_int_equal(desk_ask(d, 1, HISTORY_SERIES), 0); /* long enough to be interrupted, if that went on */
        usleep((useconds_t)(i * 200));
        reader_forget(d->reader, &tickets[0]);
        size_t before = d->got_len;

        desk_wait(d, before + 1);
        assert_int_equal(d->got[before].arg, 1);
        assert_int_equal(d->got[before].status, 200);
    }
    desk_free(d);
}

static void test_patience(void **state)
{
    struct desk *d = desk_new();

    (void)state;
    make_slow(d);
    reader_set_patience(d->reader, 1 * USEC_PER_MSEC);
    assert_int_equal(desk_ask(d, 0, HISTORY_REPORT), 0);
    desk_wait(d, 1);
    assert_int_equal(d->got[0].status, 503);
    assert_non_null(strstr(d->got[0].problem, "took too long"));
    assert_string_equal(d->got[0].start, "");
    reader_set_patience(d->reader, READER_PATIENCE);
    assert_int_equal(desk_ask(d, 1, HISTORY_REPORT), 0);
    desk_wait(d, 2);
    assert_int_equal(d->got[1].status, 200);
    desk_free(d);
}

/* The daemon ends while a question is under way and others wait: at once, and without a call. */
static void test_stop(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct desk *d = desk_new();

        make_slow(d);
        for (int j = 0; j < i; j++)
            assert_int_equal(desk_ask(d, j, HISTORY_REPORT), 0);
        usleep((useconds_t)(i * 700));
        usec_t before = now();

        d->reader = reader_stop(d->reader);
        assert_true(now() - before < 5 * USEC_PER_SEC);
        assert_int_equal(d->got_len, 0);
        desk_free(d);
    }
}

static void test_files(void **state)
{
    struct desk *d = desk_new();
    char aside[128];
    FILE *f = NULL;

    (void)state;
    snprintf(aside, sizeof aside, "%s/aside", d->p->dir);
    /* Written while it is read: neither waits. */
    past_sql(d->p, "BEGIN IMMEDIATE; INSERT INTO event (t, name, text) VALUES (%lld, 'x', 'y')", (long long)T0);
    assert_int_equal(desk_ask(d, 0, HISTORY_EVENTS), 0);
    desk_wait(d, 1);
    assert_int_equal(d->got[0].status, 200);
    assert_string_equal(d->got[0].start, "{\"events\":[],\"next\":0}\n"); /* not committed yet */
    past_sql(d->p, "COMMIT");
    assert_int_equal(desk_ask(d, 1, HISTORY_EVENTS), 0);
    desk_wait(d, 2);
    assert_int_equal(strncmp(d->got[1].start, "{\"events\":[{\"id\":1", 18), 0);

    /* The writer set the file aside: until the reader is told it reads the old one, then there is none, then a new one. */
    past_sql(d->p, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(rename(d->p->file, aside), 0);
    reader_reopen(d->reader);
    assert_int_equal(desk_ask(d, 2, HISTORY_EVENTS), 0);
    desk_wait(d, 3);
    assert_int_equal(d->got[2].status, 503);
    assert_non_null(strstr(d->got[2].problem, "no history to read"));
    f = fopen(d->p->file, "w");
    assert_non_null(f);
    for (int i = 0; i < 500; i++)
        fputs("this is no database at all ", f);
    fclose(f);
    assert_int_equal(desk_ask(d, 3, HISTORY_EVENTS), 0);
    desk_wait(d, 4);
    assert_int_equal(d->got[3].status, 503);
    assert_non_null(strstr(d->got[3].problem, "damaged"));
    unlink(d->p->file);
    assert_int_equal(rename(aside, d->p->file), 0);
    assert_int_equal(desk_ask(d, 4, HISTORY_EVENTS), 0); /* after trouble it opens by itself */
    desk_wait(d, 5);
    assert_int_equal(d->got[4].status, 200);
    desk_free(d);
}

static void test_empty_and_locked(void **state)
{
    struct desk *d = desk_new();

    (void)state;
    past_sql(d->p, "PRAGMA journal_mode = DELETE; DROP TABLE event");
    assert_int_equal(desk_ask(d, 0, HISTORY_EVENTS), 0); /* somebody else's tables */
    desk_wait(d, 1);
    assert_int_equal(d->got[0].status, 503);
    assert_non_null(strstr(d->got[0].problem, "no such table"));
    past_sql(d->p, "BEGIN EXCLUSIVE");
    assert_int_equal(desk_ask(d, 1, HISTORY_REPORT), 0);
    desk_wait(d, 2);
    assert_int_equal(d->got[1].status, 503);
    assert_non_null(strstr(d->got[1].problem, "locked"));
    past_sql(d->p, "COMMIT");
    assert_int_equal(desk_ask(d, 2, HISTORY_REPORT), 0);
    desk_wait(d, 3);
    assert_int_equal(d->got[2].status, 200);
    desk_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_bound), cmocka_unit_test(test_forget), cmocka_unit_test(test_forget_under_way), cmocka_unit_test(test_patience),
        cmocka_unit_test(test_stop),            cmocka_unit_test(test_files),  cmocka_unit_test(test_empty_and_locked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
