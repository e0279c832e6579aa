/* The head of the screen: whose table this is, how fresh it is, what has to be known about all of it, and the money left for probing.
 *
 * What is wrong comes first and as a word, not only as a colour. */
#include "routectl/top_layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "routectl/figures.h"

/* The longest of the texts that there is room for, with two blanks behind it; else nothing. */
static void put_fitting(struct top_frame *frame, size_t row, unsigned style, const char *text, const char *shorter)
{
    const char *const texts[] = {text, shorter};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i] && text_width(texts[i]) <= top_room(frame, row)) {
            top_put(frame, row, style, texts[i]);
            top_put(frame, row, STYLE_PLAIN, top_room(frame, row) > 1 ? "  " : "");
            return;
        }
    }
}

/* What is wrong or unusual about all that is shown. */
static void put_flags(const struct top_view *view, struct top_frame *frame, size_t row)
{
    char span[32];

    if (view->paused_at > 0)
        top_putf(frame, row, STYLE_WARN | TOP_STRONG, "PAUSED for %s  ", figure_span(span, sizeof span, view->now - view->paused_at));
    if (view->link.connected && view->link.lease > 0 && view->now > view->link.lease)
        top_putf(frame, row, STYLE_BAD | TOP_STRONG, "STALE for %s: nobody renews it  ",
                 figure_span(span, sizeof span, view->now - view->link.lease));
    if (view->table && (view->table->flags & TABLE_LOCAL))
        top_put(frame, row, STYLE_BAD | TOP_STRONG, "OUR NETWORK FAILS: verdicts are frozen  ");
    if (view->table && (view->table->flags & TABLE_RESTORED))
        top_put(frame, row, STYLE_WARN | TOP_STRONG, "RESTORED from before a restart  ");
    if (view->status && view->status->store[0])
        top_putf(frame, row, STYLE_WARN | TOP_STRONG, "HISTORY: %s  ", view->status->store);
}

static void put_lost(const struct top_view *view, struct top_frame *frame, size_t row, bool brief)
{
    char span[32], next[32];
    const struct top_link *link = &view->link;

    if (!link->why[0]) {
        top_put(frame, row, STYLE_WARN, "connecting ...");
        return;
    }
    figure_span(span, sizeof span, link->lost_at > 0 ? view->now - link->lost_at : 0);
    if (brief || link->retry_at <= view->now)
        top_putf(frame, row, STYLE_BAD | TOP_STRONG, "NOT CONNECTED for %s: %s", span, link->why);
    else
        top_putf(frame, row, STYLE_BAD | TOP_STRONG, "NOT CONNECTED for %s, next attempt in %s: %s", span,
                 figure_span(next, sizeof next, (link->retry_at - view->now) / USEC_PER_SEC * USEC_PER_SEC + USEC_PER_SEC), link->why);
}

static void put_age(const struct top_view *view, struct top_frame *frame, size_t row, bool brief)
{
    char age[32] = "0 s", good[32], text[96], shorter[64];

    if (!view->table)
        return;
    usec_t old = view->now - view->table->published_at;
    if (old >= USEC_PER_SEC)
        figure_span(age, sizeof age, old);
    snprintf(shorter, sizeof shorter, "%s old", age);
    if (view->link.connected && view->link.lease > view->now)
        snprintf(text, sizeof text, "table %s old, good for %s", age,
                 figure_span(good, sizeof good, (view->link.lease - view->now) / USEC_PER_SEC * USEC_PER_SEC));
    else
        snprintf(text, sizeof text, "table %s old", age);
    put_fitting(frame, row, STYLE_PLAIN, brief ? shorter : text, shorter);
}

static size_t count_states(const struct top_view *view, size_t *counts)
{
    size_t sum = 0;

    for (size_t m = 0; view->table && view->table->len > 0 && m < view->table->policies[0].len; m++) {
        const struct ranking *ranking = view->table->policies[0].rankings[m];
        for (size_t i = 0; i < ranking->len; i++, sum++)
            counts[ranking->rows[i].state]++;
    }
    return sum;
}

