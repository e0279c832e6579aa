/* Histograms: quantiles within 1 %, sums that do not depend on their order, blobs that are whole or nothing; the two clocks; the JSON of answers. */
#include "tests/unit/store/past.h"

#include <errno.h>

#include "probed/core/sketch.h"
#include "probed/store/clock.h"
#include "probed/store/reply.h"
#include "probed/store/tally.h"

static const double quantiles[] = {0, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1};

static void assert_same(const struct histogram *a, const struct histogram *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->len, b->len);
    for (size_t i = 0; i < a->len; i++) {
        assert_int_equal(a->entries[i].key, b->entries[i].key);
        assert_int_equal(a->entries[i].n, b->entries[i].n);
    }
}

static void test_quantiles(void **state)
{
    struct past *p = past_new(21);

    (void)state;
    for (int round = 0; round < 30; round++) {
        struct histogram h = {.n = 0};
        struct plain plain = {.len = 0};
        int len = 1 + (int)(past_random(p) * (round < 15 ? 20 : 5000));

        for (int i = 0; i < len; i++) {
            usec_t value = (usec_t)exp(past_random(p) * (round % 3 == 0 ? 25 : 6) + 8);

            histogram_add(&h, value);
            plain_add(&plain, (double)value);
        }
        plain_sort(&plain);
        assert_int_equal(h.n, len);
        for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
            assert_near((double)histogram_quantile(&h, quantiles[i]), plain_quantile(&plain, quantiles[i]), "quantile");
        free(plain.values);
        histogram_done(&h);
    }
    past_free(p);
}

static void test_edges(void **state)
{
    struct histogram h = {.n = 0}, other = {.n = 0};

    (void)state;
    assert_int_equal(histogram_quantile(&h, 0.5), -1);
    histogram_merge(&h, &other);
    assert_int_equal(h.n, 0);
    histogram_add(&h, -5); /* no duration is negative: as short as can be */
    histogram_add(&h, 0);
    histogram_add(&h, 1);
    assert_int_equal(h.len, 1);
    assert_int_equal(histogram_quantile(&h, 1), 1);
    histogram_add(&h, INT64_MAX);
    assert_int_equal(h.entries[1].key, SKETCH_KEY_MAX);
    histogram_clear(&h);
    assert_int_equal(histogram_quantile(&h, 0.5), -1);
    /* A full count stays full. */
    histogram_add(&h, 1000);
    h.entries[0].n = UINT32_MAX - 1;
    h.n = UINT32_MAX - 1;
    histogram_merge(&other, &h);
    histogram_merge(&other, &h);
    assert_int_equal(other.entries[0].n, UINT32_MAX);
    assert_int_equal(other.n, UINT32_MAX);
    histogram_merge(&other, &other);
    assert_int_equal(other.n, UINT32_MAX);
    histogram_done(&h);
    histogram_done(&other);
}

/* Parts in any order, merged or read from blobs, give what all values in one histogram give. */
static void test_parts(void **state)
{
    struct past *p = past_new(22);

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct histogram whole = {.n = 0}, merged = {.n = 0}, read = {.n = 0}, parts[7] = {{.n = 0}};

        for (int i = 0; i < 300; i++) {
            usec_t value = (usec_t)exp(past_random(p) * 20);

            histogram_add(&whole, value);
            histogram_add(&parts[(int)(past_random(p) * 7)], value);
        }
        for (int i = 0; i < 7; i++) {
            struct buf blob = BUF_INIT;
            int at = (i * 3 + round) % 7;

            histogram_merge(&merged, &parts[at]);
            histogram_write(&parts[at], &blob);
            assert_int_equal(histogram_read(&read, blob.data, blob.len), 0);
            buf_done(&blob);
        }
        assert_same(&whole, &merged);
        assert_same(&whole, &read);
        for (int i = 0; i < 7; i++)
            histogram_done(&parts[i]);
        histogram_done(&whole);
        histogram_done(&merged);
        histogram_done(&read);
    }
    past_free(p);
}

/* A blob that is cut, changed or made up is refused whole or read as something that a blob can say; what was there stays. */
static void test_damaged_blobs(void **state)
{
    static const struct { const char *bytes; size_t len; } bad[] = {
        {"\x80", 1}, {"\x05", 1}, {"\x05\x80", 2}, {"\x05\x00", 2}, {"\x05\x01\x00", 3}, {"\xd1\x0f\x01", 3}, {"\xff\xff\xff\xff\x7f\x01", 6},
        {"\x05\xff\xff\xff\xff\x7f", 6}, {"\x80\x80\x80\x80\x80\x80\x01\x01", 8}, {"\xff\xff\xff\xff\x0f\x01\x05\x01", 8}, {"\x05\x01\xd0\x0f\x01", 5},
    };
    struct past *p = past_new(23);
    struct histogram h = {.n = 0}, before = {.n = 0};

    (void)state;
    histogram_add(&h, 12345);
    histogram_merge(&before, &h);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(histogram_read(&h, bad[i].bytes, bad[i].len), -EINVAL);
        assert_same(&h, &before);
    }
    assert_int_equal(histogram_read(&h, NULL, 0), 0);
    assert_same(&h, &before);
    for (int round = 0; round < 20000; round++) {
        char bytes[64];
        size_t len = (size_t)(past_random(p) * 64);
        uint64_t n = h.n;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(past_random(p) * (i % 2 == 0 ? 256 : 140));
        if (histogram_read(&h, bytes, len) < 0)
            assert_int_equal(h.n, n);
        for (size_t i = 1; i < h.len; i++)
            assert_true(h.entries[i - 1].key < h.entries[i].key);
        assert_true(h.len <= SKETCH_KEY_MAX + 1 && (h.len == 0 || h.entries[h.len - 1].key <= SKETCH_KEY_MAX));
    }
    histogram_done(&h);
    histogram_done(&before);
    past_free(p);
}

