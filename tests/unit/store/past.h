/* What the tests of questions share: a file of history filled by SQL from requests that are also kept in memory, so that every answer can be held against a
 * plain calculation over all of them. Rollups are made here by counting, span by span, and not by the code that makes them in the daemon. */
#ifndef TESTS_UNIT_STORE_PAST_H
#define TESTS_UNIT_STORE_PAST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probed/core/observation.h"
#include "probed/core/record.h"
#include "probed/store/histogram.h"
#include "probed/store/question.h"
#include "probed/store/schema.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"
#include "shared/json.h"

/* No test program needs all of this. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define T0 ((usec_t)1763942400 * USEC_PER_SEC) /* 2025-11-24T00:00:00Z */

struct request {
    usec_t t; /* steady */
    int64_t route;
    enum outcome_kind outcome;
    enum fault fault;
    usec_t ttft, total; /* -1 = none */
    double speed;       /* 0 = none */
    int64_t cost;
    int prompt, output, in_flight;
};

struct past {
    char dir[64], file[96];
    sqlite3 *db;
    struct request *all;
    size_t len, size;
    uint64_t random;
    usec_t now; /* wall */
};

static void past_sql(struct past *p, const char *fmt, ...)
{
    char *message = NULL;
    va_list ap;

    va_start(ap, fmt);
    char *sql = sqlite3_vmprintf(fmt, ap);
    va_end(ap);
    if (sqlite3_exec(p->db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s in %s", message, sql);
    sqlite3_free(sql);
}

static struct past *past_new(uint64_t seed)
{
    struct past *p = alloc_zero(1, sizeof *p);

    strcpy(p->dir, "/tmp/probed-past-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof p->file, "%s/history.db", p->dir);
    assert_int_equal(sqlite3_open(p->file, &p->db), SQLITE_OK);
    past_sql(p, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    past_sql(p, "%s", SCHEMA_SQL);
    p->random = seed * 0x9E3779B97F4A7C15u + 1;
    p->now = T0 + 10 * USEC_PER_DAY;
    return p;
}

static void past_free(struct past *p)
{
    char name[128];

    sqlite3_close(p->db);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", p->file, (const char *const[]){"", "-wal", "-shm"}[i]);
        unlink(name);
    }
    assert_int_equal(rmdir(p->dir), 0);
    free(p->all);
    free(p);
}

static double past_random(struct past *p) /* 0..1 */
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return (double)(p->random >> 11) / (double)(1ull << 53);
}

static int64_t past_route(struct past *p, const char *platform, const char *model)
{
    past_sql(p, "INSERT INTO route (platform, model) VALUES (%Q, %Q)", platform, model);
    return sqlite3_last_insert_rowid(p->db);
}

static void past_tell(struct past *p, const struct request *request)
{
    if (p->len == p->size) {
        p->size = p->size > 0 ? 2 * p->size : 1024;
        p->all = alloc_resize(p->all, p->size, sizeof *p->all);
    }
    p->all[p->len++] = *request;
}

/* One request every `interval` or so from `from` to `to`, of all sorts. */
static void past_requests(struct past *p, int64_t route, usec_t from, usec_t to, usec_t interval, usec_t typical)
{
    for (usec_t t = from + (usec_t)(past_random(p) * (double)interval); t < to; t += (usec_t)((0.5 + past_random(p)) * (double)interval)) {
        double what = past_random(p);
        struct request r = {.t = t, .route = route, .outcome = OUTCOME_OK, .ttft = -1, .total = -1, .cost = (int64_t)(past_random(p) * 1e9),
                            .prompt = 12, .output = (int)(past_random(p) * 50), .in_flight = (int)(past_random(p) * 20)};

        if (what < 0.85) {
            r.ttft = (usec_t)((double)typical * exp(1.5 * (past_random(p) + past_random(p) - 1)));
            r.total = 2 * r.ttft + 12345;
            r.speed = 20 + 80 * past_random(p);
        } else if (what < 0.93)
            r.outcome = OUTCOME_SERVER_ERROR, r.fault = FAULT_RELAY, r.total = 30 * USEC_PER_SEC;
        else if (what < 0.96)
            r.outcome = OUTCOME_RATE_LIMITED;
        else if (what < 0.98)
            r.outcome = OUTCOME_AUTH, r.fault = FAULT_OURS;
        else
            r.outcome = OUTCOME_LOCAL, r.fault = FAULT_LOCAL;
        past_tell(p, &r);
    }
}

static int past_compare(const void *a, const void *b)
{
    const struct request *x = a, *y = b;

    if (x->t != y->t)
        return x->t < y->t ? -1 : 1;
    return (x->route > y->route) - (x->route < y->route);
}

static bool is_failed(const struct request *r)
{
    return r->fault == FAULT_RELAY;
}

static void bind_or_null(sqlite3_stmt *s, int at, int64_t value, int64_t none)
{
    if (value == none)
        sqlite3_bind_null(s, at);
    else
        sqlite3_bind_int64(s, at, value);
}

static void past_write_told(struct past *p)
{
    sqlite3_stmt *s = NULL;
    usec_t last = INT64_MIN;

    assert_int_equal(sqlite3_prepare_v2(p->db, "INSERT INTO told (id, late, kind, route, stage, outcome, fault, status, ttft, total, tokens_per_s, cost, prompt_tokens,"
                                        " output_tokens, in_flight) VALUES (?1, ?2, 0, ?3, 8, ?4, ?5, 200, ?6, ?7, ?8, ?9, ?10, ?11, ?12)", -1, &s, NULL), SQLITE_OK);
    for (size_t i = 0; i < p->len; i++) {
        const struct request *r = &p->all[i];
        usec_t id = r->t > last ? r->t : last + 1;

        last = id;
        sqlite3_bind_int64(s, 1, id);
        bind_or_null(s, 2, id - r->t, 0);
        sqlite3_bind_int64(s, 3, r->route);
        bind_or_null(s, 4, r->outcome, 0);
        bind_or_null(s, 5, r->fault, 0);
        bind_or_null(s, 6, r->ttft, -1);
        bind_or_null(s, 7, r->total, -1);
        if (r->speed > 0)
            sqlite3_bind_double(s, 8, r->speed);
        else
            sqlite3_bind_null(s, 8);
        bind_or_null(s, 9, r->cost, -1);
        sqlite3_bind_int(s, 10, r->prompt);
        sqlite3_bind_int(s, 11, r->output);
        bind_or_null(s, 12, r->in_flight, 0);
        assert_int_equal(sqlite3_step(s), SQLITE_DONE);
        sqlite3_reset(s);
    }
    sqlite3_finalize(s);
}

struct span_sum {
    int64_t n, ok, failed, limited, ours, speed_n, cost, prompt, output;
    double speed_sum;
    struct histogram ttft, total;
    struct tally_load load[LOAD_BUCKETS];
};

static void bind_histogram(sqlite3_stmt *s, int at, struct histogram *h)
{
    struct buf b = BUF_INIT;

    histogram_write(h, &b);
    if (b.len > 0)
        sqlite3_bind_blob(s, at, b.data, (int)b.len, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(s, at);
    buf_done(&b);
    histogram_done(h);
}

static void past_write_span(sqlite3_stmt *s, usec_t span, int64_t route, usec_t t, struct span_sum *sum)
{
    int64_t values[] = {span / USEC_PER_SEC, route, t, sum->n, sum->ok, sum->failed, sum->limited, sum->ours};

    if (sum->n == 0)
        return;
    for (int i = 0; i < 8; i++)
        sqlite3_bind_int64(s, i + 1, values[i]);
    sqlite3_bind_double(s, 9, sum->speed_sum);
    sqlite3_bind_int64(s, 10, sum->speed_n);
    sqlite3_bind_int64(s, 11, sum->cost);
    sqlite3_bind_int64(s, 12, sum->prompt);
    sqlite3_bind_int64(s, 13, sum->output);
    bind_histogram(s, 14, &sum->ttft);
    bind_histogram(s, 15, &sum->total);
    struct buf load = BUF_INIT;

    rollup_load_write(sum->load, &load);
    if (load.len > 0)
        sqlite3_bind_blob(s, 16, load.data, (int)load.len, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(s, 16);
    buf_done(&load);
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_reset(s);
    *sum = (struct span_sum){.n = 0};
}

static void past_write_rollup(struct past *p, usec_t span)
{
    sqlite3_stmt *s = NULL;
    int64_t routes = 0;

    assert_int_equal(sqlite3_prepare_v2(p->db, "INSERT INTO rollup VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)", -1, &s, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < p->len; i++)
        if (p->all[i].route > routes)
            routes = p->all[i].route;
    for (int64_t route = 1; route <= routes; route++) {
        struct span_sum sum = {.n = 0};
        usec_t t = 0;

        for (size_t i = 0; i < p->len; i++) {
            const struct request *r = &p->all[i];

            if (r->route != route)
                continue;
            if (r->t - r->t % span != t)
                past_write_span(s, span, route, t, &sum);
            t = r->t - r->t % span;
            struct tally_load *load = &sum.load[load_bucket((unsigned)r->in_flight)];

            load->n++;
            load->failed += is_failed(r);
            load->limited += r->outcome == OUTCOME_RATE_LIMITED;
            sum.n++;
            sum.ok += r->outcome == OUTCOME_OK;
            sum.failed += is_failed(r);
            sum.limited += r->outcome == OUTCOME_RATE_LIMITED;
            sum.ours += r->fault == FAULT_OURS;
            sum.cost += r->cost;
            sum.prompt += r->prompt;
            sum.output += r->output;
            if (r->speed > 0)
                sum.speed_sum += r->speed, sum.speed_n++;
            if (r->outcome == OUTCOME_OK) {
                histogram_add(&sum.ttft, r->ttft);
                histogram_add(&sum.total, r->total);
            }
        }
        past_write_span(s, span, route, t, &sum);
    }
    sqlite3_finalize(s);
}

static size_t past_before(const struct past *p, usec_t t)
{
    size_t len = 0;

    for (size_t i = 0; i < p->len; i++)
        len += p->all[i].t < t;
    return len;
}

/* Everything that was told, into the file, with minutes of all that was told before `rolled`, and hours and days of what was before `up` (a whole hour). */
static void past_write_up_to(struct past *p, usec_t rolled, usec_t up)
{
    if (p->len > 0)
        qsort(p->all, p->len, sizeof *p->all, past_compare);
    past_sql(p, "BEGIN");
    past_sql(p, "INSERT INTO meta VALUES ('rolled', %lld), ('rolled_up', %lld)", (long long)rolled, (long long)up);
    past_write_told(p);
    size_t all = p->len;

    p->len = past_before(p, rolled);
    past_write_rollup(p, USEC_PER_MINUTE);
    p->len = past_before(p, up);
    past_write_rollup(p, USEC_PER_HOUR);
    past_write_rollup(p, USEC_PER_DAY);
    p->len = all;
    past_sql(p, "COMMIT");
}

static void past_write(struct past *p)
{
    past_write_up_to(p, p->now - p->now % USEC_PER_MINUTE, p->now - p->now % USEC_PER_HOUR);
}

/* What retention takes away. */
static void past_prune(struct past *p, usec_t raw, usec_t minutes, usec_t hours)
{
    past_sql(p, "DELETE FROM told WHERE id < %lld; DELETE FROM rollup WHERE span = 60 AND t < %lld; DELETE FROM rollup WHERE span = 3600 AND t < %lld", (long long)raw,
             (long long)minutes, (long long)hours);
}

/* --- asking --- */

static struct history_query past_query(const struct past *p, int kind, usec_t since, usec_t until)
{
    struct history_query q = {.kind = kind, .since = since, .until = until, .now = p->now, .points = 200, .limit = 100, .after = kind == HISTORY_EVENTS ? -1 : 0};

    return q;
}

static void query_of(struct history_query *q, const char *platform, const char *model)
{
    struct history_of *of = &q->of[q->of_len++];

    strcpy(of->platform, platform);
    strcpy(of->model, model);
}

static cJSON *past_ask(struct past *p, const struct history_query *query)
{
    struct history_answer answer = {.status = 0};
    struct err err = {.text = ""};
    int error = question_answer(p->db, query, &answer);

    if (error < 0 || answer.status != 200)
        fail_msg("%d: %s", answer.status, answer.problem);
    assert_int_equal(answer.body.data[answer.body.len - 1], '\n');
    cJSON *json = json_parse(answer.body.data, answer.body.len, &err);

    if (json == NULL)
        fail_msg("%s in %s", err.text, answer.body.data);
    buf_done(&answer.body);
    return json;
}

static double number(const cJSON *json, const char *path)
{
    double value = 0;

    return json_number(json, path, &value) ? value : (double)NAN;
}

/* --- the plain calculation --- */

struct plain {
    double *values;
    size_t len, size;
};

static void plain_add(struct plain *p, double value)
{
    if (p->len == p->size) {
        p->size = p->size > 0 ? 2 * p->size : 256;
        p->values = alloc_resize(p->values, p->size, sizeof *p->values);
    }
    p->values[p->len++] = value;
}

static int plain_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void plain_sort(struct plain *p)
{
    if (p->len > 0)
        qsort(p->values, p->len, sizeof *p->values, plain_compare);
}

static double plain_quantile(const struct plain *p, double q)
{
    if (p->len == 0)
        return (double)NAN;
    size_t rank = (size_t)ceil(q * (double)p->len * (1 - 1e-12));

    return p->values[rank > 0 ? rank - 1 : 0];
}

/* Within 1 % (and the microsecond that is written), or both are not there. */
static void assert_near(double got, double wanted, const char *what)
{
    if (isnan(wanted) ? !isnan(got) : !(fabs(got - wanted) <= 0.0101 * wanted + 0.0011))
        fail_msg("%s: %.6f, not %.6f", what, got, wanted);
}

#endif
