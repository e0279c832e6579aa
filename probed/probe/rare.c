/* Bursts and tries of capabilities: probes of hours and days. A route keeps only when its turn is; there is one target for all bursts and one a platform
 * for capabilities, so that ten thousand routes do not cost ten thousand timers and connections for something that happens once a week.
 *
 * Turns. A first one comes at the route's own phase of the interval, counted from the clock's beginning, so that routes are spread and a restart changes
 * nothing; after a turn the next is an interval later. What is known from before (prober_know) counts. A route that may not have its turn when it comes (its
 * level in force is not chat, it is not up, our own network fails) is looked at again soon; one that could not be paid for waits for the next interval
 * (bursts) or an hour (capabilities).
 * A capability that is declared, or that a policy requires, and was never tried makes its route's turn come at once; one that was refused once where
 * the opposite is known is tried again an hour later; one that stayed unclear after 6 h, 12 h, ... up to the interval. In any case a platform
 * has one route tried an hour. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/schedule.h"
#include "probed/probe/burst.h"
#include "probed/probe/capability_try.h"
#include "probed/probe/prober_parts.h"
#include "shared/alloc.h"

#define LOOK_AGAIN USEC_PER_MINUTE
#define LEVEL_AGAIN (5 * USEC_PER_MINUTE)
#define TRIALS_APART USEC_PER_HOUR
#define CONFIRM_AFTER USEC_PER_HOUR
#define UNCLEAR_AFTER (6 * USEC_PER_HOUR)
#define SPREAD_LATE USEC_PER_HOUR /* what is overdue at the start comes within it */

static const struct config_probe *probe_of(const struct prober *p, enum probe_kind kind, size_t platform)
{
    return &p->platforms[platform].config->probes[kind];
}

const struct config_timeouts *rare_timeouts(const struct target *t) { return &target_probe(t)->timeouts; }

/* The route's own place in any interval, 0..1. */
static double phase(const struct prober *p, enum probe_kind kind, size_t platform, size_t route)
{
    const struct config_platform *c = p->platforms[platform].config;
    uint64_t state = schedule_hash(c->name) * 31 + schedule_hash(c->routes[route].model) + (uint64_t)kind;
    return (double)(schedule_random(&state) >> 11) * 0x1p-53;
}

/* Bursts are stretched with the chats by the governor: they would take all the money else. */
static usec_t interval_of(const struct prober *p, enum probe_kind kind, size_t platform)
{
    return (usec_t)((double)probe_of(p, kind, platform)->rule.interval * (kind == PROBE_BURST ? p->stretch : 1));
}

/* Its first turn after now. */
static usec_t first_turn(const struct prober *p, enum probe_kind kind, size_t platform, size_t route)
{
    usec_t interval = interval_of(p, kind, platform), now = loop_now(p->loop);
    usec_t at = now / interval * interval + (usec_t)(phase(p, kind, platform, route) * (double)interval);
    return at > now ? at : at + interval;
}

/* After a turn at `at`. */
static usec_t next_turn(struct prober *p, enum probe_kind kind, size_t platform, size_t route, usec_t at)
{
    const struct schedule_rule *rule = &probe_of(p, kind, platform)->rule;
    double turn = (double)(schedule_random(&p->random) >> 11) * 0x1p-52 - 1, jitter = fmin(fmax(rule->jitter, 0), 0.5);
    usec_t now = loop_now(p->loop), interval = interval_of(p, kind, platform), due = at + interval + (usec_t)(turn * jitter * (double)interval);
    if (due > now)
        return due;
    return now + 1 + (usec_t)(phase(p, kind, platform, route) * (double)(rule->interval < SPREAD_LATE ? rule->interval : SPREAD_LATE));
}

static void say(char **why, const char *text)
{
    free(*why);
    *why = text && text[0] ? alloc_string(text) : NULL;
}

/* --- what a route may have ------------------------------------------------------------------------------------------------ */

