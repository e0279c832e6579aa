/* What following a ranking would have brought, in worlds small enough to work out by hand; and in random ones, against sums done the slow
 * way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/follow.h"
#include "shared/compiler.h"
#include "tests/unit/shared/test_random.h"

#define S  USEC_PER_SEC
#define MS USEC_PER_MSEC

static void near_to(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fmax(fabs(want), 1e-12)))
        fail_msg("%.12g is not %.12g", got, want);
}

/* Exact but for rounding. */
#define same(got, want) near_to(got, want, 1e-9)

struct world {
    struct sightings *sightings;
    struct follow *follow;
    int a, b, c;
};

static struct world world_new(void)
{
    struct world w = {.sightings = sightings_new(), .follow = follow_new()};
    w.a = sightings_route(w.sightings, "a", "m");
    w.b = sightings_route(w.sightings, "b", "m");
    w.c = sightings_route(w.sightings, "c", "m");
    return w;
}

static struct follow_estimate world_end(struct world *w)
{
    struct follow_estimate e;
    follow_estimate(w->follow, &e);
    w->follow = follow_free(w->follow);
    w->sightings = sightings_free(w->sightings);
    return e;
}

static void good(struct world *w, int route, usec_t at, usec_t ttft)
{
    sightings_tell(w->sightings, route, at, true, ttft, 0);
}

static void bad(struct world *w, int route, usec_t at, usec_t wasted)
{
    sightings_tell(w->sightings, route, at, false, -1, wasted);
}

static void step(struct world *w, usec_t from, usec_t until, size_t len, const struct follow_row *rows)
{
    struct follow_ranking *ranking = follow_ranking_new(len);
    for (size_t i = 0; i < len; i++)
        ranking->rows[i] = rows[i];
    sightings_look(w->sightings, from, until);
    follow_step(w->follow, ranking, w->sightings, from, until);
    follow_ranking_unref(ranking);
}

static void one_step_by_hand(void **state)
{
    (void)state;
    struct world w = world_new();
    good(&w, w.a, 5 * S, 100 * MS);
    bad(&w, w.a, 10 * S, 2 * S);
    good(&w, w.b, 12 * S, 200 * MS);
    step(&w, 0, 10 * S, 3, (struct follow_row[]){{w.a, 192, 1000}, {w.b, 64, 3000}, {w.c, 0, 10}});
    struct follow_estimate e = world_end(&w);
    same(e.time, 10);
    same(e.known, 1);
    same(e.unrouted, 0);
    assert_int_equal(e.sightings, 3);
    assert_false(e.enough);
    /* Three quarters of the requests, of which half fail, and are then answered by b. */
    same(e.failed_first, 0.375);
    same(e.failed, 0);
    /* 3.75 s of 100 ms, 3.75 s of 2 s + 200 ms, 2.5 s of 200 ms. */
    same(e.ttft_mean, 912.5 * MS);
    near_to(e.ttft_p50, 200 * MS, 0.006);
    near_to(e.ttft_p95, 2200 * MS, 0.006);
    same(e.cost, (3.75 * 1000 + 3.75 * 3000 + 2.5 * 3000) / 10);
    assert_int_equal(e.changes, 0);
}

static void the_second_is_retried_on_the_first(void **state)
{
    (void)state;
    struct world w = world_new();
    good(&w, w.a, 2 * S + 500 * MS, 100 * MS);
    bad(&w, w.a, 5 * S, 0);
    bad(&w, w.a, 6 * S, 0);
    bad(&w, w.b, 6 * S, 0);
    bad(&w, w.b, 11 * S, 0);
    bad(&w, w.a, 12 * S, 0);
    step(&w, 0, 10 * S, 2, (struct follow_row[]){{w.a, 128, -1}, {w.b, 128, -1}});
    struct follow_estimate e = world_end(&w);
    same(e.failed_first, 0.5 * 0.75 + 0.5);
    same(e.failed, 0.5 * 0.75 * 1 + 0.5 * 1 * 0.75);
    assert_true(isnan(e.cost));
}

static void alone_there_is_no_retry(void **state)
{
    (void)state;
    struct world w = world_new();
    good(&w, w.a, 5 * S, 100 * MS);
    bad(&w, w.a, 11 * S, 0);
    step(&w, 0, 10 * S, 1, (struct follow_row[]){{w.a, 256, 50}});
    struct follow_estimate e = world_end(&w);
    same(e.failed_first, 0.5);
    same(e.failed, 0.5);
    same(e.cost, 50);
}

