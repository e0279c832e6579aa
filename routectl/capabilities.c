/* routectl capabilities [ROUTE]: what the routes can do, as a rare probe has tried it out.
 *
 * A matrix: yes, no, ? (the answer did not tell), - (not tried). A capability that the configuration declares and the probe refuted is the
 * one thing here that somebody must act on, and stands out. */
#include "routectl/amounts.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define CAPABILITIES_MAX 12

struct matrix {
    struct writer *w;
    const cJSON *json;
    double now;
    const char *names[CAPABILITIES_MAX];
    char titles[CAPABILITIES_MAX][24];
    size_t len;
    bool refuted, unclear;
};

/* A name becomes that of a column, where nothing escapes it: a word, once. */
static bool is_new_name(const struct matrix *m, const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    if (len == 0 || name[len] || len >= sizeof m->titles[0])
        return false;
    for (size_t i = 0; i < m->len; i++) {
        if (strcmp(m->names[i], name) == 0)
            return false;
    }
    return true;
}

static void read_names(struct matrix *m)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(m->json, "capabilities"))
    {
        const char *name = cJSON_GetStringValue(item);
        if (!name || m->len == CAPABILITIES_MAX || !is_new_name(m, name))
            continue;
        m->names[m->len] = name;
        snprintf(m->titles[m->len], sizeof m->titles[0], "%s", name);
        for (char *c = m->titles[m->len]; *c; c++)
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        m->len++;
    }
}

static const cJSON *result_of(const cJSON *route, const char *capability)
{
    const cJSON *result;
    cJSON_ArrayForEach(result, json_at(route, "results"))
    {
        if (strcmp(field_words(result, "capability"), capability) == 0)
            return result;
    }
    return NULL;
}

static struct cell state_cell(struct matrix *m, const cJSON *result)
{
    const char *state = json_string(result, "state");
    struct cell cell = cell_string(state);
    bool declared = field_true(result, "declared");

    if (!state || strcmp(state, "untested") == 0)
        return cell_styled(cell_shown(cell, "-"), STYLE_DIM);
    if (strcmp(state, "yes") == 0)
        return cell_styled(cell, STYLE_GOOD);
    if (strcmp(state, "unclear") == 0) {
        m->unclear = true;
        return cell_styled(cell_shown(cell, "?"), STYLE_WARN);
    }
    if (strcmp(state, "no") != 0)
        return cell;
    m->refuted = m->refuted || declared;
    return declared ? cell_styled(cell_shown(cell, "no!"), STYLE_BAD) : cell_styled(cell, STYLE_DIM);
}

/* Once a model: its name, and how many of its routes were tried. */
static void begin_model(struct matrix *m, const cJSON *const *routes, size_t i, size_t len)
{
    const char *model = field_words(routes[i], "model");
    struct buf beside CLEANUP(buf_done) = BUF_INIT;
    size_t of = 0, tried = 0;

    if (i > 0 && strcmp(model, field_words(routes[i - 1], "model")) == 0)
        return;
    for (size_t n = i; n < len && strcmp(model, field_words(routes[n], "model")) == 0; n++) {
        of++;
        tried += field_time(routes[n], "tested_at") > 0;
    }
    buf_printf(&beside, "%zu route%s, %zu tried", of, of == 1 ? "" : "s", tried);
    writer_group(m->w, "model", model, buf_str(&beside), STYLE_DIM);
}

