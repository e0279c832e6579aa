/* Balances: each source's documented shape against amounts that were worked out by hand, and everything that must be refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "probed/price/balance.h"
#include "shared/units.h"

#define U BALANCE_UNKNOWN
/* Money in millionths of a unit. */
#define MICRO(n) ((int64_t)(n)*1000000)

static struct balance_answer answer(const char *body)
{
    return (struct balance_answer){body, body ? strlen(body) : 0};
}

static int try_all(enum balance_source source, const char *main, const char *more, const char *status,
                   const struct balance_context *context, struct balance *ret, struct err *err)
{
    const struct balance_answer answers[BALANCE_PARTS] = {answer(main), answer(more), answer(status)};
    return balance_read(source, answers, context, ret, err);
}

static struct balance must(enum balance_source source, const char *main, const char *more, const char *status,
                           const struct balance_context *context)
{
    struct balance b;
    struct err err = {""};
    if (try_all(source, main, more, status, context, &b, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.source, source);
    assert_true(b.unit > 0);
    return b;
}

/* Refused with these words, and nothing is known then. */
static void must_not(enum balance_source source, const char *main, const char *more, const char *status, const char *words)
{
    struct balance b;
    struct err err = {""};
    assert_int_equal(try_all(source, main, more, status, NULL, &b, &err), -EINVAL);
    assert_true(b.left == U && b.used == U && b.granted == U && b.gift == U && b.key_used == U && b.owed == 0 && !b.unlimited);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

#define assert_money(b, left_, used_, granted_)                                                                                            \
    do {                                                                                                                                   \
        assert_int_equal((b).left, left_);                                                                                                 \
        assert_int_equal((b).used, used_);                                                                                                 \
        assert_int_equal((b).granted, granted_);                                                                                           \
    } while (0)

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < BALANCE_SOURCE_COUNT; i++) {
        size_t len;
        assert_int_equal(balance_source_from_name(balance_source_name((enum balance_source)i)), i);
        assert_non_null(balance_requests((enum balance_source)i, &len));
        assert_in_range(len, 1, BALANCE_PARTS);
    }
    assert_int_equal(balance_source_from_name("none"), -1);
    assert_int_equal(balance_source_from_name(NULL), -1);
    assert_string_equal(balance_source_name(BALANCE_SOURCE_NEWAPI_USER), "newapi-user");
}

/* --- OpenRouter --------------------------------------------------------------------------------------------------------- */

#define OR BALANCE_SOURCE_OPENROUTER
static const char or_key[] =
    "{\"data\":{\"label\":\"sk-or-v1-au7...890\",\"limit\":100,\"limit_remaining\":74.5,\"limit_reset\":\"monthly\","
    "\"usage\":25.5,\"usage_daily\":25.5,\"is_free_tier\":false,\"is_management_key\":false,"
    "\"expires_at\":\"2027-12-31T23:59:59Z\",\"rate_limit\":{\"requests\":1000}}}";
static const char or_open[] =
    "{\"data\":{\"limit\":null,\"limit_remaining\":null,\"limit_reset\":null,\"usage\":0.000001234567,\"expires_at\":null}}";

