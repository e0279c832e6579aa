/* A target, and one request's life in it.
 *
 *   IDLE -- http_start --> WAITING (for libcurl to be back, or for a look-up slot) --> RUNNING --> IDLE
 *
 * A request leaves RUNNING in exactly one way: finish(), which takes the handle out of libcurl, makes the target idle and calls on_done as its last
 * act; or http_cancel / http_target_free, which call nobody. Where libcurl is running at that moment (the caller sits in on_data, perhaps another
 * target's), the handle cannot be taken out: it is orphaned and settle() frees it.
 *
 * One timer a target enforces whichever limit is next: until the request is sent that is the connection's, then the head's, then the total. The limits run
 * from `started`, which waiting for a slot comes before; the wait itself ends after the total time, as a failure of ours. */
#include "probed/net/http_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shared/alloc.h"

#define URL_MAX 4096
#define HEADERS_DEFAULT (64 * 1024)
/* libcurl drops a connection that was idle for 118 s. */
#define KEPT_FOR (110 * USEC_PER_SEC)

static void finish(struct http_target *t, struct http_result *result)
{
    struct transfer *x = t->transfer;
    t->kept = result->kind == OUTCOME_OK && !t->request.fresh && !x->answer.closes;
    t->kept_at = result->ended;
    if (t->phase == PHASE_WAITING)
        target_unqueue(t);
    transfer_detach(x);
    transfer_drop(x);
    t->phase = PHASE_IDLE;
    t->http->stats.running--;
    loop_timer_stop(t->deadline);
    lookups_pump(&t->http->lookups);
    t->request.on_done(t->request.arg, result);
}

void target_queue(struct http_target *t, struct http_queue *queue)
{
    t->phase = PHASE_WAITING;
    t->list = queue;
    TAILQ_INSERT_TAIL(queue, t, entry);
}

void target_unqueue(struct http_target *t)
{
    TAILQ_REMOVE(t->list, t, entry);
    t->list = NULL;
}

/* The next limit that the request can run into. */
static usec_t limit_of(const struct http_target *t, const struct http_request *r)
{
    const struct transfer *x = t->transfer;
    if (t->phase == PHASE_WAITING)
        return t->asked + r->total_timeout;
    if (!x->attached) /* libcurl did not take it: it ends at once */
        return 0;
    usec_t limit = t->started + r->total_timeout, part = limit;
    if (x->sent < 0 && r->connect_timeout > 0)
        part = t->started + r->connect_timeout;
    else if (x->sent >= 0 && !x->answer.head_done && r->headers_timeout > 0)
        part = x->sent + r->headers_timeout;
    return part < limit ? part : limit;
}

void target_arm(struct http_target *t) { loop_timer_set(t->deadline, limit_of(t, &t->request)); }

static void on_deadline(void *arg)
{
    struct http_target *t = arg;
    struct http_result result;
    usec_t now = loop_now(t->http->loop);
    if (now < limit_of(t, &t->request)) {
        target_arm(t);
        return;
    }
    result_facts(t, now, &result);
    result_timeout(t, now, &result);
    finish(t, &result);
}

/* Is a look-up to be expected? A wrong "no" costs nothing: libcurl then asks for it in transfer.c. */
static bool looks_up(const struct http_target *t)
{
    return !t->literal && !(t->kept && !t->request.fresh && loop_now(t->http->loop) - t->kept_at < KEPT_FOR);
}

void target_begin(struct http_target *t)
{
    struct transfer *x = t->transfer;
    if (t->pool->inside) {
        target_queue(t, &t->pool->starting);
        return;
    }
    if (!x->slot && looks_up(t) && !(x->slot = lookups_take(&t->http->lookups))) {
        target_queue(t, &t->http->lookups.waiting);
        return;
    }
    if (!http_has_turn(t->http)) {
        target_queue(t, &t->http->crowd);
        return;
    }
    t->phase = PHASE_RUNNING;
    t->started = loop_now_fresh(t->http->loop);
    t->http->stats.started++;
    transfer_attach(x); /* if not, the deadline has passed already, and is told from the loop */
    target_arm(t);
}

void target_over(struct transfer *x, CURLcode code)
{
    struct http_target *t = x->target;
    struct http_result result;
    if (x->postponed) {
        transfer_detach(x);
        t->kept = false;
        t->http->stats.started--;
        target_begin(t);
        target_arm(t);
        return;
    }
    result_facts(t, loop_now_fresh(t->http->loop), &result);
    result_from_curl(t, code, &result);
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        x->looking = false; /* the look-up is over, its thread is gone */
    finish(t, &result);
}

