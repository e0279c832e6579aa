/* REPORT, EVENTS and DUMP, held against plain calculations. */
#include "tests/unit/store/past.h"

#include "probed/store/store_parts.h"

/* --- REPORT --- */

struct plain_figures {
    int64_t n, ok, failed, limited, ours, cost, prompt, output, speed_n;
    double speed_sum;
    struct plain ttft, total;
    int64_t load_n[LOAD_BUCKETS], load_failed[LOAD_BUCKETS];
};

static struct plain_figures figures(const struct past *p, int64_t first, int64_t last, usec_t from, usec_t to)
{
    struct plain_figures f = {.n = 0};

    for (size_t i = 0; i < p->len; i++) {
        const struct request *r = &p->all[i];

        if (r->route < first || r->route > last || r->t < from || r->t >= to)
            continue;
        f.n++;
        f.ok += r->outcome == OUTCOME_OK;
        f.failed += is_failed(r);
        f.limited += r->outcome == OUTCOME_RATE_LIMITED;
        f.ours += r->fault == FAULT_OURS;
        f.cost += r->cost;
        f.prompt += r->prompt;
        f.output += r->output;
        f.speed_sum += r->speed;
        f.speed_n += r->speed > 0;
        f.load_n[load_bucket((unsigned)r->in_flight)]++;
        f.load_failed[load_bucket((unsigned)r->in_flight)] += is_failed(r);
        if (r->outcome == OUTCOME_OK) {
            plain_add(&f.ttft, (double)r->ttft / 1000);
            plain_add(&f.total, (double)r->total / 1000);
        }
    }
    plain_sort(&f.ttft);
    plain_sort(&f.total);
    return f;
}

static void assert_figures(const cJSON *json, struct plain_figures f)
{
    assert_int_equal((int64_t)number(json, "n"), f.n);
    assert_int_equal((int64_t)number(json, "ok"), f.ok);
    assert_int_equal((int64_t)number(json, "failed"), f.failed);
    assert_int_equal((int64_t)number(json, "limited"), f.limited);
    assert_int_equal((int64_t)number(json, "ours"), f.ours);
    assert_int_equal((int64_t)number(json, "prompt_tokens"), f.prompt);
    assert_int_equal((int64_t)number(json, "output_tokens"), f.output);
    assert_true(fabs(number(json, "cost") - (double)f.cost / 1e12) < 1e-12);
    assert_near(number(json, "ttft.p50"), plain_quantile(&f.ttft, 0.5), "ttft p50");
    assert_near(number(json, "ttft.p90"), plain_quantile(&f.ttft, 0.9), "ttft p90");
    assert_near(number(json, "ttft.p95"), plain_quantile(&f.ttft, 0.95), "ttft p95");
    assert_near(number(json, "total.p99"), plain_quantile(&f.total, 0.99), "total p99");
    if (f.ok + f.failed > 0)
        assert_true(fabs(number(json, "availability") - (double)f.ok / (double)(f.ok + f.failed)) < 1e-6);
    else
        assert_true(cJSON_IsNull(json_at(json, "availability")));
    if (f.speed_n > 0)
        assert_true(fabs(number(json, "tokens_per_s") - f.speed_sum / (double)f.speed_n) < 1e-3);
    free(f.ttft.values);
    free(f.total.values);
}

static void assert_days(struct past *p, const cJSON *platform, int64_t first, int64_t last, usec_t since, usec_t until)
{
    const cJSON *day = json_at(platform, "days.0");

    for (usec_t t = since - since % USEC_PER_DAY; t < until; t += USEC_PER_DAY) {
        struct plain_figures f = figures(p, first, last, t > since ? t : since, t + USEC_PER_DAY < until ? t + USEC_PER_DAY : until);

        if (f.n > 0) {
            assert_non_null(day);
            assert_true(number(day, "t") == (double)t / 1e6);
            assert_int_equal((int64_t)number(day, "n"), f.n);
            assert_near(number(day, "ttft_p50"), plain_quantile(&f.ttft, 0.5), "day p50");
            assert_near(number(day, "ttft_p95"), plain_quantile(&f.ttft, 0.95), "day p95");
            day = day->next;
        }
        free(f.ttft.values);
        free(f.total.values);
    }
    assert_null(day);
}

