/* The OpenAI responses dialect: an answer is a list of items (thinking, a message, a call), each opened, filled by deltas and closed again
 * by numbered events with names; the last event carries the whole answer with its usage. */
#include "tests/relaysim/responses.h"

#include "shared/json.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/stream_parts.h"

static bool thinks(const struct reply *r)
{
    return r->thoughts > 0;
}

/* --- items ----------------------------------------------------------------------------------------------------------- */

static void add_reasoning_item(const struct reply *r, const char *thought, bool done, struct buf *ret)
{
    buf_printf(ret, "{\"id\":\"rs_%016llx\",\"type\":\"reasoning\",\"summary\":[", (unsigned long long)r->number);
    if (done) {
        buf_add_str(ret, "{\"type\":\"summary_text\",\"text\":");
        json_quote(ret, thought);
        buf_add_char(ret, '}');
    }
    buf_add_str(ret, "]}");
}

static void add_call_item(const struct reply *r, const char *said, bool done, struct buf *ret)
{
    unsigned long long n = r->number;
    buf_printf(ret, "{\"id\":\"fc_%016llx\",\"type\":\"function_call\",\"status\":\"%s\",\"call_id\":\"call_%016llx\",\"name\":", n,
               !done       ? "in_progress"
               : r->length ? "incomplete"
                           : "completed",
               n);
    json_quote(ret, r->tool);
    buf_add_str(ret, ",\"arguments\":");
    json_quote(ret, done ? said : "");
    buf_add_char(ret, '}');
}

