/* One reporter's word against the probes'.
 *
 * A gateway that reports its requests sees more than any probe, and is believed at once in most of what it says. It may also be broken, or wish
 * a rival ill. Two simple rules keep it from deciding alone:
 *
 * A failure that nobody else has seen since the last probe succeeded is counted while it leaves the window one short of `down`: it
 * degrades the route, and the first other witness completes the verdict at once. Beyond that, and while the route is down or coming back, it is
 * held. The same holds for what makes a route missing or unusable.
 * A success does not count while the last `fall` probes in a row failed and nobody else has seen one since; and when that run of
 * probes becomes long enough, what the one reporter has put between them in the window does not save the route.
 *
 * The probes' word grows old: where none has spoken for an hour the reporter is all there is, and is believed.
 *
 * A 429 is about load, which a probe cannot contradict, but another reporter can: a relay limits the account, so that whoever uses it is refused
 * about as often. A reporter is believed to be refused twice as often as the others are, theirs at its upper bound; what it is refused
 * beyond that counts for nothing. Where no other is served it is believed in all; where the others are refused as well all
 * of it counts, however much it is. It is the part that is compared, not the number: a flood of 429s says no more than a few.
 * And as nobody is served at a route that gets no traffic for the 429s of one: when a probe is served meanwhile, that one alone does not take
 * all traffic away again (health_refused) for some time, only as much as the cap says.
 *
 * Here nothing is ever learnt of the route itself, and nothing grows with the number of reporters. */
#include "probed/core/reporters.h"

#include "probed/core/decay.h"

#define VOICE_HALF_LIFE USEC_PER_MINUTE
#define VOICE_GONE 0.01F /* reports */
#define REFUSED_MORE 2.0 /* times as often as the others */
#define DENIED_LASTS LIMITED_MOST
#define REFUSED_RUN 3 /* health_refused: so many in a row, or told to wait so long */
#define REFUSED_WAIT (5 * USEC_PER_SEC)

#define SEVERAL 256

/* One more who tells of it; true while it is only this one. */
static bool joins(uint16_t *by, unsigned who)
{
    if (*by == 0)
        *by = (uint16_t)who;
    else if (*by != who)
        *by = SEVERAL;
    return *by == who && who != SEVERAL;
}

static bool is_one(unsigned by)
{
    return by > 0 && by < SEVERAL;
}

static bool relay_failed(const struct observation *o)
{
    return o->outcome.fault == FAULT_RELAY;
}

static bool ours(const struct observation *o)
{
    return o->outcome.fault == FAULT_OURS;
}

static bool is_refusal(const struct observation *o)
{
    return o->outcome.kind == OUTCOME_RATE_LIMITED && o->outcome.fault == FAULT_NONE;
}

static enum report weigh_probe(struct reports *w, const struct health *h, const struct health_rules *rules, const struct observation *o,
                               usec_t now)
{
    if (outcome_ok(o->outcome)) {
        if (is_one(w->limited_by) && health_limited(h, now))
            w->denied_at = now;
        w->probe_fails = 0;
        w->failed_by = w->ours_by = w->limited_by = w->ok_by = 0;
        w->probe_at = now;
        return REPORT_COUNTS;
    }
    if (is_refusal(o)) {
        w->limited_by = SEVERAL;
        w->denied_at = 0;
    }
    if (!relay_failed(o))
        return REPORT_COUNTS;
    if (w->probe_fails == 0)
        w->ok_by = 0;
    if (w->probe_fails < UINT8_MAX)
        w->probe_fails++;
    w->probe_at = now;
    w->failed_by = SEVERAL;
    bool decides = w->probe_fails >= rules->fall && is_one(w->ok_by) && h->verdict != VERDICT_DOWN;

    if (w->ok_by == SEVERAL)
        w->ok_by = 0;
    return decides ? REPORT_DECIDES : REPORT_COUNTS;
}

static bool probes_spoke(const struct reports *w, usec_t now)
{
    return w->probe_at > 0 && now - w->probe_at < REPORTS_PROBES_SPEAK;
}

bool reports_one_alone(const struct reports *w, usec_t now)
{
    return is_one(w->failed_by) && probes_spoke(w, now);
}

/* Would a failure more decide something? */
static bool at_the_edge(const struct health *h, const struct health_rules *rules, const struct observation *o)
{
    if (h->verdict == VERDICT_DOWN || h->probation > 0)
        return true;
    if (o->outcome.kind == OUTCOME_MODEL_MISSING && h->missing_run > 0)
        return true;
    /* The outcome that leaves the window makes room for this one. */
    return health_failures(h, (unsigned)rules->window - 1) + 1 >= (unsigned)rules->fall;
}

/* Held while it would take all traffic away, as a longer run of them or a longer wait does. */
static enum report weigh_refusal(struct reports *w, const struct health *h, const struct observation *o, unsigned who, usec_t now)
{
    if (!joins(&w->limited_by, who)) {
        w->denied_at = 0;
        return REPORT_COUNTS;
    }
    bool denied = w->denied_at > 0 && now - w->denied_at < DENIED_LASTS;

    return denied && (h->limited_run >= REFUSED_RUN - 1 || o->retry_after >= REFUSED_WAIT) ? REPORT_UNCONFIRMED : REPORT_COUNTS;
}

