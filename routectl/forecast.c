/* routectl forecast [MODEL]: what a workload will cost on each platform, and spread as the table spreads it.
 *
 * Without arguments the workloads that the configuration declares. The daemon counts; here is shown what it found: the cost with its
 * interval, of a thousand requests too, what part of them fails, and when each platform's credit runs out under that load. Without a known
 * price there is no cost: that is said, and comes last. */
#include "routectl/amounts.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/scope.h"
#include "routectl/workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define SHARES_SHOWN 5
#define SHARES_MAX   256 /* as many as a table has slots */

struct forecast {
    const struct command *command;
    const cJSON *json;
    struct writer *w;
    double now;
    const char *currency;
    double days;
};

/* --- the question ----------------------------------------------------------------------------------------------------- */

static bool refuse(const char *option, const struct err *err)
{
    complain("--%s: %s", option, err->text);
    return false;
}

static bool add_workload(struct buf *target, const struct command *command)
{
    struct err err = {""};
    char text[32];
    double per_day = 0;
    int64_t input = WORKLOAD_INPUT, output = WORKLOAD_OUTPUT;

    if (!command->requests) {
        if (command->input || command->output) {
            complain("--%s is about a workload of your own: say how many requests, with --requests 50k/day",
                     command->input ? "input" : "output");
            return false;
        }
        return true;
    }
    if (command->args_len == 0) {
        complain("--requests wants a model: routectl forecast MODEL --requests %s", command->requests);
        return false;
    }
    if (workload_parse_requests(command->requests, &per_day, &err) < 0)
        return refuse("requests", &err);
    if (command->input && workload_parse_tokens(command->input, &input, &err) < 0)
        return refuse("input", &err);
    if (command->output && workload_parse_tokens(command->output, &output, &err) < 0)
        return refuse("output", &err);
    if (input + output == 0) {
        complain("--input 0 --output 0: such a request costs nothing");
        return false;
    }
    fetch_query(target, "requests_per_day", json_format_number(text, sizeof text, per_day));
    fetch_query(target, "input", json_format_number(text, sizeof text, (double)input));
    fetch_query(target, "output", json_format_number(text, sizeof text, (double)output));
    return true;
}

static bool make_target(struct buf *target, const struct command *command)
{
    struct err err = {""};
    char text[32];
    int days = 0;

    buf_add_str(target, "/v1/forecast");
    fetch_query(target, "model", command->args_len > 0 ? command->args[0] : NULL);
    if (!add_workload(target, command))
        return false;
    fetch_query(target, "policy", command->policy);
    if (command->days) {
        if (workload_parse_days(command->days, &days, &err) < 0)
            return refuse("days", &err);
        snprintf(text, sizeof text, "%d", days);
        fetch_query(target, "days", text);
    }
    scope_currency(target, command);
    return true;
}

/* --- the order -------------------------------------------------------------------------------------------------------- */

struct candidate {
    const cJSON *json;
    double cost; /* NAN = unknown */
    size_t at;
};

static int by_weight(const void *a, const void *b)
{
    double x = field_number(*(const cJSON *const *)a, "weight"), y = field_number(*(const cJSON *const *)b, "weight");
    return (x < y) - (x > y);
}

