/* The ids of a route's answers: cleaned, and whether they look as they should. Pure. */
#ifndef PROBED_PROBE_REPLY_ID_H
#define PROBED_PROBE_REPLY_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probed/config/config.h"

#define REPLY_ID_MAX     65 /* with its NUL */
#define REPLY_PREFIX_MAX 12 /* with its NUL */

/* Into ret if it is one: 1 to 64 of A-Z a-z 0-9 _ . -, else "". */
void reply_id_clean(char ret[REPLY_ID_MAX], const char *id);

struct reply_ids { /* zero = nothing known */
    char usual[REPLY_PREFIX_MAX], newest[REPLY_PREFIX_MAX];
    uint8_t usual_times, newest_times; /* in a row */
    uint8_t last_next;
    uint64_t last[4]; /* hashes of the last ids; 0 = none */
};
/* A good answer's clean id ("" = none came). True if it is odd: one that this dialect cannot have made for the model, one that came
 * before, or not as this route's ids usually begin. `why`: one line. */
bool reply_id_odd(struct reply_ids *ids, enum dialect_id dialect, const char *model, const char *id, char *why, size_t size);

#endif
