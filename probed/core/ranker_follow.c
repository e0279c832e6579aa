/* Do clients follow the shares, or do they send everything to rank 1?
 *
 * Told from the reports: where requests went, against who was rank 1 with what share when they were sent. A request sent soon after a
 * change may have followed either table and says nothing. A failed try is followed by another one elsewhere, which was nobody's first
 * choice: those are taken off. While rank 1 has nearly all of the shares both kinds of clients look the same, and what was known last
 * stands; where nothing can be told for a minute (rank 1 changes all the time) it does not.
 *
 * And where do they try again what failed: on rank 1 (the next of the order), or by the shares as the first time? Then rank 1 needs no room
 * for it, and all need some. */
#include <math.h>
#include <string.h>

#include "probed/core/ranker_inside.h"

#define MEMORY      (20 * USEC_PER_SEC)
#define UNSURE      (1500 * USEC_PER_MSEC) /* after a change: tables are read once a second or so */
#define ENOUGH      10.0                   /* first tries that would go elsewhere if the shares were followed */
#define ALONE_FROM  0.6                    /* part of the clients that knows only rank 1 */
#define ALONE_UNTIL 0.35
#define FORGOTTEN   USEC_PER_MINUTE
#define AGAIN_MEMORY     (3 * USEC_PER_MINUTE)
#define AGAIN_ENOUGH     25.0 /* failed tries elsewhere than on rank 1 */
#define AGAIN_SHARE_MOST 0.8  /* of rank 1: beyond it both ways of trying again look alike */
#define SPREAD_FROM      0.45 /* part of what failed that comes to rank 1 beyond its share */
#define SPREAD_UNTIL     0.7

void follow_lead(struct follow *f, int leader, unsigned slots, usec_t now)
{
    float share = (float)slots / TABLE_SLOTS;

    if (f->leads_len > 0 && f->leads[0].route == leader) {
        f->leads[0].share = share;
        return;
    }
    memmove(&f->leads[1], &f->leads[0], sizeof(f->leads) - sizeof(f->leads[0]));
    f->leads[0] = (struct lead){now, leader, share};
    if (f->leads_len < FOLLOW_LEADS)
        f->leads_len++;
}

/* Who was rank 1 for a client that sent a request then; NULL = not known for sure. */
static const struct lead *lead_at(const struct follow *f, usec_t sent)
{
    unsigned i = 0;

    while (i < f->leads_len && sent < f->leads[i].at)
        i++;
    return i < f->leads_len && f->leads[i].route >= 0 && sent >= f->leads[i].at + UNSURE ? &f->leads[i] : NULL;
}

static void count(struct follow *f, const struct lead *lead, bool led, bool failed, usec_t now)
{
    double keep = f->at > 0 && now > f->at ? exp(-(double)(now - f->at) / (double)MEMORY) : 1;

    f->at = now;
    f->led = f->led * keep + (led ? 1 : 0) - (!led && failed ? 1 : 0);
    f->other = f->other * keep + (led ? 0 : 1) - (led && failed ? 1 : 0);
    f->share = f->share * keep + (double)lead->share;
    f->count = f->count * keep + 1;
}

static void fade(float *n, double keep, double more)
{
    *n = (float)((double)*n * keep + more);
}

/* First tries fall on rank 1 by its share; what comes there beyond was tried again. */
static void count_again(struct again *a, const struct lead *lead, bool led, bool failed, usec_t now)
{
    double keep = a->at > 0 && now > a->at ? exp(-(double)(now - a->at) / (double)AGAIN_MEMORY) : 1;

    a->at = now;
    fade(&a->tries, keep, 1);
    fade(&a->led, keep, led ? 1 : 0);
    fade(&a->failed, keep, failed ? 1 : 0);
    fade(&a->elsewhere, keep, failed && !led ? 1 : 0);
    fade(&a->share, keep, (double)lead->share);
    double share = (double)a->share / (double)a->tries, first = ((double)a->tries - (double)a->failed) * share;

    if ((double)a->elsewhere < AGAIN_ENOUGH || share > AGAIN_SHARE_MOST)
        return;
    double part = (((double)a->led - first) / (double)a->elsewhere - share) / (1 - share);

    a->spread = part < (a->spread ? SPREAD_UNTIL : SPREAD_FROM);
}

void follow_observe(struct follow *f, int route, const struct observation *o, usec_t now)
{
    const struct lead *lead = o->total >= 0 ? lead_at(f, now - o->total) : NULL;

    if (!lead)
        return;
    count(f, lead, route == lead->route, !outcome_ok(o->outcome), now);
    count_again(&f->again, lead, route == lead->route, !outcome_ok(o->outcome), now);
    double led = fmax(0, f->led), first_tries = led + fmax(0, f->other), share = f->share / f->count;

    if (first_tries * (1 - share) < ENOUGH)
        return;
    f->alone = (led / first_tries - share) / (1 - share) > (f->alone ? ALONE_UNTIL : ALONE_FROM);
}

bool follow_alone(const struct follow *f, usec_t now)
{
    return f->alone && now - f->at < FORGOTTEN;
}

bool follow_spreads(const struct follow *f)
{
    return f->again.spread;
}
