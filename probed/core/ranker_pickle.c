/* A ranker's memory as bytes, so that a restart begins where the last run was.
 *
 * Into a ranker of the same configuration everything comes back as it was: statistics, standings, what was due and when, so that the same observations
 * afterwards give the same tables as without a restart. What the configuration has changed in between is decided by names, as in a reload:
 * routes, models and policies that are gone are skipped; a model whose routes are not the same ones any more keeps each one's statistics, evidence and
 * slots, and is ranked anew; so is one with a new price.
 *
 * Nothing is trusted: see pickle.h. What was read before something turned out to be wrong stays half done; the caller makes a new ranker then. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/ranker_inside.h"
#include "probed/core/route_pickle.h"
#include "shared/alloc.h"

#define PICKLE_MAGIC 0x4b525052u /* "RPRK" */
#define PICKLE_VERSION 4 /* raised with every change of what is pickled, here or in route_pickle.c */
#define ROUTES_MOST 65536
#define POLICIES_MOST 256
#define NAME_SIZE 256
#define SECONDS_MOST 1e12
#define CREDIT_MOST (4.0 * TABLE_SLOTS)
#define CATCH_UP (30 * USEC_PER_DAY)

_Static_assert(sizeof(struct ranked_route) == 7064 && sizeof(struct ranked_platform) == 552, "a member is not pickled yet");
_Static_assert(sizeof(struct place) == 40 && sizeof(struct loss_input) == 240 && sizeof(struct standing) == 288, "a member is not pickled yet");

static void input_pickle(struct pickle *p, struct loss_input *in)
{
    double *parts[] = {&in->chance, &in->estimate, &in->own_chance, &in->own_estimate, &in->latency_doubt,
                       &in->instability, &in->incapacity, &in->dishonesty, &in->charged};
    double *numbers[] = {&in->own_waste.value, &in->own_waste.weight, &in->own_charged.value, &in->own_charged.weight, &in->waste};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        pickle_part(p, parts[i], 0, 1);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        pickle_part(p, numbers[i], 0, SECONDS_MOST);
    for (int i = 0; i < LATENCY_STATISTICS; i++)
        pickle_part(p, &in->latency[i], -1, SECONDS_MOST);
    PICKLE(p, &in->price_known);
    PICKLE(p, &in->price_input);
    PICKLE(p, &in->price_output);
    PICKLE(p, &in->price_call);
    PICKLE(p, &in->candidate);
    for (int i = 0; i < LOAD_BUCKETS; i++) {
        PICKLE(p, &in->load[i].fails);
        PICKLE(p, &in->load[i].slower);
        PICKLE(p, &in->load[i].refused);
    }
}

static void check_pickle(struct pickle *p, struct platform_check *c)
{
    uint32_t run = c->run;

    PICKLE(p, &run);
    c->run = run;
    pickle_time(p, &c->began);
    pickle_text(p, c->why, sizeof(c->why));
}

static void platform_pickle(struct pickle *p, struct ranked_platform *platform)
{
    PICKLE(p, &platform->usable);
    PICKLE(p, &platform->maintenance);
    PICKLE(p, &platform->key_refused);
    pickle_text(p, platform->why, sizeof(platform->why));
    check_pickle(p, &platform->check[PROBE_REACH]);
    check_pickle(p, &platform->check[PROBE_MODELS]);
}

/* The price is the configuration's; it is only noted, so that a new one is noticed. True: it is the same. */
static bool price_pickle(struct pickle *p, const struct price *price)
{
    struct price was = *price;

    PICKLE(p, &was.known);
    PICKLE(p, &was.input);
    PICKLE(p, &was.output);
    PICKLE(p, &was.call);
    return was.known == price->known && (!was.known || (was.input == price->input && was.output == price->output && was.call == price->call));
}

static void known_pickle(struct pickle *p, struct capability_known *k)
{
    pickle_below(p, &k->state, CAPABILITY_STATES);
    PICKLE(p, &k->refusals);
    pickle_time(p, &k->at);
    pickle_text(p, k->evidence, sizeof(k->evidence));
}

/* By name: another version may know others. */
static void measured_pickle(struct pickle *p, struct ranked_route *route)
{
    size_t len = route->measured ? CAPABILITY_COUNT : 0;

    pickle_count(p, &len, 64);
    for (size_t i = 0; i < len && pickle_fine(p); i++) {
        struct capability_known nobody = {.state = CAPABILITY_UNTESTED};
        char name[16] = "";

        if (!pickle_reads(p))
            snprintf(name, sizeof(name), "%s", capability_name((enum capability)i));
        pickle_text(p, name, sizeof(name));
        int capability = capability_from_name(name);

        if (!route->measured && capability >= 0)
            route->measured = alloc_zero(1, sizeof(*route->measured));
        known_pickle(p, capability >= 0 ? &route->measured->of[capability] : &nobody);
    }
}

