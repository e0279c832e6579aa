/* What the account pages tell.
 *
 * Each page has its own idea of who may see it: the key of the chats, a management key, or an access token with a header that names the
 * user (and calls itself after the fork). Amounts are told as the page does: money, text, cents, quota points. They are those that show
 * (account.c), rounded down to balance_unit. */
#include "tests/relaysim/balance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/json.h"
#include "tests/relaysim/account.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/feed.h"

enum balance_id {
    BALANCE_OPENROUTER_KEY,
    BALANCE_OPENROUTER_CREDITS,
    BALANCE_OPENROUTER_GENERATION,
    BALANCE_SILICONFLOW,
    BALANCE_SUBSCRIPTION,
    BALANCE_USAGE,
    BALANCE_TOKEN_USAGE,
    BALANCE_USER,
    BALANCE_LOG,
    BALANCE_DMXAPI_TOKEN
};

static const char dmxapi_token[] = "/api/token/key/";

static bool descends_from_oneapi(enum family family)
{
    return family == FAMILY_ONEAPI || family == FAMILY_NEWAPI || family == FAMILY_ONEHUB || family == FAMILY_VOAPI ||
           family == FAMILY_RIXAPI || family == FAMILY_SHELLAPI || family == FAMILY_APIYI || family == FAMILY_DMXAPI ||
           family == FAMILY_AIHUBMIX;
}

static bool path_is(const struct asked *a, const char *path)
{
    size_t len = strlen(path);
    return strncmp(a->path, path, len) == 0 && (!a->path[len] || strcmp(a->path + len, "/") == 0);
}

static bool find_own(struct asked *a)
{
    switch (a->relay->family) {
    case FAMILY_OPENROUTER:
        a->balance = asked_path_is(a, "/key")       ? BALANCE_OPENROUTER_KEY
                     : asked_path_is(a, "/credits") ? BALANCE_OPENROUTER_CREDITS
                                                    : BALANCE_OPENROUTER_GENERATION;
        return a->balance != BALANCE_OPENROUTER_GENERATION || asked_path_is(a, "/generation");
    case FAMILY_SILICONFLOW:
        a->balance = BALANCE_SILICONFLOW;
        return asked_path_is(a, "/user/info");
    case FAMILY_NEWAPI:
        a->balance = BALANCE_TOKEN_USAGE;
        return path_is(a, "/api/usage/token");
    case FAMILY_DMXAPI:
    case FAMILY_RIXAPI:
        a->balance = BALANCE_DMXAPI_TOKEN;
        return strncmp(a->path, dmxapi_token, sizeof dmxapi_token - 1) == 0 && a->path[sizeof dmxapi_token - 1];
    default:
        return false;
    }
}

bool balance_find(struct asked *a)
{
    static const struct {
        const char *path;
        enum balance_id balance;
    } pages[] = {{"/v1/dashboard/billing/subscription", BALANCE_SUBSCRIPTION},
                 {"/dashboard/billing/subscription", BALANCE_SUBSCRIPTION},
                 {"/v1/dashboard/billing/usage", BALANCE_USAGE},
                 {"/dashboard/billing/usage", BALANCE_USAGE},
                 {"/api/user/self", BALANCE_USER},
                 {"/api/log/self", BALANCE_LOG}};
    if (find_own(a))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(pages) && descends_from_oneapi((enum family)a->relay->family); i++)
        if (path_is(a, pages[i].path)) {
            a->balance = pages[i].balance;
            return true;
        }
    return false;
}

/* --- amounts --------------------------------------------------------------------------------------------------------- */

struct amounts { /* in units of money, as they are told */
    double left, used, total, gift;
};

static struct amounts read_amounts(struct asked *a)
{
    const struct account *account = account_of(a->relay);
    double unit = a->b->balance_unit, left = account_money(account_left(account)),
           total = account_money(account->put_in - account->expired);
    if (unit > 0)
        left = floor(left / unit + 1e-9) * unit;
    return (struct amounts){.left = left, .used = total - left, .total = total, .gift = account_money(account_gift_left(account))};
}

static long long points(const struct asked *a, double money)
{
    return llround(money * a->b->quota_per_unit);
}

