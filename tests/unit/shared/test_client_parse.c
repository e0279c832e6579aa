/* The client's two parsers: the same answer however the bytes are cut, and a sentence for every kind of rubbish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/client_parse.h"
#include "tests/unit/shared/test_random.h"

static int to_body(void *arg, const char *data, size_t len, struct err *err)
{
    (void)err;
    struct client_answer *answer = arg;
    assert_true(len > 0);
    buf_add(&answer->body, data, len);
    return 0;
}

/* Feeds text in pieces of at most `most` bytes (0 = random), then closes. */
static int parse(const char *text, size_t len, size_t most, struct client_answer *answer, struct err *err)
{
    memset(answer, 0, sizeof(*answer));
    struct client_parser p;
    client_parser_init(&p, answer, to_body, answer);
    int e = 0;
    while (len > 0 && e == 0) {
        size_t n = most ? most : 1 + test_random_below(40);
        n = n > len ? len : n;
        e = client_parser_feed(&p, text, n, err);
        text += n;
        len -= n;
    }
    if (e == 0)
        e = client_parser_end(&p, err);
    if (e == 0)
        assert_true(client_parser_whole(&p));
    client_parser_done(&p);
    return e;
}

static void whole_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellomore that is not ours", 200, "hello"},
        {"HTTP/1.1 200\ncontent-length:5  \n\nhello", 200, "hello"},
        {"HTTP/1.0 404 Not Found\r\n\r\nuntil close", 404, "until close"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n02;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n", 200, "hello"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n5 \nhello\n0\n\n", 200, "hello"},
        {"HTTP/1.1 304 Not Modified\r\nETag: \"1-2\"\r\nContent-Length: 50\r\n\r\n", 304, ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t most = 0; most < 60; most = most < 3 ? most + 1 : most * 2) {
            struct client_answer answer;
            struct err err = {.text = ""};
            int e = parse(cases[i].text, strlen(cases[i].text), most, &answer, &err);
            if (e != 0 || answer.status != cases[i].status || strcmp(buf_str(&answer.body), cases[i].body) != 0)
                fail_msg("case %zu by %zu: %d %d \"%s\" %s", i, most, e, answer.status, buf_str(&answer.body), err.text);
            client_answer_done(&answer);
        }
    }
}

static void headers_that_are_kept(void **state)
{
    (void)state;
    struct client_answer a;
    const char *text = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\netag:  \"7-8-abc\" \r\nX-Probed-Valid-Until: "
                       "1795491737.250\r\n"
                       "X-Empty:\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(parse(text, strlen(text), 0, &a, NULL), 0);
    assert_string_equal(a.content_type, "application/json; charset=utf-8");
    assert_string_equal(a.etag, "\"7-8-abc\"");
    assert_true(a.valid_until == 1795491737250000);
    text = "HTTP/1.1 200 OK\r\nX-Probed-Valid-Until: soon\r\nETag: "
           "\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
           "0123456789012345678901234567890\"\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(parse(text, strlen(text), 0, &a, NULL), 0);
    assert_true(a.valid_until == 0);
    assert_string_equal(a.etag, ""); /* a cut one would be another */
    assert_false(a.has_next);
}

static void next_page(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool has;
        int64_t next;
    } cases[] = {
        {"0", true, 0}, {"20000", true, 20000}, {"9223372036854775807", true, INT64_MAX}, {"9223372036854775808", false, 0},
        {"0.4", false, 0}, {"-1", false, 0}, {"", false, 0}, {"1e3", false, 0}, {"soon", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client_answer a;
        char text[160];
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nx-probed-next: %s\r\nContent-Length: 0\r\n\r\n", cases[i].value);
        assert_int_equal(parse(text, strlen(text), 0, &a, NULL), 0);
        assert_int_equal(a.has_next, cases[i].has);
        assert_true(a.next == cases[i].next);
    }
}

static void rubbish(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "without an answer"},
        {"HTTP/1.1 200 OK\r\n", "in the middle"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "in the middle"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "in the middle"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "in the middle"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "not an HTTP"},
        {"HTTP/2 200\r\n\r\n", "not an HTTP"},
        {"HTTP/1.1 20 OK\r\n\r\n", "not an HTTP"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "not an HTTP"},
        {"HTTP/1.1 099 OK\r\n\r\n", "not an HTTP"},
        {"HTTP/1.1 101 Switching\r\n\r\n", "101"},
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", "not an HTTP"},
        {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "header"},
        {"HTTP/1.1 200 OK\r\nBad name: b\r\n\r\n", "header"},
        {"HTTP/1.1 200 OK\r\n: b\r\n\r\n", "header"},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two lengths"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "has a length"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "no chunks"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "encoding"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "chunk"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "chunk"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "chunk"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", "longer than its size"},
        {"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "control character"},
        {"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", "control character"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t most = 0; most < 60; most = most < 3 ? most + 1 : most * 2) {
            struct client_answer answer;
            struct err err = {.text = ""};
            int e = parse(cases[i].text, strlen(cases[i].text), most, &answer, &err);
            if (e != -EPROTO || !strstr(err.text, cases[i].why))
                fail_msg("case %zu by %zu: %d %s", i, most, e, err.text);
            client_answer_done(&answer);
        }
    }
    struct client_answer answer;
    struct err err = {.text = ""};
    assert_int_equal(parse("HTTP/1.1 200 O\0K\r\n\r\n", 20, 0, &answer, &err), -EPROTO);
    assert_non_null(strstr(err.text, "control character"));
}

