/* Answers to tries of capabilities: any bytes give a finding within bounds, and a yes only for what holds what was asked for.
 *
 * The first byte chooses capability, dialect and status; the rest is the body. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/capability_same.h"
#include "probed/probe/capability_try.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
    if (strnlen(text, size) >= size || !text_is_utf8(text, strlen(text)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 404, 500};
    if (size < 1 || size > CAPABILITY_BODY_MAX)
        return 0;
    struct capability_try t = {
        .capability = (enum capability)(CAPABILITY_TOOLS + data[0] % (CAPABILITY_COUNT - CAPABILITY_TOOLS)),
        .dialect = (enum dialect_id)(data[0] >> 4 & 1),
        .nonce = "5b1e09af",
        .colour = PICTURE_BLUE,
    };
    size_t len = size - 1;
    char *body = malloc(len + 1);
    memcpy(body, data + 1, len);
    body[len] = '\0';
    const struct capability_answer answer = {
        .stage = STAGE_DONE,
        .transport = OUTCOME_OK,
        .status = statuses[data[0] >> 5 & 3],
        .content_type = "application/json",
        .body = body,
        .len = len,
    };
    struct capability_finding f;
    capability_judge(&t, "gpt-4o", &answer, &f);
    check_text(f.evidence, sizeof f.evidence);
    check_text(f.detail, sizeof f.detail);
    if (f.state != CAPABILITY_YES && f.state != CAPABILITY_NO && f.state != CAPABILITY_UNCLEAR)
        abort();
    if (f.prompt_tokens < -1 || f.output_tokens < -1)
        abort();
    if (f.state == CAPABILITY_NO && answer.status >= 500)
        abort();
    if (f.state == CAPABILITY_YES && (answer.status != 200 || !outcome_ok(f.outcome)))
        abort();
    struct capability_known known = {.state = CAPABILITY_UNTESTED};
    capability_learn(&known, f.state, true, f.evidence, 1);
    check_text(known.evidence, sizeof known.evidence);
    char family[SAME_FAMILY_MAX];
    same_family(body, family);
    if (strnlen(family, sizeof family) >= sizeof family)
        abort();
    (void)same_hash(body);
    free(body);
    return 0;
}
