/* What only the whole shows, after every file is read: a model that no platform has, a policy that nothing can meet, a default policy that
 * is none.
 *
 * Then the whole is put in its final order: the default policy first, as the table and its readers expect it. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>

static void check_models(struct loader *l)
{
    const struct config *c = l->config;
    for (size_t i = 0; i < c->models_len && !c->replay_open; i++) {
        bool found = false;
        for (size_t j = 0; j < c->platforms_len && !found; j++)
            for (size_t k = 0; k < c->platforms[j].routes_len && !found; k++)
                found = strcmp(c->platforms[j].routes[k].model, c->models[i].name) == 0;
        if (!found)
            report_error(l, l->model_at[i], "model \"%s\" has no route: no platform names it in its \"models:\"", c->models[i].name);
    }
}

static bool tag_somewhere(const struct config *c, const struct tag *wanted)
{
    const struct policy one = {.require = wanted, .require_len = 1};
    for (size_t j = 0; j < c->platforms_len; j++) {
        const struct config_platform *p = &c->platforms[j];
        if (!policy_unmet(&one, NULL, 0, p->tags, p->tags_len))
            return true;
        for (size_t k = 0; k < p->routes_len; k++)
            if (!policy_unmet(&one, p->routes[k].tags, p->routes[k].tags_len, NULL, 0))
                return true;
    }
    return false;
}

static void check_policies(struct loader *l)
{
    const struct config *c = l->config;
    for (size_t i = 0; i < c->policies_len; i++)
        for (size_t j = 0; j < c->policies[i].require_len; j++) {
            const struct tag *wanted = &c->policies[i].require[j];
            if (c->platforms_len > 0 && !tag_somewhere(c, wanted))
                report_warning(l, l->policy_at[i], "policy \"%s\" requires \"%s%s%s\", which no platform and no model has",
                               c->policies[i].name, wanted->name, wanted->value[0] ? ": " : "", wanted->value);
        }
}

static void choose_default(struct loader *l)
{
    struct config *c = l->config;
    size_t chosen = 0;
    if (c->policies_len == 0) {
        report_error(l, NULL, "there is no policy: include policies.yaml or define one in \"policies:\"");
        return;
    }
    if (!c->default_policy)
        c->default_policy = alloc_string(c->policies[0].name);
    while (chosen < c->policies_len && strcmp(c->policies[chosen].name, c->default_policy) != 0)
        chosen++;
    if (chosen == c->policies_len) {
        const char *known[CONFIG_POLICIES_MAX];
        for (size_t i = 0; i < c->policies_len; i++)
            known[i] = c->policies[i].name;
        node_unknown(l, l->default_policy_at, "policy", c->default_policy, known, c->policies_len);
        return;
    }
    struct policy first = c->policies[chosen];
    memmove(&c->policies[1], &c->policies[0], chosen * sizeof first);
    c->policies[0] = first;
}

static void check_health(struct loader *l)
{
    const struct health_rules *h = &l->config->health;
    if (h->fall > h->window)
        report_error(l, l->health_at, "health: fall (%d) must not be more than window (%d)", h->fall, h->window);
}

static void check_budget(struct loader *l)
{
    const struct budget_limits *b = &l->config->budget;
    if (b->all >= 0 && b->platform > b->all)
        report_warning(l, l->budget_at, "the budget of one platform is more than that of all: it can never be used up");
    if (b->platform >= 0 && b->route > b->platform)
        report_warning(l, l->budget_at, "the budget of one route is more than that of its platform: it can never be used up");
}

void check_all(struct loader *l)
{
    check_models(l);
    check_policies(l);
    check_health(l);
    check_budget(l);
    choose_default(l);
    if (l->config->platforms_len == 0 && !l->config->replay_open)
        report_warning(l, NULL, "there is no platform: nothing will be probed");
}
