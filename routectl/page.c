/* A document for people, described once: whoever describes a report says what is in it and never how it is written, so that its Markdown
 * and its HTML say the same. Tables are collected whole, because Markdown that is to be read as it stands needs to know its widths. */
#include "routectl/page_forms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/figures.h"
#include "shared/alloc.h"

struct page *page_new(enum page_form form, const char *title)
{
    struct page *page = alloc_zero(1, sizeof *page);
    page->ops = form == PAGE_HTML ? &page_html_ops : &page_markdown_ops;
    page->ops->begin(page, title);
    return page;
}

static void table_clear(struct page_table *table)
{
    for (size_t i = 0; i < table->rows * table->columns_len; i++)
        free(table->texts[i]);
    free(table->texts);
    free(table->styles);
    *table = (struct page_table){0};
}

struct page *page_free(struct page *page)
{
    if (!page)
        return NULL;
    table_clear(&page->table);
    buf_done(&page->out);
    free(page);
    return NULL;
}

void page_freep(struct page **page)
{
    *page = page_free(*page);
}

/* Something else than an item comes. */
static void leave_list(struct page *page, bool half)
{
    if (page->in_list || (page->in_half && !half))
        page->ops->item(page, NULL, false);
    page->in_list = false;
    page->in_half = page->in_half && half;
}

void page_heading(struct page *page, int level, const char *fmt, ...)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    leave_list(page, false);
    page->ops->heading(page, level, buf_str(&text));
}

void page_text(struct page *page, const char *fmt, ...)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    leave_list(page, false);
    page->ops->text(page, buf_str(&text));
}

void page_item(struct page *page, const char *fmt, ...)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (!page->in_list)
        leave_list(page, false);
    page->ops->item(page, buf_str(&text), !page->in_list);
    page->in_list = true;
}

void page_table(struct page *page, const struct page_column *columns, size_t len)
{
    table_clear(&page->table);
    page->table.columns = columns;
    page->table.columns_len = len < PAGE_COLUMNS_MAX ? len : PAGE_COLUMNS_MAX;
}

static char *cell_text(const struct cell *cell)
{
    char number[48];
    if (cell->shown[0])
        return alloc_string(cell->shown);
    switch (cell->kind) {
    case CELL_STRING:
        return alloc_string(cell->string);
    case CELL_NUMBER:
        return alloc_printf("%.6g", cell->number);
    case CELL_INTEGER:
        return alloc_string(figure_thousands(number, sizeof number, cell->integer));
    case CELL_BOOL:
        return alloc_string(cell->yes ? "yes" : "no");
    default:
        return alloc_string("-");
    }
}

void page_row(struct page *page, const struct cell *cells)
{
    struct page_table *table = &page->table;
    size_t len = table->columns_len;
    if (table->rows == table->size) {
        table->size = table->size ? 2 * table->size : 16;
        table->texts = alloc_resize(table->texts, table->size * len, sizeof *table->texts);
        table->styles = alloc_resize(table->styles, table->size * len, sizeof *table->styles);
    }
    for (size_t c = 0; c < len; c++) {
        table->texts[table->rows * len + c] = cell_text(&cells[c]);
        table->styles[table->rows * len + c] = cells[c].style;
    }
    table->rows++;
}

void page_table_end(struct page *page)
{
    leave_list(page, false);
    page->ops->table(page, &page->table);
    table_clear(&page->table);
}

void page_draw(struct page *page, const struct page_picture *picture, const struct series *series, size_t len)
{
    leave_list(page, picture->half);
    page->ops->draw(page, picture, series, len);
}

char *page_take(struct page *page)
{
    leave_list(page, false);
    page->ops->end(page);
    return buf_take(&page->out);
}
