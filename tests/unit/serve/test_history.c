/* The endpoints of the history: parameters into questions, and requests that wait for answers from elsewhere. */
#include "tests/unit/serve/fixture.h"

/* Sends a GET on a connection of its own and runs the loop until the owner has `wanted` questions. */
struct questions_wait { struct world *w; size_t wanted; };

static bool has_questions(void *arg)
{
    struct questions_wait *wait = arg;
    return wait->w->questions_len == wait->wanted;
}

static void wait_questions(struct world *w, size_t wanted)
{
    struct questions_wait wait = {w, wanted};
    assert_true(world_run(w, has_questions, &wait, PATIENCE));
}

static void send_request(struct talk *t, const char *method, const char *target)
{
    char request[4096];
    int len = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: probed\r\n\r\n", method, target);
    talk_send(t, request, (size_t)len);
}

static struct talk asking(struct world *w, const char *target)
{
    struct talk t = talk_open(w);
    size_t before = w->questions_len;
    send_request(&t, "GET", target);
    wait_questions(w, before + 1);
    return t;
}

static const struct history_answer fine = {.status = 200};

/* --- tests --- */

static void test_wrong_parameters(void **state)
{
    static const struct { const char *target, *word; } wrong[] = {
        {"/v1/history", "needs the parameter \\\"route\\\""},
        {"/v1/history?route=", "has no value"},
        {"/v1/history?route=/m1", "PLATFORM or PLATFORM/MODEL"},
        {"/v1/history?route=p1/", "PLATFORM or PLATFORM/MODEL"},
        {"/v1/history?route=p1/m1&metric=balance", "the balance is a platform's"},
        {"/v1/history?route=p1&metric=tfft", "there is no metric"},
        {"/v1/history?route=p1&metric=tfft", "\"nearest\":[\"ttft\"]"},
        {"/v1/history?route=p1&metric=ttft&metric=total", "more than once"},
        {"/v1/history?route=p1&points=1", "from 2 to 2000"},
        {"/v1/history?route=p1&points=2001", "from 2 to 2000"},
        {"/v1/history?route=p1&points=1e3", "from 2 to 2000"},
        {"/v1/history?route=p1&points=99999999999999999999", "from 2 to 2000"},
        {"/v1/history?route=p1&policy=production", "goes with metric=rank"},
        {"/v1/history?route=p1&since=yesterday", "seconds since the Unix epoch"},
        {"/v1/history?route=p1&since=-5", "seconds since the Unix epoch"},
        {"/v1/history?route=p1&since=1763950000000", "seconds since the Unix epoch"},
        {"/v1/history?route=p1&until=nan", "seconds since the Unix epoch"},
        {"/v1/history?route=p1&since=100&until=100", "\\\"since\\\" should be before \\\"until\\\""},
        {"/v1/history?route=p1&since=3999999999", "which is now"},
        {"/v1/history?route=p1&until=0", "should be before"},
        {"/v1/history?route=p1&name=x", "does not take"},
        {"/v1/history?route=0123456789012345678901234567890123456789012345678901234567890123/m1", "at most 63 bytes"},
        {"/v1/history?route=p1/%ff", "not UTF-8"},
        {"/v1/events?after=-1", "an answer before this one"},
        {"/v1/events?after=x", "an answer before this one"},
        {"/v1/events?limit=0", "from 1 to 1000"},
        {"/v1/events?limit=1001", "from 1 to 1000"},
        {"/v1/events?route=p1", "does not take"},
        {"/v1/report?platform=p1&metric=ttft", "does not take"},
        {"/v1/dump?limit=20001", "from 1 to 20000"},
        {"/v1/dump?until=1&since=2", "should be before"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct answer a = get(w, wrong[i].target);
        if (strstr(buf_str(&a.body), wrong[i].word) == NULL)
            fail_msg("%s: no %s in %s", wrong[i].target, wrong[i].word, buf_str(&a.body));
        assert_problem(&a, 400, "parameter");
    }
    char target[1024] = "/v1/history?metric=ttft";
    for (int i = 0; i < 13; i++)
        strcat(target, "&route=p1");
    struct answer a = get(w, target);
    assert_problem(&a, 400, "more than 12 times");
    a = ask(w, "POST", "/v1/events", NULL, "{}");
    assert_problem(&a, 405, "/v1/events");
    assert_int_equal(w->questions_len, 0);
    /* Whoever was told is not forgotten about: the connections are gone, nothing waits. */
    assert_true(TAILQ_EMPTY(&w->api->askings));
}

static struct history_query asked_by(struct world *w, const char *target)
{
    struct talk t = asking(w, target);
    struct history_query query = w->questions[0].query;
    world_answer(w, 0, fine, "{}\n");
    struct answer a = talk_answer(w, &t, false);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    talk_close(&t);
    return query;
}

static void test_questions(void **state)
{
    struct world *w = *state;
    struct history_query q = asked_by(w, "/v1/history?route=p1/vendor/m1&route=%E4%B8%AD%E8%BD%AC&metric=availability&since=1763950000.25&until=1763960000&points=50");
    assert_int_equal(q.kind, HISTORY_SERIES);
    assert_int_equal(q.of_len, 2);
    assert_string_equal(q.of[0].platform, "p1");
    assert_string_equal(q.of[0].model, "vendor/m1");
    assert_string_equal(q.of[1].platform, "中转");
    assert_string_equal(q.of[1].model, "");
    assert_int_equal(q.metric, HISTORY_METRIC_AVAILABILITY);
    assert_int_equal(q.since, 1763950000250000);
    assert_int_equal(q.until, 1763960000000000);
    assert_int_equal(q.points, 50);
    assert_string_equal(q.policy, "");

    q = asked_by(w, "/v1/history?route=p1");
    assert_int_equal(q.metric, HISTORY_METRIC_TTFT);
    assert_int_equal(q.points, 200);
    assert_int_equal(q.until, 0);
    assert_int_equal(q.since, q.now - USEC_PER_DAY);
    assert_true(llabs(q.now - loop_wall(w->loop)) < PATIENCE);
    q = asked_by(w, "/v1/history?route=p1&until=1763960000"); /* a day up to then */
    assert_int_equal(q.since, (1763960000 - 86400) * USEC_PER_SEC);

    q = asked_by(w, "/v1/history?route=p1/m1&metric=rank");
    assert_string_equal(q.policy, "production"); /* the default one */
    q = asked_by(w, "/v1/history?route=p1/m1&metric=rank&policy=gone"); /* the history may know it */
    assert_string_equal(q.policy, "gone");
    q = asked_by(w, "/v1/history?route=p1&metric=balance");
    assert_int_equal(q.metric, HISTORY_METRIC_BALANCE);

    q = asked_by(w, "/v1/events");
    assert_int_equal(q.kind, HISTORY_EVENTS);
    assert_int_equal(q.of_len, 0);
    assert_int_equal(q.after, -1);
    assert_int_equal(q.limit, 100);
    q = asked_by(w, "/v1/events?platform=p1&model=m1&policy=budget&name=state&after=9007199254740993&limit=1000&since=5");
    assert_int_equal(q.of_len, 1);
    assert_string_equal(q.of[0].platform, "p1");
    assert_string_equal(q.of[0].model, "m1");
    assert_string_equal(q.policy, "budget");
    assert_string_equal(q.event, "state");
    assert_int_equal(q.after, 9007199254740993);
    assert_int_equal(q.limit, 1000);
    assert_int_equal(q.since, 5 * USEC_PER_SEC);
    q = asked_by(w, "/v1/events?model=m1");
    assert_int_equal(q.of_len, 1);
    assert_string_equal(q.of[0].platform, "");

    q = asked_by(w, "/v1/report?platform=p1&platform=p2&since=1");
    assert_int_equal(q.kind, HISTORY_REPORT);
    assert_int_equal(q.of_len, 2);
    assert_string_equal(q.of[1].platform, "p2");
    q = asked_by(w, "/v1/dump?after=12");
    assert_int_equal(q.kind, HISTORY_DUMP);
    assert_int_equal(q.after, 12);
    assert_int_equal(q.limit, 5000);
}

static void test_answers(void **state)
{
    struct world *w = *state;
    struct talk t = asking(w, "/v1/history?route=p1");
    talk_pull(&t);
    assert_int_equal(t.in.len, 0);
    assert_int_equal(api_stats(w->api).clients, 1);
    world_answer(w, 0, fine, "{\"metric\":\"ttft\"}\n");
    struct answer a = talk_answer(w, &t, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_get(&a, "Content-Type"), "application/json");
    assert_string_equal(answer_get(&a, "Cache-Control"), "no-store");
    assert_string_equal(answer_get(&a, "X-Probed-Generation"), "1700000000-1");
    assert_string_equal(answer_get(&a, "X-Probed-Next"), "");
    assert_string_equal(buf_str(&a.body), "{\"metric\":\"ttft\"}\n");
    answer_done(&a);

    /* The connection goes on: a dump, then a trouble, then something that needs no waiting. */
    send_request(&t, "GET", "/v1/dump");
    wait_questions(w, 1);
    world_answer(w, 0, (struct history_answer){.status = 200, .next = 77}, "{\"t\":1}\n{\"t\":2}\n");
    a = talk_answer(w, &t, false);
    assert_string_equal(answer_get(&a, "Content-Type"), "application/x-ndjson");
    assert_string_equal(answer_get(&a, "X-Probed-Next"), "77");
    assert_int_equal(a.body.len, 16);
    answer_done(&a);
    send_request(&t, "GET", "/v1/dump");
    wait_questions(w, 1);
    world_answer(w, 0, fine, ""); /* nothing there, and nothing to go on with */
    a = talk_answer(w, &t, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_get(&a, "X-Probed-Next"), "0");
    assert_int_equal(a.body.len, 0);
    answer_done(&a);
    send_request(&t, "GET", "/v1/report");
    wait_questions(w, 1);
    world_answer(w, 0, (struct history_answer){.status = 503, .problem = "the history is locked"}, "half an answer");
    a = talk_answer(w, &t, false);
    assert_string_equal(answer_get(&a, "Retry-After"), "1");
    assert_problem(&a, 503, "the history is locked");
    send_request(&t, "GET", "/healthz");
    a = talk_answer(w, &t, false);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    send_request(&t, "HEAD", "/v1/events");
    wait_questions(w, 1);
    world_answer(w, 0, fine, "{\"events\":[]}\n");
    a = talk_answer(w, &t, true);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_get(&a, "Content-Length"), "14");
    answer_done(&a);
    talk_close(&t);
}

