/* Two parties and one mailbox. The reader thread is in client_watch, or waiting out the back-off; the caller polls an eventfd and takes
 * what is in the mailbox.
 *
 * Ends by a flag and a signal: the thread has SIGUSR1 unblocked with a handler that does nothing, so that its poll returns -EINTR wherever
 * it is. The last event's id goes with each new attempt: a daemon whose table is still that one sends nothing twice. */
#include "routectl/stream.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/buf.h"
#include "shared/client.h"

/* The daemon comments every 15 s at least: three times that is dead. */
#define IDLE          (45 * USEC_PER_SEC)
#define BACKOFF_FIRST (250 * USEC_PER_MSEC)
#define BACKOFF_MOST  (5 * USEC_PER_SEC)
#define ID_MAX        128

struct stream {
    char *socket_path, *target;
    int event_fd;
    pthread_t thread;
    atomic_bool stop;
    unsigned failures;    /* reader only: attempts since the last event */
    char last_id[ID_MAX]; /* reader only */
    pthread_mutex_t lock; /* for what follows */
    struct stream_news news;
};

static usec_t wall_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

usec_t stream_backoff(unsigned failures)
{
    unsigned doublings = failures > 0 ? failures - 1 : 0;
    return doublings > 4 ? BACKOFF_MOST : BACKOFF_FIRST << doublings;
}

static void tell(struct stream *stream)
{
    ssize_t ignored = write(stream->event_fd, &(uint64_t){1}, sizeof(uint64_t)); /* it can only be full of news already */
    (void)ignored;
}

/* " lease 1764000000.250": the comment by which the daemon renews without a new table. */
static usec_t lease_of(const char *comment, size_t len)
{
    char text[64];
    size_t n = len < sizeof text - 1 ? len : sizeof text - 1;
    memcpy(text, comment, n);
    text[n] = '\0';
    const char *word = text + strspn(text, " ");
    if (strncmp(word, "lease ", 6) != 0)
        return 0;
    double seconds = strtod(word + 6, NULL);
    return seconds > 0 && seconds < 1e11 ? (usec_t)(seconds * 1e6) : 0;
}

static int on_event(void *arg, const char *event, const char *id, const char *data, size_t len)
{
    struct stream *stream = arg;
    usec_t lease = event ? 0 : lease_of(data ? data : "", data ? len : 0);

    if (atomic_load(&stream->stop))
        return 1;
    stream->failures = 0;
    pthread_mutex_lock(&stream->lock);
    stream->news.connected = true;
    if (event && strcmp(event, "table") == 0) {
        if (stream->news.lease < wall_now()) /* that of a daemon which is no more; the new one's comes in a comment */
            stream->news.lease = 0;
        free(stream->news.table);
        stream->news.table = alloc_string_n(data, len);
        if (id)
            snprintf(stream->last_id, sizeof stream->last_id, "%s", id);
    }
    if (lease > 0)
        stream->news.lease = lease;
    pthread_mutex_unlock(&stream->lock);
    tell(stream);
    return 0;
}

/* Waits out the back-off, in pieces so that stop is seen even if its signal came a moment too early. */
static void wait_until(struct stream *stream, usec_t at)
{
    for (usec_t left; !atomic_load(&stream->stop) && (left = at - wall_now()) > 0;) {
        usec_t piece = left < 100 * USEC_PER_MSEC ? left : 100 * USEC_PER_MSEC;
        nanosleep(&(struct timespec){.tv_nsec = (long)piece * 1000}, NULL);
        if (left > BACKOFF_MOST) /* the clock was set back */
            return;
    }
}

static void *reader(void *arg)
{
    struct stream *stream = arg;

    while (!atomic_load(&stream->stop)) {
        struct err err = {""};
        int error =
            client_watch(stream->socket_path, stream->target, stream->last_id[0] ? stream->last_id : NULL, IDLE, on_event, stream, &err);
        if (atomic_load(&stream->stop))
            break;
        stream->failures++;
        usec_t retry_at = wall_now() + stream_backoff(stream->failures);
        pthread_mutex_lock(&stream->lock);
        stream->news.connected = false;
        stream->news.error = error;
        stream->news.retry_at = retry_at;
        snprintf(stream->news.why, sizeof stream->news.why, "%s",
                 error == 0    ? "the daemon ended the stream"
                 : err.text[0] ? err.text
                               : strerror(-error));
        pthread_mutex_unlock(&stream->lock);
        tell(stream);
        wait_until(stream, retry_at);
    }
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
}

static int start_thread(struct stream *stream)
{
    sigset_t all, before;
    struct sigaction nothing = {.sa_handler = on_signal};

    sigaction(SIGUSR1, &nothing, NULL);
    sigfillset(&all);
    sigdelset(&all, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&stream->thread, NULL, reader, stream);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

struct stream *stream_open(const char *socket_path, const char *target, usec_t lease, struct err *err)
{
    struct stream *stream = alloc_zero(1, sizeof *stream);

    stream->socket_path = alloc_string(socket_path);
    stream->target = alloc_string(target);
    stream->news.lease = lease;
    stream->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&stream->lock, NULL);
    int error = stream->event_fd < 0 ? -errno : start_thread(stream);
    if (error == 0)
        return stream;
    err_set(err, error, "cannot watch: %s", strerror(-error));
    if (stream->event_fd >= 0)
        close(stream->event_fd);
    pthread_mutex_destroy(&stream->lock);
    free(stream->socket_path);
    free(stream->target);
    free(stream);
    return NULL;
}

struct stream *stream_close(struct stream *stream)
{
    if (!stream)
        return NULL;
    atomic_store(&stream->stop, true);
    for (;;) {
        struct timespec until;
        pthread_kill(stream->thread, SIGUSR1);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20 * 1000 * 1000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        if (pthread_timedjoin_np(stream->thread, NULL, &until) == 0)
            break;
    }
    close(stream->event_fd);
    pthread_mutex_destroy(&stream->lock);
    free(stream->news.table);
    free(stream->socket_path);
    free(stream->target);
    free(stream);
    return NULL;
}

int stream_fd(const struct stream *stream)
{
    return stream->event_fd;
}

void stream_take(struct stream *stream, struct stream_news *ret)
{
    uint64_t count;
    ssize_t ignored = read(stream->event_fd, &count, sizeof count);
    (void)ignored;
    pthread_mutex_lock(&stream->lock);
    *ret = stream->news;
    stream->news.table = NULL;
    pthread_mutex_unlock(&stream->lock);
}
