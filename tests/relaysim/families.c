/* The families' ways of saying things, each from its public documentation or source.
 *
 * One table has a row for each (family, error): HTTP status, type, code and sentence, as that family would answer. The writers below put
 * such a row into the family's JSON shape. Nothing here decides that an error is due; answer.c does. The misleading ones are wanted: no
 * credit as 403 or 429, an unknown model as 503, a rate limit without a body. */
#include "tests/relaysim/families.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shared/json.h"

struct saying {
    int status;
    const char *type; /* or OpenRouter's error_type; SiliconFlow: its number */
    const char *code;
    const char *message; /* %s = the model */
};

/* What most of the world says; the rows of a family that are empty fall back to it. */
static const struct saying openai_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_REQUEST] = {400, "invalid_request_error", "invalid_request", "We could not parse the JSON body of your request."},
    [ERROR_BAD_KEY] = {401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-****."},
    [ERROR_UPSTREAM_KEY] = {401, "upstream_error", "invalid_api_key", "Incorrect API key provided by the upstream account."},
    [ERROR_NO_CREDIT] = {429, "insufficient_quota", "insufficient_quota",
                         "You exceeded your current quota, please check your plan and billing details."},
    [ERROR_KEY_LIMIT] = {429, "insufficient_quota", "billing_hard_limit_reached", "Billing hard limit has been reached."},
    [ERROR_FORBIDDEN] = {403, "invalid_request_error", "unsupported_country_region_territory",
                         "Country, region, or territory not supported."},
    [ERROR_MODERATED] = {400, "invalid_request_error", "content_policy_violation",
                         "Your request was rejected as a result of our safety system."},
    [ERROR_MODEL_MISSING] = {404, "invalid_request_error", "model_not_found",
                             "The model `%s` does not exist or you do not have access to it."},
    [ERROR_NOT_FOUND] = {404, "invalid_request_error", "unknown_url", "Invalid URL"},
    [ERROR_TIMEOUT] = {408, "server_error", "timeout", "Request timed out."},
    [ERROR_TOO_LARGE] = {413, "invalid_request_error", "request_too_large", "The request body is too large."},
    [ERROR_UNPROCESSABLE] = {422, "invalid_request_error", "unprocessable_entity", "Invalid argument."},
    [ERROR_RATE_LIMITED] = {429, "requests", "rate_limit_exceeded",
                            "Rate limit reached for %s on requests per min (RPM): Limit 3, Used 3, Requested 1."},
    [ERROR_USER_LIMIT] = {429, "tokens", "rate_limit_exceeded", "Rate limit reached for %s on tokens per min (TPM)."},
    [ERROR_UPSTREAM_FULL] = {503, "server_error", "engine_overloaded", "The engine is currently overloaded, please try again later."},
    [ERROR_SERVER] = {500, "server_error", "internal_error", "The server had an error while processing your request."},
    [ERROR_NO_PRICE] = {500, "server_error", "model_price_error", "The price of %s is not configured."},
    [ERROR_BAD_GATEWAY] = {502, "server_error", "bad_gateway", "Bad gateway."},
    [ERROR_UNAVAILABLE] = {503, "server_error", "service_unavailable", "The server is temporarily unable to handle the request."},
    [ERROR_GATEWAY_TIMEOUT] = {504, "server_error", "gateway_timeout", "Gateway timeout."},
    [ERROR_EDGE_TIMEOUT] = {524, "server_error", "timeout", "A timeout occurred."},
    [ERROR_OVERLOADED] = {529, "server_error", "overloaded", "Overloaded."},
};

