/* What an answer says of its size and its price: usage objects, whatever their dialect.
 *
 * The newest number told of each sort counts, since usage stands on the last event, on each, or on several. A number that is told but
 * cannot be a count is noted as impossible and never taken. Money is taken in decimal, exactly, as it is written, from a number or a text:
 * OpenRouter's `cost` is in USD. What its upstream charges where the key is our own (BYOK) stands in cost_details and is not what the
 * relay charges. */
#include <math.h>
#include <stdio.h>

#include "probed/probe/reading.h"

/* More tokens than any answer to a probe can have. */
#define USAGE_MAX 100000000
/* More than any answer to a probe can cost. */
#define CHARGE_MAX (10000 * PICO_PER_UNIT)

int64_t reading_count(const cJSON *usage, const char *path)
{
    const cJSON *told = json_at(usage, path);
    int64_t n;
    if (!told || cJSON_IsNull(told))
        return -1;
    return json_int(usage, path, &n) && n >= 0 ? n : -2;
}

static void take_count(struct chat_reading *r, int64_t told, int64_t *ret)
{
    if (told < 0 || told > USAGE_MAX)
        r->usage_impossible = true;
    else
        *ret = told;
}

void reading_usage(struct chat_reading *r, int64_t prompt, int64_t output, int64_t reasoning, int64_t cached)
{
    r->usage = true;
    if (prompt != -1)
        take_count(r, prompt, &r->prompt_tokens);
    if (output != -1)
        take_count(r, output, &r->output_tokens);
    if (reasoning != -1)
        take_count(r, reasoning, &r->reasoning_tokens);
    if (cached != -1)
        take_count(r, cached, &r->cached_tokens);
}

void reading_charged(struct chat_reading *r, const cJSON *usage)
{
    const cJSON *told = cJSON_GetObjectItemCaseSensitive(usage, "cost");
    char number[32];
    const char *text = NULL;
    int64_t pico;
    if (cJSON_IsNumber(told) && isfinite(told->valuedouble)) {
        snprintf(number, sizeof number, "%.15g", told->valuedouble);
        text = number;
    } else if (cJSON_IsString(told)) {
        text = told->valuestring;
    }
    if (text && units_parse_decimal(text, PICO_PER_UNIT, &pico) == 0 && pico >= 0 && pico <= CHARGE_MAX)
        r->charged_pico = pico;
}

static int64_t first_count(const cJSON *usage, const char *const *paths, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int64_t told = reading_count(usage, paths[i]);
        if (told != -1)
            return told;
    }
    return -1;
}

void reading_take_usage(struct chat_reading *r, const cJSON *usage)
{
    static const char *const prompts[] = {"prompt_tokens", "input_tokens"}, *const outputs[] = {"completion_tokens", "output_tokens"},
                             *const thoughts[] = {"completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens",
                                                  "reasoning_tokens"},
                             *const caches[] = {"prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens",
                                                "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens"};
    int64_t prompt = first_count(usage, prompts, ARRAY_LEN(prompts)), output = first_count(usage, outputs, ARRAY_LEN(outputs));
    int64_t reasoning = first_count(usage, thoughts, ARRAY_LEN(thoughts)), total = reading_count(usage, "total_tokens");
    /* xAI leaves the reasoning out of the completion; the total gives it away. */
    if (prompt >= 0 && output >= 0 && reasoning > 0 && total >= 0 && total == prompt + output + reasoning)
        output += reasoning;
    if (prompt != -1 || output != -1)
        reading_usage(r, prompt, output, reasoning, first_count(usage, caches, ARRAY_LEN(caches)));
    reading_charged(r, usage);
}
