/* routectl spend [PLATFORM]: what money is left on each platform and for how long, and what probing it costs.
 *
 * Balances are shown in one currency, and in the platform's own where that is another. How fast they fall and how long they last come with
 * an interval, or with the reason why that cannot be said. Of one platform the routes are shown as well: what each one's probes cost, what
 * the next is expected to cost, and at which level that leaves it. */
#include "routectl/amounts.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/scope.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHANGES_SHOWN 20
#define EXPIRY_SOON   (30 * 86400.0) /* what expires later needs no look yet */

struct spending {
    const struct command *command;
    const cJSON *json;
    struct writer *w;
    double now;
    const char *currency;
};

static struct cell sum(const struct spending *s, const cJSON *json, const char *path)
{
    double units = field_number(json, path);
    return fabs(units) >= 1 ? cell_styled(amount_balance(units, s->currency), STYLE_PLAIN) : amount_cell(units, s->currency);
}

static bool has_alert(const cJSON *platform, const char *name)
{
    const cJSON *alert;
    cJSON_ArrayForEach(alert, json_at(platform, "alerts"))
    {
        const char *word = cJSON_GetStringValue(alert);
        if (word && strcmp(word, name) == 0)
            return true;
    }
    return false;
}

/* The balance, or in its place why there is none. */
static struct cell balance_cell(const struct spending *s, const cJSON *platform)
{
    const char *state = field_words(platform, "balance.state");
    struct cell cell = amount_balance(field_number(platform, "balance.left"), s->currency);
    bool failed = strcmp(state, "failed") == 0;

    if (field_true(platform, "balance.unlimited"))
        return cell_styled(cell_shown(cell, "unlimited"), STYLE_PLAIN);
    if (cell.kind == CELL_UNKNOWN)
        return cell_styled(cell_shown(cell, "%s",
                                      strcmp(state, "none") == 0 ? "no source"
                                      : state[0]                 ? state
                                                                 : "-"),
                           failed ? STYLE_BAD : STYLE_DIM);
    if (has_alert(platform, "low_credit") || cell.number < 0)
        return cell_styled(cell, STYLE_BAD);
    return cell_styled(cell, strcmp(state, "ok") == 0 ? STYLE_PLAIN : STYLE_WARN);
}

static struct cell burn_cell(const struct spending *s, const cJSON *platform)
{
    struct cell cell = sum(s, platform, "burn.per_day");
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    if (cell.kind == CELL_UNKNOWN)
        return cell;
    buf_add_str(&text, cell.shown);
    amount_add_range(&text, field_number(platform, "burn.low"), field_number(platform, "burn.high"));
    return cell_shown(cell, "%s", buf_str(&text));
}

static struct cell runway_cell(const cJSON *platform)
{
    static const struct {
        const char *name, *text;
    } states[] = {{"insufficient_data", "insufficient data"}, {"not_falling", "not falling"}, {"unlimited", "unlimited"}};
    const char *state = json_string(platform, "runway.state");
    struct cell days =
        amount_days(field_number(platform, "runway.days"), field_number(platform, "runway.low"), field_number(platform, "runway.high"));

    if (!state)
        return cell_unknown();
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (strcmp(state, states[i].name) == 0)
            return cell_styled(cell_shown(cell_string(state), "%s", states[i].text), STYLE_DIM);
    }
    if (days.kind == CELL_UNKNOWN)
        return cell_string(state);
    return cell_styled(cell_shown(cell_string(state), "%s", days.shown), has_alert(platform, "short_runway") ? STYLE_BAD : STYLE_PLAIN);
}

/* --- the table -------------------------------------------------------------------------------------------------------- */

enum {
    COL_PLATFORM,
    COL_TITLE,
    COL_LEFT,
    COL_OWN,
    COL_AGE,
    COL_BURN,
    COL_RUNWAY,
    COL_SPENT,
    COL_EXPECTED,
    COL_LIMIT,
    COL_PROBES_LEFT,
    COL_SOURCE,
    COL_STATE,
    COL_WHY,
    COL_OWN_CURRENCY,
    COL_SCOPE,
    COL_GRANTED,
    COL_USED,
    COL_GIFT,
    COL_UNLIMITED,
    COL_EXPIRES,
    COL_BURN_LOW,
    COL_BURN_HIGH,
    COL_BURN_HOURS,
    COL_DAYS,
    COL_DAYS_LOW,
    COL_DAYS_HIGH,
    COL_ALERTS,
    COL_COUNT
};

