/* The verdict on a platform's blocks: bounds that follow from lateness alone, the median beside them, and who else may be at the account
 * (billing.h).
 *
 * Bounds. In a stretch of blocks, charged = ratio x (what posted in it), and what posted in it is at least its use without the tail, at
 * most its use and what was before. Each stretch so gives a least and a greatest ratio, and all are true at once if nobody else uses the
 * account and the ratio stands still. Beginning with the newest block, older ones are taken in as long as that holds. A block with a charge
 * far beyond the others' (somebody else's large request) is left out, as long as such are rare: else they are the news.
 *
 * Median. Windows of two blocks or more, as many as it takes for the balance's unit to be fine enough; overlapping. */
#include "probed/core/billing.h"

#include <math.h>
#include <stdlib.h>

#define AGREE         1.05 /* bounds that cross by less do so by roundings, and prices told a little late */
#define ODD           2.0  /* times the median, all lateness reckoned in */
#define ODD_SHARE     4    /* at most every 4th */
#define ODD_NEAR      3    /* blocks to either side */
#define ODD_TOGETHER  2    /* at most, so near each other */
#define UNITS         5    /* of the balance, that a window holds at least */
#define SPREAD_MOST   0.6  /* between the quartiles, over the median */
#define WIDE_LOW      0.7  /* "as advertised" is said of no wider interval */
#define WIDE_HIGH     1.35
#define QUIET         1.05        /* below this the low end of the hours is as advertised: it lies below their middle anyway */
#define SEEN          (72 * 3600) /* seconds: so long back more than one change is others' doing */
#define MOST_OF_A_DAY (17 * 3600)
#define DAY           (24 * 3600)
#define REACH         9    /* blocks before, that a change is seen against */
#define STILL         0.05 /* below this the balance is not of our use */
#define TRAFFIC_MOST  0.2  /* reports may be incomplete, so that what was not reported looks like an overcharge */
#define KEY_MOST      10   /* a key of our own at which more is charged than that is not ours alone */

struct view {
    const struct billing *b;
    int first, len; /* blocks that agree: first..len-1 */
    bool last;      /* all blocks are looked at, not an earlier state */
    bool odd[BILLING_BLOCKS];
    double low, high; /* bounds; low > high by less than AGREE is possible */
};

