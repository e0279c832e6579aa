/* The socket: mode, group, lock, what is removed and what is left alone, activation. */
#include "tests/unit/serve/fixture.h"

#include <grp.h>
#include <sys/wait.h>

static int bare_setup(void **state)
{
    *state = world_new(false);
    return 0;
}

static bool refused(struct world *w, const char *word)
{
    struct err err = {.text = ""};
    struct api *api = api_new(w->loop, &w->owner, -1, &err);
    if (api != NULL) {
        api_free(api);
        return false;
    }
    if (strstr(err.text, word) == NULL)
        fail_msg("no \"%s\" in: %s", word, err.text);
    return true;
}

static void start(struct world *w)
{
    struct err err = {.text = ""};
    w->api = api_new(w->loop, &w->owner, -1, &err);
    if (w->api == NULL)
        fail_msg("%s", err.text);
}

/* A listening socket at the path that is not ours. */
static int foreign_listener(const struct world *w)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, w->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void test_mode_and_group(void **state)
{
    struct world *w = *state;
    struct stat st;
    static const mode_t modes[] = {0660, 0600, 0666, 0620};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        w->config.socket_mode = modes[i];
        mode_t before = umask(0027);
        start(w);
        assert_int_equal(umask(before), 0027); /* put back */
        assert_int_equal(stat(w->path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, modes[i]);
        w->api = api_free(w->api);
        assert_int_equal(access(w->path, F_OK), -1);
    }
    char group[] = "daemon", none[] = "no-such-group-here";
    struct group *found = getgrnam(group);
    w->config.socket_group = group;
    if (geteuid() == 0 && found != NULL) {
        start(w);
        assert_int_equal(stat(w->path, &st), 0);
        assert_int_equal(st.st_gid, found->gr_gid);
        w->api = api_free(w->api);
    }
    w->config.socket_group = none;
    assert_true(refused(w, "no group no-such-group-here"));
    assert_int_equal(access(w->path, F_OK), -1); /* what was bound is gone again */
    w->config.socket_group = NULL;
}

static void test_one_daemon_a_socket(void **state)
{
    struct world *w = *state;
    char pid[64];
    start(w);
    snprintf(pid, sizeof pid, "another probed (pid %ld)", (long)getpid());
    assert_true(refused(w, pid));
    assert_int_equal(access(w->path, F_OK), 0); /* and the first one is untouched */
    struct answer a = get(w, "/healthz");
    assert_int_equal(a.status, 200);
    answer_done(&a);
    w->api = api_free(w->api);
    start(w); /* the lock's file stays, the lock does not */
}

static void test_stale_socket_is_removed(void **state)
{
    struct world *w = *state;
    close(foreign_listener(w)); /* as after kill -9 */
    assert_int_equal(access(w->path, F_OK), 0);
    start(w);
    struct answer a = get(w, "/healthz");
    assert_int_equal(a.status, 200);
    answer_done(&a);
}

static void test_what_is_not_ours_is_left_alone(void **state)
{
    struct world *w = *state;
    int fd = foreign_listener(w);
    assert_true(refused(w, "does not hold the lock"));
    assert_int_equal(access(w->path, F_OK), 0);
    close(fd);
    unlink(w->path);
    fd = open(w->path, O_CREAT | O_WRONLY, 0600);
    assert_true(refused(w, "is no socket"));
    assert_int_equal(access(w->path, F_OK), 0);
    close(fd);
    unlink(w->path);
    assert_int_equal(symlink("/dev/null", w->path), 0);
    assert_true(refused(w, "is no socket"));
    unlink(w->path);
    /* Replaced while it runs: at the end the new one stays. */
    start(w);
    unlink(w->path);
    fd = foreign_listener(w);
    w->api = api_free(w->api);
    assert_int_equal(access(w->path, F_OK), 0);
    close(fd);
}

static void test_paths_that_cannot_be(void **state)
{
    struct world *w = *state;
    char longer[300], missing[] = "/tmp/probed-there-is-no-such-dir/s", relative[] = "s";
    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    w->config.socket_path = longer;
    assert_true(refused(w, "longer than the 107 bytes"));
    w->config.socket_path = missing;
    assert_true(refused(w, "No such file or directory"));
    w->config.socket_path = relative;
    assert_true(refused(w, "not absolute"));
    w->config.socket_path = w->path;
}

static void test_activated_socket(void **state)
{
    struct world *w = *state;
    struct err err = {.text = ""};
    struct stat before, after;
    int fd = foreign_listener(w), kept = dup(fd); /* the service manager's own */
    assert_int_equal(chmod(w->path, 0640), 0);
    assert_int_equal(stat(w->path, &before), 0);
    w->api = api_new(w->loop, &w->owner, fd, &err);
    if (w->api == NULL)
        fail_msg("%s", err.text);
    assert_true(refused(w, "another probed"));
    struct answer a = get(w, "/healthz");
    assert_int_equal(a.status, 200);
    answer_done(&a);
    w->api = api_free(w->api);
    assert_int_equal(stat(w->path, &after), 0); /* still there, as it was */
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mode, after.st_mode);
    close(kept);

    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_null(api_new(w->loop, &w->owner, pair[0], &err));
    assert_non_null(strstr(err.text, "not a listening Unix stream socket"));
    close(pair[0]);
    close(pair[1]);
}

/* In the moment between bind and the end of api_new nobody gets in: whoever tries all the time sees refusals, then the finished socket. */
static void test_no_window(void **state)
{
    struct world *w = *state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(w->dir, 0755), 0);
    for (int round = 0; round < 20; round++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0) {
            struct sockaddr_un address = {.sun_family = AF_UNIX};
            strcpy(address.sun_path, w->path);
            if (setgroups(0, NULL) < 0 || setgid(4242) < 0 || setuid(4242) < 0 || write(ready[1], "x", 1) != 1)
                _exit(3);
            for (int i = 0; i < 20000; i++) {
                int fd = socket(AF_UNIX, SOCK_STREAM, 0);
                if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
                    _exit(1); /* mode 0660: never ours */
                close(fd);
            }
            _exit(0);
        }
        char x = 0;
        assert_int_equal(read(ready[0], &x, 1), 1);
        for (int i = 0; i < 20; i++) {
            start(w);
            w->api = api_free(w->api);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        close(ready[0]);
        close(ready[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, bare_setup, world_teardown)
        T(test_mode_and_group),
        T(test_one_daemon_a_socket),
        T(test_stale_socket_is_removed),
        T(test_what_is_not_ours_is_left_alone),
        T(test_paths_that_cannot_be),
        T(test_activated_socket),
        T(test_no_window),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
