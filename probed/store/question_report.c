/* REPORT: the figures of platforms, of their models and of their days.
 *
 * The requests of the window are read once, for all models together, and counted twice: for their model and for their platform's day (a day
 * of UTC). A platform's figures are the sum of its models'. What has neither requests nor a known state in the window is left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/store/question_parts.h"
#include "probed/store/reply.h"
#include "shared/alloc.h"

#define PRICES_MAX 200  /* changes of a model; the latest */
#define DAYS_MAX   2000 /* a platform; the latest */

struct platform {
    size_t first, end;  /* its routes */
    struct tally *days; /* one a day of the window; NULL = there was nothing */
};

struct report {
    struct question *q;
    struct routes routes;  /* ordered by platform */
    struct tally *tallies; /* one a route */
    size_t *platform_of;   /* a route */
    struct platform *platforms;
    size_t platforms_len;
    usec_t first_day;
    size_t days_len;
    struct tally hand; /* what is being added up, of this route and day */
    size_t route, day;
};

/* --- reading --- */

static bool wanted(const struct history_query *query, const char *platform)
{
    for (size_t i = 0; i < query->of_len && i < HISTORY_SERIES_MAX; i++)
        if (strcmp(query->of[i].platform, platform) == 0)
            return true;
    return query->of_len == 0;
}

static void find_routes(struct report *r)
{
    sqlite3_stmt *statement = question_sql(r->q, "SELECT id, platform, model FROM route WHERE model <> '' ORDER BY platform, model");

    while (question_row(r->q, statement))
        if (wanted(r->q->query, question_text(statement, 1)))
            routes_add(&r->routes, sqlite3_column_int64(statement, 0), question_text(statement, 1), question_text(statement, 2));
    sqlite3_finalize(statement);
    r->tallies = alloc_zero(r->routes.len + 1, sizeof *r->tallies);
    r->platform_of = alloc_zero(r->routes.len + 1, sizeof *r->platform_of);
    r->platforms = alloc_zero(r->routes.len + 1, sizeof *r->platforms);
    for (size_t i = 0; i < r->routes.len; i++) {
        if (i == 0 || strcmp(r->routes.all[i - 1].platform, r->routes.all[i].platform) != 0)
            r->platforms[r->platforms_len++].first = i;
        r->platform_of[i] = r->platforms_len - 1;
        r->platforms[r->platforms_len - 1].end = i + 1;
    }
}

/* Ends what is in hand: counts it for its model and its platform's day. */
static void settle(struct report *r)
{
    struct platform *p = &r->platforms[r->platform_of[r->route]];

    if (r->hand.n == 0)
        return;
    tally_merge(&r->tallies[r->route], &r->hand);
    if (p->days == NULL)
        p->days = alloc_zero(r->days_len, sizeof *p->days);
    if (r->day < r->days_len)
        tally_merge(&p->days[r->day], &r->hand);
    histogram_clear(&r->hand.ttft);
    histogram_clear(&r->hand.total);
    r->hand = (struct tally){.ttft = r->hand.ttft, .total = r->hand.total};
}

/* Spans come route by route and in the order of time, so that one tally in hand nearly always goes on being the right one. */
static struct tally *take(void *arg, size_t route, usec_t wall)
{
    struct report *r = arg;
    usec_t step = (question_step_of(wall, USEC_PER_DAY) - r->first_day) / USEC_PER_DAY;
    size_t day = step >= 0 ? (size_t)step : SIZE_MAX;

    if (route != r->route || day != r->day) {
        settle(r);
        r->route = route;
        r->day = day;
    }
    return &r->hand;
}

static void read_requests(struct report *r)
{
    struct question *q = r->q;
    usec_t last = question_step_of((q->until - 1 < q->now ? q->until - 1 : q->now), USEC_PER_DAY);

    spans_kept(q, &r->routes);
    r->first_day = question_step_of(q->since, USEC_PER_DAY);
    if (q->oldest != INT64_MAX && clock_wall(&q->clock, q->oldest) > q->since)
        r->first_day = question_step_of(clock_wall(&q->clock, q->oldest), USEC_PER_DAY);
    if (last < r->first_day)
        last = r->first_day;
    if ((last - r->first_day) / USEC_PER_DAY >= DAYS_MAX)
        r->first_day = last - (DAYS_MAX - 1) * USEC_PER_DAY;
    r->days_len = (size_t)((last - r->first_day) / USEC_PER_DAY) + 1;
    spans_read(q, &r->routes, LEVEL_DAY, SPANS_TTFT | SPANS_TOTAL | SPANS_LOAD, take, r);
    settle(r);
    tally_done(&r->hand);
}

