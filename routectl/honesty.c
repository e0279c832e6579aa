/* routectl honesty [ROUTE]: what makes one doubt that a relay gives what it sells.
 *
 * Each signal with how often it was seen, of how many answers, and the last evidence in the relay's own words. None is a verdict: each has
 * innocent explanations, and that is said every time. */
#include "routectl/amounts.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/scope.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define SIGNALS_MAX 64
#define SHARE_WARN  0.05

struct doubts {
    const struct command *command;
    struct writer *w;
    const cJSON *json;
    double now;
    const cJSON *seen[SIGNALS_MAX]; /* one of each kind that is shown, for what it means */
    size_t seen_len;
};

static void remember(struct doubts *d, const cJSON *signal)
{
    const char *name = field_words(signal, "signal");
    for (size_t i = 0; i < d->seen_len; i++) {
        if (strcmp(field_words(d->seen[i], "signal"), name) == 0)
            return;
    }
    if (d->seen_len < SIGNALS_MAX)
        d->seen[d->seen_len++] = signal;
}

static struct cell share_cell(double share)
{
    struct cell cell = figure_ratio(share);
    if (cell.kind == CELL_UNKNOWN)
        return cell;
    if (share > 0 && share < 0.0005)
        cell = cell_shown(cell, "<0.1%%");
    else if (share < 1)
        cell = cell_shown(cell, "%.1f%%", share * 100);
    return cell_styled(cell, share >= SHARE_WARN ? STYLE_WARN : STYLE_PLAIN);
}

static bool is_seen(const cJSON *signal)
{
    return field_number(signal, "count") > 0;
}

/* The cells of a route before those of a signal; for people only in its first row. */
static void fill_route(const struct doubts *d, struct cell *cells, const cJSON *route, bool first)
{
    double dishonesty = field_number(route, "dishonesty");
    bool repeat = !first && writer_form(d->w) == WRITER_TEXT;

    cells[0] = cell_string(json_string(route, "platform"));
    cells[1] = cell_string(json_string(route, "title"));
    cells[2] = share_cell(dishonesty);
    cells[3] = amount_number(field_number(route, "samples"), 0);
    for (size_t i = 0; repeat && i < 4; i++)
        cells[i] = cell_shown(cell_unknown(), " ");
}

static void write_signal(struct doubts *d, const cJSON *route, const cJSON *signal, bool first)
{
    struct cell cells[12];
    double count = field_number(signal, "count"), of = field_number(signal, "of");
    const char *evidence = json_string(signal, "evidence");
    bool weighs = field_true(signal, "weighs");
    struct cell share = share_cell(field_number(signal, "share"));

    fill_route(d, cells, route, first);
    cells[4] = cell_string(json_string(signal, "signal"));
    cells[5] = count > 0 ? share : cell_styled(share, STYLE_DIM);
    cells[6] = amount_number(count, 0);
    if (cells[6].kind != CELL_UNKNOWN && isfinite(of))
        cells[6] = cell_shown(cells[6], "%.0f of %.0f", count, fmin(of, 1e12));
    cells[7] = amount_number(of, 0);
    cells[8] = cell_styled(cell_bool(weighs), weighs ? STYLE_PLAIN : STYLE_DIM);
    cells[9] = amount_when(signal, "at", d->now);
    cells[10] = cell_string(evidence ? evidence : writer_form(d->w) == WRITER_TEXT ? "" : NULL);
    cells[11] = cell_string(json_string(signal, "text"));
    writer_row(d->w, cells);
    remember(d, signal);
}

static void write_route(struct doubts *d, const cJSON *route)
{
    bool all = d->command->longer || writer_form(d->w) != WRITER_TEXT, first = true;
    const cJSON *signal;
    struct cell cells[12];

    cJSON_ArrayForEach(signal, json_at(route, "signals"))
    {
        if (!all && !is_seen(signal))
            continue;
        write_signal(d, route, signal, first);
        first = false;
    }
    if (!first)
        return;
    fill_route(d, cells, route, true);
    for (size_t i = 4; i < ARRAY_LEN(cells); i++)
        cells[i] = cell_shown(cell_unknown(), " ");
    bool any = field_number(route, "samples") > 0;
    cells[4] = cell_styled(cell_shown(cell_unknown(), "%s", any ? "nothing seen" : "nothing known yet"), any ? STYLE_GOOD : STYLE_DIM);
    writer_row(d->w, cells);
}

static void write_routes(struct doubts *d, const cJSON *const *routes, size_t len)
{
    const bool details = d->command->longer;
    const struct column columns[] = {
        {.key = "platform", .title = "PLATFORM", .least = 10},
        {.key = "title", .title = "NAME", .drop = 7, .least = 8},
        {.key = "dishonesty", .title = "DOUBT", .right = true, .drop = 1},
        {.key = "samples", .title = "N", .right = true, .drop = 6},
        {.key = "signal", .title = "SIGNAL"},
        {.key = "share", .title = "SHARE", .right = true},
        {.key = "count", .title = "SEEN", .right = true, .drop = 3},
        {.key = "of"},
        {.key = "weighs", .title = details ? "WEIGHS" : NULL, .drop = 5},
        {.key = "at", .title = "LAST", .right = true, .drop = 4},
        {.key = "evidence", .title = "EVIDENCE", .wrap = true, .least = 12, .drop = 2},
        {.key = "text"},
    };

    writer_table(d->w, "signals", columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < len; i++) {
        if (i == 0 || strcmp(field_words(routes[i], "model"), field_words(routes[i - 1], "model")) != 0)
            writer_group(d->w, "model", field_words(routes[i], "model"), NULL, STYLE_PLAIN);
        write_route(d, routes[i]);
    }
    writer_table_end(d->w);
}

static void write_meaning(const struct doubts *d)
{
    if (d->seen_len > 0)
        writer_heading(d->w, "What the signals mean");
    for (size_t i = 0; i < d->seen_len; i++) {
        const char *text = json_string(d->seen[i], "text");
        writer_note(d->w, STYLE_PLAIN, "- %s: %s%s", field_words(d->seen[i], "signal"), text ? text : "?",
                    field_true(d->seen[i], "weighs") ? "" : " (shown only: it does not count as a doubt)");
    }
}

enum exit_code verb_honesty(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    size_t len;

    enum exit_code code = scope_fetch(command, "/v1/honesty", &answer);
    if (code != EXIT_OK)
        return code;
    struct doubts d = {.command = command, .w = w, .json = answer.json, .now = (double)fetch_now() / 1e6};
    const cJSON **routes CLEANUP(alloc_freep) = scope_by_model(json_at(answer.json, "routes"), &len);
    writer_document(w, answer.json);
    write_routes(&d, routes, len);
    if (len == 0)
        writer_note(w, STYLE_WARN, "There are no such routes.");
    if (writer_form(w) == WRITER_TEXT) {
        write_meaning(&d);
        if (len > 0)
            writer_note(
                w, STYLE_DIM,
                "These are hints and no verdicts: each signal has innocent explanations, and DOUBT is weighed only by a policy that asks "
                "for it.");
    }
    return fetch_verdict(&answer, EXIT_OK);
}
