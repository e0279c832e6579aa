/* Rows of the ranked table as cells, and which columns a narrow window can do without.
 *
 * 80 columns hold rank, platform, state, share, first token, availability and both prices with the reason; 200 hold everything. A fee a
 * call that no route has, or what nobody knows, still has its column in JSON and TSV: only people are spared. */
#include "routectl/ranked.h"

#include <stdio.h>
#include <string.h>

#include "routectl/figures.h"

enum {
    COL_GENERATION,
    COL_RANK,
    COL_MOVE,
    COL_PLATFORM,
    COL_STATE,
    COL_SHARE,
    COL_SCORE,
    COL_TTFT,
    COL_TTFT_P95,
    COL_TOTAL,
    COL_SPEED,
    COL_AVAILABILITY,
    COL_LOW,
    COL_INPUT,
    COL_OUTPUT,
    COL_CALL,
    COL_COST,
    COL_SAMPLES,
    COL_AGE,
    COL_LEVEL,
    COL_REASON,
    COL_UPSTREAM,
    COL_DIALECT,
    COL_ENDPOINT,
    COL_FLAGS,
    COL_SLOTS,
    COL_STALE,
    COL_COUNT
};

static const struct column all_columns[COL_COUNT] = {
    [COL_GENERATION] = {.key = "generation"},
    [COL_RANK] = {.key = "rank", .title = "#", .right = true},
    [COL_MOVE] = {.key = "moved", .title = ""},
    [COL_PLATFORM] = {.key = "platform", .title = "PLATFORM", .least = 10},
    [COL_STATE] = {.key = "state", .title = "STATE"},
    [COL_SHARE] = {.key = "weight", .title = "SHARE", .right = true, .drop = 1},
    [COL_SCORE] = {.key = "score", .title = "SCORE", .right = true, .drop = 6},
    [COL_TTFT] = {.key = "ttft_ms", .title = "TTFT", .right = true},
    [COL_TTFT_P95] = {.key = "ttft_p95_ms", .title = "P95", .right = true, .drop = 7},
    [COL_TOTAL] = {.key = "total_ms", .title = "TOTAL", .right = true, .drop = 13},
    [COL_SPEED] = {.key = "tokens_per_s", .title = "TOK/S", .right = true, .drop = 12},
    [COL_AVAILABILITY] = {.key = "availability", .title = "AVAIL", .right = true, .drop = 3},
    [COL_LOW] = {.key = "availability_low", .title = "AT LEAST", .right = true, .drop = 14},
    [COL_INPUT] = {.key = "price_input", .title = "IN/1M", .right = true, .drop = 4},
    [COL_OUTPUT] = {.key = "price_output", .title = "OUT/1M", .right = true, .drop = 4},
    [COL_CALL] = {.key = "price_call"},
    [COL_COST] = {.key = "cost"},
    [COL_SAMPLES] = {.key = "samples", .title = "N", .right = true, .drop = 9},
    [COL_AGE] = {.key = "sampled_at", .title = "AGE", .right = true, .drop = 8},
    [COL_LEVEL] = {.key = "level", .title = "PROBED", .drop = 11},
    [COL_REASON] = {.key = "reason", .title = "WHY", .drop = 2, .least = 8},
    [COL_UPSTREAM] = {.key = "upstream_model", .title = "NAME THERE", .drop = 15, .least = 12},
    [COL_DIALECT] = {.key = "dialect"},
    [COL_ENDPOINT] = {.key = "endpoint", .title = "ENDPOINT", .drop = 16, .least = 16},
    [COL_FLAGS] = {.key = "flags"},
    [COL_SLOTS] = {.key = "slots"},
    [COL_STALE] = {.key = "stale_at"},
};

static const struct {
    uint16_t flag;
    const char *name;
} flag_names[] = {
    {ROW_PROVISIONAL, "provisional"}, {ROW_UNSCORABLE, "unscorable"},       {ROW_RESTORED, "restored"},   {ROW_PANIC, "panic"},
    {ROW_PINNED, "pinned"},           {ROW_PRICE_UNKNOWN, "price_unknown"}, {ROW_PROBATION, "probation"}, {ROW_STANDBY, "standby"},
};

