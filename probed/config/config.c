/* The configuration once it is loaded: counting, freeing, looking up, and money between currencies. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>

const char *dialect_name(enum dialect_id id)
{
    return id < DIALECT_COUNT ? words_dialect[id] : "?";
}

const char *probe_level_name(enum probe_level level)
{
    return level <= LEVEL_CHAT ? words_level[level] : "?";
}

struct config *config_ref(struct config *config)
{
    config->refs++;
    return config;
}

static void free_route(struct config_route *r)
{
    free(r->model);
    free(r->upstream);
    tags_free(r->tags, r->tags_len);
}

static void free_platform(struct config_platform *p)
{
    for (size_t i = 0; i < p->endpoints_len; i++)
        free(p->endpoints[i].url);
    for (size_t i = 0; i < p->routes_len; i++)
        free_route(&p->routes[i]);
    for (size_t i = 0; i < p->headers_len; i++) {
        free(p->headers[i].name);
        free(p->headers[i].value);
    }
    for (size_t i = 0; i < p->windows_len; i++)
        free(p->windows[i].reason);
    tags_free(p->tags, p->tags_len);
    source_free(&p->price_feed);
    source_free(&p->balance_feed);
    void *rest[] = {p->name,        p->title,     p->file,           p->endpoints,     p->routes,     p->headers,
                    p->windows,     p->key.env,   p->key.credential, p->key.file,      p->user_agent, p->ca_file,
                    p->models_path, p->chat_path};
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        free(rest[i]);
}

static void free_policy(struct policy *p)
{
    free_const(p->name);
    free_const(p->about);
    for (size_t i = 0; i < p->require_len; i++) {
        free_const(p->require[i].name);
        free_const(p->require[i].value);
    }
    free_const(p->require);
}

static void free_settings(struct config *c)
{
    for (size_t i = 0; i < c->self_check_len; i++)
        free(c->self_check[i]);
    for (size_t i = 0; i < c->models_len; i++) {
        free(c->models[i].name);
        tags_free(c->models[i].tags, c->models[i].tags_len);
    }
    for (size_t i = 0; i < c->roles_len; i++) {
        free(c->roles[i].users);
        free(c->roles[i].groups);
    }
    for (size_t i = 0; i < c->workloads_len; i++) {
        free(c->workloads[i].model);
        free(c->workloads[i].policy);
    }
    free(c->workloads);
    free(c->rate_source.url);
    free(c->rate_source.file);
    free(c->price_reference.url);
    free(c->price_reference.file);
    void *rest[] = {c->file,    c->socket_path, c->socket_group, c->state_dir, c->vantage,  c->default_policy, c->rates,
                    c->ca_file, c->self_check,  c->models,       c->platforms, c->policies, c->roles};
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        free(rest[i]);
}

void config_unref(struct config *c)
{
    if (!c || --c->refs > 0)
        return;
    for (size_t i = 0; i < c->platforms_len; i++)
        free_platform(&c->platforms[i]);
    for (size_t i = 0; i < c->policies_len; i++)
        free_policy(&c->policies[i]);
    free_settings(c);
    free(c);
}

int64_t config_convert(const struct config *config, int64_t pico, const char *currency)
{
    if (!config || pico < 0)
        return -1;
    if (strcmp(currency, config->currency) == 0)
        return pico;
    for (size_t i = 0; i < config->rates_len; i++) {
        if (strcmp(config->rates[i].currency, currency) != 0)
            continue;
        __int128 sum = ((__int128)pico * config->rates[i].pico + PICO_PER_UNIT / 2) / PICO_PER_UNIT;
        return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
    }
    return -1;
}

int64_t config_convert_to(const struct config *config, int64_t pico, const char *currency)
{
    if (!config || pico < 0)
        return -1;
    if (strcmp(currency, config->currency) == 0)
        return pico;
    for (size_t i = 0; i < config->rates_len; i++) {
        if (strcmp(config->rates[i].currency, currency) != 0 || config->rates[i].pico <= 0)
            continue;
        __int128 sum = ((__int128)pico * PICO_PER_UNIT + config->rates[i].pico / 2) / config->rates[i].pico;
        return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
    }
    return -1;
}

const struct config_platform *config_find_platform(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->platforms_len; i++)
        if (strcmp(config->platforms[i].name, name) == 0)
            return &config->platforms[i];
    return NULL;
}

const struct config_model *config_find_model(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->models_len; i++)
        if (strcmp(config->models[i].name, name) == 0)
            return &config->models[i];
    return NULL;
}

struct price config_price_in_reference(const struct config *config, const struct config_price *price)
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