static void add_text_part(const char *text, struct buf *ret)
{
    buf_add_str(ret, "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":");
    json_quote(ret, text);
    buf_add_char(ret, '}');
}

/* What answers: a message, or a call. */
static void add_item(const struct reply *r, const char *said, bool done, struct buf *ret)
{
    if (r->tool) {
        add_call_item(r, said, done, ret);
        return;
    }
    buf_printf(ret, "{\"id\":\"msg_%016llx\",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[",
               (unsigned long long)r->number,
               !done       ? "in_progress"
               : r->length ? "incomplete"
                           : "completed");
    if (done)
        add_text_part(said, ret);
    buf_add_str(ret, "]}");
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */

static void add_usage(const struct reply *r, struct buf *ret)
{
    struct told t = reply_told(r, r->len);
    buf_printf(ret,
               "{\"input_tokens\":%u,\"input_tokens_details\":{\"cached_tokens\":%u},\"output_tokens\":%u,\"output_tokens_details\":"
               "{\"reasoning_tokens\":%u},\"total_tokens\":%u",
               t.prompt, t.cached, t.completion, t.reasoning, t.prompt + t.completion);
    if (r->relay->family == FAMILY_OPENROUTER)
        buf_printf(ret, ",\"cost\":%.12g", t.prompt || t.completion ? r->charged : 0);
    buf_add_char(ret, '}');
}

static void open_response(const struct reply *r, const char *status, struct buf *ret)
{
    buf_printf(ret, "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\",\"background\":false", r->id,
               (long long)r->created, status);
}

/* `output`: what the list of items holds. */
static void close_response(const struct reply *r, const char *output, bool done, struct buf *ret)
{
    buf_printf(ret, ",\"incomplete_details\":%s", done && r->length ? "{\"reason\":\"max_output_tokens\"}" : "null");
    buf_add_str(ret, ",\"model\":");
    json_quote(ret, r->model);
    buf_printf(ret, ",\"output\":[%s],\"parallel_tool_calls\":true,\"store\":false,\"tool_choice\":\"auto\",\"usage\":", output);
    if (done && reply_tells_usage(r))
        add_usage(r, ret);
    else
        buf_add_str(ret, "null");
    buf_add_char(ret, '}');
}

static void add_output(const struct reply *r, const char *thought, const char *said, struct buf *ret)
{
    if (*thought)
        add_reasoning_item(r, thought, true, ret);
    if (*thought && *said)
        buf_add_char(ret, ',');
    if (*said)
        add_item(r, said, true, ret);
}

static void add_whole(const struct reply *r, const char *thought, const char *said, struct buf *ret)
{
    CLEANUP(buf_done) struct buf output = BUF_INIT;
    add_output(r, thought, said, &output);
    open_response(r, r->length ? "incomplete" : "completed", ret);
    buf_add_str(ret, ",\"error\":null");
    close_response(r, buf_str(&output), true, ret);
}

void responses_write_whole(const struct reply *r, const char *thought, const char *said, struct buf *ret)
{
    add_whole(r, thought, said, ret);
}

/* --- events ---------------------------------------------------------------------------------------------------------- */

/* Opens {"type":NAME,"sequence_number":n in w->json; end_event closes and sends it. */
static void begin_event(struct writer *w, const char *name)
{
    buf_clear(&w->json);
    buf_printf(&w->json, "{\"type\":\"%s\",\"sequence_number\":%u", name, w->events++);
}

static void end_event(struct writer *w, const char *name, bool last)
{
    buf_add_char(&w->json, '}');
    stream_put_event(w, name, buf_str(&w->json), last);
}

static void put_response(struct writer *w, const char *name, const char *status)
{
    begin_event(w, name);
    buf_add_str(&w->json, ",\"response\":");
    open_response(w->r, status, &w->json);
    buf_add_str(&w->json, ",\"error\":null");
    close_response(w->r, "", false, &w->json);
    end_event(w, name, false);
}

static int answer_index(const struct reply *r)
{
    return thinks(r);
}

static void add_place(struct writer *w, bool thinking)
{
    const struct reply *r = w->r;
    buf_printf(&w->json, ",\"item_id\":\"%s_%016llx\",\"output_index\":%d",
               thinking  ? "rs"
               : r->tool ? "fc"
                         : "msg",
               (unsigned long long)r->number, thinking ? 0 : answer_index(r));
    if (thinking || !r->tool)
        buf_printf(&w->json, ",\"%s_index\":0", thinking ? "summary" : "content");
}

static void put_item(struct writer *w, const char *name, bool thinking, const char *text, bool done)
{
    begin_event(w, name);
    buf_printf(&w->json, ",\"output_index\":%d,\"item\":", thinking ? 0 : answer_index(w->r));
    if (thinking)
        add_reasoning_item(w->r, text, done, &w->json);
    else
        add_item(w->r, text, done, &w->json);
    end_event(w, name, false);
}

static void put_part(struct writer *w, const char *name, bool thinking, const char *text)
{
    begin_event(w, name);
    add_place(w, thinking);
    buf_add_str(&w->json, ",\"part\":");
    if (thinking) {
        buf_add_str(&w->json, "{\"type\":\"summary_text\",\"text\":");
        json_quote(&w->json, text);
        buf_add_char(&w->json, '}');
    } else {
        add_text_part(text, &w->json);
    }
    end_event(w, name, false);
}

/* A delta, or (member "text" or "arguments") all of them at the end. */
static void put_text_event(struct writer *w, bool thinking, bool done, const char *text)
{
    const struct reply *r = w->r;
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    const char *what = thinking ? "reasoning_summary_text" : r->tool ? "function_call_arguments" : "output_text";
    buf_printf(&name, "response.%s.%s", what, done ? "done" : "delta");
    begin_event(w, buf_str(&name));
    add_place(w, thinking);
    buf_printf(&w->json, ",\"%s\":", !done ? "delta" : r->tool && !thinking ? "arguments" : "text");
    json_quote(&w->json, text);
    end_event(w, buf_str(&name), false);
}

static void open_item(struct writer *w, bool thinking)
{
    put_item(w, "response.output_item.added", thinking, "", false);
    if (thinking)
        put_part(w, "response.reasoning_summary_part.added", true, "");
    else if (!w->r->tool)
        put_part(w, "response.content_part.added", false, "");
}

static void close_item(struct writer *w, bool thinking)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    reply_join(w->r, thinking, &text);
    put_text_event(w, thinking, true, buf_str(&text));
    if (thinking)
        put_part(w, "response.reasoning_summary_part.done", true, buf_str(&text));
    else if (!w->r->tool)
        put_part(w, "response.content_part.done", false, buf_str(&text));
    put_item(w, "response.output_item.done", thinking, buf_str(&text), true);
}

/* --- the stream ------------------------------------------------------------------------------------------------------ */

static void put_start(struct writer *w)
{
    put_response(w, "response.created", "in_progress");
    stream_end_step(w);
    put_response(w, "response.in_progress", "in_progress");
    open_item(w, thinks(w->r));
    stream_end_step(w);
    for (int i = 0; i < w->r->b->empty_deltas; i++) {
        put_text_event(w, thinks(w->r), false, "");
        stream_end_step(w);
    }
}

static void put_piece(struct writer *w, size_t i)
{
    const struct reply *r = w->r;
    bool thinking = r->pieces[i].reasoning;
    if (!thinking && thinks(r) && i == r->thoughts) {
        close_item(w, true);
        open_item(w, false);
    }
    put_text_event(w, thinking, false, stream_piece_text(w, i));
}

static void put_end(struct writer *w)
{
    const struct reply *r = w->r;
    const char *name = r->length ? "response.incomplete" : "response.completed";
    if (r->b->finish)
        close_item(w, thinks(r) && r->len == r->thoughts);
    if (!r->b->done)
        return;
    CLEANUP(buf_done) struct buf thought = BUF_INIT;
    CLEANUP(buf_done) struct buf said = BUF_INIT;
    reply_join(r, true, &thought);
    reply_join(r, false, &said);
    begin_event(w, name);
    buf_add_str(&w->json, ",\"response\":");
    add_whole(r, buf_str(&thought), buf_str(&said), &w->json);
    end_event(w, name, true);
}

static void put_error(struct writer *w)
{
    const struct reply *r = w->r;
    int status;
    enum error_id error = stream_error(r, &status);
    begin_event(w, "response.failed");
    buf_add_str(&w->json, ",\"response\":");
    open_response(r, "failed", &w->json);
    buf_printf(&w->json, ",\"error\":{\"code\":\"%s\",\"message\":", status == 429 ? "rate_limit_exceeded" : "server_error");
    json_quote(&w->json, r->b->message ? r->b->message : error_id_name(error));
    buf_add_char(&w->json, '}');
    close_response(r, "", false, &w->json);
    end_event(w, "response.failed", true);
}

static void put_raw(struct writer *w, const char *raw)
{
    begin_event(w, "response.output_text.delta");
    add_place(w, false);
    buf_printf(&w->json, ",\"delta\":\"%s\"", raw);
    end_event(w, "response.output_text.delta", false);
}

const struct stream_form responses_form = {.start = put_start,
                                           .piece = put_piece,
                                           .end = put_end,
                                           .error = put_error,
                                           .broken_name = "response.output_text.delta",
                                           .broken = "{\"type\":\"response.output_text.delta\",\"seq",
                                           .text = put_raw};
