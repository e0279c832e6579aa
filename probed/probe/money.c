/* What a chat probe costs, whether it may be sent, and how large it is.
 *
 * Reserved is the worst that the probe is expected to cost: prompt tokens (from the prompt's length until usage has told them) and max_tokens of output, ten times
 * that for a reasoning model nothing is known of yet, since max_tokens does not bound thinking everywhere, unless it was seen to. Once answers have told their
 * usage, the expectation is their decayed mean, and the reservation what the dearest lately cost with a margin, never less than the expectation.
 * Settled is what usage says at the configured price; without usage the reservation stands.
 *
 * The size. A reasoning model begins with a larger one, and so does a model that turns out to think though nobody said so: what was learnt of it
 * until then is forgotten, since its answers were cut. It doubles whenever an answer found no room, up to MOST_MAX_TOKENS or to what the relay refuses as
 * too large, and goes back slowly while far less is used.
 *
 * The governor: at the configured intervals the expected chats and bursts of a day cost so and so much; if that is more than the pace at which the budget lasts
 * until money comes back (budget_pace), every paid interval is stretched by the same factor, so that it lasts the day instead of being spent by noon. What the
 * budget then still refuses goes down the ladder: the route's platform is probed by `models`, or `reach`, and the row says so. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probed/probe/prober_parts.h"

#define PLAIN_MAX_TOKENS 24      /* one word, with room for a sentence around it */
#define REASONING_MAX_TOKENS 512 /* doubled when it proves too small */
#define MOST_MAX_TOKENS 4096
#define PROMPT_TOKENS 160        /* the challenge is 60-90 tokens; other tokenizers and a relay's own system prompt make it more */
#define REASONING_SURPRISE 10
#define LEARNT_ENOUGH 5
#define LEARN_WEIGHT 0.2

bool money_reasoning(const struct target *t)
{
    return target_route(t)->reasoning || t->manners.reasons;
}

/* Where the size begins, and what it never shrinks below. */
static int least_max_tokens(const struct target *t)
{
    return money_reasoning(t) ? REASONING_MAX_TOKENS : PLAIN_MAX_TOKENS;
}

int money_max_tokens(const struct target *t)
{
    const struct config_route *route = target_route(t);
    if (route->max_tokens > 0)
        return route->max_tokens;
    int size = t->max_tokens > 0 ? t->max_tokens : least_max_tokens(t);
    return t->manners.most_tokens > 0 && size > t->manners.most_tokens ? t->manners.most_tokens : size;
}

bool money_too_large(struct target *t)
{
    int half = money_max_tokens(t) / 2;
    if (target_route(t)->max_tokens > 0 || half < PLAIN_MAX_TOKENS)
        return false; /* the operator's word; or so small that it can't have been the reason */
    t->manners.most_tokens = t->max_tokens = half;
    return true;
}

/* pico reference currency for so many tokens; -1: no price known. Rounds up, saturates. */
static int64_t reckon(const struct price *price, double prompt, double output)
{
    if (!price->known)
        return -1;
    double pico = prompt * (double)price->input + output * (double)price->output + (double)price->call;
    return pico >= 9e18 ? INT64_MAX / 2 : (int64_t)pico + (pico > 0);
}

static int64_t price_of(const struct target *t, double prompt, double output)
{
    return reckon(&t->p->platforms[t->platform].prices[t->index], prompt, output);
}

int64_t money_price(const struct target *t, double prompt, double output)
{
    int64_t price = price_of(t, prompt, output);
    return price >= 0 ? price : target_route(t)->max_probe_cost;
}

int64_t money_worst(const struct target *t)
{
    const struct config_route *route = target_route(t);
    int64_t worst;
    if (t->learnt >= LEARNT_ENOUGH) {
        double output = t->most_output * 1.5;
        worst = price_of(t, t->learnt_prompt * 1.5, output > money_max_tokens(t) ? output : money_max_tokens(t));
    } else {
        worst = price_of(t, PROMPT_TOKENS, (double)money_max_tokens(t) * (money_reasoning(t) && !t->manners.bounded ? REASONING_SURPRISE : 1));
    }
    return worst >= 0 ? worst : route->max_probe_cost;
}

int64_t money_expected(const struct target *t)
{
    if (t->learnt == 0)
        return money_worst(t);
    int64_t expected = price_of(t, t->learnt_prompt, t->learnt_output);
    return expected >= 0 ? expected : target_route(t)->max_probe_cost;
}