static void heads_that_never_end(void **state)
{
    (void)state;
    static const char *const starts[] = {"", "HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        struct buf text = BUF_INIT;
        buf_add_str(&text, starts[i]);
        for (int j = 0; j < 20000; j++)
            buf_add_char(&text, 'a');
        struct client_answer answer;
        struct err err = {.text = ""};
        assert_int_equal(parse(text.data, text.len, 0, &answer, &err), -EPROTO);
        assert_non_null(strstr(err.text, "does not end"));
        client_answer_done(&answer);
        buf_done(&text);
    }
    /* Many short ones: headers, trailers, interim answers. */
    static const struct {
        const char *start, *again;
    } floods[] = {{"HTTP/1.1 200 OK\r\n", "A: b\r\n"},
                  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n"},
                  {"", "HTTP/1.1 100 Continue\r\n\r\n"}};
    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        struct buf text = BUF_INIT;
        buf_add_str(&text, floods[i].start);
        for (int j = 0; j < 20000; j++)
            buf_add_str(&text, floods[i].again);
        struct client_answer answer;
        struct err err = {.text = ""};
        assert_int_equal(parse(text.data, text.len, 4096, &answer, &err), -EPROTO);
        buf_done(&text);
        client_answer_done(&answer);
    }
    /* A long body in tiny chunks is no flood. */
    struct buf text = BUF_INIT;
    buf_add_str(&text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int j = 0; j < 50000; j++)
        buf_add_str(&text, "1\r\nx\r\n");
    buf_add_str(&text, "0\r\n\r\n");
    struct client_answer answer;
    struct err err = {.text = ""};
    if (parse(text.data, text.len, 4096, &answer, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(answer.body.len, 50000);
    client_answer_done(&answer);
    buf_done(&text);
}

/* --- events ----------------------------------------------------------------------------------------------------------- */

struct told {
    struct buf text;
    int stop_after;
};

static int tell(void *arg, const char *event, const char *id, const char *data, size_t len)
{
    struct told *t = arg;
    assert_int_equal(strlen(data), len);
    if (event)
        buf_printf(&t->text, "[%s|%s|%s]", event, id, data);
    else
        buf_printf(&t->text, "<%s>", data);
    assert_true((event == NULL) == (id == NULL));
    return t->stop_after > 0 && --t->stop_after == 0 ? 42 : 0;
}

static const struct {
    const char *text, *told;
} streams[] = {
    {"id: 1-2\nevent: table\ndata: {}\n\n", "[table|1-2|{}]"},
    {"data: a\r\ndata: b\r\n\r\n", "[message||a\nb]"},
    {"data: a\rdata:  b\r\r", "[message||a\n b]"},
    {": lease 17\n\n:\n:x\n", "<lease 17><><x>"},
    {"data\n\ndata:\ndata:\n\n", "[message||][message||\n]"},
    {"event: x\n\ndata: y\n\n", "[message||y]"},
    {"id: 7\n\ndata: y\n\nid\ndata: z\n\n", "[message|7|y][message||z]"},
    {"\xEF\xBB\xBF"
     "data: y\n\n",
     "[message||y]"},
    {"retry: 10\nunknown: x\nno colon\ndata:y\n\n", "[message||y]"},
    {"data: unfinished\n", ""},
    {"data: one\n\ndata: unfinished", "[message||one]"},
    {"\n\n\n", ""},
};

static void streams_of_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        for (size_t most = 0; most < 60; most = most < 3 ? most + 1 : most * 2) {
            struct told t = {.stop_after = 0};
            struct client_events e;
            client_events_init(&e, tell, &t);
            const char *s = streams[i].text;
            for (size_t len = strlen(s), n; len > 0; s += n, len -= n) {
                n = most ? most : 1 + test_random_below(9);
                n = n > len ? len : n;
                assert_int_equal(client_events_feed(&e, s, n, NULL), 0);
            }
            if (strcmp(buf_str(&t.text), streams[i].told) != 0)
                fail_msg("stream %zu by %zu: %s", i, most, buf_str(&t.text));
            client_events_done(&e);
            buf_done(&t.text);
        }
    }
}

