/* A libcurl easy handle: its options, its callbacks, and what they note down.
 *
 * One handle a target, used again and again, keeps the TLS session and the options that don't change. What this version of libcurl (7.88) needs:
 *  - QUICK_EXIT, or a request that times out while its name is looked up blocks until the look-up is over;
 *  - CAPATH off, or the CA file is read and parsed again at each handshake;
 *  - DNS_CACHE_TIMEOUT 0: a look-up that is measured must be one, and a filled cache is walked at each transfer;
 *  - a request must never go out twice. libcurl sends it again by itself when a kept connection dies under it. The second connection is refused at the
 *    resolver's, the socket's and at last at the pre-request callback (a GET as well: a hidden second try has wrong times), and the body refuses to be rewound.
 * The pre-request callback is also where `sent` is read from our own clock: the connection stands and the request is written next.
 *
 * Every callback of an orphan (cancelled while libcurl was running) refuses, so that libcurl lets go of it soon; it then touches nothing but itself. */
#include "probed/net/http_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "shared/alloc.h"

#define HEADERS_MAX 64

static void give_slot_back(struct transfer *x)
{
    if (x->slot) {
        x->slot = false;
        lookups_give_back(&x->pool->http->lookups);
    }
}

/* libcurl begins to open a connection. */
static int on_lookup(void *resolver, void *reserved, void *arg)
{
    (void)resolver, (void)reserved;
    struct transfer *x = arg;
    if (x->target == NULL)
        return 1;
    if (x->sent >= 0) {
        x->died = true;
        return 1;
    }
    if (!x->target->literal && !x->slot) {
        x->slot = lookups_take(&x->pool->http->lookups);
        if (!x->slot) {
            x->postponed = true;
            return 1;
        }
    }
    x->looking = true;
    return 0;
}

/* The name is known; a socket is wanted for one of its addresses. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct transfer *x = arg;
    if (x->target == NULL)
        return CURL_SOCKET_BAD;
    if (x->sent >= 0) {
        x->died = true;
        return CURL_SOCKET_BAD;
    }
    give_slot_back(x);
    x->opened = true;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0 && result_is_local(errno))
        x->local_errno = errno;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* The connection stands (new or kept), the request is about to be written. */
static int on_ready(void *arg, char *peer, char *own, int peer_port, int own_port)
{
    (void)peer, (void)own, (void)peer_port, (void)own_port;
    struct transfer *x = arg;
    struct http_target *t = x->target;
    if (t == NULL)
        return CURL_PREREQFUNC_ABORT;
    if (x->sent >= 0) {
        x->died = true;
        return CURL_PREREQFUNC_ABORT;
    }
    give_slot_back(x);
    x->sent = loop_now_fresh(t->http->loop);
    if (x->opened)
        t->http->stats.connections++;
    target_arm(t);
    return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct transfer *x = arg;
    struct http_target *t = x->target;
    size_t len = size * count;
    if (t == NULL)
        return 0;
    bool head_done = x->answer.head_done;
    answer_line(&x->answer, line, len, loop_now_fresh(t->http->loop), loop_wall(t->http->loop));
    if (x->answer.bytes > t->request.max_headers) {
        x->too_large = true;
        return 0;
    }
    if (!head_done && x->answer.head_done)
        target_arm(t);
    return len;
}

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *x = arg;
    struct http_target *t = x->target;
    size_t len = size * count;
    if (t == NULL)
        return 0;
    if (len > t->request.max_body - x->received) {
        x->too_large = true;
        return 0;
    }
    x->received += len;
    if (t->request.on_data == NULL)
        return len;
    int stop = t->request.on_data(t->request.arg, data, len, loop_now_fresh(t->http->loop));
    /* Inside it the target may have been cancelled or freed; the transfer then is an orphan. */
    if (x->target == NULL)
        return 0;
    if (stop != 0) {
        x->gave_up = true;
        return 0;
    }
    return len;
}

