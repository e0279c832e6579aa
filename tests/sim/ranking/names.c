/* What the preferences weigh, and the names of answers as the replay format writes them. */
#include "shared/compiler.h"
#include "tests/sim/ranking/strategy.h"

const struct preference preferences[PREFERENCES] = {
    {"production", 0.15, 0.05},
    {"latency", 0.40, 0.02},
    {"cost", 0.05, 0.30},
};

static const char *const answer_names[ANSWERS] = {
    [ANSWER_OK] = "",
    [ANSWER_TIMEOUT] = "timeout",
    [ANSWER_REFUSED] = "refused",
    [ANSWER_RESET] = "reset",
    [ANSWER_DNS] = "dns",
    [ANSWER_TLS] = "tls",
    [ANSWER_5XX] = "http_5xx",
    [ANSWER_RATE_LIMITED] = "rate_limited",
    [ANSWER_AUTH] = "auth",
    [ANSWER_NO_CREDIT] = "no_credit",
    [ANSWER_MODEL_MISSING] = "model_missing",
    [ANSWER_BAD_BODY] = "bad_body",
    [ANSWER_STALL] = "stall",
};

const char *answer_name(enum answer answer)
{
    return (unsigned)answer < ARRAY_LEN(answer_names) ? answer_names[answer] : "?";
}