static int by_cost(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    bool known = isfinite(x->cost), other = isfinite(y->cost);
    if (known != other)
        return known ? -1 : 1;
    if (known && x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static struct candidate *sorted(const cJSON *platforms, size_t *ret_len)
{
    size_t size = cJSON_IsArray(platforms) ? (size_t)cJSON_GetArraySize(platforms) : 0, len = 0;
    struct candidate *list = alloc_zero(size + 1, sizeof *list);
    const cJSON *item;

    if (size > 0) {
        cJSON_ArrayForEach(item, platforms)
        {
            list[len] = (struct candidate){.json = item, .cost = field_number(item, "cost"), .at = len};
            len++;
        }
    }
    qsort(list, len, sizeof *list, by_cost);
    *ret_len = len;
    return list;
}

/* --- cells ------------------------------------------------------------------------------------------------------------ */

/* What has passed counts as now; NAN = unknown. */
static double days_until(const struct forecast *f, const cJSON *platform, const char *path)
{
    double days = (field_number(platform, path) - f->now) / 86400;
    return days < 0 ? 0 : days;
}

/* When the credit runs out. Programs: the state. */
static struct cell runs_out_cell(const struct forecast *f, const cJSON *platform)
{
    const char *state = json_string(platform, "runs_out_state");
    struct cell cell = cell_string(state);
    struct cell days = amount_days(days_until(f, platform, "runs_out_at"), days_until(f, platform, "runs_out_low"),
                                   days_until(f, platform, "runs_out_high"));

    if (!state)
        return cell;
    if (strcmp(state, "unlimited") == 0)
        return cell_styled(cell_shown(cell, "unlimited"), STYLE_DIM);
    if (strcmp(state, "not_within") == 0)
        return cell_styled(cell_shown(cell, "not in %.0f d", f->days), STYLE_GOOD);
    if (strcmp(state, "insufficient_data") == 0)
        return cell_styled(cell_shown(cell, "unknown"), STYLE_DIM);
    if (days.kind == CELL_UNKNOWN)
        return cell;
    if (days.number <= 0)
        return cell_styled(cell_shown(cell, "already"), STYLE_BAD);
    return cell_styled(cell_shown(cell, "in %s", days.shown), days.number < 3 ? STYLE_BAD : STYLE_WARN);
}

/* units: say of what the prices of tokens are, because others in the column are of a call. */
static struct cell price_cell(const struct forecast *f, const cJSON *price, bool units)
{
    char in[64], out[64], call[64];
    double input = field_number(price, "input"), output = field_number(price, "output"), fee = field_number(price, "call");
    struct cell cell = cell_string("");

    if (isfinite(input) && isfinite(output) && fee > 0)
        return cell_shown(cell, "%.15s/%.15s%s +%.15s a call", amount_shown(in, sizeof in, input, f->currency),
                          amount_shown(out, sizeof out, output, f->currency), units ? " /1M" : "",
                          amount_shown(call, sizeof call, fee, f->currency));
    if (isfinite(input) && isfinite(output))
        return cell_shown(cell, "%.28s/%.28s%s", amount_shown(in, sizeof in, input, f->currency),
                          amount_shown(out, sizeof out, output, f->currency), units ? " /1M" : "");
    return isfinite(fee) ? cell_shown(cell, "%.40s a call", amount_shown(call, sizeof call, fee, f->currency)) : cell_unknown();
}

/* Something is never shown as nothing. */
static struct cell failed_cell(double share)
{
    struct cell cell = amount_number(share, 4);

    if (cell.kind == CELL_UNKNOWN)
        return cell;
    if (share > 0 && share < 0.00005)
        return cell_shown(cell, "<0.01%%");
    return cell_shown(cell, share < 0.1 ? "%.2f%%" : "%.1f%%", share * 100);
}

static struct cell thousand_cell(const struct forecast *f, const cJSON *platform)
{
    return amount_cell(field_number(platform, "per_request") * 1000, f->currency);
}

/* --- one workload ----------------------------------------------------------------------------------------------------- */

static void write_heading(const struct forecast *f, const cJSON *workload)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    char input[40], output[40];
    const char *policy = json_string(workload, "policy");

    workload_add_rate(&text, field_number(workload, "requests_per_day"));
    writer_heading(f->w, "%s: %s of %s tokens in and %s out%s%s%s", field_words(workload, "model"), buf_str(&text),
                   figure_thousands(input, sizeof input, field_count(workload, "input")),
                   figure_thousands(output, sizeof output, field_count(workload, "output")), policy ? ", policy " : "",
                   policy ? policy : "", field_true(workload, "declared") ? "" : " (not in the configuration)");
}

static void write_table(const struct forecast *f, const cJSON *table)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    char sum[64];
    double cost = field_number(table, "cost");
    const cJSON *shares[SHARES_MAX], *share;
    size_t len = 0;

    if (isfinite(cost)) {
        struct cell between = amount_between(field_number(table, "low"), field_number(table, "high"));
        buf_printf(&text, "%s in %.0f days", amount_shown(sum, sizeof sum, cost, f->currency), f->days);
        if (between.kind != CELL_UNKNOWN)
            buf_printf(&text, " (%s)", between.shown);
    } else {
        buf_printf(&text, "unknown: %s", json_string(table, "why") ? json_string(table, "why") : "no reason given");
    }
    cJSON_ArrayForEach(share, json_at(table, "shares"))
    {
        if (len < SHARES_MAX)
            shares[len++] = share;
    }
    qsort(shares, len, sizeof *shares, by_weight);
    for (size_t i = 0; i < len && i < SHARES_SHOWN; i++) {
        double weight = field_number(shares[i], "weight"), part = field_number(shares[i], "cost");
        buf_printf(&text, "%s%.0f%% %s", i == 0 ? ": " : ", ", weight >= 0 && weight <= 1 ? weight * 100 : 0,
                   field_words(shares[i], "platform"));
        if (isfinite(part))
            buf_printf(&text, " %s", amount_shown(sum, sizeof sum, part, f->currency));
    }
    if (len > SHARES_SHOWN)
        buf_printf(&text, " and %zu more", len - SHARES_SHOWN);
    writer_fact(f->w, NULL, "by the table", cell_styled(cell_string(buf_str(&text)), isfinite(cost) ? STYLE_BOLD : STYLE_WARN));
}

