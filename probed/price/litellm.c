/* LiteLLM's price map: one flat object, model -> what it costs at the provider that it is named after.
 *
 *     {"gpt-4o-mini":{"litellm_provider","mode","input_cost_per_token":1.5e-07,"output_cost_per_token":6e-07,"cache_read_input_token_cost"?,...}}
 *
 * It is a reference and not an offer. USD a token, as numbers. "sample_spec" explains the members and is no model. Zero for both tokens
 * means "we do not know" as often as "free" there (rerankers, local models), so it is unknown, unless the name says that it is free. Prices
 * "_above_200k_tokens" and the like, and "tiered_pricing" with ranges, are tiers; batch, priority and flex prices are others' business. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/prices_parts.h"

static const struct {
    const char *name;
    size_t offset;
} figures[] = {
    {"input_cost_per_token", offsetof(struct price_figures, input)},
    {"output_cost_per_token", offsetof(struct price_figures, output)},
    {"cache_read_input_token_cost", offsetof(struct price_figures, cache_read)},
    {"cache_creation_input_token_cost", offsetof(struct price_figures, cache_write)},
    {"input_cost_per_request", offsetof(struct price_figures, call)},
};

static void put(struct price_figures *to, size_t offset, int64_t value)
{
    memcpy((char *)to + offset, &value, sizeof value);
}

static int64_t price_of(const cJSON *item)
{
    char text[DECIMAL_MAX];
    return exact_price(decimal_of(item, text), PICO_PER_UNIT);
}

/* "_above_200k_tokens" and no more -> 200,001. -1: something else. */
static int64_t above(const char *rest)
{
    char *end;
    if (strncmp(rest, "_above_", 7) != 0 || rest[7] < '1' || rest[7] > '9')
        return -1;
    long thousands = strtol(rest + 7, &end, 10);
    return strcmp(end, "k_tokens") == 0 && thousands < 1000000 ? thousands * 1000 + 1 : -1;
}

static void read_member(const cJSON *item, struct price_figures *price, struct tiers *tiers)
{
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        size_t len = strlen(figures[i].name);
        if (!item->string || strncmp(item->string, figures[i].name, len) != 0)
            continue;
        const char *rest = item->string + len;
        if (!*rest) {
            put(price, figures[i].offset, price_of(item));
        } else {
            struct price_figures *tier = tiers_from(tiers, above(rest));
            if (tier)
                put(tier, figures[i].offset, price_of(item));
        }
        return;
    }
}

/* [{"range":[0, 256000], "input_cost_per_token":...}, {"range":[256000, 1000000], ...}]: the first is the price itself. */
static void read_ranges(const cJSON *list, struct price_figures *price, struct tiers *tiers)
{
    for (const cJSON *tier = cJSON_IsArray(list) ? list->child : NULL; tier; tier = tier->next) {
        int64_t from;
        if (!json_int(tier, "range.0", &from) || from < 0 || from == INT64_MAX)
            continue;
        struct price_figures *to = from == 0 ? price : tiers_from(tiers, from + 1);
        for (size_t i = 0; to && i < ARRAY_LEN(figures); i++) {
            const cJSON *item = json_at(tier, figures[i].name);
            if (item)
                put(to, figures[i].offset, price_of(item));
        }
    }
}

static bool named_free(const char *name)
{
    size_t len = strlen(name);
    return len > 5 && (strcmp(name + len - 5, ":free") == 0 || strcmp(name + len - 5, "-free") == 0);
}

static void entry(struct price_reading *r, const char *name, const cJSON *json)
{
    if (!name || strcmp(name, "sample_spec") == 0)
        return;
    struct price_row *row = reading_row(r, name, NULL);
    if (!row)
        return;
    struct tiers tiers = {.len = 0};
    for (const cJSON *item = cJSON_IsObject(json) ? json->child : NULL; item; item = item->next)
        read_member(item, &row->price, &tiers);
    read_ranges(json_at(json, "tiered_pricing"), &row->price, &tiers);
    row_set_tiers(row, &tiers);
    row_settle(row);
    if (row->free && !named_free(name)) {
        row->price = (struct price_figures){PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN};
        row->tiers_len = 0;
        row->free = false;
    }
}

int litellm_open(struct price_reading *r, struct err *err)
{
    if (!span_is(r->envelope.root, '{'))
        return err_set(err, -EINVAL, "no price map of LiteLLM: it is no object");
    reading_part(r, r->envelope.root, entry);
    return 0;
}
