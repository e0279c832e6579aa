/* The screen of top without a terminal: which columns a window has room for, widths with 中文, the order in which things go, every size
 * whole. */
#include "tests/unit/routectl/top_fixture.h"

#include "routectl/top_columns.h"
#include "routectl/top_layout.h"

static size_t total(const struct top_columns *columns)
{
    size_t sum = TOP_MARK_WIDTH, shown = 0;
    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++) {
        sum += columns->width[i];
        shown += columns->width[i] > 0;
    }
    return sum + shown - 1;
}

static void columns_leave_in_their_order(void **state)
{
    (void)state;
    static const int leaves[TOP_COLUMN_COUNT] = {
#define X(id, title, least, most, goes, right, sort) goes,
        TOP_COLUMN_TABLE(X)
#undef X
    };
    struct table *table = made_table(2);
    struct top_view view;
    struct top_columns before = {{0}}, columns;

    for (size_t width = 300; width >= TOP_LEAST_COLUMNS; width--) {
        made_view(&view, table, width, 24);
        top_columns_fit(&columns, &view);
        assert_true(total(&columns) <= width);
        for (size_t i = 0; i < TOP_COLUMN_COUNT; i++) {
            if (leaves[i] == 0)
                assert_true(columns.width[i] > 0);
            for (size_t j = 0; j < TOP_COLUMN_COUNT; j++) { /* nothing is shown that leaves before something that has left */
                if (columns.width[i] > 0 && columns.width[j] == 0)
                    assert_true(leaves[i] < leaves[j]);
            }
            if (width < 300)
                assert_true(columns.width[i] == 0 || before.width[i] > 0); /* what has left does not come back */
        }
        if (width >= 42)
            assert_true(columns.width[TOP_COLUMN_TTFT] > 0);
        before = columns;
        top_view_done(&view);
    }
    table_unref(table);
}

static void eighty_columns_hold_what_matters(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;
    struct top_columns columns;

    made_view(&view, table, 80, 24);
    top_columns_fit(&columns, &view);
    static const enum top_column wanted[] = {TOP_COLUMN_MODEL, TOP_COLUMN_PLATFORM,     TOP_COLUMN_STATE, TOP_COLUMN_SPARK,
                                             TOP_COLUMN_TTFT,  TOP_COLUMN_AVAILABILITY, TOP_COLUMN_INPUT, TOP_COLUMN_WEIGHT};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_true(columns.width[wanted[i]] > 0);
    top_view_done(&view);
    made_view(&view, table, 200, 24);
    top_columns_fit(&columns, &view);
    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++)
        assert_true(columns.width[i] > 0);
    top_view_done(&view);
    table_unref(table);
    table = made_table(1); /* its model is in no column */
    made_view(&view, table, 200, 24);
    top_columns_fit(&columns, &view);
    assert_int_equal(columns.width[TOP_COLUMN_MODEL], 0);
    top_view_done(&view);
    table_unref(table);
}

static void wide_names_are_aligned(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;
    struct top_frame frame = {0};

    made_view(&view, table, 200, 30);
    top_layout(&view, &frame);
    assert_true(frame_has(&frame, "硅基流动"));
    long state_at = column_of(&frame, 2, "STATE");
    assert_true(state_at > 0);
    assert_int_equal(column_of(&frame, 3, "+ up"), state_at);
    assert_int_equal(column_of(&frame, 4, "~ degraded"), state_at);
    assert_int_equal(column_of(&frame, 5, "x down"), state_at);
    assert_int_equal(column_of(&frame, 6, "= drained"), state_at);
    assert_int_equal(column_of(&frame, 8, "! limited"), state_at);
    /* Cut in their middle, by columns and not by bytes. */
    top_frame_begin(&frame, 1, 40);
    top_put_name(&frame, 0, 0, "硅基流动平台上海", 9);
    assert_int_equal(frame.lines[0].width, 9);
    assert_string_equal(row_text(&frame, 0), "硅…上海  ");
    top_frame_begin(&frame, 1, 40);
    top_put_name(&frame, 0, 0, "claude-sonnet-4-5", 12);
    assert_string_equal(row_text(&frame, 0), "claud…et-4-5");
    top_frame_done(&frame);
    top_view_done(&view);
    table_unref(table);
}

