/* Which columns, how wide, and the cells of a row.
 *
 * Every column gets its least width, names what they need; while they do not fit, the least important column goes, and before an important
 * one goes the names are cut. What is left over is given to names again, then to the sparkline, the bar and the reason. A table of one
 * model has no column for it: the head names it. */
#include "routectl/top_columns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "routectl/figures.h"

static const struct {
    const char *title;
    size_t least, most;
    int leaves;
    bool right;
    enum top_sort sort;
} all[TOP_COLUMN_COUNT] = {
#define X(id, title, least, most, leaves, right, sort) {title, least, most, leaves, right, sort},
    TOP_COLUMN_TABLE(X)
#undef X
};

#define NAME_ENOUGH      16 /* columns in which most names can be told apart */
#define LESS_THAN_A_NAME 6  /* columns that leave no later go before a name is cut */

/* --- widths ----------------------------------------------------------------------------------------------------------- */

static bool one_model(const struct top_view *view)
{
    return view->model[0] || (view->table && view->table->len > 0 && view->table->policies[0].len <= 1);
}

static size_t total(const struct top_columns *columns)
{
    size_t sum = TOP_MARK_WIDTH, shown = 0;
    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++) {
        sum += columns->width[i];
        shown += columns->width[i] > 0;
    }
    return sum + (shown > 0 ? shown - 1 : 0);
}

/* Drops the column that is missed the least, if that is at least so dispensable. */
static bool drop_one(struct top_columns *columns, int leaves)
{
    size_t worst = TOP_COLUMN_COUNT;
    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++) {
        if (columns->width[i] > 0 && all[i].leaves >= leaves && (worst == TOP_COLUMN_COUNT || all[i].leaves > all[worst].leaves))
            worst = i;
    }
    if (worst == TOP_COLUMN_COUNT)
        return false;
    columns->width[worst] = 0;
    return true;
}

/* What people call the platform, where that is more than its name; else "". */
static const char *title_of(const struct table_row *row)
{
    const struct table_facts *facts = row->facts;
    return facts->title && strcasecmp(facts->title, facts->platform) != 0 ? facts->title : "";
}

/* As wide as its texts need, within bounds. */
static size_t wanted(const struct top_view *view, enum top_column column)
{
    size_t most = 0;
    for (size_t i = 0; i < view->len && most < all[column].most; i++) {
        const struct top_row *row = &view->list[i];
        size_t width = text_width(column == TOP_COLUMN_MODEL   ? row->model
                                  : column == TOP_COLUMN_TITLE ? title_of(row->row)
                                                               : row->row->facts->platform);
        most = width > most ? width : most;
    }
    return most < all[column].most ? most : all[column].most;
}

static void give(struct top_columns *columns, size_t window, enum top_column column, size_t most)
{
    size_t used = total(columns);
    if (columns->width[column] == 0 || used >= window || columns->width[column] >= most)
        return;
    size_t more = most - columns->width[column];
    columns->width[column] += more < window - used ? more : window - used;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

void top_columns_fit(struct top_columns *ret, const struct top_view *view)
{
    size_t window = view->columns;

    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++)
        ret->width[i] = all[i].least;
    if (one_model(view))
        ret->width[TOP_COLUMN_MODEL] = 0;
    if (wanted(view, TOP_COLUMN_TITLE) == 0)
        ret->width[TOP_COLUMN_TITLE] = 0;
    size_t model = ret->width[TOP_COLUMN_MODEL], platform = ret->width[TOP_COLUMN_PLATFORM];
    give(ret, SIZE_MAX, TOP_COLUMN_PLATFORM, least_of(NAME_ENOUGH, wanted(view, TOP_COLUMN_PLATFORM)));
    give(ret, SIZE_MAX, TOP_COLUMN_MODEL, least_of(NAME_ENOUGH, wanted(view, TOP_COLUMN_MODEL)));
    while (total(ret) > window && drop_one(ret, LESS_THAN_A_NAME))
        ;
    if (total(ret) > window) {
        ret->width[TOP_COLUMN_MODEL] = model;
        ret->width[TOP_COLUMN_PLATFORM] = platform;
    }
    while (total(ret) > window && drop_one(ret, 1))
        ;
    give(ret, window, TOP_COLUMN_PLATFORM, wanted(view, TOP_COLUMN_PLATFORM));
    give(ret, window, TOP_COLUMN_MODEL, wanted(view, TOP_COLUMN_MODEL));
    give(ret, window, TOP_COLUMN_SPARK, 12);
    give(ret, window, TOP_COLUMN_TITLE, wanted(view, TOP_COLUMN_TITLE));
    give(ret, window, TOP_COLUMN_WEIGHT, 12);
    give(ret, window, TOP_COLUMN_INPUT, all[TOP_COLUMN_INPUT].most);
    give(ret, window, TOP_COLUMN_OUTPUT, all[TOP_COLUMN_OUTPUT].most);
    give(ret, window, TOP_COLUMN_SPARK, 24);
    give(ret, window, TOP_COLUMN_WHY, 24);
    give(ret, window, TOP_COLUMN_WEIGHT, all[TOP_COLUMN_WEIGHT].most);
    give(ret, window, TOP_COLUMN_WHY, all[TOP_COLUMN_WHY].most);
    give(ret, window, TOP_COLUMN_SPARK, all[TOP_COLUMN_SPARK].most);
}

