/* What must hold for any input: many short random worlds, each told to the ranker in several ways. TEST_SEED=n repeats a run, TEST_ROUNDS=n plays so many
 * worlds, TEST_ONLY=pattern only some tests. */
#include "tests/unit/core/story.h"

static int rounds(int usual)
{
    const char *given = getenv("TEST_ROUNDS");

    return given ? atoi(given) : usual;
}

static void show_difference(const char *a, const char *b)
{
    size_t at = 0, line = 0, when = 0;

    for (; a[at] && a[at] == b[at]; at++) {
        line = a[at] == '\n' ? at + 1 : line;
        when = strncmp(a + at, "\nat ", 4) == 0 ? at + 1 : when;
    }
    print_message("  %.*s\n  one: %.*s\n  two: %.*s\n", (int)strcspn(a + when, "\n"), a + when, (int)strcspn(a + line, "\n"), a + line,
                  (int)strcspn(b + line, "\n"), b + line);
}

/* Tells each of many worlds in two ways and demands the same tables. `vary` may set what depends on the world. */
static void compare(struct telling one, struct telling two, void (*vary)(struct telling *one, struct telling *two, const struct story *story, uint64_t *random))
{
    static struct story story;
    uint64_t random = field_seed();
    int different = 0, all = rounds(40);

    for (int round = 0; round < all; round++) {
        uint64_t seed = schedule_random(&random);

        story_make(&story, seed);
        if (vary)
            vary(&one, &two, &story, &random);
        char *a = story_play(&story, &one), *b = story_play(&story, &two);

        if (strcmp(a, b) != 0 && different++ == 0) {
            print_message("  world %d, seed 0x%llx\n", round, (unsigned long long)seed);
            show_difference(a, b);
        }
        free(a);
        free(b);
    }
    if (different > 0)
        fail_msg("%d of %d worlds differ", different, all);
}

static void test_replay_is_the_same(void **state)
{
    (void)state;
    compare((struct telling){.full = true}, (struct telling){.full = true}, NULL);
}

static void vary_order(struct telling *one, struct telling *two, const struct story *story, uint64_t *random)
{
    (void)one;
    (void)story;
    two->shuffle = schedule_random(random) | 1;
}

static void test_order_has_no_say(void **state)
{
    (void)state;
    compare((struct telling){.full = true}, (struct telling){.full = true}, vary_order);
}

/* After each instant, or only at the end. */
static void test_refreshing_often_changes_nothing(void **state)
{
    (void)state;
    compare((struct telling){.only_end = true}, (struct telling){.only_end = true, .refresh = REFRESH_INSTANTS}, NULL);
}

static void test_refreshing_at_random_changes_nothing(void **state)
{
    (void)state;
    compare((struct telling){.only_end = true}, (struct telling){.only_end = true, .refresh = REFRESH_RANDOM, .ask = true}, vary_order);
}

/* Between two things told at the very same time as well: what is ranked then is ranked once more, as if it had not been. */
static void test_refreshing_within_an_instant_changes_nothing(void **state)
{
    (void)state;
    compare((struct telling){.only_end = true, .no_loss = true, .revision = true},
            (struct telling){.only_end = true, .no_loss = true, .revision = true, .refresh = REFRESH_EVENTS}, NULL);
}

/* The same, with tables made each time. */
static void test_asking_within_an_instant_changes_nothing(void **state)
{
    (void)state;
    compare((struct telling){.only_end = true}, (struct telling){.only_end = true, .refresh = REFRESH_EVENTS, .ask = true}, NULL);
}

