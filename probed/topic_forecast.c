/* The body of /v1/forecast: what a workload would cost on each platform and on the table as it is published, and when each credit runs out under it.
 *
 * The workloads are the declared ones, or one that is asked for; of a model that is asked for alone, its declared ones. A platform's cost is that of sending all of it there; the table's is
 * that of sending it by the shares of the moment. What cannot be known (no price) is said and never counted as nothing. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/forecast.h"
#include "probed/daemon_parts.h"
#include "probed/topics.h"
#include "shared/alloc.h"

#define DAYS 30.0

struct work {
    const char *model, *policy;
    struct forecast_workload load;
    bool declared;
};

/* What a platform's forecast is made of, in the reference currency. */
struct candidate {
    size_t platform, route;
    struct forecast_route route_facts;
    const struct table_row *row; /* of the policy's table; NULL = it is not in it */
    bool verified;
};

static const struct table_row *find_row(const struct topic *t, const struct work *work, const char *platform)
{
    const struct table_policy *policy = table_find_policy(t->d->table, work->policy);
    const struct ranking *ranking = policy ? table_policy_find(policy, work->model) : NULL;
    for (size_t i = 0; ranking && i < ranking->len; i++)
        if (strcmp(ranking->rows[i].facts->platform, platform) == 0)
            return &ranking->rows[i];
    return NULL;
}

static void fill_candidate(const struct topic *t, const struct work *work, struct candidate *c)
{
    struct daemon *d = t->d;
    const struct config *config = d->world->config;
    const struct route_price *price = pricing_of(d->pricing, c->platform, c->route);
    struct account_ratio r = {.state = ACCOUNT_INSUFFICIENT};
    int id = purse_route_id(d->purse, c->platform, c->route);
    if (id >= 0)
        accounts_ratio(purse_accounts(d->purse), id, t->now, &r);
    c->row = find_row(t, work, config->platforms[c->platform].name);
    c->verified = r.state != ACCOUNT_INSUFFICIENT;
    double availability = c->row ? c->row->availability : NAN, low = c->row ? c->row->availability_low : NAN;
    c->route_facts = (struct forecast_route){
        .price = purse_tariff(d, price, config->currency),
        .ratio = c->verified ? r.ratio : 0,
        .ratio_low = c->verified ? r.low : 0,
        .ratio_high = c->verified ? r.high : 0,
        .failure = isfinite(availability) ? 1 - availability : -1,
        .failure_low = isfinite(availability) ? fmax(0, 1 - availability - (availability - (isfinite(low) ? low : availability))) : -1,
        .failure_high = isfinite(low) ? 1 - low : -1,
        .charged = -1,
        .volatility = pricing_volatility(d->pricing, c->platform, c->route),
        .weight = c->row ? (double)c->row->slots : 0,
    };
}

static void add_interval(const struct topic *t, cJSON *json, const struct forecast *f)
{
    const char *reference = t->d->world->config->currency;
    json_add_number(json, "cost", f->known ? topic_known(t, f->cost, reference) : NAN);
    json_add_number(json, "low", f->known ? topic_known(t, f->low, reference) : NAN);
    json_add_number(json, "high", f->known ? topic_known(t, f->high, reference) : NAN);
}

static void add_ending(const struct topic *t, cJSON *json, size_t platform, const struct forecast *f, int days)
{
    struct daemon *d = t->d;
    const struct config *config = d->world->config;
    const char *own = purse_currency(d->purse, platform);
    struct account_credit credit = {.reading = account_reading_make(), .at = -1};
    struct forecast_ending end = {.state = FORECAST_INSUFFICIENT, .after = -1, .low = -1, .high = -1};
    double balance = NAN;
    if (purse_platform_id(d->purse, platform) >= 0 && own[0])
        accounts_credit(purse_accounts(d->purse), purse_platform_id(d->purse, platform), t->now, &credit);
    if (credit.at >= 0) {
        const struct exchange *e = &d->exchange;
        struct forecast_credit left = {
            .unlimited = credit.reading.unlimited,
            .left = exchange_known(e, config, credit.reading.left, own, config->currency),
            .burn = exchange_known(e, config, credit.burn, own, config->currency),
            .burn_low = exchange_known(e, config, credit.burn_low, own, config->currency),
            .burn_high = exchange_known(e, config, credit.burn_high, own, config->currency),
            .expires = credit.reading.expires > t->now ? credit.reading.expires - t->now : 0,
            .gift = exchange_known(e, config, credit.reading.gift, own, config->currency),
        };
        end = forecast_runs_out(&left, f, days);
        balance = topic_known(t, left.left, config->currency);
    }
    json_add_number(json, "balance", balance);
    json_add_string(json, "runs_out_state", forecast_end_name(end.state));
    topic_add_time(t, json, "runs_out_at", end.after < 0 ? -1 : t->now + end.after);
    topic_add_time(t, json, "runs_out_low", end.low < 0 ? -1 : t->now + end.low);
    topic_add_time(t, json, "runs_out_high", end.high < 0 ? -1 : t->now + end.high);
}

static void add_price(const struct topic *t, cJSON *json, const struct candidate *c)
{
    const struct route_price *price = pricing_of(t->d->pricing, c->platform, c->route);
    const char *reference = t->d->world->config->currency;
    cJSON *p = json_add_object(json, "price");
    json_add_number(p, "input", topic_a_million(t, price->effective.input, reference));
    json_add_number(p, "output", topic_a_million(t, price->effective.output, reference));
    json_add_number(p, "call", topic_known(t, price->effective.call, reference));
    json_add_string(p, "source", pricing_source_name(price));
    json_add_bool(p, "verified", c->verified);
}

