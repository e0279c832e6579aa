/* What a workload costs, against figures worked out by hand. */
#include "tests/unit/core/till.h"

#include "probed/core/forecast.h"

#define USD 1000000000000LL

/* Sure of everything. */
static struct forecast_route sure(int64_t input, int64_t output)
{
    struct forecast_route r = {.price = tariff_make(), .ratio = 1, .ratio_low = 1, .ratio_high = 1, .charged = 0, .weight = 1};

    r.price.price.input = input;
    r.price.price.output = output;
    return r;
}

static const struct forecast_workload fifty_k = {.requests_per_day = 50000, .input = 1200, .output = 300, .days = 30};

static void test_plain(void **state)
{
    (void)state;
    struct forecast_route r = sure(150000, 600000);
    struct forecast f = forecast_route(&r, &fifty_k);

    /* 1200 x 0.15 + 300 x 0.60 a million = 0.00036 USD; x 50,000 x 30 = 540 USD. */
    assert_true(f.known);
    assert_int_equal(f.cost, 540 * USD);
    assert_int_equal(f.low, 540 * USD);
    assert_int_equal(f.high, 540 * USD);
    assert_true(fabs(f.per_request - 360000000) < 1 && f.failed_share < 1e-12);

    r.price.price.call = 1000000000; /* 0.001 a request more */
    assert_int_equal(forecast_route(&r, &fifty_k).cost, 2040 * USD);
    r.price = tariff_make();
    r.price.price.call = 10000000000;
    assert_int_equal(forecast_route(&r, &fifty_k).cost, 15000 * USD);

    r = sure(0, 0); /* free is a price */
    f = forecast_route(&r, &fifty_k);
    assert_true(f.known && f.cost == 0 && f.high == 0);
    r.price = tariff_make(); /* unknown is none */
    f = forecast_route(&r, &fifty_k);
    assert_true(!f.known && f.cost == -1 && f.low == -1 && f.high == -1 && f.per_request < 0 && f.failed_share < 0);
    r.price.price.input = 150000;
    assert_false(forecast_route(&r, &fifty_k).known);
}

static void test_tiers(void **state)
{
    (void)state;
    struct forecast_route r = sure(150000, 600000);
    struct forecast_workload work = fifty_k;

    r.price.tiers[0] = (struct tariff_tier){200000, {300000, 900000, -1, -1, -1}};
    r.price.tiers_len = 1;
    r.price.price.cache_read = r.price.tiers[0].price.cache_read = -1;
    work.input = 199999;
    assert_int_equal(forecast_route(&r, &work).cost, (199999LL * 150000 + 300 * 600000) * 1500000);
    work.input = 200000;
    work.requests_per_day = 5000;
    assert_int_equal(forecast_route(&r, &work).cost, (200000LL * 300000 + 300 * 900000) * 150000);
}

/* Half of the tries fail, and are paid for by a fifth: 1.2 times. */
static void test_failures(void **state)
{
    (void)state;
    struct forecast_route r = sure(150000, 600000);

    r.failure = r.failure_low = r.failure_high = 0.5;
    r.charged = 0.2;
    struct forecast f = forecast_route(&r, &fifty_k);

    assert_int_equal(f.cost, 648 * USD);
    assert_true(fabs(f.failed_share - 0.2 / 1.2) < 1e-9);
    r.failure_low = 0.25;
    r.failure_high = 0.75;
    f = forecast_route(&r, &fifty_k);
    assert_int_equal(f.cost, 648 * USD);
    assert_true(llabs(f.low - (int64_t)(540 * (1 + 0.2 / 3) * USD)) < USD);
    assert_true(llabs(f.high - (int64_t)(540 * (1 + 0.2 * 3) * USD)) < USD);
    r.charged = -1; /* nothing at least, all at most */
    f = forecast_route(&r, &fifty_k);
    assert_true(llabs(f.low - 540 * USD) < USD && llabs(f.high - 540LL * 4 * USD) < USD);
    r.failure = r.failure_low = r.failure_high = 1; /* still a number */
    assert_true(forecast_route(&r, &fifty_k).known);
}

static void test_doubt(void **state)
{
    (void)state;
    struct forecast_route r = sure(150000, 600000);

    r.ratio = 1.5;
    r.ratio_low = 1.4;
    r.ratio_high = 1.65;
    struct forecast f = forecast_route(&r, &fifty_k);

    assert_int_equal(f.cost, 810 * USD);
    assert_true(llabs(f.low - 756 * USD) < USD && llabs(f.high - 891 * USD) < USD);
    r.volatility = 0.01; /* a day: 3.2 % in the mean of 30; twice that */
    f = forecast_route(&r, &fifty_k);
    assert_int_equal(f.cost, 810 * USD);
    assert_true(f.low < 756 * USD && f.high > 891 * USD && f.high < 930 * USD);
    r.ratio = 0;
    r.volatility = -1; /* nothing verified, no history: wider, around the advertised price */
    f = forecast_route(&r, &fifty_k);
    assert_int_equal(f.cost, 540 * USD);
    assert_true(f.low < 500 * USD && f.low > 400 * USD && f.high > 580 * USD && f.high < 700 * USD);
}

