/* What a request gets.
 *
 * The order is a real relay's: find the relay (its own port, the first segment of the path, the Host header); what fails before anything is
 * read; key; the error that is switched on; limits; credit; the model; the answer. A fault or error strikes the kinds of request that it is
 * `on` for, and with `fail_share` only a part of them. All is decided when the request is complete, and written down as one script that
 * conn.c plays; nothing is sent here. */
#include "tests/relaysim/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/stream.h"

struct asked { /* the request, understood */
    const struct request *request;
    struct exchange *x;
    struct relay *relay;
    const struct behaviour *b;
    const char *path; /* behind the relay's name */
    int on;           /* enum target_bit */
    bool head, anthropic, stream, want_usage, close, keyless, price_feed;
    cJSON *json; /* of a chat, NULL = no JSON */
    const char *model;
    int64_t max_tokens;
    uint64_t number;
    enum fault_id fault; /* that strikes this one */
    enum error_id error;
};

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

static bool path_is(const struct asked *a, const char *rest)
{
    const char *p = a->path;
    if (strncmp(p, "/api/", 5) == 0)
        p += 4;
    if (strncmp(p, "/v1/", 4) != 0 || strcmp(p + 3, rest) != 0)
        return false;
    return true;
}

static void find_resource(struct asked *a, struct record *record)
{
    bool get = strcmp(a->request->method, "GET") == 0 || a->head, post = strcmp(a->request->method, "POST") == 0;
    bool root = !*a->path || strcmp(a->path, "/") == 0;
    if (get && path_is(a, "/models")) {
        a->on = ON_MODELS;
        record->kind = RECORD_MODELS;
        a->price_feed = a->relay->family == FAMILY_AIHUBMIX && strncmp(a->path, "/api/", 5) == 0;
        a->keyless = a->price_feed || a->relay->family == FAMILY_OPENROUTER || a->relay->family == FAMILY_AIHUBMIX;
    } else if (post && (path_is(a, "/chat/completions") || path_is(a, "/messages"))) {
        a->on = ON_CHAT;
        record->kind = RECORD_CHAT;
        a->anthropic = path_is(a, "/messages");
    } else {
        a->on = ON_REACH;
        record->kind = root ? RECORD_REACH : RECORD_OTHER;
        a->keyless = true;
    }
    record->anthropic = a->anthropic;
}

/* --- heads and bodies --------------------------------------------------------------------------------------------- */

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {302, "Found"},
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

/* length < 0: chunked, or until close by the behaviour's framing. */
static void put_head(struct asked *a, int status, const char *content_type, int64_t length, const char *more)
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

/* A whole answer: head and body in one write. */
static void put_whole(struct asked *a, int status, const char *content_type, const struct buf *body, const char *more)
{
    struct script *s = &a->x->script;
    put_head(a, status, content_type, (int64_t)body->len, more);
    if (!a->head)
        buf_add(&s->bytes, buf_str(body), body->len);
    script_mark(s, MARK_DONE, 0);
    script_cut(s);
}

static void set_how(struct asked *a, const char *how)
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

