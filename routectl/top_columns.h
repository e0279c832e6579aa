/* The columns of the list: which of them a window has room for, how wide they are, and what stands in them. Pure. */
#ifndef ROUTECTL_TOP_COLUMNS_H
#define ROUTECTL_TOP_COLUMNS_H

#include "routectl/top_frame.h"
#include "routectl/top_view.h"

/* X(ID, title, least, most, leaves, right, sort): the widths; a window that is too narrow loses the highest `leaves` first (0 = never);
 * sort: the order that it shows, TOP_SORT_COUNT = none. In the order in which they are shown. */
#define TOP_COLUMN_TABLE(X)                                                                                                                \
    X(RANK, "#", 3, 4, 0, true, TOP_SORT_RANK)                                                                                             \
    X(MODEL, "MODEL", 8, 30, 0, false, TOP_SORT_COUNT)                                                                                     \
    X(PLATFORM, "PLATFORM", 8, 26, 0, false, TOP_SORT_PLATFORM)                                                                            \
    X(TITLE, "", 8, 20, 13, false, TOP_SORT_COUNT)                                                                                         \
    X(STATE, "STATE", 10, 10, 0, false, TOP_SORT_STATE)                                                                                    \
    X(SPARK, "", 8, 40, 3, false, TOP_SORT_COUNT)                                                                                          \
    X(TTFT, "TTFT", 7, 7, 1, true, TOP_SORT_TTFT)                                                                                          \
    X(P95, "P95", 7, 7, 6, true, TOP_SORT_P95)                                                                                             \
    X(SPEED, "TOK/S", 5, 5, 12, true, TOP_SORT_COUNT)                                                                                      \
    X(AVAILABILITY, "AVAIL", 6, 6, 2, true, TOP_SORT_AVAILABILITY)                                                                         \
    X(INPUT, "IN/1M", 6, 8, 5, true, TOP_SORT_PRICE)                                                                                       \
    X(OUTPUT, "OUT/1M", 6, 8, 10, true, TOP_SORT_COUNT)                                                                                    \
    X(WEIGHT, "WEIGHT", 7, 16, 4, false, TOP_SORT_WEIGHT)                                                                                  \
    X(SCORE, "SCORE", 5, 5, 7, true, TOP_SORT_SCORE)                                                                                       \
    X(SAMPLES, "N", 5, 5, 8, true, TOP_SORT_SAMPLES)                                                                                       \
    X(AGE, "AGE", 6, 6, 11, true, TOP_SORT_COUNT)                                                                                          \
    X(WHY, "WHY", 10, 34, 9, false, TOP_SORT_COUNT)

enum top_column {
#define X(id, title, least, most, leaves, right, sort) TOP_COLUMN_##id,
    TOP_COLUMN_TABLE(X)
#undef X
        TOP_COLUMN_COUNT
};

#define TOP_MARK_WIDTH 2 /* before the first column: the cursor */

struct top_columns {
    size_t width[TOP_COLUMN_COUNT]; /* 0 = not shown */
};
void top_columns_fit(struct top_columns *ret, const struct top_view *view);
void top_columns_title(const struct top_columns *columns, const struct top_view *view, struct top_frame *frame, size_t row);
void top_columns_row(const struct top_columns *columns, const struct top_view *view, size_t at, struct top_frame *frame, size_t row);
/* The sign that stands before a state, for those who see no colours. */
char top_state_sign(enum route_state state);

#endif
