/* routectl report: how the platforms did in a month or any other stretch of time, as Markdown, as a page of HTML, or as figures.
 *
 * The daemon counts (one question to its history), we judge and write. With -o the document goes to a file as a whole or not at all, and
 * standard output says what became of it. Whether there was anything to report is said in the document and changes no exit code: an empty
 * month is a fact too. */
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/place.h"
#include "routectl/report_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define TIMEOUT_LEAST (60 * USEC_PER_SEC) /* a month of history takes a while to count */

/* --- for programs ----------------------------------------------------------------------------------------------------- */

static struct cell number(double value)
{
    return isfinite(value) ? (struct cell){.kind = CELL_NUMBER, .number = value} : cell_unknown();
}

static void write_platforms(const struct report *report, struct writer *w)
{
    static const struct column columns[] = {
        {.key = "platform"},    {.key = "title"},        {.key = "availability"}, {.key = "target"},
        {.key = "verdict"},     {.key = "uptime"},       {.key = "down_s"},       {.key = "incidents"},
        {.key = "n"},           {.key = "ok"},           {.key = "failed"},       {.key = "limited"},
        {.key = "ours"},        {.key = "ttft_p50_ms"},  {.key = "ttft_p90_ms"},  {.key = "ttft_p95_ms"},
        {.key = "ttft_p99_ms"}, {.key = "total_p50_ms"}, {.key = "total_p95_ms"}, {.key = "tokens_per_s"},
        {.key = "cost"},
    };
    writer_table(w, "platforms", columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < report->len; i++) {
        const struct report_platform *p = &report->platforms[i];
        const struct report_figures *f = &p->figures;
        writer_row(w, (struct cell[]){cell_string(p->name),
                                      cell_string(p->title),
                                      number(f->availability),
                                      number(p->target),
                                      cell_string(report_verdict_text(p->verdict)),
                                      number(f->uptime),
                                      number(f->down_s),
                                      cell_integer(p->incidents),
                                      cell_integer(f->n),
                                      cell_integer(f->ok),
                                      cell_integer(f->failed),
                                      cell_integer(f->limited),
                                      cell_integer(f->ours),
                                      number(f->ttft[REPORT_P50]),
                                      number(f->ttft[REPORT_P90]),
                                      number(f->ttft[REPORT_P95]),
                                      number(f->ttft[REPORT_P99]),
                                      number(f->total[REPORT_P50]),
                                      number(f->total[REPORT_P95]),
                                      number(f->tokens_per_s),
                                      number(f->cost)});
    }
    writer_table_end(w);
}

static void write_models(const struct report *report, struct writer *w)
{
    static const struct column columns[] = {
        {.key = "platform"},    {.key = "model"},       {.key = "availability"}, {.key = "uptime"},
        {.key = "down_s"},      {.key = "n"},           {.key = "ok"},           {.key = "failed"},
        {.key = "limited"},     {.key = "ours"},        {.key = "ttft_p50_ms"},  {.key = "ttft_p90_ms"},
        {.key = "ttft_p95_ms"}, {.key = "ttft_p99_ms"}, {.key = "tokens_per_s"}, {.key = "cost"},
    };
    writer_table(w, "models", columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < report->len; i++) {
        const cJSON *model;
        cJSON_ArrayForEach(model, json_at(report->platforms[i].json, "models"))
        {
            struct report_figures f;
            report_figures_read(model, &f);
            writer_row(w, (struct cell[]){cell_string(report->platforms[i].name), cell_string(json_string(model, "model")),
                                          number(f.availability), number(f.uptime), number(f.down_s), cell_integer(f.n), cell_integer(f.ok),
                                          cell_integer(f.failed), cell_integer(f.limited), cell_integer(f.ours), number(f.ttft[REPORT_P50]),
                                          number(f.ttft[REPORT_P90]), number(f.ttft[REPORT_P95]), number(f.ttft[REPORT_P99]),
                                          number(f.tokens_per_s), number(f.cost)});
        }
    }
    writer_table_end(w);
}

