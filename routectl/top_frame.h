/* A screenful as plain text with a style a byte: what top lays out, what its tests read, and what top_draw.c puts on the terminal.
 *
 * Nothing harmful gets in: every text is made safe (shared/text.h) and cut to the window on its way. */
#ifndef ROUTECTL_TOP_FRAME_H
#define ROUTECTL_TOP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routectl/writer.h"
#include "shared/buf.h"
#include "shared/text.h"

#define TOP_ROWS_MAX    512
#define TOP_COLUMNS_MAX 1024

/* One byte: an enum style, and these beside it. */
enum top_attribute { TOP_STYLE = 0x0f, TOP_REVERSE = 0x10, TOP_STRONG = 0x20, TOP_FADED = 0x40 };

struct top_line {
    struct buf text;
    struct buf styles; /* as many bytes */
    size_t width;      /* columns used */
};

struct top_frame {
    size_t rows, columns;
    size_t lines_len; /* allocated; >= rows */
    struct top_line *lines;
    bool cursor; /* shown at row, column */
    size_t cursor_row, cursor_column;
};

void top_frame_begin(struct top_frame *frame, size_t rows, size_t columns); /* empties it */
void top_frame_done(struct top_frame *frame);
/* Row `row` of both is the same picture. */
bool top_frame_same_line(const struct top_frame *a, const struct top_frame *b, size_t row);
bool top_frame_same(const struct top_frame *a, const struct top_frame *b);

/* Appends text to a row, as far as there is room (with "…" if it is cut). Rows that are not there take nothing. */
void top_put(struct top_frame *frame, size_t row, unsigned style, const char *text);
void top_putf(struct top_frame *frame, size_t row, unsigned style, const char *fmt, ...) ATTR_PRINTF(4, 5);
/* Exactly `columns` wide, cut or filled. */
void top_put_cell(struct top_frame *frame, size_t row, unsigned style, const char *text, size_t columns, enum text_align align);
/* The same for a name: if it is cut, then in its middle, since names differ at their ends ("claude…t-4-5"). */
void top_put_name(struct top_frame *frame, size_t row, unsigned style, const char *name, size_t columns);
/* Spaces up to column `column`. */
void top_put_until(struct top_frame *frame, size_t row, unsigned style, size_t column);
/* Adds attributes to all that is in the row, filled up to the window's width. */
void top_mark_row(struct top_frame *frame, size_t row, unsigned attributes);
/* Columns that are left in the row. */
size_t top_room(const struct top_frame *frame, size_t row);

#endif
