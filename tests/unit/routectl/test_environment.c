/* Shell text of `best -o env`: run by a real shell, with hostile values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "routectl/environment.h"

static const struct environment_route plain = {
    .platform = "openrouter",
    .model = "gpt-4o-mini",
    .upstream_model = "openai/gpt-4o-mini",
    .endpoint = "https://openrouter.ai/api/v1",
    .dialect = "openai",
    .key_env = "OPENROUTER_API_KEY",
};

/* What `sh -euc "$text"; printf` prints; *ret_status its exit status. */
static void run_shell(const char *text, const char *then, char *ret, size_t size, int *ret_status)
{
    int ends[2];
    struct buf script = BUF_INIT;
    buf_printf(&script, "%s\n%s", text, then);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-euc", buf_str(&script), (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t at = 0;
    for (ssize_t n; at + 1 < size && (n = read(ends[0], ret + at, size - 1 - at)) > 0;)
        at += (size_t)n;
    ret[at] = '\0';
    close(ends[0]);
    waitpid(pid, ret_status, 0);
    buf_done(&script);
}

static void test_openai(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    assert_int_equal(environment_write(&plain, &text, NULL), 0);
    assert_string_equal(buf_str(&text), "export OPENAI_BASE_URL='https://openrouter.ai/api/v1'\n"
                                        "export OPENAI_MODEL='openai/gpt-4o-mini'\n"
                                        "export OPENAI_API_KEY=\"${OPENROUTER_API_KEY-}\"\n"
                                        "export PROBED_PLATFORM='openrouter'\n"
                                        "export PROBED_MODEL='gpt-4o-mini'\n"
                                        "export PROBED_DIALECT='openai'\n");
    buf_done(&text);
}

static void test_anthropic(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    struct environment_route route = plain;
    route.dialect = "anthropic";
    assert_int_equal(environment_write(&route, &text, NULL), 0);
    assert_non_null(strstr(buf_str(&text), "export ANTHROPIC_BASE_URL='https://openrouter.ai/api/v1'\n"));
    assert_non_null(strstr(buf_str(&text), "export ANTHROPIC_API_KEY=\"${OPENROUTER_API_KEY-}\"\n"));
    assert_null(strstr(buf_str(&text), "OPENAI_"));
    buf_done(&text);
}

static void test_key_reference_lives_under_set_u(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    char out[256];
    int status;
    assert_int_equal(environment_write(&plain, &text, NULL), 0);
    unsetenv("OPENROUTER_API_KEY");
    run_shell(buf_str(&text), "printf '[%s]' \"$OPENAI_API_KEY\"", out, sizeof out, &status);
    assert_int_equal(status, 0);
    assert_string_equal(out, "[]");
    setenv("OPENROUTER_API_KEY", "sk-$(echo no) 'x", 1);
    run_shell(buf_str(&text), "printf '[%s]' \"$OPENAI_API_KEY\"", out, sizeof out, &status);
    assert_string_equal(out, "[sk-$(echo no) 'x]");
    assert_null(strstr(buf_str(&text), "sk-"));
    buf_done(&text);
}

/* Without a key variable of its own the client's one is cleared: it belongs to somebody else. */
static void test_no_key(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    struct environment_route route = plain;
    char out[256];
    int status;
    route.key_env = NULL;
    assert_int_equal(environment_write(&route, &text, NULL), 0);
    setenv("OPENAI_API_KEY", "other", 1);
    run_shell(buf_str(&text), "printf '[%s]' \"${OPENAI_API_KEY-unset}\"", out, sizeof out, &status);
    assert_string_equal(out, "[unset]");
    unsetenv("OPENAI_API_KEY");
    buf_done(&text);
}

static void test_hostile_values_are_quoted(void **state)
{
    (void)state;
    static const char *const values[] = {
        "it's", "$(echo pwned)", "`echo pwned`", "a\\", "'; echo pwned; '", "\"", "${PATH}", "!!", "*", "-n", "中文 😀", "~", "#x"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buf text = BUF_INIT;
        struct environment_route route = plain;
        char out[512], wanted[512];
        int status;
        route.endpoint = route.upstream_model = route.platform = route.model = values[i];
        assert_int_equal(environment_write(&route, &text, NULL), 0);
        run_shell(buf_str(&text), "printf '[%s|%s|%s|%s]' \"$OPENAI_BASE_URL\" \"$OPENAI_MODEL\" \"$PROBED_PLATFORM\" \"$PROBED_MODEL\"",
                  out, sizeof out, &status);
        assert_int_equal(status, 0);
        snprintf(wanted, sizeof wanted, "[%s|%s|%s|%s]", values[i], values[i], values[i], values[i]);
        assert_string_equal(out, wanted);
        buf_done(&text);
    }
}

/* What has no place on a line refuses the whole: nothing is half-printed. */
static void test_refused_whole(void **state)
{
    (void)state;
    static const char *const keys[] = {"", "1A", "A-B", "X;rm -rf /", "A B", "A\nB", "${A}", "A=B", "É"};
    static const char *const urls[] = {
        "", "http://a/\nPATH=/evil", "http://a/\x1b[31m", "http://a/\xff", "http://a/\xc2\x9b", "http://a/\xe2\x80\xae", NULL};
    struct buf text = BUF_INIT;
    struct err err;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct environment_route route = plain;
        route.key_env = keys[i];
        err.text[0] = '\0';
        assert_int_equal(environment_write(&route, &text, &err), -EINVAL);
        assert_int_equal(text.len, 0);
        assert_true(err.text[0]);
    }
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct environment_route route = plain;
        route.endpoint = urls[i];
        assert_int_equal(environment_write(&route, &text, &err), -EINVAL);
        assert_int_equal(text.len, 0);
    }
    struct environment_route route = plain;
    route.dialect = "gemini";
    assert_int_equal(environment_write(&route, &text, &err), -EINVAL);
    assert_int_equal(text.len, 0);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openai),
        cmocka_unit_test(test_anthropic),
        cmocka_unit_test(test_key_reference_lives_under_set_u),
        cmocka_unit_test(test_no_key),
        cmocka_unit_test(test_hostile_values_are_quoted),
        cmocka_unit_test(test_refused_whole),
    };
    return cmocka_run_group_tests_name("routectl environment", tests, NULL, NULL);
}
