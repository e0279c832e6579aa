/* Text from outside made harmless for HTML (and SVG) and for Markdown. */
#ifndef ROUTECTL_MARKUP_H
#define ROUTECTL_MARKUP_H

#include <stdbool.h>

#include "shared/buf.h"

/* For text and for quoted attributes. Control characters and what reorders text are visible escapes, as on a terminal. */
void markup_html(struct buf *ret, const char *text);
/* No emphasis, no link, no HTML, no new column of a table comes out of it; and where it begins a line no heading and no list. */
void markup_markdown(struct buf *ret, const char *text, bool begins_line);

#endif
