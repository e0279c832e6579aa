/* The thread that asks: what keys want at once, then the regular questions as they fall due, one at a time.
 *
 * Status and events each second or two. The history of the routes in sight, twelve at a time, the longest not asked first; each again after
 * a hundredth of the time that is shown, at most every 10 s. A daemon without a history says so with 404 or 503 and is asked again seldom:
 * it may be one that has just been started, or that has its disk back. */
#include "routectl/top_data_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/fetch.h"
#include "shared/alloc.h"

#define STATUS_EVERY   (2 * USEC_PER_SEC)
#define EVENTS_EVERY   (1 * USEC_PER_SEC)
#define HISTORY_APART  (USEC_PER_SEC / 4)
#define HISTORY_AGAIN  (10 * USEC_PER_SEC) /* of one route, at the most often */
#define AFTER_REFUSAL  (15 * USEC_PER_SEC)
#define ROUTES_AT_ONCE 12 /* what /v1/history takes */
#define EVENTS_LIMIT   400
#define HISTORY_POINTS 96

struct asking {
    struct top_data *data;
    usec_t status_at, events_at, history_at; /* steady: when each is due */
};

/* --- which question is next; with the lock held ----------------------------------------------------------------------- */

static struct top_question *question_new(enum top_asked kind, struct buf *target)
{
    struct top_question *question = alloc_zero(1, sizeof *question);
    question->kind = kind;
    question->target = buf_take(target);
    return question;
}

static void question_free(struct top_question *question)
{
    free(question->target);
    free(question->body);
    free(question);
}

static struct top_question *ask_events(const struct top_data *data)
{
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    buf_printf(&target, "/v1/events?limit=%d", EVENTS_LIMIT);
    if (data->events_after >= 0)
        buf_printf(&target, "&after=%lld", (long long)data->events_after);
    return question_new(TOP_ASKED_EVENTS, &target);
}

static usec_t again_after(const struct top_data *data)
{
    usec_t again = data->span / 100;
    return again > HISTORY_AGAIN ? again : HISTORY_AGAIN;
}

/* When the history of some route is due; USEC_INFINITY = nothing is wanted. */
static usec_t history_due(const struct asking *asking)
{
    const struct top_data *data = asking->data;
    usec_t due = USEC_INFINITY;
    for (size_t i = 0; i < data->wanted_len; i++) {
        usec_t at = data->wanted[i].asked_at > 0 ? data->wanted[i].asked_at + again_after(data) : 0;
        due = at < due ? at : due;
    }
    return due == USEC_INFINITY || due > asking->history_at ? due : asking->history_at;
}

/* Those that are due, the longest not asked first. */
static struct top_question *ask_history(const struct asking *asking, usec_t now)
{
    struct top_data *data = asking->data;
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    usec_t wall = fetch_now();

    buf_printf(&target, "/v1/history?metric=ttft&points=%d&since=%.3f&until=%.3f", HISTORY_POINTS, (double)(wall - data->span) / 1e6,
               (double)wall / 1e6);
    for (size_t n = 0; n < ROUTES_AT_ONCE; n++) {
        struct top_wanting *oldest = NULL;
        for (size_t i = 0; i < data->wanted_len; i++) {
            struct top_wanting *w = &data->wanted[i];
            bool due = w->asked_at == 0 || w->asked_at + again_after(data) <= now;
            if (due && (!oldest || w->asked_at < oldest->asked_at))
                oldest = w;
        }
        if (!oldest)
            break;
        oldest->asked_at = now;
        buf_add_str(&target, "&route=");
        client_encode(&target, oldest->platform);
        buf_add_str(&target, "%2F");
        client_encode(&target, oldest->model);
    }
    struct top_question *question = question_new(TOP_ASKED_HISTORY, &target);
    question->until = wall;
    return question;
}

/* Waits for the next question; NULL = all is over. */
static struct top_question *next_question(struct asking *asking)
{
    struct top_data *data = asking->data;
    struct top_question *question = NULL;

    pthread_mutex_lock(&data->lock);
    while (!data->over && !question) {
        usec_t now = top_data_steady(), history = history_due(asking);
        usec_t due = asking->status_at < asking->events_at ? asking->status_at : asking->events_at;
        due = history < due ? history : due;
        if (data->first) {
            question = data->first;
            data->first = question->next;
            if (!data->first)
                data->last = &data->first;
        } else if (asking->status_at <= now) {
            struct buf target CLEANUP(buf_done) = BUF_INIT;
            buf_add_str(&target, "/v1/status");
            question = question_new(TOP_ASKED_STATUS, &target);
        } else if (asking->events_at <= now) {
            question = ask_events(data);
        } else if (history <= now) {
            question = ask_history(asking, now);
        } else {
            pthread_cond_timedwait(&data->asked, &data->lock,
                                   &(struct timespec){.tv_sec = due / USEC_PER_SEC, .tv_nsec = due % USEC_PER_SEC * 1000});
        }
    }
    pthread_mutex_unlock(&data->lock);
    return question;
}

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static struct top_answer *ask(const struct top_data *data, struct top_question *question)
{
    struct top_answer *answer = alloc_zero(1, sizeof *answer);
    struct client_answer got = {0};
    struct err err = {""};

    answer->kind = question->kind;
    answer->until = question->until;
    answer->error =
        client_request(data->socket, question->body ? "POST" : "GET", question->target, question->body, data->timeout, &got, &err);
    answer->status = got.status;
    if (answer->error == 0 && got.body.len > 0)
        answer->json = json_parse(got.body.data, got.body.len, &err);
    if (answer->error != 0)
        snprintf(answer->why, sizeof answer->why, "%s", err.text[0] ? err.text : strerror(-answer->error));
    client_answer_done(&got);
    answer->target = question->target;
    question->target = NULL;
    return answer;
}

/* What was not answered is wanted still. */
static void want_all_again(struct top_data *data)
{
    pthread_mutex_lock(&data->lock);
    for (size_t i = 0; i < data->wanted_len; i++)
        data->wanted[i].asked_at = 0;
    pthread_mutex_unlock(&data->lock);
}

static void schedule(struct asking *asking, const struct top_answer *answer)
{
    usec_t now = top_data_steady();
    bool refused = answer->error == 0 && answer->status != 200;

    switch (answer->kind) {
    case TOP_ASKED_STATUS:
        asking->status_at = now + STATUS_EVERY;
        break;
    case TOP_ASKED_EVENTS:
        asking->events_at = now + (refused ? AFTER_REFUSAL : answer->error != 0 ? STATUS_EVERY : EVENTS_EVERY);
        break;
    case TOP_ASKED_HISTORY:
        asking->history_at = now + (refused ? AFTER_REFUSAL : answer->error != 0 ? STATUS_EVERY : HISTORY_APART);
        if (refused || answer->error != 0)
            want_all_again(asking->data);
        break;
    case TOP_ASKED_OVERRIDE: /* what came of it is wanted soon */
        asking->status_at = asking->events_at = now;
        break;
    default:
        break;
    }
}

void *top_data_questions(void *arg)
{
    struct asking asking = {.data = arg};
    struct top_data *data = arg;

    for (struct top_question *question = next_question(&asking); question; question = next_question(&asking)) {
        struct top_answer *answer = ask(data, question);
        question_free(question);
        schedule(&asking, answer);
        pthread_mutex_lock(&data->lock);
        *data->last_answer = answer;
        data->last_answer = &answer->next;
        pthread_mutex_unlock(&data->lock);
        top_data_tell(data);
    }
    return NULL;
}
