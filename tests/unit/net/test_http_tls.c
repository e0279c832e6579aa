/* TLS: what is verified, what is resumed, HTTP/2 (through nghttpx), and CA files that don't get into each other's way. */
#define PEER_TLS 1
#include "tests/unit/net/peer.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- a made-up CA ----------------------------------------------------------------------------------------------------- */

struct authority {
    EVP_PKEY *key;
    X509 *cert;
    char file[64]; /* its certificate as PEM */
};

static char folder[32] = "/tmp/probed-tls-XXXXXX";

static X509 *new_cert(EVP_PKEY *key, const char *name, const struct authority *by, long from_s, long to_s)
{
    static long serial;
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), to_s);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, by != NULL ? X509_get_subject_name(by->cert) : X509_get_subject_name(cert));
    return cert;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static void write_pem(const char *file, X509 *cert, EVP_PKEY *key)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    if (key != NULL)
        PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    PEM_write_X509(f, cert);
    fclose(f);
}

static struct authority authority_new(const char *name)
{
    struct authority a = {.key = EVP_EC_gen("P-256")};
    a.cert = new_cert(a.key, name, NULL, -3600, 86400);
    add_extension(a.cert, a.cert, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(a.cert, a.cert, NID_subject_key_identifier, "hash");
    X509_sign(a.cert, a.key, EVP_sha256());
    snprintf(a.file, sizeof(a.file), "%s/%s.pem", folder, name);
    write_pem(a.file, a.cert, NULL);
    return a;
}

static void authority_done(struct authority *a)
{
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
    unlink(a->file);
}

/* A server's context; pem (may be NULL) gets key and certificate for other programs. */
static SSL_CTX *server_context(const struct authority *by, const char *names, long from_s, long to_s, const char *pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = new_cert(key, "server", by, from_s, to_s);
    add_extension(cert, by->cert, NID_subject_alt_name, names);
    X509_sign(cert, by->key, EVP_sha256());
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    if (pem != NULL)
        write_pem(pem, cert, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

static struct authority good, other;

static int group_setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    good = authority_new("good");
    other = authority_new("other");
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    authority_done(&good);
    authority_done(&other);
    return rmdir(folder);
}

static void open_with(struct world *w, const struct authority *a)
{
    world_open_with(w, &(struct http_setup){.connections = 100, .dns_concurrency = 8, .ca_file = a->file});
}

/* --- tests ------------------------------------------------------------------------------------------------------------ */

static void test_verified(void **state)
{
    (void)state;
    struct world w;
    SSL_CTX *ctx = server_context(&good, "IP:127.0.0.1,DNS:localhost", -60, 3600, NULL);
    struct peer *p = peer_start(serve_hello, ctx);
    open_with(&w, &good);
    const struct http_result *r = world_get(&w, peer_url(p, "127.0.0.1"));
    assert_outcome(r, STAGE_DONE, OUTCOME_OK);
    assert_true(r->tls > 0 && r->connect >= 0 && r->connect < r->tls + 100 * MSEC);
    assert_true(r->dns + r->connect + r->tls <= r->sent - r->started + 1000);
    assert_string_equal(buf_str(&w.body), "hello");
    assert_true(world_get(&w, peer_url(p, "127.0.0.1"))->reused);
    assert_outcome(world_get(&w, peer_url(p, "localhost")), STAGE_DONE, OUTCOME_OK);
    world_close(&w);
    peer_stop(p);
    SSL_CTX_free(ctx);
}

static void test_not_acceptable(void **state)
{
    (void)state;
    const struct {
        const char *what;
        const struct authority *by;
        const char *names;
        long from, to;
    } bad[] = {
        {"another CA", &other, "IP:127.0.0.1", -60, 3600},
        {"another name", &good, "DNS:elsewhere.test", -60, 3600},
        {"another address", &good, "IP:127.0.0.2", -60, 3600},
        {"expired", &good, "IP:127.0.0.1", -3600, -60},
        {"not yet valid", &good, "IP:127.0.0.1", 3600, 7200},
    };
    struct world w;
    open_with(&w, &good);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        SSL_CTX *ctx = server_context(bad[i].by, bad[i].names, bad[i].from, bad[i].to, NULL);
        struct peer *p = peer_start(serve_hello, ctx);
        const struct http_result *r = world_get(&w, peer_url(p, "127.0.0.1"));
        if (r->stage != STAGE_TLS || r->kind != OUTCOME_TLS)
            fail_msg("%s: %s/%s (%s)", bad[i].what, stage_name(r->stage), outcome_name(r->kind), r->detail);
        assert_true(r->connect >= 0 && r->tls == -1 && r->sent == -1 && r->status == 0);
        assert_int_equal(atomic_load(&p->requests), 0); /* the key was never shown */
        peer_stop(p);
        SSL_CTX_free(ctx);
    }
    world_close(&w);
}

static void serve_plainly(struct line *l)
{
    char some[512];
    (void)!line_read(l, some, sizeof(some));
    line_say(l, "HTTP/1.1 400 Bad Request\r\n\r\n");
}
static void serve_reset(struct line *l)
{
    char some[512];
    (void)!line_read(l, some, sizeof(some));
    line_reset(l);
}
static void serve_close(struct line *l)
{
    char some[512];
    (void)!line_read(l, some, sizeof(some));
}

static void test_no_handshake(void **state)
{
    (void)state;
    const struct {
        void (*serve)(struct line *l);
        enum outcome_kind kind;
    } bad[] = {{serve_plainly, OUTCOME_TLS}, {serve_reset, OUTCOME_RESET}, {serve_close, OUTCOME_RESET}};
    struct world w;
    open_with(&w, &good);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char url[64];
        struct peer *p = peer_start(bad[i].serve, NULL);
        snprintf(url, sizeof(url), "https://127.0.0.1:%d/", p->port);
        assert_outcome(world_get(&w, url), STAGE_TLS, bad[i].kind);
        peer_stop(p);
    }
    world_close(&w);
}

