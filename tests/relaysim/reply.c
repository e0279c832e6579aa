/* What is said in one completion, what it costs, and its form as one body.
 *
 * reply_prepare() lets the model speak and cuts what it says into pieces, reasoning first, then content, up to max_tokens; stream.c sends
 * them one by one, and reply_write_whole() in one body. The members that a chunk and a body share are written here. */
#include "tests/relaysim/reply.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/relaysim/anthropic.h"
#include "tests/relaysim/gemini.h"
#include "tests/relaysim/model.h"
#include "tests/relaysim/prices.h"
#include "tests/relaysim/responses.h"

#define LAST_ANSWER_MAX 4096

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

/* What the model says, or what it said the last time. */
static void speak(const struct reply *r, const char *prompt, struct buf *ret)
{
    const struct behaviour *b = r->b;
    if (b->cached_answer && r->relay->last_answer) {
        buf_add_str(ret, r->relay->last_answer);
        return;
    }
    model_reply(b, prompt, model_hash(prompt) ^ r->number, ret);
    if (ret->len <= LAST_ANSWER_MAX) {
        free(r->relay->last_answer);
        r->relay->last_answer = alloc_string(buf_str(ret));
    }
}

static unsigned inflate(unsigned tokens, double factor)
{
    double told = tokens * factor + 0.5;
    return told < 4e9 ? (unsigned)told : 4000000000u;
}

/* What usage says, and so what is charged. */
static void tell_tokens(struct reply *r)
{
    const struct behaviour *b = r->b;
    r->completion_tokens += r->burn;
    r->reasoning_tokens += r->burn;
    r->told_prompt = inflate(r->prompt_tokens + (unsigned)b->hidden_prompt, b->inflate_prompt);
    r->told_completion = inflate(r->completion_tokens, b->inflate_output);
    r->told_reasoning = inflate(r->reasoning_tokens, b->inflate_output);
    if (b->usage_absurd) { /* a prompt of one token, and more tokens than the answer has bytes */
        r->told_prompt = 1;
        r->told_completion = 10 * (unsigned)r->text.len + 1000;
    }
    r->cached = (unsigned)b->cached_tokens < r->told_prompt ? (unsigned)b->cached_tokens : r->told_prompt;
}

void reply_prepare(struct reply *r, const char *prompt, const char *said_instead, int64_t max_tokens)
{
    const struct behaviour *b = r->b;
    CLEANUP(buf_done) struct buf said = BUF_INIT;
    if (b->split_utf8)
        buf_add_str(&said, "答案：");
    if (said_instead)
        buf_add_str(&said, said_instead);
    else
        speak(r, prompt, &said);
    for (int i = 0; i < b->reasoning && room_left(r, max_tokens); i++) {
        const char *word = model_filler((unsigned)i);
        add_piece(r, true, word, strlen(word));
    }
    size_t thoughts = r->len;
    if (b->big_event && room_left(r, max_tokens))
        add_big_piece(r, (size_t)b->big_event);
    const char *rest = buf_str(&said);
    for (size_t len; (len = model_piece(rest, b->token_chars)) > 0 && room_left(r, max_tokens); rest += len)
        add_piece(r, false, rest, len);
    for (unsigned i = 0; !r->tool && r->len - thoughts < (size_t)b->tokens && room_left(r, max_tokens); i++)
        add_piece(r, false, model_filler(i), strlen(model_filler(i)));
    r->length = *rest || !room_left(r, max_tokens);
    r->prompt_tokens = 8 + model_count_tokens(prompt);
    r->completion_tokens = (unsigned)r->len;
    r->reasoning_tokens = r->thoughts = (unsigned)thoughts;
    if (r->fault == FAULT_EMPTY)
        r->completion_tokens = 0;
    tell_tokens(r);
}

void reply_charge(struct reply *r)
{
    struct bill bill = {.number = r->number,
                        .model = r->asked_model,
                        .stream = r->stream,
                        .prompt_tokens = r->prompt_tokens,
                        .completion_tokens = r->completion_tokens,
                        .reasoning_tokens = r->reasoning_tokens,
                        .told_prompt = r->told_prompt,
                        .told_completion = r->told_completion,
                        .told_reasoning = r->told_reasoning,
                        .cached = r->cached};
    prices_reckon(r->relay, r->b, r->fault != FAULT_NONE, &bill);
    r->advertised = bill.advertised;
    r->charged = bill.charged;
    account_charge(r->relay, r->b, &bill);
}