static struct clock clock_of(struct past *p)
{
    struct clock c = {.rows = NULL};
    struct err err;

    assert_int_equal(clock_load(&c, p->db, &err), 0);
    return c;
}

static void test_clock(void **state)
{
    struct past *p = past_new(24);
    struct clock c = clock_of(p);

    (void)state;
    assert_int_equal(clock_wall(&c, 5), 5);
    assert_int_equal(clock_steady(&c, 5, false), 5);
    assert_int_equal(clock_steady(&c, 5, true), 5);
    clock_done(&c);
    past_sql(p, "INSERT INTO clock VALUES (2000, -500), (1000, 100), (3000, 1000)");
    c = clock_of(p);
    assert_int_equal(clock_wall(&c, 0), 100); /* before the first row as after it */
    assert_int_equal(clock_wall(&c, 1999), 2099);
    assert_int_equal(clock_wall(&c, 2000), 1500);
    assert_int_equal(clock_wall(&c, 3000), 4000);
    assert_int_equal(clock_steady(&c, 1600, false), 1500); /* was there twice */
    assert_int_equal(clock_steady(&c, 1600, true), 2100);
    assert_int_equal(clock_steady(&c, 3500, false), 3000); /* never was: the step is after it */
    assert_int_equal(clock_steady(&c, 3500, true), 2999);
    assert_int_equal(clock_steady(&c, -7, false), -107);
    assert_int_equal(clock_steady(&c, 9000, true), 8000);
    clock_done(&c);

    /* For random clocks: nothing before the earliest and nothing after the latest moment is in the window. */
    for (int round = 0; round < 200; round++) {
        past_sql(p, "DELETE FROM clock");
        for (int i = 0; i < 4; i++)
            past_sql(p, "INSERT OR REPLACE INTO clock VALUES (%d, %d)", (int)(past_random(p) * 100), (int)(past_random(p) * 80) - 40);
        c = clock_of(p);
        usec_t wall = (usec_t)(past_random(p) * 100), first = clock_steady(&c, wall, false), last = clock_steady(&c, wall, true);

        for (usec_t t = -100; t < 250; t++) {
            if (t < first)
                assert_true(clock_wall(&c, t) < wall);
            if (t > last)
                assert_true(clock_wall(&c, t) > wall);
        }
        assert_true(clock_wall(&c, first) >= wall && clock_wall(&c, last) <= wall);
        clock_done(&c);
    }
    past_free(p);
}

static void test_reply(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    reply_add_object(&b, NULL);
    reply_add_text(&b, "a", "{\"\x1b[\xff");
    reply_add_text(&b, "b", "");
    reply_add_text(&b, "c", NULL);
    reply_add_int(&b, "d", INT64_MIN);
    reply_add_int(&b, "e", 0);
    reply_add_decimal(&b, "f", -1050, 3);
    reply_add_decimal(&b, "g", 5, 12);
    reply_add_decimal(&b, "h", 0, 3);
    reply_add_real(&b, "i", 0.6666666, 6);
    reply_add_real(&b, "j", (double)NAN, 6);
    reply_add_real(&b, "k", 1e300, 6);
    reply_add_time(&b, "l", 1763950000250499);
    reply_add_time(&b, "m", -1500);
    reply_add_ms(&b, "n", 1234567);
    reply_add_ms(&b, "o", -1);
    reply_add_price(&b, "p", 150000);
    reply_add_price(&b, "q", -1);
    reply_add_array(&b, "r");
    reply_add_int(&b, NULL, 1);
    reply_add_bool(&b, NULL, true);
    reply_add_object(&b, NULL);
    reply_close(&b, '}');
    reply_add_array(&b, NULL);
    reply_close(&b, ']');
    reply_close(&b, ']');
    reply_add_null(&b, "s");
    reply_close(&b, '}');
    assert_string_equal(b.data, "{\"a\":\"{\\\"\\u001b[\xEF\xBF\xBD\",\"b\":null,\"c\":null,\"d\":-9223372036854775808,\"e\":0,\"f\":-1.05,\"g\":0.000000000005,\"h\":0,"
                                "\"i\":0.666667,\"j\":null,\"k\":null,\"l\":1763950000.25,\"m\":-0.002,\"n\":1234.567,\"o\":null,\"p\":0.15,\"q\":null,"
                                "\"r\":[1,true,{},[]],\"s\":null}");
    buf_done(&b);
}

static void test_tally(void **state)
{
    struct tally a = {.n = 3, .ok = 2, .failed = 1, .cost = INT64_MAX - 1}, b = {.n = 2, .ok = 1, .cost = 5, .load[4] = {2, 1, 1}}, none = {.n = 7, .limited = 7};

    (void)state;
    histogram_add(&b.ttft, 1000);
    tally_merge(&a, &b);
    assert_int_equal(a.n, 5);
    assert_int_equal(a.cost, INT64_MAX);
    assert_int_equal(a.load[4].limited, 1);
    assert_int_equal(a.ttft.n, 1);
    assert_true(tally_availability(&a) == 0.75);
    assert_true(isnan(tally_availability(&none)));
    tally_done(&a);
    tally_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles), cmocka_unit_test(test_edges), cmocka_unit_test(test_parts), cmocka_unit_test(test_damaged_blobs),
        cmocka_unit_test(test_clock),     cmocka_unit_test(test_reply), cmocka_unit_test(test_tally),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