static void test_table(void **state)
{
    (void)state;
    struct forecast_route r[3] = {sure(150000, 600000), sure(300000, 1200000), sure(0, 0)};
    struct forecast each[3];

    r[0].weight = 3;
    r[2].weight = 0;
    struct forecast f = forecast_table(r, 3, &fifty_k, each);

    assert_int_equal(f.cost, 405 * USD + 270 * USD);
    assert_int_equal(each[0].cost, 405 * USD);
    assert_int_equal(each[1].cost, 270 * USD);
    assert_true(fabs(f.per_request - 450000000) < 1);
    r[2].price = tariff_make(); /* without a share its price does not matter */
    assert_true(forecast_table(r, 3, &fifty_k, NULL).known);
    r[2].weight = 0.001;
    assert_false(forecast_table(r, 3, &fifty_k, NULL).known);
    assert_int_equal(forecast_table(r, 3, &fifty_k, NULL).cost, -1);
    assert_false(forecast_table(r, 0, &fifty_k, NULL).known);
}

/* 1e9 requests a day, and figures at the end of what fits: saturated, never negative. */
static void test_extremes(void **state)
{
    (void)state;
    const double numbers[] = {0, 1, -1, 1e9, 1e300, -1e300, (double)NAN, (double)INFINITY, 0.5};
    const int64_t amounts[] = {0, -1, 1, 150000, INT64_MAX, INT64_MIN};
    uint64_t seed = 3;
    struct forecast_route r = sure(15000000, 75000000);
    struct forecast f = forecast_route(&r, &(struct forecast_workload){1e9, 100000, 10000, 30});

    assert_true(f.known && f.cost == FORECAST_MOST && f.high == FORECAST_MOST);
    f = forecast_route(&r, &(struct forecast_workload){1e9, 1, 0, 30});
    assert_int_equal(f.cost, 15000000LL * 1000000000 * 30);
    for (int i = 0; i < 20000; i++) {
        struct forecast_workload w;
        double *members[] = {&r.ratio,        &r.ratio_low, &r.ratio_high, &r.failure, &r.failure_low,
                             &r.failure_high, &r.charged,   &r.volatility, &r.weight,  &w.requests_per_day};
        int64_t *money[] = {&r.price.price.input,
                            &r.price.price.output,
                            &r.price.price.call,
                            &r.price.price.cache_read,
                            &r.price.price.cache_write,
                            &w.input,
                            &w.output};
        struct forecast each;

        for (size_t k = 0; k < ARRAY_LEN(members); k++)
            *members[k] = numbers[(int)(field_random(&seed) * ARRAY_LEN(numbers))];
        for (size_t k = 0; k < ARRAY_LEN(money); k++)
            *money[k] = amounts[(int)(field_random(&seed) * ARRAY_LEN(amounts))];
        w.days = (int)(field_random(&seed) * 5000) - 100;
        f = forecast_route(&r, &w);
        assert_true(f.known ? f.low >= 0 && f.low <= f.cost && f.cost <= f.high && f.high <= FORECAST_MOST : f.cost == -1);
        forecast_table(&r, 1, &w, &each);
        struct forecast_credit c = {.left = amounts[i % 6],
                                    .burn = amounts[i / 6 % 6],
                                    .burn_low = -1,
                                    .burn_high = amounts[i / 36 % 6],
                                    .expires = amounts[i / 7 % 6],
                                    .gift = amounts[i / 5 % 6]};
        struct forecast_ending e = forecast_runs_out(&c, &f, w.days);

        assert_true(e.after >= -1 && e.low >= -1 && e.high >= -1 && e.state <= FORECAST_UNLIMITED);
    }
}

static void test_runs_out(void **state)
{
    (void)state;
    struct forecast_route r = sure(150000, 600000);
    struct forecast f = forecast_route(&r, &fifty_k); /* 18 a day */
    struct forecast_credit c = {.left = 200 * USD, .burn = 2 * USD, .burn_low = USD, .burn_high = 7 * USD, .gift = -1};
    struct forecast_ending e = forecast_runs_out(&c, &f, 30);

    assert_int_equal(e.state, FORECAST_OK);
    assert_int_equal(e.after, 10 * USEC_PER_DAY);
    assert_int_equal(e.low, 8 * USEC_PER_DAY);
    assert_true(e.high > 10 * USEC_PER_DAY && e.high < 11 * USEC_PER_DAY);
    c.left = 1000 * USD;
    e = forecast_runs_out(&c, &f, 30);
    assert_int_equal(e.state, FORECAST_NOT_WITHIN);
    assert_int_equal(e.after, -1);
    c.left = 200 * USD;
    c.expires = 5 * USEC_PER_DAY; /* all of it */
    assert_int_equal(forecast_runs_out(&c, &f, 30).after, 5 * USEC_PER_DAY);
    c.gift = 150 * USD; /* of which 100 are used by then */
    assert_int_equal(forecast_runs_out(&c, &f, 30).after, (usec_t)(7.5 * (double)USEC_PER_DAY));
    c.burn = -1;
    assert_int_equal(forecast_runs_out(&c, &f, 30).state, FORECAST_INSUFFICIENT);
    c.burn = 0;
    c.left = -1;
    assert_int_equal(forecast_runs_out(&c, &f, 30).state, FORECAST_INSUFFICIENT);
    c.left = -5 * USD; /* overdrawn: now */
    assert_int_equal(forecast_runs_out(&c, &f, 30).after, 0);
    c.unlimited = true;
    assert_int_equal(forecast_runs_out(&c, &f, 30).state, FORECAST_UNLIMITED);
    assert_string_equal(forecast_end_name(FORECAST_NOT_WITHIN), "not_within");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain), cmocka_unit_test(test_tiers),    cmocka_unit_test(test_failures), cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_table), cmocka_unit_test(test_extremes), cmocka_unit_test(test_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
