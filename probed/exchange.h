/* Money of one currency in another: the configured rates, and fetched ones while they are fresh and plausible.
 *
 * Everything that the daemon compares is in the reference currency (config.currency); histories and accounts of others are in USD, users see what they ask for.
 * A fetched rate that is more than EXCHANGE_OFF off a configured one is not believed. Amounts may be negative (a balance that is owed). */
#ifndef PROBED_EXCHANGE_H
#define PROBED_EXCHANGE_H

#include <stdbool.h>

#include "probed/config/config.h"
#include "shared/json.h"

#define EXCHANGE_OFF 1.5
#define EXCHANGE_FRESH (3 * USEC_PER_DAY)
#define EXCHANGE_RATES_MAX 64

struct exchange_rate {
    char currency[CURRENCY_MAX];
    int64_t pico; /* of the reference currency that one unit is */
    usec_t at;    /* steady; when it was fetched */
};
struct exchange { /* no pointers: it may be copied */
    struct exchange_rate fed[EXCHANGE_RATES_MAX];
    size_t fed_len;
    usec_t now; /* steady, as last told: what is fresh */
};

/* One unit of `currency` is `pico` of the reference currency. False: not plausible or of no use here, and not taken. Only currencies that the configuration has a
 * rate for or names in a source are kept, and those that relays use. */
bool exchange_feed(struct exchange *e, const struct config *config, const char *currency, int64_t pico, usec_t now);
void exchange_clock(struct exchange *e, usec_t now);

/* pico of `from` in `to`. False: there is no rate; *ret is untouched. */
bool exchange_convert(const struct exchange *e, const struct config *config, int64_t pico, const char *from, const char *to, int64_t *ret);
/* The same where -1 is "unknown", before and after. */
int64_t exchange_known(const struct exchange *e, const struct config *config, int64_t pico, const char *from, const char *to);
/* Members "rates" of an answer. wall_offset is added to steady times. */
void exchange_to_json(const struct exchange *e, const struct config *config, usec_t wall_offset, cJSON *json);

#endif
