/* Pictures of series as inline SVG.
 *
 * The same axes, gaps and outliers as on the terminal (series.h, axis.h). Colours and faces are the page's: a picture is legible in the
 * dark and in print because it says only which series a line is. Coordinates have one decimal; nothing depends on the locale. */
#include "routectl/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "routectl/axis.h"
#include "routectl/markup.h"
#include "routectl/period.h"
#include "shared/compiler.h"
#include "shared/text.h"

#define FACE        11 /* of labels */
#define LETTER      6.4
#define DOTTED_MOST 70 /* with more points they are not marked one by one */
#define TITLED_MOST 400

struct drawing {
    const struct svg_setup *setup;
    struct axis values, times;
    double left, right, top, bottom;
    struct buf *out;
};

static double place_x(const struct drawing *d, double t)
{
    double place = fmax(-0.02, fmin(axis_place(&d->times, t), 1.02));
    return d->left + place * (d->right - d->left);
}

static double place_y(const struct drawing *d, double value)
{
    double place = fmax(0, fmin(axis_place(&d->values, value), 1));
    return d->bottom - place * (d->bottom - d->top);
}

static void add_text(struct drawing *d, double x, double y, const char *anchor, const char *text)
{
    buf_printf(d->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    markup_html(d->out, text);
    buf_add_str(d->out, "</text>");
}

static void draw_axes(struct drawing *d)
{
    buf_printf(d->out, "<g class=\"grid\">");
    for (size_t i = 0; i < d->values.len; i++) {
        double y = place_y(d, d->values.ticks[i].at);
        buf_printf(d->out, "<path d=\"M%.1f %.1fH%.1f\"/>", d->left, y, d->right);
    }
    buf_printf(d->out, "</g>\n<g class=\"axis\" font-size=\"%d\">", FACE);
    for (size_t i = 0; i < d->values.len; i++)
        add_text(d, d->left - 6, place_y(d, d->values.ticks[i].at) + 4, "end", d->values.ticks[i].label);
    buf_printf(d->out, "<path d=\"M%.1f %.1fH%.1f\"/>", d->left, d->bottom, d->right);
    double free_from = 0;
    for (size_t i = 0; i < d->times.len; i++) {
        double x = place_x(d, d->times.ticks[i].at), half = LETTER * (double)strlen(d->times.ticks[i].label) / 2;
        buf_printf(d->out, "<path d=\"M%.1f %.1fv4\"/>", x, d->bottom);
        if (x - half < free_from || x + half > d->setup->width)
            continue;
        add_text(d, x, d->bottom + 16, "middle", d->times.ticks[i].label);
        free_from = x + half + 4;
    }
    buf_add_str(d->out, "</g>\n");
}

/* Where the run of joined points that begins at i ends (the first index behind it); unknown values are passed over. */
static size_t run_end(const struct series *series, size_t i)
{
    size_t end = i + 1, last = i;
    for (; end < series->len; end++) {
        if (!isfinite(series->points[end].value))
            continue;
        if (series->points[end].t - series->points[last].t > series->reach)
            break;
        last = end;
    }
    return end;
}

static void draw_band(struct drawing *d, const struct series *series, unsigned colour)
{
    for (size_t i = 0; i < series->len;) {
        size_t end = run_end(series, i);
        bool begun = false;
        for (size_t k = i; k < end; k++) {
            const struct series_point *p = &series->points[k];
            if (!isfinite(p->low) || !isfinite(p->high))
                continue;
            if (!begun)
                buf_printf(d->out, "<path class=\"band s%u\" d=\"", colour);
            buf_printf(d->out, "%s%.1f %.1f", begun ? "L" : "M", place_x(d, p->t), place_y(d, p->high));
            begun = true;
        }
        for (size_t k = end; begun && k-- > i;) {
            const struct series_point *p = &series->points[k];
            if (isfinite(p->low) && isfinite(p->high))
                buf_printf(d->out, "L%.1f %.1f", place_x(d, p->t), place_y(d, p->low));
        }
        if (begun)
            buf_add_str(d->out, "Z\"/>\n");
        i = end;
    }
}

static void draw_line(struct drawing *d, const struct series *series, unsigned colour)
{
    bool held = d->setup->unit == SERIES_MONEY || d->setup->unit == SERIES_RANK;
    for (size_t i = 0; i < series->len;) {
        size_t end = run_end(series, i);
        bool begun = false;
        for (size_t k = i; k < end; k++) {
            const struct series_point *p = &series->points[k];
            if (!isfinite(p->value))
                continue;
            if (!begun)
                buf_printf(d->out, "<path class=\"line s%u\" d=\"M%.1f %.1f", colour, place_x(d, p->t), place_y(d, p->value));
            else if (held)
                buf_printf(d->out, "H%.1fV%.1f", place_x(d, p->t), place_y(d, p->value));
            else
                buf_printf(d->out, "L%.1f %.1f", place_x(d, p->t), place_y(d, p->value));
            begun = true;
        }
        if (begun)
            buf_add_str(d->out, "\"/>\n");
        i = end;
    }
}

/* A dot a point, with what it says; an arrow where it is beyond the axis. */
static void draw_points(struct drawing *d, const struct series *series, unsigned colour)
{
    bool dotted = series->len <= DOTTED_MOST;
    for (size_t i = 0; i < series->len; i++) {
        const struct series_point *p = &series->points[i];
        char shown[SERIES_SHOWN_MAX], when[PERIOD_SHOWN_MAX];
        if (!isfinite(p->value))
            continue;
        bool beyond = p->value > d->values.most * (1 + 1e-9) && !d->values.down;
        bool alone = (i == 0 || p->t - series->points[i - 1].t > series->reach) &&
                     (i + 1 == series->len || series->points[i + 1].t - p->t > series->reach);
        double x = place_x(d, p->t), y = place_y(d, p->value);
        if (!beyond && !dotted && !alone && i >= TITLED_MOST)
            continue;
        if (beyond)
            buf_printf(d->out, "<path class=\"dot s%u\" d=\"M%.1f %.1fl4 7h-8z\">", colour, x, y - 3);
        else
            buf_printf(d->out, "<circle class=\"%s s%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\">", dotted || alone ? "dot" : "dot hidden", colour,
                       x, y, dotted || alone ? "2.6" : "4");
        buf_add_str(d->out, "<title>");
        if (series->name[0]) {
            markup_html(d->out, series->name);
            buf_add_str(d->out, ", ");
        }
        buf_printf(d->out, "%s: %s</title></%s>\n", period_time(when, (usec_t)(p->t * 1e6)), series_shown(shown, d->setup->unit, p->value),
                   beyond ? "path" : "circle");
    }
}

static void draw_rule(struct drawing *d)
{
    const struct svg_setup *setup = d->setup;
    if (!isfinite(setup->rule) || setup->rule < d->values.least || setup->rule > d->values.most)
        return;
    double y = place_y(d, setup->rule);
    buf_printf(d->out, "<g class=\"rule\" font-size=\"%d\"><path d=\"M%.1f %.1fH%.1f\"/>", FACE, d->left, y, d->right);
    if (setup->rule_label)
        add_text(d, d->left + 4, y + (y - d->top > 16 ? -4 : 13), "start", setup->rule_label);
    buf_add_str(d->out, "</g>\n");
}

static void measure(struct drawing *d, const struct series *series, size_t len)
{
    const struct svg_setup *setup = d->setup;
    struct series_range range;
    size_t widest = 0;

    series_range(&range, setup->unit, series, len, len == 1);
    if (isfinite(setup->rule) && range.any) {
        range.least = fmin(range.least, setup->rule);
        range.most = fmax(range.most, setup->rule);
    }
    axis_values(&d->values, setup->unit, &range, setup->height / 36);
    for (size_t i = 0; i < d->values.len; i++) {
        size_t wide = strlen(d->values.ticks[i].label);
        widest = wide > widest ? wide : widest;
    }
    d->left = 10 + LETTER * (double)widest;
    d->right = (double)setup->width - 8;
    d->top = 10;
    d->bottom = (double)setup->height - 22;
    axis_times(&d->times, setup->since, setup->until, (size_t)((d->right - d->left) / 70));
}

void svg_draw(const struct svg_setup *setup, const struct series *series, size_t len, struct buf *ret)
{
    struct drawing d = {.setup = setup, .out = ret};

    len = len > SERIES_MAX ? SERIES_MAX : len;
    measure(&d, series, len);
    buf_printf(ret, "<svg viewBox=\"0 0 %u %u\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>", setup->width, setup->height);
    markup_html(ret, setup->title ? setup->title : "");
    buf_add_str(ret, "</title>\n");
    draw_axes(&d);
    if (len == 1)
        draw_band(&d, &series[0], setup->first_colour % SERIES_MAX);
    for (size_t s = len; s-- > 0;)
        draw_line(&d, &series[s], (unsigned)(s + setup->first_colour) % SERIES_MAX);
    for (size_t s = len; s-- > 0;)
        draw_points(&d, &series[s], (unsigned)(s + setup->first_colour) % SERIES_MAX);
    draw_rule(&d); /* its label is to be read over a line */
    size_t known = 0;
    for (size_t s = 0; s < len; s++)
        known += series_sum(&series[s]).len;
    if (known == 0)
        add_text(&d, (d.left + d.right) / 2, (d.top + d.bottom) / 2, "middle", "no data");
    buf_add_str(ret, "</svg>\n");
}