static const struct saying openrouter_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_REQUEST] = {400, "invalid_request", NULL, "Invalid request parameters"},
    [ERROR_BAD_KEY] = {401, "authentication", NULL, "User not found."},
    [ERROR_UPSTREAM_KEY] = {502, "provider_unavailable", NULL, "Provider returned error"},
    [ERROR_NO_CREDIT] = {402, "payment_required", "openrouter_credits",
                         "Insufficient credits. Add more using https://openrouter.ai/credits"},
    [ERROR_KEY_LIMIT] = {402, "payment_required", "openrouter_key_limit",
                         "Key limit exceeded. Manage it using https://openrouter.ai/settings/keys"},
    [ERROR_FORBIDDEN] = {403, "permission_denied", NULL, "Only management keys can perform this operation"},
    [ERROR_MODERATED] = {403, "content_policy_violation", "moderation", "Your input was flagged by moderation"},
    [ERROR_MODEL_MISSING] = {400, "invalid_request", "model_not_found", "%s is not a valid model ID"},
    [ERROR_NOT_FOUND] = {404, "not_found", NULL, "Resource not found"},
    [ERROR_TIMEOUT] = {408, "timeout", NULL, "Operation timed out. Please try again later."},
    [ERROR_TOO_LARGE] = {413, "invalid_request", NULL, "Request payload too large"},
    [ERROR_UNPROCESSABLE] = {422, "invalid_request", NULL, "Invalid argument"},
    [ERROR_RATE_LIMITED] = {429, "rate_limit_exceeded", NULL, "Rate limit exceeded: free-models-per-min."},
    [ERROR_USER_LIMIT] = {429, "rate_limit_exceeded", NULL, "Rate limit exceeded: free-models-per-day."},
    [ERROR_UPSTREAM_FULL] = {429, "provider_overloaded", "429", "Provider returned error: %s is temporarily rate-limited upstream."},
    [ERROR_SERVER] = {500, "server", NULL, "Internal Server Error"},
    [ERROR_NO_PRICE] = {500, "server", NULL, "Internal Server Error"},
    [ERROR_BAD_GATEWAY] = {502, "provider_unavailable", NULL, "Provider returned error"},
    [ERROR_UNAVAILABLE] = {503, "provider_unavailable", NULL, "No instances available"},
    [ERROR_GATEWAY_TIMEOUT] = {504, "timeout", NULL, "The operation was aborted"},
    [ERROR_EDGE_TIMEOUT] = {524, "timeout", NULL, "Request timed out. Please try again later."},
    [ERROR_OVERLOADED] = {529, "provider_overloaded", NULL, "Provider returned error"},
};

static const struct saying siliconflow_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_REQUEST] = {400, "20015", NULL, "The parameter is invalid. Please check again."},
    [ERROR_BAD_KEY] = {401, "20001", NULL, "Api key is invalid"},
    [ERROR_UPSTREAM_KEY] = {500, "50500", NULL, "Internal error"},
    [ERROR_NO_CREDIT] = {403, "30001", NULL, "Sorry, your account balance is insufficient"},
    [ERROR_KEY_LIMIT] = {403, "30001", NULL, "Sorry, your account balance is insufficient"},
    [ERROR_FORBIDDEN] = {403, "30003", NULL, "This model requires real-name authentication."},
    [ERROR_MODERATED] = {451, "20040", NULL, "The request was rejected because it may contain sensitive content."},
    [ERROR_MODEL_MISSING] = {400, "20012", NULL, "Model does not exist. Please check it carefully."},
    [ERROR_TOO_LARGE] = {413, "20013", NULL, "The request body is too large."},
    [ERROR_RATE_LIMITED] = {429, "50603", NULL, "Request was rejected due to rate limiting. Details: RPM limit reached."},
    [ERROR_USER_LIMIT] = {429, "50603", NULL, "Request was rejected due to rate limiting. Details: TPM limit reached."},
    [ERROR_UPSTREAM_FULL] = {503, "50505", NULL, "Model service overloaded. Please try again later."},
    [ERROR_SERVER] = {500, "50500", NULL, "Internal error"},
    [ERROR_UNAVAILABLE] = {503, "50505", NULL, "Model service overloaded. Please try again later."},
    [ERROR_GATEWAY_TIMEOUT] = {504, "50504", NULL, "The service is overloaded or the answer took too long."},
};

