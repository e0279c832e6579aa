/* Typed, capped access over cJSON: reading and building.
 *
 * Bytes are validated first (json_scan.c), so that the parser only ever sees JSON; a failure there is a sentence with a position.
 * Trees are cJSON's and are freed with cJSON_Delete. Readers borrow: what they return lives as long as the tree. Of members with the same
 * name the first counts; names are compared exactly, never without case. Integers beyond 2^53 are kept in a tree as raw text, which the
 * readers here understand as well. Nothing here keeps state, and no getter fails on anything that it is given. */
#include "shared/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json_scan.h"
#include "shared/text.h"

/* Every integer up to here is a double. */
#define EXACT_MAX ((int64_t)1 << 53)

static const char bom[] = "\xEF\xBB\xBF";

cJSON *json_parse(const char *data, size_t len, struct err *err)
{
    if (!data)
        len = 0;
    if (len >= 3 && memcmp(data, bom, 3) == 0) {
        data += 3;
        len -= 3;
    }
    size_t mends = 0;
    if (json_scan(data, len, NULL, &mends, err) < 0)
        return NULL;
    CLEANUP(alloc_freep) char *mended = NULL;
    if (mends > 0) {
        mended = alloc_string_n(data, len);
        if (json_scan(data, len, mended, &mends, err) < 0)
            return NULL;
        data = mended;
    }
    cJSON *json = cJSON_ParseWithLengthOpts(data, len, NULL, false);
    if (!json)
        err_set(err, -EINVAL, "not JSON: the parser refused it");
    return json;
}

void json_deletep(cJSON **json)
{
    cJSON_Delete(*json);
    *json = NULL;
}

/* --- reading ---------------------------------------------------------------------------------------------------------- */

/* One step of a path: the element of that number, or the first member of that name. */
static const cJSON *step_into(const cJSON *json, const char *step, size_t len)
{
    if (cJSON_IsArray(json)) {
        size_t index = 0;
        if (len == 0 || len > 9)
            return NULL;
        for (size_t i = 0; i < len; i++) {
            if (step[i] < '0' || step[i] > '9')
                return NULL;
            index = index * 10 + (size_t)(step[i] - '0');
        }
        const cJSON *item = json->child;
        while (item && index-- > 0)
            item = item->next;
        return item;
    }
    if (!cJSON_IsObject(json))
        return NULL;
    for (const cJSON *item = json->child; item; item = item->next)
        if (item->string && strncmp(item->string, step, len) == 0 && item->string[len] == '\0')
            return item;
    return NULL;
}

const cJSON *json_at(const cJSON *json, const char *path)
{
    if (!path || !*path)
        return json;
    while (json) {
        size_t len = strcspn(path, ".");
        json = step_into(json, path, len);
        if (path[len] == '\0')
            break;
        path += len + 1;
    }
    return json;
}

const char *json_string(const cJSON *json, const char *path)
{
    return cJSON_GetStringValue(json_at(json, path));
}

static bool number_of(const cJSON *item, double *ret)
{
    double value;
    if (cJSON_IsNumber(item)) {
        value = item->valuedouble;
    } else if (cJSON_IsRaw(item) && item->valuestring) {
        char *end;
        value = strtod(item->valuestring, &end);
        if (end == item->valuestring || *end)
            return false;
    } else {
        return false;
    }
    if (!isfinite(value))
        return false;
    *ret = value;
    return true;
}

static bool int_of(const cJSON *item, int64_t *ret)
{
    if (cJSON_IsRaw(item) && item->valuestring) {
        char *end;
        errno = 0;
        intmax_t exact = strtoimax(item->valuestring, &end, 10);
        if (errno == 0 && end != item->valuestring && *end == '\0') {
            *ret = exact;
            return true;
        }
    }
    double value;
    /* 2^63 itself is a double and no int64. */
    if (!number_of(item, &value) || value != floor(value) || value < -0x1p63 || value >= 0x1p63)
        return false;
    *ret = (int64_t)value;
    return true;
}

