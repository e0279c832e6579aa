/* A route as shell text: what `eval "$(routectl best MODEL -o env)"` runs. */
#ifndef ROUTECTL_ENVIRONMENT_H
#define ROUTECTL_ENVIRONMENT_H

#include <stdbool.h>

#include "shared/buf.h"
#include "shared/err.h"

struct environment_route { /* borrowed; NULL = not known */
    const char *platform, *model, *upstream_model, *endpoint, *dialect;
    const char *key_env; /* name of the variable that holds the key */
};

/* Appends one export a line, every value quoted, the key only as a reference to its variable. -EINVAL with err said, and nothing appended,
 * if something in it has no place in a shell. */
int environment_write(const struct environment_route *route, struct buf *ret, struct err *err) ATTR_UNUSED_RESULT;
/* [A-Za-z_][A-Za-z0-9_]*, not absurdly long. */
bool environment_is_name(const char *name);
/* Free of control characters and not empty: may stand alone on a line of output. */
bool environment_is_line(const char *text);

#endif