struct medians {
    double median, quarter, three_quarters;
    int windows;
    double apart; /* how many of them do not overlap */
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Linear between the two nearest; values sorted. */
static double quantile(const double *values, int len, double q)
{
    double at = q * (len - 1);
    int i = (int)at;

    return i + 1 < len ? values[i] + (at - i) * (values[i + 1] - values[i]) : values[len - 1];
}

static double use_of(const struct billing_block *k)
{
    return ((double)k->low + (double)k->high) / 2;
}

/* Blocks that stand out so far that somebody else's request is likelier. */
static void find_odd(struct view *v, int from)
{
    double ratios[BILLING_BLOCKS];
    bool candidates[BILLING_BLOCKS];
    int len = 0, odd = 0;

    for (int i = from; i < v->len; i++) {
        const struct billing_block *k = billing_block(v->b, i);

        v->odd[i] = false;
        if (use_of(k) > 0)
            ratios[len++] = (double)k->charged / use_of(k);
    }
    if (len < BILLING_ENOUGH)
        return;
    qsort(ratios, (size_t)len, sizeof(ratios[0]), compare);
    double most = ODD * quantile(ratios, len, 0.5);

    for (int i = from; i < v->len; i++) {
        const struct billing_block *k = billing_block(v->b, i);

        candidates[i] = (double)k->charged - v->b->unit > most * ((double)k->high + (double)k->before);
        odd += candidates[i];
    }
    /* Many in all, or near each other, are no exception. */
    for (int i = from; i < v->len; i++) {
        int near = 0;

        for (int j = i > from + ODD_NEAR ? i - ODD_NEAR : from; j < v->len && j <= i + ODD_NEAR; j++)
            near += candidates[j];
        v->odd[i] = candidates[i] && near <= ODD_TOGETHER && odd * ODD_SHARE <= v->len - from;
    }
}

/* Narrows the bounds by all stretches that begin with block i and end before block `end`. */
static void bound_from(const struct view *v, int i, int end, double *low, double *high)
{
    double charged = 0, least = 0, most = 0;

    for (int j = i; j < end; j++) {
        const struct billing_block *k = billing_block(v->b, j);

        if (v->odd[j] || (j > i && !k->joined))
            break;
        charged += (double)k->charged;
        least += (double)k->low;
        most += (double)k->high;
        if (most + (double)billing_block(v->b, i)->before > 0)
            *low = fmax(*low, (charged - v->b->unit) / (most + (double)billing_block(v->b, i)->before));
        if (least - (double)k->tail > 0)
            *high = fmin(*high, (charged + v->b->unit) / (least - (double)k->tail));
    }
}

/* The first of the blocks that agree up to block `end`, which is none of them; their bounds. */
static int find_agreeing(const struct view *v, int end, double *ret_low, double *ret_high)
{
    int first = end;

    *ret_low = 0;
    *ret_high = HUGE_VAL;
    for (int i = end - 1; i >= 0; i--) {
        double low = *ret_low, high = *ret_high;

        bound_from(v, i, end, &low, &high);
        if (low > high * AGREE)
            break;
        *ret_low = low;
        *ret_high = high;
        first = i;
    }
    return first;
}

/* Bounds take in some blocks from before a change, as lateness would explain them. The change is where the blocks fall apart best into two
 * levels. */
static int find_change(const struct view *v)
{
    double before = 0, before_square = 0, after = 0, after_square = 0, least = HUGE_VAL;
    int n = 0, m = 0, best = v->first, low = v->first > REACH ? v->first - REACH : 0;
    double ratios[BILLING_BLOCKS];

    for (int i = low; i < v->len; i++) {
        const struct billing_block *k = billing_block(v->b, i);

        ratios[i] = v->odd[i] || use_of(k) <= 0 ? -1 : (double)k->charged / use_of(k);
        if (ratios[i] < 0)
            continue;
        after += ratios[i];
        after_square += ratios[i] * ratios[i];
        m++;
    }
    for (int i = low; i < v->len; i++) {
        double error = before_square - (n ? before * before / n : 0) + after_square - (m ? after * after / m : 0);

        if (i >= v->first && n > 0 && m > 0 && error < least) {
            least = error;
            best = i;
        }
        if (ratios[i] < 0)
            continue;
        before += ratios[i];
        before_square += ratios[i] * ratios[i];
        n++;
        after -= ratios[i];
        after_square -= ratios[i] * ratios[i];
        m--;
    }
    return best;
}

static uint32_t length_of(const struct view *v, int first, int end)
{
    return first < end ? billing_block(v->b, end - 1)->end - billing_block(v->b, first)->begin : 0;
}

/* Do charges stand still but for one change at most? Other people's use has hours and days. What agrees now must have been seen for most of
 * a day, or come after a full day that agreed. */
static bool steady(const struct view *v)
{
    uint32_t now = billing_block(v->b, v->len - 1)->end, since = now > SEEN ? now - SEEN : 0;
    double low, high;
    int end = v->first, before = find_agreeing(v, end, &low, &high);

    if (before > 0) /* the block that it changed in is of neither */
        before = find_agreeing(v, --end, &low, &high);
    if (before > 0 && billing_block(v->b, before)->begin > since)
        return false;
    return length_of(v, v->first, v->len) >= MOST_OF_A_DAY || length_of(v, before, end) >= DAY;
}

/* How many of them count; 0 = they are too few, or too short together. */
static int blocks_counted(const struct view *v)
{
    int n = 0;
    uint32_t length = 0;

    for (int i = v->first; i < v->len; i++) {
        n += !v->odd[i];
        length += v->odd[i] ? 0 : billing_block(v->b, i)->end - billing_block(v->b, i)->begin;
    }
    return n < BILLING_ENOUGH || length < BILLING_LONG_ENOUGH / USEC_PER_SEC ? 0 : n;
}

/* How many blocks a window has to have; 0 = there are not enough of them for the balance's unit. */
static int window_size(const struct view *v, int counted)
{
    double use = 0, charged = 0;

    for (int i = v->first; i < v->len; i++) {
        use += v->odd[i] ? 0 : use_of(billing_block(v->b, i));
        charged += v->odd[i] ? 0 : (double)billing_block(v->b, i)->charged;
    }
    double each = fmax(use, charged) / counted;
    double size = each > 0 ? fmax(2, ceil(UNITS * v->b->unit / each)) : HUGE_VAL;

    return 2 * size > counted ? 0 : (int)size;
}

static struct medians find_medians(const struct view *v, int size, int counted)
{
    struct medians m = {.apart = (double)counted / size};
    double ratios[BILLING_BLOCKS];

