/* Every error of every family, as its documentation or source has it, to its kind and fault. A row is one fact about one relay program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probed/probe/classify.h"
#include "shared/text.h"

#define JSON "application/json"
#define HTML "text/html"

struct row {
    const char *what;
    int status;
    const char *type, *body;
    enum outcome_kind kind;
    enum fault fault;
};

static const struct row answers[] = {
    /* one-api */
    {"one-api bad key", 401, JSON, "{\"error\":{\"message\":\"无效的令牌 (request id: 2026112404)\",\"type\":\"one_api_error\"}}",
     OUTCOME_AUTH, FAULT_OURS},
    {"one-api no key", 401, JSON, "{\"error\":{\"message\":\"未提供令牌\",\"type\":\"one_api_error\"}}", OUTCOME_AUTH, FAULT_OURS},
    {"one-api expired key", 401, JSON, "{\"error\":{\"message\":\"该令牌已过期 (request id: 1)\",\"type\":\"one_api_error\"}}",
     OUTCOME_AUTH, FAULT_OURS},
    {"one-api token used up", 401, JSON, "{\"error\":{\"message\":\"该令牌额度已用尽 (request id: 1)\",\"type\":\"one_api_error\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"one-api banned", 403, JSON, "{\"error\":{\"message\":\"用户已被封禁 (request id: 1)\",\"type\":\"one_api_error\"}}",
     OUTCOME_FORBIDDEN, FAULT_OURS},
    {"one-api model not for token", 403, JSON,
     "{\"error\":{\"message\":\"该令牌无权使用模型：gpt-4o (request id: 1)\",\"type\":\"one_api_error\"}}", OUTCOME_FORBIDDEN, FAULT_OURS},
    {"one-api no credit", 403, JSON,
     "{\"error\":{\"message\":\"user quota is not enough (request id: "
     "1)\",\"type\":\"one_api_error\",\"param\":\"\",\"code\":\"insufficient_user_quota\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"one-api pre-consume", 403, JSON,
     "{\"error\":{\"message\":\"token quota is not enough\",\"type\":\"one_api_error\",\"code\":\"pre_consume_token_quota_failed\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"one-api no channel", 503, JSON,
     "{\"error\":{\"message\":\"当前分组 default 下对于模型 gpt-9 无可用渠道 (request id: 1)\",\"type\":\"one_api_error\"}}",
     OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"one-api saturated", 429, JSON,
     "{\"error\":{\"message\":\"当前分组上游负载已饱和，请稍后再试 (request id: 1)\",\"type\":\"one_api_error\"}}", OUTCOME_UPSTREAM_FULL,
     FAULT_RELAY},
    {"one-api own limiter", 429, "", "", OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"one-api unknown path", 404, JSON,
     "{\"error\":{\"message\":\"Invalid URL (GET /x)\",\"type\":\"invalid_request_error\",\"param\":\"\",\"code\":\"\"}}",
     OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"one-api not implemented", 501, JSON,
     "{\"error\":{\"message\":\"API not implemented\",\"type\":\"one_api_error\",\"param\":\"\",\"code\":\"api_not_implemented\"}}",
     OUTCOME_SERVER_ERROR, FAULT_RELAY},
    /* new-api */
    {"new-api bad key", 401, JSON,
     "{\"error\":{\"message\":\"无效的令牌 (request id: 2026)\",\"type\":\"new_api_error\",\"param\":\"\",\"code\":\"\"}}", OUTCOME_AUTH,
     FAULT_OURS},
    {"new-api bad key, English", 401, JSON,
     "{\"error\":{\"message\":\"Invalid token (request id: 2026)\",\"type\":\"new_api_error\",\"code\":null}}", OUTCOME_AUTH, FAULT_OURS},
    {"new-api upstream 401", 401, JSON,
     "{\"error\":{\"message\":\"Incorrect API key provided: sk-abc***def. (request id: "
     "2026)\",\"type\":\"upstream_error\",\"code\":\"invalid_api_key\"}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"new-api upstream 401, bare", 401, JSON,
     "{\"error\":{\"message\":\"bad response status code "
     "401\",\"type\":\"upstream_error\",\"param\":\"401\",\"code\":\"bad_response_status_code\"}}",
     OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"new-api upstream 401, no code", 401, JSON, "{\"error\":{\"message\":\"Unauthorized\",\"type\":\"upstream_error\"}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"new-api upstream 401, vendor's type", 401, JSON,
     "{\"error\":{\"message\":\"Incorrect API key provided (request id: "
     "2026)\",\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\"}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"new-api upstream's own credit", 429, JSON,
     "{\"error\":{\"message\":\"You exceeded your current quota, please check your plan (request id: "
     "2026)\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"new-api access denied", 403, JSON,
     "{\"error\":{\"message\":\"您的 IP 不在令牌允许访问的列表中\",\"type\":\"new_api_error\",\"code\":\"access_denied\"}}",
     OUTCOME_FORBIDDEN, FAULT_OURS},
    {"new-api model not for token", 403, JSON, "{\"error\":{\"message\":\"该令牌无权访问模型 gpt-4o\",\"type\":\"new_api_error\"}}",
     OUTCOME_FORBIDDEN, FAULT_OURS},
    {"new-api no credit", 403, JSON,
     "{\"error\":{\"message\":\"用户额度不足, 剩余额度: ＄0.00 (request id: "
     "2026)\",\"type\":\"new_api_error\",\"code\":\"insufficient_user_quota\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"new-api pre-consume", 403, JSON,
     "{\"error\":{\"message\":\"预扣费额度失败, 用户剩余额度: ＄0.000120\",\"type\":\"new_api_error\",\"code\":\"\"}}", OUTCOME_NO_CREDIT,
     FAULT_OURS},
    {"new-api no channel", 503, JSON,
     "{\"error\":{\"message\":\"分组 default 下模型 gpt-9 无可用渠道（distributor） (request id: "
     "2026)\",\"type\":\"new_api_error\",\"param\":\"\",\"code\":\"model_not_found\"}}",
     OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"new-api no price", 500, JSON,
     "{\"error\":{\"message\":\"模型 x 倍率或价格未配置\",\"type\":\"new_api_error\",\"code\":\"model_price_error\"}}",
     OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"new-api moderation", 500, JSON,
     "{\"error\":{\"message\":\"user sensitive words detected\",\"type\":\"new_api_error\",\"code\":\"sensitive_words_detected\"}}",
     OUTCOME_MODERATED, FAULT_OURS},
    {"new-api prompt blocked", 400, JSON,
     "{\"error\":{\"message\":\"request blocked\",\"type\":\"new_api_error\",\"code\":\"prompt_blocked\"}}", OUTCOME_MODERATED, FAULT_OURS},
    {"new-api saturated", 429, JSON,
     "{\"error\":{\"message\":\"当前分组上游负载已饱和，请稍后再试\",\"type\":\"new_api_error\",\"code\":null}}", OUTCOME_UPSTREAM_FULL,
     FAULT_RELAY},
    {"new-api user limit", 429, JSON, "{\"error\":{\"message\":\"您已达到请求数限制：1分钟内最多请求10次\",\"type\":\"new_api_error\"}}",
     OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"new-api user limit, empty", 429, "", "", OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"new-api body too big", 413, JSON,
     "{\"error\":{\"message\":\"request body too large\",\"type\":\"new_api_error\",\"code\":\"read_request_body_failed\"}}",
     OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"new-api channel without key", 500, JSON,
     "{\"error\":{\"message\":\"no keys\",\"type\":\"new_api_error\",\"code\":\"channel:no_available_key\"}}", OUTCOME_UPSTREAM_FULL,
     FAULT_RELAY},
    {"new-api channel with a bad key", 401, JSON,
     "{\"error\":{\"message\":\"Invalid token\",\"type\":\"new_api_error\",\"code\":\"channel:invalid_key\"}}", OUTCOME_UPSTREAM_FULL,
     FAULT_RELAY},
    {"new-api request failed", 500, JSON,
     "{\"error\":{\"message\":\"do request failed\",\"type\":\"new_api_error\",\"code\":\"do_request_failed\"}}", OUTCOME_SERVER_ERROR,
     FAULT_RELAY},
    {"new-api bad response", 500, JSON,
     "{\"error\":{\"message\":\"bad response body\",\"type\":\"new_api_error\",\"code\":\"bad_response_body\"}}", OUTCOME_SERVER_ERROR,
     FAULT_RELAY},
    {"new-api empty response", 500, JSON, "{\"error\":{\"message\":\"empty\",\"type\":\"new_api_error\",\"code\":\"empty_response\"}}",
     OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"new-api no channel got", 500, JSON,
     "{\"error\":{\"message\":\"获取渠道失败\",\"type\":\"new_api_error\",\"code\":\"get_channel_failed\"}}", OUTCOME_UPSTREAM_FULL,
     FAULT_RELAY},
    {"new-api no channel got, why", 503, JSON,
     "{\"error\":{\"message\":\"分组 a 下模型 m 无可用渠道\",\"type\":\"new_api_error\",\"code\":\"get_channel_failed\"}}",
     OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"new-api invalid request", 400, JSON,
     "{\"error\":{\"message\":\"field messages is required\",\"type\":\"new_api_error\",\"code\":\"invalid_request\"}}",
     OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"new-api remapped 401 to 500", 500, JSON,
     "{\"error\":{\"message\":\"用户额度不足\",\"type\":\"new_api_error\",\"code\":\"insufficient_user_quota\"}}", OUTCOME_NO_CREDIT,
     FAULT_OURS},
    {"new-api Anthropic shape", 403, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"new_api_error\",\"message\":\"用户额度不足\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"new-api pages", 401, JSON, "{\"success\":false,\"message\":\"无权进行此操作，未登录且未提供 access token\"}", OUTCOME_AUTH,
     FAULT_OURS},
    {"new-api numeric code", 429, JSON, "{\"error\":{\"message\":\"slow down\",\"type\":\"new_api_error\",\"code\":429}}",
     OUTCOME_RATE_LIMITED, FAULT_NONE},
    /* OpenRouter */
    {"OpenRouter unknown model", 400, JSON,
     "{\"error\":{\"message\":\"openai/gpt-9 is not a valid model ID\",\"code\":400},\"user_id\":\"u\"}", OUTCOME_MODEL_MISSING,
     FAULT_RELAY},
    {"OpenRouter bad request", 400, JSON,
     "{\"error\":{\"code\":400,\"message\":\"Invalid request parameters\",\"metadata\":{\"error_type\":\"invalid_request\"}}}",
     OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"OpenRouter no key", 401, JSON, "{\"error\":{\"message\":\"Missing Authentication header\",\"code\":401}}", OUTCOME_AUTH, FAULT_OURS},
    {"OpenRouter deleted key", 401, JSON, "{\"error\":{\"message\":\"User not found.\",\"code\":401}}", OUTCOME_AUTH, FAULT_OURS},
    {"OpenRouter no credits", 402, JSON,
     "{\"error\":{\"code\":402,\"message\":\"Insufficient credits. Add "
     "more\",\"metadata\":{\"limit_source\":\"openrouter_credits\",\"error_type\":\"payment_required\"}}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"OpenRouter key limit", 403, JSON, "{\"error\":{\"message\":\"Key limit exceeded (daily limit). Manage it\",\"code\":403}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"OpenRouter moderation", 403, JSON,
     "{\"error\":{\"code\":403,\"message\":\"openai/x requires "
     "moderation\",\"metadata\":{\"reasons\":[\"violence\"],\"flagged_input\":\"t\",\"provider_name\":\"OpenAI\",\"model_slug\":\"x\"}}}",
     OUTCOME_MODERATED, FAULT_OURS},
    {"OpenRouter permission", 403, JSON, "{\"error\":{\"code\":403,\"message\":\"Only management keys can perform this operation\"}}",
     OUTCOME_FORBIDDEN, FAULT_OURS},
    {"OpenRouter permission type", 403, JSON,
     "{\"error\":{\"code\":403,\"message\":\"no\",\"metadata\":{\"error_type\":\"permission_denied\"}}}", OUTCOME_FORBIDDEN, FAULT_OURS},
    {"OpenRouter no endpoints", 404, JSON, "{\"error\":{\"message\":\"No endpoints found for foo/bar.\",\"code\":404}}",
     OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"OpenRouter 404", 404, JSON, "{\"error\":{\"code\":404,\"message\":\"Resource not found\"}}", OUTCOME_HTTP_ERROR, FAULT_RELAY},
    {"OpenRouter 408", 408, JSON, "{\"error\":{\"code\":408,\"message\":\"Request timed out\",\"metadata\":{\"error_type\":\"timeout\"}}}",
     OUTCOME_TIMEOUT, FAULT_RELAY},
    {"OpenRouter 413", 413, JSON, "{\"error\":{\"code\":413,\"message\":\"Request payload too large\"}}", OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"OpenRouter 422", 422, JSON, "{\"error\":{\"code\":422,\"message\":\"Unprocessable\"}}", OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"OpenRouter 429", 429, JSON,
     "{\"error\":{\"code\":429,\"message\":\"Rate limit exceeded: "
     "free-models-per-min.\",\"metadata\":{\"error_type\":\"rate_limit_exceeded\"}}}",
     OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"OpenRouter provider's 429", 429, JSON,
     "{\"error\":{\"code\":429,\"message\":\"Provider returned error\",\"metadata\":{\"raw\":\"x is temporarily rate-limited "
     "upstream\",\"provider_name\":\"Chutes\"}}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"OpenRouter provider's 401", 401, JSON,
     "{\"error\":{\"code\":401,\"message\":\"Provider returned error\",\"metadata\":{\"provider_name\":\"X\"}}}", OUTCOME_UPSTREAM_FULL,
     FAULT_RELAY},
    {"OpenRouter 500", 500, JSON,
     "{\"error\":{\"code\":500,\"message\":\"Internal Server Error\",\"metadata\":{\"error_type\":\"server\"}}}", OUTCOME_SERVER_ERROR,
     FAULT_RELAY},
    {"OpenRouter 502", 502, JSON,
     "{\"error\":{\"code\":502,\"message\":\"Provider returned error\",\"metadata\":{\"provider_name\":\"X\"}}}", OUTCOME_SERVER_ERROR,
     FAULT_RELAY},
    {"OpenRouter 503", 503, JSON,
     "{\"error\":{\"code\":503,\"message\":\"No provider\",\"metadata\":{\"error_type\":\"provider_unavailable\"}}}", OUTCOME_UPSTREAM_FULL,
     FAULT_RELAY},
    {"OpenRouter 524", 524, JSON, "{\"error\":{\"code\":524,\"message\":\"edge timeout\"}}", OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"OpenRouter 529", 529, JSON,
     "{\"error\":{\"code\":529,\"message\":\"Provider overloaded\",\"metadata\":{\"error_type\":\"provider_overloaded\"}}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"OpenRouter policy", 400, JSON,
     "{\"error\":{\"code\":400,\"message\":\"x\",\"metadata\":{\"error_type\":\"content_policy_violation\"}}}", OUTCOME_MODERATED,
     FAULT_OURS},
    {"OpenRouter context", 400, JSON,
     "{\"error\":{\"code\":400,\"message\":\"x\",\"metadata\":{\"error_type\":\"context_length_exceeded\"}}}", OUTCOME_BAD_REQUEST,
     FAULT_OURS},
    {"OpenRouter authentication type", 401, JSON,
     "{\"error\":{\"code\":401,\"message\":\"x\",\"metadata\":{\"error_type\":\"authentication\"}}}", OUTCOME_AUTH, FAULT_OURS},
    /* SiliconFlow */
    {"SiliconFlow unknown model", 400, JSON,
     "{\"code\":20012,\"message\":\"Model does not exist. Please check it carefully.\",\"data\":null}", OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"SiliconFlow bad parameter", 400, JSON, "{\"code\":20015,\"message\":\"The parameter is invalid.\",\"data\":null}",
     OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"SiliconFlow key, JSON string", 401, JSON, "\"Api key is invalid\"", OUTCOME_AUTH, FAULT_OURS},
    {"SiliconFlow key, text", 401, "text/plain", "Invalid token", OUTCOME_AUTH, FAULT_OURS},
    {"SiliconFlow balance", 403, JSON, "{\"code\":30001,\"message\":\"Sorry, your account balance is insufficient\",\"data\":null}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"SiliconFlow model off", 403, JSON, "{\"code\":30003,\"message\":\"Model disabled.\",\"data\":null}", OUTCOME_MODEL_MISSING,
     FAULT_RELAY},
    {"SiliconFlow real name", 403, JSON, "{\"code\":30011,\"message\":\"This model requires real name verification\",\"data\":null}",
     OUTCOME_FORBIDDEN, FAULT_OURS},
    {"SiliconFlow TPM", 429, JSON, "{\"message\":\"Request was rejected due to rate limiting. Details: TPM limit reached.\",\"data\":null}",
     OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"SiliconFlow busy", 503, JSON, "{\"code\":50505,\"message\":\"Model service overloaded. Please try again later.\",\"data\":null}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"SiliconFlow 504", 504, "", "", OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"SiliconFlow 500", 500, JSON, "{\"code\":50501,\"message\":\"Unknown\",\"data\":null}", OUTCOME_SERVER_ERROR, FAULT_RELAY},
    /* AIHubMix, APIYI, sub2api, DMXAPI, poloapi */
    {"AIHubMix no credit", 403, JSON,
     "{\"error\":{\"message\":\"quota (tid: 2026)\",\"type\":\"Aihubmix_api_error\",\"param\":\"\",\"code\":\"insufficient_user_quota\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"APIYI rate", 429, JSON,
     "{\"error\":{\"message\":\"Rate limit reached, retry later\",\"type\":\"shell_api_error\",\"code\":\"rate_limit_exceeded\"}}",
     OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"APIYI balance", 429, JSON,
     "{\"error\":{\"message\":\"账户余额不足，请充值\",\"type\":\"shell_api_error\",\"code\":\"rate_limit_exceeded\"}}", OUTCOME_NO_CREDIT,
     FAULT_OURS},
    {"APIYI balance, English", 429, JSON,
     "{\"error\":{\"message\":\"Your balance is exhausted\",\"type\":\"shell_api_error\",\"code\":\"\"}}", OUTCOME_NO_CREDIT, FAULT_OURS},
    {"APIYI model", 404, JSON,
     "{\"error\":{\"message\":\"The requested model is unavailable\",\"type\":\"shell_api_error\",\"code\":\"\"}}", OUTCOME_MODEL_MISSING,
     FAULT_RELAY},
    {"APIYI system token", 401, JSON, "{\"success\":false,\"message\":\"Unauthorized. The access token is invalid.\"}", OUTCOME_AUTH,
     FAULT_OURS},
    {"sub2api", 403, JSON, "{\"code\":\"INSUFFICIENT_BALANCE\",\"message\":\"Insufficient account balance\"}", OUTCOME_NO_CREDIT,
     FAULT_OURS},
    {"sub2api pool", 503, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"No available accounts\"}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"DMXAPI", 403, JSON, "{\"error\":{\"message\":\"用户余额不足，请充值\",\"type\":\"rix_api_error\",\"code\":\"\"}}", OUTCOME_NO_CREDIT,
     FAULT_OURS},
    {"poloapi 401", 401, "", "", OUTCOME_AUTH, FAULT_OURS},
    {"poloapi 403", 403, JSON, "{}", OUTCOME_FORBIDDEN, FAULT_OURS},
    {"poloapi 400", 400, JSON, "{\"message\":\"bad\"}", OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"poloapi 402", 402, "", "", OUTCOME_NO_CREDIT, FAULT_OURS},
    {"poloapi 404", 404, "", "", OUTCOME_HTTP_ERROR, FAULT_RELAY},
    {"poloapi 413", 413, "", "", OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"poloapi 500", 500, "", "", OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"poloapi 503", 503, "", "", OUTCOME_SERVER_ERROR, FAULT_RELAY},
    /* OpenAI and Anthropic */
    {"OpenAI key", 401, JSON,
     "{\"error\":{\"message\":\"Incorrect API key provided: "
     "sk-1.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}",
     OUTCOME_AUTH, FAULT_OURS},
    {"OpenAI 401, other", 401, JSON,
     "{\"error\":{\"message\":\"You must be a member of an "
     "organization\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}",
     OUTCOME_AUTH, FAULT_OURS},
    {"OpenAI quota", 429, JSON,
     "{\"error\":{\"message\":\"You exceeded your current "
     "quota\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"OpenAI rate", 429, JSON,
     "{\"error\":{\"message\":\"Rate limit reached for gpt-4o in organization org-x on requests per min "
     "(RPM)\",\"type\":\"requests\",\"code\":\"rate_limit_exceeded\"}}",
     OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"OpenAI model", 404, JSON,
     "{\"error\":{\"message\":\"The model `x` does not exist or you do not have access to "
     "it.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"model_not_found\"}}",
     OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"OpenAI unfinished", 400, JSON,
     "{\"error\":{\"message\":\"Could not finish the message because max_tokens or model output limit was reached. Please try again with "
     "higher max_tokens.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}",
     OUTCOME_UNFINISHED, FAULT_OURS},
    {"OpenAI parameter", 400, JSON,
     "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this "
     "model.\",\"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":\"unsupported_parameter\"}}",
     OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"OpenAI server", 500, JSON, "{\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"code\":null}}",
     OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"OpenAI overloaded", 503, JSON,
     "{\"error\":{\"message\":\"The engine is currently overloaded, please try again later\",\"type\":\"server_error\"}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"Azure filter", 400, JSON,
     "{\"error\":{\"message\":\"The response was filtered due to the prompt triggering Azure OpenAI's content management "
     "policy\",\"code\":\"content_filter\"}}",
     OUTCOME_MODERATED, FAULT_OURS},
    {"Anthropic key", 401, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"}}",
     OUTCOME_AUTH, FAULT_OURS},
    {"Anthropic permission", 403, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":\"no\"}}",
     OUTCOME_FORBIDDEN, FAULT_OURS},
    {"Anthropic model", 404, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: claude-9\"}}",
     OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"Anthropic path", 404, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"Not Found\"}}",
     OUTCOME_HTTP_ERROR, FAULT_RELAY},
    {"Anthropic too large", 413, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":\"x\"}}",
     OUTCOME_BAD_REQUEST, FAULT_OURS},
    {"Anthropic rate", 429, JSON,
     "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"Number of requests has exceeded\"}}", OUTCOME_RATE_LIMITED,
     FAULT_NONE},
    {"Anthropic api_error", 500, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Internal server error\"}}",
     OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"Anthropic overloaded", 529, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"Anthropic credit", 400, JSON,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low to access the API\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"Anthropic billing", 402, JSON, "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\",\"message\":\"x\"}}", OUTCOME_NO_CREDIT,
     FAULT_OURS},
    {"Anthropic thinking budget", 400, JSON,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"`max_tokens` must be greater than "
     "`thinking.budget_tokens`\"}}",
     OUTCOME_UNFINISHED, FAULT_OURS},
    /* Gemini, DeepSeek, FastAPI, vLLM, gateways */
    {"Gemini in a list", 429, JSON,
     "[{\"error\":{\"code\":429,\"message\":\"Quota exceeded for metric: x, you exceeded your current "
     "quota\",\"status\":\"RESOURCE_EXHAUSTED\"}}]",
     OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"Gemini key", 400, JSON,
     "{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\",\"status\":\"INVALID_ARGUMENT\"}}",
     OUTCOME_AUTH, FAULT_OURS},
    {"DeepSeek balance", 402, JSON,
     "{\"error\":{\"message\":\"Insufficient Balance\",\"type\":\"unknown_error\",\"param\":null,\"code\":\"invalid_request_error\"}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"DeepSeek key", 401, JSON,
     "{\"error\":{\"message\":\"Authentication Fails (no such "
     "user)\",\"type\":\"authentication_error\",\"code\":\"invalid_request_error\"}}",
     OUTCOME_AUTH, FAULT_OURS},
    {"FastAPI", 422, JSON, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\",\"type\":\"value_error\"}]}", OUTCOME_BAD_REQUEST,
     FAULT_OURS},
    {"vLLM", 404, JSON,
     "{\"object\":\"error\",\"message\":\"The model `x` does not exist.\",\"type\":\"NotFoundError\",\"param\":null,\"code\":404}",
     OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"nested error", 500, JSON, "{\"error\":{\"message\":\"relay failed\",\"error\":{\"code\":\"insufficient_user_quota\"}}}",
     OUTCOME_NO_CREDIT, FAULT_OURS},
    {"error string", 401, JSON, "{\"error\":\"Unauthorized\"}", OUTCOME_AUTH, FAULT_OURS},
    {"Envoy", 503, "text/plain", "upstream connect error or disconnect/reset before headers", OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"cut JSON", 403, JSON, "{\"error\":{\"message\":\"用户额度不足, 剩", OUTCOME_NO_CREDIT, FAULT_OURS},
    {"redirect", 302, HTML, "<a href=\"https://x\">moved</a>", OUTCOME_REDIRECT, FAULT_RELAY},
    {"redirect, bare", 301, "", "", OUTCOME_REDIRECT, FAULT_RELAY},
    /* pages */
    {"Cloudflare challenge", 403, HTML, "<!DOCTYPE html><html><head><title>Just a moment...</title></head>", OUTCOME_NOT_API, FAULT_RELAY},
    {"Cloudflare challenge, 503", 503, HTML, "<html><script src=\"/cdn-cgi/challenge-platform/h\"></script>", OUTCOME_NOT_API, FAULT_RELAY},
    {"Cloudflare block", 403, HTML, "<html><head><title>Attention Required! | Cloudflare</title>", OUTCOME_NOT_API, FAULT_RELAY},
    {"Cloudflare text", 403, "text/plain", "error code: 1020", OUTCOME_NOT_API, FAULT_RELAY},
    {"Cloudflare limit", 429, HTML, "<html><title>Access denied | Cloudflare</title>You are being rate limited", OUTCOME_RATE_LIMITED,
     FAULT_NONE},
    {"Cloudflare 522", 522, HTML, "<html><title>522: Connection timed out</title>", OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"nginx 502", 502, HTML, "<html>\r\n<head><title>502 Bad Gateway</title></head>", OUTCOME_SERVER_ERROR, FAULT_RELAY},
    {"a site's 404", 404, HTML, "<!doctype html><html>", OUTCOME_NOT_API, FAULT_RELAY},
    {"Alibaba Cloud WAF", 405, HTML, "<html><script>var arg1='X';setCookie('acw_sc__v2')</script>", OUTCOME_NOT_API, FAULT_RELAY},
};

static void expect(const struct row *row, struct outcome o, const char *detail)
{
    if (o.kind != row->kind || o.fault != row->fault)
        fail_msg("%s: %s / %s, wanted %s / %s (\"%s\")", row->what, outcome_name(o.kind), fault_name(o.fault), outcome_name(row->kind),
                 fault_name(row->fault), detail);
    assert_int_equal(o.http_status, row->status);
    assert_true(text_is_utf8(detail, strlen(detail)));
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        const struct row *row = &answers[i];
        struct classification c = classify_answer(row->status, row->type, row->body, strlen(row->body));
        expect(row, c.outcome, c.detail);
        assert_int_equal(c.outcome.stage, STAGE_HEADERS);
    }
}

/* Under 200: what is an error there, and what it becomes. */
static const struct row under_200[] = {
    {"mid-stream, OpenRouter", 200, "",
     "{\"id\":\"g\",\"error\":{\"code\":\"server_error\",\"message\":\"Provider "
     "disconnected\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}",
     OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"in the choice", 200, "",
     "{\"choices\":[{\"error\":{\"code\":502,\"message\":\"Provider returned error\"},\"message\":{\"content\":\"\"}}]}",
     OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"code 429", 200, "", "{\"error\":{\"code\":429,\"message\":\"slow\"}}", OUTCOME_RATE_LIMITED, FAULT_NONE},
    {"code 402", 200, "", "{\"error\":{\"code\":402,\"message\":\"pay\"}}", OUTCOME_NO_CREDIT, FAULT_OURS},
    {"code \"401\"", 200, "", "{\"error\":{\"code\":\"401\",\"message\":\"no\"}}", OUTCOME_AUTH, FAULT_OURS},
    {"our quota", 200, "", "{\"error\":{\"message\":\"insufficient quota\",\"type\":\"new_api_error\"}}", OUTCOME_NO_CREDIT, FAULT_OURS},
    {"upstream's quota", 200, "", "{\"error\":{\"message\":\"insufficient quota\",\"type\":\"upstream_error\"}}", OUTCOME_UPSTREAM_FULL,
     FAULT_RELAY},
    {"upstream error", 200, "", "{\"error\":{\"message\":\"upstream failed\",\"type\":\"upstream_error\",\"code\":\"bad_response\"}}",
     OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"moderated", 200, "", "{\"error\":{\"message\":\"x\",\"code\":\"sensitive_words_detected\"}}", OUTCOME_MODERATED, FAULT_OURS},
    {"one-api billing", 200, "", "{\"error\":{\"message\":\"无效的令牌\",\"type\":\"upstream_error\",\"param\":\"\",\"code\":null}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"/v1/models/unknown", 200, "",
     "{\"error\":{\"message\":\"The model 'x' does not "
     "exist\",\"type\":\"invalid_request_error\",\"param\":\"model\",\"code\":\"model_not_found\"}}",
     OUTCOME_MODEL_MISSING, FAULT_RELAY},
    {"new-api group", 200, "", "{\"success\":false,\"message\":\"get user group failed\"}", OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"Anthropic overloaded", 200, "", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
     OUTCOME_UPSTREAM_FULL, FAULT_RELAY},
    {"Anthropic rate", 200, "", "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\"}}", OUTCOME_RATE_LIMITED,
     FAULT_NONE},
    {"Anthropic api_error", 200, "", "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}", OUTCOME_ERROR_IN_200,
     FAULT_RELAY},
    {"vLLM", 200, "", "{\"object\":\"error\",\"message\":\"boom\",\"type\":\"x\",\"code\":500}", OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"SiliconFlow", 200, "", "{\"code\":50505,\"message\":\"gone\",\"data\":null}", OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"sub2api", 200, "", "{\"code\":\"INSUFFICIENT_BALANCE\",\"message\":\"x\"}", OUTCOME_NO_CREDIT, FAULT_OURS},
    {"error text", 200, "", "{\"error\":\"boom\"}", OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"error true", 200, "", "{\"error\":true}", OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"errors", 200, "", "{\"errors\":[{\"message\":\"boom\"}]}", OUTCOME_ERROR_IN_200, FAULT_RELAY},
    {"Responses", 200, "",
     "{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"message\":\"upstream stream failed\"}}}",
     OUTCOME_ERROR_IN_200, FAULT_RELAY},
};

static const char *const no_errors[] = {
    "{}",
    "[]",
    "null",
    "\"error\"",
    "{\"error\":null}",
    "{\"error\":\"\",\"choices\":[]}",
    "{\"error\":{},\"choices\":[]}",
    "{\"error\":false}",
    "{\"errors\":[]}",
    "{\"success\":true,\"message\":\"\",\"data\":[]}",
    "{\"code\":20000,\"message\":\"Ok\",\"status\":true,\"data\":{}}",
    "{\"code\":0,\"message\":\"ok\"}",
    "{\"code\":true,\"message\":\"ok\",\"data\":{}}",
    "{\"code\":\"success\",\"message\":\"ok\"}",
    "{\"choices\":[{\"delta\":{\"content\":\"invalid api key\"},\"finish_reason\":null,\"error\":null}],\"error\":null}",
    "{\"type\":\"message_start\",\"message\":{}}",
    "{\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{}}",
};

static void test_under_200(void **state)
{
    (void)state;
    struct classification c;
    for (size_t i = 0; i < ARRAY_LEN(under_200); i++) {
        const struct row *row = &under_200[i];
        cJSON *json = json_parse(row->body, strlen(row->body), NULL);
        assert_non_null(json);
        if (!classify_json(json, STAGE_STREAM, 200, &c))
            fail_msg("%s: no error seen", row->what);
        expect(row, c.outcome, c.detail);
        assert_int_equal(c.outcome.stage, STAGE_STREAM);
        cJSON_Delete(json);
    }
    for (size_t i = 0; i < ARRAY_LEN(no_errors); i++) {
        cJSON *json = json_parse(no_errors[i], strlen(no_errors[i]), NULL);
        assert_non_null(json);
        if (classify_json(json, STAGE_STREAM, 200, &c))
            fail_msg("an error in %s", no_errors[i]);
        cJSON_Delete(json);
    }
}

static void test_not_json(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a page", 200, HTML, "<!DOCTYPE html><html><title>Home</title>", OUTCOME_NOT_API, FAULT_RELAY},
        {"a page of no type", 200, "", "\xef\xbb\xbf\r\n <html>", OUTCOME_NOT_API, FAULT_RELAY},
        {"text called a page", 200, HTML, "hello", OUTCOME_NOT_API, FAULT_RELAY},
        {"nothing", 200, JSON, "", OUTCOME_EMPTY, FAULT_RELAY},
        {"nothing, called a page", 200, HTML, "", OUTCOME_EMPTY, FAULT_RELAY},
        {"blanks", 200, JSON, " \r\n", OUTCOME_EMPTY, FAULT_RELAY},
        {"half a JSON", 200, JSON, "{\"choices\":[", OUTCOME_MALFORMED, FAULT_RELAY},
        {"text", 200, "text/plain", "ok", OUTCOME_MALFORMED, FAULT_RELAY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct classification c = classify_not_json(200, rows[i].type, rows[i].body, strlen(rows[i].body));
        expect(&rows[i], c.outcome, c.detail);
    }
}

static void expect_detail(int status, const char *body, const char *detail)
{
    struct classification c = classify_answer(status, "", body, strlen(body));
    assert_string_equal(c.detail, detail);
}

static void test_detail(void **state)
{
    (void)state;
    expect_detail(403,
                  "{\"error\":{\"message\":\"用户额度不足 (request id: "
                  "2026112403425012)\",\"type\":\"new_api_error\",\"code\":\"insufficient_user_quota\"}}",
                  "insufficient_user_quota: 用户额度不足");
    expect_detail(403, "{\"error\":{\"message\":\"no (tid: 2026) more\",\"type\":\"t\"}}", "t: no more");
    expect_detail(
        429,
        "{\"error\":{\"code\":429,\"message\":\"Provider returned error\",\"metadata\":{\"provider_name\":\"Chutes\",\"raw\":\"busy\"}}}",
        "429: Provider returned error by Chutes: busy");
    expect_detail(401, "{\"error\":{\"message\":\"Incorrect API key provided: sk-proj-abcdefGH12345678.\\n\\tFind it\"}}",
                  "Incorrect API key provided: sk-***. Find it");
    expect_detail(401, "key 0123456789abcdef0123456789abcdef is bad", "key *** is bad");
    expect_detail(404, "model claude-sonnet-4-5-20250929 is gone", "model claude-sonnet-4-5-20250929 is gone"); /* no key */
    expect_detail(404, "the task-force is risk-based", "the task-force is risk-based");
    expect_detail(502, "<html><head><title>\n502 Bad   Gateway</title>", "a web page: 502 Bad Gateway");
    expect_detail(403, "<html><title>Just a moment...</title>", "a firewall's page: Just a moment...");
    expect_detail(500, "bad \xff\xfe utf-8", "bad \xef\xbf\xbd\xef\xbf\xbd utf-8");
    expect_detail(500, "", "");
}

/* Long and cut anywhere, the detail stays valid and no key is seen in it, not even a cut one. */
static void test_detail_is_bounded(void **state)
{
    (void)state;
    char body[1600];
    for (size_t lead = 0; lead < 1100; lead++) {
        int n = snprintf(body, sizeof body, "%*s", (int)lead, "");
        for (int i = 0; i < n; i++)
            body[i] = i % 3 ? '\xad' : '\xe4'; /* broken and whole characters */
        snprintf(body + n, sizeof body - (size_t)n, " sk-abcdefghijklmnop1234567890 中文中文中文");
        struct classification c = classify_answer(500, "", body, strlen(body));
        assert_true(strlen(c.detail) < sizeof c.detail);
        assert_true(text_is_utf8(c.detail, strlen(c.detail)));
        assert_null(strstr(c.detail, "sk-a"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_under_200),         cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_detail),  cmocka_unit_test(test_detail_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
