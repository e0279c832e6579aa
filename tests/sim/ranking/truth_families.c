/* What can happen: one function a family. Each draws when, to whom and how badly from the dice and adds episodes, price steps or traits.
 *
 * Trouble prefers the good platforms, since a fault of one that nobody uses shows nothing. Times and sizes are drawn widely; all lie within
 * the world's duration however short that is. Families never look at a strategy or a preference. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/compiler.h"
#include "tests/sim/ranking/truth.h"

#define FIRST_TROUBLE 0.06 /* of the duration: before that, strategies may look around */
#define LAST_TROUBLE  0.88

static const enum answer quick_modes[] = {ANSWER_5XX, ANSWER_5XX, ANSWER_REFUSED, ANSWER_RESET, ANSWER_DNS, ANSWER_TLS};

static enum answer pick_quick(uint64_t *dice)
{
    return quick_modes[truth_count(dice, 0, (int)ARRAY_LEN(quick_modes) - 1)];
}

static double pick_begin(const struct truth *truth, uint64_t *dice)
{
    return truth->duration * truth_between(dice, FIRST_TROUBLE, LAST_TROUBLE);
}

/* Minutes, but never more than a third of the world. */
static double pick_length(const struct truth *truth, uint64_t *dice, double low_minutes, double high_minutes)
{
    return fmin(truth->duration / 3, 60 * truth_between_log(dice, low_minutes, high_minutes));
}

static uint32_t pick_good_bit(const struct truth *truth, uint64_t *dice, uint32_t not_these)
{
    int p = truth_pick_good(truth, dice, not_these);

    return p < 0 ? 0 : 1u << p;
}

/* Mostly a whole platform, sometimes one of its models. */
static void maybe_one_model(const struct truth *truth, uint64_t *dice, struct episode *e)
{
    if (truth_chance(dice, 0.3))
        e->models = 1u << truth_count(dice, 0, truth->models - 1);
}

/* A time for a good platform that the caller fills with trouble. Dice are thrown in statements of their own, since the order in which a
 * compiler works out arguments is its own business. */
static struct episode *add_to_good(struct truth *truth, uint64_t *dice, double low_minutes, double high_minutes)
{
    double begins = pick_begin(truth, dice);
    uint32_t who = pick_good_bit(truth, dice, 0);
    double length = pick_length(truth, dice, low_minutes, high_minutes);

    return truth_add_episode(truth, begins, begins + length, who);
}

/* --- single troubles, also used by `mixed` ------------------------------------------------------------------------------ */

static void add_outage(struct truth *truth, uint64_t *dice)
{
    struct episode *e = add_to_good(truth, dice, 1.5, 30);

    e->mode = pick_quick(dice);
    e->p0 = e->p1 = truth_chance(dice, 0.7) ? 1 : truth_between(dice, 0.93, 1);
    maybe_one_model(truth, dice, e);
}

static void add_brownout(struct truth *truth, uint64_t *dice)
{
    double begins = pick_begin(truth, dice), ends = begins + pick_length(truth, dice, 3, 40);
    double ramp = truth_chance(dice, 0.5) ? 0 : truth_between(dice, 5, 60), slow = log(truth_between(dice, 3, 6));
    uint32_t who = pick_good_bit(truth, dice, 0);
    struct episode *e = truth_add_episode(truth, begins, begins + ramp, who);

    e->slow1 = slow;
    struct episode *whole = truth_add_episode(truth, begins + ramp, ends, who);

    whole->slow0 = whole->slow1 = slow;
    whole->p0 = whole->p1 = truth_chance(dice, 0.3) ? truth_between(dice, 0, 0.05) : 0;
    maybe_one_model(truth, dice, whole);
    e->models = whole->models;
}

