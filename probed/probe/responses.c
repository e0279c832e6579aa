/* The Responses dialect: POST /responses, streamed. OpenAI's newer form of a completion.
 *
 * The request. One user message, as a list, since some relays take no bare string; nothing is to be stored at the vendor;
 * max_output_tokens counts thinking too and is refused below 16. A reasoning model gets the least effort that it takes, any other
 * temperature 0.
 *
 * The stream is a sequence of typed events; the type is the JSON's own, the event's name only where that is missing. Tokens are
 * response.output_text.delta, response.refusal.delta, the deltas of reasoning_text and reasoning_summary_text, and of a call's arguments.
 * Relays that translate are sparse: where no delta of the text came, it is taken from output_text.done, from the finished item, or from
 * the finished response. response.completed, .incomplete and .failed are the end, whatever [DONE] adds, and carry id, model and usage once
 * more. status and incomplete_details are kept in OpenAI's older words, so that chat.c knows one vocabulary. */
#include <string.h>

#include "probed/probe/reading.h"
#include "probed/probe/reason.h"

#define LEAST_TOKENS 16

static const cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

static void responses_request(struct chat_request *ret, const struct chat_ask *ask)
{
    *ret = (struct chat_request){
        .headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}},
        .headers_len = 2,
    };
    dialect_add_path(&ret->path, dialect_responses.chat_path, ask->model);
    struct buf *b = &ret->body;
    buf_add_str(b, "{\"model\":");
    json_quote(b, ask->model);
    buf_add_str(b, ",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":");
    json_quote(b, ask->prompt);
    buf_add_str(b, "}]}],\"stream\":true");
    if (ask->max_tokens > 0)
        buf_printf(b, ",\"max_output_tokens\":%d", ask->max_tokens > LEAST_TOKENS ? ask->max_tokens : LEAST_TOKENS);
    if (dialect_takes(ret, ask, PARAMETER_STORE))
        buf_add_str(b, ",\"store\":false");
    const char *effort = dialect_effort(ret, ask);
    if (effort)
        buf_printf(b, ",\"reasoning\":{\"effort\":\"%s\"}", effort);
    else if (!ask->reasoning && !reason_is_newer_openai(ask->model) && dialect_takes(ret, ask, PARAMETER_TEMPERATURE))
        buf_add_str(b, ",\"temperature\":0");
    buf_add_char(b, '}');
}

/* --- answer ------------------------------------------------------------------------------------------------------------ */

/* A message's parts: text and refusals. */
static void take_content(struct chat_reading *r, const cJSON *content, usec_t now)
{
    for (const cJSON *part = cJSON_IsArray(content) ? content->child : NULL; part; part = part->next) {
        const char *text = json_string(part, "text"), *refusal = json_string(part, "refusal");
        if (text)
            reading_content(r, text, now);
        if (refusal)
            reading_content(r, refusal, now);
    }
}

static void take_thoughts(struct chat_reading *r, const cJSON *list, usec_t now)
{
    for (const cJSON *part = cJSON_IsArray(list) ? list->child : NULL; part; part = part->next) {
        const char *text = json_string(part, "text");
        if (text)
            reading_reasoning(r, text, now);
    }
}

/* A finished item of the output. What its deltas brought is not taken again. */
static void take_item(struct chat_reading *r, const cJSON *item, usec_t now)
{
    const char *type = json_string(item, "type");
    if (!type || strcmp(type, "message") == 0) {
        if (!r->answered)
            take_content(r, member(item, "content"), now);
    } else if (strcmp(type, "reasoning") == 0) {
        if (!r->reasoning && !r->answered) {
            take_thoughts(r, member(item, "content"), now);
            take_thoughts(r, member(item, "summary"), now);
        }
    } else if (strstr(type, "_call") && !r->answered) {
        const char *arguments = json_string(item, "arguments");
        reading_other(r, arguments ? arguments : "", now);
    }
}

