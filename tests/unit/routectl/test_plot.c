/* Pictures for a terminal: exact ones for small inputs, and what must hold of any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "routectl/axis.h"
#include "routectl/period.h"
#include "routectl/plot.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define DAY    86400.0
#define MIDDAY 1793534400.0 /* 2026-11-01 12:00 UTC */

static struct series_point at(double t, double value)
{
    return (struct series_point){.t = t, .value = value, .low = NAN, .high = NAN};
}

static void assert_picture(const struct plot_setup *setup, const struct series *series, size_t len, const char *wanted)
{
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    plot_draw(setup, series, len, &got);
    if (strcmp(buf_str(&got), wanted) != 0)
        fail_msg("wanted:\n%s\ngot:\n%s", wanted, buf_str(&got));
}

/* --- exact ------------------------------------------------------------------------------------------------------------ */

static void a_line_with_a_gap(void **state)
{
    (void)state;
    struct series_point points[24];
    size_t len = 0;
    for (int i = 0; i < 24; i++) {
        if (i < 8 || i > 13)
            points[len++] = at(MIDDAY + i * 3600, 100 + 40 * i);
    }
    struct series series = {.name = "p1/m1", .points = points, .len = len, .reach = 5400};
    assert_picture(&(struct plot_setup){.unit = SERIES_MSEC, .since = MIDDAY, .until = MIDDAY + DAY, .columns = 48, .rows = 9}, &series, 1,
                   "p1/m1                  1.02 s (100 ms .. 1.02 s)\n"
                   "2 s ┤                                           \n"
                   "    │                                           \n"
                   "    │                                        ⣀  \n"
                   "1 s ┤                         ⣀⣀⡠⠤⠤⠤⠤⠤⠒⠒⠒⠊⠉⠉⠉   \n"
                   "    │          ⣀⣀⣀                              \n"
                   "  0 ┤⠤⠒⠒⠒⠊⠉⠉⠉⠉⠉                                 \n"
                   "    └┬─────────┬──────────┬──────────┬──────────\n"
                   "     12:00   18:00      11-02      06:00        \n");
}

static void one_point_and_none(void **state)
{
    (void)state;
    struct series_point point = at(MIDDAY + 1800, 0.15);
    struct series series[2] = {{.name = "one", .points = &point, .len = 1, .reach = 60}, {.name = "none", .reach = 60}};
    assert_picture(&(struct plot_setup){.unit = SERIES_MONEY, .since = MIDDAY, .until = MIDDAY + 3600, .columns = 40, .rows = 12}, series,
                   2,
                   "one               $0.15 ($0.15 .. $0.15)\n"
                   "$0.20 ┤                                 \n"
                   "      │                •                \n"
                   "$0.10 ┤                                 \n"
                   "$0.00 ┤                                 \n"
                   "      └12:00─────────12:30─────────13:00\n"
                   "none                             no data\n"
                   "$0.20 ┤                                 \n"
                   "      │                                 \n"
                   "$0.10 ┤                                 \n"
                   "$0.00 ┤                                 \n"
                   "      └12:00─────────12:30─────────13:00\n");
}

static void ranks_are_upside_down_and_steps(void **state)
{
    (void)state;
    struct series_point points[6];
    static const int ranks[] = {1, 1, 3, 3, 2, 2};
    for (int i = 0; i < 6; i++)
        points[i] = at(MIDDAY + i * 600, ranks[i]);
    struct series series = {.name = "p1/m1", .points = points, .len = 6, .reach = 900};
    assert_picture(&(struct plot_setup){.unit = SERIES_RANK, .since = MIDDAY, .until = MIDDAY + 3600, .columns = 40, .rows = 20}, &series,
                   1,
                   "p1/m1                         2 (1 .. 3)\n"
                   "1 ┤⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⡇                        \n"
                   "  │            ⡇                        \n"
                   "  │            ⡇                        \n"
                   "2 ┤            ⡇           ⢠⠤⠤⠤⠤⠤⠤      \n"
                   "  │            ⡇           ⢸            \n"
                   "  │            ⡇           ⢸            \n"
                   "3 ┤            ⣇⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣸            \n"
                   "  └┬─────────────────┬─────────────────┬\n"
                   "   12:00           12:30           13:00\n");
}