static void burst_pickle(struct pickle *p, struct burst_result *b)
{
    pickle_time(p, &b->at);
    PICKLE(p, &b->n);
    PICKLE(p, &b->ok);
    PICKLE(p, &b->failed);
    PICKLE(p, &b->limited);
    pickle_time(p, &b->ttft_p50);
    pickle_time(p, &b->ttft_p95);
    pickle_text(p, b->why, sizeof(b->why));
}

static void route_state_pickle(struct pickle *p, struct ranked_route *route)
{
    uint8_t listing = (uint8_t)route->listing, override = (uint8_t)route->override, state = (uint8_t)route->state;

    route_pickle(p, &route->stats);
    measured_pickle(p, route);
    burst_pickle(p, &route->burst);
    pickle_time(p, &route->interval);
    pickle_below(p, &listing, LISTING_ABSENT + 1);
    PICKLE(p, &route->unlisted);
    pickle_below(p, &override, OVERRIDE_ENABLE + 1);
    PICKLE(p, &route->contested);
    pickle_below(p, &state, ROUTE_STATE_COUNT);
    pickle_time(p, &route->state_since);
    route->listing = (enum listing)listing;
    route->override = (enum override_action)override;
    route->state = (enum route_state)state;
}

static void place_pickle(struct pickle *p, struct place *place)
{
    double credit = (double)place->credit;

    PICKLE(p, &place->loss);
    PICKLE(p, &place->evidence.product);
    pickle_time(p, &place->evidence.at);
    PICKLE(p, &place->rank);
    PICKLE(p, &place->slots);
    PICKLE(p, &place->flags);
    pickle_below(p, &place->reason, REASON_COUNT);
    pickle_part(p, &credit, -CREDIT_MOST, CREDIT_MOST);
    place->credit = (float)credit;
    if (place->slots > TABLE_SLOTS)
        p->bad = true;
}

static void model_pickle(struct pickle *p, struct ranked_model *m)
{
    rate_pickle(p, &m->demand);
    rate_pickle(p, &m->lost);
    pickle_bool(p, &m->shortage);
    pickle_time(p, &m->observed_at);
    pickle_time(p, &m->due);
    pickle_time(p, &m->round);
    PICKLE(p, &m->everything);
    PICKLE(p, &m->content);
    PICKLE(p, &m->ranked);
    PICKLE(p, &m->repriced);
}

static void follow_pickle(struct pickle *p, struct follow *f)
{
    size_t len = f->leads_len;

    pickle_count(p, &len, FOLLOW_LEADS);
    for (size_t i = 0; i < len; i++) {
        struct lead *lead = &f->leads[i];
        int32_t route = lead->route;
        double share = (double)lead->share;

        pickle_time(p, &lead->at);
        PICKLE(p, &route);
        pickle_part(p, &share, 0, 1);
        lead->route = route;
        lead->share = (float)share;
    }
    f->leads_len = (unsigned)len;
    PICKLE(p, &f->alone);
    pickle_time(p, &f->at);
    pickle_part(p, &f->led, -PICKLE_MOST, PICKLE_MOST);
    pickle_part(p, &f->other, -PICKLE_MOST, PICKLE_MOST);
    pickle_part(p, &f->share, 0, PICKLE_MOST);
    pickle_part(p, &f->count, 0, PICKLE_MOST);
    pickle_time(p, &f->again.at);
    PICKLE(p, &f->again.spread);
    float *numbers[] = {&f->again.tries, &f->again.led, &f->again.failed, &f->again.elsewhere, &f->again.share};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        double number = (double)*numbers[i];

        pickle_part(p, &number, 0, PICKLE_MOST);
        *numbers[i] = (float)number;
    }
}

static void standing_pickle(struct pickle *p, struct standing *s)
{
    int32_t first = s->first, challenger = s->challenger, leader = s->leader, second = s->second;

    PICKLE(p, &first);
    PICKLE(p, &challenger);
    PICKLE(p, &leader);
    PICKLE(p, &second);
    PICKLE(p, &s->flags);
    pickle_part(p, &s->move, 0, TABLE_SLOTS);
    pickle_time(p, &s->move_at);
    pickle_time(p, &s->sliced_at);
    follow_pickle(p, &s->follow);
    PICKLE(p, &s->pinned);
    s->first = first;
    s->challenger = challenger;
    s->leader = leader;
    s->second = second;
}

