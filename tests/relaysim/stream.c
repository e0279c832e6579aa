/* One completion as a stream of events.
 *
 * Comments, the role-only and empty deltas that are no tokens, the reply's pieces at their drawn times, finish, usage and [DONE], each in
 * the relay's dialect and in whatever odd spelling of an event stream the behaviour asks for. A fault strikes after `at` pieces and decides
 * how the script ends. Each event is one HTTP chunk and one step. */
#include "tests/relaysim/stream.h"

#include <string.h>

#include "shared/json.h"
#include "tests/relaysim/families.h"

#define SPLIT_GAP (2 * USEC_PER_MSEC) /* between the halves of a character: longer than a reader needs to come back for more */

/* --- events ------------------------------------------------------------------------------------------------------- */

struct writer {
    const struct reply *r;
    struct script *s;
    const char *eol;
    bool started;
    size_t pieces_out; /* for cumulative usage */
    struct buf event, json;
    struct buf said, thought; /* so far, for cumulative deltas */
};

static const char *eol_of(const struct behaviour *b)
{
    return b->crlf ? "\r\n" : b->cr ? "\r" : "\n";
}

/* The end of one write, unless everything is to come in one. */
static void end_step(struct writer *w)
{
    if (!w->r->b->burst)
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

static void put_event(struct writer *w, const char *name, const char *json, bool last)
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
        end_step(w);
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
    if (r->b->usage == USAGE_EACH || (finish && r->b->usage == USAGE_FINISH)) {
        buf_add_str(&w->json, ",\"usage\":");
        reply_add_usage(r, finish ? r->completion_tokens : (unsigned)w->pieces_out, &w->json);
    } else if (r->b->usage == USAGE_NULLS) {
        buf_add_str(&w->json, ",\"usage\":null");
    }
    buf_add_char(&w->json, '}');
    put_event(w, NULL, buf_str(&w->json), false);
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

/* The text of piece i as its delta carries it. */
static const char *piece_text(struct writer *w, size_t i)
{
    const struct reply *r = w->r;
    const struct piece *p = &r->pieces[i];
    struct buf *so_far = p->reasoning ? &w->thought : &w->said;
    if (!r->b->cumulative)
        buf_clear(so_far);
    bool think = p->reasoning && r->b->reasoning_field == REASONING_INLINE && !r->anthropic;
    if (think && i == 0)
        buf_add_str(so_far, "<think>");
    buf_add(so_far, r->text.data + p->at, p->len);
    if (think && i + 1 == r->reasoning_tokens)
        buf_add_str(so_far, "</think>");
    return buf_str(so_far);
}

static void put_openai_piece(struct writer *w, size_t i)
{
    CLEANUP(buf_done) struct buf delta = BUF_INIT;
    const char *text = piece_text(w, i);
    buf_add_char(&delta, '{');
    if (w->r->pieces[i].reasoning) {
        add_reasoning_member(w->r, text, &delta);
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
        end_step(w);
    }
    for (int i = 0; i < b->empty_deltas; i++) {
        put_chunk(w, i % 2 ? "{\"content\":\"\"}" : "{}", NULL);
        end_step(w);
    }
}

static void put_openai_end(struct writer *w)
{
    const struct reply *r = w->r;
    if (r->b->finish)
        put_chunk(w, "{}", r->length ? "length" : "stop");
    bool last = r->b->usage == USAGE_LAST || r->b->usage == USAGE_NULLS || r->b->usage == USAGE_ZERO;
    if (last && (r->want_usage || !r->b->stream_options)) {
        buf_clear(&w->json);
        reply_add_head(r, "chat.completion.chunk", &w->json);
        buf_add_str(&w->json, ",\"choices\":[],\"usage\":");
        reply_add_usage(r, r->completion_tokens, &w->json);
        buf_add_char(&w->json, '}');
        put_event(w, NULL, buf_str(&w->json), !r->b->done);
    }
    if (r->b->done)
        put_event(w, NULL, "[DONE]", true);
}

/* --- the Anthropic dialect ---------------------------------------------------------------------------------------- */

static bool thinks(const struct reply *r)
{
    return r->reasoning_tokens > 0;
}

static void put_block_start(struct writer *w, bool thinking)
{
    buf_clear(&w->json);
    buf_printf(&w->json, "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":%s}", !thinking && thinks(w->r),
               thinking ? "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}" : "{\"type\":\"text\",\"text\":\"\"}");
    put_event(w, "content_block_start", buf_str(&w->json), false);
}

static void put_block_stop(struct writer *w, bool thinking)
{
    buf_clear(&w->json);
    buf_printf(&w->json, "{\"type\":\"content_block_stop\",\"index\":%d}", !thinking && thinks(w->r));
    put_event(w, "content_block_stop", buf_str(&w->json), false);
}

static void put_block_delta(struct writer *w, bool thinking, const char *text)
{
    buf_clear(&w->json);
    buf_printf(&w->json, "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":", !thinking && thinks(w->r),
               thinking ? "thinking_delta" : "text_delta", thinking ? "thinking" : "text");
    json_quote(&w->json, text);
    buf_add_str(&w->json, "}}");
    put_event(w, "content_block_delta", buf_str(&w->json), false);
}

