/* routectl compare A B: what switching from platform A to platform B changes, as the seed of a migration plan.
 *
 * Everything comes from the table and the status at one moment: the platforms side by side, the models that both have with price, first
 * token and availability, what only one of them has, and at the end what would be lost and what has to be changed. */
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/table.h"
#include "shared/text.h"

/* What counts as a loss: a first token later by this factor, an availability lower by this much. */
#define SLOWER 1.2
#define WEAKER 0.001

struct side {
    const char *name;
    const cJSON *platform; /* its entry in /v1/status */
};

struct comparison {
    struct writer *w;
    struct side a, b;
    const struct table *table;
    const struct table_policy *policy;
    size_t both, only_a, only_b;
    struct buf renamed;                         /* "gpt-4o-mini -> openai/gpt-4o-mini, ..." */
    struct buf missing, dearer, slower, weaker; /* lists of models that lose by the change */
    size_t renames;
};

static const struct table_row *row_of(const struct ranking *ranking, const char *platform)
{
    for (size_t i = 0; i < ranking->len; i++) {
        if (strcmp(ranking->rows[i].facts->platform, platform) == 0)
            return &ranking->rows[i];
    }
    return NULL;
}

static void add_name(struct buf *ret, const char *name)
{
    buf_printf(ret, "%s%s", ret->len > 0 ? ", " : "", name);
}

/* What the policy's request costs there; NAN = unknown. */
static double cost_of(const struct table_row *row)
{
    return row->cost_pico >= 0 ? (double)row->cost_pico / (double)PICO_PER_UNIT : NAN;
}

static double price_of(int64_t pico)
{
    return pico >= 0 ? (double)pico / (double)PICO_PER_UNIT_PER_MTOK : NAN;
}

static void side_line(struct comparison *c, const char *key, const char *label, const char *a, const char *b)
{
    bool same = strcmp(a, b) == 0;
    writer_row(c->w, (struct cell[]){cell_string(key), cell_styled(cell_string(label), STYLE_DIM), cell_string(a[0] ? a : "-"),
                                     cell_styled(cell_string(b[0] ? b : "-"), same ? STYLE_DIM : STYLE_PLAIN)});
}

static void add_endpoints(struct buf *ret, const cJSON *platform)
{
    const cJSON *endpoint;
    cJSON_ArrayForEach(endpoint, json_at(platform, "endpoints"))
        buf_printf(ret, "%s%s (%s)%s", ret->len > 0 ? ", " : "", field_words(endpoint, "url"), field_words(endpoint, "dialect"),
                   field_true(endpoint, "in_use") ? "*" : "");
}

static void write_platforms(struct comparison *c)
{
    struct buf endpoints[2] = {BUF_INIT, BUF_INIT}, tags[2] = {BUF_INIT, BUF_INIT}, up[2] = {BUF_INIT, BUF_INIT};
    const cJSON *platforms[2] = {c->a.platform, c->b.platform};
    char *titles[2];
    struct column columns[] = {
        {.key = "what"},
        {.title = ""},
        {.key = "from", .title = c->a.name, .least = 20},
        {.key = "to", .title = c->b.name, .wrap = true},
    };

    for (int i = 0; i < 2; i++) {
        add_endpoints(&endpoints[i], platforms[i]);
        field_tags(&tags[i], json_at(platforms[i], "tags"));
        buf_printf(&up[i], "%lld of %lld", (long long)field_count(platforms[i], "up"), (long long)field_count(platforms[i], "routes"));
        titles[i] = alloc_string(field_words(platforms[i], "title"));
    }
    writer_table(c->w, "platforms", columns, ARRAY_LEN(columns));
    side_line(c, "title", "name", titles[0], titles[1]);
    side_line(c, "endpoint", "base URL", field_words(c->a.platform, "endpoint"), field_words(c->b.platform, "endpoint"));
    side_line(c, "endpoints", "endpoints", buf_str(&endpoints[0]), buf_str(&endpoints[1]));
    side_line(c, "key", "key", field_words(c->a.platform, "key"), field_words(c->b.platform, "key"));
    side_line(c, "level", "probed", field_words(c->a.platform, "level"), field_words(c->b.platform, "level"));
    side_line(c, "up", "routes up", buf_str(&up[0]), buf_str(&up[1]));
    side_line(c, "tags", "tags", buf_str(&tags[0]), buf_str(&tags[1]));
    side_line(c, "maintenance", "maintenance", field_words(c->a.platform, "maintenance"), field_words(c->b.platform, "maintenance"));
    writer_table_end(c->w);
    for (int i = 0; i < 2; i++) {
        buf_done(&endpoints[i]);
        buf_done(&tags[i]);
        buf_done(&up[i]);
        free(titles[i]);
    }
}

