/* A list of prices once it is read: its order, its duplicates, its hash, and who is in it.
 *
 * A relay may name a model twice (a channel each). It will charge one of the two, and which is not ours to hope: the dearer one stays,
 * measured by a request of 1,000 tokens in and 300 out; a row of which nothing is known gives way to one of which something is. The outcome
 * does not depend on the order of the feed, so that the hash over the rows changes when a price does and at no other time.
 *
 * The ordering is work for milliseconds when there are thousands of rows, so it is done in pieces as the reading is: a merge sort from
 * below over row numbers (a piece is at least one merge: at most all rows once), then the rows are gathered in their order, equal names
 * dropped, the rest counted and hashed. */
#include <stdlib.h>
#include <string.h>

#include "probed/price/prices_parts.h"
#include "shared/alloc.h"

/* A row that is copied and hashed costs as much as so many that are compared. */
#define GATHER_COST 8

int rows_compare(const struct price_row *a, const struct price_row *b)
{
    int order = strcmp(a->model, b->model);
    return order ? order : strcmp(a->provider, b->provider);
}

static int compare_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int figures_compare(const struct price_figures *a, const struct price_figures *b)
{
    int order = compare_int(a->input, b->input);
    order = order ? order : compare_int(a->output, b->output);
    order = order ? order : compare_int(a->call, b->call);
    order = order ? order : compare_int(a->cache_read, b->cache_read);
    return order ? order : compare_int(a->cache_write, b->cache_write);
}

int prices_compare(const struct price_row *a, const struct price_row *b)
{
    int order = figures_compare(&a->price, &b->price);
    order = order ? order : compare_int((int64_t)a->tiers_len, (int64_t)b->tiers_len);
    for (size_t i = 0; order == 0 && i < a->tiers_len; i++) {
        order = compare_int(a->tiers[i].from_tokens, b->tiers[i].from_tokens);
        order = order ? order : figures_compare(&a->tiers[i].price, &b->tiers[i].price);
    }
    return order ? order : compare_int(a->free, b->free);
}

static double usual_cost(const struct price_figures *p)
{
    double cost = p->input > 0 ? 1000.0 * (double)p->input : 0;
    cost += p->output > 0 ? 300.0 * (double)p->output : 0;
    return cost + (p->call > 0 ? (double)p->call : 0);
}

/* > 0: a is the one to keep. */
static int compare_dearness(const struct price_row *a, const struct price_row *b)
{
    int order = compare_int(price_known(&a->price), price_known(&b->price));
    order = order ? order : compare_int(row_says_nothing(b), row_says_nothing(a));
    if (order)
        return order;
    double x = usual_cost(&a->price), y = usual_cost(&b->price);
    order = (x > y) - (x < y);
    return order ? order : prices_compare(a, b);
}

/* Of equal names the one to keep comes first. */
static bool in_order(const struct price_row *a, const struct price_row *b)
{
    int order = rows_compare(a, b);
    return order ? order < 0 : compare_dearness(a, b) >= 0;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value + 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ hash >> 27) * 0x94D049BB133111EBu;
    return hash ^ hash >> 31;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    uint64_t part = 0xCBF29CE484222325u;
    for (; *text; text++)
        part = (part ^ (unsigned char)*text) * 0x100000001B3u;
    return mix(hash, part);
}

static uint64_t mix_figures(uint64_t hash, const struct price_figures *p)
{
    hash = mix(mix(hash, (uint64_t)p->input), (uint64_t)p->output);
    hash = mix(mix(hash, (uint64_t)p->cache_read), (uint64_t)p->cache_write);
    return mix(hash, (uint64_t)p->call);
}

static uint64_t mix_row(uint64_t hash, const struct price_row *row)
{
    hash = mix_figures(mix_text(mix_text(hash, row->model), row->provider), &row->price);
    for (size_t j = 0; j < row->tiers_len; j++)
        hash = mix_figures(mix(hash, (uint64_t)row->tiers[j].from_tokens), &row->tiers[j].price);
    return mix(hash, row->free);
}

void ordering_start(struct ordering *o, const struct rows *rows, struct price_list *list)
{
    size_t len = rows->len;
    *o = (struct ordering){.rows = rows, .len = len, .list = list, .width = 1};
    o->order = alloc_resize(NULL, len + 1, sizeof *o->order);
    o->spare = alloc_resize(NULL, len + 1, sizeof *o->spare);
    for (size_t i = 0; i < len; i++)
        o->order[i] = (uint32_t)i;
    /* Not cleared: that would be the longest piece of all. */
    list->rows = alloc_resize(NULL, len + 1, sizeof *list->rows);
    list->revision = mix_text(1, list->currency);
}

/* Merges the two runs at o->at into o->spare; how many numbers that were. */
static size_t merge_runs(struct ordering *o)
{
    size_t left = o->at, middle = left + o->width < o->len ? left + o->width : o->len;
    size_t right = middle, end = middle + o->width < o->len ? middle + o->width : o->len, out = left;
    while (left < middle || right < end) {
        bool from_left = right == end || (left < middle && in_order(rows_at(o->rows, o->order[left]), rows_at(o->rows, o->order[right])));
        o->spare[out++] = from_left ? o->order[left++] : o->order[right++];
    }
    size_t n = end - o->at;
    o->at = end;
    return n;
}

static void gather(struct ordering *o, const struct price_row *row)
{
    struct price_list *list = o->list;
    if (list->len > 0 && rows_compare(&list->rows[list->len - 1], row) == 0) {
        list->duplicates++;
        return;
    }
    list->rows[list->len++] = *row;
    list->unknown += row_says_nothing(row);
    list->revision = mix_row(list->revision, row);
}

bool ordering_step(struct ordering *o, size_t budget)
{
    size_t spent = 0;
    while (o->width < o->len) {
        if (spent >= budget)
            return true;
        spent += merge_runs(o);
        if (o->at == o->len) {
            uint32_t *swap = o->order;
            o->order = o->spare;
            o->spare = swap;
            o->width *= 2;
            o->at = 0;
        }
    }
    for (; o->at < o->len; o->at++) {
        if (spent >= budget)
            return true;
        spent += GATHER_COST;
        gather(o, rows_at(o->rows, o->order[o->at]));
    }
    return false;
}

void ordering_done(struct ordering *o)
{
    free(o->order);
    free(o->spare);
    o->order = o->spare = NULL;
}

void price_list_done(struct price_list *list)
{
    free(list->rows);
    *list = (struct price_list){.rows = NULL};
}

const struct price_row *price_list_find(const struct price_list *list, const char *model)
{
    size_t low = 0, high = list->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(list->rows[middle].model, model) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->len && strcmp(list->rows[low].model, model) == 0 ? &list->rows[low] : NULL;
}
