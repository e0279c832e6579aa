/* Walks over the bytes of a JSON text without making a tree of it.
 *
 * A span is a value's bytes; a walk goes over the entries of one array or object and skips what lies inside each. Skipping checks what it
 * must to be sure where a value ends (strings, brackets that match, a depth of JSON_DEPTH_MAX) and no more: what is then really read is
 * parsed, and checked, by json_parse. So broken JSON inside something that nobody reads does no harm, and a text that is cut short is
 * always seen. Nothing is allocated here but by span_parse; nothing is kept; the bytes are borrowed and need no NUL. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

/* A single entry that is longer would be parsed for milliseconds; real ones have up to 10 KB (descriptions). */
#define ENTRY_MAX ((size_t)128 * 1024)

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* p is at the opening quote. The byte behind the closing one, NULL = there is none. */
static const char *skip_string(const char *p, const char *end)
{
    const char *start = ++p;
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote)
            return NULL;
        /* Escaped if an odd number of backslashes stands before it. */
        const char *back = quote;
        while (back > start && back[-1] == '\\')
            back--;
        if ((quote - back) % 2 == 0)
            return quote + 1;
        p = quote + 1;
    }
    return NULL;
}

static const char *skip_container(const char *p, const char *end)
{
    uint64_t objects = 0; /* one bit a level: is it an object? */
    unsigned depth = 0;
    while (p < end) {
        switch (*p) {
        case '"':
            p = skip_string(p, end);
            if (!p)
                return NULL;
            continue;
        case '{':
        case '[':
            if (depth++ == JSON_DEPTH_MAX)
                return NULL;
            objects = objects << 1 | (*p == '{');
            break;
        case '}':
        case ']':
            if ((objects & 1) != (*p == '}'))
                return NULL;
            objects >>= 1;
            if (--depth == 0)
                return p + 1;
            break;
        default:
            break;
        }
        p++;
    }
    return NULL;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
}

static const char *skip_value(const char *p, const char *end)
{
    if (p == end)
        return NULL;
    if (*p == '"')
        return skip_string(p, end);
    if (*p == '{' || *p == '[')
        return skip_container(p, end);
    const char *start = p;
    while (p < end && is_word(*p))
        p++;
    return p > start ? p : NULL;
}

bool span_is(struct span span, char first)
{
    return span.len > 0 && span.at[0] == first;
}

bool walk_open(struct walk *walk, struct span value)
{
    if (!span_is(value, '{') && !span_is(value, '['))
        return false;
    *walk = (struct walk){.at = value.at + 1, .end = value.at + value.len, .close = value.at[0] == '{' ? '}' : ']'};
    return true;
}

static int broken(const struct walk *walk, const char *at, const char *why, struct err *err)
{
    return err_set(err, -EINVAL, "not JSON: %s (%zu bytes before its end)", why, (size_t)(walk->end - at));
}

int walk_next(struct walk *walk, struct span *ret_name, struct span *ret_value, struct err *err)
{
    const char *p = skip_blanks(walk->at, walk->end);
    *ret_name = *ret_value = (struct span){.len = 0};
    if (p < walk->end && *p == walk->close) {
        walk->at = p + 1;
        return 0;
    }
    if (walk->started) {
        if (p == walk->end || *p != ',')
            return broken(walk, p, p == walk->end ? "it ends in the middle" : "a comma or a closing bracket is missing", err);
        p = skip_blanks(p + 1, walk->end);
    }
    walk->started = true;
    if (walk->close == '}') {
        const char *end = p < walk->end && *p == '"' ? skip_string(p, walk->end) : NULL;
        if (!end)
            return broken(walk, p, "a member's name is missing", err);
        *ret_name = (struct span){p, (size_t)(end - p)};
        p = skip_blanks(end, walk->end);
        if (p == walk->end || *p != ':')
            return broken(walk, p, "a colon is missing", err);
        p = skip_blanks(p + 1, walk->end);
    }
    const char *end = skip_value(p, walk->end);
    if (!end)
        return broken(walk, p, "a value is missing, has no end or is nested too deeply", err);
    *ret_value = (struct span){p, (size_t)(end - p)};
    walk->at = end;
    return 1;
}

bool span_members(struct span object, const char *const *names, struct span *ret, size_t len)
{
    struct walk walk;
    struct span name, value;
    for (size_t i = 0; i < len; i++)
        ret[i] = (struct span){.len = 0};
    if (!span_is(object, '{') || !walk_open(&walk, object))
        return false;
    int more;
    while ((more = walk_next(&walk, &name, &value, NULL)) > 0)
        for (size_t i = 0; i < len; i++)
            if (ret[i].len == 0 && name.len == strlen(names[i]) + 2 && memcmp(name.at + 1, names[i], name.len - 2) == 0)
                ret[i] = value;
    return more == 0;
}

struct span span_member(struct span object, const char *name)
{
    struct span ret;
    return span_members(object, &name, &ret, 1) ? ret : (struct span){.len = 0};
}

static bool is_plain(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] < ' ' || s[i] > '~' || s[i] == '\\')
            return false;
    return true;
}

bool span_string(struct span span, char *ret, size_t size)
{
    ret[0] = '\0';
    if (!span_is(span, '"') || span.len <= 2 || span.len > 6 * size + 2)
        return false;
    /* Most names are plain; what is not (escapes, other letters, bytes that must not be there) goes through the parser. */
    if (is_plain(span.at + 1, span.len - 2)) {
        if (span.len - 2 >= size)
            return false;
        memcpy(ret, span.at + 1, span.len - 2);
        ret[span.len - 2] = '\0';
        return true;
    }
    CLEANUP(json_deletep) cJSON *json = json_parse(span.at, span.len, NULL);
    const char *text = json ? json_string(json, "") : NULL;
    if (!text || strlen(text) >= size)
        return false;
    strcpy(ret, text);
    return ret[0] != '\0';
}

cJSON *span_parse(struct span span, struct err *err)
{
    if (span.len > ENTRY_MAX) {
        err_set(err, -EINVAL, "one entry is %zu bytes long; at most %zu are read", span.len, ENTRY_MAX);
        return NULL;
    }
    return json_parse(span.at, span.len, err);
}
