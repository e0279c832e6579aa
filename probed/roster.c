/* From a configuration to a ranker with nothing in its memory yet. */
#include "probed/roster.h"

static const char *endpoint_for(const struct config_platform *c, enum dialect_id dialect)
{
    for (size_t k = 0; k < c->endpoints_len; k++)
        if (c->endpoints[k].dialect == dialect)
            return c->endpoints[k].url;
    return "";
}

static struct price price_of(const struct config *config, const struct config_price *price)
{
    struct price p = {.source = "config"};
    if (!price->known)
        return p;
    p.input = config_convert(config, price->input, price->currency);
    p.output = config_convert(config, price->output, price->currency);
    p.call = config_convert(config, price->call, price->currency);
    p.known = p.input >= 0 && p.output >= 0 && p.call >= 0;
    return p;
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
        .price = price_of(config, &route->price),
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
