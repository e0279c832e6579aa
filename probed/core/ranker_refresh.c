/* Ranking again what changed: one model at a time, under every policy.
 *
 * A model's ranking is: inputs of the routes that changed, their states (told when they changed), then for each policy losses, order, slots and
 * reasons. What comes out is kept in the standings; table.c turns it into rows when somebody asks for a table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/ranker_inside.h"
#include "probed/core/schedule.h"

#define DEFENDS_FROM 3.0 /* observations */

double ranker_together(const void *arg, size_t i, size_t j)
{
    const struct ranker_pairs *pairs = arg;
    const struct ranker *r = pairs->ranker;

    if (pairs->model->related)
        return (double)pairs->model->related[i * pairs->model->size + j];
    return health_together(&r->routes[pairs->model->routes[i]]->stats.health, &r->routes[pairs->model->routes[j]]->stats.health);
}

/* What more it costs to fall back on i after the first: that both fail. */
int64_t ranker_second_extra(const void *arg, size_t first, size_t i)
{
    const struct ranker_pairs *pairs = arg;
    double more = ranker_together(arg, first, i) - pairs->inputs[i].chance;

    return more > 0 ? (int64_t)llround(pairs->inputs[first].chance * more * LOSS_NANO) : 0;
}

int64_t ranker_softness(const struct ranker *r)
{
    return (int64_t)llround(r->rules.alike / 2 * LOSS_NANO);
}

struct loss_field ranker_losses(struct ranker *r, size_t model, size_t policy, const struct loss_input *inputs)
{
    const struct ranked_model *m = &r->models[model];
    const struct ranker_pairs pairs = {r, m, inputs};
    struct loss_field field;

    for (size_t i = 0; i < m->len; i++)
        r->eligible_room[i] = m->standings[policy].places[i].meets && r->prepared_room[i].rank_class != RANK_EXCLUDED;
    loss_field_init(&field, &r->policies[policy], inputs, m->len);
    loss_compute(&r->policies[policy], &field, inputs, r->eligible_room, m->len, ranker_together, &pairs, r->loss_room);
    return field;
}

static void tell(struct ranker *r, const struct ranker_event *event)
{
    if (r->events)
        r->events(r->events_arg, event);
}

void ranker_prepare(struct ranker *r, size_t model, usec_t now)
{
    const struct ranked_model *m = &r->models[model];

    for (size_t i = 0; i < m->len; i++) {
        const struct ranked_route *route = r->routes[m->routes[i]];
        struct prepared *p = &r->prepared_room[i];
        unsigned flags = 0;

        p->rank_class = ranker_class(r, route, now);
        if (p->rank_class == RANK_USABLE && ranker_falls_too(r, m, i, now))
            p->rank_class = RANK_DOWN;
        p->exclusion = (uint8_t)ranker_exclusion(r, route);
        p->cap = (uint16_t)ranker_cap(r, route, now);
        p->provisional = route_samples(&route->stats, now) < r->rules.samples;
        p->probation = (uint16_t)(route->override == OVERRIDE_ENABLE ? TABLE_SLOTS : health_probation_slots(&route->stats.health));
        flags |= p->provisional ? ROW_PROVISIONAL : 0U;
        flags |= route_unscorable(&route->stats) ? ROW_UNSCORABLE : 0U;
        flags |= route->restored ? ROW_RESTORED : 0U;
        flags |= route->override == OVERRIDE_PIN ? ROW_PINNED : 0U;
        flags |= route->price.known ? 0U : ROW_PRICE_UNKNOWN;
        flags |= health_probation_slots(&route->stats.health) < TABLE_SLOTS ? ROW_PROBATION : 0U;
        p->flags = (uint16_t)flags;
    }
}

/* Inputs of what changed, and the states. */
static void update_routes(struct ranker *r, struct ranked_model *m, usec_t now)
{
    for (size_t i = 0; i < m->len; i++) {
        struct ranked_route *route = r->routes[m->routes[i]];
        const char *why;

        if (m->stale[i] || m->everything || !m->ranked)
            ranker_make_input(r, route, now, &m->inputs[i]);
        m->stale[i] = false;
        route->contested = false;
        enum route_state state = ranker_state_of(r, route, now, &why);

        enum route_state from = route->state;
        const struct route_before *was = &m->before.routes[i];

        m->moved = m->moved || state != was->state;
        route->state = state;
        route->state_since = state == was->state ? was->since : now;
        if (state == from)
            continue;
        r->hard = r->changed = m->content = true;
        tell(r, &(struct ranker_event){
                    .type = RANKER_STATE,
                    .platform = route->facts->platform,
                    .model = m->name,
                    .from = route_state_name(from),
                    .to = route_state_name(state),
                    .reason = why[0] ? why : route_state_text(state),
                });
    }
}

