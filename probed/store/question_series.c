/* SERIES of what requests measured: a value a step, out of the requests in it.
 *
 * The step is the shortest of a list of round ones with which the window has no more steps than were asked for; it says from which level it
 * is read. Where that level is not kept as far back as the window goes, the step is made as long as the spans of the level that is, so that
 * all of a series is of one kind. Steps without requests are left out. Steps under a minute are read record by record, all routes'
 * together, and are therefore for short windows only. */
#include <stdlib.h>
#include <string.h>

#include "probed/store/question_parts.h"
#include "probed/store/reply.h"
#include "shared/alloc.h"

#define SERIES_MAX     64 /* a platform may have many models; the rest is counted in series_more */
#define RECORDS_WINDOW (2 * USEC_PER_HOUR)

static const int steps_s[] = {1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 86400, 604800};

struct series {
    struct question *q;
    usec_t step, first; /* first: begin of the first step */
    size_t points_len;
    struct tally *points; /* routes.len times points_len */
    struct routes routes;
    size_t more; /* series left out */
};

static size_t steps_in(const struct question *q, usec_t step)
{
    return (size_t)((question_step_of(q->until - 1, step) - question_step_of(q->since, step)) / step) + 1;
}

static usec_t step_for(const struct question *q, size_t points)
{
    usec_t step = 0;

    for (size_t i = 0; i < ARRAY_LEN(steps_s); i++) {
        step = steps_s[i] * USEC_PER_SEC;
        if (step < USEC_PER_MINUTE && q->until - q->since > RECORDS_WINDOW)
            continue;
        if (steps_in(q, step) <= points)
            return step;
    }
    while (steps_in(q, step) > points)
        step *= 4;
    return step;
}

static enum level level_for(usec_t step)
{
    enum level level = LEVEL_DAY;

    while (level > LEVEL_RAW && level_span(level) > step)
        level--;
    return level;
}

/* --- which routes --- */

static void series_add(struct series *s, int64_t id, const char *platform, const char *model)
{
    if (s->routes.len < SERIES_MAX)
        routes_add(&s->routes, id, platform, model);
    else
        s->more++;
}

/* A route, or with model "" all of a platform; what is not known has a series all the same, an empty one. */
static void add_route(struct series *s, const struct history_of *of)
{
    bool all = of->model[0] == '\0' && s->q->query->metric != HISTORY_METRIC_BALANCE, found = false;
    sqlite3_stmt *statement = question_sql(s->q, all ? "SELECT id, model FROM route WHERE platform = ?1 AND model <> '' ORDER BY model"
                                                     : "SELECT id, model FROM route WHERE platform = ?1 AND model = ?2");

    question_bind_text(s->q, statement, 1, of->platform);
    if (!all)
        question_bind_text(s->q, statement, 2, of->model);
    while (question_row(s->q, statement)) {
        series_add(s, sqlite3_column_int64(statement, 0), of->platform, question_text(statement, 1));
        found = true;
    }
    if (!found)
        series_add(s, -1, of->platform, of->model);
    sqlite3_finalize(statement);
}

/* --- requests --- */

static struct tally *take(void *arg, size_t route, usec_t wall)
{
    struct series *s = arg;
    usec_t at = (question_step_of(wall, s->step) - s->first) / s->step;

    return at >= 0 && (size_t)at < s->points_len ? &s->points[route * s->points_len + (size_t)at] : NULL;
}

static void write_point(struct buf *to, enum history_metric metric, const struct tally *t, usec_t at)
{
    const struct histogram *times = metric == HISTORY_METRIC_TTFT ? &t->ttft : metric == HISTORY_METRIC_TOTAL ? &t->total : NULL;
    bool speed = metric == HISTORY_METRIC_SPEED;
    int64_t n = times != NULL ? (int64_t)times->n : speed ? t->speed_n : t->ok + t->failed;

    if (n <= 0)
        return;
    reply_add_object(to, NULL);
    reply_add_time(to, "t", at);
    reply_add_int(to, "n", n);
    if (times != NULL) {
        reply_add_ms(to, "value", histogram_quantile(times, 0.5));
        reply_add_ms(to, "low", histogram_quantile(times, 0.1));
        reply_add_ms(to, "high", histogram_quantile(times, 0.95));
    } else {
        reply_add_real(to, "value", speed ? t->speed_sum / (double)n : tally_availability(t), speed ? 3 : 6);
        reply_add_null(to, "low");
        reply_add_null(to, "high");
    }
    reply_close(to, '}');
}