static void add_flags(struct buf *ret, uint16_t flags)
{
    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++) {
        if (flags & flag_names[i].flag)
            buf_printf(ret, "%s%s", ret->len > 0 ? "," : "", flag_names[i].name);
    }
}

/* The reason, and of the flags those that say more than it does. */
static void add_why(struct buf *ret, const struct table_row *row)
{
    static const struct {
        uint16_t flag;
        enum route_reason said_by;
        const char *text;
    } more[] = {
        {ROW_PINNED, REASON_PINNED, "pinned"},          {ROW_PANIC, REASON_PANIC, "panic"},
        {ROW_PROBATION, REASON_PROBATION, "probation"}, {ROW_PROVISIONAL, REASON_PROVISIONAL, "few samples"},
        {ROW_UNSCORABLE, REASON_COUNT, "unscorable"},   {ROW_PRICE_UNKNOWN, REASON_COUNT, "no price"},
        {ROW_RESTORED, REASON_COUNT, "restored"},
    };
    buf_add_str(ret, row->reason == REASON_DEARER ? "behind" : route_reason_name(row->reason));
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        if ((row->flags & more[i].flag) && row->reason != more[i].said_by)
            buf_printf(ret, ", %s", more[i].text);
    }
}

static struct cell move_cell(int by)
{
    struct cell cell = cell_integer(by);
    if (by == 0)
        return cell_shown(cell, " ");
    return cell_styled(cell_shown(cell, "%s%d", by > 0 ? "▲" : "▼", by > 0 ? by : -by), by > 0 ? STYLE_GOOD : STYLE_BAD);
}

static void fill_row(struct cell *cells, const struct ranked_view *view, const struct ranking *ranking, const struct table_row *row)
{
    const struct table_facts *facts = row->facts;
    const char *currency = view->table->currency;
    bool overdue = row->stale_at > 0 && view->now > row->stale_at;

    cells[COL_GENERATION] = cell_integer((int64_t)view->table->generation);
    cells[COL_RANK] = cell_integer(row->rank);
    cells[COL_MOVE] = move_cell(view->moves ? moves_of(view->moves, ranking->model, facts->platform, view->now) : 0);
    cells[COL_PLATFORM] = cell_styled(cell_string(facts->platform), row->slots > 0 && row->rank == 1 ? STYLE_BOLD : STYLE_PLAIN);
    cells[COL_STATE] = figure_state(row->state);
    cells[COL_SHARE] = figure_share(row->slots);
    cells[COL_SCORE] = figure_score(row->score);
    cells[COL_TTFT] = figure_msec(row->ttft_p50);
    cells[COL_TTFT_P95] = figure_msec(row->ttft_p95);
    cells[COL_TOTAL] = figure_msec(row->total_p50);
    cells[COL_SPEED] = row->tokens_per_s > 0
                           ? cell_shown((struct cell){.kind = CELL_NUMBER, .number = row->tokens_per_s}, "%.0f", row->tokens_per_s)
                           : cell_unknown();
    cells[COL_AVAILABILITY] = figure_ratio(row->availability);
    cells[COL_LOW] = figure_ratio(row->availability_low);
    cells[COL_INPUT] = figure_price(row->price_input, currency);
    cells[COL_OUTPUT] = figure_price(row->price_output, currency);
    cells[COL_CALL] = row->price_call < 0 ? cell_unknown() : figure_money(row->price_call, currency);
    cells[COL_COST] = row->cost_pico < 0 ? cell_unknown() : figure_money(row->cost_pico, currency);
    cells[COL_SAMPLES] = cell_integer(row->samples);
    cells[COL_AGE] = cell_styled(figure_age(row->sampled_at, view->now), overdue ? STYLE_WARN : STYLE_PLAIN);
    cells[COL_LEVEL] = cell_string(facts->level);
    cells[COL_UPSTREAM] = cell_string(facts->upstream_model);
    cells[COL_DIALECT] = cell_string(facts->dialect);
    cells[COL_ENDPOINT] = cell_string(facts->endpoint);
    cells[COL_SLOTS] = cell_integer(row->slots);
    cells[COL_STALE] = figure_age(row->stale_at, view->now);
}

