/* The HTTP client against servers that behave: times, kept connections, what is sent, caps, cancelling from every place, many at once. */
#include "tests/unit/net/peer.h"

#include <dlfcn.h>
#include <netinet/tcp.h>

/* libcurl sends through us: when did it really send? */
static _Atomic usec_t first_send_at;
ssize_t send(int fd, const void *data, size_t len, int flags);
ssize_t send(int fd, const void *data, size_t len, int flags)
{
    if (len > 4 && (memcmp(data, "GET ", 4) == 0 || memcmp(data, "POST", 4) == 0))
        atomic_store(&first_send_at, test_clock());
    return sendto(fd, data, len, flags, NULL, 0);
}

static void test_plain_get(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_hello, NULL);
    world_open(&w);
    const struct http_result *r = world_get(&w, peer_url(p, "127.0.0.1"));
    assert_outcome(r, STAGE_DONE, OUTCOME_OK);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->http_version, 11);
    assert_string_equal(r->content_type, "text/plain");
    assert_string_equal(r->address, "127.0.0.1");
    assert_string_equal(buf_str(&w.body), "hello");
    assert_int_equal(r->received, 5);
    assert_false(r->reused);
    assert_true(r->dns >= 0 && r->connect >= 0 && r->tls == -1);
    assert_true(r->sent > 0 && r->headers >= r->sent && w.last >= r->headers && r->ended >= w.last);
    assert_int_equal(http_stats(w.http).connections, 1);
    world_close(&w);
    peer_stop(p);
}

/* `sent` is the moment of the sending, and what our loop did before does not get into it. */
static void busy_then_run(void *arg)
{
    struct world *w = arg;
    usec_t until = test_clock() + 30 * MSEC;
    while (test_clock() < until) {
    }
    (void)w;
}

static int compare(const void *a, const void *b)
{
    const usec_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void test_sent_is_when_it_was_sent(void **state)
{
    (void)state;
    enum { N = 21 };
    usec_t error[N];
    struct world w;
    struct peer *p = peer_start(serve_hello, NULL);
    world_open(&w);
    struct loop_timer *busy = loop_timer_new(w.loop, "busy", busy_then_run, &w);
    for (int i = 0; i < N; i++) {
        struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
        request.fresh = i % 2 == 0;
        if (i % 3 == 0)
            loop_timer_set(busy, 0); /* the loop is held up before libcurl's turn */
        usec_t steady_less_monotonic = loop_now_fresh(w.loop) - test_clock();
        const struct http_result *r = world_ask(&w, &request);
        assert_outcome(r, STAGE_DONE, OUTCOME_OK);
        error[i] = atomic_load(&first_send_at) + steady_less_monotonic - r->sent;
        assert_true(error[i] > -1000); /* two clock readings that are subtracted */
        assert_true(r->sent + 1000 - steady_less_monotonic > 0);
    }
    qsort(error, N, sizeof(error[0]), compare);
    print_message("sent is early by: median %ld us, worst %ld us\n", (long)error[N / 2], (long)error[N - 1]);
    assert_true(error[N / 2] < 200);
    loop_timer_free(busy);
    world_close(&w);
    peer_stop(p);
}

static void test_kept_connection(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_hello, NULL);
    world_open(&w);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    for (int i = 0; i < 5; i++) {
        const struct http_result *r = world_ask(&w, &request);
        assert_outcome(r, STAGE_DONE, OUTCOME_OK);
        assert_int_equal(r->reused, i > 0);
    }
    assert_int_equal(atomic_load(&p->connections), 1);
    assert_int_equal(http_stats(w.http).connections, 1);
    request.fresh = true;
    for (int i = 0; i < 3; i++)
        assert_false(world_ask(&w, &request)->reused);
    assert_int_equal(atomic_load(&p->connections), 4);
    world_close(&w);
    peer_stop(p);
}

static void serve_two_then_close(struct line *l)
{
    for (int i = 0; i < 2 && line_request(l); i++)
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* A server that closed in peace while nobody was asking costs a new connection and no failure. */
static void test_kept_connection_closed_meanwhile(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_two_then_close, NULL);
    world_open(&w);
    for (int i = 0; i < 6; i++) {
        const struct http_result *r = world_get(&w, peer_url(p, "127.0.0.1"));
        assert_outcome(r, STAGE_DONE, OUTCOME_OK);
        assert_int_equal(r->reused, i % 2 == 1);
        test_await(&p->ended, (i + 1) / 2);
    }
    assert_int_equal(atomic_load(&p->requests), 6);
    world_close(&w);
    peer_stop(p);
}

