/* kill -9 at random moments: a child tells numbered things and says on a pipe what was acknowledged; what it had told a second before its end, and each reservation that
 * it was told of, is in the file afterwards, and the file is whole. TEST_ROUNDS says how often. */
#include "tests/unit/store/disk.h"

#include <signal.h>
#include <sys/prctl.h>

#define LOST_MOST (1300 * USEC_PER_MSEC) /* a second, and what a busy machine adds */
#define PICO 1000

struct line { char what; usec_t at; int64_t number; }; /* T = told, R = acknowledged */

static int say_to = -1;

static void say(char what, int64_t number)
{
    struct line line = {.what = what, .at = store_monotonic(), .number = number};
    if (write(say_to, &line, sizeof line) != (ssize_t)sizeof line)
        _exit(3);
}

static void on_reserved(void *arg, uint64_t ticket, int error)
{
    (void)arg;
    if (error == 0)
        say('R', (int64_t)ticket);
}

/* Tells until it is killed. */
static void tell_for_ever(struct disk *d, int64_t first)
{
    struct store_setup setup = {.directory = d->dir, .wall = d->t, .limits = {.raw = 30 * USEC_PER_SEC}};
    struct store_opened opened;
    int error = 0;
    struct store *s = store_open(&setup, &opened, &error, NULL);
    if (!s)
        _exit(2);
    d->t = opened.last + 1 > d->t ? opened.last + 1 : d->t;
    say('O', opened.last);
    int64_t every = disk_below(d, 2) ? 5 : 211; /* a reservation writes all that waits: not too often */
    for (int64_t n = first;; n++) {
        struct record r = random_record(d, d->t += 20000);
        r.kind = RECORD_CHAT;
        strcpy(r.platform, "p");
        strcpy(r.model, "m");
        r.o = observation_make(PROBE_CHAT, r.t, (struct outcome){.stage = STAGE_DONE, .kind = OUTCOME_OK});
        snprintf(r.o.detail, sizeof r.o.detail, "%lld", (long long)n);
        store_record(s, &r);
        say('T', n);
        if (n % every == 0 && store_reserve(s, "p", "m", PICO, d->t, (uint64_t)n, on_reserved, NULL) < 0)
            say('N', n);
        if (n % 37 == 0) {
            struct buf data = BUF_INIT;
            buf_printf(&data, "%lld %060000d", (long long)n, 1);
            store_checkpoint(s, d->t, &data);
        }
        struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
        if (poll(&p, 1, 1) > 0)
            store_dispatch(s);
    }
}

struct heard { int64_t told_in_time, told_last, reserved, opened; };

static struct heard listen_until_killed(int from, pid_t child, usec_t life)
{
    struct heard h = {-1, -1, 0, 0};
    size_t len = 0, size = 4096;
    struct line *lines = alloc_zero(size, sizeof *lines);
    usec_t end = store_monotonic() + life, killed = 0;
    bool open = true;
    while (open) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        usec_t left = end - store_monotonic();
        if (!killed && left <= 0) {
            killed = store_monotonic();
            kill(child, SIGKILL);
        }
        if (poll(&p, 1, killed ? 1000 : (int)(left / 1000) + 1) <= 0)
            continue;
        ssize_t n = read(from, &lines[len], (size - len) * sizeof *lines);
        if (n <= 0)
            open = false;
        else
            len += (size_t)n / sizeof *lines;
        if (len + 64 > size)
            lines = alloc_resize(lines, size *= 2, sizeof *lines);
    }
    for (size_t i = 0; i < len; i++) {
        if (lines[i].what == 'O')
            h.opened = lines[i].number;
        if (lines[i].what == 'T' && lines[i].at < killed - LOST_MOST)
            h.told_in_time = lines[i].number;
        if (lines[i].what == 'T')
            h.told_last = lines[i].number;
        h.reserved += lines[i].what == 'R';
    }
    free(lines);
    return h;
}

static int last_number(void *arg, const struct record *record)
{
    int64_t *last = arg, n = atoll(record->o.detail);
    assert_true(*last == -1 || n == *last + 1); /* none is missing in between */
    *last = n;
    return 0;
}

static void add_all(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    (void)platform, (void)model, (void)hour, (void)tripped;
    *(int64_t *)arg += pico;
}

static void test_killed(void **state)
{
    struct disk *d = *state;
    unsigned rounds = disk_rounds(20);
    int64_t first = 0, acknowledged = 0, worst = 0;
    for (unsigned round = 0; round < rounds; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        uint64_t random = disk_random(d);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(pipes[0]);
            say_to = pipes[1];
            d->random = random;
            tell_for_ever(d, first);
        }
        close(pipes[1]);
        struct heard h = listen_until_killed(pipes[0], child, (usec_t)(100000 + disk_below(d, 2500000)));
        close(pipes[0]);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status))
            fail_msg("round %u: the child ended by itself: %d", round, WEXITSTATUS(status));
        acknowledged += h.reserved;
        disk_open(d); /* the lock went with the one that held it */
        assert_int_equal(disk_report(d).state, STORE_OK);
        assert_string_equal(d->opened.note, "");
        int64_t last = -1, money = 0;
        assert_int_equal(store_each(d->store, 0, 0, last_number, &last), 0);
        assert_int_equal(store_money(d->store, d->t, add_all, &money), 0);
        disk_close(d);
        if (last < h.told_in_time)
            fail_msg("round %u: the last is %lld, but %lld was told a second before", round, (long long)last, (long long)h.told_in_time);
        if (money < acknowledged * PICO)
            fail_msg("round %u: %lld acknowledged, %lld there", round, (long long)acknowledged, (long long)(money / PICO));
        acknowledged = money / PICO; /* some are there that nobody heard of any more */
        disk_check(d);
        worst = h.told_last - last > worst ? h.told_last - last : worst;
        first = last + 1;
    }
    fprintf(stderr, "%u rounds, %lld told, %lld reservations; at most the last %lld told were lost\n", rounds, (long long)first, (long long)acknowledged,
            (long long)worst);
    /* And what was added up is what was told. */
    disk_open(d);
    disk_close(d);
    assert_int_equal(disk_ask(d, "SELECT (SELECT sum(n) FROM rollup WHERE span = 60) + (SELECT count(*) FROM told WHERE id >= (SELECT value FROM meta WHERE key = 'rolled'))"),
                     first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_killed, disk_setup_cmocka, disk_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
