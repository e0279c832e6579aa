/* Inline SVG, the two kinds of escaping, and documents: an exact picture, and that nothing hostile gets out of any of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "routectl/figures.h"
#include "routectl/markup.h"
#include "routectl/page.h"
#include "routectl/svg.h"
#include "shared/alloc.h"
#include "shared/text.h"

static const char evil[] = "<script>alert(1)</script>\"' onload=x &amp; \x1b[31m\xe2\x80\xae\xff\n|`*_x_[a](http://b) www.c.d #";

/* --- escaping --------------------------------------------------------------------------------------------------------- */

static void assert_markdown(const char *text, bool begins_line, const char *wanted)
{
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    markup_markdown(&got, text, begins_line);
    assert_string_equal(buf_str(&got), wanted);
}

static void markdown(void **state)
{
    (void)state;
    assert_markdown("gpt-4o_mini 1.5 (a) b-c", true, "gpt-4o_mini 1.5 (a) b-c");
    assert_markdown("a|b", false, "a\\|b");
    assert_markdown("*a* `b` ~c~ [d](e) <f> &amp; g@h", false, "\\*a\\* \\`b\\` \\~c\\~ \\[d\\](e) \\<f\\> \\&amp; g\\@h");
    assert_markdown("_a_ b_c 通_义", false, "\\_a\\_ b_c 通_义");
    assert_markdown("# a", true, "\\# a");
    assert_markdown("# a", false, "# a");
    assert_markdown("- a", true, "\\- a");
    assert_markdown("1. a", true, "1\\. a");
    assert_markdown("2) a", true, "2\\) a");
    assert_markdown("1.5 s", true, "1.5 s");
    assert_markdown("http://a.b www.c.d", false, "http:\\/\\/a.b www\\.c.d");
    assert_markdown("a\nb\x1b[1m\\", false, "a\\\\nb\\\\x1b\\[1m\\\\");
    assert_markdown("", true, "");
}

static void html(void **state)
{
    (void)state;
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    markup_html(&got, "<a href=\"x\" b='y'>&\n\xff");
    assert_string_equal(buf_str(&got), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\\n\xef\xbf\xbd");
}

/* --- pictures --------------------------------------------------------------------------------------------------------- */

static struct series_point at(double t, double value)
{
    return (struct series_point){.t = t, .value = value, .low = NAN, .high = NAN};
}

static void a_small_picture(void **state)
{
    (void)state;
    struct series_point points[] = {at(0, 1), at(3600, 0.995), at(7200, 1), at(18000, 1)};
    struct series series = {.name = "p<1>", .points = points, .len = 4, .reach = 5400};
    struct buf got CLEANUP(buf_done) = BUF_INIT;
    svg_draw(&(struct svg_setup){.unit = SERIES_RATIO,
                                 .since = 0,
                                 .until = 18000,
                                 .width = 200,
                                 .height = 100,
                                 .title = "A & B",
                                 .rule = 0.995,
                                 .rule_label = "target",
                                 .first_colour = 3},
             &series, 1, &got);
    assert_string_equal(buf_str(&got),
                        "<svg viewBox=\"0 0 200 100\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>A &amp; B</title>\n"
                        "<g class=\"grid\"><path d=\"M48.4 78.0H192.0\"/><path d=\"M48.4 44.0H192.0\"/><path d=\"M48.4 10.0H192.0\"/></"
                        "g>\n"
                        "<g class=\"axis\" font-size=\"11\"><text x=\"42.4\" y=\"82.0\" text-anchor=\"end\">99.0%</text><text x=\"42.4"
                        "\" y=\"48.0\" text-anchor=\"end\">99.5%</text><text x=\"42.4\" y=\"14.0\" text-anchor=\"end\">100.0%</text><pa"
                        "th d=\"M48.4 78.0H192.0\"/><path d=\"M48.4 78.0v4\"/><text x=\"48.4\" y=\"94.0\" text-anchor=\"middle\">01-01<"
                        "/text><path d=\"M134.6 78.0v4\"/><text x=\"134.6\" y=\"94.0\" text-anchor=\"middle\">03:00</text></g>\n"
                        "<path class=\"line s3\" d=\"M48.4 10.0L77.1 44.0L105.8 10.0\"/>\n"
                        "<path class=\"line s3\" d=\"M192.0 10.0\"/>\n"
                        "<circle class=\"dot s3\" cx=\"48.4\" cy=\"10.0\" r=\"2.6\"><title>p&lt;1&gt;, 1970-01-01 00:00: 100%</title></"
                        "circle>\n"
                        "<circle class=\"dot s3\" cx=\"77.1\" cy=\"44.0\" r=\"2.6\"><title>p&lt;1&gt;, 1970-01-01 01:00: 99.50%</title>"
                        "</circle>\n"
                        "<circle class=\"dot s3\" cx=\"105.8\" cy=\"10.0\" r=\"2.6\"><title>p&lt;1&gt;, 1970-01-01 02:00: 100%</title><"
                        "/circle>\n"
                        "<circle class=\"dot s3\" cx=\"192.0\" cy=\"10.0\" r=\"2.6\"><title>p&lt;1&gt;, 1970-01-01 05:00: 100%</title><"
                        "/circle>\n"
                        "<g class=\"rule\" font-size=\"11\"><path d=\"M48.4 44.0H192.0\"/><text x=\"52.4\" y=\"40.0\" text-anchor=\"sta"
                        "rt\">target</text></g>\n"
                        "</svg>\n");
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *s = text; (s = strstr(s, what)); s += strlen(what))
        n++;
    return n;
}

