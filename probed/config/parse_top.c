/* The top level's keywords with forms of their own: currency and rates, the budget, models, roles, the self-check's anchors. */
#include "probed/config/parts.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

void read_nothing(struct loader *l, struct fy_node *value, void *base)
{
    (void)l, (void)value, (void)base;
}

static bool is_currency(const char *text)
{
    size_t len = strlen(text);
    return len >= 2 && len < CURRENCY_MAX && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

void read_currency(struct loader *l, struct fy_node *value, void *base)
{
    struct config *c = base;
    const char *text = node_text(l, value, "a currency such as USD");
    if (text && !is_currency(text))
        report_error(l, value, "\"%.40s\" is no currency: 2 to %d capital letters, like USD", text, CURRENCY_MAX - 1);
    else if (text)
        memcpy(c->currency, text, strlen(text) + 1);
}

static void read_rate(struct loader *l, struct config *c, const char *name, struct fy_node *key, struct fy_node *value)
{
    struct money money;
    struct err err;
    const char *text = node_text(l, value, "a sum such as 0.14 USD");
    if (!text)
        return;
    if (!is_currency(name)) {
        report_error(l, key, "\"%.40s\" is no currency: 2 to %d capital letters, like CNY", name, CURRENCY_MAX - 1);
    } else if (strcmp(name, c->currency) == 0) {
        report_error(l, key, "%s is the reference currency itself", name);
    } else if (config_convert(c, 0, name) == 0) {
        report_error(l, key, "\"%s\" is given twice", name);
    } else if (units_parse_money(text, &money, &err) < 0) {
        report_error(l, value, "%s", err.text);
    } else if (strcmp(money.currency, c->currency) != 0) {
        report_error(l, value, "a rate says what one %s is in the reference currency: a sum in %s", name, c->currency);
    } else if (money.pico < PICO_PER_UNIT / 1000000 || money.pico > 1000000 * PICO_PER_UNIT) {
        report_error(l, value, "out of range: 0.000001 to 1000000 %s", c->currency);
    } else if (c->rates_len >= CONFIG_LIST_MAX) {
        report_error(l, key, "too many rates: at most %d", CONFIG_LIST_MAX);
    } else {
        c->rates = alloc_resize(c->rates, c->rates_len + 1, sizeof *c->rates);
        memset(&c->rates[c->rates_len], 0, sizeof *c->rates);
        memcpy(c->rates[c->rates_len].currency, name, strlen(name) + 1);
        c->rates[c->rates_len++].pico = money.pico;
    }
}

void read_rates(struct loader *l, struct fy_node *value, void *base)
{
    void *state = NULL;
    const char *name;
    struct fy_node *key, *rate;
    if (node_want_mapping(l, value, "rates"))
        while (node_next_pair(l, value, &state, &name, &key, &rate))
            read_rate(l, base, name, key, rate);
}

/* One sum for all, or a limit for each scope. */
void read_budget(struct loader *l, struct fy_node *value, void *base)
{
    struct config *c = base;
    l->budget_at = value;
    if (fy_node_is_mapping(value))
        section_read(l, &section_budget, value, &c->budget, NULL);
    else
        value_read(l, section_find(&section_budget, "all"), value, &c->budget);
}

void read_socket_group(struct loader *l, struct fy_node *value, void *base)
{
    struct config *c = base;
    const char *text = node_text(l, value, "a group's name");
    if (text && !getgrnam(text)) {
        report_error(l, value, "there is no group \"%.60s\" on this machine", text);
    } else if (text) {
        free(c->socket_group);
        c->socket_group = alloc_string(text);
    }
}

void read_self_check(struct loader *l, struct fy_node *value, void *base)
{
    struct config *c = base;
    void *state = NULL;
    struct fy_node *item;
    while ((item = node_next_item(l, value, &state))) {
        struct err err;
        const char *text = node_text(l, item, "a URL");
        if (!text)
            continue;
        if (url_check(text, true, &err) < 0) {
            report_error(l, item, "%s", err.text);
        } else if (c->self_check_len >= 16) {
            report_error(l, item, "too many anchors: at most 16");
        } else {
            c->self_check = alloc_resize(c->self_check, c->self_check_len + 1, sizeof *c->self_check);
            c->self_check[c->self_check_len++] = alloc_string(text);
        }
    }
}

/* --- models --- */
void read_model_capabilities(struct loader *l, struct fy_node *value, void *base)
{
    struct config_model *m = base;
    tags_read(l, value, &m->tags, &m->tags_len, false);
}

static void read_model(struct loader *l, struct config *c, const char *name, struct fy_node *key, struct fy_node *value)
{
    if (!name_is_good(name, true)) {
        report_error(l, key, "\"%.60s\" is no name for a model: letters, digits and ._-:/@+, at most 127", name);
    } else if (config_find_model(c, name)) {
        report_error(l, key, "model \"%s\" is defined twice", name);
    } else if (c->models_len >= CONFIG_MODELS_MAX) {
        report_error(l, key, "too many models: at most %d", CONFIG_MODELS_MAX);
    } else {
        struct config_model m = {.name = alloc_string(name)};
        section_defaults(&section_model, &m);
        section_read(l, &section_model, value, &m, NULL);
        c->models = alloc_resize(c->models, c->models_len + 1, sizeof *c->models);
        l->model_at = alloc_resize(l->model_at, c->models_len + 1, sizeof *l->model_at);
        l->model_at[c->models_len] = key;
        c->models[c->models_len++] = m;
    }
}

void read_models(struct loader *l, struct fy_node *value, void *base)
{
    void *state = NULL;
    const char *name;
    struct fy_node *key, *model;
    if (node_want_mapping(l, value, "models"))
        while (node_next_pair(l, value, &state, &name, &key, &model))
            read_model(l, base, name, key, model);
}

/* --- roles --- */
/* A name that the machine knows, or a number. */
static bool find_id(struct loader *l, struct fy_node *at, bool group, unsigned *ret)
{
    const char *text = node_text(l, at, group ? "a group" : "a user");
    if (!text)
        return false;
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && digits <= 10 && text[digits] == '\0' && strtoull(text, NULL, 10) < UINT32_MAX) {
        *ret = (unsigned)strtoull(text, NULL, 10);
        return true;
    }
    const struct group *gr = group ? getgrnam(text) : NULL;
    const struct passwd *pw = group ? NULL : getpwnam(text);
    if (!gr && !pw) {
        report_error(l, at, "there is no %s \"%.60s\" on this machine", group ? "group" : "user", text);
        return false;
    }
    *ret = group ? gr->gr_gid : pw->pw_uid;
    return true;
}

