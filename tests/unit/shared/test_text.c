/* text: decoding against a naive decoder, cells that keep their width, escapes that leave nothing harmful, shell quoting through a real
 * shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"
#include "tests/unit/shared/test_random.h"

/* Mostly whole characters of every kind, some harmful ones, some broken bytes. */
static size_t random_text(char *dst, size_t max_len, bool nuls)
{
    static const char *const pieces[] = {
        "a",
        "Z",
        " ",
        "\xC3\xA9",
        "\xE4\xB8\xAD\xE6\x96\x87",
        "\xF0\x9F\x98\x80",
        "e\xCC\x81",
        "\xCC\x81",
        "\n",
        "\x1b[31m",
        "\x7F",
        "\xC2\x9B",
        "\xE2\x80\xAE",
        "\xE2\x81\xA6",
        "\xE2\x80\xA8",
        "\xEF\xBB\xBF",
        "\xFF",
        "\xC0\xAF",
        "\xED\xA0\x80",
        "\xF4\x90\x80\x80",
        "\xE4\xB8",
        "\xF0\x9F\x98",
        "'",
        "\"",
        "\\",
        "\t",
        "\xE2\x80\x8D",
        "\xF3\xA0\x81\x81",
        "\xEF\xBF\xBD",
    };
    size_t len = 0, want = test_random_below(max_len);
    while (len < want) {
        if (test_random_below(12) == 0) {
            char c = (char)test_random();
            if (c || nuls)
                dst[len++] = c;
            continue;
        }
        const char *piece = pieces[test_random_below(ARRAY_LEN(pieces))];
        size_t n = strlen(piece);
        if (len + n > want)
            break;
        memcpy(dst + len, piece, n);
        len += n;
    }
    dst[len] = '\0';
    return len;
}

static void every_character_survives(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char bytes[4];
        size_t n = text_encode(bytes, c);
        uint32_t back;
        if (text_decode(bytes, n, &back) != n || back != c)
            fail_msg("U+%04X", (unsigned)c);
        /* Cut short, it is broken and takes at least one byte, never more than there are. */
        for (size_t cut = 1; cut < n; cut++) {
            size_t took = text_decode(bytes, cut, &back);
            if (back != TEXT_BROKEN || took < 1 || took > cut)
                fail_msg("U+%04X cut at %zu", (unsigned)c, cut);
        }
    }
    uint32_t c;
    assert_int_equal(text_decode("", 0, &c), 0);
}

/* Sequences that must not be taken for characters, and how many pieces each breaks into. */
static void broken_sequences(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t pieces;
    } cases[] = {
        {"\x80", 1},         {"\xC0\x80", 2},     {"\xC1\xBF", 2},         {"\xE0\x80\x80", 3},     {"\xE0\x9F\xBF", 3},
        {"\xED\xA0\x80", 3}, {"\xED\xBF\xBF", 3}, {"\xF0\x80\x80\x80", 4}, {"\xF4\x90\x80\x80", 4}, {"\xF5\x80\x80\x80", 4},
        {"\xFE", 1},         {"\xE4\xB8\x41", 2}, {"\xF0\x9F\x98\x41", 2}, {"\xF0\x9F\x41", 2},     {"\xE4\xE4\xB8\xAD", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = strlen(cases[i].bytes), at = 0, pieces = 0;
        bool broken = false;
        while (at < len) {
            uint32_t c;
            at += text_decode(cases[i].bytes + at, len - at, &c);
            broken = broken || c == TEXT_BROKEN;
            pieces++;
        }
        assert_true(broken);
        assert_int_equal(at, len);
        assert_int_equal(pieces, cases[i].pieces);
        assert_false(text_is_utf8(cases[i].bytes, len));
    }
    assert_true(text_is_utf8("a\xEF\xBF\xBD\0b", 6));
}

static void widths(void **state)
{
    (void)state;
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_width("gpt-4o"), 6);
    assert_int_equal(text_width("\xE4\xB8\xAD\xE6\x96\x87"), 4); /* 中文 */
    assert_int_equal(text_width("\xE7\xA1\x85\xE5\x9F\xBA"
                                "a"),
                     5);                                 /* 硅基a */
    assert_int_equal(text_width("e\xCC\x81"), 1);        /* é as two */
    assert_int_equal(text_width("\xF0\x9F\x98\x80"), 2); /* an emoji */
    assert_int_equal(text_width("\xEF\xBC\xA1"), 2);     /* full-width A */
    assert_int_equal(text_width("\xEF\xBD\xB1"), 1);     /* half-width katakana */
    assert_int_equal(text_width("\xFF\xFE"), 2);
    assert_int_equal(text_width("a\nb"), 3);
}

