/* The routing table's JSON form, both ways.
 *
 * Writing: one ranking or a table's head at a time; the caller caches and joins them. What is unknown is null, never 0 and never a
 * guess. Reading: an answer of /v1/routes becomes a table with one policy; it is checked as if it came from a stranger (types, ranges,
 * order, no more than 64 Ki rows), since a socket's path says nothing about who listens there. What was written reads back the same:
 * doubles by their shortest text, money and loss as exact decimals up to 15 digits, times in milliseconds. key_env and vantage are not part
 * of it. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/table.h"

#define ROWS_MAX ((size_t)64 * 1024)
#define NANO     1e9

struct flag_name {
    unsigned flag;
    const char *name;
};

static const struct flag_name row_flags[] = {
    {ROW_PROVISIONAL, "provisional"}, {ROW_UNSCORABLE, "unscorable"},       {ROW_RESTORED, "restored"},   {ROW_PANIC, "panic"},
    {ROW_PINNED, "pinned"},           {ROW_PRICE_UNKNOWN, "price_unknown"}, {ROW_PROBATION, "probation"}, {ROW_STANDBY, "standby"},
};
static const struct flag_name ranking_flags[] = {
    {RANKING_PANIC, "panic"},
    {RANKING_NO_ELIGIBLE_ROUTE, "no_eligible_route"},
    {RANKING_NO_PRICE, "no_price"},
};
static const struct flag_name table_flags[] = {{TABLE_RESTORED, "restored"}, {TABLE_LOCAL, "local"}};

/* --- writing ---------------------------------------------------------------------------------------------------------- */

static void add_flags(cJSON *json, unsigned flags, const struct flag_name *names, size_t len)
{
    cJSON *array = json_add_array(json, "flags");
    for (size_t i = 0; i < len; i++)
        if (flags & names[i].flag)
            json_add_string(array, NULL, names[i].name);
}

/* An amount in units of `scale`; negative = unknown. */
static void add_amount(cJSON *json, const char *name, int64_t value, int64_t scale)
{
    if (value < 0)
        json_add_null(json, name);
    else
        json_add_number(json, name, (double)value / (double)scale);
}

static void add_moment(cJSON *json, const char *name, usec_t at)
{
    json_add_time(json, name, at > 0 ? at : -1);
}

static void add_price(cJSON *json, const struct table_row *row)
{
    if (row->price_input < 0 && row->price_output < 0 && row->price_call < 0) {
        json_add_null(json, "price");
        return;
    }
    cJSON *price = json_add_object(json, "price");
    add_amount(price, "input", row->price_input, PICO_PER_UNIT_PER_MTOK);
    add_amount(price, "output", row->price_output, PICO_PER_UNIT_PER_MTOK);
    add_amount(price, "call", row->price_call, PICO_PER_UNIT);
}

static void add_row(cJSON *routes, const struct table_row *row)
{
    static const struct table_facts no_facts = {.refs = 1};
    const struct table_facts *facts = row->facts ? row->facts : &no_facts;
    cJSON *json = json_add_object(routes, NULL);
    json_add_string(json, "platform", facts->platform);
    json_add_string(json, "title", facts->title);
    json_add_string(json, "upstream_model", facts->upstream_model);
    json_add_string(json, "endpoint", facts->endpoint);
    json_add_string(json, "dialect", facts->dialect);
    json_add_string(json, "level", facts->level);
    json_add_int(json, "rank", row->rank);
    json_add_int(json, "slots", row->slots);
    json_add_number(json, "weight", (double)row->slots / TABLE_SLOTS);
    json_add_string(json, "state", route_state_name(row->state));
    json_add_string(json, "reason", route_reason_name(row->reason));
    add_flags(json, row->flags, row_flags, ARRAY_LEN(row_flags));
    json_add_number(json, "score", row->score);
    json_add_number(json, "loss", (double)row->loss_nano / NANO);
    json_add_number(json, "availability", row->availability);
    json_add_number(json, "availability_low", row->availability_low);
    json_add_msec(json, "ttft_ms", row->ttft_p50);
    json_add_msec(json, "ttft_p95_ms", row->ttft_p95);
    json_add_msec(json, "total_ms", row->total_p50);
    json_add_number(json, "tokens_per_s", row->tokens_per_s > 0 ? row->tokens_per_s : NAN);
    add_price(json, row);
    add_amount(json, "cost", row->cost_pico, PICO_PER_UNIT);
    json_add_int(json, "samples", row->samples);
    add_moment(json, "sampled_at", row->sampled_at);
    add_moment(json, "stale_at", row->stale_at);
    add_moment(json, "expires_at", row->expires_at);
}

cJSON *ranking_to_json(const struct ranking *ranking)
{
    cJSON *json = json_new_object();
    json_add_string(json, "model", ranking->model);
    add_flags(json, ranking->flags, ranking_flags, ARRAY_LEN(ranking_flags));
    cJSON *routes = json_add_array(json, "routes");
    for (size_t i = 0; i < ranking->len; i++)
        add_row(routes, &ranking->rows[i]);
    return json;
}

