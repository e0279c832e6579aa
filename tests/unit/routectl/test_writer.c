/* The three forms of one output: alignment with 中文 and emoji, narrow windows, hostile strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/figures.h"
#include "routectl/writer.h"
#include "shared/alloc.h"
#include "shared/text.h"

static const struct column columns[] = {
    {.key = "platform", .title = "PLATFORM", .least = 6},          {.key = "state", .title = "STATE"},
    {.key = "ttft_ms", .title = "TTFT", .right = true, .drop = 1}, {.key = "score", .title = "SCORE", .right = true, .drop = 2},
    {.key = "why", .title = "WHY", .least = 4, .drop = 3},
};

static const char evil[] = "a\tb\nc\x1b[31mred\x07 \xe2\x80\xae\xc2\x9b\x7f\xff|";

static struct writer *make(enum writer_form form, bool colour, size_t width)
{
    return writer_new(&(struct writer_setup){.form = form, .colour = colour, .columns = width});
}

static void add_rows(struct writer *w, const char *const *names, size_t len)
{
    writer_table(w, "routes", columns, ARRAY_LEN(columns));
    writer_group(w, "model", "通义千问", "note", STYLE_DIM);
    for (size_t i = 0; i < len; i++)
        writer_row(w, (struct cell[]){cell_string(names[i]), figure_state(i % 2 ? ROUTE_UP : ROUTE_DEGRADED),
                                      figure_msec(510000 * (usec_t)(i + 1)), cell_unknown(), cell_string("no more than a reason")});
    writer_table_end(w);
}

/* Every line of a table has its columns at the same place: checked at the column whose text is known. */
static void assert_aligned(const char *text, const char *const *words, size_t words_len)
{
    size_t at = 0;
    char *copy = alloc_string(text), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n"));) {
        for (size_t i = 0; i < words_len; i++) {
            char *found = strstr(line, words[i]);
            if (!found)
                continue;
            *found = '\0';
            size_t width = text_width(line);
            if (at == 0)
                at = width;
            assert_int_equal(width, at);
            break;
        }
    }
    assert_true(at > 0);
    free(copy);
}

static void test_wide_names_align(void **state)
{
    (void)state;
    static const char *const names[] = {"openrouter", "硅基流动", "神马中转API", "emoji😀", "é", ""};
    static const char *const words[] = {"STATE", "degraded", "up "};
    struct writer *w = make(WRITER_TEXT, false, 0);
    add_rows(w, names, ARRAY_LEN(names));
    char *text = writer_take(w);
    assert_aligned(text, words, ARRAY_LEN(words));
    assert_non_null(strstr(text, "通义千问  note\n"));
    free(text);
    writer_free(w);
}

/* To the byte: widths are columns, not bytes. */
static void test_exact(void **state)
{
    (void)state;
    static const struct column two[] = {{.key = "a", .title = "NAME"}, {.key = "b", .title = "N", .right = true}};
    struct writer *w = make(WRITER_TEXT, false, 0);
    writer_table(w, "t", two, ARRAY_LEN(two));
    writer_row(w, (struct cell[]){cell_string("硅基流动"), cell_integer(7)});
    writer_row(w, (struct cell[]){cell_string("a"), cell_integer(1234)});
    writer_table_end(w);
    char *text = writer_take(w);
    assert_string_equal(text, "  NAME         N\n"
                              "  硅基流动     7\n"
                              "  a         1234\n");
    free(text);
    writer_free(w);
}

static void test_colours_do_not_disturb(void **state)
{
    (void)state;
    static const char *const names[] = {"openrouter", "硅基流动"};
    struct writer *plain = make(WRITER_TEXT, false, 0), *coloured = make(WRITER_TEXT, true, 0);
    add_rows(plain, names, ARRAY_LEN(names));
    add_rows(coloured, names, ARRAY_LEN(names));
    char *a = writer_take(plain), *b = writer_take(coloured), *to = b;
    assert_null(strchr(a, '\033'));
    assert_non_null(strstr(b, "\033[32mup"));
    for (const char *from = b; *from; from++) { /* without its colours it is the other one */
        if (*from == '\033')
            from += strcspn(from, "m");
        else
            *to++ = *from;
    }
    *to = '\0';
    assert_string_equal(a, b);
    free(a);
    free(b);
    writer_free(plain);
    writer_free(coloured);
}

static void test_narrow_windows(void **state)
{
    (void)state;
    static const char *const names[] = {"a-rather-long-platform", "硅基流动硅基流动硅基流动", "x"};
    for (size_t width = 20; width <= 100; width++) {
        struct writer *w = make(WRITER_TEXT, false, width);
        add_rows(w, names, ARRAY_LEN(names));
        char *text = writer_take(w), *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));)
            assert_in_range(text_width(line), 0, width);
        free(text);
        writer_free(w);
    }
}

static void test_narrow_drops_by_priority(void **state)
{
    (void)state;
    static const char *const names[] = {"openrouter"};
    struct writer *w = make(WRITER_TEXT, false, 36);
    add_rows(w, names, ARRAY_LEN(names));
    char *text = writer_take(w);
    assert_non_null(strstr(text, "TTFT"));
    assert_null(strstr(text, "WHY"));
    free(text);
    writer_free(w);
}

