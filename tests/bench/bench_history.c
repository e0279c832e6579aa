/* How long a question about the past takes: a history of 200 routes probed every 30 s for 30 days, as the store would have written and pruned it (records of 7
 * days, sums of minutes of 48 hours, of hours and days of all), and questions of every kind and window, each on a connection of its own (cold) and again (warm).
 *
 *     bench_history [ROUTES] [DAYS]     prints:  question cold_ms warm_ms bytes     (warm: the worst of five); the file's size and rows first */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "probed/core/observation.h"
#include "probed/store/question.h"
#include "probed/store/schema.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"

#define BEGIN_AT  ((usec_t)1763942400 * USEC_PER_SEC)
#define INTERVAL  (30 * USEC_PER_SEC)
#define PLATFORMS 40

static int routes = 200, days = 30;
static usec_t end_at;
static sqlite3 *db;
static sqlite3_stmt *told, *rollup;
static uint64_t random_state = 88172645463325252u;

static double random_part(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / (double)(1ull << 53);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void run(const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "%s in %s\n", message, sql);
        exit(1);
    }
}

static void step(sqlite3_stmt *s)
{
    if (sqlite3_step(s) != SQLITE_DONE) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(db));
        exit(1);
    }
    sqlite3_reset(s);
}

static void write_blob(sqlite3_stmt *s, int at, const struct buf *b)
{
    if (b->len > 0)
        sqlite3_bind_blob(s, at, b->data, (int)b->len, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(s, at);
}

static void write_sum(usec_t span, int64_t route, usec_t t, struct tally *sum)
{
    const int64_t values[] = {span / USEC_PER_SEC, route, t, sum->n, sum->ok, sum->failed, sum->limited, sum->ours};
    struct buf b = BUF_INIT;

    if (sum->n == 0)
        return;
    for (int i = 0; i < 8; i++)
        sqlite3_bind_int64(rollup, i + 1, values[i]);
    sqlite3_bind_double(rollup, 9, sum->speed_sum);
    sqlite3_bind_int64(rollup, 10, sum->speed_n);
    sqlite3_bind_int64(rollup, 11, sum->cost);
    sqlite3_bind_int64(rollup, 12, sum->prompt_tokens);
    sqlite3_bind_int64(rollup, 13, sum->output_tokens);
    histogram_write(&sum->ttft, &b);
    write_blob(rollup, 14, &b);
    buf_clear(&b);
    histogram_write(&sum->total, &b);
    write_blob(rollup, 15, &b);
    buf_clear(&b);
    rollup_load_write(sum->load, &b);
    write_blob(rollup, 16, &b);
    step(rollup);
    buf_done(&b);
    tally_done(sum);
}

static struct observation observe(int64_t route)
{
    struct observation o = {.outcome = {.stage = STAGE_DONE}, .cost_pico = 12000000, .prompt_tokens = 60, .output_tokens = 20, .in_flight = 1, .ttft = -1, .total = -1};
    double what = random_part();

    if (what < 0.97) {
        o.ttft = (usec_t)((300 + (double)(route % 17) * 60) * 1000 * exp(0.8 * (random_part() + random_part() + random_part() - 1.5)));
        o.total = o.ttft + (usec_t)(400000 * random_part());
        o.tokens_per_s = 30 + 60 * random_part();
    } else
        o.outcome.kind = what < 0.99 ? OUTCOME_SERVER_ERROR : OUTCOME_RATE_LIMITED, o.outcome.fault = what < 0.99 ? FAULT_RELAY : FAULT_NONE;
    return o;
}

static void write_record(usec_t t, int64_t route, const struct observation *o)
{
    sqlite3_bind_int64(told, 1, t);
    sqlite3_bind_int64(told, 2, route);
    sqlite3_bind_int(told, 3, o->outcome.kind);
    sqlite3_bind_int(told, 4, o->outcome.fault);
    if (o->ttft >= 0)
        sqlite3_bind_int64(told, 5, o->ttft), sqlite3_bind_int64(told, 6, o->total), sqlite3_bind_double(told, 7, o->tokens_per_s);
    else
        sqlite3_bind_null(told, 5), sqlite3_bind_null(told, 6), sqlite3_bind_null(told, 7);
    step(told);
}

static void write_minute(struct tally *hours, struct tally *dayly, usec_t minute)
{
    for (int64_t route = 1; route <= routes; route++) {
        struct tally sum = {.n = 0};

        for (usec_t t = minute; t < minute + USEC_PER_MINUTE && t < end_at; t += INTERVAL) {
            struct observation o = observe(route);

            if (t >= end_at - 7 * USEC_PER_DAY)
                write_record(t + route * 1000 + (usec_t)(random_part() * 900), route, &o);
            rollup_record(&sum, &o);
        }
        tally_merge(&hours[route - 1], &sum);
        tally_merge(&dayly[route - 1], &sum);
        if (minute >= end_at - 2 * USEC_PER_DAY)
            write_sum(USEC_PER_MINUTE, route, minute, &sum);
        tally_done(&sum);
    }
}

static void generate(void)
{
    struct tally *hours = alloc_zero((size_t)routes, sizeof *hours), *dayly = alloc_zero((size_t)routes, sizeof *dayly);
    usec_t minute = BEGIN_AT, rolled = end_at - end_at % USEC_PER_MINUTE;

    for (; minute < end_at; minute += USEC_PER_MINUTE) {
        if (minute < rolled)
            write_minute(hours, dayly, minute);
        for (int64_t route = 1; route <= routes; route++) {
            usec_t next = minute + USEC_PER_MINUTE;
            bool over = next >= rolled;

            if (next % USEC_PER_HOUR == 0 || over)
                write_sum(USEC_PER_HOUR, route, minute - minute % USEC_PER_HOUR, &hours[route - 1]);
            if (next % USEC_PER_DAY == 0 || over)
                write_sum(USEC_PER_DAY, route, minute - minute % USEC_PER_DAY, &dayly[route - 1]);
        }
    }
    for (int64_t route = 1; route <= routes; route++) /* what is in no sum yet */
        for (usec_t t = rolled; t < end_at; t += INTERVAL) {
            struct observation o = observe(route);

            write_record(t + route * 1000, route, &o);
        }
    free(hours);
    free(dayly);
}

static void write_rest(void)
{
    char sql[400];

    run("INSERT INTO policy VALUES (1, 'production')");
    for (int route = 1; route <= routes; route++) {
        snprintf(sql, sizeof sql, "INSERT INTO route VALUES (%d, 'platform-%02d', 'vendor/model-%02d')", route, (route - 1) % PLATFORMS, (route - 1) / PLATFORMS);
        run(sql);
        for (int i = 0; i < days * 24; i += 3) {
            long long t = (long long)(BEGIN_AT + i * USEC_PER_HOUR + route * 1000);

            snprintf(sql, sizeof sql, "INSERT INTO rank VALUES (%d, 1, %lld, %d, %d)", route, t, 1 + (route + i) % 20, i % 256);
            run(sql);
            snprintf(sql, sizeof sql, "INSERT INTO state VALUES (%d, %lld, '%s')", route, t, i % 24 == 3 ? "down" : i % 24 == 12 ? "degraded" : "up");
            run(sql);
            snprintf(sql, sizeof sql, "INSERT INTO price VALUES (%d, %lld, %d, 600000, -1)", route, t, 150000 + i * 10);
            run(sql);
            snprintf(sql, sizeof sql,
                     "INSERT INTO event (t, level, name, platform, model, was, becomes, reason, text) VALUES (%lld, 5, 'state', 'platform-%02d', 'vendor/model-%02d', 'up',"
                     " 'down', 'server_error', 'the route went down: 3 of 3 failed')",
                     t, (route - 1) % PLATFORMS, (route - 1) / PLATFORMS);
            run(sql);
        }
    }
    snprintf(sql, sizeof sql, "INSERT INTO meta VALUES ('rolled', %lld)", (long long)(end_at - end_at % USEC_PER_MINUTE));
    run(sql);
}

static int64_t count(const char *what)
{
    char sql[120];
    sqlite3_stmt *s = NULL;
    int64_t n = 0;

    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", what);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static double ask(sqlite3 *from, const struct history_query *query, size_t *ret_bytes)
{
    struct history_answer answer = {.status = 0};
    double before = now_ms();
    int error = question_answer(from, query, &answer);
    double took = now_ms() - before;

    if (error < 0 || answer.status != 200) {
        fprintf(stderr, "%s\n", answer.problem);
        exit(1);
    }
    *ret_bytes = answer.body.len;
    buf_done(&answer.body);
    return took;
}

static double worst_of_all;

static void measure(const char *file, const char *name, const struct history_query *query)
{
    sqlite3 *reader = NULL;
    size_t bytes = 0;
    double warm = 0;

    if (sqlite3_open_v2(file, &reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        exit(1);
    sqlite3_exec(reader, "PRAGMA cache_size = -32768; PRAGMA cell_size_check = ON", NULL, NULL, NULL);
    double cold = ask(reader, query, &bytes);

    for (int i = 0; i < 5; i++) {
        double took = ask(reader, query, &bytes);

        warm = took > warm ? took : warm;
    }
    sqlite3_close(reader);
    printf("%-44s %8.1f %8.1f %9zu\n", name, cold, warm, bytes);
    worst_of_all = cold > worst_of_all ? cold : worst_of_all;
    worst_of_all = warm > worst_of_all ? warm : worst_of_all;
}

static struct history_query query(int kind, usec_t window, unsigned points)
{
    /* Windows that end and begin in the midst of everything. */
    return (struct history_query){.kind = kind, .since = end_at - window - 1234567, .until = 0, .now = end_at, .points = points, .limit = 100, .after = kind == HISTORY_EVENTS ? -1 : 0};
}

static void measure_series(const char *file)
{
    static const struct { const char *name; usec_t window; } windows[] = {{"10m", 10 * USEC_PER_MINUTE}, {"2h", 2 * USEC_PER_HOUR}, {"24h", USEC_PER_DAY},
                                                                          {"47h", 47 * USEC_PER_HOUR}, {"7d", 7 * USEC_PER_DAY}, {"30d", 30 * USEC_PER_DAY}};
    static const enum history_metric metrics[] = {HISTORY_METRIC_TTFT, HISTORY_METRIC_AVAILABILITY, HISTORY_METRIC_PRICE, HISTORY_METRIC_RANK};
    char name[96];

    for (size_t m = 0; m < ARRAY_LEN(metrics); m++)
        for (size_t i = 0; i < ARRAY_LEN(windows); i++)
            for (unsigned points = 200; points <= 2000; points += 1800)
                for (int n = 1; n <= 12; n += 11) {
                    struct history_query q = query(HISTORY_SERIES, windows[i].window, points);

                    q.metric = metrics[m];
                    strcpy(q.policy, "production");
                    for (int r = 0; r < n; r++) {
                        snprintf(q.of[r].platform, sizeof q.of[r].platform, "platform-%02d", r % PLATFORMS);
                        snprintf(q.of[r].model, sizeof q.of[r].model, "vendor/model-%02d", r % (routes / PLATFORMS));
                    }
                    q.of_len = (size_t)n;
                    snprintf(name, sizeof name, "series %s %s, %d route%s, %u points", history_metric_name(q.metric), windows[i].name, n, n > 1 ? "s" : "", points);
                    measure(file, name, &q);
                }
}

static void measure_rest(const char *file)
{
    static const struct { const char *name; usec_t window; } windows[] = {{"report 1h", USEC_PER_HOUR}, {"report 24h", USEC_PER_DAY}, {"report 7d", 7 * USEC_PER_DAY},
                                                                          {"report 30d", 30 * USEC_PER_DAY}};
    struct history_query q;

    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        q = query(HISTORY_REPORT, windows[i].window, 0);
        measure(file, windows[i].name, &q);
    }
    /* The most pieces that a window can have. */
    q = query(HISTORY_REPORT, 0, 0);
    q.until = end_at - end_at % USEC_PER_DAY - USEC_PER_SEC;
    q.since = q.until - USEC_PER_DAY - 23 * USEC_PER_HOUR - 58 * USEC_PER_MINUTE;
    measure(file, "report 47:58, all of it in hours and minutes", &q);
    q = query(HISTORY_EVENTS, 30 * USEC_PER_DAY, 0);
    measure(file, "events, the newest 100", &q);
    strcpy(q.event, "none such");
    measure(file, "events, a filter that finds nothing", &q);
    q.after = 1;
    measure(file, "events after the first, finding nothing", &q);
    q = query(HISTORY_DUMP, 30 * USEC_PER_DAY, 0);
    q.limit = 5000;
    measure(file, "dump, 5000 records", &q);
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/probed-bench-XXXXXX", file[64];
    struct stat st;

    if (argc > 1)
        routes = atoi(argv[1]);
    if (argc > 2)
        days = atoi(argv[2]);
    if (routes < PLATFORMS || days < 1 || mkdtemp(directory) == NULL)
        return 2;
    end_at = BEGIN_AT + days * USEC_PER_DAY - 5 * USEC_PER_HOUR - 17 * USEC_PER_MINUTE - 13 * USEC_PER_SEC;
    snprintf(file, sizeof file, "%s/history.db", directory);
    if (sqlite3_open(file, &db) != SQLITE_OK)
        return 1;
    run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536");
    run(SCHEMA_SQL);
    sqlite3_prepare_v2(db, "INSERT INTO told (id, kind, route, stage, outcome, fault, status, ttft, total, tokens_per_s, cost, prompt_tokens, output_tokens, in_flight)"
                           " VALUES (?1, 0, ?2, 8, ?3, ?4, 200, ?5, ?6, ?7, 12000000, 60, 20, 1)", -1, &told, NULL);
    sqlite3_prepare_v2(db, "INSERT INTO rollup VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)", -1, &rollup, NULL);
    double before = now_ms();

    run("BEGIN");
    generate();
    write_rest();
    run("COMMIT");
    sqlite3_finalize(told);
    sqlite3_finalize(rollup);
    stat(file, &st);
    printf("made in %.1f s: %lld MiB, %lld records, %lld sums\n", (now_ms() - before) / 1e3, (long long)st.st_size >> 20, (long long)count("told"), (long long)count("rollup"));
    sqlite3_close(db);
    printf("%-44s %8s %8s %9s\n", "question", "cold ms", "warm ms", "bytes");
    measure_series(file);
    measure_rest(file);
    printf("the slowest: %.1f ms\n", worst_of_all);
    if (getenv("BENCH_KEEP") == NULL) {
        unlink(file);
        rmdir(directory);
    } else
        puts(file);
    return 0;
}
