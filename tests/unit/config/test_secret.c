/* Keys: which place they come from, which files are refused, and what is said about them. */
#include <errno.h>

#include "tests/unit/config/scratch.h"

#define VARIABLE "PROBED_TEST_KEY"

static int begin(void **state)
{
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv(VARIABLE);
    return scratch_begin(state);
}

static void expect(const struct secret_source *source, const char *key)
{
    struct err err = {""};
    struct secret *s = NULL;
    int e = secret_load(source, &s, &err);
    if (e < 0)
        fail_msg("%s", err.text);
    assert_string_equal(secret_reveal(s), key);
    assert_null(secret_free(s));
}

static void expect_none(const struct secret_source *source, int code, const char *words)
{
    struct err err = {""};
    struct secret *s = NULL;
    assert_int_equal(secret_load(source, &s, &err), code);
    assert_null(s);
    if (!strstr(err.text, words))
        fail_msg("no \"%s\" in: %s", words, err.text);
    assert_null(strstr(err.text, "abcdef")); /* every key of this test begins so */
}

static void test_order(void **state)
{
    (void)state;
    char file[256];
    snprintf(file, sizeof file, "%s", scratch_path("key"));
    struct secret_source all = {.credential = (char[]){"cred"}, .file = file, .env = (char[]){VARIABLE}};
    expect_none(&all, -ENOENT, "tried: credential cred, file ");
    setenv(VARIABLE, "abcdef-env", 1);
    expect(&all, "abcdef-env");
    scratch_write("key", "  abcdef-file \r\n");
    expect(&all, "abcdef-file");
    scratch_write_n("cred", "abcdef-cred", 11, 0444); /* systemd decides who may read its files */
    setenv("CREDENTIALS_DIRECTORY", scratch_dir, 1);
    expect(&all, "abcdef-cred");
    unsetenv("CREDENTIALS_DIRECTORY");
    struct secret_source none = {.env = NULL};
    expect_none(&none, -ENOENT, "none");
}

static void test_modes(void **state)
{
    (void)state;
    char file[256];
    snprintf(file, sizeof file, "%s", scratch_path("key"));
    struct secret_source source = {.file = file, .env = (char[]){VARIABLE}};
    static const struct {
        mode_t mode;
        bool good;
    } modes[] = {{0400, true},  {0600, true},  {0640, true},  {0604, false}, {0644, false},
                 {0660, false}, {0620, false}, {0602, false}, {0601, false}};
    setenv(VARIABLE, "abcdef-env", 1); /* never fallen back to when the file is there and not safe */
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        scratch_write_n("key", "abcdef\n", 7, modes[i].mode);
        if (modes[i].good)
            expect(&source, "abcdef");
        else
            expect_none(&source, -EPERM, "chmod 600");
    }
    if (geteuid() == 0) {
        scratch_write_n("key", "abcdef\n", 7, 0640);
        assert_int_equal(chown(file, 0, 54321), 0);
        expect_none(&source, -EPERM, "a group that is neither");
        scratch_write_n("key", "abcdef\n", 7, 0600);
        assert_int_equal(chown(file, 54321, 0), 0);
        expect_none(&source, -EPERM, "belongs to another user");
    }
    unlink(file);
    assert_int_equal(mkfifo(file, 0600), 0);
    expect_none(&source, -EPERM, "not a regular file");
}

static void test_content(void **state)
{
    (void)state;
    char file[256];
    snprintf(file, sizeof file, "%s", scratch_path("key"));
    struct secret_source source = {.file = file};
    scratch_write("key", "abcdef\nabcdef\n");
    expect_none(&source, -EINVAL, "one line");
    scratch_write("key", "abcdef x");
    expect_none(&source, -EINVAL, "one line");
    scratch_write_n("key", "abcdef\0x", 8, 0600);
    expect_none(&source, -EINVAL, "one line");
    scratch_write("key", "abcdef\xc3\xa4");
    expect_none(&source, -EINVAL, "one line");
    scratch_write("key", " \n\n");
    expect_none(&source, -EINVAL, "empty");
    char long_text[8192];
    memset(long_text, 'a', sizeof long_text);
    scratch_write_n("key", long_text, 4097, 0600);
    expect_none(&source, -EINVAL, "longer than 4096 bytes");
    scratch_write_n("key", long_text, sizeof long_text, 0600);
    expect_none(&source, -EINVAL, "longer than 4096 bytes");
    long_text[4096] = '\0';
    scratch_write_n("key", long_text, 4096, 0600);
    expect(&source, long_text);
}

