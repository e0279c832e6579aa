/* routectl history: how a quantity went, as a picture in the terminal.
 *
 * The daemon is asked for as many points as the picture has dots across; what it gives as JSON and TSV are those points. Routes are drawn
 * with the same axes, over one another or side by side (plot.h). Times are local, the zone is named once, above. Nothing recorded is said
 * in words, with what may be the reason: an empty frame would look like a relay that is down. */
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/period.h"
#include "routectl/plot.h"
#include "routectl/screen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define SINCE_DEFAULT   USEC_PER_DAY
#define COLUMNS_DEFAULT 100 /* where there is no window */
#define POINTS_RAW      500 /* for programs */

static const struct metric {
    const char *name;
    enum series_unit unit;
    const char *title, *beside; /* the member that comes beside `value`; NULL = none */
} metrics[] = {
    {"ttft", SERIES_MSEC, "Time to first token, median", NULL},
    {"total", SERIES_MSEC, "Time to the end of the answer, median", NULL},
    {"availability", SERIES_RATIO, "Availability: answers among those that should have come", NULL},
    {"price", SERIES_MONEY, "Price of 1M input tokens", "output"},
    {"speed", SERIES_SPEED, "Tokens a second after the first, mean", NULL},
    {"rank", SERIES_RANK, "Rank", "weight"},
    {"balance", SERIES_MONEY, "Balance", NULL},
};

static const struct metric *find_metric(const char *name)
{
    const char *names[ARRAY_LEN(metrics)];
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
        names[i] = metrics[i].name;
        if (strcmp(name, names[i]) == 0)
            return &metrics[i];
    }
    const char *nearest = text_nearest(name, names, ARRAY_LEN(names));
    if (nearest)
        complain("there is no metric '%s'. Did you mean '%s'?", name, nearest);
    else
        complain("there is no metric '%s': ttft, total, availability, price, speed, rank or balance is wanted", name);
    return NULL;
}

struct showing {
    const struct command *command;
    const struct metric *metric;
    struct period period;
    struct screen screen;
    size_t columns;
    const cJSON *answer;
    struct series series[SERIES_MAX];
    size_t len, more, points; /* more: series that were left out; points: in all */
};

/* --- the answer as series --------------------------------------------------------------------------------------------- */

static void route_name(struct buf *ret, const cJSON *series)
{
    const char *model = json_string(series, "model");
    buf_printf(ret, "%s%s%s", field_words(series, "platform"), model ? "/" : "", model ? model : "");
}

static struct series_point *read_points(const cJSON *points, double step, enum series_unit unit, size_t *ret_len)
{
    struct series_point *list = alloc_zero((size_t)cJSON_GetArraySize(points) + 1, sizeof *list);
    const cJSON *item;
    size_t len = 0;
    double last = -INFINITY;

    cJSON_ArrayForEach(item, points)
    {
        struct series_point p = {.t = field_number(item, "t") + step / 2,
                                 .value = field_number(item, "value"),
                                 .low = field_number(item, "low"),
                                 .high = field_number(item, "high")};
        if (unit == SERIES_RANK && p.value < 1)
            p.value = NAN;
        if (!isfinite(p.t) || p.t <= last || !isfinite(p.value))
            continue; /* what goes back in time is no series */
        last = p.t;
        list[len++] = p;
    }
    *ret_len = len;
    return list;
}

static void read_series(struct showing *show)
{
    const cJSON *item;
    double step = field_number(show->answer, "step_s");
    step = isfinite(step) && step > 0 ? step : 1;

    cJSON_ArrayForEach(item, json_at(show->answer, "series"))
    {
        if (show->len == SERIES_MAX) {
            show->more++;
            continue;
        }
        struct series *series = &show->series[show->len++];
        struct buf name = BUF_INIT;
        route_name(&name, item);
        series->name = buf_take(&name);
        series->points = read_points(json_at(item, "points"), step, show->metric->unit, &series->len);
        /* A rank or a price is known in each step: what is missing is a gap, however often that happens. */
        bool carried = show->metric->unit == SERIES_RANK || show->metric->unit == SERIES_MONEY;
        series->reach =
            carried && strcmp(show->metric->name, "balance") != 0 ? 1.5 * step : series_reach(series->points, series->len, step);
        show->points += series->len;
    }
}

