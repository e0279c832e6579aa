/* A whole file put in its place. */
#ifndef ROUTECTL_PLACE_H
#define ROUTECTL_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/compiler.h"

/* Written beside its place, synced, and renamed: nobody ever sees half of it. What is no regular file (a pipe, /dev/stdout) is written in
 * place. 0 or -errno. */
int place_write(const char *file, const char *data, size_t len) ATTR_UNUSED_RESULT;

/* The same for what comes piece by piece. A descriptor to write to, or -errno; *ret_beside: the name that it has until it is whole (caller frees), NULL = it is written in
 * place (a pipe, a device). place_close puts it in its place if it is whole, and away if not; 0 or -errno. */
int place_open(const char *file, char **ret_beside) ATTR_UNUSED_RESULT;
int place_close(int fd, const char *file, const char *beside, bool whole) ATTR_UNUSED_RESULT;

#endif
