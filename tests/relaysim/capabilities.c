/* What a chat asks for beyond text.
 *
 * The wishes are read out of the request in whichever dialect it is; the answer is made up from what the prompt says, as a model would: a
 * value that stands in the prompt beside a member's name goes into that member, numbers become numbers, pictures are really looked at. What
 * the relay cannot do (capabilities_without) it refuses with an error, passes over, or does wrongly, and then it looks right and is not. */
#include "tests/relaysim/capabilities.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/json.h"
#include "tests/relaysim/picture.h"

#define DEPTH_MAX 8

/* --- what is asked for ----------------------------------------------------------------------------------------------- */

/* "auto" and nothing leave it to the model, which calls whatever there is to call; "none" forbids it. */
static bool tools_forbidden(const cJSON *json)
{
    const char *choice = json_string(json, "tool_choice"), *kind = json_string(json, "tool_choice.type"),
               *mode = json_string(json, "toolConfig.functionCallingConfig.mode");
    return (choice && strcmp(choice, "none") == 0) || (kind && strcmp(kind, "none") == 0) || (mode && strcasecmp(mode, "NONE") == 0);
}

/* OpenAI wraps a function, responses and Anthropic do not, Gemini has lists of them. */
static void read_tool(const cJSON *json, struct wishes *ret)
{
    static const char *const places[] = {"tools.0.function", "tools.0.functionDeclarations.0", "tools.0.function_declarations.0",
                                         "tools.0"};
    static const char *const schemas[] = {"parameters", "input_schema", "parametersJsonSchema"};
    for (size_t i = 0; i < ARRAY_LEN(places) && !ret->name; i++) {
        ret->tool = json_at(json, places[i]);
        ret->name = json_string(ret->tool, "name");
    }
    if (!ret->name || tools_forbidden(json))
        return;
    ret->wanted |= CAN_TOOLS;
    for (size_t i = 0; i < ARRAY_LEN(schemas) && !ret->schema; i++)
        ret->schema = json_at(ret->tool, schemas[i]);
}

static void read_format(const cJSON *json, struct wishes *ret)
{
    const char *type = json_string(json, "response_format.type"), *mime = json_string(json, "generationConfig.responseMimeType");
    if (!type)
        type = json_string(json, "text.format.type");
    if (!mime)
        mime = json_string(json, "generationConfig.response_mime_type");
    if (!(type && strncmp(type, "json", 4) == 0) && !(mime && strcmp(mime, "application/json") == 0))
        return;
    static const char *const schemas[] = {"response_format.json_schema.schema", "text.format.schema", "generationConfig.responseSchema",
                                          "generationConfig.responseJsonSchema"};
    ret->wanted |= CAN_JSON;
    for (size_t i = 0; i < ARRAY_LEN(schemas) && !(ret->wanted & CAN_TOOLS) && !ret->schema; i++)
        ret->schema = json_at(json, schemas[i]);
}

/* The picture of a content part, in any of the dialects. */
static const char *picture_of(const cJSON *part)
{
    static const char *const places[] = {"image_url.url", "image_url", "source.data", "inlineData.data", "inline_data.data"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (json_string(part, places[i]))
            return json_string(part, places[i]);
    return NULL;
}

static void read_picture(const cJSON *json, struct wishes *ret)
{
    static const char *const lists[] = {"messages", "input", "contents"};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const cJSON *messages = json_at(json, lists[i]);
        for (const cJSON *m = cJSON_IsArray(messages) ? messages->child : NULL; m; m = m->next) {
            const cJSON *parts = json_at(m, "content");
            if (!parts)
                parts = json_at(m, "parts");
            for (const cJSON *part = cJSON_IsArray(parts) ? parts->child : NULL; part; part = part->next)
                if (picture_of(part)) {
                    ret->picture = picture_of(part);
                    ret->wanted |= CAN_VISION;
                }
        }
    }
}

void capabilities_read(const struct asked *a, struct wishes *ret)
{
    *ret = (struct wishes){.wanted = (a->stream ? CAN_STREAM : 0) | (a->want_usage ? CAN_USAGE : 0)};
    read_tool(a->json, ret);
    read_format(a->json, ret);
    read_picture(a->json, ret);
}

/* --- what cannot be done --------------------------------------------------------------------------------------------- */

bool capabilities_ignored(const struct behaviour *b, int capability)
{
    return b->capabilities_without & capability && b->capability_refusal == REFUSAL_IGNORE;
}

bool capabilities_pretended(const struct behaviour *b, int capability)
{
    return b->capabilities_without & capability && b->capability_refusal == REFUSAL_LIE;
}

