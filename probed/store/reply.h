/* The JSON of an answer, written straight into its bytes: an answer may have tens of thousands of numbers. Commas come by themselves; what
 * is opened is closed with reply_close. `name` NULL = a member of an array. Numbers are decimals made from whole numbers, so they are exact
 * and short. */
#ifndef PROBED_STORE_REPLY_H
#define PROBED_STORE_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/units.h"

void reply_add_object(struct buf *to, const char *name);
void reply_add_array(struct buf *to, const char *name);
void reply_close(struct buf *to, char bracket);                          /* '}' or ']' */
void reply_add_text(struct buf *to, const char *name, const char *text); /* NULL or "" = null; hostile text is escaped */
void reply_add_int(struct buf *to, const char *name, int64_t value);
void reply_add_bool(struct buf *to, const char *name, bool value);
void reply_add_null(struct buf *to, const char *name);
/* value / 10^places, without zeros at its end; 0 <= places <= 12. */
void reply_add_decimal(struct buf *to, const char *name, int64_t value, unsigned places);
void reply_add_real(struct buf *to, const char *name, double value, unsigned places); /* rounded; not finite or beyond 10^15 = null */
void reply_add_time(struct buf *to, const char *name, usec_t wall);                   /* Unix seconds with milliseconds */
void reply_add_ms(struct buf *to, const char *name, usec_t duration);                 /* milliseconds with microseconds; negative = null */
void reply_add_price(struct buf *to, const char *name, int64_t pico_per_token);       /* a million tokens; negative = null */

#endif
