/* An HTTP/1.1 answer, read a piece at a time.
 *
 * States run from the status line over the headers to one of three kinds of body (a length, chunks, until close) and end in WHOLE; a 1xx
 * answer goes back to the start. Only what the client needs of the headers is kept. The other end may be anything that listens on that
 * path, so whatever is doubtful is refused with a sentence: two lengths that differ, a length beside chunks, a folded header, a control
 * character, a line or a head that does not end. Bytes may be cut anywhere. No I/O, no clock; memory is one line. */
#include "shared/client_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/text.h"

void client_parser_init(struct client_parser *p, struct client_answer *answer, client_body_fn body, void *arg)
{
    *p = (struct client_parser){.answer = answer, .body = body, .arg = arg, .line = BUF_CAP(CLIENT_LINE_MAX)};
}

void client_parser_done(struct client_parser *p)
{
    buf_done(&p->line);
}

bool client_parser_whole(const struct client_parser *p)
{
    return p->state == CLIENT_WHOLE;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK" */
static int read_status_line(struct client_parser *p, const char *s, struct err *err)
{
    if (strncmp(s, "HTTP/1.", 7) != 0 || !is_digit(s[7]) || s[8] != ' ' || !is_digit(s[9]) || !is_digit(s[10]) || !is_digit(s[11]) ||
        (s[12] != ' ' && s[12] != '\0') || s[9] == '0')
        return err_set(err, -EPROTO, "not an HTTP/1.1 answer: \"%.40s\"", s);
    p->answer->status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
    p->http_1_0 = s[7] == '0';
    p->state = CLIENT_HEADERS;
    return 0;
}

static int read_length(struct client_parser *p, const char *value, struct err *err)
{
    size_t n = strspn(value, "0123456789");
    if (n == 0 || n > 15 || value[n] != '\0')
        return err_set(err, -EPROTO, "a Content-Length that is no length: \"%.40s\"", value);
    uint64_t length = strtoull(value, NULL, 10);
    if (p->has_length && length != p->left)
        return err_set(err, -EPROTO, "two lengths in one answer");
    p->has_length = true;
    p->left = length;
    return 0;
}

/* A value that does not fit is worse than none: a cut ETag would name another table. */
static void keep(char *dst, size_t size, const char *value)
{
    size_t len = strlen(value);
    if (len < size)
        text_copy(dst, size, value, len);
}

static int read_header(struct client_parser *p, char *line, struct err *err)
{
    size_t name_len = strcspn(line, ":");
    if (name_len == 0 || line[name_len] != ':' || strcspn(line, " \t") < name_len)
        return err_set(err, -EPROTO, "a header that is none: \"%.40s\"", line);
    line[name_len] = '\0';
    char *value = line + name_len + 1;
    value += strspn(value, " \t");
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';

    struct client_answer *answer = p->answer;
    if (strcasecmp(line, "Content-Length") == 0)
        return read_length(p, value, err);
    if (strcasecmp(line, "Transfer-Encoding") == 0) {
        if (strcasecmp(value, "chunked") != 0 || p->chunked)
            return err_set(err, -EPROTO, "an unknown transfer encoding: \"%.40s\"", value);
        p->chunked = true;
    } else if (strcasecmp(line, "Content-Type") == 0) {
        keep(answer->content_type, sizeof(answer->content_type), value);
    } else if (strcasecmp(line, "ETag") == 0) {
        keep(answer->etag, sizeof(answer->etag), value);
    } else if (strcasecmp(line, "X-Probed-Valid-Until") == 0) {
        usec_t at;
        if (units_parse_decimal(value, USEC_PER_SEC, &at) == 0 && at > 0)
            answer->valid_until = at;
    } else if (strcasecmp(line, "X-Probed-Next") == 0) {
        int64_t next; /* digits alone: what rounds to 0 must not look like an end */
        answer->has_next = value[strspn(value, "0123456789")] == '\0' && units_parse_decimal(value, 1, &next) == 0;
        answer->next = answer->has_next ? next : 0;
    }
    return 0;
}

/* The empty line after the headers: which body follows? */
static int end_of_head(struct client_parser *p, struct err *err)
{
    int status = p->answer->status;
    if (status < 200) {
        if (status == 101 || ++p->interim > CLIENT_INTERIM_MAX)
            return err_set(err, -EPROTO, "an unexpected answer %d", status);
        p->state = CLIENT_STATUS_LINE;
        p->chunked = p->has_length = false;
        p->left = 0;
        return 0;
    }
    if (p->chunked && (p->has_length || p->http_1_0))
        return err_set(err, -EPROTO, "chunks in an answer that has %s", p->has_length ? "a length" : "no chunks in its HTTP version");
    p->head_bytes = 0;
    if (status == 204 || status == 304)
        p->state = CLIENT_WHOLE;
    else if (p->chunked)
        p->state = CLIENT_CHUNK_SIZE;
    else if (!p->has_length)
        p->state = CLIENT_BODY_UNTIL_CLOSE;
    else
        p->state = p->left > 0 ? CLIENT_BODY_LENGTH : CLIENT_WHOLE;
    return 0;
}

static int read_chunk_size(struct client_parser *p, const char *line, struct err *err)
{
    size_t n = strspn(line, "0123456789abcdefABCDEF");
    /* What may follow is an extension, which nobody uses. */
    const char *rest = line + n + strspn(line + n, " \t");
    if (n == 0 || n > 12 || (*rest != '\0' && *rest != ';'))
        return err_set(err, -EPROTO, "a chunk without a size: \"%.40s\"", line);
    p->left = strtoull(line, NULL, 16);
    p->head_bytes = 0; /* a body in many small chunks is no flood */
    p->state = p->left > 0 ? CLIENT_CHUNK_DATA : CLIENT_TRAILERS;
    return 0;
}

static int read_line(struct client_parser *p, char *line, size_t len, struct err *err)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 && line[i] != '\t')
            return err_set(err, -EPROTO, "a control character in the answer's head");
    switch (p->state) {
    case CLIENT_STATUS_LINE:
        return read_status_line(p, line, err);
    case CLIENT_HEADERS:
        return len == 0 ? end_of_head(p, err) : read_header(p, line, err);
    case CLIENT_CHUNK_SIZE:
        return read_chunk_size(p, line, err);
    case CLIENT_CHUNK_END:
        if (len > 0)
            return err_set(err, -EPROTO, "a chunk that is longer than its size");
        p->state = CLIENT_CHUNK_SIZE;
        return 0;
    default: /* trailers: nothing in them is for us */
        if (len == 0)
            p->state = CLIENT_WHOLE;
        return 0;
    }
}

