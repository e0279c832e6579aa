/* new-api's /api/pricing: ratios, groups, fixed prices, expressions, scale and currency. Figures worked out by hand. */
#include <stdio.h>

#include "price_try.h"

#define GROUPS                                                                                                                             \
    "\"group_ratio\":{\"default\":1,\"vip\":0.8,\"broken\":\"many\",\"cheap\":\"0.5\"},\"usable_group\":{\"\":\"x\"},\"vendors\":null,"    \
    "\"pricing_version\":\"1\""
#define LIST(rows) "{\"success\":true,\"data\":[" rows "]," GROUPS "}"
#define MINI                                                                                                                               \
    "{\"model_name\":\"gpt-4o-mini\",\"quota_type\":0,\"model_ratio\":0.075,\"model_price\":0,\"completion_ratio\":4,\"cache_ratio\":0.5," \
    "\"enable_groups\":[\"default\",\"vip\",\"cheap\"]}"
#define SONNET                                                                                                                             \
    "{\"model_name\":\"claude-sonnet-4-5\",\"quota_type\":0,\"model_ratio\":1.5,\"model_price\":-1,\"completion_ratio\":5,\"cache_"        \
    "ratio\":0.1,\"create_cache_ratio\":1.25,\"enable_groups\":[\"vip\",\"broken\",\"lost\"]}"
#define IMAGE                                                                                                                              \
    "{\"model_name\":\"gpt-image-1\",\"quota_type\":1,\"model_ratio\":0,\"model_price\":0.04,\"completion_ratio\":0,\"enable_groups\":["   \
    "\"all\"]}"

static const struct price_context vip = {.group = "vip"};

static void ratios_and_groups(void **state)
{
    (void)state;
    struct price_list list = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI "," SONNET "," IMAGE), &vip);
    assert_string_equal(list.currency, "USD");
    same_price(&list, "gpt-4o-mini", M(120), M(480), M(60), U, U);
    same_price(&list, "claude-sonnet-4-5", M(2400), M(12000), M(240), M(3000), U);
    same_price(&list, "gpt-image-1", U, U, U, U, 32000000000); /* 0.032 */
    assert_true(price_known(&try_row(&list, "gpt-image-1")->price));
    price_list_done(&list);

    list = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI "," SONNET "," IMAGE), NULL);
    same_price(&list, "gpt-4o-mini", M(150), M(600), M(75), U, U);
    nothing_known(&list, "claude-sonnet-4-5"); /* not for our group */
    same_price(&list, "gpt-image-1", U, U, U, U, 40000000000);
    assert_int_equal(list.unknown, 1);
    price_list_done(&list);
}

static void group_without_ratio(void **state)
{
    (void)state;
    struct price_context context = {.group = "lost"};
    struct price_list list = try_read(PRICE_SOURCE_NEWAPI, LIST(SONNET "," IMAGE), &context);
    nothing_known(&list, "claude-sonnet-4-5"); /* for our group, whose ratio nobody tells */
    nothing_known(&list, "gpt-image-1");
    price_list_done(&list);
    context.group = "broken";
    context.group_ratio = "3"; /* the feed tells one, and it is no number */
    list = try_read(PRICE_SOURCE_NEWAPI, LIST(SONNET), &context);
    nothing_known(&list, "claude-sonnet-4-5");
    price_list_done(&list);
    context.group = "lost";
    context.group_ratio = "2";
    list = try_read(PRICE_SOURCE_NEWAPI, LIST(SONNET), &context);
    same_price(&list, "claude-sonnet-4-5", M(6000), M(30000), M(600), M(7500), U);
    price_list_done(&list);
    context = (struct price_context){.group = "cheap"}; /* a ratio as text */
    list = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI), &context);
    same_price(&list, "gpt-4o-mini", M(75), M(300), 37500, U, U);
    price_list_done(&list);
}

