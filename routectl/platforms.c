/* routectl platforms: the accounts themselves, one line each, from the daemon's status.
 *
 * Where the key comes from and whether it is there, which endpoint is used, how many of the routes work, whether prices and balance can be
 * read. What `status` says about probing and its reasons stays there. */
#include "routectl/amounts.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "newapi", or with what is wrong: "newapi failed". Programs: the source. */
static struct cell feed_cell(const cJSON *feed)
{
    const char *source = json_string(feed, "source"), *state = field_words(feed, "state");
    struct cell cell = cell_string(source);

    if (!source)
        return cell;
    if (strcmp(source, "none") == 0)
        return cell_styled(cell, STYLE_DIM);
    if (strcmp(state, "failed") == 0 || strcmp(state, "stale") == 0 || strcmp(state, "pending") == 0)
        return cell_styled(cell_shown(cell, "%.40s %s", source, state), strcmp(state, "failed") == 0  ? STYLE_BAD
                                                                        : strcmp(state, "stale") == 0 ? STYLE_WARN
                                                                                                      : STYLE_DIM);
    return cell_styled(cell, strcmp(state, "ok") == 0 ? STYLE_GOOD : STYLE_PLAIN);
}

static struct cell balance_cell(const cJSON *balance)
{
    const char *state = field_words(balance, "state");
    struct cell cell = amount_cell(field_number(balance, "left"), json_string(balance, "currency"));

    if (cell.kind != CELL_UNKNOWN)
        return cell_styled(cell, cell.number < 0 ? STYLE_BAD : strcmp(state, "ok") == 0 ? STYLE_PLAIN : STYLE_WARN);
    if (!state[0] || strcmp(state, "none") == 0)
        return cell;
    return cell_styled(cell_shown(cell, "%.20s", state), strcmp(state, "failed") == 0 ? STYLE_BAD : STYLE_DIM);
}

/* "OPENROUTER_API_KEY", without the word for a variable: it is known by its capitals. */
static struct cell key_cell(const cJSON *platform)
{
    const char *key = json_string(platform, "key");
    struct cell cell = cell_string(key);

    if (!key || strcmp(key, "none") == 0)
        return cell_styled(cell, STYLE_DIM);
    if (!field_true(platform, "has_key"))
        return cell_styled(cell_shown(cell, "no %.56s", strncmp(key, "env ", 4) == 0 ? key + 4 : key), STYLE_BAD);
    return cell_shown(cell, "%.60s", strncmp(key, "env ", 4) == 0 ? key + 4 : key);
}

/* Without the scheme, which all have. */
static struct cell endpoint_cell(const cJSON *platform)
{
    const char *url = json_string(platform, "endpoint");
    struct cell cell = cell_string(url);
    return url && strncmp(url, "https://", 8) == 0 ? cell_shown(cell, "%.62s", url + 8) : cell;
}

static void write_platform(struct writer *w, const cJSON *platform)
{
    struct buf tags CLEANUP(buf_done) = BUF_INIT;
    int64_t up = field_count(platform, "up"), routes = field_count(platform, "routes");
    const char *level = json_string(platform, "level");
    double runway = field_number(platform, "balance.runway_days");

    field_tags(&tags, json_at(platform, "tags"));
    struct cell ratio = cell_shown(cell_integer(up), "%lld/%lld", (long long)up, (long long)routes);
    writer_row(w, (struct cell[]){
                      cell_string(json_string(platform, "platform")),
                      cell_string(json_string(platform, "title")),
                      cell_styled(cell_string(level), level && strcmp(level, "chat") == 0 ? STYLE_GOOD : STYLE_WARN),
                      cell_styled(ratio, up == routes ? STYLE_PLAIN : STYLE_WARN),
                      cell_integer(routes),
                      feed_cell(json_at(platform, "price_source")),
                      cell_string(json_string(platform, "price_source.state")),
                      amount_age(field_number(platform, "price_source.age_s")),
                      cell_string(json_string(platform, "price_source.why")),
                      balance_cell(json_at(platform, "balance")),
                      cell_string(json_string(platform, "balance.currency")),
                      cell_string(json_string(platform, "balance.source")),
                      cell_string(json_string(platform, "balance.state")),
                      amount_days(runway, NAN, NAN),
                      key_cell(platform),
                      cell_bool(field_true(platform, "has_key")),
                      endpoint_cell(platform),
                      tags.len > 0 ? cell_string(buf_str(&tags)) : cell_unknown(),
                  });
}

enum exit_code verb_platforms(const struct command *command, struct writer *w)
{
    static const struct column columns[] = {
        {.key = "platform", .title = "PLATFORM", .least = 11},
        {.key = "title", .title = "NAME", .drop = 6, .least = 10},
        {.key = "level", .title = "PROBED"},
        {.key = "up", .title = "UP", .right = true},
        {.key = "routes"},
        {.key = "price_source", .title = "PRICES", .drop = 2, .least = 13},
        {.key = "price_state"},
        {.key = "price_age_s", .title = "AGE", .right = true, .drop = 5},
        {.key = "price_why"},
        {.key = "balance", .title = "BALANCE", .right = true},
        {.key = "balance_currency"},
        {.key = "balance_source"},
        {.key = "balance_state"},
        {.key = "runway_days", .title = "RUNWAY", .right = true, .drop = 1},
        {.key = "key", .title = "KEY", .drop = 3, .least = 19},
        {.key = "has_key"},
        {.key = "endpoint", .title = "ENDPOINT", .drop = 4, .least = 18},
        {.key = "tags", .title = "TAGS", .drop = 7, .least = 8},
    };
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    const cJSON *platform;

    enum exit_code code = fetch(command, "/v1/status", &answer);
    if (code != EXIT_OK)
        return code;
    const cJSON *platforms = json_at(answer.json, "platforms");
    if (writer_form(w) == WRITER_JSON && cJSON_IsArray(platforms)) {
        cJSON *whole = json_new_object();
        cJSON_AddItemToObject(whole, "platforms", cJSON_Duplicate(platforms, true));
        writer_document(w, whole);
        cJSON_Delete(whole);
    }
    writer_table(w, "platforms", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(platform, platforms) write_platform(w, platform);
    writer_table_end(w);
    if (cJSON_GetArraySize(platforms) == 0)
        writer_note(w, STYLE_WARN, "The configuration has no platforms.");
    return fetch_verdict(&answer, EXIT_OK);
}
