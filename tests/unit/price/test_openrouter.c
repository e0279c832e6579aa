/* OpenRouter's lists: prices as text, overrides, what varies, what is free. */
#include "price_try.h"

#define MODEL(id, pricing)                                                                                                                 \
    "{\"id\":\"" id "\",\"name\":\"x\",\"architecture\":{\"modality\":\"text\"},\"pricing\":{" pricing "},\"unknown\":[1,{}]}"
#define LIST(rows) "{\"data\":[" rows "],\"total_count\":3,\"links\":{\"next\":null}}"

static void plain(void **state)
{
    (void)state;
    struct price_list list = try_read(PRICE_SOURCE_OPENROUTER,
                                      LIST(MODEL("openai/gpt-4o-mini", "\"prompt\":\"0.00000015\",\"completion\":\"0.0000006\",\"input_"
                                                                       "cache_read\":\"0.000000075\"") "," MODEL(
                                          "openai/gpt-4", "\"prompt\":\"0.00003\",\"completion\":\"0.00006\",\"image\":\"0\",\"request\":"
                                                          "\"0\"") "," MODEL("google/gemini-3.6-flash",
                                                                             "\"prompt\":\"0.0000003\",\"completion\":\"0.0000025\","
                                                                             "\"input_cache_write\":\"0.00000008333333333333334\",\"web_"
                                                                             "search\":\"0.014\"")),
                                      NULL);
    assert_string_equal(list.currency, "USD");
    assert_int_equal(list.len, 3);
    same_price(&list, "openai/gpt-4o-mini", M(150), M(600), M(75), U, U);
    same_price(&list, "openai/gpt-4", M(30000), M(60000), U, U, 0);
    same_price(&list, "google/gemini-3.6-flash", M(300), M(2500), U, 83333, U); /* 0.08333333333333334 a million */
    assert_int_equal(list.unknown, 0);
    price_list_done(&list);
}

static void varies_free_and_strange(void **state)
{
    (void)state;
    struct price_list
        list =
            try_read(
                PRICE_SOURCE_OPENROUTER,
                LIST(
                    MODEL("openrouter/auto", "\"prompt\":\"-1\",\"completion\":\"-1\",\"request\":\"0\"") "," MODEL("a/b:free", "\"prompt\""
                                                                                                                                ":\"0\","
                                                                                                                                "\"completi"
                                                                                                                                "on\":"
                                                                                                                                "\"0\"") "," MODEL("a/painter", "\"prompt\":\"0\",\"completion\":\"0\",\"image\":\"0.04\"") "," MODEL(
                        "a/number", "\"prompt\":0.000001,\"completion\":2e-06") "," MODEL("a/words", "\"prompt\":\"cheap\",\"completion\":"
                                                                                                     "null") "," MODEL("a/half",
                                                                                                                       "\"prompt\":\"0."
                                                                                                                       "000001\","
                                                                                                                       "\"completion\":\"-"
                                                                                                                       "1\"") "," MODEL("a/"
                                                                                                                                        "hu"
                                                                                                                                        "g"
                                                                                                                                        "e",
                                                                                                                                        "\""
                                                                                                                                        "pr"
                                                                                                                                        "om"
                                                                                                                                        "pt"
                                                                                                                                        "\""
                                                                                                                                        ":"
                                                                                                                                        "\""
                                                                                                                                        "1e"
                                                                                                                                        "30"
                                                                                                                                        "0"
                                                                                                                                        "\""
                                                                                                                                        ","
                                                                                                                                        "\""
                                                                                                                                        "co"
                                                                                                                                        "mp"
                                                                                                                                        "le"
                                                                                                                                        "ti"
                                                                                                                                        "on"
                                                                                                                                        "\""
                                                                                                                                        ":"
                                                                                                                                        "\""
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "99"
                                                                                                                                        "\"") "," MODEL("a/tiny",
                                                                                                                                                        "\"prompt\":\"0.0000000000005\",\"completion\":\"0.00000000000049999999999999999999\"") ",{\"id\":\"a/bare\"},{\"name\":\"without id\"},7"),
                NULL);
    nothing_known(&list, "openrouter/auto");
    same_price(&list, "a/b:free", 0, 0, U, U, U);
    assert_true(try_row(&list, "a/b:free")->free);
    assert_true(price_known(&try_row(&list, "a/b:free")->price));
    nothing_known(&list, "a/painter");
    same_price(&list, "a/number", M(1000), M(2000), U, U, U);
    nothing_known(&list, "a/words");
    same_price(&list, "a/half", M(1000), U, U, U, U);
    assert_false(price_known(&try_row(&list, "a/half")->price));
    nothing_known(&list, "a/huge");
    same_price(&list, "a/tiny", 1, 0, U, U, U); /* half a pico-unit is one, less is none: one rounding */
    assert_false(try_row(&list, "a/tiny")->free);
    nothing_known(&list, "a/bare");
    assert_int_equal(list.unknown, 5);
    assert_int_equal(list.skipped, 2);
    price_list_done(&list);
}