/* A server that keeps no connection: the session is resumed, but a fresh request shows the whole certificate again. */
static void serve_once(struct line *l)
{
    if (line_request(l))
        line_say(l, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
}

static void test_sessions_are_resumed(void **state)
{
    (void)state;
    struct world w;
    SSL_CTX *ctx = server_context(&good, "IP:127.0.0.1", -60, 3600, NULL);
    struct peer *p = peer_start(serve_once, ctx);
    open_with(&w, &good);
    struct http_request request = world_request(&w, peer_url(p, "127.0.0.1"));
    for (int i = 0; i < 4; i++) {
        const struct http_result *r = world_ask(&w, &request);
        assert_outcome(r, STAGE_DONE, OUTCOME_OK);
        assert_false(r->reused);
    }
    test_await(&p->ended, 4);
    assert_int_equal(atomic_load(&p->resumed), 3);
    request.fresh = true;
    for (int i = 0; i < 3; i++)
        assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
    assert_int_equal(atomic_load(&p->resumed), 3);
    world_close(&w);
    peer_stop(p);
    SSL_CTX_free(ctx);
}

/* Two CA files side by side: each is verified against its own, and neither is read again at each handshake. */
static void test_ca_files_side_by_side(void **state)
{
    (void)state;
    struct world w;
    SSL_CTX *ctx = server_context(&good, "IP:127.0.0.1", -60, 3600, NULL);
    SSL_CTX *ctx2 = server_context(&other, "IP:127.0.0.1", -60, 3600, NULL);
    struct peer *p = peer_start(serve_hello, ctx), *q = peer_start(serve_hello, ctx2);
    open_with(&w, &good);
    struct http_target *first = w.target, *second = http_target_new(w.http, other.file);
    for (int i = 0; i < 6; i++) {
        bool odd = i & 1;
        w.target = odd ? second : first;
        struct http_request request = world_request(&w, peer_url(odd ? q : p, "127.0.0.1"));
        request.fresh = true;
        assert_outcome(world_ask(&w, &request), STAGE_DONE, OUTCOME_OK);
        request.url = peer_url(odd ? p : q, "127.0.0.1");
        assert_outcome(world_ask(&w, &request), STAGE_TLS, OUTCOME_TLS);
        if (i == 1) { /* both were read; from here on they may be gone */
            unlink(good.file);
            unlink(other.file);
        }
    }
    write_pem(good.file, good.cert, NULL);
    write_pem(other.file, other.cert, NULL);
    w.target = first;
    http_target_free(second);
    world_close(&w);
    peer_stop(p);
    peer_stop(q);
    SSL_CTX_free(ctx);
    SSL_CTX_free(ctx2);
}

static void test_ca_file_that_is_not_there(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct err err = {""};
    assert_null(http_new(loop, &(struct http_setup){.ca_file = "/nonexistent/ca.pem"}, &err));
    assert_non_null(strstr(err.text, "/nonexistent/ca.pem"));
    loop_free(loop);
    /* A target's own file is looked at when it is needed: that is our fault, not the relay's. */
    struct world w;
    SSL_CTX *ctx = server_context(&good, "IP:127.0.0.1", -60, 3600, NULL);
    struct peer *p = peer_start(serve_hello, ctx);
    open_with(&w, &good);
    http_target_free(w.target);
    w.target = http_target_new(w.http, "/nonexistent/ca.pem");
    const struct http_result *r = world_get(&w, peer_url(p, "127.0.0.1"));
    assert_outcome(r, STAGE_TLS, OUTCOME_LOCAL);
    world_close(&w);
    peer_stop(p);
    SSL_CTX_free(ctx);
}

/* --- HTTP/2 ----------------------------------------------------------------------------------------------------------- */

static pid_t start_nghttpx(const char *pem, int port, int back)
{
    char front[64], behind[64], key[64], cert[64];
    snprintf(front, sizeof(front), "-f127.0.0.1,%d", port);
    snprintf(behind, sizeof(behind), "-b127.0.0.1,%d", back);
    snprintf(key, sizeof(key), "%s", pem);
    snprintf(cert, sizeof(cert), "%s", pem);
    char name[] = "nghttpx", single[] = "--single-process", level[] = "--log-level=FATAL", log[] = "--errorlog-file=/dev/null", conf[] = "--conf=/dev/null";
    char *const argv[] = {name, front, behind, single, level, log, conf, key, cert, NULL};
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that fails */
        execvp(name, argv);
        _exit(127);
    }
    return pid;
}