/* --- writing --- */

static void write_name(struct pickle *p, const char *name)
{
    char copy[NAME_SIZE];

    snprintf(copy, sizeof(copy), "%s", name);
    pickle_text(p, copy, sizeof(copy));
}

static void write_model(struct pickle *p, struct ranker *r, struct ranked_model *m)
{
    size_t begun = pickle_begin(p, NULL), len = m->len, policies = r->policies_len;

    write_name(p, m->name);
    model_pickle(p, m);
    pickle_count(p, &len, ROUTES_MOST);
    for (size_t i = 0; i < m->len; i++) {
        struct ranked_route *route = r->routes[m->routes[i]];

        write_name(p, route->facts->platform);
        route_state_pickle(p, route);
        price_pickle(p, &route->price);
        PICKLE(p, &m->stale[i]);
        PICKLE(p, &m->fresh[i]);
        input_pickle(p, &m->inputs[i]);
    }
    pickle_count(p, &policies, POLICIES_MOST);
    for (size_t i = 0; i < r->policies_len; i++) {
        write_name(p, r->policies[i].name);
        standing_pickle(p, &m->standings[i]);
        for (size_t k = 0; k < m->len; k++)
            place_pickle(p, &m->standings[i].places[k]);
    }
    pickle_end(p, begun, NULL);
}

/* What is told while a save is under way must not get into it: a model is written just before it changes, if its turn has not come by then. */
struct saving {
    struct buf *to;
    bool *saved; /* a model */
    size_t models, cursor, left;
};

static void save_model(struct ranker *r, size_t model)
{
    struct pickle p = {.to = r->saving->to};

    r->saving->saved[model] = true;
    r->saving->left--;
    write_model(&p, r, &r->models[model]);
}

void ranker_save_first(struct ranker *r, size_t model)
{
    if (model < r->saving->models && !r->saving->saved[model])
        save_model(r, model);
}

void ranker_save_begin(struct ranker *r, struct buf *to)
{
    struct pickle p = {.to = to};
    uint32_t magic = PICKLE_MAGIC, version = PICKLE_VERSION;
    size_t reporters = r->reporters_len, platforms = r->platforms_len, models = r->models_len;

    ranker_save_end(r);
    pickle_u32(&p, &magic);
    pickle_u32(&p, &version);
    pickle_time(&p, &r->now);
    PICKLE(&p, &r->revision);
    PICKLE(&p, &r->local);
    pickle_count(&p, &reporters, RANKER_REPORTERS);
    for (size_t i = 0; i < r->reporters_len; i++) {
        write_name(&p, r->reporters[i]);
        PICKLE(&p, &r->rates[i + 1].second);
        PICKLE(&p, &r->rates[i + 1].told);
        PICKLE(&p, &r->rates[i + 1].load);
    }
    pickle_count(&p, &platforms, ROUTES_MOST);
    for (size_t i = 0; i < r->platforms_len; i++) {
        write_name(&p, r->platforms[i].name);
        platform_pickle(&p, &r->platforms[i]);
    }
    pickle_count(&p, &models, ROUTES_MOST);
    r->saving = alloc_zero(1, sizeof(*r->saving));
    *r->saving = (struct saving){.to = to, .saved = alloc_zero(models + 1, sizeof(bool)), .models = models, .left = models};
}

bool ranker_save_some(struct ranker *r, size_t routes)
{
    struct saving *s = r->saving;
    size_t done = 0;

    if (!s)
        return false;
    for (; s->cursor < s->models && done < routes; s->cursor++) {
        if (s->saved[s->cursor])
            continue;
        done += r->models[s->cursor].len;
        save_model(r, s->cursor);
    }
    if (s->left > 0)
        return true;
    ranker_save_end(r);
    return false;
}

void ranker_save_end(struct ranker *r)
{
    if (r->saving)
        free(r->saving->saved);
    free(r->saving);
    r->saving = NULL;
}

void ranker_save(struct ranker *r, struct buf *to)
{
    ranker_save_begin(r, to);
    while (ranker_save_some(r, SIZE_MAX))
        ;
}

/* --- reading --- */

/* What is read of a model, with its routes by their numbers in the bytes. */
struct reading_model {
    struct ranked_model *m;
    size_t len;
    int *place;  /* index in m; -1 = that route is gone */
    bool same;   /* exactly the routes of m, whatever their order */
};

