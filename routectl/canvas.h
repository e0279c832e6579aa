/* Dots on a terminal: a grid of character cells, each of several dots. */
#ifndef ROUTECTL_CANVAS_H
#define ROUTECTL_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"

enum canvas_kind {
    CANVAS_BRAILLE, /* 2 x 4 dots a cell */
    CANVAS_BLOCK,   /* 1 x 2: for terminals without braille */
};

struct canvas {
    enum canvas_kind kind;
    size_t columns, rows; /* cells */
    size_t width, height; /* dots */
    uint8_t *dots;        /* bits a cell */
    uint8_t *owners;      /* a cell: who drew there last */
    const char **marks;   /* a cell: what stands there instead of its dots; NULL = nothing */
};

void canvas_init(struct canvas *ret, enum canvas_kind kind, size_t columns, size_t rows);
void canvas_done(struct canvas *canvas);
/* Dot (0, 0) is at the top left; what lies outside is not drawn. */
void canvas_dot(struct canvas *canvas, long x, long y, uint8_t owner);
void canvas_line(struct canvas *canvas, long x0, long y0, long x1, long y1, uint8_t owner);
/* One column wide; static. */
void canvas_mark(struct canvas *canvas, long x, long y, const char *mark, uint8_t owner);
/* The cells of a row, exactly `columns` wide. colours: an SGR sequence an owner; NULL = none. */
void canvas_row(const struct canvas *canvas, size_t row, const char *const *colours, struct buf *ret);

#endif
