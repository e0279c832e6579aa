/* The rolling day of money.
 *
 * One account for all, one a platform, one a route, each with hourly buckets: the running hour and the 24 before it, so that the window is never less
 * than 24 hours, and one more for the first minutes of an hour (LATE): what was reserved at the very end of an hour is charged after it, and must be counted
 * for 24 hours from then. A bucket remembers its hour by its place in the ring and the account's newest hour; moving the ring forward empties what it passes.
 * Reserving adds to the three accounts, settling corrects the same buckets if they are still there. Amounts saturate: a restored file with
 * absurd numbers blocks spending and never overflows into allowing it. */
#include "probed/core/budget.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define HOURS 26
/* So long after its hour's 24 h money still counts: a probe is charged when it is over, or when the relay gets round to it, and not when it was reserved. */
#define LATE (10 * USEC_PER_MINUTE)
#define PICO_MOST (INT64_MAX / 4)

struct account {
    int64_t newest; /* hour of the newest bucket */
    int64_t hours[HOURS]; /* hour h is at h % HOURS; pico */
};

struct budget_platform {
    char *name;
    struct account account;
};

struct budget_route {
    char *model;
    int platform;
    bool tripped;
    struct account account;
};

struct budget {
    struct budget_limits limits;
    struct account all;
    struct budget_platform *platforms;
    size_t platforms_len, platforms_size;
    struct budget_route *routes;
    size_t routes_len, routes_size;
    int *index; /* open hash of routes; -1 = free */
    size_t index_size;
};

struct budget *budget_new(const struct budget_limits *limits)
{
    struct budget *b = alloc_zero(1, sizeof(*b));

    b->limits = *limits;
    return b;
}

void budget_free(struct budget *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->platforms_len; i++)
        free(b->platforms[i].name);
    for (size_t i = 0; i < b->routes_len; i++)
        free(b->routes[i].model);
    free(b->platforms);
    free(b->routes);
    free(b->index);
    free(b);
}

void budget_set_limits(struct budget *b, const struct budget_limits *limits)
{
    b->limits = *limits;
}

static int64_t hour_of(usec_t at)
{
    return at < 0 ? 0 : at / USEC_PER_HOUR;
}

static int64_t add_capped(int64_t a, int64_t b)
{
    int64_t sum = a + b; /* both within PICO_MOST */

    return sum > PICO_MOST ? PICO_MOST : sum < 0 ? 0 : sum;
}

/* Moves the ring on to `hour`; what falls out of it is forgotten. Never back. */
static void advance(struct account *a, int64_t hour)
{
    if (hour <= a->newest)
        return;
    if (hour - a->newest >= HOURS) {
        memset(a->hours, 0, sizeof(a->hours));
    } else {
        for (int64_t h = a->newest + 1; h <= hour; h++)
            a->hours[h % HOURS] = 0;
    }
    a->newest = hour;
}

static void add(struct account *a, int64_t hour, int64_t pico)
{
    advance(a, hour);
    if (a->newest - hour >= HOURS) {
        /* Corrections of what was forgotten don't matter; money spent under a clock that was set back does. */
        if (pico < 0)
            return;
        hour = a->newest;
    }
    a->hours[hour % HOURS] = add_capped(a->hours[hour % HOURS], pico);
}

static int64_t spent(const struct account *a, usec_t now)
{
    int64_t hour = hour_of(now - LATE), sum = 0;

    for (int64_t h = a->newest; h > a->newest - HOURS && h >= 0; h--) {
        if (hour - h < HOURS - 1)
            sum = add_capped(sum, a->hours[h % HOURS]);
    }
    return sum;
}

static uint64_t hash(const char *platform, const char *model)
{
    uint64_t h = 14695981039346656037U;

    for (; *platform; platform++)
        h = (h ^ (unsigned char)*platform) * 1099511628211U;
    h = (h ^ '/') * 1099511628211U;
    for (; *model; model++)
        h = (h ^ (unsigned char)*model) * 1099511628211U;
    return h ^ h >> 32;
}

