/* What each route costs, as far as it is known, and from whom: the daemon's side of price lists.
 *
 * A route's price is what the platform's own list says; until it has said anything, or where it says nothing of this model, what the configuration says; where that is
 * silent too, the reference's (a vendor's list price); else it is not known. A price that is PRICING_IMPLAUSIBLE times off the reference is not believed. The
 * last good one stays, with its age, when a list cannot be read or does not know the model any more, and over restarts (the history's checkpoints hold it).
 *
 * From here it goes to the ranker and the prober (in the reference currency, times what is charged of it once that is sure), to the accounts (as advertised), to the
 * history, and changes go to the journal. */
#ifndef PROBED_PRICING_H
#define PROBED_PRICING_H

#include "probed/core/ranker.h"
#include "probed/price/price.h"
#include "shared/json.h"

#define PRICING_IMPLAUSIBLE 20.0
#define PRICING_TOLERANCE   0.001

struct daemon;
struct pricing;

/* X(ID, name) of what a price stands on */
#define PRICING_FROM_TABLE(X) X(NONE, "none") X(CONFIG, "config") X(FEED, "feed") X(REFERENCE, "reference")
enum pricing_from {
#define X(id, name) PRICING_##id,
    PRICING_FROM_TABLE(X)
#undef X
};

struct route_price {
    enum pricing_from from;
    enum price_source source; /* FEED: the shape it had */
    struct price_row row;     /* as it was said, in */
    char currency[CURRENCY_MAX];
    usec_t fetched_at;        /* wall clock; 0 = not fetched */
    bool listed;              /* the newest list has it, with a price */
    bool implausible;         /* the newest list's figure was not believed */
    double off_reference;     /* how many times the newest figure is off the reference; 0 = not comparable */
    struct price_figures advertised; /* the same in the reference currency; PRICE_UNKNOWN = there is no rate, or not known */
    struct price_figures effective;  /* times what is charged of it: what tables use */
    double ratio;             /* that; 1 = as advertised, or not sure */
    usec_t watched_since;     /* wall clock: since when a feed tells it; 0 = none does */
    double moved;             /* the sum of its squared relative changes since then: how much it moves */
};

struct pricing *pricing_new(struct daemon *d);
struct pricing *pricing_free(struct pricing *p); /* returns NULL */
/* The world was made or made anew: from here on its routes are meant; prices of same-named routes stay. pricing_reference then puts all in force. */
void pricing_enter(struct pricing *p);
/* A platform's list was read at that time of the wall clock. before: the one before, for what changed in it as a whole; NULL = it is as it was, or the first of this run. */
void pricing_listed(struct pricing *p, size_t platform, const struct price_list *list, const struct price_list *before, usec_t fetched_at);
void pricing_reference(struct pricing *p, const struct price_list *list); /* borrowed until the next; NULL = none */
/* Rates changed, or what is charged became sure: puts all prices (or those of one platform) in force anew. */
void pricing_refresh(struct pricing *p, size_t platform /* SIZE_MAX = all */);
const struct route_price *pricing_of(const struct pricing *p, size_t platform, size_t route);

/* Was its list in a currency that only the site's own status can have told? Then the list alone would be read in another one. */
bool pricing_by_status(const struct pricing *p, size_t platform);

/* What is known of fetched prices as bytes, appended; and back, before pricing_enter. -EINVAL: damaged, nothing is taken. */
void pricing_save(const struct pricing *p, struct buf *to);
int pricing_restore(struct pricing *p, const void *data, size_t len) ATTR_UNUSED_RESULT;

/* Relative standard deviation of the price's change in a day; below 0 = it was not watched for PRICING_WATCH_LEAST yet. */
#define PRICING_WATCH_LEAST (3 * USEC_PER_DAY)
double pricing_volatility(const struct pricing *p, size_t platform, size_t route);

/* Figures of one currency in another; what is not known stays so. */
struct price_figures pricing_convert(const struct daemon *d, const struct price_figures *price, const char *from, const char *to);
/* What a price stands on: the shape of its list, "config", "reference" or "none"; static. */
const char *pricing_source_name(const struct route_price *price);
/* The row of a list that a route goes by. NULL. */
const struct price_row *pricing_find(const struct price_list *list, const char *upstream, const char *model);

#endif