static void what_is_not_known(void **state)
{
    (void)state;
#define ROW(name, rest) "{\"model_name\":\"" name "\"," rest "}"
    struct price_list list = try_read(
        PRICE_SOURCE_NEWAPI,
        LIST(ROW("minus", "\"quota_type\":0,\"model_ratio\":-1,\"completion_ratio\":2") "," ROW("no-completion", "\"quota_type\":0,\"model_"
                                                                                                                 "ratio\":\"0.5\"") "," ROW("contradiction", "\"quota_type\":0,\"model_ratio\":0,\"model_price\":0.1,\"completion_ratio\":1") "," ROW(
            "other", "\"quota_type\":1,\"model_ratio\":2,\"model_price\":-1") "," ROW("third",
                                                                                      "\"quota_type\":2,\"model_ratio\":2,\"completion_"
                                                                                      "ratio\":1") "," ROW("untyped",
                                                                                                           "\"model_ratio\":2,\"completion_"
                                                                                                           "ratio\":1") "," ROW("gratis",
                                                                                                                                "\"quota_"
                                                                                                                                "type\":0,"
                                                                                                                                "\"model_"
                                                                                                                                "ratio\":0,"
                                                                                                                                "\"model_"
                                                                                                                                "price\":0,"
                                                                                                                                "\"completi"
                                                                                                                                "on_"
                                                                                                                                "ratio\":1,"
                                                                                                                                "\"discount"
                                                                                                                                "\":0.3,"
                                                                                                                                "\"time_"
                                                                                                                                "pricing\":"
                                                                                                                                "{\"x\":[]"
                                                                                                                                "}") "," ROW("nobody",
                                                                                                                                             "\"quota_type\":0,\"model_ratio\":1,\"completion_ratio\":1,\"enable_groups\":[]") "," ROW("huge",
                                                                                                                                                                                                                                       "\"quota_type\":0,\"model_ratio\":1e18,\"completion_ratio\":1e18") ",{\"model_name\":\"\"},{\"model_ratio\":1},[],null"),
        NULL);
    nothing_known(&list, "minus");
    same_price(&list, "no-completion", M(1000), U, U, U, U);
    assert_false(price_known(&try_row(&list, "no-completion")->price));
    nothing_known(&list, "contradiction");
    nothing_known(&list, "other");
    nothing_known(&list, "third");
    same_price(&list, "untyped", M(4000), M(4000), U, U, U);
    same_price(&list, "gratis", 0, 0, U, U, U);
    assert_true(try_row(&list, "gratis")->free);
    nothing_known(&list, "nobody");
    nothing_known(&list, "huge");
    assert_int_equal(list.skipped, 4);
    price_list_done(&list);
}

static void exact(void **state)
{
    (void)state;
    /* 0.00000625 x 2 x 0.01 = 0.000000125 a million: an eighth of a pico-unit; x 4 is a half, which rounds up; a product of doubles would
     * not know. */
    const char *body = "{\"data\":[" ROW("tiny", "\"quota_type\":0,\"model_ratio\":0.00000625,\"completion_ratio\":4") "," ROW(
        "long",
        "\"quota_type\":0,\"model_ratio\":\"0.1234567890123456789\",\"completion_ratio\":\"3.0000000000000000001\"") "],\"group_ratio\":{"
                                                                                                                     "\"default\":0.01}}";
    struct price_list list = try_read(PRICE_SOURCE_NEWAPI, body, NULL);
    same_price(&list, "tiny", 0, 1, U, U, U);
    assert_false(try_row(&list, "tiny")->free);
    same_price(&list, "long", 2469, 7407, U, U, U); /* 2469.13..., 7407.40... */
    price_list_done(&list);
}

