/* Envoy: round robin over the healthy hosts, with outlier detection and active health checks.
 *
 * A cluster a model, all values Envoy's defaults: a host is ejected after 5 consecutive 5xx (network errors and timeouts count as 5xx), or
 * at the sweep every 10 s when its success rate lies 1.9 standard deviations below the mean of those hosts that had 100 requests in the
 * interval (if at least 5 had). It stays out for 30 s times the number of its ejections, at most 300 s; each sweep that finds it in takes
 * one off that number. No more than 10 % of the hosts are out, but always one may be. Below 50 % healthy hosts it balances over all
 * (panic).
 *
 * It learns from both: traffic feeds the outlier detector, probes are the active checks, with the thresholds that its documentation shows
 * (3 fail, 2 pass; a status that isn't expected fails at once, a single success ends the start). As documented a host of which nothing is
 * known is healthy, and a check that passes ends an ejection. A retry goes to another host (`previous_hosts`), to an unhealthy one only
 * when no other is left.
 *
 * It never looks at latency or price, takes 429 for a good answer and a bad body too, and holds all healthy hosts equal. */
#include <math.h>
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/pick.h"
#include "tests/sim/ranking/published.h"
#include "tests/sim/ranking/utility.h"

#define CONSECUTIVE_5XX      5
#define SWEEP_S              10.0
#define BASE_EJECTION_S      30.0
#define MAX_EJECTION_S       300.0
#define MAX_EJECTION_PERCENT 10
#define RATE_MIN_HOSTS       5
#define RATE_MIN_REQUESTS    100
#define RATE_STDEV_FACTOR    1.9
#define PANIC_PERCENT        50
#define CHECKS_FAIL          3
#define CHECKS_PASS          2

struct host {
    bool checked, failed_checks; /* by the active checks; unknown = healthy */
    int checks_in_a_row;         /* against what failed_checks says */
    int errors_in_a_row;
    unsigned good, bad; /* traffic since the last sweep */
    bool ejected;
    double ejected_at;
    int ejections; /* the multiplier */
};

struct cluster {
    struct host hosts[PLATFORMS_MAX];
    int next;
};

struct envoy {
    int platforms, models;
    double next_sweep; /* < 0 before the first call */
    struct cluster clusters[MODELS_MAX];
};

static void *envoy_make(const struct strategy_setup *setup)
{
    struct envoy *self = alloc_zero(1, sizeof *self);
    self->platforms = setup->platforms;
    self->models = setup->models;
    self->next_sweep = -1;
    return self;
}

static bool is_healthy(const struct host *host)
{
    return !host->ejected && !host->failed_checks;
}

static void eject(const struct envoy *self, struct cluster *cluster, struct host *host, double t)
{
    int out = 0;
    for (int p = 0; p < self->platforms; p++)
        out += cluster->hosts[p].ejected;
    if (host->ejected || (out > 0 && out * 100 >= MAX_EJECTION_PERCENT * self->platforms))
        return;
    host->ejected = true;
    host->ejected_at = t;
    host->ejections++;
    host->errors_in_a_row = 0;
}

static void sweep_success_rate(const struct envoy *self, struct cluster *cluster, double t)
{
    double sum = 0, squares = 0;
    int hosts = 0;
    for (int p = 0; p < self->platforms; p++) {
        const struct host *host = &cluster->hosts[p];
        unsigned requests = host->good + host->bad;
        if (requests < RATE_MIN_REQUESTS)
            continue;
        double rate = (double)host->good / requests;
        sum += rate;
        squares += rate * rate;
        hosts++;
    }
    if (hosts < RATE_MIN_HOSTS)
        return;
    double mean = sum / hosts, stdev = sqrt(fmax(squares / hosts - mean * mean, 0));
    for (int p = 0; p < self->platforms; p++) {
        struct host *host = &cluster->hosts[p];
        unsigned requests = host->good + host->bad;
        if (requests >= RATE_MIN_REQUESTS && (double)host->good / requests < mean - RATE_STDEV_FACTOR * stdev)
            eject(self, cluster, host, t);
    }
}

