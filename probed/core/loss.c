/* The loss formula, and nothing else.
 *
 * A retry's worth q + sT + mC does not depend on who failed before it, but for correlation: so the few best retries are found once, and each
 * route only looks through those. Everything here is a function of its arguments. */
#include "probed/core/loss.h"

#include <math.h>
#include <stdlib.h>

#include "shared/alloc.h"

#define TERM_MOST 1e15 /* a million failed requests: sums stay far from the end of int64 */

const char *loss_term_name(enum loss_term term)
{
    static const char *const names[LOSS_TERMS] = {"failure", "waiting", "money", "stability", "capacity", "honesty"};

    return (size_t)term < LOSS_TERMS ? names[term] : "?";
}

struct pool { /* sums in whole millionths, so that they don't depend on the order of the routes */
    int64_t weight, sum;
};

static void pool_add(struct pool *p, const struct loss_learnt *own)
{
    /* How a route fails is its own way: who fails a hundred times says no more about the others than who fails a few times. */
    double weight = own->weight < LOSS_POOL ? own->weight : LOSS_POOL;

    p->weight += llround(weight * 1e6);
    p->sum += llround(weight * own->value * 1e6);
}

static double pool_value(const struct pool *p, double unknown)
{
    double weight = (double)p->weight / 1e6, missing = weight < 1 ? 1 - weight : 0;

    /* One failure seen anywhere is known enough: pessimism on top of it would fall on those that fail least. */
    return ((double)p->sum / 1e6 + missing * unknown) / (weight + missing);
}

static double shrink(const struct loss_learnt *own, double pooled)
{
    return (own->weight * own->value + LOSS_POOL * pooled) / (own->weight + LOSS_POOL);
}

void loss_pool(struct loss_input *inputs, size_t len)
{
    struct pool waste = {0}, charged = {0};

    for (size_t i = 0; i < len; i++) {
        pool_add(&waste, &inputs[i].own_waste);
        pool_add(&charged, &inputs[i].own_charged);
    }
    double wasted = pool_value(&waste, LOSS_WASTE_UNKNOWN), share = pool_value(&charged, LOSS_CHARGED_UNKNOWN);

    for (size_t i = 0; i < len; i++) {
        inputs[i].waste = shrink(&inputs[i].own_waste, wasted);
        inputs[i].charged = shrink(&inputs[i].own_charged, share);
    }
}

int64_t loss_request_cost(const struct policy *policy, const struct loss_input *in)
{
    if (!in->price_known)
        return -1;
    __int128 cost = (__int128)in->price_input * policy->input_tokens + (__int128)in->price_output * policy->output_tokens + in->price_call;

    return cost < 0 ? 0 : cost > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)cost;
}

/* fmax is a call for the sake of NAN, which does not come in here. */
static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, size_t len)
{
    if (len == 0)
        return 0;
    qsort(values, len, sizeof(values[0]), compare_doubles);
    return len % 2 ? values[len / 2] : (values[len / 2 - 1] + values[len / 2]) / 2;
}

/* Free routes don't make a reference; with some free and some not, the median may be one, and then only the others count. */
static double reference_cost(double *costs, size_t len, enum cost_reference reference)
{
    double sum = 0;

    if (reference == REFERENCE_MEAN) {
        for (size_t i = 0; i < len; i++)
            sum += costs[i];
        return len > 0 ? sum / (double)len : 0;
    }
    double middle = median(costs, len);
    size_t free_ones = 0;

    if (middle > 0)
        return middle;
    while (free_ones < len && costs[free_ones] <= 0)
        free_ones++;
    return median(costs + free_ones, len - free_ones);
}

static const struct load_effect *effect(const struct policy *policy, const struct loss_input *in)
{
    return &in->load[load_bucket(policy->concurrency > 0 ? (unsigned)policy->concurrency : 1)];
}

double loss_latency(const struct policy *policy, const struct loss_input *in)
{
    return in->latency[policy->latency] * (1 + (double)effect(policy, in)->slower);
}

void loss_field_init(struct loss_field *f, const struct policy *policy, const struct loss_input *inputs, size_t len)
{
    double few[64], *many = NULL, *costs = few, dearest = 0, slowest = -1;
    size_t known = 0;

    if (len > sizeof(few) / sizeof(few[0]))
        costs = many = alloc_zero(len, sizeof(double));
    for (size_t i = 0; i < len; i++) {
        int64_t cost = loss_request_cost(policy, &inputs[i]);

        slowest = larger(slowest, loss_latency(policy, &inputs[i]));
        if (cost < 0)
            continue;
        costs[known++] = (double)cost;
        dearest = larger(dearest, (double)cost);
    }
    f->reference = reference_cost(costs, known, policy->reference);
    f->cost_unknown = 2 * dearest;
    f->latency_unknown = slowest > 0 ? slowest : LOSS_LATENCY_UNKNOWN;
    if (f->reference <= 0)
        f->exchange = 0;
    else if (policy->failure_pico > 0)
        f->exchange = 1 / (double)policy->failure_pico;
    else
        f->exchange = policy->money / f->reference;
    free(many);
}

