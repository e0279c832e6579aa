/* Quantities that people write and read: durations, sizes, percentages, money.
 *
 * Time is usec_t, microseconds, signed. Money is an integer number of pico-units (1e-12) of a currency, so that a price
 * a token is exact (0.15 USD per million tokens = 150,000 pico-USD a token) and sums never drift; an int64_t then
 * holds +-9.2 million units.
 * Every parser wants a unit ("30s", "64KiB", "95%", "1 USD"), takes the whole text, and on failure leaves *ret as it
 * was, writes one sentence that says what would be right, and returns -EINVAL (no such quantity) or -ERANGE. */
#ifndef SHARED_UNITS_H
#define SHARED_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/compiler.h"
#include "shared/err.h"

typedef int64_t usec_t;

#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC ((usec_t)1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY INT64_MAX

#define PICO_PER_UNIT ((int64_t)1000000000000)
/* A price of 1 unit per million tokens, as pico-units a token. */
#define PICO_PER_UNIT_PER_MTOK ((int64_t)1000000)

#define CURRENCY_MAX 8 /* with the NUL: "USD", "CNY", "POINTS" */

struct money {
    int64_t pico;
    char currency[CURRENCY_MAX];
};

/* "250ms", "30s", "5m", "1.5h", "2d", "1h 30m"; units us ms s m h d w, large before small; 0 <= result <= 10 years. "0" alone needs no unit. */
int units_parse_duration(const char *text, usec_t *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "512B", "64KiB", "1MiB", "2kB" (SI and IEC; B KB kB MB GB KiB MiB GiB). */
int units_parse_size(const char *text, uint64_t *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "5%", "99.9%" -> 0.05, 0.999; 0..100 %. */
int units_parse_percent(const char *text, double *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "0.05 USD", "7 CNY": decimal, at most 12 places matter (rounded half away from zero), never negative. */
int units_parse_money(const char *text, struct money *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "0.15 USD/1M" (per million tokens; also "/1K"), into pico-units a token. */
int units_parse_price(const char *text, struct money *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "1 USD/day". */
int units_parse_money_per_day(const char *text, struct money *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "50k/day", "2M/day", "300/h", "5/min", "1.5/s": requests, into so many a day; k and M are thousands and millions; at most 1e12 a day. */
int units_parse_requests(const char *text, double *per_day, struct err *err) ATTR_UNUSED_RESULT;
/* A bare decimal string ("0.00000015", "1.5e-07", "3.0E-7") times `scale` pico-units, exact decimal arithmetic,
 * rounded once, half away from zero. A minus is allowed. -EINVAL: no decimal number (nan, inf, hex, "", blanks); -ERANGE: beyond int64. */
int units_parse_decimal(const char *text, int64_t scale, int64_t *ret) ATTR_UNUSED_RESULT;

/* Each writes into buf and returns it. Durations: the two largest units ("1h 5m", "12s 346ms"), below a second one ("350ms", "12.3ms", "1.25ms"),
 * rounded to what is shown, "forever" for USEC_INFINITY; money: exact, as few digits as say it ("0.05 USD"; currency NULL = the number
 * alone); prices per million tokens ("0.15", "-" when negative, that is unknown). What is neither negative nor beyond a parser's range can be parsed again. */
char *units_format_duration(char *buf, size_t size, usec_t value);
char *units_format_size(char *buf, size_t size, uint64_t value);
char *units_format_money(char *buf, size_t size, int64_t pico, const char *currency);
char *units_format_price(char *buf, size_t size, int64_t pico_per_token);
/* RFC 3339 in UTC with milliseconds, "2026-11-24T03:42:17.250Z". */
char *units_format_time(char *buf, size_t size, usec_t unix_usec);

#endif
