/* Dice: SplitMix64 and the distributions that are made of it.
 *
 * A state is one 64-bit number that its owner keeps, so that a world, each strategy and each request have dice of their own and the same
 * seed always throws the same. Any value is a good state, zero too. Nothing here is fit for secrets. */
#include <math.h>

#include "tests/sim/ranking/strategy.h"

uint64_t dice_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

double dice_uniform(uint64_t *state)
{
    return (double)(dice_next(state) >> 11) * 0x1p-53;
}

/* Box and Muller; the second value is thrown away, so that a state stays one number. */
double dice_normal(uint64_t *state)
{
    double u = 1 - dice_uniform(state); /* (0, 1] */
    double v = dice_uniform(state);

    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Marsaglia and Tsang, "A simple method for generating gamma variables" (2000). Below shape 1 it is thrown one higher and scaled down. */
double dice_gamma(uint64_t *state, double shape)
{
    if (shape < 1) {
        double higher = dice_gamma(state, shape + 1);

        return higher * pow(1 - dice_uniform(state), 1 / shape);
    }
    double d = shape - 1.0 / 3;
    double c = 1 / sqrt(9 * d);

    /* Each turn is taken with at least 95 %: a thousand turns are never needed. */
    for (int turn = 0; turn < 1000; turn++) {
        double x = dice_normal(state);
        double v = 1 + c * x;

        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(1 - dice_uniform(state)) < x * x / 2 + d - d * v + d * log(v))
            return d * v;
    }
    return d;
}

double dice_beta(uint64_t *state, double a, double b)
{
    double x = dice_gamma(state, a);
    double y = dice_gamma(state, b);

    return x + y > 0 ? x / (x + y) : a / (a + b);
}
