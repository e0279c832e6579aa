/* routectl status: the daemon at a glance. What is well takes one line; what is not says why. */
#include "routectl/amounts.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define KIND_ALWAYS 2 /* index of the last kind of probe that is shown even when none was sent */

struct overview {
    const struct command *command;
    const cJSON *json;
    struct writer *w;
    usec_t now;
    const char *currency;
};

static char *amount(char *buf, size_t size, const cJSON *json, const char *path, const char *currency)
{
    double units;
    if (!json_number(json, path, &units))
        units = 0;
    return figure_amount(buf, size, units, currency);
}

static void write_daemon(struct overview *o, bool stale)
{
    char span[32], lease[32];
    usec_t started = field_time(o->json, "started_at"), published = field_time(o->json, "published_at"),
           until = field_time(o->json, "valid_until");
    const char *version = json_string(o->json, "version"), *vantage = json_string(o->json, "vantage");
    const char *error = json_string(o->json, "config.error");
    const char *file = json_string(o->json, "config.file");
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    const cJSON *flag;

    writer_heading(o->w, "probed %s on %s, up for %s", version ? version : "?", vantage ? vantage : "?",
                   figure_span(span, sizeof span, o->now - started));
    writer_fact(o->w, "version", NULL, cell_string(version));
    writer_fact(o->w, "vantage", NULL, cell_string(vantage));
    writer_fact(o->w, "generation", NULL, cell_integer(field_count(o->json, "generation")));
    writer_fact(o->w, "stale", NULL, cell_bool(stale));
    buf_printf(&text, "generation %lld, %s old, ", (long long)field_count(o->json, "generation"),
               figure_span(span, sizeof span, o->now - published));
    if (stale)
        buf_printf(&text, "STALE: its lease ran out %s ago", figure_span(lease, sizeof lease, o->now - until));
    else
        buf_printf(&text, "good for another %s", figure_span(lease, sizeof lease, until - o->now));
    bool flagged = false;
    cJSON_ArrayForEach(flag, json_at(o->json, "flags"))
    {
        const char *name = cJSON_GetStringValue(flag);
        flagged = true;
        buf_printf(&text, "; %s",
                   !name                           ? "?"
                   : strcmp(name, "local") == 0    ? "our own network is at fault, verdicts are frozen"
                   : strcmp(name, "restored") == 0 ? "restored from before the restart"
                                                   : name);
    }
    writer_fact(o->w, NULL, "table", cell_styled(cell_string(buf_str(&text)), stale ? STYLE_BAD : flagged ? STYLE_WARN : STYLE_PLAIN));
    buf_clear(&text);
    buf_printf(&text, "%s, read %s ago", file ? file : "?",
               figure_span(span, sizeof span, o->now - field_time(o->json, "config.loaded_at")));
    if (error)
        buf_printf(&text, "; the newer one was REFUSED: %s", error);
    writer_fact(o->w, NULL, "configuration", cell_styled(cell_string(buf_str(&text)), error ? STYLE_BAD : STYLE_PLAIN));
}

static void write_routes(struct overview *o)
{
    static const char *const states[] = {"up", "degraded", "limited", "new", "down", "unusable", "missing", "drained"};
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    enum style style = STYLE_PLAIN;

    buf_printf(&text, "%lld", (long long)field_count(o->json, "routes.total"));
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        struct buf path CLEANUP(buf_done) = BUF_INIT;
        buf_printf(&path, "routes.%s", states[i]);
        int64_t count = field_count(o->json, buf_str(&path));
        writer_fact(o->w, states[i], NULL, cell_integer(count));
        if (count > 0)
            buf_printf(&text, "%s%lld %s", strchr(buf_str(&text), ':') ? ", " : ": ", (long long)count, states[i]);
        if (count > 0 && strcmp(states[i], "down") == 0)
            style = STYLE_WARN;
    }
    writer_fact(o->w, NULL, "routes", cell_styled(cell_string(buf_str(&text)), style));
}

