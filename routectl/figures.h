/* Quantities as cells: what a person reads and what a program reads, side by side. */
#ifndef ROUTECTL_FIGURES_H
#define ROUTECTL_FIGURES_H

#include "routectl/writer.h"
#include "shared/table.h"
#include "shared/units.h"

struct cell figure_msec(usec_t duration);   /* "510 ms", "1.25 s"; programs: ms; negative = unknown */
struct cell figure_seconds(double seconds); /* the same from seconds; programs: seconds */
struct cell figure_ratio(double ratio);     /* "99.87%"; programs: 0..1; NAN = unknown. Never rounded up to 100 % */
struct cell figure_share(uint32_t slots);   /* "64%"; programs: 0..1 */
struct cell figure_score(double score);     /* "0.981" */
struct cell figure_price(int64_t pico_per_token,
                         const char *currency);               /* "$0.15" a million; programs: units per million; negative = unknown */
struct cell figure_money(int64_t pico, const char *currency); /* "$0.0123"; programs: units */
struct cell figure_change(double from, double to);            /* "+12%"; programs: ratio; unknown where there is none */
struct cell figure_age(usec_t at, usec_t now);                /* "12 s"; programs: Unix seconds; 0 = unknown ("never") */
struct cell figure_state(enum route_state state);
struct cell figure_state_name(const char *name); /* the same from a name that may be newer than this program */
enum style figure_state_style(const char *name);

/* "12 s", "3m 20s", "2h 5m", for use within sentences. */
char *figure_span(char *buf, size_t size, usec_t duration);
/* 18,934,512 */
char *figure_thousands(char *buf, size_t size, int64_t value);
/* Money in a currency as people write it: "$0.15", "0.15 POINTS", with about three significant digits. */
char *figure_amount(char *buf, size_t size, double units, const char *currency);
/* A bar of `columns` cells for 0..1, in eighths. */
void figure_bar(struct buf *ret, double ratio, size_t columns);

#endif