static void read_routes(struct pickle *p, struct ranker *r, struct reading_model *rm)
{
    struct ranked_route *nobody = alloc_zero(1, sizeof(*nobody));

    for (size_t i = 0; i < rm->len && pickle_fine(p); i++) {
        char platform[NAME_SIZE] = "";
        struct loss_input input = {.chance = 1};
        bool stale = true, fresh = false;

        pickle_text(p, platform, sizeof(platform));
        int id = ranker_find(r, platform, rm->m->name);
        struct ranked_route *route = id >= 0 ? r->routes[id] : nobody;

        rm->place[i] = id >= 0 ? (int)route->place : -1;
        rm->same = rm->same && id >= 0;
        route_state_pickle(p, route);
        bool same_price = price_pickle(p, &route->price);

        PICKLE(p, &stale);
        PICKLE(p, &fresh);
        input_pickle(p, &input);
        if (id < 0)
            continue;
        rm->m->inputs[route->place] = input;
        rm->m->stale[route->place] = stale || !same_price;
        rm->m->fresh[route->place] = fresh;
        rm->m->repriced = rm->m->repriced || !same_price;
        route->restored = route->stats.sampled_at > 0;
        ranker_meet(r, route);
    }
    free(nobody->measured);
    free(nobody);
    if (rm->len != rm->m->len)
        rm->same = false;
}

/* The same route twice would leave another without a place. */
static bool all_differ(const struct reading_model *rm)
{
    bool *seen = alloc_zero(rm->m->len + 1, sizeof(*seen)), differ = true;

    for (size_t i = 0; i < rm->len && differ; i++) {
        if (rm->place[i] < 0)
            continue;
        differ = !seen[rm->place[i]];
        seen[rm->place[i]] = true;
    }
    free(seen);
    return differ;
}

static int translate(const struct reading_model *rm, int place)
{
    return place >= 0 && (size_t)place < rm->len ? rm->place[place] : -1;
}

/* Ranks must be those of a table, each once: whoever has none yet (it joined after the last ranking), or somebody else's, gets what is left until the next. */
static void mend_ranks(struct standing *s, size_t len)
{
    bool *taken = alloc_zero(len + 1, sizeof(*taken));
    uint32_t next = 1;

    for (size_t i = 0; i < len; i++) {
        uint32_t rank = s->places[i].rank;

        if (rank > len || taken[rank])
            s->places[i].rank = 0;
        else if (rank > 0)
            taken[rank] = true;
    }
    for (size_t i = 0; i < len; i++) {
        while (s->places[i].rank == 0 && taken[next])
            next++;
        if (s->places[i].rank == 0)
            s->places[i].rank = next++;
    }
    free(taken);
}

static void read_standing(struct pickle *p, struct reading_model *rm, struct standing *s)
{
    struct standing read = {.first = -1, .told = -1, .challenger = -1, .leader = -1, .second = -1};

    standing_pickle(p, &read);
    for (size_t i = 0; i < rm->len && pickle_fine(p); i++) {
        struct place place = {.rank = 0};
        int to = rm->place[i];

        place_pickle(p, &place);
        if (!s || to < 0)
            continue;
        place.meets = s->places[to].meets;
        if (rm->same) {
            s->places[to] = place;
            s->places[to].flags |= ROW_RESTORED;
        } else {
            s->places[to].evidence = place.evidence;
            s->places[to].slots = place.slots;
            s->places[to].credit = place.credit;
        }
    }
    if (!s || !pickle_fine(p))
        return;
    s->first = s->told = translate(rm, read.first);
    s->challenger = translate(rm, read.challenger);
    s->leader = translate(rm, read.leader);
    s->second = translate(rm, read.second);
    s->pinned = read.pinned;
    s->move = read.move;
    s->move_at = read.move_at;
    s->sliced_at = read.sliced_at;
    s->follow = read.follow;
    for (unsigned i = 0; i < s->follow.leads_len; i++)
        s->follow.leads[i].route = translate(rm, read.follow.leads[i].route);
    s->flags = read.flags;
    s->changed = true;
    if (rm->same)
        mend_ranks(s, rm->m->len);
}

static void read_standings(struct pickle *p, struct ranker *r, struct reading_model *rm)
{
    size_t policies = 0, found = 0;

    pickle_count(p, &policies, POLICIES_MOST);
    for (size_t i = 0; i < policies && pickle_fine(p); i++) {
        char name[NAME_SIZE] = "";

        pickle_text(p, name, sizeof(name));
        int policy = name[0] ? ranker_find_policy(r, name) : -1;

        read_standing(p, rm, policy >= 0 ? &rm->m->standings[policy] : NULL);
        found += policy >= 0;
    }
    if (found != r->policies_len)
        rm->same = false;
}