static void first_reason(const struct ranker *r, const struct ranked_model *m, const struct rank_result *result, int old, int incumbent,
                         char *ret, size_t size)
{
    const struct rank_route *now_first = result->first >= 0 ? &r->rank_room[result->first] : NULL;
    const char *old_name = old >= 0 ? r->routes[m->routes[old]]->facts->platform : "";

    if (!now_first)
        snprintf(ret, size, "no route is eligible any more");
    else if (now_first->pinned && now_first->rank_class < RANK_DOWN)
        snprintf(ret, size, "pinned by an operator");
    else if (old < 0 || incumbent < 0)
        snprintf(ret, size, "expected loss %.4f, the smallest", (double)now_first->loss / LOSS_NANO);
    else if (result->by_evidence)
        snprintf(ret, size, "expected loss %.4f against %.4f of %s, enough evidence gathered", (double)now_first->loss / LOSS_NANO,
                 (double)r->rank_room[old].loss / LOSS_NANO, old_name);
    else
        snprintf(ret, size, "%s is %s: %s", old_name, route_state_name(r->routes[m->routes[old]]->state),
                 route_state_text(r->routes[m->routes[old]]->state));
}

static void tell_first(struct ranker *r, const struct ranked_model *m, size_t policy, const struct rank_result *result, int old,
                       int incumbent)
{
    char reason[256];

    first_reason(r, m, result, old, incumbent, reason, sizeof(reason));
    tell(r, &(struct ranker_event){
                .type = RANKER_FIRST,
                .platform = result->first >= 0 ? r->routes[m->routes[result->first]]->facts->platform : "",
                .model = m->name,
                .policy = r->policies[policy].name,
                .from = old >= 0 ? r->routes[m->routes[old]]->facts->platform : "",
                .to = result->first >= 0 ? r->routes[m->routes[result->first]]->facts->platform : "",
                .reason = reason,
            });
}

static enum route_reason reason_of(const struct ranker *r, const struct ranked_route *route, const struct standing *s, size_t i,
                                   const struct rank_result *result)
{
    const struct rank_route *rank = &r->rank_room[i];
    const struct prepared *p = &r->prepared_room[i];
    const struct place *place = &s->places[i];

    if (p->exclusion != REASON_FIRST)
        return (enum route_reason)p->exclusion;
    if (!place->meets)
        return REASON_REQUIREMENT;
    if (rank->rank_class == RANK_DOWN)
        return result->first == (int)i ? REASON_PANIC : REASON_DOWN;
    if (result->first == (int)i)
        return rank->pinned ? REASON_PINNED : result->challenger >= 0 ? REASON_INCUMBENT : REASON_FIRST;
    if (rank->pinned)
        return REASON_PINNED;
    if (rank->rank_class == RANK_REFUSED || route->state == ROUTE_LIMITED)
        return REASON_LIMITED;
    if (rank->rank_class == RANK_FLAPPING)
        return REASON_FLAPPING;
    if (place->rank > TABLE_SLOTS)
        return REASON_BEYOND;
    if (result->challenger == (int)i)
        return REASON_CHALLENGER;
    if (p->flags & ROW_PROBATION)
        return REASON_PROBATION;
    if (place->slots > 0 && place->slots >= p->cap)
        return REASON_CAPPED;
    return p->provisional ? REASON_PROVISIONAL : REASON_DEARER;
}

static uint16_t flags_of(const struct prepared *p, const struct place *place, const struct rank_route *rank, const struct rank_result *result)
{
    unsigned flags = p->flags;

    flags |= result->best == RANK_DOWN && rank->rank_class == RANK_DOWN ? ROW_PANIC : 0U;
    flags |= rank->rank_class != RANK_EXCLUDED && place->slots == 0 ? ROW_STANDBY : 0U;
    return (uint16_t)flags;
}

/* Would more probes tell which of the two is better? Not of those that are known to be equal, nor of those that are known to differ. */
static bool overlaps(const struct ranker *r, const struct ranked_model *m, const struct policy *policy, size_t i, int first)
{
    if (first < 0 || (int)i == first || r->rank_room[i].rank_class != RANK_USABLE || r->rank_room[first].rank_class != RANK_USABLE)
        return false;
    double gap = fabs((double)(r->rank_room[i].loss - r->rank_room[first].loss)) / LOSS_NANO;
    double doubt = loss_doubt(policy, &m->inputs[i]) + loss_doubt(policy, &m->inputs[first]);

    return gap < doubt && doubt > r->rules.alike;
}

