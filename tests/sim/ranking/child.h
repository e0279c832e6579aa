/* A program that is asked by lines on its stdin and answers by lines on its stdout. */
#ifndef TESTS_SIM_RANKING_CHILD_H
#define TESTS_SIM_RANKING_CHILD_H

#include "shared/buf.h"

struct child;

/* argv ends with NULL. A program that cannot be started shows at the first child_ask. Never NULL; errors of ours end this program. */
struct child *child_start(const char *const argv[]);
void child_stop(struct child *child);
/* Lines to be sent are added here; they go out when there are many or when an answer is asked for. */
struct buf *child_out(struct child *child);
void child_send(struct child *child);
/* Sends and waits for a line; without its newline, valid until the next call. A child that is silent for a minute or ends: its stderr is
 * shown and this program ends with exit code 3. */
const char *child_ask(struct child *child);

#endif
