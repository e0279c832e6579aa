/* Charged against advertised, from balances: relays that overcharge are found in time, honest ones are left alone however they post, and
 * others' use is not taken for an overcharge. */
#include "tests/unit/core/till.h"

static const char *const postings[] = {"at once", "after", "at random", "in lumps"};

static struct till till;

static bool called(const struct till *t)
{
    return t->first[ACCOUNT_DEARER] || t->first[ACCOUNT_CHEAPER];
}

static void expect_found(uint64_t seed, double ratio, enum till_posting posting, usec_t late, enum account_state state)
{
    char what[64];

    till_open(&till, seed);
    for (int i = 0; i < TILL_ROUTES; i++)
        till.ratio[i] = ratio;
    till.posting = posting;
    till.late = late;
    /* As soon as it is said, but within a day. */
    while (till.first[state] == 0 && till.now < till.begun + USEC_PER_DAY)
        till_minute(&till);
    snprintf(what, sizeof(what), "x%.1f, %s %d min", ratio, postings[posting], (int)(late / USEC_PER_MINUTE));
    till_print(&till, what);
    for (int i = 0; i < TILL_ROUTES; i++) {
        struct account_ratio r = till_ratio(&till, i);

        assert_int_equal(r.state, state);
        assert_int_equal(r.why, ACCOUNT_WHY_SURE);
        assert_true(r.low <= ratio * 1.03 && r.high >= ratio * 0.97);
        assert_int_equal(r.evidence, ACCOUNT_TOKEN_DELTA);
        assert_true(r.of_mix);
    }
    assert_int_equal(till.first[ACCOUNT_DEARER] != 0, ratio > 1.2);
    assert_int_equal(till.first[ACCOUNT_CHEAPER] != 0, ratio < 0.8);
    till_close(&till);
}

/* Whatever the delay up to 2 hours, within a day. Of single charges that each post at random within 2 hours one in some hundred worlds
 * takes longer: these seeds are fixed. */
static void test_overcharge(void **state)
{
    (void)state;
    uint64_t seed = 1;
    const usec_t lates[] = {10 * USEC_PER_MINUTE, 45 * USEC_PER_MINUTE, 2 * USEC_PER_HOUR};

    for (int round = 0; round < 3; round++) {
        for (int p = POST_AT_ONCE; p <= POST_IN_LUMPS; p++) {
            for (size_t l = 0; l < ARRAY_LEN(lates); l++)
                expect_found(schedule_random(&seed), 1.5, p, lates[l], ACCOUNT_DEARER);
        }
    }
    for (int p = POST_AT_ONCE; p <= POST_IN_LUMPS; p++) {
        expect_found(schedule_random(&seed), 3, p, 2 * USEC_PER_HOUR, ACCOUNT_DEARER);
        expect_found(schedule_random(&seed), 0.5, p, 2 * USEC_PER_HOUR, ACCOUNT_CHEAPER);
        expect_found(schedule_random(&seed), 1, p, 2 * USEC_PER_HOUR, ACCOUNT_AS_ADVERTISED);
    }
}

/* As many as there is time for: all but a few within a day. */
static void test_overcharge_any(void **state)
{
    (void)state;
    uint64_t seed = field_seed();
    int found = 0;

    for (int i = 0; i < 100; i++) {
        till_open(&till, schedule_random(&seed));
        for (int k = 0; k < TILL_ROUTES; k++)
            till.ratio[k] = 1.5;
        till.posting = (enum till_posting)(i % 4);
        till.late = (usec_t)(till_random(&till) * 2 * 3600e6);
        till_run(&till, USEC_PER_DAY);
        found += till.first[ACCOUNT_DEARER] != 0;
        till_close(&till);
    }
    print_message("found %d of 100 within a day\n", found);
    assert_true(found >= 97);
}

