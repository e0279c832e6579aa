/* The certificate authority of the simulation and the certificates, good and bad, that its relays show. */
#ifndef RELAYSIM_TLS_H
#define RELAYSIM_TLS_H

#include <openssl/ssl.h>

#include "shared/err.h"

enum tls_show { TLS_SHOW_GOOD, TLS_SHOW_EXPIRED, TLS_SHOW_SELF_SIGNED, TLS_SHOW_WRONG_NAME, TLS_SHOW_UNTRUSTED, TLS_SHOW_COUNT };

struct tls_signers; /* the CA, and one that nobody trusts */
struct tls_name;    /* a certificate for a name that was asked for */

struct tls {
    SSL_CTX *contexts[TLS_SHOW_COUNT];
    char *ca_file; /* PEM, for clients to trust */
    struct tls_signers *signers;
    struct tls_name *names;
    size_t names_len;
};

/* The CA of `dir` (made there if there is none: ca.pem, ca.key), new certificates under it (relay.pem, relay.key are the good one's). */
int tls_init(struct tls *tls, const char *dir, struct err *err) ATTR_UNUSED_RESULT;
void tls_done(struct tls *tls);
/* In a handshake: shows this kind of certificate, made out to `name` as well. */
void tls_show(struct tls *tls, SSL *ssl, enum tls_show show, const char *name);

#endif
