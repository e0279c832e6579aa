/* Successes and failures of the last seconds, in a ring of slices. */
#ifndef TESTS_SIM_RANKING_WINDOW_H
#define TESTS_SIM_RANKING_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_SLICES 30

struct window_slice {
    int64_t number; /* time / slice length, + 1: a zeroed window is an empty one */
    unsigned good, bad;
};

struct window {
    struct window_slice slices[WINDOW_SLICES];
};

/* `slice_s` is the length of a slice: the window covers WINDOW_SLICES of them, the one of now included. The same at every call. */
void window_add(struct window *window, double slice_s, double t, bool good);
void window_count(const struct window *window, double slice_s, double t, unsigned *good, unsigned *bad);

#endif