static const struct saying oneapi_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_REQUEST] = {400, "one_api_error", "invalid_text_request", "field messages is required"},
    [ERROR_BAD_KEY] = {401, "one_api_error", NULL, "无效的令牌"},
    [ERROR_UPSTREAM_KEY] = {401, "upstream_error", "invalid_api_key", "Incorrect API key provided: sk-up****."},
    [ERROR_NO_CREDIT] = {403, "one_api_error", "insufficient_user_quota", "user quota is not enough"},
    [ERROR_KEY_LIMIT] = {403, "one_api_error", "pre_consume_token_quota_failed", "令牌额度不足"},
    [ERROR_FORBIDDEN] = {403, "one_api_error", NULL, "该令牌无权使用模型：%s"},
    [ERROR_MODEL_MISSING] = {503, "one_api_error", NULL, "当前分组 default 下对于模型 %s 无可用渠道"},
    [ERROR_NOT_FOUND] = {404, "invalid_request_error", "", "Invalid URL"},
    [ERROR_TOO_LARGE] = {413, "one_api_error", "read_request_body_failed", "http: request body too large"},
    [ERROR_RATE_LIMITED] = {429, NULL, NULL, NULL}, /* the site's own limiter: no body at all */
    [ERROR_USER_LIMIT] = {429, "one_api_error", NULL, "请求次数过多，请稍后再试"},
    [ERROR_UPSTREAM_FULL] = {429, "one_api_error", "429", "当前分组上游负载已饱和，请稍后再试"},
    [ERROR_SERVER] = {500, "one_api_error", "do_request_failed", "do request failed"},
    [ERROR_BAD_GATEWAY] = {502, "upstream_error", "bad_response_status_code", "bad response status code 502"},
};

static const struct saying newapi_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_REQUEST] = {400, "new_api_error", "invalid_request", "field messages is required"},
    [ERROR_BAD_KEY] = {401, "new_api_error", "", "无效的令牌"},
    [ERROR_UPSTREAM_KEY] = {401, "upstream_error", "channel:invalid_key", "Incorrect API key provided: sk-up****."},
    [ERROR_NO_CREDIT] = {403, "new_api_error", "insufficient_user_quota", "用户额度不足, 剩余额度: ＄0.000000"},
    [ERROR_KEY_LIMIT] = {403, "new_api_error", "pre_consume_token_quota_failed",
                         "预扣费额度失败, 用户剩余额度: ＄0.000100, 需要预扣费额度: ＄0.002000"},
    [ERROR_FORBIDDEN] = {403, "new_api_error", "access_denied", "该令牌无权访问模型 %s"},
    [ERROR_MODERATED] = {500, "new_api_error", "sensitive_words_detected", "user sensitive words detected"},
    [ERROR_MODEL_MISSING] = {503, "new_api_error", "model_not_found", "分组 default 下模型 %s 无可用渠道（distributor）"},
    [ERROR_NOT_FOUND] = {404, "invalid_request_error", "", "Invalid URL"},
    [ERROR_TOO_LARGE] = {413, "new_api_error", "read_request_body_failed", "http: request body too large"},
    [ERROR_RATE_LIMITED] = {429, NULL, NULL, NULL},
    [ERROR_USER_LIMIT] = {429, "new_api_error", "", "您已达到请求数限制：1分钟内最多请求10次"},
    [ERROR_UPSTREAM_FULL] = {429, "new_api_error", "429", "当前分组上游负载已饱和，请稍后再试"},
    [ERROR_SERVER] = {500, "new_api_error", "do_request_failed", "do request failed"},
    [ERROR_NO_PRICE] = {500, "new_api_error", "model_price_error", "模型 %s 倍率或价格未配置，请联系管理员设置"},
    [ERROR_BAD_GATEWAY] = {502, "upstream_error", "bad_response_status_code", "bad response status code 502"},
    [ERROR_UNAVAILABLE] = {503, "new_api_error", "get_channel_failed", "当前分组 default 下对于模型 %s 无可用渠道"},
};

static const struct saying aihubmix_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_KEY] = {401, "Aihubmix_api_error", "", "Incorrect API key provided"},
    [ERROR_NO_CREDIT] = {403, "Aihubmix_api_error", "insufficient_user_quota", "Your account balance is not enough"},
    [ERROR_KEY_LIMIT] = {403, "Aihubmix_api_error", "pre_consume_token_quota_failed", "The key's quota is not enough"},
    [ERROR_FORBIDDEN] = {403, "Aihubmix_api_error", "", "This key may not use %s"},
    [ERROR_MODEL_MISSING] = {503, "Aihubmix_api_error", "model_not_found", "No available channel for model %s"},
    [ERROR_RATE_LIMITED] = {429, "Aihubmix_api_error", "rate_limit_exceeded", "Too many requests"},
    [ERROR_UPSTREAM_FULL] = {429, "Aihubmix_api_error", "429", "当前分组上游负载已饱和，请稍后再试"},
    [ERROR_SERVER] = {500, "Aihubmix_api_error", "do_request_failed", "do request failed"},
};