static bool has_control(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len;) {
        uint32_t c;
        i += text_decode(text + i, len - i, &c);
        if (c != '\n' && c != '\t' && (c == TEXT_BROKEN || text_is_harmful(c)))
            return true;
    }
    return false;
}

static void add_everything(struct writer *w, const char *string)
{
    writer_heading(w, "%s", string);
    writer_fact(w, "fact", "label", cell_string(string));
    writer_note(w, STYLE_BAD, "%s", string);
    writer_table(w, "routes", columns, ARRAY_LEN(columns));
    writer_group(w, "model", string, string, STYLE_PLAIN);
    writer_row(w, (struct cell[]){cell_string(string), cell_shown(cell_integer(1), "%s", string), cell_unknown(), cell_unknown(),
                                  cell_string(string)});
    writer_table_end(w);
}

static void test_hostile_strings(void **state)
{
    (void)state;
    for (size_t width = 0; width <= 60; width += 15) {
        for (int form = WRITER_TEXT; form <= WRITER_TSV; form++) {
            struct writer *w = make((enum writer_form)form, false, width);
            add_everything(w, evil);
            char *text = writer_take(w);
            assert_false(has_control(text));
            free(text);
            writer_free(w);
        }
    }
}

static void test_tsv_lines_are_rows(void **state)
{
    (void)state;
    struct writer *w = make(WRITER_TSV, false, 0);
    writer_tagged(w);
    add_everything(w, "tab\tnewline\nend");
    char *text = writer_take(w);
    assert_string_equal(text, "fact\tfact\ttab\\tnewline\\nend\n"
                              "#routes\tmodel\tplatform\tstate\tttft_ms\tscore\twhy\n"
                              "routes\ttab\\tnewline\\nend\ttab\\tnewline\\nend\t1\t-\t-\ttab\\tnewline\\nend\n");
    free(text);
    writer_free(w);
}

static void test_json_keeps_values(void **state)
{
    (void)state;
    struct writer *w = make(WRITER_JSON, false, 0);
    struct err err;
    add_everything(w, "中文 \"q\" \x1b \xc2\x9b \xe2\x80\xae");
    char *text = writer_take(w);
    cJSON *json = json_parse(text, strlen(text) - 1, &err);
    assert_non_null(json);
    assert_string_equal(json_string(json, "fact"), "中文 \"q\" \x1b \xc2\x9b \xe2\x80\xae");
    assert_string_equal(json_string(json, "routes.0.model"), json_string(json, "fact"));
    assert_true(cJSON_IsNull(json_at(json, "routes.0.ttft_ms")));
    assert_int_equal(cJSON_GetArraySize(json_at(json, "notes")), 1);
    int64_t number = 0;
    assert_true(json_int(json, "routes.0.state", &number) && number == 1);
    cJSON_Delete(json);
    free(text);
    writer_free(w);
}

static void test_document_wins(void **state)
{
    (void)state;
    struct writer *w = make(WRITER_JSON, false, 0);
    cJSON *json = cJSON_CreateObject();
    json_add_int(json, "answer", 42);
    writer_document(w, json);
    add_everything(w, "x");
    char *text = writer_take(w);
    assert_string_equal(text, "{\"answer\":42}\n");
    free(text);
    cJSON_Delete(json);
    writer_free(w);
}

static void test_wrapping(void **state)
{
    (void)state;
    static const struct column wrapping[] = {{.key = "a", .title = "A"}, {.key = "b", .title = "B", .wrap = true}};
    struct writer *w = make(WRITER_TEXT, false, 40);
    writer_table(w, "t", wrapping, ARRAY_LEN(wrapping));
    writer_row(w, (struct cell[]){cell_string("x"),
                                  cell_string("words that go on and on until the window ends, 然后是很长的中文句子没有空格也要换行")});
    writer_table_end(w);
    writer_fact(w, "f", "label", cell_string("words that go on and on until the window ends and then some more of them"));
    writer_note(w, STYLE_PLAIN, "- an entry of a list that is too long for one line hangs");
    char *text = writer_take(w), *rest = text;
    const char *entry = strstr(text, "\n  - an entry");
    assert_non_null(entry);
    assert_memory_equal(strchr(entry + 1, '\n'), "\n    ", 5); /* its second line */
    for (char *line; (line = strsep(&rest, "\n"));)
        assert_in_range(text_width(line), 0, 40);
    free(text);
    writer_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide_names_align),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_colours_do_not_disturb),
        cmocka_unit_test(test_narrow_windows),
        cmocka_unit_test(test_narrow_drops_by_priority),
        cmocka_unit_test(test_hostile_strings),
        cmocka_unit_test(test_tsv_lines_are_rows),
        cmocka_unit_test(test_json_keeps_values),
        cmocka_unit_test(test_document_wins),
        cmocka_unit_test(test_wrapping),
    };
    return cmocka_run_group_tests_name("routectl writer", tests, NULL, NULL);
}
