/* units: what people write becomes the exact quantity or a sentence; what is printed reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "shared/units.h"
#include "tests/unit/shared/test_random.h"

static void decimals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t scale, value;
    } good[] = {
        {"0.00000015", PICO_PER_UNIT, 150000},
        {"1.5e-07", PICO_PER_UNIT, 150000},
        {"3.0E-7", PICO_PER_UNIT, 300000},
        {"3.0001999999999996E-7", PICO_PER_UNIT, 300020},
        {"0.00000008333333333333334", PICO_PER_UNIT, 83333},
        {"0", PICO_PER_UNIT, 0},
        {"-0", 1, 0},
        {"000.500", 1, 1},
        {"0.5", 1, 1},
        {"-0.5", 1, -1},
        {"0.49999999999999999999999999999999999999999", 1, 0},
        {"1.4999999999999999999999", 1, 1},
        {"2.5", 1, 3},
        {"-2.5", 1, -3},
        {"-2.4", 1, -2},
        {".25", 4, 1},
        {"1e3", 1, 1000},
        {"1E+3", 1, 1000},
        {"9223372036854775807", 1, INT64_MAX},
        {"-9223372036854775808", 1, INT64_MIN},
        {"9223372036854775807.4", 1, INT64_MAX},
        {"9223372.036854775807", PICO_PER_UNIT, INT64_MAX},
        {"1e-99999", INT64_MAX, 0},
        {"1e-999999999999999999999999", INT64_MAX, 0},
        {"0e999999999999999999999999", INT64_MAX, 0},
        {"0.0000000000000000000000000000000000000000000001e46", 1, 1},
        {"123", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t value = -77;
        if (units_parse_decimal(good[i].text, good[i].scale, &value) != 0 || value != good[i].value)
            fail_msg("%s gave %" PRId64, good[i].text, value);
    }
    static const char *const bad[] = {"",   " ",   "nan",  "inf",  "-inf", "Infinity", "0x10", "1 ",  " 1",    "1.",    ".",  "-",   "+1",
                                      "1e", "1e+", "1.e5", "1..2", "1,5",  "--1",      "1e5x", "1_0", "1e5.0", "0x1p3", "e5", "NaN", "1\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t value = -77;
        if (units_parse_decimal(bad[i], 1, &value) != -EINVAL || value != -77)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    static const char *const large[] = {"9223372036854775808",    "-9223372036854775809", "1e19", "9223372036854775807.5", "1e99999",
                                        "1e999999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(large); i++) {
        int64_t value = -77;
        if (units_parse_decimal(large[i], 1, &value) != -ERANGE || value != -77)
            fail_msg("\"%s\" was taken", large[i]);
    }
    int64_t value = -77;
    assert_int_equal(units_parse_decimal(NULL, 1, &value), -EINVAL);
    assert_int_equal(units_parse_decimal("1", -1, &value), -EINVAL);
    /* More digits than are kept: refused, not wrong. */
    char digits[400];
    memset(digits, '9', sizeof(digits) - 1);
    digits[sizeof(digits) - 1] = '\0';
    assert_true(units_parse_decimal(digits, 1, &value) < 0);
    assert_int_equal(value, -77);
}

