/* SERIES, held against a plain calculation over all requests: any window, any step, what retention took away, clocks that stepped, damage. */
#include "tests/unit/store/past.h"

#define LEVEL_COUNT_TEST 4

/* --- the plain series --- */

struct offsets { usec_t at, offset; };
static struct offsets wall_offsets[4];
static size_t wall_offsets_len;

static usec_t wall_of(usec_t steady)
{
    usec_t offset = wall_offsets_len > 0 ? wall_offsets[0].offset : 0;

    for (size_t i = 0; i < wall_offsets_len; i++)
        if (wall_offsets[i].at <= steady)
            offset = wall_offsets[i].offset;
    return steady + offset;
}

static void set_clock(struct past *p, usec_t at, usec_t offset)
{
    wall_offsets[wall_offsets_len++] = (struct offsets){at, offset};
    past_sql(p, "INSERT INTO clock VALUES (%lld, %lld)", (long long)at, (long long)offset);
}

struct expected {
    int64_t n, ok, failed, speed_n;
    double speed_sum;
    struct plain times;
};

static struct expected expect(const struct past *p, int64_t route, enum history_metric metric, usec_t from, usec_t to)
{
    struct expected e = {.n = 0};

    for (size_t i = 0; i < p->len; i++) {
        const struct request *r = &p->all[i];
        usec_t wall = wall_of(r->t);

        if (r->route != route || wall < from || wall >= to)
            continue;
        e.n++;
        e.ok += r->outcome == OUTCOME_OK;
        e.failed += is_failed(r);
        if (r->speed > 0)
            e.speed_sum += r->speed, e.speed_n++;
        if (r->outcome == OUTCOME_OK)
            plain_add(&e.times, (double)(metric == HISTORY_METRIC_TOTAL ? r->total : r->ttft) / 1000);
    }
    plain_sort(&e.times);
    return e;
}

static void assert_point(const cJSON *point, enum history_metric metric, const struct expected *e)
{
    switch (metric) {
    case HISTORY_METRIC_TTFT:
    case HISTORY_METRIC_TOTAL:
        assert_int_equal((int64_t)number(point, "n"), e->times.len);
        assert_near(number(point, "value"), plain_quantile(&e->times, 0.5), "p50");
        assert_near(number(point, "low"), plain_quantile(&e->times, 0.1), "p10");
        assert_near(number(point, "high"), plain_quantile(&e->times, 0.95), "p95");
        break;
    case HISTORY_METRIC_AVAILABILITY:
        assert_int_equal((int64_t)number(point, "n"), e->ok + e->failed);
        assert_true(fabs(number(point, "value") - (double)e->ok / (double)(e->ok + e->failed)) < 1e-6);
        assert_true(isnan(number(point, "low")) && isnan(number(point, "high")));
        break;
    default:
        assert_int_equal((int64_t)number(point, "n"), e->speed_n);
        assert_true(fabs(number(point, "value") - e->speed_sum / (double)e->speed_n) < 1e-3);
        break;
    }
}

static bool has_point(const struct expected *e, enum history_metric metric)
{
    return metric == HISTORY_METRIC_AVAILABILITY ? e->ok + e->failed > 0 : metric == HISTORY_METRIC_SPEED ? e->speed_n > 0 : e->times.len > 0;
}

/* Every step of the series is there if something happened in it, and says what happened. */
static void assert_series(struct past *p, const cJSON *json, size_t at, int64_t route, const struct history_query *q)
{
    char path[32];
    double step_s = number(json, "step_s");
    usec_t step = (usec_t)step_s * USEC_PER_SEC, until = q->until != 0 ? q->until : q->now + 1;
    usec_t first = q->since - q->since % step;
    int64_t n = 0;

    snprintf(path, sizeof path, "series.%zu", at);
    const cJSON *series = json_at(json, path), *point = json_at(series, "points.0");

    assert_non_null(series);
    assert_true((until - 1 - first) / step + 1 <= q->points);
    for (usec_t t = first; t < until; t += step) {
        struct expected e = expect(p, route, q->metric, t > q->since ? t : q->since, t + step < until ? t + step : until);

        n += e.n;
        if (has_point(&e, q->metric)) {
            assert_non_null(point);
            assert_true(fabs(number(point, "t") - (double)t / 1e6) < 1e-3);
            assert_point(point, q->metric, &e);
            point = point->next;
        }
        free(e.times.values);
    }
    assert_null(point);
    assert_int_equal((int64_t)number(series, "n"), n);
}

