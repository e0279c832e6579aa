/* What is collected while a chat is read, whatever its dialect.
 *
 * A token is a delta with text in it, content or reasoning; its time is the time of the read that completed its event. Only tokens set
 * times and counters: comments, role-only and empty deltas, pings and usage never get here. Content is looked through for "<think> ...
 * </think>": models served without a reasoning parser put their thinking there, and some relays turn reasoning into it. Such text is
 * reasoning; content begins with the first byte after it that is not blank. The tags may be split between deltas anywhere, so the first
 * bytes are held back while they could still become "<think>", with the time they came at. Of the reply as much is kept as a challenge
 * needs.
 *
 * The first failure stands, and nothing is read after it. Usage is in usage.c. */
#include <string.h>

#include "probed/probe/reading.h"
#include "shared/text.h"

static const char think_open[] = "<think>", think_close[] = "</think>";

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

enum stage reading_stage(const struct chat_reading *r)
{
    return r->first >= 0 ? STAGE_STREAM : STAGE_FIRST;
}

void reading_fail(struct chat_reading *r, enum outcome_kind kind, const char *lead, const char *words)
{
    if (r->failed)
        return;
    CLEANUP(buf_done) struct buf text = BUF_CAP(4096);
    buf_add_str(&text, lead);
    buf_add_str(&text, words);
    r->failed = true;
    r->failure.outcome = outcome_make(reading_stage(r), kind, 0);
    text_copy(r->failure.detail, sizeof r->failure.detail, buf_str(&text), text.len);
}

/* An event that is no JSON object. The last line of a stream that was cut is none either, but there it is the cut that counts. */
static void refuse_event(struct chat_reading *r, const struct sse_event *event)
{
    if (r->failed || r->ending)
        return;
    r->failure = classify_not_json(0, NULL, event->data, event->data_len);
    r->failure.outcome = outcome_make(reading_stage(r), OUTCOME_MALFORMED, 0);
    r->failed = true;
}

cJSON *reading_json(struct chat_reading *r, const struct sse_event *event, usec_t now)
{
    const char *data = event->data;
    if (r->failed || r->done)
        return NULL;
    while (is_blank(*data))
        data++;
    if (!*data)
        return NULL;
    if (strncmp(data, "[DONE]", 6) == 0) {
        reading_done(r, now);
        return NULL;
    }
    cJSON *json = json_parse(data, event->data_len - (size_t)(data - event->data), NULL);
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        if (strcmp(event->event, "ping") != 0)
            refuse_event(r, event);
        return NULL;
    }
    if (classify_json(json, reading_stage(r), 200, &r->failure)) {
        r->failed = true;
    } else if (strcmp(event->event, "error") == 0) {
        r->failure = classify_answer(200, NULL, event->data, event->data_len);
        r->failure.outcome.stage = reading_stage(r);
        r->failed = true;
    }
    if (r->failed) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

static void token(struct chat_reading *r, size_t len, usec_t now)
{
    if (r->first < 0) {
        r->first = now;
        r->first_bytes = len;
    } else {
        usec_t gap = now - r->last;
        if (gap > r->gap_max)
            r->gap_max = gap;
        if (gap > CHAT_STALL)
            r->stalls++;
    }
    r->last = now;
    r->bytes += len;
    r->chunks++;
}

/* Some relays send in each delta the whole text so far. */
static void note_repeat(struct chat_reading *r, const char *text, size_t len)
{
    size_t before = r->reply.len - r->delta_at;
    if (r->deltas > 0 && before > 0 && len >= before && memcmp(r->reply.data + r->delta_at, text, before) == 0) {
        r->repeats++;
        r->grew |= len > before;
    }
    r->deltas++;
    r->delta_at = r->reply.len;
}

bool reading_cumulative(const struct chat_reading *r)
{
    size_t newest = r->reply.len - r->delta_at;
    if (r->deltas < 2 || r->repeats != r->deltas - 1)
        return false;
    /* "ha", "ha" is what a model may say; a whole sentence twice, or three deltas that only grow, is not. */
    return newest >= 8 || (r->deltas >= 3 && r->grew);
}

