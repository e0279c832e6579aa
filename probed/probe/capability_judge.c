/* What an answer says about the capability that was tried.
 *
 * In this order: no answer, a cut one, or one whose status is 5xx, 429, or one about key and credit: unclear. A refusal (400, 404, 405, 415, 422, 501, or an
 * error in 200) is a `no` if it speaks of the thing that was tried; else it is about something that we do not know, and unclear. An answer
 * that is the model's: looked at for the thing itself. One cut by its limit of tokens proves nothing.
 *
 * Everything read here is the relay's: bodies are capped before they come here, JSON by shared/json.h, evidence is cut to its size as UTF-8. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probed/probe/capability_try.h"
#include "probed/probe/challenge.h"
#include "probed/probe/classify.h"
#include "shared/text.h"

#define REPLY_MAX ((size_t)4096)
#define NUMBERS_MAX 65536 /* of a vector */
#define TOKENS_MOST 100000000
#define STREAM_LEAST 3 /* pieces */

/* Words by which a refusal names the thing, in lower case. Of JSON only whole terms: any error may speak of "the JSON body". */
static const char *const names[CAPABILITY_COUNT][8] = {
    [CAPABILITY_STREAM] = {"stream"},
    [CAPABILITY_USAGE] = {"stream_options", "include_usage"},
    [CAPABILITY_TOOLS] = {"tool", "function call", "function_call", "functions", "工具", "函数"},
    [CAPABILITY_JSON] = {"response_format", "json_object", "json mode", "json_mode", "response format", "structured output"},
    [CAPABILITY_VISION] = {"image", "vision", "visual", "multimodal", "multi-modal", "picture", "图片", "图像"},
    [CAPABILITY_EMBEDDINGS] = {"embedding", "not found", "unknown url", "invalid url", "no route", "not supported", "嵌入", "向量"},
};

static void find(struct capability_finding *ret, enum capability_state state, const char *evidence)
{
    ret->state = state;
    text_copy(ret->evidence, sizeof ret->evidence, evidence, strlen(evidence));
}

static void find_quoting(struct capability_finding *ret, enum capability_state state, const char *lead, const char *words)
{
    CLEANUP(buf_done) struct buf text = BUF_CAP(2048);
    buf_add_str(&text, lead);
    buf_add(&text, words, strnlen(words, 512));
    find(ret, state, buf_str(&text));
}

/* --- refusals ---------------------------------------------------------------------------------------------------------- */

/* The relay's words without the model's name in them: "gpt-image-1 not found" does not speak of images. */
static void add_without(struct buf *ret, const char *words, const char *model)
{
    size_t len = strlen(model);
    const char *at = words, *next;
    while (len > 2 && (next = strcasestr(at, model))) {
        buf_add(ret, at, (size_t)(next - at));
        at = next + len;
    }
    buf_add_str(ret, at);
}

static bool speaks_of(enum capability capability, const char *words)
{
    for (size_t i = 0; i < ARRAY_LEN(names[0]) && names[capability][i]; i++)
        if (strcasestr(words, names[capability][i]))
            return true;
    return false;
}

static void add_message(const cJSON *json, const char *body, struct buf *ret)
{
    static const char *const paths[] = {"error.message", "error.param", "message", "error", "detail", "msg", "detail.0.msg"};
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const char *text = json_string(json, paths[i]);
        if (text) {
            buf_add(ret, text, strnlen(text, REPLY_MAX));
            buf_add_char(ret, ' ');
            any = true;
        }
    }
    if (!any && !json)
        buf_add(ret, body, strnlen(body, REPLY_MAX));
}

/* A refusal of the request as such, and not of us, of now, or of the model. */
static bool is_refusal(const struct outcome *o)
{
    switch (o->http_status) {
    case 200:
    case 400:
    case 404:
    case 405:
    case 415:
    case 422:
    case 501:
        return o->kind == OUTCOME_BAD_REQUEST || o->kind == OUTCOME_HTTP_ERROR || o->kind == OUTCOME_ERROR_IN_200 || o->kind == OUTCOME_MODEL_MISSING ||
               o->kind == OUTCOME_UPSTREAM_FULL || o->kind == OUTCOME_SERVER_ERROR || o->kind == OUTCOME_NOT_API;
    default: return false;
    }
}

