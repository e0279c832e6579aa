/* A prober as far as money goes, in a random world that tries to overspend its budget. Included by tests only.
 *
 * A world has platforms, routes, limits, a disk on which reservations are written down, a process that dies at any moment (before and after the reservation is
 * written, before and after the request is sent, before and after its cost is written), reloads that change the limits or rename what is probed, an
 * operator who resets breakers, a clock that stands still or is set back over a restart, relays that charge more than was reserved (five times, fifty times,
 * for ten million tokens), that tell what they charge or nothing, and that post it minutes late. What was truly charged is kept by the relays, in
 * real time; the books never see it but by what is told.
 *
 * The bound, checked whenever money is charged, for all routes, for the platform and for the route alike: in the 24 hours up to now
 *
 *     charged <= limit + surprises in flight
 *
 * where the limit is the one that was in force when the last probe of that scope was granted, and the surprises in flight are what probes cost beyond what was
 * reserved for them whose cost had not been written down at that moment: those in flight, and those of which nothing was ever heard (cut off by a crash, dropped
 * by a reload, told nothing). A probe whose cost was known when another was granted has no part in it: the books had it in full. */
#ifndef TESTS_UNIT_CORE_SPENDER_H
#define TESTS_UNIT_CORE_SPENDER_H

#include "tests/unit/core/field.h"

#include "probed/core/budget.h"

#define SPENDER_PLATFORMS 3
#define SPENDER_ROUTES 9
#define SPENDER_PROBES 4000
#define SPENDER_STEPS 700
#define SPENDER_LIMIT ((int64_t)1000000000000) /* one unit of money a day */

/* Where reservations are written down. */
struct spender_disk {
    void *arg;
    void (*wipe)(void *arg); /* a new world */
    /* A new life: a budget that knows what the disk knows. */
    struct budget *(*start)(void *arg, const struct budget_limits *limits, usec_t now);
    void (*reserve)(void *arg, const char *platform, const char *model, int64_t pico, usec_t now);
    void (*settle)(void *arg, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped);
    void (*reset)(void *arg, const char *platform, const char *model);
    void (*end)(void *arg); /* kill -9: nothing more is written */
};

struct spender_probe { /* as the relay's till has it, and when the books heard of it */
    int route, platform_name, route_name;
    int64_t reserved, truth;
    usec_t reserved_at; /* by the prober's clock */
    usec_t over, charged; /* real time: when it ends, when it is posted; charged 0 = it never was sent */
    unsigned granted, settled; /* the order of things; settled 0 = nothing was written down */
    struct budget_limits limits;
    bool posted;
};

struct spender {
    uint64_t seed, random;
    struct spender_disk disk;
    struct budget *budget;
    struct budget_limits limits;
    usec_t real, clock;
    unsigned order;
    double dearness; /* the largest reservation, as a share of the limit */
    double surprising, crashing, untold;
    usec_t pause;  /* the usual time between two things */
    usec_t late;   /* charges are posted up to so much later */
    bool sets_back;
    bool edgy;     /* much happens just before an hour ends and just after */
    int platform_name[SPENDER_PLATFORMS], route_name[SPENDER_ROUTES], names;
    int flight[SPENDER_ROUTES]; /* probe; -1 = none */
    struct spender_probe probe[SPENDER_PROBES];
    int probes;
    int64_t most_over; /* what went beyond a limit, at most */
    unsigned crashes, trips;
    double used;       /* of the limit for all, at most */
};

static inline double spender_random(struct spender *s) { return field_random(&s->random); }
static inline bool spender_happens(struct spender *s, double chance) { return spender_random(s) < chance; }

static inline int spender_platform_of(int route) { return route % SPENDER_PLATFORMS; }

static inline void spender_names(const struct spender *s, int platform_name, int route_name, char platform[16], char model[16])
{
    (void)s;
    snprintf(platform, 16, "p%d", platform_name);
    snprintf(model, 16, "m%d", route_name);
}

/* --- the relays' tills, and the bound --- */

enum spender_scope { SPENDER_ALL, SPENDER_PLATFORM, SPENDER_ROUTE };

static inline bool spender_in(enum spender_scope scope, const struct spender_probe *a, const struct spender_probe *b)
{
    return scope == SPENDER_ALL || (a->platform_name == b->platform_name && (scope == SPENDER_PLATFORM || a->route_name == b->route_name));
}

static inline int64_t spender_limit(enum spender_scope scope, const struct budget_limits *limits)
{
    return scope == SPENDER_ALL ? limits->all : scope == SPENDER_PLATFORM ? limits->platform : limits->route;
}

