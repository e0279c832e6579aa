/* What changed between two configurations, one sentence each, for the log of a reload.
 *
 * Walks the keyword tables as the dump does and compares what would be written, so that a new keyword is compared as soon as it is in its
 * table. Single values are told with their old and new text, the rest by name. Platforms, models, policies and routes are matched by
 * name; a change of order is none, save that of a platform's endpoints, which are tried in order. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_SHOWN_MAX 80

struct differ {
    const struct config *old, *new;
    size_t max, said, more;
    char *last; /* held back: when more follow than fit, they are counted in the last */
    void (*say)(void *arg, const char *sentence);
    void *arg;
};

/* Sentences beyond max - 1 wait, since the last one may have to be the count. */
static void tell(struct differ *d, const char *fmt, ...) ATTR_PRINTF(2, 3);
static void tell(struct differ *d, const char *fmt, ...)
{
    struct buf raw = BUF_CAP(4096), text = BUF_CAP(8192);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&raw, fmt, ap);
    va_end(ap);
    text_escape_terminal(&text, buf_str(&raw), raw.len, 400);
    if (d->said + 1 < d->max) {
        d->say(d->arg, buf_str(&text));
        d->said++;
    } else {
        d->more++;
        if (!d->last)
            d->last = buf_take(&text);
    }
    buf_done(&raw);
    buf_done(&text);
}

static void finish(struct differ *d)
{
    if (d->max > 0 && d->more == 1) {
        d->say(d->arg, d->last);
    } else if (d->max > 0 && d->more > 1) {
        char text[64];
        snprintf(text, sizeof text, "%zu more differences", d->more);
        d->say(d->arg, text);
    }
    free(d->last);
}

static void render(const struct config *c, const struct keyword *k, const void *base, struct buf *ret)
{
    struct dump dump = {.config = c, .out = ret};
    buf_clear(ret);
    dump_keyword(&dump, k, base);
}

/* What stands behind the name if all of it is on one line, cut to what a sentence can hold; "-" = not given; NULL = more than a line. */
static const char *one_line(const struct keyword *k, const struct buf *rendered, char *buf, size_t size)
{
    const char *text = buf_str(rendered), *end = strchr(text, '\n');
    size_t skip = strlen(k->name) + 2; /* "name: " */
    if (!end)
        return "-";
    if (end[1] != '\0' || (size_t)(end - text) < skip)
        return NULL;
    return text_copy(buf, size, text + skip, (size_t)(end - text) - skip);
}

static void compare_section(struct differ *d, const char *prefix, const struct section *s, const void *a, const void *b,
                            const char *const *skip);

static void tell_changed(struct differ *d, const char *prefix, const struct keyword *k, const struct buf *was, const struct buf *is)
{
    char a[VALUE_SHOWN_MAX], b[VALUE_SHOWN_MAX];
    const char *from = one_line(k, was, a, sizeof a), *to = one_line(k, is, b, sizeof b);
    if (from && to)
        tell(d, "%s%s: %s -> %s", prefix, k->name, from, to);
    else
        tell(d, "%s%s changed", prefix, k->name);
}

static void compare_keyword(struct differ *d, const char *prefix, const struct keyword *k, const void *a, const void *b)
{
    if (k->type == KEYWORD_SECTION) {
        char *inner = alloc_printf("%s%s.", prefix, k->name);
        compare_section(d, inner, k->section, (const char *)a + k->offset, (const char *)b + k->offset, NULL);
        free(inner);
        return;
    }
    struct buf was = BUF_CAP(4 << 20), is = BUF_CAP(4 << 20);
    render(d->old, k, a, &was);
    render(d->new, k, b, &is);
    if (strcmp(buf_str(&was), buf_str(&is)) != 0)
        tell_changed(d, prefix, k, &was, &is);
    buf_done(&was);
    buf_done(&is);
}

static void compare_section(struct differ *d, const char *prefix, const struct section *s, const void *a, const void *b,
                            const char *const *skip)
{
    for (size_t i = 0; i < s->len; i++) {
        bool left_out = false;
        for (size_t j = 0; skip && skip[j] && !left_out; j++)
            left_out = strcmp(skip[j], s->keywords[i].name) == 0;
        if (!left_out)
            compare_keyword(d, prefix, &s->keywords[i], a, b);
    }
}

/* --- platforms --- */
static size_t find_endpoint(const struct config_platform *p, const struct config_endpoint *e)
{
    for (size_t i = 0; i < p->endpoints_len; i++)
        if (strcmp(p->endpoints[i].url, e->url) == 0 && p->endpoints[i].dialect == e->dialect)
            return i;
    return SIZE_MAX;
}

