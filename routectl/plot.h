/* Pictures of series for a terminal: values in, lines of text out. */
#ifndef ROUTECTL_PLOT_H
#define ROUTECTL_PLOT_H

#include "routectl/canvas.h"
#include "routectl/series.h"

#define PLOT_COLUMNS_LEAST 40
#define PLOT_COLUMNS_MOST  400
#define PLOT_OVERLAID_MOST 4 /* in one picture, in different colours */

struct plot_setup {
    enum series_unit unit;
    double since, until; /* Unix seconds */
    size_t columns;      /* cut to the two numbers above */
    size_t rows;         /* about so many lines in all; 0 = as many as look well */
    bool colour;
    enum canvas_kind kind;
};

/* True if so many series are laid over one another: their bands are not drawn then. */
bool plot_overlays(bool colour, size_t len);
/* Lines, each exactly setup.columns wide and ended by a newline. Up to PLOT_OVERLAID_MOST series in colours are laid over one another, else
 * each has a picture of its own, all with the same axes. Names are made safe. Without colour there is no control character but the
 * newlines. */
void plot_draw(const struct plot_setup *setup, const struct series *series, size_t len, struct buf *ret);

#endif