/* What one try on the route is expected to take and cost. */
static void expect_try(const struct policy *policy, const struct loss_field *f, const struct loss_input *in, struct loss *l)
{
    int64_t cost = loss_request_cost(policy, in);
    double price = cost >= 0 ? (double)cost : f->cost_unknown, latency = loss_latency(policy, in);
    double p = in->chance + (1 - in->chance) * (double)effect(policy, in)->fails;

    if (latency < 0)
        latency = f->latency_unknown;
    l->chance = p;
    l->wait = (1 - p) * latency + p * in->waste;
    l->cost = (1 - p) * price + p * in->charged * price;
}

static int64_t nano(double failures)
{
    double value = failures * LOSS_NANO + 0.5;

    /* Never negative, and never what is no number (out of a damaged memory): truncation rounds to the nearest. */
    return value > TERM_MOST ? (int64_t)TERM_MOST : value > 0 ? (int64_t)value : 0;
}

struct retry {
    double worth;
    int route;
};

/* The best retries, least worth first; equal ones in order of p, so that the order of routes has no say. */
static size_t find_retries(const struct policy *policy, const struct loss_field *f, const struct loss_input *inputs, const bool *eligible,
                           size_t len, const struct loss *tries, struct retry *ret)
{
    size_t found = 0;

    for (size_t i = 0; i < len; i++) {
        if ((eligible && !eligible[i]) || !inputs[i].candidate)
            continue;
        double worth = tries[i].chance + policy->second * tries[i].wait + f->exchange * tries[i].cost;
        size_t at = found;

        while (at > 0 && (ret[at - 1].worth > worth ||
                          (ret[at - 1].worth == worth && tries[ret[at - 1].route].chance > tries[i].chance)))
            at--;
        if (at >= LOSS_RETRIES)
            continue;
        size_t last = found < LOSS_RETRIES ? found++ : LOSS_RETRIES - 1;

        for (size_t k = last; k > at; k--)
            ret[k] = ret[k - 1];
        ret[at] = (struct retry){worth, (int)i};
    }
    return found;
}

static void choose_retry(const struct retry *retries, size_t len, struct loss *tries, size_t i, loss_together_fn together, const void *arg)
{
    struct loss *l = &tries[i];
    double least = INFINITY;

    l->retry = -1;
    l->together = 1;
    for (size_t k = 0; k < len && retries[k].worth < least; k++) {
        size_t j = (size_t)retries[k].route;

        if (j == i)
            continue;
        double p = tries[j].chance, q = together ? larger(p, together(arg, i, j)) : p, worth = retries[k].worth - p + q;

        if (worth >= least)
            continue;
        least = worth;
        l->retry = (int)j;
        l->together = q;
    }
}

static void compose(const struct policy *policy, const struct loss_field *f, const struct loss_input *in, struct loss *l)
{
    double p = l->chance, incapacity = 1 - (1 - in->incapacity) * (1 - (double)effect(policy, in)->refused);

    l->term[LOSS_FAILURE] = nano(p * l->together);
    l->term[LOSS_WAITING] = nano(policy->second * (l->wait + p * l->wait_retry));
    l->term[LOSS_MONEY] = nano(f->exchange * (l->cost + p * l->cost_retry));
    l->term[LOSS_STABILITY] = nano(policy->stability * in->instability);
    l->term[LOSS_CAPACITY] = nano(policy->capacity * incapacity);
    l->term[LOSS_HONESTY] = nano(policy->honesty * in->dishonesty);
    l->nano = 0;
    for (int t = 0; t < LOSS_TERMS; t++)
        l->nano += l->term[t];
}

double loss_doubt(const struct policy *policy, const struct loss_input *in)
{
    double latency = in->latency[policy->latency] > 0 ? in->latency[policy->latency] : LOSS_LATENCY_UNKNOWN;

    return policy->second * latency * in->latency_doubt + (in->chance - in->estimate) * (1 + policy->second * in->waste);
}

void loss_compute(const struct policy *policy, const struct loss_field *f, const struct loss_input *inputs, const bool *eligible, size_t len,
                  loss_together_fn together, const void *arg, struct loss *ret)
{
    struct retry retries[LOSS_RETRIES];

    for (size_t i = 0; i < len; i++)
        expect_try(policy, f, &inputs[i], &ret[i]);
    size_t found = find_retries(policy, f, inputs, eligible, len, ret, retries);

    for (size_t i = 0; i < len; i++) {
        struct loss *l = &ret[i];

        choose_retry(retries, found, ret, i, together, arg);
        l->wait_retry = l->retry >= 0 ? ret[l->retry].wait : 0;
        l->cost_retry = l->retry >= 0 ? ret[l->retry].cost : 0;
        compose(policy, f, &inputs[i], l);
    }
}