static void compare_endpoints(struct differ *d, const struct config_platform *a, const struct config_platform *b)
{
    size_t kept = 0, last = 0;
    bool moved = false;
    for (size_t i = 0; i < a->endpoints_len; i++) {
        size_t at = find_endpoint(b, &a->endpoints[i]);
        if (at == SIZE_MAX) {
            tell(d, "platform %s: endpoint %s removed", a->name, a->endpoints[i].url);
            continue;
        }
        moved = moved || (kept++ > 0 && at < last);
        last = at;
    }
    for (size_t i = 0; i < b->endpoints_len; i++)
        if (find_endpoint(a, &b->endpoints[i]) == SIZE_MAX)
            tell(d, "platform %s: endpoint %zu added, %s", b->name, i + 1, b->endpoints[i].url);
    if (moved)
        tell(d, "platform %s: endpoints in another order", b->name);
}

static const struct config_route *find_route(const struct config_platform *p, const char *model)
{
    for (size_t i = 0; i < p->routes_len; i++)
        if (strcmp(p->routes[i].model, model) == 0)
            return &p->routes[i];
    return NULL;
}

static void compare_routes(struct differ *d, const struct config_platform *a, const struct config_platform *b)
{
    for (size_t i = 0; i < a->routes_len; i++) {
        const struct config_route *now = find_route(b, a->routes[i].model);
        if (!now) {
            tell(d, "route %s/%s removed", a->name, a->routes[i].model);
            continue;
        }
        char *prefix = alloc_printf("route %s/%s: ", a->name, a->routes[i].model);
        compare_section(d, prefix, &section_route, &a->routes[i], now, NULL);
        free(prefix);
    }
    for (size_t i = 0; i < b->routes_len; i++)
        if (!find_route(a, b->routes[i].model))
            tell(d, "route %s/%s added", b->name, b->routes[i].model);
}

static void compare_platform(struct differ *d, const struct config_platform *a, const struct config_platform *b)
{
    static const char *const apart[] = {"endpoints", "models", "probes", NULL};
    char *prefix = alloc_printf("platform %s: ", a->name), *probes = alloc_printf("platform %s: probes.", a->name);
    compare_endpoints(d, a, b);
    compare_section(d, prefix, &section_platform, a, b, apart);
    compare_section(d, probes, &section_probes, a->probes, b->probes, NULL);
    compare_routes(d, a, b);
    free(prefix);
    free(probes);
}

static void compare_platforms(struct differ *d)
{
    for (size_t i = 0; i < d->old->platforms_len; i++) {
        const struct config_platform *was = &d->old->platforms[i], *is = config_find_platform(d->new, was->name);
        if (is)
            compare_platform(d, was, is);
        else
            tell(d, "platform %s removed", was->name);
    }
    for (size_t i = 0; i < d->new->platforms_len; i++)
        if (!config_find_platform(d->old, d->new->platforms[i].name))
            tell(d, "platform %s added, %zu routes", d->new->platforms[i].name, d->new->platforms[i].routes_len);
}

/* --- models and policies --- */
static void compare_models(struct differ *d)
{
    for (size_t i = 0; i < d->old->models_len; i++) {
        const struct config_model *was = &d->old->models[i], *is = config_find_model(d->new, was->name);
        char *prefix = alloc_printf("model %s: ", was->name);
        if (is)
            compare_section(d, prefix, &section_model, was, is, NULL);
        else
            tell(d, "model %s removed", was->name);
        free(prefix);
    }
    for (size_t i = 0; i < d->new->models_len; i++)
        if (!config_find_model(d->old, d->new->models[i].name))
            tell(d, "model %s added", d->new->models[i].name);
}

static const struct policy *find_policy(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->policies_len; i++)
        if (strcmp(c->policies[i].name, name) == 0)
            return &c->policies[i];
    return NULL;
}

static void compare_policies(struct differ *d)
{
    for (size_t i = 0; i < d->old->policies_len; i++) {
        const struct policy *was = &d->old->policies[i], *is = find_policy(d->new, was->name);
        char *prefix = alloc_printf("policy %s: ", was->name);
        if (is)
            compare_section(d, prefix, &section_policy, was, is, NULL);
        else
            tell(d, "policy %s removed", was->name);
        free(prefix);
    }
    for (size_t i = 0; i < d->new->policies_len; i++)
        if (!find_policy(d->old, d->new->policies[i].name))
            tell(d, "policy %s added", d->new->policies[i].name);
}

void config_diff(const struct config *old, const struct config *new, size_t max, void (*say)(void *arg, const char *sentence), void *arg)
{
    static const char *const apart[] = {"platforms", "policies", "models", "budget", NULL};
    struct differ d = {.old = old, .new = new, .max = max, .say = say, .arg = arg};
    compare_section(&d, "", &section_top, old, new, apart);
    compare_section(&d, "budget.", &section_budget, &old->budget, &new->budget, NULL);
    compare_models(&d);
    compare_policies(&d);
    compare_platforms(&d);
    finish(&d);
}