static void showing_done(struct showing *show)
{
    for (size_t i = 0; i < show->len; i++) {
        free((void *)(uintptr_t)show->series[i].name);
        free((void *)(uintptr_t)show->series[i].points);
    }
}

/* --- for people ------------------------------------------------------------------------------------------------------- */

/* A platform that the configuration does not have: a mistake in its name, or one that is gone. */
static void write_unknown(const struct showing *show, const cJSON *status, struct writer *w)
{
    const char *names[256];
    size_t len = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(status, "platforms"))
    {
        if (len < ARRAY_LEN(names))
            names[len++] = field_words(item, "platform");
    }
    for (size_t i = 0; i < show->command->args_len; i++) {
        struct target of;
        bool known = !target_parse(&of, show->command->args[i], false);
        for (size_t n = 0; n < len && !known; n++)
            known = strcmp(names[n], of.platform) == 0;
        const char *nearest = known ? NULL : text_nearest(of.platform, names, len);
        if (!known)
            writer_note(w, STYLE_WARN, "There is no platform '%s' in the configuration%s%s%s", of.platform,
                        nearest ? ". Did you mean '" : ".", nearest ? nearest : "", nearest ? "'?" : "");
    }
}

/* Nothing was recorded: why, as far as the daemon can tell, and what to do. */
static void write_nothing(const struct showing *show, struct writer *w)
{
    struct fetched status CLEANUP(fetched_done) = FETCHED_INIT;
    char when[PERIOD_SHOWN_MAX];

    writer_note(w, STYLE_WARN, "Nothing of this was recorded in that time.");
    if (fetch_quiet(show->command, "GET", "/v1/status", NULL, &status) != EXIT_OK)
        return;
    write_unknown(show, status.json, w);
    const char *state = json_string(status.json, "store.state");
    usec_t oldest = field_time(status.json, "store.oldest_at");
    if (state && strcmp(state, "ok") != 0)
        writer_note(w, STYLE_BAD, "The history is not recorded now: %s%s%s", field_words(status.json, "store.text"),
                    json_string(status.json, "store.why") ? ": " : "", field_words(status.json, "store.why"));
    if (oldest > show->period.until)
        writer_note(w, STYLE_PLAIN, "The history begins at %s, after that time.", period_time(when, oldest));
    else if (oldest > show->period.since)
        writer_note(w, STYLE_PLAIN, "The single records begin at %s; 'routectl status' says what is probed.", period_time(when, oldest));
    else
        writer_note(w, STYLE_PLAIN,
                    "Look farther back with --since 7d; 'routectl status' says what is probed, and 'routectl explain' why not.");
}

static void write_heading(const struct showing *show, struct writer *w)
{
    char span[PERIOD_SHOWN_MAX], zone[PERIOD_SHOWN_MAX], step[32];
    double step_s = field_number(show->answer, "step_s");
    struct series_range range;
    const char *policy = json_string(show->answer, "policy");

    bool names = show->metric->unit == SERIES_RANK && policy;
    bool dots = show->metric->unit == SERIES_MSEC && !plot_overlays(show->command->colour, show->len);
    writer_heading(w, "%s%s%s%s", show->metric->title, names ? " in policy " : "", names ? policy : "",
                   dots ? " (fine dots: 95th percentile)" : "");
    series_range(&range, show->metric->unit, show->series, show->len, false);
    writer_note(w, STYLE_DIM, "%s %s, a point each %s%s", period_shown(span, &show->period), period_zone(zone, show->period.until),
                isfinite(step_s) && step_s > 0 && step_s < 1e9 ? units_format_duration(step, sizeof step, (usec_t)(step_s * 1e6)) : "?",
                range.log ? ", logarithmic" : "");
}

