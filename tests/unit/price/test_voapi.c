/* VoAPI: prices a group, by tokens and by the request. Figures worked out by hand. */
#include "price_try.h"

static void voapi(void **state)
{
    (void)state;
    const char *body =
        "{\"data\":{\"models\":["
        "{\"key\":\"o1\",\"name\":\"The "
        "O1\",\"provider\":\"open-ai\",\"status\":0,\"completion_ratio\":4,\"group_price\":{\"default\":{\"type\":0,\"price\":7.5},\"s."
        "vip\":{\"type\":0,\"price\":3.75},\"vip\":{\"type\":1,\"price\":0.4}}},"
        "{\"key\":\"gpt-4o-mini\",\"completion_ratio\":\"4\",\"group_price\":{\"default\":{\"type\":\"0\",\"price\":\"0.075\"}}},"
        "{\"key\":\"no-completion\",\"group_price\":{\"default\":{\"type\":0,\"price\":1}}},"
        "{\"key\":\"strange\",\"completion_ratio\":4,\"group_price\":{\"default\":{\"type\":7,\"price\":1}}},"
        "{\"key\":\"bare\",\"group_price\":[]},{\"name\":\"no key\"}]}}";
    struct price_list list = try_read(PRICE_SOURCE_AUTO, body, NULL);
    assert_int_equal(list.source, PRICE_SOURCE_VOAPI);
    same_price(&list, "o1", M(15000), M(60000), U, U, U);
    same_price(&list, "gpt-4o-mini", M(150), M(600), U, U, U);
    same_price(&list, "no-completion", M(2000), U, U, U, U);
    nothing_known(&list, "strange");
    nothing_known(&list, "bare");
    assert_int_equal(list.skipped, 1);
    price_list_done(&list);
    struct price_context context = {.group = "vip"};
    list = try_read(PRICE_SOURCE_VOAPI, body, &context);
    same_price(&list, "o1", U, U, U, U, 400000000000);
    nothing_known(&list, "gpt-4o-mini");
    price_list_done(&list);
    context.group = "s.vip"; /* a dot is part of the name */
    list = try_read(PRICE_SOURCE_VOAPI, body, &context);
    same_price(&list, "o1", M(7500), M(30000), U, U, U);
    price_list_done(&list);
    try_refused(PRICE_SOURCE_VOAPI, "{\"data\":{\"models\":{}}}", NULL, "no array");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(voapi)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