struct http_target *http_target_new(struct http *http, const char *ca_file)
{
    struct http_target *t = alloc_zero(1, sizeof(*t));
    t->http = http;
    t->pool = pool_get(http, ca_file != NULL ? ca_file : http->setup.ca_file);
    t->deadline = loop_timer_new(http->loop, "http deadline", on_deadline, t);
    return t;
}

/* Takes the request out of libcurl, now or as soon as it is back, without a word to anybody. */
static void abandon(struct http_target *t)
{
    struct transfer *x = t->transfer;
    if (t->phase == PHASE_WAITING)
        target_unqueue(t);
    if (t->phase != PHASE_IDLE) {
        t->phase = PHASE_IDLE;
        t->http->stats.running--;
        loop_timer_stop(t->deadline);
        t->kept = false;
    }
    if (x == NULL)
        return;
    if (x->attached && t->pool->inside) {
        x->target = NULL;
        TAILQ_INSERT_TAIL(&t->pool->orphans, x, entry);
        t->transfer = NULL;
    } else {
        transfer_detach(x);
        transfer_drop(x);
        if (!t->pool->inside)
            lookups_pump(&t->http->lookups);
    }
}

/* There are feeds that want the key in it. */
static void drop_url(struct http_target *t)
{
    if (t->url != NULL)
        explicit_bzero(t->url, strlen(t->url));
    alloc_freep(&t->url);
}

struct http_target *http_target_free(struct http_target *t)
{
    if (t != NULL) {
        abandon(t);
        transfer_free(t->transfer);
        loop_timer_free(t->deadline);
        pool_unref(t->pool);
        drop_url(t);
        alloc_freep(&t);
    }
    return NULL;
}

/* Reads what has to be known of the URL; libcurl's parser, so that both of us understand the same by it. */
static int read_url(struct http_target *t, const char *url, struct err *err)
{
    if (t->url != NULL && strcmp(t->url, url) == 0)
        return 0;
    if (strlen(url) > URL_MAX)
        return err_set(err, -EINVAL, "the URL is longer than %d bytes", URL_MAX);
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL;
    int r = -EINVAL;
    bool https = false, literal = false;
    if (u == NULL || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        err_set(err, r, "this is no URL that can be asked");
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        err_set(err, r, "the URL is not http:// or https://");
    else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
        err_set(err, r, "the URL has a user name in it; keys belong into a header");
    else {
        struct in_addr v4;
        https = strcmp(scheme, "https") == 0;
        literal = host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
        r = 0;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(u);
    if (r < 0)
        return r;
    drop_url(t);
    t->url = alloc_string(url);
    t->https = https;
    t->literal = literal;
    t->kept = false;
    if (t->transfer != NULL)
        t->transfer->url_set = false;
    return 0;
}

int http_start(struct http_target *t, const struct http_request *request, struct err *err)
{
    if (t->phase != PHASE_IDLE)
        return err_set(err, -EBUSY, "a request is running there");
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "POST") != 0)
        return err_set(err, -EINVAL, "the method is neither GET nor POST");
    if (request->total_timeout <= 0 || request->on_done == NULL)
        return err_set(err, -EINVAL, "a request needs a total time and somebody to tell its end");
    int r = read_url(t, request->url, err);
    if (r < 0)
        return r;
    if (t->transfer == NULL && (t->transfer = transfer_new(t)) == NULL)
        return err_set(err, -ENOMEM, "libcurl gave no handle, or does not know an option that is needed");
    r = transfer_prepare(t->transfer, request, err);
    if (r < 0)
        return r;
    t->request = *request;
    t->request.method = t->request.url = NULL; /* the caller's, and only until we are back */
    t->request.headers = NULL;
    t->request.body = NULL;
    if (t->request.max_headers == 0)
        t->request.max_headers = HEADERS_DEFAULT;
    t->asked = loop_now_fresh(t->http->loop);
    t->started = -1;
    t->http->stats.running++;
    answer_reset(&t->transfer->answer);
    t->transfer->sent = -1;
    target_begin(t);
    target_arm(t);
    return 0;
}

void http_cancel(struct http_target *t, struct http_result *ret)
{
    if (t->phase != PHASE_IDLE && ret != NULL) {
        result_facts(t, loop_now_fresh(t->http->loop), ret);
        ret->stage = result_stage(t);
        ret->kind = OUTCOME_CANCELED;
        snprintf(ret->detail, sizeof(ret->detail), "given up by probed");
    }
    abandon(t);
}

bool http_busy(const struct http_target *t) { return t->phase != PHASE_IDLE; }
int http_status(const struct http_target *t) { return t->transfer != NULL ? t->transfer->answer.status : 0; }
const char *http_content_type(const struct http_target *t) { return t->transfer != NULL ? t->transfer->answer.content_type : ""; }
usec_t http_sent(const struct http_target *t) { return t->transfer != NULL ? t->transfer->sent : -1; }