/* As the site shows money: new-api does not stay with the dollar that the member's name says. */
static double displayed(const struct asked *a, double money)
{
    if (a->relay->family != FAMILY_NEWAPI)
        return money;
    return a->b->quota_display_type == QUOTA_CNY      ? money * a->b->usd_exchange_rate
           : a->b->quota_display_type == QUOTA_TOKENS ? (double)points(a, money)
                                                      : money;
}

/* --- who may --------------------------------------------------------------------------------------------------------- */

static void put_json(struct asked *a, int status, const struct buf *body)
{
    feed_put(a, status, "application/json; charset=utf-8", body, "", a->relay->family == FAMILY_APIYI);
    asked_set_how(a, status < 400 ? "answered" : "error");
    if (status >= 400)
        snprintf(a->x->record->error, sizeof a->x->record->error, "%s", error_id_name(error_of_status(status)));
}

static void put_failure(struct asked *a, int status, const char *message)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    buf_add_str(&body, "{\"success\":false,\"message\":");
    json_quote(&body, message);
    buf_add_char(&body, '}');
    put_json(a, status, &body);
}

static bool is(const char *secret, const char *given)
{
    return secret && strcmp(secret, given) == 0;
}

static bool has_key(const struct asked *a)
{
    return !a->relay->key || is(a->relay->key, a->request->key);
}

/* What the header that names the user is called here; NULL = there is none. */
static const char *user_header(const struct asked *a)
{
    if (a->b->user_header)
        return a->b->user_header;
    switch (a->relay->family) {
    case FAMILY_NEWAPI:
        return "New-Api-User";
    case FAMILY_VOAPI:
        return "voapi-user";
    case FAMILY_RIXAPI:
    case FAMILY_DMXAPI:
        return "Rix-Api-User";
    default:
        return NULL;
    }
}

static bool right_header(const struct asked *a, const char *wanted)
{
    const char *given = a->request->user_header;
    return strcasecmp(given, wanted) == 0 ||
           (a->relay->family == FAMILY_DMXAPI && !a->b->user_header && strcasecmp(given, "Dmx-Api-User") == 0);
}

/* The access token, and whose it is. False: it has been answered. */
static bool may_see_user(struct asked *a)
{
    const struct relay *relay = a->relay;
    bool bare = relay->family == FAMILY_APIYI || relay->family == FAMILY_AIHUBMIX; /* "Bearer " in front makes it another token */
    const char *wanted = user_header(a), *id = relay->user_id ? relay->user_id : "1";
    CLEANUP(buf_done) struct buf words = BUF_INIT;
    if (!is(relay->access_token, a->request->key) || (bare && a->request->bearer)) {
        put_failure(a, 401,
                    relay->family == FAMILY_APIYI ? "Unauthorized. The access token is invalid." : "无权进行此操作，access token 无效");
        return false;
    }
    if (!wanted)
        return true;
    if (!right_header(a, wanted)) {
        buf_printf(&words, "无权进行此操作，未提供 %s", wanted);
        put_failure(a, 401, buf_str(&words));
        return false;
    }
    if (strcmp(a->request->user, id) != 0) {
        buf_printf(&words, "无权进行此操作，%s 与登录用户不匹配", wanted);
        put_failure(a, 401, buf_str(&words));
        return false;
    }
    return true;
}

/* --- OpenRouter ------------------------------------------------------------------------------------------------------ */

static void put_openrouter_error(struct asked *a, int status, const char *message)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    buf_printf(&body, "{\"error\":{\"code\":%d,\"message\":\"%s\"}}", status, message);
    put_json(a, status, &body);
}

static void add_limit(const struct asked *a, const char *name, double value, struct buf *ret)
{
    buf_printf(ret, ",\"%s\":", name);
    if (a->b->unlimited)
        buf_add_str(ret, "null");
    else
        buf_printf(ret, "%.12g", value);
}