static void blocks_where_there_is_no_braille(void **state)
{
    (void)state;
    struct series_point points[12];
    for (int i = 0; i < 12; i++)
        points[i] = at(MIDDAY + i * 300, i == 5 ? 0.8 : 1);
    struct series series = {.name = "通义千问", .points = points, .len = 12, .reach = 450};
    assert_picture(
        &(struct plot_setup){.unit = SERIES_RATIO, .since = MIDDAY, .until = MIDDAY + 3600, .columns = 40, .rows = 8, .kind = CANVAS_BLOCK},
        &series, 1,
        "通义千问            100% (80.0% .. 100%)\n"
        "100% ┤▀▀▀▀▀▀▀▀▀▀▀█     █▀▀▀▀▀▀▀▀▀▀▀▀▀   \n"
        "     │            █   █                 \n"
        " 90% ┤            ▀▄ ▄▀                 \n"
        "     │             █ █                  \n"
        " 80% ┤              █                   \n"
        "     └┬────────────────┬───────────────┬\n"
        "      12:00          12:30         13:00\n");
}

static void an_outlier_is_marked_and_leaves_the_rest_its_shape(void **state)
{
    (void)state;
    struct series_point points[100];
    for (int i = 0; i < 100; i++)
        points[i] = at(MIDDAY + i * 36, i == 50 ? 60000 : 500 + 100 * (i % 2));
    struct series series = {.name = "p", .points = points, .len = 100, .reach = 54};
    struct series_range range;
    series_range(&range, SERIES_MSEC, &series, 1, false);
    assert_true(range.beyond == 1 && range.most == 600 && !range.log);
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    plot_draw(&(struct plot_setup){.unit = SERIES_MSEC, .since = MIDDAY, .until = MIDDAY + 3600, .columns = 60, .rows = 12}, &series, 1,
              &got);
    assert_non_null(strstr(buf_str(&got), "▲"));
    assert_non_null(strstr(buf_str(&got), "60.0 s"));
    assert_null(strstr(buf_str(&got), "50 s"));
}

/* An outage of a moment is what a picture of availability is for. */
static void a_short_outage_is_no_outlier(void **state)
{
    (void)state;
    struct series_point points[200];
    for (int i = 0; i < 200; i++)
        points[i] = at(MIDDAY + i, i == 7 ? 0 : 1);
    struct series series = {.name = "p", .points = points, .len = 200, .reach = 1.5};
    struct series_range range;
    series_range(&range, SERIES_RATIO, &series, 1, false);
    assert_true(range.least == 0 && range.most == 1 && range.beyond == 0);
}

static void orders_of_magnitude_make_a_logarithmic_axis(void **state)
{
    (void)state;
    struct series_point quick[20], slow[20];
    for (int i = 0; i < 20; i++) {
        quick[i] = at(MIDDAY + i, 200);
        slow[i] = at(MIDDAY + i, 8000);
    }
    struct series series[2] = {{.name = "q", .points = quick, .len = 20, .reach = 1.5},
                               {.name = "s", .points = slow, .len = 20, .reach = 1.5}};
    struct series_range range;
    struct axis axis;
    series_range(&range, SERIES_MSEC, series, 2, false);
    assert_true(range.log);
    axis_values(&axis, SERIES_MSEC, &range, 6);
    assert_true(axis.log && axis.least == 200 && axis.most == 10000);
    assert_string_equal(axis.ticks[0].label, "200 ms");
    assert_string_equal(axis.ticks[axis.len - 1].label, "10 s");
}