static void assert_load(struct past *p, const cJSON *model, int64_t route, usec_t since, usec_t until)
{
    struct plain_figures f = figures(p, route, route, since, until);
    const cJSON *load = json_at(model, "by_in_flight.0");

    for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
        if (f.load_n[i] == 0)
            continue;
        assert_non_null(load);
        assert_string_equal(json_string(load, "in_flight"), load_bucket_name(i));
        assert_int_equal((int64_t)number(load, "n"), f.load_n[i]);
        assert_int_equal((int64_t)number(load, "failed"), f.load_failed[i]);
        load = load->next;
    }
    assert_null(load);
    free(f.ttft.values);
    free(f.total.values);
}

static void test_report(void **state)
{
    uint64_t seed = 31;
    struct past *p = past_new(seed);

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 4; i++)
        past_requests(p, past_route(p, i < 2 ? "a" : "中", i % 2 == 0 ? "m/1" : "m2"), T0 + i * USEC_PER_HOUR, T0 + 5 * USEC_PER_DAY, 5 * USEC_PER_MINUTE,
                      (i + 1) * 300 * USEC_PER_MSEC);
    p->now = T0 + 5 * USEC_PER_DAY;
    past_write_up_to(p, T0 + 4 * USEC_PER_DAY + 5 * USEC_PER_HOUR + 7 * USEC_PER_MINUTE, T0 + 4 * USEC_PER_DAY + 4 * USEC_PER_HOUR);
    for (int round = 0; round < 25; round++) {
        usec_t since = T0 + (usec_t)(past_random(p) * 3 * USEC_PER_DAY), until = since + (usec_t)(past_random(p) * 5 * USEC_PER_DAY) + USEC_PER_SEC;
        struct history_query q = past_query(p, HISTORY_REPORT, since, until);
        cJSON *json = past_ask(p, &q);
        const cJSON *platform = NULL;

        cJSON_ArrayForEach(platform, json_at(json, "platforms"))
        {
            int64_t first = strcmp(json_string(platform, "platform"), "a") == 0 ? 1 : 3;
            const cJSON *model = NULL;

            assert_figures(platform, figures(p, first, first + 1, since, until));
            assert_days(p, platform, first, first + 1, since, until);
            cJSON_ArrayForEach(model, json_at(platform, "models"))
            {
                int64_t route = first + (strcmp(json_string(model, "model"), "m2") == 0);

                assert_figures(model, figures(p, route, route, since, until));
                assert_load(p, model, route, since, until);
                assert_true(cJSON_IsNull(json_at(model, "uptime"))); /* no state is known */
            }
        }
        cJSON_Delete(json);
    }
    struct history_query q = past_query(p, HISTORY_REPORT, T0, 0);

    query_of(&q, "中", "");
    query_of(&q, "nobody", "");
    cJSON *json = past_ask(p, &q);

    assert_int_equal(cJSON_GetArraySize(json_at(json, "platforms")), 1);
    assert_string_equal(json_string(json, "platforms.0.platform"), "中");
    assert_int_equal(cJSON_GetArraySize(json_at(json, "platforms.0.models")), 2);
    cJSON_Delete(json);
    past_free(p);
}

static void put_state(struct past *p, int64_t route, double hour, const char *state)
{
    past_sql(p, "INSERT INTO state VALUES (%lld, %lld, %Q)", (long long)route, (long long)(T0 + (usec_t)(hour * (double)USEC_PER_HOUR)), state);
}

