/* The accounts: who belongs to whom, and what is told goes where.
 *
 * A request becomes use of its platform (billing.c), a charge that was told becomes evidence of its route (charges.c), a told prompt size
 * goes against the known one (inflation.c), a reading first says what is use and what is not (credit.c) and then closes a slot of the
 * books. After each of these what turned is told.
 *
 * A route's ratio is its own where its own is sure; else its platform's. One exception: if nearly all charges of a platform are told and as
 * advertised, but more than that leaves the balance, then the balance is right. */
#include "probed/core/accounts_inside.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define COST_HALF_LIFE (7 * USEC_PER_DAY)
#define UNTOLD_MOST    2.0   /* times the usual cost: a request of which no usage was told */
#define TOLD_MOST      0.9   /* of the use: "nearly all" */
#define LATELY         0.998 /* per request */
#define DRIFT          2.0
#define RATIO_LEAST    0.01 /* of what further ratios are held against */

static const struct account_rules no_rules = {.low_credit = -1, .runway_days = 0};

struct account_reading account_reading_make(void)
{
    return (struct account_reading){.left = -1, .used = -1, .granted = -1, .gift = -1};
}

/* --- who there is -------------------------------------------------------------------------------------------------------- */

struct accounts *accounts_new(void)
{
    struct accounts *a = alloc_zero(1, sizeof(*a));

    a->rules = no_rules;
    return a;
}

void accounts_free(struct accounts *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->platforms_len; i++) {
        free(a->platforms[i]->name);
        free(a->platforms[i]);
    }
    for (size_t i = 0; i < a->routes_len; i++) {
        free(a->routes[i]->model);
        free(a->routes[i]);
    }
    free(a->platforms);
    free(a->routes);
    free(a);
}

static bool name_fine(const char *name)
{
    size_t len = strnlen(name, ACCOUNTS_NAME_MAX + 1);

    return len > 0 && len <= ACCOUNTS_NAME_MAX;
}

int accounts_platform(struct accounts *a, const char *name)
{
    struct account_platform *p;

    if (!name_fine(name))
        return -EINVAL;
    for (size_t i = 0; i < a->platforms_len; i++) {
        if (strcmp(a->platforms[i]->name, name) == 0)
            return (int)i;
    }
    if (a->platforms_len == ACCOUNTS_PLATFORMS_MAX)
        return -E2BIG;
    if (a->platforms_len == a->platforms_size) {
        a->platforms_size = a->platforms_size ? 2 * a->platforms_size : 16;
        a->platforms = alloc_resize(a->platforms, a->platforms_size, sizeof(struct account_platform *));
    }
    p = alloc_zero(1, sizeof(*p));
    p->name = alloc_string(name);
    p->routes = -1;
    p->rules = a->rules;
    a->platforms[a->platforms_len] = p;
    return (int)a->platforms_len++;
}

int accounts_route(struct accounts *a, int platform, const char *model)
{
    struct account_platform *p = a->platforms[platform];
    struct account_route *r;

    if (!name_fine(model))
        return -EINVAL;
    for (int i = p->routes; i >= 0; i = a->routes[i]->next) {
        if (strcmp(a->routes[i]->model, model) == 0)
            return i;
    }
    if (a->routes_len == ACCOUNTS_ROUTES_MAX)
        return -E2BIG;
    if (a->routes_len == a->routes_size) {
        a->routes_size = a->routes_size ? 2 * a->routes_size : 64;
        a->routes = alloc_resize(a->routes, a->routes_size, sizeof(struct account_route *));
    }
    r = alloc_zero(1, sizeof(*r));
    *r = (struct account_route){
        .model = alloc_string(model), .platform = platform, .next = p->routes, .price = tariff_make(), .told_ratio = 1};
    p->routes = (int)a->routes_len;
    a->routes[a->routes_len] = r;
    return (int)a->routes_len++;
}

