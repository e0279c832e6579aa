/* Text for people: width, cells, escapes, and the one UTF-8 decoder that everything else uses.
 *
 * Decoding is strict (no overlong forms, no surrogates, nothing beyond U+10FFFF); what is broken is told from a real U+FFFD and becomes
 * one, a maximal broken piece at a time, as Unicode recommends. A harmful character is one that moves a terminal's cursor, reorders what
 * is read or hides: in a cell it becomes U+FFFD too, in an escaped line it becomes visible. The only state is a locale object made at the
 * first question about width and kept for the life of the process; uselocale is the calling thread's own, so threads may ask at once.
 * Nothing here trusts a length or a NUL, and nothing here fails. */
#include "shared/text.h"

#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#define REPLACEMENT 0xFFFDu
#define ELLIPSIS    "\xE2\x80\xA6"
/* More marks on one character are a way to flood a terminal, not a language. */
#define MARKS_MAX 4

static pthread_once_t width_once = PTHREAD_ONCE_INIT;
static locale_t width_locale;

static void width_init(void)
{
    width_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

size_t text_decode(const char *s, size_t len, uint32_t *ret)
{
    const unsigned char *p = (const unsigned char *)s;
    *ret = TEXT_BROKEN;
    if (len == 0)
        return 0;
    unsigned char first = p[0];
    if (first < 0x80) {
        *ret = first;
        return 1;
    }
    /* The second byte's range excludes overlong forms, surrogates and what is beyond U+10FFFF; the others are plain. */
    size_t want;
    unsigned char low = 0x80, high = 0xBF;
    uint32_t c;
    if (first >= 0xC2 && first <= 0xDF) {
        want = 2;
        c = first & 0x1Fu;
    } else if (first >= 0xE0 && first <= 0xEF) {
        want = 3;
        c = first & 0x0Fu;
        if (first == 0xE0)
            low = 0xA0;
        if (first == 0xED)
            high = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
        want = 4;
        c = first & 0x07u;
        if (first == 0xF0)
            low = 0x90;
        if (first == 0xF4)
            high = 0x8F;
    } else {
        return 1;
    }
    for (size_t i = 1; i < want; i++) {
        if (i >= len || p[i] < low || p[i] > high)
            return i;
        c = c << 6 | (p[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *ret = c;
    return want;
}

size_t text_encode(char ret[4], uint32_t c)
{
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        ret[0] = (char)(0xC0 | c >> 6);
        ret[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        c = REPLACEMENT;
    if (c < 0x10000) {
        ret[0] = (char)(0xE0 | c >> 12);
        ret[1] = (char)(0x80 | (c >> 6 & 0x3F));
        ret[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    ret[0] = (char)(0xF0 | c >> 18);
    ret[1] = (char)(0x80 | (c >> 12 & 0x3F));
    ret[2] = (char)(0x80 | (c >> 6 & 0x3F));
    ret[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

bool text_is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F)           /* C0, DEL, C1 */
           || c == 0xAD                                   /* soft hyphen: seen or not as the terminal likes */
           || c == 0x061C || (c >= 0x200B && c <= 0x200F) /* zero-width spaces and joiners, direction marks */
           || (c >= 0x2028 && c <= 0x202E)                /* line separators, bidi embeddings and overrides */
           || (c >= 0x2060 && c <= 0x206F)                /* word joiner, isolates, deprecated format characters */
           || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE007F); /* hidden tags */
}

/* Columns of one character under the locale in force. */
static size_t columns_of(uint32_t c)
{
    if (c == TEXT_BROKEN || text_is_harmful(c))
        return 1;
    int w = c < 0x7F ? 1 : wcwidth((wchar_t)c);
    return w < 0 ? 1 : (size_t)w;
}

static locale_t width_begin(void)
{
    pthread_once(&width_once, width_init);
    return width_locale ? uselocale(width_locale) : (locale_t)0;
}

static void width_end(locale_t before)
{
    if (before)
        uselocale(before);
}

static size_t width_of(const char *s, size_t len)
{
    size_t columns = 0;
    while (len > 0) {
        uint32_t c;
        size_t n = text_decode(s, len, &c);
        columns += columns_of(c);
        s += n;
        len -= n;
    }
    return columns;
}

size_t text_width(const char *s)
{
    locale_t before = width_begin();
    size_t columns = width_of(s, strlen(s));
    width_end(before);
    return columns;
}

static void add_char(struct buf *ret, uint32_t c)
{
    char bytes[4];
    buf_add(ret, bytes, text_encode(bytes, c));
}

/* Appends characters of s as long as they fit; returns the columns they take. */
static size_t add_fitting(struct buf *ret, const char *s, size_t len, size_t columns)
{
    size_t used = 0;
    unsigned marks = MARKS_MAX; /* a mark without a character before it would sit on the neighbour's */
    while (len > 0) {
        uint32_t c;
        size_t n = text_decode(s, len, &c);
        size_t w = columns_of(c);
        if (w > columns - used)
            break;
        s += n;
        len -= n;
        marks = w ? 0 : marks + 1;
        if (marks > MARKS_MAX)
            continue;
        add_char(ret, c == TEXT_BROKEN || text_is_harmful(c) ? REPLACEMENT : c);
        used += w;
    }
    return used;
}

static void add_spaces(struct buf *ret, size_t n)
{
    while (n-- > 0)
        buf_add_char(ret, ' ');
}

void text_add_cell(struct buf *ret, const char *s, size_t columns, enum text_align align, bool pad)
{
    locale_t before = width_begin();
    size_t len = strlen(s), width = width_of(s, len);
    bool cut = width > columns;
    CLEANUP(buf_done) struct buf content = BUF_INIT;
    size_t used = 0;
    if (!cut) {
        used = add_fitting(&content, s, len, columns);
    } else if (columns > 0) {
        used = add_fitting(&content, s, len, columns - 1) + 1;
        buf_add_str(&content, ELLIPSIS);
    }
    width_end(before);

    size_t fill = pad && columns > used ? columns - used : 0;
    if (align == TEXT_RIGHT)
        add_spaces(ret, fill);
    buf_add(ret, buf_str(&content), content.len);
    if (align == TEXT_LEFT)
        add_spaces(ret, fill);
}

static void add_escape(struct buf *ret, uint32_t c)
{
    switch (c) {
    case '\n':
        buf_add_str(ret, "\\n");
        break;
    case '\r':
        buf_add_str(ret, "\\r");
        break;
    case '\t':
        buf_add_str(ret, "\\t");
        break;
    default:
        if (c < 0x80)
            buf_printf(ret, "\\x%02x", (unsigned)c);
        else if (c < 0x10000)
            buf_printf(ret, "\\u%04x", (unsigned)c);
        else
            buf_printf(ret, "\\U%08x", (unsigned)c);
    }
}

void text_escape_terminal(struct buf *ret, const char *s, size_t len, size_t max_chars)
{
    while (len > 0 && max_chars-- > 0) {
        uint32_t c;
        size_t n = text_decode(s, len, &c);
        if (c == TEXT_BROKEN)
            add_char(ret, REPLACEMENT);
        else if (text_is_harmful(c))
            add_escape(ret, c);
        else
            buf_add(ret, s, n);
        s += n;
        len -= n;
    }
}

char *text_copy(char *dst, size_t size, const char *s, size_t len)
{
    if (size == 0)
        return dst;
    size_t at = 0;
    while (len > 0) {
        uint32_t c;
        size_t n = text_decode(s, len, &c);
        char bytes[4];
        /* A NUL inside would end the copy early for its readers. */
        size_t need = text_encode(bytes, c == TEXT_BROKEN || c == 0 ? REPLACEMENT : c);
        if (need > size - 1 - at)
            break;
        memcpy(dst + at, bytes, need);
        at += need;
        s += n;
        len -= n;
    }
    dst[at] = '\0';
    return dst;
}

bool text_is_utf8(const char *s, size_t len)
{
    while (len > 0) {
        uint32_t c;
        size_t n = text_decode(s, len, &c);
        if (c == TEXT_BROKEN)
            return false;
        s += n;
        len -= n;
    }
    return true;
}

void text_shell_quote(struct buf *ret, const char *s)
{
    buf_add_char(ret, '\'');
    for (; *s; s++) {
        if (*s == '\'')
            buf_add_str(ret, "'\\''");
        else
            buf_add_char(ret, *s);
    }
    buf_add_char(ret, '\'');
}
