/* Who plays, in the order of the report. */
#include <stddef.h>
#include <string.h>

#include "shared/compiler.h"
#include "tests/sim/ranking/published.h"

extern const struct strategy strategy_probed, strategy_oracle;

const struct strategy *const strategies[] = {
    &strategy_probed,          &strategy_thompson,        &strategy_ucb,
    &strategy_ewma_best,       &strategy_ewma_share,      &strategy_peak_ewma,
    &strategy_litellm_latency, &strategy_litellm_shuffle, &strategy_openrouter,
    &strategy_envoy,           &strategy_haproxy,         &strategy_portkey,
    &strategy_round_robin,     &strategy_oracle,
};
const int strategies_len = (int)ARRAY_LEN(strategies);

const struct strategy *strategy_find(const char *name)
{
    for (int i = 0; i < strategies_len; i++)
        if (strcmp(strategies[i]->name, name) == 0)
            return strategies[i];
    return NULL;
}
