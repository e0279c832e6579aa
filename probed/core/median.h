/* The median of a few values with an interval that needs no assumption about how they scatter: by their order alone. */
#ifndef PROBED_CORE_MEDIAN_H
#define PROBED_CORE_MEDIAN_H

#include <stdbool.h>

/* How many of `len` values, at either end, the interval may leave out so that it holds the true median in 99 of 100 cases; -1 = too few
 * values (below 8). */
int median_rank(int len);
void median_sort(double *values, int len);
double median_middle(const double *sorted, int len); /* len > 0 */

#endif
