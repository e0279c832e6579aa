/* The ledger: what is reserved is never lost, whatever happens to process and file, and what was settled is restored to the pico. */
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probed/store/ledger.h"
#include "probed/store/ledger_parts.h"
#include "shared/alloc.h"

#define NOW ((usec_t)1793000000 * USEC_PER_SEC)

static char folder[32], file[64];

static int setup(void **state)
{
    (void)state;
    /* In memory where there is such a place: thousands of files are synced here. */
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/probed-XXXXXX" : "/tmp/probed-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/ledger", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static struct budget *new_budget(void)
{
    return budget_new(&(struct budget_limits){BUDGET_UNLIMITED, BUDGET_UNLIMITED, BUDGET_UNLIMITED});
}

/* A process as it starts: its budget out of the file. */
struct process {
    struct budget *budget;
    struct ledger *ledger;
};

static void start(struct process *p, usec_t now)
{
    struct err err = {""};
    p->budget = new_budget();
    p->ledger = ledger_open(file, p->budget, now, &err);
    if (p->ledger == NULL)
        fail_msg("ledger_open: %s", err.text);
}

static void end(struct process *p)
{
    p->ledger = ledger_close(p->ledger);
    budget_free(p->budget);
}

static size_t read_all(const char *name, char *to, size_t size)
{
    int fd = open(name, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, to, size);
    close(fd);
    assert_true(n >= 0);
    return (size_t)n;
}

static void write_all_to(const char *name, const char *data, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

/* --- lines ------------------------------------------------------------------------------------------------------------ */

static void test_lines(void **state)
{
    (void)state;
    const struct ledger_line lines[] = {
        {.kind = LEDGER_RESERVE, .at = NOW, .pico = 150, .platform = "dmxapi", .model = "gpt-4o-mini"},
        {.kind = LEDGER_SETTLE, .at = NOW, .pico = 150, .actual = -1, .platform = "a b", .model = "x/y %20\n\x7f\x80z"},
        {.kind = LEDGER_SETTLE, .at = NOW, .pico = 150, .actual = 0, .tripped = true, .platform = "-", .model = ""},
        {.kind = LEDGER_BUCKET, .hour = 498055, .pico = INT64_MAX / 4, .tripped = true, .platform = "p", .model = "--"},
        {.kind = LEDGER_RESET, .platform = "", .model = "-"},
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct buf text = BUF_INIT;
        struct ledger_line back;
        assert_true(ledger_line_write(&text, &lines[i]));
        assert_int_equal(text.data[text.len - 1], '\n');
        assert_ptr_equal(memchr(text.data, '\n', text.len), text.data + text.len - 1); /* one line, whatever the names */
        assert_true(ledger_line_read(text.data, text.len - 1, &back));
        assert_true(back.kind == lines[i].kind && back.at == lines[i].at && back.pico == lines[i].pico && back.hour == lines[i].hour &&
                    back.tripped == lines[i].tripped);
        assert_string_equal(back.platform, lines[i].platform);
        assert_string_equal(back.model, lines[i].model);
        if (lines[i].kind == LEDGER_SETTLE)
            assert_int_equal(back.actual, lines[i].actual);
        /* Any bit that flips is noticed. */
        for (size_t bit = 0; bit < (text.len - 1) * 8; bit++) {
            text.data[bit / 8] ^= (char)(1 << bit % 8);
            assert_false(ledger_line_read(text.data, text.len - 1, &back));
            text.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        for (size_t len = 0; len < text.len - 1; len++)
            assert_false(ledger_line_read(text.data, len, &back));
        buf_done(&text);
    }
}

/* --- a process and its next ------------------------------------------------------------------------------------------- */

static void test_restored_exactly(void **state)
{
    (void)state;
    struct process p;
    start(&p, NOW);
    assert_int_equal(ledger_skipped(p.ledger), 0);
    assert_int_equal(ledger_reserve(p.ledger, "a", "m1", 1000, NOW), 0);
    assert_int_equal(ledger_settle(p.ledger, "a", "m1", 1000, NOW, 17, false), 0);
    assert_int_equal(ledger_reserve(p.ledger, "a", "m2", 500, NOW + 1), 0); /* never settled: stands */
    assert_int_equal(ledger_reserve(p.ledger, "b", "m1", 30, NOW + 2), 0);
    assert_int_equal(ledger_settle(p.ledger, "b", "m1", 30, NOW + 2, -1, false), 0); /* not known: stands */
    assert_int_equal(ledger_reserve(p.ledger, "b", "m3", 10, NOW + 3), 0);
    assert_int_equal(ledger_settle(p.ledger, "b", "m3", 10, NOW + 3, 99, true), 0); /* a surprise */
    end(&p);
    for (int i = 0; i < 3; i++) { /* and rewritten, and rewritten again */
        start(&p, NOW + USEC_PER_MINUTE);
        assert_int_equal(budget_spent(p.budget, NOW + USEC_PER_MINUTE), 17 + 500 + 30 + 99);
        assert_int_equal(budget_spent_platform(p.budget, "b", NOW + USEC_PER_MINUTE), 129);
        assert_int_equal(budget_spent_route(p.budget, budget_route(p.budget, "a", "m2"), NOW + USEC_PER_MINUTE), 500);
        assert_true(budget_tripped(p.budget, budget_route(p.budget, "b", "m3")));
        assert_false(budget_tripped(p.budget, budget_route(p.budget, "b", "m1")));
        end(&p);
    }
    /* The breaker outlives the money, and a reset outlives a restart. */
    usec_t later = NOW + 30 * USEC_PER_HOUR;
    start(&p, later);
    assert_int_equal(budget_spent(p.budget, later), 0);
    assert_true(budget_tripped(p.budget, budget_route(p.budget, "b", "m3")));
    assert_int_equal(ledger_reset(p.ledger, "b", "m3"), 0);
    end(&p);
    start(&p, later);
    assert_false(budget_tripped(p.budget, budget_route(p.budget, "b", "m3")));
    end(&p);
}

static void test_clock_set_back(void **state)
{
    (void)state;
    struct process p;
    start(&p, NOW + 48 * USEC_PER_HOUR);
    assert_int_equal(ledger_reserve(p.ledger, "a", "m", 1000, NOW + 48 * USEC_PER_HOUR), 0);
    end(&p);
    start(&p, NOW); /* two days earlier: the money is still spent */
    assert_int_equal(budget_spent(p.budget, NOW), 1000);
    end(&p);
}

static void test_file_and_directory(void **state)
{
    (void)state;
    struct process p;
    struct err err = {""};
    struct stat st;
    start(&p, NOW);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct budget *second = new_budget();
    assert_null(ledger_open(file, second, NOW, &err)); /* two on one budget would each spend it */
    assert_non_null(strstr(err.text, "another probed"));
    budget_free(second);
    end(&p);
    struct budget *b = new_budget();
    assert_null(ledger_open("/proc/none/ledger", b, NOW, &err));
    assert_non_null(strstr(err.text, "/proc/none"));
    budget_free(b);
    /* Not ours: set aside, not deleted, and not believed. */
    static const char *const others[] = {"something else\n", "\0\0\0\0", "probed-ledger 2\n", "probed-ledger 1", "x"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        char name[96], back[64];
        write_all_to(file, others[i], strlen(others[i]) + 1);
        start(&p, NOW);
        assert_int_equal(ledger_skipped(p.ledger), 1);
        assert_int_equal(budget_spent(p.budget, NOW), 0);
        end(&p);
        if (i == 0)
            snprintf(name, sizeof(name), "%s.bad", file);
        else
            snprintf(name, sizeof(name), "%s.bad.%zu", file, i + 1);
        assert_int_equal(read_all(name, back, sizeof(back)), strlen(others[i]) + 1);
        assert_memory_equal(back, others[i], strlen(others[i]) + 1);
    }
    /* An empty file is a new one. */
    write_all_to(file, "", 0);
    start(&p, NOW);
    assert_int_equal(ledger_skipped(p.ledger), 0);
    end(&p);
    char longer[400];
    memset(longer, 'a', sizeof(longer));
    longer[399] = '\0';
    start(&p, NOW);
    assert_int_equal(ledger_reserve(p.ledger, longer, "m", 1, NOW), -ENAMETOOLONG);
    assert_int_equal(ledger_reserve(p.ledger, "p", longer, 1, NOW), -ENAMETOOLONG);
    end(&p);
}

/* --- killed ----------------------------------------------------------------------------------------------------------- */

/* A child that reserves and is killed at any moment. What it had been told was written down (it says so through a pipe after each) is there. */
static void test_killed(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        int to_us[2];
        int64_t told = 0, said;
        unlink(file);
        assert_int_equal(pipe(to_us), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct process p;
            start(&p, NOW);
            for (int64_t i = 1;; i++) {
                if (ledger_reserve(p.ledger, "a", "m", 1, NOW + i) < 0)
                    _exit(1);
                if (write(to_us[1], &i, sizeof(i)) != sizeof(i))
                    _exit(1);
            }
        }
        close(to_us[1]);
        for (int i = 0; i < 100 + round * 150; i++)
            if (read(to_us[0], &said, sizeof(said)) == sizeof(said))
                told = said;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(to_us[0], &said, sizeof(said)) == sizeof(said))
            told = said;
        close(to_us[0]);
        struct process p;
        start(&p, NOW);
        int64_t spent = budget_spent(p.budget, NOW + USEC_PER_SEC);
        assert_true(told >= 100);
        assert_true(spent == told || spent == told + 1); /* the last may have been written but not told */
        assert_in_range(ledger_skipped(p.ledger), 0, 1); /* or torn, and then it was not told either */
        end(&p);
    }
}

/* A disk that is full: refused, nothing half believed, and later records are good. */
static void test_full_disk(void **state)
{
    (void)state;
    struct process p;
    struct stat st;
    struct rlimit old, small;
    start(&p, NOW);
    assert_int_equal(ledger_reserve(p.ledger, "a", "m", 100, NOW), 0);
    assert_int_equal(stat(file, &st), 0);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    signal(SIGXFSZ, SIG_IGN);
    small.rlim_cur = (rlim_t)st.st_size + 10;
    setrlimit(RLIMIT_FSIZE, &small);
    assert_true(ledger_reserve(p.ledger, "a", "m", 1000, NOW + 1) < 0); /* ten bytes of it were written */
    assert_true(ledger_reserve(p.ledger, "a", "m", 1000, NOW + 2) < 0); /* none */
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(ledger_reserve(p.ledger, "a", "m", 7, NOW + 3), 0);
    end(&p);
    start(&p, NOW);
    assert_int_equal(budget_spent(p.budget, NOW + USEC_PER_SEC), 107);
    assert_int_equal(ledger_skipped(p.ledger), 1);
    end(&p);
}

/* --- random lives ----------------------------------------------------------------------------------------------------- */

#define ROUTES 6
#define STEPS 60

struct model { /* what must have been spent after each record, a route; and how long the file was then */
    int64_t spent[STEPS + 1][ROUTES];
    size_t size[STEPS + 1];
    int len;
};

static uint64_t random_next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static const char *const platforms[ROUTES] = {"a", "a", "b b", "b b", "c%", "-"};
static const char *const models[ROUTES] = {"m", "n", "m", "", "x/y", "-"};

static void live(struct model *m, uint64_t *seed, usec_t now)
{
    struct process p;
    struct { int route; int64_t pico; usec_t at; } open[STEPS];
    int open_len = 0;
    struct stat st;
    start(&p, now);
    m->len = 0;
    memset(m->spent[0], 0, sizeof(m->spent[0]));
    assert_int_equal(stat(file, &st), 0);
    m->size[0] = (size_t)st.st_size;
    for (int i = 0; i < STEPS; i++) {
        now += (usec_t)(random_next(seed) % 1000) + 1;
        memcpy(m->spent[i + 1], m->spent[i], sizeof(m->spent[0]));
        int64_t *spent = m->spent[i + 1];
        if (open_len == 0 || random_next(seed) % 2 == 0) {
            int route = (int)(random_next(seed) % ROUTES);
            int64_t pico = (int64_t)(random_next(seed) % 1000000) + 1;
            assert_int_equal(ledger_reserve(p.ledger, platforms[route], models[route], pico, now), 0);
            open[open_len].route = route;
            open[open_len].pico = pico;
            open[open_len++].at = now;
            spent[route] += pico;
        } else {
            int k = (int)(random_next(seed) % (unsigned)open_len), route = open[k].route;
            int64_t actual = random_next(seed) % 4 == 0 ? -1 : (int64_t)(random_next(seed) % 2000000);
            assert_int_equal(ledger_settle(p.ledger, platforms[route], models[route], open[k].pico, open[k].at, actual, false), 0);
            spent[route] += actual >= 0 ? actual - open[k].pico : 0;
            open[k] = open[--open_len];
        }
        assert_int_equal(stat(file, &st), 0);
        m->size[i + 1] = (size_t)st.st_size;
        m->len = i + 1;
    }
    end(&p);
}

static void assert_spent(const int64_t *spent, usec_t now, unsigned skipped)
{
    struct process p;
    start(&p, now);
    assert_int_equal(ledger_skipped(p.ledger), skipped);
    for (int i = 0; i < ROUTES; i++)
        assert_int_equal(budget_spent_route(p.budget, budget_route(p.budget, platforms[i], models[i]), now), spent[i]);
    end(&p);
}

/* A file cut off at any byte holds exactly what was whole by then. */
static void test_cut_at_any_byte(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL) * 2654435761u + 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct model *m = alloc_zero(1, sizeof(*m));
    live(m, &seed, NOW);
    static char whole[65536];
    size_t size = read_all(file, whole, sizeof(whole));
    assert_int_equal(size, m->size[m->len]);
    assert_spent(m->spent[m->len], NOW + USEC_PER_SEC, 0);
    for (size_t cut = m->size[0]; cut <= size; cut++) {
        int records = 0;
        while (records < m->len && m->size[records + 1] <= cut)
            records++;
        bool torn = cut > m->size[records];
        write_all_to(file, whole, cut);
        assert_spent(m->spent[records], NOW + USEC_PER_SEC, torn);
    }
    alloc_freep(&m);
}

