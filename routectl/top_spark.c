/* One line of blocks that says "as usual", "slower than before" or "now and then": no axis, so each route has a scale of its own.
 *
 * A steady route must not look like a mountain range: the scale spans at least half of its middle value, with that in the middle. One stuck
 * request must not make a plain of the rest: what is more than four times the median, if it is at most a quarter of the points, is drawn as
 * an arrow that points out of the picture. A part of the time without a measurement is a blank, never a line drawn through it. */
#include "routectl/top_spark.h"

#include <math.h>
#include <stdlib.h>

#include "shared/compiler.h"

#define OUTLIER_TIMES 4.0
#define OUTLIER_PART  0.25
#define REACH_TIMES   2.5 /* of the usual distance between points */
#define REACH_POINTS  4   /* fewer say nothing about what is usual */
#define SPAN_LEAST    0.5 /* of the middle value */

static const char *const blocks[TOP_SPARK_LEVELS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const plain[TOP_SPARK_LEVELS] = {"_", ".", "-", "~", "+", "=", "*", "#"};

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

#define DISTANCES_MAX 64

/* How far apart two points may be without a gap between them; of the newest points. */
static double reach(const struct top_point *points, size_t len, double from, double bin)
{
    double distances[DISTANCES_MAX], after = NAN;
    size_t n = 0;

    for (size_t i = len; i > 0 && n < DISTANCES_MAX && points[i - 1].t >= from; i--) {
        if (!isfinite(points[i - 1].value))
            continue;
        if (isfinite(after))
            distances[n++] = after - points[i - 1].t;
        after = points[i - 1].t;
    }
    if (n + 1 < REACH_POINTS)
        return 1.5 * bin;
    qsort(distances, n, sizeof *distances, compare);
    return fmax(1.5 * bin, REACH_TIMES * distances[n / 2]);
}

/* Fills the parts that lie between neighbours within reach. */
static void go_on(double *bins, size_t n, const struct top_point *points, size_t len, double from, double until, double now)
{
    double bin = (until - from) / (double)n, most = reach(points, len, from, bin), at = NAN, value = NAN;
    size_t p = 0;

    for (size_t i = 0; i < n; i++) {
        double end = from + bin * (double)(i + 1);
        bool own = isfinite(bins[i]);
        for (; p < len && (points[p].t < end || i + 1 == n); p++) {
            if (isfinite(points[p].value) && points[p].t <= until) {
                at = points[p].t;
                value = points[p].value;
            }
        }
        if (own || !isfinite(at) || at < from)
            continue;
        size_t next = p;
        while (next < len && !isfinite(points[next].value))
            next++;
        double to = next < len && points[next].t <= until ? points[next].t : now;
        if (to - at <= most)
            bins[i] = value;
    }
}

void top_spark_bins(double *ret, size_t n, const struct top_point *points, size_t len, double from, double until, double now)
{
    unsigned counts[TOP_SPARK_MAX] = {0};

    if (n > TOP_SPARK_MAX)
        n = TOP_SPARK_MAX;
    for (size_t i = 0; i < n; i++)
        ret[i] = 0;
    for (size_t i = 0; i < len && until > from; i++) {
        if (!(points[i].t >= from && points[i].t <= until) || !isfinite(points[i].value))
            continue;
        size_t bin = (size_t)((points[i].t - from) / (until - from) * (double)n);
        if (bin >= n)
            bin = n - 1; /* now itself */
        ret[bin] += points[i].value;
        counts[bin]++;
    }
    for (size_t i = 0; i < n; i++)
        ret[i] = counts[i] > 0 ? ret[i] / counts[i] : NAN;
    if (until > from)
        go_on(ret, n, points, len, from, until, now);
}

struct top_spark_scale top_spark_scale(const double *bins, size_t n)
{
    double known[TOP_SPARK_MAX];
    size_t len = 0, inside;

    for (size_t i = 0; i < n && len < ARRAY_LEN(known); i++) {
        if (isfinite(bins[i]))
            known[len++] = bins[i];
    }
    if (len == 0)
        return (struct top_spark_scale){.any = false};
    qsort(known, len, sizeof *known, compare);
    double median = known[(len - 1) / 2];
    for (inside = len; inside > 1 && known[inside - 1] > OUTLIER_TIMES * median; inside--)
        ;
    if ((double)(len - inside) > OUTLIER_PART * (double)len)
        inside = len; /* so many are no exception */
    struct top_spark_scale scale = {.any = true, .low = known[0], .high = known[inside - 1]};
    double middle = (scale.low + scale.high) / 2;
    if (scale.high - scale.low < SPAN_LEAST * fabs(middle)) {
        double room = SPAN_LEAST * fabs(middle) / 2;
        scale.low = middle - room;
        scale.high = middle + room;
    }
    return scale;
}

int top_spark_level(const struct top_spark_scale *scale, double value)
{
    if (!scale->any || !isfinite(value))
        return TOP_SPARK_GAP;
    if (value > scale->high)
        return TOP_SPARK_ABOVE;
    if (!(scale->high > scale->low) || value <= scale->low)
        return 0;
    int level = (int)((value - scale->low) / (scale->high - scale->low) * TOP_SPARK_LEVELS);
    return level < TOP_SPARK_LEVELS ? level : TOP_SPARK_LEVELS - 1;
}

void top_spark_draw(struct buf *ret, const double *bins, size_t n, bool ascii)
{
    struct top_spark_scale scale = top_spark_scale(bins, n);
    for (size_t i = 0; i < n; i++) {
        int level = top_spark_level(&scale, bins[i]);
        if (level == TOP_SPARK_GAP)
            buf_add_char(ret, ' ');
        else if (level == TOP_SPARK_ABOVE)
            buf_add_str(ret, ascii ? "^" : "↑");
        else
            buf_add_str(ret, ascii ? plain[level] : blocks[level]);
    }
}
