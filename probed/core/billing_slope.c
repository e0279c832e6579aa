/* How charges follow the ups and downs of our own probes.
 *
 * Others' use adds to what is charged, but does not know when we probe more or less: in a line through (use, charged) of many windows it
 * moves the line up and leaves its slope alone, and the slope is the ratio. Rates are compared, not sums, so that windows of uneven length
 * don't make a slope of their own. Charges may post a constant time late: windows are tried with each lag, at two widths. What posts late
 * at random flattens the slope and blurs it; then nothing is told. A slope counts only when it explains most of what is charged, over many
 * ups and downs (one step up may be somebody else's, too). Windows with much reported traffic are left out: traffic that is not reported
 * goes up and down with the one that is. */
#include "probed/core/billing.h"

#include <math.h>
#include <string.h>

#define FOLLOWS   0.5       /* r2, at least */
#define CLEAR     10        /* slope over its standard error, at least */
#define WIDTH     3.5       /* standard errors to either side */
#define TURNS     8         /* times that our use goes through its mean, at least */
#define POINTS    24        /* at least */
#define TRAFFIC   0.05      /* of a window's use, at most */
#define SILENT    0.15      /* of the slots, at most, that nothing was charged in: what comes in lumps follows nothing */
#define FAR       4.0       /* standard deviations: points that would decide alone are left out */
#define SLOT_MOST (40 * 60) /* seconds; longer slots hide the ups and downs */

struct point {
    double x, y;
};
struct points {
    struct point at[BILLING_SLOTS];
    int len;
};

struct sums {
    double n, x, y, xx, yy, xy; /* xx..: about the means */
};

static struct sums sum_up(const struct points *p)
{
    struct sums s = {.n = p->len};

    for (int i = 0; i < p->len; i++) {
        s.x += p->at[i].x / s.n;
        s.y += p->at[i].y / s.n;
    }
    for (int i = 0; i < p->len; i++) {
        double dx = p->at[i].x - s.x, dy = p->at[i].y - s.y;

        s.xx += dx * dx;
        s.yy += dy * dy;
        s.xy += dx * dy;
    }
    return s;
}

static void drop_far(struct points *p)
{
    struct sums s = sum_up(p);
    double dx = FAR * sqrt(s.xx / s.n), dy = FAR * sqrt(s.yy / s.n);
    int kept = 0;

    for (int i = 0; i < p->len; i++) {
        if (fabs(p->at[i].x - s.x) <= dx && fabs(p->at[i].y - s.y) <= dy)
            p->at[kept++] = p->at[i];
    }
    p->len = kept;
}

static int turns(const struct points *p, double mean)
{
    int n = 0;

    for (int i = 1; i < p->len; i++)
        n += (p->at[i].x > mean) != (p->at[i - 1].x > mean);
    return n;
}

static bool in_lumps(const struct billing *b)
{
    int silent = 0, all = 0;

    for (int i = 0; i < b->slots_len; i++) {
        const struct billing_slot *s = billing_slot(b, i);

        all += !s->broken;
        silent += !s->broken && s->charged <= 0;
    }
    return silent > SILENT * all;
}

/* A window of `width` slots that ends with slot i: is all known? Use `lag` slots earlier. */
static bool window(const struct billing *b, int i, int width, int lag, struct point *ret)
{
    double charged = 0, use = 0, traffic = 0, long_charged = 0, long_use = 0;

    if (i - width - lag + 1 < 0)
        return false;
    for (int j = i - width + 1; j <= i; j++) {
        const struct billing_slot *s = billing_slot(b, j), *u = billing_slot(b, j - lag);

        if (s->broken || s->length == 0 || u->length == 0 || s->length > SLOT_MOST || u->length > SLOT_MOST ||
            (j > i - width + 1 && s->end - s->length != billing_slot(b, j - 1)->end))
            return false;
        charged += (double)s->charged;
        use += ((double)u->low + (double)u->high) / 2;
        traffic += (double)u->traffic;
        long_charged += s->length;
        long_use += u->length;
    }
    *ret = (struct point){use / long_use, charged / long_charged};
    return traffic <= TRAFFIC * use;
}

static void try_lag(const struct billing *b, uint32_t since, uint32_t until, int width, int lag, struct billing_slope *best,
                    double *best_clear)
{
    struct points p = {.len = 0};

    for (int i = b->slots_len - 1; i >= 0;) {
        if (billing_slot(b, i)->end > until) {
            i--;
        } else if (billing_slot(b, i)->end - billing_slot(b, i)->length < since) {
            break;
        } else if (window(b, i, width, lag, &p.at[p.len])) {
            p.len++;
            i -= width;
        } else {
            i--;
        }
    }
    if (p.len < POINTS)
        return;
    drop_far(&p);
    struct sums s = sum_up(&p);

    if (p.len < POINTS || s.xx <= 0 || s.yy <= 0 || s.xy <= 0 || turns(&p, s.x) < TURNS)
        return;
    double slope = s.xy / s.xx, r2 = fmin(s.xy * s.xy / (s.xx * s.yy), 1 - 1e-9);
    double clear = sqrt(r2 * (s.n - 2) / (1 - r2));

    if (r2 < FOLLOWS || clear < CLEAR || clear <= *best_clear)
        return;
    *best_clear = clear;
    *best = (struct billing_slope){true, slope, slope * (1 - WIDTH / clear), slope * (1 + WIDTH / clear)};
}

struct billing_slope billing_slope(const struct billing *b, uint32_t since, uint32_t until)
{
    struct billing_slope best = {.told = false};
    double clear = 0;
    int lag_most = (int)(BILLING_LATENESS / BILLING_SLOT);

    for (int lag = 0; lag <= lag_most && !in_lumps(b); lag++) {
        try_lag(b, since, until, 1, lag, &best, &clear);
        try_lag(b, since, until, 6, lag, &best, &clear);
    }
    return best;
}