static void test_openrouter(void **state)
{
    (void)state;
    struct balance b = must(OR, or_key, NULL, NULL, NULL);
    assert_money(b, MICRO(74500000), MICRO(25500000), MICRO(100000000));
    assert_int_equal(b.scope, BALANCE_KEY);
    assert_int_equal(b.key_used, MICRO(25500000));
    assert_string_equal(b.currency, "USD");
    assert_true(b.resets && !b.unlimited);
    assert_int_equal(b.expires, 1830297599 * USEC_PER_SEC);
    /* Without a limit the account is the limit, of which this key hears nothing. */
    b = must(OR, or_open, NULL, NULL, NULL);
    assert_money(b, U, 1234567, U);
    assert_true(b.unlimited && !b.resets && b.expires == 0);
    /* What is not told is not null. */
    b = must(OR, "{\"data\":{\"usage\":1}}", NULL, NULL, NULL);
    assert_money(b, U, MICRO(1000000), U);
    assert_false(b.unlimited);
    b = must(OR, "{\"data\":{\"usage\":1,\"limit\":5}}", NULL, NULL, NULL);
    assert_money(b, U, MICRO(1000000), MICRO(5000000));
    assert_false(b.unlimited);
    /* With /credits: 100.5 - 25.75 = 74.75. */
    const char credits[] = "{\"data\":{\"total_credits\":100.5,\"total_usage\":25.75}}";
    b = must(OR, or_open, credits, NULL, NULL);
    assert_money(b, MICRO(74750000), MICRO(25750000), MICRO(100500000));
    assert_int_equal(b.scope, BALANCE_ACCOUNT);
    assert_int_equal(b.key_used, 1234567);
    assert_false(b.unlimited);
    /* The key's limit is the tighter one. */
    b = must(OR, or_key, credits, NULL, NULL);
    assert_money(b, MICRO(74500000), MICRO(25500000), MICRO(100000000));
    assert_int_equal(b.scope, BALANCE_KEY);
    /* More used than bought. */
    b = must(OR, or_open, "{\"data\":{\"total_credits\":5,\"total_usage\":5.25}}", NULL, NULL);
    assert_money(b, 0, MICRO(5250000), MICRO(5000000));
    assert_int_equal(b.owed, MICRO(250000));
    must_not(OR, "{\"error\":{\"code\":401,\"message\":\"Missing Authentication header\"}}", NULL, NULL, "Missing Authentication header");
    must_not(OR, or_open, "{\"error\":{\"code\":403,\"message\":\"Only management keys\"}}", NULL, "second answer: ");
    must_not(OR, "{\"data\":{\"limit\":5}}", NULL, NULL, "usage is not told");
    must_not(OR, "{\"data\":{\"usage\":-1}}", NULL, NULL, "usage is negative");
    must_not(OR, "{\"data\":{\"usage\":1,\"limit\":-2,\"limit_remaining\":1}}", NULL, NULL, "limit is negative");
    must_not(OR, or_open, "{\"data\":{\"total_credits\":null,\"total_usage\":1}}", NULL, "total_credits is not told");
    must_not(OR, or_open, "{\"data\":{\"total_credits\":1e30,\"total_usage\":1}}", NULL, "total_credits is beyond all reason");
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        const char *date;
        int64_t seconds;
    } dates[] = {
        {"1970-01-01T00:00:01Z", 1},
        {"2026-11-24T12:00:00.123456+08:00", 1795492800},
        {"2026-11-24T12:00:00-01:30", 1795527000},
        {"2026-11-24T12:00:00", 1795521600},
        {"2026-13-24T12:00:00Z", 0},
        {"2026-11-24", 0},
        {"soon", 0},
        {"2026-11-24T12:00:00ZZ", 0},
        {"2026-11-24T12:00:00Zxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0},
        {"1026-11-24T12:00:00Z", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"data\":{\"usage\":1,\"expires_at\":\"%s\"}}", dates[i].date);
        struct balance b = must(OR, body, NULL, NULL, NULL);
        assert_int_equal(b.expires, dates[i].seconds * USEC_PER_SEC);
    }
}

/* --- SiliconFlow -------------------------------------------------------------------------------------------------------- */

#define SF BALANCE_SOURCE_SILICONFLOW
static const char sf_info[] = "{\"code\":20000,\"message\":\"OK\",\"status\":true,\"data\":{\"id\":\"userid\",\"balance\":\"0.88\","
                              "\"status\":\"normal\",\"chargeBalance\":\"88.00\",\"totalBalance\":\"88.88\"}}";

