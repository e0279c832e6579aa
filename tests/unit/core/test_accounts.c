/* The accounts as a whole: names, charges that relays tell themselves, events, rules, and memory over a restart. */
#include "tests/unit/core/till.h"

#include <errno.h>

static struct till till;

#define MAX_EVENTS 64
struct told {
    struct account_event events[MAX_EVENTS];
    int len;
};

static void note(void *arg, const struct account_event *e)
{
    struct told *told = arg;

    if (told->len < MAX_EVENTS)
        told->events[told->len++] = *e;
}

static int count(const struct told *told, enum account_event_type type, bool on)
{
    int n = 0;

    for (int i = 0; i < told->len; i++)
        n += told->events[i].type == type && told->events[i].on == on;
    return n;
}

static struct tariff priced(int64_t input, int64_t output)
{
    struct tariff t = tariff_make();

    t.price.input = input;
    t.price.output = output;
    return t;
}

static struct observation chat(usec_t at, int prompt, int output)
{
    struct observation o = observation_make(PROBE_CHAT, at, outcome_make(STAGE_DONE, OUTCOME_OK, 200));

    o.prompt_tokens = prompt;
    o.output_tokens = output;
    return o;
}

static void test_names(void **state)
{
    (void)state;
    struct accounts *a = accounts_new();
    char name[300], longest[ACCOUNTS_NAME_MAX + 1];
    int p = accounts_platform(a, "p"), q = accounts_platform(a, "q");

    memset(name, 'x', sizeof(name));
    name[ACCOUNTS_NAME_MAX + 1] = '\0';
    memset(longest, 'x', sizeof(longest));
    longest[ACCOUNTS_NAME_MAX] = '\0';
    assert_int_equal(accounts_platform(a, "p"), p);
    assert_int_equal(accounts_platform(a, ""), -EINVAL);
    assert_int_equal(accounts_platform(a, name), -EINVAL);
    assert_true(accounts_platform(a, longest) >= 0);
    int m = accounts_route(a, p, "m");

    assert_int_equal(accounts_route(a, p, "m"), m);
    assert_int_not_equal(accounts_route(a, q, "m"), m);
    assert_int_equal(accounts_route(a, p, name), -EINVAL);
    for (int i = 3; i < ACCOUNTS_PLATFORMS_MAX; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(accounts_platform(a, name), i);
    }
    assert_int_equal(accounts_platform(a, "one more"), -E2BIG);
    assert_int_equal(accounts_platform(a, "q"), q);
    accounts_free(a);
    assert_string_equal(account_state_name(ACCOUNT_DEARER), "dearer");
    assert_string_equal(account_evidence_name(ACCOUNT_BALANCE_DELTA), "balance_delta");
    assert_string_equal(account_why_name(ACCOUNT_WHY_SURE), "sure");
    assert_string_equal(account_state_name(99), "?");
    for (int i = 0; i < ACCOUNT_WHYS; i++)
        assert_true(strlen(account_why_text((enum account_why)i)) > 5);
}

/* Charges told with the answers: sure after a handful, at whatever ratio, and told once. */
static void test_told(void **state)
{
    (void)state;
    const struct {
        double ratio;
        enum account_state state;
        bool drift;
    } cases[] = {{1, ACCOUNT_AS_ADVERTISED, false}, {1.05, ACCOUNT_AS_ADVERTISED, false}, {1.5, ACCOUNT_DEARER, false},
                 {3, ACCOUNT_DEARER, true},         {0.4, ACCOUNT_CHEAPER, true},         {0.8, ACCOUNT_CHEAPER, false}};

    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct accounts *a = accounts_new();
        struct told told = {.len = 0};
        int p = accounts_platform(a, "p"), m = accounts_route(a, p, "m"), other = accounts_route(a, p, "other");
        struct tariff t = priced(150000, 600000);
        struct account_ratio r;
        usec_t now = NOW0;

        accounts_set_events(a, note, &told);
        accounts_price(a, m, &t, now);
        for (int i = 0; i < 12; i++, now += 5 * USEC_PER_MINUTE) {
            struct observation o = chat(now, 30 + i, 7 + i % 5);
            int64_t cost = 150000 * o.prompt_tokens + 600000 * o.output_tokens;

            /* One odd charge among them does not matter. */
            accounts_observe(a, m, &o, (int64_t)((double)cost * (i == 3 ? 9 : cases[c].ratio)), now);
            accounts_ratio(a, m, now, &r);
            if (i < 7)
                assert_int_equal(r.state, ACCOUNT_INSUFFICIENT);
        }
        for (int i = 0; i < 40; i++, now += 5 * USEC_PER_MINUTE) {
            struct observation o = chat(now, 30 + i, 7);

            accounts_observe(a, m, &o, (int64_t)((150000.0 * o.prompt_tokens + 600000 * 7) * cases[c].ratio), now);
        }
        accounts_ratio(a, m, now, &r);
        assert_int_equal(r.state, cases[c].state);
        assert_int_equal(r.evidence, ACCOUNT_USAGE_COST);
        assert_true(fabs(r.ratio - cases[c].ratio) < 0.02 && r.low <= r.ratio && r.high >= r.ratio && !r.of_mix);
        assert_int_equal(count(&told, ACCOUNT_EVENT_RATIO, false), 1);
        assert_int_equal(count(&told, ACCOUNT_EVENT_DRIFT, false), cases[c].drift);
        assert_true(fabs(accounts_factor(a, m, now) - (cases[c].state == ACCOUNT_AS_ADVERTISED ? 1 : cases[c].ratio)) < 0.02);
        accounts_ratio(a, other, now, &r); /* nothing follows for the platform's other routes */
        assert_int_equal(r.state, ACCOUNT_INSUFFICIENT);
        /* Asked for afterwards it is evidence of another kind. */
        for (int i = 0; i < 40; i++)
            accounts_charged(a, m, (int64_t)((150000.0 * 40 + 600000 * 10) * 2), 40, 10, now);
        accounts_ratio(a, m, now, &r);
        assert_int_equal(r.evidence, ACCOUNT_GENERATION);
        assert_int_equal(r.state, ACCOUNT_DEARER);
        assert_true(fabs(r.ratio - 2) < 0.02);
        accounts_ratio(a, m, now + 8 * USEC_PER_DAY, &r);
        assert_int_equal(r.state, ACCOUNT_INSUFFICIENT); /* long ago */
        accounts_free(a);
    }
}

