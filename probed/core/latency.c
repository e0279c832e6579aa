/* The three speeds of latency: the sketch, the mean of the last minutes, the last few values.
 *
 * The reference of the jump test holds only what has left the fast window, so that a new level does not hide in its own
 * reference. Until five values have left it nothing is tested: the sketch alone learns fast then.
 * A jump empties the fast window into the reference of the new level. */
#include "probed/core/latency.h"

#include <math.h>
#include <string.h>

#define REFERENCE_MIN 5    /* values behind the reference before anything is tested */
#define REFERENCE_MOST 200 /* it forgets beyond this many */
#define SPREAD_LEAST 0.10  /* ln; a relay that looks steadier than 10 % may vary that much at any time */
#define PRIOR_SPREAD 0.4
#define PRIOR_WEIGHT 4.0
#define THREE_ALL 2.5      /* all of the last three beyond this many deviations */
#define CLIPPED 2.5        /* deviations: a spike says no more than this about the level */
#define DRIFT_SURE 4.0     /* a drift of so many squared errors of its own is half believed */
#define TRIMMED 4.0        /* mean of the last n without its extreme, in its own standard errors */

static void reference_add(struct latency *l, double value)
{
    double off = value - l->level;

    l->weight = fmin(l->weight + 1, REFERENCE_MOST);
    l->level += off / l->weight;
    l->spread += (off * (value - l->level) - l->spread) / l->weight;
}

static double deviation(const struct latency *l)
{
    /* From few values a spread is known badly, and mostly too small: it starts from a usual one. */
    double square = (l->weight * fmax(0, l->spread) + PRIOR_WEIGHT * PRIOR_SPREAD * PRIOR_SPREAD) / (l->weight + PRIOR_WEIGHT);

    return fmax(sqrt(square), SPREAD_LEAST);
}

/* Mean of the last n without the one that is farthest from the reference. */
static double trimmed_mean(const struct latency *l, int n)
{
    double sum = 0, extreme = (double)l->recent[0];

    for (int i = 0; i < n; i++) {
        double value = (double)l->recent[i];

        sum += value;
        if (fabs(value - l->level) > fabs(extreme - l->level))
            extreme = value;
    }
    return (sum - extreme) / (n - 1);
}

/* How many of the recent values belong to a new level; 0 = no jump. */
static int find_jump(const struct latency *l)
{
    static const int lengths[] = {4, 6, 8};
    double sigma = deviation(l);

    if (l->weight < REFERENCE_MIN || l->recent_len < 3)
        return 0;
    double least = INFINITY, most = -INFINITY;

    for (int i = 0; i < 3; i++) {
        least = fmin(least, (double)l->recent[i] - l->level);
        most = fmax(most, (double)l->recent[i] - l->level);
    }
    if (least > THREE_ALL * sigma || most < -THREE_ALL * sigma)
        return 3;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        int n = lengths[i];

        if (n > l->recent_len)
            break;
        if (fabs(trimmed_mean(l, n) - l->level) > TRIMMED * sigma / sqrt(n - 1))
            return n;
    }
    return 0;
}

static void jump(struct latency *l, int n, usec_t now)
{
    double sigma = deviation(l), sum = 0;

    for (int i = 0; i < n; i++)
        sum += (double)l->recent[i];
    double level = sum / n;

    l->jump = exp(level - l->level);
    l->jumped_at = now;
    sketch_shift(&l->sketch, l->jump, n);
    l->level = level;
    l->spread = sigma * sigma;
    l->weight = n;
    l->recent_len = 0;
    l->minutes = (struct decay_moment){.at = now, .weight = n, .mean = level, .square = n * l->spread};
    l->hours = l->minutes;
}

/* ln of how much the last minutes are above or below the sketch, shrunk by how well that is known. */
static double drift(const struct latency *l)
{
    double off = l->minutes.mean - l->hours.mean, sigma = deviation(l);
    double error = sigma * sigma / fmax(1, 2 * l->minutes.weight - 1), sure = off * off / (off * off + DRIFT_SURE * error);

    return off * sure;
}

static void add_level(struct latency *l, double value, usec_t now)
{
    double most = CLIPPED * deviation(l), off = value - l->minutes.mean;

    if (l->minutes.weight > 1)
        value = l->minutes.mean + fmax(-most, fmin(most, off));
    decay_moment_add(&l->minutes, value, LATENCY_MINUTES, now);
    decay_moment_add(&l->hours, value, LATENCY_HALF_LIFE, now);
}

void latency_add(struct latency *l, usec_t value, usec_t now)
{
    double ln = log((double)(value > 1 ? value : 1));

    if (l->recent_len == LATENCY_RECENT)
        reference_add(l, (double)l->recent[--l->recent_len]);
    memmove(&l->recent[1], &l->recent[0], l->recent_len * sizeof(l->recent[0]));
    l->recent[0] = (float)ln;
    l->recent_len++;
    int n = find_jump(l);

    /* The newest is not in the sketch yet when it is moved: it is of the new level already. */
    if (n > 0)
        jump(l, n, now);
    else
        add_level(l, ln, now);
    sketch_add(&l->sketch, value, LATENCY_HALF_LIFE, now);
    l->statistic[LATENCY_MEAN] = sketch_mean(&l->sketch);
    sketch_quantiles(&l->sketch, (const double[]){0.50, 0.90, 0.95}, &l->statistic[LATENCY_P50], 3);
    double factor = exp(drift(l));

    for (int i = 0; i < LATENCY_STATISTICS; i++)
        l->statistic[i] = (usec_t)llround((double)l->statistic[i] * factor);
}

double latency_weight(const struct latency *l, usec_t now)
{
    return sketch_weight(&l->sketch, LATENCY_HALF_LIFE, now);
}

usec_t latency_statistic(const struct latency *l, enum latency_statistic statistic)
{
    return l->sketch.len == 0 ? -1 : l->statistic[statistic];
}
