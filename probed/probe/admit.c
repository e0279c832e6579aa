/* Who may run now. A probe that is due waits in its platform's queue for one of the platform's places and one of the places in all; platforms that have both a
 * waiting probe and a free place take turns, so that one large platform does not hold up the others. First come, first served within a
 * platform. The wait is measured and shown (an observation's `queue`); overload shows as lateness instead of wasted handshakes.
 *
 * A burst is not in these queues: it waits by itself until its platform has room for all of it (run_burst.c), takes its places at once, and gives them back one by one;
 * a platform that came to rest wakes it.
 *
 * A probe gives its place back in admit_done on every path. The pump runs from a timer and not from inside admit_done, so that a probe that fails at once
 * cannot recurse. */
#include "probed/probe/prober_parts.h"

static void ready_update(struct platform *pf, struct prober *p)
{
    bool ready = !TAILQ_EMPTY(&pf->waiting) && pf->in_flight < pf->cap;
    if (ready && !pf->ready)
        TAILQ_INSERT_TAIL(&p->ready, pf, ready_entry);
    else if (!ready && pf->ready)
        TAILQ_REMOVE(&p->ready, pf, ready_entry);
    pf->ready = ready;
}

static void pump_soon(struct prober *p)
{
    if (!loop_timer_active(p->pump) && !TAILQ_EMPTY(&p->ready) && p->in_flight < p->config->concurrency)
        loop_timer_set(p->pump, loop_now(p->loop));
}

bool admit_quiet(const struct platform *pf) { return pf->in_flight == 0 && TAILQ_EMPTY(&pf->waiting); }

/* The burst that waits for this platform looks at once. */
static void wake_burst(struct prober *p, size_t platform)
{
    if (p->burst && burst_waits(p->burst) && p->burst->platform == platform && admit_quiet(&p->platforms[platform]))
        loop_timer_set(p->burst->timer, loop_now(p->loop));
}

bool admit_burst(struct target *t, int n)
{
    struct prober *p = t->p;
    struct platform *pf = &p->platforms[t->platform];
    if (!TAILQ_EMPTY(&pf->waiting) || pf->in_flight + n > pf->cap || p->in_flight + n > p->config->concurrency)
        return false;
    p->in_flight += n;
    pf->in_flight += n;
    ready_update(pf, p);
    return true;
}

void admit_burst_done(struct prober *p, size_t platform, int n)
{
    p->in_flight -= n;
    p->platforms[platform].in_flight -= n;
    ready_update(&p->platforms[platform], p);
    pump_soon(p);
}

void admit_queue(struct target *t)
{
    struct platform *pf = &t->p->platforms[t->platform];
    if (t->phase != TARGET_IDLE)
        return;
    t->phase = TARGET_QUEUED;
    t->p->queued++;
    TAILQ_INSERT_TAIL(&pf->waiting, t, queue);
    ready_update(pf, t->p);
    pump_soon(t->p);
}

void admit_withdraw(struct target *t)
{
    struct platform *pf = &t->p->platforms[t->platform];
    if (t->phase != TARGET_QUEUED)
        return;
    TAILQ_REMOVE(&pf->waiting, t, queue);
    t->p->queued--;
    t->phase = TARGET_IDLE;
    ready_update(pf, t->p);
}

void admit_done(struct target *t)
{
    struct platform *pf = &t->p->platforms[t->platform];
    if (t->phase != TARGET_RUNNING)
        return;
    t->phase = TARGET_IDLE;
    t->p->in_flight--;
    pf->in_flight--;
    ready_update(pf, t->p);
    pump_soon(t->p);
    wake_burst(t->p, t->platform);
}

static int start(struct target *t)
{
    switch (t->kind) {
    case PROBE_REACH: return reach_start(t);
    case PROBE_MODELS: return models_start(t);
    case PROBE_CAPABILITIES: return trial_start(t);
    default: return chat_start(t);
    }
}

static void run(struct target *t)
{
    struct prober *p = t->p;
    struct platform *pf = &p->platforms[t->platform];
    TAILQ_REMOVE(&pf->waiting, t, queue);
    p->queued--;
    t->phase = TARGET_RUNNING;
    p->in_flight++;
    pf->in_flight++;
    ready_update(pf, p);
    t->started = loop_now(p->loop);
    if (!t->kicked && t->started - t->due > p->stats.late_max)
        p->stats.late_max = t->started - t->due;
    t->kicked = false;
    if (start(t) < 0) { /* nothing was sent: no observation, the next turn will tell */
        admit_done(t);
        target_plan(t, 0);
        return;
    }
    p->stats.sent[t->kind]++;
}

void admit_pump(struct prober *p)
{
    while (p->in_flight < p->config->concurrency && !TAILQ_EMPTY(&p->ready)) {
        struct platform *pf = TAILQ_FIRST(&p->ready);
        struct target *t = TAILQ_FIRST(&pf->waiting);
        TAILQ_REMOVE(&p->ready, pf, ready_entry); /* to the end of the line */
        TAILQ_INSERT_TAIL(&p->ready, pf, ready_entry);
        run(t);
    }
}
