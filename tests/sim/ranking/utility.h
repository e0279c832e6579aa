/* What a try is worth under a preference, as a strategy can know it: the prices it was told, the times it saw. */
#ifndef TESTS_SIM_RANKING_UTILITY_H
#define TESTS_SIM_RANKING_UTILITY_H

#include "tests/sim/ranking/strategy.h"

struct utility {
    int platforms, models;
    double a, b;                                  /* of the preference */
    double cost[MODELS_MAX][PLATFORMS_MAX];       /* USD of one request; < 0 = no price known */
    double first_cost[MODELS_MAX][PLATFORMS_MAX]; /* by the first price that was told */
};

void utility_init(struct utility *utility, const struct strategy_setup *setup);
void utility_price(struct utility *utility, int platform, int model, double input_usd_per_mtok, double output_usd_per_mtok);

/* The cost of a request there over the mean cost of the model; with no price: twice the dearest; with none anywhere: 1. */
double utility_relative_cost(const struct utility *utility, int platform, int model);
/* A try that succeeded after so many seconds to the first token; a try that failed and wasted so many seconds. */
double utility_of_success(const struct utility *utility, int platform, int model, double seconds);
double utility_of_failure(const struct utility *utility, double seconds);
double utility_of_result(const struct utility *utility, const struct result *result);

bool result_ok(const struct result *result);
/* To the first token of a success; that a failure wasted. 0 when nobody knows. */
double result_seconds(const struct result *result);

#endif
