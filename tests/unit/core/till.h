/* A platform that charges: for what our probes use and for what others do, late or at once, one by one or in lumps, with top-ups and gifts
 * in between, and a balance that is read now and then, as coarsely as it is told. All from one seed. Included by tests only. */
#ifndef TESTS_UNIT_CORE_TILL_H
#define TESTS_UNIT_CORE_TILL_H

#include "tests/unit/core/field.h"

#include "probed/core/accounts.h"

#define TILL_ROUTES  3
#define TILL_PENDING 65536
#define TILL_QUOTA   2000000 /* a quota point */

enum till_posting { POST_AT_ONCE, POST_AFTER, POST_AT_RANDOM, POST_IN_LUMPS };
enum till_volume { VOLUME_STEADY, VOLUME_VARIES };
enum till_foreign { FOREIGN_NONE, FOREIGN_OCCASIONAL, FOREIGN_STEADY, FOREIGN_BY_DAY };

struct till {
    uint64_t random;
    struct accounts *a;
    int platform, route[TILL_ROUTES];
    struct tariff price[TILL_ROUTES];
    usec_t now, begun;
    usec_t next_probe[TILL_ROUTES], next_read, next_topup, next_foreign, next_lump;
    usec_t interval, read_every;
    /* how it behaves */
    double ratio[TILL_ROUTES];
    enum till_posting posting;
    usec_t late;  /* at most */
    int64_t unit; /* of the balance */
    bool tells_used, tells_left, tells_gift;
    bool own_key, alone, shared;
    enum till_foreign foreign;
    double foreign_share; /* of our use, on average; a burst: hours of our use */
    double foreign_a_day;
    double topups_a_day;
    enum till_volume volume;
    double fails, untold; /* chances */
    /* what it has */
    double left, used, gift;
    usec_t gift_until;
    double hourly; /* our use, about */
    struct {
        usec_t at;
        double pico;
    } pending[TILL_PENDING];
    int pending_len;
    /* what was told */
    usec_t first[ACCOUNT_STATES]; /* when a route was first said to be so; 0 = never */
    int changes[ACCOUNT_CHANGE_KINDS], drifts;
};

static inline double till_random(struct till *t)
{
    return field_random(&t->random);
}

static inline double till_between(struct till *t, double low, double high)
{
    return low + (high - low) * till_random(t);
}

static inline void till_event(void *arg, const struct account_event *e)
{
    struct till *t = arg;

    if (e->type == ACCOUNT_EVENT_RATIO && t->first[e->state] == 0)
        t->first[e->state] = e->at;
    if (e->type == ACCOUNT_EVENT_CHANGE)
        t->changes[e->change.kind]++;
    t->drifts += e->type == ACCOUNT_EVENT_DRIFT;
}

/* Honest, at once, told in single quota points, nobody else, and only our key. */
static inline void till_open(struct till *t, uint64_t seed)
{
    const char *models[TILL_ROUTES] = {"a", "b", "c"};

    memset(t, 0, sizeof(*t));
    t->random = seed;
    schedule_random(&t->random);
    t->a = accounts_new();
    accounts_set_events(t->a, till_event, t);
    t->platform = accounts_platform(t->a, "relay");
    t->now = t->begun = NOW0 + (usec_t)(till_random(t) * 86400e6);
    t->interval = 5 * USEC_PER_MINUTE;
    t->read_every = 10 * USEC_PER_MINUTE;
    for (int i = 0; i < TILL_ROUTES; i++) {
        double dollars = exp(till_between(t, log(0.5), log(8))); /* a million tokens */

        t->route[i] = accounts_route(t->a, t->platform, models[i]);
        t->price[i] = tariff_make();
        t->price[i].price.input = (int64_t)(dollars * 1e6);
        t->price[i].price.output = 4 * t->price[i].price.input;
        accounts_price(t->a, t->route[i], &t->price[i], t->now);
        t->ratio[i] = 1;
        t->next_probe[i] = t->now + (usec_t)(till_random(t) * (double)t->interval);
        t->hourly += 12 * ((double)t->price[i].price.input * 45 + (double)t->price[i].price.output * 12);
    }
    t->next_read = t->now;
    t->next_topup = t->next_foreign = t->next_lump = t->now;
    t->unit = TILL_QUOTA;
    t->tells_left = true;
    t->own_key = true;
    t->left = 20e12;
    t->fails = 0.01;
    t->untold = 0.01;
}

static inline void till_close(struct till *t)
{
    accounts_free(t->a);
}

static inline void till_charge(struct till *t, double pico)
{
    usec_t at = t->now;

    if (pico <= 0)
        return;
    if (t->posting == POST_AFTER)
        at += t->late;
    else if (t->posting == POST_AT_RANDOM)
        at += (usec_t)(till_random(t) * (double)t->late);
    else if (t->posting == POST_IN_LUMPS)
        at = t->next_lump;
    assert_true(t->pending_len < TILL_PENDING);
    t->pending[t->pending_len].at = at;
    t->pending[t->pending_len++].pico = pico;
}

