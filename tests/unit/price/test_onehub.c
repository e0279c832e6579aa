/* one-hub: what is available by group, the older list by channel. Figures worked out by hand. */
#include "price_try.h"

#define HUB(name, price, groups)                                                                                                           \
    "\"" name "\":{\"price\":{\"model\":\"" name "\",\"channel_type\":1," price "},\"groups\":" groups ",\"owned_by\":\"x\"}"
#define HUB_LIST                                                                                                                           \
    "{\"success\":true,\"data\":{" HUB(                                                                                                    \
        "gpt-4o-mini", "\"type\":\"tokens\",\"input\":0.075,\"output\":0.3,\"extra_ratios\":{\"cached_tokens\":0.5}",                      \
        "[\"default\",\"vip\"]") "," HUB("claude-sonnet-4-5",                                                                              \
                                         "\"type\":\"tokens\",\"input\":1.5,\"output\":7.5,\"extra_ratios\":{\"cached_read_tokens\":0.1,"  \
                                         "\"cached_write_tokens\":1.25}",                                                                  \
                                         "[\"vip\"]") "," HUB("dall-e-3", "\"type\":\"times\",\"input\":20,\"output\":20",                 \
                                                              "[\"default\",\"vip\"]") "," HUB("odd",                                      \
                                                                                               "\"type\":\"moons\",\"input\":20,"          \
                                                                                               "\"output\":20",                            \
                                                                                               "[\"vip\"]") "," HUB("minus",               \
                                                                                                                    "\"type\":\"tokens\"," \
                                                                                                                    "\"input\":-1,"        \
                                                                                                                    "\"output\":\"0.5\"",  \
                                                                                                                    "[\"vip\"]") "}}"
static const char hub_groups[] =
    "{\"success\":true,\"data\":{\"default\":{\"id\":1,\"ratio\":1},\"vip\":{\"id\":2,\"symbol\":\"vip\",\"ratio\":0.25}}}";

static void onehub(void **state)
{
    (void)state;
    struct price_context context = {.group = "vip", .groups = hub_groups, .groups_len = strlen(hub_groups)};
    struct price_list list = try_read(PRICE_SOURCE_AUTO, HUB_LIST, &context);
    assert_int_equal(list.source, PRICE_SOURCE_ONEHUB);
    same_price(&list, "gpt-4o-mini", 37500, M(150), 18750, U, U); /* 0.15 x 0.25, 0.6 x 0.25 */
    same_price(&list, "claude-sonnet-4-5", M(750), M(3750), M(75), 937500, U);
    same_price(&list, "dall-e-3", U, U, U, U, 10000000000); /* 20 x 0.002 x 0.25 */
    nothing_known(&list, "odd");
    same_price(&list, "minus", U, M(250), U, U, U);
    price_list_done(&list);
}

static void onehub_without_ratio(void **state)
{
    (void)state;
    struct price_list list = try_read(PRICE_SOURCE_ONEHUB, HUB_LIST, NULL);
    nothing_known(&list, "gpt-4o-mini");
    assert_int_equal(list.unknown, 5);
    price_list_done(&list);
    struct price_context context = {.group_ratio = "1"};
    list = try_read(PRICE_SOURCE_ONEHUB, HUB_LIST, &context);
    same_price(&list, "gpt-4o-mini", M(150), M(600), M(75), U, U);
    nothing_known(&list, "claude-sonnet-4-5");
    price_list_done(&list);
    context.group_ratio = "much";
    try_refused(PRICE_SOURCE_ONEHUB, HUB_LIST, &context, "no group ratio");
}

static void onehub_older(void **state)
{
    (void)state;
    struct price_context context = {.group_ratio = "1"};
    struct price_list list = try_read(PRICE_SOURCE_AUTO,
                                      "{\"data\":[{\"model\":\"a\",\"type\":\"tokens\",\"channel_type\":1,\"input\":1,\"output\":2},"
                                      "{\"model\":\"a\",\"type\":\"tokens\",\"channel_type\":3,\"input\":2,\"output\":2},"
                                      "{\"model\":\"b\",\"type\":\"times\",\"channel_type\":3,\"input\":0.5,\"output\":0}]}",
                                      &context);
    assert_int_equal(list.source, PRICE_SOURCE_ONEHUB);
    assert_int_equal(list.duplicates, 1);
    same_price(&list, "a", M(4000), M(4000), U, U, U);
    same_price(&list, "b", U, U, U, U, 1000000000);
    price_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(onehub), cmocka_unit_test(onehub_without_ratio), cmocka_unit_test(onehub_older)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
