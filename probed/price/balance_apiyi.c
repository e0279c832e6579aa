/* APIYI: GET /api/user/self with the bare system token (no "Bearer"), which is another than the key for requests. The answer is packed.
 *
 *     {"success":true,"data":{"quota":4500000,"used_quota":500000,...}}
 *
 * Quota points of the account, 500,000 to 1 USD. */
#include "probed/price/balance_parts.h"

int balance_apiyi(struct balance_reading *r, struct err *err)
{
    return balance_self(r, "USD", err);
}
