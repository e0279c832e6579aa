/* What the tests of the store share: a directory, a store in it, records at random, questions in SQL, and waiting with a deadline. */
#ifndef TESTS_UNIT_STORE_DISK_H
#define TESTS_UNIT_STORE_DISK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probed/store/store_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

/* No test program needs all of this. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define T0 ((usec_t)1763942400 * USEC_PER_SEC) /* 2025-11-24T00:00:00Z */

struct disk {
    char dir[64], file[96];
    struct store *store;
    struct store_opened opened;
    usec_t t; /* of what is told next */
    uint64_t random;
    unsigned good, bad; /* reservations that came back */
};

static uint64_t disk_random(struct disk *d)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return d->random;
}

static uint64_t disk_below(struct disk *d, uint64_t n) { return disk_random(d) % n; }

/* The seed is printed by whoever fails: TEST_SEED repeats it. */
static uint64_t disk_seed(void)
{
    const char *given = getenv("TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_nsec ^ ((uint64_t)getpid() << 32);
    fprintf(stderr, "TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static unsigned disk_rounds(unsigned otherwise)
{
    const char *given = getenv("TEST_ROUNDS");
    return given && atoi(given) > 0 ? (unsigned)atoi(given) : otherwise;
}

static struct disk *disk_new(uint64_t seed)
{
    struct disk *d = alloc_zero(1, sizeof *d);
    strcpy(d->dir, "/tmp/probed-store-XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    snprintf(d->file, sizeof d->file, "%s/history.db", d->dir);
    d->random = seed * 0x9E3779B97F4A7C15u + 1;
    d->t = T0;
    return d;
}

static void disk_empty(struct disk *d)
{
    DIR *dir = opendir(d->dir);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char name[400];
        snprintf(name, sizeof name, "%s/%s", d->dir, e->d_name);
        unlink(name);
    }
    if (dir)
        closedir(dir);
}

static int disk_setup_cmocka(void **state)
{
    *state = disk_new(disk_seed());
    return 0;
}

static int disk_teardown(void **state)
{
    struct disk *d = *state;
    store_close(d->store, 5 * USEC_PER_SEC);
    disk_empty(d);
    rmdir(d->dir);
    free(d);
    return 0;
}

static struct store *disk_open_limits(struct disk *d, const struct store_limits *limits)
{
    struct store_setup setup = {.directory = d->dir, .wall = d->t, .limits = *limits};
    struct err err = {""};
    int error = 0;
    d->store = store_open(&setup, &d->opened, &error, &err);
    if (!d->store)
        fail_msg("%d: %s", error, err.text);
    if (d->opened.last >= d->t)
        d->t = d->opened.last + 1;
    return d->store;
}

static struct store *disk_open(struct disk *d)
{
    struct store_limits limits = {0, 0, 0, 0};
    return disk_open_limits(d, &limits);
}

static void disk_close(struct disk *d) { d->store = store_close(d->store, 10 * USEC_PER_SEC); }

static bool disk_has(const struct disk *d, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", d->dir, name);
    return access(path, F_OK) == 0;
}

/* The number that a question gives. */
static int64_t disk_ask_file(const char *file, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int64_t ret = INT64_MIN;
    int rc = sqlite3_open(file, &db);
    sqlite3_busy_timeout(db, 5000);
    if (rc == SQLITE_OK && sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        ret = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return ret;
}

static int64_t disk_ask(const struct disk *d, const char *sql) { return disk_ask_file(d->file, sql); }

static void disk_check(const struct disk *d)
{
    assert_int_equal(disk_ask(d, "SELECT count(*) = 1 AND max(integrity_check) = 'ok' FROM pragma_integrity_check"), 1);
}

/* Runs what comes back until it is true. */
static bool disk_wait(struct disk *d, bool (*until)(struct disk *d), int seconds)
{
    usec_t end = store_monotonic() + seconds * USEC_PER_SEC;
    while (!until(d)) {
        struct pollfd p = {.fd = store_fd(d->store), .events = POLLIN};
        if (store_monotonic() > end)
            return false;
        if (poll(&p, 1, 20) > 0)
            store_dispatch(d->store);
    }
    return true;
}

static struct store_report disk_report(struct disk *d)
{
    struct store_report report;
    store_report(d->store, &report);
    return report;
}

static bool disk_is_ok(struct disk *d) { return disk_report(d).state == STORE_OK && disk_report(d).queued == 0; }
static bool disk_is_full(struct disk *d) { return disk_report(d).state == STORE_FULL; }
static bool disk_is_broken(struct disk *d) { return disk_report(d).state == STORE_BROKEN; }
static bool disk_is_locked(struct disk *d) { return disk_report(d).state == STORE_LOCKED; }
static bool disk_is_slow(struct disk *d) { return disk_report(d).state == STORE_SLOW; }
static bool disk_is_set_aside(struct disk *d) { return disk_report(d).aside[0] != '\0' && disk_is_ok(d); }

static void disk_reserved(void *arg, uint64_t ticket, int error)
{
    struct disk *d = arg;
    (void)ticket;
    d->good += error == 0;
    d->bad += error < 0;
}

/* --- records --- */

static usec_t random_span(struct disk *d) { return disk_below(d, 4) == 0 ? OBSERVATION_UNKNOWN : (usec_t)disk_below(d, 90 * USEC_PER_SEC); }

static void random_observation(struct disk *d, struct record *r)
{
    static const char *const details[] = {"", "upstream full", "\xe4\xb8\xad\xe6\x96\x87 \"quoted\" \\ back", "line\nbreak\tand \x01 more"};
    struct outcome outcome = {.stage = (enum stage)disk_below(d, STAGE_COUNT), .kind = disk_below(d, 3) ? OUTCOME_OK : (enum outcome_kind)disk_below(d, OUTCOME_COUNT),
                              .fault = (enum fault)disk_below(d, FAULT_LOCAL + 1), .http_status = (int)disk_below(d, 600)};
    r->o = observation_make(r->kind == RECORD_CHAT ? PROBE_CHAT : r->kind == RECORD_REACH ? PROBE_REACH : PROBE_MODELS, r->t, outcome);
    struct observation *o = &r->o;
    o->source = disk_below(d, 2) ? SOURCE_PROBE : SOURCE_TRAFFIC;
    o->retry_after = disk_below(d, 3) ? 0 : (usec_t)disk_below(d, USEC_PER_HOUR);
    usec_t *const times[] = {&o->queue, &o->dns, &o->connect, &o->tls, &o->wait, &o->ttft, &o->content, &o->total, &o->gap_max};
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        *times[i] = random_span(d);
    o->stalls = (uint16_t)disk_below(d, 9);
    o->chunks = (uint16_t)disk_below(d, UINT16_MAX);
    o->tokens_per_s = disk_below(d, 2) ? 0 : (double)disk_below(d, 100000) / 997;
    o->prompt_tokens = (int32_t)disk_below(d, 5000) - 1;
    o->output_tokens = (int32_t)disk_below(d, 5000) - 1;
    o->reasoning_tokens = (int32_t)disk_below(d, 5000) - 1;
    o->cost_pico = (int64_t)disk_below(d, 1000000000000) - 1;
    o->in_flight = (uint16_t)disk_below(d, 40);
    o->flags = (uint16_t)disk_below(d, 256);
    o->interval = (usec_t)disk_below(d, USEC_PER_HOUR);
    o->endpoint = (uint8_t)disk_below(d, 8);
    o->reused = disk_below(d, 2) == 1;
    o->http_version = disk_below(d, 2) ? 11 : 20;
    strcpy(o->detail, details[disk_below(d, ARRAY_LEN(details))]);
}

static struct record random_record(struct disk *d, usec_t t)
{
    static const enum record_kind kinds[] = {RECORD_CHAT,  RECORD_CHAT,    RECORD_CHAT,     RECORD_CHAT,       RECORD_REACH, RECORD_MODELS, RECORD_LISTING,
                                             RECORD_PRICE, RECORD_BALANCE, RECORD_OVERRIDE, RECORD_SELF_CHECK, RECORD_USABLE, RECORD_CONFIG};
    struct record r = {.t = t, .kind = kinds[disk_below(d, ARRAY_LEN(kinds))]};
    bool needs_model = r.kind == RECORD_CHAT || r.kind == RECORD_LISTING || r.kind == RECORD_PRICE;
    if (r.kind != RECORD_SELF_CHECK && r.kind != RECORD_CONFIG)
        snprintf(r.platform, sizeof r.platform, "p%u", (unsigned)disk_below(d, 7));
    if (needs_model || (r.kind == RECORD_OVERRIDE && disk_below(d, 2)))
        snprintf(r.model, sizeof r.model, "model-%u", (unsigned)disk_below(d, 9));
    if (r.kind <= RECORD_MODELS) {
        random_observation(d, &r);
        if (disk_below(d, 3) == 0)
            strcpy(r.reporter, "proxy-1");
    }
    r.ok = (r.kind == RECORD_LISTING || r.kind == RECORD_USABLE || r.kind == RECORD_SELF_CHECK) && disk_below(d, 2);
    if (r.kind == RECORD_PRICE) {
        r.price.input = (int64_t)disk_below(d, 100000000);
        r.price.output = (int64_t)disk_below(d, 100000000);
        r.price.call = (int64_t)disk_below(d, 2) ? -1 : 12345;
    }
    if (r.kind == RECORD_BALANCE)
        r.balance = (int64_t)disk_below(d, 1000000000000000) - 1000000;
    if (r.kind == RECORD_OVERRIDE) {
        r.action = (enum override_action)disk_below(d, 2);
        r.lasts = disk_below(d, 2) ? 0 : (usec_t)(1 + disk_below(d, 100)) * USEC_PER_SEC;
        strcpy(r.text, "\xe7\xbb\xb4\xe6\x8a\xa4 because \"so\"");
        strcpy(r.reporter, "anna");
    }
    return r;
}

#define SAME(member)                                                                                                                       \
    if (a->member != b->member)                                                                                                            \
        fail_msg("%s of record %s at %lld differs", #member, record_kind_name(a->kind), (long long)a->t)

static void assert_same_record(const struct record *a, const struct record *b)
{
    SAME(t);
    SAME(kind);
    SAME(ok);
    SAME(balance);
    assert_string_equal(a->platform, b->platform);
    assert_string_equal(a->model, b->model);
    assert_string_equal(a->reporter, b->reporter);
    assert_string_equal(a->text, b->text);
    if (a->kind == RECORD_PRICE) {
        SAME(price.input);
        SAME(price.output);
        SAME(price.call);
    }
    if (a->kind == RECORD_OVERRIDE) {
        SAME(action);
        SAME(lasts);
    }
    if (a->kind > RECORD_MODELS)
        return;
    SAME(o.at);
    SAME(o.probe);
    SAME(o.source);
    SAME(o.outcome.stage);
    SAME(o.outcome.kind);
    SAME(o.outcome.fault);
    SAME(o.outcome.http_status);
    SAME(o.retry_after);
    SAME(o.queue);
    SAME(o.dns);
    SAME(o.connect);
    SAME(o.tls);
    SAME(o.wait);
    SAME(o.ttft);
    SAME(o.content);
    SAME(o.total);
    SAME(o.gap_max);
    SAME(o.stalls);
    SAME(o.chunks);
    SAME(o.tokens_per_s);
    SAME(o.prompt_tokens);
    SAME(o.output_tokens);
    SAME(o.reasoning_tokens);
    SAME(o.cost_pico);
    SAME(o.in_flight);
    SAME(o.flags);
    SAME(o.interval);
    SAME(o.endpoint);
    SAME(o.reused);
    SAME(o.http_version);
    assert_string_equal(a->o.detail, b->o.detail);
}

#endif