static inline void spender_check(struct spender *s, enum spender_scope scope, const struct spender_probe *by)
{
    static const char *const names[] = {"all", "a platform", "a route"};
    const struct spender_probe *last = NULL;
    int64_t charged = 0, surprises = 0;
    for (int i = 0; i < s->probes; i++)
        if (spender_in(scope, &s->probe[i], by) && (!last || s->probe[i].granted > last->granted))
            last = &s->probe[i];
    int64_t limit = spender_limit(scope, &last->limits);
    for (int i = 0; i < s->probes; i++) {
        const struct spender_probe *p = &s->probe[i];
        if (!p->posted || !spender_in(scope, p, by) || by->charged - p->charged >= USEC_PER_DAY)
            continue;
        charged += p->truth;
        if (p->truth > p->reserved && (p->settled == 0 || p->settled > last->granted))
            surprises += p->truth - p->reserved;
    }
    if (limit < 0)
        return;
    if (charged - limit > s->most_over)
        s->most_over = charged - limit;
    if (scope == SPENDER_ALL && limit > 0 && (double)charged / (double)limit > s->used)
        s->used = (double)charged / (double)limit;
    if (charged > limit + surprises)
        fail_msg("TEST_SEED=%llu TEST_ROUNDS=1: %s: charged %lld in 24 h, the limit is %lld and the surprises in flight are %lld",
                 (unsigned long long)s->seed, names[scope], (long long)charged, (long long)limit, (long long)surprises);
}

/* Posts what is due up to now, in its order. */
static inline void spender_post(struct spender *s)
{
    for (;;) {
        struct spender_probe *next = NULL;
        for (int i = s->probes - 1; i >= 0 && i > s->probes - 200; i--) {
            struct spender_probe *p = &s->probe[i];
            if (p->charged > 0 && !p->posted && p->charged <= s->real && (!next || p->charged < next->charged))
                next = p;
        }
        if (!next)
            return;
        next->posted = true;
        for (int scope = SPENDER_ALL; scope <= SPENDER_ROUTE; scope++)
            spender_check(s, (enum spender_scope)scope, next);
    }
}

/* --- the process --- */

static inline void spender_crash(struct spender *s)
{
    s->disk.end(s->disk.arg);
    budget_free(s->budget);
    s->crashes++;
    for (int i = 0; i < SPENDER_ROUTES; i++)
        s->flight[i] = -1;
    if (spender_happens(s, 0.3)) { /* it is away for some time */
        usec_t away = (usec_t)(spender_random(s) * (spender_happens(s, 0.1) ? 30 : 1) * (double)USEC_PER_HOUR);
        s->real += away;
        s->clock += away;
    }
    if (s->sets_back && spender_happens(s, 0.3))
        s->clock -= (usec_t)(spender_random(s) * spender_random(s) * 3 * (double)USEC_PER_DAY);
    spender_post(s);
    s->budget = s->disk.start(s->disk.arg, &s->limits, s->clock);
}

/* What a probe costs for which so much was reserved. */
static inline int64_t spender_truth(struct spender *s, int64_t reserved)
{
    double kind = spender_random(s), times = spender_random(s);
    if (kind < s->surprising * 0.1)
        times = 1000 * (1 + times);
    else if (kind < s->surprising * 0.5)
        times = 5 + 45 * times;
    else if (kind < s->surprising)
        times = 1 + 4 * times;
    else if (kind < s->surprising + 0.2)
        times = 1;
    else if (kind < s->surprising + 0.25)
        times = 0;
    return (int64_t)((double)reserved * times);
}

/* True if the process died of it. */
static inline bool spender_begin(struct spender *s, int route)
{
    char platform[16], model[16];
    int64_t pico = 1 + (int64_t)(spender_random(s) * spender_random(s) * s->dearness * (double)SPENDER_LIMIT);
    if (s->flight[route] >= 0 || s->probes == SPENDER_PROBES)
        return false;
    spender_names(s, s->platform_name[spender_platform_of(route)], s->route_name[route], platform, model);
    int account = budget_route(s->budget, platform, model);
    if (budget_reserve(s->budget, account, pico, s->clock) != BUDGET_GRANTED)
        return false;
    if (spender_happens(s, s->crashing)) { /* nothing is written: it cost nothing, and nobody knows of it */
        spender_crash(s);
        return true;
    }
    s->disk.reserve(s->disk.arg, platform, model, pico, s->clock);
    struct spender_probe *p = &s->probe[s->probes++];
    *p = (struct spender_probe){.route = route, .platform_name = s->platform_name[spender_platform_of(route)], .route_name = s->route_name[route],
                                .reserved = pico, .reserved_at = s->clock, .limits = s->limits, .granted = ++s->order};
    if (spender_happens(s, s->crashing)) { /* written, but not sent */
        spender_crash(s);
        return true;
    }
    p->truth = spender_truth(s, pico);
    p->over = s->real + 1 + (usec_t)(spender_random(s) * 45 * (double)SEC);
    p->charged = p->over + (usec_t)(spender_random(s) * (double)s->late);
    s->flight[route] = s->probes - 1;
    return false;
}

