/* Files that are replaced whole or not at all, and files that are put out of the way: what ledger.c, state.c and file.c have in common. */
#ifndef PROBED_STORE_REPLACE_H
#define PROBED_STORE_REPLACE_H

#include <stddef.h>

#include "shared/err.h"

/* A descriptor of the directory that file is in (made, 0700, if only it is missing), or -errno. */
int directory_of(const char *file, struct err *err) ATTR_UNUSED_RESULT;
int write_all(int fd, const char *data, size_t len) ATTR_UNUSED_RESULT;
/* Writes a new file (0600, over what may be left of an earlier try) and syncs it. Its descriptor, opened for writing with `flags` (O_APPEND), or
 * -errno and no file. */
int write_temporary(const char *temporary, const char *data, size_t len, int flags) ATTR_UNUSED_RESULT;
/* Renames it over `file` and syncs the directory. 0, or -errno with the old file untouched and the temporary one gone. */
int rename_into_place(const char *temporary, const char *file, int directory) ATTR_UNUSED_RESULT;
/* Renames file to file.bad (or file.bad.2 ...), never over another. 0 and its new name, to be freed; or -errno (-EEXIST: there are too many). */
int rename_aside(const char *file, char **ret) ATTR_UNUSED_RESULT;
/* The same: 0, with err saying where to; or -errno, with err said. */
int set_aside(const char *file, struct err *err) ATTR_UNUSED_RESULT;

#endif
