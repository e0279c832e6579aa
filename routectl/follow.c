/* What following one ranking through a history would have brought.
 *
 * Imagine requests that come evenly. Each takes the ranking in force: its first try goes to a route by its weight, and if that fails one
 * retry goes to the best ranked other route. What would have become of it is told by what was really seen of those routes, probes and
 * traffic alike:
 *
 *     a request to a route at any moment meets what the next sighting of that route met, if there is one within SIGHTINGS_WINDOW.
 *
 * Sightings after the table and not before it: the ranking has been made from those before it and was bound to like them, whereas those
 * after it nobody knew; and a route that dies costs as much as it takes until the table has noticed. With d the length of a stretch between
 * two tables, w the weight, and p, q the parts of the stretch in which a request to the first and the second route would fail
 *
 *     failed first  = sum w d p        / sum w d
 *     failed        = sum w d p q      / sum w d          (q = 1 where there is no other route)
 *     first token   = the distribution of  T  with  w d (1 - p)  and of  (time wasted by the failure) + T of the retry  with  w d p (1 - q)
 *     cost          = sum (w d (1 - p) C + w d p (1 - q) C of the retry) / the sum of the same weights
 *
 * where C is the cost of the policy's request by the prices of that time, and failed tries cost nothing. What has nothing to go by is left
 * out of both sums and told as not known; time without any route counts as failed.
 *
 * Its limits: sightings were made at the load of that time, and a table that had moved the traffic would have moved the load with it
 * (a relay that held 10 % may break at 100 %); probes are shorter than real requests; failures of both routes within one stretch are taken
 * as independent beyond what the common time explains; a real client may retry more often, or not at all.
 *
 * Sums are doubles added in the order of time and rank, so that the same input gives the same bytes. First tokens are kept in buckets of
 * 1 %. Values in, values out: no clock, no I/O. */
#include "routectl/follow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

/* First tokens from 1 ms to more than an hour. */
#define BUCKET_LEAST 1000.0
#define BUCKET_RATIO 1.01
#define BUCKETS      1600

struct followed { /* one route that was in the ranking */
    int route;
    uint64_t counted; /* sightings up to this number are in the count */
    double first;     /* us that it was first */
};

struct follow {
    double time, unrouted;
    double asked, known; /* us that weigh: of all, of those with something to go by */
    double first_of, first_failed;
    double final_of, final_failed;
    double cost_of, cost;
    double ttft_of, ttft;
    double buckets[BUCKETS];
    uint64_t sightings;
    struct followed *routes;
    size_t routes_len, hint;
    int first; /* route; -1 = none yet */
    size_t changes;
    struct follow_change last[FOLLOW_CHANGES]; /* a ring: of change n at n % FOLLOW_CHANGES */
};

struct follow_ranking *follow_ranking_new(size_t len)
{
    struct follow_ranking *ranking = alloc_zero(1, sizeof *ranking + len * sizeof *ranking->rows);
    ranking->refs = 1;
    ranking->len = len;
    return ranking;
}

struct follow_ranking *follow_ranking_ref(struct follow_ranking *ranking)
{
    ranking->refs++;
    return ranking;
}

void follow_ranking_unref(struct follow_ranking *ranking)
{
    if (ranking && --ranking->refs == 0)
        free(ranking);
}

struct follow *follow_new(void)
{
    struct follow *f = alloc_zero(1, sizeof *f);
    f->first = -1;
    return f;
}

struct follow *follow_free(struct follow *f)
{
    if (f)
        free(f->routes);
    free(f);
    return NULL;
}

static struct followed *followed(struct follow *f, int route)
{
    if (f->hint < f->routes_len && f->routes[f->hint].route == route)
        return &f->routes[f->hint];
    for (f->hint = 0; f->hint < f->routes_len; f->hint++)
        if (f->routes[f->hint].route == route)
            return &f->routes[f->hint];
    f->routes = alloc_resize(f->routes, ++f->routes_len, sizeof *f->routes);
    f->routes[f->hint] = (struct followed){.route = route};
    return &f->routes[f->hint];
}

static void count(struct follow *f, int route, const struct seen *seen)
{
    struct followed *r = followed(f, route);
    for (size_t i = 0; i < seen->len; i++) {
        if (seen->list[i].sighting.number <= r->counted)
            continue;
        r->counted = seen->list[i].sighting.number;
        f->sightings++;
    }
}

static void add_ttft(struct follow *f, double ttft, double weight)
{
    int bucket = ttft > BUCKET_LEAST ? (int)(log(ttft / BUCKET_LEAST) / log(BUCKET_RATIO)) : 0;
    f->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1] += weight;
    f->ttft += ttft * weight;
    f->ttft_of += weight;
}

/* weight: of the whole stretch; what is not known or failed has no answer. */
static void add_answers(struct follow *f, const struct seen *seen, int64_t cost, double wasted, double weight)
{
    for (size_t i = 0; i < seen->len; i++) {
        const struct seen_part *part = &seen->list[i];
        if (part->sighting.ok && part->sighting.ttft >= 0)
            add_ttft(f, wasted + (double)part->sighting.ttft, weight * part->part);
    }
    if (cost < 0)
        return;
    f->cost += weight * (seen->known - seen->failed) * (double)cost;
    f->cost_of += weight * (seen->known - seen->failed);
}