static void test_what_is_sent(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_hello, NULL);
    world_open_with(&w, &(struct http_setup){.connections = 4, .user_agent = "probed/test"});
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    const struct http_header headers[] = {{"Authorization", "Bearer k"}, {"X-Empty", ""}, {"Content-Type", "application/json"}};
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    request.method = "POST";
    request.headers = headers;
    request.headers_len = 3;
    request.body = "{\"a\":1}";
    request.body_len = 7;
    assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
    assert_ptr_equal(strstr(p->request, "POST /v1/x HTTP/1.1\r\n"), p->request);
    assert_non_null(strstr(p->request, "Authorization: Bearer k\r\n"));
    assert_non_null(strstr(p->request, "X-Empty:\r\n"));
    assert_non_null(strstr(p->request, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(p->request, "Content-Length: 7\r\n"));
    assert_non_null(strstr(p->request, "User-Agent: probed/test\r\n"));
    assert_non_null(strstr(p->request, "Accept-Encoding: identity\r\n"));
    assert_null(strcasestr(p->request, "Expect:"));
    assert_non_null(strstr(p->request, "\r\n\r\n{\"a\":1}"));
    /* The same target, then a GET, then a POST without a body and with its own User-Agent. */
    request = world_request(&w, peer_url(p, "127.0.0.1"));
    assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
    assert_ptr_equal(strstr(p->request, "GET /v1/x HTTP/1.1\r\n"), p->request);
    assert_non_null(strstr(p->request, "Accept-Encoding: gzip\r\n"));
    assert_null(strcasestr(p->request, "Content-Length:"));
    assert_null(strstr(p->request, "Bearer"));
    const struct http_header agent = {"User-Agent", "other/1"};
    request.method = "POST";
    request.headers = &agent;
    request.headers_len = 1;
    assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
    assert_non_null(strstr(p->request, "Content-Length: 0\r\n"));
    assert_non_null(strstr(p->request, "User-Agent: other/1\r\n"));
    assert_null(strstr(p->request, "probed/test"));
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    world_close(&w);
    peer_stop(p);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    world_open(&w);
    const char *urls[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "", "http://", "http://user:key@127.0.0.1/", "http://a b/"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct http_request request = world_request(&w, urls[i]);
        assert_int_equal(http_start(w.target, &request, &err), -EINVAL);
        assert_true(err.text[0] != '\0');
        assert_null(strstr(err.text, "key@"));
        assert_false(http_busy(w.target));
    }
    const struct http_header bad[] = {{"X", "a\r\nY: b"}, {"X\r\nY", "a"}, {"", "a"}, {"X Y", "a"}, {"X", "a\x7f"}, {"X:", "a"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_request request = world_request(&w, "http://127.0.0.1:1/");
        request.headers = &bad[i];
        request.headers_len = 1;
        assert_int_equal(http_start(w.target, &request, &err), -EINVAL);
        assert_null(strstr(err.text, "Y: b"));
    }
    struct http_request request = world_request(&w, "http://127.0.0.1:1/");
    request.method = "DELETE";
    assert_int_equal(http_start(w.target, &request, NULL), -EINVAL);
    struct peer *p = peer_start(NULL, NULL);
    request = world_request(&w, peer_url(p, "127.0.0.1"));
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    assert_int_equal(http_start(w.target, &request, &err), -EBUSY);
    http_cancel(w.target, NULL);
    world_close(&w);
    peer_stop(p);
}

static void serve_interim(struct line *l)
{
    while (line_request(l)) {
        line_say(l, "HTTP/1.1 103 Early Hints\r\nContent-Type: text/early\r\nRetry-After: 99\r\n\r\n");
        test_sleep(30 * MSEC);
        line_say(l, "HTTP/1.1 429 Too Many\r\nConTent-type:  Application/JSON ; charset=utf-8\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}");
    }
}

static void test_interim_answers_are_skipped(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_interim, NULL);
    world_open(&w);
    const struct http_result *r = world_get(&w, peer_url(p, "127.0.0.1"));
    assert_outcome(r, STAGE_DONE, OUTCOME_OK);
    assert_int_equal(r->status, 429);
    assert_string_equal(r->content_type, "application/json");
    assert_int_equal(r->retry_after, 7 * USEC_PER_SEC);
    assert_true(r->headers - r->sent >= 29 * MSEC);
    world_close(&w);
    peer_stop(p);
}