/* A byte that rots costs at most its own line, and never gives money back that was spent. */
static void test_rotten_byte(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL) * 2654435761u + 2;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct model *m = alloc_zero(1, sizeof(*m));
    live(m, &seed, NOW);
    static char whole[65536];
    size_t size = read_all(file, whole, sizeof(whole));
    for (int i = 0; i < 300; i++) {
        size_t at = m->size[0] + random_next(&seed) % (size - m->size[0]);
        char was = whole[at];
        whole[at] = (char)random_next(&seed);
        bool changed = whole[at] != was;
        write_all_to(file, whole, size);
        whole[at] = was;
        struct process p;
        start(&p, NOW);
        if (changed)
            assert_in_range(ledger_skipped(p.ledger), 1, 2); /* a lost line end makes one of two */
        end(&p);
    }
    alloc_freep(&m);
}

/* A settlement whose reservation was lost adds its cost: it cannot take back what is not there. */
static void test_lost_reservation(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    buf_add_str(&text, LEDGER_HEAD "\n");
    ledger_line_write(&text, &(struct ledger_line){.kind = LEDGER_RESERVE, .at = NOW, .pico = 700, .platform = "a", .model = "m"});
    buf_add_str(&text, "R rotten line\n");
    ledger_line_write(&text, &(struct ledger_line){.kind = LEDGER_SETTLE, .at = NOW + 1, .pico = 500, .actual = 20, .platform = "a", .model = "m"});
    write_all_to(file, text.data, text.len);
    buf_done(&text);
    struct process p;
    start(&p, NOW);
    assert_int_equal(budget_spent(p.budget, NOW), 720);
    assert_int_equal(ledger_skipped(p.ledger), 1);
    end(&p);
}

