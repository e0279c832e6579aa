/* The budget on disk until the store exists: an append-only file of reservations and settlements, so that a crash loop cannot refill the budget.
 *
 * One line a record with a checksum; a reservation is written (one write(2), no buffering) before the probe is sent, which kill -9 cannot undo. A torn or
 * corrupt line is skipped and counted; a file whose head is not ours is set aside (renamed), never deleted. The file is rewritten to the
 * hourly sums of its lines (temporary, fsync, rename) at start, and by a thread whenever it has grown by LEDGER_COMPACT bytes. One ledger a
 * directory: it is locked. */
#ifndef PROBED_STORE_LEDGER_H
#define PROBED_STORE_LEDGER_H

#include "probed/core/budget.h"
#include "shared/err.h"

#define LEDGER_COMPACT (4 * 1024 * 1024)

struct ledger;

/* Opens (or makes) file and puts what it holds into budget. NULL with err said when the directory cannot be written. */
struct ledger *ledger_open(const char *file, struct budget *budget, usec_t now, struct err *err);
struct ledger *ledger_close(struct ledger *ledger); /* returns NULL */
int ledger_reserve(struct ledger *ledger, const char *platform, const char *model, int64_t pico, usec_t now) ATTR_UNUSED_RESULT;
int ledger_settle(struct ledger *ledger, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual,
                  bool tripped) ATTR_UNUSED_RESULT;
/* The breaker was reset, so that it is not open again after a restart. */
int ledger_reset(struct ledger *ledger, const char *platform, const char *model) ATTR_UNUSED_RESULT;
unsigned ledger_skipped(const struct ledger *ledger); /* bad lines met when it was opened */

#endif