static const struct saying apiyi_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_KEY] = {401, "shell_api_error", "invalid_api_key", "无效的令牌"},
    [ERROR_NO_CREDIT] = {429, "shell_api_error", "insufficient_quota", "账户余额不足，请充值 (balance exhausted)"},
    [ERROR_KEY_LIMIT] = {429, "shell_api_error", "quota_exceeded", "令牌额度已用尽"},
    [ERROR_MODEL_MISSING] = {404, "shell_api_error", "model_not_found", "The model %s was not found"},
    [ERROR_RATE_LIMITED] = {429, "shell_api_error", "rate_limit_exceeded", "请求过于频繁，请稍后再试"},
    [ERROR_UPSTREAM_FULL] = {429, "shell_api_error", "429", "当前分组上游负载已饱和，请稍后再试"},
    [ERROR_SERVER] = {500, "shell_api_error", "do_request_failed", "do request failed"},
};

static const struct saying dmxapi_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_KEY] = {401, "rix_api_error", "", "无效的令牌"},
    [ERROR_NO_CREDIT] = {403, "rix_api_error", "insufficient_user_quota", "用户余额不足，请充值"},
    [ERROR_KEY_LIMIT] = {403, "rix_api_error", "pre_consume_token_quota_failed", "令牌余额不足"},
    [ERROR_MODEL_MISSING] = {503, "rix_api_error", "model_not_found", "当前分组 default 下对于模型 %s 无可用渠道"},
    [ERROR_RATE_LIMITED] = {429, "rix_api_error", "", "请求过于频繁，请稍后再试"},
    [ERROR_UPSTREAM_FULL] = {429, "rix_api_error", "429", "当前分组上游负载已饱和，请稍后再试"},
    [ERROR_SERVER] = {500, "rix_api_error", "do_request_failed", "do request failed"},
};

static const struct saying sub2api_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_KEY] = {401, NULL, "INVALID_API_KEY", "Invalid API key"},
    [ERROR_NO_CREDIT] = {403, NULL, "INSUFFICIENT_BALANCE", "Insufficient account balance"},
    [ERROR_KEY_LIMIT] = {403, NULL, "INSUFFICIENT_BALANCE", "The key's balance is used up"},
    [ERROR_FORBIDDEN] = {403, NULL, "FORBIDDEN", "Forbidden"},
    [ERROR_MODEL_MISSING] = {404, NULL, "MODEL_NOT_FOUND", "Model %s not found"},
    [ERROR_RATE_LIMITED] = {429, NULL, "RATE_LIMIT_EXCEEDED", "Too many requests"},
    [ERROR_UPSTREAM_FULL] = {503, NULL, "NO_AVAILABLE_ACCOUNT", "No available accounts"},
    [ERROR_SERVER] = {500, NULL, "INTERNAL_ERROR", "Internal error"},
};

static const struct saying anthropic_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_REQUEST] = {400, "invalid_request_error", NULL, "messages: Field required"},
    [ERROR_BAD_KEY] = {401, "authentication_error", NULL, "invalid x-api-key"},
    [ERROR_UPSTREAM_KEY] = {502, "api_error", NULL, "upstream account: invalid x-api-key"},
    [ERROR_NO_CREDIT] = {400, "invalid_request_error", NULL, "Your credit balance is too low to access the Anthropic API."},
    [ERROR_KEY_LIMIT] = {400, "invalid_request_error", NULL, "You have reached your specified API usage limits."},
    [ERROR_FORBIDDEN] = {403, "permission_error", NULL, "Your API key does not have permission to use the specified resource."},
    [ERROR_MODERATED] = {400, "invalid_request_error", NULL, "Output blocked by content filtering policy"},
    [ERROR_MODEL_MISSING] = {404, "not_found_error", NULL, "model: %s"},
    [ERROR_NOT_FOUND] = {404, "not_found_error", NULL, "Not found"},
    [ERROR_TIMEOUT] = {408, "timeout_error", NULL, "Request timed out"},
    [ERROR_TOO_LARGE] = {413, "request_too_large", NULL, "Request exceeds the maximum size"},
    [ERROR_RATE_LIMITED] = {429, "rate_limit_error", NULL, "This request would exceed your account's rate limit."},
    [ERROR_USER_LIMIT] = {429, "rate_limit_error", NULL, "Number of request tokens has exceeded your per-minute rate limit."},
    [ERROR_UPSTREAM_FULL] = {529, "overloaded_error", NULL, "Overloaded"},
    [ERROR_SERVER] = {500, "api_error", NULL, "Internal server error"},
    [ERROR_UNAVAILABLE] = {503, "api_error", NULL, "Service unavailable"},
    [ERROR_GATEWAY_TIMEOUT] = {504, "timeout_error", NULL, "Gateway timeout"},
    [ERROR_OVERLOADED] = {529, "overloaded_error", NULL, "Overloaded"},
};