/* Tiny charges that are rounded up to a micro-unit are no overcharge, and free models that are charged for are one. */
static void test_rounding(void **state)
{
    (void)state;
    struct accounts *a = accounts_new();
    int p = accounts_platform(a, "p"), tiny = accounts_route(a, p, "tiny"), free_one = accounts_route(a, p, "free"),
        odd = accounts_route(a, p, "odd");
    struct tariff t = priced(10000, 40000), nothing = priced(0, 0);
    struct account_ratio r;

    accounts_price(a, tiny, &t, NOW0);
    accounts_price(a, free_one, &nothing, NOW0);
    accounts_price(a, odd, &nothing, NOW0);
    for (int i = 0; i < 30; i++) {
        struct observation o = chat(NOW0 + i, 30 + i, 5);
        int64_t cost = 10000 * o.prompt_tokens + 40000 * 5;

        accounts_observe(a, tiny, &o, (cost / 1000000 + 1) * 1000000, NOW0 + i);
        accounts_observe(a, free_one, &o, 0, NOW0 + i);
        accounts_observe(a, odd, &o, 5000, NOW0 + i);
    }
    accounts_ratio(a, tiny, NOW0 + 60, &r);
    assert_int_equal(r.state, ACCOUNT_INSUFFICIENT);
    assert_int_equal(r.why, ACCOUNT_WHY_SCATTER);
    int down = accounts_route(a, p, "down"); /* rounded down */

    accounts_price(a, down, &t, NOW0 + 40);
    for (int i = 0; i < 30; i++) {
        struct observation o = chat(NOW0 + 40 + i, 100 + i, 5);

        accounts_observe(a, down, &o, (10000 * o.prompt_tokens + 40000 * 5) / 1000000 * 1000000, NOW0 + 40 + i);
    }
    accounts_ratio(a, down, NOW0 + 80, &r);
    assert_int_equal(r.state, ACCOUNT_INSUFFICIENT);
    assert_true(r.low < 0.9 && r.high > 1.1);
    accounts_ratio(a, free_one, NOW0 + 60, &r);
    assert_int_equal(r.state, ACCOUNT_AS_ADVERTISED);
    accounts_ratio(a, odd, NOW0 + 60, &r);
    assert_int_equal(r.state, ACCOUNT_DEARER);
    accounts_free(a);
}

/* What a relay tells, and what leaves the balance, may differ: the balance is right, if all charges were told. */
static void test_told_wrong(void **state)
{
    (void)state;
    struct accounts *a = accounts_new();
    int p = accounts_platform(a, "p"), m = accounts_route(a, p, "m");
    struct tariff t = priced(3000000, 12000000);
    struct account_reading reading = account_reading_make();
    struct account_ratio r;
    double left = 20e12;

    accounts_price(a, m, &t, NOW0);
    reading.own_key = true;
    reading.unit = TILL_QUOTA;
    for (int i = 0; i < 26 * 12; i++) {
        usec_t now = NOW0 + i * 5 * USEC_PER_MINUTE;
        struct observation o = chat(now, 30 + i % 17, 5 + i % 7);
        int64_t cost = 3000000LL * o.prompt_tokens + 12000000LL * o.output_tokens;

        accounts_observe(a, m, &o, cost, now);
        left -= 2.0 * (double)cost;
        reading.left = (int64_t)left;
        if (i % 2)
            accounts_balance(a, p, &reading, now);
        accounts_ratio(a, m, now, &r);
        if (i == 100)
            assert_int_equal(r.state, ACCOUNT_AS_ADVERTISED);
    }
    assert_int_equal(r.state, ACCOUNT_DEARER);
    assert_int_equal(r.evidence, ACCOUNT_TOKEN_DELTA);
    assert_true(fabs(r.ratio - 2) < 0.1);
    accounts_free(a);
}

