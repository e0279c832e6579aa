/* The body of /v1/status, and what only the daemon knows of a route for /v1/explain. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "probed/daemon_parts.h"
#include "shared/alloc.h"

static double units(int64_t pico) { return (double)pico / (double)PICO_PER_UNIT; }

static void add_budget(cJSON *json, struct daemon *d)
{
    cJSON *b = json_add_object(json, "budget");
    int64_t limit = d->world->config->budget.all, spent = budget_spent(d->budget, loop_now(d->loop));
    if (limit == BUDGET_UNLIMITED)
        json_add_null(b, "limit_per_day");
    else
        json_add_number(b, "limit_per_day", units(limit));
    json_add_number(b, "spent", units(spent));
    if (limit == BUDGET_UNLIMITED)
        json_add_null(b, "left");
    else
        json_add_number(b, "left", limit > spent ? units(limit - spent) : 0);
}

static void add_probes(cJSON *json, struct daemon *d)
{
    struct prober_stats stats = prober_stats(d->world->prober);
    cJSON *p = json_add_object(json, "probes");
    json_add_int(p, "in_flight", stats.in_flight);
    json_add_int(p, "queued", stats.queued);
    cJSON *sent = json_add_object(p, "sent"), *failed = json_add_object(p, "failed");
    struct collector_stats feeds = collector_stats(d->world->collector);
    stats.sent[PROBE_PRICE] = feeds.sent[COLLECT_PRICE];
    stats.failed[PROBE_PRICE] = feeds.failed[COLLECT_PRICE];
    stats.sent[PROBE_BALANCE] = feeds.sent[COLLECT_BALANCE];
    stats.failed[PROBE_BALANCE] = feeds.failed[COLLECT_BALANCE];
    for (int k = 0; k < PROBE_KIND_COUNT; k++) {
        json_add_int(sent, probe_kind_name((enum probe_kind)k), (int64_t)stats.sent[k]);
        json_add_int(failed, probe_kind_name((enum probe_kind)k), (int64_t)stats.failed[k]);
    }
    json_add_msec(p, "late_ms_max", stats.late_max);
}

static void add_loop(cJSON *json, struct daemon *d)
{
    struct loop_stats stats = loop_stats(d->loop);
    cJSON *l = json_add_object(json, "loop");
    json_add_int(l, "callbacks", (int64_t)stats.callbacks);
    json_add_int(l, "stalls", (int64_t)stats.stalls);
    json_add_msec(l, "worst_ms", stats.worst);
    json_add_string(l, "worst_of", stats.worst_of);
    json_add_msec(l, "lag_ms_max", stats.lag_worst);
}

/* States are the same in every policy's table. One pass over the ranker's routes for all platforms and the total. */
struct counts {
    int state[ROUTE_STATE_COUNT];
};

static struct counts *count_states(const struct daemon *d, struct counts *total)
{
    const struct world *w = d->world;
    struct counts *platforms = alloc_zero(w->config->platforms_len, sizeof *platforms);
    *total = (struct counts){{0}};
    for (size_t i = 0; i < w->config->platforms_len; i++)
        for (size_t j = 0; j < w->config->platforms[i].routes_len; j++) {
            enum route_state state = ranker_state(w->ranker, w->route_id[i][j]);
            platforms[i].state[state]++;
            total->state[state]++;
        }
    return platforms;
}

static void add_routes(cJSON *json, const struct counts *counts)
{
    int total = 0;
    cJSON *r = json_add_object(json, "routes");
    for (int s = 0; s < ROUTE_STATE_COUNT; s++)
        total += counts->state[s];
    json_add_int(r, "total", total);
    for (int s = 0; s < ROUTE_STATE_COUNT; s++)
        json_add_int(r, route_state_name((enum route_state)s), counts->state[s]);
}

static void add_endpoint(cJSON *array, const struct prober_endpoint_report *e, usec_t wall_offset)
{
    cJSON *j = json_add_object(array, NULL);
    json_add_string(j, "url", e->url);
    json_add_string(j, "dialect", dialect_name(e->dialect));
    json_add_bool(j, "in_use", e->in_use);
    json_add_bool(j, "up", e->up);
    bool seen = e->last.at > 0;
    json_add_string(j, "outcome", seen ? outcome_name(e->last.outcome.kind) : NULL);
    json_add_msec(j, "connect_ms", seen ? e->last.connect : -1);
    json_add_msec(j, "tls_ms", seen ? e->last.tls : -1);
    json_add_time(j, "at", seen ? e->last.at + wall_offset : -1);
}

static void add_tags(cJSON *json, const struct tag *tags, size_t len)
{
    cJSON *t = json_add_object(json, "tags");
    for (size_t i = 0; i < len; i++)
        json_add_string(t, tags[i].name, tags[i].value);
}

static void add_maintenance(cJSON *json, const struct config_platform *platform, usec_t wall)
{
    const struct config_window *window = config_platform_maintenance(platform, wall);
    json_add_string(json, "maintenance", window ? (window->reason ? window->reason : "planned maintenance") : NULL);
}