static const struct saying onehub_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_KEY] = {401, "one_hub_error", "invalid_api_key", "无效的令牌"},
    [ERROR_NO_CREDIT] = {402, "one_hub_error", "insufficient_user_quota", "用户额度不足"},
    [ERROR_KEY_LIMIT] = {403, "one_hub_error", "pre_consume_token_quota_failed", "令牌额度不足"},
    [ERROR_MODEL_MISSING] = {503, "one_hub_error", "model_not_found", "当前分组 default 下对于模型 %s 无可用渠道"},
    [ERROR_RATE_LIMITED] = {429, "one_hub_error", "rate_limited", "您的速率达到上限，请稍后再试。"},
    [ERROR_UPSTREAM_FULL] = {429, "one_hub_error", "429", "当前分组上游负载已饱和，请稍后再试"},
    [ERROR_SERVER] = {500, "one_hub_error", "do_request_failed", "do request failed"},
};

static const struct saying voapi_says[ERROR_ID_COUNT] = {
    [ERROR_BAD_KEY] = {401, "voapi_error", "", "无效的令牌"},
    [ERROR_NO_CREDIT] = {403, "voapi_error", "insufficient_user_quota", "用户额度不足"},
    [ERROR_KEY_LIMIT] = {403, "voapi_error", "pre_consume_token_quota_failed", "令牌额度不足"},
    [ERROR_MODEL_MISSING] = {503, "voapi_error", "model_not_found", "当前分组 default 下对于模型 %s 无可用渠道"},
    [ERROR_RATE_LIMITED] = {429, "voapi_error", "", "请求过于频繁，请稍后再试"},
    [ERROR_SERVER] = {500, "voapi_error", "do_request_failed", "do request failed"},
};

static const struct saying *const family_says[FAMILY_COUNT] = {
    [FAMILY_OPENAI] = openai_says,       [FAMILY_OPENROUTER] = openrouter_says, [FAMILY_SILICONFLOW] = siliconflow_says,
    [FAMILY_NEWAPI] = newapi_says,       [FAMILY_ONEAPI] = oneapi_says,         [FAMILY_AIHUBMIX] = aihubmix_says,
    [FAMILY_APIYI] = apiyi_says,         [FAMILY_DMXAPI] = dmxapi_says,         [FAMILY_SUB2API] = sub2api_says,
    [FAMILY_ANTHROPIC] = anthropic_says, [FAMILY_ONEHUB] = onehub_says,         [FAMILY_VOAPI] = voapi_says,
    [FAMILY_RIXAPI] = dmxapi_says,       [FAMILY_SHELLAPI] = apiyi_says,
};

/* A row is empty when it has no status; then the family speaks as OpenAI does, with its own `type` if it always uses one. */
static struct saying find_saying(enum family family, enum error_id error)
{
    const struct saying *own = &family_says[family][error];
    if (own->status)
        return *own;
    struct saying common = openai_says[error];
    const struct saying *usual = &family_says[family][ERROR_SERVER];
    common.type = usual->type;
    return common;
}

int family_status(enum family family, enum error_id error)
{
    return find_saying(family, error).status;
}

/* --- error bodies ------------------------------------------------------------------------------------------------- */