static void add_partial(struct truth *truth, uint64_t *dice)
{
    struct episode *e = add_to_good(truth, dice, 4, 60);

    e->mode = truth_chance(dice, 0.75) ? pick_quick(dice) : truth_chance(dice, 0.5) ? ANSWER_STALL : ANSWER_TIMEOUT;
    e->p0 = e->p1 = truth_between(dice, 0.1, 0.4);
    maybe_one_model(truth, dice, e);
}

static void add_flapping(struct truth *truth, uint64_t *dice)
{
    uint32_t who = pick_good_bit(truth, dice, 0);
    double begins = truth->duration * truth_between(dice, 0.04, 0.4), ends = truth->duration * truth_between(dice, 0.6, 1);
    double down = truth_between_log(dice, 30, 600), up = truth_between_log(dice, 30, 600);
    enum answer mode = truth_chance(dice, 0.15) ? ANSWER_TIMEOUT : pick_quick(dice);
    uint32_t models = truth_chance(dice, 0.3) ? 1u << truth_count(dice, 0, truth->models - 1) : (1u << truth->models) - 1;

    for (int i = 0; begins < ends && i < 400; i++) {
        double until = begins + down * truth_between(dice, 0.6, 1.4);
        struct episode *e = truth_add_episode(truth, begins, fmin(until, ends), who);

        e->mode = mode;
        e->models = models;
        e->p0 = e->p1 = 1;
        begins = until + up * truth_between(dice, 0.6, 1.4);
    }
}

static void add_degradation(struct truth *truth, uint64_t *dice)
{
    uint32_t who = pick_good_bit(truth, dice, 0);
    double begins = truth->duration * truth_between(dice, FIRST_TROUBLE, 0.5), ends = begins + pick_length(truth, dice, 20, 90);
    double stays = truth_chance(dice, 0.5) ? truth->duration : ends + pick_length(truth, dice, 5, 40);
    double slow = log(truth_between(dice, 2, 8)), p = truth_chance(dice, 0.5) ? truth_between(dice, 0.02, 0.3) : 0;
    struct episode *ramp = truth_add_episode(truth, begins, ends, who), *after = truth_add_episode(truth, ends, stays, who);

    ramp->slow1 = after->slow0 = after->slow1 = slow;
    ramp->p1 = after->p0 = after->p1 = p;
}

static void add_price_step(struct truth *truth, uint64_t *dice)
{
    int p = truth_pick_good(truth, dice, 0);
    bool rise = truth_chance(dice, 0.5);
    uint32_t models = truth_chance(dice, 0.7) ? (1u << truth->models) - 1 : 1u << truth_count(dice, 0, truth->models - 1);

    double factor = rise ? truth_between_log(dice, 1.5, 4) : truth_between_log(dice, 0.25, 0.7);

    truth_add_price(truth, pick_begin(truth, dice), p, models, factor);
}

static void add_black_hole(struct truth *truth, uint64_t *dice)
{
    struct episode *e = add_to_good(truth, dice, 2, 30);

    e->mode = truth_chance(dice, 0.8) ? ANSWER_TIMEOUT : ANSWER_STALL;
    e->p0 = e->p1 = truth_chance(dice, 0.7) ? 1 : truth_between(dice, 0.4, 1);
    maybe_one_model(truth, dice, e);
}

static void add_bad_body(struct truth *truth, uint64_t *dice)
{
    struct episode *e = add_to_good(truth, dice, 4, 45);

    e->mode = ANSWER_BAD_BODY;
    e->p0 = e->p1 = truth_chance(dice, 0.6) ? 1 : truth_between(dice, 0.2, 1);
    maybe_one_model(truth, dice, e);
}

static void add_no_credit(struct truth *truth, uint64_t *dice)
{
    double begins = pick_begin(truth, dice);
    double ends = truth_chance(dice, 0.3) ? truth->duration : begins + pick_length(truth, dice, 5, 60);
    struct episode *e = truth_add_episode(truth, begins, ends, pick_good_bit(truth, dice, 0));
    double kind = dice_uniform(dice);

    e->mode = kind < 0.55 ? ANSWER_NO_CREDIT : kind < 0.85 ? ANSWER_AUTH : ANSWER_MODEL_MISSING;
    e->p0 = e->p1 = 1;
    if (e->mode == ANSWER_MODEL_MISSING)
        e->models = 1u << truth_count(dice, 0, truth->models - 1);
}

