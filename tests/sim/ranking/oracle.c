/* The oracle: it knows the truth at each moment (chances, times, prices, room, load) and takes what is worth most in the mean, with the
 * tries that are left counted in.
 *
 * What a request makes others wait counts as if it waited so long itself. For the rest it is greedy: it keeps no room back for a request to
 * come, so that under load a lucky strategy may, rarely, do better. It knows no luck and no future. */
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/truth.h"

struct oracle {
    struct strategy_setup setup;
};

struct option {
    bool usable;
    double ok_value;     /* of a success, times its chance */
    double p, fail_cost; /* chance of a failure, and what it takes away, times its chance */
};

static void *oracle_make(const struct strategy_setup *setup)
{
    struct oracle *oracle = alloc_zero(1, sizeof(*oracle));

    oracle->setup = *setup;
    return oracle;
}

static void look_around(const struct oracle *oracle, double t, int model, uint32_t tried, struct option *ret)
{
    struct truth *truth = oracle->setup.truth;
    const struct preference *w = oracle->setup.preference;

    for (int p = 0; p < truth->platforms; p++) {
        ret[p] = (struct option){.usable = !(tried & 1u << p) && truth_is_there(truth, t, p) && truth_has_room(truth, t, p, model)};
        if (!ret[p].usable)
            continue;
        struct outlook look = truth_look(truth, t, p, model);

        ret[p].p = look.p;
        ret[p].ok_value = (1 - look.p) * (1 - w->a * (look.ttft_s + look.crowd_s) / 2 - w->b * look.cost);
        ret[p].fail_cost = look.p * (w->a * look.waste_s / 2 + w->b * look.failed_cost);
    }
}

/* The best that can be had with that many tries; without any, the request has failed. */
static double best_value(const struct option *options, int n, uint32_t tried, int tries, int *ret_first)
{
    double best = -1;

    *ret_first = -1;
    if (tries == 0)
        return best;
    for (int p = 0; p < n; p++) {
        int next;

        if (!options[p].usable || tried & 1u << p)
            continue;
        double behind = options[p].p > 0 ? best_value(options, n, tried | 1u << p, tries - 1, &next) : 0;
        double value = options[p].ok_value - options[p].fail_cost + options[p].p * behind;

        if (*ret_first < 0 || value > best) {
            best = value;
            *ret_first = p;
        }
    }
    return best;
}

static int oracle_choose(void *self, double t, int model, uint32_t tried)
{
    const struct oracle *oracle = self;
    struct truth *truth = oracle->setup.truth;
    struct option options[PLATFORMS_MAX] = {{.usable = false}};
    int used = 0, first;

    for (int p = 0; p < truth->platforms; p++)
        used += tried & 1u << p && truth_is_there(truth, t, p);
    int left = truth->tries - used;

    look_around(oracle, t, model, tried, options);
    best_value(options, truth->platforms, tried, left < 1 ? 1 : left > 3 ? 3 : left, &first);
    if (first >= 0)
        return first;
    /* No room anywhere: a 429 is quick and free, and something may have changed by then. */
    for (int p = 0; p < truth->platforms; p++)
        if (!(tried & 1u << p) && truth_is_there(truth, t, p))
            return p;
    return -1;
}

static int oracle_first(void *self, double t, int model)
{
    return oracle_choose(self, t, model, 0);
}

const struct strategy strategy_oracle = {
    .name = "oracle",
    .about = "knows the truth: what could be had at best",
    .make = oracle_make,
    .free = free,
    .choose = oracle_choose,
    .first = oracle_first,
};