static void write_incidents(const struct report *report, struct writer *w)
{
    static const struct column columns[] = {{.key = "platform"}, {.key = "model"},   {.key = "state"},  {.key = "from"},
                                            {.key = "until"},    {.key = "seconds"}, {.key = "ongoing"}};
    writer_table(w, "incidents", columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < report->len; i++) {
        struct report_incident *list CLEANUP(alloc_freep) = NULL;
        size_t len = report_incidents(&report->platforms[i], &list);
        for (size_t k = 0; k < len; k++)
            writer_row(w, (struct cell[]){cell_string(report->platforms[i].name), cell_string(list[k].model), cell_string(list[k].state),
                                          report_time_cell(list[k].from), report_time_cell(list[k].until), number(list[k].seconds),
                                          cell_bool(list[k].ongoing)});
    }
    writer_table_end(w);
}

static void write_prices(const struct report *report, struct writer *w)
{
    static const struct column columns[] = {{.key = "platform"}, {.key = "model"},  {.key = "since"},
                                            {.key = "input"},    {.key = "output"}, {.key = "call"}};
    writer_table(w, "prices", columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < report->len; i++) {
        const cJSON *model, *price;
        cJSON_ArrayForEach(model, json_at(report->platforms[i].json, "models"))
        {
            cJSON_ArrayForEach(price, json_at(model, "prices"))
            {
                writer_row(w, (struct cell[]){cell_string(report->platforms[i].name), cell_string(json_string(model, "model")),
                                              report_time_cell(field_time(price, "t")), number(field_number(price, "input")),
                                              number(field_number(price, "output")), number(field_number(price, "call"))});
            }
        }
    }
    writer_table_end(w);
}

static void write_rest(const struct report *report, struct writer *w)
{
    static const struct column loads[] = {{.key = "platform"}, {.key = "in_flight"}, {.key = "n"}, {.key = "failed"}, {.key = "limited"}};
    static const struct column days[] = {{.key = "platform"},     {.key = "t"},           {.key = "n"},
                                         {.key = "availability"}, {.key = "ttft_p50_ms"}, {.key = "ttft_p95_ms"}};

    writer_table(w, "loads", loads, ARRAY_LEN(loads));
    for (size_t i = 0; i < report->len; i++) {
        struct report_load list[REPORT_LOADS_MAX];
        size_t len = report_loads(&report->platforms[i], list);
        for (size_t k = 0; k < len; k++)
            writer_row(w, (struct cell[]){cell_string(report->platforms[i].name), cell_string(list[k].in_flight), cell_integer(list[k].n),
                                          cell_integer(list[k].failed), cell_integer(list[k].limited)});
    }
    writer_table_end(w);
    writer_table(w, "days", days, ARRAY_LEN(days));
    for (size_t i = 0; i < report->len; i++) {
        const cJSON *day;
        cJSON_ArrayForEach(day, json_at(report->platforms[i].json, "days"))
        {
            writer_row(w, (struct cell[]){cell_string(report->platforms[i].name), number(field_number(day, "t")),
                                          cell_integer(field_count(day, "n")), number(field_number(day, "availability")),
                                          number(field_number(day, "ttft_p50")), number(field_number(day, "ttft_p95"))});
        }
    }
    writer_table_end(w);
}

static void write_tables(const struct report *report, struct writer *w)
{
    writer_tagged(w);
    write_platforms(report, w);
    write_models(report, w);
    write_incidents(report, w);
    write_prices(report, w);
    write_rest(report, w);
}

/* --- the verb --------------------------------------------------------------------------------------------------------- */

/* The whole in the form that was asked for. Caller frees. */
static char *compose(const struct command *command, const struct report *report)
{
    if (command->form != WRITER_TEXT) {
        struct writer *w CLEANUP(writer_freep) = writer_new(&(struct writer_setup){.form = command->form, .indented = command->terminal});
        writer_document(w, report->answer);
        write_tables(report, w);
        return writer_take(w);
    }
    struct buf title CLEANUP(buf_done) = BUF_INIT;
    report_title(report, &title);
    struct page *page CLEANUP(page_freep) = page_new(command->html ? PAGE_HTML : PAGE_MARKDOWN, buf_str(&title));
    report_write(report, page);
    return page_take(page);
}

static enum exit_code deliver(const struct command *command, const struct report *report, struct writer *w)
{
    char *text CLEANUP(alloc_freep) = compose(command, report);
    char size[32], span[PERIOD_SHOWN_MAX];
    size_t len = strlen(text);