static void write_series(struct series *s, size_t route)
{
    const struct route_of *of = &s->routes.all[route];
    struct buf *to = s->q->body;
    int64_t n = 0;

    reply_add_object(to, NULL);
    reply_add_text(to, "platform", of->platform);
    reply_add_text(to, "model", of->model);
    for (size_t i = 0; i < s->points_len; i++)
        n += s->points[route * s->points_len + i].n;
    reply_add_int(to, "n", n);
    reply_add_array(to, "points");
    for (size_t i = 0; i < s->points_len; i++)
        write_point(to, s->q->query->metric, &s->points[route * s->points_len + i], s->first + (usec_t)i * s->step);
    reply_close(to, ']');
    reply_close(to, '}');
}

static void requests(struct series *s)
{
    enum history_metric metric = s->q->query->metric;
    unsigned parts = metric == HISTORY_METRIC_TTFT ? SPANS_TTFT : metric == HISTORY_METRIC_TOTAL ? SPANS_TOTAL : 0;

    s->points_len = steps_in(s->q, s->step);
    s->first = question_step_of(s->q->since, s->step);
    s->points = alloc_zero(s->routes.len * s->points_len, sizeof *s->points);
    spans_read(s->q, &s->routes, level_for(s->step), parts, take, s);
    for (size_t i = 0; i < s->routes.len && s->q->rc == SQLITE_OK; i++)
        write_series(s, i);
    for (size_t i = 0; i < s->routes.len * s->points_len; i++)
        tally_done(&s->points[i]);
    free(s->points);
}

/* --- the whole --- */

static bool is_told(enum history_metric metric)
{
    return metric == HISTORY_METRIC_PRICE || metric == HISTORY_METRIC_RANK || metric == HISTORY_METRIC_BALANCE;
}

static void choose_step(struct series *s)
{
    struct question *q = s->q;

    s->step = step_for(q, q->query->points);
    if (is_told(q->query->metric))
        return;
    spans_kept(q, &s->routes);
    enum level level = level_for(s->step);

    while (level < LEVEL_DAY && q->kept[level] > q->from)
        level++;
    if (s->step < level_span(level))
        s->step = level_span(level);
}

void question_series(struct question *q)
{
    struct series s = {.q = q};
    enum history_metric metric = q->query->metric;
    struct buf *to = q->body;

    for (size_t i = 0; i < q->query->of_len && i < HISTORY_SERIES_MAX; i++)
        add_route(&s, &q->query->of[i]);
    choose_step(&s);
    reply_add_object(to, NULL);
    reply_add_text(to, "metric", history_metric_name(metric));
    reply_add_text(to, "unit", history_metric_unit(metric));
    reply_add_time(to, "since", q->since);
    reply_add_time(to, "until", q->query->until != 0 ? q->until : q->now);
    reply_add_decimal(to, "step_s", s.step / USEC_PER_SEC, 0);
    reply_add_text(to, "source", is_told(metric) ? "raw" : level_name(level_for(s.step)));
    reply_add_text(to, "policy", metric == HISTORY_METRIC_RANK ? q->query->policy : "");
    reply_add_array(to, "series");
    if (q->rc == SQLITE_OK && is_told(metric))
        question_values(q, &s.routes, s.step);
    else if (q->rc == SQLITE_OK)
        requests(&s);
    reply_close(to, ']');
    reply_add_int(to, "series_more", (int64_t)s.more);
    reply_close(to, '}');
    buf_add_char(to, '\n');
    routes_done(&s.routes);
}