/* Well-formed as far as that can be seen without a parser: elements close in order, attributes are quoted, no raw text breaks out. */
static void assert_well_formed(const char *text)
{
    char open[64][16];
    size_t depth = 0;
    assert_true(text_is_utf8(text, strlen(text)));
    for (const char *s = text; (s = strchr(s, '<')); s++) {
        const char *end = strchr(s, '>');
        char name[16] = "";
        assert_non_null(end);
        if (s[1] == '!' || strncmp(s, "<meta", 5) == 0 || end[-1] == '/')
            continue;
        size_t quotes = 0;
        for (const char *c = s; c < end; c++)
            quotes += *c == '"';
        assert_int_equal(quotes % 2, 0);
        sscanf(s + (s[1] == '/' ? 2 : 1), "%15[a-z0-9]", name);
        if (s[1] == '/') {
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        } else if (strcmp(name, "br") != 0) {
            assert_true(depth < ARRAY_LEN(open));
            strcpy(open[depth++], name);
        }
    }
    assert_int_equal(depth, 0);
}

static double uniform(void)
{
    return (double)random() / RAND_MAX;
}

static void any_input_is_well_formed(void **state)
{
    unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);
    (void)state;
    print_message("SEED=%u\n", seed);
    srandom(seed);
    static const double odd[] = {0, -1, 1e18, NAN, INFINITY, -INFINITY, 1e300, -1e300};
    for (int round = 0; round < 200; round++) {
        static struct series_point points[SERIES_MAX][100];
        struct series series[SERIES_MAX];
        size_t len = (size_t)(random() % (SERIES_MAX + 1));
        double until = pow(10, uniform() * 8), t = 0;
        for (size_t s = 0; s < len; s++) {
            size_t n = (size_t)(random() % 100);
            t = 0;
            for (size_t i = 0; i < n; i++) {
                t += uniform() * until / 50;
                double value = random() % 20 == 0 ? odd[random() % (long)ARRAY_LEN(odd)] : uniform() * 1000;
                points[s][i] = (struct series_point){.t = t, .value = value, .low = random() % 5 ? value / 2 : NAN, .high = value * 2};
            }
            series[s] = (struct series){.name = evil, .points = points[s], .len = n, .reach = until / 20};
        }
        struct buf got CLEANUP(buf_done) = BUF_INIT;
        svg_draw(&(struct svg_setup){.unit = (enum series_unit)(random() % 5),
                                     .since = 0,
                                     .until = until,
                                     .width = 560,
                                     .height = 190,
                                     .title = evil,
                                     .rule = random() % 2 ? NAN : 0.99,
                                     .rule_label = evil},
                 series, len, &got);
        assert_well_formed(buf_str(&got));
        assert_null(strstr(buf_str(&got), "nan"));
        assert_null(strstr(buf_str(&got), "inf"));
        assert_null(strstr(buf_str(&got), "<script"));
        assert_null(strchr(buf_str(&got), '\033'));
    }
}

