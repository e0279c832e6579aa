/* Sorting, filtering, and what each key does to the state of top. */
#include "tests/unit/routectl/top_fixture.h"

#include "routectl/top_keys.h"
#include "routectl/top_layout.h"
#include "routectl/top_rows.h"

static void check_order(const struct table *table, const char *filter, enum top_sort sort, bool backwards, const char *wanted)
{
    size_t len;
    struct top_row *rows = top_rows_collect(table, filter, sort, backwards, &len);
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    for (size_t i = 0; i < len; i++)
        buf_printf(&got, "%s%c%c", i > 0 ? " " : "", rows[i].row->facts->platform[0], rows[i].model[0]);
    assert_string_equal(buf_str(&got), wanted);
    free(rows);
}

static void sorting(void **state)
{
    (void)state;
    struct table *table = made_table(2); /* alpha beta gamma delta of claude, gamma alpha of deepseek */

    check_order(table, "", TOP_SORT_RANK, false, "ac bc gc dc gd ad");
    check_order(table, "", TOP_SORT_RANK, true, "ad gd dc gc bc ac");
    check_order(table, "", TOP_SORT_TTFT, false, "bc ad ac gd dc gc"); /* unknown comes last ... */
    check_order(table, "", TOP_SORT_TTFT, true, "dc gd ac ad bc gc");  /* ... either way round */
    check_order(table, "", TOP_SORT_PRICE, false, "dc ac bc gd ad gc");
    check_order(table, "", TOP_SORT_WEIGHT, true, "ac gd ad bc gc dc"); /* equals keep their order */
    check_order(table, "", TOP_SORT_STATE, true, "dc gc ad bc ac gd");
    check_order(table, "", TOP_SORT_PLATFORM, false, "ac ad bc dc gc gd");
    check_order(table, "", TOP_SORT_AVAILABILITY, false, "bc ad gd ac dc gc");
    check_order(NULL, "", TOP_SORT_RANK, false, "");
    table_unref(table);
}

static void filtering(void **state)
{
    (void)state;
    struct table *table = made_table(2);

    check_order(table, "ALPHA", TOP_SORT_RANK, false, "ac ad");
    check_order(table, "alpha deepseek", TOP_SORT_RANK, false, "ad");
    check_order(table, "硅基", TOP_SORT_RANK, false, "ac ad");
    check_order(table, "  down  ", TOP_SORT_RANK, false, "gc");
    check_order(table, "nothing", TOP_SORT_RANK, false, "");
    table_unref(table);
}

static struct top_wish press(struct top_view *view, enum top_key key, uint32_t c)
{
    struct top_wish wish = {0};
    struct top_frame frame = {0};
    top_press_key(view, &(struct top_press){.key = key, .c = c}, &wish);
    top_layout(view, &frame); /* as the program does: pages and what is in sight follow from it */
    top_frame_done(&frame);
    return wish;
}

static struct top_wish type(struct top_view *view, const char *text)
{
    struct top_wish wish = {0};
    for (size_t len = strlen(text); len > 0;) {
        uint32_t c;
        size_t n = text_decode(text, len, &c);
        wish = press(view, TOP_KEY_CHAR, c);
        text += n;
        len -= n;
    }
    return wish;
}

static void moving(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;

    made_view(&view, table, 80, 24);
    press(&view, TOP_KEY_UP, 0);
    assert_int_equal(view.selected, 0);
    type(&view, "jj");
    assert_string_equal(view.chosen_platform, "gamma");
    press(&view, TOP_KEY_END, 0);
    assert_int_equal(view.selected, 5);
    press(&view, TOP_KEY_DOWN, 0);
    assert_int_equal(view.selected, 5);
    press(&view, TOP_KEY_PAGE_UP, 0);
    assert_int_equal(view.selected, 0);
    assert_true(type(&view, "q").over);
    top_view_done(&view);
    table_unref(table);
}

/* The cursor is on a route, not on a row. */
static void the_choice_follows_its_route(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;

    made_view(&view, table, 80, 24);
    press(&view, TOP_KEY_DOWN, 0);
    assert_string_equal(view.chosen_platform, "beta-with-a-rather-long-name");
    view.sort = TOP_SORT_AVAILABILITY;
    top_view_collect(&view);
    assert_int_equal(view.selected, 0);
    assert_string_equal(view.list[view.selected].row->facts->platform, "beta-with-a-rather-long-name");
    type(&view, "/gamma");
    assert_int_equal(view.mode, TOP_FILTER);
    assert_int_equal(view.len, 2);
    press(&view, TOP_KEY_ENTER, 0);
    assert_int_equal(view.mode, TOP_LIST);
    assert_int_equal(view.len, 2);
    press(&view, TOP_KEY_ESCAPE, 0);
    assert_int_equal(view.len, 6);
    top_view_done(&view);
    table_unref(table);
}

static void typing(void **state)
{
    (void)state;
    struct top_input input = {.len = 0};

    assert_true(top_input_add(&input, 0x4e2d, 10));
    assert_true(top_input_add(&input, 'a', 10));
    assert_false(top_input_add(&input, 27, 10));
    assert_false(top_input_add(&input, 0x202e, 10));
    assert_false(top_input_add(&input, 0x9b, 10));
    assert_false(top_input_add(&input, 0xd800, 10));
    assert_true(text_is_utf8(input.text, input.len));
    while (top_input_add(&input, 0x6587, TOP_REASON_MAX))
        ;
    assert_true(input.len <= TOP_REASON_MAX && text_is_utf8(input.text, input.len));
}

