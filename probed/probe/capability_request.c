/* The requests that try capabilities out.
 *
 * Each is an ordinary chat request of the dialect (so that whatever the model's vendor wants of its parameters, and whatever the route was seen to refuse, is
 * heeded), with one thing more: a function to call, a response format, a picture. They are not streamed, but for STREAM, which is an ordinary
 * chat with an open question that draws more than fifty tokens. All but that one hold a nonce, so that no cache answers them; that one
 * must be the same for all routes of a platform (capability_same.h).
 *
 *     TOOLS       one function record_code(code); prompt: "Call the function record_code with the code NONCE. ..."      openai, anthropic
 *     JSON        response_format json_object; prompt: "Answer with a JSON object that has one key, ..."                 openai
 *     VISION      a picture of one colour as a data: URL; prompt: "(NONCE) Which colour is this picture? ..."            openai, anthropic
 *     EMBEDDINGS  POST /embeddings                                                                                       openai */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "probed/core/schedule.h"
#include "probed/probe/capability_same.h"
#include "probed/probe/capability_try.h"

bool capability_has_try(enum capability capability, enum dialect_id dialect)
{
    switch (capability) {
    case CAPABILITY_STREAM: return true;
    case CAPABILITY_TOOLS:
    case CAPABILITY_VISION: return dialect == DIALECT_OPENAI || dialect == DIALECT_ANTHROPIC;
    case CAPABILITY_JSON:
    case CAPABILITY_EMBEDDINGS: return dialect == DIALECT_OPENAI;
    default: return false; /* USAGE has none of its own */
    }
}

void capability_try_make(struct capability_try *ret, enum capability capability, enum dialect_id dialect, unsigned question, uint64_t *random)
{
    *ret = (struct capability_try){.capability = capability, .dialect = dialect, .question = question};
    ret->colour = (enum picture_colour)((schedule_random(random) >> 33) % PICTURE_COLOURS);
    snprintf(ret->nonce, sizeof ret->nonce, "%08" PRIx32, (uint32_t)(schedule_random(random) >> 32));
}

void capability_tokens(enum capability capability, int *ret_prompt, int *ret_output)
{
    static const int tokens[CAPABILITY_COUNT][2] = {
        [CAPABILITY_STREAM] = {80, 120}, /* two sentences: the answer must be long enough to come in pieces, and to be told apart */
        [CAPABILITY_USAGE] = {0, 0},
        [CAPABILITY_TOOLS] = {500, 96},  /* some vendors' templates for tools are long */
        [CAPABILITY_JSON] = {120, 64},
        [CAPABILITY_VISION] = {3000, 24}, /* what the dearest vendors count for a small picture */
        [CAPABILITY_EMBEDDINGS] = {60, 0},
    };
    *ret_prompt = tokens[capability][0];
    *ret_output = tokens[capability][1];
}

static cJSON *array_of(cJSON *item)
{
    cJSON *array = cJSON_CreateArray();
    cJSON_AddItemToArray(array, item);
    return array;
}

static cJSON *code_schema(void)
{
    cJSON *schema = json_new_object();
    json_add_string(schema, "type", "object");
    cJSON *code = json_add_object(json_add_object(schema, "properties"), "code");
    json_add_string(code, "type", "string");
    json_add_string(code, "description", "the code, exactly as it was given");
    json_add_string(json_add_array(schema, "required"), NULL, "code");
    return schema;
}

static void add_tool(cJSON *body, enum dialect_id dialect)
{
    cJSON *function = json_new_object(), *tool = function;
    json_add_string(function, "name", "record_code");
    json_add_string(function, "description", "Records a code.");
    cJSON_AddItemToObject(function, dialect == DIALECT_ANTHROPIC ? "input_schema" : "parameters", code_schema());
    if (dialect != DIALECT_ANTHROPIC) {
        tool = json_new_object();
        json_add_string(tool, "type", "function");
        cJSON_AddItemToObject(tool, "function", function);
    }
    cJSON_AddItemToObject(body, "tools", array_of(tool));
}

static cJSON *text_part(const char *text)
{
    cJSON *part = json_new_object();
    json_add_string(part, "type", "text");
    json_add_string(part, "text", text);
    return part;
}

