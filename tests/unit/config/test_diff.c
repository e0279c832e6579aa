/* The sentences about what a reload changed. */
#include "tests/unit/config/scratch.h"

static char told[4096];
static size_t sentences;

static void say(void *arg, const char *sentence)
{
    (void)arg;
    size_t at = strlen(told);
    snprintf(told + at, sizeof told - at, "%s\n", sentence);
    sentences++;
}

static void compare(const char *old, const char *new, size_t max)
{
    int errors = 0;
    struct config *a = scratch_load_text(old, &errors);
    if (!a)
        fail_msg("%s", scratch_messages);
    struct config *b = scratch_load_text(new, &errors);
    if (!b)
        fail_msg("%s", scratch_messages);
    told[0] = '\0';
    sentences = 0;
    config_diff(a, b, max, say, NULL);
    config_unref(a);
    config_unref(b);
}

#define BASE                                                                                                                               \
    "models: {m1: {}, m2: {}}\npolicies: {x: {second: 1, money: 1}, y: {second: 1, money: 2}}\nplatforms:\n"                               \
    "  p1: {endpoints: [https://a.example, https://b.example], models: {m1: x, m2: {price: {input: 1 USD/1M, output: 2 USD/1M}}}}\n"       \
    "  p2: {endpoints: https://c.example, tags: {region: cn}}\n"

static void test_nothing(void **state)
{
    (void)state;
    compare(BASE, BASE, 20);
    assert_string_equal(told, "");
}

static void test_sentences(void **state)
{
    (void)state;
    compare(BASE,
            "lease: 10s\nbudget: {all: 2 USD/day, route: 0.1 USD/day}\nmodels: {m1: {}, m3: {}}\n"
            "policies: {x: {second: 2, money: 1}, z: {second: 1, money: 2}}\nplatforms:\n"
            "  p1: {endpoints: [https://b.example, https://a.example, https://d.example], level: reach, probes: {chat: {interval: 1m}},\n"
            "       models: {m1: z, m3: q}}\n"
            "  p3: {endpoints: https://c.example, models: {m1: x}}\n",
            40);
    assert_string_equal(told, "lease: 30s -> 10s\n"
                              "budget.all: 1 USD/day -> 2 USD/day\n"
                              "budget.route: unlimited -> 0.1 USD/day\n"
                              "model m2 removed\n"
                              "model m3 added\n"
                              "policy x: second: 1 -> 2\n"
                              "policy y removed\n"
                              "policy z added\n"
                              "platform p1: endpoint 3 added, https://d.example\n"
                              "platform p1: endpoints in another order\n"
                              "platform p1: level: chat -> reach\n"
                              "platform p1: probes.chat.interval: 5m -> 1m\n"
                              "route p1/m1: upstream: \"x\" -> \"z\"\n"
                              "route p1/m2 removed\n"
                              "route p1/m3 added\n"
                              "platform p2 removed\n"
                              "platform p3 added, 1 routes\n");
}

static void test_price_and_tags(void **state)
{
    (void)state;
    compare(BASE,
            "models: {m1: {}, m2: {}}\npolicies: {x: {second: 1, money: 1}, y: {second: 1, money: 2}}\nplatforms:\n"
            "  p1: {endpoints: [https://a.example], models: {m1: x, m2: {price: {input: 3 USD/1M, output: 2 USD/1M}}}}\n"
            "  p2: {endpoints: https://c.example, tags: {region: us}}\n",
            20);
    assert_non_null(strstr(told, "platform p1: endpoint https://b.example removed\n"));
    assert_non_null(strstr(
        told,
        "route p1/m2: price: {input: 1 USD/1M, output: 2 USD/1M, call: 0 USD} -> {input: 3 USD/1M, output: 2 USD/1M, call: 0 USD}\n"));
    assert_non_null(strstr(told, "platform p2: tags changed\n"));
    assert_int_equal(sentences, 3);
}

static void test_at_most(void **state)
{
    (void)state;
    const char *new = "lease: 10s\nconcurrency: 5\nclients: 7\n" BASE;
    compare(BASE, new, 3);
    assert_int_equal(sentences, 3);
    assert_null(strstr(told, "more"));
    compare(BASE, new, 2);
    assert_int_equal(sentences, 2);
    assert_non_null(strstr(told, "2 more differences\n"));
    compare(BASE, new, 0);
    assert_int_equal(sentences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_sentences, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_price_and_tags, scratch_begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_at_most, scratch_begin, scratch_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
