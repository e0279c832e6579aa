/* routectl prices [MODEL]: what a model costs on each platform, side by side in one currency, and how much of that is to be believed.
 *
 * The prices shown are those that the platform advertises; how they are charged stands beside them, and rows are in the order of what is
 * charged (prices_row.c). Where a price comes from, how old it is and how far off the reference are part of it. Below stand the feeds of
 * prices that do not work, with the reason. */
#include "routectl/amounts.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/prices_row.h"
#include "routectl/scope.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define OFF_WARN 3  /* this many times the reference, or this part of it, is remarkable */
#define OFF_BAD  20 /* and this is not believed */

enum {
    COL_PLATFORM,
    COL_TITLE,
    COL_INPUT,
    COL_OUTPUT,
    COL_CACHE_READ,
    COL_CACHE_WRITE,
    COL_CALL,
    COL_COST,
    COL_VERIFIED,
    COL_OFF,
    COL_SOURCE,
    COL_AGE,
    COL_NOTES,
    COL_STATE,
    COL_UPSTREAM,
    COL_FETCHED,
    COL_RATIO,
    COL_LOW,
    COL_HIGH,
    COL_EVIDENCE,
    COL_WINDOWS,
    COL_INFLATION,
    COL_INFLATION_RATIO,
    COL_FREE,
    COL_OWN_CURRENCY,
    COL_OWN_INPUT,
    COL_OWN_OUTPUT,
    COL_OWN_CACHE_READ,
    COL_OWN_CACHE_WRITE,
    COL_OWN_CALL,
    COL_COUNT
};

static const struct column all_columns[COL_COUNT] = {
    [COL_PLATFORM] = {.key = "platform", .title = "PLATFORM", .least = 10},
    [COL_TITLE] = {.key = "title", .title = "NAME", .drop = 9, .least = 8},
    [COL_INPUT] = {.key = "input", .title = "IN/1M", .right = true},
    [COL_OUTPUT] = {.key = "output", .title = "OUT/1M", .right = true},
    [COL_CACHE_READ] = {.key = "cache_read", .title = "CACHED", .right = true, .drop = 6},
    [COL_CACHE_WRITE] = {.key = "cache_write"},
    [COL_CALL] = {.key = "call", .title = "A CALL", .right = true, .drop = 4},
    [COL_COST] = {.key = "cost_1000", .title = "1K REQ", .right = true, .drop = 7},
    [COL_VERIFIED] = {.key = "verified", .title = "CHARGED", .drop = 1},
    [COL_OFF] = {.key = "off_reference", .title = "OFF REF", .right = true, .drop = 5},
    [COL_SOURCE] = {.key = "source", .title = "SOURCE", .drop = 2},
    [COL_AGE] = {.key = "age_s", .title = "AGE", .right = true, .drop = 3},
    [COL_NOTES] = {.title = "NOTES", .wrap = true, .least = 12},
    [COL_STATE] = {.key = "state"},
    [COL_UPSTREAM] = {.key = "upstream_model"},
    [COL_FETCHED] = {.key = "fetched_at"},
    [COL_RATIO] = {.key = "ratio"},
    [COL_LOW] = {.key = "ratio_low"},
    [COL_HIGH] = {.key = "ratio_high"},
    [COL_EVIDENCE] = {.key = "evidence"},
    [COL_WINDOWS] = {.key = "windows"},
    [COL_INFLATION] = {.key = "inflation"},
    [COL_INFLATION_RATIO] = {.key = "inflation_ratio"},
    [COL_FREE] = {.key = "free"},
    [COL_OWN_CURRENCY] = {.key = "own_currency"},
    [COL_OWN_INPUT] = {.key = "own_input"},
    [COL_OWN_OUTPUT] = {.key = "own_output"},
    [COL_OWN_CACHE_READ] = {.key = "own_cache_read"},
    [COL_OWN_CACHE_WRITE] = {.key = "own_cache_write"},
    [COL_OWN_CALL] = {.key = "own_call"},
};

struct pricing {
    const struct command *command;
    const cJSON *json;
    struct writer *w;
    double now;
    const char *currency;
};

