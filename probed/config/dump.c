/* The effective configuration as YAML that loads again and means the same; keys only as where they come from.
 *
 * Walks the keyword tables in their order. Texts are JSON strings, which YAML reads as they are; quantities are written exactly (values.c).
 * What includes brought in is written in place, and each platform's probes in full, so that the result stands alone and shows what holds.
 */
#include "probed/config/parts.h"

#include <string.h>

static void indent(struct dump *d)
{
    buf_printf(d->out, "%*s", d->indent, "");
}

void dump_name(struct dump *d, const char *name)
{
    indent(d);
    buf_printf(d->out, "%s:", name);
}

/* A user's name as a key: quoted, so that nothing in it is YAML. */
static void quoted_name(struct dump *d, const char *name)
{
    indent(d);
    json_quote(d->out, name);
    buf_add_char(d->out, ':');
}

static void text_item(struct dump *d, const char *text)
{
    indent(d);
    buf_add_str(d->out, "- ");
    json_quote(d->out, text);
    buf_add_char(d->out, '\n');
}

static void begin(struct dump *d)
{
    buf_add_char(d->out, '\n');
    d->indent += 2;
}

static void end(struct dump *d)
{
    d->indent -= 2;
}

void dump_keyword(struct dump *d, const struct keyword *k, const void *base)
{
    if (k->type == KEYWORD_OWN) {
        k->dump(d, base);
        return;
    }
    if (k->type == KEYWORD_SECTION) {
        dump_name(d, k->name);
        begin(d);
        dump_section(d, k->section, (const char *)base + k->offset);
        end(d);
        return;
    }
    struct buf value = BUF_CAP(64 * 1024);
    if (value_format(d->config, k, base, &value)) {
        dump_name(d, k->name);
        buf_printf(d->out, " %s\n", buf_str(&value));
    }
    buf_done(&value);
}

void dump_section(struct dump *d, const struct section *s, const void *base)
{
    for (size_t i = 0; i < s->len; i++)
        dump_keyword(d, &s->keywords[i], base);
}

void dump_nothing(struct dump *d, const void *base)
{
    (void)d, (void)base;
}

static void dump_tags(struct dump *d, const char *name, const struct tag *tags, size_t len)
{
    dump_name(d, name);
    if (len == 0) {
        buf_add_str(d->out, " {}\n");
        return;
    }
    begin(d);
    for (size_t i = 0; i < len; i++) {
        quoted_name(d, tags[i].name);
        buf_add_char(d->out, ' ');
        if (tags[i].value[0])
            json_quote(d->out, tags[i].value);
        else
            buf_add_str(d->out, "true");
        buf_add_char(d->out, '\n');
    }
    end(d);
}

/* --- top level --- */
void dump_currency(struct dump *d, const void *base)
{
    dump_name(d, "currency"), buf_printf(d->out, " %s\n", ((const struct config *)base)->currency);
}

void dump_rates(struct dump *d, const void *base)
{
    const struct config *c = base;
    char text[64];
    if (c->rates_len == 0)
        return;
    dump_name(d, "rates");
    begin(d);
    for (size_t i = 0; i < c->rates_len; i++) {
        dump_name(d, c->rates[i].currency);
        buf_printf(d->out, " %s\n", units_format_money(text, sizeof text, c->rates[i].pico, c->currency));
    }
    end(d);
}

void dump_budget(struct dump *d, const void *base)
{
    dump_name(d, "budget");
    begin(d);
    dump_section(d, &section_budget, &((const struct config *)base)->budget);
    end(d);
}

void dump_socket_group(struct dump *d, const void *base)
{
    const struct config *c = base;
    if (!c->socket_group)
        return;
    dump_name(d, "socket_group");
    buf_add_char(d->out, ' ');
    json_quote(d->out, c->socket_group);
    buf_add_char(d->out, '\n');
}

