/* Pictures of series for a terminal.
 *
 *     p1/m1                        last 510 ms  least 480 ms  most 2.30 s
 *      1.5 s ┤
 *            │          ⣀⡠⠤⠒⠉
 *        1 s ┤      ⣀⠤⠊
 *            │ ⢀⡠⠔⠉
 *          0 ┤
 *            └──────┬──────────┬─────────
 *                 12:00      18:00
 *
 * One series, or a few in colours, have one panel: a legend, the canvas with its axes, the times. More series, or several without
 * colours, have a panel each, all with the same axes, so that they can be compared at a glance: below one another while there is room, and
 * side by side when there are many or the window is wide. A line is joined only over what was measured: a gap stays blank. A point with
 * gaps on both sides is a bullet, one beyond the axis an arrow at its edge. Prices and ranks hold until they change and are drawn as steps.
 *
 * Everything is put together from lines of known width, so that no name can push an axis aside. */
#include "routectl/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "routectl/axis.h"
#include "shared/compiler.h"
#include "shared/text.h"

#define PANEL_WIDE   100 /* columns; a wider picture is cut in panels side by side */
#define PANEL_NARROW 24
#define PANEL_LOW    3 /* rows of a canvas */
#define PANEL_HIGH   12
#define LONE_HIGH    20
#define LONE_DEFAULT 15
#define ROWS_DEFAULT 22
#define PANEL_GAP    2
#define LABELS_MOST  12 /* columns */
#define LINES_MAX    64 /* of a panel */
#define TICK_COLUMNS 10 /* a tick of the time axis for each */
#define OWNER_FAINT  4

static const char *const colours[] = {"\033[36m", "\033[33m", "\033[35m", "\033[32m", "\033[2m"};

struct panel {
    const struct plot_setup *setup;
    const struct axis *values;
    const struct series *series;
    size_t len;
    size_t columns, rows; /* of the canvas: columns - labels - 2, rows */
    size_t labels;        /* columns of the labels of the values */
    bool small;           /* its title is one line, its times stand within the axis */
};

struct lines { /* of a panel, each `columns` wide */
    struct buf line[LINES_MAX];
    size_t len;
};

static struct buf *next_line(struct lines *lines)
{
    return &lines->line[lines->len < LINES_MAX - 1 ? lines->len++ : LINES_MAX - 1];
}

static void lines_done(struct lines *lines)
{
    for (size_t i = 0; i < LINES_MAX; i++)
        buf_done(&lines->line[i]);
    lines->len = 0;
}

static void add_times(struct buf *ret, const char *s, size_t n)
{
    while (n-- > 0)
        buf_add_str(ret, s);
}

/* --- the canvas ------------------------------------------------------------------------------------------------------- */

static long place_x(const struct canvas *canvas, const struct plot_setup *setup, double t)
{
    double place = (t - setup->since) / (setup->until - setup->since);
    return isfinite(place) ? lround(fmax(-1, fmin(place, 2)) * (double)(canvas->width - 1)) : -1;
}

static long place_y(const struct canvas *canvas, const struct axis *axis, double value)
{
    double place = fmax(0, fmin(axis_place(axis, value), 1));
    return lround((1 - place) * (double)(canvas->height - 1));
}

/* Prices and ranks hold until the next one. */
static bool is_held(enum series_unit unit)
{
    return unit == SERIES_MONEY || unit == SERIES_RANK;
}

static void draw_high(struct canvas *canvas, const struct panel *panel, const struct series *series)
{
    for (size_t i = 0; i < series->len; i++) {
        const struct series_point *p = &series->points[i];
        if (isfinite(p->value) && isfinite(p->high) && p->high <= panel->values->most)
            canvas_dot(canvas, place_x(canvas, panel->setup, p->t), place_y(canvas, panel->values, p->high), OWNER_FAINT);
    }
}

