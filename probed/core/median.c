/* Order statistics. The number of values below the true median is binomial(len, 1/2), so that the interval from the (k+1)-th smallest to
 * the (k+1)-th largest misses it with twice the chance of k or fewer heads in len throws. */
#include "probed/core/median.h"

#include <math.h>
#include <stdlib.h>

#define MISSES 0.01

int median_rank(int len)
{
    double term = exp2(-len), below = 0;
    int k = -1;

    for (int i = 0; i < len / 2; i++) {
        below += term;
        if (2 * below > MISSES)
            break;
        k = i;
        term *= (double)(len - i) / (i + 1);
    }
    return k;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void median_sort(double *values, int len)
{
    qsort(values, (size_t)len, sizeof(values[0]), compare);
}

double median_middle(const double *sorted, int len)
{
    return len % 2 ? sorted[len / 2] : (sorted[len / 2 - 1] + sorted[len / 2]) / 2;
}