static int find_platform(const struct budget *b, const char *name)
{
    for (size_t i = 0; i < b->platforms_len; i++) {
        if (strcmp(b->platforms[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static int add_platform(struct budget *b, const char *name)
{
    int found = find_platform(b, name);

    if (found >= 0)
        return found;
    if (b->platforms_len == b->platforms_size) {
        b->platforms_size = b->platforms_size ? 2 * b->platforms_size : 16;
        b->platforms = alloc_resize(b->platforms, b->platforms_size, sizeof(b->platforms[0]));
    }
    b->platforms[b->platforms_len] = (struct budget_platform){.name = alloc_string(name)};
    return (int)b->platforms_len++;
}

static void index_put(struct budget *b, int route)
{
    const struct budget_route *r = &b->routes[route];
    size_t at = hash(b->platforms[r->platform].name, r->model) & (b->index_size - 1);

    while (b->index[at] >= 0)
        at = (at + 1) & (b->index_size - 1);
    b->index[at] = route;
}

static int index_find(const struct budget *b, const char *platform, const char *model)
{
    if (b->index_size == 0)
        return -1;
    for (size_t at = hash(platform, model) & (b->index_size - 1); b->index[at] >= 0; at = (at + 1) & (b->index_size - 1)) {
        const struct budget_route *r = &b->routes[b->index[at]];

        if (strcmp(r->model, model) == 0 && strcmp(b->platforms[r->platform].name, platform) == 0)
            return b->index[at];
    }
    return -1;
}

static void index_grow(struct budget *b)
{
    if (2 * (b->routes_len + 1) <= b->index_size)
        return;
    b->index_size = b->index_size ? 2 * b->index_size : 64;
    b->index = alloc_resize(b->index, b->index_size, sizeof(b->index[0]));
    memset(b->index, 0xff, b->index_size * sizeof(b->index[0]));
    for (size_t i = 0; i < b->routes_len; i++)
        index_put(b, (int)i);
}

int budget_route(struct budget *b, const char *platform, const char *model)
{
    int found = index_find(b, platform, model);

    if (found >= 0)
        return found;
    index_grow(b);
    if (b->routes_len == b->routes_size) {
        b->routes_size = b->routes_size ? 2 * b->routes_size : 64;
        b->routes = alloc_resize(b->routes, b->routes_size, sizeof(b->routes[0]));
    }
    b->routes[b->routes_len] = (struct budget_route){.model = alloc_string(model), .platform = add_platform(b, platform)};
    index_put(b, (int)b->routes_len);
    return (int)b->routes_len++;
}

const char *budget_verdict_text(enum budget_verdict verdict)
{
    static const char *const texts[] = {
        "granted",
        "the daily budget is spent",
        "the platform's daily budget is spent",
        "the route's daily budget is spent",
        "stopped: a probe cost over 5 times what was expected",
    };

    return (size_t)verdict < ARRAY_LEN(texts) ? texts[verdict] : "?";
}

static bool fits(const struct account *a, int64_t limit, int64_t pico, usec_t now)
{
    return limit < 0 || spent(a, now) <= limit - pico;
}

enum budget_verdict budget_check(const struct budget *b, int route, int64_t pico, usec_t now)
{
    const struct budget_route *r = &b->routes[route];

    if (r->tripped)
        return BUDGET_TRIPPED;
    /* A cost that cannot be is not granted, whatever the limits. */
    if (pico < 0 || pico > PICO_MOST)
        return BUDGET_ALL_SPENT;
    if (!fits(&b->all, b->limits.all, pico, now))
        return BUDGET_ALL_SPENT;
    if (!fits(&b->platforms[r->platform].account, b->limits.platform, pico, now))
        return BUDGET_PLATFORM_SPENT;
    return fits(&r->account, b->limits.route, pico, now) ? BUDGET_GRANTED : BUDGET_ROUTE_SPENT;
}

static void book(struct budget *b, int route, int64_t hour, int64_t pico)
{
    struct budget_route *r = &b->routes[route];

    add(&b->all, hour, pico);
    add(&b->platforms[r->platform].account, hour, pico);
    add(&r->account, hour, pico);
}

enum budget_verdict budget_reserve(struct budget *b, int route, int64_t pico, usec_t now)
{
    enum budget_verdict verdict = budget_check(b, route, pico, now);

    if (verdict == BUDGET_GRANTED)
        book(b, route, hour_of(now), pico);
    return verdict;
}

bool budget_settle(struct budget *b, int route, int64_t reserved, usec_t reserved_at, int64_t actual, int64_t expected)
{
    if (actual < 0)
        return false;
    if (actual > PICO_MOST)
        actual = PICO_MOST;
    book(b, route, hour_of(reserved_at), actual - reserved);
    if (expected <= 0 || actual / BUDGET_SURPRISE < expected || (actual / BUDGET_SURPRISE == expected && actual % BUDGET_SURPRISE == 0) ||
        b->routes[route].tripped)
        return false;
    b->routes[route].tripped = true;
    return true;
}

void budget_reset(struct budget *b, int route)
{
    b->routes[route].tripped = false;
}

bool budget_tripped(const struct budget *b, int route)
{
    return b->routes[route].tripped;
}

int64_t budget_spent(const struct budget *b, usec_t now)
{
    return spent(&b->all, now);
}

int64_t budget_spent_platform(const struct budget *b, const char *platform, usec_t now)
{
    int found = platform ? find_platform(b, platform) : -1;

    if (!platform)
        return budget_spent(b, now);
    return found < 0 ? 0 : spent(&b->platforms[found].account, now);
}

int64_t budget_spent_route(const struct budget *b, int route, usec_t now)
{
    return route < 0 ? budget_spent(b, now) : spent(&b->routes[route].account, now);
}

int64_t budget_pace(const struct budget *b, usec_t now)
{
    int64_t limit = b->limits.all, pace = limit;

    for (int h = 1; h <= 24 && limit > 0; h++) {
        int64_t left = limit - spent(&b->all, now + h * USEC_PER_HOUR);
        int64_t rate = left > 0 ? left / h * 24 : 0;

        if (rate < pace)
            pace = rate;
    }
    return limit > 0 && pace < limit / 4 ? limit / 4 : pace;
}

void budget_each(const struct budget *b, usec_t now, budget_bucket_fn fn, void *arg)
{
    int64_t hour = hour_of(now);

    for (size_t i = 0; i < b->routes_len; i++) {
        const struct budget_route *r = &b->routes[i];
        const char *platform = b->platforms[r->platform].name;
        bool told = false;

        for (int64_t h = r->account.newest - HOURS + 1; h <= r->account.newest; h++) {
            if (h < 0 || hour - h >= HOURS || r->account.hours[h % HOURS] == 0)
                continue;
            fn(arg, platform, r->model, h, r->account.hours[h % HOURS], r->tripped);
            told = true;
        }
        /* A tripped breaker outlives the money. */
        if (r->tripped && !told)
            fn(arg, platform, r->model, hour, 0, true);
    }
}

void budget_restore(struct budget *b, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    int route = budget_route(b, platform, model);

    if (tripped)
        b->routes[route].tripped = true;
    /* What is older than the newest known by more than the window has left it already. */
    if (pico <= 0 || hour < 0 || b->all.newest - hour >= HOURS)
        return;
    book(b, route, hour, pico > PICO_MOST ? PICO_MOST : pico);
}
