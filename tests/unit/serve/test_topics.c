/* The endpoints of money and conduct: parameters into one query for the owner, and what it says into an answer or a problem. */
#include "tests/unit/serve/fixture.h"

static void test_wrong_parameters(void **state)
{
    static const struct { const char *target, *word; } wrong[] = {
        {"/v1/forecast?requests_per_day=abc", "a number from 0 to 1e+12, not \\\"abc\\\""},
        {"/v1/forecast?requests_per_day=1e13", "a number from 0 to 1e+12"},
        {"/v1/forecast?requests_per_day=1e40", "a number from 0 to 1e+12"},
        {"/v1/forecast?requests_per_day=-1", "a number from 0 to 1e+12"},
        {"/v1/forecast?requests_per_day=nan", "a number from 0 to 1e+12"},
        {"/v1/forecast?requests_per_day=inf", "a number from 0 to 1e+12"},
        {"/v1/forecast?requests_per_day=0x10", "a number from 0 to 1e+12"},
        {"/v1/forecast?requests_per_day=50k", "a number from 0 to 1e+12"},
        {"/v1/forecast?requests_per_day=%205", "a number from 0 to 1e+12"},
        {"/v1/forecast?requests_per_day=50k", "\"parameter\":\"requests_per_day\""},
        {"/v1/forecast?requests_per_day=", "has no value"},
        {"/v1/forecast?requests_per_day=1&requests_per_day=2", "more than once"},
        {"/v1/forecast?requests_per_day=000000000000000000000000000000001", "longer than 32 bytes"},
        {"/v1/forecast?days=0", "a number from 1 to 3650, not \\\"0\\\""},
        {"/v1/forecast?days=0.999", "a number from 1 to 3650"},
        {"/v1/forecast?days=3650.001", "a number from 1 to 3650"},
        {"/v1/forecast?days=0", "\"parameter\":\"days\""},
        {"/v1/forecast?input=-0.001", "a number from 0 to 10000000"},
        {"/v1/forecast?input=10000001", "a number from 0 to 10000000"},
        {"/v1/forecast?output=1e13", "a number from 0 to 10000000, not \\\"1e13\\\""},
        {"/v1/forecast?output=1e13", "\"parameter\":\"output\""},
        {"/v1/forecast?platform=p1", "does not take"},
        {"/v1/forecast?requests=5", "\"parameters\":[\"model\",\"requests_per_day\",\"input\",\"output\",\"policy\",\"days\",\"currency\"]"},
        {"/v1/forecast?currency=0123456789012345", "longer than 15 bytes"},
        {"/v1/prices?days=5", "does not take"},
        {"/v1/prices?platform=p1", "\"parameters\":[\"model\",\"currency\"]"},
        {"/v1/prices?model=", "has no value"},
        {"/v1/prices?model=%ff", "UTF-8"},
        {"/v1/prices?currency=CNY&currency=USD", "more than once"},
        {"/v1/spend?model=m1", "\"parameters\":[\"platform\",\"currency\"]"},
        {"/v1/spend?platform=0123456789012345678901234567890123456789012345678901234567890123", "longer than 63 bytes"},
        {"/v1/capabilities?currency=CNY", "\"parameters\":[\"model\",\"platform\"]"},
        {"/v1/honesty?policy=budget", "\"parameters\":[\"model\",\"platform\"]"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct answer a = get(w, wrong[i].target);
        if (strstr(buf_str(&a.body), wrong[i].word) == NULL)
            fail_msg("%s: no %s in %s", wrong[i].target, wrong[i].word, buf_str(&a.body));
        assert_problem(&a, 400, "parameter");
    }
    struct answer a = ask(w, "POST", "/v1/prices", NULL, "{}");
    assert_string_equal(answer_get(&a, "Allow"), "GET, HEAD");
    assert_problem(&a, 405, "/v1/prices");
    a = get(w, "/v1/price");
    assert_problem(&a, 404, "\"/v1/prices\"");
    assert_int_equal(w->topics_asked, 0);
}

/* What the owner is asked by a request that is good. */
static const struct topic_asked *asked_by(struct world *w, const char *target)
{
    int before = w->topics_asked;
    struct answer a = get(w, target);
    if (a.status != 200)
        fail_msg("%s: %s%s", target, a.head, buf_str(&a.body));
    assert_int_equal(w->topics_asked, before + 1);
    answer_done(&a);
    return &w->topic;
}

static void test_queries(void **state)
{
    struct world *w = *state;
    static const struct { const char *path; enum api_topic topic; } topics[] = {{"/v1/prices", API_PRICES}, {"/v1/spend", API_SPEND},
        {"/v1/capabilities", API_CAPABILITIES}, {"/v1/honesty", API_HONESTY}, {"/v1/forecast", API_FORECAST}};
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) { /* nothing is given, so nothing is asked for */
        const struct topic_asked *t = asked_by(w, topics[i].path);
        assert_int_equal(t->topic, topics[i].topic);
        assert_null(t->query.platform);
        assert_null(t->query.model);
        assert_null(t->query.policy);
        assert_null(t->query.currency);
        assert_true(t->query.requests < 0 && t->query.days < 0);
        assert_true(t->query.input < 0 && t->query.output < 0);
    }
    const struct topic_asked *t = asked_by(w, "/v1/prices?model=vendor%2Fm1&currency=CNY");
    assert_string_equal(t->model, "vendor/m1");
    assert_string_equal(t->currency, "CNY");
    assert_null(t->query.platform);
    t = asked_by(w, "/v1/spend?platform=%E4%B8%AD%E8%BD%AC");
    assert_string_equal(t->platform, "中转");
    t = asked_by(w, "/v1/capabilities?platform=p1&model=m1");
    assert_string_equal(t->platform, "p1");
    assert_string_equal(t->model, "m1");
    t = asked_by(w, "/v1/honesty?model=m1");
    assert_string_equal(t->model, "m1");

    t = asked_by(w, "/v1/forecast?model=m1&requests_per_day=50000.5&input=1200&output=300&policy=budget&days=90&currency=USD");
    assert_string_equal(t->model, "m1");
    assert_string_equal(t->policy, "budget");
    assert_string_equal(t->currency, "USD");
    assert_true(t->query.requests == 50000.5 && t->query.days == 90);
    assert_int_equal(t->query.input, 1200);
    assert_int_equal(t->query.output, 300);
    /* The ends of each range, and a number as some write it. */
    t = asked_by(w, "/v1/forecast?requests_per_day=0&input=0&output=0&days=1");
    assert_true(t->query.requests == 0 && t->query.days == 1);
    assert_true(t->query.input == 0 && t->query.output == 0);
    t = asked_by(w, "/v1/forecast?requests_per_day=1e12&input=10000000&output=1e7&days=3650");
    assert_true(t->query.requests == 1e12 && t->query.days == 3650);
    assert_true(t->query.input == 10000000 && t->query.output == 10000000);
}

