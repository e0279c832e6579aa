/* The words of records: kinds, errors, flags. Constant tables and look-ups in them. */
#include "probed/core/record_words.h"

#include <errno.h>
#include <string.h>

static const struct kind {
    const char *name;
    bool platform, model;
} kinds[] = {
#define X(id, name, platform, model) {name, platform, model},
    RECORD_KIND_TABLE(X)
#undef X
};

/* What those who write histories by hand or from a gateway's log know of a failure. */
#define ERROR_TABLE(X) \
    X(timeout, OUTCOME_TIMEOUT) \
    X(refused, OUTCOME_REFUSED) \
    X(reset, OUTCOME_RESET) \
    X(dns, OUTCOME_RESOLVE) \
    X(tls, OUTCOME_TLS) \
    X(http_5xx, OUTCOME_SERVER_ERROR) \
    X(rate_limited, OUTCOME_RATE_LIMITED) \
    X(auth, OUTCOME_AUTH) \
    X(no_credit, OUTCOME_NO_CREDIT) \
    X(model_missing, OUTCOME_MODEL_MISSING) \
    X(bad_body, OUTCOME_MALFORMED) \
    X(stall, OUTCOME_STALLED)

static const struct {
    const char *name;
    enum outcome_kind kind;
} errors[] = {
#define X(name, outcome) {#name, outcome},
    ERROR_TABLE(X)
#undef X
};

static const struct {
    const char *name;
    enum observation_flag flag;
} flag_words[] = {
    {"challenge_passed", OBSERVED_CHALLENGE_PASSED},
    {"challenge_failed", OBSERVED_CHALLENGE_FAILED},
    {"model_differs", OBSERVED_MODEL_DIFFERS},
    {"one_burst", OBSERVED_ONE_BURST},
    {"cumulative", OBSERVED_CUMULATIVE},
    {"thinking_only", OBSERVED_THINKING_ONLY},
    {"no_usage", OBSERVED_NO_USAGE},
    {"usage_impossible", OBSERVED_USAGE_IMPOSSIBLE},
    {"cached", OBSERVED_CACHED},
    {"id_odd", OBSERVED_ID_ODD},
    {"same_answer", OBSERVED_SAME_ANSWER},
};

static const struct { enum record_kind kind; enum probe_kind probe; } observed[] = {
    {RECORD_CHAT, PROBE_CHAT},   {RECORD_REACH, PROBE_REACH},        {RECORD_MODELS, PROBE_MODELS},
    {RECORD_BURST, PROBE_BURST}, {RECORD_TRIAL, PROBE_CAPABILITIES},
};

bool record_observes(enum record_kind kind, enum probe_kind *ret)
{
    for (size_t i = 0; i < sizeof observed / sizeof *observed; i++)
        if (observed[i].kind == kind) {
            *ret = observed[i].probe;
            return true;
        }
    return false;
}

enum record_kind record_kind_of(enum probe_kind probe)
{
    for (size_t i = 0; i < sizeof observed / sizeof *observed; i++)
        if (observed[i].probe == probe)
            return observed[i].kind;
    return RECORD_CHAT;
}

const char *record_kind_name(enum record_kind kind)
{
    return (size_t)kind < ARRAY_LEN(kinds) ? kinds[kind].name : "?";
}

int record_kind_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

const char *record_kind_names(void)
{
    static const char names[] =
#define X(id, name, platform, model) ", " name
        RECORD_KIND_TABLE(X);
#undef X

    return names + 2;
}

bool record_kind_needs_platform(enum record_kind kind)
{
    return kinds[kind].platform;
}

bool record_kind_needs_model(enum record_kind kind)
{
    return kinds[kind].model;
}

int record_error_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].kind;
    }
    return outcome_kind_from_name(name);
}

const char *record_error_names(void)
{
    static const char names[] =
#define X(name, outcome) ", " #name
        ERROR_TABLE(X);
#undef X

    return names + 2;
}

int record_error_of_status(int http_status)
{
    if (http_status == 429)
        return OUTCOME_RATE_LIMITED;
    if (http_status == 401)
        return OUTCOME_AUTH;
    if (http_status == 402)
        return OUTCOME_NO_CREDIT;
    if (http_status == 403)
        return OUTCOME_FORBIDDEN;
    if (http_status >= 500)
        return OUTCOME_SERVER_ERROR;
    if (http_status >= 400)
        return OUTCOME_HTTP_ERROR;
    return http_status == 0 ? OUTCOME_RESET : OUTCOME_MALFORMED;
}

const char *record_error_name(enum outcome_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (errors[i].kind == kind)
            return errors[i].name;
    }
    return kind == OUTCOME_OK ? "" : outcome_name(kind);
}

int record_flags_parse(const char *text, uint16_t *ret)
{
    *ret = 0;
    while (*text) {
        size_t len = strcspn(text, " "), i = 0;

        while (i < ARRAY_LEN(flag_words) && (strlen(flag_words[i].name) != len || memcmp(flag_words[i].name, text, len) != 0))
            i++;
        if (len > 0 && i == ARRAY_LEN(flag_words))
            return -EINVAL;
        if (len > 0)
            *ret |= (uint16_t)flag_words[i].flag;
        text += len + (text[len] == ' ');
    }
    return 0;
}

void record_flags_print(uint16_t flags, struct buf *to)
{
    const char *lead = "";

    for (size_t i = 0; i < ARRAY_LEN(flag_words); i++) {
        if (!(flags & flag_words[i].flag))
            continue;
        buf_add_str(to, lead);
        buf_add_str(to, flag_words[i].name);
        lead = " ";
    }
}