/* --- axes ------------------------------------------------------------------------------------------------------------- */

static void assert_values(enum series_unit unit, double least, double most, size_t wanted, const char *labels)
{
    struct series_range range = {.any = true, .least = least, .most = most};
    struct axis axis;
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    axis_values(&axis, unit, &range, wanted);
    for (size_t i = 0; i < axis.len; i++)
        buf_printf(&got, "%s%s", i > 0 ? "|" : "", axis.ticks[i].label);
    assert_string_equal(buf_str(&got), labels);
}

static void round_numbers(void **state)
{
    (void)state;
    assert_values(SERIES_MSEC, 410, 520, 4, "0|200 ms|400 ms|600 ms");
    assert_values(SERIES_MSEC, 410, 2600, 4, "0|1 s|2 s|3 s");
    assert_values(SERIES_MSEC, 410, 2100, 5, "0|0.5 s|1.0 s|1.5 s|2.0 s|2.5 s");
    assert_values(SERIES_RATIO, 1, 1, 3, "99.0%|99.5%|100.0%");
    assert_values(SERIES_RATIO, 0.87, 1, 4, "80%|85%|90%|95%|100%");
    assert_values(SERIES_RATIO, 0, 1, 3, "0%|50%|100%");
    assert_values(SERIES_MONEY, 0.15, 0.15, 3, "$0.00|$0.05|$0.10|$0.15");
    assert_values(SERIES_MONEY, -3, 7, 3, "-$5|$0|$5|$10");
    assert_values(SERIES_RANK, 1, 1, 4, "1|2");
    assert_values(SERIES_RANK, 1, 12, 4, "5|10");
    assert_values(SERIES_SPEED, 20, 81, 4, "0|50|100");
}

static void assert_times(const char *zone, double since, double until, size_t wanted, const char *labels)
{
    struct axis axis;
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    setenv("TZ", zone, 1);
    tzset();
    axis_times(&axis, since, until, wanted);
    for (size_t i = 0; i < axis.len; i++)
        buf_printf(&got, "%s%s", i > 0 ? "|" : "", axis.ticks[i].label);
    setenv("TZ", "UTC", 1);
    tzset();
    assert_string_equal(buf_str(&got), labels);
}

static void round_times_of_the_local_calendar(void **state)
{
    (void)state;
    assert_times("UTC", MIDDAY + 5, MIDDAY + 65, 4, "12:00:15|12:00:30|12:00:45|12:01:00");
    assert_times("UTC", MIDDAY, MIDDAY + 3600, 6, "12:00|12:10|12:20|12:30|12:40|12:50");
    assert_times("UTC", MIDDAY, MIDDAY + DAY, 5, "12:00|18:00|11-02|06:00|12:00");
    assert_times("CST-8", MIDDAY, MIDDAY + DAY, 5, "11-02|06:00|12:00|18:00");
    assert_times("UTC", MIDDAY, MIDDAY + 7 * DAY, 7, "11-02|11-03|11-04|11-05|11-06|11-07|11-08");
    assert_times("UTC", MIDDAY, MIDDAY + 30 * DAY, 6, "11-02|11-09|11-16|11-23|11-30"); /* Mondays */
    assert_times("UTC", MIDDAY, MIDDAY + 365 * DAY, 5, "2027-01|2027-04|2027-07|2027-10");
    /* The night of 25 October 2026 in which Berlin has an hour twice: six o'clock stays six o'clock. */
    assert_times("CET-1CEST,M3.5.0,M10.5.0/3", 1792872000, 1792872000 + 1.5 * DAY, 7, "10-25|06:00|12:00|18:00|10-26|06:00");
}