static void test_equal(void **state)
{
    (void)state;
    struct secret_source source = {.env = (char[]){VARIABLE}};
    struct secret *a = NULL, *b = NULL, *c = NULL;
    setenv(VARIABLE, "abcdef1", 1);
    assert_int_equal(secret_load(&source, &a, NULL), 0);
    assert_int_equal(secret_load(&source, &b, NULL), 0);
    setenv(VARIABLE, "abcdef2", 1);
    assert_int_equal(secret_load(&source, &c, NULL), 0);
    assert_true(secret_equal(a, b));
    assert_false(secret_equal(a, c));
    assert_false(secret_equal(a, NULL));
    assert_true(secret_equal(NULL, NULL));
    secret_free(a);
    secret_free(b);
    secret_free(c);
    secret_free(NULL);
}

static void test_describe(void **state)
{
    (void)state;
    char text[64];
    struct secret_source source = {.env = (char[]){"A_KEY"}};
    secret_describe(&source, text, sizeof text);
    assert_string_equal(text, "env A_KEY");
    source.credential = (char[]){"a"};
    secret_describe(&source, text, sizeof text);
    assert_string_equal(text, "credential a, env A_KEY");
    secret_describe(&source, text, 8);
    assert_string_equal(text, "credent");
    struct secret_source none = {.env = NULL};
    secret_describe(&none, text, sizeof text);
    assert_string_equal(text, "none");
}

static void assert_hidden(const char *key, const char *text, const char *want)
{
    struct secret *secret = NULL;
    struct err err = {""};
    char copy[600];
    setenv("PROBED_TEST_HIDE", key, 1);
    assert_int_equal(secret_load(&(struct secret_source){.env = (char[]){"PROBED_TEST_HIDE"}}, &secret, &err), 0);
    snprintf(copy, sizeof copy, "%s", text);
    const struct secret *const keys[] = {NULL, secret};
    assert_int_equal(secret_hide(keys, 2, copy), strcmp(text, want) != 0);
    assert_string_equal(copy, want);
    secret_free(secret);
    unsetenv("PROBED_TEST_HIDE");
}

/* Relays quote keys back in every form. */
static void test_hide(void **state)
{
    (void)state;
    const char *plain = "sk-Xq3mT7vB9kLw2ZpR", *uuid = "347611a3-ce9d-4b8e-9f00-1a2b3c4d5e6f", *odd = "Zm9v/cXV4+YmFy==", *little = "abc12";
    assert_hidden(plain, "key sk-Xq3mT7vB9kLw2ZpR is no good", "key *** is no good");
    assert_hidden(plain, "xxsk-Xq3mT7vB9kLw2ZpRyy", "xx***yy");
    assert_hidden(plain, "ends in vB9kLw2Z, begins with sk-Xq3mT", "ends in ***, begins with ***");
    assert_hidden(plain, "SK-XQ3MT7VB9KLW2ZPR in capitals", "*** in capitals");
    assert_hidden(plain, "/key/%73%6B%2D%58%71%33%6d%54%37%76%42%39 x", "/key/*** x");
    assert_hidden(plain, "twice %2573%256b%252dXq3mT7vB9 x", "twice *** x");
    assert_hidden(plain, "seven are shown: vB9kLw2", "seven are shown: vB9kLw2");
    assert_hidden(plain, "nothing of it, 100 % sure%", "nothing of it, 100 % sure%");
    assert_hidden(uuid, "no 347611a3-ce9d-4b8e-9f00-1a2b3c4d5e6f!", "no ***!");
    assert_hidden(odd, "Zm9v%2FcXV4%2BYmFy%3D%3D", "***");
    assert_hidden(odd, "Zm9v/cXV4+YmFy==Zm9v/cXV4+YmFy==", "******");
    assert_hidden(little, "abc12 and ABC1", "*** and ABC1");
    assert_hidden(plain, "", "");
    char none[] = "text";
    assert_false(secret_hide(NULL, 0, none));
    assert_string_equal(none, "text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hide),
        cmocka_unit_test_setup_teardown(test_order, begin, scratch_end),    cmocka_unit_test_setup_teardown(test_modes, begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_content, begin, scratch_end),  cmocka_unit_test_setup_teardown(test_equal, begin, scratch_end),
        cmocka_unit_test_setup_teardown(test_describe, begin, scratch_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