/* `switched`: status, body and words of the behaviour hold for it, not only the family's. */
static void put_error(struct asked *a, enum error_id error, bool switched)
{
    const struct behaviour *b = a->b;
    struct complaint c = {.family = a->relay ? (enum family)a->relay->family : FAMILY_OPENAI,
                          .anthropic = a->anthropic,
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
    set_how(a, "error");
}

/* --- what strikes ------------------------------------------------------------------------------------------------- */

static bool hits(const struct asked *a)
{
    const struct behaviour *b = a->b;
    int on = b->on;
    if (!on && b->fault)
        on = fault_place((enum fault_id)b->fault) == PLACE_STREAM ? ON_CHAT : ON_CHAT | ON_MODELS | ON_REACH;
    else if (!on)
        on = error_only_chats(b->error ? (enum error_id)b->error : error_of_status(b->status)) ? ON_CHAT : ON_CHAT | ON_MODELS | ON_REACH;
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
    set_how(a, fault_id_name(a->fault));
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
    set_how(a, fault_id_name(a->fault));
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
           (a->b->credit >= 0 && a->relay->credit_used >= a->b->credit);
}

/* --- chats -------------------------------------------------------------------------------------------------------- */

static void read_chat(struct asked *a)
{
    const struct buf *body = &a->request->body;
    struct record *record = a->x->record;
    a->json = json_parse(buf_str(body), body->len, NULL);
    a->model = json_string(a->json, "model");
    json_bool(a->json, "stream", &a->stream);
    json_bool(a->json, "stream_options.include_usage", &a->want_usage);
    if (!json_int(a->json, "max_tokens", &a->max_tokens))
        json_int(a->json, "max_completion_tokens", &a->max_tokens);
    record->stream = a->stream;
    if (a->model)
        snprintf(record->model, sizeof record->model, "%s", a->model);
}

/* The last message's text, parts joined. */
static bool read_prompt(const cJSON *json, struct buf *ret)
{
    const cJSON *messages = json_at(json, "messages"), *last = NULL;
    if (!cJSON_IsArray(messages))
        return false;
    for (const cJSON *m = messages->child; m; m = m->next)
        last = m;
    const cJSON *content = json_at(last, "content");
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
    record->cost = r->cost;
    a->relay->spent += r->cost;
    a->relay->credit_used += r->cost;
    a->relay->credit_requests_used++;
}

/* The whole body, or what a fault leaves of it. */
static void put_reply_whole(struct asked *a, const struct reply *r)
{
    struct script *s = &a->x->script;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    reply_write_whole(r, &body);
    if (r->fault == FAULT_MALFORMED) {
        CLEANUP(buf_done) struct buf half = BUF_INIT;
        buf_add(&half, body.data, body.len / 2);
        put_whole(a, 200, "application/json", &half, "");
        return;
    }
    if (r->fault == FAULT_BAD_UTF8)
        memcpy(memchr(body.data, ':', body.len), ":\"\xff\xc3(", 5); /* over the first bytes of the id */
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

static void put_reply(struct asked *a, const char *prompt)
{
    struct reply r = {.relay = a->relay,
                      .b = a->b,
                      .fault = a->fault,
                      .anthropic = a->anthropic,
                      .want_usage = a->want_usage,
                      .number = a->number,
                      .model = a->b->model_echo ? a->b->model_echo : a->model,
                      .created = (int64_t)time(NULL)};
    family_reply_id((enum family)a->relay->family, a->anthropic, a->number, r.id, sizeof r.id);
    reply_prepare(&r, prompt, a->max_tokens);
    note_reply(&r, a);
    set_how(a, a->fault ? fault_id_name(a->fault) : "answered");
    if (a->stream && !a->b->plain) {
        put_head(a, 200, "text/event-stream", -1, "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n");
        script_cut(&a->x->script);
        stream_write(&r, &a->x->script);
    } else {
        put_reply_whole(a, &r);
    }
    a->x->script.rude = a->fault == FAULT_CUT || a->fault == FAULT_STREAM_RESET;
    reply_done(&r);
}

static void answer_chat(struct asked *a)
{
    CLEANUP(buf_done) struct buf prompt = BUF_INIT;
    if (!a->model || !*a->model || !read_prompt(a->json, &prompt)) {
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
    a->x->in_flight = true;
    if (++a->relay->in_flight > a->relay->in_flight_max)
        a->relay->in_flight_max = a->relay->in_flight;
    put_reply(a, buf_str(&prompt));
}

/* --- everything else ---------------------------------------------------------------------------------------------- */

static void answer_get(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    const char *type = "application/json; charset=utf-8";
    if (a->on == ON_MODELS) {
        family_models(a->relay, a->relay->family == FAMILY_ANTHROPIC, a->price_feed, &body);
    } else if (a->x->record->kind == RECORD_REACH) {
        family_page(a->relay, &body);
        type = "text/html; charset=utf-8";
    } else if (strcmp(a->path, "/api/status") != 0 || !family_status_page(a->relay, &body)) {
        put_error(a, ERROR_NOT_FOUND, false);
        return;
    }
    put_whole(a, 200, type, &body, "");
    set_how(a, "answered");
}

static bool has_key(const struct asked *a)
{
    return a->keyless || !a->relay->key || strcmp(a->relay->key, a->request->key) == 0;
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
    else if (a->on == ON_CHAT)
        answer_chat(a);
    else
        answer_get(a);
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
            read_chat(&a);
            records_body(&sim->records, x->record, a.relay, buf_str(&request->body), request->body.len);
        }
        count_request(a.relay, x->record);
        x->behaviour = behaviour_ref(relay_behaviour(a.relay, a.model));
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