/* A table is judged by what comes after it, never by what was before. */
static void only_what_comes_after(void **state)
{
    (void)state;
    struct world w = world_new();
    bad(&w, w.a, 10 * S, 0); /* the table of that moment knew it */
    good(&w, w.a, 50 * S, 300 * MS);
    step(&w, 10 * S, 20 * S, 1, (struct follow_row[]){{w.a, 256, 1}});
    step(&w, 20 * S, 30 * S, 1, (struct follow_row[]){{w.a, 256, 1}});
    struct follow_estimate e = world_end(&w);
    same(e.failed_first, 0);
    near_to(e.ttft_p50, 300 * MS, 0.006);
    assert_int_equal(e.sightings, 1); /* the same one twice */
    same(e.known, 1);
}

static void what_comes_too_late_says_nothing(void **state)
{
    (void)state;
    struct world w = world_new();
    good(&w, w.b, 10 * S, 100 * MS);
    bad(&w, w.a, 10 * S + SIGHTINGS_WINDOW, 0);
    step(&w, 0, 10 * S, 2, (struct follow_row[]){{w.b, 64, 7}, {w.a, 192, 9}});
    struct follow_estimate e = world_end(&w);
    same(e.known, 0.25);
    same(e.failed_first, 0); /* of what is known */
    same(e.cost, 7);
    w = world_new();
    good(&w, w.a, 2 * S, 100 * MS);
    bad(&w, w.a, 6 * S + SIGHTINGS_WINDOW, 0);
    step(&w, 0, 10 * S, 1, (struct follow_row[]){{w.a, 256, 9}});
    e = world_end(&w);
    same(e.known, 0.6); /* 2 s by the first, nothing by 6 s, 4 s by the second */
    same(e.failed_first, 4.0 / 6);
    w = world_new();
    bad(&w, w.a, SIGHTINGS_WINDOW, 0);
    step(&w, 0, 10 * S, 1, (struct follow_row[]){{w.a, 256, 9}});
    e = world_end(&w);
    same(e.known, 1);
    same(e.failed_first, 1);
    assert_true(isnan(e.ttft_mean) && isnan(e.ttft_p50) && isnan(e.cost));
}

static void a_retry_on_the_unknown_is_left_out(void **state)
{
    (void)state;
    struct world w = world_new();
    bad(&w, w.a, 10 * S, 0);
    good(&w, w.a, 20 * S, 100 * MS);
    step(&w, 0, 10 * S, 2, (struct follow_row[]){{w.a, 256, 1}, {w.b, 0, 1}});
    step(&w, 10 * S, 20 * S, 2, (struct follow_row[]){{w.a, 256, 1}, {w.b, 0, 1}});
    struct follow_estimate e = world_end(&w);
    same(e.failed_first, 0.5);
    same(e.failed, 0); /* of the second stretch; of the first nobody knows */
}

static void without_a_route_requests_fail(void **state)
{
    (void)state;
    struct world w = world_new();
    good(&w, w.a, 10 * S, 100 * MS);
    step(&w, 0, 10 * S, 1, (struct follow_row[]){{w.a, 256, 1}});
    step(&w, 10 * S, 15 * S, 0, NULL);
    step(&w, 15 * S, 20 * S, 1, (struct follow_row[]){{w.a, 0, 1}});
    struct follow_estimate e = world_end(&w);
    same(e.unrouted, 0.5);
    same(e.failed_first, 0.5);
    same(e.failed, 0.5);
    near_to(e.ttft_p95, 100 * MS, 0.006);
}

struct names {
    char text[100];
};

static void note(void *arg, int route, double part)
{
    struct names *names = arg;
    size_t len = strlen(names->text);
    snprintf(names->text + len, sizeof names->text - len, "%d:%.2f ", route, part);
}

static void changes_of_the_first(void **state)
{
    (void)state;
    struct world w = world_new();
    int order[] = {w.a, w.a, w.b, w.a, -1, w.a, -1, w.c, w.a, w.b, w.c, w.c};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        step(&w, (usec_t)i * S, (usec_t)(i + 1) * S, order[i] < 0 ? 0 : 1, (struct follow_row[]){{order[i], 256, 1}});
    struct names names = {""};
    follow_each_first(w.follow, w.sightings, note, &names);
    assert_string_equal(names.text, "0:0.42 2:0.25 1:0.17 ");
    struct follow_estimate e = world_end(&w);
    assert_int_equal(e.changes, 6);
    assert_int_equal(e.last_len, FOLLOW_CHANGES);
    static const struct {
        usec_t at;
        int from, to;
    } want[FOLLOW_CHANGES] = {{3, 1, 0}, {7, 0, 2}, {8, 2, 0}, {9, 0, 1}, {10, 1, 2}};
    for (size_t i = 0; i < FOLLOW_CHANGES; i++) {
        assert_int_equal(e.last[i].at, want[i].at * S);
        assert_int_equal(e.last[i].from, want[i].from);
        assert_int_equal(e.last[i].to, want[i].to);
    }
}