static void check(struct past *p, const struct history_query *q, int64_t route)
{
    cJSON *json = past_ask(p, q);

    assert_series(p, json, 0, route, q);
    cJSON_Delete(json);
}

static struct past *some_days(uint64_t seed, int days)
{
    struct past *p = past_new(seed);

    wall_offsets_len = 0;
    for (int i = 0; i < 3; i++) {
        int64_t route = past_route(p, i < 2 ? "p1" : "中转站", i == 1 ? "vendor/模型/x" : "m1");

        past_requests(p, route, T0 + i * USEC_PER_HOUR, T0 + days * USEC_PER_DAY - USEC_PER_HOUR, 5 * USEC_PER_MINUTE, (i + 1) * 400 * USEC_PER_MSEC);
    }
    p->now = T0 + days * USEC_PER_DAY;
    return p;
}

/* --- tests --- */

static void test_windows(void **state)
{
    static const enum history_metric metrics[] = {HISTORY_METRIC_TTFT, HISTORY_METRIC_TOTAL, HISTORY_METRIC_AVAILABILITY, HISTORY_METRIC_SPEED};
    uint64_t seed = 11;
    struct past *p = some_days(seed, 4);
    bool seen[LEVEL_COUNT_TEST] = {false};

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    past_write_up_to(p, T0 + 3 * USEC_PER_DAY + 7 * USEC_PER_HOUR + 13 * USEC_PER_MINUTE + 17, T0 + 3 * USEC_PER_DAY + 6 * USEC_PER_HOUR); /* the writer is behind */
    for (int i = 0; i < 80; i++) {
        usec_t since = T0 + (usec_t)(past_random(p) * 4 * USEC_PER_DAY), length = (usec_t)exp(log(1e7) + past_random(p) * log(4e4));
        struct history_query q = past_query(p, HISTORY_SERIES, since, since + length);
        int which = i % 3;
        static const char *const names[3][2] = {{"p1", "m1"}, {"p1", "vendor/模型/x"}, {"中转站", "m1"}};

        q.metric = metrics[i % 4];
        q.points = 2 + (unsigned)(past_random(p) * 300);
        query_of(&q, names[which][0], names[which][1]);
        cJSON *json = past_ask(p, &q);

        assert_series(p, json, 0, which + 1, &q);
        assert_string_equal(json_string(json, "series.0.platform"), names[which][0]);
        assert_string_equal(json_string(json, "series.0.model"), names[which][1]);
        for (int level = 0; level < LEVEL_COUNT_TEST; level++)
            seen[level] |= strcmp(json_string(json, "source"), (const char *const[]){"raw", "minute", "hour", "day"}[level]) == 0;
        cJSON_Delete(json);
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    past_free(p);
}

/* Several routes at once, one of them by its platform alone, one that nobody knows. */
static void test_routes(void **state)
{
    struct past *p = some_days(3, 1);
    struct history_query q = past_query(p, HISTORY_SERIES, T0, 0);

    (void)state;
    past_write(p);
    query_of(&q, "p1", "");
    query_of(&q, "gone", "m1");
    query_of(&q, "中转站", "m1");
    query_of(&q, "nobody", "");
    cJSON *json = past_ask(p, &q);

    assert_int_equal(cJSON_GetArraySize(json_at(json, "series")), 5);
    assert_series(p, json, 0, 1, &q);
    assert_series(p, json, 1, 2, &q);
    assert_series(p, json, 3, 3, &q);
    assert_string_equal(json_string(json, "series.1.model"), "vendor/模型/x");
    assert_string_equal(json_string(json, "series.2.platform"), "gone");
    assert_int_equal(cJSON_GetArraySize(json_at(json, "series.2.points")), 0);
    assert_true(cJSON_IsNull(json_at(json, "series.4.model")));
    assert_int_equal(cJSON_GetArraySize(json_at(json, "series.4.points")), 0);
    assert_string_equal(json_string(json, "metric"), "ttft");
    assert_string_equal(json_string(json, "unit"), "ms");
    assert_true(cJSON_IsNull(json_at(json, "policy")));
    cJSON_Delete(json);
    past_free(p);
}

/* What is not kept any more as single records and minutes is answered out of hours, with steps of an hour; windows that begin in the midst of an hour take it if most of it is
 * theirs. */
static void test_pruned(void **state)
{
    struct past *p = some_days(5, 4);
    struct history_query q = past_query(p, HISTORY_SERIES, T0 + USEC_PER_DAY, T0 + 4 * USEC_PER_DAY);

    (void)state;
    past_write(p);
    past_prune(p, T0 + 3 * USEC_PER_DAY, T0 + 2 * USEC_PER_DAY, T0);
    query_of(&q, "p1", "m1");
    q.points = 2000;
    cJSON *json = past_ask(p, &q);

    assert_string_equal(json_string(json, "source"), "hour");
    assert_int_equal((int)number(json, "step_s"), 3600);
    assert_series(p, json, 0, 1, &q);
    cJSON_Delete(json);

    /* Minutes are kept since then, and single records not: whole minutes only. */
    q.since = T0 + 2 * USEC_PER_DAY + 7 * USEC_PER_MINUTE;
    q.until = q.since + 11 * USEC_PER_HOUR;
    json = past_ask(p, &q);
    assert_string_equal(json_string(json, "source"), "minute");
    assert_series(p, json, 0, 1, &q);
    cJSON_Delete(json);

    /* 10:20 to 13:40: the first hour counts whole, and so does the last; 10:40 to 13:20: neither. */
    for (int i = 0; i < 2; i++) {
        int shift = i == 0 ? 20 : 40;
        struct history_query odd = past_query(p, HISTORY_SERIES, T0 + USEC_PER_DAY + 10 * USEC_PER_HOUR + shift * USEC_PER_MINUTE,
                                              T0 + USEC_PER_DAY + 13 * USEC_PER_HOUR + (60 - shift) * USEC_PER_MINUTE);
        struct history_query whole = past_query(p, HISTORY_SERIES, T0 + USEC_PER_DAY + (i == 0 ? 10 : 11) * USEC_PER_HOUR,
                                                T0 + USEC_PER_DAY + (i == 0 ? 14 : 13) * USEC_PER_HOUR);
        struct expected e = expect(p, 1, HISTORY_METRIC_TTFT, whole.since, whole.until);

        query_of(&odd, "p1", "m1");
        json = past_ask(p, &odd);
        assert_int_equal((int64_t)number(json, "series.0.n"), e.n);
        free(e.times.values);
        cJSON_Delete(json);
    }

    /* Minutes are kept from 00:40 of the third day on, and the window begins at 00:35: that hour is not the window's, but what is left of its minutes is. */
    past_prune(p, T0 + 3 * USEC_PER_DAY, T0 + 2 * USEC_PER_DAY + 40 * USEC_PER_MINUTE, T0);
    struct history_query cut = past_query(p, HISTORY_SERIES, T0 + 2 * USEC_PER_DAY + 35 * USEC_PER_MINUTE, T0 + 2 * USEC_PER_DAY + 20 * USEC_PER_HOUR);
    struct expected e = expect(p, 1, HISTORY_METRIC_TTFT, T0 + 2 * USEC_PER_DAY + 40 * USEC_PER_MINUTE, cut.until);

    query_of(&cut, "p1", "m1");
    json = past_ask(p, &cut);
    assert_int_equal((int64_t)number(json, "series.0.n"), e.n);
    free(e.times.values);
    cJSON_Delete(json);

    /* From 04:20 on, and the window begins at 04:05: most of that hour is the window's, so all of it counts. */
    past_prune(p, T0 + 3 * USEC_PER_DAY, T0 + 2 * USEC_PER_DAY + 4 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE, T0);
    cut.since = T0 + 2 * USEC_PER_DAY + 4 * USEC_PER_HOUR + 5 * USEC_PER_MINUTE;
    e = expect(p, 1, HISTORY_METRIC_TTFT, T0 + 2 * USEC_PER_DAY + 4 * USEC_PER_HOUR, cut.until);
    json = past_ask(p, &cut);
    assert_int_equal((int64_t)number(json, "series.0.n"), e.n);
    free(e.times.values);
    cJSON_Delete(json);
    past_free(p);
}

/* The wall was set back by half an hour, and later forward by two: what is asked for in its times is found by them. */
static void test_clock_steps(void **state)
{
    struct past *p = some_days(7, 2);

    (void)state;
    set_clock(p, T0, 0);
    set_clock(p, T0 + 10 * USEC_PER_HOUR, -30 * USEC_PER_MINUTE);
    set_clock(p, T0 + 20 * USEC_PER_HOUR, 90 * USEC_PER_MINUTE);
    past_write(p);
    p->now = wall_of(T0 + 2 * USEC_PER_DAY);
    struct history_query q = past_query(p, HISTORY_SERIES, T0 + 9 * USEC_PER_HOUR, T0 + 22 * USEC_PER_HOUR);

    query_of(&q, "p1", "m1");
    q.points = 1000;
    check(p, &q, 1);
    q.since = T0 + 9 * USEC_PER_HOUR + 33 * USEC_PER_MINUTE; /* in the half hour that was there twice */
    q.until = T0 + 9 * USEC_PER_HOUR + 51 * USEC_PER_MINUTE;
    check(p, &q, 1);
    q.since += 20 * USEC_PER_SEC;
    q.until -= 20 * USEC_PER_SEC;
    q.points = 5; /* steps of five minutes, the first and the last cut */
    check(p, &q, 1);
    q.points = 1000;
    q.since = T0 + 19 * USEC_PER_HOUR + 40 * USEC_PER_MINUTE; /* in the hours that never were */
    q.until = T0 + 21 * USEC_PER_HOUR;
    check(p, &q, 1);
    wall_offsets_len = 0;
    past_free(p);
}

static void test_gaps_and_nothing(void **state)
{
    struct past *p = past_new(9);

    (void)state;
    wall_offsets_len = 0;
    for (int kind = HISTORY_SERIES; kind <= HISTORY_DUMP; kind++)
        for (int metric = 0; metric < HISTORY_METRIC_COUNT; metric++) {
            struct history_query q = past_query(p, kind, T0, 0);
            struct history_answer answer = {.status = 0};

            q.metric = (enum history_metric)metric;
            if (kind == HISTORY_SERIES)
                query_of(&q, "p1", "");
            assert_int_equal(question_answer(p->db, &q, &answer), 0);
            assert_int_equal(answer.status, 200);
            buf_done(&answer.body);
        }
    int64_t route = past_route(p, "p1", "m1");

    past_requests(p, route, T0, T0 + 2 * USEC_PER_HOUR, USEC_PER_MINUTE, USEC_PER_SEC);
    past_requests(p, route, T0 + 9 * USEC_PER_HOUR, T0 + 11 * USEC_PER_HOUR, USEC_PER_MINUTE, USEC_PER_SEC);
    past_write(p);
    struct history_query q = past_query(p, HISTORY_SERIES, T0, T0 + 12 * USEC_PER_HOUR);

    query_of(&q, "p1", "m1");
    check(p, &q, route);
    past_free(p);
}

/* Ranks, prices and balances. */
static void test_told(void **state)
{
    struct past *p = past_new(1);
    int64_t m1 = past_route(p, "p1", "m1"), whole = past_route(p, "p1", "");
    usec_t h = USEC_PER_HOUR;

    (void)state;
    wall_offsets_len = 0;
    p->now = T0 + 10 * h;
    past_sql(p, "INSERT INTO price VALUES (%lld, %lld, 150000, 600000, -1), (%lld, %lld, 300000, 700000, NULL), (%lld, %lld, 200000, -1, -1), (%lld, %lld, NULL, NULL, NULL)",
             (long long)m1, (long long)(T0 - 100 * h), (long long)m1, (long long)(T0 + 2 * h + h / 2), (long long)m1, (long long)(T0 + 2 * h + h * 3 / 4),
             (long long)m1, (long long)(T0 + 6 * h));
    past_sql(p, "INSERT INTO price VALUES (%lld, %lld, 990000, 990000, 1)", (long long)m1, (long long)(T0 - 200 * h));
    past_sql(p, "INSERT INTO policy VALUES (1, 'production'), (2, 'budget')");
    past_sql(p, "INSERT INTO rank VALUES (%lld, 1, %lld, 3, 0), (%lld, 1, %lld, 1, 192), (%lld, 1, %lld, 0, 0), (%lld, 2, %lld, 7, 1)", (long long)m1,
             (long long)(T0 - h), (long long)m1, (long long)(T0 + 3 * h), (long long)m1, (long long)(T0 + 5 * h), (long long)m1, (long long)T0);
    past_sql(p, "INSERT INTO balance VALUES (%lld, %lld, 12500000000000), (%lld, %lld, -250000000000)", (long long)whole, (long long)(T0 + h + 5), (long long)whole,
             (long long)(T0 + h + h / 2));
    struct history_query q = past_query(p, HISTORY_SERIES, T0, T0 + 12 * h);

    q.points = 12;
    q.metric = HISTORY_METRIC_PRICE;
    query_of(&q, "p1", "m1");
    cJSON *json = past_ask(p, &q);

    assert_int_equal((int)number(json, "step_s"), 3600);
    assert_string_equal(json_string(json, "unit"), "usd_per_mtok");
    assert_int_equal(cJSON_GetArraySize(json_at(json, "series.0.points")), 6); /* from six o'clock on nothing is known */
    assert_int_equal((int)number(json, "series.0.n"), 3);
    assert_true(number(json, "series.0.points.0.t") == (double)T0 / 1e6);
    assert_true(number(json, "series.0.points.0.value") == 0.15);
    assert_true(number(json, "series.0.points.0.output") == 0.6);
    assert_true(number(json, "series.0.points.2.value") == 0.2);
    assert_true(number(json, "series.0.points.2.low") == 0.15);
    assert_true(number(json, "series.0.points.2.high") == 0.3);
    assert_true(cJSON_IsNull(json_at(json, "series.0.points.2.output")));
    assert_true(number(json, "series.0.points.5.low") == 0.2);
    cJSON_Delete(json);

    q.metric = HISTORY_METRIC_RANK;
    strcpy(q.policy, "production");
    json = past_ask(p, &q);
    assert_string_equal(json_string(json, "policy"), "production");
    assert_int_equal(cJSON_GetArraySize(json_at(json, "series.0.points")), 5); /* 0..4: at five it lost its place */
    assert_int_equal((int)number(json, "series.0.points.2.value"), 3);
    assert_int_equal((int)number(json, "series.0.points.3.value"), 1);
    assert_int_equal((int)number(json, "series.0.points.3.high"), 1); /* rank 3 ended as that step began */
    assert_true(number(json, "series.0.points.4.weight") == 0.75);
    cJSON_Delete(json);
    strcpy(q.policy, "budget");
    json = past_ask(p, &q);
    assert_int_equal(cJSON_GetArraySize(json_at(json, "series.0.points")), 11); /* carried up to now, ten o'clock */
    assert_int_equal((int)number(json, "series.0.points.10.value"), 7);
    cJSON_Delete(json);
    strcpy(q.policy, "none such");
    json = past_ask(p, &q);
    assert_int_equal(cJSON_GetArraySize(json_at(json, "series.0.points")), 0);
    cJSON_Delete(json);

    q.metric = HISTORY_METRIC_BALANCE;
    q.of[0].model[0] = '\0';
    json = past_ask(p, &q);
    assert_int_equal(cJSON_GetArraySize(json_at(json, "series")), 1);
    assert_int_equal(cJSON_GetArraySize(json_at(json, "series.0.points")), 1);
    assert_true(number(json, "series.0.points.0.value") == -0.25);
    assert_true(number(json, "series.0.points.0.high") == 12.5);
    assert_int_equal((int)number(json, "series.0.points.0.n"), 2);
    assert_true(cJSON_IsNull(json_at(json, "series.0.model")));
    cJSON_Delete(json);
    past_free(p);
}

/* Blobs, numbers and names that nobody wrote: nothing of it counts, nothing of it hurts. */
static void test_damaged(void **state)
{
    struct past *p = some_days(13, 2);
    static const char *const damage[] = {
        "UPDATE rollup SET ttft = x'ff', total = x'8080808080'", "UPDATE rollup SET ttft = x'00', total = x'0001ff'", "UPDATE rollup SET ttft = 'text', total = 7",
        "UPDATE rollup SET n = -5, ok = 'x', failed = 9223372036854775807, speed_sum = 1e308, cost = -9223372036854775808",
        "UPDATE told SET ttft = -9223372036854775808, total = 9223372036854775807, late = -9, outcome = 4711, fault = -1, in_flight = -7, tokens_per_s = 'x'",
        "UPDATE told SET late = 9223372036854775807",
        "INSERT INTO clock VALUES (-9223372036854775808, 9223372036854775807), (0, -9223372036854775807), (9223372036854775807, 5)",
        "UPDATE route SET model = x'ff41', platform = 'p1' || char(10) WHERE id = 2",
        "UPDATE price SET input = -9223372036854775808", "UPDATE rank SET rank = -3, slots = 99999", "UPDATE balance SET pico = -9223372036854775808",
        "UPDATE event SET text = x'ff00', level = 99, t = 9223372036854775807", "UPDATE state SET t = -9223372036854775808, state = 'no such state at all'",
    };

    (void)state;
    past_write(p);
    past_sql(p, "INSERT INTO policy VALUES (1, 'production'); INSERT INTO route (platform, model) VALUES ('p1', '')");
    past_sql(p, "INSERT INTO price VALUES (1, %lld, 5, 5, 5); INSERT INTO rank VALUES (1, 1, %lld, 1, 1); INSERT INTO balance VALUES (4, %lld, 5)", (long long)T0 + 5,
             (long long)T0 + 5, (long long)T0 + 5);
    past_sql(p, "INSERT INTO event (t, level, name, text) VALUES (%lld, 5, 'state', 'x'); INSERT INTO state VALUES (1, %lld, 'down')", (long long)T0 + 5, (long long)T0 + 5);
    for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
        past_sql(p, "%s", damage[i]);
        for (int round = 0; round < 40; round++) {
            struct history_query q = past_query(p, round % 4, T0 + (usec_t)(past_random(p) * 2 * USEC_PER_DAY), round % 8 < 4 ? 0 : T0 + 4 * USEC_PER_DAY);

            if (round % 16 == 0)
                q.since = 0;
            q.metric = (enum history_metric)(round / 4 % HISTORY_METRIC_COUNT);
            strcpy(q.policy, q.kind == HISTORY_SERIES ? "production" : "");
            if (q.kind == HISTORY_SERIES)
                query_of(&q, "p1", "");
            if (q.kind == HISTORY_DUMP) {
                struct history_answer answer = {.status = 0};

                assert_int_equal(question_answer(p->db, &q, &answer), 0);
                buf_done(&answer.body);
            } else
                cJSON_Delete(past_ask(p, &q));
        }
    }
    past_free(p);
}

