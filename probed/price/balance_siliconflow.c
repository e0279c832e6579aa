/* SiliconFlow: GET /v1/user/info.
 *
 *     {"code":20000,"status":true,"data":{"balance":"0.88","chargeBalance":"88.00","totalBalance":"88.88",...}}
 *
 * Success is code 20000; anything else, under whatever HTTP status, is {"code":n,"message":...}. The amounts are strings: `balance` was
 * given, `chargeBalance` bought, and totalBalance is both. What was bought may be overdrawn while some of what was given is there, which
 * then stands for it. Two separate services: siliconflow.cn counts in CNY, siliconflow.com in USD.
 * What was used is not told. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "probed/price/balance_parts.h"

#define SUCCESS 20000

static bool ends_with(const char *text, const char *end)
{
    size_t a = text ? strlen(text) : 0, b = strlen(end);
    return a >= b && strcasecmp(text + a - b, end) == 0;
}

/* The step of an amount that is shown as "88.88": by its decimals, two at least, since zeros at the end may have been dropped. */
static int64_t step_of(const struct balance_reading *r, const char *path)
{
    static const char *const steps[] = {"0.01", "0.001", "0.0001", "0.00001", "0.000001"};
    const char *text = json_string(r->json[BALANCE_MAIN], path), *point = text ? strchr(text, '.') : NULL;
    size_t decimals = point ? strlen(point + 1) : 0, at = decimals > 2 ? decimals - 2 : 0;
    return balance_step(r, steps[at < ARRAY_LEN(steps) ? at : ARRAY_LEN(steps) - 1], &MEASURE_MONEY);
}

int balance_siliconflow(struct balance_reading *r, struct err *err)
{
    enum { TOTAL, GIVEN, BOUGHT };
    static const char *const paths[] = {[TOTAL] = "data.totalBalance", [GIVEN] = "data.balance", [BOUGHT] = "data.chargeBalance"};
    int64_t code, amounts[ARRAY_LEN(paths)], owed[ARRAY_LEN(paths)] = {0};
    struct balance *b = r->balance;
    if (!json_int(r->json[BALANCE_MAIN], "code", &code) || code != SUCCESS) {
        CLEANUP(buf_done) struct buf words = BUF_INIT;
        balance_words(r->json[BALANCE_MAIN], "message", &words);
        return err_set(err, -EINVAL, "the relay answers with an error%s%s", words.len > 0 ? ": " : "", buf_str(&words));
    }
    int e = balance_currency(r, ends_with(r->context->host, ".siliconflow.com") ? "USD" : "CNY", err);
    for (size_t i = 0; e == 0 && i < ARRAY_LEN(paths); i++)
        e = i == GIVEN ? balance_take(r, BALANCE_MAIN, paths[i], &MEASURE_MONEY, false, &amounts[i], err)
                       : balance_take_left(r, BALANCE_MAIN, paths[i], &MEASURE_MONEY, i == TOTAL, &amounts[i], &owed[i], err);
    if (e < 0)
        return e;
    b->scope = BALANCE_ACCOUNT;
    b->left = amounts[TOTAL];
    b->owed = owed[TOTAL];
    b->gift = amounts[GIVEN];
    b->unit = step_of(r, paths[TOTAL]);
    for (size_t i = 1; i < ARRAY_LEN(paths); i++)
        if (step_of(r, paths[i]) < b->unit)
            b->unit = step_of(r, paths[i]);
    bool overdrawn = owed[BOUGHT] > 0 || (amounts[BOUGHT] == BALANCE_UNKNOWN && b->owed > 0);
    if (overdrawn && b->gift > b->left)
        b->gift = b->left;
    if (b->gift > b->left)
        return err_set(err, -EINVAL, "balance is more than totalBalance, which it is a part of");
    return 0;
}
