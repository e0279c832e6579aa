/* json: strict in, exact out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "shared/text.h"
#include "tests/unit/shared/test_random.h"

static cJSON *parse(const char *text)
{
    return json_parse(text, strlen(text), NULL);
}

static void good_texts(void **state)
{
    (void)state;
    static const char *const good[] = {"{}",
                                       "[]",
                                       " null ",
                                       "true",
                                       "false",
                                       "0",
                                       "-0.5e+10",
                                       "\"\"",
                                       "[1,2,[3]]",
                                       "{\"a\":{\"b\":[]}}\n",
                                       "\xEF\xBB\xBF{}",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
                                       "\"\xE4\xB8\xAD\"",
                                       "1e999",
                                       "[1e-999]",
                                       "{\"\":0}"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct err err = {.text = ""};
        cJSON *json = json_parse(good[i], strlen(good[i]), &err);
        if (!json)
            fail_msg("%s: %s", good[i], err.text);
        cJSON_Delete(json);
    }
}

static void bad_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "empty"},
        {"  ", "empty"},
        {"{", "ends in the middle"},
        {"[1,", "ends in the middle"},
        {"\"abc", "ends in the middle"},
        {"\"\\", "ends in the middle"},
        {"\"\\u12", "hex"},
        {"-", "ends in the middle"},
        {"1.", "ends in the middle"},
        {"tru", "word"},
        {"{}x", "more follows"},
        {"{}{}", "more follows"},
        {"01", "more follows"},
        {"+1", "a value"},
        {".5", "a value"},
        {"1.e5", "digit"},
        {"[1 2]", "comma"},
        {"[1,]", "a value"},
        {"{\"a\" 1}", "colon"},
        {"{\"a\":1,}", "name"},
        {"{a:1}", "name"},
        {"{'a':1}", "name"},
        {"nan", "word"},
        {"Infinity", "a value"},
        {"\"a\nb\"", "control character"},
        {"\"\\x41\"", "escape"},
        {"\"\\uZZZZ\"", "hex"},
        {"\"\xFF\"", "UTF-8"},
        {"\"\xED\xA0\x80\"", "UTF-8"},
        {"[\x01]", "a value"},
        {"\xC2\xA0{}", "a value"},
        {"1111111111111111111111111111111111111111111111111111111111111111111", "too long"},
        {"<html>", "a value"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {.text = ""};
        cJSON *json = json_parse(bad[i].text, strlen(bad[i].text), &err);
        if (json || !strstr(err.text, bad[i].why) || strncmp(err.text, "not JSON", 8) != 0)
            fail_msg("%s: \"%s\"", bad[i].text, err.text);
    }
    assert_null(json_parse(NULL, 5, NULL));
    assert_null(json_parse("{}\0", 3, NULL));
    assert_null(json_parse("\"a\0b\"", 5, NULL));
}

static void depth_and_count_are_capped(void **state)
{
    (void)state;
    char text[2 * (JSON_DEPTH_MAX + 1) + 1];
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct err err = {.text = ""};
        cJSON *json = json_parse(text, 2 * depth, &err);
        if (depth <= JSON_DEPTH_MAX)
            assert_non_null(json);
        else
            assert_non_null(strstr(err.text, "deeply"));
        cJSON_Delete(json);
    }
    size_t many = JSON_VALUES_MAX + 10;
    char *wide = alloc_zero(2 * many + 2, 1);
    wide[0] = '[';
    for (size_t i = 0; i < many; i++)
        memcpy(wide + 1 + 2 * i, i + 1 < many ? "1," : "1]", 2);
    struct err err = {.text = ""};
    assert_null(json_parse(wide, 2 * many + 1, &err));
    assert_non_null(strstr(err.text, "too many"));
    free(wide);
    /* A megabyte of brackets is refused at the 65th, not after a megabyte of stack. */
    char *deep = alloc_zero(1 << 20, 1);
    memset(deep, '[', 1 << 20);
    assert_null(json_parse(deep, 1 << 20, &err));
    free(deep);
}

