/* The limit of one route.
 *
 * A guess is a limit under one n. Each reported try moves it by how much it surprises (an extended Kalman filter on ln limit: the score of
 * the try's likelihood times what is still in doubt): a refusal where B was small pulls it down, a request that was taken where B was large
 * pushes it up, a request far below the limit says nothing. The doubt shrinks by what a try tells and grows with time, so that after a
 * quiet night one refusal says much and among thousands it says little. Three guesses with different n run side by side and are weighed by
 * how well they foretold what came lately. No load is needed that presses against the limit to keep it known, and none is sent to find out.
 *
 * What is offered is taken as it is just now (rate_lately), not as it was over a minute: refusals of a burst tell of the burst. A limit
 * never falls below what was taken lately, so that a flood of refusals does not bury it. */
#include "probed/core/capacity.h"

#include <math.h>

#include "shared/table.h"

#define BURST           (3 * USEC_PER_SEC)
#define QUICK           (10 * USEC_PER_SEC)
#define CALM            (60 * USEC_PER_SEC)
#define CHANGED         3.0    /* deviations between the two windows that say that the rate is a new one */
#define FEW             2.5    /* refused tries within a minute that may be chance */
#define DOUBT_FIRST     0.09   /* variance of ln limit; also the most it ever is */
#define DOUBT_GROWS     1.7e-4 /* a second: 10 % a minute */
#define STEP_MOST       0.3    /* ln, one try */
#define FORGETS         0.997  /* of belief, a try: the last 300 or so count */
#define UNLIKELY        1e-3   /* no single try makes a guess less likely than this */
#define BURIED          0.9    /* of what is taken */
#define UNWORTHY        1e-3   /* a guess of less weight is left out */
#define FAR             20.0   /* times the limit: beyond it all are refused */
#define HOLDS           0.1    /* of the last request refused: what a route holds with few refused */
#define MARGINAL_MOST   0.97
#define UNPROVEN        0.05 /* chance that a route that was never refused has a limit near what it has proven */
#define UNPROVEN_RATE   2.0  /* requests a second that anybody takes */
#define UNPROVEN_GROWS  2.0  /* times what it has proven */
#define SLOTS_APART     (3 * USEC_PER_SEC)
#define SLOTS_GROW      1.15 /* an accepted try */
#define IDLE_AFTER      (10 * USEC_PER_MINUTE)
#define IDLE_PER_MINUTE 2.0
#define TRAFFIC_LASTS   (2 * USEC_PER_MINUTE)

static const double sharpness[CAPACITY_GUESSES] = {2.5, 6, 16}; /* n */

static double keep(usec_t elapsed, usec_t constant)
{
    return elapsed <= 0 ? 1 : exp(-(double)elapsed / (double)constant);
}

void rate_add(struct rate *r, double n, usec_t now)
{
    if (r->began == 0)
        r->began = r->at = now;
    if (now > r->at) {
        r->burst *= keep(now - r->at, BURST);
        r->quick *= keep(now - r->at, QUICK);
        r->calm *= keep(now - r->at, CALM);
        r->at = now;
    }
    r->burst += n;
    r->quick += n;
    r->calm += n;
}

/* A count that began lately has not seen a whole window. */
static double per_second(double count, usec_t constant, usec_t age)
{
    double seconds = (double)constant / (double)USEC_PER_SEC, seen = seconds * (1 - keep(age, constant));

    return count / fmax(seen, fmin(1, seconds));
}

/* Of a Poisson count in an exponential window. */
static double deviation(double count)
{
    return sqrt(fmax(count, 1) / 2);
}

double rate_at(const struct rate *r, usec_t now)
{
    if (r->began == 0)
        return 0;
    double quick = r->quick * keep(now - r->at, QUICK), calm = r->calm * keep(now - r->at, CALM);
    double quickly = per_second(quick, QUICK, now - r->began), calmly = per_second(calm, CALM, now - r->began);

    return fabs(quickly - calmly) > CHANGED * deviation(quick) / ((double)QUICK / (double)USEC_PER_SEC) ? quickly : calmly;
}

/* Not farther from what a window counted than one deviation. */
static double within(double rate, double count, usec_t window)
{
    double seconds = (double)window / (double)USEC_PER_SEC;

    return fmin(fmax(rate, (count - deviation(count)) / seconds), (count + deviation(count)) / seconds);
}

