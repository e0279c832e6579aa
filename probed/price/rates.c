/* A table of exchange rates, turned round so that it counts in the reference currency.
 *
 *     pico of the reference for one unit of C = 1e12 x rate of the reference / rate of C
 *
 * Rates are read as decimal text with twelve places and divided as integers, rounded once. What a relay's name for a currency is not (too
 * long, other characters) is passed over: it can be nobody's currency here. A value that is no number above 0 refuses the table: money is
 * reckoned with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/rates.h"
#include "shared/json.h"
#include "shared/text.h"

static bool is_currency(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return len > 0 && len < CURRENCY_MAX && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == len;
}

/* A rate with twelve places; < 0: it is none. */
static int64_t rate_of(const cJSON *item)
{
    char text[64];
    int64_t rate;
    if (!item || (!cJSON_IsNumber(item) && !cJSON_IsRaw(item) && !cJSON_IsString(item)))
        return -1;
    if (cJSON_IsString(item) && strlen(item->valuestring) >= sizeof text)
        return -1;
    if (!json_text(item, "", text, sizeof text) || units_parse_decimal(text, PICO_PER_UNIT, &rate) < 0 || rate <= 0)
        return -1;
    return rate;
}

static int64_t turned(int64_t reference, int64_t rate)
{
    __int128 pico = ((__int128)reference * PICO_PER_UNIT + rate / 2) / rate;
    return pico > 0 && pico <= INT64_MAX ? (int64_t)pico : -1;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct rate *)a)->currency, ((const struct rate *)b)->currency);
}

/* An answer that says itself that it is none. */
static int refused(const cJSON *json, struct err *err)
{
    bool success = true;
    const char *result = json_string(json, "result"), *type = json_string(json, "error-type");
    CLEANUP(buf_done) struct buf words = BUF_INIT;
    json_bool(json, "success", &success);
    if (success && (!result || strcmp(result, "success") == 0))
        return 0;
    if (type)
        text_escape_terminal(&words, type, strlen(type), 100);
    return err_set(err, -EINVAL, "the answer is an error%s%s", words.len > 0 ? ": " : "", buf_str(&words));
}

static int take_all(const cJSON *table, struct rates *ret, struct err *err)
{
    for (const cJSON *item = table->child; item; item = item->next) {
        if (!is_currency(item->string))
            continue;
        int64_t rate = rate_of(item);
        if (rate < 0)
            return err_set(err, -EINVAL, "the rate of %s is no number above 0", item->string);
        if (ret->len == RATES_MAX)
            return err_set(err, -EINVAL, "more than %d rates", RATES_MAX);
        strcpy(ret->list[ret->len].currency, item->string);
        ret->list[ret->len++].pico = rate;
    }
    qsort(ret->list, ret->len, sizeof ret->list[0], compare);
    for (size_t i = 1; i < ret->len; i++)
        if (compare(&ret->list[i - 1], &ret->list[i]) == 0)
            return err_set(err, -EINVAL, "%s has two rates", ret->list[i].currency);
    return 0;
}

static int take_base(const cJSON *json, struct rates *ret, struct err *err)
{
    const char *base = json_string(json, "base");
    const cJSON *amount = json_at(json, "amount");
    int64_t one = amount ? rate_of(amount) : PICO_PER_UNIT;
    if (!base)
        base = json_string(json, "base_code");
    if (!is_currency(base))
        return err_set(err, -EINVAL, "no table of exchange rates: it names no base currency");
    if (one < 0)
        return err_set(err, -EINVAL, "no table of exchange rates: its amount is none");
    int64_t told = rates_find(ret, base);
    if (told >= 0 && told != one)
        return err_set(err, -EINVAL, "the rate of the base currency, %s, is not 1", base);
    if (told >= 0)
        return 0;
    if (ret->len == RATES_MAX)
        return err_set(err, -EINVAL, "more than %d rates", RATES_MAX);
    strcpy(ret->list[ret->len].currency, base);
    ret->list[ret->len++].pico = one;
    qsort(ret->list, ret->len, sizeof ret->list[0], compare);
    return 0;
}

static int turn_round(struct rates *ret, const char *reference, struct err *err)
{
    int64_t unit = rates_find(ret, reference);
    size_t n = 0;
    if (unit < 0)
        return err_set(err, -EINVAL, "it has no rate of %s, which the reference currency is", reference);
    for (size_t i = 0; i < ret->len; i++) {
        struct rate rate = ret->list[i];
        if (strcmp(rate.currency, reference) == 0)
            continue;
        rate.pico = turned(unit, rate.pico);
        if (rate.pico < 0)
            return err_set(err, -EINVAL, "the rate of %s is beyond all reason", rate.currency);
        ret->list[n++] = rate;
    }
    ret->len = n;
    return n > 0 ? 0 : err_set(err, -EINVAL, "it has no rates");
}

int rates_read(const char *body, size_t len, const char *reference, struct rates *ret, struct err *err)
{
    *ret = (struct rates){.len = 0};
    if (!is_currency(reference))
        return err_set(err, -EINVAL, "\"%.20s\" is no currency", reference);
    if (len > RATES_BODY_MAX)
        return err_set(err, -EINVAL, "%zu bytes are too many for a table of rates", len);
    CLEANUP(json_deletep) cJSON *json = json_parse(body, len, err);
    if (!json)
        return -EINVAL;
    int e = refused(json, err);
    const cJSON *table = json_at(json, "rates");
    if (!table)
        table = json_at(json, "conversion_rates");
    if (e == 0 && !cJSON_IsObject(table))
        e = err_set(err, -EINVAL, "no table of exchange rates");
    if (e == 0)
        e = take_all(table, ret, err);
    if (e == 0)
        e = take_base(json, ret, err);
    if (e == 0)
        e = turn_round(ret, reference, err);
    strcpy(ret->reference, reference);
    if (e < 0)
        *ret = (struct rates){.len = 0};
    return e;
}

int64_t rates_find(const struct rates *rates, const char *currency)
{
    size_t low = 0, high = rates->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(rates->list[middle].currency, currency);
        if (order == 0)
            return rates->list[middle].pico;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}
