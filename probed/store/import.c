/* A dump into a file that no daemon has open, in one transaction: all of it or nothing.
 *
 * Single records are kept as far back as the limits say; all chats are added to the sums. The sums of the minute and hour in hand are kept in memory, a route each, and
 * written when a record of another one comes: a dump is in the order of time, or nearly. What the file has already is not added again: a single record by its
 * time and content, and where the file has only sums, by the hour: an hour of a route that had a sum before the import began is known. States, ranks and
 * events are not in a dump. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probed/store/clock.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"

#define BLOCK ((size_t)1 << 20)
#define PROGRESS_EVERY 100000
#define SAME_TIME_MOST 100000      /* records told in one microsecond */
#define FUTURE_MOST USEC_PER_HOUR  /* clocks of machines differ */

enum { MINUTE, HOUR, SPANS };
static const int64_t spans[SPANS] = {60, 3600};

struct hour { usec_t begin; bool known; };

struct gathered {                 /* of one route */
    struct tally tally[SPANS];
    usec_t begin[SPANS];          /* of the span in hand; -1 = none */
    struct hour *hours;           /* seen so far, ascending, and whether they had a sum before */
    size_t hours_len, hours_size;
};

struct import {
    struct writer w;
    struct clock clock;
    struct store_import *out;
    usec_t wall;
    struct gathered *routes; /* by number */
    size_t routes_len;
    usec_t raw_from;     /* single records are kept from here on */
    usec_t minutes_from; /* sums of minutes too */
    usec_t hours_to;     /* the hour that is not over: its sum is made of its minutes later */
    usec_t oldest;       /* single record that the file had; INT64_MAX = none */
};

/* --- sums --- */

static struct gathered *gathered_of(struct import *m, int64_t route)
{
    size_t need = (size_t)route + 1;
    if (need > m->routes_len) {
        size_t len = need < 64 ? 64 : 2 * need;
        m->routes = alloc_resize(m->routes, len, sizeof *m->routes);
        memset(m->routes + m->routes_len, 0, (len - m->routes_len) * sizeof *m->routes);
        for (size_t i = m->routes_len; i < len; i++)
            for (int k = 0; k < SPANS; k++)
                m->routes[i].begin[k] = -1;
        m->routes_len = len;
    }
    return &m->routes[route];
}

static void write_span(struct import *m, int64_t route, struct gathered *g, int k)
{
    if (g->begin[k] >= 0 && g->tally[k].n > 0) {
        rollup_add(&m->w, spans[k], route, g->begin[k], &g->tally[k]);
        if (k == HOUR)
            rollup_add(&m->w, 86400, route, g->begin[k], &g->tally[k]);
    }
    tally_done(&g->tally[k]);
    g->begin[k] = -1;
}

/* Whether the hour had a sum before this import: looked up once, since later it has one in any case. */
static bool hour_known(struct import *m, int64_t route, usec_t t)
{
    struct gathered *g = gathered_of(m, route);
    usec_t begin = t - t % USEC_PER_HOUR;
    size_t at = g->hours_len;
    while (at > 0 && g->hours[at - 1].begin > begin)
        at--;
    if (at > 0 && g->hours[at - 1].begin == begin)
        return g->hours[at - 1].known;
    if (g->hours_len == g->hours_size) {
        g->hours_size = g->hours_size ? 2 * g->hours_size : 64;
        g->hours = alloc_resize(g->hours, g->hours_size, sizeof *g->hours);
    }
    memmove(g->hours + at + 1, g->hours + at, (g->hours_len - at) * sizeof *g->hours);
    g->hours_len++;
    g->hours[at] = (struct hour){begin, rollup_has(&m->w, 3600, route, begin)};
    return g->hours[at].known;
}

static void gather(struct import *m, int64_t route, const struct record *r)
{
    struct gathered *g = gathered_of(m, route);
    for (int k = 0; k < SPANS; k++) {
        usec_t begin = r->t - r->t % (spans[k] * USEC_PER_SEC);
        if (k == MINUTE ? r->t < m->minutes_from : r->t >= m->hours_to)
            continue;
        if (g->begin[k] != begin) {
            write_span(m, route, g, k);
            g->begin[k] = begin;
        }
        rollup_record(&g->tally[k], &r->o);
    }
}

