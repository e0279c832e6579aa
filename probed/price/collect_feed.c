/* The life of a feed.
 *
 *   idle -- due, kicked --> waiting for room -- begin --> a round (requests, reading) -- good, bad --> idle, planned again
 *
 * A round ends in exactly one of feed_good and feed_bad, which drop what the round left behind, give its room back, plan the next, and tell
 * the owner if the state is another. What was known stays after a bad round. After a failure the next tries are early (the interval
 * `fast`), unless the relay has said no; those after them back off up to `slow`. A Retry-After is waited for.
 *
 * The owner hears of a reason only when it is another one: up to its first colon, since behind that relays like to write a number that is
 * new each time. */
#include <stdlib.h>
#include <string.h>

#include "probed/price/collector_parts.h"
#include "shared/alloc.h"

#define HURRIES          3
#define RETRY_AFTER_MOST USEC_PER_HOUR
#define FETCH_INTERVAL   USEC_PER_DAY
#define FETCH_FAST       (15 * USEC_PER_MINUTE)

static enum probe_kind probe_of(const struct feed *f)
{
    return f->kind == COLLECT_PRICE ? PROBE_PRICE : PROBE_BALANCE;
}

struct schedule_rule feed_rule(const struct feed *f)
{
    if (f->site)
        return f->site->config->probes[probe_of(f)].rule;
    const struct config *config = f->c->config;
    usec_t interval = f->kind == COLLECT_REFERENCE ? config->price_reference.interval : config->rate_source.interval;
    if (interval <= 0)
        interval = FETCH_INTERVAL;
    return (struct schedule_rule){
        .interval = interval, .fast = interval < FETCH_FAST ? interval : FETCH_FAST, .slow = interval, .jitter = 0.05};
}

/* A balance without a key is no failure: it is what the operator chose, or has still to do. */
static bool is_off(const struct feed *f)
{
    return (f->balance && balance_keyless(f)) || (f->site && f->site->config->level == LEVEL_OFF) || feed_rule(f).interval <= 0;
}

/* --- state -------------------------------------------------------------------------------------------------------------- */

enum collector_state feed_state(const struct feed *f)
{
    if (is_off(f))
        return COLLECT_NONE;
    if (f->fetched_at < 0)
        return f->fails > 0 ? COLLECT_FAILED : COLLECT_PENDING;
    if (loop_now(f->c->loop) - f->fetched_at >= COLLECT_STALE_RUN * feed_rule(f).interval)
        return COLLECT_STALE;
    return f->fails >= COLLECT_FAILED_RUN ? COLLECT_FAILED : COLLECT_OK;
}

static bool same_cause(const char *a, const char *b)
{
    size_t n = strcspn(a, ":");
    return n == strcspn(b, ":") && strncmp(a, b, n) == 0;
}

static void tell_state(struct feed *f)
{
    enum collector_state state = feed_state(f);
    const char *why = state == COLLECT_OK || state == COLLECT_PENDING ? "" : f->why;
    struct collector *c = f->c;
    if (state == f->told_state && same_cause(why, f->told_why))
        return;
    f->told_state = state;
    strcpy(f->told_why, why);
    if (c->owner.feed)
        c->owner.feed(c->owner.arg, f->site ? f->site->index : COLLECTOR_NO_PLATFORM, f->kind, state, why);
}

static void on_aging(void *arg)
{
    tell_state(arg);
}

/* --- rounds ------------------------------------------------------------------------------------------------------------- */

static void go(void *arg)
{
    struct feed *f = arg;
    f->c->stats.sent[f->kind]++;
    switch (f->kind) {
    case COLLECT_PRICE:
        price_begin(f);
        break;
    case COLLECT_BALANCE:
        balance_begin(f);
        break;
    case COLLECT_REFERENCE:
        reference_begin(f);
        break;
    default:
        rates_begin(f);
        break;
    }
}

static void drop_round(struct feed *f)
{
    feed_read_stop(f);
    asking_close(&f->asking);
    if (f->price)
        price_end(f);
    if (f->balance)
        balance_end(f);
    errand_over(&f->errand);
}

static void on_due(void *arg)
{
    struct feed *f = arg;
    f->next_at = -1;
    if (!is_off(f))
        errand_queue(&f->errand);
}

