/* The two clocks beside each other, out of the table `clock`.
 *
 * Between two rows the clocks run alike, so that steady time is cut into stretches, each with its offset; the first reaches back without an
 * end, the last forward. The steady clock never goes back, the wall may: then one moment of the wall is two of the steady clock (it was set
 * back), or none (it was set forward). What is asked in times of the wall is therefore looked for from the earliest to the latest moment
 * that it can mean. */
#include "probed/store/clock.h"

#include <errno.h>
#include <stdlib.h>

#include "shared/alloc.h"

#define CLOCK_ROWS_MAX 100000 /* more steps than this are no clock; the latest count */

void clock_done(struct clock *c)
{
    free(c->rows);
    *c = (struct clock){.rows = NULL};
}

int clock_load(struct clock *c, sqlite3 *db, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    size_t size = 0;
    int rc = sqlite3_prepare_v2(db, "SELECT t, offset FROM clock ORDER BY t DESC", -1, &statement, NULL);

    clock_done(c);
    while (rc == SQLITE_OK && c->len < CLOCK_ROWS_MAX && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (c->len == size) {
            size = size > 0 ? 2 * size : 16;
            c->rows = alloc_resize(c->rows, size, sizeof *c->rows);
        }
        c->rows[c->len++] = (struct clock_row){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1)};
        rc = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    if (rc != SQLITE_DONE && rc != SQLITE_OK) {
        clock_done(c);
        return err_set(err, -EIO, "the history's clock cannot be read: %s", sqlite3_errmsg(db));
    }
    for (size_t i = 0; i < c->len / 2; i++) {
        struct clock_row row = c->rows[i];

        c->rows[i] = c->rows[c->len - 1 - i];
        c->rows[c->len - 1 - i] = row;
    }
    return 0;
}

/* Sums of what stands in a file must not overflow. */
static usec_t plus(usec_t a, usec_t b)
{
    usec_t sum = 0;

    if (__builtin_add_overflow(a, b, &sum))
        return b < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static usec_t minus(usec_t a, usec_t b)
{
    usec_t difference = 0;

    if (__builtin_sub_overflow(a, b, &difference))
        return b < 0 ? INT64_MAX : INT64_MIN;
    return difference;
}

usec_t clock_wall(const struct clock *c, usec_t steady)
{
    size_t low = 0, high = c->len; /* the number of rows not after it */

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (c->rows[middle].t <= steady)
            low = middle + 1;
        else
            high = middle;
    }
    if (c->len == 0)
        return steady;
    return plus(steady, c->rows[low > 0 ? low - 1 : 0].offset);
}

usec_t clock_steady(const struct clock *c, usec_t wall, bool last)
{
    for (size_t i = 0; i < c->len && !last; i++) {
        usec_t t = minus(wall, c->rows[i].offset);

        if (i > 0 && t < c->rows[i].t)
            t = c->rows[i].t;
        if (i + 1 == c->len || t < c->rows[i + 1].t)
            return t;
    }
    for (size_t i = c->len; i-- > 0;) {
        usec_t t = minus(wall, c->rows[i].offset);

        if (i + 1 < c->len && t >= c->rows[i + 1].t)
            t = c->rows[i + 1].t - 1;
        if (i == 0 || t >= c->rows[i].t)
            return t;
    }
    return wall;
}
