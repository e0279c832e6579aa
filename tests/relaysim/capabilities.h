/* What a chat asks for beyond text, and what the simulated model makes of it: calls of functions, JSON, pictures. */
#ifndef RELAYSIM_CAPABILITIES_H
#define RELAYSIM_CAPABILITIES_H

#include "tests/relaysim/asked.h"

struct wishes {
    int wanted;          /* enum capability_bit: what the request asks for */
    const cJSON *tool;   /* the function that is to be called: its object with name and parameters */
    const char *name;    /* of it */
    const cJSON *schema; /* that the answer (or the arguments) must satisfy; NULL = any object */
    const char *picture; /* base64 or a data URL */
};

/* What the request asks for, in any of the dialects. */
void capabilities_read(const struct asked *a, struct wishes *ret);
/* What it asks for and this relay cannot do, as far as it says so: answered with an error, if that is its way. True: it has been. */
bool capabilities_refuse(struct asked *a, const struct wishes *w);
/* What is said because of a wish. False: it is plain text that is wanted, or the wish is passed over. *tool: the function that is called
 * with it, or NULL. */
bool capabilities_say(const struct asked *a, const struct wishes *w, const char *prompt, struct buf *ret, const char **tool);
/* Without that: is it passed over (ignore), is it pretended (lie)? */
bool capabilities_ignored(const struct behaviour *b, int capability);
bool capabilities_pretended(const struct behaviour *b, int capability);

#endif
