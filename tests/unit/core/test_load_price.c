/* Shares under load: routes of known speed, limits and slopes, and clients that follow the weights and try again on rank 1 what failed.
 * All is played by chance; bounds say what must hold, not how well it is tuned. */
#include "tests/unit/core/field.h"

#define ROUTES       4
#define PROBED_EVERY (15 * SEC)

struct relay {
    const char *name;
    double first_token; /* s, without load */
    double limit;       /* requests a second that it takes; a bucket of two seconds' worth; 0 = none */
    double slope;       /* ln first token, by rate^2 */
    bool dead;
    int id;
    double bucket, count; /* count: of the last 3 s, decayed */
    usec_t at, probed_at;
    double tries, refused, seconds, seconds_refused; /* since the last look; seconds: tries again */
};

struct world {
    struct ranker *r;
    struct table *table;
    struct relay relays[ROUTES];
    size_t len;
    usec_t now;
    uint64_t random;
    double noise;       /* of first tokens, ln */
    double asked, lost; /* requests; those that failed at the second try, too */
};

static const struct ranking *ranking(const struct world *w)
{
    return field_ranking(w->table, "production", "m");
}

/* As a client sees it: all slots are given, from rank 1 down, and who has none stands behind. */
static void look(struct world *w)
{
    if (w->table)
        table_unref(w->table);
    ranker_refresh(w->r, w->now, 0, false);
    w->table = ranker_table(w->r, 1, 1, w->now, 0);
    for (size_t p = 0; p < w->table->len; p++) {
        const struct ranking *k = w->table->policies[p].rankings[0];
        unsigned sum = 0;

        for (size_t i = 0; i < k->len; i++) {
            sum += k->rows[i].slots;
            assert_int_equal(k->rows[i].rank, i + 1);
            assert_true(i == 0 || k->rows[i].slots == 0 || k->rows[i - 1].slots > 0);
        }
        assert_int_equal(sum, TABLE_SLOTS);
    }
}

static double share(const struct world *w, const char *name)
{
    return (double)field_row(ranking(w), name)->slots / TABLE_SLOTS;
}

static struct observation answer(struct world *w, struct relay *relay, bool counts)
{
    double passed = (double)(w->now - relay->at) / 1e6, n = field_normal(&w->random);

    relay->bucket = fmin(fmax(1, 2 * relay->limit), relay->bucket + passed * relay->limit);
    relay->count = relay->count * exp(-passed / 3) + (counts ? 1 : 0);
    relay->at = w->now;
    if (relay->dead)
        return field_fail(w->now, OUTCOME_TIMEOUT);
    if (relay->limit > 0 && relay->bucket < 1)
        return field_fail(w->now, OUTCOME_RATE_LIMITED);
    relay->bucket -= counts ? 1 : 0;
    double rate = relay->count / 3, power = fmin(relay->slope * rate * rate, 3);

    return field_ok(w->now, (usec_t)(relay->first_token * exp(power + w->noise * n) * 1e6));
}

static struct world world(uint64_t random, size_t len, const struct relay *relays)
{
    struct world w = {.r = field_ranker(), .len = len, .now = NOW0, .random = random, .noise = 0.2};

    for (size_t i = 0; i < len; i++) {
        w.relays[i] = relays[i];
        w.relays[i].id = field_add(w.r, relays[i].name, "m", 1);
        w.relays[i].bucket = 2 * relays[i].limit;
        w.relays[i].at = w.relays[i].probed_at = NOW0 - (usec_t)i * SEC;
    }
    return w;
}

static void end(struct world *w)
{
    table_unref(w->table);
    ranker_free(w->r);
}

static void probe(struct world *w)
{
    for (size_t i = 0; i < w->len; i++) {
        if (w->now - w->relays[i].probed_at < PROBED_EVERY)
            continue;
        w->relays[i].probed_at = w->now;
        struct observation o = answer(w, &w->relays[i], false);

        field_observe(w->r, w->relays[i].id, o, w->now);
    }
}

static struct relay *relay_of(struct world *w, const struct table_row *row)
{
    for (size_t i = 0; i < w->len; i++)
        if (strcmp(w->relays[i].name, row->facts->platform) == 0)
            return &w->relays[i];
    fail_msg("no relay %s", row->facts->platform);
    return NULL;
}

static bool try_on(struct world *w, struct relay *relay, bool second)
{
    struct observation o = answer(w, relay, true);
    bool ok = outcome_ok(o.outcome);

    o.source = SOURCE_TRAFFIC;
    o.total = 500 * MSEC; /* when it was sent is told by this */
    field_observe(w->r, relay->id, o, w->now);
    relay->tries++;
    relay->refused += !ok;
    relay->seconds += second;
    relay->seconds_refused += second && !ok;
    return ok;
}