static void write_row(const struct ranked_view *view, struct writer *w, const int *index, size_t len, const struct ranking *ranking,
                      const struct table_row *row)
{
    struct cell all[COL_COUNT], cells[COL_COUNT];
    struct buf why CLEANUP(buf_done) = BUF_INIT;
    struct buf flags CLEANUP(buf_done) = BUF_INIT;

    fill_row(all, view, ranking, row);
    add_why(&why, row);
    add_flags(&flags, row->flags);
    all[COL_REASON] = cell_string(writer_form(w) == WRITER_TEXT ? buf_str(&why) : route_reason_name(row->reason));
    all[COL_REASON].style = row->slots > 0 ? STYLE_PLAIN : STYLE_DIM;
    all[COL_FLAGS] = flags.len > 0 ? cell_string(buf_str(&flags)) : cell_unknown();
    for (size_t c = 0; c < len; c++)
        cells[c] = all[index[c]];
    writer_row(w, cells);
}

/* What is said beside a model's name. */
static enum style add_beside(struct buf *ret, const struct ranking *ranking, size_t shown)
{
    enum style style = STYLE_DIM;
    size_t with_slots = 0;

    for (size_t i = 0; i < ranking->len; i++)
        with_slots += ranking->rows[i].slots > 0;
    buf_printf(ret, "%zu route%s", ranking->len, ranking->len == 1 ? "" : "s");
    if (with_slots > 0)
        buf_printf(ret, ", %zu in use", with_slots);
    if (ranking->flags & RANKING_NO_PRICE)
        buf_add_str(ret, ", no price known");
    if (ranking->flags & RANKING_PANIC) {
        buf_add_str(ret, " - PANIC: all are down, this is the best of the bad");
        style = STYLE_BAD;
    }
    if (with_slots == 0) {
        buf_add_str(ret, " - NO USABLE ROUTE");
        style = STYLE_BAD;
    }
    if (shown < ranking->len)
        buf_printf(ret, ", %zu shown", shown);
    return style;
}

static size_t shown_of(const struct ranking *ranking, size_t most)
{
    return most > 0 && most < ranking->len ? most : ranking->len;
}

bool ranked_write(const struct ranked_view *view, struct writer *w)
{
    const struct table_policy *policy = table_find_policy(view->table, NULL);
    struct column columns[COL_COUNT];
    int index[COL_COUNT];
    size_t len = 0;
    bool usable = false;

    for (int c = 0; c < COL_COUNT; c++) {
        if ((c == COL_MOVE && !view->moves) || (c == COL_GENERATION && !view->generation))
            continue;
        index[len] = c;
        columns[len++] = all_columns[c];
    }
    writer_table(w, "routes", columns, len);
    for (size_t m = 0; policy && m < policy->len; m++) {
        const struct ranking *ranking = policy->rankings[m];
        size_t shown = shown_of(ranking, view->most);
        struct buf beside CLEANUP(buf_done) = BUF_INIT;
        enum style style = add_beside(&beside, ranking, shown);
        writer_group(w, "model", ranking->model, buf_str(&beside), style);
        for (size_t i = 0; i < ranking->len; i++) {
            usable = usable || ranking->rows[i].slots > 0;
            if (i < shown)
                write_row(view, w, index, len, ranking, &ranking->rows[i]);
        }
    }
    writer_table_end(w);
    return usable;
}

bool ranked_head(struct buf *ret, const struct table *table, usec_t now)
{
    char age[32];
    const struct table_policy *policy = table_find_policy(table, NULL);

    if (table->flags & TABLE_LOCAL)
        buf_add_str(ret, "OUR OWN NETWORK IS AT FAULT, verdicts are frozen  ");
    if (table->flags & TABLE_RESTORED)
        buf_add_str(ret, "RESTORED, not yet confirmed by new probes  ");
    buf_printf(ret, "%s  generation %llu, %s old", policy ? policy->name : "no policy", (unsigned long long)table->generation,
               figure_span(age, sizeof age, now - table->published_at));
    return table->flags & TABLE_LOCAL;
}

size_t ranked_lines(const struct table *table, size_t most)
{
    const struct table_policy *policy = table_find_policy(table, NULL);
    size_t lines = 1; /* titles */
    for (size_t m = 0; policy && m < policy->len; m++)
        lines += 1 + shown_of(policy->rankings[m], most);
    return lines;
}