static const struct column all_columns[COL_COUNT] = {
    [COL_PLATFORM] = {.key = "platform", .title = "PLATFORM", .least = 10},
    [COL_TITLE] = {.key = "title", .title = "NAME", .drop = 7, .least = 8},
    [COL_LEFT] = {.key = "left", .title = "BALANCE", .right = true},
    [COL_OWN] = {.key = "own_left", .title = "ITS OWN", .right = true, .drop = 5},
    [COL_AGE] = {.key = "age_s", .title = "AGE", .right = true, .drop = 4},
    [COL_BURN] = {.key = "burn_per_day", .title = "BURN A DAY", .right = true, .drop = 2},
    [COL_RUNWAY] = {.key = "runway", .title = "RUNWAY", .drop = 1},
    [COL_SPENT] = {.key = "probes_spent", .title = "PROBES", .right = true},
    [COL_EXPECTED] = {.key = "probes_expected", .title = "A DAY", .right = true, .drop = 8},
    [COL_LIMIT] = {.key = "probes_limit", .title = "LIMIT", .right = true, .drop = 6},
    [COL_PROBES_LEFT] = {.key = "probes_left", .title = "LEFT", .right = true, .drop = 3},
    [COL_SOURCE] = {.key = "source", .title = "SOURCE", .drop = 9},
    [COL_STATE] = {.key = "state"},
    [COL_WHY] = {.key = "why"},
    [COL_OWN_CURRENCY] = {.key = "own_currency"},
    [COL_SCOPE] = {.key = "scope"},
    [COL_GRANTED] = {.key = "granted"},
    [COL_USED] = {.key = "used"},
    [COL_GIFT] = {.key = "gift"},
    [COL_UNLIMITED] = {.key = "unlimited"},
    [COL_EXPIRES] = {.key = "expires_at"},
    [COL_BURN_LOW] = {.key = "burn_low"},
    [COL_BURN_HIGH] = {.key = "burn_high"},
    [COL_BURN_HOURS] = {.key = "burn_hours"},
    [COL_DAYS] = {.key = "runway_days"},
    [COL_DAYS_LOW] = {.key = "runway_low"},
    [COL_DAYS_HIGH] = {.key = "runway_high"},
    [COL_ALERTS] = {.key = "alerts"},
};

static void write_platform(const struct spending *s, const cJSON *platform)
{
    struct cell cells[COL_COUNT];
    struct buf alerts CLEANUP(buf_done) = BUF_INIT;
    const char *own = json_string(platform, "balance.own_currency");
    double left = field_number(platform, "probes.left");

    field_list(&alerts, json_at(platform, "alerts"));
    cells[COL_PLATFORM] = cell_string(json_string(platform, "platform"));
    cells[COL_TITLE] = cell_string(json_string(platform, "title"));
    cells[COL_LEFT] = balance_cell(s, platform);
    cells[COL_OWN] = amount_balance(field_number(platform, "balance.own_left"), own);
    cells[COL_AGE] = amount_age(field_number(platform, "balance.age_s"));
    cells[COL_BURN] = burn_cell(s, platform);
    cells[COL_RUNWAY] = runway_cell(platform);
    cells[COL_SPENT] = sum(s, platform, "probes.spent");
    cells[COL_EXPECTED] = sum(s, platform, "probes.per_day_expected");
    cells[COL_LIMIT] = sum(s, platform, "probes.limit_per_day");
    cells[COL_PROBES_LEFT] = cell_styled(sum(s, platform, "probes.left"), left <= 0 ? STYLE_WARN : STYLE_PLAIN);
    cells[COL_SOURCE] = cell_string(json_string(platform, "balance.source"));
    cells[COL_STATE] = cell_string(json_string(platform, "balance.state"));
    cells[COL_WHY] = cell_string(json_string(platform, "balance.why"));
    cells[COL_OWN_CURRENCY] = cell_string(own);
    cells[COL_SCOPE] = cell_string(json_string(platform, "balance.scope"));
    cells[COL_GRANTED] = amount_member(platform, "balance.granted");
    cells[COL_USED] = amount_member(platform, "balance.used");
    cells[COL_GIFT] = amount_member(platform, "balance.gift");
    cells[COL_UNLIMITED] = cell_bool(field_true(platform, "balance.unlimited"));
    cells[COL_EXPIRES] = amount_member(platform, "balance.expires_at");
    cells[COL_BURN_LOW] = amount_member(platform, "burn.low");
    cells[COL_BURN_HIGH] = amount_member(platform, "burn.high");
    cells[COL_BURN_HOURS] = amount_member(platform, "burn.hours");
    cells[COL_DAYS] = amount_member(platform, "runway.days");
    cells[COL_DAYS_LOW] = amount_member(platform, "runway.low");
    cells[COL_DAYS_HIGH] = amount_member(platform, "runway.high");
    cells[COL_ALERTS] = alerts.len > 0 ? cell_string(buf_str(&alerts)) : cell_unknown();
    writer_row(s->w, cells);
}