static void test_siliconflow(void **state)
{
    (void)state;
    struct balance b = must(SF, sf_info, NULL, NULL, NULL);
    assert_money(b, MICRO(88880000), U, U);
    assert_int_equal(b.gift, MICRO(880000));
    assert_int_equal(b.unit, MICRO(10000));
    assert_int_equal(b.key_used, U);
    assert_string_equal(b.currency, "CNY");
    assert_int_equal(b.scope, BALANCE_ACCOUNT);
    struct balance_context com = {.host = "api.siliconflow.com"}, cn = {.host = "api.siliconflow.cn"}, own = {.currency = "EUR"};
    assert_string_equal(must(SF, sf_info, NULL, NULL, &com).currency, "USD");
    assert_string_equal(must(SF, sf_info, NULL, NULL, &cn).currency, "CNY");
    assert_string_equal(must(SF, sf_info, NULL, NULL, &own).currency, "EUR");
    b = must(SF, "{\"code\":20000,\"data\":{\"balance\":\"0\",\"totalBalance\":\"14.0005\"}}", NULL, NULL, NULL);
    assert_money(b, MICRO(14000500), U, U);
    assert_int_equal(b.gift, 0);
    assert_int_equal(b.unit, MICRO(100));
    must_not(SF, "{\"code\":20012,\"message\":\"Api key is invalid\",\"data\":null}", NULL, NULL, "Api key is invalid");
    must_not(SF, "{\"message\":\"OK\",\"data\":{\"totalBalance\":\"1\"}}", NULL, NULL, "error");
    must_not(SF, "\"Invalid token\"", NULL, NULL, "Invalid token");
    must_not(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"3.20\",\"balance\":\"-1\"}}", NULL, NULL, "balance is negative");
    must_not(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"88,88\"}}", NULL, NULL, "totalBalance is no number");
    must_not(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"\"}}", NULL, NULL, "totalBalance is no number");
    must_not(SF, "{\"code\":20000,\"data\":{\"totalBalance\":[1]}}", NULL, NULL, "totalBalance is no number");
    must_not(SF, "{\"code\":20000,\"data\":{\"totalBalance\":true}}", NULL, NULL, "totalBalance is no number");
    must_not(SF, "{\"code\":20000,\"data\":{}}", NULL, NULL, "totalBalance is not told");
    must_not(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"1\",\"balance\":\"2\"}}", NULL, NULL, "balance is more than totalBalance");
}

/* --- the one-api family -------------------------------------------------------------------------------------------------- */

#define ONE BALANCE_SOURCE_ONEAPI
static const char one_sub[] =
    "{\"object\":\"billing_subscription\",\"has_payment_method\":true,\"soft_limit_usd\":12.5,\"hard_limit_usd\":12.5,"
    "\"system_hard_limit_usd\":12.5,\"access_until\":0}";
static const char one_use[] = "{\"object\":\"list\",\"total_usage\":123.4}";

static const char *status_of(const char *members)
{
    static char text[400];
    snprintf(text, sizeof text, "{\"success\":true,\"message\":\"\",\"data\":{%s}}", members);
    return text;
}

static void test_oneapi(void **state)
{
    (void)state;
    /* 123.4 hundredths are 1.234; 12.5 - 1.234 = 11.266. A point is 1 / 500,000. */
    struct balance b = must(ONE, one_sub, one_use, NULL, NULL);
    assert_money(b, MICRO(11266000), MICRO(1234000), MICRO(12500000));
    assert_int_equal(b.scope, BALANCE_EITHER);
    assert_int_equal(b.unit, MICRO(2));
    assert_string_equal(b.currency, "USD");
    assert_int_equal(b.key_used, U);
    /* One's own, as one-api says it: shown in currency, so units. */
    b = must(ONE, one_sub, one_use, status_of("\"quota_per_unit\":500000,\"display_in_currency\":true"), NULL);
    assert_money(b, MICRO(11266000), MICRO(1234000), MICRO(12500000));
    /* Points: 6,250,000 / 500,000 = 12.5; 61,700,000 hundredths are 617,000 points = 1.234. */
    b = must(ONE, "{\"hard_limit_usd\":6250000}", "{\"total_usage\":61700000}",
             status_of("\"quota_per_unit\":500000,\"display_in_currency\":false"), NULL);
    assert_money(b, MICRO(11266000), MICRO(1234000), MICRO(12500000));
    b = must(ONE, "{\"hard_limit_usd\":6250000}", "{\"total_usage\":61700000}",
             status_of("\"quota_per_unit\":500000,\"display_in_currency\":true,\"quota_display_type\":\"TOKENS\""), NULL);
    assert_money(b, MICRO(11266000), MICRO(1234000), MICRO(12500000));
    /* Without a limit. */
    b = must(ONE, "{\"hard_limit_usd\":100000000,\"access_until\":1830297599}", one_use, NULL, NULL);
    assert_money(b, U, MICRO(1234000), U);
    assert_true(b.unlimited);
    assert_int_equal(b.expires, 1830297599 * USEC_PER_SEC);
    must_not(ONE, "{\"error\":{\"message\":\"\xe4\xbb\xa4\xe7\x89\x8c\",\"type\":\"one_api_error\",\"param\":\"\",\"code\":\"\"}}", one_use,
             NULL, "error: \xe4\xbb\xa4\xe7\x89\x8c");
    must_not(ONE, one_sub, "{\"error\":{\"message\":\"m\",\"type\":\"upstream_error\"}}", NULL, "error: m");
    must_not(ONE, one_sub, NULL, NULL, "total_usage is not told");
    must_not(ONE, one_use, one_use, NULL, "hard_limit_usd is not told");
    must_not(ONE, one_sub, "{\"total_usage\":2501}", NULL, "total_usage is far more than hard_limit_usd");
    must_not(ONE, "{\"hard_limit_usd\":-12.5}", one_use, NULL, "hard_limit_usd is negative");
    must_not(ONE, "{\"hard_limit_usd\":\"lots\"}", one_use, NULL, "hard_limit_usd is no number");
    must_not(ONE, "{\"hard_limit_usd\":99999999}", one_use, NULL, "hard_limit_usd is beyond all reason");
    must_not(ONE, one_sub, one_use, "{\"success\":false,\"message\":\"x\"}", "/api/status");
}

