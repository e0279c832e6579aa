/* One chat's answer, from its first byte to an observation.
 *
 * The answer is an event stream or it is not, and the content type often lies about that: its first telling byte decides. `{`, `[`, `"`,
 * `<` or any letter that begins no field of an event stream make it a body, collected and looked at in the end; what has a status of 300 or
 * more is a body too. A stream is read as it comes, each event by the dialect, which tells the reading (reading.c) of tokens, reasons and
 * numbers.
 *
 * What it comes to, the first that holds:
 *
 *     an error status                              as classify_answer says
 *     an error in the stream or body               its kind (ERROR_IN_200 if it names none), stage FIRST before any token, else STREAM
 *     text or reasoning, and an end told           OK: finish_reason, [DONE], message_stop or response.completed, whatever becomes of the
 *                                                  connection then
 *     an end told, and no text                     "length": OK if usage shows that reasoning took it all (THINKING_ONLY), UNFINISHED if it
 * shows other tokens; "content_filter": MODERATED; else EMPTY our own timer                                TIMEOUT before the first token,
 * STALLED after it the transport failed                         http's kind, at stage FIRST or STREAM once the head was there the stream
 * ended without saying so           TRUNCATED; MALFORMED if no event was of the dialect's shape; NOT_API for a page; EMPTY for nothing
 *
 * Times count from the request being sent. The first token is the first delta with text, content or reasoning: comments, role-only and
 * empty deltas, pings and message_start are none. An answer that came all at once has no speed: it is flagged ONE_BURST, tokens_per_s stays
 * unknown, and its first-token time is the time at which the whole of it was there, which is all that its reader had to wait. An answer of
 * fewer than BURST_CHUNKS chunks is not called a burst unless it is long, since a short one looks the same when it is honest.
 *
 * Lifetime: one a probe, made before the request, finished once, freed. Owns its buffers; copies what it is given. No clock, no I/O. */
#include <stdlib.h>
#include <string.h>

#include "probed/probe/reading.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define ERROR_BODY_MAX  ((size_t)64 * 1024)   /* more of an error answer is not needed to know it */
#define BODY_MAX        ((size_t)1024 * 1024) /* a chat's answer that is no stream */
#define STREAM_HEAD_MAX ((size_t)4 * 1024)    /* of a stream, until its first event */
#define REPLY_MAX       ((size_t)32 * 1024)

#define BURST_CHUNKS 4
#define BURST_BYTES  200           /* fewer chunks than that, but this much text */
#define BURST_GAP    ((usec_t)300) /* a mean gap that no model reaches: more than 3,000 chunks a second */
#define BURST_SHARE  20            /* and the spread is under 1/20 of the wait */
#define SPEED_CHUNKS 3             /* fewer say nothing about speed */
#define SPEED_SPREAD USEC_PER_MSEC

struct chat_reading *chat_reading_new(enum dialect_id dialect, const char *model, const struct challenge *challenge)
{
    struct chat_reading *r = alloc_zero(1, sizeof *r);
    r->dialect = dialect_get(dialect);
    r->model = alloc_string(model);
    r->challenge = *challenge;
    sse_init(&r->sse);
    r->body = (struct buf)BUF_CAP(BODY_MAX);
    r->reply = (struct buf)BUF_CAP(REPLY_MAX);
    r->first = r->last = r->content = r->data_last = r->done_at = r->held_at = -1;
    r->prompt_tokens = r->output_tokens = r->reasoning_tokens = r->cached_tokens = r->charged_pico = -1;
    r->refused = PARAMETER_NONE;
    r->failure.refused = PARAMETER_NONE;
    return r;
}

struct chat_reading *chat_reading_free(struct chat_reading *r)
{
    if (r) {
        sse_done(&r->sse);
        buf_done(&r->body);
        buf_done(&r->reply);
        free(r->model);
        free(r);
    }
    return NULL;
}

void chat_reading_asked(struct chat_reading *r, const struct chat_ask *ask)
{
    r->asked_tokens = ask->max_tokens;
    r->asked_reasoning = ask->reasoning;
}

bool chat_reading_has_token(const struct chat_reading *r)
{
    return r->first >= 0;
}

usec_t chat_reading_last(const struct chat_reading *r)
{
    return r->last;
}

