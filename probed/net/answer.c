/* The head of an answer, line by line as libcurl passes it on: the status, and the few headers that anybody here needs.
 *
 * 1xx answers are skipped: only the final one counts, and the time of its status line is the time of the answer. Trailers come through here as well and
 * change nothing. Every byte is hostile: what is kept is bounded and printable. */
#include "probed/net/http_parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A Retry-After beyond this is an insult, not a time; who uses it has a cap of his own. */
#define RETRY_AFTER_MAX (366 * USEC_PER_DAY)

void answer_reset(struct answer *a) { *a = (struct answer){.first = -1}; }

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* "HTTP/1.1 200 OK" and "HTTP/2 200": the three digits, or 0. */
static int status_of(const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    if (space == NULL)
        return 0;
    size_t at = (size_t)(space - line);
    while (at < len && line[at] == ' ')
        at++;
    int status = 0;
    size_t digits = 0;
    for (; at < len && isdigit((unsigned char)line[at]) && digits < 4; at++, digits++)
        status = status * 10 + (line[at] - '0');
    return digits == 3 ? status : 0;
}

/* Whole or decimal units; -1 if it is no number. */
static usec_t seconds_of(const char *value, size_t len, usec_t unit)
{
    usec_t total = 0, digit = unit;
    size_t at = 0;
    for (; at < len && isdigit((unsigned char)value[at]); at++)
        total = total < RETRY_AFTER_MAX ? total * 10 + (value[at] - '0') * unit : RETRY_AFTER_MAX;
    if (at == 0)
        return -1;
    if (at < len && value[at] == '.')
        for (at++; at < len && isdigit((unsigned char)value[at]); at++)
            total += (value[at] - '0') * (digit /= 10);
    if (at != len)
        return -1;
    return total < RETRY_AFTER_MAX ? total : RETRY_AFTER_MAX;
}

usec_t answer_retry_after(const char *value, size_t len, usec_t wall)
{
    usec_t seconds = seconds_of(value, len, USEC_PER_SEC);
    if (seconds >= 0)
        return seconds;
    char date[64];
    if (len >= sizeof(date))
        return 0;
    memcpy(date, value, len);
    date[len] = '\0';
    time_t at = curl_getdate(date, NULL);
    if (at < 0 || at > (wall + RETRY_AFTER_MAX) / USEC_PER_SEC)
        return at < 0 ? 0 : RETRY_AFTER_MAX;
    usec_t left = at * USEC_PER_SEC - wall;
    return left > 0 ? left : 0;
}

/* "Application/JSON; charset=utf-8" -> "application/json". */
static void keep_content_type(struct answer *a, const char *value, size_t len)
{
    size_t n = 0;
    while (n < len && n < sizeof(a->content_type) - 1 && value[n] > ' ' && value[n] < 0x7f && value[n] != ';' && value[n] != ',') {
        a->content_type[n] = (char)tolower((unsigned char)value[n]);
        n++;
    }
    a->content_type[n] = '\0';
}

/* It is sent back as it came, so it is whole and without a blank or a control character, or it is none. */
static void keep_etag(struct answer *a, const char *value, size_t len)
{
    a->etag[0] = '\0';
    if (len >= sizeof(a->etag))
        return;
    for (size_t i = 0; i < len; i++)
        if (value[i] <= ' ' || value[i] >= 0x7f)
            return;
    memcpy(a->etag, value, len);
    a->etag[len] = '\0';
}

static void header(struct answer *a, const char *name, size_t name_len, const char *value, size_t len, usec_t wall)
{
#define IS(text) (name_len == sizeof(text) - 1 && strncasecmp(name, text, name_len) == 0)
    if (IS("content-type"))
        keep_content_type(a, value, len);
    else if (IS("etag"))
        keep_etag(a, value, len);
    else if (IS("retry-after"))
        a->retry_after = answer_retry_after(value, len, wall);
    else if (IS("retry-after-ms") && a->retry_after == 0) {
        usec_t msec = seconds_of(value, len, USEC_PER_MSEC);
        a->retry_after = msec > 0 ? msec : 0;
    } else if (IS("connection"))
        a->closes = len == 5 && strncasecmp(value, "close", 5) == 0;
#undef IS
}

void answer_line(struct answer *a, const char *line, size_t len, usec_t now, usec_t wall)
{
    a->bytes += len;
    if (a->head_done)
        return;
    while (len > 0 && is_blank(line[len - 1]))
        len--;
    if (len >= 5 && strncasecmp(line, "HTTP/", 5) == 0) { /* of the final answer, or of the next try after a 1xx */
        size_t bytes = a->bytes;
        answer_reset(a);
        a->bytes = bytes;
        int status = status_of(line, len);
        if (status >= 200) {
            a->status = status;
            a->first = now;
            a->closes = len >= 8 && strncasecmp(line, "HTTP/1.0", 8) == 0;
        }
        return;
    }
    if (len == 0) {
        a->head_done = a->status != 0;
        return;
    }
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || a->status == 0)
        return;
    const char *value = colon + 1, *end = line + len;
    while (value < end && is_blank(*value))
        value++;
    header(a, line, (size_t)(colon - line), value, (size_t)(end - value), wall);
}
