/* What all readers have in common: names, slices, shapes that are none, texts cut short, caps, order, comparing. */
#include <math.h>
#include <stdio.h>

#include "price_try.h"
#include "shared/buf.h"

static void names(void **state)
{
    (void)state;
    for (int i = 0; i < PRICE_SOURCE_COUNT; i++)
        assert_int_equal(price_source_from_name(price_source_name((enum price_source)i)), i);
    assert_int_equal(price_source_from_name("openrouter-endpoints"), PRICE_SOURCE_OPENROUTER_ENDPOINTS);
    assert_int_equal(price_source_from_name("newapi "), -1);
    assert_int_equal(price_source_from_name(NULL), -1);
    assert_string_equal(price_source_name((enum price_source)99), "?");
    assert_string_equal(price_source_path(PRICE_SOURCE_NEWAPI), "/api/pricing");
    assert_string_equal(price_source_path(PRICE_SOURCE_LITELLM), "");
}

static void shapes_of_nobody(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{}",
                                         "[]",
                                         "{\"data\":[]}",
                                         "{\"data\":{}}",
                                         "{\"data\":[1,2,{\"id\":\"x\"}]}",
                                         "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4o\",\"object\":\"model\"}]}",
                                         "{\"data\":{\"a\":{\"b\":1}}}",
                                         "[[[[]]]]",
                                         "{\"success\":true,\"data\":\"x\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        try_refused(PRICE_SOURCE_AUTO, bodies[i], NULL, "no list of prices of a shape that is known");
    try_refused(PRICE_SOURCE_AUTO, "", NULL, "empty");
    try_refused(PRICE_SOURCE_AUTO, "\"text\"", NULL, "no JSON object");
    try_refused(PRICE_SOURCE_AUTO, "{\"data\":[]} {", NULL, "more follows");
    try_refused(PRICE_SOURCE_AUTO, "{\"a\":[}]}", NULL, "not JSON");
    try_refused(PRICE_SOURCE_AUTO, "{\"a\":1,}", NULL, "not JSON");
    try_refused(PRICE_SOURCE_AUTO, "{\"success\":false}", NULL, "an error instead");
    try_refused(PRICE_SOURCE_AUTO, "{\"error\":\"nope\"}", NULL, "nope");
    char deep[300] = "{\"data\":";
    memset(deep + 8, '[', 200);
    try_refused(PRICE_SOURCE_AUTO, deep, NULL, "not JSON");
}

#define GOOD                                                                                                                               \
    "{\"success\":true,\"data\":[{\"model_name\":\"a\",\"quota_type\":0,\"model_ratio\":1,\"completion_ratio\":2,\"enable_groups\":["      \
    "\"default\"]},{\"model_name\":\"b\\n\",\"quota_type\":0},{\"model_name\":\"c\",\"quota_type\":1,\"model_price\":0.5}],\"group_"       \
    "ratio\":{\"default\":1}}"

static void cut_short_everywhere(void **state)
{
    (void)state;
    size_t len = strlen(GOOD);
    for (size_t n = 0; n < len; n++) {
        struct price_list list;
        struct err err = {""};
        char *copy = malloc(n + 1); /* of exactly that length, so that a sanitizer sees a read beyond */
        memcpy(copy, GOOD, n);
        copy = realloc(copy, n ? n : 1);
        assert_int_equal(price_read(PRICE_SOURCE_AUTO, copy, n, NULL, &list, &err), -EINVAL);
        assert_true(err.text[0] != '\0');
        assert_null(list.rows);
        free(copy);
    }
    struct price_list list = try_read(PRICE_SOURCE_AUTO, "\xEF\xBB\xBF \n" GOOD "\r\n", NULL);
    assert_int_equal(list.len, 2);
    assert_int_equal(list.skipped, 1); /* a control character in the name */
    price_list_done(&list);
}

static void slices_make_the_same(void **state)
{
    (void)state;
    struct price_list whole = try_read(PRICE_SOURCE_AUTO, GOOD, NULL), sliced;
    struct price_reading *r = price_reading_new(PRICE_SOURCE_AUTO, GOOD, strlen(GOOD), NULL, NULL);
    assert_non_null(r);
    int steps = 1, more;
    while ((more = price_reading_step(r, 1, NULL)) > 0)
        steps++;
    assert_int_equal(more, 0);
    assert_true(steps >= 3); /* an entry a step */
    price_reading_take(r, &sliced);
    price_reading_free(r);
    assert_int_equal(sliced.len, whole.len);
    assert_true(sliced.revision == whole.revision);
    price_list_done(&sliced);
    price_list_done(&whole);
}

