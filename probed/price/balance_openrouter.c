/* OpenRouter: GET /key (any key) and GET /credits (management keys; others are refused with 403, which is no failure).
 *
 *     /key {"data":{"usage":25.5,"limit":100|null,"limit_remaining":74.5|null,"limit_reset":"monthly"|null,"expires_at":"...Z"|null,...}}
 *     /credits  {"data":{"total_credits":100.5,"total_usage":25.75}}
 *
 * USD, as JSON numbers. /key is asked with the platform's own key: its usage is the sharpest evidence of what our own requests were
 * charged, and its limit, where there is one, ends them like empty credit does. A key without a limit (null) is limited by the account, of
 * which only /credits tells. Where both tell, what is tighter is the balance. More may have been used than was bought, or than
 * the limit allows: that is owed, and nothing is left. How finely the figures are stepped is not documented: a millionth is taken. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "probed/price/balance_parts.h"

/* "2027-12-31T23:59:59Z", perhaps with a fraction or an offset. 0: anything else. */
static usec_t date_of(const char *text)
{
    struct tm tm = {.tm_sec = 0};
    int n = 0, hours = 0, minutes = 0;
    if (!text || strlen(text) > 40 ||
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &n) != 6)
        return 0;
    const char *rest = text + n;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    bool zone = (*rest == '+' || *rest == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2;
    if (!zone && strcmp(rest, "Z") != 0 && *rest != '\0')
        return 0;
    if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 ||
        tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60 || hours < 0 || minutes < 0)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t seconds = (int64_t)timegm(&tm) - (*rest == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return seconds > 0 ? seconds * USEC_PER_SEC : 0;
}

static int read_credits(struct balance_reading *r, struct err *err)
{
    struct balance *b = r->balance;
    int e = balance_take(r, BALANCE_MORE, "data.total_credits", &MEASURE_MONEY, true, &b->granted, err);
    if (e == 0)
        e = balance_take(r, BALANCE_MORE, "data.total_usage", &MEASURE_MONEY, true, &b->used, err);
    if (e < 0)
        return e;
    b->scope = BALANCE_ACCOUNT;
    b->left = b->granted > b->used ? b->granted - b->used : 0;
    b->owed = b->used > b->granted ? b->used - b->granted : 0;
    return 0;
}

int balance_openrouter(struct balance_reading *r, struct err *err)
{
    struct balance *b = r->balance;
    const cJSON *key = r->json[BALANCE_MAIN];
    int64_t limit, remaining, owed, usage;
    int e = balance_currency(r, "USD", err);
    if (e == 0)
        e = balance_take(r, BALANCE_MAIN, "data.usage", &MEASURE_MONEY, true, &usage, err);
    if (e == 0)
        e = balance_take(r, BALANCE_MAIN, "data.limit", &MEASURE_MONEY, false, &limit, err);
    if (e == 0)
        e = balance_take_left(r, BALANCE_MAIN, "data.limit_remaining", &MEASURE_MONEY, false, &remaining, &owed, err);
    if (e == 0 && r->json[BALANCE_MORE])
        e = read_credits(r, err);
    if (e < 0)
        return e;
    b->key_used = usage;
    b->unit = balance_step(r, "0.000001", &MEASURE_MONEY);
    b->expires = date_of(json_string(key, "data.expires_at"));
    if (r->json[BALANCE_MORE] && (remaining == BALANCE_UNKNOWN || remaining - owed >= b->left - b->owed))
        return 0;
    b->scope = BALANCE_KEY;
    b->left = remaining;
    b->granted = limit;
    b->used = usage;
    b->owed = owed;
    b->unlimited = remaining == BALANCE_UNKNOWN && cJSON_IsNull(json_at(key, "data.limit"));
    b->resets = json_string(key, "data.limit_reset") != NULL;
    return 0;
}