static void write_store(struct overview *o)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    char span[48];
    const char *state = json_string(o->json, "store.state"), *why = json_string(o->json, "store.why");
    const char *words = json_string(o->json, "store.text");
    int64_t dropped = field_count(o->json, "store.dropped");
    double bytes, oldest;
    bool ok = state && strcmp(state, "ok") == 0;

    if (!state)
        return;
    buf_add_str(&text, ok ? "recorded" : "NOT recorded, ");
    if (!ok)
        buf_printf(&text, "%s%s%s", words ? words : state, why ? ": " : "", why ? why : "");
    if (json_number(o->json, "store.bytes", &bytes) && bytes > 0)
        buf_printf(&text, "; %.1f MB", bytes / 1e6);
    if (json_number(o->json, "store.oldest_at", &oldest) && oldest > 0)
        buf_printf(&text, ", single records of the last %s",
                   figure_span(span, sizeof span, o->now - field_time(o->json, "store.oldest_at")));
    if (dropped > 0)
        buf_printf(&text, "; %lld LOST since the start", (long long)dropped);
    writer_fact(o->w, NULL, "history", cell_styled(cell_string(buf_str(&text)), ok && dropped == 0 ? STYLE_PLAIN : STYLE_WARN));
}

static void write_work(struct overview *o)
{
    char spent[64], limit[64], left[64];
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    double number;
    bool limited = json_number(o->json, "budget.limit_per_day", &number);
    bool empty = json_number(o->json, "budget.left", &number) && number <= 0 && limited;

    amount(spent, sizeof spent, o->json, "budget.spent", o->currency);
    if (limited)
        buf_printf(&text, "%s of %s a day spent, %s left%s", spent,
                   amount(limit, sizeof limit, o->json, "budget.limit_per_day", o->currency),
                   amount(left, sizeof left, o->json, "budget.left", o->currency), empty ? ": no paid probes for now" : "");
    else
        buf_printf(&text, "%s spent in 24 hours, no limit", spent);
    writer_fact(o->w, NULL, "budget", cell_styled(cell_string(buf_str(&text)), empty ? STYLE_WARN : STYLE_PLAIN));
    buf_clear(&text);
    buf_printf(&text, "%lld in flight, %lld queued; sent", (long long)field_count(o->json, "probes.in_flight"),
               (long long)field_count(o->json, "probes.queued"));
    static const char *const kinds[] = {"reach", "models", "chat", "price", "balance", "burst", "capabilities"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char path[48];
        snprintf(path, sizeof path, "probes.sent.%s", kinds[i]);
        int64_t sent = field_count(o->json, path);
        snprintf(path, sizeof path, "probes.failed.%s", kinds[i]);
        int64_t failed = field_count(o->json, path);
        if (i > KIND_ALWAYS && sent == 0 && failed == 0)
            continue; /* the rare kinds only where they are */
        buf_printf(&text, "%s %lld %s", i > 0 ? "," : "", (long long)sent, kinds[i]);
        if (failed > 0)
            buf_printf(&text, " (%lld failed)", (long long)failed);
    }
    if (json_number(o->json, "probes.late_ms_max", &number))
        buf_printf(&text, "; latest start %.0f ms late", number);
    writer_fact(o->w, NULL, "probes", cell_string(buf_str(&text)));
    buf_clear(&text);
    int64_t stalls = field_count(o->json, "loop.stalls");
    const char *worst_of = json_string(o->json, "loop.worst_of");
    buf_printf(&text, "%lld stalls", (long long)stalls);
    if (json_number(o->json, "loop.worst_ms", &number))
        buf_printf(&text, ", longest callback %.1f ms%s%s%s", number, worst_of ? " (" : "", worst_of ? worst_of : "", worst_of ? ")" : "");
    if (json_number(o->json, "loop.lag_ms_max", &number))
        buf_printf(&text, ", longest lag %.1f ms", number);
    writer_fact(o->w, NULL, "loop", cell_styled(cell_string(buf_str(&text)), stalls > 0 ? STYLE_WARN : STYLE_PLAIN));
    buf_clear(&text);
    buf_printf(&text, "%lld clients, %lld watchers, %lld requests so far", (long long)field_count(o->json, "clients"),
               (long long)field_count(o->json, "watchers"), (long long)field_count(o->json, "requests"));
    writer_fact(o->w, NULL, "socket", cell_string(buf_str(&text)));
}