/* Models that only make vectors, by their names: they cannot chat. */
static bool makes_vectors(const char *model)
{
    static const char *const names[] = {"embed", "bge-", "gte-", "m3e-"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasestr(model, names[i]))
            return true;
    return false;
}

static bool declared(const struct prober *p, size_t platform, size_t route, enum capability capability)
{
    const struct config_platform *c = p->platforms[platform].config;
    return capability_declared(capability, c->routes[route].tags, c->routes[route].tags_len, c->tags, c->tags_len);
}

static bool required(const struct prober *p, enum capability capability)
{
    for (size_t i = 0; i < p->config->policies_len; i++)
        for (size_t k = 0; k < p->config->policies[i].require_len; k++)
            if (strcmp(p->config->policies[i].require[k].name, capability_name(capability)) == 0)
                return true;
    return false;
}

bool rare_applies(const struct prober *p, size_t platform, size_t route, enum capability capability)
{
    const struct config_route *r = &p->platforms[platform].config->routes[route];
    bool vectors = makes_vectors(r->upstream);
    enum capability asked = capability == CAPABILITY_USAGE ? CAPABILITY_STREAM : capability;
    if (!capability_has_try(asked, r->dialect))
        return false;
    return capability == CAPABILITY_EMBEDDINGS ? vectors || declared(p, platform, route, capability) : !vectors;
}

usec_t rare_barred(const struct prober *p, enum probe_kind kind, size_t platform, size_t route, const char **ret_why)
{
    const struct platform *pf = &p->platforms[platform];
    const struct target *chat = pf->routes[route];
    *ret_why = NULL;
    if (chat->level < LEVEL_CHAT) {
        *ret_why = chat->why[0] ? chat->why : "the route is not probed at level chat";
        return LEVEL_AGAIN;
    }
    if (anchors_local(p->anchors)) {
        *ret_why = "our own network fails";
        return LOOK_AGAIN;
    }
    if (config_platform_maintenance(pf->config, loop_wall(p->loop))) {
        *ret_why = "the platform is in a maintenance window";
        return LEVEL_AGAIN;
    }
    enum route_state state = p->owner.state ? p->owner.state(p->owner.arg, platform, route) : ROUTE_UP;
    bool fine = state == ROUTE_UP || (kind == PROBE_CAPABILITIES && (state == ROUTE_DEGRADED || makes_vectors(target_route(chat)->upstream)));
    if (!fine)
        *ret_why = kind == PROBE_BURST ? "the route is not up" : "the route does not answer well enough";
    return fine ? 0 : LOOK_AGAIN;
}

/* --- turns of bursts ------------------------------------------------------------------------------------------------------ */

void rare_burst_plan(struct prober *p)
{
    usec_t due = 0;
    if (p->burst->burst)
        return;
    for (size_t i = 0; i < p->platforms_len; i++)
        for (size_t j = 0; j < p->platforms[i].config->routes_len; j++) {
            usec_t at = p->platforms[i].rare[j].burst_due;
            due = at > 0 && (due == 0 || at < due) ? at : due;
        }
    if (due > 0)
        loop_timer_set(p->burst->timer, due);
    else
        loop_timer_stop(p->burst->timer);
}

void rare_burst_over(struct prober *p, size_t platform, size_t route, const char *why)
{
    struct rare *rare = &p->platforms[platform].rare[route];
    say(&rare->burst_why, why);
    rare->burst_due = probe_of(p, PROBE_BURST, platform)->rule.interval > 0 ? next_turn(p, PROBE_BURST, platform, route, loop_now(p->loop)) : 0;
}

