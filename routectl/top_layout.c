/* The window shared out, and the list and the events in it.
 *
 * The head takes two rows where there is room, else one. The list gets what it needs; the events get a quarter of the rest, and whatever
 * the list leaves. Below 16 rows there are no events. A choice, an explanation or the help takes the place of both. */
#include "routectl/top_layout.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "routectl/top_columns.h"

#define DIALOG_ROWS    4
#define EVENTS_LEAST   3  /* with their title; fewer are not worth the rows */
#define EVENTS_ROWS    16 /* a window with fewer rows shows none */
#define HEAD_TWO_ROWS  16
#define EVENTS_OF_REST 4

/* The events that concern what is shown, newest first, at most `most`; returns how many. ret may be NULL. */
static size_t events_shown(const struct top_view *view, const struct top_event **ret, size_t most)
{
    const char *policy = view->table && view->table->len > 0 ? view->table->policies[0].name : view->policy;
    size_t n = 0;

    for (size_t i = view->events ? view->events->len : 0; i > 0 && n < most; i--) {
        const struct top_event *event = &view->events->items[i - 1];
        if ((view->paused_at > 0 && event->at > view->paused_at) || !top_event_concerns(event, policy, view->model))
            continue;
        if (ret)
            ret[n] = event;
        n++;
    }
    return n;
}

struct top_share top_share_rows(const struct top_view *view)
{
    struct top_share share = {.head = view->rows >= HEAD_TWO_ROWS ? 2 : 1, .dialog = view->mode == TOP_CONFIRM ? DIALOG_ROWS : 0};
    size_t taken = share.head + 1 + share.dialog + 1;
    size_t rest = view->rows > taken ? view->rows - taken : 0;

    if (view->rows >= EVENTS_ROWS) {
        size_t want = events_shown(view, NULL, TOP_EVENTS_MAX) + 1, fair = rest / EVENTS_OF_REST;
        size_t left = rest > view->len ? rest - view->len : 0;
        size_t most = left > fair ? left : fair;
        want = want > EVENTS_LEAST ? want : EVENTS_LEAST;
        share.events = want < most ? want : most;
        if (share.events < EVENTS_LEAST)
            share.events = 0;
    }
    share.list = rest - share.events;
    return share;
}

/* --- the list --------------------------------------------------------------------------------------------------------- */

static void scroll(size_t *first, size_t selected, size_t page, size_t len)
{
    if (page == 0)
        return;
    if (selected < *first)
        *first = selected;
    if (selected >= *first + page)
        *first = selected - page + 1;
    if (*first + page > len)
        *first = len > page ? len - page : 0;
}

static void put_list(struct top_view *view, struct top_frame *frame, size_t row, size_t rows)
{
    struct top_columns columns;

    view->page = rows;
    scroll(&view->first, view->selected, rows, view->len);
    top_columns_fit(&columns, view);
    top_columns_title(&columns, view, frame, row);
    for (size_t i = 0; i < rows && view->first + i < view->len; i++)
        top_columns_row(&columns, view, view->first + i, frame, row + 1 + i);
    if (view->len == 0 && rows > 0) {
        if (!view->table)
            top_put(frame, row + 1, STYLE_DIM, "  waiting for the first table ...");
        else if (view->filter.len > 0)
            top_putf(frame, row + 1, STYLE_WARN, "  No route matches \"%s\". Esc shows all.", view->filter.text);
        else
            top_put(frame, row + 1, STYLE_WARN, "  There is no route here.");
    }
    if (!view->link.connected) {
        for (size_t i = 0; i < rows && view->first + i < view->len; i++)
            top_mark_row(frame, row + 1 + i, TOP_FADED);
    }
}

/* --- events ----------------------------------------------------------------------------------------------------------- */

static void format_time(char *ret, size_t size, usec_t at, bool day)
{
    time_t t = (time_t)(at / USEC_PER_SEC);
    struct tm tm;
    if (at <= 0 || !localtime_r(&t, &tm) || strftime(ret, size, day ? "%m-%d %H:%M" : "%H:%M:%S", &tm) == 0)
        snprintf(ret, size, "-");
}

static void put_events(const struct top_view *view, struct top_frame *frame, size_t row, size_t rows)
{
    const struct top_event *events[TOP_EVENTS_MAX];
    size_t shown = events_shown(view, events, rows - 1 < TOP_EVENTS_MAX ? rows - 1 : TOP_EVENTS_MAX);
    bool days = false;
    char when[32];

    top_put(frame, row, STYLE_BOLD | TOP_STRONG, "EVENTS");
    if (view->events && view->events->asked && !view->events->told)
        top_put(frame, row, STYLE_DIM, "  seen here since top began; the daemon keeps none");
    top_mark_row(frame, row, TOP_REVERSE);
    if (shown == 0)
        top_put(frame, row + 1, STYLE_DIM, "  nothing yet");
    for (size_t i = 0; i < shown; i++)
        days = days || view->now - events[i]->at > 20 * USEC_PER_HOUR;
    for (size_t i = 0; i < shown; i++) {
        const struct top_event *event = events[shown - 1 - i];
        bool old = view->now - event->at > 20 * USEC_PER_HOUR;
        format_time(when, sizeof when, event->at, old);
        top_put_cell(frame, row + 1 + i, STYLE_DIM, when, days ? 11 : 8, TEXT_LEFT);
        top_putf(frame, row + 1 + i, event->style, " %c %s", event->sign, event->text);
        if (!view->link.connected)
            top_mark_row(frame, row + 1 + i, TOP_FADED);
    }
}

/* --- the whole -------------------------------------------------------------------------------------------------------- */

/* A sentence over as many rows as it takes. */
static void put_too_small(const struct top_view *view, struct top_frame *frame)
{
    char text[128];
    snprintf(text, sizeof text, "%d columns and %d rows are needed, this window has %zu and %zu. q quits.", TOP_LEAST_COLUMNS,
             TOP_LEAST_ROWS, view->columns, view->rows);
    size_t row = 0;
    for (char *word = text, *next; *word; word = next) {
        size_t len = strcspn(word, " ");
        next = word + len + strspn(word + len, " ");
        if (len + 1 > top_room(frame, row) && frame->columns > 0 && row < frame->rows && frame->lines[row].width > 0)
            row++;
        top_putf(frame, row, STYLE_PLAIN, "%.*s ", (int)len, word);
    }
}

void top_layout(struct top_view *view, struct top_frame *frame)
{
    top_frame_begin(frame, view->rows, view->columns);
    if (view->rows < TOP_LEAST_ROWS || view->columns < TOP_LEAST_COLUMNS) {
        put_too_small(view, frame);
        return;
    }
    struct top_share share = top_share_rows(view);
    top_layout_head(view, frame, share.head);
    if (view->mode == TOP_LIST || view->mode == TOP_FILTER || view->mode == TOP_CONFIRM) {
        put_list(view, frame, share.head, share.list);
        if (share.events > 0)
            put_events(view, frame, share.head + 1 + share.list, share.events);
    } else {
        top_layout_pane(view, frame, share.head, view->rows - share.head - 1);
    }
    if (share.dialog > 0)
        top_layout_dialog(view, frame, view->rows - 1 - share.dialog);
    top_layout_foot(view, frame, view->rows - 1);
}
