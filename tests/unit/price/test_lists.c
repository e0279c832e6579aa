/* Whole real lists, which are not part of the project: only where PROBED_TEST_DATA names the folder that has them. Prints how long each
 * takes. */
#include <stdio.h>
#include <time.h>

#include "price_try.h"

static char *load(const char *name, size_t *len)
{
    const char *folder = getenv("PROBED_TEST_DATA");
    char path[1024];
    if (!folder || (size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return NULL;
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *data = malloc(PRICE_BODY_MAX);
    *len = fread(data, 1, PRICE_BODY_MAX, f);
    fclose(f);
    return data;
}

static double ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct price_list read_in_slices(const char *name, const char *body, size_t len)
{
    struct price_list list;
    struct err err = {""};
    double start = ms(), t = start;
    struct price_reading *r = price_reading_new(PRICE_SOURCE_AUTO, body, len, NULL, &err);
    if (!r)
        fail_msg("%s", err.text);
    double made = ms() - t, worst = 0;
    int more = 1, steps = 0, worst_step = 0;
    for (; more > 0; steps++) {
        t = ms();
        more = price_reading_step(r, 65536, &err);
        double step = ms() - t;
        if (step > worst) {
            worst = step;
            worst_step = steps;
        }
    }
    if (more < 0)
        fail_msg("%s", err.text);
    t = ms();
    price_reading_take(r, &list);
    price_reading_free(r);
    double now = ms();
    print_message(
        "# %s: %zu bytes, %zu rows, %u unknown; ms of CPU: all %.2f = made %.2f + %d steps of at most %.2f (number %d) + taken %.2f\n",
        name, len, list.len, list.unknown, now - start, made, steps, worst, worst_step, now - t);
    return list;
}

static struct price_list read_file(const char *name)
{
    size_t len = 0;
    char *body = load(name, &len);
    if (!body)
        skip();
    struct price_list list, again;
    list = read_in_slices(name, body, len);
    again = read_in_slices(name, body, len);
    assert_true(list.revision == again.revision);
    price_list_done(&again);
    free(body);
    return list;
}

static void openrouter(void **state)
{
    (void)state;
    struct price_list list = read_file("openrouter_models_2026-08-01.json");
    assert_int_equal(list.source, PRICE_SOURCE_OPENROUTER);
    assert_int_equal(list.len, 336);
    assert_int_equal(list.skipped + list.duplicates, 0);
    nothing_known(&list, "openrouter/auto");
    same_price(&list, "deepseek/deepseek-v4-flash-0731", M(140), M(280), 2800, U, U);
    const struct price_row *row = try_row(&list, "qwen/qwen3.7-flash");
    same_figures(&row->price, M(30), M(130), M(6), M(38), U);
    assert_int_equal(row->tiers_len, 2);
    same_figures(&row->tiers[1].price, M(200), M(800), M(40), M(250), U);
    same_price(&list, "openai/gpt-5.6-terra", M(1000), M(6000), M(100), M(1250), U); /* "0.00000100000000000000015" */
    size_t tiered = 0;
    for (size_t i = 0; i < list.len; i++)
        tiered += list.rows[i].tiers_len > 0;
    assert_int_equal(tiered, 44);
    price_list_done(&list);
}

static void litellm(void **state)
{
    (void)state;
    struct price_list list = read_file("litellm_model_prices_and_context_window.json");
    assert_int_equal(list.source, PRICE_SOURCE_LITELLM);
    assert_int_equal(list.len, 2985);
    same_price(&list, "gpt-4o-mini", M(150), M(600), M(75), U, U);
    assert_int_equal(try_row(&list, "dashscope/qwen3-coder-plus")->tiers_len, 3);
    assert_null(price_list_find(&list, "sample_spec"));
    price_list_done(&list);
}

static void small_ones(void **state)
{
    (void)state;
    struct price_list list = read_file("synthetic/newapi_api_pricing_full_schema.json");
    same_price(&list, "gpt-4o-mini", M(150), M(600), M(75), U, U);
    assert_int_equal(try_row(&list, "gpt-5.4")->tiers[0].from_tokens, 272001);
    price_list_done(&list);
    list = read_file("synthetic/aihubmix_api_v1_models.json");
    same_price(&list, "gpt-5", M(1250), M(10000), M(125), U, U);
    price_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(openrouter), cmocka_unit_test(litellm), cmocka_unit_test(small_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
