/* Two who don't rank: round robin, and HAProxy's static order with health checks.
 *
 * Round robin knows nothing and learns nothing: the platforms in turn, a retry goes to the next one.
 *
 * HAProxy is a backend a model with `balance first`, `option httpchk`, `option redispatch` and on each server `check rise 2 fall 3 observe
 * layer7 error-limit 10 on-error mark-down`: every request goes to the first server in the list that is up, a retry to the next that is.
 * The numbers are HAProxy's defaults but for on-error, which by default only counts as one failed check; mark-down is what its own guide to
 * circuit breaking uses, and serves it better. It learns from both: probes are its checks, traffic is what `observe` sees. As documented, a
 * check passes on 2xx and 3xx, `observe layer7` takes 100-499, 501 and 505 for good (so it doesn't see 429, a bad key or a bad body), and a
 * server starts up, one failed check from down.
 *
 * State of a server: `health` from 0 to rise + fall - 1, up from `rise` on, and the errors in a row. With no server up a request gets 503.
 * It never looks at latency or price, and never prefers one server that is up to an earlier one. */
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/pick.h"
#include "tests/sim/ranking/published.h"
#include "tests/sim/ranking/utility.h"

struct round_robin {
    int platforms;
    int next[MODELS_MAX];
};

static void *round_robin_make(const struct strategy_setup *setup)
{
    struct round_robin *self = alloc_zero(1, sizeof *self);
    self->platforms = setup->platforms;
    return self;
}

static int round_robin_choose(void *arg, double t, int model, uint32_t tried)
{
    (void)t;
    struct round_robin *self = arg;
    for (int i = 0; i < self->platforms; i++) {
        int platform = self->next[model];
        self->next[model] = (platform + 1) % self->platforms;
        if (!pick_is_tried(tried, platform))
            return platform;
    }
    return -1;
}

/* All are equal to it; the first stands for them. */
static int round_robin_first(void *arg, double t, int model)
{
    (void)arg, (void)t, (void)model;
    return 0;
}

const struct strategy strategy_round_robin = {
    .name = "round-robin",
    .about = "every platform in turn: the default of nginx upstreams, HAProxy and Envoy",
    .make = round_robin_make,
    .free = free,
    .choose = round_robin_choose,
    .first = round_robin_first,
};

#define RISE        2
#define FALL        3
#define ERROR_LIMIT 10
#define HEALTH_FULL (RISE + FALL - 1)

struct server {
    int health;
    int errors; /* in a row, of traffic */
};

struct haproxy {
    int platforms;
    struct server servers[MODELS_MAX][PLATFORMS_MAX];
};

static void *haproxy_make(const struct strategy_setup *setup)
{
    struct haproxy *self = alloc_zero(1, sizeof *self);
    self->platforms = setup->platforms;
    for (int m = 0; m < MODELS_MAX; m++)
        for (int p = 0; p < PLATFORMS_MAX; p++)
            self->servers[m][p].health = RISE;
    return self;
}

static bool is_up(const struct server *server)
{
    return server->health >= RISE;
}

static void take_check(struct server *server, bool good)
{
    if (good) {
        server->health = server->health + 1 >= RISE ? HEALTH_FULL : server->health + 1;
        return;
    }
    if (server->health > RISE)
        server->health--;
    else
        server->health = 0;
}

/* `observe layer7`: a status that the documentation calls valid is no error, whatever it means to a user. */
static bool is_layer7_error(const struct result *result)
{
    int status = result->status;
    return !((status >= 100 && status <= 499) || status == 501 || status == 505);
}

static void haproxy_observe(void *arg, const struct result *result)
{
    struct haproxy *self = arg;
    struct server *server = &self->servers[result->model][result->platform];
    if (result->probe) {
        take_check(server, result->status >= 200 && result->status <= 399);
        if (is_up(server))
            server->errors = 0;
        return;
    }
    if (!is_layer7_error(result)) {
        server->errors = 0;
        return;
    }
    if (is_up(server) && ++server->errors >= ERROR_LIMIT) {
        server->health = 0;
        server->errors = 0;
    }
}

static int haproxy_choose(void *arg, double t, int model, uint32_t tried)
{
    (void)t;
    const struct haproxy *self = arg;
    for (int p = 0; p < self->platforms; p++)
        if (!pick_is_tried(tried, p) && is_up(&self->servers[model][p]))
            return p;
    return -1;
}

static int haproxy_first(void *arg, double t, int model)
{
    return haproxy_choose(arg, t, model, 0);
}

const struct strategy strategy_haproxy = {
    .name = "haproxy",
    .about = "HAProxy: static order, rise 2, fall 3, observe layer7, error-limit 10; haproxy.org configuration manual, 5.2",
    .make = haproxy_make,
    .free = free,
    .observe = haproxy_observe,
    .choose = haproxy_choose,
    .first = haproxy_first,
};