static void put_openrouter_key(struct asked *a, bool manager)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct amounts m = read_amounts(a);
    buf_add_str(&body, "{\"data\":{\"label\":\"sk-or-v1-sim...ple\"");
    add_limit(a, "limit", m.total, &body);
    add_limit(a, "limit_remaining", m.left, &body);
    buf_printf(&body,
               ",\"limit_reset\":null,\"include_byok_in_limit\":false,\"usage\":%.12g,\"usage_daily\":%.12g,\"usage_weekly\":%.12g,"
               "\"usage_monthly\":%.12g,\"byok_usage\":0,\"byok_usage_daily\":0,\"byok_usage_weekly\":0,\"byok_usage_monthly\":0,"
               "\"is_free_tier\":false,\"is_management_key\":%s,\"is_provisioning_key\":%s,\"expires_at\":null,\"creator_user_id\":\"user_"
               "simulated\","
               "\"rate_limit\":{\"requests\":-1,\"interval\":\"10s\",\"note\":\"This field is deprecated and safe to ignore.\"}}}",
               m.used, m.used, m.used, m.used, manager ? "true" : "false", manager ? "true" : "false");
    put_json(a, 200, &body);
}

static void put_openrouter_credits(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct amounts m = read_amounts(a);
    buf_printf(&body, "{\"data\":{\"total_credits\":%.12g,\"total_usage\":%.12g}}", m.total, m.used);
    put_json(a, 200, &body);
}

static void put_generation(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    char id[80], time_text[40];
    request_query(a->request, "id", id, sizeof id);
    size_t len = strlen(id);
    uint64_t number = len >= 16 ? strtoull(id + len - 16, NULL, 16) : 0;
    const struct charge *c = account_find(account_of(a->relay), number);
    if (!c) {
        put_openrouter_error(a, 404, "Generation not found");
        return;
    }
    units_format_time(time_text, sizeof time_text, c->made_at * USEC_PER_SEC);
    buf_add_str(&body, "{\"data\":{\"id\":");
    json_quote(&body, id);
    buf_printf(&body,
               ",\"upstream_id\":\"chatcmpl-%016llx\",\"total_cost\":%.12g,\"usage\":%.12g,\"cache_discount\":null,\"upstream_inference_"
               "cost\":null,"
               "\"created_at\":\"%s\",\"model\":",
               (unsigned long long)c->number, account_money(c->amount), account_money(c->amount), time_text);
    json_quote(&body, c->model);
    buf_printf(
        &body,
        ",\"app_id\":null,\"streamed\":%s,\"cancelled\":false,\"provider_name\":\"Simulated\",\"latency\":20,\"moderation_latency\":null,"
        "\"generation_time\":30,\"finish_reason\":\"stop\",\"native_finish_reason\":\"stop\",\"tokens_prompt\":%u,\"tokens_completion\":%u,"
        "\"native_tokens_prompt\":%u,\"native_tokens_completion\":%u,\"native_tokens_reasoning\":%u,\"native_tokens_cached\":%u,"
        "\"num_media_prompt\":null,\"num_media_completion\":null,\"num_search_results\":null,\"origin\":\"\",\"is_byok\":false}}",
        c->stream ? "true" : "false", c->prompt_tokens, c->completion_tokens, c->prompt_tokens, c->completion_tokens, c->reasoning_tokens,
        c->cached_tokens);
    put_json(a, 200, &body);
}

static void answer_openrouter(struct asked *a)
{
    bool manager = is(a->relay->management_key, a->request->key);
    if (!manager && !has_key(a))
        put_openrouter_error(a, 401, *a->request->key ? "User not found." : "Missing Authentication header");
    else if (a->balance == BALANCE_OPENROUTER_KEY)
        put_openrouter_key(a, manager);
    else if (a->balance == BALANCE_OPENROUTER_GENERATION)
        put_generation(a);
    else if (!manager)
        put_openrouter_error(a, 403, "Only management keys can perform this operation");
    else
        put_openrouter_credits(a);
}

/* --- with the key of the chats --------------------------------------------------------------------------------------- */

/* A gift is "balance", what was paid in is "chargeBalance"; all are texts. */
static void put_siliconflow(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct amounts m = read_amounts(a);
    int places = a->b->balance_unit >= 0.01 ? 2 : 6;
    m.gift = m.gift < m.left ? m.gift : m.left > 0 ? m.left : 0; /* it is a part of it, also when that is rounded */
    buf_printf(
        &body,
        "{\"code\":20000,\"message\":\"OK\",\"status\":true,\"data\":{\"id\":\"userid\",\"name\":\"username\",\"image\":\"\",\"email\":"
        "\"user@example.com\",\"isAdmin\":false,\"balance\":\"%.*f\",\"status\":\"normal\",\"introduction\":\"\",\"role\":\"\","
        "\"chargeBalance\":\"%.*f\",\"totalBalance\":\"%.*f\"}}",
        places, m.gift, places, m.left - m.gift, places, m.left);
    put_json(a, 200, &body);
}

