/* The requests that try capabilities out: their bodies in each dialect, the picture in them, and the questions that find one model under two names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probed/probe/capability_same.h"
#include "probed/probe/capability_try.h"

static const struct chat_ask ask = {.model = "vendor/gpt-4o", .prompt = "not used", .max_tokens = 64};

static cJSON *body_of(enum capability capability, enum dialect_id dialect, struct capability_try *t, struct chat_request *request)
{
    uint64_t random = 42;
    capability_try_make(t, capability, dialect, 1, &random);
    capability_request(t, &ask, request);
    cJSON *json = json_parse(request->body.data, request->body.len, NULL);
    assert_non_null(json);
    assert_string_equal(json_string(json, "model"), "vendor/gpt-4o");
    assert_null(strstr(buf_str(&request->body), "not used"));
    return json;
}

static void assert_whole(const cJSON *json, const struct chat_request *request)
{
    assert_null(json_at(json, "stream"));
    assert_null(json_at(json, "stream_options"));
    for (size_t i = 0; i < request->headers_len; i++)
        if (strcmp(request->headers[i].name, "Accept") == 0)
            assert_string_equal(request->headers[i].value, "application/json");
}

static void test_bodies(void **state)
{
    (void)state;
    struct capability_try t;
    struct chat_request r;
    int64_t n;
    cJSON *json = body_of(CAPABILITY_TOOLS, DIALECT_OPENAI, &t, &r);
    assert_whole(json, &r);
    assert_string_equal(json_string(json, "tools.0.type"), "function");
    assert_string_equal(json_string(json, "tools.0.function.name"), "record_code");
    assert_string_equal(json_string(json, "tools.0.function.parameters.properties.code.type"), "string");
    assert_string_equal(json_string(json, "tools.0.function.parameters.required.0"), "code");
    assert_non_null(strstr(json_string(json, "messages.0.content"), t.nonce));
    assert_true(json_int(json, "max_tokens", &n) && n == 64);
    assert_string_equal(buf_str(&r.path), "/chat/completions");
    cJSON_Delete(json);
    chat_request_done(&r);

    json = body_of(CAPABILITY_TOOLS, DIALECT_ANTHROPIC, &t, &r);
    assert_whole(json, &r);
    assert_string_equal(json_string(json, "tools.0.name"), "record_code");
    assert_string_equal(json_string(json, "tools.0.input_schema.type"), "object");
    assert_string_equal(buf_str(&r.path), "/v1/messages");
    cJSON_Delete(json);
    chat_request_done(&r);

    json = body_of(CAPABILITY_JSON, DIALECT_OPENAI, &t, &r);
    assert_whole(json, &r);
    assert_string_equal(json_string(json, "response_format.type"), "json_object");
    assert_non_null(strstr(json_string(json, "messages.0.content"), "JSON")); /* vendors refuse the mode without the word */
    cJSON_Delete(json);
    chat_request_done(&r);

    json = body_of(CAPABILITY_EMBEDDINGS, DIALECT_OPENAI, &t, &r);
    assert_string_equal(json_string(json, "encoding_format"), "float");
    assert_non_null(strstr(json_string(json, "input"), t.nonce));
    assert_string_equal(buf_str(&r.path), "/embeddings");
    cJSON_Delete(json);
    chat_request_done(&r);

    /* The same for every model and at any time, and streamed. */
    json = body_of(CAPABILITY_STREAM, DIALECT_OPENAI, &t, &r);
    assert_true(cJSON_IsTrue(json_at(json, "stream")));
    assert_string_equal(json_string(json, "messages.0.content"), same_question(1));
    assert_null(strstr(buf_str(&r.body), t.nonce));
    cJSON_Delete(json);
    chat_request_done(&r);
    for (int d = 0; d < DIALECT_COUNT; d++) {
        json = NULL;
        capability_try_make(&t, CAPABILITY_STREAM, (enum dialect_id)d, 2, &(uint64_t){7});
        capability_request(&t, &ask, &r);
        assert_non_null(strstr(buf_str(&r.body), same_question(2)));
        chat_request_done(&r);
    }
}