cJSON *table_head_to_json(const struct table *table, const struct table_policy *policy)
{
    cJSON *json = json_new_object();
    json_add_int(json, "epoch", (int64_t)table->epoch);
    json_add_int(json, "generation", (int64_t)table->generation);
    add_moment(json, "published_at", table->published_at);
    json_add_string(json, "policy", policy->name);
    json_add_string(json, "currency", table->currency);
    add_flags(json, table->flags, table_flags, ARRAY_LEN(table_flags));
    return json;
}

/* --- reading ---------------------------------------------------------------------------------------------------------- */

/* Unknown flags are passed over: a newer daemon may have more. */
static unsigned read_flags(const cJSON *json, const struct flag_name *names, size_t len)
{
    unsigned flags = 0;
    const cJSON *array = json_at(json, "flags"), *item;
    cJSON_ArrayForEach(item, array)
    {
        const char *name = cJSON_GetStringValue(item);
        for (size_t i = 0; name && i < len; i++)
            if (strcmp(name, names[i].name) == 0)
                flags |= names[i].flag;
    }
    return flags;
}

/* A number times scale as an integer; `missing` if it is null, absent or beyond what fits. */
static int64_t read_scaled(const cJSON *json, const char *path, double scale, int64_t missing)
{
    double value;
    if (!json_number(json, path, &value))
        return missing;
    value = round(value * scale);
    return fabs(value) < 0x1p63 ? (int64_t)value : missing;
}

static int64_t read_amount(const cJSON *json, const char *path, double scale)
{
    int64_t value = read_scaled(json, path, scale, -1);
    return value < 0 ? -1 : value;
}

/* Milliseconds are what is told; anything finer would be noise of the conversion. */
static usec_t read_moment(const cJSON *json, const char *path)
{
    int64_t msec = read_scaled(json, path, 1000.0, 0);
    return msec > 0 && msec < INT64_MAX / USEC_PER_MSEC ? msec * USEC_PER_MSEC : 0;
}

static double read_double(const cJSON *json, const char *path, double missing)
{
    double value;
    return json_number(json, path, &value) ? value : missing;
}

static char *read_string(const cJSON *json, const char *path)
{
    const char *s = json_string(json, path);
    return s ? alloc_string(s) : NULL;
}

static int read_bounded(const cJSON *json, const char *name, int64_t low, int64_t high, int64_t *ret, struct err *err)
{
    if (!json_int(json, name, ret) || *ret < low || *ret > high)
        return err_set(err, -EINVAL, "\"%s\" is missing or no integer from %" PRId64 " to %" PRId64, name, low, high);
    return 0;
}

static struct table_facts *read_facts(const cJSON *json, const char *model)
{
    struct table_facts *facts = alloc_zero(1, sizeof(*facts));
    facts->refs = 1;
    facts->platform = read_string(json, "platform");
    facts->title = read_string(json, "title");
    facts->model = alloc_string(model);
    facts->upstream_model = read_string(json, "upstream_model");
    facts->endpoint = read_string(json, "endpoint");
    facts->dialect = read_string(json, "dialect");
    facts->level = read_string(json, "level");
    return facts;
}

static int read_row(const cJSON *json, const char *model, struct table_row *row, struct err *err)
{
    row->facts = read_facts(json, model);
    if (!row->facts->platform)
        return err_set(err, -EINVAL, "\"platform\" is missing");
    int64_t rank, slots, samples;
    int state = route_state_from_name(json_string(json, "state"));
    int reason = route_reason_from_name(json_string(json, "reason"));
    if (state < 0 || reason < 0)
        return err_set(err, -EINVAL, "an unknown %s of %s", state < 0 ? "state" : "reason", row->facts->platform);
    int e = read_bounded(json, "rank", 1, ROWS_MAX, &rank, err);
    if (e == 0)
        e = read_bounded(json, "slots", 0, TABLE_SLOTS, &slots, err);
    if (e == 0)
        e = read_bounded(json, "samples", 0, UINT32_MAX, &samples, err);
    if (e < 0)
        return e;
    row->rank = (uint32_t)rank;
    row->slots = (uint16_t)slots;
    row->samples = (uint32_t)samples;
    row->state = (enum route_state)state;
    row->reason = (enum route_reason)reason;
    row->flags = (uint16_t)read_flags(json, row_flags, ARRAY_LEN(row_flags));
    row->loss_nano = read_scaled(json, "loss", NANO, INT64_MAX);
    row->score = read_double(json, "score", 0.0);
    row->availability = read_double(json, "availability", NAN);
    row->availability_low = read_double(json, "availability_low", NAN);
    row->ttft_p50 = read_amount(json, "ttft_ms", 1000.0);
    row->ttft_p95 = read_amount(json, "ttft_p95_ms", 1000.0);
    row->total_p50 = read_amount(json, "total_ms", 1000.0);
    row->tokens_per_s = read_double(json, "tokens_per_s", 0.0);
    row->price_input = read_amount(json, "price.input", (double)PICO_PER_UNIT_PER_MTOK);
    row->price_output = read_amount(json, "price.output", (double)PICO_PER_UNIT_PER_MTOK);
    row->price_call = read_amount(json, "price.call", (double)PICO_PER_UNIT);
    row->cost_pico = read_amount(json, "cost", (double)PICO_PER_UNIT);
    row->sampled_at = read_moment(json, "sampled_at");
    row->stale_at = read_moment(json, "stale_at");
    row->expires_at = read_moment(json, "expires_at");
    return 0;
}

