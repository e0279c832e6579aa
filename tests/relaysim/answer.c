/* What a request gets.
 *
 * The order is a real relay's: find the relay (its own port, the first segment of the path, the Host header); what fails before anything is
 * read; key; the error that is switched on; limits; credit; the model; the answer. A fault or error strikes the kinds of request that it is
 * `on` for, and with `fail_share` only a part of them. All is decided when the request is complete, and written down as one script that
 * conn.c plays; nothing is sent here. Chats are answered by chat.c, vectors by embeddings.c, price lists by feed.c, account pages by
 * balance.c; each writes with the put_ functions of this file (asked.h). */
#include "tests/relaysim/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/relaysim/asked.h"
#include "tests/relaysim/balance.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/feed.h"

/* --- finding the relay and the resource --------------------------------------------------------------------------- */

/* "/NAME/rest" -> the relay, and path moves on; by Host otherwise. */
static struct relay *find_relay(const struct relays *relays, const struct request *request, struct relay *own, const char **path)
{
    *path = request->target;
    const char *name = request->target + 1;
    size_t len = strcspn(name, "/");
    struct relay *named = relays_find(relays, name, len);
    if (named && (!own || named == own)) {
        *path = name + len;
        return named;
    }
    if (own)
        return own;
    struct relay *hosted = relays_find(relays, request->host, strlen(request->host));
    return hosted ? hosted : relays_find(relays, request->host, strcspn(request->host, "."));
}

bool asked_path_is(const struct asked *a, const char *rest)
{
    const char *p = a->path;
    if (strncmp(p, "/api/v1/", 8) == 0)
        p += 4;
    return strncmp(p, "/v1/", 4) == 0 && strcmp(p + 3, rest) == 0;
}

/* POST /v1beta/models/{model}:generateContent or :streamGenerateContent, perhaps with /gemini in front. */
static bool find_gemini(struct asked *a, bool get, bool post)
{
    static const char list[] = "/v1beta/models";
    const char *p = a->path;
    if (strncmp(p, "/gemini/", 8) == 0)
        p += 7;
    if (strncmp(p, list, sizeof list - 1) != 0)
        return false;
    p += sizeof list - 1;
    a->dialect = DIALECT_GEMINI;
    if (get && (!*p || strcmp(p, "/") == 0)) {
        a->resource = RESOURCE_MODELS;
        return true;
    }
    const char *action = strrchr(p, ':');
    if (!post || *p != '/' || !action || action == p + 1)
        return false;
    a->stream = strcmp(action, ":streamGenerateContent") == 0;
    if (!a->stream && strcmp(action, ":generateContent") != 0)
        return false;
    http_unescape(p + 1, (size_t)(action - p - 1), a->path_model, sizeof a->path_model);
    a->model = a->path_model;
    a->resource = RESOURCE_CHAT;
    return true;
}

static bool find_chat(struct asked *a)
{
    a->resource = RESOURCE_CHAT;
    if (asked_path_is(a, "/messages"))
        a->dialect = DIALECT_ANTHROPIC;
    else if (asked_path_is(a, "/responses"))
        a->dialect = DIALECT_RESPONSES;
    else if (asked_path_is(a, "/embeddings"))
        a->resource = RESOURCE_EMBEDDINGS;
    else
        return asked_path_is(a, "/chat/completions");
    return true;
}

