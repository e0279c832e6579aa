/* HTTP/1.1 requests out of a connection's bytes: what clients of relays send, and strictly bounded.
 *
 * It is called again with all bytes of the connection whenever some have come; it keeps nothing between calls but the head that it has
 * read. Bodies come with Content-Length or chunked. Pure. */
#include "tests/relaysim/http.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void request_done(struct request *r)
{
    buf_done(&r->body);
    memset(r, 0, sizeof *r);
}

static void copy_token(char *dst, size_t size, const char *from, size_t len)
{
    if (len >= size)
        len = size - 1;
    memcpy(dst, from, len);
    dst[len] = 0;
}

static int parse_request_line(struct request *r, const char *line, size_t len)
{
    const char *end = line + len, *sp = memchr(line, ' ', len);
    if (!sp || sp == line || (size_t)(sp - line) >= sizeof r->method)
        return -EINVAL;
    for (const char *p = line; p < sp; p++)
        if (!isupper((unsigned char)*p))
            return -EINVAL;
    const char *target = sp + 1, *sp2 = memchr(target, ' ', (size_t)(end - target));
    if (!sp2 || end - sp2 != 9 || (memcmp(sp2, " HTTP/1.1", 9) != 0 && memcmp(sp2, " HTTP/1.0", 9) != 0))
        return -EINVAL;
    const char *query = memchr(target, '?', (size_t)(sp2 - target));
    size_t path_len = (size_t)((query ? query : sp2) - target);
    if (path_len >= sizeof r->target)
        return -E2BIG;
    copy_token(r->method, sizeof r->method, line, (size_t)(sp - line));
    copy_token(r->target, sizeof r->target, target, path_len);
    if (query)
        copy_token(r->query, sizeof r->query, query + 1, (size_t)(sp2 - query) - 1);
    r->close = end[-1] == '0';
    return *r->target == '/' ? 0 : -EINVAL;
}

/* What the forks of new-api call the header that names the user. */
static const char *const user_headers[] = {"new-api-user", "veloera-user", "voapi-user", "rix-api-user", "dmx-api-user"};

static int parse_header(struct request *r, const char *name, size_t name_len, const char *value, size_t len)
{
#define IS(text) (name_len == sizeof(text) - 1 && strncasecmp(name, text, name_len) == 0)
    if (IS("content-length")) {
        if (!len || len > 10)
            return -E2BIG;
        r->body_len = 0;
        for (size_t i = 0; i < len; i++) {
            if (!isdigit((unsigned char)value[i]))
                return -EINVAL;
            r->body_len = r->body_len * 10 + (size_t)(value[i] - '0');
        }
        return r->body_len > HTTP_BODY_MAX ? -E2BIG : 0;
    }
    if (IS("transfer-encoding")) {
        r->chunked = len == 7 && strncasecmp(value, "chunked", 7) == 0;
        return r->chunked ? 0 : -EINVAL;
    }
    if (IS("host")) {
        copy_token(r->host, sizeof r->host, value, len);
        char *colon = strrchr(r->host, ':');
        if (colon && !strchr(colon, ']'))
            *colon = 0;
        for (char *p = r->host; *p; p++)
            *p = (char)tolower((unsigned char)*p);
    } else if (IS("authorization")) {
        bool bearer = r->bearer = len > 7 && strncasecmp(value, "Bearer ", 7) == 0;
        copy_token(r->key, sizeof r->key, value + (bearer ? 7 : 0), len - (bearer ? 7 : 0));
    } else if (IS("x-api-key") || IS("x-goog-api-key")) {
        copy_token(r->key, sizeof r->key, value, len);
    } else if (IS("accept-encoding")) {
        char list[128];
        copy_token(list, sizeof list, value, len);
        r->gzip = strcasestr(list, "gzip") != NULL;
    } else if (IS("if-none-match")) {
        copy_token(r->matches, sizeof r->matches, value, len);
    } else if (IS("connection")) {
        r->close |= len == 5 && strncasecmp(value, "close", 5) == 0;
    } else if (IS("expect")) {
        r->expect_continue = len == 12 && strncasecmp(value, "100-continue", 12) == 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(user_headers); i++)
        if (name_len == strlen(user_headers[i]) && strncasecmp(name, user_headers[i], name_len) == 0) {
            copy_token(r->user, sizeof r->user, value, len);
            copy_token(r->user_header, sizeof r->user_header, user_headers[i], name_len);
        }
#undef IS
    return 0;
}

