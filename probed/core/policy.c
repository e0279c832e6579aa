/* The names of a policy's latency statistics, and whether a route carries what a policy requires. A policy itself is plain values
 * that the configuration owns. */
#include "probed/core/policy.h"

#include <string.h>

#include "shared/compiler.h"

const char *latency_statistic_name(enum latency_statistic statistic)
{
    static const char *const names[] = {"mean", "p50", "p90", "p95"};

    return (size_t)statistic < ARRAY_LEN(names) ? names[statistic] : "?";
}

static bool tags_have(const struct tag *tags, size_t len, const struct tag *wanted)
{
    for (size_t i = 0; i < len; i++) {
        if (strcmp(tags[i].name, wanted->name) != 0)
            continue;
        if (!wanted->value || wanted->value[0] == '\0')
            return true;
        if (tags[i].value && strcmp(tags[i].value, wanted->value) == 0)
            return true;
    }
    return false;
}

const struct tag *policy_unmet(const struct policy *policy, const struct tag *model, size_t model_len, const struct tag *platform,
                               size_t platform_len)
{
    for (size_t i = 0; i < policy->require_len; i++) {
        const struct tag *wanted = &policy->require[i];

        if (!tags_have(model, model_len, wanted) && !tags_have(platform, platform_len, wanted))
            return wanted;
    }
    return NULL;
}