static void draw_series(struct canvas *canvas, const struct panel *panel, const struct series *series, uint8_t owner)
{
    const struct series_point *last = NULL;
    long last_x = 0, last_y = 0;
    bool alone = false; /* the last one has no neighbour before it */

    for (size_t i = 0; i <= series->len; i++) {
        const struct series_point *p = i < series->len ? &series->points[i] : NULL;
        if (p && !isfinite(p->value))
            continue;
        bool joined = p && last && p->t - last->t <= series->reach;
        if (last && !joined && alone)
            canvas_mark(canvas, last_x, last_y, "•", owner);
        if (!p)
            break;
        long x = place_x(canvas, panel->setup, p->t), y = place_y(canvas, panel->values, p->value);
        if (joined && is_held(panel->setup->unit)) {
            canvas_line(canvas, last_x, last_y, x, last_y, owner);
            canvas_line(canvas, x, last_y, x, y, owner);
        } else if (joined) {
            canvas_line(canvas, last_x, last_y, x, y, owner);
        } else {
            canvas_dot(canvas, x, y, owner);
        }
        alone = !joined;
        last = p;
        last_x = x;
        last_y = y;
    }
}

static void mark_beyond(struct canvas *canvas, const struct panel *panel, const struct series *series, uint8_t owner)
{
    for (size_t i = 0; i < series->len; i++) {
        const struct series_point *p = &series->points[i];
        if (isfinite(p->value) && p->value > panel->values->most * (1 + 1e-9) && !panel->values->down)
            canvas_mark(canvas, place_x(canvas, panel->setup, p->t), 0, "▲", owner);
    }
}

static void draw(struct canvas *canvas, const struct panel *panel)
{
    if (panel->len == 1)
        draw_high(canvas, panel, &panel->series[0]);
    for (size_t s = panel->len; s-- > 0;) /* the first one last, so that it is on top */
        draw_series(canvas, panel, &panel->series[s], (uint8_t)s);
    for (size_t s = panel->len; s-- > 0;)
        mark_beyond(canvas, panel, &panel->series[s], (uint8_t)s);
}

/* --- titles ----------------------------------------------------------------------------------------------------------- */

/* "last 510 ms  least 480 ms  most 2.30 s", as much of it as a third of the columns... and at least the last value. */
static void add_sum(struct buf *ret, enum series_unit unit, const struct series *series, size_t columns)
{
    struct series_sum sum = series_sum(series);
    char last[SERIES_SHOWN_MAX], least[SERIES_SHOWN_MAX], most[SERIES_SHOWN_MAX];

    if (sum.len == 0) {
        buf_add_str(ret, "no data");
        return;
    }
    series_shown(last, unit, sum.last);
    series_shown(least, unit, sum.least);
    series_shown(most, unit, sum.most);
    if (columns >= 72)
        buf_printf(ret, "last %9s   least %9s   most %9s", last, least, most);
    else if (columns >= 36)
        buf_printf(ret, "%s (%s .. %s)", last, least, most);
    else
        buf_add_str(ret, last);
}

static void add_title(struct buf *ret, const struct panel *panel, size_t s)
{
    bool colour = panel->setup->colour;
    struct buf sum CLEANUP(buf_done) = BUF_INIT;
    add_sum(&sum, panel->setup->unit, &panel->series[s], panel->columns);
    size_t wide = text_width(buf_str(&sum)), columns = panel->columns;
    size_t mark = !panel->small && panel->len > 1 ? 3 : 0;
    size_t least = 12 + mark;

    if (wide + 1 + least > columns)
        wide = columns > 1 + least ? columns - 1 - least : 0;
    if (colour && mark)
        buf_add_str(ret, colours[s]);
    if (mark)
        buf_add_str(ret, "━━ ");
    if (colour)
        buf_add_str(ret, mark ? "\033[0m" : "\033[1m");
    text_add_cell(ret, panel->series[s].name, columns - wide - 1 - mark, TEXT_LEFT, true);
    if (colour && !mark)
        buf_add_str(ret, "\033[0m");
    buf_add_char(ret, ' ');
    text_add_cell(ret, buf_str(&sum), wide, TEXT_RIGHT, true);
}

/* --- axes ------------------------------------------------------------------------------------------------------------- */

static void add_label(struct buf *ret, const struct panel *panel, const struct canvas *canvas, size_t row)
{
    size_t dots = canvas->height / canvas->rows;
    const struct axis_tick *found = NULL;
    for (size_t i = 0; i < panel->values->len; i++) {
        const struct axis_tick *tick = &panel->values->ticks[i];
        if ((size_t)place_y(canvas, panel->values, tick->at) / dots == row)
            found = tick;
    }
    if (panel->setup->colour)
        buf_add_str(ret, colours[OWNER_FAINT]);
    text_add_cell(ret, found ? found->label : "", panel->labels, TEXT_RIGHT, true);
    buf_add_str(ret, found ? " ┤" : " │");
    if (panel->setup->colour)
        buf_add_str(ret, "\033[0m");
}

