/* One reading of one list, from the bytes to the rows.
 *
 * A reading is made (shape found out, group ratio and scale looked up, stages laid out by the source), stepped until its stages are worked
 * off, taken, freed. All that costs time is in the steps, entry by entry and then, when the rows are put in order, merge by merge:
 * price_read does them in one go, a daemon's loop one at a time. Making a reading walks the whole body once without parsing it; taking it
 * costs nothing.
 *
 * Measured (milliseconds of CPU on one core of a busy machine; tests/unit/price/test_lists.c prints them): LiteLLM's map, 1.4 MB and 2,985
 * rows: 17 to 25 in all, 0.8 to 1.9 of them for making, in steps of 64 KiB at most 1.2. A list at the caps (8 MB or 20,000 rows): up to 165
 * in all, at most 5 for making, steps of at most 2.3.
 *
 * body and groups are borrowed; all else is the reading's own. A reading that failed has no rows to take. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/prices_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

/* The usual quota points for one unit of money, and the pico-units of currency in it. */
#define QUOTA_PER_UNIT 500000
#define STATUS_MAX     ((size_t)128 * 1024)
/* An entry, however short, and a row that is put in order, are about as much work as so many bytes read. */
#define BYTES_PER_ENTRY 256
#define BYTES_PER_ROW   32

static int no_shape(struct price_reading *r, struct err *err)
{
    (void)r;
    return err_set(err, -EINVAL, "no list of prices of a shape that is known");
}

static const struct {
    int (*open)(struct price_reading *r, struct err *err);
    const char *currency;
    bool family; /* has quota points, and so a scale */
} sources[PRICE_SOURCE_COUNT] = {
    [PRICE_SOURCE_AUTO] = {no_shape, "USD", false},
    [PRICE_SOURCE_OPENROUTER] = {openrouter_open, "USD", false},
    [PRICE_SOURCE_OPENROUTER_ENDPOINTS] = {openrouter_endpoints_open, "USD", false},
    [PRICE_SOURCE_NEWAPI] = {newapi_open, "USD", true},
    [PRICE_SOURCE_ONEHUB] = {onehub_open, "USD", true},
    [PRICE_SOURCE_VOAPI] = {voapi_open, "USD", true},
    [PRICE_SOURCE_RIXAPI] = {rixapi_open, "CNY", true},
    [PRICE_SOURCE_SHELLAPI] = {shellapi_open, "USD", true},
    [PRICE_SOURCE_AIHUBMIX] = {aihubmix_open, "USD", false},
    [PRICE_SOURCE_LITELLM] = {litellm_open, "USD", false},
};

/* --- rows --------------------------------------------------------------------------------------------------------------- */

void reading_part(struct price_reading *r, struct span where, entry_fn entry)
{
    if (r->stages_len < STAGES_MAX && where.len > 0)
        r->stages[r->stages_len++] = (struct stage){where, entry};
}

static bool is_name(const char *name, size_t max)
{
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len >= max)
        return false;
    for (size_t i = 0; i < len;) {
        uint32_t c;
        i += text_decode(name + i, len - i, &c);
        if (text_is_harmful(c))
            return false;
    }
    return true;
}

struct price_row *reading_row(struct price_reading *r, const char *model, const char *provider)
{
    if (!is_name(model, PRICE_NAME_MAX) || (provider && !is_name(provider, sizeof((struct price_row *)0)->provider))) {
        r->skipped++;
        return NULL;
    }
    struct rows *rows = &r->rows;
    if (rows->len == PRICE_ROWS_MAX) {
        r->too_many = true;
        return NULL;
    }
    if (rows->len % CHUNK == 0)
        rows->chunks[rows->len / CHUNK] = alloc_zero(CHUNK, sizeof(struct price_row));
    struct price_row *row = rows_at(rows, rows->len++);
    *row = (struct price_row){.price = {PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN}};
    strcpy(row->model, model);
    if (provider)
        strcpy(row->provider, provider);
    return row;
}

