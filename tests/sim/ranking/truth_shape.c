/* From what happens to what is: episodes are cut at all their ends into the pieces of each route, hard faults are noted as incidents.
 *
 * In one piece the failures of the worst episode count (two causes rarely fail the same request), slowness multiplies. Both run straight
 * inside a piece, so that a look at any moment costs no search. Pieces are made once a world and never change. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "tests/sim/ranking/truth.h"

#define HARD_P        0.9
#define HARD_SECONDS  60.0  /* a shorter fault says nothing about detection */
#define CALM_SECONDS  120.0 /* without a hard fault before it */
#define WATCH_SECONDS 600.0

struct episode *truth_add_episode(struct truth *truth, double begins, double ends, uint32_t platforms)
{
    static struct episode spare;

    /* A family that wants more than there is room for gets its last ones dropped; the generators stay far below. */
    if (truth->episodes_len == TRUTH_EPISODES_MAX) {
        spare = (struct episode){.begins = 0};
        return &spare;
    }
    struct episode *e = &truth->episodes[truth->episodes_len++];

    *e = (struct episode){
        .begins = fmax(0, begins),
        .ends = fmin(truth->duration, fmax(begins, ends)),
        .platforms = platforms,
        .models = (1u << truth->models) - 1,
        .mode = ANSWER_5XX,
    };
    return e;
}

void truth_add_price(struct truth *truth, double t, int platform, uint32_t models, double factor)
{
    if (truth->prices_len < TRUTH_PRICES_MAX)
        truth->prices[truth->prices_len++] = (struct price_step){t, platform, models, factor};
}

static bool concerns(const struct episode *e, int platform, int model)
{
    return e->platforms & 1u << platform && e->models & 1u << model && e->ends > e->begins;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int compare_prices(const void *a, const void *b)
{
    return compare_doubles(&((const struct price_step *)a)->t, &((const struct price_step *)b)->t);
}

static int compare_incidents(const void *a, const void *b)
{
    return compare_doubles(&((const struct incident *)a)->begins, &((const struct incident *)b)->begins);
}

static double along(const struct episode *e, double v0, double v1, double t)
{
    return v0 + (v1 - v0) * (t - e->begins) / (e->ends - e->begins);
}

/* What holds on [begins, ends), where no episode begins or ends. */
static struct piece make_piece(const struct truth *truth, int platform, int model, double begins, double ends)
{
    struct piece piece = {.t = begins, .log_level = truth->route[platform][model].log_level, .mode = ANSWER_5XX};
    double middle = (begins + ends) / 2, worst = 0;

    for (int i = 0; i < truth->episodes_len; i++) {
        const struct episode *e = &truth->episodes[i];

        if (!concerns(e, platform, model) || middle < e->begins || middle >= e->ends)
            continue;
        piece.log_level += along(e, e->slow0, e->slow1, begins);
        piece.log_slope += (e->slow1 - e->slow0) / (e->ends - e->begins);
        if (along(e, e->p0, e->p1, middle) <= worst)
            continue;
        worst = along(e, e->p0, e->p1, middle);
        piece.p = along(e, e->p0, e->p1, begins);
        piece.p_slope = (e->p1 - e->p0) / (e->ends - e->begins);
        piece.mode = e->mode;
    }
    piece.level = exp(piece.log_level);
    return piece;
}

static void compile_route(struct truth *truth, int platform, int model, double *edges)
{
    struct truth_route *route = &truth->route[platform][model];
    int n = 0;

    edges[n++] = 0;
    for (int i = 0; i < truth->episodes_len; i++)
        if (concerns(&truth->episodes[i], platform, model)) {
            edges[n++] = truth->episodes[i].begins;
            edges[n++] = truth->episodes[i].ends;
        }
    qsort(edges, (size_t)n, sizeof(*edges), compare_doubles);
    route->pieces = alloc_zero((size_t)n, sizeof(*route->pieces));
    for (int i = 0; i < n; i++) {
        double ends = i + 1 < n ? edges[i + 1] : truth->duration + 1;

        if (ends > edges[i])
            route->pieces[route->pieces_len++] = make_piece(truth, platform, model, edges[i], ends);
    }
}

static bool is_hard(const struct piece *piece)
{
    return piece->p >= HARD_P && piece->p_slope >= 0;
}

/* Runs of hard pieces, with calm before them, are incidents. */
static void find_incidents(struct truth *truth, int platform, int model)
{
    const struct truth_route *route = &truth->route[platform][model];
    double calm_since = truth->platform[platform].appears;

    for (int i = 0; i < route->pieces_len; i++) {
        if (!is_hard(&route->pieces[i]))
            continue;
        double begins = route->pieces[i].t;

        while (i + 1 < route->pieces_len && is_hard(&route->pieces[i + 1]))
            i++;
        double ends = i + 1 < route->pieces_len ? route->pieces[i + 1].t : truth->duration;

        if (ends - begins >= HARD_SECONDS && begins - calm_since >= CALM_SECONDS && truth->incidents_len < TRUTH_INCIDENTS_MAX)
            truth->incidents[truth->incidents_len++] = (struct incident){platform, model, begins, ends, ends + WATCH_SECONDS};
        calm_since = ends;
    }
}

/* A return is looked for until the next incident of the same route or the end of the world. */
static void bound_watches(struct truth *truth)
{
    for (int i = 0; i < truth->incidents_len; i++) {
        struct incident *a = &truth->incidents[i];

        a->watched_until = fmin(a->watched_until, truth->duration);
        for (int j = i + 1; j < truth->incidents_len; j++) {
            const struct incident *b = &truth->incidents[j];

            if (b->platform == a->platform && b->model == a->model)
                a->watched_until = fmin(a->watched_until, b->begins);
        }
    }
}

void truth_compile(struct truth *truth)
{
    double *edges = alloc_zero((size_t)truth->episodes_len * 2 + 1, sizeof(*edges));

    for (int p = 0; p < truth->platforms; p++)
        for (int m = 0; m < truth->models; m++) {
            compile_route(truth, p, m, edges);
            find_incidents(truth, p, m);
        }
    free(edges);
    qsort(truth->prices, (size_t)truth->prices_len, sizeof(truth->prices[0]), compare_prices);
    qsort(truth->incidents, (size_t)truth->incidents_len, sizeof(truth->incidents[0]), compare_incidents);
    bound_watches(truth);
}
