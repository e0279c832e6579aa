/* routectl check [MODEL]...: is all well? One line a question, and an exit code for scripts and monitoring.
 *
 * The exit code is the worst that was found: 3 no daemon, 4 a model without a usable route, 5 a stale table, 1 something else that needs an
 * operator. A line that is "note" changes nothing: it is worth knowing, not worth waking anybody. */
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/table.h"

enum verdict { VERDICT_OK, VERDICT_NOTE, VERDICT_FAIL };

struct checks {
    const struct command *command;
    struct writer *w;
    usec_t now;
    enum exit_code worst;
};

/* Which of two exit codes is worse; a number says nothing about that. */
static enum exit_code worse(enum exit_code a, enum exit_code b)
{
    static const int severity[] = {
        [EXIT_OK] = 0, [EXIT_REFUSED] = 1, [EXIT_STALE] = 2, [EXIT_NO_ROUTE] = 3, [EXIT_USAGE] = 4, [EXIT_UNREACHABLE] = 5};
    return severity[a] >= severity[b] ? a : b;
}

static void say(struct checks *c, const char *check, enum verdict verdict, enum exit_code code, const char *fmt, ...) ATTR_PRINTF(5, 6);
static void say(struct checks *c, const char *check, enum verdict verdict, enum exit_code code, const char *fmt, ...)
{
    static const char *const words[] = {"ok", "note", "FAIL"};
    static const enum style styles[] = {STYLE_GOOD, STYLE_WARN, STYLE_BAD};
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    writer_row(c->w,
               (struct cell[]){cell_styled(cell_string(words[verdict]), styles[verdict]), cell_string(check), cell_string(buf_str(&text))});
    if (verdict == VERDICT_FAIL)
        c->worst = worse(c->worst, code);
}

static void check_daemon(struct checks *c, const cJSON *status)
{
    char span[32];
    say(c, "daemon", VERDICT_OK, EXIT_OK, "probed %s answers on %s, up for %s", field_words(status, "version"), c->command->socket,
        figure_span(span, sizeof span, c->now - field_time(status, "started_at")));
}

static void check_table(struct checks *c, const cJSON *status, bool stale)
{
    char age[32], lease[32];
    usec_t until = field_time(status, "valid_until");
    const cJSON *flag;
    bool local = false, restored = false;

    figure_span(age, sizeof age, c->now - field_time(status, "published_at"));
    if (stale)
        say(c, "table", VERDICT_FAIL, EXIT_STALE, "stale: its lease ran out %s ago and nobody renews it",
            figure_span(lease, sizeof lease, c->now - until));
    else
        say(c, "table", VERDICT_OK, EXIT_OK, "generation %lld, %s old, good for another %s", (long long)field_count(status, "generation"),
            age, figure_span(lease, sizeof lease, until - c->now));
    cJSON_ArrayForEach(flag, json_at(status, "flags"))
    {
        const char *name = cJSON_GetStringValue(flag);
        local = local || (name && strcmp(name, "local") == 0);
        restored = restored || (name && strcmp(name, "restored") == 0);
    }
    if (local)
        say(c, "network", VERDICT_FAIL, EXIT_REFUSED, "our own network is at fault: verdicts are frozen");
    if (restored)
        say(c, "restored", VERDICT_NOTE, EXIT_OK, "the table is from before a restart and not yet confirmed by new probes");
}

static void check_config(struct checks *c, const cJSON *status)
{
    char span[32];
    const char *error = json_string(status, "config.error");
    if (error)
        say(c, "configuration", VERDICT_FAIL, EXIT_REFUSED, "the newest was refused, an older one is in use: %s", error);
    else
        say(c, "configuration", VERDICT_OK, EXIT_OK, "%s, read %s ago", field_words(status, "config.file"),
            figure_span(span, sizeof span, c->now - field_time(status, "config.loaded_at")));
}

