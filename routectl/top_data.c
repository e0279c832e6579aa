/* The mailbox between the thread that draws and the two that ask, and the one of these that takes the tables.
 *
 * A table is read where it arrives, so that ten thousand routes cost the keys nothing, and is handed over whole: nobody here keeps it.
 * After another policy or model was chosen the number of the selection tells old tables from new ones.
 *
 * At the end the threads are asked to leave and given a moment. One that waits for a daemon that does not answer is left behind, with the
 * memory that it may still touch: the program is about to end, and a person is waiting for the prompt. */
#include "routectl/top_data_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "routectl/fetch.h"
#include "routectl/stream.h"
#include "shared/alloc.h"

#define LEAVE_WITHIN_MS 300
#define OPEN_AGAIN_MS   1000

usec_t top_data_steady(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

static void raise_fd(int fd)
{
    ssize_t ignored = write(fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored;
}

static void lower_fd(int fd)
{
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
}

void top_data_tell(struct top_data *data)
{
    raise_fd(data->news_fd);
}

/* --- the thread of the tables ----------------------------------------------------------------------------------------- */

static void deliver(struct top_data *data, const struct stream_news *news, struct table *table, unsigned selection)
{
    pthread_mutex_lock(&data->lock);
    struct top_mail *mail = &data->mail;
    if (selection != data->selection) { /* nobody wants it any more */
        table_unref(table);
        pthread_mutex_unlock(&data->lock);
        return;
    }
    if (table) {
        table_unref(mail->table);
        mail->table = table;
    }
    mail->told = true;
    mail->connected = news->connected;
    mail->lease = news->lease;
    mail->retry_at = news->retry_at;
    mail->error = news->error;
    memcpy(mail->why, news->why, sizeof mail->why);
    pthread_mutex_unlock(&data->lock);
    top_data_tell(data);
}

static void take_tables(struct top_data *data, struct stream *stream, unsigned selection)
{
    struct stream_news news;
    struct err err = {""};

    stream_take(stream, &news);
    char *text CLEANUP(alloc_freep) = news.table;
    cJSON *json CLEANUP(json_deletep) = text ? json_parse(text, strlen(text), &err) : NULL;
    struct table *table = json ? table_from_json(json, &err) : NULL;
    if (text && !table) {
        news.connected = false;
        snprintf(news.why, sizeof news.why, "a table that cannot be read: %.200s", err.text);
    }
    deliver(data, &news, table, selection);
}

/* Until another selection is made or all is over. True = over. */
static bool follow(struct top_data *data, const char *target, unsigned selection)
{
    struct err err = {""};
    struct stream *stream = stream_open(data->socket, target, data->lease, &err);
    bool over = false, changed = false;

    if (!stream) {
        struct stream_news news = {.error = -EIO};
        memcpy(news.why, err.text, sizeof news.why);
        deliver(data, &news, NULL, selection);
    }
    while (!over && !changed) {
        struct pollfd fds[] = {{.fd = data->wake_fd, .events = POLLIN}, {.fd = stream ? stream_fd(stream) : -1, .events = POLLIN}};
        int n = poll(fds, ARRAY_LEN(fds), stream ? -1 : OPEN_AGAIN_MS);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        if (n > 0 && (fds[1].revents & POLLIN))
            take_tables(data, stream, selection);
        if (n > 0 && (fds[0].revents & POLLIN))
            lower_fd(data->wake_fd);
        pthread_mutex_lock(&data->lock);
        over = data->over;
        changed = data->selection != selection;
        pthread_mutex_unlock(&data->lock);
    }
    stream_close(stream);
    return over;
}

static void *tables_thread(void *arg)
{
    struct top_data *data = arg;
    bool over = false;

    while (!over) {
        struct buf target CLEANUP(buf_done) = BUF_INIT;
        pthread_mutex_lock(&data->lock);
        unsigned selection = data->selection;
        buf_add_str(&target, "/v1/watch");
        fetch_query(&target, "policy", data->policy[0] ? data->policy : NULL);
        fetch_query(&target, "model", data->model[0] ? data->model : NULL);
        over = data->over;
        pthread_mutex_unlock(&data->lock);
        if (!over)
            over = follow(data, buf_str(&target), selection);
    }
    return NULL;
}

/* --- the caller's side ------------------------------------------------------------------------------------------------ */

static int begin(struct top_data *data)
{
    sigset_t all, before;
    pthread_condattr_t attributes;

    pthread_mutex_init(&data->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&data->asked, &attributes);
    pthread_condattr_destroy(&attributes);
    data->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    data->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (data->news_fd < 0 || data->wake_fd < 0)
        return -errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&data->tables, NULL, tables_thread, data);
    data->tables_begun = error == 0;
    if (error == 0) {
        error = pthread_create(&data->questions, NULL, top_data_questions, data);
        data->questions_begun = error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

struct top_data *top_data_open(const struct top_source *source, struct err *err)
{
    struct top_data *data = alloc_zero(1, sizeof *data);

    data->socket = alloc_string(source->socket);
    data->timeout = source->timeout;
    data->lease = source->lease;
    data->policy = alloc_string(source->policy ? source->policy : "");
    data->model = alloc_string(source->model ? source->model : "");
    data->last = &data->first;
    data->last_answer = &data->mail.answers;
    data->events_after = -1;
    int error = begin(data);
    if (error == 0)
        return data;
    err_set(err, error, "no threads to ask the daemon with: %s", strerror(-error));
    top_data_close(data);
    return NULL;
}

static bool left(pthread_t thread)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LEAVE_WITHIN_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

static void free_wanted(struct top_wanting *wanted, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free(wanted[i].platform);
        free(wanted[i].model);
    }
}

struct top_data *top_data_close(struct top_data *data)
{
    if (!data)
        return NULL;
    pthread_mutex_lock(&data->lock);
    data->over = true;
    pthread_cond_signal(&data->asked);
    pthread_mutex_unlock(&data->lock);
    raise_fd(data->wake_fd);
    bool tables = !data->tables_begun || left(data->tables);
    bool questions = !data->questions_begun || left(data->questions);
    if (!tables || !questions)
        return NULL;
    for (struct top_question *q = data->first, *next; q; q = next) {
        next = q->next;
        free(q->target);
        free(q->body);
        free(q);
    }
    for (struct top_answer *a = data->mail.answers; a;)
        a = top_answer_free(a);
    table_unref(data->mail.table);
    free_wanted(data->wanted, data->wanted_len);
    if (data->news_fd >= 0)
        close(data->news_fd);
    if (data->wake_fd >= 0)
        close(data->wake_fd);
    pthread_cond_destroy(&data->asked);
    pthread_mutex_destroy(&data->lock);
    free(data->socket);
    free(data->policy);
    free(data->model);
    free(data);
    return NULL;
}

int top_data_fd(const struct top_data *data)
{
    return data->news_fd;
}

void top_data_select(struct top_data *data, const char *policy, const char *model)
{
    pthread_mutex_lock(&data->lock);
    free(data->policy);
    free(data->model);
    data->policy = alloc_string(policy);
    data->model = alloc_string(model);
    data->selection++;
    table_unref(data->mail.table);
    data->mail.table = NULL;
    pthread_mutex_unlock(&data->lock);
    raise_fd(data->wake_fd);
}

static bool same_wanted(const struct top_data *data, const struct top_wanted *wanted, size_t len, usec_t span)
{
    if (data->span != span || data->wanted_len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (strcmp(data->wanted[i].platform, wanted[i].platform) != 0 || strcmp(data->wanted[i].model, wanted[i].model) != 0)
            return false;
    }
    return true;
}

void top_data_want(struct top_data *data, const struct top_wanted *wanted, size_t len, usec_t span)
{
    len = len < TOP_WANTED_MAX ? len : TOP_WANTED_MAX;
    pthread_mutex_lock(&data->lock);
    if (!same_wanted(data, wanted, len, span)) {
        struct top_wanting *fresh = alloc_zero(len > 0 ? len : 1, sizeof *fresh);
        for (size_t i = 0; i < len; i++) {
            fresh[i] = (struct top_wanting){.platform = alloc_string(wanted[i].platform), .model = alloc_string(wanted[i].model)};
            for (size_t j = 0; j < data->wanted_len && data->span == span; j++) {
                if (strcmp(data->wanted[j].platform, wanted[i].platform) == 0 && strcmp(data->wanted[j].model, wanted[i].model) == 0)
                    fresh[i].asked_at = data->wanted[j].asked_at;
            }
        }
        free_wanted(data->wanted, data->wanted_len);
        memcpy(data->wanted, fresh, len * sizeof *fresh);
        free(fresh);
        data->wanted_len = len;
        data->span = span;
        pthread_cond_signal(&data->asked);
    }
    pthread_mutex_unlock(&data->lock);
}

void top_data_ask(struct top_data *data, enum top_asked kind, const char *target, const cJSON *body)
{
    struct top_question *question = alloc_zero(1, sizeof *question);
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    question->kind = kind;
    question->target = alloc_string(target);
    if (body) {
        json_print(body, false, &text);
        question->body = buf_take(&text);
    }
    pthread_mutex_lock(&data->lock);
    *data->last = question;
    data->last = &question->next;
    pthread_cond_signal(&data->asked);
    pthread_mutex_unlock(&data->lock);
}

void top_data_events_after(struct top_data *data, int64_t after)
{
    pthread_mutex_lock(&data->lock);
    data->events_after = after;
    pthread_mutex_unlock(&data->lock);
}

void top_data_take(struct top_data *data, struct top_mail *ret)
{
    lower_fd(data->news_fd);
    pthread_mutex_lock(&data->lock);
    *ret = data->mail;
    memset(&data->mail, 0, sizeof data->mail);
    data->last_answer = &data->mail.answers;
    pthread_mutex_unlock(&data->lock);
}

struct top_answer *top_answer_free(struct top_answer *answer)
{
    struct top_answer *next = answer->next;
    cJSON_Delete(answer->json);
    free(answer->target);
    free(answer);
    return next;
}
