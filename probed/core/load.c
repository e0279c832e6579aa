/* Buckets of requests in flight.
 *
 * The route's own chance and latency are a mixture over all loads at which it was seen, and the counts here decay as those do: a bucket that
 * most requests fall into adds nothing, since the mixture holds it already; one that is worse than the mixture adds the difference. It
 * is shrunk to no difference where a bucket has seen little, and a bucket is never taken to be better than a lower one, so that what is not
 * known of a high load is what is known of the next lower one.
 *
 * A burst of probes asks the question by itself: n chats at once to a route that answers single ones. Its failures and 429s are evidence about
 * that many in flight and about nothing else. They say nothing of plain availability, since nobody who sends one request at a time would have
 * met them; and they do not lower the share cap, which holds for all policies alike, those with one request in flight included, while what
 * was shown is only that n at once are too many. A refusal that persists is not lost by that: the route's next plain chat comes when the
 * usual minute of a rate limit has passed (probe/run_burst.c), and if that is refused too, it lowers the cap as any 429 does. The
 * chats of one burst share one moment and its luck, so that all of them together count for BURST_WORTH observations at most: it takes two
 * bursts, hours apart, for a bucket to be believed against its prior. First tokens of bursts have a longer memory than those of
 * traffic: it is a ratio to the route's own level at that time, which moves less than the level, and the next burst may be 6 h off. */
#include "probed/core/load.h"

#include <math.h>
#include <string.h>

#include "probed/core/decay.h"

#define COUNT_HALF_LIFE (24 * USEC_PER_HOUR)
#define TIME_HALF_LIFE (2 * USEC_PER_HOUR)
#define RATIO_MOST 3.0 /* ln: one wild time in twenty-fold is as good as any wilder one */
#define SURE 0.999     /* a chance above it leaves nothing for load to spoil */

static const unsigned most[LOAD_BUCKETS - 1] = {1, 4, 16, 64};

unsigned load_bucket(unsigned in_flight)
{
    unsigned bucket = 0;

    while (bucket < LOAD_BUCKETS - 1 && in_flight > most[bucket])
        bucket++;
    return bucket;
}

const char *load_bucket_name(unsigned bucket)
{
    static const char *const names[LOAD_BUCKETS] = {"1", "2-4", "5-16", "17-64", "65+"};

    return bucket < LOAD_BUCKETS ? names[bucket] : "?";
}

void load_count(struct load *l, unsigned in_flight, double ok, double failed, double limited, usec_t now)
{
    double keep = l->counted_at > 0 ? decay_factor(now - l->counted_at, COUNT_HALF_LIFE) : 0;

    for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
        l->bucket[i].ok = (float)((double)l->bucket[i].ok * keep);
        l->bucket[i].failed = (float)((double)l->bucket[i].failed * keep);
        l->bucket[i].limited = (float)((double)l->bucket[i].limited * keep);
        l->bucket[i].tried = (float)((double)l->bucket[i].tried * keep);
    }
    struct load_counts *at = &l->bucket[load_bucket(in_flight)];

    at->ok += (float)ok;
    at->failed += (float)failed;
    at->limited += (float)limited;
    l->counted_at = now > l->counted_at ? now : l->counted_at;
}

void load_burst(struct load *l, unsigned n, enum burst_outcome outcome, usec_t now)
{
    double worth = fmin(1, BURST_WORTH / fmax(n, 1));

    load_count(l, n, outcome == BURST_OK ? worth : 0, outcome == BURST_FAILED ? worth : 0, outcome == BURST_LIMITED ? worth : 0, now);
}

void load_burst_time(struct load *l, unsigned n, double ln_ratio, usec_t now)
{
    double worth = fmin(1, BURST_WORTH / fmax(n, 1)), ratio = fmin(fmax(ln_ratio, -RATIO_MOST), RATIO_MOST);

    load_count(l, n, 0, 0, 0, now); /* they decay with the counts: brings all to one time */
    struct load_counts *at = &l->bucket[load_bucket(n)];

    at->tried += (float)worth;
    at->tried_slower += (float)((ratio - (double)at->tried_slower) * worth / (double)at->tried);
}

void load_time(struct load *l, unsigned in_flight, double ln_ratio, usec_t now)
{
    double keep = l->timed_at > 0 ? decay_factor(now - l->timed_at, TIME_HALF_LIFE) : 0;

    for (unsigned i = 0; i < LOAD_BUCKETS; i++)
        l->bucket[i].timed = (float)((double)l->bucket[i].timed * keep);
    struct load_counts *at = &l->bucket[load_bucket(in_flight)];

    at->timed += 1;
    at->slower += (float)((fmin(fmax(ln_ratio, -RATIO_MOST), RATIO_MOST) - (double)at->slower) / (double)at->timed);
    l->timed_at = now > l->timed_at ? now : l->timed_at;
}

struct load_counts load_at(const struct load *l, unsigned bucket, usec_t now)
{
    struct load_counts n = l->bucket[bucket];
    float count = (float)decay_factor(now - l->counted_at, COUNT_HALF_LIFE);

    n.ok *= count;
    n.failed *= count;
    n.limited *= count;
    n.tried *= count;
    n.timed *= (float)decay_factor(now - l->timed_at, TIME_HALF_LIFE);
    return n;
}

static double shrunk(double part, double all, double prior)
{
    return (part + LOAD_PRIOR * prior) / (all + LOAD_PRIOR);
}

void load_effects(const struct load *l, double chance, usec_t now, struct load_effect ret[LOAD_BUCKETS])
{
    double fails = chance, slower = 0, refused = 0;

    memset(ret, 0, LOAD_BUCKETS * sizeof(ret[0]));
    if (l->counted_at == 0 && l->timed_at == 0)
        return;
    for (unsigned i = 1; i < LOAD_BUCKETS; i++) {
        const struct load_counts n = load_at(l, i, now);
        double answered = (double)n.ok + (double)n.failed, limited = (double)n.limited;

        fails = fmax(fails, shrunk((double)n.failed, answered, chance));
        refused = fmax(refused, shrunk(limited, answered + limited, 0));
        slower = fmax(slower, ((double)n.slower * (double)n.timed + (double)n.tried_slower * (double)n.tried) /
                                  ((double)n.timed + (double)n.tried + LOAD_PRIOR));
        ret[i].fails = chance < SURE ? (float)((fmin(fails, 1) - chance) / (1 - chance)) : 0;
        ret[i].slower = (float)expm1(slower);
        ret[i].refused = (float)fmin(refused, 1);
    }
}