/* --- single records --- */

static bool same_row(struct import *m, int64_t id, int64_t route, const struct record *r)
{
    struct record there;
    sqlite3_stmt *s = writer_sql(&m->w, SQL_TOLD_AT);
    writer_int(s, 1, id);
    bool same = writer_step(&m->w, s) && (route == 0 || sqlite3_column_int64(s, 3) == route) && told_read(s, &there);
    if (s)
        sqlite3_reset(s);
    if (!same)
        return false;
    struct buf a CLEANUP(buf_done) = BUF_INIT, b CLEANUP(buf_done) = BUF_INIT;
    record_print(&there, &a);
    record_print(r, &b);
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* 1 = put, 0 = it is there already. */
static int put_single(struct import *m, int64_t route, const struct record *r)
{
    struct writer *w = &m->w;
    int64_t id = r->t;
    for (int n = 0; n < SAME_TIME_MOST && w->rc == SQLITE_OK; n++, id++) {
        sqlite3_stmt *s = writer_sql(w, SQL_TOLD_ADD);
        if (!s)
            return 0;
        told_bind(s, id, route, r);
        int rc = sqlite3_step(s);
        sqlite3_reset(s);
        if (rc == SQLITE_DONE) {
            w->last_told = id > w->last_told ? id : w->last_told;
            return 1;
        }
        if ((rc & 0xff) != SQLITE_CONSTRAINT) {
            w->rc = rc;
            return 0;
        }
        if (same_row(m, id, route, r))
            return 0;
    }
    return 0;
}

/* --- records --- */

static void take_chat(struct import *m, int64_t route, const struct record *r)
{
    bool single = r->t >= m->raw_from;
    if (single && put_single(m, route, r) == 0) {
        m->out->known++;
        return;
    }
    bool summed = r->t < m->oldest && hour_known(m, route, r->t);
    if (!summed)
        gather(m, route, r);
    if (summed && !single)
        m->out->known++;
    else
        m->out->added++;
}

static void take_other(struct import *m, int64_t route, const struct record *r)
{
    bool single = r->t >= m->raw_from, own_table = r->kind == RECORD_PRICE || r->kind == RECORD_BALANCE;
    if (single && put_single(m, route, r) == 0) {
        m->out->known++;
        return;
    }
    if (own_table || (single && r->kind == RECORD_OVERRIDE))
        writer_put_told(&m->w, r, route);
    m->out->added += single || own_table;
}

static int take_line(struct import *m, const char *line, size_t len, struct err *err)
{
    struct record r;
    struct err why = {""};
    m->out->lines++;
    if (m->out->progress && m->out->lines % PROGRESS_EVERY == 0)
        m->out->progress(m->out->arg, m->out->lines);
    if (strspn(line, " \t\r") >= len)
        return 0;
    int bad = record_parse(line, len, &r, &why);
    if (bad == 0 && r.t > m->wall + FUTURE_MOST)
        bad = err_set(&why, -EINVAL, "its time is in the future");
    if (bad < 0) {
        m->out->bad++;
        return m->out->skip_bad ? 0
                                : err_set(err, -EINVAL, "line %llu: %s; nothing was taken (--skip-bad leaves such lines out)",
                                          (unsigned long long)m->out->lines, why.text);
    }
    if (r.kind == RECORD_TABLE)
        return 0;
    r.t = clock_steady(&m->clock, r.t, false);
    int64_t route = r.platform[0] ? writer_route(&m->w, r.platform, r.model) : 0;
    if (r.kind == RECORD_CHAT && route > 0)
        take_chat(m, route, &r);
    else
        take_other(m, route, &r);
    return m->w.rc == SQLITE_OK ? 0 : err_set(err, -EIO, "the history cannot be written: %s; nothing was taken", sqlite3_errstr(m->w.rc));
}

static int read_lines(struct import *m, int fd, struct err *err)
{
    CLEANUP(alloc_freep) char *block = alloc_zero(1, BLOCK + RECORD_LINE_MAX + 2);
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, block + len, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, -errno, "the input cannot be read: %s", strerror(errno));
        if (n == 0)
            break;
        len += (size_t)n;
        size_t used = 0;
        char *end;
        while ((end = memchr(block + used, '\n', len - used))) {
            *end = '\0';
            int r = take_line(m, block + used, (size_t)(end - block) - used, err);
            if (r < 0)
                return r;
            used = (size_t)(end - block) + 1;
        }
        memmove(block, block + used, len - used);
        len -= used;
        if (len > RECORD_LINE_MAX)
            return err_set(err, -E2BIG, "line %llu is longer than %d bytes; nothing was taken", (unsigned long long)m->out->lines + 1, RECORD_LINE_MAX);
    }
    block[len] = '\0';
    return len > 0 ? take_line(m, block, len, err) : 0;
}