static void test_states(void **state)
{
    struct past *p = past_new(1);
    int64_t m1 = past_route(p, "a", "m1"), m2 = past_route(p, "a", "m2");

    (void)state;
    past_route(p, "a", "never");
    p->now = T0 + 20 * USEC_PER_HOUR;
    put_state(p, m1, -5, "up");
    put_state(p, m1, -2, "down");
    put_state(p, m1, 0.5, "down"); /* told again */
    put_state(p, m1, 1, "degraded");
    put_state(p, m1, 2, "up");
    put_state(p, m1, 3, "up"); /* told again */
    put_state(p, m1, 4, "missing");
    put_state(p, m1, 4.5, "drained");
    put_state(p, m1, 5, "limited");
    put_state(p, m1, 30, "down"); /* later than the window */
    put_state(p, m2, 6, "new");
    put_state(p, m2, 7, "unusable");
    struct history_query q = past_query(p, HISTORY_REPORT, T0, T0 + 10 * USEC_PER_HOUR);
    cJSON *json = past_ask(p, &q);
    const cJSON *m = json_at(json, "platforms.0.models.0");

    assert_int_equal(cJSON_GetArraySize(json_at(json, "platforms.0.models")), 2);
    assert_true(number(m, "state_known_s") == 36000);
    assert_true(number(m, "down_s") == 5400);
    assert_true(number(m, "uptime") == 0.85);
    assert_int_equal(cJSON_GetArraySize(json_at(m, "incidents")), 4);
    assert_string_equal(json_string(m, "incidents.0.state"), "down");
    assert_true(number(m, "incidents.0.from") == (double)T0 / 1e6);
    assert_true(number(m, "incidents.0.until") == (double)T0 / 1e6 + 3600);
    assert_true(number(m, "incidents.0.seconds") == 3600);
    assert_string_equal(json_string(m, "incidents.1.state"), "degraded");
    assert_string_equal(json_string(m, "incidents.2.state"), "missing");
    assert_string_equal(json_string(m, "incidents.3.state"), "limited");
    assert_true(cJSON_IsNull(json_at(m, "incidents.3.until")));
    assert_true(cJSON_IsTrue(json_at(m, "incidents.3.ongoing")));
    assert_true(number(m, "incidents.3.seconds") == 5 * 3600);
    m = json_at(json, "platforms.0.models.1");
    assert_true(number(m, "state_known_s") == 4 * 3600);
    assert_true(number(m, "uptime") == 0.25);
    assert_true(fabs(number(json, "platforms.0.uptime") - (1 - (5400 + 10800) / 50400.0)) < 1e-6); /* weighted by what is known */
    assert_true(number(json, "platforms.0.down_s") == (5400 + 10800) / 2);
    assert_int_equal((int)number(json, "platforms.0.n"), 0);
    assert_true(cJSON_IsNull(json_at(json, "platforms.0.ttft.p50")));
    cJSON_Delete(json);

    /* A window without an end ends now. */
    q.until = 0;
    json = past_ask(p, &q);
    assert_true(fabs(number(json, "platforms.0.models.0.state_known_s") - 20 * 3600) < 0.01);
    cJSON_Delete(json);
    q.until = p->now + 5 * USEC_PER_HOUR; /* of the time to come nothing is known */
    json = past_ask(p, &q);
    assert_true(fabs(number(json, "platforms.0.models.0.state_known_s") - 20 * 3600) < 0.01);
    cJSON_Delete(json);

    /* More incidents than are told one by one. */
    for (int i = 0; i < 300; i++)
        put_state(p, m2, 7.01 + i * 0.01, i % 2 == 0 ? "up" : "down");
    q.until = T0 + 12 * USEC_PER_HOUR;
    json = past_ask(p, &q);
    assert_null(json_at(json, "platforms.0.models.1.incidents_more")); /* 151 */
    for (int i = 0; i < 300; i++)
        put_state(p, m2, 10.02 + i * 0.005, i % 2 == 0 ? "up" : "down");
    cJSON_Delete(json);
    json = past_ask(p, &q);
    assert_int_equal(cJSON_GetArraySize(json_at(json, "platforms.0.models.1.incidents")), 200);
    assert_int_equal((int)number(json, "platforms.0.models.1.incidents_more"), 101);
    cJSON_Delete(json);
    past_free(p);
}

