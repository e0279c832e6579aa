/* LiteLLM's router: latency-based routing and simple shuffle, both behind its cooldowns.
 *
 * Latency: a list of 10 latencies a deployment; the lowest mean wins, those within the buffer (default 0) of it by chance. Its known traits
 * are kept: a full list keeps its oldest nine and overwrites the last; a deployment not yet used counts as 0 and wins; only timeouts are
 * punished (1000 s), any other failure leaves no trace there; the times of streams stand in a list of their own, without the timeouts, and
 * their sum is divided by the length of the other list. Times to the first token are plain seconds (they were divided by the tokens until
 * September 2026). The lists live an hour from the last write to any of the model's.
 *
 * Shuffle, the default: by chance among the healthy, with equal weights, since nobody set any.
 *
 * Cooldown (5 s, or Retry-After): at once on 429, 401 and 404; at more than half failures of at least 5 requests in the minute of the clock
 * on timeouts and from 500 on; never on any other 4xx. Requests learn from traffic alone, as in the original; probes are its background
 * health checks with health-check routing switched on: a deployment whose last check failed is left out, unless that leaves none. With all
 * in cooldown the original says "no deployments available" and tries again after a sleep; a request here cannot sleep, so it goes to one
 * that is cooling, which serves it better than to be refused. A retry leaves out those that failed. Neither looks at price. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/pick.h"
#include "tests/sim/ranking/published.h"
#include "tests/sim/ranking/utility.h"

#define LIST_SIZE         10
#define LIST_TTL_S        3600.0
#define LATENCY_BUFFER    0.0
#define TIMEOUT_PENALTY_S 1000.0
#define COOLDOWN_S        5.0
#define MINIMUM_REQUESTS  5
#define STALE_CHECKS      2 /* health_check_staleness_threshold, in intervals */

struct list {
    double values[LIST_SIZE];
    int len;
};

struct deployment {
    struct list latency, first_token;
    int64_t minute;
    unsigned good, bad; /* in that minute */
    double cooling_until;
    bool check_failed;
    double checked_at;
};

struct litellm {
    int platforms;
    double check_interval;
    uint64_t dice;
    double list_expires[MODELS_MAX];
    struct deployment deployments[MODELS_MAX][PLATFORMS_MAX];
};

static void *litellm_make(const struct strategy_setup *setup)
{
    struct litellm *self = alloc_zero(1, sizeof *self);
    self->platforms = setup->platforms;
    self->check_interval = setup->probe_interval;
    self->dice = setup->seed;
    return self;
}

static void list_add(struct list *list, double value)
{
    list->values[list->len < LIST_SIZE ? list->len++ : LIST_SIZE - 1] = value;
}

static double list_sum(const struct list *list)
{
    double sum = 0;
    for (int i = 0; i < list->len; i++)
        sum += list->values[i];
    return sum;
}

/* The cache entry is the whole model's: it goes when nothing was written for an hour. */
static void expire_lists(struct litellm *self, int model, double t)
{
    if (t < self->list_expires[model])
        return;
    for (int p = 0; p < self->platforms; p++) {
        memset(&self->deployments[model][p].latency, 0, sizeof(struct list));
        memset(&self->deployments[model][p].first_token, 0, sizeof(struct list));
    }
}

static bool is_timeout(const struct result *result)
{
    return result->answer == ANSWER_TIMEOUT || result->answer == ANSWER_STALL;
}

/* The status of LiteLLM's exception, also where no HTTP answer came or a 200 was no answer. */
static int exception_status(const struct result *result)
{
    if (is_timeout(result))
        return 408;
    return result->status >= 400 ? result->status : 500;
}

static void cool_down(struct deployment *deployment, const struct result *result)
{
    int status = exception_status(result);
    unsigned requests = deployment->good + deployment->bad;
    bool at_once = status == 429 || status == 401 || status == 404;
    bool often = requests >= MINIMUM_REQUESTS && deployment->bad * 2 > requests && (status == 408 || status >= 500);
    if (at_once || often)
        deployment->cooling_until = result->t + (result->retry_after_s > 0 ? result->retry_after_s : COOLDOWN_S);
}

