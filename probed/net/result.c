/* How a request ended and when what happened: libcurl's code, the system's error and what our callbacks saw, made into stage x kind, segments and a sentence.
 *
 * The stage comes from how far the request got, never from libcurl's code: the same code stands for failures of very different stages. STAGE_FIRST never
 * comes from here: once the head is in, the stage is STREAM, and only who reads the body knows whether there was a token in it.
 * The kind comes from the code, then from errno, then (where 7.88 has one code for several things) from its words. Words are shown to people as they are, but
 * for URLs, and nothing that we sent is ever in them. */
#include "probed/net/http_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/text.h"

static usec_t time_of(const struct transfer *x, CURLINFO info)
{
    curl_off_t t = 0;
    return curl_easy_getinfo(x->easy, info, &t) == CURLE_OK ? (usec_t)t : 0;
}

enum stage result_stage(const struct http_target *t)
{
    const struct transfer *x = t->transfer;
    if (t->phase != PHASE_RUNNING)
        return STAGE_QUEUE;
    if (x->answer.head_done)
        return STAGE_STREAM;
    if (x->sent >= 0)
        return x->body_off < x->body_len && x->answer.status == 0 ? STAGE_SEND : STAGE_HEADERS;
    /* libcurl's times are those of the request before until this one has opened something of its own. */
    if (!x->opened)
        return t->literal ? STAGE_CONNECT : STAGE_DNS;
    if (!transfer_connected(x))
        return STAGE_CONNECT;
    return t->https && time_of(x, CURLINFO_APPCONNECT_TIME_T) == 0 ? STAGE_TLS : STAGE_SEND;
}

static void segments(const struct http_target *t, struct http_result *ret)
{
    const struct transfer *x = t->transfer;
    ret->dns = ret->connect = ret->tls = -1;
    if (!x->opened)
        return;
    usec_t looked_up = time_of(x, CURLINFO_NAMELOOKUP_TIME_T);
    usec_t connected = time_of(x, CURLINFO_CONNECT_TIME_T);
    usec_t secured = time_of(x, CURLINFO_APPCONNECT_TIME_T);
    ret->dns = looked_up;
    if (connected == 0 && x->connected >= 0) /* the TLS handshake after it failed: libcurl does not say */
        connected = x->connected - t->started;
    if (connected > 0)
        ret->connect = connected > looked_up ? connected - looked_up : 0;
    if (t->https && connected > 0 && secured > 0)
        ret->tls = secured > connected ? secured - connected : 0;
}

static int http_version(const struct transfer *x)
{
    long version = 0;
    curl_easy_getinfo(x->easy, CURLINFO_HTTP_VERSION, &version);
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    default:
        return 0;
    }
}

void result_facts(const struct http_target *t, usec_t now, struct http_result *ret)
{
    const struct transfer *x = t->transfer;
    *ret = (struct http_result){.dns = -1, .connect = -1, .tls = -1, .sent = -1, .headers = -1, .started = now, .ended = now};
    if (t->phase != PHASE_RUNNING)
        return;
    ret->started = t->started;
    ret->sent = x->sent;
    ret->headers = x->answer.first;
    ret->status = x->answer.status;
    ret->retry_after = x->answer.retry_after;
    ret->received = x->received;
    ret->reused = x->sent >= 0 && !x->opened;
    memcpy(ret->content_type, x->answer.content_type, sizeof(ret->content_type));
    memcpy(ret->etag, x->answer.etag, sizeof(ret->etag));
    segments(t, ret);
    if (x->answer.status != 0)
        ret->http_version = http_version(x);
    char *address = NULL;
    if ((x->opened || x->sent >= 0) && curl_easy_getinfo(x->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address != NULL)
        text_copy(ret->address, sizeof(ret->address), address, strlen(address));
}

/* --- what kind of end ------------------------------------------------------------------------------------------------- */

static bool says(const struct transfer *x, const char *words) { return strstr(x->error, words) != NULL; }

/* Out of descriptors, memory or local ports, or forbidden by our own host. */
bool result_is_local(long error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EADDRNOTAVAIL || error == EACCES ||
           error == EPERM;
}

static enum outcome_kind kind_of_connect(const struct transfer *x)
{
    long error = 0;
    curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &error);
    if (x->local_errno != 0 || result_is_local(error))
        return OUTCOME_LOCAL;
    switch (error) {
    case ECONNREFUSED:
        return OUTCOME_REFUSED;
    case ECONNRESET:
    case EPIPE:
        return OUTCOME_RESET;
    case ETIMEDOUT:
        return OUTCOME_TIMEOUT;
    default: /* ENETUNREACH, EHOSTUNREACH, EHOSTDOWN, ENETDOWN, EAFNOSUPPORT (no IPv6 here and no IPv4 there) */
        return OUTCOME_UNREACHABLE;
    }
}

/* A look-up that failed because we have no descriptor or thread left for it says so nowhere: getaddrinfo calls it "try again". */
static enum outcome_kind kind_of_resolve(const struct transfer *x)
{
    if (says(x, "thread failed"))
        return OUTCOME_LOCAL;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return OUTCOME_LOCAL;
    close(fd);
    return OUTCOME_RESOLVE;
}