static struct cell off_cell(double off)
{
    struct cell cell = amount_number(off, 2);
    if (cell.kind == CELL_UNKNOWN || off <= 0)
        return cell_unknown();
    double away = off < 1 ? 1 / off : off;
    cell = cell_shown(cell, off < 9.95 ? "%.2fx" : "%.0fx", off);
    return cell_styled(cell, away >= OFF_BAD ? STYLE_BAD : away >= OFF_WARN ? STYLE_WARN : STYLE_PLAIN);
}

static void fill_prices(const struct pricing *p, struct cell *cells, const struct priced *row, bool first)
{
    const cJSON *json = row->json;
    enum style style = row->standing == 1 ? STYLE_DIM : STYLE_PLAIN;
    bool stale = strcmp(field_words(json, "state"), "stale") == 0;
    const char *source = json_string(json, "source");

    cells[COL_PLATFORM] = cell_styled(cell_string(json_string(json, "platform")), first && row->standing == 0 ? STYLE_BOLD : STYLE_PLAIN);
    cells[COL_TITLE] = cell_string(json_string(json, "title"));
    cells[COL_INPUT] = cell_styled(amount_price(field_number(json, "input"), p->currency), style);
    cells[COL_OUTPUT] = cell_styled(amount_price(field_number(json, "output"), p->currency), style);
    cells[COL_CACHE_READ] = cell_styled(amount_price(field_number(json, "cache_read"), p->currency), style);
    cells[COL_CACHE_WRITE] = amount_price(field_number(json, "cache_write"), p->currency);
    cells[COL_CALL] = cell_styled(amount_cell(field_number(json, "call"), p->currency), style);
    cells[COL_COST] = cell_styled(amount_price(row->standing < 2 ? row->cost : NAN, p->currency), style);
    cells[COL_OFF] = off_cell(field_number(json, "off_reference"));
    cells[COL_SOURCE] = cell_styled(cell_string(source), source && strcmp(source, "reference") == 0 ? STYLE_WARN : STYLE_PLAIN);
    cells[COL_AGE] = cell_styled(amount_age(field_number(json, "age_s")), stale ? STYLE_WARN : STYLE_PLAIN);
}

static void fill_evidence(struct cell *cells, const cJSON *json)
{
    cells[COL_STATE] = cell_string(json_string(json, "state"));
    cells[COL_UPSTREAM] = cell_string(json_string(json, "upstream_model"));
    cells[COL_FETCHED] = amount_member(json, "fetched_at");
    cells[COL_VERIFIED] = prices_verified(json_at(json, "verified"));
    cells[COL_RATIO] = amount_member(json, "verified.ratio");
    cells[COL_LOW] = amount_member(json, "verified.low");
    cells[COL_HIGH] = amount_member(json, "verified.high");
    cells[COL_EVIDENCE] = cell_string(json_string(json, "verified.evidence"));
    cells[COL_WINDOWS] = amount_member(json, "verified.windows");
    cells[COL_INFLATION] = cell_string(json_string(json, "inflation.state"));
    cells[COL_INFLATION_RATIO] = amount_member(json, "inflation.ratio");
    cells[COL_FREE] = cell_bool(field_true(json, "free"));
    cells[COL_OWN_CURRENCY] = cell_string(json_string(json, "own_currency"));
    cells[COL_OWN_INPUT] = amount_member(json, "own.input");
    cells[COL_OWN_OUTPUT] = amount_member(json, "own.output");
    cells[COL_OWN_CACHE_READ] = amount_member(json, "own.cache_read");
    cells[COL_OWN_CACHE_WRITE] = amount_member(json, "own.cache_write");
    cells[COL_OWN_CALL] = amount_member(json, "own.call");
}

