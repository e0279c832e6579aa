/* What can be said of a series before it is drawn: where it has gaps, and which part of the values deserves the axis.
 *
 * One answer of a minute among answers of half a second would press all others flat onto the bottom, so that the axis ends above nearly all
 * points and the few beyond it are marked as such and named; but only for times and speeds: an outage of a moment is just what a picture of
 * availability is for, and a price that doubled is no accident. Where the bulk itself spreads over orders of magnitude (a relay of 200 ms
 * beside one of 8 s) the axis is logarithmic. */
#include "routectl/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "routectl/figures.h"
#include "shared/alloc.h"

#define BULK 0.98 /* part of the points that the axis must hold */
#define FAR  3.0  /* times the bulk's end, from where on a point is left out */
/* Between the ends of the bulk: of one series, of several that are compared. */
#define LOG_SPREAD_ONE 30.0
#define LOG_SPREAD     8.0
#define BAND           0.9 /* part of the bands' upper ends that it should hold, too, ... */
#define BAND_MOST      2.0 /* ... unless it grew more than so many times */
#define LEAST_LEN      10  /* with fewer points none is an outlier */

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double series_reach(const struct series_point *points, size_t len, double step)
{
    double reach = 1.5 * step;
    if (len < 3)
        return reach;
    double *gaps = alloc_zero(len - 1, sizeof *gaps);
    for (size_t i = 1; i < len; i++)
        gaps[i - 1] = points[i].t - points[i - 1].t;
    qsort(gaps, len - 1, sizeof *gaps, compare_doubles);
    reach = fmax(reach, 3 * gaps[(len - 1) / 2]);
    free(gaps);
    return reach;
}

/* All known values, or their bands' upper ends, in order. Caller frees. */
static double *sorted_values(const struct series *series, size_t len, bool highs, size_t *ret_len)
{
    size_t size = 0, at = 0;
    for (size_t s = 0; s < len; s++)
        size += series[s].len;
    double *values = alloc_zero(size > 0 ? size : 1, sizeof *values);
    for (size_t s = 0; s < len; s++) {
        for (size_t i = 0; i < series[s].len; i++) {
            double value = highs ? series[s].points[i].high : series[s].points[i].value;
            if (isfinite(value) && isfinite(series[s].points[i].value))
                values[at++] = value;
        }
    }
    qsort(values, at, sizeof *values, compare_doubles);
    *ret_len = at;
    return values;
}

/* The band may double the axis, but not make the line flat. */
static void make_room_for_highs(struct series_range *range, const struct series *series, size_t len)
{
    size_t n;
    double *highs = sorted_values(series, len, true, &n);
    if (n > 0)
        range->most = fmax(range->most, fmin(highs[(size_t)((double)(n - 1) * BAND)], BAND_MOST * range->most));
    free(highs);
}

void series_range(struct series_range *ret, enum series_unit unit, const struct series *series, size_t len, bool highs)
{
    size_t n;
    double *values = sorted_values(series, len, false, &n);

    *ret = (struct series_range){.any = n > 0, .most = 1};
    if (n > 0) {
        ret->least = values[0];
        ret->most = values[n - 1];
    }
    if ((unit == SERIES_MSEC || unit == SERIES_SPEED) && n >= LEAST_LEN) {
        double first = values[(size_t)((double)(n - 1) * (1 - BULK))], end = values[(size_t)((double)(n - 1) * BULK)];
        ret->log = first > 0 && end / first >= (len > 1 ? LOG_SPREAD : LOG_SPREAD_ONE);
        if (end > 0 && ret->most > FAR * end) {
            while (ret->beyond < n && values[n - 1 - ret->beyond] > FAR * end)
                ret->beyond++;
            ret->most = values[n - 1 - ret->beyond];
        }
        if (ret->log)
            ret->least = fmax(ret->least, first / FAR);
    }
    if (highs && unit == SERIES_MSEC && n > 0)
        make_room_for_highs(ret, series, len);
    free(values);
}

struct series_sum series_sum(const struct series *series)
{
    struct series_sum sum = {.last = NAN, .least = INFINITY, .most = -INFINITY};
    for (size_t i = 0; i < series->len; i++) {
        double value = series->points[i].value;
        if (!isfinite(value))
            continue;
        sum.len++;
        sum.last = value;
        sum.least = fmin(sum.least, value);
        sum.most = fmax(sum.most, value);
    }
    return sum;
}

char *series_shown(char *buf, enum series_unit unit, double value)
{
    struct cell cell = cell_unknown();
    char amount[SERIES_SHOWN_MAX];

    if (!isfinite(value)) {
        snprintf(buf, SERIES_SHOWN_MAX, "-");
        return buf;
    }
    switch (unit) {
    case SERIES_MSEC:
        cell = figure_seconds(value / 1000);
        break;
    case SERIES_RATIO:
        cell = figure_ratio(value);
        break;
    case SERIES_SPEED:
        cell = cell_shown(cell, value < 99.5 ? "%.3g tok/s" : "%.0f tok/s", value);
        break;
    case SERIES_MONEY:
        cell = cell_shown(cell, "%s", figure_amount(amount, sizeof amount, value, "USD"));
        break;
    case SERIES_RANK:
        cell = cell_shown(cell, "%.0f", value);
        break;
    }
    snprintf(buf, SERIES_SHOWN_MAX, "%s", cell.shown[0] ? cell.shown : "-");
    return buf;
}