/* What a site shows is not what a unit is worth. */
static void test_display_currency(void **state)
{
    (void)state;
    /* Shown in CNY at 7.3 a unit, sold at 7.3 CNY a unit: 73 shown are 10 units are 73 CNY; 730 hundredths are 1 unit. */
    const char *sub = "{\"hard_limit_usd\":73}", *use = "{\"total_usage\":730}";
    struct balance b = must(
        ONE, sub, use, status_of("\"quota_per_unit\":500000,\"quota_display_type\":\"CNY\",\"price\":7.3,\"usd_exchange_rate\":7.3"), NULL);
    assert_money(b, MICRO(65700000), MICRO(7300000), MICRO(73000000));
    assert_string_equal(b.currency, "CNY");
    assert_int_equal(b.unit, 14600000); /* 7.3 / 500,000 */
    /* Sold at 1 CNY a unit: the same 73 are 10 CNY. */
    b = must(ONE, sub, use, status_of("\"quota_display_type\":\"CNY\",\"price\":1,\"usd_exchange_rate\":7.3"), NULL);
    assert_money(b, MICRO(9000000), MICRO(1000000), MICRO(10000000));
    assert_string_equal(b.currency, "CNY");
    /* Shown in USD, sold for 7.2 CNY each: 12.5 are 90 CNY. */
    b = must(ONE, one_sub, "{\"total_usage\":250}", status_of("\"quota_display_type\":\"USD\",\"price\":7.2,\"usd_exchange_rate\":7.3"),
             NULL);
    assert_money(b, MICRO(72000000), MICRO(18000000), MICRO(90000000));
    /* The configured currency says what a unit is: 10 units of it. */
    struct balance_context usd = {.currency = "USD"};
    b = must(ONE, sub, use, status_of("\"quota_display_type\":\"CNY\",\"price\":1,\"usd_exchange_rate\":7.3"), &usd);
    assert_money(b, MICRO(9000000), MICRO(1000000), MICRO(10000000));
    assert_string_equal(b.currency, "USD");
    must_not(ONE, sub, use, status_of("\"quota_display_type\":\"CNY\",\"price\":1"), "usd_exchange_rate is not known");
    must_not(ONE, sub, use, status_of("\"quota_display_type\":\"CNY\",\"usd_exchange_rate\":0"), "usd_exchange_rate is not known");
}

#define NA BALANCE_SOURCE_NEWAPI
static const char na_token[] =
    "{\"code\":true,\"message\":\"ok\",\"data\":{\"object\":\"token_usage\",\"name\":\"k\",\"total_granted\":5000000,"
    "\"total_used\":1234,\"total_available\":4998766,\"unlimited_quota\":false,\"model_limits\":{},"
    "\"model_limits_enabled\":false,\"expires_at\":0}}";

