/* Numbers for people, ranks that moved, routes as typed, and the back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/figures.h"
#include "routectl/moves.h"
#include "routectl/ranked.h"
#include "routectl/stream.h"
#include "routectl/verb.h"

static void test_durations(void **state)
{
    (void)state;
    assert_string_equal(figure_msec(510 * USEC_PER_MSEC).shown, "510 ms");
    assert_string_equal(figure_msec(3200).shown, "3.2 ms");
    assert_string_equal(figure_msec(120).shown, "120 us");
    assert_string_equal(figure_msec(999600).shown, "1.00 s");
    assert_string_equal(figure_msec(12340 * USEC_PER_MSEC).shown, "12.3 s");
    assert_string_equal(figure_msec(125 * USEC_PER_SEC).shown, "2m 5s");
    assert_int_equal(figure_msec(-1).kind, CELL_UNKNOWN);
    assert_true(figure_msec(510 * USEC_PER_MSEC).number == 510.0);
    assert_int_equal(figure_seconds(NAN).kind, CELL_UNKNOWN);
    assert_int_equal(figure_seconds(INFINITY).kind, CELL_UNKNOWN);
}

/* Never kinder than the truth. */
static void test_ratios(void **state)
{
    (void)state;
    assert_string_equal(figure_ratio(1).shown, "100%");
    assert_string_equal(figure_ratio(0.99999).shown, "99.99%");
    assert_string_equal(figure_ratio(0.5).shown, "50.0%");
    assert_string_equal(figure_ratio(0).shown, "0.0%");
    assert_int_equal(figure_ratio(NAN).kind, CELL_UNKNOWN);
    assert_string_equal(figure_share(1).shown, "0.4%");
    assert_string_equal(figure_share(256).shown, "100%");
    assert_string_equal(figure_share(0).shown, "0%");
}

static void test_money(void **state)
{
    (void)state;
    char text[64];
    assert_string_equal(figure_price(150000, "USD").shown, "$0.15");
    assert_string_equal(figure_price(37500, "USD").shown, "$0.0375");
    assert_string_equal(figure_price(15 * PICO_PER_UNIT_PER_MTOK, "CNY").shown, "¥15.00");
    assert_string_equal(figure_price(0, "USD").shown, "free");
    assert_int_equal(figure_price(-1, "USD").kind, CELL_UNKNOWN);
    assert_string_equal(figure_amount(text, sizeof text, 3, "POINTS"), "3.00 POINTS");
    assert_string_equal(figure_amount(text, sizeof text, -0.0000123, "USD"), "-$0.0000123");
    assert_string_equal(figure_amount(text, sizeof text, 0.2, NULL), "0.20");
    assert_string_equal(figure_change(1, 1.25).shown, "+25%");
    assert_string_equal(figure_change(1, 1.03).shown, "+3.0%");
    assert_string_equal(figure_change(2, 2).shown, "same");
    assert_string_equal(figure_change(0, 2).shown, "from free");
    assert_int_equal(figure_change(NAN, 2).kind, CELL_UNKNOWN);
}

static void test_thousands(void **state)
{
    (void)state;
    char text[64];
    assert_string_equal(figure_thousands(text, sizeof text, 0), "0");
    assert_string_equal(figure_thousands(text, sizeof text, 999), "999");
    assert_string_equal(figure_thousands(text, sizeof text, 1000), "1,000");
    assert_string_equal(figure_thousands(text, sizeof text, -12000), "-12,000");
    assert_string_equal(figure_thousands(text, sizeof text, -120000), "-120,000");
    assert_string_equal(figure_thousands(text, sizeof text, INT64_MIN), "-9,223,372,036,854,775,808");
}

static void test_bars(void **state)
{
    (void)state;
    struct buf bar = BUF_INIT;
    figure_bar(&bar, 1, 4);
    assert_string_equal(buf_str(&bar), "████");
    buf_clear(&bar);
    figure_bar(&bar, 0.5, 1);
    assert_string_equal(buf_str(&bar), "▌");
    buf_clear(&bar);
    figure_bar(&bar, 1e-9, 4); /* something is not nothing */
    assert_string_equal(buf_str(&bar), "▏");
    buf_clear(&bar);
    figure_bar(&bar, -1, 4);
    figure_bar(&bar, NAN, 4);
    assert_int_equal(bar.len, 0);
    buf_done(&bar);
}

static void test_targets(void **state)
{
    (void)state;
    struct target route;
    assert_true(target_parse(&route, "siliconflow/deepseek-ai/DeepSeek-V3", true));
    assert_string_equal(route.platform, "siliconflow");
    assert_string_equal(route.model, "deepseek-ai/DeepSeek-V3");
    assert_true(target_parse(&route, "siliconflow", false));
    assert_string_equal(route.model, "");
    assert_false(target_parse(&route, "siliconflow", true));
    assert_false(target_parse(&route, "/x", false));
    assert_false(target_parse(&route, "x/", false));
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_false(target_parse(&route, longest, false));
    longest[5] = '/';
    assert_false(target_parse(&route, longest, false));
}