static void serve_redirect(struct line *l)
{
    while (line_request(l))
        line_say(l, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
}

static void test_redirects_are_not_followed(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_redirect, NULL);
    world_open(&w);
    const struct http_result *r = world_get(&w, peer_url(p, "127.0.0.1"));
    assert_outcome(r, STAGE_DONE, OUTCOME_OK);
    assert_int_equal(r->status, 302);
    assert_int_equal(atomic_load(&p->requests), 1);
    world_close(&w);
    peer_stop(p);
}

/* "hello hello hello " as gzip, sent to a GET that offers it and to a POST that did not. */
static void serve_gzip(struct line *l)
{
    static const unsigned char gz[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xcb, 0x48, 0xcd, 0xc9,
                                       0xc9, 0x57, 0xc8, 0x40, 0x22, 0x01, 0xed, 0xb5, 0x31, 0x04, 0x12, 0x00, 0x00, 0x00};
    while (line_request(l)) {
        char head[128];
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", sizeof(gz));
        line_say(l, head);
        line_write(l, gz, sizeof(gz));
    }
}

static void test_compressed_answers_are_unpacked(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_gzip, NULL);
    world_open(&w);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    for (int i = 0; i < 2; i++) {
        const struct http_result *r = world_ask(&w, &request);
        assert_outcome(r, STAGE_DONE, OUTCOME_OK);
        assert_string_equal(buf_str(&w.body), "hello hello hello ");
        assert_int_equal(r->received, 18);
        request.method = "POST";
        request.body = "x";
        request.body_len = 1;
    }
    world_close(&w);
    peer_stop(p);
}

/* With an ETag; and nothing at all when the ETag is sent back. */
static void serve_etag(struct line *l)
{
    while (line_request(l))
        line_say(l, strstr(l->peer->request, "If-None-Match: \"v1\"\r\n") != NULL
                        ? "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n"
                        : "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 2\r\n\r\nok");
}

static void test_etag_and_not_modified(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_etag, NULL);
    world_open(&w);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    const struct http_result *r = world_ask(&w, &request);
    assert_outcome(r, STAGE_DONE, OUTCOME_OK);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->etag, "\"v1\"");
    const struct http_header header = {"If-None-Match", "\"v1\""};
    request.headers = &header;
    request.headers_len = 1;
    r = world_ask(&w, &request);
    assert_outcome(r, STAGE_DONE, OUTCOME_OK);
    assert_int_equal(r->status, 304);
    assert_int_equal(r->received, 0);
    assert_true(r->reused);
    /* Of an answer without one, none. */
    struct peer *plain = peer_start(serve_hello, NULL);
    r = world_get(&w, peer_url(plain, "127.0.0.1"));
    assert_string_equal(r->etag, "");
    world_close(&w);
    peer_stop(plain);
    peer_stop(p);
}

/* Pieces come one by one, each with the time of its own arrival. */
static void serve_drip(struct line *l)
{
    while (line_request(l)) {
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 5; i++) {
            test_sleep(20 * MSEC);
            line_say(l, "3\r\nabc\r\n");
        }
        line_say(l, "0\r\nRetry-After: 5\r\nContent-Type: text/html\r\n\r\n"); /* trailers change nothing */
    }
}

struct seen {
    struct world *w;
    int status;
    usec_t gaps, previous;
};

static int see_piece(void *arg, const char *data, size_t len, usec_t now)
{
    struct seen *s = arg;
    (void)data, (void)len;
    s->status = http_status(s->w->target);
    assert_string_equal(http_content_type(s->w->target), "text/event-stream");
    assert_true(http_sent(s->w->target) > 0 && http_sent(s->w->target) <= now);
    if (s->previous > 0)
        s->gaps += now - s->previous;
    s->previous = now;
    s->w->pieces++;
    return 0;
}

static void see_end(void *arg, const struct http_result *result)
{
    struct seen *s = arg;
    world_done(s->w, result);
}

static void test_pieces_have_their_times(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_drip, NULL);
    world_open(&w);
    struct seen seen = {.w = &w};
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    request.on_data = see_piece;
    request.on_done = see_end;
    request.arg = &seen;
    const struct http_result *r = world_ask(&w, &request);
    assert_outcome(r, STAGE_DONE, OUTCOME_OK);
    assert_int_equal(seen.status, 200);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->retry_after, 0);
    assert_int_equal(w.pieces, 5);
    assert_in_range(seen.gaps, 4 * 19 * MSEC, PEER_PATIENCE);
    world_close(&w);
    peer_stop(p);
}

