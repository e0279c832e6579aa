/* What the verbs about routes are asked for: a platform, a route, or a model wherever it is sold. */
#ifndef ROUTECTL_SCOPE_H
#define ROUTECTL_SCOPE_H

#include "routectl/fetch.h"

/* Asks `path` for what the command's first argument names, for everything without one. A word that is no platform's name is asked for as a
 * model's. */
enum exit_code scope_fetch(const struct command *command, const char *path, struct fetched *ret) ATTR_UNUSED_RESULT;

/* Appends currency=CODE, in capitals, if the command names one. */
void scope_currency(struct buf *target, const struct command *command);

/* The routes of an answer, those of one model side by side, models and platforms in the order in which they came. Caller frees the array;
 * what is no object is left out. */
const cJSON **scope_by_model(const cJSON *routes, size_t *ret_len);

#endif
