/* What an error answer means, for all families by one rule.
 *
 * First the evidence is gathered out of whatever shape the body has:
 *
 *     {"error":{"message","type","param","code"}}            OpenAI, one-api, new-api, AIHubMix, APIYI, DMXAPI; code a string, a number or
 * null
 *     {"error":{"code":int,"message","metadata":{...}}}      OpenRouter, with metadata.error_type, provider_name, reasons; also as
 * choices[0].error
 *     {"type":"error","error":{"type","message"}}            Anthropic
 *     {"error":"text"}, {"errors":[...]}, {"detail":...}     others; Gemini puts its object into an array
 *     {"code":20012,"message","data":null}                   SiliconFlow; {"code":"INSUFFICIENT_BALANCE","message"} sub2api
 *     {"success":false,"message"}, {"object":"error",...}    new-api's own pages; vLLM
 *     "text", text                                           a bare JSON string, or no JSON at all
 *     <html>                                                 a page: what is in it is no evidence, but for the marks of firewalls
 *
 * Then it is asked in this order, since relays remap statuses and reuse types: a code that says it all; a phrase of the message; a code or
 * type that names a class only; a number in `code` read as a status; the HTTP status. The tables of words are in classify_words.c.
 *
 * Last the fault. A refusal that the relay passes on from its own upstream (type "upstream_error", OpenRouter's provider_name, a vendor's
 * error with one-api's request id behind it) is not about our key or our credit: whatever says auth, credit or rate there becomes
 * UPSTREAM_FULL, the relay's fault. Under 200 a kind that only says "server trouble" becomes ERROR_IN_200; a kind that names the cause is
 * kept, with its own fault.
 *
 * The detail is the relay's own words, without request ids, on one line, with whatever looks like a key masked. Pure; allocates only while
 * it parses. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "probed/probe/classify.h"
#include "probed/probe/classify_words.h"
#include "shared/text.h"

#define MESSAGE_MAX 1024
#define PAGE_LOOK   ((size_t)16 * 1024) /* how much of a page is searched */

struct evidence {
    bool any;
    char code[96], type[64], error_type[64], param[96];
    char message[MESSAGE_MAX];
    int number;     /* `code` as a number, 0 = none */
    bool upstream;  /* the relay says that it only passes this on */
    bool moderated; /* OpenRouter: reasons, flagged_input */
};

static const cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

static void take_text(char *dst, size_t size, const cJSON *json)
{
    if (cJSON_IsString(json) && json->valuestring && !dst[0])
        text_copy(dst, size, json->valuestring, strlen(json->valuestring));
}

static void take_code(struct evidence *e, const cJSON *json)
{
    if (cJSON_IsNumber(json) && json->valuedouble >= -1e9 && json->valuedouble <= 1e9) {
        e->number = (int)json->valuedouble;
        snprintf(e->code, sizeof e->code, "%d", e->number);
    } else {
        take_text(e->code, sizeof e->code, json);
        size_t digits = strspn(e->code, "0123456789");
        if (digits > 0 && digits < 9 && !e->code[digits])
            sscanf(e->code, "%d", &e->number);
    }
}

static void append_words(struct evidence *e, const char *lead, const char *words)
{
    char rest[MESSAGE_MAX];
    snprintf(rest, sizeof rest, "%s%s", lead, words);
    size_t have = strlen(e->message);
    text_copy(e->message + have, sizeof e->message - have, rest, strlen(rest));
}

/* OpenRouter's metadata: who refused, and what that one said. */
static void take_metadata(struct evidence *e, const cJSON *metadata)
{
    take_text(e->error_type, sizeof e->error_type, member(metadata, "error_type"));
    const cJSON *provider = member(metadata, "provider_name"), *raw = member(metadata, "raw");
    e->moderated = cJSON_GetArraySize(member(metadata, "reasons")) > 0 || cJSON_IsString(member(metadata, "flagged_input"));
    if (cJSON_IsString(provider) && !e->moderated) {
        e->upstream = true;
        append_words(e, " by ", provider->valuestring);
    }
    if (cJSON_IsString(raw) && raw->valuestring[0])
        append_words(e, ": ", raw->valuestring);
}

