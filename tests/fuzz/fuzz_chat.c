/* A chat's answer: any bytes, cut anywhere, in every dialect. The first byte: bits 0 and 5 the dialect, bits 1-2 the status, bit 3 the transport
 * failed, bit 4 our own timer, bit 6 asked of a reasoning model; the second seeds the cuts. Cuts change no outcome and no signal but those of time, and
 * what comes out keeps the promises of an observation, of an id and of a detail.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/chat.h"
#include "probed/probe/manners.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a target does with it. */
static void learn(const struct chat_reading *r, enum dialect_id dialect, const struct challenge *challenge, struct observation *o)
{
    struct manners m = {.answers = {"kettle", "omar"}};
    char why[64];
    manners_refused(&m, chat_reading_refused(r), ~0u, why, sizeof why);
    manners_reasons(&m, o);
    if (outcome_ok(o->outcome)) {
        struct reply_ids ids = {.usual = "chatcmpl-", .usual_times = 9};
        if (reply_id_odd(&ids, dialect, "vendor/model-1", chat_reading_id(r), why, sizeof why))
            chat_add_signal(o, OBSERVED_ID_ODD, "id_odd", why);
        if (manners_stale(&m, challenge, chat_reading_reply(r), o->flags))
            chat_add_signal(o, OBSERVED_CACHED, "cached", "the answer to an earlier question");
    }
}

static struct observation read_all(uint8_t how, const char *bytes, size_t len, unsigned cuts)
{
    static const int statuses[] = {200, 200, 429, 500};
    uint64_t random = 7;
    struct challenge challenge;
    challenge_make(&challenge, &random);
    enum dialect_id dialect = (enum dialect_id)((how & 1) | ((how >> 5 & 1) << 1));
    struct chat_reading *r = chat_reading_new(dialect, "vendor/model-1", &challenge);
    struct chat_ask ask = {.model = "vendor/model-1", .prompt = challenge.prompt, .max_tokens = 24, .reasoning = how & 64};
    chat_reading_asked(r, &ask);
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
    const char *id = chat_reading_id(r);
    if (strlen(id) >= REPLY_ID_MAX || id[strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
        abort();
    if (chat_reading_refused(r) != PARAMETER_NONE && outcome_ok(o.outcome))
        abort();
    learn(r, dialect, &challenge, &o);
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
    if (o->prompt_tokens < -1 || o->output_tokens < -1 || o->reasoning_tokens < -1 || o->cached_tokens < -1 || o->charged_pico < -1)
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
        whole.prompt_tokens != cut.prompt_tokens || ((whole.flags ^ cut.flags) & ~(unsigned)OBSERVED_ONE_BURST) || strcmp(whole.detail, cut.detail) != 0)
        abort();
    return 0;
}