static struct cell faster_cell(usec_t from, usec_t to)
{
    return from < 0 || to < 0 ? cell_unknown() : figure_change((double)from, (double)to);
}

static struct cell points_cell(double from, double to)
{
    if (!isfinite(from) || !isfinite(to))
        return cell_unknown();
    double points = (to - from) * 100;
    struct cell cell = cell_shown((struct cell){.kind = CELL_NUMBER, .number = to - from}, "%+.2f", points);
    return cell_styled(cell, points < -0.005 ? STYLE_BAD : points > 0.005 ? STYLE_GOOD : STYLE_DIM);
}

/* "$0.15/$0.60", in and out a million tokens. */
static struct cell prices_cell(const struct table_row *row, const char *currency)
{
    char in[64], out[64];
    if (row->price_input < 0 || row->price_output < 0)
        return cell_unknown();
    struct cell cell = cell_string("");
    return cell_shown(cell, "%s/%s", figure_amount(in, sizeof in, price_of(row->price_input), currency),
                      figure_amount(out, sizeof out, price_of(row->price_output), currency));
}

static void write_both_row(struct comparison *c, const struct ranking *ranking, const struct table_row *a, const struct table_row *b)
{
    const char *currency = c->table->currency;
    double cost_a = cost_of(a), cost_b = cost_of(b);

    c->both++;
    if (isfinite(cost_a) && isfinite(cost_b) && cost_b > cost_a)
        add_name(&c->dearer, ranking->model);
    if (a->ttft_p50 > 0 && (double)b->ttft_p50 > SLOWER * (double)a->ttft_p50)
        add_name(&c->slower, ranking->model);
    if (a->availability - b->availability > WEAKER) /* false if either is unknown */
        add_name(&c->weaker, ranking->model);
    if (strcmp(a->facts->upstream_model ? a->facts->upstream_model : "", b->facts->upstream_model ? b->facts->upstream_model : "") != 0) {
        if (c->renames++ < 40)
            buf_printf(&c->renamed, "%s%s -> %s", c->renamed.len > 0 ? ", " : "", a->facts->upstream_model ? a->facts->upstream_model : "?",
                       b->facts->upstream_model ? b->facts->upstream_model : "?");
    }
    writer_row(c->w, (struct cell[]){
                         cell_string(ranking->model),
                         figure_state(a->state),
                         figure_state(b->state),
                         prices_cell(a, currency),
                         prices_cell(b, currency),
                         figure_change(cost_a, cost_b),
                         figure_msec(a->ttft_p50),
                         figure_msec(b->ttft_p50),
                         faster_cell(a->ttft_p50, b->ttft_p50),
                         figure_ratio(a->availability),
                         figure_ratio(b->availability),
                         points_cell(a->availability, b->availability),
                         cell_string(a->facts->upstream_model),
                         cell_string(b->facts->upstream_model),
                         cell_string(a->facts->dialect),
                         cell_string(b->facts->dialect),
                         figure_price(a->price_input, currency),
                         figure_price(b->price_input, currency),
                         figure_price(a->price_output, currency),
                         figure_price(b->price_output, currency),
                         isfinite(cost_a) ? figure_money(a->cost_pico, currency) : cell_unknown(),
                         isfinite(cost_b) ? figure_money(b->cost_pico, currency) : cell_unknown(),
                     });
}

