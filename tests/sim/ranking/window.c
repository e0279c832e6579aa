/* Successes and failures of the last seconds: an exact window in steps of one slice. The state is a ring of counters, each with the number
 * of the slice that it counts; one that is found with an older number is empty. It never allocates and keeps nothing of a single result. */
#include <math.h>

#include "tests/sim/ranking/window.h"

static int64_t slice_number(double slice_s, double t)
{
    return (int64_t)floor(t / slice_s) + 1;
}

void window_add(struct window *window, double slice_s, double t, bool good)
{
    int64_t number = slice_number(slice_s, t);
    struct window_slice *slice = &window->slices[number % WINDOW_SLICES];
    if (slice->number != number)
        *slice = (struct window_slice){.number = number};
    if (good)
        slice->good++;
    else
        slice->bad++;
}

void window_count(const struct window *window, double slice_s, double t, unsigned *good, unsigned *bad)
{
    int64_t number = slice_number(slice_s, t);
    *good = *bad = 0;
    for (int i = 0; i < WINDOW_SLICES; i++) {
        const struct window_slice *slice = &window->slices[i];
        if (slice->number <= number - WINDOW_SLICES || slice->number > number)
            continue;
        *good += slice->good;
        *bad += slice->bad;
    }
}
