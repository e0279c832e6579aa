/* Shell API: maps beside each other, what is sold, fixed prices. Figures worked out by hand. */
#include <stdio.h>

#include "price_try.h"
#include "shared/buf.h"

#define SHELL_MAPS                                                                                                                         \
    "\"ModelRatio\":{\"gpt-4o-mini\":0.075,\"claude-sonnet-4-5\":1.5,\"gone\":7,\"mj\":1},\"CompletionRatio\":{\"gpt-4o-mini\":4,"         \
    "\"claude-sonnet-4-5\":\"5\"},"                                                                                                        \
    "\"GroupRatio\":{\"default\":1,\"vip\":2},\"ModelFixedPrice\":{\"mj\":0.1,\"suno\":0.35,\"odd\":{\"price\":1}}"

static void shellapi(void **state)
{
    (void)state;
    struct price_context context = {.group = "vip"};
    struct price_list list = try_read(PRICE_SOURCE_AUTO,
                                      "{\"success\":true,\"message\":\"\",\"data\":{\"Models\":[\"gpt-4o-mini\",\"claude-sonnet-4-5\","
                                      "\"mj\",\"odd\",\"new\",5]," SHELL_MAPS "}}",
                                      &context);
    assert_int_equal(list.source, PRICE_SOURCE_SHELLAPI);
    assert_int_equal(list.len, 5);
    assert_int_equal(list.skipped, 1);
    same_price(&list, "gpt-4o-mini", M(300), M(1200), U, U, U);
    same_price(&list, "claude-sonnet-4-5", M(6000), M(30000), U, U, U);
    same_price(&list, "mj", U, U, U, U, 200000000000);
    nothing_known(&list, "odd");
    nothing_known(&list, "new");
    assert_null(price_list_find(&list, "gone"));
    price_list_done(&list);

    list = try_read(PRICE_SOURCE_SHELLAPI, "{\"success\":true,\"data\":{" SHELL_MAPS "}}", NULL);
    assert_int_equal(list.len, 6);
    assert_int_equal(list.duplicates, 0);
    same_price(&list, "gone", M(14000), U, U, U, U);
    same_price(&list, "mj", U, U, U, U, 100000000000);
    same_price(&list, "suno", U, U, U, U, 350000000000);
    price_list_done(&list);
    context.group = "nobody";
    list = try_read(PRICE_SOURCE_SHELLAPI, "{\"success\":true,\"data\":{" SHELL_MAPS "}}", &context);
    assert_int_equal(list.unknown, 6);
    price_list_done(&list);
    try_refused(PRICE_SOURCE_SHELLAPI, "{\"data\":{\"ModelRatio\":[]}}", NULL, "no object");
}

/* Names in an order of no kind: each finds its own ratios. 1,735 is a sum of seven powers of two. */
static void many(void **state)
{
    (void)state;
    enum { MANY = 1735 };
    struct buf b = BUF_INIT;
    buf_add_str(&b, "{\"data\":{\"GroupRatio\":{\"default\":1},\"ModelRatio\":{");
    for (unsigned i = 0; i < MANY; i++)
        buf_printf(&b, "%s\"m%u\":%u", i ? "," : "", i * 7919 % MANY, i * 7919 % MANY + 1);
    buf_add_str(&b, "},\"CompletionRatio\":{\"m0\":2");
    for (unsigned i = 0; i < MANY; i++)
        buf_printf(&b, ",\"m%u\":%u", i * 6007 % MANY, i * 6007 % MANY + 2); /* m0 a second time: the first counts, which is the same */
    buf_add_str(&b, "},\"Models\":[");
    for (unsigned i = 0; i < MANY; i++)
        buf_printf(&b, "%s\"m%u\"", i ? "," : "", i);
    buf_add_str(&b, "]}}");
    struct price_list list = try_read(PRICE_SOURCE_AUTO, buf_str(&b), NULL);
    assert_int_equal(list.len, MANY);
    assert_int_equal(list.unknown, 0);
    for (int64_t i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", (int)i);
        same_price(&list, name, M(2000) * (i + 1), M(2000) * (i + 1) * (i + 2), U, U, U);
    }
    price_list_done(&list);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shellapi), cmocka_unit_test(many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
