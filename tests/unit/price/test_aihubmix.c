/* AIHubMix: USD a million tokens, whatever its documentation says. Figures worked out by hand. */
#include "price_try.h"

static void aihubmix(void **state)
{
    (void)state;
    struct price_list list = try_read(
        PRICE_SOURCE_AUTO,
        "{\"data\":[{\"model_id\":\"gpt-5\",\"desc\":\"x\",\"pricing\":{\"input\":1.25,\"output\":10,\"cache_read\":0.125},\"types\":"
        "\"llm\"},"
        "{\"model_id\":\"claude\",\"pricing\":{\"input\":3,\"output\":15,\"cache_read\":0.3,\"cache_write\":3.75},\"types\":\"llm\"},"
        "{\"model_id\":\"text\",\"pricing\":{\"input\":\"0.0224\",\"output\":\"0.00000044\"},\"types\":\"embedding\",\"new\":{}},"
        "{\"model_id\":\"sora\",\"pricing\":{\"input\":2,\"output\":2},\"types\":\"video\"},"
        "{\"model_id\":\"minus\",\"pricing\":{\"input\":-1,\"output\":-1},\"types\":\"llm\"},"
        "{\"model_id\":\"none\",\"types\":\"llm\"},{\"model_id\":\"free\",\"pricing\":{\"input\":0,\"output\":0},\"types\":\"llm\"}],"
        "\"message\":\"\",\"success\":true}",
        NULL);
    assert_int_equal(list.source, PRICE_SOURCE_AIHUBMIX);
    same_price(&list, "gpt-5", M(1250), M(10000), M(125), U, U);
    same_price(&list, "claude", M(3000), M(15000), M(300), M(3750), U);
    same_price(&list, "text", 22400, 0, U, U, U);
    nothing_known(&list, "sora");
    nothing_known(&list, "minus");
    nothing_known(&list, "none");
    same_price(&list, "free", 0, 0, U, U, U);
    assert_true(try_row(&list, "free")->free);
    assert_int_equal(list.unknown, 3);
    price_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(aihubmix)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