static void test_which_dialects(void **state)
{
    (void)state;
    for (int d = 0; d < DIALECT_COUNT; d++) {
        bool openai = d == DIALECT_OPENAI, anthropic = d == DIALECT_ANTHROPIC;
        assert_true(capability_has_try(CAPABILITY_STREAM, (enum dialect_id)d));
        assert_false(capability_has_try(CAPABILITY_USAGE, (enum dialect_id)d));
        assert_int_equal(capability_has_try(CAPABILITY_TOOLS, (enum dialect_id)d), openai || anthropic);
        assert_int_equal(capability_has_try(CAPABILITY_VISION, (enum dialect_id)d), openai || anthropic);
        assert_int_equal(capability_has_try(CAPABILITY_JSON, (enum dialect_id)d), openai);
        assert_int_equal(capability_has_try(CAPABILITY_EMBEDDINGS, (enum dialect_id)d), openai);
    }
    for (int c = 0; c < CAPABILITY_COUNT; c++) {
        int prompt = -1, output = -1;
        capability_tokens((enum capability)c, &prompt, &output);
        assert_true(c == CAPABILITY_USAGE ? prompt == 0 : prompt > 0 && output >= 0);
    }
}

/* --- the picture ------------------------------------------------------------------------------------------------------ */

static uint32_t get32(const unsigned char *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* CRC-32, a table-free bitwise one the other way round than the picture's own. */
static uint32_t crc32_of(const unsigned char *data, size_t len)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            uint32_t mix = (crc ^ (uint32_t)(data[i] >> bit)) & 1;
            crc = crc >> 1 ^ (mix ? 0xedb88320 : 0);
        }
    return ~crc;
}

/* Every chunk by its length and checksum; the pixels inflated by hand. */
static void test_picture(void **state)
{
    (void)state;
    for (int c = 0; c < PICTURE_COLOURS; c++) {
        struct buf png = BUF_INIT;
        picture_make((enum picture_colour)c, &png);
        const unsigned char *p = (const unsigned char *)png.data, *end = p + png.len;
        assert_memory_equal(p, "\x89PNG\r\n\x1a\n", 8);
        static const char *const order[] = {"IHDR", "PLTE", "IDAT", "IEND"};
        size_t n = 0;
        for (p += 8; p < end; n++) {
            uint32_t len = get32(p);
            assert_true(p + 12 + len <= end && n < 4);
            assert_memory_equal(p + 4, order[n], 4);
            assert_int_equal(get32(p + 8 + len), crc32_of(p + 4, len + 4));
            if (n == 0)
                assert_memory_equal(p + 8, "\0\0\0\x40\0\0\0\x40\x01\x03\0\0\0", 13);
            if (n == 1)
                assert_true(p[8 + c] > 150 && p[8 + (c + 1) % 3] < 60 && p[8 + (c + 2) % 3] < 60);
            if (n == 2) { /* one stored block: 64 rows of a filter's byte and eight of pixels */
                const unsigned char *z = p + 8;
                uint32_t size = 64 * 9, a = 1, b = 0;
                assert_int_equal((z[0] << 8 | z[1]) % 31, 0);
                assert_int_equal(z[2], 1);
                assert_int_equal(z[3] | z[4] << 8, size);
                assert_int_equal(z[5] | z[6] << 8, ~size & 0xffff);
                assert_int_equal(len, 7 + size + 4);
                for (uint32_t i = 0; i < size; i++) {
                    assert_int_equal(z[7 + i], 0);
                    a = (a + z[7 + i]) % 65521;
                    b = (b + a) % 65521;
                }
                assert_int_equal(get32(z + 7 + size), b << 16 | a);
            }
            p += 12 + len;
        }
        assert_int_equal(n, 4);
        assert_true(png.len < 1000);
        if (getenv("PICTURE_DIR")) { /* for eyes and other programs */
            char name[200];
            snprintf(name, sizeof name, "%s/%s.png", getenv("PICTURE_DIR"), picture_colour_name((enum picture_colour)c));
            FILE *f = fopen(name, "w");
            assert_non_null(f);
            fwrite(png.data, 1, png.len, f);
            fclose(f);
        }
        buf_done(&png);
    }
}

static void test_base64(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT;
        picture_add_base64(&b, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(buf_str(&b), cases[i][1]);
        buf_done(&b);
    }
}