static void describe(struct ranker *r, const struct ranked_model *m, struct standing *s, const struct policy *policy, const struct rank_result *result,
                     const struct loss_field *field)
{
    uint8_t flags = 0;

    for (size_t i = 0; i < m->len; i++) {
        struct ranked_route *route = r->routes[m->routes[i]];
        struct place *place = &s->places[i];
        uint8_t reason = (uint8_t)reason_of(r, route, s, i, result);
        uint16_t row_flags = flags_of(&r->prepared_room[i], place, &r->rank_room[i], result);

        /* Time alone moves losses a little; a table is not new for that. */
        if (place->reason != reason || place->flags != row_flags || llabs(r->rank_room[i].loss - place->loss) > llabs(place->loss) / 50)
            s->changed = true;
        place->reason = reason;
        place->flags = row_flags;
        if ((double)place->evidence.product > log(RANK_EVIDENCE) / 2 || overlaps(r, m, policy, i, result->first))
            route->contested = r->routes[m->routes[result->first]]->contested = true;
    }
    flags |= result->best == RANK_DOWN ? RANKING_PANIC : 0;
    flags |= result->best == RANK_EXCLUDED ? RANKING_NO_ELIGIBLE_ROUTE : 0;
    flags |= field->reference <= 0 ? RANKING_NO_PRICE : 0;
    if (s->flags != flags)
        s->changed = true;
    s->flags = flags;
}

static void rank_policy(struct ranker *r, size_t model, size_t policy, usec_t now)
{
    struct ranked_model *m = &r->models[model];
    struct standing *s = &m->standings[policy];
    const struct ranker_pairs pairs = {r, m, m->inputs};
    struct loss_field field = ranker_losses(r, model, policy, m->inputs);
    int old = s->first;
    bool unpublished = s->changed;
    int64_t least = INT64_MAX;
    /* Who was first by the operator's word alone has no place to defend when that ends. */
    int incumbent = old >= 0 && s->pinned && r->routes[m->routes[old]]->override != OVERRIDE_PIN ? -1 : old;
    /* Nobody defends a place that nothing is known of. */
    if (incumbent >= 0 && route_samples(&r->routes[m->routes[incumbent]]->stats, now) < DEFENDS_FROM)
        incumbent = -1;

    for (size_t i = 0; i < m->len; i++) {
        const struct ranked_route *route = r->routes[m->routes[i]];

        r->rank_room[i] = (struct rank_route){
            .loss = r->loss_room[i].nano,
            .tie = route->tie,
            .rank_class = s->places[i].meets ? r->prepared_room[i].rank_class : RANK_EXCLUDED,
            .pinned = route->override == OVERRIDE_PIN,
            .fresh = m->fresh[i],
            .interval = route->interval,
        };
        r->evidence_room[i] = s->places[i].evidence;
        least = r->rank_room[i].rank_class == RANK_USABLE && r->rank_room[i].loss < least ? r->rank_room[i].loss : least;
    }
    if (m->repriced && incumbent >= 0 && r->rank_room[incumbent].loss - least > 2 * ranker_softness(r))
        incumbent = -1;
    struct rank_result result =
        rank_order(r->rank_room, m->len, incumbent, r->evidence_room, ranker_softness(r), ranker_second_extra, &pairs, now, s->order);

    for (size_t i = 0; i < m->len; i++)
        s->places[i].evidence = r->evidence_room[i];
    s->changed = false;
    s->first = result.first;
    s->challenger = result.challenger;
    s->pinned = result.first >= 0 && r->rank_room[result.first].pinned;
    ranker_share(r, m, s, &pairs, &r->policies[policy], &result, result.first != old, now);
    describe(r, m, s, &r->policies[policy], &result, &field);
    if (s->changed || result.first != old) {
        s->changed = m->moved = true;
        for (size_t i = 0; i < m->len; i++)
            s->places[i].loss = r->rank_room[i].loss;
    }
    if (result.first != s->told) {
        r->hard = true;
        tell_first(r, m, policy, &result, s->told, incumbent);
        s->told = result.first;
    }
    r->changed = r->changed || s->changed || m->content;
    s->changed = s->changed || m->content || unpublished;
}