bool capabilities_refuse(struct asked *a, const struct wishes *w)
{
    static const struct {
        int bit;
        const char *parameter, *message;
    } refusals[] = {
        {CAN_STREAM, "stream",
         "Unsupported value: 'stream' does not support true with this model. Only the default (false) value is supported."},
        {CAN_USAGE, "stream_options", "Unrecognized request argument supplied: stream_options"},
        {CAN_TOOLS, "tools", "Unsupported parameter: 'tools' is not supported with this model."},
        {CAN_JSON, "response_format", "Invalid parameter: 'response_format' of type 'json_object' is not supported with this model."},
        {CAN_VISION, "messages", "Invalid content type. image_url is only supported by certain models."},
    };
    if (a->b->capability_refusal != REFUSAL_ERROR)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (a->b->capabilities_without & refusals[i].bit & w->wanted) {
            put_refusal(a, 400, refusals[i].parameter, "unsupported_parameter", refusals[i].message);
            return true;
        }
    return false;
}

/* --- values out of the prompt ---------------------------------------------------------------------------------------- */

static bool is_value_byte(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || (unsigned char)c >= 0x80;
}

/* Words that stand between a member's name and its value. */
static bool is_link(const char *word, size_t len)
{
    static const char *const links[] = {"is", "to",      "be",   "the",    "a",       "an",       "set",       "equal",  "equals", "value",
                                        "of", "string",  "text", "number", "integer", "argument", "parameter", "field",  "member", "key",
                                        "as", "exactly", "with", "and",    "its",     "whose",    "named",     "called", "word",   "code"};
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (strlen(links[i]) == len && strncasecmp(links[i], word, len) == 0)
            return true;
    return false;
}

static const char *find_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = text; len && (p = strcasestr(p, word)); p++)
        if ((p == text || !is_value_byte(p[-1])) && !is_value_byte(p[len]))
            return p;
    return NULL;
}

/* The first word behind `from` that is no link: the value. */
static bool word_behind(const char *from, struct buf *ret)
{
    while (*from) {
        while (*from && !is_value_byte(*from))
            from++;
        size_t len = 0;
        while (is_value_byte(from[len]) || (from[len] == '.' && is_value_byte(from[len + 1])))
            len++;
        if (len && !is_link(from, len)) {
            buf_add(ret, from, len);
            return true;
        }
        from += len;
    }
    return false;
}

/* A word with letters and digits in it: what a nonce looks like. */
static bool nonce_of(const char *text, struct buf *ret)
{
    while (*text) {
        size_t len = 0, digits = 0;
        while (is_value_byte(text[len])) {
            digits += isdigit((unsigned char)text[len]) != 0;
            len++;
        }
        if (len >= 4 && digits) {
            buf_add(ret, text, len);
            return true;
        }
        text += len ? len : 1;
    }
    return false;
}

static double number_of(const char *name, const char *prompt)
{
    const char *at = find_word(prompt, name);
    at = at ? at + strlen(name) : prompt;
    at += strcspn(at, "0123456789");
    return *at ? strtod(at, NULL) : 1;
}

static void add_text_value(const char *name, const cJSON *schema, const char *prompt, bool wrong, struct buf *ret)
{
    CLEANUP(buf_done) struct buf value = BUF_INIT;
    const char *at = find_word(prompt, name), *about = json_string(schema, "description"), *first = json_string(schema, "enum.0"),
               *constant = json_string(schema, "const");
    if (wrong)
        buf_add_str(&value, "unknown");
    else if (constant || first)
        buf_add_str(&value, constant ? constant : first);
    else if (!(at && word_behind(at + strlen(name), &value)) && !nonce_of(prompt, &value) && !(about && nonce_of(about, &value)))
        buf_add_str(&value, "yes");
    json_quote(ret, buf_str(&value));
}

static void add_value(const char *name, const cJSON *schema, const char *prompt, bool wrong, int depth, struct buf *ret);

static void add_object(const cJSON *schema, const char *prompt, bool wrong, int depth, struct buf *ret)
{
    const cJSON *properties = json_at(schema, "properties");
    buf_add_char(ret, '{');
    for (const cJSON *p = cJSON_IsObject(properties) ? properties->child : NULL; p && depth < DEPTH_MAX; p = p->next) {
        if (p->prev && p != properties->child)
            buf_add_char(ret, ',');
        json_quote(ret, p->string);
        buf_add_char(ret, ':');
        add_value(p->string, p, prompt, wrong, depth + 1, ret);
    }
    buf_add_char(ret, '}');
}