void account_platform_forget(struct account_platform *p)
{
    memset(&p->billing, 0, sizeof(p->billing));
    memset(&p->credit, 0, sizeof(p->credit));
    p->use = p->told = 0;
}

void account_route_forget(struct account_route *r)
{
    memset(&r->cost, 0, sizeof(r->cost));
    memset(&r->charges, 0, sizeof(r->charges));
    r->told_state = ACCOUNT_INSUFFICIENT;
    r->told_ratio = 1;
}

void accounts_forget(struct accounts *a, int platform)
{
    struct account_platform *p = a->platforms[platform];

    account_platform_forget(p);
    for (int i = p->routes; i >= 0; i = a->routes[i]->next)
        account_route_forget(a->routes[i]);
}

static void advance(struct accounts *a, usec_t now)
{
    a->now = now > a->now ? now : a->now;
}

/* --- events -------------------------------------------------------------------------------------------------------------- */

void accounts_set_events(struct accounts *a, account_event_fn fn, void *arg)
{
    a->fn = fn;
    a->arg = arg;
}

static struct account_event event(const struct accounts *a, enum account_event_type type, int platform, int route)
{
    return (struct account_event){.type = type,
                                  .platform = platform,
                                  .route = route,
                                  .name = a->platforms[platform]->name,
                                  .model = route < 0 ? NULL : a->routes[route]->model,
                                  .at = a->now,
                                  .was_ratio = -1,
                                  .left = -1,
                                  .days = -1};
}

static void tell(const struct accounts *a, const struct account_event *e)
{
    if (a->fn)
        a->fn(a->arg, e);
}

static void look_at_ratio(struct accounts *a, int route)
{
    struct account_route *r = a->routes[route];
    struct account_event e = event(a, ACCOUNT_EVENT_RATIO, r->platform, route);

    accounts_ratio(a, route, a->now, &e.ratio);
    if (e.ratio.state == ACCOUNT_INSUFFICIENT)
        return;
    double is = fmax(e.ratio.ratio, RATIO_LEAST), was = fmax(r->told_ratio, RATIO_LEAST);
    bool drifted = is >= DRIFT * was || was >= DRIFT * is;

    e.state = e.ratio.state;
    e.was_state = r->told_state;
    e.was_ratio = r->told_ratio;
    if (e.state != e.was_state || drifted) {
        r->told_state = (uint8_t)e.state;
        r->told_ratio = e.ratio.ratio;
    }
    if (e.state != e.was_state)
        tell(a, &e);
    e.type = ACCOUNT_EVENT_DRIFT;
    if (drifted)
        tell(a, &e);
}

static void look_at_ratios(struct accounts *a, int platform)
{
    for (int i = a->platforms[platform]->routes; i >= 0; i = a->routes[i]->next)
        look_at_ratio(a, i);
}

static void look_at_credit(struct accounts *a, int platform)
{
    struct account_platform *p = a->platforms[platform];
    struct account_event e = event(a, ACCOUNT_EVENT_LOW_CREDIT, platform, -1);
    struct account_credit is;

    credit_told(&p->credit, &p->rules, a->now, &is);
    e.left = is.reading.left;
    e.days = is.days;
    if (is.low_credit != p->credit.low) {
        p->credit.low = e.on = is.low_credit;
        tell(a, &e);
    }
    if (is.short_runway != p->credit.shortage) {
        e.type = ACCOUNT_EVENT_SHORT_RUNWAY;
        p->credit.shortage = e.on = is.short_runway;
        tell(a, &e);
    }
}

void accounts_set_rules(struct accounts *a, int platform, const struct account_rules *rules, usec_t now)
{
    advance(a, now);
    if (platform < 0)
        a->rules = *rules;
    for (int i = 0; i < (int)a->platforms_len; i++) {
        struct account_platform *p = a->platforms[i];

        if (i == platform)
            p->own_rules = true;
        if (i == platform || (platform < 0 && !p->own_rules)) {
            p->rules = *rules;
            look_at_credit(a, i);
        }
    }
}