/* --- documents -------------------------------------------------------------------------------------------------------- */

static char *document(enum page_form form)
{
    static const struct page_column columns[] = {{"A|<", false}, {"N", true}};
    struct series_point point = at(43200, 510);
    struct series series[2] = {{.name = evil, .points = &point, .len = 1, .reach = 1}, {.name = "```x", .reach = 1}};
    struct page *page CLEANUP(page_freep) = page_new(form, evil);
    struct page_picture picture = {.caption = evil, .unit = SERIES_MSEC, .since = 0, .until = 86400, .rule = NAN, .half = true};

    page_heading(page, 1, "%s", evil);
    page_text(page, "%s", evil);
    page_item(page, "%s", evil);
    page_item(page, "two");
    page_draw(page, &picture, series, 1);
    page_draw(page, &picture, series, 2);
    page_item(page, "after a picture");
    page_table(page, columns, 2);
    page_row(page, (struct cell[]){cell_string(evil), cell_integer(12345)});
    page_row(page, (struct cell[]){cell_styled(cell_string("通义"), STYLE_BAD), cell_unknown()});
    page_table_end(page);
    picture.half = false;
    page_draw(page, &picture, series, 2);
    return page_take(page);
}

static void a_page_of_html(void **state)
{
    (void)state;
    char *text CLEANUP(alloc_freep) = document(PAGE_HTML);
    char *style = strstr(text, "<style>"), *after = strstr(text, "</style>");
    assert_true(style && after);
    /* Nothing that runs, nothing from elsewhere. */
    static const char *const never[] = {"<script", "javascript:", "<img", "<link",   "<iframe",   "<object",
                                        "src=",    "href=",       "url(", "@import", "onload=x>", "\033"};
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        assert_null(strstr(text, never[i]));
    assert_int_equal(count(text, "http://"), count(text, "xmlns=\"http://www.w3.org/2000/svg\"") + count(text, "(http://b)"));
    assert_non_null(strstr(text, "default-src 'none'"));
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    memset(style + strlen("<style>"), ' ', (size_t)(after - style) - strlen("<style>"));
    assert_well_formed(text);
    assert_non_null(strstr(text, "<td class=\"bad\">通义</td><td class=\"n\">-</td>"));
    assert_non_null(strstr(text, "12,345"));
}

static void a_page_of_markdown(void **state)
{
    (void)state;
    char *text CLEANUP(alloc_freep) = document(PAGE_MARKDOWN);
    assert_int_equal(count(text, "```"), 6); /* three pictures: a name of backticks ends none */
    assert_null(strchr(text, '\033'));
    size_t width = 0, rows = 0;
    char *copy CLEANUP(alloc_freep) = alloc_string(text);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n"));) {
        if (line[0] != '|')
            continue;
        assert_true(width == 0 || text_width(line) == width);
        width = text_width(line);
        rows++;
        size_t bars = 0;
        for (const char *s = line; *s; s++) {
            bars += *s == '|';
            s += *s == '\\';
        }
        assert_int_equal(bars, 3);
    }
    assert_int_equal(rows, 4);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markdown),        cmocka_unit_test(html),
        cmocka_unit_test(a_small_picture), cmocka_unit_test(any_input_is_well_formed),
        cmocka_unit_test(a_page_of_html),  cmocka_unit_test(a_page_of_markdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
