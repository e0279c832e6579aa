/* The HTTP client against servers that don't behave: each way to fail, at each stage, with what must be told of it; and that nothing is ever sent twice. */
#include "tests/unit/net/peer.h"

#include <fcntl.h>
#include <sys/resource.h>

/* --- never there ------------------------------------------------------------------------------------------------------ */

static void test_refused(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct peer *p = peer_start(NULL, NULL);
    const char *url = peer_url(p, "127.0.0.1");
    peer_stop(p);
    const struct http_result *r = world_get(&w, url);
    assert_outcome(r, STAGE_CONNECT, OUTCOME_REFUSED);
    assert_int_equal(r->status, 0);
    assert_true(r->sent == -1 && r->headers == -1 && r->connect == -1);
    world_close(&w);
}

static void test_unreachable(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    /* Linux refuses to connect a TCP socket to a broadcast or multicast address with ENETUNREACH. */
    assert_outcome(world_get(&w, "http://224.0.0.1:9/"), STAGE_CONNECT, OUTCOME_UNREACHABLE);
    world_close(&w);
}

/* A listening socket whose backlog is full takes no more: the kernel drops SYNs. */
static void test_connect_timeout(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct peer *p = peer_start(NULL, NULL);
    listen(p->fd, 0);
    int filler[16];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < ARRAY_LEN(filler); i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(filler[i], (struct sockaddr *)(void *)&a, sizeof(a));
    }
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    request.connect_timeout = 150 * MSEC;
    const struct http_result *r = world_ask(&w, &request);
    assert_outcome(r, STAGE_CONNECT, OUTCOME_TIMEOUT);
    assert_in_range(r->ended - r->started, 150 * MSEC, PEER_SLOW);
    assert_string_equal(r->detail, "opening the TCP connection: not done within 150ms");
    for (size_t i = 0; i < ARRAY_LEN(filler); i++)
        close(filler[i]);
    world_close(&w);
    peer_stop(p);
}

static void test_no_descriptor_is_our_fault(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct peer *p = peer_start(serve_hello, NULL);
    assert_outcome(world_get(&w, peer_url(p, "127.0.0.1")), STAGE_DONE, OUTCOME_OK); /* everything that the loop needs is open */
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    request.fresh = true;
    const struct http_result *r = world_ask(&w, &request);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_outcome(r, STAGE_CONNECT, OUTCOME_LOCAL);
    assert_non_null(strstr(r->detail, "Too many open files"));
    world_close(&w);
    peer_stop(p);
}

/* --- silence at each stage -------------------------------------------------------------------------------------------- */

static void serve_silence(struct line *l) { line_hold(l); }

static void test_tls_timeout(void **state)
{
    (void)state;
    struct world w;
    char url[64];
    world_open(&w);
    struct peer *p = peer_start(serve_silence, NULL);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", p->port);
    struct http_request request = world_request(&w, url);
    request.connect_timeout = 150 * MSEC;
    const struct http_result *r = world_ask(&w, &request);
    assert_outcome(r, STAGE_TLS, OUTCOME_TIMEOUT);
    assert_in_range(r->ended - r->started, 150 * MSEC, PEER_SLOW);
    assert_true(r->connect >= 0 && r->tls == -1 && r->sent == -1);
    world_close(&w);
    peer_stop(p);
}

static void test_headers_timeout(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct peer *p = peer_start(serve_silence, NULL);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    request.connect_timeout = 100 * MSEC; /* is over with the connection */
    request.headers_timeout = 200 * MSEC;
    const struct http_result *r = world_ask(&w, &request);
    assert_outcome(r, STAGE_HEADERS, OUTCOME_TIMEOUT);
    assert_in_range(r->ended - r->sent, 200 * MSEC, PEER_SLOW);
    assert_int_equal(r->status, 0);
    request.headers_timeout = 0;
    request.total_timeout = 150 * MSEC;
    r = world_ask(&w, &request);
    assert_outcome(r, STAGE_HEADERS, OUTCOME_TIMEOUT);
    assert_in_range(r->ended - r->started, 150 * MSEC, PEER_SLOW);
    assert_non_null(strstr(r->detail, "within 150ms in all"));
    world_close(&w);
    peer_stop(p);
}

/* Nobody reads what we send: the body stays in the kernel's buffers and then in ours. */
static void serve_deaf(struct line *l)
{
    while (!atomic_load(&l->peer->stopping))
        test_sleep(5 * MSEC);
}