static void judge_error(const struct capability_try *t, const char *model, const struct classification *c, const cJSON *json, const char *body,
                        struct capability_finding *ret)
{
    CLEANUP(buf_done) struct buf words = BUF_CAP(8 * REPLY_MAX), bare = BUF_CAP(8 * REPLY_MAX);
    char lead[48];
    ret->outcome = c->outcome;
    text_copy(ret->detail, sizeof ret->detail, c->detail, strlen(c->detail));
    add_message(json, body, &words);
    add_without(&bare, buf_str(&words), model);
    /* An address that is not there speaks for itself. */
    bool no_such_path = t->capability == CAPABILITY_EMBEDDINGS && (c->outcome.http_status == 404 || c->outcome.http_status == 405);
    bool no = is_refusal(&c->outcome) && c->refused == PARAMETER_NONE && (no_such_path || speaks_of(t->capability, buf_str(&bare)));
    if (c->detail[0])
        snprintf(lead, sizeof lead, "%s%d: ", no ? "refused, " : "", c->outcome.http_status);
    else
        snprintf(lead, sizeof lead, "%s%d: %s", no ? "refused, " : "", c->outcome.http_status, outcome_name(c->outcome.kind));
    find_quoting(ret, no ? CAPABILITY_NO : CAPABILITY_UNCLEAR, lead, c->detail);
}

/* --- answers ----------------------------------------------------------------------------------------------------------- */

/* Content as one text: a string, or the text parts of a list; "" = none. */
static void add_content(const cJSON *content, struct buf *ret)
{
    if (cJSON_IsString(content))
        buf_add(ret, content->valuestring, strnlen(content->valuestring, REPLY_MAX));
    for (const cJSON *part = cJSON_IsArray(content) ? content->child : NULL; part && ret->len < REPLY_MAX; part = part->next) {
        const char *text = json_string(part, "text");
        if (text)
            buf_add(ret, text, strnlen(text, REPLY_MAX));
    }
}

struct message { /* of an answer, whatever its dialect */
    const cJSON *json;
    const cJSON *calls; /* OpenAI: tool_calls; Anthropic: content */
    struct buf text;
    bool known, cut, refused;
};

static void read_message(const cJSON *json, enum dialect_id dialect, struct message *ret)
{
    *ret = (struct message){.json = json, .text = BUF_CAP(4 * REPLY_MAX)};
    const char *reason = json_string(json, dialect == DIALECT_ANTHROPIC ? "stop_reason" : "choices.0.finish_reason");
    ret->cut = reason && (strcmp(reason, "length") == 0 || strcmp(reason, "max_tokens") == 0);
    ret->refused = reason && (strcmp(reason, "content_filter") == 0 || strcmp(reason, "refusal") == 0);
    if (dialect == DIALECT_ANTHROPIC) {
        ret->calls = json_at(json, "content");
        ret->known = cJSON_IsArray(ret->calls);
        add_content(ret->calls, &ret->text);
        return;
    }
    const cJSON *message = json_at(json, "choices.0.message");
    ret->known = cJSON_IsObject(message);
    ret->calls = json_at(message, "tool_calls");
    add_content(json_at(message, "content"), &ret->text);
    const char *refusal = json_string(message, "refusal");
    if (refusal && refusal[0] && ret->text.len == 0)
        buf_add(&ret->text, refusal, strnlen(refusal, REPLY_MAX));
}

/* One call: 1 = ours with the code in it, 0 = something is wrong with it (said), -1 = no call of ours. */
static int judge_call(const struct capability_try *t, const cJSON *call, struct capability_finding *ret)
{
    bool anthropic = t->dialect == DIALECT_ANTHROPIC;
    const char *name = json_string(call, anthropic ? "name" : "function.name"), *type = json_string(call, "type");
    if (!name || (anthropic && (!type || strcmp(type, "tool_use") != 0)))
        return -1;
    if (strcmp(name, "record_code") != 0) {
        find_quoting(ret, CAPABILITY_NO, "called another function: ", name);
        return 0;
    }
    const char *text = json_string(call, "function.arguments");
    CLEANUP(json_deletep) cJSON *parsed = !anthropic && text ? json_parse(text, strlen(text), NULL) : NULL;
    const cJSON *arguments = anthropic ? json_at(call, "input") : parsed;
    const char *code = json_string(arguments, "code");
    if (!cJSON_IsObject(arguments)) {
        find_quoting(ret, CAPABILITY_NO, "arguments are no JSON object: ", text ? text : "(no text)");
        return 0;
    }
    if (!code || strcmp(code, t->nonce) != 0) {
        find_quoting(ret, CAPABILITY_NO, "called, but not with the code: ", code ? code : "(none)");
        return 0;
    }
    find(ret, CAPABILITY_YES, "called the function with the code");
    return 1;
}