static void add_platform(cJSON *array, struct daemon *d, size_t index, const struct counts *counts)
{
    const struct config_platform *c = &d->world->config->platforms[index];
    struct prober_platform_report report;
    char key[200] = "none";
    prober_report_platform(d->world->prober, index, &report);
    if (c->key_required || report.has_key)
        secret_describe(&c->key, key, sizeof key);

    cJSON *p = json_add_object(array, NULL);
    json_add_string(p, "platform", c->name);
    json_add_string(p, "title", c->title);
    json_add_string(p, "level", probe_level_name(report.level));
    json_add_string(p, "why", report.why);
    json_add_string(p, "key", key);
    json_add_bool(p, "has_key", report.has_key);
    json_add_string(p, "endpoint", report.endpoint);
    cJSON *endpoints = json_add_array(p, "endpoints");
    for (size_t i = 0; i < report.endpoints_len; i++)
        add_endpoint(endpoints, &report.endpoints[i], daemon_wall_offset(d));
    json_add_int(p, "routes", (int64_t)c->routes_len);
    json_add_int(p, "up", counts->state[ROUTE_UP] + counts->state[ROUTE_DEGRADED]);
    add_maintenance(p, c, loop_wall(d->loop));
    add_tags(p, c->tags, c->tags_len);
    json_add_number(p, "target", c->target > 0 ? c->target : NAN);
    topics_add_sources(d, index, p);
    json_add_number(p, "spent", units(budget_spent_platform(d->budget, c->name, loop_now(d->loop))));
}

static void add_models(cJSON *json, const struct daemon *d)
{
    cJSON *array = json_add_array(json, "models");
    const struct table_policy *policy = table_find_policy(d->table, NULL);
    for (size_t i = 0; policy && i < policy->len; i++)
        json_add_string(array, NULL, policy->rankings[i]->model);
}

static void add_config(cJSON *json, const struct daemon *d)
{
    cJSON *c = json_add_object(json, "config");
    json_add_string(c, "file", d->config_file);
    json_add_time(c, "loaded_at", d->loaded_at);
    json_add_string(c, "error", d->config_error);
}

cJSON *status_to_json(struct daemon *d)
{
    const struct config *config = d->world->config;
    usec_t wall = loop_wall(d->loop);
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "version", PROBED_VERSION);
    json_add_int(json, "pid", getpid());
    json_add_string(json, "vantage", config->vantage);
    json_add_time(json, "started_at", d->started_at);
    json_add_time(json, "now", wall);
    json_add_int(json, "epoch", (int64_t)d->table->epoch);
    json_add_int(json, "generation", (int64_t)d->table->generation);
    json_add_time(json, "published_at", d->table->published_at);
    json_add_time(json, "valid_until", d->valid_until);
    json_add_bool(json, "stale", d->valid_until < wall);
    cJSON *flags = json_add_array(json, "flags");
    if (d->table->flags & TABLE_RESTORED)
        json_add_string(flags, NULL, "restored");
    if (d->table->flags & TABLE_LOCAL)
        json_add_string(flags, NULL, "local");
    json_add_string(json, "default_policy", config->policies_len ? config->policies[0].name : NULL);
    json_add_string(json, "currency", config->currency);
    add_config(json, d);
    struct counts total;
    CLEANUP(alloc_freep) struct counts *counts = count_states(d, &total);
    add_routes(json, &total);
    add_budget(json, d);
    history_to_json(d->history, json);
    add_probes(json, d);
    add_loop(json, d);
    cJSON *platforms = json_add_array(json, "platforms");
    for (size_t i = 0; i < config->platforms_len; i++)
        add_platform(platforms, d, i, &counts[i]);
    cJSON *policies = json_add_array(json, "policies");
    for (size_t i = 0; i < config->policies_len; i++) {
        cJSON *p = json_add_object(policies, NULL);
        json_add_string(p, "policy", config->policies[i].name);
        json_add_string(p, "about", config->policies[i].about);
    }
    add_models(json, d);
    cJSON_AddItemToObject(json, "overrides", overrides_to_json(&d->overrides));
    return json;
}

cJSON *status_explain_extra(struct daemon *d, size_t platform, size_t route)
{
    const struct config_platform *c = &d->world->config->platforms[platform];
    struct prober_route_report report;
    prober_report_route(d->world->prober, platform, route, &report);
    cJSON *json = cJSON_CreateObject();
    json_add_string(json, "level", probe_level_name(report.level));
    json_add_string(json, "level_why", report.why);
    cJSON *budget = json_add_object(json, "budget");
    json_add_number(budget, "spent", units(report.spent_pico));
    json_add_number(budget, "expected", report.expected_pico < 0 ? NAN : units(report.expected_pico));
    json_add_number(budget, "reserve", report.reserve_pico < 0 ? NAN : units(report.reserve_pico));
    const struct api_override *word = overrides_find(&d->overrides, c->name, c->routes[route].model);
    if (word)
        cJSON_AddItemToObject(json, "override", overrides_word_to_json(word));
    else
        json_add_null(json, "override");
    topics_add_price(d, platform, route, json);
    topics_add_capabilities(d, platform, route, json);
    add_maintenance(json, c, loop_wall(d->loop));
    json_add_time(json, "next_probe_at", report.level == LEVEL_CHAT ? report.next + daemon_wall_offset(d) : -1);
    return json;
}