/* True if the process died of it. */
static inline bool spender_end(struct spender *s, int route)
{
    char platform[16], model[16];
    struct spender_probe *p = &s->probe[s->flight[route]];
    int64_t told = spender_happens(s, s->untold) ? -1 : p->truth, expected = p->reserved / 2 + 1;
    if (spender_happens(s, s->crashing)) { /* before anybody heard of its cost */
        spender_crash(s);
        return true;
    }
    spender_names(s, p->platform_name, p->route_name, platform, model);
    int account = budget_route(s->budget, platform, model);
    bool tripped = budget_settle(s->budget, account, p->reserved, p->reserved_at, told, expected);
    s->trips += tripped;
    s->flight[route] = -1;
    if (spender_happens(s, s->crashing)) { /* heard, but not written */
        spender_crash(s);
        return true;
    }
    s->disk.settle(s->disk.arg, platform, model, p->reserved, p->reserved_at, told, tripped);
    if (told >= 0)
        p->settled = ++s->order;
    return false;
}

/* --- what an operator does --- */

static inline struct budget_limits spender_limits(struct spender *s)
{
    double all = spender_random(s), platform = spender_random(s), route = spender_random(s);
    struct budget_limits limits = {SPENDER_LIMIT, BUDGET_UNLIMITED, BUDGET_UNLIMITED};
    if (all < 0.6)
        limits.all = (int64_t)((double)SPENDER_LIMIT * (0.05 + 1.5 * spender_random(s)));
    else if (all < 0.65)
        limits.all = 0;
    else if (all < 0.7)
        limits.all = BUDGET_UNLIMITED;
    if (platform < 0.6)
        limits.platform = (int64_t)((double)SPENDER_LIMIT * spender_random(s));
    if (route < 0.6)
        limits.route = (int64_t)((double)SPENDER_LIMIT * 0.5 * spender_random(s));
    return limits;
}

static inline void spender_reload(struct spender *s)
{
    int route = (int)(spender_random(s) * SPENDER_ROUTES);
    switch ((int)(spender_random(s) * 3)) {
    case 0:
        s->limits = spender_limits(s);
        budget_set_limits(s->budget, &s->limits);
        break;
    case 1: /* another name: what is in flight there is dropped, and stands */
        s->route_name[route] = ++s->names;
        s->flight[route] = -1;
        break;
    default:
        s->platform_name[spender_platform_of(route)] = ++s->names;
        for (int i = 0; i < SPENDER_ROUTES; i++)
            if (spender_platform_of(i) == spender_platform_of(route))
                s->flight[i] = -1;
        break;
    }
}

static inline void spender_enable(struct spender *s)
{
    char platform[16], model[16];
    int route = (int)(spender_random(s) * SPENDER_ROUTES);
    spender_names(s, s->platform_name[spender_platform_of(route)], s->route_name[route], platform, model);
    budget_reset(s->budget, budget_route(s->budget, platform, model));
    s->disk.reset(s->disk.arg, platform, model);
}

/* --- a world --- */

