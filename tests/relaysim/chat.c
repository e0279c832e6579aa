/* What a chat gets, in whichever dialect it came: what stands against it (an unknown model, limits, credit, parameters and wishes that this
 * model refuses), then the answer, whole or as a stream, and what is taken for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/json.h"
#include "tests/relaysim/asked.h"
#include "tests/relaysim/capabilities.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/account.h"
#include "tests/relaysim/reply.h"
#include "tests/relaysim/stream.h"

/* --- limits ------------------------------------------------------------------------------------------------------- */

static bool over_rate(struct asked *a)
{
    const struct behaviour *b = a->b;
    struct relay *relay = a->relay;
    if (b->rate > 0) {
        usec_t now = a->x->t0;
        if (relay->rate_at)
            relay->rate_left += (double)(now - relay->rate_at) / 1e6 * b->rate;
        else
            relay->rate_left = b->rate_burst;
        if (relay->rate_left > b->rate_burst)
            relay->rate_left = b->rate_burst;
        relay->rate_at = now;
        if (relay->rate_left < 1)
            return true;
        relay->rate_left -= 1;
    }
    return b->max_in_flight && relay->in_flight >= (uint32_t)b->max_in_flight;
}

static bool out_of_credit(const struct asked *a)
{
    return (a->b->credit_requests >= 0 && a->relay->credit_requests_used >= (uint32_t)a->b->credit_requests) ||
           (a->b->credit >= 0 && a->relay->credit_used >= a->b->credit) || (!a->b->unlimited && account_left(account_of(a->relay)) <= 0);
}

/* --- reading it ------------------------------------------------------------------------------------------------------ */

void chat_read(struct asked *a)
{
    static const char *const limits[] = {"max_tokens", "max_completion_tokens", "max_output_tokens", "generationConfig.maxOutputTokens"};
    const struct buf *body = &a->request->body;
    struct record *record = a->x->record;
    a->json = json_parse(buf_str(body), body->len, NULL);
    if (a->dialect != DIALECT_GEMINI) {
        a->model = json_string(a->json, "model");
        json_bool(a->json, "stream", &a->stream);
    }
    json_bool(a->json, "stream_options.include_usage", &a->want_usage);
    for (size_t i = 0; i < ARRAY_LEN(limits) && !json_int(a->json, limits[i], &a->max_tokens); i++)
        ;
    record->stream = a->stream;
    if (a->model)
        snprintf(record->model, sizeof record->model, "%s", a->model);
}

static const cJSON *last_of(const cJSON *list)
{
    const cJSON *last = cJSON_IsArray(list) ? list->child : NULL;
    while (last && last->next)
        last = last->next;
    return last;
}

/* The last message's text, parts joined. */
static bool read_prompt(const struct asked *a, struct buf *ret)
{
    bool gemini = a->dialect == DIALECT_GEMINI, responses = a->dialect == DIALECT_RESPONSES;
    const cJSON *messages = json_at(a->json, gemini ? "contents" : responses ? "input" : "messages");
    const cJSON *content = responses && cJSON_IsString(messages) ? messages : json_at(last_of(messages), gemini ? "parts" : "content");
    if (cJSON_IsString(content))
        buf_add_str(ret, content->valuestring);
    else if (cJSON_IsArray(content))
        for (const cJSON *part = content->child; part; part = part->next)
            if (json_string(part, "text"))
                buf_add_str(ret, json_string(part, "text"));
    return content != NULL;
}

static void note_reply(const struct reply *r, struct asked *a)
{
    struct record *record = a->x->record;
    record->prompt_tokens = r->prompt_tokens;
    record->completion_tokens = r->completion_tokens;
    record->reasoning_tokens = r->reasoning_tokens;
    record->told_prompt_tokens = r->told_prompt;
    record->told_completion_tokens = r->told_completion;
    record->advertised = r->advertised;
    record->charged = r->charged;
    a->relay->spent += r->charged;
    a->relay->credit_used += r->charged;
    a->relay->credit_requests_used++;
}

/* Bytes that are no UTF-8 over the first letters of the first text that is a value. */
static void spoil(struct buf *body)
{
    char *value = memmem(body->data, body->len, ":\"", 2);
    if (value && (size_t)(value - body->data) + 5 <= body->len)
        memcpy(value, ":\"\xff\xc3(", 5);
}