static void write_matrix(struct matrix *m, const cJSON *const *routes, size_t len)
{
    struct column columns[CAPABILITIES_MAX + 5] = {
        {.key = "platform", .title = "PLATFORM", .least = 10},
        {.key = "title", .title = "NAME", .drop = CAPABILITIES_MAX + 4, .least = 8},
    };
    size_t count = 2;
    bool any_why = false;

    for (size_t i = 0; i < len; i++)
        any_why = any_why || field_words(routes[i], "why")[0];
    for (size_t c = 0; c < m->len; c++)
        columns[count++] = (struct column){.key = m->names[c], .title = m->titles[c], .drop = (int)c};
    columns[count++] = (struct column){.key = "tested_at", .title = "TRIED", .right = true, .drop = CAPABILITIES_MAX + 2};
    columns[count++] = (struct column){.key = "next_at", .title = "NEXT", .right = true, .drop = CAPABILITIES_MAX + 3};
    columns[count++] =
        (struct column){.key = "why", .title = any_why ? "WHY" : NULL, .wrap = true, .least = 14, .drop = CAPABILITIES_MAX + 1};
    writer_table(m->w, "routes", columns, count);
    for (size_t i = 0; i < len; i++) {
        struct cell cells[CAPABILITIES_MAX + 5];
        size_t at = 0;
        const char *why = json_string(routes[i], "why");
        begin_model(m, routes, i, len);
        cells[at++] = cell_string(json_string(routes[i], "platform"));
        cells[at++] = cell_string(json_string(routes[i], "title"));
        for (size_t c = 0; c < m->len; c++)
            cells[at++] = state_cell(m, result_of(routes[i], m->names[c]));
        cells[at] = amount_when(routes[i], "tested_at", m->now);
        if (cells[at].kind == CELL_UNKNOWN)
            cells[at] = cell_shown(cells[at], "never");
        cells[++at] = amount_when(routes[i], "next_at", m->now);
        cells[++at] = cell_styled(cell_string(why ? why : writer_form(m->w) == WRITER_TEXT ? "" : NULL), STYLE_DIM);
        writer_row(m->w, cells);
    }
    writer_table_end(m->w);
}

/* What each result stands on. */
static void write_results(struct matrix *m, const cJSON *const *routes, size_t len)
{
    static const struct column columns[] = {
        {.key = "platform", .title = "PLATFORM", .least = 10},
        {.key = "capability", .title = "CAPABILITY"},
        {.key = "state", .title = "RESULT"},
        {.key = "declared", .title = "DECLARED"},
        {.key = "at", .title = "TRIED", .right = true, .drop = 1},
        {.key = "evidence", .title = "EVIDENCE", .wrap = true},
    };
    const cJSON *result;

    writer_heading(m->w, "What it stands on");
    writer_table(m->w, "results", columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < len; i++) {
        if (i == 0 || strcmp(field_words(routes[i], "model"), field_words(routes[i - 1], "model")) != 0)
            writer_group(m->w, "model", field_words(routes[i], "model"), NULL, STYLE_PLAIN);
        cJSON_ArrayForEach(result, json_at(routes[i], "results"))
        {
            struct cell state = state_cell(m, result);
            const char *evidence = json_string(result, "evidence");
            state.shown[0] = '\0'; /* in words here */
            writer_row(m->w,
                       (struct cell[]){cell_string(json_string(routes[i], "platform")), cell_string(json_string(result, "capability")),
                                       state, cell_bool(field_true(result, "declared")), amount_when(result, "at", m->now),
                                       cell_string(evidence                           ? evidence
                                                   : writer_form(m->w) == WRITER_TEXT ? ""
                                                                                      : NULL)});
        }
    }
    writer_table_end(m->w);
}

enum exit_code verb_capabilities(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    size_t len;

    enum exit_code code = scope_fetch(command, "/v1/capabilities", &answer);
    if (code != EXIT_OK)
        return code;
    struct matrix m = {.w = w, .json = answer.json, .now = (double)fetch_now() / 1e6};
    bool text = writer_form(w) == WRITER_TEXT;
    const cJSON **routes CLEANUP(alloc_freep) = scope_by_model(json_at(answer.json, "routes"), &len);
    read_names(&m);
    writer_document(w, answer.json);
    writer_tagged(w);
    write_matrix(&m, routes, len);
    if (m.unclear)
        writer_note(w, STYLE_DIM, "?: the answer did not tell.");
    if (m.refuted)
        writer_note(w, STYLE_BAD, "no!: the configuration declares it, and it was refuted.");
    if (len == 0)
        writer_note(w, STYLE_WARN, "There are no such routes.");
    if (command->longer || !text)
        write_results(&m, routes, len);
    return fetch_verdict(&answer, EXIT_OK);
}
