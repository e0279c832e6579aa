/* Stretches of time as people name them: the last day, a month of the calendar; in local time, with the zone named. */
#ifndef ROUTECTL_PERIOD_H
#define ROUTECTL_PERIOD_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/err.h"
#include "shared/units.h"

struct period {
    usec_t since, until; /* wall clock */
};

#define PERIOD_SHOWN_MAX 96

/* "2026-10": from its first local midnight to that of the next month. -EINVAL with err said. */
int period_parse_month(const char *text, struct period *ret, struct err *err) ATTR_UNUSED_RESULT;
/* The month that holds `at`. */
void period_month_of(usec_t at, struct period *ret);
/* --since and --until as given (0 = not): until now, since `usual` before the end. */
void period_choose(struct period *ret, usec_t since, usec_t until, usec_t now, usec_t usual);

/* Each writes into buf (PERIOD_SHOWN_MAX) and returns it. */
char *period_zone(char *buf, usec_t at);                    /* "UTC", "CST (UTC+08:00)" */
char *period_time(char *buf, usec_t at);                    /* "2026-11-24 03:42" */
char *period_day(char *buf, usec_t at);                     /* "2026-11-24" */
char *period_shown(char *buf, const struct period *period); /* "2026-10-01 to 2026-10-31", "2026-11-23 11:00 to 2026-11-24 11:00" */

#endif
