/* The state filter of one route.
 *
 * new -> good <-> partial by the filter, with hysteresis; any -> down by the ring alone; down -> partial on `rise` successes in a row, with
 * the ring emptied, the filter set to what a fresh recovery means and the route on probation. Missing, unusable and limited stand beside
 * the verdict and don't touch it.
 *
 * The filter is a hidden Markov model: between two outcomes the states mix at fixed rates, each outcome then weighs them by how likely
 * they make it. All state moves in health_observe only. */
#include "probed/core/health.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probed/core/decay.h"
#include "shared/text.h"

static const double fresh_belief[BELIEFS] = {0.60, 0.25, 0.15};
static const double recovered_belief[BELIEFS] = {0.60, 0.35, 0.05};
static const double fails_in[BELIEFS] = {0.01, 0.30, 0.98};
/* How often a route moves to the next state, per hour. Only neighbours are reached: with jumps from good to down, a route that failed before
 * would be thought less likely down at its next failure than one that never did. */
#define GOOD_TO_PARTIAL (1 / 6.0)
#define PARTIAL_TO_GOOD 4.0
#define PARTIAL_TO_DOWN 12.0
#define DOWN_TO_PARTIAL 4.0

#define DEGRADED_BELOW 0.30 /* P(good) */
#define GOOD_ABOVE 0.90
#define DOWN_ABOVE 0.60
#define PARTIAL_SEEN 8 /* outcomes */
#define PARTIAL_SHARE 0.1
#define CAME_BACK 5 /* outcomes after its return */
#define SURE_RUN 2 /* failures in a row beyond `fall` */
#define ONSET_APART 120 /* s: failures nearer than this are one */
#define FLAP_APART USEC_PER_MINUTE
#define STEP_APART (5 * USEC_PER_SEC)
#define LIMITED_QUIET (5 * USEC_PER_SEC)
#define REFUSED_AFTER (3 * USEC_PER_SEC) /* nothing but 429 for so long */

struct health_rules health_rules_filled(const struct health_rules *rules)
{
    struct health_rules filled = *rules;

    if (filled.window <= 0)
        filled.window = filled.fall > 5 ? filled.fall : 5;
    if (filled.window > HEALTH_WINDOW_MAX)
        filled.window = HEALTH_WINDOW_MAX;
    if (filled.fall <= 0)
        filled.fall = filled.window < 3 ? filled.window : 3;
    if (filled.fall > filled.window)
        filled.fall = filled.window;
    if (filled.rise <= 0)
        filled.rise = 2;
    if (filled.rise > 200)
        filled.rise = 200;
    if (filled.samples <= 0)
        filled.samples = 30;
    if (!(filled.alike > 0))
        filled.alike = 0.005;
    return filled;
}

void health_init(struct health *h, usec_t now)
{
    *h = (struct health){.belief_at = now};
    memcpy(h->belief, fresh_belief, sizeof(h->belief));
}

/* What the mixing adds to each state in an hour. */
static void flow(const double from[BELIEFS], double ret[BELIEFS])
{
    double down = from[BELIEF_DOWN] * DOWN_TO_PARTIAL - from[BELIEF_PARTIAL] * PARTIAL_TO_DOWN;

    ret[BELIEF_GOOD] = from[BELIEF_PARTIAL] * PARTIAL_TO_GOOD - from[BELIEF_GOOD] * GOOD_TO_PARTIAL;
    ret[BELIEF_DOWN] = -down;
    ret[BELIEF_PARTIAL] = down - ret[BELIEF_GOOD];
}