struct total {
    double left, burn, spent;
    size_t platforms, with_balance, with_burn, with_spent;
};

static void add_known(double *ret, size_t *count, double number)
{
    if (isfinite(number)) {
        *ret += number;
        (*count)++;
    }
}

/* For people only: a program adds up what it wants. */
static void write_total(const struct spending *s, const struct total *t)
{
    struct cell cells[COL_COUNT];

    for (size_t c = 0; c < COL_COUNT; c++)
        cells[c] = cell_shown(cell_unknown(), " ");
    cells[COL_PLATFORM] = cell_string("total");
    cells[COL_LEFT] = t->with_balance > 0 ? amount_balance(t->left, s->currency) : cell_unknown();
    cells[COL_BURN] = t->with_burn > 0 ? amount_cell(t->burn, s->currency) : cell_unknown();
    cells[COL_SPENT] = t->with_spent > 0 ? amount_cell(t->spent, s->currency) : cell_unknown();
    cells[COL_LIMIT] = sum(s, s->json, "budget.limit_per_day");
    cells[COL_PROBES_LEFT] = sum(s, s->json, "budget.left");
    for (size_t c = 0; c < COL_COUNT; c++)
        cells[c] = cell_styled(cells[c], cells[c].style == STYLE_BAD ? STYLE_BAD : STYLE_BOLD);
    writer_row(s->w, cells);
}

static void write_platforms(const struct spending *s)
{
    struct column columns[COL_COUNT];
    struct total total = {0};
    bool other_currency = false, limits = isfinite(field_number(s->json, "budget.limit_per_day"));
    const cJSON *platform, *platforms = json_at(s->json, "platforms");

    memcpy(columns, all_columns, sizeof columns);
    cJSON_ArrayForEach(platform, platforms)
    {
        const char *own = json_string(platform, "balance.own_currency");
        total.platforms++;
        if (!field_true(platform, "balance.unlimited"))
            add_known(&total.left, &total.with_balance, field_number(platform, "balance.left"));
        add_known(&total.burn, &total.with_burn, field_number(platform, "burn.per_day"));
        add_known(&total.spent, &total.with_spent, field_number(platform, "probes.spent"));
        other_currency = other_currency || (own && s->currency && strcmp(own, s->currency) != 0);
        limits = limits || isfinite(field_number(platform, "probes.limit_per_day"));
    }
    if (!other_currency)
        columns[COL_OWN].title = NULL;
    if (!limits)
        columns[COL_LIMIT].title = columns[COL_PROBES_LEFT].title = NULL;
    writer_table(s->w, "platforms", columns, COL_COUNT);
    cJSON_ArrayForEach(platform, platforms) write_platform(s, platform);
    if (writer_form(s->w) == WRITER_TEXT && total.platforms > 1)
        write_total(s, &total);
    writer_table_end(s->w);
    if (total.platforms > 1 && total.with_balance > 0 && total.with_balance < total.platforms)
        writer_note(s->w, STYLE_DIM, "The total counts the %zu of %zu balances that are known and limited.", total.with_balance,
                    total.platforms);
}

/* --- what is said below ----------------------------------------------------------------------------------------------- */