static void test_newapi(void **state)
{
    (void)state;
    /* 1,234 / 500,000 = 0.002468. */
    struct balance b = must(NA, na_token, NULL, NULL, NULL);
    assert_money(b, MICRO(9997532), MICRO(2468), MICRO(10000000));
    assert_int_equal(b.scope, BALANCE_KEY);
    assert_int_equal(b.key_used, MICRO(2468));
    assert_int_equal(b.unit, MICRO(2));
    assert_string_equal(b.currency, "USD");
    /* As the relay says: 1,000,000 points a unit, 7.3 CNY a unit: 4,998,766 points = 36.4909918 CNY. */
    b = must(NA, na_token, NULL, status_of("\"quota_per_unit\":1000000,\"price\":7.3"), NULL);
    assert_money(b, 36490991800000, 9008200000, MICRO(36500000));
    assert_string_equal(b.currency, "CNY");
    assert_int_equal(b.unit, 7300000);
    /* As configured, which wins: 250,000 points are 1 EUR, and all of it times 1.5. */
    struct balance_context own = {.currency = "EUR", .quota_per_unit = 250000, .scale = 1.5};
    b = must(NA, na_token, NULL, status_of("\"quota_per_unit\":1000000,\"price\":7.3"), &own);
    assert_money(b, MICRO(29992596), MICRO(7404), MICRO(30000000));
    assert_string_equal(b.currency, "EUR");
    assert_int_equal(b.unit, MICRO(6));
    /* What a key without a limit has left is below nothing and means nothing. */
    b = must(NA, "{\"code\":true,\"data\":{\"total_granted\":0,\"total_used\":1234,\"total_available\":-1234,\"unlimited_quota\":true}}",
             NULL, NULL, NULL);
    assert_money(b, U, MICRO(2468), U);
    assert_true(b.unlimited);
    /* 4SAPI leaves total_used out. */
    b = must(NA, "{\"code\":true,\"data\":{\"total_granted\":5000000,\"total_available\":4998766,\"expires_at\":1830297599}}", NULL, NULL,
             NULL);
    assert_money(b, MICRO(9997532), MICRO(2468), MICRO(10000000));
    assert_int_equal(b.expires, 1830297599 * USEC_PER_SEC);
    must_not(NA, "{\"success\":false,\"message\":\"No Authorization header\"}", NULL, NULL, "No Authorization header");
    must_not(NA, "{\"code\":false,\"message\":\"gone\"}", NULL, NULL, "gone");
    must_not(NA, "{\"code\":true,\"data\":{\"total_available\":1,\"total_used\":-1}}", NULL, NULL, "total_used is negative");
    must_not(NA, "{\"code\":true,\"data\":{\"total_available\":-1,\"total_granted\":-1}}", NULL, NULL, "total_granted is negative");
    must_not(NA, "{\"code\":true,\"data\":{\"total_available\":2,\"total_granted\":1}}", NULL, NULL, "more than total_granted");
    must_not(NA, "{\"code\":true,\"data\":{\"total_granted\":5}}", NULL, NULL, "total_available is not told");
    must_not(NA, "{\"code\":true,\"data\":{\"unlimited_quota\":true}}", NULL, NULL, "total_used is not told");
    must_not(NA, "{\"code\":true,\"data\":{\"total_available\":99999999999999999999}}", NULL, NULL, "beyond all reason");
    must_not(NA, na_token, NULL, status_of("\"quota_per_unit\":0"), "quota_per_unit");
    must_not(NA, "<!doctype html><html></html>", NULL, NULL, "not JSON");
    must_not(NA, "", NULL, NULL, "");
    must_not(NA, "[]", NULL, NULL, "an object was expected");
    must_not(NA, NULL, NULL, NULL, "there is no answer");
}