/* Time alone moves decayed statistics: a model is ranked again every RANKER_ROUND, at a phase of its own, and more rarely the longer nothing
 * was observed, so that a replay gets over a week of silence in a few hundred rounds. */
static usec_t next_round(const struct ranked_model *m, usec_t at)
{
    usec_t phase = (usec_t)(schedule_hash(m->name) % (RANKER_ROUND / RANKER_TICK)) * RANKER_TICK, idle = at - m->observed_at;
    usec_t round = idle > 64 * RANKER_ROUND ? idle / 64 : RANKER_ROUND;

    return (at - phase + round) / RANKER_ROUND * RANKER_ROUND + phase;
}

void ranker_set_due(struct ranker *r, struct ranked_model *m, usec_t at)
{
    if (m->before.at == r->now)
        at = r->now; /* it belongs to what was ranked then */
    m->due = at < m->due ? at : m->due;
    r->due = m->due < r->due ? m->due : r->due;
}

void ranker_rank_model(struct ranker *r, size_t model, usec_t at)
{
    struct ranked_model *m = &r->models[model];

    ranker_instant_begin(r, m, at);
    if (at >= m->round) {
        m->everything = true;
        m->round = next_round(m, at);
    }
    update_routes(r, m, at);
    ranker_doubt(r, m, at);
    loss_pool(m->inputs, m->len);
    ranker_prepare(r, model, at);
    ranker_draw_crowds(r, model, at);
    ranker_see_shortage(r, m, at);
    for (size_t p = 0; p < r->policies_len; p++)
        rank_policy(r, model, p, at);
    ranker_instant_count(r, m);
    memset(m->fresh, 0, m->len * sizeof(m->fresh[0]));
    m->ranked = true;
    m->everything = m->content = m->repriced = false;
    m->due = m->round;
}

void ranker_bring(struct ranker *r, int model, usec_t now)
{
    if (r->saving)
        ranker_save_first(r, (size_t)model);
    while (r->models[model].due < now)
        ranker_rank_model(r, (size_t)model, r->models[model].due);
}

void ranker_advance(struct ranker *r, usec_t now)
{
    now = ranker_clock(r, now);
    for (size_t i = 0; i < r->models_len; i++)
        ranker_bring(r, (int)i, now);
}

bool ranker_refresh(struct ranker *r, usec_t now, size_t max_models, bool everything)
{
    size_t done = 0;
    usec_t due = USEC_INFINITY;

    now = ranker_clock(r, now);
    for (size_t i = 0; everything && i < r->models_len; i++) {
        ranker_bring(r, (int)i, now);
        r->models[i].everything = true;
        ranker_set_due(r, &r->models[i], now);
    }
    for (size_t looked = 0; looked < r->models_len; looked++) {
        size_t i = r->cursor;

        if (r->models[i].due <= now) {
            if (max_models > 0 && done++ == max_models)
                return true;
            ranker_bring(r, (int)i, now + 1);
        }
        due = r->models[i].due < due ? r->models[i].due : due;
        r->cursor = (i + 1) % r->models_len;
    }
    r->due = due;
    return false;
}

usec_t ranker_due(const struct ranker *r)
{
    return r->due;
}

uint64_t ranker_revision(const struct ranker *r)
{
    return r->revision;
}

bool ranker_changed(const struct ranker *r, bool *ret_hard)
{
    if (ret_hard)
        *ret_hard = r->hard;
    return r->changed;
}

enum pace ranker_pace(const struct ranker *r, int id, usec_t now)
{
    if (id < 0 || (size_t)id >= r->routes_len)
        return PACE_STEADY;
    const struct ranked_route *route = r->routes[id];
    const struct health *h = &route->stats.health;

    if (h->verdict == VERDICT_DOWN)
        return now - h->down_at > 10 * USEC_PER_MINUTE ? PACE_SLOW : PACE_FAST;
    if (health_missing(h) || h->unusable)
        return now - route->state_since > 10 * USEC_PER_MINUTE ? PACE_SLOW : PACE_STEADY;
    /* What follows asks: would one more observation change what is done? */
    bool unsettled = h->verdict == VERDICT_NEW || h->verdict == VERDICT_PARTIAL || h->probation > 0 ||
                     (h->ring_len > 0 && health_failures(h, (unsigned)r->rules.window) > 0);
    bool jumped = route->stats.ttft.jumped_at > 0 && now - route->stats.ttft.jumped_at < 5 * USEC_PER_MINUTE;

    if (unsettled || jumped || route->contested || route_samples(&route->stats, now) < r->rules.samples)
        return PACE_FAST;
    return PACE_STEADY;
}
