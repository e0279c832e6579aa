/* What a model costs at a relay: as listed, and what is taken. */
#ifndef RELAYSIM_PRICES_H
#define RELAYSIM_PRICES_H

#include "tests/relaysim/account.h"
#include "tests/relaysim/relay.h"

struct prices { /* per million tokens, per call, in the relay's own unit; cache < 0 = not said */
    double input, output, cache_read, cache_write, call;
    double tier;   /* times as much */
    int tier_from; /* from so many input tokens on; 0 = no tier */
    bool unlisted; /* "openrouter/auto": what it costs depends on what it chooses */
    bool free;     /* NAME:free */
};

struct prices prices_of(const struct relay *relay, const char *model);
double prices_cost(const struct prices *p, unsigned prompt, unsigned cached, unsigned completion);
/* The sums of a bill whose tokens are known. `failed`: it was no answer. */
void prices_reckon(const struct relay *relay, const struct behaviour *b, bool failed, struct bill *bill);
const char *prices_group(const struct behaviour *b); /* of our key */

#endif