static void what_a_string_cannot_hold_is_mended(void **state)
{
    (void)state;
    cJSON *json = parse("{\"a\\u0000b\":\"x\\u0000y\",\"half\":\"\\ud83d\",\"other\":\"\\ude00z\",\"twice\":\"\\ud83d\\ud83d\\ude00\","
                        "\"no\":\"\\\\u0000\"}");
    assert_non_null(json);
    assert_string_equal(json_string(json, "a\xEF\xBF\xBD"
                                          "b"),
                        "x\xEF\xBF\xBDy");
    assert_string_equal(json_string(json, "half"), "\xEF\xBF\xBD");
    assert_string_equal(json_string(json, "other"), "\xEF\xBF\xBDz");
    assert_string_equal(json_string(json, "twice"), "\xEF\xBF\xBD\xF0\x9F\x98\x80");
    assert_string_equal(json_string(json, "no"), "\\u0000");
    cJSON_Delete(json);
}

static void paths(void **state)
{
    (void)state;
    cJSON *json =
        parse("{\"choices\":[{\"delta\":{\"content\":\"hi\"}},{\"n\":2}],\"code\":429,\"dup\":1,\"dup\":2,\"Case\":1,\"0\":\"zero\",\"\":7,"
              "\"e\":null,\"t\":true,\"f\":false,\"s\":\"12\",\"x\":1.5}");
    assert_string_equal(json_string(json, "choices.0.delta.content"), "hi");
    int64_t n;
    assert_true(json_int(json, "choices.1.n", &n) && n == 2);
    assert_null(json_at(json, "choices.2"));
    assert_null(json_at(json, "choices.-1"));
    assert_null(json_at(json, "choices.0x"));
    assert_null(json_at(json, "choices.99999999999999999999"));
    assert_null(json_at(json, "choices."));
    assert_null(json_at(json, "choices.0.delta.content.more"));
    assert_null(json_at(json, "case"));
    assert_null(json_at(json, "cod"));
    assert_null(json_at(json, "codes"));
    assert_ptr_equal(json_at(json, ""), json);
    assert_ptr_equal(json_at(json, NULL), json);
    assert_string_equal(json_string(json, "0"), "zero");
    assert_true(json_int(json, "dup", &n) && n == 1);
    char buf[16];
    assert_string_equal(json_text(json, "code", buf, sizeof(buf)), "429");
    assert_string_equal(json_text(json, "s", buf, sizeof(buf)), "12");
    assert_string_equal(json_text(json, "x", buf, sizeof(buf)), "1.5");
    assert_null(json_text(json, "t", buf, sizeof(buf)));
    assert_null(json_text(json, "e", buf, sizeof(buf)));
    assert_null(json_text(json, "nothing", buf, sizeof(buf)));
    assert_string_equal(json_text(json, "code", buf, 3), "42");
    assert_null(json_text(json, "code", buf, 0));
    bool b = false;
    assert_true(json_bool(json, "t", &b) && b);
    assert_true(json_bool(json, "f", &b) && !b);
    assert_false(json_bool(json, "code", &b));
    assert_false(json_bool(json, "e", &b));
    double d;
    assert_false(json_number(json, "s", &d));
    assert_false(json_int(json, "s", &n));
    assert_false(json_int(json, "x", &n));
    assert_null(json_string(json, "code"));
    assert_null(json_string(NULL, "a.b"));
    assert_false(json_int(NULL, "", &n) || json_number(NULL, "a", &d) || json_bool(NULL, NULL, &b));
    cJSON_Delete(json);
}

static void numbers_at_the_edges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool number, whole;
        int64_t value;
    } cases[] = {
        {"0", true, true, 0},
        {"-0", true, true, 0},
        {"3.0", true, true, 3},
        {"1e3", true, true, 1000},
        {"1.5", true, false, 0},
        {"9007199254740992", true, true, 9007199254740992},
        {"-9223372036854775808", true, true, INT64_MIN},
        {"9223372036854775807", true, false, 0}, /* as a double it is 2^63 */
        {"9223372036854775808", true, false, 0},
        {"1e300", true, false, 0},
        {"1e999", false, false, 0},
        {"-1e999", false, false, 0},
        {"1e-999", true, true, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cJSON *json = parse(cases[i].text);
        double d = 7;
        int64_t n = 7;
        if (json_number(json, NULL, &d) != cases[i].number || json_int(json, NULL, &n) != cases[i].whole ||
            (cases[i].whole && n != cases[i].value))
            fail_msg("%s: %g %lld", cases[i].text, d, (long long)n);
        if (!cases[i].number)
            assert_true(d == 7);
        cJSON_Delete(json);
    }
}

