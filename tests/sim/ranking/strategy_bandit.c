/* Bandits that forget: discounted Thompson sampling and sliding-window UCB.
 *
 * Thompson keeps a posterior of each route and plays the one that is best in one draw from all of them: success is a Beta, the seconds to
 * the first token a Normal, what a failure wastes a mean, the price is known. All evidence is discounted by age and by what came after it
 * (Raj and Kalyani 2017; Qi, Wang and Zhu 2023), so that an idle route drifts back to the prior and is tried again. Results of probes and
 * of traffic count alike, as a bandit may use any draw it gets to see. The prior of the seconds is what the model's other routes show.
 *
 * UCB plays the highest mean utility in the window plus a bonus that grows as its samples get fewer (Garivier and Moulines 2008). The
 * window is one of time, since requests and probes come at any rate, with a bound on the samples of a route.
 *
 * The constants were tuned on seeds that no report uses. Neither knows of capacities, of outages as states or of retries: a 429 is a failed
 * try. Never more than a fixed number of samples is kept. */
#include <math.h>
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/pick.h"
#include "tests/sim/ranking/published.h"
#include "tests/sim/ranking/utility.h"

#define DISCOUNT_S      60.0 /* evidence falls to 1/e in so many seconds */
#define DISCOUNT_SAMPLE 0.97 /* and by this for every newer result of its route */
#define PRIOR_GOOD      1.0
#define PRIOR_BAD       1.0
#define PRIOR_SECONDS   1.0 /* to the first token, before any route of the model showed another */
#define PRIOR_VARIANCE  1.0 /* of them, over the square of their mean */

struct moments {
    double n, sum, squares;
};

struct posterior {
    double t; /* of the last discount */
    double good, bad;
    struct moments first_token, wasted;
};

struct thompson {
    struct utility utility;
    uint64_t dice;
    struct posterior posteriors[MODELS_MAX][PLATFORMS_MAX];
};

static void *thompson_make(const struct strategy_setup *setup)
{
    struct thompson *self = alloc_zero(1, sizeof *self);
    utility_init(&self->utility, setup);
    self->dice = setup->seed;
    return self;
}

static void thompson_price(void *arg, double t, int platform, int model, double input_usd_per_mtok, double output_usd_per_mtok)
{
    (void)t;
    struct thompson *self = arg;
    utility_price(&self->utility, platform, model, input_usd_per_mtok, output_usd_per_mtok);
}

static void moments_scale(struct moments *moments, double factor)
{
    moments->n *= factor;
    moments->sum *= factor;
    moments->squares *= factor;
}

static void moments_add(struct moments *moments, double x)
{
    moments->n++;
    moments->sum += x;
    moments->squares += x * x;
}

static void discount(struct posterior *posterior, double t, double factor)
{
    if (t > posterior->t)
        factor *= exp((posterior->t - t) / DISCOUNT_S);
    posterior->t = t;
    posterior->good *= factor;
    posterior->bad *= factor;
    moments_scale(&posterior->first_token, factor);
    moments_scale(&posterior->wasted, factor);
}

static void thompson_observe(void *arg, const struct result *result)
{
    struct thompson *self = arg;
    struct posterior *posterior = &self->posteriors[result->model][result->platform];
    discount(posterior, result->t, DISCOUNT_SAMPLE);
    if (result_ok(result)) {
        posterior->good++;
        moments_add(&posterior->first_token, result_seconds(result));
    } else {
        posterior->bad++;
        moments_add(&posterior->wasted, result_seconds(result));
    }
}

/* What the model's routes show together: the prior of each. */
struct pool {
    double first_token, wasted;
};

static struct pool thompson_pool(struct thompson *self, double t, int model)
{
    struct moments first_token = {1, PRIOR_SECONDS, 0}, wasted = {1, PRIOR_SECONDS, 0};
    for (int p = 0; p < self->utility.platforms; p++) {
        struct posterior *posterior = &self->posteriors[model][p];
        discount(posterior, t, 1);
        first_token.n += posterior->first_token.n;
        first_token.sum += posterior->first_token.sum;
        wasted.n += posterior->wasted.n;
        wasted.sum += posterior->wasted.sum;
    }
    return (struct pool){first_token.sum / first_token.n, wasted.sum / wasted.n};
}

/* The mean with one sample's worth of prior; `spread`: how far off that mean may be. */
static double moments_mean(const struct moments *moments, double prior, double *spread)
{
    double mean = (moments->sum + prior) / (moments->n + 1);
    double variance = (moments->squares + prior * prior * (1 + PRIOR_VARIANCE)) / (moments->n + 1) - mean * mean;
    *spread = sqrt(fmax(variance, 0) / (moments->n + 1));
    return mean;
}

