/* Charges that a relay told itself, request by request (usage.cost, /generation), against what each should have cost: direct evidence about
 * one route. */
#ifndef PROBED_CORE_CHARGES_H
#define PROBED_CORE_CHARGES_H

#include "probed/core/accounts.h"

#define CHARGES            32
#define CHARGES_RATIO_MOST 1e6

struct charge {
    uint32_t at;     /* seconds since the epoch */
    float low, high; /* charged / advertised: the most and the least that it should have cost */
    float charged, expected;
    bool afterwards; /* told by a later question, not with the answer */
};

struct charges {
    double digit;      /* the finest that was seen; 0 = none yet */
    uint8_t len, next; /* a ring */
    struct charge ring[CHARGES];
};

/* How finely it was told shows in its digits. */
void charges_add(struct charges *c, int64_t charged, const struct tariff_cost *expected, bool afterwards, usec_t now);
/* False: there are none, or only old ones. */
bool charges_ratio(const struct charges *c, usec_t now, struct account_ratio *ret);

#endif
