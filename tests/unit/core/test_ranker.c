/* The ranker as a whole: what the daemon and a replay see of it. */
#include "tests/unit/core/field.h"

struct heard {
    int states, firsts;
    char last_reason[256], last_to[64];
};

static void hear(void *arg, const struct ranker_event *event)
{
    struct heard *h = arg;

    if (event->type == RANKER_STATE)
        h->states++;
    else
        h->firsts++;
    snprintf(h->last_reason, sizeof(h->last_reason), "%s", event->reason);
    snprintf(h->last_to, sizeof(h->last_to), "%s", event->to);
}

static void check_slots(const struct table *table)
{
    for (size_t p = 0; p < table->len; p++) {
        for (size_t m = 0; m < table->policies[p].len; m++) {
            const struct ranking *k = table->policies[p].rankings[m];
            int sum = 0;
            bool ended = false;

            for (size_t i = 0; i < k->len; i++) {
                const struct table_row *row = &k->rows[i];

                sum += row->slots;
                assert_int_equal(row->rank, i + 1);
                assert_true(row->score >= 0 && row->score <= 1);
                assert_true(row->availability_low >= 0 && row->availability_low <= 1);
                assert_true(isnan(row->availability) || (row->availability >= row->availability_low - 1e-12 && row->availability <= 1));
                assert_true(row->loss_nano >= 0);
                if (row->slots == 0)
                    ended = true;
                else
                    assert_false(ended);
                if (!route_reason_eligible(row->reason))
                    assert_int_equal(row->slots, 0);
            }
            assert_int_equal(sum, k->flags & RANKING_NO_ELIGIBLE_ROUTE ? 0 : TABLE_SLOTS);
        }
    }
}

static void test_better_is_first(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int good = field_add(r, "good", "m", 1), bad = field_add(r, "bad", "m", 1);
    usec_t now = NOW0;

    for (int i = 0; i < 60; i++, now += 15 * SEC) {
        field_observe(r, good, field_ok(now, 300 * MSEC), now);
        field_observe(r, bad, i % 4 ? field_ok(now, 900 * MSEC) : field_fail(now, OUTCOME_SERVER_ERROR), now);
    }
    struct table *table = field_table(r, now);

    for (int p = 0; p < 3; p++)
        assert_string_equal(field_first(table, field_policies[p].name, "m"), "good");
    assert_int_equal(field_ranking(table, NULL, "m")->rows[0].slots, TABLE_SLOTS);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "good")->state, ROUTE_UP);
    check_slots(table);
    table_unref(table);
    ranker_free(r);
}

static void test_dead_loses_traffic_within_three(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    struct heard heard = {0};
    int a = field_add(r, "a", "m", 1), b = field_add(r, "b", "m", 1);
    usec_t now = NOW0;

    ranker_set_events(r, hear, &heard);
    for (int i = 0; i < 40; i++, now += 15 * SEC) {
        field_observe(r, a, field_ok(now, 300 * MSEC), now);
        field_observe(r, b, field_ok(now, 600 * MSEC), now);
    }
    struct table *table = field_table(r, now);

    assert_string_equal(field_first(table, NULL, "m"), "a");
    table_unref(table);
    for (int i = 0; i < 3; i++, now += 15 * SEC)
        field_observe(r, a, field_fail(now, OUTCOME_TIMEOUT), now);
    bool hard = false;

    ranker_refresh(r, now, 0, false);
    assert_true(ranker_changed(r, &hard));
    assert_true(hard);
    table = ranker_table(r, 1, 2, now, 0);
    const struct table_row *row = field_row(field_ranking(table, NULL, "m"), "a");

    assert_int_equal(row->state, ROUTE_DOWN);
    assert_int_equal(row->reason, REASON_DOWN);
    assert_int_equal(row->slots, 0);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "b")->slots, TABLE_SLOTS);
    assert_true(heard.states >= 3 && heard.firsts >= 2);
    check_slots(table);
    table_unref(table);

    /* Back: two successes end `down`; its share grows from few slots. */
    for (int i = 0; i < 2; i++, now += 15 * SEC)
        field_observe(r, a, field_ok(now, 300 * MSEC), now);
    table = field_table(r, now);
    row = field_row(field_ranking(table, NULL, "m"), "a");
    assert_int_not_equal(row->state, ROUTE_DOWN);
    assert_true(row->slots <= 8);
    table_unref(table);
    for (int i = 0; i < 12; i++, now += 15 * SEC) {
        field_observe(r, a, field_ok(now, 300 * MSEC), now);
        field_observe(r, b, field_ok(now, 600 * MSEC), now);
        ranker_refresh(r, now, 0, false);
    }
    table = field_table(r, now);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_UP);
    table_unref(table);
    ranker_free(r);
}

