/* What load does to first tokens: told a route whose times are known, what slope is found? Times are noisy as those of relays are: a third
 * of a deviation of the logarithm. */
#include "tests/unit/core/field.h"

#include "probed/core/congestion.h"

#define NOISE 0.35

/* A route whose load wanders between 1 and 5 requests a second. */
struct play {
    struct congestion c;
    usec_t now;
    uint64_t random;
    double rate;
    double slope, level; /* ln first token = level + slope x rate^2 */
    double outliers;     /* part of the first tokens that take thirty times as long */
};

static struct play start(uint64_t random, double slope)
{
    return (struct play){.now = NOW0, .random = random, .rate = 3, .slope = slope, .level = log(400e3)};
}

static void ask(struct play *p, double seconds)
{
    usec_t end = p->now + (usec_t)(seconds * 1e6);

    while (p->now < end) {
        double wait = -log(field_random(&p->random) + 1e-18) / p->rate;

        p->now += (usec_t)(wait * 1e6) + 1;
        p->rate = fmin(fmax(p->rate + 0.3 * sqrt(wait) * field_normal(&p->random), 1), 5);
        double time = p->level + p->slope * p->rate * p->rate + NOISE * field_normal(&p->random);

        if (field_random(&p->random) < p->outliers)
            time += log(30);
        congestion_add(&p->c, p->rate, (usec_t)exp(time), p->now);
        double slope = congestion_slope(&p->c);

        assert_true(isfinite(slope) && slope >= 0);
    }
}

/* ln: how much slower at 5 a second than at none. */
static double slower(const struct play *p)
{
    return congestion_slope(&p->c) * 25;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double part(double *of, size_t len, double part)
{
    qsort(of, len, sizeof(of[0]), compare);
    return of[(size_t)(part * (double)(len - 1))];
}

#define WORLDS 200

static void show(const char *what, double *found)
{
    print_message("%s: %.3f median, %.3f in a tenth, %.3f to %.3f\n", what, part(found, WORLDS, 0.5), part(found, WORLDS, 0.9),
                  part(found, WORLDS, 0), part(found, WORLDS, 1));
}

static void test_a_slope_is_found(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    double found[WORLDS];

    for (int i = 0; i < WORLDS; i++) {
        struct play p = start(schedule_random(&random), 0.04); /* e times as slow at 5 a second */

        ask(&p, 600);
        found[i] = slower(&p);
    }
    show("found, of 1.00", found);
    assert_true(fabs(part(found, WORLDS, 0.5) - 1) < 0.1);
    assert_true(part(found, WORLDS, 0) > 0.7 && part(found, WORLDS, 1) < 1.3);
}

static void test_noise_is_none(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    double found[WORLDS], early[WORLDS];

    for (int i = 0; i < WORLDS; i++) {
        struct play p = start(schedule_random(&random), 0);

        ask(&p, 30);
        early[i] = slower(&p);
        ask(&p, 570);
        found[i] = slower(&p);
    }
    show("early", early);
    show("of noise alone", found);
    assert_true(part(early, WORLDS, 0.9) < 0.3 && part(early, WORLDS, 1) < 2.5);
    assert_true(part(found, WORLDS, 0.9) < 0.03 && part(found, WORLDS, 1) < 0.15);
}

/* Other people's load: minutes in which it is half as fast, whatever is sent there. */
static void test_slow_periods(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    double found[WORLDS];

    for (int i = 0; i < WORLDS; i++) {
        struct play p = start(schedule_random(&random), 0);
        double level = p.level;

        for (int k = 0; k < 40; k++) {
            p.level = level + (field_random(&random) < 0.4 ? log(2) : 0);
            ask(&p, 60 + 60 * field_random(&random));
        }
        found[i] = slower(&p);
    }
    show("slow periods", found);
    assert_true(part(found, WORLDS, 0.5) < 0.05 && part(found, WORLDS, 0.9) < 0.5);
}

static void test_outliers(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    double found[WORLDS], sloped[WORLDS];

    for (int i = 0; i < WORLDS; i++) {
        struct play p = start(schedule_random(&random), 0), q = start(schedule_random(&random), 0.04);

        p.outliers = q.outliers = 0.03;
        ask(&p, 600);
        ask(&q, 600);
        found[i] = slower(&p);
        sloped[i] = slower(&q);
    }
    show("outliers", found);
    show("outliers of 1.00", sloped);
    assert_true(part(found, WORLDS, 0.9) < 0.05 && part(found, WORLDS, 1) < 0.25);
    assert_true(part(sloped, WORLDS, 0.05) > 0.7 && part(sloped, WORLDS, 1) < 1.4);
}

/* A single first token of minutes, at an ordinary load and told late. */
static void test_one_outlier(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    double found[WORLDS];

    for (int i = 0; i < WORLDS; i++) {
        struct play p = start(schedule_random(&random), 0);

        ask(&p, 300);
        congestion_add(&p.c, p.rate, 300 * SEC, p.now += SEC);
        found[i] = slower(&p);
    }
    show("one outlier", found);
    assert_true(part(found, WORLDS, 0.9) < 0.1 && part(found, WORLDS, 1) < 1);
}

/* Where the load stands still nothing can be learnt from it; less than a few first tokens are none; faster under load is chance. */
static void test_what_tells_nothing(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    struct play p = start(schedule_random(&random), 0), few = start(schedule_random(&random), 1);

    for (int i = 0; i < 1000; i++)
        congestion_add(&p.c, 3, (usec_t)(400e3 * exp(NOISE * field_normal(&random))), p.now += SEC);
    assert_true(congestion_slope(&p.c) == 0);
    for (int i = 0; i < 15; i++)
        congestion_add(&few.c, i, (i + 1) * SEC, few.now += SEC);
    assert_true(congestion_slope(&few.c) == 0);
    p = start(schedule_random(&random), -0.04);
    ask(&p, 600);
    assert_true(congestion_slope(&p.c) == 0);
    assert_true(congestion_waits(&p.c, 0, 5) == 0);
}

/* What was so is forgotten: a route that no longer slows down is believed within the hour. */
static void test_it_is_forgotten(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int i = 0; i < 20; i++) {
        struct play p = start(schedule_random(&random), 0.04);

        ask(&p, 1200);
        assert_true(slower(&p) > 0.7);
        p.slope = 0;
        p.level += 0.04 * 9;
        ask(&p, 5400);
        assert_true(slower(&p) < 0.25);
    }
}