static void overrides(void **state)
{
    (void)state;
    struct price_list list =
        try_read(PRICE_SOURCE_OPENROUTER,
                 LIST(MODEL("qwen/qwen3.7-flash",
                            "\"prompt\":\"0.00000003\",\"completion\":\"0.00000013\",\"input_cache_read\":\"0.000000006\",\"overrides\":["
                            "{\"min_prompt_tokens\":256000,\"prompt\":\"0.0000002\",\"completion\":\"-1\"},"
                            "{\"min_prompt_tokens\":32000,\"prompt\":\"0.0000001\",\"input_cache_read\":\"0.00000002\"},"
                            "{\"min_prompt_tokens\":-5,\"prompt\":\"9\"},{\"prompt\":\"9\"},\"x\"]")),
                 NULL);
    const struct price_row *row = try_row(&list, "qwen/qwen3.7-flash");
    assert_int_equal(row->tiers_len, 2);
    assert_int_equal(row->tiers[0].from_tokens, 32000);
    same_figures(&row->tiers[0].price, M(100), M(130), M(20), U, U);
    assert_int_equal(row->tiers[1].from_tokens, 256000);
    same_figures(&row->tiers[1].price, M(200), U, M(6), U, U);
    price_list_done(&list);
}

static void more_tiers_than_places(void **state)
{
    (void)state;
#define O(from, price) "{\"min_prompt_tokens\":" from ",\"prompt\":\"" price "\"}"
    struct price_list list = try_read(
        PRICE_SOURCE_OPENROUTER,
        LIST(MODEL("a/b",
                   "\"prompt\":\"0.000001\",\"completion\":\"0.000001\",\"overrides\":[" O("6", "0.000003") "," O("1", "0.000002") "," O(
                       "2", "0.000003") "," O("3", "0.000004") "," O("4", "0.000005") "," O("5", "0.000009") "]")),
        NULL);
    const struct price_row *row = try_row(&list, "a/b");
    assert_int_equal(row->tiers_len, PRICE_TIERS_MAX);
    assert_int_equal(row->tiers[3].from_tokens, 4);
    assert_int_equal(row->tiers[3].price.input, M(9000)); /* the dearest of the last three */
    price_list_done(&list);
}

static void endpoints(void **state)
{
    (void)state;
    const char *body = "{\"data\":{\"id\":\"meta/llama\",\"name\":\"x\",\"endpoints\":["
                       "{\"provider_name\":\"Two\",\"tag\":\"two/"
                       "fp8\",\"status\":0,\"pricing\":{\"prompt\":\"0.0000004\",\"completion\":\"0.0000008\",\"discount\":0}},"
                       "{\"provider_name\":\"One\",\"pricing\":{\"prompt\":\"0.0000002\",\"completion\":\"0.0000004\",\"discount\":0}},{"
                       "\"pricing\":{}}]}}";
    struct price_list list = try_read(PRICE_SOURCE_AUTO, body, NULL);
    assert_int_equal(list.source, PRICE_SOURCE_OPENROUTER_ENDPOINTS);
    assert_int_equal(list.len, 3);
    assert_string_equal(list.rows[0].provider, "");
    assert_string_equal(list.rows[1].provider, "One");
    same_figures(&list.rows[1].price, M(200), M(400), U, U, U);
    assert_string_equal(list.rows[2].provider, "two/fp8");
    same_figures(&list.rows[2].price, M(400), M(800), U, U, U);
    price_list_done(&list);
    list = try_read(PRICE_SOURCE_OPENROUTER_ENDPOINTS, "{\"data\":{\"id\":\"openai/gpt-4\",\"endpoints\":[]}}", NULL);
    assert_int_equal(list.len, 0);
    price_list_done(&list);
}

static void refused(void **state)
{
    (void)state;
    try_refused(PRICE_SOURCE_OPENROUTER, "{\"error\":{\"code\":500,\"message\":\"Internal\\u001b[31m\"}}", NULL,
                "an error instead of a list: Internal\\x1b[31m");
    try_refused(PRICE_SOURCE_OPENROUTER, LIST(""), NULL, "lists no models");
    try_refused(PRICE_SOURCE_OPENROUTER, "{\"data\":{}}", NULL, "no array");
    try_refused(PRICE_SOURCE_OPENROUTER_ENDPOINTS, "{\"data\":{\"endpoints\":[]}}", NULL, "missing");
    try_refused(PRICE_SOURCE_OPENROUTER, "<html><body>", NULL, "web page");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),     cmocka_unit_test(varies_free_and_strange),
        cmocka_unit_test(overrides), cmocka_unit_test(more_tiers_than_places),
        cmocka_unit_test(endpoints), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
