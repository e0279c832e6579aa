/* Means over worlds. Families are fixed, seeds are drawn: the standard error is that of the mean over families of means over seeds. */
#include <math.h>

#include "tests/sim/ranking/bench.h"

static double utility_of(const struct score *score)
{
    return score->requests > 0 ? score->utility / score->requests : 0;
}

static double regret_of(const struct bench *bench, int preference, int family, int seed, int strategy)
{
    return 1000 * (utility_of(bench_score(bench, preference, family, seed, bench->strategies_len - 1)) -
                   utility_of(bench_score(bench, preference, family, seed, strategy)));
}

/* Squared standard error of the mean over seeds; 0 when there is one seed. */
static double regret_variance(const struct bench *bench, int preference, int family, int strategy)
{
    double sum = 0, squares = 0, n = bench->seeds_len;

    for (int s = 0; s < bench->seeds_len; s++)
        sum += regret_of(bench, preference, family, s, strategy);
    for (int s = 0; s < bench->seeds_len; s++)
        squares += pow(regret_of(bench, preference, family, s, strategy) - sum / n, 2);
    return n > 1 ? squares / (n - 1) / n : 0;
}

static void add_world(struct summary *sum, const struct score *score)
{
    double requests = fmax(1, score->requests), answered = fmax(1, score->requests - score->failed);

    sum->first_failed += score->first_failed / requests;
    sum->failed += score->failed / requests;
    sum->wait_s += score->wait_s / answered;
    sum->wait_p95_s += score_wait_p95(score);
    sum->cost += score->cost / requests;
    sum->changes += score->model_hours > 0 ? score->changes / score->model_hours : 0;
}

struct summary summary_make(const struct bench *bench, int preference, int family, int strategy)
{
    struct summary sum = {.regret = 0};
    double worlds = 0, kinds = 0, detects = 0, returns = 0, detect_s = 0, return_s = 0;

    for (int f = family < 0 ? 0 : family; f < (family < 0 ? bench->families_len : family + 1); f++) {
        sum.regret_error += regret_variance(bench, preference, f, strategy);
        kinds++;
        for (int s = 0; s < bench->seeds_len; s++) {
            const struct score *score = bench_score(bench, preference, f, s, strategy);

            sum.regret += regret_of(bench, preference, f, s, strategy);
            add_world(&sum, score);
            detects += score->detects;
            detect_s += score->detect_s;
            returns += score->returns;
            return_s += score->return_s;
            worlds++;
        }
    }
    sum.regret /= worlds;
    sum.regret_error = sqrt(sum.regret_error) / kinds;
    sum.first_failed /= worlds;
    sum.failed /= worlds;
    sum.wait_s /= worlds;
    sum.wait_p95_s /= worlds;
    sum.cost /= worlds;
    sum.changes /= worlds;
    sum.detect_s = detects > 0 ? detect_s / detects : -1;
    sum.return_s = returns > 0 ? return_s / returns : -1;
    return sum;
}