static void add_words(const struct complaint *c, const char *format, struct buf *ret)
{
    const char *place = c->message ? NULL : strstr(format, "%s");
    CLEANUP(buf_done) struct buf words = BUF_INIT;
    if (place)
        buf_printf(&words, "%.*s%s%s", (int)(place - format), format, c->model ? c->model : "", place + 2);
    else
        buf_add_str(&words, c->message ? c->message : format);
    if (!c->message && c->error == ERROR_NOT_FOUND && strcmp(format, "Invalid URL") == 0)
        buf_printf(&words, " (%s %s)", c->method ? c->method : "GET", c->path ? c->path : "/");
    else if (c->family == FAMILY_ONEAPI || c->family == FAMILY_NEWAPI || c->family == FAMILY_DMXAPI)
        buf_printf(&words, " (request id: 20260101%012llu)", (unsigned long long)(c->id % 1000000000000u));
    else if (c->family == FAMILY_AIHUBMIX)
        buf_printf(&words, " (tid: 20260101%012llu)", (unsigned long long)(c->id % 1000000000000u));
    json_quote(ret, buf_str(&words));
}

/* A code is text, or a number where it is all digits: relays do both. */
static void add_code(const char *code, struct buf *ret)
{
    if (!code)
        buf_add_str(ret, "null");
    else if (*code && !code[strspn(code, "0123456789")])
        buf_add_str(ret, code);
    else
        json_quote(ret, code);
}

static void add_openrouter_error(const struct complaint *c, const struct saying *s, int status, struct buf *ret)
{
    buf_printf(ret, "{\"error\":{\"message\":");
    add_words(c, s->message, ret);
    buf_printf(ret, ",\"code\":%d,\"metadata\":{\"error_type\":\"%s\"", status, s->type);
    if (c->error == ERROR_NO_CREDIT || c->error == ERROR_KEY_LIMIT)
        buf_printf(ret, ",\"limit_source\":\"%s\"", s->code);
    else if (c->error == ERROR_MODERATED)
        buf_add_str(ret, ",\"reasons\":[\"violence\"],\"flagged_input\":\"...\",\"provider_name\":\"Simulated\"");
    else if (c->error == ERROR_UPSTREAM_FULL || c->error == ERROR_BAD_GATEWAY || c->error == ERROR_OVERLOADED)
        buf_add_str(ret, ",\"provider_name\":\"Simulated\",\"raw\":\"upstream failed\"");
    buf_add_str(ret, "}");
    if (c->error == ERROR_MODEL_MISSING)
        buf_add_str(ret, ",\"availability\":{\"code\":\"model_not_found\"}");
    buf_add_str(ret, "},\"user_id\":\"user_simulated\"}");
}

/* Google's own form, whatever the family: a relay that speaks this dialect at all speaks it when it fails, too. */
static void add_gemini_error(const struct complaint *c, const struct saying *s, int status, struct buf *ret)
{
    const char *word = status == 400   ? "INVALID_ARGUMENT"
                       : status == 401 ? "UNAUTHENTICATED"
                       : status == 403 ? "PERMISSION_DENIED"
                       : status == 404 ? "NOT_FOUND"
                       : status == 429 ? "RESOURCE_EXHAUSTED"
                       : status == 503 ? "UNAVAILABLE"
                       : status == 504 ? "DEADLINE_EXCEEDED"
                       : status < 500  ? "FAILED_PRECONDITION"
                                       : "INTERNAL";
    buf_printf(ret, "{\"error\":{\"code\":%d,\"message\":", status);
    add_words(c, s->message, ret);
    buf_printf(ret, ",\"status\":\"%s\"}}", word);
}

static const char *anthropic_type_of_status(int status)
{
    return status == 401   ? "authentication_error"
           : status == 403 ? "permission_error"
           : status == 404 ? "not_found_error"
           : status == 429 ? "rate_limit_error"
           : status == 529 ? "overloaded_error"
           : status < 500  ? "invalid_request_error"
                           : "api_error";
}

