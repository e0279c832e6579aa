/* The OpenAI dialect: POST /chat/completions, streamed.
 *
 * The request. Streamed, with usage asked for, one user message. Which knobs are turned depends on the name of the model as the relay has
 * it (its part after the last slash) and on whether the configuration calls it a reasoning model:
 *
 *   OpenAI's own newer sort (o1, o3, o4-mini, ..., gpt-5 and later): max_completion_tokens, since they refuse max_tokens, and no
 * temperature, since they refuse any but their default. If it reasons, reasoning_effort "low", which all of them take, but for o1-mini,
 * o1-preview and the chat variants. gpt-oss and Gemini that reason: max_tokens, reasoning_effort "low". other reasoning models: max_tokens
 * (it bounds their thinking too), no effort (some vendors refuse the field), no temperature (thinking modes refuse it). all others:
 * max_tokens, temperature 0.
 *
 * The stream. Events hold `choices`; only the first choice counts, n is never asked for. Text is delta.content (a string, or a list of
 * parts); reasoning is delta.reasoning_content, delta.reasoning or delta.reasoning_details; a refusal is an answer; a tool call is output
 * without text. Usage is taken from wherever it stands. OpenRouter's native_finish_reason can hold a failure behind a harmless
 * finish_reason. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "probed/probe/reading.h"

static const cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* --- request ----------------------------------------------------------------------------------------------------------- */

static const char *base_name(const char *model)
{
    const char *slash = strrchr(model, '/');
    return slash ? slash + 1 : model;
}

static bool begins(const char *name, const char *with)
{
    return strncasecmp(name, with, strlen(with)) == 0;
}

static bool is_newer_openai(const char *name)
{
    if ((name[0] == 'o' || name[0] == 'O') && name[1] >= '1' && name[1] <= '9')
        return true;
    return begins(name, "gpt-") && name[4] >= '5' && name[4] <= '9';
}

static bool takes_effort(const char *name)
{
    if (is_newer_openai(name))
        return !strcasestr(name, "-chat") && !begins(name, "o1-mini") && !begins(name, "o1-preview");
    return begins(name, "gpt-oss") || begins(name, "gemini-");
}

static void openai_request(struct chat_request *ret, const char *model, const char *prompt, int max_tokens, bool reasoning)
{
    const char *name = base_name(model);
    bool newer = is_newer_openai(name);
    *ret = (struct chat_request){
        .path = dialect_openai.chat_path,
        .headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}},
        .headers_len = 2,
        .key_header = "Authorization",
        .key_prefix = "Bearer ",
    };
    struct buf *b = &ret->body;
    buf_add_str(b, "{\"model\":");
    json_quote(b, model);
    buf_add_str(b, ",\"messages\":[{\"role\":\"user\",\"content\":");
    json_quote(b, prompt);
    buf_add_str(b, "}],\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    if (max_tokens > 0)
        buf_printf(b, ",\"%s\":%d", newer ? "max_completion_tokens" : "max_tokens", max_tokens);
    if (!newer && !reasoning)
        buf_add_str(b, ",\"temperature\":0");
    if (reasoning && takes_effort(name))
        buf_add_str(b, ",\"reasoning_effort\":\"low\"");
    buf_add_char(b, '}');
}

/* --- answer ------------------------------------------------------------------------------------------------------------ */

typedef void take_fn(struct chat_reading *r, const char *text, usec_t now);

/* A string, or a list of {"type":"text","text":...}. */
static void take_text(struct chat_reading *r, const cJSON *json, take_fn *take, usec_t now)
{
    if (cJSON_IsString(json)) {
        take(r, json->valuestring, now);
    } else if (cJSON_IsArray(json)) {
        for (const cJSON *part = json->child; part; part = part->next) {
            const cJSON *text = member(part, "text");
            if (cJSON_IsString(text))
                take(r, text->valuestring, now);
        }
    }
}

/* OpenRouter: a list of {"type":"reasoning.text","text"}, {"...summary","summary"}, {"...encrypted","data"}. */
static bool take_details(struct chat_reading *r, const cJSON *details, usec_t now)
{
    static const char *const names[] = {"text", "summary", "data"};
    unsigned before = r->chunks;
    for (const cJSON *part = cJSON_IsArray(details) ? details->child : NULL; part; part = part->next)
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            take_text(r, member(part, names[i]), reading_reasoning, now);
    return r->chunks > before;
}

static void take_calls(struct chat_reading *r, const cJSON *calls, usec_t now)
{
    const cJSON *call = cJSON_IsArray(calls) ? calls->child : calls;
    for (; call; call = cJSON_IsArray(calls) ? call->next : NULL) {
        const char *arguments = json_string(call, "function.arguments");
        if (!arguments)
            arguments = json_string(call, "arguments");
        if (cJSON_IsObject(call))
            reading_other(r, arguments ? arguments : "", now);
    }
}

