/* A platform's list of models, of any family: read once, then asked by id. Pure. */
#ifndef PROBED_PROBE_MODELS_H
#define PROBED_PROBE_MODELS_H

#include "probed/probe/classify.h"

#define MODELS_MAX 100000

struct models_list;

/* An answer with status 200. *ret is the list (the outcome is OK), or NULL (the classification says why it is none). */
struct classification models_list_parse(int status, const char *content_type, const char *body, size_t len, struct models_list **ret);
void models_list_free(struct models_list *list);        /* NULL is fine */
size_t models_list_len(const struct models_list *list); /* different ids */
/* More pages were announced, or more than MODELS_MAX ids: what is not in it may still be there. */
bool models_list_partial(const struct models_list *list);
/* False only where the id is reliably not on the platform: a partial list has everything. Compared without regard to ASCII case. */
bool models_list_has(const struct models_list *list, const char *id);

#endif
