/* A platform's models: each makes a route. What is not said of a route is what its model says.
 *
 * `gpt-4o-mini: openai/gpt-4o-mini` is short for {upstream: openai/gpt-4o-mini}. A price without its output part would make probes look
 * cheaper than they are, so both parts are wanted, in one currency that has a rate. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>

static bool take_price(struct loader *l, struct fy_node *at, bool per_token, struct config_price *price, int64_t *ret)
{
    struct money money;
    struct err err;
    const char *text = node_text(l, at, per_token ? "a price such as 0.15 USD/1M" : "a sum such as 0.01 USD");
    if (!text)
        return false;
    if ((per_token ? units_parse_price(text, &money, &err) : units_parse_money(text, &money, &err)) < 0) {
        report_error(l, at, "%s", err.text);
        return false;
    }
    if (config_convert(l->config, money.pico, money.currency) < 0) {
        report_error(l, at, "no rate for %s: give one in \"rates:\" or use %s", money.currency, l->config->currency);
        return false;
    }
    if (price->currency[0] && strcmp(price->currency, money.currency) != 0) {
        report_error(l, at, "the parts of a price should be in one currency: this is %s, before it was %s", money.currency,
                     price->currency);
        return false;
    }
    memcpy(price->currency, money.currency, sizeof price->currency);
    *ret = money.pico;
    return true;
}

void read_route_price(struct loader *l, struct fy_node *value, void *base)
{
    struct config_route *r = base;
    struct config_price price = {.known = true};
    struct seen seen = {.value = {NULL}};
    section_read(l, &section_price, value, &price, &seen);
    struct fy_node *input = seen_at(&seen, &section_price, "input"), *output = seen_at(&seen, &section_price, "output"),
                   *call = seen_at(&seen, &section_price, "call");
    bool good = true;
    if (input)
        good = take_price(l, input, true, &price, &price.input);
    if (output)
        good = take_price(l, output, true, &price, &price.output) && good;
    if (call)
        good = take_price(l, call, false, &price, &price.call) && good;
    if (fy_node_is_mapping(value) && (!input != !output || (!input && !call))) {
        report_error(l, value, "a price needs \"input:\" and \"output:\" (or \"call:\" alone where calls are paid)");
        good = false;
    }
    if (good)
        r->price = price;
}

void read_route_capabilities(struct loader *l, struct fy_node *value, void *base)
{
    struct config_route *r = base;
    tags_free(r->tags, r->tags_len); /* given here, they stand in for the model's */
    r->tags = NULL;
    r->tags_len = 0;
    tags_read(l, value, &r->tags, &r->tags_len, false);
}

static bool has_dialect(const struct config_platform *p, enum dialect_id dialect)
{
    for (size_t i = 0; i < p->endpoints_len; i++)
        if (p->endpoints[i].dialect == dialect)
            return true;
    return false;
}

static void read_route(struct loader *l, struct config_platform *p, const struct config_model *m, struct fy_node *key,
                       struct fy_node *value)
{
    struct config_route r = {.model = alloc_string(m->name), .max_probe_cost = -1, .reasoning = m->reasoning};
    struct seen seen = {.value = {NULL}};
    section_defaults(&section_route, &r);
    r.dialect = p->endpoints_len ? p->endpoints[0].dialect : DIALECT_OPENAI;
    tags_copy(m->tags, m->tags_len, &r.tags, &r.tags_len);
    if (fy_node_is_mapping(value))
        section_read(l, &section_route, value, &r, &seen);
    else
        value_read(l, section_find(&section_route, "upstream"), value, &r);
    if (!r.upstream)
        r.upstream = alloc_string(m->name);
    struct fy_node *dialect = seen_at(&seen, &section_route, "dialect");
    if (p->endpoints_len > 0 && !has_dialect(p, r.dialect))
        report_error(l, dialect ? dialect : key, "platform \"%s\" has no endpoint that speaks %s", p->name, dialect_name(r.dialect));
    p->routes = alloc_resize(p->routes, p->routes_len + 1, sizeof *p->routes);
    p->routes[p->routes_len++] = r;
}

static void unknown_model(struct loader *l, struct fy_node *key, const char *name)
{
    const struct config *c = l->config;
    const char **known = alloc_zero(c->models_len + 1, sizeof *known);
    for (size_t i = 0; i < c->models_len; i++)
        known[i] = c->models[i].name;
    node_unknown(l, key, "model", name, known, c->models_len);
    free(known);
}

static bool has_route(const struct config_platform *p, const char *model)
{
    for (size_t i = 0; i < p->routes_len; i++)
        if (strcmp(p->routes[i].model, model) == 0)
            return true;
    return false;
}

void routes_read(struct loader *l, struct fy_node *mapping, struct config_platform *p)
{
    void *state = NULL;
    const char *name;
    struct fy_node *key, *value;
    if (!node_want_mapping(l, mapping, "models"))
        return;
    while (node_next_pair(l, mapping, &state, &name, &key, &value)) {
        const struct config_model *m = config_find_model(l->config, name);
        if (!m)
            unknown_model(l, key, name);
        else if (has_route(p, name))
            report_error(l, key, "model \"%s\" is given twice", name);
        else
            read_route(l, p, m, key, value);
    }
}