static void test_user_self(void **state)
{
    (void)state;
    const char self[] = "{\"success\":true,\"message\":\"\",\"data\":{\"id\":7,\"username\":\"u\",\"quota\":4500000,\"used_quota\":500000,"
                        "\"request_count\":3,\"group\":\"default\"}}";
    static const enum balance_source sources[] = {BALANCE_SOURCE_NEWAPI_USER, BALANCE_SOURCE_AIHUBMIX, BALANCE_SOURCE_APIYI};
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        struct balance b = must(sources[i], self, NULL, NULL, NULL);
        assert_money(b, MICRO(9000000), MICRO(1000000), U);
        assert_int_equal(b.scope, BALANCE_ACCOUNT);
        assert_int_equal(b.key_used, U);
        assert_string_equal(b.currency, "USD");
        must_not(sources[i], "{\"success\":false,\"message\":\"The access token is invalid.\"}", NULL, NULL,
                 "The access token is invalid.");
        must_not(sources[i], "{\"success\":true,\"data\":{\"used_quota\":1}}", NULL, NULL, "quota is not told");
        must_not(sources[i], "{\"success\":true,\"data\":{\"quota\":1,\"used_quota\":-1}}", NULL, NULL, "used_quota is negative");
        must_not(sources[i], "{\"success\":true,\"data\":{\"quota\":1,\"used_quota\":\"x\"}}", NULL, NULL, "used_quota is no number");
    }
}

static void test_dmxapi(void **state)
{
    (void)state;
    const enum balance_source dmx = BALANCE_SOURCE_DMXAPI;
    /* 4,876,544 / 500,000 = 9.753088 CNY. */
    struct balance b =
        must(dmx,
             "{\"success\":true,\"message\":\"\",\"data\":{\"name\":\"n\",\"user_id\":1,\"status\":1,\"used_quota\":123456,"
             "\"remain_quota\":4876544,\"unlimited_quota\":false,\"unlimited_count\":true,\"remain_count\":0,\"expired_time\":-1}}",
             NULL, NULL, NULL);
    assert_money(b, MICRO(9753088), MICRO(246912), U);
    assert_string_equal(b.currency, "CNY");
    assert_int_equal(b.scope, BALANCE_KEY);
    assert_int_equal(b.key_used, MICRO(246912));
    assert_int_equal(b.expires, 0);
    b = must(dmx, "{\"success\":true,\"data\":{\"used_quota\":5,\"remain_quota\":-5,\"unlimited_quota\":true}}", NULL, NULL, NULL);
    assert_money(b, U, MICRO(10), U);
    must_not(dmx, "{\"success\":true,\"data\":{\"used_quota\":-5,\"remain_quota\":5}}", NULL, NULL, "used_quota is negative");
    must_not(dmx, "{\"success\":false,\"message\":\"no such token\"}", NULL, NULL, "no such token");
}

/* --- what comes from outside -------------------------------------------------------------------------------------------- */

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    static const struct {
        enum balance_source source;
        const char *main, *more;
    } whole[] = {{OR, or_key, NULL}, {SF, sf_info, NULL}, {ONE, one_sub, one_use}, {NA, na_token, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        for (size_t len = 0; len < strlen(whole[i].main); len++) {
            char *exactly = malloc(len ? len : 1);
            memcpy(exactly, whole[i].main, len);
            const struct balance_answer answers[BALANCE_PARTS] = {{exactly, len}, answer(whole[i].more), {NULL, 0}};
            struct balance b;
            struct err err = {""};
            assert_int_equal(balance_read(whole[i].source, answers, NULL, &b, &err), -EINVAL);
            assert_true(err.text[0] && b.left == U && b.used == U);
            free(exactly);
        }
    }
}