static uint32_t pick_group(const struct truth *truth, uint64_t *dice)
{
    uint32_t group = 0;

    for (int n = truth_count(dice, 2, 4); n > 0; n--)
        group |= pick_good_bit(truth, dice, group);
    return group;
}

static void add_group_trouble(struct truth *truth, uint64_t *dice, uint32_t group)
{
    double begins = pick_begin(truth, dice), kind = dice_uniform(dice);
    struct episode *e = truth_add_episode(truth, begins, begins + pick_length(truth, dice, 2, 30), group);

    if (kind < 0.6) {
        e->mode = truth_chance(dice, 0.85) ? pick_quick(dice) : ANSWER_TIMEOUT;
        e->p0 = e->p1 = 1;
    } else if (kind < 0.8) {
        e->mode = pick_quick(dice);
        e->p0 = e->p1 = truth_between(dice, 0.15, 0.6);
    } else {
        e->slow0 = e->slow1 = log(truth_between(dice, 3, 6));
    }
    if (truth_chance(dice, 0.25))
        e->models = 1u << truth_count(dice, 0, truth->models - 1);
}

static void make_cheap_bad(struct truth *truth, uint64_t *dice, uint32_t *done)
{
    static const enum answer modes[] = {ANSWER_STALL, ANSWER_TIMEOUT, ANSWER_BAD_BODY, ANSWER_5XX, ANSWER_RESET};
    int p = truth_count(dice, 0, truth->platforms - 1);
    double cheapest = 0, factor = truth_between(dice, 0.25, 0.7), slow = log(truth_between(dice, 0.8, 2.5));

    if (*done & 1u << p)
        return;
    *done |= 1u << p;
    for (int m = 0; m < truth->models; m++) {
        for (int q = 0; q < truth->platforms; q++)
            if (!(*done & 1u << q))
                cheapest = cheapest == 0 ? truth->route[q][m].input_usd_per_mtok : fmin(cheapest, truth->route[q][m].input_usd_per_mtok);
        truth->route[p][m].output_usd_per_mtok *= cheapest * factor / truth->route[p][m].input_usd_per_mtok;
        truth->route[p][m].input_usd_per_mtok = cheapest * factor;
        cheapest = 0;
    }
    struct episode *e = truth_add_episode(truth, 0, truth->duration, 1u << p);

    e->mode = modes[truth_count(dice, 0, (int)ARRAY_LEN(modes) - 1)];
    e->p0 = e->p1 = truth_between(dice, 0.05, 0.5);
    e->slow0 = e->slow1 = slow;
}

static void make_noisy(struct truth *truth, uint64_t *dice)
{
    for (int p = 0; p < truth->platforms; p++) {
        double sigma = truth_between(dice, 0.6, 1.2), spike_p = truth_between(dice, 0.005, 0.06), spike = truth_between_log(dice, 4, 20);

        for (int m = 0; m < truth->models; m++) {
            struct truth_route *route = &truth->route[p][m];

            /* The median falls, so that the mean stays what it was. */
            route->log_level -= (sigma * sigma - route->sigma * route->sigma) / 2;
            route->sigma = sigma;
            route->spike_p = spike_p;
            route->spike_log = log(spike);
        }
    }
}

/* --- families ------------------------------------------------------------------------------------------------------------ */

static void repeat(struct truth *truth, uint64_t *dice, int low, int high, void (*add)(struct truth *, uint64_t *))
{
    for (int n = truth_count(dice, low, high); n > 0; n--)
        add(truth, dice);
}

static void shape_steady(struct truth *truth, uint64_t *dice)
{
    (void)truth;
    (void)dice;
}