/* OpenSSL reports a connection that ends within the handshake as a failed handshake. */
static enum outcome_kind kind_of_tls(const struct transfer *x)
{
    return says(x, "Connection reset") || says(x, "Broken pipe") || says(x, "unexpected eof") || says(x, "SSL_ERROR_SYSCALL")
               ? OUTCOME_RESET
               : OUTCOME_TLS;
}

/* Once the request is out, codes that speak of our own failure are a peer's doing: 7.88 gives up on a header line of more than 100 KB as if memory had run
 * out, and calls a trailer without a colon a bad argument. */
static enum outcome_kind kind_of_own(const struct transfer *x, CURLcode code)
{
    if (x->sent < 0)
        return OUTCOME_LOCAL;
    return code == CURLE_OUT_OF_MEMORY ? OUTCOME_TOO_LARGE : OUTCOME_PROTOCOL;
}

static enum outcome_kind kind_of(const struct http_target *t, CURLcode code)
{
    const struct transfer *x = t->transfer;
    if (x->died)
        return OUTCOME_RESET;
    if (x->too_large)
        return OUTCOME_TOO_LARGE;
    if (x->gave_up)
        return OUTCOME_CANCELED;
    switch ((int)code) {
    case CURLE_OK: /* even if the connection was closed in the middle of the head */
        return x->answer.head_done ? OUTCOME_OK : OUTCOME_RESET;
    case CURLE_OPERATION_TIMEDOUT:
        return OUTCOME_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
        return kind_of_resolve(x);
    case CURLE_COULDNT_CONNECT:
        return kind_of_connect(x);
    case CURLE_SSL_CONNECT_ERROR:
        return kind_of_tls(x);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_SHUTDOWN_FAILED:
        return OUTCOME_TLS;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
        return OUTCOME_RESET;
    case CURLE_RECV_ERROR: /* also what breaks in chunked encoding */
        return says(x, "chunk") ? OUTCOME_PROTOCOL : OUTCOME_RESET;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_SSL_CACERT_BADFILE: /* our own CA file */
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_FAILED_INIT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return kind_of_own(x, code);
    default: /* WEIRD_SERVER_REPLY, UNSUPPORTED_PROTOCOL (HTTP/0.9), HTTP2, BAD_CONTENT_ENCODING, WRITE_ERROR (of its decoder), ... */
        return OUTCOME_PROTOCOL;
    }
}

static void set_detail(struct http_result *ret, const char *words)
{
    text_copy(ret->detail, sizeof(ret->detail), words, strlen(words));
    for (char *p = ret->detail; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
}

void result_from_curl(const struct http_target *t, CURLcode code, struct http_result *ret)
{
    const struct transfer *x = t->transfer;
    ret->kind = kind_of(t, code);
    ret->stage = ret->kind == OUTCOME_OK ? STAGE_DONE : result_stage(t);
    if (ret->kind == OUTCOME_OK)
        return;
    if (ret->kind == OUTCOME_TIMEOUT && code == CURLE_OPERATION_TIMEDOUT)
        result_timeout(t, ret->ended, ret);
    else if (x->died)
        set_detail(ret, "the kept connection was closed when the request had been sent");
    else if (x->too_large && !x->answer.head_done)
        set_detail(ret, "the answer's header passed its size cap");
    else if (x->too_large)
        set_detail(ret, "the answer's body passed its size cap");
    else if (x->gave_up)
        set_detail(ret, "given up by its reader");
    else if (x->local_errno != 0)
        set_detail(ret, strerror(x->local_errno));
    else if (code == CURLE_OK)
        set_detail(ret, "the connection was closed within the answer's header");
    else
        set_detail(ret, x->error[0] != '\0' && !says(x, "://") ? x->error : curl_easy_strerror(code));
}

void result_timeout(const struct http_target *t, usec_t now, struct http_result *ret)
{
    const struct transfer *x = t->transfer;
    const struct http_request *r = &t->request;
    char limit[32];
    ret->stage = result_stage(t);
    if (t->phase != PHASE_RUNNING) {
        ret->kind = OUTCOME_LOCAL;
        units_format_duration(limit, sizeof(limit), r->total_timeout);
        snprintf(ret->detail, sizeof(ret->detail), "no name look-up was free within %s", limit);
        return;
    }
    if (!x->attached) {
        ret->kind = OUTCOME_LOCAL;
        set_detail(ret, "libcurl did not take the request");
        return;
    }
    ret->kind = OUTCOME_TIMEOUT;
    bool in_all = now - t->started >= r->total_timeout;
    bool connecting = x->sent < 0;
    units_format_duration(limit, sizeof(limit), in_all ? r->total_timeout : connecting ? r->connect_timeout : r->headers_timeout);
    snprintf(ret->detail, sizeof(ret->detail), "%s: not done within %s%s", stage_text(ret->stage), limit,
             in_all ? " in all" : connecting ? "" : " of sending");
}
