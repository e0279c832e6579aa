/* The routes that the list of top shows: those of the table that the filter lets through, in the order asked for. */
#ifndef ROUTECTL_TOP_ROWS_H
#define ROUTECTL_TOP_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/table.h"

/* X(ID, words, backwards first): what can be sorted by. */
#define TOP_SORT_TABLE(X)                                                                                                                  \
    X(RANK, "rank", false)                                                                                                                 \
    X(STATE, "state, the worst first", true)                                                                                               \
    X(TTFT, "first token", false)                                                                                                          \
    X(P95, "95th percentile", false)                                                                                                       \
    X(AVAILABILITY, "availability", false)                                                                                                 \
    X(PRICE, "price", false)                                                                                                               \
    X(WEIGHT, "weight", true)                                                                                                              \
    X(SCORE, "score", true)                                                                                                                \
    X(SAMPLES, "samples", false)                                                                                                           \
    X(PLATFORM, "platform", false)

enum top_sort {
#define X(id, words, backwards) TOP_SORT_##id,
    TOP_SORT_TABLE(X)
#undef X
        TOP_SORT_COUNT
};
const char *top_sort_words(enum top_sort sort);
bool top_sort_backwards(enum top_sort sort); /* what it begins with */

struct top_row { /* borrowed from a table */
    const struct table_row *row;
    const char *model;
};

/* Each word of the filter must occur in the platform, its title, the model, its name there, the state or the reason; case does not matter.
 */
bool top_row_matches(const struct top_row *row, const char *filter);
/* Caller frees. What is not known comes last in either direction; equals keep the table's order. */
struct top_row *top_rows_collect(const struct table *table, const char *filter, enum top_sort sort, bool backwards, size_t *ret_len);

#endif
