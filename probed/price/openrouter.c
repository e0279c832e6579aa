/* OpenRouter: GET /models, a row a model, and GET /models/{id}/endpoints, a row an upstream provider of one model.
 *
 *     {"data":[{"id","pricing":{"prompt":"0.00000015","completion":"...","request"?,"input_cache_read"?,"input_cache_write"?,"overrides"?:[{"min_prompt_tokens":n,...}],...}}]}
 *     {"data":{"id","endpoints":[{"provider_name","tag","pricing":{...}}]}}
 *
 * Prices are text, USD a token, with up to 23 decimals; "-1" is one that varies (the router models). Zero for both tokens is free, unless
 * something else (a picture, a request) is charged for: then what a request costs cannot be said. A web search is an extra that nobody has
 * to order. An override names what differs from so many prompt tokens on. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

static const struct figure_name {
    const char *name;
    size_t offset;
} figure_names[] = {
    {"prompt", offsetof(struct price_figures, input)},
    {"completion", offsetof(struct price_figures, output)},
    {"request", offsetof(struct price_figures, call)},
    {"input_cache_read", offsetof(struct price_figures, cache_read)},
    {"input_cache_write", offsetof(struct price_figures, cache_write)},
};

/* What is there is read; what is not stays as it was. */
static void read_figures(const cJSON *pricing, struct price_figures *ret)
{
    char text[DECIMAL_MAX];
    for (size_t i = 0; i < ARRAY_LEN(figure_names); i++) {
        const cJSON *item = json_at(pricing, figure_names[i].name);
        int64_t value = exact_price(decimal_of(item, text), PICO_PER_UNIT);
        if (item)
            memcpy((char *)ret + figure_names[i].offset, &value, sizeof value);
    }
}

static bool charges_for_else(const cJSON *pricing)
{
    static const char *const harmless[] = {"prompt", "completion", "web_search", "discount", "input_cache_read", "input_cache_write"};
    char text[DECIMAL_MAX];
    for (const cJSON *item = pricing ? pricing->child : NULL; item; item = item->next) {
        bool skip = !item->string;
        for (size_t i = 0; i < ARRAY_LEN(harmless) && !skip; i++)
            skip = strcmp(item->string, harmless[i]) == 0;
        const char *figure = skip ? NULL : decimal_of(item, text);
        if (figure && !decimal_is_zero(figure))
            return true;
    }
    return false;
}

static void read_pricing(struct price_row *row, const cJSON *pricing)
{
    struct price_figures *p = &row->price;
    struct tiers tiers = {.len = 0};
    read_figures(pricing, p);
    if (p->input < 0 && p->output < 0 && p->call == 0)
        p->call = PRICE_UNKNOWN; /* nothing for the request, and nobody knows what for the tokens */
    if (p->input == 0 && p->output == 0 && p->call <= 0 && charges_for_else(pricing))
        p->input = p->output = PRICE_UNKNOWN, p->call = PRICE_UNKNOWN;
    const cJSON *overrides = json_at(pricing, "overrides");
    for (const cJSON *o = cJSON_IsArray(overrides) ? overrides->child : NULL; o; o = o->next) {
        int64_t from;
        struct price_figures *tier = json_int(o, "min_prompt_tokens", &from) ? tiers_from(&tiers, from) : NULL;
        if (tier)
            read_figures(o, tier);
    }
    row_set_tiers(row, &tiers);
    row_settle(row);
}

static void model(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)name;
    struct price_row *row = reading_row(r, json_string(json, "id"), NULL);
    if (row)
        read_pricing(row, json_at(json, "pricing"));
}

static void endpoint(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)name;
    const char *tag = json_string(json, "tag");
    struct price_row *row = reading_row(r, r->model, tag && tag[0] ? tag : json_string(json, "provider_name"));
    if (row)
        read_pricing(row, json_at(json, "pricing"));
}

int openrouter_open(struct price_reading *r, struct err *err)
{
    if (!span_is(r->envelope.data, '['))
        return err_set(err, -EINVAL, "no list of OpenRouter: \"data\" is no array");
    reading_part(r, r->envelope.data, model);
    return 0;
}

int openrouter_endpoints_open(struct price_reading *r, struct err *err)
{
    struct span endpoints = span_member(r->envelope.data, "endpoints");
    if (!span_is(endpoints, '[') || !span_string(span_member(r->envelope.data, "id"), r->model, sizeof r->model))
        return err_set(err, -EINVAL, "no list of OpenRouter's endpoints: \"data.id\" or \"data.endpoints\" is missing");
    reading_part(r, endpoints, endpoint);
    return 0;
}
