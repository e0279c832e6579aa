/* A queue of sightings for each route, and a hash of the routes' names.
 *
 * Told in the order of time and looked at in the order of time, so that looking only moves each queue's head forward. What lies before the
 * head is given back when it is half of the queue: memory is that of the window, however long the history is. Values in, values out; no
 * clock, no I/O. */
#include "routectl/sightings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define ROUTES_MAX 100000

struct route {
    char *platform, *model;
    uint64_t hash;
    struct sighting *queue;
    size_t head, len, size; /* len: with what lies before the head */
    struct seen_part *parts;
    struct seen seen; /* in the stretch that is looked at */
};

struct sightings {
    struct route *routes;
    size_t len, size;
    int *places; /* of the hash: route + 1, 0 = free */
    size_t places_len;
    uint64_t told;
};

struct sightings *sightings_new(void)
{
    struct sightings *s = alloc_zero(1, sizeof *s);
    s->places_len = 256;
    s->places = alloc_zero(s->places_len, sizeof *s->places);
    return s;
}

struct sightings *sightings_free(struct sightings *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->len; i++) {
        free(s->routes[i].platform);
        free(s->routes[i].model);
        free(s->routes[i].queue);
        free(s->routes[i].parts);
    }
    free(s->routes);
    free(s->places);
    free(s);
    return NULL;
}

static uint64_t hash_more(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return (hash ^ '\n') * 0x100000001b3u;
}

/* The place of the route, or the free one where it belongs. */
static int *place_of(const struct sightings *s, const char *platform, const char *model, uint64_t hash)
{
    for (size_t i = hash & (s->places_len - 1);; i = (i + 1) & (s->places_len - 1)) {
        if (s->places[i] == 0)
            return &s->places[i];
        const struct route *route = &s->routes[s->places[i] - 1];
        if (route->hash == hash && strcmp(route->platform, platform) == 0 && strcmp(route->model, model) == 0)
            return &s->places[i];
    }
}

static void make_room(struct sightings *s)
{
    if (s->len == s->size) {
        s->size = s->size ? 2 * s->size : 64;
        s->routes = alloc_resize(s->routes, s->size, sizeof *s->routes);
    }
    if (2 * (s->len + 1) <= s->places_len)
        return;
    free(s->places);
    s->places_len *= 2;
    s->places = alloc_zero(s->places_len, sizeof *s->places);
    for (size_t i = 0; i < s->len; i++)
        *place_of(s, s->routes[i].platform, s->routes[i].model, s->routes[i].hash) = (int)i + 1;
}

int sightings_route(struct sightings *s, const char *platform, const char *model)
{
    uint64_t hash = hash_more(hash_more(0xcbf29ce484222325u, platform), model);
    int *place = place_of(s, platform, model, hash);
    if (*place > 0)
        return *place - 1;
    if (s->len >= ROUTES_MAX)
        return -E2BIG;
    make_room(s);
    s->routes[s->len++] = (struct route){.platform = alloc_string(platform), .model = alloc_string(model), .hash = hash};
    *place_of(s, platform, model, hash) = (int)s->len;
    return (int)s->len - 1;
}

const char *sightings_platform(const struct sightings *s, int route)
{
    return s->routes[route].platform;
}

const char *sightings_model(const struct sightings *s, int route)
{
    return s->routes[route].model;
}

void sightings_tell(struct sightings *s, int route, usec_t at, bool ok, usec_t ttft, usec_t wasted)
{
    struct route *r = &s->routes[route];
    if (r->len == r->size && 2 * r->head >= r->len && r->len > 0) {
        r->len -= r->head;
        memmove(r->queue, r->queue + r->head, r->len * sizeof *r->queue);
        r->head = 0;
    } else if (r->len == r->size) {
        r->size = r->size ? 2 * r->size : 16;
        r->queue = alloc_resize(r->queue, r->size, sizeof *r->queue);
    }
    r->queue[r->len++] = (struct sighting){.at = at, .number = ++s->told, .ttft = ok ? ttft : -1, .wasted = ok ? 0 : wasted, .ok = ok};
}

static void add_part(struct route *r, const struct sighting *sighting, double part)
{
    r->parts[r->seen.len++] = (struct seen_part){part, *sighting};
    r->seen.known += part;
    r->seen.failed += sighting->ok ? 0 : part;
}

static void look(struct route *r, usec_t from, usec_t until)
{
    while (r->head < r->len && r->queue[r->head].at <= from)
        r->head++;
    const struct sighting *list = r->queue + r->head;
    size_t left = r->len - r->head, within = 0;
    double whole = (double)(until - from);
    if (!r->parts)
        r->parts = alloc_zero(SIGHTINGS_MOST + 1, sizeof *r->parts);
    r->seen = (struct seen){.list = r->parts};
    if (until <= from)
        return;
    while (within < left && list[within].at <= until)
        within++;
    size_t each = (within + SIGHTINGS_MOST - 1) / SIGHTINGS_MOST;
    for (size_t i = each; within > 0 && from < list[within - 1].at; i += each) {
        const struct sighting *next = &list[(i < within ? i : within) - 1];
        add_part(r, next, (double)(next->at - from) / whole);
        from = next->at;
    }
    if (within == left)
        return;
    from = from > list[within].at - SIGHTINGS_WINDOW ? from : list[within].at - SIGHTINGS_WINDOW;
    if (from < until)
        add_part(r, &list[within], (double)(until - from) / whole);
}

void sightings_look(struct sightings *s, usec_t from, usec_t until)
{
    for (size_t i = 0; i < s->len; i++)
        if (s->routes[i].queue)
            look(&s->routes[i], from, until);
}

struct seen sightings_of(const struct sightings *s, int route)
{
    return s->routes[route].seen;
}

size_t sightings_held(const struct sightings *s)
{
    size_t held = 0;
    for (size_t i = 0; i < s->len; i++)
        held += s->routes[i].len - s->routes[i].head;
    return held;
}