/* Takes bytes up to the end of a line; returns how many, or an error. */
static ssize_t feed_line(struct client_parser *p, const char *data, size_t len, struct err *err)
{
    const char *end = memchr(data, '\n', len);
    size_t n = end ? (size_t)(end - data) : len;
    buf_add(&p->line, data, n);
    p->head_bytes += n + 1;
    if (p->line.full || p->head_bytes > CLIENT_HEAD_MAX)
        return err_set(err, -EPROTO, "an answer whose head does not end");
    if (!end)
        return (ssize_t)n;
    if (p->line.len > 0 && p->line.data[p->line.len - 1] == '\r')
        p->line.data[--p->line.len] = '\0';
    char none[1] = "";
    int e = read_line(p, p->line.data ? p->line.data : none, p->line.len, err);
    buf_clear(&p->line);
    return e < 0 ? e : (ssize_t)n + 1;
}

static int feed_body(struct client_parser *p, const char *data, size_t len, struct err *err)
{
    int e = p->body(p->arg, data, len, err);
    if (e != 0 || p->state == CLIENT_BODY_UNTIL_CLOSE)
        return e;
    p->left -= len;
    if (p->left == 0)
        p->state = p->state == CLIENT_CHUNK_DATA ? CLIENT_CHUNK_END : CLIENT_WHOLE;
    return 0;
}

int client_parser_feed(struct client_parser *p, const char *data, size_t len, struct err *err)
{
    while (len > 0 && p->state != CLIENT_WHOLE) {
        size_t n;
        if (p->state == CLIENT_BODY_LENGTH || p->state == CLIENT_CHUNK_DATA || p->state == CLIENT_BODY_UNTIL_CLOSE) {
            n = p->state != CLIENT_BODY_UNTIL_CLOSE && len > p->left ? (size_t)p->left : len;
            int e = feed_body(p, data, n, err);
            if (e != 0)
                return e;
        } else {
            ssize_t taken = feed_line(p, data, len, err);
            if (taken < 0)
                return (int)taken;
            n = (size_t)taken;
        }
        data += n;
        len -= n;
    }
    return 0;
}

int client_parser_end(struct client_parser *p, struct err *err)
{
    if (p->state == CLIENT_BODY_UNTIL_CLOSE)
        p->state = CLIENT_WHOLE;
    if (p->state == CLIENT_WHOLE)
        return 0;
    if (p->state == CLIENT_STATUS_LINE && p->line.len == 0 && p->interim == 0)
        return err_set(err, -EPROTO, "the connection was closed without an answer");
    return err_set(err, -EPROTO, "the connection was closed in the middle of the answer");
}