static void write_both(struct comparison *c)
{
    static const struct column columns[] = {
        {.key = "model", .title = "MODEL", .least = 14},
        {.key = "state_from", .title = "STATE"},
        {.key = "state_to", .title = "-> "},
        {.title = "IN/OUT 1M", .right = true, .drop = 3},
        {.title = "-> ", .right = true, .drop = 3},
        {.key = "cost_change", .title = "COST ±", .right = true},
        {.key = "ttft_ms_from", .title = "TTFT", .right = true, .drop = 4},
        {.key = "ttft_ms_to", .title = "->", .right = true, .drop = 4},
        {.key = "ttft_change", .title = "TTFT ±", .right = true},
        {.key = "availability_from", .title = "AVAIL", .right = true, .drop = 5},
        {.key = "availability_to", .title = "->", .right = true, .drop = 5},
        {.key = "availability_change", .title = "AVAIL ±", .right = true, .drop = 1},
        {.key = "name_from", .title = "NAME", .drop = 6, .least = 12},
        {.key = "name_to", .title = "->", .drop = 6, .least = 12},
        {.key = "dialect_from"},
        {.key = "dialect_to"},
        {.key = "price_input_from"},
        {.key = "price_input_to"},
        {.key = "price_output_from"},
        {.key = "price_output_to"},
        {.key = "cost_from"},
        {.key = "cost_to"},
    };

    writer_heading(c->w, "Models that both have (%s -> %s; cost of the request of policy %s)", c->a.name, c->b.name, c->policy->name);
    writer_table(c->w, "both", columns, ARRAY_LEN(columns));
    for (size_t m = 0; m < c->policy->len; m++) {
        const struct ranking *ranking = c->policy->rankings[m];
        const struct table_row *a = row_of(ranking, c->a.name), *b = row_of(ranking, c->b.name);
        if (a && b)
            write_both_row(c, ranking, a, b);
    }
    writer_table_end(c->w);
    if (c->both == 0)
        writer_note(c->w, STYLE_WARN, "None.");
}

/* The best platform for the model that is neither of the two. */
static const struct table_row *elsewhere(const struct comparison *c, const struct ranking *ranking)
{
    for (size_t i = 0; i < ranking->len; i++) {
        const struct table_row *row = &ranking->rows[i];
        if (strcmp(row->facts->platform, c->a.name) != 0 && strcmp(row->facts->platform, c->b.name) != 0 &&
            route_reason_eligible(row->reason) && row->state != ROUTE_DOWN)
            return row;
    }
    return NULL;
}

/* Models of `with` that `without` does not have (or does not list any more). Returns how many. */
static size_t write_only(struct comparison *c, const char *key, const struct side *with, const struct side *without, struct buf *names)
{
    static const struct column columns[] = {
        {.key = "model", .title = "MODEL", .least = 14},
        {.key = "state", .title = "STATE"},
        {.key = "name", .title = "NAME THERE", .least = 12, .drop = 3},
        {.title = "IN/OUT 1M", .right = true, .drop = 2},
        {.key = "ttft_ms", .title = "TTFT", .right = true, .drop = 1},
        {.key = "elsewhere", .title = "ALSO AT"},
    };
    size_t found = 0;

    writer_heading(c->w, "Only %s has", with->name);
    writer_table(c->w, key, columns, ARRAY_LEN(columns));
    for (size_t m = 0; m < c->policy->len; m++) {
        const struct ranking *ranking = c->policy->rankings[m];
        const struct table_row *row = row_of(ranking, with->name);
        if (!row || row_of(ranking, without->name))
            continue;
        const struct table_row *other = elsewhere(c, ranking);
        found++;
        if (names)
            buf_printf(names, "%s%s%s%s%s", names->len > 0 ? ", " : "", ranking->model, other ? " (still at " : " (nowhere else)",
                       other ? other->facts->platform : "", other ? ")" : "");
        writer_row(c->w, (struct cell[]){cell_string(ranking->model), figure_state(row->state), cell_string(row->facts->upstream_model),
                                         prices_cell(row, c->table->currency), figure_msec(row->ttft_p50),
                                         other ? cell_string(other->facts->platform) : cell_shown(cell_unknown(), "nowhere")});
    }
    writer_table_end(c->w);
    if (found == 0)
        writer_note(c->w, STYLE_DIM, "Nothing.");
    return found;
}

