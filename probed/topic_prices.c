/* The body of /v1/prices: what each route costs on each platform, in one currency, with where that is known from, how old it is, and whether it is true. */
#include <math.h>
#include <string.h>

#include "probed/daemon_parts.h"
#include "probed/topics.h"

/* --- platforms --------------------------------------------------------------------------------------------------------- */

static void add_feed(const struct topic *t, cJSON *json, const struct collector_report *r)
{
    json_add_string(json, "source", r->shape && r->state != COLLECT_NONE && r->state != COLLECT_CONFIG ? r->shape : r->source);
    json_add_string(json, "state", collector_state_name(r->state));
    json_add_string(json, "why", r->why[0] ? r->why : NULL);
    topic_add_time(t, json, "fetched_at", r->fetched_at);
    topic_add_time(t, json, "changed_at", r->changed_at);
    topic_add_age(json, "age_s", r->fetched_at < 0 ? -1 : t->now - r->fetched_at);
}

static void add_platform(const struct topic *t, cJSON *array, size_t i)
{
    const struct config_platform *c = &t->d->world->config->platforms[i];
    struct collector_report r;
    char revision[24];
    collector_report(t->d->world->collector, i, COLLECT_PRICE, &r);
    cJSON *json = json_add_object(array, NULL);
    json_add_string(json, "platform", c->name);
    json_add_string(json, "title", c->title);
    add_feed(t, json, &r);
    json_add_int(json, "models", r.list ? (int64_t)r.list->len : 0);
    snprintf(revision, sizeof revision, "%016llx", r.list ? (unsigned long long)r.list->revision : 0);
    json_add_string(json, "revision", r.list ? revision : NULL);
    topic_add_time(t, json, "next_at", r.next_at);
}

/* --- rows -------------------------------------------------------------------------------------------------------------- */

/* Figures of `from` as they are shown in the topic's currency; the same currency = as they are. */
static void add_figures(const struct topic *t, cJSON *json, const struct price_figures *f, const char *from)
{
    json_add_number(json, "input", topic_a_million(t, f->input, from));
    json_add_number(json, "output", topic_a_million(t, f->output, from));
    json_add_number(json, "cache_read", topic_a_million(t, f->cache_read, from));
    json_add_number(json, "cache_write", topic_a_million(t, f->cache_write, from));
    json_add_number(json, "call", topic_known(t, f->call, from));
}

static double own(int64_t pico, double each) { return pico < 0 ? NAN : (double)pico * each / (double)PICO_PER_UNIT; }

static void add_own(cJSON *json, const struct price_figures *f)
{
    cJSON *o = json_add_object(json, "own");
    json_add_number(o, "input", own(f->input, 1e6));
    json_add_number(o, "output", own(f->output, 1e6));
    json_add_number(o, "cache_read", own(f->cache_read, 1e6));
    json_add_number(o, "cache_write", own(f->cache_write, 1e6));
    json_add_number(o, "call", own(f->call, 1));
}

static void add_tiers(const struct topic *t, cJSON *json, const struct route_price *price)
{
    cJSON *tiers = json_add_array(json, "tiers");
    for (size_t i = 0; i < price->row.tiers_len; i++) {
        cJSON *tier = json_add_object(tiers, NULL);
        json_add_int(tier, "from_tokens", price->row.tiers[i].from_tokens);
        add_figures(t, tier, &price->row.tiers[i].price, price->currency);
    }
}

static void add_reference(const struct topic *t, cJSON *json, size_t platform, size_t route, double off)
{
    struct collector_report r;
    const struct config_route *c = &t->d->world->config->platforms[platform].routes[route];
    collector_report(t->d->world->collector, COLLECTOR_NO_PLATFORM, COLLECT_REFERENCE, &r);
    const struct price_row *row = r.list ? pricing_find(r.list, c->upstream, c->model) : NULL;
    if (row) {
        cJSON *reference = json_add_object(json, "reference");
        json_add_number(reference, "input", topic_a_million(t, row->price.input, r.list->currency));
        json_add_number(reference, "output", topic_a_million(t, row->price.output, r.list->currency));
    } else {
        json_add_null(json, "reference");
    }
    json_add_number(json, "off_reference", off > 0 ? off : NAN);
}

static void add_verified(const struct topic *t, cJSON *json, int id)
{
    cJSON *v = json_add_object(json, "verified");
    struct account_ratio r = {.state = ACCOUNT_INSUFFICIENT, .why = ACCOUNT_WHY_NO_READING, .ratio = -1, .low = -1, .high = -1, .newest = -1};
    if (id >= 0)
        accounts_ratio(purse_accounts(t->d->purse), id, t->now, &r);
    json_add_string(v, "state", account_state_name(r.state));
    json_add_string(v, "why", r.why == ACCOUNT_WHY_SURE ? NULL : account_why_text(r.why));
    json_add_number(v, "ratio", topic_positive(r.ratio));
    json_add_number(v, "low", topic_positive(r.low));
    json_add_number(v, "high", topic_positive(r.high));
    json_add_string(v, "evidence", r.evidence == ACCOUNT_NO_EVIDENCE ? NULL : account_evidence_name(r.evidence));
    json_add_int(v, "windows", r.windows);
    json_add_bool(v, "of_mix", r.of_mix);
    topic_add_time(t, v, "at", r.newest);
}

static void add_inflation(const struct topic *t, cJSON *json, int id)
{
    cJSON *v = json_add_object(json, "inflation");
    struct account_inflation i = {.state = ACCOUNT_TOKENS_INSUFFICIENT, .ratio = -1, .newest = -1};
    if (id >= 0)
        accounts_inflation(purse_accounts(t->d->purse), id, t->now, &i);
    json_add_string(v, "state", account_tokens_name(i.state));
    json_add_number(v, "ratio", topic_positive(i.ratio));
    json_add_int(v, "extra", i.extra);
    json_add_int(v, "samples", i.samples);
}