static void test_prices(void **state)
{
    struct past *p = past_new(1);
    int64_t m1 = past_route(p, "a", "m1");
    static const int64_t prices[][4] = {{-50, 100000, 200000, -1}, {-40, 150000, 200000, -1}, {1, 150000, 200000, -1}, {2, 150000, 200000, 1000000000}, {3, -1, -1, -1}};

    (void)state;
    put_state(p, m1, -1, "up");
    for (size_t i = 0; i < ARRAY_LEN(prices); i++)
        past_sql(p, "INSERT INTO price VALUES (%lld, %lld, %lld, %lld, %lld)", (long long)m1, (long long)(T0 + prices[i][0] * USEC_PER_HOUR), (long long)prices[i][1],
                 (long long)prices[i][2], (long long)prices[i][3]);
    struct history_query q = past_query(p, HISTORY_REPORT, T0, T0 + 10 * USEC_PER_HOUR);
    cJSON *json = past_ask(p, &q);
    const cJSON *m = json_at(json, "platforms.0.models.0");

    assert_int_equal(cJSON_GetArraySize(json_at(m, "prices")), 3);
    assert_true(number(m, "prices.0.t") == (double)T0 / 1e6);
    assert_true(number(m, "prices.0.input") == 0.15);
    assert_true(cJSON_IsNull(json_at(m, "prices.0.call")));
    assert_true(number(m, "prices.1.t") == (double)T0 / 1e6 + 7200);
    assert_true(number(m, "prices.1.call") == 0.001);
    assert_true(cJSON_IsNull(json_at(m, "prices.2.input")));
    cJSON_Delete(json);
    past_free(p);
}

/* --- EVENTS --- */

static void put_events(struct past *p)
{
    for (int i = 1; i <= 20; i++)
        past_sql(p, "INSERT INTO event (t, level, name, platform, model, policy, was, becomes, reason, generation, text) VALUES (%lld, %d, %Q, %Q, %Q, %Q, 'up', 'down', %Q, %d, %Q)",
                 (long long)(T0 + i * USEC_PER_MINUTE), i % 2 == 0 ? 4 : 5, i % 2 == 0 ? "state" : "first", i % 3 == 0 ? "p2" : "p1", i % 4 == 0 ? "m2" : "m1",
                 i % 5 == 0 ? "budget" : NULL, "said \"no\"\x1b[31m", i == 7 ? 42 : 0, "a 句 sentence");
}

static void assert_ids(cJSON *json, const char *ids, int64_t next)
{
    char got[256] = "";
    const cJSON *event = NULL;

    cJSON_ArrayForEach(event, json_at(json, "events"))
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", got[0] != '\0' ? " " : "", (int)number(event, "id"));
    assert_string_equal(got, ids);
    assert_int_equal((int64_t)number(json, "next"), next);
    cJSON_Delete(json);
}

static void test_events(void **state)
{
    struct past *p = past_new(1);
    struct history_query q = past_query(p, HISTORY_EVENTS, T0, 0);

    (void)state;
    assert_ids(past_ask(p, &q), "", 0);
    put_events(p);
    q.limit = 3;
    assert_ids(past_ask(p, &q), "18 19 20", 20);
    q.after = 0;
    assert_ids(past_ask(p, &q), "1 2 3", 3);
    q.after = 18;
    assert_ids(past_ask(p, &q), "19 20", 20);
    q.after = 20;
    assert_ids(past_ask(p, &q), "", 20);
    q.after = 50; /* of another file, set aside since: no harm */
    assert_ids(past_ask(p, &q), "", 50);
    q.after = 0;
    q.limit = 100;
    strcpy(q.event, "state");
    query_of(&q, "p2", "");
    assert_ids(past_ask(p, &q), "6 12 18", 20); /* nothing else is there to be searched again */
    q.of[0].platform[0] = '\0';
    strcpy(q.of[0].model, "m2");
    assert_ids(past_ask(p, &q), "4 8 12 16 20", 20);
    strcpy(q.policy, "budget");
    assert_ids(past_ask(p, &q), "20", 20);
    q = past_query(p, HISTORY_EVENTS, T0 + 5 * USEC_PER_MINUTE, T0 + 8 * USEC_PER_MINUTE);
    assert_ids(past_ask(p, &q), "5 6 7", 20);
    q.limit = 2;
    assert_ids(past_ask(p, &q), "6 7", 20);
    q.after = 5;
    assert_ids(past_ask(p, &q), "6 7", 7);

    cJSON *json = past_ask(p, &q);

    assert_string_equal(json_string(json, "events.1.level"), "notice");
    assert_string_equal(json_string(json, "events.0.level"), "warning");
    assert_string_equal(json_string(json, "events.1.name"), "first");
    assert_string_equal(json_string(json, "events.1.from"), "up");
    assert_string_equal(json_string(json, "events.1.to"), "down");
    assert_string_equal(json_string(json, "events.1.text"), "a 句 sentence");
    assert_string_equal(json_string(json, "events.1.reason"), "said \"no\"\x1b[31m"); /* escaped in the bytes, itself when read */
    assert_int_equal((int)number(json, "events.1.generation"), 42);
    assert_true(cJSON_IsNull(json_at(json, "events.0.generation")) && cJSON_IsNull(json_at(json, "events.0.policy")));
    assert_true(number(json, "events.1.at") == (double)(T0 + 7 * USEC_PER_MINUTE) / 1e6);
    cJSON_Delete(json);

    /* An event of a moment after the question's now is told, lest a follower goes on behind it. */
    q = past_query(p, HISTORY_EVENTS, T0, 0);
    q.now = T0 + 19 * USEC_PER_MINUTE;
    q.after = 18;
    assert_ids(past_ask(p, &q), "19 20", 20);
    past_free(p);
}