static void write_candidate(const struct forecast *f, const struct candidate *candidate, int64_t workload, double table_cost, bool units,
                            bool first)
{
    const cJSON *json = candidate->json;
    const char *why = json_string(json, "why"), *state = json_string(json, "state");
    bool known = isfinite(candidate->cost);
    double failed = field_number(json, "failed_share");
    struct cell failed_share = failed_cell(failed);
    struct cell balance = amount_balance(field_number(json, "balance"), f->currency);

    writer_row(f->w, (struct cell[]){
                         cell_integer(workload),
                         cell_styled(cell_string(json_string(json, "platform")), first && known ? STYLE_BOLD : STYLE_PLAIN),
                         cell_string(json_string(json, "title")),
                         figure_state_name(state),
                         amount_cell(candidate->cost, f->currency),
                         amount_between(field_number(json, "low"), field_number(json, "high")),
                         amount_member(json, "low"),
                         amount_member(json, "high"),
                         known && isfinite(table_cost) ? figure_change(table_cost, candidate->cost) : cell_unknown(),
                         thousand_cell(f, json),
                         amount_member(json, "per_request"),
                         cell_styled(failed_share, failed > 0.05 ? STYLE_WARN : STYLE_PLAIN),
                         price_cell(f, json_at(json, "price"), units),
                         amount_member(json, "price.input"),
                         amount_member(json, "price.output"),
                         amount_member(json, "price.call"),
                         cell_string(json_string(json, "price.source")),
                         json_at(json, "price.verified") ? cell_bool(field_true(json, "price.verified")) : cell_unknown(),
                         balance,
                         runs_out_cell(f, json),
                         amount_member(json, "runs_out_at"),
                         amount_member(json, "runs_out_low"),
                         amount_member(json, "runs_out_high"),
                         cell_styled(cell_string(why                                ? why
                                                 : writer_form(f->w) == WRITER_TEXT ? ""
                                                                                    : NULL),
                                     STYLE_WARN),
                     });
}

