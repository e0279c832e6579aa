/* The bodies of POST /v1/override and /v1/probe, from whoever may open the socket. What is accepted must be whole and print again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/serve/api_parts.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const usec_t now = 1700000000 * USEC_PER_SEC;
    struct api_override o;
    struct err err = {.text = ""};
    char platform[64], model[128];
    int kind;
    if (size > API_BODY_MAX)
        return 0;
    if (override_parse((const char *)data, size, now, &o, &err) == 0) {
        struct buf text = BUF_INIT;
        if (o.platform[0] == '\0' || !text_is_utf8(o.platform, strlen(o.platform)) || !text_is_utf8(o.reason, strlen(o.reason)) ||
            (o.expires_at != 0 && o.expires_at < now))
            abort();
        cJSON *json = override_to_json(&o);
        json_print(json, false, &text);
        cJSON_Delete(json);
        buf_done(&text);
    } else if (err.text[0] == '\0')
        abort();
    if (override_parse_probe((const char *)data, size, platform, model, &kind, &err) == 0 && platform[0] == '\0')
        abort();
    return 0;
}
