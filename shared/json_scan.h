/* Inside shared/json only: is this one whole JSON text, within our caps? */
#ifndef SHARED_JSON_SCAN_H
#define SHARED_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/err.h"

/* 0, or -EINVAL with the byte and the reason said. mended: NULL, or len bytes that hold a copy of data, in which every escape that the
 * parser could not keep (\u0000, half a surrogate pair) is replaced by \ufffd. *ret_mends counts them either way. */
int json_scan(const char *data, size_t len, char *mended, size_t *ret_mends, struct err *err) ATTR_UNUSED_RESULT;

#endif
