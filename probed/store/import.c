/* A dump into a file that no daemon has open, in one transaction: all of it or nothing.
 *
 * Single records are kept as far back as the limits say; everything is added to the sums. The input is in time order, so the sums of the minute, hour and day in hand are
 * kept in memory, a route each, and written when the next one begins. What the file has already is not added again: a single record by its time and content, and
 * where only sums are kept, by the hour: an hour of a route that has a sum before the import began is known. States and ranks are not in a dump. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probed/store/clock.h"
#include "probed/store/store_parts.h"
#include "shared/alloc.h"

#define BLOCK ((size_t)1 << 20)
#define PROGRESS_EVERY 100000
#define SAME_TIME_MOST 100000 /* records told in one microsecond */

enum { MINUTE, HOUR, DAY, SPANS };
static const int64_t spans[SPANS] = {60, 3600, 86400};

struct gathered {          /* of one route */
    struct tally tally[SPANS];
    usec_t begin[SPANS];   /* of the span in hand; -1 = none */
    bool known_hour;       /* the hour in hand was there before */
};

struct import {
    struct writer w;
    struct clock clock;
    struct store_import *out;
    struct gathered *routes; /* by number */
    size_t routes_len;
    usec_t raw_from;  /* single records are kept from here on */
    usec_t minutes_from;
    int64_t mark;     /* what is later is added up as usual; INT64_MAX = the file was empty */
    usec_t last;
};

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
    if (g->begin[k] >= 0 && g->tally[k].n > 0 && (k != MINUTE || g->begin[k] >= m->minutes_from))
        rollup_add(&m->w, spans[k], route, g->begin[k], &g->tally[k]);
    tally_done(&g->tally[k]);
    g->tally[k] = (struct tally){.n = 0};
    g->begin[k] = -1;
}

/* Adds a chat to the sums in hand. False: its hour is known already. */
static bool gather(struct import *m, int64_t route, const struct record *r, bool single)
{
    struct gathered *g = gathered_of(m, route);
    for (int k = 0; k < SPANS; k++) {
        usec_t begin = r->t - r->t % (spans[k] * USEC_PER_SEC);
        if (g->begin[k] == begin)
            continue;
        write_span(m, route, g, k);
        if (k == HOUR)
            g->known_hour = rollup_has(&m->w, 3600, route, r->t);
        g->begin[k] = begin;
    }
    if (!single && g->known_hour)
        return false;
    for (int k = 0; k < SPANS; k++)
        rollup_record(&g->tally[k], &r->o);
    return true;
}

/* --- single records --- */

static bool same_row(struct import *m, int64_t id, int64_t route, const struct record *r)
{
    struct record there;
    sqlite3_stmt *s = NULL;
    bool same = false;
    if (sqlite3_prepare_v2(m->w.db, TOLD_SELECT " WHERE told.id = ?1", -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(s, 1, id);
        if (sqlite3_step(s) == SQLITE_ROW && told_read(s, &there)) {
            struct buf a CLEANUP(buf_done) = BUF_INIT, b CLEANUP(buf_done) = BUF_INIT;
            record_print(&there, &a);
            record_print(r, &b);
            same = a.len == b.len && memcmp(a.data, b.data, a.len) == 0 && (route == 0 || sqlite3_column_int64(s, 3) == route);
        }
    }
    sqlite3_finalize(s);
    return same;
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
    if (r->t < m->mark && !gather(m, route, r, single))
        m->out->known++;
    else
        m->out->added++;
}

static void take_other(struct import *m, int64_t route, const struct record *r)
{
    int put = 0;
    if (r->t >= m->raw_from)
        put = put_single(m, route, r);
    if (r->kind == RECORD_PRICE || r->kind == RECORD_BALANCE || (r->kind == RECORD_OVERRIDE && put))
        writer_put_told(&m->w, r, route);
    if (put)
        m->out->added++;
    else
        m->out->known++;
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
    if (bad == 0 && r.t < m->last)
        bad = err_set(&why, -EINVAL, "time goes backwards");
    if (bad < 0) {
        m->out->bad++;
        return m->out->skip_bad ? 0
                                : err_set(err, -EINVAL, "line %llu: %s; nothing was taken (--skip-bad leaves such lines out)",
                                          (unsigned long long)m->out->lines, why.text);
    }
    m->last = r.t;
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

static void write_rest(struct import *m)
{
    for (size_t i = 0; i < m->routes_len; i++)
        for (int k = 0; k < SPANS; k++)
            write_span(m, (int64_t)i, &m->routes[i], k);
    if (m->mark == INT64_MAX && m->w.last_told > 0)
        rollup_set_mark(&m->w, m->w.last_told - m->w.last_told % USEC_PER_MINUTE + USEC_PER_MINUTE);
    while (m->w.rc == SQLITE_OK && m->mark != INT64_MAX && rollup_mark(&m->w) < m->w.last_told - m->w.last_told % USEC_PER_MINUTE)
        rollup_work(&m->w);
}

static int run(struct import *m, const struct store_setup *setup, int fd, struct err *err)
{
    if (clock_load(&m->clock, m->w.db, err) < 0)
        return -EIO;
    if (!writer_begin(&m->w))
        return err_set(err, -EBUSY, "the history cannot be written: %s", sqlite3_errstr(m->w.rc));
    if (m->clock.len == 0) { /* what is imported keeps its times, whatever a daemon says of its clock later */
        sqlite3_stmt *s = writer_sql(&m->w, SQL_CLOCK_ADD);
        writer_int(s, 1, 0);
        writer_int(s, 2, 0);
        writer_run(&m->w, s);
    }
    usec_t now = clock_steady(&m->clock, setup->wall, true);
    m->raw_from = now - (setup->limits.raw > 0 ? setup->limits.raw : 7 * USEC_PER_DAY);
    m->minutes_from = now - (setup->limits.minutes > 0 ? setup->limits.minutes : 48 * USEC_PER_HOUR);
    m->mark = m->w.last_told > 0 ? rollup_mark(&m->w) : INT64_MAX;
    int r = read_lines(m, fd, err);
    if (r < 0) {
        writer_rollback(&m->w);
        return r;
    }
    write_rest(m);
    return writer_commit(&m->w) ? 0 : err_set(err, -EIO, "the history cannot be written: %s; nothing was taken", sqlite3_errstr(m->w.rc));
}

int store_import(const struct store_setup *setup, int fd, struct store_import *import, struct err *err)
{
    struct import m = {.out = import};
    struct file_opened opened;
    CLEANUP(alloc_freep) char *file = alloc_printf("%s/" STORE_FILE, setup->directory);
    import->lines = import->added = import->known = import->bad = 0;
    if (writer_open(&m.w, file, &opened) != SQLITE_OK)
        return err_set(err, opened.state == STORE_LOCKED ? -EBUSY : -EIO, "%s%s", opened.why,
                       opened.state == STORE_LOCKED ? ": stop it first" : "");
    int r = run(&m, setup, fd, err);
    for (size_t i = 0; i < m.routes_len; i++)
        for (int k = 0; k < SPANS; k++)
            tally_done(&m.routes[i].tally[k]);
    free(m.routes);
    clock_done(&m.clock);
    writer_close(&m.w);
    return r;
}