/* It begins after three honest days: found within a day of that, and not before. */
static void test_begins_later(void **state)
{
    (void)state;
    uint64_t seed = 2;

    for (int i = 0; i < 12; i++) {
        till_open(&till, schedule_random(&seed));
        till.posting = (enum till_posting)(i % 4);
        till.late = 2 * USEC_PER_HOUR;
        till_run(&till, 3 * USEC_PER_DAY);
        assert_int_equal(till_ratio(&till, 0).state, ACCOUNT_AS_ADVERTISED);
        assert_false(called(&till));
        for (int k = 0; k < TILL_ROUTES; k++)
            till.ratio[k] = i % 3 ? 1.5 : 3;
        till_run(&till, USEC_PER_DAY);
        till_print(&till, i % 3 ? "x1.5 after 3 days" : "x3.0 after 3 days");
        assert_true(till.first[ACCOUNT_DEARER] > till.begun + 3 * USEC_PER_DAY);
        if (i % 3 == 0)
            assert_int_equal(till.drifts, TILL_ROUTES); /* by more than 2x */
        till_close(&till);
    }
}

/* One route of three overcharges: the platform's ratio is that of the mix. */
static void test_mix(void **state)
{
    (void)state;
    till_open(&till, 5);
    for (int i = 0; i < TILL_ROUTES; i++) { /* all cost the same */
        till.price[i] = till.price[0];
        accounts_price(till.a, till.route[i], &till.price[i], till.now);
    }
    till.ratio[1] = 3;
    till_run(&till, USEC_PER_DAY);
    struct account_ratio r = till_ratio(&till, 0);

    assert_int_equal(r.state, ACCOUNT_DEARER);
    assert_true(r.of_mix && fabs(r.ratio - 5.0 / 3) < 0.1);
    till_close(&till);
}

/* Anything that an honest relay may be. */
static void draw_honest(struct till *t, uint64_t *seed, int i)
{
    const int64_t units[] = {1, TILL_QUOTA, 100000000, 1000000000, 10000000000};

    till_open(t, schedule_random(seed));
    t->posting = (enum till_posting)(i % 4);
    t->late = (usec_t)(till_random(t) * 2 * 3600e6);
    t->unit = units[(int)(till_random(t) * ARRAY_LEN(units))];
    t->tells_used = till_random(t) < 0.4;
    t->tells_left = !t->tells_used || till_random(t) < 0.5;
    t->tells_gift = t->tells_left && till_random(t) < 0.5;
    t->topups_a_day = till_random(t) < 0.7 ? till_between(t, 0.1, 1.5) : 0;
    t->foreign = till_random(t) < 0.5 ? FOREIGN_OCCASIONAL : FOREIGN_NONE;
    t->foreign_share = exp(till_between(t, log(0.3), log(50)));
    t->foreign_a_day = exp(till_between(t, log(0.3), log(12)));
    t->own_key = t->foreign == FOREIGN_NONE && till_random(t) < 0.7;
    t->volume = till_random(t) < 0.3 ? VOLUME_VARIES : VOLUME_STEADY;
    t->fails = till_random(t) < 0.3 ? 0.1 : 0.01;
}

/* Not one of a hundred is called dearer or cheaper in a week. TEST_ROUNDS=n takes more hundreds. */
static void test_honest(void **state)
{
    (void)state;
    uint64_t seed = field_seed();
    const char *rounds = getenv("TEST_ROUNDS");
    int states[ACCOUNT_STATES] = {0}, whys[ACCOUNT_WHYS] = {0}, false_ones = 0;

    for (int i = 0; i < 100 * (rounds ? atoi(rounds) : 1); i++) {
        uint64_t of = seed;

        draw_honest(&till, &seed, i);
        till_run(&till, 7 * USEC_PER_DAY);
        struct account_ratio r = till_ratio(&till, 0);

        states[r.state]++;
        whys[r.why]++;
        if (till.first[ACCOUNT_DEARER] || till.first[ACCOUNT_CHEAPER]) {
            false_ones++;
            print_message("seed %llu: %s, %.0f min late, unit %g, own key %d, others %d: %.1f hours %.1f times a day\n",
                          (unsigned long long)of, postings[till.posting], (double)till.late / 60e6, (double)till.unit, till.own_key,
                          till.foreign, till.foreign_share, till.foreign_a_day);
            till_print(&till, till.first[ACCOUNT_DEARER] ? "dearer" : "cheaper");
        }
        till_close(&till);
    }
    for (int i = 0; i < ACCOUNT_STATES; i++)
        print_message("%s %d  ", account_state_name(i), states[i]);
    print_message("\n");
    for (int i = 0; i < ACCOUNT_WHYS; i++)
        print_message("%s %d  ", account_why_name(i), whys[i]);
    print_message("\n");
    assert_int_equal(false_ones, 0);
}

