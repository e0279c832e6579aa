/* The reader's thread: questions in, answers out, one at a time and in the order of asking.
 *
 * A question is a job: it waits, is under way (one at most), and is done; then reader_dispatch calls back and it is gone. One that was
 * forgotten is gone at once while it waits; under way it is interrupted and thrown away when the thread comes back from it. Jobs are handed
 * over under one lock, which is never held during a question, so the loop never waits for a disk.
 *
 * The connection is opened for the first question, and again for the next one after any trouble, or when the writer says that the file is
 * another one. Each question sees the file as it was at one moment (a read transaction). SQLite asks `may_go_on` every some thousand steps,
 * so neither a long question nor the end of the daemon waits. What goes wrong becomes a sentence with status 503; a damaged file is the
 * writer's to set aside. */
#include "probed/store/reader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "probed/store/question.h"
#include "shared/alloc.h"

#define STEPS_BETWEEN_LOOKS 2000 /* of SQLite's machine: some tens of microseconds */

struct job {
    struct history_query query;
    history_answer_fn fn;
    void *arg;
    struct history_answer answer;
    TAILQ_ENTRY(job) all;
};
TAILQ_HEAD(job_list, job);

struct reader {
    char *file;
    void (*wake)(void *arg);
    void *wake_arg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    /* Under the lock. */
    struct job_list waiting, done;
    struct job *current; /* under way */
    size_t len;          /* all of them */
    bool stopping;
    /* Looked at in the midst of a question. */
    atomic_bool give_up;
    atomic_uint generation;
    _Atomic usec_t patience;
    /* The thread's own. */
    sqlite3 *db;
    unsigned db_generation;
    usec_t deadline;
};

static usec_t steady_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (usec_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

static void job_free(struct job *job)
{
    buf_done(&job->answer.body);
    free(job);
}

/* --- the thread --- */

static int must_stop(void *arg)
{
    struct reader *r = arg;

    return atomic_load(&r->give_up) || steady_now() > r->deadline;
}

static void connection_close(struct reader *r)
{
    sqlite3_close_v2(r->db);
    r->db = NULL;
}

static bool connection_open(struct reader *r, struct history_answer *answer)
{
    unsigned generation = atomic_load(&r->generation);

    if (r->db != NULL && r->db_generation == generation)
        return true;
    connection_close(r);
    r->db_generation = generation;
    int rc = sqlite3_open_v2(r->file, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(r->db, READER_BUSY_WAIT_MS);
        sqlite3_progress_handler(r->db, STEPS_BETWEEN_LOOKS, must_stop, r);
        /* The file may be damaged, or made by somebody else: nothing in it is to be run. */
        rc = sqlite3_exec(r->db, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -32768", NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        return true;
    question_trouble(r->db, rc, answer);
    connection_close(r);
    return false;
}

static void work(struct reader *r, struct job *job)
{
    r->deadline = steady_now() + atomic_load(&r->patience);
    if (!connection_open(r, &job->answer))
        return;
    if (question_answer(r->db, &job->query, &job->answer) < 0) {
        buf_done(&job->answer.body);
        connection_close(r);
    }
}

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    struct job *job = NULL;

    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->stopping && TAILQ_EMPTY(&r->waiting))
            pthread_cond_wait(&r->more, &r->lock);
        if (r->stopping)
            break;
        job = TAILQ_FIRST(&r->waiting);
        TAILQ_REMOVE(&r->waiting, job, all);
        r->current = job;
        atomic_store(&r->give_up, false);
        pthread_mutex_unlock(&r->lock);
        work(r, job);
        pthread_mutex_lock(&r->lock);
        r->current = NULL;
        if (job->fn == NULL || r->stopping) {
            r->len--;
            job_free(job);
            continue;
        }
        TAILQ_INSERT_TAIL(&r->done, job, all);
        pthread_mutex_unlock(&r->lock);
        r->wake(r->wake_arg);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    connection_close(r);
    return NULL;
}

/* --- the loop's side --- */

struct reader *reader_start(const char *file, void (*wake)(void *arg), void *arg, int *error)
{
    struct reader *r = alloc_zero(1, sizeof *r);
    sigset_t all, before;

    r->file = alloc_string(file);
    r->wake = wake;
    r->wake_arg = arg;
    r->patience = READER_PATIENCE;
    TAILQ_INIT(&r->waiting);
    TAILQ_INIT(&r->done);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->more, NULL);
    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&r->thread, NULL, reader_main, r);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) {
        pthread_setname_np(r->thread, "probed-history");
        return r;
    }
    *error = -failed;
    pthread_cond_destroy(&r->more);
    pthread_mutex_destroy(&r->lock);
    free(r->file);
    free(r);
    return NULL;
}

static void jobs_free(struct job_list *list)
{
    struct job *job = NULL;

    while ((job = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, job, all);
        job_free(job);
    }
}

struct reader *reader_stop(struct reader *r)
{
    if (r == NULL)
        return NULL;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    atomic_store(&r->give_up, true);
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += READER_STOP_S;
    if (pthread_clockjoin_np(r->thread, NULL, CLOCK_MONOTONIC, &until) != 0) {
        pthread_detach(r->thread); /* stuck in a disk that does not answer: it still uses all this */
        return NULL;
    }
    jobs_free(&r->waiting);
    jobs_free(&r->done);
    pthread_cond_destroy(&r->more);
    pthread_mutex_destroy(&r->lock);
    free(r->file);
    free(r);
    return NULL;
}

int reader_ask(struct reader *r, const struct history_query *query, history_answer_fn fn, void *arg)
{
    int ret = -EBUSY;

    pthread_mutex_lock(&r->lock);
    if (r->len < READER_WAITING_MAX) {
        struct job *job = alloc_zero(1, sizeof *job);

        job->query = *query;
        job->fn = fn;
        job->arg = arg;
        TAILQ_INSERT_TAIL(&r->waiting, job, all);
        r->len++;
        pthread_cond_signal(&r->more);
        ret = 0;
    }
    pthread_mutex_unlock(&r->lock);
    return ret;
}

static void forget_in(struct reader *r, struct job_list *list, const void *arg)
{
    struct job *next = NULL;

    for (struct job *job = TAILQ_FIRST(list); job != NULL; job = next) {
        next = TAILQ_NEXT(job, all);
        if (job->arg != arg)
            continue;
        TAILQ_REMOVE(list, job, all);
        r->len--;
        job_free(job);
    }
}

void reader_forget(struct reader *r, void *arg)
{
    pthread_mutex_lock(&r->lock);
    forget_in(r, &r->waiting, arg);
    forget_in(r, &r->done, arg);
    if (r->current != NULL && r->current->arg == arg) {
        r->current->fn = NULL;
        atomic_store(&r->give_up, true);
    }
    pthread_mutex_unlock(&r->lock);
}

void reader_dispatch(struct reader *r)
{
    struct job *job = NULL;

    /* As many as are there now: a callback may ask or forget, and what it asks is answered in the next round. */
    pthread_mutex_lock(&r->lock);
    size_t rounds = 0;

    TAILQ_FOREACH(job, &r->done, all)
    rounds++;
    for (; rounds > 0 && (job = TAILQ_FIRST(&r->done)) != NULL; rounds--) {
        TAILQ_REMOVE(&r->done, job, all);
        r->len--;
        pthread_mutex_unlock(&r->lock);
        job->fn(job->arg, &job->answer);
        job_free(job);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
}

void reader_reopen(struct reader *r)
{
    atomic_fetch_add(&r->generation, 1);
}

void reader_set_patience(struct reader *r, usec_t patience)
{
    atomic_store(&r->patience, patience);
}
