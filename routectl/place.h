/* A whole file put in its place. */
#ifndef ROUTECTL_PLACE_H
#define ROUTECTL_PLACE_H

#include <stddef.h>

#include "shared/compiler.h"

/* Written beside its place, synced, and renamed: nobody ever sees half of it. What is no regular file (a pipe, /dev/stdout) is written in
 * place. 0 or -errno. */
int place_write(const char *file, const char *data, size_t len) ATTR_UNUSED_RESULT;

#endif