static inline void spender_init(struct spender *s, uint64_t seed, const struct spender_disk *disk)
{
    static const usec_t pauses[] = {20 * SEC, 60 * SEC, 300 * SEC, 1200 * SEC};
    *s = (struct spender){.seed = seed, .random = seed, .disk = *disk};
    s->real = s->clock = NOW0 + (usec_t)(spender_random(s) * 1e12);
    s->limits = (struct budget_limits){SPENDER_LIMIT, BUDGET_UNLIMITED, BUDGET_UNLIMITED};
    if (spender_happens(s, 0.5))
        s->limits = spender_limits(s);
    s->dearness = pow(10, -3 * spender_random(s));
    s->surprising = spender_happens(s, 0.3) ? 0 : 0.3 * spender_random(s);
    s->untold = spender_happens(s, 0.5) ? 0 : spender_random(s);
    s->crashing = spender_happens(s, 0.2) ? 0 : 0.05 * spender_random(s);
    s->pause = pauses[(int)(spender_random(s) * 4)];
    s->late = spender_happens(s, 0.5) ? 0 : 5 * USEC_PER_MINUTE;
    s->sets_back = spender_happens(s, 0.3);
    s->edgy = spender_happens(s, 0.3);
    for (int i = 0; i < SPENDER_PLATFORMS; i++)
        s->platform_name[i] = ++s->names;
    for (int i = 0; i < SPENDER_ROUTES; i++) {
        s->route_name[i] = ++s->names;
        s->flight[i] = -1;
    }
    s->disk.wipe(s->disk.arg);
    s->budget = s->disk.start(s->disk.arg, &s->limits, s->clock);
}

static inline void spender_step(struct spender *s)
{
    usec_t passes = (usec_t)(spender_random(s) * 2 * (double)s->pause);
    if (s->edgy && spender_happens(s, 0.5))
        passes = USEC_PER_HOUR - s->clock % USEC_PER_HOUR + (usec_t)((spender_random(s) - 0.7) * 60 * (double)SEC);
    passes = passes > 0 ? passes : 0;
    s->real += passes;
    if (!spender_happens(s, 0.02)) /* else the machine slept, and its clock with it */
        s->clock += passes;
    for (int i = 0; i < SPENDER_ROUTES; i++)
        if (s->flight[i] >= 0 && s->probe[s->flight[i]].over <= s->real && spender_end(s, i))
            break;
    spender_post(s);
    double what = spender_random(s);
    if (what < s->crashing)
        spender_crash(s);
    else if (what < s->crashing + 0.01)
        spender_reload(s);
    else if (what < s->crashing + 0.02)
        spender_enable(s);
    for (int n = 1 + (int)(spender_random(s) * 4); n > 0; n--)
        if (spender_begin(s, (int)(spender_random(s) * SPENDER_ROUTES)))
            break;
}

/* Nothing is held back for ever: a day later there is room again. */
static inline void spender_check_room(struct spender *s)
{
    s->clock += 26 * USEC_PER_HOUR;
    assert_int_equal(budget_spent(s->budget, s->clock), 0);
    int account = budget_route(s->budget, "fresh", "fresh");
    int64_t all = s->limits.all, most = all < 0 || all > SPENDER_LIMIT ? SPENDER_LIMIT : all;
    most = s->limits.platform >= 0 && s->limits.platform < most ? s->limits.platform : most;
    most = s->limits.route >= 0 && s->limits.route < most ? s->limits.route : most;
    assert_int_equal(budget_reserve(s->budget, account, most, s->clock), BUDGET_GRANTED);
}

static inline void spender_play(struct spender *s, uint64_t seed, const struct spender_disk *disk)
{
    spender_init(s, seed, disk);
    for (int i = 0; i < SPENDER_STEPS; i++)
        spender_step(s);
    s->real += USEC_PER_HOUR;
    spender_post(s);
    spender_check_room(s);
    s->disk.end(s->disk.arg);
    budget_free(s->budget);
}

/* TEST_ROUNDS worlds from TEST_SEED on; a world that fails is played alone with TEST_SEED=(its seed) TEST_ROUNDS=1. */
static inline void spender_worlds(const struct spender_disk *disk, int rounds)
{
    const char *given = getenv("TEST_ROUNDS");
    uint64_t seed = field_seed();
    struct spender *s = malloc(sizeof *s);
    int over = 0, full = 0;
    long probes = 0, crashes = 0, trips = 0;
    rounds = given ? atoi(given) : rounds;
    for (int i = 0; i < rounds; i++) {
        spender_play(s, seed + (uint64_t)i, disk);
        probes += s->probes;
        crashes += s->crashes;
        trips += s->trips;
        over += s->most_over > 0;
        full += s->used > 0.9;
    }
    print_message("%d worlds: %ld probes, %ld crashes, %ld breakers; %d spent more than 90 %% of their budget, in %d a surprise went beyond a limit\n",
                  rounds, probes, crashes, trips, full, over);
    if (rounds >= 100) { /* worlds in which nothing happens prove nothing */
        assert_true(full > rounds / 5 && over > rounds / 10);
        assert_true(crashes > 3L * rounds && trips > rounds);
    }
    free(s);
}

#endif
