/* What is measured of a route, member by member. The sizes asserted stand for "somebody added a member": name it here, raise PICKLE_VERSION in
 * ranker_pickle.c, and set the new size. */
#include "probed/core/route_pickle.h"

#include "shared/table.h"

#define SIZE_IS(type, size) _Static_assert(sizeof(type) == (size), "a member of " #type " is not pickled yet")

SIZE_IS(struct decay_counts, 56);
SIZE_IS(struct decay_moment, 32);
SIZE_IS(struct sketch, 984);
SIZE_IS(struct latency, 1160);
SIZE_IS(struct rate, 40);
SIZE_IS(struct capacity, 168);
SIZE_IS(struct congestion, 32);
SIZE_IS(struct load, 160);
SIZE_IS(struct reports, 160);
SIZE_IS(struct health, 336);
SIZE_IS(struct route_last, 104);
SIZE_IS(struct honesty, 744);
SIZE_IS(struct route, 6792);

static void counts_pickle(struct pickle *p, struct decay_counts *c)
{
    pickle_time(p, &c->at);
    for (int i = 0; i < DECAY_WINDOWS; i++) {
        pickle_part(p, &c->window[i].ok, 0, PICKLE_MOST);
        pickle_part(p, &c->window[i].failed, 0, PICKLE_MOST);
    }
}

static void moment_pickle(struct pickle *p, struct decay_moment *m)
{
    pickle_time(p, &m->at);
    pickle_part(p, &m->weight, 0, PICKLE_MOST);
    pickle_part(p, &m->mean, 0, PICKLE_MOST);
    pickle_part(p, &m->square, 0, PICKLE_MOST * PICKLE_MOST);
}

static void sketch_pickle(struct pickle *p, struct sketch *s)
{
    size_t len = s->len;

    pickle_time(p, &s->at);
    pickle_part(p, &s->weight, 0, PICKLE_MOST);
    pickle_count(p, &len, SKETCH_ENTRIES);
    s->len = (uint16_t)len;
    for (size_t i = 0; i < len; i++) {
        PICKLE(p, &s->keys[i]);
        PICKLE(p, &s->weights[i]);
        if (pickle_reads(p) && ((i > 0 && s->keys[i] <= s->keys[i - 1]) || s->weights[i] < 0))
            p->bad = true;
    }
}

static void latency_pickle(struct pickle *p, struct latency *l)
{
    sketch_pickle(p, &l->sketch);
    for (int i = 0; i < LATENCY_RECENT; i++)
        PICKLE(p, &l->recent[i]);
    pickle_below(p, &l->recent_len, LATENCY_RECENT + 1);
    PICKLE(p, &l->level);
    PICKLE(p, &l->spread);
    pickle_part(p, &l->weight, 0, PICKLE_MOST);
    moment_pickle(p, &l->minutes);
    moment_pickle(p, &l->hours);
    pickle_time(p, &l->jumped_at);
    PICKLE(p, &l->jump);
    for (int i = 0; i < LATENCY_STATISTICS; i++)
        pickle_time(p, &l->statistic[i]);
}

void rate_pickle(struct pickle *p, struct rate *r)
{
    pickle_time(p, &r->at);
    pickle_time(p, &r->began);
    pickle_part(p, &r->burst, 0, PICKLE_MOST);
    pickle_part(p, &r->quick, 0, PICKLE_MOST);
    pickle_part(p, &r->calm, 0, PICKLE_MOST);
}

static void pickle_small(struct pickle *p, float *v, double least, double most)
{
    double value = (double)*v;

    pickle_part(p, &value, least, most);
    *v = (float)value;
}

static void capacity_pickle(struct pickle *p, struct capacity *c)
{
    rate_pickle(p, &c->tries);
    rate_pickle(p, &c->refused);
    pickle_part(p, &c->limit, 0, PICKLE_MOST);
    pickle_part(p, &c->proven, 0, PICKLE_MOST);
    pickle_part(p, &c->slots, 0, TABLE_SLOTS);
    pickle_time(p, &c->cut_at);
    pickle_time(p, &c->learnt_at);
    pickle_time(p, &c->reported_at);
    for (int i = 0; i < CAPACITY_GUESSES; i++) {
        pickle_small(p, &c->guess[i].rate, CAPACITY_LEAST / 2, PICKLE_MOST);
        pickle_small(p, &c->guess[i].doubt, 0, 1);
        pickle_small(p, &c->guess[i].belief, -PICKLE_MOST, 0);
    }
}

