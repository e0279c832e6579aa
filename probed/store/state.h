/* The little that must survive a restart besides money: the epoch and the operators' overrides. One JSON file, replaced whole
 * (temporary, fsync, rename) on each change. A file that cannot be read is set aside (renamed), never deleted. */
#ifndef PROBED_STORE_STATE_H
#define PROBED_STORE_STATE_H

#include <stdint.h>

#include "shared/err.h"
#include "shared/json.h"

/* *ret: the object, or an empty one when there is no file or it was set aside (err then says so and 1 is returned). <0: the directory cannot be used. */
int state_read(const char *file, cJSON **ret, struct err *err) ATTR_UNUSED_RESULT;
int state_write(const char *file, const cJSON *json, struct err *err) ATTR_UNUSED_RESULT;

#endif