static void request(struct world *w)
{
    const struct ranking *k = ranking(w);
    int slot = (int)(field_random(&w->random) * TABLE_SLOTS);
    size_t at = 0;

    while (slot >= k->rows[at].slots)
        slot -= k->rows[at++].slots;
    w->asked++;
    if (try_on(w, relay_of(w, &k->rows[at]), false))
        return;
    w->lost += !try_on(w, relay_of(w, &k->rows[at == 0 ? 1 : 0]), true);
}

static void play(struct world *w, double seconds, double rate)
{
    usec_t until = w->now + (usec_t)(seconds * 1e6), looked = 0, next;

    for (size_t i = 0; i < w->len; i++)
        w->relays[i].tries = w->relays[i].refused = w->relays[i].seconds = w->relays[i].seconds_refused = 0;
    w->asked = w->lost = 0;
    while (w->now < until) {
        next = rate > 0 ? w->now + (usec_t)(-log(field_random(&w->random) + 1e-18) / rate * 1e6) + 1 : until;
        while (next - w->now > SEC) {
            w->now += SEC;
            probe(w);
            look(w);
        }
        w->now = next;
        if (w->now - looked >= SEC) {
            probe(w);
            look(w);
            looked = w->now;
        }
        if (rate > 0)
            request(w);
    }
    look(w);
}

static void print(const struct world *w, const char *what, double seconds)
{
    print_message("%s: %.0f asked, %.0f lost;", what, w->asked, w->lost);
    for (size_t i = 0; i < w->len; i++) {
        const struct relay *relay = &w->relays[i];

        print_message(" %s %.2f (%.2f/s taken, %.0f refused, second tries %.0f, of them %.0f)", relay->name, share(w, relay->name),
                      (relay->tries - relay->refused) / seconds, relay->refused, relay->seconds, relay->seconds_refused);
    }
    print_message(" first %s\n", ranking(w)->rows[0].facts->platform);
}

static double taken(const struct relay *relay, double seconds)
{
    return (relay->tries - relay->refused) / seconds;
}

static const struct relay three[] = {
    {.name = "a", .first_token = 0.3, .limit = 5},
    {.name = "b", .first_token = 0.8, .limit = 5},
    {.name = "c", .first_token = 2},
};

/* The best is used to about its limit, the next takes the rest, and who is worse than both nothing. What failed is taken by rank 1. */
static void test_pours_over(void **state)
{
    (void)state;
    struct world w = world(field_seed(), 3, three);
    double seconds = 0, refused = 0;

    play(&w, 120, 0);
    assert_true(share(&w, "a") == 1);
    play(&w, 240, 8);
    print(&w, "beginning", 240);
    play(&w, 240, 8);
    print(&w, "pours over", 240);
    assert_true(taken(&w.relays[0], 240) > 3.5 && taken(&w.relays[1], 240) > 1.5 && taken(&w.relays[2], 240) < 0.8);
    assert_true(w.relays[0].refused + w.relays[1].refused < 0.12 * w.asked && w.lost < 0.02 * w.asked);
    for (size_t i = 0; i < w.len; i++) {
        seconds += w.relays[i].seconds;
        refused += w.relays[i].seconds_refused;
    }
    assert_true(refused <= 2 + 0.15 * seconds);
    end(&w);
}

/* Where the two cannot take it all, the third has what they refuse. */
static void test_needs_the_third(void **state)
{
    (void)state;
    struct world w = world(field_seed(), 3, three);

    play(&w, 120, 0);
    play(&w, 300, 14);
    play(&w, 120, 14);
    print(&w, "needs the third", 120);
    assert_true(taken(&w.relays[0], 120) > 3 && taken(&w.relays[1], 120) > 3 && taken(&w.relays[2], 120) > 3);
    assert_true(w.lost < 0.03 * w.asked);
    end(&w);
}

/* A best one that slows down under load gives some of it to the next, without a refusal; one that does not keeps it. */
static void test_slows_down(void **state)
{
    (void)state;
    struct relay relays[] = {three[0], three[1]};
    uint64_t random = field_seed();
    double shares[2];

    relays[0].limit = relays[1].limit = 0;
    for (int sloped = 0; sloped < 2; sloped++) {
        relays[0].slope = sloped ? 0.03 : 0; /* at 8 a second: seven times as slow */
        struct world w = world(random, 2, relays);

        play(&w, 120, 0);
        for (int i = 0; i < 10; i++)
            play(&w, 60, i % 2 ? 4 : 8);
        play(&w, 180, 8);
        print(&w, sloped ? "slows down" : "as fast as ever", 180);
        assert_true(w.relays[0].refused == 0 && w.lost == 0);
        shares[sloped] = w.relays[0].tries / w.asked;
        end(&w);
    }
    assert_true(shares[0] > 0.9);
    assert_true(shares[1] < 0.85);
}

/* A route is down; one success. */
static struct world comes_back(uint64_t random, double rate)
{
    struct relay relays[] = {three[0], three[1], three[2]};

    relays[0].limit = relays[1].limit = 3;
    struct world w = world(random, 3, relays);

