/* Server-sent events, read a piece at a time.
 *
 * Lines end with LF, CR LF or CR, also when the two come in different pieces. Fields gather until an empty line, which tells the event if
 * it has data; a comment is told at once, since ours carry the lease. An event that its stream does not finish is never told. The data of
 * one event and one line are capped; names and ids that are too long for us are refused, since cutting them would change what they name. */
#include <errno.h>
#include <string.h>

#include "shared/client_parse.h"
#include "shared/text.h"

void client_events_init(struct client_events *e, client_event_fn fn, void *arg)
{
    *e = (struct client_events){.fn = fn, .arg = arg, .line = BUF_CAP(CLIENT_ANSWER_MAX), .data = BUF_CAP(CLIENT_ANSWER_MAX)};
}

void client_events_done(struct client_events *e)
{
    buf_done(&e->line);
    buf_done(&e->data);
}

static int dispatch(struct client_events *e)
{
    int stop = 0;
    if (e->has_data) {
        e->told++;
        stop = e->fn(e->arg, e->event[0] ? e->event : "message", e->id, buf_str(&e->data), e->data.len);
    }
    buf_clear(&e->data);
    e->event[0] = '\0';
    e->has_data = false;
    return stop;
}

/* The value of a field goes into a small array, whole or not at all. */
static int take_name(char *dst, size_t size, const char *value, size_t len, const char *what, struct err *err)
{
    if (len >= size || memchr(value, '\0', len) || !text_is_utf8(value, len))
        return err_set(err, -EPROTO, "an event whose %s is too long or no text", what);
    memcpy(dst, value, len);
    dst[len] = '\0';
    return 0;
}

static int take_field(struct client_events *e, const char *name, size_t name_len, const char *value, size_t len, struct err *err)
{
    if (name_len == 4 && memcmp(name, "data", 4) == 0) {
        if (e->has_data)
            buf_add_char(&e->data, '\n');
        buf_add(&e->data, value, len);
        e->has_data = true;
        return e->data.full ? err_set(err, -EPROTO, "an event that is larger than %d bytes", CLIENT_ANSWER_MAX) : 0;
    }
    if (name_len == 5 && memcmp(name, "event", 5) == 0)
        return take_name(e->event, sizeof(e->event), value, len, "name", err);
    if (name_len == 2 && memcmp(name, "id", 2) == 0)
        return take_name(e->id, sizeof(e->id), value, len, "id", err);
    return 0; /* retry, and what is not known: passed over, as the standard says */
}

static int take_line(struct client_events *e, struct err *err)
{
    const char *line = buf_str(&e->line);
    size_t len = e->line.len;
    if (!e->after_bom) {
        e->after_bom = true;
        if (len >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
            line += 3;
            len -= 3;
        }
    }
    if (len == 0)
        return dispatch(e);
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    size_t value_len = len - (size_t)(value - line);
    if (value_len > 0 && *value == ' ') {
        value++;
        value_len--;
    }
    if (colon && name_len == 0) {
        e->told++;
        return e->fn(e->arg, NULL, NULL, value, value_len);
    }
    return take_field(e, line, name_len, value, value_len, err);
}

int client_events_feed(struct client_events *e, const char *data, size_t len, struct err *err)
{
    while (len > 0) {
        if (e->after_cr) {
            e->after_cr = false;
            if (*data == '\n') {
                data++;
                len--;
                continue;
            }
        }
        size_t n = 0;
        while (n < len && data[n] != '\n' && data[n] != '\r')
            n++;
        buf_add(&e->line, data, n);
        if (e->line.full)
            return err_set(err, -EPROTO, "an event line that is longer than %d bytes", CLIENT_ANSWER_MAX);
        if (n == len)
            return 0;
        e->after_cr = data[n] == '\r';
        data += n + 1;
        len -= n + 1;
        int stop = take_line(e, err);
        buf_clear(&e->line);
        if (stop != 0)
            return stop;
    }
    return 0;
}
