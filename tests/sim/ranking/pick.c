/* Choosing one of several platforms: the best by value, or one by chance in proportion to weights. No state but the caller's dice.
 * It never picks what the caller ruled out, and says -1 when nothing is left. */
#include <math.h>

#include "tests/sim/ranking/pick.h"

int pick_best(const double *values, int len)
{
    int best = -1;
    for (int i = 0; i < len; i++)
        if (values[i] > (best < 0 ? -INFINITY : values[best]))
            best = i;
    return best;
}

int pick_weighted(uint64_t *dice, const double *weights, int len)
{
    double sum = 0;
    int last = -1;
    for (int i = 0; i < len; i++)
        if (weights[i] > 0) {
            sum += weights[i];
            last = i;
        }
    if (last < 0)
        return -1;
    double left = dice_uniform(dice) * sum;
    for (int i = 0; i < last; i++) {
        if (weights[i] <= 0)
            continue;
        left -= weights[i];
        if (left < 0)
            return i;
    }
    return last;
}
