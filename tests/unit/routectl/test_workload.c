/* A workload as typed: what is one, and what is refused with what words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "routectl/workload.h"

static void tokens(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {{"0", 0},        {"1", 1},          {"1200", 1200},         {"1.2k", 1200}, {"1.2K", 1200},   {"0.001k", 1},
                {"2M", 2000000}, {"10M", 10000000}, {"10000000", 10000000}, {"1e3", 1000},  {"300.000", 300}, {"1.5M", 1500000}};
    static const struct {
        const char *text;
        int error;
        const char *words;
    } bad[] = {{"", -EINVAL, "1.2k"},
               {"k", -EINVAL, "1.2k"},
               {"1.5", -EINVAL, "whole number"},
               {"-1", -EINVAL, "whole number"},
               {"0.0001k", -EINVAL, "whole"},
               {"12 k", -EINVAL, "1.2k"},
               {"1kk", -EINVAL, "1.2k"},
               {"nan", -EINVAL, "1.2k"},
               {"inf", -EINVAL, "1.2k"},
               {"0x10", -EINVAL, "1.2k"},
               {"11M", -ERANGE, "10M"},
               {"10000001", -ERANGE, "10M"},
               {"1e300", -ERANGE, "10M"},
               {"1234567890123456789012345678901234567890", -EINVAL, "1.2k"}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t value = -1;
        struct err err = {""};
        if (workload_parse_tokens(good[i].text, &value, &err) != 0 || value != good[i].want)
            fail_msg("\"%s\": %lld %s", good[i].text, (long long)value, err.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t value = 42;
        struct err err = {""};
        int error = workload_parse_tokens(bad[i].text, &value, &err);
        if (error != bad[i].error || value != 42 || !strstr(err.text, bad[i].words))
            fail_msg("\"%s\": %d, %lld, %s", bad[i].text, error, (long long)value, err.text);
    }
}

static void requests(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double want;
    } good[] = {{"50k/day", 50000}, {"2M/day", 2e6}, {"300/h", 7200}, {"5/min", 7200}, {"1.5/s", 129600}, {"90/month", 3}};
    static const char *const bad[] = {"",       "50k",   "/day",  "k/day",    "50k/",     "50k/year", "50k/days",
                                      "-1/day", "0/day", "0.0/h", "1e30/day", "x/day"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        double per_day = -1;
        struct err err = {""};
        if (workload_parse_requests(good[i].text, &per_day, &err) != 0 || fabs(per_day - good[i].want) > 1e-9 * good[i].want)
            fail_msg("\"%s\": %g %s", good[i].text, per_day, err.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        double per_day = 42;
        struct err err = {""};
        if (workload_parse_requests(bad[i], &per_day, &err) >= 0 || per_day != 42 || !err.text[0])
            fail_msg("\"%s\" was taken as %g", bad[i], per_day);
    }
}

static void days(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "0", "-3", "367", "30 d", "1.5", "30days", "d", "99999999999999999999"};
    int value = 0;
    struct err err = {""};

    assert_int_equal(workload_parse_days("30", &value, &err), 0);
    assert_int_equal(value, 30);
    assert_int_equal(workload_parse_days("7d", &value, &err), 0);
    assert_int_equal(value, 7);
    assert_int_equal(workload_parse_days("366", &value, &err), 0);
    assert_int_equal(value, 366);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (workload_parse_days(bad[i], &value, &err) >= 0 || value != 366)
            fail_msg("\"%s\" was taken as %d", bad[i], value);
    }
}

static void rates(void **state)
{
    (void)state;
    static const struct {
        double per_day;
        const char *want;
    } cases[] = {{50000, "50,000 requests a day"},
                 {1, "1 request a day"},
                 {3, "3 requests a day"},
                 {0.5, "0.5 requests a day"},
                 {2.333333, "2.33 requests a day"},
                 {1e12, "1,000,000,000,000 requests a day"},
                 {NAN, "an unknown number of requests"},
                 {-1, "an unknown number of requests"},
                 {1e300, "an unknown number of requests"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text CLEANUP(buf_done) = BUF_INIT;
        workload_add_rate(&text, cases[i].per_day);
        assert_string_equal(buf_str(&text), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens), cmocka_unit_test(requests), cmocka_unit_test(days),
                                       cmocka_unit_test(rates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
