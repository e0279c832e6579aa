/* Inside top_data only: what the two threads and the caller share. */
#ifndef ROUTECTL_TOP_DATA_PARTS_H
#define ROUTECTL_TOP_DATA_PARTS_H

#include "routectl/top_data.h"

#include <pthread.h>
#include <stdbool.h>

struct top_question {
    struct top_question *next;
    enum top_asked kind;
    char *target;
    char *body; /* NULL = GET */
    usec_t until;
};

struct top_wanting { /* one route whose history is wanted */
    char *platform, *model;
    usec_t asked_at; /* steady; 0 = never */
};

struct top_data {
    char *socket;
    usec_t timeout, lease;
    int news_fd; /* eventfd, towards the caller */
    int wake_fd; /* eventfd, towards the thread of the tables */
    pthread_t tables, questions;
    bool tables_begun, questions_begun;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t asked; /* towards the thread of the questions */
    bool over;
    char *policy, *model;
    unsigned selection; /* counts top_data_select */
    struct top_question *first, **last;
    struct top_wanting wanted[TOP_WANTED_MAX];
    size_t wanted_len;
    usec_t span;
    int64_t events_after;
    struct top_mail mail;
    struct top_answer **last_answer;
};

void *top_data_questions(void *data);      /* the thread's function, in top_questions.c */
void top_data_tell(struct top_data *data); /* there is news */

#endif