/* Whatever the window, no row is wider than it, and its columns add up. */
static void every_size_is_whole(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;
    struct top_frame frame = {0};
    struct top_events events = {.after = -1};
    cJSON *json = cJSON_Parse(
        "{\"events\":[{\"at\":1764000000,\"level\":\"warning\",\"text\":\"硅基流动 \\u001b[2J went \\u202e down\"}],\"next\":1}");

    assert_true(top_events_tell(&events, json));
    for (enum top_mode mode = TOP_LIST; mode <= TOP_HELP; mode++) {
        for (size_t width = 1; width <= 130; width += width < 45 ? 1 : 7) {
            for (size_t rows = 1; rows <= 40; rows += rows < 20 ? 1 : 9) {
                made_view(&view, table, width, rows);
                view.events = &events;
                view.mode = mode;
                strcpy(view.confirm.platform, "alpha");
                strcpy(view.confirm.model, "claude-sonnet-4-5");
                strcpy(view.confirm.reason.text, "因为钥匙更换了，所以要停一停，一会儿就好");
                view.confirm.reason.len = strlen(view.confirm.reason.text);
                top_layout(&view, &frame);
                assert_int_equal(frame.rows, rows);
                for (size_t i = 0; i < rows; i++) {
                    const struct top_line *line = &frame.lines[i];
                    assert_int_equal(line->text.len, line->styles.len);
                    assert_int_equal(text_width(buf_str(&line->text)), line->width);
                    assert_true(line->width <= width);
                    assert_null(strchr(row_text(&frame, i), '\033'));
                    assert_null(strstr(row_text(&frame, i), "\u202e"));
                }
                if (frame.cursor)
                    assert_true(frame.cursor_row < rows && frame.cursor_column < width);
                top_view_done(&view);
            }
        }
    }
    cJSON_Delete(json);
    top_events_done(&events);
    top_frame_done(&frame);
    table_unref(table);
}

static void small_windows_say_so(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;
    struct top_frame frame = {0};

    made_view(&view, table, 39, 24);
    top_layout(&view, &frame);
    assert_true(frame_has(&frame, "40 columns and 10 rows"));
    view.columns = 80;
    view.rows = 9;
    top_layout(&view, &frame);
    assert_true(frame_has(&frame, "this window has 80 and 9. q quits."));
    view.columns = 40;
    view.rows = 10;
    top_layout(&view, &frame);
    assert_true(frame_has(&frame, "x down"));
    assert_true(frame_has(&frame, "q quit"));
    top_frame_done(&frame);
    top_view_done(&view);
    table_unref(table);
}

static void the_head_says_what_is_wrong(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_status status = {
        .known = true, .version = "0.1.0", .vantage = "here", .currency = "USD", .limit = 2, .spent = 0.5, .left = 1.5};
    struct top_view view;
    struct top_frame frame = {0};

    made_view(&view, table, 160, 30);
    view.status = &status;
    top_layout(&view, &frame);
    assert_non_null(strstr(row_text(&frame, 0), "probed 0.1.0 on here  policy production  all models"));
    assert_non_null(strstr(row_text(&frame, 1), "table 3 s old, good for 57 s"));
    assert_non_null(strstr(row_text(&frame, 1), "2 up 1 degraded 1 limited 1 down 1 drained"));
    assert_non_null(strstr(row_text(&frame, 1), "$1.50 of $2.00 a day left"));
    assert_false(frame_has(&frame, "STALE"));
    view.link.lease = NOW - 5 * USEC_PER_SEC;
    table->flags = TABLE_RESTORED | TABLE_LOCAL;
    view.paused_at = NOW - 10 * USEC_PER_SEC;
    top_layout(&view, &frame);
    assert_non_null(strstr(row_text(&frame, 1), "PAUSED for 10 s"));
    assert_non_null(strstr(row_text(&frame, 1), "STALE for 5 s"));
    assert_non_null(strstr(row_text(&frame, 1), "RESTORED"));
    assert_non_null(strstr(row_text(&frame, 1), "OUR NETWORK FAILS"));
    view.paused_at = 0;
    view.link.connected = false;
    view.link.lost_at = NOW - 12 * USEC_PER_SEC;
    view.link.retry_at = NOW + 3 * USEC_PER_SEC;
    strcpy(view.link.why, "no daemon there");
    top_layout(&view, &frame);
    assert_non_null(strstr(row_text(&frame, 1), "NOT CONNECTED for 12 s, next attempt in 4 s: no daemon there"));
    assert_true((unsigned char)frame.lines[3].styles.data[0] & TOP_FADED); /* the last data, dimmed */
    view.columns = 40;
    view.rows = 10;
    top_layout(&view, &frame);
    assert_non_null(strstr(row_text(&frame, 0), "NOT CONNECTED"));
    top_frame_done(&frame);
    top_view_done(&view);
    table_unref(table);
}

static void no_colour_is_needed(void **state)
{
    (void)state;
    char seen[ROUTE_STATE_COUNT + 1] = "";
    for (size_t s = 0; s < ROUTE_STATE_COUNT; s++) {
        char sign = top_state_sign((enum route_state)s);
        assert_null(strchr(seen, sign));
        seen[s] = sign;
    }
}