static void test_ours_and_local_never_count(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1), b = field_add(r, "b", "m", 1);
    usec_t now = field_warm(r, a, 300 * MSEC, 30, SEC, NOW0);

    for (int i = 0; i < 30; i++, now += SEC)
        field_observe(r, b, field_ok(now, 500 * MSEC), now);
    for (int i = 0; i < 10; i++, now += SEC) {
        field_observe(r, a, field_fail(now, OUTCOME_BAD_REQUEST), now);
        field_observe(r, a, field_fail(now, OUTCOME_LOCAL), now);
        field_observe(r, a, field_fail(now, OUTCOME_MODERATED), now);
        field_observe(r, a, field_fail(now, OUTCOME_CANCELED), now);
    }
    ranker_set_local(r, true, now);
    for (int i = 0; i < 10; i++, now += SEC)
        field_observe(r, a, field_fail(now, OUTCOME_TIMEOUT), now);
    struct table *table = field_table(r, now);

    assert_true(table->flags & TABLE_LOCAL);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_UP);
    assert_string_equal(field_first(table, NULL, "m"), "a");
    table_unref(table);
    ranker_set_local(r, false, now);
    field_observe(r, a, field_fail(now, OUTCOME_NO_CREDIT), now);
    table = field_table(r, now);
    const struct table_row *row = field_row(field_ranking(table, NULL, "m"), "a");

    assert_int_equal(row->state, ROUTE_UNUSABLE);
    assert_int_equal(row->reason, REASON_UNUSABLE);
    assert_int_equal(row->slots, 0);
    table_unref(table);
    field_observe(r, a, field_ok(now, 300 * MSEC), now);
    table = field_table(r, now);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_UP);
    table_unref(table);
    ranker_free(r);
}

static void test_limited(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1), b = field_add(r, "b", "m", 1);
    usec_t now = NOW0;

    for (int i = 0; i < 60; i++, now += 15 * SEC) {
        field_observe(r, a, field_ok(now, 300 * MSEC), now);
        field_observe(r, b, field_ok(now, 2000 * MSEC), now);
    }
    ranker_refresh(r, now, 0, false);
    struct observation full = field_fail(now, OUTCOME_RATE_LIMITED);

    /* Nobody reports traffic: a probe's 429 halves the share. */
    field_observe(r, a, full, now);
    struct table *table = field_table(r, now);
    const struct ranking *k = field_ranking(table, NULL, "m");

    assert_int_equal(field_row(k, "a")->state, ROUTE_LIMITED);
    unsigned cut = field_row(k, "a")->slots;

    assert_in_range(cut, 32, 128);
    assert_int_equal(field_row(k, "b")->slots, TABLE_SLOTS - cut);
    assert_true(field_row(k, "a")->availability_low > 0.95);
    table_unref(table);
    /* An idle probe that succeeds ends the state and proves nothing about capacity. */
    now += 10 * SEC;
    field_observe(r, a, field_ok(now, 300 * MSEC), now);
    table = field_table(r, now);
    k = field_ranking(table, NULL, "m");
    assert_int_equal(field_row(k, "a")->state, ROUTE_UP);
    assert_in_range(field_row(k, "a")->slots, 32, 128);
    table_unref(table);
    /* Without reports: nothing for 10 minutes, then 2 slots a minute. */
    table = field_table(r, now - 10 * SEC + 10 * USEC_PER_MINUTE);
    assert_in_range(field_row(field_ranking(table, NULL, "m"), "a")->slots, cut, 128);
    table_unref(table);
    table = field_table(r, now - 10 * SEC + 20 * USEC_PER_MINUTE);
    assert_in_range(field_row(field_ranking(table, NULL, "m"), "a")->slots, cut + 8, 148);
    table_unref(table);
    now += 20 * USEC_PER_MINUTE;
    /* Told to stay away: behind all others until then. */
    full.retry_after = 60 * SEC;
    field_observe(r, a, full, now);
    table = field_table(r, now);
    k = field_ranking(table, NULL, "m");
    assert_int_equal(field_row(k, "a")->slots, 0);
    assert_int_equal(field_row(k, "a")->reason, REASON_LIMITED);
    table_unref(table);
    table = field_table(r, now + 61 * SEC);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_UP);
    table_unref(table);
    ranker_free(r);
}

