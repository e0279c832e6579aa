/* Where it is written down that the probes' money is reserved and spent, so that a crash loop cannot refill the budget.
 *
 * In the store, at once, before a probe is sent. When the store cannot write (a full disk, a broken file), or not within a second (a slow disk), in a ledger file in the directory of the socket, which
 * is memory on most systems and outlives the daemon, if not the machine; as soon as the store can write again, what stands there is moved over. If neither can
 * be written nothing paid is sent. Without a store (options.no_store) the ledger is in the state directory and all there is. */
#ifndef PROBED_SPENDING_H
#define PROBED_SPENDING_H

#include <stdbool.h>

#include "shared/err.h"
#include "shared/units.h"

struct daemon;
struct spending;

/* What stands of earlier runs is put into the daemon's budget. NULL with err said only where there is no store and no ledger either. */
struct spending *spending_open(struct daemon *d, struct err *err);
struct spending *spending_close(struct spending *s); /* returns NULL; NULL is fine */
/* 0 = written; -EINPROGRESS = prober_reserved will be told with the ticket; else it could not be written. */
int spending_reserve(struct spending *s, const char *platform, const char *model, int64_t pico, usec_t now, uint64_t ticket);
void spending_settle(struct spending *s, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped);
void spending_reset(struct spending *s, const char *platform, const char *model); /* the breaker */
void spending_second(struct spending *s); /* about once a second */

#endif