/* --- data -------------------------------------------------------------------------------------------------------------- */

struct event_arg {
    struct chat_reading *r;
    usec_t now;
};

static int on_event(void *arg, const struct sse_event *event)
{
    struct event_arg *a = arg;
    return a->r->dialect->event(a->r, event, a->now);
}

/* What the first telling byte of `data` says; OPEN if it holds only blanks (or part of a BOM). */
static enum reading_form form_of(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c <= ' ' || c == 0xef || c == 0xbb || c == 0xbf)
            continue;
        return strchr(":deir", c) ? FORM_STREAM : FORM_BODY; /* comment, data, event, id, retry */
    }
    return FORM_OPEN;
}

static void add_some(struct buf *b, const char *data, size_t len, size_t max)
{
    size_t room = b->len < max ? max - b->len : 0;
    buf_add(b, data, len < room ? len : room);
}

static int feed_stream(struct chat_reading *r, const char *data, size_t len, usec_t now)
{
    struct event_arg arg = {r, now};
    if (r->sse.events == 0)
        add_some(&r->body, data, len, STREAM_HEAD_MAX);
    if (sse_feed(&r->sse, data, len, on_event, &arg) == 0)
        return 0;
    r->overflow = true;
    return 1;
}

int chat_reading_data(struct chat_reading *r, int status, const char *content_type, const char *data, size_t len, usec_t now)
{
    (void)content_type; /* it lies too often; it is asked in the end, about what was no stream */
    r->data_last = now;
    if (r->overflow)
        return 1;
    if (status >= 300) {
        r->form = FORM_BODY;
        add_some(&r->body, data, len, ERROR_BODY_MAX);
        return r->body.len >= ERROR_BODY_MAX;
    }
    if (r->form == FORM_STREAM)
        return feed_stream(r, data, len, now);
    if (r->form == FORM_OPEN) {
        r->form = form_of(data, len);
        if (r->form == FORM_STREAM) {
            if (r->body.len > 0) { /* blanks and BOM that came before */
                struct buf before = r->body;
                r->body = (struct buf)BUF_CAP(BODY_MAX);
                feed_stream(r, before.data, before.len, now);
                buf_done(&before);
            }
            return feed_stream(r, data, len, now);
        }
    }
    buf_add(&r->body, data, len);
    r->overflow = r->body.full;
    return r->overflow;
}

/* --- the end ------------------------------------------------------------------------------------------------------------- */

/* The last line may lack its end, and a relay may have put its error there without "data:". */
static void end_stream(struct chat_reading *r)
{
    struct event_arg arg = {r, r->data_last};
    r->ending = true;
    (void)sse_end(&r->sse, on_event, &arg); /* its only failure is an overflow, noted before */
    if (!r->failed && !r->done && r->sse.stray.len > 0) {
        CLEANUP(json_deletep) cJSON *json = json_parse(buf_str(&r->sse.stray), r->sse.stray.len, NULL);
        r->failed = json && classify_json(json, reading_stage(r), 200, &r->failure);
    }
}

static void end_body(struct chat_reading *r, const struct http_result *result)
{
    const char *body = buf_str(&r->body);
    CLEANUP(json_deletep) cJSON *json = json_parse(body, r->body.len, NULL);
    r->whole = true;
    if (json && classify_json(json, STAGE_FIRST, result->status, &r->failure))
        r->failed = true;
    else if (json)
        r->dialect->body(r, json, r->data_last);
    if (!r->failed && !r->known && result->kind == OUTCOME_OK) {
        r->failure = classify_not_json(result->status, result->content_type, body, r->body.len);
        r->failed = true;
    }
}

bool reading_has_text(const struct chat_reading *r)
{
    return r->answered || r->reasoning;
}

/* The end was told, but there is no text. */
static struct outcome judge_empty(const struct chat_reading *r, int status)
{
    if (strcmp(r->finish, "length") == 0 && r->reasoning_tokens > 0)
        return outcome_make(STAGE_DONE, OUTCOME_OK, status);
    if (strcmp(r->finish, "length") == 0 && r->output_tokens > 0)
        return outcome_make(STAGE_FIRST, OUTCOME_UNFINISHED, status);
    if (strcmp(r->finish, "content_filter") == 0 || strcmp(r->finish, "sensitive") == 0)
        return outcome_make(STAGE_FIRST, OUTCOME_MODERATED, status);
    return outcome_make(STAGE_FIRST, OUTCOME_EMPTY, status);
}