/* The budget's word, and the platform's own limit where it has one. */
static enum budget_verdict affordable(const struct target *t, int64_t worst, usec_t now)
{
    const struct prober *p = t->p;
    const struct config_platform *c = p->platforms[t->platform].config;
    if (worst == 0)
        return budget_tripped(p->budget, t->account) ? BUDGET_TRIPPED : BUDGET_GRANTED;
    if (c->budget != BUDGET_UNLIMITED && budget_spent_platform(p->budget, c->name, now) > c->budget - worst)
        return BUDGET_PLATFORM_SPENT;
    return budget_check(p->budget, t->account, worst, now);
}

enum probe_level money_level(struct target *t, usec_t now, char *why, size_t size)
{
    const struct prober *p = t->p;
    const struct platform *pf = &p->platforms[t->platform];
    const struct config_route *route = target_route(t);
    enum probe_level level = route->level < pf->config->level ? route->level : pf->config->level;
    why[0] = '\0';
    if (level > LEVEL_REACH && platform_lacks_key(pf)) {
        snprintf(why, size, "%.150s", pf->key_why);
        return LEVEL_REACH;
    }
    if (level < LEVEL_CHAT)
        return level;
    int64_t worst = money_worst(t);
    if (worst < 0) {
        snprintf(why, size, "no price is known and max_probe_cost is not given");
        return LEVEL_MODELS;
    }
    enum budget_verdict verdict = affordable(t, worst, now);
    if (verdict == BUDGET_GRANTED)
        return LEVEL_CHAT;
    snprintf(why, size, "%s", budget_verdict_text(verdict));
    return LEVEL_MODELS;
}

void money_level_changed(struct target *t, enum probe_level level, const char *why)
{
    if (t->kind != PROBE_CHAT) { /* it has no level of its own, but a reason */
        snprintf(t->why, sizeof t->why, "%s", why);
        return;
    }
    usec_t interval = level == LEVEL_CHAT ? target_rule(t).interval : 0; /* the governor moves it: rows say by it when they are stale */
    if (t->level == level && t->told_interval == interval && strcmp(t->why, why) == 0)
        return;
    t->level = level;
    t->told_interval = interval;
    snprintf(t->why, sizeof t->why, "%s", why);
    t->p->owner.level(t->p->owner.arg, t->platform, t->index, level, t->why, interval);
}

void money_unreserve(struct target *t)
{
    budget_settle(t->p->budget, t->account, t->reserved, t->reserved_at, 0, t->expected);
    t->reserved = 0;
    money_level_changed(t, LEVEL_MODELS, "the reservation could not be written down");
}

int money_reserve(struct target *t, usec_t now) { return money_reserve_sum(t, money_worst(t), money_expected(t), now); }

int money_reserve_sum(struct target *t, int64_t worst, int64_t expected, usec_t now)
{
    struct prober *p = t->p;
    t->reserved = worst;
    t->expected = expected;
    t->agreed = p->platforms[t->platform].prices[t->index];
    t->reserved_at = now;
    if (t->reserved <= 0)
        return t->reserved == 0 ? 0 : -ENOSPC; /* free: nothing to write down */
    enum budget_verdict verdict = affordable(t, t->reserved, now);
    if (verdict == BUDGET_GRANTED)
        verdict = budget_reserve(p->budget, t->account, t->reserved, now);
    if (verdict != BUDGET_GRANTED) {
        money_level_changed(t, LEVEL_MODELS, budget_verdict_text(verdict));
        return -ENOSPC;
    }
    int r = p->owner.reserve(p->owner.arg, t->platform, t->index, t->reserved, now, ++p->tickets);
    if (r == -EINPROGRESS) {
        t->ticket = p->tickets;
        TAILQ_INSERT_TAIL(&p->reserving, t, reserving);
        return r;
    }
    if (r < 0) {
        money_unreserve(t);
        return -ENOSPC;
    }
    return 0;
}

void money_settle_sum(struct target *t, int64_t cost)
{
    struct prober *p = t->p;
    if (t->reserved > 0 || cost > 0) { /* what was free may have got a price meanwhile */
        bool tripped = budget_settle(p->budget, t->account, t->reserved, t->reserved_at, cost, t->expected);
        p->owner.settle(p->owner.arg, t->platform, t->index, t->reserved, t->reserved_at, cost, tripped);
        if (tripped)
            p->owner.breaker(p->owner.arg, t->platform, t->index, cost, t->expected);
    }
    t->reserved = 0;
}

/* Whoever tells too little cannot stretch the budget by it: not by zeroes for a prompt that was sent, not by counts that came before the answer broke off (what was
 * reserved stands), not by a cost below his own price, nor by a price that fell while the probe was under way. */