static void report_done(struct report *r)
{
    for (size_t i = 0; i < r->platforms_len; i++) {
        for (size_t d = 0; r->platforms[i].days != NULL && d < r->days_len; d++)
            tally_done(&r->platforms[i].days[d]);
        free(r->platforms[i].days);
    }
    for (size_t i = 0; i < r->routes.len; i++)
        tally_done(&r->tallies[i]);
    free(r->tallies);
    free(r->platform_of);
    free(r->platforms);
    routes_done(&r->routes);
}

/* --- writing --- */

static void write_quantiles(struct buf *to, const char *name, const struct histogram *h)
{
    reply_add_object(to, name);
    reply_add_ms(to, "p50", histogram_quantile(h, 0.5));
    reply_add_ms(to, "p90", histogram_quantile(h, 0.9));
    reply_add_ms(to, "p95", histogram_quantile(h, 0.95));
    reply_add_ms(to, "p99", histogram_quantile(h, 0.99));
    reply_close(to, '}');
}

static void write_figures(struct buf *to, const struct tally *t)
{
    reply_add_int(to, "n", t->n);
    reply_add_int(to, "ok", t->ok);
    reply_add_int(to, "failed", t->failed);
    reply_add_int(to, "limited", t->limited);
    reply_add_int(to, "ours", t->ours);
    reply_add_real(to, "availability", tally_availability(t), 6);
    write_quantiles(to, "ttft", &t->ttft);
    write_quantiles(to, "total", &t->total);
    reply_add_real(to, "tokens_per_s", t->speed_n > 0 ? t->speed_sum / (double)t->speed_n : (double)NAN, 3);
    reply_add_decimal(to, "cost", t->cost, 12);
    reply_add_int(to, "prompt_tokens", t->prompt_tokens);
    reply_add_int(to, "output_tokens", t->output_tokens);
}

static void write_days(struct report *r, const struct platform *p)
{
    struct buf *to = r->q->body;

    reply_add_array(to, "days");
    for (size_t i = 0; p->days != NULL && i < r->days_len; i++) {
        const struct tally *t = &p->days[i];

        if (t->n == 0)
            continue;
        reply_add_object(to, NULL);
        reply_add_time(to, "t", r->first_day + (usec_t)i * USEC_PER_DAY);
        reply_add_int(to, "n", t->n);
        reply_add_real(to, "availability", tally_availability(t), 6);
        reply_add_ms(to, "ttft_p50", histogram_quantile(&t->ttft, 0.5));
        reply_add_ms(to, "ttft_p95", histogram_quantile(&t->ttft, 0.95));
        reply_close(to, '}');
    }
    reply_close(to, ']');
}

struct price_row {
    usec_t t; /* wall */
    int64_t input, output, call;
};

static int64_t price_of(sqlite3_stmt *statement, int column)
{
    int64_t value = sqlite3_column_int64(statement, column);

    return sqlite3_column_type(statement, column) == SQLITE_NULL || value < 0 ? -1 : value;
}

/* The price in force at the begin of the window and each change in it. */
static void write_prices(struct question *q, int64_t route)
{
    struct price_row last = {.t = -1}, rows[PRICES_MAX];
    size_t len = 0;
    sqlite3_stmt *statement =
        question_sql(q, "SELECT t, input, output, call FROM price WHERE route = ?1 AND t < ?3 AND t >= coalesce((SELECT max(t) FROM price"
                        " WHERE route = ?1 AND t <= ?2), ?2) ORDER BY t");

    question_bind(q, statement, 1, route);
    question_bind(q, statement, 2, q->from);
    question_bind(q, statement, 3, q->to);
    while (question_row(q, statement)) {
        usec_t wall = clock_wall(&q->clock, sqlite3_column_int64(statement, 0));
        struct price_row row = {wall < q->since ? q->since : wall, price_of(statement, 1), price_of(statement, 2), price_of(statement, 3)};

        if (last.t >= 0 && row.input == last.input && row.output == last.output && row.call == last.call)
            continue;
        rows[len++ % PRICES_MAX] = last = row;
    }
    sqlite3_finalize(statement);
    reply_add_array(q->body, "prices");
    for (size_t i = len > PRICES_MAX ? len - PRICES_MAX : 0; i < len; i++) {
        const struct price_row *row = &rows[i % PRICES_MAX];

        reply_add_object(q->body, NULL);
        reply_add_time(q->body, "t", row->t);
        reply_add_price(q->body, "input", row->input);
        reply_add_price(q->body, "output", row->output);
        if (row->call >= 0)
            reply_add_decimal(q->body, "call", row->call, 12); /* of one call */
        else
            reply_add_null(q->body, "call");
        reply_close(q->body, '}');
    }
    reply_close(q->body, ']');
}

