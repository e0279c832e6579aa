/* Packing of price lists, and unpacking of small pictures. */
#ifndef RELAYSIM_DEFLATE_H
#define RELAYSIM_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"

/* A whole gzip file of `data` onto ret. */
void deflate_gzip(const char *data, size_t len, struct buf *ret);
/* Raw DEFLATE: at most `max` bytes onto ret. False: it is none, or there are more. */
bool deflate_unpack(const unsigned char *data, size_t len, size_t max, struct buf *ret) __attribute__((warn_unused_result));

#endif