    for (int i = v->first; i + size <= v->len; i++) {
        double charged = 0, use = 0;
        int j = i;

        for (; j < i + size; j++) {
            const struct billing_block *k = billing_block(v->b, j);

            if (v->odd[j] || (j > i && !k->joined))
                break;
            charged += (double)k->charged;
            use += use_of(k);
        }
        if (j == i + size && use > 0)
            ratios[m.windows++] = charged / use;
    }
    if (m.windows < 3) {
        m.windows = 0;
        return m;
    }
    qsort(ratios, (size_t)m.windows, sizeof(ratios[0]), compare);
    m.median = quantile(ratios, m.windows, 0.5);
    m.quarter = quantile(ratios, m.windows, 0.25);
    m.three_quarters = quantile(ratios, m.windows, 0.75);
    return m;
}

static bool traffic_heavy(const struct view *v)
{
    double traffic = 0, all = 0;

    for (int i = v->first; i < v->len; i++) {
        traffic += (double)billing_block(v->b, i)->traffic;
        all += (double)billing_block(v->b, i)->high;
    }
    return traffic > TRAFFIC_MOST * all;
}

/* More is charged than advertised: is it the relay, or somebody else? */
static void judge_dearer(const struct view *v, const struct medians *m, struct billing_verdict *ret)
{
    uint32_t begin = billing_block(v->b, v->first)->begin, end = billing_block(v->b, v->len - 1)->end;
    struct billing_slope s = billing_slope(v->b, begin, end);
    double quiet = billing_quiet(v->b, begin, end);

    ret->state = ACCOUNT_INSUFFICIENT;
    ret->why = ACCOUNT_WHY_OTHERS;
    if (s.told && s.high < (double)ret->low && s.low <= 1 + BILLING_TOLERANCE)
        return;
    if (s.told && s.low > 1 + BILLING_TOLERANCE) {
        ret->state = ACCOUNT_DEARER;
        if (s.high < (double)ret->low) { /* both: dearer, and somebody else */
            ret->ratio = (float)s.slope;
            ret->low = (float)s.low;
            ret->high = (float)s.high;
        } else {
            ret->low = fminf(ret->low, (float)s.low);
        }
    } else if (m->quarter < 1 + BILLING_TOLERANCE || (quiet >= 0 && quiet < QUIET)) {
        ret->why = ACCOUNT_WHY_SCATTER; /* a good part of the time it is as advertised */
    } else if (v->last && !steady(v)) {
        ret->why = v->first > 0 ? ACCOUNT_WHY_SCATTER : ACCOUNT_WHY_FEW;
    } else if (v->b->alone || (v->b->own_key && quiet >= 0 && ret->ratio <= KEY_MOST && !traffic_heavy(v))) {
        ret->state = ACCOUNT_DEARER;
    }
    if (ret->state == ACCOUNT_DEARER)
        ret->why = ACCOUNT_WHY_SURE;
}

static void judge(const struct view *v, const struct medians *m, struct billing_verdict *ret)
{
    double half = 1.8 * (m->three_quarters - m->quarter) / sqrt(fmax(2, m->apart));
    double low = fmin(fmin(v->low, v->high), m->median - half), high = fmax(fmax(v->low, v->high), m->median + half);
    double ratio = fmin(fmax(m->median, fmin(v->low, v->high)), fmax(v->low, v->high));

    ret->windows = (uint8_t)m->windows;
    ret->ratio = (float)fmin(ratio, 1e9);
    ret->low = (float)fmin(fmax(low, 0), 1e9);
    ret->high = (float)fmin(high, 1e9);
    if (high < STILL || m->median < STILL) {
        ret->why = ACCOUNT_WHY_STILL;
    } else if (m->three_quarters - m->quarter > SPREAD_MOST * m->median) {
        ret->why = ACCOUNT_WHY_SCATTER;
    } else if (low > 1 + BILLING_TOLERANCE) {
        judge_dearer(v, m, ret);
    } else if (high < 1 - BILLING_TOLERANCE) {
        ret->state = ACCOUNT_CHEAPER;
        ret->why = ACCOUNT_WHY_SURE;
    } else if (fabs(ratio - 1) <= BILLING_TOLERANCE && low >= WIDE_LOW && high <= WIDE_HIGH) {
        ret->state = ACCOUNT_AS_ADVERTISED;
        ret->why = ACCOUNT_WHY_SURE;
    }
}

/* As it was when there were so many blocks. */
static struct billing_verdict judge_at(const struct billing *b, int len)
{
    struct billing_verdict ret = {.state = ACCOUNT_INSUFFICIENT, .why = ACCOUNT_WHY_FEW, .ratio = -1, .low = -1, .high = -1};
    struct view v = {.b = b, .len = len, .last = len == b->blocks_len};

    if (v.len == 0)
        return ret;
    ret.newest = billing_block(b, v.len - 1)->end;
    find_odd(&v, 0);
    v.first = find_agreeing(&v, v.len, &v.low, &v.high);
    if (v.first > 0) {
        v.first = find_change(&v);
        v.low = 0;
        v.high = HUGE_VAL;
        for (int i = v.first; i < v.len; i++)
            bound_from(&v, i, v.len, &v.low, &v.high);
    }
    int counted = blocks_counted(&v);

    if (counted == 0) {
        if (v.first >= BILLING_ENOUGH) /* there would be enough, but they don't agree */
            ret.why = ACCOUNT_WHY_SCATTER;
        return ret;
    }
    int size = window_size(&v, counted);
    struct medians m = {.windows = 0};

    if (size)
        m = find_medians(&v, size, counted);
    if (m.windows == 0) {
        ret.why = size ? ACCOUNT_WHY_FEW : ACCOUNT_WHY_COARSE;
        return ret;
    }
    judge(&v, &m, &ret);
    return ret;
}

struct billing_verdict billing_judge(const struct billing *b)
{
    struct billing_verdict is = judge_at(b, b->blocks_len);

    if ((is.state == ACCOUNT_DEARER || is.state == ACCOUNT_CHEAPER) && judge_at(b, b->blocks_len - 1).state != is.state) {
        is.state = ACCOUNT_INSUFFICIENT; /* said when it is seen twice */
        is.why = ACCOUNT_WHY_FEW;
    }
    return is;
}