/* A gateway's batch has one time: many requests, part of them refused. What is tolerated of that, and who is thought to follow the table, is learnt on the way. */
static void test_a_batch_is_one_instant(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    const struct ranker_setup setup = {.policies = story_policies, .policies_len = 4, .currency = "USD", .vantage = "here"};

    for (int round = rounds(20); round > 0; round--) {
        struct ranker *once = ranker_new(&setup), *often = ranker_new(&setup);
        struct buf one = BUF_INIT, two = BUF_INIT;
        usec_t now = NOW0, apart = (200 + story_dice(&random, 2000)) * MSEC;
        int n = 2 + story_dice(&random, 5);

        for (int i = 0; i < n; i++) {
            (void)field_add(once, story_name('p', i), "m", 1 + 0.1 * i);
            (void)field_add(often, story_name('p', i), "m", 1 + 0.1 * i);
        }
        for (int batch = 0; batch < 200; batch++, now += apart) {
            for (int k = 3 + story_dice(&random, 20); k > 0; k--) {
                int id = story_dice(&random, story_dice(&random, 2) ? 1 : n);
                struct observation o = field_random(&random) < 0.3 ? field_fail(now, OUTCOME_RATE_LIMITED) : field_ok(now, (200 + 40 * id) * MSEC);

                o.source = SOURCE_TRAFFIC;
                o.total = (usec_t)(field_random(&random) * 2e7);
                field_observe(once, id, o, now);
                field_observe(often, id, o, now);
                ranker_refresh(often, now, 0, false);
            }
            ranker_refresh(once, now, 0, false);
        }
        struct table *a = ranker_table(once, 1, 1, now, 0), *b = ranker_table(often, 1, 1, now, 0);

        story_print_brief(a, true, &one);
        story_print_brief(b, true, &two);
        assert_string_equal(buf_str(&one), buf_str(&two));
        assert_true(ranker_revision(once) == ranker_revision(often));
        table_unref(a);
        table_unref(b);
        buf_done(&one);
        buf_done(&two);
        ranker_free(once);
        ranker_free(often);
    }
}

static void test_asking_changes_nothing(void **state)
{
    (void)state;
    compare((struct telling){.refresh = REFRESH_INSTANTS}, (struct telling){.refresh = REFRESH_INSTANTS, .ask = true}, NULL);
}

static void test_going_back_is_refused(void **state)
{
    (void)state;
    compare((struct telling){0}, (struct telling){.backwards = true}, NULL);
}

/* By powers of two arithmetic is exact, and every bit of the tables but the prices must be the same. */
static void test_scaled_money_is_the_same(void **state)
{
    (void)state;
    compare((struct telling){.no_loss = true}, (struct telling){.no_loss = true, .scale = 64}, NULL);
}

static void test_currency_and_its_rate_have_no_say(void **state)
{
    (void)state;
    compare((struct telling){.no_loss = true}, (struct telling){.no_loss = true, .scale = 7}, NULL);
}

/* What was written down and read back goes on as if nothing had been. */
static void test_restarts_change_nothing(void **state)
{
    (void)state;
    compare((struct telling){.refresh = REFRESH_INSTANTS, .no_loss = true}, (struct telling){.refresh = REFRESH_INSTANTS, .no_loss = true, .restart = true},
            NULL);
}

/* A save in pieces is one of a single moment, and disturbs nothing. */
static void test_saves_in_pieces_are_of_one_moment(void **state)
{
    (void)state;
    compare((struct telling){.refresh = REFRESH_EVENTS}, (struct telling){.refresh = REFRESH_EVENTS, .slow_saves = true}, NULL);
}

static void vary_adoption(struct telling *one, struct telling *two, const struct story *story, uint64_t *random)
{
    two->shuffle = schedule_random(random) | 1;
    one->stop_at = two->stop_at = 1 + (size_t)story_dice(random, (int)story->len - 1);
    two->adopt = true;
    two->refresh = story_dice(random, 2) ? REFRESH_EVENTS : REFRESH_CHECKPOINTS; /* somebody looks just before */
}

/* A reload in the middle, with the same configuration. */
static void test_adoption_keeps_everything(void **state)
{
    (void)state;
    compare((struct telling){.only_end = true, .no_loss = true}, (struct telling){.only_end = true, .no_loss = true}, vary_adoption);
}

/* --- a better route never has the higher loss --- */

struct pair_world {
    struct ranker *r;
    int better, worse;
    usec_t now, interval, ttft;
    double slower, fails, fails_more;
    unsigned ring;
    bool traffic;
};

static void pair_world_make(struct pair_world *w, uint64_t *random)
{
    const struct ranker_setup setup = {.policies = story_policies, .policies_len = 4, .currency = "USD", .vantage = "here"};
    double price = 0.01 + 5 * field_random(random);

    *w = (struct pair_world){
        .r = ranker_new(&setup),
        .now = NOW0,
        .interval = (1 + story_dice(random, 60)) * SEC,
        .ttft = (usec_t)(3e5 * exp(field_normal(random))),
        .slower = 1.02 + field_random(random),
        .fails = 0.5 * field_random(random),
        .fails_more = 0.4 * field_random(random),
        .traffic = story_dice(random, 2),
    };
    w->better = field_add(w->r, "better", "m", price);
    w->worse = field_add(w->r, "worse", "m", price * (1.01 + field_random(random)));
    for (int i = story_dice(random, 4); i > 0; i--)
        field_add(w->r, story_name('o', i), "m", 5 * field_random(random) - 1);
}

