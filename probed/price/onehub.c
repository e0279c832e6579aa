/* one-hub and done-hub: GET /api/available_model, and the older GET /api/prices.
 *
 *     {"data":{model:{"price":{"type":"tokens"|"times","input":n,"output":n,"extra_ratios"?:{"cached_tokens":n,...}},"groups":[...],"owned_by"}}}
 *     {"data":[{"model","type","channel_type","input","output"}]}
 *
 * input and output are ratios each of its own (output is not a multiple of input); the unit is $0.002 for 1K tokens, that is one quota
 * point a token, as in family.c. By "times" a request costs 1,000 points x input. extra_ratios are multiples of input. The ratios of the
 * groups come from /api/user_group_map; without it, and without one configured, nothing is known. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

#define POINTS_PER_CALL "1000"

static void read_price(const struct price_reading *r, struct price_row *row, const cJSON *price)
{
    char in[DECIMAL_MAX], out[DECIMAL_MAX], read[DECIMAL_MAX], write[DECIMAL_MAX];
    const char *type = json_string(price, "type"), *input = decimal_at(price, "input", in);
    if (type && strcmp(type, "times") == 0) {
        row->price.call = family_tokens(r, input, POINTS_PER_CALL);
    } else if (type && strcmp(type, "tokens") == 0) {
        const char *cached = decimal_at(price, "extra_ratios.cached_read_tokens", read);
        if (!cached)
            cached = decimal_at(price, "extra_ratios.cached_tokens", read);
        row->price.input = family_tokens(r, input, "1");
        row->price.output = family_tokens(r, decimal_at(price, "output", out), "1");
        row->price.cache_read = family_tokens(r, input, cached);
        row->price.cache_write = family_tokens(r, input, decimal_at(price, "extra_ratios.cached_write_tokens", write));
    }
    row_settle(row);
}

static void available(struct price_reading *r, const char *name, const cJSON *json)
{
    struct price_row *row = reading_row(r, name, NULL);
    if (row && family_has_group(r, json_at(json, "groups")))
        read_price(r, row, json_at(json, "price"));
}

static void older(struct price_reading *r, const char *name, const cJSON *json)
{
    (void)name;
    struct price_row *row = reading_row(r, json_string(json, "model"), NULL);
    if (row)
        read_price(r, row, json);
}

int onehub_open(struct price_reading *r, struct err *err)
{
    struct span data = r->envelope.data;
    if (!span_is(data, '{') && !span_is(data, '['))
        return err_set(err, -EINVAL, "no list of one-hub: \"data\" is neither an object nor an array");
    reading_find_group(r, span_member(r->groups_body, "data"));
    reading_part(r, data, span_is(data, '{') ? available : older);
    return 0;
}
