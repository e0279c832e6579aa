/* The bodies of writes: what they may say, and that every refusal names what is wrong. Pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/serve/api_parts.h"

#define NOW (1700000000 * USEC_PER_SEC)

static void test_good_ones(void **state)
{
    (void)state;
    struct api_override o;
    struct err err = {.text = ""};
    const char *body = "{\"action\":\"pin\",\"platform\":\"openrouter\",\"model\":\"gpt-4o-mini\",\"for_s\":0.5,\"reason\":\"\xe4\xb8\xad\xe6\x96\x87\"}";
    assert_int_equal(override_parse(body, strlen(body), NOW, &o, &err), 0);
    assert_int_equal(o.action, OVERRIDE_PIN);
    assert_string_equal(o.platform, "openrouter");
    assert_string_equal(o.model, "gpt-4o-mini");
    assert_int_equal(o.made_at, NOW);
    assert_int_equal(o.expires_at, NOW + USEC_PER_SEC / 2);
    assert_string_equal(o.reason, "\xe4\xb8\xad\xe6\x96\x87");
    body = " {\"platform\":\"a\" , \"action\":\"enable\", \"for_s\":null, \"model\":null}\n";
    assert_int_equal(override_parse(body, strlen(body), NOW, &o, &err), 0);
    assert_string_equal(o.model, "");
    assert_int_equal(o.expires_at, 0);
    struct buf text = BUF_INIT;
    strcpy(o.by, "alice");
    cJSON *json = override_to_json(&o);
    json_print(json, false, &text);
    assert_string_equal(buf_str(&text), "{\"action\":\"enable\",\"platform\":\"a\",\"model\":null,\"made_at\":1700000000,\"expires_at\":null,"
                                        "\"reason\":\"\",\"by\":\"alice\"}");
    cJSON_Delete(json);
    buf_done(&text);
}

static void test_bad_ones_name_what_is_wrong(void **state)
{
    (void)state;
    const struct {
        const char *body, *word;
    } cases[] = {
        {"", "JSON"},
        {"{", "JSON"},
        {"[]", "object"},
        {"null", "object"},
        {"{}", "\"action\" is missing"},
        {"{\"action\":\"drain\"}", "\"platform\" is missing"},
        {"{\"action\":\"drain\",\"platform\":\"\"}", "\"platform\" is empty"},
        {"{\"action\":\"drain\",\"platform\":1}", "\"platform\" is not a string"},
        {"{\"action\":\"nuke\",\"platform\":\"a\"}", "drain, pin, enable"},
        {"{\"action\":\"none\",\"platform\":\"a\"}", "drain, pin, enable"},
        {"{\"action\":\"drain\",\"platform\":\"a\",\"fors\":60}", "\"fors\""},
        {"{\"action\":\"drain\",\"platform\":\"a\",\"Model\":\"x\"}", "\"Model\""},
        {"{\"action\":\"drain\",\"platform\":\"a\",\"platform\":\"b\"}", "more than once"},
        {"{\"action\":\"drain\",\"platform\":\"a\",\"for_s\":0}", "for_s"},
        {"{\"action\":\"drain\",\"platform\":\"a\",\"for_s\":-1}", "for_s"},
        {"{\"action\":\"drain\",\"platform\":\"a\",\"for_s\":1e300}", "for_s"},
        {"{\"action\":\"drain\",\"platform\":\"a\",\"for_s\":\"2h\"}", "for_s"},
        {"{\"action\":\"drain\",\"platform\":\"a\",\"model\":{}}", "\"model\" is not a string"},
        {"{\"action\":\"drain\",\"platform\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "longer than 63 bytes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_override o = {.action = OVERRIDE_NONE};
        struct err err = {.text = ""};
        assert_int_equal(override_parse(cases[i].body, strlen(cases[i].body), NOW, &o, &err), -EINVAL);
        if (strstr(err.text, cases[i].word) == NULL)
            fail_msg("%s: %s", cases[i].body, err.text);
        assert_int_equal(o.action, OVERRIDE_NONE); /* untouched */
    }
    char platform[64], model[128];
    int kind = 7;
    struct err err = {.text = ""};
    assert_int_equal(override_parse_probe("{\"platform\":\"a\",\"for_s\":1}", 26, platform, model, &kind, &err), -EINVAL);
    assert_int_equal(override_parse_probe("{\"platform\":\"a\"}", 16, platform, model, &kind, &err), 0);
    assert_int_equal(kind, -1);
    assert_int_equal(override_parse_probe("{\"platform\":\"a\",\"kind\":\"burst\"}", 31, platform, model, &kind, &err), 0);
    assert_int_equal(kind, PROBE_BURST);
    assert_int_equal(override_parse_probe("{\"platform\":\"a\",\"kind\":\"bursts\"}", 32, platform, model, &kind, &err), -EINVAL);
    assert_non_null(strstr(err.text, "reach, models, chat, price, balance, burst, capabilities"));
    assert_string_equal(model, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good_ones), cmocka_unit_test(test_bad_ones_name_what_is_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
