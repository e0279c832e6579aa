/* Operators' words: drain, pin, enable, on a platform or one of its routes, until they expire. A list with rules; no I/O, `now` is wall clock.
 *
 * What holds for a route: the youngest word on the route itself, else the youngest on its platform. `enable` takes words back: without an expiry it removes those
 * on the same scope (on a platform: on all its routes too); where a wider drain remains, or with an expiry, it is kept as an exception. */
#ifndef PROBED_OVERRIDES_H
#define PROBED_OVERRIDES_H

#include "probed/serve/api.h"

#define OVERRIDES_MAX 1000

struct overrides {
    struct api_override *list;
    size_t len;
};

void overrides_done(struct overrides *o);
/* -EINVAL (nothing to say), -EBUSY (too many) with err said. */
int overrides_add(struct overrides *o, const struct api_override *word, struct err *err) ATTR_UNUSED_RESULT;
/* Removes what has expired; true if anything had. */
bool overrides_expire(struct overrides *o, usec_t now);
usec_t overrides_next_expiry(const struct overrides *o); /* USEC_INFINITY = none */
/* The word in force for the route, or NULL. */
const struct api_override *overrides_find(const struct overrides *o, const char *platform, const char *model);
/* Tells the ranker what is in force for each of its routes. */
void overrides_apply(const struct overrides *o, struct ranker *ranker, usec_t now);
cJSON *overrides_word_to_json(const struct api_override *word);
cJSON *overrides_to_json(const struct overrides *o);
/* Adds what the array holds; entries that make no sense are skipped and counted in the result. */
unsigned overrides_from_json(struct overrides *o, const cJSON *array);

#endif
