/* A table as the daemon publishes it, made of a few words, and the text of a frame. For the tests of top. */
#ifndef TESTS_TOP_FIXTURE_H
#define TESTS_TOP_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "routectl/top_frame.h"
#include "routectl/top_view.h"
#include "shared/alloc.h"

#define NOW ((usec_t)1764000000 * USEC_PER_SEC)

struct made_route {
    const char *platform, *title;
    enum route_state state;
    int ttft_ms; /* -1 = unknown */
    double availability;
    double price; /* a million; -1 = unknown */
    uint16_t slots;
};

static inline struct ranking *made_ranking(const char *model, const struct made_route *routes, size_t len)
{
    struct ranking *ranking = ranking_new(model, len);
    for (size_t i = 0; i < len; i++) {
        struct table_facts facts = {.platform = (char *)(uintptr_t)routes[i].platform,
                                    .title = (char *)(uintptr_t)routes[i].title,
                                    .model = (char *)(uintptr_t)model,
                                    .upstream_model = (char *)(uintptr_t)model};
        struct table_row *row = &ranking->rows[i];
        row->facts = table_facts_new(&facts);
        row->rank = (uint32_t)i + 1;
        row->slots = routes[i].slots;
        row->state = routes[i].state;
        row->reason = routes[i].state == ROUTE_DRAINED ? REASON_DRAINED : i == 0 ? REASON_FIRST : REASON_DEARER;
        row->score = 0.9 - 0.1 * (double)i;
        row->availability = routes[i].availability;
        row->availability_low = routes[i].availability;
        row->ttft_p50 = routes[i].ttft_ms < 0 ? -1 : routes[i].ttft_ms * USEC_PER_MSEC;
        row->ttft_p95 = row->ttft_p50 < 0 ? -1 : 2 * row->ttft_p50;
        row->total_p50 = -1;
        row->price_input = routes[i].price < 0 ? -1 : (int64_t)(routes[i].price * (double)PICO_PER_UNIT_PER_MTOK);
        row->price_output = row->price_input;
        row->price_call = row->cost_pico = -1;
        row->samples = 100 + (uint32_t)i;
        row->sampled_at = NOW - USEC_PER_SEC;
    }
    return ranking;
}

static inline struct table *made_table(size_t models)
{
    static const struct made_route first[] = {
        {"alpha", "硅基流动", ROUTE_UP, 510, 0.9987, 0.15, 256},
        {"beta-with-a-rather-long-name", "Beta", ROUTE_DEGRADED, 90, 0.91, 0.30, 0},
        {"gamma", "云雾", ROUTE_DOWN, -1, NAN, -1, 0},
        {"delta", "Delta", ROUTE_DRAINED, 1250, 1.0, 0, 0},
    };
    static const struct made_route second[] = {
        {"gamma", "云雾", ROUTE_UP, 700, 0.99, 2.5, 200},
        {"alpha", "硅基流动", ROUTE_LIMITED, 300, 0.97, 3, 56},
    };
    struct table *table = alloc_zero(1, sizeof *table);
    table->refs = 1;
    table->epoch = 7;
    table->generation = 42;
    table->published_at = NOW - 3 * USEC_PER_SEC;
    strcpy(table->currency, "USD");
    table->vantage = alloc_string("test");
    table->len = 1;
    table->policies = alloc_zero(1, sizeof *table->policies);
    table->policies[0].name = alloc_string("production");
    table->policies[0].about = alloc_string("balanced");
    table->policies[0].len = models;
    table->policies[0].rankings = alloc_zero(2, sizeof *table->policies[0].rankings);
    table->policies[0].rankings[0] = made_ranking("claude-sonnet-4-5", first, 4);
    if (models > 1)
        table->policies[0].rankings[1] = made_ranking("deepseek-ai/DeepSeek-V3", second, 2);
    return table;
}

/* A connected, live view of it. */
static inline void made_view(struct top_view *view, const struct table *table, size_t columns, size_t rows)
{
    top_view_begin(view);
    view->now = NOW;
    view->rows = rows;
    view->columns = columns;
    view->table = table;
    view->link.connected = true;
    view->link.lease = NOW + 57 * USEC_PER_SEC;
    top_view_collect(view);
}

static inline const char *row_text(const struct top_frame *frame, size_t row)
{
    return buf_str(&frame->lines[row].text);
}

static inline bool frame_has(const struct top_frame *frame, const char *text)
{
    for (size_t i = 0; i < frame->rows; i++) {
        if (strstr(row_text(frame, i), text))
            return true;
    }
    return false;
}

/* The column (of the screen, not the byte) at which text begins in a row; -1 = nowhere. */
static inline long column_of(const struct top_frame *frame, size_t row, const char *text)
{
    const char *line = row_text(frame, row), *at = strstr(line, text);
    if (!at)
        return -1;
    char *before = strndup(line, (size_t)(at - line));
    long column = (long)text_width(before);
    free(before);
    return column;
}

#endif
