/* The Gemini dialect: every event is a whole answer in small, without a name and without an end mark; thoughts are parts that say so;
 * tokens of thinking are counted beside those of the answer, not within. */
#include "tests/relaysim/gemini.h"

#include "shared/json.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/stream_parts.h"

static void add_part(const struct reply *r, bool thought, const char *text, struct buf *ret)
{
    if (r->tool && !thought) {
        buf_add_str(ret, "{\"functionCall\":{\"name\":");
        json_quote(ret, r->tool);
        buf_printf(ret, ",\"args\":%s}}", r->length ? "{}" : text);
        return;
    }
    buf_add_str(ret, "{\"text\":");
    json_quote(ret, text);
    buf_add_str(ret, thought ? ",\"thought\":true}" : "}");
}

static void add_usage(const struct reply *r, size_t pieces, struct buf *ret)
{
    struct told t = reply_told(r, pieces);
    buf_printf(ret, ",\"usageMetadata\":{\"promptTokenCount\":%u,\"candidatesTokenCount\":%u,\"totalTokenCount\":%u", t.prompt,
               t.completion - t.reasoning, t.prompt + t.completion);
    if (t.reasoning)
        buf_printf(ret, ",\"thoughtsTokenCount\":%u", t.reasoning);
    if (t.cached)
        buf_printf(ret, ",\"cachedContentTokenCount\":%u", t.cached);
    buf_add_char(ret, '}');
}

static void open_answer(struct buf *ret)
{
    buf_add_str(ret, "{\"candidates\":[{\"content\":{\"parts\":[");
}

static void close_answer(const struct reply *r, bool finish, bool usage, size_t pieces, struct buf *ret)
{
    buf_add_str(ret, "],\"role\":\"model\"}");
    if (finish)
        buf_printf(ret, ",\"finishReason\":\"%s\"", r->length ? "MAX_TOKENS" : "STOP");
    buf_add_str(ret, ",\"index\":0}]");
    if (usage && reply_tells_usage(r))
        add_usage(r, pieces, ret);
    buf_add_str(ret, ",\"modelVersion\":");
    json_quote(ret, r->model);
    buf_printf(ret, ",\"responseId\":\"%s\"}", r->id);
}

void gemini_write_whole(const struct reply *r, const char *thought, const char *said, struct buf *ret)
{
    open_answer(ret);
    if (*thought)
        add_part(r, true, thought, ret);
    if (*thought && *said)
        buf_add_char(ret, ',');
    if (*said)
        add_part(r, false, said, ret);
    close_answer(r, true, true, r->len, ret);
}

/* --- the stream ------------------------------------------------------------------------------------------------------ */

static void put_part(struct writer *w, bool thought, const char *text, bool finish)
{
    bool each = w->r->b->usage == USAGE_EACH || w->r->b->usage == USAGE_ZERO;
    buf_clear(&w->json);
    open_answer(&w->json);
    add_part(w->r, thought, text, &w->json);
    close_answer(w->r, finish, finish || each, finish ? w->r->len : w->pieces_out, &w->json);
    stream_put_event(w, NULL, buf_str(&w->json), finish);
}

static void put_start(struct writer *w)
{
    for (int i = 0; i < w->r->b->empty_deltas; i++) {
        put_part(w, true, "", false); /* thought: a call's arguments are never empty */
        stream_end_step(w);
    }
}

/* A call comes whole: with the last of its pieces. */
static void put_piece(struct writer *w, size_t i)
{
    const struct reply *r = w->r;
    const struct piece *p = &r->pieces[i];
    if (!r->tool || p->reasoning) {
        put_part(w, p->reasoning, stream_piece_text(w, i), false);
    } else if (i + 1 == r->len) {
        CLEANUP(buf_done) struct buf arguments = BUF_INIT;
        reply_join(r, false, &arguments);
        put_part(w, false, buf_str(&arguments), false);
    }
}

static void put_end(struct writer *w)
{
    if (!w->r->b->finish)
        return;
    buf_clear(&w->json);
    open_answer(&w->json);
    buf_add_str(&w->json, "{\"text\":\"\"}");
    close_answer(w->r, true, true, w->r->len, &w->json);
    stream_put_event(w, NULL, buf_str(&w->json), true);
}

static void put_text(struct writer *w, const char *raw)
{
    buf_clear(&w->json);
    open_answer(&w->json);
    buf_printf(&w->json, "{\"text\":\"%s\"}", raw);
    close_answer(w->r, false, false, 0, &w->json);
    stream_put_event(w, NULL, buf_str(&w->json), false);
}

const struct stream_form gemini_form = {
    .start = put_start, .piece = put_piece, .end = put_end, .broken = "{\"candidates\":[{\"content\":{\"par", .text = put_text};
