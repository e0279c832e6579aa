/* Planning the next probe of one target.
 *
 * The plan is anchored on the phase, not on when the last probe ended: planned + interval, and only when that has passed already (a pause, a slow probe) the
 * next time of the same phase after now. So a herd that was held up spreads out again at once, each at its own phase. */
#include "probed/core/schedule.h"

#include <math.h>

#define RETRY_AFTER_MOST (10 * USEC_PER_MINUTE)
#define DEAD_RUNS_MOST 20
#define INTERVAL_LEAST ((usec_t)1000)

uint64_t schedule_hash(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3U;
    return hash;
}

uint64_t schedule_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* FNV's low bits move too little between similar names to be a phase by themselves. */
static double phase(const struct schedule *s)
{
    uint64_t state = s->hash;

    return (double)(schedule_random(&state) >> 11) * 0x1p-53;
}

void schedule_init(struct schedule *s, const char *name)
{
    *s = (struct schedule){.hash = schedule_hash(name)};
}

/* The first time after `now` that has this target's phase in the interval. */
static usec_t next_in_phase(const struct schedule *s, usec_t interval, usec_t now)
{
    usec_t offset = (usec_t)(phase(s) * (double)interval), base = now / interval * interval + offset;

    while (base <= now)
        base += interval;
    return base;
}

usec_t schedule_first(struct schedule *s, const struct schedule_rule *rule, usec_t spread, usec_t now)
{
    usec_t within = spread > 0 && spread < rule->interval ? spread : rule->interval;

    if (within < INTERVAL_LEAST)
        within = INTERVAL_LEAST;
    s->interval = rule->interval;
    s->planned = now + 1 + (usec_t)(phase(s) * (double)within);
    return s->planned;
}

static usec_t choose_interval(struct schedule *s, const struct schedule_rule *rule, enum pace pace)
{
    usec_t interval = rule->interval;

    if (pace != PACE_SLOW)
        s->dead_runs = 0;
    if (pace == PACE_FAST && rule->fast > 0 && rule->fast < interval)
        interval = rule->fast;
    if (pace == PACE_SLOW) {
        usec_t most = rule->slow > rule->interval ? rule->slow : rule->interval;

        for (uint32_t i = 0; i < s->dead_runs && interval < most; i++)
            interval = interval > most / 2 ? most : 2 * interval;
        if (s->dead_runs < DEAD_RUNS_MOST)
            s->dead_runs++;
    }
    return interval < INTERVAL_LEAST ? INTERVAL_LEAST : interval;
}

usec_t schedule_next(struct schedule *s, const struct schedule_rule *rule, enum pace pace, usec_t retry_after, usec_t now, uint64_t *random)
{
    usec_t interval = choose_interval(s, rule, pace);
    double jitter = fmin(fmax(rule->jitter, 0), 0.5), turn = (double)(schedule_random(random) >> 11) * 0x1p-52 - 1;
    usec_t next = s->planned + interval;

    if (next <= now || interval != s->interval || next > now + 2 * interval)
        next = next_in_phase(s, interval, now);
    s->interval = interval;
    next += (usec_t)(turn * jitter * (double)interval);
    if (retry_after > 0)
        s->not_before = now + (retry_after < RETRY_AFTER_MOST ? retry_after : RETRY_AFTER_MOST);
    if (next < s->not_before)
        next = s->not_before + (usec_t)(phase(s) * (double)interval * 0.1);
    if (next <= now)
        next = now + 1;
    s->planned = next;
    return next;
}
