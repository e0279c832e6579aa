/* The requests of a window, out of the fewest spans that cover it.
 *
 * A window is cut like a ruler: whole days in the middle, at their ends whole hours, at theirs whole minutes, and at the very ends, less
 * than a minute each, single records. Spans tell what was told before the writer's marks (rollup.c); what came since is read as minutes,
 * and then as records. So any window is exact, and a year costs hundreds of rows a route and not a million. What retention took away is not
 * there any more at its level: the ends that fall on it take the span one level up if most of it lies in the window.
 *
 * All routes that are asked for are read in one go, since single records are found by their time and not by their route. */
#include <stdlib.h>

#include "probed/store/question_parts.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"

static const struct {
    const char *name;
    usec_t span;
} levels[LEVEL_COUNT] = {
    [LEVEL_RAW] = {"raw", 0},
    [LEVEL_MINUTE] = {"minute", USEC_PER_MINUTE},
    [LEVEL_HOUR] = {"hour", USEC_PER_HOUR},
    [LEVEL_DAY] = {"day", USEC_PER_DAY},
};

usec_t level_span(enum level level)
{
    return levels[level].span;
}

const char *level_name(enum level level)
{
    return levels[level].name;
}

/* --- what is kept --- */

static usec_t oldest_record(struct question *q)
{
    sqlite3_stmt *statement = question_sql(q, "SELECT min(id) FROM told");
    usec_t ret = INT64_MAX;

    if (question_row(q, statement) && sqlite3_column_type(statement, 0) == SQLITE_INTEGER)
        ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return ret;
}

