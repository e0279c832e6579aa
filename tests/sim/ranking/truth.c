/* The world while it is played: what a route is like now, whether it has room, and what becomes of a try.
 *
 * A try passes three gates: the faults that cut it off before anyone counts it (refused, DNS, TLS, a black hole), the limits (429), and the
 * other failures. Then it is a success with a log-normal time to first token, unless that takes longer than clients wait. What happens is
 * fixed by the luck of the request, the moment, and the load at that moment. truth_look tells the expectation of the same without the
 * limits. It never changes anything: only truth_send, truth_end and truth_step_price do. */
#include "tests/sim/ranking/truth.h"

#include <math.h>
#include <stdlib.h>

#include "shared/alloc.h"

#define WASTE_SIGMA     0.4
#define WASTE_MEAN      1.0832870676749586 /* of the log-normal with median 1: exp(sigma^2 / 2) */
#define LENGTH_SIGMA    0.5
#define OUTPUT_TOKENS   300
#define PROBE_TOKENS    16
#define LOAD_FACTOR_MAX 10

static const int statuses[ANSWERS] = {
    [ANSWER_OK] = 200,        [ANSWER_5XX] = 502,           [ANSWER_RATE_LIMITED] = 429, [ANSWER_AUTH] = 401,
    [ANSWER_NO_CREDIT] = 402, [ANSWER_MODEL_MISSING] = 404, [ANSWER_BAD_BODY] = 200,     [ANSWER_STALL] = 200,
};

/* What always happens now and then, and how often of it. */
static const struct {
    enum answer answer;
    double until;
} usual[] = {{ANSWER_5XX, 0.6}, {ANSWER_RESET, 0.8}, {ANSWER_STALL, 0.88}, {ANSWER_BAD_BODY, 0.94}, {ANSWER_TIMEOUT, 1}};
#define USUAL ((int)(sizeof(usual) / sizeof(usual[0])))

static void limit_reset(struct limit *limit)
{
    limit->tokens = limit->burst;
    limit->at = 0;
    limit->window = -1;
    limit->used = 0;
}

void truth_reset(struct truth *truth)
{
    for (int p = 0; p < truth->platforms; p++) {
        truth->platform[p].in_flight = 0;
        limit_reset(&truth->platform[p].limit);
        for (int m = 0; m < truth->models; m++) {
            struct truth_route *route = &truth->route[p][m];

            limit_reset(&route->limit);
            route->piece = 0;
            route->in_flight = 0;
            route->price_factor = 1;
        }
    }
}

bool truth_is_there(const struct truth *truth, double t, int platform)
{
    return t >= truth->platform[platform].appears;
}

static const struct piece *piece_at(struct truth_route *route, double t)
{
    int i = route->piece;

    while (i + 1 < route->pieces_len && route->pieces[i + 1].t <= t)
        i++;
    while (i > 0 && route->pieces[i].t > t)
        i--;
    route->piece = i;
    return &route->pieces[i];
}

/* --- limits ----------------------------------------------------------------------------------------------------------- */

static double bucket_at(const struct limit *limit, double t)
{
    return fmin(limit->burst, limit->tokens + (t - limit->at) * limit->rate);
}

static bool limit_has_room(const struct limit *limit, double t, int in_flight)
{
    switch (limit->kind) {
    case LIMIT_NONE:
        return true;
    case LIMIT_BUCKET:
        return bucket_at(limit, t) >= 1;
    case LIMIT_WINDOW:
        return floor(t / 60) != limit->window || limit->used + 1 <= limit->rate * 60;
    case LIMIT_IN_FLIGHT:
        return in_flight + 1 <= limit->burst;
    }
    return true;
}

static void limit_take(struct limit *limit, double t)
{
    if (limit->kind == LIMIT_BUCKET) {
        limit->tokens = bucket_at(limit, t) - 1;
        limit->at = t;
    } else if (limit->kind == LIMIT_WINDOW) {
        if (floor(t / 60) != limit->window)
            limit->used = 0;
        limit->window = floor(t / 60);
        limit->used++;
    }
}

static double limit_retry_after(const struct limit *limit, double t)
{
    if (limit->kind == LIMIT_WINDOW)
        return ceil((floor(t / 60) + 1) * 60 - t);
    return limit->kind == LIMIT_BUCKET ? fmax(1, ceil((1 - bucket_at(limit, t)) / limit->rate)) : 1;
}

bool truth_has_room(const struct truth *truth, double t, int platform, int model)
{
    const struct truth_platform *p = &truth->platform[platform];
    const struct truth_route *r = &truth->route[platform][model];

    return limit_has_room(&p->limit, t, p->in_flight) && limit_has_room(&r->limit, t, r->in_flight);
}