bool json_number(const cJSON *json, const char *path, double *ret)
{
    return number_of(json_at(json, path), ret);
}

bool json_int(const cJSON *json, const char *path, int64_t *ret)
{
    return int_of(json_at(json, path), ret);
}

bool json_bool(const cJSON *json, const char *path, bool *ret)
{
    const cJSON *item = json_at(json, path);
    if (!cJSON_IsBool(item))
        return false;
    *ret = cJSON_IsTrue(item);
    return true;
}

const char *json_text(const cJSON *json, const char *path, char *buf, size_t size)
{
    if (size == 0)
        return NULL;
    const cJSON *item = json_at(json, path);
    const char *string = cJSON_GetStringValue(item);
    if (string)
        return text_copy(buf, size, string, strlen(string));
    int64_t exact;
    double value;
    if (cJSON_IsRaw(item) && int_of(item, &exact))
        snprintf(buf, size, "%" PRId64, exact);
    else if (number_of(item, &value))
        json_format_number(buf, size, value);
    else
        return NULL;
    return buf;
}

/* --- building --------------------------------------------------------------------------------------------------------- */

/* NULL from cJSON means no memory here: all else was checked. */
static cJSON *made(cJSON *item)
{
    if (!item)
        abort();
    return item;
}

static void add(cJSON *json, const char *name, cJSON *item)
{
    bool added;
    if (!name) {
        added = cJSON_AddItemToArray(json, made(item));
    } else if (text_is_utf8(name, strlen(name))) {
        added = cJSON_AddItemToObject(json, name, made(item));
    } else {
        size_t size = strlen(name) * 3 + 1;
        CLEANUP(alloc_freep) char *mended = alloc_zero(size, 1);
        added = cJSON_AddItemToObject(json, text_copy(mended, size, name, strlen(name)), made(item));
    }
    if (!added)
        cJSON_Delete(item);
}

void json_add_string(cJSON *json, const char *name, const char *value)
{
    if (!value) {
        json_add_null(json, name);
        return;
    }
    size_t len = strlen(value);
    if (text_is_utf8(value, len)) {
        add(json, name, cJSON_CreateString(value));
        return;
    }
    /* A broken byte takes one byte and its replacement three. */
    size_t size = len * 3 + 1;
    CLEANUP(alloc_freep) char *mended = alloc_zero(size, 1);
    add(json, name, cJSON_CreateString(text_copy(mended, size, value, len)));
}

void json_add_number(cJSON *json, const char *name, double value)
{
    if (isfinite(value))
        add(json, name, cJSON_CreateNumber(value));
    else
        json_add_null(json, name);
}

void json_add_int(cJSON *json, const char *name, int64_t value)
{
    if (value >= -EXACT_MAX && value <= EXACT_MAX) {
        add(json, name, cJSON_CreateNumber((double)value));
        return;
    }
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    add(json, name, cJSON_CreateRaw(text));
}

void json_add_bool(cJSON *json, const char *name, bool value)
{
    add(json, name, cJSON_CreateBool(value));
}

void json_add_null(cJSON *json, const char *name)
{
    add(json, name, cJSON_CreateNull());
}

void json_add_time(cJSON *json, const char *name, usec_t unix_usec)
{
    if (unix_usec < 0 || unix_usec == USEC_INFINITY)
        json_add_null(json, name);
    else
        json_add_number(json, name, (double)(unix_usec / USEC_PER_MSEC) / 1000.0);
}

void json_add_msec(cJSON *json, const char *name, usec_t duration)
{
    if (duration < 0 || duration == USEC_INFINITY)
        json_add_null(json, name);
    else
        json_add_number(json, name, (double)duration / 1000.0);
}

cJSON *json_new_object(void)
{
    return made(cJSON_CreateObject());
}

cJSON *json_add_object(cJSON *json, const char *name)
{
    cJSON *item = made(cJSON_CreateObject());
    add(json, name, item);
    return item;
}

cJSON *json_add_array(cJSON *json, const char *name)
{
    cJSON *item = made(cJSON_CreateArray());
    add(json, name, item);
    return item;
}
