/* Sums of minutes, hours and days.
 *
 * When a minute is over (something later was told) what was told in it is counted a route and added to the row of the minute; when an hour is over its minutes are added
 * to the rows of the hour and of its day. How far each got is a mark in the same transaction, so that it is done once, whatever happens. Chats only, probes and
 * traffic together. The marks are times, not always whole minutes: an import ends where it ends, and what comes next in that minute is added to it.
 *
 * `flight`: LOAD_BUCKETS times three numbers in base 128 (low groups first, the high bit says that more follow): n, failed, limited. Empty when all of it is in the
 * first bucket and can be told from the row. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/store/store_parts.h"
#include "shared/alloc.h"

#define MINUTES_AT_ONCE 30
#define HOURS_AT_ONCE 4
#define ROUTES_MOST 1000000
#define MARK "rolled"
#define MARK_UP "rolled_up"

void rollup_count(struct tally *t, sqlite3_stmt *row)
{
    struct observation o = {.outcome = {.kind = (enum outcome_kind)sqlite3_column_int(row, 3), .fault = (enum fault)sqlite3_column_int(row, 4)}};
    o.ttft = sqlite3_column_type(row, 5) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 5);
    o.total = sqlite3_column_type(row, 6) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 6);
    o.tokens_per_s = sqlite3_column_double(row, 7);
    o.cost_pico = sqlite3_column_int64(row, 8);
    o.prompt_tokens = sqlite3_column_int(row, 9);
    o.output_tokens = sqlite3_column_int(row, 10);
    o.in_flight = (uint16_t)sqlite3_column_int(row, 11);
    rollup_record(t, &o);
}

void rollup_record(struct tally *t, const struct observation *o)
{
    bool ok = o->outcome.kind == OUTCOME_OK, limited = o->outcome.kind == OUTCOME_RATE_LIMITED;
    bool failed = !ok && !limited && o->outcome.fault == FAULT_RELAY;
    struct tally_load *load = &t->load[load_bucket(o->in_flight)];
    t->n++;
    t->ok += ok;
    t->limited += limited;
    t->failed += failed;
    t->ours += !ok && !limited && o->outcome.fault == FAULT_OURS;
    if (o->tokens_per_s > 0 && o->tokens_per_s < 1e15) {
        t->speed_sum += o->tokens_per_s;
        t->speed_n++;
    }
    t->cost += o->cost_pico > 0 ? o->cost_pico : 0;
    t->prompt_tokens += o->prompt_tokens > 0 ? o->prompt_tokens : 0;
    t->output_tokens += o->output_tokens > 0 ? o->output_tokens : 0;
    load->n++;
    load->failed += failed;
    load->limited += limited;
    if (ok && o->ttft >= 0)
        histogram_add(&t->ttft, o->ttft);
    if (ok && o->total >= 0)
        histogram_add(&t->total, o->total);
}

/* --- the load's blob --- */

static void put_number(struct buf *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_add_char(to, (char)(value | 0x80));
    buf_add_char(to, (char)value);
}

static bool take_number(const uint8_t **at, const uint8_t *end, int64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *at < end && shift < 56; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = (int64_t)value;
            return true;
        }
    }
    return false;
}

void rollup_load_write(const struct tally_load load[LOAD_BUCKETS], struct buf *to)
{
    bool more = false;
    for (int i = 1; i < LOAD_BUCKETS; i++)
        more = more || load[i].n > 0;
    for (int i = 0; more && i < LOAD_BUCKETS; i++) {
        put_number(to, (uint64_t)load[i].n);
        put_number(to, (uint64_t)load[i].failed);
        put_number(to, (uint64_t)load[i].limited);
    }
}