/* How many of `rounds` worlds are called something, and how many are called "as advertised", after a week. */
static int run_foreign(int rounds, uint64_t *seed, enum till_foreign foreign, double share, bool own_key, enum till_volume volume)
{
    int n = 0;

    for (int i = 0; i < rounds; i++) {
        till_open(&till, schedule_random(seed));
        till.posting = (enum till_posting)(i % 4);
        till.late = USEC_PER_HOUR;
        till.foreign = foreign;
        till.foreign_share = share;
        till.foreign_a_day = 6;
        till.own_key = own_key;
        till.volume = volume;
        till_run(&till, 7 * USEC_PER_DAY);
        n += called(&till);
        till_close(&till);
    }
    return n;
}

/* Others use the account: as much all the time, or by day, half of what we use or five times as much. It looks like an overcharge, and is
 * not called one, whether our own use varies or not. */
static void test_foreign(void **state)
{
    (void)state;
    uint64_t seed = field_seed();
    const double shares[] = {0.5, 1, 5};
    int by_day = 0;

    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        for (int volume = VOLUME_STEADY; volume <= VOLUME_VARIES; volume++) {
            assert_int_equal(run_foreign(4, &seed, FOREIGN_STEADY, shares[i], false, volume), 0);
            assert_int_equal(run_foreign(4, &seed, FOREIGN_BY_DAY, shares[i], false, volume), 0);
        }
        /* Even if they have our key: use that has hours shows. */
        by_day += run_foreign(8, &seed, FOREIGN_BY_DAY, shares[i], true, VOLUME_STEADY);
    }
    /* Requests of others with our key, now and then: hardly ever. */
    int wrong = run_foreign(60, &seed, FOREIGN_OCCASIONAL, 3, true, VOLUME_STEADY);

    print_message("own key shared with others: %d of 60 weeks with a wrong word\n", wrong);
    assert_true(wrong <= 4);
    print_message("by day: %d of 24\n", by_day);
    assert_true(by_day <= 2);
    seed = 7; /* as much as ours: the hardest to tell */
    assert_int_equal(run_foreign(100, &seed, FOREIGN_BY_DAY, 1, true, VOLUME_STEADY), 0);
    /* Much more than ours, with our key, and perfectly even: too much to be a price. */
    assert_int_equal(run_foreign(4, &seed, FOREIGN_STEADY, 20, true, VOLUME_STEADY), 0);
}

