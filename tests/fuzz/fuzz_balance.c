/* Balances, /api/status and exchange rates: any bytes are figures that make sense, or are refused with words. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/balance.h"
#include "probed/price/rates.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Exactly these bytes, so that reading on is seen. */
static char *exactly(const char *from, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, from, len);
    return copy;
}

static void check_words(const struct err *err)
{
    must(err->text[0] && strlen(err->text) < ERR_TEXT_MAX && text_is_utf8(err->text, strlen(err->text)));
    for (const char *s = err->text; *s; s++)
        must((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void check_balance(const struct balance *b, enum balance_source source)
{
    must(b->source == source && b->left >= -1 && b->used >= -1 && b->granted >= -1 && b->gift >= -1 && b->key_used >= -1);
    must(b->owed >= 0 && (b->owed == 0 || b->left == 0) && b->unit > 0 && b->expires >= 0);
    must(!b->unlimited || (b->left == BALANCE_UNKNOWN && b->granted == BALANCE_UNKNOWN));
    must(b->left != BALANCE_UNKNOWN || b->used != BALANCE_UNKNOWN);
    must(b->currency[0] && strlen(b->currency) < CURRENCY_MAX);
    must(b->gift == BALANCE_UNKNOWN || b->gift <= b->left);
}

static void try_balance(enum balance_source source, unsigned options, struct balance_answer *answers)
{
    struct balance_context context = {.currency = options & 1 ? "EUR" : NULL,
                                      .quota_per_unit = options & 2 ? 123457 : 0,
                                      .scale = options & 4 ? 1.37 : 0,
                                      .host = options & 8 ? "api.siliconflow.com" : NULL};
    struct balance b;
    struct err err = {""};
    int e = balance_read(source, answers, &context, &b, &err);
    must(e == 0 || e == -EINVAL);
    if (e == 0) {
        check_balance(&b, source);
        return;
    }
    check_words(&err);
    must(b.left == BALANCE_UNKNOWN && b.used == BALANCE_UNKNOWN && b.granted == BALANCE_UNKNOWN && b.gift == BALANCE_UNKNOWN &&
         b.key_used == BALANCE_UNKNOWN && b.owed == 0 && !b.unlimited);
}

static void try_status(const char *body, size_t len)
{
    char kept[BALANCE_STATUS_MAX], again[BALANCE_STATUS_MAX];
    struct err err = {""};
    if (balance_status_keep(body, len, kept, &err) < 0) {
        check_words(&err);
        return;
    }
    must(balance_status_keep(kept, strlen(kept), again, NULL) == 0 && strcmp(kept, again) == 0);
}

static void try_rates(const char *body, size_t len)
{
    static struct rates rates;
    struct err err = {""};
    if (rates_read(body, len, "USD", &rates, &err) < 0) {
        check_words(&err);
        must(rates.len == 0);
        return;
    }
    must(rates.len > 0 && rates.len <= RATES_MAX);
    for (size_t i = 0; i < rates.len; i++) {
        must(rates.list[i].pico > 0 && strcmp(rates.list[i].currency, "USD") != 0);
        must(rates_find(&rates, rates.list[i].currency) == rates.list[i].pico);
        must(i == 0 || strcmp(rates.list[i - 1].currency, rates.list[i].currency) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 64 * 1024)
        return 0;
    /* The first byte says the source ('0' on, as in the corpus; behind the balances /api/status and rates), the second the context; NULs
     * part the bodies. */
    unsigned source = (unsigned)(data[0] - '0') % (BALANCE_SOURCE_COUNT + 2), options = data[1];
    const char *at = (const char *)data + 2, *end = (const char *)data + size;
    struct balance_answer answers[BALANCE_PARTS] = {{NULL, 0}};
    char *copies[BALANCE_PARTS] = {NULL};
    for (int i = 0; i < BALANCE_PARTS && at <= end; i++) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        size_t len = (size_t)((nul ? nul : end) - at);
        copies[i] = exactly(at, len);
        answers[i] = (struct balance_answer){copies[i], len};
        at += len + 1;
    }
    if (source < BALANCE_SOURCE_COUNT)
        try_balance((enum balance_source)source, options, answers);
    else if (source == BALANCE_SOURCE_COUNT)
        try_status(answers[0].body, answers[0].len);
    else
        try_rates(answers[0].body, answers[0].len);
    for (int i = 0; i < BALANCE_PARTS; i++)
        free(copies[i]);
    return 0;
}
