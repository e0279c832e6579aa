/* Sums, spans of days and ages as cells, and what is unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/amounts.h"
#include "routectl/scope.h"
#include "shared/alloc.h"

static void sums(void **state)
{
    (void)state;
    static const struct {
        double units;
        const char *currency, *want;
    } cases[] = {{0.15, "USD", "$0.15"},
                 {999.99, "USD", "$999.99"},
                 {999.996, "USD", "$1,000"},
                 {12345.6, "CNY", "¥12,346"},
                 {-12345.6, "CNY", "-¥12,346"},
                 {1234567, "POINTS", "1,234,567 POINTS"},
                 {0, "USD", "$0.00"},
                 {0.000031, "USD", "$0.000031"},
                 {1500, NULL, "1,500"},
                 {NAN, "USD", "?"},
                 {1e300, "USD", "?"},
                 {-INFINITY, "USD", "?"},
                 {1500, "A\033VERYLONGCODE", "1,500 A\033VERYLONGCODE"}};
    char text[64];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(amount_shown(text, sizeof text, cases[i].units, cases[i].currency), cases[i].want);
    assert_string_equal(amount_cell(12345.6, "USD").shown, "$12,346");
    assert_true(amount_cell(12345.6, "USD").number == 12345.6);
    assert_int_equal(amount_cell(NAN, "USD").kind, CELL_UNKNOWN);
    assert_int_equal(amount_cell(1e18, "USD").kind, CELL_UNKNOWN);
    assert_string_equal(amount_price(0, "USD").shown, "free");
    assert_int_equal(amount_price(NAN, "USD").kind, CELL_UNKNOWN);
}

static void balances(void **state)
{
    (void)state;
    static const struct {
        double units;
        const char *currency, *want;
    } cases[] = {{12345.67, "USD", "$12,345.67"},
                 {2511.79, "CNY", "¥2,511.79"},
                 {-0.37, "USD", "-$0.37"},
                 {-12345.6, "USD", "-$12,345.60"},
                 {999.996, "USD", "$1,000.00"},
                 {0, "USD", "$0.00"},
                 {0.375, "USD", "$0.38"},
                 {1234567, "POINTS", "1,234,567.00 POINTS"},
                 {0.0012, "USD", "$0.0012"},
                 {-0.0012, "USD", "-$0.0012"},
                 {1500.5, NULL, "1,500.50"},
                 {NAN, "USD", "?"},
                 {9.9e12, "USD", "$9,900,000,000,000.00"},
                 {1e300, "USD", "?"}};
    char text[64];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(amount_exact(text, sizeof text, cases[i].units, cases[i].currency), cases[i].want);
    assert_string_equal(amount_balance(-0.37, "USD").shown, "-$0.37");
    assert_int_equal(amount_balance(-0.37, "USD").style, STYLE_BAD);
    assert_int_equal(amount_balance(0, "USD").style, STYLE_PLAIN);
    assert_int_equal(amount_balance(NAN, "USD").kind, CELL_UNKNOWN);
    assert_int_equal(amount_balance(-1e300, "USD").kind, CELL_UNKNOWN);
}

static void ranges(void **state)
{
    (void)state;
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    amount_add_range(&text, 0.9, 1.5);
    assert_string_equal(buf_str(&text), " (0.90-1.50)");
    amount_add_range(&text, NAN, 1.5);
    amount_add_range(&text, 1, INFINITY);
    assert_string_equal(buf_str(&text), " (0.90-1.50)");
    assert_string_equal(amount_between(385.02, 12496.8).shown, "385-12,497");
    assert_string_equal(amount_between(0.385, 99.4).shown, "0.385-99.40");
    assert_int_equal(amount_between(NAN, 3).kind, CELL_UNKNOWN);
}

static void days(void **state)
{
    (void)state;
    assert_string_equal(amount_days(12, 9, 15).shown, "12 d (9-15)");
    assert_string_equal(amount_days(2.13, 1.8, 12.7).shown, "2.1 d (1.8-12.7)");
    assert_string_equal(amount_days(9.96, 8, 12).shown, "10 d (8-12)");
    assert_string_equal(amount_days(0, 0, 0).shown, "0 d");
    assert_string_equal(amount_days(3, NAN, 4).shown, "3.0 d");
    assert_string_equal(amount_days(1234, NAN, NAN).shown, "1,234 d");
    assert_string_equal(amount_days(30, 1, INFINITY).shown, "30 d");
    assert_int_equal(amount_days(-1, 0, 1).kind, CELL_UNKNOWN);
    assert_int_equal(amount_days(NAN, 0, 1).kind, CELL_UNKNOWN);
    assert_int_equal(amount_days(1e300, 0, 1).kind, CELL_UNKNOWN);
}

static void ages(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *want;
    } cases[] = {{0, "0s"},     {45.2, "45s"}, {99.4, "99s"},      {99.6, "2m"},      {200, "3m"},
                 {5969, "99m"}, {5971, "2h"},  {47 * 3600, "47h"}, {48 * 3600, "2d"}, {9 * 86400, "9d"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(amount_age(cases[i].seconds).shown, cases[i].want);
    assert_int_equal(amount_age(-1).kind, CELL_UNKNOWN);
    assert_int_equal(amount_age(NAN).kind, CELL_UNKNOWN);
    assert_int_equal(amount_age(1e300).kind, CELL_UNKNOWN);
}

static void moments(void **state)
{
    (void)state;
    cJSON *json = json_new_object();
    double now = 1795491737;
    json_add_number(json, "past", now - 200);
    json_add_number(json, "future", now + 86400 * 3);
    json_add_number(json, "zero", 0);
    json_add_number(json, "odd", 1e300);
    assert_string_equal(amount_when(json, "past", now).shown, "3m 20s");
    assert_true(amount_when(json, "past", now).number == now - 200);
    assert_string_equal(amount_when(json, "future", now).shown, "in 3d 0h");
    assert_int_equal(amount_when(json, "zero", now).kind, CELL_UNKNOWN);
    assert_int_equal(amount_when(json, "odd", now).kind, CELL_UNKNOWN);
    assert_int_equal(amount_when(json, "none", now).kind, CELL_UNKNOWN);
    cJSON_Delete(json);
}

/* Those of one model side by side, all else in the order in which it came. */
static void by_model(void **state)
{
    (void)state;
    static const char *const came[][2] = {{"b", "z"}, {"a", "y"}, {"c", "z"}, {"a", "x"}, {"a", "z"}, {"b", "y"}};
    static const char want[] = "bz cz az ay by ax ";
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    cJSON *json = json_new_object(), *routes = json_add_array(json, "routes");
    size_t len;

    json_add_null(routes, NULL);
    for (size_t i = 0; i < ARRAY_LEN(came); i++) {
        cJSON *route = json_add_object(routes, NULL);
        json_add_string(route, "platform", came[i][0]);
        json_add_string(route, "model", came[i][1]);
    }
    const cJSON **list = scope_by_model(routes, &len);
    assert_int_equal(len, ARRAY_LEN(came));
    for (size_t i = 0; i < len; i++)
        buf_printf(&got, "%s%s ", json_string(list[i], "platform"), json_string(list[i], "model"));
    assert_string_equal(buf_str(&got), want);
    free(list);
    free(scope_by_model(NULL, &len));
    assert_int_equal(len, 0);
    free(scope_by_model(json, &len)); /* no array */
    assert_int_equal(len, 0);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums),    cmocka_unit_test(balances), cmocka_unit_test(ranges),
                                       cmocka_unit_test(days),    cmocka_unit_test(ages),     cmocka_unit_test(moments),
                                       cmocka_unit_test(by_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