static void write_budget(const struct spending *s)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    char spent[64], limit[64], left[64];
    double stretch = field_number(s->json, "budget.stretch"), rest = field_number(s->json, "budget.left");
    bool limited = isfinite(field_number(s->json, "budget.limit_per_day"));

    writer_fact(s->w, "currency", NULL, cell_string(s->currency));
    writer_fact(s->w, "budget_limit_per_day", NULL, amount_member(s->json, "budget.limit_per_day"));
    writer_fact(s->w, "budget_spent", NULL, amount_member(s->json, "budget.spent"));
    writer_fact(s->w, "budget_left", NULL, amount_member(s->json, "budget.left"));
    writer_fact(s->w, "budget_stretch", NULL, amount_member(s->json, "budget.stretch"));
    amount_shown(spent, sizeof spent, field_number(s->json, "budget.spent"), s->currency);
    if (limited)
        buf_printf(&text, "%s of %s a day spent on probes, %s left%s", spent,
                   amount_shown(limit, sizeof limit, field_number(s->json, "budget.limit_per_day"), s->currency),
                   amount_shown(left, sizeof left, rest, s->currency), rest <= 0 ? ": no paid probes for now" : "");
    else
        buf_printf(&text, "%s spent on probes in 24 hours, no limit", spent);
    if (stretch > 1.005)
        buf_printf(&text, "; probes come %.3g times as seldom as wished, to keep within it", stretch);
    writer_fact(s->w, NULL, "budget", cell_styled(cell_string(buf_str(&text)), rest <= 0 || stretch > 1.005 ? STYLE_WARN : STYLE_PLAIN));
}

static bool is_overdrawn(const cJSON *platform)
{
    return !field_true(platform, "balance.unlimited") && amount_balance(field_number(platform, "balance.left"), NULL).number < 0;
}

static void write_alert(const struct spending *s, const cJSON *platform, const char *alert)
{
    const char *name = field_words(platform, "platform");
    char left[64];
    struct cell runway = runway_cell(platform);

    if (strcmp(alert, "low_credit") == 0 && is_overdrawn(platform))
        return; /* said already */
    if (strcmp(alert, "low_credit") == 0)
        writer_note(s->w, STYLE_BAD, "- %s: low credit: %s left", name,
                    amount_exact(left, sizeof left, field_number(platform, "balance.left"), s->currency));
    else if (strcmp(alert, "short_runway") == 0)
        writer_note(s->w, STYLE_BAD, "- %s: the credit lasts for only %s", name, runway.shown[0] ? runway.shown : "a short time");
    else
        writer_note(s->w, STYLE_BAD, "- %s: %s", name, alert);
}

static void write_alerts(const struct spending *s)
{
    const cJSON *platform, *alert;
    bool any = false;

    cJSON_ArrayForEach(platform, json_at(s->json, "platforms"))
    {
        const char *state = field_words(platform, "balance.state"), *why = json_string(platform, "balance.why");
        bool bad = strcmp(state, "failed") == 0 || strcmp(state, "stale") == 0;
        struct cell expires = amount_when(platform, "balance.expires_at", s->now);
        bool expiry = expires.kind != CELL_UNKNOWN && expires.number - s->now <= EXPIRY_SOON, overdrawn = is_overdrawn(platform);
        double gift = field_number(platform, "balance.gift");
        char sum_text[64];
        if (!any && (bad || overdrawn || expiry || cJSON_GetArraySize(json_at(platform, "alerts")) > 0)) {
            writer_heading(s->w, "To be looked at");
            any = true;
        }
        if (overdrawn)
            writer_note(s->w, STYLE_BAD, "- %s: overdrawn: %s owed", field_words(platform, "platform"),
                        amount_exact(sum_text, sizeof sum_text, -field_number(platform, "balance.left"), s->currency));
        cJSON_ArrayForEach(alert, json_at(platform, "alerts"))
            write_alert(s, platform, cJSON_GetStringValue(alert) ? cJSON_GetStringValue(alert) : "?");
        if (bad)
            writer_note(s->w, STYLE_WARN, "- %s: the balance cannot be read%s%s", field_words(platform, "platform"), why ? ": " : "",
                        why ? why : "");
        if (!expiry)
            continue;
        bool over = strncmp(expires.shown, "in ", 3) != 0;
        writer_note(s->w, STYLE_WARN, "- %s: %s%s %s %s%s", field_words(platform, "platform"), gift > 0 ? "a gift of " : "the credit",
                    gift > 0 ? amount_exact(sum_text, sizeof sum_text, gift, s->currency) : "", over ? "expired" : "expires", expires.shown,
                    over ? " ago" : "");
    }
}

