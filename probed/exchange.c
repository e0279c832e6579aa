/* See exchange.h. A rate is looked for among the fetched ones first; by way of the reference currency anything can be had in anything. */
#include "probed/exchange.h"

#include <math.h>
#include <string.h>

static int64_t configured_rate(const struct config *config, const char *currency)
{
    return strcmp(currency, config->currency) == 0 ? PICO_PER_UNIT : config_convert(config, PICO_PER_UNIT, currency);
}

static const struct exchange_rate *fed_rate(const struct exchange *e, const char *currency)
{
    for (size_t i = 0; i < e->fed_len; i++)
        if (strcmp(e->fed[i].currency, currency) == 0)
            return e->now - e->fed[i].at <= EXCHANGE_FRESH ? &e->fed[i] : NULL;
    return NULL;
}

/* Pico of the reference currency that a unit is; -1 = not known. */
static int64_t rate_of(const struct exchange *e, const struct config *config, const char *currency)
{
    if (strcmp(currency, config->currency) == 0)
        return PICO_PER_UNIT;
    const struct exchange_rate *fed = fed_rate(e, currency);
    return fed ? fed->pico : configured_rate(config, currency);
}

static bool is_wanted(const struct config *config, const char *currency)
{
    if (strcmp(currency, "USD") == 0 || strcmp(currency, "CNY") == 0 || configured_rate(config, currency) > 0)
        return true;
    for (size_t i = 0; i < config->platforms_len; i++)
        if (strcmp(config->platforms[i].price_feed.currency, currency) == 0 ||
            strcmp(config->platforms[i].balance_feed.currency, currency) == 0)
            return true;
    return false;
}

bool exchange_feed(struct exchange *e, const struct config *config, const char *currency, int64_t pico, usec_t now)
{
    int64_t configured = configured_rate(config, currency);
    size_t i = 0;
    exchange_clock(e, now);
    if (strlen(currency) >= CURRENCY_MAX || strcmp(currency, config->currency) == 0 || pico <= 0 || !is_wanted(config, currency))
        return false;
    if (configured > 0 && fabs(log((double)pico / (double)configured)) > log(EXCHANGE_OFF))
        return false;
    while (i < e->fed_len && strcmp(e->fed[i].currency, currency) != 0)
        i++;
    if (i == EXCHANGE_RATES_MAX)
        return false;
    if (i == e->fed_len)
        e->fed_len++;
    e->fed[i] = (struct exchange_rate){.pico = pico, .at = now};
    memcpy(e->fed[i].currency, currency, strlen(currency) + 1);
    return true;
}

void exchange_clock(struct exchange *e, usec_t now)
{
    if (now > e->now)
        e->now = now;
}

bool exchange_convert(const struct exchange *e, const struct config *config, int64_t pico, const char *from, const char *to, int64_t *ret)
{
    if (strcmp(from, to) == 0) {
        *ret = pico;
        return true;
    }
    int64_t a = rate_of(e, config, from), b = rate_of(e, config, to);
    if (a <= 0 || b <= 0)
        return false;
    __int128 sum = (__int128)(pico < 0 ? -pico : pico) * a;
    sum = (sum + b / 2) / b;
    int64_t most = sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
    *ret = pico < 0 ? -most : most;
    return true;
}

int64_t exchange_known(const struct exchange *e, const struct config *config, int64_t pico, const char *from, const char *to)
{
    int64_t ret;
    return pico >= 0 && exchange_convert(e, config, pico, from, to, &ret) ? ret : -1;
}

static void add_rate(cJSON *array, const char *currency, int64_t pico, usec_t at)
{
    cJSON *rate = json_add_object(array, NULL);
    json_add_string(rate, "currency", currency);
    json_add_number(rate, "rate", (double)pico / (double)PICO_PER_UNIT);
    json_add_string(rate, "source", at < 0 ? "config" : "fed");
    json_add_time(rate, "at", at);
}

void exchange_to_json(const struct exchange *e, const struct config *config, usec_t wall_offset, cJSON *json)
{
    cJSON *array = json_add_array(json, "rates");
    for (size_t i = 0; i < config->rates_len; i++)
        if (!fed_rate(e, config->rates[i].currency))
            add_rate(array, config->rates[i].currency, config->rates[i].pico, -1);
    for (size_t i = 0; i < e->fed_len; i++)
        if (fed_rate(e, e->fed[i].currency))
            add_rate(array, e->fed[i].currency, e->fed[i].pico, e->fed[i].at + wall_offset);
}