/* Tags that A has and B has not, or with another value. */
/* How many. */
static size_t write_lost_tags(struct comparison *c)
{
    size_t lost = 0;
    const cJSON *tag, *tags_b = json_at(c->b.platform, "tags");
    cJSON_ArrayForEach(tag, json_at(c->a.platform, "tags"))
    {
        const cJSON *other = tag->string ? cJSON_GetObjectItemCaseSensitive(tags_b, tag->string) : NULL;
        const char *value = cJSON_GetStringValue(tag), *now = cJSON_GetStringValue(other);
        value = value ? value : "";
        bool same = other && strcmp(value, now ? now : "") == 0;
        if (!other)
            writer_note(c->w, STYLE_WARN, "- the tag %s%s%s", tag->string ? tag->string : "?", value[0] ? "=" : "", value);
        else if (!same)
            writer_note(c->w, STYLE_WARN, "- the tag %s: %s becomes %s", tag->string, value, now ? now : "another");
        lost += !same;
    }
    return lost;
}

static void write_lost(struct comparison *c)
{
    writer_heading(c->w, "What would be lost");
    if (c->missing.len > 0)
        writer_note(c->w, STYLE_WARN, "- %zu model%s: %s", c->only_a, c->only_a == 1 ? "" : "s", buf_str(&c->missing));
    size_t lost = (c->missing.len > 0) + (c->dearer.len > 0) + (c->slower.len > 0) + (c->weaker.len > 0) + write_lost_tags(c);
    if (c->dearer.len > 0)
        writer_note(c->w, STYLE_WARN, "- money: dearer at %s: %s", c->b.name, buf_str(&c->dearer));
    if (c->slower.len > 0)
        writer_note(c->w, STYLE_WARN, "- speed: first token at least 20%% later at %s: %s", c->b.name, buf_str(&c->slower));
    if (c->weaker.len > 0)
        writer_note(c->w, STYLE_WARN, "- availability: lower by more than 0.1 points at %s: %s", c->b.name, buf_str(&c->weaker));
    for (size_t m = 0; m < c->policy->len; m++) {
        const struct ranking *ranking = c->policy->rankings[m];
        const struct table_row *a = row_of(ranking, c->a.name), *b = row_of(ranking, c->b.name);
        bool good = a && route_reason_eligible(a->reason) && (a->state == ROUTE_UP || a->state == ROUTE_DEGRADED);
        bool bad = b && (!route_reason_eligible(b->reason) || b->state == ROUTE_DOWN);
        if (good && bad)
            writer_note(c->w, STYLE_BAD, "- %s now: at %s it is %s (%s)", ranking->model, c->b.name, route_state_name(b->state),
                        route_reason_text(b->reason));
        lost += good && bad;
    }
    if (lost == 0)
        writer_note(c->w, STYLE_DIM, "Nothing.");
}

/* "env OPENROUTER_API_KEY" -> the variable's name; NULL if it is none. */
static const char *key_variable(const cJSON *platform)
{
    const char *key = field_words(platform, "key");
    return strncmp(key, "env ", 4) == 0 ? key + 4 : NULL;
}