/* Columns of which no row has anything to say are not shown to people. */
static void choose_columns(const struct pricing *p, struct column *columns)
{
    bool call = false, cached = false, off = false, notes = false;
    const cJSON *model, *item;

    memcpy(columns, all_columns, sizeof all_columns);
    cJSON_ArrayForEach(model, json_at(p->json, "models"))
    {
        size_t len;
        struct priced *rows CLEANUP(alloc_freep) = prices_sort(json_at(model, "rows"), &len);
        for (size_t i = 0; i < len; i++) {
            struct buf text CLEANUP(buf_done) = BUF_INIT;
            item = rows[i].json;
            prices_add_notes(&text, &rows[i]);
            notes = notes || text.len > 0;
            call = call || field_number(item, "call") > 0;
            cached = cached || isfinite(field_number(item, "cache_read"));
            off = off || isfinite(field_number(item, "off_reference"));
        }
    }
    columns[COL_CALL].title = call ? columns[COL_CALL].title : NULL;
    columns[COL_CACHE_READ].title = cached ? columns[COL_CACHE_READ].title : NULL;
    columns[COL_OFF].title = off ? columns[COL_OFF].title : NULL;
    columns[COL_NOTES].title = notes ? columns[COL_NOTES].title : NULL;
}

static void write_model(const struct pricing *p, const cJSON *model)
{
    size_t len, known = 0;
    struct priced *rows CLEANUP(alloc_freep) = prices_sort(json_at(model, "rows"), &len);
    struct buf beside CLEANUP(buf_done) = BUF_INIT;

    for (size_t i = 0; i < len; i++)
        known += rows[i].standing < 2;
    buf_printf(&beside, "%zu platform%s", len, len == 1 ? "" : "s");
    if (known < len)
        buf_printf(&beside, ", %zu without a known price", len - known);
    writer_group(p->w, "model", field_words(model, "model"), buf_str(&beside), known < len ? STYLE_WARN : STYLE_DIM);
    for (size_t i = 0; i < len; i++) {
        struct cell cells[COL_COUNT];
        struct buf notes CLEANUP(buf_done) = BUF_INIT;
        fill_prices(p, cells, &rows[i], i == 0);
        fill_evidence(cells, rows[i].json);
        prices_add_notes(&notes, &rows[i]);
        cells[COL_NOTES] = cell_styled(cell_string(buf_str(&notes)), rows[i].standing == 1 ? STYLE_BAD : STYLE_DIM);
        writer_row(p->w, cells);
    }
}

static void write_models(const struct pricing *p)
{
    struct column columns[COL_COUNT];
    const cJSON *model, *models = json_at(p->json, "models");

    choose_columns(p, columns);
    writer_table(p->w, "prices", columns, COL_COUNT);
    cJSON_ArrayForEach(model, models) write_model(p, model);
    writer_table_end(p->w);
    if (cJSON_GetArraySize(models) == 0)
        writer_note(p->w, STYLE_WARN, "No prices: the configuration has no routes%s.", p->command->args_len > 0 ? " for this model" : "");
}

/* --- tiers and details ------------------------------------------------------------------------------------------------ */

static void write_tiers(const struct pricing *p)
{
    static const struct column columns[] = {
        {.key = "platform"},   {.key = "from_tokens"}, {.key = "input"}, {.key = "output"},
        {.key = "cache_read"}, {.key = "cache_write"}, {.key = "call"},
    };
    const cJSON *model, *row, *tier;

    writer_table(p->w, "tiers", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(model, json_at(p->json, "models"))
    {
        writer_group(p->w, "model", field_words(model, "model"), NULL, STYLE_PLAIN);
        cJSON_ArrayForEach(row, json_at(model, "rows"))
        {
            cJSON_ArrayForEach(tier, json_at(row, "tiers")) writer_row(
                p->w, (struct cell[]){cell_string(json_string(row, "platform")), amount_member(tier, "from_tokens"),
                                      amount_member(tier, "input"), amount_member(tier, "output"), amount_member(tier, "cache_read"),
                                      amount_member(tier, "cache_write"), amount_member(tier, "call")});
        }
    }
    writer_table_end(p->w);
}

/* "in $0.15, out $0.60, cache read $0.08": those that are known. */
static void add_prices(struct buf *ret, const cJSON *prices, const char *currency)
{
    static const struct {
        const char *key, *name;
    } kinds[] = {{"input", "in"}, {"output", "out"}, {"cache_read", "cached"}, {"cache_write", "cache write"}, {"call", "a call"}};
    char shown[64];
    const char *gap = "";

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        double units = field_number(prices, kinds[i].key);
        if (!isfinite(units))
            continue;
        buf_printf(ret, "%s%s %s", gap, kinds[i].name, units == 0 ? "free" : amount_shown(shown, sizeof shown, units, currency));
        gap = ", ";
    }
    if (!gap[0])
        buf_add_str(ret, "not known");
}