static void test_send_timeout(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct peer *p = peer_start(serve_deaf, NULL);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    size_t size = 16 * 1024 * 1024;
    char *body = alloc_zero(1, size);
    memset(body, 'x', size);
    request.method = "POST";
    request.body = body;
    request.body_len = size;
    request.headers_timeout = 300 * MSEC;
    const struct http_result *r = world_ask(&w, &request);
    assert_outcome(r, STAGE_SEND, OUTCOME_TIMEOUT);
    alloc_freep(&body);
    world_close(&w);
    peer_stop(p);
}

static void serve_half(struct line *l)
{
    if (line_request(l)) {
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        line_hold(l);
    }
}

static void test_total_timeout(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct peer *p = peer_start(serve_half, NULL);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    request.total_timeout = 200 * MSEC;
    request.headers_timeout = 100 * MSEC; /* is over with the head */
    const struct http_result *r = world_ask(&w, &request);
    assert_outcome(r, STAGE_STREAM, OUTCOME_TIMEOUT);
    assert_in_range(r->ended - r->started, 200 * MSEC, PEER_SLOW);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->received, 4);
    assert_string_equal(buf_str(&w.body), "half");
    world_close(&w);
    peer_stop(p);
}

/* --- ends too soon ---------------------------------------------------------------------------------------------------- */

static void serve_reset_at_once(struct line *l)
{
    line_request(l);
    line_reset(l);
}
static void serve_close_at_once(struct line *l) { line_request(l); }
static void serve_reset_in_body(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    test_sleep(20 * MSEC);
    line_reset(l);
}
static void serve_short_length(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
}
static void serve_short_chunks(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
}
static void serve_half_head(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nContent-Le");
}

/* --- rubbish ---------------------------------------------------------------------------------------------------------- */

static void serve_rubbish(struct line *l)
{
    line_request(l);
    line_say(l, "\x16\x03\x01 I am no HTTP server at all, whatever you may have heard\r\n\r\n");
}
static void serve_http09(struct line *l)
{
    line_request(l);
    line_say(l, "<html>hello</html>");
}
static void serve_bad_chunks(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n");
    line_hold(l);
}
static void serve_bad_trailer(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nno colon here\r\n\r\n");
    line_hold(l);
}
static void serve_bad_gzip(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\nthis is no gzip data");
    line_hold(l);
}
static void serve_bad_length(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\nabc");
}
static void serve_bad_version(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/7.3 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* --- too much --------------------------------------------------------------------------------------------------------- */

static void serve_many_headers(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\n");
    while (!atomic_load(&l->peer->stopping) && line_say(l, "X-Again: and again and again and again\r\n")) {
    }
}
static void serve_long_header(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nX-Long: ");
    while (!atomic_load(&l->peer->stopping) && line_say(l, "and on and on and on and on and on and on ")) {
    }
}
static void serve_large_body(struct line *l)
{
    line_request(l);
    line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
    for (int i = 0; i < 200 && !atomic_load(&l->peer->stopping); i++) {
        char piece[10000];
        memset(piece, 'x', sizeof(piece));
        if (!line_write(l, piece, sizeof(piece)))
            return;
    }
}

static void test_each_bad_server(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*serve)(struct line *l);
        enum stage stage;
        enum outcome_kind kind;
        int status;
    } bad[] = {
        {"reset at once", serve_reset_at_once, STAGE_HEADERS, OUTCOME_RESET, 0},
        {"close at once", serve_close_at_once, STAGE_HEADERS, OUTCOME_RESET, 0},
        {"reset in the body", serve_reset_in_body, STAGE_STREAM, OUTCOME_RESET, 200},
        {"short length", serve_short_length, STAGE_STREAM, OUTCOME_RESET, 200},
        {"short chunks", serve_short_chunks, STAGE_STREAM, OUTCOME_RESET, 200},
        {"half a head", serve_half_head, STAGE_HEADERS, OUTCOME_RESET, 200},
        {"rubbish", serve_rubbish, STAGE_HEADERS, OUTCOME_PROTOCOL, 0},
        {"HTTP/0.9", serve_http09, STAGE_HEADERS, OUTCOME_PROTOCOL, 0},
        {"bad chunks", serve_bad_chunks, STAGE_STREAM, OUTCOME_PROTOCOL, 200},
        {"bad trailer", serve_bad_trailer, STAGE_STREAM, OUTCOME_PROTOCOL, 200},
        {"bad gzip", serve_bad_gzip, STAGE_STREAM, OUTCOME_PROTOCOL, 200},
        {"bad length", serve_bad_length, STAGE_HEADERS, OUTCOME_PROTOCOL, 200},
        {"bad version", serve_bad_version, STAGE_HEADERS, OUTCOME_PROTOCOL, 0},
        {"many headers", serve_many_headers, STAGE_HEADERS, OUTCOME_TOO_LARGE, 200},
        {"long header", serve_long_header, STAGE_HEADERS, OUTCOME_TOO_LARGE, 200},
        {"large body", serve_large_body, STAGE_STREAM, OUTCOME_TOO_LARGE, 200},
    };
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct peer *p = peer_start(bad[i].serve, NULL);
        const struct http_result *r = world_get(&w, peer_url(p, "127.0.0.1"));
        if (r->stage != bad[i].stage || r->kind != bad[i].kind || r->status != bad[i].status)
            fail_msg("%s: %s/%s %d (%s) instead of %s/%s %d", bad[i].name, stage_name(r->stage), outcome_name(r->kind), r->status, r->detail,
                     stage_name(bad[i].stage), outcome_name(bad[i].kind), bad[i].status);
        assert_int_equal(atomic_load(&p->requests), 1);
        assert_true(r->received <= 1024 * 1024);
        peer_stop(p);
    }
    world_close(&w);
}

