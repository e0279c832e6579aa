/* The wall clock beside the steady one, as the table `clock` tells: wall = steady + offset of the last row not after it. */
#ifndef PROBED_STORE_CLOCK_H
#define PROBED_STORE_CLOCK_H

#include <sqlite3.h>
#include <stdbool.h>

#include "shared/err.h"
#include "shared/units.h"

struct clock_row { usec_t t, offset; };
struct clock { /* all zero = offset 0 throughout */
    struct clock_row *rows; /* ascending t */
    size_t len;
};
void clock_done(struct clock *c);
int clock_load(struct clock *c, sqlite3 *db, struct err *err) ATTR_UNUSED_RESULT;
usec_t clock_wall(const struct clock *c, usec_t steady);
/* The earliest steady time at which the wall is not before `wall`; with `last`, the latest at which it is not after it. Between the two lies every
 * moment of a window of the wall, also if the wall stepped in it. */
usec_t clock_steady(const struct clock *c, usec_t wall, bool last);

#endif
