/* Typed looks into an answer. A verb shows what is there and says "unknown" for the rest: an older or newer daemon is no reason to fail. */
#include "routectl/fields.h"

#include <math.h>

/* Unix seconds beyond this, or milliseconds, are no times of ours. */
#define SECONDS_MAX 1e11
#define MSEC_MAX    1e12

usec_t field_time(const cJSON *json, const char *path)
{
    double seconds;
    return json_number(json, path, &seconds) && seconds > 0 && seconds < SECONDS_MAX ? (usec_t)llround(seconds * 1e6) : 0;
}

usec_t field_msec(const cJSON *json, const char *path)
{
    double ms;
    return json_number(json, path, &ms) && ms >= 0 && ms < MSEC_MAX ? (usec_t)llround(ms * 1000) : -1;
}

double field_number(const cJSON *json, const char *path)
{
    double number;
    return json_number(json, path, &number) ? number : NAN;
}

int64_t field_count(const cJSON *json, const char *path)
{
    int64_t count = 0;
    json_int(json, path, &count);
    return count;
}

const char *field_words(const cJSON *json, const char *path)
{
    const char *words = json_string(json, path);
    return words ? words : "";
}

bool field_true(const cJSON *json, const char *path)
{
    bool yes = false;
    return json_bool(json, path, &yes) && yes;
}

void field_list(struct buf *ret, const cJSON *array)
{
    const cJSON *item;
    const char *gap = "";
    cJSON_ArrayForEach(item, array)
    {
        buf_printf(ret, "%s%s", gap, cJSON_IsString(item) ? item->valuestring : "?");
        gap = ", ";
    }
}

void field_tags(struct buf *ret, const cJSON *tags)
{
    const cJSON *tag;
    const char *gap = "";
    cJSON_ArrayForEach(tag, tags)
    {
        const char *value = cJSON_GetStringValue(tag);
        buf_printf(ret, "%s%s%s%s", gap, tag->string ? tag->string : "?", value && value[0] ? "=" : "", value ? value : "");
        gap = " ";
    }
}
