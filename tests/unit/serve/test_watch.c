/* Watchers: what they are sent and when, who is woken by what, those that are slow, leave, or are too many, and the end. */
#include "tests/unit/serve/fixture.h"

struct stream { /* a watcher's end, with the chunks taken off */
    struct talk talk;
    struct answer head;
    struct buf text; /* events and comments so far */
    bool ended;      /* by the last chunk */
};

static struct stream stream_open(struct world *w, const char *target, const char *headers)
{
    struct stream s = {.talk = talk_open(w)};
    struct buf request = BUF_INIT;
    buf_printf(&request, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, headers != NULL ? headers : "");
    talk_send(&s.talk, request.data, request.len);
    buf_done(&request);
    return s;
}

static void stream_close(struct stream *s)
{
    talk_close(&s->talk);
    buf_done(&s->text);
}

static void stream_pull(struct stream *s)
{
    talk_pull(&s->talk);
    if (s->head.status == 0) {
        const char *end = strstr(buf_str(&s->talk.in), "\r\n\r\n");
        if (end == NULL)
            return;
        size_t len = (size_t)(end - s->talk.in.data) + 4;
        memcpy(s->head.head, s->talk.in.data, len);
        sscanf(s->head.head, "HTTP/1.1 %d", &s->head.status);
        buf_consume(&s->talk.in, len);
    }
    for (;;) {
        const char *text = buf_str(&s->talk.in), *line = strstr(text, "\r\n");
        if (line == NULL)
            return;
        size_t len = strtoul(text, NULL, 16), head = (size_t)(line - text) + 2;
        if (s->talk.in.len < head + len + 2)
            return;
        buf_add(&s->text, text + head, len);
        buf_consume(&s->talk.in, head + len + 2);
        s->ended = s->ended || len == 0;
    }
}

/* How often needle is in there. */
static int count_of(const struct buf *b, const char *needle)
{
    int n = 0;
    for (const char *at = buf_str(b); (at = strstr(at, needle)) != NULL; at += strlen(needle))
        n++;
    return n;
}

struct expectation {
    struct stream *s;
    const char *needle;
    int times;
};

static bool expect_times(void *arg)
{
    struct expectation *e = arg;
    stream_pull(e->s);
    return count_of(&e->s->text, e->needle) >= e->times;
}

static void wait_for(struct world *w, struct stream *s, const char *needle, int times)
{
    struct expectation e = {.s = s, .needle = needle, .times = times};
    if (!world_run(w, expect_times, &e, PATIENCE))
        fail_msg("no %s (x%d) in: %s", needle, times, buf_str(&s->text));
}

/* Something harmless that goes through the whole server: what was due before it has been done by then. */
static void settle(struct world *w)
{
    for (int i = 0; i < 3; i++) {
        struct answer a = get(w, "/healthz");
        assert_int_equal(a.status, 200);
        answer_done(&a);
    }
}

struct gone {
    struct world *w;
    int watchers, clients;
};

static bool expect_watchers(void *arg)
{
    struct gone *g = arg;
    return api_stats(g->w->api).watchers == g->watchers;
}

static bool expect_clients(void *arg)
{
    struct gone *g = arg;
    return api_stats(g->w->api).clients == g->clients;
}

static void test_the_first_event_comes_at_once(void **state)
{
    struct world *w = *state;
    struct stream s = stream_open(w, "/v1/watch?model=qwen3&policy=budget", NULL);
    wait_for(w, &s, ": lease ", 1);
    assert_int_equal(s.head.status, 200);
    assert_string_equal(answer_get(&s.head, "Content-Type"), "text/event-stream");
    assert_string_equal(answer_get(&s.head, "Cache-Control"), "no-store");
    const char *start = "id: 1700000000-1\nevent: table\ndata: {\"epoch\":1700000000,\"generation\":1,";
    assert_memory_equal(s.text.data, start, strlen(start));
    /* The data is what /v1/routes gives. */
    struct answer a = get(w, "/v1/routes?model=qwen3&policy=budget");
    const char *data = strstr(buf_str(&s.text), "data: ") + 6;
    assert_memory_equal(data, a.body.data, a.body.len);
    assert_memory_equal(data + a.body.len, "\n: lease ", 9);
    assert_int_equal(strtoll(data + a.body.len + 9, NULL, 10), w->valid_until / USEC_PER_SEC);
    answer_done(&a);
    assert_int_equal(api_stats(w->api).watchers, 1);
    assert_true(world_run(w, expect_clients, &(struct gone){.w = w}, PATIENCE)); /* a watcher is no client */
    stream_close(&s);
}