static void test_words_are_harmless(void **state)
{
    (void)state;
    struct balance b;
    struct err err = {""};
    assert_int_equal(try_all(NA, "{\"success\":false,\"message\":\"a\\u001b[31m\\nb\\u202e\"}", NULL, NULL, NULL, &b, &err), -EINVAL);
    assert_null(strchr(err.text, '\x1b'));
    assert_null(strchr(err.text, '\n'));
    assert_null(strstr(err.text, "\xe2\x80\xae"));
    char long_one[3000];
    snprintf(long_one, sizeof long_one, "{\"success\":false,\"message\":\"%02000d\"}", 7);
    assert_int_equal(try_all(NA, long_one, NULL, NULL, NULL, &b, &err), -EINVAL);
    assert_true(strlen(err.text) < 200);
    size_t size = BALANCE_BODY_MAX + 1;
    char *large = malloc(size);
    memset(large, ' ', size);
    const struct balance_answer answers[BALANCE_PARTS] = {{large, size}, {NULL, 0}, {NULL, 0}};
    assert_int_equal(balance_read(NA, answers, NULL, &b, &err), -EINVAL);
    assert_non_null(strstr(err.text, "too many"));
    free(large);
    struct balance_context bad = {.currency = "us dollars"}, wild = {.scale = -2};
    assert_int_equal(try_all(NA, na_token, NULL, NULL, &bad, &b, &err), -EINVAL);
    assert_int_equal(try_all(NA, na_token, NULL, NULL, &wild, &b, &err), -EINVAL);
}

/* Requests are charged after they were answered: in the end an account is overdrawn. */
#define assert_owed(b, owed_)                                                                                                              \
    do {                                                                                                                                   \
        struct balance got = (b);                                                                                                          \
        assert_int_equal(got.left, 0);                                                                                                     \
        assert_int_equal(got.owed, owed_);                                                                                                 \
    } while (0)

static void test_overdrawn_account(void **state)
{
    (void)state;
    const enum balance_source selves[] = {BALANCE_SOURCE_NEWAPI_USER, BALANCE_SOURCE_AIHUBMIX, BALANCE_SOURCE_APIYI};
    for (size_t i = 0; i < ARRAY_LEN(selves); i++) {
        assert_owed(must(selves[i], "{\"success\":true,\"data\":{\"quota\":-5000,\"used_quota\":1}}", NULL, NULL, NULL), 10000000000);
        must_not(selves[i], "{\"success\":true,\"data\":{\"quota\":-1e30}}", NULL, NULL, "beyond all reason");
        must_not(selves[i], "{\"success\":true,\"data\":{\"quota\":[-1]}}", NULL, NULL, "no number");
        must_not(selves[i], "{\"success\":true,\"data\":{\"quota\":\"-\"}}", NULL, NULL, "no number");
        assert_owed(must(selves[i], "{\"success\":true,\"data\":{\"quota\":-0.0}}", NULL, NULL, NULL), 0);
    }
    struct balance b = must(NA, "{\"code\":true,\"data\":{\"total_granted\":5000000,\"total_available\":-100}}", NULL, NULL, NULL);
    assert_owed(b, 200000000);
    assert_int_equal(b.used, 10000200000000); /* what is owed was used as well */
    assert_owed(must(BALANCE_SOURCE_DMXAPI, "{\"success\":true,\"data\":{\"remain_quota\":-10}}", NULL, NULL, NULL), 20000000);
    must_not(BALANCE_SOURCE_DMXAPI, "{\"success\":true,\"data\":{\"remain_quota\":-1e25}}", NULL, NULL, "beyond all reason");
}

static void test_overdrawn_limit(void **state)
{
    (void)state;
    const char *key = "{\"data\":{\"usage\":10.25,\"limit\":10,\"limit_remaining\":-0.25}}";
    struct balance b = must(OR, key, NULL, NULL, NULL);
    assert_owed(b, 250000000000);
    assert_int_equal(b.scope, BALANCE_KEY);
    /* What is tighter counts, below zero too. */
    b = must(OR, key, "{\"data\":{\"total_credits\":10,\"total_usage\":10.5}}", NULL, NULL);
    assert_owed(b, 500000000000);
    assert_int_equal(b.scope, BALANCE_ACCOUNT);
    b = must(OR, key, "{\"data\":{\"total_credits\":10,\"total_usage\":10.125}}", NULL, NULL);
    assert_owed(b, 250000000000);
    assert_int_equal(b.scope, BALANCE_KEY);
}

