/* Exchange rates: tables of the shapes that feeds have, turned round by hand, and tables with which nothing may be reckoned. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "probed/price/rates.h"
#include "shared/buf.h"

static struct rates read_one(const char *body, const char *reference)
{
    static struct rates rates;
    struct err err = {""};
    if (rates_read(body, strlen(body), reference, &rates, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(rates.reference, reference);
    return rates;
}

static void refused(const char *body, const char *reference, const char *words)
{
    struct rates rates;
    struct err err = {""};
    assert_int_equal(rates_read(body, strlen(body), reference, &rates, &err), -EINVAL);
    assert_int_equal(rates.len, 0);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

static void test_tables(void **state)
{
    (void)state;
    /* 1 / 8 = 0.125; 1 / 0.5 = 2; 1 / 3 rounded. */
    struct rates r = read_one("{\"base\":\"USD\",\"rates\":{\"CNY\":8,\"EUR\":0.5,\"XYZ\":3,\"USD\":1}}", "USD");
    assert_int_equal(r.len, 3);
    assert_int_equal(rates_find(&r, "CNY"), 125000000000);
    assert_int_equal(rates_find(&r, "EUR"), 2000000000000);
    assert_int_equal(rates_find(&r, "XYZ"), 333333333333);
    assert_int_equal(rates_find(&r, "USD"), -1);
    assert_int_equal(rates_find(&r, "GBP"), -1);
    /* The reference is not the base: one USD is 8 CNY, one EUR is 16. */
    r = read_one("{\"result\":\"success\",\"base_code\":\"USD\",\"conversion_rates\":{\"CNY\":8,\"EUR\":0.5}}", "CNY");
    assert_int_equal(rates_find(&r, "USD"), 8000000000000);
    assert_int_equal(rates_find(&r, "EUR"), 16000000000000);
    assert_int_equal(r.len, 2);
    /* Of 100 units; names that are nobody's currency are passed over. */
    r = read_one("{\"amount\":100,\"base\":\"USD\",\"date\":\"2026-11-24\",\"rates\":{\"CNY\":800,\"VERYLONGNAME\":1,\"e u r\":2}}", "USD");
    assert_int_equal(r.len, 1);
    assert_int_equal(rates_find(&r, "CNY"), 125000000000);
    r = read_one("{\"base\":\"USD\",\"rates\":{\"CNY\":\"7.1\",\"VND\":25000,\"BTC\":0.00001}}", "USD");
    assert_int_equal(rates_find(&r, "CNY"), 140845070423); /* 1 / 7.1 */
    assert_int_equal(rates_find(&r, "VND"), 40000000);
    assert_int_equal(rates_find(&r, "BTC"), 100000000000000000);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const values[] = {"0", "-7.1", "null", "\"\"", "\"seven\"", "1e400", "1e-30", "true", "[7]", "{}", "99999999999"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"base\":\"USD\",\"rates\":{\"EUR\":0.9,\"CNY\":%s}}", values[i]);
        struct rates rates;
        struct err err = {""};
        assert_int_equal(rates_read(body, strlen(body), "USD", &rates, &err), -EINVAL);
        assert_true(err.text[0] && rates.len == 0);
    }
    refused("{\"base\":\"USD\",\"rates\":{\"CNY\":7}}", "EUR", "no rate of EUR");
    refused("{\"base\":\"USD\",\"rates\":{\"CNY\":7}}", "euro", "no currency");
    refused("{\"rates\":{\"CNY\":7}}", "USD", "names no base");
    refused("{\"base\":\"USD\",\"rates\":[7]}", "USD", "no table");
    refused("{\"base\":\"USD\"}", "USD", "no table");
    refused("{\"base\":\"USD\",\"rates\":{}}", "USD", "no rates");
    refused("{\"base\":\"USD\",\"rates\":{\"USD\":2,\"CNY\":7}}", "USD", "is not 1");
    refused("{\"base\":\"USD\",\"rates\":{\"CNY\":7,\"CNY\":8}}", "USD", "two rates");
    refused("{\"amount\":0,\"base\":\"USD\",\"rates\":{\"CNY\":7}}", "USD", "amount");
    refused("{\"result\":\"error\",\"error-type\":\"invalid-key\"}", "USD", "invalid-key");
    refused("{\"success\":false,\"base\":\"USD\",\"rates\":{\"CNY\":7}}", "USD", "error");
    refused("<html></html>", "USD", "not JSON");
    refused("", "USD", "");
    const char whole[] = "{\"base\":\"USD\",\"rates\":{\"CNY\":8,\"EUR\":0.5}}";
    for (size_t len = 0; len < strlen(whole); len++) {
        char *exactly = malloc(len ? len : 1);
        memcpy(exactly, whole, len);
        struct rates rates;
        assert_int_equal(rates_read(exactly, len, "USD", &rates, NULL), -EINVAL);
        free(exactly);
    }
}

static void test_many(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    buf_add_str(&body, "{\"base\":\"USD\",\"rates\":{\"C0\":1");
    for (int i = 1; i < RATES_MAX; i++)
        buf_printf(&body, ",\"C%d\":%d", i, i);
    buf_add_str(&body, "}}");
    refused(buf_str(&body), "USD", "more than"); /* one of them is the base */
    refused(buf_str(&body), "C7", "more than");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
