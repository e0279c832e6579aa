/* The families' ways of saying things: error bodies, model lists, headers, the web page at "/". */
#ifndef RELAYSIM_FAMILIES_H
#define RELAYSIM_FAMILIES_H

#include "shared/buf.h"
#include "tests/relaysim/dialect.h"
#include "tests/relaysim/relay.h"

/* What an error sentence is made of. */
struct complaint {
    enum family family;
    enum dialect dialect;
    enum error_id error;
    enum error_body body;
    const char *message; /* in place of the family's; NULL = the family's */
    const char *model, *method, *path;
    uint64_t id; /* for "request id" */
};

/* The HTTP status that this family answers with. */
int family_status(enum family family, enum error_id error);
/* The body onto `ret`; says its content type. `status` is what is sent (OpenRouter repeats it). */
const char *family_error(const struct complaint *c, int status, struct buf *ret);
/* Only the JSON object, for an event in a stream. */
void family_error_object(const struct complaint *c, int status, struct buf *ret);

/* The list of models in a dialect: GEMINI and ANTHROPIC have shapes of their own, the others the family's. */
void family_models(const struct relay *relay, enum dialect dialect, struct buf *ret);
/* The i-th name that is listed, NULL at the end; a relay that takes every model lists one. */
const char *family_listed(const struct relay *relay, size_t i);
void family_headers(enum family family, uint64_t id, struct buf *ret);
const char *family_comment(enum family family); /* without the colon */
void family_page(const struct relay *relay, struct buf *ret);
/* "chatcmpl-", "gen-", ... with the number. */
void family_reply_id(enum family family, enum dialect dialect, uint64_t id, char *ret, size_t size);

#endif