static void detail(const struct pricing *p, const char **platform, const char *label, const char *text)
{
    writer_row(p->w,
               (struct cell[]){cell_string(*platform ? *platform : ""), cell_styled(cell_string(label), STYLE_DIM), cell_string(text)});
    *platform = "";
}

static void write_details_of(const struct pricing *p, const cJSON *row)
{
    const char *platform = field_words(row, "platform"), *own = json_string(row, "own_currency");
    char label[48], count[32];
    const cJSON *tier;
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    detail(p, &platform, "asked as", field_words(row, "upstream_model"));
    add_prices(&text, json_at(row, "own"), own);
    detail(p, &platform, "as it says", buf_str(&text));
    buf_clear(&text);
    add_prices(&text, json_at(row, "effective"), p->currency);
    detail(p, &platform, "as charged", buf_str(&text));
    buf_clear(&text);
    prices_add_verified(&text, json_at(row, "verified"), p->now);
    detail(p, &platform, "verified", buf_str(&text));
    buf_clear(&text);
    prices_add_inflation(&text, json_at(row, "inflation"));
    detail(p, &platform, "tokens", buf_str(&text));
    cJSON_ArrayForEach(tier, json_at(row, "tiers"))
    {
        buf_clear(&text);
        add_prices(&text, tier, p->currency);
        snprintf(label, sizeof label, "from %s", figure_thousands(count, sizeof count, field_count(tier, "from_tokens")));
        detail(p, &platform, label, buf_str(&text));
    }
}