static void write_changes(struct comparison *c)
{
    const char *url_a = field_words(c->a.platform, "endpoint"), *url_b = field_words(c->b.platform, "endpoint");
    const char *key_a = key_variable(c->a.platform), *key_b = key_variable(c->b.platform);

    writer_heading(c->w, "What to change");
    writer_note(c->w, STYLE_PLAIN, "- base URL: %s -> %s", url_a, url_b);
    if (key_b)
        writer_note(c->w, STYLE_PLAIN, "- key variable: %s -> %s%s", key_a ? key_a : "none", key_b,
                    field_true(c->b.platform, "has_key") ? "" : " (probed has no key there yet)");
    else
        writer_note(c->w, STYLE_PLAIN, "- key: %s",
                    strcmp(field_words(c->b.platform, "key"), "none") == 0 ? "none is needed there" : field_words(c->b.platform, "key"));
    for (size_t m = 0; m < c->policy->len; m++) {
        const struct table_row *a = row_of(c->policy->rankings[m], c->a.name), *b = row_of(c->policy->rankings[m], c->b.name);
        if (a && b && a->facts->dialect && b->facts->dialect && strcmp(a->facts->dialect, b->facts->dialect) != 0)
            writer_note(c->w, STYLE_WARN, "- %s: the dialect, from %s to %s: another SDK or a converter", c->policy->rankings[m]->model,
                        a->facts->dialect, b->facts->dialect);
    }
    if (c->renames > 0)
        writer_note(c->w, STYLE_PLAIN, "- model names: %s%s", buf_str(&c->renamed), c->renames > 40 ? ", ..." : "");
    else if (c->both > 0)
        writer_note(c->w, STYLE_PLAIN, "- model names: none, both use the same");
}

static bool find_side(struct side *side, const char *name, const cJSON *status)
{
    const cJSON *platform;
    const char *names[2000];
    size_t len = 0;

    cJSON_ArrayForEach(platform, json_at(status, "platforms"))
    {
        const char *candidate = json_string(platform, "platform");
        if (candidate && strcmp(candidate, name) == 0) {
            *side = (struct side){.name = name, .platform = platform};
            return true;
        }
        if (candidate && len < ARRAY_LEN(names))
            names[len++] = candidate;
    }
    const char *nearest = text_nearest(name, names, len);
    if (nearest)
        complain("there is no platform '%s'. Did you mean '%s'?", name, nearest);
    else
        complain("there is no platform '%s'. See 'routectl status'", name);
    return false;
}

static void write_all(struct comparison *c)
{
    writer_tagged(c->w);
    writer_heading(c->w, "From %s to %s", c->a.name, c->b.name);
    writer_fact(c->w, "from", NULL, cell_string(c->a.name));
    writer_fact(c->w, "to", NULL, cell_string(c->b.name));
    writer_fact(c->w, "policy", NULL, cell_string(c->policy->name));
    writer_fact(c->w, "currency", NULL, cell_string(c->table->currency));
    write_platforms(c);
    write_both(c);
    c->only_a = write_only(c, "only_from", &c->a, &c->b, &c->missing);
    c->only_b = write_only(c, "only_to", &c->b, &c->a, NULL);
    write_lost(c);
    write_changes(c);
}

enum exit_code verb_compare(const struct command *command, struct writer *w)
{
    struct fetched status CLEANUP(fetched_done) = FETCHED_INIT;
    struct fetched routes CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    struct err err = {""};
    struct comparison c = {.w = w, .renames = 0};

    enum exit_code code = fetch(command, "/v1/status", &status);
    if (code != EXIT_OK)
        return code;
    if (!find_side(&c.a, command->args[0], status.json) || !find_side(&c.b, command->args[1], status.json))
        return EXIT_REFUSED;
    if (strcmp(c.a.name, c.b.name) == 0) {
        complain("compare wants two different platforms");
        return EXIT_USAGE;
    }
    buf_add_str(&target, "/v1/routes");
    fetch_query(&target, "policy", command->policy);
    code = fetch(command, buf_str(&target), &routes);
    if (code != EXIT_OK)
        return code;
    struct table *table = table_from_json(routes.json, &err);
    c.table = table;
    c.policy = table ? table_find_policy(table, NULL) : NULL;
    if (c.policy) {
        write_all(&c);
        code = fetch_verdict(&routes, EXIT_OK);
    } else {
        complain("what answers on %s is not probed: %s", command->socket, err.text);
        code = EXIT_UNREACHABLE;
    }
    table_unref(table);
    buf_done(&c.renamed);
    buf_done(&c.missing);
    buf_done(&c.dearer);
    buf_done(&c.slower);
    buf_done(&c.weaker);
    return code;
}