int rollup_load_read(struct tally_load load[LOAD_BUCKETS], const void *data, size_t len)
{
    struct tally_load read[LOAD_BUCKETS] = {{0}};
    const uint8_t *at = data, *end = at + len;
    for (int i = 0; i < LOAD_BUCKETS; i++)
        if (!take_number(&at, end, &read[i].n) || !take_number(&at, end, &read[i].failed) || !take_number(&at, end, &read[i].limited))
            return -EINVAL;
    if (at != end)
        return -EINVAL;
    for (int i = 0; i < LOAD_BUCKETS; i++) {
        load[i].n += read[i].n;
        load[i].failed += read[i].failed;
        load[i].limited += read[i].limited;
    }
    return 0;
}

/* --- rows --- */

static void merge_row(sqlite3_stmt *s, struct tally *t)
{
    struct tally row = {
        .n = sqlite3_column_int64(s, 0),
        .ok = sqlite3_column_int64(s, 1),
        .failed = sqlite3_column_int64(s, 2),
        .limited = sqlite3_column_int64(s, 3),
        .ours = sqlite3_column_int64(s, 4),
        .speed_sum = sqlite3_column_double(s, 5),
        .speed_n = sqlite3_column_int64(s, 6),
        .cost = sqlite3_column_int64(s, 7),
        .prompt_tokens = sqlite3_column_int64(s, 8),
        .output_tokens = sqlite3_column_int64(s, 9),
    };
    /* What is damaged counts as nothing. */
    (void)!histogram_read(&row.ttft, sqlite3_column_blob(s, 10), (size_t)sqlite3_column_bytes(s, 10));
    (void)!histogram_read(&row.total, sqlite3_column_blob(s, 11), (size_t)sqlite3_column_bytes(s, 11));
    if (sqlite3_column_bytes(s, 12) == 0 || rollup_load_read(row.load, sqlite3_column_blob(s, 12), (size_t)sqlite3_column_bytes(s, 12)) < 0)
        row.load[0] = (struct tally_load){.n = row.n, .failed = row.failed, .limited = row.limited};
    tally_merge(t, &row);
    tally_done(&row);
}

static void bind_blob(sqlite3_stmt *s, int at, const struct buf *b)
{
    if (b->len > 0)
        sqlite3_bind_blob(s, at, b->data, (int)b->len, SQLITE_TRANSIENT);
}

static void write_row(struct writer *w, int64_t span, int64_t route, usec_t t, const struct tally *tally)
{
    CLEANUP(buf_done) struct buf ttft = BUF_INIT;
    CLEANUP(buf_done) struct buf total = BUF_INIT;
    CLEANUP(buf_done) struct buf load = BUF_INIT;
    sqlite3_stmt *s = writer_sql(w, SQL_ROLLUP_SET);
    const int64_t counts[] = {span, route, t, tally->n, tally->ok, tally->failed, tally->limited, tally->ours};
    if (!s)
        return;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        writer_int(s, (int)i + 1, counts[i]);
    sqlite3_bind_double(s, 9, tally->speed_sum);
    writer_int(s, 10, tally->speed_n);
    writer_int(s, 11, tally->cost);
    writer_int(s, 12, tally->prompt_tokens);
    writer_int(s, 13, tally->output_tokens);
    histogram_write(&tally->ttft, &ttft);
    histogram_write(&tally->total, &total);
    rollup_load_write(tally->load, &load);
    bind_blob(s, 14, &ttft);
    bind_blob(s, 15, &total);
    bind_blob(s, 16, &load);
    writer_run(w, s);
}

static sqlite3_stmt *find_row(struct writer *w, int64_t span, int64_t route, usec_t t)
{
    sqlite3_stmt *s = writer_sql(w, SQL_ROLLUP_GET);
    writer_int(s, 1, span);
    writer_int(s, 2, route);
    writer_int(s, 3, t - t % (span * USEC_PER_SEC));
    return s;
}

bool rollup_has(struct writer *w, int64_t span, int64_t route, usec_t t)
{
    sqlite3_stmt *s = find_row(w, span, route, t);
    bool has = writer_step(w, s);
    if (s)
        sqlite3_reset(s);
    return has;
}

