/* The server of the HTTP benchmark: one process, epoll, OpenSSL; its own two ports, plain and TLS, and answers that cost it as little as can be.
 *
 * A POST is answered with a chat stream of 20 events, each its own chunk and its own TLS record, as relays send them; anything else with two bytes.
 * It is forked from the benchmark, so that its CPU time is nobody's, and dies with it. */
#ifndef TESTS_BENCH_SERVER_H
#define TESTS_BENCH_SERVER_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_EVENTS 20
#define SERVER_CONNS 4096

struct server {
    pid_t pid;
    int plain, tls;     /* ports */
    char ca_file[64];
};

struct server_conn {
    int fd;
    SSL *ssl;
    bool shaken;
    size_t len;
    char in[8192];
};

static inline void server_die(const char *what)
{
    perror(what);
    exit(1);
}

static inline SSL_CTX *server_certificate(const char *ca_file)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509V3_CTX v3;
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"bench", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509V3_set_ctx(&v3, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *name = X509V3_EXT_conf_nid(NULL, &v3, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(cert, name, -1);
    X509_EXTENSION_free(name);
    X509_sign(cert, key, EVP_sha256());
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
        exit(1);
    FILE *f = fopen(ca_file, "w");
    if (f == NULL)
        server_die(ca_file);
    PEM_write_X509(f, cert);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

static inline int server_listen(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)(void *)&a, sizeof(a)) < 0 || listen(fd, 1024) < 0 || getsockname(fd, (struct sockaddr *)(void *)&a, &len) < 0)
        server_die("listen");
    *port = ntohs(a.sin_port);
    return fd;
}

static inline void server_write(struct server_conn *c, const char *data, size_t len)
{
    if (c->ssl != NULL)
        (void)SSL_write(c->ssl, data, (int)len); /* small enough for any socket's buffer */
    else
        (void)!send(c->fd, data, len, MSG_NOSIGNAL);
}

static inline void server_answer(struct server_conn *c)
{
    static const char small[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    if (c->in[0] != 'P') {
        server_write(c, small, sizeof(small) - 1);
        return;
    }
    server_write(c, head, sizeof(head) - 1);
    for (int i = 0; i < SERVER_EVENTS; i++) {
        char event[512], chunk[600];
        const char *delta = i == 0 ? "{\"role\":\"assistant\",\"content\":\"\"}" : "{\"content\":\" word\"}";
        const char *end = i == SERVER_EVENTS - 2 ? "\"stop\"" : "null";
        int n = i == SERVER_EVENTS - 1
                    ? snprintf(event, sizeof(event), "data: [DONE]\n\n")
                    : snprintf(event, sizeof(event),
                               "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1793000000,\"model\":\"gpt-4o-mini\","
                               "\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", delta, end);
        n = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n%s", (unsigned)n, event, i == SERVER_EVENTS - 1 ? "0\r\n\r\n" : "");
        server_write(c, chunk, (size_t)n);
    }
}

static inline void server_close(struct server_conn **table, struct server_conn *c)
{
    if (c->ssl != NULL) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    close(c->fd);
    table[c->fd] = NULL;
    free(c);
}

/* Everything that has come; false = over. */
static inline bool server_read(struct server_conn *c)
{
    if (c->ssl != NULL && !c->shaken) {
        int r = SSL_accept(c->ssl);
        if (r != 1)
            return SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_READ;
        c->shaken = true;
    }
    for (;;) {
        ssize_t n;
        if (c->ssl != NULL) {
            n = SSL_read(c->ssl, c->in + c->len, (int)(sizeof(c->in) - 1 - c->len));
            if (n <= 0)
                return SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ;
        } else {
            n = recv(c->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, 0);
            if (n <= 0)
                return n < 0 && errno == EAGAIN;
        }
        c->len += (size_t)n;
        c->in[c->len] = '\0';
        char *end = strstr(c->in, "\r\n\r\n");
        const char *length = strcasestr(c->in, "content-length:");
        if (end == NULL || c->len < (size_t)(end + 4 - c->in) + (length != NULL ? (size_t)atol(length + 15) : 0))
            continue;
        server_answer(c);
        c->len = 0;
    }
}

static inline void server_run(int plain, int tls, SSL_CTX *ctx)
{
    static struct server_conn *table[SERVER_CONNS];
    struct epoll_event events[64], e = {.events = EPOLLIN};
    int ep = epoll_create1(0);
    e.data.fd = plain;
    epoll_ctl(ep, EPOLL_CTL_ADD, plain, &e);
    e.data.fd = tls;
    epoll_ctl(ep, EPOLL_CTL_ADD, tls, &e);
    for (;;) {
        int n = epoll_wait(ep, events, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != plain && fd != tls) {
                if (table[fd] != NULL && !server_read(table[fd]))
                    server_close(table, table[fd]);
                continue;
            }
            int got, on = 1;
            while ((got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 && got < SERVER_CONNS) {
                setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
                struct server_conn *c = calloc(1, sizeof(*c));
                c->fd = got;
                if (fd == tls) {
                    c->ssl = SSL_new(ctx);
                    SSL_set_fd(c->ssl, got);
                }
                table[got] = c;
                e = (struct epoll_event){.events = EPOLLIN, .data.fd = got};
                epoll_ctl(ep, EPOLL_CTL_ADD, got, &e);
            }
        }
    }
}

static inline void server_start(struct server *s)
{
    snprintf(s->ca_file, sizeof(s->ca_file), "/tmp/probed-bench-%d.pem", (int)getpid());
    SSL_CTX *ctx = server_certificate(s->ca_file);
    int plain = server_listen(&s->plain), tls = server_listen(&s->tls);
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        server_run(plain, tls, ctx);
        _exit(0);
    }
    close(plain);
    close(tls);
    SSL_CTX_free(ctx);
}

static inline void server_stop(struct server *s)
{
    kill(s->pid, SIGKILL);
    unlink(s->ca_file);
}

#endif