static void judge_tools(const struct capability_try *t, const struct message *m, struct capability_finding *ret)
{
    bool called = false;
    unsigned looked = 0;
    for (const cJSON *call = cJSON_IsArray(m->calls) ? m->calls->child : NULL; call && looked < 64; call = call->next, looked++) {
        int verdict = judge_call(t, call, ret);
        if (verdict == 1)
            return;
        called = called || verdict == 0;
    }
    if (called)
        return; /* what was wrong with it is said */
    if (m->cut)
        find(ret, CAPABILITY_UNCLEAR, "cut by its limit of tokens before a call");
    else if (m->text.len > 0)
        find_quoting(ret, CAPABILITY_NO, "no call, but text: ", buf_str(&m->text));
    else
        find(ret, CAPABILITY_UNCLEAR, "an empty answer");
}

static void judge_json(const struct capability_try *t, const struct message *m, struct capability_finding *ret)
{
    const char *text = buf_str(&m->text);
    CLEANUP(json_deletep) cJSON *json = json_parse(text, m->text.len, NULL);
    const char *code = json_string(json, "code");
    if (cJSON_IsObject(json) && code && strcmp(code, t->nonce) == 0)
        find(ret, CAPABILITY_YES, "answered with the object that was asked for");
    else if (m->cut)
        find(ret, CAPABILITY_UNCLEAR, "cut by its limit of tokens");
    else if (m->text.len == 0)
        find(ret, CAPABILITY_UNCLEAR, "an empty answer");
    else if (cJSON_IsObject(json))
        find_quoting(ret, CAPABILITY_NO, "JSON without the code: ", text);
    else
        find_quoting(ret, CAPABILITY_NO, "no JSON: ", text);
}

static void judge_vision(const struct capability_try *t, const struct message *m, struct capability_finding *ret)
{
    const char *text = buf_str(&m->text), *right = picture_colour_name(t->colour);
    bool others = false;
    for (int c = 0; c < PICTURE_COLOURS; c++)
        others = others || (c != (int)t->colour && challenge_holds(text, picture_colour_name((enum picture_colour)c)));
    if (challenge_holds(text, right) && !others)
        find_quoting(ret, CAPABILITY_YES, "saw the colour: ", right);
    else if (m->cut || m->text.len == 0)
        find(ret, CAPABILITY_UNCLEAR, m->cut ? "cut by its limit of tokens" : "an empty answer");
    else if (others)
        find_quoting(ret, CAPABILITY_NO, "told another colour: ", text);
    else
        find_quoting(ret, CAPABILITY_NO, "told no colour: ", text);
}

static void judge_embeddings(const cJSON *json, struct capability_finding *ret)
{
    const cJSON *vector = json_at(json, "data.0.embedding");
    unsigned n = 0;
    bool fine = cJSON_IsArray(vector), any = false;
    for (const cJSON *v = fine ? vector->child : NULL; v && fine && n <= NUMBERS_MAX; v = v->next, n++) {
        fine = cJSON_IsNumber(v) && isfinite(v->valuedouble);
        any = any || (fine && v->valuedouble != 0);
    }
    char text[64];
    snprintf(text, sizeof text, "a vector of %u numbers", n);
    if (fine && any && n >= 2 && n <= NUMBERS_MAX)
        find(ret, CAPABILITY_YES, text);
    else
        find(ret, CAPABILITY_NO, cJSON_IsArray(vector) ? "a vector, but not of finite numbers" : "an answer without a vector");
}

static void judge_message(const struct capability_try *t, const cJSON *json, struct capability_finding *ret)
{
    struct message m;
    read_message(json, t->dialect, &m);
    if (!m.known) {
        ret->outcome = outcome_make(STAGE_FIRST, OUTCOME_MALFORMED, ret->outcome.http_status);
        find(ret, CAPABILITY_UNCLEAR, "an answer without a message");
    } else if (m.refused) {
        ret->outcome = outcome_make(STAGE_FIRST, OUTCOME_MODERATED, ret->outcome.http_status);
        find(ret, CAPABILITY_UNCLEAR, "refused by a filter");
    } else if (t->capability == CAPABILITY_TOOLS) {
        judge_tools(t, &m, ret);
    } else if (t->capability == CAPABILITY_JSON) {
        judge_json(t, &m, ret);
    } else {
        judge_vision(t, &m, ret);
    }
    buf_done(&m.text);
}