void rollup_add(struct writer *w, int64_t span, int64_t route, usec_t t, const struct tally *tally)
{
    struct tally sum = {.n = 0};
    sqlite3_stmt *s = find_row(w, span, route, t);
    if (writer_step(w, s))
        merge_row(s, &sum);
    if (s)
        sqlite3_reset(s);
    tally_merge(&sum, tally);
    write_row(w, span, route, t - t % (span * USEC_PER_SEC), &sum);
    tally_done(&sum);
}

/* --- minutes that are over --- */

struct counted { int64_t route; struct tally tally; };

/* A minute's routes, in a list: there are few, or many records of each. */
struct minute { struct counted *all; size_t len, size; };

static struct tally *tally_of(struct minute *m, int64_t route)
{
    size_t at = (size_t)((uint64_t)route * 0x9e3779b97f4a7c15ULL >> 32);
    for (size_t n = 0; n < m->size; n++, at++) {
        struct counted *c = &m->all[at & (m->size - 1)];
        if (c->route == route)
            return &c->tally;
        if (c->route == 0 && 2 * m->len < m->size) {
            c->route = route;
            m->len++;
            return &c->tally;
        }
        if (c->route == 0)
            break;
    }
    struct minute more = {.all = alloc_zero(m->size ? 2 * m->size : 64, sizeof *more.all), .size = m->size ? 2 * m->size : 64};
    for (size_t i = 0; i < m->size; i++)
        if (m->all[i].route != 0)
            *tally_of(&more, m->all[i].route) = m->all[i].tally;
    free(m->all);
    *m = more;
    return tally_of(m, route);
}

static void roll_minute(struct writer *w, usec_t from, usec_t to)
{
    struct minute m = {.len = 0};
    sqlite3_stmt *s = writer_sql(w, SQL_ROLL_READ);
    writer_int(s, 1, from);
    writer_int(s, 2, to);
    writer_int(s, 3, RECORD_CHAT);
    while (writer_step(w, s)) {
        int64_t route = sqlite3_column_int64(s, 2);
        if (route > 0)
            rollup_count(tally_of(&m, route), s);
    }
    for (size_t i = 0; i < m.size; i++) {
        if (m.all[i].route == 0)
            continue;
        rollup_add(w, 60, m.all[i].route, from, &m.all[i].tally);
        tally_done(&m.all[i].tally);
    }
    free(m.all);
}

static usec_t minute_of(usec_t t) { return t - t % USEC_PER_MINUTE; }

static usec_t hour_of(usec_t t) { return t - t % USEC_PER_HOUR; }

/* When the next chat was told, from `t` on; `end` when none was before it. */
static usec_t next_record(struct writer *w, usec_t t, usec_t end)
{
    sqlite3_stmt *s = writer_sql(w, SQL_ROLL_READ);
    usec_t found = end;
    writer_int(s, 1, t);
    writer_int(s, 2, end);
    writer_int(s, 3, RECORD_CHAT);
    if (writer_step(w, s))
        found = sqlite3_column_int64(s, 0);
    if (s)
        sqlite3_reset(s);
    return found;
}

int64_t rollup_mark(struct writer *w)
{
    if (w->rolled == 0)
        w->rolled = writer_meta(w, MARK, 0);
    if (w->rolled == 0) {
        sqlite3_stmt *s = writer_sql(w, SQL_TOLD_FIRST);
        if (writer_step(w, s))
            w->rolled = minute_of(sqlite3_column_int64(s, 0));
        if (s)
            sqlite3_reset(s);
    }
    return w->rolled;
}

void rollup_set_mark(struct writer *w, int64_t t)
{
    writer_set_meta(w, MARK, t);
    w->rolled = t;
}

int64_t rollup_mark_up(struct writer *w)
{
    if (w->rolled_up == 0)
        w->rolled_up = writer_meta(w, MARK_UP, 0);
    if (w->rolled_up == 0)
        w->rolled_up = hour_of(rollup_mark(w));
    return w->rolled_up;
}

