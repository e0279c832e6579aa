/* A report as a document. */
#ifndef ROUTECTL_REPORT_PAGE_H
#define ROUTECTL_REPORT_PAGE_H

#include "routectl/page.h"
#include "routectl/report_facts.h"

/* The title of its document. */
void report_title(const struct report *report, struct buf *ret);
/* All of it; ends with what the words in it mean. */
void report_write(const struct report *report, struct page *page);

#endif