void dump_self_check(struct dump *d, const void *base)
{
    const struct config *c = base;
    if (c->self_check_len == 0)
        return;
    dump_name(d, "self_check");
    begin(d);
    for (size_t i = 0; i < c->self_check_len; i++)
        text_item(d, c->self_check[i]);
    end(d);
}

void dump_model_capabilities(struct dump *d, const void *base)
{
    const struct config_model *m = base;
    if (m->tags_len > 0)
        dump_tags(d, "capabilities", m->tags, m->tags_len);
}

void dump_models(struct dump *d, const void *base)
{
    const struct config *c = base;
    if (c->models_len == 0)
        return;
    dump_name(d, "models");
    begin(d);
    for (size_t i = 0; i < c->models_len; i++) {
        quoted_name(d, c->models[i].name);
        begin(d);
        dump_section(d, &section_model, &c->models[i]);
        end(d);
    }
    end(d);
}

static void dump_ids(struct dump *d, const char *name, const unsigned *ids, size_t len)
{
    if (len == 0)
        return;
    dump_name(d, name);
    for (size_t i = 0; i < len; i++)
        buf_printf(d->out, "%s%u", i ? ", " : " [", ids[i]);
    buf_add_str(d->out, "]\n");
}

void dump_role_users(struct dump *d, const void *base)
{
    const struct config_role *r = base;
    dump_ids(d, "users", r->users, r->users_len);
}

void dump_role_groups(struct dump *d, const void *base)
{
    const struct config_role *r = base;
    dump_ids(d, "groups", r->groups, r->groups_len);
}

void dump_roles(struct dump *d, const void *base)
{
    const struct config *c = base;
    if (c->roles_len == 0)
        return;
    dump_name(d, "roles");
    begin(d);
    for (size_t i = 0; i < c->roles_len; i++) {
        const struct config_role *r = &c->roles[i];
        dump_name(d, section_roles.keywords[__builtin_ctz(r->role)].name);
        if (r->users_len + r->groups_len == 0)
            buf_add_str(d->out, " {}");
        begin(d);
        dump_section(d, &section_role, r);
        end(d);
    }
    end(d);
}

/* --- policies --- */
void dump_policy_failure(struct dump *d, const void *base)
{
    const struct policy *p = base;
    char text[64];
    if (p->failure_pico <= 0)
        return;
    dump_name(d, "failure");
    buf_printf(d->out, " %s\n", units_format_money(text, sizeof text, p->failure_pico, d->config->currency));
}

static void dump_number(struct dump *d, const char *name, size_t offset, const void *base)
{
    const struct keyword number = {.name = name, .type = KEYWORD_NUMBER, .offset = offset};
    dump_keyword(d, &number, base);
}

void dump_policy_second(struct dump *d, const void *base)
{
    dump_number(d, "second", offsetof(struct policy, second), base);
}

void dump_policy_money(struct dump *d, const void *base)
{
    const struct policy *p = base;
    if (p->failure_pico <= 0)
        dump_number(d, "money", offsetof(struct policy, money), base);
}

void dump_policy_request(struct dump *d, const void *base)
{
    const struct policy *p = base;
    const int tokens[2] = {(int)p->input_tokens, (int)p->output_tokens};
    dump_name(d, "request");
    begin(d);
    dump_section(d, &section_request, tokens);
    end(d);
}

void dump_policy_require(struct dump *d, const void *base)
{
    const struct policy *p = base;
    if (p->require_len > 0)
        dump_tags(d, "require", p->require, p->require_len);
}

void dump_policies(struct dump *d, const void *base)
{
    const struct config *c = base;
    dump_name(d, "policies");
    begin(d);
    for (size_t i = 0; i < c->policies_len; i++) {
        quoted_name(d, c->policies[i].name);
        begin(d);
        dump_section(d, &section_policy, &c->policies[i]);
        end(d);
    }
    end(d);
}

