/* Filtering and sorting: pure, over a table as it was published. */
#include "routectl/top_rows.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/compiler.h"

static const struct {
    const char *words;
    bool backwards;
} sorts[] = {
#define X(id, words, backwards) {words, backwards},
    TOP_SORT_TABLE(X)
#undef X
};

const char *top_sort_words(enum top_sort sort)
{
    return sorts[sort].words;
}

bool top_sort_backwards(enum top_sort sort)
{
    return sorts[sort].backwards;
}

static bool holds(const char *text, const char *word, size_t len)
{
    for (; text && *text; text++) {
        if (strncasecmp(text, word, len) == 0)
            return true;
    }
    return false;
}

bool top_row_matches(const struct top_row *row, const char *filter)
{
    const struct table_facts *facts = row->row->facts;
    const char *const texts[] = {facts->platform,
                                 facts->title,
                                 row->model,
                                 facts->upstream_model,
                                 route_state_name(row->row->state),
                                 route_reason_name(row->row->reason)};

    for (const char *word = filter + strspn(filter, " "); *word; word += strspn(word, " ")) {
        size_t len = strcspn(word, " ");
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(texts) && !found; i++)
            found = holds(texts[i], word, len);
        if (!found)
            return false;
        word += len;
    }
    return true;
}

/* What a row is sorted by; NAN = not known. */
static double sort_key(const struct table_row *row, enum top_sort sort)
{
    switch (sort) {
    case TOP_SORT_STATE:
        return (double)row->state;
    case TOP_SORT_TTFT:
        return row->ttft_p50 >= 0 ? (double)row->ttft_p50 : NAN;
    case TOP_SORT_P95:
        return row->ttft_p95 >= 0 ? (double)row->ttft_p95 : NAN;
    case TOP_SORT_AVAILABILITY:
        return row->availability;
    case TOP_SORT_PRICE:
        return row->price_input >= 0 ? (double)row->price_input : NAN;
    case TOP_SORT_WEIGHT:
        return row->slots;
    case TOP_SORT_SCORE:
        return row->score;
    case TOP_SORT_SAMPLES:
        return row->samples;
    default:
        return 0;
    }
}

struct sortable {
    struct top_row row;
    size_t at; /* in the table */
    double key;
    int sign;
    bool by_name;
};

static int compare(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;
    int c = 0;

    if (x->by_name)
        c = strcoll(x->row.row->facts->platform, y->row.row->facts->platform) * x->sign;
    else if (isnan(x->key) || isnan(y->key))
        c = (isnan(x->key) ? 1 : 0) - (isnan(y->key) ? 1 : 0);
    else
        c = ((x->key > y->key) - (x->key < y->key)) * x->sign;
    if (c != 0)
        return c;
    return (x->at > y->at) - (x->at < y->at);
}

static size_t count_rows(const struct table_policy *policy)
{
    size_t len = 0;
    for (size_t m = 0; m < policy->len; m++)
        len += policy->rankings[m]->len;
    return len;
}

struct top_row *top_rows_collect(const struct table *table, const char *filter, enum top_sort sort, bool backwards, size_t *ret_len)
{
    const struct table_policy *policy = table && table->len > 0 ? &table->policies[0] : NULL;
    size_t most = policy ? count_rows(policy) : 0, len = 0;
    struct sortable *all = alloc_zero(most > 0 ? most : 1, sizeof *all);

    for (size_t m = 0; policy && m < policy->len; m++) {
        const struct ranking *ranking = policy->rankings[m];
        for (size_t i = 0; i < ranking->len; i++) {
            struct top_row row = {.row = &ranking->rows[i], .model = ranking->model};
            if (!top_row_matches(&row, filter))
                continue;
            all[len] = (struct sortable){.row = row, .at = len, .sign = backwards ? -1 : 1, .by_name = sort == TOP_SORT_PLATFORM};
            all[len].key = sort_key(row.row, sort);
            len++;
        }
    }
    if (sort != TOP_SORT_RANK)
        qsort(all, len, sizeof *all, compare);
    struct top_row *rows = alloc_zero(len > 0 ? len : 1, sizeof *rows);
    for (size_t i = 0; i < len; i++)
        rows[i] = all[sort == TOP_SORT_RANK && backwards ? len - 1 - i : i].row;
    free(all);
    *ret_len = len;
    return rows;
}