static size_t on_body(char *ret, size_t size, size_t count, void *arg)
{
    struct transfer *x = arg;
    size_t room = size * count, left = x->body_len - x->body_off;
    if (x->target == NULL)
        return CURL_READFUNC_ABORT;
    size_t n = left < room ? left : room;
    if (n > 0)
        memcpy(ret, x->body + x->body_off, n);
    x->body_off += n;
    return n;
}

/* Called to send the body again; or, in the request after one that was refused here, by libcurl's memory of that: then nothing of this body has been
 * taken yet, and it is where libcurl wants it. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct transfer *x = arg;
    if (x->body_off == 0 && offset == 0 && origin == SEEK_SET)
        return CURL_SEEKFUNC_OK;
    x->died = true;
    return CURL_SEEKFUNC_FAIL;
}

static bool set_callbacks(struct transfer *x)
{
    CURL *e = x->easy;
    bool ok = true;
#define SET(option, value) (ok &= curl_easy_setopt(e, option, value) == CURLE_OK)
    SET(CURLOPT_PRIVATE, x);
    SET(CURLOPT_ERRORBUFFER, x->error);
    SET(CURLOPT_RESOLVER_START_FUNCTION, on_lookup);
    SET(CURLOPT_RESOLVER_START_DATA, x);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, x);
    SET(CURLOPT_PREREQFUNCTION, on_ready);
    SET(CURLOPT_PREREQDATA, x);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_WRITEFUNCTION, on_data);
    SET(CURLOPT_WRITEDATA, x);
    SET(CURLOPT_READFUNCTION, on_body);
    SET(CURLOPT_READDATA, x);
    SET(CURLOPT_SEEKFUNCTION, on_rewind);
    SET(CURLOPT_SEEKDATA, x);
    return ok;
}

static bool set_options(struct transfer *x)
{
    CURL *e = x->easy;
    bool ok = true;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_CAINFO, x->pool->ca_file);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_PIPEWAIT, 0L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* no proxy, whatever the environment says */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_USERAGENT, x->pool->http->setup.user_agent);
#undef SET
    return ok;
}

struct transfer *transfer_new(struct http_target *t)
{
    struct transfer *x = alloc_zero(1, sizeof(*x));
    x->target = t;
    x->pool = t->pool;
    x->easy = curl_easy_init();
    if (x->easy == NULL || !set_callbacks(x) || !set_options(x))
        return transfer_free(x);
    return x;
}

void transfer_drop(struct transfer *x)
{
    for (struct curl_slist *line = x->headers; line != NULL; line = line->next)
        explicit_bzero(line->data, strlen(line->data)); /* one of them is the key */
    curl_slist_free_all(x->headers);
    x->headers = NULL;
    alloc_freep(&x->body);
    x->body_len = x->body_off = 0;
}

struct transfer *transfer_free(struct transfer *x)
{
    if (x != NULL) {
        transfer_detach(x);
        transfer_drop(x);
        curl_easy_cleanup(x->easy);
        alloc_freep(&x);
    }
    return NULL;
}

static bool is_token(const char *name)
{
    if (*name == '\0')
        return false;
    for (; *name != '\0'; name++)
        if (*name <= ' ' || *name >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *name) != NULL)
            return false;
    return true;
}