/* "7 up 1 degraded 2 down", or "7 of 10 up". */
static void put_states(const struct top_view *view, struct top_frame *frame, size_t row, bool brief)
{
    struct buf whole CLEANUP(buf_done) = BUF_INIT;
    size_t counts[ROUTE_STATE_COUNT] = {0}, sum = count_states(view, counts);
    char shorter[64];

    if (!view->table)
        return;
    for (size_t s = 0; s < ROUTE_STATE_COUNT; s++) {
        if (counts[s] > 0)
            buf_printf(&whole, "%zu %s ", counts[s], route_state_name((enum route_state)s));
    }
    if (brief || whole.len + 1 > top_room(frame, row)) {
        snprintf(shorter, sizeof shorter, "%zu of %zu up", counts[ROUTE_UP], sum);
        put_fitting(frame, row, counts[ROUTE_UP] == sum ? STYLE_GOOD : STYLE_PLAIN, shorter, NULL);
        return;
    }
    for (size_t s = 0; s < ROUTE_STATE_COUNT; s++) {
        const char *name = route_state_name((enum route_state)s);
        if (counts[s] > 0)
            top_putf(frame, row, figure_state_style(name), "%zu %s ", counts[s], name);
    }
    top_put(frame, row, STYLE_PLAIN, " ");
}

static void put_budget(const struct top_view *view, struct top_frame *frame, size_t row, bool brief)
{
    const struct top_status *status = view->status;
    char amount[64], limit[64], text[160], shorter[96];

    if (!status || !status->known)
        return;
    if (isfinite(status->limit) && isfinite(status->left)) {
        figure_amount(amount, sizeof amount, status->left, status->currency);
        figure_amount(limit, sizeof limit, status->limit, status->currency);
        snprintf(text, sizeof text, "%s of %s a day left", amount, limit);
        snprintf(shorter, sizeof shorter, "%s left", amount);
        put_fitting(frame, row, status->left < 0.1 * status->limit ? STYLE_WARN : STYLE_PLAIN, brief ? shorter : text, shorter);
    } else if (isfinite(status->spent)) {
        snprintf(text, sizeof text, "%s spent today", figure_amount(amount, sizeof amount, status->spent, status->currency));
        put_fitting(frame, row, STYLE_PLAIN, text, NULL);
    }
    if (!brief && status->in_flight > 0) {
        snprintf(text, sizeof text, "%lld in flight", (long long)status->in_flight);
        put_fitting(frame, row, STYLE_DIM, text, NULL);
    }
}

/* What is shown: policy and model. */
static void put_choice(const struct top_view *view, struct top_frame *frame, size_t row, bool brief)
{
    const char *policy = view->table && view->table->len > 0 ? view->table->policies[0].name : view->policy;

    if (brief) {
        char text[224];
        snprintf(text, sizeof text, "%s %s", policy, view->model);
        put_fitting(frame, row, STYLE_BOLD | TOP_STRONG, text, policy);
        return;
    }
    top_put(frame, row, STYLE_PLAIN, "policy ");
    top_put(frame, row, STYLE_BOLD | TOP_STRONG, policy[0] ? policy : "-");
    if (view->model[0]) {
        top_put(frame, row, STYLE_PLAIN, "  model ");
        top_put(frame, row, STYLE_BOLD | TOP_STRONG, view->model);
    } else {
        top_put(frame, row, STYLE_PLAIN, "  all models");
    }
    top_put(frame, row, STYLE_PLAIN, "  ");
}

static void put_clock(const struct top_view *view, struct top_frame *frame, size_t row)
{
    char text[32];
    time_t t = (time_t)(view->now / USEC_PER_SEC);
    struct tm tm;
    size_t len = localtime_r(&t, &tm) ? strftime(text, sizeof text, "%H:%M:%S", &tm) : 0;
    if (len > 0 && top_room(frame, row) > len) {
        top_put_until(frame, row, STYLE_PLAIN, frame->columns - len);
        top_put(frame, row, STYLE_PLAIN, text);
    }
}

void top_layout_head(const struct top_view *view, struct top_frame *frame, size_t rows)
{
    bool brief = rows < 2;

    if (!brief) {
        top_putf(frame, 0, STYLE_BOLD | TOP_STRONG, "probed%s%s", view->status && view->status->version[0] ? " " : "",
                 view->status ? view->status->version : "");
        if (view->status && view->status->vantage[0])
            top_putf(frame, 0, STYLE_DIM, " on %s", view->status->vantage);
        top_put(frame, 0, STYLE_PLAIN, "  ");
        put_choice(view, frame, 0, false);
        put_clock(view, frame, 0);
    }
    size_t row = brief ? 0 : 1;
    if (!view->link.connected) {
        if (view->table)
            put_age(view, frame, row, brief);
        put_lost(view, frame, row, brief);
        return;
    }
    put_flags(view, frame, row);
    put_age(view, frame, row, brief);
    put_states(view, frame, row, brief);
    put_budget(view, frame, row, brief);
    if (brief)
        put_choice(view, frame, row, true);
}