/* Past LEDGER_COMPACT the file is rewritten beside the running ledger, again and again; with reservations open over it, nothing changes. */
static void test_rewritten_while_in_use(void **state)
{
    (void)state;
    struct process p;
    struct stat st;
    int64_t spent = 0, biggest = 0;
    usec_t now = NOW, open_at = 0, slowest = 0;
    int shrunk = 0;
    int64_t before = 0;
    start(&p, now);
    for (int i = 0; i < 250000; i++) {
        now += 100;
        if (i % 1000 == 0) { /* one that stays open for a thousand others */
            if (open_at != 0) {
                assert_int_equal(ledger_settle(p.ledger, "long", "open", 5000, open_at, 3, false), 0);
                spent += 3 - 5000;
            }
            open_at = now;
            assert_int_equal(ledger_reserve(p.ledger, "long", "open", 5000, now), 0);
            spent += 5000;
            assert_int_equal(stat(file, &st), 0);
            shrunk += st.st_size < before;
            before = st.st_size;
            biggest = st.st_size > biggest ? st.st_size : biggest;
        }
        struct timespec a, b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        assert_int_equal(ledger_reserve(p.ledger, "platform", "a model with a name", 100, now), 0);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        usec_t took = (b.tv_sec - a.tv_sec) * USEC_PER_SEC + (b.tv_nsec - a.tv_nsec) / 1000;
        slowest = took > slowest ? took : slowest;
        assert_int_equal(ledger_settle(p.ledger, "platform", "a model with a name", 100, now, 40, false), 0);
        spent += 40;
    }
    print_message("shrunk %d times, biggest %ld kB, slowest reservation %ld us of CPU\n", shrunk, (long)(biggest / 1024), (long)slowest);
    assert_true(shrunk >= 3);
    assert_true(biggest < 3 * LEDGER_COMPACT);
    end(&p);
    start(&p, now);
    assert_int_equal(ledger_skipped(p.ledger), 0);
    assert_int_equal(budget_spent(p.budget, now), spent);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test_setup_teardown(test_restored_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_set_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_and_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_at_any_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotten_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_reservation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rewritten_while_in_use, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
