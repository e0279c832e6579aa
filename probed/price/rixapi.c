/* RixAPI, which DMXAPI is made of: GET /api/pricing in two shapes.
 *
 *     {"data":{"model_group":{group:{"GroupRatio":n,"ModelPrice":{model:{"isPrice":bool,"price":n}}}},"model_completion_ratio":{model:n},"group_special":{model:[group]}}}
 *     {"data":{"model_info":[{"model_name","price_info":{group:{"default":{"quota_type","model_price","model_ratio","model_completion_ratio"}}}}],"group_info"?:{...}}}
 *
 * The older: price is money a request where isPrice (or priceType 1), else the model's ratio; both times the group's. A model that
 * group_special keeps to other groups is unknown. The newer: what quota_type means is disputed (some read 1 as "by tokens", the opposite of
 * new-api), so that the figure which is not nothing decides, and neither or both are unknown. Its prices are listed by group, and are taken
 * as the group's own unless group_info gives it a ratio. 500,000 points are one yuan. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

static void completion(struct price_reading *r, const char *name, const cJSON *json)
{
    char text[DECIMAL_MAX];
    if (name)
        side_add(&r->completion, name, decimal_of(json, text));
}

/* The second table: models that are kept to other groups. */
static void special(struct price_reading *r, const char *name, const cJSON *json)
{
    if (name && !family_has_group(r, json))
        side_add(&r->second, name, NULL);
}

static void model_price(struct price_reading *r, const char *name, const cJSON *json)
{
    struct price_row *row = reading_row(r, name, NULL);
    if (!row || side_find(&r->second, name))
        return;
    char figure[DECIMAL_MAX], kind[DECIMAL_MAX];
    const char *price = decimal_at(json, "price", figure), *type = decimal_at(json, "priceType", kind);
    bool by_call;
    if (!json_bool(json, "isPrice", &by_call)) {
        by_call = type && strcmp(type, "1") == 0;
        if (!type || (!by_call && strcmp(type, "0") != 0))
            return;
    }
    if (by_call) {
        row->price.call = family_call(r, price);
    } else {
        const struct side_entry *times = side_find(&r->completion, name);
        row->price.input = family_tokens(r, price, "1");
        row->price.output = family_tokens(r, price, times && times->text[0] ? times->text : NULL);
    }
    row_settle(row);
}

/* Of a group's prices the one called "default", or the only one. */
static const cJSON *one_of(const cJSON *prices)
{
    const cJSON *named = cJSON_GetObjectItemCaseSensitive(prices, "default");
    if (named)
        return named;
    if (!cJSON_IsObject(prices) || !prices->child)
        return NULL;
    return cJSON_IsObject(prices->child) ? prices->child->next ? NULL : prices->child : prices;
}

static void model_info(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)name;
    struct price_row *row = reading_row(r, json_string(json, "model_name"), NULL);
    if (!row || !family_has_group(r, json_at(json, "enable_groups")))
        return;
    const cJSON *price = one_of(cJSON_GetObjectItemCaseSensitive(json_at(json, "price_info"), r->group));
    char ratio[DECIMAL_MAX], fixed[DECIMAL_MAX], times[DECIMAL_MAX];
    const struct family_figures figures = {
        .ratio = decimal_at(price, "model_ratio", ratio),
        .price = decimal_at(price, "model_price", fixed),
        .completion = decimal_at(price, "model_completion_ratio", times),
    };
    family_row(r, row, &figures);
}

/* The value of an object's member whose name is decoded to this one. */
static struct span member_called(struct span object, const char *called)
{
    struct walk walk;
    struct span name, value;
    char decoded[PRICE_NAME_MAX];
    if (span_is(object, '{') && walk_open(&walk, object))
        while (walk_next(&walk, &name, &value, NULL) > 0)
            if (span_string(name, decoded, sizeof decoded) && strcmp(decoded, called) == 0)
                return value;
    return (struct span){.len = 0};
}

static void find_ratio(struct price_reading *r, struct span group)
{
    static const char *const names[] = {"GroupRatio", "group_ratio", "ratio"};
    char text[DECIMAL_MAX];
    struct span found[ARRAY_LEN(names)];
    if (!span_members(group, names, found, ARRAY_LEN(names)))
        return;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (found[i].len > 0) {
            const char *ratio = decimal_span(found[i], text);
            strcpy(r->group_ratio, ratio ? ratio : "");
            return;
        }
}

int rixapi_open(struct price_reading *r, struct err *err)
{
    static const char *const names[] = {"model_group", "model_completion_ratio", "group_special", "model_info", "group_info"};
    struct span found[ARRAY_LEN(names)];
    span_members(r->envelope.data, names, found, ARRAY_LEN(names));
    if (span_is(found[3], '[')) {
        if (!r->group_ratio[0])
            strcpy(r->group_ratio, "1");
        find_ratio(r, member_called(found[4], r->group));
        reading_part(r, found[3], model_info);
        return 0;
    }
    if (!span_is(found[0], '{'))
        return err_set(err, -EINVAL, "no list of RixAPI: neither \"data.model_group\" nor \"data.model_info\" is there");
    struct span ours = member_called(found[0], r->group);
    if (ours.len == 0)
        return err_set(err, -EINVAL, "the list has no group of our key's name: set the group");
    find_ratio(r, ours);
    if (span_is(found[1], '{'))
        reading_part(r, found[1], completion);
    if (span_is(found[2], '{'))
        reading_part(r, found[2], special);
    struct span prices = span_member(ours, "ModelPrice");
    if (!span_is(prices, '{'))
        return err_set(err, -EINVAL, "our key's group has no \"ModelPrice\"");
    reading_part(r, prices, model_price);
    return 0;
}