void health_beliefs(const struct health *h, usec_t now, double ret[BELIEFS])
{
    static const double sum = GOOD_TO_PARTIAL + PARTIAL_TO_GOOD + PARTIAL_TO_DOWN + DOWN_TO_PARTIAL;
    static const double product = GOOD_TO_PARTIAL * (PARTIAL_TO_DOWN + DOWN_TO_PARTIAL) + PARTIAL_TO_GOOD * DOWN_TO_PARTIAL;
    /* Before anything was told there is no time to pass. */
    double hours = h->belief_at > 0 && now > h->belief_at ? (double)(now - h->belief_at) / (double)USEC_PER_HOUR : 0;
    /* exp(Q t) of the 3-state chain by its eigenvalues 0, -a, -b: the belief itself, its first and its second derivative are all it takes. */
    double root = sqrt(sum * sum / 4 - product), a = sum / 2 - root, b = sum / 2 + root, slow = exp(-a * hours), fast = exp(-b * hours);
    double first[BELIEFS], second[BELIEFS], total = 0;

    flow(h->belief, first);
    flow(first, second);
    for (int i = 0; i < BELIEFS; i++) {
        double rest = (second[i] + sum * first[i] + product * h->belief[i]) / product;

        ret[i] = fmax(0, rest + slow * (second[i] + b * first[i]) / (a * (a - b)) + fast * (second[i] + a * first[i]) / (b * (b - a)));
        total += ret[i];
    }
    for (int i = 0; i < BELIEFS; i++)
        ret[i] /= total;
}

static void filter(struct health *h, bool failed, usec_t now)
{
    double next[BELIEFS], sum = 0;

    health_beliefs(h, now, next);
    h->good_before = next[BELIEF_GOOD];
    for (int i = 0; i < BELIEFS; i++) {
        next[i] *= failed ? fails_in[i] : 1 - fails_in[i];
        sum += next[i];
    }
    /* No state is ever excluded for good: rounding to zero would be a belief that no evidence could move. */
    for (int i = 0; i < BELIEFS; i++)
        h->belief[i] = fmax(next[i] / sum, 1e-6);
    h->belief_at = now;
}

unsigned health_failures(const struct health *h, unsigned window)
{
    uint32_t mask = window >= 32 ? UINT32_MAX : (1U << window) - 1;

    return (unsigned)__builtin_popcount(h->ring & mask);
}

static void ring_add(struct health *h, bool failed)
{
    h->ring = h->ring << 1 | (failed ? 1U : 0U);
    if (h->ring_len < HEALTH_WINDOW_MAX)
        h->ring_len++;
}

/* A second failure in a row, or a verdict: single ones come now and then everywhere, and many of them coincide. */
static void note_onset(struct health *h)
{
    uint32_t second = (uint32_t)(h->failing_since / USEC_PER_SEC);

    if (h->onsets_len > 0 && second < h->onsets[0] + ONSET_APART)
        return;
    memmove(&h->onsets[1], &h->onsets[0], sizeof(h->onsets) - sizeof(h->onsets[0]));
    h->onsets[0] = second;
    if (h->onsets_len < HEALTH_ONSETS)
        h->onsets_len++;
}

static void why(struct health *h, const char *lead, const struct observation *o)
{
    char text[HEALTH_WHY_MAX * 2];
    const char *detail = o->detail;
    int len = snprintf(text, sizeof(text), "%s%s%s%s", lead, outcome_text(o->outcome.kind), detail[0] ? ": " : "", detail);

    text_copy(h->why, sizeof(h->why), text, len < 0 ? 0 : strnlen(text, sizeof(text)));
}

unsigned health_failing_run(const struct health *h)
{
    unsigned run = 0;

    while (run < h->ring_len && h->ring >> run & 1)
        run++;
    return run;
}

/* Did it fail a part of the time before the run of failures that it went down with? Then that run is chance, and no flap. */
static bool was_partial(const struct health *h)
{
    unsigned run = health_failing_run(h), before = h->ring_len - run;

    return before >= PARTIAL_SEEN && health_failures(h, h->ring_len) - run >= PARTIAL_SHARE * before;
}

/* It answered a few times and failed again: the same outage goes on, it had not come back. */
static bool fell_back(const struct health *h)
{
    return h->ring_len - health_failing_run(h) < CAME_BACK && h->probation > 0;
}

static void go_down(struct health *h, const struct health_rules *rules, const struct observation *o, usec_t now)
{
    char lead[64];
    unsigned last = h->ring_len < rules->window ? h->ring_len : (unsigned)rules->window;

    /* Flapping is to come back and fail again; failing from the start is not, nor is one restless minute many flaps. */
    if (h->ok_at > 0 && !was_partial(h) && !fell_back(h) && (h->flap_counted == 0 || now - h->flap_counted >= FLAP_APART)) {
        h->flap = fmin(health_flap(h, now) + FLAP_PENALTY, FLAP_MOST);
        h->flap_at = now;
        h->flap_counted = now;
        if (h->flap > FLAP_SUPPRESS)
            h->suppressed = true;
    }
    note_onset(h);
    h->verdict = VERDICT_DOWN;
    h->down_at = now;
    h->probation = 0;
    snprintf(lead, sizeof(lead), "%u of the last %u failed: ", health_failures(h, (unsigned)rules->window), last);
    why(h, lead, o);
}

