/* The ranker: its memory, and what is observed. (What is told otherwise: ranker_set.c.)
 *
 * Platforms, routes and models are added once and never removed (a reload makes a new ranker and adopts). Everything that is told marks the
 * models it touches dirty; nothing is ranked before ranker_refresh. The clock is the caller's and only moves forward.
 * A route's statistics are one block of fixed size; arrays grow with routes, models and policies, which the configuration bounds, and with
 * nothing else. It never sleeps, prints, or asks for the time. */
#include "probed/core/ranker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/ranker_inside.h"
#include "probed/core/schedule.h"
#include "shared/alloc.h"
#include "shared/text.h"

struct ranker *ranker_new(const struct ranker_setup *setup)
{
    struct ranker *r = alloc_zero(1, sizeof(*r));

    r->policies = setup->policies;
    r->policies_len = setup->policies_len;
    r->rules = health_rules_filled(&setup->health);
    text_copy(r->currency, sizeof(r->currency), setup->currency ? setup->currency : "", setup->currency ? strlen(setup->currency) : 0);
    r->vantage = alloc_string(setup->vantage ? setup->vantage : "");
    return r;
}

static void free_model(struct ranked_model *m, size_t policies)
{
    for (size_t p = 0; p < policies; p++) {
        free(m->standings[p].places);
        free(m->standings[p].order);
        ranking_unref(m->standings[p].published);
    }
    free(m->standings);
    free(m->name);
    free(m->routes);
    free(m->inputs);
    free(m->stale);
    free(m->fresh);
    free(m->related);
    ranker_instant_free(m, policies);
}

void ranker_free(struct ranker *r)
{
    if (!r)
        return;
    ranker_save_end(r);
    for (size_t i = 0; i < r->platforms_len; i++) {
        free(r->platforms[i].name);
        free(r->platforms[i].title);
    }
    for (size_t i = 0; i < r->routes_len; i++) {
        table_facts_unref(r->routes[i]->facts);
        free(r->routes[i]->measured);
        free(r->routes[i]);
    }
    for (size_t i = 0; i < r->models_len; i++)
        free_model(&r->models[i], r->policies_len);
    free(r->platforms);
    free(r->routes);
    free(r->models);
    free(r->index);
    for (size_t i = 0; i < r->reporters_len; i++)
        free(r->reporters[i]);
    free(r->reporters);
    free(r->vantage);
    free(r->rank_room);
    free(r->slots_room);
    free(r->share_room);
    free(r->loss_room);
    free(r->input_room);
    free(r->eligible_room);
    free(r->prepared_room);
    free(r->evidence_room);
    free(r->crowd_room);
    free(r);
}

usec_t ranker_clock(struct ranker *r, usec_t now)
{
    bool begins = r->now == 0 && now > 0;

    if (now > r->now)
        r->now = now;
    for (size_t i = 0; begins && i < r->models_len; i++)
        r->models[i].due = r->models[i].round = r->models[i].observed_at = now;
    return r->now;
}

/* The first tick that is not before t. */
static usec_t tick(usec_t t)
{
    return (t + RANKER_TICK - 1) / RANKER_TICK * RANKER_TICK;
}

void ranker_mark(struct ranker *r, const struct ranked_route *route)
{
    struct ranked_model *m = &r->models[route->model];

    m->stale[route->place] = true;
    ranker_set_due(r, m, tick(r->now));
}

void ranker_urge(struct ranker *r, const struct ranked_route *route)
{
    struct ranked_model *m = &r->models[route->model];

    m->stale[route->place] = true;
    ranker_set_due(r, m, r->now);
}

void ranker_bring_platform(struct ranker *r, int platform, usec_t now)
{
    now = ranker_clock(r, now);
    for (size_t i = 0; i < r->routes_len; i++) {
        if (r->routes[i]->platform == platform)
            ranker_bring(r, r->routes[i]->model, now);
    }
}

void ranker_bring_route(struct ranker *r, const struct ranked_route *route, usec_t now)
{
    ranker_bring(r, route->model, ranker_clock(r, now));
}

void ranker_urge_platform(struct ranker *r, int platform)
{
    for (size_t i = 0; i < r->routes_len; i++) {
        if (r->routes[i]->platform == platform)
            ranker_urge(r, r->routes[i]);
    }
}

int ranker_add_platform(struct ranker *r, const char *name, const char *title, const struct tag *tags, size_t tags_len)
{
    if (r->platforms_len == r->platforms_size) {
        r->platforms_size = r->platforms_size ? 2 * r->platforms_size : 16;
        r->platforms = alloc_resize(r->platforms, r->platforms_size, sizeof(r->platforms[0]));
    }
    r->platforms[r->platforms_len] = (struct ranked_platform){
        .name = alloc_string(name),
        .title = alloc_string(title ? title : name),
        .tags = tags,
        .tags_len = tags_len,
        .usable = true,
    };
    return (int)r->platforms_len++;
}