/* --- platforms --- */
void dump_platform_endpoints(struct dump *d, const void *base)
{
    const struct config_platform *p = base;
    dump_name(d, "endpoints");
    begin(d);
    for (size_t i = 0; i < p->endpoints_len; i++) {
        indent(d);
        buf_add_str(d->out, "- {url: ");
        json_quote(d->out, p->endpoints[i].url);
        buf_printf(d->out, ", dialect: %s}\n", dialect_name(p->endpoints[i].dialect));
    }
    end(d);
}

void dump_platform_key(struct dump *d, const void *base)
{
    const struct config_platform *p = base;
    dump_name(d, "key");
    if (!p->key.env && !p->key.credential && !p->key.file) {
        buf_add_str(d->out, " none\n");
        return;
    }
    begin(d);
    dump_section(d, &section_key, p);
    end(d);
}

void dump_platform_headers(struct dump *d, const void *base)
{
    const struct config_platform *p = base;
    if (p->headers_len == 0)
        return;
    dump_name(d, "headers");
    begin(d);
    for (size_t i = 0; i < p->headers_len; i++) {
        quoted_name(d, p->headers[i].name);
        buf_add_char(d->out, ' ');
        json_quote(d->out, p->headers[i].value);
        buf_add_char(d->out, '\n');
    }
    end(d);
}

void dump_platform_tags(struct dump *d, const void *base)
{
    const struct config_platform *p = base;
    if (p->tags_len > 0)
        dump_tags(d, "tags", p->tags, p->tags_len);
}

void dump_platform_maintenance(struct dump *d, const void *base)
{
    const struct config_platform *p = base;
    if (p->windows_len == 0)
        return;
    dump_name(d, "maintenance");
    begin(d);
    for (size_t i = 0; i < p->windows_len; i++) {
        struct buf text = BUF_CAP(256);
        window_format(&p->windows[i], &text);
        indent(d);
        if (p->windows[i].daily)
            buf_printf(d->out, "- {daily: \"%s\"", buf_str(&text));
        else
            buf_printf(d->out, "- {from: \"%.20s\", to: \"%s\"", buf_str(&text), buf_str(&text) + 22);
        if (p->windows[i].reason) {
            buf_add_str(d->out, ", reason: ");
            json_quote(d->out, p->windows[i].reason);
        }
        buf_add_str(d->out, "}\n");
        buf_done(&text);
    }
    end(d);
}

/* --- sources and workloads --- */
void dump_source_word(struct dump *d, const void *base)
{
    dump_name(d, "source");
    buf_printf(d->out, " %s\n", ((const struct config_source *)base)->source);
}

void dump_source_currency(struct dump *d, const void *base)
{
    const struct config_source *s = base;
    if (!s->currency[0])
        return;
    dump_name(d, "currency");
    buf_printf(d->out, " %s\n", s->currency);
}

void dump_source_quota(struct dump *d, const void *base)
{
    const struct config_source *s = base;
    if (s->quota_per_unit <= 0)
        return;
    dump_name(d, "quota_per_unit");
    buf_printf(d->out, " %lld\n", (long long)s->quota_per_unit);
}

void dump_source_group_ratio(struct dump *d, const void *base)
{
    const struct config_source *s = base;
    if (!s->group_ratio)
        return;
    dump_name(d, "group_ratio");
    buf_printf(d->out, " %s\n", s->group_ratio);
}

void dump_source_shared(struct dump *d, const void *base)
{
    const struct config_source *s = base;
    if (!s->shared && !s->alone)
        return;
    dump_name(d, "shared");
    buf_printf(d->out, " %s\n", s->shared ? "true" : "false");
}

void dump_source_key(struct dump *d, const void *base)
{
    const struct config_source *s = base;
    if (!s->key.env && !s->key.credential && !s->key.file)
        return;
    dump_name(d, "key");
    begin(d);
    dump_section(d, &section_source_key, s);
    end(d);
}

void dump_price_source(struct dump *d, const void *base)
{
    dump_name(d, "price_source");
    begin(d);
    dump_section(d, &section_price_source, &((const struct config_platform *)base)->price_feed);
    end(d);
}

