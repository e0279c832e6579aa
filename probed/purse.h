/* The purse: the daemon's side of the accounts (core/accounts.h): what prices, probes and balances say of money goes in, in each platform's own currency; what is charged against
 * what is advertised comes out and is put in force, and what turned goes to the journal.
 *
 * A platform's currency is that of its balance; where none is read, of its prices. When it changes, or the platform's key does, what was known of its money is
 * forgotten. */
#ifndef PROBED_PURSE_H
#define PROBED_PURSE_H

#include "probed/core/accounts.h"
#include "probed/price/balance.h"

struct daemon;
struct purse;
struct route_price;

struct purse *purse_new(struct daemon *d);
struct purse *purse_free(struct purse *m); /* returns NULL */
/* The world was made or made anew: names, rules. */
void purse_enter(struct purse *m);

void purse_forget(struct purse *m, size_t platform); /* its key is another one: it may be another account */

void purse_priced(struct purse *m, size_t platform, size_t route, const struct route_price *price);
void purse_observed(struct purse *m, size_t platform, size_t route, const struct observation *o);
void purse_balance(struct purse *m, size_t platform, const struct balance *b);
void purse_charged(struct purse *m, size_t platform, size_t route, int64_t usd, int32_t prompt_tokens, int32_t output_tokens);
void purse_second(struct purse *m); /* about once a second: puts in force what became sure */

/* What a route's use costs against what is advertised, where that is sure; else 1. */
double purse_ratio(const struct purse *m, size_t platform, size_t route);

/* The price as it is said, in another currency. */
struct tariff purse_tariff(const struct daemon *d, const struct route_price *price, const char *currency);

/* For answers. The accounts' ids; their money is in the platform's currency ("" = not known yet). */
const struct accounts *purse_accounts(const struct purse *m);
int purse_platform_id(const struct purse *m, size_t platform);
int purse_route_id(const struct purse *m, size_t platform, size_t route);
const char *purse_currency(const struct purse *m, size_t platform);
const struct balance *purse_last(const struct purse *m, size_t platform, usec_t *ret_at); /* NULL: none was read in this run; at: wall clock */

/* As bytes, appended; and back, when the platforms are known (purse_enter) and before anything is told. < 0: nothing is known then. */
void purse_save(const struct purse *m, struct buf *to);
int purse_restore(struct purse *m, const void *data, size_t len);

#endif
