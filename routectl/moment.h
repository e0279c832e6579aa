/* Moments as people write and read them: "7d" ago, a day, a time of day. */
#ifndef ROUTECTL_MOMENT_H
#define ROUTECTL_MOMENT_H

#include <stddef.h>

#include "shared/err.h"
#include "shared/units.h"

/* "90m", "7d": so long before now; "2026-11-01", "2026-11-01 13:30", "2026-11-01T13:30:05": in local time, with a "Z" in UTC; "now"; Unix
 * seconds. -EINVAL with err said. */
int moment_parse(const char *text, usec_t now, usec_t *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "2026-11-24 03:42:17", local time. */
char *moment_format(char *buf, size_t size, usec_t at);

#endif
