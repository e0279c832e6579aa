/* One completion as a stream of events.
 *
 * Comments, the role-only and empty deltas that are no tokens, the reply's pieces at their drawn times, finish, usage and [DONE], each in
 * the relay's dialect and in whatever odd spelling of an event stream the behaviour asks for. A fault strikes after `at` pieces and decides
 * how the script ends. Each event is one HTTP chunk and one step. The OpenAI dialect's events are written here, those of the others in
 * files of their own (struct stream_form). */
#include "tests/relaysim/stream.h"

#include <string.h>

#include "shared/json.h"
#include "tests/relaysim/anthropic.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/gemini.h"
#include "tests/relaysim/responses.h"
#include "tests/relaysim/stream_parts.h"

#define SPLIT_GAP (2 * USEC_PER_MSEC) /* between the halves of a character: longer than a reader needs to come back for more */

/* --- events ------------------------------------------------------------------------------------------------------- */

static const char *eol_of(const struct behaviour *b)
{
    return b->crlf ? "\r\n" : b->cr ? "\r" : "\n";
}

void stream_end_step(struct writer *w)
{
    if (!w->r->burst)
        script_cut(w->s);
}

static size_t find_character_middle(const char *text, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++)
        if ((unsigned char)text[i] >= 0xc0)
            return i + 1;
    return 0;
}

/* Raw bytes of the body as one chunk; a split character is two writes within it. */
static void put_body(struct writer *w, const char *text, size_t len)
{
    struct buf *out = &w->s->bytes;
    bool chunked = w->r->b->framing == FRAMING_CHUNKED;
    if (chunked)
        buf_printf(out, "%zx\r\n", len);
    size_t middle = w->r->b->split_utf8 ? find_character_middle(text, len) : 0;
    if (middle) {
        buf_add(out, text, middle);
        script_cut(w->s);
        script_after(w->s, SPLIT_GAP);
    }
    buf_add(out, text + middle, len - middle);
    if (chunked)
        buf_add_str(out, "\r\n");
}

/* `data` lines: whole, or broken where JSON allows a line end. */
static void add_data_lines(struct writer *w, const char *json)
{
    const char *field = w->r->b->no_space ? "data:" : "data: ";
    size_t len = strlen(json);
    if (w->r->b->multiline && len > 2 && json[0] == '{')
        buf_printf(&w->event, "%s{%s%s%.*s%s%s}", field, w->eol, field, (int)(len - 2), json + 1, w->eol, field);
    else
        buf_printf(&w->event, "%s%s", field, json);
    buf_add_str(&w->event, w->eol);
}

void stream_put_event(struct writer *w, const char *name, const char *json, bool last)
{
    buf_clear(&w->event);
    if (!w->started && w->r->b->bom)
        buf_add_str(&w->event, "\xef\xbb\xbf");
    w->started = true;
    if (name)
        buf_printf(&w->event, "event:%s%s%s", w->r->b->no_space ? "" : " ", name, w->eol);
    add_data_lines(w, json);
    if (!last || !w->r->b->no_last_blank)
        buf_add_str(&w->event, w->eol);
    put_body(w, w->event.data, w->event.len);
    script_mark(w->s, MARK_DATA, 0);
}

static void put_comments(struct writer *w)
{
    const struct reply *r = w->r;
    for (int i = 0; i < r->b->comments; i++) {
        buf_clear(&w->event);
        if (!w->started && r->b->bom)
            buf_add_str(&w->event, "\xef\xbb\xbf");
        w->started = true;
        buf_printf(&w->event, ":%s%s%s", r->b->comment ? r->b->comment : family_comment(r->relay->family), w->eol, w->eol);
        put_body(w, w->event.data, w->event.len);
        script_mark(w->s, MARK_COMMENT, 0);
        stream_end_step(w);
        script_after(w->s, spread_draw(&r->b->comment_gap, &r->relay->random));
    }
}

/* --- the OpenAI dialect ------------------------------------------------------------------------------------------- */

