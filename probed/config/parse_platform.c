/* Platforms: endpoints, where the key comes from, headers, tags, maintenance, sources. Their models are parse_route.c's.
 *
 * A key itself is never read here: `key:` says where it is. A scalar in its place (somebody pasted the key) is refused without being shown,
 * as are headers that carry keys. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- endpoints --- */
static void add_endpoint(struct loader *l, struct config_platform *p, struct fy_node *item, struct fy_node *url_at,
                         struct config_endpoint *e)
{
    struct err err;
    size_t len = e->url ? strlen(e->url) : 0;
    bool good = false;
    while (len > 0 && e->url[len - 1] == '/')
        e->url[--len] = '\0';
    if (!e->url) {
        report_error(l, item, "an endpoint needs a \"url:\"");
    } else if (url_check(e->url, p->insecure_http, &err) < 0) {
        report_error(l, url_at, "%s", err.text);
    } else if (p->endpoints_len >= CONFIG_ENDPOINTS_MAX) {
        report_error(l, item, "too many endpoints: at most %d", CONFIG_ENDPOINTS_MAX);
    } else {
        good = true;
        for (size_t i = 0; i < p->endpoints_len && good; i++)
            good = strcmp(p->endpoints[i].url, e->url) != 0 || p->endpoints[i].dialect != e->dialect;
        if (!good)
            report_error(l, item, "this endpoint is given twice");
    }
    if (!good) {
        free(e->url);
        return;
    }
    p->endpoints = alloc_resize(p->endpoints, p->endpoints_len + 1, sizeof *p->endpoints);
    p->endpoints[p->endpoints_len++] = *e;
}

static void read_endpoints(struct loader *l, struct config_platform *p, struct fy_node *list)
{
    void *state = NULL;
    struct fy_node *item;
    while ((item = node_next_item(l, list, &state))) {
        struct config_endpoint e = {.dialect = DIALECT_OPENAI};
        struct seen seen = {.value = {NULL}};
        struct fy_node *url_at = item;
        if (fy_node_is_mapping(item)) {
            section_read(l, &section_endpoint, item, &e, &seen);
            url_at = seen_at(&seen, &section_endpoint, "url");
        } else {
            value_read(l, section_find(&section_endpoint, "url"), item, &e);
            if (!e.url)
                continue; /* said already */
        }
        add_endpoint(l, p, item, url_at, &e);
    }
}

/* --- the key --- */
static bool is_variable(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text) &&
           !(text[0] >= '0' && text[0] <= '9');
}

/* What stands where a name should be may be the key itself: from here on it is not shown. */
static void hide_all(struct loader *l, struct fy_node *mapping)
{
    void *state = NULL;
    struct fy_node_pair *pair;
    while ((pair = fy_node_mapping_iterate(mapping, &state))) {
        struct fy_node *key = fy_node_pair_key(pair), *value = fy_node_pair_value(pair);
        const char *name = key && fy_node_is_scalar(key) ? fy_node_get_scalar0(key) : NULL;
        const char *text = value && fy_node_is_scalar(value) ? fy_node_get_scalar0(value) : NULL;
        bool known = name && section_find(&section_key, name);
        if (text && (!known || (strcmp(name, "env") == 0 && !is_variable(text))))
            report_hide(l, text);
    }
}

void key_source_read(struct loader *l, const struct section *section, struct fy_node *value, void *base, struct secret_source *key)
{
    struct seen seen = {.value = {NULL}};
    if (fy_node_is_mapping(value))
        hide_all(l, value);
    section_defaults(section, base);
    section_read(l, section, value, base, &seen);
    struct fy_node *env = seen_at(&seen, section, "env"), *credential = seen_at(&seen, section, "credential"),
                   *required = seen_at(&seen, section, "required");
    if (key->env && !is_variable(key->env))
        report_error(l, env, "this is no name for an environment variable");
    if (key->credential && (!name_is_good(key->credential, false)))
        report_error(l, credential, "this is no name for a credential: letters, digits and ._-");
    bool optional = required && strcmp(fy_node_get_scalar0(required) ? fy_node_get_scalar0(required) : "", "false") == 0;
    if (!optional && !key->env && !key->credential && !key->file && fy_node_is_mapping(value) && !env && !credential &&
        !seen_at(&seen, section, "file"))
        report_error(l, value, "where does the key come from? {env: NAME}, {credential: NAME} or {file: PATH}");
}

