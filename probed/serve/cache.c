/* What is made of a ranking once and shared by all its readers: its JSON, its lines of text, its picks.
 *
 * Keyed by the ranking object: rankings are immutable and stay the same object from table to table while nothing in them changes, so what
 * was made for one generation serves the next ones too. An entry holds a reference; once the table and all readers let go of the ranking
 * that reference is the last one, and cache_sweep, run after each new table, drops the entry. So the cache never holds more than the
 * rankings of the current table and of those that slow readers still have. Everything is made when first asked for, a ranking at a time: no
 * table, however large, holds the loop. */
#include "probed/serve/api_parts.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define CACHE_BUCKETS_MIN 64

struct cached {
    struct ranking *ranking; /* counted */
    struct blob *json, *text;
    struct picks *picks;
    struct cached *next;
};

struct cache {
    struct cached **buckets;
    size_t buckets_len; /* a power of two */
    size_t len;
};

struct blob *blob_take(struct buf *b)
{
    struct blob *blob = alloc_zero(1, sizeof *blob + b->len + 1);
    blob->refs = 1;
    blob->len = b->len;
    memcpy(blob->data, buf_str(b), b->len);
    buf_done(b);
    return blob;
}

struct blob *blob_ref(struct blob *blob)
{
    blob->refs++;
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (blob != NULL && --blob->refs == 0)
        free(blob);
}

static size_t cache_bucket(const struct cache *cache, const struct ranking *ranking)
{
    /* Fibonacci hashing of the address; the low bits of an address are always the same. */
    uint64_t hash = ((uint64_t)(uintptr_t)ranking >> 4) * 0x9e3779b97f4a7c15u;
    return (size_t)(hash >> 32) & (cache->buckets_len - 1);
}

struct cache *cache_new(void)
{
    struct cache *cache = alloc_zero(1, sizeof *cache);
    cache->buckets_len = CACHE_BUCKETS_MIN;
    cache->buckets = alloc_zero(cache->buckets_len, sizeof *cache->buckets);
    return cache;
}

static void cached_free(struct cached *entry)
{
    picks_free(entry->picks);
    blob_unref(entry->json);
    blob_unref(entry->text);
    ranking_unref(entry->ranking);
    free(entry);
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->buckets_len; i++)
        for (struct cached *entry = cache->buckets[i], *next = NULL; entry != NULL; entry = next) {
            next = entry->next;
            cached_free(entry);
        }
    free(cache->buckets);
    free(cache);
}

void cache_sweep(struct cache *cache)
{
    for (size_t i = 0; i < cache->buckets_len; i++)
        for (struct cached **link = &cache->buckets[i]; *link != NULL;) {
            struct cached *entry = *link;
            if (entry->ranking->refs > 1) {
                link = &entry->next;
                continue;
            }
            *link = entry->next;
            cached_free(entry);
            cache->len--;
        }
}

static void cache_grow(struct cache *cache)
{
    struct cached **old = cache->buckets;
    size_t old_len = cache->buckets_len;
    cache->buckets_len *= 2;
    cache->buckets = alloc_zero(cache->buckets_len, sizeof *cache->buckets);
    for (size_t i = 0; i < old_len; i++)
        for (struct cached *entry = old[i], *next = NULL; entry != NULL; entry = next) {
            next = entry->next;
            size_t bucket = cache_bucket(cache, entry->ranking);
            entry->next = cache->buckets[bucket];
            cache->buckets[bucket] = entry;
        }
    free(old);
}

static struct cached *cache_entry(struct cache *cache, const struct ranking *ranking)
{
    size_t bucket = cache_bucket(cache, ranking);
    for (struct cached *entry = cache->buckets[bucket]; entry != NULL; entry = entry->next)
        if (entry->ranking == ranking)
            return entry;
    if (cache->len >= cache->buckets_len) {
        cache_grow(cache);
        bucket = cache_bucket(cache, ranking);
    }
    struct cached *entry = alloc_zero(1, sizeof *entry);
    /* Counting a reference is no change of what the ranking says. */
    union {
        const struct ranking *in;
        struct ranking *out;
    } countable = {.in = ranking};
    entry->ranking = ranking_ref(countable.out);
    entry->next = cache->buckets[bucket];
    cache->buckets[bucket] = entry;
    cache->len++;
    return entry;
}

struct blob *cache_json(struct cache *cache, const struct ranking *ranking)
{
    struct cached *entry = cache_entry(cache, ranking);
    if (entry->json == NULL) {
        struct buf text = BUF_INIT;
        cJSON *json = ranking_to_json(ranking);
        json_print(json, false, &text);
        cJSON_Delete(json);
        entry->json = blob_take(&text);
    }
    return entry->json;
}

/* One field of a line: never empty, without tabs or line ends whatever the name holds. */
static void text_field(struct buf *ret, const char *s)
{
    buf_add_char(ret, '\t');
    if (s == NULL || *s == '\0')
        buf_add_char(ret, '-');
    else
        text_escape_terminal(ret, s, strlen(s), 512);
}

static void text_price(struct buf *ret, int64_t pico)
{
    char text[64];
    text_field(ret, pico < 0 ? "-" : units_format_price(text, sizeof text, pico));
}

static void text_row(struct buf *ret, const struct table_row *row, const char *policy)
{
    text_escape_terminal(ret, policy, strlen(policy), 512);
    text_field(ret, row->facts->model);
    buf_printf(ret, "\t%u", row->rank);
    text_field(ret, row->facts->platform);
    buf_printf(ret, "\t%.6g", (double)row->slots / TABLE_SLOTS);
    text_field(ret, route_state_name(row->state));
    buf_printf(ret, "\t%.6f", row->score);
    if (row->ttft_p50 < 0)
        text_field(ret, "-");
    else
        buf_printf(ret, "\t%.1f", (double)row->ttft_p50 / (double)USEC_PER_MSEC);
    if (row->availability >= 0 && row->availability <= 1)
        buf_printf(ret, "\t%.6f", row->availability);
    else
        text_field(ret, "-");
    text_price(ret, row->price_input);
    text_price(ret, row->price_output);
    text_field(ret, row->facts->endpoint);
    text_field(ret, row->facts->upstream_model);
    buf_add_char(ret, '\n');
}

struct blob *cache_text(struct cache *cache, const struct ranking *ranking, const char *policy)
{
    struct cached *entry = cache_entry(cache, ranking);
    if (entry->text == NULL) {
        struct buf text = BUF_INIT;
        for (size_t i = 0; i < ranking->len; i++)
            text_row(&text, &ranking->rows[i], policy);
        entry->text = blob_take(&text);
    }
    return entry->text;
}

struct picks **cache_picks(struct cache *cache, const struct ranking *ranking)
{
    return &cache_entry(cache, ranking)->picks;
}

size_t cache_len(const struct cache *cache)
{
    return cache->len;
}
