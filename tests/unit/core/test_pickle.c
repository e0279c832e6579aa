/* A ranker's memory through bytes: into another configuration, from damaged bytes. (That nothing changes under the same configuration: test_invariants.) */
#include <errno.h>

#include "tests/unit/core/field.h"

#define PLATFORMS 4
#define ROUNDS 60

static const struct policy policies[] = {
    {.name = "one", .about = "", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .concurrency = 1},
    {.name = "two", .about = "", .latency = LATENCY_P95, .second = 0.2, .money = 0.01, .input_tokens = 1000, .output_tokens = 300, .concurrency = 1},
};

static struct ranker *ranker_of(const char *const *platforms, size_t len, size_t policies_from, int64_t price)
{
    const struct ranker_setup setup = {
        .policies = policies + policies_from, .policies_len = 2 - policies_from, .currency = "USD", .vantage = "here"};
    struct ranker *r = ranker_new(&setup);

    for (size_t i = 0; i < len; i++) {
        struct ranker_route_setup route = {.platform = ranker_add_platform(r, platforms[i], NULL, NULL, 0),
                                           .model = "m",
                                           .dialect = "openai",
                                           .endpoint = "",
                                           .price = {.known = true, .input = price, .output = price},
                                           .interval = 15 * SEC};

        ranker_add_route(r, &route);
    }
    return r;
}

/* The first is fast, the others slower and slower; the last fails. */
static usec_t live(struct ranker *r, usec_t now)
{
    for (int n = 0; n < ROUNDS; n++) {
        for (int i = 0; i < (int)ranker_routes(r); i++, now += SEC) {
            bool fails = i == PLATFORMS - 1 && n > ROUNDS / 2;
            struct observation o = fails ? field_fail(now, OUTCOME_SERVER_ERROR) : field_ok(now, (usec_t)(300000 * (1 + i)));

            assert_int_equal(ranker_observe(r, i, &o, now), 0);
            ranker_refresh(r, now, 0, false);
        }
    }
    return now;
}

static const char *const all[] = {"p0", "p1", "p2", "p3"};

static struct buf saved(usec_t *ret_now)
{
    struct ranker *r = ranker_of(all, PLATFORMS, 0, 150000);
    struct buf data = BUF_INIT;

    ranker_refresh(r, NOW0, 0, false);
    *ret_now = live(r, NOW0);
    ranker_save(r, &data);
    ranker_free(r);
    return data;
}

static void expect_first(struct ranker *r, usec_t now, const char *platform)
{
    ranker_refresh(r, now, 0, false);
    struct table *table = ranker_table(r, 1, 1, now, 0);

    for (size_t p = 0; p < table->len; p++)
        assert_string_equal(table->policies[p].rankings[0]->rows[0].facts->platform, platform);
    assert_true(table->flags & TABLE_RESTORED);
    table_unref(table);
}

static void test_other_routes(void **state)
{
    (void)state;
    static const char *const fewer[] = {"q0", "p3", "p1", "p2"}; /* one is gone, one is new, another order */
    usec_t now;
    struct buf data CLEANUP(buf_done) = saved(&now);
    struct ranker *r = ranker_of(fewer, 4, 0, 150000);

    assert_int_equal(ranker_restore(r, data.data, data.len), 0);
    expect_first(r, now + SEC, "p1");
    assert_int_equal(ranker_state(r, ranker_find(r, "p3", "m")), ROUTE_DOWN);
    assert_int_equal(ranker_state(r, ranker_find(r, "q0", "m")), ROUTE_NEW);
    assert_false(ranker_confirmed(r));
    for (int i = 0; i < 4; i++) {
        struct observation o = field_ok(now + 2 * SEC, 400000);

        assert_int_equal(ranker_observe(r, i, &o, now + 2 * SEC), 0);
    }
    assert_true(ranker_confirmed(r));
    ranker_free(r);
}

static void test_fewer_policies(void **state)
{
    (void)state;
    usec_t now;
    struct buf data CLEANUP(buf_done) = saved(&now);
    struct ranker *r = ranker_of(all, PLATFORMS, 1, 150000);

    assert_int_equal(ranker_restore(r, data.data, data.len), 0);
    expect_first(r, now + SEC, "p0");
    ranker_free(r);
}

/* A price that changed while nobody was there is known at once, like one that changes by a reload. */
static void test_other_price(void **state)
{
    (void)state;
    usec_t now;
    struct buf data CLEANUP(buf_done) = saved(&now);
    struct ranker *r = ranker_of(all, PLATFORMS, 0, 600000);
    struct explanation e;

    assert_int_equal(ranker_restore(r, data.data, data.len), 0);
    ranker_refresh(r, now + SEC, 0, false);
    assert_int_equal(ranker_explain(r, 0, "one", now + SEC, &e), 0);
    assert_int_equal(e.price.input, 600000);
    assert_int_equal(e.row.price_input, 600000);
    ranker_free(r);
}

/* Bytes that are cut anywhere are refused, and a version of another day is told apart from damage. */
static void test_damage(void **state)
{
    (void)state;
    usec_t now;
    struct buf data CLEANUP(buf_done) = saved(&now);
    uint64_t random = field_seed();

    for (size_t len = 0; len < data.len; len += 1 + data.len / 400) {
        struct ranker *r = ranker_of(all, PLATFORMS, 0, 150000);

        assert_int_equal(ranker_restore(r, data.data, len), -EINVAL);
        ranker_free(r);
    }
    for (int i = 0; i < 300; i++) {
        struct ranker *r = ranker_of(all, PLATFORMS, 0, 150000);
        size_t at = 8 + (size_t)(field_random(&random) * (double)(data.len - 8));
        char was = data.data[at];

        data.data[at] = (char)(field_random(&random) * 256);
        if (ranker_restore(r, data.data, data.len) == 0 && ranker_now(r) < now + USEC_PER_DAY)
            table_unref(ranker_table(r, 1, 1, ranker_now(r) + SEC, 0));
        data.data[at] = was;
        ranker_free(r);
    }
    struct ranker *r = ranker_of(all, PLATFORMS, 0, 150000);

    data.data[4]++;
    assert_int_equal(ranker_restore(r, data.data, data.len), -EPROTO);
    data.data[0]++;
    assert_int_equal(ranker_restore(r, data.data, data.len), -EINVAL);
    ranker_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_routes),
        cmocka_unit_test(test_fewer_policies),
        cmocka_unit_test(test_other_price),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests_name("pickle", tests, NULL, NULL);
}
