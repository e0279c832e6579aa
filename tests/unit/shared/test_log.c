/* log: what reaches a sink, and the lines of the default one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/log.h"
#include "shared/text.h"
#include "tests/unit/shared/test_random.h"

struct collected {
    unsigned count;
    enum log_level level;
    char message[4096], id[64], last_value[64];
    size_t fields;
};

static void collect(void *arg, const struct log_entry *entry)
{
    struct collected *c = arg;
    c->count++;
    c->level = entry->level;
    c->fields = entry->fields_len;
    snprintf(c->message, sizeof(c->message), "%s", entry->message);
    snprintf(c->id, sizeof(c->id), "%s", entry->message_id ? entry->message_id : "");
    if (entry->fields_len > 0 && entry->fields[entry->fields_len - 1].value)
        snprintf(c->last_value, sizeof(c->last_value), "%s", entry->fields[entry->fields_len - 1].value);
    errno = EBUSY;
}

static void a_sink_gets_what_is_wanted(void **state)
{
    (void)state;
    struct collected c = {.count = 0};
    log_set_sink(collect, &c);
    log_set_level(LOG_LEVEL_INFO);
    assert_true(log_wanted(LOG_LEVEL_INFO));
    assert_false(log_wanted(LOG_LEVEL_DEBUG));
    log_debug("not %s", "this");
    assert_int_equal(c.count, 0);
    errno = ENOENT;
    log_warning("disk %d", 7);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.level, LOG_LEVEL_WARNING);
    assert_string_equal(c.message, "disk 7");

    const struct log_field fields[] = {{"A", "1"}, {"B", NULL}, {"C", "3"}};
    log_event(LOG_LEVEL_NOTICE, "0123", fields, 3, "%s went", "x");
    assert_int_equal(c.fields, 3);
    assert_string_equal(c.id, "0123");
    assert_string_equal(c.last_value, "3");
    struct log_field many[LOG_FIELDS_MAX + 5];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct log_field){"N", "v"};
    log_event(LOG_LEVEL_NOTICE, NULL, many, ARRAY_LEN(many), "many");
    assert_int_equal(c.fields, LOG_FIELDS_MAX);
    log_event(LOG_LEVEL_NOTICE, NULL, NULL, 3, "none");
    assert_int_equal(c.fields, 0);
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("now");
    assert_string_equal(c.message, "now");
    log_set_sink(NULL, NULL);
    log_set_level(LOG_LEVEL_INFO);
}

/* What the default sink writes for one event. */
static char *line_of(const char *message, const struct log_field *fields, size_t len)
{
    static char text[256 * 1024];
    char path[] = "/tmp/test-log-XXXXXX";
    int file = mkstemp(path), saved = dup(STDERR_FILENO);
    assert_true(file >= 0 && saved >= 0);
    unlink(path);
    dup2(file, STDERR_FILENO);
    log_event(LOG_LEVEL_NOTICE, "abc", fields, len, "%s", message);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = pread(file, text, sizeof(text) - 1, 0);
    close(file);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

/* Whatever the level: a quiet journal is no reason to have no history. */
static void a_tap_gets_every_event(void **state)
{
    (void)state;
    struct collected sink = {.count = 0}, tap = {.count = 0};
    const struct log_field field = {"A", "1"};
    log_set_sink(collect, &sink);
    log_set_tap(collect, &tap);
    log_set_level(LOG_LEVEL_WARNING);
    log_event(LOG_LEVEL_NOTICE, "0123", &field, 1, "went");
    assert_int_equal(sink.count, 0);
    assert_int_equal(tap.count, 1);
    assert_string_equal(tap.message, "went");
    log_event(LOG_LEVEL_ERR, "0123", &field, 1, "went");
    assert_int_equal(sink.count, 1);
    assert_int_equal(tap.count, 2);
    log_err("no event");
    log_event(LOG_LEVEL_DEBUG, "0123", &field, 1, "too small");
    assert_int_equal(sink.count, 2);
    assert_int_equal(tap.count, 2);
    log_set_tap(NULL, NULL);
    log_event(LOG_LEVEL_ERR, "0123", &field, 1, "went");
    assert_int_equal(tap.count, 2);
    log_set_sink(NULL, NULL);
    log_set_level(LOG_LEVEL_INFO);
}

static void the_default_line(void **state)
{
    (void)state;
    const struct log_field fields[] = {
        {"PROBED_PLATFORM", "openrouter"},
        {"PROBED_FROM", NULL},
        {"PROBED_REASON", "said \"no\"\n<0>forged"},
        {"EMPTY", ""},
        {NULL, "nameless"},
    };
    assert_string_equal(line_of("a/b is\nup\xFF", fields, ARRAY_LEN(fields)),
                        "<5>a/b is\\nup\xEF\xBF\xBD PROBED_PLATFORM=openrouter PROBED_REASON=\"said \\\"no\\\"\\n<0>forged\" EMPTY=\"\"\n");
    assert_string_equal(line_of("plain", NULL, 0), "<5>plain\n");
}

static void any_text_is_one_line(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        char message[5000], value[5000];
        size_t n = test_random_below(sizeof(message)), m = test_random_below(sizeof(value));
        for (size_t i = 0; i < n; i++)
            message[i] = (char)(1 + test_random_below(255));
        for (size_t i = 0; i < m; i++)
            value[i] = (char)(1 + test_random_below(255));
        /* Some lines grow beyond their cap: ten bytes for each hidden character. */
        if (round % 10 == 0) {
            for (m = 0; m + 6 < sizeof(value); m += 5)
                memcpy(value + m, "\xF3\xA0\x81\x81 ", 5);
            memcpy(value + m++, "\xC3\xA9", 2);
            m++;
        }
        message[n] = value[m] = '\0';
        struct log_field fields[LOG_FIELDS_MAX];
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            fields[i] = (struct log_field){"F", value};
        char *line = line_of(message, fields, test_random_below(LOG_FIELDS_MAX));
        size_t len = strlen(line);
        assert_true(len > 3 && len <= 64 * 1024 + 1);
        assert_int_equal(line[len - 1], '\n');
        assert_ptr_equal(strchr(line, '\n'), line + len - 1);
        assert_true(text_is_utf8(line, len));
        for (size_t i = 0; i + 1 < len; i++)
            assert_true((unsigned char)line[i] >= 0x20 && line[i] != 0x7F);
    }
}

int main(void)
{
    test_random_begin("test_log");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sink_gets_what_is_wanted),
        cmocka_unit_test(a_tap_gets_every_event),
        cmocka_unit_test(the_default_line),
        cmocka_unit_test(any_text_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
