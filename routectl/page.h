/* A document for people, described once and written as Markdown or as one page of HTML. */
#ifndef ROUTECTL_PAGE_H
#define ROUTECTL_PAGE_H

#include "routectl/series.h"
#include "routectl/writer.h"

enum page_form { PAGE_MARKDOWN, PAGE_HTML };

struct page;

struct page_column {
    const char *title;
    bool right; /* numbers */
};
#define PAGE_COLUMNS_MAX 20

struct page_picture {
    const char *caption; /* may be hostile */
    enum series_unit unit;
    double since, until; /* Unix seconds */
    double rule;         /* a target; NAN = none */
    const char *rule_label;
    unsigned first_colour;
    bool half; /* two of them stand side by side where there is room */
};

/* All text may be hostile and is made harmless here. */
struct page *page_new(enum page_form form, const char *title);
struct page *page_free(struct page *page); /* NULL is fine; returns NULL */
void page_freep(struct page **page);

void page_heading(struct page *page, int level, const char *fmt, ...) ATTR_PRINTF(3, 4); /* 1 to 3; 1 once, first */
void page_text(struct page *page, const char *fmt, ...) ATTR_PRINTF(2, 3);               /* a paragraph */
void page_item(struct page *page, const char *fmt, ...) ATTR_PRINTF(2, 3);               /* of a list; they follow one another */
/* columns: borrowed until page_table_end. */
void page_table(struct page *page, const struct page_column *columns, size_t len);
void page_row(struct page *page, const struct cell *cells); /* one a column; strings are copied */
void page_table_end(struct page *page);
void page_draw(struct page *page, const struct page_picture *picture, const struct series *series, size_t len);
/* Ends the document and gives it away. Caller frees. */
char *page_take(struct page *page);

#endif