static void test_never_empty_and_exclusions(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int ids[3];
    const char *names[] = {"a", "b", "c"};
    usec_t now = NOW0;

    for (int i = 0; i < 3; i++)
        ids[i] = field_add(r, names[i], "m", 1);
    struct table *table = field_table(r, now);

    check_slots(table); /* nothing known of anybody: still a table */
    assert_int_equal(field_ranking(table, NULL, "m")->flags & RANKING_PANIC, 0);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_NEW);
    table_unref(table);
    for (int i = 0; i < 9; i++, now += SEC)
        field_observe(r, ids[i % 3], field_fail(now, OUTCOME_REFUSED), now);
    table = field_table(r, now);
    assert_true(field_ranking(table, NULL, "m")->flags & RANKING_PANIC);
    assert_int_equal(field_ranking(table, NULL, "m")->rows[0].reason, REASON_PANIC);
    check_slots(table);
    table_unref(table);
    ranker_set_override(r, ids[0], OVERRIDE_DRAIN, now);
    ranker_set_maintenance(r, 1, true, now);
    table = field_table(r, now);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "c")->slots, TABLE_SLOTS);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->reason, REASON_DRAINED);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "b")->reason, REASON_MAINTENANCE);
    table_unref(table);
    ranker_set_listing(r, ids[2], LISTING_ABSENT, now);
    table = field_table(r, now);
    assert_true(field_ranking(table, NULL, "m")->flags & RANKING_NO_ELIGIBLE_ROUTE);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "c")->state, ROUTE_MISSING);
    check_slots(table);
    table_unref(table);
    ranker_set_override(r, ids[0], OVERRIDE_NONE, now);
    ranker_set_usable(r, 0, false, "no key", now);
    table = field_table(r, now);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_UNUSABLE);
    table_unref(table);
    ranker_free(r);
}

static void test_pin(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1), b = field_add(r, "b", "m", 5);
    usec_t now = NOW0;

    for (int i = 0; i < 40; i++, now += 15 * SEC) {
        field_observe(r, a, field_ok(now, 300 * MSEC), now);
        field_observe(r, b, field_ok(now, 900 * MSEC), now);
    }
    ranker_set_override(r, b, OVERRIDE_PIN, now);
    struct table *table = field_table(r, now);

    assert_string_equal(field_first(table, NULL, "m"), "b");
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "b")->slots, TABLE_SLOTS);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "b")->reason, REASON_PINNED);
    table_unref(table);
    for (int i = 0; i < 3; i++, now += SEC)
        field_observe(r, b, field_fail(now, OUTCOME_TIMEOUT), now);
    table = field_table(r, now);
    assert_string_equal(field_first(table, NULL, "m"), "a");
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "b")->reason, REASON_DOWN);
    table_unref(table);
    for (int i = 0; i < 10; i++, now += 15 * SEC)
        field_observe(r, b, field_ok(now, 900 * MSEC), now);
    table = field_table(r, now);
    assert_string_equal(field_first(table, NULL, "m"), "b");
    table_unref(table);
    /* The pin ends: no place to defend. */
    ranker_set_override(r, b, OVERRIDE_NONE, now);
    table = field_table(r, now);
    assert_string_equal(field_first(table, NULL, "m"), "a");
    table_unref(table);
    ranker_free(r);
}

static void test_platform_can_lower_only(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1);
    usec_t now = field_warm(r, a, 300 * MSEC, 10, SEC, NOW0);
    struct observation reach = observation_make(PROBE_REACH, now, outcome_make(STAGE_CONNECT, OUTCOME_REFUSED, 0));

    field_add(r, "b", "m", 1);
    for (int i = 0; i < 3; i++, now += SEC)
        assert_int_equal(ranker_observe_platform(r, 0, &reach, now), 0);
    struct table *table = field_table(r, now);

    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_DOWN);
    table_unref(table);
    field_observe(r, a, field_ok(now, 300 * MSEC), now);
    table = field_table(r, now);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_UP);
    table_unref(table);
    for (int i = 0; i < 5; i++, now += SEC)
        field_observe(r, a, field_fail(now, OUTCOME_TIMEOUT), now);
    reach.outcome = outcome_make(STAGE_DONE, OUTCOME_OK, 200);
    for (int i = 0; i < 10; i++, now += SEC)
        assert_int_equal(ranker_observe_platform(r, 0, &reach, now), 0);
    table = field_table(r, now);
    assert_int_equal(field_row(field_ranking(table, NULL, "m"), "a")->state, ROUTE_DOWN);
    table_unref(table);
    ranker_free(r);
}

static void test_time_backwards_is_refused(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1);
    struct observation o = field_ok(NOW0, SEC);

    assert_int_equal(ranker_observe(r, a, &o, NOW0), 0);
    assert_int_equal(ranker_observe(r, a, &o, NOW0), 0);
    assert_int_equal(ranker_observe(r, a, &o, NOW0 - 1), -22);
    assert_int_equal(ranker_observe(r, 7, &o, NOW0), -22);
    ranker_free(r);
}

