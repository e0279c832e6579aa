/* Policies: requirements and exchange rates, which enter the loss that a route is scored by (core/loss.c).
 *
 * What a failure, a second and money are worth is said in one of two ways. Outright: `failure: 0.05 USD` and `second: 0.004 USD`. Relative:
 * `second: 0.0375` failed requests, `money: 0.05` failed requests a reference price. `second` may be a number with `failure`, too.
 * Whichever it was, the struct holds `second` as a number rounded to 1e-12, so that the dump reads back as the same. */
#include "probed/config/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MAX 1000.0 /* failed requests */
#define MONEY_MAX  1000.0

/* A sum in the reference currency; false with the error said. */
static bool take_money(struct loader *l, struct fy_node *at, int64_t *ret)
{
    static const struct keyword sum = {.name = "sum", .type = KEYWORD_MONEY, .max = 1000000};
    int before = l->errors;
    value_read(l, &sum, at, ret);
    return l->errors == before;
}

static bool take_number(struct loader *l, struct fy_node *at, double most, double *ret)
{
    struct keyword number = {.name = "number", .type = KEYWORD_NUMBER, .max = (int64_t)most};
    int before = l->errors;
    value_read(l, &number, at, ret);
    return l->errors == before;
}

static bool is_money(struct fy_node *at)
{
    const char *text = fy_node_is_scalar(at) ? fy_node_get_scalar0(at) : NULL;
    return text && strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static void take_second(struct loader *l, struct policy *p, struct fy_node *at)
{
    int64_t pico = 0;
    if (!is_money(at)) {
        take_number(l, at, SECOND_MAX, &p->second);
        return;
    }
    if (p->failure_pico <= 0) {
        report_error(l, at, "a second in money needs \"failure:\" in money beside it; or give a number of failed requests");
        return;
    }
    if (!take_money(l, at, &pico))
        return;
    p->second = (double)llround((double)pico / (double)p->failure_pico * 1e12) / 1e12;
    if (p->second > SECOND_MAX)
        report_error(l, at, "a second of waiting is worth more than %d failed requests", (int)SECOND_MAX);
}

static void read_worth(struct loader *l, struct policy *p, const struct seen *seen, struct fy_node *key)
{
    struct fy_node *failure = seen_at(seen, &section_policy, "failure"), *second = seen_at(seen, &section_policy, "second"),
                   *money = seen_at(seen, &section_policy, "money");
    if (failure && take_money(l, failure, &p->failure_pico) && p->failure_pico <= 0)
        report_error(l, failure, "a failed request must be worth something");
    if (money && failure)
        report_error(l, money, "either \"failure:\" (outright) or \"money:\" (relative), not both");
    else if (money)
        take_number(l, money, MONEY_MAX, &p->money);
    if (second)
        take_second(l, p, second);
    else
        report_error(l, key, "policy \"%s\" does not say what a second of waiting is worth: \"second:\"", p->name);
    if (second && p->second <= 0 && !is_money(second))
        report_error(l, second, "a second of waiting must be worth something; 0.000001 is next to nothing");
    if (!failure && !money)
        report_error(l, key, "policy \"%s\" does not say what money is worth: \"money:\" or \"failure:\"", p->name);
}

void read_policy_request(struct loader *l, struct fy_node *value, void *base)
{
    struct policy *p = base;
    int tokens[2] = {(int)p->input_tokens, (int)p->output_tokens};
    section_read(l, &section_request, value, tokens, NULL);
    p->input_tokens = tokens[0];
    p->output_tokens = tokens[1];
    if (p->input_tokens + p->output_tokens == 0)
        report_error(l, value, "a request of no tokens");
}

void read_policy_require(struct loader *l, struct fy_node *value, void *base)
{
    struct policy *p = base;
    struct tag *tags = NULL;
    size_t len = 0;
    tags_read(l, value, &tags, &len, true);
    p->require = tags;
    p->require_len = len;
}

static void read_policy(struct loader *l, struct config *c, const char *name, struct fy_node *key, struct fy_node *value)
{
    for (size_t i = 0; i < c->policies_len; i++)
        if (strcmp(c->policies[i].name, name) == 0) {
            char place[48];
            report_error(l, key, "policy \"%s\" is defined twice, first in %s", name, report_place(l->policy_at[i], place, sizeof place));
            return;
        }
    if (!name_is_good(name, false)) {
        report_error(l, key, "\"%.60s\" is no name for a policy: letters, digits and ._-, at most 63", name);
        return;
    }
    if (c->policies_len >= CONFIG_POLICIES_MAX) {
        report_error(l, key, "too many policies: at most %d", CONFIG_POLICIES_MAX);
        return;
    }
    struct policy p = {.name = alloc_string(name)};
    int tokens[2];
    struct seen seen = {.value = {NULL}};
    section_defaults(&section_request, tokens);
    p.input_tokens = tokens[0];
    p.output_tokens = tokens[1];
    section_defaults(&section_policy, &p);
    section_read(l, &section_policy, value, &p, &seen);
    if (!p.about)
        p.about = alloc_string("");
    if (fy_node_is_mapping(value))
        read_worth(l, &p, &seen, key);
    c->policies = alloc_resize(c->policies, c->policies_len + 1, sizeof *c->policies);
    l->policy_at = alloc_resize(l->policy_at, c->policies_len + 1, sizeof *l->policy_at);
    l->policy_at[c->policies_len] = key;
    c->policies[c->policies_len++] = p;
}

void read_policies(struct loader *l, struct fy_node *value, void *base)
{
    void *state = NULL;
    const char *name;
    struct fy_node *key, *policy;
    if (node_want_mapping(l, value, "policies"))
        while (node_next_pair(l, value, &state, &name, &key, &policy))
            read_policy(l, base, name, key, policy);
}