static bool costs_nothing(const struct price_figures *p)
{
    return (p->input == 0 && p->output == 0 && p->call <= 0) || (p->call == 0 && p->input < 0 && p->output < 0);
}

void row_settle(struct price_row *row)
{
    row->free = costs_nothing(&row->price);
    for (size_t i = 0; i < row->tiers_len; i++)
        row->free = row->free && costs_nothing(&row->tiers[i].price);
}

bool row_says_nothing(const struct price_row *row)
{
    const struct price_figures *p = &row->price;
    return p->input < 0 && p->output < 0 && p->cache_read < 0 && p->cache_write < 0 && p->call < 0 && row->tiers_len == 0;
}

/* --- tiers -------------------------------------------------------------------------------------------------------------- */

struct price_figures *tiers_from(struct tiers *tiers, int64_t from_tokens)
{
    for (size_t i = 0; i < tiers->len; i++)
        if (tiers->list[i].from_tokens == from_tokens)
            return &tiers->list[i].price;
    if (tiers->len == TIERS_DRAFT || from_tokens <= 0)
        return NULL;
    struct price_tier *tier = &tiers->list[tiers->len++];
    *tier = (struct price_tier){from_tokens, {TIER_SAME, TIER_SAME, TIER_SAME, TIER_SAME, TIER_SAME}};
    return &tier->price;
}

static int compare_tiers(const void *a, const void *b)
{
    const struct price_tier *x = a, *y = b;
    return (x->from_tokens > y->from_tokens) - (x->from_tokens < y->from_tokens);
}

static int64_t filled(int64_t figure, int64_t otherwise)
{
    return figure == TIER_SAME ? otherwise : figure;
}

/* What is not known is dearer than anything that is. */
static int64_t dearer(int64_t a, int64_t b)
{
    return a < 0 || b < 0 ? PRICE_UNKNOWN : a > b ? a : b;
}

void row_set_tiers(struct price_row *row, struct tiers *tiers)
{
    const struct price_figures *base = &row->price;
    qsort(tiers->list, tiers->len, sizeof tiers->list[0], compare_tiers);
    row->tiers_len = 0;
    for (size_t i = 0; i < tiers->len; i++) {
        const struct price_figures *t = &tiers->list[i].price;
        struct price_figures p = {.input = filled(t->input, base->input),
                                  .output = filled(t->output, base->output),
                                  .cache_read = filled(t->cache_read, base->cache_read),
                                  .cache_write = filled(t->cache_write, base->cache_write),
                                  .call = filled(t->call, base->call)};
        if (row->tiers_len < PRICE_TIERS_MAX) {
            row->tiers[row->tiers_len++] = (struct price_tier){tiers->list[i].from_tokens, p};
            continue;
        }
        struct price_figures *last = &row->tiers[PRICE_TIERS_MAX - 1].price;
        *last = (struct price_figures){.input = dearer(last->input, p.input),
                                       .output = dearer(last->output, p.output),
                                       .cache_read = dearer(last->cache_read, p.cache_read),
                                       .cache_write = dearer(last->cache_write, p.cache_write),
                                       .call = dearer(last->call, p.call)};
    }
}

/* --- the context -------------------------------------------------------------------------------------------------------- */

void reading_find_group(struct price_reading *r, struct span ratios)
{
    struct walk walk;
    struct span name, value;
    char group[sizeof r->group], text[DECIMAL_MAX];
    if (!span_is(ratios, '{') || !walk_open(&walk, ratios))
        return;
    while (walk_next(&walk, &name, &value, NULL) > 0) {
        if (!span_string(name, group, sizeof group) || strcmp(group, r->group) != 0)
            continue;
        const char *ratio = decimal_span(span_is(value, '{') ? span_member(value, "ratio") : value, text);
        strcpy(r->group_ratio, ratio ? ratio : "");
        return;
    }
}

/* What /api/status tells of the scale, unless the configuration says it: how many points a unit has, and what a unit costs in yuan when it
 * is bought. */
