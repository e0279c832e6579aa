/* Points of time and value a route, a bounded number of each.
 *
 * What the history tells replaces what it told before; it is asked for seldom and covers the whole while. What was seen in tables fills the
 * time since, or all of it where there is no history. When a route has been seen TOP_TRAIL_SEEN_MAX times every second point is dropped: a
 * long while gets coarser and never larger. */
#include "routectl/top_trail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

static void trail_done(struct top_trail *trail)
{
    free(trail->platform);
    free(trail->model);
    free(trail->told);
    free(trail->seen);
}

void top_trails_done(struct top_trails *trails)
{
    for (size_t i = 0; i < trails->len; i++)
        trail_done(&trails->items[i]);
    free(trails->items);
    memset(trails, 0, sizeof *trails);
}

static int order(const struct top_trail *trail, const char *platform, const char *model)
{
    int c = strcmp(trail->platform, platform);
    return c != 0 ? c : strcmp(trail->model, model);
}

/* Where it is, or where it belongs. */
static size_t place(const struct top_trails *trails, const char *platform, const char *model)
{
    size_t low = 0, high = trails->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (order(&trails->items[mid], platform, model) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct top_trail *top_trails_find(const struct top_trails *trails, const char *platform, const char *model)
{
    size_t at = place(trails, platform, model);
    return at < trails->len && order(&trails->items[at], platform, model) == 0 ? &trails->items[at] : NULL;
}

static struct top_trail *need(struct top_trails *trails, const char *platform, const char *model)
{
    size_t at = place(trails, platform, model);

    if (at < trails->len && order(&trails->items[at], platform, model) == 0)
        return &trails->items[at];
    if (trails->len >= TOP_TRAILS_MAX) {
        top_trails_done(trails);
        at = 0;
    }
    if (trails->len == trails->size) {
        trails->size = trails->size > 0 ? 2 * trails->size : 64;
        trails->items = alloc_resize(trails->items, trails->size, sizeof *trails->items);
    }
    memmove(&trails->items[at + 1], &trails->items[at], (trails->len - at) * sizeof *trails->items);
    trails->items[at] = (struct top_trail){.platform = alloc_string(platform), .model = alloc_string(model)};
    trails->len++;
    return &trails->items[at];
}

static void note_oldest(struct top_trails *trails, double t)
{
    if (trails->oldest <= 0 || t < trails->oldest)
        trails->oldest = t;
}

static void see(struct top_trails *trails, struct top_trail *trail, const struct table_row *row, usec_t now)
{
    if (row->ttft_p50 < 0 || row->sampled_at <= 0 || row->sampled_at == trail->sampled_at)
        return;
    if (!trail->seen)
        trail->seen = alloc_zero(TOP_TRAIL_SEEN_MAX, sizeof *trail->seen);
    if (trail->seen_len == TOP_TRAIL_SEEN_MAX) {
        for (size_t i = 0; i < TOP_TRAIL_SEEN_MAX / 2; i++)
            trail->seen[i] = trail->seen[2 * i + 1];
        trail->seen_len = TOP_TRAIL_SEEN_MAX / 2;
    }
    usec_t at = row->sampled_at < now ? row->sampled_at : now;
    trail->sampled_at = row->sampled_at;
    note_oldest(trails, (double)at / 1e6);
    trail->seen[trail->seen_len++] = (struct top_point){.t = (double)at / 1e6, .value = (double)row->ttft_p50 / 1e3};
}

void top_trails_see(struct top_trails *trails, const struct table *table, usec_t now)
{
    for (size_t p = 0; p < table->len; p++) {
        for (size_t m = 0; m < table->policies[p].len; m++) {
            const struct ranking *ranking = table->policies[p].rankings[m];
            for (size_t i = 0; i < ranking->len; i++)
                see(trails, need(trails, ranking->rows[i].facts->platform, ranking->model), &ranking->rows[i], now);
        }
    }
}

void top_trails_tell(struct top_trails *trails, const char *platform, const char *model, const struct top_point *points, size_t len,
                     double until)
{
    struct top_trail *trail = need(trails, platform, model);

    if (len > TOP_TRAIL_TOLD_MAX) { /* the newest count */
        points += len - TOP_TRAIL_TOLD_MAX;
        len = TOP_TRAIL_TOLD_MAX;
    }
    if (!trail->told)
        trail->told = alloc_zero(TOP_TRAIL_TOLD_MAX, sizeof *trail->told);
    if (len > 0) {
        memcpy(trail->told, points, len * sizeof *points);
        note_oldest(trails, points[0].t);
    }
    trail->told_len = len;
    trail->told_until = until;
}

void top_trails_forget_told(struct top_trails *trails)
{
    for (size_t i = 0; i < trails->len; i++) {
        trails->items[i].told_len = 0;
        trails->items[i].told_until = 0;
    }
}

size_t top_trail_points(const struct top_trail *trail, struct top_point *ret)
{
    size_t len = 0;

    if (!trail)
        return 0;
    for (size_t i = 0; i < trail->told_len; i++)
        ret[len++] = trail->told[i];
    for (size_t i = 0; i < trail->seen_len; i++) {
        if (trail->told_len == 0 || trail->seen[i].t > trail->told_until)
            ret[len++] = trail->seen[i];
    }
    return len;
}
