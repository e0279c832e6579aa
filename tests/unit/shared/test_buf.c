/* buf, alloc and err: content is always a whole prefix of what was written, NUL-terminated, within its cap; sentences are one harmless
 * line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "shared/alloc.h"
#include "shared/buf.h"
#include "shared/err.h"
#include "shared/text.h"
#include "tests/unit/shared/test_random.h"

static void empty_buffer_is_a_string(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_string_equal(buf_str(&b), "");
    buf_consume(&b, 0);
    buf_clear(&b);
    char *s = buf_take(&b);
    assert_string_equal(s, "");
    free(s);
    buf_done(&b);
    buf_done(&b);
}

static void a_write_beyond_the_cap_is_dropped_whole(void **state)
{
    (void)state;
    struct buf b = BUF_CAP(10);
    buf_add_str(&b, "12345678");
    assert_false(b.full);
    buf_add_str(&b, "abc");
    assert_true(b.full);
    assert_string_equal(buf_str(&b), "12345678");
    /* No hole: what would fit comes after something that is missing. */
    buf_add_char(&b, 'x');
    buf_printf(&b, "%d", 1);
    assert_string_equal(buf_str(&b), "12345678");
    buf_clear(&b);
    assert_false(b.full);
    buf_add_str(&b, "0123456789");
    assert_false(b.full);
    assert_int_equal(b.len, 10);
    buf_add_char(&b, 'x');
    assert_true(b.full);
    buf_done(&b);
}

static void printf_of_any_length(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    char long_text[1000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    buf_printf(&b, "<%s|%d>", long_text, 7);
    assert_int_equal(b.len, 999 + 4);
    assert_true(strstr(buf_str(&b), "|7>") != NULL);
    for (size_t n = 250; n < 260; n++) {
        buf_clear(&b);
        buf_printf(&b, "%.*s", (int)n, long_text);
        assert_int_equal(b.len, n);
        assert_int_equal(strlen(buf_str(&b)), n);
    }
    buf_done(&b);
}

/* Against a plain model: a big array. */
static void random_writes(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t cap = 1 + test_random_below(5000);
        struct buf b = BUF_CAP(cap);
        static char model[8192];
        size_t len = 0;
        bool full = false;
        for (int i = 0; i < 60; i++) {
            char piece[300];
            size_t n = test_random_below(sizeof(piece));
            for (size_t j = 0; j < n; j++)
                piece[j] = (char)(1 + test_random_below(255));
            switch (test_random_below(8)) {
            case 0:
                n = n > len ? len : n;
                buf_consume(&b, n);
                memmove(model, model + n, len - n);
                len -= n;
                continue;
            case 1:
                if (test_random_below(10) == 0) {
                    buf_clear(&b);
                    len = 0;
                    full = false;
                }
                continue;
            case 2:
                n = 1;
                piece[0] = 'c';
                buf_add_char(&b, 'c');
                break;
            default:
                buf_add(&b, piece, n);
            }
            full = full || n > cap - len;
            if (!full) {
                memcpy(model + len, piece, n);
                len += n;
            }
            assert_int_equal(b.full, full);
            assert_int_equal(b.len, len);
            assert_true(len <= cap);
            assert_memory_equal(buf_str(&b), model, len);
            assert_int_equal(buf_str(&b)[len], 0);
        }
        buf_done(&b);
    }
}

static void allocations_are_real(void **state)
{
    (void)state;
    char *p = alloc_zero(0, 8);
    assert_non_null(p);
    p = alloc_resize(p, 0, 16);
    p = alloc_resize(p, 4, 16);
    memset(p, 1, 64);
    alloc_freep(&p);
    assert_null(p);
    p = alloc_printf("%s-%d", "a", 5);
    assert_string_equal(p, "a-5");
    alloc_freep(&p);
    p = alloc_string_n("abc", 2);
    assert_string_equal(p, "ab");
    alloc_freep(&p);
    p = alloc_string_n(NULL, 0);
    assert_string_equal(p, "");
    alloc_freep(&p);
}

static void no_memory_ends_the_program(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        /* The product does not fit in a size_t. */
        volatile size_t huge = SIZE_MAX / 4;
        void *p = alloc_resize(NULL, huge, 16);
        _exit(p ? 1 : 0);
    }
    close(fds[1]);
    char text[256] = "";
    ssize_t n = read(fds[0], text, sizeof(text) - 1);
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(n > 0);
    assert_non_null(strstr(text, "out of memory"));
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void a_sentence_is_one_harmless_line(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    assert_int_equal(err_set(&err, -EINVAL, "bad \"%s\"", "a\nb\x1b[2J\xC2\x9B\xE2\x80\xAE\xFF"), -EINVAL);
    assert_string_equal(err.text, "bad \"a\\nb\\x1b[2J\\u009b\\u202e\xEF\xBF\xBD\"");
    err_prefix(&err, "%s:%d", "file", 3);
    assert_true(strncmp(err.text, "file:3: bad", 11) == 0);
    assert_int_equal(err_set(NULL, -ENOENT, "%s", "x"), -ENOENT);
    err_prefix(NULL, "x");
    /* A sentence may be made of the one before. */
    err_set(&err, -1, "one");
    err_set(&err, -1, "two, after %s", err.text);
    assert_string_equal(err.text, "two, after one");
}

static void a_long_sentence_is_cut_between_characters(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        char text[2000];
        size_t len = 0;
        while (len < 1500) {
            static const char *const pieces[] = {"a", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80", "\xE4\xB8", "\n", "\x7F"};
            const char *piece = pieces[test_random_below(ARRAY_LEN(pieces))];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        text[len] = '\0';
        struct err err;
        err_set(&err, -1, "%s", text);
        assert_true(strlen(err.text) < ERR_TEXT_MAX && strlen(err.text) > ERR_TEXT_MAX - 12);
        assert_true(text_is_utf8(err.text, strlen(err.text)));
        err_prefix(&err, "%.*s", (int)test_random_below(1400), text);
        assert_true(text_is_utf8(err.text, strlen(err.text)));
        assert_null(strchr(err.text, '\n'));
    }
}

int main(void)
{
    test_random_begin("test_buf");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer_is_a_string),
        cmocka_unit_test(a_write_beyond_the_cap_is_dropped_whole),
        cmocka_unit_test(printf_of_any_length),
        cmocka_unit_test(random_writes),
        cmocka_unit_test(allocations_are_real),
        cmocka_unit_test(no_memory_ends_the_program),
        cmocka_unit_test(a_sentence_is_one_harmless_line),
        cmocka_unit_test(a_long_sentence_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
