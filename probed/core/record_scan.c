/* JSON by its grammar, from bytes that may be anything.
 *
 * No tree and no memory: whoever calls knows what should come, and values that nobody asked for are passed over. Strings come out decoded, with
 * U+FFFD for what a C string cannot hold (NUL, half a surrogate pair). It never reads beyond the end that it was given. */
#include "probed/core/record_scan.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "shared/text.h"

#define NEST_MAX 32

static int hex4(struct scan *r, uint32_t *ret)
{
    uint32_t value = 0;

    if (r->end - r->at < 4)
        return -EINVAL;
    for (int i = 0; i < 4; i++) {
        char c = *r->at++;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

        if (digit < 0)
            return -EINVAL;
        value = value << 4 | (uint32_t)digit;
    }
    *ret = value;
    return 0;
}

/* After the backslash. */
static int take_escape(struct scan *r, uint32_t *ret)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t low;

    if (r->at == r->end)
        return -EINVAL;
    char c = *r->at++;
    const char *found = c ? strchr(from, c) : NULL;

    if (found) {
        *ret = (unsigned char)to[found - from];
        return 0;
    }
    if (c != 'u' || hex4(r, ret) < 0)
        return -EINVAL;
    if (*ret >= 0xd800 && *ret < 0xdc00) {
        const char *back = r->at;

        if (scan_take_word(r, "\\u") && hex4(r, &low) == 0 && low >= 0xdc00 && low < 0xe000) {
            *ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
            return 0;
        }
        r->at = back;
    }
    if (*ret == 0 || (*ret >= 0xd800 && *ret < 0xe000))
        *ret = 0xfffd; /* what a C string cannot hold */
    return 0;
}

int scan_take_string(struct scan *r, char *dst, size_t size)
{
    size_t len = 0;
    bool fits = true;

    if (!scan_take(r, '"'))
        return -EINVAL;
    while (r->at < r->end && *r->at != '"') {
        char bytes[4] = {*r->at++};
        size_t n = 1;

        if ((unsigned char)bytes[0] < 0x20)
            return -EINVAL;
        if (bytes[0] == '\\') {
            uint32_t c;

            if (take_escape(r, &c) < 0)
                return -EINVAL;
            n = text_encode(bytes, c);
        }
        if (!dst)
            continue;
        fits = fits && len + n < size;
        if (fits)
            memcpy(dst + len, bytes, n);
        len += fits ? n : 0;
    }
    if (r->at == r->end)
        return -EINVAL;
    r->at++;
    if (!dst)
        return 0;
    dst[len] = '\0';
    if (!fits)
        return -E2BIG; /* and perhaps cut inside a character */
    return text_is_utf8(dst, len) ? 0 : -EILSEQ;
}

static bool pass_digits(struct scan *r)
{
    const char *begin = r->at;

    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > begin;
}

static bool take_any(struct scan *r, const char *any)
{
    if (r->at == r->end || *r->at == '\0' || !strchr(any, *r->at))
        return false;
    r->at++;
    return true;
}

/* By JSON's grammar, which strtod does not know. */
static int pass_number(struct scan *r)
{
    take_any(r, "-");
    if (!take_any(r, "0") && !pass_digits(r))
        return -EINVAL;
    if (take_any(r, ".") && !pass_digits(r))
        return -EINVAL;
    if (!take_any(r, "eE"))
        return 0;
    take_any(r, "+-");
    return pass_digits(r) ? 0 : -EINVAL;
}

int scan_take_number(struct scan *r, double *ret)
{
    char text[SCAN_NUMBER_MAX + 1];
    const char *begin = r->at;

    if (pass_number(r) < 0)
        return -EINVAL;
    size_t len = (size_t)(r->at - begin);

    if (len > SCAN_NUMBER_MAX)
        return -E2BIG;
    memcpy(text, begin, len);
    text[len] = '\0';
    *ret = strtod(text, NULL);
    return isfinite(*ret) ? 0 : -EINVAL;
}

static int skip_nested(struct scan *r, int depth);

/* After the bracket; objects have names. */
static int skip_items(struct scan *r, char close, int depth)
{
    if (depth > NEST_MAX)
        return -EINVAL;
    if (scan_take(r, close))
        return 0;
    do {
        if (close == '}' && (scan_take_string(r, NULL, 0) < 0 || !scan_take(r, ':')))
            return -EINVAL;
        if (skip_nested(r, depth) < 0)
            return -EINVAL;
    } while (scan_take(r, ','));
    return scan_take(r, close) ? 0 : -EINVAL;
}

static int skip_nested(struct scan *r, int depth)
{
    if (scan_take(r, '{'))
        return skip_items(r, '}', depth + 1);
    if (scan_take(r, '['))
        return skip_items(r, ']', depth + 1);
    if (r->at < r->end && *r->at == '"')
        return scan_take_string(r, NULL, 0);
    return scan_take_word(r, "true") || scan_take_word(r, "false") || scan_take_word(r, "null") ? 0 : pass_number(r);
}

int scan_skip_value(struct scan *r)
{
    return skip_nested(r, 0);
}
