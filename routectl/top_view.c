/* The plain state behind the screen. Times come from outside; nothing is asked and nothing is drawn here. */
#include "routectl/top_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/text.h"

#define MESSAGE_LASTS (8 * USEC_PER_SEC)

const usec_t top_lasting[TOP_LASTING_LEN] = {0,           10 * USEC_PER_MINUTE, 30 * USEC_PER_MINUTE, 2 * USEC_PER_HOUR, 8 * USEC_PER_HOUR,
                                             USEC_PER_DAY};
const usec_t top_spans[TOP_SPANS_LEN] = {10 * USEC_PER_MINUTE, USEC_PER_HOUR,    6 * USEC_PER_HOUR,
                                         USEC_PER_DAY,         7 * USEC_PER_DAY, 30 * USEC_PER_DAY};
/* Shorter ones, for a daemon that has just begun: a picture that is all gap shows nothing. */
static const usec_t young_spans[] = {2 * USEC_PER_MINUTE, 5 * USEC_PER_MINUTE, 10 * USEC_PER_MINUTE, 20 * USEC_PER_MINUTE,
                                     USEC_PER_HOUR,       2 * USEC_PER_HOUR,   6 * USEC_PER_HOUR,    12 * USEC_PER_HOUR,
                                     USEC_PER_DAY,        2 * USEC_PER_DAY,    7 * USEC_PER_DAY,     14 * USEC_PER_DAY};

const char *top_action_name(enum top_action action)
{
    static const char *const names[] = {[TOP_DRAIN] = "drain", [TOP_PIN] = "pin", [TOP_ENABLE] = "enable"};
    return names[action];
}

void top_view_begin(struct top_view *view)
{
    memset(view, 0, sizeof *view);
    view->span = 1;
}

void top_view_done(struct top_view *view)
{
    free(view->list);
    free(view->pane.text);
    view->list = NULL;
    view->pane.text = NULL;
}

void top_view_say(struct top_view *view, enum style style, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(view->message, sizeof view->message, fmt, ap);
    va_end(ap);
    view->message_style = style;
    view->message_until = view->now + MESSAGE_LASTS;
}

void top_view_select(struct top_view *view, size_t at)
{
    if (view->len == 0)
        return;
    view->selected = at < view->len ? at : view->len - 1;
    const struct top_row *row = &view->list[view->selected];
    text_copy(view->chosen_platform, sizeof view->chosen_platform, row->row->facts->platform, strlen(row->row->facts->platform));
    text_copy(view->chosen_model, sizeof view->chosen_model, row->model, strlen(row->model));
}

void top_view_collect(struct top_view *view)
{
    free(view->list);
    view->list = top_rows_collect(view->table, view->filter.text, view->sort, view->backwards, &view->len);
    /* Until a first key chooses a route the cursor stays on the first line, whoever that is. */
    for (size_t i = 0; i < view->len && view->chosen_platform[0]; i++) {
        if (strcmp(view->list[i].row->facts->platform, view->chosen_platform) == 0 &&
            strcmp(view->list[i].model, view->chosen_model) == 0) {
            view->selected = i;
            return;
        }
    }
    if (view->selected >= view->len)
        view->selected = view->len > 0 ? view->len - 1 : 0;
}

double top_view_spark_until(const struct top_view *view)
{
    const struct top_link *link = &view->link;
    usec_t until = view->paused_at > 0 ? view->paused_at : !link->connected && link->lost_at > 0 ? link->lost_at : view->now;
    return (double)until / 1e6;
}

double top_view_spark_from(const struct top_view *view)
{
    double until = top_view_spark_until(view), span = (double)top_spans[view->span] / 1e6;
    double oldest = view->trails ? view->trails->oldest : 0;

    for (size_t i = 0; oldest > 0 && i < ARRAY_LEN(young_spans); i++) {
        double young = (double)young_spans[i] / 1e6;
        if (young >= span)
            break;
        if (until - oldest <= young) {
            span = young;
            break;
        }
    }
    return until - span;
}

size_t top_view_each_choice(const struct top_view *view, top_menu_fn fn, void *arg)
{
    bool models = view->mode == TOP_MODELS;
    const struct top_status *status = view->status;
    const struct top_name *names = !status ? NULL : models ? status->models : status->policies;
    size_t names_len = !status ? 0 : models ? status->models_len : status->policies_len, len = 0;

    if (models && view->menu.typed.len == 0)
        fn(arg, len++, "", "all models");
    for (size_t i = 0; i < names_len; i++) {
        if (strcasestr(names[i].name, view->menu.typed.text))
            fn(arg, len++, names[i].name, names[i].about);
    }
    return len;
}