static void scale_and_currency(void **state)
{
    (void)state;
    const char *status = "{\"success\":true,\"message\":\"\",\"data\":{\"quota_per_unit\":500000,\"quota_display_type\":\"CNY\",\"price\":"
                         "7.3,\"usd_exchange_rate\":7.3}}";
    struct price_context context = {.group = "vip", .status = status, .status_len = strlen(status)};
    struct price_list list = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI "," IMAGE), &context);
    assert_string_equal(list.currency, "CNY");
    same_price(&list, "gpt-4o-mini", M(876), M(3504), M(438), U, U); /* 0.12 x 7.3 */
    same_price(&list, "gpt-image-1", U, U, U, U, 233600000000);
    price_list_done(&list);

    context.currency = "CNY"; /* said by the operator: a site dollar is a yuan */
    list = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI), &context);
    assert_string_equal(list.currency, "CNY");
    same_price(&list, "gpt-4o-mini", M(120), M(480), M(60), U, U);
    price_list_done(&list);

    status = "{\"success\":true,\"data\":{\"quota_per_unit\":\"1000000\"}}"; /* no price, as one-api has none */
    context = (struct price_context){.status = status, .status_len = strlen(status)};
    list = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI), &context);
    assert_string_equal(list.currency, "USD");
    same_price(&list, "gpt-4o-mini", M(75), M(300), 37500, U, U);
    price_list_done(&list);
    context = (struct price_context){.quota_per_unit = 300000}; /* 0.15 x 5/3, 0.6 x 5/3, 0.075 x 5/3 */
    list = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI), &context);
    same_price(&list, "gpt-4o-mini", M(250), M(1000), M(125), U, U);
    price_list_done(&list);

    context = (struct price_context){.status = "<html>", .status_len = 6};
    try_refused(PRICE_SOURCE_NEWAPI, LIST(MINI), &context, "/api/status");
    context = (struct price_context){.status = "{\"data\":{\"quota_per_unit\":0}}", .status_len = 29};
    try_refused(PRICE_SOURCE_NEWAPI, LIST(MINI), &context, "no scale");
    context = (struct price_context){.currency = "DUCATS-OF-VENICE"};
    try_refused(PRICE_SOURCE_NEWAPI, LIST(MINI), &context, "no currency");
}

#define TIERED(name, expr)                                                                                                                 \
    ROW(name, "\"quota_type\":0,\"model_ratio\":1.25,\"completion_ratio\":6,\"enable_groups\":[\"vip\"],\"billing_mode\":\"tiered_expr\"," \
              "\"billing_expr\":\"" expr "\"")

static void expressions(void **state)
{
    (void)state;
    struct price_list list = try_read(PRICE_SOURCE_NEWAPI,
                                      LIST(TIERED("gpt-5.4", "len <= 272000 ? tier(\\\"standard\\\", p * 2.5 + c * 15 + cr * 0.25 + cc * "
                                                             "3.125) : tier(\\\"long_context\\\", p * 5 + c * 22.5 + cr * 0.5)") "," TIERED(
                                          "three",
                                          "len>=256000 ? tier(\\\"c\\\",p*4+c*8) : len < 32000 ? (p * 1 + 2 * c) : tier(\\\"b\\\", p * 2e0 "
                                          "+ c * 4)") "," TIERED("flat", "tier(\\\"standard\\\", p * 5 + cr * 1.25 + img * 8 + c * 30)")),
                                      &vip);
    const struct price_row *row = try_row(&list, "gpt-5.4");
    same_figures(&row->price, M(2000), M(12000), M(200), M(2500), U); /* x 0.8 */
    assert_int_equal(row->tiers_len, 1);
    assert_int_equal(row->tiers[0].from_tokens, 272001);
    same_figures(&row->tiers[0].price, M(4000), M(18000), M(400), U, U);
    row = try_row(&list, "three");
    same_figures(&row->price, M(800), M(1600), U, U, U);
    assert_int_equal(row->tiers_len, 2);
    assert_int_equal(row->tiers[0].from_tokens, 32000);
    same_figures(&row->tiers[0].price, M(1600), M(3200), U, U, U);
    assert_int_equal(row->tiers[1].from_tokens, 256000);
    same_figures(&row->tiers[1].price, M(3200), M(6400), U, U, U);
    same_price(&list, "flat", M(4000), M(24000), M(1000), U, U);
    assert_int_equal(try_row(&list, "flat")->tiers_len, 0);
    price_list_done(&list);
}