/* Enough failures among the last. Of a route that has been failing a part of the time the filter must hold it for down as well, or the run be
 * long: among many requests to such a one there are three failures out of five every few minutes. */
static bool is_down(const struct health *h, const struct health_rules *rules)
{
    unsigned fall = (unsigned)rules->fall;

    if (health_failures(h, (unsigned)rules->window) < fall)
        return false;
    return fall == 1 || !was_partial(h) || h->belief[BELIEF_DOWN] >= DOWN_ABOVE || health_failing_run(h) >= fall + SURE_RUN;
}

/* How long it has been failing, and what that wastes. */
static void note_failing(struct health *h, const struct observation *o, usec_t now)
{
    if (h->failing_since == 0) {
        h->failing_since = o->total > 0 && o->total < now ? now - o->total : now;
        h->failing_timed = 0;
    }
    if (o->total < 0)
        return;
    if (h->failing_timed < HEALTH_WASTES)
        h->failing_timed++;
    h->failing_waste += ((double)o->total / (double)USEC_PER_SEC - h->failing_waste) / h->failing_timed;
}

static void fail(struct health *h, const struct health_rules *rules, const struct observation *o, usec_t now)
{
    filter(h, true, now);
    ring_add(h, true);
    note_failing(h, o, now);
    if (health_failing_run(h) == 2)
        note_onset(h);
    h->ok_run = 0;
    if (h->probation > 1)
        h->probation--; /* who fails a part of the time gets through it all the same */
    h->probation_at = now;
    if (h->verdict == VERDICT_DOWN)
        return;
    if (is_down(h, rules)) {
        go_down(h, rules, o, now);
    } else if (h->verdict == VERDICT_GOOD && h->belief[BELIEF_GOOD] < DEGRADED_BELOW) {
        h->verdict = VERDICT_PARTIAL;
        why(h, "part of the requests fail: ", o);
    } else if (h->verdict == VERDICT_NEW) {
        h->verdict = VERDICT_PARTIAL;
        why(h, "the first answer was a failure: ", o);
    }
}

static void recover(struct health *h, usec_t now)
{
    h->verdict = VERDICT_PARTIAL;
    h->ring = 0; /* what ended must not pull it down again */
    h->ring_len = h->ok_run;
    h->probation = 1;
    h->probation_at = now;
    memcpy(h->belief, recovered_belief, sizeof(h->belief));
    h->belief_at = now;
    snprintf(h->why, sizeof(h->why), "it answers again: %u successes in a row", h->ok_run);
}

static void succeed(struct health *h, const struct health_rules *rules, const struct observation *o, usec_t now)
{
    filter(h, false, now);
    ring_add(h, false);
    if (h->ok_run < UINT8_MAX)
        h->ok_run++;
    h->ok_at = now;
    h->failing_since = 0;
    h->failing_waste = 0;
    h->failing_timed = 0;
    if (o->source == SOURCE_TRAFFIC)
        h->served_at = now;
    h->limited_run = 0;
    h->missing_run = 0;
    if (h->unusable)
        snprintf(h->why, sizeof(h->why), "our key and credit work again");
    h->unusable = false;
    /* Under load successes and 429 come mixed: there, only quiet ends it. */
    if (o->source == SOURCE_PROBE || now - h->limited_at >= LIMITED_QUIET)
        h->limited = false;
    if (h->probation > 0 && now - h->probation_at >= STEP_APART) {
        h->probation_at = now;
        if (PROBATION_FIRST << ++h->probation > 2 * TABLE_SLOTS)
            h->probation = 0;
    }
    if (h->verdict == VERDICT_DOWN) {
        if (h->ok_run >= rules->rise)
            recover(h, now);
    } else if (h->verdict == VERDICT_NEW) {
        h->verdict = VERDICT_GOOD;
        snprintf(h->why, sizeof(h->why), "the first answer was good");
    } else if (h->verdict == VERDICT_PARTIAL && h->belief[BELIEF_GOOD] > GOOD_ABOVE) {
        h->verdict = VERDICT_GOOD;
        snprintf(h->why, sizeof(h->why), "%u successes in a row", h->ok_run);
    }
}

