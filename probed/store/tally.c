/* Adding up. Numbers come out of a file that may be damaged: sums stop at the ends of their range and never wrap. */
#include "probed/store/tally.h"

#include <math.h>

void tally_done(struct tally *t)
{
    histogram_done(&t->ttft);
    histogram_done(&t->total);
    *t = (struct tally){.n = 0};
}

static void plus(int64_t *to, int64_t value)
{
    if (__builtin_add_overflow(*to, value, to))
        *to = value < 0 ? INT64_MIN : INT64_MAX;
}

void tally_merge(struct tally *t, const struct tally *from)
{
    plus(&t->n, from->n);
    plus(&t->ok, from->ok);
    plus(&t->failed, from->failed);
    plus(&t->limited, from->limited);
    plus(&t->ours, from->ours);
    t->speed_sum += from->speed_sum;
    plus(&t->speed_n, from->speed_n);
    plus(&t->cost, from->cost);
    plus(&t->prompt_tokens, from->prompt_tokens);
    plus(&t->output_tokens, from->output_tokens);
    histogram_merge(&t->ttft, &from->ttft);
    histogram_merge(&t->total, &from->total);
    for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
        plus(&t->load[i].n, from->load[i].n);
        plus(&t->load[i].failed, from->load[i].failed);
        plus(&t->load[i].limited, from->load[i].limited);
    }
}

double tally_availability(const struct tally *t)
{
    double ok = (double)t->ok, all = ok + (double)t->failed;

    return all > 0 ? ok / all : (double)NAN;
}