/* What the finished response says of its end; false: it has not come to one. */
static bool take_status(struct chat_reading *r, const cJSON *response)
{
    const char *status = json_string(response, "status"), *reason = json_string(response, "incomplete_details.reason");
    if (!status)
        return false;
    if (strcmp(status, "completed") == 0)
        reading_finish_reason(r, "stop");
    else if (strcmp(status, "incomplete") == 0)
        reading_finish_reason(r,
                              !reason || strcmp(reason, "max_output_tokens") == 0 || strcmp(reason, "max_tokens") == 0 ? "length" : reason);
    else if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)
        reading_fail(r, OUTCOME_ERROR_IN_200, "status: ", status);
    else
        return false;
    return true;
}

static void take_response(struct chat_reading *r, const cJSON *response, usec_t now)
{
    const cJSON *output = member(response, "output"), *usage = member(response, "usage");
    if (!cJSON_IsObject(response))
        return;
    reading_id(r, json_string(response, "id"));
    reading_answered_by(r, json_string(response, "model"));
    for (const cJSON *item = cJSON_IsArray(output) ? output->child : NULL; item; item = item->next)
        take_item(r, item, now);
    if (cJSON_IsObject(usage))
        reading_take_usage(r, usage);
}

static void take_delta(struct chat_reading *r, const char *type, const cJSON *json, usec_t now)
{
    const char *delta = json_string(json, "delta");
    if (!delta)
        return;
    if (strcmp(type, "response.output_text.delta") == 0 || strcmp(type, "response.refusal.delta") == 0)
        reading_content(r, delta, now);
    else if (strncmp(type, "response.reasoning", 18) == 0) /* _text, _summary_text, and older names */
        reading_reasoning(r, delta, now);
    else if (strstr(type, "_call") && delta[0])
        reading_other(r, delta, now);
}

/* The three events that end it: completed, incomplete, failed. */
static void take_end(struct chat_reading *r, const char *type, const cJSON *json, usec_t now)
{
    const cJSON *response = member(json, "response");
    take_response(r, response, now);
    if (strcmp(type, "response.failed") == 0)
        reading_fail(r, OUTCOME_ERROR_IN_200, "", type);
    else if (!take_status(r, response))
        reading_finish_reason(r, strcmp(type, "response.completed") == 0 ? "stop" : "length");
    reading_done(r, now);
}

static void take_json(struct chat_reading *r, const cJSON *json, const char *type, usec_t now)
{
    size_t len = strlen(type);
    if (strncmp(type, "response.", 9) != 0)
        return;
    r->known = true;
    if (len > 6 && strcmp(type + len - 6, ".delta") == 0) {
        take_delta(r, type, json, now);
    } else if (strcmp(type, "response.output_text.done") == 0) {
        const char *text = json_string(json, "text");
        if (text && !r->answered)
            reading_content(r, text, now);
    } else if (strcmp(type, "response.output_item.done") == 0) {
        take_item(r, member(json, "item"), now);
    } else if (strcmp(type, "response.completed") == 0 || strcmp(type, "response.incomplete") == 0 ||
               strcmp(type, "response.failed") == 0) {
        take_end(r, type, json, now);
    } else if (cJSON_IsObject(member(json, "response"))) { /* created, queued, in_progress */
        reading_id(r, json_string(json, "response.id"));
        reading_answered_by(r, json_string(json, "response.model"));
    }
}

static int responses_event(struct chat_reading *r, const struct sse_event *event, usec_t now)
{
    CLEANUP(json_deletep) cJSON *json = reading_json(r, event, now);
    if (json) {
        const char *type = json_string(json, "type");
        take_json(r, json, type ? type : event->event, now);
    }
    return 0;
}

static void responses_body(struct chat_reading *r, const cJSON *json, usec_t now)
{
    if (!cJSON_IsObject(json) || !cJSON_IsArray(member(json, "output")))
        return;
    r->known = true;
    take_response(r, json, now);
    if (take_status(r, json))
        reading_done(r, now);
}

const struct dialect dialect_responses = {
    .id = DIALECT_RESPONSES,
    .chat_path = "/responses",
    .models_path = "/models",
    .key_header = "Authorization",
    .key_bearer = true,
    .request = responses_request,
    .event = responses_event,
    .body = responses_body,
};
