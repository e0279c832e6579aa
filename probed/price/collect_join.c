/* Several lists made into one: for feeds that are asked model by model.
 *
 * Rows are gathered in chunks as a reading does it, and put in order in one go: they are few enough (ROWS_MAX) for a turn of the loop. This
 * file knows nothing of feeds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/collect_join.h"
#include "probed/price/prices_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define ROWS_MAX 5000

struct price_joining {
    struct rows rows;
    enum price_source source;
    unsigned skipped;
};

struct price_joining *price_joining_new(void)
{
    return alloc_zero(1, sizeof(struct price_joining));
}

int price_joining_add(struct price_joining *j, const struct price_list *list, const char *model, struct err *err)
{
    struct rows *rows = &j->rows;
    if (rows->len + list->len > ROWS_MAX)
        return err_set(err, -EINVAL, "more than %d rows", ROWS_MAX);
    for (size_t i = 0; i < list->len; i++) {
        if (rows->len % CHUNK == 0)
            rows->chunks[rows->len / CHUNK] = alloc_zero(CHUNK, sizeof(struct price_row));
        struct price_row *row = rows_at(rows, rows->len++);
        *row = list->rows[i];
        text_copy(row->model, sizeof row->model, model, strlen(model));
    }
    j->source = list->source;
    j->skipped += list->skipped;
    return 0;
}

void price_joining_take(struct price_joining *j, const char *currency, struct price_list *ret)
{
    struct ordering ordering;
    *ret = (struct price_list){.source = j->source, .skipped = j->skipped};
    text_copy(ret->currency, sizeof ret->currency, currency, strlen(currency));
    ordering_start(&ordering, &j->rows, ret);
    while (ordering_step(&ordering, SIZE_MAX))
        ;
    ordering_done(&ordering);
}

struct price_joining *price_joining_free(struct price_joining *j)
{
    for (size_t i = 0; j && i < CHUNKS_MAX; i++)
        free(j->rows.chunks[i]);
    free(j);
    return NULL;
}