static void check_keys(struct checks *c, const cJSON *status)
{
    struct buf without CLEANUP(buf_done) = BUF_INIT;
    const cJSON *platform;

    cJSON_ArrayForEach(platform, json_at(status, "platforms"))
    {
        bool has_key = true;
        if (json_bool(platform, "has_key", &has_key) && !has_key && strcmp(field_words(platform, "key"), "none") != 0)
            buf_printf(&without, "%s%s", without.len > 0 ? ", " : "", field_words(platform, "platform"));
    }
    if (without.len > 0)
        say(c, "keys", VERDICT_NOTE, EXIT_OK, "no key for %s", buf_str(&without));
    else
        say(c, "keys", VERDICT_OK, EXIT_OK, "every platform that wants one has one");
}

static void check_work(struct checks *c, const cJSON *status)
{
    char spent[64], limit[64];
    const char *currency = json_string(status, "currency");
    double limit_units = field_number(status, "budget.limit_per_day"), left = field_number(status, "budget.left");
    int64_t stalls = field_count(status, "loop.stalls");

    figure_amount(spent, sizeof spent, fmax(0, field_number(status, "budget.spent")), currency);
    if (!isfinite(limit_units))
        say(c, "budget", VERDICT_OK, EXIT_OK, "%s spent in 24 hours, no limit", spent);
    else
        say(c, "budget", left <= 0 ? VERDICT_NOTE : VERDICT_OK, EXIT_OK, "%s of %s a day spent%s", spent,
            figure_amount(limit, sizeof limit, limit_units, currency), left <= 0 ? ": no paid probes for now" : "");
    say(c, "loop", stalls > 0 ? VERDICT_NOTE : VERDICT_OK, EXIT_OK, "%lld stalls, longest callback %.1f ms", (long long)stalls,
        fmax(0, field_number(status, "loop.worst_ms")));
}

static void add_name(struct buf *list, const char *name, const char *what)
{
    buf_printf(list, "%s%s%s%s", list->len > 0 ? ", " : "", name, what[0] ? " " : "", what);
}

/* Money that runs out is somebody's work for tomorrow, before the relay says 402; a feed that fails leaves the last good figures. */
static void check_money(struct checks *c, const cJSON *status)
{
    struct buf credit CLEANUP(buf_done) = BUF_INIT;
    struct buf feeds CLEANUP(buf_done) = BUF_INIT;
    const cJSON *platform, *alert;
    size_t known = 0;

    cJSON_ArrayForEach(platform, json_at(status, "platforms"))
    {
        const char *name = field_words(platform, "platform");
        known += isfinite(field_number(platform, "balance.left"));
        cJSON_ArrayForEach(alert, json_at(platform, "balance.alerts"))
        {
            const char *what = cJSON_GetStringValue(alert);
            add_name(&credit, name, what && strcmp(what, "short_runway") == 0 ? "does not last long" : "is low");
        }
        if (strcmp(field_words(platform, "price_source.state"), "failed") == 0)
            add_name(&feeds, name, "prices");
        if (strcmp(field_words(platform, "balance.state"), "failed") == 0)
            add_name(&feeds, name, "balance");
    }
    if (credit.len > 0)
        say(c, "credit", VERDICT_NOTE, EXIT_OK, "%s; see routectl spend", buf_str(&credit));
    else if (known > 0)
        say(c, "credit", VERDICT_OK, EXIT_OK, "%zu balances known, none low", known);
    if (feeds.len > 0)
        say(c, "feeds", VERDICT_NOTE, EXIT_OK, "cannot be read: %s; see routectl platforms", buf_str(&feeds));
}

