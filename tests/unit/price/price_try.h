/* For the tests of the price readers: a body read into a list, and rows looked at. */
#ifndef TESTS_UNIT_PRICE_PRICE_TRY_H
#define TESTS_UNIT_PRICE_PRICE_TRY_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "probed/price/price.h"

#define U PRICE_UNKNOWN
/* A price as people say it, so many units for a million tokens, in thousandths: M(150) is 0.15. */
#define M(milli) ((int64_t)(milli)*1000)

static inline struct price_list try_read(enum price_source source, const char *body, const struct price_context *context)
{
    struct price_list list;
    struct err err = {""};
    if (price_read(source, body, strlen(body), context, &list, &err) != 0)
        fail_msg("%s", err.text);
    return list;
}

/* The body must be refused, with words. */
static inline void try_refused(enum price_source source, const char *body, const struct price_context *context, const char *words)
{
    struct price_list list;
    struct err err = {""};
    assert_int_equal(price_read(source, body, strlen(body), context, &list, &err), -EINVAL);
    assert_int_equal(list.len, 0);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

static inline const struct price_row *try_row(const struct price_list *list, const char *model)
{
    const struct price_row *row = price_list_find(list, model);
    if (!row)
        fail_msg("%s is not there", model);
    return row;
}

static inline void same_figures(const struct price_figures *p, int64_t input, int64_t output, int64_t cache_read, int64_t cache_write,
                                int64_t call)
{
    assert_int_equal(p->input, input);
    assert_int_equal(p->output, output);
    assert_int_equal(p->cache_read, cache_read);
    assert_int_equal(p->cache_write, cache_write);
    assert_int_equal(p->call, call);
}

static inline void same_price(const struct price_list *list, const char *model, int64_t input, int64_t output, int64_t cache_read,
                              int64_t cache_write, int64_t call)
{
    same_figures(&try_row(list, model)->price, input, output, cache_read, cache_write, call);
}

static inline void nothing_known(const struct price_list *list, const char *model)
{
    same_price(list, model, U, U, U, U, U);
    assert_false(price_known(&try_row(list, model)->price));
    assert_false(try_row(list, model)->free);
}

#endif
