/* The last told charges of a route. Each gives a range for the ratio: what was advertised leaves room (tariff.h), and the charge itself was
 * rounded by whoever told it, to the last decimal digit that it has. The verdict stands on the medians of these ranges' ends, by order
 * alone (median.h), so that a few odd requests don't matter; the ratio told is that of the sums, since that is what a bill goes by, and the
 * interval holds it. */
#include "probed/core/charges.h"

#include <math.h>

#include "probed/core/median.h"

#define OLD        (7 * USEC_PER_DAY)
#define CLAMP      3.0
#define DIGIT_MOST 1e8 /* 0.0001: nobody tells the cost of a request more coarsely */
#define WIDE       1.5 /* "as advertised" is said of no wider interval */

/* The power of ten that it is a multiple of: how finely it was told. */
static double digit_of(int64_t v)
{
    double digit = 1;

    if (v == 0)
        return DIGIT_MOST;
    for (; v % 10 == 0 && digit < DIGIT_MOST; v /= 10)
        digit *= 10;
    return digit;
}

/* What is not free but costs nothing is infinitely cheap, and the other way round. */
static double over(double charged, double expected)
{
    if (expected <= 0)
        return charged <= 0 ? 1 : CHARGES_RATIO_MOST;
    return fmin(charged / expected, CHARGES_RATIO_MOST);
}

void charges_add(struct charges *c, int64_t charged, const struct tariff_cost *expected, bool afterwards, usec_t now)
{
    double low = (double)expected->low, high = (double)expected->high, least, most;

    c->digit = fmin(c->digit > 0 ? c->digit : DIGIT_MOST, digit_of(charged));
    least = fmax(0, (double)charged - c->digit);
    most = (double)charged + c->digit;
    /* Nothing needs to be excused by rounding. */
    if ((double)charged >= low && (double)charged <= high)
        least = most = (double)charged;
    c->ring[c->next] = (struct charge){.at = now < 0 ? 0 : (uint32_t)(now / USEC_PER_SEC),
                                       .low = (float)over(least, high),
                                       .high = (float)over(most, low),
                                       .charged = (float)charged,
                                       .expected = (float)((low + high) / 2),
                                       .afterwards = afterwards};
    c->next = (uint8_t)((c->next + 1) % CHARGES);
    if (c->len < CHARGES)
        c->len++;
}

static enum account_state state_of(double low, double high, double ratio, double median)
{
    if (low > 1.1)
        return ACCOUNT_DEARER;
    if (high < 0.9)
        return ACCOUNT_CHEAPER;
    return low > 0 && high / low <= WIDE && fabs(ratio - 1) <= 0.1 && fabs(median - 1) <= 0.1 ? ACCOUNT_AS_ADVERTISED
                                                                                              : ACCOUNT_INSUFFICIENT;
}

/* Of the sums; a charge far off the others counts as CLAMP times their median only. */
static double ratio_of_sums(const struct charge *const *told, int len, double median)
{
    double charged = 0, expected = 0;

    for (int i = 0; i < len; i++) {
        double fair = median * (double)told[i]->expected;

        charged += fair > 0 ? fmin(fmax((double)told[i]->charged, fair / CLAMP), fair * CLAMP) : (double)told[i]->charged;
        expected += (double)told[i]->expected;
    }
    return over(charged, expected);
}

bool charges_ratio(const struct charges *c, usec_t now, struct account_ratio *ret)
{
    const struct charge *told[CHARGES];
    double lows[CHARGES], highs[CHARGES];
    int len = 0, afterwards = 0;
    usec_t newest = -1;

    for (int i = 0; i < c->len; i++) {
        const struct charge *k = &c->ring[i];
        usec_t at = (usec_t)k->at * USEC_PER_SEC;

        if (now - at > OLD)
            continue;
        lows[len] = (double)k->low;
        highs[len] = (double)k->high;
        told[len++] = k;
        afterwards += k->afterwards;
        newest = at > newest ? at : newest;
    }
    if (len == 0)
        return false;
    median_sort(lows, len);
    median_sort(highs, len);
    double median = (median_middle(lows, len) + median_middle(highs, len)) / 2;

    *ret = (struct account_ratio){.state = ACCOUNT_INSUFFICIENT,
                                  .why = ACCOUNT_WHY_FEW,
                                  .evidence = 2 * afterwards > len ? ACCOUNT_GENERATION : ACCOUNT_USAGE_COST,
                                  .ratio = ratio_of_sums(told, len, median),
                                  .low = -1,
                                  .high = -1,
                                  .windows = len,
                                  .newest = newest};
    int rank = median_rank(len);

    if (rank < 0)
        return true;
    ret->low = fmin(lows[rank], ret->ratio);
    ret->high = fmax(highs[len - 1 - rank], ret->ratio);
    ret->state = state_of(ret->low, ret->high, ret->ratio, median);
    ret->why = ret->state == ACCOUNT_INSUFFICIENT ? ACCOUNT_WHY_SCATTER : ACCOUNT_WHY_SURE;
    return true;
}
