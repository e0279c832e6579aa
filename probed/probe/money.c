/* What a chat probe costs, whether it may be sent, and how large it is.
 *
 * Reserved is the worst that the probe is expected to cost: prompt tokens (from the prompt's length until usage has told them) and max_tokens of output, ten times
 * that for a reasoning model nothing is known of yet, since max_tokens does not bound thinking everywhere (ANCHORS.md 0.2). Once answers have told their
 * usage, the expectation is their decayed mean, and the reservation what the dearest lately cost with a margin, never less than the expectation.
 * Settled is what usage says at the configured price; without usage the reservation stands.
 *
 * The governor: at the configured intervals the expected probes of a day cost so and so much; if that is more than the budget allows, every paid interval is stretched
 * by the same factor, so that the money lasts the day instead of being spent by noon. What the budget then still refuses goes
 * down the ladder: the route's platform is probed by `models`, or `reach`, and the row says so. */
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

int money_max_tokens(const struct target *t)
{
    const struct config_route *route = target_route(t);
    if (route->max_tokens > 0)
        return route->max_tokens;
    if (t->max_tokens > 0)
        return t->max_tokens;
    return route->reasoning ? REASONING_MAX_TOKENS : PLAIN_MAX_TOKENS;
}

/* pico reference currency for so many tokens; -1: no price known. Rounds up, saturates. */
static int64_t price_of(const struct target *t, double prompt, double output)
{
    const struct config_price *price = &target_route(t)->price;
    if (!price->known)
        return -1;
    double pico = prompt * (double)price->input + output * (double)price->output + (double)price->call;
    int64_t own = pico >= 9e18 ? INT64_MAX / 2 : (int64_t)pico + (pico > 0);
    return config_convert(t->p->config, own, price->currency);
}

int64_t money_worst(const struct target *t)
{
    const struct config_route *route = target_route(t);
    int64_t worst;
    if (t->learnt >= LEARNT_ENOUGH) {
        double output = t->most_output * 1.5;
        worst = price_of(t, t->learnt_prompt * 1.5, output > money_max_tokens(t) ? output : money_max_tokens(t));
    } else {
        worst = price_of(t, PROMPT_TOKENS, (double)money_max_tokens(t) * (route->reasoning ? REASONING_SURPRISE : 1));
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

int money_reserve(struct target *t, usec_t now)
{
    struct prober *p = t->p;
    t->reserved = money_worst(t);
    t->expected = money_expected(t);
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

void money_settle(struct target *t, struct observation *o)
{
    struct prober *p = t->p;
    if (o->cost_pico < 0 && o->prompt_tokens >= 0 && o->output_tokens >= 0)
        o->cost_pico = price_of(t, o->prompt_tokens, o->output_tokens);
    if (t->reserved > 0) {
        bool tripped = budget_settle(p->budget, t->account, t->reserved, t->reserved_at, o->cost_pico, t->expected);
        p->owner.settle(p->owner.arg, t->platform, t->index, t->reserved, t->reserved_at, o->cost_pico, tripped);
        if (tripped)
            p->owner.breaker(p->owner.arg, t->platform, t->index, o->cost_pico, t->expected);
    }
    t->reserved = 0;
    money_learn(t, o);
}

void money_learn(struct target *t, const struct observation *o)
{
    /* A thinking model that came to no answer needs more room next time; the configured size is the operator's word. */
    bool too_small = o->outcome.kind == OUTCOME_UNFINISHED || (o->flags & OBSERVED_THINKING_ONLY);
    if (too_small && target_route(t)->max_tokens == 0) {
        int doubled = money_max_tokens(t) * 2;
        t->max_tokens = doubled < MOST_MAX_TOKENS ? doubled : MOST_MAX_TOKENS;
    }
    if (o->prompt_tokens < 0 || o->output_tokens < 0)
        return;
    double weight = t->learnt == 0 ? 1 : LEARN_WEIGHT;
    t->learnt_prompt += weight * (o->prompt_tokens - t->learnt_prompt);
    t->learnt_output += weight * (o->output_tokens - t->learnt_output);
    t->most_output -= t->most_output / 16; /* an old surprise fades */
    if (o->output_tokens > t->most_output)
        t->most_output = o->output_tokens;
    t->learnt++;
}

/* What the routes would cost in a day at their configured intervals, against what may be spent. */
void money_govern(struct prober *p)
{
    double all = 0, stretch = 1;
    for (size_t i = 0; i < p->platforms_len; i++) {
        const struct platform *pf = &p->platforms[i];
        double sum = 0;
        for (size_t j = 0; j < pf->config->routes_len; j++) {
            const struct target *t = pf->routes[j];
            int64_t expected = t->level == LEVEL_CHAT ? money_expected(t) : 0;
            if (expected > 0)
                sum += (double)expected * (double)USEC_PER_DAY / (double)target_probe(t)->rule.interval;
        }
        all += sum;
    }
    if (p->config->budget.all > 0 && all > (double)p->config->budget.all)
        stretch = all / (double)p->config->budget.all;
    p->stretch = stretch;
}
