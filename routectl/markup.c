/* Text from outside made harmless for HTML and Markdown.
 *
 * First as for a terminal, because either may be looked at there and because control characters belong into neither; then what the language
 * itself would obey. In Markdown that is escaped by backslashes, and only where it would mean something, so that the source stays
 * readable: gpt_4o and a-b have none. Addresses would be made links by many readers even without brackets: the slashes of "http://" and the
 * dot of "www." are escaped too, which shows the same and links nothing. */
#include "routectl/markup.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "shared/text.h"

#define CHARS_MAX 4096

void markup_html(struct buf *ret, const char *text)
{
    struct buf safe CLEANUP(buf_done) = BUF_INIT;
    text_escape_terminal(&safe, text, strlen(text), CHARS_MAX);
    for (const char *s = buf_str(&safe); *s; s++) {
        switch (*s) {
        case '&':
            buf_add_str(ret, "&amp;");
            break;
        case '<':
            buf_add_str(ret, "&lt;");
            break;
        case '>':
            buf_add_str(ret, "&gt;");
            break;
        case '"':
            buf_add_str(ret, "&quot;");
            break;
        case '\'':
            buf_add_str(ret, "&#39;");
            break;
        default:
            buf_add_char(ret, *s);
            break;
        }
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Would Markdown obey the character at s? */
static bool is_special(const char *begin, const char *s, bool begins_line)
{
    bool first = s == begin;
    switch (*s) {
    case '\\':
    case '`':
    case '*':
    case '[':
    case ']':
    case '<':
    case '>':
    case '|':
    case '~':
    case '&':
    case '@':
        return true;
    case '_': /* within a word it is a letter */
        return first || !is_word(s[-1]) || !is_word(s[1]);
    case '#':
    case '+':
    case '-':
    case '=':
        return first && begins_line;
    case '/':
        return !first && (s[-1] == ':' || (s[-1] == '/' && s - begin > 1 && s[-2] == ':'));
    case '.':
        return (s - begin >= 3 && strncasecmp(s - 3, "www", 3) == 0) || (begins_line && strspn(begin, "0123456789") == (size_t)(s - begin));
    case ')':
        return begins_line && strspn(begin, "0123456789") == (size_t)(s - begin);
    default:
        return false;
    }
}

void markup_markdown(struct buf *ret, const char *text, bool begins_line)
{
    struct buf safe CLEANUP(buf_done) = BUF_INIT;
    text_escape_terminal(&safe, text, strlen(text), CHARS_MAX);
    const char *begin = buf_str(&safe);
    for (const char *s = begin; *s; s++) {
        if (is_special(begin, s, begins_line) && !(*s == '.' && isdigit((unsigned char)s[1])))
            buf_add_char(ret, '\\');
        buf_add_char(ret, *s);
    }
}