usec_t reply_duration(const struct reply *r)
{
    usec_t total = spread_draw(&r->b->first_token, &r->relay->random);
    for (size_t i = 1; i < r->len; i++)
        total += spread_draw(&r->b->gap, &r->relay->random);
    return total;
}

/* --- one body ----------------------------------------------------------------------------------------------------- */

bool reply_tells_usage(const struct reply *r)
{
    return r->b->usage != USAGE_NEVER && !r->no_usage;
}

struct told reply_told(const struct reply *r, size_t pieces)
{
    if (r->b->usage == USAGE_ZERO || r->zero_usage)
        return (struct told){.prompt = 0};
    struct told t = {r->told_prompt, r->told_completion, r->told_reasoning, r->cached};
    if (pieces < r->len) { /* on the way there; all thinking that was burned comes before the first piece */
        t.completion = (unsigned)pieces < t.completion ? (unsigned)pieces : t.completion;
        t.reasoning = t.completion < t.reasoning ? t.completion : t.reasoning;
    }
    return t;
}

void reply_add_usage(const struct reply *r, size_t pieces, struct buf *ret)
{
    struct told t = reply_told(r, pieces);
    buf_printf(ret, "{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u", t.prompt, t.completion, t.prompt + t.completion);
    if (r->relay->family == FAMILY_OPENROUTER)
        buf_printf(ret, ",\"cost\":%.12g,\"cost_details\":{\"upstream_inference_cost\":null}", t.prompt || t.completion ? r->charged : 0);
    buf_printf(ret, ",\"prompt_tokens_details\":{\"cached_tokens\":%u},\"completion_tokens_details\":{\"reasoning_tokens\":%u}}", t.cached,
               t.reasoning);
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

void reply_join(const struct reply *r, bool reasoning, struct buf *ret)
{
    for (size_t i = 0; i < r->len && r->fault != FAULT_EMPTY; i++)
        if (r->pieces[i].reasoning == reasoning)
            buf_add(ret, r->text.data + r->pieces[i].at, r->pieces[i].len);
}

static void write_whole_openai(const struct reply *r, const char *thought, const char *said, struct buf *ret)
{
    reply_add_head(r, "chat.completion", ret);
    buf_add_str(ret, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    if (r->b->reasoning_field == REASONING_INLINE && *thought) {
        CLEANUP(buf_done) struct buf both = BUF_INIT;
        buf_printf(&both, "<think>%s</think>%s", thought, said);
        json_quote(ret, buf_str(&both));
    } else {
        if (r->tool)
            buf_add_str(ret, "null");
        else
            json_quote(ret, said);
        if (*thought) {
            buf_printf(ret, ",\"%s\":", r->b->reasoning_field == REASONING_CONTENT ? "reasoning_content" : "reasoning");
            json_quote(ret, thought);
        }
    }
    if (r->tool) {
        buf_printf(
            ret, ",\"tool_calls\":[{\"id\":\"call_%016llx\",\"type\":\"function\",\"function\":{\"name\":", (unsigned long long)r->number);
        json_quote(ret, r->tool);
        buf_add_str(ret, ",\"arguments\":");
        json_quote(ret, said);
        buf_add_str(ret, "}}]");
    }
    buf_printf(ret, "},\"finish_reason\":\"%s\"}]", r->length ? "length" : r->tool ? "tool_calls" : "stop");
    if (reply_tells_usage(r)) {
        buf_add_str(ret, ",\"usage\":");
        reply_add_usage(r, r->len, ret);
    }
    buf_add_char(ret, '}');
}

void reply_write_whole(const struct reply *r, struct buf *ret)
{
    CLEANUP(buf_done) struct buf thought = BUF_INIT;
    CLEANUP(buf_done) struct buf said = BUF_INIT;
    reply_join(r, true, &thought);
    reply_join(r, false, &said);
    switch (r->dialect) {
    case DIALECT_ANTHROPIC:
        anthropic_write_whole(r, buf_str(&thought), buf_str(&said), ret);
        return;
    case DIALECT_GEMINI:
        gemini_write_whole(r, buf_str(&thought), buf_str(&said), ret);
        return;
    case DIALECT_RESPONSES:
        responses_write_whole(r, buf_str(&thought), buf_str(&said), ret);
        return;
    default:
        write_whole_openai(r, buf_str(&thought), buf_str(&said), ret);
    }
}