static void limit(struct health *h, const struct observation *o, usec_t now)
{
    usec_t wait = o->retry_after > 0 ? o->retry_after : LIMITED_MOST;

    if (wait > LIMITED_MOST)
        wait = LIMITED_MOST;
    if (!health_limited(h, now))
        why(h, "", o);
    h->limited = true;
    h->limited_told = o->retry_after > 0;
    h->limited_at = now;
    h->limited_until = now + wait;
    if (h->limited_run < UINT8_MAX)
        h->limited_run++;
}

bool health_observe(struct health *h, const struct health_rules *rules, const struct observation *o, usec_t now)
{
    bool was_down = h->verdict == VERDICT_DOWN;

    if (health_flap(h, now) < FLAP_REUSE)
        h->suppressed = false;
    if (o->outcome.kind == OUTCOME_RATE_LIMITED && o->outcome.fault == FAULT_NONE) {
        limit(h, o, now);
        return false;
    }
    if (outcome_ok(o->outcome)) {
        succeed(h, rules, o, now);
        return true;
    }
    if (o->outcome.fault == FAULT_OURS) {
        if (o->outcome.kind == OUTCOME_AUTH || o->outcome.kind == OUTCOME_FORBIDDEN || o->outcome.kind == OUTCOME_NO_CREDIT) {
            if (!h->unusable)
                why(h, "", o);
            h->unusable = true;
        }
        return false;
    }
    if (o->outcome.fault != FAULT_RELAY)
        return false;
    if (o->outcome.kind == OUTCOME_MODEL_MISSING) {
        if (h->missing_run < UINT8_MAX)
            h->missing_run++;
        if (h->missing_run == 2)
            why(h, "", o);
    } else {
        h->missing_run = 0;
    }
    fail(h, rules, o, now);
    return !was_down;
}

bool health_limited(const struct health *h, usec_t now)
{
    return h->limited && now < h->limited_until;
}

bool health_refused(const struct health *h, usec_t now)
{
    /* While other requests are served, a 429 is a matter of shares. */
    if (!health_limited(h, now) || (h->served_at > 0 && h->limited_at - h->served_at < REFUSED_AFTER))
        return false;
    return h->limited_run >= 3 || (h->limited_told && h->limited_until - h->limited_at >= 5 * USEC_PER_SEC);
}

bool health_missing(const struct health *h)
{
    return h->missing_run >= 2;
}

double health_flap(const struct health *h, usec_t now)
{
    return h->flap * decay_factor(now - h->flap_at, FLAP_HALF_LIFE);
}

bool health_flapping(const struct health *h, usec_t now)
{
    return h->suppressed && health_flap(h, now) >= FLAP_REUSE;
}

unsigned health_probation_slots(const struct health *h)
{
    return h->probation == 0 ? TABLE_SLOTS : (unsigned)PROBATION_FIRST << (h->probation - 1);
}

double health_together(const struct health *a, const struct health *b)
{
    int matches = 0;

    if (a->onsets_len < 2 || b->onsets_len < 2)
        return 0;
    /* Newest first, and each of the one goes with one of the other. */
    for (int i = 0, j = 0; i < a->onsets_len && j < b->onsets_len;) {
        bool a_later = a->onsets[i] > b->onsets[j];
        uint32_t apart = a_later ? a->onsets[i] - b->onsets[j] : b->onsets[j] - a->onsets[i];

        matches += apart < ONSET_APART;
        i += a_later || apart < ONSET_APART;
        j += !a_later || apart < ONSET_APART;
    }
    /* By the larger number: the same both ways, so that the one that fails less is not held the more dependent. */
    return matches < 2 ? 0 : matches / ((a->onsets_len > b->onsets_len ? a->onsets_len : b->onsets_len) + 1.0);
}