static void test_whoever_has_the_table_hears_the_lease_only(void **state)
{
    struct world *w = *state;
    struct stream header = stream_open(w, "/v1/watch", "Last-Event-ID: 1700000000-1\r\n");
    struct stream query = stream_open(w, "/v1/watch?last_event_id=1700000000-1", NULL);
    struct stream old = stream_open(w, "/v1/watch?last_event_id=1699999999-7", NULL);
    wait_for(w, &header, ": lease ", 1);
    wait_for(w, &query, ": lease ", 1);
    wait_for(w, &old, ": lease ", 1);
    assert_int_equal(count_of(&header.text, "event:"), 0);
    assert_int_equal(count_of(&query.text, "event:"), 0);
    assert_int_equal(count_of(&old.text, "event: table"), 1);
    world_set_ranking(w, 0, 0, 5, (const uint16_t[]){100, 156, 0});
    world_publish(w, 2);
    wait_for(w, &header, "id: 1700000000-2\n", 1);
    wait_for(w, &query, "id: 1700000000-2\n", 1);
    wait_for(w, &old, "id: 1700000000-2\n", 1);
    stream_close(&header);
    stream_close(&query);
    stream_close(&old);
}

static void test_filters_decide_who_is_woken(void **state)
{
    struct world *w = *state;
    struct stream all = stream_open(w, "/v1/watch", NULL), qwen = stream_open(w, "/v1/watch?model=qwen3", NULL),
                  budget = stream_open(w, "/v1/watch?policy=budget", NULL);
    wait_for(w, &all, ": lease", 1);
    wait_for(w, &qwen, ": lease", 1);
    wait_for(w, &budget, ": lease", 1);
    world_set_ranking(w, 0, 0, 9, (const uint16_t[]){256, 0, 0}); /* production, gpt-4o-mini */
    world_publish(w, 2);
    wait_for(w, &all, "id: 1700000000-2\n", 1);
    world_publish(w, 3); /* nothing changed: nobody is told */
    world_set_ranking(w, 1, 1, 9, (const uint16_t[]){256, 0, 0}); /* budget, qwen3 */
    world_publish(w, 4);
    wait_for(w, &budget, "id: 1700000000-4\n", 1);
    world_set_ranking(w, 0, 1, 9, (const uint16_t[]){256, 0, 0}); /* production, qwen3 */
    world_publish(w, 5);
    wait_for(w, &qwen, "id: 1700000000-5\n", 1);
    wait_for(w, &all, "id: 1700000000-5\n", 1);
    settle(w);
    stream_pull(&all), stream_pull(&qwen), stream_pull(&budget);
    assert_int_equal(count_of(&all.text, "event:"), 3);
    assert_int_equal(count_of(&qwen.text, "event:"), 2);
    assert_int_equal(count_of(&budget.text, "event:"), 2);
    stream_close(&all);
    stream_close(&qwen);
    stream_close(&budget);
}

static void test_table_flags_wake_everybody(void **state)
{
    struct world *w = *state;
    struct stream s = stream_open(w, "/v1/watch?model=qwen3", NULL);
    wait_for(w, &s, ": lease", 1);
    struct table *old = w->table;
    w->table = world_build_table(w, 2);
    w->table->flags = TABLE_LOCAL;
    api_publish(w->api);
    table_unref(old);
    wait_for(w, &s, "\"flags\":[\"local\"]", 1);
    stream_close(&s);
}

static void test_renewals_and_heartbeats(void **state)
{
    struct world *w = *state;
    w->api->times.heartbeat = 50 * USEC_PER_MSEC;
    struct stream s = stream_open(w, "/v1/watch?model=qwen3", NULL);
    wait_for(w, &s, ": lease", 1);
    w->valid_until = 1900000000 * USEC_PER_SEC + 999999;
    api_renew(w->api);
    wait_for(w, &s, ": lease 1900000000\n\n", 1);
    /* And without a word from the owner too. */
    wait_for(w, &s, ": lease 1900000000\n\n", 5);
    stream_close(&s);
}