/* --- titles ----------------------------------------------------------------------------------------------------------- */

void top_columns_title(const struct top_columns *columns, const struct top_view *view, struct top_frame *frame, size_t row)
{
    char title[64], span[32];

    top_put_until(frame, row, STYLE_PLAIN, TOP_MARK_WIDTH);
    for (size_t i = 0, shown = 0; i < TOP_COLUMN_COUNT; i++) {
        if (columns->width[i] == 0)
            continue;
        if (shown++ > 0)
            top_put(frame, row, STYLE_PLAIN, " ");
        bool sorted = all[i].sort == view->sort;
        const char *mark = !sorted ? "" : view->ascii ? (view->backwards ? "v" : "^") : view->backwards ? "▼" : "▲";
        if (i == TOP_COLUMN_SPARK) {
            usec_t reach = (usec_t)llround((top_view_spark_until(view) - top_view_spark_from(view)) * 1e6);
            units_format_duration(span, sizeof span, reach);
            if (columns->width[i] >= 10)
                snprintf(title, sizeof title, "TTFT, %s", span);
            else
                snprintf(title, sizeof title, "%s", span);
        } else if (all[i].right) {
            snprintf(title, sizeof title, "%s%s", mark, all[i].title);
        } else {
            snprintf(title, sizeof title, "%s%s", all[i].title, mark);
        }
        top_put_cell(frame, row, sorted ? (STYLE_BOLD | TOP_STRONG) : STYLE_PLAIN, title, columns->width[i],
                     all[i].right ? TEXT_RIGHT : TEXT_LEFT);
    }
    top_mark_row(frame, row, TOP_REVERSE);
}

/* --- cells ------------------------------------------------------------------------------------------------------------ */

char top_state_sign(enum route_state state)
{
    static const char signs[ROUTE_STATE_COUNT] = {
        [ROUTE_UP] = '+',   [ROUTE_DEGRADED] = '~', [ROUTE_LIMITED] = '!', [ROUTE_NEW] = '?',
        [ROUTE_DOWN] = 'x', [ROUTE_UNUSABLE] = '#', [ROUTE_MISSING] = '-', [ROUTE_DRAINED] = '=',
    };
    return state < ROUTE_STATE_COUNT ? signs[state] : ' ';
}

static void put_figure(struct top_frame *frame, size_t row, struct cell cell, size_t width)
{
    top_put_cell(frame, row, cell.kind == CELL_UNKNOWN ? STYLE_DIM : cell.style,
                 cell.kind == CELL_UNKNOWN && !cell.shown[0] ? "-" : cell.shown, width, TEXT_RIGHT);
}

static void put_spark(const struct top_view *view, const struct top_row *row, struct top_frame *frame, size_t line, size_t width)
{
    struct top_point points[TOP_TRAIL_TOLD_MAX + TOP_TRAIL_SEEN_MAX];
    double bins[TOP_SPARK_MAX];
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    const struct top_trail *trail = view->trails ? top_trails_find(view->trails, row->row->facts->platform, row->model) : NULL;
    size_t len = top_trail_points(trail, points);
    double from = top_view_spark_from(view), until = top_view_spark_until(view), part = (until - from) / (double)width;

    /* Each column stands for a fixed part of time and moves when the next one begins, and not with each second a little. */
    double end = ceil(until / part) * part;
    top_spark_bins(bins, width, points, len, end - part * (double)width, end, until);
    top_spark_draw(&text, bins, width, view->ascii);
    top_put_cell(frame, line, STYLE_PLAIN, buf_str(&text), width, TEXT_LEFT);
}