/* One random life of a field, the same for the same seed. `order` permutes the platforms as they are added. */
static char *random_life(uint64_t seed, const int *order, int routes, double money_scale)
{
    struct ranker *r = field_ranker();
    int ids[16];
    uint64_t random = seed;
    usec_t now = NOW0;
    struct buf out = BUF_INIT;

    for (int i = 0; i < routes; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", order[i]);
        ids[order[i]] = field_add(r, name, order[i] % 2 ? "m1" : "m2", order[i] % 5 == 4 ? -1 : money_scale * (1 + order[i]));
    }
    for (int step = 0; step < 600; step++, now += (usec_t)(field_random(&random) * 8e6)) {
        int who = (int)(field_random(&random) * routes);
        double dice = field_random(&random), bad = who % 3 == 0 ? 0.3 : 0.02;
        struct observation o = field_ok(now, (usec_t)(exp(0.4 * field_normal(&random)) * 3e5 * (1 + who % 4)));

        if (dice < bad)
            o = field_fail(now, OUTCOME_SERVER_ERROR);
        else if (dice < bad + 0.02)
            o = field_fail(now, OUTCOME_RATE_LIMITED);
        else if (dice < bad + 0.03)
            o = field_fail(now, OUTCOME_NO_CREDIT);
        o.source = dice > 0.5 ? SOURCE_TRAFFIC : SOURCE_PROBE;
        field_observe(r, ids[who], o, now);
        if (step % 97 == 0)
            ranker_set_override(r, ids[who], (enum override_action)(step / 97 % 3), now);
        ranker_refresh(r, now, 0, step % 10 == 0);
        if (step % 50 == 0) {
            struct table *table = ranker_table(r, 1, (uint64_t)step, now, 0);

            check_slots(table);
            char *json = field_json(table);

            buf_add_str(&out, json);
            free(json);
            table_unref(table);
        }
    }
    ranker_free(r);
    return buf_take(&out);
}

static void test_replay_and_permutation(void **state)
{
    (void)state;
    uint64_t seed = field_seed();

    for (int round = 0; round < 20; round++) {
        int order[12], shuffled[12];

        for (int i = 0; i < 12; i++)
            order[i] = shuffled[i] = i;
        for (int i = 11; i > 0; i--) {
            int j = (int)(field_random(&seed) * (i + 1)), kept = shuffled[i];

            shuffled[i] = shuffled[j];
            shuffled[j] = kept;
        }
        uint64_t life = schedule_random(&seed);
        char *one = random_life(life, order, 12, 1), *two = random_life(life, order, 12, 1), *three = random_life(life, shuffled, 12, 1);

        assert_string_equal(one, two);
        assert_string_equal(one, three);
        free(one);
        free(two);
        free(three);
    }
}

static void test_terms_sum(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    uint64_t random = field_seed();
    int ids[6];
    usec_t now = NOW0;

    for (int i = 0; i < 6; i++) {
        char name[8];

        snprintf(name, sizeof(name), "p%d", i);
        ids[i] = field_add(r, name, "m", i == 3 ? -1 : 1 + i);
    }
    for (int step = 0; step < 300; step++, now += 5 * SEC) {
        int who = (int)(field_random(&random) * 6);

        field_observe(r, ids[who],
                      field_random(&random) < 0.1 * who ? field_fail(now, OUTCOME_EMPTY) : field_ok(now, (usec_t)(2e5 + 1e6 * field_random(&random))),
                      now);
        ranker_refresh(r, now, 0, false);
        struct explanation e;

        assert_int_equal(ranker_explain(r, ids[who], field_policies[step % 3].name, now, &e), 0);
        int64_t sum = 0;

        for (size_t t = 0; t < e.terms_len; t++)
            sum += e.terms[t].nano;
        assert_true(sum == e.loss_nano);
        struct table *table = ranker_table(r, 1, 1, now, 0);

        assert_true(e.loss_nano == e.row.loss_nano);
        assert_int_equal(e.last_len, e.row.samples < 16 ? (size_t)e.last_len : 16);
        table_unref(table);
    }
    struct explanation e;

    assert_int_equal(ranker_explain(r, 0, "nobody's", now, &e), -2);
    assert_int_equal(ranker_explain(r, 99, NULL, now, &e), -2);
    ranker_free(r);
}

/* One observation of both; true if the better one has the higher loss under any policy. */
static bool better_loses(struct ranker *r, struct observation better, struct observation worse, usec_t now)
{
    bool wrong = false;

    field_observe(r, 0, better, now);
    field_observe(r, 1, worse, now);
    ranker_refresh(r, now, 0, true);
    struct table *table = ranker_table(r, 1, 1, now, 0);

    for (int k = 0; k < 3; k++) {
        const struct ranking *ranking = field_ranking(table, field_policies[k].name, "m");

        wrong |= field_row(ranking, "better")->loss_nano > field_row(ranking, "worse")->loss_nano;
    }
    /* Verdicts of `down` forget on purpose what the recovery ends: from the first on, the state is not fresh any more. */
    if (field_row(field_ranking(table, NULL, "m"), "better")->state == ROUTE_DOWN ||
        field_row(field_ranking(table, NULL, "m"), "worse")->state == ROUTE_DOWN)
        wrong = false;
    table_unref(table);
    return wrong;
}

