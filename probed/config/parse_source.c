/* Where money's figures come from: a platform's price and balance sources, exchange rates, the reference of prices; and the workloads of the forecast.
 *
 * A source is a word (`price_source: newapi`) or a mapping with that word as `source:` and what it needs besides. What no source of that
 * name could use is refused by its section's table. */
#include "probed/config/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sources_init(struct config_platform *p)
{
    p->price_feed = (struct config_source){.source = alloc_string("config"), .scale = 1};
    p->balance_feed = (struct config_source){.source = alloc_string("none"), .scale = 1};
}

void source_free(struct config_source *s)
{
    void *rest[] = {s->source, s->url, s->group, s->group_ratio, s->user, s->user_header, s->key.env, s->key.credential, s->key.file};
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        free(rest[i]);
}

static void read_word(struct loader *l, struct fy_node *value, const char *const *words, struct config_source *s)
{
    const struct keyword source = {.name = "source", .type = KEYWORD_WORD, .words = words};
    int index = -1;
    value_read(l, &source, value, &index);
    if (index < 0)
        return;
    free(s->source);
    s->source = alloc_string(words[index]);
}

void read_price_source_word(struct loader *l, struct fy_node *value, void *base)
{
    read_word(l, value, words_price_source, base);
}

void read_balance_source_word(struct loader *l, struct fy_node *value, void *base)
{
    read_word(l, value, words_balance_source, base);
}

/* A whole URL, or a path at the platform's own host. */
static void check_url(struct loader *l, struct fy_node *at, const char *url, bool http_anywhere, bool path)
{
    struct err err;
    if (!url || (path && url[0] == '/' && strspn(url + 1, " \t") == 0 && !strpbrk(url, " \"<>\\#")))
        return;
    if (url_check(url, http_anywhere, &err) < 0)
        report_error(l, at, "%s%s", err.text, path ? "; or a path such as /api/pricing at the platform's host" : "");
}