static void put_weight(const struct top_view *view, const struct table_row *row, struct top_frame *frame, size_t line, size_t width)
{
    struct buf bar CLEANUP(buf_done) = BUF_INIT;
    double ratio = (double)row->slots / TABLE_SLOTS;
    size_t room = width > 5 ? width - 5 : 0; /* " 100%" */

    if (view->ascii) {
        for (size_t i = 0; i < room && row->slots > 0 && (i == 0 || (double)i + 0.5 < ratio * (double)room); i++)
            buf_add_char(&bar, '=');
    } else {
        figure_bar(&bar, ratio, room);
    }
    top_put_cell(frame, line, row->slots > 0 ? STYLE_PLAIN : STYLE_DIM, buf_str(&bar), room, TEXT_LEFT);
    put_figure(frame, line, figure_share(row->slots), width - room);
}

static void put_why(const struct table_row *row, struct top_frame *frame, size_t line, size_t width)
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
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    buf_add_str(&text, row->reason == REASON_DEARER ? "behind" : route_reason_name(row->reason));
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        if ((row->flags & more[i].flag) && row->reason != more[i].said_by)
            buf_printf(&text, ", %s", more[i].text);
    }
    top_put_cell(frame, line, STYLE_DIM, buf_str(&text), width, TEXT_LEFT);
}

static void put_state(const struct table_row *row, struct top_frame *frame, size_t line, size_t width)
{
    char text[32];
    const char *name = route_state_name(row->state);
    snprintf(text, sizeof text, "%c %s", top_state_sign(row->state), name);
    top_put_cell(frame, line, figure_state_style(name), text, width, TEXT_LEFT);
}

/* "*1": pinned there. */
static void put_rank(const struct table_row *row, struct top_frame *frame, size_t line, size_t width)
{
    char text[16];
    snprintf(text, sizeof text, "%s%u", row->flags & ROW_PINNED ? "*" : "", row->rank);
    top_put_cell(frame, line, STYLE_PLAIN, text, width, TEXT_RIGHT);
}

static void put_column(enum top_column column, const struct top_view *view, const struct top_row *at, struct top_frame *frame, size_t line,
                       size_t width)
{
    const struct table_row *row = at->row;
    const char *currency = view->table->currency;
    struct cell cell = cell_unknown();

    switch (column) {
    case TOP_COLUMN_RANK:
        put_rank(row, frame, line, width);
        return;
    case TOP_COLUMN_MODEL:
        top_put_name(frame, line, STYLE_PLAIN, at->model, width);
        return;
    case TOP_COLUMN_PLATFORM:
        top_put_name(frame, line, STYLE_PLAIN, row->facts->platform, width);
        return;
    case TOP_COLUMN_TITLE:
        top_put_cell(frame, line, STYLE_DIM, title_of(row), width, TEXT_LEFT);
        return;
    case TOP_COLUMN_STATE:
        put_state(row, frame, line, width);
        return;
    case TOP_COLUMN_SPARK:
        put_spark(view, at, frame, line, width);
        return;
    case TOP_COLUMN_WEIGHT:
        put_weight(view, row, frame, line, width);
        return;
    case TOP_COLUMN_WHY:
        put_why(row, frame, line, width);
        return;
    case TOP_COLUMN_SPEED:
        if (row->tokens_per_s > 0)
            cell = cell_shown(cell_integer(0), "%.0f", row->tokens_per_s);
        break;
    case TOP_COLUMN_SAMPLES:
        if (row->samples > 99999)
            cell = cell_shown(cell_integer(0), ">99k");
        else
            cell = cell_shown(cell_integer(0), "%u", row->samples);
        break;
    default:
        cell = column == TOP_COLUMN_TTFT           ? figure_msec(row->ttft_p50)
               : column == TOP_COLUMN_P95          ? figure_msec(row->ttft_p95)
               : column == TOP_COLUMN_AVAILABILITY ? figure_ratio(row->availability)
               : column == TOP_COLUMN_INPUT        ? figure_price(row->price_input, currency)
               : column == TOP_COLUMN_OUTPUT       ? figure_price(row->price_output, currency)
               : column == TOP_COLUMN_SCORE        ? figure_score(row->score)
                                                   : figure_age(row->sampled_at, view->now);
        break;
    }
    put_figure(frame, line, cell, width);
}

void top_columns_row(const struct top_columns *columns, const struct top_view *view, size_t at, struct top_frame *frame, size_t row)
{
    bool selected = at == view->selected;

    top_put(frame, row, STYLE_PLAIN, selected ? "> " : "  ");
    for (size_t i = 0, shown = 0; i < TOP_COLUMN_COUNT; i++) {
        if (columns->width[i] == 0)
            continue;
        if (shown++ > 0)
            top_put(frame, row, STYLE_PLAIN, " ");
        put_column((enum top_column)i, view, &view->list[at], frame, row, columns->width[i]);
    }
    if (selected)
        top_mark_row(frame, row, TOP_REVERSE);
    else if (!route_reason_eligible(view->list[at].row->reason))
        top_mark_row(frame, row, TOP_FADED);
}