static enum report weigh_witness(struct reports *w, const struct health *h, const struct health_rules *rules, const struct observation *o,
                                 usec_t now)
{
    bool against = probes_spoke(w, now);
    unsigned who = o->reporter ? o->reporter : SEVERAL;

    if (outcome_ok(o->outcome))
        return joins(&w->ok_by, who) && against && w->probe_fails >= rules->fall ? REPORT_CONTRADICTED : REPORT_COUNTS;
    if (relay_failed(o))
        return joins(&w->failed_by, who) && against && at_the_edge(h, rules, o) ? REPORT_UNCONFIRMED : REPORT_COUNTS;
    if (is_refusal(o))
        return weigh_refusal(w, h, o, who, now);
    if (ours(o))
        return joins(&w->ours_by, who) && against && w->probe_fails == 0 ? REPORT_UNCONFIRMED : REPORT_COUNTS;
    return REPORT_COUNTS;
}

static void fade_voices(struct reports *w, usec_t now)
{
    float kept = (float)decay_factor(now - w->heard_at, VOICE_HALF_LIFE);

    for (size_t i = 0; i < REPORTS_APART; i++) {
        w->voices[i].served *= kept;
        w->voices[i].refused *= kept;
    }
    w->heard_at = now;
}

static size_t voice_of(struct reports *w, uint8_t reporter)
{
    size_t left = REPORTS_APART - 1;

    if (reporter == 0)
        return 0;
    for (size_t i = REPORTS_APART - 1; i > 0; i--) {
        if (w->voice_of[i] == reporter)
            return i;
        if (w->voices[i].served + w->voices[i].refused < VOICE_GONE)
            left = i;
    }
    w->voice_of[left] = reporter;
    return left;
}

/* Is it refused as others are, as far as that can be told? */
static bool is_plausible(const struct reports *w, size_t voice)
{
    double served = 0, refused = 0;

    for (size_t i = 0; i < REPORTS_APART; i++) {
        served += i == voice ? 0 : (double)w->voices[i].served;
        refused += i == voice ? 0 : (double)w->voices[i].refused;
    }
    double part = REFUSED_MORE * (refused + 1) / (served + refused + 1);

    return part >= 1 || (double)w->voices[voice].refused < part / (1 - part) * ((double)w->voices[voice].served + 1);
}

/* Does it speak of demand and capacity? */
static bool weigh_load(struct reports *w, struct reporter_rate *rate, const struct observation *o, usec_t now)
{
    if (o->source != SOURCE_TRAFFIC)
        return true;
    if (o->reporter && rate && rate->load++ >= REPORTS_OF_LOAD) {
        rate->load = REPORTS_OF_LOAD;
        return false;
    }
    if (!is_refusal(o) && !outcome_ok(o->outcome))
        return true;
    fade_voices(w, now);
    size_t voice = voice_of(w, o->reporter);

    if (!is_refusal(o)) {
        w->voices[voice].served += 1;
        return true;
    }
    if (o->reporter && !is_plausible(w, voice))
        return false;
    w->voices[voice].refused += 1;
    return true;
}

/* The reporter's place among those who told of the route in this second; NULL = it has told enough. */
static bool *allowance(struct reports *w, struct reporter_rate *rate, uint8_t reporter, usec_t now)
{
    uint32_t second = (uint32_t)(now / USEC_PER_SEC);
    size_t i = 0;

    if (w->second != second) {
        w->second = second;
        for (size_t k = 0; k < REPORTS_APART; k++)
            w->now[k].reporter = w->now[k].told = w->now[k].weighed = 0;
    }
    while (i < REPORTS_APART - 1 && w->now[i].told > 0 && w->now[i].reporter != reporter)
        i++;
    if (w->now[i].told >= REPORTS_A_ROUTE || (rate && rate->told >= REPORTS_IN_ALL))
        return NULL;
    if (rate)
        rate->told++;
    w->now[i].reporter = reporter;
    w->now[i].told++;
    return &w->now[i].weighed;
}

static enum report weigh_named(struct reports *w, struct reporter_rate *rate, const struct health *h, const struct health_rules *rules,
                               const struct observation *o, bool load, usec_t now)
{
    bool *weighed = allowance(w, rate, o->reporter, now);

    if (!weighed)
        return REPORT_OVER_RATE;
    if (is_refusal(o) && !load)
        return REPORT_UNCONFIRMED;
    enum report report = weigh_witness(w, h, rules, o, now);

    if (report != REPORT_COUNTS || !(outcome_ok(o->outcome) || relay_failed(o)))
        return report;
    if (*weighed)
        return REPORT_COUNTS_LIGHTLY;
    *weighed = true;
    return REPORT_COUNTS;
}

static void note_held(struct reports *w, enum report report, uint8_t reporter, usec_t now)
{
    uint32_t *count = report == REPORT_OVER_RATE ? &w->over_rate : report == REPORT_UNCONFIRMED ? &w->unconfirmed : &w->contradicted;

    if (*count < UINT32_MAX)
        ++*count;
    w->held_by = reporter;
    w->held_at = now;
}

enum report reports_weigh(struct reports *w, struct reporter_rate *rate, const struct health *h, const struct health_rules *rules,
                          const struct observation *o, usec_t now, bool *ret_load)
{
    if (rate && rate->second != (uint32_t)(now / USEC_PER_SEC))
        *rate = (struct reporter_rate){.second = (uint32_t)(now / USEC_PER_SEC)};
    *ret_load = weigh_load(w, rate, o, now);
    if (o->source == SOURCE_PROBE)
        return weigh_probe(w, h, rules, o, now);
    if (o->reporter == 0)
        return weigh_witness(w, h, rules, o, now);
    enum report report = weigh_named(w, rate, h, rules, o, *ret_load, now);

    if (!report_counts(report))
        note_held(w, report, o->reporter, now);
    return report;
}