/* A scalar where a key's place should be said: "none", or somebody pasted the key. */
static void read_scalar_key(struct loader *l, struct fy_node *value)
{
    const char *text = fy_node_get_scalar0(value);
    if (!text || strcmp(text, "none") == 0 || report_is_key(text) || fy_node_is_alias(value))
        return; /* a pasted key was refused when the file was read */
    report_hide(l, text);
    report_error(l, value,
                 "say where the key comes from, never the key itself: {env: NAME}, {credential: NAME} or {file: PATH}; or \"none\"");
}

void read_platform_key(struct loader *l, struct fy_node *value, void *base)
{
    struct config_platform *p = base;
    if (fy_node_is_scalar(value))
        read_scalar_key(l, value);
    else
        key_source_read(l, &section_key, value, p, &p->key);
}

void read_source_key(struct loader *l, struct fy_node *value, void *base)
{
    struct config_source *s = base;
    if (fy_node_is_scalar(value))
        read_scalar_key(l, value);
    else
        key_source_read(l, &section_source_key, value, s, &s->key);
}

/* --- headers --- */
static bool is_key_header(const char *name)
{
    static const char *const keys[] = {"authorization", "x-api-key", "api-key", "cookie", "proxy-authorization", "x-goog-api-key"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcasecmp(name, keys[i]) == 0)
            return true;
    return false;
}

static const char *why_no_header(const char *name, const char *value)
{
    static const char *const ours[] = {"host",         "content-length", "transfer-encoding", "connection",
                                       "content-type", "accept",         "user-agent",        "expect",
                                       "te",           "accept-encoding"};
    size_t len = strlen(name);
    if (len == 0 || len > 64 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != len)
        return "this is no name for a header";
    if (is_key_header(name))
        return "keys do not belong in this file: use \"key:\"";
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return "probed sets this header itself";
    return strlen(value) > 512 ? "this is too long: at most 512 bytes" : NULL;
}

static bool has_header(const struct config_platform *p, const char *name)
{
    for (size_t i = 0; i < p->headers_len; i++)
        if (strcasecmp(p->headers[i].name, name) == 0)
            return true;
    return false;
}

void read_platform_headers(struct loader *l, struct fy_node *value, void *base)
{
    struct config_platform *p = base;
    void *state = NULL;
    const char *name;
    struct fy_node *key, *content;
    if (!node_want_mapping(l, value, "headers"))
        return;
    while (node_next_pair(l, value, &state, &name, &key, &content)) {
        const char *text = node_text(l, content, "text");
        if (!text || report_is_key(text))
            continue;
        const char *why = why_no_header(name, text);
        if (is_key_header(name))
            report_hide(l, text);
        if (why) {
            report_error(l, key, "%s", why);
        } else if (has_header(p, name)) {
            report_error(l, key, "\"%s\" is given twice", name);
        } else if (p->headers_len >= 16) {
            report_error(l, key, "too many headers: at most 16");
        } else {
            p->headers = alloc_resize(p->headers, p->headers_len + 1, sizeof *p->headers);
            p->headers[p->headers_len].name = alloc_string(name);
            p->headers[p->headers_len++].value = alloc_string(text);
        }
    }
}

void read_platform_tags(struct loader *l, struct fy_node *value, void *base)
{
    struct config_platform *p = base;
    tags_read(l, value, &p->tags, &p->tags_len, false);
}

