/* The Anthropic messages dialect: events with names, blocks that are opened and closed, usage at both ends. */
#include "tests/relaysim/anthropic.h"

#include "shared/json.h"
#include "tests/relaysim/stream_parts.h"

static const char *stop_reason(const struct reply *r)
{
    return r->length ? "max_tokens" : r->tool ? "tool_use" : "end_turn";
}

void anthropic_write_whole(const struct reply *r, const char *thought, const char *said, struct buf *ret)
{
    buf_printf(ret, "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", r->id);
    json_quote(ret, r->model);
    buf_add_str(ret, ",\"content\":[");
    if (*thought) {
        buf_add_str(ret, "{\"type\":\"thinking\",\"thinking\":");
        json_quote(ret, thought);
        buf_add_str(ret, ",\"signature\":\"c2ln\"}");
    }
    if (*thought && *said)
        buf_add_char(ret, ',');
    if (*said && r->tool) {
        buf_printf(ret, "{\"type\":\"tool_use\",\"id\":\"toolu_%016llx\",\"name\":", (unsigned long long)r->number);
        json_quote(ret, r->tool);
        buf_printf(ret, ",\"input\":%s}", r->length ? "{}" : said); /* arguments are JSON; cut short they are none */
    } else if (*said) {
        buf_add_str(ret, "{\"type\":\"text\",\"text\":");
        json_quote(ret, said);
        buf_add_char(ret, '}');
    }
    buf_printf(ret, "],\"stop_reason\":\"%s\",\"stop_sequence\":null", stop_reason(r));
    if (reply_tells_usage(r)) {
        struct told t = reply_told(r, r->len);
        buf_printf(ret, ",\"usage\":{\"input_tokens\":%u,\"cache_read_input_tokens\":%u,\"output_tokens\":%u}", t.prompt - t.cached,
                   t.cached, t.completion);
    }
    buf_add_char(ret, '}');
}

static bool thinks(const struct reply *r)
{
    return r->thoughts > 0;
}

static void put_block_start(struct writer *w, bool thinking)
{
    buf_clear(&w->json);
    buf_printf(&w->json, "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":", !thinking && thinks(w->r));
    if (thinking) {
        buf_add_str(&w->json, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}");
    } else if (w->r->tool) {
        buf_printf(&w->json, "{\"type\":\"tool_use\",\"id\":\"toolu_%016llx\",\"name\":", (unsigned long long)w->r->number);
        json_quote(&w->json, w->r->tool);
        buf_add_str(&w->json, ",\"input\":{}}}");
    } else {
        buf_add_str(&w->json, "{\"type\":\"text\",\"text\":\"\"}}");
    }
    stream_put_event(w, "content_block_start", buf_str(&w->json), false);
}

static void put_block_stop(struct writer *w, bool thinking)
{
    buf_clear(&w->json);
    buf_printf(&w->json, "{\"type\":\"content_block_stop\",\"index\":%d}", !thinking && thinks(w->r));
    stream_put_event(w, "content_block_stop", buf_str(&w->json), false);
}

static void put_block_delta(struct writer *w, bool thinking, const char *text)
{
    buf_clear(&w->json);
    buf_printf(&w->json, "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":", !thinking && thinks(w->r),
               thinking     ? "thinking_delta"
               : w->r->tool ? "input_json_delta"
                            : "text_delta",
               thinking     ? "thinking"
               : w->r->tool ? "partial_json"
                            : "text");
    json_quote(&w->json, text);
    buf_add_str(&w->json, "}}");
    stream_put_event(w, "content_block_delta", buf_str(&w->json), false);
}

static void put_anthropic_start(struct writer *w)
{
    const struct reply *r = w->r;
    buf_clear(&w->json);
    buf_printf(&w->json,
               "{\"type\":\"message_start\",\"message\":{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", r->id);
    json_quote(&w->json, r->model);
    struct told t = reply_told(r, 0);
    bool told = reply_tells_usage(r) || r->b->usage == USAGE_NEVER; /* the head has always had some */
    buf_printf(&w->json,
               ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":%u,\"cache_read_input_tokens\":%u,"
               "\"output_tokens\":%d}}}",
               told ? t.prompt - t.cached : 0, told ? t.cached : 0, told && t.prompt);
    stream_put_event(w, "message_start", buf_str(&w->json), false);
    stream_end_step(w);
    stream_put_event(w, "ping", "{\"type\":\"ping\"}", false);
    put_block_start(w, thinks(r));
    stream_end_step(w);
    for (int i = 0; i < r->b->empty_deltas; i++) {
        put_block_delta(w, thinks(r), "");
        stream_end_step(w);
    }
}

static void put_anthropic_piece(struct writer *w, size_t i)
{
    const struct reply *r = w->r;
    bool thinking = r->pieces[i].reasoning;
    if (!thinking && thinks(r) && i == r->thoughts) {
        put_block_stop(w, true);
        put_block_start(w, false);
    }
    put_block_delta(w, thinking, stream_piece_text(w, i));
}

static void put_anthropic_end(struct writer *w)
{
    const struct reply *r = w->r;
    put_block_stop(w, thinks(r) && r->len == r->thoughts);
    if (r->b->finish) {
        buf_clear(&w->json);
        buf_printf(&w->json, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null}", stop_reason(r));
        if (reply_tells_usage(r))
            buf_printf(&w->json, ",\"usage\":{\"output_tokens\":%u}", reply_told(r, r->len).completion);
        buf_add_char(&w->json, '}');
        stream_put_event(w, "message_delta", buf_str(&w->json), false);
    }
    if (r->b->done)
        stream_put_event(w, "message_stop", "{\"type\":\"message_stop\"}", true);
}

static void put_anthropic_text(struct writer *w, const char *raw)
{
    buf_clear(&w->json);
    buf_printf(&w->json, "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}",
               thinks(w->r), raw);
    stream_put_event(w, "content_block_delta", buf_str(&w->json), false);
}

const struct stream_form anthropic_form = {.start = put_anthropic_start,
                                           .piece = put_anthropic_piece,
                                           .end = put_anthropic_end,
                                           .broken_name = "content_block_delta",
                                           .broken = "{\"type\":\"content_block_delta\",\"ind",
                                           .text = put_anthropic_text};
