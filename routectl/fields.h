/* Members of the daemon's answers in our own units, whatever is missing or of the wrong type. */
#ifndef ROUTECTL_FIELDS_H
#define ROUTECTL_FIELDS_H

#include "shared/json.h"
#include "shared/units.h"

usec_t field_time(const cJSON *json, const char *path);       /* wall clock; 0 = unknown */
usec_t field_msec(const cJSON *json, const char *path);       /* -1 = unknown */
double field_number(const cJSON *json, const char *path);     /* NAN = unknown */
int64_t field_count(const cJSON *json, const char *path);     /* 0 if unknown */
const char *field_words(const cJSON *json, const char *path); /* "" if unknown; never NULL */
bool field_true(const cJSON *json, const char *path);
/* The strings of an array, with ", " between them. */
void field_list(struct buf *ret, const cJSON *array);
/* "region=cn invoice". */
void field_tags(struct buf *ret, const cJSON *tags);

#endif
