/* The soft signals of one answer: that it is not quite what was asked for, or not what its numbers say. None is a verdict.
 *
 *     model_differs      the model echoed is another (model_name.c)
 *     usage_impossible   a count that no tokenizer gives: of the prompt, which is ours and known (challenge.c), or of the text, which was seen. Bounds
 *                        are wide, since templates, hidden thinking and rounding are honest: fewer tokens than words, thrice the prompt at its most, text of
 *                        16 bytes a token, more tokens than bytes where nothing was thought
 *     cached             more of the prompt read from a cache than what stands before the nonce: what follows it nobody has sent before
 *     challenge_failed   the reply, and what it ought to have been
 *
 * The evidence goes into the observation's detail, "name: words; name: words": a relay's words in it hold no semicolon, so that none can
 * pass for another signal's. What needs more than one answer to be seen is in manners.c and reply_id.c. */
#include <stdio.h>
#include <string.h>

#include "probed/probe/model_name.h"
#include "probed/probe/reading.h"
#include "shared/text.h"

/* Token counts that no tokenizer gives (usage_impossible). */
#define USAGE_TIMES       3  /* as many as the prompt can have: no template explains it */
#define USAGE_BYTES       64 /* of less text nothing is concluded */
#define USAGE_TOKEN_BYTES 16 /* no text has tokens so long, on average */
#define USAGE_SHARE       4  /* a token is a byte at least, but in the middle of a letter */
#define USAGE_SLACK       64 /* marks of the model's own, a tool's name */

/* Bytes of the answer's text that are no blanks; a relay that repeats itself in each delta said only the last. */
static size_t visible_bytes(const struct chat_reading *r)
{
    size_t from = reading_cumulative(r) ? r->delta_at : 0, n = 0;
    for (size_t i = from; i < r->reply.len; i++)
        n += (unsigned char)r->reply.data[i] > ' ';
    return n;
}

/* Whether the counts told cannot be those of this prompt and this text. */
static bool usage_impossible(const struct chat_reading *r, const struct observation *o, char *why, size_t size)
{
    long long prompt = r->prompt_tokens, output = r->output_tokens, thought = r->reasoning_tokens > 0 ? r->reasoning_tokens : 0;
    long long visible = (long long)visible_bytes(r), said = output > thought ? output - thought : output; /* xAI's leave the thinking out */
    bool thinks = thought > 0 || r->reasoning || r->asked_reasoning || r->asked_tokens == 0;

    if (r->usage_impossible)
        snprintf(why, size, "a count that is no number of tokens");
    else if (prompt == 0)
        snprintf(why, size, "no tokens for the prompt");
    else if (output == 0 && reading_has_text(r))
        snprintf(why, size, "no tokens for the text");
    else if (prompt > 0 && o->known_low > 0 && prompt < o->known_low)
        snprintf(why, size, "%lld tokens for a prompt of at least %d", prompt, o->known_low);
    else if (o->known_high > 0 && prompt > USAGE_TIMES * o->known_high)
        snprintf(why, size, "%lld tokens for a prompt of at most %d", prompt, o->known_high);
    else if (output > 0 && visible >= USAGE_BYTES && said * USAGE_TOKEN_BYTES < visible)
        snprintf(why, size, "%lld tokens for %lld bytes of text", said, visible);
    else if (thought > 0 && output > thought + (long long)r->bytes + USAGE_SLACK)
        snprintf(why, size, "%lld tokens for %zu bytes and %lld of thinking", output, r->bytes, thought);
    else if (!thinks && output > USAGE_SHARE * (long long)r->bytes + USAGE_SLACK)
        snprintf(why, size, "%lld tokens for %zu bytes of text", output, r->bytes);
    else if (r->cached_tokens > prompt && prompt > 0)
        snprintf(why, size, "%lld tokens cached of %lld", (long long)r->cached_tokens, prompt);
    else
        return false;
    return true;
}

/* What is not cached must hold all that follows the nonce, which nobody has sent before. */
static bool is_cached(const struct chat_reading *r, char *why, size_t size)
{
    int64_t fresh = r->prompt_tokens - r->cached_tokens;
    if (r->cached_tokens <= 0 || r->prompt_tokens < r->cached_tokens || r->challenge.after_nonce_low == 0 ||
        fresh >= r->challenge.after_nonce_low)
        return false;
    snprintf(why, size, "%lld of %lld tokens of a new prompt", (long long)r->cached_tokens, (long long)r->prompt_tokens);
    return true;
}

/* Semicolons separate the signals: a relay's words have none. */
void chat_add_signal(struct observation *o, enum observation_flag flag, const char *name, const char *why)
{
    CLEANUP(buf_done) struct buf words = BUF_CAP(1024);
    o->flags |= (uint16_t)flag;
    buf_printf(&words, "%.200s%s%s: ", o->detail, o->detail[0] ? "; " : "", name);
    for (const char *p = why; *p && words.len < 600; p++)
        buf_add_char(&words, *p == ';' ? ',' : *p);
    text_copy(o->detail, sizeof o->detail, buf_str(&words), words.len);
}

void reading_signals(const struct chat_reading *r, struct observation *o)
{
    char why[128];
    if (r->answered_by[0] && !model_name_same(r->model, r->answered_by))
        chat_add_signal(o, OBSERVED_MODEL_DIFFERS, "model_differs", r->answered_by);
    if (usage_impossible(r, o, why, sizeof why))
        chat_add_signal(o, OBSERVED_USAGE_IMPOSSIBLE, "usage_impossible", why);
    if (is_cached(r, why, sizeof why))
        chat_add_signal(o, OBSERVED_CACHED, "cached", why);
    if (o->flags & OBSERVED_CHALLENGE_FAILED) {
        char reply[64];
        text_copy(reply, sizeof reply, buf_str(&r->reply), r->reply.len);
        snprintf(why, sizeof why, "%s, not %s", reply, r->challenge.answer);
        chat_add_signal(o, OBSERVED_CHALLENGE_FAILED, "challenge_failed", why);
    }
}
