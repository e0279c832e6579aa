/* How many host names are looked up at once.
 *
 * libcurl's resolver starts a thread for each look-up, and a resolver that does not answer would pile up one for every probe. So a request that is
 * going to look a name up first takes a slot; when there is none it waits here, first come first served, and its time begins when it leaves.
 * A look-up that is given up (its request timed out) cannot be stopped: the thread sits in getaddrinfo until the system's resolver gives up too. Its slot
 * stays taken for about that long, since otherwise the cap would hold for requests but not for threads.
 * A slot is given back from inside libcurl's callbacks; the next in line is started from outside of them. */
#include "probed/net/http_parts.h"

#include "shared/alloc.h"

#define CAP_DEFAULT 16
/* resolv.conf's defaults: two rounds of 5 s. */
#define LINGER (10 * USEC_PER_SEC)

struct lingering {
    usec_t until;
    TAILQ_ENTRY(lingering) entry;
};

/* All linger equally long, so the oldest is the first to go. */
static void on_lingered(void *arg)
{
    struct lookups *l = arg;
    struct lingering *first;
    while ((first = TAILQ_FIRST(&l->lingering)) != NULL && first->until <= loop_now(l->loop)) {
        TAILQ_REMOVE(&l->lingering, first, entry);
        alloc_freep(&first);
        l->taken--;
    }
    if (first != NULL)
        loop_timer_set(l->timer, first->until);
    lookups_pump(l);
}

void lookups_init(struct lookups *l, struct loop *loop, int cap)
{
    *l = (struct lookups){.loop = loop, .cap = cap > 0 ? cap : CAP_DEFAULT};
    TAILQ_INIT(&l->waiting);
    TAILQ_INIT(&l->lingering);
    l->timer = loop_timer_new(loop, "http look-ups", on_lingered, l);
}

void lookups_done(struct lookups *l)
{
    struct lingering *first;
    while ((first = TAILQ_FIRST(&l->lingering)) != NULL) {
        TAILQ_REMOVE(&l->lingering, first, entry);
        alloc_freep(&first);
    }
    l->timer = loop_timer_free(l->timer);
}

bool lookups_take(struct lookups *l)
{
    if (l->taken >= l->cap)
        return false;
    l->taken++;
    return true;
}

void lookups_give_back(struct lookups *l) { l->taken--; }

void lookups_abandon(struct lookups *l)
{
    struct lingering *last = alloc_zero(1, sizeof(*last));
    last->until = loop_now_fresh(l->loop) + LINGER;
    TAILQ_INSERT_TAIL(&l->lingering, last, entry);
    if (!loop_timer_active(l->timer))
        loop_timer_set(l->timer, last->until);
}

void lookups_pump(struct lookups *l)
{
    struct http_target *t;
    while (l->taken < l->cap && (t = TAILQ_FIRST(&l->waiting)) != NULL) {
        target_unqueue(t);
        target_begin(t);
    }
}