static void an_empty_stretch_counts_nothing(void **state)
{
    (void)state;
    struct world w = world_new();
    good(&w, w.a, 1 * S, 100 * MS);
    step(&w, 0, 0, 1, (struct follow_row[]){{w.a, 256, 1}});
    struct follow_estimate e = world_end(&w);
    same(e.time, 0);
    assert_true(isnan(e.failed) && isnan(e.known));
    assert_int_equal(e.sightings, 0);
}

/* A thousand requests in one stretch, a tenth of them fails: about SIGHTINGS_MOST stand for them all, and for all of the time. */
static void a_stretch_full_of_traffic(void **state)
{
    (void)state;
    struct world w = world_new();
    for (int i = 1; i <= 1000; i++) {
        if (test_random_below(10) == 0)
            bad(&w, w.a, i * 10 * MS, 0);
        else
            good(&w, w.a, i * 10 * MS, 100 * MS);
    }
    sightings_look(w.sightings, 0, 10 * S);
    struct seen seen = sightings_of(w.sightings, w.a);
    assert_in_range(seen.len, SIGHTINGS_MOST - 2, SIGHTINGS_MOST);
    same(seen.known, 1);
    step(&w, 0, 10 * S, 1, (struct follow_row[]){{w.a, 256, 1}});
    assert_int_equal(sightings_held(w.sightings), 1000);
    sightings_look(w.sightings, 10 * S, 20 * S);
    assert_int_equal(sightings_held(w.sightings), 0);
    struct follow_estimate e = world_end(&w);
    assert_true(e.failed_first < 0.35);
    assert_true(e.enough);
}

/* How the time is cut into stretches changes nothing where the table stays. */
static void stretches_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct world whole = world_new(), cut = world_new();
        usec_t t = 0, from = 0;
        for (int i = 0; i < 60; i++) {
            t += (usec_t)(1 + test_random_below(20 * 1000)) * MS;
            bool ok = test_random_below(3) > 0;
            usec_t ttft = (usec_t)(1000 + test_random_below(1000000));
            sightings_tell(whole.sightings, whole.a, t, ok, ttft, 0);
            sightings_tell(cut.sightings, cut.a, t, ok, ttft, 0);
        }
        struct follow_row row = {whole.a, 256, 5};
        step(&whole, 0, t, 1, &row);
        while (from < t) {
            usec_t until = from + (usec_t)(1 + test_random_below(60 * 1000)) * MS;
            until = until < t ? until : t;
            step(&cut, from, until, 1, &row);
            from = until;
        }
        struct follow_estimate a = world_end(&whole), b = world_end(&cut);
        same(a.failed_first, b.failed_first);
        same(a.ttft_mean, b.ttft_mean);
        same(a.ttft_p95, b.ttft_p95);
        assert_int_equal(a.sightings, b.sightings);
    }
}

static void names_are_found_again(void **state)
{
    (void)state;
    struct sightings *s = sightings_new();
    char platform[32], model[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(platform, sizeof platform, "p%d", i % 100);
        snprintf(model, sizeof model, "m%d", i / 100);
        assert_int_equal(sightings_route(s, platform, model), i);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(platform, sizeof platform, "p%d", i % 100);
        snprintf(model, sizeof model, "m%d", i / 100);
        assert_int_equal(sightings_route(s, platform, model), i);
        assert_string_equal(sightings_platform(s, i), platform);
        assert_string_equal(sightings_model(s, i), model);
    }
    /* What is joined must not be the same when it was cut elsewhere. */
    assert_int_not_equal(sightings_route(s, "ab", "c"), sightings_route(s, "a", "bc"));
    sightings_free(s);
}

/* --- random worlds ---------------------------------------------------------------------------------------------------- */

#define ROUTES 4
#define STEPS  40
#define EVENTS 60

struct event {
    usec_t at, ttft, wasted;
    int route;
    bool ok;
};

struct slow { /* sums over everything, each time from the beginning */
    double first_of, first_failed, final_of, final_failed, ttft, ttft_of, known, asked;
};

/* The first sighting of the route that is not before the moment. */
static const struct event *slow_next(const struct event *events, int route, usec_t moment)
{
    for (size_t i = 0; i < EVENTS; i++)
        if (events[i].route == route && events[i].at >= moment)
            return events[i].at - moment < SIGHTINGS_WINDOW ? &events[i] : NULL;
    return NULL;
}