/* The cells of a line of the time axis, one string each. */
struct cells {
    const char *at[PLOT_COLUMNS_MOST];
    char letters[PLOT_COLUMNS_MOST][2];
    size_t free; /* labels begin no sooner */
};

static void put_label(struct cells *cells, size_t columns, size_t x, const char *label)
{
    size_t len = strlen(label), begin = x > len / 2 ? x - len / 2 : 0;
    if (begin + len > columns)
        begin = columns > len ? columns - len : 0;
    if (len > columns || begin < cells->free)
        return;
    for (size_t i = 0; i < len; i++) {
        cells->letters[begin + i][0] = label[i];
        cells->at[begin + i] = cells->letters[begin + i];
    }
    cells->free = begin + len + 1;
}

static void add_cells(struct buf *ret, const struct panel *panel, const struct cells *cells, size_t columns)
{
    if (panel->setup->colour)
        buf_add_str(ret, colours[OWNER_FAINT]);
    for (size_t i = 0; i < columns; i++)
        buf_add_str(ret, cells->at[i]);
    if (panel->setup->colour)
        buf_add_str(ret, "\033[0m");
}

static void add_time_axis(struct lines *lines, const struct panel *panel, const struct canvas *canvas)
{
    struct axis times;
    struct cells axis = {.free = 0}, labels = {.free = 0};
    size_t columns = canvas->columns;

    axis_times(&times, panel->setup->since, panel->setup->until, columns / TICK_COLUMNS);
    for (size_t i = 0; i < columns; i++) {
        axis.at[i] = "─";
        labels.at[i] = " ";
    }
    for (size_t i = 0; i < times.len; i++) {
        long x = place_x(canvas, panel->setup, times.ticks[i].at) / (long)(canvas->width / canvas->columns);
        if (x < 0 || (size_t)x >= columns)
            continue;
        if (!panel->small)
            axis.at[x] = "┬";
        put_label(panel->small ? &axis : &labels, columns, (size_t)x, times.ticks[i].label);
    }
    struct buf *line = next_line(lines);
    add_times(line, " ", panel->labels + 1);
    if (panel->setup->colour)
        buf_add_str(line, colours[OWNER_FAINT]);
    buf_add_str(line, "└");
    add_cells(line, panel, &axis, columns);
    if (panel->small)
        return;
    line = next_line(lines);
    add_times(line, " ", panel->labels + 2);
    add_cells(line, panel, &labels, columns);
}

static void panel_draw(const struct panel *panel, struct lines *ret)
{
    struct canvas canvas;

    canvas_init(&canvas, panel->setup->kind, panel->columns - panel->labels - 2, panel->rows);
    draw(&canvas, panel);
    for (size_t s = 0; s < panel->len; s++)
        add_title(next_line(ret), panel, s);
    for (size_t row = 0; row < canvas.rows; row++) {
        struct buf *line = next_line(ret);
        add_label(line, panel, &canvas, row);
        canvas_row(&canvas, row, panel->setup->colour ? colours : NULL, line);
    }
    add_time_axis(ret, panel, &canvas);
    canvas_done(&canvas);
}

/* --- the whole -------------------------------------------------------------------------------------------------------- */

struct grid {
    size_t across, down;
    size_t columns, rows; /* of a panel; of its canvas */
};

/* The fewest panels side by side that are not too wide, and leave each enough rows. */
static void choose_grid(struct grid *ret, const struct plot_setup *setup, size_t len)
{
    size_t budget = setup->rows > 0 ? setup->rows : ROWS_DEFAULT;
    *ret = (struct grid){0};
    for (size_t across = 1; across <= len; across++) {
        size_t columns = (setup->columns - (across - 1) * PANEL_GAP) / across, down = (len + across - 1) / across;
        if (columns < PANEL_NARROW && across > 1)
            break;
        size_t each = budget / down, rows = each > 2 + PANEL_LOW ? each - 2 : PANEL_LOW;
        rows = rows > PANEL_HIGH ? PANEL_HIGH : rows;
        *ret = (struct grid){.across = across, .down = down, .columns = columns, .rows = rows};
        if (columns <= PANEL_WIDE && down * (PANEL_LOW + 2) <= budget)
            break;
    }
}