static void months(void **state)
{
    (void)state;
    struct period period;
    char text[PERIOD_SHOWN_MAX];
    assert_int_equal(period_parse_month("2026-10", &period, NULL), 0);
    assert_int_equal(period.since / USEC_PER_SEC, 1790812800);
    assert_int_equal((period.until - period.since) / USEC_PER_DAY, 31);
    assert_string_equal(period_shown(text, &period), "2026-10-01 to 2026-10-31");
    assert_int_equal(period_parse_month("2026-12", &period, NULL), 0);
    assert_int_equal((period.until - period.since) / USEC_PER_DAY, 31);
    period.until = period.since + USEC_PER_DAY;
    assert_string_equal(period_shown(text, &period), "2026-12-01");
    period.until += USEC_PER_MINUTE;
    assert_string_equal(period_shown(text, &period), "2026-12-01 00:00 to 2026-12-02 00:01");
    static const char *const bad[] = {"", "2026", "2026-13", "2026-0", "2026-1", "26-10", "2026-10-01", "2026-10x", "-2026-10", "october"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {""};
        assert_true(period_parse_month(bad[i], &period, &err) < 0);
        assert_non_null(strstr(err.text, "2026-10"));
    }
    setenv("TZ", "CST-8", 1);
    tzset();
    assert_string_equal(period_zone(text, period.since), "CST (UTC+08:00)");
    assert_int_equal(period_parse_month("2026-10", &period, NULL), 0);
    assert_int_equal(period.since / USEC_PER_SEC, 1790812800 - 8 * 3600);
    setenv("TZ", "UTC", 1);
    tzset();
    assert_string_equal(period_zone(text, period.since), "UTC");
}

static void a_reach_is_wider_where_less_is_measured(void **state)
{
    (void)state;
    struct series_point points[10];
    for (int i = 0; i < 10; i++)
        points[i] = at(i * 60, 1);
    assert_true(series_reach(points, 10, 60) == 180);
    assert_true(series_reach(points, 10, 10) == 180);
    assert_true(series_reach(points, 10, 600) == 900);
    assert_true(series_reach(points, 2, 10) == 15);
    assert_true(series_reach(points, 0, 10) == 15);
}

/* --- of any ----------------------------------------------------------------------------------------------------------- */

static double uniform(void)
{
    return (double)random() / RAND_MAX;
}

static void fill(struct series *series, struct series_point *points, double since, double until)
{
    static const char *const names[] = {
        "p1/m1", "硅基流动/通义千问", "a\x1b[31mb\n\t\xff",
        "",      "👩‍🔬/x",     "a very long name of a platform/and a model that is longer still, for all"};
    static const double odd[] = {0, -1, 1e-9, 1e18, NAN, INFINITY, -INFINITY, 1e300, -1e300};
    size_t len = (size_t)(random() % 300);
    double scale = pow(10, uniform() * 8 - 3), t = since - 10;
    for (size_t i = 0; i < len; i++) {
        t += uniform() * (until - since) / 100;
        double value = random() % 40 == 0 ? odd[random() % (long)ARRAY_LEN(odd)] : scale * (1 + uniform());
        points[i] = (struct series_point){.t = t, .value = value, .low = value / 2, .high = random() % 9 ? value * 2 : NAN};
    }
    *series = (struct series){.name = names[random() % (long)ARRAY_LEN(names)], .points = points, .len = len};
    series->reach = series_reach(points, len, (until - since) / 200);
}

static void assert_lines(const struct buf *picture, const struct plot_setup *setup, size_t columns)
{
    char *copy CLEANUP(alloc_freep) = alloc_string(buf_str(picture));
    assert_true(text_is_utf8(copy, strlen(copy)));
    assert_true(copy[0] == '\0' || copy[strlen(copy) - 1] == '\n');
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) && rest;) {
        if (setup->colour) { /* take the colours out: ESC [ digits m */
            char *to = line;
            for (char *s = line; *s;) {
                if (*s == '\033') {
                    s += 2 + strspn(s + 2, "0123456789");
                    assert_int_equal(*s, 'm');
                    s++;
                } else {
                    *to++ = *s++;
                }
            }
            *to = '\0';
        }
        for (const char *s = line; *s; s++)
            assert_true((unsigned char)*s >= 0x20 && *s != 0x7f);
        assert_int_equal(text_width(line), columns);
    }
}

