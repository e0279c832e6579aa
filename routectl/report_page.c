/* A report as a document: what one takes to a purchase review.
 *
 * First all platforms in one table, the most available first, and how each did day by day; then a section for each with its incidents and
 * its prices. The words are explained at the end, because who reads it has not read our manuals. Nothing is left out silently: where a list
 * is cut it says how many more there are. */
#include "routectl/report_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/fields.h"
#include "routectl/figures.h"
#include "shared/alloc.h"

#define INCIDENTS_SHOWN 60 /* of a platform */
#define PRICES_SHOWN    40 /* of a route */
#define OFFERS_SHOWN    300
#define DAY_S           86400.0

static const char *shown(struct cell cell, char buf[CELL_SHOWN_MAX])
{
    snprintf(buf, CELL_SHOWN_MAX, "%s", cell.kind == CELL_UNKNOWN ? "unknown" : cell.shown);
    return buf;
}

/* --- all of them ------------------------------------------------------------------------------------------------------ */

static void write_service(const struct report *report, struct page *page)
{
    static const struct page_column columns[] = {
        {"Platform", false}, {"Availability", true}, {"Target", true},   {"Verdict", false}, {"Uptime", true},
        {"Down", true},      {"Incidents", true},    {"Requests", true}, {"Failed", true},   {"429", true},
    };
    page_heading(page, 2, "All platforms");
    page_table(page, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < report->len; i++) {
        const struct report_platform *p = &report->platforms[i];
        const struct report_figures *f = &p->figures;
        page_row(page,
                 (struct cell[]){cell_styled(cell_string(p->title), STYLE_BOLD), figure_ratio(f->availability), figure_ratio(p->target),
                                 report_verdict_cell(p), figure_ratio(f->uptime), report_span_cell(f->down_s), cell_integer(p->incidents),
                                 cell_integer(f->n), cell_integer(f->failed), cell_integer(f->limited)});
    }
    page_table_end(page);
}

static void write_speed(const struct report *report, struct page *page)
{
    static const struct page_column columns[] = {
        {"Platform", false}, {"First token p50", true}, {"p90", true},        {"p95", true}, {"p99", true}, {"Whole p50", true},
        {"p95", true},       {"Tokens/s", true},        {"Probe cost", true},
    };
    page_table(page, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < report->len; i++) {
        const struct report_platform *p = &report->platforms[i];
        const struct report_figures *f = &p->figures;
        page_row(page,
                 (struct cell[]){cell_styled(cell_string(p->title), STYLE_BOLD), report_msec_cell(f->ttft[REPORT_P50]),
                                 report_msec_cell(f->ttft[REPORT_P90]), report_msec_cell(f->ttft[REPORT_P95]),
                                 report_msec_cell(f->ttft[REPORT_P99]), report_msec_cell(f->total[REPORT_P50]),
                                 report_msec_cell(f->total[REPORT_P95]), report_speed_cell(f->tokens_per_s), report_money_cell(f->cost)});
    }
    page_table_end(page);
}

/* Who sells what for how much: the routes by model, the cheapest first. */
static void write_offers(const struct report *report, struct page *page)
{
    static const struct page_column columns[] = {
        {"Model", false},  {"Platform", false},    {"Input, 1M", true},       {"Output, 1M", true}, {"A call", true},
        {"Changes", true}, {"Availability", true}, {"First token p50", true}, {"p95", true},
    };
    struct report_offer *list CLEANUP(alloc_freep) = NULL;
    size_t len = report_offers(report, &list);

    if (len == 0)
        return;
    page_heading(page, 2, "Models and their prices at the end");
    page_table(page, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < len && i < OFFERS_SHOWN; i++) {
        bool again = i > 0 && strcmp(list[i].model, list[i - 1].model) == 0;
        struct cell changes = list[i].changes > 0 ? cell_styled(cell_integer(list[i].changes), STYLE_WARN) : cell_integer(0);
        page_row(page,
                 (struct cell[]){cell_styled(cell_string(list[i].model), again ? STYLE_DIM : STYLE_BOLD),
                                 cell_string(list[i].platform->title), report_price_cell(list[i].input), report_price_cell(list[i].output),
                                 report_call_cell(list[i].call), changes, figure_ratio(list[i].figures.availability),
                                 report_msec_cell(list[i].figures.ttft[REPORT_P50]), report_msec_cell(list[i].figures.ttft[REPORT_P95])});
    }
    page_table_end(page);
    if (len > OFFERS_SHOWN)
        page_text(page, "%zu more are in the platforms' sections.", len - OFFERS_SHOWN);
}

