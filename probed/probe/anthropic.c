/* The Anthropic dialect: POST /v1/messages, streamed.
 *
 * The request. One user message; max_tokens is a must. Thinking is off unless asked for, and a probe never asks. Temperature 0 unless it
 * is a reasoning model: relays sell "-thinking" names that switch thinking on, and thinking refuses any other temperature than 1; the
 * newest models refuse the parameter altogether, and it is left out once they did.
 *
 * The stream is a sequence of typed events: message_start (model, usage so far), content_block_start, content_block_delta (text_delta,
 * thinking_delta; signature_delta is no token; input_json_delta is a tool call), content_block_stop, message_delta (stop_reason, usage),
 * message_stop, and ping and error at any place. The type is the JSON's own, the event's name only where that is missing. Some relays add
 * OpenAI's [DONE]. Input tokens are told without the cached ones, which are told beside them: all were sent. stop_reason is kept in
 * OpenAI's words, so that chat.c knows one vocabulary. */
#include <string.h>

#include "probed/probe/reading.h"

static const cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

static void anthropic_request(struct chat_request *ret, const struct chat_ask *ask)
{
    *ret = (struct chat_request){
        .headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}, {"anthropic-version", "2023-06-01"}},
        .headers_len = 3,
    };
    dialect_add_path(&ret->path, dialect_anthropic.chat_path, ask->model);
    struct buf *b = &ret->body;
    buf_add_str(b, "{\"model\":");
    json_quote(b, ask->model);
    buf_add_str(b, ",\"messages\":[{\"role\":\"user\",\"content\":");
    json_quote(b, ask->prompt);
    buf_printf(b, "}],\"stream\":true,\"max_tokens\":%d", ask->max_tokens > 0 ? ask->max_tokens : 16);
    if (!ask->reasoning && dialect_takes(ret, ask, PARAMETER_TEMPERATURE))
        buf_add_str(b, ",\"temperature\":0");
    buf_add_char(b, '}');
}

/* A block, whole or a delta of one. */
static void take_block(struct chat_reading *r, const cJSON *block, usec_t now)
{
    const char *text = json_string(block, "text"), *thinking = json_string(block, "thinking"), *tool = json_string(block, "partial_json");
    if (thinking)
        reading_reasoning(r, thinking, now);
    if (text)
        reading_content(r, text, now);
    if (tool && tool[0])
        reading_other(r, tool, now);
}

static void take_usage(struct chat_reading *r, const cJSON *usage)
{
    if (!cJSON_IsObject(usage))
        return;
    int64_t input = reading_count(usage, "input_tokens"), output = reading_count(usage, "output_tokens");
    int64_t read = reading_count(usage, "cache_read_input_tokens"), written = reading_count(usage, "cache_creation_input_tokens");
    if (read > 0 && read < INT32_MAX && input >= 0 && input < INT32_MAX)
        input += read;
    if (written > 0 && written < INT32_MAX && input >= 0 && input < INT64_MAX / 2)
        input += written;
    /* Relays that translate send zeros first and numbers at the end, or the other way round. */
    if (input == 0 && r->prompt_tokens > 0)
        input = -1;
    if (input != -1 || output != -1)
        reading_usage(r, input, output, -1, read);
    reading_charged(r, usage);
}

static const char *in_openai_words(const char *stop_reason)
{
    static const char *const words[][2] = {
        {"max_tokens", "length"},
        {"model_context_window_exceeded", "length"},
        {"end_turn", "stop"},
        {"refusal", "content_filter"},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(stop_reason, words[i][0]) == 0)
            return words[i][1];
    return stop_reason;
}

/* A message, or the delta of one. */
static void take_stop(struct chat_reading *r, const cJSON *message)
{
    const char *reason = json_string(message, "stop_reason");
    if (reason)
        reading_finish_reason(r, in_openai_words(reason));
}

static void take_json(struct chat_reading *r, const cJSON *json, const char *type, usec_t now)
{
    if (strcmp(type, "content_block_delta") == 0) {
        r->known = true;
        take_block(r, member(json, "delta"), now);
    } else if (strcmp(type, "message_start") == 0) {
        const cJSON *message = member(json, "message");
        r->known = true;
        reading_answered_by(r, json_string(message, "model"));
        reading_id(r, json_string(message, "id"));
        take_usage(r, member(message, "usage"));
    } else if (strcmp(type, "content_block_start") == 0) {
        const cJSON *block = member(json, "content_block");
        r->known = true;
        take_block(r, block, now);
    } else if (strcmp(type, "message_delta") == 0) {
        r->known = true;
        take_usage(r, member(json, "usage"));
        take_stop(r, member(json, "delta"));
    } else if (strcmp(type, "message_stop") == 0) {
        r->known = true;
        reading_done(r, now);
    }
}

static int anthropic_event(struct chat_reading *r, const struct sse_event *event, usec_t now)
{
    CLEANUP(json_deletep) cJSON *json = reading_json(r, event, now);
    if (json) {
        const char *type = json_string(json, "type");
        take_json(r, json, type ? type : event->event, now);
    }
    return 0;
}

static void anthropic_body(struct chat_reading *r, const cJSON *json, usec_t now)
{
    const cJSON *content = member(json, "content");
    if (!cJSON_IsObject(json) || !cJSON_IsArray(content))
        return;
    r->known = true;
    reading_answered_by(r, json_string(json, "model"));
    reading_id(r, json_string(json, "id"));
    for (const cJSON *block = content->child; block; block = block->next) {
        const char *type = json_string(block, "type");
        take_block(r, block, now);
        if (type && strcmp(type, "tool_use") == 0)
            reading_other(r, "", now);
    }
    take_usage(r, member(json, "usage"));
    take_stop(r, json);
    reading_done(r, now);
}

const struct dialect dialect_anthropic = {
    .id = DIALECT_ANTHROPIC,
    .chat_path = "/v1/messages",
    .models_path = "/v1/models?limit=1000",
    .key_header = "x-api-key",
    .models_header = {"anthropic-version", "2023-06-01"},
    .request = anthropic_request,
    .event = anthropic_event,
    .body = anthropic_body,
};