/* From a fresh state, a route that is at least as good in every observation, faster and cheaper never has the higher loss. */
static void test_strictly_better(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    int compared = 0;

    for (int round = 0; round < 300; round++) {
        struct ranker *r = field_ranker();
        usec_t now = NOW0, ttft = (usec_t)(3e5 * exp(0.5 * field_normal(&random)));
        double p = field_random(&random) * 0.5, extra = field_random(&random) * 0.4, slower = 1.02 + field_random(&random);
        unsigned ring = 0;

        field_add(r, "better", "m", 1);
        field_add(r, "worse", "m", 1.1);
        for (int step = 0; step < 60; step++, now += 15 * SEC) {
            bool fails = field_random(&random) < p, fails_too = fails || field_random(&random) < extra;

            ring = ring << 1 | fails_too;
            assert_false(better_loses(r, fails ? field_fail(now, OUTCOME_TIMEOUT) : field_ok(now, ttft),
                                      fails_too ? field_fail(now, OUTCOME_TIMEOUT) : field_ok(now, (usec_t)((double)ttft * slower)), now));
            compared++;
            if (__builtin_popcount(ring & 31) >= 3)
                break;
        }
        ranker_free(r);
    }
    print_message("%d comparisons\n", compared);
    assert_true(compared > 1000);
}

/* Better in distribution: after a hundred probes of each, in every policy, outages and all. */
static void test_better_in_distribution(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 200; round++) {
        struct ranker *r = field_ranker();
        int better = field_add(r, "better", "m", 1), worse = field_add(r, "worse", "m", 1.2);
        usec_t now = NOW0;
        double p = field_random(&random) * 0.05, more = 0.2 + field_random(&random) * 0.5;

        for (int step = 0; step < 100; step++, now += 15 * SEC) {
            double noise = 0.3 * field_normal(&random), noise_too = 0.3 * field_normal(&random);
            bool last = step == 99;

            field_observe(r, better, !last && field_random(&random) < p ? field_fail(now, OUTCOME_TIMEOUT) : field_ok(now, (usec_t)(3e5 * exp(noise))), now);
            field_observe(r, worse, field_random(&random) < p + more ? field_fail(now, OUTCOME_EMPTY) : field_ok(now, (usec_t)(6e5 * exp(noise_too))), now);
        }
        struct table *table = field_table(r, now);

        for (int k = 0; k < 3; k++) {
            const struct ranking *ranking = field_ranking(table, field_policies[k].name, "m");

            if (field_row(ranking, "better")->state != ROUTE_UP)
                continue;
            assert_true(field_row(ranking, "better")->loss_nano < field_row(ranking, "worse")->loss_nano);
        }
        table_unref(table);
        ranker_free(r);
    }
}

static void test_currency_scale(void **state)
{
    (void)state;
    struct ranker *r[2] = {field_ranker(), field_ranker()};
    const double scale[2] = {1, 7};
    char *json[2];
    int64_t losses[2][4];

    for (int k = 0; k < 2; k++) {
        usec_t now = NOW0;

        for (int i = 0; i < 4; i++) {
            char name[8];

            snprintf(name, sizeof(name), "p%d", i);
            int id = field_add(r[k], name, "m", scale[k] * (1 + 0.37 * i));

            now = field_warm(r[k], id, (300 + 100 * i) * MSEC, 20, SEC, now);
        }
        struct table *table = field_table(r[k], now);

        for (int i = 0; i < 4; i++)
            losses[k][i] = field_ranking(table, "cost", "m")->rows[i].loss_nano;
        json[k] = field_json(table);
        table_unref(table);
        ranker_free(r[k]);
    }
    for (int i = 0; i < 4; i++)
        assert_true(llabs(losses[0][i] - losses[1][i]) <= 1);
    free(json[0]);
    free(json[1]);
}

static void test_hysteresis_is_calm(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    struct heard heard = {0};
    uint64_t random = 42;
    int a = field_add(r, "a", "m", 1), b = field_add(r, "b", "m", 1);
    usec_t now = NOW0;

    for (int i = 0; i < 60; i++, now += 60 * SEC) {
        field_observe(r, a, field_ok(now, (usec_t)(5e5 * exp(0.5 * field_normal(&random)))), now);
        field_observe(r, b, field_ok(now, (usec_t)(5e5 * exp(0.5 * field_normal(&random)))), now);
        ranker_refresh(r, now, 0, false);
    }
    ranker_set_events(r, hear, &heard);
    for (int i = 0; i < 1440; i++, now += 60 * SEC) {
        field_observe(r, a, field_ok(now, (usec_t)(5e5 * exp(0.5 * field_normal(&random)))), now);
        field_observe(r, b, field_ok(now, (usec_t)(5e5 * exp(0.5 * field_normal(&random)))), now);
        ranker_refresh(r, now, 0, true);
    }
    print_message("two equal relays, a day of probes a minute: %d changes of first place over 3 policies, %d of state\n", heard.firsts,
                  heard.states);
    assert_true(heard.firsts <= 60);
    ranker_free(r);
}

