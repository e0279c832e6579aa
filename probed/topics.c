/* See topics.h. Bodies are made when they are asked for, from what pricing, purse, prober and ranker have in memory. */
#include "probed/topics.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "probed/daemon_parts.h"

bool topic_wants_platform(const struct topic *t, const struct config_platform *c)
{
    return !t->query->platform || strcmp(t->query->platform, c->name) == 0;
}

bool topic_wants_model(const struct topic *t, const char *model) { return !t->query->model || strcmp(t->query->model, model) == 0; }

double topic_money(const struct topic *t, int64_t pico, const char *currency)
{
    int64_t shown;
    if (!exchange_convert(&t->d->exchange, t->d->world->config, pico, currency, t->currency, &shown))
        return NAN;
    return (double)shown / (double)PICO_PER_UNIT;
}

double topic_known(const struct topic *t, int64_t pico, const char *currency) { return pico < 0 ? NAN : topic_money(t, pico, currency); }

/* Converted as a whole number of so many tokens' worth, so that no digits come of the arithmetic. */
double topic_a_million(const struct topic *t, int64_t pico, const char *currency)
{
    return pico > INT64_MAX / 1000000 ? topic_known(t, pico, currency) * 1e6 : topic_known(t, pico < 0 ? -1 : pico * 1000000, currency);
}

double topic_positive(double x) { return x >= 0 ? x : NAN; }

void topic_add_time(const struct topic *t, cJSON *json, const char *name, usec_t steady)
{
    json_add_time(json, name, steady < 0 ? -1 : steady + t->offset);
}

void topic_add_age(cJSON *json, const char *name, usec_t age)
{
    if (age < 0)
        json_add_null(json, name);
    else
        json_add_number(json, name, (double)(age / USEC_PER_MSEC) / 1000);
}

static bool has_model(const struct config *config, const char *model) { return config_find_model(config, model) != NULL; }

static int check_names(const struct daemon *d, const struct api_topic_query *query, struct err *err)
{
    const struct config *config = d->world->config;
    if (query->platform && !config_find_platform(config, query->platform))
        return err_set(err, -ENOENT, "there is no platform \"%.64s\"", query->platform);
    if (query->model && !has_model(config, query->model))
        return err_set(err, -ENOENT, "there is no model \"%.127s\"", query->model);
    if (query->policy && !table_find_policy(d->table, query->policy))
        return err_set(err, -ENOENT, "there is no policy \"%.64s\"", query->policy);
    return 0;
}

static int choose_currency(struct topic *t, struct err *err)
{
    const struct config *config = t->d->world->config;
    const char *wanted = t->query->currency ? t->query->currency : config->currency;
    int64_t one;
    if (strlen(wanted) >= sizeof t->currency || !exchange_convert(&t->d->exchange, config, PICO_PER_UNIT, config->currency, wanted, &one))
        return err_set(err, -EINVAL, "there is no rate for %.15s: \"rates:\" in the configuration has none", wanted);
    strcpy(t->currency, wanted);
    return 0;
}

int topics_tell(void *daemon, enum api_topic topic, const struct api_topic_query *query, cJSON **ret, struct err *err)
{
    struct daemon *d = daemon;
    struct topic t = {.d = d, .query = query, .now = loop_now(d->loop), .offset = daemon_wall_offset(d)};
    int r = check_names(d, query, err);
    if (r == 0)
        r = choose_currency(&t, err);
    if (r < 0)
        return r;
    cJSON *json = json_new_object();
    json_add_time(json, "now", loop_wall(d->loop));
    switch (topic) {
    case API_PRICES: topic_prices(&t, json); break;
    case API_SPEND: topic_spend(&t, json); break;
    case API_CAPABILITIES: topic_capabilities(&t, json); break;
    case API_HONESTY: topic_honesty(&t, json); break;
    case API_FORECAST: r = topic_forecast(&t, json, err); break;
    }
    if (r < 0)
        cJSON_Delete(json);
    else
        *ret = json;
    return r;
}
