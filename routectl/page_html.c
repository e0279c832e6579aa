/* A document as one page of HTML that needs nothing else: no script, no font, no address; its pictures are inline SVG.
 *
 * It is light or dark as the reader's system is, black on white in print. A content security policy in its head allows styles and nothing
 * more, so that even text that had slipped through could not run or load anything. Colours never say anything alone: verdicts are words,
 * lines have a legend and their points titles. */
#include "routectl/page_forms.h"

#include <stdio.h>
#include <string.h>

#include "routectl/markup.h"
#include "routectl/svg.h"

static const char head[] = "<meta charset=\"utf-8\">\n"
                           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                           "<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char colours[] =
    ":root{--ground:#fff;--ink:#1b2027;--faint:#5d6673;--line:#d9dde3;--soft:#f4f6f8;--good:#137333;--warn:#9a5b00;--bad:#b3261e;"
    "--s0:#1668c7;--s1:#c2570c;--s2:#1a7f4b;--s3:#a3329f;--s4:#6d5ae0;--s5:#0e8a92;--s6:#b58a00;--s7:#c62d55;--s8:#4b7a12;--s9:#7a4a2b;"
    "--s10:#3c5a80;--s11:#777}\n"
    "@media (prefers-color-scheme:dark){:root{--ground:#14171c;--ink:#e4e7eb;--faint:#9aa4b1;--line:#333a44;--soft:#1c2128;--good:#6ccf8e;"
    "--warn:#e8b25a;--bad:#ff8a80;--s0:#6cb0ff;--s1:#ff9d5c;--s2:#5fd39a;--s3:#e58be0;--s4:#a99cff;--s5:#56d0d8;--s6:#e6c34d;--s7:#ff7f9f;"
    "--s8:#a2d15c;--s9:#d6a484;--s10:#9bb8dd;--s11:#aaa}}\n"
    "@media print{:root{--ground:#fff;--ink:#000;--faint:#444;--line:#bbb;--soft:#f4f4f4;--good:#0b5a24;--warn:#7a4700;--bad:#8c1d18;"
    "--s0:#1668c7;--s1:#c2570c;--s2:#1a7f4b;--s3:#a3329f;--s4:#6d5ae0;--s5:#0e8a92;--s6:#b58a00;--s7:#c62d55;--s8:#4b7a12;--s9:#7a4a2b;"
    "--s10:#3c5a80;--s11:#777}}\n";

static const char faces[] =
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:76rem;background:var(--ground);color:var(--ink);"
    "font:15px/1.5 system-ui,\"Segoe UI\",Roboto,\"Noto Sans\",\"PingFang SC\",\"Microsoft YaHei\",\"Noto Sans CJK SC\",sans-serif}\n"
    "h1{font-size:1.7rem;line-height:1.25;margin:0 0 .5rem}\n"
    "h2{font-size:1.25rem;margin:2.75rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--line)}\n"
    "h3{font-size:1rem;margin:1.5rem 0 .25rem}\n"
    "p{margin:.5rem 0;max-width:60rem}h1+p{color:var(--faint)}\n"
    "ul{margin:.5rem 0;padding-left:1.2rem}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;margin:.5rem 0 1rem;font-size:.92rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap;vertical-align:top}\n"
    "th{font-weight:600;color:var(--faint)}tbody tr:nth-child(even){background:var(--soft)}\n"
    ".n{text-align:right}.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad);font-weight:600}.dim{color:var(--faint)}."
    "bold{font-weight:600}\n"
    ".pictures{display:flex;flex-wrap:wrap;gap:0 2rem}\n"
    "figure{margin:.75rem 0;flex:1 1 30rem;min-width:0}figcaption{color:var(--faint);font-size:.9rem}\n"
    ".key{display:inline-block;margin-right:1.1rem;color:var(--ink);white-space:nowrap}"
    ".key i{display:inline-block;width:1.1em;height:.2em;margin-right:.4em;vertical-align:middle;background:currentColor}\n"
    "svg{display:block;width:100%;height:auto;font-family:inherit}\n"
    "svg text{fill:var(--faint)}svg .axis path{stroke:var(--faint);fill:none}svg .grid path{stroke:var(--line);fill:none}\n"
    "svg .rule path{stroke:var(--bad);stroke-dasharray:5 4;fill:none}svg .rule "
    "text{fill:var(--bad);stroke:var(--ground);stroke-width:4px;paint-order:stroke}\n"
    "svg .line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}svg .dot{fill:currentColor}svg .hidden{opacity:0}\n"
    "svg .band{fill:currentColor;opacity:.16}\n"
    "@media print{body{max-width:none;padding:0;font-size:10.5pt}h2{break-after:avoid}h3{break-after:avoid}figure,tr{break-inside:avoid}"
    ".wide{overflow:visible}th,td{padding:.15rem .4rem}table{font-size:8.5pt}th,td{white-space:normal}td.n{white-space:nowrap}}\n";

