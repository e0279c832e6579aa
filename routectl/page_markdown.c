/* A document as Markdown that is also good to read as it stands, in a terminal: tables are padded by display width, pictures are drawn with
 * braille in a code block. */
#include "routectl/page_forms.h"

#include <stdlib.h>
#include <string.h>

#include "routectl/markup.h"
#include "routectl/plot.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define PICTURE_COLUMNS 76
#define PICTURE_ROWS    12
#define CELL_WIDE       200 /* columns that a cell is padded to, at most */

static void add_times(struct buf *out, char c, size_t n)
{
    while (n-- > 0)
        buf_add_char(out, c);
}

static void markdown_begin(struct page *page, const char *title)
{
    (void)page;
    (void)title; /* its first heading says it */
}

static void markdown_heading(struct page *page, int level, const char *text)
{
    if (page->out.len > 0)
        buf_add_char(&page->out, '\n');
    add_times(&page->out, '#', (size_t)level);
    buf_add_char(&page->out, ' ');
    markup_markdown(&page->out, text, false);
    buf_add_str(&page->out, "\n");
}

static void markdown_text(struct page *page, const char *text)
{
    buf_add_char(&page->out, '\n');
    markup_markdown(&page->out, text, true);
    buf_add_char(&page->out, '\n');
}

static void markdown_item(struct page *page, const char *text, bool first)
{
    if (!text)
        return;
    buf_add_str(&page->out, first ? "\n- " : "- ");
    markup_markdown(&page->out, text, true);
    buf_add_char(&page->out, '\n');
}

static void add_row(struct buf *out, const struct page_table *table, const struct buf *cells, const size_t *widths)
{
    buf_add_char(out, '|');
    for (size_t c = 0; c < table->columns_len; c++) {
        size_t width = text_width(buf_str(&cells[c])), pad = widths[c] > width ? widths[c] - width : 0;
        buf_add_char(out, ' ');
        add_times(out, ' ', table->columns[c].right ? pad : 0);
        buf_add(out, buf_str(&cells[c]), cells[c].len);
        add_times(out, ' ', table->columns[c].right ? 0 : pad);
        buf_add_str(out, " |");
    }
    buf_add_char(out, '\n');
}

static void markdown_table(struct page *page, const struct page_table *table)
{
    size_t len = table->columns_len, cells = (table->rows + 1) * len;
    struct buf *escaped = alloc_zero(cells + 1, sizeof *escaped);
    size_t widths[PAGE_COLUMNS_MAX] = {0};

    for (size_t i = 0; i < cells; i++) {
        markup_markdown(&escaped[i], i < len ? table->columns[i].title : table->texts[i - len], false);
        size_t width = text_width(buf_str(&escaped[i]));
        widths[i % len] = width > widths[i % len] ? width : widths[i % len];
    }
    for (size_t c = 0; c < len; c++) {
        widths[c] = widths[c] < 3 ? 3 : widths[c] > CELL_WIDE ? CELL_WIDE : widths[c];
    }
    buf_add_char(&page->out, '\n');
    add_row(&page->out, table, escaped, widths);
    for (size_t c = 0; c < len; c++) {
        buf_add_str(&page->out, c == 0 ? "| " : " ");
        add_times(&page->out, '-', widths[c] - (table->columns[c].right ? 1 : 0));
        buf_add_str(&page->out, table->columns[c].right ? ": |" : " |");
    }
    buf_add_char(&page->out, '\n');
    for (size_t row = 1; row <= table->rows; row++)
        add_row(&page->out, table, &escaped[row * len], widths);
    for (size_t i = 0; i < cells; i++)
        buf_done(&escaped[i]);
    free(escaped);
}

static void markdown_draw(struct page *page, const struct page_picture *picture, const struct series *series, size_t len)
{
    struct buf lines CLEANUP(buf_done) = BUF_INIT;
    struct plot_setup setup = {.unit = picture->unit,
                               .since = picture->since,
                               .until = picture->until,
                               .columns = PICTURE_COLUMNS,
                               .rows = len > 1 ? 0 : PICTURE_ROWS};

    buf_add_char(&page->out, '\n');
    markup_markdown(&page->out, picture->caption, true);
    buf_add_str(&page->out, "\n\n```\n");
    plot_draw(&setup, series, len, &lines);
    for (char *rest = lines.data, *line; rest && *rest && (line = strsep(&rest, "\n"));) {
        size_t wide = strlen(line);
        while (wide > 0 && line[wide - 1] == ' ')
            wide--;
        /* A name may be three backticks: they must not end the block. */
        for (size_t i = 0; i < wide; i++)
            buf_add_char(&page->out, line[i] == '`' ? '\'' : line[i]);
        buf_add_char(&page->out, '\n');
    }
    buf_add_str(&page->out, "```\n");
}

static void markdown_end(struct page *page)
{
    (void)page;
}

const struct page_ops page_markdown_ops = {
    .begin = markdown_begin,
    .heading = markdown_heading,
    .text = markdown_text,
    .item = markdown_item,
    .table = markdown_table,
    .draw = markdown_draw,
    .end = markdown_end,
};