/* --- outlook ---------------------------------------------------------------------------------------------------------- */

static double load_factor(const struct truth_platform *platform)
{
    if (platform->load_gain <= 0)
        return 1;
    double x = platform->in_flight / platform->load_knee;

    return fmin(LOAD_FACTOR_MAX, 1 + platform->load_gain * x * x);
}

/* What one request more makes the others wait there, over its own first token without any load: those in flight each wait a little more. */
static double crowd_factor(const struct truth_platform *platform)
{
    if (platform->load_gain <= 0)
        return 0;
    double x = platform->in_flight / platform->load_knee;

    return fmin(LOAD_FACTOR_MAX, 2 * platform->load_gain * x * x);
}

static double level_at(const struct piece *piece, double t)
{
    return piece->log_slope == 0 ? piece->level : exp(piece->log_level + piece->log_slope * (t - piece->t));
}

static double normal_below(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

/* Adds one log-normal part of the answers, cut off where clients give up: *late collects what is beyond, *sum the mean of the rest by its
 * share. */
static void add_part(double share, double level, double sigma, double limit_s, double *late, double *sum)
{
    if (share <= 0)
        return;
    double z = log(limit_s / level) / sigma;

    if (z > 5) {
        *sum += share * level * exp(sigma * sigma / 2);
        return;
    }
    *late += share * (1 - normal_below(z));
    *sum += share * level * exp(sigma * sigma / 2) * normal_below(z - sigma);
}

static double fault_p(const struct piece *piece, double t)
{
    return piece->p + piece->p_slope * (t - piece->t);
}

static double usual_waste(const struct truth *truth, const struct truth_platform *platform, double *charged)
{
    double waste = 0, before = 0;

    *charged = 0;
    for (int i = 0; i < USUAL; i++) {
        double share = usual[i].until - before;

        waste += share * (usual[i].answer == ANSWER_TIMEOUT ? truth->timeout_s : platform->waste_s[usual[i].answer] * WASTE_MEAN);
        *charged += share * platform->charged[usual[i].answer];
        before = usual[i].until;
    }
    return waste;
}

struct outlook truth_look(struct truth *truth, double t, int platform, int model)
{
    struct truth_platform *pl = &truth->platform[platform];
    struct truth_route *route = &truth->route[platform][model];
    const struct piece *piece = piece_at(route, t);
    double level = level_at(piece, t) * load_factor(pl);
    double late = 0, sum = 0, charged;
    double fault = fault_p(piece, t);
    double usual_p = (1 - fault) * route->base_p;
    double waste = usual_p * usual_waste(truth, pl, &charged);
    double failed_cost = usual_p * charged;

    waste += fault * (piece->mode == ANSWER_TIMEOUT ? truth->timeout_s : pl->waste_s[piece->mode] * WASTE_MEAN);
    failed_cost += fault * pl->charged[piece->mode];
    add_part(1 - route->spike_p, level, route->sigma, truth->timeout_s, &late, &sum);
    add_part(route->spike_p, level * exp(route->spike_log), route->sigma, truth->timeout_s, &late, &sum);
    double late_p = (1 - fault - usual_p) * late;

    waste += late_p * truth->timeout_s;
    failed_cost += late_p * pl->charged[ANSWER_TIMEOUT];
    double p = fault + usual_p + late_p;
    double output, input = truth_price(truth, platform, model, &output);
    double cost = (input * 1e-3 + output * 0.3e-3) / truth->model[model].mean_cost;

    return (struct outlook){
        .p = p,
        .ttft_s = late < 1 ? sum / (1 - late) : truth->timeout_s,
        .crowd_s = sum / load_factor(pl) * crowd_factor(pl),
        .waste_s = p > 0 ? waste / p : 0,
        .cost = cost,
        .failed_cost = p > 0 ? cost * failed_cost / p : 0,
    };
}

double truth_rate(const struct truth *truth, double t, int model)
{
    return truth->model[model].rate * (1 + truth->wave * sin(truth->wave_phase + 6.283185307179586 * t / truth->wave_period));
}

double truth_rate_max(const struct truth *truth, int model)
{
    return truth->model[model].rate * (1 + truth->wave);
}

void truth_step_price(struct truth *truth, const struct price_step *step)
{
    for (int m = 0; m < truth->models; m++)
        if (step->models & 1u << m)
            truth->route[step->platform][m].price_factor = step->factor;
}

double truth_price(const struct truth *truth, int platform, int model, double *output_usd_per_mtok)
{
    const struct truth_route *route = &truth->route[platform][model];

    *output_usd_per_mtok = route->output_usd_per_mtok * route->price_factor;
    return route->input_usd_per_mtok * route->price_factor;
}

/* --- tries ------------------------------------------------------------------------------------------------------------ */

struct luck luck_draw(uint64_t seed, uint64_t request, int try)
{
    uint64_t state = seed ^ request * 0xd1342543de82ef95 ^ (uint64_t)try << 58;
    struct luck luck;

    (void)dice_next(&state);
    luck.fail = dice_uniform(&state);
    luck.kind = dice_uniform(&state);
    luck.slow = dice_uniform(&state);
    luck.ttft = dice_normal(&state);
    luck.waste = dice_normal(&state);
    luck.length = dice_normal(&state);
    return luck;
}

static bool cuts_off(enum answer mode)
{
    return mode == ANSWER_REFUSED || mode == ANSWER_DNS || mode == ANSWER_TLS || mode == ANSWER_TIMEOUT;
}

/* The failure that luck says, OK for none. The fault takes the low end of the luck, what is usual lies above it. */
static enum answer failure_of(const struct truth_route *route, const struct piece *piece, double t, const struct luck *luck)
{
    double fault = fault_p(piece, t);

    if (luck->fail < fault)
        return piece->mode;
    if (luck->fail >= fault + (1 - fault) * route->base_p)
        return ANSWER_OK;
    for (int i = 0; i < USUAL; i++)
        if (luck->kind < usual[i].until)
            return usual[i].answer;
    return ANSWER_5XX;
}

static void fail(const struct truth *truth, const struct truth_platform *platform, enum answer answer, const struct luck *luck, double cost,
                 struct ending *ret)
{
    ret->answer = answer;
    ret->status = statuses[answer];
    ret->waited_s = answer == ANSWER_TIMEOUT ? truth->timeout_s : platform->waste_s[answer] * exp(WASTE_SIGMA * luck->waste);
    ret->ends_after_s = ret->waited_s;
    ret->charged = cost * platform->charged[answer];
}

struct ending truth_send(struct truth *truth, double t, int platform, int model, const struct luck *luck, bool probe)
{
    struct truth_platform *pl = &truth->platform[platform];
    struct truth_route *route = &truth->route[platform][model];
    const struct piece *piece = piece_at(route, t);
    struct ending ret = {.connect_ms = -1, .tls_ms = -1, .tokens_per_s = -1};
    double load = load_factor(pl);
    double output, input = truth_price(truth, platform, model, &output);
    double cost = (input * 1e-3 + output * 0.3e-3) / truth->model[model].mean_cost;
    enum answer failure = failure_of(route, piece, t, luck);
    bool room = truth_has_room(truth, t, platform, model);

    pl->in_flight++;
    ret.in_flight = ++route->in_flight;
    if (!truth_is_there(truth, t, platform)) {
        fail(truth, pl, ANSWER_REFUSED, luck, cost, &ret);
        return ret;
    }
    if (failure != ANSWER_OK && cuts_off(failure)) {
        fail(truth, pl, failure, luck, cost, &ret);
        return ret;
    }
    ret.connect_ms = pl->connect_ms;
    ret.tls_ms = pl->tls_ms;
    if (!room) {
        const struct limit *full = limit_has_room(&pl->limit, t, pl->in_flight - 1) ? &route->limit : &pl->limit;

        fail(truth, pl, ANSWER_RATE_LIMITED, luck, cost, &ret);
        ret.retry_after_s = pl->tells_retry_after ? limit_retry_after(full, t) : 0;
        return ret;
    }
    limit_take(&pl->limit, t);
    limit_take(&route->limit, t);
    if (failure != ANSWER_OK) {
        fail(truth, pl, failure, luck, cost, &ret);
        return ret;
    }
    double ttft = level_at(piece, t) * load * exp(route->sigma * luck->ttft + (luck->slow < route->spike_p ? route->spike_log : 0));

    if (ttft >= truth->timeout_s) {
        fail(truth, pl, ANSWER_TIMEOUT, luck, cost, &ret);
        return ret;
    }
    double tokens = probe ? PROBE_TOKENS : OUTPUT_TOKENS * exp(LENGTH_SIGMA * luck->length);

    ret.status = 200;
    ret.waited_s = ttft;
    ret.tokens_per_s = route->tokens_per_s * exp(0.15 * luck->waste);
    ret.ends_after_s = ttft + tokens / ret.tokens_per_s;
    ret.charged = cost;
    return ret;
}

void truth_end(struct truth *truth, int platform, int model)
{
    truth->platform[platform].in_flight--;
    truth->route[platform][model].in_flight--;
}
