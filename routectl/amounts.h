/* Money and times of the money verbs: as the API gives them, numbers in units of a currency and seconds, any of them unknown. */
#ifndef ROUTECTL_AMOUNTS_H
#define ROUTECTL_AMOUNTS_H

#include "routectl/writer.h"
#include "shared/json.h"

/* "$0.15", "$12,345"; NAN = "?". Returns buf. */
char *amount_shown(char *buf, size_t size, double units, const char *currency);
struct cell amount_cell(double units, const char *currency);  /* NAN = unknown */
struct cell amount_price(double units, const char *currency); /* the same, but nothing is "free" */
/* A balance: to the cent however large, "$12,345.67", and "-$0.37" when it is overdrawn. What is less than half a cent is shown in full. */
char *amount_exact(char *buf, size_t size, double units, const char *currency);
struct cell amount_balance(double units, const char *currency); /* below zero: STYLE_BAD; NAN = unknown */
/* " (0.90-1.50)" appended to ret, without the currency's sign; nothing if an end is unknown. */
void amount_add_range(struct buf *ret, double low, double high);
/* "385-497". */
struct cell amount_between(double low, double high);

struct cell amount_number(double number, int decimals);         /* NAN = unknown */
struct cell amount_member(const cJSON *json, const char *path); /* a number of an answer as it is, for programs */
struct cell amount_age(double seconds);                         /* "45s", "3m", "30h", "9d"; programs: seconds; NAN = unknown */
/* "12 d (9-15)", of days; NAN = unknown. */
struct cell amount_days(double days, double low, double high);

/* A time in an answer for programs, as it is; for people how long from `now`, in the future too. */
struct cell amount_when(const cJSON *json, const char *path, double now);

#endif