static void read_source(struct loader *l, struct fy_node *value, const struct section *section, struct config_platform *p, struct config_source *s)
{
    struct seen seen = {.value = {NULL}};
    if (!fy_node_is_mapping(value)) {
        section_find(section, "source")->read(l, value, s);
        return;
    }
    section_defaults(section, s);
    section_read(l, section, value, s, &seen);
    if (!seen_at(&seen, section, "source"))
        report_error(l, value, "a source needs a \"source:\"");
    check_url(l, seen_at(&seen, section, "url"), s->url, p->insecure_http, true);
    if (s->scale <= 0)
        report_error(l, seen_at(&seen, section, "scale"), "scale must be more than 0");
    if (s->user_header && strspn(s->user_header, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != strlen(s->user_header))
        report_error(l, seen_at(&seen, section, "user_header"), "this is no name for a header");
    if (s->user && strspn(s->user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@") != strlen(s->user))
        report_error(l, seen_at(&seen, section, "user"), "this is no account: letters, digits and -_.@");
}

void read_price_source(struct loader *l, struct fy_node *value, void *base)
{
    struct config_platform *p = base;
    read_source(l, value, &section_price_source, p, &p->price_feed);
}

void read_balance_source(struct loader *l, struct fy_node *value, void *base)
{
    struct config_platform *p = base;
    read_source(l, value, &section_balance_source, p, &p->balance_feed);
}

void read_source_currency(struct loader *l, struct fy_node *value, void *base)
{
    struct config_source *s = base;
    const char *text = node_text(l, value, "a currency such as CNY");
    if (!text)
        return;
    if (strlen(text) >= CURRENCY_MAX || config_convert(l->config, 0, text) < 0)
        report_error(l, value, "no rate for %.20s: give one in \"rates:\" or use %s", text, l->config->currency);
    else
        memcpy(s->currency, text, strlen(text) + 1);
}

void read_source_quota(struct loader *l, struct fy_node *value, void *base)
{
    const struct keyword count = {.name = "quota_per_unit", .type = KEYWORD_COUNT, .min = 1, .max = 1000000000};
    int points = 0;
    value_read(l, &count, value, &points);
    ((struct config_source *)base)->quota_per_unit = points;
}

void read_source_group_ratio(struct loader *l, struct fy_node *value, void *base)
{
    struct config_source *s = base;
    int64_t pico;
    const char *text = node_text(l, value, "a ratio such as 0.8");
    if (!text)
        return;
    if (strlen(text) > 32 || units_parse_decimal(text, PICO_PER_UNIT, &pico) < 0 || pico <= 0 || pico > 1000 * PICO_PER_UNIT) {
        report_error(l, value, "a ratio is a number more than 0, at most 1000, such as 0.8");
        return;
    }
    free(s->group_ratio);
    s->group_ratio = alloc_string(text);
}

void read_source_shared(struct loader *l, struct fy_node *value, void *base)
{
    const struct keyword yes = {.name = "shared", .type = KEYWORD_BOOL};
    struct config_source *s = base;
    value_read(l, &yes, value, &s->shared);
    s->alone = !s->shared;
}

static void read_fetch(struct loader *l, struct fy_node *value, const struct section *section, struct config_fetch *f)
{
    struct seen seen = {.value = {NULL}};
    section_defaults(section, f);
    if (fy_node_is_scalar(value))
        value_read(l, section_find(section, "url"), value, f);
    else
        section_read(l, section, value, f, &seen);
    if (f->url && f->file)
        report_error(l, value, "either \"url:\" or \"file:\", not both");
    check_url(l, seen_at(&seen, section, "url") ? seen_at(&seen, section, "url") : value, f->url, false, false);
}

void read_rate_source(struct loader *l, struct fy_node *value, void *base)
{
    read_fetch(l, value, &section_rate_source, &((struct config *)base)->rate_source);
}

void read_price_reference(struct loader *l, struct fy_node *value, void *base)
{
    read_fetch(l, value, &section_price_reference, &((struct config *)base)->price_reference);
}

/* --- workloads --- */
void read_workload_requests(struct loader *l, struct fy_node *value, void *base)
{
    struct err err;
    const char *text = node_text(l, value, "a number of requests such as 50k/day");
    if (text && units_parse_requests(text, &((struct config_workload *)base)->requests, &err) < 0)
        report_error(l, value, "%s", err.text);
}

static bool has_policy(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->policies_len; i++)
        if (strcmp(c->policies[i].name, name) == 0)
            return true;
    return false;
}

static void read_one_workload(struct loader *l, struct config *c, struct fy_node *item)
{
    struct config_workload w = {.requests = 0};
    struct seen seen = {.value = {NULL}};
    bool good = false;
    section_defaults(&section_workload, &w);
    section_read(l, &section_workload, item, &w, &seen);
    if (!fy_node_is_mapping(item))
        ; /* said */
    else if (!seen_at(&seen, &section_workload, "model") || !seen_at(&seen, &section_workload, "requests"))
        report_error(l, item, "a workload needs a \"model:\" and \"requests:\", such as 50k/day");
    else if (w.model && !config_find_model(c, w.model))
        report_error(l, seen_at(&seen, &section_workload, "model"), "there is no model \"%s\" in \"models:\"", w.model);
    else if (w.policy && !has_policy(c, w.policy))
        report_error(l, seen_at(&seen, &section_workload, "policy"), "there is no policy \"%s\"", w.policy);
    else if (c->workloads_len >= CONFIG_WORKLOADS_MAX)
        report_error(l, item, "too many workloads: at most %d", CONFIG_WORKLOADS_MAX);
    else
        good = w.model != NULL;
    if (!good) {
        free(w.model);
        free(w.policy);
        return;
    }
    c->workloads = alloc_resize(c->workloads, c->workloads_len + 1, sizeof *c->workloads);
    c->workloads[c->workloads_len++] = w;
}

void read_workload(struct loader *l, struct fy_node *value, void *base)
{
    void *state = NULL;
    struct fy_node *item;
    while ((item = node_next_item(l, value, &state)))
        read_one_workload(l, base, item);
}
