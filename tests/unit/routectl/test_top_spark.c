/* Sparklines: bins, gaps, what is usual, outliers; and the trails that feed them. */
#include "tests/unit/routectl/top_fixture.h"

#include "routectl/top_spark.h"
#include "routectl/top_trail.h"

static void bins_are_means_and_gaps_stay(void **state)
{
    (void)state;
    const struct top_point points[] = {{5, 100}, {9, 300}, {25, 50}, {100, 9}, {-3, 9}, {26, NAN}};
    double bins[4];

    top_spark_bins(bins, 4, points, 3, 0, 40, 40);
    assert_float_equal(bins[0], 200, 1e-9);
    assert_true(isnan(bins[1]));
    assert_float_equal(bins[2], 50, 1e-9);
    assert_float_equal(bins[3], 50, 1e-9); /* the newest goes on: no more than a bin and a half has passed */
    top_spark_bins(bins, 4, points + 3, 3, 0, 40, 40);
    for (size_t i = 0; i < 4; i++)
        assert_true(isnan(bins[i]));
    top_spark_bins(bins, 4, points, 3, 40, 40, 40); /* no time at all */
    for (size_t i = 0; i < 4; i++)
        assert_true(isnan(bins[i]));
    top_spark_bins(bins, 4, (struct top_point[]){{40, 7}}, 1, 0, 40, 40);
    assert_float_equal(bins[3], 7, 1e-9);
}

/* A route that is measured each 10 s, drawn 2 s a column: the columns between are no gaps; half a minute without one is. */
static void usual_distances_are_no_gaps(void **state)
{
    (void)state;
    struct top_point points[12];
    double bins[48];
    size_t len = 0;

    for (double t = 0; t < 96; t += 10) {
        if (t < 35 || t > 65)
            points[len++] = (struct top_point){t, 100 + t};
    }
    top_spark_bins(bins, 48, points, len, 0, 96, 96);
    assert_float_equal(bins[0], 100, 1e-9);
    assert_float_equal(bins[4], 100, 1e-9);
    assert_float_equal(bins[5], 110, 1e-9);
    for (size_t i = 16; i < 35; i++)
        assert_true(isnan(bins[i]));
    assert_float_equal(bins[35], 170, 1e-9);
    assert_float_equal(bins[47], 190, 1e-9);
}

static void a_steady_route_is_no_mountain_range(void **state)
{
    (void)state;
    const double steady[] = {500, 510, 495, NAN, 505}, rising[] = {100, 200, 300, 400, 800};
    struct top_spark_scale scale = top_spark_scale(steady, 5);

    assert_true(scale.any);
    for (size_t i = 0; i < 5; i++) {
        int level = top_spark_level(&scale, steady[i]);
        if (i == 3)
            assert_int_equal(level, TOP_SPARK_GAP);
        else
            assert_in_range(level, 3, 4);
    }
    scale = top_spark_scale(rising, 5);
    assert_int_equal(top_spark_level(&scale, 100), 0);
    assert_int_equal(top_spark_level(&scale, 800), TOP_SPARK_LEVELS - 1);
    assert_false(top_spark_scale(steady + 3, 1).any);
    const double zero[] = {0, 0};
    scale = top_spark_scale(zero, 2);
    assert_int_equal(top_spark_level(&scale, 0), 0);
}

static void an_outlier_flattens_nothing(void **state)
{
    (void)state;
    const double bins[] = {100, 150, 120, 9000, 200, 110, NAN, 130};
    struct buf text CLEANUP(buf_done) = BUF_INIT, ascii CLEANUP(buf_done) = BUF_INIT;
    struct top_spark_scale scale = top_spark_scale(bins, 8);

    assert_float_equal(scale.high, 200, 1e-9);
    assert_int_equal(top_spark_level(&scale, 9000), TOP_SPARK_ABOVE);
    assert_int_equal(top_spark_level(&scale, 200), TOP_SPARK_LEVELS - 1);
    top_spark_draw(&text, bins, 8, false);
    assert_string_equal(buf_str(&text), "▁▅▂↑█▁ ▃");
    assert_int_equal(text_width(buf_str(&text)), 8);
    top_spark_draw(&ascii, bins, 8, true);
    assert_string_equal(buf_str(&ascii), "_+.^#_ -");
    /* Two of four are no exception any more. */
    const double half[] = {100, 9000, 100, 9000};
    assert_float_equal(top_spark_scale(half, 4).high, 9000, 1e-9);
}

static void trails_see_each_sample_once(void **state)
{
    (void)state;
    struct table *table = made_table(1);
    struct top_trails trails = {0};
    struct top_point points[TOP_TRAIL_TOLD_MAX + TOP_TRAIL_SEEN_MAX];

    top_trails_see(&trails, table, NOW);
    top_trails_see(&trails, table, NOW);
    assert_int_equal(top_trail_points(top_trails_find(&trails, "alpha", "claude-sonnet-4-5"), points), 1);
    assert_float_equal(points[0].value, 510, 1e-9);
    assert_int_equal(top_trail_points(top_trails_find(&trails, "gamma", "claude-sonnet-4-5"), points), 0); /* unknown is no point */
    assert_null(top_trails_find(&trails, "alpha", "other"));
    struct table_row *row = &table->policies[0].rankings[0]->rows[0];
    for (int i = 0; i < 5000; i++) {
        row->sampled_at += USEC_PER_SEC;
        top_trails_see(&trails, table, row->sampled_at);
    }
    size_t len = top_trail_points(top_trails_find(&trails, "alpha", "claude-sonnet-4-5"), points);
    assert_in_range(len, TOP_TRAIL_SEEN_MAX / 2, TOP_TRAIL_SEEN_MAX);
    for (size_t i = 1; i < len; i++)
        assert_true(points[i].t > points[i - 1].t);
    /* The history takes the place of what was seen before its end. */
    const struct top_point told[] = {{10, 1}, {20, 2}};
    top_trails_tell(&trails, "alpha", "claude-sonnet-4-5", told, 2, (double)row->sampled_at / 1e6 - 0.5);
    assert_int_equal(top_trail_points(top_trails_find(&trails, "alpha", "claude-sonnet-4-5"), points), 3);
    assert_float_equal(points[0].t, 10, 1e-9);
    assert_float_equal(trails.oldest, 10, 1e-9);
    top_trails_forget_told(&trails);
    assert_int_equal(top_trail_points(top_trails_find(&trails, "alpha", "claude-sonnet-4-5"), points), len);
    struct top_point many[TOP_TRAIL_TOLD_MAX + 50];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct top_point){(double)i, 1};
    top_trails_tell(&trails, "new", "m", many, ARRAY_LEN(many), 1e9);
    assert_int_equal(top_trail_points(top_trails_find(&trails, "new", "m"), points), TOP_TRAIL_TOLD_MAX);
    assert_float_equal(points[0].t, 50, 1e-9);
    top_trails_done(&trails);
    table_unref(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_are_means_and_gaps_stay),        cmocka_unit_test(usual_distances_are_no_gaps),
        cmocka_unit_test(a_steady_route_is_no_mountain_range), cmocka_unit_test(an_outlier_flattens_nothing),
        cmocka_unit_test(trails_see_each_sample_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
