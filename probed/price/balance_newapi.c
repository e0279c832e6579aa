/* new-api: GET /api/usage/token/ with the sk- key, and GET /api/user/self with the account's access token.
 *
 *     usage/token  {"code":true,"message":"ok","data":{"object":"token_usage","total_granted":5000000,"total_used":1234,
 *                   "total_available":4998766,"unlimited_quota":false,"expires_at":0,...}}
 *     user/self    {"success":true,"data":{"quota":4500000,"used_quota":500000,...}}
 *
 * Raw quota points: what they are worth is in balance_family.c. `code` is a boolean here. What is left of a key without a limit is counted
 * down all the same, below nothing, and means nothing; what it has used does. 4SAPI leaves total_used out: it is what was granted and is
 * not there any more, and what is owed. */
#include <errno.h>

#include "probed/price/balance_parts.h"

int balance_newapi(struct balance_reading *r, struct err *err)
{
    struct balance *b = r->balance;
    const cJSON *json = r->json[BALANCE_MAIN];
    struct measure points;
    int e = balance_points(r, "USD", &points, err);
    if (e < 0)
        return e;
    b->scope = BALANCE_KEY;
    b->unit = balance_step(r, "1", &points);
    b->expires = balance_expiry(json, "data.expires_at");
    json_bool(json, "data.unlimited_quota", &b->unlimited);
    if (!b->unlimited)
        e = balance_take_left(r, BALANCE_MAIN, "data.total_available", &points, true, &b->left, &b->owed, err);
    if (e == 0 && !b->unlimited)
        e = balance_take(r, BALANCE_MAIN, "data.total_granted", &points, false, &b->granted, err);
    if (e == 0)
        e = balance_take(r, BALANCE_MAIN, "data.total_used", &points, b->unlimited, &b->used, err);
    if (e < 0)
        return e;
    if (b->granted != BALANCE_UNKNOWN && b->left > b->granted)
        return err_set(err, -EINVAL, "total_available is more than total_granted");
    if (b->used == BALANCE_UNKNOWN && b->granted != BALANCE_UNKNOWN && __builtin_add_overflow(b->granted - b->left, b->owed, &b->used))
        return err_set(err, -EINVAL, "total_available is beyond all reason");
    b->key_used = b->used;
    return 0;
}

int balance_newapi_user(struct balance_reading *r, struct err *err)
{
    return balance_self(r, "USD", err);
}
