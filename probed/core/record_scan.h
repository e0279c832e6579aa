/* One pass over the bytes of a line of JSON: each call takes what is expected next, or says that it is not there. */
#ifndef PROBED_CORE_RECORD_SCAN_H
#define PROBED_CORE_RECORD_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define SCAN_NUMBER_MAX 64 /* digits and all */

struct scan {
    const char *at, *end;
};

static inline void scan_space(struct scan *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

static inline bool scan_take(struct scan *r, char c)
{
    scan_space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static inline bool scan_take_word(struct scan *r, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

/* A JSON string into dst (size bytes with NUL; NULL = only skipped). -EINVAL: it is none; -E2BIG: it does not fit; -EILSEQ: it is not UTF-8. */
int scan_take_string(struct scan *r, char *dst, size_t size);
/* -E2BIG: longer than SCAN_NUMBER_MAX; -EINVAL: no number, or none that a double can be. */
int scan_take_number(struct scan *r, double *ret);
/* Any value, of at most 32 levels. -EINVAL. */
int scan_skip_value(struct scan *r);

#endif