static void test_a_client_that_leaves_is_noticed_at_once(void **state)
{
    struct world *w = *state;
    struct stream s = stream_open(w, "/v1/watch", NULL), half = stream_open(w, "/v1/watch", NULL);
    wait_for(w, &s, ": lease", 1);
    wait_for(w, &half, ": lease", 1);
    shutdown(half.talk.fd, SHUT_WR); /* only says that it will send no more */
    stream_close(&s);
    struct gone g = {.w = w, .watchers = 1};
    usec_t start = loop_now_fresh(w->loop);
    assert_true(world_run(w, expect_watchers, &g, PATIENCE));
    assert_true(loop_now_fresh(w->loop) - start < w->api->times.heartbeat / 2);
    world_set_ranking(w, 0, 1, 3, (const uint16_t[]){256, 0, 0});
    world_publish(w, 2);
    wait_for(w, &half, "id: 1700000000-2\n", 1);
    stream_close(&half);
}

static void test_watchers_are_capped(void **state)
{
    struct world *w = *state;
    struct stream s[3];
    w->config.watchers = 3;
    for (int i = 0; i < 3; i++) {
        s[i] = stream_open(w, "/v1/watch", NULL);
        wait_for(w, &s[i], ": lease", 1);
    }
    struct answer a = get(w, "/v1/watch");
    assert_string_equal(answer_get(&a, "Retry-After"), "1");
    assert_problem(&a, 503, "3 watchers");
    stream_close(&s[0]);
    struct gone g = {.w = w, .watchers = 2};
    assert_true(world_run(w, expect_watchers, &g, PATIENCE));
    s[0] = stream_open(w, "/v1/watch", NULL);
    wait_for(w, &s[0], ": lease", 1);
    for (int i = 0; i < 3; i++)
        stream_close(&s[i]);
    a = get(w, "/v1/watch?model=nope");
    assert_problem(&a, 404, "no model");
}

static void test_a_slow_watcher_skips_to_the_latest(void **state)
{
    struct world *w = *state;
    struct stream slow = stream_open(w, "/v1/watch", NULL);
    wait_for(w, &slow, ": lease", 1);
    unsigned table_refs = 0, ranking_refs = 0;
    for (int i = 0; i < 2000; i++) { /* takes nothing meanwhile */
        world_set_ranking(w, 0, 0, i, (const uint16_t[]){(uint16_t)(i % 256), (uint16_t)(256 - i % 256), 0});
        world_publish(w, 2 + (uint64_t)i);
        for (int j = 0; j < 3; j++)
            watch_pump(w->api);
        if (w->table->refs > table_refs)
            table_refs = w->table->refs;
        if (w->kept[0][1]->refs > ranking_refs)
            ranking_refs = w->kept[0][1]->refs;
    }
    /* The owner's and the api's, and the one that is stuck halfway to the watcher (with its own table): it does not add up. */
    assert_true(table_refs <= 4);
    assert_true(ranking_refs <= 6);
    wait_for(w, &slow, "id: 1700000000-2001\n", 1);
    int events = count_of(&slow.text, "event: table");
    print_message("%d events of 2,001\n", events);
    assert_true(events < 1500);
    stream_close(&slow);
}

static void test_a_watcher_that_takes_nothing_is_cut(void **state)
{
    struct world *w = *state;
    w->api->times.answer = 100 * USEC_PER_MSEC;
    struct stream slow = stream_open(w, "/v1/watch", NULL), good = stream_open(w, "/v1/watch?policy=budget", NULL);
    wait_for(w, &slow, ": lease", 1);
    wait_for(w, &good, ": lease", 1);
    for (int i = 0; i < 500; i++) {
        world_set_ranking(w, 0, 0, i, (const uint16_t[]){(uint16_t)(i % 256), (uint16_t)(256 - i % 256), 0});
        world_publish(w, 2 + (uint64_t)i);
        watch_pump(w->api);
        watch_pump(w->api);
    }
    struct gone g = {.w = w, .watchers = 1};
    assert_true(world_run(w, expect_watchers, &g, PATIENCE));
    settle(w);
    world_set_ranking(w, 1, 0, 3, (const uint16_t[]){256, 0, 0});
    world_publish(w, 1000);
    wait_for(w, &good, "id: 1700000000-1000\n", 1); /* an idle one has all the time there is */
    stream_close(&slow);
    stream_close(&good);
}

static void test_what_is_watched_may_go(void **state)
{
    struct world *w = *state;
    struct stream s = stream_open(w, "/v1/watch?policy=budget", NULL), other = stream_open(w, "/v1/watch", NULL);
    wait_for(w, &s, ": lease", 1);
    wait_for(w, &other, ": lease", 1);
    struct table *old = w->table;
    w->table = world_build_table(w, 2);
    strcpy(w->table->policies[1].name, "gone");
    api_publish(w->api);
    table_unref(old);
    wait_for(w, &s, ": this policy or model is gone\n", 1);
    assert_true(world_run(w, expect_watchers, &(struct gone){.w = w, .watchers = 1}, PATIENCE));
    stream_pull(&s);
    assert_true(s.ended);
    stream_close(&s);
    stream_close(&other);
}

