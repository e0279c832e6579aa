/* The body of /v1/spend: what is left of each platform's credit, how fast it goes and how long it lasts, and what our own probes take of it. */
#include <math.h>
#include <string.h>

#include "probed/daemon_parts.h"
#include "probed/topics.h"

static void add_budget(const struct topic *t, cJSON *json, const char *name, int64_t limit, int64_t spent)
{
    const char *reference = t->d->world->config->currency;
    cJSON *b = name ? json_add_object(json, name) : json;
    json_add_number(b, "spent", topic_known(t, spent, reference));
    json_add_number(b, "limit_per_day", limit == BUDGET_UNLIMITED ? NAN : topic_known(t, limit, reference));
    json_add_number(b, "left", limit == BUDGET_UNLIMITED ? NAN : topic_known(t, limit > spent ? limit - spent : 0, reference));
}

static double maybe(const struct topic *t, int64_t pico, const char *currency) { return pico == -1 ? NAN : topic_money(t, pico, currency); }

static void add_balance(const struct topic *t, cJSON *json, size_t platform, const struct account_credit *credit)
{
    const char *currency = purse_currency(t->d->purse, platform);
    struct collector_report r;
    usec_t at;
    const struct balance *last = purse_last(t->d->purse, platform, &at);
    collector_report(t->d->world->collector, platform, COLLECT_BALANCE, &r);
    int64_t left = last && last->left >= 0 && last->owed <= 0 ? last->left : credit->at >= 0 ? credit->reading.left : -1;
    cJSON *b = json_add_object(json, "balance");
    json_add_string(b, "source", r.source);
    json_add_string(b, "state", collector_state_name(r.state));
    json_add_string(b, "why", r.why[0] ? r.why : NULL);
    json_add_number(b, "left", maybe(t, left, currency));
    json_add_number(b, "granted", maybe(t, last ? last->granted : credit->reading.granted, currency));
    json_add_number(b, "used", maybe(t, last ? last->used : credit->reading.used, currency));
    json_add_number(b, "gift", maybe(t, last ? last->gift : credit->reading.gift, currency));
    json_add_bool(b, "unlimited", last ? last->unlimited : credit->reading.unlimited);
    json_add_string(b, "own_currency", currency[0] ? currency : NULL);
    json_add_number(b, "own_left", left == -1 ? NAN : (double)left / (double)PICO_PER_UNIT);
    json_add_string(b, "scope", last ? balance_scope_name(last->scope) : NULL);
    topic_add_time(t, b, "at", credit->at);
    topic_add_age(b, "age_s", credit->at < 0 ? -1 : t->now - credit->at);
    usec_t expires = last ? last->expires : credit->at >= 0 && credit->reading.expires > 0 ? credit->reading.expires + t->offset : 0;
    json_add_time(b, "expires_at", expires > 0 ? expires / USEC_PER_SEC * USEC_PER_SEC : -1);
}

void topic_add_alerts(const struct account_credit *credit, cJSON *json)
{
    cJSON *alerts = json_add_array(json, "alerts");
    if (credit->low_credit)
        json_add_string(alerts, NULL, "low_credit");
    if (credit->short_runway)
        json_add_string(alerts, NULL, "short_runway");
}

static void add_credit(const struct topic *t, cJSON *json, size_t platform, const struct account_credit *credit)
{
    const char *currency = purse_currency(t->d->purse, platform);
    cJSON *burn = json_add_object(json, "burn");
    json_add_number(burn, "per_day", maybe(t, credit->burn, currency));
    json_add_number(burn, "low", maybe(t, credit->burn_low, currency));
    json_add_number(burn, "high", maybe(t, credit->burn_high, currency));
    json_add_number(burn, "hours", credit->burn_hours);
    cJSON *runway = json_add_object(json, "runway");
    json_add_string(runway, "state", account_runway_name(credit->runway));
    json_add_number(runway, "days", topic_positive(credit->days));
    json_add_number(runway, "low", topic_positive(credit->days_low));
    json_add_number(runway, "high", topic_positive(credit->days_high));
    cJSON *changes = json_add_array(json, "changes");
    for (int i = 0; i < credit->changes_len; i++) {
        cJSON *change = json_add_object(changes, NULL);
        topic_add_time(t, change, "at", credit->changes[i].at);
        json_add_number(change, "amount", topic_money(t, credit->changes[i].amount, currency));
        json_add_string(change, "kind", account_change_name(credit->changes[i].kind));
    }
    topic_add_alerts(credit, json);
}

