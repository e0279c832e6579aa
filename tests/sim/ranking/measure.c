/* Scores and witnesses of incidents.
 *
 * An incident counts for a strategy only if the oracle used that route before it (then detection is asked) and after it (then the return
 * is). Detection is the time of the last first try on the dead route before twenty in a row went elsewhere, so that it does not depend on
 * the load. A strategy is back when of its last eight first tries at least half as many went there as the oracle sends. What does not
 * happen in time counts with the whole time. */
#include "tests/sim/ranking/measure.h"

#include <math.h>
#include <string.h>

#define WAIT_LEAST        0.05
#define WAIT_WIDTH        0.04879016416943201 /* ln 1.05 */
#define BEFORE_SECONDS    120.0
#define IN_A_ROW          20
#define RECENT            8
#define SHARE_THAT_COUNTS 0.3

void score_add(struct score *sum, const struct score *score)
{
    sum->requests += score->requests;
    sum->first_failed += score->first_failed;
    sum->failed += score->failed;
    sum->utility += score->utility;
    sum->wait_s += score->wait_s;
    sum->cost += score->cost;
    sum->changes += score->changes;
    sum->model_hours += score->model_hours;
    sum->detect_s += score->detect_s;
    sum->detects += score->detects;
    sum->return_s += score->return_s;
    sum->returns += score->returns;
    for (int i = 0; i < WAIT_BUCKETS; i++)
        sum->waits[i] += score->waits[i];
}

static int bucket_of(double wait_s)
{
    if (wait_s <= WAIT_LEAST)
        return 0;
    int i = (int)(log(wait_s / WAIT_LEAST) / WAIT_WIDTH);

    return i < WAIT_BUCKETS ? i : WAIT_BUCKETS - 1;
}

double score_wait_p95(const struct score *score)
{
    double all = 0, seen = 0;

    for (int i = 0; i < WAIT_BUCKETS; i++)
        all += score->waits[i];
    for (int i = 0; i < WAIT_BUCKETS && all > 0; i++) {
        seen += score->waits[i];
        if (seen >= 0.95 * all)
            return WAIT_LEAST * exp((i + 0.5) * WAIT_WIDTH);
    }
    return 0;
}

void measure_init(struct measure *measure, const struct truth *truth, const struct reference *reference)
{
    memset(measure, 0, sizeof(*measure));
    measure->truth = truth;
    measure->reference = reference;
    for (int i = 0; i < truth->incidents_len; i++)
        measure->witnesses[i].last_hit = measure->witnesses[i].back_at = -1;
}

static void watch_return(struct witness *w, double t, bool hit, double share)
{
    w->recent = (w->recent << 1 | hit) & ((1u << RECENT) - 1);
    if (w->back_at < 0 && __builtin_popcount(w->recent) >= RECENT * share / 2)
        w->back_at = t;
}

static void witness_first_try(struct measure *measure, int i, double t, bool hit)
{
    const struct incident *incident = &measure->truth->incidents[i];
    struct witness *w = &measure->witnesses[i];

    if (t < incident->begins) {
        w->before_all++;
        w->before_hits += hit;
    } else if (t < incident->ends) {
        if (hit && !w->left)
            w->last_hit = t;
        w->without = hit ? 0 : w->without + 1;
        w->left = w->left || w->without >= IN_A_ROW;
    } else {
        w->after_all++;
        w->after_hits += hit;
        if (measure->reference)
            watch_return(w, t, hit, measure->reference->after[i]);
    }
}

void measure_first_try(struct measure *measure, double t, int model, int platform)
{
    for (int i = 0; i < measure->truth->incidents_len; i++) {
        const struct incident *incident = &measure->truth->incidents[i];

        if (t < incident->begins - BEFORE_SECONDS)
            break; /* they are in order of their begin */
        if (incident->model == model && t < incident->watched_until)
            witness_first_try(measure, i, t, incident->platform == platform);
    }
}

void measure_request(struct measure *measure, const struct preference *preference, bool ok, bool first_ok, double waited_s, double cost)
{
    struct score *score = &measure->score;

    score->requests++;
    score->first_failed += !first_ok;
    score->failed += !ok;
    score->utility += (ok ? 1 : -1) - preference->a * waited_s / 2 - preference->b * cost;
    score->cost += cost;
    if (ok) {
        score->wait_s += waited_s;
        score->waits[bucket_of(waited_s)]++;
    }
}

void measure_done(struct measure *measure, struct reference *ret_reference)
{
    for (int i = 0; i < measure->truth->incidents_len; i++) {
        const struct incident *incident = &measure->truth->incidents[i];
        const struct witness *w = &measure->witnesses[i];

        if (ret_reference) {
            ret_reference->before[i] = w->before_all > 0 ? w->before_hits / w->before_all : 0;
            ret_reference->after[i] = w->after_all > 0 ? w->after_hits / w->after_all : 0;
        }
        const struct reference *reference = measure->reference ? measure->reference : ret_reference;

        if (!reference)
            continue;
        if (reference->before[i] >= SHARE_THAT_COUNTS) {
            measure->score.detects++;
            measure->score.detect_s += w->last_hit < 0 ? 0 : w->last_hit - incident->begins;
        }
        if (reference->after[i] >= SHARE_THAT_COUNTS && measure->reference && incident->watched_until > incident->ends) {
            measure->score.returns++;
            measure->score.return_s += (w->back_at < 0 ? incident->watched_until : w->back_at) - incident->ends;
        }
    }
}