static void any_input_gives_lines_of_the_width(void **state)
{
    unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);
    (void)state;
    print_message("SEED=%u\n", seed);
    srandom(seed);
    for (int round = 0; round < 400; round++) {
        static struct series_point points[SERIES_MAX + 2][300];
        struct series series[SERIES_MAX + 2];
        size_t len = (size_t)(random() % (SERIES_MAX + 3));
        double since = MIDDAY + uniform() * 1e7, until = since + pow(10, uniform() * 9 - 1);
        struct plot_setup setup = {.unit = (enum series_unit)(random() % 5),
                                   .since = since,
                                   .until = until,
                                   .columns = (size_t)(random() % 420),
                                   .rows = (size_t)(random() % 80),
                                   .colour = random() % 2,
                                   .kind = random() % 2 ? CANVAS_BLOCK : CANVAS_BRAILLE};
        for (size_t i = 0; i < len; i++)
            fill(&series[i], points[i], since, until);
        struct buf got CLEANUP(buf_done) = BUF_INIT;
        plot_draw(&setup, series, len, &got);
        size_t columns = setup.columns < PLOT_COLUMNS_LEAST  ? PLOT_COLUMNS_LEAST
                         : setup.columns > PLOT_COLUMNS_MOST ? PLOT_COLUMNS_MOST
                                                             : setup.columns;
        assert_lines(&got, &setup, columns);
        assert_true(len == 0 || got.len > 0);
    }
}

/* The columns between two points with a gap are blank, whatever the values. */
static void gaps_are_blank(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct series_point points[200];
        size_t len = 0;
        for (int i = 0; i < 200; i++) {
            if (i < 60 || i >= 140)
                points[len++] = at(MIDDAY + i * 60 + 30, 100 + uniform() * 900);
        }
        struct series series = {.name = "", .points = points, .len = len, .reach = 90};
        struct buf got CLEANUP(buf_done) = BUF_INIT;
        plot_draw(&(struct plot_setup){.unit = SERIES_MSEC, .since = MIDDAY, .until = MIDDAY + 12000, .columns = 120, .rows = 14}, &series,
                  1, &got);
        char *rest = got.data, *line = strsep(&rest, "\n");
        for (int row = 0; (line = strsep(&rest, "\n")) && !strstr(line, "└"); row++) {
            const char *axis = strstr(line, "┤") ? strstr(line, "┤") : strstr(line, "│");
            size_t column = 0, from = (120 - text_width("1000 ms ┤")) * 61 / 200, until = (120 - text_width("1000 ms ┤")) * 139 / 200;
            assert_non_null(axis);
            for (const char *s = axis + strlen("┤"); *s; column++) {
                uint32_t c;
                s += text_decode(s, strlen(s), &c);
                if (column > from && column < until)
                    assert_int_equal(c, ' ');
            }
        }
    }
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_with_a_gap),
        cmocka_unit_test(one_point_and_none),
        cmocka_unit_test(ranks_are_upside_down_and_steps),
        cmocka_unit_test(blocks_where_there_is_no_braille),
        cmocka_unit_test(an_outlier_is_marked_and_leaves_the_rest_its_shape),
        cmocka_unit_test(a_short_outage_is_no_outlier),
        cmocka_unit_test(orders_of_magnitude_make_a_logarithmic_axis),
        cmocka_unit_test(round_numbers),
        cmocka_unit_test(round_times_of_the_local_calendar),
        cmocka_unit_test(months),
        cmocka_unit_test(a_reach_is_wider_where_less_is_measured),
        cmocka_unit_test(any_input_gives_lines_of_the_width),
        cmocka_unit_test(gaps_are_blank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