static void litellm_observe(void *arg, const struct result *result)
{
    struct litellm *self = arg;
    struct deployment *deployment = &self->deployments[result->model][result->platform];
    if (result->probe) {
        deployment->check_failed = !result_ok(result);
        deployment->checked_at = result->t;
        return;
    }
    int64_t minute = (int64_t)floor(result->t / 60);
    if (minute != deployment->minute)
        deployment->good = deployment->bad = 0;
    deployment->minute = minute;
    expire_lists(self, result->model, result->t);
    if (result_ok(result)) {
        deployment->good++;
        list_add(&deployment->latency, result->total_ms / 1000);
        list_add(&deployment->first_token, result_seconds(result));
    } else {
        deployment->bad++;
        cool_down(deployment, result);
        if (!is_timeout(result))
            return;
        list_add(&deployment->latency, TIMEOUT_PENALTY_S);
    }
    self->list_expires[result->model] = result->t + LIST_TTL_S;
}

static bool is_checked_bad(const struct litellm *self, const struct deployment *deployment, double t)
{
    return deployment->check_failed && t - deployment->checked_at <= STALE_CHECKS * self->check_interval;
}

/* The deployments a request may go to, as bits. */
static uint32_t available(const struct litellm *self, double t, int model, uint32_t tried)
{
    uint32_t healthy = 0, warm = 0, any = 0;
    for (int p = 0; p < self->platforms; p++) {
        const struct deployment *deployment = &self->deployments[model][p];
        if (pick_is_tried(tried, p))
            continue;
        any |= (uint32_t)1 << p;
        if (deployment->cooling_until > t)
            continue;
        warm |= (uint32_t)1 << p;
        if (!is_checked_bad(self, deployment, t))
            healthy |= (uint32_t)1 << p;
    }
    return healthy ? healthy : warm ? warm : any;
}

static double latency_of(const struct deployment *deployment)
{
    if (deployment->latency.len == 0)
        return 0;
    const struct list *list = deployment->first_token.len ? &deployment->first_token : &deployment->latency;
    return list_sum(list) / deployment->latency.len;
}

/* 1 for those whose latency is the lowest, or within the buffer of it. */
static void weigh_latency(struct litellm *self, double t, int model, uint32_t tried, double *weights)
{
    expire_lists(self, model, t);
    uint32_t may = available(self, t, model, tried);
    double lowest = INFINITY;
    for (int p = 0; p < self->platforms; p++)
        if (may >> p & 1)
            lowest = fmin(lowest, latency_of(&self->deployments[model][p]));
    for (int p = 0; p < self->platforms; p++)
        weights[p] = (may >> p & 1) && latency_of(&self->deployments[model][p]) <= lowest * (1 + LATENCY_BUFFER);
}

static int latency_choose(void *arg, double t, int model, uint32_t tried)
{
    struct litellm *self = arg;
    double weights[PLATFORMS_MAX];
    weigh_latency(self, t, model, tried, weights);
    return pick_weighted(&self->dice, weights, self->platforms);
}

static int latency_first(void *arg, double t, int model)
{
    struct litellm *self = arg;
    double weights[PLATFORMS_MAX];
    weigh_latency(self, t, model, 0, weights);
    for (int p = 0; p < self->platforms; p++)
        if (weights[p] > 0)
            return p;
    return -1;
}

const struct strategy strategy_litellm_latency = {
    .name = "litellm-latency",
    .about = "LiteLLM: latency-based-routing; docs.litellm.ai/docs/routing and router_strategy/lowest_latency.py",
    .make = litellm_make,
    .free = free,
    .observe = litellm_observe,
    .choose = latency_choose,
    .first = latency_first,
};

static int shuffle_choose(void *arg, double t, int model, uint32_t tried)
{
    struct litellm *self = arg;
    double weights[PLATFORMS_MAX];
    uint32_t may = available(self, t, model, tried);
    for (int p = 0; p < self->platforms; p++)
        weights[p] = may >> p & 1;
    return pick_weighted(&self->dice, weights, self->platforms);
}

/* All that are available are equal to it; the first stands for them. */
static int shuffle_first(void *arg, double t, int model)
{
    const struct litellm *self = arg;
    uint32_t may = available(self, t, model, 0);
    return may ? __builtin_ctz(may) : -1;
}

const struct strategy strategy_litellm_shuffle = {
    .name = "litellm-shuffle",
    .about = "LiteLLM: simple-shuffle with cooldowns; docs.litellm.ai/docs/routing and router_utils/cooldown_handlers.py",
    .make = litellm_make,
    .free = free,
    .observe = litellm_observe,
    .choose = shuffle_choose,
    .first = shuffle_first,
};
