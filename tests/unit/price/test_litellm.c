/* LiteLLM's price map: tiers, zeros that say nothing, keys that are no models. Figures worked out by hand. */
#include "price_try.h"

static void litellm(void **state)
{
    (void)state;
    struct price_list list = try_read(
        PRICE_SOURCE_AUTO,
        "{\"sample_spec\":{\"input_cost_per_token\":0.0,\"output_cost_per_token\":0.0,\"litellm_provider\":\"one "
        "of\",\"max_tokens\":\"LEGACY\"},"
        "\"gpt-4o-mini\":{\"litellm_provider\":\"openai\",\"mode\":\"chat\",\"input_cost_per_token\":1.5e-07,\"input_cost_per_token_"
        "batches\":7.5e-08,\"output_cost_per_token\":6e-07,\"cache_read_input_token_cost\":7.5e-08,\"cache_read_input_token_cost_"
        "priority\":1},"
        "\"azure/odd\":{\"litellm_provider\":\"azure\",\"input_cost_per_token\":3.0001999999999996E-7,\"output_cost_per_token\":1e-14},"
        "\"claude\":{\"litellm_provider\":\"anthropic\",\"output_cost_per_token_above_200k_tokens\":2.25e-05,\"input_cost_per_token\":3e-"
        "06,\"input_cost_per_token_above_200k_tokens\":6e-06,\"input_cost_per_token_above_200k_tokens_priority\":9,\"output_cost_per_"
        "token\":1.5e-05,\"cache_creation_input_token_cost\":3.75e-06},"
        "\"dashscope/"
        "qwen\":{\"litellm_provider\":\"dashscope\",\"tiered_pricing\":[{\"input_cost_per_token\":5e-08,\"output_cost_per_token\":4e-07,"
        "\"range\":[0,256000.0]},{\"input_cost_per_token\":2.5e-07,\"output_cost_per_token\":2e-06,\"range\":[256000.0,1000000.0]}]},"
        "\"rerank\":{\"litellm_provider\":\"cohere\",\"input_cost_per_token\":0.0,\"output_cost_per_token\":0,\"input_cost_per_query\":0."
        "002},"
        "\"x/y:free\":{\"litellm_provider\":\"openrouter\",\"input_cost_per_token\":0,\"output_cost_per_token\":0.0}}",
        NULL);
    assert_int_equal(list.source, PRICE_SOURCE_LITELLM);
    assert_int_equal(list.len, 6);
    same_price(&list, "gpt-4o-mini", M(150), M(600), M(75), U, U);
    same_price(&list, "azure/odd", 300020, 0, U, U, U);
    same_price(&list, "claude", M(3000), M(15000), U, M(3750), U);
    const struct price_row *row = try_row(&list, "claude");
    assert_int_equal(row->tiers_len, 1);
    assert_int_equal(row->tiers[0].from_tokens, 200001);
    same_figures(&row->tiers[0].price, M(6000), M(22500), U, M(3750), U);
    row = try_row(&list, "dashscope/qwen");
    same_figures(&row->price, M(50), M(400), U, U, U);
    assert_int_equal(row->tiers[0].from_tokens, 256001);
    same_figures(&row->tiers[0].price, M(250), M(2000), U, U, U);
    nothing_known(&list, "rerank");
    assert_true(try_row(&list, "x/y:free")->free);
    price_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(litellm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