/* A status line alone is no answer's head: what ends within the head ends at stage HEADERS. */
static bool has_head(const struct http_result *result)
{
    return result->status > 0 && result->stage != STAGE_HEADERS;
}

static struct outcome judge_transport(const struct chat_reading *r, const struct http_result *result)
{
    enum stage stage = has_head(result) ? reading_stage(r) : result->stage;
    if (r->overflow)
        return outcome_make(stage, OUTCOME_TOO_LARGE, result->status);
    return outcome_make(stage, result->kind, result->status);
}

/* The outcome, and in *detail its words if there are better ones than the transport's. */
static struct outcome judge(struct chat_reading *r, const struct http_result *result, enum stage timeout_stage, char *detail, size_t size)
{
    bool told = r->done || r->finish[0];
    if (r->failed) {
        struct outcome outcome = r->failure.outcome;
        r->refused = r->failure.refused;
        outcome.http_status = result->status;
        text_copy(detail, size, r->failure.detail, strlen(r->failure.detail));
        return outcome;
    }
    if (told && reading_has_text(r))
        return outcome_make(STAGE_DONE, OUTCOME_OK, result->status);
    if (told)
        return judge_empty(r, result->status);
    if (timeout_stage == STAGE_STREAM)
        return outcome_make(STAGE_STREAM, OUTCOME_STALLED, result->status);
    if (timeout_stage != STAGE_COUNT)
        return outcome_make(has_head(result) ? STAGE_FIRST : STAGE_HEADERS, OUTCOME_TIMEOUT, result->status);
    if (result->kind != OUTCOME_OK)
        return judge_transport(r, result);
    if (r->form == FORM_STREAM && r->sse.events == 0 && r->sse.comments == 0) {
        struct classification c = classify_not_json(result->status, result->content_type, buf_str(&r->body), r->body.len);
        text_copy(detail, size, c.detail, strlen(c.detail));
        return c.outcome;
    }
    if (r->form == FORM_OPEN)
        return outcome_make(STAGE_FIRST, OUTCOME_EMPTY, result->status);
    if (r->sse.events > 0 && !r->known)
        return outcome_make(reading_stage(r), OUTCOME_MALFORMED, result->status);
    return outcome_make(reading_stage(r), OUTCOME_TRUNCATED, result->status);
}

static bool is_burst(const struct chat_reading *r, usec_t sent)
{
    usec_t spread = r->last - r->first;
    if (r->whole)
        return true;
    if (r->chunks < BURST_CHUNKS && r->bytes < BURST_BYTES)
        return false;
    return spread <= BURST_GAP * (usec_t)(r->chunks > 1 ? r->chunks - 1 : 1) && spread * BURST_SHARE <= r->last - sent;
}

/* Tokens after the first chunk, in proportion to its share of the text: a chunk can hold many. Usage counts hidden reasoning, which no
 * delta showed. */
static double speed(const struct chat_reading *r)
{
    usec_t spread = r->last - r->first;
    if (r->chunks < SPEED_CHUNKS || spread < SPEED_SPREAD || r->bytes == 0)
        return 0;
    int64_t tokens = r->chunks;
    if (r->output_tokens > 0) {
        tokens = r->output_tokens;
        if (!r->reasoning && r->reasoning_tokens > 0 && r->reasoning_tokens < tokens)
            tokens -= r->reasoning_tokens;
    }
    double after = (double)tokens * (double)(r->bytes - r->first_bytes) / (double)r->bytes;
    return after * (double)USEC_PER_SEC / (double)spread;
}

static usec_t since(usec_t at, usec_t start)
{
    if (at < 0 || start < 0)
        return OBSERVATION_UNKNOWN;
    return at > start ? at - start : 0;
}

