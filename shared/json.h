/* Typed, capped access over cJSON: for bytes from relays, from clients of the socket, and for our own answers.
 *
 * Parsing refuses what is not one whole JSON text in UTF-8 within the caps (size by the caller, depth JSON_DEPTH_MAX). Getters
 * take a possibly-NULL object and never fail: they say whether the member was there with the right type. Numbers that are
 * not finite never get out. What JSON can write and a C string cannot hold (\u0000, half a surrogate pair) is read as U+FFFD.
 * Of members with the same name the first counts. */
#ifndef SHARED_JSON_H
#define SHARED_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/err.h"
#include "shared/units.h"

#define JSON_DEPTH_MAX 64
#define JSON_VALUES_MAX (4 * 1024 * 1024) /* values of all kinds in one text: each takes 64 bytes of memory */

/* NULL with err said. Caller frees with cJSON_Delete (or CLEANUP(json_deletep)). */
cJSON *json_parse(const char *data, size_t len, struct err *err) ATTR_UNUSED_RESULT;
void json_deletep(cJSON **json);

/* "a.b.c" walks objects; a number walks an array ("choices.0.delta"). NULL when any step is missing. */
const cJSON *json_at(const cJSON *json, const char *path);
const char *json_string(const cJSON *json, const char *path); /* NULL if missing or no string */
bool json_number(const cJSON *json, const char *path, double *ret);
bool json_int(const cJSON *json, const char *path, int64_t *ret); /* also from an integral float; within int64 */
bool json_bool(const cJSON *json, const char *path, bool *ret);
/* A string or a number as text (relays disagree about "code"); buf holds it. NULL if neither. */
const char *json_text(const cJSON *json, const char *path, char *buf, size_t size);

/* Builders; every string is checked for UTF-8 and mended (U+FFFD) before it goes in. `name` NULL appends to an array. */
void json_add_string(cJSON *json, const char *name, const char *value); /* NULL value adds null */
void json_add_number(cJSON *json, const char *name, double value);      /* not finite adds null */
void json_add_int(cJSON *json, const char *name, int64_t value);        /* exact, also beyond 2^53 */
void json_add_bool(cJSON *json, const char *name, bool value);
void json_add_null(cJSON *json, const char *name);
/* A time as Unix seconds with milliseconds, a duration as milliseconds with microseconds; negative or infinite adds null. */
void json_add_time(cJSON *json, const char *name, usec_t unix_usec);
void json_add_msec(cJSON *json, const char *name, usec_t duration);
cJSON *json_new_object(void); /* a root; never NULL */
cJSON *json_add_object(cJSON *json, const char *name);
cJSON *json_add_array(cJSON *json, const char *name);

/* Prints compactly (or indented by two spaces) onto buf, without a newline at its end. Use this and not cJSON_Print, which rounds. */
void json_print(const cJSON *json, bool indented, struct buf *ret);
/* Writes s as a JSON string with its quotes; what text_is_harmful says is escaped too. */
void json_quote(struct buf *ret, const char *s);
/* The shortest text that reads back as the same double ("0.1", "1763950000.25"); "null" if it is not finite. 32 bytes are enough. */
char *json_format_number(char *buf, size_t size, double value);

#endif