static inline void till_probe(struct till *t, int i)
{
    struct observation o = observation_make(PROBE_CHAT, t->now, outcome_make(STAGE_DONE, OUTCOME_OK, 200));
    int prompt = (int)till_between(t, 30, 60), output = (int)till_between(t, 5, 20);
    double cost = (double)(t->price[i].price.input * prompt + t->price[i].price.output * output);
    bool failed = till_random(t) < t->fails;

    o.prompt_tokens = prompt;
    o.output_tokens = output;
    if (failed || till_random(t) < t->untold)
        o.prompt_tokens = o.output_tokens = -1;
    if (failed) {
        o.outcome = outcome_make(STAGE_STREAM, OUTCOME_STALLED, 200);
        cost *= till_random(t) < 0.5 ? 0 : 0.7;
    }
    till_charge(t, ceil(cost * t->ratio[i] / TILL_QUOTA) * TILL_QUOTA);
    accounts_observe(t->a, t->route[i], &o, -1, t->now);
}

static inline void till_read(struct till *t)
{
    struct account_reading r = account_reading_make();
    double unit = (double)t->unit;

    if (till_random(t) < 0.03)
        return; /* the feed failed */
    if (t->tells_left)
        r.left = (int64_t)(floor(t->left / unit) * unit);
    if (t->tells_used)
        r.used = (int64_t)(floor(t->used / unit) * unit);
    if (t->tells_gift) {
        r.gift = (int64_t)(floor(t->gift / unit) * unit);
        r.expires = t->gift > 0 ? t->gift_until : 0;
    }
    r.unit = t->unit;
    r.own_key = t->own_key;
    r.shared = t->shared;
    r.alone = t->alone;
    accounts_balance(t->a, t->platform, &r, t->now);
}

static inline void till_take(struct till *t, double pico)
{
    t->left -= pico;
    t->used += pico;
    t->gift = fmax(0, t->gift - pico);
}

static inline void till_minute(struct till *t)
{
    t->now += USEC_PER_MINUTE;
    for (int i = 0; i < TILL_ROUTES; i++) {
        while (t->next_probe[i] <= t->now) {
            double faster = t->volume == VOLUME_VARIES && (t->now / (90 * USEC_PER_MINUTE)) % 2 ? 3 : 1;

            till_probe(t, i);
            t->next_probe[i] += (usec_t)((double)t->interval / faster * till_between(t, 0.95, 1.05));
        }
    }
    if (t->foreign == FOREIGN_OCCASIONAL && till_random(t) < t->foreign_a_day / 1440)
        till_charge(t, t->hourly * t->foreign_share * exp(till_between(t, -1, 1)));
    if (t->foreign == FOREIGN_STEADY || t->foreign == FOREIGN_BY_DAY) {
        double hour = (double)(t->now % USEC_PER_DAY) / (double)USEC_PER_HOUR;
        double rate = t->foreign_share * (t->foreign == FOREIGN_BY_DAY ? fmax(0, 2 * sin(hour / 24 * 6.28)) : 1);

        for (int i = 0; i < 2; i++) /* many small requests */
            till_charge(t, t->hourly / 60 / 2 * rate * till_between(t, 0.5, 1.5));
    }
    if (t->next_lump <= t->now)
        t->next_lump = t->now + (usec_t)((double)t->late * till_between(t, 0.3, 1));
    for (int i = 0; i < t->pending_len;) {
        if (t->pending[i].at <= t->now) {
            till_take(t, t->pending[i].pico);
            t->pending[i] = t->pending[--t->pending_len];
        } else {
            i++;
        }
    }
    if (till_random(t) < t->topups_a_day / 1440) {
        double amount = 5e12 * (1 + floor(till_between(t, 0, 4)));

        t->left += amount;
        if (till_random(t) < 0.3) {
            t->gift += amount;
            t->gift_until = t->now + (usec_t)(till_between(t, 0.2, 2) * 86400e6);
        }
    }
    if (t->gift > 0 && t->now >= t->gift_until) {
        t->left -= t->gift;
        t->gift = 0;
    }
    if (t->next_read <= t->now) {
        till_read(t);
        t->next_read = t->now + (usec_t)((double)t->read_every * till_between(t, 0.97, 1.03));
    }
}

static inline void till_run(struct till *t, usec_t span)
{
    usec_t end = t->now + span;

    while (t->now < end)
        till_minute(t);
}

static inline struct account_ratio till_ratio(const struct till *t, int i)
{
    struct account_ratio r;

    accounts_ratio(t->a, t->route[i], t->now, &r);
    return r;
}

static inline void till_print(const struct till *t, const char *what)
{
    struct account_ratio r = till_ratio(t, 0);

    print_message("%-34s %-17s %-10s ratio %6.3f [%6.3f %6.3f] windows %2d; dearer after %5.1f h\n", what, account_state_name(r.state),
                  account_why_name(r.why), r.ratio, r.low, r.high, r.windows,
                  t->first[ACCOUNT_DEARER] ? (double)(t->first[ACCOUNT_DEARER] - t->begun) / 3600e6 : -1);
}

#endif