static void overrides_ask_first(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_view view;

    made_view(&view, table, 80, 24);
    press(&view, TOP_KEY_DOWN, 0);
    assert_false(type(&view, "d").override);
    assert_int_equal(view.mode, TOP_CONFIRM);
    assert_string_equal(view.confirm.platform, "beta-with-a-rather-long-name");
    assert_string_equal(view.confirm.model, "claude-sonnet-4-5");
    type(&view, "q 钥匙x"); /* letters are the reason now */
    press(&view, TOP_KEY_BACKSPACE, 0);
    assert_string_equal(view.confirm.reason.text, "q 钥匙");
    press(&view, TOP_KEY_TAB, 0);
    assert_true(view.confirm.whole);
    press(&view, TOP_KEY_DOWN, 0);
    assert_int_equal(top_lasting[view.confirm.lasting], USEC_PER_DAY);
    press(&view, TOP_KEY_UP, 0);
    assert_int_equal(top_lasting[view.confirm.lasting], 0);
    assert_false(press(&view, TOP_KEY_ESCAPE, 0).override);
    assert_int_equal(view.mode, TOP_LIST);
    type(&view, "n");
    assert_int_equal(view.confirm.action, TOP_PIN);
    assert_int_equal(view.confirm.reason.len, 0); /* nothing is left of the last one */
    assert_true(press(&view, TOP_KEY_ENTER, 0).override);
    type(&view, "u");
    assert_int_equal(view.confirm.action, TOP_ENABLE);
    top_view_done(&view);
    table_unref(table);
}

static void menus_and_panes(void **state)
{
    (void)state;
    struct table *table = made_table(2);
    struct top_name policies[] = {{(char[]){"production"}, NULL}, {(char[]){"budget"}, NULL}};
    struct top_name models[] = {{(char[]){"claude-sonnet-4-5"}, NULL}, {(char[]){"deepseek-ai/DeepSeek-V3"}, NULL}};
    struct top_status status = {.known = true, .policies = policies, .policies_len = 2, .models = models, .models_len = 2};
    struct top_view view;

    made_view(&view, table, 80, 24);
    view.status = &status;
    type(&view, "p");
    press(&view, TOP_KEY_DOWN, 0);
    assert_true(press(&view, TOP_KEY_ENTER, 0).select);
    assert_string_equal(view.policy, "budget");
    type(&view, "mSEEK");
    assert_int_equal(view.menu.len, 1);
    assert_true(press(&view, TOP_KEY_ENTER, 0).select);
    assert_string_equal(view.model, "deepseek-ai/DeepSeek-V3");
    type(&view, "m");
    assert_true(press(&view, TOP_KEY_ENTER, 0).select);
    assert_string_equal(view.model, ""); /* all */
    type(&view, "mnone-such");
    assert_false(press(&view, TOP_KEY_ENTER, 0).select);
    press(&view, TOP_KEY_ESCAPE, 0);
    assert_true(press(&view, TOP_KEY_ENTER, 0).explain);
    assert_int_equal(view.mode, TOP_EXPLAIN);
    assert_string_equal(view.pane.platform, "alpha");
    assert_false(type(&view, "q").over);
    assert_int_equal(view.mode, TOP_LIST);
    type(&view, "?");
    press(&view, TOP_KEY_END, 0);
    assert_int_equal(view.pane.first, view.pane.lines - view.pane.page);
    press(&view, TOP_KEY_HOME, 0);
    assert_int_equal(view.pane.first, 0);
    press(&view, TOP_KEY_ESCAPE, 0);
    assert_true(type(&view, " ").pause);
    assert_int_equal(view.paused_at, NOW);
    assert_true(type(&view, " ").pause);
    assert_int_equal(view.paused_at, 0);
    enum top_sort before = view.sort;
    type(&view, "s");
    assert_int_not_equal(view.sort, before);
    bool backwards = view.backwards;
    type(&view, "S");
    assert_int_not_equal(view.backwards, backwards);
    top_view_done(&view);
    table_unref(table);
}

/* With no route there is nothing to act on, and no key breaks anything. */
static void an_empty_table(void **state)
{
    (void)state;
    struct top_view view;

    made_view(&view, NULL, 80, 24);
    for (enum top_key key = TOP_KEY_UP; key <= TOP_KEY_REDRAW; key++)
        press(&view, key, 0);
    for (uint32_t c = ' '; c < 127; c++) {
        struct top_wish wish = press(&view, TOP_KEY_CHAR, c);
        assert_false(wish.override || wish.explain);
        view.mode = TOP_LIST;
        view.filter.len = 0;
        view.filter.text[0] = '\0';
    }
    top_view_done(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorting),         cmocka_unit_test(filtering),
        cmocka_unit_test(moving),          cmocka_unit_test(the_choice_follows_its_route),
        cmocka_unit_test(typing),          cmocka_unit_test(overrides_ask_first),
        cmocka_unit_test(menus_and_panes), cmocka_unit_test(an_empty_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
