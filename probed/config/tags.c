/* Tags: what is declared of a platform (region: cn, invoice), what a model can do (vision), what a policy requires.
 *
 * A list of names or a mapping. `name: true` is a plain flag like a name in a list; `name: false` says that it is not there, which is the
 * same as saying nothing. Each array owns its strings. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>

static bool tag_is_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < 64 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == len;
}

static void tag_add(struct loader *l, struct fy_node *at, struct tag **tags, size_t *len, const char *name, const char *value)
{
    if (!tag_is_good(name)) {
        report_error(l, at, "\"%.60s\" is no name for a tag: letters, digits, \"_\", \"-\" and \".\", at most 63", name);
        return;
    }
    for (size_t i = 0; i < *len; i++)
        if (strcmp((*tags)[i].name, name) == 0) {
            report_error(l, at, "\"%s\" is given twice", name);
            return;
        }
    if (*len >= CONFIG_LIST_MAX) {
        report_error(l, at, "too many tags: at most %d", CONFIG_LIST_MAX);
        return;
    }
    *tags = alloc_resize(*tags, *len + 1, sizeof **tags);
    (*tags)[(*len)++] = (struct tag){.name = alloc_string(name), .value = alloc_string(value)};
}

void tags_read(struct loader *l, struct fy_node *node, struct tag **ret, size_t *ret_len, bool requirement)
{
    void *state = NULL;
    struct fy_node *key, *value;
    const char *name;
    if (!fy_node_is_mapping(node)) {
        while ((value = node_next_item(l, node, &state)))
            if ((name = node_text(l, value, "the name of a tag")))
                tag_add(l, value, ret, ret_len, name, "");
        return;
    }
    while (node_next_pair(l, node, &state, &name, &key, &value)) {
        const char *text = node_text(l, value, "text, true or false");
        if (!text)
            continue;
        if (strcmp(text, "false") == 0 && requirement)
            report_error(l, value, "a policy can require that something is there, not that it is not");
        else if (strcmp(text, "false") != 0)
            tag_add(l, key, ret, ret_len, name, strcmp(text, "true") == 0 ? "" : text);
    }
}

void tags_copy(const struct tag *from, size_t len, struct tag **ret, size_t *ret_len)
{
    struct tag *tags = len ? alloc_zero(len, sizeof *tags) : NULL;
    for (size_t i = 0; i < len; i++)
        tags[i] = (struct tag){.name = alloc_string(from[i].name), .value = alloc_string(from[i].value)};
    *ret = tags;
    *ret_len = len;
}

void tags_free(struct tag *tags, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free_const(tags[i].name);
        free_const(tags[i].value);
    }
    free(tags);
}
