/* Inside accounts*.c only. */
#ifndef PROBED_CORE_ACCOUNTS_INSIDE_H
#define PROBED_CORE_ACCOUNTS_INSIDE_H

#include "probed/core/accounts.h"
#include "probed/core/billing.h"
#include "probed/core/charges.h"
#include "probed/core/credit.h"
#include "probed/core/decay.h"
#include "probed/core/inflation.h"

struct account_route {
    char *model;
    int platform, next; /* the platform's next one; -1 = the last */
    struct tariff price;
    struct decay_moment cost; /* of requests of known cost */
    struct charges charges;
    struct inflation inflation;
    uint8_t told_state; /* the last one that was sure */
    double told_ratio;  /* that further ones are held against */
};

struct account_platform {
    char *name;
    int routes; /* the first; -1 = none */
    bool own_rules;
    struct account_rules rules;
    double use, told; /* our use lately, and the part of it whose charge was told */
    struct billing billing;
    struct credit credit;
};

_Static_assert(sizeof(struct account_platform) <= 8192 && sizeof(struct account_route) <= 2048, "memory a platform and a route");

struct accounts {
    struct account_platform **platforms;
    struct account_route **routes;
    size_t platforms_len, platforms_size, routes_len, routes_size;
    struct account_rules rules;
    account_event_fn fn;
    void *arg;
    usec_t now; /* the latest that was told */
};

void account_platform_forget(struct account_platform *p);
void account_route_forget(struct account_route *r);

#endif
