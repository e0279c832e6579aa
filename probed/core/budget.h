/* The rolling 24-hour money budget: a paid probe reserves its worst expected cost before it is sent and settles what it really cost afterwards.
 *
 * Scopes: all, each platform, each route; a reservation must fit in every one that has a limit. Money is in pico-units of the reference
 * currency. Time is kept in hourly buckets: what was spent leaves when its whole hour is over 24 h old, and ten minutes later, since a charge may come
 * so late; so the window is 24 h 10 min to 25 h 10 min, never less.
 * A crash between reserve and settle leaves the reservation counted at its full worth: that is the point.
 * The breaker: one probe that costs over 5x its expectation trips the route until budget_reset. */
#ifndef PROBED_CORE_BUDGET_H
#define PROBED_CORE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/units.h"

#define BUDGET_UNLIMITED ((int64_t)-1)
#define BUDGET_SURPRISE 5

struct budget;

struct budget_limits {
    int64_t all, platform, route; /* pico a day; BUDGET_UNLIMITED; 0 = nothing may be spent */
};

struct budget *budget_new(const struct budget_limits *limits);
void budget_free(struct budget *b);
void budget_set_limits(struct budget *b, const struct budget_limits *limits);

/* Account ids; the same name gives the same id again. Names are kept ("platform/model"), so that a ledger can be read back. */
int budget_route(struct budget *b, const char *platform, const char *model);

enum budget_verdict { BUDGET_GRANTED, BUDGET_ALL_SPENT, BUDGET_PLATFORM_SPENT, BUDGET_ROUTE_SPENT, BUDGET_TRIPPED };
const char *budget_verdict_text(enum budget_verdict verdict);

/* Would it fit? Changes nothing. */
enum budget_verdict budget_check(const struct budget *b, int route, int64_t pico, usec_t now);
enum budget_verdict budget_reserve(struct budget *b, int route, int64_t pico, usec_t now) ATTR_UNUSED_RESULT;
/* The probe that reserved `reserved` at `reserved_at` is over and cost `actual` (-1 = not known: the reservation stands).
 * `expected`: what it should have cost. True if this tripped the route's breaker. */
bool budget_settle(struct budget *b, int route, int64_t reserved, usec_t reserved_at, int64_t actual, int64_t expected);
void budget_reset(struct budget *b, int route); /* the breaker */
bool budget_tripped(const struct budget *b, int route);

/* What stands in the last 24 hours (reserved and spent together); -1 route/NULL platform = all. */
int64_t budget_spent(const struct budget *b, usec_t now);
int64_t budget_spent_platform(const struct budget *b, const char *platform, usec_t now);
int64_t budget_spent_route(const struct budget *b, int route, usec_t now);

/* How much a day may be spent from now on, in all, so that the money lasts until more of it comes back: the rate that can be kept up for each of the next 24
 * hours. Never less than a quarter of the limit (what there is is not planned away), which it is on an even day; BUDGET_UNLIMITED where there is no limit. */
int64_t budget_pace(const struct budget *b, usec_t now);

/* For persistence: every non-empty bucket, and putting one back (adds). hour = unix time / 3600 s. */
typedef void (*budget_bucket_fn)(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped);
void budget_each(const struct budget *b, usec_t now, budget_bucket_fn fn, void *arg);
void budget_restore(struct budget *b, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped);

#endif