/* The members of a delta or message. Reasoning often comes twice, under two names: once is enough. */
static void take_delta(struct chat_reading *r, const cJSON *delta, usec_t now)
{
    const cJSON *content = NULL, *details = NULL;
    bool reasoned = false;
    for (const cJSON *m = cJSON_IsObject(delta) ? delta->child : NULL; m; m = m->next) {
        if (strcmp(m->string, "content") == 0) {
            content = m;
        } else if (strcmp(m->string, "reasoning_content") == 0 || strcmp(m->string, "reasoning") == 0) {
            unsigned before = r->chunks;
            if (!reasoned)
                take_text(r, m, reading_reasoning, now);
            reasoned |= r->chunks > before;
        } else if (strcmp(m->string, "reasoning_details") == 0) {
            details = m;
        } else if (strcmp(m->string, "refusal") == 0) {
            take_text(r, m, reading_content, now);
        } else if (strcmp(m->string, "tool_calls") == 0 || strcmp(m->string, "function_call") == 0) {
            take_calls(r, m, now);
        }
    }
    if (details && !reasoned)
        take_details(r, details, now);
    take_text(r, content, reading_content, now);
}

static void take_choice(struct chat_reading *r, const cJSON *choice, usec_t now)
{
    const cJSON *delta = member(choice, "delta"), *reason = member(choice, "finish_reason"),
                *native = member(choice, "native_finish_reason");
    if (cJSON_IsObject(delta))
        take_delta(r, delta, now);
    else if (!r->answered) /* a stream that ends with the whole message again says nothing new */
        take_delta(r, member(choice, "message"), now);
    if (cJSON_IsString(native) && (strcmp(native->valuestring, "error") == 0 || strcmp(native->valuestring, "network_error") == 0))
        reading_fail(r, OUTCOME_ERROR_IN_200, "native_finish_reason: ", native->valuestring);
    if (cJSON_IsString(reason))
        reading_finish_reason(r, reason->valuestring);
}

/* -1 = not told. What is told but is no whole number is as impossible as a negative one. */
static int64_t count(const cJSON *usage, const char *path)
{
    const cJSON *told = json_at(usage, path);
    int64_t n;
    if (!told || cJSON_IsNull(told))
        return -1;
    return json_int(usage, path, &n) && n >= 0 ? n : -2;
}

static void take_usage(struct chat_reading *r, const cJSON *usage)
{
    int64_t prompt = count(usage, "prompt_tokens"), output = count(usage, "completion_tokens");
    int64_t reasoning = count(usage, "completion_tokens_details.reasoning_tokens"), total = count(usage, "total_tokens");
    if (prompt == -1)
        prompt = count(usage, "input_tokens");
    if (output == -1)
        output = count(usage, "output_tokens");
    if (reasoning == -1)
        reasoning = count(usage, "reasoning_tokens");
    /* xAI leaves the reasoning out of the completion; the total gives it away. */
    if (prompt >= 0 && output >= 0 && reasoning > 0 && total >= 0 && total == prompt + output + reasoning)
        output += reasoning;
    if (prompt != -1 || output != -1)
        reading_usage(r, prompt, output, reasoning);
}

static void take_json(struct chat_reading *r, const cJSON *json, usec_t now)
{
    for (const cJSON *m = json->child; m; m = m->next) {
        if (strcmp(m->string, "choices") == 0) {
            r->known |= cJSON_IsArray(m);
            if (cJSON_IsArray(m) && m->child)
                take_choice(r, m->child, now);
        } else if (strcmp(m->string, "model") == 0) {
            if (cJSON_IsString(m))
                reading_answered_by(r, m->valuestring);
        } else if (strcmp(m->string, "usage") == 0 && cJSON_IsObject(m)) {
            take_usage(r, m);
        }
    }
}

static int openai_event(struct chat_reading *r, const struct sse_event *event, usec_t now)
{
    CLEANUP(json_deletep) cJSON *json = reading_json(r, event, now);
    if (json)
        take_json(r, json, now);
    return 0;
}

static void openai_body(struct chat_reading *r, const cJSON *json, usec_t now)
{
    if (!cJSON_IsObject(json))
        return;
    take_json(r, json, now);
    if (r->known)
        reading_done(r, now);
}

const struct dialect dialect_openai = {
    .id = DIALECT_OPENAI,
    .chat_path = "/chat/completions",
    .models_path = "/models",
    .request = openai_request,
    .event = openai_event,
    .body = openai_body,
};
