/* Questions about the past, answered out of an open file: what the reader's thread runs. Synchronous, no state between two questions. */
#ifndef PROBED_STORE_QUESTION_H
#define PROBED_STORE_QUESTION_H

#include <sqlite3.h>

#include "probed/core/history.h"

/* Fills in a fresh (all zero) answer. 0, or -EIO when the file could not be read or the question was interrupted: the answer then has its
 * status and problem, and the connection should be opened anew. */
int question_answer(sqlite3 *db, const struct history_query *query, struct history_answer *answer) ATTR_UNUSED_RESULT;
/* What SQLite's result means to whoever asked: status and sentence. db may be NULL. */
void question_trouble(sqlite3 *db, int rc, struct history_answer *answer);

#endif