double rate_lately(const struct rate *r, usec_t now)
{
    if (r->began == 0)
        return 0;
    double rate = per_second(r->calm * keep(now - r->at, CALM), CALM, now - r->began);

    rate = within(rate, r->quick * keep(now - r->at, QUICK), QUICK);
    return fmax(0, within(rate, r->burst * keep(now - r->at, BURST), BURST));
}

void capacity_init(struct capacity *c, usec_t now)
{
    *c = (struct capacity){.slots = TABLE_SLOTS, .cut_at = -USEC_PER_HOUR, .reported_at = now};
    for (int i = 0; i < CAPACITY_GUESSES; i++)
        c->guess[i].rate = (float)CAPACITY_LEAST;
}

/* The guesses' weights: sum 1, but for those of hardly any, which are left out. */
static void weigh(const struct capacity *c, double ret[CAPACITY_GUESSES])
{
    double most = -INFINITY, sum = 0;

    for (int i = 0; i < CAPACITY_GUESSES; i++)
        most = fmax(most, (double)c->guess[i].belief);
    for (int i = 0; i < CAPACITY_GUESSES; i++)
        sum += ret[i] = exp((double)c->guess[i].belief - most);
    for (int i = 0; i < CAPACITY_GUESSES; i++)
        ret[i] = ret[i] > UNWORTHY * sum ? ret[i] / sum : 0;
}

/* x^n for the n there are, without pow(): this is done for each report, and each step of each route's share. */
static double power_of(double x, int guess)
{
    double square = x * x, cube = square * x, fourth = square * square, eighth = fourth * fourth;

    return guess == 0 ? square * sqrt(x) : guess == 1 ? cube * cube : eighth * eighth;
}

static double pressure(double rate, double limit, int guess)
{
    return power_of(fmin(rate / limit, FAR), guess);
}

/* (1 + pressure)^(-1/n) */
static double passing(double pressure, int guess)
{
    return exp(-log1p(pressure) / sharpness[guess]);
}

static void guess_learn(struct capacity_guess *g, int guess, double offered, double taken, bool refused, double seconds)
{
    double n = sharpness[guess], power = pressure(offered, (double)g->rate, guess), passes = passing(power, guess),
           fails = fmax(1 - passes, 1e-9);
    double near = power / (1 + power); /* d ln passes / d ln limit */
    double doubt = fmin(DOUBT_FIRST, (double)g->doubt + DOUBT_GROWS * seconds);
    /* Far below the limit a refusal's score goes to -n and a success's, as the information, to nothing. */
    double score = refused ? (power > 1e-6 ? -passes / fails * near : -n) : near,
           information = power > 1e-6 ? near * near * passes / fails : 0;
    double step = doubt * score / (1 + doubt * information);

    step = fmin(fmax(step, -STEP_MOST), STEP_MOST);
    g->rate = (float)fmax(fmax((double)g->rate * exp(step), taken * BURIED), CAPACITY_LEAST);
    g->doubt = (float)(doubt / (1 + doubt * information));
    g->belief = (float)(FORGETS * (double)g->belief + log(fmax(refused ? fails : passes, UNLIKELY)));
}

static void learn(struct capacity *c, double offered, double taken, bool refused, usec_t now)
{
    double seconds = fmax(0, (double)(now - c->learnt_at) / (double)USEC_PER_SEC), weight[CAPACITY_GUESSES];

    for (int i = 0; i < CAPACITY_GUESSES; i++)
        guess_learn(&c->guess[i], i, offered, taken, refused, seconds);
    weigh(c, weight);
    c->limit = 0;
    for (int i = 0; i < CAPACITY_GUESSES; i++)
        c->limit += weight[i] * (double)c->guess[i].rate;
}

static void begin(struct capacity *c, double rate)
{
    for (int i = 0; i < CAPACITY_GUESSES; i++)
        c->guess[i] = (struct capacity_guess){.rate = (float)fmax(rate, CAPACITY_LEAST), .doubt = (float)DOUBT_FIRST};
    c->limit = fmax(rate, CAPACITY_LEAST);
}

