/* Keys: where they come from, and a holder that has no formatter, so that none can end up in a log by accident.
 *
 * Sources, tried in this order where several are given: a systemd credential ($CREDENTIALS_DIRECTORY/name), a file (refused when others can
 * read it or it is not a plain file), an environment variable. One line; surrounding white space is cut; 4,096 bytes at most; no control characters. */
#ifndef PROBED_CONFIG_SECRET_H
#define PROBED_CONFIG_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/err.h"

struct secret_source {
    char *credential, *file, *env; /* any may be NULL; all NULL = keyless */
};

struct secret; /* opaque; wiped when freed */

/* 0 with *ret set; -ENOENT: none of the places has it (err says which were tried); -EPERM: a file others can read; -EINVAL: not a key. */
int secret_load(const struct secret_source *source, struct secret **ret, struct err *err) ATTR_UNUSED_RESULT;
struct secret *secret_free(struct secret *secret); /* returns NULL */
/* The bytes, for the one place that puts them in a request. Borrowed. */
const char *secret_reveal(const struct secret *secret);
bool secret_equal(const struct secret *a, const struct secret *b); /* both may be NULL */
/* Hides in `text`, in place, what is in it of these keys (each may be NULL), since relays quote them back: SECRET_SHOWS characters in a row are enough, in
 * capitals or percent-encoded as well. True if there was any. A text of more than 4,096 bytes is cut. */
#define SECRET_SHOWS 8
bool secret_hide(const struct secret *const *keys, size_t keys_len, char *text);
/* "env OPENROUTER_API_KEY": where it would come from, never what it is. */
void secret_describe(const struct secret_source *source, char *buf, size_t size);

#endif