static int read_status(struct price_reading *r, const struct price_context *c, struct err *err)
{
    if (!c->status || (c->currency && c->quota_per_unit > 0))
        return 0;
    if (c->status_len > STATUS_MAX)
        return err_set(err, -EINVAL, "/api/status: it has %zu bytes; at most %zu are read", c->status_len, STATUS_MAX);
    CLEANUP(json_deletep) cJSON *json = json_parse(c->status, c->status_len, err);
    if (!json) {
        err_prefix(err, "/api/status");
        return -EINVAL;
    }
    bool success = true;
    json_bool(json, "success", &success);
    if (!success || !cJSON_IsObject(json_at(json, "data")))
        return err_set(err, -EINVAL, "/api/status: no answer of a one-api relay");
    char text[DECIMAL_MAX];
    const char *points = decimal_at(json, "data.quota_per_unit", text);
    int64_t quota;
    if (c->quota_per_unit <= 0 && points) {
        if (units_parse_decimal(points, 1, &quota) < 0 || quota <= 0)
            return err_set(err, -EINVAL, "/api/status: quota_per_unit is %s, which is no scale", points);
        r->quota_per_unit = quota;
    }
    const char *rate = c->currency ? NULL : decimal_at(json, "data.price", text);
    if (rate && !decimal_is_zero(rate)) {
        strcpy(r->rate, rate);
        strcpy(r->currency, "CNY");
    }
    return 0;
}

static int take_context(struct price_reading *r, const struct price_context *c, struct err *err)
{
    const char *group = c->group && c->group[0] ? c->group : "default";
    const char *currency = c->currency ? c->currency : sources[r->source].currency;
    if (strlen(group) >= sizeof r->group)
        return err_set(err, -EINVAL, "the group's name is longer than %zu bytes", sizeof r->group - 1);
    if (strlen(currency) >= sizeof r->currency)
        return err_set(err, -EINVAL, "\"%.20s\" is no currency", currency);
    strcpy(r->group, group);
    strcpy(r->currency, currency);
    strcpy(r->rate, "1");
    char text[DECIMAL_MAX];
    const char *ratio = c->group_ratio;
    if (ratio && !decimal_span((struct span){ratio, strlen(ratio)}, text))
        return err_set(err, -EINVAL, "\"%.20s\" is no group ratio", ratio);
    strcpy(r->group_ratio, ratio ? text : "");
    if (c->groups)
        r->groups_body = (struct span){c->groups, c->groups_len};
    r->quota_per_unit = c->quota_per_unit > 0 ? c->quota_per_unit : QUOTA_PER_UNIT;
    return sources[r->source].family ? read_status(r, c, err) : 0;
}

/* --- the reading -------------------------------------------------------------------------------------------------------- */

/* An answer that says itself that it is none. */
static int refused(const struct envelope *e, struct err *err)
{
    char message[160];
    bool failed = e->success.len == 5 && memcmp(e->success.at, "false", 5) == 0;
    if (!failed && (e->error.len == 0 || span_is(e->error, 'n') || e->data.len > 0))
        return 0;
    struct span said = failed ? e->message : span_is(e->error, '{') ? span_member(e->error, "message") : e->error;
    CLEANUP(buf_done) struct buf shown = BUF_INIT;
    if (!span_string(said, message, sizeof message))
        return err_set(err, -EINVAL, "the relay answers with an error instead of a list");
    text_escape_terminal(&shown, message, strlen(message), 100);
    return err_set(err, -EINVAL, "the relay answers with an error instead of a list: %s", buf_str(&shown));
}