/* The whole body, or what a fault leaves of it. */
static void put_reply_whole(struct asked *a, const struct reply *r)
{
    struct script *s = &a->x->script;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    bool list = a->dialect == DIALECT_GEMINI && a->stream; /* streamGenerateContent without alt=sse */
    buf_add_str(&body, list ? "[" : "");
    reply_write_whole(r, &body);
    buf_add_str(&body, list ? "\n]\n" : "");
    if (r->fault == FAULT_MALFORMED) {
        CLEANUP(buf_done) struct buf half = BUF_INIT;
        buf_add(&half, body.data, body.len / 2);
        put_whole(a, 200, "application/json", &half, "");
        return;
    }
    if (r->fault == FAULT_BAD_UTF8)
        spoil(&body);
    put_head(a, 200, "application/json", (int64_t)body.len, "");
    script_at(s, reply_duration(r));
    bool half = r->fault != FAULT_NONE && r->fault != FAULT_EMPTY && r->fault != FAULT_BAD_UTF8;
    buf_add(&s->bytes, body.data, half ? body.len / 2 : body.len);
    script_mark(s, half ? MARK_DATA : MARK_DATA | MARK_CONTENT | MARK_DONE, half ? 0 : 1);
    script_cut(s);
    if (half)
        s->end = r->fault == FAULT_STALL || r->fault == FAULT_NO_FIRST_TOKEN ? SCRIPT_HANG
                 : r->fault == FAULT_STREAM_RESET                            ? SCRIPT_RESET
                                                                             : SCRIPT_CLOSE;
}

/* Does the request ask the model to think little, in one of the ways there are? */
static bool wants_little_thinking(const cJSON *json)
{
    static const char *const words[] = {"reasoning_effort", "reasoning.effort", "thinking.type",
                                        "generationConfig.thinkingConfig.thinkingLevel"};
    static const char *const little[] = {"none", "minimal", "low", "disabled"};
    bool enabled = true;
    double budget;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        for (size_t k = 0; json_string(json, words[i]) && k < ARRAY_LEN(little); k++)
            if (strcasecmp(json_string(json, words[i]), little[k]) == 0)
                return true;
    return (json_bool(json, "enable_thinking", &enabled) && !enabled) ||
           (json_number(json, "generationConfig.thinkingConfig.thinkingBudget", &budget) && budget >= 0 && budget <= 128);
}

static struct reply make_reply(struct asked *a)
{
    const struct behaviour *b = a->b;
    struct reply r = {
        .relay = a->relay,
        .b = b,
        .fault = a->fault,
        .dialect = a->dialect,
        .stream = a->stream,
        .want_usage = a->want_usage,
        .no_usage = b->capabilities_without & CAN_USAGE && b->capability_refusal != REFUSAL_LIE,
        .zero_usage = capabilities_pretended(b, CAN_USAGE),
        .burn = (unsigned)(b->reasoning_burn_low >= 0 && wants_little_thinking(a->json) ? b->reasoning_burn_low : b->reasoning_burn),
        .burst = b->burst || capabilities_pretended(b, CAN_STREAM),
        .number = a->number,
        .model = b->model_echo ? b->model_echo : a->model,
        .asked_model = a->model,
        .created = (int64_t)time(NULL)};
    if (b->id_prefix)
        snprintf(r.id, sizeof r.id, "%.40s%016llx", b->id_prefix, (unsigned long long)a->number);
    else
        family_reply_id((enum family)a->relay->family, a->dialect, a->number, r.id, sizeof r.id);
    return r;
}

static bool wants_events(const struct asked *a)
{
    char alt[8];
    if (!a->stream || a->b->plain || capabilities_ignored(a->b, CAN_STREAM))
        return false;
    return a->dialect != DIALECT_GEMINI || (request_query(a->request, "alt", alt, sizeof alt) && strcmp(alt, "sse") == 0);
}