static void put_subscription(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    double limit = a->b->unlimited ? 100000000 : displayed(a, read_amounts(a).total);
    buf_printf(&body,
               "{\"object\":\"billing_subscription\",\"has_payment_method\":true,\"soft_limit_usd\":%.12g,\"hard_limit_usd\":%.12g,"
               "\"system_hard_limit_usd\":%.12g,\"access_until\":0}",
               limit, limit, limit);
    put_json(a, 200, &body);
}

static void put_usage(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    buf_printf(&body, "{\"object\":\"list\",\"total_usage\":%.12g}", displayed(a, read_amounts(a).used) * 100);
    put_json(a, 200, &body);
}

static void put_token_usage(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct amounts m = read_amounts(a);
    bool unlimited = a->b->unlimited;
    buf_printf(&body,
               "{\"code\":true,\"message\":\"ok\",\"data\":{\"object\":\"token_usage\",\"name\":\"simulated\",\"total_granted\":%lld,"
               "\"total_used\":%lld,"
               "\"total_available\":%lld,\"unlimited_quota\":%s,\"model_limits\":{},\"model_limits_enabled\":false,\"expires_at\":0}}",
               unlimited ? 0 : points(a, m.total), points(a, m.used), unlimited ? -points(a, m.used) : points(a, m.left),
               unlimited ? "true" : "false");
    put_json(a, 200, &body);
}

static void put_dmxapi_token(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct amounts m = read_amounts(a);
    buf_printf(&body,
               "{\"success\":true,\"message\":\"\",\"data\":{\"name\":\"simulated\",\"user_id\":1,\"status\":1,\"used_quota\":%lld,"
               "\"remain_quota\":%lld,"
               "\"unlimited_quota\":%s,\"unlimited_count\":true,\"remain_count\":0,\"group\":",
               points(a, m.used), points(a, m.left), a->b->unlimited ? "true" : "false");
    json_quote(&body, prices_group(a->b));
    buf_add_str(
        &body,
        ",\"created_time\":1767225600,\"accessed_time\":1767225600,\"expired_time\":-1,\"model_limits_enabled\":false,\"allow_ips\":\"\","
        "\"exclude_ips\":\"\"}}");
    put_json(a, 200, &body);
}

static void answer_by_key(struct asked *a)
{
    char key[512];
    switch (a->balance) {
    case BALANCE_DMXAPI_TOKEN:
        http_unescape(a->path + sizeof dmxapi_token - 1, strlen(a->path) - sizeof dmxapi_token + 1, key, sizeof key);
        if (a->relay->key && strcmp(a->relay->key, key) != 0)
            put_failure(a, 200, "record not found");
        else
            put_dmxapi_token(a);
        return;
    case BALANCE_TOKEN_USAGE:
        if (has_key(a))
            put_token_usage(a);
        else
            put_failure(a, 401, "无效的令牌");
        return;
    default:
        break;
    }
    if (!has_key(a))
        put_error(a, ERROR_BAD_KEY, false);
    else if (a->balance == BALANCE_SILICONFLOW)
        put_siliconflow(a);
    else if (a->balance == BALANCE_SUBSCRIPTION)
        put_subscription(a);
    else
        put_usage(a);
}

/* --- with the access token ------------------------------------------------------------------------------------------- */

static void put_user(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct amounts m = read_amounts(a);
    buf_printf(&body,
               "{\"success\":true,\"message\":\"\",\"data\":{\"id\":%s,\"username\":\"simulated\",\"display_name\":\"simulated\",\"role\":"
               "1,\"status\":1,"
               "\"email\":\"\",\"quota\":%lld,\"used_quota\":%lld,\"request_count\":%llu,\"group\":",
               a->relay->user_id && strspn(a->relay->user_id, "0123456789") == strlen(a->relay->user_id) && *a->relay->user_id
                   ? a->relay->user_id
                   : "1",
               points(a, m.left), points(a, m.used), (unsigned long long)account_of(a->relay)->requests);
    json_quote(&body, prices_group(a->b));
    buf_add_str(&body, ",\"aff_code\":\"SIMU\",\"inviter_id\":0}}");
    put_json(a, 200, &body);
}