static void read_ids(struct loader *l, struct fy_node *value, bool group, unsigned **ids, size_t *len)
{
    void *state = NULL;
    struct fy_node *item;
    while ((item = node_next_item(l, value, &state))) {
        unsigned id;
        if (!find_id(l, item, group, &id))
            continue;
        if (*len >= CONFIG_LIST_MAX) {
            report_error(l, item, "too many: at most %d", CONFIG_LIST_MAX);
            return;
        }
        *ids = alloc_resize(*ids, *len + 1, sizeof **ids);
        (*ids)[(*len)++] = id;
    }
}

_Static_assert(sizeof(uid_t) == sizeof(unsigned) && sizeof(gid_t) == sizeof(unsigned), "read_ids fills arrays of either");

void read_role_users(struct loader *l, struct fy_node *value, void *base)
{
    struct config_role *r = base;
    read_ids(l, value, false, &r->users, &r->users_len);
}

void read_role_groups(struct loader *l, struct fy_node *value, void *base)
{
    struct config_role *r = base;
    read_ids(l, value, true, &r->groups, &r->groups_len);
}

void read_roles(struct loader *l, struct fy_node *value, void *base)
{
    struct config *c = base;
    struct seen seen = {.value = {NULL}};
    section_read(l, &section_roles, value, base, &seen);
    for (size_t i = 0; i < section_roles.len; i++) {
        if (!seen.value[i])
            continue;
        /* The table's order is that of enum role. */
        struct config_role r = {.role = (enum role)(1 << i)};
        section_read(l, &section_role, seen.value[i], &r, NULL);
        c->roles = alloc_resize(c->roles, c->roles_len + 1, sizeof *c->roles);
        c->roles[c->roles_len++] = r;
    }
}
