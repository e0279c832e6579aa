/* A strict validator that runs over bytes before the parser does.
 *
 * cJSON takes much that is no JSON (control characters as blanks and inside strings, "01", "1.", a NUL escape that ends a string early,
 * bytes that are no UTF-8), refuses half surrogate pairs that JavaScript relays do send when they cut a stream inside an emoji, and will
 * allocate 64 bytes for every "1," of a hostile body. So RFC 8259 is checked here in one pass without memory: grammar, UTF-8, depth,
 * the number of values, the length of numbers. The recursion is as deep as JSON_DEPTH_MAX allows and no deeper.
 * What JSON allows and a C string cannot hold is mended rather than refused: one such character must not make an answer invalid. */
#include "shared/json_scan.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "shared/json.h"
#include "shared/text.h"

/* Longer ones the parser would cut in two. */
#define NUMBER_MAX 60

struct scan {
    const char *data;
    size_t len, at;
    char *mended; /* may be NULL */
    size_t mends, values;
    unsigned depth;
    const char *why; /* the first fault; NULL = none */
};

static bool scan_value(struct scan *s);

static bool fault(struct scan *s, const char *why)
{
    if (!s->why)
        s->why = s->at >= s->len ? "it ends in the middle" : why;
    return false;
}

static int peek(const struct scan *s)
{
    return s->at < s->len ? (unsigned char)s->data[s->at] : -1;
}

static void skip_blanks(struct scan *s)
{
    int c;
    while ((c = peek(s)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        s->at++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool scan_digits(struct scan *s)
{
    if (!is_digit(peek(s)))
        return fault(s, "a digit is missing");
    while (is_digit(peek(s)))
        s->at++;
    return true;
}

static bool scan_number(struct scan *s)
{
    size_t start = s->at;
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (!scan_digits(s))
        return false;
    if (peek(s) == '.') {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (s->at - start > NUMBER_MAX) {
        s->why = "a number is too long";
        return false;
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    if (n > s->len - s->at || memcmp(s->data + s->at, word, n) != 0) {
        s->why = "an unknown word";
        return false;
    }
    s->at += n;
    return true;
}

/* Four hex digits at s->at. -1 = they are not. */
static int hex4(const struct scan *s, size_t at)
{
    if (s->len - at < 4)
        return -1;
    int value = 0;
    for (size_t i = 0; i < 4; i++) {
        int c = (unsigned char)s->data[at + i];
        int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void mend(struct scan *s, size_t at)
{
    s->mends++;
    if (s->mended)
        memcpy(s->mended + at, "fffd", 4);
}

/* s->at is behind "\u". */
static bool scan_unicode_escape(struct scan *s)
{
    int c = hex4(s, s->at);
    if (c < 0)
        return fault(s, "\\u without four hex digits");
    size_t digits = s->at;
    s->at += 4;
    if (c == 0 || (c >= 0xDC00 && c <= 0xDFFF)) {
        mend(s, digits);
    } else if (c >= 0xD800 && c <= 0xDBFF) {
        int second = s->len - s->at >= 6 && s->data[s->at] == '\\' && s->data[s->at + 1] == 'u' ? hex4(s, s->at + 2) : -1;
        if (second >= 0xDC00 && second <= 0xDFFF)
            s->at += 6;
        else
            mend(s, digits);
    }
    return true;
}

/* s->at is behind the opening quote. */
static bool scan_string(struct scan *s)
{
    for (;;) {
        int c = peek(s);
        if (c < 0)
            return fault(s, "");
        if (c < 0x20)
            return fault(s, "a control character inside a string");
        if (c >= 0x80) {
            uint32_t wide;
            size_t n = text_decode(s->data + s->at, s->len - s->at, &wide);
            if (wide == TEXT_BROKEN) {
                s->why = "bytes that are no UTF-8";
                return false;
            }
            s->at += n;
            continue;
        }
        s->at++;
        if (c == '"')
            return true;
        if (c != '\\')
            continue;
        c = peek(s);
        if (c < 0 || !strchr("\"\\/bfnrtu", c) || c == 0)
            return fault(s, "an unknown escape in a string");
        s->at++;
        if (c == 'u' && !scan_unicode_escape(s))
            return false;
    }
}

static bool scan_member_name(struct scan *s)
{
    if (peek(s) != '"')
        return fault(s, "a member's name is missing");
    s->at++;
    if (!scan_string(s))
        return false;
    skip_blanks(s);
    if (peek(s) != ':')
        return fault(s, "a colon is missing");
    s->at++;
    return true;
}

/* Object or array; s->at is behind the opening bracket. */
static bool scan_container(struct scan *s, char close)
{
    if (++s->depth > JSON_DEPTH_MAX) {
        s->why = "it is nested too deeply";
        return false;
    }
    skip_blanks(s);
    if (peek(s) == close) {
        s->at++;
        s->depth--;
        return true;
    }
    for (;;) {
        skip_blanks(s);
        if (close == '}' && !scan_member_name(s))
            return false;
        if (!scan_value(s))
            return false;
        skip_blanks(s);
        int c = peek(s);
        if (c != ',' && c != close)
            return fault(s, "a comma or a closing bracket is missing");
        s->at++;
        if (c == close)
            break;
    }
    s->depth--;
    return true;
}

static bool scan_value(struct scan *s)
{
    if (++s->values > JSON_VALUES_MAX) {
        s->why = "it holds too many values";
        return false;
    }
    skip_blanks(s);
    int c = peek(s);
    switch (c) {
    case '{':
        s->at++;
        return scan_container(s, '}');
    case '[':
        s->at++;
        return scan_container(s, ']');
    case '"':
        s->at++;
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (c == '-' || is_digit(c))
            return scan_number(s);
        return fault(s, "a value is missing");
    }
}

int json_scan(const char *data, size_t len, char *mended, size_t *ret_mends, struct err *err)
{
    struct scan s = {.data = data, .len = len, .mended = mended};
    skip_blanks(&s);
    if (s.at >= len)
        return err_set(err, -EINVAL, "not JSON: empty");
    if (scan_value(&s)) {
        skip_blanks(&s);
        if (s.at < len)
            s.why = "more follows after its end";
    }
    if (s.why)
        return err_set(err, -EINVAL, "not JSON: %s (byte %zu of %zu)", s.why, s.at, len);
    *ret_mends = s.mends;
    return 0;
}