static void test_owner_refuses(void **state)
{
    struct world *w = *state;
    w->ask_error = -EBUSY;
    struct answer a = get(w, "/v1/events");
    assert_string_equal(answer_get(&a, "Retry-After"), "1");
    assert_problem(&a, 503, "the owner cannot ask");
    assert_int_equal(api_stats(w->api).refused, 1);
    w->ask_error = -ENODEV;
    a = get(w, "/v1/events");
    assert_problem(&a, 503, "the owner cannot ask");
    assert_int_equal(api_stats(w->api).refused, 1);
    w->ask_error = 0;
    w->answer_at_once = true;
    a = get(w, "/v1/events");
    assert_int_equal(a.status, 200);
    assert_string_equal(buf_str(&a.body), "{}\n");
    answer_done(&a);
    assert_int_equal(w->forgotten, 0);
}

static bool nobody_there(void *arg)
{
    return api_stats(((struct world *)arg)->api).clients == 0;
}

static void test_client_leaves(void **state)
{
    struct world *w = *state;
    struct talk t = asking(w, "/v1/report"), other = asking(w, "/v1/events");
    talk_close(&t);
    wait_questions(w, 1);
    assert_int_equal(w->forgotten, 1);
    assert_int_equal(w->questions[0].query.kind, HISTORY_EVENTS);
    world_answer(w, 0, fine, "{}\n");
    struct answer a = talk_answer(w, &other, false);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    talk_close(&other);
    assert_true(world_run(w, nobody_there, w, PATIENCE));
}