static int32_t tokens(const cJSON *json, const char *path, const char *or_path)
{
    int64_t n;
    return (json_int(json, path, &n) || json_int(json, or_path, &n)) && n >= 0 && n <= TOKENS_MOST ? (int32_t)n : -1;
}

/* --- all of it --------------------------------------------------------------------------------------------------------- */

void capability_judge(const struct capability_try *t, const char *model, const struct capability_answer *a, struct capability_finding *ret)
{
    struct classification c;
    *ret = (struct capability_finding){.prompt_tokens = -1, .output_tokens = -1, .outcome = outcome_make(STAGE_DONE, OUTCOME_OK, a->status)};
    if (a->transport != OUTCOME_OK) {
        ret->outcome = outcome_make(a->stage, a->transport, a->status);
        find(ret, CAPABILITY_UNCLEAR, outcome_text(ret->outcome.kind));
        return;
    }
    CLEANUP(json_deletep) cJSON *json = json_parse(a->body, a->len, NULL);
    if (a->status >= 300) {
        c = classify_answer(a->status, a->content_type, a->body, a->len);
        judge_error(t, model, &c, json, a->body, ret);
        return;
    }
    if (!cJSON_IsObject(json)) {
        c = classify_not_json(a->status, a->content_type, a->body, a->len);
        ret->outcome = c.outcome;
        text_copy(ret->detail, sizeof ret->detail, c.detail, strlen(c.detail));
        find_quoting(ret, CAPABILITY_UNCLEAR, "no JSON answer: ", c.detail);
        return;
    }
    if (classify_json(json, STAGE_FIRST, a->status, &c)) {
        judge_error(t, model, &c, json, a->body, ret);
        return;
    }
    ret->prompt_tokens = tokens(json, "usage.prompt_tokens", "usage.input_tokens");
    ret->output_tokens = tokens(json, "usage.completion_tokens", "usage.output_tokens");
    if (t->capability == CAPABILITY_EMBEDDINGS) {
        if (ret->output_tokens < 0 && ret->prompt_tokens >= 0)
            ret->output_tokens = 0;
        judge_embeddings(json, ret);
    } else {
        judge_message(t, json, ret);
    }
}

void capability_judge_stream(const struct observation *o, struct capability_finding *ret_stream, struct capability_finding *ret_usage)
{
    char text[CAPABILITY_EVIDENCE_MAX + 32];
    *ret_stream = (struct capability_finding){.outcome = o->outcome, .prompt_tokens = o->prompt_tokens, .output_tokens = o->output_tokens};
    *ret_usage = *ret_stream;
    if (!outcome_ok(o->outcome)) {
        snprintf(text, sizeof text, "%s: ", outcome_name(o->outcome.kind));
        find_quoting(ret_stream, CAPABILITY_UNCLEAR, text, o->detail[0] ? o->detail : outcome_text(o->outcome.kind));
        *ret_usage = *ret_stream;
        return;
    }
    snprintf(text, sizeof text, "%u pieces in %lld ms", o->chunks, o->total > o->ttft && o->ttft >= 0 ? (long long)((o->total - o->ttft) / 1000) : 0LL);
    if (o->flags & OBSERVED_ONE_BURST)
        find(ret_stream, CAPABILITY_NO, "the whole answer came at once");
    else if (o->flags & OBSERVED_THINKING_ONLY)
        find(ret_stream, CAPABILITY_UNCLEAR, "nothing but thinking within the limit");
    else
        find(ret_stream, o->chunks >= STREAM_LEAST ? CAPABILITY_YES : CAPABILITY_NO, text);
    snprintf(text, sizeof text, "%d tokens in, %d out", (int)o->prompt_tokens, (int)o->output_tokens);
    if (o->flags & OBSERVED_NO_USAGE)
        find(ret_usage, CAPABILITY_NO, "the stream ended without usage");
    else if (o->flags & OBSERVED_USAGE_IMPOSSIBLE || o->prompt_tokens < 0 || o->output_tokens < 0)
        find(ret_usage, CAPABILITY_UNCLEAR, "counts that cannot be");
    else
        find(ret_usage, CAPABILITY_YES, text);
}
