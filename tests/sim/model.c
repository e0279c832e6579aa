/* What a simulated relay's models can do beside answering the challenge: call a function, answer in JSON, see the colour of a picture, make vectors, and describe
 * things in words of their own. A relay that is `unable` refuses with the words that relays use, or, `deaf`, answers as if it had not been asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/schedule.h"
#include "shared/json.h"
#include "tests/sim/sim.h"

static bool able(const struct sim_relay *relay, const char *capability)
{
    char word[32];
    snprintf(word, sizeof word, " %s ", capability);
    return !relay->unable || !strstr(relay->unable, word);
}

/* The word behind `lead`. */
static void word_after(const char *text, const char *lead, char *ret, size_t size)
{
    const char *at = text ? strstr(text, lead) : NULL;
    snprintf(ret, size, "%.*s", at ? (int)strcspn(at + strlen(lead), " .,\")") : 0, at ? at + strlen(lead) : "");
}

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : 0;
}

/* The first colour of the palette decides. */
static const char *colour_of(const char *base64)
{
    unsigned char png[4096];
    size_t len = 0;
    for (size_t i = 0; base64 && base64[i] && base64[i + 1] && base64[i + 2] && base64[i + 3] && len + 3 < sizeof png; i += 4) {
        unsigned v = (unsigned)(digit(base64[i]) << 18 | digit(base64[i + 1]) << 12 | digit(base64[i + 2]) << 6 | digit(base64[i + 3]));
        png[len++] = (unsigned char)(v >> 16);
        png[len++] = (unsigned char)(v >> 8);
        png[len++] = (unsigned char)v;
    }
    const unsigned char *palette = len > 0 ? memmem(png, len, "PLTE", 4) : NULL;
    if (!palette || palette + 7 > png + len)
        return "grey";
    const unsigned char *rgb = palette + 4;
    return rgb[0] > rgb[1] && rgb[0] > rgb[2] ? "Red" : rgb[1] > rgb[2] ? "Green." : "blue";
}

static int refuse(struct buf *ret, const char *message)
{
    buf_printf(ret, "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\",\"code\":null}}", message);
    return 400;
}

static int say(struct buf *ret, const char *content, const char *calls)
{
    buf_add_str(ret, "{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    if (content)
        json_quote(ret, content);
    else
        buf_add_str(ret, "null");
    if (calls)
        buf_printf(ret, ",\"tool_calls\":%s", calls);
    buf_add_str(ret, "},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":90,\"completion_tokens\":12,\"total_tokens\":102}}");
    return 200;
}

static int answer_tools(const struct sim_relay *relay, const char *prompt, struct buf *ret)
{
    char code[32], calls[200];
    if (!able(relay, "tools"))
        return relay->deaf ? say(ret, "I have recorded it.", NULL) : refuse(ret, "this model does not support function calling");
    word_after(prompt, "with the code ", code, sizeof code);
    snprintf(calls, sizeof calls,
             "[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"record_code\",\"arguments\":\"{\\\"code\\\":\\\"%s\\\"}\"}}]", code);
    return say(ret, NULL, calls);
}

static int answer_json(const struct sim_relay *relay, const char *prompt, struct buf *ret)
{
    char code[32], text[100];
    if (!able(relay, "json") && !relay->deaf)
        return refuse(ret, "response_format is not supported by this model");
    word_after(prompt, "with the text \"", code, sizeof code);
    snprintf(text, sizeof text, able(relay, "json") ? "{\"code\": \"%s\"}" : "```json\n{\"code\": \"%s\"}\n```", code);
    return say(ret, text, NULL);
}

static int answer_vision(const struct sim_relay *relay, const char *url, struct buf *ret)
{
    if (!able(relay, "vision"))
        return relay->deaf ? say(ret, "I cannot see any picture.", NULL) : refuse(ret, "invalid content type: image_url is not supported");
    const char *comma = strchr(url, ',');
    return say(ret, colour_of(comma ? comma + 1 : NULL), NULL);
}

int sim_model_answer(const struct sim_relay *relay, const char *url, const char *body, struct buf *ret)
{
    CLEANUP(json_deletep) cJSON *json = json_parse(body, strlen(body), NULL);
    const char *prompt = json_string(json, "messages.0.content"), *picture = json_string(json, "messages.0.content.0.image_url.url");
    if (strstr(url, "/embeddings")) {
        if (!able(relay, "embeddings"))
            return refuse(ret, "this model does not support embeddings");
        buf_add_str(ret, "{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[0.1,-0.2,0.3]}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9}}");
        return 200;
    }
    if (json_at(json, "tools"))
        return answer_tools(relay, prompt, ret);
    if (json_at(json, "response_format"))
        return answer_json(relay, prompt, ret);
    if (picture)
        return answer_vision(relay, picture, ret);
    return say(ret, "yes", NULL);
}

const char *sim_model_piece(const struct sim_relay *relay, const char *model, const char *prompt, int n)
{
    static const char *const words[] = {"frost", "gulls", "rope", "lanterns", "rust", "spray", "brick", "steam", "oil", "baskets", "planks", "bells"};
    static char piece[32];
    uint64_t state = schedule_hash(prompt) + (relay->same_words ? 0 : schedule_hash(model)) + (uint64_t)n;
    if (n >= 40)
        return NULL;
    snprintf(piece, sizeof piece, " %s", words[schedule_random(&state) % (sizeof words / sizeof words[0])]);
    return piece;
}
