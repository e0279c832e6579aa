/* What a request costs by what is advertised. Products are formed in floating point first, so that figures and counts from outside cannot
 * overflow: where the product is too large for an integer it is TARIFF_MOST. Ranges come from what the figures cannot decide: a prompt that
 * may have been cached, and thinking tokens that may or may not be part of the output that was told. */
#include "probed/core/tariff.h"

#include <string.h>

static const struct tariff_figures unknown = {TARIFF_UNKNOWN, TARIFF_UNKNOWN, TARIFF_UNKNOWN, TARIFF_UNKNOWN, TARIFF_UNKNOWN};

struct tariff tariff_make(void)
{
    struct tariff t = {.price = unknown};

    for (int i = 0; i < TARIFF_TIERS; i++)
        t.tiers[i] = (struct tariff_tier){.from_tokens = TARIFF_UNKNOWN, .price = unknown};
    return t;
}

static bool figures_known(const struct tariff_figures *f)
{
    return (f->input >= 0 && f->output >= 0) || f->call >= 0;
}

bool tariff_known(const struct tariff *t)
{
    return figures_known(&t->price);
}

static bool figures_same(const struct tariff_figures *a, const struct tariff_figures *b)
{
    return a->input == b->input && a->output == b->output && a->cache_read == b->cache_read && a->cache_write == b->cache_write &&
           a->call == b->call;
}

bool tariff_same(const struct tariff *a, const struct tariff *b)
{
    if (!figures_same(&a->price, &b->price) || a->tiers_len != b->tiers_len)
        return false;
    for (int i = 0; i < a->tiers_len; i++) {
        if (a->tiers[i].from_tokens != b->tiers[i].from_tokens || !figures_same(&a->tiers[i].price, &b->tiers[i].price))
            return false;
    }
    return true;
}

const struct tariff_figures *tariff_at(const struct tariff *t, int64_t input)
{
    const struct tariff_figures *f = &t->price;

    for (int i = 0; i < t->tiers_len && i < TARIFF_TIERS; i++) {
        if (t->tiers[i].from_tokens >= 0 && input >= t->tiers[i].from_tokens)
            f = &t->tiers[i].price;
    }
    return f;
}

static int64_t times(int64_t price, int64_t count)
{
    if (price <= 0 || count <= 0)
        return 0;
    return (double)price * (double)count >= (double)TARIFF_MOST ? TARIFF_MOST : price * count;
}

static int64_t plus(int64_t a, int64_t b)
{
    return a > TARIFF_MOST - b ? TARIFF_MOST : a + b; /* both within 0 and TARIFF_MOST */
}

/* What the prompt costs. A cache price that is not known is the price of input. */
static struct tariff_cost prompt_cost(const struct tariff_figures *f, int64_t input, int64_t cached)
{
    int64_t low = f->input, high = f->input, read = f->cache_read >= 0 ? f->cache_read : f->input;

    if (cached > 0 && cached <= input) { /* what is not read from the cache may have been written to it */
        int64_t from_cache = times(read, cached);

        high = f->cache_write > high ? f->cache_write : high;
        return (struct tariff_cost){plus(times(low, input - cached), from_cache), plus(times(high, input - cached), from_cache)};
    }
    if (input >= TARIFF_CACHED_FROM) {
        low = cached != 0 && read < low ? read : low;
        high = f->cache_write > high ? f->cache_write : high;
    }
    return (struct tariff_cost){times(low, input), times(high, input)};
}

bool tariff_cost(const struct tariff *t, const struct tariff_usage *u, struct tariff_cost *ret)
{
    const struct tariff_figures *f = tariff_at(t, u->input);
    int64_t call = f->call > TARIFF_MOST ? TARIFF_MOST : f->call > 0 ? f->call : 0;
    int64_t more = u->reasoning > u->output ? plus(u->output < 0 ? 0 : u->output, u->reasoning) : u->output;

    if (!figures_known(f))
        return false;
    if (f->input < 0 && f->output < 0) { /* by the request alone */
        *ret = (struct tariff_cost){call, call};
        return true;
    }
    /* Tokens of a kind that costs nothing need not be known. */
    if (f->input < 0 || f->output < 0 || (u->input < 0 && f->input > 0) || (u->output < 0 && f->output > 0))
        return false;
    struct tariff_cost prompt = prompt_cost(f, u->input, u->cached);

    ret->low = plus(plus(call, prompt.low), times(f->output, u->output));
    ret->high = plus(plus(call, prompt.high), times(f->output, more));
    return true;
}