void money_cost(const struct target *t, struct observation *o)
{
    if (o->cost_pico >= 0)
        return;
    bool whole = outcome_ok(o->outcome) || o->outcome.kind == OUTCOME_UNFINISHED;
    int64_t usage = -1, told = config_convert(t->p->config, o->charged_pico, "USD");
    if (o->prompt_tokens > 0 && o->output_tokens >= 0) {
        int64_t now = price_of(t, o->prompt_tokens, o->output_tokens), agreed = reckon(&t->agreed, o->prompt_tokens, o->output_tokens);
        usage = agreed > now ? agreed : now;
    }
    o->cost_pico = told > usage ? told : usage;
    if ((usage < 0 && told == 0) || (!whole && o->cost_pico < t->reserved))
        o->cost_pico = -1;
    if (!outcome_ok(o->outcome) && o->outcome.stage <= STAGE_TLS)
        o->cost_pico = 0; /* it was never sent */
}

void money_settle(struct target *t, struct observation *o)
{
    money_cost(t, o);
    money_settle_sum(t, o->cost_pico);
    money_learn(t, o);
}

/* True if the answers before say nothing about those to come. */
static bool learn_size(struct target *t, const struct observation *o)
{
    bool too_small = o->outcome.kind == OUTCOME_UNFINISHED || (o->flags & OBSERVED_THINKING_ONLY), was = money_reasoning(t);
    int size = money_max_tokens(t);
    if (too_small && o->output_tokens > 0 && o->output_tokens <= size)
        t->manners.bounded = true;
    if (manners_reasons(&t->manners, o) && !was) {
        t->max_tokens = 0; /* it begins anew */
        t->learnt = 0;
        t->most_output = 0;
        return too_small;
    }
    if (target_route(t)->max_tokens > 0)
        return false; /* the operator's word */
    if (too_small) {
        t->max_tokens = size * 2 < MOST_MAX_TOKENS ? size * 2 : MOST_MAX_TOKENS;
    } else if (outcome_ok(o->outcome) && t->max_tokens > 0 && o->output_tokens >= 0 && o->output_tokens < size / 4) {
        int floor = 2 * t->most_output > least_max_tokens(t) ? 2 * t->most_output : least_max_tokens(t), less = size - size / 16;
        t->max_tokens = less > floor ? less : size < floor ? size : floor;
    }
    return false;
}

void money_learn(struct target *t, const struct observation *o)
{
    if (learn_size(t, o) || o->prompt_tokens < 0 || o->output_tokens < 0)
        return;
    double weight = t->learnt == 0 ? 1 : LEARN_WEIGHT;
    t->learnt_prompt += weight * (o->prompt_tokens - t->learnt_prompt);
    t->learnt_output += weight * (o->output_tokens - t->learnt_output);
    t->most_output -= t->most_output / 16; /* an old surprise fades */
    if (o->output_tokens > t->most_output)
        t->most_output = o->output_tokens;
    t->learnt++;
}

/* It is chatted with whenever there is money: also if the budget refuses it now, since that comes back; not if its worst fits in no day at all. */
static bool is_wanted(const struct target *t)
{
    const struct prober *p = t->p;
    const struct platform *pf = &p->platforms[t->platform];
    const int64_t limits[] = {p->config->budget.all, p->config->budget.platform, p->config->budget.route, pf->config->budget};
    if (target_route(t)->level < LEVEL_CHAT || pf->config->level < LEVEL_CHAT || platform_lacks_key(pf) || budget_tripped(p->budget, t->account))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (limits[i] != BUDGET_UNLIMITED && money_worst(t) > limits[i])
            return false;
    return true;
}

/* What the routes would cost in a day at their configured intervals, against what may be spent. */
void money_govern(struct prober *p)
{
    double all = 0, stretch = 1;
    for (size_t i = 0; i < p->platforms_len; i++) {
        const struct platform *pf = &p->platforms[i];
        const struct config_probe *burst = &pf->config->probes[PROBE_BURST];
        double sum = 0;
        for (size_t j = 0; j < pf->config->routes_len; j++) {
            const struct target *t = pf->routes[j];
            int64_t expected = is_wanted(t) ? money_expected(t) : 0;
            if (expected > 0)
                sum += (double)expected * (double)USEC_PER_DAY / (double)target_probe(t)->rule.interval;
            if (expected > 0 && burst->rule.interval > 0)
                sum += (double)expected * burst->size * (double)USEC_PER_DAY / (double)burst->rule.interval;
        }
        all += sum;
    }
    int64_t pace = budget_pace(p->budget, loop_now(p->loop));
    if (pace > 0 && all > (double)pace)
        stretch = all / (double)pace;
    p->stretch = stretch;
}