static void test_overdrawn_strings(void **state)
{
    (void)state;
    struct balance b = must(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"-0.37\",\"balance\":\"0.00\",\"chargeBalance\":\"-0.37\"}}",
                            NULL, NULL, NULL);
    assert_owed(b, 370000000000);
    assert_int_equal(b.gift, 0);
    b = must(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"0.13\",\"balance\":\"0.50\",\"chargeBalance\":\"-0.37\"}}", NULL, NULL,
             NULL);
    assert_int_equal(b.left, 130000000000);
    assert_int_equal(b.gift, 130000000000); /* the rest of it stands for what was overdrawn */
    assert_int_equal(b.owed, 0);
    assert_owed(must(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"-3.20\"}}", NULL, NULL, NULL), 3200000000000);
    must_not(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"-99999999999999\"}}", NULL, NULL, "beyond all reason");
    must_not(SF, "{\"code\":20000,\"data\":{\"totalBalance\":\"-1\",\"balance\":\"2\",\"chargeBalance\":\"1\"}}", NULL, NULL,
             "more than totalBalance");
}

static void test_overdrawn_billing(void **state)
{
    (void)state;
    const char *sub = "{\"hard_limit_usd\":5}", *newapi = status_of("\"quota_display_type\":\"USD\"");
    assert_owed(must(ONE, sub, "{\"total_usage\":503}", NULL, NULL), 30000000000);
    assert_owed(must(ONE, sub, "{\"total_usage\":500.00001}", NULL, NULL), 0); /* how it was rounded */
    assert_owed(must(ONE, sub, "{\"total_usage\":600}", NULL, NULL), PICO_PER_UNIT);
    assert_owed(must(ONE, "{\"hard_limit_usd\":100}", "{\"total_usage\":11000}", NULL, NULL), 10 * PICO_PER_UNIT);
    /* The limit may be what is left; of new-api it is known that it is not. */
    must_not(ONE, sub, "{\"total_usage\":601}", NULL, "far more than hard_limit_usd");
    must_not(ONE, "{\"hard_limit_usd\":100}", "{\"total_usage\":11001}", NULL, "far more than hard_limit_usd");
    assert_owed(must(ONE, sub, "{\"total_usage\":1500}", newapi, NULL), 10 * PICO_PER_UNIT);
}

static void test_status_is_kept_small(void **state)
{
    (void)state;
    char kept[BALANCE_STATUS_MAX];
    struct err err = {""};
    const char *body =
        status_of("\"version\":\"v0.9.9\",\"start_time\":1767225600,\"quota_per_unit\":500000,\"price\":7.3,"
                  "\"display_in_currency\":true,\"quota_display_type\":\"CNY\",\"usd_exchange_rate\":7.1,\"announcements\":[1,2]");
    assert_int_equal(balance_status_keep(body, strlen(body), kept, &err), 0);
    assert_string_equal(kept, "{\"success\":true,\"data\":{\"quota_per_unit\":500000,\"price\":7.3,\"usd_exchange_rate\":7.1,"
                              "\"quota_display_type\":\"CNY\",\"display_in_currency\":true}}");
    struct balance b = must(ONE, "{\"hard_limit_usd\":71}", "{\"total_usage\":0}", kept, NULL);
    assert_money(b, MICRO(73000000), 0, MICRO(73000000));
    static const char *const bad[] = {"", "{}", "[]", "{\"success\":false,\"data\":{}}", "<html>", "{\"data\":1}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(balance_status_keep(bad[i], strlen(bad[i]), kept, &err), -EINVAL);
    char word[600];
    snprintf(word, sizeof word, "{\"data\":{\"quota_display_type\":\"%0500d\",\"price\":\"7\"}}", 1);
    assert_int_equal(balance_status_keep(word, strlen(word), kept, &err), 0);
    assert_string_equal(kept, "{\"success\":true,\"data\":{\"price\":\"7\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_openrouter),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_siliconflow),
        cmocka_unit_test(test_oneapi),
        cmocka_unit_test(test_display_currency),
        cmocka_unit_test(test_newapi),
        cmocka_unit_test(test_user_self),
        cmocka_unit_test(test_dmxapi),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_words_are_harmless),
        cmocka_unit_test(test_overdrawn_account),
        cmocka_unit_test(test_overdrawn_limit),
        cmocka_unit_test(test_overdrawn_strings),
        cmocka_unit_test(test_overdrawn_billing),
        cmocka_unit_test(test_status_is_kept_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