bool rare_burst_choose(struct prober *p, size_t *ret_platform, size_t *ret_route)
{
    usec_t now = loop_now(p->loop), least = now;
    bool found = false;
    for (size_t i = 0; i < p->platforms_len; i++)
        for (size_t j = 0; j < p->platforms[i].config->routes_len; j++) {
            struct rare *rare = &p->platforms[i].rare[j];
            const char *why;
            if (rare->burst_due == 0 || rare->burst_due > least || (found && rare->burst_due == least))
                continue;
            usec_t wait = rare_barred(p, PROBE_BURST, i, j, &why);
            if (wait > 0) {
                rare->burst_due = now + wait;
                continue;
            }
            least = rare->burst_due;
            *ret_platform = i;
            *ret_route = j;
            found = true;
        }
    return found;
}

/* --- turns of capabilities -------------------------------------------------------------------------------------------------- */

static uint8_t state_of(const struct rare *rare, int capability) { return rare->known ? rare->known->of[capability].state : CAPABILITY_UNTESTED; }

/* Bits of those that were never tried though somebody relies on them. */
static unsigned untested(const struct prober *p, size_t platform, size_t route)
{
    const struct rare *rare = &p->platforms[platform].rare[route];
    unsigned bits = 0;
    for (int c = 0; c < CAPABILITY_COUNT; c++)
        if (state_of(rare, c) == CAPABILITY_UNTESTED && rare_applies(p, platform, route, (enum capability)c) &&
            (declared(p, platform, route, (enum capability)c) || required(p, (enum capability)c)))
            bits |= 1u << c;
    return bits;
}

void rare_trial_plan(struct prober *p, size_t platform)
{
    struct platform *pf = &p->platforms[platform];
    usec_t due = 0;
    if (pf->trial->trial)
        return;
    for (size_t j = 0; j < pf->config->routes_len; j++) {
        usec_t at = pf->rare[j].trial_due;
        due = at > 0 && (due == 0 || at < due) ? at : due;
    }
    if (due > 0 && pf->trial_at > 0 && due < pf->trial_at + TRIALS_APART)
        due = pf->trial_at + TRIALS_APART;
    if (due > 0)
        loop_timer_set(pf->trial->timer, due);
    else
        loop_timer_stop(pf->trial->timer);
}

bool rare_trial_choose(struct prober *p, size_t platform, size_t *ret_route)
{
    struct platform *pf = &p->platforms[platform];
    usec_t now = loop_now(p->loop), least = now;
    bool found = false;
    if (pf->trial_at > 0 && now < pf->trial_at + TRIALS_APART)
        return false;
    for (size_t j = 0; j < pf->config->routes_len; j++) {
        struct rare *rare = &pf->rare[j];
        const char *why;
        if (rare->trial_due == 0 || rare->trial_due > least || (found && rare->trial_due == least))
            continue;
        usec_t wait = rare_barred(p, PROBE_CAPABILITIES, platform, j, &why);
        if (wait > 0) {
            rare->trial_due = now + wait;
            continue;
        }
        least = rare->trial_due;
        *ret_route = j;
        found = true;
    }
    return found;
}

void rare_trial_unpaid(struct prober *p, size_t platform, size_t route, const char *why)
{
    struct rare *rare = &p->platforms[platform].rare[route];
    say(&rare->trial_why, why);
    if (rare->trial_due > 0)
        rare->trial_due = loop_now(p->loop) + TRIALS_APART;
}

/* What was refused once and has to be confirmed, and what is not known yet. */
static void left_open(const struct prober *p, size_t platform, size_t route, unsigned *ret_refused, unsigned *ret_unclear)
{
    const struct rare *rare = &p->platforms[platform].rare[route];
    *ret_refused = *ret_unclear = 0;
    for (int c = 0; c < CAPABILITY_COUNT; c++) {
        if (!rare_applies(p, platform, route, (enum capability)c))
            continue;
        uint8_t state = state_of(rare, c), refusals = rare->known ? rare->known->of[c].refusals : 0;
        if (refusals > 0 && state != CAPABILITY_NO)
            *ret_refused |= 1u << c;
        else if (state == CAPABILITY_UNCLEAR || state == CAPABILITY_UNTESTED)
            *ret_unclear |= 1u << c;
    }
}