static void put_anthropic_start(struct writer *w)
{
    const struct reply *r = w->r;
    buf_clear(&w->json);
    buf_printf(&w->json,
               "{\"type\":\"message_start\",\"message\":{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", r->id);
    json_quote(&w->json, r->model);
    buf_printf(&w->json,
               ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":%u,\"output_tokens\":%d}}}",
               r->b->usage == USAGE_ZERO ? 0 : r->prompt_tokens, r->b->usage == USAGE_ZERO ? 0 : 1);
    put_event(w, "message_start", buf_str(&w->json), false);
    end_step(w);
    put_event(w, "ping", "{\"type\":\"ping\"}", false);
    put_block_start(w, thinks(r));
    end_step(w);
    for (int i = 0; i < r->b->empty_deltas; i++) {
        put_block_delta(w, thinks(r), "");
        end_step(w);
    }
}

static void put_anthropic_piece(struct writer *w, size_t i)
{
    const struct reply *r = w->r;
    bool thinking = r->pieces[i].reasoning;
    if (!thinking && thinks(r) && i == r->reasoning_tokens) {
        put_block_stop(w, true);
        put_block_start(w, false);
    }
    put_block_delta(w, thinking, piece_text(w, i));
}

static void put_anthropic_end(struct writer *w)
{
    const struct reply *r = w->r;
    put_block_stop(w, thinks(r) && r->len == r->reasoning_tokens);
    if (r->b->finish) {
        buf_clear(&w->json);
        buf_printf(&w->json, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null}",
                   r->length ? "max_tokens" : "end_turn");
        if (r->b->usage != USAGE_NEVER)
            buf_printf(&w->json, ",\"usage\":{\"output_tokens\":%u}", r->b->usage == USAGE_ZERO ? 0 : r->completion_tokens);
        buf_add_char(&w->json, '}');
        put_event(w, "message_delta", buf_str(&w->json), false);
    }
    if (r->b->done)
        put_event(w, "message_stop", "{\"type\":\"message_stop\"}", true);
}

/* --- the whole stream --------------------------------------------------------------------------------------------- */

static void put_piece(struct writer *w, size_t i)
{
    w->pieces_out = i + 1;
    if (w->r->anthropic)
        put_anthropic_piece(w, i);
    else
        put_openai_piece(w, i);
    script_mark(w->s, w->r->pieces[i].reasoning ? MARK_REASONING : MARK_CONTENT, 1);
}

static void put_error_event(struct writer *w)
{
    const struct reply *r = w->r;
    enum error_id error = r->b->error ? (enum error_id)r->b->error : ERROR_SERVER;
    struct complaint c = {.family = (enum family)r->relay->family,
                          .anthropic = r->anthropic,
                          .error = error,
                          .message = r->b->message,
                          .model = r->model,
                          .id = r->number};
    int status = r->b->status ? r->b->status : family_status(c.family, error);
    buf_clear(&w->json);
    if (r->relay->family == FAMILY_OPENROUTER && !r->anthropic) {
        reply_add_head(r, "chat.completion.chunk", &w->json);
        buf_printf(&w->json, ",\"error\":{\"code\":%d,\"message\":", status);
        json_quote(&w->json, r->b->message ? r->b->message : "Provider disconnected");
        buf_add_str(&w->json, "},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}");
    } else {
        family_error_object(&c, status, &w->json);
    }
    put_event(w, r->anthropic ? "error" : NULL, buf_str(&w->json), true);
}

/* An event that is no JSON: the first half of one that would be. */
static void put_malformed(struct writer *w)
{
    put_event(w, w->r->anthropic ? "content_block_delta" : NULL,
              w->r->anthropic ? "{\"type\":\"content_block_delta\",\"ind" : "{\"id\":\"chatcmpl-broken\",\"choi", false);
    end_step(w);
}

static void put_bad_utf8(struct writer *w)
{
    static const char bytes[] = "\xff\xfe\xc3(\xed\xa0\x80";
    if (w->r->anthropic) {
        buf_clear(&w->json);
        buf_printf(&w->json, "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}",
                   thinks(w->r), bytes);
        put_event(w, "content_block_delta", buf_str(&w->json), false);
    } else {
        CLEANUP(buf_done) struct buf delta = BUF_INIT;
        buf_printf(&delta, "{\"content\":\"%s\"}", bytes);
        put_chunk(w, buf_str(&delta), NULL);
    }
    script_mark(w->s, MARK_CONTENT, 1);
    end_step(w);
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
        put_error_event(w);
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
    if (w->r->anthropic)
        put_anthropic_end(w);
    else
        put_openai_end(w);
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
        if (r->b->burst || i == 0)
            script_at(w->s, at);
        else
            script_after(w->s, wait);
        put_piece(w, i);
        end_step(w);
    }
    return true;
}

void stream_write(const struct reply *r, struct script *s)
{
    struct writer w = {.r = r, .s = s, .eol = eol_of(r->b)};
    put_comments(&w);
    if (r->anthropic)
        put_anthropic_start(&w);
    else
        put_openai_start(&w);
    if (put_pieces(&w))
        put_end(&w);
    script_cut(s);
    buf_done(&w.event);
    buf_done(&w.json);
    buf_done(&w.said);
    buf_done(&w.thought);
}
