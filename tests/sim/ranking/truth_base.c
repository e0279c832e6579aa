/* The world before anything happens: platforms with their speed, prices, small failures and limits, models with their load.
 *
 * Everything is drawn widely, so that no fixed number in a policy can fit: a platform may be three times as fast as another and four times
 * as dear, fail one request in 2000 or one in 50, answer 429 by a bucket, by fixed minutes or by requests in flight, and get slow when it
 * is full or not. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/truth.h"

#define ROOM_LEAST   1.25 /* over the load, of all platforms together */
#define LOADED_SHARE 0.25 /* of the hours: the families with much load have ten times the requests */

double truth_between(uint64_t *dice, double low, double high)
{
    return low + (high - low) * dice_uniform(dice);
}

double truth_between_log(uint64_t *dice, double low, double high)
{
    return low * exp(log(high / low) * dice_uniform(dice));
}

int truth_count(uint64_t *dice, int low, int high)
{
    return low + (int)(dice_uniform(dice) * (high - low + 1));
}

bool truth_chance(uint64_t *dice, double p)
{
    return dice_uniform(dice) < p;
}

static double clamp(double x, double low, double high)
{
    return fmin(high, fmax(low, x));
}

/* Medians of what a failure wastes, and whether it is charged. Waiting to the end and silent streams are charged by some relays. */
static void draw_failures(struct truth *truth, struct truth_platform *platform, uint64_t *dice)
{
    for (int a = 0; a < ANSWERS; a++)
        platform->waste_s[a] = truth_between_log(dice, 0.05, 0.3);
    platform->waste_s[ANSWER_5XX] = truth_between_log(dice, 0.15, 3);
    platform->waste_s[ANSWER_RESET] = truth_between_log(dice, 0.1, 3);
    platform->waste_s[ANSWER_REFUSED] = truth_between_log(dice, 0.01, 0.2);
    platform->waste_s[ANSWER_RATE_LIMITED] = truth_between_log(dice, 0.03, 0.15);
    platform->waste_s[ANSWER_DNS] = truth_between_log(dice, 0.02, 5);
    platform->waste_s[ANSWER_BAD_BODY] = truth_between_log(dice, 0.5, 4);
    platform->waste_s[ANSWER_STALL] = truth_between_log(dice, 0.5, 2) + truth->stall_s;
    platform->charged[ANSWER_STALL] = truth_between(dice, 0.2, 1);
    platform->charged[ANSWER_BAD_BODY] = truth_between(dice, 0.2, 1);
    platform->charged[ANSWER_TIMEOUT] = truth_chance(dice, 0.4) ? truth_between(dice, 0.2, 1) : 0;
    platform->charged[ANSWER_RESET] = truth_chance(dice, 0.2) ? truth_between(dice, 0.1, 0.6) : 0;
}

static void draw_platform(struct truth *truth, int i, uint64_t *dice)
{
    struct truth_platform *platform = &truth->platform[i];

    snprintf(platform->name, sizeof(platform->name), "p%d", i + 1);
    truth->platform_names[i] = platform->name;
    platform->connect_ms = truth_between_log(dice, 5, 220);
    platform->tls_ms = platform->connect_ms * truth_between(dice, 1, 2.2);
    platform->tells_retry_after = truth_chance(dice, 0.4);
    draw_failures(truth, platform, dice);
    double speed = clamp(0.45 * dice_normal(dice), -1, 1.1);
    double price = clamp(0.45 * dice_normal(dice), -1.3, 0.9);
    double base = truth_between(dice, -3.3, -1.7);
    double tokens = truth_between_log(dice, 25, 120);
    double sigma = truth_between(dice, 0.15, 0.6);

    for (int m = 0; m < truth->models; m++) {
        struct truth_route *route = &truth->route[i][m];

        route->log_level = speed + 0.15 * dice_normal(dice);
        route->sigma = sigma * truth_between(dice, 0.9, 1.1);
        route->base_p = pow(10, clamp(base + 0.2 * dice_normal(dice), -3.5, -1.5));
        route->input_usd_per_mtok = exp(price + 0.12 * dice_normal(dice)); /* times the model's, below */
        route->tokens_per_s = tokens * truth_between(dice, 0.8, 1.2);
        /* Rarely, and mildly, some answers are slow everywhere. */
        route->spike_p = truth_between(dice, 0, 0.01);
        route->spike_log = truth_between(dice, 0.7, 1.6);
    }
}

