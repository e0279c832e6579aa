/* Certificates for the simulation.
 *
 * A CA is made once in the given directory and used again by later starts there, so that a client that trusts ca.pem keeps trusting a
 * restarted simulation. Leaf certificates are new at every start: one good (localhost, 127.0.0.1, ::1), and one for each way of being bad.
 * A client that asks for NAME.test gets one that is made out to that name, too (a wildcard *.test is not accepted by OpenSSL: one label
 * alone is too wide); these are made when first asked for, and kept, up to a cap. All are P-256, which keeps a handshake cheap. The keys
 * are written with mode 0600. */
#include "tests/relaysim/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/alloc.h"

#define DAY          86400L
#define NAMES_MAX    4096 /* made-out certificates that are kept */
#define COMMON_NAMES "DNS:localhost,IP:127.0.0.1,IP:::1"

struct identity {
    X509 *cert;
    EVP_PKEY *key;
};

static void identity_done(struct identity *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
    *id = (struct identity){.cert = NULL};
}

static int fail(struct err *err, const char *what)
{
    char text[160] = "";
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    return err_set(err, -EIO, "%s: %s", what, text);
}

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    int ok = ext && X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

static int set_serial(X509 *cert)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return 0;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    int ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

struct wish {                 /* what kind of certificate */
    const char *name, *names; /* common name; subjectAltName, NULL = a CA */
    long from, until;         /* seconds from now */
};

/* A key and a certificate for it, signed by `ca`, or by itself. */
static int make_identity(const struct wish *wish, const struct identity *ca, struct identity *ret, struct err *err)
{
    struct identity id = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *name = id.cert ? X509_get_subject_name(id.cert) : NULL;
    const struct identity *signer = ca ? ca : &id;
    int ok = name && id.key && X509_set_version(id.cert, 2) && set_serial(id.cert) &&
             X509_gmtime_adj(X509_getm_notBefore(id.cert), wish->from) && X509_gmtime_adj(X509_getm_notAfter(id.cert), wish->until) &&
             X509_set_pubkey(id.cert, id.key) &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)wish->name, -1, -1, 0) &&
             X509_set_issuer_name(id.cert, X509_get_subject_name(signer->cert)) &&
             add_extension(id.cert, signer->cert, NID_subject_key_identifier, "hash");
    if (ok && wish->names)
        ok = add_extension(id.cert, signer->cert, NID_basic_constraints, "critical,CA:FALSE") &&
             add_extension(id.cert, signer->cert, NID_subject_alt_name, wish->names) &&
             add_extension(id.cert, signer->cert, NID_ext_key_usage, "serverAuth");
    else if (ok)
        ok = add_extension(id.cert, signer->cert, NID_basic_constraints, "critical,CA:TRUE") &&
             add_extension(id.cert, signer->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    ok = ok && X509_sign(id.cert, signer->key, EVP_sha256()) > 0;
    if (!ok) {
        identity_done(&id);
        return fail(err, "making a certificate");
    }
    *ret = id;
    return 0;
}

static FILE *open_private(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f && fd >= 0)
        close(fd);
    return f;
}

static int save_identity(const struct identity *id, const char *cert_path, const char *key_path, struct err *err)
{
    FILE *cert = fopen(cert_path, "we"), *key = open_private(key_path);
    bool ok = cert && key && PEM_write_X509(cert, id->cert) && PEM_write_PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL);
    if (cert)
        ok = fclose(cert) == 0 && ok;
    if (key)
        ok = fclose(key) == 0 && ok;
    return ok ? 0 : err_set(err, -EIO, "cannot write %s and %s: %s", cert_path, key_path, strerror(errno));
}

/* 0, or -ENOENT when there is no usable CA there. */
static int load_identity(const char *cert_path, const char *key_path, struct identity *ret)
{
    struct identity id = {.cert = NULL};
    FILE *cert = fopen(cert_path, "re"), *key = fopen(key_path, "re");
    if (cert)
        id.cert = PEM_read_X509(cert, NULL, NULL, NULL);
    if (key)
        id.key = PEM_read_PrivateKey(key, NULL, NULL, NULL);
    if (cert)
        fclose(cert);
    if (key)
        fclose(key);
    if (!id.cert || !id.key || X509_check_private_key(id.cert, id.key) != 1 || X509_cmp_current_time(X509_get0_notAfter(id.cert)) <= 0) {
        identity_done(&id);
        ERR_clear_error();
        return -ENOENT;
    }
    *ret = id;
    return 0;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(const struct identity *id, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_use_certificate(ctx, id->cert) != 1 || SSL_CTX_use_PrivateKey(ctx, id->key) != 1) {
        SSL_CTX_free(ctx);
        fail(err, "TLS");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"relaysim", 8);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    return ctx;
}

struct tls_signers {
    struct identity ca, other;
};

struct tls_name {
    struct tls_name *next;
    enum tls_show show;
    struct identity id;
    char name[];
};