static void check_model(struct checks *c, const struct ranking *ranking)
{
    struct buf why CLEANUP(buf_done) = BUF_INIT;
    char *check CLEANUP(alloc_freep) = alloc_printf("model %s", ranking->model);
    const struct table_row *best = ranking_best(ranking);
    size_t in_use = 0;

    for (size_t i = 0; i < ranking->len; i++) {
        in_use += ranking->rows[i].slots > 0;
        if (i < 4)
            buf_printf(&why, "%s%s %s", i > 0 ? ", " : "", ranking->rows[i].facts->platform, route_reason_name(ranking->rows[i].reason));
    }
    if (!best)
        say(c, check, VERDICT_FAIL, EXIT_NO_ROUTE, "no usable route: %s%s", ranking->len > 0 ? buf_str(&why) : "no platform has it",
            ranking->len > 4 ? ", ..." : "");
    else if (ranking->flags & RANKING_PANIC)
        say(c, check, VERDICT_FAIL, EXIT_NO_ROUTE, "all are down: %s is the best of the bad", best->facts->platform);
    else
        say(c, check, in_use > 1 || ranking->len > 1 ? VERDICT_OK : VERDICT_NOTE, EXIT_OK, "%s is best; %zu of %zu routes in use",
            best->facts->platform, in_use, ranking->len);
}

static bool is_wanted(const struct command *command, const char *model)
{
    for (size_t i = 0; i < command->args_len; i++) {
        if (strcmp(command->args[i], model) == 0)
            return true;
    }
    return command->args_len == 0;
}

static void check_routes(struct checks *c, const struct table *table)
{
    const struct table_policy *policy = table_find_policy(table, NULL);
    for (size_t m = 0; policy && m < policy->len; m++) {
        if (is_wanted(c->command, policy->rankings[m]->model))
            check_model(c, policy->rankings[m]);
    }
    if (c->command->args_len == 0 && (!policy || policy->len == 0))
        say(c, "models", VERDICT_FAIL, EXIT_NO_ROUTE, "no model is configured");
    for (size_t i = 0; i < c->command->args_len; i++) {
        if (!policy || !table_policy_find(policy, c->command->args[i]))
            say(c, c->command->args[i], VERDICT_FAIL, EXIT_NO_ROUTE, "no such model is configured");
    }
}

static const struct column columns[] = {
    {.key = "verdict", .title = ""},
    {.key = "check", .title = ""},
    {.key = "detail", .title = "", .wrap = true},
};

enum exit_code verb_check(const struct command *command, struct writer *w)
{
    struct fetched status CLEANUP(fetched_done) = FETCHED_INIT;
    struct fetched routes CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    struct err err = {""};
    struct checks c = {.command = command, .w = w, .worst = EXIT_OK};

    writer_table(w, "checks", columns, ARRAY_LEN(columns));
    enum exit_code code = fetch(command, "/v1/status", &status);
    c.now = fetch_now();
    if (code == EXIT_UNREACHABLE) {
        say(&c, "daemon", VERDICT_FAIL, EXIT_UNREACHABLE, "not reachable on %s", command->socket);
        goto end;
    }
    if (code != EXIT_OK) {
        say(&c, "daemon", VERDICT_FAIL, code, "answers on %s, but refuses to tell how it is", command->socket);
        goto end;
    }
    check_daemon(&c, status.json);
    check_table(&c, status.json, status.stale || field_true(status.json, "stale"));
    check_config(&c, status.json);
    check_keys(&c, status.json);
    check_work(&c, status.json);
    check_money(&c, status.json);

    buf_add_str(&target, "/v1/routes");
    fetch_query(&target, "policy", command->policy);
    code = fetch(command, buf_str(&target), &routes);
    struct table *table = code == EXIT_OK ? table_from_json(routes.json, &err) : NULL;
    if (table)
        check_routes(&c, table);
    else
        say(&c, "routes", VERDICT_FAIL, code != EXIT_OK ? code : EXIT_UNREACHABLE, "no table came: %s",
            err.text[0] ? err.text : "see above");
    table_unref(table);
end:
    writer_table_end(w);
    writer_fact(w, "exit", NULL, cell_integer(c.worst));
    return c.worst;
}
