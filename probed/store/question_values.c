/* SERIES of what is told when it changes: prices and ranks, each of which holds until the next; and of balances, which are what they were
 * when they were asked for.
 *
 * A value that holds is carried into each step of the window, from the last one before the window on, up to now: `value` is the one at the
 * end of the step, low and high the least and the most that held in it. A price that is not known and a rank of 0 (no place in the table)
 * are gaps. */
#include <stdlib.h>

#include "probed/store/question_parts.h"
#include "probed/store/reply.h"

#define UNKNOWN INT64_MIN
#define NO_STEP INT64_MIN

struct value { /* main: input price, rank or balance; beside: output price or slots; UNKNOWN = none */
    int64_t main, beside;
};

struct held {
    struct question *q;
    enum history_metric metric;
    usec_t step;
    bool carries;
    struct value now;     /* in force; of a balance: the last */
    usec_t at;            /* wall; how far it has come */
    usec_t open;          /* begin of the step in hand */
    int64_t n, low, high; /* in it */
};

static void write_main(struct held *h, const char *name, int64_t value)
{
    struct buf *to = h->q->body;

    if (value == UNKNOWN)
        reply_add_null(to, name);
    else if (h->metric == HISTORY_METRIC_PRICE)
        reply_add_price(to, name, value);
    else
        reply_add_decimal(to, name, value, h->metric == HISTORY_METRIC_BALANCE ? 12 : 0);
}

static bool is_gap(const struct held *h)
{
    return h->now.main == UNKNOWN && (h->metric != HISTORY_METRIC_PRICE || h->now.beside == UNKNOWN);
}

/* Ends the step in hand. */
static void flush(struct held *h)
{
    struct buf *to = h->q->body;

    if (h->open == NO_STEP || is_gap(h) || (!h->carries && h->n == 0))
        return;
    reply_add_object(to, NULL);
    reply_add_time(to, "t", h->open);
    reply_add_int(to, "n", h->n);
    write_main(h, "value", h->now.main);
    write_main(h, "low", h->low);
    write_main(h, "high", h->high);
    if (h->metric == HISTORY_METRIC_PRICE)
        write_main(h, "output", h->now.beside);
    if (h->metric == HISTORY_METRIC_RANK)
        reply_add_decimal(to, "weight", h->now.beside * 390625, 8); /* of 256 */
    reply_close(to, '}');
}

static void widen(struct held *h, int64_t value)
{
    if (value == UNKNOWN)
        return;
    if (h->low == UNKNOWN || value < h->low)
        h->low = value;
    if (h->high == UNKNOWN || value > h->high)
        h->high = value;
}

static void begin(struct held *h, usec_t step)
{
    h->open = step;
    h->n = 0;
    h->low = h->high = UNKNOWN;
    if (h->carries)
        widen(h, h->now.main);
}

/* Goes on to a moment, with what holds in each step on the way; the step that the moment is in stays in hand. Never back: time that a clock
 * which was set back goes through again was told already. */
static void carry(struct held *h, usec_t to)
{
    if (to < h->at)
        to = h->at;
    usec_t last = question_step_of(to, h->step);

    if (h->open == NO_STEP)
        begin(h, h->carries && !is_gap(h) ? question_step_of(h->at, h->step) : last);
    while (h->open < last) {
        usec_t next = h->open + h->step;

        flush(h);
        begin(h, h->carries && !is_gap(h) ? next : last);
    }
    h->at = to;
}

static void tell(struct held *h, usec_t wall, struct value value)
{
    carry(h, wall);
    if (wall == h->open && h->n == 0)
        h->low = h->high = UNKNOWN; /* what was before did not hold in this step at all */
    h->now = value;
    h->n++;
    widen(h, value.main);
}

static struct value value_of(const struct held *h, sqlite3_stmt *statement)
{
    struct value v = {.main = sqlite3_column_int64(statement, 1), .beside = sqlite3_column_int64(statement, 2)};
    bool none = sqlite3_column_type(statement, 1) == SQLITE_NULL;