int ranker_find_platform(const struct ranker *r, const char *name)
{
    for (size_t i = 0; i < r->platforms_len; i++) {
        if (strcmp(r->platforms[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

uint8_t ranker_reporter(struct ranker *r, const char *name)
{
    for (size_t i = 0; i < r->reporters_len; i++) {
        if (strcmp(r->reporters[i], name) == 0)
            return (uint8_t)(i + 1);
    }
    if (r->reporters_len == RANKER_REPORTERS)
        return RANKER_REPORTERS;
    r->reporters = alloc_resize(r->reporters, r->reporters_len + 1, sizeof(r->reporters[0]));
    r->reporters[r->reporters_len++] = alloc_string(name);
    return (uint8_t)r->reporters_len;
}

int ranker_find_model(const struct ranker *r, const char *name)
{
    for (size_t i = 0; i < r->models_len; i++) {
        if (strcmp(r->models[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

int ranker_find_policy(const struct ranker *r, const char *name)
{
    for (size_t i = 0; i < r->policies_len; i++) {
        if (!name || strcmp(r->policies[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static int add_model(struct ranker *r, const char *name)
{
    int found = ranker_find_model(r, name);

    if (found >= 0)
        return found;
    if (r->models_len == r->models_size) {
        r->models_size = r->models_size ? 2 * r->models_size : 16;
        r->models = alloc_resize(r->models, r->models_size, sizeof(r->models[0]));
    }
    struct ranked_model *m = &r->models[r->models_len];

    *m = (struct ranked_model){
        .name = alloc_string(name),
        .standings = alloc_zero(r->policies_len, sizeof(struct standing)),
        .due = r->now,
        .round = r->now,
        .observed_at = r->now,
        .before = {.at = -1},
    };
    for (size_t p = 0; p < r->policies_len; p++)
        m->standings[p].first = m->standings[p].told = m->standings[p].challenger = m->standings[p].leader = m->standings[p].second = -1;
    return (int)r->models_len++;
}

static void grow_rooms(struct ranker *r, size_t size)
{
    if (size <= r->room)
        return;
    r->room = size;
    r->rank_room = alloc_resize(r->rank_room, size, sizeof(r->rank_room[0]));
    r->slots_room = alloc_resize(r->slots_room, size, sizeof(r->slots_room[0]));
    r->share_room = alloc_resize(r->share_room, size, sizeof(r->share_room[0]));
    r->loss_room = alloc_resize(r->loss_room, size, sizeof(r->loss_room[0]));
    r->input_room = alloc_resize(r->input_room, size, sizeof(r->input_room[0]));
    r->eligible_room = alloc_resize(r->eligible_room, size, sizeof(r->eligible_room[0]));
    r->prepared_room = alloc_resize(r->prepared_room, size, sizeof(r->prepared_room[0]));
    r->evidence_room = alloc_resize(r->evidence_room, size, sizeof(r->evidence_room[0]));
}

/* Makes room for one more route in every array of the model. */
static void grow_model(struct ranker *r, struct ranked_model *m)
{
    if (m->len < m->size)
        return;
    m->size = m->size ? 2 * m->size : 8;
    m->routes = alloc_resize(m->routes, m->size, sizeof(m->routes[0]));
    m->inputs = alloc_resize(m->inputs, m->size, sizeof(m->inputs[0]));
    m->stale = alloc_resize(m->stale, m->size, sizeof(m->stale[0]));
    m->fresh = alloc_resize(m->fresh, m->size, sizeof(m->fresh[0]));
    for (size_t p = 0; p < r->policies_len; p++) {
        struct standing *s = &m->standings[p];

        s->places = alloc_resize(s->places, m->size, sizeof(s->places[0]));
        s->order = alloc_resize(s->order, m->size, sizeof(s->order[0]));
    }
    ranker_instant_grow(r, m);
    free(m->related);
    m->related = m->size <= RELATED_MOST ? alloc_zero(m->size * m->size, sizeof(float)) : NULL;
    for (size_t i = 0; i < m->len; i++)
        ranker_relate(r, r->routes[m->routes[i]]);
    grow_rooms(r, m->size);
}

static uint64_t hash_name(const char *platform, const char *model)
{
    return schedule_hash(platform) * 31 + schedule_hash(model);
}

static void index_put(struct ranker *r, int id)
{
    size_t at = r->routes[id]->tie & (r->index_size - 1);

    while (r->index[at] >= 0)
        at = (at + 1) & (r->index_size - 1);
    r->index[at] = id;
}

static void index_add(struct ranker *r, int id)
{
    if (2 * (r->routes_len + 1) > r->index_size) {
        r->index_size = r->index_size ? 2 * r->index_size : 64;
        r->index = alloc_resize(r->index, r->index_size, sizeof(r->index[0]));
        memset(r->index, 0xff, r->index_size * sizeof(r->index[0]));
        for (size_t i = 0; i + 1 < r->routes_len; i++)
            index_put(r, (int)i);
    }
    index_put(r, id);
}

int ranker_find(const struct ranker *r, const char *platform, const char *model)
{
    uint64_t hash = hash_name(platform, model);

    if (r->index_size == 0)
        return -1;
    for (size_t at = hash & (r->index_size - 1); r->index[at] >= 0; at = (at + 1) & (r->index_size - 1)) {
        const struct ranked_route *route = r->routes[r->index[at]];

        if (route->tie == hash && strcmp(route->facts->platform, platform) == 0 && strcmp(route->facts->model, model) == 0)
            return r->index[at];
    }
    return -1;
}

static void place_route(struct ranker *r, struct ranked_route *route)
{
    struct ranked_model *m = &r->models[route->model];

    grow_model(r, m);
    route->place = m->len++;
    m->routes[route->place] = (int)r->routes_len - 1;
    m->fresh[route->place] = false;
    m->inputs[route->place] = (struct loss_input){.chance = 1};
    for (size_t p = 0; p < r->policies_len; p++) {
        m->standings[p].places[route->place] = (struct place){
            .meets = ranker_meets(r, route, p),
        };
        m->standings[p].order[route->place] = (uint32_t)route->place;
        m->standings[p].changed = true;
    }
    m->content = true;
    ranker_instant_join(r, m, route);
    ranker_urge(r, route);
}

int ranker_add_route(struct ranker *r, const struct ranker_route_setup *setup)
{
    const struct ranked_platform *platform = &r->platforms[setup->platform];
    const char *upstream = setup->upstream_model ? setup->upstream_model : setup->model;
    struct table_facts facts = {
        .platform = platform->name,
        .title = platform->title,
        /* The fields are not const, but only read. */
        .model = (char *)(uintptr_t)setup->model,
        .upstream_model = (char *)(uintptr_t)upstream,
        .endpoint = (char *)(uintptr_t)setup->endpoint,
        .dialect = (char *)(uintptr_t)setup->dialect,
        .key_env = (char *)(uintptr_t)setup->key_env,
    };
    struct ranked_route *route = alloc_zero(1, sizeof(*route));

    route_init(&route->stats, r->now);
    route->facts = table_facts_new(&facts);
    route->platform = setup->platform;
    route->model = add_model(r, setup->model);
    route->tie = hash_name(platform->name, setup->model);
    route->tags = setup->tags;
    route->tags_len = setup->tags_len;
    route->price = setup->price;
    route->interval = setup->interval;
    route->state = ROUTE_NEW;
    route->state_since = r->now;
    route->restored = r->restored;
    if (r->routes_len == r->routes_size) {
        r->routes_size = r->routes_size ? 2 * r->routes_size : 64;
        r->routes = alloc_resize(r->routes, r->routes_size, sizeof(r->routes[0]));
    }
    r->routes[r->routes_len++] = route;
    index_add(r, (int)r->routes_len - 1);
    place_route(r, route);
    return (int)r->routes_len - 1;
}

usec_t ranker_now(const struct ranker *r)
{
    return r->now;
}

size_t ranker_routes(const struct ranker *r)
{
    return r->routes_len;
}

enum route_state ranker_state(const struct ranker *r, int route)
{
    return r->routes[route]->state;
}

const struct table_facts *ranker_facts(const struct ranker *r, int route)
{
    return route >= 0 && (size_t)route < r->routes_len ? r->routes[route]->facts : NULL;
}

const struct price *ranker_price(const struct ranker *r, int route)
{
    return &r->routes[route]->price;
}

const struct honesty *ranker_honesty(const struct ranker *r, int route)
{
    return &r->routes[route]->stats.honesty;
}

void ranker_relate(struct ranker *r, const struct ranked_route *route)
{
    struct ranked_model *m = &r->models[route->model];

    if (!m->related)
        return;
    for (size_t j = 0; j < m->len; j++) {
        const struct health *other = &r->routes[m->routes[j]]->stats.health;

        m->related[route->place * m->size + j] = (float)health_together(&route->stats.health, other);
        m->related[j * m->size + route->place] = (float)health_together(other, &route->stats.health);
    }
}

static void add_demand(struct ranker *r, const struct ranked_route *route, const struct observation *o, usec_t now)
{
    struct ranked_model *m = &r->models[route->model];

    rate_add(&m->demand, 1, now);
    rate_add(&m->lost, outcome_ok(o->outcome) ? 0 : 1, now);
    for (size_t p = 0; p < r->policies_len; p++)
        follow_observe(&m->standings[p].follow, (int)route->place, o, now);
}

/* What shows another side of a route than whether it works. */
static void observe_aside(struct ranker *r, struct ranked_route *route, const struct observation *o, usec_t now)
{
    if (o->probe == PROBE_BURST)
        route_observe_burst(&route->stats, o, now);
    else
        route_observe_capabilities(&route->stats, o, now);
    ranker_mark(r, route);
}

int ranker_observe(struct ranker *r, int id, const struct observation *o, usec_t now)
{
    if (id < 0 || (size_t)id >= r->routes_len || now < r->now)
        return -EINVAL;
    struct ranked_route *route = r->routes[id];
    const char *why;

    ranker_bring_route(r, route, now);
    if (o->outcome.fault == FAULT_LOCAL || (r->local && o->outcome.fault == FAULT_RELAY))
        return 0;
    if (o->probe == PROBE_BURST || o->probe == PROBE_CAPABILITIES) {
        observe_aside(r, route, o, now);
        return 0;
    }
    /* Only a chat says how a route works; a lesser check of it can speak against it alone. */
    if (o->probe != PROBE_CHAT && o->outcome.fault != FAULT_RELAY)
        return 0;
    struct ranked_model *m = &r->models[route->model];
    unsigned onset = route->stats.health.onsets[0];

    ranker_instant_reopen(r, m);
    struct route_heard heard = route_report(&route->stats, &r->rules, o->reporter ? &r->rates[o->reporter] : NULL, o, m->shortage, now);

    if (o->source == SOURCE_TRAFFIC && heard.load)
        add_demand(r, route, o, now);
    m->observed_at = now;
    ranker_mark(r, route);
    if (!heard.counts)
        return 0;
    if (route->stats.health.onsets[0] != onset)
        ranker_relate(r, route);
    if (outcome_ok(o->outcome)) {
        /* Whoever answers is there, whatever a list says, and our key works. */
        if (route->listing == LISTING_ABSENT) {
            route->listing = LISTING_UNKNOWN;
            route->unlisted = true;
        }
        if (r->platforms[route->platform].key_refused) {
            ranker_bring_platform(r, route->platform, now);
            r->platforms[route->platform].key_refused = false;
            ranker_urge_platform(r, route->platform);
        }
    }
    route->restored = false;
    m->fresh[route->place] = true;
    m->content = true;
    if (ranker_state_of(r, route, now, &why) != route->state)
        ranker_urge(r, route);
    return 0;
}

/* A models probe that got an answer, if a bad one, says nothing about chats: some relays have no list at all. */
static bool counts_against_platform(const struct observation *o)
{
    if (o->outcome.fault != FAULT_RELAY)
        return false;
    return o->probe == PROBE_REACH || o->outcome.http_status == 0;
}

int ranker_observe_platform(struct ranker *r, int id, const struct observation *o, usec_t now)
{
    if (id < 0 || (size_t)id >= r->platforms_len || now < r->now || (o->probe != PROBE_REACH && o->probe != PROBE_MODELS))
        return -EINVAL;
    ranker_bring_platform(r, id, now);
    struct ranked_platform *platform = &r->platforms[id];
    struct platform_check *check = &platform->check[o->probe];

    if (o->outcome.fault == FAULT_LOCAL || (r->local && o->outcome.fault == FAULT_RELAY))
        return 0;
    if (counts_against_platform(o)) {
        if (check->run++ == 0)
            check->began = now;
        char *text = alloc_printf("%s of the platform fails: %s", probe_kind_name(o->probe), outcome_text(o->outcome.kind));

        text_copy(check->why, sizeof(check->why), text, strlen(text));
        free(text);
        if (check->run == (unsigned)r->rules.fall)
            ranker_urge_platform(r, id);
        return 0;
    }
    if (check->run >= (unsigned)r->rules.fall)
        ranker_urge_platform(r, id);
    check->run = 0;
    bool refused = o->outcome.fault == FAULT_OURS && (o->outcome.kind == OUTCOME_AUTH || o->outcome.kind == OUTCOME_NO_CREDIT);

    /* Reach carries no key: its success says nothing of one. */
    if (refused != platform->key_refused && (refused || (o->probe == PROBE_MODELS && outcome_ok(o->outcome)))) {
        platform->key_refused = refused;
        text_copy(platform->why, sizeof(platform->why), outcome_text(o->outcome.kind), strlen(outcome_text(o->outcome.kind)));
        ranker_urge_platform(r, id);
    }
    return 0;
}

void ranker_set_events(struct ranker *r, ranker_event_fn fn, void *arg)
{
    r->events = fn;
    r->events_arg = arg;
}