/* Of a failed try. */
static double mean_wasted(const struct seen *seen)
{
    double sum = 0;
    for (size_t i = 0; i < seen->len; i++)
        sum += seen->list[i].sighting.ok ? 0 : seen->list[i].part * (double)seen->list[i].sighting.wasted;
    return sum / seen->failed;
}

/* What becomes of the requests whose first try on rows[tried] has failed. weight: of all first tries on it that something is known of. */
static void retry(struct follow *f, const struct follow_ranking *ranking, const struct sightings *sightings, size_t tried,
                  const struct seen *first, double weight)
{
    double failed = weight * first->failed / first->known;
    size_t next = tried == 0 ? 1 : 0;
    if (next >= ranking->len) {
        f->final_of += weight;
        f->final_failed += failed;
        return;
    }
    struct seen seen = sightings_of(sightings, ranking->rows[next].route);
    if (seen.len == 0)
        return;
    count(f, ranking->rows[next].route, &seen);
    f->final_of += weight;
    f->final_failed += failed * seen.failed / seen.known;
    add_answers(f, &seen, ranking->rows[next].cost, mean_wasted(first), failed / seen.known);
}

static void try_row(struct follow *f, const struct follow_ranking *ranking, const struct sightings *sightings, size_t tried, double time)
{
    const struct follow_row *row = &ranking->rows[tried];
    double weight = time * row->slots / FOLLOW_SLOTS;
    struct seen seen = sightings_of(sightings, row->route);
    f->asked += weight;
    if (seen.len == 0)
        return;
    count(f, row->route, &seen);
    double known = weight * seen.known;
    f->known += known;
    f->first_of += known;
    f->first_failed += weight * seen.failed;
    add_answers(f, &seen, row->cost, 0, weight);
    if (seen.failed > 0)
        retry(f, ranking, sightings, tried, &seen, known);
    else
        f->final_of += known;
}

/* A time without any route is no change: who is first after it counts against who was first before. */
static void note_first(struct follow *f, int route, usec_t at)
{
    if (f->first >= 0 && f->first != route)
        f->last[f->changes++ % FOLLOW_CHANGES] = (struct follow_change){.at = at, .from = f->first, .to = route};
    f->first = route;
}

void follow_step(struct follow *f, const struct follow_ranking *ranking, const struct sightings *sightings, usec_t from, usec_t until)
{
    double time = (double)(until - from);
    bool routed = ranking->len > 0 && ranking->rows[0].slots > 0;

    if (routed)
        note_first(f, ranking->rows[0].route, from);
    if (until <= from)
        return;
    f->time += time;
    if (!routed) {
        f->unrouted += time;
        f->asked += time;
        f->known += time;
        f->first_of += time;
        f->first_failed += time;
        f->final_of += time;
        f->final_failed += time;
        return;
    }
    followed(f, ranking->rows[0].route)->first += time;
    for (size_t i = 0; i < ranking->len && ranking->rows[i].slots > 0; i++)
        try_row(f, ranking, sightings, i, time);
}

static double part(double of, double all)
{
    return all > 0 ? of / all : NAN;
}

static double quantile(const struct follow *f, double q)
{
    double below = 0;
    if (!(f->ttft_of > 0))
        return NAN;
    for (int i = 0; i < BUCKETS; i++) {
        below += f->buckets[i];
        /* The sum of the parts may fall short of the whole by what was rounded. */
        if (f->buckets[i] > 0 && below >= f->ttft_of * q * (1 - 1e-9))
            return BUCKET_LEAST * pow(BUCKET_RATIO, i + 0.5);
    }
    return NAN;
}

void follow_estimate(const struct follow *f, struct follow_estimate *ret)
{
    *ret = (struct follow_estimate){
        .time = f->time / (double)USEC_PER_SEC,
        .known = part(f->known, f->asked),
        .unrouted = part(f->unrouted, f->time),
        .sightings = f->sightings,
        .failed_first = part(f->first_failed, f->first_of),
        .failed = part(f->final_failed, f->final_of),
        .ttft_mean = part(f->ttft, f->ttft_of),
        .ttft_p50 = quantile(f, 0.5),
        .ttft_p95 = quantile(f, 0.95),
        .cost = part(f->cost, f->cost_of),
        .changes = f->changes,
    };
    ret->enough = f->sightings >= FOLLOW_SIGHTINGS_ENOUGH && ret->known >= FOLLOW_KNOWN_ENOUGH;
    ret->last_len = f->changes < FOLLOW_CHANGES ? f->changes : FOLLOW_CHANGES;
    for (size_t i = 0; i < ret->last_len; i++)
        ret->last[i] = f->last[(f->changes - ret->last_len + i) % FOLLOW_CHANGES];
}

struct place {
    const struct followed *followed;
    const char *name;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->followed->first != y->followed->first)
        return x->followed->first > y->followed->first ? -1 : 1;
    return strcmp(x->name, y->name);
}

void follow_each_first(const struct follow *f, const struct sightings *sightings, follow_first_fn fn, void *arg)
{
    struct place *places CLEANUP(alloc_freep) = alloc_zero(f->routes_len + 1, sizeof *places);
    size_t len = 0;
    for (size_t i = 0; i < f->routes_len; i++)
        if (f->routes[i].first > 0)
            places[len++] = (struct place){&f->routes[i], sightings_platform(sightings, f->routes[i].route)};
    qsort(places, len, sizeof *places, compare_places);
    for (size_t i = 0; i < len; i++)
        fn(arg, places[i].followed->route, places[i].followed->first / f->time);
}
