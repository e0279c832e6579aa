/* POST /v1/embeddings: a vector of unit length for each text, the same for the same text, and the nearer to another's the more words both
 * share. No model: each word turns its vector by its hash. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/relaysim/asked.h"
#include "tests/relaysim/capabilities.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/model.h"
#include "tests/relaysim/prices.h"

#define DIMENSIONS     256
#define DIMENSIONS_MAX 8192
#define TEXTS_MAX      2048

static void add_word(uint64_t hash, size_t n, double *ret)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t state = hash + i;
        ret[i] += 2 * random_unit(&state) - 1;
    }
}

static void embed(const char *text, size_t n, double *ret)
{
    static const char between[] = " \t\r\n,.:;?!\"'";
    memset(ret, 0, n * sizeof *ret);
    while (*text) {
        size_t len = strcspn(text, between);
        uint64_t hash = 0xcbf29ce484222325u;
        for (size_t i = 0; i < len; i++)
            hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
        if (len)
            add_word(hash, n, ret);
        text += len ? len : 1;
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ret[i] * ret[i];
    for (size_t i = 0; i < n && sum > 0; i++)
        ret[i] /= sqrt(sum);
}

static void add_base64(const unsigned char *data, size_t len, struct buf *ret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)data[i] << 16 | (i + 1 < len ? (unsigned)data[i + 1] << 8 : 0) | (i + 2 < len ? data[i + 2] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_add_char(ret, k > len - i ? '=' : digits[bits >> (18 - 6 * k) & 63]);
    }
}

static void add_vector(const struct asked *a, const char *text, size_t n, bool packed, size_t index, struct buf *ret)
{
    double *vector = alloc_zero(n, sizeof *vector);
    if (!capabilities_pretended(a->b, CAN_EMBEDDINGS)) /* that is a vector without a direction */
        embed(text, n, vector);
    buf_printf(ret, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", index ? "," : "", index);
    if (packed) {
        float *small = alloc_zero(n, sizeof *small);
        for (size_t i = 0; i < n; i++)
            small[i] = (float)vector[i];
        buf_add_char(ret, '"');
        add_base64((const unsigned char *)small, n * sizeof *small, ret);
        buf_add_char(ret, '"');
        free(small);
    } else {
        for (size_t i = 0; i < n; i++)
            buf_printf(ret, "%s%.8g", i ? "," : "[", vector[i]);
        buf_add_char(ret, ']');
    }
    buf_add_char(ret, '}');
    free(vector);
}

static void charge(struct asked *a, unsigned tokens)
{
    struct bill bill = {.number = a->number, .model = a->model, .prompt_tokens = tokens, .told_prompt = tokens};
    prices_reckon(a->relay, a->b, false, &bill);
    account_charge(a->relay, a->b, &bill);
    a->relay->spent += bill.charged;
    struct record *record = a->x->record;
    record->prompt_tokens = record->told_prompt_tokens = tokens;
    record->advertised = bill.advertised;
    record->charged = bill.charged;
}

static void put_vectors(struct asked *a, const cJSON *input)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    int64_t n = DIMENSIONS;
    const char *format = json_string(a->json, "encoding_format");
    json_int(a->json, "dimensions", &n);
    n = n < 1 || n > DIMENSIONS_MAX ? DIMENSIONS : n;
    unsigned tokens = 0;
    size_t index = 0;
    buf_add_str(&body, "{\"object\":\"list\",\"data\":[");
    for (const cJSON *item = cJSON_IsArray(input) ? input->child : input; item && index < TEXTS_MAX;
         item = cJSON_IsArray(input) ? item->next : NULL) {
        if (!cJSON_IsString(item))
            continue;
        tokens += model_count_tokens(item->valuestring);
        if (!capabilities_ignored(a->b, CAN_EMBEDDINGS))
            add_vector(a, item->valuestring, (size_t)n, format && strcmp(format, "base64") == 0, index++, &body);
    }
    buf_add_str(&body, "],\"model\":");
    json_quote(&body, a->b->model_echo ? a->b->model_echo : a->model);
    buf_printf(&body, ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u}}", tokens, tokens);
    charge(a, tokens);
    put_whole(a, 200, "application/json", &body, "");
    asked_set_how(a, "answered");
}

void embeddings_answer(struct asked *a)
{
    const cJSON *input = json_at(a->json, "input");
    if (!a->model || !*a->model || !(cJSON_IsString(input) || cJSON_IsArray(input)))
        put_error(a, ERROR_BAD_REQUEST, false);
    else if (!relay_has_model(a->relay, a->model))
        put_error(a, ERROR_MODEL_MISSING, false);
    else if (a->b->capabilities_without & CAN_EMBEDDINGS && a->b->capability_refusal == REFUSAL_ERROR)
        put_refusal(a, 404, NULL, "model_not_found", "This model does not support embeddings.");
    else
        put_vectors(a, input);
}