/* --- cancelling ------------------------------------------------------------------------------------------------------- */

struct act { /* what happens inside a callback */
    struct world *w;
    struct http_target *other;
    enum { ACT_STOP, ACT_CANCEL, ACT_FREE, ACT_CANCEL_AND_START, ACT_FREE_OTHER, ACT_START_OTHER } what;
    struct http_result canceled;
    const char *url;
};

static void act_done(void *arg, const struct http_result *result)
{
    struct act *a = arg;
    world_done(a->w, result);
}

static void stop_soon(void *arg)
{
    struct world *w = arg;
    loop_stop(w->loop);
}

static int act_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct act *a = arg;
    (void)data, (void)len, (void)now;
    struct http_request again = world_request(a->w, a->url);
    a->w->pieces++;
    switch (a->what) {
    case ACT_STOP:
        return 1;
    case ACT_CANCEL:
        http_cancel(a->w->target, &a->canceled);
        assert_false(http_busy(a->w->target));
        break;
    case ACT_FREE:
        a->w->target = http_target_free(a->w->target);
        break;
    case ACT_CANCEL_AND_START:
        http_cancel(a->w->target, &a->canceled);
        assert_int_equal(http_start(a->w->target, &again, NULL), 0);
        assert_true(http_busy(a->w->target));
        break;
    case ACT_FREE_OTHER:
        a->other = http_target_free(a->other);
        break;
    case ACT_START_OTHER:
        if (!http_busy(a->other))
            assert_int_equal(http_start(a->other, &again, NULL), 0);
        break;
    }
    return 0;
}

static void serve_endless(struct line *l)
{
    while (line_request(l)) {
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
        while (!atomic_load(&l->peer->stopping) && line_say(l, "piece "))
            test_sleep(2 * MSEC);
        return;
    }
}

static void serve_endless_once(struct line *l)
{
    if (l->number == 1)
        serve_endless(l);
    else
        serve_hello(l);
}

static void test_reader_gives_up(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_endless, NULL);
    world_open(&w);
    struct act act = {.w = &w, .what = ACT_STOP};
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    request.on_data = act_data;
    request.on_done = act_done;
    request.arg = &act;
    const struct http_result *r = world_ask(&w, &request);
    assert_outcome(r, STAGE_STREAM, OUTCOME_CANCELED);
    assert_int_equal(r->status, 200);
    assert_int_equal(w.pieces, 1);
    world_close(&w);
    peer_stop(p);
}

static void test_cancel_from_on_data(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_endless_once, NULL);
    world_open(&w);
    struct act act = {.w = &w, .what = ACT_CANCEL, .url = peer_url(p, "127.0.0.1")};
    struct http_request request = world_request(&w, act.url);
    request.on_data = act_data;
    request.on_done = act_done;
    request.arg = &act;
    struct loop_timer *stop = loop_timer_new(w.loop, "stop", stop_soon, &w);
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    loop_timer_set(stop, loop_now_fresh(w.loop) + 100 * MSEC);
    world_run(&w);
    assert_int_equal(w.done, 0); /* nobody is told */
    assert_int_equal(w.pieces, 1);
    assert_outcome(&act.canceled, STAGE_STREAM, OUTCOME_CANCELED);
    assert_int_equal(act.canceled.status, 200);
    assert_true(act.canceled.headers > 0 && act.canceled.ended >= act.canceled.headers && act.canceled.sent > 0);
    test_await(&p->ended, 1); /* and the connection is gone */
    /* The target goes on as if nothing had been. */
    assert_outcome(world_get(&w, act.url), STAGE_DONE, OUTCOME_OK);
    loop_timer_free(stop);
    world_close(&w);
    peer_stop(p);
}

static void test_cancel_and_start_again_from_on_data(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_endless_once, NULL);
    world_open(&w);
    struct act act = {.w = &w, .what = ACT_CANCEL_AND_START, .url = peer_url(p, "127.0.0.1")};
    struct http_request request = world_request(&w, act.url);
    request.on_data = act_data;
    request.on_done = act_done;
    request.arg = &act;
    assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
    assert_string_equal(buf_str(&w.body), "hello");
    assert_outcome(&act.canceled, STAGE_STREAM, OUTCOME_CANCELED);
    world_close(&w);
    peer_stop(p);
}

