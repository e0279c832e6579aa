/* What is too old, or too much, goes: a bounded number of rows each second, so that nothing ever has to wait for it.
 *
 * By age: single records, sums of minutes and hours, events, ranks. States, prices, balances, overrides and the sums of days stay: they are few. By size (what is in
 * use of the file): the oldest single records that are added up and in a checkpoint go first, then the sums of minutes that are in hours, ranks, and the oldest
 * events. Room that is free is written again before the file grows; only when there is much of it, it is given back to the disk, some pages each second. */
#include "probed/store/store_parts.h"

#define ROWS_AT_ONCE 3000
#define ROWS_FOR_SIZE 10000
#define EVENTS_FOR_SIZE 500
#define ROUTES_AT_ONCE 8
#define MONEY_HOURS 48
#define FREE_LEAST 2000 /* pages: less than that is not given back */
#define FREE_PART 10    /* nor less than a tenth of the file */

struct pages { int64_t all, free, size; };

static struct pages pages_of(struct writer *w)
{
    struct pages p = {0, 0, 0};
    sqlite3_stmt *s = writer_sql(w, SQL_PAGES);
    if (writer_step(w, s))
        p = (struct pages){sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2)};
    if (s)
        sqlite3_reset(s);
    return p;
}

/* How many went. */
static int prune(struct writer *w, enum writer_statement statement, int64_t a, int64_t b)
{
    sqlite3_stmt *s = writer_sql(w, statement);
    writer_int(s, 1, a);
    if (s && sqlite3_bind_parameter_count(s) > 1)
        writer_int(s, 2, b);
    writer_run(w, s);
    return w->rc == SQLITE_OK ? sqlite3_changes(w->db) : 0;
}

static void prune_span(struct writer *w, int64_t span, int64_t route, usec_t before)
{
    sqlite3_stmt *s = writer_sql(w, SQL_ROLLUP_PRUNE);
    writer_int(s, 1, span);
    writer_int(s, 2, route);
    writer_int(s, 3, before);
    writer_run(w, s);
}

static usec_t earlier(usec_t a, usec_t b) { return a < b ? a : b; }

/* Some routes a time, round and round. */
static void prune_routes(struct writer *w, const struct store_limits *limits, bool for_size)
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
        prune_span(w, 60, w->retain_route, earlier(rollup_mark_up(w), for_size ? now : now - limits->minutes));
        prune_span(w, 3600, w->retain_route, now - limits->hours);
        prune(w, SQL_RANK_PRUNE, w->retain_route, now - (for_size ? limits->minutes : limits->hours));
    }
}

/* True: there are no single records left that may go. */
static bool prune_records(struct writer *w)
{
    int64_t added_up = rollup_mark(w), checkpoint = 0;
    sqlite3_stmt *s = writer_sql(w, SQL_CHECKPOINT_TOLD);
    if (writer_step(w, s))
        checkpoint = sqlite3_column_int64(s, 0);
    if (s)
        sqlite3_reset(s);
    if (checkpoint > 0 && checkpoint < added_up)
        added_up = checkpoint + 1; /* a start needs what came later */
    return prune(w, SQL_TOLD_PRUNE, added_up, ROWS_FOR_SIZE) == 0 && w->rc == SQLITE_OK;
}

void retain_work(struct writer *w, const struct store_limits *limits)
{
    usec_t now = w->last_told;
    struct pages pages = pages_of(w);
    bool too_large = (pages.all - pages.free) * pages.size > limits->size;
    if (now == 0)
        return;
    prune(w, SQL_TOLD_PRUNE, earlier(rollup_mark(w), now - limits->raw), ROWS_AT_ONCE);
    bool none_left = too_large && prune_records(w);
    prune_routes(w, limits, none_left);
    prune(w, SQL_EVENT_PRUNE, now - limits->hours, ROWS_AT_ONCE);
    if (none_left)
        prune(w, SQL_EVENT_PRUNE_ALL, EVENTS_FOR_SIZE, 0);
    prune(w, SQL_MONEY_PRUNE, now / USEC_PER_HOUR - MONEY_HOURS, 0);
    if ((pages.free > FREE_LEAST && pages.free > pages.all / FREE_PART) || (pages.free > 0 && pages.all * pages.size > limits->size))
        writer_run(w, writer_sql(w, SQL_VACUUM));
}