static void unref_rankingp(struct ranking **ranking)
{
    ranking_unref(*ranking);
}

static void unref_tablep(struct table **table)
{
    table_unref(*table);
}

static struct ranking *read_ranking(const cJSON *json, size_t *rows_left, struct err *err)
{
    const char *model = json_string(json, "model");
    const cJSON *routes = json_at(json, "routes");
    if (!model || !cJSON_IsArray(routes)) {
        err_set(err, -EINVAL, "a model's \"model\" or \"routes\" is missing");
        return NULL;
    }
    size_t len = (size_t)cJSON_GetArraySize(routes);
    if (len > *rows_left) {
        err_set(err, -EINVAL, "more than %zu rows", ROWS_MAX);
        return NULL;
    }
    *rows_left -= len;
    CLEANUP(unref_rankingp) struct ranking *ranking = ranking_new(model, len);
    ranking->flags = (uint8_t)read_flags(json, ranking_flags, ARRAY_LEN(ranking_flags));
    size_t i = 0;
    unsigned slots = 0;
    uint32_t rank = 0;
    for (const cJSON *item = routes->child; item; item = item->next, i++) {
        struct table_row *row = &ranking->rows[i];
        if (read_row(item, model, row, err) < 0) {
            err_prefix(err, "%s, route %zu", model, i + 1);
            return NULL;
        }
        slots += row->slots;
        if (row->rank <= rank || slots > TABLE_SLOTS) {
            err_set(err, -EINVAL, "%s, route %zu: %s", model, i + 1, row->rank <= rank ? "ranks out of order" : "more than 256 slots");
            return NULL;
        }
        rank = row->rank;
    }
    struct ranking *ret = ranking;
    ranking = NULL;
    return ret;
}

static int by_model(const void *a, const void *b)
{
    struct ranking *const *x = a, *const *y = b;
    return strcmp((*x)->model, (*y)->model);
}

static int read_models(const cJSON *models, struct table_policy *policy, struct err *err)
{
    size_t count = (size_t)cJSON_GetArraySize(models), rows_left = ROWS_MAX;
    if (count > ROWS_MAX)
        return err_set(err, -EINVAL, "more than %zu models", ROWS_MAX);
    policy->rankings = alloc_zero(count, sizeof(struct ranking *));
    for (const cJSON *item = models->child; item; item = item->next) {
        struct ranking *ranking = read_ranking(item, &rows_left, err);
        if (!ranking)
            return -EINVAL;
        policy->rankings[policy->len++] = ranking;
    }
    qsort(policy->rankings, policy->len, sizeof(struct ranking *), by_model);
    for (size_t i = 1; i < policy->len; i++)
        if (by_model(&policy->rankings[i - 1], &policy->rankings[i]) == 0)
            return err_set(err, -EINVAL, "model %s stands there twice", policy->rankings[i]->model);
    return 0;
}

static int read_head(const cJSON *json, struct table *table, struct err *err)
{
    int64_t epoch, generation;
    int e = read_bounded(json, "epoch", 0, INT64_MAX, &epoch, err);
    if (e == 0)
        e = read_bounded(json, "generation", 0, INT64_MAX, &generation, err);
    if (e < 0)
        return e;
    const char *currency = json_string(json, "currency");
    if (!currency || strlen(currency) >= CURRENCY_MAX || !json_string(json, "policy"))
        return err_set(err, -EINVAL, "\"policy\" or \"currency\" is missing");
    table->epoch = (uint64_t)epoch;
    table->generation = (uint64_t)generation;
    table->published_at = read_moment(json, "published_at");
    memcpy(table->currency, currency, strlen(currency) + 1);
    table->flags = (uint8_t)read_flags(json, table_flags, ARRAY_LEN(table_flags));
    table->policies[0].name = read_string(json, "policy");
    return 0;
}

struct table *table_from_json(const cJSON *json, struct err *err)
{
    CLEANUP(unref_tablep) struct table *table = alloc_zero(1, sizeof(*table));
    table->refs = 1;
    table->len = 1;
    table->policies = alloc_zero(1, sizeof(struct table_policy));
    table->policies[0].about = alloc_string("");
    const char *vantage = json_string(json, "vantage");
    table->vantage = alloc_string(vantage ? vantage : "");
    const cJSON *models = json_at(json, "models");
    int e = read_head(json, table, err);
    if (e == 0 && !cJSON_IsArray(models))
        e = err_set(err, -EINVAL, "\"models\" is missing");
    if (e == 0)
        e = read_models(models, &table->policies[0], err);
    if (e < 0) {
        err_prefix(err, "no routing table");
        return NULL;
    }
    struct table *ret = table;
    table = NULL;
    return ret;
}