static void test_challenger_is_shown_and_wins(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1), b = field_add(r, "b", "m", 1);
    usec_t now = NOW0;
    double most = 0;

    for (int i = 0; i < 60; i++, now += 15 * SEC) {
        field_observe(r, a, field_ok(now, 500 * MSEC), now);
        field_observe(r, b, field_ok(now, 1000 * MSEC), now);
        ranker_refresh(r, now, 0, false);
    }
    struct table *table = field_table(r, now);

    assert_string_equal(field_first(table, NULL, "m"), "a");
    table_unref(table);
    int steps = 0;

    for (; steps < 100; steps++, now += 15 * SEC) {
        field_observe(r, a, field_ok(now, 1500 * MSEC), now);
        field_observe(r, b, field_ok(now, 1000 * MSEC), now);
        ranker_refresh(r, now, 0, false);
        struct explanation e;

        assert_int_equal(ranker_explain(r, b, NULL, now, &e), 0);
        if (strcmp(e.incumbent, "b") == 0)
            break;
        most = fmax(most, e.evidence);
    }
    print_message("a soft change was made after %d probes of each, evidence seen up to %.1f\n", steps, most);
    assert_in_range(steps, 2, 60);
    assert_true(most > 1 && most < 10);
    ranker_free(r);
}

/* Probes go where they could change something: to two that may be either way round, not to one that is known to be far behind. */
static void test_probes_go_where_it_is_unsure(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m", 1), b = field_add(r, "b", "m", 1), far = field_add(r, "far", "m", 1);
    usec_t now = NOW0;

    for (int i = 0; i < 60; i++, now += 300 * SEC) {
        field_observe(r, a, field_ok(now, 500 * MSEC), now);
        field_observe(r, b, field_ok(now, 510 * MSEC), now);
        field_observe(r, far, field_ok(now, 6000 * MSEC), now);
    }
    ranker_refresh(r, now, 0, false);
    assert_int_equal(ranker_pace(r, a, now), PACE_FAST);
    assert_int_equal(ranker_pace(r, b, now), PACE_FAST);
    assert_int_equal(ranker_pace(r, far, now), PACE_STEADY);
    /* Once they are known well enough to be called equal it is over. */
    for (int i = 0; i < 2000; i++, now += 30 * SEC) {
        field_observe(r, a, field_ok(now, 500 * MSEC), now);
        field_observe(r, b, field_ok(now, 510 * MSEC), now);
    }
    ranker_refresh(r, now, 0, false);
    assert_int_equal(ranker_pace(r, a, now), PACE_STEADY);
    assert_int_equal(ranker_pace(r, b, now), PACE_STEADY);
    ranker_free(r);
}

static struct ranker *counterfactual_field(int ids[3], usec_t *now, usec_t ttft_c, double price_c)
{
    struct ranker *r = field_ranker();

    *now = NOW0;
    ids[0] = field_add(r, "a", "m", 1);
    ids[1] = field_add(r, "b", "m", 1.3);
    ids[2] = field_add(r, "c", "m", price_c);
    for (int i = 0; i < 600; i++, *now += 15 * SEC) {
        field_observe(r, ids[0], field_ok(*now, 500 * MSEC), *now);
        field_observe(r, ids[1], field_ok(*now, 700 * MSEC), *now);
        field_observe(r, ids[2], field_ok(*now, ttft_c), *now);
        ranker_refresh(r, *now, 0, true);
    }
    return r;
}

static bool c_is_first(struct ranker *r, usec_t now)
{
    struct table *table = field_table(r, now);
    bool first = strcmp(field_first(table, NULL, "m"), "c") == 0;

    table_unref(table);
    return first;
}

