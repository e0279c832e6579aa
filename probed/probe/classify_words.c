/* The tables of error words: code or phrase -> kind of outcome, by the family that uses it.
 *
 * Codes are compared whole, without regard to ASCII case. Phrases are looked for anywhere in the message, in the order of the table: the
 * first that is found decides, so what is more particular stands before what is more general ("无权访问模型" is about our key, "模型不存在"
 * about the model). A `*` in a phrase stands for anything. Phrases hold no bare words that also occur in harmless company ("quota",
 * "token", "model"): a wrong hit is worse than none, since the HTTP status is asked next.
 *
 * Where words were read: one-api and new-api in their sources (controllers, distributor, auth and rate-limit middleware, error types);
 * OpenRouter, SiliconFlow, AIHubMix, APIYI, DMXAPI, Anthropic, OpenAI in their documentation of errors and in public issues that quote
 * them. */
#include <string.h>
#include <strings.h>

#include "probed/probe/classify_words.h"

struct word {
    const char *text;
    enum outcome_kind kind;
};

static const struct word strong_codes[] = {
    /* one-api, new-api, AIHubMix (a one-api fork): our account there */
    {"insufficient_user_quota", OUTCOME_NO_CREDIT},
    {"pre_consume_token_quota_failed", OUTCOME_NO_CREDIT},
    {"insufficient_quota", OUTCOME_NO_CREDIT},   /* OpenAI's own, under 429 */
    {"insufficient_balance", OUTCOME_NO_CREDIT}, /* sub2api */
    {"insufficient_credits", OUTCOME_NO_CREDIT},
    {"billing_hard_limit_reached", OUTCOME_NO_CREDIT}, /* OpenAI */
    {"billing_not_active", OUTCOME_NO_CREDIT},
    {"billing_error", OUTCOME_NO_CREDIT},    /* Anthropic */
    {"payment_required", OUTCOME_NO_CREDIT}, /* OpenRouter error_type */
    {"30001", OUTCOME_NO_CREDIT},            /* SiliconFlow */
    {"1113", OUTCOME_NO_CREDIT},             /* Zhipu behind relays: account in arrears */
    {"arrearage", OUTCOME_NO_CREDIT},        /* DashScope behind relays */
    {"invalid_api_key", OUTCOME_AUTH},
    {"invalid_token", OUTCOME_AUTH},
    {"token_expired", OUTCOME_AUTH},
    {"account_deactivated", OUTCOME_AUTH}, /* OpenAI */
    {"access_denied", OUTCOME_FORBIDDEN},  /* new-api: address, group or model not allowed for the token */
    {"ip_not_allowed", OUTCOME_FORBIDDEN},
    {"unsupported_country_region_territory", OUTCOME_FORBIDDEN}, /* OpenAI */
    {"model_not_found", OUTCOME_MODEL_MISSING},                  /* OpenAI, new-api (503, "no channel") */
    {"model_not_available", OUTCOME_MODEL_MISSING},
    {"20012", OUTCOME_MODEL_MISSING},                    /* SiliconFlow */
    {"sensitive_words_detected", OUTCOME_MODERATED},     /* new-api */
    {"prompt_blocked", OUTCOME_MODERATED},               /* new-api */
    {"content_filter", OUTCOME_MODERATED},               /* Azure, OpenAI */
    {"content_policy_violation", OUTCOME_MODERATED},     /* OpenRouter, OpenAI */
    {"data_inspection_failed", OUTCOME_MODERATED},       /* DashScope behind relays */
    {"refusal", OUTCOME_MODERATED},                      /* OpenRouter error_type */
    {"channel:no_available_key", OUTCOME_UPSTREAM_FULL}, /* new-api: the relay's own upstream keys */
    {"channel:invalid_key", OUTCOME_UPSTREAM_FULL},
    {"overloaded_error", OUTCOME_UPSTREAM_FULL},    /* Anthropic 529 */
    {"provider_overloaded", OUTCOME_UPSTREAM_FULL}, /* OpenRouter error_type */
    {"provider_unavailable", OUTCOME_UPSTREAM_FULL},
    {"engine_overloaded", OUTCOME_UPSTREAM_FULL},
    {"context_length_exceeded", OUTCOME_BAD_REQUEST},
    {"read_request_body_failed", OUTCOME_BAD_REQUEST}, /* new-api 413 */
    {"request_too_large", OUTCOME_BAD_REQUEST},        /* Anthropic 413 */
    {"unsupported_parameter", OUTCOME_BAD_REQUEST},    /* OpenAI */
    {"unsupported_value", OUTCOME_BAD_REQUEST},
    {"unknown_parameter", OUTCOME_BAD_REQUEST},
    {"model_price_error", OUTCOME_SERVER_ERROR}, /* new-api: the operator set no price */
    {"do_request_failed", OUTCOME_SERVER_ERROR}, /* new-api: its call to the upstream */
    {"bad_response_status_code", OUTCOME_SERVER_ERROR},
    {"bad_response", OUTCOME_SERVER_ERROR},
    {"bad_response_body", OUTCOME_SERVER_ERROR},
    {"empty_response", OUTCOME_SERVER_ERROR},
    {"api_not_implemented", OUTCOME_SERVER_ERROR}, /* one-api 501 */
};