/* A file that is damaged below SQL: an answer or a sentence, for every byte that is spoilt. */
static void test_spoilt_file(void **state)
{
    struct past *p = some_days(17, 1);
    char spoilt[128];
    struct buf image = BUF_INIT;
    int answers = 0, sentences = 0;

    (void)state;
    past_write(p);
    past_sql(p, "PRAGMA journal_mode = DELETE");
    FILE *f = fopen(p->file, "rb");
    char piece[4096];

    assert_non_null(f);
    for (size_t n = 0; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_add(&image, piece, n);
    fclose(f);
    snprintf(spoilt, sizeof spoilt, "%s/spoilt.db", p->dir);
    for (int round = 0; round < 60; round++) {
        size_t at = (size_t)(past_random(p) * (double)image.len), len = round % 3 == 0 ? 1 : 2000;
        sqlite3 *db = NULL;

        f = fopen(spoilt, "wb");
        assert_non_null(f);
        fwrite(image.data, 1, round % 10 == 9 ? at : image.len, f);
        fseek(f, (long)at, SEEK_SET);
        for (size_t i = 0; i < len; i++)
            fputc((int)(past_random(p) * 256), f);
        fclose(f);
        assert_int_equal(sqlite3_open_v2(spoilt, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        for (int kind = 0; kind < 4; kind++) {
            struct history_query q = past_query(p, kind, T0, 0);
            struct history_answer answer = {.status = 0};

            if (kind == HISTORY_SERIES)
                query_of(&q, "p1", "");
            int error = question_answer(db, &q, &answer);

            assert_true(answer.status == (error < 0 ? 503 : 200));
            assert_true((error < 0) == (answer.problem[0] != '\0'));
            answers += error == 0;
            sentences += error < 0;
            buf_done(&answer.body);
        }
        sqlite3_close(db);
    }
    print_message("%d answers, %d sentences\n", answers, sentences);
    assert_true(answers > 0 && sentences > 0);
    unlink(spoilt);
    buf_done(&image);
    past_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),     cmocka_unit_test(test_routes), cmocka_unit_test(test_pruned),  cmocka_unit_test(test_clock_steps),
        cmocka_unit_test(test_gaps_and_nothing), cmocka_unit_test(test_told),   cmocka_unit_test(test_damaged), cmocka_unit_test(test_spoilt_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
