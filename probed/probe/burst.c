/* The sums of a burst: outcomes by what they say about load, and the quantiles of the first tokens of those that succeeded.
 *
 * A failure of the relay's is one; 429 is counted apart; what was our own fault or our own network's (key, credit, a request that was refused as such)
 * says nothing about load and is in neither, so that ok + failed + limited may be less than n. */
#include "probed/probe/burst.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/text.h"

void burst_tally_init(struct burst_tally *t, unsigned n, const char *why)
{
    *t = (struct burst_tally){.result = {.n = (uint16_t)n, .ttft_p50 = -1, .ttft_p95 = -1}};
    text_copy(t->result.why, sizeof t->result.why, why, strlen(why));
}

void burst_tally_add(struct burst_tally *t, const struct observation *o)
{
    if (outcome_ok(o->outcome)) {
        t->result.ok++;
        if (o->ttft >= 0 && t->timed < BURST_MOST)
            t->ttft[t->timed++] = o->ttft;
    } else if (o->outcome.kind == OUTCOME_RATE_LIMITED && o->outcome.fault == FAULT_NONE) {
        t->result.limited++;
    } else if (o->outcome.fault == FAULT_RELAY) {
        t->result.failed++;
    }
}

static int compare(const void *a, const void *b)
{
    usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;
    return x < y ? -1 : x > y;
}

static usec_t quantile(const struct burst_tally *t, unsigned percent)
{
    return t->timed == 0 ? -1 : t->ttft[(t->timed * percent + 99) / 100 - 1];
}

struct burst_result burst_tally_result(struct burst_tally *t, usec_t now)
{
    qsort(t->ttft, t->timed, sizeof t->ttft[0], compare);
    t->result.at = now;
    t->result.ttft_p50 = quantile(t, 50);
    t->result.ttft_p95 = quantile(t, 95);
    return t->result;
}

unsigned burst_size(int asked, int platform_cap, int cap, char *why, size_t size)
{
    int most = platform_cap < cap ? platform_cap : cap, n = asked < BURST_MOST ? asked : BURST_MOST;
    why[0] = '\0';
    if (n > most) {
        snprintf(why, size, "%d were asked for; %s allows %d probes at once", asked, platform_cap <= cap ? "the platform's concurrency" : "the concurrency", most);
        n = most;
    }
    return n < BURST_LEAST ? 0 : (unsigned)n;
}
