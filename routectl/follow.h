/* What following one ranking through a history would have brought: the estimator of `routectl replay`. */
#ifndef ROUTECTL_FOLLOW_H
#define ROUTECTL_FOLLOW_H

#include "routectl/sightings.h"

#define FOLLOW_SLOTS   256
#define FOLLOW_CHANGES 5 /* the last ones are kept */
/* Less is too little evidence: so many different sightings, for so much of the time. */
#define FOLLOW_SIGHTINGS_ENOUGH 20
#define FOLLOW_KNOWN_ENOUGH     0.5

struct follow_row {
    int route;      /* sightings_route */
    uint16_t slots; /* of FOLLOW_SLOTS; 0 = a fallback */
    int64_t cost;   /* of one request, pico-units; -1 = not known */
};

struct follow_ranking { /* one model's routes at one time, in rank order: those with slots, then the fallbacks; immutable, counted */
    unsigned refs;
    size_t len;
    struct follow_row rows[];
};
struct follow_ranking *follow_ranking_new(size_t len); /* rows zeroed, refs = 1 */
struct follow_ranking *follow_ranking_ref(struct follow_ranking *ranking);
void follow_ranking_unref(struct follow_ranking *ranking); /* NULL is fine */

struct follow;
struct follow *follow_new(void);
struct follow *follow_free(struct follow *f); /* NULL is fine; returns NULL */
/* The ranking was in force after `from`, up to and with `until`; sightings_look has been told that stretch. */
void follow_step(struct follow *f, const struct follow_ranking *ranking, const struct sightings *sightings, usec_t from, usec_t until);

struct follow_change {
    usec_t at;
    int from, to; /* routes */
};

struct follow_estimate { /* ratios are parts of 1; NAN = nothing is known */
    double time;         /* s that it was followed */
    double known;        /* part of it for which there was something to go by */
    double unrouted;     /* part of it in which no route was to be used: requests fail */
    uint64_t sightings;  /* different ones that it stands on */
    bool enough;
    double failed_first;                       /* of the first tries */
    double failed;                             /* of the requests, after one retry on the next route */
    double ttft_mean, ttft_p50, ttft_p95;      /* us, of answered requests, with what a failed first try wasted */
    double cost;                               /* pico-units a request that was answered */
    size_t changes;                            /* of the first place */
    struct follow_change last[FOLLOW_CHANGES]; /* oldest first */
    size_t last_len;
};
void follow_estimate(const struct follow *f, struct follow_estimate *ret);

/* Who was first, by part of the time: fn once a route, most first, then by name. */
typedef void (*follow_first_fn)(void *arg, int route, double part);
void follow_each_first(const struct follow *f, const struct sightings *sightings, follow_first_fn fn, void *arg);

#endif