/* The endpoints of a platform: the one in use, and how many of them answer. */
static void add_endpoints(struct buf *ret, const cJSON *platform)
{
    const cJSON *endpoint, *list = json_at(platform, "endpoints");
    int up = 0, down = 0;
    cJSON_ArrayForEach(endpoint, list)
    {
        bool works;
        if (!json_string(endpoint, "outcome") || !json_bool(endpoint, "up", &works))
            continue; /* not probed yet */
        up += works;
        down += !works;
    }
    const char *in_use = json_string(platform, "endpoint");
    buf_add_str(ret, in_use ? in_use : "-");
    if (down > 0)
        buf_printf(ret, " (%d of %d answer)", up, up + down);
}

/* A feed of prices or a balance that cannot be read. */
static void add_feed(struct buf *ret, const cJSON *feed, const char *what)
{
    const char *why = json_string(feed, "why");
    if (strcmp(field_words(feed, "state"), "failed") == 0)
        buf_printf(ret, "%sits %s cannot be read%s%s", ret->len > 0 ? "; " : "", what, why ? ": " : "", why ? why : "");
}

static void write_platform(struct overview *o, const cJSON *platform)
{
    struct buf why CLEANUP(buf_done) = BUF_INIT;
    struct buf tags CLEANUP(buf_done) = BUF_INIT;
    struct buf endpoints CLEANUP(buf_done) = BUF_INIT;
    const char *level = json_string(platform, "level"), *reason = json_string(platform, "why"), *key = json_string(platform, "key");
    const char *maintenance = json_string(platform, "maintenance");
    bool has_key = false;
    double spent;
    int64_t up = field_count(platform, "up"), routes = field_count(platform, "routes");

    json_bool(platform, "has_key", &has_key);
    if (maintenance)
        buf_printf(&why, "maintenance: %s", maintenance);
    if (reason && reason[0])
        buf_printf(&why, "%s%s", why.len > 0 ? "; " : "", reason);
    if (key && strcmp(key, "none") != 0 && !has_key && (!reason || !strstr(reason, "key")))
        buf_printf(&why, "%sno key in %s", why.len > 0 ? "; " : "", key);
    add_feed(&why, json_at(platform, "price_source"), "price list");
    add_feed(&why, json_at(platform, "balance"), "balance");
    field_tags(&tags, json_at(platform, "tags"));
    add_endpoints(&endpoints, platform);
    struct cell ratio = cell_shown(cell_integer(up), "%lld/%lld", (long long)up, (long long)routes);
    writer_row(o->w,
               (struct cell[]){
                   cell_string(json_string(platform, "platform")),
                   cell_string(json_string(platform, "title")),
                   cell_styled(cell_string(level), level && strcmp(level, "chat") == 0 ? STYLE_GOOD : STYLE_WARN),
                   cell_styled(ratio, up == routes ? STYLE_PLAIN : STYLE_WARN),
                   cell_integer(routes),
                   json_number(platform, "spent", &spent) ? figure_money((int64_t)llround(spent * 1e12), o->currency) : cell_unknown(),
                   amount_balance(field_number(platform, "balance.left"), json_string(platform, "balance.currency")),
                   cell_string(json_string(platform, "balance.currency")),
                   cell_string(key),
                   cell_bool(has_key),
                   cell_string(buf_str(&endpoints)),
                   tags.len > 0 ? cell_string(buf_str(&tags)) : cell_unknown(),
                   cell_styled(cell_string(why.len > 0 ? buf_str(&why) : ""), STYLE_DIM),
               });
}