static void write_load(struct buf *to, const struct tally *t)
{
    reply_add_array(to, "by_in_flight");
    for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
        if (t->load[i].n == 0)
            continue;
        reply_add_object(to, NULL);
        reply_add_text(to, "in_flight", load_bucket_name(i));
        reply_add_int(to, "n", t->load[i].n);
        reply_add_int(to, "failed", t->load[i].failed);
        reply_add_int(to, "limited", t->load[i].limited);
        reply_close(to, '}');
    }
    reply_close(to, ']');
}

static void write_model(struct report *r, size_t route, const struct states *states)
{
    struct buf *to = r->q->body;

    reply_add_object(to, NULL);
    reply_add_text(to, "model", r->routes.all[route].model);
    write_figures(to, &r->tallies[route]);
    states_write(r->q, states);
    write_prices(r->q, r->routes.all[route].id);
    write_load(to, &r->tallies[route]);
    reply_close(to, '}');
}

/* Over all of its models, each weighted by the time in which its state was known; down_s is a model's on the average. */
static void write_uptime(struct buf *to, const struct states *states, size_t len)
{
    double known = 0, down = 0;
    size_t models = 0;

    for (size_t i = 0; i < len; i++) {
        known += (double)states[i].known;
        down += (double)states[i].down;
        models += states[i].known > 0;
    }
    reply_add_real(to, "uptime", known > 0 ? 1 - down / known : (double)NAN, 6);
    reply_add_real(to, "down_s", models > 0 ? down / (double)models / USEC_PER_SEC : 0, 3);
}

static void write_platform(struct report *r, const struct platform *p)
{
    struct buf *to = r->q->body;
    struct states *states = alloc_zero(p->end - p->first, sizeof *states);
    struct tally sum = {.n = 0};
    bool any = false;

    for (size_t i = p->first; i < p->end; i++) {
        states_read(r->q, r->routes.all[i].id, &states[i - p->first]);
        tally_merge(&sum, &r->tallies[i]);
        any |= r->tallies[i].n > 0 || states[i - p->first].known > 0;
    }
    if (any) {
        reply_add_object(to, NULL);
        reply_add_text(to, "platform", r->routes.all[p->first].platform);
        write_figures(to, &sum);
        write_uptime(to, states, p->end - p->first);
        write_days(r, p);
        reply_add_array(to, "models");
        for (size_t i = p->first; i < p->end && r->q->rc == SQLITE_OK; i++)
            if (r->tallies[i].n > 0 || states[i - p->first].known > 0)
                write_model(r, i, &states[i - p->first]);
        reply_close(to, ']');
        reply_close(to, '}');
    }
    for (size_t i = 0; i < p->end - p->first; i++)
        states_done(&states[i]);
    tally_done(&sum);
    free(states);
}

void question_report(struct question *q)
{
    struct report r = {.q = q};

    find_routes(&r);
    read_requests(&r);
    reply_add_object(q->body, NULL);
    reply_add_time(q->body, "since", q->since);
    reply_add_time(q->body, "until", q->query->until != 0 ? q->until : q->now);
    reply_add_array(q->body, "platforms");
    for (size_t i = 0; i < r.platforms_len && q->rc == SQLITE_OK; i++)
        write_platform(&r, &r.platforms[i]);
    reply_close(q->body, ']');
    reply_close(q->body, '}');
    buf_add_char(q->body, '\n');
    report_done(&r);
}
