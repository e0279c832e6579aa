/* Lists of prices: any bytes are a list or are refused with words, in one go or in slices, and what a list says of itself holds. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_figures(const struct price_figures *p)
{
    must(p->input >= -1 && p->output >= -1 && p->cache_read >= -1 && p->cache_write >= -1 && p->call >= -1);
}

static void check_list(const struct price_list *list)
{
    unsigned unknown = 0;
    must(list->len <= PRICE_ROWS_MAX && list->unknown <= list->len && list->source > PRICE_SOURCE_AUTO &&
         list->source < PRICE_SOURCE_COUNT);
    for (size_t i = 0; i < list->len; i++) {
        const struct price_row *row = &list->rows[i];
        check_figures(&row->price);
        must(row->tiers_len <= PRICE_TIERS_MAX && row->model[0] && !(row->free && !price_known(&row->price)));
        for (size_t j = 0; j < row->tiers_len; j++) {
            check_figures(&row->tiers[j].price);
            must(row->tiers[j].from_tokens > (j ? row->tiers[j - 1].from_tokens : 0));
        }
        const struct price_row *found = price_list_find(list, row->model);
        must(found && found <= row && strcmp(found->model, row->model) == 0);
        if (i > 0) {
            int order = strcmp(row[-1].model, row->model);
            must(order < 0 || (order == 0 && strcmp(row[-1].provider, row->provider) < 0));
        }
        const struct price_figures *p = &row->price;
        unknown += p->input < 0 && p->output < 0 && p->cache_read < 0 && p->cache_write < 0 && p->call < 0 && row->tiers_len == 0;
    }
    must(unknown == list->unknown);
}

static void no_change(void *arg, enum price_change change, const struct price_row *was, const struct price_row *is)
{
    (void)arg, (void)change, (void)was, (void)is;
    abort();
}

static void count_change(void *arg, enum price_change change, const struct price_row *was, const struct price_row *is)
{
    must((change == PRICE_APPEARED) == !was && (change == PRICE_GONE) == !is);
    ++*(size_t *)arg;
}

static bool read_slices(enum price_source source, const char *body, size_t len, const struct price_context *context, struct price_list *ret)
{
    struct err err = {""};
    struct price_reading *r = price_reading_new(source, body, len, context, &err);
    int more = r ? 1 : -1;
    while (more > 0)
        more = price_reading_step(r, 7, &err);
    must(more == 0 || err.text[0]);
    *ret = (struct price_list){.rows = NULL};
    if (more == 0)
        price_reading_take(r, ret);
    price_reading_free(r);
    return more == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 256 * 1024)
        return 0;
    /* The first byte says the source ('0' = auto, as in the corpus), the second the context; a NUL parts the body from those of the status
     * and the groups. */
    enum price_source source = (enum price_source)((unsigned)(data[0] - '0') % PRICE_SOURCE_COUNT);
    unsigned options = data[1];
    size_t len = size - 2;
    char *body = malloc(len + 1);
    memcpy(body, data + 2, len);
    body[len] = '\0';
    size_t first = strlen(body);
    struct price_context context = {.group = options & 1 ? "vip" : NULL,
                                    .currency = options & 2 ? "CNY" : NULL,
                                    .quota_per_unit = options & 4 ? 123457 : 0,
                                    .group_ratio = options & 8 ? "0.5" : NULL};
    if (first < len) {
        context.status = context.groups = body + first + 1;
        context.status_len = context.groups_len = len - first - 1;
    }
    char *exactly = malloc(first ? first : 1);
    memcpy(exactly, body, first);
    struct price_list list, sliced;
    struct err err = {""};
    int e = price_read(source, exactly, first, &context, &list, &err);
    must(e == 0 || (e == -EINVAL && err.text[0] && list.len == 0));
    must(read_slices(source, exactly, first, &context, &sliced) == (e == 0));
    if (e == 0) {
        check_list(&list);
        must(list.revision == sliced.revision && list.len == sliced.len);
        price_compare(&list, &sliced, 0, no_change, NULL);
        struct price_list none = {.rows = NULL};
        strcpy(none.currency, list.currency);
        size_t changes = 0;
        price_compare(&list, &none, 0, count_change, &changes);
        price_compare(&none, &list, 0, count_change, &changes);
        must(changes == 2 * list.len);
    }
    price_list_done(&list);
    price_list_done(&sliced);
    free(exactly);
    free(body);
    return 0;
}
