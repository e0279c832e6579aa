/* Allocation that cannot fail: out of memory ends the program with a message, since nothing sensible is left to do.
 * Sizes that come from outside are capped by the caller before they get here. */
#ifndef SHARED_ALLOC_H
#define SHARED_ALLOC_H

#include <stddef.h>

void *alloc_zero(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *alloc_resize(void *p, size_t count, size_t size) __attribute__((returns_nonnull, warn_unused_result));
char *alloc_string(const char *s) __attribute__((malloc, returns_nonnull, nonnull));
char *alloc_string_n(const char *s, size_t len) __attribute__((malloc, returns_nonnull));
char *alloc_printf(const char *fmt, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));
/* For CLEANUP(alloc_freep) on a pointer variable. */
void alloc_freep(void *pointer_to_pointer);

#endif