/* A leaf of this kind. `names`: its subjectAltName where it is not the wrong one. */
static int make_leaf(const struct tls_signers *signers, enum tls_show show, const char *names, struct identity *ret, struct err *err)
{
    struct wish wish = {"localhost", names, -DAY, 30 * DAY};
    const struct identity *signer = &signers->ca;
    switch (show) {
    case TLS_SHOW_EXPIRED:
        wish.from = -30 * DAY;
        wish.until = -DAY;
        break;
    case TLS_SHOW_SELF_SIGNED:
        signer = NULL;
        break;
    case TLS_SHOW_WRONG_NAME:
        wish.name = "elsewhere.invalid";
        wish.names = "DNS:elsewhere.invalid";
        break;
    case TLS_SHOW_UNTRUSTED:
        signer = &signers->other;
        break;
    default:
        break;
    }
    return make_identity(&wish, signer, ret, err);
}

static int make_contexts(struct tls *tls, const char *dir, struct err *err)
{
    int e = 0;
    for (int i = 0; i < TLS_SHOW_COUNT && e == 0; i++) {
        struct identity id = {.cert = NULL};
        e = make_leaf(tls->signers, (enum tls_show)i, COMMON_NAMES, &id, err);
        if (e == 0 && i == TLS_SHOW_GOOD) {
            CLEANUP(alloc_freep) char *cert_path = alloc_printf("%s/relay.pem", dir);
            CLEANUP(alloc_freep) char *key_path = alloc_printf("%s/relay.key", dir);
            e = save_identity(&id, cert_path, key_path, err);
        }
        if (e == 0 && !(tls->contexts[i] = make_context(&id, err)))
            e = -EIO;
        identity_done(&id);
    }
    return e;
}

static bool is_test_name(const char *name)
{
    size_t len = strlen(name);
    return len > 5 && len < 200 && strcmp(name + len - 5, ".test") == 0 && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.")];
}

static const struct identity *find_name(struct tls *tls, enum tls_show show, const char *name)
{
    for (struct tls_name *n = tls->names; n; n = n->next)
        if (n->show == show && strcmp(n->name, name) == 0)
            return &n->id;
    if (tls->names_len >= NAMES_MAX || !is_test_name(name))
        return NULL;
    CLEANUP(alloc_freep) char *names = alloc_printf("%s,DNS:%s", COMMON_NAMES, name);
    size_t size = strlen(name) + 1;
    struct tls_name *n = alloc_zero(1, sizeof *n + size);
    if (make_leaf(tls->signers, show, names, &n->id, NULL) < 0) {
        free(n);
        return NULL;
    }
    n->show = show;
    memcpy(n->name, name, size);
    n->next = tls->names;
    tls->names = n;
    tls->names_len++;
    return &n->id;
}

void tls_show(struct tls *tls, SSL *ssl, enum tls_show show, const char *name)
{
    if (SSL_get_SSL_CTX(ssl) != tls->contexts[show])
        SSL_set_SSL_CTX(ssl, tls->contexts[show]);
    const struct identity *id = find_name(tls, show, name);
    if (id) {
        SSL_use_certificate(ssl, id->cert);
        SSL_use_PrivateKey(ssl, id->key);
    }
}

static int load_or_make_ca(struct tls *tls, const char *dir, struct err *err)
{
    static const struct wish wish = {"Simulated CA of relaysim", NULL, -DAY, 3650 * DAY};
    static const struct wish other = {"Some other simulated CA", NULL, -DAY, 30 * DAY};
    CLEANUP(alloc_freep) char *key_path = alloc_printf("%s/ca.key", dir);
    struct identity *ca = &tls->signers->ca;
    int e = make_identity(&other, NULL, &tls->signers->other, err);
    if (e < 0 || load_identity(tls->ca_file, key_path, ca) == 0)
        return e;
    e = make_identity(&wish, NULL, ca, err);
    return e == 0 ? save_identity(ca, tls->ca_file, key_path, err) : e;
}

int tls_init(struct tls *tls, const char *dir, struct err *err)
{
    *tls = (struct tls){.ca_file = NULL};
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_set(err, -errno, "cannot make %s: %s", dir, strerror(errno));
    tls->ca_file = alloc_printf("%s/ca.pem", dir);
    tls->signers = alloc_zero(1, sizeof *tls->signers);
    int e = load_or_make_ca(tls, dir, err);
    if (e == 0)
        e = make_contexts(tls, dir, err);
    if (e < 0)
        tls_done(tls);
    return e;
}

void tls_done(struct tls *tls)
{
    for (int i = 0; i < TLS_SHOW_COUNT; i++)
        SSL_CTX_free(tls->contexts[i]);
    for (struct tls_name *n; (n = tls->names);) {
        tls->names = n->next;
        identity_done(&n->id);
        free(n);
    }
    if (tls->signers) {
        identity_done(&tls->signers->ca);
        identity_done(&tls->signers->other);
    }
    free(tls->signers);
    free(tls->ca_file);
    *tls = (struct tls){.ca_file = NULL};
}