void family_error_object(const struct complaint *c, int status, struct buf *ret)
{
    struct saying s = find_saying(c->family, c->error);
    if (!s.message) /* a family that says nothing at all has to say something in a stream */
        s = openai_says[c->error];
    if (c->dialect == DIALECT_GEMINI) {
        add_gemini_error(c, &s, status, ret);
    } else if (c->dialect == DIALECT_ANTHROPIC || c->family == FAMILY_ANTHROPIC) {
        const char *type = c->family == FAMILY_ANTHROPIC ? s.type
                           : c->family == FAMILY_NEWAPI  ? "new_api_error"
                                                         : anthropic_type_of_status(status);
        buf_printf(ret, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type ? type : "api_error");
        add_words(c, s.message, ret);
        buf_add_str(ret, "}}");
    } else if (c->family == FAMILY_OPENROUTER) {
        add_openrouter_error(c, &s, status, ret);
    } else if (c->family == FAMILY_SILICONFLOW) {
        buf_printf(ret, "{\"code\":%s,\"message\":", s.type ? s.type : "50500");
        add_words(c, s.message, ret);
        buf_add_str(ret, ",\"data\":null}");
    } else if (c->family == FAMILY_SUB2API) {
        buf_add_str(ret, "{\"code\":");
        json_quote(ret, s.code ? s.code : "INTERNAL_ERROR");
        buf_add_str(ret, ",\"message\":");
        add_words(c, s.message, ret);
        buf_add_str(ret, "}");
    } else {
        buf_add_str(ret, "{\"error\":{\"message\":");
        add_words(c, s.message, ret);
        buf_add_str(ret, ",\"type\":");
        json_quote(ret, s.type ? s.type : "server_error");
        if (c->family != FAMILY_ONEAPI || s.code) { /* one-api's middleware leaves these two out */
            buf_printf(ret, ",\"param\":%s,\"code\":", c->family == FAMILY_OPENAI ? "null" : "\"\"");
            add_code(s.code, ret);
        }
        buf_add_str(ret, "}}");
    }
}

const char *family_error(const struct complaint *c, int status, struct buf *ret)
{
    struct saying s = find_saying(c->family, c->error);
    const char *words = c->message ? c->message : s.message ? s.message : openai_says[c->error].message;
    switch (c->body) {
    case BODY_FAMILY:
        if (!s.message && !c->message)
            return NULL;
        family_error_object(c, status, ret);
        return "application/json; charset=utf-8";
    case BODY_EMPTY:
        return NULL;
    case BODY_HTML:
        buf_printf(ret,
                   "<html>\r\n<head><title>%d</title></head>\r\n<body>\r\n<center><h1>%d</h1></center>\r\n<hr><center>nginx</center>\r\n</"
                   "body>\r\n</html>\r\n",
                   status, status);
        return "text/html";
    case BODY_TEXT:
        buf_printf(ret, "error code: %d\n", status);
        return "text/plain; charset=UTF-8";
    case BODY_JSON_STRING:
        add_words(c, words, ret);
        return "application/json";
    case BODY_SUCCESS_FALSE:
        buf_add_str(ret, "{\"success\":false,\"message\":");
        add_words(c, words, ret);
        buf_add_str(ret, "}");
        return "application/json; charset=utf-8";
    case BODY_ERROR_STRING:
        buf_add_str(ret, "{\"error\":");
        add_words(c, words, ret);
        buf_add_str(ret, "}");
        return "application/json";
    case BODY_OBJECT_ERROR:
        buf_add_str(ret, "{\"object\":\"error\",\"message\":");
        add_words(c, words, ret);
        buf_printf(ret, ",\"type\":\"BadRequestError\",\"param\":null,\"code\":%d}", status);
        return "application/json";
    }
    return NULL;
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

const char *family_listed(const struct relay *relay, size_t i)
{
    if (!relay->models)
        return i == 0 ? "gpt-4o-mini" : NULL;
    return i < relay->models->len ? relay->models->names[i] : NULL;
}

static void add_gemini_model(const char *name, struct buf *ret)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    buf_printf(&path, "models/%s", name);
    buf_add_str(ret, "{\"name\":");
    json_quote(ret, buf_str(&path));
    buf_add_str(ret, ",\"version\":\"001\",\"displayName\":");
    json_quote(ret, name);
    buf_add_str(ret, ",\"description\":\"\",\"inputTokenLimit\":128000,\"outputTokenLimit\":16384,\"supportedGenerationMethods\":"
                     "[\"generateContent\",\"countTokens\"],\"temperature\":1,\"topP\":0.95,\"topK\":64}");
}