static void find_resource(struct asked *a, struct record *record)
{
    static const struct {
        enum record_kind kind;
        int on;
    } facts[] = {[RESOURCE_NONE] = {RECORD_OTHER, ON_REACH},           [RESOURCE_ROOT] = {RECORD_REACH, ON_REACH},
                 [RESOURCE_MODELS] = {RECORD_MODELS, ON_MODELS},       [RESOURCE_CHAT] = {RECORD_CHAT, ON_CHAT},
                 [RESOURCE_EMBEDDINGS] = {RECORD_EMBEDDINGS, ON_CHAT}, [RESOURCE_FEED] = {RECORD_PRICE, ON_PRICE},
                 [RESOURCE_BALANCE] = {RECORD_BALANCE, ON_BALANCE}};
    bool get = strcmp(a->request->method, "GET") == 0 || a->head, post = strcmp(a->request->method, "POST") == 0;
    if (!*a->path || strcmp(a->path, "/") == 0)
        a->resource = RESOURCE_ROOT;
    else if (find_gemini(a, get, post) || (post && find_chat(a)))
        ;
    else if (get && feed_find(a))
        a->resource = RESOURCE_FEED;
    else if (get && balance_find(a))
        a->resource = RESOURCE_BALANCE;
    else
        a->resource = get && asked_path_is(a, "/models") ? RESOURCE_MODELS : RESOURCE_NONE;
    a->on = facts[a->resource].on;
    record->kind = (uint8_t)facts[a->resource].kind;
    if (a->resource == RESOURCE_FEED && asked_path_is(a, "/models") &&
        a->relay->family == FAMILY_OPENROUTER) { /* the list of models is both */
        a->on = ON_MODELS;
        record->kind = RECORD_MODELS;
    }
    bool open_list = a->resource == RESOURCE_MODELS && a->relay->family == FAMILY_AIHUBMIX;
    a->keyless = a->on & (ON_REACH | ON_PRICE | ON_BALANCE) || a->resource == RESOURCE_FEED || open_list;
    record->dialect = (uint8_t)a->dialect;
}

/* --- heads and bodies --------------------------------------------------------------------------------------------- */

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {302, "Found"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {402, "Payment Required"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {408, "Request Timeout"},
                 {413, "Payload Too Large"},
                 {422, "Unprocessable Entity"},
                 {429, "Too Many Requests"},
                 {500, "Internal Server Error"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"},
                 {524, "A Timeout Occurred"},
                 {529, "Site Overloaded"}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Status";
}

void put_head(struct asked *a, int status, const char *content_type, int64_t length, const char *more)
{
    struct script *s = &a->x->script;
    struct buf *out = &s->bytes;
    a->x->record->status = (uint16_t)status;
    buf_printf(out, "HTTP/1.1 %d %s\r\n", status, status_text(status));
    if (content_type)
        buf_printf(out, "Content-Type: %s\r\n", content_type);
    if (a->relay)
        family_headers((enum family)a->relay->family, a->number, out);
    bool until_close = length < 0 && a->b && a->b->framing == FRAMING_CLOSE;
    if (length >= 0)
        buf_printf(out, "Content-Length: %lld\r\n", (long long)length);
    else if (!until_close)
        buf_add_str(out, "Transfer-Encoding: chunked\r\n");
    if (until_close || a->request->close || (a->close && a->b->close_header))
        buf_add_str(out, "Connection: close\r\n");
    buf_printf(out, "%s\r\n", more);
    script_mark(s, MARK_HEADERS, 0);
    if (a->b)
        script_at(s, spread_draw(&a->b->header_delay, &a->relay->random));
}

void put_whole(struct asked *a, int status, const char *content_type, const struct buf *body, const char *more)
{
    struct script *s = &a->x->script;
    put_head(a, status, content_type, (int64_t)body->len, more);
    if (!a->head)
        buf_add(&s->bytes, buf_str(body), body->len);
    script_mark(s, MARK_DONE, 0);
    script_cut(s);
}

void asked_set_how(struct asked *a, const char *how)
{
    snprintf(a->x->record->how, sizeof a->x->record->how, "%s", how);
}

static void add_retry_after(const struct behaviour *b, struct buf *ret)
{
    if (b->retry_after < 0)
        return;
    if (b->retry_after_date) {
        time_t when = time(NULL) + (time_t)b->retry_after;
        struct tm tm;
        char text[64];
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &tm));
        buf_printf(ret, "Retry-After: %s\r\n", text);
    } else {
        buf_printf(ret, "Retry-After: %.0f\r\n", b->retry_after);
    }
}

