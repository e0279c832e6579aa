/* Token counts that a relay tells against those that are known, of one route: prompts of ours have a known size. */
#ifndef PROBED_CORE_INFLATION_H
#define PROBED_CORE_INFLATION_H

#include "probed/core/accounts.h"

#define INFLATION_SAMPLES     32
#define INFLATION_NEWS        3   /* in a row make a jump */
#define INFLATION_TOLERANCE   0.1 /* beyond the known range by this much is no inflation yet */
#define INFLATION_TOKENS_MOST 100000000

struct inflation_sample {
    uint32_t at; /* seconds since the epoch */
    int32_t told, low, high;
};

struct inflation {
    uint8_t len, next; /* a ring */
    bool inflated;     /* as was last told */
    struct inflation_sample ring[INFLATION_SAMPLES];
};

struct inflation_news {
    int32_t jump; /* by so many tokens more (fewer) than usual; 0 = none */
    bool turned;  /* it is inflated now and was not, or the other way round */
};
struct inflation_news inflation_add(struct inflation *f, int32_t told, int32_t low, int32_t high, usec_t now);
void inflation_told(const struct inflation *f, usec_t now, struct account_inflation *ret);

#endif
