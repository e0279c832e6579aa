/* Bandits that forget: discounted Thompson sampling and sliding-window UCB, both on the utility under the preference.
 *
 * Thompson keeps a posterior of each route and plays the one that is best in one draw from all of them: success is a Beta, the seconds to
 * the first token a Normal, what a failure wastes a mean, the price is known. All evidence is discounted by age and by what came after it
 * (Raj and Kalyani 2017; Qi, Wang and Zhu 2023), success fast and times slowly, so that an idle route drifts back to the prior and is tried
 * again. The prior of the times is what the model's other routes show.
 *
 * UCB plays the highest mean utility in the window plus a bonus that grows as its samples get fewer (Garivier and Moulines 2008). Its
 * windows are bounded in time and in samples, since requests and probes come at any rate: a short one for success, a long one for times.
 *
 * Results of probes and of traffic count alike: a bandit may use any draw that it gets to see. A failed try is worth less than nothing, but
 * not all of a failed request, as a retry may save it. The constants were searched for on seeds from 1001 on, over all families and
 * preferences, until nothing gained any more. Neither knows of capacities, of outages as states or of groups: a 429 is a failed try.
 * Nothing grows. */
#include <math.h>
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/pick.h"
#include "tests/sim/ranking/published.h"
#include "tests/sim/ranking/utility.h"

#define FAILED_TRY_VALUE (-0.7) /* and the time it wasted; -1 is a failed request */

#define SUCCESS_FADES_S 75.0 /* evidence falls to 1/e in so many seconds */
#define SUCCESS_KEPT    0.94 /* and to this with each newer result of its route */
#define TIMES_FADE_S    700.0
#define TIMES_KEPT      0.996
#define PRIOR_GOOD      0.6
#define PRIOR_BAD       0.05
#define PRIOR_SECONDS   1.0 /* before any route of the model showed another */
#define PRIOR_VARIANCE  0.4 /* of the times, over the square of their mean */

static double try_value(const struct utility *utility, int platform, int model, double success, double seconds, double wasted)
{
    double good = utility_of_success(utility, platform, model, seconds);
    double bad = utility_of_failure(utility, wasted) + 1 + FAILED_TRY_VALUE;

    return success * good + (1 - success) * bad;
}

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

static void discount(struct posterior *posterior, double t)
{
    double age = fmax(t - posterior->t, 0), success = exp(-age / SUCCESS_FADES_S);

    posterior->t = t;
    posterior->good *= success;
    posterior->bad *= success;
    moments_scale(&posterior->first_token, exp(-age / TIMES_FADE_S));
    moments_scale(&posterior->wasted, success);
}

static void thompson_observe(void *arg, const struct result *result)
{
    struct thompson *self = arg;
    struct posterior *posterior = &self->posteriors[result->model][result->platform];

    discount(posterior, result->t);
    posterior->good *= SUCCESS_KEPT;
    posterior->bad *= SUCCESS_KEPT;
    moments_scale(&posterior->wasted, SUCCESS_KEPT);
    moments_scale(&posterior->first_token, TIMES_KEPT);
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
        discount(posterior, t);
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
    return try_value(&self->utility, platform, model, success, seconds, wasted);
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

#define SUCCESS_WINDOW_S 75.0
#define SUCCESS_WINDOW   5 /* samples */
#define TIMES_WINDOW_S   600.0
#define TIMES_WINDOW     200
#define HALF_A_SUCCESS   0.5  /* added to those in the window */
#define BONUS            0.02 /* of the square root of log(all) / own */

struct sample {
    double t;
    bool ok;
    double seconds; /* to the first token, or wasted */
};

struct arm {
    struct sample samples[TIMES_WINDOW];
    unsigned seen; /* the newest is at (seen - 1) % TIMES_WINDOW */
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

static void ucb_observe(void *arg, const struct result *result)
{
    struct ucb *self = arg;
    struct arm *of = &self->arms[result->model][result->platform];
    of->samples[of->seen++ % TIMES_WINDOW] = (struct sample){result->t, result_ok(result), result_seconds(result)};
}

/* The mean utility in the windows, and how many samples the short one holds. */
static double arm_value(const struct ucb *self, double t, int platform, int model, int *ret_samples)
{
    const struct arm *arm = &self->arms[model][platform];
    int good = 0, bad = 0, times = 0;
    double seconds = 0, wasted = 0;
    for (unsigned i = 1; i <= arm->seen && i <= TIMES_WINDOW; i++) {
        const struct sample *sample = &arm->samples[(arm->seen - i) % TIMES_WINDOW];
        if (sample->t < t - TIMES_WINDOW_S)
            break;
        if (sample->ok) {
            times++;
            seconds += sample->seconds;
        }
        if (i > SUCCESS_WINDOW || sample->t < t - SUCCESS_WINDOW_S)
            continue;
        good += sample->ok;
        bad += !sample->ok;
        wasted += sample->ok ? 0 : sample->seconds;
    }
    double success = (good + HALF_A_SUCCESS) / (good + bad + HALF_A_SUCCESS);
    *ret_samples = good + bad;
    return try_value(&self->utility, platform, model, success, times ? seconds / times : PRIOR_SECONDS, bad ? wasted / bad : 0);
}

static int ucb_pick(struct ucb *self, double t, int model, uint32_t tried, double bonus)
{
    double values[PLATFORMS_MAX];
    int samples[PLATFORMS_MAX], all = 1;
    for (int p = 0; p < self->utility.platforms; p++) {
        values[p] = arm_value(self, t, p, model, &samples[p]);
        all += samples[p];
    }
    for (int p = 0; p < self->utility.platforms; p++) {
        /* One with no sample has an endless bonus; without bonus it is worth nothing yet. */
        if (samples[p] > 0)
            values[p] += bonus * sqrt(log(all) / samples[p]);
        else
            values[p] = bonus > 0 ? 1e9 : -1e9;
        if (pick_is_tried(tried, p))
            values[p] = -INFINITY;
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