void put_error(struct asked *a, enum error_id error, bool switched)
{
    const struct behaviour *b = a->b;
    struct complaint c = {.family = a->relay ? (enum family)a->relay->family : FAMILY_OPENAI,
                          .dialect = a->dialect,
                          .error = error,
                          .model = a->model,
                          .method = a->request->method,
                          .path = a->path,
                          .id = a->number};
    int status = family_status(c.family, error);
    CLEANUP(buf_done) struct buf more = BUF_INIT;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    if (switched) {
        c.message = b->message;
        c.body = (enum error_body)b->body;
        status = b->status ? b->status : status;
        add_retry_after(b, &more);
    }
    const char *type = family_error(&c, status, &body);
    put_whole(a, status, type, &body, buf_str(&more));
    snprintf(a->x->record->error, sizeof a->x->record->error, "%s", error_id_name(error));
    asked_set_how(a, "error");
}

void put_refusal(struct asked *a, int status, const char *param, const char *code, const char *message)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    if (a->dialect == DIALECT_ANTHROPIC) {
        buf_add_str(&body, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":");
        json_quote(&body, message);
        buf_add_str(&body, "}}");
    } else if (a->dialect == DIALECT_GEMINI) {
        buf_printf(&body, "{\"error\":{\"code\":%d,\"message\":", status);
        json_quote(&body, message);
        buf_add_str(&body, ",\"status\":\"INVALID_ARGUMENT\"}}");
    } else {
        buf_add_str(&body, "{\"error\":{\"message\":");
        json_quote(&body, message);
        buf_add_str(&body, ",\"type\":\"invalid_request_error\",\"param\":");
        if (param)
            json_quote(&body, param);
        else
            buf_add_str(&body, "null");
        buf_printf(&body, ",\"code\":%s%s%s}}", code ? "\"" : "", code ? code : "null", code ? "\"" : "");
    }
    put_whole(a, status, "application/json", &body, "");
    snprintf(a->x->record->error, sizeof a->x->record->error, "%s", code ? code : "refused");
    asked_set_how(a, "error");
}

/* --- what strikes ------------------------------------------------------------------------------------------------- */

static bool hits(const struct asked *a)
{
    const struct behaviour *b = a->b;
    int on = b->on;
    if (!on && b->fault)
        on = fault_place((enum fault_id)b->fault) == PLACE_STREAM ? ON_CHAT : ON_ALL;
    else if (!on)
        on = error_only_chats(b->error ? (enum error_id)b->error : error_of_status(b->status)) ? ON_CHAT : ON_ALL;
    return on & a->on;
}

/* Decides a->fault and a->error. */
static void draw_lot(struct asked *a, uint32_t nth)
{
    const struct behaviour *b = a->b;
    struct relay *relay = a->relay;
    bool some = b->fail_share < 1 || b->fail_enter > 0, anything = b->fault || b->error || b->status;
    if ((!anything && !some) || !hits(a))
        return;
    if (b->fail_enter > 0) {
        double flip = random_unit(&relay->random);
        relay->failing = relay->failing ? flip >= b->fail_leave : flip < b->fail_enter;
        if (!relay->failing)
            return;
    }
    if (b->fail_share < 1 && random_unit(&relay->random) >= b->fail_share)
        return;
    if (b->fault) {
        bool reused = b->fault == FAULT_REUSED_RESET || b->fault == FAULT_REUSED_CLOSE;
        if (reused && nth == 1)
            return;
        a->fault = (enum fault_id)b->fault;
        enum place place = fault_place(a->fault);
        if (place == PLACE_LISTEN || place == PLACE_ACCEPT) /* on a shared port, as near as it comes */
            a->fault = a->fault == FAULT_ACCEPT_CLOSE                               ? FAULT_CLOSE
                       : a->fault == FAULT_REFUSE || a->fault == FAULT_ACCEPT_RESET ? FAULT_RESET
                                                                                    : FAULT_HANG;
        else if (place == PLACE_TLS)
            a->fault = FAULT_NONE;
    } else {
        a->error = b->error ? (enum error_id)b->error : b->status ? error_of_status(b->status) : ERROR_SERVER;
    }
}

