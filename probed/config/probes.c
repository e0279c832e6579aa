/* The rules of probing: one struct a kind, read over what is there already (the defaults, or the top level's for a platform).
 *
 * What was given must fit together and is an error where it does not; what was not given follows what was: `fast` is never above a given
 * `interval`, `slow` never below it, and no single timeout above a given `total`. A probe must be over before the next is due, so
 * `timeouts.total` must be less than `interval`. */
#include "probed/config/parts.h"

#include <string.h>

struct fit { /* one duration that must not pass another */
    const char *name;
    usec_t *value;
    struct fy_node *at; /* NULL = not given */
};

static void format(usec_t value, char *buf, size_t size)
{
    units_format_duration(buf, size, value);
}

static void at_most(struct loader *l, struct fit *f, const char *limit_name, usec_t limit)
{
    char a[32], b[32];
    if (*f->value <= limit)
        return;
    if (!f->at) {
        *f->value = limit;
        return;
    }
    format(*f->value, a, sizeof a);
    format(limit, b, sizeof b);
    report_error(l, f->at, "%s (%s) must not be more than %s (%s)", f->name, a, limit_name, b);
}

static void fit_pace(struct loader *l, const struct section *s, const struct seen *seen, struct config_probe *p)
{
    if (!section_find(s, "fast")) { /* a rare one has a single pace */
        p->rule.fast = p->rule.slow = p->rule.interval;
        return;
    }
    struct fit fast = {.name = "fast", .value = &p->rule.fast, .at = seen_at(seen, s, "fast")};
    at_most(l, &fast, "interval", p->rule.interval);
    struct fy_node *slow = seen_at(seen, s, "slow");
    if (p->rule.slow >= p->rule.interval)
        return;
    if (slow)
        report_error(l, slow, "slow must not be less than interval");
    else
        p->rule.slow = p->rule.interval;
}

static void fit_timeouts(struct loader *l, const struct section *s, const struct seen *seen, struct config_probe *p)
{
    const struct section *ts = section_find(s, "timeouts")->section;
    struct fy_node *given = seen_at(seen, s, "timeouts"), *interval = seen_at(seen, s, "interval");
    struct fy_node *total = NULL;
    for (size_t i = 0; i < ts->len; i++) {
        const struct keyword *k = &ts->keywords[i];
        struct fy_node *at = given && fy_node_is_mapping(given) ? fy_node_mapping_lookup_by_string(given, k->name, FY_NT) : NULL;
        struct fit f = {.name = k->name, .value = (usec_t *)((char *)&p->timeouts + k->offset), .at = at};
        if (strcmp(k->name, "total") == 0)
            total = at;
        else
            at_most(l, &f, "total", p->timeouts.total);
    }
    if (p->rule.interval > 0 && p->timeouts.total >= p->rule.interval && (total || interval)) {
        char a[32], b[32];
        format(p->timeouts.total, a, sizeof a);
        format(p->rule.interval, b, sizeof b);
        report_error(l, total ? total : interval,
                     "%s: timeouts.total (%s) must be less than interval (%s): a probe must be over before the next is due", s->name, a, b);
    }
}

/* Reads one kind; its mapping's own places are needed, so this is not left to section_read alone. */
static void read_kind(struct loader *l, const struct section *s, struct fy_node *value, struct config_probe *p)
{
    struct seen seen = {.value = {NULL}};
    section_read(l, s, value, p, &seen);
    fit_pace(l, s, &seen, p);
    fit_timeouts(l, s, &seen, p);
}

void probes_read(struct loader *l, struct fy_node *value, struct config_probe *base)
{
    if (!node_want_mapping(l, value, "probes"))
        return;
    void *state = NULL;
    const char *name;
    struct fy_node *key, *kind;
    bool seen[PROBE_KIND_COUNT] = {false};
    while (node_next_pair(l, value, &state, &name, &key, &kind)) {
        const struct keyword *k = section_find(&section_probes, name);
        if (!k) {
            section_unknown(l, &section_probes, key, name);
            continue;
        }
        size_t i = (size_t)(k - section_probes.keywords);
        if (seen[i])
            report_error(l, key, "\"%s\" is given twice", name);
        else
            read_kind(l, k->section, kind, (struct config_probe *)((char *)base + k->offset));
        seen[i] = true;
    }
}

void read_default_probes(struct loader *l, struct fy_node *value, void *base)
{
    (void)base;
    probes_read(l, value, l->probes);
}

void read_platform_probes(struct loader *l, struct fy_node *value, void *base)
{
    probes_read(l, value, ((struct config_platform *)base)->probes);
}