/* pydantic (vLLM, Mistral, many relays): where in the request it was, ["body","enable_thinking"]. */
static void take_place(struct evidence *e, const cJSON *place)
{
    const cJSON *last = NULL;
    for (const cJSON *part = cJSON_IsArray(place) ? place->child : NULL; part; part = part->next)
        if (cJSON_IsString(part))
            last = part;
    if (last)
        take_text(e->param, sizeof e->param, last);
}

static void take_object(struct evidence *e, const cJSON *error)
{
    e->any = true;
    take_code(e, member(error, "code"));
    take_text(e->type, sizeof e->type, member(error, "type"));
    take_text(e->type, sizeof e->type, member(error, "status")); /* Gemini: RESOURCE_EXHAUSTED */
    take_text(e->error_type, sizeof e->error_type, member(error, "error_type"));
    take_text(e->param, sizeof e->param, member(error, "param"));
    take_place(e, member(error, "loc"));
    static const char *const names[] = {"message", "msg", "error_msg", "detail", "error"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        take_text(e->message, sizeof e->message, member(error, names[i]));
    const cJSON *metadata = member(error, "metadata"), *inner = member(error, "error");
    if (cJSON_IsObject(metadata))
        take_metadata(e, metadata);
    if (cJSON_IsObject(inner)) /* an error in an error: some relays wrap their upstream's */
        take_object(e, inner);
}

/* What a member named `error` (or `errors`) says; null, false, "" and {} say nothing. */
static void take_error(struct evidence *e, const cJSON *error)
{
    if (cJSON_IsArray(error))
        error = error->child;
    if (cJSON_IsObject(error)) {
        if (error->child)
            take_object(e, error);
    } else if (cJSON_IsString(error) && error->valuestring[0]) {
        e->any = true;
        take_text(e->message, sizeof e->message, error);
    } else if (cJSON_IsTrue(error)) {
        e->any = true;
    }
}

/* {"code":...,"message":...} without an error object. Numbers that mean success: 0, 200, SiliconFlow's 20000; new-api's `code` can be true.
 */
static bool is_bare_error(const cJSON *json)
{
    const cJSON *code = member(json, "code");
    if (!cJSON_IsString(member(json, "message")) && !cJSON_IsString(member(json, "msg")))
        return false;
    if (cJSON_IsNumber(code))
        return code->valuedouble != 0 && code->valuedouble != 200 && code->valuedouble != 20000;
    if (!cJSON_IsString(code) || !code->valuestring[0])
        return false;
    static const char *const fine[] = {"0", "200", "20000", "ok", "success"};
    for (size_t i = 0; i < ARRAY_LEN(fine); i++)
        if (strcasecmp(code->valuestring, fine[i]) == 0)
            return false;
    return true;
}

/* One walk over the members, since this is asked of every event of every stream. `failing`: the status says already that it is an error. */
static void gather(struct evidence *e, const cJSON *json, bool failing)
{
    bool choices = false, bare = failing;
    if (cJSON_IsArray(json) && json->child && member(json->child, "error"))
        json = json->child; /* Gemini */
    if (failing && cJSON_IsString(json)) {
        take_error(e, json);
        return;
    }
    if (!cJSON_IsObject(json))
        return;
    for (const cJSON *m = json->child; m; m = m->next) {
        const char *name = m->string;
        if (strcmp(name, "error") == 0 || strcmp(name, "errors") == 0)
            take_error(e, m);
        else if (strcmp(name, "choices") == 0) {
            choices = true;
            if (m->child)
                take_error(e, member(m->child, "error"));
        } else if (strcmp(name, "success") == 0)
            bare |= cJSON_IsFalse(m);
        else if (strcmp(name, "object") == 0 || strcmp(name, "type") == 0)
            bare |= cJSON_IsString(m) && strcmp(m->valuestring, "error") == 0;
        else if (strcmp(name, "code") == 0)
            bare |= is_bare_error(json);
        else if (strcmp(name, "response") == 0 && cJSON_IsObject(m))
            take_error(e, member(m, "error")); /* Responses dialect */
        else if (failing && strcmp(name, "detail") == 0)
            take_error(e, m);
    }
    if (!e->any && bare && !choices)
        take_object(e, json);
    if (strcmp(e->type, "error") == 0)
        e->type[0] = '\0';
}

/* A vendor's own type with one-api's "(request id: ...)" behind the message: the relay repeats what its upstream told it about the relay's
 * own key. Its own refusals carry its own type. */
static bool is_passed_on(const struct evidence *e)
{
    static const char *const vendor_types[] = {
        "invalid_request_error", "authentication_error", "permission_error", "insufficient_quota", "rate_limit_error", "requests", "tokens",
    };
    if (strcasecmp(e->type, "upstream_error") == 0)
        return true;
    if (!strcasestr(e->message, "(request id:"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(vendor_types); i++)
        if (strcasecmp(e->type, vendor_types[i]) == 0)
            return true;
    return false;
}

static bool about_model(const char *message)
{
    return strcasestr(message, "model") || strstr(message, "模型");
}

static enum outcome_kind kind_of_status(int status)
{
    if (status >= 300 && status < 400)
        return OUTCOME_REDIRECT;
    switch (status) {
    case 400:
    case 405:
    case 406:
    case 411:
    case 413:
    case 414:
    case 415:
    case 422:
        return OUTCOME_BAD_REQUEST;
    case 401:
        return OUTCOME_AUTH;
    case 402:
        return OUTCOME_NO_CREDIT;
    case 403:
    case 451:
        return OUTCOME_FORBIDDEN;
    case 408:
        return OUTCOME_TIMEOUT;
    case 429:
        return OUTCOME_RATE_LIMITED;
    case 529:
        return OUTCOME_UPSTREAM_FULL;
    default:
        return status >= 500 ? OUTCOME_SERVER_ERROR : OUTCOME_HTTP_ERROR;
    }
}

/* A status that names its cause says more than "invalid_request_error" or "server_error" does. */
static bool status_says_more(int status, enum outcome_kind weak)
{
    return (weak == OUTCOME_BAD_REQUEST || weak == OUTCOME_SERVER_ERROR) &&
           (status == 401 || status == 402 || status == 403 || status == 429);
}

static enum outcome_kind kind_of_evidence(const struct evidence *e, int status)
{
    enum outcome_kind kind;
    int told = e->number >= 400 && e->number < 600 ? e->number : status;
    if (e->moderated)
        return OUTCOME_MODERATED;
    if (classify_strong_code(e->code, &kind) || classify_strong_code(e->type, &kind) || classify_strong_code(e->error_type, &kind))
        return kind;
    if (classify_message(e->message, &kind))
        return kind;
    if (classify_weak_code(e->code, &kind) || classify_weak_code(e->error_type, &kind) || classify_weak_code(e->type, &kind)) {
        if (status_says_more(told, kind))
            return kind_of_status(told);
        if (kind == OUTCOME_MODEL_MISSING && !about_model(e->message))
            return OUTCOME_HTTP_ERROR; /* a path that is not there */
        return kind;
    }
    if (told == 404 && about_model(e->message))
        return OUTCOME_MODEL_MISSING; /* APIYI */
    return kind_of_status(told);
}

static struct outcome judge(const struct evidence *e, enum stage stage, int status)
{
    enum outcome_kind kind = kind_of_evidence(e, status);
    bool ours = kind == OUTCOME_AUTH || kind == OUTCOME_FORBIDDEN || kind == OUTCOME_NO_CREDIT || kind == OUTCOME_RATE_LIMITED;
    /* A relay that refuses our key does so by 401 or 403; its upstream's refusal of its own key comes as a failure of a gateway. */
    bool gateway = kind == OUTCOME_AUTH && status >= 500;
    if (ours && (gateway || e->upstream || is_passed_on(e)))
        kind = OUTCOME_UPSTREAM_FULL;
    bool vague = kind == OUTCOME_SERVER_ERROR || kind == OUTCOME_HTTP_ERROR || kind == OUTCOME_TIMEOUT || kind == OUTCOME_REDIRECT;
    if (vague && status >= 200 && status < 300)
        kind = OUTCOME_ERROR_IN_200;
    return outcome_make(stage, kind, status);
}

/* --- detail ----------------------------------------------------------------------------------------------------------- */

static bool is_key_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

/* The length of what looks like a key at p, 0 = nothing: "sk-..." of any vendor, or 20 and more letters and digits in one piece. */
static size_t key_length(const char *p)
{
    size_t n = 0, letters = 0, digits = 0;
    if (strncasecmp(p, "sk-", 3) == 0) {
        while (is_key_byte(p[n]))
            n++;
        return n > 6 ? n : 0;
    }
    for (; isalnum((unsigned char)p[n]); n++)
        isdigit((unsigned char)p[n]) ? digits++ : letters++;
    return n >= 20 && letters > 0 && digits > 0 ? n : 0;
}

/* The length of "(request id: ...)" and its like at p, 0 = none. */
static size_t request_id_length(const char *p)
{
    static const char *const leads[] = {"(request id:", "(request_id:", "(requestid:", "(tid:", "(traceid:", "(trace id:"};
    for (size_t i = 0; i < ARRAY_LEN(leads); i++) {
        if (strncasecmp(p, leads[i], strlen(leads[i])) != 0)
            continue;
        const char *end = strchr(p, ')');
        return end ? (size_t)(end + 1 - p) : strlen(p);
    }
    return 0;
}

/* Appends words to one line: ids out, keys masked, every stretch of blanks and controls one space. */
static void add_clean(struct buf *ret, const char *words)
{
    char before = ' ';
    for (const char *p = words; *p;) {
        size_t n = *p == '(' ? request_id_length(p) : 0;
        if (n > 0) {
            p += n;
            continue;
        }
        n = is_key_byte(before) ? 0 : key_length(p);
        if (n > 0) {
            buf_add_str(ret, strncasecmp(p, "sk-", 3) == 0 ? "sk-***" : "***");
            p += n;
            before = '*';
            continue;
        }
        bool blank = (unsigned char)*p <= ' ' || *p == 0x7f;
        if (!blank)
            buf_add_char(ret, *p);
        else if (before != ' ')
            buf_add_char(ret, ' ');
        before = blank ? ' ' : *p;
        p++;
    }
}

static void set_detail(struct classification *c, const char *code, const char *message)
{
    struct buf words = BUF_CAP(4 * MESSAGE_MAX);
    if (code[0]) {
        add_clean(&words, code);
        if (message[0])
            buf_add_str(&words, ": ");
    }
    add_clean(&words, message);
    size_t len = words.len;
    while (len > 0 && words.data[len - 1] == ' ')
        len--;
    text_copy(c->detail, sizeof c->detail, buf_str(&words), len);
    buf_done(&words);
}

static const char *name_of(const struct evidence *e)
{
    return e->code[0] ? e->code : e->error_type[0] ? e->error_type : e->type;
}

static struct classification conclude(const struct evidence *e, enum stage stage, int status)
{
    struct classification c = {.outcome = judge(e, stage, status), .refused = PARAMETER_NONE};
    if (c.outcome.kind == OUTCOME_BAD_REQUEST)
        c.refused = parameter_refused(e->param, e->message);
    set_detail(&c, name_of(e), e->message);
    return c;
}

/* --- bodies ------------------------------------------------------------------------------------------------------------ */

static const char *skip_blanks(const char *body, size_t *len)
{
    while (*len > 0 &&
           ((unsigned char)*body <= ' ' || (unsigned char)*body == 0xef || (unsigned char)*body == 0xbb || (unsigned char)*body == 0xbf))
        body++, --*len;
    return body;
}

static bool is_page(const char *content_type, const char *body, size_t len)
{
    body = skip_blanks(body, &len);
    return (len > 0 && *body == '<') || (len > 0 && content_type && strcasestr(content_type, "text/html"));
}

/* A page is no answer of an API, but a gateway's page for 5xx is the gateway's word for that status, and so is one for 429. */
static struct classification classify_page(int status, const char *body, size_t len)
{
    CLEANUP(buf_done) struct buf page = BUF_CAP(PAGE_LOOK);
    buf_add(&page, body, len < PAGE_LOOK ? len : PAGE_LOOK);
    const char *text = buf_str(&page);
    enum outcome_kind kind = OUTCOME_NOT_API;
    if (status == 429)
        kind = OUTCOME_RATE_LIMITED;
    else if (status >= 300 && status < 400)
        kind = OUTCOME_REDIRECT;
    else if (status >= 500 && !classify_is_firewall(text))
        kind = OUTCOME_SERVER_ERROR;
    struct classification c = {.outcome = outcome_make(STAGE_HEADERS, kind, status), .refused = PARAMETER_NONE};
    char title[128] = "";
    const char *from = strcasestr(text, "<title"), *open = from ? strchr(from, '>') : NULL,
               *end = open ? strcasestr(open, "</title") : NULL;
    if (end)
        text_copy(title, sizeof title, open + 1, (size_t)(end - open - 1));
    set_detail(&c, classify_is_firewall(text) ? "a firewall's page" : "a web page", title);
    return c;
}

struct classification classify_answer(int status, const char *content_type, const char *body, size_t len)
{
    if (is_page(content_type, body, len))
        return classify_page(status, body, len);
    struct evidence e = {.any = false};
    CLEANUP(json_deletep) cJSON *json = json_parse(body, len, NULL);
    if (json) {
        gather(&e, json, true);
    } else { /* words, or a JSON text that was cut: its words are there all the same */
        const char *text = skip_blanks(body, &len);
        text_copy(e.message, sizeof e.message, text, len);
    }
    if (status >= 300 && status < 400 && !e.any)
        return (struct classification){.outcome = outcome_make(STAGE_HEADERS, OUTCOME_REDIRECT, status), .refused = PARAMETER_NONE};
    return conclude(&e, STAGE_HEADERS, status);
}

bool classify_json(const cJSON *json, enum stage stage, int status, struct classification *ret)
{
    struct evidence e;
    e.any = false;
    e.code[0] = e.type[0] = e.error_type[0] = e.param[0] = e.message[0] = '\0'; /* not 1.3 KiB of zeros an event */
    e.number = 0;
    e.upstream = e.moderated = false;
    gather(&e, json, false);
    if (!e.any)
        return false;
    *ret = conclude(&e, stage, status);
    return true;
}

struct classification classify_not_json(int status, const char *content_type, const char *body, size_t len)
{
    struct classification c = {.refused = PARAMETER_NONE};
    if (is_page(content_type, body, len)) {
        c = classify_page(status, body, len);
        c.outcome = outcome_make(STAGE_FIRST, OUTCOME_NOT_API, status);
        return c;
    }
    const char *text = skip_blanks(body, &len);
    c.outcome = outcome_make(STAGE_FIRST, len > 0 ? OUTCOME_MALFORMED : OUTCOME_EMPTY, status);
    char words[MESSAGE_MAX];
    text_copy(words, sizeof words, text, len);
    set_detail(&c, "", words);
    return c;
}