static int reading_start(struct price_reading *r, enum price_source source, const char *body, size_t len,
                         const struct price_context *context, struct err *err)
{
    if (len > PRICE_BODY_MAX)
        return err_set(err, -EINVAL, "%zu bytes are too many for a list of prices; at most %zu are read", len, PRICE_BODY_MAX);
    int e = envelope_read(body, len, &r->envelope, err);
    if (e < 0)
        return e;
    e = source == PRICE_SOURCE_LITELLM ? 0 : refused(&r->envelope, err);
    if (e < 0)
        return e;
    r->source = source == PRICE_SOURCE_AUTO ? source_detect(&r->envelope) : source;
    if (r->source >= PRICE_SOURCE_COUNT)
        return no_shape(r, err);
    e = take_context(r, context, err);
    if (e < 0)
        return e;
    e = sources[r->source].open(r, err);
    return e < 0 ? e : 0;
}

struct price_reading *price_reading_new(enum price_source source, const char *body, size_t len, const struct price_context *context,
                                        struct err *err)
{
    static const struct price_context nothing = {.group = NULL};
    struct price_reading *r = alloc_zero(1, sizeof *r);
    if (reading_start(r, source, body, len, context ? context : &nothing, err) == 0)
        return r;
    price_reading_free(r);
    return NULL;
}

/* One entry of the stage. 1 = there may be more, 0 = it was the last. */
static int read_entry(struct price_reading *r, const struct stage *stage, struct err *err)
{
    struct span name, value;
    char decoded[PRICE_NAME_MAX];
    int more = walk_next(&r->walk, &name, &value, err);
    if (more <= 0)
        return more;
    /* A name that cannot be one makes a row that is counted as skipped. */
    if (name.len > 0)
        span_string(name, decoded, sizeof decoded);
    CLEANUP(json_deletep) cJSON *json = span_parse(value, err);
    if (!json)
        return -EINVAL;
    stage->entry(r, name.len > 0 ? decoded : NULL, json);
    if (r->too_many)
        return err_set(err, -EINVAL, "more than %d rows", PRICE_ROWS_MAX);
    return 1;
}

/* The entries of all stages, up to about so many bytes. 1 = more, 0 = all are read. */
static int read_stages(struct price_reading *r, size_t bytes, struct err *err)
{
    while (r->stage < r->stages_len) {
        const struct stage *stage = &r->stages[r->stage];
        if (!r->walking && !walk_open(&r->walk, stage->where))
            return err_set(err, -EINVAL, "a list was expected");
        r->walking = true;
        int more = 1;
        for (size_t spent = 0; more > 0 && spent < bytes;) {
            const char *start = r->walk.at;
            more = read_entry(r, stage, err);
            spent += (size_t)(r->walk.at - start) + BYTES_PER_ENTRY;
        }
        if (more != 0)
            return more;
        r->walking = false;
        r->stage++;
    }
    if (r->rows.len == 0 && r->source != PRICE_SOURCE_OPENROUTER_ENDPOINTS)
        return err_set(err, -EINVAL, "it lists no models");
    return 0;
}

int price_reading_step(struct price_reading *r, size_t bytes, struct err *err)
{
    if (r->failed)
        return err_set(err, -EINVAL, "the list was refused before");
    if (!r->ordered) {
        int more = read_stages(r, bytes, err);
        r->failed = more < 0;
        if (more != 0)
            return more;
        r->list = (struct price_list){.source = r->source, .skipped = r->skipped};
        strcpy(r->list.currency, r->currency);
        ordering_start(&r->ordering, &r->rows, &r->list);
        r->ordered = true;
        if (bytes < r->envelope.root.len)
            return 1;
    }
    return ordering_step(&r->ordering, bytes / BYTES_PER_ROW + 1);
}

void price_reading_take(struct price_reading *r, struct price_list *ret)
{
    *ret = r->list;
    r->list = (struct price_list){.rows = NULL};
}

void price_reading_free(struct price_reading *r)
{
    if (!r)
        return;
    ordering_done(&r->ordering);
    price_list_done(&r->list);
    for (size_t i = 0; i < ARRAY_LEN(r->rows.chunks); i++)
        free(r->rows.chunks[i]);
    side_done(&r->completion);
    side_done(&r->second);
    side_done(&r->third);
    free(r);
}
