/* Exponential averages: of the utility (best takes all, or shares in proportion), and of peaks of the latency (Finagle).
 *
 * The first two are what people write themselves: an average of the utility of each result, probe or traffic, with the weight .2 for the
 * newest (the value of chrony's and most textbooks' smoothing). `ewma-best` sends everything to the highest, `ewma-share` in proportion to
 * the average as far as it is positive. Prices are in the utility of each result as it comes. An untried route is taken only when no other
 * is left. State: the average of a route.
 *
 * Peak-EWMA is Finagle's: of two healthy routes drawn by chance the one with the lower load = cost * (pending + 1). The cost jumps up to a
 * higher latency and decays towards lower ones, and towards 0 while nothing comes, by exp(-elapsed / 10 s); a route of unknown cost with
 * something pending gets a penalty. As in the original failures count with the time they took, so that fast failures attract; what keeps
 * them off is Finagle's failure accrual with its defaults: 5 failures in a row, or less than 80 % success of at least 5 in 30 s, take a
 * route out for 5 s, doubling up to 300 s with equal jitter, after which one request decides. It learns from traffic alone, as there are no
 * probes in Finagle. When all are out it balances over all of them. None of this looks at price. */
#include <math.h>
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/pick.h"
#include "tests/sim/ranking/published.h"
#include "tests/sim/ranking/utility.h"
#include "tests/sim/ranking/window.h"

#define NEWEST_WEIGHT 0.2
#define UNKNOWN_VALUE (-100.0)

struct average {
    bool known;
    double value;
};

struct ewma {
    struct utility utility;
    uint64_t dice;
    struct average averages[MODELS_MAX][PLATFORMS_MAX];
};

static void *ewma_make(const struct strategy_setup *setup)
{
    struct ewma *self = alloc_zero(1, sizeof *self);
    utility_init(&self->utility, setup);
    self->dice = setup->seed;
    return self;
}

static void ewma_price(void *arg, double t, int platform, int model, double input_usd_per_mtok, double output_usd_per_mtok)
{
    (void)t;
    struct ewma *self = arg;
    utility_price(&self->utility, platform, model, input_usd_per_mtok, output_usd_per_mtok);
}

static void ewma_observe(void *arg, const struct result *result)
{
    struct ewma *self = arg;
    struct average *average = &self->averages[result->model][result->platform];
    double value = utility_of_result(&self->utility, result);
    average->value = average->known ? average->value + NEWEST_WEIGHT * (value - average->value) : value;
    average->known = true;
}

static int ewma_best_choose(void *arg, double t, int model, uint32_t tried)
{
    (void)t;
    const struct ewma *self = arg;
    double values[PLATFORMS_MAX];
    for (int p = 0; p < self->utility.platforms; p++) {
        const struct average *average = &self->averages[model][p];
        values[p] = pick_is_tried(tried, p) ? -INFINITY : average->known ? average->value : UNKNOWN_VALUE;
    }
    return pick_best(values, self->utility.platforms);
}

static int ewma_first(void *arg, double t, int model)
{
    return ewma_best_choose(arg, t, model, 0);
}

const struct strategy strategy_ewma_best = {
    .name = "ewma-best",
    .about = "best takes all on an exponential average of the utility; textbook",
    .make = ewma_make,
    .free = free,
    .price = ewma_price,
    .observe = ewma_observe,
    .choose = ewma_best_choose,
    .first = ewma_first,
};

static int ewma_share_choose(void *arg, double t, int model, uint32_t tried)
{
    struct ewma *self = arg;
    double weights[PLATFORMS_MAX];
    for (int p = 0; p < self->utility.platforms; p++) {
        const struct average *average = &self->averages[model][p];
        weights[p] = !pick_is_tried(tried, p) && average->known ? fmax(average->value, 0) : 0;
    }
    int platform = pick_weighted(&self->dice, weights, self->utility.platforms);
    return platform >= 0 ? platform : ewma_best_choose(arg, t, model, tried);
}

const struct strategy strategy_ewma_share = {
    .name = "ewma-share",
    .about = "shares in proportion to an exponential average of the utility; textbook",
    .make = ewma_make,
    .free = free,
    .price = ewma_price,
    .observe = ewma_observe,
    .choose = ewma_share_choose,
    .first = ewma_first,
};

#define PEAK_DECAY_S         10.0
#define PEAK_PENALTY         1e15 /* load of a route that has something pending and no cost yet */
#define ACCRUAL_IN_A_ROW     5
#define ACCRUAL_SUCCESS      0.8
#define ACCRUAL_MIN_REQUESTS 5
#define ACCRUAL_SLICE_S      1.0 /* of WINDOW_SLICES: 30 s */
#define ACCRUAL_FIRST_S      5.0
#define ACCRUAL_LONGEST_S    300.0

struct node {
    double cost, stamp;
    int pending;
    int failures_in_a_row;
    struct window window;
    bool dead, probing; /* probing: the one request that decides is under way */
    double revives, back_off;
};

