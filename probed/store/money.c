/* The probes' money in the file: a sum an hour and route. A reservation adds, its settlement takes back what was not spent, in the hour of the reservation; so that what
 * was reserved and never settled stays spent. The rule of the budget itself: core/budget.h. */
#include <errno.h>

#include "probed/store/store_parts.h"

void money_put(struct writer *w, const struct item *item)
{
    int64_t route = writer_route(w, item->money.platform, item->money.model);
    if (item->kind != ITEM_RESET && item->money.pico != 0) {
        sqlite3_stmt *s = writer_sql(w, SQL_MONEY_ADD);
        writer_int(s, 1, route);
        writer_int(s, 2, item->money.hour_of / USEC_PER_HOUR);
        writer_int(s, 3, item->money.pico);
        writer_run(w, s);
    }
    if (item->kind == ITEM_RESET || item->money.tripped) {
        sqlite3_stmt *s = writer_sql(w, item->kind == ITEM_RESET ? SQL_BREAKER_REMOVE : SQL_BREAKER_ADD);
        writer_int(s, 1, route);
        writer_run(w, s);
    }
}
