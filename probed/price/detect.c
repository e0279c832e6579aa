/* What an answer's outermost object holds, and which source's shape that is.
 *
 * The shape is told by what the entries hold, not by who sends them and not by one entry alone: of an array the first DETECT_MAX are looked
 * at. No guess is made where nothing fits (an empty array is a list of nobody). The walk over the outermost object also finds that the text
 * is whole: cut short, or followed by more, it is refused. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

#define DETECT_MAX 16

static bool has(struct span object, const char *name)
{
    return span_member(object, name).len > 0;
}

static bool like_litellm(struct span value)
{
    return span_is(value, '{') && (has(value, "litellm_provider") || has(value, "input_cost_per_token"));
}

static struct span trimmed(const char *body, size_t len)
{
    if (len >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0) {
        body += 3;
        len -= 3;
    }
    while (len > 0 && strchr(" \t\r\n", body[len - 1]) && body[len - 1])
        len--;
    while (len > 0 && strchr(" \t\r\n", body[0]) && body[0]) {
        body++;
        len--;
    }
    return (struct span){body, len};
}

int envelope_read(const char *body, size_t len, struct envelope *ret, struct err *err)
{
    static const char *const names[] = {"data", "success", "message", "error", "group_ratio"};
    struct span *const members[] = {&ret->data, &ret->success, &ret->message, &ret->error, &ret->group_ratio};
    *ret = (struct envelope){.root = trimmed(body, len)};
    struct walk walk;
    struct span name, value;
    if (!walk_open(&walk, ret->root))
        return err_set(err, -EINVAL, len == 0 ? "an empty answer" : "no JSON object or array (a web page?)");
    int more, count = 0;
    while ((more = walk_next(&walk, &name, &value, err)) > 0) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (name.len == strlen(names[i]) + 2 && memcmp(name.at + 1, names[i], name.len - 2) == 0 && members[i]->len == 0)
                *members[i] = value;
        if (count++ < DETECT_MAX && name.len > 0 && like_litellm(value))
            ret->litellm = true;
    }
    if (more == 0 && walk.at != walk.end)
        return err_set(err, -EINVAL, "not JSON: more follows after its end");
    if (span_is(ret->root, '['))
        ret->data = ret->root;
    return more;
}

static enum price_source detect_in_array(struct span array)
{
    static const char *const names[] = {"id",         "model_id",    "model_name",  "model", "pricing",
                                        "quota_type", "model_ratio", "model_price", "input"};
    enum { ID, MODEL_ID, MODEL_NAME, MODEL, PRICING, QUOTA_TYPE, MODEL_RATIO, MODEL_PRICE, INPUT };
    struct walk walk;
    struct span name, value, m[ARRAY_LEN(names)];
    if (!walk_open(&walk, array))
        return PRICE_SOURCE_COUNT;
    for (int i = 0; i < DETECT_MAX && walk_next(&walk, &name, &value, NULL) > 0; i++) {
        if (!span_members(value, names, m, ARRAY_LEN(names)))
            continue;
        if (m[MODEL_ID].len && m[PRICING].len)
            return PRICE_SOURCE_AIHUBMIX;
        if (m[ID].len && span_is(m[PRICING], '{'))
            return PRICE_SOURCE_OPENROUTER;
        if (m[MODEL_NAME].len && (m[QUOTA_TYPE].len || m[MODEL_RATIO].len || m[MODEL_PRICE].len))
            return PRICE_SOURCE_NEWAPI;
        if (m[MODEL].len && m[INPUT].len)
            return PRICE_SOURCE_ONEHUB;
    }
    return PRICE_SOURCE_COUNT;
}

static enum price_source detect_in_object(struct span object)
{
    static const char *const names[] = {"ModelRatio", "model_group", "model_info", "models", "endpoints"};
    struct span m[ARRAY_LEN(names)], name, value;
    struct walk walk;
    if (!span_members(object, names, m, ARRAY_LEN(names)))
        return PRICE_SOURCE_COUNT;
    if (span_is(m[0], '{'))
        return PRICE_SOURCE_SHELLAPI;
    if (span_is(m[1], '{') || span_is(m[2], '['))
        return PRICE_SOURCE_RIXAPI;
    if (span_is(m[3], '['))
        return PRICE_SOURCE_VOAPI;
    if (span_is(m[4], '['))
        return PRICE_SOURCE_OPENROUTER_ENDPOINTS;
    if (walk_open(&walk, object))
        for (int i = 0; i < DETECT_MAX && walk_next(&walk, &name, &value, NULL) > 0; i++)
            if (span_is(span_member(value, "price"), '{'))
                return PRICE_SOURCE_ONEHUB;
    return PRICE_SOURCE_COUNT;
}

enum price_source source_detect(const struct envelope *e)
{
    if (span_is(e->data, '['))
        return detect_in_array(e->data);
    if (span_is(e->data, '{') && !e->litellm)
        return detect_in_object(e->data);
    return e->litellm ? PRICE_SOURCE_LITELLM : PRICE_SOURCE_COUNT;
}