static void a_stream_can_be_stopped_or_refused(void **state)
{
    (void)state;
    struct told t = {.stop_after = 2};
    struct client_events e;
    client_events_init(&e, tell, &t);
    const char *s = "data: 1\n\n: 2\ndata: 3\n\n";
    assert_int_equal(client_events_feed(&e, s, strlen(s), NULL), 42);
    assert_string_equal(buf_str(&t.text), "[message||1]<2>");
    client_events_done(&e);
    buf_done(&t.text);

    static const struct {
        const char *start;
        size_t fill;
        const char *why;
    } bad[] = {{"id: ", 200, "id"}, {"event: ", 70, "name"}, {"id: \xFF", 0, "id"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct told none = {.stop_after = 0};
        client_events_init(&e, tell, &none);
        struct buf text = BUF_INIT;
        buf_add_str(&text, bad[i].start);
        for (size_t j = 0; j < bad[i].fill; j++)
            buf_add_char(&text, 'x');
        buf_add_str(&text, "\n");
        struct err err = {.text = ""};
        assert_int_equal(client_events_feed(&e, text.data, text.len, &err), -EPROTO);
        assert_non_null(strstr(err.text, bad[i].why));
        client_events_done(&e);
        buf_done(&text);
    }
    struct told none = {.stop_after = 0};
    struct err err = {.text = ""};
    client_events_init(&e, tell, &none);
    assert_int_equal(client_events_feed(&e, "id: a\0b\n", 8, &err), -EPROTO);
    client_events_done(&e);
}

/* A line that does not end, and an event of many lines, stop at the cap. */
static void events_are_capped(void **state)
{
    (void)state;
    static char piece[1 << 20];
    for (int lines = 0; lines < 2; lines++) {
        struct told t = {.stop_after = 0};
        struct client_events e;
        client_events_init(&e, tell, &t);
        memset(piece, 'x', sizeof(piece));
        if (lines) {
            memcpy(piece, "data:", 5);
            piece[sizeof(piece) - 1] = '\n';
        }
        struct err err = {.text = ""};
        int result = 0;
        int rounds = 0;
        while (result == 0 && rounds++ < 70)
            result = client_events_feed(&e, piece, sizeof(piece), &err);
        assert_int_equal(result, -EPROTO);
        assert_true(rounds >= 64);
        assert_true(e.data.len <= CLIENT_ANSWER_MAX && e.line.len <= CLIENT_ANSWER_MAX);
        client_events_done(&e);
    }
}

static void any_bytes(void **state)
{
    (void)state;
    static const char *const pieces[] = {"HTTP/1.1 200 OK\r\n",
                                         "Content-Length: 3\r\n",
                                         "Transfer-Encoding: chunked\r\n",
                                         "\r\n",
                                         "\n",
                                         "5\r\n",
                                         "hello",
                                         "0\r\n",
                                         "data: x\n",
                                         "event: y\n",
                                         "id: z\n",
                                         ":c\n",
                                         "\r",
                                         "HTTP/1.1 100 C\r\n\r\n",
                                         "X: y\r\n"};
    for (int round = 0; round < 30000; round++) {
        struct buf text = BUF_INIT;
        for (size_t n = test_random_below(14); n > 0; n--) {
            if (test_random_below(10) == 0)
                buf_add_char(&text, (char)test_random());
            else
                buf_add_str(&text, pieces[test_random_below(ARRAY_LEN(pieces))]);
        }
        struct client_answer one, other;
        struct err err1 = {.text = ""}, err2 = {.text = ""};
        int a = parse(buf_str(&text), text.len, 0, &one, &err1), b = parse(buf_str(&text), text.len, 1, &other, &err2);
        assert_int_equal(a, b);
        assert_string_equal(err1.text, err2.text);
        assert_true(a == 0 || err1.text[0]);
        assert_string_equal(buf_str(&one.body), buf_str(&other.body));
        client_answer_done(&one);
        client_answer_done(&other);
        buf_done(&text);
    }
}

int main(void)
{
    test_random_begin("test_client_parse");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),     cmocka_unit_test(headers_that_are_kept),
        cmocka_unit_test(rubbish),           cmocka_unit_test(heads_that_never_end),
        cmocka_unit_test(streams_of_events), cmocka_unit_test(a_stream_can_be_stopped_or_refused),
        cmocka_unit_test(events_are_capped), cmocka_unit_test(any_bytes),
        cmocka_unit_test(next_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
