/* Lists of models: every family's shape, what is no list, and that absence is only claimed where it is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "probed/probe/models.h"

static struct models_list *parse(const char *body, enum outcome_kind kind)
{
    struct models_list *list = (void *)&list; /* must be set either way */
    struct classification c = models_list_parse(200, "application/json", body, strlen(body), &list);
    if (c.outcome.kind != kind)
        fail_msg("%s: %s", body, outcome_name(c.outcome.kind));
    assert_int_equal(list != NULL, kind == OUTCOME_OK);
    assert_int_equal(c.outcome.http_status, 200);
    return list;
}

static void expect(const char *body, size_t len, const char *has, const char *has_not)
{
    struct models_list *list = parse(body, OUTCOME_OK);
    assert_int_equal(models_list_len(list), len);
    if (has)
        assert_true(models_list_has(list, has));
    if (has_not)
        assert_false(models_list_has(list, has_not));
    models_list_free(list);
}

static void test_shapes(void **state)
{
    (void)state;
    expect("{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4o\",\"object\":\"model\",\"created\":1,\"owned_by\":\"openai\",\"permission\":[]}"
           ",{\"id\":\"o1\"}]}",
           2, "gpt-4o", "gpt-4");
    expect("{\"success\":true,\"data\":[{\"id\":\"gpt-4o\",\"supported_endpoint_types\":[\"openai\"]}],\"object\":\"list\"}", 1, "gpt-4o",
           "gpt-4o-mini");
    expect("{\"object\":\"list\",\"data\":[{\"id\":\"Pro/deepseek-ai/DeepSeek-V3\"}]}", 1, "Pro/deepseek-ai/DeepSeek-V3",
           "deepseek-ai/DeepSeek-V3");
    expect("{\"data\":[{\"id\":\"openai/gpt-4o\",\"canonical_slug\":\"openai/gpt-4o-2024\",\"name\":\"OpenAI: GPT-4o\"}]}", 2,
           "openai/gpt-4o-2024", "OpenAI: GPT-4o");
    expect("{\"data\":[{\"type\":\"model\",\"id\":\"claude-sonnet-4-5\",\"display_name\":\"x\"}],\"has_more\":false,\"first_id\":\"a\","
           "\"last_id\":\"b\"}",
           1, "claude-sonnet-4-5", "claude");
    expect("{\"models\":[{\"name\":\"models/gemini-2.5-flash\",\"version\":\"001\"}]}", 1, "gemini-2.5-flash", "gemini");
    expect("{\"models\":[{\"name\":\"models/gemini-2.5-flash\"}]}", 1, "models/gemini-2.5-flash", "models/x");
    expect("{\"data\":[{\"model_id\":\"gpt-5\",\"pricing\":{}}],\"message\":\"\",\"success\":true}", 1, "gpt-5", NULL);
    expect("{\"success\":true,\"data\":[{\"model_name\":\"gpt-5\",\"quota_type\":0}]}", 1, "gpt-5", NULL);
    expect("[{\"id\":\"a\"},\"b\"]", 2, "b", "c");
    expect("{\"data\":[\"a\",\"b\",\"a\"]}", 2, "a", "");
    expect("{\"data\":{\"models\":[{\"id\":\"a\"}]}}", 1, "a", NULL);
    expect("{\"data\":[{\"id\":\"GPT-4o\"},{\"id\":\"gpt-4O\"}]}", 1, "gpt-4o", NULL); /* case is no difference */
    expect("{\"data\":[{\"id\":\"x\"},{\"id\":\"x\"},{\"id\":\"\"},{\"id\":7},{},null,[],{\"id\":null,\"name\":\"y\"}]}", 2, "y", "");
    expect("{\"object\":\"list\",\"data\":[]}", 0, NULL, "gpt-4o");
    expect("\xef\xbb\xbf{\"data\":[{\"id\":\"模型\"}]}", 1, "模型", "模");
}

static void test_no_list(void **state)
{
    (void)state;
    parse("{\"success\":false,\"message\":\"get user group failed\"}", OUTCOME_ERROR_IN_200);
    parse("{\"success\":false,\"message\":\"无效的令牌\"}", OUTCOME_AUTH);
    parse("{\"error\":{\"message\":\"x\",\"code\":\"insufficient_user_quota\"},\"data\":[]}", OUTCOME_NO_CREDIT);
    parse("{\"error\":{\"message\":\"boom\"}}", OUTCOME_ERROR_IN_200);
    parse("{\"code\":50000,\"message\":\"boom\",\"data\":null}", OUTCOME_ERROR_IN_200);
    parse("{}", OUTCOME_MALFORMED);
    parse("{\"data\":null}", OUTCOME_MALFORMED);
    parse("\"ok\"", OUTCOME_MALFORMED);
    parse("{\"data\":[{\"id\":\"a\"}", OUTCOME_MALFORMED);
    parse("", OUTCOME_EMPTY);
    parse("<html><title>Home</title>", OUTCOME_NOT_API);
}

static void test_partial_list_lacks_nothing(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{\"data\":[{\"id\":\"a\"}],\"has_more\":true}",
                                         "{\"models\":[{\"name\":\"models/a\"}],\"nextPageToken\":\"t\"}"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct models_list *list = parse(bodies[i], OUTCOME_OK);
        assert_true(models_list_partial(list));
        assert_int_equal(models_list_len(list), 1);
        assert_true(models_list_has(list, "not-on-this-page"));
        models_list_free(list);
    }
    models_list_free(NULL);
}

static void test_limits(void **state)
{
    (void)state;
    struct buf body = BUF_INIT;
    buf_add_str(&body, "{\"data\":[");
    for (int i = 0; i < MODELS_MAX + 5; i++)
        buf_printf(&body, "%s{\"id\":\"m%d\"}", i ? "," : "", i);
    buf_add_str(&body, "]}");
    struct models_list *list = parse(buf_str(&body), OUTCOME_OK);
    assert_int_equal(models_list_len(list), MODELS_MAX);
    assert_true(models_list_partial(list));
    models_list_free(list);
    buf_done(&body);

    char id[2000];
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    struct buf one = BUF_INIT;
    buf_printf(&one, "{\"data\":[{\"id\":\"%s\"},{\"id\":\"a\"}]}", id);
    list = parse(buf_str(&one), OUTCOME_OK);
    assert_int_equal(models_list_len(list), 1); /* too long to be an id */
    assert_false(models_list_has(list, id));
    id[512] = '\0';
    assert_false(models_list_has(list, id));
    models_list_free(list);
    buf_done(&one);
}

/* Random ids against a plain search. */
static void test_lookup(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 200; round++) {
        struct buf body = BUF_INIT;
        bool listed[1000] = {false};
        size_t different = 0;
        buf_add_str(&body, "[\"\"");
        for (int i = rand() % 300; i > 0; i--) {
            int n = rand() % 1000;
            different += !listed[n];
            listed[n] = true;
            buf_printf(&body, ",{\"id\":\"v/%d-x\"}", n);
        }
        buf_add_str(&body, "]");
        struct models_list *list = parse(buf_str(&body), OUTCOME_OK);
        assert_int_equal(models_list_len(list), different);
        for (int n = 0; n < 1000; n++) {
            char id[32];
            snprintf(id, sizeof id, "V/%d-X", n);
            assert_int_equal(models_list_has(list, id), listed[n]);
        }
        models_list_free(list);
        buf_done(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_no_list), cmocka_unit_test(test_partial_list_lacks_nothing),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_lookup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
