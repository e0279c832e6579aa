/* A chat's answer: any bytes, cut anywhere, in both dialects. The first byte: bit 0 the dialect, bits 1-2 the status, bit 3 the transport
 * failed, bit 4 our own timer; the second seeds the cuts. Cuts change no outcome, and what comes out keeps the promises of an observation.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/chat.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct observation read_all(uint8_t how, const char *bytes, size_t len, unsigned cuts)
{
    static const int statuses[] = {200, 200, 429, 500};
    uint64_t random = 7;
    struct challenge challenge;
    challenge_make(&challenge, &random);
    struct chat_reading *r = chat_reading_new(how & 1 ? DIALECT_ANTHROPIC : DIALECT_OPENAI, "vendor/model-1", &challenge);
    int status = statuses[(how >> 1) & 3], over = 0;
    usec_t now = 1000;
    for (size_t at = 0; at < len && !over;) {
        size_t n = len - at;
        if (cuts) {
            cuts = cuts * 1103515245u + 12345u;
            n = 1 + (cuts >> 16) % n;
        }
        char *copy = malloc(n);
        memcpy(copy, bytes + at, n);
        over = chat_reading_data(r, status, "text/event-stream", copy, n, now);
        free(copy);
        at += n;
        now += cuts ? 10 : 0;
    }
    if (chat_reading_has_token(r) != (chat_reading_last(r) >= 0))
        abort();
    struct http_result result = {
        .stage = STAGE_DONE,
        .kind = OUTCOME_OK,
        .status = status,
        .started = 10,
        .sent = 100,
        .headers = 200,
        .ended = now + 5,
        .content_type = "text/event-stream",
    };
    if (how & 8)
        result.stage = STAGE_STREAM, result.kind = OUTCOME_RESET;
    if (over)
        result.kind = OUTCOME_CANCELED;
    enum stage timeout = !(how & 16) ? STAGE_COUNT : chat_reading_has_token(r) ? STAGE_STREAM : STAGE_FIRST;
    struct observation o;
    chat_reading_finish(r, &result, timeout, &o);
    chat_reading_free(r);
    return o;
}

static void check(const struct observation *o)
{
    bool ok = outcome_ok(o->outcome);
    size_t len = strnlen(o->detail, sizeof o->detail);
    if (len == sizeof o->detail || !text_is_utf8(o->detail, len))
        abort();
    if (ok != (o->outcome.stage == STAGE_DONE) || (ok && o->outcome.fault != FAULT_NONE))
        abort();
    if (o->ttft < -1 || o->content < -1 || o->total < 0 || o->gap_max < -1 || !(o->tokens_per_s >= 0 && o->tokens_per_s < 1e12))
        abort();
    if (o->prompt_tokens < -1 || o->output_tokens < -1 || o->reasoning_tokens < -1)
        abort();
    if (o->content >= 0 && o->content < o->ttft)
        abort();
    if ((o->flags & OBSERVED_CHALLENGE_PASSED) && ((o->flags & OBSERVED_CHALLENGE_FAILED) || !ok))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 256 * 1024)
        return 0;
    const char *bytes = (const char *)data + 2;
    struct observation whole = read_all(data[0], bytes, size - 2, 0), cut = read_all(data[0], bytes, size - 2, data[1] * 2u + 1);
    check(&whole);
    check(&cut);
    if (whole.outcome.kind != cut.outcome.kind || whole.outcome.stage != cut.outcome.stage || whole.chunks != cut.chunks ||
        whole.prompt_tokens != cut.prompt_tokens || strcmp(whole.detail, cut.detail) != 0)
        abort();
    return 0;
}