/* The axis that all panels have. overlaid: the series share one. */
static void scale(struct axis *ret, size_t *labels, const struct plot_setup *setup, const struct series *series, size_t len, size_t rows,
                  bool overlaid)
{
    struct series_range range;
    series_range(&range, setup->unit, series, len, !overlaid);
    axis_values(ret, setup->unit, &range, (rows + 2) / 3);
    *labels = 0;
    for (size_t i = 0; i < ret->len; i++) {
        size_t width = text_width(ret->ticks[i].label);
        *labels = width > *labels ? width : *labels;
    }
    *labels = *labels < LABELS_MOST ? *labels : LABELS_MOST; /* a longer one is cut */
}

static void draw_grid(const struct plot_setup *setup, const struct series *series, size_t len, struct buf *ret)
{
    struct grid grid;
    struct axis values;
    size_t labels;

    choose_grid(&grid, setup, len);
    scale(&values, &labels, setup, series, len, grid.rows, false);
    for (size_t first = 0; first < len; first += grid.across) {
        struct lines lines[SERIES_MAX] = {0};
        for (size_t i = 0; i < grid.across && first + i < len; i++) {
            struct panel panel = {.setup = setup,
                                  .values = &values,
                                  .series = &series[first + i],
                                  .len = 1,
                                  .columns = grid.columns,
                                  .rows = grid.rows,
                                  .labels = labels,
                                  .small = true};
            panel_draw(&panel, &lines[i]);
        }
        size_t used = grid.across * grid.columns + (grid.across - 1) * PANEL_GAP;
        for (size_t l = 0; l < lines[0].len; l++) {
            for (size_t i = 0; i < grid.across; i++) {
                add_times(ret, " ", i > 0 ? PANEL_GAP : 0);
                if (lines[i].len > l)
                    buf_add(ret, lines[i].line[l].data, lines[i].line[l].len);
                else
                    add_times(ret, " ", grid.columns);
            }
            add_times(ret, " ", setup->columns - used);
            buf_add_char(ret, '\n');
        }
        for (size_t i = 0; i < grid.across; i++)
            lines_done(&lines[i]);
    }
}

static void draw_one(const struct plot_setup *setup, const struct series *series, size_t len, struct buf *ret)
{
    struct axis values;
    struct lines lines = {.len = 0};
    size_t taken = len + 2, rows = setup->rows > taken + PANEL_LOW ? setup->rows - taken : setup->rows > 0 ? PANEL_LOW : LONE_DEFAULT;
    struct panel panel = {.setup = setup, .values = &values, .series = series, .len = len, .columns = setup->columns};

    panel.rows = rows > LONE_HIGH ? LONE_HIGH : rows;
    scale(&values, &panel.labels, setup, series, len, panel.rows, len > 1);
    if (setup->unit == SERIES_RANK) /* a few places need no more */
        panel.rows = (size_t)fmin((double)panel.rows, fmax(PANEL_LOW, 3 * values.most - 2));
    panel_draw(&panel, &lines);
    for (size_t l = 0; l < lines.len; l++) {
        buf_add(ret, lines.line[l].data, lines.line[l].len);
        buf_add_char(ret, '\n');
    }
    lines_done(&lines);
}

bool plot_overlays(bool colour, size_t len)
{
    return colour && len > 1 && len <= PLOT_OVERLAID_MOST;
}

void plot_draw(const struct plot_setup *setup, const struct series *series, size_t len, struct buf *ret)
{
    struct plot_setup cut = *setup;
    cut.columns = cut.columns < PLOT_COLUMNS_LEAST ? PLOT_COLUMNS_LEAST : cut.columns > PLOT_COLUMNS_MOST ? PLOT_COLUMNS_MOST : cut.columns;
    cut.until = cut.until > cut.since ? cut.until : cut.since + 1;
    len = len > SERIES_MAX ? SERIES_MAX : len;
    if (len == 1 || plot_overlays(cut.colour, len))
        draw_one(&cut, series, len, ret);
    else if (len > 0)
        draw_grid(&cut, series, len, ret);
}