struct peak_ewma {
    int platforms;
    uint64_t dice;
    struct node nodes[MODELS_MAX][PLATFORMS_MAX];
};

static void *peak_ewma_make(const struct strategy_setup *setup)
{
    struct peak_ewma *self = alloc_zero(1, sizeof *self);
    self->platforms = setup->platforms;
    self->dice = setup->seed;
    return self;
}

static double decayed_cost(const struct node *node, double t)
{
    return node->cost * exp(-fmax(t - node->stamp, 0) / PEAK_DECAY_S);
}

static void take_latency(struct node *node, double t, double seconds)
{
    double keep = exp(-fmax(t - node->stamp, 0) / PEAK_DECAY_S);
    node->cost = seconds > node->cost * keep ? seconds : node->cost * keep + seconds * (1 - keep);
    node->stamp = t;
}

static double load_of(const struct node *node, double t)
{
    double cost = decayed_cost(node, t);
    if (cost <= 0 && node->pending > 0)
        return PEAK_PENALTY + node->pending;
    return cost * (node->pending + 1);
}

static void mark_dead(struct peak_ewma *self, struct node *node, double t)
{
    node->back_off = node->dead ? fmin(node->back_off * 2, ACCRUAL_LONGEST_S) : ACCRUAL_FIRST_S;
    node->dead = true;
    node->revives = t + node->back_off * (0.5 + 0.5 * dice_uniform(&self->dice));
    node->failures_in_a_row = 0;
    node->window = (struct window){0};
}

static void accrue(struct peak_ewma *self, struct node *node, const struct result *result)
{
    bool good = result_ok(result);
    if (node->dead && node->probing) {
        node->probing = false;
        if (good)
            node->dead = false;
        else
            mark_dead(self, node, result->t);
        return;
    }
    if (node->dead)
        return;
    node->failures_in_a_row = good ? 0 : node->failures_in_a_row + 1;
    window_add(&node->window, ACCRUAL_SLICE_S, result->t, good);
    unsigned goods, bads;
    window_count(&node->window, ACCRUAL_SLICE_S, result->t, &goods, &bads);
    bool rate_low = goods + bads >= ACCRUAL_MIN_REQUESTS && goods < ACCRUAL_SUCCESS * (goods + bads);
    if (!good && (rate_low || node->failures_in_a_row >= ACCRUAL_IN_A_ROW))
        mark_dead(self, node, result->t);
}

static void peak_ewma_observe(void *arg, const struct result *result)
{
    struct peak_ewma *self = arg;
    struct node *node = &self->nodes[result->model][result->platform];
    if (result->probe)
        return;
    node->pending -= node->pending > 0;
    take_latency(node, result->t, result_seconds(result));
    accrue(self, node, result);
}

static void peak_ewma_sent(void *arg, double t, int platform, int model)
{
    struct peak_ewma *self = arg;
    struct node *node = &self->nodes[model][platform];
    node->pending++;
    if (node->dead && t >= node->revives)
        node->probing = true;
}

static bool is_open(const struct node *node, double t)
{
    return !node->dead || (t >= node->revives && !node->probing);
}

/* The untried routes that are open; when there is none, the untried. */
static int candidates(const struct peak_ewma *self, double t, int model, uint32_t tried, int *list)
{
    int len = 0;
    for (int pass = 0; pass < 2 && len == 0; pass++)
        for (int p = 0; p < self->platforms; p++)
            if (!pick_is_tried(tried, p) && (pass == 1 || is_open(&self->nodes[model][p], t)))
                list[len++] = p;
    return len;
}

static int peak_ewma_choose(void *arg, double t, int model, uint32_t tried)
{
    struct peak_ewma *self = arg;
    int list[PLATFORMS_MAX];
    int len = candidates(self, t, model, tried, list);
    if (len == 0)
        return -1;
    int one = (int)(dice_uniform(&self->dice) * len);
    if (len == 1)
        return list[0];
    int other = (one + 1 + (int)(dice_uniform(&self->dice) * (len - 1))) % len;
    const struct node *nodes = self->nodes[model];
    return load_of(&nodes[list[other]], t) < load_of(&nodes[list[one]], t) ? list[other] : list[one];
}

static int peak_ewma_first(void *arg, double t, int model)
{
    const struct peak_ewma *self = arg;
    int list[PLATFORMS_MAX];
    int len = candidates(self, t, model, 0, list);
    int best = -1;
    for (int i = 0; i < len; i++)
        if (best < 0 || decayed_cost(&self->nodes[model][list[i]], t) < decayed_cost(&self->nodes[model][best], t))
            best = list[i];
    return best;
}

const struct strategy strategy_peak_ewma = {
    .name = "peak-ewma",
    .about = "Peak-EWMA, power of two choices, failure accrual: twitter.github.io/finagle, linkerd.io (decay 10 s)",
    .make = peak_ewma_make,
    .free = free,
    .observe = peak_ewma_observe,
    .choose = peak_ewma_choose,
    .sent = peak_ewma_sent,
    .first = peak_ewma_first,
};