static int parse_head(struct request *r, const char *data, size_t len)
{
    const char *line = data, *end = data + len;
    for (bool first = true; line < end; first = false) {
        const char *nl = memchr(line, '\n', (size_t)(end - line));
        if (!nl)
            break;
        size_t line_len = (size_t)(nl - line);
        if (line_len && line[line_len - 1] == '\r')
            line_len--;
        if (!line_len)
            break;
        int e;
        if (first) {
            e = parse_request_line(r, line, line_len);
        } else {
            const char *colon = memchr(line, ':', line_len);
            if (!colon || colon == line)
                return -EINVAL;
            const char *value = colon + 1, *stop = line + line_len;
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
                stop--;
            e = parse_header(r, line, (size_t)(colon - line), value, (size_t)(stop - value));
        }
        if (e < 0)
            return e;
        line = nl + 1;
    }
    return *r->method ? 0 : -EINVAL;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

void http_unescape(const char *text, size_t len, char *ret, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < size; i++) {
        int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1, low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0 && (high || low)) {
            ret[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            ret[n++] = text[i];
        }
    }
    ret[n] = 0;
}

bool request_query(const struct request *r, const char *name, char *ret, size_t size)
{
    size_t name_len = strlen(name);
    *ret = 0;
    for (const char *p = r->query; *p; p += strcspn(p, "&"), p += *p == '&')
        if (strncmp(p, name, name_len) == 0 && p[name_len] == '=') {
            p += name_len + 1;
            http_unescape(p, strcspn(p, "&"), ret, size);
            return true;
        }
    return false;
}

/* Where the head ends (behind its blank line), or 0. */
static size_t find_head_end(const char *data, size_t len)
{
    for (const char *p = data; (p = memchr(p, '\n', (size_t)(data + len - p))); p++) {
        size_t at = (size_t)(p - data) + 1;
        if (at < len && data[at] == '\n')
            return at + 1;
        if (at + 1 < len && data[at] == '\r' && data[at + 1] == '\n')
            return at + 2;
    }
    return 0;
}

/* 1 = whole, with *used; 0 = more is needed. */
static int parse_chunks(struct buf *ret, const char *data, size_t len, size_t *used)
{
    size_t at = 0;
    buf_clear(ret);
    for (;;) {
        const char *nl = memchr(data + at, '\n', len - at);
        if (!nl)
            return len - at > 64 ? -EINVAL : 0;
        char *stop;
        if (!isxdigit((unsigned char)data[at]))
            return -EINVAL;
        unsigned long size = strtoul(data + at, &stop, 16); /* ends at the newline at the latest */
        if (size > HTTP_BODY_MAX || ret->len + size > HTTP_BODY_MAX)
            return -E2BIG;
        at = (size_t)(nl - data) + 1;
        if (len - at < size + 2)
            return 0;
        buf_add(ret, data + at, size);
        at += size;
        if (data[at] != '\r' || data[at + 1] != '\n') /* trailers are not for us */
            return -EINVAL;
        at += 2;
        if (!size) {
            *used = at;
            return 1;
        }
    }
}

int request_parse(struct request *r, const char *data, size_t len)
{
    if (!r->head_len) {
        size_t skip = 0; /* blank lines before a request are allowed */
        while (skip < len && (data[skip] == '\r' || data[skip] == '\n'))
            skip++;
        size_t end = find_head_end(data + skip, len - skip);
        if (!end)
            return len > HTTP_HEAD_MAX ? -E2BIG : 0;
        if (end > HTTP_HEAD_MAX)
            return -E2BIG;
        int e = parse_head(r, data + skip, end);
        if (e < 0)
            return e;
        r->head_len = skip + end;
    }
    if (r->chunked) {
        size_t used = 0;
        int e = parse_chunks(&r->body, data + r->head_len, len - r->head_len, &used);
        r->used = r->head_len + used;
        return e;
    }
    if (len - r->head_len < r->body_len)
        return 0;
    buf_clear(&r->body);
    buf_add(&r->body, data + r->head_len, r->body_len);
    r->used = r->head_len + r->body_len;
    return 1;
}
