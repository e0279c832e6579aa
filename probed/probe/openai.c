/* The OpenAI dialect: POST /chat/completions, streamed.
 *
 * The request. Streamed, with usage asked for, one user message. Which knobs are turned depends at first on the name of the model as the
 * relay has it (its part after the last slash) and on whether it is a reasoning model (reason.c has the names):
 *
 *     OpenAI's own newer sort    max_completion_tokens, since they refuse max_tokens, and no temperature, since they refuse any but their
 *                                default. If it reasons, the least reasoning_effort that it is known to take
 *     gpt-oss, Gemini            max_tokens, reasoning_effort "low" if it reasons
 *     Qwen 3 and its like        max_tokens, enable_thinking false if it reasons: SiliconFlow's and DashScope's switch
 *     other reasoning models     max_tokens (it bounds their thinking too), no effort (some vendors refuse the field), no temperature
 *                                (thinking modes refuse it)
 *     all others                 max_tokens, temperature 0
 *
 * What the route then refuses is left out, or sent by its other name, from then on (ask->left_out).
 *
 * The stream. Events hold `choices`; only the first choice counts, n is never asked for. Text is delta.content (a string, or a list of
 * parts); reasoning is delta.reasoning_content, delta.reasoning or delta.reasoning_details; a refusal is an answer; a tool call is output
 * without text. Usage is taken from wherever it stands. OpenRouter's native_finish_reason can hold a failure behind a harmless
 * finish_reason. */
#include <string.h>

#include "probed/probe/reading.h"
#include "probed/probe/reason.h"

static const cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* --- request ----------------------------------------------------------------------------------------------------------- */

static void add_limit(struct chat_request *request, const struct chat_ask *ask)
{
    enum chat_parameter usual = reason_is_newer_openai(ask->model) ? PARAMETER_MAX_COMPLETION_TOKENS : PARAMETER_MAX_TOKENS;
    enum chat_parameter other = usual == PARAMETER_MAX_TOKENS ? PARAMETER_MAX_COMPLETION_TOKENS : PARAMETER_MAX_TOKENS;
    bool swap = (ask->left_out & PARAMETER_BIT(usual)) && !(ask->left_out & PARAMETER_BIT(other));
    enum chat_parameter sent = swap ? other : usual;
    if (ask->max_tokens <= 0)
        return;
    buf_printf(&request->body, ",\"%s\":%d", parameter_name(sent), ask->max_tokens);
    request->sent |= PARAMETER_BIT(sent);
}

static void openai_request(struct chat_request *ret, const struct chat_ask *ask)
{
    *ret = (struct chat_request){
        .headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}},
        .headers_len = 2,
    };
    dialect_add_path(&ret->path, dialect_openai.chat_path, ask->model);
    struct buf *b = &ret->body;
    buf_add_str(b, "{\"model\":");
    json_quote(b, ask->model);
    buf_add_str(b, ",\"messages\":[{\"role\":\"user\",\"content\":");
    json_quote(b, ask->prompt);
    buf_add_str(b, "}],\"stream\":true");
    if (dialect_takes(ret, ask, PARAMETER_STREAM_OPTIONS))
        buf_add_str(b, ",\"stream_options\":{\"include_usage\":true}");
    add_limit(ret, ask);
    if (!reason_is_newer_openai(ask->model) && !ask->reasoning && dialect_takes(ret, ask, PARAMETER_TEMPERATURE))
        buf_add_str(b, ",\"temperature\":0");
    const char *effort = dialect_effort(ret, ask);
    if (effort)
        buf_printf(b, ",\"reasoning_effort\":\"%s\"", effort);
    if (ask->reasoning && reason_takes_switch(ask->model) && dialect_takes(ret, ask, PARAMETER_ENABLE_THINKING))
        buf_add_str(b, ",\"enable_thinking\":false");
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
        } else if (strcmp(m->string, "id") == 0) {
            if (cJSON_IsString(m))
                reading_id(r, m->valuestring);
        } else if (strcmp(m->string, "usage") == 0 && cJSON_IsObject(m)) {
            reading_take_usage(r, m);
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
    .key_header = "Authorization",
    .key_bearer = true,
    .request = openai_request,
    .event = openai_event,
    .body = openai_body,
};