static bool is_field_value(const char *value)
{
    for (; *value != '\0'; value++)
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

static int add_line(struct transfer *x, const char *line)
{
    struct curl_slist *list = curl_slist_append(x->headers, line);
    if (list == NULL)
        return -ENOMEM;
    x->headers = list;
    return 0;
}

/* Values may be keys: the line that is built here is wiped. */
static int add_header(struct transfer *x, const struct http_header *header, struct err *err)
{
    if (!is_token(header->name))
        return err_set(err, -EINVAL, "a request header's name is not a token");
    if (!is_field_value(header->value))
        return err_set(err, -EINVAL, "the request header %s has a control character in its value", header->name);
    /* libcurl takes "Name:" to mean that its own header of that name is not wanted, and "Name;" for one without a value. */
    char *line = alloc_printf(header->value[0] == '\0' ? "%s;" : "%s: %s", header->name, header->value);
    int r = add_line(x, line);
    explicit_bzero(line, strlen(line));
    alloc_freep(&line);
    return r;
}

static int add_headers(struct transfer *x, const struct http_request *request, struct err *err)
{
    if (request->headers_len > HEADERS_MAX)
        return err_set(err, -EINVAL, "more than %d request headers", HEADERS_MAX);
    int r = add_line(x, "Expect:"); /* no round trip before the body */
    for (size_t i = 0; r == 0 && i < request->headers_len; i++)
        r = add_header(x, &request->headers[i], err);
    return r;
}

/* CURLINFO_CONNECT_TIME stays 0 until the TLS handshake is done, but the connection is counted as soon as it stands. */
bool transfer_connected(const struct transfer *x)
{
    long connections = 0;
    return x->opened && curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connections) == CURLE_OK && connections > 0;
}

void transfer_waits(struct transfer *x)
{
    if (x->target != NULL && x->connected < 0 && x->sent < 0 && transfer_connected(x))
        x->connected = loop_now_fresh(x->target->http->loop);
}

int transfer_prepare(struct transfer *x, const struct http_request *request, struct err *err)
{
    CURL *e = x->easy;
    bool post = strcmp(request->method, "POST") == 0;
    transfer_drop(x);
    int r = add_headers(x, request, err);
    if (r < 0)
        return r;
    if (post) {
        x->body = alloc_string_n(request->body_len > 0 ? request->body : "", request->body_len);
        x->body_len = request->body_len;
    }
    bool ok = true;
#define SET(option, value) (ok &= curl_easy_setopt(e, option, value) == CURLE_OK)
    if (!x->url_set)
        SET(CURLOPT_URL, request->url);
    SET(CURLOPT_HTTPHEADER, x->headers);
    if (post) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body_len);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    /* A list of models is worth compressing; a stream would be held back by it. What comes compressed all the same is unpacked. */
    SET(CURLOPT_ACCEPT_ENCODING, post ? "identity" : "gzip");
    SET(CURLOPT_FRESH_CONNECT, request->fresh ? 1L : 0L);
    SET(CURLOPT_FORBID_REUSE, request->fresh ? 1L : 0L);
    /* A resumed session skips the certificate: a fresh connection is checked whole. */
    SET(CURLOPT_SSL_SESSIONID_CACHE, request->fresh ? 0L : 1L);
    /* Our own timer ends it; libcurl needs to know to give each of several addresses its part of the time. */
    SET(CURLOPT_CONNECTTIMEOUT_MS, http_msec(request->connect_timeout > 0 ? request->connect_timeout : request->total_timeout));
#undef SET
    x->url_set = ok;
    return ok ? 0 : err_set(err, -ENOMEM, "libcurl did not take the request's options");
}

void transfer_attach(struct transfer *x)
{
    x->looking = x->opened = x->postponed = x->died = x->gave_up = x->too_large = false;
    x->local_errno = 0;
    x->sent = x->connected = -1;
    x->received = 0;
    x->body_off = 0;
    x->error[0] = '\0';
    answer_reset(&x->answer);
    x->attached = curl_multi_add_handle(x->pool->multi, x->easy) == CURLM_OK;
}

void transfer_detach(struct transfer *x)
{
    if (x->attached) {
        x->attached = false;
        curl_multi_remove_handle(x->pool->multi, x->easy);
    }
    if (x->slot) {
        x->slot = false;
        if (x->looking)
            lookups_abandon(&x->pool->http->lookups);
        else
            lookups_give_back(&x->pool->http->lookups);
    }
}