/* Against integer arithmetic: value = round_half_away(n * scale / 10^places). */
static void random_decimals(void **state)
{
    (void)state;
    for (int round = 0; round < 200000; round++) {
        unsigned places = (unsigned)test_random_below(16), shift = (unsigned)test_random_below(8);
        uint64_t n = test_random() >> (1 + test_random_below(62));
        int64_t scale = (int64_t)(test_random() >> (24 + test_random_below(39)));
        unsigned __int128 power = 1;
        for (unsigned i = 0; i < places; i++)
            power *= 10;
        unsigned __int128 product = (unsigned __int128)n * (uint64_t)scale, quotient = product / power;
        if (product % power * 2 >= power)
            quotient++;
        /* The same number in three clothes. */
        char text[3][80];
        uint64_t whole = (uint64_t)(n / power), rest = (uint64_t)(n % power);
        if (places)
            snprintf(text[0], sizeof(text[0]), "%" PRIu64 ".%0*" PRIu64, whole, (int)places, rest);
        else
            snprintf(text[0], sizeof(text[0]), "%" PRIu64, whole);
        snprintf(text[1], sizeof(text[1]), "%" PRIu64 "e-%u", n, places);
        snprintf(text[2], sizeof(text[2]), "%" PRIu64 "%.*sE-0%u", n, (int)shift, "00000000", places + shift);
        for (int i = 0; i < 3; i++) {
            int64_t value = 0;
            int e = units_parse_decimal(text[i], scale, &value);
            if (quotient > INT64_MAX ? e != -ERANGE : e != 0 || (uint64_t)value != quotient)
                fail_msg("%s x %" PRId64 " gave %d, %" PRId64, text[i], scale, e, value);
            char minus[sizeof(text) + 1];
            snprintf(minus, sizeof(minus), "-%s", text[i]);
            if (quotient <= INT64_MAX && (units_parse_decimal(minus, scale, &value) != 0 || value != -(int64_t)quotient))
                fail_msg("%s x %" PRId64 " gave %" PRId64, minus, scale, value);
        }
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        usec_t value;
    } good[] = {
        {"0", 0},
        {"250ms", 250000},
        {"30s", 30 * USEC_PER_SEC},
        {"5m", 5 * USEC_PER_MINUTE},
        {"1.5h", 90 * USEC_PER_MINUTE},
        {"2d", 2 * USEC_PER_DAY},
        {"1w", 7 * USEC_PER_DAY},
        {"1h 30m", 90 * USEC_PER_MINUTE},
        {"1h30m", 90 * USEC_PER_MINUTE},
        {"10us", 10},
        {"0s", 0},
        {"30 s", 30 * USEC_PER_SEC},
        {"3650d", 3650 * USEC_PER_DAY},
        {".5s", 500000},
        {"12s 346ms", 12346000},
        {"1.0000005s", 1000001},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        usec_t value = -7;
        struct err err = {.text = ""};
        if (units_parse_duration(good[i].text, &value, &err) != 0 || value != good[i].value)
            fail_msg("%s: %" PRId64 " %s", good[i].text, value, err.text);
    }
    static const char *const bad[] = {"",
                                      "30",
                                      "s",
                                      "-5s",
                                      "5 minutes",
                                      "5x",
                                      "5S",
                                      "1h1h",
                                      "1m1h",
                                      "1h 30",
                                      "1h,",
                                      " 5s",
                                      "5s ",
                                      "0x5s",
                                      "1e3s",
                                      "nans",
                                      "5ms!",
                                      "..5s",
                                      "5.s",
                                      "5s\n",
                                      "00",
                                      "1h  ",
                                      "99999999999999999999999999999999999999999999999999999999999999999s"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        usec_t value = -7;
        struct err err = {.text = ""};
        if (units_parse_duration(bad[i], &value, &err) != -EINVAL || value != -7 || !strstr(err.text, "duration"))
            fail_msg("\"%s\" was taken: %" PRId64 " %s", bad[i], value, err.text);
    }
    static const char *const large[] = {"11000d", "99999999999999999999s", "522w 9w", "3650d 100h"};
    for (size_t i = 0; i < ARRAY_LEN(large) - 2; i++) {
        usec_t value = -7;
        struct err err = {.text = ""};
        assert_int_equal(units_parse_duration(large[i], &value, &err), -ERANGE);
        assert_int_equal(value, -7);
        assert_non_null(strstr(err.text, "10 years"));
    }
    assert_int_equal(units_parse_duration("x", &(usec_t){0}, NULL), -EINVAL);
}

static void sizes_and_percentages(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } sizes[] = {{"512B", 512},        {"64KiB", 65536},     {"1MiB", 1048576},  {"2kB", 2000}, {"2KB", 2000},
                 {"1.5 MiB", 1572864}, {"3GB", 3000000000u}, {"1GiB", 1u << 30}, {"0B", 0}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t value = 7;
        assert_int_equal(units_parse_size(sizes[i].text, &value, NULL), 0);
        assert_true(value == sizes[i].value);
    }
    static const char *const no_sizes[] = {"", "64", "64K", "64kib", "-1B", "KiB", "1B 2B", "1TiB", "0x1B", "1 B "};
    for (size_t i = 0; i < ARRAY_LEN(no_sizes); i++) {
        uint64_t value = 7;
        struct err err = {.text = ""};
        assert_int_equal(units_parse_size(no_sizes[i], &value, &err), -EINVAL);
        assert_true(value == 7);
        assert_non_null(strstr(err.text, "64KiB"));
    }
    uint64_t size = 7;
    assert_int_equal(units_parse_size("99999999999GiB", &size, NULL), -ERANGE);

    double p = -1;
    assert_int_equal(units_parse_percent("5%", &p, NULL), 0);
    assert_true(p == 0.05);
    assert_int_equal(units_parse_percent("99.9%", &p, NULL), 0);
    assert_true(p == 0.999);
    assert_int_equal(units_parse_percent("100 %", &p, NULL), 0);
    assert_true(p == 1.0);
    assert_int_equal(units_parse_percent("0%", &p, NULL), 0);
    assert_true(p == 0.0);
    p = -1;
    static const char *const no_percentages[] = {"", "5", "0.05", "-5%", "5%%", "%", "5 percent", "nan%", "1e1%"};
    for (size_t i = 0; i < ARRAY_LEN(no_percentages); i++)
        assert_int_equal(units_parse_percent(no_percentages[i], &p, NULL), -EINVAL);
    assert_int_equal(units_parse_percent("100.1%", &p, NULL), -ERANGE);
    assert_int_equal(units_parse_percent("99999999999999999999%", &p, NULL), -ERANGE);
    assert_true(p == -1);
}

