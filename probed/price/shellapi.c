/* Shell API: GET /api/pricing as maps beside each other.
 *
 *     {"success":true,"data":{"ModelRatio":{model:n},"CompletionRatio":{model:n},"GroupRatio":{group:n},"ModelFixedPrice":{model:n},"Models":[model]}}
 *
 * ModelRatio and CompletionRatio name far more models than are sold: where Models is there, it alone says which are. A fixed price is by
 * the request and goes before a ratio; one in a form that is not known makes the model unknown. A model without a completion ratio has no
 * known output price. Money is as family.c says. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

/* completion: completion ratios; second: model ratios; third: fixed prices. */

static void to_table(struct side_table *table, const char *name, const cJSON *json)
{
    char text[DECIMAL_MAX];
    if (name)
        side_add(table, name, decimal_of(json, text));
}

static void completion(struct price_reading *r, const char *name, const cJSON *json)
{
    to_table(&r->completion, name, json);
}

static void ratio(struct price_reading *r, const char *name, const cJSON *json)
{
    to_table(&r->second, name, json);
}

static void fixed(struct price_reading *r, const char *name, const cJSON *json)
{
    to_table(&r->third, name, json);
}

static void add_row(struct price_reading *r, const char *model, const char *model_ratio)
{
    struct price_row *row = reading_row(r, model, NULL);
    if (!row)
        return;
    const struct side_entry *price = side_find(&r->third, model), *times = side_find(&r->completion, model);
    if (price) {
        row->price.call = family_call(r, price->text[0] ? price->text : NULL);
    } else {
        row->price.input = family_tokens(r, model_ratio, "1");
        row->price.output = family_tokens(r, model_ratio, times && times->text[0] ? times->text : NULL);
    }
    row_settle(row);
}

static void sold(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)name;
    const char *model = cJSON_IsString(json) ? json->valuestring : NULL;
    const struct side_entry *found = model ? side_find(&r->second, model) : NULL;
    add_row(r, model, found && found->text[0] ? found->text : NULL);
}

static void ratio_row(struct price_reading *r, const char *name, const cJSON *json)
{
    char text[DECIMAL_MAX];
    add_row(r, name, decimal_of(json, text));
}

/* Those with a fixed price and no ratio; the others were there already and are duplicates of the very same price, so they are left out. */
static void fixed_row(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)json;
    if (!name || !side_find(&r->second, name))
        add_row(r, name, NULL);
}

static void ratio_row_and_table(struct price_reading *r, const char *name, const cJSON *json)
{
    ratio(r, name, json);
    ratio_row(r, name, json);
}

int shellapi_open(struct price_reading *r, struct err *err)
{
    static const char *const names[] = {"ModelRatio", "CompletionRatio", "GroupRatio", "ModelFixedPrice", "Models"};
    struct span found[ARRAY_LEN(names)];
    span_members(r->envelope.data, names, found, ARRAY_LEN(names));
    if (!span_is(found[0], '{'))
        return err_set(err, -EINVAL, "no list of Shell API: \"data.ModelRatio\" is no object");
    reading_find_group(r, found[2]);
    if (span_is(found[1], '{'))
        reading_part(r, found[1], completion);
    if (span_is(found[3], '{'))
        reading_part(r, found[3], fixed);
    if (span_is(found[4], '[')) {
        reading_part(r, found[0], ratio);
        reading_part(r, found[4], sold);
        return 0;
    }
    reading_part(r, found[0], ratio_row_and_table);
    if (span_is(found[3], '{'))
        reading_part(r, found[3], fixed_row);
    return 0;
}