/* Moment by moment, a tick each. */
static void slow_step(struct slow *s, const struct event *events, const struct follow_row *rows, usec_t from, usec_t until)
{
    for (size_t i = 0; i < ROUTES && rows[i].slots > 0; i++) {
        double share = rows[i].slots / 256.0, known = 0, failed = 0, wasted = 0, again = 0, again_failed = 0, again_ttft = 0, again_ok = 0;
        for (usec_t moment = from + 1; moment <= until; moment++) {
            const struct event *first = slow_next(events, rows[i].route, moment), *second = slow_next(events, rows[i ? 0 : 1].route, moment);
            s->asked += share;
            known += first != NULL;
            failed += first && !first->ok;
            wasted += first && !first->ok ? (double)first->wasted : 0;
            s->ttft += first && first->ok ? share * (double)first->ttft : 0;
            s->ttft_of += first && first->ok ? share : 0;
            again += second != NULL;
            again_failed += second && !second->ok;
            again_ok += second && second->ok;
            again_ttft += second && second->ok ? (double)second->ttft : 0;
        }
        s->known += share * known;
        s->first_of += share * known;
        s->first_failed += share * failed;
        if (failed == 0 || again > 0)
            s->final_of += share * known;
        if (failed == 0 || again == 0)
            continue;
        s->final_failed += share * failed * again_failed / again;
        s->ttft += share * failed * (again_ttft + again_ok * wasted / failed) / again;
        s->ttft_of += share * failed * again_ok / again;
    }
}

static void make_rows(const struct world *w, struct follow_row rows[ROUTES])
{
    int routes[ROUTES] = {w->a, w->b, w->c, w->c + 1};
    unsigned left = 256;
    for (size_t i = 0; i < ROUTES; i++) {
        size_t j = i + test_random_below((unsigned)(ROUTES - i));
        int route = routes[j];
        routes[j] = routes[i];
        routes[i] = route;
        unsigned slots = i + 1 < ROUTES && test_random_below(3) ? (unsigned)test_random_below(left + 1) : left;
        slots = left > 0 && slots == 0 ? 1 : slots;
        rows[i] = (struct follow_row){route, (uint16_t)slots, -1};
        left -= slots;
    }
}

static void random_worlds(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct world w = world_new();
        assert_int_equal(sightings_route(w.sightings, "d", "m"), w.c + 1);
        static struct event events[EVENTS];
        /* Times in ticks of a microsecond, so that every moment can be looked at. */
        usec_t t = 0, span = (usec_t)(2 + test_random_below(20));
        for (size_t i = 0; i < EVENTS; i++) {
            t += (usec_t)test_random_below((uint64_t)span);
            events[i] = (struct event){.at = t,
                                       .route = (int)test_random_below(ROUTES),
                                       .ok = test_random_below(4) > 0,
                                       .ttft = (usec_t)(1000 + test_random_below(1000000)),
                                       .wasted = (usec_t)test_random_below(5000000)};
        }
        struct slow slow = {0};
        size_t told = 0;
        for (usec_t i = 0; i < STEPS; i++) {
            usec_t from = t * i / STEPS, until = t * (i + 1) / STEPS;
            for (; told < EVENTS && events[told].at <= until + SIGHTINGS_WINDOW; told++)
                sightings_tell(w.sightings, events[told].route, events[told].at, events[told].ok, events[told].ttft, events[told].wasted);
            struct follow_row rows[ROUTES];
            make_rows(&w, rows);
            step(&w, from, until, ROUTES, rows);
            slow_step(&slow, events, rows, from, until);
        }
        struct follow_estimate e = world_end(&w);
        same(e.known, slow.known / slow.asked);
        same(e.failed_first, slow.first_failed / slow.first_of);
        same(e.failed, slow.final_failed / slow.final_of);
        same(e.ttft_mean, slow.ttft / slow.ttft_of);
        assert_true(e.failed <= e.failed_first + 1e-9 && e.ttft_p50 <= e.ttft_p95);
    }
}

int main(void)
{
    test_random_begin("follow");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step_by_hand),
        cmocka_unit_test(the_second_is_retried_on_the_first),
        cmocka_unit_test(alone_there_is_no_retry),
        cmocka_unit_test(only_what_comes_after),
        cmocka_unit_test(what_comes_too_late_says_nothing),
        cmocka_unit_test(a_retry_on_the_unknown_is_left_out),
        cmocka_unit_test(without_a_route_requests_fail),
        cmocka_unit_test(changes_of_the_first),
        cmocka_unit_test(an_empty_stretch_counts_nothing),
        cmocka_unit_test(a_stretch_full_of_traffic),
        cmocka_unit_test(stretches_may_be_cut_anywhere),
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test(random_worlds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