/* only: the workload whose platforms these are; NULL = those of all, for programs. */
static void write_platforms(const struct forecast *f, const cJSON *only)
{
    char title[32];
    bool table = isfinite(field_number(only, "table.cost")), any_why = false, any_call = false;
    const cJSON *workload, *item;

    cJSON_ArrayForEach(item, json_at(only, "platforms"))
    {
        any_why = any_why || field_words(item, "why")[0];
        any_call = any_call || field_number(item, "price.call") > 0;
    }
    snprintf(title, sizeof title, "%.0f DAYS", f->days);
    const struct column columns[] = {
        {.key = "workload"},
        {.key = "platform", .title = "PLATFORM", .least = 10},
        {.key = "title", .title = "NAME", .drop = 9, .least = 8},
        {.key = "state", .title = "STATE", .drop = 5},
        {.key = "cost", .title = title, .right = true},
        {.title = "BETWEEN", .right = true, .drop = 1},
        {.key = "cost_low"},
        {.key = "cost_high"},
        {.key = "against_table", .title = table ? "± TABLE" : NULL, .right = true, .drop = 4},
        {.title = "1K REQ", .right = true, .drop = 2},
        {.key = "per_request"},
        {.key = "failed_share", .title = "FAILED", .right = true, .drop = 3},
        {.title = any_call ? "PRICE" : "IN/OUT 1M", .right = true, .drop = 8},
        {.key = "price_input"},
        {.key = "price_output"},
        {.key = "price_call"},
        {.key = "price_source", .title = "PRICE OF", .drop = 10},
        {.key = "price_verified"},
        {.key = "balance", .title = "BALANCE", .right = true, .drop = 7},
        {.key = "runs_out", .title = "CREDIT ENDS"},
        {.key = "runs_out_at"},
        {.key = "runs_out_low"},
        {.key = "runs_out_high"},
        {.key = "why", .title = any_why ? "WHY" : NULL, .wrap = true, .least = 10},
    };
    int64_t number_of = 0;
    writer_table(f->w, "platforms", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(workload, json_at(f->json, "workloads"))
    {
        size_t len;
        number_of++;
        if (only && workload != only)
            continue;
        struct candidate *list CLEANUP(alloc_freep) = sorted(json_at(workload, "platforms"), &len);
        if (!only)
            writer_group(f->w, "model", field_words(workload, "model"), NULL, STYLE_PLAIN);
        for (size_t i = 0; i < len; i++)
            write_candidate(f, &list[i], number_of, field_number(workload, "table.cost"), any_call, i == 0);
    }
    writer_table_end(f->w);
    if (only && cJSON_GetArraySize(json_at(only, "platforms")) == 0)
        writer_note(f->w, STYLE_WARN, "No platform has this model.");
}

/* --- for programs ----------------------------------------------------------------------------------------------------- */

static void write_workloads(const struct forecast *f)
{
    static const struct column columns[] = {
        {.key = "workload"},  {.key = "model"},      {.key = "requests_per_day"}, {.key = "input"},
        {.key = "output"},    {.key = "policy"},     {.key = "declared"},         {.key = "table_cost"},
        {.key = "table_low"}, {.key = "table_high"}, {.key = "table_why"},
    };
    static const struct column shares[] = {{.key = "workload"}, {.key = "platform"}, {.key = "weight"}, {.key = "cost"}};
    const cJSON *workload, *share;
    int64_t number_of = 0;

    writer_table(f->w, "workloads", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(workload, json_at(f->json, "workloads"))
        writer_row(f->w, (struct cell[]){cell_integer(++number_of), cell_string(json_string(workload, "model")),
                                         amount_member(workload, "requests_per_day"), amount_member(workload, "input"),
                                         amount_member(workload, "output"), cell_string(json_string(workload, "policy")),
                                         cell_bool(field_true(workload, "declared")), amount_member(workload, "table.cost"),
                                         amount_member(workload, "table.low"), amount_member(workload, "table.high"),
                                         cell_string(json_string(workload, "table.why"))});
    writer_table_end(f->w);
    number_of = 0;
    writer_table(f->w, "shares", shares, ARRAY_LEN(shares));
    cJSON_ArrayForEach(workload, json_at(f->json, "workloads"))
    {
        number_of++;
        writer_group(f->w, "model", field_words(workload, "model"), NULL, STYLE_PLAIN);
        cJSON_ArrayForEach(share, json_at(workload, "table.shares"))
            writer_row(f->w, (struct cell[]){cell_integer(number_of), cell_string(json_string(share, "platform")),
                                             amount_member(share, "weight"), amount_member(share, "cost")});
    }
    writer_table_end(f->w);
}

static void write_all(const struct forecast *f)
{
    const cJSON *workload, *workloads = json_at(f->json, "workloads");
    bool text = writer_form(f->w) == WRITER_TEXT;

    writer_tagged(f->w);
    writer_fact(f->w, "currency", NULL, cell_string(f->currency));
    writer_fact(f->w, "days", NULL, amount_number(f->days, 0));
    if (!text) {
        write_workloads(f);
        write_platforms(f, NULL);
        return;
    }
    cJSON_ArrayForEach(workload, workloads)
    {
        write_heading(f, workload);
        write_table(f, json_at(workload, "table"));
        write_platforms(f, workload);
    }
    if (cJSON_GetArraySize(workloads) == 0)
        writer_note(
            f->w, STYLE_WARN,
            "The configuration declares no workload%s: say one, like routectl forecast %s --requests 50k/day --input 1200 --output 300",
            f->command->args_len > 0 ? " of this model" : "", f->command->args_len > 0 ? f->command->args[0] : "MODEL");
}

enum exit_code verb_forecast(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;

    if (!make_target(&target, command))
        return EXIT_USAGE;
    enum exit_code code = fetch(command, buf_str(&target), &answer);
    if (code == EXIT_REFUSED && answer.status == 400 && command->args_len > 0 && !command->requests)
        complain("say how many: routectl forecast %s --requests 50k/day --input 1200 --output 300", command->args[0]);
    if (code != EXIT_OK)
        return code;
    struct forecast f = {.command = command,
                         .json = answer.json,
                         .w = w,
                         .now = (double)fetch_now() / 1e6,
                         .currency = json_string(answer.json, "currency"),
                         .days = field_number(answer.json, "days")};
    if (!(f.days > 0 && f.days < 1e5))
        f.days = 30;
    writer_document(w, answer.json);
    write_all(&f);
    return fetch_verdict(&answer, EXIT_OK);
}
