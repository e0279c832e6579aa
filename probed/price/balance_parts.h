/* Inside probed/price only: what the readers of the single balance sources share.
 *
 * balance.c parses the bodies, refuses those that say themselves that they are no answer, and hands them to the source's function, which
 * says what each number is called, what a unit of it is worth, and what it means. Numbers become money in one place (balance_take). */
#ifndef PROBED_PRICE_BALANCE_PARTS_H
#define PROBED_PRICE_BALANCE_PARTS_H

#include "probed/price/balance.h"
#include "probed/price/prices_parts.h"

struct balance_reading {
    cJSON *json[BALANCE_PARTS]; /* NULL = not there */
    const struct balance_context *context;
    char scale[DECIMAL_MAX];
    struct balance *balance;
};

/* What a number in an answer is worth: `scale` pico-units / `divisor`, times a rate in decimal text. */
struct measure {
    int64_t scale, divisor;
    char rate[DECIMAL_MAX];
};
#define MEASURE_MONEY ((struct measure){PICO_PER_UNIT, 1, "1"})

/* The number there, as money. What is missing or null is BALANCE_UNKNOWN, or -EINVAL if `needed`. -EINVAL with err said: no number, a
 * negative one, or more than there is. For what cannot be negative. */
int balance_take(const struct balance_reading *r, enum balance_part part, const char *path, const struct measure *measure, bool needed,
                 int64_t *ret, struct err *err) ATTR_UNUSED_RESULT;
/* The same for what is left, which is below zero where more was spent than there was: left is 0 then, and ret_owed the rest; else that is
 * 0. */
int balance_take_left(const struct balance_reading *r, enum balance_part part, const char *path, const struct measure *measure, bool needed,
                      int64_t *ret_left, int64_t *ret_owed, struct err *err) ATTR_UNUSED_RESULT;
/* The money that `text` units are; for the smallest step. At least 1. */
int64_t balance_step(const struct balance_reading *r, const char *text, const struct measure *measure);
/* The currency that was configured, or this one. */
int balance_currency(const struct balance_reading *r, const char *usual, struct err *err) ATTR_UNUSED_RESULT;
/* Unix seconds; 0, -1, nonsense and what is beyond the year 9999: 0. */
usec_t balance_expiry(const cJSON *json, const char *path);
/* Words of the answer, harmless and short, for an error. "" if there are none. */
void balance_words(const cJSON *json, const char *path, struct buf *ret);

/* --- the one-api family (balance_family.c) ------------------------------------------------------------------------------ */

/* What a quota point is worth, and the currency: by configuration, /api/status, or the usual. */
int balance_points(const struct balance_reading *r, const char *usual, struct measure *ret, struct err *err) ATTR_UNUSED_RESULT;
/* /api/user/self: data.quota and data.used_quota in points, of the account. */
int balance_self(struct balance_reading *r, const char *usual_currency, struct err *err);

/* --- sources: 0, or -EINVAL with err said ------------------------------------------------------------------------------- */

int balance_openrouter(struct balance_reading *r, struct err *err);
int balance_siliconflow(struct balance_reading *r, struct err *err);
int balance_oneapi(struct balance_reading *r, struct err *err);
int balance_newapi(struct balance_reading *r, struct err *err);
int balance_newapi_user(struct balance_reading *r, struct err *err);
int balance_dmxapi(struct balance_reading *r, struct err *err);
int balance_aihubmix(struct balance_reading *r, struct err *err);
int balance_apiyi(struct balance_reading *r, struct err *err);

#endif