static void caps(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct price_list list;
    struct err err = {""};
    for (int rows = PRICE_ROWS_MAX; rows <= PRICE_ROWS_MAX + 1; rows++) {
        buf_clear(&b);
        buf_add_str(&b, "{\"data\":[");
        for (int i = 0; i < rows; i++)
            buf_printf(&b, "%s{\"id\":\"m%d\",\"pricing\":{\"prompt\":\"0.000001\"}}", i ? "," : "", i);
        buf_add_str(&b, "]}");
        int e = price_read(PRICE_SOURCE_AUTO, b.data, b.len, NULL, &list, &err);
        assert_int_equal(e, rows > PRICE_ROWS_MAX ? -EINVAL : 0);
        price_list_done(&list);
    }
    assert_string_equal(err.text, "more than 20000 rows");
    buf_clear(&b);
    buf_add_str(&b, "{\"data\":[{\"id\":\"m\",\"pricing\":{}},{\"id\":\"m\",\"pricing\":{},\"description\":\"");
    for (int i = 0; i < 20000; i++)
        buf_add_str(&b, "long long");
    buf_add_str(&b, "\"}]}");
    assert_int_equal(price_read(PRICE_SOURCE_AUTO, b.data, b.len, NULL, &list, &err), -EINVAL);
    assert_non_null(strstr(err.text, "one entry"));
    buf_done(&b);
    char name[400];
    memset(name, 'n', 300);
    name[300] = '\0';
    char *body = malloc(1000);
    snprintf(body, 1000,
             "{\"data\":[{\"id\":\"%s\",\"pricing\":{}},{\"id\":\"%.127s\",\"pricing\":{}},{\"id\":\"%.128s\",\"pricing\":{}}]}", name,
             name, name);
    list = try_read(PRICE_SOURCE_AUTO, body, NULL);
    assert_int_equal(list.len, 1);
    assert_int_equal(list.skipped, 2);
    price_list_done(&list);
    free(body);
    char *big = calloc(1, PRICE_BODY_MAX + 1);
    assert_int_equal(price_read(PRICE_SOURCE_AUTO, big, PRICE_BODY_MAX + 1, NULL, &list, &err), -EINVAL);
    assert_non_null(strstr(err.text, "too many"));
    free(big);
}

/* --- comparing ---------------------------------------------------------------------------------------------------------- */

#define L(rows)        "{\"data\":[" rows "]}"
#define R(id, in, out) "{\"model_id\":\"" id "\",\"pricing\":{\"input\":" in ",\"output\":" out "}}"
static const char *const change_names[] = {"changed", "appeared", "gone", "renamed"};

static void note(void *arg, enum price_change change, const struct price_row *was, const struct price_row *is)
{
    buf_printf(arg, "%s %s %s;", change_names[change], was ? was->model : "-", is ? is->model : "-");
}

static void compared(const char *was, const char *is, double tolerance, const char *expected)
{
    struct price_list a = try_read(PRICE_SOURCE_AIHUBMIX, was, NULL), b = try_read(PRICE_SOURCE_AIHUBMIX, is, NULL);
    struct buf told = BUF_INIT;
    price_compare(&a, &b, tolerance, note, &told);
    assert_string_equal(buf_str(&told), expected);
    buf_done(&told);
    price_list_done(&a);
    price_list_done(&b);
}

static void comparing(void **state)
{
    (void)state;
    compared(L(R("a", "1", "2") "," R("b", "1", "2")), L(R("b", "1", "2") "," R("a", "1", "2")), 0, "");
    compared(L(R("a", "1", "2")), L(R("a", "1", "2.000001")), 0, ""); /* one pico-unit: rounding */
    compared(L(R("a", "1", "2")), L(R("a", "1", "2.000003")), 0, "changed a a;");
    compared(L(R("a", "1", "2")), L(R("a", "1.009", "2")), 0.01, "");
    compared(L(R("a", "1", "2")), L(R("a", "1.02", "2")), 0.01, "changed a a;");
    compared(L(R("a", "1", "2")), L(R("a", "-1", "2")), 0.5, "changed a a;");
    compared(L(R("a", "1", "2") "," R("z", "1", "1")), L(R("b", "9", "9") "," R("z", "1", "1")), 0, "gone a -;appeared - b;");
    compared(L(R("a", "1", "2") "," R("z", "1", "1")), L(R("b", "1", "2") "," R("z", "1", "1")), 0, "renamed a b;");
    compared(L(R("a", "1", "2") "," R("b", "1", "2")), L(R("c", "1", "2")), 0, "gone a -;gone b -;appeared - c;"); /* which of the two? */
    compared(L(R("a", "0", "0")), L(R("b", "0", "0")), 0, "gone a -;appeared - b;");
    compared(L(R("a", "-1", "-1")), L(R("b", "-1", "-1")), 0, "gone a -;appeared - b;");
}

static void currencies_are_not_compared(void **state)
{
    (void)state;
    struct price_context yuan = {.currency = "CNY"};
    struct price_list a = try_read(PRICE_SOURCE_AUTO, L(R("a", "1", "2")), NULL),
                      b = try_read(PRICE_SOURCE_AUTO, L(R("a", "7", "14")), &yuan);
    struct buf told = BUF_INIT;
    price_compare(&a, &b, 0, note, &told);
    assert_string_equal(buf_str(&told), "");
    assert_true(a.revision != b.revision);
    buf_done(&told);
    price_list_done(&a);
    price_list_done(&b);
}

static void ratios(void **state)
{
    (void)state;
    struct price_figures a = {M(1000), M(2000), U, U, U}, b = {M(500), M(40000), U, U, U}, none = {U, U, U, U, 5}, zero = {0, 0, U, U, U};
    assert_true(price_ratio(&a, &b) == 20);
    assert_true(price_ratio(&b, &a) == 20);
    assert_true(price_ratio(&a, &a) == 1);
    assert_true(price_ratio(&a, &none) == 0);
    assert_true(isinf(price_ratio(&zero, &a)));
    assert_true(price_ratio(&zero, &zero) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(shapes_of_nobody),
        cmocka_unit_test(cut_short_everywhere),
        cmocka_unit_test(slices_make_the_same),
        cmocka_unit_test(caps),
        cmocka_unit_test(comparing),
        cmocka_unit_test(currencies_are_not_compared),
        cmocka_unit_test(ratios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