static const struct word phrases[] = {
    /* max_tokens: OpenAI's reasoning models, Anthropic thinking, Responses behind chat */
    {"could not finish the message because max_tokens", OUTCOME_UNFINISHED},
    {"max_tokens or model output limit was reached", OUTCOME_UNFINISHED},
    {"max_tokens*must be greater than*budget_tokens", OUTCOME_UNFINISHED},
    {"max_output_tokens*below minimum value", OUTCOME_UNFINISHED},
    /* the relay's upstream, in so many words */
    {"上游负载已饱和", OUTCOME_UPSTREAM_FULL}, /* one-api, new-api */
    {"负载已饱和", OUTCOME_UPSTREAM_FULL},
    {"上游*额度不足", OUTCOME_UPSTREAM_FULL},
    {"上游*余额不足", OUTCOME_UPSTREAM_FULL},
    {"rate-limited upstream", OUTCOME_UPSTREAM_FULL}, /* OpenRouter */
    {"no available key", OUTCOME_UPSTREAM_FULL},
    {"no available accounts", OUTCOME_UPSTREAM_FULL}, /* sub2api and other account pools */
    {"no available claude accounts", OUTCOME_UPSTREAM_FULL},
    {"upstream*rate limit", OUTCOME_UPSTREAM_FULL},
    {"upstream*overload", OUTCOME_UPSTREAM_FULL},
    /* our credit, before rate limits: APIYI and OpenAI use 429 for both */
    {"quota exceeded for metric", OUTCOME_RATE_LIMITED}, /* Gemini: a rate, though it says quota and billing */
    {"额度不足", OUTCOME_NO_CREDIT},                     /* one-api, new-api: 用户额度不足, 令牌额度不足 */
    {"余额不足", OUTCOME_NO_CREDIT},                     /* SiliconFlow, DMXAPI, APIYI */
    {"额度已用尽", OUTCOME_NO_CREDIT},                   /* one-api: 该令牌额度已用尽 */
    {"额度已耗尽", OUTCOME_NO_CREDIT},
    {"额度用完", OUTCOME_NO_CREDIT},
    {"预扣费额度失败", OUTCOME_NO_CREDIT}, /* new-api */
    {"欠费", OUTCOME_NO_CREDIT},
    {"请充值", OUTCOME_NO_CREDIT},
    {"请先充值", OUTCOME_NO_CREDIT},
    {"quota is not enough", OUTCOME_NO_CREDIT}, /* one-api: user quota, token quota */
    {"quota is insufficient", OUTCOME_NO_CREDIT},
    {"quota has been exhausted", OUTCOME_NO_CREDIT},
    {"quota exhausted", OUTCOME_NO_CREDIT},
    {"insufficient quota", OUTCOME_NO_CREDIT},
    {"insufficient_quota", OUTCOME_NO_CREDIT},
    {"insufficient_user_quota", OUTCOME_NO_CREDIT},
    {"exceeded your current quota", OUTCOME_NO_CREDIT}, /* OpenAI */
    {"insufficient balance", OUTCOME_NO_CREDIT},        /* DeepSeek, sub2api */
    {"insufficient account balance", OUTCOME_NO_CREDIT},
    {"balance is insufficient", OUTCOME_NO_CREDIT}, /* SiliconFlow */
    {"balance is not enough", OUTCOME_NO_CREDIT},
    {"balance not enough", OUTCOME_NO_CREDIT},
    {"not enough balance", OUTCOME_NO_CREDIT},
    {"balance*exhausted", OUTCOME_NO_CREDIT},         /* APIYI */
    {"specified api usage limits", OUTCOME_NO_CREDIT}, /* Anthropic: the spending limit that was set */
    {"credit balance is too low", OUTCOME_NO_CREDIT}, /* Anthropic, under invalid_request_error */
    {"insufficient credit", OUTCOME_NO_CREDIT},       /* OpenRouter 402 */
    {"requires more credits", OUTCOME_NO_CREDIT},     /* OpenRouter 402 */
    {"never purchased credits", OUTCOME_NO_CREDIT},
    {"negative credit", OUTCOME_NO_CREDIT},
    {"out of credits", OUTCOME_NO_CREDIT},
    {"insufficient funds", OUTCOME_NO_CREDIT},
    {"key limit exceeded", OUTCOME_NO_CREDIT}, /* OpenRouter: the key's own spending limit */
    {"account is in arrears", OUTCOME_NO_CREDIT},
    {"account is overdue", OUTCOME_NO_CREDIT},
    {"billing hard limit", OUTCOME_NO_CREDIT},
    /* our key may not do this: before "model ..." */
    {"令牌无权", OUTCOME_FORBIDDEN}, /* one-api, new-api: 该令牌无权使用模型, 该令牌无权访问 */
    {"无权访问", OUTCOME_FORBIDDEN},
    {"无权使用", OUTCOME_FORBIDDEN},
    {"不在令牌允许", OUTCOME_FORBIDDEN}, /* new-api: 您的 IP 不在令牌允许访问的列表中 */
    {"已被封禁", OUTCOME_FORBIDDEN},     /* one-api: 用户已被封禁 */
    {"实名", OUTCOME_FORBIDDEN},         /* SiliconFlow: real name wanted */
    {"real-name", OUTCOME_FORBIDDEN},
    {"real name verification", OUTCOME_FORBIDDEN},
    {"has been banned", OUTCOME_FORBIDDEN},
    {"user is banned", OUTCOME_FORBIDDEN},
    {"user has been disabled", OUTCOME_FORBIDDEN},
    {"ip*not allowed", OUTCOME_FORBIDDEN},
    {"token*has no access to model", OUTCOME_FORBIDDEN},
    {"token is not allowed", OUTCOME_FORBIDDEN},
    {"only management keys", OUTCOME_FORBIDDEN}, /* OpenRouter */
    /* a parameter that the model does not have is no missing model */
    {"不支持参数", OUTCOME_BAD_REQUEST},
    {"不支持*参数", OUTCOME_BAD_REQUEST},
    /* the model */
    {"无可用渠道", OUTCOME_MODEL_MISSING}, /* one-api, new-api */
    {"模型*不存在", OUTCOME_MODEL_MISSING},
    {"不支持的模型", OUTCOME_MODEL_MISSING},
    {"模型*不支持", OUTCOME_MODEL_MISSING},
    {"模型*已下线", OUTCOME_MODEL_MISSING},
    {"模型*已下架", OUTCOME_MODEL_MISSING},
    {"no available channel", OUTCOME_MODEL_MISSING},
    {"not a valid model id", OUTCOME_MODEL_MISSING}, /* OpenRouter */
    {"no endpoints found", OUTCOME_MODEL_MISSING},   /* OpenRouter 404 */
    {"no allowed providers are available", OUTCOME_MODEL_MISSING},
    {"model does not exist", OUTCOME_MODEL_MISSING}, /* SiliconFlow, OpenAI */
    {"model*does not exist", OUTCOME_MODEL_MISSING},
    {"model not exist", OUTCOME_MODEL_MISSING}, /* DeepSeek */
    {"model not found", OUTCOME_MODEL_MISSING},
    {"model*was not found", OUTCOME_MODEL_MISSING},
    {"model*is not found", OUTCOME_MODEL_MISSING},
    {"model*is disabled", OUTCOME_MODEL_MISSING}, /* SiliconFlow 403 */
    {"model disabled", OUTCOME_MODEL_MISSING},
    {"model*has been deprecated", OUTCOME_MODEL_MISSING},
    {"model*has been decommissioned", OUTCOME_MODEL_MISSING},
    {"unknown model", OUTCOME_MODEL_MISSING},
    {"unsupported model", OUTCOME_MODEL_MISSING},
    {"invalid model", OUTCOME_MODEL_MISSING},
    /* our key */
    {"无效的令牌", OUTCOME_AUTH}, /* one-api, new-api */
    {"无效的 token", OUTCOME_AUTH},
    {"令牌无效", OUTCOME_AUTH},
    {"未提供令牌", OUTCOME_AUTH},
    {"令牌已过期", OUTCOME_AUTH},
    {"令牌状态不可用", OUTCOME_AUTH},
    {"令牌验证失败", OUTCOME_AUTH},
    {"令牌不存在", OUTCOME_AUTH},
    {"密钥无效", OUTCOME_AUTH},
    {"密钥错误", OUTCOME_AUTH},
    {"鉴权失败", OUTCOME_AUTH},
    {"认证失败", OUTCOME_AUTH},
    {"身份验证失败", OUTCOME_AUTH},
    {"未登录", OUTCOME_AUTH},
    {"invalid token", OUTCOME_AUTH},
    {"token expired", OUTCOME_AUTH},
    {"token has expired", OUTCOME_AUTH},
    {"token is invalid", OUTCOME_AUTH}, /* APIYI: The access token is invalid */
    {"token*not provided", OUTCOME_AUTH},
    {"invalid api key", OUTCOME_AUTH},
    {"invalid api-key", OUTCOME_AUTH},
    {"invalid x-api-key", OUTCOME_AUTH},  /* Anthropic */
    {"incorrect api key", OUTCOME_AUTH},  /* OpenAI */
    {"api key is invalid", OUTCOME_AUTH}, /* SiliconFlow */
    {"api key not valid", OUTCOME_AUTH},  /* Gemini */
    {"api key*expired", OUTCOME_AUTH},
    {"api key*disabled", OUTCOME_AUTH},
    {"didn't provide an api key", OUTCOME_AUTH},
    {"missing authentication", OUTCOME_AUTH},           /* OpenRouter */
    {"no auth credentials found", OUTCOME_AUTH},        /* OpenRouter */
    {"no cookie auth credentials found", OUTCOME_AUTH}, /* OpenRouter */
    {"user not found.", OUTCOME_AUTH},                  /* OpenRouter's 401 for a deleted key */
    {"authentication fails", OUTCOME_AUTH},             /* DeepSeek */
    {"authentication failed", OUTCOME_AUTH},
    /* the text of the request */
    {"敏感词", OUTCOME_MODERATED},
    {"敏感内容", OUTCOME_MODERATED},
    {"内容违规", OUTCOME_MODERATED},
    {"内容审核", OUTCOME_MODERATED},
    {"sensitive words", OUTCOME_MODERATED},
    {"content management policy", OUTCOME_MODERATED}, /* Azure */
    {"content policy", OUTCOME_MODERATED},
    {"content filter", OUTCOME_MODERATED},      /* Anthropic: "Output blocked by content filtering policy" */
    {"sensitive content", OUTCOME_MODERATED},   /* SiliconFlow 451 */
    {"requires moderation", OUTCOME_MODERATED}, /* OpenRouter 403 */
    {"input was flagged", OUTCOME_MODERATED},
    {"inappropriate content", OUTCOME_MODERATED},
    {"content exists risk", OUTCOME_MODERATED}, /* DeepSeek */
    /* too many of our requests */
    {"请求数限制", OUTCOME_RATE_LIMITED}, /* new-api: 您已达到请求数限制 */
    {"请求次数", OUTCOME_RATE_LIMITED},
    {"请求过于频繁", OUTCOME_RATE_LIMITED},
    {"请求太频繁", OUTCOME_RATE_LIMITED},
    {"频率限制", OUTCOME_RATE_LIMITED},
    {"速率限制", OUTCOME_RATE_LIMITED},
    {"限流", OUTCOME_RATE_LIMITED},
    {"并发*超", OUTCOME_RATE_LIMITED},
    {"too many requests", OUTCOME_RATE_LIMITED},
    {"rate limit", OUTCOME_RATE_LIMITED},
    {"ratelimit", OUTCOME_RATE_LIMITED},
    {"rate-limited", OUTCOME_RATE_LIMITED},
    {"rpm limit", OUTCOME_RATE_LIMITED}, /* SiliconFlow names the limit */
    {"tpm limit", OUTCOME_RATE_LIMITED},
    {"rpd limit", OUTCOME_RATE_LIMITED},
    {"tpd limit", OUTCOME_RATE_LIMITED},
    {"rph limit", OUTCOME_RATE_LIMITED},
    {"ipm limit", OUTCOME_RATE_LIMITED},
    {"ipd limit", OUTCOME_RATE_LIMITED},
    {"requests per m", OUTCOME_RATE_LIMITED},
    {"concurrency limit", OUTCOME_RATE_LIMITED},
    {"error code: 1015", OUTCOME_RATE_LIMITED}, /* Cloudflare, as text */
    {"error code: 1020", OUTCOME_NOT_API},
    {"error code: 1010", OUTCOME_NOT_API},
    /* full */
    {"overloaded", OUTCOME_UPSTREAM_FULL},
    {"at capacity", OUTCOME_UPSTREAM_FULL},
    {"no instances available", OUTCOME_UPSTREAM_FULL},
    {"too busy", OUTCOME_UPSTREAM_FULL}, /* SiliconFlow 503 */
    {"is busy", OUTCOME_UPSTREAM_FULL},
    {"服务繁忙", OUTCOME_UPSTREAM_FULL},
    {"系统繁忙", OUTCOME_UPSTREAM_FULL},
    {"服务器繁忙", OUTCOME_UPSTREAM_FULL},
    {"资源不足", OUTCOME_UPSTREAM_FULL},
    /* our request */
    {"invalid url", OUTCOME_BAD_REQUEST}, /* one-api 404: a base URL that is wrong */
    {"unrecognized request argument", OUTCOME_BAD_REQUEST},
    {"unsupported parameter", OUTCOME_BAD_REQUEST},
    {"unknown parameter", OUTCOME_BAD_REQUEST},
    {"maximum context length", OUTCOME_BAD_REQUEST},
};

