/* DMXAPI: GET /api/token/key/{sk}, the platform's key in the URL.
 *
 *     {"success":true,"data":{"used_quota":123456,"remain_quota":4876544,"unlimited_quota":false,"expired_time":-1,...}}
 *
 * Quota points, 500,000 to 1 CNY. What is left of a key without a limit means nothing; what it has used does. */
#include "probed/price/balance_parts.h"

int balance_dmxapi(struct balance_reading *r, struct err *err)
{
    struct balance *b = r->balance;
    const cJSON *json = r->json[BALANCE_MAIN];
    struct measure points;
    int e = balance_points(r, "CNY", &points, err);
    if (e < 0)
        return e;
    b->scope = BALANCE_KEY;
    b->unit = balance_step(r, "1", &points);
    b->expires = balance_expiry(json, "data.expired_time");
    json_bool(json, "data.unlimited_quota", &b->unlimited);
    if (!b->unlimited)
        e = balance_take_left(r, BALANCE_MAIN, "data.remain_quota", &points, true, &b->left, &b->owed, err);
    if (e == 0)
        e = balance_take(r, BALANCE_MAIN, "data.used_quota", &points, b->unlimited, &b->used, err);
    b->key_used = b->used;
    return e;
}
