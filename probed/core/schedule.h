/* When to probe next. Pure: the caller owns clock, timers and randomness.
 *
 * Phase = hash(target) spread over the interval, so that targets don't fall on one tick and a restart changes no phase; +-5 % jitter, so that
 * two probers don't beat. Next = after max(planned, now): a paused process does not catch up with a herd of missed probes. */
#ifndef PROBED_CORE_SCHEDULE_H
#define PROBED_CORE_SCHEDULE_H

#include <stdint.h>

#include "probed/core/ranker.h"
#include "shared/units.h"

struct schedule_rule {
    usec_t interval; /* steady */
    usec_t fast;     /* in transition and while provisional; <= interval */
    usec_t slow;     /* long down: back-off doubles from `interval` up to here */
    double jitter;   /* 0..0.5; 0.05 */
};

struct schedule {
    uint64_t hash;       /* of the target's name */
    usec_t planned;      /* the time last returned */
    usec_t interval;     /* the interval then used, for stale_at */
    usec_t not_before;   /* Retry-After; 0 = none */
    uint32_t dead_runs;  /* probes in a row at PACE_SLOW */
};

/* FNV-1a, 64 bits. */
uint64_t schedule_hash(const char *name);
/* SplitMix64 step, the only randomness in here; the caller keeps the state and prints its seed. */
uint64_t schedule_random(uint64_t *state);

void schedule_init(struct schedule *s, const char *name);
/* The first probe: at its phase within min(interval, spread). */
usec_t schedule_first(struct schedule *s, const struct schedule_rule *rule, usec_t spread, usec_t now);
/* The probe that was planned is over (or was skipped) at `now`. retry_after: as told (capped at 10 min by us), 0 = none.
 * Always > now. */
usec_t schedule_next(struct schedule *s, const struct schedule_rule *rule, enum pace pace, usec_t retry_after, usec_t now,
                     uint64_t *random);

#endif
