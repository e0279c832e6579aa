/* From standings to an immutable table.
 *
 * A ranking whose content did not change since the last table is the same object in the new one, and a route's facts are one object for all its
 * rows: a new table costs what changed. Times in rows are wall clock: steady time plus the offset that the caller knows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/ranker_inside.h"
#include "shared/alloc.h"

static void fill_times(const struct ranked_route *route, usec_t wall_offset, struct table_row *row)
{
    if (route->stats.sampled_at <= 0)
        return;
    row->sampled_at = route->stats.sampled_at + wall_offset;
    if (route->interval <= 0 || route->interval > USEC_PER_DAY * 365)
        return;
    row->stale_at = row->sampled_at + 2 * route->interval;
    row->expires_at = row->sampled_at + 6 * route->interval;
}

void ranker_fill_row(const struct ranked_route *route, const struct loss_input *in, const struct policy *policy, const struct place *place,
                     usec_t now, usec_t wall_offset, struct table_row *ret)
{
    const struct route *stats = &route->stats;
    double samples = route_samples(stats, now);

    *ret = (struct table_row){
        .facts = route->facts,
        .rank = place->rank,
        .slots = place->slots,
        .state = route->state,
        .reason = (enum route_reason)place->reason,
        .flags = place->flags,
        .loss_nano = place->loss,
        .score = fmin(1, fmax(0, 1 - (double)place->loss / LOSS_NANO)),
        .availability = stats->sampled_at > 0 ? 1 - in->estimate : NAN,
        .availability_low = 1 - in->chance,
        .ttft_p50 = latency_statistic(&stats->ttft, LATENCY_P50),
        .ttft_p95 = latency_statistic(&stats->ttft, LATENCY_P95),
        .total_p50 = latency_statistic(&stats->total, LATENCY_P50),
        .tokens_per_s = stats->speed.mean,
        .price_input = route->price.known ? route->price.input : -1,
        .price_output = route->price.known ? route->price.output : -1,
        .price_call = route->price.known ? route->price.call : -1,
        .cost_pico = loss_request_cost(policy, in),
        .samples = (uint32_t)llround(samples),
    };
    fill_times(route, wall_offset, ret);
}

static void build_ranking(const struct ranker *r, const struct ranked_model *m, size_t policy, usec_t now, usec_t wall_offset)
{
    struct standing *s = &m->standings[policy];
    struct ranking *ranking = ranking_new(m->name, m->len);

    ranking->flags = s->flags;
    for (size_t i = 0; i < m->len; i++) {
        struct place *place = &s->places[i];
        struct table_row *row = &ranking->rows[place->rank - 1];

        ranker_fill_row(r->routes[m->routes[i]], &m->inputs[i], &r->policies[policy], place, now, wall_offset, row);
        table_facts_ref(row->facts);
    }
    ranking_unref(s->published);
    s->published = ranking;
    s->changed = false;
}

static int compare_models(const void *a, const void *b)
{
    const struct ranked_model *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Borrowed pointers, by name. */
static struct ranked_model **sorted_models(struct ranker *r)
{
    struct ranked_model **sorted = alloc_zero(r->models_len + 1, sizeof(*sorted));

    for (size_t i = 0; i < r->models_len; i++)
        sorted[i] = &r->models[i];
    qsort(sorted, r->models_len, sizeof(*sorted), compare_models);
    return sorted;
}

struct table *ranker_table(struct ranker *r, uint64_t epoch, uint64_t generation, usec_t now, usec_t wall_offset)
{
    struct table *table = alloc_zero(1, sizeof(*table));

    now = ranker_clock(r, now);
    for (size_t i = 0; i < r->models_len; i++) {
        if (!r->models[i].ranked)
            ranker_rank_model(r, i, now);
    }
    struct ranked_model **sorted = sorted_models(r);

    r->tables++;
    table->refs = 1;
    table->epoch = epoch;
    table->generation = generation;
    table->published_at = now + wall_offset;
    table->flags = (uint8_t)((r->restored ? TABLE_RESTORED : 0) | (r->local ? TABLE_LOCAL : 0));
    memcpy(table->currency, r->currency, sizeof(table->currency));
    table->vantage = alloc_string(r->vantage);
    table->len = r->policies_len;
    table->policies = alloc_zero(r->policies_len + 1, sizeof(table->policies[0]));
    for (size_t p = 0; p < r->policies_len; p++) {
        struct table_policy *policy = &table->policies[p];

        policy->name = alloc_string(r->policies[p].name);
        policy->about = alloc_string(r->policies[p].about ? r->policies[p].about : "");
        policy->len = r->models_len;
        policy->rankings = alloc_zero(r->models_len + 1, sizeof(struct ranking *));
        for (size_t i = 0; i < r->models_len; i++) {
            if (sorted[i]->standings[p].changed || !sorted[i]->standings[p].published)
                build_ranking(r, sorted[i], p, now, wall_offset);
            policy->rankings[i] = ranking_ref(sorted[i]->standings[p].published);
        }
    }
    free(sorted);
    r->changed = r->hard = false;
    return table;
}
