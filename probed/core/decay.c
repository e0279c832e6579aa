/* Decayed counts in three windows (half-lives of 10 min, 2 h, 24 h) and decayed means with their variance.
 *
 * The windows of one pair are brought forward together when something is added. The ratio in a window does not move with time
 * alone, its weight does: what was not seen for long turns into "not known", not into "good". */
#include "probed/core/decay.h"

#include <math.h>

static const usec_t half_lives[DECAY_WINDOWS] = {10 * USEC_PER_MINUTE, 2 * USEC_PER_HOUR, 24 * USEC_PER_HOUR};
static const char *const names[DECAY_WINDOWS] = {"10m", "2h", "24h"};

double decay_factor(usec_t elapsed, usec_t half_life)
{
    if (elapsed <= 0)
        return 1;
    return exp2(-(double)elapsed / (double)half_life);
}

const char *decay_window_name(enum decay_window window)
{
    return (unsigned)window < DECAY_WINDOWS ? names[window] : "?";
}

void decay_counts_add(struct decay_counts *c, double ok, double failed, usec_t now)
{
    if (now < c->at)
        now = c->at;
    for (int i = 0; i < DECAY_WINDOWS; i++) {
        double keep = decay_factor(now - c->at, half_lives[i]);

        c->window[i].ok = c->window[i].ok * keep + ok;
        c->window[i].failed = c->window[i].failed * keep + failed;
    }
    c->at = now;
}

struct decay_pair decay_counts_at(const struct decay_counts *c, enum decay_window window, usec_t now)
{
    double keep = decay_factor(now - c->at, half_lives[window]);

    return (struct decay_pair){c->window[window].ok * keep, c->window[window].failed * keep};
}

void decay_moment_add(struct decay_moment *m, double value, usec_t half_life, usec_t now)
{
    if (now < m->at)
        now = m->at;
    double keep = decay_factor(now - m->at, half_life);
    double off = value - m->mean;

    m->weight = m->weight * keep + 1;
    m->mean += off / m->weight;
    m->square = m->square * keep + off * (value - m->mean);
    m->at = now;
}

double decay_moment_weight(const struct decay_moment *m, usec_t half_life, usec_t now)
{
    return m->weight * decay_factor(now - m->at, half_life);
}

double decay_moment_deviation(const struct decay_moment *m)
{
    return m->weight > 1 ? sqrt(fmax(0, m->square) / m->weight) : 0;
}