static void draw_model(struct truth *truth, int m, uint64_t *dice)
{
    struct truth_model *model = &truth->model[m];
    double input = truth_between_log(dice, 0.1, 4), output = input * truth_between(dice, 3, 5);
    double slowness = log(truth_between_log(dice, 0.35, 1.4)), sum = 0;

    snprintf(model->name, sizeof(model->name), "m%d", m + 1);
    truth->model_names[m] = model->name;
    for (int p = 0; p < truth->platforms; p++) {
        struct truth_route *route = &truth->route[p][m];

        route->log_level += slowness;
        route->output_usd_per_mtok = route->input_usd_per_mtok * output;
        route->input_usd_per_mtok *= input;
        sum += route->input_usd_per_mtok * 1e-3 + route->output_usd_per_mtok * 0.3e-3;
    }
    model->mean_cost = sum / truth->platforms;
}

/* Mean seconds that a request is in flight there: first token and all others. */
static double mean_stay(const struct truth_route *route)
{
    return exp(route->log_level + route->sigma * route->sigma / 2) + 300 * 1.133 / route->tokens_per_s;
}

static void draw_limit(struct limit *limit, double rate, double stay, uint64_t *dice)
{
    double kind = dice_uniform(dice);

    limit->rate = rate;
    limit->kind = kind < 0.6 ? LIMIT_BUCKET : kind < 0.8 ? LIMIT_WINDOW : LIMIT_IN_FLIGHT;
    limit->burst = limit->kind == LIMIT_BUCKET ? fmax(2, rate * truth_between_log(dice, 1, 10)) : fmax(2, ceil(rate * stay));
    if (limit->kind == LIMIT_WINDOW)
        limit->rate = fmax(limit->rate, 2.0 / 60);
}

/* A platform that can serve `rate` requests/s of all models: limited as a whole, or each model by its share of the load. */
static void draw_capacity(struct truth *truth, int p, double rate, uint64_t *dice)
{
    struct truth_platform *platform = &truth->platform[p];
    double total = 0, stay = 0;

    for (int m = 0; m < truth->models; m++) {
        total += truth->model[m].rate;
        stay += truth->model[m].rate * mean_stay(&truth->route[p][m]);
    }
    stay /= total;
    if (truth_chance(dice, 0.7)) {
        draw_limit(&platform->limit, rate, stay, dice);
    } else {
        for (int m = 0; m < truth->models; m++)
            draw_limit(&truth->route[p][m].limit, rate * truth->model[m].rate / total, mean_stay(&truth->route[p][m]), dice);
    }
    platform->load_gain = truth_chance(dice, 0.35) ? truth_between(dice, 0.2, 1.5) : 0;
    platform->load_knee = fmax(2, rate * stay * truth_between(dice, 0.6, 1.2));
}

/* Little load: limits that are met rarely. */
static void draw_light(struct truth *truth, uint64_t *dice)
{
    double total = 0;

    for (int m = 0; m < truth->models; m++)
        total += truth->model[m].rate = truth_between_log(dice, 0.3, 2);
    for (int p = 0; p < truth->platforms; p++)
        if (truth_chance(dice, 0.6))
            draw_capacity(truth, p, total * truth_between_log(dice, 1.2, 10), dice);
}

