/* OpenRouter, as its default load balancing was documented for years: stable providers first, by the inverse square of the price, the rest
 * as fallbacks.
 *
 * A provider is not stable when it has seen "significant outages in the last 30 seconds"; how much is significant is not published: here
 * half or more of its results. Among the stable the chance is 1 / price^2 (1 USD against 3 USD: 9 to 1); the rest stand behind, and are
 * never left out. A retry draws again from those not tried. A provider without a price counts as twice the dearest.
 *
 * The original learns from the traffic of all its users, which a single user hasn't; so here probes count as well. Its newer, closed
 * formula (adjusted price, speed, learnt caps) is described in words only and isn't played. State: a window of 30 s a route. It never looks
 * at latency, and two providers of one price get the same share, however they answer. */
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/pick.h"
#include "tests/sim/ranking/published.h"
#include "tests/sim/ranking/utility.h"
#include "tests/sim/ranking/window.h"

#define SLICE_S 1.0 /* of WINDOW_SLICES: 30 s */

struct openrouter {
    struct utility utility;
    uint64_t dice;
    struct window windows[MODELS_MAX][PLATFORMS_MAX];
};

static void *openrouter_make(const struct strategy_setup *setup)
{
    struct openrouter *self = alloc_zero(1, sizeof *self);
    utility_init(&self->utility, setup);
    self->dice = setup->seed;
    return self;
}

static void openrouter_price(void *arg, double t, int platform, int model, double input_usd_per_mtok, double output_usd_per_mtok)
{
    (void)t;
    struct openrouter *self = arg;
    utility_price(&self->utility, platform, model, input_usd_per_mtok, output_usd_per_mtok);
}

static void openrouter_observe(void *arg, const struct result *result)
{
    struct openrouter *self = arg;
    window_add(&self->windows[result->model][result->platform], SLICE_S, result->t, result_ok(result));
}

static bool is_stable(const struct openrouter *self, double t, int model, int platform)
{
    unsigned good, bad;
    window_count(&self->windows[model][platform], SLICE_S, t, &good, &bad);
    return bad == 0 || good > bad;
}

/* The chances among the stable that were not tried, among all of those when no stable one is left. */
static void weigh(const struct openrouter *self, double t, int model, uint32_t tried, double *weights)
{
    bool any = false;
    for (int pass = 0; pass < 2 && !any; pass++)
        for (int p = 0; p < self->utility.platforms; p++) {
            weights[p] = 0;
            if (pick_is_tried(tried, p) || (pass == 0 && !is_stable(self, t, model, p)))
                continue;
            double price = utility_relative_cost(&self->utility, p, model);
            weights[p] = 1 / (price * price + 1e-12);
            any = true;
        }
}

static int openrouter_choose(void *arg, double t, int model, uint32_t tried)
{
    struct openrouter *self = arg;
    double weights[PLATFORMS_MAX];
    weigh(self, t, model, tried, weights);
    return pick_weighted(&self->dice, weights, self->utility.platforms);
}

static int openrouter_first(void *arg, double t, int model)
{
    struct openrouter *self = arg;
    double weights[PLATFORMS_MAX];
    weigh(self, t, model, 0, weights);
    return pick_best(weights, self->utility.platforms);
}

const struct strategy strategy_openrouter = {
    .name = "openrouter",
    .about = "OpenRouter: no outage in 30 s, then 1 / price^2; openrouter.ai/docs/guides/routing/provider-selection",
    .make = openrouter_make,
    .free = free,
    .price = openrouter_price,
    .observe = openrouter_observe,
    .choose = openrouter_choose,
    .first = openrouter_first,
};
