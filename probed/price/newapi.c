/* new-api's GET /api/pricing (and APIYI's, which is like it).
 *
 *     {"success":true,"data":[{"model_name","quota_type":0|1,"model_ratio","model_price","completion_ratio","cache_ratio"?,"create_cache_ratio"?,
 *      "enable_groups":[...],"billing_mode"?:"tiered_expr","billing_expr"?}],"group_ratio":{group:number},...}
 *
 * quota_type 0 is charged by tokens, 1 by the request; a tiered expression supersedes the ratios. A model that is not for our group, and a
 * group that has no ratio, are unknown. pricing_version is a constant of the relay's program and says nothing about the data. Money is as
 * family.c says. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

static void entry(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)name;
    struct price_row *row = reading_row(r, json_string(json, "model_name"), NULL);
    if (!row || !family_has_group(r, json_at(json, "enable_groups")))
        return;
    const char *mode = json_string(json, "billing_mode");
    if (mode && mode[0] && strcmp(mode, "ratio") != 0) {
        const char *expression = json_string(json, "billing_expr");
        if (strcmp(mode, "tiered_expr") == 0 && expression && expression_read(r, expression, row))
            row_settle(row);
        return;
    }
    char quota[DECIMAL_MAX], ratio[DECIMAL_MAX], price[DECIMAL_MAX], completion[DECIMAL_MAX], cache_read[DECIMAL_MAX],
        cache_write[DECIMAL_MAX];
    const struct family_figures figures = {
        .quota_type = decimal_at(json, "quota_type", quota),
        .ratio = decimal_at(json, "model_ratio", ratio),
        .price = decimal_at(json, "model_price", price),
        .completion = decimal_at(json, "completion_ratio", completion),
        .cache_read = decimal_at(json, "cache_ratio", cache_read),
        .cache_write = decimal_at(json, "create_cache_ratio", cache_write),
    };
    family_row(r, row, &figures);
}

int newapi_open(struct price_reading *r, struct err *err)
{
    if (!span_is(r->envelope.data, '['))
        return err_set(err, -EINVAL, "no list of new-api: \"data\" is no array");
    reading_find_group(r, r->envelope.group_ratio);
    reading_part(r, r->envelope.data, entry);
    return 0;
}
