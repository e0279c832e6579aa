/* The value of a try, as far as a strategy can know it.
 *
 * The world scores a request as success - a * ttft / 2 s - b * cost / mean cost, and a failed one as -1 and its wasted time. A strategy
 * that optimises needs the same sum from what it was told: prices come by `price`, times by `observe`. The state is the cost of one request
 * of the usual size for each route. The mean cost is that of the first prices, so that the unit stays the same when prices change.
 *
 * It never looks at the world's truth, and it never guesses a price: a route without one counts as twice the dearest. */
#include "tests/sim/ranking/utility.h"

#define REQUEST_INPUT_TOKENS  1000
#define REQUEST_OUTPUT_TOKENS 300

void utility_init(struct utility *utility, const struct strategy_setup *setup)
{
    utility->platforms = setup->platforms;
    utility->models = setup->models;
    utility->a = setup->preference->a;
    utility->b = setup->preference->b;
    for (int m = 0; m < MODELS_MAX; m++)
        for (int p = 0; p < PLATFORMS_MAX; p++)
            utility->cost[m][p] = utility->first_cost[m][p] = -1;
}

void utility_price(struct utility *utility, int platform, int model, double input_usd_per_mtok, double output_usd_per_mtok)
{
    double cost = (REQUEST_INPUT_TOKENS * input_usd_per_mtok + REQUEST_OUTPUT_TOKENS * output_usd_per_mtok) / 1e6;

    utility->cost[model][platform] = cost;
    if (utility->first_cost[model][platform] < 0)
        utility->first_cost[model][platform] = cost;
}

double utility_relative_cost(const struct utility *utility, int platform, int model)
{
    const double *cost = utility->cost[model];
    double sum = 0, dearest = 0;
    int known = 0;
    for (int p = 0; p < utility->platforms; p++) {
        if (cost[p] < 0)
            continue;
        sum += utility->first_cost[model][p];
        known++;
        if (cost[p] > dearest)
            dearest = cost[p];
    }
    if (sum <= 0)
        return 1;
    return (cost[platform] >= 0 ? cost[platform] : 2 * dearest) / (sum / known);
}

double utility_of_success(const struct utility *utility, int platform, int model, double seconds)
{
    return 1 - utility->a * seconds / 2 - utility->b * utility_relative_cost(utility, platform, model);
}

double utility_of_failure(const struct utility *utility, double seconds)
{
    return -1 - utility->a * seconds / 2;
}

double utility_of_result(const struct utility *utility, const struct result *result)
{
    double seconds = result_seconds(result);
    return result_ok(result) ? utility_of_success(utility, result->platform, result->model, seconds) : utility_of_failure(utility, seconds);
}

bool result_ok(const struct result *result)
{
    return result->answer == ANSWER_OK;
}

double result_seconds(const struct result *result)
{
    double ms = result_ok(result) && result->ttft_ms >= 0 ? result->ttft_ms : result->total_ms;
    return ms > 0 ? ms / 1000 : 0;
}
