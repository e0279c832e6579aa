/* Server-sent events: bytes in, events out.
 *
 * A line that lies whole in the bytes given is used where it is; only one that is split between two reads is put together in `line`. The
 * data lines of the event in the making are joined in `data`, which each event empties. So a stream costs one copy of its data, whatever
 * its reads look like, and time linear in its bytes: neither terminator is searched for twice in the same stretch.
 *
 * Bytes are never checked for UTF-8 here, so a character split between reads needs no care. Nothing is given back after fn stopped the
 * feed: what followed in those bytes is lost, as the caller wanted no more. Never reads past its input, never logs, holds at most
 * SSE_EVENT_MAX of each buffer. */
#include <errno.h>
#include <string.h>

#include "probed/probe/sse.h"

#define NAME_MAX_BYTES 256
#define STRAY_MAX      ((size_t)16 * 1024)

typedef int event_fn(void *arg, const struct sse_event *event);

void sse_init(struct sse *s)
{
    *s = (struct sse){
        .line = BUF_CAP(SSE_EVENT_MAX),
        .data = BUF_CAP(SSE_EVENT_MAX),
        .event = BUF_CAP(NAME_MAX_BYTES),
        .id = BUF_CAP(NAME_MAX_BYTES),
        .stray = BUF_CAP(STRAY_MAX),
    };
}

void sse_done(struct sse *s)
{
    buf_done(&s->line);
    buf_done(&s->data);
    buf_done(&s->event);
    buf_done(&s->id);
    buf_done(&s->stray);
}

static int dispatch(struct sse *s, event_fn *fn, void *arg)
{
    int r = 0;
    if (s->has_data) {
        struct sse_event event = {
            .event = s->event.len > 0 ? buf_str(&s->event) : "message",
            .data = buf_str(&s->data),
            .data_len = s->data.len,
            .id = buf_str(&s->id),
        };
        s->events++;
        r = fn(arg, &event);
    }
    s->has_data = false;
    buf_clear(&s->data);
    if (s->event.len > 0)
        buf_clear(&s->event);
    return r;
}

/* A name that passes its cap is as good as none. */
static void set_name(struct buf *name, const char *value, size_t len)
{
    buf_clear(name);
    buf_add(name, value, len);
}

static int field(struct sse *s, const char *name, size_t name_len, const char *value, size_t len)
{
    if (name_len == 4 && memcmp(name, "data", 4) == 0) {
        if (s->has_data)
            buf_add_char(&s->data, '\n');
        buf_add(&s->data, value, len);
        s->has_data = true;
        return s->data.full ? -E2BIG : 0;
    }
    if (name_len == 5 && memcmp(name, "event", 5) == 0)
        set_name(&s->event, value, len);
    else if (name_len == 2 && memcmp(name, "id", 2) == 0 && !memchr(value, '\0', len))
        set_name(&s->id, value, len);
    else if (name_len > 0 && name[0] == '{' && s->stray.len == 0)
        buf_add(&s->stray, name, (size_t)(value + len - name));
    return 0; /* retry and whatever else: of no interest */
}

/* One line without its terminator. */
static int take_line(struct sse *s, const char *line, size_t len, event_fn *fn, void *arg)
{
    if (!s->started) {
        s->started = true;
        if (len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
            line += 3, len -= 3;
    }
    if (len == 0)
        return dispatch(s, fn, arg);
    if (line[0] == ':') {
        s->comments++;
        return 0;
    }
    const char *colon = memchr(line, ':', len), *value = line + len;
    size_t name_len = len, value_len = 0;
    if (colon) {
        name_len = (size_t)(colon - line);
        value = colon + 1;
        value_len = len - name_len - 1;
        if (value_len > 0 && value[0] == ' ')
            value++, value_len--;
    }
    return field(s, line, name_len, value, value_len);
}

int sse_feed(struct sse *s, const char *data, size_t len, event_fn *fn, void *arg)
{
    const char *p = data, *end = data + len, *lf = NULL;
    bool lf_left = true; /* in what remains */
    while (p < end) {
        if (s->skip_lf) { /* the second half of a CR LF */
            s->skip_lf = false;
            if (*p == '\n') {
                p++;
                continue;
            }
        }
        if (lf_left && (!lf || lf < p)) {
            lf = memchr(p, '\n', (size_t)(end - p));
            lf_left = lf != NULL;
        }
        const char *limit = lf_left ? lf : end, *cr = memchr(p, '\r', (size_t)(limit - p)), *stop = cr ? cr : limit;
        if (stop == end) { /* no terminator: the line goes on in the next read */
            buf_add(&s->line, p, (size_t)(end - p));
            return s->line.full ? -E2BIG : 0;
        }
        int r;
        if (s->line.len > 0) {
            buf_add(&s->line, p, (size_t)(stop - p));
            r = s->line.full ? -E2BIG : take_line(s, buf_str(&s->line), s->line.len, fn, arg);
            buf_clear(&s->line);
        } else {
            r = take_line(s, p, (size_t)(stop - p), fn, arg);
        }
        if (r)
            return r;
        s->skip_lf = *stop == '\r';
        p = stop + 1;
    }
    return 0;
}

int sse_end(struct sse *s, event_fn *fn, void *arg)
{
    int r = 0;
    if (s->line.len > 0) {
        r = take_line(s, buf_str(&s->line), s->line.len, fn, arg);
        buf_clear(&s->line);
    }
    return r ? r : dispatch(s, fn, arg);
}