static void test_tariff(void **state)
{
    (void)state;
    struct tariff t = priced(150000, 600000);
    struct tariff_cost c;

    assert_true(tariff_cost(&t, &(struct tariff_usage){1000, 300, -1, -1}, &c));
    assert_int_equal(c.low, 330000000);
    assert_int_equal(c.high, 330000000);
    assert_false(tariff_cost(&t, &(struct tariff_usage){-1, 300, -1, -1}, &c));
    assert_true(tariff_cost(&t, &(struct tariff_usage){10, 5, 100, -1}, &c)); /* thinking beside the output */
    assert_int_equal(c.low, 10 * 150000 + 5 * 600000);
    assert_int_equal(c.high, 10 * 150000 + 105 * 600000);
    t.price.cache_read = 15000;
    assert_true(tariff_cost(&t, &(struct tariff_usage){2000, 0, -1, 1000}, &c));
    assert_int_equal(c.high, 1000 * 150000 + 1000 * 15000);
    assert_true(tariff_cost(&t, &(struct tariff_usage){2000, 0, -1, -1}, &c)); /* it may have been cached */
    assert_int_equal(c.low, 2000 * 15000);
    assert_int_equal(c.high, 2000 * 150000);
    t.tiers[0] = (struct tariff_tier){1000, {300000, 1200000, -1, -1, -1}};
    t.tiers_len = 1;
    assert_true(tariff_cost(&t, &(struct tariff_usage){999, 10, -1, 0}, &c));
    assert_int_equal(c.low, 999 * 150000 + 10 * 600000);
    assert_true(tariff_cost(&t, &(struct tariff_usage){1000, 10, -1, 0}, &c));
    assert_int_equal(c.low, 1000 * 300000 + 10 * 1200000);
    t = tariff_make();
    assert_false(tariff_known(&t) || tariff_cost(&t, &(struct tariff_usage){1, 1, 0, 0}, &c));
    t.price.call = 7;
    assert_true(tariff_cost(&t, &(struct tariff_usage){-1, -1, -1, -1}, &c));
    assert_int_equal(c.high, 7);
    t = priced(INT64_MAX, INT64_MAX);
    assert_true(tariff_cost(&t, &(struct tariff_usage){INT64_MAX, INT64_MAX, -1, -1}, &c));
    assert_int_equal(c.low, TARIFF_MOST);
}

/* A restart in the middle of everything: what is known stays known, and goes on. */
static void test_restart(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 9; seed++) {
        struct buf bytes = BUF_INIT, again = BUF_INIT;
        struct account_ratio before, after;
        struct account_credit credit_before, credit_after;

        till_open(&till, seed);
        for (int i = 0; i < TILL_ROUTES; i++)
            till.ratio[i] = seed % 2 ? 1.5 : 1;
        till.posting = (enum till_posting)(seed % 4);
        till.late = USEC_PER_HOUR;
        till.topups_a_day = 1;
        till_run(&till, 2 * USEC_PER_DAY + (usec_t)seed * USEC_PER_HOUR);
        before = till_ratio(&till, 1);
        accounts_credit(till.a, till.platform, till.now, &credit_before);
        accounts_save(till.a, &bytes);

        struct accounts *fresh = accounts_new();
        int other = accounts_platform(fresh, "another"), p = accounts_platform(fresh, "relay");

        assert_int_equal(accounts_route(fresh, other, "a"), 0);
        for (int i = 0; i < TILL_ROUTES; i++) { /* in another order */
            till.route[TILL_ROUTES - 1 - i] = accounts_route(fresh, p, i == 0 ? "c" : i == 1 ? "b" : "a");
        }
        assert_int_equal(accounts_restore(fresh, bytes.data, bytes.len, till.now), 0);
        accounts_free(till.a);
        till.a = fresh;
        till.platform = p;
        accounts_set_events(fresh, till_event, &till);
        memset(till.first, 0, sizeof(till.first));
        for (int i = 0; i < TILL_ROUTES; i++)
            accounts_price(fresh, till.route[i], &till.price[i], till.now);
        after = till_ratio(&till, 1);
        assert_true(after.state == before.state && after.why == before.why && after.evidence == before.evidence &&
                    after.of_mix == before.of_mix);
        assert_true(after.ratio == before.ratio && after.low == before.low && after.high == before.high);
        assert_true(after.windows == before.windows && after.newest == before.newest);
        accounts_credit(fresh, p, till.now, &credit_after);
        assert_int_equal(credit_after.burn, credit_before.burn);
        assert_int_equal(credit_after.changes_len, credit_before.changes_len);
        assert_int_equal(credit_after.probes_day, credit_before.probes_day);
        assert_true(credit_after.days == credit_before.days && credit_after.runway == credit_before.runway);
        till_run(&till, USEC_PER_DAY);
        assert_int_equal(till_ratio(&till, 0).state, seed % 2 ? ACCOUNT_DEARER : ACCOUNT_AS_ADVERTISED);
        assert_int_equal(till.first[ACCOUNT_DEARER], 0); /* not told a second time */
        accounts_save(fresh, &again);
        buf_done(&again);
        buf_done(&bytes);
        till_close(&till);
    }
}

