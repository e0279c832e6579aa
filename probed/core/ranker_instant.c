/* What is told at one time is ranked as one, however often somebody looks in between.
 *
 * A ranking leaves something behind: who is first has a place to defend, evidence was counted, slots moved, what was fresh is not any more. When
 * something is told at the very time that its model was just ranked at (requests that one turn of a loop has read have one time), that ranking was
 * premature: it is made again, from where the model stood before that time. So a model keeps where it stood before its last ranking.
 *
 * States and first places that were announced stay announced: what they turn into is announced as the next change. A restart (ranker_pickle.c) ends
 * the instant. */
#include <stdlib.h>
#include <string.h>

#include "probed/core/ranker_inside.h"
#include "shared/alloc.h"

_Static_assert(sizeof(struct standing) == 288 && sizeof(struct place) == 40, "is the new member kept, and brought back, as it should be?");

void ranker_instant_grow(struct ranker *r, struct ranked_model *m)
{
    struct before *b = &m->before;

    if (!b->standings)
        b->standings = alloc_zero(r->policies_len, sizeof(b->standings[0]));
    b->routes = alloc_resize(b->routes, m->size, sizeof(b->routes[0]));
    for (size_t p = 0; p < r->policies_len; p++)
        b->standings[p].places = alloc_resize(b->standings[p].places, m->size, sizeof(struct place));
}

void ranker_instant_free(struct ranked_model *m, size_t policies)
{
    for (size_t p = 0; m->before.standings && p < policies; p++)
        free(m->before.standings[p].places);
    free(m->before.standings);
    free(m->before.routes);
}

/* Before it joined it had nothing. */
void ranker_instant_join(struct ranker *r, struct ranked_model *m, const struct ranked_route *route)
{
    m->before.routes[route->place] = (struct route_before){.state = (uint8_t)route->state, .since = route->state_since, .stale = true};
    for (size_t p = 0; p < r->policies_len; p++)
        m->before.standings[p].places[route->place] = m->standings[p].places[route->place];
}

static void keep(const struct ranker *r, struct ranked_model *m, usec_t at)
{
    struct before *b = &m->before;

    b->at = at;
    b->shortage = m->shortage;
    b->round = m->round;
    b->everything = m->everything || !m->ranked;
    b->repriced = m->repriced;
    b->counted = b->seen = false;
    for (size_t i = 0; i < m->len; i++) {
        const struct ranked_route *route = r->routes[m->routes[i]];

        b->routes[i] = (struct route_before){route->state_since, (uint8_t)route->state, m->stale[i], m->fresh[i]};
    }
    for (size_t p = 0; p < r->policies_len; p++) {
        struct place *places = b->standings[p].places;

        memcpy(places, m->standings[p].places, m->len * sizeof(places[0]));
        b->standings[p] = m->standings[p];
        b->standings[p].places = places;
    }
}

static void bring_back_leads(struct standing *s, const struct standing *was)
{
    s->follow.leads_len = was->follow.leads_len;
    memcpy(s->follow.leads, was->follow.leads, sizeof(s->follow.leads));
}

/* But for what rankings do not make: whom the reports follow, what a route can do. */
static void bring_back_standing(const struct ranked_model *m, struct standing *s, const struct standing *was)
{
    const struct standing now = *s;

    *s = *was;
    s->places = now.places;
    s->order = now.order;
    s->published = now.published;
    s->told = now.told;
    s->changed = true; /* what was published may be the premature one */
    s->follow = now.follow;
    bring_back_leads(s, was);
    for (size_t i = 0; i < m->len; i++) {
        bool meets = s->places[i].meets;

        s->places[i] = was->places[i];
        s->places[i].meets = meets;
    }
}

/* What a ranking at that time has used up is there again, for this one and for any that may follow at that time. */
static void bring_back(const struct ranker *r, struct ranked_model *m)
{
    struct before *b = &m->before;

    m->shortage = b->shortage;
    m->round = b->round;
    m->everything = b->everything = m->everything || b->everything;
    m->repriced = b->repriced = m->repriced || b->repriced;
    for (size_t i = 0; i < m->len; i++) {
        m->stale[i] = b->routes[i].stale = m->stale[i] || b->routes[i].stale;
        m->fresh[i] = b->routes[i].fresh = m->fresh[i] || b->routes[i].fresh;
    }
    for (size_t p = 0; p < r->policies_len; p++)
        bring_back_standing(m, &m->standings[p], &b->standings[p]);
}

void ranker_instant_begin(struct ranker *r, struct ranked_model *m, usec_t at)
{
    if (m->before.at != at) {
        keep(r, m, at);
        return;
    }
    bring_back(r, m);
    r->changed = true;
}

void ranker_instant_undo(struct ranker *r, struct ranked_model *m)
{
    if (m->before.at != r->now)
        return;
    bring_back(r, m);
    for (size_t i = 0; i < m->len; i++) {
        struct ranked_route *route = r->routes[m->routes[i]];

        route->state_since = route->state == m->before.routes[i].state ? m->before.routes[i].since : route->state_since;
    }
}

void ranker_instant_reopen(const struct ranker *r, struct ranked_model *m)
{
    if (m->before.at != r->now)
        return;
    m->shortage = m->before.shortage;
    for (size_t p = 0; p < r->policies_len; p++)
        bring_back_leads(&m->standings[p], &m->before.standings[p]);
}

/* A revision that nobody saw is given back; after one that a table has had, what comes is a new one, be it as before. */
void ranker_instant_count(struct ranker *r, struct ranked_model *m)
{
    struct before *b = &m->before;

    if (b->counted && b->table == r->tables)
        r->revision--;
    else if (b->counted)
        b->seen = true;
    b->counted = m->moved || b->seen;
    r->revision += b->counted ? 1 : 0;
    b->table = r->tables;
    m->moved = false;
}