/* --- maintenance --- */
/* The text of a window that is given as a mapping: "daily", or "from" and "to" put together. */
static char *window_text(struct loader *l, struct fy_node *item, const struct seen *seen)
{
    struct fy_node *daily = seen_at(seen, &section_window, "daily"), *from = seen_at(seen, &section_window, "from"),
                   *to = seen_at(seen, &section_window, "to");
    if (daily ? from || to : !from || !to) {
        report_error(l, item, "a window needs either \"daily:\" or both \"from:\" and \"to:\"");
        return NULL;
    }
    const char *a = node_text(l, daily ? daily : from, "a time"), *b = to ? node_text(l, to, "a time") : "";
    if (!a || !b)
        return NULL;
    return daily ? alloc_string(a) : alloc_printf("%s..%s", a, b);
}

static void read_window(struct loader *l, struct config_platform *p, struct fy_node *item)
{
    struct config_window w = {.daily = false};
    struct err err;
    char *text = NULL;
    if (fy_node_is_mapping(item)) {
        struct seen seen = {.value = {NULL}};
        section_read(l, &section_window, item, &w, &seen);
        text = window_text(l, item, &seen);
    } else {
        const char *given = node_text(l, item, "a time span");
        text = given ? alloc_string(given) : NULL;
    }
    bool good = false;
    if (text && window_parse(text, &w, &err) < 0)
        report_error(l, item, "%s", err.text);
    else if (text && p->windows_len >= CONFIG_LIST_MAX)
        report_error(l, item, "too many windows: at most %d", CONFIG_LIST_MAX);
    else
        good = text != NULL;
    free(text);
    if (!good) {
        free(w.reason);
        return;
    }
    p->windows = alloc_resize(p->windows, p->windows_len + 1, sizeof *p->windows);
    p->windows[p->windows_len++] = w;
}

void read_platform_maintenance(struct loader *l, struct fy_node *value, void *base)
{
    void *state = NULL;
    struct fy_node *item;
    while ((item = node_next_item(l, value, &state)))
        read_window(l, base, item);
}

/* --- the whole --- */
static void read_platform(struct loader *l, struct config *c, const char *name, struct fy_node *key, struct fy_node *value)
{
    struct config_platform p = {.name = alloc_string(name), .file = alloc_string(l->file->name)};
    struct seen seen = {.value = {NULL}};
    section_defaults(&section_platform, &p);
    p.key_bearer = true;
    sources_init(&p);
    memcpy(p.probes, l->probes, sizeof p.probes);
    section_read(l, &section_platform, value, &p, &seen);
    struct fy_node *endpoints = seen_at(&seen, &section_platform, "endpoints"), *models = seen_at(&seen, &section_platform, "models");
    if (!p.title)
        p.title = alloc_string(name);
    if (endpoints)
        read_endpoints(l, &p, endpoints);
    if (endpoints ? fy_node_is_sequence(endpoints) && fy_node_sequence_is_empty(endpoints) : fy_node_is_mapping(value))
        report_error(l, endpoints ? endpoints : key, "platform \"%s\" has no endpoint", name);
    if (models)
        routes_read(l, models, &p);
    c->platforms = alloc_resize(c->platforms, c->platforms_len + 1, sizeof *c->platforms);
    l->platform_at = alloc_resize(l->platform_at, c->platforms_len + 1, sizeof *l->platform_at);
    l->platform_at[c->platforms_len] = key;
    c->platforms[c->platforms_len++] = p;
}

void read_platforms(struct loader *l, struct fy_node *value, void *base)
{
    struct config *c = base;
    void *state = NULL;
    const char *name;
    struct fy_node *key, *platform;
    if (!node_want_mapping(l, value, "platforms"))
        return;
    while (node_next_pair(l, value, &state, &name, &key, &platform)) {
        const struct config_platform *before = config_find_platform(c, name);
        if (before) {
            char place[48];
            report_error(l, key, "platform \"%s\" is defined twice, first in %s, %s", name, before->file,
                         report_place(l->platform_at[before - c->platforms], place, sizeof place));
        } else if (!name_is_good(name, false)) {
            report_error(l, key, "\"%.60s\" is no name for a platform: letters, digits and ._-, at most 63", name);
        } else if (c->platforms_len >= CONFIG_PLATFORMS_MAX) {
            report_error(l, key, "too many platforms: at most %d", CONFIG_PLATFORMS_MAX);
        } else {
            read_platform(l, c, name, key, platform);
        }
    }
}