void rare_trial_over(struct prober *p, size_t platform, size_t route)
{
    struct rare *rare = &p->platforms[platform].rare[route];
    usec_t interval = probe_of(p, PROBE_CAPABILITIES, platform)->rule.interval, now = loop_now(p->loop), wait;
    unsigned refused, unclear;
    left_open(p, platform, route, &refused, &unclear);
    rare->wanted = 0;
    rare->unclear = unclear ? (uint8_t)(rare->unclear < 16 ? rare->unclear + 1 : 16) : 0;
    say(&rare->trial_why, NULL);
    if (interval == 0) {
        rare->trial_due = 0;
        return;
    }
    rare->trial_due = next_turn(p, PROBE_CAPABILITIES, platform, route, now);
    wait = refused ? CONFIRM_AFTER : UNCLEAR_AFTER << (rare->unclear > 0 ? rare->unclear - 1 : 0);
    if ((refused || unclear) && now + wait < rare->trial_due) {
        rare->trial_due = now + wait;
        rare->wanted = (uint8_t)(refused ? refused : unclear);
    }
}

void rare_trial_again(struct prober *p, size_t platform, size_t route, unsigned wanted)
{
    struct rare *rare = &p->platforms[platform].rare[route];
    if (rare->trial_due == 0 || rare->trial_due <= loop_now(p->loop))
        return; /* never, or it comes anyhow */
    rare->trial_due = loop_now(p->loop);
    rare->wanted = (uint8_t)wanted;
}

/* --- made, taken over, started ------------------------------------------------------------------------------------------------ */

static void rare_take(struct rare *to, struct rare *from)
{
    *to = *from;
    *from = (struct rare){.burst_due = 0};
}

void rare_init(struct platform *pf, struct platform *before, struct prober *p, size_t platform)
{
    const struct config_platform *c = pf->config;
    (void)p, (void)platform;
    pf->rare = alloc_zero(c->routes_len + 1, sizeof *pf->rare);
    pf->trial_at = before ? before->trial_at : 0;
    for (size_t i = 0; i < c->routes_len; i++)
        for (size_t j = 0; before && j < before->config->routes_len; j++)
            if (strcmp(c->routes[i].model, before->config->routes[j].model) == 0) {
                bool other = strcmp(c->routes[i].upstream, before->config->routes[j].upstream) != 0;
                rare_take(&pf->rare[i], &before->rare[j]);
                if (other) { /* another model under the same name: it is tried anew, and until then what is known stands */
                    pf->rare[i].trial_due = loop_now(p->loop);
                    pf->rare[i].wanted = 0;
                    free(pf->rare[i].answers);
                    pf->rare[i].answers = NULL;
                }
                break;
            }
}

void rare_free(struct platform *pf)
{
    for (size_t i = 0; pf->rare && i < pf->config->routes_len; i++) {
        free(pf->rare[i].known);
        free(pf->rare[i].answers);
        free(pf->rare[i].burst_why);
        free(pf->rare[i].trial_why);
    }
    free(pf->rare);
    pf->rare = NULL;
}

void prober_know(struct prober *p, size_t platform, size_t route, const struct capabilities *known, usec_t burst_at)
{
    struct rare *rare = &p->platforms[platform].rare[route];
    if (burst_at > 0 && rare->burst_due == 0 && probe_of(p, PROBE_BURST, platform)->rule.interval > 0)
        rare->burst_due = next_turn(p, PROBE_BURST, platform, route, burst_at);
    if (!known || rare->known)
        return;
    rare->known = alloc_zero(1, sizeof *rare->known);
    *rare->known = *known;
    usec_t tried = capabilities_tried(known);
    if (tried > p->platforms[platform].trial_at)
        p->platforms[platform].trial_at = tried;
    if (tried > 0 && rare->trial_due == 0 && probe_of(p, PROBE_CAPABILITIES, platform)->rule.interval > 0)
        rare->trial_due = next_turn(p, PROBE_CAPABILITIES, platform, route, tried);
}

