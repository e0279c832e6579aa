/* Error bodies: any status, any bytes, as an answer, as JSON under 200 and as what should have been JSON. The first byte picks the status,
 * the second the type. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/classify.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct classification *c, int status)
{
    size_t len = strnlen(c->detail, sizeof c->detail);
    if (len == sizeof c->detail || !text_is_utf8(c->detail, len) || strpbrk(c->detail, "\r\n\x1b"))
        abort();
    if (c->outcome.kind == OUTCOME_OK || c->outcome.kind >= OUTCOME_COUNT || c->outcome.http_status != status)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {300, 400, 401, 402, 403, 404, 408, 413, 422, 429, 451, 500, 502, 503, 529, 599};
    static const char *const types[] = {"", "application/json", "text/html", "text/plain"};
    if (size < 2 || size > 128 * 1024)
        return 0;
    int status = statuses[data[0] % ARRAY_LEN(statuses)];
    const char *type = types[data[1] % ARRAY_LEN(types)];
    size_t len = size - 2;
    char *body = malloc(len + 1); /* no NUL behind it */
    memcpy(body, data + 2, len);
    struct classification c = classify_answer(status, type, body, len);
    check(&c, status);
    c = classify_not_json(200, type, body, len);
    check(&c, 200);
    cJSON *json = json_parse(body, len, NULL);
    if (json && classify_json(json, STAGE_STREAM, 200, &c))
        check(&c, 200);
    cJSON_Delete(json);
    free(body);
    return 0;
}