static void add_value(const char *name, const cJSON *schema, const char *prompt, bool wrong, int depth, struct buf *ret)
{
    const char *type = json_string(schema, "type");
    if (type && strcasecmp(type, "object") == 0) {
        add_object(schema, prompt, wrong, depth, ret);
    } else if (type && (strcasecmp(type, "integer") == 0 || strcasecmp(type, "number") == 0)) {
        double n = wrong ? -1 : number_of(name, prompt);
        buf_printf(ret, strcasecmp(type, "integer") == 0 ? "%.0f" : "%.12g", n);
    } else if (type && strcasecmp(type, "boolean") == 0) {
        buf_add_str(ret, wrong ? "false" : "true");
    } else if (type && strcasecmp(type, "array") == 0) {
        buf_add_char(ret, '[');
        if (depth < DEPTH_MAX)
            add_value(name, json_at(schema, "items"), prompt, wrong, depth + 1, ret);
        buf_add_char(ret, ']');
    } else {
        add_text_value(name, schema, prompt, wrong, ret);
    }
}

/* --- JSON without a schema ------------------------------------------------------------------------------------------- */

/* An example of the object that stands in the prompt. */
static bool copy_example(const char *prompt, struct buf *ret)
{
    for (const char *from = strchr(prompt, '{'); from; from = strchr(from + 1, '{'))
        for (const char *to = strrchr(from, '}'); to && to > from; to = memrchr(from, '}', (size_t)(to - from))) {
            cJSON *json = json_parse(from, (size_t)(to - from) + 1, NULL);
            bool object = cJSON_IsObject(json);
            if (object)
                json_print(json, false, ret);
            cJSON_Delete(json);
            if (object)
                return true;
        }
    return false;
}

/* The next text in double (or typographic, or back) quotes, from *p on. */
static bool next_quoted(const char **p, struct buf *ret)
{
    *p += strcspn(*p, "\"`");
    if (!**p)
        return false;
    size_t len = strcspn(*p + 1, (char[]){**p, 0});
    if (!(*p)[1 + len])
        return false;
    buf_clear(ret);
    buf_add(ret, *p + 1, len);
    *p += len + 2;
    return true;
}

/* "the key "a" set to "b"": quoted words are names and values in turn; one without its value takes what looks like a nonce. */
static bool pair_quoted(const char *prompt, struct buf *ret)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    CLEANUP(buf_done) struct buf value = BUF_INIT;
    const char *p = prompt;
    size_t n = 0;
    for (; next_quoted(&p, &name); n++) {
        const char *behind = p;
        buf_add_str(ret, n ? "," : "{");
        json_quote(ret, buf_str(&name));
        buf_add_char(ret, ':');
        if (!next_quoted(&p, &value)) {
            buf_clear(&value);
            if (!word_behind(behind, &value))
                nonce_of(prompt, &value);
        }
        json_quote(ret, buf_str(&value));
    }
    if (n)
        buf_add_char(ret, '}');
    return n > 0;
}

static void say_json(const struct wishes *w, const char *prompt, bool lie, struct buf *ret)
{
    if (lie)
        buf_add_str(ret, "{\"result\":\"ok\"}");
    else if (w->schema)
        add_object(w->schema, prompt, false, 0, ret);
    else if (!copy_example(prompt, ret) && !pair_quoted(prompt, ret)) {
        CLEANUP(buf_done) struct buf value = BUF_INIT;
        nonce_of(prompt, &value);
        buf_add_str(ret, "{\"answer\":");
        json_quote(ret, buf_str(&value));
        buf_add_char(ret, '}');
    }
}

/* --- what is said ---------------------------------------------------------------------------------------------------- */

static void say_colour(const struct wishes *w, const char *prompt, bool lie, struct buf *ret)
{
    struct colour colour;
    if (!picture_colour(w->picture, &colour)) {
        buf_add_str(ret, "I cannot make out the picture.");
        return;
    }
    const char *name = picture_colour_name(colour, prompt);
    buf_add_str(ret, lie ? picture_wrong_name(name, prompt) : name);
}

bool capabilities_say(const struct asked *a, const struct wishes *w, const char *prompt, struct buf *ret, const char **tool)
{
    const struct behaviour *b = a->b;
    if (w->wanted & CAN_TOOLS && !capabilities_ignored(b, CAN_TOOLS)) {
        add_object(w->schema, prompt, capabilities_pretended(b, CAN_TOOLS), 0, ret);
        *tool = w->name;
    } else if (w->wanted & CAN_VISION && !capabilities_ignored(b, CAN_VISION)) {
        say_colour(w, prompt, capabilities_pretended(b, CAN_VISION), ret);
    } else if (w->wanted & CAN_VISION) {
        buf_add_str(ret, "I am sorry, I cannot see pictures.");
    } else if (w->wanted & CAN_JSON && !capabilities_ignored(b, CAN_JSON)) {
        say_json(w, prompt, capabilities_pretended(b, CAN_JSON), ret);
    } else {
        return false;
    }
    return true;
}
