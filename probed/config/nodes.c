/* Walking what libfyaml parsed: mappings, lists and text, with an error for everything that is not what it should be.
 *
 * Nothing here stops at an error: it is said, the value is left out, and the walk goes on, so that one run shows them all. A
 * section is read by its table: unknown keys (with the nearest name), keys given twice, and each value by its type. */
#include "probed/config/parts.h"

#include <string.h>

bool node_is_empty(struct fy_node *node)
{
    if (!node)
        return true;
    size_t len = 0;
    return fy_node_is_scalar(node) && !fy_node_is_alias(node) && fy_node_get_style(node) == FYNS_PLAIN && fy_node_get_scalar(node, &len) &&
           len == 0;
}

const char *node_text(struct loader *l, struct fy_node *node, const char *want)
{
    if (node && fy_node_is_alias(node))
        return NULL; /* said when the file was read */
    if (!node || !fy_node_is_scalar(node)) {
        report_error(l, node, "this should be %s, not %s", want, node && fy_node_is_mapping(node) ? "a mapping" : "a list");
        return NULL;
    }
    size_t len = 0;
    const char *bytes = fy_node_get_scalar(node, &len);
    const char *text = fy_node_get_scalar0(node);
    if (!bytes || !text)
        return "";
    if (len > CONFIG_TEXT_MAX) {
        report_error(l, node, "this is too long: at most %d bytes", CONFIG_TEXT_MAX);
        return NULL;
    }
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        i += text_decode(bytes + i, len - i, &c);
        if (c == TEXT_BROKEN || text_is_harmful(c)) {
            report_error(l, node, "this holds a character that must not be here");
            return NULL;
        }
    }
    return text;
}

bool node_want_mapping(struct loader *l, struct fy_node *node, const char *what)
{
    if (node && fy_node_is_mapping(node))
        return true;
    if (!node || !fy_node_is_alias(node))
        report_error(l, node, "%s should be a mapping (key: value)", what);
    return false;
}

bool node_next_pair(struct loader *l, struct fy_node *mapping, void **state, const char **ret_name, struct fy_node **ret_key,
                    struct fy_node **ret_value)
{
    struct fy_node_pair *pair;
    while ((pair = fy_node_mapping_iterate(mapping, state))) {
        struct fy_node *key = fy_node_pair_key(pair), *value = fy_node_pair_value(pair);
        if (node_is_empty(key)) {
            report_error(l, key ? key : mapping, "a key is missing here");
            continue;
        }
        const char *name = node_text(l, key, "a plain word");
        if (!name)
            continue;
        if (node_is_empty(value)) {
            report_error(l, key, "\"%s\" has no value", name);
            continue;
        }
        *ret_name = name;
        *ret_key = key;
        *ret_value = value;
        return true;
    }
    return false;
}

struct fy_node *node_next_item(struct loader *l, struct fy_node *list, void **state)
{
    if (!fy_node_is_sequence(list)) {
        bool first = *state == NULL;
        *state = list;
        return first ? list : NULL;
    }
    struct fy_node *item;
    while ((item = fy_node_sequence_iterate(list, state))) {
        if (!node_is_empty(item))
            return item;
        report_error(l, list, "an item of this list is empty");
    }
    return NULL;
}

void node_unknown(struct loader *l, struct fy_node *at, const char *what, const char *name, const char *const *known, size_t len)
{
    const char *nearest = text_nearest(name, known, len);
    if (nearest)
        report_error(l, at, "unknown %s \"%s\", did you mean \"%s\"?", what, name, nearest);
    else
        report_error(l, at, "unknown %s \"%s\"", what, name);
}

void section_unknown(struct loader *l, const struct section *s, struct fy_node *key, const char *name)
{
    const char *names[KEYWORDS_MAX];
    for (size_t i = 0; i < s->len; i++)
        names[i] = s->keywords[i].name;
    const char *nearest = text_nearest(name, names, s->len);
    const char *where = s->name[0] ? s->name : "the top level";
    if (nearest)
        report_error(l, key, "unknown key \"%s\" in %s, did you mean \"%s\"?", name, where, nearest);
    else
        report_error(l, key, "unknown key \"%s\" in %s", name, where);
}

void section_read(struct loader *l, const struct section *s, struct fy_node *mapping, void *base, struct seen *seen)
{
    struct seen own = {.value = {NULL}};
    struct fy_node *keys[KEYWORDS_MAX] = {NULL};
    if (!seen)
        seen = &own;
    if (!node_want_mapping(l, mapping, s->name))
        return;
    void *state = NULL;
    const char *name;
    struct fy_node *key, *value;
    while (node_next_pair(l, mapping, &state, &name, &key, &value)) {
        const struct keyword *k = section_find(s, name);
        if (!k) {
            section_unknown(l, s, key, name);
            continue;
        }
        size_t i = (size_t)(k - s->keywords);
        if (keys[i]) {
            char place[48];
            report_error(l, key, "\"%s\" is given twice, first in %s", name, report_place(keys[i], place, sizeof place));
            continue;
        }
        keys[i] = key;
        seen->value[i] = value;
        value_read(l, k, value, base);
    }
}