static void test_free_from_on_data(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_endless, NULL);
    world_open(&w);
    struct act act = {.w = &w, .what = ACT_FREE, .other = http_target_new(w.http, NULL), .url = peer_url(p, "127.0.0.1")};
    struct http_request request = world_request(&w, act.url);
    request.on_data = act_data;
    request.on_done = act_done;
    request.arg = &act;
    struct loop_timer *stop = loop_timer_new(w.loop, "stop", stop_soon, &w);
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    loop_timer_set(stop, loop_now_fresh(w.loop) + 100 * MSEC);
    world_run(&w);
    assert_null(w.target);
    assert_int_equal(w.done, 0);
    /* Now another target from inside one's on_data. */
    w.target = act.other;
    act.other = http_target_new(w.http, NULL);
    act.what = ACT_FREE_OTHER;
    struct http_request others = world_request(&w, act.url);
    assert_int_equal(http_start(act.other, &others, NULL), 0);
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    loop_timer_set(stop, loop_now_fresh(w.loop) + 100 * MSEC);
    world_run(&w);
    assert_null(act.other);
    assert_int_equal(w.done, 0);
    http_cancel(w.target, NULL);
    loop_timer_free(stop);
    world_close(&w);
    peer_stop(p);
}

static void test_start_another_from_on_data(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_hello, NULL), *q = peer_start(serve_endless, NULL);
    world_open(&w);
    struct act act = {.w = &w, .what = ACT_START_OTHER, .other = http_target_new(w.http, NULL), .url = peer_url(p, "127.0.0.1")};
    struct http_request request = world_request(&w, peer_url(q, "127.0.0.1"));
    request.on_data = act_data;
    request.on_done = act_done;
    request.arg = &act;
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    world_run(&w); /* until the other is done */
    assert_int_equal(w.done, 1);
    assert_outcome(&w.result, STAGE_DONE, OUTCOME_OK);
    assert_true(http_busy(w.target));
    http_target_free(act.other);
    http_cancel(w.target, &act.canceled);
    assert_outcome(&act.canceled, STAGE_STREAM, OUTCOME_CANCELED);
    world_close(&w);
    peer_stop(p);
    peer_stop(q);
}

/* on_done may start the next request on the same target, and free it. */
struct chain {
    struct world *w;
    const char *url;
    int left;
};

static void chain_done(void *arg, const struct http_result *result)
{
    struct chain *c = arg;
    assert_outcome(result, STAGE_DONE, OUTCOME_OK);
    if (c->left-- == 0) {
        c->w->target = http_target_free(c->w->target);
        loop_stop(c->w->loop);
        return;
    }
    struct http_request request = world_request(c->w, c->url);
    request.on_data = NULL;
    request.on_done = chain_done;
    request.arg = c;
    assert_int_equal(http_start(c->w->target, &request, NULL), 0);
}

static void test_start_and_free_from_on_done(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_hello, NULL);
    world_open(&w);
    struct chain chain = {.w = &w, .url = peer_url(p, "127.0.0.1"), .left = 20};
    struct http_result first = {.stage = STAGE_DONE, .kind = OUTCOME_OK};
    chain_done(&chain, &first);
    world_run(&w);
    assert_null(w.target);
    assert_int_equal(atomic_load(&p->requests), 20);
    assert_int_equal(atomic_load(&p->connections), 1);
    world_close(&w);
    peer_stop(p);
}

static void test_cancel_at_every_moment(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_drip, NULL);
    world_open(&w);
    struct loop_timer *stop = loop_timer_new(w.loop, "stop", stop_soon, &w);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    int canceled = 0;
    for (int i = 0; i < 80; i++) {
        struct http_result result;
        assert_int_equal(http_start(w.target, &request, NULL), 0);
        if (i % 5 != 0) {
            loop_timer_set(stop, loop_now_fresh(w.loop) + i % 5 * 100);
            world_run(&w);
            loop_timer_stop(stop);
        }
        if (!http_busy(w.target))
            continue;
        http_cancel(w.target, &result);
        canceled++;
        assert_int_equal(result.kind, OUTCOME_CANCELED);
        assert_true(result.ended >= result.started);
        assert_false(http_busy(w.target));
    }
    assert_true(canceled > 60);
    assert_outcome(world_get(&w, peer_url(p, "127.0.0.1")), STAGE_DONE, OUTCOME_OK);
    loop_timer_free(stop);
    world_close(&w);
    peer_stop(p);
}