static void observe_traffic(struct capacity *c, bool refused, bool accepted, usec_t now)
{
    rate_add(&c->tries, 1, now);
    rate_add(&c->refused, refused ? 1 : 0, now);
    double tries = rate_at(&c->tries, now), lately = rate_lately(&c->tries, now), refusals = rate_at(&c->refused, now);

    if (accepted)
        c->proven = fmax(c->proven, lately - refusals);
    if (c->limit > 0)
        learn(c, lately, tries - refusals, refused, now);
    else if (refused && c->refused.calm >= FEW) /* anybody says 429 once */
        begin(c, fmax(tries - refusals, tries / 2));
    c->learnt_at = now;
    /* Real load tells more than the probes that halved it. */
    if (accepted)
        c->slots = c->limit > 0 ? TABLE_SLOTS : fmin(TABLE_SLOTS, c->slots * SLOTS_GROW);
    c->reported_at = now;
}

static double idle_minutes(const struct capacity *c, usec_t now)
{
    return fmax(0, (double)(now - c->reported_at - IDLE_AFTER) / (double)USEC_PER_MINUTE);
}

static double idle_slots(const struct capacity *c, usec_t now)
{
    return fmin(TABLE_SLOTS, c->slots + IDLE_PER_MINUTE * idle_minutes(c, now));
}

void capacity_observe(struct capacity *c, const struct observation *o, usec_t now)
{
    bool refused = o->outcome.kind == OUTCOME_RATE_LIMITED && o->outcome.fault == FAULT_NONE;

    if (o->source == SOURCE_TRAFFIC) {
        observe_traffic(c, refused, outcome_ok(o->outcome), now);
    } else if (refused && (c->tries.began == 0 || now - c->tries.at > TRAFFIC_LASTS)) {
        /* Under traffic a probe's luck says nothing that the traffic does not. */
        if (now - c->cut_at >= SLOTS_APART) {
            c->slots = fmax(1, floor(idle_slots(c, now) / 2));
            c->cut_at = now;
        }
        c->reported_at = now;
    }
}

double capacity_refuses(const struct capacity *c, double rate)
{
    double weight[CAPACITY_GUESSES], passes = 0;

    if (c->limit <= 0)
        return 0;
    weigh(c, weight);
    for (int i = 0; i < CAPACITY_GUESSES; i++)
        passes += weight[i] * passing(pressure(rate, (double)c->guess[i].rate, i), i);
    return fmin(fmax(1 - passes, 0), 1);
}

/* 1 - the part of the last request that is refused, under one guess. */
static double last_passes(double rate, double limit, int guess)
{
    double pressed = pressure(rate, limit, guess);

    return passing(pressed, guess) / (1 + pressed);
}

void capacity_odds(const struct capacity *c, double from, double step, size_t len, double *ret)
{
    double weight[CAPACITY_GUESSES] = {1}, limit = fmax(UNPROVEN_RATE, UNPROVEN_GROWS * c->proven);

    if (c->limit > 0)
        weigh(c, weight);
    for (size_t k = 0; k < len; k++) {
        double rate = from + step * (double)k, passes = 0;

        for (int i = 0; i < CAPACITY_GUESSES; i++)
            if (weight[i] > UNWORTHY)
                passes += weight[i] * last_passes(rate, c->limit > 0 ? (double)c->guess[i].rate : limit, i);
        ret[k] = fmax(0, 1 / passes - 1) * (c->limit > 0 ? 1 : UNPROVEN);
    }
}

double capacity_takes(const struct capacity *c, double marginal)
{
    double weight[CAPACITY_GUESSES], rate = 0;

    if (c->limit <= 0)
        return INFINITY;
    weigh(c, weight);
    for (int i = 0; i < CAPACITY_GUESSES; i++) {
        double n = sharpness[i];

        rate += weight[i] * (double)c->guess[i].rate * pow(pow(1 - fmin(fmax(marginal, 0), MARGINAL_MOST), -n / (n + 1)) - 1, 1 / n);
    }
    return rate;
}

double capacity_slots(const struct capacity *c, const struct rate *demand, usec_t now)
{
    double slots = idle_slots(c, now), asked = rate_at(demand, demand->at); /* as it last was: silence is no small demand */

    if (c->limit > 0 && asked > 0)
        slots = fmin(slots, capacity_takes(c, HOLDS) / asked * TABLE_SLOTS + IDLE_PER_MINUTE * idle_minutes(c, now));
    return fmin(fmax(slots, 1), TABLE_SLOTS);
}