/* One chunk; delta is a JSON object. */
static void put_chunk(struct writer *w, const char *delta, const char *finish)
{
    const struct reply *r = w->r;
    buf_clear(&w->json);
    reply_add_head(r, "chat.completion.chunk", &w->json);
    buf_printf(&w->json, ",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":", delta);
    if (finish)
        buf_printf(&w->json, "\"%s\"}]", finish);
    else
        buf_add_str(&w->json, "null}]");
    bool each = r->b->usage == USAGE_EACH || (finish && r->b->usage == USAGE_FINISH);
    if (each && reply_tells_usage(r)) {
        buf_add_str(&w->json, ",\"usage\":");
        reply_add_usage(r, finish ? r->len : w->pieces_out, &w->json);
    } else if (r->b->usage == USAGE_NULLS) {
        buf_add_str(&w->json, ",\"usage\":null");
    }
    buf_add_char(&w->json, '}');
    stream_put_event(w, NULL, buf_str(&w->json), false);
}

static void add_reasoning_member(const struct reply *r, const char *text, struct buf *ret)
{
    switch (r->b->reasoning_field) {
    case REASONING_INLINE:
        buf_add_str(ret, "\"content\":");
        json_quote(ret, text);
        return;
    case REASONING_CONTENT:
        buf_add_str(ret, "\"content\":null,\"reasoning_content\":");
        json_quote(ret, text);
        return;
    case REASONING_DETAILS:
        buf_add_str(ret, "\"content\":\"\",\"reasoning\":");
        json_quote(ret, text);
        buf_add_str(ret, ",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"format\":\"unknown\",\"index\":0,\"text\":");
        json_quote(ret, text);
        buf_add_str(ret, "}]");
        return;
    case REASONING_BOTH:
        buf_add_str(ret, "\"reasoning_content\":");
        json_quote(ret, text);
        buf_add_char(ret, ',');
        break;
    default:
        buf_add_str(ret, "\"content\":\"\",");
    }
    buf_add_str(ret, "\"reasoning\":");
    json_quote(ret, text);
}

const char *stream_piece_text(struct writer *w, size_t i)
{
    const struct reply *r = w->r;
    const struct piece *p = &r->pieces[i];
    struct buf *so_far = p->reasoning ? &w->thought : &w->said;
    if (!r->b->cumulative)
        buf_clear(so_far);
    bool think = p->reasoning && r->b->reasoning_field == REASONING_INLINE && r->dialect == DIALECT_OPENAI;
    if (think && i == 0)
        buf_add_str(so_far, "<think>");
    buf_add(so_far, r->text.data + p->at, p->len);
    if (think && i + 1 == r->thoughts)
        buf_add_str(so_far, "</think>");
    return buf_str(so_far);
}

/* The first one names the function. */
static void add_tool_member(const struct writer *w, size_t i, const char *text, struct buf *ret)
{
    const struct reply *r = w->r;
    buf_add_str(ret, "\"tool_calls\":[{\"index\":0,");
    if (i == r->thoughts) {
        buf_printf(ret, "\"id\":\"call_%016llx\",\"type\":\"function\",", (unsigned long long)r->number);
        buf_add_str(ret, "\"function\":{\"name\":");
        json_quote(ret, r->tool);
        buf_add_str(ret, ",\"arguments\":");
    } else {
        buf_add_str(ret, "\"function\":{\"arguments\":");
    }
    json_quote(ret, text);
    buf_add_str(ret, "}}]");
}

static void put_openai_piece(struct writer *w, size_t i)
{
    CLEANUP(buf_done) struct buf delta = BUF_INIT;
    const char *text = stream_piece_text(w, i);
    buf_add_char(&delta, '{');
    if (w->r->pieces[i].reasoning) {
        add_reasoning_member(w->r, text, &delta);
    } else if (w->r->tool) {
        add_tool_member(w, i, text, &delta);
    } else {
        buf_add_str(&delta, "\"content\":");
        json_quote(&delta, text);
    }
    buf_add_char(&delta, '}');
    put_chunk(w, buf_str(&delta), NULL);
}

static void put_openai_start(struct writer *w)
{
    const struct behaviour *b = w->r->b;
    if (b->role_delta) {
        put_chunk(w, "{\"role\":\"assistant\",\"content\":\"\"}", NULL);
        stream_end_step(w);
    }
    for (int i = 0; i < b->empty_deltas; i++) {
        put_chunk(w, i % 2 ? "{\"content\":\"\"}" : "{}", NULL);
        stream_end_step(w);
    }
}

static void put_openai_end(struct writer *w)
{
    const struct reply *r = w->r;
    if (r->b->finish)
        put_chunk(w, "{}", r->length ? "length" : r->tool ? "tool_calls" : "stop");
    bool last = r->b->usage == USAGE_LAST || r->b->usage == USAGE_NULLS || r->b->usage == USAGE_ZERO;
    if (last && reply_tells_usage(r) && (r->want_usage || !r->b->stream_options)) {
        buf_clear(&w->json);
        reply_add_head(r, "chat.completion.chunk", &w->json);
        buf_add_str(&w->json, ",\"choices\":[],\"usage\":");
        reply_add_usage(r, r->len, &w->json);
        buf_add_char(&w->json, '}');
        stream_put_event(w, NULL, buf_str(&w->json), !r->b->done);
    }
    if (r->b->done)
        stream_put_event(w, NULL, "[DONE]", true);
}

enum error_id stream_error(const struct reply *r, int *status)
{
    enum error_id error = r->b->error ? (enum error_id)r->b->error : ERROR_SERVER;
    *status = r->b->status ? r->b->status : family_status((enum family)r->relay->family, error);
    return error;
}

static void put_openai_error(struct writer *w)
{
    const struct reply *r = w->r;
    int status;
    struct complaint c = {.family = (enum family)r->relay->family,
                          .dialect = r->dialect,
                          .error = stream_error(r, &status),
                          .message = r->b->message,
                          .model = r->model,
                          .id = r->number};
    buf_clear(&w->json);
    if (r->relay->family == FAMILY_OPENROUTER && r->dialect == DIALECT_OPENAI) {
        reply_add_head(r, "chat.completion.chunk", &w->json);
        buf_printf(&w->json, ",\"error\":{\"code\":%d,\"message\":", status);
        json_quote(&w->json, r->b->message ? r->b->message : "Provider disconnected");
        buf_add_str(&w->json, "},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}");
    } else {
        family_error_object(&c, status, &w->json);
    }
    stream_put_event(w, r->dialect == DIALECT_ANTHROPIC ? "error" : NULL, buf_str(&w->json), true);
}

static void put_openai_text(struct writer *w, const char *raw)
{
    CLEANUP(buf_done) struct buf delta = BUF_INIT;
    buf_printf(&delta, "{\"content\":\"%s\"}", raw);
    put_chunk(w, buf_str(&delta), NULL);
}

static const struct stream_form openai_form = {.start = put_openai_start,
                                               .piece = put_openai_piece,
                                               .end = put_openai_end,
                                               .error = put_openai_error,
                                               .broken = "{\"id\":\"chatcmpl-broken\",\"choi",
                                               .text = put_openai_text};

/* --- the whole stream --------------------------------------------------------------------------------------------- */

static const struct stream_form *form_of(const struct writer *w)
{
    static const struct stream_form *const forms[DIALECT_COUNT] = {[DIALECT_OPENAI] = &openai_form,
                                                                   [DIALECT_ANTHROPIC] = &anthropic_form,
                                                                   [DIALECT_GEMINI] = &gemini_form,
                                                                   [DIALECT_RESPONSES] = &responses_form};
    return forms[w->r->dialect];
}

static void put_piece(struct writer *w, size_t i)
{
    w->pieces_out = i + 1;
    form_of(w)->piece(w, i);
    script_mark(w->s, w->r->pieces[i].reasoning ? MARK_REASONING : MARK_CONTENT, 1);
}

static void put_malformed(struct writer *w)
{
    stream_put_event(w, form_of(w)->broken_name, form_of(w)->broken, false);
    stream_end_step(w);
}

static void put_bad_utf8(struct writer *w)
{
    form_of(w)->text(w, "\xff\xfe\xc3(\xed\xa0\x80");
    script_mark(w->s, MARK_CONTENT, 1);
    stream_end_step(w);
}

/* How the fault strikes once `at` pieces are out. True: the stream goes no further. */
static bool strike(struct writer *w)
{
    switch (w->r->fault) {
    case FAULT_NO_FIRST_TOKEN:
    case FAULT_STALL:
        w->s->end = SCRIPT_HANG;
        return true;
    case FAULT_TRUNCATE:
        w->s->end = SCRIPT_KEEP;
        if (w->r->b->framing == FRAMING_CHUNKED)
            buf_add_str(&w->s->bytes, "0\r\n\r\n");
        else
            w->s->end = SCRIPT_CLOSE;
        return true;
    case FAULT_CUT:
        w->s->end = SCRIPT_CLOSE;
        return true;
    case FAULT_STREAM_RESET:
        w->s->end = SCRIPT_RESET;
        return true;
    case FAULT_STREAM_ERROR:
        (form_of(w)->error ? form_of(w)->error : put_openai_error)(w);
        w->s->end = w->r->b->framing == FRAMING_CHUNKED ? SCRIPT_KEEP : SCRIPT_CLOSE;
        if (w->r->b->framing == FRAMING_CHUNKED)
            buf_add_str(&w->s->bytes, "0\r\n\r\n");
        return true;
    case FAULT_STREAM_ENDLESS:
        script_cut(w->s);
        script_after(w->s, spread_draw(&w->r->b->gap, &w->r->relay->random));
        put_piece(w, w->r->len - 1);
        w->s->end = SCRIPT_LOOP;
        return true;
    case FAULT_BAD_UTF8:
        put_bad_utf8(w);
        return false;
    case FAULT_MALFORMED:
        put_malformed(w);
        return false;
    default:
        return false;
    }
}

static void put_end(struct writer *w)
{
    script_after(w->s, spread_draw(&w->r->b->tail, &w->r->relay->random));
    form_of(w)->end(w);
    if (w->r->b->framing == FRAMING_CHUNKED)
        buf_add_str(&w->s->bytes, "0\r\n\r\n");
    script_mark(w->s, MARK_DONE, 0);
    w->s->end = w->r->b->framing == FRAMING_CHUNKED ? SCRIPT_KEEP : SCRIPT_CLOSE;
}

static size_t strike_place(const struct reply *r)
{
    if (r->fault == FAULT_NONE || r->fault == FAULT_EMPTY)
        return SIZE_MAX;
    if (r->fault == FAULT_NO_FIRST_TOKEN)
        return 0;
    size_t at = (size_t)r->b->at;
    return at < r->len ? at : r->len;
}

static bool put_pieces(struct writer *w)
{
    const struct reply *r = w->r;
    size_t len = r->fault == FAULT_EMPTY ? 0 : r->len, struck = strike_place(r);
    usec_t at = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i == struck && strike(w))
            return false;
        if (i == len)
            break;
        usec_t wait = spread_draw(i == 0 ? &r->b->first_token : &r->b->gap, &r->relay->random);
        at += wait;
        if (r->burst || i == 0)
            script_at(w->s, at);
        else
            script_after(w->s, wait);
        put_piece(w, i);
        stream_end_step(w);
    }
    return true;
}

void stream_write(const struct reply *r, struct script *s)
{
    struct writer w = {.r = r, .s = s, .eol = eol_of(r->b)};
    put_comments(&w);
    form_of(&w)->start(&w);
    if (put_pieces(&w))
        put_end(&w);
    script_cut(s);
    buf_done(&w.event);
    buf_done(&w.json);
    buf_done(&w.said);
    buf_done(&w.thought);
}