static const char *printed(const cJSON *json)
{
    static struct buf b;
    buf_clear(&b);
    json_print(json, false, &b);
    return buf_str(&b);
}

static void builders(void **state)
{
    (void)state;
    CLEANUP(json_deletep) cJSON *json = json_new_object();
    json_add_string(json, "s", "a\"\\\n\x7F\xC2\x9B\xE2\x80\xAE\xFF\xE4\xB8\xAD");
    json_add_string(json, "n", NULL);
    json_add_int(json, "big", INT64_MAX);
    json_add_int(json, "small", INT64_MIN);
    json_add_int(json, "odd", 9007199254740993);
    json_add_int(json, "one", 1);
    json_add_number(json, "nan", NAN);
    json_add_number(json, "inf", -INFINITY);
    json_add_number(json, "tenth", 0.1);
    json_add_number(json, "sum", 0.1 + 0.2);
    json_add_bool(json, "yes", true);
    json_add_null(json, "null");
    json_add_time(json, "at", 1795491737250999);
    json_add_time(json, "never", -1);
    json_add_time(json, "always", USEC_INFINITY);
    json_add_msec(json, "ms", 12345);
    json_add_msec(json, "no_ms", -1);
    cJSON *array = json_add_array(json, "a");
    json_add_int(array, NULL, 1);
    json_add_string(array, NULL, "x");
    json_add_object(array, NULL);
    assert_string_equal(printed(json),
                        "{\"s\":\"a\\\"\\\\\\n\\u007f\\u009b\\u202e\xEF\xBF\xBD\xE4\xB8\xAD\",\"n\":null,\"big\":9223372036854775807,"
                        "\"small\":-9223372036854775808,\"odd\":9007199254740993,\"one\":1,\"nan\":null,\"inf\":null,\"tenth\":0.1,"
                        "\"sum\":0.30000000000000004,\"yes\":true,\"null\":null,\"at\":1795491737.25,\"never\":null,\"always\":null,"
                        "\"ms\":12.345,\"no_ms\":null,\"a\":[1,\"x\",{}]}");
    /* The tree that was built answers like one that was parsed. */
    int64_t n;
    assert_true(json_int(json, "big", &n) && n == INT64_MAX);
    assert_true(json_int(json, "odd", &n) && n == 9007199254740993);
    char buf[32];
    assert_string_equal(json_text(json, "small", buf, sizeof(buf)), "-9223372036854775808");
    struct buf b = BUF_INIT;
    json_print(json_at(json, "a"), true, &b);
    assert_string_equal(buf_str(&b), "[\n  1,\n  \"x\",\n  {}\n]");
    buf_done(&b);
}

static void numbers_print_shortest_and_exact(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "0"},
        {1, "1"},
        {0.1, "0.1"},
        {0.05, "0.05"},
        {1e15, "1e+15"},
        {123456789012345, "123456789012345"},
        {1763950000.25, "1763950000.25"},
        {0.000000001, "0.000000001"},
        {1e-10, "1e-10"},
        {1.0 / 3, "0.3333333333333333"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740991.0, "9007199254740991"},
        {-2.5, "-2.5"},
        {NAN, "null"},
        {INFINITY, "null"},
    };
    char b[32];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(json_format_number(b, sizeof(b), cases[i].value), cases[i].text);
    for (int round = 0; round < 300000; round++) {
        union {
            uint64_t bits;
            double value;
        } u = {.bits = test_random()};
        if (round % 3 == 1)
            u.value = (double)(int64_t)test_random_below(1000000000) / 1000.0;
        if (round % 3 == 2)
            u.value = (double)test_random_below(1u << 30) / (double)(1 + test_random_below(1u << 30));
        if (!isfinite(u.value))
            continue;
        json_format_number(b, sizeof(b), u.value);
        if (strtod(b, NULL) != u.value || strlen(b) > 25)
            fail_msg("%.17g printed as %s", u.value, b);
        char fifteen[40];
        snprintf(fifteen, sizeof(fifteen), "%.15g", u.value);
        if (strtod(fifteen, NULL) == u.value && strlen(b) > strlen(fifteen) + 6)
            fail_msg("%s printed as %s", fifteen, b);
    }
}