static void write_platforms(struct overview *o)
{
    const cJSON *platform;
    bool balance = false;

    cJSON_ArrayForEach(platform, json_at(o->json, "platforms")) balance = balance || isfinite(field_number(platform, "balance.left"));
    const struct column columns[] = {
        {.key = "platform", .title = "PLATFORM", .least = 10},
        {.key = "title", .title = "NAME", .drop = 3, .least = 8},
        {.key = "level", .title = "PROBED"},
        {.key = "up", .title = "UP", .right = true},
        {.key = "routes"},
        {.key = "spent", .title = "SPENT", .right = true, .drop = 1},
        {.key = "balance", .title = balance ? "BALANCE" : NULL, .right = true, .drop = 2},
        {.key = "balance_currency"},
        {.key = "key", .title = "KEY", .drop = 5, .least = 12},
        {.key = "has_key"},
        {.key = "endpoint", .title = "ENDPOINT", .drop = 4, .least = 24},
        {.key = "tags", .title = "TAGS", .drop = 6, .least = 8},
        {.key = "why", .title = "WHY", .wrap = true},
    };

    writer_heading(o->w, "Platforms");
    writer_table(o->w, "platforms", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(platform, json_at(o->json, "platforms")) write_platform(o, platform);
    writer_table_end(o->w);
}

static void write_overrides(struct overview *o)
{
    static const struct column columns[] = {
        {.key = "action", .title = "ACTION"},
        {.key = "platform"},
        {.key = "model"},
        {.title = "ON", .least = 16},
        {.key = "expires_at", .title = "ENDS IN", .right = true},
        {.key = "made_at", .title = "SINCE", .right = true, .drop = 1},
        {.key = "by", .title = "BY", .drop = 2},
        {.key = "reason", .title = "REASON", .wrap = true},
    };
    const cJSON *item, *list = json_at(o->json, "overrides");

    if (cJSON_GetArraySize(list) == 0)
        return;
    writer_heading(o->w, "Overrides");
    writer_table(o->w, "overrides", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(item, list)
    {
        const char *platform = json_string(item, "platform"), *model = json_string(item, "model");
        char *on CLEANUP(alloc_freep) = alloc_printf("%s%s%s", platform ? platform : "?", model && model[0] ? "/" : "", model ? model : "");
        usec_t expires = field_time(item, "expires_at");
        char span[32];
        struct cell ends = expires > 0 ? cell_shown((struct cell){.kind = CELL_NUMBER, .number = (double)expires / 1e6}, "%s",
                                                    figure_span(span, sizeof span, expires - o->now))
                                       : cell_shown(cell_unknown(), "never");
        writer_row(o->w, (struct cell[]){cell_styled(cell_string(json_string(item, "action")), STYLE_WARN), cell_string(platform),
                                         cell_string(model), cell_string(on), ends, figure_age(field_time(item, "made_at"), o->now),
                                         cell_string(json_string(item, "by")), cell_string(json_string(item, "reason"))});
    }
    writer_table_end(o->w);
}

static void write_policies(struct overview *o)
{
    static const struct column columns[] = {
        {.key = "policy", .title = ""},
        {.key = "about", .title = "", .wrap = true},
    };
    const char *usual = json_string(o->json, "default_policy");
    const cJSON *policy;

    writer_heading(o->w, "Policies");
    writer_table(o->w, "policies", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(policy, json_at(o->json, "policies"))
    {
        const char *name = json_string(policy, "policy");
        bool is_usual = usual && name && strcmp(usual, name) == 0;
        struct cell cell = cell_string(name);
        if (is_usual)
            cell = cell_shown(cell, "%.50s *", name);
        writer_row(o->w,
                   (struct cell[]){cell_styled(cell, is_usual ? STYLE_BOLD : STYLE_PLAIN), cell_string(json_string(policy, "about"))});
    }
    writer_table_end(o->w);
}

enum exit_code verb_status(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    enum exit_code code = fetch(command, "/v1/status", &answer);
    if (code != EXIT_OK)
        return code;

    struct overview o = {
        .command = command, .json = answer.json, .w = w, .now = fetch_now(), .currency = json_string(answer.json, "currency")};
    bool stale = answer.stale;
    if (json_bool(answer.json, "stale", &stale) && stale && !answer.stale) {
        answer.stale = true; /* it says so itself */
        answer.valid_until = field_time(answer.json, "valid_until");
    }
    stale = stale || answer.stale;
    writer_document(w, answer.json);
    writer_tagged(w);
    write_daemon(&o, stale);
    write_routes(&o);
    write_work(&o);
    write_store(&o);
    write_platforms(&o);
    write_overrides(&o);
    write_policies(&o);
    return fetch_verdict(&answer, EXIT_OK);
}