static void congestion_pickle(struct pickle *p, struct congestion *c)
{
    float *parts[] = {&c->weight, &c->load, &c->times};

    pickle_time(p, &c->at);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        pickle_small(p, parts[i], 0, PICKLE_MOST);
    pickle_small(p, &c->time, -PICKLE_MOST, PICKLE_MOST);
    /* Of the fourth power of a rate: at 2000 a second it passes PICKLE_MOST. */
    pickle_small(p, &c->loads, 0, PICKLE_MOST * PICKLE_MOST);
    pickle_small(p, &c->together, -PICKLE_MOST, PICKLE_MOST);
}

static void load_pickle(struct pickle *p, struct load *l)
{
    pickle_time(p, &l->counted_at);
    pickle_time(p, &l->timed_at);
    for (int i = 0; i < LOAD_BUCKETS; i++) {
        PICKLE(p, &l->bucket[i].ok);
        PICKLE(p, &l->bucket[i].failed);
        PICKLE(p, &l->bucket[i].limited);
        PICKLE(p, &l->bucket[i].timed);
        PICKLE(p, &l->bucket[i].slower);
        PICKLE(p, &l->bucket[i].tried);
        PICKLE(p, &l->bucket[i].tried_slower);
    }
}

static void voice_pickle(struct pickle *p, struct voice *v)
{
    double served = (double)v->served, refused = (double)v->refused;

    pickle_part(p, &served, 0, PICKLE_MOST);
    pickle_part(p, &refused, 0, PICKLE_MOST);
    v->served = (float)served;
    v->refused = (float)refused;
}

static void reports_pickle(struct pickle *p, struct reports *w)
{
    pickle_time(p, &w->probe_at);
    pickle_time(p, &w->held_at);
    pickle_time(p, &w->denied_at);
    PICKLE(p, &w->second);
    PICKLE(p, &w->over_rate);
    PICKLE(p, &w->unconfirmed);
    PICKLE(p, &w->contradicted);
    PICKLE(p, &w->failed_by);
    PICKLE(p, &w->ours_by);
    PICKLE(p, &w->limited_by);
    PICKLE(p, &w->ok_by);
    PICKLE(p, &w->probe_fails);
    PICKLE(p, &w->held_by);
    for (int i = 0; i < REPORTS_APART; i++) {
        PICKLE(p, &w->now[i].reporter);
        PICKLE(p, &w->now[i].told);
        PICKLE(p, &w->now[i].weighed);
    }
    pickle_time(p, &w->heard_at);
    for (int i = 0; i < REPORTS_APART; i++) {
        voice_pickle(p, &w->voices[i]);
        PICKLE(p, &w->voice_of[i]);
    }
}

static void health_pickle(struct pickle *p, struct health *h)
{
    PICKLE(p, &h->ring);
    pickle_below(p, &h->ring_len, HEALTH_WINDOW_MAX + 1);
    PICKLE(p, &h->ok_run);
    PICKLE(p, &h->limited_run);
    PICKLE(p, &h->missing_run);
    pickle_below(p, &h->probation, 16);
    pickle_below(p, &h->onsets_len, HEALTH_ONSETS + 1);
    PICKLE(p, &h->unusable);
    PICKLE(p, &h->limited);
    PICKLE(p, &h->limited_told);
    PICKLE(p, &h->suppressed);
    pickle_below(p, &h->verdict, VERDICT_DOWN + 1);
    for (int i = 0; i < BELIEFS; i++)
        pickle_part(p, &h->belief[i], 0, 1);
    pickle_time(p, &h->belief_at);
    pickle_part(p, &h->good_before, 0, 1);
    pickle_time(p, &h->ok_at);
    pickle_time(p, &h->served_at);
    pickle_time(p, &h->down_at);
    pickle_time(p, &h->limited_at);
    pickle_time(p, &h->limited_until);
    pickle_time(p, &h->probation_at);
    pickle_part(p, &h->flap, 0, PICKLE_MOST);
    pickle_time(p, &h->flap_at);
    pickle_time(p, &h->flap_counted);
    pickle_time(p, &h->failing_since);
    pickle_part(p, &h->failing_waste, 0, PICKLE_MOST);
    pickle_below(p, &h->failing_timed, HEALTH_WASTES + 1);
    for (int i = 0; i < HEALTH_ONSETS; i++)
        PICKLE(p, &h->onsets[i]);
    pickle_text(p, h->why, sizeof(h->why));
}

