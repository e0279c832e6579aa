/* Who may run now: four errands at once in all, and of a platform one.
 *
 * An errand is queued, runs, and is over; the longest waiting one that may run is the next. A platform's errands are kept apart so that a
 * relay is never asked two things at the same moment (sites limit requests by address), and so that a balance and a price that belong
 * together are not read in the middle of each other. Nothing runs from inside errand_queue: the pump does that, from the loop. */
#include "probed/price/collector_parts.h"

static bool may_run(const struct errand *e)
{
    return !e->site || !e->site->busy;
}

static void wake(struct collector *c)
{
    loop_timer_set(c->pump, 0);
}

void errand_queue(struct errand *e)
{
    if (e->queued || e->running)
        return;
    e->queued = true;
    TAILQ_INSERT_TAIL(&e->c->waiting, e, entry);
    e->c->stats.waiting++;
    wake(e->c);
}

static void withdraw(struct errand *e)
{
    e->queued = false;
    TAILQ_REMOVE(&e->c->waiting, e, entry);
    e->c->stats.waiting--;
}

static void occupy(struct errand *e, bool on)
{
    e->c->stats.running += on ? 1 : -1;
    if (e->site)
        e->site->busy = on;
}

void errand_over(struct errand *e)
{
    if (e->queued)
        withdraw(e);
    if (!e->running)
        return;
    e->running = false;
    occupy(e, false);
    wake(e->c);
}

void errand_move(struct errand *e, struct collector *c, struct site *site)
{
    bool queued = e->queued;
    if (queued)
        withdraw(e);
    if (e->running)
        occupy(e, false);
    e->c = c;
    e->site = site;
    if (e->running)
        occupy(e, true);
    if (queued)
        errand_queue(e);
}

void errands_pump(void *collector)
{
    struct collector *c = collector;
    struct errand *e = TAILQ_FIRST(&c->waiting);
    while (e && c->stats.running < COLLECT_AT_ONCE) {
        struct errand *next = TAILQ_NEXT(e, entry);
        if (may_run(e)) {
            withdraw(e);
            e->running = true;
            occupy(e, true);
            e->go(e->arg); /* may be over already, and may have queued others behind */
            next = TAILQ_FIRST(&c->waiting);
        }
        e = next;
    }
}
