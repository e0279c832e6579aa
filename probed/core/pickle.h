/* Plain values to bytes and back, with one description for both directions: a struct's *_pickle function names its members once, in order, and a
 * struct pickle either writes them or reads them.
 *
 * Bytes may be hostile: a reader checks every length and range, and numbers that are no numbers are refused. After the first thing that is wrong nothing more
 * is read (members keep what they had), and pickle_fine is false. Numbers are little-endian; the bytes are for the program that wrote them, or one of
 * the same layout (a version stands in front), not for other programs. */
#ifndef PROBED_CORE_PICKLE_H
#define PROBED_CORE_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/units.h"

#define PICKLE_MOST 1e18 /* no number in the core is larger */

struct pickle {
    struct buf *to;         /* writing; NULL = reading */
    const uint8_t *at, *end; /* reading: what is left */
    usec_t latest;          /* reading: no time is later; 0 = none known yet */
    bool bad;
};

static inline bool pickle_reads(const struct pickle *p) { return p->to == NULL; }
static inline bool pickle_fine(const struct pickle *p) { return !p->bad; }

void pickle_u8(struct pickle *p, uint8_t *v);
void pickle_u16(struct pickle *p, uint16_t *v);
void pickle_u32(struct pickle *p, uint32_t *v);
void pickle_u64(struct pickle *p, uint64_t *v);
void pickle_i32(struct pickle *p, int32_t *v);
void pickle_i64(struct pickle *p, int64_t *v); /* times and money: within +-9e18 */
void pickle_bool(struct pickle *p, bool *v);
void pickle_float(struct pickle *p, float *v);
void pickle_double(struct pickle *p, double *v);
#define PICKLE(p, v)                                                                                                                       \
    _Generic((v), uint8_t *: pickle_u8, uint16_t *: pickle_u16, uint32_t *: pickle_u32, uint64_t *: pickle_u64, int32_t *: pickle_i32,      \
             int64_t *: pickle_i64, bool *: pickle_bool, float *: pickle_float, double *: pickle_double)(p, v)

/* Read: must lie in between. */
void pickle_part(struct pickle *p, double *v, double least, double most);
void pickle_below(struct pickle *p, uint8_t *v, unsigned limit); /* < limit */
void pickle_time(struct pickle *p, usec_t *v);                   /* to the year 2100; a little before 0 for "long ago" */
/* A NUL-terminated text in an array of `size` bytes; read: shorter than that; what is no UTF-8 is cut off. */
void pickle_text(struct pickle *p, char *v, size_t size);
/* How many follow: read: at most `most`, else bad and 0. */
void pickle_count(struct pickle *p, size_t *v, size_t most);
/* Whatever one does not want is skipped: a size stands in front of the part. Writing: begin, then end with what begin gave. Reading: begin gives where it
 * ends (NULL when bad), end goes there. */
size_t pickle_begin(struct pickle *p, const uint8_t **end);
void pickle_end(struct pickle *p, size_t begun, const uint8_t *end);

#endif