/* A reading of the whole account: an overcharge is told from others' use by how charges follow our own. */
static void test_account_level(void **state)
{
    (void)state;
    struct {
        enum till_posting posting;
        usec_t late;
        enum till_volume volume;
        bool alone, shared, found;
    } cases[] = {
        {POST_AT_ONCE, 0, VOLUME_STEADY, false, false, true}, /* the natural ups and downs suffice */
        {POST_AT_ONCE, 0, VOLUME_VARIES, false, false, true},
        {POST_AFTER, 20 * USEC_PER_MINUTE, VOLUME_VARIES, false, false, true},
        {POST_AT_RANDOM, 10 * USEC_PER_MINUTE, VOLUME_VARIES, false, false, true},
        {POST_AT_RANDOM, 2 * USEC_PER_HOUR, VOLUME_STEADY, false, false, false}, /* can't be told */
        {POST_IN_LUMPS, 2 * USEC_PER_HOUR, VOLUME_STEADY, false, false, false},
        {POST_AFTER, 2 * USEC_PER_HOUR, VOLUME_STEADY, true, false, true}, /* the operator says so */
        {POST_IN_LUMPS, 2 * USEC_PER_HOUR, VOLUME_STEADY, true, false, true},
        {POST_AT_ONCE, 0, VOLUME_VARIES, false, true, false}, /* the operator says otherwise */
        {POST_AT_ONCE, 0, VOLUME_STEADY, true, true, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        till_open(&till, 100 + i);
        for (int k = 0; k < TILL_ROUTES; k++)
            till.ratio[k] = 1.5;
        till.own_key = false;
        till.posting = cases[i].posting;
        till.late = cases[i].late;
        till.volume = cases[i].volume;
        till.alone = cases[i].alone;
        till.shared = cases[i].shared;
        till_run(&till, USEC_PER_DAY);
        till_print(&till, cases[i].found ? "account, to be found" : "account, not to be told");
        struct account_ratio r = till_ratio(&till, 0);

        assert_int_equal(called(&till), cases[i].found);
        assert_int_equal(r.evidence, ACCOUNT_BALANCE_DELTA);
        if (!cases[i].found)
            assert_int_equal(r.why, cases[i].shared ? ACCOUNT_WHY_SHARED : ACCOUNT_WHY_OTHERS);
        till_close(&till);
    }
}

/* Overcharged, and others are there as well: the slope tells the two apart. */
static void test_both(void **state)
{
    (void)state;
    till_open(&till, 9);
    for (int k = 0; k < TILL_ROUTES; k++)
        till.ratio[k] = 1.5;
    till.own_key = false;
    till.volume = VOLUME_VARIES;
    till.foreign = FOREIGN_STEADY;
    till.foreign_share = 1.5;
    till_run(&till, 2 * USEC_PER_DAY);
    till_print(&till, "x1.5 and others");
    struct account_ratio r = till_ratio(&till, 0);

    assert_int_equal(r.state, ACCOUNT_DEARER);
    assert_true(r.low <= 1.5 && r.high >= 1.5 && fabs(r.ratio - 1.5) < 0.15);
    till_close(&till);
}

/* A balance that does not move, unknown prices, and readings that stop. */
static void test_nothing(void **state)
{
    (void)state;
    till_open(&till, 11);
    for (int k = 0; k < TILL_ROUTES; k++)
        till.ratio[k] = 0;
    till_run(&till, 2 * USEC_PER_DAY);
    assert_int_equal(till_ratio(&till, 0).state, ACCOUNT_INSUFFICIENT);
    assert_int_equal(till_ratio(&till, 0).why, ACCOUNT_WHY_STILL);
    till_close(&till);

    till_open(&till, 12);
    struct tariff unknown = tariff_make();

    accounts_price(till.a, till.route[2], &unknown, till.now);
    till_run(&till, 2 * USEC_PER_DAY);
    assert_int_equal(till_ratio(&till, 0).why, ACCOUNT_WHY_BLIND);
    assert_int_equal(till_ratio(&till, 2).why, ACCOUNT_WHY_NO_PRICE);
    till_close(&till);

    till_open(&till, 13);
    assert_int_equal(till_ratio(&till, 0).why, ACCOUNT_WHY_NO_READING);
    till_run(&till, USEC_PER_HOUR);
    assert_int_equal(till_ratio(&till, 0).why, ACCOUNT_WHY_FEW);
    till_run(&till, 2 * USEC_PER_DAY);
    assert_int_equal(till_ratio(&till, 0).state, ACCOUNT_AS_ADVERTISED);
    till.now += 5 * USEC_PER_DAY;
    assert_int_equal(till_ratio(&till, 0).why, ACCOUNT_WHY_OLD);
    till_close(&till);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overcharge),    cmocka_unit_test(test_overcharge_any), cmocka_unit_test(test_begins_later),
        cmocka_unit_test(test_mix),           cmocka_unit_test(test_honest),         cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_account_level), cmocka_unit_test(test_both),           cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
