/* Exchange rates, as feeds of them tell: {"base":"USD","rates":{"CNY":7.1,...}}, or base_code, or conversion_rates.
 *
 * A rate says how much of the currency is one unit of the base; read, it says how much of the reference currency is one unit of the
 * currency. A table in which anything is no number above 0 is refused as a whole. Pure. */
#ifndef PROBED_PRICE_RATES_H
#define PROBED_PRICE_RATES_H

#include <stddef.h>
#include <stdint.h>

#include "shared/err.h"
#include "shared/units.h"

#define RATES_MAX      400
#define RATES_BODY_MAX ((size_t)128 * 1024)

struct rates {
    char reference[CURRENCY_MAX];
    size_t len;
    struct rate {
        char currency[CURRENCY_MAX];
        int64_t pico;  /* of the reference currency: one unit of this one */
    } list[RATES_MAX]; /* by name; the reference itself is not among them */
};

/* 0, or -EINVAL with err said: not such a table, or one without the reference currency. */
int rates_read(const char *body, size_t len, const char *reference, struct rates *ret, struct err *err) ATTR_UNUSED_RESULT;
int64_t rates_find(const struct rates *rates, const char *currency); /* -1 = not in it */

#endif