/* One request more never costs less at a higher rate, nor less than nothing where it is said to rise; no number is wild. */
static void test_waits(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    struct play p = start(schedule_random(&random), 0.04);

    ask(&p, 600);
    double slope = congestion_slope(&p.c), last = -1;

    for (double rate = 0; rate < 1e6; rate = rate * 1.1 + 0.05) {
        double waits = congestion_waits(&p.c, slope, rate);

        assert_true(isfinite(waits) && waits >= last);
        last = waits;
    }
    /* d (rate x T(rate)) / d rate over T at its level. */
    double t = exp(slope * (16 - (double)p.c.load)), more = exp(slope * (4.001 * 4.001 - (double)p.c.load));

    assert_true(fabs(congestion_waits(&p.c, slope, 4) - ((4.001 * more - 4 * t) / 0.001 - 1)) < 0.01);
    /* As it may have been read from a file. */
    static const float wild[] = {0, 1e-18F, 1, 25, 1e18F};

    for (size_t i = 0; i < 5 * 5 * 5 * 5 * 5; i++) {
        struct congestion c = {.at = NOW0,
                               .weight = wild[i % 5],
                               .load = wild[i / 5 % 5],
                               .loads = wild[i / 25 % 5],
                               .times = wild[i / 125 % 5],
                               .together = wild[i / 625]};

        slope = congestion_slope(&c);
        assert_true(isfinite(slope) && slope >= 0);
        for (double rate = 0; rate < 1e7; rate = rate * 10 + 0.1)
            assert_true(isfinite(congestion_waits(&c, slope, rate)));
        congestion_add(&c, 1e6, USEC_PER_HOUR, NOW0 + SEC);
        congestion_add(&c, 0, -1, NOW0); /* a clock that went back */
        assert_true(isfinite(congestion_slope(&c)) && congestion_slope(&c) >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slope_is_found), cmocka_unit_test(test_noise_is_none), cmocka_unit_test(test_slow_periods),
        cmocka_unit_test(test_outliers),         cmocka_unit_test(test_one_outlier),   cmocka_unit_test(test_what_tells_nothing),
        cmocka_unit_test(test_it_is_forgotten),  cmocka_unit_test(test_waits),
    };

    return cmocka_run_group_tests_name("congestion", tests, NULL, NULL);
}
