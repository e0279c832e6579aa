/* From a configuration to a ranker with nothing in its memory yet. */
#include "probed/roster.h"

#include <errno.h>

static const char *endpoint_for(const struct config_platform *c, enum dialect_id dialect)
{
    for (size_t k = 0; k < c->endpoints_len; k++)
        if (c->endpoints[k].dialect == dialect)
            return c->endpoints[k].url;
    return "";
}

static int add_route(struct ranker *ranker, const struct config *config, const struct config_platform *c, const struct config_route *route, int platform)
{
    struct ranker_route_setup setup = {
        .platform = platform,
        .model = route->model,
        .upstream_model = route->upstream,
        .dialect = dialect_name(route->dialect),
        .endpoint = endpoint_for(c, route->dialect),
        .key_env = c->key.env,
        .tags = route->tags,
        .tags_len = route->tags_len,
        .price = config_price_in_reference(config, &route->price),
        .interval = c->probes[PROBE_CHAT].rule.interval,
    };
    return ranker_add_route(ranker, &setup);
}

struct ranker *roster_ranker(const struct config *config, int *platform_id, int **route_id)
{
    struct ranker_setup setup = {
        .policies = config->policies,
        .policies_len = config->policies_len,
        .health = config->health,
        .currency = config->currency,
        .vantage = config->vantage,
    };
    struct ranker *ranker = ranker_new(&setup);
    for (size_t i = 0; i < config->platforms_len; i++) {
        const struct config_platform *c = &config->platforms[i];
        int platform = ranker_add_platform(ranker, c->name, c->title, c->tags, c->tags_len);
        if (platform_id)
            platform_id[i] = platform;
        for (size_t j = 0; j < c->routes_len; j++) {
            int route = add_route(ranker, config, c, &c->routes[j], platform);
            if (route_id)
                route_id[i][j] = route;
        }
    }
    return ranker;
}

static int tell_observation(struct ranker *ranker, const struct config *config, const struct record *record, usec_t now)
{
    struct observation o = record->o;
    bool of_route = o.probe != PROBE_REACH && o.probe != PROBE_MODELS;
    int id = of_route ? ranker_find(ranker, record->platform, record->model) : ranker_find_platform(ranker, record->platform);
    if (id < 0)
        return -ENOENT;
    o.at = now;
    o.cost_pico = config_convert(config, o.cost_pico, "USD");
    if (record->reporter[0])
        o.reporter = ranker_reporter(ranker, record->reporter);
    return of_route ? ranker_observe(ranker, id, &o, now) : ranker_observe_platform(ranker, id, &o, now);
}

int roster_tell(struct ranker *ranker, const struct config *config, const struct record *record, usec_t now)
{
    int id;
    switch (record->kind) {
    case RECORD_CHAT:
    case RECORD_REACH:
    case RECORD_BURST:
    case RECORD_TRIAL:
    case RECORD_MODELS: return tell_observation(ranker, config, record, now);
    case RECORD_LISTING:
        id = ranker_find(ranker, record->platform, record->model);
        if (id < 0)
            return -ENOENT;
        ranker_set_listing(ranker, id, record->ok ? LISTING_PRESENT : LISTING_ABSENT, now);
        return 0;
    case RECORD_SELF_CHECK: ranker_set_local(ranker, !record->ok, now); return 0;
    default: return -EINVAL;
    }
}