static void a_frame_knows_what_changed(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;
    struct top_frame a = {0}, b = {0};

    made_view(&view, table, 100, 30);
    top_layout(&view, &a);
    top_layout(&view, &b);
    assert_true(top_frame_same(&a, &b));
    view.selected = 1;
    top_layout(&view, &b);
    assert_false(top_frame_same(&a, &b));
    assert_false(top_frame_same_line(&a, &b, 3));
    assert_true(top_frame_same_line(&a, &b, 6));
    top_frame_done(&a);
    top_frame_done(&b);
    top_view_done(&view);
    table_unref(table);
}

/* A list that is longer than the window: what is selected is in sight, and there is no empty row below the last. */
static void the_selection_is_in_sight(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;
    struct top_frame frame = {0};

    made_view(&view, table, 80, 10);
    view.rows = 10;
    for (size_t at = 0; at < view.len; at++) {
        view.selected = at;
        view.rows = 10;
        top_layout(&view, &frame);
        bool seen = false;
        for (size_t i = 2; i < 9; i++)
            seen = seen || strncmp(row_text(&frame, i), "> ", 2) == 0;
        assert_true(seen);
        assert_true(view.first + view.page <= view.len || view.first == 0);
    }
    view.mode = TOP_CONFIRM; /* three rows are left for the list */
    top_layout(&view, &frame);
    assert_int_equal(view.page, 3);
    assert_int_equal(view.first, 3);
    top_frame_done(&frame);
    top_view_done(&view);
    table_unref(table);
}

/* A second later the sparkline is the same; when the next column begins it has moved by one. */
static void sparklines_stand_still(void **state)
{
    (void)state;
    struct table *table = made_table(1);
    struct top_trails trails = {0};
    struct top_point points[100];
    struct top_view view;
    struct top_frame frames[3] = {{0}};
    static const usec_t later[] = {USEC_PER_SEC, 3 * USEC_PER_SEC, 460 * USEC_PER_SEC};

    for (size_t i = 0; i < ARRAY_LEN(points); i++)
        points[i] = (struct top_point){(double)(NOW / USEC_PER_SEC) - 3900 + 40 * (double)i, i % 7 == 0 ? 900 : 500 + 3 * (double)i};
    top_trails_tell(&trails, "alpha", "claude-sonnet-4-5", points, ARRAY_LEN(points), 1e10);
    for (size_t i = 0; i < ARRAY_LEN(later); i++) {
        made_view(&view, table, 80, 24);
        view.trails = &trails;
        view.now = NOW + later[i];
        top_layout(&view, &frames[i]);
        top_view_done(&view);
    }
    assert_non_null(strstr(row_text(&frames[0], 2), "1h"));
    assert_string_equal(row_text(&frames[0], 3), row_text(&frames[1], 3));
    assert_string_not_equal(row_text(&frames[0], 3), row_text(&frames[2], 3));
    for (size_t i = 0; i < ARRAY_LEN(frames); i++)
        top_frame_done(&frames[i]);
    top_trails_done(&trails);
    table_unref(table);
}

static void events_of_other_policies_stay_away(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;
    struct top_frame frame = {0};
    struct top_events events = {.after = -1};
    cJSON *json = cJSON_Parse("{\"events\":[{\"at\":1763999000,\"policy\":\"budget\",\"text\":\"not "
                              "this\"},{\"at\":1763999000,\"policy\":\"production\",\"model\":\"m\","
                              "\"text\":\"about m\"},{\"at\":1763999000,\"text\":\"about all\"}],\"next\":9}");

    top_events_tell(&events, json);
    assert_int_equal(events.after, 9);
    made_view(&view, table, 80, 24);
    view.events = &events;
    top_layout(&view, &frame);
    assert_false(frame_has(&frame, "not this"));
    assert_true(frame_has(&frame, "about m"));
    assert_true(frame_has(&frame, "about all"));
    strcpy(view.model, "other");
    top_layout(&view, &frame);
    assert_false(frame_has(&frame, "about m"));
    assert_true(frame_has(&frame, "about all"));
    cJSON_Delete(json);
    top_events_done(&events);
    top_frame_done(&frame);
    top_view_done(&view);
    table_unref(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_leave_in_their_order), cmocka_unit_test(eighty_columns_hold_what_matters),
        cmocka_unit_test(wide_names_are_aligned),       cmocka_unit_test(every_size_is_whole),
        cmocka_unit_test(small_windows_say_so),         cmocka_unit_test(the_head_says_what_is_wrong),
        cmocka_unit_test(no_colour_is_needed),          cmocka_unit_test(a_frame_knows_what_changed),
        cmocka_unit_test(the_selection_is_in_sight),    cmocka_unit_test(events_of_other_policies_stay_away),
        cmocka_unit_test(sparklines_stand_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