static void read_model(struct pickle *p, struct ranker *r)
{
    const uint8_t *end = NULL;
    char name[NAME_SIZE] = "";
    struct reading_model rm = {.same = true};

    pickle_begin(p, &end);
    pickle_text(p, name, sizeof(name));
    int model = ranker_find_model(r, name);

    if (model < 0 || !pickle_fine(p)) {
        pickle_end(p, 0, end);
        return;
    }
    rm.m = &r->models[model];
    model_pickle(p, rm.m);
    pickle_count(p, &rm.len, ROUTES_MOST);
    rm.place = alloc_zero(rm.len + 1, sizeof(*rm.place));
    read_routes(p, r, &rm);
    if (pickle_fine(p) && !all_differ(&rm))
        p->bad = true;
    if (pickle_fine(p))
        read_standings(p, r, &rm);
    if (!rm.same)
        rm.m->ranked = false; /* all of it, at once */
    free(rm.place);
    pickle_end(p, 0, end);
}

static void read_reporters(struct pickle *p, struct ranker *r)
{
    size_t reporters = 0;

    pickle_count(p, &reporters, RANKER_REPORTERS);
    for (size_t i = 0; i < reporters && pickle_fine(p); i++) {
        char name[NAME_SIZE] = "";
        struct reporter_rate rate = {.second = 0};

        pickle_text(p, name, sizeof(name));
        PICKLE(p, &rate.second);
        PICKLE(p, &rate.told);
        PICKLE(p, &rate.load);
        r->rates[ranker_reporter(r, name)] = rate;
    }
}

static void read_platforms(struct pickle *p, struct ranker *r)
{
    struct ranked_platform *nobody = alloc_zero(1, sizeof(*nobody));
    size_t platforms = 0;

    pickle_count(p, &platforms, ROUTES_MOST);
    for (size_t i = 0; i < platforms && pickle_fine(p); i++) {
        char name[NAME_SIZE] = "";

        pickle_text(p, name, sizeof(name));
        int id = ranker_find_platform(r, name);

        platform_pickle(p, id >= 0 ? &r->platforms[id] : nobody);
    }
    free(nobody);
}

/* What follows from what was read. */
static void restore_rest(struct ranker *r)
{
    r->due = USEC_INFINITY;
    for (size_t i = 0; i < r->routes_len; i++)
        ranker_relate(r, r->routes[i]);
    for (size_t i = 0; i < r->models_len; i++) {
        struct ranked_model *m = &r->models[i];

        if (!m->ranked)
            m->everything = m->content = true;
        /* What was due earlier is still due then; but never so much that catching up would take long. */
        if (!m->ranked || m->due < r->now - CATCH_UP)
            m->due = r->now;
        if (m->observed_at > r->now)
            m->observed_at = r->now;
        r->due = m->due < r->due ? m->due : r->due;
    }
    r->restored = r->changed = true;
}

int ranker_restore(struct ranker *r, const void *data, size_t len)
{
    struct pickle p = {.at = data, .end = (const uint8_t *)data + len};
    uint32_t magic = 0, version = 0;
    size_t models = 0;

    pickle_u32(&p, &magic);
    pickle_u32(&p, &version);
    if (!pickle_fine(&p) || magic != PICKLE_MAGIC)
        return -EINVAL;
    if (version != PICKLE_VERSION)
        return -EPROTO;
    pickle_time(&p, &r->now);
    p.latest = r->now + USEC_PER_DAY; /* what is told for later (Retry-After) is capped far below that */
    PICKLE(&p, &r->revision);
    PICKLE(&p, &r->local);
    read_reporters(&p, r);
    read_platforms(&p, r);
    pickle_count(&p, &models, ROUTES_MOST);
    for (size_t i = 0; i < models && pickle_fine(&p); i++)
        read_model(&p, r);
    if (!pickle_fine(&p) || p.at != p.end)
        return -EINVAL;
    restore_rest(r);
    return 0;
}

bool ranker_confirmed(const struct ranker *r)
{
    for (size_t i = 0; i < r->models_len; i++) {
        const struct ranked_model *m = &r->models[i];

        for (size_t k = 0; k < m->len; k++) {
            bool shares = false;

            if (!r->routes[m->routes[k]]->restored)
                continue;
            for (size_t p = 0; p < r->policies_len && !shares; p++)
                shares = m->standings[p].places[k].slots > 0;
            if (shares)
                return false;
        }
    }
    return true;
}