static void write_changes(const struct spending *s)
{
    static const struct column columns[] = {
        {.key = "at", .title = "AGO", .right = true, .drop = 1},
        {.key = "platform", .title = "PLATFORM", .least = 10},
        {.key = "kind", .title = "WHAT"},
        {.key = "amount", .title = "AMOUNT", .right = true},
    };
    static const struct {
        const char *kind, *text;
    } words[] = {{"topup", "top-up"}, {"gift", "gift"}, {"expired", "expired"}, {"correction", "correction"}};
    const cJSON *platform, *change;
    int changes = 0;

    cJSON_ArrayForEach(platform, json_at(s->json, "platforms")) changes += cJSON_GetArraySize(json_at(platform, "changes"));
    if (changes > 0)
        writer_heading(s->w, "Changes of balances that no request made");
    writer_table(s->w, "changes", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(platform, json_at(s->json, "platforms"))
    {
        int left = cJSON_GetArraySize(json_at(platform, "changes"));
        cJSON_ArrayForEach(change, json_at(platform, "changes"))
        {
            struct cell kind = cell_string(json_string(change, "kind")), amount = sum(s, change, "amount");
            if (writer_form(s->w) == WRITER_TEXT && left-- > CHANGES_SHOWN)
                continue; /* the last ones of each */
            for (size_t i = 0; kind.kind != CELL_UNKNOWN && i < ARRAY_LEN(words); i++) {
                if (strcmp(kind.string, words[i].kind) == 0)
                    kind = cell_shown(kind, "%s", words[i].text);
            }
            if (amount.number > 0)
                amount = cell_styled(cell_shown(amount, "+%s", amount.shown), STYLE_GOOD);
            writer_row(s->w,
                       (struct cell[]){amount_when(change, "at", s->now), cell_string(json_string(platform, "platform")), kind, amount});
        }
    }
    writer_table_end(s->w);
}

static void write_routes(const struct spending *s)
{
    static const struct column columns[] = {
        {.key = "platform"},
        {.key = "model", .title = "MODEL", .least = 14},
        {.key = "level", .title = "PROBED"},
        {.key = "spent", .title = "SPENT", .right = true},
        {.key = "expected", .title = "A PROBE", .right = true, .drop = 1},
        {.key = "reserve", .title = "RESERVED", .right = true, .drop = 3},
        {.key = "tripped"},
        {.key = "why", .title = "WHY", .wrap = true, .least = 16, .drop = 2},
    };
    const cJSON *platform, *route;

    if (s->command->args_len > 0)
        writer_heading(s->w, "Probes of its routes, the last 24 hours");
    writer_table(s->w, "routes", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(platform, json_at(s->json, "platforms"))
    {
        cJSON_ArrayForEach(route, json_at(platform, "routes"))
        {
            bool tripped = field_true(route, "tripped");
            const char *why = field_words(route, "why"), *level = json_string(route, "level");
            struct buf text CLEANUP(buf_done) = BUF_INIT;
            if (writer_form(s->w) == WRITER_TEXT)
                buf_printf(&text, "%s%s", tripped ? "breaker open" : "", tripped && why[0] ? "; " : "");
            buf_add_str(&text, why);
            writer_row(s->w,
                       (struct cell[]){cell_string(json_string(platform, "platform")), cell_string(json_string(route, "model")),
                                       cell_styled(cell_string(level), level && strcmp(level, "chat") == 0 ? STYLE_GOOD : STYLE_WARN),
                                       sum(s, route, "spent"), sum(s, route, "expected"), sum(s, route, "reserve"), cell_bool(tripped),
                                       cell_styled(cell_string(buf_str(&text)), tripped ? STYLE_BAD : STYLE_DIM)});
        }
    }
    writer_table_end(s->w);
}

enum exit_code verb_spend(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;

    buf_add_str(&target, "/v1/spend");
    fetch_query(&target, "platform", command->args_len > 0 ? command->args[0] : NULL);
    scope_currency(&target, command);
    enum exit_code code = fetch(command, buf_str(&target), &answer);
    if (code != EXIT_OK)
        return code;
    struct spending s = {.command = command,
                         .json = answer.json,
                         .w = w,
                         .now = (double)fetch_now() / 1e6,
                         .currency = json_string(answer.json, "currency")};
    bool text = writer_form(w) == WRITER_TEXT;
    writer_document(w, answer.json);
    writer_tagged(w);
    writer_heading(w, "Money in %s; PROBES: what probing cost in the last 24 hours", s.currency ? s.currency : "?");
    write_platforms(&s);
    write_budget(&s);
    write_alerts(&s);
    if (!text || command->args_len > 0)
        write_routes(&s);
    write_changes(&s);
    return fetch_verdict(&answer, EXIT_OK);
}