/* It says that it will send no more, or sends its next request early: both wait for the answer. */
static void test_half_closed_and_pipelined(void **state)
{
    struct world *w = *state;
    struct talk t = asking(w, "/v1/report"), second = talk_open(w);
    shutdown(t.fd, SHUT_WR);
    send_request(&second, "GET", "/v1/events");
    send_request(&second, "GET", "/healthz");
    wait_questions(w, 2);
    world_answer(w, 0, fine, "{}\n");
    struct answer a = talk_answer(w, &t, false);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    send_request(&second, "GET", "/v1/dump");
    world_answer(w, 0, fine, "{\"first\":1}\n");
    a = talk_answer(w, &second, false);
    assert_string_equal(buf_str(&a.body), "{\"first\":1}\n");
    answer_done(&a);
    a = talk_answer(w, &second, false);
    assert_string_equal(buf_str(&a.body), "ok\n");
    answer_done(&a);
    wait_questions(w, 1);
    world_answer(w, 0, fine, "{\"third\":1}\n");
    a = talk_answer(w, &second, false);
    assert_string_equal(buf_str(&a.body), "{\"third\":1}\n");
    answer_done(&a);
    assert_int_equal(w->forgotten, 0);
    talk_close(&t);
    talk_close(&second);
}

static void test_too_late(void **state)
{
    struct world *w = *state;
    w->api->times.history = 20 * USEC_PER_MSEC;
    struct talk t = asking(w, "/v1/report");
    struct answer a = talk_answer(w, &t, false);
    assert_problem(&a, 503, "did not answer in time");
    assert_int_equal(w->forgotten, 1);
    assert_int_equal(w->questions_len, 0);
    w->api->times.history = 20 * USEC_PER_SEC;
    send_request(&t, "GET", "/v1/report"); /* the connection is as good as before */
    wait_questions(w, 1);
    world_answer(w, 0, fine, "{}\n");
    a = talk_answer(w, &t, false);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    talk_close(&t);
}