static void test_counterfactuals_are_true(void **state)
{
    (void)state;
    int ids[3];
    usec_t now;
    struct ranker *r = counterfactual_field(ids, &now, 900 * MSEC, 1.2);
    struct explanation e;
    double ttft = 0, percent = 0;

    assert_int_equal(ranker_explain(r, ids[2], NULL, now, &e), 0);
    assert_true(e.counterfactual_len >= 1);
    for (size_t i = 0; i < e.counterfactual_len; i++) {
        print_message("  %s\n", e.counterfactual[i]);
        sscanf(e.counterfactual[i], "first if its first token (p50) were at most %lf", &ttft);
        sscanf(e.counterfactual[i], "first if its price were at most %lf", &percent);
    }
    assert_true(ttft > 1);
    ranker_free(r);
    /* Make the printed change: everything else the same, a whole history with that first-token time. */
    r = counterfactual_field(ids, &now, (usec_t)(ttft * 0.90 * 1000), 1.2);
    assert_true(c_is_first(r, now));
    ranker_free(r);
    r = counterfactual_field(ids, &now, (usec_t)(ttft * 1.30 * 1000), 1.2);
    assert_false(c_is_first(r, now));
    ranker_free(r);
    /* Price: the same route made that cheap goes first as evidence comes in, and one that is dearer never does. */
    r = counterfactual_field(ids, &now, 550 * MSEC, 1.2);
    assert_int_equal(ranker_explain(r, ids[2], "cost", now, &e), 0);
    percent = 0;
    for (size_t i = 0; i < e.counterfactual_len; i++)
        sscanf(e.counterfactual[i], "first if its price were at most %lf", &percent);
    assert_true(percent > 0);
    struct price price = field_price(1.2 * percent / 100);

    ranker_set_price(r, ids[2], &price, now);
    for (int i = 0; i < 3000; i++, now += 15 * SEC) {
        field_observe(r, ids[0], field_ok(now, 500 * MSEC), now);
        field_observe(r, ids[1], field_ok(now, 700 * MSEC), now);
        field_observe(r, ids[2], field_ok(now, 550 * MSEC), now);
        ranker_refresh(r, now, 0, true);
    }
    struct table *table = field_table(r, now);

    assert_string_equal(field_first(table, "cost", "m"), "c");
    table_unref(table);
    ranker_set_override(r, ids[2], OVERRIDE_DRAIN, now);
    ranker_refresh(r, now, 0, false);
    assert_int_equal(ranker_explain(r, ids[2], "cost", now, &e), 0);
    assert_int_equal(e.counterfactual_len, 1);
    assert_string_equal(e.counterfactual[0], "first if it were not drained");
    ranker_free(r);
}

static void test_unchanged_is_shared(void **state)
{
    (void)state;
    struct ranker *r = field_ranker();
    int a = field_add(r, "a", "m1", 1);

    field_add(r, "b", "m2", 1);
    struct table *one = field_table(r, NOW0), *two;
    bool hard;

    assert_false(ranker_changed(r, &hard));
    field_observe(r, a, field_ok(NOW0 + 1, SEC), NOW0 + 1);
    assert_false(ranker_refresh(r, NOW0 + 1, 0, false));
    assert_true(ranker_changed(r, &hard));
    two = ranker_table(r, 1, 2, NOW0 + 1, 0);
    assert_ptr_not_equal(field_ranking(one, NULL, "m1"), field_ranking(two, NULL, "m1"));
    assert_ptr_equal(field_ranking(one, NULL, "m2"), field_ranking(two, NULL, "m2"));
    assert_ptr_equal(field_ranking(one, NULL, "m1")->rows[0].facts, field_ranking(two, NULL, "m1")->rows[0].facts);
    ranker_refresh(r, NOW0 + 2, 0, true);
    assert_false(ranker_changed(r, &hard));
    table_unref(one);
    table_unref(two);
    ranker_free(r);
}

static void test_adopt(void **state)
{
    (void)state;
    struct ranker *old = field_ranker(), *r = field_ranker();
    int a = field_add(old, "a", "m", 1), b = field_add(old, "b", "m", 1);
    usec_t now = NOW0;

    for (int i = 0; i < 40; i++, now += 15 * SEC) {
        field_observe(old, a, field_ok(now, 300 * MSEC), now);
        field_observe(old, b, field_ok(now, 400 * MSEC), now);
    }
    ranker_set_override(old, b, OVERRIDE_DRAIN, now);
    struct table *before = field_table(old, now);

    field_add(r, "new", "m", 1);
    field_add(r, "b", "m", 1);
    field_add(r, "a", "m", 1);
    ranker_adopt(r, old);
    ranker_free(old);
    struct table *after = field_table(r, now);

    assert_string_equal(field_first(after, NULL, "m"), "a");
    assert_int_equal(field_row(field_ranking(after, NULL, "m"), "a")->samples, field_row(field_ranking(before, NULL, "m"), "a")->samples);
    assert_int_equal(field_row(field_ranking(after, NULL, "m"), "b")->state, ROUTE_DRAINED);
    assert_int_equal(field_row(field_ranking(after, NULL, "m"), "new")->state, ROUTE_NEW);
    struct observation o = field_ok(now, SEC);

    assert_int_equal(ranker_observe(r, 0, &o, now - SEC), -22);
    table_unref(before);
    table_unref(after);
    ranker_free(r);
}

