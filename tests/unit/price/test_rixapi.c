/* RixAPI: the older shape by groups, the newer by models. Figures worked out by hand. */
#include "price_try.h"

static const char rix_old[] =
    "{\"data\":{\"group_special\":{\"claude-3-5-sonnet\":[\"vip\"],\"gpt-4o-mini\":[\"default\",\"vip\"]},"
    "\"model_completion_ratio\":{\"claude-3-5-sonnet\":5,\"gpt-4o-mini\":4,\"deepseek-chat\":2,\"bad\":\"x\"},"
    "\"model_group\":{\"default\":{\"Description\":\"x\",\"GroupRatio\":1,\"ModelPrice\":{\"claude-3-5-sonnet\":{\"isPrice\":false,"
    "\"price\":1.5}}},"
    "\"\\u5b98\\u8f6c\":{\"DisplayName\":\"x\",\"GroupRatio\":3,\"ModelPrice\":{\"claude-3-5-sonnet\":{\"isPrice\":false,\"price\":1.5},"
    "\"gpt-4o-mini\":{\"isPrice\":false,\"price\":0.075}}},"
    "\"vip\":{\"GroupRatio\":0.5,\"ModelPrice\":{\"claude-3-5-sonnet\":{\"isPrice\":false,\"price\":1.5},\"gpt-4o-mini\":{\"isPrice\":"
    "false,\"price\":0.075},"
    "\"mj\":{\"isPrice\":true,\"price\":0.1},\"deepseek-chat\":{\"priceType\":0,\"price\":0.135},\"sora\":{\"priceType\":1,\"price\":2},"
    "\"no-ratio\":{\"isPrice\":false,\"price\":1},"
    "\"bad\":{\"isPrice\":false,\"price\":1},\"untyped\":{\"price\":1},\"minus\":{\"isPrice\":true,\"price\":-1}}}}}}";

static void rixapi(void **state)
{
    (void)state;
    struct price_context context = {.group = "vip"};
    struct price_list list = try_read(PRICE_SOURCE_AUTO, rix_old, &context);
    assert_int_equal(list.source, PRICE_SOURCE_RIXAPI);
    assert_string_equal(list.currency, "CNY");
    same_price(&list, "claude-3-5-sonnet", M(1500), M(7500), U, U, U);
    same_price(&list, "gpt-4o-mini", M(75), M(300), U, U, U);
    same_price(&list, "deepseek-chat", M(135), M(270), U, U, U);
    same_price(&list, "mj", U, U, U, U, 50000000000);
    same_price(&list, "sora", U, U, U, U, 1000000000000);
    same_price(&list, "no-ratio", M(1000), U, U, U, U);
    same_price(&list, "bad", M(1000), U, U, U, U);
    nothing_known(&list, "untyped");
    nothing_known(&list, "minus");
    price_list_done(&list);
    list = try_read(PRICE_SOURCE_RIXAPI, rix_old, NULL);
    nothing_known(&list, "claude-3-5-sonnet"); /* group_special keeps it to vip */
    price_list_done(&list);
    context.group = "\xE5\xAE\x98\xE8\xBD\xAC"; /* 官转, escaped in the feed */
    list = try_read(PRICE_SOURCE_RIXAPI, rix_old, &context);
    nothing_known(&list, "gpt-4o-mini"); /* kept to other groups */
    price_list_done(&list);
    context.group = "nobody";
    try_refused(PRICE_SOURCE_RIXAPI, rix_old, &context, "group");
}

#define INFO(name, prices) "{\"model_name\":\"" name "\",\"vendor_id\":1,\"price_info\":{" prices "}}"
#define DEF(rest)          "\"default\":{\"default\":{" rest "}}"

static void rixapi_newer(void **state)
{
    (void)state;
    const char *body = "{\"success\":true,\"data\":{\"vendor_info\":[],\"model_info\":[" INFO(
        "gpt-4o-mini",
        DEF("\"quota_type\":1,\"model_price\":"
            "0,\"model_ratio\":0.525,\"model_"
            "completion_ratio\":4")) "," INFO("claude-sonnet-4-5-cc",
                                              DEF("\"quota_type\":0,\"model_price\":-1,\"model_ratio\":\"3.6\",\"model_completion_ratio\":"
                                                  "5")) "," INFO("gpt-image-1",
                                                                 DEF("\"quota_type\":0,\"model_price\":0.3,\"model_ratio\":0,\"model_"
                                                                     "completion_ratio\":0")) "," INFO("both",
                                                                                                       DEF("\"quota_type\":0,"
                                                                                                           "\"model_price\":0.3,"
                                                                                                           "\"model_ratio\":1,"
                                                                                                           "\"model_completion_"
                                                                                                           "ratio\":1")) "," INFO("neither",
                                                                                                                                  DEF("\"qu"
                                                                                                                                      "ota_"
                                                                                                                                      "type"
                                                                                                                                      "\":"
                                                                                                                                      "0,"
                                                                                                                                      "\"mo"
                                                                                                                                      "del_"
                                                                                                                                      "pric"
                                                                                                                                      "e\":"
                                                                                                                                      "0,"
                                                                                                                                      "\"mo"
                                                                                                                                      "del_"
                                                                                                                                      "rati"
                                                                                                                                      "o\":"
                                                                                                                                      "0,"
                                                                                                                                      "\"mo"
                                                                                                                                      "del_"
                                                                                                                                      "comp"
                                                                                                                                      "leti"
                                                                                                                                      "on_"
                                                                                                                                      "rati"
                                                                                                                                      "o\":"
                                                                                                                                      "1")) "," INFO("elsewhere",
                                                                                                                                                     "\"vip\":{\"default\":{\"model_ratio\":1}}") "]}}";
    struct price_list list = try_read(PRICE_SOURCE_AUTO, body, NULL);
    assert_int_equal(list.source, PRICE_SOURCE_RIXAPI);
    same_price(&list, "gpt-4o-mini", M(1050), M(4200), U, U, U);
    same_price(&list, "claude-sonnet-4-5-cc", M(7200), M(36000), U, U, U);
    same_price(&list, "gpt-image-1", U, U, U, U, 300000000000);
    nothing_known(&list, "both");
    nothing_known(&list, "neither");
    nothing_known(&list, "elsewhere");
    price_list_done(&list);
    struct price_context context = {.group_ratio = "0.5"};
    list = try_read(PRICE_SOURCE_RIXAPI, body, &context);
    same_price(&list, "gpt-4o-mini", M(525), M(2100), U, U, U);
    price_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rixapi), cmocka_unit_test(rixapi_newer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
