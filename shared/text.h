/* Text for people: display width (中文 is two columns a character), padding, and making hostile text harmless.
 *
 * All input is bytes that should be UTF-8 and may not be; what is broken becomes U+FFFD. Width is the C library's wcwidth
 * in a UTF-8 locale of our own (newlocale), so that the caller's LC_CTYPE does not matter. */
#ifndef SHARED_TEXT_H
#define SHARED_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"

/* One character from the first bytes of s: its length is returned (0 only if len is 0), the character goes to *ret; TEXT_BROKEN = these
 * bytes are no UTF-8. text_encode writes 1 to 4 bytes and returns how many. */
#define TEXT_BROKEN UINT32_MAX
size_t text_decode(const char *s, size_t len, uint32_t *ret);
size_t text_encode(char ret[4], uint32_t c);
/* Control characters, bidi controls, line separators and what hides: nothing that should reach a terminal raw. */
bool text_is_harmful(uint32_t c);

size_t text_width(const char *s); /* columns */
/* Appends s cut to at most `columns` (with "…" if cut) and, with `pad`, filled with spaces up to it (left- or right-aligned).
 * Harmful and broken characters become U+FFFD: a cell is always safe to print and takes the columns it says. */
enum text_align { TEXT_LEFT, TEXT_RIGHT };
void text_add_cell(struct buf *ret, const char *s, size_t columns, enum text_align align, bool pad);

/* Appends at most max_chars characters of s with control characters (C0, C1, DEL, bidi overrides, line separators) as
 * visible escapes (\n, \x1b, \u202e) and broken UTF-8 as U+FFFD: safe on a terminal and in one journal line. */
void text_escape_terminal(struct buf *ret, const char *s, size_t len, size_t max_chars);
/* Copies s into dst (size bytes with NUL) as valid UTF-8, never cutting a character in half. Returns dst. */
char *text_copy(char *dst, size_t size, const char *s, size_t len);
bool text_is_utf8(const char *s, size_t len);
/* Appends s quoted for a POSIX shell: 'it'\''s'. */
void text_shell_quote(struct buf *ret, const char *s);
/* The candidate nearest to `word` by edit distance, if near enough to be a typing mistake; else NULL. */
const char *text_nearest(const char *word, const char *const *candidates, size_t len);

#endif