static void test_good_answers(void **state)
{
    struct world *w = *state;
    struct answer a = get(w, "/v1/spend?currency=CNY");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_get(&a, "Content-Type"), "application/json");
    assert_string_equal(answer_get(&a, "Cache-Control"), "no-store");
    assert_string_equal(answer_get(&a, "X-Probed-Generation"), "1700000000-1");
    assert_string_equal(buf_str(&a.body), "{\"topic\":1,\"currency\":\"CNY\"}\n");
    answer_done(&a);
    struct talk t = talk_open(w);
    static const char both[] = "HEAD /v1/prices HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/honesty HTTP/1.1\r\nHost: x\r\n\r\n";
    talk_send(&t, both, sizeof both - 1);
    a = talk_answer(w, &t, true);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    a = talk_answer(w, &t, false); /* nothing is left of a body in between */
    assert_string_equal(buf_str(&a.body), "{\"topic\":3,\"currency\":null}\n");
    answer_done(&a);
    talk_close(&t);
    assert_int_equal(w->topics_asked, 3);
}

static void test_owner_refuses(void **state)
{
    struct world *w = *state;
    static const char *const targets[] = {"/v1/prices", "/v1/spend", "/v1/capabilities", "/v1/honesty", "/v1/forecast"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        w->tell_error = -ENOENT;
        struct answer a = get(w, targets[i]);
        assert_problem(&a, 404, "the owner cannot tell");
        w->tell_error = -EINVAL;
        a = get(w, targets[i]);
        assert_problem(&a, 400, "the owner cannot tell");
    }
    assert_int_equal(w->topics_asked, 2 * ARRAY_LEN(targets));
    /* What the owner says holds what was asked for: it is text, whatever it looks like. */
    struct answer a = get(w, "/v1/prices?currency=%25s%25n%22%5C");
    assert_problem(&a, 400, "the owner cannot tell \\\"%s%n\\\"\\\\\\\"");
    w->tell_error = 0;
    a = get(w, "/v1/prices");
    assert_int_equal(a.status, 200);
    answer_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wrong_parameters, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_queries, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_good_answers, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_owner_refuses, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
