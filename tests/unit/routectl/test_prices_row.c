/* The order of prices, and the words for what is charged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/prices_row.h"

static cJSON *parsed(const char *text)
{
    struct err err = {""};
    cJSON *json = json_parse(text, strlen(text), &err);
    if (!json)
        fail_msg("%s: %s", text, err.text);
    return json;
}

/* By what is charged; what is not believed after what is, what is not known last; equals as they came. */
static void ordered(void **state)
{
    (void)state;
    cJSON *rows =
        parsed("[{\"platform\":\"unknown\",\"state\":\"unknown\",\"input\":0.001,\"output\":0.001},"
               "{\"platform\":\"none\"},"
               "{\"platform\":\"bargain\",\"state\":\"implausible\",\"input\":0.001,\"output\":0.001},"
               "{\"platform\":\"half\",\"input\":0.1},"
               "{\"platform\":\"dear\",\"input\":0.12,\"output\":0.48,\"effective\":{\"input\":0.24,\"output\":0.96}},"
               "{\"platform\":\"plain\",\"input\":0.15,\"output\":0.6},"
               "{\"platform\":\"same\",\"input\":0.15,\"output\":0.6,\"effective\":{\"input\":0.15,\"output\":0.6,\"call\":null}},"
               "{\"platform\":\"call\",\"input\":null,\"output\":null,\"call\":0.0002},"
               "{\"platform\":\"both\",\"input\":0.15,\"output\":0.6,\"call\":0.0001},"
               "{\"platform\":\"free\",\"input\":0,\"output\":0},"
               "7, {\"platform\":\"evil\",\"input\":-5,\"output\":0.1}]");
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    size_t len;
    struct priced *list = prices_sort(rows, &len);
    for (size_t i = 0; i < len; i++)
        buf_printf(&got, "%s ", json_string(list[i].json, "platform"));
    assert_string_equal(buf_str(&got), "free call plain same both dear bargain unknown none half evil ");
    assert_true(fabs(list[2].cost - 0.33) < 1e-12); /* 1000 x (1000 x 0.15 + 300 x 0.6) / 1M */
    assert_true(fabs(list[4].cost - 0.43) < 1e-12);
    assert_true(isnan(list[len - 1].cost));
    free(list);
    cJSON_Delete(rows);
}

static void charged(void **state)
{
    (void)state;
    static const struct {
        const char *json, *shown;
        enum style style;
    } cases[] = {
        {"{\"state\":\"as_advertised\",\"ratio\":1.02,\"low\":0.97,\"high\":1.07}", "1.02 ±0.05", STYLE_GOOD},
        {"{\"state\":\"as_advertised\",\"ratio\":1.02}", "1.02", STYLE_GOOD},
        {"{\"state\":\"dearer\",\"ratio\":1.5,\"low\":1.4,\"high\":1.6}", "1.50x dearer", STYLE_WARN},
        {"{\"state\":\"dearer\",\"ratio\":2}", "2.00x dearer", STYLE_BAD},
        {"{\"state\":\"cheaper\",\"ratio\":0.8}", "0.80x cheaper", STYLE_GOOD},
        {"{\"state\":\"insufficient_data\",\"ratio\":null}", "insufficient data", STYLE_DIM},
        {"{\"state\":\"insufficient_data\",\"ratio\":3}", "insufficient data", STYLE_DIM},
        {"{\"state\":\"dearer\"}", "", STYLE_PLAIN},
        {"{\"state\":\"of a newer daemon\",\"ratio\":1}", "1.00", STYLE_PLAIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cJSON *json = parsed(cases[i].json);
        struct cell cell = prices_verified(json);
        assert_string_equal(cell.shown, cases[i].shown);
        assert_int_equal(cell.style, cases[i].style);
        assert_string_equal(cell.string, json_string(json, "state"));
        cJSON_Delete(json);
    }
    assert_int_equal(prices_verified(NULL).kind, CELL_UNKNOWN);
}

static void notes(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"[{\"input\":1,\"output\":1,\"state\":\"ok\",\"source\":\"newapi\",\"free\":false,\"tiers\":[]}]", ""},
        {"[{}]", "no price known"},
        {"[{\"input\":1,\"output\":1,\"state\":\"stale\",\"inflation\":{\"state\":\"inflated\",\"ratio\":1.3}}]",
         "stale, counts 1.30x the tokens"},
        {"[{\"input\":1,\"output\":1,\"inflation\":{\"state\":\"inflated\",\"ratio\":null}}]", "counts more tokens"},
        {"[{\"input\":1,\"output\":1,\"state\":\"implausible\",\"off_reference\":25.2}]", "implausible: 25.2x the reference"},
        {"[{\"input\":1,\"output\":1,\"state\":\"implausible\"}]", "implausible"},
        {"[{\"input\":0,\"output\":0,\"free\":true,\"source\":\"reference\",\"tiers\":[{},{}]}]",
         "the reference's, not its own, 2 tiers, free"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cJSON *json = parsed(cases[i].json);
        struct buf text CLEANUP(buf_done) = BUF_INIT;
        size_t len;
        struct priced *list = prices_sort(json, &len);
        assert_int_equal(len, 1);
        prices_add_notes(&text, &list[0]);
        assert_string_equal(buf_str(&text), cases[i].want);
        free(list);
        cJSON_Delete(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ordered), cmocka_unit_test(charged), cmocka_unit_test(notes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