/* --- what is told -------------------------------------------------------------------------------------------------------- */

void accounts_price(struct accounts *a, int route, const struct tariff *price, usec_t now)
{
    struct account_route *r = a->routes[route];

    advance(a, now);
    if (tariff_same(&r->price, price))
        return;
    r->price = *price;
    memset(&r->cost, 0, sizeof(r->cost)); /* at the old one */
}

/* Charges are whole multiples of a step: rounded down, up, or up to one step at least. */
static void round_out(const struct account_platform *p, double *low, double *high)
{
    double unit = p->credit.at ? credit_unit(&p->credit) : 0, step = (double)p->credit.last.step;

    if (step <= 0)
        step = unit > 0 && unit < BILLING_STEP ? unit : BILLING_STEP;
    *low = floor(*low / step) * step;
    *high = ceil(*high / step) * step;
}

/* What became of a request: did it cost anything, and is that known? */
enum cost { COST_NONE, COST_KNOWN, COST_RANGE, COST_BLIND };

static enum cost cost_of(const struct account_route *r, const struct observation *o, struct tariff_cost *ret)
{
    const struct tariff_usage usage = {o->prompt_tokens, o->output_tokens, o->reasoning_tokens, o->cached_tokens};
    bool told = tariff_cost(&r->price, &usage, ret);

    if (o->outcome.stage < STAGE_SEND)
        return COST_NONE;
    if (told && outcome_ok(o->outcome))
        return COST_KNOWN;
    if (told) { /* failed: some charge for it, some do not */
        ret->low = 0;
        return COST_RANGE;
    }
    if (!tariff_known(&r->price) || r->cost.weight <= 0)
        return COST_BLIND;
    *ret = (struct tariff_cost){0, (int64_t)fmin(UNTOLD_MOST * r->cost.mean, (double)TARIFF_MOST)};
    return COST_RANGE;
}

static void use(struct accounts *a, struct account_route *r, const struct observation *o, int64_t charged, enum cost cost,
                const struct tariff_cost *range)
{
    struct account_platform *p = a->platforms[r->platform];
    double low = (double)range->low, high = (double)range->high;

    if (cost == COST_NONE)
        return;
    if (cost == COST_BLIND && charged >= 0)
        low = high = fmin((double)charged, (double)TARIFF_MOST);
    else if (cost == COST_BLIND) {
        billing_blind(&p->billing, a->now);
        return;
    }
    if (cost == COST_KNOWN)
        decay_moment_add(&r->cost, (low + high) / 2, COST_HALF_LIFE, a->now);
    p->use = p->use * LATELY + (low + high) / 2;
    p->told = p->told * LATELY + (charged >= 0 ? (low + high) / 2 : 0);
    round_out(p, &low, &high);
    billing_use(&p->billing, low, high, o->source == SOURCE_TRAFFIC, a->now);
}

/* What a probe cost, as far as it is known. */
static double probe_cost(const struct accounts *a, int route, int64_t charged, enum cost cost, const struct tariff_cost *range)
{
    if (charged >= 0)
        return (double)charged;
    if (cost == COST_NONE)
        return 0;
    if (cost == COST_BLIND)
        return -1;
    /* Of a failed one nothing is known; half of what it may be. */
    return ((double)range->low + (double)range->high) / 2 * accounts_factor(a, route, a->now);
}

/* Was a model asked for something? */
static bool is_chat(const struct observation *o)
{
    return o->probe == PROBE_CHAT || o->probe == PROBE_BURST || o->probe == PROBE_CAPABILITIES;
}