static const char *state_of(const struct topic *t, size_t platform, const struct route_price *price)
{
    struct collector_report r;
    if (price->implausible)
        return "implausible";
    if (price->from == PRICING_NONE)
        return "unknown";
    if (price->from != PRICING_FEED)
        return "ok";
    collector_report(t->d->world->collector, platform, COLLECT_PRICE, &r);
    usec_t age = loop_wall(t->d->loop) - price->fetched_at;
    bool old = age > 6 * r.interval;
    return old || !price->listed || r.state == COLLECT_STALE || (r.state == COLLECT_FAILED && old) ? "stale" : "ok";
}

static void add_price(const struct topic *t, cJSON *json, size_t platform, size_t route)
{
    const struct route_price *price = pricing_of(t->d->pricing, platform, route);
    const char *reference = t->d->world->config->currency;
    int id = purse_route_id(t->d->purse, platform, route);
    bool known = price->from != PRICING_NONE;
    json_add_string(json, "source", pricing_source_name(price));
    json_add_string(json, "state", state_of(t, platform, price));
    json_add_time(json, "fetched_at", price->fetched_at > 0 ? price->fetched_at : -1);
    topic_add_age(json, "age_s", price->fetched_at > 0 ? loop_wall(t->d->loop) - price->fetched_at : -1);
    json_add_string(json, "own_currency", known ? price->currency : NULL);
    add_own(json, &price->row.price);
    add_figures(t, json, &price->row.price, known ? price->currency : reference);
    add_tiers(t, json, price);
    json_add_bool(json, "free", price->row.free);
    add_reference(t, json, platform, route, price->off_reference);
    add_verified(t, json, id);
    add_inflation(t, json, id);
    cJSON *effective = json_add_object(json, "effective");
    json_add_number(effective, "input", topic_a_million(t, price->effective.input, reference));
    json_add_number(effective, "output", topic_a_million(t, price->effective.output, reference));
    json_add_number(effective, "call", topic_known(t, price->effective.call, reference));
}

static void add_rows(const struct topic *t, cJSON *json, const char *model)
{
    const struct config *config = t->d->world->config;
    cJSON *rows = json_add_array(json, "rows");
    for (size_t i = 0; i < config->platforms_len; i++) {
        const struct config_platform *c = &config->platforms[i];
        for (size_t j = 0; j < c->routes_len; j++) {
            if (strcmp(c->routes[j].model, model) != 0)
                continue;
            cJSON *row = json_add_object(rows, NULL);
            json_add_string(row, "platform", c->name);
            json_add_string(row, "title", c->title);
            json_add_string(row, "upstream_model", c->routes[j].upstream);
            add_price(t, row, i, j);
        }
    }
}

void topic_prices(const struct topic *t, cJSON *json)
{
    const struct config *config = t->d->world->config;
    json_add_string(json, "currency", t->currency);
    exchange_to_json(&t->d->exchange, config, t->offset, json);
    cJSON *platforms = json_add_array(json, "platforms");
    for (size_t i = 0; i < config->platforms_len; i++)
        add_platform(t, platforms, i);
    cJSON *models = json_add_array(json, "models");
    for (size_t i = 0; i < config->models_len; i++) {
        if (!topic_wants_model(t, config->models[i].name))
            continue;
        cJSON *model = json_add_object(models, NULL);
        json_add_string(model, "model", config->models[i].name);
        add_rows(t, model, config->models[i].name);
    }
}

void topics_add_price(struct daemon *d, size_t platform, size_t route, cJSON *json)
{
    static const struct api_topic_query all = {.requests = -1, .days = -1};
    struct topic t = {.d = d, .query = &all, .now = loop_now(d->loop), .offset = daemon_wall_offset(d)};
    strcpy(t.currency, d->world->config->currency);
    add_price(&t, json_add_object(json, "price_facts"), platform, route);
}

void topics_add_sources(struct daemon *d, size_t platform, cJSON *json)
{
    static const struct api_topic_query all = {.requests = -1, .days = -1};
    struct topic t = {.d = d, .query = &all, .now = loop_now(d->loop), .offset = daemon_wall_offset(d)};
    struct collector_report r;
    strcpy(t.currency, d->world->config->currency);
    cJSON *price = json_add_object(json, "price_source");
    collector_report(d->world->collector, platform, COLLECT_PRICE, &r);
    add_feed(&t, price, &r);
    json_add_int(price, "models", r.list ? (int64_t)r.list->len : 0);
    cJSON *balance = json_add_object(json, "balance");
    collector_report(d->world->collector, platform, COLLECT_BALANCE, &r);
    struct account_credit credit = {.at = -1, .days = -1};
    if (purse_platform_id(d->purse, platform) >= 0)
        accounts_credit(purse_accounts(d->purse), purse_platform_id(d->purse, platform), t.now, &credit);
    const char *currency = purse_currency(d->purse, platform);
    json_add_string(balance, "source", r.source);
    json_add_string(balance, "state", collector_state_name(r.state));
    json_add_string(balance, "why", r.why[0] ? r.why : NULL);
    json_add_number(balance, "left", credit.at < 0 || credit.reading.left == -1 ? NAN : topic_money(&t, credit.reading.left, currency));
    json_add_string(balance, "currency", t.currency);
    json_add_number(balance, "runway_days", topic_positive(credit.days));
    topic_add_time(&t, balance, "at", credit.at);
    topic_add_alerts(&credit, balance);
}