/* --- never twice ------------------------------------------------------------------------------------------------------ */

/* The first request is answered and the connection kept; the second is read and the connection dies. */
static void serve_die_at_second(struct line *l)
{
    if (line_request(l) && line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") && line_request(l))
        line_reset(l);
}
static void serve_close_at_second(struct line *l)
{
    if (line_request(l))
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    line_request(l);
}

static void test_nothing_is_sent_twice(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct world w;
        world_open(&w);
        struct peer *p = peer_start(i & 1 ? serve_die_at_second : serve_close_at_second, NULL);
        char url[64]; /* by name as well: there the second try would look it up */
        snprintf(url, sizeof(url), "http://%s:%d/", i & 4 ? "localhost" : "127.0.0.1", p->port);
        struct http_request request = world_request(&w, url);
        if (i & 2) {
            request.method = "POST";
            request.body = "{\"pay\":1}";
            request.body_len = 9;
        }
        assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
        const struct http_result *r = world_ask(&w, &request);
        assert_outcome(r, STAGE_HEADERS, OUTCOME_RESET);
        assert_true(r->reused);
        assert_int_equal(r->status, 0);
        test_await(&p->ended, 1);
        assert_int_equal(atomic_load(&p->requests), 2);
        assert_int_equal(atomic_load(&p->connections), 1); /* not even a connection was opened for it */
        world_close(&w);
        peer_stop(p);
    }
}

/* Also when the connection dies while it is being written to: a large body meets a closed socket. */
static void serve_close_after_first(struct line *l)
{
    if (line_request(l))
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    char some[64];
    (void)!line_read(l, some, sizeof(some));
    line_reset(l);
}

static void test_a_large_body_is_not_sent_twice(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct peer *p = peer_start(serve_close_after_first, NULL);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
    size_t size = 4 * 1024 * 1024;
    char *body = alloc_zero(1, size);
    memset(body, 'x', size);
    request.method = "POST";
    request.body = body;
    request.body_len = size;
    const struct http_result *r = world_ask(&w, &request);
    assert_int_equal(r->kind, OUTCOME_RESET);
    assert_true(r->stage == STAGE_SEND || r->stage == STAGE_HEADERS);
    assert_int_equal(atomic_load(&p->connections), 1);
    alloc_freep(&body);
    world_close(&w);
    peer_stop(p);
}

/* While the process stood still both the answer and the deadline came due: what has arrived is read first. */
static void stand_still(void *arg)
{
    (void)arg;
    test_sleep(300 * MSEC);
}

static void serve_in_100_ms(struct line *l)
{
    while (line_request(l)) {
        test_sleep(100 * MSEC);
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
}

static void test_what_arrived_is_read_before_deadlines(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct peer *p = peer_start(serve_in_100_ms, NULL);
    struct loop_timer *still = loop_timer_new(w.loop, "still", stand_still, NULL);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    request.headers_timeout = 200 * MSEC;
    loop_timer_set(still, loop_now_fresh(w.loop) + 50 * MSEC);
    assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
    loop_timer_free(still);
    world_close(&w);
    peer_stop(p);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_no_descriptor_is_our_fault),
        cmocka_unit_test(test_tls_timeout),
        cmocka_unit_test(test_headers_timeout),
        cmocka_unit_test(test_send_timeout),
        cmocka_unit_test(test_total_timeout),
        cmocka_unit_test(test_each_bad_server),
        cmocka_unit_test(test_nothing_is_sent_twice),
        cmocka_unit_test(test_a_large_body_is_not_sent_twice),
        cmocka_unit_test(test_what_arrived_is_read_before_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