/* One observation of both, the better one's at least as good. The others don't fail, since how far two routes fail together is a fact about the
 * pair, and are slower, since to fail soon before a fast retry can be better than to wait for a slow answer. */
static void pair_world_step(struct pair_world *w, uint64_t *random)
{
    static const enum outcome_kind kinds[] = {OUTCOME_TIMEOUT, OUTCOME_SERVER_ERROR, OUTCOME_RESET, OUTCOME_EMPTY};
    enum outcome_kind kind = kinds[story_dice(random, 4)];
    bool fails = field_random(random) < w->fails, fails_too = fails || field_random(random) < w->fails_more;
    struct observation better = fails ? field_fail(w->now, kind) : field_ok(w->now, w->ttft);
    struct observation worse = fails_too ? field_fail(w->now, kind) : field_ok(w->now, (usec_t)((double)w->ttft * w->slower));

    better.source = worse.source = w->traffic ? SOURCE_TRAFFIC : SOURCE_PROBE;
    w->ring = w->ring << 1 | fails_too;
    field_observe(w->r, w->better, better, w->now);
    field_observe(w->r, w->worse, worse, w->now);
    for (int id = 2; (size_t)id < ranker_routes(w->r); id++)
        field_observe(w->r, id, field_ok(w->now, (usec_t)((double)w->ttft * w->slower * (1 + 2 * field_random(random)))), w->now);
}

static void show_terms(struct pair_world *w, const char *policy)
{
    for (int id = 0; id < 2; id++) {
        struct explanation e;

        assert_int_equal(ranker_explain(w->r, id, policy, w->now, &e), 0);
        print_message("  %s, its failures %x, retry on %s\n", e.row.facts->platform, w->ring, e.retry_on ? e.retry_on : "nobody");
        for (size_t t = 0; t < e.terms_len; t++)
            print_message("    %-10s %.6f %s\n", e.terms[t].name, (double)e.terms[t].nano / 1e9, e.terms[t].how);
    }
}

static void test_better_has_no_higher_loss(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    int compared = 0;

    for (int round = rounds(300); round > 0; round--) {
        struct pair_world w;

        pair_world_make(&w, &random);
        /* Down forgets on purpose what its end does: from there on the state is not fresh any more. */
        for (int step = 0; step < 60; step++, w.now += w.interval) {
            pair_world_step(&w, &random);
            struct table *table = field_table(w.r, w.now);
            bool down = ranker_state(w.r, w.better) == ROUTE_DOWN || ranker_state(w.r, w.worse) == ROUTE_DOWN;

            for (int p = 0; p < 4 && !down; p++) {
                const struct ranking *k = field_ranking(table, story_policies[p].name, "m");

                compared++;
                if (field_row(k, "better")->loss_nano <= field_row(k, "worse")->loss_nano)
                    continue;
                show_terms(&w, story_policies[p].name);
                fail_msg("round %d, %s, step %d", round, story_policies[p].name, step);
            }
            story_check_table(table);
            table_unref(table);
            if (down)
                break;
        }
        ranker_free(w.r);
    }
    print_message("%d comparisons\n", compared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay_is_the_same),
        cmocka_unit_test(test_order_has_no_say),
        cmocka_unit_test(test_refreshing_often_changes_nothing),
        cmocka_unit_test(test_refreshing_at_random_changes_nothing),
        cmocka_unit_test(test_refreshing_within_an_instant_changes_nothing),
        cmocka_unit_test(test_asking_within_an_instant_changes_nothing),
        cmocka_unit_test(test_a_batch_is_one_instant),
        cmocka_unit_test(test_asking_changes_nothing),
        cmocka_unit_test(test_going_back_is_refused),
        cmocka_unit_test(test_scaled_money_is_the_same),
        cmocka_unit_test(test_currency_and_its_rate_have_no_say),
        cmocka_unit_test(test_restarts_change_nothing),
        cmocka_unit_test(test_saves_in_pieces_are_of_one_moment),
        cmocka_unit_test(test_adoption_keeps_everything),
        cmocka_unit_test(test_better_has_no_higher_loss),
    };

    cmocka_set_test_filter(getenv("TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
