/* Least squares with decaying sums about moving means (Welford), of two variables.
 *
 * The rates that it is fed move by chance, by what other routes do and by the hour, and that is what it learns from; where they stand still
 * it learns nothing and believes nothing. An outlier is pulled in to a few times the usual before it counts. */
#include "probed/core/congestion.h"

#include <math.h>

#include "probed/core/decay.h"

#define HALF_LIFE  (20 * USEC_PER_MINUTE)
#define ENOUGH     20.0 /* first tokens */
#define CLIPPED    1.5  /* ln */
#define SURE       4.0  /* a slope of so many squared errors of its own is half believed */
#define POWER_MOST 3.0  /* ln: nothing is foretold beyond twenty times as slow */

static void add_product(float *sum, double keep, double product)
{
    *sum = (float)((double)*sum * keep + product);
}

void congestion_add(struct congestion *c, double rate, usec_t ttft, usec_t now)
{
    double keep = c->at > 0 ? decay_factor(now - c->at, HALF_LIFE) : 0, load = rate * rate, time = log((double)(ttft > 1 ? ttft : 1));

    if (c->weight > 1)
        time = fmin(fmax(time, (double)c->time - CLIPPED), (double)c->time + CLIPPED);
    double weight = (double)c->weight * keep + 1, off_load = load - (double)c->load, off_time = time - (double)c->time;
    double rest = 1 - 1 / weight; /* of a deviation, once the mean has moved */

    c->at = now;
    c->weight = (float)weight;
    c->load = (float)((double)c->load + off_load / weight);
    c->time = (float)((double)c->time + off_time / weight);
    add_product(&c->loads, keep, off_load * off_load * rest);
    add_product(&c->times, keep, off_time * off_time * rest);
    add_product(&c->together, keep, off_load * off_time * rest);
}

double congestion_slope(const struct congestion *c)
{
    double weight = (double)c->weight, loads = (double)c->loads, together = (double)c->together;

    if (weight < ENOUGH || loads <= 0 || together <= 0)
        return 0;
    double slope = together / loads, left = fmax(0, (double)c->times - slope * together), error = left / (weight - 2) / loads;

    return slope * slope * slope / (slope * slope + SURE * error);
}

double congestion_waits(const struct congestion *c, double slope, double rate)
{
    if (slope <= 0)
        return 0;
    double power = slope * rate * rate, slower = exp(fmin(POWER_MOST, power - slope * (double)c->load));

    return slower * (1 + 2 * fmin(POWER_MOST, power)) - 1;
}