static void add_reply(struct chat_reading *r, const char *text, size_t len, usec_t now)
{
    if (len == 0)
        return;
    if (r->content < 0)
        r->content = now;
    r->answered = true;
    size_t room = r->reply.cap - r->reply.len;
    if (len > room)
        len = room;
    if (len == 0)
        return;
    note_repeat(r, text, len);
    buf_add(&r->reply, text, len);
}

/* The next stretch of content that stands in one state of `think`; how many bytes it was. */
static size_t take_stretch(struct chat_reading *r, const char *text, size_t len, usec_t now)
{
    size_t i = 0;
    switch (r->think) {
    case THINK_START:
        if (r->held_at < 0)
            r->held_at = now;
        while (i < len && r->matched == 0 && is_blank(text[i]))
            i++;
        while (i < len && think_open[r->matched] && text[i] == think_open[r->matched])
            i++, r->matched++;
        if (!think_open[r->matched]) {
            r->think = THINK_INSIDE;
            r->reasoning = true;
            r->matched = 0;
        } else if (i < len) {
            reading_flush(r);
        }
        return i;
    case THINK_INSIDE:
        while (i < len && think_close[r->matched]) {
            char c = text[i++];
            r->matched = c == think_close[r->matched] ? r->matched + 1 : c == '<';
        }
        if (!think_close[r->matched])
            r->think = THINK_AFTER;
        return i;
    case THINK_AFTER:
        while (i < len && is_blank(text[i]))
            i++;
        if (i < len)
            r->think = THINK_NONE;
        return i;
    case THINK_NONE:
    default:
        add_reply(r, text, len, now);
        return len;
    }
}

void reading_flush(struct chat_reading *r)
{
    if (r->think != THINK_START || r->held_at < 0)
        return;
    r->think = THINK_NONE;
    if (r->content < 0)
        r->content = r->held_at;
    size_t held = r->matched;
    r->matched = 0;
    if (held > 0) {
        add_reply(r, think_open, held, r->held_at);
        r->deltas--; /* it is the beginning of the delta that follows */
        r->delta_at = r->reply.len;
    }
}

void reading_content(struct chat_reading *r, const char *text, usec_t now)
{
    size_t len = strlen(text), at = 0;
    if (len == 0)
        return;
    token(r, len, now);
    while (at < len)
        at += take_stretch(r, text + at, len - at, now);
}

void reading_reasoning(struct chat_reading *r, const char *text, usec_t now)
{
    size_t len = strlen(text);
    if (len == 0)
        return;
    token(r, len, now);
    r->reasoning = true;
}

void reading_other(struct chat_reading *r, const char *text, usec_t now)
{
    token(r, strlen(text), now);
    if (r->content < 0)
        r->content = now;
    r->answered = true;
}

/* Words by which vendors call a failure a finish. */
void reading_finish_reason(struct chat_reading *r, const char *reason)
{
    if (!reason || !reason[0] || strcmp(reason, "null") == 0)
        return;
    if (strcmp(reason, "error") == 0 || strcmp(reason, "network_error") == 0)
        reading_fail(r, OUTCOME_ERROR_IN_200, "finish_reason: ", reason);
    else if (strcmp(reason, "insufficient_system_resource") == 0) /* DeepSeek */
        reading_fail(r, OUTCOME_UPSTREAM_FULL, "finish_reason: ", reason);
    else
        text_copy(r->finish, sizeof r->finish, reason, strlen(reason));
}

void reading_done(struct chat_reading *r, usec_t now)
{
    r->done = true;
    r->done_at = now;
}

void reading_answered_by(struct chat_reading *r, const char *model)
{
    if (model && model[0] && !r->answered_by[0])
        text_copy(r->answered_by, sizeof r->answered_by, model, strlen(model));
}

void reading_id(struct chat_reading *r, const char *id)
{
    if (id && !r->id[0])
        reply_id_clean(r->id, id);
}