static const char *why_unknown(const struct topic *t, const struct candidate *c, const struct forecast *f)
{
    if (f->known)
        return NULL;
    return pricing_of(t->d->pricing, c->platform, c->route)->from == PRICING_NONE ? "no price is known" : "the price says too little for this request";
}

static void add_platform(const struct topic *t, cJSON *array, const struct work *work, const struct candidate *c)
{
    const struct config_platform *platform = &t->d->world->config->platforms[c->platform];
    struct forecast f = forecast_route(&c->route_facts, &work->load);
    int id = t->d->world->route_id[c->platform][c->route];
    cJSON *json = json_add_object(array, NULL);
    json_add_string(json, "platform", platform->name);
    json_add_string(json, "title", platform->title);
    json_add_string(json, "state", route_state_name(ranker_state(t->d->world->ranker, id)));
    add_price(t, json, c);
    json_add_number(json, "per_request", f.known ? topic_known(t, (int64_t)fmin(f.per_request, 9e18), t->d->world->config->currency) : NAN);
    json_add_number(json, "failed_share", f.known && f.failed_share >= 0 ? f.failed_share : NAN);
    add_interval(t, json, &f);
    json_add_string(json, "why", why_unknown(t, c, &f));
    add_ending(t, json, c->platform, &f, work->load.days);
}

static void add_table(const struct topic *t, cJSON *json, const struct work *work, const struct candidate *candidates, size_t len)
{
    struct forecast_route *routes = alloc_zero(len + 1, sizeof *routes);
    struct forecast *each = alloc_zero(len + 1, sizeof *each);
    const char *why = NULL;
    double weight = 0;
    for (size_t i = 0; i < len; i++) {
        routes[i] = candidates[i].route_facts;
        weight += routes[i].weight;
    }
    struct forecast f = forecast_table(routes, len, &work->load, each);
    if (weight <= 0)
        why = "no route has a share now";
    else if (!f.known)
        why = "the price of a route that has a share is not known";
    cJSON *table = json_add_object(json, "table");
    add_interval(t, table, &f);
    json_add_string(table, "why", why);
    cJSON *shares = json_add_array(table, "shares");
    for (size_t i = 0; i < len; i++) {
        if (routes[i].weight <= 0)
            continue;
        cJSON *share = json_add_object(shares, NULL);
        json_add_string(share, "platform", t->d->world->config->platforms[candidates[i].platform].name);
        json_add_number(share, "weight", routes[i].weight / weight);
        json_add_number(share, "cost", each[i].known ? topic_known(t, each[i].cost, t->d->world->config->currency) : NAN);
    }
    free(routes);
    free(each);
}

static void add_work(const struct topic *t, cJSON *array, const struct work *work)
{
    const struct config *config = t->d->world->config;
    struct candidate *candidates = alloc_zero(config->platforms_len + 1, sizeof *candidates);
    size_t len = 0;
    for (size_t i = 0; i < config->platforms_len; i++)
        for (size_t j = 0; j < config->platforms[i].routes_len; j++)
            if (strcmp(config->platforms[i].routes[j].model, work->model) == 0) {
                candidates[len].platform = i;
                candidates[len].route = j;
                fill_candidate(t, work, &candidates[len++]);
            }
    cJSON *json = json_add_object(array, NULL);
    json_add_string(json, "model", work->model);
    json_add_number(json, "requests_per_day", work->load.requests_per_day);
    json_add_int(json, "input", work->load.input);
    json_add_int(json, "output", work->load.output);
    json_add_string(json, "policy", work->policy ? work->policy : config->policies[0].name);
    json_add_bool(json, "declared", work->declared);
    add_table(t, json, work, candidates, len);
    cJSON *platforms = json_add_array(json, "platforms");
    for (size_t i = 0; i < len; i++)
        add_platform(t, platforms, work, &candidates[i]);
    free(candidates);
}

/* What is asked for goes before what is declared. */
static struct work make_work(const struct topic *t, const struct config_workload *declared, int days)
{
    const struct api_topic_query *q = t->query;
    return (struct work){
        .model = declared ? declared->model : q->model,
        .policy = q->policy ? q->policy : declared ? declared->policy : NULL,
        .declared = declared && q->requests < 0 && q->input < 0 && q->output < 0,
        .load = {.requests_per_day = q->requests >= 0 ? q->requests : declared ? declared->requests : 0,
                 .input = q->input >= 0 ? q->input : declared ? declared->input : 1000,
                 .output = q->output >= 0 ? q->output : declared ? declared->output : 300,
                 .days = days},
    };
}

int topic_forecast(const struct topic *t, cJSON *json, struct err *err)
{
    const struct config *config = t->d->world->config;
    int days = (int)(t->query->days > 0 ? t->query->days : DAYS), n = 0;
    json_add_string(json, "currency", t->currency);
    json_add_int(json, "days", days);
    cJSON *workloads = json_add_array(json, "workloads");
    bool own = t->query->model && t->query->requests >= 0; /* a workload of its own is asked for, and no other */
    for (size_t i = 0; i < config->workloads_len && !own; i++) {
        if (!topic_wants_model(t, config->workloads[i].model))
            continue;
        struct work work = make_work(t, &config->workloads[i], days);
        add_work(t, workloads, &work);
        n++;
    }
    if (n > 0 || (!t->query->model && t->query->requests < 0))
        return 0; /* none is declared: an empty list says so */
    if (!t->query->model)
        return err_set(err, -EINVAL, "which model? \"model\" is needed where no workload is declared");
    if (t->query->requests < 0)
        return err_set(err, -EINVAL, "how many requests? \"requests_per_day\" is needed: no workload is declared for %.100s", t->query->model);
    struct work work = make_work(t, NULL, days);
    add_work(t, workloads, &work);
    return 0;
}
