/* What is too old, or too much, goes: a bounded number of rows each second, so that nothing ever has to wait for it, and the room is given back to the disk in small steps.
 *
 * By age: single records, sums of minutes and hours, events, ranks. States, prices, balances, overrides and the sums of days stay: they are few. By size: the oldest
 * single records go first, then the sums of minutes. */
#include "probed/store/store_parts.h"

#define ROWS_AT_ONCE 3000
#define ROWS_FOR_SIZE 10000
#define ROUTES_AT_ONCE 8
#define MONEY_HOURS 48

static void prune(struct writer *w, enum writer_statement statement, usec_t before, int64_t rows)
{
    sqlite3_stmt *s = writer_sql(w, statement);
    writer_int(s, 1, before);
    writer_int(s, 2, rows);
    writer_run(w, s);
}

static void prune_span(struct writer *w, int64_t span, int64_t route, usec_t before)
{
    sqlite3_stmt *s = writer_sql(w, SQL_ROLLUP_PRUNE);
    writer_int(s, 1, span);
    writer_int(s, 2, route);
    writer_int(s, 3, before);
    writer_run(w, s);
}

/* Some routes a time, round and round. */
static void prune_routes(struct writer *w, const struct store_limits *limits, bool minutes_too)
{
    usec_t now = w->last_told;
    for (int n = 0; n < ROUTES_AT_ONCE && w->rc == SQLITE_OK; n++) {
        sqlite3_stmt *s = writer_sql(w, SQL_ROUTE_AFTER);
        writer_int(s, 1, w->retain_route);
        w->retain_route = writer_step(w, s) ? sqlite3_column_int64(s, 0) : 0;
        if (s)
            sqlite3_reset(s);
        if (w->retain_route == 0)
            return;
        prune_span(w, 60, w->retain_route, minutes_too ? now : now - limits->minutes);
        prune_span(w, 3600, w->retain_route, now - limits->hours);
        s = writer_sql(w, SQL_RANK_PRUNE);
        writer_int(s, 1, w->retain_route);
        writer_int(s, 2, now - limits->hours);
        writer_run(w, s);
    }
}

void retain_work(struct writer *w, const struct store_limits *limits, int64_t size)
{
    usec_t now = w->last_told;
    bool too_large = size > limits->size;
    if (now == 0)
        return;
    prune(w, SQL_TOLD_PRUNE, now - limits->raw, ROWS_AT_ONCE);
    if (too_large) /* what is not added up yet stays */
        prune(w, SQL_TOLD_PRUNE, rollup_mark(w), ROWS_FOR_SIZE);
    bool empty = too_large && w->rc == SQLITE_OK && sqlite3_changes(w->db) == 0;
    prune_routes(w, limits, empty);
    prune(w, SQL_EVENT_PRUNE, now - limits->hours, ROWS_AT_ONCE);
    sqlite3_stmt *s = writer_sql(w, SQL_MONEY_PRUNE);
    writer_int(s, 1, now / USEC_PER_HOUR - MONEY_HOURS);
    writer_run(w, s);
    writer_run(w, writer_sql(w, SQL_VACUUM));
}