static void test_backoff_is_bounded(void **state)
{
    (void)state;
    usec_t before = 0;
    for (unsigned failures = 1; failures < 100000; failures = failures < 10 ? failures + 1 : failures * 3) {
        usec_t wait = stream_backoff(failures);
        assert_true(wait >= before && wait >= 100 * USEC_PER_MSEC && wait <= 5 * USEC_PER_SEC);
        before = wait;
    }
}

/* A table of one policy and one model with these platforms in this order. */
static struct table *make_table(const char *const *platforms, size_t len, uint8_t flags)
{
    struct err err = {""};
    struct buf text = BUF_INIT;
    buf_printf(
        &text,
        "{\"epoch\":1,\"generation\":2,\"published_at\":1764000000,\"policy\":\"production\",\"currency\":\"USD\",\"flags\":[],\"models\":"
        "[{\"model\":\"m/中\",\"flags\":[%s],\"routes\":[",
        flags & RANKING_NO_ELIGIBLE_ROUTE ? "\"no_eligible_route\"" : "");
    for (size_t i = 0; i < len; i++)
        buf_printf(
            &text,
            "%s{\"platform\":\"%s\",\"title\":\"%s\",\"upstream_model\":\"u\",\"endpoint\":\"https://"
            "x\",\"dialect\":\"openai\",\"level\":\"chat\","
            "\"rank\":%zu,\"slots\":%d,\"weight\":%g,\"state\":\"up\",\"reason\":\"first\",\"flags\":[\"provisional\"],\"score\":0.9,"
            "\"loss\":0.1,"
            "\"availability\":null,\"availability_low\":0.5,\"ttft_ms\":510.6,\"ttft_p95_ms\":null,\"total_ms\":null,\"tokens_per_s\":null,"
            "\"price\":{\"input\":0.15,\"output\":0.6,\"call\":0},\"cost\":null,\"samples\":3,\"sampled_at\":null,\"stale_at\":null,"
            "\"expires_at\":null}",
            i > 0 ? "," : "", platforms[i], platforms[i], i + 1, i == 0 && !flags ? 256 : 0, i == 0 && !flags ? 1.0 : 0.0);
    buf_add_str(&text, "]}]}");
    cJSON *json = json_parse(buf_str(&text), text.len, &err);
    assert_non_null(json);
    struct table *table = table_from_json(json, &err);
    if (!table)
        print_error("%s\n", err.text);
    assert_non_null(table);
    cJSON_Delete(json);
    buf_done(&text);
    return table;
}

static void test_moves(void **state)
{
    (void)state;
    struct moves *moves = moves_new();
    struct table *first = make_table((const char *const[]){"a", "b", "c"}, 3, 0),
                 *second = make_table((const char *const[]){"c", "a", "b", "d"}, 4, 0);
    usec_t now = 1000 * USEC_PER_SEC;

    moves_learn(moves, first, now);
    assert_int_equal(moves_of(moves, "m/中", "a", now), 0);
    moves_learn(moves, second, now);
    assert_int_equal(moves_of(moves, "m/中", "c", now), 2);
    assert_int_equal(moves_of(moves, "m/中", "a", now), -1);
    assert_int_equal(moves_of(moves, "m/中", "d", now), 0); /* was not there */
    assert_int_equal(moves_of(moves, "other", "c", now), 0);
    moves_learn(moves, second, now + USEC_PER_SEC); /* a table without a change keeps the marks ... */
    assert_int_equal(moves_of(moves, "m/中", "c", now + USEC_PER_SEC), 2);
    assert_int_equal(moves_of(moves, "m/中", "c", now + MOVES_SHOWN), 0); /* ... for their time */
    table_unref(first);
    table_unref(second);
    moves_free(moves);
}

static void test_ranked(void **state)
{
    (void)state;
    struct table *good = make_table((const char *const[]){"a", "硅基"}, 2, 0),
                 *none = make_table((const char *const[]){"a"}, 1, RANKING_NO_ELIGIBLE_ROUTE);
    struct writer *w = writer_new(&(struct writer_setup){.form = WRITER_TEXT});

    assert_true(ranked_write(&(struct ranked_view){.table = good, .now = 1764000001 * USEC_PER_SEC}, w));
    assert_false(ranked_write(&(struct ranked_view){.table = none, .now = 1764000001 * USEC_PER_SEC}, w));
    char *text = writer_take(w);
    assert_non_null(strstr(text, "m/中  2 routes, 1 in use\n"));
    assert_non_null(strstr(text, "NO USABLE ROUTE"));
    assert_non_null(strstr(text, "511 ms"));
    assert_non_null(strstr(text, "never"));
    free(text);
    assert_int_equal(ranked_lines(good, 0), 4);
    assert_int_equal(ranked_lines(good, 1), 3);
    table_unref(good);
    table_unref(none);
    writer_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),          cmocka_unit_test(test_ratios), cmocka_unit_test(test_money),
        cmocka_unit_test(test_thousands),          cmocka_unit_test(test_bars),   cmocka_unit_test(test_targets),
        cmocka_unit_test(test_backoff_is_bounded), cmocka_unit_test(test_moves),  cmocka_unit_test(test_ranked),
    };
    return cmocka_run_group_tests_name("routectl figures", tests, NULL, NULL);
}
