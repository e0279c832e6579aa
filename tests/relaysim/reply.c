/* What is said in one completion, what it costs, and its form as one body.
 *
 * reply_prepare() lets the model speak and cuts what it says into pieces, reasoning first, then content, up to max_tokens; stream.c sends
 * them one by one, and reply_write_whole() in one body. The members that a chunk and a body share are written here. */
#include "tests/relaysim/reply.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/relaysim/model.h"

void reply_done(struct reply *r)
{
    buf_done(&r->text);
    free(r->pieces);
    r->pieces = NULL;
    r->len = r->size = 0;
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

static void add_piece(struct reply *r, bool reasoning, const char *text, size_t len)
{
    if (r->len == r->size) {
        r->size = r->size ? r->size * 2 : 32;
        r->pieces = alloc_resize(r->pieces, r->size, sizeof *r->pieces);
    }
    r->pieces[r->len++] = (struct piece){.reasoning = reasoning, .at = r->text.len, .len = len};
    buf_add(&r->text, text, len);
}

static void add_big_piece(struct reply *r, size_t size)
{
    CLEANUP(buf_done) struct buf big = BUF_INIT;
    for (unsigned i = 0; big.len < size; i++)
        buf_add_str(&big, model_filler(i));
    add_piece(r, false, big.data, size);
}

static bool room_left(const struct reply *r, int64_t max_tokens)
{
    return max_tokens <= 0 || (int64_t)r->len < max_tokens;
}

void reply_prepare(struct reply *r, const char *prompt, int64_t max_tokens)
{
    const struct behaviour *b = r->b;
    CLEANUP(buf_done) struct buf said = BUF_INIT;
    if (b->split_utf8)
        buf_add_str(&said, "答案：");
    model_reply(b, prompt, &said);
    for (int i = 0; i < b->reasoning && room_left(r, max_tokens); i++) {
        const char *word = model_filler((unsigned)i);
        add_piece(r, true, word, strlen(word));
    }
    r->reasoning_tokens = (unsigned)r->len;
    if (b->big_event && room_left(r, max_tokens))
        add_big_piece(r, (size_t)b->big_event);
    const char *rest = buf_str(&said);
    for (size_t len; (len = model_piece(rest, b->token_chars)) > 0 && room_left(r, max_tokens); rest += len)
        add_piece(r, false, rest, len);
    for (unsigned i = 0; r->len - r->reasoning_tokens < (size_t)b->tokens && room_left(r, max_tokens); i++)
        add_piece(r, false, model_filler(i), strlen(model_filler(i)));
    r->length = *rest || !room_left(r, max_tokens);
    r->prompt_tokens = 8 + model_count_tokens(prompt);
    r->completion_tokens = (unsigned)r->len;
    if (r->fault == FAULT_EMPTY)
        r->completion_tokens = 0;
    r->cost = b->price_call + (r->prompt_tokens * b->price_input + r->completion_tokens * b->price_output) / 1e6;
}

usec_t reply_duration(const struct reply *r)
{
    usec_t total = spread_draw(&r->b->first_token, &r->relay->random);
    for (size_t i = 1; i < r->len; i++)
        total += spread_draw(&r->b->gap, &r->relay->random);
    return total;
}

/* --- one body ----------------------------------------------------------------------------------------------------- */

void reply_add_usage(const struct reply *r, unsigned completion, struct buf *ret)
{
    bool zero = r->b->usage == USAGE_ZERO;
    unsigned prompt = zero ? 0 : r->prompt_tokens;
    completion = zero ? 0 : completion;
    unsigned reasoning = completion < r->reasoning_tokens ? completion : r->reasoning_tokens;
    buf_printf(ret, "{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u", prompt, completion, prompt + completion);
    if (r->relay->family == FAMILY_OPENROUTER)
        buf_printf(ret, ",\"cost\":%.12g,\"cost_details\":{\"upstream_inference_cost\":null}", zero ? 0 : r->cost);
    buf_printf(ret, ",\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":%u}}", reasoning);
}

void reply_add_head(const struct reply *r, const char *object, struct buf *ret)
{
    buf_printf(ret, "{\"id\":\"%s\",", r->id);
    if (r->relay->family == FAMILY_OPENROUTER)
        buf_add_str(ret, "\"provider\":\"Simulated\",");
    buf_printf(ret, "\"object\":\"%s\",\"created\":%lld,\"model\":", object, (long long)r->created);
    json_quote(ret, r->model);
    if (r->relay->family == FAMILY_SILICONFLOW)
        buf_add_str(ret, ",\"system_fingerprint\":\"\"");
}

static void join_pieces(const struct reply *r, bool reasoning, struct buf *ret)
{
    for (size_t i = 0; i < r->len && r->fault != FAULT_EMPTY; i++)
        if (r->pieces[i].reasoning == reasoning)
            buf_add(ret, r->text.data + r->pieces[i].at, r->pieces[i].len);
}

static void write_whole_anthropic(const struct reply *r, const char *thought, const char *said, struct buf *ret)
{
    buf_printf(ret, "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", r->id);
    json_quote(ret, r->model);
    buf_add_str(ret, ",\"content\":[");
    if (*thought) {
        buf_add_str(ret, "{\"type\":\"thinking\",\"thinking\":");
        json_quote(ret, thought);
        buf_add_str(ret, ",\"signature\":\"c2ln\"}");
    }
    if (*said) {
        buf_add_str(ret, *thought ? ",{\"type\":\"text\",\"text\":" : "{\"type\":\"text\",\"text\":");
        json_quote(ret, said);
        buf_add_char(ret, '}');
    }
    bool zero = r->b->usage == USAGE_ZERO;
    buf_printf(ret, "],\"stop_reason\":\"%s\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":%u,\"output_tokens\":%u}}",
               r->length ? "max_tokens" : "end_turn", zero ? 0 : r->prompt_tokens, zero ? 0 : r->completion_tokens);
}

void reply_write_whole(const struct reply *r, struct buf *ret)
{
    CLEANUP(buf_done) struct buf thought = BUF_INIT;
    CLEANUP(buf_done) struct buf said = BUF_INIT;
    join_pieces(r, true, &thought);
    join_pieces(r, false, &said);
    if (r->anthropic) {
        write_whole_anthropic(r, buf_str(&thought), buf_str(&said), ret);
        return;
    }
    reply_add_head(r, "chat.completion", ret);
    buf_add_str(ret, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    if (r->b->reasoning_field == REASONING_INLINE && thought.len) {
        CLEANUP(buf_done) struct buf both = BUF_INIT;
        buf_printf(&both, "<think>%s</think>%s", buf_str(&thought), buf_str(&said));
        json_quote(ret, buf_str(&both));
    } else {
        json_quote(ret, buf_str(&said));
        if (thought.len) {
            buf_printf(ret, ",\"%s\":", r->b->reasoning_field == REASONING_CONTENT ? "reasoning_content" : "reasoning");
            json_quote(ret, buf_str(&thought));
        }
    }
    buf_printf(ret, "},\"finish_reason\":\"%s\"}]", r->length ? "length" : "stop");
    if (r->b->usage != USAGE_NEVER) {
        buf_add_str(ret, ",\"usage\":");
        reply_add_usage(r, r->completion_tokens, ret);
    }
    buf_add_char(ret, '}');
}
