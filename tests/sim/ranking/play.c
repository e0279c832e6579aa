/* The player: a world's events in order of time, and one strategy that decides.
 *
 * Closed loop: where the strategy sends a request decides what becomes of it, how full the platform gets, and what the strategy is told. A
 * request is tried until it succeeds, has no tries left or the strategy gives up; each try is told when it ends, not before. Probes go to
 * each route at its own phase, one at a time a route, from the world's begin; traffic begins a minute later, as no one switches over to
 * what was never looked at. A platform that is not there yet counts as tried already. After the world's end no request begins, but those
 * under way are seen to their end. The luck of a try depends on its request's number alone, so that all strategies play with the same dice.
 */
#include "tests/sim/ranking/play.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/queue.h"

#define WARM_UP         60.0
#define PROBE_JITTER    0.05
#define SAMPLE_INTERVAL 5.0

struct request {
    uint64_t number;
    int model, platform, tries;
    uint32_t tried;
    double waited_s, cost;
    struct ending ending;
    int next_free;
};

struct game {
    const struct play *play;
    struct truth *truth;
    const struct strategy *strategy;
    void *self;
    struct queue queue;
    struct measure measure;
    struct request *requests; /* owned; those under way and a list of free ones */
    int requests_len, requests_size, free;
    uint64_t arrived;
    uint64_t arrivals[MODELS_MAX]; /* dice */
    struct ending probe_endings[PLATFORMS_MAX][MODELS_MAX];
    uint64_t probes[PLATFORMS_MAX][MODELS_MAX];
    bool probing[PLATFORMS_MAX][MODELS_MAX];
    int first[MODELS_MAX];
};

/* --- telling the strategy --------------------------------------------------------------------------------------------- */

static void tell_price(struct game *g, double t, int platform, int model)
{
    double output, input = truth_price(g->truth, platform, model, &output);

    if (g->strategy->price)
        g->strategy->price(g->self, t, platform, model, input, output);
}

static void tell_result(struct game *g, double t, int platform, int model, const struct ending *e, bool probe)
{
    bool ok = e->answer == ANSWER_OK;
    struct result result = {
        .t = t,
        .platform = platform,
        .model = model,
        .probe = probe,
        .answer = e->answer,
        .status = e->status,
        .retry_after_s = e->retry_after_s,
        .connect_ms = e->connect_ms,
        .tls_ms = e->tls_ms,
        .ttft_ms = ok ? e->waited_s * 1000 : -1,
        .total_ms = e->ends_after_s * 1000,
        .tokens_per_s = e->tokens_per_s,
        .in_flight = e->in_flight,
        .interval_s = probe ? g->play->probe_interval : 0,
    };

    if (g->strategy->observe)
        g->strategy->observe(g->self, &result);
}

