/* The bodies that writes bring: JSON from whoever may open the socket, so every member is checked for type, length and sense, and one that
 * is not known is an error: a misspelt "for_s" must not become a drain without an end. Pure: bytes in, a struct or one sentence out. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shared/text.h"

#define OVERRIDE_SECONDS_MAX (10.0 * 365 * 86400)

/* The object, its members all among names (NULL-terminated) and none twice. */
static int body_parse(const char *body, size_t len, const char *const *names, cJSON **ret, struct err *err)
{
    cJSON *json = json_parse(body, len, err);
    if (json == NULL) {
        err_prefix(err, "the body is not JSON");
        return -EINVAL;
    }
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return err_set(err, -EINVAL, "the body is not a JSON object");
    }
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        char name[64];
        size_t i = 0;
        text_copy(name, sizeof name, item->string, strlen(item->string));
        while (names[i] != NULL && strcmp(names[i], item->string) != 0)
            i++;
        int code = 0;
        if (names[i] == NULL)
            code = err_set(err, -EINVAL, "there is no member \"%s\" here", name);
        else if (cJSON_GetObjectItemCaseSensitive(json, item->string) != item)
            code = err_set(err, -EINVAL, "member \"%s\" is given more than once", name);
        if (code < 0) {
            cJSON_Delete(json);
            return code;
        }
    }
    *ret = json;
    return 0;
}

/* A string member into dst, which must hold it whole. Missing or null: "" if optional. */
static int body_string(const cJSON *json, const char *name, bool optional, char *dst, size_t size, struct err *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (item == NULL || cJSON_IsNull(item)) {
        if (!optional)
            return err_set(err, -EINVAL, "member \"%s\" is missing", name);
        dst[0] = '\0';
        return 0;
    }
    if (!cJSON_IsString(item) || item->valuestring == NULL)
        return err_set(err, -EINVAL, "member \"%s\" is not a string", name);
    if (strlen(item->valuestring) >= size)
        return err_set(err, -EINVAL, "member \"%s\" is longer than %zu bytes", name, size - 1);
    if (!optional && item->valuestring[0] == '\0')
        return err_set(err, -EINVAL, "member \"%s\" is empty", name);
    text_copy(dst, size, item->valuestring, strlen(item->valuestring));
    return 0;
}

static int override_parse_end(const cJSON *json, usec_t now, usec_t *ret, struct err *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "for_s");
    *ret = 0;
    if (item == NULL || cJSON_IsNull(item))
        return 0;
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) || item->valuedouble <= 0 || item->valuedouble > OVERRIDE_SECONDS_MAX)
        return err_set(err, -EINVAL, "member \"for_s\" is not a number of seconds above 0 and at most ten years, or null");
    *ret = now + (usec_t)(item->valuedouble * (double)USEC_PER_SEC);
    return 0;
}

static int override_parse_action(const cJSON *json, enum override_action *ret, struct err *err)
{
    char name[32];
    int code = body_string(json, "action", false, name, sizeof name, err);
    if (code < 0)
        return code;
    int action = override_action_from_name(name);
    if (action != OVERRIDE_DRAIN && action != OVERRIDE_PIN && action != OVERRIDE_ENABLE)
        return err_set(err, -EINVAL, "member \"action\" is \"%s\"; it is one of drain, pin, enable", name);
    *ret = (enum override_action)action;
    return 0;
}

int override_parse(const char *body, size_t len, usec_t now, struct api_override *ret, struct err *err)
{
    static const char *const names[] = {"action", "platform", "model", "for_s", "reason", NULL};
    struct api_override o = {.made_at = now};
    cJSON *json CLEANUP(json_deletep) = NULL;
    int code = body_parse(body, len, names, &json, err);
    if (code == 0)
        code = override_parse_action(json, &o.action, err);
    if (code == 0)
        code = body_string(json, "platform", false, o.platform, sizeof o.platform, err);
    if (code == 0)
        code = body_string(json, "model", true, o.model, sizeof o.model, err);
    if (code == 0)
        code = override_parse_end(json, now, &o.expires_at, err);
    if (code == 0)
        code = body_string(json, "reason", true, o.reason, sizeof o.reason, err);
    if (code == 0)
        *ret = o;
    return code;
}

static int override_parse_kind(const cJSON *json, int *ret, struct err *err)
{
    char name[32] = "";
    CLEANUP(buf_done) struct buf all = BUF_INIT;
    int code = body_string(json, "kind", true, name, sizeof name, err);
    *ret = -1;
    if (code < 0 || name[0] == '\0')
        return code;
    for (int i = 0; i < PROBE_KIND_COUNT; i++) {
        if (strcmp(probe_kind_name((enum probe_kind)i), name) == 0)
            *ret = i;
        buf_printf(&all, "%s%s", i > 0 ? ", " : "", probe_kind_name((enum probe_kind)i));
    }
    return *ret >= 0 ? 0 : err_set(err, -EINVAL, "member \"kind\" is \"%s\"; it is one of %s", name, buf_str(&all));
}

int override_parse_probe(const char *body, size_t len, char platform[64], char model[128], int *kind, struct err *err)
{
    static const char *const names[] = {"platform", "model", "kind", NULL};
    cJSON *json CLEANUP(json_deletep) = NULL;
    int code = body_parse(body, len, names, &json, err);
    if (code == 0)
        code = body_string(json, "platform", false, platform, 64, err);
    if (code == 0)
        code = body_string(json, "model", true, model, 128, err);
    if (code == 0)
        code = override_parse_kind(json, kind, err);
    return code;
}

cJSON *override_to_json(const struct api_override *o)
{
    cJSON *json = json_new_object();
    json_add_string(json, "action", override_action_name(o->action));
    json_add_string(json, "platform", o->platform);
    json_add_string(json, "model", o->model[0] != '\0' ? o->model : NULL);
    json_add_time(json, "made_at", o->made_at);
    if (o->expires_at > 0)
        json_add_time(json, "expires_at", o->expires_at);
    else
        json_add_null(json, "expires_at");
    json_add_string(json, "reason", o->reason);
    json_add_string(json, "by", o->by);
    return json;
}