static void add_routes(const struct topic *t, cJSON *json, cJSON *probes, size_t platform)
{
    const struct config_platform *c = &t->d->world->config->platforms[platform];
    const char *reference = t->d->world->config->currency;
    cJSON *routes = json_add_array(json, "routes");
    int64_t expected = 0;
    size_t known = 0, paid = 0;
    for (size_t j = 0; j < c->routes_len; j++) {
        struct prober_route_report r;
        prober_report_route(t->d->world->prober, platform, j, &r);
        cJSON *route = json_add_object(routes, NULL);
        json_add_string(route, "model", c->routes[j].model);
        json_add_string(route, "level", probe_level_name(r.level));
        json_add_string(route, "why", r.why[0] ? r.why : NULL);
        json_add_number(route, "spent", topic_known(t, r.spent_pico, reference));
        json_add_number(route, "expected", topic_known(t, r.expected_pico, reference));
        json_add_number(route, "reserve", topic_known(t, r.reserve_pico, reference));
        json_add_int(route, "max_tokens", r.max_tokens);
        json_add_bool(route, "tripped", budget_tripped(t->d->budget, budget_route(t->d->budget, c->name, c->routes[j].model)));
        usec_t interval = c->probes[PROBE_CHAT].rule.interval;
        paid += r.level == LEVEL_CHAT;
        known += r.level == LEVEL_CHAT && r.expected_pico >= 0;
        if (r.level == LEVEL_CHAT && r.expected_pico > 0 && interval > 0)
            expected += (int64_t)((double)r.expected_pico * ((double)USEC_PER_DAY / (double)interval) / prober_stretch(t->d->world->prober));
    }
    json_add_number(probes, "per_day_expected", known < paid ? NAN : topic_known(t, expected, reference));
}

static void add_platform(const struct topic *t, cJSON *array, size_t i)
{
    struct daemon *d = t->d;
    const struct config_platform *c = &d->world->config->platforms[i];
    int id = purse_platform_id(d->purse, i);
    struct account_credit credit = {
        .reading = account_reading_make(), .at = -1, .burn = -1, .burn_low = -1, .burn_high = -1, .days = -1, .days_low = -1, .days_high = -1};
    if (id >= 0)
        accounts_credit(purse_accounts(d->purse), id, t->now, &credit);
    cJSON *json = json_add_object(array, NULL);
    json_add_string(json, "platform", c->name);
    json_add_string(json, "title", c->title);
    add_balance(t, json, i, &credit);
    add_credit(t, json, i, &credit);
    int64_t limit = c->budget != BUDGET_UNLIMITED ? c->budget : d->world->config->budget.platform;
    add_budget(t, json, "probes", limit, budget_spent_platform(d->budget, c->name, t->now));
    add_routes(t, json, cJSON_GetObjectItemCaseSensitive(json, "probes"), i);
}

void topic_spend(const struct topic *t, cJSON *json)
{
    const struct config *config = t->d->world->config;
    json_add_string(json, "currency", t->currency);
    add_budget(t, json, "budget", config->budget.all, budget_spent(t->d->budget, t->now));
    json_add_number(cJSON_GetObjectItemCaseSensitive(json, "budget"), "stretch", prober_stretch(t->d->world->prober));
    cJSON *platforms = json_add_array(json, "platforms");
    for (size_t i = 0; i < config->platforms_len; i++)
        if (topic_wants_platform(t, &config->platforms[i]))
            add_platform(t, platforms, i);
}
