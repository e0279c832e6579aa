/* The state file: replaced whole, and what cannot be read is put aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probed/store/state.h"
#include "shared/alloc.h"

static char folder[32], file[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/probed-XXXXXX" : "/tmp/probed-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/sub/state.json", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void put(const char *name, const char *text, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct err err = {""};
    struct stat st;
    cJSON *json = NULL;
    assert_int_equal(state_read(file, &json, &err), 0); /* none yet: an empty object */
    assert_true(cJSON_IsObject(json) && json->child == NULL);
    json_add_int(json, "epoch", 9007199254740993);
    json_add_string(json, "reason", "上游维护 \"x\"\n");
    assert_int_equal(state_write(file, json, &err), 0); /* makes the directory */
    cJSON_Delete(json);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int64_t epoch = 0;
    assert_int_equal(state_read(file, &json, &err), 0);
    assert_true(json_int(json, "epoch", &epoch));
    assert_true(epoch >= 9007199254740992);
    assert_string_equal(json_string(json, "reason"), "上游维护 \"x\"\n");
    cJSON_Delete(json);
}

static void test_set_aside(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "[1]", "null", "{\"a\":1} x", "\xff\xfe", "{\"a\":\"\xff\"}"};
    char name[96];
    cJSON *json = cJSON_CreateObject();
    assert_int_equal(state_write(file, json, NULL), 0);
    cJSON_Delete(json);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {""};
        put(file, bad[i], strlen(bad[i]));
        json = NULL;
        assert_int_equal(state_read(file, &json, &err), 1);
        assert_true(cJSON_IsObject(json) && json->child == NULL);
        assert_non_null(strstr(err.text, "set aside as"));
        cJSON_Delete(json);
        assert_int_equal(access(file, F_OK), -1);
        snprintf(name, sizeof(name), i == 0 ? "%s.bad" : "%s.bad.%zu", file, i + 1);
        char back[32];
        int fd = open(name, O_RDONLY);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, back, sizeof(back)), strlen(bad[i]));
        assert_memory_equal(back, bad[i], strlen(bad[i]));
        close(fd);
    }
    /* Too large, and too deep. */
    size_t size = 9 * 1024 * 1024;
    char *text = alloc_zero(1, size);
    memset(text, '[', size);
    put(file, text, size);
    assert_int_equal(state_read(file, &json, NULL), 1);
    cJSON_Delete(json);
    put(file, text, 5000);
    assert_int_equal(state_read(file, &json, NULL), 1);
    cJSON_Delete(json);
    alloc_freep(&text);
}

static void test_errors(void **state)
{
    (void)state;
    struct err err = {""};
    cJSON *json = cJSON_CreateObject(), *untouched = json;
    assert_true(state_write("/proc/none/state", json, &err) < 0);
    assert_non_null(strstr(err.text, "/proc/none"));
    assert_true(state_read("/dev/null/state", &json, &err) < 0);
    assert_ptr_equal(json, untouched);
    cJSON_Delete(json);
}

/* Killed at any moment while it writes: the file is there, whole, and the newest or the one before. */
static void test_killed(void **state)
{
    (void)state;
    cJSON *json = cJSON_CreateObject();
    json_add_int(json, "n", 0);
    assert_int_equal(state_write(file, json, NULL), 0);
    cJSON_Delete(json);
    int64_t last = 0;
    for (int round = 0; round < 20; round++) {
        int ready[2];
        char c;
        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        if (pid == 0) {
            for (int64_t n = last + 1;; n++) {
                cJSON *own = cJSON_CreateObject();
                char filler[3000];
                memset(filler, 'x', sizeof(filler));
                filler[2999] = '\0';
                json_add_string(own, "filler", filler);
                json_add_int(own, "n", n);
                if (state_write(file, own, NULL) < 0 || write(ready[1], "x", 1) != 1)
                    _exit(1);
                cJSON_Delete(own);
            }
        }
        close(ready[1]);
        for (int i = 0; i <= round; i++)
            assert_int_equal(read(ready[0], &c, 1), 1);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        int64_t told = last + round + 1, n = 0;
        while (read(ready[0], &c, 1) == 1)
            told++;
        close(ready[0]);
        assert_int_equal(state_read(file, &json, NULL), 0);
        assert_true(json_int(json, "n", &n));
        cJSON_Delete(json);
        assert_true(n == told || n == told + 1);
        last = n;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
