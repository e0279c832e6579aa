/* The ranked table as routes and watch show it: blocks by model, one line a route. */
#ifndef ROUTECTL_RANKED_H
#define ROUTECTL_RANKED_H

#include "routectl/moves.h"
#include "routectl/writer.h"
#include "shared/table.h"

struct ranked_view {
    const struct table *table; /* with one policy, as /v1/routes gives it */
    usec_t now;                /* wall clock, for ages */
    size_t most;               /* routes shown of each model; 0 = all */
    const struct moves *moves; /* marks for changed ranks; NULL = no such column */
    bool generation;           /* TSV: each row says which table it is from */
};
/* Describes it to the writer; true if some model has a usable route. */
bool ranked_write(const struct ranked_view *view, struct writer *w);
/* "production  generation 42, 3 s old" and what has to be known about the whole table. True if that is bad news. */
bool ranked_head(struct buf *ret, const struct table *table, usec_t now);
/* Lines that the text form takes when at most `most` routes a model are shown. */
size_t ranked_lines(const struct table *table, size_t most);

#endif
