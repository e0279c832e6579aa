/* Inside probed/price only: what the readers of the single sources share.
 *
 * A list of prices may have megabytes, and is read on a loop that must not stand still: so its bytes are walked (walk.c), not parsed as a
 * whole, and only one entry at a time becomes a tree. A source says in its open function where its entries lie, as stages that are worked
 * off one after another (reading.c), and has a function that makes a row of one entry. */
#ifndef PROBED_PRICE_PRICES_PARTS_H
#define PROBED_PRICE_PRICES_PARTS_H

#include "probed/price/price.h"
#include "shared/json.h"

/* --- bytes (walk.c) ----------------------------------------------------------------------------------------------------- */

struct span { /* the bytes of one JSON value, without blanks around it; len 0 = there is none */
    const char *at;
    size_t len;
};
struct walk {
    const char *at, *end;
    char close;
    bool started;
};
/* False: neither an array nor an object. */
bool walk_open(struct walk *walk, struct span value) ATTR_UNUSED_RESULT;
/* 1 = one more, 0 = the container has ended, -EINVAL = this is no JSON. name has its quotes; empty in an array. */
int walk_next(struct walk *walk, struct span *ret_name, struct span *ret_value, struct err *err) ATTR_UNUSED_RESULT;
bool span_is(struct span span, char first); /* '{', '[', '"' */
/* The first member of each name, len 0 where there is none. False: no object, or broken. */
bool span_members(struct span object, const char *const *names, struct span *ret, size_t len);
struct span span_member(struct span object, const char *name);
/* A name or a string, decoded. False: no string, empty, or longer than size allows: a cut name would be another name. */
bool span_string(struct span span, char *ret, size_t size);
/* NULL with err said: no JSON, or too long to be parsed in one go. */
cJSON *span_parse(struct span span, struct err *err) ATTR_UNUSED_RESULT;

/* --- numbers (exact.c) -------------------------------------------------------------------------------------------------- */

#define DECIMAL_MAX 64
/* A number or a string that holds one, as text in buf. NULL: neither, or no decimal number, or a negative one, which means "not known" in
 * all feeds. */
const char *decimal_of(const cJSON *value, char buf[DECIMAL_MAX]);
const char *decimal_at(const cJSON *json, const char *path, char buf[DECIMAL_MAX]);
const char *decimal_span(struct span span, char buf[DECIMAL_MAX]);
bool decimal_is_zero(const char *text);
/* The product of all, times scale / divisor, rounded once, half up. PRICE_UNKNOWN: a factor is NULL or no decimal number, or it is too
 * large. */
int64_t exact_product(const char *const *factors, size_t len, int64_t scale, int64_t divisor);
/* One number times scale; by units_parse_decimal. */
int64_t exact_price(const char *text, int64_t scale);

/* --- lists (list.c) ----------------------------------------------------------------------------------------------------- */

/* Things by number, in chunks: what is there never moves, since moving megabytes would be a step that takes long. */
#define CHUNK      256
#define CHUNKS_MAX ((PRICE_ROWS_MAX + CHUNK - 1) / CHUNK)
struct rows {
    struct price_row *chunks[CHUNKS_MAX];
    size_t len;
};
static inline struct price_row *rows_at(const struct rows *rows, size_t i)
{
    return &rows->chunks[i / CHUNK][i % CHUNK];
}

/* Rows as they were read, on their way into a list that is sorted. rows are borrowed. */
struct ordering {
    const struct rows *rows;
    uint32_t *order, *spare;
    size_t len, width, at;
    struct price_list *list; /* its currency is set; rows, counts and revision are made here */
};
void ordering_start(struct ordering *o, const struct rows *rows, struct price_list *list);
bool ordering_step(struct ordering *o, size_t budget); /* about so many rows are looked at; true = more is to do */
void ordering_done(struct ordering *o);

int rows_compare(const struct price_row *a, const struct price_row *b); /* by model, then provider */
int figures_compare(const struct price_figures *a, const struct price_figures *b);
/* 0 = the very same price. An order of no meaning otherwise. */
int prices_compare(const struct price_row *a, const struct price_row *b);

/* --- the reading (reading.c) -------------------------------------------------------------------------------------------- */

/* The members of an answer's outermost object that mean something to anybody. */
struct envelope {
    struct span root, data, success, message, error, group_ratio;
    bool litellm; /* looks like LiteLLM's map: then nothing else was looked for */
};

struct price_reading;
typedef void (*entry_fn)(struct price_reading *r, const char *name, const cJSON *value);
struct stage {
    struct span where; /* the array or object whose entries are given to fn */
    entry_fn entry;
};
#define STAGES_MAX 4

/* --- names with numbers (side.c) ---------------------------------------------------------------------------------------- */

