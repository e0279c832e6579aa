/* AIHubMix: GET /api/v1/models.
 *
 *     {"data":[{"model_id","pricing":{"input":n,"output":n,"cache_read"?:n,"cache_write"?:n},"types":"llm",...}],"success":true}
 *
 * The figures are USD per MILLION tokens, whatever the documentation says ("per 1K": gpt-5 is 1.25 and 10). For models that make pictures,
 * films or sound the unit is not documented: they are unknown. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

static bool counts_tokens(const char *types)
{
    return !types || !types[0] || strstr(types, "llm") || strstr(types, "embedding") || strstr(types, "rerank");
}

static void entry(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)name;
    struct price_row *row = reading_row(r, json_string(json, "model_id"), NULL);
    if (!row || !counts_tokens(json_string(json, "types")))
        return;
    char text[DECIMAL_MAX];
    row->price.input = exact_price(decimal_at(json, "pricing.input", text), PICO_PER_UNIT_PER_MTOK);
    row->price.output = exact_price(decimal_at(json, "pricing.output", text), PICO_PER_UNIT_PER_MTOK);
    row->price.cache_read = exact_price(decimal_at(json, "pricing.cache_read", text), PICO_PER_UNIT_PER_MTOK);
    row->price.cache_write = exact_price(decimal_at(json, "pricing.cache_write", text), PICO_PER_UNIT_PER_MTOK);
    row_settle(row);
}

int aihubmix_open(struct price_reading *r, struct err *err)
{
    if (!span_is(r->envelope.data, '['))
        return err_set(err, -EINVAL, "no list of AIHubMix: \"data\" is no array");
    reading_part(r, r->envelope.data, entry);
    return 0;
}