static uint32_t not_there(const struct game *g, double t)
{
    uint32_t mask = 0;

    for (int p = 0; p < g->truth->platforms; p++)
        if (!truth_is_there(g->truth, t, p))
            mask |= 1u << p;
    return mask;
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

static int request_new(struct game *g)
{
    if (g->free >= 0) {
        int i = g->free;

        g->free = g->requests[i].next_free;
        return i;
    }
    if (g->requests_len == g->requests_size) {
        g->requests_size = g->requests_size ? g->requests_size * 2 : 256;
        g->requests = alloc_resize(g->requests, (size_t)g->requests_size, sizeof(*g->requests));
    }
    return g->requests_len++;
}

static void request_done(struct game *g, int i, bool ok)
{
    struct request *r = &g->requests[i];

    measure_request(&g->measure, g->play->preference, ok, ok && r->tries == 1, r->waited_s, r->cost);
    r->next_free = g->free;
    g->free = i;
}

static void request_try(struct game *g, double t, int i)
{
    struct request *r = &g->requests[i];
    int platform = g->strategy->choose(g->self, t, r->model, r->tried | not_there(g, t));

    if (r->tries == 0)
        measure_first_try(&g->measure, t, r->model, platform);
    if (platform < 0) {
        request_done(g, i, false);
        return;
    }
    if (platform >= g->truth->platforms) {
        fprintf(stderr, "ranking: %s chose platform %d of %d\n", g->strategy->name, platform, g->truth->platforms);
        exit(3);
    }
    struct luck luck = luck_draw(g->truth->seed, r->number, r->tries);

    r->platform = platform;
    r->tried |= 1u << platform;
    r->tries++;
    r->ending = truth_send(g->truth, t, platform, r->model, &luck, false);
    if (g->strategy->sent)
        g->strategy->sent(g->self, t, platform, r->model);
    queue_add(&g->queue, t + r->ending.ends_after_s, EVENT_TRY_ENDS, i);
}

static void on_try_ends(struct game *g, double t, int i)
{
    struct request *r = &g->requests[i];
    bool ok = r->ending.answer == ANSWER_OK;

    truth_end(g->truth, r->platform, r->model);
    r->waited_s += r->ending.waited_s;
    r->cost += r->ending.charged;
    tell_result(g, t, r->platform, r->model, &r->ending, false);
    if (ok || r->tries >= g->play->tries)
        request_done(g, i, ok);
    else
        request_try(g, t, i);
}

/* Poisson arrivals at the highest rate, of which as many are dropped as the rate is lower now. */
static void next_arrival(struct game *g, double t, int model)
{
    t -= log(1 - dice_uniform(&g->arrivals[model])) / truth_rate_max(g->truth, model);
    if (t < g->truth->duration)
        queue_add(&g->queue, t, EVENT_ARRIVAL, model);
}

static void on_arrival(struct game *g, double t, int model)
{
    uint64_t number = dice_next(&g->arrivals[model]);
    bool dropped = dice_uniform(&g->arrivals[model]) * truth_rate_max(g->truth, model) >= truth_rate(g->truth, t, model);

    next_arrival(g, t, model);
    if (dropped)
        return;
    int i = request_new(g);

    g->requests[i] = (struct request){.number = number, .model = model};
    request_try(g, t, i);
}

/* --- probes and prices ------------------------------------------------------------------------------------------------- */

static uint64_t probe_number(const struct game *g, int platform, int model)
{
    return (uint64_t)(platform * MODELS_MAX + model) << 32 ^ g->probes[platform][model] ^ 0x70726f6265000000;
}

static void on_probe(struct game *g, double t, int index)
{
    int platform = index / g->truth->models, model = index % g->truth->models;
    uint64_t dice = g->truth->seed ^ probe_number(g, platform, model);
    struct luck luck = luck_draw(g->truth->seed, probe_number(g, platform, model), 0);
    double next = t + g->play->probe_interval * (1 + PROBE_JITTER * (2 * dice_uniform(&dice) - 1));

    g->probes[platform][model]++;
    if (next < g->truth->duration)
        queue_add(&g->queue, next, EVENT_PROBE, index);
    if (g->probing[platform][model])
        return;
    struct ending *ending = &g->probe_endings[platform][model];

    *ending = truth_send(g->truth, t, platform, model, &luck, true);
    g->probing[platform][model] = true;
    queue_add(&g->queue, t + ending->ends_after_s, EVENT_PROBE_ENDS, index);
}

static void on_probe_ends(struct game *g, double t, int index)
{
    int platform = index / g->truth->models, model = index % g->truth->models;

    truth_end(g->truth, platform, model);
    g->probing[platform][model] = false;
    tell_result(g, t, platform, model, &g->probe_endings[platform][model], true);
}

static void on_price(struct game *g, double t, int step)
{
    const struct price_step *s = &g->truth->prices[step];

    truth_step_price(g->truth, s);
    for (int m = 0; m < g->truth->models; m++)
        if (s->models & 1u << m && truth_is_there(g->truth, t, s->platform))
            tell_price(g, t, s->platform, m);
}

/* Its prices are told, and its probes begin, each at its phase. */
static void on_appears(struct game *g, double t, int platform)
{
    for (int m = 0; m < g->truth->models; m++) {
        uint64_t dice = g->truth->seed ^ 0x7068617365 ^ (uint64_t)(platform * MODELS_MAX + m);

        (void)dice_next(&dice);
        tell_price(g, t, platform, m);
        queue_add(&g->queue, t + g->play->probe_interval * dice_uniform(&dice), EVENT_PROBE, platform * g->truth->models + m);
    }
}

static void on_sample(struct game *g, double t)
{
    for (int m = 0; m < g->truth->models; m++) {
        int first = g->strategy->first(g->self, t, m);

        g->measure.score.changes += g->first[m] >= 0 && first != g->first[m];
        g->measure.score.model_hours += SAMPLE_INTERVAL / 3600;
        g->first[m] = first;
    }
    if (t + SAMPLE_INTERVAL < g->truth->duration)
        queue_add(&g->queue, t + SAMPLE_INTERVAL, EVENT_SAMPLE, 0);
}

/* --- the game ---------------------------------------------------------------------------------------------------------- */

static void handle(struct game *g, const struct event *event)
{
    switch (event->kind) {
    case EVENT_ARRIVAL:
        on_arrival(g, event->t, event->index);
        break;
    case EVENT_TRY_ENDS:
        on_try_ends(g, event->t, event->index);
        break;
    case EVENT_PROBE:
        on_probe(g, event->t, event->index);
        break;
    case EVENT_PROBE_ENDS:
        on_probe_ends(g, event->t, event->index);
        break;
    case EVENT_PRICE:
        on_price(g, event->t, event->index);
        break;
    case EVENT_APPEARS:
        on_appears(g, event->t, event->index);
        break;
    case EVENT_SAMPLE:
        on_sample(g, event->t);
        break;
    }
}

static void begin(struct game *g)
{
    struct truth *truth = g->truth;

    for (int p = 0; p < truth->platforms; p++)
        if (truth->platform[p].appears < truth->duration)
            queue_add(&g->queue, truth->platform[p].appears, EVENT_APPEARS, p);
    for (int i = 0; i < truth->prices_len; i++)
        queue_add(&g->queue, truth->prices[i].t, EVENT_PRICE, i);
    for (int m = 0; m < truth->models; m++) {
        g->arrivals[m] = truth->seed ^ (uint64_t)(m + 1) * 0xff51afd7ed558ccd;
        g->first[m] = -1;
        next_arrival(g, WARM_UP, m);
    }
    queue_add(&g->queue, WARM_UP, EVENT_SAMPLE, 0);
}

void play_world(const struct play *play, struct score *ret, struct reference *ret_reference)
{
    struct truth *truth = play->truth;
    struct game *g = alloc_zero(1, sizeof(*g));
    struct strategy_setup setup = {
        .platforms = truth->platforms,
        .models = truth->models,
        .platform_names = truth->platform_names,
        .model_names = truth->model_names,
        .preference = play->preference,
        .probe_interval = play->probe_interval,
        .first_only = truth->family->first_only,
        .seed = truth->seed ^ 0x5eed,
        .program = play->program,
        .config = play->config,
        .truth = truth,
    };
    struct event event;

    truth_reset(truth);
    truth->tries = play->tries;
    g->play = play;
    g->truth = truth;
    g->strategy = play->strategy;
    g->free = -1;
    g->self = play->strategy->make(&setup);
    measure_init(&g->measure, truth, play->reference);
    begin(g);
    while (queue_take(&g->queue, &event))
        handle(g, &event);
    measure_done(&g->measure, ret_reference);
    *ret = g->measure.score;
    play->strategy->free(g->self);
    queue_done(&g->queue);
    free(g->requests);
    free(g);
}