static void write_picture(const struct showing *show, struct writer *w)
{
    const char *term = getenv("TERM");
    struct buf picture CLEANUP(buf_done) = BUF_INIT;
    struct plot_setup setup = {.unit = show->metric->unit,
                               .since = (double)show->period.since / 1e6,
                               .until = (double)show->period.until / 1e6,
                               .columns = show->columns,
                               .rows = show->command->terminal && show->screen.rows > 8 ? show->screen.rows - 4 : 0,
                               .colour = show->command->colour,
                               .kind = term && strcmp(term, "linux") == 0 ? CANVAS_BLOCK : CANVAS_BRAILLE};

    plot_draw(&setup, show->series, show->len, &picture);
    for (char *rest = picture.data, *line; rest && *rest && (line = strsep(&rest, "\n"));) {
        size_t len = strlen(line);
        while (len > 0 && line[len - 1] == ' ')
            line[--len] = '\0';
        writer_line(w, line);
    }
    if (show->more > 0)
        writer_note(w, STYLE_WARN, "%zu more are not shown: name the routes you want", show->more);
}

static void write_text(struct showing *show, struct writer *w)
{
    write_heading(show, w);
    if (show->points == 0)
        write_nothing(show, w);
    else
        write_picture(show, w);
}

/* --- for programs ----------------------------------------------------------------------------------------------------- */

static struct cell number(const cJSON *json, const char *path)
{
    double value = field_number(json, path);
    return isfinite(value) ? (struct cell){.kind = CELL_NUMBER, .number = value} : cell_unknown();
}

static void write_rows(const struct showing *show, struct writer *w)
{
    const struct column columns[] = {{.key = "platform"}, {.key = "model"}, {.key = "t"},    {.key = "n"},
                                     {.key = "value"},    {.key = "low"},   {.key = "high"}, {.key = show->metric->beside}};
    const cJSON *series, *point;

    writer_table(w, "points", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(series, json_at(show->answer, "series"))
    {
        cJSON_ArrayForEach(point, json_at(series, "points"))
        {
            writer_row(w,
                       (struct cell[]){cell_string(json_string(series, "platform")), cell_string(json_string(series, "model")),
                                       number(point, "t"), number(point, "n"), number(point, "value"), number(point, "low"),
                                       number(point, "high"), show->metric->beside ? number(point, show->metric->beside) : cell_unknown()});
        }
    }
    writer_table_end(w);
}

/* --- the question ----------------------------------------------------------------------------------------------------- */

static bool make_target(const struct showing *show, struct buf *target)
{
    const struct command *command = show->command;
    char number_text[32];
    size_t points = command->form == WRITER_TEXT ? 2 * show->columns : POINTS_RAW;

    buf_add_str(target, "/v1/history");
    for (size_t i = 0; i < command->args_len; i++) {
        struct target route;
        if (!target_parse(&route, command->args[i], false))
            return false;
        fetch_query(target, "route", command->args[i]);
    }
    fetch_query(target, "metric", show->metric->name);
    fetch_query(target, "since", json_format_number(number_text, sizeof number_text, (double)(show->period.since / 1000) / 1000));
    fetch_query(target, "until", json_format_number(number_text, sizeof number_text, (double)(show->period.until / 1000) / 1000));
    snprintf(number_text, sizeof number_text, "%zu", points);
    fetch_query(target, "points", number_text);
    fetch_query(target, "policy", command->policy);
    return true;
}

enum exit_code verb_history(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct showing show = {.command = command, .screen.fd = STDOUT_FILENO};
    struct buf target CLEANUP(buf_done) = BUF_INIT;

    show.metric = find_metric(command->metric ? command->metric : "ttft");
    if (!show.metric)
        return EXIT_USAGE;
    period_choose(&show.period, command->since, command->until, fetch_now(), SINCE_DEFAULT);
    if (show.period.since >= show.period.until) {
        complain("--since is not before now");
        return EXIT_USAGE;
    }
    screen_measure(&show.screen);
    show.columns = command->columns > 0 ? command->columns : COLUMNS_DEFAULT;
    show.columns = show.columns > PLOT_COLUMNS_MOST ? PLOT_COLUMNS_MOST : show.columns;
    if (!make_target(&show, &target))
        return EXIT_USAGE;
    enum exit_code code = fetch(command, buf_str(&target), &answer);
    if (code != EXIT_OK)
        return code;
    show.answer = answer.json;
    writer_document(w, answer.json);
    if (command->form == WRITER_TSV)
        write_rows(&show, w);
    if (command->form == WRITER_TEXT) {
        read_series(&show);
        write_text(&show, w);
        showing_done(&show);
    }
    return EXIT_OK;
}