static void set_mark_up(struct writer *w, int64_t t)
{
    writer_set_meta(w, MARK_UP, t);
    w->rolled_up = t;
}

/* The minutes of an hour that is over, to the hour and its day. */
static void roll_hour(struct writer *w, usec_t begin)
{
    int64_t route = 0;
    for (int n = 0; n < ROUTES_MOST && w->rc == SQLITE_OK; n++) {
        struct tally sum = {.n = 0};
        sqlite3_stmt *s = writer_sql(w, SQL_ROUTE_AFTER);
        writer_int(s, 1, route);
        route = writer_step(w, s) ? sqlite3_column_int64(s, 0) : 0;
        if (s)
            sqlite3_reset(s);
        if (route == 0)
            return;
        s = writer_sql(w, SQL_ROLLUP_SPAN);
        writer_int(s, 1, 60);
        writer_int(s, 2, route);
        writer_int(s, 3, begin);
        writer_int(s, 4, begin + USEC_PER_HOUR);
        while (writer_step(w, s))
            merge_row(s, &sum);
        if (sum.n > 0 && w->rc == SQLITE_OK) {
            rollup_add(w, 3600, route, begin, &sum);
            rollup_add(w, 86400, route, begin, &sum);
        }
        tally_done(&sum);
    }
}

/* The next hour that has a minute, from `t` on. */
static usec_t next_hour(struct writer *w, usec_t t, usec_t end)
{
    sqlite3_stmt *s = writer_sql(w, SQL_ROLLUP_NEXT);
    writer_int(s, 1, t);
    writer_int(s, 2, end);
    usec_t found = writer_step(w, s) && sqlite3_column_type(s, 0) == SQLITE_INTEGER ? hour_of(sqlite3_column_int64(s, 0)) : end;
    if (s)
        sqlite3_reset(s);
    return found;
}

static void roll_hours(struct writer *w)
{
    usec_t end = hour_of(rollup_mark(w)), at = rollup_mark_up(w);
    if (at == 0 || at >= end)
        return;
    for (int n = 0; n < HOURS_AT_ONCE && at < end && w->rc == SQLITE_OK; n++) {
        at = next_hour(w, at, end);
        if (at < end) {
            roll_hour(w, at);
            at += USEC_PER_HOUR;
        }
    }
    set_mark_up(w, at);
}

void rollup_work(struct writer *w)
{
    usec_t end = minute_of(w->last_told), at = rollup_mark(w);
    if (at == 0)
        return;
    int64_t up = rollup_mark_up(w); /* as it stands before the first minute */
    if (at < end) {
        for (int n = 0; n < MINUTES_AT_ONCE && at < end && w->rc == SQLITE_OK; n++) {
            at = next_record(w, at, end);
            if (at < end) {
                roll_minute(w, at, minute_of(at) + USEC_PER_MINUTE);
                at = minute_of(at) + USEC_PER_MINUTE;
            }
        }
        rollup_set_mark(w, at);
        set_mark_up(w, up);
    }
    roll_hours(w);
}

void rollup_all(struct writer *w, usec_t hours_to)
{
    if (w->last_told > 0) {
        usec_t at = rollup_mark(w), end = w->last_told + 1;
        int64_t up = rollup_mark_up(w);
        while (at < end && w->rc == SQLITE_OK) {
            usec_t next = next_record(w, at, end);
            at = minute_of(next) + USEC_PER_MINUTE < end ? minute_of(next) + USEC_PER_MINUTE : end;
            if (next < end)
                roll_minute(w, next, at);
        }
        for (up = next_hour(w, up, hours_to); up < hours_to && w->rc == SQLITE_OK; up = next_hour(w, up + USEC_PER_HOUR, hours_to))
            roll_hour(w, up);
        rollup_set_mark(w, end);
    }
    set_mark_up(w, hours_to);
}
