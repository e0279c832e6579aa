/* one-api and all that descends from it: GET /v1/dashboard/billing/subscription and .../usage, with the sk- key.
 *
 *     subscription  {"object":"billing_subscription","hard_limit_usd":12.5,...,"access_until":0}
 *     usage         {"object":"list","total_usage":123.4}        in hundredths: used = 1.234
 *     left = hard_limit_usd - total_usage / 100
 *
 * Errors are HTTP 200 with {"error"}. A limit of exactly 100,000,000 means that the key has none. Whether the figures are the key's or the
 * account's is a setting of the site.
 *
 * The trap: whatever the members are called, the figures are in what the site shows its users. In new-api that is USD (units of the site),
 * CNY (units x usd_exchange_rate) or TOKENS (plain quota points), told by /api/status as quota_display_type; in one-api points, where
 * display_in_currency is false. So they are turned back into units of the site first, and these into money as everywhere in the family.
 * CUSTOM is shown in units. Without /api/status they are taken for units.
 *
 * More may have been used than was granted: that is owed. But in versions of one-api before 2024 the limit was what is left, not what was
 * granted, and there it says nothing that more was used. new-api, by its /api/status, is none of these. Elsewhere an overdraft is believed
 * as far as some requests can go that were charged after the last credit was spent; where more was used, the answer is refused rather than
 * misread. */
#include <errno.h>
#include <string.h>

#include "probed/price/balance_parts.h"

#define NO_LIMIT 100000000
/* Of the exchange rate so many decimals count. */
#define RATE_SCALE 1000000
/* A tenth of what was granted, or one unit of money, may be owed where the limit may be what is left. */
#define OVERDRAFT_PART 10

/* What one unit of the figures is worth. */
static int shown_in(const struct balance_reading *r, const struct measure *points, struct measure *ret, struct err *err)
{
    const cJSON *status = r->json[BALANCE_STATUS];
    const char *type = json_string(status, "data.quota_display_type");
    char text[DECIMAL_MAX];
    int64_t rate;
    bool in_currency = true;
    *ret = *points;
    json_bool(status, "data.display_in_currency", &in_currency);
    if (type ? strcmp(type, "TOKENS") == 0 : !in_currency)
        return 0;
    ret->divisor = 1;
    if (!type || strcmp(type, "CNY") != 0)
        return 0;
    const char *exchange = decimal_at(status, "data.usd_exchange_rate", text);
    if (!exchange || units_parse_decimal(exchange, RATE_SCALE, &rate) < 0 || rate <= 0 || rate > (int64_t)1000000 * RATE_SCALE)
        return err_set(err, -EINVAL, "the relay shows balances in CNY, and its usd_exchange_rate is not known");
    ret->scale = PICO_PER_UNIT * RATE_SCALE;
    ret->divisor = rate;
    return 0;
}

static bool has_no_limit(const cJSON *json)
{
    double limit;
    return json_number(json, "hard_limit_usd", &limit) && limit == NO_LIMIT;
}

/* Is that much more than was granted what an account can be overdrawn by? */
static bool can_be_owed(const struct balance_reading *r, int64_t granted, int64_t owed)
{
    const cJSON *status = r->json[BALANCE_STATUS];
    if (json_at(status, "data.quota_display_type") || json_at(status, "data.usd_exchange_rate"))
        return true;
    int64_t most = granted / OVERDRAFT_PART;
    return owed <= (most > PICO_PER_UNIT ? most : PICO_PER_UNIT);
}

int balance_oneapi(struct balance_reading *r, struct err *err)
{
    struct balance *b = r->balance;
    struct measure points, shown;
    int e = balance_points(r, "USD", &points, err);
    if (e == 0)
        e = shown_in(r, &points, &shown, err);
    if (e < 0)
        return e;
    b->scope = BALANCE_EITHER;
    b->unit = balance_step(r, "1", &points);
    b->unlimited = has_no_limit(r->json[BALANCE_MAIN]);
    b->expires = balance_expiry(r->json[BALANCE_MAIN], "access_until");
    if (!b->unlimited)
        e = balance_take(r, BALANCE_MAIN, "hard_limit_usd", &shown, true, &b->granted, err);
    struct measure hundredths = shown;
    hundredths.divisor *= 100;
    if (e == 0)
        e = balance_take(r, BALANCE_MORE, "total_usage", &hundredths, true, &b->used, err);
    if (e < 0 || b->unlimited)
        return e;
    b->left = b->used < b->granted ? b->granted - b->used : 0;
    if (b->used - b->granted > b->unit) /* less is how it was rounded */
        b->owed = b->used - b->granted;
    if (!can_be_owed(r, b->granted, b->owed))
        return err_set(err, -EINVAL, "total_usage is far more than hard_limit_usd");
    return 0;
}
