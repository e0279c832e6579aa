/* Allocation that cannot fail.
 *
 * A daemon that has no memory left cannot keep its promises (a reservation must be written, a table must be whole), and code that
 * pretends to handle it is never run by anybody. So out of memory is said on stderr and ends the program with abort(); systemd starts
 * it again. What makes this safe is that every size that comes from outside is capped before it gets here.
 *
 * Everything is freed with free(). Nothing here returns NULL; a request for nothing gives one byte, so that a pointer is always real.
 * Never called here: printf and friends while out of memory, since they may allocate. */
#include "shared/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/compiler.h"

static void out_of_memory(void) ATTR_NORETURN;
static void out_of_memory(void)
{
    static const char text[] = "<2>out of memory\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)written;
    abort();
}

void *alloc_zero(size_t count, size_t size)
{
    void *p = count == 0 || size == 0 ? calloc(1, 1) : calloc(count, size);
    if (!p)
        out_of_memory();
    return p;
}

void *alloc_resize(void *p, size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes))
        out_of_memory();
    /* realloc(p, 0) may free p and give NULL: one byte keeps the meaning plain. */
    void *q = realloc(p, bytes == 0 ? 1 : bytes);
    if (!q)
        out_of_memory();
    return q;
}

char *alloc_string(const char *s)
{
    return alloc_string_n(s, strlen(s));
}

char *alloc_string_n(const char *s, size_t len)
{
    if (len == SIZE_MAX)
        out_of_memory();
    char *copy = malloc(len + 1);
    if (!copy)
        out_of_memory();
    if (len > 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *alloc_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0)
        out_of_memory();
    return text;
}

void alloc_freep(void *pointer_to_pointer)
{
    void **p = pointer_to_pointer;
    free(*p);
    *p = NULL;
}