    play(&w, 120, 0);
    w.relays[2].dead = true;
    play(&w, 300, rate);
    print(&w, "dead", 300);
    assert_int_equal(field_row(ranking(&w), "c")->state, ROUTE_DOWN);
    assert_true(share(&w, "c") == 0);
    w.relays[2].dead = false;
    w.relays[2].probed_at = w.now++;
    field_observe(w.r, w.relays[2].id, field_ok(w.now, 2 * SEC), w.now);
    look(&w);
    print(&w, "back", 300);
    return w;
}

/* In need it is used at once. */
static void test_shortage(void **state)
{
    (void)state;
    struct world w = comes_back(field_seed(), 14);

    assert_int_not_equal(field_row(ranking(&w), "c")->state, ROUTE_DOWN);
    assert_true(share(&w, "c") >= 0.02);
    play(&w, 60, 14);
    print(&w, "a minute later", 60);
    assert_true(taken(&w.relays[2], 60) > 1.5);
    end(&w);
}

/* Else it has to show more, and begins with little. */
static void test_no_shortage(void **state)
{
    (void)state;
    struct world w = comes_back(field_seed(), 1);

    assert_int_equal(field_row(ranking(&w), "c")->state, ROUTE_DOWN);
    assert_true(share(&w, "c") == 0);
    play(&w, 60, 1);
    assert_true(share(&w, "c") < 0.05 && w.lost == 0);
    end(&w);
}

/* A first that has become a little worse keeps most of its share until enough has been seen, and not for ever. */
static void test_soft_first(void **state)
{
    (void)state;
    struct relay relays[] = {{.name = "a", .first_token = 0.3}, {.name = "b", .first_token = 0.5}};
    struct world w = world(field_seed(), 2, relays);

    play(&w, 300, 0);
    play(&w, 300, 4);
    print(&w, "a first", 300);
    assert_true(share(&w, "a") > 0.5);
    assert_string_equal(ranking(&w)->rows[0].facts->platform, "a");
    w.relays[0].first_token = 0.7;
    play(&w, 3, 4);
    print(&w, "a slower", 3);
    assert_true(share(&w, "a") > 0.5);
    assert_string_equal(ranking(&w)->rows[0].facts->platform, "a");
    play(&w, 900, 4);
    print(&w, "and later", 900);
    assert_true(share(&w, "b") > 0.5);
    assert_string_equal(ranking(&w)->rows[0].facts->platform, "b");
    end(&w);
}

/* Nobody knows what four equal routes take: a sudden load begins on three at least. */
static void test_unproven(void **state)
{
    (void)state;
    struct relay relays[] = {{.name = "a", .first_token = 0.5},
                             {.name = "b", .first_token = 0.5},
                             {.name = "c", .first_token = 0.5},
                             {.name = "d", .first_token = 0.5}};
    struct world w = world(field_seed(), 4, relays);
    int used = 0;

    w.noise = 0.02;
    play(&w, 300, 0);
    play(&w, 3, 20);
    print(&w, "sudden", 3);
    for (size_t i = 0; i < w.len; i++)
        used += w.relays[i].tries >= 0.08 * w.asked;
    assert_true(used >= 3);
    play(&w, 300, 20);
    print(&w, "proven", 300);
    assert_true(w.lost == 0);
    end(&w);
}

/* One that is the best and has shown what it takes has all of it, though in the beginning it had not. */
static void test_proven(void **state)
{
    (void)state;
    struct relay relays[] = {{.name = "a", .first_token = 0.3}, {.name = "b", .first_token = 1}, {.name = "c", .first_token = 1}};
    struct world w = world(field_seed(), 3, relays);

    play(&w, 300, 0);
    play(&w, 3, 20);
    print(&w, "sudden", 3);
    play(&w, 300, 20);
    print(&w, "proven", 300);
    assert_true(share(&w, "a") > 0.9);
    end(&w);
}

/* What an operator pins has all that it takes, however much better the others are. */
static void test_pinned(void **state)
{
    (void)state;
    struct relay relays[] = {{.name = "a", .first_token = 0.3}, {.name = "b", .first_token = 3}};
    struct world w = world(field_seed(), 2, relays);

    play(&w, 300, 0);
    ranker_set_override(w.r, w.relays[1].id, OVERRIDE_PIN, w.now);
    play(&w, 120, 4);
    print(&w, "b pinned", 120);
    assert_true(share(&w, "b") > 0.99);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pours_over), cmocka_unit_test(test_needs_the_third), cmocka_unit_test(test_slows_down),
        cmocka_unit_test(test_shortage),   cmocka_unit_test(test_no_shortage),     cmocka_unit_test(test_soft_first),
        cmocka_unit_test(test_unproven),   cmocka_unit_test(test_proven),          cmocka_unit_test(test_pinned),
    };

    return cmocka_run_group_tests_name("shares under load", tests, NULL, NULL);
}