static void sweep(const struct envoy *self, struct cluster *cluster, double t)
{
    for (int p = 0; p < self->platforms; p++) {
        struct host *host = &cluster->hosts[p];
        if (!host->ejected)
            host->ejections -= host->ejections > 0;
        else if (t - host->ejected_at >= fmin(BASE_EJECTION_S * host->ejections, MAX_EJECTION_S))
            host->ejected = false;
    }
    sweep_success_rate(self, cluster, t);
    for (int p = 0; p < self->platforms; p++)
        cluster->hosts[p].good = cluster->hosts[p].bad = 0;
}

/* The sweeps that were due since the last call; a gap longer than the longest ejection needs no more of them than end all multipliers. */
static void advance(struct envoy *self, double t)
{
    if (self->next_sweep < 0)
        self->next_sweep = t + SWEEP_S;
    for (int i = 0; i < 1000 && self->next_sweep <= t; i++, self->next_sweep += SWEEP_S)
        for (int m = 0; m < self->models; m++)
            sweep(self, &self->clusters[m], self->next_sweep);
    if (self->next_sweep <= t)
        self->next_sweep = t + SWEEP_S;
}

static void take_check(struct host *host, const struct result *result)
{
    bool good = result->status == 200;
    bool first = !host->checked;
    host->checked = true;
    if (good && host->ejected) {
        host->ejected = false;
        host->errors_in_a_row = 0;
    }
    if (good != host->failed_checks) {
        host->checks_in_a_row = 0;
        return;
    }
    /* Any status but those expected is meant: only silence is worth a second look. */
    int needed = good ? CHECKS_PASS : result->status != 0 ? 1 : CHECKS_FAIL;
    if (first || ++host->checks_in_a_row >= needed) {
        host->failed_checks = !good;
        host->checks_in_a_row = 0;
    }
}

static void envoy_observe(void *arg, const struct result *result)
{
    struct envoy *self = arg;
    advance(self, result->t);
    struct cluster *cluster = &self->clusters[result->model];
    struct host *host = &cluster->hosts[result->platform];
    if (result->probe) {
        take_check(host, result);
        return;
    }
    if (result->status > 0 && result->status < 500) {
        host->errors_in_a_row = 0;
        host->good++;
        return;
    }
    host->bad++;
    if (++host->errors_in_a_row >= CONSECUTIVE_5XX) {
        eject(self, cluster, host, result->t);
        host->errors_in_a_row = 0;
    }
}

static bool is_panic(const struct envoy *self, const struct cluster *cluster)
{
    int healthy = 0;
    for (int p = 0; p < self->platforms; p++)
        healthy += is_healthy(&cluster->hosts[p]);
    return healthy * 100 < PANIC_PERCENT * self->platforms;
}

static int envoy_choose(void *arg, double t, int model, uint32_t tried)
{
    struct envoy *self = arg;
    advance(self, t);
    struct cluster *cluster = &self->clusters[model];
    bool everyone = is_panic(self, cluster);
    for (int pass = 0; pass < 2; pass++, everyone = true)
        for (int i = 0; i < self->platforms; i++) {
            int p = (cluster->next + i) % self->platforms;
            if (pick_is_tried(tried, p) || !(everyone || is_healthy(&cluster->hosts[p])))
                continue;
            cluster->next = (p + 1) % self->platforms;
            return p;
        }
    return -1;
}

/* All healthy hosts are equal to it; the first stands for them. */
static int envoy_first(void *arg, double t, int model)
{
    struct envoy *self = arg;
    advance(self, t);
    const struct cluster *cluster = &self->clusters[model];
    for (int p = 0; p < self->platforms && !is_panic(self, cluster); p++)
        if (is_healthy(&cluster->hosts[p]))
            return p;
    return 0;
}

const struct strategy strategy_envoy = {
    .name = "envoy",
    .about =
        "Envoy: round robin with outlier detection, active checks and panic; envoyproxy.io, outlier_detection.proto, health_check.proto",
    .make = envoy_make,
    .free = free,
    .observe = envoy_observe,
    .choose = envoy_choose,
    .first = envoy_first,
};
