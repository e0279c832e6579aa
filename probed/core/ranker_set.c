/* What is told to the ranker besides observations: prices, endpoints, lists, maintenance, operators' words.
 *
 * Each first works off what was due before, then changes one thing and marks what it touches; what changes nothing marks nothing. A state, a place or
 * a word of an operator counts from its own time on, all else from the next tick. Nothing is ranked here. */
#include <string.h>

#include "probed/core/ranker_inside.h"
#include "shared/text.h"

static const char *const override_actions[] = {"none", "drain", "pin", "enable"};

const char *override_action_name(enum override_action action)
{
    return (size_t)action < ARRAY_LEN(override_actions) ? override_actions[action] : "?";
}

int override_action_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(override_actions); i++) {
        if (strcmp(override_actions[i], name) == 0)
            return (int)i;
    }
    return -1;
}

void ranker_set_listing(struct ranker *r, int id, enum listing listing, usec_t now)
{
    struct ranked_route *route = r->routes[id];

    ranker_clock(r, now);
    if (listing == LISTING_PRESENT && route->unlisted) {
        ranker_bring_route(r, route, now);
        route->unlisted = false;
    }
    /* A list that was wrong about the route before is not believed while the route answers. */
    if (route->listing == listing || (listing == LISTING_ABSENT && route->unlisted && route->stats.health.ok_run > 0))
        return;
    ranker_bring_route(r, route, now);
    route->listing = listing;
    ranker_urge(r, route);
}

void ranker_set_price(struct ranker *r, int id, const struct price *price, usec_t now)
{
    struct ranked_route *route = r->routes[id];
    const struct price *old = &route->price;
    bool same = old->known == price->known && old->input == price->input && old->output == price->output && old->call == price->call;

    ranker_bring_route(r, route, now);
    route->price = *price;
    if (same)
        return;
    r->models[route->model].repriced = true;
    ranker_mark(r, route);
    r->models[route->model].content = true;
}

static void change_facts(struct ranker *r, struct ranked_route *route, const struct table_facts *from)
{
    struct table_facts *facts = table_facts_new(from);

    table_facts_unref(route->facts);
    route->facts = facts;
    r->models[route->model].content = true;
    ranker_mark(r, route);
}

static bool differ(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) != 0 : a != b;
}

void ranker_set_endpoint(struct ranker *r, int platform, const char *dialect, const char *url, usec_t now)
{
    ranker_clock(r, now);
    for (size_t i = 0; i < r->routes_len; i++) {
        struct ranked_route *route = r->routes[i];

        if (route->platform != platform || differ(route->facts->dialect, dialect) || !differ(route->facts->endpoint, url))
            continue;
        struct table_facts facts = *route->facts;

        ranker_bring_route(r, route, now);
        facts.endpoint = (char *)(uintptr_t)url;
        change_facts(r, route, &facts);
    }
}

void ranker_set_interval(struct ranker *r, int id, usec_t interval, usec_t now)
{
    struct ranked_route *route = r->routes[id];

    ranker_bring_route(r, route, now);
    if (route->interval == interval)
        return;
    route->interval = interval;
    r->models[route->model].content = true;
    ranker_mark(r, route);
}

void ranker_set_level(struct ranker *r, int id, const char *level, usec_t interval, usec_t now)
{
    struct ranked_route *route = r->routes[id];

    ranker_set_interval(r, id, interval, now);
    if (!differ(route->facts->level, level))
        return;
    struct table_facts facts = *route->facts;

    facts.level = (char *)(uintptr_t)level;
    change_facts(r, route, &facts);
}

void ranker_set_usable(struct ranker *r, int id, bool usable, const char *why, usec_t now)
{
    struct ranked_platform *platform = &r->platforms[id];

    if (!usable && why)
        text_copy(platform->why, sizeof(platform->why), why, strlen(why));
    if (platform->usable == usable)
        return;
    ranker_bring_platform(r, id, now);
    platform->usable = usable;
    ranker_urge_platform(r, id);
}

void ranker_set_maintenance(struct ranker *r, int platform, bool on, usec_t now)
{
    if (r->platforms[platform].maintenance == on)
        return;
    ranker_bring_platform(r, platform, now);
    r->platforms[platform].maintenance = on;
    ranker_urge_platform(r, platform);
}

void ranker_set_local(struct ranker *r, bool on, usec_t now)
{
    ranker_clock(r, now);
    if (r->local == on)
        return;
    r->local = on;
    r->changed = r->hard = true;
    r->revision++;
}

void ranker_set_restored(struct ranker *r, bool on)
{
    r->restored = on;
    r->changed = true;
    for (size_t i = 0; on && i < r->routes_len; i++) {
        struct ranked_route *route = r->routes[i];

        if (route->restored || route->stats.sampled_at <= 0)
            continue;
        route->restored = true;
        /* It is said in the rows as they stand: nothing is ranked again for that. */
        for (size_t p = 0; p < r->policies_len; p++) {
            struct standing *s = &r->models[route->model].standings[p];

            s->places[route->place].flags |= ROW_RESTORED;
            s->changed = true;
        }
    }
}

void ranker_set_override(struct ranker *r, int id, enum override_action action, usec_t now)
{
    struct ranked_route *route = r->routes[id];

    if (route->override == action)
        return;
    ranker_bring_route(r, route, now);
    route->override = action;
    ranker_urge(r, route);
}