static void expressions_that_are_not_understood(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "p * 2 + c * 3 + u(\\\"base\\\")",
        "p * 2 + c * 3 + 1",
        "p * 2 + p * 3 + c * 1",
        "p * 2 + zz * 3",
        "p * -2 + c * 3",
        "len <= 5 ? p * 1 + c * 1",
        "len <= 5 ? p * 1 + c * 1 : ",
        "len == 5 ? p * 1 + c * 1 : p * 2 + c * 2",
        "param(\\\"x\\\") == false ? p * 1 + c * 1 : p * 2 + c * 2",
        "p * 1 + c * 2|||{}",
        "tier(\\\"a, p * 1 + c * 1)",
        "p * 1.2.3 + c * 1",
        "((((((((((((((((((((p * 1 + c * 1))))))))))))))))))))x",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char body[2048];
        snprintf(body, sizeof body, LIST(TIERED("m", "%s")), texts[i]);
        struct price_list list = try_read(PRICE_SOURCE_NEWAPI, body, &vip);
        nothing_known(&list, "m");
        assert_int_equal(try_row(&list, "m")->tiers_len, 0);
        price_list_done(&list);
    }
    /* As deep as the text is long: refused, and no stack is lost. */
    char *body = malloc(20000),
         *p = body + sprintf(body, "{\"data\":[{\"model_name\":\"m\",\"billing_mode\":\"tiered_expr\",\"billing_expr\":\"");
    memset(p, '(', 4000);
    strcpy(p + 4000, "\"}],\"group_ratio\":{\"vip\":1}}");
    struct price_list list = try_read(PRICE_SOURCE_NEWAPI, body, &vip);
    nothing_known(&list, "m");
    price_list_done(&list);
    free(body);
}

static void duplicates(void **state)
{
    (void)state;
#define DUP(ratio) ROW("m", "\"quota_type\":0,\"model_ratio\":" ratio ",\"completion_ratio\":2")
    struct price_list a = try_read(PRICE_SOURCE_NEWAPI, LIST(DUP("1") "," DUP("3") "," DUP("-1") "," DUP("2") "," MINI), NULL);
    struct price_list b = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI "," DUP("-1") "," DUP("3") "," DUP("2") "," DUP("1")), NULL);
    assert_int_equal(a.len, 2);
    assert_int_equal(a.duplicates, 3);
    assert_int_equal(a.unknown, 0);
    same_price(&a, "m", M(6000), M(12000), U, U, U);
    assert_true(a.revision == b.revision);
    price_list_done(&b);
    b = try_read(PRICE_SOURCE_NEWAPI, LIST(MINI "," DUP("3.000001")), NULL);
    assert_true(a.revision != b.revision);
    price_list_done(&a);
    price_list_done(&b);
}

static void refused(void **state)
{
    (void)state;
    try_refused(PRICE_SOURCE_NEWAPI, "{\"success\":false,\"message\":\"无权进行此操作\"}", NULL, "无权进行此操作");
    try_refused(PRICE_SOURCE_NEWAPI, "{\"success\":true,\"data\":null}", NULL, "no array");
    try_refused(PRICE_SOURCE_NEWAPI, LIST(""), NULL, "lists no models");
    try_refused(PRICE_SOURCE_NEWAPI, "{\"success\":true,\"data\":[{\"model_name\":\"a\" \"b\"}]}", NULL, "not JSON");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios_and_groups),
        cmocka_unit_test(group_without_ratio),
        cmocka_unit_test(what_is_not_known),
        cmocka_unit_test(exact),
        cmocka_unit_test(scale_and_currency),
        cmocka_unit_test(expressions),
        cmocka_unit_test(expressions_that_are_not_understood),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