/* Model names with a number each, or with none: completion ratios, what is sold. Of two with the same name the first counts. */
struct side_entry {
    char name[PRICE_NAME_MAX];
    char text[DECIMAL_MAX]; /* "" = none that is known */
};
struct side_table {
    struct side_entry *chunks[CHUNKS_MAX];
    uint32_t *order, *spare;
    size_t len, room;
    size_t merged; /* how many are in order as one run */
};
void side_add(struct side_table *table, const char *name, const char *text);
const struct side_entry *side_find(struct side_table *table, const char *name);
void side_done(struct side_table *table);

struct price_reading {
    enum price_source source;
    struct envelope envelope;
    struct span groups_body; /* of the context, borrowed */
    char currency[CURRENCY_MAX];
    char group[64];
    char group_ratio[DECIMAL_MAX]; /* of our group; "" = not known */
    char rate[DECIMAL_MAX];        /* money of `currency` for one unit of the feed's own */
    int64_t quota_per_unit;

    struct stage stages[STAGES_MAX];
    size_t stages_len, stage;
    struct walk walk;
    bool walking;

    char model[PRICE_NAME_MAX];                  /* the one that all rows are of, where a feed is about one model */
    struct side_table completion, second, third; /* what the latter two are, the source knows */
    struct rows rows;
    unsigned skipped;
    bool too_many, failed;
    bool ordered; /* the stages are through, and this has begun: */
    struct ordering ordering;
    struct price_list list;
};

void reading_part(struct price_reading *r, struct span where, entry_fn entry);
/* A row with all figures unknown, or NULL: the name is none (counted). Valid until the next call. */
struct price_row *reading_row(struct price_reading *r, const char *model, const char *provider);
/* To be called when a row's figures stand: whether it is free. */
void row_settle(struct price_row *row);
bool row_says_nothing(const struct price_row *row);

/* Tiers are gathered in any order, then set: sorted, what is not said taken from the row itself; of more than a row has place for the last
 * is the dearest of the rest. */
#define TIER_SAME   ((int64_t)-2)
#define TIERS_DRAFT 16
struct tiers {
    struct price_tier list[TIERS_DRAFT];
    size_t len;
};
struct price_figures *tiers_from(struct tiers *tiers, int64_t from_tokens); /* NULL: no more place, or a nonsense start */
void row_set_tiers(struct price_row *row, struct tiers *tiers);

/* --- the one-api family (family.c) -------------------------------------------------------------------------------------- */

/* All with the group ratio, the scale and the rate of the reading. A NULL makes the result unknown.
 * tokens: quota points a token, ratio x times ("1" = as it is), as pico a token. call: units of money a request. million: units of money
 * per million tokens. */
int64_t family_tokens(const struct price_reading *r, const char *ratio, const char *times);
int64_t family_call(const struct price_reading *r, const char *price);
int64_t family_per_million(const struct price_reading *r, const char *price);
void reading_find_group(struct price_reading *r, struct span ratios); /* object: group -> number, or group -> {"ratio"} */

void side_add(struct side_table *table, const char *name, const char *text);
const struct side_entry *side_find(struct side_table *table, const char *name);

/* True: the array names our group, or "all"; or there is no such array, so that nothing is said against it. */
bool family_has_group(const struct price_reading *r, const cJSON *groups);
/* What a row says of itself, whatever the fork calls its members; NULL = not said or not known. quota_type NULL: what it means there is not
 * known, so that the one figure which is not nothing decides. */
struct family_figures {
    const char *quota_type, *ratio, *price, *completion, *cache_read, *cache_write;
};
void family_row(const struct price_reading *r, struct price_row *row, const struct family_figures *f);

/* A tiered expression of new-api. False: it is not of the shape that is understood; row is as it was then. */
bool expression_read(const struct price_reading *r, const char *text, struct price_row *row);

/* --- sources ------------------------------------------------------------------------------------------------------------ */

int envelope_read(const char *body, size_t len, struct envelope *ret, struct err *err) ATTR_UNUSED_RESULT;
/* PRICE_SOURCE_COUNT: none that is known. */
enum price_source source_detect(const struct envelope *envelope);

/* 0, or -EINVAL with err said: not of that shape. */
int openrouter_open(struct price_reading *r, struct err *err);
int openrouter_endpoints_open(struct price_reading *r, struct err *err);
int newapi_open(struct price_reading *r, struct err *err);
int onehub_open(struct price_reading *r, struct err *err);
int voapi_open(struct price_reading *r, struct err *err);
int rixapi_open(struct price_reading *r, struct err *err);
int shellapi_open(struct price_reading *r, struct err *err);
int aihubmix_open(struct price_reading *r, struct err *err);
int litellm_open(struct price_reading *r, struct err *err);

#endif
