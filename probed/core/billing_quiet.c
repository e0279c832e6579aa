/* What is charged while nobody else is likely to be there.
 *
 * Others' use that comes now and then leaves most hours alone: in these, what is charged is the ratio times our use. So the low end of the
 * hours' ratios is taken, as a bound from above on what the relay itself charges, whatever others do in the rest. An hour here ends with a
 * charge, so that what posts in lumps is held against the use since the lump before. A window's use is the mean of that in it and that one
 * and two hours earlier: charges may be as late as that, and our use may have been another then. */
#include "probed/core/billing.h"

#include <math.h>

#include "probed/core/median.h"

#define WINDOW      4200 /* seconds, at least */
#define WINDOW_MOST 10800
#define UNITS       6    /* of the balance, in a window's use at least */
#define WINDOWS     6    /* at least */
#define SHARE       0.15 /* of the windows are quiet at least, if others only come now and then */

static double use_of(const struct billing_slot *s)
{
    return ((double)s->low + (double)s->high) / 2;
}

/* Use between two times, as if it were even within a slot. */
static double use_between(const struct billing *b, double begin, double end)
{
    double sum = 0;

    for (int i = b->slots_len - 1; i >= 0; i--) {
        const struct billing_slot *s = billing_slot(b, i);
        double from = fmax(begin, (double)s->end - (double)s->length), to = fmin(end, (double)s->end);

        if ((double)s->end <= begin)
            break;
        if (to > from && s->length > 0)
            sum += use_of(s) * (to - from) / (double)s->length;
    }
    return sum;
}

static double ratio_of(const struct billing *b, double charged, uint32_t begin, uint32_t end)
{
    double use = 0;

    for (int lag = 0; lag <= 2; lag++)
        use += use_between(b, (double)begin - lag * 3600.0, (double)end - lag * 3600.0) / 3;
    return use > 0 ? charged / use : HUGE_VAL;
}

double billing_quiet(const struct billing *b, uint32_t since, uint32_t until)
{
    double ratios[BILLING_SLOTS], charged = 0, use = 0;
    int len = 0;
    uint32_t begin = 0, last = 0; /* begin 0 = none */

    for (int i = 0; i < b->slots_len; i++) {
        const struct billing_slot *s = billing_slot(b, i);
        uint32_t from = s->end - s->length;

        if (s->broken || from < since || s->end > until) {
            begin = 0;
            continue;
        }
        if (begin == 0 || from != last) {
            begin = from;
            charged = use = 0;
        }
        last = s->end;
        charged += (double)s->charged;
        use += use_of(s);
        bool enough = s->end - begin >= WINDOW && use >= UNITS * b->unit;

        if (enough && (s->charged > 0 || s->end - begin >= WINDOW_MOST)) {
            ratios[len++] = ratio_of(b, charged, begin, s->end);
            begin = 0;
        }
    }
    if (len < WINDOWS)
        return -1;
    median_sort(ratios, len);
    return ratios[(int)(SHARE * (len - 1))];
}