static void html_begin(struct page *page, const char *title)
{
    struct buf *out = &page->out;
    buf_add_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n");
    buf_add_str(out, head);
    buf_add_str(out, "<title>");
    markup_html(out, title);
    buf_add_str(out, "</title>\n<style>\n");
    buf_add_str(out, colours);
    for (unsigned i = 0; i < SERIES_MAX; i++)
        buf_printf(out, ".s%u{color:var(--s%u)}", i, i);
    buf_add_char(out, '\n');
    buf_add_str(out, faces);
    buf_add_str(out, "</style>\n</head>\n<body>\n");
}

static void html_heading(struct page *page, int level, const char *text)
{
    buf_printf(&page->out, "<h%d>", level);
    markup_html(&page->out, text);
    buf_printf(&page->out, "</h%d>\n", level);
}

static void html_text(struct page *page, const char *text)
{
    buf_add_str(&page->out, "<p>");
    markup_html(&page->out, text);
    buf_add_str(&page->out, "</p>\n");
}

/* NULL: what was open, a list or a row of pictures, is over. */
static void html_item(struct page *page, const char *text, bool first)
{
    if (!text) {
        buf_add_str(&page->out, page->in_list ? "</ul>\n" : "</div>\n");
        return;
    }
    buf_add_str(&page->out, first ? "<ul>\n<li>" : "<li>");
    markup_html(&page->out, text);
    buf_add_str(&page->out, "</li>\n");
}

static void add_cell(struct buf *out, const char *element, bool right, enum style style, const char *text)
{
    static const char *const names[STYLE_COUNT] = {
        [STYLE_PLAIN] = "", [STYLE_GOOD] = "good", [STYLE_WARN] = "warn", [STYLE_BAD] = "bad", [STYLE_DIM] = "dim", [STYLE_BOLD] = "bold"};
    buf_printf(out, "<%s", element);
    if (right || names[style][0])
        buf_printf(out, " class=\"%s%s%s\"", right ? "n" : "", right && names[style][0] ? " " : "", names[style]);
    buf_add_char(out, '>');
    markup_html(out, text);
    buf_printf(out, "</%s>", element);
}

static void html_table(struct page *page, const struct page_table *table)
{
    struct buf *out = &page->out;
    buf_add_str(out, "<div class=\"wide\"><table>\n<thead><tr>");
    for (size_t c = 0; c < table->columns_len; c++)
        add_cell(out, "th", table->columns[c].right, STYLE_PLAIN, table->columns[c].title);
    buf_add_str(out, "</tr></thead>\n<tbody>\n");
    for (size_t row = 0; row < table->rows; row++) {
        buf_add_str(out, "<tr>");
        for (size_t c = 0; c < table->columns_len; c++) {
            size_t i = row * table->columns_len + c;
            add_cell(out, "td", table->columns[c].right, table->styles[i], table->texts[i]);
        }
        buf_add_str(out, "</tr>\n");
    }
    buf_add_str(out, "</tbody></table></div>\n");
}

static void html_draw(struct page *page, const struct page_picture *picture, const struct series *series, size_t len)
{
    struct buf *out = &page->out;
    struct svg_setup setup = {.unit = picture->unit,
                              .since = picture->since,
                              .until = picture->until,
                              .width = picture->half ? 560 : 1120,
                              .height = picture->half ? 190 : 260,
                              .title = picture->caption,
                              .rule = picture->rule,
                              .rule_label = picture->rule_label,
                              .first_colour = picture->first_colour};

    if (picture->half && !page->in_half)
        buf_add_str(out, "<div class=\"pictures\">\n");
    page->in_half = picture->half;
    buf_add_str(out, "<figure><figcaption>");
    markup_html(out, picture->caption);
    for (size_t s = 0; len > 1 && s < len && s < SERIES_MAX; s++) {
        buf_printf(out, "%s<span class=\"key\"><i class=\"s%zu\"></i>", s == 0 ? "<br>" : " ", (s + picture->first_colour) % SERIES_MAX);
        markup_html(out, series[s].name);
        buf_add_str(out, "</span>");
    }
    buf_add_str(out, "</figcaption>\n");
    svg_draw(&setup, series, len, out);
    buf_add_str(out, "</figure>\n");
}

static void html_end(struct page *page)
{
    buf_add_str(&page->out, "</body>\n</html>\n");
}

const struct page_ops page_html_ops = {
    .begin = html_begin,
    .heading = html_heading,
    .text = html_text,
    .item = html_item,
    .table = html_table,
    .draw = html_draw,
    .end = html_end,
};
