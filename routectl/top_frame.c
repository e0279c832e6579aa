/* Rows of text whose bytes each have a style. Two frames can be compared, so that a screen on which nothing changed costs nothing. */
#include "routectl/top_frame.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

void top_frame_begin(struct top_frame *frame, size_t rows, size_t columns)
{
    frame->rows = rows < TOP_ROWS_MAX ? rows : TOP_ROWS_MAX;
    frame->columns = columns < TOP_COLUMNS_MAX ? columns : TOP_COLUMNS_MAX;
    frame->cursor = false;
    if (frame->rows > frame->lines_len) {
        frame->lines = alloc_resize(frame->lines, frame->rows, sizeof *frame->lines);
        memset(frame->lines + frame->lines_len, 0, (frame->rows - frame->lines_len) * sizeof *frame->lines);
        frame->lines_len = frame->rows;
    }
    for (size_t i = 0; i < frame->rows; i++) {
        buf_clear(&frame->lines[i].text);
        buf_clear(&frame->lines[i].styles);
        frame->lines[i].width = 0;
    }
}

void top_frame_done(struct top_frame *frame)
{
    for (size_t i = 0; i < frame->lines_len; i++) {
        buf_done(&frame->lines[i].text);
        buf_done(&frame->lines[i].styles);
    }
    free(frame->lines);
    memset(frame, 0, sizeof *frame);
}

bool top_frame_same_line(const struct top_frame *a, const struct top_frame *b, size_t row)
{
    if (row >= a->rows || row >= b->rows || a->columns != b->columns)
        return false;
    const struct top_line *x = &a->lines[row], *y = &b->lines[row];
    return x->text.len == y->text.len && (x->text.len == 0 || (memcmp(x->text.data, y->text.data, x->text.len) == 0 &&
                                                               memcmp(x->styles.data, y->styles.data, x->text.len) == 0));
}

bool top_frame_same(const struct top_frame *a, const struct top_frame *b)
{
    if (a->rows != b->rows || a->columns != b->columns || a->cursor != b->cursor)
        return false;
    if (a->cursor && (a->cursor_row != b->cursor_row || a->cursor_column != b->cursor_column))
        return false;
    for (size_t i = 0; i < a->rows; i++) {
        if (!top_frame_same_line(a, b, i))
            return false;
    }
    return true;
}

size_t top_room(const struct top_frame *frame, size_t row)
{
    return row < frame->rows && frame->columns > frame->lines[row].width ? frame->columns - frame->lines[row].width : 0;
}

static void put(struct top_frame *frame, size_t row, unsigned style, const char *text, size_t columns, enum text_align align, bool pad)
{
    size_t room = top_room(frame, row);
    if (room == 0 || columns == 0)
        return;
    struct top_line *line = &frame->lines[row];
    size_t before = line->text.len;
    text_add_cell(&line->text, text, columns < room ? columns : room, align, pad);
    for (size_t i = before; i < line->text.len; i++)
        buf_add_char(&line->styles, (char)style);
    if (line->text.len > before)
        line->width += text_width(line->text.data + before);
}

void top_put(struct top_frame *frame, size_t row, unsigned style, const char *text)
{
    put(frame, row, style, text, SIZE_MAX, TEXT_LEFT, false);
}

void top_putf(struct top_frame *frame, size_t row, unsigned style, const char *fmt, ...)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    top_put(frame, row, style, buf_str(&text));
}

void top_put_cell(struct top_frame *frame, size_t row, unsigned style, const char *text, size_t columns, enum text_align align)
{
    put(frame, row, style, text, columns, align, true);
}

void top_put_name(struct top_frame *frame, size_t row, unsigned style, const char *name, size_t columns)
{
    size_t head = columns / 2;
    const char *tail = name;

    if (text_width(name) <= columns || columns < 5) {
        top_put_cell(frame, row, style, name, columns, TEXT_LEFT);
        return;
    }
    while (text_width(tail) > columns - head) {
        uint32_t c;
        tail += text_decode(tail, strlen(tail), &c);
    }
    struct buf shown CLEANUP(buf_done) = BUF_INIT;
    text_add_cell(&shown, name, head, TEXT_LEFT, false); /* its last column is the "…" */
    buf_add_str(&shown, tail);
    top_put_cell(frame, row, style, buf_str(&shown), columns, TEXT_LEFT);
}

void top_put_until(struct top_frame *frame, size_t row, unsigned style, size_t column)
{
    if (row < frame->rows && column > frame->lines[row].width)
        put(frame, row, style, "", column - frame->lines[row].width, TEXT_LEFT, true);
}

void top_mark_row(struct top_frame *frame, size_t row, unsigned attributes)
{
    if (row >= frame->rows)
        return;
    top_put_until(frame, row, STYLE_PLAIN, frame->columns);
    struct top_line *line = &frame->lines[row];
    for (size_t i = 0; i < line->styles.len; i++)
        line->styles.data[i] = (char)((unsigned char)line->styles.data[i] | attributes);
}
