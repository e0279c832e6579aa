/* The event parser: the cases of the standard that relays really send, and that no way of cutting the bytes into reads changes what comes
 * out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "probed/probe/sse.h"

static int collect(void *arg, const struct sse_event *event)
{
    struct buf *seen = arg;
    assert_int_equal(strlen(event->data), event->data_len);
    buf_printf(seen, "[%s|%s|%s]", event->event, event->id, event->data);
    return 0;
}

static void expect(const char *bytes, const char *events)
{
    size_t len = strlen(bytes);
    for (size_t step = 1; step <= len + 1; step++) { /* reads of each size */
        struct sse s;
        struct buf seen = BUF_INIT;
        sse_init(&s);
        for (size_t at = 0; at < len; at += step)
            assert_int_equal(sse_feed(&s, bytes + at, len - at < step ? len - at : step, collect, &seen), 0);
        assert_int_equal(sse_end(&s, collect, &seen), 0);
        assert_string_equal(buf_str(&seen), events);
        buf_done(&seen);
        sse_done(&s);
    }
}

static void test_fields(void **state)
{
    (void)state;
    expect("data: a\n\n", "[message||a]");
    expect("data:a\n\ndata:  b\n\n", "[message||a][message|| b]"); /* one space only */
    expect("data: a\ndata: b\ndata\n\n", "[message||a\nb\n]");
    expect("event: ping\ndata: {}\n\ndata: x\n\n", "[ping||{}][message||x]"); /* a name is for one event */
    expect("id: 7\ndata: a\n\ndata: b\n\n", "[message|7|a][message|7|b]");    /* an id stays */
    expect("retry: 100\nwhatever: x\ndata: a\n\n", "[message||a]");
    expect("event: lonely\n\ndata: a\n\n", "[message||a]"); /* no data, no event, and its name is forgotten */
    expect("data\n\n", "[message||]");
    expect("data: a:b: c\n\n", "[message||a:b: c]");
}

static void test_line_ends(void **state)
{
    (void)state;
    expect("data: a\r\n\r\ndata: b\r\n\r\n", "[message||a][message||b]");
    expect("data: a\r\rdata: b\r\r", "[message||a][message||b]");
    expect("data: a\r\ndata: b\n\rdata: c\r\n\n", "[message||a\nb][message||c]"); /* mixed */
    expect("\xef\xbb\xbf"
           "data: a\n\n",
           "[message||a]");
    expect("\xef\xbb\xbf\n\ndata: a\n\n", "[message||a]");
    expect("data: \xef\xbb\xbf\n\n", "[message||\xef\xbb\xbf]"); /* only at the start */
    expect("data: 中文\n\n", "[message||中文]");
}

static void test_comments(void **state)
{
    (void)state;
    expect(": PING\n\n: OPENROUTER PROCESSING\n\ndata: a\n\n", "[message||a]");
    expect(":\ndata: a\n:\ndata: b\n\n", "[message||a\nb]");
    expect(": only\n\n: comments", "");
    struct sse s;
    struct buf seen = BUF_INIT;
    sse_init(&s);
    assert_int_equal(sse_feed(&s, ": a\n\n:b\n", 8, collect, &seen), 0);
    assert_int_equal(s.comments, 2);
    assert_int_equal(s.events, 0);
    sse_done(&s);
    buf_done(&seen);
}

static void test_end_without_blank_line(void **state)
{
    (void)state;
    expect("data: a\n\ndata: [DONE]", "[message||a][message||[DONE]]");
    expect("data: a\n", "[message||a]");
    expect("", "");
    expect("\n\n\n", "");
}

static void test_stray_error_is_kept(void **state)
{
    (void)state;
    static const char bytes[] = "data: a\n\n{\"error\": {\"message\":\"m\"}}\n{\"second\":1}\n";
    struct sse s;
    struct buf seen = BUF_INIT;
    sse_init(&s);
    assert_int_equal(sse_feed(&s, bytes, strlen(bytes), collect, &seen), 0);
    assert_string_equal(buf_str(&s.stray), "{\"error\": {\"message\":\"m\"}}");
    sse_done(&s);
    buf_done(&seen);
}