static void start_route(struct prober *p, size_t platform, size_t route)
{
    struct rare *rare = &p->platforms[platform].rare[route];
    const struct config_route *c = &p->platforms[platform].config->routes[route];
    bool never = c->level < LEVEL_CHAT || p->platforms[platform].config->level < LEVEL_CHAT;
    if (never || probe_of(p, PROBE_BURST, platform)->rule.interval == 0)
        rare->burst_due = 0;
    else if (rare->burst_due == 0)
        rare->burst_due = first_turn(p, PROBE_BURST, platform, route);
    if (never || probe_of(p, PROBE_CAPABILITIES, platform)->rule.interval == 0) {
        rare->trial_due = 0;
        return;
    }
    if (rare->trial_due == 0)
        rare->trial_due = first_turn(p, PROBE_CAPABILITIES, platform, route);
    unsigned bits = untested(p, platform, route);
    if (bits != 0 && rare->unclear == 0 && rare->trial_due > loop_now(p->loop)) { /* what was tried in vain has its own time */
        rare->trial_due = loop_now(p->loop);
        rare->wanted = (uint8_t)(rare->known ? bits : 0);
    }
}

void rare_start(struct prober *p)
{
    for (size_t i = 0; i < p->platforms_len; i++) {
        for (size_t j = 0; j < p->platforms[i].config->routes_len; j++)
            start_route(p, i, j);
        rare_trial_plan(p, i);
    }
    rare_burst_plan(p);
}

/* --- reports ------------------------------------------------------------------------------------------------------------------ */

static void report(const struct prober *p, enum probe_kind kind, size_t platform, size_t route, usec_t due, const char *passed, usec_t *ret_next,
                   char *why, size_t size)
{
    const char *barred;
    *ret_next = due > 0 && due < loop_now(p->loop) ? loop_now(p->loop) : due;
    why[0] = '\0';
    if (due == 0 && probe_of(p, kind, platform)->rule.interval == 0)
        snprintf(why, size, "not probed: probes.%s.interval is 0", probe_kind_name(kind));
    else if (rare_barred(p, kind, platform, route, &barred) > 0)
        snprintf(why, size, "not probed: %.140s", barred);
    else if (passed)
        snprintf(why, size, "%.150s", passed);
}

void prober_report_burst(const struct prober *p, size_t platform, size_t route, struct prober_burst_report *ret)
{
    const struct rare *rare = &p->platforms[platform].rare[route];
    report(p, PROBE_BURST, platform, route, rare->burst_due, rare->burst_why, &ret->next_at, ret->why, sizeof ret->why);
}

void prober_report_capabilities(const struct prober *p, size_t platform, size_t route, struct prober_capabilities_report *ret)
{
    const struct platform *pf = &p->platforms[platform];
    const struct rare *rare = &pf->rare[route];
    *ret = (struct prober_capabilities_report){.tested_at = capabilities_tried(rare->known)};
    if (rare->known)
        ret->known = *rare->known;
    for (int c = 0; c < CAPABILITY_COUNT; c++)
        ret->declared[c] = declared(p, platform, route, (enum capability)c);
    usec_t due = rare->trial_due, earliest = pf->trial_at > 0 ? pf->trial_at + TRIALS_APART : 0;
    report(p, PROBE_CAPABILITIES, platform, route, due > 0 && due < earliest ? earliest : due, rare->trial_why, &ret->next_at, ret->why,
           sizeof ret->why);
}

void rare_kick(struct prober *p, size_t platform, size_t route, enum probe_kind kind)
{
    struct rare *rare = &p->platforms[platform].rare[route];
    if (kind == PROBE_BURST) {
        rare->burst_due = loop_now(p->loop);
        rare_burst_plan(p);
    } else {
        rare->trial_due = loop_now(p->loop);
        rare->wanted = 0;
        p->platforms[platform].trial_at = 0; /* whoever asks for it need not wait for the next hour */
        rare_trial_plan(p, platform);
    }
}