/* Days of a platform as a series. value and high: their members. Caller frees points. */
static void read_days(const struct report_platform *p, const char *value, const char *high, struct series *ret)
{
    const cJSON *days = json_at(p->json, "days"), *day;
    struct series_point *points = alloc_zero((size_t)cJSON_GetArraySize(days) + 1, sizeof *points);
    double last = -INFINITY;

    *ret = (struct series){.name = p->title, .points = points, .reach = 1.5 * DAY_S};
    cJSON_ArrayForEach(day, days)
    {
        struct series_point point = {.t = field_number(day, "t") + DAY_S / 2, .value = field_number(day, value), .low = NAN, .high = NAN};
        if (!isfinite(point.t) || point.t <= last || !isfinite(point.value))
            continue;
        if (high) {
            point.low = point.value;
            point.high = field_number(day, high);
        }
        last = point.t;
        points[ret->len++] = point;
    }
}

static void free_days(struct series *series, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free((void *)(uintptr_t)series[i].points);
}

/* From the first to the last whole day, so that what was measured in the first hours of a day has its place. */
static struct page_picture day_picture(const struct report *report, const char *caption, enum series_unit unit)
{
    return (struct page_picture){.caption = caption,
                                 .unit = unit,
                                 .since = (double)report->period.since / 1e6,
                                 .until = fmax((double)report->period.until / 1e6, (double)report->period.since / 1e6 + DAY_S),
                                 .rule = NAN};
}

static void draw_all(const struct report *report, struct page *page, const char *caption, enum series_unit unit, const char *member)
{
    struct series series[SERIES_MAX];
    size_t len = 0, points = 0;
    struct page_picture picture = day_picture(report, caption, unit);

    for (size_t i = 0; i < report->len && len < SERIES_MAX; i++) {
        if (report->platforms[i].figures.n == 0)
            continue;
        read_days(&report->platforms[i], member, NULL, &series[len]);
        points += series[len++].len;
    }
    if (points > 0)
        page_draw(page, &picture, series, len);
    free_days(series, len);
}

/* --- one of them ------------------------------------------------------------------------------------------------------ */

static void write_availability(const struct report_platform *p, struct page *page)
{
    const struct report_figures *f = &p->figures;
    char availability[CELL_SHOWN_MAX], target[CELL_SHOWN_MAX], n[32], failed[32], limited[32], ours[32], allowance[64] = "";

    shown(figure_ratio(f->availability), availability);
    if (isfinite(p->allowance))
        snprintf(allowance, sizeof allowance, ", %.0f%% of the failures it allows", fmin(p->allowance * 100, 1e9));
    page_item(page, "Availability %s: %s of %s requests failed; %s more were limited (429), %s failed by a fault of ours", availability,
              figure_thousands(failed, sizeof failed, f->failed), figure_thousands(n, sizeof n, f->n),
              figure_thousands(limited, sizeof limited, f->limited), figure_thousands(ours, sizeof ours, f->ours));
    if (isfinite(p->target))
        page_item(page, "Target %s: %s%s", shown(figure_ratio(p->target), target), report_verdict_text(p->verdict), allowance);
    else
        page_item(page, "No availability target is set: 'target' of a platform in probed.yaml(5)");
}