static int stop_at_b(void *arg, const struct sse_event *event)
{
    collect(arg, event);
    return strcmp(event->data, "b") == 0 ? 42 : 0;
}

static void test_stop(void **state)
{
    (void)state;
    struct sse s;
    struct buf seen = BUF_INIT;
    sse_init(&s);
    assert_int_equal(sse_feed(&s, "data: a\n\ndata: b\n\ndata: c\n\n", 27, stop_at_b, &seen), 42);
    assert_string_equal(buf_str(&seen), "[message||a][message||b]");
    sse_done(&s);
    buf_done(&seen);
}

static int count_bytes(void *arg, const struct sse_event *event)
{
    *(size_t *)arg += event->data_len;
    return 0;
}

/* Feeds `times` times the same piece, then `last`; what the last feed gave. */
static int feed_many(const char *first, const char *piece, size_t piece_len, int times, const char *last, size_t *ret_bytes)
{
    struct sse s;
    sse_init(&s);
    *ret_bytes = 0;
    int r = sse_feed(&s, first, strlen(first), count_bytes, ret_bytes);
    for (int i = 0; i < times && r == 0; i++)
        r = sse_feed(&s, piece, piece_len, count_bytes, ret_bytes);
    if (r == 0)
        r = sse_feed(&s, last, strlen(last), count_bytes, ret_bytes);
    sse_done(&s);
    return r;
}

static void test_large_and_too_large(void **state)
{
    (void)state;
    char piece[1024];
    size_t bytes;
    memset(piece, 'x', sizeof piece);
    assert_int_equal(feed_many("data: ", piece, sizeof piece, 200, "\n\n", &bytes), 0); /* more than 64 KiB */
    assert_int_equal(bytes, 200 * 1024);
    assert_int_equal(feed_many("data: ", piece, sizeof piece, 1100, "\n\n", &bytes), -E2BIG);
    assert_int_equal(feed_many(": ", piece, sizeof piece, 1100, "\n\n", &bytes), -E2BIG); /* a comment without end, too */
    static const char line[] = "data: 0123456789012345678901234567890123456789\n";
    assert_int_equal(feed_many("", line, sizeof line - 1, 60000, "\n", &bytes), -E2BIG); /* many lines, one event */
    assert_int_equal(feed_many("", "data: a\n\n", 9, 200000, "\n", &bytes), 0);          /* no limit to their number */
    assert_int_equal(bytes, 200000);
}

/* Random streams of fields and terminators, cut at random: always the same events as in one piece. */
static void test_random_cuts(void **state)
{
    (void)state;
    static const char *const words[] = {"data", ":",     " ",  "\n", "\r",           "\r\n",        "a",
                                        "中",   "event", "id", "{",  "\xef\xbb\xbf", "data: x\n\n", "data:y\r\n\r\n"};
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 3000; round++) {
        struct buf bytes = BUF_INIT, whole = BUF_INIT, cut = BUF_INIT;
        struct sse s;
        for (int i = rand() % 40; i >= 0; i--)
            buf_add_str(&bytes, words[(size_t)rand() % ARRAY_LEN(words)]);
        sse_init(&s);
        assert_int_equal(sse_feed(&s, bytes.data, bytes.len, collect, &whole), 0);
        assert_int_equal(sse_end(&s, collect, &whole), 0);
        sse_done(&s);
        sse_init(&s);
        for (size_t at = 0; at < bytes.len;) {
            size_t n = 1 + (size_t)rand() % (bytes.len - at);
            assert_int_equal(sse_feed(&s, bytes.data + at, n, collect, &cut), 0);
            at += n;
        }
        assert_int_equal(sse_end(&s, collect, &cut), 0);
        sse_done(&s);
        assert_string_equal(buf_str(&cut), buf_str(&whole));
        buf_done(&bytes);
        buf_done(&whole);
        buf_done(&cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_end_without_blank_line),
        cmocka_unit_test(test_stray_error_is_kept),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_large_and_too_large),
        cmocka_unit_test(test_random_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