static bool await_port(int port, pid_t pid)
{
    usec_t until = test_clock() + PEER_PATIENCE;
    while (test_clock() < until && waitpid(pid, NULL, WNOHANG) == 0) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r = connect(fd, (struct sockaddr *)(void *)&a, sizeof(a));
        close(fd);
        if (r == 0)
            return true;
        test_sleep(10 * MSEC);
    }
    return false;
}

static void serve_h2_back(struct line *l)
{
    while (line_request(l)) {
        bool post = strncmp(l->peer->request, "POST", 4) == 0;
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nRetry-After: 4\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 3; i++) {
            line_say(l, "6\r\npiece \r\n");
            test_sleep(10 * MSEC);
        }
        line_say(l, post && strstr(l->peer->request, "\r\n\r\nthe body") != NULL ? "3\r\nyes\r\n0\r\n\r\n" : "2\r\nno\r\n0\r\n\r\n");
    }
}

struct pair {
    struct world *w;
    int left;
    int reused;
};

static void pair_done(void *arg, const struct http_result *result)
{
    struct pair *pair = arg;
    assert_outcome(result, STAGE_DONE, OUTCOME_OK);
    assert_int_equal(result->http_version, 20);
    pair->reused += result->reused;
    if (--pair->left == 0)
        loop_stop(pair->w->loop);
}

/* Two targets at once: two connections, since two requests on one would be measured through each other. */
static void two_at_once(struct world *w, const char *url)
{
    struct pair pair = {.w = w, .left = 2};
    struct http_target *second = http_target_new(w->http, NULL);
    struct http_request request = world_request(w, url);
    request.on_data = NULL;
    request.on_done = pair_done;
    request.arg = &pair;
    uint64_t before = http_stats(w->http).connections;
    assert_int_equal(http_start(w->target, &request, NULL), 0);
    assert_int_equal(http_start(second, &request, NULL), 0);
    world_run(w);
    assert_int_equal(pair.reused, 1);
    assert_int_equal(http_stats(w->http).connections, before + 1);
    http_target_free(second);
}

static void test_http2(void **state)
{
    (void)state;
    struct world w;
    char pem[64], url[64];
    snprintf(pem, sizeof(pem), "%s/front.pem", folder);
    SSL_CTX_free(server_context(&good, "IP:127.0.0.1", -60, 3600, pem));
    struct peer *back = peer_start(serve_h2_back, NULL), *lender = peer_start(NULL, NULL);
    int port = lender->port;
    peer_stop(lender);
    pid_t pid = start_nghttpx(pem, port, back->port);
    bool up = pid > 0 && await_port(port, pid);
    if (!up) {
        peer_stop(back);
        unlink(pem);
        print_message("skipped: nghttpx (nghttp2-proxy) does not run here\n");
        skip();
    }
    open_with(&w, &good);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/v1/chat", port);
    struct http_request request = world_request(&w, url);
    request.method = "POST";
    request.body = "the body";
    request.body_len = 8;
    for (int i = 0; i < 3; i++) {
        const struct http_result *r = world_ask(&w, &request);
        assert_outcome(r, STAGE_DONE, OUTCOME_OK);
        assert_int_equal(r->http_version, 20);
        assert_int_equal(r->status, 200);
        assert_int_equal(r->reused, i > 0);
        assert_int_equal(r->retry_after, 4 * USEC_PER_SEC);
        assert_string_equal(r->content_type, "text/event-stream");
        assert_string_equal(buf_str(&w.body), "piece piece piece yes");
        assert_true(w.last - r->headers >= 20 * MSEC); /* as they came, not in one */
    }
    two_at_once(&w, url);
    /* nghttpx dies under a request on the kept connection: a reset, and nothing is tried again. */
    int before = atomic_load(&back->requests);
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid); /* all of its threads */
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    struct loop_timer *killer = loop_timer_new(w.loop, "killer", world_overdue, &w);
    loop_timer_set(killer, loop_now_fresh(w.loop) + 50 * MSEC);
    loop_run(w.loop);
    loop_timer_free(killer);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int done = w.done;
    world_run(&w);
    assert_int_equal(w.done, done + 1);
    assert_outcome(&w.result, STAGE_HEADERS, OUTCOME_RESET);
    assert_int_equal(atomic_load(&back->requests), before);
    world_close(&w);
    peer_stop(back);
    unlink(pem);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verified),
        cmocka_unit_test(test_not_acceptable),
        cmocka_unit_test(test_no_handshake),
        cmocka_unit_test(test_sessions_are_resumed),
        cmocka_unit_test(test_ca_files_side_by_side),
        cmocka_unit_test(test_ca_file_that_is_not_there),
        cmocka_unit_test(test_http2),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