/* --- DUMP --- */

static void test_dump(void **state)
{
    struct past *p = past_new(41);
    struct history_query q = past_query(p, HISTORY_DUMP, T0, 0);
    usec_t ahead = 10 * USEC_PER_MINUTE, set_back = T0 + USEC_PER_HOUR / 2;
    size_t lines = 0, wanted = 0, at = 0;
    struct err err;

    (void)state;
    past_requests(p, past_route(p, "p1", "v/模型"), T0 - USEC_PER_HOUR, T0 + USEC_PER_HOUR, USEC_PER_MINUTE, USEC_PER_SEC);
    past_write(p);
    past_sql(p, "INSERT INTO clock VALUES (%lld, %lld), (%lld, 0)", (long long)(T0 - USEC_PER_DAY), (long long)ahead, (long long)set_back);
    q.until = T0 + 35 * USEC_PER_MINUTE; /* ends in the time that the wall went through twice */
    q.limit = 7;
    for (int pages = 0; pages < 100; pages++) {
        struct history_answer a = {.status = 0};

        assert_int_equal(question_answer(p->db, &q, &a), 0);
        assert_int_equal(a.status, 200);
        for (char *line = a.body.data, *end; line != NULL && *line != '\0'; line = end + 1) {
            struct record record;
            usec_t wall = 0;

            end = strchr(line, '\n');
            assert_non_null(end);
            if (record_parse(line, (size_t)(end - line), &record, &err) < 0)
                fail_msg("%s in %.*s", err.text, (int)(end - line), line);
            do { /* the next request that is in the window */
                assert_true(at < p->len);
                wall = p->all[at].t + (p->all[at].t < set_back ? ahead : 0);
                at++;
            } while (wall < q.since || wall >= q.until);
            const struct request *r = &p->all[at - 1];

            assert_int_equal(record.kind, RECORD_CHAT);
            assert_string_equal(record.platform, "p1");
            assert_string_equal(record.model, "v/模型");
            assert_int_equal(record.t, wall);
            assert_int_equal(record.o.outcome.kind, r->outcome);
            assert_int_equal(record.o.ttft, r->ttft);
            lines++;
        }
        buf_done(&a.body);
        q.after = a.next;
        if (a.next == 0)
            break;
    }
    for (size_t i = 0; i < p->len; i++) {
        usec_t wall = p->all[i].t + (p->all[i].t < set_back ? ahead : 0);

        wanted += wall >= q.since && wall < q.until;
    }
    assert_int_equal(lines, wanted);

    /* What is damaged is passed over. */
    past_sql(p, "UPDATE told SET kind = 99 WHERE id %% 3 = 0; UPDATE told SET outcome = -4, ttft = 'x' WHERE id %% 3 = 1");
    q.after = 0;
    q.limit = 1000;
    struct history_answer a = {.status = 0};

    assert_int_equal(question_answer(p->db, &q, &a), 0);
    assert_int_equal(a.next, 0);
    assert_true(a.body.len > 0);
    buf_done(&a.body);
    past_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report), cmocka_unit_test(test_states), cmocka_unit_test(test_prices), cmocka_unit_test(test_events), cmocka_unit_test(test_dump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
