/* What a reload keeps: a new ranker takes over from the old one everything that was learnt of what both have.
 *
 * Names decide: a route that is called the same is the same. What the configuration says (price, interval, tags, whether there is a
 * key) is the new one's word; what was observed, overridden or gathered is the old one's. */
#include <stdlib.h>
#include <string.h>

#include "probed/core/ranker_inside.h"

static void adopt_platforms(struct ranker *r, const struct ranker *old)
{
    for (size_t i = 0; i < r->platforms_len; i++) {
        struct ranked_platform *to = &r->platforms[i];

        for (size_t j = 0; j < old->platforms_len; j++) {
            const struct ranked_platform *from = &old->platforms[j];

            if (strcmp(to->name, from->name) != 0)
                continue;
            memcpy(to->check, from->check, sizeof(to->check));
            to->key_refused = from->key_refused;
            if (from->key_refused && to->usable)
                memcpy(to->why, from->why, sizeof(to->why));
            break;
        }
    }
}

static void adopt_route(struct ranked_route *to, struct ranked_route *from)
{
    to->stats = from->stats;
    to->burst = from->burst;
    free(to->measured);
    to->measured = from->measured;
    from->measured = NULL;
    to->listing = from->listing;
    to->unlisted = from->unlisted;
    to->override = from->override;
    to->restored = from->restored;
    to->contested = from->contested;
    to->state = from->state;
    to->state_since = from->state_since;
}

/* The index in the model of `r` of the route that had index `place` in the old one; -1 = gone. */
static int translate(const struct ranker *r, const struct ranker *old, const struct ranked_model *from, int place)
{
    if (place < 0)
        return -1;
    const struct table_facts *facts = old->routes[from->routes[place]]->facts;
    int id = ranker_find(r, facts->platform, facts->model);

    return id < 0 ? -1 : (int)r->routes[id]->place;
}

static void adopt_standing(const struct ranker *r, const struct ranker *old, const struct ranked_model *from, const struct standing *was,
                           struct standing *s)
{
    s->first = translate(r, old, from, was->first);
    s->told = translate(r, old, from, was->told);
    s->challenger = translate(r, old, from, was->challenger);
    s->leader = translate(r, old, from, was->leader);
    s->second = translate(r, old, from, was->second);
    s->pinned = was->pinned;
    s->move = was->move;
    s->move_at = was->move_at;
    s->sliced_at = was->sliced_at;
    s->follow = was->follow;
    for (unsigned i = 0; i < s->follow.leads_len; i++)
        s->follow.leads[i].route = translate(r, old, from, s->follow.leads[i].route);
    for (size_t i = 0; i < from->len; i++) {
        int place = translate(r, old, from, (int)i);

        if (place < 0)
            continue;
        s->places[place].evidence = was->places[i].evidence;
        s->places[place].slots = was->places[i].slots;
        s->places[place].credit = was->places[i].credit;
    }
    s->changed = true;
}

static void adopt_model(struct ranked_model *to, const struct ranked_model *from)
{
    to->demand = from->demand;
    to->lost = from->lost;
    to->shortage = from->shortage;
    to->observed_at = from->observed_at;
    to->round = from->round;
    to->repriced = from->repriced;
}

void ranker_adopt(struct ranker *r, struct ranker *old)
{
    /* What was due before is made by the old one's rules. The reload belongs to its own time, at which all is ranked anew; a ranking that the old one
     * made at that time already, because somebody looked, has not been. */
    for (size_t i = 0; i < old->models_len; i++) {
        ranker_bring(old, (int)i, old->now);
        ranker_instant_undo(old, &old->models[i]);
    }
    ranker_clock(r, old->now);
    r->local = old->local;
    r->restored = old->restored;
    r->changed = true;
    adopt_platforms(r, old);
    for (size_t i = 0; i < old->reporters_len; i++)
        ranker_reporter(r, old->reporters[i]); /* the same numbers */
    memcpy(r->rates, old->rates, sizeof(r->rates));
    r->revision = old->revision + 1;
    for (size_t i = 0; i < r->routes_len; i++) {
        struct ranked_route *to = r->routes[i];
        int id = ranker_find(old, to->facts->platform, to->facts->model);

        if (id >= 0) {
            struct ranked_route *from = old->routes[id];

            adopt_route(to, from);
            ranker_meet(r, to);
            r->models[to->model].fresh[to->place] = old->models[from->model].fresh[from->place];
        }
        ranker_mark(r, to);
    }
    for (size_t i = 0; i < r->routes_len; i++)
        ranker_relate(r, r->routes[i]);
    for (size_t i = 0; i < r->models_len; i++) {
        int model = ranker_find_model(old, r->models[i].name);

        if (model >= 0)
            adopt_model(&r->models[i], &old->models[model]);
        for (size_t p = 0; model >= 0 && p < r->policies_len; p++) {
            int policy = ranker_find_policy(old, r->policies[p].name);

            if (policy >= 0)
                adopt_standing(r, old, &old->models[model], &old->models[model].standings[policy], &r->models[i].standings[p]);
        }
    }
}
