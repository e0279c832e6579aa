/* Portkey: the `fallback` strategy in the order of the targets, behind its circuit breaker.
 *
 * A request goes to the first target whose circuit is closed, a retry to the next. The breaker is that of Portkey's own example: it opens
 * when 20 % of at least 10 requests failed and closes by itself after the cooldown; the cooldown is the shortest that is allowed, 30 s,
 * which serves it best. Failures are 401, 429 and 500 and above; what never answered reaches the gateway as one of the latter. With all
 * circuits open the breaker is bypassed. The documentation doesn't say over what time the rate is taken, but that the time of the first
 * failure is kept: here the counts begin anew once that failure is older than the cooldown, so that a good hour does not hide a bad minute.
 *
 * It learns from traffic alone, as the original does, which has no probes. State of a target: the counts, the time of the first failure,
 * open until when. It never looks at latency or price, nor at the body of a 200. */
#include <stdlib.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/pick.h"
#include "tests/sim/ranking/published.h"

#define FAILURE_PERCENT  20
#define MINIMUM_REQUESTS 10
#define COOLDOWN_S       30.0

struct circuit {
    unsigned good, bad;
    double first_failure;
    double open_until; /* <= now: closed */
};

struct portkey {
    int platforms;
    struct circuit circuits[MODELS_MAX][PLATFORMS_MAX];
};

static void *portkey_make(const struct strategy_setup *setup)
{
    struct portkey *self = alloc_zero(1, sizeof *self);
    self->platforms = setup->platforms;
    return self;
}

static void portkey_observe(void *arg, const struct result *result)
{
    struct portkey *self = arg;
    if (result->probe)
        return;
    struct circuit *circuit = &self->circuits[result->model][result->platform];
    if (circuit->bad && result->t - circuit->first_failure > COOLDOWN_S)
        circuit->good = circuit->bad = 0;
    int status = result->status;
    if (status != 0 && status != 401 && status != 429 && status < 500) {
        circuit->good++;
        return;
    }
    if (!circuit->bad++)
        circuit->first_failure = result->t;
    unsigned requests = circuit->good + circuit->bad;
    if (requests < MINIMUM_REQUESTS || circuit->bad * 100 <= FAILURE_PERCENT * requests)
        return;
    circuit->open_until = result->t + COOLDOWN_S;
    circuit->good = circuit->bad = 0;
}

static int portkey_choose(void *arg, double t, int model, uint32_t tried)
{
    const struct portkey *self = arg;
    const struct circuit *circuits = self->circuits[model];
    int open = 0;
    for (int p = 0; p < self->platforms; p++)
        open += circuits[p].open_until > t;
    for (int p = 0; p < self->platforms; p++)
        if (!pick_is_tried(tried, p) && (open == self->platforms || circuits[p].open_until <= t))
            return p;
    return -1;
}

static int portkey_first(void *arg, double t, int model)
{
    return portkey_choose(arg, t, model, 0);
}

const struct strategy strategy_portkey = {
    .name = "portkey",
    .about = "Portkey: fallback in order with circuit breaker; portkey.ai/docs/product/ai-gateway/circuit-breaker",
    .make = portkey_make,
    .free = free,
    .observe = portkey_observe,
    .choose = portkey_choose,
    .first = portkey_first,
};
