/* Between page.c, which collects, and the two forms, which render. For no one else. */
#ifndef ROUTECTL_PAGE_FORMS_H
#define ROUTECTL_PAGE_FORMS_H

#include "routectl/page.h"

struct page_table {
    const struct page_column *columns;
    size_t columns_len;
    char **texts; /* rows * columns_len, as people read them, not yet escaped */
    enum style *styles;
    size_t rows, size;
};

struct page_ops {
    void (*begin)(struct page *page, const char *title);
    void (*heading)(struct page *page, int level, const char *text);
    void (*text)(struct page *page, const char *text);
    void (*item)(struct page *page, const char *text, bool first);
    void (*table)(struct page *page, const struct page_table *table);
    void (*draw)(struct page *page, const struct page_picture *picture, const struct series *series, size_t len);
    void (*end)(struct page *page);
};

struct page {
    const struct page_ops *ops;
    struct buf out;
    bool in_list, in_half; /* the last thing was an item; a picture that another may stand beside */
    struct page_table table;
};

extern const struct page_ops page_markdown_ops, page_html_ops;

#endif
