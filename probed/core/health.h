/* Is the route good, partly failing or down? One route's verdict from its recent outcomes.
 *
 * Two judges. An exact ring of the last outcomes decides `down` (fall of window) and its end (rise successes in a row): hard, countable,
 * explainable. A filter over three hidden states (good, partial, down) gives the probabilities of each between those verdicts, from which
 * `degraded` and the chance of failure follow. Only relay faults and successes are evidence; ours and local are not.
 * Besides: 429 (`limited`), our own fault (`unusable`), model gone (`missing`), flap damping in the shape of RFC 2439, and probation. */
#ifndef PROBED_CORE_HEALTH_H
#define PROBED_CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "probed/core/observation.h"
#include "probed/core/ranker.h"

#define HEALTH_WINDOW_MAX 32
#define HEALTH_ONSETS 8
#define HEALTH_WASTES 8
#define HEALTH_WHY_MAX 160

#define FLAP_PENALTY 1000.0
#define FLAP_SUPPRESS 3000.0
#define FLAP_REUSE 750.0
#define FLAP_MOST 12000.0 /* decays to FLAP_REUSE in 60 min */
#define FLAP_HALF_LIFE (15 * USEC_PER_MINUTE)
#define LIMITED_MOST (10 * USEC_PER_MINUTE)
#define PROBATION_FIRST 8 /* slots; doubled by each success that is 5 s after the last step */

enum verdict { VERDICT_NEW, VERDICT_GOOD, VERDICT_PARTIAL, VERDICT_DOWN };
enum belief { BELIEF_GOOD, BELIEF_PARTIAL, BELIEF_DOWN, BELIEFS };

struct health {
    uint32_t ring; /* bit 0 is the newest; 1 = failed */
    uint8_t ring_len;
    uint8_t ok_run;      /* successes in a row, saturating */
    uint8_t limited_run; /* 429 in a row with no success between */
    uint8_t missing_run; /* "no such model" in a row */
    uint8_t probation;   /* 0 = none, else the step 1.. */
    uint8_t onsets_len;
    uint8_t failing_timed; /* of the present run of failures, those in failing_waste */
    bool unusable, limited, limited_told, suppressed;
    uint8_t verdict;     /* enum verdict */
    double belief[BELIEFS];
    usec_t belief_at;
    double good_before; /* P(good) as it was just before the last outcome */
    usec_t ok_at;        /* last success; 0 = none */
    usec_t served_at;    /* last success of reported traffic; 0 = none */
    usec_t down_at;      /* since when it is down */
    usec_t limited_at, limited_until;
    usec_t probation_at;
    double flap;
    usec_t flap_at, flap_counted;
    usec_t failing_since; /* when the first try of the present run of failures was sent; 0 = the last one succeeded */
    double failing_waste; /* s that the failures of this run wasted, the last HEALTH_WASTES or so in the mean */
    uint32_t onsets[HEALTH_ONSETS]; /* seconds; when failures began, newest first */
    char why[HEALTH_WHY_MAX];       /* of the last change; may hold a relay's words */
};

/* Rules with their defaults filled in and bounded. */
struct health_rules health_rules_filled(const struct health_rules *rules);

void health_init(struct health *h, usec_t now);
/* A chat observation. True if it is evidence about how the route works while it works: a success or a relay fault that did not fall into
 * a time when the route was already known to be down. */
bool health_observe(struct health *h, const struct health_rules *rules, const struct observation *o, usec_t now);

/* The filter's probabilities as they stand at `now`. */
void health_beliefs(const struct health *h, usec_t now, double ret[BELIEFS]);
bool health_limited(const struct health *h, usec_t now);
/* Limited beyond what a smaller share can cure: told to wait 5 s or more, or nothing but 429. */
bool health_refused(const struct health *h, usec_t now);
bool health_missing(const struct health *h); /* by the answers of requests */
double health_flap(const struct health *h, usec_t now);
bool health_flapping(const struct health *h, usec_t now);
unsigned health_probation_slots(const struct health *h); /* 256 = no probation */
/* How often a failure of `a` began together with one of `b`, as the chance that b fails when a does; 0 if not known to be related. */
double health_together(const struct health *a, const struct health *b);
/* Failures in a row, up to now. */
unsigned health_failing_run(const struct health *h);
/* Failures among the last `window`. */
unsigned health_failures(const struct health *h, unsigned window);

#endif
