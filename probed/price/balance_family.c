/* What the balances of relays that descend from one-api have in common: quota points, and /api/status which says what they are worth.
 *
 *     /api/status  {"success":true,"data":{"quota_per_unit":500000,"display_in_currency":true,
 *                   "quota_display_type":"USD"|"CNY"|"TOKENS"|"CUSTOM","price":7.3,"usd_exchange_rate":7.3,...}}
 *
 * quota_per_unit points are one unit of the site's own money; `price` is how many CNY the site takes for one such unit, and so what it is
 * really worth: as for the price lists (family.c), so that a charge and a price are compared in the same money. A configured currency says
 * what the unit is, and then `price` does not matter. */
#include <errno.h>
#include <string.h>

#include "probed/price/balance_parts.h"

#define QUOTA_PER_UNIT 500000

int balance_points(const struct balance_reading *r, const char *usual, struct measure *ret, struct err *err)
{
    const cJSON *status = r->json[BALANCE_STATUS];
    char text[DECIMAL_MAX];
    *ret = (struct measure){PICO_PER_UNIT, QUOTA_PER_UNIT, "1"};
    const char *points = decimal_at(status, "data.quota_per_unit", text);
    if (r->context->quota_per_unit > 0)
        ret->divisor = r->context->quota_per_unit;
    else if (points && (units_parse_decimal(points, 1, &ret->divisor) < 0 || ret->divisor <= 0))
        return err_set(err, -EINVAL, "/api/status: quota_per_unit is %s, which is no scale", points);
    bool configured = r->context->currency && r->context->currency[0];
    const char *price = configured ? NULL : decimal_at(status, "data.price", text);
    if (price && !decimal_is_zero(price)) {
        strcpy(ret->rate, price);
        usual = "CNY";
    }
    return balance_currency(r, usual, err);
}

int balance_self(struct balance_reading *r, const char *usual_currency, struct err *err)
{
    struct measure points;
    struct balance *b = r->balance;
    int e = balance_points(r, usual_currency, &points, err);
    if (e == 0)
        e = balance_take_left(r, BALANCE_MAIN, "data.quota", &points, true, &b->left, &b->owed, err);
    if (e == 0)
        e = balance_take(r, BALANCE_MAIN, "data.used_quota", &points, false, &b->used, err);
    b->scope = BALANCE_ACCOUNT;
    b->unit = balance_step(r, "1", &points);
    return e;
}

/* One member of the small status: a number, a truth or a short word. */
static void keep(cJSON *to, const cJSON *data, const char *name)
{
    double number;
    bool truth;
    const char *word = json_string(data, name);
    if (json_number(data, name, &number))
        json_add_number(to, name, number);
    else if (json_bool(data, name, &truth))
        json_add_bool(to, name, truth);
    else if (word && strlen(word) < 24)
        json_add_string(to, name, word);
}

int balance_status_keep(const char *body, size_t len, char ret[BALANCE_STATUS_MAX], struct err *err)
{
    static const char *const names[] = {"quota_per_unit", "price", "usd_exchange_rate", "quota_display_type", "display_in_currency"};
    CLEANUP(json_deletep) cJSON *json = len <= BALANCE_BODY_MAX ? json_parse(body, len, err) : NULL;
    bool success = true;
    if (!json)
        return err_set(err, -EINVAL, "/api/status is no JSON, or too long");
    json_bool(json, "success", &success);
    if (!success || !cJSON_IsObject(json_at(json, "data")))
        return err_set(err, -EINVAL, "/api/status: no answer of a one-api relay");
    CLEANUP(json_deletep) cJSON *small = json_new_object();
    json_add_bool(small, "success", true);
    cJSON *data = json_add_object(small, "data");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        keep(data, json_at(json, "data"), names[i]);
    CLEANUP(buf_done) struct buf text = BUF_CAP(BALANCE_STATUS_MAX - 1);
    json_print(small, false, &text);
    if (text.full)
        return err_set(err, -EINVAL, "/api/status: no answer of a one-api relay");
    strcpy(ret, buf_str(&text));
    return 0;
}