static const struct word weak_codes[] = {
    {"authentication_error", OUTCOME_AUTH}, /* Anthropic, OpenAI */
    {"authentication", OUTCOME_AUTH},       /* OpenRouter error_type */
    {"unauthorized", OUTCOME_AUTH},
    {"unauthenticated", OUTCOME_AUTH},        /* Gemini */
    {"permission_error", OUTCOME_FORBIDDEN},  /* Anthropic */
    {"permission_denied", OUTCOME_FORBIDDEN}, /* OpenRouter, Gemini */
    {"forbidden", OUTCOME_FORBIDDEN},
    {"rate_limit_error", OUTCOME_RATE_LIMITED},    /* Anthropic */
    {"rate_limit_exceeded", OUTCOME_RATE_LIMITED}, /* OpenAI, OpenRouter */
    {"rate_limit_reached", OUTCOME_RATE_LIMITED},
    {"rate_limited", OUTCOME_RATE_LIMITED},
    {"too_many_requests", OUTCOME_RATE_LIMITED},
    {"resource_exhausted", OUTCOME_RATE_LIMITED}, /* Gemini */
    {"requests", OUTCOME_RATE_LIMITED},           /* OpenAI's type under 429 */
    {"tokens", OUTCOME_RATE_LIMITED},
    {"not_found_error", OUTCOME_MODEL_MISSING}, /* Anthropic: "model: NAME" */
    {"timeout", OUTCOME_TIMEOUT},               /* OpenRouter error_type */
    {"timeout_error", OUTCOME_TIMEOUT},         /* Anthropic */
    {"request_timeout", OUTCOME_TIMEOUT},
    {"invalid_request_error", OUTCOME_BAD_REQUEST}, /* OpenAI, Anthropic */
    {"invalid_request", OUTCOME_BAD_REQUEST},       /* new-api, OpenRouter */
    {"invalid_argument", OUTCOME_BAD_REQUEST},      /* Gemini */
    {"bad_request", OUTCOME_BAD_REQUEST},
    {"api_error", OUTCOME_SERVER_ERROR},    /* Anthropic */
    {"server_error", OUTCOME_SERVER_ERROR}, /* OpenAI */
    {"server", OUTCOME_SERVER_ERROR},       /* OpenRouter error_type */
    {"internal_server_error", OUTCOME_SERVER_ERROR},
    {"get_channel_failed", OUTCOME_UPSTREAM_FULL}, /* new-api: none of its channels would do; the message may say more */
};