static usec_t earlier(usec_t a, usec_t b) { return a < b ? a : b; }

static void begin_import(struct import *m, const struct store_limits *limits)
{
    struct writer *w = &m->w;
    usec_t now = clock_steady(&m->clock, m->wall, true), last = w->last_told > now ? w->last_told : now;
    m->hours_to = last - last % USEC_PER_HOUR;
    sqlite3_stmt *s = writer_sql(w, SQL_TOLD_FIRST);
    m->oldest = writer_step(w, s) && sqlite3_column_type(s, 0) == SQLITE_INTEGER ? sqlite3_column_int64(s, 0) : INT64_MAX;
    if (s)
        sqlite3_reset(s);
    m->raw_from = earlier(earlier(now - (limits->raw > 0 ? limits->raw : 7 * USEC_PER_DAY), m->oldest), m->hours_to);
    m->minutes_from = earlier(now - (limits->minutes > 0 ? limits->minutes : 48 * USEC_PER_HOUR), m->hours_to);
    rollup_all(w, m->hours_to);
}

static void end_import(struct import *m)
{
    for (size_t i = 0; i < m->routes_len; i++)
        for (int k = 0; k < SPANS; k++)
            write_span(m, (int64_t)i, &m->routes[i], k);
    if (m->w.last_told > 0)
        rollup_set_mark(&m->w, m->w.last_told + 1);
}

static int run(struct import *m, const struct store_setup *setup, int fd, struct err *err)
{
    if (clock_load(&m->clock, m->w.db, err) < 0)
        return -EIO;
    sqlite3_exec(m->w.db, "PRAGMA cache_size = -200000", NULL, NULL, NULL);
    if (!writer_begin(&m->w))
        return err_set(err, -EBUSY, "the history cannot be written: %s", sqlite3_errstr(m->w.rc));
    if (m->clock.len == 0) { /* what is imported keeps its times, whatever a daemon says of its clock later */
        sqlite3_stmt *s = writer_sql(&m->w, SQL_CLOCK_ADD);
        writer_int(s, 1, 0);
        writer_int(s, 2, 0);
        writer_run(&m->w, s);
    }
    begin_import(m, &setup->limits);
    int r = read_lines(m, fd, err);
    if (r < 0) {
        writer_rollback(&m->w);
        return r;
    }
    end_import(m);
    return writer_commit(&m->w) ? 0 : err_set(err, -EIO, "the history cannot be written: %s; nothing was taken", sqlite3_errstr(m->w.rc));
}

int store_import(const struct store_setup *setup, int fd, struct store_import *import, struct err *err)
{
    struct import m = {.out = import, .wall = setup->wall};
    struct file_opened opened;
    CLEANUP(alloc_freep) char *file = alloc_printf("%s/" STORE_FILE, setup->directory);
    import->lines = import->added = import->known = import->bad = 0;
    if (writer_open(&m.w, file, setup->wall, &opened) != SQLITE_OK)
        return err_set(err, opened.state == STORE_LOCKED ? -EBUSY : opened.state == STORE_NEWER ? -EPROTONOSUPPORT : -EIO, "%s%s", opened.why,
                       opened.state == STORE_LOCKED ? ": stop it first" : "");
    int r = run(&m, setup, fd, err);
    for (size_t i = 0; i < m.routes_len; i++) {
        for (int k = 0; k < SPANS; k++)
            tally_done(&m.routes[i].tally[k]);
        free(m.routes[i].hours);
    }
    free(m.routes);
    clock_done(&m.clock);
    writer_close(&m.w);
    return r;
}
