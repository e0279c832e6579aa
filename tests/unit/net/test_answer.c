/* Header lines: what is kept of hostile ones, and Retry-After in all its forms. */
#include "tests/unit/net/peer.h"

#include "probed/net/http_parts.h"

static void feed(struct answer *a, const char *line, usec_t now) { answer_line(a, line, strlen(line), now, 0); }

static void test_head(void **state)
{
    (void)state;
    struct answer a;
    answer_reset(&a);
    feed(&a, "HTTP/1.1 100 Continue\r\n", 1);
    feed(&a, "Content-Type: early/no\r\n", 2);
    feed(&a, "\r\n", 3);
    assert_true(a.status == 0 && !a.head_done && a.first == -1 && a.content_type[0] == '\0');
    feed(&a, "HTTP/2 503 \r\n", 4);
    feed(&a, "CONTENT-TYPE:text/HTML;charset=x\r\n", 5);
    feed(&a, "Connection:  close \r\n", 5);
    assert_true(a.status == 503 && a.first == 4 && !a.head_done && a.closes);
    feed(&a, "\r\n", 6);
    assert_true(a.head_done);
    assert_string_equal(a.content_type, "text/html");
    size_t bytes = a.bytes;
    feed(&a, "HTTP/1.1 200 OK\r\n", 7); /* a trailer */
    feed(&a, "Retry-After: 3\r\n", 7);
    assert_true(a.status == 503 && a.first == 4 && a.retry_after == 0);
    assert_true(a.bytes > bytes);
    answer_reset(&a);
    feed(&a, "HTTP/1.0 200 OK\n", 1);
    assert_true(a.status == 200 && a.closes);
}

static void test_hostile_lines(void **state)
{
    (void)state;
    static const char *const lines[] = {"", "HTTP/", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 2", "HTTP/1.1 20x", "HTTP/1.1 99999999999999999999", ":", ": x",
                                        "content-type", "content-type:", "retry-after:", "retry-after: -1", "\x80\xff: \xff", "HTTP/1.1 -20"};
    struct answer a;
    answer_reset(&a);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        feed(&a, lines[i], 1);
    assert_true(a.status == 0 && !a.head_done);
    feed(&a, "HTTP/1.1 200 OK\r\n", 1);
    char line[400];
    memset(line, 'a', sizeof(line));
    memcpy(line, "content-type: ", 14);
    answer_line(&a, line, sizeof(line), 1, 0); /* long, and without a line end */
    assert_int_equal(strlen(a.content_type), sizeof(a.content_type) - 1);
    feed(&a, "content-type: te\xffxt/\x01html\r\n", 1);
    assert_string_equal(a.content_type, "te");
    uint64_t seed = (uint64_t)test_clock();
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 20000; i++) { /* bytes of every sort; the sanitizers look on */
        size_t len = 0;
        for (; len < sizeof(line) && (seed = seed * 6364136223846793005u + 1442695040888963407u) >> 60 != 0; len++)
            line[len] = (seed >> 33) & 1 ? (char)(seed >> 40) : "HTTP/1.1 200:\r\n -retry-after"[(seed >> 40) % 28];
        char *copy = alloc_zero(1, len + 1); /* so that reading on is seen */
        memcpy(copy, line, len);
        answer_line(&a, copy, len, i, i);
        alloc_freep(&copy);
        assert_true(a.retry_after >= 0);
        if (i % 10 == 0)
            answer_reset(&a);
    }
}

/* An ETag is sent back as it came, or it is none. */
static void test_etag(void **state)
{
    (void)state;
    struct answer a;
    answer_reset(&a);
    feed(&a, "HTTP/1.1 200 OK\r\n", 1);
    feed(&a, "ETag:  W/\"abc-1\" \r\n", 1);
    assert_string_equal(a.etag, "W/\"abc-1\"");
    static const char *const none[] = {"", "\"a b\"", "\"a\x01\"", "\"a\tb\"", "\"a\x7f\"", "\"\xe4\xb8\xad\""};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        char line[64];
        snprintf(line, sizeof(line), "etag: %s\r\n", none[i]);
        feed(&a, "etag: \"before\"\r\n", 1);
        feed(&a, line, 1);
        assert_string_equal(a.etag, "");
    }
    char line[200] = "etag: ";
    memset(line + 6, 'x', 127);
    feed(&a, line, 1);
    assert_int_equal(strlen(a.etag), 127);
    memset(line + 6, 'x', 128);
    feed(&a, line, 1); /* too long to be sent back whole */
    assert_string_equal(a.etag, "");
    feed(&a, "\r\n", 1);
    feed(&a, "etag: \"trailer\"\r\n", 1);
    assert_string_equal(a.etag, "");
}

static usec_t retry_after(const char *value, usec_t wall) { return answer_retry_after(value, strlen(value), wall); }

static void test_retry_after(void **state)
{
    (void)state;
    usec_t wall = 1792800000 * USEC_PER_SEC + 500000; /* Sat, 24 Oct 2026 00:00:00.5 GMT */
    const usec_t year = 366 * USEC_PER_DAY;
    assert_int_equal(retry_after("0", wall), 0);
    assert_int_equal(retry_after("30", wall), 30 * USEC_PER_SEC);
    assert_int_equal(retry_after("1.5", wall), 1500000);
    assert_int_equal(retry_after("0.0000001", wall), 0);
    assert_int_equal(retry_after("99999999999999999999999999", wall), year);
    assert_int_equal(retry_after("-5", wall), 0);
    assert_int_equal(retry_after("5 s", wall), 0);
    assert_int_equal(retry_after("soon", wall), 0);
    assert_int_equal(retry_after("", wall), 0);
    assert_int_equal(retry_after("Sat, 24 Oct 2026 00:01:00 GMT", wall), 59500000);
    assert_int_equal(retry_after("Saturday, 24-Oct-26 00:01:00 GMT", wall), 59500000);
    assert_int_equal(retry_after("Sat, 24 Oct 2026 00:00:00 GMT", wall), 0); /* past */
    assert_int_equal(retry_after("Sat, 24 Oct 2099 00:00:00 GMT", wall), year);
    assert_int_equal(retry_after("Sat, 24 Oct 2026 00:01:00 GMT and a lot more than any date would ever need", wall), 0);
    struct answer a;
    answer_reset(&a);
    feed(&a, "HTTP/1.1 429 x\r\n", 1);
    feed(&a, "retry-after-ms: 250\r\n", 1);
    assert_int_equal(a.retry_after, 250000);
    feed(&a, "Retry-After: 1\r\n", 1);
    assert_int_equal(a.retry_after, USEC_PER_SEC); /* the standard's own wins */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_hostile_lines),
        cmocka_unit_test(test_etag),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