/* The utility of a try: of one draw from the posterior, or, without dice, its mean. */
static double thompson_value(const struct thompson *self, int platform, int model, const struct pool *pool, uint64_t *dice)
{
    const struct posterior *posterior = &self->posteriors[model][platform];
    double good = posterior->good + PRIOR_GOOD, bad = posterior->bad + PRIOR_BAD;
    double spread, unused;
    double seconds = moments_mean(&posterior->first_token, pool->first_token, &spread);
    double wasted = moments_mean(&posterior->wasted, pool->wasted, &unused);
    double success = good / (good + bad);
    if (dice) {
        success = dice_beta(dice, good, bad);
        seconds = fmax(seconds + spread * dice_normal(dice), 0);
    }
    return success * utility_of_success(&self->utility, platform, model, seconds) +
           (1 - success) * utility_of_failure(&self->utility, wasted);
}

static int thompson_pick(struct thompson *self, double t, int model, uint32_t tried, uint64_t *dice)
{
    double values[PLATFORMS_MAX];
    struct pool pool = thompson_pool(self, t, model);
    for (int p = 0; p < self->utility.platforms; p++)
        values[p] = pick_is_tried(tried, p) ? -INFINITY : thompson_value(self, p, model, &pool, dice);
    return pick_best(values, self->utility.platforms);
}

static int thompson_choose(void *arg, double t, int model, uint32_t tried)
{
    struct thompson *self = arg;
    return thompson_pick(self, t, model, tried, &self->dice);
}

static int thompson_first(void *arg, double t, int model)
{
    return thompson_pick(arg, t, model, 0, NULL);
}

const struct strategy strategy_thompson = {
    .name = "thompson",
    .about = "discounted Thompson sampling: Raj and Kalyani, arXiv 1707.09727; Qi, Wang and Zhu, arXiv 2305.10718",
    .make = thompson_make,
    .free = free,
    .price = thompson_price,
    .observe = thompson_observe,
    .choose = thompson_choose,
    .first = thompson_first,
};

#define WINDOW_S       120.0
#define WINDOW_SAMPLES 64
#define BONUS          0.3 /* of the square root of log(all) / own */

struct sample {
    double t, value;
};

/* The newest samples of a route, oldest first from `begin`. */
struct arm {
    struct sample samples[WINDOW_SAMPLES];
    int begin, len;
    double sum;
};

struct ucb {
    struct utility utility;
    struct arm arms[MODELS_MAX][PLATFORMS_MAX];
};

static void *ucb_make(const struct strategy_setup *setup)
{
    struct ucb *self = alloc_zero(1, sizeof *self);
    utility_init(&self->utility, setup);
    return self;
}

static void ucb_price(void *arg, double t, int platform, int model, double input_usd_per_mtok, double output_usd_per_mtok)
{
    (void)t;
    struct ucb *self = arg;
    utility_price(&self->utility, platform, model, input_usd_per_mtok, output_usd_per_mtok);
}

static void drop_oldest(struct arm *arm)
{
    arm->sum -= arm->samples[arm->begin].value;
    arm->begin = (arm->begin + 1) % WINDOW_SAMPLES;
    if (--arm->len == 0)
        arm->sum = 0; /* no rounding is carried on */
}

static void ucb_observe(void *arg, const struct result *result)
{
    struct ucb *self = arg;
    struct arm *of = &self->arms[result->model][result->platform];
    if (of->len == WINDOW_SAMPLES)
        drop_oldest(of);
    double value = utility_of_result(&self->utility, result);
    of->samples[(of->begin + of->len++) % WINDOW_SAMPLES] = (struct sample){result->t, value};
    of->sum += value;
}

/* The samples of all the model's routes that are still in the window. */
static int ucb_forget(struct ucb *self, double t, int model)
{
    int samples = 0;
    for (int p = 0; p < self->utility.platforms; p++) {
        struct arm *arm = &self->arms[model][p];
        while (arm->len > 0 && arm->samples[arm->begin].t < t - WINDOW_S)
            drop_oldest(arm);
        samples += arm->len;
    }
    return samples;
}

static int ucb_pick(struct ucb *self, double t, int model, uint32_t tried, double bonus)
{
    double values[PLATFORMS_MAX];
    double all = log(ucb_forget(self, t, model) + 1);
    for (int p = 0; p < self->utility.platforms; p++) {
        const struct arm *arm = &self->arms[model][p];
        /* One with no sample has an endless bonus; without bonus it is worth nothing yet. */
        double value = arm->len > 0 ? arm->sum / arm->len + bonus * sqrt(all / arm->len) : bonus > 0 ? 1e9 : -1e9;
        values[p] = pick_is_tried(tried, p) ? -INFINITY : value;
    }
    return pick_best(values, self->utility.platforms);
}

static int ucb_choose(void *arg, double t, int model, uint32_t tried)
{
    return ucb_pick(arg, t, model, tried, BONUS);
}

/* The bonus is its dice: the best mean is whom it holds for the best. */
static int ucb_first(void *arg, double t, int model)
{
    return ucb_pick(arg, t, model, 0, 0);
}

const struct strategy strategy_ucb = {
    .name = "ucb",
    .about = "sliding-window UCB on the utility: Garivier and Moulines, arXiv 0805.3415",
    .make = ucb_make,
    .free = free,
    .price = ucb_price,
    .observe = ucb_observe,
    .choose = ucb_choose,
    .first = ucb_first,
};