static void shape_outage(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 3, 8, add_outage);
}

static void shape_brownout(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 3, 7, add_brownout);
}

static void shape_partial(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 3, 7, add_partial);
}

static void shape_flapping(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 1, 3, add_flapping);
}

static void shape_degradation(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 2, 4, add_degradation);
}

/* A day pressed into the world: load, latency and failures at the peak, each platform with a phase of its own. */
static void shape_daily(struct truth *truth, uint64_t *dice)
{
    enum { PARTS = 24 };
    double period = truth->duration * truth_between(dice, 0.5, 1);

    truth->wave = truth_between(dice, 0.4, 0.8);
    truth->wave_period = period;
    truth->wave_phase = truth_between(dice, 0, 6.28);
    for (int p = 0; p < truth->platforms; p++) {
        double height = truth_between(dice, 0.1, 0.9), phase = truth->wave_phase + 0.6 * dice_normal(dice);
        double peak_p = truth_chance(dice, 0.4) ? truth_between(dice, 0.02, 0.25) : 0;

        for (int i = 0; i < PARTS; i++) {
            double begins = truth->duration * i / PARTS, ends = truth->duration * (i + 1) / PARTS;
            double s0 = sin(phase + 6.283185307179586 * begins / period), s1 = sin(phase + 6.283185307179586 * ends / period);
            struct episode *e = truth_add_episode(truth, begins, ends, 1u << p);

            e->slow0 = height * s0;
            e->slow1 = height * s1;
            e->p0 = peak_p * fmax(0, s0);
            e->p1 = peak_p * fmax(0, s1);
        }
    }
}

static void shape_price(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 3, 7, add_price_step);
}

static void shape_cheap_bad(struct truth *truth, uint64_t *dice)
{
    uint32_t done = 0;

    for (int n = truth_count(dice, 1, 3); n > 0; n--)
        make_cheap_bad(truth, dice, &done);
}

static void shape_cold_start(struct truth *truth, uint64_t *dice)
{
    uint32_t late = 0;

    for (int n = truth_count(dice, 1, 3); n > 0; n--) {
        int p = truth_pick_good(truth, dice, late);

        late |= 1u << p;
        truth->platform[p].appears = truth->duration * truth_between(dice, 0.15, 0.7);
        if (truth_chance(dice, 0.5))
            continue;
        struct episode *e = truth_add_episode(truth, 0, truth->duration, 1u << p);

        e->mode = truth_chance(dice, 0.5) ? pick_quick(dice) : ANSWER_STALL;
        e->p0 = e->p1 = truth_between(dice, 0.02, 0.4);
        e->slow0 = e->slow1 = log(truth_between(dice, 0.5, 3));
    }
}

static void shape_correlated(struct truth *truth, uint64_t *dice)
{
    uint32_t group = pick_group(truth, dice);

    for (int n = truth_count(dice, 2, 5); n > 0; n--)
        add_group_trouble(truth, dice, group);
}

static void shape_all_down(struct truth *truth, uint64_t *dice)
{
    for (int n = truth_count(dice, 1, 3); n > 0; n--) {
        double begins = pick_begin(truth, dice), ends = begins + pick_length(truth, dice, 1, 10);

        for (int p = 0; p < truth->platforms; p++) {
            double until = ends + truth_between(dice, -20, 60);
            struct episode *e = truth_add_episode(truth, begins + truth_between(dice, -20, 20), until, 1u << p);

            e->mode = truth_chance(dice, 0.1) ? ANSWER_TIMEOUT : pick_quick(dice);
            e->p0 = e->p1 = 1;
        }
    }
}

static void shape_black_hole(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 2, 6, add_black_hole);
}

static void shape_bad_body(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 2, 6, add_bad_body);
}

static void shape_credit(struct truth *truth, uint64_t *dice)
{
    repeat(truth, dice, 2, 5, add_no_credit);
}