    if (h->metric == HISTORY_METRIC_PRICE) {
        if (none || v.main < 0)
            v.main = UNKNOWN;
        if (sqlite3_column_type(statement, 2) == SQLITE_NULL || v.beside < 0)
            v.beside = UNKNOWN;
    } else if (h->metric == HISTORY_METRIC_RANK) {
        if (v.main <= 0 || v.main > UINT32_MAX)
            v.main = UNKNOWN;
        if (v.beside < 0 || v.beside > 256)
            v.beside = 0;
    } else if (none)
        v.main = UNKNOWN;
    return v;
}

static const char *sql_of(enum history_metric metric, bool before)
{
    switch (metric) {
    case HISTORY_METRIC_PRICE:
        return before ? "SELECT t, input, output FROM price WHERE route = ?1 AND t < ?2 ORDER BY t DESC LIMIT 1"
                      : "SELECT t, input, output FROM price WHERE route = ?1 AND t >= ?2 AND t < ?3 ORDER BY t";
    case HISTORY_METRIC_RANK:
        return before ? "SELECT t, rank, slots FROM rank WHERE route = ?1 AND t < ?2 AND policy = (SELECT id FROM policy WHERE name = ?4) "
                        "ORDER BY t DESC LIMIT 1"
                      : "SELECT t, rank, slots FROM rank WHERE route = ?1 AND t >= ?2 AND t < ?3 AND policy = (SELECT id FROM policy WHERE "
                        "name = ?4) ORDER BY t";
    default:
        return before ? "SELECT t, pico, NULL FROM balance WHERE route = ?1 AND t < ?2 ORDER BY t DESC LIMIT 1"
                      : "SELECT t, pico, NULL FROM balance WHERE route = ?1 AND t >= ?2 AND t < ?3 ORDER BY t";
    }
}

static sqlite3_stmt *prepare(struct question *q, enum history_metric metric, bool before)
{
    sqlite3_stmt *statement = question_sql(q, sql_of(metric, before));

    question_bind(q, statement, 2, q->from);
    if (!before)
        question_bind(q, statement, 3, q->to);
    if (metric == HISTORY_METRIC_RANK)
        question_bind_text(q, statement, 4, q->query->policy);
    return statement;
}

static int64_t write_points(struct held *h, sqlite3_stmt *before, sqlite3_stmt *within, int64_t route)
{
    struct question *q = h->q;
    usec_t wall = 0, end = q->until - 1 < q->now ? q->until - 1 : q->now;
    int64_t told = 0;

    question_bind(q, before, 1, route);
    if (h->carries && question_row(q, before))
        h->now = value_of(h, before);
    sqlite3_reset(before);
    question_bind(q, within, 1, route);
    while (question_row(q, within)) {
        if (!question_in_window(q, sqlite3_column_int64(within, 0), &wall))
            continue;
        tell(h, wall, value_of(h, within));
        told++;
    }
    sqlite3_reset(within);
    if (h->carries && end >= q->since)
        carry(h, end);
    flush(h);
    return told;
}

void question_values(struct question *q, const struct routes *routes, usec_t step)
{
    sqlite3_stmt *before = prepare(q, q->query->metric, true), *within = prepare(q, q->query->metric, false);

    for (size_t i = 0; i < routes->len && q->rc == SQLITE_OK; i++) {
        const struct route_of *of = &routes->all[i];
        struct held h = {.q = q,
                         .metric = q->query->metric,
                         .step = step,
                         .carries = q->query->metric != HISTORY_METRIC_BALANCE,
                         .now = {UNKNOWN, UNKNOWN},
                         .at = q->since,
                         .open = NO_STEP};

        reply_add_object(q->body, NULL);
        reply_add_text(q->body, "platform", of->platform);
        reply_add_text(q->body, "model", of->model);
        reply_add_array(q->body, "points");
        int64_t n = write_points(&h, before, within, of->id);

        reply_close(q->body, ']');
        reply_add_int(q->body, "n", n);
        reply_close(q->body, '}');
    }
    sqlite3_finalize(before);
    sqlite3_finalize(within);
}