void dump_balance_source(struct dump *d, const void *base)
{
    dump_name(d, "balance_source");
    begin(d);
    dump_section(d, &section_balance_source, &((const struct config_platform *)base)->balance_feed);
    end(d);
}

static void dump_fetch(struct dump *d, const char *name, const struct section *section, const struct config_fetch *f)
{
    if (!f->url && !f->file)
        return;
    dump_name(d, name);
    begin(d);
    dump_section(d, section, f);
    end(d);
}

void dump_rate_source(struct dump *d, const void *base)
{
    dump_fetch(d, "rate_source", &section_rate_source, &((const struct config *)base)->rate_source);
}

void dump_price_reference(struct dump *d, const void *base)
{
    dump_fetch(d, "price_reference", &section_price_reference, &((const struct config *)base)->price_reference);
}

void dump_workload_requests(struct dump *d, const void *base)
{
    dump_name(d, "requests");
    buf_printf(d->out, " %.10g/day\n", ((const struct config_workload *)base)->requests);
}

void dump_workload(struct dump *d, const void *base)
{
    const struct config *c = base;
    if (c->workloads_len == 0)
        return;
    dump_name(d, "workload");
    begin(d);
    for (size_t i = 0; i < c->workloads_len; i++) {
        indent(d);
        buf_add_str(d->out, "-\n");
        d->indent += 2;
        dump_section(d, &section_workload, &c->workloads[i]);
        d->indent -= 2;
    }
    end(d);
}

void dump_platform_probes(struct dump *d, const void *base)
{
    dump_name(d, "probes");
    begin(d);
    dump_section(d, &section_probes, ((const struct config_platform *)base)->probes);
    end(d);
}

void dump_route_price(struct dump *d, const void *base)
{
    const struct config_route *r = base;
    const struct config_price *price = &r->price;
    if (!price->known)
        return;
    dump_name(d, "price");
    buf_add_str(d->out, " {input: ");
    value_format_pico(d->out, price->input, PICO_PER_UNIT_PER_MTOK);
    buf_printf(d->out, " %s/1M, output: ", price->currency);
    value_format_pico(d->out, price->output, PICO_PER_UNIT_PER_MTOK);
    buf_printf(d->out, " %s/1M, call: ", price->currency);
    value_format_pico(d->out, price->call, PICO_PER_UNIT);
    buf_printf(d->out, " %s}\n", price->currency);
}

void dump_route_capabilities(struct dump *d, const void *base)
{
    const struct config_route *r = base;
    dump_tags(d, "capabilities", r->tags, r->tags_len);
}

void dump_platform_models(struct dump *d, const void *base)
{
    const struct config_platform *p = base;
    if (p->routes_len == 0)
        return;
    dump_name(d, "models");
    begin(d);
    for (size_t i = 0; i < p->routes_len; i++) {
        quoted_name(d, p->routes[i].model);
        begin(d);
        dump_section(d, &section_route, &p->routes[i]);
        end(d);
    }
    end(d);
}

void dump_platforms(struct dump *d, const void *base)
{
    const struct config *c = base;
    if (c->platforms_len == 0)
        return;
    dump_name(d, "platforms");
    begin(d);
    for (size_t i = 0; i < c->platforms_len; i++) {
        quoted_name(d, c->platforms[i].name);
        begin(d);
        dump_section(d, &section_platform, &c->platforms[i]);
        end(d);
    }
    end(d);
}

void config_dump(const struct config *config, FILE *to)
{
    struct buf out = BUF_CAP(CONFIG_FILE_MAX);
    struct dump d = {.config = config, .out = &out};
    for (size_t i = 0; i < section_top.len; i++) {
        dump_keyword(&d, &section_top.keywords[i], config);
        fwrite(buf_str(&out), 1, out.len, to);
        buf_clear(&out);
    }
    buf_done(&out);
}