/* Cut short, of another version, from the future, or damaged anywhere: refused, or something that works. */
static void test_damaged(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    struct buf bytes = BUF_INIT;

    till_open(&till, 3);
    till_run(&till, USEC_PER_DAY);
    accounts_save(till.a, &bytes);
    for (int i = 0; i < 3000; i++) {
        struct accounts *fresh = accounts_new();
        int p = accounts_platform(fresh, "relay");
        size_t len = bytes.len;
        char *copy = malloc(len);
        struct account_ratio r;
        struct account_credit c;
        struct account_reading reading = account_reading_make();

        assert_non_null(copy);
        memcpy(copy, bytes.data, len);
        assert_int_equal(accounts_route(fresh, p, "a"), 0);
        if (i == 0) {
            copy[4]++;
            assert_int_equal(accounts_restore(fresh, copy, len, till.now), -EPROTO);
        } else if (i == 1) {
            assert_int_equal(accounts_restore(fresh, copy, len, till.now - USEC_PER_DAY / 2), -EINVAL);
        } else if (i == 2) { /* more than was written */
            char *longer = realloc(copy, len + 1);

            assert_non_null(longer);
            longer[len] = 0;
            copy = longer;
            assert_int_equal(accounts_restore(fresh, copy, len + 1, till.now), -EINVAL);
        } else if (i < 200) {
            assert_int_equal(accounts_restore(fresh, copy, (size_t)(field_random(&random) * (double)len), till.now), -EINVAL);
        } else {
            copy[(size_t)(field_random(&random) * (double)len)] ^= (char)(1 << (int)(field_random(&random) * 8));
            if (accounts_restore(fresh, copy, len, till.now) == 0) {
                reading.left = 5;
                accounts_balance(fresh, p, &reading, till.now + USEC_PER_HOUR);
                accounts_ratio(fresh, 0, till.now, &r);
                accounts_credit(fresh, p, till.now, &c);
            }
        }
        free(copy);
        accounts_free(fresh);
    }
    buf_done(&bytes);
    till_close(&till);
}

/* The same calls give the same bytes. */
static void test_same(void **state)
{
    (void)state;
    struct buf bytes[2] = {BUF_INIT, BUF_INIT};

    for (int i = 0; i < 2; i++) {
        till_open(&till, 77);
        till.posting = POST_AT_RANDOM;
        till.late = USEC_PER_HOUR;
        till.topups_a_day = 2;
        till_run(&till, 2 * USEC_PER_DAY);
        if (i) /* looking changes nothing */
            till_ratio(&till, 0);
        accounts_save(till.a, &bytes[i]);
        till_close(&till);
    }
    assert_int_equal(bytes[0].len, bytes[1].len);
    assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].len);
    buf_done(&bytes[0]);
    buf_done(&bytes[1]);
}

static void test_forget(void **state)
{
    (void)state;
    till_open(&till, 4);
    till_run(&till, 2 * USEC_PER_DAY);
    assert_int_equal(till_ratio(&till, 0).state, ACCOUNT_AS_ADVERTISED);
    accounts_forget(till.a, till.platform);
    assert_int_equal(till_ratio(&till, 0).why, ACCOUNT_WHY_NO_READING);
    till_run(&till, 2 * USEC_PER_DAY);
    assert_int_equal(till_ratio(&till, 0).state, ACCOUNT_AS_ADVERTISED);
    till_close(&till);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_told),   cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_told_wrong), cmocka_unit_test(test_tariff), cmocka_unit_test(test_restart),
        cmocka_unit_test(test_damaged),    cmocka_unit_test(test_same),   cmocka_unit_test(test_forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