static void test_requirements(void **state)
{
    (void)state;
    const struct tag vision = {"vision", ""}, cn = {"region", "cn"}, eu = {"region", "eu"};
    struct policy policies[2] = {field_policies[0], field_policies[0]};

    policies[0].require = &vision;
    policies[0].require_len = 1;
    policies[1].name = "china";
    policies[1].require = &cn;
    policies[1].require_len = 1;
    const struct ranker_setup setup = {.policies = policies, .policies_len = 2, .currency = "USD", .vantage = "x"};
    struct ranker *r = ranker_new(&setup);
    struct ranker_route_setup route = {.platform = ranker_add_platform(r, "a", "A", &cn, 1), .model = "m", .dialect = "openai", .endpoint = "x"};

    ranker_add_route(r, &route);
    route.platform = ranker_add_platform(r, "b", "B", &eu, 1);
    route.tags = &vision;
    route.tags_len = 1;
    ranker_add_route(r, &route);
    struct table *table = field_table(r, NOW0);

    assert_int_equal(field_row(field_ranking(table, "production", "m"), "b")->slots, TABLE_SLOTS);
    assert_int_equal(field_row(field_ranking(table, "production", "m"), "a")->reason, REASON_REQUIREMENT);
    assert_int_equal(field_row(field_ranking(table, "china", "m"), "a")->slots, TABLE_SLOTS);
    assert_int_equal(field_row(field_ranking(table, "china", "m"), "b")->reason, REASON_REQUIREMENT);
    assert_true(field_ranking(table, "china", "m")->flags & RANKING_NO_PRICE);
    table_unref(table);
    ranker_free(r);
}

static double seconds_now(void)
{
    struct timespec t;

    /* CPU time: the machine may be busy with other tests. */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_timing(void **state)
{
    (void)state;
    struct policy policies[9];
    char names[9][16];
    uint64_t random = 7;
    int ids[20];
    usec_t now = NOW0;

    for (int i = 0; i < 9; i++) {
        policies[i] = field_policies[i % 3];
        snprintf(names[i], sizeof(names[i]), "policy%d", i);
        policies[i].name = names[i];
    }
    const struct ranker_setup setup = {.policies = policies, .policies_len = 9, .currency = "USD", .vantage = "x"};
    struct ranker *r = ranker_new(&setup);

    for (int i = 0; i < 20; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        ids[i] = field_add(r, name, "m", 1 + 0.1 * i);
    }
    double spent = 0, tables = 0;
    int n = 0;

    for (int step = 0; step < 20000; step++, now += SEC / 2) {
        int who = (int)(field_random(&random) * 20);
        struct observation o = field_random(&random) < 0.05 ? field_fail(now, OUTCOME_TIMEOUT)
                                                            : field_ok(now, (usec_t)(5e5 * exp(0.5 * field_normal(&random))));
        double start = seconds_now();

        field_observe(r, ids[who], o, now);
        ranker_refresh(r, now, 0, false);
        double middle = seconds_now();

        if (step < 2000)
            continue;
        spent += middle - start;
        struct table *table = ranker_table(r, 1, 1, now, 0);

        tables += seconds_now() - middle;
        table_unref(table);
        n++;
    }
    print_message("20 routes x 9 policies: observe and rank %.1f us, build the table %.1f us\n", 1e6 * spent / n, 1e6 * tables / n);
    ranker_free(r);

    r = ranker_new(&setup);
    for (int i = 0; i < 10000; i++) {
        char platform[16], model[16];

        snprintf(platform, sizeof(platform), "p%d", i / 20);
        snprintf(model, sizeof(model), "m%d", i % 20);
        field_add(r, platform, model, 1 + i % 7);
    }
    for (int i = 0; i < 10000; i++)
        field_observe(r, i, field_ok(now, 300 * MSEC), now);
    double worst = 0, start = seconds_now(), last = start;
    bool more = ranker_refresh(r, now, 1, true);

    while (more) {
        double here = seconds_now();

        worst = fmax(worst, here - last);
        last = here;
        more = ranker_refresh(r, now, 1, false);
    }
    print_message("10000 routes x 9 policies in 20 models: %.1f ms in all, %.1f ms the longest slice\n", 1e3 * (seconds_now() - start), 1e3 * worst);
    ranker_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_better_is_first),
        cmocka_unit_test(test_dead_loses_traffic_within_three),
        cmocka_unit_test(test_ours_and_local_never_count),
        cmocka_unit_test(test_limited),
        cmocka_unit_test(test_never_empty_and_exclusions),
        cmocka_unit_test(test_pin),
        cmocka_unit_test(test_platform_can_lower_only),
        cmocka_unit_test(test_time_backwards_is_refused),
        cmocka_unit_test(test_replay_and_permutation),
        cmocka_unit_test(test_terms_sum),
        cmocka_unit_test(test_strictly_better),
        cmocka_unit_test(test_better_in_distribution),
        cmocka_unit_test(test_currency_scale),
        cmocka_unit_test(test_hysteresis_is_calm),
        cmocka_unit_test(test_challenger_is_shown_and_wins),
        cmocka_unit_test(test_probes_go_where_it_is_unsure),
        cmocka_unit_test(test_counterfactuals_are_true),
        cmocka_unit_test(test_unchanged_is_shared),
        cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_requirements),
        cmocka_unit_test(test_timing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