static void plan(struct feed *f, enum pace pace, usec_t retry_after)
{
    struct schedule_rule rule = feed_rule(f);
    usec_t now = loop_now(f->c->loop);
    if (is_off(f))
        return;
    if (retry_after > 0)
        f->schedule.not_before = now + (retry_after < RETRY_AFTER_MOST ? retry_after : RETRY_AFTER_MOST);
    f->next_at = schedule_next(&f->schedule, &rule, pace, 0, now, &f->c->random);
    loop_timer_set(f->due, f->next_at);
}

void feed_good(struct feed *f, bool changed)
{
    usec_t now = loop_now(f->c->loop);
    drop_round(f);
    f->fails = 0;
    f->why[0] = '\0';
    f->fetched_at = now;
    if (changed)
        f->changed_at = now;
    plan(f, PACE_STEADY, 0);
    loop_timer_set(f->aging, now + COLLECT_STALE_RUN * feed_rule(f).interval);
    tell_state(f);
}

void feed_bad(struct feed *f, const char *why, usec_t retry_after, bool hurry)
{
    text_copy(f->why, sizeof f->why, why, strlen(why));
    keys_hide(f->site, f->why);
    drop_round(f);
    f->fails++;
    f->c->stats.failed[f->kind]++;
    plan(f, hurry && f->fails <= HURRIES ? PACE_FAST : PACE_SLOW, retry_after);
    tell_state(f);
}

void feed_told(struct feed *f, const struct told *told)
{
    feed_bad(f, told->why, told->retry_after, told->kind == TOLD_BROKEN || told->kind == TOLD_UNREACHED);
}

/* --- made, moved, freed ------------------------------------------------------------------------------------------------- */

struct feed *feed_new(struct collector *c, struct site *site, enum collector_kind kind, const char *name)
{
    struct feed *f = alloc_zero(1, sizeof *f);
    CLEANUP(buf_done) struct buf full = BUF_INIT;
    f->c = c;
    f->site = site;
    f->kind = kind;
    f->fetched_at = f->changed_at = f->next_at = -1;
    f->told_state = COLLECT_PENDING;
    f->errand = (struct errand){.c = c, .site = site, .go = go, .arg = f};
    f->asking = (struct asking){.c = c, .site = site};
    f->due = loop_timer_new(c->loop, collector_kind_name(kind), on_due, f);
    f->aging = loop_timer_new(c->loop, "feed age", on_aging, f);
    buf_printf(&full, "%s %s", collector_kind_name(kind), name);
    schedule_init(&f->schedule, buf_str(&full));
    return f;
}

struct feed *feed_free(struct feed *f)
{
    if (!f)
        return NULL;
    drop_round(f);
    loop_timer_free(f->due);
    loop_timer_free(f->aging);
    loop_timer_free(f->slice);
    price_feed_free(f->price);
    balance_feed_free(f->balance);
    price_list_done(&f->list);
    free(f->rates);
    free(f);
    return NULL;
}

void feed_move(struct feed *f, struct collector *c, struct site *site)
{
    errand_move(&f->errand, c, site);
    f->c = f->asking.c = c;
    f->site = f->asking.site = site;
}

void feed_start(struct feed *f, usec_t spread)
{
    struct schedule_rule rule = feed_rule(f);
    usec_t now = loop_now(f->c->loop);
    if (is_off(f)) {
        drop_round(f);
        loop_timer_stop(f->due);
        loop_timer_stop(f->aging);
        f->next_at = -1;
        f->told_state = COLLECT_NONE;
        return;
    }
    if (f->told_state == COLLECT_NONE)
        f->told_state = COLLECT_PENDING;
    if (f->fetched_at >= 0)
        loop_timer_set(f->aging, f->fetched_at + COLLECT_STALE_RUN * rule.interval);
    if (f->errand.queued || f->errand.running)
        return;
    /* A feed that was taken over keeps its plan, unless it is now asked more often. */
    if (loop_timer_active(f->due) && f->next_at <= now + rule.interval + rule.interval / 10)
        return;
    f->next_at = schedule_first(&f->schedule, &rule, spread, now);
    loop_timer_set(f->due, f->next_at);
}

void feed_kick(struct feed *f)
{
    if (!f || is_off(f) || f->errand.running)
        return;
    loop_timer_stop(f->due);
    f->next_at = -1;
    errand_queue(&f->errand);
}