static const char *cell(const char *s, size_t columns, enum text_align align, bool pad)
{
    static struct buf b;
    buf_clear(&b);
    text_add_cell(&b, s, columns, align, pad);
    return buf_str(&b);
}

static void cells(void **state)
{
    (void)state;
    assert_string_equal(cell("ab", 4, TEXT_LEFT, true), "ab  ");
    assert_string_equal(cell("ab", 4, TEXT_RIGHT, true), "  ab");
    assert_string_equal(cell("ab", 4, TEXT_LEFT, false), "ab");
    assert_string_equal(cell("abcd", 4, TEXT_LEFT, true), "abcd");
    assert_string_equal(cell("abcde", 4, TEXT_LEFT, true), "abc\xE2\x80\xA6");
    assert_string_equal(cell("abc", 0, TEXT_LEFT, true), "");
    assert_string_equal(cell("abc", 1, TEXT_LEFT, true), "\xE2\x80\xA6");
    /* 中文中: cut at 4 columns there is room for one and a half, so one and a blank. */
    assert_string_equal(cell("\xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD", 4, TEXT_LEFT, true), "\xE4\xB8\xAD\xE2\x80\xA6 ");
    assert_string_equal(cell("\xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD", 4, TEXT_RIGHT, true), " \xE4\xB8\xAD\xE2\x80\xA6");
    assert_string_equal(cell("\xE4\xB8\xAD\xE6\x96\x87", 4, TEXT_LEFT, true), "\xE4\xB8\xAD\xE6\x96\x87");
    assert_string_equal(cell("e\xCC\x81x", 3, TEXT_LEFT, true), "e\xCC\x81x ");
    assert_string_equal(cell("\x1b[2Jx", 8, TEXT_LEFT, true), "\xEF\xBF\xBD[2Jx   ");
}

static void a_cell_is_as_wide_as_it_says(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[200];
        size_t len = random_text(text, sizeof(text) - 1, false);
        size_t columns = test_random_below(30);
        bool pad = test_random_below(2);
        const char *s = cell(text, columns, test_random_below(2) ? TEXT_LEFT : TEXT_RIGHT, pad);
        size_t got = text_width(s);
        assert_true(text_is_utf8(s, strlen(s)));
        assert_true(got <= columns);
        if (pad)
            assert_int_equal(got, columns);
        else if (text_width(text) <= columns)
            assert_int_equal(got, text_width(text));
        assert_true(strlen(s) <= len * 3 + 30);
        for (size_t at = 0; at < strlen(s);) {
            uint32_t c;
            at += text_decode(s + at, strlen(s) - at, &c);
            assert_false(text_is_harmful(c));
        }
    }
    /* A flood of marks stays small. */
    char flood[3001];
    for (size_t i = 0; i < 3000; i += 2)
        memcpy(flood + i, "\xCC\x81", 2);
    flood[3000] = '\0';
    assert_true(strlen(cell(flood, 10, TEXT_LEFT, true)) < 40);
}

static const char *escaped(const char *s, size_t len, size_t max_chars)
{
    static struct buf b;
    buf_clear(&b);
    text_escape_terminal(&b, s, len, max_chars);
    return buf_str(&b);
}

static void escapes(void **state)
{
    (void)state;
    assert_string_equal(escaped("a\nb\r\t\x1b[0m\x7F", 10, 100), "a\\nb\\r\\t\\x1b[0m\\x7f");
    assert_string_equal(escaped("a\0b", 3, 100), "a\\x00b");
    assert_string_equal(escaped("\xC2\x9B"
                                "1m",
                                4, 100),
                        "\\u009b1m");
    assert_string_equal(escaped("\xE2\x80\xAE"
                                "gpj.exe",
                                10, 100),
                        "\\u202egpj.exe");
    assert_string_equal(escaped("\xE2\x81\xA6\xE2\x81\xA9\xE2\x80\xA8\xEF\xBB\xBF", 12, 100), "\\u2066\\u2069\\u2028\\ufeff");
    assert_string_equal(escaped("\xF3\xA0\x81\x81", 4, 100), "\\U000e0041");
    assert_string_equal(escaped("a\xE2\x80\x8B\xE2\x80\x8C\xE2\x80\x8D\xE2\x81\xA0\xE2\x81\xA4", 16, 100),
                        "a\\u200b\\u200c\\u200d\\u2060\\u2064");
    for (uint32_t c = 0x2000; c <= 0x2070; c++)
        assert_int_equal(text_is_harmful(c), (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F));
    assert_string_equal(escaped("\xE4\xB8\xAD\xE6\x96\x87", 6, 1), "\xE4\xB8\xAD");
    assert_string_equal(escaped("\xE4\xB8", 2, 9), "\xEF\xBF\xBD");
    assert_string_equal(escaped("abc", 3, 0), "");
}

