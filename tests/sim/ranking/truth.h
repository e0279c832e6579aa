/* A world with ground truth: what each route really does at each moment, how much it takes, and what a request on it becomes.
 *
 * A world is made of a family (what kind of things happen) and a seed (which, when, to whom, how badly). It is the same for every strategy
 * and every preference. What changes while it is played (tokens left, requests in flight, the prices in force) is set back by truth_reset.
 */
#ifndef TESTS_SIM_RANKING_TRUTH_H
#define TESTS_SIM_RANKING_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/ranking/strategy.h"

#define TRUTH_EPISODES_MAX  4096
#define TRUTH_INCIDENTS_MAX 256
#define TRUTH_PRICES_MAX    128

/* What happens to some routes for a while: failures of one kind, slowness, or both. Both run straight from 0 to 1 over the episode. */
struct episode {
    double begins, ends;        /* s */
    uint32_t platforms, models; /* bits */
    enum answer mode;
    double p0, p1;       /* chance that a try fails by it */
    double slow0, slow1; /* log of the factor on TTFT */
};

/* From t on until the next piece begins. */
struct piece {
    double t;
    double p, p_slope;
    double log_level, log_slope; /* of the median TTFT in s */
    double level;                /* exp(log_level) */
    enum answer mode;
};

enum limit_kind { LIMIT_NONE, LIMIT_BUCKET, LIMIT_WINDOW, LIMIT_IN_FLIGHT };

/* Requests beyond it are answered 429. */
struct limit {
    enum limit_kind kind;
    double rate;  /* requests/s: of the bucket; of the fixed one-minute windows */
    double burst; /* bucket: tokens when full; in flight: the most at once */
    /* state */
    double tokens, at;
    double window; /* number of the minute that `used` counts */
    double used;
};

struct truth_platform {
    char name[16];
    double appears; /* s; before that it is not there */
    double connect_ms, tls_ms;
    double waste_s[ANSWERS]; /* median of what a failure of that kind wastes */
    double charged[ANSWERS]; /* share of the price that is charged for it */
    bool tells_retry_after;
    double load_gain, load_knee; /* TTFT x (1 + gain * (in flight / knee)^2) */
    struct limit limit;
    int in_flight; /* state */
};

struct truth_route {
    double log_level, sigma;                        /* TTFT: log-normal */
    double spike_p, spike_log;                      /* a share of answers is exp(spike_log) times as slow */
    double base_p;                                  /* failures that always happen */
    double input_usd_per_mtok, output_usd_per_mtok; /* at the start */
    double tokens_per_s;
    struct limit limit;
    struct piece *pieces; /* owned; the first at 0 */
    int pieces_len;
    /* state */
    int piece; /* where the last look was */
    int in_flight;
    double price_factor;
};

struct price_step {
    double t;
    int platform;
    uint32_t models;
    double factor; /* on the price at the start */
};

/* A hard fault of one route, long enough to ask how fast a strategy left and came back. */
struct incident {
    int platform, model;
    double begins, ends;
    double watched_until; /* how long after its end the return is looked for */
};

struct truth_model {
    char name[16];
    double rate;      /* requests/s in the mean */
    double mean_cost; /* USD: of the request, over all platforms, at the prices of the start */
};

struct family;

struct truth {
    const struct family *family;
    uint64_t seed;
    double duration; /* s */
    int platforms, models;
    struct truth_platform platform[PLATFORMS_MAX];
    struct truth_route route[PLATFORMS_MAX][MODELS_MAX];
    struct truth_model model[MODELS_MAX];
    const char *platform_names[PLATFORMS_MAX], *model_names[MODELS_MAX];
    double wave, wave_period, wave_phase; /* requests/s x (1 + wave * sin) */
    int tries;                            /* a request has at most, the first included; the player sets it, the oracle reckons with it */
    double timeout_s, stall_s;            /* when clients give up: without an answer, with a silent one */
    struct episode *episodes;             /* owned */
    int episodes_len;
    struct price_step prices[TRUTH_PRICES_MAX];
    int prices_len;
    struct incident incidents[TRUTH_INCIDENTS_MAX];
    int incidents_len;
};

struct family {
    const char *name;
    const char *about;
    bool loaded;     /* many requests, capacities that the best routes cannot hold them with */
    bool first_only; /* clients that know no weights */
    void (*shape)(struct truth *truth, uint64_t *dice);
};
extern const struct family families[];
extern const int families_len;
const struct family *family_find(const char *name);

#define TRUTH_PLATFORMS_MIN 4

struct truth_size {
    int platforms, models; /* TRUTH_PLATFORMS_MIN to PLATFORMS_MAX, 1 to MODELS_MAX */
    double hours;          /* of the families with little load; those with much take a quarter of it */
};

/* Free with truth_free. */
struct truth *truth_make(const struct family *family, uint64_t seed, const struct truth_size *size);
void truth_free(struct truth *truth);
void truth_reset(struct truth *truth);

/* The expectation of one try now. */
struct outlook {
    double p;                 /* chance that it fails (429 apart) */
    double ttft_s;            /* mean, if it does not */
    double crowd_s;           /* that one request more makes the others there wait, in all */
    double waste_s;           /* mean, if it does */
    double cost, failed_cost; /* over the model's mean cost */
};
bool truth_is_there(const struct truth *truth, double t, int platform);
struct outlook truth_look(struct truth *truth, double t, int platform, int model);
bool truth_has_room(const struct truth *truth, double t, int platform, int model);
double truth_rate(const struct truth *truth, double t, int model); /* requests/s */
double truth_rate_max(const struct truth *truth, int model);
void truth_step_price(struct truth *truth, const struct price_step *step);
double truth_price(const struct truth *truth, int platform, int model, double *output_usd_per_mtok); /* input, USD per million tokens */

/* The luck of one try, drawn by its request's number: all strategies have the same. */
struct luck {
    double fail, kind, slow;    /* [0, 1) */
    double ttft, waste, length; /* normal */
};
struct luck luck_draw(uint64_t seed, uint64_t request, int try);

/* How a try ends, known to the world when it is sent. */
struct ending {
    enum answer answer;
    int status;
    double ends_after_s; /* when the result is there */
    double waited_s;     /* until the first token, or until it was given up */
    double charged;      /* over the model's mean cost */
    double retry_after_s;
    double connect_ms, tls_ms, tokens_per_s; /* < 0 = not known */
    int in_flight;                           /* on the route, itself included */
};
/* Every truth_send is followed by one truth_end when the try ends. */
struct ending truth_send(struct truth *truth, double t, int platform, int model, const struct luck *luck, bool probe);
void truth_end(struct truth *truth, int platform, int model);

/* --- between truth*.c only --- */
void truth_base(struct truth *truth, uint64_t *dice); /* platforms, routes and load before anything happens */
void truth_compile(struct truth *truth);              /* episodes to pieces and incidents */
struct episode *truth_add_episode(struct truth *truth, double begins, double ends,
                                  uint32_t platforms); /* all models; nothing happens yet */
void truth_add_price(struct truth *truth, double t, int platform, uint32_t models, double factor);
int truth_pick_good(const struct truth *truth, uint64_t *dice, uint32_t not_these); /* one that strategies would like, more or less */
double truth_between(uint64_t *dice, double low, double high);
double truth_between_log(uint64_t *dice, double low, double high);
int truth_count(uint64_t *dice, int low, int high); /* both included */
bool truth_chance(uint64_t *dice, double p);

#endif