/* A deadline for requests is none for answers: a question may take longer than the time in which a request has to come. */
static void test_slow_answer_outlives_request_deadline(void **state)
{
    struct world *w = *state;
    w->api->times.request = w->api->times.idle = 30 * USEC_PER_MSEC;
    struct talk t = asking(w, "/v1/report");
    usec_t until = loop_now_fresh(w->loop) + 100 * USEC_PER_MSEC;
    while (loop_now_fresh(w->loop) < until) {
        struct questions_wait wait = {w, 1};
        assert_true(world_run(w, has_questions, &wait, PATIENCE));
    }
    world_answer(w, 0, fine, "{}\n");
    struct answer a = talk_answer(w, &t, false);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    talk_close(&t);
}

static void test_many(void **state)
{
    struct world *w = *state;
    struct talk t[40];
    for (int i = 0; i < 40; i++) {
        char target[64];
        snprintf(target, sizeof target, "/v1/history?route=p%d", i);
        t[i] = asking(w, target);
    }
    for (int i = 0; i < 40; i += 4) /* some leave */
        talk_close(&t[i]);
    wait_questions(w, 30);
    while (w->questions_len > 0) { /* the last first */
        char body[80];
        snprintf(body, sizeof body, "{\"for\":\"%s\"}\n", w->questions[w->questions_len - 1].query.of[0].platform);
        world_answer(w, w->questions_len - 1, fine, body);
    }
    for (int i = 0; i < 40; i++) {
        char body[80];
        if (i % 4 == 0)
            continue;
        struct answer a = talk_answer(w, &t[i], false);
        snprintf(body, sizeof body, "{\"for\":\"p%d\"}\n", i);
        assert_string_equal(buf_str(&a.body), body);
        answer_done(&a);
        talk_close(&t[i]);
    }
    assert_int_equal(w->forgotten, 10);
    assert_true(world_run(w, nobody_there, w, PATIENCE));
}

static void test_stop(void **state)
{
    struct world *w = *state;
    struct talk t[3];
    for (int i = 0; i < 3; i++)
        t[i] = asking(w, "/v1/report");
    talk_close(&t[0]);
    w->api = api_free(w->api);
    assert_int_equal(w->questions_len, 0);
    for (int i = 1; i < 3; i++) {
        struct answer a = {.status = 0};
        talk_pull(&t[i]);
        assert_true(answer_take(&t[i], false, &a));
        assert_problem(&a, 503, "stopping");
        talk_close(&t[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wrong_parameters, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_questions, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_answers, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_owner_refuses, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_client_leaves, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_half_closed_and_pipelined, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_too_late, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_slow_answer_outlives_request_deadline, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_many, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_stop, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