static const char *const firewall_marks[] = {
    "acw_sc__v2", /* Alibaba Cloud WAF's script challenge */
    "aliyun_waf",
    "cf-chl",
    "cf_chl",
    "cf-browser-verification",
    "challenge-platform",
    "just a moment...",
    "attention required! | cloudflare",
    "sorry, you have been blocked",
    "checking your browser",
    "_incapsula_",
    "captcha",
    "滑动验证",
    "访问被拦截",
    "访问已被拦截",
    "请求存在威胁",
};

static bool find_code(const struct word *words, size_t len, const char *code, enum outcome_kind *ret)
{
    for (size_t i = 0; i < len; i++) {
        if (strcasecmp(words[i].text, code) == 0) {
            *ret = words[i].kind;
            return true;
        }
    }
    return false;
}

bool classify_strong_code(const char *code, enum outcome_kind *ret)
{
    return find_code(strong_codes, ARRAY_LEN(strong_codes), code, ret);
}

bool classify_weak_code(const char *code, enum outcome_kind *ret)
{
    return find_code(weak_codes, ARRAY_LEN(weak_codes), code, ret);
}

/* The pieces between the stars, in their order. */
static bool holds(const char *text, const char *phrase)
{
    char piece[96];
    for (;;) {
        size_t len = strcspn(phrase, "*");
        if (len >= sizeof piece)
            return false;
        memcpy(piece, phrase, len);
        piece[len] = '\0';
        text = strcasestr(text, piece);
        if (!text)
            return false;
        if (phrase[len] == '\0')
            return true;
        text += len;
        phrase += len + 1;
    }
}

bool classify_message(const char *message, enum outcome_kind *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
        if (holds(message, phrases[i].text)) {
            *ret = phrases[i].kind;
            return true;
        }
    }
    return false;
}

bool classify_is_firewall(const char *page)
{
    for (size_t i = 0; i < ARRAY_LEN(firewall_marks); i++)
        if (strcasestr(page, firewall_marks[i]))
            return true;
    return false;
}
