/* The self check: when relays fail before they even answer, is it them or our own network?
 *
 * Anchors are URLs that the operator trusts to be up (self_check:). They are asked at the reach interval and, in addition, at once when a relay fails on the
 * network (DNS, connect, TLS): such an observation is held until the anchors have spoken, so that an outage of ours never counts against a relay, not
 * even for one probe. All anchors failing = it is us: held observations become LOCAL, verdicts freeze until one anchor answers again.
 * A round that began after the probe did answers for it; otherwise the observation waits for the next, and rounds begin at least APART apart, so that a
 * relay which stays dead does not make us a nuisance to the anchors. Without anchors nothing is held. */
#include <stdlib.h>

#include "probed/probe/prober_parts.h"
#include "shared/alloc.h"

#define APART (2 * USEC_PER_SEC)
#define HELD_MAX 1024

struct held {
    struct target *target;
    struct observation o;
};

struct anchors {
    struct prober *p;
    struct loop_timer *timer;
    size_t len;
    struct anchor {
        struct anchors *owner;
        struct http_target *http;
        bool ok;
    } *anchor;
    size_t waiting;   /* anchors that have not answered in this round */
    bool any_ok;
    bool local;       /* the last round's verdict */
    usec_t began_at;  /* when the last round began; 0 = never */
    struct held *held;
    size_t held_len, held_size;
};

struct anchors *anchors_new(struct prober *p)
{
    struct anchors *a = alloc_zero(1, sizeof *a);
    a->p = p;
    a->len = p->config->self_check_len;
    if (a->len == 0)
        return a;
    a->anchor = alloc_zero(a->len, sizeof *a->anchor);
    for (size_t i = 0; i < a->len; i++) {
        a->anchor[i].owner = a;
        a->anchor[i].http = http_target_new(p->http, p->config->ca_file);
    }
    return a;
}

struct anchors *anchors_free(struct anchors *a)
{
    if (!a)
        return NULL;
    loop_timer_free(a->timer);
    for (size_t i = 0; i < a->len; i++)
        http_target_free(a->anchor[i].http);
    free(a->anchor);
    free(a->held);
    free(a);
    return NULL;
}

/* As often as the most often reached platform: the anchors are asked for its sake. */
static usec_t anchors_interval(const struct anchors *a)
{
    usec_t least = 30 * USEC_PER_SEC;
    for (size_t i = 0; i < a->p->platforms_len; i++) {
        const struct schedule_rule *rule = &a->p->platforms[i].config->probes[PROBE_REACH].rule;
        usec_t interval = a->local ? rule->fast : rule->interval;
        least = interval < least ? interval : least;
    }
    return least;
}

static void round_over(struct anchors *a)
{
    struct prober *p = a->p;
    bool local = !a->any_ok;
    if (local != a->local) {
        a->local = local;
        p->owner.local(p->owner.arg, local);
    }
    loop_timer_set(a->timer, loop_now(p->loop) + anchors_interval(a));

    struct held *held = a->held;
    size_t len = a->held_len;
    a->held = NULL;
    a->held_len = a->held_size = 0;
    for (size_t i = 0; i < len; i++) {
        if (!held[i].target)
            continue;
        if (local)
            held[i].o.outcome.fault = FAULT_LOCAL;
        prober_deliver(p, held[i].target, &held[i].o);
    }
    free(held);
}

static int on_data(void *arg, const char *data, size_t len, usec_t now)
{
    (void)arg, (void)data, (void)len, (void)now;
    return 1;
}

static void on_done(void *arg, const struct http_result *result)
{
    struct anchor *anchor = arg;
    struct anchors *a = anchor->owner;
    anchor->ok = result->status > 0;
    a->any_ok |= anchor->ok;
    if (--a->waiting == 0)
        round_over(a);
}

static void ask(void *arg)
{
    struct anchors *a = arg;
    if (a->waiting > 0 || a->len == 0)
        return;
    a->any_ok = false;
    a->began_at = loop_now(a->p->loop);
    a->waiting = a->len;
    loop_timer_stop(a->timer);
    for (size_t i = 0; i < a->len; i++) {
        struct http_request request = {
            .method = "GET",
            .url = a->p->config->self_check[i],
            .fresh = true,
            .connect_timeout = 3 * USEC_PER_SEC,
            .headers_timeout = 3 * USEC_PER_SEC,
            .total_timeout = 5 * USEC_PER_SEC,
            .max_body = PROBE_REACH_BODY,
            .on_data = on_data,
            .on_done = on_done,
            .arg = &a->anchor[i],
        };
        if (http_start(a->anchor[i].http, &request, NULL) < 0)
            a->waiting--;
    }
    if (a->waiting == 0)
        round_over(a);
}

void anchors_start(struct anchors *a)
{
    if (a->len == 0)
        return;
    a->timer = loop_timer_new(a->p->loop, "self check", ask, a);
    loop_timer_set(a->timer, loop_now(a->p->loop));
}

bool anchors_hold(struct anchors *a, struct target *t, const struct observation *o)
{
    bool network = o->outcome.fault == FAULT_RELAY && o->outcome.stage <= STAGE_TLS;
    if (a->len == 0 || !network || a->held_len >= HELD_MAX)
        return false;
    if (a->waiting == 0 && a->began_at >= t->started && !a->local)
        return false;
    if (a->held_len == a->held_size) {
        a->held_size = a->held_size ? a->held_size * 2 : 16;
        a->held = alloc_resize(a->held, a->held_size, sizeof *a->held);
    }
    a->held[a->held_len++] = (struct held){t, *o};
    if (a->waiting == 0) { /* the past is as soon as possible */
        usec_t next = a->began_at + APART;
        loop_timer_set(a->timer, next > loop_now(a->p->loop) ? next : loop_now(a->p->loop));
    }
    return true;
}

bool anchors_local(const struct anchors *a) { return a && a->local; }

void anchors_forget(struct anchors *a, const struct target *t)
{
    for (size_t i = 0; a && i < a->held_len; i++)
        if (a->held[i].target == t)
            a->held[i].target = NULL;
}
