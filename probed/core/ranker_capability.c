/* What was found out about a route beside how it works: its capabilities, and how its last burst went.
 *
 * Whether a route meets what a policy requires is worked out when something about that changes and kept in its places; a change of it moves traffic, so it counts
 * from its own time on, as a state does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/ranker_inside.h"
#include "shared/alloc.h"
#include "shared/text.h"

static const struct tag *unmet(const struct ranker *r, const struct ranked_route *route, size_t policy)
{
    const struct ranked_platform *platform = &r->platforms[route->platform];

    return capability_unmet(&r->policies[policy], route->measured, route->tags, route->tags_len, platform->tags, platform->tags_len);
}

bool ranker_meets(const struct ranker *r, const struct ranked_route *route, size_t policy)
{
    return unmet(r, route, policy) == NULL;
}

bool ranker_meet(struct ranker *r, const struct ranked_route *route)
{
    struct ranked_model *m = &r->models[route->model];
    bool changed = false;

    for (size_t p = 0; p < r->policies_len; p++) {
        struct place *place = &m->standings[p].places[route->place];
        bool meets = ranker_meets(r, route, p);

        changed = changed || place->meets != meets;
        place->meets = meets;
    }
    return changed;
}

void ranker_say_unmet(const struct ranker *r, const struct ranked_route *route, size_t policy, char *ret, size_t size)
{
    const struct tag *wanted = unmet(r, route, policy);
    int capability = wanted && route->measured ? capability_from_name(wanted->name) : -1;

    ret[0] = '\0';
    if (!wanted)
        return;
    if (capability >= 0 && route->measured->of[capability].state == CAPABILITY_NO)
        snprintf(ret, size, "measured: no %.40s", wanted->name);
    else if (wanted->value && wanted->value[0])
        snprintf(ret, size, "not declared: %.40s=%.40s", wanted->name, wanted->value);
    else
        snprintf(ret, size, "not declared: %.40s", wanted->name);
}

void ranker_set_capability(struct ranker *r, int id, enum capability capability, const struct capability_known *known, usec_t now)
{
    struct ranked_route *route = r->routes[id];

    ranker_bring_route(r, route, now);
    if (!route->measured)
        route->measured = alloc_zero(1, sizeof(*route->measured));
    struct capability_known *k = &route->measured->of[capability];

    *k = *known;
    text_copy(k->evidence, sizeof(k->evidence), known->evidence, strnlen(known->evidence, sizeof(known->evidence)));
    if (k->at > r->now)
        k->at = r->now;
    if (ranker_meet(r, route))
        ranker_urge(r, route);
}

const struct capabilities *ranker_capabilities(const struct ranker *r, int route)
{
    return r->routes[route]->measured;
}

void ranker_set_burst(struct ranker *r, int id, const struct burst_result *burst, usec_t now)
{
    struct ranked_route *route = r->routes[id];

    ranker_bring_route(r, route, now);
    route->burst = *burst;
    text_copy(route->burst.why, sizeof(route->burst.why), burst->why, strnlen(burst->why, sizeof(burst->why)));
    if (route->burst.at > r->now)
        route->burst.at = r->now;
}

const struct burst_result *ranker_burst(const struct ranker *r, int route)
{
    return &r->routes[route]->burst;
}
