/* Everything measured of one route, in fixed memory. What a policy makes of it is elsewhere (loss.h). */
#ifndef PROBED_CORE_ROUTE_H
#define PROBED_CORE_ROUTE_H

#include "probed/core/capacity.h"
#include "probed/core/congestion.h"
#include "probed/core/decay.h"
#include "probed/core/health.h"
#include "probed/core/honesty.h"
#include "probed/core/latency.h"
#include "probed/core/load.h"
#include "probed/core/observation.h"
#include "probed/core/reporters.h"

#define ROUTE_LAST EXPLAIN_LAST_MAX
#define ROUTE_DETAILS 4
#define ROUTE_HALF_LIFE (24 * USEC_PER_HOUR)
#define ROUTE_LATELY (10 * USEC_PER_MINUTE)

/* Segments that need no quantiles; ttft and total have a struct latency. */
enum segment { SEGMENT_QUEUE, SEGMENT_DNS, SEGMENT_CONNECT, SEGMENT_TLS, SEGMENT_WAIT, SEGMENT_CONTENT, SEGMENT_GAP, SEGMENTS };

/* An observation as it is kept: a fifth of its size. */
struct route_last {
    usec_t at, retry_after, interval;
    int64_t cost_pico;
    float tokens_per_s;
    int32_t prompt_tokens, output_tokens, reasoning_tokens;
    uint32_t queue, dns, connect, tls, wait, ttft, content, total, gap_max; /* us; UINT32_MAX unknown */
    uint16_t http_status, in_flight, flags, stalls, chunks;
    uint8_t probe, source, stage, kind, fault, endpoint, reused, http_version, reporter;
    uint8_t detail; /* 1.. = slot in details, 0 = none kept */
};

struct route {
    struct health health;
    struct decay_counts all;     /* every success and relay fault */
    struct decay_counts good;    /* those while it was good, as far as that was known: a bad hour says little about the good ones after it */
    struct decay_counts working; /* those outside known down time: what the chance of failure is learnt from */
    struct latency ttft, total;
    struct decay_moment segment[SEGMENTS];
    struct decay_moment speed;   /* tokens/s */
    struct decay_moment waste, waste_lately; /* s, of failed tries; how it fails now is not how it failed yesterday */
    struct decay_moment cost_ok, cost_failed; /* pico */
    struct capacity capacity;
    struct congestion congestion;
    struct load load;
    struct reports reports;
    struct honesty honesty;
    usec_t sampled_at;           /* last chat success or relay fault */
    uint8_t last_len, last_next, detail_next;
    struct route_last last[ROUTE_LAST];
    char details[ROUTE_DETAILS][OBSERVATION_DETAIL_MAX];
};

void route_init(struct route *r, usec_t now);
/* shortage: requests find no room anywhere; one success is enough then to come back. */
void route_observe(struct route *r, const struct health_rules *rules, const struct observation *o, bool shortage,
                   usec_t now);
/* The same where its reporter is named: bounded by its rate as well. What of it counted (reporters.h). */
struct route_heard {
    bool counts; /* as what the route is like */
    bool load;   /* as demand */
};
struct route_heard route_report(struct route *r, const struct health_rules *rules, struct reporter_rate *rate, const struct observation *o,
                                bool shortage, usec_t now);
/* One chat of a burst (load.c has why it says nothing else). */
void route_observe_burst(struct route *r, const struct observation *o, usec_t now);
/* A request that tried a capability out: its soft signals count, and nothing else of it. */
void route_observe_capabilities(struct route *r, const struct observation *o, usec_t now);
/* The i-th last observation (0 = newest); false if there is none. */
bool route_last(const struct route *r, unsigned i, struct observation *ret);

/* Chat evidence behind the statistics (decayed, 24 h). */
double route_samples(const struct route *r, usec_t now);
bool route_unscorable(const struct route *r);

/* The chance that a try fails. */
struct route_chance {
    double good;     /* while it is good: upper bound, 24 h and 2 h */
    double partial;  /* while it partly fails */
    double belief[BELIEFS];
    double estimate; /* without the bound's margin */
    double bound;    /* what the loss uses; >= estimate */
};
struct route_chance route_chance_at(const struct route *r, usec_t now);
/* Beta(1,1) bounds at one standard deviation, 0..1. */
double chance_upper(double ok, double failed);

#endif