static void test_the_end_is_told_and_quick(void **state)
{
    struct world *w = *state;
    struct stream s[20];
    struct talk idle = talk_open(w), half = talk_open(w);
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        s[i] = stream_open(w, i % 2 == 0 ? "/v1/watch" : "/v1/watch?model=qwen3", NULL);
        wait_for(w, &s[i], ": lease", 1);
    }
    talk_send(&half, "GET /v1/sta", 11);
    settle(w);
    world_set_ranking(w, 0, 1, 3, (const uint16_t[]){256, 0, 0});
    world_publish(w, 2); /* some are due just then */
    usec_t start = loop_now_fresh(w->loop);
    w->api = api_free(w->api);
    assert_true(loop_now_fresh(w->loop) - start < USEC_PER_SEC);
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        stream_pull(&s[i]);
        assert_int_equal(count_of(&s[i].text, ": probed is stopping\n"), 1);
        assert_true(s[i].ended);
        assert_true(s[i].talk.closed);
        stream_close(&s[i]);
    }
    assert_int_not_equal(access(w->path, F_OK), 0);
    talk_close(&idle);
    talk_close(&half);
}

struct crowd {
    struct stream *s;
    size_t len, next;
    const char *needle;
};

static bool expect_all(void *arg)
{
    struct crowd *c = arg;
    for (; c->next < c->len; c->next++) {
        stream_pull(&c->s[c->next]);
        if (count_of(&c->s[c->next].text, c->needle) == 0)
            return false;
    }
    return true;
}

/* 1,000 watchers of one model all get a new table, out of the same bytes; the time is told, not asserted. */
static void test_a_thousand_watchers(void **state)
{
    struct world *w = *state;
    enum { WATCHERS = 1000 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < 2 * WATCHERS + 100)
        skip();
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    w->config.watchers = WATCHERS;
    struct stream *s = alloc_zero(WATCHERS, sizeof *s);
    for (size_t i = 0; i < WATCHERS; i++) {
        s[i] = stream_open(w, "/v1/watch?model=qwen3", NULL);
        if (i % 200 == 199) { /* the backlog is not endless */
            struct crowd c = {.s = s, .len = i + 1, .needle = ": lease"};
            assert_true(world_run(w, expect_all, &c, PATIENCE));
        }
    }
    assert_int_equal(api_stats(w->api).watchers, WATCHERS);
    world_set_ranking(w, 0, 1, 3, (const uint16_t[]){256, 0, 0});
    loop_stats_reset_worst(w->loop);
    usec_t start = loop_now_fresh(w->loop);
    world_publish(w, 2);
    struct gone none = {.w = w, .watchers = WATCHERS};
    while (!TAILQ_EMPTY(&w->api->due))
        assert_true(world_run(w, expect_watchers, &none, PATIENCE));
    usec_t took = loop_now_fresh(w->loop) - start;
    print_message("%d watchers in %.1f ms, the longest callback %.1f ms (%s)\n", WATCHERS, (double)took / 1000,
                  (double)loop_stats(w->loop).worst / 1000, loop_stats(w->loop).worst_of);
    struct crowd c = {.s = s, .len = WATCHERS, .needle = "id: 1700000000-2\n"};
    assert_true(world_run(w, expect_all, &c, PATIENCE));
    for (size_t i = 0; i < WATCHERS; i++)
        stream_close(&s[i]);
    assert_true(world_run(w, expect_watchers, &(struct gone){.w = w, .watchers = 0}, PATIENCE));
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        T(test_the_first_event_comes_at_once),
        T(test_whoever_has_the_table_hears_the_lease_only),
        T(test_filters_decide_who_is_woken),
        T(test_table_flags_wake_everybody),
        T(test_renewals_and_heartbeats),
        T(test_a_client_that_leaves_is_noticed_at_once),
        T(test_watchers_are_capped),
        T(test_a_slow_watcher_skips_to_the_latest),
        T(test_a_watcher_that_takes_nothing_is_cut),
        T(test_what_is_watched_may_go),
        T(test_the_end_is_told_and_quick),
        T(test_a_thousand_watchers),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
