/* Do clients follow the shares, or do they send everything to rank 1?
 *
 * Told from the reports: where requests went, against who was rank 1 with what share when they were sent. A request sent soon after a
 * change may have followed either table and says nothing. A failed try is followed by another one elsewhere, which was nobody's first
 * choice: those are taken off. While rank 1 has nearly all of the shares both kinds of clients look the same, and what was known last
 * stands; where nothing can be told for a minute (rank 1 changes all the time) it does not. */
#include <math.h>
#include <string.h>

#include "probed/core/ranker_inside.h"

#define MEMORY      (20 * USEC_PER_SEC)
#define UNSURE      (1500 * USEC_PER_MSEC) /* after a change: tables are read once a second or so */
#define ENOUGH      10.0                   /* first tries that would go elsewhere if the shares were followed */
#define ALONE_FROM  0.6                    /* part of the clients that knows only rank 1 */
#define ALONE_UNTIL 0.35
#define FORGOTTEN   USEC_PER_MINUTE

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

void follow_observe(struct follow *f, int route, const struct observation *o, usec_t now)
{
    const struct lead *lead = o->total >= 0 ? lead_at(f, now - o->total) : NULL;

    if (!lead)
        return;
    count(f, lead, route == lead->route, !outcome_ok(o->outcome), now);
    double led = fmax(0, f->led), first_tries = led + fmax(0, f->other), share = f->share / f->count;

    if (first_tries * (1 - share) < ENOUGH)
        return;
    f->alone = (led / first_tries - share) / (1 - share) > (f->alone ? ALONE_UNTIL : ALONE_FROM);
}

bool follow_alone(const struct follow *f, usec_t now)
{
    return f->alone && now - f->at < FORGOTTEN;
}