static void nothing_harmful_is_left(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[200], copy[64];
        size_t len = random_text(text, sizeof(text) - 1, true), max = test_random_below(250);
        const char *s = escaped(text, len, max);
        size_t n = strlen(s);
        assert_true(text_is_utf8(s, n));
        for (size_t at = 0; at < n;) {
            uint32_t c;
            at += text_decode(s + at, n - at, &c);
            assert_false(text_is_harmful(c));
        }
        /* Escaping twice changes nothing: layers may each be careful. */
        struct buf twice = BUF_INIT;
        text_escape_terminal(&twice, s, n, 10000);
        assert_string_equal(buf_str(&twice), s);
        buf_done(&twice);

        size_t size = 1 + test_random_below(sizeof(copy));
        memset(copy, 'x', sizeof(copy));
        assert_ptr_equal(text_copy(copy, size, text, len), copy);
        assert_true(strlen(copy) < size);
        assert_true(text_is_utf8(copy, strlen(copy)));
        if (text_is_utf8(text, len) && !memchr(text, 0, len))
            assert_memory_equal(copy, text, strlen(copy));
        /* Nothing was dropped for want of less than a character's room. */
        if (strlen(copy) + 4 < size && text_is_utf8(text, len) && !memchr(text, 0, len))
            assert_int_equal(strlen(copy), len);
    }
    char none[1] = {'x'};
    text_copy(none, 0, "abc", 3);
    assert_int_equal(none[0], 'x');
}

/* The shell itself is the judge. */
static void a_shell_reads_it_back(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        char text[100];
        size_t len = random_text(text, sizeof(text) - 1, false);
        struct buf command = BUF_INIT;
        buf_add_str(&command, "printf %s ");
        text_shell_quote(&command, text);
        FILE *p = popen(buf_str(&command), "r");
        assert_non_null(p);
        char back[400];
        size_t n = fread(back, 1, sizeof(back), p);
        assert_int_equal(pclose(p), 0);
        buf_done(&command);
        assert_int_equal(n, len);
        assert_memory_equal(back, text, len);
    }
    struct buf b = BUF_INIT;
    text_shell_quote(&b, "it's");
    assert_string_equal(buf_str(&b), "'it'\\''s'");
    buf_done(&b);
}

static void nearest(void **state)
{
    (void)state;
    static const char *const keys[] = {"interval", "timeout", "policies", "platforms", "budget", NULL, "", "retry-after", "m"};
    const size_t n = ARRAY_LEN(keys);
    assert_string_equal(text_nearest("intervall", keys, n), "interval");
    assert_string_equal(text_nearest("Interval", keys, n), "interval");
    assert_string_equal(text_nearest("tiemout", keys, n), "timeout");
    assert_string_equal(text_nearest("polices", keys, n), "policies");
    assert_string_equal(text_nearest("retry_after", keys, n), "retry-after");
    assert_string_equal(text_nearest("bugdet", keys, n), "budget");
    assert_null(text_nearest("xyz", keys, n));
    assert_null(text_nearest("x", keys, n));
    assert_null(text_nearest("", keys, n));
    assert_null(text_nearest("interval", NULL, 0));
    char huge[500];
    memset(huge, 'i', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_null(text_nearest(huge, keys, n));
    /* One slip in a long word is always found. */
    static const char *const one[] = {"valid_until"};
    for (int round = 0; round < 1000; round++) {
        char word[32];
        snprintf(word, sizeof(word), "%s", one[0]);
        word[test_random_below(strlen(word))] = (char)('a' + test_random_below(26));
        assert_string_equal(text_nearest(word, one, 1), one[0]);
    }
}

int main(void)
{
    test_random_begin("test_text");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_survives),
        cmocka_unit_test(broken_sequences),
        cmocka_unit_test(widths),
        cmocka_unit_test(cells),
        cmocka_unit_test(a_cell_is_as_wide_as_it_says),
        cmocka_unit_test(escapes),
        cmocka_unit_test(nothing_harmful_is_left),
        cmocka_unit_test(a_shell_reads_it_back),
        cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