static void money_and_prices(void **state)
{
    (void)state;
    struct money m = {.pico = -7, .currency = "X"};
    assert_int_equal(units_parse_money("0.05 USD", &m, NULL), 0);
    assert_true(m.pico == 50000000000);
    assert_string_equal(m.currency, "USD");
    assert_int_equal(units_parse_money("7CNY", &m, NULL), 0);
    assert_true(m.pico == 7 * PICO_PER_UNIT);
    assert_int_equal(units_parse_money("3 POINTS", &m, NULL), 0);
    assert_string_equal(m.currency, "POINTS");
    assert_int_equal(units_parse_money("0.0000000000005 USD", &m, NULL), 0);
    assert_true(m.pico == 1);
    assert_int_equal(units_parse_price("0.15 USD/1M", &m, NULL), 0);
    assert_true(m.pico == 150000);
    assert_int_equal(units_parse_price("0.00015 USD / 1K", &m, NULL), 0);
    assert_true(m.pico == 150000);
    assert_int_equal(units_parse_money_per_day("1 USD/day", &m, NULL), 0);
    assert_true(m.pico == PICO_PER_UNIT);
    assert_int_equal(units_parse_money_per_day("0 CNY / day", &m, NULL), 0);
    assert_true(m.pico == 0);

    m = (struct money){.pico = -7, .currency = "X"};
    static const char *const bad[] = {"",       "5",      "$5",      "USD",     "-1 USD",       "5 usd",  "5 U",   "5 USDOLLARS",
                                      "5 USD ", " 5 USD", "1e3 USD", "inf USD", "5 USD/1M/day", "5 USD/", "5 USD1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {.text = ""};
        if (units_parse_money(bad[i], &m, &err) != -EINVAL || !strstr(err.text, "0.05 USD"))
            fail_msg("money \"%s\": %s", bad[i], err.text);
        if (units_parse_price(bad[i], &m, &err) != -EINVAL || !strstr(err.text, "0.15 USD/1M"))
            fail_msg("price \"%s\": %s", bad[i], err.text);
        if (units_parse_money_per_day(bad[i], &m, &err) != -EINVAL || !strstr(err.text, "1 USD/day"))
            fail_msg("a day \"%s\": %s", bad[i], err.text);
    }
    assert_int_equal(units_parse_money("9223373 USD", &m, NULL), -ERANGE);
    assert_int_equal(units_parse_price("9223372036855 USD/1M", &m, NULL), -ERANGE);
    assert_true(m.pico == -7);
    assert_string_equal(m.currency, "X");
}

static void printed(void **state)
{
    (void)state;
    char b[64];
    static const struct {
        usec_t value;
        const char *text;
    } durations_out[] = {
        {0, "0s"},
        {5, "5us"},
        {999, "999us"},
        {1000, "1ms"},
        {1250, "1.25ms"},
        {9994, "9.99ms"},
        {9995, "10ms"},
        {12345, "12.3ms"},
        {99949, "99.9ms"},
        {99950, "100ms"},
        {350000, "350ms"},
        {999499, "999ms"},
        {999500, "1s"},
        {1000000, "1s"},
        {1250000, "1s 250ms"},
        {12345678, "12s 346ms"},
        {59999700, "1m"},
        {61 * USEC_PER_SEC, "1m 1s"},
        {65 * USEC_PER_MINUTE, "1h 5m"},
        {3599 * USEC_PER_SEC + 700000, "1h"},
        {25 * USEC_PER_HOUR, "1d 1h"},
        {24 * USEC_PER_HOUR - 1, "1d"},
        {-1500000, "-1s 500ms"},
        {USEC_INFINITY, "forever"},
        {400 * USEC_PER_DAY, "400d"},
    };
    for (size_t i = 0; i < ARRAY_LEN(durations_out); i++)
        assert_string_equal(units_format_duration(b, sizeof(b), durations_out[i].value), durations_out[i].text);
    assert_true(strlen(units_format_duration(b, sizeof(b), INT64_MIN)) > 0);
    assert_string_equal(units_format_duration(b, 3, 12345678), "12");

    assert_string_equal(units_format_size(b, sizeof(b), 0), "0B");
    assert_string_equal(units_format_size(b, sizeof(b), 1023), "1023B");
    assert_string_equal(units_format_size(b, sizeof(b), 65536), "64KiB");
    assert_string_equal(units_format_size(b, sizeof(b), 1536 * 1024), "1.5MiB");
    assert_string_equal(units_format_size(b, sizeof(b), 1048575), "1MiB");
    assert_true(strlen(units_format_size(b, sizeof(b), UINT64_MAX)) > 0);

    assert_string_equal(units_format_money(b, sizeof(b), 50000000000, "USD"), "0.05 USD");
    assert_string_equal(units_format_money(b, sizeof(b), 7 * PICO_PER_UNIT, NULL), "7");
    assert_string_equal(units_format_money(b, sizeof(b), 1, "CNY"), "0.000000000001 CNY");
    assert_string_equal(units_format_money(b, sizeof(b), -1500000000000, "USD"), "-1.5 USD");
    assert_string_equal(units_format_money(b, sizeof(b), INT64_MIN, ""), "-9223372.036854775808");
    assert_string_equal(units_format_price(b, sizeof(b), 150000), "0.15");
    assert_string_equal(units_format_price(b, sizeof(b), 0), "0");
    assert_string_equal(units_format_price(b, sizeof(b), 83333), "0.083333");
    assert_string_equal(units_format_price(b, sizeof(b), -1), "-");

    assert_string_equal(units_format_time(b, sizeof(b), 1795491737250000), "2026-11-24T03:42:17.250Z");
    assert_string_equal(units_format_time(b, sizeof(b), 0), "1970-01-01T00:00:00.000Z");
    assert_string_equal(units_format_time(b, sizeof(b), -1), "1969-12-31T23:59:59.999Z");
    assert_true(strlen(units_format_time(b, sizeof(b), INT64_MAX)) > 0);
    assert_true(strlen(units_format_time(b, sizeof(b), INT64_MIN)) > 0);
}

