/* Dots on a terminal: braille (U+2800 and on, a bit a dot) or half blocks.
 *
 * A cell has one colour, that of whoever drew in it last; so that what matters is drawn last. An empty cell is a blank and not the empty
 * braille pattern, which some fonts draw as eight small circles. */
#include "routectl/canvas.h"

#include <stdlib.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define SIDE_MAX 4096  /* cells */
#define DOTS_MAX 32768 /* from the corner, where a line may end */

void canvas_init(struct canvas *ret, enum canvas_kind kind, size_t columns, size_t rows)
{
    columns = columns > SIDE_MAX ? SIDE_MAX : columns;
    rows = rows > SIDE_MAX ? SIDE_MAX : rows;
    bool braille = kind == CANVAS_BRAILLE;
    *ret = (struct canvas){
        .kind = kind, .columns = columns, .rows = rows, .width = columns * (braille ? 2 : 1), .height = rows * (braille ? 4 : 2)};
    ret->dots = alloc_zero(columns * rows + 1, sizeof *ret->dots);
    ret->owners = alloc_zero(columns * rows + 1, sizeof *ret->owners);
    ret->marks = alloc_zero(columns * rows + 1, sizeof *ret->marks);
}

void canvas_done(struct canvas *canvas)
{
    free(canvas->dots);
    free(canvas->owners);
    free(canvas->marks);
    *canvas = (struct canvas){0};
}

static bool inside(const struct canvas *canvas, long x, long y)
{
    return x >= 0 && y >= 0 && (size_t)x < canvas->width && (size_t)y < canvas->height;
}

static size_t cell_at(const struct canvas *canvas, long x, long y)
{
    return (size_t)y / (canvas->kind == CANVAS_BRAILLE ? 4 : 2) * canvas->columns + (size_t)x / (canvas->kind == CANVAS_BRAILLE ? 2 : 1);
}

void canvas_dot(struct canvas *canvas, long x, long y, uint8_t owner)
{
    static const uint8_t braille[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (!inside(canvas, x, y))
        return;
    size_t cell = cell_at(canvas, x, y);
    int bit = canvas->kind == CANVAS_BRAILLE ? braille[y % 4][x % 2] : 1 << y % 2;
    canvas->dots[cell] = (uint8_t)(canvas->dots[cell] | bit);
    canvas->owners[cell] = owner;
}

/* Far outside it does not matter how far. */
static long near_by(long place)
{
    return place < -DOTS_MAX ? -DOTS_MAX : place > DOTS_MAX ? DOTS_MAX : place;
}

void canvas_line(struct canvas *canvas, long x0, long y0, long x1, long y1, uint8_t owner)
{
    /* Bresenham, on the longer side. */
    x0 = near_by(x0);
    y0 = near_by(y0);
    x1 = near_by(x1);
    y1 = near_by(y1);
    long dx = labs(x1 - x0), dy = -labs(y1 - y0), error = dx + dy;
    long right = x0 < x1 ? 1 : -1, down = y0 < y1 ? 1 : -1;
    for (;;) {
        canvas_dot(canvas, x0, y0, owner);
        if (x0 == x1 && y0 == y1)
            return;
        long twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x0 += right;
        }
        if (twice <= dx) {
            error += dx;
            y0 += down;
        }
    }
}

void canvas_mark(struct canvas *canvas, long x, long y, const char *mark, uint8_t owner)
{
    if (!inside(canvas, x, y))
        return;
    canvas->marks[cell_at(canvas, x, y)] = mark;
    canvas->owners[cell_at(canvas, x, y)] = owner;
}

static void add_cell(const struct canvas *canvas, size_t cell, struct buf *ret)
{
    static const char *const blocks[] = {" ", "▀", "▄", "█"};
    char character[4];
    if (canvas->marks[cell])
        buf_add_str(ret, canvas->marks[cell]);
    else if (canvas->kind == CANVAS_BLOCK)
        buf_add_str(ret, blocks[canvas->dots[cell] & 3]);
    else if (canvas->dots[cell] == 0)
        buf_add_char(ret, ' ');
    else
        buf_add(ret, character, text_encode(character, 0x2800u + canvas->dots[cell]));
}

void canvas_row(const struct canvas *canvas, size_t row, const char *const *colours, struct buf *ret)
{
    int now = -1; /* whose colour is on */
    for (size_t c = 0; c < canvas->columns; c++) {
        size_t cell = row * canvas->columns + c;
        bool drawn = canvas->dots[cell] != 0 || canvas->marks[cell];
        int next = drawn ? canvas->owners[cell] : now;
        if (colours && next != now) {
            if (now >= 0)
                buf_add_str(ret, "\033[0m");
            buf_add_str(ret, colours[next]);
            now = next;
        }
        add_cell(canvas, cell, ret);
    }
    if (colours && now >= 0)
        buf_add_str(ret, "\033[0m");
}