static void add_model(const struct relay *relay, const char *name, enum dialect dialect, struct buf *ret)
{
    if (dialect == DIALECT_GEMINI) {
        add_gemini_model(name, ret);
        return;
    }
    buf_add_str(ret, "{\"id\":");
    json_quote(ret, name);
    if (dialect == DIALECT_ANTHROPIC) {
        buf_add_str(ret, ",\"type\":\"model\",\"display_name\":");
        json_quote(ret, name);
        buf_add_str(ret, ",\"created_at\":\"2025-01-01T00:00:00Z\"}");
    } else if (relay->family == FAMILY_NEWAPI) {
        buf_add_str(ret, ",\"object\":\"model\",\"created\":1626777600,\"owned_by\":\"openai\",\"supported_endpoint_types\":[\"openai\"]}");
    } else if (relay->family == FAMILY_ONEAPI) {
        buf_add_str(ret, ",\"object\":\"model\",\"created\":1626777600,\"owned_by\":\"openai\",\"permission\":[],\"root\":");
        json_quote(ret, name);
        buf_add_str(ret, ",\"parent\":null}");
    } else {
        buf_add_str(ret, ",\"object\":\"model\",\"created\":1686935002,\"owned_by\":\"simulated\"}");
    }
}

void family_models(const struct relay *relay, enum dialect dialect, struct buf *ret)
{
    bool newapi = relay->family == FAMILY_NEWAPI && dialect != DIALECT_ANTHROPIC && dialect != DIALECT_GEMINI;
    buf_add_str(ret, dialect == DIALECT_GEMINI      ? "{\"models\":["
                     : dialect == DIALECT_ANTHROPIC ? "{\"data\":["
                     : newapi                       ? "{\"success\":true,\"data\":["
                                                    : "{\"object\":\"list\",\"data\":[");
    const char *name;
    for (size_t i = 0, written = 0; (name = family_listed(relay, i)); i++)
        if (relay_has_model(relay, name)) {
            if (written++)
                buf_add_char(ret, ',');
            add_model(relay, name, dialect, ret);
        }
    buf_add_str(ret, dialect == DIALECT_ANTHROPIC ? "],\"has_more\":false,\"first_id\":null,\"last_id\":null}"
                     : newapi                     ? "],\"object\":\"list\"}"
                                                  : "]}");
}

void family_headers(enum family family, uint64_t id, struct buf *ret)
{
    unsigned long long n = id;
    switch (family) {
    case FAMILY_ONEAPI:
    case FAMILY_NEWAPI:
    case FAMILY_APIYI:
    case FAMILY_DMXAPI:
        buf_printf(ret, "X-Oneapi-Request-Id: 20260101%012llu\r\n", n % 1000000000000u);
        break;
    case FAMILY_SILICONFLOW:
        buf_printf(ret, "x-siliconcloud-trace-id: ti_%016llx\r\n", n);
        break;
    case FAMILY_OPENROUTER:
        buf_printf(ret, "X-Generation-Id: gen-%016llx\r\n", n);
        break;
    case FAMILY_ANTHROPIC:
        buf_printf(ret, "request-id: req_%016llx\r\n", n);
        break;
    default:
        buf_printf(ret, "x-request-id: req_%016llx\r\n", n);
    }
}

const char *family_comment(enum family family)
{
    return family == FAMILY_OPENROUTER ? " OPENROUTER PROCESSING" : " PING";
}

void family_page(const struct relay *relay, struct buf *ret)
{
    buf_printf(ret,
               "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>%s</title></head>\n<body><h1>%s</h1><p>A simulated "
               "relay.</p></body></html>\n",
               relay->name, relay->name);
}

void family_reply_id(enum family family, enum dialect dialect, uint64_t id, char *ret, size_t size)
{
    const char *prefix = dialect == DIALECT_ANTHROPIC   ? "msg_"
                         : dialect == DIALECT_RESPONSES ? "resp_"
                         : dialect == DIALECT_GEMINI    ? "g"
                         : family == FAMILY_OPENROUTER  ? "gen-"
                                                        : "chatcmpl-";
    snprintf(ret, size, "%s%016llx", prefix, (unsigned long long)id);
}