/* --- many ------------------------------------------------------------------------------------------------------------- */

#define MANY 500

/* One thread for all connections: valgrind bears no more than 500. A request here comes in one piece. */
struct hall {
    int fd, port;
    pthread_t thread;
    atomic_bool stopping;
    atomic_int connections, requests;
};

static void *hall_run(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    struct hall *h = arg;
    struct pollfd fds[MANY * 2 + 1] = {{.fd = h->fd, .events = POLLIN}};
    nfds_t n = 1;
    char in[4096];
    while (!atomic_load(&h->stopping)) {
        if (poll(fds, n, 20) <= 0)
            continue;
        for (nfds_t i = n; i-- > 1;) {
            if (fds[i].revents == 0)
                continue;
            if (recv(fds[i].fd, in, sizeof(in), 0) > 0) {
                atomic_fetch_add(&h->requests, 1);
                (void)!send(fds[i].fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
            } else {
                close(fds[i].fd);
                fds[i] = fds[--n];
            }
        }
        if ((fds[0].revents & POLLIN) && n < ARRAY_LEN(fds)) {
            fds[n++] = (struct pollfd){.fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC), .events = POLLIN};
            atomic_fetch_add(&h->connections, 1);
        }
    }
    while (n > 0)
        close(fds[--n].fd);
    return NULL;
}

struct crowd {
    struct world *w;
    struct http_target *target[MANY];
    int left, ok;
};

static void crowd_done(void *arg, const struct http_result *result)
{
    struct crowd *c = arg;
    c->ok += result->kind == OUTCOME_OK && result->status == 200;
    if (--c->left == 0)
        loop_stop(c->w->loop);
}

static void test_500_at_once(void **state)
{
    (void)state;
    struct world w;
    struct peer *lender = peer_start(NULL, NULL);
    struct hall hall = {.fd = dup(lender->fd), .port = lender->port};
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", hall.port);
    assert_int_equal(pthread_create(&hall.thread, NULL, hall_run, &hall), 0);
    world_open(&w);
    struct crowd crowd = {.w = &w};
    for (int i = 0; i < MANY; i++)
        crowd.target[i] = http_target_new(w.http, NULL);
    for (int round = 0; round < 3; round++) {
        crowd.left = MANY;
        for (int i = 0; i < MANY; i++) {
            struct http_request request = world_request(&w, url);
            request.on_data = NULL;
            request.on_done = crowd_done;
            request.arg = &crowd;
            assert_int_equal(http_start(crowd.target[i], &request, NULL), 0);
        }
        assert_int_equal(http_stats(w.http).running, MANY);
        world_run(&w);
    }
    assert_int_equal(crowd.ok, 3 * MANY);
    assert_int_equal(atomic_load(&hall.requests), 3 * MANY);
    assert_true(atomic_load(&hall.connections) <= MANY); /* kept from round to round */
    print_message("500 targets x 3: %d connections, worst callback %ld us of %s\n", atomic_load(&hall.connections),
                  (long)loop_stats(w.loop).worst, loop_stats(w.loop).worst_of);
    for (int i = 0; i < MANY; i++)
        http_target_free(crowd.target[i]);
    world_close(&w);
    atomic_store(&hall.stopping, true);
    pthread_join(hall.thread, NULL);
    peer_stop(lender);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_get),
        cmocka_unit_test(test_sent_is_when_it_was_sent),
        cmocka_unit_test(test_kept_connection),
        cmocka_unit_test(test_kept_connection_closed_meanwhile),
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_interim_answers_are_skipped),
        cmocka_unit_test(test_redirects_are_not_followed),
        cmocka_unit_test(test_compressed_answers_are_unpacked),
        cmocka_unit_test(test_etag_and_not_modified),
        cmocka_unit_test(test_pieces_have_their_times),
        cmocka_unit_test(test_reader_gives_up),
        cmocka_unit_test(test_cancel_from_on_data),
        cmocka_unit_test(test_cancel_and_start_again_from_on_data),
        cmocka_unit_test(test_free_from_on_data),
        cmocka_unit_test(test_start_another_from_on_data),
        cmocka_unit_test(test_start_and_free_from_on_done),
        cmocka_unit_test(test_cancel_at_every_moment),
        cmocka_unit_test(test_500_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
