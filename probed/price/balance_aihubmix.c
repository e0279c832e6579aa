/* AIHubMix: GET /api/user/self with the raw manage key (no "Bearer"), which is another than the key for requests.
 *
 *     {"success":true,"data":{"quota":4500000,"used_quota":500000,"group":"default",...}}
 *
 * Quota points of the account, 500,000 to 1 USD. */
#include "probed/price/balance_parts.h"

int balance_aihubmix(struct balance_reading *r, struct err *err)
{
    return balance_self(r, "USD", err);
}