void accounts_observe(struct accounts *a, int route, const struct observation *o, int64_t charged, usec_t now)
{
    struct account_route *r = a->routes[route];
    struct tariff_cost range = {0, 0};

    if (!is_chat(o))
        return;
    advance(a, now);
    enum cost cost = cost_of(r, o, &range);

    if (o->source == SOURCE_PROBE)
        credit_probe(&a->platforms[r->platform]->credit, probe_cost(a, route, charged, cost, &range), a->now);
    use(a, r, o, charged, cost, &range);
    if (o->known_low > 0 && o->prompt_tokens >= 0 && outcome_ok(o->outcome)) {
        struct inflation_news news = inflation_add(&r->inflation, o->prompt_tokens, o->known_low, o->known_high, a->now);
        struct account_event e = event(a, ACCOUNT_EVENT_JUMP, r->platform, route);

        accounts_inflation(a, route, a->now, &e.inflation);
        e.tokens = news.jump;
        if (news.jump)
            tell(a, &e);
        e.type = ACCOUNT_EVENT_INFLATED;
        e.on = r->inflation.inflated;
        if (news.turned)
            tell(a, &e);
    }
    if (charged >= 0 && cost == COST_KNOWN) {
        charges_add(&r->charges, charged, &range, false, a->now);
        look_at_ratio(a, route);
    }
}

void accounts_charged(struct accounts *a, int route, int64_t charged, int32_t prompt_tokens, int32_t output_tokens, usec_t now)
{
    struct account_route *r = a->routes[route];
    struct tariff_cost range;

    advance(a, now);
    if (charged < 0 || !tariff_cost(&r->price, &(struct tariff_usage){prompt_tokens, output_tokens, -1, -1}, &range))
        return;
    charges_add(&r->charges, charged, &range, true, a->now);
    look_at_ratio(a, route);
}

void accounts_balance(struct accounts *a, int platform, const struct account_reading *r, usec_t now)
{
    struct account_platform *p = a->platforms[platform];

    advance(a, now);
    if (p->credit.at && a->now <= p->credit.at)
        return;
    int blocks = p->billing.blocks_next;
    struct credit_step step = credit_read(&p->credit, r, billing_recent(&p->billing, a->now), a->now);

    billing_read(&p->billing, step.known, step.burnt, r, credit_unit(&p->credit), a->now);
    if (step.changed) {
        struct account_event e = event(a, ACCOUNT_EVENT_CHANGE, platform, -1);

        e.change = p->credit.changes[0];
        e.left = r->left;
        tell(a, &e);
    }
    if (blocks != p->billing.blocks_next)
        look_at_ratios(a, platform);
    look_at_credit(a, platform);
}

/* --- what is known ------------------------------------------------------------------------------------------------------- */

void accounts_ratio(const struct accounts *a, int route, usec_t now, struct account_ratio *ret)
{
    const struct account_route *r = a->routes[route];
    const struct account_platform *p = a->platforms[r->platform];
    struct account_ratio direct, mix;
    bool told = charges_ratio(&r->charges, now, &direct);

    billing_ratio(&p->billing, now, &mix);
    *ret = told ? direct : mix;
    if (told && direct.state != ACCOUNT_INSUFFICIENT) {
        if (mix.state == ACCOUNT_DEARER && mix.low > direct.high && p->told > TOLD_MOST * p->use)
            *ret = mix;
        return;
    }
    if (mix.state != ACCOUNT_INSUFFICIENT)
        *ret = mix;
    if (ret->state == ACCOUNT_INSUFFICIENT && !tariff_known(&r->price)) {
        ret->why = ACCOUNT_WHY_NO_PRICE;
        ret->ratio = ret->low = ret->high = -1;
    }
}

double accounts_factor(const struct accounts *a, int route, usec_t now)
{
    struct account_ratio ratio;

    accounts_ratio(a, route, now, &ratio);
    return ratio.state == ACCOUNT_DEARER || ratio.state == ACCOUNT_CHEAPER ? ratio.ratio : 1;
}

void accounts_inflation(const struct accounts *a, int route, usec_t now, struct account_inflation *ret)
{
    inflation_told(&a->routes[route]->inflation, now, ret);
}

void accounts_credit(const struct accounts *a, int platform, usec_t now, struct account_credit *ret)
{
    const struct account_platform *p = a->platforms[platform];

    credit_told(&p->credit, &p->rules, now, ret);
}