/* Much load: together they can take it, the best of them cannot. */
static void draw_heavy(struct truth *truth, uint64_t *dice)
{
    double total = truth_between_log(dice, 5, 30), weights = 0, shares = 0;
    double weight[MODELS_MAX], share[PLATFORMS_MAX];

    for (int m = 0; m < truth->models; m++)
        weights += weight[m] = truth_between(dice, 0.3, 1);
    for (int m = 0; m < truth->models; m++)
        truth->model[m].rate = total * weight[m] / weights;
    for (int p = 0; p < truth->platforms; p++)
        shares += share[p] = dice_gamma(dice, 1.5) + 0.1;
    double room = truth_between(dice, 1.3, 2.5);

    double all = 0;

    for (int p = 0; p < truth->platforms; p++)
        all += share[p] = clamp(room * share[p] / shares, 0.03, 0.5);
    for (int p = 0; p < truth->platforms; p++)
        draw_capacity(truth, p, total * share[p] * fmax(1, ROOM_LEAST / all), dice);
}

void truth_base(struct truth *truth, uint64_t *dice)
{
    truth->timeout_s = truth_between(dice, 20, 30);
    truth->stall_s = truth_between(dice, 5, 15);
    truth->wave_period = truth->duration;
    for (int p = 0; p < truth->platforms; p++)
        draw_platform(truth, p, dice);
    for (int m = 0; m < truth->models; m++)
        draw_model(truth, m, dice);
    if (truth->family->loaded)
        draw_heavy(truth, dice);
    else
        draw_light(truth, dice);
}

/* The value of a platform to a strategy between production and cost, over all models. */
static double value_of(const struct truth *truth, int p)
{
    double value = 0;

    for (int m = 0; m < truth->models; m++) {
        const struct truth_route *route = &truth->route[p][m];
        double cost = (route->input_usd_per_mtok * 1e-3 + route->output_usd_per_mtok * 0.3e-3) / truth->model[m].mean_cost;

        value += -2 * route->base_p - 0.15 * exp(route->log_level + route->sigma * route->sigma / 2) / 2 - 0.12 * cost;
    }
    return value;
}

/* Each better one is twice as likely. */
int truth_pick_good(const struct truth *truth, uint64_t *dice, uint32_t not_these)
{
    int best = -1;
    double best_key = 0;

    for (int p = 0; p < truth->platforms; p++) {
        int rank = 0;

        if (not_these & 1u << p || truth->platform[p].appears > 0)
            continue;
        for (int q = 0; q < truth->platforms; q++)
            rank += q != p && !(not_these & 1u << q) && value_of(truth, q) > value_of(truth, p);
        /* The least of exponential times, each with its rate: the winner is drawn by the rates. */
        double key = -log(1 - dice_uniform(dice)) * exp2(rank);

        if (best < 0 || key < best_key) {
            best = p;
            best_key = key;
        }
    }
    return best;
}

struct truth *truth_make(const struct family *family, uint64_t seed, const struct truth_size *size)
{
    struct truth *truth = alloc_zero(1, sizeof(*truth));
    uint64_t dice = seed * 0x2545f4914f6cdd1d;

    /* The name goes into the dice: the same seed is another world in each family. */
    for (const char *c = family->name; *c; c++)
        dice = (dice ^ (uint64_t)*c) * 0x100000001b3;
    truth->family = family;
    truth->seed = dice_next(&dice);
    truth->duration = size->hours * 3600 * (family->loaded ? LOADED_SHARE : 1);
    truth->platforms = size->platforms;
    truth->models = size->models;
    truth->episodes = alloc_zero(TRUTH_EPISODES_MAX, sizeof(*truth->episodes));
    truth_base(truth, &dice);
    family->shape(truth, &dice);
    truth_compile(truth);
    truth_reset(truth);
    return truth;
}

void truth_free(struct truth *truth)
{
    if (!truth)
        return;
    for (int p = 0; p < truth->platforms; p++)
        for (int m = 0; m < truth->models; m++)
            free(truth->route[p][m].pieces);
    free(truth->episodes);
    free(truth);
}