static void any_string_reads_back_as_utf8(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[64], mended[200];
        size_t n = test_random_below(sizeof(text));
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(1 + test_random_below(round % 2 ? 127 : 255));
        text[n] = '\0';
        CLEANUP(json_deletep) cJSON *json = json_new_object();
        json_add_string(json, text, text);
        const char *out = printed(json);
        for (const char *s = out; *s; s++)
            assert_true((unsigned char)*s >= 0x20 && *s != 0x7F);
        struct err err = {.text = ""};
        CLEANUP(json_deletep) cJSON *back = json_parse(out, strlen(out), &err);
        if (!back)
            fail_msg("%s: %s", out, err.text);
        text_copy(mended, sizeof(mended), text, n);
        assert_string_equal(back->child->valuestring, mended);
        assert_string_equal(back->child->string, mended);
    }
}

/* A random tree: printed, parsed, printed again is the same text. */
static void add_random(cJSON *json, unsigned depth)
{
    unsigned n = (unsigned)test_random_below(5);
    for (unsigned i = 0; i < n; i++) {
        char name[8];
        snprintf(name, sizeof(name), "m%u", i);
        const char *as = cJSON_IsArray(json) ? NULL : name;
        switch (test_random_below(depth < 12 ? 8 : 6)) {
        case 0:
            json_add_int(json, as, (int64_t)(test_random() >> test_random_below(64)));
            break;
        case 1:
            json_add_number(json, as, (double)(int64_t)test_random() / 1e9);
            break;
        case 2:
            json_add_string(json, as, "\xE4\xB8\xAD\n");
            break;
        case 3:
            json_add_bool(json, as, true);
            break;
        case 4:
        case 5:
            json_add_null(json, as);
            break;
        case 6:
            add_random(json_add_object(json, as), depth + 1);
            break;
        default:
            add_random(json_add_array(json, as), depth + 1);
        }
    }
}

static void trees_round_trip(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        CLEANUP(json_deletep) cJSON *json = json_new_object();
        add_random(json, 0);
        char *first = alloc_string(printed(json));
        struct err err = {.text = ""};
        struct buf pretty = BUF_INIT;
        json_print(json, true, &pretty);
        CLEANUP(json_deletep) cJSON *back = json_parse(buf_str(&pretty), pretty.len, &err);
        if (!back)
            fail_msg("%s", err.text);
        /* Integers beyond 2^53 are exact as text and doubles once read: print through a double to compare. */
        cJSON *again = json_parse(first, strlen(first), NULL);
        assert_non_null(again);
        char *second = alloc_string(printed(again));
        assert_string_equal(printed(back), second);
        free(first);
        free(second);
        cJSON_Delete(again);
        buf_done(&pretty);
    }
}

static void printing_stops_at_the_cap(void **state)
{
    (void)state;
    CLEANUP(json_deletep) cJSON *json = json_new_object();
    for (int i = 0; i < 100; i++)
        json_add_string(json, "name", "value");
    struct buf b = BUF_CAP(100);
    json_print(json, false, &b);
    assert_true(b.full && b.len <= 100);
    buf_done(&b);
}

int main(void)
{
    test_random_begin("test_json");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts),
        cmocka_unit_test(bad_texts),
        cmocka_unit_test(depth_and_count_are_capped),
        cmocka_unit_test(what_a_string_cannot_hold_is_mended),
        cmocka_unit_test(paths),
        cmocka_unit_test(numbers_at_the_edges),
        cmocka_unit_test(builders),
        cmocka_unit_test(numbers_print_shortest_and_exact),
        cmocka_unit_test(any_string_reads_back_as_utf8),
        cmocka_unit_test(trees_round_trip),
        cmocka_unit_test(printing_stops_at_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
