/* Names and sentences for what accounts tell: the only place where they are. */
#include "probed/core/accounts.h"

#include <stddef.h>

static const char *name(const char *const *names, size_t len, unsigned i)
{
    return i < len ? names[i] : "?";
}

const char *account_state_name(enum account_state state)
{
    static const char *const names[ACCOUNT_STATES] = {"insufficient_data", "as_advertised", "dearer", "cheaper"};

    return name(names, ACCOUNT_STATES, state);
}

const char *account_why_name(enum account_why why)
{
    static const char *const names[ACCOUNT_WHYS] = {
#define X(id, name, text) name,
        ACCOUNT_WHY_TABLE(X)
#undef X
    };

    return name(names, ACCOUNT_WHYS, why);
}

const char *account_why_text(enum account_why why)
{
    static const char *const texts[ACCOUNT_WHYS] = {
#define X(id, name, text) text,
        ACCOUNT_WHY_TABLE(X)
#undef X
    };

    return name(texts, ACCOUNT_WHYS, why);
}

const char *account_evidence_name(enum account_evidence evidence)
{
    static const char *const names[ACCOUNT_EVIDENCES] = {"none", "usage_cost", "generation", "token_delta", "balance_delta"};

    return name(names, ACCOUNT_EVIDENCES, evidence);
}

const char *account_tokens_name(enum account_tokens state)
{
    static const char *const names[ACCOUNT_TOKENS_STATES] = {"insufficient_data", "as_known", "inflated"};

    return name(names, ACCOUNT_TOKENS_STATES, state);
}

const char *account_change_name(enum account_change_kind kind)
{
    static const char *const names[ACCOUNT_CHANGE_KINDS] = {"topup", "gift", "expired", "correction"};

    return name(names, ACCOUNT_CHANGE_KINDS, kind);
}

const char *account_runway_name(enum account_runway state)
{
    static const char *const names[ACCOUNT_RUNWAYS] = {"insufficient_data", "ok", "not_falling", "unlimited"};

    return name(names, ACCOUNT_RUNWAYS, state);
}

const char *account_event_name(enum account_event_type type)
{
    static const char *const names[ACCOUNT_EVENTS] = {"change", "ratio", "drift", "inflated", "jump", "low_credit", "short_runway"};

    return name(names, ACCOUNT_EVENTS, type);
}
