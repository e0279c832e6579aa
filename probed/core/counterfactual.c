/* What would have to be different for a route to be first, one thing at a time.
 *
 * Each answer is found by trying: the route's input is changed, the losses of the whole model are computed again (the change moves references and
 * retries too), and the answer stands only if the route then has the smallest loss by enough to gather evidence against the present
 * first. So what is printed is true: with that change, and nothing else changed, the route becomes first. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probed/core/ranker_inside.h"

#define HALVINGS 24

struct trial {
    struct ranker *ranker;
    size_t model, policy, place;
};

/* With input_room as it stands: would the route win? Everything in its own class or worse stays there. */
static bool wins(const struct trial *t)
{
    struct ranker *r = t->ranker;
    const struct ranked_model *m = &r->models[t->model];
    const struct standing *s = &m->standings[t->policy];

    ranker_losses(r, t->model, t->policy, r->input_room);
    int64_t mine = r->loss_room[t->place].nano;

    for (size_t i = 0; i < m->len; i++) {
        if (i == t->place || !r->eligible_room[i] || r->prepared_room[i].rank_class > r->prepared_room[t->place].rank_class)
            continue;
        if (r->loss_room[i].nano <= mine)
            return false;
    }
    return s->first < 0 || s->first == (int)t->place || !r->eligible_room[s->first] ||
           rank_gains(mine, r->loss_room[s->first].nano, ranker_softness(r));
}

enum what { WHAT_LATENCY, WHAT_PRICE, WHAT_CHANCE };

static void change(const struct trial *t, enum what what, double factor)
{
    struct ranker *r = t->ranker;
    const struct ranked_model *m = &r->models[t->model];
    struct loss_input *in = &r->input_room[t->place];

    *in = m->inputs[t->place];
    if (what == WHAT_LATENCY) {
        for (int i = 0; i < LATENCY_STATISTICS; i++)
            in->latency[i] *= factor;
    } else if (what == WHAT_PRICE) {
        in->price_input = (int64_t)floor((double)in->price_input * factor);
        in->price_output = (int64_t)floor((double)in->price_output * factor);
        in->price_call = (int64_t)floor((double)in->price_call * factor);
    } else {
        in->chance *= factor;
    }
}

/* The largest factor below one with which it wins; negative = none. */
static double search(const struct trial *t, enum what what)
{
    double low = 0, high = 1;

    change(t, what, 0);
    if (!wins(t))
        return -1;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;

        change(t, what, middle);
        if (wins(t))
            low = middle;
        else
            high = middle;
    }
    t->ranker->input_room[t->place] = t->ranker->models[t->model].inputs[t->place];
    return low;
}

static bool say_latency(const struct trial *t, const struct policy *policy, char ret[160])
{
    const struct ranker *r = t->ranker;
    const struct latency *ttft = &r->routes[r->models[t->model].routes[t->place]]->stats.ttft;
    /* In terms of what is measured: the allowance for few samples scales with it. */
    double now = (double)latency_statistic(ttft, policy->latency) / 1000, factor = now > 0 ? search(t, WHAT_LATENCY) : -1, wanted = floor(now * factor);

    if (wanted < 1)
        return false;
    snprintf(ret, 160, "first if its first token (%s) were at most %.0f ms; it is %.0f ms", latency_statistic_name(policy->latency), wanted,
             now);
    return true;
}

static bool say_price(const struct trial *t, const struct policy *policy, char ret[160])
{
    const struct loss_input *in = &t->ranker->models[t->model].inputs[t->place];
    int64_t cost = loss_request_cost(policy, in);
    double factor = cost > 0 ? search(t, WHAT_PRICE) : -1;
    int thousandths = (int)floor(factor * 1000);
    char input[24], output[24];

    if (thousandths < 1)
        return false;
    units_format_price(input, sizeof(input), (int64_t)floor((double)in->price_input * thousandths / 1000));
    units_format_price(output, sizeof(output), (int64_t)floor((double)in->price_output * thousandths / 1000));
    snprintf(ret, 160, "first if its price were at most %.1f %% of what it is: input %.20s, output %.20s per 1M tokens", thousandths / 10.0,
             input, output);
    return true;
}

static bool say_chance(const struct trial *t, char ret[160])
{
    double now = t->ranker->models[t->model].inputs[t->place].chance;
    double factor = now > 0 ? search(t, WHAT_CHANCE) : -1, wanted = floor(now * factor * 1e4) / 1e2;

    if (wanted <= 0)
        return false;
    snprintf(ret, 160, "first if at most %.2f %% of its tries failed; %.2f %% is what it is counted with now", wanted, now * 100);
    return true;
}

/* For a route that may not have traffic: would it be first without that one thing? */
static bool say_exclusion(const struct trial *t, enum route_reason reason, char ret[160])
{
    struct ranker *r = t->ranker;
    static const struct {
        enum route_reason reason;
        const char *text;
    } words[] = {
        {REASON_DRAINED, "first if it were not drained"},
        {REASON_MAINTENANCE, "first if it were not in its maintenance window"},
        {REASON_UNUSABLE, "first if our key and credit worked there"},
        {REASON_MISSING, "first if the platform had this model again"},
    };

    r->prepared_room[t->place].rank_class = RANK_USABLE;
    if (!wins(t))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (words[i].reason == reason) {
            snprintf(ret, 160, "%s", words[i].text);
            return true;
        }
    }
    return false;
}

size_t ranker_counterfactual(struct ranker *r, const struct ranked_route *route, size_t policy, usec_t now, char ret[3][160])
{
    const struct trial t = {r, (size_t)route->model, policy, route->place};
    const struct ranked_model *m = &r->models[route->model];
    enum route_reason exclusion = ranker_exclusion(r, route);
    size_t len = 0;

    if (m->standings[policy].first == (int)route->place || !m->standings[policy].places[route->place].meets)
        return 0;
    /* A pin holds against any number. */
    if (m->standings[policy].pinned && exclusion == REASON_FIRST)
        return 0;
    ranker_prepare(r, (size_t)route->model, now);
    memcpy(r->input_room, m->inputs, m->len * sizeof(m->inputs[0]));
    if (exclusion != REASON_FIRST)
        return m->standings[policy].pinned ? 0 : (size_t)say_exclusion(&t, exclusion, ret[0]);
    /* Flapping, refused or down: no number would help before that has passed. */
    if (r->prepared_room[route->place].rank_class != RANK_USABLE)
        return 0;
    len += say_latency(&t, &r->policies[policy], ret[len]);
    len += say_price(&t, &r->policies[policy], ret[len]);
    len += say_chance(&t, ret[len]);
    return len;
}
