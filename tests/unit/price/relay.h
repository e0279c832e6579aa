/* The other side of the collector's tests: virtual time, and an HTTP client whose relays are a table of pages. probed/sys/loop.h and
 * probed/net/http.h are implemented here, so that nothing waits and nothing is sent; hours pass in milliseconds. */
#ifndef TESTS_UNIT_PRICE_RELAY_H
#define TESTS_UNIT_PRICE_RELAY_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

#include "probed/net/http.h"
#include "shared/alloc.h"
#include "shared/buf.h"
#include "tests/sim/loop_sim.c"

#define PAGES_MAX   64
#define USUAL_DELAY (20 * USEC_PER_MSEC)

/* What is at one URL. What is not in the table is a web page under 200, as the sites of the one-api family have it. */
struct page {
    char url[200];
    int status; /* 0 = 200 */
    const char *body, *etag, *type;
    size_t len; /* of the body; 0 = its strlen */
    usec_t retry_after, delay;
    enum outcome_kind breaks; /* OUTCOME_OK = it answers */
    int hits, unmodified;
    char headers[2000]; /* of the newest request */
};

static struct relay {
    struct page pages[PAGES_MAX];
    size_t len;
    int strays, running, most;     /* requests to no page; at once */
    int at_host[16], most_at_host; /* at once, by the digit behind "http://r" */
    struct buf log;                /* "GET url" a line */
} relay;

static inline struct page *page_find(const char *url)
{
    for (size_t i = 0; i < relay.len; i++)
        if (strcmp(relay.pages[i].url, url) == 0)
            return &relay.pages[i];
    return NULL;
}

static inline struct page *page_put(const char *url, const char *body)
{
    struct page *p = page_find(url);
    if (!p)
        p = &relay.pages[relay.len++];
    assert_true(relay.len <= PAGES_MAX && strlen(url) < sizeof p->url);
    int hits = p->hits;
    *p = (struct page){.body = body, .hits = hits};
    strcpy(p->url, url);
    return p;
}

static inline int page_hits(const char *url)
{
    const struct page *p = page_find(url);
    return p ? p->hits : 0;
}

/* --- probed/net/http.h --------------------------------------------------------------------------------------------------- */

struct http {
    struct loop *loop;
    int targets;
};

struct http_target {
    struct http *http;
    struct loop_timer *timer;
    struct http_request request;
    struct page *page;
    char *url;
    bool busy, unmodified;
    usec_t started;
};

static inline struct http *fake_http(struct loop *loop)
{
    struct http *http = alloc_zero(1, sizeof *http);
    http->loop = loop;
    return http;
}

static inline int host_of_url(const char *url)
{
    return strncmp(url, "http://r", 8) == 0 && url[8] >= '0' && url[8] <= '9' ? url[8] - '0' : 15;
}

static inline void target_over(struct http_target *t)
{
    if (t->busy) {
        relay.running--;
        relay.at_host[host_of_url(t->url)]--;
    }
    t->busy = false;
    loop_timer_stop(t->timer);
    free(t->url);
    t->url = NULL;
}

static void target_answers(void *arg)
{
    struct http_target *t = arg;
    const struct page *p = t->page;
    struct http_request request = t->request;
    struct http_result r = {.stage = STAGE_DONE, .kind = OUTCOME_OK, .status = p && p->status ? p->status : 200, .started = t->started};
    const char *body = p ? (p->body ? p->body : "") : "<!doctype html><title>welcome</title>";
    size_t len = p && p->len ? p->len : strlen(body);
    r.ended = loop_now(t->http->loop);
    if (p && p->breaks != OUTCOME_OK) {
        r = (struct http_result){.stage = STAGE_CONNECT, .kind = p->breaks, .started = t->started, .ended = r.ended};
        snprintf(r.detail, sizeof r.detail, "it broke");
        len = 0;
    } else {
        snprintf(r.content_type, sizeof r.content_type, "%s", !p ? "text/html" : p->type ? p->type : "application/json");
        snprintf(r.etag, sizeof r.etag, "%s", p && p->etag ? p->etag : "");
        r.retry_after = p ? p->retry_after : 0;
        if (t->unmodified) {
            r.status = 304;
            len = 0;
        }
    }
    for (size_t at = 0; at < len && r.kind == OUTCOME_OK; at += 4096) {
        size_t n = len - at < 4096 ? len - at : 4096;
        r.received += n;
        if (r.received > request.max_body) {
            r.stage = STAGE_STREAM;
            r.kind = OUTCOME_TOO_LARGE;
            snprintf(r.detail, sizeof r.detail, "the answer's body passed its size cap");
        } else if (request.on_data(request.arg, body + at, n, r.ended) != 0) {
            r.kind = OUTCOME_CANCELED;
        }
    }
    target_over(t);
    request.on_done(request.arg, &r);
}

struct http_target *http_target_new(struct http *http, const char *ca_file)
{
    struct http_target *t = alloc_zero(1, sizeof *t);
    (void)ca_file;
    t->http = http;
    http->targets++;
    t->timer = loop_timer_new(http->loop, "fake", target_answers, t);
    return t;
}

struct http_target *http_target_free(struct http_target *t)
{
    if (!t)
        return NULL;
    target_over(t);
    t->http->targets--;
    loop_timer_free(t->timer);
    free(t);
    return NULL;
}

int http_start(struct http_target *t, const struct http_request *request, struct err *err)
{
    assert_false(t->busy);
    assert_string_equal(request->method, "GET");
    assert_true(request->total_timeout > 0 && request->max_body > 0);
    if (strncmp(request->url, "http", 4) != 0)
        return err_set(err, -EINVAL, "this is no URL that can be asked");
    t->request = *request;
    t->url = alloc_string(request->url);
    t->page = page_find(request->url);
    t->busy = true;
    t->unmodified = false;
    t->started = loop_now(t->http->loop);
    buf_printf(&relay.log, "GET %s\n", request->url);
    if (!t->page)
        relay.strays++;
    relay.running++;
    relay.most = relay.running > relay.most ? relay.running : relay.most;
    int *here = &relay.at_host[host_of_url(t->url)];
    ++*here;
    relay.most_at_host = *here > relay.most_at_host ? *here : relay.most_at_host;
    if (t->page) {
        struct buf headers = BUF_INIT;
        t->page->hits++;
        for (size_t i = 0; i < request->headers_len; i++) {
            const struct http_header *h = &request->headers[i];
            buf_printf(&headers, "%s: %s\n", h->name, h->value);
            if (strcmp(h->name, "If-None-Match") == 0 && t->page->etag && strcmp(h->value, t->page->etag) == 0)
                t->unmodified = true;
        }
        t->page->unmodified += t->unmodified;
        snprintf(t->page->headers, sizeof t->page->headers, "%s", buf_str(&headers));
        buf_done(&headers);
    }
    loop_timer_set(t->timer, t->started + (t->page && t->page->delay ? t->page->delay : USUAL_DELAY));
    return 0;
}

#endif
