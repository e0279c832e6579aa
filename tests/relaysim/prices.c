/* What a model costs at a relay.
 *
 * The listed price is the behaviour's; what is taken is that for the tokens as they are told (inflated, with hidden prompts), times what
 * the relay overcharges, rounded up to its smallest charge. A name that ends in ":free" costs nothing, as OpenRouter's do. */
#include "tests/relaysim/prices.h"

#include <math.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

struct prices prices_of(const struct relay *relay, const char *model)
{
    const struct behaviour *b = relay_behaviour(relay, model);
    if (model && ends_with(model, ":free"))
        return (struct prices){.cache_read = -1, .cache_write = -1, .tier = 1, .free = true};
    return (struct prices){.input = b->price_input,
                           .output = b->price_output,
                           .cache_read = b->price_cache_read,
                           .cache_write = b->price_cache_write,
                           .call = b->price_call,
                           .tier = b->price_tier,
                           .tier_from = b->price_tier_from,
                           .unlisted = model && strcmp(model, "openrouter/auto") == 0};
}

double prices_cost(const struct prices *p, unsigned prompt, unsigned cached, unsigned completion)
{
    double times = p->tier_from > 0 && prompt >= (unsigned)p->tier_from ? p->tier : 1;
    double cache_read = p->cache_read >= 0 ? p->cache_read : p->input;
    cached = cached < prompt ? cached : prompt;
    return p->call + times * ((prompt - cached) * p->input + cached * cache_read + completion * p->output) / 1e6;
}

void prices_reckon(const struct relay *relay, const struct behaviour *b, bool failed, struct bill *bill)
{
    struct prices p = prices_of(relay, bill->model);
    bill->advertised = prices_cost(&p, bill->told_prompt, bill->cached, bill->told_completion);
    bill->fair = prices_cost(&p, bill->prompt_tokens, 0, bill->completion_tokens);
    bill->charged = bill->advertised * b->overcharge * (failed ? b->fail_charge : 1);
    if (b->charge_round > 0 &&
        bill->charged > 0) /* a hair less, so that what is a whole number of units is not rounded up by the way it is stored */
        bill->charged = ceil(bill->charged / b->charge_round - 1e-9) * b->charge_round;
}

const char *prices_group(const struct behaviour *b)
{
    return b->price_group && *b->price_group ? b->price_group : "default";
}