    if (command->output) {
        int error = place_write(command->output, text, len);
        if (error < 0) {
            complain("cannot write %s: %s", command->output, strerror(-error));
            return EXIT_REFUSED;
        }
        writer_fact(w, "file", "file", cell_string(command->output));
        writer_fact(w, "period", "period", cell_string(period_shown(span, &report->period)));
        writer_fact(w, "bytes", "size", cell_shown(cell_integer((int64_t)len), "%s", units_format_size(size, sizeof size, len)));
        if (report_is_empty(report))
            writer_note(w, STYLE_WARN, "Nothing was recorded in that time.");
        return EXIT_OK;
    }
    if (command->form == WRITER_JSON) {
        writer_document(w, report->answer);
    } else if (command->form == WRITER_TSV) {
        write_tables(report, w);
    } else {
        text[len > 0 ? len - 1 : 0] = '\0'; /* the writer adds its own newline */
        writer_line(w, text);
    }
    return EXIT_OK;
}

static bool choose_period(const struct command *command, struct report *report)
{
    struct err err = {""};
    if (command->month && (command->since > 0 || command->until > 0)) {
        complain("--month is a time of its own; it goes with neither --since nor --until");
        return false;
    }
    if (command->html && command->form != WRITER_TEXT) {
        complain("--html excludes --json and --tsv");
        return false;
    }
    report->now = fetch_now();
    if (command->month && period_parse_month(command->month, &report->period, &err) < 0) {
        complain("--month: %s", err.text);
        return false;
    }
    if (!command->month && command->since == 0 && command->until == 0)
        period_month_of(report->now, &report->period);
    else if (!command->month)
        period_choose(&report->period, command->since, command->until, report->now, 30 * USEC_PER_DAY);
    if (report->period.since >= report->now || report->period.since >= report->period.until) {
        complain("that time has not come yet");
        return false;
    }
    return true;
}

static bool is_listed(const cJSON *list, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(field_words(item, "platform"), name) == 0)
            return true;
    }
    return false;
}

/* A name that neither the history nor the configuration has is a mistake, and no platform without data. */
static bool are_known(const struct command *command, const cJSON *answer, const cJSON *status)
{
    const cJSON *platforms = json_at(status, "platforms"), *item;
    for (size_t i = 0; i < command->args_len; i++) {
        const char *names[256], *name = command->args[i];
        size_t len = 0;
        if (is_listed(json_at(answer, "platforms"), name) || is_listed(platforms, name))
            continue;
        cJSON_ArrayForEach(item, platforms)
        {
            if (len < ARRAY_LEN(names))
                names[len++] = field_words(item, "platform");
        }
        const char *nearest = text_nearest(name, names, len);
        complain("there is no platform '%s', now or in that time%s%s%s", name, nearest ? ". Did you mean '" : "", nearest ? nearest : "",
                 nearest ? "'?" : "");
        return false;
    }
    return true;
}

enum exit_code verb_report(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct fetched status CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    struct command patient = *command;
    struct report report = {.now = 0};
    char number_text[32];

    if (!choose_period(command, &report))
        return EXIT_USAGE;
    patient.timeout = patient.timeout < TIMEOUT_LEAST ? TIMEOUT_LEAST : patient.timeout;
    buf_add_str(&target, "/v1/report");
    fetch_query(&target, "since", json_format_number(number_text, sizeof number_text, (double)(report.period.since / 1000) / 1000));
    usec_t until = report.period.until < report.now ? report.period.until : report.now;
    fetch_query(&target, "until", json_format_number(number_text, sizeof number_text, (double)(until / 1000) / 1000));
    for (size_t i = 0; i < command->args_len; i++)
        fetch_query(&target, "platform", command->args[i]);
    enum exit_code code = fetch(&patient, buf_str(&target), &answer);
    if (code == EXIT_OK)
        code = fetch(command, "/v1/status", &status);
    if (code != EXIT_OK)
        return code;
    if (!are_known(command, answer.json, status.json))
        return EXIT_REFUSED;
    report_read(&report, answer.json, status.json);
    code = deliver(command, &report, w);
    report_done(&report);
    return code;
}
