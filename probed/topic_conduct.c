/* The bodies of /v1/capabilities (what a route was found to be able to do) and /v1/honesty (signs that an answer is not what it is said to be). */
#include <math.h>
#include <string.h>

#include "probed/daemon_parts.h"
#include "probed/topics.h"

typedef void (*add_fn)(const struct topic *t, cJSON *json, size_t platform, size_t route);

static void add_routes(const struct topic *t, cJSON *json, add_fn add)
{
    const struct config *config = t->d->world->config;
    cJSON *routes = json_add_array(json, "routes");
    for (size_t i = 0; i < config->platforms_len; i++) {
        const struct config_platform *c = &config->platforms[i];
        for (size_t j = 0; j < c->routes_len && topic_wants_platform(t, c); j++) {
            if (!topic_wants_model(t, c->routes[j].model))
                continue;
            cJSON *route = json_add_object(routes, NULL);
            json_add_string(route, "platform", c->name);
            json_add_string(route, "title", c->title);
            json_add_string(route, "model", c->routes[j].model);
            add(t, route, i, j);
        }
    }
}

static void add_results(const struct topic *t, cJSON *results, size_t platform, struct prober_capabilities_report *r)
{
    for (int i = 0; i < CAPABILITY_COUNT; i++) {
        struct capability_known *k = &r->known.of[i];
        collector_hide(t->d->world->collector, platform, k->evidence);
        cJSON *result = json_add_object(results, NULL);
        json_add_string(result, "capability", capability_name((enum capability)i));
        json_add_string(result, "state", capability_state_name((enum capability_state)k->state));
        json_add_bool(result, "declared", r->declared[i]);
        json_add_int(result, "refusals", k->refusals);
        topic_add_time(t, result, "at", k->at > 0 ? k->at : -1);
        json_add_string(result, "evidence", k->evidence[0] ? k->evidence : NULL);
    }
}

static void add_capabilities(const struct topic *t, cJSON *json, size_t platform, size_t route)
{
    struct prober_capabilities_report r;
    prober_report_capabilities(t->d->world->prober, platform, route, &r);
    topic_add_time(t, json, "tested_at", r.tested_at > 0 ? r.tested_at : -1);
    topic_add_time(t, json, "next_at", r.next_at > 0 ? r.next_at : -1);
    json_add_string(json, "why", r.why[0] ? r.why : NULL);
    add_results(t, json_add_array(json, "results"), platform, &r);
}

void topics_add_capabilities(struct daemon *d, size_t platform, size_t route, cJSON *json)
{
    struct topic t = {.d = d, .now = loop_now(d->loop), .offset = daemon_wall_offset(d)};
    struct prober_capabilities_report r;
    prober_report_capabilities(d->world->prober, platform, route, &r);
    add_results(&t, json_add_array(json, "capabilities"), platform, &r);
}

void topic_capabilities(const struct topic *t, cJSON *json)
{
    cJSON *names = json_add_array(json, "capabilities");
    for (int i = 0; i < CAPABILITY_COUNT; i++)
        json_add_string(names, NULL, capability_name((enum capability)i));
    add_routes(t, json, add_capabilities);
}

static void add_signal(const struct topic *t, cJSON *array, const struct honesty *h, enum honesty_id id)
{
    const struct honesty_signal *s = &h->signal[id];
    cJSON *json = json_add_object(array, NULL);
    json_add_string(json, "signal", honesty_name(id));
    json_add_string(json, "text", honesty_text(id));
    json_add_int(json, "count", s->count);
    json_add_int(json, "of", s->of);
    json_add_number(json, "share", s->of > 0 ? honesty_share(h, id, t->now) : NAN);
    json_add_bool(json, "weighs", honesty_weighs(id));
    topic_add_time(t, json, "at", s->last > 0 ? s->last : -1);
    json_add_string(json, "evidence", s->evidence[0] ? s->evidence : NULL);
}

static void add_honesty(const struct topic *t, cJSON *json, size_t platform, size_t route)
{
    const struct world *w = t->d->world;
    const struct honesty *h = ranker_honesty(w->ranker, w->route_id[platform][route]);
    double samples = honesty_samples(h, t->now);
    json_add_number(json, "dishonesty", samples > 0 ? honesty_dishonesty(h, t->now) : NAN);
    json_add_number(json, "samples", samples);
    cJSON *signals = json_add_array(json, "signals");
    for (int i = 0; i < HONESTY_SIGNALS; i++)
        add_signal(t, signals, h, (enum honesty_id)i);
}

void topic_honesty(const struct topic *t, cJSON *json) { add_routes(t, json, add_honesty); }