/* Faults in place of an answer. */
static void put_no_answer(struct asked *a)
{
    struct script *s = &a->x->script;
    static const char half_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-";
    asked_set_how(a, fault_id_name(a->fault));
    switch (a->fault) {
    case FAULT_HEADERS_RESET:
    case FAULT_HEADERS_HANG:
        buf_add_str(&s->bytes, half_head);
        break;
    case FAULT_HEADERS_ENDLESS:
        buf_add_str(&s->bytes, "HTTP/1.1 200 OK\r\n");
        script_cut(s);
        for (int i = 0; i < 16; i++)
            buf_printf(&s->bytes, "X-Filler-%d: %0500d\r\n", i, i);
        break;
    case FAULT_NOT_HTTP:
        buf_add_str(&s->bytes, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
        break;
    default:
        break;
    }
    script_cut(s);
    s->end_at = spread_draw(&a->b->header_delay, &a->relay->random);
    s->rude = true;
    switch (a->fault) {
    case FAULT_RESET:
    case FAULT_REUSED_RESET:
    case FAULT_HEADERS_RESET:
        s->end = SCRIPT_RESET;
        break;
    case FAULT_CLOSE:
    case FAULT_REUSED_CLOSE:
    case FAULT_NOT_HTTP:
        s->end = SCRIPT_CLOSE;
        break;
    case FAULT_HEADERS_ENDLESS:
        s->end = SCRIPT_LOOP;
        break;
    default:
        s->end = SCRIPT_HANG;
    }
}

/* Whole answers of the wrong kind. */
static void put_wrong_body(struct asked *a)
{
    struct script *s = &a->x->script;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    int status = a->b->status ? a->b->status : 200;
    asked_set_how(a, fault_id_name(a->fault));
    switch (a->fault) {
    case FAULT_REDIRECT:
        put_whole(a, a->b->status ? a->b->status : 302, "text/html", &body, "Location: /login\r\n");
        break;
    case FAULT_HTML:
        family_page(a->relay, &body);
        put_whole(a, status, "text/html; charset=utf-8", &body, "");
        break;
    case FAULT_BODY_ENDLESS:
        put_head(a, status, a->stream ? "text/event-stream" : "application/json", -1, "");
        script_cut(s);
        for (int i = 0; i < 16384; i++)
            buf_add_char(&body, ' ');
        if (a->b->framing == FRAMING_CHUNKED)
            buf_printf(&s->bytes, "%zx\r\n%s\r\n", body.len, buf_str(&body));
        else
            buf_add(&s->bytes, body.data, body.len);
        script_cut(s);
        s->end = SCRIPT_LOOP;
        break;
    default:
        put_whole(a, status, a->stream ? "text/event-stream" : "application/json", &body, "");
    }
}

/* --- everything else ---------------------------------------------------------------------------------------------- */

static void answer_get(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    const char *type = "application/json; charset=utf-8";
    switch (a->resource) {
    case RESOURCE_FEED:
        feed_answer(a);
        return;
    case RESOURCE_BALANCE:
        balance_answer(a);
        return;
    case RESOURCE_MODELS:
        family_models(a->relay, a->relay->family == FAMILY_ANTHROPIC ? DIALECT_ANTHROPIC : a->dialect, &body);
        break;
    case RESOURCE_ROOT:
        family_page(a->relay, &body);
        type = "text/html; charset=utf-8";
        break;
    default:
        put_error(a, ERROR_NOT_FOUND, false);
        return;
    }
    put_whole(a, 200, type, &body, "");
    asked_set_how(a, "answered");
}

static bool has_key(const struct asked *a)
{
    char key[128];
    if (a->keyless || !a->relay->key || strcmp(a->relay->key, a->request->key) == 0)
        return true;
    return a->dialect == DIALECT_GEMINI && request_query(a->request, "key", key, sizeof key) && strcmp(a->relay->key, key) == 0;
}

static void answer_by_relay(struct asked *a, uint32_t nth)
{
    enum place place;
    draw_lot(a, nth);
    place = fault_place(a->fault);
    if (place == PLACE_REQUEST)
        put_no_answer(a);
    else if (a->error && a->error != ERROR_BAD_KEY && !error_only_chats(a->error)) /* an outage comes before the key is looked at */
        put_error(a, a->error, true);
    else if (!has_key(a))
        put_error(a, ERROR_BAD_KEY, false);
    else if (a->error)
        put_error(a, a->error, true);
    else if (place == PLACE_BODY)
        put_wrong_body(a);
    else if (a->resource == RESOURCE_CHAT)
        chat_answer(a);
    else if (a->resource == RESOURCE_EMBEDDINGS)
        embeddings_answer(a);
    else
        answer_get(a);
    bool failed = place == PLACE_REQUEST || place == PLACE_BODY || (a->error && a->error != ERROR_BAD_KEY && a->error != ERROR_NO_CREDIT);
    if (failed && a->resource == RESOURCE_CHAT)
        chat_charge_failed(a);
}

static void count_request(struct relay *relay, const struct record *record)
{
    relay->requests++;
    relay->chats += record->kind == RECORD_CHAT;
    relay->models_requests += record->kind == RECORD_MODELS;
    relay->duplicates += record->seen > 1;
}

void answer_request(struct sim *sim, const struct request *request, struct relay *own, uint32_t nth, struct exchange *x)
{
    struct asked a = {
        .request = request, .x = x, .head = strcmp(request->method, "HEAD") == 0, .number = ++sim->replies, .close = request->close};
    a.number = random_next(&(uint64_t){a.number ^ sim->relays.seed});
    a.relay = find_relay(&sim->relays, request, own, &a.path);
    if (!a.relay || a.relay->removed) {
        a.relay = NULL;
        put_error(&a, ERROR_NOT_FOUND, false);
    } else {
        x->relay = a.relay;
        x->record->relay = a.relay;
        find_resource(&a, x->record);
        if (a.on == ON_CHAT) {
            chat_read(&a);
            records_body(&sim->records, x->record, a.relay, buf_str(&request->body), request->body.len);
        }
        count_request(a.relay, x->record);
        x->behaviour = behaviour_ref(relay_behaviour(a.relay, a.on == ON_CHAT ? a.model : NULL));
        a.b = x->behaviour;
        a.close |= a.b->close_after && nth >= (uint32_t)a.b->close_after;
        x->script.drip = (usec_t)(a.b->drip * 1000);
        answer_by_relay(&a, nth);
        cJSON_Delete(a.json);
    }
    if (x->script.end == SCRIPT_KEEP && a.close)
        x->script.end = SCRIPT_CLOSE;
}

void answer_bad_request(struct exchange *x)
{
    static const char page[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\nBad Request\n";
    buf_add_str(&x->script.bytes, page);
    script_cut(&x->script);
    x->script.end = SCRIPT_CLOSE;
    x->record->status = 400;
    snprintf(x->record->how, sizeof x->record->how, "bad_http");
}

void exchange_end(struct exchange *x, const char *how)
{
    struct record *record = x->record;
    if (!x->active)
        return;
    record->end = instant_now();
    record->ended = true;
    if (how)
        snprintf(record->how, sizeof record->how, "%s", how);
    if (x->relay) {
        x->relay->in_flight -= x->in_flight;
        x->relay->tokens += record->tokens_sent;
        bool answered = strcmp(record->how, "answered") == 0, left = strcmp(record->how, "left") == 0;
        x->relay->answered += answered;
        x->relay->left += left;
        x->relay->failed += !answered && !left;
    }
    behaviour_unref(x->behaviour);
    record_unref(record);
    script_done(&x->script);
    *x = (struct exchange){.active = false};
}