static void write_times(const struct report_figures *f, struct page *page)
{
    char q[REPORT_QUANTILES][CELL_SHOWN_MAX], end[2][CELL_SHOWN_MAX];

    if (!isfinite(f->ttft[REPORT_P50])) {
        page_item(page, "No answer was good, so that there are no times");
        return;
    }
    for (size_t i = 0; i < REPORT_QUANTILES; i++)
        shown(report_msec_cell(f->ttft[i]), q[i]);
    page_item(page, "First token after %s (median), %s (p90), %s (p95), %s (p99)", q[REPORT_P50], q[REPORT_P90], q[REPORT_P95],
              q[REPORT_P99]);
    page_item(page, "Whole answer after %s (median), %s (p95)", shown(report_msec_cell(f->total[REPORT_P50]), end[0]),
              shown(report_msec_cell(f->total[REPORT_P95]), end[1]));
}

static void write_summary(const struct report_platform *p, struct page *page)
{
    const struct report_figures *f = &p->figures;
    char uptime[CELL_SHOWN_MAX], down[CELL_SHOWN_MAX], longest[CELL_SHOWN_MAX], cost[CELL_SHOWN_MAX], in[32], out[32];
    struct buf tags CLEANUP(buf_done) = BUF_INIT;

    write_availability(p, page);
    if (!isfinite(f->uptime) && p->incidents > 0)
        page_item(page, "Uptime not known: the states of most of these requests were not recorded here; %lld incident%s, the longest %s",
                  (long long)p->incidents, p->incidents == 1 ? "" : "s", shown(report_span_cell(p->longest_s), longest));
    else if (p->incidents > 0)
        page_item(page, "Uptime %s: down for %s; %lld incident%s, the longest %s", shown(figure_ratio(f->uptime), uptime),
                  shown(report_span_cell(f->down_s), down), (long long)p->incidents, p->incidents == 1 ? "" : "s",
                  shown(report_span_cell(p->longest_s), longest));
    else if (!isfinite(f->uptime))
        page_item(page, "Uptime not known: the states of these requests were not recorded here");
    else
        page_item(page, "Uptime %s: no incidents", shown(figure_ratio(f->uptime), uptime));
    write_times(f, page);
    page_item(page, "Probing it cost %s, for %s tokens in and %s out", shown(report_money_cell(f->cost), cost),
              figure_thousands(in, sizeof in, f->prompt_tokens), figure_thousands(out, sizeof out, f->output_tokens));
    field_tags(&tags, p->tags);
    if (tags.len > 0)
        page_item(page, "Declared: %s", buf_str(&tags));
}

/* A platform has the colour that it has among all. */
static void draw_platform(const struct report *report, const struct report_platform *p, struct page *page)
{
    struct series availability, ttft;
    struct page_picture left = day_picture(report, "Availability by day", SERIES_RATIO);
    struct page_picture right = day_picture(report, "First token by day: median, and up to p95", SERIES_MSEC);

    read_days(p, "availability", NULL, &availability);
    read_days(p, "ttft_p50", "ttft_p95", &ttft);
    left.rule = p->target;
    left.rule_label = "target";
    left.half = right.half = true;
    left.first_colour = right.first_colour = (unsigned)(p - report->platforms) % SERIES_MAX;
    if (availability.len > 0)
        page_draw(page, &left, &availability, 1);
    if (ttft.len > 0)
        page_draw(page, &right, &ttft, 1);
    free_days(&availability, 1);
    free_days(&ttft, 1);
}