/* The limits are there already; in half of the worlds something else goes wrong too. */
static void shape_herding(struct truth *truth, uint64_t *dice)
{
    if (truth_chance(dice, 0.25))
        add_outage(truth, dice);
    if (truth_chance(dice, 0.25))
        add_brownout(truth, dice);
    truth->wave = truth_chance(dice, 0.5) ? truth_between(dice, 0.1, 0.5) : 0;
    truth->wave_period = fmin(truth->duration, 60 * truth_between_log(dice, 4, 60));
}

static void shape_herding_correlated(struct truth *truth, uint64_t *dice)
{
    uint32_t group = pick_group(truth, dice);

    for (int n = truth_count(dice, 1, 4); n > 0; n--)
        add_group_trouble(truth, dice, group);
}

static void shape_noisy(struct truth *truth, uint64_t *dice)
{
    make_noisy(truth, dice);
    if (truth_chance(dice, 0.5))
        add_brownout(truth, dice);
}

static void shape_mixed(struct truth *truth, uint64_t *dice)
{
    static void (*const adders[])(struct truth *, uint64_t *) = {
        add_outage, add_brownout, add_partial, add_flapping, add_degradation, add_price_step, add_black_hole, add_bad_body, add_no_credit};
    uint32_t cheap = 0;

    if (truth_chance(dice, 0.3))
        make_noisy(truth, dice);
    if (truth_chance(dice, 0.3))
        make_cheap_bad(truth, dice, &cheap);
    if (truth_chance(dice, 0.3))
        truth->platform[truth_count(dice, 0, truth->platforms - 1)].appears = truth->duration * truth_between(dice, 0.15, 0.7);
    for (int n = truth_count(dice, 4, 10); n > 0; n--)
        adders[truth_count(dice, 0, (int)ARRAY_LEN(adders) - 1)](truth, dice);
    if (truth_chance(dice, 0.4))
        add_group_trouble(truth, dice, pick_group(truth, dice));
}

const struct family families[] = {
    {"steady", "nothing but the small failures that always happen", false, false, shape_steady},
    {"outage", "hard outages of good platforms, 1.5 to 30 minutes", false, false, shape_outage},
    {"brownout", "latency rises to 3 to 6 times", false, false, shape_brownout},
    {"partial", "10 to 40 % of the requests fail for a while", false, false, shape_partial},
    {"flapping", "up and down, 30 s to 10 minutes each", false, false, shape_flapping},
    {"degradation", "latency and failures grow over 20 to 90 minutes", false, false, shape_degradation},
    {"daily", "load, latency and failures go in waves", false, false, shape_daily},
    {"price", "prices rise and are cut", false, false, shape_price},
    {"cheap-bad", "the cheapest fail 5 to 50 %, some of it slowly and charged", false, false, shape_cheap_bad},
    {"cold-start", "platforms appear later, good ones and bad ones", false, false, shape_cold_start},
    {"correlated", "two to four relays have the same upstream", false, false, shape_correlated},
    {"all-down", "everything fails for minutes", false, false, shape_all_down},
    {"black-hole", "requests are never answered, or fall silent", false, false, shape_black_hole},
    {"bad-body", "200 with nothing useful in it, charged", false, false, shape_bad_body},
    {"credit", "keys are refused, credit is used up, models go", false, false, shape_credit},
    {"herding", "5 to 30 requests/s, 429 where too many go", true, false, shape_herding},
    {"herding-correlated", "the same, and relays with one upstream fail together", true, false, shape_herding_correlated},
    {"herding-first", "the same load from clients that know only the first rank", true, true, shape_herding},
    {"noisy", "first tokens with heavy tails and spikes", false, false, shape_noisy},
    {"mixed", "several of these at once", false, false, shape_mixed},
};
const int families_len = (int)ARRAY_LEN(families);

const struct family *family_find(const char *name)
{
    for (int i = 0; i < families_len; i++)
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    return NULL;
}
