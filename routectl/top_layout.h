/* From the state to a screenful: pure, so that every window size can be tested without a terminal. */
#ifndef ROUTECTL_TOP_LAYOUT_H
#define ROUTECTL_TOP_LAYOUT_H

#include "routectl/top_frame.h"
#include "routectl/top_view.h"

#define TOP_LEAST_ROWS    10
#define TOP_LEAST_COLUMNS 40

/* Which rows are for what, from the top: head, titles of the list, list, events (with their title), dialog, foot. */
struct top_share {
    size_t head, list, events, dialog;
};
struct top_share top_share_rows(const struct top_view *view);

/* Lays out the whole window. Scrolls what is shown so that what is selected can be seen, and notes the pages' sizes. */
void top_layout(struct top_view *view, struct top_frame *frame);

/* Parts of it, each in a file of its own. */
void top_layout_head(const struct top_view *view, struct top_frame *frame, size_t rows);
void top_layout_dialog(const struct top_view *view, struct top_frame *frame, size_t row);
void top_layout_foot(const struct top_view *view, struct top_frame *frame, size_t row);
void top_layout_pane(struct top_view *view, struct top_frame *frame, size_t row, size_t rows);
/* Lines of text with the writer's colours in it. */
size_t top_layout_lines(const char *text);

#endif
