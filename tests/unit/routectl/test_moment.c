/* Moments that people write: every form, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "routectl/moment.h"

#define NOW (1795491737 * USEC_PER_SEC + 250000) /* 2026-11-24T03:42:17.25Z */

static int zone(void **state)
{
    (void)state;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    return 0;
}

static void forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        usec_t want; /* s, or before now if negative */
    } cases[] = {
        {"90m", -5400},
        {"7d", -7 * 86400},
        {"1h 30m", -5400},
        {"now", 0},
        {"1795491737", 1795491737},
        {"1000000000", 1000000000},
        {"2026-11-24T03:42:17Z", 1795491737},
        {"2026-11-24 03:42Z", 1795491720},
        {"2026-11-24Z", 1795478400},
        {"2026-11-24", 1795478400 - 3600},
        {"2026-07-01", 1782864000 - 7200},
        {"2026-11-24T13:30", 1795478400 + 13 * 3600 + 1800 - 3600},
        {"2026-11-24 13:30:05", 1795478400 + 13 * 3600 + 1805 - 3600},
        {"2028-02-29Z", 1835395200},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        usec_t at = -1;
        struct err err = {""};
        if (moment_parse(cases[i].text, NOW, &at, &err) < 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        usec_t want = cases[i].want > 0 ? cases[i].want * USEC_PER_SEC : NOW + cases[i].want * USEC_PER_SEC;
        if (at != want)
            fail_msg("%s is %lld, not %lld", cases[i].text, (long long)at, (long long)want);
    }
    usec_t at;
    assert_int_equal(moment_parse("1795491737.25", NOW, &at, NULL), 0);
    assert_true(at == NOW);
}

static void none(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "7",
                                        "0",
                                        "0s",
                                        "-7d",
                                        "7 days ago",
                                        "yesterday",
                                        "2026",
                                        "2026-11",
                                        "2026-13-01",
                                        "2026-02-30",
                                        "2026-11-24T",
                                        "2026-11-24T25:00",
                                        "2026-11-24T13:60",
                                        "2026-11-24T13:30:",
                                        "2026-11-24T13:30:05+01:00",
                                        "2026-11-24 13",
                                        "20261124",
                                        "2026-11-24x",
                                        "1e9",
                                        "99999999999999",
                                        "600w",
                                        "2026-11-24T-1:30",
                                        "1.2.3"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        usec_t at = 42;
        struct err err = {""};
        if (moment_parse(cases[i], 300 * 7 * USEC_PER_DAY, &at, &err) == 0)
            fail_msg("\"%s\" was taken as %lld", cases[i], (long long)at);
        assert_true(at == 42);
        assert_non_null(strstr(err.text, "is no time"));
    }
}

static void shown(void **state)
{
    (void)state;
    char text[40];
    assert_string_equal(moment_format(text, sizeof text, NOW), "2026-11-24 04:42:17");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(none), cmocka_unit_test(shown)};
    return cmocka_run_group_tests(tests, zone, NULL);
}
