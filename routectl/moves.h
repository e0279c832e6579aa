/* Which routes changed their rank lately: a small memory of the last table, for the marks of watch. */
#ifndef ROUTECTL_MOVES_H
#define ROUTECTL_MOVES_H

#include "shared/table.h"

/* How long a mark stays. */
#define MOVES_SHOWN (20 * USEC_PER_SEC)

struct moves;
struct moves *moves_new(void);
struct moves *moves_free(struct moves *moves); /* NULL is fine; returns NULL */
/* Takes in the next table (its first policy). */
void moves_learn(struct moves *moves, const struct table *table, usec_t now);
/* By how many ranks the route rose (> 0) or fell (< 0) within MOVES_SHOWN before now; 0 = not. */
int moves_of(const struct moves *moves, const char *model, const char *platform, usec_t now);

#endif
