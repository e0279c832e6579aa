/* What the relays that descend from one-api have in common: quota points, ratios, groups.
 *
 * A token of a model with ratio 1 costs one quota point; quota_per_unit points (500,000 unless the operator changed it) are one unit of the
 * site's money, the "site dollar"; every charge is multiplied by the ratio of the key's group. What a site dollar is in real money, the
 * rate says. So a token in    = model ratio x group ratio x rate / quota_per_unit          a token out = that x completion ratio a request
 * = price x group ratio x rate                                 cached      = a token in x cache ratio A group whose ratio is not told makes
 * everything unknown: 1 would be a guess. */
#include <string.h>

#include "probed/price/prices_parts.h"

static const char *group_ratio(const struct price_reading *r)
{
    return r->group_ratio[0] ? r->group_ratio : NULL;
}

int64_t family_tokens(const struct price_reading *r, const char *ratio, const char *times)
{
    const char *const factors[] = {ratio, times, group_ratio(r), r->rate};
    return exact_product(factors, ARRAY_LEN(factors), PICO_PER_UNIT, r->quota_per_unit);
}

int64_t family_call(const struct price_reading *r, const char *price)
{
    const char *const factors[] = {price, group_ratio(r), r->rate};
    return exact_product(factors, ARRAY_LEN(factors), PICO_PER_UNIT, 1);
}

int64_t family_per_million(const struct price_reading *r, const char *price)
{
    const char *const factors[] = {price, group_ratio(r), r->rate};
    return exact_product(factors, ARRAY_LEN(factors), PICO_PER_UNIT_PER_MTOK, 1);
}

bool family_has_group(const struct price_reading *r, const cJSON *groups)
{
    if (!cJSON_IsArray(groups))
        return true;
    for (const cJSON *g = groups->child; g; g = g->next)
        if (cJSON_IsString(g) && (strcmp(g->valuestring, r->group) == 0 || strcmp(g->valuestring, "all") == 0))
            return true;
    return false;
}

enum charge { CHARGE_UNKNOWN, CHARGE_TOKENS, CHARGE_CALL };

/* model_price is 0 or -1 where it is unused, and so is model_ratio: a row that says one way to charge and has the figure of the other is
 * not understood. */
static enum charge charge_of(const struct family_figures *f)
{
    bool ratio = f->ratio && !decimal_is_zero(f->ratio), price = f->price && !decimal_is_zero(f->price);
    if (!f->quota_type)
        return ratio == price ? CHARGE_UNKNOWN : ratio ? CHARGE_TOKENS : CHARGE_CALL;
    if (strcmp(f->quota_type, "0") == 0)
        return ratio || (f->ratio && !price) ? CHARGE_TOKENS : CHARGE_UNKNOWN;
    if (strcmp(f->quota_type, "1") == 0)
        return price || (f->price && !ratio) ? CHARGE_CALL : CHARGE_UNKNOWN;
    return CHARGE_UNKNOWN;
}

void family_row(const struct price_reading *r, struct price_row *row, const struct family_figures *f)
{
    switch (charge_of(f)) {
    case CHARGE_TOKENS:
        row->price.input = family_tokens(r, f->ratio, "1");
        row->price.output = family_tokens(r, f->ratio, f->completion);
        row->price.cache_read = family_tokens(r, f->ratio, f->cache_read);
        row->price.cache_write = family_tokens(r, f->ratio, f->cache_write);
        break;
    case CHARGE_CALL:
        row->price.call = family_call(r, f->price);
        break;
    case CHARGE_UNKNOWN:
        break;
    }
    row_settle(row);
}
