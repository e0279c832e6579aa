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
 * The probes' word grows old: where none has spoken for an hour the reporter is all there is, and is believed. A 429 is about load, which a probe cannot
 * contradict; it is bounded by rate only. Here nothing is ever learnt of the route itself, and nothing grows with the number of reporters. */
#include "probed/core/reporters.h"

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

static enum report weigh_probe(struct reports *w, const struct health *h, const struct health_rules *rules, const struct observation *o,
                               usec_t now)
{
    if (outcome_ok(o->outcome)) {
        w->probe_fails = 0;
        w->failed_by = w->ours_by = w->ok_by = 0;
        w->probe_at = now;
        return REPORT_COUNTS;
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

static enum report weigh_witness(struct reports *w, const struct health *h, const struct health_rules *rules, const struct observation *o,
                                 usec_t now)
{
    bool against = probes_spoke(w, now);
    unsigned who = o->reporter ? o->reporter : SEVERAL;

    if (outcome_ok(o->outcome))
        return joins(&w->ok_by, who) && against && w->probe_fails >= rules->fall ? REPORT_CONTRADICTED : REPORT_COUNTS;
    if (relay_failed(o))
        return joins(&w->failed_by, who) && against && at_the_edge(h, rules, o) ? REPORT_UNCONFIRMED : REPORT_COUNTS;
    if (ours(o))
        return joins(&w->ours_by, who) && against && w->probe_fails == 0 ? REPORT_UNCONFIRMED : REPORT_COUNTS;
    return REPORT_COUNTS;
}

/* The reporter's place among those who told of the route in this second; NULL = it has told enough. */
static bool *allowance(struct reports *w, struct reporter_rate *rate, uint8_t reporter, usec_t now)
{
    uint32_t second = (uint32_t)(now / USEC_PER_SEC);
    size_t i = 0;

    if (rate && rate->second != second)
        *rate = (struct reporter_rate){.second = second};
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
                               const struct observation *o, usec_t now)
{
    bool *weighed = allowance(w, rate, o->reporter, now);

    if (!weighed)
        return REPORT_OVER_RATE;
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
                          const struct observation *o, usec_t now)
{
    if (o->source == SOURCE_PROBE)
        return weigh_probe(w, h, rules, o, now);
    if (o->reporter == 0)
        return weigh_witness(w, h, rules, o, now);
    enum report report = weigh_named(w, rate, h, rules, o, now);

    if (!report_counts(report))
        note_held(w, report, o->reporter, now);
    return report;
}