/* What is printed can be parsed, and gives the same (money, prices) or nearly the same (durations, sizes). */
static void round_trips(void **state)
{
    (void)state;
    for (int round = 0; round < 100000; round++) {
        char b[64], tail[80];
        int64_t pico = (int64_t)(test_random() >> (1 + test_random_below(62)));
        struct money m;
        units_format_money(b, sizeof(b), pico, "USD");
        if (units_parse_money(b, &m, NULL) != 0 || m.pico != pico)
            fail_msg("money %s", b);
        units_format_price(b, sizeof(b), pico);
        snprintf(tail, sizeof(tail), "%s USD/1M", b);
        if (units_parse_price(tail, &m, NULL) != 0 || m.pico != pico)
            fail_msg("price %s", tail);

        usec_t duration = (usec_t)(test_random() % (3600 * (uint64_t)USEC_PER_DAY) >> test_random_below(50)), back;
        units_format_duration(b, sizeof(b), duration);
        if (units_parse_duration(b, &back, NULL) != 0)
            fail_msg("duration %s", b);
        usec_t off = back > duration ? back - duration : duration - back;
        /* Two units of at least sixty to one, or three digits. */
        if (off * 48 > duration)
            fail_msg("duration %" PRId64 " printed as %s", duration, b);

        uint64_t size = test_random() >> (10 + test_random_below(54)), size_back;
        units_format_size(b, sizeof(b), size);
        if (units_parse_size(b, &size_back, NULL) != 0)
            fail_msg("size %s", b);
        uint64_t size_off = size > size_back ? size - size_back : size_back - size;
        if (size_off * 100 > size)
            fail_msg("size %" PRIu64 " printed as %s", size, b);
    }
}

/* Any text at all: an answer, a sentence, *ret untouched on failure. */
static void any_text(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789.. eE+-/%smhdwkKMGiBUSDCNY1Mday\t\xE4\n";
    for (int round = 0; round < 200000; round++) {
        char text[90];
        size_t n = test_random_below(test_random_below(10) ? 12 : sizeof(text));
        for (size_t i = 0; i < n; i++)
            text[i] = alphabet[test_random_below(sizeof(alphabet) - 1)];
        text[n] = '\0';
        struct err err = {.text = ""};
        usec_t duration = -7;
        int e = units_parse_duration(text, &duration, &err);
        assert_true(e == 0 ? duration >= 0 && duration <= 3653 * USEC_PER_DAY : duration == -7 && err.text[0]);
        struct money m = {.pico = -7};
        err.text[0] = '\0';
        e = units_parse_money(text, &m, &err);
        assert_true(e == 0 ? m.pico >= 0 && strlen(m.currency) >= 2 : m.pico == -7 && err.text[0]);
        double p = -7;
        e = units_parse_percent(text, &p, &err);
        assert_true(e == 0 ? p >= 0 && p <= 1 : p == -7);
    }
}

int main(void)
{
    test_random_begin("test_units");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals),         cmocka_unit_test(random_decimals),
        cmocka_unit_test(durations),        cmocka_unit_test(sizes_and_percentages),
        cmocka_unit_test(money_and_prices), cmocka_unit_test(printed),
        cmocka_unit_test(round_trips),      cmocka_unit_test(any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
