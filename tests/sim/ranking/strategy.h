/* A strategy: whoever decides to which platform a request goes. `probed replay` is one, what people use today are others, the oracle is the last.
 *
 * All of them are told the same: prices, the results of the probes, and the results of the requests that they sent themselves. They are asked for
 * every try of every request, in time order. The player (play.h) owns the world; a strategy never sees its truth, but for the oracle. */
#ifndef TESTS_SIM_RANKING_STRATEGY_H
#define TESTS_SIM_RANKING_STRATEGY_H

#include <stdbool.h>
#include <stdint.h>

#define PLATFORMS_MAX 32 /* bits of `tried` */
#define MODELS_MAX 16

struct truth;

/* What a request is worth: success - a * ttft / 2 s - b * cost / mean cost; a failed one: -1, and its wasted time. */
struct preference {
    const char *name; /* "production", "latency", "cost": also the policy's name in tests/sim/preferences.yaml */
    double a, b;
};
#define PREFERENCES 3
extern const struct preference preferences[PREFERENCES];

enum answer { ANSWER_OK, ANSWER_TIMEOUT, ANSWER_REFUSED, ANSWER_RESET, ANSWER_DNS, ANSWER_TLS, ANSWER_5XX, ANSWER_RATE_LIMITED, ANSWER_AUTH,
              ANSWER_NO_CREDIT, ANSWER_MODEL_MISSING, ANSWER_BAD_BODY, ANSWER_STALL, ANSWERS };
const char *answer_name(enum answer answer); /* as `error` in the replay format; "" for OK */

/* The end of one try, probe or traffic. */
struct result {
    double t; /* s, when it ended */
    int platform, model;
    bool probe;
    enum answer answer;
    int status;      /* HTTP; 0 = none came */
    double retry_after_s; /* 0 = not told */
    double connect_ms, tls_ms, ttft_ms, total_ms, tokens_per_s; /* < 0 = not known; total_ms of a failure = the time it wasted */
    int in_flight;   /* our requests on that route when it was sent, itself included */
    double interval_s; /* of a probe */
};

struct strategy_setup {
    int platforms, models;
    const char *const *platform_names, *const *model_names;
    const struct preference *preference;
    double probe_interval; /* s */
    bool first_only;       /* clients that know no weights: every first try goes to rank 1 */
    uint64_t seed;
    const char *program, *config; /* for probed: build/probed, tests/sim/preferences.yaml */
    struct truth *truth;   /* for the oracle alone */
};

/* All calls in order of t. Functions may be NULL where a strategy has no use for them, but for make, free, choose, first. */
struct strategy {
    const char *name;
    const char *about; /* whose it is and where it is written down */
    void *(*make)(const struct strategy_setup *setup);
    void (*free)(void *self);
    void (*price)(void *self, double t, int platform, int model, double input_usd_per_mtok, double output_usd_per_mtok);
    void (*observe)(void *self, const struct result *result);
    /* Where the next try of a request goes. tried: bit i = platform i was tried already by this request (0: the first try). -1 = give up. */
    int (*choose)(void *self, double t, int model, uint32_t tried);
    void (*sent)(void *self, double t, int platform, int model); /* the try went out; its result comes by observe */
    /* Whom it holds for the best now, without any dice: for counting changes. */
    int (*first)(void *self, double t, int model);
};

/* In the order of the report: probed first, the oracle last. */
extern const struct strategy *const strategies[];
extern const int strategies_len;
const struct strategy *strategy_find(const char *name); /* NULL = none */

/* SplitMix64 and what is made of it; every strategy and the world keep states of their own. */
uint64_t dice_next(uint64_t *state);
double dice_uniform(uint64_t *state); /* [0, 1) */
double dice_normal(uint64_t *state);
double dice_gamma(uint64_t *state, double shape); /* Marsaglia and Tsang 2000; shape > 0 */
double dice_beta(uint64_t *state, double a, double b);

#endif
