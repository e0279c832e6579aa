/* VoAPI: GET /api/models/price.
 *
 *     {"data":{"models":[{"key","name","completion_ratio","status","group_price":{group:{"type":0|1,"price":n}}}]}}
 *
 * key is what the model is called in a request. price of type 0 is model ratio x group ratio already, in quota points a token (family.c);
 * of type 1 units of money a request. A model without a price for our group is unknown. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

static void entry(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)name;
    struct price_row *row = reading_row(r, json_string(json, "key"), NULL);
    if (!row)
        return;
    char type[DECIMAL_MAX], price[DECIMAL_MAX], completion[DECIMAL_MAX];
    const cJSON *ours = cJSON_GetObjectItemCaseSensitive(json_at(json, "group_price"), r->group);
    const char *kind = decimal_at(ours, "type", type), *figure = decimal_at(ours, "price", price);
    if (kind && figure && strcmp(kind, "0") == 0) {
        row->price.input = family_tokens(r, figure, "1");
        row->price.output = family_tokens(r, figure, decimal_at(json, "completion_ratio", completion));
    } else if (kind && figure && strcmp(kind, "1") == 0) {
        row->price.call = family_call(r, figure);
    }
    row_settle(row);
}

int voapi_open(struct price_reading *r, struct err *err)
{
    struct span models = span_member(r->envelope.data, "models");
    if (!span_is(models, '['))
        return err_set(err, -EINVAL, "no list of VoAPI: \"data.models\" is no array");
    strcpy(r->group_ratio, "1"); /* it is in the prices */
    reading_part(r, models, entry);
    return 0;
}
