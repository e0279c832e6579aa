/* How two lists differ, and how far a price is from a reference.
 *
 * Both lists are sorted, so one pass finds who came, went and changed. Who went and who came are then matched by price: a pair is called a
 * rename only if its price is known, costs something, and no other that went or came has the same one, since relays have dozens of models
 * at one price and a wrong "renamed" would hide that one was taken away. Figures that differ by a pico-unit only were rounded differently
 * and are the same. Lists in different currencies are compared by name alone: convert first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/prices_parts.h"
#include "shared/alloc.h"

static bool figure_changed(int64_t was, int64_t is, double tolerance)
{
    if (was == is)
        return false;
    if (was < 0 || is < 0)
        return true;
    int64_t difference = was > is ? was - is : is - was;
    return difference > 1 && (double)difference > tolerance * (double)(was > is ? is : was);
}

static bool figures_changed(const struct price_figures *a, const struct price_figures *b, double tolerance)
{
    return figure_changed(a->input, b->input, tolerance) || figure_changed(a->output, b->output, tolerance) ||
           figure_changed(a->cache_read, b->cache_read, tolerance) || figure_changed(a->cache_write, b->cache_write, tolerance) ||
           figure_changed(a->call, b->call, tolerance);
}

static bool row_changed(const struct price_row *a, const struct price_row *b, double tolerance)
{
    if (figures_changed(&a->price, &b->price, tolerance) || a->tiers_len != b->tiers_len)
        return true;
    for (size_t i = 0; i < a->tiers_len; i++)
        if (a->tiers[i].from_tokens != b->tiers[i].from_tokens || figures_changed(&a->tiers[i].price, &b->tiers[i].price, tolerance))
            return true;
    return false;
}

/* By price and provider, then by name. */
static int compare_moved(const void *a, const void *b)
{
    const struct price_row *const *x = a, *const *y = b;
    int order = prices_compare(*x, *y);
    order = order ? order : strcmp((*x)->provider, (*y)->provider);
    return order ? order : strcmp((*x)->model, (*y)->model);
}

static bool same_price(const struct price_row *a, const struct price_row *b)
{
    return prices_compare(a, b) == 0 && strcmp(a->provider, b->provider) == 0;
}

/* How many from `at` on have the price of the first of them. */
static size_t run_length(const struct price_row **rows, size_t len, size_t at)
{
    size_t n = 1;
    while (at + n < len && same_price(rows[at], rows[at + n]))
        n++;
    return n;
}

static void tell_moved(const struct price_row **gone, size_t gone_len, const struct price_row **came, size_t came_len, price_change_fn fn,
                       void *arg)
{
    qsort(gone, gone_len, sizeof *gone, compare_moved);
    qsort(came, came_len, sizeof *came, compare_moved);
    size_t i = 0, j = 0;
    while (i < gone_len || j < came_len) {
        int order = i == gone_len ? 1 : j == came_len ? -1 : prices_compare(gone[i], came[j]);
        order = order || i == gone_len || j == came_len ? order : strcmp(gone[i]->provider, came[j]->provider);
        size_t going = order <= 0 ? run_length(gone, gone_len, i) : 0, coming = order >= 0 ? run_length(came, came_len, j) : 0;
        if (order == 0 && going == 1 && coming == 1 && price_known(&gone[i]->price) && !gone[i]->free) {
            fn(arg, PRICE_RENAMED, gone[i++], came[j++]);
            continue;
        }
        for (; going > 0; going--)
            fn(arg, PRICE_GONE, gone[i++], NULL);
        for (; coming > 0; coming--)
            fn(arg, PRICE_APPEARED, NULL, came[j++]);
    }
}

void price_compare(const struct price_list *old, const struct price_list *new, double tolerance, price_change_fn fn, void *arg)
{
    CLEANUP(alloc_freep) const struct price_row **gone = alloc_zero(old->len + 1, sizeof *gone);
    CLEANUP(alloc_freep) const struct price_row **came = alloc_zero(new->len + 1, sizeof *came);
    size_t gone_len = 0, came_len = 0, i = 0, j = 0;
    bool comparable = strcmp(old->currency, new->currency) == 0;
    while (i < old->len || j < new->len) {
        int order = i == old->len ? 1 : j == new->len ? -1 : rows_compare(&old->rows[i], &new->rows[j]);
        if (order < 0) {
            gone[gone_len++] = &old->rows[i++];
        } else if (order > 0) {
            came[came_len++] = &new->rows[j++];
        } else {
            if (comparable && row_changed(&old->rows[i], &new->rows[j], tolerance))
                fn(arg, PRICE_CHANGED, &old->rows[i], &new->rows[j]);
            i++;
            j++;
        }
    }
    tell_moved(gone, gone_len, came, came_len, fn, arg);
}

static double ratio(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return 0;
    if (a == b)
        return 1;
    if (a == 0 || b == 0)
        return HUGE_VAL;
    return a > b ? (double)a / (double)b : (double)b / (double)a;
}

double price_ratio(const struct price_figures *price, const struct price_figures *reference)
{
    return fmax(ratio(price->input, reference->input), ratio(price->output, reference->output));
}