static void test_picture_in_the_body(void **state)
{
    (void)state;
    struct capability_try t;
    struct chat_request r;
    unsigned seen = 0;
    for (uint64_t seed = 1; seed < 40; seed++) {
        uint64_t random = seed;
        struct buf png = BUF_INIT, base64 = BUF_INIT;
        capability_try_make(&t, CAPABILITY_VISION, DIALECT_OPENAI, 0, &random);
        seen |= 1u << t.colour;
        capability_request(&t, &ask, &r);
        cJSON *json = json_parse(r.body.data, r.body.len, NULL);
        const char *url = json_string(json, "messages.0.content.0.image_url.url");
        picture_make(t.colour, &png);
        buf_add_str(&base64, "data:image/png;base64,");
        picture_add_base64(&base64, png.data, png.len);
        assert_string_equal(url, buf_str(&base64));
        assert_string_equal(json_string(json, "messages.0.content.1.type"), "text");
        assert_non_null(strstr(json_string(json, "messages.0.content.1.text"), "red, green or blue"));
        cJSON_Delete(json);
        chat_request_done(&r);
        t.dialect = DIALECT_ANTHROPIC;
        capability_request(&t, &ask, &r);
        json = json_parse(r.body.data, r.body.len, NULL);
        assert_string_equal(json_string(json, "messages.0.content.0.source.media_type"), "image/png");
        assert_string_equal(json_string(json, "messages.0.content.0.source.data"), buf_str(&base64) + strlen("data:image/png;base64,"));
        cJSON_Delete(json);
        chat_request_done(&r);
        buf_done(&png);
        buf_done(&base64);
    }
    assert_int_equal(seen, 7);
}

/* --- one model under two names ---------------------------------------------------------------------------------------- */

static void test_same(void **state)
{
    (void)state;
    const char *a = "The keeper sees frost on the railing and hears gulls circling over the grey water. Far out, a trawler's lamp blinks through the mist.";
    const char *b = "  the keeper sees frost on the railing, and hears gulls circling over the grey water.\n\nFar out a trawler\xe2\x80\x99s lamp \xe2\x80\x9c" "blinks\xe2\x80\x9d through the mist";
    const char *c = "The keeper sees frost on the railing and hears gulls circling over the grey water. Far out, a trawler's lamp blinks through the fog.";
    assert_true(same_hash(a) != 0);
    assert_true(same_hash(a) == same_hash(b));
    assert_true(same_hash(a) != same_hash(c));
    assert_true(same_hash("") == 0 && same_hash("Yes, of course.") == 0);
    char text[200] = "";
    for (int i = 0; i < 79; i++)
        strcat(text, "x");
    assert_true(same_hash(text) == 0);
    strcat(text, " .,;!");
    assert_true(same_hash(text) == 0);
    strcat(text, "y");
    assert_true(same_hash(text) != 0);
    /* Characters of other scripts count by the character, and their punctuation does not. */
    char chinese[600] = "";
    for (int i = 0; i < 80; i++)
        strcat(chinese, i % 2 ? "\xe7\x81\xaf" : "\xe5\xa1\x94");
    uint64_t hash = same_hash(chinese);
    assert_true(hash != 0);
    char dotted[700];
    snprintf(dotted, sizeof dotted, "%s\xe3\x80\x82", chinese);
    assert_true(same_hash(dotted) == hash);
    assert_true(same_hash("\xff\xfe\xff") == 0);
    for (unsigned q = 0; q < SAME_QUESTIONS; q++)
        for (unsigned other = 0; other < q; other++)
            assert_string_not_equal(same_question(q), same_question(other));
    assert_string_equal(same_question(SAME_QUESTIONS), same_question(0));
}

static void test_families(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"gpt-4o", "gpt"}, {"openai/gpt-4o-2024-08-06", "gpt"}, {"o3-mini", "gpt"}, {"chatgpt-4o-latest", "gpt"}, {"claude-3-haiku", "claude"},
        {"anthropic/claude-3.5-sonnet", "claude"}, {"Qwen/Qwen2.5-7B", "qwen"}, {"qwq-32b", "qwen"}, {"deepseek-chat", "deepseek"},
        {"moonshot-v1-8k", "kimi"}, {"kimi-k2", "kimi"}, {"glm-4", "glm"}, {"mixtral-8x7b", "mistral"}, {"text-davinci-003", ""}, {"m1", ""},
        {"", ""}, {"/", ""}, {"123", ""}, {"model", ""}, {"a-very-long-name-indeed", ""}, {"abcdefghijklmnopqrstuvwxyzabcdefghij", "abcdefghijklmnopqrstuvw"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char family[SAME_FAMILY_MAX];
        same_family(cases[i][0], family);
        assert_string_equal(family, cases[i][1]);
    }
    assert_true(same_differ("gpt-4o", "claude-3-haiku"));
    assert_false(same_differ("gpt-4o", "openai/gpt-4o-mini"));
    assert_false(same_differ("gpt-4o", "m1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies), cmocka_unit_test(test_which_dialects),      cmocka_unit_test(test_picture), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_same),   cmocka_unit_test(test_picture_in_the_body), cmocka_unit_test(test_families),
    };
    return cmocka_run_group_tests_name("requests that try capabilities", tests, NULL, NULL);
}
