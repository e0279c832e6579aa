/* The Gemini dialect: POST /models/{model}:streamGenerateContent?alt=sse.
 *
 * The request. One user content; the limit counts thinking too. The thinking of a reasoning model is held down by thinkingConfig, in the
 * form that its name asks for (reason.c); temperature 0 for all others.
 *
 * The stream. Each event is a whole GenerateContentResponse: candidates[0].content.parts[].text holds what is new, a part with thought:
 * true is reasoning, one with nothing but a thoughtSignature is no token. It ends with a finishReason, there is no [DONE]. A blocked
 * prompt has no candidates but promptFeedback.blockReason. Usage stands on each event, cumulative; candidatesTokenCount leaves the
 * thoughts out, which are told beside it. finishReason is kept in OpenAI's words, so that chat.c knows one vocabulary.
 *
 * Without alt=sse, which some relays drop, the same events come as one JSON array: a body, read by its elements. */
#include <string.h>

#include "probed/probe/reading.h"
#include "probed/probe/reason.h"

static const cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* The list of models has them as "models/gemini-...": both forms name the same. */
static const char *bare_name(const char *model)
{
    return strncmp(model, "models/", 7) == 0 ? model + 7 : model;
}

static void gemini_request(struct chat_request *ret, const struct chat_ask *ask)
{
    *ret = (struct chat_request){
        .headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}},
        .headers_len = 2,
    };
    dialect_add_path(&ret->path, dialect_gemini.chat_path, bare_name(ask->model));
    struct buf *b = &ret->body;
    buf_add_str(b, "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":");
    json_quote(b, ask->prompt);
    buf_add_str(b, "}]}],\"generationConfig\":{\"candidateCount\":1");
    if (ask->max_tokens > 0)
        buf_printf(b, ",\"maxOutputTokens\":%d", ask->max_tokens);
    if (!ask->reasoning && dialect_takes(ret, ask, PARAMETER_TEMPERATURE))
        buf_add_str(b, ",\"temperature\":0");
    const char *thinking = ask->reasoning ? reason_gemini_config(ask->model) : NULL;
    if (thinking && dialect_takes(ret, ask, PARAMETER_THINKING_CONFIG))
        buf_printf(b, ",\"thinkingConfig\":%s", thinking);
    buf_add_str(b, "}}");
}

static void take_part(struct chat_reading *r, const cJSON *part, usec_t now)
{
    static const char *const others[] = {"functionCall", "executableCode", "inlineData"};
    const char *text = json_string(part, "text");
    if (text && cJSON_IsTrue(member(part, "thought")))
        reading_reasoning(r, text, now);
    else if (text)
        reading_content(r, text, now);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (cJSON_IsObject(member(part, others[i])))
            reading_other(r, "", now);
}

static const char *in_openai_words(const char *reason)
{
    static const char *const words[][2] = {
        {"STOP", "stop"},
        {"MAX_TOKENS", "length"},
        {"SAFETY", "content_filter"},
        {"RECITATION", "content_filter"},
        {"BLOCKLIST", "content_filter"},
        {"PROHIBITED_CONTENT", "content_filter"},
        {"SPII", "content_filter"},
        {"IMAGE_SAFETY", "content_filter"},
        {"MODEL_ARMOR", "content_filter"},
        {"FINISH_REASON_UNSPECIFIED", ""}, /* has not ended yet */
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(reason, words[i][0]) == 0)
            return words[i][1];
    return reason;
}

static void take_candidate(struct chat_reading *r, const cJSON *candidate, usec_t now)
{
    const cJSON *parts = json_at(candidate, "content.parts");
    const char *reason = json_string(candidate, "finishReason");
    for (const cJSON *part = cJSON_IsArray(parts) ? parts->child : NULL; part; part = part->next)
        take_part(r, part, now);
    if (reason)
        reading_finish_reason(r, in_openai_words(reason));
}

static void take_usage(struct chat_reading *r, const cJSON *usage)
{
    int64_t prompt = reading_count(usage, "promptTokenCount"), output = reading_count(usage, "candidatesTokenCount");
    int64_t thoughts = reading_count(usage, "thoughtsTokenCount"), total = reading_count(usage, "totalTokenCount");
    bool apart = !(prompt >= 0 && output >= 0 && total == prompt + output); /* some relays count the thoughts in */
    if (thoughts > 0 && output == -1)
        output = thoughts; /* none of them came to an answer */
    else if (thoughts > 0 && output >= 0 && apart && thoughts < INT32_MAX && output < INT32_MAX)
        output += thoughts;
    if (prompt != -1 || output != -1)
        reading_usage(r, prompt, output, thoughts, reading_count(usage, "cachedContentTokenCount"));
}

static void take_json(struct chat_reading *r, const cJSON *json, usec_t now)
{
    const cJSON *candidates = member(json, "candidates"), *usage = member(json, "usageMetadata");
    const char *blocked = json_string(json, "promptFeedback.blockReason");
    reading_answered_by(r, json_string(json, "modelVersion"));
    reading_id(r, json_string(json, "responseId"));
    r->known |= cJSON_IsArray(candidates) || blocked || cJSON_IsObject(usage);
    if (blocked && blocked[0] && strcmp(blocked, "BLOCK_REASON_UNSPECIFIED") != 0)
        reading_fail(r, OUTCOME_MODERATED, "blockReason: ", blocked);
    if (cJSON_IsArray(candidates) && candidates->child)
        take_candidate(r, candidates->child, now);
    if (cJSON_IsObject(usage))
        take_usage(r, usage);
}

static int gemini_event(struct chat_reading *r, const struct sse_event *event, usec_t now)
{
    CLEANUP(json_deletep) cJSON *json = reading_json(r, event, now);
    if (json)
        take_json(r, json, now);
    return 0;
}

static void gemini_body(struct chat_reading *r, const cJSON *json, usec_t now)
{
    if (cJSON_IsObject(json))
        take_json(r, json, now);
    for (const cJSON *event = cJSON_IsArray(json) ? json->child : NULL; event && !r->failed; event = event->next) {
        if (classify_json(event, reading_stage(r), 200, &r->failure))
            r->failed = true;
        else if (cJSON_IsObject(event))
            take_json(r, event, now);
    }
    if (r->known && !r->failed)
        reading_done(r, now);
}

const struct dialect dialect_gemini = {
    .id = DIALECT_GEMINI,
    .chat_path = "/models/{model}:streamGenerateContent?alt=sse",
    .models_path = "/models?pageSize=1000",
    .key_header = "x-goog-api-key",
    .request = gemini_request,
    .event = gemini_event,
    .body = gemini_body,
};
