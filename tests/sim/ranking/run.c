/* All worlds, spread over forked workers.
 *
 * A unit is one world under one preference: the oracle plays it first, since the others are compared with what it did. Workers take the
 * next unit from a counter in memory that they share, and write the scores to their places there, so that the result does not depend on who
 * played what. A worker that ends badly has said why; it ends the bench. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/ranking/bench.h"
#include "tests/sim/ranking/play.h"

struct counter {
    _Atomic int next, done;
};

static int units(const struct bench *bench)
{
    return bench->preferences_len * bench->families_len * bench->seeds_len;
}

static size_t place(const struct bench *bench, int preference, int family, int seed, int strategy)
{
    size_t unit = ((size_t)preference * (size_t)bench->families_len + (size_t)family) * (size_t)bench->seeds_len + (size_t)seed;

    return unit * (size_t)bench->strategies_len + (size_t)strategy;
}

static size_t scores_size(const struct bench *bench)
{
    return (size_t)units(bench) * (size_t)bench->strategies_len * sizeof(*bench->scores);
}

const struct score *bench_score(const struct bench *bench, int preference, int family, int seed, int strategy)
{
    return &bench->scores[place(bench, preference, family, seed, strategy)];
}

int bench_find_strategy(const struct bench *bench, const char *name)
{
    for (int i = 0; i < bench->strategies_len; i++)
        if (strcmp(bench->strategies[i]->name, name) == 0)
            return i;
    return -1;
}

/* What a worker plays, for the words of its death. */
static struct {
    const char *family, *preference, *strategy;
    uint64_t seed;
} playing;

static void tell_what_was_played(void)
{
    fprintf(stderr, "ranking: that was %s in family %s, seed %llu, preference %s\n", playing.strategy, playing.family,
            (unsigned long long)playing.seed, playing.preference);
}

static void play_one(const struct play *play, struct score *ret, struct reference *ret_reference)
{
    playing.strategy = play->strategy->name;
    playing.preference = play->preference->name;
    play_world(play, ret, ret_reference);
}

static void play_unit(const struct bench *bench, int unit)
{
    int seed = unit % bench->seeds_len, family = unit / bench->seeds_len % bench->families_len;
    int preference = unit / bench->seeds_len / bench->families_len;
    struct truth *truth = truth_make(bench->families[family], bench->seeds[seed], &bench->size);
    struct score *scores = &bench->scores[place(bench, preference, family, seed, 0)];
    static struct reference reference;
    struct play play = {
        .truth = truth,
        .preference = bench->preferences[preference],
        .program = bench->program,
        .config = bench->config,
        .probe_interval = bench->probe_interval,
        .tries = bench->tries,
    };
    int oracle = bench->strategies_len - 1;

    playing.family = bench->families[family]->name;
    playing.seed = bench->seeds[seed];
    play.strategy = bench->strategies[oracle];
    play_one(&play, &scores[oracle], &reference);
    play.reference = &reference;
    for (int i = 0; i < oracle; i++) {
        play.strategy = bench->strategies[i];
        play_one(&play, &scores[i], NULL);
    }
    truth_free(truth);
}

static void work(const struct bench *bench, struct counter *counter)
{
    int unit;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    atexit(tell_what_was_played); /* a worker that is content leaves by _exit */
    while ((unit = atomic_fetch_add(&counter->next, 1)) < units(bench)) {
        play_unit(bench, unit);
        atomic_fetch_add(&counter->done, 1);
    }
    _exit(0);
}

/* Waits until all workers are gone; the first bad end ends the others. */
static int watch(const struct bench *bench, struct counter *counter, pid_t *workers, int n, struct err *err)
{
    bool shown = isatty(STDERR_FILENO), bad = false;
    int status, left = n;

    while (left > 0) {
        pid_t pid = waitpid(-1, &status, shown ? WNOHANG : 0);

        if (pid == 0) {
            fprintf(stderr, "\r%d of %d worlds ", atomic_load(&counter->done), units(bench));
            usleep(200000);
        } else if (pid < 0 && errno != EINTR) {
            return err_set(err, -errno, "waiting for workers: %s", strerror(errno));
        }
        for (int i = 0; pid > 0 && i < n; i++)
            if (workers[i] == pid) {
                workers[i] = 0;
                left--;
                bad = bad || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
            }
        for (int i = 0; bad && i < n; i++)
            if (workers[i] > 0)
                kill(workers[i], SIGTERM);
    }
    if (shown)
        fprintf(stderr, "\r                              \r");
    return bad ? err_set(err, -EIO, "a worker ended badly; nothing is reported") : 0;
}

int bench_run(struct bench *bench, struct err *err)
{
    struct counter *counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t workers[BENCH_JOBS_MAX];
    int n = 0, r = 0;

    bench->scores = mmap(NULL, scores_size(bench), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counter == MAP_FAILED || bench->scores == MAP_FAILED) {
        bench->scores = NULL;
        return err_set(err, -ENOMEM, "no memory for the scores of %d worlds", units(bench));
    }
    fflush(stdout);
    signal(SIGPIPE, SIG_IGN);
    while (n < bench->jobs && n < units(bench)) {
        workers[n] = fork();
        if (workers[n] == 0)
            work(bench, counter);
        if (workers[n] < 0) {
            r = err_set(err, -errno, "cannot fork: %s", strerror(errno));
            break;
        }
        n++;
    }
    if (r < 0)
        atomic_store(&counter->next, units(bench));
    int watched = watch(bench, counter, workers, n, err);

    munmap(counter, sizeof(*counter));
    return r < 0 ? r : watched;
}

void bench_done(struct bench *bench)
{
    if (bench->scores)
        munmap(bench->scores, scores_size(bench));
    bench->scores = NULL;
}
