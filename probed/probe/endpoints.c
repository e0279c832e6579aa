/* Endpoint health and the choice of the one in use.
 *
 * Every endpoint is reached on its own schedule. It is down after `fall` failures in a row that are the relay's fault and up again after `rise`
 * successes, the same numbers as a route's; a start counts as up, so that the first endpoint is used until it proves bad. In use is, for each
 * dialect, the first in the configured order that is up; when none is, the one in use stays, since a change would only make the cause harder to see.
 * Only when every endpoint of the platform is down is the platform said to be: evidence that lowers its routes. */
#include <string.h>

#include "probed/probe/prober_parts.h"

static uint8_t choose(const struct platform *pf, enum dialect_id dialect)
{
    uint8_t first = UINT8_MAX;
    for (size_t i = 0; i < pf->config->endpoints_len; i++) {
        if (pf->config->endpoints[i].dialect != dialect)
            continue;
        if (pf->endpoints[i]->up)
            return (uint8_t)i;
        if (first == UINT8_MAX)
            first = (uint8_t)i;
    }
    uint8_t now = pf->in_use[dialect];
    bool still = now < pf->config->endpoints_len && pf->config->endpoints[now].dialect == dialect;
    return still ? now : first;
}

static bool all_down(const struct platform *pf)
{
    for (size_t i = 0; i < pf->config->endpoints_len; i++)
        if (pf->endpoints[i]->up)
            return false;
    return pf->config->endpoints_len > 0;
}

enum dialect_id endpoints_dialect(const struct platform *pf)
{
    for (int d = 0; d < DIALECT_COUNT; d++)
        if (pf->in_use[d] != UINT8_MAX)
            return (enum dialect_id)d;
    return DIALECT_OPENAI;
}

void endpoints_init(struct platform *pf)
{
    for (int d = 0; d < DIALECT_COUNT; d++) {
        pf->in_use[d] = UINT8_MAX;
        pf->in_use[d] = choose(pf, (enum dialect_id)d);
    }
    pf->all_down = all_down(pf);
}

static void tell_choice(struct prober *p, struct platform *pf, size_t index)
{
    for (int d = 0; d < DIALECT_COUNT; d++) {
        uint8_t chosen = choose(pf, (enum dialect_id)d);
        if (chosen == pf->in_use[d])
            continue;
        pf->in_use[d] = chosen;
        p->owner.endpoint(p->owner.arg, index, (enum dialect_id)d, pf->config->endpoints[chosen].url);
    }
}

void endpoints_seen(struct target *t, const struct observation *o)
{
    struct prober *p = t->p;
    struct platform *pf = &p->platforms[t->platform];
    t->last = *o;
    if (o->outcome.fault == FAULT_LOCAL)
        return;
    if (outcome_ok(o->outcome)) {
        t->successes++;
        t->fails = 0;
        if (!t->up && t->successes >= p->config->health.rise)
            t->up = true;
    } else {
        t->fails++;
        t->successes = 0;
        if (t->up && t->fails >= p->config->health.fall)
            t->up = false;
    }
    tell_choice(p, pf, t->platform);
    bool was_down = pf->all_down;
    pf->all_down = all_down(pf);
    /* While all are down each further failure is told, and the first success of the recovery once. */
    if (pf->all_down ? !outcome_ok(o->outcome) : was_down)
        p->owner.observed_platform(p->owner.arg, t->platform, o);
}

/* A chat could not even connect: ask the endpoint itself now rather than at its next turn. */
void endpoints_suspect(struct platform *pf, struct prober *p, uint8_t endpoint)
{
    if (endpoint >= pf->config->endpoints_len)
        return;
    struct target *t = pf->endpoints[endpoint];
    usec_t now = loop_now(p->loop);
    if (t->phase != TARGET_IDLE || now - t->last.at < USEC_PER_SEC)
        return; /* it is being asked, or has just been */
    t->kicked = true;
    t->due = now;
    loop_timer_stop(t->timer);
    admit_queue(t);
}

enum pace endpoints_pace(const struct target *t, const struct health_rules *rules)
{
    if (t->up ? t->fails > 0 : t->successes > 0)
        return PACE_FAST;
    if (!t->up && t->fails > 4 * rules->fall)
        return PACE_SLOW;
    return PACE_STEADY;
}