static void fill_times(const struct chat_reading *r, const struct http_result *result, struct observation *o)
{
    o->dns = result->dns;
    o->connect = result->connect;
    o->tls = result->tls;
    o->wait = since(result->headers, result->sent);
    o->ttft = since(r->first, result->sent);
    o->content = since(r->content, result->sent);
    o->total = since(outcome_ok(o->outcome) && result->kind != OUTCOME_OK && r->done_at >= 0 ? r->done_at : result->ended, result->started);
    o->retry_after = result->retry_after;
    o->reused = result->reused;
    o->http_version = (uint8_t)result->http_version;
    if (r->first < 0)
        return;
    o->chunks = (uint16_t)(r->chunks < UINT16_MAX ? r->chunks : UINT16_MAX);
    o->stalls = (uint16_t)(r->stalls < UINT16_MAX ? r->stalls : UINT16_MAX);
    if (r->chunks > 1)
        o->gap_max = r->gap_max;
    if (outcome_ok(o->outcome) && is_burst(r, result->sent))
        o->flags |= OBSERVED_ONE_BURST;
    else
        o->tokens_per_s = speed(r);
}

static void fill_usage(const struct chat_reading *r, struct observation *o)
{
    int low, high;
    o->prompt_tokens = (int32_t)r->prompt_tokens;
    o->output_tokens = (int32_t)r->output_tokens;
    o->reasoning_tokens = (int32_t)r->reasoning_tokens;
    o->cached_tokens = (int32_t)r->cached_tokens;
    o->charged_pico = r->charged_pico;
    challenge_known(&r->challenge, r->model, &low, &high);
    o->known_low = (int16_t)low;
    o->known_high = (int16_t)high;
    if (!outcome_ok(o->outcome))
        return;
    /* Zero tokens for a prompt that was sent, or for text that came, are no count. */
    if (r->prompt_tokens == 0)
        o->prompt_tokens = -1;
    if (r->output_tokens == 0 && reading_has_text(r))
        o->output_tokens = -1;
    if (!r->usage)
        o->flags |= OBSERVED_NO_USAGE;
}

static void fill_challenge(const struct chat_reading *r, struct observation *o)
{
    bool cut = strcmp(r->finish, "length") == 0;
    const char *reply = buf_str(&r->reply);
    if (!r->answered) {
        if (cut)
            o->flags |= OBSERVED_THINKING_ONLY;
        return;
    }
    if (!r->challenge.answer[0])
        return; /* nothing was asked that can be judged */
    if (reading_cumulative(r))
        reply += r->delta_at;
    switch (challenge_judge(&r->challenge, reply, cut)) {
    case CHALLENGE_PASSED:
        o->flags |= OBSERVED_CHALLENGE_PASSED;
        break;
    case CHALLENGE_FAILED:
        o->flags |= OBSERVED_CHALLENGE_FAILED;
        break;
    case CHALLENGE_OPEN:
        break;
    }
}

void chat_reading_finish(struct chat_reading *r, const struct http_result *result, enum stage timeout_stage, struct observation *ret)
{
    char detail[OBSERVATION_DETAIL_MAX] = "";
    struct outcome outcome;
    if (result->status >= 300) {
        struct classification c = classify_answer(result->status, result->content_type, buf_str(&r->body), r->body.len);
        outcome = c.outcome;
        r->refused = c.refused;
        text_copy(detail, sizeof detail, c.detail, strlen(c.detail));
    } else {
        if (r->form == FORM_STREAM)
            end_stream(r);
        else if (r->form == FORM_BODY && !r->overflow)
            end_body(r, result);
        reading_flush(r);
        outcome = judge(r, result, timeout_stage, detail, sizeof detail);
    }
    *ret = observation_make(PROBE_CHAT, result->ended, outcome);
    if (!detail[0] && !outcome_ok(outcome))
        text_copy(detail, sizeof detail, result->detail, strlen(result->detail));
    fill_times(r, result, ret);
    fill_usage(r, ret);
    if (reading_cumulative(r))
        ret->flags |= OBSERVED_CUMULATIVE;
    memcpy(ret->detail, detail, sizeof detail);
    if (outcome_ok(outcome)) {
        fill_challenge(r, ret);
        reading_signals(r, ret);
    }
}

const char *chat_reading_id(const struct chat_reading *r)
{
    return r->id;
}

enum chat_parameter chat_reading_refused(const struct chat_reading *r)
{
    return r->refused;
}

const char *chat_reading_reply(const struct chat_reading *r)
{
    return buf_str(&r->reply) + (reading_cumulative(r) ? r->delta_at : 0);
}