static void put_reply(struct asked *a, const struct wishes *w, const char *prompt)
{
    CLEANUP(buf_done) struct buf said = BUF_INIT;
    struct reply r = make_reply(a);
    bool made_up = capabilities_say(a, w, prompt, &said, &r.tool);
    reply_prepare(&r, prompt, made_up ? buf_str(&said) : NULL, a->max_tokens);
    reply_charge(&r);
    note_reply(&r, a);
    asked_set_how(a, a->fault ? fault_id_name(a->fault) : "answered");
    if (wants_events(a)) {
        put_head(a, 200, "text/event-stream", -1, "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n");
        script_cut(&a->x->script);
        stream_write(&r, &a->x->script);
    } else {
        put_reply_whole(a, &r);
    }
    a->x->script.rude = a->fault == FAULT_CUT || a->fault == FAULT_STREAM_RESET;
    reply_done(&r);
}

void chat_charge_failed(struct asked *a)
{
    CLEANUP(buf_done) struct buf prompt = BUF_INIT;
    if (a->b->fail_charge <= 0 || !a->model || !read_prompt(a, &prompt) || !relay_has_model(a->relay, a->model))
        return;
    struct reply r = make_reply(a);
    r.fault = FAULT_CUT; /* any that leaves the answer whole */
    reply_prepare(&r, buf_str(&prompt), NULL, a->max_tokens);
    reply_charge(&r);
    note_reply(&r, a);
    reply_done(&r);
}

/* The first of the names in the list that the request has; a dot goes into an object. "NAME=VALUE": only with that value. */
static bool find_refused(const struct asked *a, char *ret, size_t size, char *value, size_t value_size)
{
    for (const char *p = a->b->refuse_parameter; p && *p; p += strcspn(p, ","), p += *p == ',') {
        char text[64];
        size_t len = strcspn(p, ","), name = strcspn(p, ",=");
        snprintf(ret, size, "%.*s", (int)name, p);
        snprintf(value, value_size, "%.*s", name < len ? (int)(len - name - 1) : 0, name < len ? p + name + 1 : "");
        const cJSON *member = *ret ? json_at(a->json, ret) : NULL;
        const char *given = member ? json_text(a->json, ret, text, sizeof text) : NULL;
        if (member && (name == len || (given && strcmp(given, value) == 0)))
            return true;
    }
    return false;
}

static void put_parameter_refused(struct asked *a, const char *name, const char *value)
{
    CLEANUP(buf_done) struct buf message = BUF_INIT;
    if (*value)
        buf_printf(&message, "Unsupported value: '%s' does not support %s with this model.", name, value);
    else
        buf_printf(&message, "Unsupported parameter: '%s' is not supported with this model.%s", name,
                   strcmp(name, "max_tokens") == 0 ? " Use 'max_completion_tokens' instead." : "");
    put_refusal(a, 400, name, *value ? "unsupported_value" : "unsupported_parameter", buf_str(&message));
}

/* What this model does not take. True: it has been answered. */
static bool refuse(struct asked *a, const struct wishes *w)
{
    char name[64], value[64];
    if (find_refused(a, name, sizeof name, value, sizeof value)) {
        put_parameter_refused(a, name, value);
        return true;
    }
    if (a->max_tokens > 0 && a->max_tokens < a->b->reasoning_min) {
        put_refusal(
            a, 400, NULL, NULL,
            "Could not finish the message because max_tokens or model output limit was reached. Please try again with higher max_tokens.");
        chat_charge_failed(a);
        return true;
    }
    return capabilities_refuse(a, w);
}

void chat_answer(struct asked *a)
{
    CLEANUP(buf_done) struct buf prompt = BUF_INIT;
    struct wishes wishes;
    if (!a->model || !*a->model || !read_prompt(a, &prompt)) {
        put_error(a, ERROR_BAD_REQUEST, false);
        return;
    }
    if (!relay_has_model(a->relay, a->model)) {
        put_error(a, ERROR_MODEL_MISSING, false);
        return;
    }
    if (over_rate(a)) {
        put_error(a, (enum error_id)a->b->limit_error, false);
        return;
    }
    if (out_of_credit(a)) {
        put_error(a, ERROR_NO_CREDIT, false);
        return;
    }
    capabilities_read(a, &wishes);
    if (refuse(a, &wishes))
        return;
    a->x->in_flight = true;
    if (++a->relay->in_flight > a->relay->in_flight_max)
        a->relay->in_flight_max = a->relay->in_flight;
    put_reply(a, &wishes, buf_str(&prompt));
}
