/* Any bytes as JSON: what is taken can be walked with every getter, prints within its cap, and prints the same once read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static void ask(const cJSON *json, const char *path)
{
    double number = 0;
    int64_t whole = 0;
    bool flag = false;
    char text[24];
    if (json_int(json, path, &whole))
        insist(json_number(json, path, &number));
    if (json_number(json, path, &number))
        insist(number - number == 0 && json_text(json, path, text, sizeof(text)));
    if (json_string(json, path)) {
        insist(json_text(json, path, text, sizeof(text)) && text_is_utf8(text, strlen(text)));
        insist(!json_bool(json, path, &flag));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {.text = ""};
    CLEANUP(json_deletep) cJSON *json = json_parse((const char *)data, size, &err);
    insist(json || strncmp(err.text, "not JSON", 8) == 0);
    if (!json)
        return 0;
    static const char *const paths[] = {NULL,        "",  "0",     "a",      "error.code", "choices.0.delta.content", "usage.prompt_tokens",
                                        "data.0.id", ".", "0.0.0", "a.a.a.a"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        ask(json, paths[i]);

    CLEANUP(buf_done) struct buf first = BUF_CAP(8 * 1024 * 1024), second = BUF_CAP(8 * 1024 * 1024);
    json_print(json, false, &first);
    insist(!first.full && text_is_utf8(buf_str(&first), first.len));
    CLEANUP(json_deletep) cJSON *again = json_parse(buf_str(&first), first.len, &err);
    insist(again != NULL);
    json_print(again, false, &second);
    insist(strcmp(buf_str(&first), buf_str(&second)) == 0);
    return 0;
}
