/* The thread that answers questions about the past, on a read-only connection of its own: it never blocks the writer, nor the writer it.
 *
 * All functions are for the loop's thread, but for `wake`, which the reader's thread calls when there is an answer for reader_dispatch. */
#ifndef PROBED_STORE_READER_H
#define PROBED_STORE_READER_H

#include "probed/core/history.h"

#define READER_WAITING_MAX  64                  /* questions that are asked and not answered */
#define READER_PATIENCE     (10 * USEC_PER_SEC) /* then a question is interrupted */
#define READER_STOP_S 5                         /* so long the end waits for a question that cannot be interrupted */
#define READER_BUSY_WAIT_MS 2000                /* for a lock that somebody else holds */

struct reader;
/* The file need not be there yet: questions are answered with 503 until it is. NULL with -errno in *error: no thread. */
struct reader *reader_start(const char *file, void (*wake)(void *arg), void *arg, int *error);
/* Interrupts what is under way and ends the thread; what was not answered never is. Returns NULL. */
struct reader *reader_stop(struct reader *r);
/* As store_ask and store_forget. */
int reader_ask(struct reader *r, const struct history_query *query, history_answer_fn fn, void *arg) ATTR_UNUSED_RESULT;
void reader_forget(struct reader *r, void *arg);
/* Calls back with what was answered. */
void reader_dispatch(struct reader *r);
/* The file was set aside or made anew: the next question opens it again. From any thread. */
void reader_reopen(struct reader *r);
/* Shortens the patience, for tests. */
void reader_set_patience(struct reader *r, usec_t patience);

#endif