static void write_details(const struct pricing *p)
{
    static const struct column columns[] = {
        {.title = "PLATFORM", .least = 10},
        {.title = ""},
        {.title = "", .wrap = true},
    };
    const cJSON *model;

    writer_heading(p->w, "Details; prices are of a million tokens, or of a call where it says so");
    writer_table(p->w, "details", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(model, json_at(p->json, "models"))
    {
        size_t len;
        struct priced *rows CLEANUP(alloc_freep) = prices_sort(json_at(model, "rows"), &len);
        writer_group(p->w, "model", field_words(model, "model"), NULL, STYLE_PLAIN);
        for (size_t i = 0; i < len; i++)
            write_details_of(p, rows[i].json);
    }
    writer_table_end(p->w);
}

/* --- feeds and rates -------------------------------------------------------------------------------------------------- */

static bool feed_fails(const cJSON *feed)
{
    const char *state = field_words(feed, "state");
    return strcmp(state, "failed") == 0 || strcmp(state, "stale") == 0;
}

static struct cell feed_state(const cJSON *feed)
{
    const char *state = json_string(feed, "state");
    enum style style = !state                         ? STYLE_PLAIN
                       : strcmp(state, "ok") == 0     ? STYLE_GOOD
                       : strcmp(state, "failed") == 0 ? STYLE_BAD
                       : strcmp(state, "stale") == 0  ? STYLE_WARN
                                                      : STYLE_DIM;
    return cell_styled(cell_string(state), style);
}

static void write_feeds(const struct pricing *p, bool all)
{
    const struct column columns[] = {
        {.key = "platform", .title = "PLATFORM", .least = 10},
        {.key = "title", .title = "NAME", .drop = 7, .least = 8},
        {.key = "source", .title = "SOURCE"},
        {.key = "state", .title = "STATE"},
        {.key = "age_s", .title = "LAST GOOD", .right = true, .drop = 2},
        {.key = "changed_at", .title = "CHANGED", .right = true, .drop = 4},
        {.key = "models", .title = "MODELS", .right = true, .drop = 3},
        {.key = "next_at", .title = "NEXT", .right = true, .drop = 5},
        {.key = "revision", .title = all && p->command->longer ? "REVISION" : NULL, .drop = 6, .least = 8},
        {.key = "fetched_at"},
        {.key = "why", .title = "WHY", .wrap = true},
    };
    const cJSON *feed;
    bool any = false;

    cJSON_ArrayForEach(feed, json_at(p->json, "platforms")) any = any || all || feed_fails(feed);
    if (!any)
        return;
    writer_heading(p->w, all ? "Where prices come from" : "Feeds of prices that fail: the last good prices stay");
    writer_table(p->w, "feeds", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(feed, json_at(p->json, "platforms"))
    {
        if (!all && !feed_fails(feed))
            continue;
        double models = field_number(feed, "models");
        const char *why = json_string(feed, "why");
        writer_row(p->w, (struct cell[]){
                             cell_string(json_string(feed, "platform")),
                             cell_string(json_string(feed, "title")),
                             cell_string(json_string(feed, "source")),
                             feed_state(feed),
                             amount_age(field_number(feed, "age_s")),
                             amount_when(feed, "changed_at", p->now),
                             isfinite(models) ? cell_integer(field_count(feed, "models")) : cell_unknown(),
                             amount_when(feed, "next_at", p->now),
                             cell_string(json_string(feed, "revision")),
                             amount_member(feed, "fetched_at"),
                             cell_string(writer_form(p->w) == WRITER_TEXT && !why ? "" : why),
                         });
    }
    writer_table_end(p->w);
}

/* "1 CNY = 0.139 (configuration)": what the daemon counts with. */
static void write_rates(const struct pricing *p)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    const cJSON *rate;

    cJSON_ArrayForEach(rate, json_at(p->json, "rates"))
    {
        double value = field_number(rate, "rate");
        struct cell at = amount_when(rate, "at", p->now);
        const char *source = field_words(rate, "source"), *code = field_words(rate, "currency");
        if (!isfinite(value) || !code[0])
            continue;
        buf_printf(&text, "%s%s %.6g (%s", text.len > 0 ? ", " : "", code, value, strcmp(source, "config") == 0 ? "configuration" : source);
        if (at.kind != CELL_UNKNOWN)
            buf_printf(&text, ", %s old", at.shown);
        buf_add_char(&text, ')');
    }
    if (text.len > 0)
        writer_note(p->w, STYLE_DIM, "Rates, in the reference currency: %s.", buf_str(&text));
}

static void write_rates_table(const struct pricing *p)
{
    static const struct column columns[] = {{.key = "currency"}, {.key = "rate"}, {.key = "source"}, {.key = "at"}};
    const cJSON *rate;

    writer_table(p->w, "rates", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(rate, json_at(p->json, "rates"))
        writer_row(p->w, (struct cell[]){cell_string(json_string(rate, "currency")), amount_member(rate, "rate"),
                                         cell_string(json_string(rate, "source")), amount_member(rate, "at")});
    writer_table_end(p->w);
}

enum exit_code verb_prices(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;

    buf_add_str(&target, "/v1/prices");
    fetch_query(&target, "model", command->args_len > 0 ? command->args[0] : NULL);
    scope_currency(&target, command);
    enum exit_code code = fetch(command, buf_str(&target), &answer);
    if (code != EXIT_OK)
        return code;
    struct pricing p = {.command = command,
                        .json = answer.json,
                        .w = w,
                        .now = (double)fetch_now() / 1e6,
                        .currency = json_string(answer.json, "currency")};
    bool text = writer_form(w) == WRITER_TEXT;
    char tokens[32];
    writer_document(w, answer.json);
    writer_tagged(w);
    writer_heading(w, "Prices in %s; 1K REQ: 1,000 requests of %s tokens in, %d out, as charged", p.currency ? p.currency : "?",
                   figure_thousands(tokens, sizeof tokens, PRICES_INPUT), PRICES_OUTPUT);
    writer_fact(w, "currency", NULL, cell_string(p.currency));
    write_models(&p);
    write_rates(&p);
    if (text && command->longer)
        write_details(&p);
    if (!text) {
        write_tiers(&p);
        write_rates_table(&p);
    }
    write_feeds(&p, !text || command->longer);
    return fetch_verdict(&answer, EXIT_OK);
}
