/* The strategies that people use today, each written from its documentation. strategies.c puts them in the order of the report. */
#ifndef TESTS_SIM_RANKING_PUBLISHED_H
#define TESTS_SIM_RANKING_PUBLISHED_H

#include "tests/sim/ranking/strategy.h"

extern const struct strategy strategy_thompson, strategy_ucb;
extern const struct strategy strategy_ewma_best, strategy_ewma_share, strategy_peak_ewma;
extern const struct strategy strategy_litellm_latency, strategy_litellm_shuffle;
extern const struct strategy strategy_openrouter, strategy_envoy, strategy_haproxy, strategy_portkey, strategy_round_robin;

#endif