/* `other` is JSON within a text. */
static void add_log_item(const struct asked *a, const struct charge *c, size_t number, struct buf *ret)
{
    CLEANUP(buf_done) struct buf other = BUF_INIT;
    buf_printf(&other, "{\"group_ratio\":%.12g,\"model_ratio\":0,\"completion_ratio\":1,\"model_price\":-1,\"billing_type\":\"tokens\"}",
               a->b->price_group_ratio);
    buf_printf(
        ret,
        "{\"id\":%zu,\"user_id\":1,\"created_at\":%lld,\"type\":2,\"content\":\"\",\"username\":\"simulated\",\"token_name\":\"simulated\","
        "\"model_name\":",
        number, (long long)c->made_at);
    json_quote(ret, c->model);
    buf_printf(ret,
               ",\"quota\":%lld,\"prompt_tokens\":%u,\"completion_tokens\":%u,\"use_time\":1,\"duration_for_view\":1,\"is_stream\":%s,"
               "\"channel\":1,"
               "\"group\":\"default\",\"request_id\":\"20260101%012llu\",\"error_code\":\"\",\"other\":",
               points(a, account_money(c->amount)), c->prompt_tokens, c->completion_tokens, c->stream ? "true" : "false",
               (unsigned long long)(c->number % 1000000000000u));
    json_quote(ret, buf_str(&other));
    buf_add_char(ret, '}');
}

static int64_t query_number(const struct asked *a, const char *name, int64_t otherwise)
{
    char text[24];
    return request_query(a->request, name, text, sizeof text) && *text ? strtoll(text, NULL, 10) : otherwise;
}

/* Newer versions count pages from 1 and wrap the list, older ones count from 0 and do not. */
static void put_log(struct asked *a)
{
    CLEANUP(buf_done) struct buf items = BUF_INIT;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    bool old = a->b->feed_version == FEED_OLD || a->relay->family != FAMILY_NEWAPI;
    int64_t size = query_number(a, "page_size", query_number(a, "pageSize", query_number(a, "size", 10))),
            page = query_number(a, "p", old ? 0 : 1), from = query_number(a, "start_timestamp", 0),
            to = query_number(a, "end_timestamp", INT64_MAX), kind = query_number(a, "type", 0);
    size = size < 1 || size > 100 ? 10 : size;
    int64_t skip = (old ? page : page - 1) * size, total = 0, shown = 0;
    const struct account *account = account_of(a->relay);
    const struct charge *c;
    for (size_t i = 0; (kind == 0 || kind == 2) && (c = account_posted(account, i)); i++) {
        if (c->made_at < from || (to > 0 && c->made_at > to))
            continue;
        if (total++ < skip || shown == size)
            continue;
        buf_add_str(&items, shown++ ? "," : "");
        add_log_item(a, c, (size_t)account->requests - i, &items);
    }
    buf_add_str(&body, "{\"success\":true,\"message\":\"\",\"data\":");
    if (old)
        buf_printf(&body, "[%s]}", buf_str(&items));
    else
        buf_printf(&body, "{\"page\":%lld,\"page_size\":%lld,\"total\":%lld,\"items\":[%s]}}", (long long)page, (long long)size,
                   (long long)total, buf_str(&items));
    put_json(a, 200, &body);
}

void balance_answer(struct asked *a)
{
    switch (a->balance) {
    case BALANCE_OPENROUTER_KEY:
    case BALANCE_OPENROUTER_CREDITS:
    case BALANCE_OPENROUTER_GENERATION:
        answer_openrouter(a);
        break;
    case BALANCE_USER:
        if (may_see_user(a))
            put_user(a);
        break;
    case BALANCE_LOG:
        if (may_see_user(a))
            put_log(a);
        break;
    default:
        answer_by_key(a);
    }
}
