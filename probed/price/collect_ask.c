/* One request of a feed, and what was said to it.
 *
 * Every question goes out the same way: GET, no redirects, a cap on the body, the platform's own headers where it goes to the platform, a
 * key only where one is wanted. Every answer comes back as one of a few kinds with words for people. A web page under 200 is what most
 * sites of the one-api family answer for a path that they do not have, so that is "absent".
 *
 * Keys: a header's value and a URL with a key in it are wiped when they are handed over. A relay that sends our key back to us in its words
 * must not get it into a log that way: whatever is said is searched for the keys before anybody else sees it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/collector_parts.h"
#include "shared/json.h"

#define HEADERS_MAX 48
/* So many characters of a key in a row are taken for the key. */
#define WORDS_MAX 120

static const struct config_timeouts usual_timeouts = {
    .connect = 10 * USEC_PER_SEC,
    .headers = 20 * USEC_PER_SEC,
    .total = 60 * USEC_PER_SEC,
};

/* All names under which sites of the family know the account's number. */
static const char *const user_headers[] = {"New-Api-User", "Veloera-User", "voapi-user", "Rix-Api-User", "Dmx-Api-User"};

/* --- keys in words ------------------------------------------------------------------------------------------------------ */

void keys_hide(const struct site *site, char *text)
{
    if (!site)
        return;
    const struct secret *const keys[] = {site->key, site->balance_key};
    secret_hide(keys, ARRAY_LEN(keys), text);
}

bool keys_shown(const struct site *site, const char *text)
{
    const struct secret *const keys[] = {site->key, site->balance_key};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i] && strlen(secret_reveal(keys[i])) >= SECRET_SHOWS && strstr(text, secret_reveal(keys[i])))
            return true;
    return false;
}

/* --- what was said ------------------------------------------------------------------------------------------------------ */

/* The relay's own words, wherever its family puts them; harmless. */
static void own_words(const char *body, size_t len, struct buf *ret)
{
    static const char *const paths[] = {"error.message", "error", "message", "msg", ""};
    CLEANUP(json_deletep) cJSON *json = len <= 16384 ? json_parse(body, len, NULL) : NULL;
    for (size_t i = 0; json && i < ARRAY_LEN(paths); i++) {
        const char *said = json_string(json, paths[i]);
        if (said && *said) {
            text_escape_terminal(ret, said, strlen(said), WORDS_MAX);
            return;
        }
    }
}

static enum told_kind kind_of(const struct asking *a, const struct http_result *r)
{
    if (r->kind != OUTCOME_OK)
        return TOLD_UNREACHED;
    if (r->status == 304 && a->conditional)
        return TOLD_SAME;
    if (r->status >= 200 && r->status < 300)
        return strcmp(r->content_type, "text/html") == 0 ? TOLD_ABSENT : TOLD_OK;
    switch (r->status) {
    case 401:
    case 403:
        return TOLD_DENIED;
    case 404:
    case 405:
    case 410:
        return TOLD_ABSENT;
    case 429:
        return TOLD_LIMITED;
    default:
        return r->status >= 300 && r->status < 400 ? TOLD_ABSENT : TOLD_BROKEN;
    }
}

static void say_why(const struct asking *a, const struct http_result *r, struct told *told)
{
    CLEANUP(buf_done) struct buf why = BUF_INIT;
    if (told->kind == TOLD_UNREACHED) {
        buf_add_str(&why, r->detail[0] ? r->detail : outcome_text(r->kind));
    } else if (r->status < 300) {
        buf_add_str(&why, "a web page instead of an answer");
    } else if (r->status < 400) {
        buf_printf(&why, "HTTP %d, which is not followed", r->status);
    } else {
        CLEANUP(buf_done) struct buf words = BUF_INIT;
        own_words(buf_str(&a->body), a->body.len, &words);
        buf_printf(&why, "HTTP %d%s%s", r->status, words.len > 0 ? ": " : "", buf_str(&words));
    }
    text_copy(told->why, sizeof told->why, buf_str(&why), why.len);
    keys_hide(a->site, told->why);
}