/* Of any of the routes: one look into the key each. */
static usec_t oldest_span(struct question *q, enum level level, const struct routes *routes)
{
    sqlite3_stmt *statement = question_sql(q, "SELECT t FROM rollup WHERE span = ?1 AND route = ?2 ORDER BY t LIMIT 1");
    usec_t ret = INT64_MAX;

    question_bind(q, statement, 1, level_span(level) / USEC_PER_SEC);
    for (size_t i = 0; i < routes->len && q->rc == SQLITE_OK; i++) {
        question_bind(q, statement, 2, routes->all[i].id);
        if (question_row(q, statement) && sqlite3_column_int64(statement, 0) < ret)
            ret = sqlite3_column_int64(statement, 0);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return ret;
}

/* How far the writer has added up. */
static usec_t mark(struct question *q, const char *name, usec_t otherwise)
{
    sqlite3_stmt *statement = question_sql(q, "SELECT value FROM meta WHERE key = ?1");

    question_bind_text(q, statement, 1, name);
    usec_t ret = question_row(q, statement) ? sqlite3_column_int64(statement, 0) : otherwise;

    sqlite3_finalize(statement);
    return ret;
}

void spans_kept(struct question *q, const struct routes *routes)
{
    usec_t first[LEVEL_COUNT];

    q->rolled = mark(q, "rolled", 0);
    q->rolled_up = mark(q, "rolled_up", question_step_of(q->rolled, USEC_PER_HOUR));
    if (q->rolled_up > q->rolled)
        q->rolled_up = q->rolled;
    q->oldest = INT64_MAX;
    for (int i = 0; i < LEVEL_COUNT; i++) {
        first[i] = i == LEVEL_RAW ? oldest_record(q) : oldest_span(q, (enum level)i, routes);
        if (first[i] < q->oldest)
            q->oldest = first[i];
    }
    q->kept[LEVEL_DAY] = INT64_MIN;
    for (int i = LEVEL_DAY - 1; i >= 0; i--) {
        usec_t span = levels[i + 1].span;

        /* Something was taken away if the level above begins before the span that this one begins in. */
        q->kept[i] = first[i] != INT64_MAX && question_step_of(first[i], span) <= first[i + 1] ? INT64_MIN : first[i];
        if (first[i + 1] == INT64_MAX)
            q->kept[i] = INT64_MIN;
        if (q->kept[i] < q->kept[i + 1])
            q->kept[i] = q->kept[i + 1];
    }
}

/* --- reading --- */

struct reading {
    struct question *q;
    const struct routes *routes;
    const struct route_of **by_id; /* those that the history knows, ascending ids */
    size_t by_id_len;
    unsigned parts;
    spans_fn fn;
    void *arg;
    sqlite3_stmt *spans, *records;
};

static int compare_ids(const void *a, const void *b)
{
    int64_t x = (*(const struct route_of *const *)a)->id, y = (*(const struct route_of *const *)b)->id;

    return (x > y) - (x < y);
}

static const struct route_of *find_route(const struct reading *r, int64_t id)
{
    size_t low = 0, high = r->by_id_len;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (r->by_id[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->by_id_len && r->by_id[low]->id == id ? r->by_id[low] : NULL;
}

static struct tally *target(const struct reading *r, const struct route_of *route, usec_t steady)
{
    usec_t wall = 0;

    return question_in_window(r->q, steady, &wall) ? r->fn(r->arg, (size_t)(route - r->routes->all), wall) : NULL;
}

/* Of a damaged file: what cannot be is nothing. */
static int64_t count_of(sqlite3_stmt *statement, int column)
{
    int64_t value = sqlite3_column_int64(statement, column);

    return value < 0 ? 0 : value;
}

static void add_blob(struct histogram *h, sqlite3_stmt *statement, int column)
{
    const void *data = sqlite3_column_blob(statement, column);
    int len = sqlite3_column_bytes(statement, column);

    if (data != NULL && len > 0)
        (void)!histogram_read(h, data, (size_t)len); /* a damaged one adds nothing */
}

static void add_row(struct tally *to, sqlite3_stmt *s, unsigned parts)
{
    double speed = sqlite3_column_double(s, 6);
    struct tally row = {.n = count_of(s, 1),
                        .ok = count_of(s, 2),
                        .failed = count_of(s, 3),
                        .limited = count_of(s, 4),
                        .ours = count_of(s, 5),
                        .speed_sum = speed > 0 && speed < 1e15 ? speed : 0,
                        .speed_n = count_of(s, 7),
                        .cost = sqlite3_column_int64(s, 8),
                        .prompt_tokens = count_of(s, 9),
                        .output_tokens = count_of(s, 10)};

    if (parts & SPANS_LOAD) {
        const void *data = sqlite3_column_blob(s, 13);
        int len = sqlite3_column_bytes(s, 13);

        /* Without one (or with a damaged one) all of it was in the first bucket. */
        if (data == NULL || len <= 0 || rollup_load_read(row.load, data, (size_t)len) < 0)
            row.load[0] = (struct tally_load){row.n, row.failed, row.limited};
    }
    tally_merge(to, &row);
    if (parts & SPANS_TTFT)
        add_blob(&to->ttft, s, 11);
    if (parts & SPANS_TOTAL)
        add_blob(&to->total, s, 12);
}

static void read_spans(struct reading *r, enum level level, usec_t from, usec_t to)
{
    usec_t half = level_span(level) / 2;
    sqlite3_stmt *s = r->spans;

    question_bind(r->q, s, 1, level_span(level) / USEC_PER_SEC);
    question_bind(r->q, s, 3, from);
    question_bind(r->q, s, 4, to);
    for (size_t i = 0; i < r->by_id_len && r->q->rc == SQLITE_OK; i++) {
        question_bind(r->q, s, 2, r->by_id[i]->id);
        while (question_row(r->q, s)) {
            struct tally *tally = target(r, r->by_id[i], sqlite3_column_int64(s, 0) + half);

            if (tally != NULL)
                add_row(tally, s, r->parts);
        }
        sqlite3_reset(s);
    }
}

static void read_records(struct reading *r, usec_t from, usec_t to)
{
    sqlite3_stmt *s = r->records;
    struct tally row = {.n = 0};

    question_bind(r->q, s, 1, from);
    question_bind(r->q, s, 2, to);
    while (question_row(r->q, s)) {
        const struct route_of *route = find_route(r, sqlite3_column_int64(s, 2));
        struct tally *tally = route != NULL ? target(r, route, sqlite3_column_int64(s, 0)) : NULL;

        if (tally == NULL)
            continue;
        rollup_count(&row, s);
        tally_merge(tally, &row);
        histogram_clear(&row.ttft);
        histogram_clear(&row.total);
        row = (struct tally){.ttft = row.ttft, .total = row.total};
    }
    tally_done(&row);
    sqlite3_reset(s);
}

/* --- the ruler --- */

static void cover(struct reading *r, enum level level, usec_t from, usec_t to);

/* [from, to) is a part of the span [begin, begin + span) of the level: finer ones, or if those are gone all of it or nothing. */
static void cover_part(struct reading *r, enum level level, usec_t begin, usec_t from, usec_t to)
{
    usec_t kept = r->q->kept[level - 1], middle = begin + level_span(level) / 2;

    if (from >= to)
        return;
    if (kept <= from)
        cover(r, level - 1, from, to);
    else if (middle >= from && middle < to)
        read_spans(r, level, begin, begin + 1);
    else if (kept < to)
        cover(r, level - 1, kept, to);
}

static void cover(struct reading *r, enum level level, usec_t from, usec_t to)
{
    usec_t span = level_span(level);

    if (from >= to)
        return;
    if (level == LEVEL_RAW) {
        read_records(r, from, to);
        return;
    }
    usec_t first = question_step_of(from, span), last = question_step_of(to, span); /* the spans that the ends lie in */
    usec_t begin = first == from ? from : first + span;

    if (first == last) {
        cover_part(r, level, first, from, to);
        return;
    }
    cover_part(r, level, first, from, begin);
    read_spans(r, level, begin, last);
    cover_part(r, level, last, last, to);
}

#define SPANS_SQL                                                                                                                          \
    "SELECT t, n, ok, failed, limited, ours, speed_sum, speed_n, cost, prompt_tokens, output_tokens, ttft, total, flight FROM rollup"      \
    " WHERE span = ?1 AND route = ?2 AND t >= ?3 AND t < ?4 ORDER BY t"
#define RECORDS_SQL                                                                                                                        \
    "SELECT id, late, route, outcome, fault, ttft, total, tokens_per_s, cost, prompt_tokens, output_tokens, in_flight FROM told"           \
    " WHERE id >= ?1 AND id < ?2 AND kind = ?3 ORDER BY id"

static usec_t between(usec_t least, usec_t value, usec_t most)
{
    return value < least ? least : value > most ? most : value;
}

void spans_read(struct question *q, const struct routes *routes, enum level coarsest, unsigned parts, spans_fn fn, void *arg)
{
    struct reading r = {.q = q, .routes = routes, .parts = parts, .fn = fn, .arg = arg};

    r.by_id = alloc_zero(routes->len + 1, sizeof *r.by_id);
    for (size_t i = 0; i < routes->len; i++)
        if (routes->all[i].id >= 0)
            r.by_id[r.by_id_len++] = &routes->all[i];
    qsort(r.by_id, r.by_id_len, sizeof *r.by_id, compare_ids);
    r.spans = question_sql(q, SPANS_SQL);
    r.records = question_sql(q, RECORDS_SQL);
    question_bind(q, r.records, 3, RECORD_CHAT);
    /* Hours and days know what was told up to one mark, minutes up to a later one; what came since stands in no span yet. */
    if (r.by_id_len > 0) {
        usec_t up = between(q->from, q->rolled_up, q->to), rolled = between(up, q->rolled, q->to);

        cover(&r, coarsest, q->from, up);
        cover(&r, coarsest < LEVEL_MINUTE ? coarsest : LEVEL_MINUTE, up, rolled);
        cover(&r, LEVEL_RAW, rolled, q->to);
    }
    sqlite3_finalize(r.spans);
    sqlite3_finalize(r.records);
    free(r.by_id);
}