static void last_pickle(struct pickle *p, struct route_last *l)
{
    uint32_t *spans[] = {&l->queue, &l->dns, &l->connect, &l->tls, &l->wait, &l->ttft, &l->content, &l->total, &l->gap_max};

    pickle_time(p, &l->at);
    pickle_time(p, &l->retry_after);
    pickle_time(p, &l->interval);
    PICKLE(p, &l->cost_pico);
    PICKLE(p, &l->tokens_per_s);
    PICKLE(p, &l->prompt_tokens);
    PICKLE(p, &l->output_tokens);
    PICKLE(p, &l->reasoning_tokens);
    for (size_t i = 0; i < ARRAY_LEN(spans); i++)
        PICKLE(p, spans[i]);
    PICKLE(p, &l->http_status);
    PICKLE(p, &l->in_flight);
    PICKLE(p, &l->flags);
    PICKLE(p, &l->stalls);
    PICKLE(p, &l->chunks);
    pickle_below(p, &l->probe, PROBE_KIND_COUNT);
    pickle_below(p, &l->source, SOURCE_TRAFFIC + 1);
    pickle_below(p, &l->stage, STAGE_COUNT);
    pickle_below(p, &l->kind, OUTCOME_COUNT);
    pickle_below(p, &l->fault, FAULT_LOCAL + 1);
    PICKLE(p, &l->endpoint);
    PICKLE(p, &l->reused);
    PICKLE(p, &l->http_version);
    PICKLE(p, &l->reporter);
    pickle_below(p, &l->detail, ROUTE_DETAILS + 1);
}

static void honesty_pickle(struct pickle *p, struct honesty *h)
{
    pickle_time(p, &h->at);
    moment_pickle(p, &h->fooled);
    for (int i = 0; i < HONESTY_SIGNALS; i++) {
        struct honesty_signal *s = &h->signal[i];
        double seen = (double)s->seen, weight = (double)s->weight;

        pickle_time(p, &s->last);
        PICKLE(p, &s->count);
        PICKLE(p, &s->of);
        pickle_part(p, &seen, 0, PICKLE_MOST);
        pickle_part(p, &weight, 0, PICKLE_MOST);
        s->seen = (float)seen;
        s->weight = (float)weight;
        pickle_text(p, s->evidence, sizeof(s->evidence));
        if (s->count > s->of)
            p->bad = true;
    }
}

void route_pickle(struct pickle *p, struct route *r)
{
    struct decay_moment *moments[] = {&r->speed, &r->waste, &r->waste_lately, &r->cost_ok, &r->cost_failed};

    health_pickle(p, &r->health);
    counts_pickle(p, &r->all);
    counts_pickle(p, &r->good);
    counts_pickle(p, &r->working);
    latency_pickle(p, &r->ttft);
    latency_pickle(p, &r->total);
    for (int i = 0; i < SEGMENTS; i++)
        moment_pickle(p, &r->segment[i]);
    for (size_t i = 0; i < ARRAY_LEN(moments); i++)
        moment_pickle(p, moments[i]);
    capacity_pickle(p, &r->capacity);
    congestion_pickle(p, &r->congestion);
    load_pickle(p, &r->load);
    reports_pickle(p, &r->reports);
    honesty_pickle(p, &r->honesty);
    pickle_time(p, &r->sampled_at);
    pickle_below(p, &r->last_len, ROUTE_LAST + 1);
    pickle_below(p, &r->last_next, ROUTE_LAST);
    pickle_below(p, &r->detail_next, ROUTE_DETAILS);
    for (int i = 0; i < r->last_len; i++)
        last_pickle(p, &r->last[i]);
    for (int i = 0; i < ROUTE_DETAILS; i++)
        pickle_text(p, r->details[i], sizeof(r->details[i]));
}