static void on_done(void *arg, const struct http_result *result)
{
    struct asking *a = arg;
    struct told told = {.kind = kind_of(a, result), .status = result->status, .etag = result->etag, .retry_after = result->retry_after};
    if (told.kind == TOLD_OK) {
        told.body = buf_str(&a->body);
        told.len = a->body.len;
    } else if (told.kind != TOLD_SAME) {
        say_why(a, result, &told);
    }
    a->answered(a->arg, &told);
}

static int on_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct asking *a = arg;
    (void)now;
    buf_add(&a->body, data, len);
    return a->body.full;
}

/* --- asking ------------------------------------------------------------------------------------------------------------- */

static size_t add_headers(const struct asking *a, const struct question *q, struct http_header *ret, struct buf *auth)
{
    size_t n = 0;
    const struct config_platform *config = a->site && !q->foreign ? a->site->config : NULL;
    if (config && config->user_agent)
        ret[n++] = (struct http_header){"User-Agent", config->user_agent};
    for (size_t i = 0; config && i < config->headers_len && n < HEADERS_MAX / 2; i++)
        ret[n++] = (struct http_header){config->headers[i].name, config->headers[i].value};
    ret[n++] = (struct http_header){"Accept", "application/json"};
    if (q->auth != ASK_OPEN && q->key) {
        buf_add_str(auth, q->auth == ASK_BEARER ? "Bearer " : "");
        buf_add_str(auth, secret_reveal(q->key));
        ret[n++] = (struct http_header){"Authorization", buf_str(auth)};
    }
    if (q->user && q->user_header)
        ret[n++] = (struct http_header){q->user_header, q->user};
    for (size_t i = 0; q->user && !q->user_header && i < ARRAY_LEN(user_headers); i++)
        ret[n++] = (struct http_header){user_headers[i], q->user};
    if (q->etag && q->etag[0])
        ret[n++] = (struct http_header){"If-None-Match", q->etag};
    return n;
}

static void choose_target(struct asking *a, const struct question *q)
{
    if (a->http && a->foreign != q->foreign)
        a->http = http_target_free(a->http);
    a->foreign = q->foreign;
    if (!a->http)
        a->http = http_target_new(a->c->http, a->site && !q->foreign ? a->site->config->ca_file : NULL);
}

int asking_send(struct asking *a, const struct question *q, void (*answered)(void *arg, const struct told *told), void *arg,
                struct err *err)
{
    struct http_header headers[HEADERS_MAX];
    CLEANUP(secret_buf_done) struct buf auth = BUF_INIT;
    size_t n = add_headers(a, q, headers, &auth);
    const struct config_timeouts *t = a->site && q->probe < PROBE_KIND_COUNT ? &a->site->config->probes[q->probe].timeouts : NULL;
    if (!t || t->total <= 0)
        t = &usual_timeouts;
    choose_target(a, q);
    buf_done(&a->body);
    a->body = (struct buf)BUF_CAP(q->max_body);
    a->conditional = q->etag && q->etag[0];
    a->answered = answered;
    a->arg = arg;
    struct http_request request = {
        .method = "GET",
        .url = q->url,
        .headers = headers,
        .headers_len = n,
        .connect_timeout = t->connect,
        .headers_timeout = t->headers,
        .total_timeout = t->total,
        .max_body = q->max_body,
        .on_data = on_data,
        .on_done = on_done,
        .arg = a,
    };
    return http_start(a->http, &request, err);
}

void asking_keep(struct asking *a, struct buf *ret)
{
    buf_done(ret);
    *ret = a->body;
    a->body = (struct buf)BUF_INIT;
}

void asking_close(struct asking *a)
{
    a->http = http_target_free(a->http);
    buf_done(&a->body);
}