static cJSON *picture_part(const struct capability_try *t)
{
    CLEANUP(buf_done) struct buf png = BUF_INIT, base64 = BUF_INIT;
    cJSON *part = json_new_object();
    picture_make(t->colour, &png);
    if (t->dialect == DIALECT_ANTHROPIC) {
        picture_add_base64(&base64, png.data, png.len);
        json_add_string(part, "type", "image");
        cJSON *source = json_add_object(part, "source");
        json_add_string(source, "type", "base64");
        json_add_string(source, "media_type", "image/png");
        json_add_string(source, "data", buf_str(&base64));
        return part;
    }
    buf_add_str(&base64, "data:image/png;base64,");
    picture_add_base64(&base64, png.data, png.len);
    json_add_string(part, "type", "image_url");
    cJSON *url = json_add_object(part, "image_url");
    json_add_string(url, "url", buf_str(&base64));
    json_add_string(url, "detail", "low");
    return part;
}

/* The prompt of the only message becomes the picture and the prompt. */
static void add_picture(cJSON *body, const struct capability_try *t, const char *prompt)
{
    cJSON *message = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(body, "messages"), 0);
    cJSON *content = array_of(picture_part(t));
    cJSON_AddItemToArray(content, text_part(prompt));
    cJSON_ReplaceItemInObjectCaseSensitive(message, "content", content);
}

static void add_prompt(const struct capability_try *t, struct buf *ret)
{
    switch (t->capability) {
    case CAPABILITY_TOOLS:
        buf_printf(ret, "Call the function record_code with the code %s. Do not answer in any other way.", t->nonce);
        break;
    case CAPABILITY_JSON:
        buf_printf(ret, "Answer with a JSON object that has one key, \"code\", with the text \"%s\" as its value, and nothing else.", t->nonce);
        break;
    case CAPABILITY_VISION:
        buf_printf(ret, "(%s) Which colour is this picture? Answer with one word: %s, %s or %s.", t->nonce, picture_colour_name(PICTURE_RED),
                   picture_colour_name(PICTURE_GREEN), picture_colour_name(PICTURE_BLUE));
        break;
    default: buf_add_str(ret, same_question(t->question)); break;
    }
}

static void make_embeddings(const struct capability_try *t, const char *model, struct chat_request *ret)
{
    *ret = (struct chat_request){.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}}, .headers_len = 2};
    CLEANUP(buf_done) struct buf input = BUF_INIT;
    cJSON *body = json_new_object();
    buf_printf(&input, "The harbour was quiet (%s).", t->nonce);
    json_add_string(body, "model", model);
    json_add_string(body, "input", buf_str(&input));
    json_add_string(body, "encoding_format", "float");
    buf_add_str(&ret->path, "/embeddings");
    json_print(body, false, &ret->body);
    cJSON_Delete(body);
}

/* The dialect's own request, but whole instead of streamed. */
static void unstream(struct chat_request *request, cJSON *body)
{
    cJSON_DeleteItemFromObjectCaseSensitive(body, "stream");
    cJSON_DeleteItemFromObjectCaseSensitive(body, "stream_options");
    for (size_t i = 0; i < request->headers_len; i++)
        if (strcmp(request->headers[i].name, "Accept") == 0)
            request->headers[i].value = "application/json";
}

void capability_request(const struct capability_try *t, const struct chat_ask *ask, struct chat_request *ret)
{
    CLEANUP(buf_done) struct buf prompt = BUF_INIT;
    struct chat_ask with_prompt = *ask;
    if (t->capability == CAPABILITY_EMBEDDINGS) {
        make_embeddings(t, ask->model, ret);
        return;
    }
    add_prompt(t, &prompt);
    with_prompt.prompt = buf_str(&prompt);
    dialect_get(t->dialect)->request(ret, &with_prompt);
    if (t->capability == CAPABILITY_STREAM)
        return;
    CLEANUP(json_deletep) cJSON *body = json_parse(buf_str(&ret->body), ret->body.len, NULL);
    if (!body)
        return; /* our own words: it parses */
    unstream(ret, body);
    if (t->capability == CAPABILITY_TOOLS)
        add_tool(body, t->dialect);
    else if (t->capability == CAPABILITY_JSON)
        json_add_string(json_add_object(body, "response_format"), "type", "json_object");
    else
        add_picture(body, t, buf_str(&prompt));
    buf_done(&ret->body);
    json_print(body, false, &ret->body);
}
