/* Money of one currency in another: configured rates, fetched ones, and fetched ones that nobody should believe. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probed/exchange.h"

#define USD PICO_PER_UNIT

static struct config *load(const char *text)
{
    char path[] = "/tmp/probed-exchange-XXXXXX";
    int fd = mkstemp(path), errors = 0;
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    fprintf(f, "models: {m: {}}\npolicies: {p: {second: 0.1, money: 0.1}}\nplatforms: {a: {endpoints: https://a.example/v1, models: {m: m}, %s", text);
    fclose(f);
    struct config *config = config_load(path, stderr, false, &errors);
    unlink(path);
    assert_non_null(config);
    return config;
}

static int setup(void **state)
{
    *state = load("price_source: {source: newapi, currency: EUR}}}\nrates: {CNY: 0.14 USD, EUR: 1.1 USD}\n");
    return 0;
}

static int teardown(void **state)
{
    config_unref(*state);
    return 0;
}

static int64_t convert(const struct exchange *e, const struct config *c, int64_t pico, const char *from, const char *to)
{
    int64_t ret = -77;
    assert_true(exchange_convert(e, c, pico, from, to, &ret));
    return ret;
}

static void test_configured(void **state)
{
    struct exchange e = {.fed_len = 0};
    int64_t ret = -77;
    assert_int_equal(convert(&e, *state, 100 * USD, "CNY", "USD"), 14 * USD);
    assert_int_equal(convert(&e, *state, 14 * USD, "USD", "CNY"), 100 * USD);
    assert_int_equal(convert(&e, *state, 55 * USD, "CNY", "EUR"), 7 * USD); /* by way of the reference: 55 x 0.14 / 1.1 */
    assert_int_equal(convert(&e, *state, -100 * USD, "CNY", "USD"), -14 * USD);
    assert_int_equal(convert(&e, *state, 5, "XXX", "XXX"), 5);
    assert_false(exchange_convert(&e, *state, 5, "XXX", "USD", &ret));
    assert_int_equal(ret, -77);
    assert_int_equal(exchange_known(&e, *state, -1, "CNY", "USD"), -1);
    assert_int_equal(exchange_known(&e, *state, 5, "XXX", "USD"), -1);
}

static void test_fed(void **state)
{
    struct exchange e = {.fed_len = 0};
    assert_true(exchange_feed(&e, *state, "CNY", USD / 10, USEC_PER_DAY));
    assert_int_equal(convert(&e, *state, 100 * USD, "CNY", "USD"), 10 * USD);
    exchange_clock(&e, USEC_PER_DAY + EXCHANGE_FRESH); /* still good */
    assert_int_equal(convert(&e, *state, 100 * USD, "CNY", "USD"), 10 * USD);
    exchange_clock(&e, USEC_PER_DAY + EXCHANGE_FRESH + 1); /* too old: the configured one again */
    assert_int_equal(convert(&e, *state, 100 * USD, "CNY", "USD"), 14 * USD);
    assert_true(exchange_feed(&e, *state, "CNY", USD / 8, USEC_PER_DAY + EXCHANGE_FRESH + 2));
    assert_int_equal(e.fed_len, 1);
    assert_int_equal(convert(&e, *state, 8 * USD, "CNY", "USD"), USD);
}

static void test_implausible(void **state)
{
    struct exchange e = {.fed_len = 0};
    assert_false(exchange_feed(&e, *state, "CNY", 14 * USD, 1));        /* the other way round */
    assert_false(exchange_feed(&e, *state, "CNY", USD * 14 / 151, 1));  /* 1.51 off */
    assert_true(exchange_feed(&e, *state, "CNY", USD * 14 / 149, 1));   /* 1.49 off */
    assert_false(exchange_feed(&e, *state, "CNY", 0, 1));
    assert_false(exchange_feed(&e, *state, "CNY", -5, 1));
    assert_false(exchange_feed(&e, *state, "USD", USD, 1)); /* the reference is itself */
    assert_false(exchange_feed(&e, *state, "TOOLONGNAME", USD, 1));
    assert_int_equal(e.fed_len, 1);
}

/* Of the 160 currencies in a feed only those that matter are kept. */
static void test_wanted(void **state)
{
    struct exchange e = {.fed_len = 0};
    char name[CURRENCY_MAX];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "X%c%c", 'A' + i / 26, 'A' + i % 26);
        assert_false(exchange_feed(&e, *state, name, USD, 1));
    }
    assert_true(exchange_feed(&e, *state, "EUR", USD, 1));
    assert_int_equal(e.fed_len, 1);
}

/* A source in a currency without a configured rate is priced as soon as a feed tells it. */
static void test_only_fed(void **state)
{
    (void)state;
    struct config *c = load("balance_source: {source: newapi, currency: CNY}}}\nrates: {CNY: 0.14 USD}\n");
    struct exchange e = {.fed_len = 0};
    assert_true(exchange_feed(&e, c, "CNY", USD / 7, 1));
    assert_int_equal(convert(&e, c, 7 * USD, "CNY", "USD"), 7 * (USD / 7));
    config_unref(c);
}

static void test_extremes(void **state)
{
    struct exchange e = {.fed_len = 0};
    assert_int_equal(convert(&e, *state, INT64_MAX, "EUR", "CNY"), INT64_MAX);
    assert_int_equal(convert(&e, *state, -INT64_MAX, "EUR", "CNY"), -INT64_MAX);
    assert_int_equal(convert(&e, *state, 1, "CNY", "USD"), 0); /* rounded, not lost in between */
    assert_int_equal(convert(&e, *state, 4, "CNY", "USD"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_configured, setup, teardown),  cmocka_unit_test_setup_teardown(test_fed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_implausible, setup, teardown), cmocka_unit_test_setup_teardown(test_wanted, setup, teardown),
        cmocka_unit_test(test_only_fed),                                    cmocka_unit_test_setup_teardown(test_extremes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
