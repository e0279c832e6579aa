/* All that top shows and that its keys change: one plain struct, from which a screenful follows (top_layout.h) without a terminal.
 *
 * What is borrowed is owned by top.c. */
#ifndef ROUTECTL_TOP_VIEW_H
#define ROUTECTL_TOP_VIEW_H

#include "routectl/top_news.h"
#include "routectl/top_rows.h"
#include "routectl/top_trail.h"
#include "routectl/verb.h"

enum top_mode { TOP_LIST, TOP_FILTER, TOP_CONFIRM, TOP_POLICIES, TOP_MODELS, TOP_EXPLAIN, TOP_HELP };

#define TOP_INPUT_MAX  160
#define TOP_REASON_MAX 159 /* bytes: the daemon's limit */
#define TOP_FILTER_MAX 63

struct top_input { /* a line being typed; always valid UTF-8 */
    char text[TOP_INPUT_MAX];
    size_t len;
};

struct top_menu { /* a choice of names, narrowed by what is typed */
    struct top_input typed;
    size_t selected, first; /* among those that match */
    size_t len, page;       /* how many match; as last laid out */
};

struct top_pane { /* text to page through, with the writer's colours in it */
    char *text;   /* owned; NULL = on its way */
    char title[224];
    char platform[64], model[128]; /* of an explanation */
    size_t first, lines, page;     /* the last two as last laid out */
};

enum top_action { TOP_DRAIN, TOP_PIN, TOP_ENABLE };

struct top_confirm {
    enum top_action action;
    char platform[64], model[128];
    bool whole;     /* the platform, not only the route */
    size_t lasting; /* index of top_lasting */
    struct top_input reason;
};
/* Choices of how long an override holds; 0 = until it is taken back. */
#define TOP_LASTING_LEN 6
extern const usec_t top_lasting[TOP_LASTING_LEN];
const char *top_action_name(enum top_action action);

/* The choices of how far the sparklines reach back. */
#define TOP_SPANS_LEN 6
extern const usec_t top_spans[TOP_SPANS_LEN];

struct top_link { /* to the daemon */
    bool connected;
    usec_t lease;    /* end of it, wall clock; 0 = not told */
    usec_t lost_at;  /* not connected: since when */
    usec_t retry_at; /* and when it tries again */
    char why[ERR_TEXT_MAX];
};

struct top_view {
    size_t rows, columns; /* the window */
    bool ascii;           /* no block characters */
    usec_t now;           /* wall clock */

    char policy[64], model[128]; /* "" = the default one; all */
    const struct table *table;   /* NULL = none yet */
    struct top_link link;
    const struct top_status *status;
    const struct top_events *events;
    const struct top_trails *trails;
    usec_t paused_at; /* 0 = live */

    struct top_row *list; /* owned */
    size_t len, selected, first;
    size_t page;                                 /* rows of the list as last laid out */
    char chosen_platform[64], chosen_model[128]; /* what is selected, while its place changes */
    enum top_sort sort;
    bool backwards;
    struct top_input filter;
    size_t span; /* index of top_spans */

    enum top_mode mode;
    struct top_menu menu;
    struct top_pane pane;
    struct top_confirm confirm;
    char message[ERR_TEXT_MAX + 64];
    enum style message_style;
    usec_t message_until;
};

void top_view_begin(struct top_view *view);
void top_view_done(struct top_view *view);
/* After the table, filter or order changed: the list again, the selection on the route where it was. */
void top_view_collect(struct top_view *view);
void top_view_select(struct top_view *view, size_t at);
void top_view_say(struct top_view *view, enum style style, const char *fmt, ...) ATTR_PRINTF(3, 4);
/* Where the sparklines begin, s: no further back than there is something to see. */
double top_view_spark_from(const struct top_view *view);
double top_view_spark_until(const struct top_view *view);
/* The names of the open menu that match, the first that of "all models": fn once each, in order. */
typedef void (*top_menu_fn)(void *arg, size_t at, const char *name, const char *about);
size_t top_view_each_choice(const struct top_view *view, top_menu_fn fn, void *arg);

#endif