static void write_models(const struct report_platform *p, struct page *page)
{
    static const struct page_column columns[] = {
        {"Model", false}, {"Availability", true}, {"Uptime", true},   {"Down", true},     {"TTFT p50", true}, {"p90", true},
        {"p95", true},    {"p99", true},          {"Tokens/s", true}, {"Requests", true}, {"Failed", true},   {"Probe cost", true},
    };
    const cJSON *model;
    page_heading(page, 3, "Models");
    page_table(page, columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(model, json_at(p->json, "models"))
    {
        struct report_figures f;
        report_figures_read(model, &f);
        page_row(page,
                 (struct cell[]){cell_string(field_words(model, "model")), figure_ratio(f.availability), figure_ratio(f.uptime),
                                 report_span_cell(f.down_s), report_msec_cell(f.ttft[REPORT_P50]), report_msec_cell(f.ttft[REPORT_P90]),
                                 report_msec_cell(f.ttft[REPORT_P95]), report_msec_cell(f.ttft[REPORT_P99]),
                                 report_speed_cell(f.tokens_per_s), cell_integer(f.n), cell_integer(f.failed), report_money_cell(f.cost)});
    }
    page_table_end(page);
}

static void write_incidents(const struct report_platform *p, struct page *page)
{
    static const struct page_column columns[] = {{"From", false}, {"Until", false}, {"Lasted", true}, {"State", false}, {"Model", false}};
    struct report_incident *list CLEANUP(alloc_freep) = NULL;
    size_t len = report_incidents(p, &list), first = len > INCIDENTS_SHOWN ? len - INCIDENTS_SHOWN : 0;

    if (p->incidents <= 0)
        return;
    page_heading(page, 3, "Incidents");
    page_table(page, columns, ARRAY_LEN(columns));
    for (size_t i = first; i < len; i++) {
        struct cell until = list[i].ongoing ? cell_styled(cell_string("goes on"), STYLE_BAD) : report_time_cell(list[i].until);
        page_row(page,
                 (struct cell[]){report_time_cell(list[i].from), until, report_span_cell(list[i].seconds),
                                 cell_styled(cell_string(list[i].state), figure_state_style(list[i].state)), cell_string(list[i].model)});
    }
    page_table_end(page);
    int64_t more = p->incidents - (int64_t)(len - first);
    if (more > 0)
        page_text(page, "%lld older incidents are not listed.", (long long)more);
}

static void write_price_rows(const cJSON *model, struct page *page)
{
    const cJSON *price;
    double before = NAN;
    int rows = 0;
    cJSON_ArrayForEach(price, json_at(model, "prices"))
    {
        double input = field_number(price, "input");
        struct cell change = rows == 0 ? cell_unknown() : figure_change(before, input);
        before = input;
        if (rows++ >= PRICES_SHOWN)
            continue;
        page_row(page, (struct cell[]){cell_string(field_words(model, "model")), report_time_cell(field_time(price, "t")),
                                       report_price_cell(input), report_price_cell(field_number(price, "output")),
                                       report_call_cell(field_number(price, "call")), change});
    }
    if (rows > PRICES_SHOWN) {
        struct cell more = cell_shown(cell_unknown(), "and %d more", rows - PRICES_SHOWN);
        page_row(page, (struct cell[]){cell_string(field_words(model, "model")), more, cell_unknown(), cell_unknown(), cell_unknown(),
                                       cell_unknown()});
    }
}

static void write_prices(const struct report_platform *p, struct page *page)
{
    static const struct page_column columns[] = {{"Model", false},           {"Since", false},
                                                 {"Input, 1M tokens", true}, {"Output, 1M tokens", true},
                                                 {"A call", true},           {"Input changed by", true}};
    const cJSON *model;
    int rows = 0;

    cJSON_ArrayForEach(model, json_at(p->json, "models"))
    {
        rows += cJSON_GetArraySize(json_at(model, "prices"));
    }
    if (rows == 0)
        return;
    page_heading(page, 3, "Prices");
    page_table(page, columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(model, json_at(p->json, "models"))
    {
        write_price_rows(model, page);
    }
    page_table_end(page);
}

static void write_loads(const struct report_platform *p, struct page *page)
{
    static const struct page_column columns[] = {
        {"In flight", false}, {"Requests", true}, {"Failed", true}, {"Failure rate", true}, {"429", true}};
    struct report_load loads[REPORT_LOADS_MAX];
    size_t len = report_loads(p, loads);

    if (len == 0)
        return;
    page_heading(page, 3, "Failures by requests in flight");
    page_table(page, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < len; i++) {
        int64_t counted = loads[i].n - loads[i].limited;
        struct cell rate =
            counted > 0 ? cell_shown(cell_unknown(), "%.2f%%", 100 * (double)loads[i].failed / (double)counted) : cell_unknown();
        page_row(page, (struct cell[]){cell_string(loads[i].in_flight), cell_integer(loads[i].n), cell_integer(loads[i].failed), rate,
                                       cell_integer(loads[i].limited)});
    }
    page_table_end(page);
}

static void write_platform(const struct report *report, const struct report_platform *p, struct page *page)
{
    if (strcmp(p->title, p->name) != 0)
        page_heading(page, 2, "%s (%s)", p->title, p->name);
    else
        page_heading(page, 2, "%s", p->name);
    if (p->figures.n == 0) {
        page_text(page, "Nothing was recorded of it in this time.");
        return;
    }
    write_summary(p, page);
    draw_platform(report, p, page);
    write_models(p, page);
    write_incidents(p, page);
    write_loads(p, page);
    write_prices(p, page);
}

/* --- the document ----------------------------------------------------------------------------------------------------- */

void report_title(const struct report *report, struct buf *ret)
{
    char span[PERIOD_SHOWN_MAX];
    buf_printf(ret, "LLM relays, %s", period_shown(span, &report->period));
}

static void write_head(const struct report *report, struct page *page)
{
    struct buf title CLEANUP(buf_done) = BUF_INIT;
    char zone[PERIOD_SHOWN_MAX], now[PERIOD_SHOWN_MAX];

    report_title(report, &title);
    page_heading(page, 1, "%s", buf_str(&title));
    page_text(page, "Measured by probed%s%s%s%s. All times are %s. Made on %s%s.", json_string(report->status, "version") ? " " : "",
              field_words(report->status, "version"), json_string(report->status, "vantage") ? " on " : "",
              field_words(report->status, "vantage"), period_zone(zone, report->period.until), period_time(now, report->now),
              report->period.until > report->now ? ", before the end of that time" : "");
}

static void write_words(struct page *page)
{
    page_heading(page, 2, "What the words mean");
    page_item(
        page,
        "Availability: the part of the requests that were answered well and whole, among those that should have been. Requests refused "
        "for their number (429), failures that were ours (a key, credit) and failures of our own network do not count.");
    page_item(page, "Target: the availability that was asked of the platform; kept if it was not less.");
    page_item(page, "Uptime: the part of the time, as far as it was observed, in which it was not down, unusable or gone.");
    page_item(page, "Incident: a time in which a model at the platform was not as it should be, from the moment that was certain.");
    page_item(page, "TTFT: the time from the request to its first token. p95: 95 of 100 answers began sooner.");
    page_item(page, "In flight: requests that were running at the same platform at that moment, as far as that was known.");
    page_item(page, "Prices are in USD; 'free' is a price of nothing.");
}

void report_write(const struct report *report, struct page *page)
{
    write_head(report, page);
    if (report_is_empty(report)) {
        page_text(page, "Nothing was recorded in this time. 'routectl status' says since when there is a history, and what is probed; "
                        "--month and --since choose another time.");
        return;
    }
    write_service(report, page);
    write_speed(report, page);
    write_offers(report, page);
    page_heading(page, 2, "Day by day");
    draw_all(report, page, "Availability by day", SERIES_RATIO, "availability");
    draw_all(report, page, "Time to first token by day, median", SERIES_MSEC, "ttft_p50");
    if (report->len > SERIES_MAX)
        page_text(page, "The pictures show the first %d of them.", SERIES_MAX);
    for (size_t i = 0; i < report->len; i++)
        write_platform(report, &report->platforms[i], page);
    write_words(page);
}
